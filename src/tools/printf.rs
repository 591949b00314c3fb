//! `printf` and `echo` (`-n`, `-e`, `-E`) of coreutils.

use imgfix_shell::machine::MAX_DATA;
use imgfix_shell::{Process, Status};

/// Prints its arguments with blanks between them.
///
/// # Errors
/// Data limits.
pub fn echo(process: &mut Process<'_>) -> Status {
    let (mut newline, mut escapes) = (true, false);
    let mut words = process.arguments();
    while let Some((word, rest)) = words.split_first() {
        let letters = word.strip_prefix(b"-").unwrap_or_default();
        if letters.is_empty() || !letters.iter().all(|b| b"neE".contains(b)) {
            break;
        }
        for letter in letters {
            match letter {
                b'n' => newline = false,
                letter => escapes = *letter == b'e',
            }
        }
        words = rest;
    }
    let text = words.iter().map(|word| &word[..]).collect::<Vec<_>>().join(&b' ');
    let (mut out, ended) = match escapes {
        true => unescaped(&text, Zero::Needed),
        false => (text, false),
    };
    if newline && !ended {
        out.push(b'\n');
    }
    process.print(out)?;
    Ok(0)
}

/// Prints its arguments by a format, which is used again while arguments are left.
///
/// # Errors
/// A conversion that is not evaluated.
pub fn printf(process: &mut Process<'_>) -> Status {
    let words: Vec<Vec<u8>> = process.arguments().iter().map(|word| word.to_vec()).collect();
    let words = match words.first() {
        Some(first) if first == b"--" => words.get(1..).unwrap_or_default(),
        _ => &words[..],
    };
    let Some((format, arguments)) = words.split_first() else {
        process.complain("missing operand")?;
        return Ok(1);
    };
    let mut printer = Printer { arguments, taken: 0, out: Vec::new(), wrong: Vec::new() };
    loop {
        let (before, written) = (printer.taken, printer.out.len());
        let Some(ended) = printer.once(format) else {
            return Err(process.unsupported([b"format ", &format[..]].concat()));
        };
        process.machine.spend(1)?;
        process.machine.spend_growth(written, printer.out.len())?;
        if ended || printer.taken >= arguments.len() || printer.taken == before {
            break;
        }
    }
    let Printer { out, wrong, .. } = printer;
    process.print(out)?;
    let status = u8::from(!wrong.is_empty());
    for text in wrong {
        process
            .complain(format!("'{}': expected a numeric value", String::from_utf8_lossy(&text)))?;
    }
    Ok(status)
}

struct Printer<'a> {
    arguments: &'a [Vec<u8>],
    taken: usize,
    out: Vec<u8>,
    /// Arguments that should have been numbers.
    wrong: Vec<Vec<u8>>,
}

/// Width, precision and flags of a conversion.
#[derive(Default)]
pub(super) struct Conversion {
    pub(super) left: bool,
    pub(super) zero: bool,
    pub(super) plus: bool,
    pub(super) space: bool,
    pub(super) alternate: bool,
    pub(super) width: usize,
    pub(super) precision: Option<usize>,
}

