//! `seq` of coreutils for whole numbers: `-s`, `-w`.

use imgfix_shell::{Process, Status};

/// The most numbers printed.
const MAX_NUMBERS: i64 = 1_000_000;

/// Prints numbers from the first to the last.
///
/// # Errors
/// An option, or a number with a fraction.
pub fn run(process: &mut Process<'_>) -> Status {
    let (mut separator, mut wide) = (b"\n".to_vec(), false);
    let mut numbers = Vec::new();
    let mut words = process.arguments().iter();
    while let Some(word) = words.next() {
        let number = std::str::from_utf8(word).ok().and_then(|word| word.parse::<i64>().ok());
        match (&word[..], number) {
            (_, Some(number)) => numbers.push(number),
            (b"-w" | b"--equal-width", None) => wide = true,
            (b"-s", None) => separator = words.next().map(|word| word.to_vec()).unwrap_or_default(),
            (other, None) => return Err(process.unsupported(other)),
        }
    }
    let (first, step, last) = match numbers[..] {
        [last] => (1, 1, last),
        [first, last] => (first, 1, last),
        [first, step, last] if step != 0 => (first, step, last),
        _ => return Err(process.unsupported("these operands")),
    };
    let count = last.saturating_sub(first).checked_div(step).unwrap_or(-1);
    if count > MAX_NUMBERS {
        return Err(process.unsupported("so many numbers"));
    }
    let is_empty = if step > 0 { first > last } else { first < last };
    if is_empty {
        return Ok(0);
    }
    let width = match wide {
        true => [first, first + count * step, last].map(|n| n.to_string().len()).into_iter().max(),
        false => None,
    };
    let text = |at: i64| {
        let width = width.unwrap_or(0);
        format!("{:0width$}", first + at * step).into_bytes()
    };
    let mut out = Vec::new();
    for at in 0..=count {
        let before = out.len();
        if at > 0 {
            out.extend_from_slice(&separator);
        }
        out.extend(text(at));
        process.machine.spend_growth(before, out.len())?;
    }
    process.machine.spend_items(usize::try_from(count).unwrap_or_default())?;
    out.push(b'\n');
    process.print(out)?;
    Ok(0)
}
