//! Whether a signed index may still be used: `Date` and `Valid-Until` of Release files
//! against the time of the run, as apt does (apt.conf(5) `Acquire::Check-Valid-Until`,
//! `Acquire::Max-FutureTime`). Pure: the clock comes in as a value.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::Verified;
use super::date;

/// How far an index may come from the future, in seconds. apt tolerates 10 s; a day also
/// covers containers whose clock is set to a local time.
const MAX_FUTURE: i64 = 24 * 3600;

/// What to do with an index whose `Valid-Until` has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expired {
    /// It is an error: [`FreshnessError::Expired`].
    Refuse,
    /// It is used: `--allow-expired-index`.
    Allow,
}

/// Why an index is not fresh. `name` is how messages call the index, as everywhere here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FreshnessError {
    /// No `Date`, which every Release file has to have.
    #[error(
        "{name} has no Date: nobody can tell whether it is of today or years old; the repository \
         must say it"
    )]
    NoDate {
        /// The index.
        name: String,
    },
    /// A `Valid-Until` that [`date::parse`] does not read.
    #[error("{name}: Valid-Until {value:?} is not a date, so nothing says how long it may be used")]
    NotADate {
        /// The index.
        name: String,
        /// The field's text.
        value: String,
    },
    /// `Valid-Until` has passed.
    #[error(
        "{name} is valid until {until} and it is {now}: the repository is frozen, or this answer \
         is an old one; go on with --allow-expired-index"
    )]
    Expired {
        /// The index.
        name: String,
        /// The field's text.
        until: String,
        /// The time of the run, in the form of Release files.
        now: String,
    },
    /// `Date` is more than a day ahead of the clock.
    #[error("{name} is dated {date}, which is in the future (it is {now}): check the clock")]
    Future {
        /// The index.
        name: String,
        /// The field's text.
        date: String,
        /// The time of the run, in the form of Release files.
        now: String,
    },
}

/// What a Release file that may be used says of its time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fresh {
    /// Its `Date`, in seconds since the epoch; `None` when that is not a date.
    pub made: Option<i64>,
    /// What a person should know.
    pub warning: Option<String>,
}

/// Checks one Release file. `now` is in seconds since the epoch. A `Date` that is not a
/// date is a warning, as for apt.
///
/// # Errors
/// Expired (unless allowed), from the future, without a `Date`, or a `Valid-Until` that is no
/// date.
pub fn check(
    name: &str,
    date: Option<&str>,
    valid_until: Option<&str>,
    now: i64,
    expired: Expired,
) -> Result<Fresh, FreshnessError> {
    let Some(date) = date else { return Err(FreshnessError::NoDate { name: name.to_owned() }) };
    let made = date::parse(date);
    if made.is_some_and(|at| at > now.saturating_add(MAX_FUTURE)) {
        let (name, date, now) = (name.to_owned(), date.to_owned(), show(now));
        return Err(FreshnessError::Future { name, date, now });
    }
    let unknown = || format!("{name}: Date {date:?} is not a date; its age is unknown");
    let warning = made.is_none().then(unknown);
    if let Some(until) = valid_until
        && expired == Expired::Refuse
    {
        let name = name.to_owned();
        let Some(at) = date::parse(until) else {
            return Err(FreshnessError::NotADate { name, value: until.to_owned() });
        };
        if at < now {
            let (until, now) = (until.to_owned(), show(now));
            return Err(FreshnessError::Expired { name, until, now });
        }
    }
    Ok(Fresh { made, warning })
}

/// How old the newest of an image's indexes may be, in days, before a person is told: a
/// distribution that is cared for has news every few days.
const GREAT_AGE: i64 = 30;

/// What to say of repositories that have had no news for long. A single old index says nothing:
/// the one of a release stays as it is while updates come from another.
#[must_use]
pub fn old(repositories: &[Verified], now: i64) -> Option<String> {
    let newest = repositories.iter().max_by_key(|one| one.made)?;
    let days = days_since(newest.made, now);
    (days > GREAT_AGE).then(|| {
        format!(
            "no repository has news of the last {GREAT_AGE} days: the newest index, of {}, is {days} \
             days old; it may be frozen, or the distribution's release may have ended",
            newest.repository
        )
    })
}

/// Whole days from one time to another; 0 for a time to come.
#[must_use]
pub fn days_since(then: i64, now: i64) -> i64 {
    now.saturating_sub(then).max(0) / 86_400
}

/// A time for messages, as Release files write it.
pub(super) fn show(seconds: i64) -> String {
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|at| at.format(&Rfc2822).ok())
        .unwrap_or_else(|| seconds.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNTIL: &str = "Sat, 28 Nov 2026 00:53:02 UTC";
    const AT: i64 = 1_795_827_182;

    #[test]
    fn valid_until_is_enforced_unless_allowed() {
        for until in [UNTIL, "Sat, 28 Nov 2026  0:53:02 UTC"] {
            let fresh = || Ok(Fresh { made: Some(AT - 86_400), warning: None });
            let date = Some("Fri, 27 Nov 2026 00:53:02 UTC");
            assert_eq!(check("r", date, Some(until), AT, Expired::Refuse), fresh());
            let late = check("r", date, Some(until), AT + 1, Expired::Refuse);
            assert!(matches!(late, Err(FreshnessError::Expired { .. })), "{late:?}");
            assert_eq!(check("r", date, Some(until), AT + 1, Expired::Allow), fresh());
        }
        let wrong = check("r", Some(UNTIL), Some("soon"), AT, Expired::Refuse);
        assert!(matches!(wrong, Err(FreshnessError::NotADate { .. })), "{wrong:?}");
    }

    #[test]
    fn dates_from_the_future_are_refused_and_nonsense_is_a_warning() {
        for date in [UNTIL, "Sat, 28 Nov 2026  0:53:02 UTC"] {
            let early = check("r", Some(date), None, AT - MAX_FUTURE - 1, Expired::Allow);
            assert!(matches!(early, Err(FreshnessError::Future { .. })), "{date}");
            let fresh = check("r", Some(date), None, AT - MAX_FUTURE, Expired::Allow);
            assert_eq!(fresh, Ok(Fresh { made: Some(AT), warning: None }));
        }
        let Fresh { made, warning } = check("r", Some("soon"), None, AT, Expired::Refuse).unwrap();
        assert_eq!(warning.as_deref(), Some("r: Date \"soon\" is not a date; its age is unknown"));
        assert_eq!(made, None);
    }

    #[test]
    fn a_release_without_a_date_is_refused() {
        for expired in [Expired::Refuse, Expired::Allow] {
            let none = check("r", None, None, AT, expired);
            assert!(matches!(none, Err(FreshnessError::NoDate { .. })), "{none:?}");
        }
    }

    #[test]
    fn old_news_is_told_when_no_repository_has_newer() {
        let of = |repository: &str, days: i64| Verified {
            repository: repository.to_owned(),
            date: None,
            made: AT - days * 86_400,
            signer: None,
        };
        let said = old(&[of("release", 900), of("updates", 31)], AT).unwrap_or_default();
        assert!(said.contains("of updates, is 31 days old"), "{said}");
        assert_eq!(old(&[of("release", 900), of("updates", 30)], AT), None);
        assert_eq!(old(&[of("ahead", -1)], AT), None);
        assert_eq!(old(&[], AT), None);
        assert_eq!(
            (days_since(AT, AT - 5), days_since(i64::MIN, i64::MAX)),
            (0, i64::MAX / 86_400)
        );
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_dates_never_panic(text: String, now: i32) {
            let _ = check("r", Some(&text), Some(&text), now.into(), Expired::Refuse);
        }
    }
}
