//! `printf`.

use bstr::BString;

use super::escape::{self, EscapeContext, Escaped};
use crate::Stop;
use crate::shell::flow::{Eval, Failure};
use crate::shell::{Dialect, Shell};

/// The widest field.
const MAX_WIDTH: usize = 1 << 16;

pub(super) fn printf(shell: &mut Shell<'_>, argv: &[BString], _: Failure) -> Eval {
    let mut rest = argv.get(1..).unwrap_or_default();
    if rest.first().is_some_and(|word| &word[..] == b"--") {
        rest = rest.get(1..).unwrap_or_default();
    }
    let mut variable = None;
    if shell.dialect == Dialect::Bash && rest.first().is_some_and(|word| &word[..] == b"-v") {
        variable = rest.get(1).cloned();
        rest = rest.get(2..).unwrap_or_default();
    }
    let Some((format, arguments)) = rest.split_first() else {
        return Err(shell.complain(b"printf", b"usage: printf format [arg ...]"));
    };
    if format.starts_with(b"-") && format.len() > 1 && shell.dialect != Dialect::Bash {
        return Err(shell.complain(b"printf", [b"Illegal option ", &format[..]].concat()));
    }
    let mut out = Output { text: Vec::new(), status: 0, arguments, ended: false };
    loop {
        let (before, written) = (out.arguments.len(), out.text.len());
        formatted(shell, format, &mut out)?;
        shell.machine.spend_growth(written, out.text.len())?;
        if out.arguments.is_empty() || out.ended || out.arguments.len() == before {
            break;
        }
        shell.machine.spend(1)?;
    }
    match variable {
        Some(name) => shell.assign(&name, out.text.into())?,
        None => {
            shell.print(&out.text, "printf")?;
        }
    }
    Ok(out.status)
}

struct Output<'a> {
    text: Vec<u8>,
    status: u8,
    arguments: &'a [BString],
    /// `%b` had a `\c`.
    ended: bool,
}

impl Output<'_> {
    fn next(&mut self) -> Option<BString> {
        let (first, rest) = self.arguments.split_first()?;
        self.arguments = rest;
        Some(first.clone())
    }
}

/// Flags, width and precision of a conversion.
#[derive(Default)]
struct Shape {
    left: bool,
    zero: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
}

/// The format once.
fn formatted(shell: &mut Shell<'_>, format: &[u8], out: &mut Output<'_>) -> Eval<()> {
    let mut rest = format;
    while let Some((&b, after)) = rest.split_first() {
        match b {
            b'\\' => {
                let end = escape::length(rest, shell.dialect);
                let (escape, next) = rest.split_at(end.min(rest.len()));
                out.text.extend(escaped(shell, escape, EscapeContext::Format)?.text);
                rest = next;
            }
            b'%' if after.first() == Some(&b'%') => {
                out.text.push(b'%');
                rest = after.get(1..).unwrap_or_default();
            }
            b'%' => {
                let before = out.text.len();
                rest = conversion(shell, after, out)?;
                shell.machine.spend_growth(before, out.text.len())?;
                if out.ended {
                    return Ok(());
                }
            }
            b => {
                out.text.push(b);
                rest = after;
            }
        }
    }
    Ok(())
}

fn escaped(shell: &Shell<'_>, text: &[u8], context: EscapeContext) -> Eval<Escaped> {
    let result = escape::escaped(text, context, shell.dialect);
    result.ok_or_else(|| Stop::new("an escape of bash's printf").into())
}

fn conversion<'f>(shell: &mut Shell<'_>, format: &'f [u8], out: &mut Output<'_>) -> Eval<&'f [u8]> {
    let mut shape = Shape::default();
    let mut rest = format;
    while let Some((flag, after)) = rest.split_first() {
        match flag {
            b'-' => shape.left = true,
            b'0' => shape.zero = true,
            b'+' => shape.plus = true,
            b' ' => shape.space = true,
            b'#' => shape.alternate = true,
            _ => break,
        }
        rest = after;
    }
    let (width, after) = size(shell, rest, out)?;
    shape.left |= width < 0;
    shape.width = width.unsigned_abs() as usize;
    rest = after;
    if let Some(after) = rest.strip_prefix(b".") {
        let (precision, after) = size(shell, after, out)?;
        shape.precision = usize::try_from(precision).ok();
        rest = after;
    }
    if shape.width.max(shape.precision.unwrap_or(0)) > MAX_WIDTH {
        return Err(Stop::new("a very wide field in printf").into());
    }
    let Some((&letter, after)) = rest.split_first() else {
        return Err(shell.complain(b"printf", b"missing format character"));
    };
    match letter {
        b's' => {
            let text = out.next().unwrap_or_default();
            pad_text(&text, &shape, &mut out.text);
        }
        b'b' => {
            let text = out.next().unwrap_or_default();
            let result = escaped(shell, &text, EscapeContext::Argument)?;
            pad_text(&result.text, &shape, &mut out.text);
            out.ended |= result.ended;
        }
        b'c' => {
            let text = out.next().unwrap_or_default();
            let first = text.get(..1).unwrap_or(b"\0");
            pad_text(first, &Shape { precision: None, ..shape }, &mut out.text);
        }
        b'd' | b'i' | b'o' | b'u' | b'x' | b'X' => {
            let value = number(shell, out)?;
            pad_number(value, letter, &shape, &mut out.text);
        }
        b'q' if shell.dialect == Dialect::Bash => {
            return Err(Stop::new("printf with %q").into());
        }
        b'e' | b'E' | b'f' | b'F' | b'g' | b'G' | b'a' | b'A' => {
            return Err(Stop::new("printf with a floating point number").into());
        }
        _ => {
            let directive =
                [b"%", format.get(..format.len() - after.len()).unwrap_or_default()].concat();
            return Err(
                shell.complain(b"printf", [&directive[..], b": invalid directive"].concat())
            );
        }
    }
    Ok(after)
}

