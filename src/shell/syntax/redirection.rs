//! Redirections, and the texts of here-documents.

use std::cell::OnceCell;
use std::rc::Rc;

use bstr::BString;

use super::Dialect;
use super::parser::{Parsed, Parser, ends_word};
use super::tree::{Redirect, RedirectOperator, Word};
use super::word::Quoted;

/// A here-document whose text has not been read yet.
pub(super) struct Pending {
    delimiter: Vec<u8>,
    /// `<<-`: tabs at the beginning of lines go.
    strip_tabs: bool,
    /// No expansions.
    literal: bool,
    text: Rc<OnceCell<Word>>,
}

impl Parser<'_> {
    pub(super) fn redirects(&mut self) -> Parsed<Vec<Redirect>> {
        let mut redirects = Vec::new();
        loop {
            self.blanks();
            match self.redirect()? {
                Some(redirect) => redirects.push(redirect),
                None => return Ok(redirects),
            }
        }
    }

    /// A redirection, if one is next.
    pub(super) fn redirect(&mut self) -> Parsed<Option<Redirect>> {
        if self.at_process_substitution() {
            return Ok(None);
        }
        let bash = self.dialect == Dialect::Bash;
        if self.dialect != Dialect::Posix && self.rest().starts_with(b"&>") {
            self.at += 2;
            let append = self.take(">");
            let word = self.target()?;
            let operator = match append {
                true => RedirectOperator::AppendBoth(word),
                false => RedirectOperator::Both(word),
            };
            return Ok(Some(Redirect { descriptor: None, operator }));
        }
        let digits = self.rest().iter().take_while(|b| b.is_ascii_digit()).count();
        let most = if bash { 4 } else { 1 };
        if digits > most || !matches!(self.peek_at(digits), Some(b'<' | b'>')) {
            return Ok(None);
        }
        let number = self.rest().get(..digits).unwrap_or_default();
        let descriptor = std::str::from_utf8(number).ok().and_then(|text| text.parse().ok());
        self.at += digits;
        let operator = self.operator()?;
        Ok(Some(Redirect { descriptor, operator }))
    }

    fn operator(&mut self) -> Parsed<RedirectOperator> {
        if self.dialect == Dialect::Bash && self.take("<<<") {
            return Ok(RedirectOperator::HereString(self.target()?));
        }
        if self.take("<<") {
            return self.here();
        }
        for (text, operator) in [
            (">>", RedirectOperator::Append as fn(Word) -> RedirectOperator),
            (">&", RedirectOperator::DuplicateOutput),
            (">|", RedirectOperator::Clobber),
            ("<>", RedirectOperator::ReadWrite),
            ("<&", RedirectOperator::DuplicateInput),
            (">", RedirectOperator::Output),
            ("<", RedirectOperator::Input),
        ] {
            if self.take(text) {
                return Ok(operator(self.target()?));
            }
        }
        Err(self.unexpected())
    }

    fn target(&mut self) -> Parsed<Word> {
        self.blanks();
        match self.peek() {
            Some(b) if !ends_word(b) => self.word(),
            _ if self.at_process_substitution() => self.word(),
            _ => Err(self.unexpected()),
        }
    }

    fn here(&mut self) -> Parsed<RedirectOperator> {
        let strip_tabs = self.take("-");
        self.blanks();
        let mut delimiter = Vec::new();
        let mut literal = false;
        let start = self.at;
        while let Some(b) = self.peek().filter(|b| !ends_word(*b)) {
            match b {
                b'\'' | b'"' => {
                    literal = true;
                    self.at += 1;
                    loop {
                        match self.advance() {
                            None => return Err(self.unexpected()),
                            Some(end) if end == b => break,
                            Some(other) => delimiter.push(other),
                        }
                    }
                }
                b'\\' => {
                    literal = true;
                    self.at += 1;
                    delimiter.extend(self.advance());
                }
                b => {
                    self.at += 1;
                    delimiter.push(b);
                }
            }
        }
        if self.at == start {
            return Err(self.unexpected());
        }
        let text = Rc::new(OnceCell::new());
        self.pending.push(Pending { delimiter, strip_tabs, literal, text: Rc::clone(&text) });
        Ok(RedirectOperator::Here(text))
    }

    /// The texts of the here-documents that the line just read has started.
    pub(super) fn here_documents(&mut self) -> Parsed<()> {
        for pending in std::mem::take(&mut self.pending) {
            let line = self.line;
            let text = self.here_lines(&pending);
            let word = match pending.literal {
                true => Word::quoted(BString::from(text)),
                false => {
                    let mut inner = Parser::starting_at(&text, self.dialect, line);
                    inner.depth = self.depth;
                    let parts = inner.deeper(|parser| parser.quoted_parts(Quoted::Text))?;
                    Word { parts }
                }
            };
            // Each cell is filled once: `take` empties the list.
            let _filled = pending.text.set(word);
        }
        Ok(())
    }

    /// Lines up to the delimiter, which is passed. The end of the script ends them too.
    fn here_lines(&mut self, pending: &Pending) -> Vec<u8> {
        let mut text = Vec::new();
        let mut continued = false;
        while self.peek().is_some() {
            let rest = self.rest();
            let length = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
            let mut line = rest.get(..length).unwrap_or_default();
            self.at += length;
            let ended = self.advance().is_some();
            if pending.strip_tabs && !continued {
                let tabs = line.iter().take_while(|b| **b == b'\t').count();
                line = line.get(tabs..).unwrap_or_default();
            }
            if !continued && line == &pending.delimiter[..] {
                return text;
            }
            let backslashes = line.iter().rev().take_while(|b| **b == b'\\').count();
            continued = !pending.literal && backslashes % 2 == 1;
            text.extend_from_slice(line);
            if ended {
                text.push(b'\n');
            }
        }
        text
    }
}
