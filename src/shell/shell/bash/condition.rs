//! `[[ ... ]]`.

use std::collections::BTreeMap;

use bstr::BString;

use crate::Stop;
use crate::regex::{Options, Regex, Syntax};
use crate::shell::Shell;
use crate::shell::expand::Byte;
use crate::shell::flow::Eval;
use crate::syntax::tree::{Condition, Word};

impl Shell<'_> {
    /// Whether a condition holds.
    pub(in crate::shell) fn condition(&mut self, condition: &Condition) -> Eval<bool> {
        self.machine.spend(1)?;
        Ok(match condition {
            Condition::Not(inner) => !self.condition(inner)?,
            Condition::And(left, right) => self.condition(left)? && self.condition(right)?,
            Condition::Or(left, right) => self.condition(left)? || self.condition(right)?,
            Condition::Unary(operator, word) => {
                let operand = self.expand_text(word)?;
                if !matches!(&operator[..], [b'-', letter] if b"abcdefghknprstuvwxzGLNORS".contains(letter))
                {
                    return Err(Stop::new(format!("[[ with {operator}")).into());
                }
                self.check(operator, &operand)?
            }
            Condition::Binary(left, operator, right) => {
                let left = self.expand_text(left)?;
                return self.binary_condition(&left, operator, right);
            }
        })
    }

    fn binary_condition(&mut self, left: &[u8], operator: &[u8], right: &Word) -> Eval<bool> {
        Ok(match operator {
            b"=" | b"==" | b"!=" => {
                let pattern = self.expand_pattern(right)?;
                self.pattern_matches(&pattern, left)? == (operator != b"!=")
            }
            b"=~" => {
                let pattern = self.expand_pattern(right)?;
                self.regex_matches(&pattern, left)?
            }
            b"-eq" | b"-ne" | b"-lt" | b"-le" | b"-gt" | b"-ge" => {
                let right = self.expand_text(right)?;
                let left = self.arithmetic(left)?.to_string();
                let right = self.arithmetic(&right)?.to_string();
                self.compare(b"[[", left.as_bytes(), operator, right.as_bytes())?
            }
            b"<" | b">" | b"-nt" | b"-ot" | b"-ef" => {
                let right = self.expand_text(right)?;
                self.compare(b"[[", left, operator, &right)?
            }
            other => {
                let operator = String::from_utf8_lossy(other).into_owned();
                return Err(Stop::new(format!("[[ with {operator}")).into());
            }
        })
    }

    /// `=~`: an extended regular expression, whose quoted bytes stand for themselves.
    fn regex_matches(&mut self, pattern: &[Byte], text: &[u8]) -> Eval<bool> {
        let mut expression = Vec::with_capacity(pattern.len());
        for byte in pattern {
            if byte.quoted && b".[]\\()*+?{}|^$".contains(&byte.value) {
                expression.push(b'\\');
            }
            expression.push(byte.value);
        }
        let regex =
            Regex::new(&expression, Syntax::Extended, Options::default()).map_err(Stop::from)?;
        let found = regex.find_at(text, 0).map_err(Stop::from)?;
        let mut groups = BTreeMap::new();
        if let Some(found) = &found {
            for number in 0..=regex.groups() {
                let (from, to) = found.group(number).unwrap_or((0, 0));
                let group = text.get(from..to).unwrap_or_default();
                groups.insert(number as u64, BString::from(group));
            }
        }
        self.assign_array(b"BASH_REMATCH", groups)?;
        Ok(found.is_some())
    }
}
