//! Words: quotes and literal text.

use bstr::BString;

use super::parser::{Parsed, Parser, ends_word};
use super::tree::{Part, Simple, Word};
use super::{Dialect, SyntaxError, is_name_byte, is_name_start};

/// What ends text in which quotes are recognised.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stops {
    /// Blanks and operators, which stay.
    Word,
    /// One of these bytes, which stays.
    Bytes(&'static [u8]),
}

/// What ends text that is quoted but for its expansions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Quoted {
    /// `"`, which is passed.
    Quote,
    /// The end of the text: a here-document.
    Text,
    /// `}`, which is passed: inside `"${x:-...}"`.
    Brace,
    /// This operator outside of parentheses, which is passed.
    Arithmetic(&'static [u8]),
}

/// Adds a byte of literal text.
pub(super) fn push_literal(parts: &mut Vec<Part>, b: u8) {
    match parts.last_mut() {
        Some(Part::Literal(text)) => text.push(b),
        _ => parts.push(Part::Literal(BString::from(vec![b]))),
    }
}

/// Adds text that stands for itself.
pub(super) fn push_quoted(parts: &mut Vec<Part>, more: &[u8]) {
    match parts.last_mut() {
        Some(Part::Quoted(text)) => text.extend_from_slice(more),
        _ => parts.push(Part::Quoted(BString::from(more))),
    }
}

