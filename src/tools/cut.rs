//! `cut` of coreutils: `-b`, `-c`, `-f`, `-d`, `-s`, `-z`, `--output-delimiter`, `--complement`. Characters
//! are bytes, as everywhere in the C locale.

use super::lines::{lines, plainly, read_all};
use imgfix_shell::options::{Long, Short, Value};
use imgfix_shell::{Process, Status};

/// Ranges of positions, from 1.
struct List(Vec<(usize, usize)>);

impl List {
    fn parse(text: &[u8]) -> Option<Self> {
        let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse().ok().filter(|n| *n > 0);
        let range = |part: &[u8]| {
            let mut ends = part.splitn(2, |&b| b == b'-');
            let (low, high) = (ends.next()?, ends.next());
            let from: usize = if low.is_empty() { 1 } else { number(low)? };
            let to = match high {
                None => from,
                Some(b"") if low.is_empty() => return None,
                Some(b"") => usize::MAX,
                Some(high) => number(high)?,
            };
            (from <= to).then_some((from, to))
        };
        text.split(|&b| b == b',' || b == b' ').map(range).collect::<Option<Vec<_>>>().map(Self)
    }

    fn has(&self, position: usize) -> bool {
        self.0.iter().any(|&(from, to)| (from..=to).contains(&position))
    }
}

/// Prints parts of lines.
///
/// # Errors
/// An option that is not evaluated.
pub fn run(process: &mut Process<'_>) -> Status {
    let (mut list, mut by_field) = (None, false);
    let (mut delimiter, mut joined, mut only_delimited) = (b'\t', None, false);
    let (mut end, mut inverted) = (b'\n', false);
    let mut operands = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('b' | 'c') | Long("bytes" | "characters") => list = Some(options.value()?),
            Short('f') | Long("fields") => {
                list = Some(options.value()?);
                by_field = true;
            }
            Short('d') | Long("delimiter") => match &options.value()?[..] {
                [byte] => delimiter = *byte,
                [] => delimiter = 0,
                _ => {
                    process.complain("the delimiter must be a single character")?;
                    return Ok(1);
                }
            },
            Short('s') | Long("only-delimited") => only_delimited = true,
            Short('z') | Long("zero-terminated") => end = 0,
            Short('n') => {}
            Long("output-delimiter") => joined = Some(options.value()?),
            Long("complement") => inverted = true,
            Value(path) => operands.push(path.into_encoded_bytes()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    let Some(list) = list.as_deref().and_then(List::parse) else {
        process.complain("you must specify a list of bytes, characters, or fields")?;
        return Ok(1);
    };
    if joined.is_some() && !by_field {
        return Err(process.unsupported("--output-delimiter and bytes"));
    }
    let joined = joined.unwrap_or_else(|| vec![delimiter]);
    let (texts, whole) = read_all(process, operands, plainly)?;
    let mut out = Vec::new();
    for text in texts {
        for line in lines(&text.data, end) {
            let chosen = |at: usize| list.has(at + 1) != inverted;
            if !by_field {
                let bytes = line.iter().enumerate().filter(|(at, _)| chosen(*at));
                out.extend(bytes.map(|(_, byte)| *byte));
            } else if !line.contains(&delimiter) {
                if only_delimited {
                    continue;
                }
                out.extend_from_slice(line);
            } else {
                let fields = line.split(|&b| b == delimiter).enumerate();
                let fields: Vec<&[u8]> =
                    fields.filter(|(at, _)| chosen(*at)).map(|(_, field)| field).collect();
                out.extend(fields.join(&joined[..]));
            }
            out.push(end);
        }
    }
    process.print(out)?;
    Ok(if whole { 0 } else { 1 })
}
