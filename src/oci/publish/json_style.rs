//! [`Editable`]: a JSON document that is changed and written as it was.
//!
//! A manifest's identity is the digest of its bytes, so a document that is changed and changed
//! back must be written as its author wrote it: compact or indented, with or without Go's
//! escapes of `<`, `>` and `&`, with or without a final newline.

use bytes::Bytes;
use serde_json::Value;

use crate::exact_numbers::ExactNumbers;

/// The habits of a JSON writer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct JsonStyle {
    /// White space of one level; `None`: no line breaks at all.
    indent: Option<String>,
    /// Go's `encoding/json` escapes the characters that HTML gives a meaning.
    html_escapes: bool,
    final_newline: bool,
}

/// What Go writes for characters that other writers leave alone.
const HTML_ESCAPES: [(&str, &str); 5] = [
    ("<", "\\u003c"),
    (">", "\\u003e"),
    ("&", "\\u0026"),
    ("\u{2028}", "\\u2028"),
    ("\u{2029}", "\\u2029"),
];

impl JsonStyle {
    /// The style that `bytes` look like.
    fn of(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        Some(Self {
            indent: text.strip_prefix("{\n").map(|rest| {
                rest.chars().take_while(|c| matches!(c, ' ' | '\t')).take(16).collect()
            }),
            html_escapes: HTML_ESCAPES.iter().any(|(_, escape)| text.contains(escape)),
            final_newline: text.ends_with('\n'),
        })
    }

    /// `value` in this style.
    fn text(&self, value: &Value) -> String {
        let mut text = match &self.indent {
            None => value.to_string(),
            Some(indent) => indented(value, indent.as_bytes()),
        };
        if self.html_escapes {
            // outside of strings JSON has none of these characters
            for (plain, escape) in HTML_ESCAPES {
                text = text.replace(plain, escape);
            }
        }
        if self.final_newline {
            text.push('\n');
        }
        text
    }
}

/// A document for changing: its numbers keep their text, and it is written in its style.
#[derive(Debug, Clone)]
pub struct Editable {
    /// To be changed, and not for reading numbers.
    pub value: Value,
    numbers: ExactNumbers,
    style: JsonStyle,
}

impl Editable {
    /// `value` is what `bytes` say.
    #[must_use]
    pub fn of(bytes: &[u8], value: &Value) -> Self {
        let (value, numbers) =
            ExactNumbers::read(bytes).unwrap_or_else(|_| (value.clone(), ExactNumbers::default()));
        let found = JsonStyle::of(bytes);
        let same = |style: &JsonStyle| numbers.restore(&style.text(&value)).as_bytes() == bytes;
        let style = found.filter(same).unwrap_or_default();
        Self { value, numbers, style }
    }

    /// `changed` as the document was written.
    #[must_use]
    pub fn write(&self, changed: &Value) -> Bytes {
        self.numbers.restore(&self.style.text(changed)).into_bytes().into()
    }
}

fn indented(value: &Value, indent: &[u8]) -> String {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(indent);
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    match serde::Serialize::serialize(value, &mut serializer) {
        Ok(()) => String::from_utf8_lossy(&bytes).into_owned(),
        // a Value always serialises into memory
        Err(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_written_as_they_were() {
        let table = [
            r#"{"a":1,"b":["x",{}],"c":{"d":null}}"#,
            "{\"a\":\"x \\u0026\\u0026 y \\u003c z\"}\n",
            "{\"a\":\"x && y\"}",
            "{\n   \"a\": [\n      1,\n      2\n   ],\n   \"e\": [],\n   \"o\": {}\n}",
            "{\n\t\"a\": \"\\u003e\"\n}\n",
            "{\n  \"ä\": \"\\\"\\\\ \\n\"\n}",
            // numbers keep their digits, however they are written
            r#"{"a":9007199254740993,"b":123456789012345678901234567890,"c":-0,"d":1.10}"#,
            "{\n\t\"a\": 1e3,\n\t\"b\": [\n\t\t-1.5e-7,\n\t\t100.0\n\t]\n}\n",
        ];
        for text in table {
            let value: Value = serde_json::from_str(text).expect("json");
            let document = Editable::of(text.as_bytes(), &value);
            assert_eq!(document.write(&document.value), text);
        }
    }

    #[test]
    fn an_irregular_document_is_written_without_style() {
        for text in ["{ \"a\":1}", "{\"a\": 1}", "{\"a\":\"<\\u003e\"}", "{\"a\":1}\n\n"] {
            let value: Value = serde_json::from_str(text).expect("json");
            let document = Editable::of(text.as_bytes(), &value);
            assert_eq!(document.write(&document.value), value.to_string(), "{text}");
        }
    }
}
