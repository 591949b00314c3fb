//! YAML by dotted key (YAML 1.2; key forms as in the module `json`): mappings and sequences in
//! block style.
//!
//! A reader of YAML (`serde_yaml_ng`) reads the document first and has to see the same values. A
//! value in flow style, of several lines, with an anchor, an alias or a tag is refused where it
//! is about the key. A new key goes to the top of its mapping, or to the end of the document;
//! mappings above it are made.

use std::ops::Range;

use serde_yaml_ng::Value;

use crate::error::SettingsError;
use crate::files::Files;
use crate::grammar::{Grammar, Order, Place, push};
use crate::json::{below, escaped, is_below, parts};
use crate::text::{Edit, Line, indent_at, lines, part, text, trimmed};

pub(crate) struct Yaml;

/// Deeper than settings are.
const MAX_DEPTH: usize = 64;
/// Of a key that has keys below it.
const MAPPING: &str = "a mapping or a sequence, of which keys are set one by one";

/// A block that is open: where its keys begin, and what it is.
struct Block {
    indent: usize,
    path: String,
    /// Of a sequence: how many entries there were.
    entries: Option<usize>,
}

/// The place of a scalar from `from`, and why it is not a plain one.
fn scalar(
    bytes: &[u8],
    from: usize,
    end: usize,
) -> Result<(String, Range<usize>, Option<&'static str>), &'static str> {
    let content = part(bytes, from..end);
    let ends = |length: usize| {
        let rest = trimmed(bytes, from + length..end, b" \t");
        rest.is_empty() || (bytes.get(rest.start) == Some(&b'#') && rest.start > from + length)
    };
    match content.first() {
        Some(quote @ (b'"' | b'\'')) => {
            let mut at = 1;
            loop {
                match content.get(at) {
                    None => return Ok((String::new(), from..end, Some("a text of more lines"))),
                    Some(b'\\') if *quote == b'"' => at += 2,
                    Some(c) if c == quote => {
                        if *quote == b'\'' && content.get(at + 1) == Some(quote) {
                            at += 2;
                            continue;
                        }
                        break;
                    }
                    Some(_) => at += 1,
                }
            }
            let length = at + 1;
            if !ends(length) {
                return Err("something follows the value");
            }
            let raw = part(content, 0..length);
            let value = serde_yaml_ng::from_slice::<String>(raw).map_err(|_| "no text of YAML")?;
            Ok((value, from..from + length, None))
        }
        Some(b'{' | b'[') => Ok((String::new(), from..end, Some("a value in flow style"))),
        Some(b'|' | b'>') => Ok((String::new(), from..end, Some("a block of text"))),
        Some(b'&' | b'*' | b'!') => {
            Ok((String::new(), from..end, Some("an anchor, an alias or a tag")))
        }
        Some(b'@' | b'`' | b'%') => Err("no value of YAML"),
        _ => {
            let comment =
                content.windows(2).position(|two| b" \t".contains(&two[0]) && two[1] == b'#');
            let length = comment.unwrap_or(content.len());
            let at = trimmed(bytes, from..from + length, b" \t\r");
            let raw = text(part(bytes, at.clone()));
            let value = if raw == "~" || raw == "null" { String::new() } else { raw };
            Ok((value, at, None))
        }
    }
}

/// Where the `:` behind a key stands, and the key.
fn key_of(content: &[u8]) -> Option<(String, usize)> {
    let ends = |at: usize| {
        content.get(at) == Some(&b':') && matches!(content.get(at + 1), None | Some(b' ' | b'\t'))
    };
    match content.first()? {
        quote @ (b'"' | b'\'') => {
            let close = part(content, 1..content.len()).iter().position(|c| c == quote)? + 1;
            let name = part(content, 1..close);
            (ends(close + 1) && !name.contains(&b'\\')).then(|| (text(name), close + 1))
        }
        b'?' | b'&' | b'*' | b'!' | b'{' | b'[' | b'#' | b'|' | b'>' | b'%' | b'@' | b'`' => None,
        _ => {
            let colon = (0..content.len()).find(|&at| ends(at))?;
            let name = part(content, trimmed(content, 0..colon, b" \t"));
            (!name.windows(2).any(|two| two == b" #")).then(|| (text(name), colon))
        }
    }
}

struct Reader<'b> {
    bytes: &'b [u8],
    blocks: Vec<Block>,
    places: Vec<Place>,
    /// Lines that are indented more than this belong to the value of the last place.
    value: Option<usize>,
}

