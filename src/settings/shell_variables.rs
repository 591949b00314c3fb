//! Files of variables that a shell reads, as /etc/default/*: `NAME=value` (dash(1), "Assignments").
//!
//! Quotes as in the shell, `export`, `#` comments. The last value counts. A value with `$`, a
//! backquote or something behind it, an assignment inside of `if`, a loop or a command, and a
//! carriage return, which is a part of the value to a shell, are refused where they are about
//! the key; a file that reads another one is refused. A new line goes to the end.

use crate::error::SettingsError;
use crate::files::Files;
use crate::grammar::{Grammar, Place, push};
use crate::text::{Edit, line_of, line_start, part, text};

pub(crate) struct ShellVariables;

/// The key of a line that reads another file.
const SOURCE: &str = "\u{1}source";

fn is_name(name: &[u8]) -> bool {
    name.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_')
        && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

/// A word from `at`: its value, its end, and whether the shell would expand something.
fn word(bytes: &[u8], mut at: usize) -> Option<(Vec<u8>, usize, bool)> {
    let (mut out, mut quote, mut expands) = (Vec::new(), None, false);
    loop {
        let c = bytes.get(at).copied();
        match (quote, c) {
            (None, None) => return Some((out, at, expands)),
            (None, Some(b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')')) => {
                return Some((out, at, expands));
            }
            (None, Some(c @ (b'"' | b'\''))) => quote = Some(c),
            (Some(open), Some(c)) if open == c => quote = None,
            (Some(b'\''), Some(c)) => out.push(c),
            (None, Some(b'\\')) => {
                at += 1;
                match bytes.get(at)? {
                    b'\n' => {}
                    c => out.push(*c),
                }
            }
            (Some(_), Some(b'\\')) => {
                at += 1;
                match bytes.get(at)? {
                    c @ (b'$' | b'`' | b'"' | b'\\') => out.push(*c),
                    b'\n' => {}
                    c => out.extend([b'\\', *c]),
                }
            }
            (_, Some(c)) => {
                expands |= b"$`".contains(&c) || (quote.is_none() && b"*?[~".contains(&c));
                out.push(c);
            }
            (Some(_), None) => return None,
        }
        at += 1;
    }
}

/// Where the command from `at` ends: at a line end outside of quotes.
fn command_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut quote = None;
    loop {
        match (quote, bytes.get(at).copied()) {
            (Some(_), None) => return None,
            (None, None | Some(b'\n')) => return Some(at),
            (None, Some(b'#')) if at == 0 || b" \t\n;".contains(&part(bytes, at - 1..at)[0]) => {
                let rest = part(bytes, at..bytes.len());
                return Some(at + rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len()));
            }
            (None, Some(b'<')) if bytes.get(at + 1) == Some(&b'<') => return None,
            (None, Some(c @ (b'"' | b'\'' | b'`'))) => quote = Some(c),
            (Some(open), Some(c)) if open == c => quote = None,
            (None | Some(b'"' | b'`'), Some(b'\\')) => at += 1,
            _ => {}
        }
        at += 1;
    }
}

/// Names that a command may give a value: `NAME=` and what stands behind `unset`, `read`.
fn mentioned(command: &[u8]) -> Vec<String> {
    let word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    let mut names = Vec::new();
    let assigns = command.starts_with(b"unset") || text(command).contains("read ");
    let mut start = 0;
    while start < command.len() {
        let rest = part(command, start..command.len());
        let length = rest.iter().take_while(|b| word(b)).count();
        let name = part(rest, 0..length);
        let after = part(rest, length..rest.len());
        let sets = after.starts_with(b"=") || after.starts_with(b":=") || after.starts_with(b"+=");
        if length > 0 && is_name(name) && (sets || assigns) {
            names.push(text(name));
        }
        start += length.max(1);
    }
    names
}

