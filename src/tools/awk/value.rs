//! Values: numbers and strings that become each other.

use std::cmp::Ordering;

use imgfix_shell::Stop;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// Never set: 0 and the empty string.
    Nothing,
    Number(f64),
    String(Vec<u8>),
    /// From input: compared as a number when it looks like one.
    Input(Vec<u8>),
}

impl Value {
    pub(super) fn number(&self) -> f64 {
        match self {
            Self::Nothing => 0.0,
            Self::Number(number) => *number,
            Self::String(text) | Self::Input(text) => leading_number(text).0,
        }
    }

    /// The string; a number by `format` (CONVFMT or OFMT) unless it is whole.
    pub(super) fn string(&self, format: &[u8]) -> Result<Vec<u8>, Stop> {
        Ok(match self {
            Self::Nothing => Vec::new(),
            Self::String(text) | Self::Input(text) => text.clone(),
            Self::Number(number) => number_text(*number, format)?,
        })
    }

    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Number(number) => *number != 0.0,
            Self::String(text) => !text.is_empty(),
            Self::Input(text) => match looks_numeric(text) {
                Some(number) => number != 0.0,
                None => !text.is_empty(),
            },
        }
    }

    /// As what it is compared: a number, or `None` for a string.
    fn as_number(&self) -> Option<f64> {
        match self {
            Self::Nothing => Some(0.0),
            Self::Number(number) => Some(*number),
            Self::String(_) => None,
            Self::Input(text) => looks_numeric(text),
        }
    }

    pub(super) fn compare(&self, other: &Self, format: &[u8]) -> Result<Ordering, Stop> {
        if let (Some(a), Some(b)) = (self.as_number(), other.as_number()) {
            return Ok(a.partial_cmp(&b).unwrap_or(Ordering::Equal));
        }
        Ok(self.string(format)?.cmp(&other.string(format)?))
    }
}

/// A number as a string. What the versions of mawk write differently is not evaluated.
fn number_text(number: f64, format: &[u8]) -> Result<Vec<u8>, Stop> {
    let is_whole = number.fract() == 0.0;
    if is_whole && number.abs() <= f64::from(i32::MAX) {
        return Ok(format!("{}", number as i64).into_bytes());
    }
    if is_whole {
        return Err(Stop::new("awk with a number of more than 31 bits"));
    }
    if format != b"%.6g" {
        return Err(Stop::new("awk with a CONVFMT or OFMT of its own"));
    }
    Ok(super::format::general(number, 6, false).into_bytes())
}

/// The number at the beginning of a text and the length of what stands for it.
pub(super) fn leading_number(text: &[u8]) -> (f64, usize) {
    let blanks = text.iter().take_while(|b| b.is_ascii_whitespace()).count();
    let mut at = blanks;
    let digits = |from: usize| text.iter().skip(from).take_while(|b| b.is_ascii_digit()).count();
    if text.get(at).is_some_and(|b| b"+-".contains(b)) {
        at += 1;
    }
    let whole = digits(at);
    at += whole;
    let mut fraction = 0;
    if text.get(at) == Some(&b'.') {
        fraction = digits(at + 1);
        if whole + fraction > 0 {
            at += 1 + fraction;
        }
    }
    if whole + fraction == 0 {
        return (0.0, 0);
    }
    if text.get(at).is_some_and(|b| b"eE".contains(b)) {
        let sign = usize::from(text.get(at + 1).is_some_and(|b| b"+-".contains(b)));
        let exponent = digits(at + 1 + sign);
        if exponent > 0 {
            at += 1 + sign + exponent;
        }
    }
    let number = text.get(blanks..at).and_then(|text| std::str::from_utf8(text).ok());
    (number.and_then(|text| text.parse().ok()).unwrap_or(0.0), at)
}

/// The number that a whole text is, blanks around it.
fn looks_numeric(text: &[u8]) -> Option<f64> {
    let (number, length) = leading_number(text);
    let rest = text.get(length..).unwrap_or_default();
    (length > 0 && rest.iter().all(u8::is_ascii_whitespace)).then_some(number)
}
