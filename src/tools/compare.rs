//! `cmp` (`-s`, of two files) of diffutils, and `diff` where its answer is only whether files
//! differ (`-q`, or no difference).

use super::operands::is_directory;
use imgfix_shell::options::{Long, Short, Value};
use imgfix_shell::{Process, Status};

/// Compares two files byte by byte.
///
/// # Errors
/// An option that is not evaluated.
pub fn cmp(process: &mut Process<'_>) -> Status {
    let mut silent = false;
    let mut operands = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('s') | Long("quiet" | "silent") => silent = true,
            Value(path) => operands.push(path.into_encoded_bytes()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    if operands.len() == 1 {
        operands.push(b"-".to_vec());
    }
    let [a, b] = &operands[..] else { return Err(process.unsupported("these operands")) };
    let mut data = Vec::new();
    for path in [a, b] {
        match process.read_operand(path)? {
            Ok(bytes) => data.push(bytes),
            Err(errno) => {
                if !silent {
                    process.complain(super::lines::plainly(path, errno.to_string()))?;
                }
                return Ok(2);
            }
        }
    }
    let [x, y] = &data[..] else { return Ok(2) };
    if x == y {
        return Ok(0);
    }
    if !silent {
        let (a, b) = (String::from_utf8_lossy(a), String::from_utf8_lossy(b));
        let same = x.iter().zip(y.iter()).take_while(|(x, y)| x == y).count();
        let lines = x.iter().take(same).filter(|&&byte| byte == b'\n').count();
        if same == x.len().min(y.len()) {
            return Err(process.unsupported("files of which one begins the other"));
        }
        let text = format!("{a} {b} differ: char {}, line {}\n", same + 1, lines + 1);
        process.print(text)?;
    }
    Ok(1)
}

/// Compares two files; a difference is named, not shown.
///
/// # Errors
/// An option that is not evaluated; a difference that would be shown; directories.
pub fn diff(process: &mut Process<'_>) -> Status {
    let (mut brief, mut spaces) = (false, false);
    let mut operands = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('q') | Long("brief") => brief = true,
            // What may count as no difference is seen only when the bytes are the same.
            Short('u' | 'N' | 'a' | 'c') | Long("unified" | "new-file" | "text") => {}
            Short('b' | 'w' | 'B' | 'i' | 't') => spaces = true,
            Value(path) => operands.push(path.into_encoded_bytes()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    let [a, b] = &operands[..] else { return Err(process.unsupported("these operands")) };
    for path in [a, b] {
        if is_directory(process, path)? {
            return Err(process.unsupported("a directory"));
        }
    }
    let mut data = Vec::new();
    for path in [a, b] {
        match process.read_operand(path)? {
            Ok(bytes) => data.push(bytes),
            Err(errno) => {
                process.complain(super::lines::plainly(path, errno.to_string()))?;
                return Ok(2);
            }
        }
    }
    if data.first() == data.get(1) {
        return Ok(0);
    }
    if !brief || spaces {
        return Err(process.unsupported("a difference to be shown"));
    }
    let (a, b) = (String::from_utf8_lossy(a), String::from_utf8_lossy(b));
    let text = format!("Files {a} and {b} differ\n");
    process.print(text)?;
    Ok(1)
}