/// A width: digits, or `*` for an argument.
fn size<'f>(
    shell: &mut Shell<'_>,
    format: &'f [u8],
    out: &mut Output<'_>,
) -> Eval<(i64, &'f [u8])> {
    if let Some(after) = format.strip_prefix(b"*") {
        return Ok((number(shell, out)?, after));
    }
    let length = format.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, after) = format.split_at(length);
    let value = std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok());
    match (value, length) {
        (Some(value), _) => Ok((value, after)),
        (None, 0) => Ok((0, after)),
        (None, _) => Err(Stop::new("a very wide field in printf").into()),
    }
}

/// The next argument as a number: `'a` is the code of a letter. What is no number is
/// written about, and counts as far as it is one.
fn number(shell: &mut Shell<'_>, out: &mut Output<'_>) -> Eval<i64> {
    let Some(text) = out.next() else { return Ok(0) };
    if let Some(quoted) = text.strip_prefix(b"'").or_else(|| text.strip_prefix(b"\"")) {
        return Ok(quoted.first().map_or(0, |b| i64::from(*b)));
    }
    let trimmed = text.trim_ascii_start();
    let (negative, digits) = match trimmed.first() {
        Some(b'-') => (true, trimmed.get(1..).unwrap_or_default()),
        Some(b'+') => (false, trimmed.get(1..).unwrap_or_default()),
        _ => (false, trimmed),
    };
    let hexadecimal = digits.strip_prefix(b"0x").or_else(|| digits.strip_prefix(b"0X"));
    let (radix, digits) = match hexadecimal {
        Some(digits) => (16, digits),
        None if digits.starts_with(b"0") => (8, digits),
        None => (10, digits),
    };
    let length = digits.iter().take_while(|b| char::from(**b).is_digit(radix)).count();
    let (digits, left) = digits.split_at(length);
    let value =
        std::str::from_utf8(digits).ok().and_then(|text| i128::from_str_radix(text, radix).ok());
    let signed = value.map(|value| if negative { -value } else { value });
    let fits = signed.and_then(|value| {
        i64::try_from(value).ok().or_else(|| u64::try_from(value).ok().map(u64::cast_signed))
    });
    let problem = match (signed, fits) {
        (None, _) => Some("expected numeric value"),
        (Some(_), _) if !left.is_empty() => Some("not completely converted"),
        (Some(_), None) => Some("Numerical result out of range"),
        _ => None,
    };
    if let Some(problem) = problem.filter(|_| !text.is_empty() || shell.dialect != Dialect::Bash) {
        let _written = shell.complain(b"printf", [&text[..], b": ", problem.as_bytes()].concat());
        out.status = 1;
    }
    let edge = if negative { i64::MIN } else { i64::MAX };
    Ok(fits.unwrap_or(if signed.is_some() { edge } else { 0 }))
}

fn pad_text(text: &[u8], shape: &Shape, out: &mut Vec<u8>) {
    let text =
        text.get(..shape.precision.unwrap_or(text.len()).min(text.len())).unwrap_or_default();
    pad(text, shape, out);
}

fn pad(text: &[u8], shape: &Shape, out: &mut Vec<u8>) {
    let blanks = std::iter::repeat_n(b' ', shape.width.saturating_sub(text.len()));
    match shape.left {
        true => {
            out.extend_from_slice(text);
            out.extend(blanks);
        }
        false => {
            out.extend(blanks);
            out.extend_from_slice(text);
        }
    }
}

fn pad_number(value: i64, letter: u8, shape: &Shape, out: &mut Vec<u8>) {
    let signed = matches!(letter, b'd' | b'i');
    let mut digits = match letter {
        b'd' | b'i' => value.unsigned_abs().to_string(),
        b'o' => format!("{:o}", value.cast_unsigned()),
        b'x' => format!("{:x}", value.cast_unsigned()),
        b'X' => format!("{:X}", value.cast_unsigned()),
        _ => value.cast_unsigned().to_string(),
    };
    if value == 0 && shape.precision == Some(0) {
        digits.clear();
    }
    let mut prefix = match letter {
        _ if signed && value < 0 => "-",
        _ if signed && shape.plus => "+",
        _ if signed && shape.space => " ",
        b'x' if shape.alternate && value != 0 => "0x",
        b'X' if shape.alternate && value != 0 => "0X",
        _ => "",
    }
    .to_owned();
    if letter == b'o' && shape.alternate && !digits.starts_with('0') {
        digits.insert(0, '0');
    }
    let fill = match shape.precision {
        Some(precision) => precision.saturating_sub(digits.len()),
        None if shape.zero && !shape.left => {
            shape.width.saturating_sub(digits.len() + prefix.len())
        }
        None => 0,
    };
    prefix.extend(std::iter::repeat_n('0', fill));
    prefix.push_str(&digits);
    pad(prefix.as_bytes(), shape, out);
}
