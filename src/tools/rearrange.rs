//! Commands that rearrange lines: `tac`, `rev`, `paste` (`-d`, `-s`) and `comm` (`-1`, `-2`, `-3`).

use super::lines::{lines, plainly, read_all};
use imgfix_shell::options::{Long, Short, Value};
use imgfix_shell::{Process, Status};

/// Prints lines, the last first.
///
/// # Errors
/// An option that is not evaluated.
pub fn tac(process: &mut Process<'_>) -> Status {
    let operands = only_operands(process)?;
    let (texts, whole) = read_all(process, operands, |name, reason| {
        format!("failed to open '{}' for reading: {reason}", String::from_utf8_lossy(name))
    })?;
    for text in texts {
        let reversed: Vec<&[u8]> = text.data.split_inclusive(|&b| b == b'\n').rev().collect();
        process.print(reversed.concat())?;
    }
    Ok(if whole { 0 } else { 1 })
}

/// Prints each line backwards.
///
/// # Errors
/// An option that is not evaluated.
pub fn rev(process: &mut Process<'_>) -> Status {
    let operands = only_operands(process)?;
    let (texts, whole) = read_all(process, operands, |name, reason| {
        format!("cannot open {}: {reason}", String::from_utf8_lossy(name))
    })?;
    for text in texts {
        let mut out = Vec::new();
        for line in text.data.split_inclusive(|&b| b == b'\n') {
            let (line, end) = match line.strip_suffix(b"\n") {
                Some(line) => (line, &b"\n"[..]),
                None => (line, &b""[..]),
            };
            out.extend(line.iter().rev());
            out.extend_from_slice(end);
        }
        process.print(out)?;
    }
    Ok(if whole { 0 } else { 1 })
}

fn only_operands(process: &Process<'_>) -> Result<Vec<Vec<u8>>, imgfix_shell::Stop> {
    let mut operands = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Value(path) => operands.push(path.into_encoded_bytes()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    Ok(operands)
}

/// Joins lines of files side by side, or with `-s` all lines of each file.
///
/// # Errors
/// An option that is not evaluated.
pub fn paste(process: &mut Process<'_>) -> Status {
    let (mut delimiters, mut serial) = (vec![Some(b'\t')], false);
    let mut operands = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('s') | Long("serial") => serial = true,
            Short('d') | Long("delimiters") => {
                let text = options.value()?;
                delimiters = unescaped(&text);
                if delimiters.is_empty() {
                    delimiters.push(None);
                }
            }
            Value(path) => operands.push(path.into_encoded_bytes()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    if operands.iter().filter(|path| *path == b"-").count() > 1 {
        return Err(process.unsupported("standard input twice"));
    }
    let (texts, whole) = read_all(process, operands, plainly)?;
    if !whole {
        return Ok(1);
    }
    let columns: Vec<Vec<&[u8]>> = texts.iter().map(|text| lines(&text.data, b'\n')).collect();
    let rows: Vec<Vec<&[u8]>> = match serial {
        true => columns,
        false => {
            let height = columns.iter().map(Vec::len).max().unwrap_or(0);
            let row = |at: usize| {
                columns.iter().map(|column| column.get(at).copied().unwrap_or_default()).collect()
            };
            (0..height).map(row).collect()
        }
    };
    let mut out = Vec::new();
    for row in rows {
        for (at, field) in row.iter().enumerate() {
            if at > 0 {
                out.extend(delimiters.get((at - 1) % delimiters.len()).copied().flatten());
            }
            out.extend_from_slice(field);
        }
        out.push(b'\n');
    }
    process.print(out)?;
    Ok(0)
}

/// Delimiters in turn; `\0` stands for no delimiter.
fn unescaped(text: &[u8]) -> Vec<Option<u8>> {
    let mut out = Vec::new();
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        out.push(match byte {
            b'\\' => match rest.next() {
                Some(b'0') => None,
                Some(b'n') => Some(b'\n'),
                Some(b't') => Some(b'\t'),
                Some(&other) => Some(other),
                None => Some(b'\\'),
            },
            other => Some(other),
        });
    }
    out
}

/// Compares sorted files line by line.
///
/// # Errors
/// An option that is not evaluated; input that is not sorted.
pub fn comm(process: &mut Process<'_>) -> Status {
    let mut shown = [true; 3];
    let mut operands = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('1') => shown[0] = false,
            Short('2') => shown[1] = false,
            Short('3') => shown[2] = false,
            Value(path) => operands.push(path.into_encoded_bytes()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    if operands.len() != 2 {
        process.complain("missing or extra operand")?;
        return Ok(1);
    }
    let (texts, whole) = read_all(process, operands, plainly)?;
    let [a, b] = &texts[..] else { return Ok(u8::from(!whole)) };
    let (a, b) = (lines(&a.data, b'\n'), lines(&b.data, b'\n'));
    if !a.is_sorted() || !b.is_sorted() {
        return Err(process.unsupported("input that is not sorted"));
    }
    let mut out = Vec::new();
    let (mut at_a, mut at_b) = (0, 0);
    while at_a < a.len() || at_b < b.len() {
        let (line, column) = match (a.get(at_a), b.get(at_b)) {
            (Some(x), Some(y)) if x == y => {
                (at_a, at_b) = (at_a + 1, at_b + 1);
                (x, 2)
            }
            (Some(x), Some(y)) if x < y => {
                at_a += 1;
                (x, 0)
            }
            (Some(x), None) => {
                at_a += 1;
                (x, 0)
            }
            (_, Some(y)) => {
                at_b += 1;
                (y, 1)
            }
            (None, None) => break,
        };
        if shown.get(column) == Some(&true) {
            let before = shown.iter().take(column).filter(|&&shown| shown).count();
            out.extend(std::iter::repeat_n(b'\t', before));
            out.extend_from_slice(line);
            out.push(b'\n');
        }
    }
    process.print(out)?;
    Ok(0)
}
