//! A JSON file that npm writes, changed and written again in its own form.
//!
//! In come bytes; out comes the document, and bytes again with the indentation, the ends of lines
//! and the final newline that were there. npm itself writes `JSON.stringify`'s form, so a file of
//! npm's stays byte for byte but for what is changed. The order of new keys is that of npm's
//! `json-stringify-nice`.

use std::cmp::Ordering;

use serde::Serialize as _;
use serde_json::ser::{CompactFormatter, PrettyFormatter, Serializer};
use serde_json::{Map, Value};

/// A document and the form that it was written in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonFile {
    /// What it says; keys in their order.
    pub value: Value,
    /// Empty: everything on one line.
    indent: Vec<u8>,
    carriage_returns: bool,
    final_newline: bool,
    byte_order_mark: bool,
}

const MARK: &[u8] = b"\xef\xbb\xbf";

impl JsonFile {
    /// Reads a file.
    ///
    /// # Errors
    /// It is not JSON, or has a key twice. Half a sentence.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let plain = bytes.strip_prefix(MARK);
        let (byte_order_mark, bytes) = (plain.is_some(), plain.unwrap_or(bytes));
        let value = imgfix_json::read(bytes).map_err(|error| error.to_string())?;
        // what stands between the first bracket and what is in it
        let inner = bytes
            .iter()
            .position(|byte| matches!(byte, b'{' | b'['))
            .and_then(|at| bytes.get(at + 1..))
            .unwrap_or_default();
        let blanks = inner.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let blanks = &inner[..blanks];
        let indent = match blanks.iter().rposition(|byte| *byte == b'\n') {
            Some(newline) => blanks[newline + 1..].to_vec(),
            None => Vec::new(),
        };
        Ok(Self {
            value,
            indent,
            carriage_returns: blanks.starts_with(b"\r\n"),
            final_newline: bytes.ends_with(b"\n"),
            byte_order_mark,
        })
    }

    /// The file's bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        // writing to memory does not fail, and the value has string keys and numbers only
        let _ = if self.indent.is_empty() {
            self.value.serialize(&mut Serializer::with_formatter(&mut out, CompactFormatter))
        } else {
            let formatter = PrettyFormatter::with_indent(&self.indent);
            self.value.serialize(&mut Serializer::with_formatter(&mut out, formatter))
        };
        if self.final_newline {
            out.push(b'\n');
        }
        if self.carriage_returns {
            out = out
                .iter()
                .flat_map(|byte| match byte {
                    b'\n' => b"\r\n".as_slice(),
                    byte => std::slice::from_ref(byte),
                })
                .copied()
                .collect();
        }
        if self.byte_order_mark {
            out.splice(0..0, MARK.iter().copied());
        }
        out
    }
}

/// The keys that lockfiles have first (`swKeyOrder` of npm's arborist).
const FIRST: [&str; 8] = [
    "name",
    "version",
    "lockfileVersion",
    "resolved",
    "integrity",
    "requires",
    "packages",
    "dependencies",
];

/// A value with its keys in the order of npm's lockfiles: objects behind everything else, the
/// keys of lockfiles first, others by the alphabet.
#[must_use]
pub fn ordered(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut all: Vec<(String, Value)> =
                map.into_iter().map(|(key, value)| (key, ordered(value))).collect();
            all.sort_by(|(a, of_a), (b, of_b)| key_order((a, of_a), (b, of_b)));
            Value::Object(all.into_iter().collect())
        }
        Value::Array(all) => Value::Array(all.into_iter().map(ordered).collect()),
        other => other,
    }
}

fn key_order((a, of_a): (&String, &Value), (b, of_b): (&String, &Value)) -> Ordering {
    let place = |key: &String| FIRST.iter().position(|first| first == key).unwrap_or(FIRST.len());
    of_a.is_object()
        .cmp(&of_b.is_object())
        .then_with(|| place(a).cmp(&place(b)))
        .then_with(|| collated(a, b))
}

/// Puts a value into an object, at the place that the order of lockfiles gives it.
pub fn insert(map: &mut Map<String, Value>, key: &str, value: Value) {
    if let Some(old) = map.get_mut(key) {
        *old = value;
        return;
    }
    let key = key.to_owned();
    let mut new = Some((key, value));
    let mut all = Map::new();
    for (at, value) in std::mem::take(map) {
        if let Some(one) =
            new.take_if(|(key, of_key)| key_order((key, of_key), (&at, &value)) == Ordering::Less)
        {
            all.insert(one.0, one.1);
        }
        all.insert(at, value);
    }
    all.extend(new);
    *map = all;
}

