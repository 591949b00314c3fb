//! Scripts to commands.

use std::rc::Rc;

use super::text::{Bracket, Part, literal, pattern, replacement};
use imgfix_shell::Stop;
use imgfix_shell::regex::{Options, Regex, Syntax};

/// How deep blocks may nest.
const MAX_DEPTH: usize = 100;

/// One end of a range.
#[derive(Debug, Clone)]
pub(super) enum Address {
    Line(usize),
    /// `first~step`.
    Step(usize, usize),
    Last,
    /// `None` is the expression used last.
    Pattern(Option<Rc<Regex>>),
}

/// The second end of a range.
#[derive(Debug, Clone)]
pub(super) enum End {
    At(Address),
    /// `addr,+N`.
    Plus(usize),
    /// `addr,~N`.
    Multiple(usize),
}

/// Which lines a command is for.
#[derive(Debug, Clone, Default)]
pub(super) struct Lines {
    pub(super) from: Option<Address>,
    pub(super) to: Option<End>,
    /// `0,/re/`: the range may end at the first line.
    pub(super) from_zero: bool,
    pub(super) inverted: bool,
}

/// What is done.
#[derive(Debug, Clone)]
pub(super) enum Action {
    /// A block; where it ends.
    Begin(usize),
    End,
    LineNumber,
    Append(Vec<u8>),
    Insert(Vec<u8>),
    Change(Vec<u8>),
    Branch(Option<usize>),
    BranchIf(Option<usize>),
    BranchIfNot(Option<usize>),
    Delete,
    DeleteFirst,
    FileName,
    Get,
    GetAppend,
    Hold,
    HoldAppend,
    Exchange,
    List,
    Next,
    NextAppend,
    Print,
    PrintFirst,
    Quit(u8),
    QuitSilently(u8),
    ReadFile(Vec<u8>),
    Substitute(Box<Substitution>),
    Write(Vec<u8>),
    WriteFirst(Vec<u8>),
    Translate(Box<[u8; 256]>),
    Zap,
}

/// The `s` command.
#[derive(Debug, Clone)]
pub(super) struct Substitution {
    pub(super) pattern: Option<Rc<Regex>>,
    pub(super) replacement: Vec<Part>,
    pub(super) global: bool,
    pub(super) print: bool,
    /// The first match that is replaced, from 1.
    pub(super) number: usize,
    pub(super) file: Option<Vec<u8>>,
}

/// A command with its lines.
#[derive(Debug, Clone)]
pub(super) struct Command {
    pub(super) lines: Lines,
    pub(super) action: Action,
}

/// Reads a script.
pub(super) fn parse(script: &[u8], extended: bool) -> Result<Vec<Command>, Stop> {
    let mut parser = Parser { script, at: 0, extended, out: Vec::new(), labels: Vec::new() };
    parser.script()
}

struct Parser<'a> {
    script: &'a [u8],
    at: usize,
    extended: bool,
    out: Vec<Command>,
    labels: Vec<(Vec<u8>, usize)>,
}

