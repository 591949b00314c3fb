//! `start-stop-daemon` in an image: no process runs there, so none is stopped; starting one
//! is a stop.

use super::files::exists;
use imgfix_shell::{Process, Status};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Stop,
    Status,
}

/// `start-stop-daemon --stop` and `--status`.
///
/// # Errors
/// `--start`, and options whose meaning would not be clear.
pub fn run(process: &mut Process<'_>) -> Status {
    use imgfix_shell::options::{Long, Short, Value};
    let (mut action, mut ok_nothing, mut quiet) = (None, false, false);
    let (mut pidfile, mut program, name, user) = (None, None, None, None);
    let mut options = process.options();
    while let Some(option) = options.next()? {
        let mut valued = None;
        match option {
            Short('K') | Long("stop") => action = Some(Action::Stop),
            Short('T') | Long("status") => action = Some(Action::Status),
            Short('o') | Long("oknodo") => ok_nothing = true,
            Short('q') | Long("quiet") => quiet = true,
            Short('t' | 'v') | Long("test" | "verbose" | "remove-pidfile") => {}
            Short('p') | Long("pidfile") => valued = Some(&mut pidfile),
            Short('x' | 'n' | 'u' | 'a') | Long("exec" | "name" | "user" | "startas") => {
                valued = Some(&mut program);
            }
            Short('s' | 'R' | 'g' | 'c')
            | Long("signal" | "retry" | "group" | "chuid" | "ppid") => {
                options.value()?;
            }
            Value(_) => return Err(process.unsupported("operands")),
            other => return Err(process.unsupported_option(&other)),
        }
        if let Some(slot) = valued {
            *slot = Some(options.text()?);
        }
    }
    if let Some(path) = &program
        && !exists(process, path.as_bytes())?
    {
        process.complain(format!("unable to stat {path} (No such file or directory)"))?;
        return Ok(2);
    }
    let file = pidfile.as_ref().map(|path| format!("process in pidfile '{path}'"));
    let owned = user.map(|user: String| format!("process(es) owned by '{user}'"));
    let what = name.or(program).or(file).or(owned).unwrap_or_default();
    match action {
        Some(Action::Stop) => {
            if !quiet {
                process.print(format!("No {what} found running; none killed.\n"))?;
            }
            Ok(u8::from(!ok_nothing))
        }
        Some(Action::Status) => {
            let left = match pidfile {
                Some(path) => exists(process, path.as_bytes())?,
                None => false,
            };
            Ok(if left { 1 } else { 3 })
        }
        None => Err(process.unsupported("--start: nothing of the image runs")),
    }
}
