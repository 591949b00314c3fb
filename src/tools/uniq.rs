//! `uniq` of coreutils: `-c`, `-d`, `-u`, `-i`, `-f`, `-s`, `-w`, `-z`.

use super::lines::{lines, number, plainly, read_all};
use imgfix_shell::options::{Long, Short, Value};
use imgfix_shell::{Process, Status};

#[derive(Default)]
struct Request {
    counted: bool,
    repeated_only: bool,
    unique_only: bool,
    ignore_case: bool,
    skip_fields: usize,
    skip_bytes: usize,
    compared: Option<usize>,
}

/// Drops lines that are like the one before.
///
/// # Errors
/// An option that is not evaluated.
pub fn run(process: &mut Process<'_>) -> Status {
    let (mut request, mut end) = (Request::default(), b'\n');
    let mut operands = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('c') | Long("count") => request.counted = true,
            Short('d') | Long("repeated") => request.repeated_only = true,
            Short('u') | Long("unique") => request.unique_only = true,
            Short('i') | Long("ignore-case") => request.ignore_case = true,
            Short('f') | Long("skip-fields") => {
                request.skip_fields = number(process, &options.value()?)?;
            }
            Short('s') | Long("skip-chars") => {
                request.skip_bytes = number(process, &options.value()?)?
            }
            Short('w') | Long("check-chars") => {
                request.compared = Some(number(process, &options.value()?)?);
            }
            Short('z') | Long("zero-terminated") => end = 0,
            Value(path) => operands.push(path.into_encoded_bytes()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    let output = match operands.len() {
        0 | 1 => None,
        2 => operands.pop(),
        _ => return Err(process.unsupported("three operands")),
    };
    let (texts, whole) = read_all(process, operands, plainly)?;
    if !whole {
        return Ok(1);
    }
    let mut out = Vec::new();
    for text in &texts {
        for group in lines(&text.data, end).chunk_by(|a, b| request.key(a) == request.key(b)) {
            let hidden =
                request.repeated_only && group.len() < 2 || request.unique_only && group.len() > 1;
            if hidden {
                continue;
            }
            if request.counted {
                out.extend(format!("{:7} ", group.len()).into_bytes());
            }
            out.extend_from_slice(group.first().copied().unwrap_or_default());
            out.push(end);
        }
    }
    match output {
        None => process.print(out)?,
        Some(path) => {
            let mode = 0o666 & !process.call.umask;
            let made = process.machine.write_file(&process.call.directory, &path, out, mode)?;
            if let Err(errno) = made {
                process.complain(plainly(&path, errno.to_string()))?;
                return Ok(1);
            }
        }
    }
    Ok(0)
}

impl Request {
    /// What is compared of a line.
    fn key(&self, line: &[u8]) -> Vec<u8> {
        let is_blank = |b: &&u8| matches!(b, b' ' | b'\t');
        let mut at = 0;
        for _ in 0..self.skip_fields {
            at += line.iter().skip(at).take_while(is_blank).count();
            at += line.iter().skip(at).take_while(|b| !is_blank(b)).count();
        }
        let rest = line.get(at + self.skip_bytes..).unwrap_or_default();
        let length = self.compared.unwrap_or(rest.len()).min(rest.len());
        let key = rest.get(..length).unwrap_or_default();
        if self.ignore_case { key.to_ascii_uppercase() } else { key.to_vec() }
    }
}
