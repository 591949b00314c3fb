//! JSON documents whose numbers keep their text.
//!
//! [`Value`] holds numbers as machines do: an integer beyond 64 bits loses its last digits, and
//! `1.10` becomes `1.1`. An image's documents may have such numbers in fields that nobody here
//! knows, and they have to come out as they went in. So the text of each number that would be
//! written otherwise is set aside, with a string in its place, until the document is written.

use serde_json::Value;

/// The numbers of one document that would be written otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExactNumbers {
    /// What the strings in their places begin with: nothing that the document has.
    prefix: String,
    texts: Vec<String>,
}

impl ExactNumbers {
    /// Reads a document whose numbers keep their text. The value is for changing and for
    /// [`ExactNumbers::restore`], not for reading numbers.
    ///
    /// # Errors
    /// It is not JSON.
    #[allow(clippy::disallowed_methods, reason = "imgfix_json has read the document before")]
    pub fn read(bytes: &[u8]) -> Result<(Value, Self), serde_json::Error> {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return serde_json::from_slice(bytes).map(|value| (value, Self::default()));
        };
        let inexact: Vec<(usize, &str)> =
            numbers(text).filter(|(_, number)| !is_written_so(number)).collect();
        if inexact.is_empty() {
            return serde_json::from_str(text).map(|value| (value, Self::default()));
        }
        // checked before anything is replaced, so that errors are about the document
        serde_json::from_str::<Value>(text)?;
        let mut prefix = "number-".to_owned();
        while text.contains(&prefix) {
            prefix.push('-');
        }
        let mut replaced = String::with_capacity(text.len() + inexact.len() * 16);
        let mut done = 0;
        for (index, (at, number)) in inexact.iter().enumerate() {
            replaced.push_str(text.get(done..*at).unwrap_or_default());
            replaced.push_str(&format!("\"{prefix}{index}\""));
            done = at + number.len();
        }
        replaced.push_str(text.get(done..).unwrap_or_default());
        let texts = inexact.into_iter().map(|(_, number)| number.to_owned()).collect();
        Ok((serde_json::from_str(&replaced)?, Self { prefix, texts }))
    }

    /// Puts the numbers back into a document that was written.
    #[must_use]
    pub fn restore(&self, written: &str) -> String {
        if self.texts.is_empty() {
            return written.to_owned();
        }
        let opening = format!("\"{}", self.prefix);
        let mut parts = written.split(&opening);
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let number = part.split_once('"').and_then(|(index, rest)| {
                Some((self.texts.get(index.parse::<usize>().ok()?)?, rest))
            });
            match number {
                Some((text, rest)) => {
                    out.push_str(text);
                    out.push_str(rest);
                }
                // it came with a change
                None => {
                    out.push_str(&opening);
                    out.push_str(part);
                }
            }
        }
        out
    }
}

#[allow(clippy::disallowed_methods, reason = "a number has no keys")]
fn is_written_so(number: &str) -> bool {
    serde_json::from_str::<serde_json::Number>(number).is_ok_and(|n| n.to_string() == number)
}

/// The numbers of a JSON text, with their places.
fn numbers(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            match bytes.get(at)? {
                b'"' => at = end_of_string(bytes, at),
                b'-' | b'0'..=b'9' => {
                    let start = at;
                    let part = |b: &u8| {
                        b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E')
                    };
                    while bytes.get(at).is_some_and(part) {
                        at += 1;
                    }
                    return Some((start, text.get(start..at)?));
                }
                _ => at += 1,
            }
        }
    })
}

/// Behind the closing quote of the string that begins at `start`.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_keep_their_text() {
        for text in [
            r#"{"a":9007199254740993,"b":123456789012345678901234567890,"c":-0,"d":1.10}"#,
            r#"{"a":1e3,"b":1E+4,"c":-1.5e-7,"d":[0.30000000000000000004,100.0],"e":1}"#,
            r#"{"number-":1.10,"b":"number--0","c":"-1.10 \" 2.0"}"#,
            r#"1.0"#,
            r#"{"a":1,"b":"1.0"}"#,
        ] {
            let (value, numbers) = ExactNumbers::read(text.as_bytes()).expect(text);
            assert_eq!(numbers.restore(&value.to_string()), text);
        }
        for text in ["{", "1.", "{\"a\":1.10", "{\"a\":01.0}", "\u{1}", "1e400"] {
            assert!(ExactNumbers::read(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_change_is_kept_beside_them() {
        let (mut value, numbers) = ExactNumbers::read(br#"{"a":1.10,"b":[2.0]}"#).expect("JSON");
        value["b"] = "\"number-x".into();
        value["c"] = 1.5.into();
        let written = numbers.restore(&value.to_string());
        assert_eq!(written, r#"{"a":1.10,"b":"\"number-x","c":1.5}"#);
        value.as_object_mut().and_then(|map| map.remove("a"));
        assert!(!numbers.restore(&value.to_string()).contains("1.10"));
    }

    proptest! {
        #[test]
        fn what_is_not_changed_comes_out_as_it_went_in(
            numbers in proptest::collection::vec(
                "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?", 0..6),
            text in "k[ -~é]{0,12}",
        ) {
            let key = Value::from(text).to_string();
            let document = format!("{{{key}:[{}],\"z\":{key}}}", numbers.join(","));
            let (value, exact) = ExactNumbers::read(document.as_bytes()).expect("JSON");
            prop_assert_eq!(exact.restore(&value.to_string()), document);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
            let read = ExactNumbers::read(text.as_bytes());
            prop_assert_eq!(read.is_ok(), serde_json::from_str::<Value>(&text).is_ok());
        }
    }
}
