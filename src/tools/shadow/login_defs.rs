//! `/etc/login.defs`: numbers and words that the shadow tools take their defaults from.

use super::super::files::read_or_empty;
use imgfix_shell::{Process, Stop};

/// The settings, later ones first.
pub struct LoginDefs(Vec<(String, String)>);

impl LoginDefs {
    /// Reads the file and takes `KEY=VALUE` settings of the command line before it.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn load(process: &mut Process<'_>, given: &[String]) -> Result<Self, Stop> {
        let text = read_or_empty(process, b"/etc/login.defs")?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let given = given.iter().rev().filter_map(|setting| setting.split_once('='));
        let lines = text.lines().map(str::trim_start).filter(|line| !line.starts_with('#'));
        let lines = lines.filter_map(|line| line.split_once([' ', '\t']));
        let all = given.chain(lines.collect::<Vec<_>>().into_iter().rev());
        let clean = |text: &str| text.trim().trim_matches('"').to_owned();
        Ok(Self(all.map(|(key, value)| (clean(key), clean(value))).collect()))
    }

    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    #[must_use]
    pub fn number(&self, key: &str, otherwise: u32) -> u32 {
        self.get(key).and_then(|value| value.parse().ok()).unwrap_or(otherwise)
    }

    /// A day count that may be `-1`.
    #[must_use]
    pub fn days(&self, key: &str) -> i64 {
        self.get(key).and_then(|value| value.parse().ok()).unwrap_or(-1)
    }

    #[must_use]
    pub fn is_yes(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| value.eq_ignore_ascii_case("yes"))
    }
}

/// Whether numbers are for a system account or a person's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    System,
    Ordinary,
}

/// A free number as shadow's `find_new_uid.c` and `find_new_gid.c` choose it: below the lowest
/// that is taken for system accounts, above the highest for others. `prefix` is `U` or `G`.
#[must_use]
pub fn free_number(defs: &LoginDefs, prefix: char, range: Range, taken: &[u32]) -> Option<u32> {
    let key = |middle: &str, end: &str| format!("{middle}{prefix}ID_{end}");
    let ordinary = defs.number(&key("", "MIN"), 1000);
    let is_free = |id: &u32| !taken.contains(id);
    match range {
        Range::System => {
            let low = defs.number(&key("SYS_", "MIN"), 101).max(1);
            let high = defs.number(&key("SYS_", "MAX"), ordinary.saturating_sub(1));
            let used = taken.iter().copied().filter(|id| (low..=high).contains(id));
            let start = used.min().map_or(high, |lowest| lowest.saturating_sub(1));
            let below = (low..=start).rev().find(is_free);
            below.or_else(|| (low..=high).rev().find(is_free))
        }
        Range::Ordinary => {
            let high = defs.number(&key("", "MAX"), 60_000);
            let used = taken.iter().copied().filter(|id| (ordinary..=high).contains(id));
            let start = used.max().map_or(ordinary, |highest| highest.saturating_add(1));
            let above = (start..=high).find(is_free);
            above.or_else(|| (ordinary..=high).find(is_free))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_numbers_go_outwards() {
        let defs = LoginDefs(vec![("UID_MAX".into(), "1003".into())]);
        let free = |range, taken: &[u32]| free_number(&defs, 'U', range, taken);
        assert_eq!(free(Range::System, &[]), Some(999));
        assert_eq!(free(Range::System, &[998]), Some(997));
        assert_eq!(free(Range::System, &[101, 999]), Some(998));
        assert_eq!(free(Range::Ordinary, &[]), Some(1000));
        assert_eq!(free(Range::Ordinary, &[1001]), Some(1002));
        assert_eq!(free(Range::Ordinary, &[1000, 1003]), Some(1001));
        assert_eq!(free(Range::Ordinary, &[1000, 1001, 1002, 1003]), None);
    }
}
