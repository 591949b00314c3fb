//! `mktemp` of coreutils (`-d`, `-p DIR`, `--tmpdir`, `-t`, `-u`, `-q`, `--suffix`) and `tempfile` of
//! debianutils (`-d`, `-p`, `-s`, `-m`). Names are not random but the same in every run; no
//! script may rely on them.

use super::operands::{exists, inside, quoted};
use imgfix_shell::options::{Long, Short, Value};
use imgfix_shell::{Errno, Process, Status, Stop};

#[derive(Default)]
struct Request {
    directory: bool,
    dry: bool,
    quiet: bool,
    suffix: Vec<u8>,
    /// The template is a name in this directory.
    folder: Option<Vec<u8>>,
}

/// Makes an empty file or directory with a name of its own and prints the name.
///
/// # Errors
/// An option that is not evaluated; a path of a running system.
pub fn mktemp(process: &mut Process<'_>) -> Status {
    let mut request = Request::default();
    let mut template = None;
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('d') | Long("directory") => request.directory = true,
            Short('u') | Long("dry-run") => request.dry = true,
            Short('q') | Long("quiet") => request.quiet = true,
            Short('t') => request.folder = Some(temporary_folder(process)),
            Short('p') => request.folder = Some(options.value()?),
            Long("tmpdir") => {
                let named = options.optional_value().filter(|folder| !folder.is_empty());
                request.folder = Some(named.unwrap_or_else(|| temporary_folder(process)));
            }
            Long("suffix") => request.suffix = options.value()?,
            Value(word) if template.is_none() => template = Some(word.into_encoded_bytes()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    if template.is_none() && request.folder.is_none() {
        request.folder = Some(temporary_folder(process));
    }
    let template = template.unwrap_or_else(|| b"tmp.XXXXXXXXXX".to_vec());
    let template = match &request.folder {
        Some(folder) => inside(folder, &template),
        None => template,
    };
    let Some((prefix, count, suffix)) = parts(&template, &request.suffix) else {
        process.complain(format!("too few X's in template {}", quoted(&template)))?;
        return Ok(1);
    };
    let path = fresh(process, &prefix, count, &suffix)?;
    let directory = &process.call.directory;
    let made = match (request.dry, request.directory) {
        (true, _) => Ok(()),
        (false, true) => process.machine.make_dir(directory, &path, 0o700)?,
        (false, false) => process.machine.write_file(directory, &path, "", 0o600)?,
    };
    report(process, &path, made, &request)
}

fn report(
    process: &mut Process<'_>,
    path: &[u8],
    made: Result<(), Errno>,
    request: &Request,
) -> Status {
    match made {
        Ok(()) => {
            process.print([path, b"\n"].concat())?;
            Ok(0)
        }
        Err(errno) => {
            if !request.quiet {
                let kind = if request.directory { "directory" } else { "file" };
                process.complain(format!(
                    "failed to create {kind} via template {}: {errno}",
                    quoted(path)
                ))?;
            }
            Ok(1)
        }
    }
}

/// Makes an empty file below `/tmp` and prints its name.
///
/// # Errors
/// An option that is not evaluated; a path of a running system.
pub fn tempfile(process: &mut Process<'_>) -> Status {
    let mut folder = temporary_folder(process);
    let (mut prefix, mut suffix, mut mode) = (b"file".to_vec(), Vec::new(), 0o600);
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('d') | Long("directory") => folder = options.value()?,
            Short('p') | Long("prefix") => prefix = options.value()?,
            Short('s') | Long("suffix") => suffix = options.value()?,
            Short('m') | Long("mode") => {
                let text = options.value()?;
                let text = String::from_utf8_lossy(&text).into_owned();
                mode = u32::from_str_radix(&text, 8)
                    .map_err(|_| process.unsupported(format!("-m {text}")))?;
            }
            other => return Err(process.unsupported_option(&other)),
        }
    }
    prefix.truncate(5);
    let path = fresh(process, &inside(&folder, &prefix), 6, &suffix)?;
    let made = process.machine.write_file(&process.call.directory, &path, "", mode)?;
    report(process, &path, made, &Request::default())
}

fn temporary_folder(process: &Process<'_>) -> Vec<u8> {
    let named = process.variable("TMPDIR").filter(|folder| !folder.is_empty());
    named.unwrap_or(b"/tmp").to_vec()
}

/// What is before the run of `X`s that counts, its length, and what is behind it.
fn parts(template: &[u8], suffix: &[u8]) -> Option<(Vec<u8>, usize, Vec<u8>)> {
    let last = template.iter().rposition(|&b| b == b'X')? + 1;
    let (upto, behind) = template.split_at(last);
    let count = upto.iter().rev().take_while(|&&b| b == b'X').count();
    let allowed = count >= 3 && !behind.contains(&b'/') && (suffix.is_empty() || behind.is_empty());
    let prefix = upto.get(..last - count)?.to_vec();
    allowed.then(|| (prefix, count, [behind, suffix].concat()))
}

/// A path that is not there yet.
fn fresh(
    process: &mut Process<'_>,
    prefix: &[u8],
    count: usize,
    suffix: &[u8],
) -> Result<Vec<u8>, Stop> {
    loop {
        process.machine.spend(1)?;
        let number = process.machine.fresh_number();
        let letters = format!("{number:0>count$}");
        let letters = letters.as_bytes().get(letters.len() - count..).unwrap_or_default();
        let path = [prefix, letters, suffix].concat();
        if !exists(process, &path)? {
            return Ok(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Image, run};

    #[test]
    fn temporary_files_have_names_of_their_own_and_are_private() {
        let mut image = Image::new(&["/tmp/", "/etc/"]);
        for (line, want, mode) in [
            ("mktemp", "/tmp/tmp.0000000001", 0o600),
            ("mktemp -d", "/tmp/tmp.0000000002", 0o700),
            ("mktemp -t x.XXXXXX", "/tmp/x.000003", 0o600),
            ("mktemp -p /etc aXXXb", "/etc/a004b", 0o600),
            ("mktemp --tmpdir=/etc --suffix=.c fooXXXX", "/etc/foo0005.c", 0o600),
            ("mktemp /etc/yXXXX", "/etc/y0006", 0o600),
            ("tempfile -p abcdefg -m 644", "/tmp/abcde000007", 0o644),
        ] {
            assert_eq!(run(&mut image, line), 0, "{line}");
            assert_eq!(image.output(), format!("{want}\n"), "{line}");
            assert_eq!(image.mode(want), mode, "{line}");
        }
        assert_eq!(run(&mut image, "mktemp -u"), 0);
        assert!(!image.exists(image.output().trim_end()));
        assert_eq!(run(&mut image, "mktemp aXX"), 1);
        assert_eq!(run(&mut image, "mktemp /nope/aXXX"), 1);
        assert!(image.stop("mktemp -V").contains("-V"));
    }
}