fn wrong(what: &str) -> Stop {
    Stop::new(format!("sed with a script that has {what}"))
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.script.get(self.at).copied()
    }

    fn take(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn skip(&mut self, bytes: &[u8]) {
        while self.peek().is_some_and(|byte| bytes.contains(&byte)) {
            self.at += 1;
        }
    }

    fn script(&mut self) -> Result<Vec<Command>, Stop> {
        let mut open = Vec::new();
        let mut jumps = Vec::new();
        loop {
            self.skip(b" \t\n;\x0b\x0c\r");
            if self.peek().is_none() {
                break;
            }
            let lines = self.lines()?;
            self.skip(b" \t");
            let letter = self.take().ok_or_else(|| wrong("an address without a command"))?;
            let action = match letter {
                b'#' => {
                    self.until_newline();
                    continue;
                }
                b':' => {
                    self.skip(b" \t");
                    let label = self.label(b" \t\n;");
                    self.labels.push((label, self.out.len()));
                    continue;
                }
                b'{' => {
                    if open.len() >= MAX_DEPTH {
                        return Err(wrong("blocks nested too deep"));
                    }
                    open.push(self.out.len());
                    self.out.push(Command { lines, action: Action::Begin(0) });
                    continue;
                }
                b'}' => {
                    let begin = open.pop().ok_or_else(|| wrong("a block that ends twice"))?;
                    let end = self.out.len();
                    if let Some(command) = self.out.get_mut(begin) {
                        command.action = Action::Begin(end);
                    }
                    self.ended()?;
                    Action::End
                }
                b'b' | b't' | b'T' => {
                    self.skip(b" \t");
                    let label = self.label(b"\n;}");
                    let label = label.trim_ascii_end().to_vec();
                    if !label.is_empty() {
                        jumps.push((self.out.len(), label));
                    }
                    self.skip(b" \t");
                    match letter {
                        b'b' => Action::Branch(None),
                        b't' => Action::BranchIf(None),
                        _ => Action::BranchIfNot(None),
                    }
                }
                other => self.action(other)?,
            };
            self.out.push(Command { lines, action });
        }
        if !open.is_empty() {
            return Err(wrong("a block that does not end"));
        }
        for (at, label) in jumps {
            let target = self.labels.iter().find(|(name, _)| *name == label);
            let target =
                target.map(|(_, target)| *target).ok_or_else(|| wrong("an unknown label"))?;
            if let Some(command) = self.out.get_mut(at) {
                match &mut command.action {
                    Action::Branch(to) | Action::BranchIf(to) | Action::BranchIfNot(to) => {
                        *to = Some(target);
                    }
                    _ => {}
                }
            }
        }
        Ok(std::mem::take(&mut self.out))
    }

    fn until_newline(&mut self) -> Vec<u8> {
        let from = self.at;
        while self.peek().is_some_and(|byte| byte != b'\n') {
            self.at += 1;
        }
        self.script.get(from..self.at).unwrap_or_default().to_vec()
    }

    fn label(&mut self, ends: &[u8]) -> Vec<u8> {
        let from = self.at;
        while self.peek().is_some_and(|byte| !ends.contains(&byte)) {
            self.at += 1;
        }
        self.script.get(from..self.at).unwrap_or_default().to_vec()
    }

    /// A command ends with a newline, a semicolon, the end of a block or a comment.
    fn ended(&mut self) -> Result<(), Stop> {
        self.skip(b" \t\r");
        match self.peek() {
            None | Some(b'\n' | b';' | b'}' | b'#') => Ok(()),
            Some(_) => Err(wrong("something behind a command")),
        }
    }

    fn number(&mut self) -> Option<usize> {
        let digits = self.label_of_digits();
        std::str::from_utf8(&digits).ok()?.parse().ok()
    }

    fn label_of_digits(&mut self) -> Vec<u8> {
        let from = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.script.get(from..self.at).unwrap_or_default().to_vec()
    }

    fn lines(&mut self) -> Result<Lines, Stop> {
        let mut lines = Lines::default();
        if let Some(from) = self.address()? {
            self.skip(b" \t");
            if self.peek() == Some(b',') {
                self.at += 1;
                self.skip(b" \t");
                lines.to = Some(self.end()?);
            }
            if matches!(from, Address::Line(0)) {
                let ends_with_pattern = matches!(lines.to, Some(End::At(Address::Pattern(_))));
                if !ends_with_pattern {
                    return Err(wrong("line 0"));
                }
                lines.from_zero = true;
            }
            lines.from = Some(from);
        }
        self.skip(b" \t");
        while self.peek() == Some(b'!') {
            lines.inverted = true;
            self.at += 1;
            self.skip(b" \t");
        }
        Ok(lines)
    }

    fn end(&mut self) -> Result<End, Stop> {
        let sign = self.peek();
        if let Some(b'+' | b'~') = sign {
            self.at += 1;
            let number = self.number().ok_or_else(|| wrong("an address that does not fit"))?;
            return Ok(if sign == Some(b'+') { End::Plus(number) } else { End::Multiple(number) });
        }
        let address = self.address()?;
        address.map(End::At).ok_or_else(|| wrong("a range without an end"))
    }

    fn address(&mut self) -> Result<Option<Address>, Stop> {
        let address = match self.peek() {
            Some(b'$') => {
                self.at += 1;
                Address::Last
            }
            Some(b'0'..=b'9') => {
                let first = self.number().ok_or_else(|| wrong("a number too large"))?;
                self.skip(b" \t");
                if self.peek() != Some(b'~') {
                    return Ok(Some(Address::Line(first)));
                }
                self.at += 1;
                self.skip(b" \t");
                Address::Step(first, self.number().unwrap_or(0))
            }
            Some(b'/') => {
                self.at += 1;
                self.pattern_address(b'/')?
            }
            Some(b'\\') => {
                self.at += 1;
                let delimiter = self.take().ok_or_else(|| wrong("an address that does not end"))?;
                self.pattern_address(delimiter)?
            }
            _ => return Ok(None),
        };
        Ok(Some(address))
    }

    fn pattern_address(&mut self, delimiter: u8) -> Result<Address, Stop> {
        let text = self.delimited(delimiter, Delimited::Pattern)?;
        let mut options = Options::default();
        loop {
            match self.peek() {
                Some(b'I') => options.ignore_case = true,
                Some(b'M') => options.multiline = true,
                _ => break,
            }
            self.at += 1;
        }
        Ok(Address::Pattern(self.regex(&text, options)?))
    }

    fn regex(&self, text: &[u8], options: Options) -> Result<Option<Rc<Regex>>, Stop> {
        if text.is_empty() {
            return Ok(None);
        }
        let syntax = if self.extended { Syntax::Extended } else { Syntax::Basic };
        let pattern = pattern(text).ok_or_else(|| wrong("an operator written as a number"))?;
        Ok(Some(Rc::new(Regex::new(&pattern, syntax, options)?)))
    }

    /// Text up to an unescaped delimiter. An escaped delimiter is the byte itself.
    fn delimited(&mut self, delimiter: u8, kind: Delimited) -> Result<Vec<u8>, Stop> {
        let mut out = Vec::new();
        let mut bracket = Bracket::default();
        loop {
            let byte = self.take().ok_or_else(|| wrong("a pattern that does not end"))?;
            let after = self.script.get(self.at..).unwrap_or_default();
            let in_bracket = kind == Delimited::Pattern && bracket.is_open();
            if byte == delimiter && !in_bracket {
                return Ok(out);
            }
            if byte == b'\\' && !in_bracket {
                let next = self.take().ok_or_else(|| wrong("a pattern that does not end"))?;
                let is_special = b"^$*.[]+?{}|()&".contains(&delimiter);
                match next {
                    // As sed 4.9: an operator that is the delimiter is not one.
                    next if next == delimiter && kind == Delimited::Pattern && is_special => {
                        out.extend([b'[', next, b']']);
                    }
                    next if next == delimiter && !(kind != Delimited::Pattern && next == b'&') => {
                        out.push(next);
                    }
                    next => out.extend([b'\\', next]),
                }
                continue;
            }
            if byte == b'\n' && kind == Delimited::Pattern {
                return Err(wrong("a newline in a pattern"));
            }
            bracket.step(byte, after);
            out.push(byte);
        }
    }

    fn action(&mut self, letter: u8) -> Result<Action, Stop> {
        let action = match letter {
            b'a' => return Ok(Action::Append(self.text()?)),
            b'i' => return Ok(Action::Insert(self.text()?)),
            b'c' => return Ok(Action::Change(self.text()?)),
            b'r' => return Ok(Action::ReadFile(self.file()?)),
            b'w' => return Ok(Action::Write(self.file()?)),
            b'W' => return Ok(Action::WriteFirst(self.file()?)),
            b's' => return Ok(Action::Substitute(Box::new(self.substitution()?))),
            b'y' => Action::Translate(self.translation()?),
            b'q' | b'Q' => {
                self.skip(b" \t");
                let status = self.number().unwrap_or(0);
                let status = u8::try_from(status & 0xff).unwrap_or(0);
                if letter == b'q' { Action::Quit(status) } else { Action::QuitSilently(status) }
            }
            b'=' => Action::LineNumber,
            b'd' => Action::Delete,
            b'D' => Action::DeleteFirst,
            b'F' => Action::FileName,
            b'g' => Action::Get,
            b'G' => Action::GetAppend,
            b'h' => Action::Hold,
            b'H' => Action::HoldAppend,
            b'x' => Action::Exchange,
            b'l' => Action::List,
            b'n' => Action::Next,
            b'N' => Action::NextAppend,
            b'p' => Action::Print,
            b'P' => Action::PrintFirst,
            b'z' => Action::Zap,
            other => {
                return Err(wrong(&format!("the command {}", char::from(other))));
            }
        };
        self.ended()?;
        Ok(action)
    }

    fn file(&mut self) -> Result<Vec<u8>, Stop> {
        self.skip(b" \t");
        let name = self.until_newline();
        if name.is_empty() {
            return Err(wrong("a command without a file"));
        }
        Ok(name)
    }

    /// The text of `a`, `i` and `c`: on the same line, or on the lines behind a backslash.
    fn text(&mut self) -> Result<Vec<u8>, Stop> {
        self.skip(b" \t");
        if self.peek() == Some(b'\\') {
            let rest = self.script.get(self.at + 1..).unwrap_or_default();
            let blanks = rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
            match rest.get(blanks) {
                Some(b'\n') => self.at += blanks + 2,
                // Behind a backslash on the same line blanks are part of the text.
                Some(_) => self.at += 1,
                // `$a\` without text: its output begins with the newline that a file lacks.
                None => {
                    self.at = self.script.len();
                    return Ok(Vec::new());
                }
            }
        }
        let from = self.at;
        while let Some(byte) = self.take() {
            match byte {
                b'\\' => self.at += 1,
                b'\n' => {
                    self.at -= 1;
                    break;
                }
                _ => {}
            }
        }
        let end = self.at.min(self.script.len());
        let text = self.script.get(from..end).unwrap_or_default();
        self.at = end;
        if text.is_empty() {
            return Err(wrong("a command without text"));
        }
        let mut out = literal(text);
        out.push(b'\n');
        Ok(out)
    }

    fn substitution(&mut self) -> Result<Substitution, Stop> {
        let delimiter = self.take().filter(|b| *b != b'\n' && *b != b'\\');
        let delimiter = delimiter.ok_or_else(|| wrong("a substitution that does not fit"))?;
        let pattern = self.delimited(delimiter, Delimited::Pattern)?;
        let with = self.delimited(delimiter, Delimited::Replacement)?;
        let mut out = Substitution {
            pattern: None,
            replacement: replacement(&with),
            global: false,
            print: false,
            number: 1,
            file: None,
        };
        let mut options = Options::default();
        loop {
            match self.peek() {
                Some(b'g') => out.global = true,
                Some(b'p') => out.print = true,
                Some(b'i' | b'I') => options.ignore_case = true,
                Some(b'm' | b'M') => options.multiline = true,
                Some(b'1'..=b'9') => {
                    out.number = self.number().ok_or_else(|| wrong("a number too large"))?;
                    continue;
                }
                Some(b'w') => {
                    self.at += 1;
                    out.file = Some(self.file()?);
                    break;
                }
                _ => break,
            }
            self.at += 1;
        }
        self.ended()?;
        out.pattern = self.regex(&pattern, options)?;
        let most = out.replacement.iter().filter_map(|part| match part {
            Part::Group(number) => Some(*number),
            _ => None,
        });
        if let (Some(regex), Some(most)) = (&out.pattern, most.max())
            && most > regex.groups()
        {
            return Err(wrong("a reference to a group that is not there"));
        }
        Ok(out)
    }

    fn translation(&mut self) -> Result<Box<[u8; 256]>, Stop> {
        let delimiter = self.take().ok_or_else(|| wrong("a y command that does not fit"))?;
        let from = self.delimited(delimiter, Delimited::Replacement)?;
        let to = self.delimited(delimiter, Delimited::Replacement)?;
        let plain = |text: &[u8]| {
            let mut out = Vec::new();
            for part in replacement(text) {
                match part {
                    Part::Text(text) => out.extend(text),
                    Part::Group(0) => out.push(b'&'),
                    _ => return Err(wrong("an unusual escape in y")),
                }
            }
            Ok(out)
        };
        let (from, to) = (plain(&from)?, plain(&to)?);
        if from.len() != to.len() {
            return Err(wrong("a y command of unequal lengths"));
        }
        let mut table: [u8; 256] = std::array::from_fn(|byte| u8::try_from(byte).unwrap_or(0));
        for (from, to) in from.iter().zip(&to) {
            if let Some(place) = table.get_mut(usize::from(*from)) {
                *place = *to;
            }
        }
        Ok(Box::new(table))
    }
}

/// What stands between delimiters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Delimited {
    Pattern,
    Replacement,
}
