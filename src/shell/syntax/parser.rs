//! [`Parser`]: complete commands, lists, pipelines and simple commands.

use std::rc::Rc;

use super::redirection::Pending;
use super::tree::{
    AndOr, AssignedValue, Assignment, Command, Connective, Ground, Kind, List, Pipeline, Simple,
};
use super::{Dialect, SyntaxError, is_name_byte, is_name_start};

/// How deep constructs may nest.
pub(super) const MAX_DEPTH: usize = 100;

/// Reads a script command line by command line.
pub struct Parser<'t> {
    pub(super) text: &'t [u8],
    pub(super) at: usize,
    pub(super) line: u32,
    pub(super) depth: usize,
    pub(super) dialect: Dialect,
    /// Here-documents whose text comes after this line.
    pub(super) pending: Vec<Pending>,
}

pub(super) type Parsed<T> = Result<T, SyntaxError>;

/// Reserved words that no command begins with.
const CLOSERS: &[&str] = &["then", "else", "elif", "fi", "do", "done", "esac", "}", "in", "!"];

impl<'t> Parser<'t> {
    /// A parser for a whole script; its lines are counted from 1.
    #[must_use]
    pub fn new(text: &'t [u8], dialect: Dialect) -> Self {
        Self { text, at: 0, line: 1, depth: 0, dialect, pending: Vec::new() }
    }

    /// A parser for text that stands in another one, at a line of it.
    #[must_use]
    pub fn starting_at(text: &'t [u8], dialect: Dialect, line: u32) -> Self {
        Self { line, ..Self::new(text, dialect) }
    }

    /// The line that is read next.
    #[must_use]
    pub fn line(&self) -> u32 {
        self.line
    }

    /// The next command line: everything up to a newline that ends a command. `None` at the
    /// end of the script.
    ///
    /// # Errors
    /// The first thing that is not shell, or not this shell.
    pub fn next_commands(&mut self) -> Result<Option<List>, SyntaxError> {
        self.newlines()?;
        if self.peek().is_none() {
            return Ok(None);
        }
        let mut list = List::new();
        loop {
            let before = self.at;
            list.push(self.list_item()?);
            self.blanks();
            match self.peek() {
                None => {
                    self.here_documents()?;
                    return Ok(Some(list));
                }
                Some(b'\n') => {
                    self.advance();
                    self.here_documents()?;
                    return Ok(Some(list));
                }
                Some(b')') => return Err(self.unexpected()),
                Some(_) if self.at == before => return Err(self.unexpected()),
                Some(_) => {}
            }
        }
    }