impl Parser<'_> {
    pub(super) fn word(&mut self) -> Parsed<Word> {
        self.deeper(|parser| Ok(Word { parts: parser.parts(Stops::Word)? }))
    }

    pub(super) fn at_process_substitution(&self) -> bool {
        self.dialect != Dialect::Posix
            && matches!(self.peek(), Some(b'<' | b'>'))
            && self.peek_at(1) == Some(b'(')
    }

    /// Parts up to what stops them.
    pub(super) fn parts(&mut self, stops: Stops) -> Parsed<Vec<Part>> {
        let mut parts = Vec::new();
        loop {
            let Some(b) = self.peek() else {
                return match stops {
                    Stops::Word => Ok(parts),
                    Stops::Bytes(_) => Err(self.unexpected()),
                };
            };
            match stops {
                Stops::Word if self.at_process_substitution() => {
                    self.at += 2;
                    self.list(&[])?;
                    self.expect_parenthesis()?;
                    parts.push(Part::Process);
                    continue;
                }
                Stops::Word if ends_word(b) => return Ok(parts),
                Stops::Bytes(bytes) if bytes.contains(&b) => return Ok(parts),
                _ => {}
            }
            match b {
                b'\'' => {
                    let text = self.single_quoted()?;
                    push_quoted(&mut parts, &text);
                }
                b'"' => {
                    self.at += 1;
                    let inner = self.deeper(|parser| parser.quoted_parts(Quoted::Quote))?;
                    parts.push(Part::DoubleQuoted(inner));
                }
                b'\\' => {
                    self.at += 1;
                    match self.advance() {
                        Some(b'\n') => {}
                        Some(b) => push_quoted(&mut parts, &[b]),
                        None => push_quoted(&mut parts, b"\\"),
                    }
                }
                b'$' if self.dialect != Dialect::Posix && self.peek_at(1) == Some(b'\'') => {
                    self.at += 1;
                    let text = self.ansi_quoted()?;
                    push_quoted(&mut parts, &text);
                }
                b'$' if self.dialect == Dialect::Bash && self.peek_at(1) == Some(b'"') => {
                    self.at += 1;
                }
                b'$' | b'`' => match self.expansion(Context::Unquoted)? {
                    Some(part) => parts.push(part),
                    None => push_literal(&mut parts, b),
                },
                b => {
                    self.advance();
                    push_literal(&mut parts, b);
                }
            }
        }
    }

    fn single_quoted(&mut self) -> Parsed<Vec<u8>> {
        let line = self.line;
        self.at += 1;
        let mut text = Vec::new();
        loop {
            match self.advance() {
                None => {
                    return Err(SyntaxError { line, problem: "unterminated quoted string".into() });
                }
                Some(b'\'') => return Ok(text),
                Some(b) => text.push(b),
            }
        }
    }

    /// `'...'` of bash's `$'...'`: escapes as in C.
    fn ansi_quoted(&mut self) -> Parsed<Vec<u8>> {
        let line = self.line;
        self.at += 1;
        let mut raw = Vec::new();
        loop {
            match self.advance() {
                None => {
                    return Err(SyntaxError { line, problem: "unterminated quoted string".into() });
                }
                Some(b'\'') => break,
                Some(b'\\') => {
                    raw.push(b'\\');
                    raw.extend(self.advance());
                }
                Some(b) => raw.push(b),
            }
        }
        ansi_escapes(&raw).ok_or_else(|| self.error("an escape in $'...' is not evaluated"))
    }

    /// Parts of text that is quoted but for its expansions.
    pub(super) fn quoted_parts(&mut self, until: Quoted) -> Parsed<Vec<Part>> {
        let line = self.line;
        let mut parts = Vec::new();
        let mut parentheses = 0_usize;
        loop {
            let Some(b) = self.peek() else {
                return match until {
                    Quoted::Text => Ok(parts),
                    _ => Err(SyntaxError { line, problem: "unterminated quoted string".into() }),
                };
            };
            match (b, until) {
                (b'"', Quoted::Quote) | (b'}', Quoted::Brace) => {
                    self.at += 1;
                    return Ok(parts);
                }
                (_, Quoted::Arithmetic(end))
                    if parentheses == 0 && self.rest().starts_with(end) =>
                {
                    self.at += end.len();
                    return Ok(parts);
                }
                (b'"', Quoted::Brace) => {
                    self.at += 1;
                    let inner = self.deeper(|parser| parser.quoted_parts(Quoted::Quote))?;
                    parts.push(Part::DoubleQuoted(inner));
                }
                (b'"', Quoted::Arithmetic(_)) => self.at += 1,
                (b'(' | b')', Quoted::Arithmetic(_)) => {
                    match b {
                        b'(' => parentheses += 1,
                        _ => parentheses = parentheses.saturating_sub(1),
                    }
                    self.at += 1;
                    push_quoted(&mut parts, &[b]);
                }
                (b'\\', _) => self.quoted_escape(&mut parts, until),
                (b'$' | b'`', _) => match self.expansion(Context::Quoted)? {
                    Some(part) => parts.push(part),
                    None => push_quoted(&mut parts, &[b]),
                },
                (b, _) => {
                    self.advance();
                    push_quoted(&mut parts, &[b]);
                }
            }
        }
    }

    fn quoted_escape(&mut self, parts: &mut Vec<Part>, until: Quoted) {
        self.at += 1;
        match self.advance() {
            None => push_quoted(parts, b"\\"),
            Some(b'\n') => {}
            Some(b @ (b'$' | b'`' | b'\\')) => push_quoted(parts, &[b]),
            Some(b'"') if until != Quoted::Text => push_quoted(parts, b"\""),
            Some(b'}') if until == Quoted::Brace => push_quoted(parts, b"}"),
            Some(b) => push_quoted(parts, &[b'\\', b]),
        }
    }

    /// The text of an arithmetic expression up to an operator, which is passed.
    pub(super) fn arithmetic_text(&mut self, end: &'static [u8]) -> Parsed<Word> {
        self.deeper(|parser| Ok(Word { parts: parser.quoted_parts(Quoted::Arithmetic(end))? }))
    }

    /// Whether words after the command's name may be array assignments (bash).
    pub(super) fn declares(&self, simple: &Simple) -> bool {
        let name = simple.words.first().and_then(Word::bare);
        self.dialect == Dialect::Bash
            && matches!(name, Some(b"local" | b"declare" | b"typeset" | b"readonly" | b"export"))
    }

    /// `NAME=(...)` or any other word.
    pub(super) fn declaration_word(&mut self) -> Parsed<Word> {
        let rest = self.rest();
        let length = rest.iter().position(|b| !is_name_byte(*b)).unwrap_or(rest.len());
        let named = rest.first().is_some_and(|b| is_name_start(*b));
        if !named || !rest.get(length..).unwrap_or_default().starts_with(b"=(") {
            return self.word();
        }
        let name = rest.get(..=length).unwrap_or_default();
        self.at += length + 1;
        let elements = self.array()?;
        Ok(Word { parts: vec![Part::Literal(name.into()), Part::Array(elements)] })
    }

    /// `(a b [5]=c)`.
    pub(super) fn array(&mut self) -> Parsed<Vec<(Option<Word>, Word)>> {
        self.at += 1;
        let mut elements = Vec::new();
        loop {
            self.newlines()?;
            if self.take(")") {
                return Ok(elements);
            }
            let mut index = None;
            if self.peek() == Some(b'[') {
                let start = (self.at, self.line);
                self.at += 1;
                index = self.index_word()?;
                if index.is_none() || !self.take("=") {
                    index = None;
                    (self.at, self.line) = start;
                }
            }
            match self.peek() {
                Some(b) if !ends_word(b) || index.is_some() => elements.push((index, self.word()?)),
                _ => return Err(self.unexpected()),
            }
        }
    }

    /// The index up to `]`, which is passed; `None` when there is no such thing.
    pub(super) fn index_word(&mut self) -> Parsed<Option<Word>> {
        let rest = self.rest();
        let ends = rest.iter().position(|b| matches!(b, b']' | b'\n'));
        if ends.and_then(|at| rest.get(at)) != Some(&b']') {
            return Ok(None);
        }
        let parts = self.deeper(|parser| parser.parts(Stops::Bytes(b"]")))?;
        self.at += 1;
        Ok(Some(Word { parts }))
    }

    /// The right side of `=~`: parentheses and bars belong to it.
    pub(super) fn regex_word(&mut self) -> Parsed<Word> {
        let parts = self.deeper(|parser| {
            let mut parts = Vec::new();
            let mut open = 0_usize;
            loop {
                match parser.peek() {
                    Some(b'(') => open += 1,
                    Some(b')') if open > 0 => open -= 1,
                    Some(b'|') => {}
                    Some(b' ' | b'\t') if open > 0 => {}
                    _ => {
                        let more = parser.parts(Stops::Bytes(b" \t\n()|"))?;
                        if more.is_empty() {
                            return Ok(parts);
                        }
                        parts.extend(more);
                        continue;
                    }
                }
                if let Some(b) = parser.advance() {
                    push_literal(&mut parts, b);
                }
            }
        })?;
        Ok(Word { parts })
    }
}

