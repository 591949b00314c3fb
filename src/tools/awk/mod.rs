//! `awk` as mawk 1.3.4 does it, the awk of Debian's base system.
//!
//! - [`lex`]: a program's text to tokens
//! - [`parse`]: tokens to a [`parse::Program`]
//! - [`value`]: numbers and strings that become each other
//! - [`record`]: the current record and its fields
//! - [`run`]: the program over its input
//! - [`mod@format`]: what `printf` makes of values

mod format;
mod lex;
mod parse;
mod record;
mod run;
mod value;

use imgfix_shell::options::{Short, Value};
use imgfix_shell::{Process, Status};

/// Runs an awk program: `-F`, `-v`, `-f`.
///
/// # Errors
/// An option or a part of the language that is not evaluated.
pub fn awk(process: &mut Process<'_>) -> Status {
    let (mut separator, mut settings, mut program) = (None, Vec::new(), None::<Vec<u8>>);
    let mut operands = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('F') => separator = Some(options.value()?),
            Short('v') => settings.push(options.value()?),
            Short('f') => {
                let file = options.value()?;
                let Ok(text) = process.read_operand(&file)? else {
                    return Err(process.unsupported("a program file that is not there"));
                };
                let program = program.get_or_insert_default();
                program.extend_from_slice(&text);
                program.push(b'\n');
            }
            Value(word) => {
                operands.push(word.into_encoded_bytes());
                operands.extend(options.rest()?);
            }
            other => return Err(process.unsupported_option(&other)),
        }
    }
    let program = match program {
        Some(program) => program,
        None if operands.is_empty() => return Err(process.unsupported("no program")),
        None => operands.remove(0),
    };
    let program = parse::parse(&program)?;
    run::run(process, &program, run::Given { separator, settings, operands })
}
