//! Whether a signed index may still be used: `Date` and `Valid-Until` of Release files
//! against the time of the run, as apt does (apt.conf(5) `Acquire::Check-Valid-Until`,
//! `Acquire::Max-FutureTime`). Pure: the clock comes in as a value.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::packages::dpkg::date;

/// How far an index may come from the future, in seconds. apt tolerates 10 s; a day also
/// covers containers whose clock is set to a local time.
const MAX_FUTURE: i64 = 24 * 3600;

/// What to do with an index whose `Valid-Until` has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expired {
    Refuse,
    Allow,
}

/// Why an index is not fresh.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FreshnessError {
    #[error("{name}: Valid-Until {value:?} is not a date, so nothing says how long it may be used")]
    NotADate { name: String, value: String },
    #[error(
        "{name} is valid until {until} and it is {now}: the repository is frozen, or this answer \
         is an old one; go on with --allow-expired-index"
    )]
    Expired { name: String, until: String, now: String },
    #[error("{name} is dated {date}, which is in the future (it is {now}): check the clock")]
    Future { name: String, date: String, now: String },
}

/// Checks one Release file. `now` is in seconds since the epoch. A `Date` that is none is a
/// warning, as for apt; it is returned.
///
/// # Errors
/// Expired (unless allowed), from the future, or a `Valid-Until` that is no date.
pub fn check(
    name: &str,
    date: Option<&str>,
    valid_until: Option<&str>,
    now: i64,
    expired: Expired,
) -> Result<Option<String>, FreshnessError> {
    let mut warning = None;
    if let Some(date) = date {
        match date::parse(date) {
            Some(at) if at > now.saturating_add(MAX_FUTURE) => {
                let (name, date, now) = (name.to_owned(), date.to_owned(), show(now));
                return Err(FreshnessError::Future { name, date, now });
            }
            Some(_) => {}
            None => {
                warning = Some(format!("{name}: Date {date:?} is not a date; its age is unknown"))
            }
        }
    }
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
    Ok(warning)
}

fn show(seconds: i64) -> String {
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
            assert_eq!(check("r", None, Some(until), AT, Expired::Refuse), Ok(None));
            let late = check("r", None, Some(until), AT + 1, Expired::Refuse);
            assert!(matches!(late, Err(FreshnessError::Expired { .. })), "{late:?}");
            assert_eq!(check("r", None, Some(until), AT + 1, Expired::Allow), Ok(None));
        }
        let wrong = check("r", None, Some("soon"), AT, Expired::Refuse);
        assert!(matches!(wrong, Err(FreshnessError::NotADate { .. })), "{wrong:?}");
    }

    #[test]
    fn dates_from_the_future_are_refused_and_nonsense_is_a_warning() {
        for date in [UNTIL, "Sat, 28 Nov 2026  0:53:02 UTC"] {
            let early = check("r", Some(date), None, AT - MAX_FUTURE - 1, Expired::Allow);
            assert!(matches!(early, Err(FreshnessError::Future { .. })), "{date}");
            assert_eq!(check("r", Some(date), None, AT - MAX_FUTURE, Expired::Allow), Ok(None));
        }
        let warning = check("r", Some("soon"), None, AT, Expired::Refuse).unwrap();
        assert_eq!(warning.as_deref(), Some("r: Date \"soon\" is not a date; its age is unknown"));
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_dates_never_panic(text: String, now: i32) {
            let _ = check("r", Some(&text), Some(&text), now.into(), Expired::Refuse);
        }
    }
}
