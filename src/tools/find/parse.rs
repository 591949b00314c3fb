//! Arguments to an expression.

use super::super::operands::{accounts, stat};
use imgfix_shell::mode::Mode;
use imgfix_shell::regex::{Around, Options, Regex, Syntax};
use imgfix_shell::{Process, Stop};
use imgfix_vfs::Accounts;

/// How deep parentheses may nest.
const MAX_DEPTH: usize = 100;

/// Which symbolic links are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follow {
    Never,
    StartingPoints,
    Always,
}

/// A number with a sign: less than, exactly, more than.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compare {
    Less(i64),
    Equal(i64),
    More(i64),
}

impl Compare {
    pub(super) fn holds(self, value: i64) -> bool {
        match self {
            Self::Less(number) => value < number,
            Self::Equal(number) => value == number,
            Self::More(number) => value > number,
        }
    }
}

/// How `-perm` compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permission {
    Exactly(u32),
    All(u32),
    Any(u32),
}

/// What a pattern is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Name,
    Path,
    Target,
}

/// How a program is run for files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) words: Vec<Vec<u8>>,
    /// Once for many files, which stand at the end.
    pub(super) together: bool,
    /// In the file's directory.
    pub(super) in_directory: bool,
}

/// An expression.
#[derive(Debug)]
pub(super) enum Expression {
    True,
    False,
    Not(Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    List(Box<Expression>, Box<Expression>),
    Glob {
        subject: Subject,
        pattern: Vec<u8>,
        ignore_case: bool,
    },
    Regex(Box<Regex>),
    /// Letters of `-type` or, with links followed, `-xtype`.
    Type {
        letters: Vec<u8>,
        followed: bool,
    },
    Empty,
    Size {
        unit: i64,
        compare: Compare,
    },
    Perm(Permission),
    User(Compare),
    Group(Compare),
    NoUser,
    NoGroup,
    Links(Compare),
    Newer(i64),
    /// Age in units of so many seconds.
    Age {
        unit: i64,
        compare: Compare,
    },
    Executable,
    There,
    Print {
        end: u8,
    },
    Printf(Vec<u8>),
    Delete,
    Prune,
    Quit,
    /// The number of the [`Run`].
    Run(usize),
}

/// All that is asked.
pub(super) struct Request {
    pub(super) follow: Follow,
    pub(super) starts: Vec<Vec<u8>>,
    pub(super) expression: Expression,
    pub(super) runs: Vec<Run>,
    pub(super) depth_first: bool,
    pub(super) min_depth: usize,
    pub(super) max_depth: usize,
    pub(super) accounts: Accounts,
}

/// Reads the arguments.
pub(super) fn parse(process: &mut Process<'_>) -> Result<Request, Stop> {
    let accounts = accounts(process)?;
    let words: Vec<Vec<u8>> = process.arguments().iter().map(|word| word.to_vec()).collect();
    let mut at = 0;
    let mut follow = Follow::Never;
    while let Some(word) = words.get(at) {
        follow = match &word[..] {
            b"-H" => Follow::StartingPoints,
            b"-L" => Follow::Always,
            b"-P" => Follow::Never,
            _ => break,
        };
        at += 1;
    }
    let begins = |word: &Vec<u8>| {
        word.starts_with(b"-") && word.len() > 1 || matches!(&word[..], b"(" | b")" | b"!" | b",")
    };
    let rest = words.get(at..).unwrap_or_default();
    let count = rest.iter().position(begins).unwrap_or(rest.len());
    let mut starts = rest.get(..count).unwrap_or_default().to_vec();
    if starts.is_empty() {
        starts.push(b".".to_vec());
    }
    let mut parser = Parser {
        process,
        words: rest.get(count..).unwrap_or_default(),
        at: 0,
        runs: Vec::new(),
        has_action: false,
        depth_first: false,
        min_depth: 0,
        max_depth: usize::MAX,
        accounts: &accounts,
        syntax: Syntax::Basic,
        nested: 0,
    };
    let mut expression = match parser.words.is_empty() {
        true => Expression::True,
        false => parser.list()?,
    };
    if parser.at < parser.words.len() {
        return Err(parser.process.unsupported("a closing parenthesis too many"));
    }
    if !parser.has_action {
        let print = Box::new(Expression::Print { end: b'\n' });
        expression = Expression::And(Box::new(expression), print);
    }
    let Parser { runs, depth_first, min_depth, max_depth, .. } = parser;
    Ok(Request { follow, starts, expression, runs, depth_first, min_depth, max_depth, accounts })
}

struct Parser<'p, 'm, 'w> {
    process: &'p Process<'m>,
    words: &'w [Vec<u8>],
    at: usize,
    runs: Vec<Run>,
    has_action: bool,
    depth_first: bool,
    min_depth: usize,
    max_depth: usize,
    accounts: &'w Accounts,
    syntax: Syntax,
    nested: usize,
}

