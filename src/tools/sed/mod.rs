//! `sed` of GNU: its whole language but commands that run programs (`e`).
//!
//! - [`parse`]: a script to [`parse::Command`]s
//! - [`text`]: patterns and replacements with sed's escapes
//! - [`input`]: lines of the files, with knowledge of the last one
//! - [`execute`]: commands over the lines

mod execute;
mod input;
mod parse;
mod text;

use imgfix_shell::options::{Long, Short, Value};
use imgfix_shell::{Process, Status, Stop};

/// What the options say.
#[derive(Default)]
struct Request {
    script: Option<Vec<u8>>,
    quiet: bool,
    extended: bool,
    separate: bool,
    /// `-i`: the suffix of the file that keeps the old content; empty for none.
    in_place: Option<Vec<u8>>,
    zero: bool,
    operands: Vec<Vec<u8>>,
}

/// Edits streams.
///
/// # Errors
/// An option or command that is not evaluated.
pub fn run(process: &mut Process<'_>) -> Status {
    let mut request = options(process)?;
    let script = match request.script.take() {
        Some(script) => script,
        None if request.operands.is_empty() => return Err(process.unsupported("no script")),
        None => request.operands.remove(0),
    };
    if script.starts_with(b"#n\n") || script == b"#n" {
        request.quiet = true;
    }
    let commands = parse::parse(&script, request.extended)?;
    execute::run(process, &commands, request)
}

fn options(process: &mut Process<'_>) -> Result<Request, Stop> {
    let mut request = Request::default();
    let mut files = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('n') | Long("quiet" | "silent") => request.quiet = true,
            Short('E' | 'r') | Long("regexp-extended") => request.extended = true,
            Short('s') | Long("separate") => request.separate = true,
            Short('u') | Long("unbuffered") => {}
            Short('z') | Long("null-data") => request.zero = true,
            Short('i') | Long("in-place") => {
                request.in_place = Some(options.optional_value().unwrap_or_default());
                request.separate = true;
            }
            Short('e') | Long("expression") => add(&mut request.script, &options.value()?),
            Short('f') | Long("file") => {
                // The place of the file among expressions counts.
                add(&mut request.script, b"");
                files.push((request.script.as_ref().map_or(0, Vec::len), options.value()?));
            }
            Value(word) => request.operands.push(word.into_encoded_bytes()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    for (at, file) in files.into_iter().rev() {
        let Ok(text) = process.read_operand(&file)? else {
            return Err(process.unsupported("a script file that is not there"));
        };
        let text = text.strip_suffix(b"\n").unwrap_or(&text).to_vec();
        if let Some(script) = &mut request.script {
            script.splice(at..at, text);
        }
    }
    Ok(request)
}

/// Expressions are lines of one script.
fn add(script: &mut Option<Vec<u8>>, more: &[u8]) {
    match script {
        Some(before) => {
            before.push(b'\n');
            before.extend_from_slice(more);
        }
        None => *script = Some(more.to_vec()),
    }
}
