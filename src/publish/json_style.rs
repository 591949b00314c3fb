//! [`JsonStyle`]: how a JSON document was written.
//!
//! A manifest's identity is the digest of its bytes, so a document that is changed and changed
//! back must be written as its author wrote it: compact or indented, with or without Go's
//! escapes of `<`, `>` and `&`, with or without a final newline.

use serde_json::Value;

/// The habits of a JSON writer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JsonStyle {
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
    /// The style of `bytes`, whose value is `value`; `None` when no style writes these bytes.
    #[must_use]
    pub fn detect(bytes: &[u8], value: &Value) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let style = Self {
            indent: text.strip_prefix("{\n").map(|rest| {
                rest.chars().take_while(|c| matches!(c, ' ' | '\t')).take(16).collect()
            }),
            html_escapes: HTML_ESCAPES.iter().any(|(_, escape)| text.contains(escape)),
            final_newline: text.ends_with('\n'),
        };
        (style.write(value) == bytes).then_some(style)
    }

    /// `value` in this style.
    #[must_use]
    pub fn write(&self, value: &Value) -> Vec<u8> {
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
        text.into_bytes()
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
        ];
        for text in table {
            let value: Value = serde_json::from_str(text).expect("json");
            let style = JsonStyle::detect(text.as_bytes(), &value).expect(text);
            assert_eq!(String::from_utf8(style.write(&value)).expect("utf8"), text);
        }
    }

    #[test]
    fn an_irregular_document_has_no_style() {
        for text in ["{ \"a\":1}", "{\"a\": 1}", "{\"a\":\"<\\u003e\"}", "{\"a\":1}\n\n"] {
            let value: Value = serde_json::from_str(text).expect("json");
            assert_eq!(JsonStyle::detect(text.as_bytes(), &value), None, "{text}");
        }
    }
}