impl Reader<'_> {
    /// The content of a line from `from`, which is in this column.
    fn node(
        &mut self,
        line: &Line,
        from: usize,
        column: usize,
        depth: usize,
    ) -> Result<(), &'static str> {
        let content = part(self.bytes, from..line.end);
        let entry = content == b"-" || content.starts_with(b"- ");
        let is_entry = |block: &Block| block.entries.is_some();
        while self.blocks.last().is_some_and(|block| {
            block.indent > column || (block.indent == column && is_entry(block) && !entry)
        }) {
            self.blocks.pop();
        }
        if depth > MAX_DEPTH || self.blocks.len() > MAX_DEPTH {
            return Err("nested deeper than settings are");
        }
        let open = self
            .blocks
            .last()
            .is_some_and(|block| block.indent == column && is_entry(block) == entry);
        if !open {
            // below the last place, or the document itself
            let path = match self.places.last() {
                Some(last) => {
                    let nested = self.blocks.last().is_none_or(|block| {
                        block.indent < column || (entry && block.indent == column)
                    });
                    if !last.value.is_empty() || !nested || self.blocks.is_empty() {
                        return Err("an indentation that fits nothing");
                    }
                    last.key.clone()
                }
                None => String::new(),
            };
            if let Some(last) = self.places.last_mut() {
                last.unclear.get_or_insert_with(|| MAPPING.to_owned());
            }
            self.blocks.push(Block { indent: column, path, entries: entry.then_some(0) });
        }
        let Some(block) = self.blocks.last_mut() else { return Ok(()) };
        let (key, colon) = match &mut block.entries {
            Some(count) => {
                let key = below(&block.path, &count.to_string());
                *count += 1;
                (key, 0)
            }
            None => {
                let (name, colon) = key_of(content).ok_or("a line that is no `key: value`")?;
                (below(&block.path, &name), colon)
            }
        };
        let rest = trimmed(self.bytes, from + colon + 1..line.end, b" \t\r");
        let comment = self.bytes.get(rest.start) == Some(&b'#');
        let mut place = Place {
            line: line.number,
            key,
            whole: line.start..line.next,
            at: from + colon + 1..from + colon + 1,
            ..Place::default()
        };
        if entry {
            // what an entry begins with is in its own line: it is not taken out by lines
            let nested = part(self.bytes, rest.clone());
            if nested.starts_with(b"- ") || nested == b"-" || key_of(nested).is_some() {
                place.unclear = Some(MAPPING.to_owned());
                self.places.push(place);
                return self.node(line, rest.start, column + rest.start - from, depth + 1);
            }
        }
        if !rest.is_empty() && !comment {
            let (value, at, unclear) = scalar(self.bytes, rest.start, rest.end)?;
            (place.value, place.at) = (value, at);
            place.unclear = unclear.map(str::to_owned);
            self.value = Some(column);
        }
        self.places.push(place);
        Ok(())
    }
}

fn find<'v>(document: &'v Value, key: &str) -> Option<&'v Value> {
    let mut value = document;
    for part in parts(key) {
        value = match value {
            Value::Sequence(list) => list.get(part.parse::<usize>().ok()?)?,
            Value::Mapping(map) => {
                let same = |name: &Value| match name {
                    Value::String(name) => *name == part,
                    Value::Number(name) => name.to_string() == part,
                    Value::Bool(name) => name.to_string() == part,
                    _ => false,
                };
                map.iter().find(|(name, _)| same(name))?.1
            }
            _ => return None,
        };
    }
    Some(value)
}

pub(crate) fn read_yaml(files: &Files<'_>, file: usize) -> Result<Vec<Place>, SettingsError> {
    let bytes = files.bytes(file);
    let document: Value = serde_yaml_ng::from_slice(&bytes).map_err(|error| {
        let line = error.location().map_or(1, |place| place.line());
        files.unclear(file, u32::try_from(line).unwrap_or(u32::MAX), error.to_string())
    })?;
    let mut reader = Reader { bytes: &bytes, blocks: Vec::new(), places: Vec::new(), value: None };
    for line in lines(&bytes) {
        let unclear = |why: &str| files.unclear(file, line.number, why);
        let column = part(&bytes, line.start..line.end).iter().take_while(|&&b| b == b' ').count();
        let from = line.start + column;
        let end = trimmed(&bytes, from..line.end, b" \t\r").end;
        let content = part(&bytes, from..end);
        if let Some(indent) = reader.value {
            // the rest of a value: deeper than its key, whatever it looks like
            let open = reader.places.last().and_then(|place| place.unclear.as_deref());
            let own = content.is_empty() || column > indent;
            let comment = content.first() == Some(&b'#') && open != Some("a block of text");
            if own && !comment {
                if !content.is_empty()
                    && let Some(last) = reader.places.last_mut()
                {
                    last.unclear.get_or_insert_with(|| "a value of more lines".to_owned());
                }
                if let Some(last) = reader.places.last_mut().filter(|last| last.unclear.is_some()) {
                    last.whole.end = line.next;
                }
                continue;
            }
            if content.first().is_some_and(|b| b"}]".contains(b)) {
                return Err(unclear("the end of a value in flow style that is not indented"));
            }
        }
        if content.is_empty() || content.starts_with(b"#") {
            continue;
        }
        if content.first() == Some(&b'\t') {
            return Err(unclear("a tab in the indentation"));
        }
        if column == 0
            && (content == b"---" || content.starts_with(b"--- #"))
            && reader.places.is_empty()
        {
            continue;
        }
        if column == 0
            && (content.starts_with(b"---") || content == b"..." || content.starts_with(b"%"))
        {
            return Err(unclear("more documents than one, or a directive"));
        }
        reader.value = None;
        let line_at = Line { end, ..line.clone() };
        reader.node(&line_at, from, column, 0).map_err(unclear)?;
    }
    let mut places = Vec::new();
    for place in reader.places {
        if place.unclear.is_none() {
            let seen = match find(&document, &place.key) {
                Some(Value::String(seen)) => *seen == place.value,
                Some(Value::Null) => place.value.is_empty(),
                Some(Value::Bool(_) | Value::Number(_)) => true,
                _ => false,
            };
            if !seen {
                return Err(files.unclear(
                    file,
                    place.line,
                    "readers of YAML do not agree about it",
                ));
            }
        }
        push(files, &mut places, Place { file, ..place })?;
    }
    Ok(places)
}