impl Printer<'_> {
    fn next(&mut self) -> Vec<u8> {
        let word = self.arguments.get(self.taken).cloned().unwrap_or_default();
        self.taken += 1;
        word
    }

    /// Goes through the format; whether `\c` ended the output. `None` for an unknown conversion.
    fn once(&mut self, format: &[u8]) -> Option<bool> {
        let mut rest = format;
        while let Some((&byte, behind)) = rest.split_first() {
            if self.out.len() > MAX_DATA {
                return None;
            }
            match byte {
                b'\\' => {
                    let length = escape_length(rest);
                    let (text, ended) = unescaped(rest.get(..length)?, Zero::Optional);
                    self.out.extend(text);
                    if ended {
                        return Some(true);
                    }
                    rest = rest.get(length..)?;
                }
                b'%' if behind.first() == Some(&b'%') => {
                    self.out.push(b'%');
                    rest = behind.get(1..)?;
                }
                b'%' => {
                    let (conversion, letter, behind) = self.conversion(behind)?;
                    if self.convert(&conversion, letter)? {
                        return Some(true);
                    }
                    rest = behind;
                }
                other => {
                    self.out.push(other);
                    rest = behind;
                }
            }
        }
        Some(false)
    }

    fn conversion<'f>(&mut self, text: &'f [u8]) -> Option<(Conversion, u8, &'f [u8])> {
        let mut conversion = Conversion::default();
        let flags = text.iter().take_while(|b| b"-0+ #".contains(b)).count();
        for flag in text.iter().take(flags) {
            match flag {
                b'-' => conversion.left = true,
                b'0' => conversion.zero = true,
                b'+' => conversion.plus = true,
                b' ' => conversion.space = true,
                _ => conversion.alternate = true,
            }
        }
        let mut rest = text.get(flags..)?;
        let size = |printer: &mut Self, rest: &mut &'f [u8]| -> Option<i64> {
            if let Some(behind) = rest.strip_prefix(b"*") {
                *rest = behind;
                return std::str::from_utf8(&printer.next()).ok()?.parse().ok();
            }
            let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
            let (number, behind) = rest.split_at(digits);
            *rest = behind;
            if number.is_empty() { Some(0) } else { std::str::from_utf8(number).ok()?.parse().ok() }
        };
        let width = size(self, &mut rest)?;
        conversion.left |= width < 0;
        conversion.width =
            usize::try_from(width.unsigned_abs()).ok().filter(|width| *width < 1 << 16)?;
        if let Some(behind) = rest.strip_prefix(b".") {
            rest = behind;
            conversion.precision = Some(usize::try_from(size(self, &mut rest)?).ok()?);
        }
        let (&letter, rest) = rest.split_first()?;
        Some((conversion, letter, rest))
    }

    fn convert(&mut self, conversion: &Conversion, letter: u8) -> Option<bool> {
        let word = self.next();
        let (text, ended) = match letter {
            b's' => (word, false),
            b'b' => unescaped(&word, Zero::Needed),
            b'c' => (word.get(..1).unwrap_or_default().to_vec(), false),
            b'd' | b'i' | b'o' | b'u' | b'x' | b'X' => {
                let value = self.integer(word);
                self.out.extend(integer(conversion, letter, value)?);
                return Some(false);
            }
            _ => return None,
        };
        let length = conversion.precision.unwrap_or(text.len()).min(text.len());
        let text = text.get(..length)?;
        self.out.extend(padded(conversion, text));
        Some(ended)
    }

    fn integer(&mut self, word: Vec<u8>) -> i128 {
        if word.is_empty() {
            return 0;
        }
        if let Some(quoted) = word.strip_prefix(b"'").or_else(|| word.strip_prefix(b"\"")) {
            return quoted.first().copied().unwrap_or(0).into();
        }
        let text = String::from_utf8_lossy(&word).trim_start().to_owned();
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(&text)),
        };
        let hexadecimal = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
        let (digits, radix) = match hexadecimal {
            Some(digits) => (digits, 16),
            None if digits.len() > 1 && digits.starts_with('0') => (digits, 8),
            None => (digits, 10),
        };
        let length = digits.chars().take_while(|c| c.is_digit(radix)).count();
        let value = i128::from_str_radix(digits.get(..length).unwrap_or_default(), radix);
        if length < digits.len() || value.is_err() {
            self.wrong.push(word);
        }
        let value = value.unwrap_or(0);
        if negative { -value } else { value }
    }
}

