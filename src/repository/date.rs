//! Dates as apt reads them in Release files (`Date`, `Valid-Until`).
//!
//! In comes the text of a field; out go seconds since the epoch. Archives write dates with
//! hours padded by zeros or by spaces, and with several names for UTC; apt reads the three
//! forms of HTTP (RFC 7231, section 7.1.1.1) generously, and what apt reads is used all over
//! the world. So this reads exactly what apt (2.6 to 3.1) does, its oddities included: any
//! word is a month, and the thirty-first of February is a day in March.

use time::{Date, Month};

/// Seconds since the epoch. `None`: apt takes it for no date either.
#[must_use]
pub fn parse(text: &str) -> Option<i64> {
    let mut rest = Words { rest: text };
    let weekday = rest.word()?.to_ascii_lowercase();
    const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    if !weekday.get(..3).is_some_and(|start| WEEKDAYS.contains(&start)) {
        return None;
    }
    // the weekday's length tells the form; whether it is the right day is not looked at
    let (day, month, year, clock) = match weekday.len() {
        // Sun, 06 Nov 1994 08:49:37 GMT
        4 if weekday.ends_with(',') => {
            let (day, month, year) = (rest.number()?, month(rest.word()?), rest.number()?);
            let clock = rest.word()?;
            zone(rest.word()?)?;
            (day, month, year, clock)
        }
        // Sun Nov  6 08:49:37 1994
        3 => {
            let (month, day, clock) = (month(rest.word()?), rest.number()?, rest.word()?);
            (day, month, rest.number()?, clock)
        }
        // Sunday, 06-Nov-94 08:49:37 GMT
        5.. if weekday.ends_with(',') => {
            let (day, month, year) = with_hyphens(rest.word()?)?;
            let clock = rest.word()?;
            zone(rest.word()?)?;
            (day, month, year, clock)
        }
        _ => return None,
    };
    // nothing may follow, not even a space
    if !rest.rest.is_empty() || !(1..=31).contains(&day) || year > 9999 {
        return None;
    }
    let first = Date::from_calendar_date(i32::try_from(year).ok()?, month, 1).ok()?;
    let days = first.to_julian_day() - Date::from_ordinal_date(1970, 1).ok()?.to_julian_day();
    Some((i64::from(days) + i64::from(day) - 1) * 86400 + i64::from(time_of_day(clock)?))
}

/// A text that is read word by word and number by number, as a stream of C++ does it.
struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    fn skip_spaces(&mut self) {
        // the locale "C" has a vertical tab, too
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    }

    fn word(&mut self) -> Option<&'a str> {
        self.skip_spaces();
        let end = self.rest.find([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        Some(word).filter(|word| !word.is_empty())
    }

    /// A number, which ends where its digits end: a word may follow at once.
    fn number(&mut self) -> Option<u32> {
        self.skip_spaces();
        let unsigned = self.rest.strip_prefix('+').unwrap_or(self.rest);
        let end = unsigned.find(|c: char| !c.is_ascii_digit()).unwrap_or(unsigned.len());
        let (digits, rest) = unsigned.split_at(end);
        self.rest = rest;
        digits.parse().ok()
    }
}

/// `06-Nov-94`: the year counts from 1900, however many digits it has.
fn with_hyphens(text: &str) -> Option<(u32, Month, u32)> {
    let text = text.strip_suffix('-').unwrap_or(text);
    let mut parts = text.split('-');
    let (Some(day), Some(name), Some(year), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    Some((whole_number(day)?, month(name), whole_number(year)?.checked_add(1900)?))
}

fn whole_number(text: &str) -> Option<u32> {
    let mut number = Words { rest: text };
    let value = number.number()?;
    number.rest.is_empty().then_some(value)
}

/// Told by the letters that differ between months. Any other word is January.
fn month(name: &str) -> Month {
    let letter = |at: usize| name.as_bytes().get(at).map(u8::to_ascii_lowercase);
    match (letter(0), letter(1), letter(2)) {
        (Some(b'a'), Some(b'p'), _) => Month::April,
        (Some(b'a'), ..) => Month::August,
        (Some(b'd'), ..) => Month::December,
        (Some(b'f'), ..) => Month::February,
        (Some(b'j'), second, third) if second != Some(b'a') => {
            if third == Some(b'n') {
                Month::June
            } else {
                Month::July
            }
        }
        (Some(b'm'), _, Some(b'r')) => Month::March,
        (Some(b'm'), ..) => Month::May,
        (Some(b'n'), ..) => Month::November,
        (Some(b'o'), ..) => Month::October,
        (Some(b's'), ..) => Month::September,
        _ => Month::January,
    }
}

/// UTC in one of its names; other zones are not read.
fn zone(text: &str) -> Option<()> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let zero = !digits.is_empty() && digits.bytes().all(|digit| digit == b'0');
    (zero || matches!(text, "GMT" | "UTC" | "Z")).then_some(())
}