/// Whether a plain scalar is read as it is written.
fn plain(value: &str) -> bool {
    let read = serde_yaml_ng::from_str::<Value>(value);
    let same = match read {
        Ok(Value::String(read)) => read == value,
        Ok(Value::Bool(_) | Value::Number(_)) => true,
        _ => false,
    };
    let safe = |c: char| c.is_ascii_alphanumeric() || " _./:@%+,-=()$^".contains(c);
    same && value.chars().all(safe)
        && value.trim() == value
        && !value.contains(": ")
        && !value.ends_with(':')
        && value.starts_with(|c: char| c.is_ascii_alphanumeric() || "./_+-".contains(c))
        && !value.starts_with("- ")
}

fn written(key: &str, value: &str, quote: Option<u8>) -> Result<String, SettingsError> {
    if value.chars().any(|c| {
        c.is_control() || c == '\u{feff}' || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}')
    }) {
        return Err(SettingsError::value(key, "it has more than one line"));
    }
    Ok(match quote {
        Some(b'\'') => format!("'{}'", value.replace('\'', "''")),
        Some(b'"') => format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")),
        _ if plain(value) => value.to_owned(),
        _ => format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")),
    })
}

pub(crate) fn is_about_yaml(place: &Place, key: &str) -> bool {
    let merged = place.key == "<<" || place.key.ends_with(".<<");
    let above = place.key.strip_suffix("<<").unwrap_or_default().trim_end_matches('.');
    place.key == key
        || (merged && is_below(key, above))
        || (place.unclear.as_deref().is_some_and(|why| why != MAPPING) && is_below(key, &place.key))
}

impl Grammar for Yaml {
    fn read(&self, files: &mut Files<'_>, file: usize) -> Result<Vec<Place>, SettingsError> {
        read_yaml(files, file)
    }

    fn key(&self, key: &str) -> Result<String, SettingsError> {
        let parts = parts(key);
        if parts.iter().any(String::is_empty) {
            return Err(SettingsError::key(key, "a name in it is empty"));
        }
        Ok(parts.iter().map(|part| escaped(part)).collect::<Vec<_>>().join("."))
    }

    fn is_about(&self, place: &Place, key: &str) -> bool {
        is_about_yaml(place, key)
    }

    fn order(&self, _: &str) -> Order {
        Order::Same
    }

