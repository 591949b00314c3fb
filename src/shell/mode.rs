//! File modes as `chmod` writes them: octal, or symbolic (`u+rwX,go-w`).

/// A mode to be applied to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mode(Vec<Clause>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clause {
    /// All bits. With five digits or more a directory loses its setuid and setgid bits too.
    Octal {
        bits: u32,
        digits: usize,
    },
    Symbolic {
        who: u32,
        everyone: bool,
        operator: u8,
        permissions: Permissions,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Permissions {
    /// Bits for all three classes, and whether `X` was among them.
    Bits { bits: u32, search: bool },
    /// Those that a class has now: shift of its bits.
    Copy(u32),
}

const USER: u32 = 0o4700;
const GROUP: u32 = 0o2070;
const OTHERS: u32 = 0o1007;

impl Mode {
    /// Reads a mode; `None` when the text is not one.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.first().is_some_and(u8::is_ascii_digit) {
            let text = std::str::from_utf8(text).ok()?;
            let bits = u32::from_str_radix(text, 8).ok().filter(|bits| *bits <= 0o7777)?;
            return Some(Self(vec![Clause::Octal { bits, digits: text.len() }]));
        }
        let mut clauses = Vec::new();
        for clause in text.split(|&b| b == b',') {
            parse_clause(clause, &mut clauses)?;
        }
        Some(Self(clauses))
    }

    /// The mode of a file that has `mode` after this one is applied. Octal modes of fewer
    /// than five digits leave a directory its setuid and setgid bits, as GNU chmod does.
    #[must_use]
    pub fn apply(&self, mode: u32, is_directory: bool, umask: u32) -> u32 {
        self.0.iter().fold(mode, |mode, clause| clause.apply(mode, is_directory, umask))
    }
}

fn parse_clause(clause: &[u8], out: &mut Vec<Clause>) -> Option<()> {
    let operators = clause.iter().position(|b| b"+-=".contains(b))?;
    let (who_text, mut rest) = clause.split_at(operators);
    let mut who = 0;
    for letter in who_text {
        who |= match letter {
            b'u' => USER,
            b'g' => GROUP,
            b'o' => OTHERS,
            b'a' => USER | GROUP | OTHERS,
            _ => return None,
        };
    }
    let everyone = who == 0;
    if everyone {
        who = USER | GROUP | OTHERS;
    }
    while let Some((&operator, after)) = rest.split_first() {
        let end = after.iter().position(|b| b"+-=".contains(b)).unwrap_or(after.len());
        let (letters, next) = after.split_at(end);
        let permissions = permissions(letters)?;
        out.push(Clause::Symbolic { who, everyone, operator, permissions });
        rest = next;
    }
    Some(())
}

fn permissions(letters: &[u8]) -> Option<Permissions> {
    match letters {
        b"u" => return Some(Permissions::Copy(6)),
        b"g" => return Some(Permissions::Copy(3)),
        b"o" => return Some(Permissions::Copy(0)),
        _ => {}
    }
    let (mut bits, mut search) = (0, false);
    for letter in letters {
        bits |= match letter {
            b'r' => 0o444,
            b'w' => 0o222,
            b'x' => 0o111,
            b's' => 0o6000,
            b't' => 0o1000,
            b'X' => {
                search = true;
                0
            }
            _ => return None,
        };
    }
    Some(Permissions::Bits { bits, search })
}

impl Clause {
    fn apply(self, mode: u32, is_directory: bool, umask: u32) -> u32 {
        let (who, everyone, operator, permissions) = match self {
            Self::Octal { bits, digits } if is_directory && digits < 5 => {
                return bits | (mode & 0o6000);
            }
            Self::Octal { bits, .. } => return bits,
            Self::Symbolic { who, everyone, operator, permissions } => {
                (who, everyone, operator, permissions)
            }
        };
        let mut bits = match permissions {
            Permissions::Bits { bits, search } if search && (is_directory || mode & 0o111 != 0) => {
                bits | 0o111
            }
            Permissions::Bits { bits, .. } => bits,
            Permissions::Copy(shift) => ((mode >> shift) & 7) * 0o111,
        } & who;
        if everyone {
            bits &= !umask;
        }
        match operator {
            b'+' => mode | bits,
            b'-' => mode & !bits,
            _ => {
                // A directory keeps its setuid and setgid bits unless they are named.
                let kept = if is_directory { mode & 0o6000 } else { 0 };
                (mode & !who) | bits | kept
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_apply_as_chmod_applies_them() {
        for (text, file, want) in [
            ("644", 0o755, 0o644),
            ("02755", 0o644, 0o2755),
            ("u+x", 0o644, 0o744),
            ("+x", 0o644, 0o755),
            ("go-rwx", 0o755, 0o700),
            ("u=rwX,g=rX,o=", 0o755, 0o750),
            ("a+X", 0o644, 0o644),
            ("g=u", 0o640, 0o660),
            ("u+s", 0o755, 0o4755),
            ("g+s", 0o755, 0o2755),
            ("o-w,u+x", 0o666, 0o764),
            ("u=rw-x+s", 0o755, 0o4655),
            ("=r", 0o777, 0o444),
            ("+t", 0o755, 0o1755),
        ] {
            let mode = Mode::parse(text.as_bytes()).unwrap();
            assert_eq!(mode.apply(file, false, 0o022), want, "{text}");
        }
        assert_eq!(Mode::parse(b"755").unwrap().apply(0o2700, true, 0o022), 0o2755);
        for wrong in ["", "8", "77777", "u", "z+x", "u+q", "0x1"] {
            assert_eq!(Mode::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
