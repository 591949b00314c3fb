//! What starts with `$` or a backquote.

use std::rc::Rc;

use bstr::BString;

use super::parser::{Parsed, Parser};
use super::tree::{
    Alternative, Extent, Index, LetterCase, Operation, Parameter, Part, Replaced, Side, Word,
};
use super::word::{Context, Quoted, Stops, push_literal};
use super::{Dialect, SyntaxError, is_name_byte, is_name_start};

/// Parameters that are named by one sign.
const SPECIAL: &[u8] = b"@*#?-$!";

impl Parser<'_> {
    /// An expansion; `None`, with the sign passed, when the `$` stands for itself.
    pub(super) fn expansion(&mut self, context: Context) -> Parsed<Option<Part>> {
        self.deeper(|parser| {
            let sign = parser.advance();
            if sign == Some(b'`') {
                return parser.backquoted(context).map(Some);
            }
            match parser.peek() {
                Some(b'(') if parser.peek_at(1) == Some(b'(') => parser.arithmetic().map(Some),
                Some(b'(') => parser.substitution().map(Some),
                Some(b'{') => parser.braced(context).map(Some),
                Some(b) if is_name_start(b) => {
                    let name = parser.name();
                    Ok(Some(plain(name)))
                }
                Some(b) if b.is_ascii_digit() || SPECIAL.contains(&b) => {
                    parser.at += 1;
                    Ok(Some(plain(BString::from(vec![b]))))
                }
                _ => Ok(None),
            }
        })
    }

    fn name(&mut self) -> BString {
        let rest = self.rest();
        let length = rest.iter().position(|b| !is_name_byte(*b)).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default().into()
    }

    fn substitution(&mut self) -> Parsed<Part> {
        self.at += 1;
        let list = self.list(&[])?;
        self.expect_parenthesis()?;
        Ok(Part::Command(Rc::new(list)))
    }

    fn arithmetic(&mut self) -> Parsed<Part> {
        let start = (self.at, self.line);
        self.at += 2;
        match self.arithmetic_text(b"))") {
            Ok(word) => Ok(Part::Arithmetic(word)),
            // `$((a) | b)` is a substitution that begins with a subshell.
            Err(error) if self.dialect == Dialect::Bash => {
                (self.at, self.line) = start;
                self.substitution().map_err(|_| error)
            }
            Err(error) => Err(error),
        }
    }

    /// The inner script of backquotes is parsed like that of `$(...)`, after its escapes.
    fn backquoted(&mut self, context: Context) -> Parsed<Part> {
        let line = self.line;
        let mut text = Vec::new();
        loop {
            match self.advance() {
                Some(b'`') => break,
                Some(b'\\') => match self.advance() {
                    Some(b @ (b'$' | b'`' | b'\\')) => text.push(b),
                    Some(b'"') if context == Context::Quoted => text.push(b'"'),
                    Some(b) => text.extend([b'\\', b]),
                    None => {}
                },
                Some(b) => text.push(b),
                None => {
                    let problem = "EOF in backquote substitution".into();
                    return Err(SyntaxError { line, problem });
                }
            }
        }
        let mut inner = Parser::starting_at(&text, self.dialect, line);
        inner.depth = self.depth;
        Ok(Part::Command(Rc::new(inner.all()?)))
    }

    fn braced(&mut self, context: Context) -> Parsed<Part> {
        self.at += 1;
        let bash = self.dialect == Dialect::Bash;
        if self.peek() == Some(b'#') && self.is_length() {
            self.at += 1;
            let name = self.parameter_name().unwrap_or_default();
            let index = self.index()?;
            self.close_brace()?;
            let operation = Operation::Length;
            return Ok(part(Parameter { name, index, indirect: false, operation }));
        }
        let next = self.peek_at(1);
        let names = next.is_some_and(is_name_byte);
        let indirect = bash && self.peek() == Some(b'!') && names;
        if indirect {
            self.at += 1;
        }
        let Some(name) = self.parameter_name() else { return self.unknown() };
        let index = self.index()?;
        if indirect && (self.take("@}") || self.take("*}")) {
            let operation = Operation::Names;
            return Ok(part(Parameter { name, index, indirect: false, operation }));
        }
        if indirect && matches!(index, Some(Index::All | Index::Joined)) && self.take("}") {
            let operation = Operation::Keys;
            return Ok(part(Parameter { name, index, indirect: false, operation }));
        }
        let operation = self.operation(context)?;
        Ok(part(Parameter { name, index, indirect, operation }))
    }

    /// Whether `#` begins `${#NAME}`, and is not itself the name.
    fn is_length(&self) -> bool {
        let rest = self.text.get(self.at + 1..).unwrap_or_default();
        let Some(&first) = rest.first() else { return false };
        if is_name_start(first) || first.is_ascii_digit() {
            return true;
        }
        SPECIAL.contains(&first) && rest.get(1) == Some(&b'}')
    }

    fn parameter_name(&mut self) -> Option<BString> {
        match self.peek()? {
            b if is_name_start(b) => Some(self.name()),
            b if b.is_ascii_digit() => {
                let rest = self.rest();
                let length = rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
                self.at += length;
                Some(rest.get(..length).unwrap_or_default().into())
            }
            b if SPECIAL.contains(&b) => {
                self.at += 1;
                Some(BString::from(vec![b]))
            }
            _ => None,
        }
    }

    fn index(&mut self) -> Parsed<Option<Index>> {
        if self.dialect != Dialect::Bash || self.peek() != Some(b'[') {
            return Ok(None);
        }
        if self.take("[@]") {
            return Ok(Some(Index::All));
        }
        if self.take("[*]") {
            return Ok(Some(Index::Joined));
        }
        self.at += 1;
        match self.index_word()? {
            Some(word) => Ok(Some(Index::At(word))),
            None => Err(self.unexpected()),
        }
    }

    fn close_brace(&mut self) -> Parsed<()> {
        match self.take("}") {
            true => Ok(()),
            false => Err(self.error("bad substitution")),
        }
    }

    fn operation(&mut self, context: Context) -> Parsed<Operation> {
        if self.take("}") {
            return Ok(Operation::Value);
        }
        let or_empty = self.peek() == Some(b':');
        let sign = if or_empty { self.peek_at(1) } else { self.peek() };
        let kind = match sign {
            Some(b'-') => Some(Alternative::Default),
            Some(b'=') => Some(Alternative::Assign),
            Some(b'?') => Some(Alternative::Require),
            Some(b'+') => Some(Alternative::Instead),
            _ => None,
        };
        if let Some(kind) = kind {
            self.at += 1 + usize::from(or_empty);
            let word = self.alternative_word(context)?;
            return Ok(Operation::Alternative { kind, or_empty, word });
        }
        if let Some(b @ (b'#' | b'%')) = self.peek() {
            self.at += 1;
            let side = if b == b'#' { Side::Prefix } else { Side::Suffix };
            let longest = self.peek() == Some(b);
            let extent = if longest { Extent::Longest } else { Extent::Shortest };
            self.at += usize::from(longest);
            let pattern = self.pattern_word()?;
            self.at += 1;
            return Ok(Operation::Remove { side, extent, pattern });
        }
        match self.dialect {
            Dialect::Ash if !matches!(self.peek(), Some(b'/' | b':')) => self.unknown_operation(),
            Dialect::Ash | Dialect::Bash => self.bash_operation(),
            Dialect::Posix => self.unknown_operation(),
        }
    }

    fn alternative_word(&mut self, context: Context) -> Parsed<Word> {
        match context {
            Context::Quoted => Ok(Word { parts: self.quoted_parts(Quoted::Brace)? }),
            Context::Unquoted => {
                let word = self.pattern_word()?;
                self.at += 1;
                Ok(word)
            }
        }
    }

    fn pattern_word(&mut self) -> Parsed<Word> {
        Ok(Word { parts: self.parts(Stops::Bytes(b"}"))? })
    }

    fn bash_operation(&mut self) -> Parsed<Operation> {
        if self.take("/") {
            let place = match self.peek() {
                Some(b'/') => Replaced::All,
                Some(b'#') => Replaced::Prefix,
                Some(b'%') => Replaced::Suffix,
                _ => Replaced::First,
            };
            self.at += usize::from(place != Replaced::First);
            let mut parts = Vec::new();
            // A slash in first place is no separator.
            if self.peek() == Some(b'/') && place == Replaced::First {
                self.at += 1;
                push_literal(&mut parts, b'/');
            }
            parts.extend(self.parts(Stops::Bytes(b"/}"))?);
            let pattern = Word { parts };
            let with = match self.take("/") {
                true => self.pattern_word()?,
                false => Word::default(),
            };
            self.at += 1;
            return Ok(Operation::Replace { place, pattern, with });
        }
        for (text, to, all) in [
            ("^^}", LetterCase::Upper, true),
            ("^}", LetterCase::Upper, false),
            (",,}", LetterCase::Lower, true),
            (",}", LetterCase::Lower, false),
        ] {
            if self.take(text) {
                return Ok(Operation::Case { to, all });
            }
        }
        if self.take(":") {
            let offset = Word { parts: self.parts(Stops::Bytes(b":}"))? };
            let length = match self.take(":") {
                true => Some(self.pattern_word()?),
                false => None,
            };
            self.at += 1;
            return Ok(Operation::Substring { offset, length });
        }
        self.unknown_operation()
    }

    /// `${...}` with something that is no parameter: known only once it is expanded.
    fn unknown(&mut self) -> Parsed<Part> {
        let operation = self.unknown_operation()?;
        let name = BString::default();
        Ok(part(Parameter { name, index: None, indirect: false, operation }))
    }

    fn unknown_operation(&mut self) -> Parsed<Operation> {
        let start = self.at;
        self.pattern_word()?;
        let text = self.text.get(start..self.at).unwrap_or_default();
        self.at += 1;
        Ok(Operation::Unknown(text.into()))
    }
}

fn part(parameter: Parameter) -> Part {
    Part::Parameter(Box::new(parameter))
}

fn plain(name: BString) -> Part {
    part(Parameter { name, index: None, indirect: false, operation: Operation::Value })
}