    fn put(
        &self,
        files: &Files<'_>,
        place: &Place,
        key: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        let bytes = files.bytes(place.file);
        let quote = bytes.get(place.at.start).copied().filter(|_| !place.at.is_empty());
        let blank = if place.at.is_empty() { " " } else { "" };
        Ok(vec![Edit::new(
            place.file,
            place.at.clone(),
            format!("{blank}{}", written(key, value, quote)?),
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
        let above = places.iter().filter(|place| is_below(key, &place.key));
        let above = above.max_by_key(|place| place.key.len());
        let names = parts(key).split_off(above.map_or(0, |above| parts(&above.key).len()));
        let (at, indent) = match above {
            Some(above) => {
                if !above.value.is_empty()
                    || above.unclear.as_deref().is_some_and(|why| why != MAPPING)
                {
                    return Err(files.unclear(0, above.line, "no mapping, so it can have no keys"));
                }
                let child = places
                    .iter()
                    .find(|place| place.key != above.key && is_below(&place.key, &above.key));
                let own = indent_at(&bytes, above.whole.start).len();
                let indent =
                    child.map_or(own + 2, |child| indent_at(&bytes, child.whole.start).len());
                if indent <= own
                    || part(&bytes, above.whole.start..above.whole.end)
                        .trim_ascii_start()
                        .starts_with(b"-")
                {
                    return Err(files.unclear(
                        0,
                        above.line,
                        "a sequence, which gets no new entries",
                    ));
                }
                (above.whole.end, indent)
            }
            None => {
                let root =
                    places.first().map_or(0, |first| indent_at(&bytes, first.whole.start).len());
                (bytes.len(), root)
            }
        };
        let name = |name: &str| written(key, name, (!plain(name)).then_some(b'"'));
        let mut out = Vec::new();
        for (depth, part) in names.iter().enumerate() {
            out.push(format!("{}{}:", " ".repeat(indent + 2 * depth), name(part)?));
        }
        let line = format!("{} {}", out.join("\n"), written(key, value, None)?);
        Ok(vec![Edit::line(0, &bytes, at, &line)])
    }

    fn take(&self, files: &Files<'_>, place: &Place) -> Result<Vec<Edit>, SettingsError> {
        let bytes = files.bytes(place.file);
        let content = part(&bytes, place.whole.clone());
        if content.trim_ascii_start().starts_with(b"-") {
            return Err(files.unclear(
                place.file,
                place.line,
                "an entry of a sequence is not taken out",
            ));
        }
        Ok(vec![Edit::new(place.file, place.whole.clone(), "")])
    }

    fn is_other(&self, place: &Place, key: &str) -> bool {
        !self.is_about(place, key) && !is_below(key, &place.key)
    }
}

#[cfg(test)]
mod tests {
    use crate::Format::{Mongod, Yaml};
    use crate::testing::Image;

    const MAIN: &str = "/etc/mongod.conf";
    const TEXT: &str = "# c\r\nnet:\r\n  port: 27017 # p\r\n  bindIp: \"0.0.0.0\"\r\n\r\n#security:\r\nlist:\r\n- a: 1\r\n  b: 'it''s'\r\n-   - x\r\ntext: |\r\n  net: no\r\nflow: {a: 1}\r\n";

    #[test]
    fn keys_are_set_where_they_stand() {
        let image = Image::new(&[(MAIN, TEXT)]);
        for (key, value) in [
            ("net.port", "27017"),
            ("net.bindIp", "0.0.0.0"),
            ("list.0.b", "it's"),
            ("list.1.0", "x"),
        ] {
            assert_eq!(image.effective(Yaml, MAIN, key).as_deref(), Some(value), "{key}");
        }
        let set = |key, value| image.set(Mongod, MAIN, key, value).remove(0).1;
        assert_eq!(set("net.bindIp", "127.0.0.1"), TEXT.replace("0.0.0.0", "127.0.0.1"));
        assert_eq!(set("list.0.b", "x'"), TEXT.replace("it''s", "x''"));
        assert_eq!(
            set("security.authorization", "enabled"),
            format!("{TEXT}security:\r\n  authorization: enabled\r\n")
        );
        assert_eq!(
            set("net.tls.mode", "requireTLS"),
            TEXT.replace("net:\r\n  port", "net:\r\n  tls:\r\n    mode: requireTLS\r\n  port")
        );
        assert_eq!(set("net.port", "a: b"), TEXT.replace("27017", "\"a: b\""));
        for (key, why) in [
            ("text", "conf:11: a block"),
            ("flow.a", "conf:13: a value in flow"),
            ("net", "conf:2: a mapping"),
            ("net.port.x", "conf:3: no mapping"),
        ] {
            let error = image.refused(Yaml, MAIN, key, "x");
            assert!(error.contains(why), "{key}: {error}");
        }
        assert_eq!(
            image.removed(Yaml, MAIN, "net.port")[0].1,
            TEXT.replace("  port: 27017 # p\r\n", "")
        );
    }

    #[test]
    fn anchors_and_merges_are_refused_on_the_key_alone() {
        let main = "a: &x\n  k: 1\nb:\n  <<: *x\n  m: 2\nc: *x\nd:\n";
        let image = Image::new(&[(MAIN, main)]);
        for (key, why) in [
            ("b.k", "conf:4: an anchor"),
            ("c.k", "conf:6: an anchor"),
            ("a.k", "conf:1: an anchor"),
        ] {
            let error = image.refused(Yaml, MAIN, key, "x");
            assert!(error.contains(why), "{key}: {error}");
        }
        assert_eq!(image.set(Yaml, MAIN, "d", "x")[0].1, main.replace("d:", "d: x"));
        assert_eq!(image.set(Yaml, MAIN, "d.e", "x")[0].1, format!("{main}  e: x\n"));
    }
}
