//! `head` and `tail` of coreutils: `-n`, `-c`, `-q`, `-v`, `-z`, the number as an option itself.

use super::lines::read_all;
use super::operands::quoted;
use imgfix_shell::options::{Long, Options, Short, Value};
use imgfix_shell::{Process, Status, Stop};

/// How much is shown.
#[derive(Clone, Copy)]
struct Amount {
    count: usize,
    bytes: bool,
    /// head: all but the last ones (`-n -5`); tail: from that one on (`-n +5`).
    signed: bool,
}

/// Prints the beginning of files.
///
/// # Errors
/// An option that is not evaluated.
pub fn head(process: &mut Process<'_>) -> Status {
    show(process, b'-', |data, end, amount| {
        let starts = starts(data, end, amount.bytes);
        let upto = match amount.signed {
            true => starts.len().saturating_sub(amount.count),
            false => amount.count,
        };
        data.get(..starts.get(upto).copied().unwrap_or(data.len())).unwrap_or_default()
    })
}

/// Prints the end of files.
///
/// # Errors
/// An option that is not evaluated, and following a file.
pub fn tail(process: &mut Process<'_>) -> Status {
    show(process, b'+', |data, end, amount| {
        let starts = starts(data, end, amount.bytes);
        let from = match amount.signed {
            true => amount.count.saturating_sub(1),
            false => starts.len().saturating_sub(amount.count),
        };
        data.get(starts.get(from).copied().unwrap_or(data.len())..).unwrap_or_default()
    })
}

/// Where each line or byte begins.
fn starts(data: &[u8], end: u8, bytes: bool) -> Vec<usize> {
    if bytes {
        return (0..data.len()).collect();
    }
    let ends = data.iter().enumerate().filter(|&(_, &b)| b == end).map(|(at, _)| at + 1);
    std::iter::once(0).chain(ends).filter(|&at| at < data.len()).collect()
}

fn show(process: &mut Process<'_>, sign: u8, part: impl Fn(&[u8], u8, Amount) -> &[u8]) -> Status {
    let mut amount = Amount { count: 10, bytes: false, signed: false };
    let (mut named, mut end) = (None, b'\n');
    let mut operands = Vec::new();
    let words = spelled_out(process);
    let name = String::from_utf8_lossy(process.name()).into_owned();
    let mut options = Options::from_words(&name, words);
    while let Some(option) = options.next()? {
        match option {
            Short('n') | Long("lines") => amount = read(process, &options.value()?, sign, false)?,
            Short('c') | Long("bytes") => amount = read(process, &options.value()?, sign, true)?,
            Short('q') | Long("quiet" | "silent") => named = Some(false),
            Short('v') | Long("verbose") => named = Some(true),
            Short('z') | Long("zero-terminated") => end = 0,
            Value(path) => operands.push(path.into_encoded_bytes()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    let named = named.unwrap_or(operands.len() > 1);
    let complaint =
        |name: &[u8], reason| format!("cannot open {} for reading: {reason}", quoted(name));
    let (texts, whole) = read_all(process, operands, complaint)?;
    for (index, text) in texts.into_iter().enumerate() {
        if named {
            let name = if text.name == b"-" { &b"standard input"[..] } else { &text.name };
            let before = if index > 0 { "\n" } else { "" };
            process.print(format!("{before}==> {} <==\n", String::from_utf8_lossy(name)))?;
        }
        process.print(part(&text.data, end, amount))?;
    }
    Ok(if whole { 0 } else { 1 })
}

/// `-5` as `-n 5`, and for tail `+5` as the first word.
fn spelled_out(process: &Process<'_>) -> Vec<Vec<u8>> {
    let mut ended = false;
    let mut value_next = false;
    let spell = |word: &bstr::BString| {
        let is_value = std::mem::replace(&mut value_next, word == "-n" || word == "-c");
        ended |= word == "--";
        match word.strip_prefix(b"-") {
            Some(digits)
                if !ended
                    && !is_value
                    && !digits.is_empty()
                    && digits.iter().all(u8::is_ascii_digit) =>
            {
                [b"-n", digits].concat()
            }
            _ => word.to_vec(),
        }
    };
    process.arguments().iter().map(spell).collect()
}

fn read(process: &Process<'_>, text: &[u8], sign: u8, bytes: bool) -> Result<Amount, Stop> {
    let signed = text.first() == Some(&sign);
    let digits = match text.first() {
        Some(b'+' | b'-') => text.get(1..).unwrap_or_default(),
        _ => text,
    };
    let (digits, unit) = match digits.split_last() {
        Some((b'k' | b'K', number)) => (number, 1024),
        _ => (digits, 1),
    };
    let count = super::lines::number(process, digits)?;
    Ok(Amount { count: count.saturating_mul(unit), bytes, signed })
}
