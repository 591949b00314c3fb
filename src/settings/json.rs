//! JSON by dotted key: `log-opts.max-size`, a list's entry by its number, a point in a name as
//! `\.` (RFC 8259). Text is edited, nothing is written anew.
//!
//! The room `json` reads the document first, and refuses a name that is there twice. A text is
//! shown without its quotes, everything else as it is written. A value is written in the kind
//! that stands there: in the place of a text as a text; else, and where nothing stands, `true`,
//! `false`, `null` and numbers as such, and all else as a text. A new key goes behind the last of
//! its object, indented as that; objects above it are made.

use std::ops::Range;

use crate::error::SettingsError;
use crate::files::Files;
use crate::grammar::{Grammar, Order, Place, push};
use crate::text::{Edit, line_end, line_of, part, text};

pub(crate) struct Json;

const MAX_DEPTH: usize = 64;
const LIST: &str = "a list, of which entries are set one by one";
const OBJECT: &str = "an object, of which keys are set one by one";

/// A text as a part of a dotted key.
pub(crate) fn escaped(name: &str) -> String {
    name.replace('\\', "\\\\").replace('.', "\\.")
}

/// The parts of a dotted key, without escapes.
pub(crate) fn parts(key: &str) -> Vec<String> {
    let (mut out, mut escape) = (vec![String::new()], false);
    for c in key.chars() {
        let Some(last) = out.last_mut() else { break };
        match c {
            '\\' if !escape => {
                escape = true;
                continue;
            }
            '.' if !escape => out.push(String::new()),
            _ => last.push(c),
        }
        escape = false;
    }
    out
}

pub(crate) fn below(path: &str, name: &str) -> String {
    if path.is_empty() { escaped(name) } else { format!("{path}.{}", escaped(name)) }
}

/// Whether a key is of something in the container at `path`.
pub(crate) fn is_below(key: &str, path: &str) -> bool {
    path.is_empty() || key.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'))
}

/// Goes over a document that is known to be well-formed.
struct Scanner<'b> {
    bytes: &'b [u8],
    at: usize,
    places: Vec<Place>,
}

impl Scanner<'_> {
    fn blanks(&mut self) {
        while self.bytes.get(self.at).is_some_and(|b| b" \t\r\n".contains(b)) {
            self.at += 1;
        }
    }

    fn string(&mut self) -> Range<usize> {
        let start = self.at;
        self.at += 1;
        while let Some(&c) = self.bytes.get(self.at) {
            self.at += 1 + usize::from(c == b'\\');
            if c == b'"' {
                break;
            }
        }
        start..self.at.min(self.bytes.len())
    }

    /// The value from here; `whole` begins at its name.
    fn value(&mut self, path: &str, from: usize, depth: usize) -> Option<()> {
        self.blanks();
        let start = self.at;
        let first = *self.bytes.get(start)?;
        if depth > MAX_DEPTH {
            return None;
        }
        let mine = self.places.len();
        let place = Place {
            line: line_of(self.bytes, from),
            key: path.to_owned(),
            whole: from..start,
            ..Place::default()
        };
        self.places.push(place);
        let (value, unclear) = match first {
            b'"' => {
                let at = self.string();
                (imgfix_json::read::<String>(part(self.bytes, at)).ok()?, None)
            }
            b'{' | b'[' => {
                self.at += 1;
                let mut number = 0_usize;
                loop {
                    self.blanks();
                    match *self.bytes.get(self.at)? {
                        b'}' | b']' => break,
                        b',' => self.at += 1,
                        b'"' if first == b'{' => {
                            let from = self.at;
                            let at = self.string();
                            let name: String = imgfix_json::read(part(self.bytes, at)).ok()?;
                            self.blanks();
                            self.at += 1;
                            self.value(&below(path, &name), from, depth + 1)?;
                        }
                        _ => {
                            let from = self.at;
                            self.value(&below(path, &number.to_string()), from, depth + 1)?;
                            number += 1;
                        }
                    }
                }
                self.at += 1;
                (String::new(), Some(if first == b'{' { OBJECT } else { LIST }.to_owned()))
            }
            _ => {
                let rest = part(self.bytes, start..self.bytes.len());
                let length = rest.iter().take_while(|b| !b" \t\r\n,]}".contains(b)).count();
                self.at += length.max(1);
                (text(part(self.bytes, start..self.at)), None)
            }
        };
        let place = self.places.get_mut(mine)?;
        place.at = start..self.at;
        place.whole.end = self.at;
        (place.value, place.unclear) = (value, unclear);
        Some(())
    }
}

