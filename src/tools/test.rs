//! `test` and `[` of coreutils: the rules of POSIX for up to four arguments, and GNU's grammar for
//! more. Everything is asked as root.

use super::operands::{lstat, stat};
use imgfix_shell::{Process, Status, Stop};
use imgfix_vfs::{Entry, Kind};

/// Evaluates a condition: 0 true, 1 false, 2 when the words are no condition.
///
/// # Errors
/// A file of a running system, or a question about a terminal.
pub fn run(process: &mut Process<'_>) -> Status {
    let mut words: Vec<Vec<u8>> = process.arguments().iter().map(|word| word.to_vec()).collect();
    if process.name() == b"[" && words.pop().as_deref() != Some(b"]") {
        process.complain("missing ']'")?;
        return Ok(2);
    }
    match evaluate(process, &words)? {
        Some(true) => Ok(0),
        Some(false) => Ok(1),
        None => {
            process.complain("syntax error")?;
            Ok(2)
        }
    }
}

/// The value of a condition; `None` when the words are no condition.
///
/// # Errors
/// As [`run`].
pub fn evaluate(process: &Process<'_>, words: &[Vec<u8>]) -> Result<Option<bool>, Stop> {
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    Condition { process, words: &words, at: 0 }.counted(&words)
}

struct Condition<'p, 'm, 'w> {
    process: &'p Process<'m>,
    words: &'w [&'w [u8]],
    at: usize,
}

type Value = Result<Option<bool>, Stop>;

