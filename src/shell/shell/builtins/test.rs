//! `test` and `[`: POSIX's operators, and `-nt -ot -ef -a -o ( ) < >`.
//!
//! With up to four arguments their number decides what they mean, as POSIX wants; more are
//! read as dash reads them.

use bstr::BString;

use crate::Stop;
use crate::shell::flow::{Eval, Exit, Failure};
use crate::shell::{Dialect, Shell};
use imgfix_vfs::{Entry, Kind};

const BINARY: &[&[u8]] = &[
    b"=", b"!=", b"<", b">", b"-eq", b"-ne", b"-gt", b"-ge", b"-lt", b"-le", b"-nt", b"-ot", b"-ef",
];

const UNARY: &[u8] = b"rwxefdcbpugkstznhOGLS";

/// How deep parentheses and `!` may nest.
const MAX_DEPTH: usize = 100;

pub(super) fn test(shell: &mut Shell<'_>, argv: &[BString], _: Failure) -> Eval {
    let name = argv.first().cloned().unwrap_or_default();
    let mut arguments = argv.get(1..).unwrap_or_default();
    if &name[..] == b"[" {
        let Some((last, others)) = arguments.split_last().filter(|(last, _)| &last[..] == b"]")
        else {
            return Err(shell.complain(b"[", b"missing ]"));
        };
        let _ = last;
        arguments = others;
    }
    let mut negated = false;
    loop {
        match arguments {
            [] => return Ok(u8::from(!negated)),
            [_, operator, _] if is_binary(operator, shell.dialect) => break,
            [open, inner @ .., close]
                if matches!(inner.len(), 1 | 2) && &open[..] == b"(" && &close[..] == b")" =>
            {
                arguments = inner;
                break;
            }
            [not, inner @ ..] if matches!(inner.len(), 2 | 3) && &not[..] == b"!" => {
                negated = !negated;
                arguments = inner;
            }
            _ => break,
        }
    }
    let binary_of_three =
        matches!(arguments, [_, operator, _] if is_binary(operator, shell.dialect));
    let mut test = Test { shell, name, words: arguments, at: 0, depth: 0 };
    let holds = match binary_of_three {
        true => test.binary()?,
        false => test.or()?,
    };
    if test.at < arguments.len() {
        return Err(test.unexpected());
    }
    Ok(u8::from(holds == negated))
}

fn is_binary(word: &[u8], dialect: Dialect) -> bool {
    BINARY.contains(&word) || (dialect != Dialect::Posix && word == b"==")
}

fn is_unary(word: &[u8], dialect: Dialect) -> bool {
    match word {
        [b'-', b'a' | b'v' | b'N' | b'R'] => dialect == Dialect::Bash,
        [b'-', letter] => UNARY.contains(letter),
        _ => false,
    }
}

struct Test<'t, 'm> {
    shell: &'t mut Shell<'m>,
    name: BString,
    words: &'t [BString],
    at: usize,
    depth: usize,
}

impl Test<'_, '_> {
    fn word(&self, ahead: usize) -> Option<&[u8]> {
        self.words.get(self.at + ahead).map(|word| &word[..])
    }

    fn unexpected(&mut self) -> Exit {
        let word = self.word(0).unwrap_or_default().to_vec();
        let name = self.name.clone();
        self.shell.complain(&name, [&word[..], b": unexpected operator"].concat())
    }

    fn or(&mut self) -> Eval<bool> {
        let mut holds = self.and()?;
        while self.word(0) == Some(b"-o") {
            self.at += 1;
            holds |= self.and()?;
        }
        Ok(holds)
    }

    fn and(&mut self) -> Eval<bool> {
        let mut holds = self.not()?;
        while self.word(0) == Some(b"-a") {
            self.at += 1;
            holds &= self.not()?;
        }
        Ok(holds)
    }

    fn not(&mut self) -> Eval<bool> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Stop::new("a test nests too deep").into());
        }
        let holds = match self.word(0) {
            // A `!` that is compared, or stands alone, is text.
            Some(b"!") if self.word(1).is_some() && !self.is_compared() => {
                self.at += 1;
                !self.not()?
            }
            _ => self.primary()?,
        };
        self.depth -= 1;
        Ok(holds)
    }

    /// Whether a binary operator and its right side come after this word.
    fn is_compared(&self) -> bool {
        let operator = self.word(1).is_some_and(|word| is_binary(word, self.shell.dialect));
        operator && self.word(2).is_some()
    }

    fn primary(&mut self) -> Eval<bool> {
        let Some(word) = self.word(0).map(<[u8]>::to_vec) else {
            return match self.shell.dialect {
                Dialect::Ash => {
                    let name = self.name.clone();
                    Err(self.shell.complain(&name, b"argument expected"))
                }
                Dialect::Posix | Dialect::Bash => Ok(false),
            };
        };
        if word == b"(" && self.word(1).is_some() && !self.is_compared() {
            self.at += 1;
            if self.word(0) == Some(b")") {
                self.at += 1;
                return Ok(false);
            }
            let holds = self.or()?;
            if self.word(0) != Some(b")") {
                let name = self.name.clone();
                return Err(self.shell.complain(&name, b"closing paren expected"));
            }
            self.at += 1;
            return Ok(holds);
        }
        if is_unary(&word, self.shell.dialect) && self.word(1).is_some() && !self.is_compared() {
            let operand = self.word(1).unwrap_or_default().to_vec();
            self.at += 2;
            return self.unary(&word, &operand);
        }
        if self.word(1).is_some_and(|word| is_binary(word, self.shell.dialect)) {
            return self.binary();
        }
        self.at += 1;
        Ok(!word.is_empty())
    }

    fn binary(&mut self) -> Eval<bool> {
        let left = self.word(0).unwrap_or_default().to_vec();
        let operator = self.word(1).unwrap_or_default().to_vec();
        let Some(right) = self.word(2).map(<[u8]>::to_vec) else {
            let name = self.name.clone();
            return Err(self
                .shell
                .complain(&name, [&operator[..], b": argument expected"].concat()));
        };
        self.at += 3;
        self.shell.compare(&self.name, &left, &operator, &right)
    }

    fn unary(&mut self, operator: &[u8], operand: &[u8]) -> Eval<bool> {
        if operator == b"-t" {
            self.shell.test_number(&self.name, operand)?;
        }
        self.shell.check(operator, operand)
    }
}