fn raw(value: &str) -> bool {
    let literal = matches!(value, "true" | "false" | "null");
    literal || imgfix_json::read::<serde_json::Number>(value.as_bytes()).is_ok()
}

fn quoted(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

fn written(value: &str) -> String {
    if raw(value) { value.to_owned() } else { quoted(value) }
}

impl Grammar for Json {
    fn read(&self, files: &mut Files<'_>, file: usize) -> Result<Vec<Place>, SettingsError> {
        let bytes = files.bytes(file);
        if let Err(error) = imgfix_json::read::<serde_json::Value>(&bytes) {
            let line = match &error {
                imgfix_json::JsonError::Syntax(error) => error.line(),
                imgfix_json::JsonError::Duplicate(_) => 1,
            };
            let line = u32::try_from(line).unwrap_or(u32::MAX);
            return Err(files.unclear(file, line, error.to_string()));
        }
        let mut scanner = Scanner { bytes: &bytes, at: 0, places: Vec::new() };
        let read = scanner.value("", 0, 0);
        let (read, found) = (read.is_some(), scanner.places);
        if !read {
            return Err(files.unclear(file, 1, "nested deeper than settings are"));
        }
        let mut places = Vec::new();
        for place in found {
            push(files, &mut places, Place { file, ..place })?;
        }
        Ok(places)
    }

    fn key(&self, key: &str) -> Result<String, SettingsError> {
        let parts = parts(key);
        Ok(parts.iter().map(|part| escaped(part)).collect::<Vec<_>>().join("."))
    }

    fn order(&self, _: &str) -> Order {
        Order::Same
    }

    fn put(
        &self,
        files: &Files<'_>,
        place: &Place,
        _: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        let text = files.bytes(place.file).get(place.at.start) == Some(&b'"');
        let out = if text { quoted(value) } else { written(value) };
        Ok(vec![Edit::new(place.file, place.at.clone(), out)])
    }

    fn add(
        &self,
        files: &Files<'_>,
        places: &[Place],
        key: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        let bytes = files.bytes(0);
        let above = places.iter().filter(|place| place.key != key && is_below(key, &place.key));
        let Some(above) = above.max_by_key(|place| place.key.len()) else {
            return Err(SettingsError::key(key, "no place for it"));
        };
        if above.unclear.as_deref() != Some(OBJECT) {
            return Err(files.unclear(0, above.line, "no object, so it can have no keys"));
        }
        let skip = if above.key.is_empty() { 0 } else { parts(&above.key).len() };
        let names = parts(key).split_off(skip);
        let mut out = written(value);
        for name in names.iter().skip(1).rev() {
            out = format!("{{{}: {out}}}", quoted(name));
        }
        let name = names.first().map(|name| quoted(name)).unwrap_or_default();
        let mut children = places.iter().filter(|place| {
            is_below(&place.key, &above.key)
                && place.key != above.key
                && parts(&place.key).len() == skip + 1
        });
        if let Some(last) = children.next_back() {
            let lead = part(&bytes, 0..last.whole.start);
            let blanks = lead.iter().rev().take_while(|b| b" \t\r\n".contains(b)).count();
            let blanks = text(part(lead, lead.len() - blanks..lead.len()));
            let colon = part(&bytes, last.whole.start..last.at.start);
            let colon = if colon.ends_with(b":") { ":" } else { ": " };
            let edit = format!(",{blanks}{name}{colon}{out}");
            return Ok(vec![Edit::new(0, last.whole.end..last.whole.end, edit)]);
        }
        // an empty object
        let indent = text(crate::text::indent_at(&bytes, above.at.start));
        let end = line_end(&bytes);
        let lines = part(&bytes, above.at.clone()).contains(&b'\n') || above.key.is_empty();
        let edit = match lines {
            true => format!("{{{end}{indent}  {name}: {out}{end}{indent}}}"),
            false => format!("{{{name}: {out}}}"),
        };
        Ok(vec![Edit::new(0, above.at.clone(), edit)])
    }

    fn take(&self, files: &Files<'_>, place: &Place) -> Result<Vec<Edit>, SettingsError> {
        let bytes = files.bytes(place.file);
        if place.key.is_empty() {
            return Err(SettingsError::key(&place.key, "the whole document"));
        }
        // an entry's comma goes with it: the one behind, or, of the last one, the one before
        let rest = part(&bytes, place.whole.end..bytes.len());
        let blank = |b: &&u8| b" \t\r\n".contains(b);
        let gap = rest.iter().take_while(blank).count();
        if rest.get(gap) == Some(&b',') {
            let next = part(rest, gap + 1..rest.len()).iter().take_while(blank).count();
            let end = place.whole.end + gap + 1 + next;
            return Ok(vec![Edit::new(place.file, place.whole.start..end, "")]);
        }
        let lead = part(&bytes, 0..place.whole.start);
        let gap = lead.iter().rev().take_while(blank).count();
        let before = lead.len() - gap;
        let comma = before > 0 && lead.get(before - 1) == Some(&b',');
        let start = if comma { before - 1 } else { place.whole.start };
        Ok(vec![Edit::new(place.file, start..place.whole.end, "")])
    }

    fn is_other(&self, place: &Place, key: &str) -> bool {
        !self.is_about(place, key) && !is_below(key, &place.key)
    }
}

#[cfg(test)]
mod tests {
    use crate::Format::Json;
    use crate::testing::Image;

    const MAIN: &str = "/etc/docker/daemon.json";
    const TEXT: &str = "{\n    \"icc\": true,\n    \"log-opts\": {\"max-size\": \"10m\", \"n\":1},\n    \"hosts\": [ \"a\", \"b\" ],\n    \"e\": {}\n}";

    #[test]
    fn keys_are_set_where_they_stand() {
        let image = Image::new(&[(MAIN, TEXT)]);
        for (key, value) in
            [("icc", "true"), ("log-opts.max-size", "10m"), ("hosts.1", "b"), ("log-opts.n", "1")]
        {
            assert_eq!(image.effective(Json, MAIN, key).as_deref(), Some(value), "{key}");
        }
        for (key, value, from, to) in [
            ("icc", "false", "true", "false"),
            ("log-opts.max-size", "1", "\"10m\"", "\"1\""),
            ("log-opts.new", "x", "\"n\":1", "\"n\":1, \"new\":\"x\""),
            ("userland-proxy", "false", "\"e\": {}", "\"e\": {},\n    \"userland-proxy\": false"),
            ("e.a.b", "x\"", "{}", "{\"a\": {\"b\": \"x\\\"\"}}"),
        ] {
            assert_eq!(image.set(Json, MAIN, key, value)[0].1, TEXT.replacen(from, to, 1), "{key}");
        }
        for (key, gone) in
            [("icc", "\"icc\": true,\n    "), ("log-opts.n", ", \"n\":1"), ("hosts.0", "\"a\", ")]
        {
            if key != "hosts.0" {
                assert_eq!(
                    image.removed(Json, MAIN, key)[0].1,
                    TEXT.replacen(gone, "", 1),
                    "{key}"
                );
            }
        }
        assert!(image.refused(Json, MAIN, "hosts", "x").contains("json:4: a list"));
        assert!(image.refused(Json, MAIN, "icc.x", "x").contains("json:2: no object"));
        let empty = Image::new(&[(MAIN, "{}\n")]);
        assert_eq!(empty.set(Json, MAIN, "a\\.b", "1")[0].1, "{\n  \"a.b\": 1\n}\n");
    }

    #[test]
    fn what_two_readers_read_differently_is_refused() {
        let image = Image::new(&[(MAIN, "{\"a\": 1, \"a\": 2}")]);
        assert!(
            image
                .refused(Json, MAIN, "a", "3")
                .contains("not changed: /etc/docker/daemon.json:1: ")
        );
        let image = Image::new(&[(MAIN, "{\n\"a\": 1, // x\n}")]);
        assert!(image.refused(Json, MAIN, "a", "3").contains("json:2: "));
    }
}