/// An integer as C's printf writes it, in 64 bits.
pub(super) fn integer(conversion: &Conversion, letter: u8, value: i128) -> Option<Vec<u8>> {
    let signed = i64::try_from(value.clamp(i64::MIN.into(), i64::MAX.into())).ok()?;
    let unsigned = match u64::try_from(value) {
        Ok(value) => value,
        Err(_) => signed.cast_unsigned(),
    };
    let (sign, mut digits) = match letter {
        b'd' | b'i' => {
            let sign = match (signed < 0, conversion.plus, conversion.space) {
                (true, ..) => "-",
                (_, true, _) => "+",
                (_, _, true) => " ",
                _ => "",
            };
            (sign, signed.unsigned_abs().to_string())
        }
        b'u' => ("", unsigned.to_string()),
        b'o' => (if conversion.alternate { "0" } else { "" }, format!("{unsigned:o}")),
        b'x' => (if conversion.alternate { "0x" } else { "" }, format!("{unsigned:x}")),
        b'X' => (if conversion.alternate { "0X" } else { "" }, format!("{unsigned:X}")),
        _ => return None,
    };
    if let Some(precision) = conversion.precision {
        digits = format!("{digits:0>precision$}");
    } else if conversion.zero && !conversion.left {
        let width = conversion.width.saturating_sub(sign.len());
        digits = format!("{digits:0>width$}");
    }
    Some(padded(conversion, format!("{sign}{digits}").as_bytes()))
}

/// A text in its width.
pub(super) fn padded(conversion: &Conversion, text: &[u8]) -> Vec<u8> {
    let blanks = vec![b' '; conversion.width.saturating_sub(text.len())];
    match conversion.left {
        true => [text, &blanks].concat(),
        false => [&blanks, text].concat(),
    }
}

/// Whether octal escapes begin with a zero of their own (`\0NNN`), as in `echo -e` and `%b`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Zero {
    Needed,
    Optional,
}

/// How long the escape at the beginning of a text is.
fn escape_length(text: &[u8]) -> usize {
    let digits = |from: usize, most: usize, is: fn(&u8) -> bool| {
        text.iter().skip(from).take(most).take_while(|b| is(b)).count()
    };
    let octal: fn(&u8) -> bool = |b| (b'0'..=b'7').contains(b);
    match text.get(1) {
        Some(b'0'..=b'7') => 1 + digits(1, 3, octal),
        Some(b'x') => 2 + digits(2, 2, u8::is_ascii_hexdigit),
        Some(_) => 2,
        None => 1,
    }
}

/// A text without its escapes, and whether `\c` ended it.
fn unescaped(text: &[u8], zero: Zero) -> (Vec<u8>, bool) {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        if byte != b'\\' {
            out.push(byte);
            rest = behind;
            continue;
        }
        let simple = match behind.first() {
            Some(b'a') => 0x07,
            Some(b'b') => 0x08,
            Some(b'e') => 0x1b,
            Some(b'f') => 0x0c,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'v') => 0x0b,
            Some(b'\\') => b'\\',
            Some(b'"') if zero == Zero::Optional => b'"',
            Some(b'c') => return (out, true),
            Some(b'x') => {
                let digits = behind.iter().skip(1).take(2).take_while(|b| b.is_ascii_hexdigit());
                let digits: Vec<u8> = digits.copied().collect();
                match number(&digits, 16) {
                    Some(value) => {
                        out.push(value);
                        rest = behind.get(1 + digits.len()..).unwrap_or_default();
                        continue;
                    }
                    None => {
                        out.extend_from_slice(b"\\x");
                        rest = behind.get(1..).unwrap_or_default();
                        continue;
                    }
                }
            }
            Some(b'0'..=b'7') => {
                // With a zero of its own three more digits follow.
                let own = usize::from(zero == Zero::Needed && behind.first() == Some(&b'0'));
                let digits = behind.iter().skip(own).take(3);
                let digits: Vec<u8> =
                    digits.take_while(|b| (b'0'..=b'7').contains(b)).copied().collect();
                out.push(number(&digits, 8).unwrap_or(0));
                rest = behind.get(own + digits.len()..).unwrap_or_default();
                continue;
            }
            Some(_) | None => {
                out.push(b'\\');
                rest = behind;
                continue;
            }
        };
        out.push(simple);
        rest = behind.get(1..).unwrap_or_default();
    }
    (out, false)
}

fn number(digits: &[u8], radix: u32) -> Option<u8> {
    let value = u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()?;
    u8::try_from(value & 0xff).ok()
}
