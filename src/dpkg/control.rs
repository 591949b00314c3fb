//! The deb822 format of `deb-control(5)`: stanzas of `Name: value` fields with continuation
//! lines, as `control`, `status` and `Packages` files have them.
//!
//! In comes the text of a file; out come [`Stanza`]s that share the text's memory and keep
//! every field in its place with its exact bytes, so that what is not understood can be
//! written again unchanged. The rules (what a name may be, which blanks are trimmed, what is
//! an error) are those of dpkg's `lib/dpkg/parse.c`.

use bytes::Bytes;

/// The largest text that is parsed, in bytes. Debian's largest `Packages` file is 60 MB.
pub const MAX_TEXT: usize = 1 << 30;

/// The most fields one stanza may have. Real ones have under 40.
pub const MAX_FIELDS: usize = 512;

/// Why a text is not deb822. Lines are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// The text's size in bytes is above [`MAX_TEXT`].
    #[error("{0} bytes of control data are more than the {MAX_TEXT} bytes that are accepted")]
    TooLarge(usize),
    /// A line dpkg's parser would refuse.
    #[error("line {line}: {problem}")]
    Line {
        /// From 1, in the text.
        line: usize,
        /// What is wrong with it, as the end of a sentence.
        problem: String,
    },
}

/// Where one field lies in its stanza's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    name: (u32, u32),
    value: (u32, u32),
    line: u32,
}

/// One stanza: fields in the order of the text. Cloning is cheap.
#[derive(Clone, PartialEq, Eq)]
pub struct Stanza {
    /// The stanza as it stands in the file, from its first field to the last line's newline.
    text: Bytes,
    fields: Vec<Span>,
    line: usize,
}

/// One field of a [`Stanza`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// As written; field names compare without regard to ASCII case.
    pub name: &'a str,
    /// The value's bytes: leading blanks on the first line and trailing white space trimmed,
    /// continuation lines with their newlines and leading blanks. A value that starts on
    /// the line after the name begins with a newline.
    pub value: &'a [u8],
    /// The line of the text the field starts on, from 1.
    pub line: usize,
}

impl Stanza {
    /// The value of the field, found without regard to case. `None` when there is no such
    /// field, and for a value that is not UTF-8 (see [`Stanza::get_bytes`]).
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&str> {
        std::str::from_utf8(self.get_bytes(field)?).ok()
    }

    /// The value of the field as it stands, UTF-8 or not.
    #[must_use]
    pub fn get_bytes(&self, field: &str) -> Option<&[u8]> {
        self.fields().find(|f| f.name.eq_ignore_ascii_case(field)).map(|f| f.value)
    }

    /// All fields in order.
    pub fn fields(&self) -> impl Iterator<Item = Field<'_>> {
        self.fields.iter().map(|span| Field {
            // The parser has checked that names are ASCII.
            name: std::str::from_utf8(self.slice(span.name)).unwrap_or_default(),
            value: self.slice(span.value),
            line: span.line as usize,
        })
    }

    /// The stanza's exact bytes, the last line's newline included, without the blank line
    /// that separates it from the next.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The line of the text the stanza starts on, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    fn slice(&self, (start, end): (u32, u32)) -> &[u8] {
        self.text.get(start as usize..end as usize).unwrap_or_default()
    }
}

impl std::fmt::Debug for Stanza {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map()
            .entries(self.fields().map(|field| (field.name, String::from_utf8_lossy(field.value))))
            .finish()
    }
}

/// All stanzas of a text.
///
/// # Errors
/// The first thing in the text that is not deb822, with its line.
pub fn parse_stanzas(text: impl Into<Bytes>) -> Result<Vec<Stanza>, ControlError> {
    Stanzas::new(text)?.collect()
}

/// The stanzas of a text one by one, for texts of which little is kept.
#[derive(Debug)]
pub struct Stanzas {
    text: Bytes,
    position: usize,
    line: usize,
    failed: bool,
}

