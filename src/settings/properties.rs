//! Java's properties, as `java.util.Properties.load` reads them (its page in the API).
//!
//! `key=value`, `key: value`, `key value`; `#` and `!` begin comments; `\` continues a line and
//! escapes. The last value counts. Which characters bytes beyond ASCII are depends on the
//! program, so such a value is not read, and is written as `\uXXXX`. A new line goes to the end.

use crate::error::SettingsError;
use crate::files::Files;
use crate::grammar::{Grammar, Place, push};
use crate::text::{Edit, part};

pub(crate) struct Properties;

const BLANK: &[u8] = b" \t\x0c";

/// Where the natural line from `at` ends, and the next begins: `\n`, `\r` or both end it.
fn natural(bytes: &[u8], at: usize) -> (usize, usize) {
    let rest = part(bytes, at..bytes.len());
    match rest.iter().position(|b| b"\r\n".contains(b)) {
        None => (bytes.len(), bytes.len()),
        Some(end) if part(rest, end..end + 2) == b"\r\n" => (at + end, at + end + 2),
        Some(end) => (at + end, at + end + 1),
    }
}

/// Escapes undone; `None`: not certain.
fn decoded(raw: &[u8]) -> Option<String> {
    let mut units: Vec<u16> = Vec::new();
    let mut at = 0;
    while let Some(&c) = raw.get(at) {
        at += 1;
        if c >= 128 {
            return None;
        }
        if c != b'\\' {
            units.push(u16::from(c));
            continue;
        }
        let Some(&c) = raw.get(at) else { break };
        at += 1;
        units.push(match c {
            b't' => 9,
            b'n' => 10,
            b'r' => 13,
            b'f' => 12,
            b'u' => {
                let hex = std::str::from_utf8(raw.get(at..at + 4)?).ok()?;
                at += 4;
                u16::from_str_radix(hex, 16).ok()?
            }
            c if c >= 128 => return None,
            other => u16::from(other),
        });
    }
    String::from_utf16(&units).ok()
}

fn escaped(text: &str, key: bool) -> String {
    let mut out = String::new();
    for (at, c) in text.chars().enumerate() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0c' => out.push_str("\\f"),
            ' ' if at == 0 || key => out.push_str("\\ "),
            '=' | ':' | '#' | '!' if key => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            _ => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out
}

impl Grammar for Properties {
    fn read(&self, files: &mut Files<'_>, file: usize) -> Result<Vec<Place>, SettingsError> {
        let bytes = files.bytes(file);
        let mut places = Vec::new();
        let (mut at, mut line) = (0, 0_u32);
        while at < bytes.len() {
            let start = at;
            line += 1;
            let first = line;
            // the logical line: its bytes, and where each stands
            let mut logical: Vec<(u8, usize)> = Vec::new();
            let mut end;
            loop {
                let next;
                (end, next) = natural(&bytes, at);
                let skip = part(&bytes, at..end).iter().take_while(|b| BLANK.contains(b)).count();
                let content = at + skip..end;
                let comment =
                    logical.is_empty() && matches!(bytes.get(content.start), Some(b'#' | b'!'));
                logical.extend(content.clone().map(|at| (part(&bytes, at..at + 1)[0], at)));
                at = next;
                let odd =
                    part(&bytes, content).iter().rev().take_while(|&&b| b == b'\\').count() % 2;
                if comment {
                    logical.clear();
                    break;
                }
                if odd == 0 || at >= bytes.len() {
                    break;
                }
                logical.pop();
                line += 1;
            }
            if logical.is_empty() {
                continue;
            }
            let raw: Vec<u8> = logical.iter().map(|(b, _)| *b).collect();
            let mut escape = false;
            let is_end = |b: &u8| {
                let ends = !escape && (BLANK.contains(b) || b"=:".contains(b));
                escape = *b == b'\\' && !escape;
                ends
            };
            let key_end = raw.iter().position(is_end).unwrap_or(raw.len());
            let blanks = |from: usize| {
                from + part(&raw, from..raw.len()).iter().take_while(|b| BLANK.contains(b)).count()
            };
            let mut value = blanks(key_end);
            if raw.get(value).is_some_and(|b| b"=:".contains(b)) {
                value = blanks(value + 1);
            }
            let from = logical.get(value).map_or(end, |(_, at)| *at);
            let key = decoded(part(&raw, 0..key_end));
            let text = decoded(part(&raw, value..raw.len()));
            let unclear = text
                .is_none()
                .then(|| "a value with bytes beyond ASCII, or a broken escape".to_owned());
            let place = Place {
                file,
                line: first,
                key: key.unwrap_or_else(|| "\0".to_owned()),
                value: text.unwrap_or_else(|| crate::text::text(part(&raw, value..raw.len()))),
                at: from..end.max(from),
                whole: start..at,
                unclear,
                ..Place::default()
            };
            push(files, &mut places, place)?;
        }
        Ok(places)
    }