impl Shell<'_> {
    /// What a binary operator says. `name` is for messages.
    pub(in crate::shell) fn compare(
        &mut self,
        name: &[u8],
        left: &[u8],
        operator: &[u8],
        right: &[u8],
    ) -> Eval<bool> {
        Ok(match operator {
            b"=" | b"==" => left == right,
            b"!=" => left != right,
            b"<" => left < right,
            b">" => left > right,
            b"-nt" | b"-ot" | b"-ef" => return self.compare_files(left, operator, right),
            _ => {
                let left = self.test_number(name, left)?;
                let right = self.test_number(name, right)?;
                match operator {
                    b"-eq" => left == right,
                    b"-ne" => left != right,
                    b"-gt" => left > right,
                    b"-ge" => left >= right,
                    b"-lt" => left < right,
                    _ => left <= right,
                }
            }
        })
    }

    fn test_number(&mut self, name: &[u8], text: &[u8]) -> Eval<i64> {
        let trimmed = text.trim_ascii();
        let digits = trimmed.strip_prefix(b"+").unwrap_or(trimmed);
        let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        match (number, self.dialect) {
            (Some(number), _) => Ok(number),
            (None, Dialect::Posix | Dialect::Ash) => {
                Err(self.complain(name, [b"Illegal number: ", text].concat()))
            }
            (None, Dialect::Bash) => {
                Err(self.complain(name, [text, b": integer expression expected"].concat()))
            }
        }
    }

    fn compare_files(&mut self, left: &[u8], operator: &[u8], right: &[u8]) -> Eval<bool> {
        let directory = self.state.directory.clone();
        let first = self.machine.stat(&directory, left)?;
        let second = self.machine.stat(&directory, right)?;
        Ok(match (operator, first, second) {
            (b"-ef", Ok(first), Ok(second)) => {
                let same = self.machine.follow(&directory, left)?
                    == self.machine.follow(&directory, right)?;
                same || is_same_file(&first, &second)
            }
            (b"-ef", ..) => false,
            (b"-nt", Ok(first), Ok(second)) => first.mtime > second.mtime,
            (b"-ot", Ok(first), Ok(second)) => first.mtime < second.mtime,
            // bash takes a missing file for older than every other.
            (b"-nt", Ok(_), Err(_)) | (b"-ot", Err(_), Ok(_)) => self.dialect == Dialect::Bash,
            _ => false,
        })
    }

    /// What a unary operator says.
    pub(in crate::shell) fn check(&mut self, operator: &[u8], operand: &[u8]) -> Eval<bool> {
        match operator {
            b"-n" => return Ok(!operand.is_empty()),
            b"-z" => return Ok(operand.is_empty()),
            // Nothing is a terminal.
            b"-t" => return Ok(false),
            b"-v" => return Ok(self.state.variables.get(operand).is_some()),
            b"-N" | b"-R" => return Err(Stop::new("test with -N or -R").into()),
            _ => {}
        }
        let directory = self.state.directory.clone();
        let entry = match operator {
            b"-h" | b"-L" => self.machine.lstat(&directory, operand)?,
            _ => self.machine.stat(&directory, operand)?,
        };
        let Ok(entry) = entry else { return Ok(false) };
        Ok(match operator {
            b"-f" => entry.is_file(),
            b"-d" => entry.is_dir(),
            b"-h" | b"-L" => entry.is_symlink(),
            b"-s" => entry.size() > 0 || entry.is_dir(),
            b"-x" => entry.is_dir() || entry.mode & 0o111 != 0,
            b"-c" => matches!(entry.kind, Kind::CharDevice { .. }),
            b"-b" => matches!(entry.kind, Kind::BlockDevice { .. }),
            b"-p" => matches!(entry.kind, Kind::Fifo),
            b"-S" => false,
            b"-u" => entry.mode & 0o4000 != 0,
            b"-g" => entry.mode & 0o2000 != 0,
            b"-k" => entry.mode & 0o1000 != 0,
            b"-O" => entry.uid == 0,
            b"-G" => entry.gid == 0,
            // Root reads and writes everything: -e -a -r -w.
            _ => true,
        })
    }
}

fn is_same_file(first: &Entry, second: &Entry) -> bool {
    match (&first.kind, &second.kind) {
        (Kind::File(first), Kind::File(second)) => {
            first.link.is_some() && first.link == second.link
        }
        _ => false,
    }
}
