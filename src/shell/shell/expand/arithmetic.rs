//! Arithmetic: signed 64-bit integers with C's operators (POSIX.1-2017, Shell Command
//! Language, section 2.6.4; bash adds `**`, `++`, `--` and the comma).

use bstr::BString;

use crate::Stop;
use crate::shell::flow::{Eval, Exit};
use crate::shell::{Dialect, Shell};
use crate::syntax::{is_name_byte, is_name_start};

/// How deep parentheses and unary operators may nest.
const MAX_DEPTH: usize = 100;

/// Binary operators with how strongly they bind; longer ones first.
const BINARY: &[(&str, u8)] = &[
    ("**", 12),
    ("<<", 9),
    (">>", 9),
    ("<=", 8),
    (">=", 8),
    ("==", 7),
    ("!=", 7),
    ("&&", 3),
    ("||", 2),
    ("*", 11),
    ("/", 11),
    ("%", 11),
    ("+", 10),
    ("-", 10),
    ("<", 8),
    (">", 8),
    ("&", 6),
    ("^", 5),
    ("|", 4),
];

/// Assignment operators, longer ones first, with the binary operator in them.
const ASSIGNING: &[(&str, &str)] = &[
    ("<<=", "<<"),
    (">>=", ">>"),
    ("*=", "*"),
    ("/=", "/"),
    ("%=", "%"),
    ("+=", "+"),
    ("-=", "-"),
    ("&=", "&"),
    ("^=", "^"),
    ("|=", "|"),
    ("=", ""),
];

/// An expression being evaluated.
struct Expression<'e, 'm, 's> {
    shell: &'e mut Shell<'m>,
    text: &'s [u8],
    at: usize,
    depth: usize,
    /// In a branch that is not taken nothing is assigned and no division fails.
    skipped: bool,
}

impl Shell<'_> {
    /// The value of an expression whose expansions are done.
    pub(in crate::shell) fn arithmetic(&mut self, text: &[u8]) -> Eval<i64> {
        self.arithmetic_inside(text, 0)
    }

    fn arithmetic_inside(&mut self, text: &[u8], depth: usize) -> Eval<i64> {
        self.machine.spend(1 + text.len() as u64 / 256)?;
        let mut expression = Expression { shell: self, text, at: 0, depth, skipped: false };
        expression.blanks();
        if expression.at == text.len() {
            // dash wants an expression, the others take nothing for zero.
            return match expression.shell.dialect {
                Dialect::Ash | Dialect::Bash => Ok(0),
                Dialect::Posix => Err(expression.syntax("primary")),
            };
        }
        let value = expression.comma()?;
        if expression.at < text.len() {
            return Err(expression.syntax("EOF"));
        }
        Ok(value)
    }
}

