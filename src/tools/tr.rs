//! `tr` of coreutils: `-c`, `-d`, `-s`, `-t`; ranges, classes, escapes, `[x*n]`.

use imgfix_shell::options::{Long, Short, Value};
use imgfix_shell::{Process, Status, Stop};

#[derive(Default)]
struct Request {
    complement: bool,
    delete: bool,
    squeeze: bool,
    truncate: bool,
}

/// Translates, squeezes or deletes bytes of its input.
///
/// # Errors
/// An option or set that is not evaluated.
pub fn run(process: &mut Process<'_>) -> Status {
    let mut request = Request::default();
    let mut sets = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('c' | 'C') | Long("complement") => request.complement = true,
            Short('d') | Long("delete") => request.delete = true,
            Short('s') | Long("squeeze-repeats") => request.squeeze = true,
            Short('t') | Long("truncate-set1") => request.truncate = true,
            Value(set) => {
                sets.push(set.into_encoded_bytes());
                sets.extend(options.rest()?);
            }
            other => return Err(process.unsupported_option(&other)),
        }
    }
    let counts = match (request.delete, request.squeeze) {
        (true, true) | (false, false) => 2..=2,
        (true, false) => 1..=1,
        (false, true) => 1..=2,
    };
    if !counts.contains(&sets.len()) {
        process.complain("missing or extra operand")?;
        return Ok(1);
    }
    let first = set(process, sets.first().map_or(&[][..], Vec::as_slice), None)?;
    let first = match request.complement {
        true => (0..=255).filter(|byte| !first.contains(byte)).collect(),
        false => first,
    };
    let second = match sets.get(1) {
        Some(text) => Some(set(process, text, Some(first.len()))?),
        None => None,
    };
    let input = process.input()?;
    let out = translated(process, &request, &first, second.as_deref(), &input)?;
    process.print(out)?;
    Ok(0)
}

fn translated(
    process: &Process<'_>,
    request: &Request,
    first: &[u8],
    second: Option<&[u8]>,
    input: &[u8],
) -> Result<Vec<u8>, Stop> {
    let mut table: [u8; 256] = std::array::from_fn(|byte| u8::try_from(byte).unwrap_or(0));
    let translates = !request.delete && second.is_some();
    if let (true, Some(second)) = (translates, second) {
        let Some(&last) = second.last() else {
            return Err(process.unsupported("an empty second set"));
        };
        for (at, from) in first.iter().enumerate() {
            let to = match second.get(at) {
                Some(to) => *to,
                None if request.truncate => break,
                None => last,
            };
            if let Some(place) = table.get_mut(usize::from(*from)) {
                *place = to;
            }
        }
    }
    let squeezed = match (request.squeeze, second) {
        (false, _) => &[][..],
        (true, Some(second)) => second,
        (true, None) => first,
    };
    let mut out = Vec::with_capacity(input.len());
    for &byte in input {
        if request.delete && first.contains(&byte) {
            continue;
        }
        let byte = table.get(usize::from(byte)).copied().unwrap_or(byte);
        if squeezed.contains(&byte) && out.last() == Some(&byte) {
            continue;
        }
        out.push(byte);
    }
    Ok(out)
}

/// The bytes of a set in their order. `length` is that of the first set, which `[x*]` fills.
fn set(process: &Process<'_>, text: &[u8], length: Option<usize>) -> Result<Vec<u8>, Stop> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = text.get(at..).unwrap_or_default();
        if let Some((bytes, taken)) = bracketed(process, rest, length, out.len())? {
            out.extend(bytes);
            at += taken;
            continue;
        }
        let (low, taken) = byte(rest);
        at += taken;
        let behind = text.get(at + 1..).unwrap_or_default();
        if text.get(at) == Some(&b'-') && !behind.is_empty() {
            let (high, taken) = byte(behind);
            if high < low {
                return Err(process.unsupported("a range in reverse order"));
            }
            out.extend(low..=high);
            at += 1 + taken;
        } else {
            out.push(low);
        }
    }
    Ok(out)
}

/// `[:class:]`, `[=x=]` or `[x*n]` at the beginning of a text.
fn bracketed(
    process: &Process<'_>,
    text: &[u8],
    length: Option<usize>,
    before: usize,
) -> Result<Option<(Vec<u8>, usize)>, Stop> {
    if text.starts_with(b"[:") {
        let inside = text.get(2..).unwrap_or_default();
        if let Some(end) = inside.windows(2).position(|pair| pair == b":]") {
            let name = inside.get(..end).unwrap_or_default();
            let bytes = imgfix_shell::regex::class_bytes(name)
                .ok_or_else(|| process.unsupported([b"class ", name].concat()))?;
            return Ok(Some((bytes, end + 4)));
        }
    }
    if let [b'[', b'=', byte, b'=', b']', ..] = text {
        return Ok(Some((vec![*byte], 5)));
    }
    if text.first() == Some(&b'[') && length.is_some() {
        let (repeated, taken) = byte(text.get(1..).unwrap_or_default());
        let rest = text.get(1 + taken..).unwrap_or_default();
        if let (Some(b'*'), Some(end)) = (rest.first(), rest.iter().position(|&b| b == b']')) {
            let digits = rest.get(1..end).unwrap_or_default();
            if digits.is_empty() {
                let count = length.unwrap_or(0).saturating_sub(before);
                return Ok(Some((vec![repeated; count], 1 + taken + end + 1)));
            }
            return Err(process.unsupported("a repetition with a count"));
        }
    }
    Ok(None)
}

/// A byte or an escape at the beginning of a text, and its length.
fn byte(text: &[u8]) -> (u8, usize) {
    match text {
        [b'\\', b'0'..=b'7', ..] => {
            let digits = text.iter().skip(1).take(3).take_while(|b| (b'0'..=b'7').contains(b));
            let mut value = 0u32;
            let mut count = 0;
            for digit in digits {
                let next = value * 8 + u32::from(digit - b'0');
                if next > 255 {
                    break;
                }
                (value, count) = (next, count + 1);
            }
            (u8::try_from(value).unwrap_or(0), count + 1)
        }
        [b'\\', letter, ..] => {
            let byte = match letter {
                b'a' => 0x07,
                b'b' => 0x08,
                b'f' => 0x0c,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'v' => 0x0b,
                other => *other,
            };
            (byte, 2)
        }
        [byte, ..] => (*byte, 1),
        [] => (0, 1),
    }
}