impl Parser<'_, '_, '_> {
    fn peek(&self) -> Option<&[u8]> {
        self.words.get(self.at).map(Vec::as_slice)
    }

    fn take(&mut self) -> Result<Vec<u8>, Stop> {
        let word = self.words.get(self.at).cloned();
        self.at += 1;
        word.ok_or_else(|| self.process.unsupported("an expression that ends early"))
    }

    fn list(&mut self) -> Result<Expression, Stop> {
        let mut left = self.or()?;
        while self.peek() == Some(b",") {
            self.at += 1;
            left = Expression::List(Box::new(left), Box::new(self.or()?));
        }
        Ok(left)
    }

    fn or(&mut self) -> Result<Expression, Stop> {
        let mut left = self.and()?;
        while matches!(self.peek(), Some(b"-o" | b"-or")) {
            self.at += 1;
            left = Expression::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expression, Stop> {
        let mut left = self.not()?;
        loop {
            match self.peek() {
                None | Some(b")" | b"," | b"-o" | b"-or") => return Ok(left),
                Some(b"-a" | b"-and") => self.at += 1,
                Some(_) => {}
            }
            left = Expression::And(Box::new(left), Box::new(self.not()?));
        }
    }

    fn not(&mut self) -> Result<Expression, Stop> {
        let word = self.take()?;
        self.nested += 1;
        if self.nested > MAX_DEPTH {
            return Err(self.process.unsupported("an expression nested too deep"));
        }
        let found = match &word[..] {
            b"!" | b"-not" => Expression::Not(Box::new(self.not()?)),
            b"(" => {
                let inside = self.list()?;
                if self.take()? != b")" {
                    return Err(self.process.unsupported("a parenthesis that does not close"));
                }
                inside
            }
            other => self.primary(other)?,
        };
        self.nested -= 1;
        Ok(found)
    }

    fn primary(&mut self, word: &[u8]) -> Result<Expression, Stop> {
        Ok(match word {
            b"-maxdepth" => {
                self.max_depth = self.count()?;
                Expression::True
            }
            b"-mindepth" => {
                self.min_depth = self.count()?;
                Expression::True
            }
            b"-depth" | b"-d" => {
                self.depth_first = true;
                Expression::True
            }
            // An image is one file system; warnings and races do not change what is found.
            b"-xdev"
            | b"-mount"
            | b"-noleaf"
            | b"-nowarn"
            | b"-warn"
            | b"-true"
            | b"-ignore_readdir_race"
            | b"-noignore_readdir_race" => Expression::True,
            b"-false" => Expression::False,
            b"-regextype" => {
                self.syntax = match &self.take()?[..] {
                    b"posix-extended" | b"posix-egrep" | b"egrep" => Syntax::Extended,
                    b"posix-basic" | b"sed" | b"grep" | b"ed" => Syntax::Basic,
                    _ => return Err(self.process.unsupported("this -regextype")),
                };
                Expression::True
            }
            b"-name" | b"-iname" => self.glob(Subject::Name, word == b"-iname")?,
            b"-path" | b"-wholename" => self.glob(Subject::Path, false)?,
            b"-ipath" | b"-iwholename" => self.glob(Subject::Path, true)?,
            b"-lname" | b"-ilname" => self.glob(Subject::Target, word == b"-ilname")?,
            b"-regex" | b"-iregex" => self.regex(word == b"-iregex")?,
            b"-type" | b"-xtype" => {
                let letters = self.take()?;
                let known = |letter: &u8| b"fdlpsbc,".contains(letter);
                if !letters.iter().all(known) {
                    return Err(self.process.unsupported([b"-type ", &letters[..]].concat()));
                }
                Expression::Type { letters, followed: word == b"-xtype" }
            }
            b"-empty" => Expression::Empty,
            b"-size" => self.size()?,
            b"-perm" => Expression::Perm(self.permission()?),
            b"-user" | b"-uid" => {
                let text = self.take()?;
                let named = self.accounts.user(&text).map(i64::from).map(Compare::Equal);
                Expression::User(self.account(named, &text)?)
            }
            b"-group" | b"-gid" => {
                let text = self.take()?;
                let named = self.accounts.group(&text).map(i64::from).map(Compare::Equal);
                Expression::Group(self.account(named, &text)?)
            }
            b"-nouser" => Expression::NoUser,
            b"-nogroup" => Expression::NoGroup,
            b"-links" => Expression::Links(self.compare()?),
            b"-newer" => {
                let path = self.take()?;
                match stat(self.process, &path)? {
                    Ok(entry) => Expression::Newer(entry.mtime),
                    Err(_) => return Err(self.process.unsupported("-newer a missing file")),
                }
            }
            b"-mtime" => Expression::Age { unit: 86400, compare: self.compare()? },
            b"-mmin" => Expression::Age { unit: 60, compare: self.compare()? },
            b"-executable" => Expression::Executable,
            b"-readable" | b"-writable" => Expression::There,
            other => return self.action(other),
        })
    }

    fn action(&mut self, word: &[u8]) -> Result<Expression, Stop> {
        let action = match word {
            b"-print" => Expression::Print { end: b'\n' },
            b"-print0" => Expression::Print { end: 0 },
            b"-printf" => Expression::Printf(self.take()?),
            b"-delete" => {
                self.depth_first = true;
                Expression::Delete
            }
            b"-exec" | b"-execdir" => self.run(word == b"-execdir")?,
            // These are no actions that take the place of printing.
            b"-prune" => return Ok(Expression::Prune),
            b"-quit" => return Ok(Expression::Quit),
            other => return Err(self.process.unsupported(other)),
        };
        self.has_action = true;
        Ok(action)
    }

    fn run(&mut self, in_directory: bool) -> Result<Expression, Stop> {
        let mut words = Vec::new();
        let together = loop {
            let word = self.take()?;
            if word == b";" {
                break false;
            }
            if word == b"+" && words.last().is_some_and(|last: &Vec<u8>| last == b"{}") {
                words.pop();
                break true;
            }
            words.push(word);
        };
        if words.is_empty() {
            return Err(self.process.unsupported("-exec without a program"));
        }
        self.runs.push(Run { words, together, in_directory });
        Ok(Expression::Run(self.runs.len() - 1))
    }

    fn glob(&mut self, subject: Subject, ignore_case: bool) -> Result<Expression, Stop> {
        Ok(Expression::Glob { subject, pattern: self.take()?, ignore_case })
    }

    fn regex(&mut self, ignore_case: bool) -> Result<Expression, Stop> {
        let pattern = self.take()?;
        let emacs = self.syntax == Syntax::Basic;
        // Emacs' syntax, which is the default, has + and ? as operators.
        if emacs && pattern.iter().any(|b| b"+?{".contains(b)) {
            return Err(self.process.unsupported("-regex in the syntax of Emacs"));
        }
        let options = Options { ignore_case, around: Around::Nothing, ..Options::default() };
        Ok(Expression::Regex(Box::new(Regex::new(&pattern, self.syntax, options)?)))
    }

    fn count(&mut self) -> Result<usize, Stop> {
        let text = self.take()?;
        let number = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
        number.ok_or_else(|| self.process.unsupported("a depth that is no number"))
    }

    fn compare(&mut self) -> Result<Compare, Stop> {
        let text = self.take()?;
        compare(&text).ok_or_else(|| self.process.unsupported([b"number ", &text[..]].concat()))
    }

    fn account(&self, named: Option<Compare>, text: &[u8]) -> Result<Compare, Stop> {
        let found = named.or_else(|| compare(text));
        found.ok_or_else(|| self.process.unsupported([b"unknown account ", text].concat()))
    }

    fn size(&mut self) -> Result<Expression, Stop> {
        let text = self.take()?;
        let (number, unit) = match text.split_last() {
            Some((b'c', number)) => (number, 1),
            Some((b'w', number)) => (number, 2),
            Some((b'b', number)) => (number, 512),
            Some((b'k', number)) => (number, 1024),
            Some((b'M', number)) => (number, 1 << 20),
            Some((b'G', number)) => (number, 1 << 30),
            _ => (&text[..], 512),
        };
        let compare = compare(number).ok_or_else(|| self.process.unsupported("this -size"))?;
        Ok(Expression::Size { unit, compare })
    }

    fn permission(&mut self) -> Result<Permission, Stop> {
        let text = self.take()?;
        let bits = |text: &[u8]| Mode::parse(text).map(|mode| mode.apply(0, false, 0));
        let found = match text.split_first() {
            Some((b'-', rest)) => bits(rest).map(Permission::All),
            Some((b'/', rest)) => bits(rest).map(Permission::Any),
            _ => bits(&text).map(Permission::Exactly),
        };
        found.ok_or_else(|| self.process.unsupported([b"-perm ", &text[..]].concat()))
    }
}

fn compare(text: &[u8]) -> Option<Compare> {
    let number = |text: &[u8]| {
        let digits = text.iter().all(u8::is_ascii_digit);
        std::str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
    };
    match text.split_first()? {
        (b'+', rest) => number(rest).map(Compare::More),
        (b'-', rest) => number(rest).map(Compare::Less),
        _ => number(text).map(Compare::Equal),
    }
}
