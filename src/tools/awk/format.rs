//! `printf` of awk, and numbers as C writes them.

use super::super::printf::{Conversion, integer, padded};
use super::value::Value;
use imgfix_shell::Stop;
use imgfix_shell::machine::MAX_DATA;

/// The text of a format and its values.
pub(super) fn formatted(format: &[u8], values: &[Value], convfmt: &[u8]) -> Result<Vec<u8>, Stop> {
    let mut out = Vec::new();
    let mut values = values.iter();
    let mut rest = format;
    while let Some((&byte, behind)) = rest.split_first() {
        if byte != b'%' {
            out.push(byte);
            rest = behind;
            continue;
        }
        if let Some(behind) = behind.strip_prefix(b"%") {
            out.push(b'%');
            rest = behind;
            continue;
        }
        let (conversion, letter, behind) = conversion(behind, &mut values)?;
        rest = behind;
        let value =
            values.next().ok_or_else(|| Stop::new("awk with too few values for a format"))?;
        out.extend(converted(&conversion, letter, value, convfmt)?);
        if out.len() > MAX_DATA {
            return Err(Stop::new("awk with a format that makes too long a text"));
        }
    }
    Ok(out)
}

fn conversion<'f, 'v>(
    text: &'f [u8],
    values: &mut impl Iterator<Item = &'v Value>,
) -> Result<(Conversion, u8, &'f [u8]), Stop> {
    let wrong = || Stop::new("awk with a format that is not known");
    let mut conversion = Conversion::default();
    let mut rest = text;
    while let Some((flag, behind)) = rest.split_first() {
        match flag {
            b'-' => conversion.left = true,
            b'0' => conversion.zero = true,
            b'+' => conversion.plus = true,
            b' ' => conversion.space = true,
            b'#' => conversion.alternate = true,
            _ => break,
        }
        rest = behind;
    }
    let mut size = |rest: &mut &'f [u8]| -> Result<i64, Stop> {
        if let Some(behind) = rest.strip_prefix(b"*") {
            *rest = behind;
            return Ok(values.next().ok_or_else(wrong)?.number() as i64);
        }
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let (number, behind) = rest.split_at(digits);
        *rest = behind;
        let number = std::str::from_utf8(number).unwrap_or_default();
        if number.is_empty() { Ok(0) } else { number.parse().map_err(|_| wrong()) }
    };
    let width = size(&mut rest)?;
    conversion.left |= width < 0;
    conversion.width = usize::try_from(width.unsigned_abs()).unwrap_or(usize::MAX);
    if let Some(behind) = rest.strip_prefix(b".") {
        rest = behind;
        conversion.precision = usize::try_from(size(&mut rest)?).ok();
    }
    if conversion.width > 1 << 16 || conversion.precision.is_some_and(|most| most > 1 << 16) {
        return Err(wrong());
    }
    let (&letter, rest) = rest.split_first().ok_or_else(wrong)?;
    Ok((conversion, letter, rest))
}

fn converted(
    conversion: &Conversion,
    letter: u8,
    value: &Value,
    convfmt: &[u8],
) -> Result<Vec<u8>, Stop> {
    let unknown = || Stop::new(format!("awk with the conversion %{}", char::from(letter)));
    let text = match letter {
        b'd' | b'i' | b'o' | b'u' | b'x' | b'X' => {
            let number = value.number().trunc();
            if number.abs() > f64::from(i32::MAX) {
                return Err(Stop::new("awk with a number of more than 31 bits"));
            }
            return integer(conversion, letter, number as i128).ok_or_else(unknown);
        }
        b's' => value.string(convfmt)?,
        b'c' => match value {
            Value::Number(code) => vec![u8::try_from(*code as i64 & 0xff).unwrap_or(0)],
            other => other.string(convfmt)?.into_iter().take(1).collect(),
        },
        b'f' | b'e' | b'g' | b'E' | b'G' => {
            return Ok(floating(conversion, letter, value.number()));
        }
        _ => return Err(unknown()),
    };
    let length = conversion.precision.filter(|_| letter == b's').unwrap_or(text.len());
    Ok(padded(conversion, text.get(..length.min(text.len())).unwrap_or_default()))
}

fn floating(conversion: &Conversion, letter: u8, number: f64) -> Vec<u8> {
    let precision = conversion.precision.unwrap_or(6);
    let size = number.abs();
    let mut text = match letter.to_ascii_lowercase() {
        b'f' => format!("{size:.precision$}"),
        b'e' => scientific(size, precision),
        _ => general(size, precision, conversion.alternate),
    };
    if letter.is_ascii_uppercase() {
        text.make_ascii_uppercase();
    }
    let sign = match (number.is_sign_negative(), conversion.plus, conversion.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (_, _, true) => " ",
        _ => "",
    };
    if conversion.zero && !conversion.left {
        let width = conversion.width.saturating_sub(sign.len());
        text = format!("{text:0>width$}");
    }
    padded(conversion, format!("{sign}{text}").as_bytes())
}

/// `%e`: an exponent of at least two digits.
fn scientific(number: f64, precision: usize) -> String {
    let text = format!("{number:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// `%g`.
pub(super) fn general(number: f64, precision: usize, alternate: bool) -> String {
    let precision = precision.max(1);
    if number == 0.0 {
        return "0".into();
    }
    let rounded = format!("{:.*e}", precision - 1, number);
    let exponent: i64 =
        rounded.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0);
    let fixed = exponent >= -4 && exponent < precision as i64;
    let text = match fixed {
        true => {
            let digits = usize::try_from(precision as i64 - 1 - exponent).unwrap_or(0);
            format!("{number:.digits$}")
        }
        false => scientific(number, precision - 1),
    };
    if alternate || !text.contains('.') {
        return text;
    }
    let (mantissa, exponent) = match text.find('e') {
        Some(at) => text.split_at(at),
        None => (&text[..], ""),
    };
    format!("{}{exponent}", mantissa.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_c_writes_them() {
        for (format, number, want) in [
            ("%.6g", 0.1 + 0.2, "0.3"),
            ("%.6g", 1.0 / 3.0, "0.333333"),
            ("%.6g", 1234567.5, "1.23457e+06"),
            ("%.6g", 0.00001, "1e-05"),
            ("%g", 100000.0, "100000"),
            ("%e", 12345.678, "1.234568e+04"),
            ("%8.2f|", -1.5, "   -1.50|"),
            ("%-8.1f|", 2.25, "2.2     |"),
            ("%05d", 42.9, "00042"),
            ("%x", 255.0, "ff"),
            ("%c", 65.0, "A"),
        ] {
            let got = formatted(format.as_bytes(), &[Value::Number(number)], b"%.6g").unwrap();
            assert_eq!(String::from_utf8(got).unwrap(), want, "{format} {number}");
        }
    }
}