impl Grammar for ShellVariables {
    fn read(&self, files: &mut Files<'_>, file: usize) -> Result<Vec<Place>, SettingsError> {
        let bytes = files.bytes(file);
        let mut places = Vec::new();
        let mut depth = 0_usize;
        let mut at = 0;
        while at < bytes.len() {
            if b" \t\n\r;".contains(&part(&bytes, at..at + 1)[0]) {
                at += 1;
                continue;
            }
            let line = line_of(&bytes, at);
            let start = at;
            let end = command_end(&bytes, at).ok_or_else(|| {
                files.unclear(file, line, "a quote that does not end, or a text in the script")
            })?;
            at = end + 1;
            let command = part(&bytes, start..end);
            if command.starts_with(b"#") {
                continue;
            }
            let mut from = start;
            if command.starts_with(b"export ") || command.starts_with(b"readonly ") {
                let word = command.iter().take_while(|&&b| b != b' ').count();
                let blanks = part(command, word..command.len())
                    .iter()
                    .take_while(|b| b" \t".contains(b))
                    .count();
                from = start + word + blanks;
            }
            let statement = part(&bytes, from..end);
            let split = statement.iter().position(|&b| b == b'=').unwrap_or(0);
            let whole = line_start(&bytes, start)..(end + 1).min(bytes.len());
            let mut place = Place { file, line, whole, ..Place::default() };
            if is_name(part(statement, 0..split)) {
                let value = from + split + 1;
                let (out, stop, expands) = word(&bytes, value)
                    .ok_or_else(|| files.unclear(file, line, "a quote that does not end"))?;
                let rest = text(part(&bytes, stop..end.max(stop)));
                let behind = rest.trim_start();
                let why = if depth > 0 {
                    Some("it is set in a branch or a loop")
                } else if expands {
                    Some("the shell makes something else of the value")
                } else if out.last() == Some(&b'\r') || rest.contains('\r') {
                    Some("a carriage return, which a shell takes for a part of the value")
                } else if !(behind.is_empty()
                    || (behind.starts_with('#') && behind.len() < rest.len()))
                {
                    Some("something follows the value")
                } else if part(&bytes, line_start(&bytes, start)..start)
                    .iter()
                    .any(|b| !b" \t".contains(b))
                {
                    Some("something stands before it")
                } else {
                    None
                };
                place.key = text(part(statement, 0..split));
                place.value = text(&out);
                place.at = value..stop;
                place.unclear = why.map(str::to_owned);
                push(files, &mut places, place)?;
                for name in mentioned(part(&bytes, stop..end.max(stop))) {
                    let unclear = Some("a part of a command".to_owned());
                    push(
                        files,
                        &mut places,
                        Place { file, line, key: name, unclear, ..Place::default() },
                    )?;
                }
                continue;
            }
            let shown = text(command);
            let first = shown.split([' ', '\t', ';', '\r']).next().unwrap_or_default();
            match first {
                "if" | "case" | "for" | "while" | "until" | "{" | "(" => depth += 1,
                _ if first.ends_with("()") || shown.contains("()") => depth += 1,
                _ => {}
            }
            let closes = |word: &str| shown.split([' ', '\t', ';', '\r']).any(|one| one == word);
            if ["fi", "esac", "done", "}", ")"].into_iter().any(closes) {
                depth = depth.saturating_sub(1);
            }
            if first == "." || first == "source" || shown.contains(". /") || first == "eval" {
                let unclear = Some("another file is read here".to_owned());
                push(
                    files,
                    &mut places,
                    Place { key: SOURCE.to_owned(), unclear, ..place.clone() },
                )?;
            }
            for name in mentioned(command) {
                let unclear = Some("a part of a command".to_owned());
                push(files, &mut places, Place { key: name, unclear, ..place.clone() })?;
            }
        }
        Ok(places)
    }

    fn key(&self, key: &str) -> Result<String, SettingsError> {
        match is_name(key.as_bytes()) {
            true => Ok(key.to_owned()),
            false => Err(SettingsError::key(key, "no name of a variable")),
        }
    }

    fn is_about(&self, place: &Place, key: &str) -> bool {
        place.key == key || place.key == SOURCE
    }

    fn put(
        &self,
        files: &Files<'_>,
        place: &Place,
        key: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        let quote = files.bytes(place.file).get(place.at.start).copied();
        Ok(vec![Edit::new(place.file, place.at.clone(), written(key, value, quote)?)])
    }

    fn add(
        &self,
        files: &Files<'_>,
        _: &[Place],
        key: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        let bytes = files.bytes(0);
        if crate::text::line_end(&bytes) == "\r\n" {
            let why = "lines end in carriage returns, which a shell takes for a part of values";
            return Err(files.unclear(0, 1, why));
        }
        let line = format!("{key}={}", written(key, value, None)?);
        Ok(vec![Edit::last_line(0, &bytes, &line)])
    }
}

fn written(key: &str, value: &str, quote: Option<u8>) -> Result<String, SettingsError> {
    if value.contains(['\n', '\r']) {
        return Err(SettingsError::value(key, "it has more than one line"));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./:@%+,-".contains(c);
    let quoted = quote.is_some_and(|c| b"\"'".contains(&c));
    if !quoted && value.chars().all(plain) {
        return Ok(value.to_owned());
    }
    if quote != Some(b'\'') && !value.contains(['"', '$', '`', '\\', '!']) {
        return Ok(format!("\"{value}\""));
    }
    Ok(format!("'{}'", value.replace('\'', "'\\''")))
}

#[cfg(test)]
mod tests {
    use crate::Format::ShellVariables;
    use crate::testing::Image;

    const MAIN: &str = "/etc/default/x";

    #[test]
    fn values_are_what_a_shell_takes() {
        let main = "# A=0\nA=1 # c\nexport B='x y'\"z\"\\ q\nC=\"two\nlines\"\nA=\"2\"\n";
        let image = Image::new(&[(MAIN, main)]);
        let get = |key| image.effective(ShellVariables, MAIN, key);
        assert_eq!(get("A").as_deref(), Some("2"));
        assert_eq!(get("B").as_deref(), Some("x yz q"));
        assert_eq!(get("C").as_deref(), Some("two\nlines"));
        assert_eq!(image.set(ShellVariables, MAIN, "A", "3")[0].1, main.replace("\"2\"", "\"3\""));
        assert_eq!(
            image.set(ShellVariables, MAIN, "D", "$x'")[0].1,
            format!("{main}D='$x'\\'''\n")
        );
        let gone = "# A=0\nexport B='x y'\"z\"\\ q\nC=\"two\nlines\"\n";
        assert_eq!(image.removed(ShellVariables, MAIN, "A")[0].1, gone);
    }

    #[test]
    fn what_a_shell_computes_is_refused() {
        for (text, why) in [
            ("A=$B\n", "x:1: the shell makes"),
            ("if true; then\n  A=1\nfi\n", "x:2: it is set in a branch"),
            ("[ -f /x ] && A=1\n", "x:1: a part of a command"),
            ("A=1 cmd\n", "x:1: something follows"),
            ("A=1\r\n", "x:1: a carriage return"),
            (": ${A:=1}\n", "x:1: a part of a command"),
            (". /etc/other\n", "x:1: another file"),
            ("A='x\n", "x:1: a quote"),
        ] {
            let error = Image::new(&[(MAIN, text)]).refused(ShellVariables, MAIN, "A", "2");
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