/// `08:49:37`, in seconds, as strptime(3) reads `%H:%M:%S`: one digit is enough, and what
/// follows the seconds is not looked at.
fn time_of_day(text: &str) -> Option<u32> {
    let (hours, rest) = two_digits(text, 23)?;
    let (minutes, rest) = two_digits(rest.strip_prefix(':')?, 59)?;
    // two leap seconds, as strptime has it
    let (seconds, _) = two_digits(rest.strip_prefix(':')?, 61)?;
    Some(hours * 3600 + minutes * 60 + seconds)
}

/// A number of at most two digits. The second counts only when the number can stay within
/// `most` with it.
fn two_digits(text: &str, most: u32) -> Option<(u32, &str)> {
    let digit = |text: &str| text.chars().next().and_then(|c| c.to_digit(10));
    let first = digit(text)?;
    let rest = text.get(1..)?;
    let Some(second) = digit(rest).filter(|_| first * 10 <= most) else {
        return Some((first, rest));
    };
    let value = first * 10 + second;
    (value <= most).then_some((value, rest.get(1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 6 November 1994, 08:49:37.
    const AT: Option<i64> = Some(784_111_777);

    #[test]
    fn what_apt_tests_is_read_as_apt_reads_it() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 6 Nov 1994 08:49:37 UTC",
            "Sun,  6 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994  8:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 -0000",
            "Sun, 06 Nov 1994 08:49:37 +0000",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sunday,  6-Nov-94 08:49:37 GMT",
            "Sunday, 06-Nov-94 8:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun Nov 06 08:49:37 1994",
            "Sun Nov  6  8:49:37 1994",
        ] {
            assert_eq!(parse(text), AT, "{text}");
        }
        for text in [
            "So, 06 Nov 1994 08:49:37 UTC",
            ", 06 Nov 1994 08:49:37 UTC",
            "Son, 06 Nov 1994 08:49:37 UTC",
            "Sun: 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 GMT+1",
            "Sun, 06 Nov 1994 GMT",
            "Sunday, 06 Nov 1994 GMT",
            "Sonntag, 06 Nov 1994 08:49:37 GMT",
            "domingo Nov 6 08:49:37 1994",
            "Sunday: 06-Nov-94 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT+1",
            "Sunday, 06-Nov-94 08:49:37 EDT",
            "Sunday, 06-Nov-94 08:49:37 -0100",
            "Sunday, 06-Nov-94 08:49:37 -0.1",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn dates_of_real_archives() {
        for (text, want) in [
            // Launchpad pads hours with a space: every suite of Ubuntu, every PPA
            ("Sat, 28 Nov 2026  2:51:42 UTC", Some(1_795_834_302)),
            ("Sat, 28 Nov 2026 02:51:42 UTC", Some(1_795_834_302)),
            // archive.debian.org's oldest
            ("Sat, 28 Nov 2026 02:51:42 Z", Some(1_795_834_302)),
            // local time is no date for apt either
            ("Sat, 28 Nov 2026 02:51:42 +0100", None),
            ("2026-11-28T02:51:42Z", None),
            ("", None),
        ] {
            assert_eq!(parse(text), want, "{text}");
        }
    }

    #[test]
    fn oddities_that_apt_has_too() {
        for (text, want) in [
            ("sUN, +6nov 1994 08:49:37 +0", AT),
            ("Sun, 06 Nov 1994 8:49:37.123 Z", AT),
            ("Sun, 06 Xyz 1994 08:49:37 UTC", Some(757_846_177)),
            // 31 February
            ("Thu, 31 Feb 1994 00:00:00 UTC", Some(762_652_800)),
            ("Sun, 00 Nov 1994 08:49:37 UTC", None),
            ("Sun, 06 Nov 1994 24:00:00 UTC", None),
            ("Sun, 06 Nov 1994 08:49:62 UTC", None),
            ("Sun, 06 Nov 1994 08:49:37 UTC ", None),
            ("Sun Nov  6 08:49:37 1994 UTC", None),
            ("Sunday, 06-Nov-1994 08:49:37 GMT", Some(60_742_342_177)),
        ] {
            assert_eq!(parse(text), want, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_text_never_panics(text: String) {
            let _ = parse(&text);
        }

        #[test]
        fn near_dates_never_panic(
            text in "(Sun|sun,|Sunday,|é|) ?[0-9+é-]{0,12} ?[a-zé]{0,3} ?[0-9é]{0,6} [0-9:é]{0,9} ?(GMT|Z|0)?"
        ) {
            let _ = parse(&text);
        }
    }
}