impl Stanzas {
    /// Starts at the beginning of `text`.
    ///
    /// # Errors
    /// A text larger than [`MAX_TEXT`].
    pub fn new(text: impl Into<Bytes>) -> Result<Self, ControlError> {
        let text = text.into();
        if text.len() > MAX_TEXT {
            return Err(ControlError::TooLarge(text.len()));
        }
        Ok(Self { text, position: 0, line: 1, failed: false })
    }

    /// The line at the current position without its newline, and where the next one starts.
    fn peek_line(&self) -> Option<(&[u8], usize)> {
        let rest = self.text.get(self.position..).filter(|rest| !rest.is_empty())?;
        match rest.iter().position(|&b| b == b'\n') {
            Some(at) => Some((&rest[..at], self.position + at + 1)),
            None => Some((rest, self.text.len())),
        }
    }

    fn parse_one(&mut self) -> Result<Option<Stanza>, ControlError> {
        while let Some((line, next)) = self.peek_line() {
            if !line.is_empty() {
                break;
            }
            self.position = next;
            self.line += 1;
        }
        let (start, first_line) = (self.position, self.line);
        let mut fields = Vec::new();
        loop {
            match self.peek_line() {
                None => break,
                Some(([], _)) => break,
                Some(_) => {}
            }
            fields.push(self.parse_field(start)?);
            if fields.len() > MAX_FIELDS {
                return Err(self.error(format!("more than {MAX_FIELDS} fields in one stanza")));
            }
        }
        if fields.is_empty() {
            return Ok(None);
        }
        let stanza =
            Stanza { text: self.text.slice(start..self.position), fields, line: first_line };
        check_names(&stanza)?;
        Ok(Some(stanza))
    }

    /// One field with its continuation lines; `start` is where its stanza starts.
    fn parse_field(&mut self, start: usize) -> Result<Span, ControlError> {
        let first_line = self.line;
        let Some((line, mut next)) = self.peek_line() else {
            return Err(self.error("a field is missing"));
        };
        let Some(colon) = line.iter().position(|&b| b == b':') else {
            return Err(
                self.error(format!("expected a field name and a colon, found {:?}", excerpt(line)))
            );
        };
        let name_len = line[..colon].trim_ascii_end().len();
        let name = &line[..name_len];
        if name.is_empty() || name.starts_with(b"-") || !name.iter().all(u8::is_ascii_graphic) {
            return Err(self.error(format!("{:?} is not a field name", excerpt(&line[..colon]))));
        }
        let name_start = self.position;
        let after_colon = &line[colon + 1..];
        let blanks = after_colon.len() - after_colon.trim_ascii_start().len();
        let value_start = name_start + colon + 1 + blanks;
        self.position = next;
        self.line += 1;
        while let Some((line, following)) = self.peek_line() {
            if !line.starts_with(b" ") && !line.starts_with(b"\t") {
                break;
            }
            next = following;
            self.position = next;
            self.line += 1;
        }
        let value = self.text.get(value_start..next).unwrap_or_default().trim_ascii_end();
        if value.contains(&0) {
            return Err(ControlError::Line {
                line: first_line,
                problem: "a NUL byte in a field's value".into(),
            });
        }
        let offset = |at: usize| u32::try_from(at - start).unwrap_or(u32::MAX);
        Ok(Span {
            name: (offset(name_start), offset(name_start + name_len)),
            value: (offset(value_start), offset(value_start + value.len())),
            line: u32::try_from(first_line).unwrap_or(u32::MAX),
        })
    }

    fn error(&self, problem: impl Into<String>) -> ControlError {
        ControlError::Line { line: self.line, problem: problem.into() }
    }
}

impl Iterator for Stanzas {
    type Item = Result<Stanza, ControlError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let stanza = self.parse_one();
        self.failed = stanza.is_err();
        stanza.transpose()
    }
}

/// A name twice in a stanza would let two readers of it disagree: an error, as in dpkg.
fn check_names(stanza: &Stanza) -> Result<(), ControlError> {
    for (at, field) in stanza.fields().enumerate() {
        if stanza.fields().take(at).any(|before| before.name.eq_ignore_ascii_case(field.name)) {
            return Err(ControlError::Line {
                line: field.line,
                problem: format!("the field {:?} is there twice", field.name),
            });
        }
    }
    Ok(())
}

