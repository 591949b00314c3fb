//! `expr` of coreutils.

use imgfix_shell::regex::{Around, Options, Regex, Syntax};
use imgfix_shell::{Process, Status, Stop};

/// Evaluates an expression and prints it; 1 when it is empty or 0, 2 when the words are no expression.
///
/// # Errors
/// A pattern or number that is not evaluated.
pub fn run(process: &mut Process<'_>) -> Status {
    let words: Vec<Vec<u8>> = process.arguments().iter().map(|word| word.to_vec()).collect();
    let mut expression = Expression { process, words: &words, at: 0, depth: 0 };
    let value = match expression.or()? {
        Some(value) if expression.at == words.len() => value,
        _ => {
            process.complain("syntax error")?;
            return Ok(2);
        }
    };
    process.print([&value[..], b"\n"].concat())?;
    Ok(u8::from(is_null(&value)))
}

/// A value, or `None` for what is no expression.
type Value = Result<Option<Vec<u8>>, Stop>;

struct Expression<'p, 'm> {
    process: &'p Process<'m>,
    words: &'p [Vec<u8>],
    at: usize,
    depth: usize,
}

/// How deep parentheses may nest.
const MAX_DEPTH: usize = 100;

fn is_null(value: &[u8]) -> bool {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    value.is_empty() || !digits.is_empty() && digits.iter().all(|&b| b == b'0')
}

fn number(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value).ok().filter(|text| !text.starts_with('+'))?.parse().ok()
}

impl<'p> Expression<'p, '_> {
    fn take(&mut self, operators: &[&[u8]]) -> Option<&'p [u8]> {
        let word = self.words.get(self.at)?;
        operators.contains(&&word[..]).then(|| {
            self.at += 1;
            &word[..]
        })
    }

    fn or(&mut self) -> Value {
        let mut left = self.and()?;
        while self.take(&[b"|"]).is_some() {
            let right = self.and()?;
            left = left.zip(right).map(|(a, b)| match (is_null(&a), is_null(&b)) {
                (false, _) => a,
                (true, false) => b,
                (true, true) => b"0".to_vec(),
            });
        }
        Ok(left)
    }

    fn and(&mut self) -> Value {
        let mut left = self.comparison()?;
        while self.take(&[b"&"]).is_some() {
            let right = self.comparison()?;
            left = left.zip(right).map(
                |(a, b)| {
                    if is_null(&a) || is_null(&b) { b"0".to_vec() } else { a }
                },
            );
        }
        Ok(left)
    }

    fn comparison(&mut self) -> Value {
        let mut left = self.sum()?;
        while let Some(operator) = self.take(&[b"<", b"<=", b"=", b"==", b"!=", b">=", b">"]) {
            let right = self.sum()?;
            left = left.zip(right).map(|(a, b)| {
                let order = match (number(&a), number(&b)) {
                    (Some(a), Some(b)) => a.cmp(&b),
                    _ => a.cmp(&b),
                };
                let holds = match operator {
                    b"<" => order.is_lt(),
                    b"<=" => order.is_le(),
                    b">=" => order.is_ge(),
                    b">" => order.is_gt(),
                    b"!=" => order.is_ne(),
                    _ => order.is_eq(),
                };
                if holds { b"1".to_vec() } else { b"0".to_vec() }
            });
        }
        Ok(left)
    }

    fn sum(&mut self) -> Value {
        let mut left = self.product()?;
        while let Some(operator) = self.take(&[b"+", b"-"]) {
            let right = self.product()?;
            left = self.arithmetic(left, operator, right)?;
        }
        Ok(left)
    }

    fn product(&mut self) -> Value {
        let mut left = self.matching()?;
        while let Some(operator) = self.take(&[b"*", b"/", b"%"]) {
            let right = self.matching()?;
            left = self.arithmetic(left, operator, right)?;
        }
        Ok(left)
    }

    fn arithmetic(&self, left: Option<Vec<u8>>, operator: &[u8], right: Option<Vec<u8>>) -> Value {
        let Some((left, right)) = left.zip(right) else { return Ok(None) };
        // Not a number, zero as divisor or too large: errors that no script wants.
        let result = number(&left).zip(number(&right)).and_then(|(a, b)| match operator {
            b"+" => a.checked_add(b),
            b"-" => a.checked_sub(b),
            b"*" => a.checked_mul(b),
            b"/" => a.checked_div(b),
            _ => a.checked_rem(b),
        });
        match result {
            Some(number) => Ok(Some(number.to_string().into_bytes())),
            None => Err(self.process.unsupported("numbers that do not fit")),
        }
    }

    fn matching(&mut self) -> Value {
        let mut left = self.primary()?;
        while self.take(&[b":"]).is_some() {
            let right = self.primary()?;
            left = match left.zip(right) {
                Some((text, pattern)) => Some(matched(&text, &pattern)?),
                None => None,
            };
        }
        Ok(left)
    }

    fn primary(&mut self) -> Value {
        let Some(word) = self.words.get(self.at) else { return Ok(None) };
        self.at += 1;
        match &word[..] {
            b"(" => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(self.process.unsupported("parentheses nested too deep"));
                }
                let inside = self.or()?;
                self.depth -= 1;
                Ok(inside.filter(|_| self.take(&[b")"]).is_some()))
            }
            b")" => Ok(None),
            b"+" => {
                let word = self.words.get(self.at).cloned();
                self.at += 1;
                Ok(word)
            }
            b"length" => Ok(self.primary()?.map(|text| text.len().to_string().into_bytes())),
            b"match" => match self.primary()?.zip(self.primary()?) {
                Some((text, pattern)) => Ok(Some(matched(&text, &pattern)?)),
                None => Ok(None),
            },
            b"index" => Ok(self.primary()?.zip(self.primary()?).map(|(text, bytes)| {
                let at = text.iter().position(|byte| bytes.contains(byte));
                at.map_or(0, |at| at + 1).to_string().into_bytes()
            })),
            b"substr" => {
                let text = self.primary()?;
                let range = self.primary()?.zip(self.primary()?);
                Ok(text.zip(range).map(|(text, (from, length))| {
                    let positive = |value: &[u8]| {
                        number(value)
                            .and_then(|number| usize::try_from(number).ok())
                            .filter(|n| *n > 0)
                    };
                    let (Some(from), Some(length)) = (positive(&from), positive(&length)) else {
                        return Vec::new();
                    };
                    text.iter().skip(from - 1).take(length).copied().collect()
                }))
            }
            other => Ok(Some(other.to_vec())),
        }
    }
}

/// The first group of a match at the beginning, or the length of the match.
fn matched(text: &[u8], pattern: &[u8]) -> Result<Vec<u8>, Stop> {
    let options = Options { around: Around::NothingBefore, ..Options::default() };
    let regex = Regex::new(pattern, Syntax::Basic, options)?;
    let found = regex.find_at(text, 0)?;
    Ok(match (regex.groups() > 0, found) {
        (true, Some(found)) => {
            let span = found.group(1).unwrap_or((0, 0));
            text.get(span.0..span.1).unwrap_or_default().to_vec()
        }
        (true, None) => Vec::new(),
        (false, found) => found.map_or(0, |found| found.end).to_string().into_bytes(),
    })
}
