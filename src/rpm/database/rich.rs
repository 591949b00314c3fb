//! The names inside a rich dependency, as rpm's indexes have them
//! (<https://rpm-software-management.github.io/rpm/manual/boolean_dependencies.html>).
//!
//! In comes a text like `(a or (b >= 2 if c))`; out come its names, sorted, each once; those whose
//! absence would fulfil it have a `!` before them (`updateRichDep` in `lib/rpmdb.cc`).

/// How deep dependencies may be nested; rpm's own have two levels or three.
const MAX_DEPTH: usize = 64;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Op {
    And,
    Or,
    If,
    Unless,
    Else,
    With,
    Without,
}

/// The names, or none where the text is no rich dependency.
pub(super) fn names(text: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut reader = Reader { rest: text, names: Vec::new(), negated: false };
    reader.dependency(0)?;
    reader.names.sort();
    reader.names.dedup();
    let shown = |name: Vec<u8>| match name.strip_prefix(b" ") {
        Some(plain) => plain.to_vec(),
        None => name,
    };
    Some(reader.names.into_iter().map(shown).collect())
}

struct Reader<'a> {
    rest: &'a [u8],
    /// Each with `!` or a space before it, which is rpm's order.
    names: Vec<Vec<u8>>,
    negated: bool,
}

impl<'a> Reader<'a> {
    fn dependency(&mut self, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.rest = self.rest.strip_prefix(b"(")?;
        let mut start = self.names.len();
        let (mut chain, mut last) = (None, None);
        loop {
            self.skip_space();
            match self.rest.first()? {
                b')' => return None,
                b'(' => self.dependency(depth + 1)?,
                _ => self.simple()?,
            }
            self.skip_space();
            if let Some(rest) = self.rest.strip_prefix(b")") {
                self.rest = rest;
                break;
            }
            let op = operator(self.word()?)?;
            if op == Op::Else && matches!(chain, Some(Op::If | Op::Unless)) {
                chain = None;
            }
            if let Some(chain) = chain
                && (op != chain || !matches!(op, Op::And | Op::Or | Op::With))
            {
                return None;
            }
            match op {
                Op::If | Op::Unless => {
                    start = self.names.len();
                    self.negated = !self.negated;
                }
                Op::Else => {
                    let condition = self.names.get(start..).unwrap_or_default().to_vec();
                    self.names.extend(condition.into_iter().map(inverted));
                    self.negated = !self.negated;
                }
                _ => {}
            }
            (chain, last) = (Some(op), Some(op));
        }
        if matches!(last, Some(Op::If | Op::Unless)) {
            self.negated = !self.negated;
        }
        Some(())
    }

    /// A name, and what follows of version and comparison.
    fn simple(&mut self) -> Option<()> {
        let name = self.word()?;
        self.skip_space();
        let mut ahead = Reader { rest: self.rest, names: Vec::new(), negated: false };
        if let Some(comparison) = ahead.word()
            && comparison.iter().all(|byte| b"<=>".contains(byte))
        {
            self.rest = ahead.rest;
            self.skip_space();
            self.word()?;
        }
        if !name.starts_with(b"rpmlib(") {
            let sign: &[u8] = if self.negated { b"!" } else { b" " };
            self.names.push([sign, name].concat());
        }
        Some(())
    }

    /// Bytes up to a space or to a parenthesis that was not opened in them; at least one.
    fn word(&mut self) -> Option<&'a [u8]> {
        let mut open = 0_usize;
        let mut end = self.rest.len();
        for (at, byte) in self.rest.iter().enumerate() {
            match byte {
                b'(' => open += 1,
                b')' if open == 0 => {
                    end = at;
                    break;
                }
                b')' => open -= 1,
                byte if is_space(*byte) || *byte == b',' => {
                    end = at;
                    break;
                }
                _ => {}
            }
        }
        let (word, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    fn skip_space(&mut self) {
        while let Some((first, rest)) = self.rest.split_first()
            && (is_space(*first) || *first == b',')
        {
            self.rest = rest;
        }
    }
}

fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

fn operator(word: &[u8]) -> Option<Op> {
    Some(match word {
        b"and" => Op::And,
        b"or" => Op::Or,
        b"if" => Op::If,
        b"unless" => Op::Unless,
        b"else" => Op::Else,
        b"with" => Op::With,
        b"without" => Op::Without,
        _ => return None,
    })
}

fn inverted(mut name: Vec<u8>) -> Vec<u8> {
    if let Some(sign) = name.first_mut() {
        *sign = if *sign == b' ' { b'!' } else { b' ' };
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_those_of_a_condition_are_negated() {
        for (text, expected) in [
            ("(a)", Some(vec!["a"])),
            ("(b and a and b)", Some(vec!["a", "b"])),
            ("(a >= 1:2-3 or b(x)(64bit) = 2)", Some(vec!["a", "b(x)(64bit)"])),
            ("(a if b)", Some(vec!["a", "!b"])),
            ("(a if b else c)", Some(vec!["a", "b", "c", "!b"])),
            ("(a if (b or c))", Some(vec!["a", "!b", "!c"])),
            ("((a if b) and c)", Some(vec!["a", "c", "!b"])),
            ("(rpmlib(X) <= 1 or a)", Some(vec!["a"])),
            ("(a and b or c)", None),
            ("(a", None),
            ("()", None),
            ("(a if b if c)", None),
        ] {
            let found = names(text.as_bytes()).map(|names| {
                names.into_iter().map(|name| String::from_utf8(name).unwrap()).collect::<Vec<_>>()
            });
            let expected = expected.map(|names| names.into_iter().map(str::to_owned).collect());
            assert_eq!(found, expected, "{text}");
        }
        assert_eq!(names(&b"(".repeat(100_000)), None);
    }
}
