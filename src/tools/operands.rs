//! File operands as coreutils take them: what is behind a path, a name in a directory, and
//! how a path is written in messages.

use imgfix_model::path::ImagePath;
use imgfix_shell::{Errno, Process, Stop, Sys};
use imgfix_vfs::{Accounts, Entry};

/// What is behind a path, links followed.
pub(super) fn stat(process: &Process<'_>, path: &[u8]) -> Sys<Entry> {
    process.machine.stat(&process.call.directory, path)
}

/// What a path names, a link itself when it names one.
pub(super) fn lstat(process: &Process<'_>, path: &[u8]) -> Sys<Entry> {
    process.machine.lstat(&process.call.directory, path)
}

/// Whether a path leads to a directory.
pub(super) fn is_directory(process: &Process<'_>, path: &[u8]) -> Result<bool, Stop> {
    Ok(stat(process, path)?.is_ok_and(|entry| entry.is_dir()))
}

/// Whether a path names anything, dangling links included.
pub(super) fn exists(process: &Process<'_>, path: &[u8]) -> Result<bool, Stop> {
    match lstat(process, path)? {
        Ok(_) => Ok(true),
        Err(Errno::NotFound | Errno::NotADirectory | Errno::LinkLoop) => Ok(false),
        Err(_) => Ok(true),
    }
}

/// Whether a slash at the end asks for a directory where nothing is.
pub(super) fn names_no_directory(process: &Process<'_>, path: &[u8]) -> Result<bool, Stop> {
    Ok(path.ends_with(b"/") && stat(process, path)?.is_err())
}

/// A name inside a directory.
pub(super) fn inside(directory: &[u8], name: &[u8]) -> Vec<u8> {
    match directory.last() {
        Some(b'/') | None => [directory, name].concat(),
        Some(_) => [directory, b"/", name].concat(),
    }
}

/// A path without the slashes at its end; `/` stays.
pub(super) fn trimmed(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|&b| b != b'/').map_or(1, |last| last + 1);
    path.get(..end).unwrap_or(path)
}

/// The last component, slashes at the end not counted; `/` for the root.
pub(super) fn last_component(path: &[u8]) -> &[u8] {
    let path = trimmed(path);
    match path {
        b"/" => path,
        _ => path.rsplit(|&b| b == b'/').next().unwrap_or_default(),
    }
}

/// All before the last component: `.` when there is nothing, as `dirname(1)`.
pub(super) fn directory_part(path: &[u8]) -> &[u8] {
    let path = trimmed(path);
    match path.iter().rposition(|&b| b == b'/') {
        None => b".",
        Some(slash) => match path.get(..slash).unwrap_or_default() {
            b"" => b"/",
            above => trimmed(above),
        },
    }
}

/// A path between quotes as coreutils write it in messages of the C locale.
pub(super) fn quoted(path: &[u8]) -> String {
    let text = String::from_utf8_lossy(path);
    match path.contains(&b'\'') {
        true => format!("\"{text}\""),
        false => format!("'{text}'"),
    }
}

/// The users and groups of the image.
pub(super) fn accounts(process: &mut Process<'_>) -> Result<Accounts, Stop> {
    let root = ImagePath::root();
    let passwd = process.machine.read_file(&root, b"/etc/passwd")?.unwrap_or_default();
    let group = process.machine.read_file(&root, b"/etc/group")?.unwrap_or_default();
    Ok(Accounts::parse(&passwd, &group))
}

/// Everything below a directory and the directory itself, names above before those below
/// them; links are not followed.
pub(super) fn tree_of(process: &mut Process<'_>, top: &[u8]) -> Result<Vec<Vec<u8>>, Stop> {
    let mut out = Vec::new();
    let mut pending = vec![top.to_vec()];
    while let Some(path) = pending.pop() {
        process.machine.spend(1)?;
        if lstat(process, &path)?.is_ok_and(|entry| entry.is_dir()) {
            let names = process.machine.read_dir(&process.call.directory, &path)?;
            let names = names.unwrap_or_default();
            pending.extend(names.iter().rev().map(|name| inside(&path, name)));
        }
        out.push(path);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart_as_basename_and_dirname_do() {
        for (path, directory, last) in [
            ("/usr/lib", "/usr", "lib"),
            ("/usr/", "/", "usr"),
            ("usr", ".", "usr"),
            ("/", "/", "/"),
            ("//", "/", "/"),
            ("a//b//", "a", "b"),
            ("./a", ".", "a"),
        ] {
            assert_eq!(directory_part(path.as_bytes()), directory.as_bytes(), "{path}");
            assert_eq!(last_component(path.as_bytes()), last.as_bytes(), "{path}");
        }
    }
}