/// The order of ASCII as `localeCompare` has it for English: ICU's root order, in which signs come
/// before digits and these before letters, and case counts when all else is equal. What is not
/// ASCII comes last, by its number.
#[must_use]
pub fn collated(a: &str, b: &str) -> Ordering {
    const SIGNS: &str = " _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$";
    let weight = |c: char| -> u32 {
        match SIGNS.find(c) {
            Some(at) => u32::try_from(at).unwrap_or(u32::MAX),
            None if c.is_ascii() => 128 + u32::from(c.to_ascii_lowercase()),
            None => 256 + u32::from(c),
        }
    };
    let weights = |text: &str| text.chars().map(weight).collect::<Vec<_>>();
    let cases = |text: &str| text.chars().map(|c| c.is_ascii_uppercase()).collect::<Vec<_>>();
    weights(a).cmp(&weights(b)).then_with(|| cases(a).cmp(&cases(b))).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_keeps_its_form() {
        for text in [
            "{\n  \"a\": 1,\n  \"b\": []\n}\n",
            "{\n  \"a\": {},\n  \"b\": [\n    \"x\"\n  ]\n}",
            "{\n\t\"a\": \"\\u0007é<&\"\n}\n",
            "{\r\n    \"a\": null\r\n}\r\n",
            "{\"a\":1,\"b\":{\"c\":[1,2]}}",
            "{\"a\":1}\n",
            "\u{feff}{\n  \"a\": 1\n}\n",
            "{}\n",
        ] {
            let file = JsonFile::read(text.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(file.bytes()).unwrap(), text);
        }
        for text in ["", "{", "{\"a\":1,\"a\":2}", "{} x"] {
            assert!(JsonFile::read(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn keys_are_ordered_as_npm_orders_them() {
        let value = ordered(json!({
            "engines": {"node": "1", "Deno": "2"}, "license": "MIT", "integrity": "i", "bin": {},
            "dependencies": {"b": "1", "name": "2", "@z/a": "3", "a_b": "4", "a-b": "5"},
            "version": "1", "cpu": ["x"], "funding": [{"url": 1, "type": 2}], "resolved": "r",
        }));
        assert_eq!(
            value.to_string(),
            json!({
                "version": "1", "resolved": "r", "integrity": "i", "cpu": ["x"],
                "funding": [{"type": 2, "url": 1}], "license": "MIT",
                "dependencies": {"name": "2", "@z/a": "3", "a_b": "4", "a-b": "5", "b": "1"},
                "bin": {}, "engines": {"Deno": "2", "node": "1"},
            })
            .to_string()
        );
    }

    /// Answers of `localeCompare(…, 'en')` of Node 20.
    #[test]
    fn texts_are_ordered_as_in_english() {
        for (a, b) in [
            ("a", "B"),
            ("a", "A"),
            ("ab", "Aa"),
            ("a-b", "ab"),
            ("a_b", "a-b"),
            ("aB", "Ab"),
            ("a", "a-"),
            ("co-op", "coop"),
            ("@a/b", "a"),
            ("jsonstream", "JSONStream"),
            ("a/node_modules/b", "a0"),
        ] {
            // "ab" < "Aa" is false in English: the letters count before the case
            let want = if (a, b) == ("ab", "Aa") { Ordering::Greater } else { Ordering::Less };
            assert_eq!(collated(a, b), want, "{a} {b}");
        }
    }

    #[test]
    fn what_is_new_comes_to_its_place() {
        let mut map = json!({"node_modules/a": {}, "node_modules/c": {}});
        for key in ["node_modules/b", "node_modules/d", "node_modules/@x/y", "node_modules/a"] {
            insert(map.as_object_mut().unwrap(), key, json!({"new": 1}));
        }
        let keys: Vec<&String> = map.as_object().unwrap().keys().collect();
        assert_eq!(
            keys,
            [
                "node_modules/@x/y",
                "node_modules/a",
                "node_modules/b",
                "node_modules/c",
                "node_modules/d"
            ]
        );
        assert_eq!(map["node_modules/a"], json!({"new": 1}));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = JsonFile::read(&bytes).map(|file| file.bytes());
        }

        #[test]
        fn what_is_written_reads_the_same(text in r#"[\[\]{}",:a0 \n]{0,20}"#) {
            if let Ok(file) = JsonFile::read(text.as_bytes()) {
                prop_assert_eq!(JsonFile::read(&file.bytes()).unwrap().value, file.value);
            }
        }
    }
}