impl Expression<'_, '_, '_> {
    fn blanks(&mut self) {
        while self.peek().is_some_and(|b| b.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn rest(&self) -> &[u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn take(&mut self, sign: &str) -> bool {
        self.blanks();
        let there = self.rest().starts_with(sign.as_bytes());
        self.at += if there { sign.len() } else { 0 };
        there
    }

    fn error(&mut self, message: &str) -> Exit {
        let text = [b"arithmetic expression: ", message.as_bytes()].concat();
        match (self.shell.error(text), self.shell.dialect) {
            (Exit::Error, Dialect::Bash) => Exit::Shell(1),
            (exit, _) => exit,
        }
    }

    fn syntax(&mut self, expected: &str) -> Exit {
        let text = String::from_utf8_lossy(self.text).into_owned();
        self.error(&format!("expecting {expected}: \"{text}\""))
    }

    fn deeper<T>(&mut self, evaluate: impl FnOnce(&mut Self) -> Eval<T>) -> Eval<T> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Stop::new("arithmetic nests too deep").into());
        }
        let result = evaluate(self);
        self.depth -= 1;
        result
    }

    fn comma(&mut self) -> Eval<i64> {
        let mut value = self.assignment()?;
        while self.shell.dialect != Dialect::Posix && self.take(",") {
            value = self.assignment()?;
        }
        Ok(value)
    }

    fn assignment(&mut self) -> Eval<i64> {
        self.deeper(|expression| {
            expression.blanks();
            let start = expression.at;
            if let Some(name) = expression.name() {
                expression.blanks();
                let rest = expression.rest();
                let operator = ASSIGNING.iter().find(|(sign, _)| rest.starts_with(sign.as_bytes()));
                if let Some((sign, binary)) = operator.filter(|_| !rest.starts_with(b"==")) {
                    expression.at += sign.len();
                    let right = expression.assignment()?;
                    let value = match binary.is_empty() {
                        true => right,
                        false => {
                            let left = expression.variable(&name)?;
                            expression.apply(binary, left, right)?
                        }
                    };
                    expression.store(&name, value)?;
                    return Ok(value);
                }
            }
            expression.at = start;
            expression.ternary()
        })
    }

    fn store(&mut self, name: &BString, value: i64) -> Eval<()> {
        match self.skipped {
            true => Ok(()),
            false => self.shell.assign(name, value.to_string().into()),
        }
    }

    fn ternary(&mut self) -> Eval<i64> {
        let condition = self.binary(0)?;
        if !self.take("?") {
            return Ok(condition);
        }
        let first = self.maybe(condition != 0, Self::comma)?;
        if !self.take(":") {
            return Err(self.syntax("':'"));
        }
        if self.shell.dialect == Dialect::Ash && self.rest().contains(&b'?') {
            return Err(Stop::new("several ?: in arithmetic").into());
        }
        let second = self.maybe(condition == 0, Self::assignment)?;
        Ok(if condition != 0 { first } else { second })
    }

    /// Evaluates a branch that may not be taken.
    fn maybe(&mut self, taken: bool, evaluate: impl FnOnce(&mut Self) -> Eval<i64>) -> Eval<i64> {
        let before = self.skipped;
        self.skipped |= !taken;
        let value = evaluate(self);
        self.skipped = before;
        value
    }

    fn operator(&mut self) -> Option<(&'static str, u8)> {
        self.blanks();
        let rest = self.rest();
        let bash = self.shell.dialect != Dialect::Posix;
        let found = BINARY
            .iter()
            .find(|(sign, _)| rest.starts_with(sign.as_bytes()) && (*sign != "**" || bash))?;
        // `a += b` is no sum, and has been refused as an assignment.
        let after = rest.get(found.0.len());
        let assigns =
            after == Some(&b'=') && !matches!(found.0, "<=" | ">=" | "==" | "!=" | "<" | ">");
        (!assigns).then_some(*found)
    }

    fn binary(&mut self, weakest: u8) -> Eval<i64> {
        let mut left = self.unary()?;
        while let Some((sign, binding)) = self.operator() {
            if binding <= weakest {
                return Ok(left);
            }
            self.at += sign.len();
            left = match sign {
                "&&" => {
                    let right = self.maybe(left != 0, |e| e.binary(binding))?;
                    i64::from(left != 0 && right != 0)
                }
                "||" => {
                    let right = self.maybe(left == 0, |e| e.binary(binding))?;
                    i64::from(left != 0 || right != 0)
                }
                "**" => {
                    let right = self.deeper(|e| e.binary(binding - 1))?;
                    self.power(left, right)?
                }
                _ => {
                    let right = self.binary(binding)?;
                    self.apply(sign, left, right)?
                }
            };
        }
        Ok(left)
    }

    fn power(&mut self, base: i64, exponent: i64) -> Eval<i64> {
        match u32::try_from(exponent) {
            Ok(exponent) => Ok(base.wrapping_pow(exponent)),
            Err(_) if self.skipped => Ok(0),
            Err(_) => Err(self.error("exponent less than 0")),
        }
    }

    fn apply(&mut self, sign: &str, left: i64, right: i64) -> Eval<i64> {
        let shift = (right & 63) as u32;
        Ok(match sign {
            "+" => left.wrapping_add(right),
            "-" => left.wrapping_sub(right),
            "*" => left.wrapping_mul(right),
            "/" | "%" if right == 0 => match self.skipped {
                true => 0,
                false => return Err(self.error("division by zero")),
            },
            "/" => left.wrapping_div(right),
            "%" => left.wrapping_rem(right),
            "<<" => left.wrapping_shl(shift),
            ">>" => left.wrapping_shr(shift),
            "<" => i64::from(left < right),
            ">" => i64::from(left > right),
            "<=" => i64::from(left <= right),
            ">=" => i64::from(left >= right),
            "==" => i64::from(left == right),
            "!=" => i64::from(left != right),
            "&" => left & right,
            "^" => left ^ right,
            "|" => left | right,
            _ => return Err(self.syntax("operator")),
        })
    }

    fn unary(&mut self) -> Eval<i64> {
        self.deeper(|expression| {
            expression.blanks();
            if expression.shell.dialect != Dialect::Posix {
                for (sign, change) in [("++", 1), ("--", -1)] {
                    let start = expression.at;
                    if expression.take(sign) {
                        expression.blanks();
                        if let Some(name) = expression.name() {
                            let value = expression.variable(&name)?.wrapping_add(change);
                            expression.store(&name, value)?;
                            return Ok(value);
                        }
                        expression.at = start;
                    }
                }
            }
            match expression.peek() {
                Some(b'-') => {
                    expression.at += 1;
                    Ok(expression.unary()?.wrapping_neg())
                }
                Some(b'+') => {
                    expression.at += 1;
                    expression.unary()
                }
                Some(b'!') => {
                    expression.at += 1;
                    Ok(i64::from(expression.unary()? == 0))
                }
                Some(b'~') => {
                    expression.at += 1;
                    Ok(!expression.unary()?)
                }
                _ => expression.primary(),
            }
        })
    }

    fn primary(&mut self) -> Eval<i64> {
        if self.take("(") {
            let value = self.comma()?;
            return match self.take(")") {
                true => Ok(value),
                false => Err(self.syntax("')'")),
            };
        }
        if let Some(name) = self.name() {
            let value = self.variable(&name)?;
            if self.shell.dialect != Dialect::Posix {
                for (sign, change) in [("++", 1), ("--", -1)] {
                    if self.take(sign) {
                        self.store(&name, value.wrapping_add(change))?;
                        return Ok(value);
                    }
                }
            }
            return Ok(value);
        }
        let rest = self.rest();
        let length =
            rest.iter().position(|b| !(is_name_byte(*b) || *b == b'#')).unwrap_or(rest.len());
        let digits = rest.get(..length).unwrap_or_default().to_vec();
        self.at += length;
        match number(&digits) {
            Some(value) => Ok(value),
            None => Err(self.syntax("primary")),
        }
    }

    fn name(&mut self) -> Option<BString> {
        let rest = self.rest();
        if !rest.first().is_some_and(|b| is_name_start(*b)) {
            return None;
        }
        let length = rest.iter().position(|b| !is_name_byte(*b)).unwrap_or(rest.len());
        let name = rest.get(..length).unwrap_or_default().into();
        self.at += length;
        Some(name)
    }

    fn variable(&mut self, name: &BString) -> Eval<i64> {
        if self.peek() == Some(b'[') {
            return Err(Stop::new("an array in arithmetic").into());
        }
        if &name[..] == b"LINENO" && self.shell.dialect != Dialect::Posix {
            return Ok(i64::from(self.shell.state.line));
        }
        if self.shell.dialect != Dialect::Posix && super::parameter::is_living(name) {
            return Err(Stop::new(format!("it reads ${name}")).into());
        }
        let Some(value) = self.shell.state.variables.get(name).map(<[u8]>::to_vec) else {
            if self.shell.state.options.no_unset && !self.skipped {
                return Err(self.shell.error([name, &b": parameter not set"[..]].concat()));
            }
            return Ok(0);
        };
        let trimmed = value.trim_ascii();
        if trimmed.is_empty() {
            return Ok(0);
        }
        let (negative, digits) = match trimmed.strip_prefix(b"-") {
            Some(digits) => (true, digits),
            None => (false, trimmed.strip_prefix(b"+").unwrap_or(trimmed)),
        };
        match number(digits) {
            Some(value) => Ok(if negative { value.wrapping_neg() } else { value }),
            None if self.shell.dialect != Dialect::Posix => {
                let depth = self.depth + 1;
                if depth > MAX_DEPTH {
                    return Err(Stop::new("arithmetic nests too deep").into());
                }
                self.shell.arithmetic_inside(trimmed, depth)
            }
            None => {
                let text = String::from_utf8_lossy(&value).into_owned();
                Err(self.shell.error(format!("Illegal number: {text}")))
            }
        }
    }
}

/// A number as C writes it; too large ones are the largest.
fn number(digits: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(digits).ok()?;
    let (radix, text) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(text) => (16, text),
        None if text.len() > 1 && text.starts_with('0') => (8, &text[1..]),
        None => (10, text),
    };
    if text.is_empty() || !text.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    Some(i64::from_str_radix(text, radix).unwrap_or(i64::MAX))
}