    fn key(&self, key: &str) -> Result<String, SettingsError> {
        Ok(key.to_owned())
    }

    fn put(
        &self,
        files: &Files<'_>,
        place: &Place,
        _: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        let bytes = files.bytes(place.file);
        let statement = part(&bytes, place.whole.start..place.at.start);
        // a key alone has nothing between it and its value
        let ends = statement.last().is_some_and(|b| b"=: \t\x0c\n\r".contains(b));
        let separator = if ends { "" } else { "=" };
        Ok(vec![Edit::new(
            place.file,
            place.at.clone(),
            format!("{separator}{}", escaped(value, false)),
        )])
    }

    fn add(
        &self,
        files: &Files<'_>,
        places: &[Place],
        key: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        let bytes = files.bytes(0);
        let spaced = places
            .first()
            .is_some_and(|place| part(&bytes, place.whole.start..place.at.start).ends_with(b" = "));
        let equals = if spaced { " = " } else { "=" };
        let line = format!("{}{equals}{}", escaped(key, true), escaped(value, false));
        Ok(vec![Edit::last_line(0, &bytes, &line)])
    }
}

#[cfg(test)]
mod tests {
    use crate::Format::Properties;
    use crate::testing::Image;

    const MAIN: &str = "/app/a.properties";

    #[test]
    fn lines_continue_and_escapes_count() {
        let main = "# a=0\r\na=1\r\nb : x\\\r\n   y\r\nc\\ d=\\u0041\\tz\r\na 2\r\n! c\r\nlone";
        let image = Image::new(&[(MAIN, main)]);
        for (key, value) in [("a", "2"), ("b", "xy"), ("c d", "A\tz"), ("lone", "")] {
            assert_eq!(image.effective(Properties, MAIN, key).as_deref(), Some(value), "{key}");
        }
        assert_eq!(image.set(Properties, MAIN, "b", "q")[0].1, main.replace("x\\\r\n   y", "q"));
        assert_eq!(image.set(Properties, MAIN, "lone", "é")[0].1, format!("{main}=\\u00e9"));
        assert_eq!(image.set(Properties, MAIN, "n", " v")[0].1, format!("{main}\r\nn=\\ v"));
        for (main, want) in [
            ("a=a\\\n", "a=a\\\n\nn=v\n"),
            ("a=a\\", "a=a\\\n\nn=v"),
            ("a=a\\\r\n", "a=a\\\r\n\r\nn=v\r\n"),
            ("a=a\\\\\n", "a=a\\\\\nn=v\n"),
        ] {
            assert_eq!(Image::new(&[(MAIN, main)]).set(Properties, MAIN, "n", "v")[0].1, want);
        }
        let removed = &image.removed(Properties, MAIN, "b")[0].1;
        assert_eq!(*removed, main.replace("b : x\\\r\n   y\r\n", ""));
    }
}