/// Whether an expansion stands in double quotes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    Unquoted,
    Quoted,
}

/// The escapes of `$'...'`; `None` for `\c` and characters above a byte, which are not
/// evaluated.
fn ansi_escapes(raw: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = raw;
    while let Some((&b, after)) = rest.split_first() {
        rest = after;
        if b != b'\\' {
            out.push(b);
            continue;
        }
        let Some((&b, after)) = rest.split_first() else { break };
        rest = after;
        let simple = match b {
            b'a' => 7,
            b'b' => 8,
            b'e' | b'E' => 27,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 11,
            b'\\' | b'\'' | b'"' | b'?' => b,
            b'0'..=b'7' => {
                let digits =
                    1 + rest.iter().take(2).take_while(|b| (b'0'..=b'7').contains(b)).count();
                let mut value = u32::from(b - b'0');
                for digit in rest.get(..digits - 1)? {
                    value = value * 8 + u32::from(digit - b'0');
                }
                rest = rest.get(digits - 1..)?;
                u8::try_from(value & 0xff).ok()?
            }
            b'x' => {
                let digits = rest.iter().take(2).take_while(|b| b.is_ascii_hexdigit()).count();
                let text = std::str::from_utf8(rest.get(..digits)?).ok()?;
                rest = rest.get(digits..)?;
                u8::from_str_radix(text, 16).ok()?
            }
            _ => return None,
        };
        out.push(simple);
    }
    Some(out)
}
