//! `wc` of coreutils: `-l`, `-w`, `-c`, `-m`.

use super::lines::{plainly, read_all};
use super::operands::stat;
use imgfix_shell::options::{Long, Short, Value};
use imgfix_shell::{Process, Status};

/// Counts lines, words and bytes.
///
/// # Errors
/// An option that is not evaluated; several counts of standard input, whose width depends on
/// whether it is a file.
pub fn run(process: &mut Process<'_>) -> Status {
    let (mut by_line, mut by_word, mut by_byte) = (false, false, false);
    let mut operands = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('l') | Long("lines") => by_line = true,
            Short('w') | Long("words") => by_word = true,
            Short('c' | 'm') | Long("bytes" | "chars") => by_byte = true,
            Value(path) => operands.push(path.into_encoded_bytes()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    if !(by_line || by_word || by_byte) {
        (by_line, by_word, by_byte) = (true, true, true);
    }
    let chosen = [by_line, by_word, by_byte];
    let kinds = chosen.iter().filter(|&&chosen| chosen).count();
    let files = operands.len().max(1);
    let has_input = operands.is_empty() || operands.iter().any(|path| path == b"-");
    if has_input && (kinds > 1 || files > 1) {
        return Err(process.unsupported("several counts of standard input"));
    }
    let mut size = 0;
    for path in &operands {
        size += stat(process, path)?.map_or(0, |entry| entry.size());
    }
    let named = !operands.is_empty();
    let width = if kinds == 1 && files == 1 { 1 } else { size.to_string().len() };
    let (texts, whole) = read_all(process, operands, plainly)?;
    let mut total = [0; 3];
    for text in &texts {
        let data = &text.data;
        let words = data.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count();
        let counts = [data.iter().filter(|&&b| b == b'\n').count(), words, data.len()];
        for (sum, count) in total.iter_mut().zip(counts) {
            *sum += count;
        }
        let name = if named { Some(&text.name[..]) } else { None };
        process.print(line(counts, chosen, width, name))?;
    }
    if files > 1 {
        process.print(line(total, chosen, width, Some(b"total")))?;
    }
    Ok(if whole { 0 } else { 1 })
}

fn line(counts: [usize; 3], chosen: [bool; 3], width: usize, name: Option<&[u8]>) -> Vec<u8> {
    let counts = counts.iter().zip(chosen).filter(|(_, chosen)| *chosen);
    let counts: Vec<String> = counts.map(|(count, _)| format!("{count:width$}")).collect();
    let mut out = counts.join(" ").into_bytes();
    if let Some(name) = name {
        out.push(b' ');
        out.extend_from_slice(name);
    }
    out.push(b'\n');
    out
}
