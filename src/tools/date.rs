//! Dates as coreutils read and write them, and `date`. The clock stands still and the time
//! zone is UTC, as in an image without `TZ`.

use time::OffsetDateTime;

use super::operands::{quoted, stat};
use imgfix_shell::options::{Long, Short, Value};
use imgfix_shell::{Process, Status};

/// Prints the date: `+FORMAT`, `-u`, `-d`, `-r`, `-R`, `-I`.
///
/// # Errors
/// An option, date or format that is not evaluated; a time zone.
pub fn run(process: &mut Process<'_>) -> Status {
    let mut time = process.machine.settings.now;
    let mut format = None;
    let mut utc = false;
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('u') | Long("utc" | "universal") => utc = true,
            Short('d') | Long("date") => {
                let date = options.value()?;
                time = parse(&date, process.machine.settings.now)
                    .ok_or_else(|| process.unsupported(["date ".as_bytes(), &date].concat()))?;
            }
            Short('R') | Long("rfc-email") => format = Some(b"%a, %d %b %Y %H:%M:%S %z".to_vec()),
            Short('r') | Long("reference") => {
                let path = options.value()?;
                match stat(process, &path)? {
                    Ok(entry) => time = entry.mtime,
                    Err(errno) => {
                        let path = quoted(&path);
                        process.complain(format!("{path}: {errno}"))?;
                        return Ok(1);
                    }
                }
            }
            Value(word) => match word.into_encoded_bytes().strip_prefix(b"+") {
                Some(text) if format.is_none() => format = Some(text.to_vec()),
                _ => return Err(process.unsupported("this operand")),
            },
            other => return Err(process.unsupported_option(&other)),
        }
    }
    if !utc && process.variable("TZ").is_some_and(|zone| !matches!(zone, b"" | b"UTC" | b"UTC0")) {
        return Err(process.unsupported("a time zone"));
    }
    let format = format.unwrap_or_else(|| b"%a %b %e %H:%M:%S UTC %Y".to_vec());
    let Some(text) = formatted(&format, time) else {
        return Err(process.unsupported([b"format ", &format[..]].concat()));
    };
    process.print([&text[..], b"\n"].concat())?;
    Ok(0)
}

/// Reads a date: `@SECONDS`, `now`, `YYYY-MM-DD[ HH:MM:SS]`, and what `date` itself prints in
/// UTC; `None` for any other form.
pub(super) fn parse(text: &[u8], now: i64) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.trim();
    if text == "now" {
        return Some(now);
    }
    if let Some(seconds) = text.strip_prefix('@') {
        return seconds.parse().ok();
    }
    if let Some(seconds) = parse_printed(text) {
        return Some(seconds);
    }
    let (day, clock) = text.split_once([' ', 'T']).unwrap_or((text, "00:00:00"));
    let clock = clock.trim_end_matches('Z').trim_end_matches(" UTC");
    let mut day = day.split('-');
    let year: i32 = part(day.next()?, 4)?.parse().ok()?;
    let month: u8 = part(day.next()?, 2)?.parse().ok()?;
    let date: u8 = part(day.next()?, 2)?.parse().ok()?;
    let mut clock = clock.split(':');
    let hour: u8 = part(clock.next()?, 2)?.parse().ok()?;
    let minute: u8 = part(clock.next()?, 2)?.parse().ok()?;
    let second: u8 = clock.next().map_or(Some(0), |text| part(text, 2)?.parse().ok())?;
    if day.next().is_some() || clock.next().is_some() {
        return None;
    }
    let month = time::Month::try_from(month).ok()?;
    let date = time::Date::from_calendar_date(year, month, date).ok()?;
    let clock = time::Time::from_hms(hour, minute, second).ok()?;
    Some(time::PrimitiveDateTime::new(date, clock).assume_utc().unix_timestamp())
}

/// `Tue Nov 24 07:36:12 UTC 2026`
fn parse_printed(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let [_, month, day, clock, "UTC", year] = words[..] else { return None };
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let day: u8 = day.parse().ok()?;
    parse(format!("{year}-{month:02}-{day:02} {clock}").as_bytes(), 0)
}

/// A field of exactly so many digits.
fn part(text: &str, width: usize) -> Option<&str> {
    (text.len() == width && text.bytes().all(|b| b.is_ascii_digit())).then_some(text)
}

/// A time in the format of strftime(3); `None` for a conversion that is not known.
pub(super) fn formatted(format: &[u8], seconds: i64) -> Option<Vec<u8>> {
    let at = OffsetDateTime::from_unix_timestamp(seconds).ok()?;
    let mut out = Vec::new();
    let mut rest = format.iter();
    while let Some(&byte) = rest.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        out.extend(conversion(*rest.next()?, &at)?.into_bytes());
    }
    Some(out)
}

fn conversion(letter: u8, at: &OffsetDateTime) -> Option<String> {
    let month = at.month().to_string();
    let weekday = at.weekday().to_string();
    let (year, number) = (at.year(), u8::from(at.month()));
    Some(match letter {
        b'%' => "%".into(),
        b'n' => "\n".into(),
        b't' => "\t".into(),
        b'Y' => year.to_string(),
        b'y' => format!("{:02}", year.rem_euclid(100)),
        b'm' => format!("{number:02}"),
        b'd' => format!("{:02}", at.day()),
        b'e' => format!("{:2}", at.day()),
        b'j' => format!("{:03}", at.ordinal()),
        b'H' => format!("{:02}", at.hour()),
        b'M' => format!("{:02}", at.minute()),
        b'S' => format!("{:02}", at.second()),
        b's' => at.unix_timestamp().to_string(),
        b'N' => "000000000".into(),
        b'F' => format!("{year}-{number:02}-{:02}", at.day()),
        b'T' => format!("{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second()),
        b'D' => format!("{number:02}/{:02}/{:02}", at.day(), year.rem_euclid(100)),
        b'R' => format!("{:02}:{:02}", at.hour(), at.minute()),
        b'a' => weekday.get(..3)?.into(),
        b'A' => weekday,
        b'b' | b'h' => month.get(..3)?.into(),
        b'B' => month,
        b'u' => at.weekday().number_from_monday().to_string(),
        b'w' => at.weekday().number_days_from_sunday().to_string(),
        b'Z' => "UTC".into(),
        b'z' => "+0000".into(),
        _ => return None,
    })
}
