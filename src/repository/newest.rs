//! The newest state of each repository that was seen, so that an older one is noticed.
//!
//! A signature says who made an index, not that it is the latest: a mirror, or somebody on the
//! way, can answer with the one of last year, with the holes that were closed since. In come the
//! date of a verified index and what is known: the newest date that the cache remembers, and for
//! an image that was repaired before the time of the newest package that it got from there. Out
//! goes nothing, or why the index is not taken.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::cache::Cache;
use super::freshness::show;
use imgfix_model::digest::Digest;

/// What comes from further in the future than this, in seconds, is no date to go by.
const MAX_FUTURE: i64 = 24 * 3600;

/// What to do with an index that is older than one that was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Older {
    /// It is an error: [`OlderIndex`].
    #[default]
    Refuse,
    /// It is used: `--allow-older-index`.
    Allow,
}

/// An index that is older than one that was seen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{index}: its index is of {date}, but {known} is known: the mirror answers with an old \
     state, and what was repaired since would be undone; try another mirror or later, or go on \
     with --allow-older-index"
)]
pub struct OlderIndex {
    index: String,
    date: String,
    known: String,
}

/// Which repository a package comes from, in few letters: what a repaired image remembers.
#[must_use]
pub fn short_name(repository: &str) -> String {
    Digest::of(repository.as_bytes()).hex().chars().take(16).collect()
}

/// What is known of the repositories.
#[derive(Debug, Default)]
pub struct Newest {
    older: Older,
    now: Option<i64>,
    /// By [`short_name`]: the time of the newest package that the image has from there.
    packages: Mutex<BTreeMap<String, i64>>,
}

impl Newest {
    /// `now`: seconds since the epoch.
    #[must_use]
    pub fn new(older: Older, now: Option<i64>) -> Self {
        Self { older, now, packages: Mutex::default() }
    }

    /// Remembers what an image has got from repositories, by [`short_name`].
    pub fn recall(&self, packages: &BTreeMap<String, i64>) {
        let mut known = self.packages.lock().unwrap_or_else(PoisonError::into_inner);
        for (repository, time) in packages {
            let newest = known.entry(repository.clone()).or_insert(*time);
            *newest = (*newest).max(*time);
        }
    }

    /// Checks the date of a verified index, in seconds since the epoch, and remembers it in the
    /// cache. `repositories` are those it is of, as packages name them.
    ///
    /// # Errors
    /// A newer one is known.
    pub fn check(
        &self,
        cache: &Cache,
        index: &str,
        repositories: &[String],
        date: i64,
    ) -> Result<(), OlderIndex> {
        let plausible = |time: &i64| self.now.is_none_or(|now| *time <= now + MAX_FUTURE);
        let cached = cache.newest(index).filter(plausible);
        let packages = self.packages.lock().unwrap_or_else(PoisonError::into_inner);
        let package = repositories
            .iter()
            .filter_map(|repository| packages.get(&short_name(repository)).copied())
            .filter(plausible)
            .max();
        drop(packages);
        let known = match (cached, package) {
            (Some(cached), _) if cached > date => Some(format!("one of {}", show(cached))),
            (_, Some(package)) if package > date => {
                Some(format!("a package of {} that the image was repaired with", show(package)))
            }
            _ => None,
        };
        if let (Some(known), Older::Refuse) = (known, self.older) {
            let (index, date) = (index.to_owned(), show(date));
            return Err(OlderIndex { index, date, known });
        }
        if cached.is_none_or(|cached| cached < date) {
            // A cache that cannot be written remembers nothing; the run can go on.
            let _ = cache.keep_newest(index, date);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CacheKey;
    use imgfix_host::unfinished::Unfinished;

    const NOW: i64 = 1_795_000_000;
    const INDEX: &str = "http://a b";

    fn check(newest: &Newest, cache: &Cache, date: i64) -> Result<(), String> {
        let repositories = [format!("{INDEX} main"), format!("{INDEX} contrib")];
        newest.check(cache, INDEX, &repositories, date).map_err(|error| error.to_string())
    }

    #[test]
    fn an_older_index_is_refused_whoever_remembers_the_newer() {
        let cache = Cache::temporary(&Unfinished::default()).unwrap();
        let newest = Newest::new(Older::Refuse, Some(NOW));
        for date in [NOW - 900, NOW - 900, NOW - 100] {
            assert_eq!(check(&newest, &cache, date), Ok(()));
        }
        let why = check(&newest, &cache, NOW - 101).unwrap_err();
        assert!(why.contains("--allow-older-index") && why.contains(INDEX), "{why}");
        // another repository has its own dates
        assert_eq!(newest.check(&cache, "http://a c", &[], 1), Ok(()));
        let allowed = Newest::new(Older::Allow, Some(NOW));
        assert_eq!(check(&allowed, &cache, NOW - 500), Ok(()));
        assert!(check(&newest, &cache, NOW - 500).is_err(), "allowed once is not for ever");

        let cache = Cache::temporary(&Unfinished::default()).unwrap();
        let newest = Newest::new(Older::Refuse, Some(NOW));
        let contrib = short_name(&format!("{INDEX} contrib"));
        newest.recall(&BTreeMap::from([(contrib, NOW - 300)]));
        let why = check(&newest, &cache, NOW - 301).unwrap_err();
        assert!(why.contains("that the image was repaired with"), "{why}");
        assert_eq!(check(&newest, &cache, NOW - 300), Ok(()));
    }

    #[test]
    fn what_comes_from_the_future_stops_nobody() {
        let cache = Cache::temporary(&Unfinished::default()).unwrap();
        cache.keep_newest(INDEX, NOW + MAX_FUTURE + 1).unwrap();
        let newest = Newest::new(Older::Refuse, Some(NOW));
        newest.recall(&BTreeMap::from([(short_name(&format!("{INDEX} main")), i64::MAX)]));
        assert_eq!(check(&newest, &cache, NOW), Ok(()));
    }

    #[test]
    fn a_cache_of_another_user_is_heard_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let open = || {
            let key = CacheKey::random().unwrap();
            Cache::open(dir.path(), key, &Unfinished::default()).unwrap()
        };
        let newest = Newest::new(Older::Refuse, Some(NOW));
        assert_eq!(check(&newest, &open(), NOW - 10), Ok(()));
        assert!(check(&newest, &open(), NOW - 11).is_err(), "it can only refuse more");
    }
}
