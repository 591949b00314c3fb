//! Programs that run another one: `env` (`-i`, `-u`), `nice`, `ionice`, `nohup`, `timeout`.
//! Priorities, signals and time limits change nothing here.

use bstr::BString;

use imgfix_shell::options::{Long, Short, Value};
use imgfix_shell::{Call, Process, Status};

/// Runs a program with a changed environment, or prints the environment.
///
/// # Errors
/// An option that is not evaluated; the program cannot be evaluated.
pub fn env(process: &mut Process<'_>) -> Status {
    let mut environment = process.call.environment.clone();
    let mut end = b'\n';
    let mut words: Vec<Vec<u8>> = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('i') | Long("ignore-environment") => environment.clear(),
            Short('u') | Long("unset") => drop(environment.remove(&options.value()?[..])),
            Short('0') | Long("null") => end = 0,
            Value(word) if word == "-" => environment.clear(),
            Value(word) => {
                words.push(word.into_encoded_bytes());
                words.extend(options.rest()?);
            }
            other => return Err(process.unsupported_option(&other)),
        }
    }
    let settings = words.iter().take_while(|word| word.contains(&b'=')).count();
    for word in words.drain(..settings) {
        let mut halves = word.splitn(2, |&b| b == b'=');
        let (name, value) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
        environment.insert(name.into(), value.into());
    }
    if words.is_empty() {
        let line = |(name, value): (&BString, &BString)| [&name[..], b"=", value, &[end]].concat();
        let text: Vec<u8> = environment.iter().flat_map(line).collect();
        process.print(text)?;
        return Ok(0);
    }
    start(process, words, environment)
}

/// `nice`, `ionice`, `nohup`, `timeout`: runs the program that its operands name.
///
/// # Errors
/// An option that is not evaluated; the program cannot be evaluated.
pub fn run(process: &mut Process<'_>) -> Status {
    let mut options = process.options();
    let mut words = Vec::new();
    while let Some(option) = options.next()? {
        match option {
            Short('n' | 'c' | 'k' | 's')
            | Long("adjustment" | "class" | "classdata" | "signal") => {
                drop(options.value()?);
            }
            Short('t' | '0'..='9') | Long("ignore") => {}
            Value(word) => {
                words.push(word.into_encoded_bytes());
                words.extend(options.rest()?);
            }
            other => return Err(process.unsupported_option(&other)),
        }
    }
    // What comes before the program in `timeout 5 PROGRAM`.
    if process.name() == b"timeout" && !words.is_empty() {
        words.remove(0);
    }
    if words.is_empty() {
        return Err(process.unsupported("no program"));
    }
    let environment = process.call.environment.clone();
    start(process, words, environment)
}

fn start(
    process: &mut Process<'_>,
    words: Vec<Vec<u8>>,
    environment: imgfix_shell::Environment,
) -> Status {
    let argv = words.into_iter().map(BString::from).collect();
    process.machine.execute(Call { argv, environment, ..process.call.clone() })
}