impl<'w> Condition<'_, '_, 'w> {
    /// POSIX' rules by the number of words.
    fn counted(&mut self, words: &[&'w [u8]]) -> Value {
        match *words {
            [] => Ok(Some(false)),
            [only] => Ok(Some(!only.is_empty())),
            [b"!", only] => Ok(Some(only.is_empty())),
            [operator, operand] => self.unary(operator, operand),
            [a, operator, b] if is_binary(operator) => self.binary(a, operator, b),
            [a, b"-a", b] => Ok(Some(!a.is_empty() && !b.is_empty())),
            [a, b"-o", b] => Ok(Some(!a.is_empty() || !b.is_empty())),
            [b"!", a, b] => Ok(self.counted(&[a, b])?.map(|value| !value)),
            [b"(", a, b")"] => Ok(Some(!a.is_empty())),
            [_, _, _] => Ok(None),
            [b"!", a, b, c] => Ok(self.counted(&[a, b, c])?.map(|value| !value)),
            [b"(", a, b, b")"] => self.counted(&[a, b]),
            _ => {
                let value = self.or()?;
                Ok(if self.at == self.words.len() { value } else { None })
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<&'w [u8]> {
        self.words.get(self.at + ahead).copied()
    }

    fn or(&mut self) -> Value {
        let mut value = self.and()?;
        while self.peek(0) == Some(b"-o") {
            self.at += 1;
            let more = self.and()?;
            value = value.zip(more).map(|(a, b)| a || b);
        }
        Ok(value)
    }

    fn and(&mut self) -> Value {
        let mut value = self.term()?;
        while self.peek(0) == Some(b"-a") {
            self.at += 1;
            let more = self.term()?;
            value = value.zip(more).map(|(a, b)| a && b);
        }
        Ok(value)
    }

    fn term(&mut self) -> Value {
        let Some(word) = self.peek(0) else { return Ok(None) };
        if word == b"!" && self.peek(1).is_some() {
            self.at += 1;
            return Ok(self.term()?.map(|value| !value));
        }
        if let (Some(operator), Some(right)) = (self.peek(1), self.peek(2))
            && is_binary(operator)
        {
            self.at += 3;
            return self.binary(word, operator, right);
        }
        if word == b"(" {
            self.at += 1;
            // Bounded: every parenthesis is one of the words of a command line.
            let value = self.or()?;
            if self.peek(0) != Some(b")") {
                return Ok(None);
            }
            self.at += 1;
            return Ok(value);
        }
        if let (true, Some(operand)) = (is_unary(word), self.peek(1)) {
            self.at += 2;
            return self.unary(word, operand);
        }
        self.at += 1;
        Ok(Some(!word.is_empty()))
    }

    fn binary(&self, a: &[u8], operator: &[u8], b: &[u8]) -> Value {
        let value = match operator {
            b"=" | b"==" => a == b,
            b"!=" => a != b,
            b"-nt" => self.time(a)? > self.time(b)?,
            b"-ot" => self.time(a)? < self.time(b)?,
            b"-ef" => {
                let paths = (self.process.follow(a)?, self.process.follow(b)?);
                let (Ok(x), Ok(y)) = (stat(self.process, a)?, stat(self.process, b)?) else {
                    return Ok(Some(false));
                };
                let linked = match (&x.kind, &y.kind) {
                    (Kind::File(x), Kind::File(y)) => x.link.is_some() && x.link == y.link,
                    _ => false,
                };
                linked || paths.0 == paths.1
            }
            _ => {
                let (Some(a), Some(b)) = (number(a), number(b)) else { return Ok(None) };
                match operator {
                    b"-eq" => a == b,
                    b"-ne" => a != b,
                    b"-lt" => a < b,
                    b"-le" => a <= b,
                    b"-gt" => a > b,
                    _ => a >= b,
                }
            }
        };
        Ok(Some(value))
    }

    /// A missing file is older than every other.
    fn time(&self, path: &[u8]) -> Result<Option<i64>, Stop> {
        Ok(stat(self.process, path)?.ok().map(|entry| entry.mtime))
    }

    fn unary(&self, operator: &[u8], operand: &[u8]) -> Value {
        let value = match operator {
            b"-n" => !operand.is_empty(),
            b"-z" => operand.is_empty(),
            b"-t" => return Err(Stop::new("it asks for a terminal")),
            b"-L" | b"-h" => lstat(self.process, operand)?.is_ok_and(|entry| entry.is_symlink()),
            _ => {
                let test: fn(&Entry) -> bool = match operator {
                    b"-e" | b"-r" | b"-w" => |_| true,
                    b"-f" => Entry::is_file,
                    b"-d" => Entry::is_dir,
                    b"-x" => |entry| entry.is_dir() || entry.mode & 0o111 != 0,
                    b"-s" => |entry| entry.is_dir() || entry.size() > 0,
                    b"-u" => |entry| entry.mode & 0o4000 != 0,
                    b"-g" => |entry| entry.mode & 0o2000 != 0,
                    b"-k" => |entry| entry.mode & 0o1000 != 0,
                    b"-O" => |entry| entry.uid == 0,
                    b"-G" => |entry| entry.gid == 0,
                    b"-p" => |entry| matches!(entry.kind, Kind::Fifo),
                    b"-c" => |entry| matches!(entry.kind, Kind::CharDevice { .. }),
                    b"-b" => |entry| matches!(entry.kind, Kind::BlockDevice { .. }),
                    // An image has no sockets: a layer cannot hold them.
                    b"-S" => |_| false,
                    _ => return Ok(None),
                };
                stat(self.process, operand)?.is_ok_and(|entry| test(&entry))
            }
        };
        Ok(Some(value))
    }
}

fn is_binary(word: &[u8]) -> bool {
    const ALL: &[&[u8]] = &[
        b"=", b"==", b"!=", b"-eq", b"-ne", b"-lt", b"-le", b"-gt", b"-ge", b"-nt", b"-ot", b"-ef",
    ];
    ALL.contains(&word)
}

fn is_unary(word: &[u8]) -> bool {
    matches!(word, [b'-', letter] if b"nztLherwfdxsugkOGpcbS".contains(letter))
}

fn number(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.trim_matches([' ', '\t', '\n']);
    text.parse().ok()
}
