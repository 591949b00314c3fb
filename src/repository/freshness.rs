//! Whether a signed index may still be used: `Date` and `Valid-Until` of Release files
//! against the time of the run, as apt does (apt.conf(5) `Acquire::Check-Valid-Until`,
//! `Acquire::Max-FutureTime`). Pure: the clock comes in as a value.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

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
    #[error("{name}: {field} {value:?} is not a date")]
    NotADate { name: String, field: &'static str, value: String },
    #[error(
        "{name} is valid until {until} and it is {now}: the repository is frozen, or this answer \
         is an old one; go on with --allow-expired-index"
    )]
    Expired { name: String, until: String, now: String },
    #[error("{name} is dated {date}, which is in the future (it is {now}): check the clock")]
    Future { name: String, date: String, now: String },
}

/// Checks one Release file. `now` is in seconds since the epoch.
///
/// # Errors
/// Expired (unless allowed), from the future, or dates that are none.
pub fn check(
    name: &str,
    date: Option<&str>,
    valid_until: Option<&str>,
    now: i64,
    expired: Expired,
) -> Result<(), FreshnessError> {
    if let Some(date) = date
        && parse(name, "Date", date)? > now + MAX_FUTURE
    {
        let (name, date, now) = (name.to_owned(), date.to_owned(), show(now));
        return Err(FreshnessError::Future { name, date, now });
    }
    if let Some(until) = valid_until
        && expired == Expired::Refuse
        && parse(name, "Valid-Until", until)? < now
    {
        let (name, until, now) = (name.to_owned(), until.to_owned(), show(now));
        return Err(FreshnessError::Expired { name, until, now });
    }
    Ok(())
}

/// Debian writes RFC 2822 dates with the zone `UTC`, or `Z` in old archives.
fn parse(name: &str, field: &'static str, value: &str) -> Result<i64, FreshnessError> {
    let text = value.trim();
    let zone = ["UTC", "GMT", "Z"].iter().find_map(|zone| text.strip_suffix(zone));
    let normal = match zone {
        Some(rest) => format!("{}+0000", rest),
        None => text.to_owned(),
    };
    // a day of one digit is padded with a space in some archives
    let normal = normal.split_whitespace().collect::<Vec<_>>().join(" ");
    OffsetDateTime::parse(&normal, &Rfc2822).map(OffsetDateTime::unix_timestamp).map_err(|_| {
        FreshnessError::NotADate { name: name.to_owned(), field, value: value.to_owned() }
    })
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
        assert_eq!(check("r", None, Some(UNTIL), AT, Expired::Refuse), Ok(()));
        let late = check("r", None, Some(UNTIL), AT + 1, Expired::Refuse);
        assert!(matches!(late, Err(FreshnessError::Expired { .. })), "{late:?}");
        assert_eq!(check("r", None, Some(UNTIL), AT + 1, Expired::Allow), Ok(()));
    }

    #[test]
    fn dates_from_the_future_and_nonsense_are_refused() {
        let early = check("r", Some(UNTIL), None, AT - MAX_FUTURE - 1, Expired::Allow);
        assert!(matches!(early, Err(FreshnessError::Future { .. })));
        let wrong = check("r", Some("soon"), None, AT, Expired::Refuse);
        assert!(matches!(wrong, Err(FreshnessError::NotADate { .. })));
        assert_eq!(
            check("r", Some("Sat,  7 Nov 2026  00:53:02 UTC"), None, AT, Expired::Refuse),
            Ok(())
        );
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_dates_never_panic(text: String, now: i32) {
            let _ = check("r", Some(&text), Some(&text), now.into(), Expired::Refuse);
        }
    }
}
