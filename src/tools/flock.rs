//! `flock`: runs a program while it has a lock. Nothing else runs here, so that it always gets it.

use bstr::BString;
use imgfix_shell::options::{Long, Short, Value};
use imgfix_shell::{Errno, Process, Status};

use super::files::exists;

/// `flock [-n|-w SECONDS|-x|-s|-u|-o] FILE PROGRAM...`, `flock FILE -c LINE`, and with the number of
/// an open file alone.
///
/// # Errors
/// Another option; the program cannot be evaluated.
pub fn run(process: &mut Process<'_>) -> Status {
    let mut options = process.options();
    let mut words: Vec<Vec<u8>> = Vec::new();
    while let Some(option) = options.next()? {
        match option {
            Short('w' | 'E') | Long("timeout" | "wait" | "conflict-exit-code") => {
                drop(options.value()?);
            }
            Short('n' | 'x' | 'e' | 's' | 'u' | 'o' | 'F')
            | Long("nb" | "nonblock" | "exclusive" | "shared" | "unlock" | "close" | "no-fork") => {
            }
            Value(word) => {
                words.push(word.into_encoded_bytes());
                words.extend(options.rest()?);
            }
            other => return Err(process.unsupported_option(&other)),
        }
    }
    let Some((file, program)) = words.split_first() else {
        return Err(process.unsupported("no file"));
    };
    if program.is_empty() {
        return match file.iter().all(u8::is_ascii_digit) {
            true => Ok(0),
            false => Err(process.unsupported(file)),
        };
    }
    if !exists(process, file)? {
        let directory = process.call.directory.clone();
        let mode = 0o666 & !process.call.umask;
        if let Err(errno) = process.machine.write_file(&directory, file, "", mode)? {
            let shown = String::from_utf8_lossy(file).into_owned();
            process.complain(format!("cannot open lock file {shown}: {errno}"))?;
            // EX_NOINPUT and EX_CANTCREAT of sysexits.h
            return Ok(if errno == Errno::NotFound { 66 } else { 73 });
        }
    }
    let argv: Vec<BString> = match program {
        [option, line] if option == b"-c" || option == b"--command" => {
            vec!["/bin/sh".into(), "-c".into(), line.clone().into()]
        }
        program => program.iter().cloned().map(BString::from).collect(),
    };
    process.run(argv)
}

#[cfg(test)]
mod tests {
    use crate::testing::{Image, run};

    #[test]
    fn the_program_runs_and_the_file_is_there() {
        let mut image = Image::with(&["/d/"], &[("/bin/sh", crate::shells::posix)]);
        assert_eq!(run(&mut image, "flock -w 5 /d/lock printf -n"), 0, "{}", image.errors());
        assert_eq!((image.output(), image.text("/d/lock")), ("-n".into(), String::new()));
        assert_eq!(run(&mut image, "flock /d false"), 1);
        assert_eq!(image.call(&["flock", "/d", "-c", "echo a b"], "").unwrap(), 0);
        assert_eq!(image.output(), "a b\n");
        assert_eq!(run(&mut image, "flock -n 9"), 0);
        assert_eq!(run(&mut image, "flock /missing/lock true"), 66);
    }
}
