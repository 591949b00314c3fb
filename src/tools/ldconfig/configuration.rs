//! `/etc/ld.so.conf` and what it includes: the folders to search, in order (ldconfig(8)).

use super::folders::Origin;
use imgfix_shell::fnmatch;
use imgfix_shell::{Process, Stop};

/// How deep `include` lines may nest.
const MAX_DEPTH: usize = 16;

/// How many lines all files together may have.
const MAX_LINES: usize = 100_000;

/// A line that names a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub text: Vec<u8>,
    pub origin: Origin,
}

/// Reads a configuration file; one that is missing has no lines.
///
/// # Errors
/// A path of a running system; includes without end.
pub fn read(process: &mut Process<'_>, path: &[u8]) -> Result<Vec<Line>, Stop> {
    let mut lines = Vec::new();
    read_file(process, path, 0, &mut lines)?;
    Ok(lines)
}

fn read_file(
    process: &mut Process<'_>,
    path: &[u8],
    depth: usize,
    out: &mut Vec<Line>,
) -> Result<(), Stop> {
    if depth > MAX_DEPTH {
        return Err(Stop::new("the configuration of ldconfig includes itself"));
    }
    let directory = process.call.directory.clone();
    let text = match process.machine.read_file(&directory, path)? {
        Ok(text) => text,
        Err(imgfix_shell::Errno::NotFound) => return Ok(()),
        Err(errno) => {
            let path = String::from_utf8_lossy(path).into_owned();
            let text = "Warning: ignoring configuration file that cannot be opened";
            return process.complain(format!("{text}: {path}: {errno}"));
        }
    };
    for (number, line) in text.split(|&b| b == b'\n').enumerate() {
        let line = line.split(|&b| b == b'#' || b == 0).next().unwrap_or_default();
        let line = line.trim_ascii_start();
        if line.is_empty() {
            continue;
        }
        let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
        if line.starts_with(b"include") && is_blank(line.get(7)) {
            let patterns = line.get(8..).unwrap_or_default().split(|b| is_blank(Some(b)));
            for pattern in patterns.filter(|pattern| !pattern.is_empty()) {
                for file in matching(process, path, pattern)? {
                    read_file(process, &file, depth + 1, out)?;
                }
            }
        } else if line.len() > 5
            && line.get(..5).is_some_and(|word| word.eq_ignore_ascii_case(b"hwcap"))
            && is_blank(line.get(5))
        {
            return Err(process.unsupported("a hwcap line in its configuration"));
        } else if out.len() >= MAX_LINES {
            return Err(Stop::new("the configuration of ldconfig is too long"));
        } else {
            let origin = Origin { file: path.to_vec(), line: number + 1 };
            out.push(Line { text: line.to_vec(), origin });
        }
    }
    Ok(())
}

/// The files that a pattern names, in byte order; relative ones beside the file they are in.
fn matching(
    process: &mut Process<'_>,
    beside: &[u8],
    pattern: &[u8],
) -> Result<Vec<Vec<u8>>, Stop> {
    let mut pattern = pattern.to_vec();
    if !pattern.starts_with(b"/")
        && let Some(slash) = beside.iter().rposition(|&b| b == b'/')
    {
        pattern = [beside.get(..=slash).unwrap_or_default(), &pattern].concat();
    }
    let directory = process.call.directory.clone();
    let mut found: Vec<Vec<u8>> = vec![Vec::new()];
    for (at, part) in pattern.split(|&b| b == b'/').enumerate() {
        let mut next = Vec::new();
        for base in &found {
            let base = if at == 0 { Vec::new() } else { [base, &b"/"[..]].concat() };
            if !part.iter().any(|b| b"*?[\\".contains(b)) {
                next.push([&base, part].concat());
                continue;
            }
            let folder = if base.is_empty() { &b"."[..] } else { &base };
            let Ok(names) = process.machine.read_dir(&directory, folder)? else { continue };
            let matches = names.into_iter().filter(|name| matches(part, name));
            next.extend(matches.map(|name| [&base[..], &name].concat()));
        }
        found = next;
    }
    let mut files = Vec::new();
    for file in found {
        if process.machine.lstat(&directory, &file)?.is_ok() {
            files.push(file);
        }
    }
    Ok(files)
}

/// fnmatch(3) with `FNM_PERIOD`, for one component.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    (name.first() != Some(&b'.') || pattern.first() == Some(&b'.'))
        && fnmatch::matches(pattern, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_files_are_named_only_by_a_period() {
        for (pattern, name, want) in [
            ("*.conf", "libc.conf", true),
            ("*.conf", ".conf", false),
            (".*", ".conf", true),
            ("*.conf", "libc.conf.dpkg-new", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), want, "{pattern} {name}");
        }
    }
}