    /// The whole script.
    ///
    /// # Errors
    /// As [`Parser::next_commands`].
    pub fn all(&mut self) -> Result<List, SyntaxError> {
        let mut list = List::new();
        while let Some(commands) = self.next_commands()? {
            list.extend(commands);
        }
        Ok(list)
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    pub(super) fn peek_at(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    pub(super) fn rest(&self) -> &'t [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn advance(&mut self) -> Option<u8> {
        let b = self.peek()?;
        self.at += 1;
        if b == b'\n' {
            self.line += 1;
        }
        Some(b)
    }

    pub(super) fn take(&mut self, text: &str) -> bool {
        let there = self.rest().starts_with(text.as_bytes());
        if there {
            self.at += text.len();
        }
        there
    }

    pub(super) fn error(&self, problem: impl Into<String>) -> SyntaxError {
        SyntaxError { line: self.line, problem: problem.into() }
    }

    pub(super) fn unexpected(&self) -> SyntaxError {
        match self.peek() {
            None => self.error("unexpected end of the script"),
            Some(b'\n') => self.error("unexpected end of line"),
            Some(_) => {
                let ends = |b: &u8| b.is_ascii_whitespace();
                let token = self.rest().split(ends).next().unwrap_or_default();
                let token = token.get(..token.len().min(40)).unwrap_or_default();
                self.error(format!("unexpected {:?}", String::from_utf8_lossy(token)))
            }
        }
    }

    pub(super) fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error("constructs nest too deep"));
        }
        let result = parse(self);
        self.depth -= 1;
        result
    }

    /// Passes blanks, line continuations and comments.
    pub(super) fn blanks(&mut self) {
        loop {
            match (self.peek(), self.peek_at(1)) {
                (Some(b' ' | b'\t'), _) => self.at += 1,
                (Some(b'\\'), Some(b'\n')) => {
                    self.at += 1;
                    self.advance();
                }
                (Some(b'#'), _) => {
                    while self.peek().is_some_and(|b| b != b'\n') {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    /// Newlines too, with the here-documents they start.
    pub(super) fn newlines(&mut self) -> Parsed<()> {
        loop {
            self.blanks();
            if self.peek() != Some(b'\n') {
                return Ok(());
            }
            self.advance();
            self.here_documents()?;
        }
    }

    /// Whether the reserved word `word` is next.
    pub(super) fn at_word(&self, word: &str) -> bool {
        let Some(after) = self.rest().strip_prefix(word.as_bytes()) else { return false };
        match after.first() {
            None => true,
            Some(b'\\') => after.get(1) == Some(&b'\n'),
            Some(b) => ends_word(*b),
        }
    }

    pub(super) fn take_word(&mut self, word: &str) -> bool {
        self.blanks();
        let there = self.at_word(word);
        if there {
            self.at += word.len();
        }
        there
    }

    pub(super) fn expect_word(&mut self, word: &str) -> Parsed<()> {
        self.newlines()?;
        match self.take_word(word) {
            true => Ok(()),
            false => {
                let found = self.unexpected();
                Err(SyntaxError {
                    problem: format!("{} (expecting {word:?})", found.problem),
                    ..found
                })
            }
        }
    }

    /// Commands up to one of the words (which stays), `)`, `;;` or the end.
    pub(super) fn list(&mut self, until: &[&str]) -> Parsed<List> {
        self.deeper(|parser| {
            let mut list = List::new();
            loop {
                parser.newlines()?;
                if parser.list_ends(until) {
                    return Ok(list);
                }
                let before = parser.at;
                list.push(parser.list_item()?);
                parser.blanks();
                match parser.peek() {
                    Some(b'\n' | b')') | None => {}
                    Some(_) if parser.at == before => return Err(parser.unexpected()),
                    Some(_) => {}
                }
            }
        })
    }

    /// A list that must not be empty.
    pub(super) fn body(&mut self, until: &[&str]) -> Parsed<List> {
        let list = self.list(until)?;
        match list.is_empty() {
            true => Err(self.unexpected()),
            false => Ok(list),
        }
    }

    fn list_ends(&self, until: &[&str]) -> bool {
        match self.peek() {
            None | Some(b')') => true,
            Some(b';') if self.dialect == Dialect::Bash && self.peek_at(1) == Some(b'&') => true,
            Some(b';') => self.peek_at(1) == Some(b';'),
            Some(_) => until.iter().any(|word| self.at_word(word)),
        }
    }

    /// An and-or list with the `;` or `&` after it.
    fn list_item(&mut self) -> Parsed<AndOr> {
        let mut item = self.and_or()?;
        self.blanks();
        match (self.peek(), self.peek_at(1)) {
            (Some(b';'), Some(b';')) => {}
            (Some(b';'), Some(b'&')) if self.dialect == Dialect::Bash => {}
            (Some(b';'), _) => self.at += 1,
            (Some(b'&'), _) => {
                self.at += 1;
                item.ground = Ground::Background;
            }
            (Some(b'\n' | b')') | None, _) => {}
            // After a compound command no separator is needed: `{ { a; } }`.
            (Some(_), _) if CLOSERS.iter().any(|word| self.at_word(word)) => {}
            (Some(_), _) => return Err(self.unexpected()),
        }
        Ok(item)
    }

    fn and_or(&mut self) -> Parsed<AndOr> {
        let first = self.pipeline()?;
        let mut rest = Vec::new();
        loop {
            self.blanks();
            let connective = match (self.peek(), self.peek_at(1)) {
                (Some(b'&'), Some(b'&')) => Connective::And,
                (Some(b'|'), Some(b'|')) => Connective::Or,
                _ => break,
            };
            self.at += 2;
            self.newlines()?;
            rest.push((connective, self.pipeline()?));
        }
        Ok(AndOr { first, rest, ground: Ground::Foreground })
    }

    fn pipeline(&mut self) -> Parsed<Pipeline> {
        let mut negated = false;
        while self.take_word("!") {
            negated = !negated;
            if self.dialect != Dialect::Bash {
                break;
            }
        }
        let mut commands = vec![self.command()?];
        loop {
            self.blanks();
            if self.peek() != Some(b'|') || self.peek_at(1) == Some(b'|') {
                break;
            }
            self.at += 1;
            if self.dialect == Dialect::Bash && self.peek() == Some(b'&') {
                return Err(self.error("the pipe \"|&\" is not evaluated"));
            }
            self.newlines()?;
            commands.push(self.command()?);
        }
        Ok(Pipeline { negated, commands })
    }

    fn command(&mut self) -> Parsed<Command> {
        self.deeper(|parser| {
            parser.blanks();
            let line = parser.line;
            if let Some(kind) = parser.compound()? {
                let redirects = parser.redirects()?;
                return Ok(Command { line, kind, redirects });
            }
            if let Some(word) = CLOSERS.iter().find(|word| parser.at_word(word)) {
                return Err(parser.error(format!("unexpected {word:?}")));
            }
            parser.simple(line)
        })
    }

    /// A simple command, or the definition of a function.
    fn simple(&mut self, line: u32) -> Parsed<Command> {
        let mut simple = Simple::default();
        let mut redirects = Vec::new();
        loop {
            self.blanks();
            if let Some(redirect) = self.redirect()? {
                redirects.push(redirect);
                continue;
            }
            if simple.words.is_empty()
                && let Some(assignment) = self.assignment()?
            {
                simple.assignments.push(assignment);
                continue;
            }
            match self.peek() {
                Some(b) if !ends_word(b) || self.at_process_substitution() => {}
                Some(b'(') if simple.words.len() == 1 && simple.assignments.is_empty() => {
                    return self.function_after_name(&simple, redirects.is_empty(), line);
                }
                _ => break,
            }
            let word = match self.declares(&simple) {
                true => self.declaration_word()?,
                false => self.word()?,
            };
            simple.words.push(word);
        }
        if simple.words.is_empty() && simple.assignments.is_empty() && redirects.is_empty() {
            return Err(self.unexpected());
        }
        Ok(Command { line, kind: Kind::Simple(simple), redirects })
    }

    fn function_after_name(
        &mut self,
        simple: &Simple,
        allowed: bool,
        line: u32,
    ) -> Parsed<Command> {
        let name = simple.words.first().and_then(|word| word.bare()).map(<[u8]>::to_vec);
        self.at += 1;
        self.blanks();
        let Some(name) = name.filter(|_| allowed && self.peek() == Some(b')')) else {
            return Err(self.unexpected());
        };
        self.at += 1;
        self.function_body(name, line)
    }

    /// The body after `name()`.
    pub(super) fn function_body(&mut self, name: Vec<u8>, line: u32) -> Parsed<Command> {
        self.newlines()?;
        let body = Rc::new(self.command()?);
        let kind = Kind::Function { name: name.into(), body };
        Ok(Command { line, kind, redirects: Vec::new() })
    }

    /// `NAME=...` if that is next.
    fn assignment(&mut self) -> Parsed<Option<Assignment>> {
        let rest = self.rest();
        let length = rest.iter().position(|b| !is_name_byte(*b)).unwrap_or(rest.len());
        let name = rest.get(..length).unwrap_or_default();
        if !name.first().is_some_and(|b| is_name_start(*b)) {
            return Ok(None);
        }
        let start = (self.at, self.line);
        self.at += length;
        let bash = self.dialect == Dialect::Bash;
        let mut index = None;
        if bash && self.peek() == Some(b'[') {
            self.at += 1;
            index = self.index_word()?;
            if index.is_none() {
                (self.at, self.line) = start;
                return Ok(None);
            }
        }
        let append = bash && self.take("+=");
        if !append && !self.take("=") {
            (self.at, self.line) = start;
            return Ok(None);
        }
        let value = match bash && self.peek() == Some(b'(') {
            true => AssignedValue::Array(self.array()?),
            false => AssignedValue::Word(self.word()?),
        };
        Ok(Some(Assignment { name: name.into(), index, append, value }))
    }
}

/// Whether a byte ends a word that has no quotes.
pub(super) fn ends_word(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')')
}