fn excerpt(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(text: &str) -> Stanza {
        let mut stanzas = parse_stanzas(text.to_owned()).unwrap();
        assert_eq!(stanzas.len(), 1, "{text}");
        stanzas.remove(0)
    }

    #[test]
    fn fields_keep_order_case_and_text() {
        let stanza = one("Package:  a\nX-odd : b  \nDescription: short\n long\n .\n  more\n");
        let names: Vec<_> = stanza.fields().map(|f| f.name).collect();
        assert_eq!(names, ["Package", "X-odd", "Description"]);
        assert_eq!(stanza.get("package"), Some("a"));
        assert_eq!(stanza.get("X-ODD"), Some("b"));
        assert_eq!(stanza.get("Description"), Some("short\n long\n .\n  more"));
        assert_eq!(stanza.get("Version"), None);
    }

    #[test]
    fn values_that_start_on_the_next_line_begin_with_a_newline() {
        let stanza = one("Conffiles:\n /etc/a 1\n /etc/b 2\nEmpty:\nLast: x");
        assert_eq!(stanza.get("Conffiles"), Some("\n /etc/a 1\n /etc/b 2"));
        assert_eq!(stanza.get("Empty"), Some(""));
        assert_eq!(stanza.get("Last"), Some("x"));
    }

    #[test]
    fn a_line_of_blanks_continues_the_value_and_ends_no_stanza() {
        let stanza = one("Description: a\n  \n b\nLast: x\n");
        assert_eq!(stanza.get("Description"), Some("a\n  \n b"));
        assert_eq!(stanza.get("Last"), Some("x"));
    }

    #[test]
    fn stanzas_know_their_lines_and_bytes() {
        let stanzas = parse_stanzas("\n\nA: 1\nB: 2\n\n\nA: 3\n").unwrap();
        assert_eq!(stanzas.len(), 2);
        assert_eq!((stanzas[0].line(), stanzas[0].text()), (3, &b"A: 1\nB: 2\n"[..]));
        assert_eq!((stanzas[1].line(), stanzas[1].text()), (7, &b"A: 3\n"[..]));
        assert!(parse_stanzas("").unwrap().is_empty());
        assert!(parse_stanzas("\n\n").unwrap().is_empty());
    }

    #[test]
    fn values_that_are_not_utf8_are_kept() {
        let stanzas = parse_stanzas(&b"Maintainer: Andr\xe9\nPackage: a\n"[..]).unwrap();
        assert_eq!(stanzas[0].get("Maintainer"), None);
        assert_eq!(stanzas[0].get_bytes("Maintainer"), Some(&b"Andr\xe9"[..]));
        assert_eq!(stanzas[0].get("Package"), Some("a"));
    }

    #[test]
    fn what_is_not_deb822_is_refused_with_its_line() {
        for (text, line) in [
            ("Package: a\nno colon here\n", 2),
            (" starts with a blank\n", 1),
            ("A: 1\n\n: empty\n", 3),
            ("-A: 1\n", 1),
            ("A: 1\na: 2\n", 2),
            ("A b: 1\n", 1),
            ("A: x\0y\n", 1),
        ] {
            match parse_stanzas(text.to_owned()) {
                Err(ControlError::Line { line: got, .. }) => assert_eq!(got, line, "{text:?}"),
                other => panic!("{text:?}: {other:?}"),
            }
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = parse_stanzas(bytes);
        }

        #[test]
        fn near_deb822_never_panics_and_keeps_its_bytes(
            text in "([A-Za-z:\\-]{0,6}[ :\n\t]{0,3}){0,20}"
        ) {
            if let Ok(stanzas) = parse_stanzas(text.clone()) {
                for stanza in stanzas {
                    let bytes = std::str::from_utf8(stanza.text()).unwrap();
                    prop_assert!(text.contains(bytes));
                }
            }
        }
    }
}
