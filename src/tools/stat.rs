//! `stat` of coreutils with a format (`-c`, `--printf`), `-L`.

use super::operands::{accounts, lstat, quoted, stat};
use imgfix_shell::options::{Long, Short, Value};
use imgfix_shell::{Process, Status};
use imgfix_vfs::{Accounts, Entry, Kind};

/// Prints what is known of files.
///
/// # Errors
/// An option or a directive that is not evaluated: numbers of the file system, and times other
/// than that of modification, are no part of an image.
pub fn run(process: &mut Process<'_>) -> Status {
    let (mut follow, mut format) = (false, None);
    let mut operands = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('L') | Long("dereference") => follow = true,
            Short('c') | Long("format") => {
                format = Some([&options.value()?[..], b"\n"].concat());
            }
            Value(path) => operands.push(path.into_encoded_bytes()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    let Some(format) = format else { return Err(process.unsupported("no format")) };
    if operands.is_empty() {
        process.complain("missing operand")?;
        return Ok(1);
    }
    let accounts = accounts(process)?;
    let mut status = 0;
    for path in operands {
        let found = if follow { stat(process, &path)? } else { lstat(process, &path)? };
        let entry = match found {
            Ok(entry) => entry,
            Err(errno) => {
                process.complain(format!("cannot statx {}: {errno}", quoted(&path)))?;
                status = 1;
                continue;
            }
        };
        let links = match entry.is_dir() {
            true => None,
            false => process.machine.links(&process.call.directory, &path)?.ok(),
        };
        let file = File { path: &path, entry: &entry, links, accounts: &accounts };
        let Some(text) = formatted(&format, &file) else {
            return Err(process.unsupported([b"format ", &format[..]].concat()));
        };
        process.print(text)?;
    }
    Ok(status)
}

struct File<'a> {
    path: &'a [u8],
    entry: &'a Entry,
    links: Option<usize>,
    accounts: &'a Accounts,
}

fn formatted(format: &[u8], file: &File<'_>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = format.iter();
    while let Some(&byte) = rest.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let entry = file.entry;
        let text = match rest.next()? {
            b'%' => "%".into(),
            b'n' => {
                out.extend_from_slice(file.path);
                continue;
            }
            b'N' => name_with_target(file)?,
            b'a' => format!("{:o}", entry.mode),
            b'A' => symbolic(entry),
            b'u' => entry.uid.to_string(),
            b'g' => entry.gid.to_string(),
            b'U' => name(file.accounts.user_name(entry.uid)),
            b'G' => name(file.accounts.group_name(entry.gid)),
            b's' => size(entry)?.to_string(),
            b'h' => file.links?.to_string(),
            b'Y' => entry.mtime.to_string(),
            b'F' => kind(entry).into(),
            b'f' => format!("{:x}", entry.mode | kind_bits(entry)),
            _ => return None,
        };
        out.extend(text.into_bytes());
    }
    Some(out)
}

fn name(name: Option<&[u8]>) -> String {
    name.map_or_else(|| "UNKNOWN".into(), |name| String::from_utf8_lossy(name).into_owned())
}

/// The name between quotes, and where a link leads. Names that want other quotes are left alone:
/// coreutils and busybox write them differently.
fn name_with_target(file: &File<'_>) -> Option<String> {
    let plain = |text: &[u8]| {
        let safe = text.iter().all(|b| b.is_ascii_graphic() && *b != b'\'' && *b != b'\\');
        safe.then(|| quoted(text))
    };
    let name = plain(file.path)?;
    match &file.entry.kind {
        Kind::Symlink(target) => Some(format!("{name} -> {}", plain(target)?)),
        _ => Some(name),
    }
}

/// The size of a directory depends on the file system that holds the image.
fn size(entry: &Entry) -> Option<u64> {
    match &entry.kind {
        Kind::Directory => None,
        Kind::Symlink(target) => Some(target.len() as u64),
        _ => Some(entry.size()),
    }
}

fn kind(entry: &Entry) -> &'static str {
    match entry.kind {
        Kind::Directory => "directory",
        Kind::File(_) if entry.size() == 0 => "regular empty file",
        Kind::File(_) => "regular file",
        Kind::Symlink(_) => "symbolic link",
        Kind::Fifo => "fifo",
        Kind::CharDevice { .. } => "character special file",
        Kind::BlockDevice { .. } => "block special file",
    }
}

fn kind_bits(entry: &Entry) -> u32 {
    match entry.kind {
        Kind::Directory => 0o040_000,
        Kind::File(_) => 0o100_000,
        Kind::Symlink(_) => 0o120_000,
        Kind::Fifo => 0o010_000,
        Kind::CharDevice { .. } => 0o020_000,
        Kind::BlockDevice { .. } => 0o060_000,
    }
}

/// The mode as `ls -l` shows it.
fn symbolic(entry: &Entry) -> String {
    let first = match entry.kind {
        Kind::Directory => 'd',
        Kind::File(_) => '-',
        Kind::Symlink(_) => 'l',
        Kind::Fifo => 'p',
        Kind::CharDevice { .. } => 'c',
        Kind::BlockDevice { .. } => 'b',
    };
    let mut out = String::from(first);
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = entry.mode >> shift;
        out.push(if bits & 4 != 0 { 'r' } else { '-' });
        out.push(if bits & 2 != 0 { 'w' } else { '-' });
        out.push(match (bits & 1 != 0, entry.mode & special != 0) {
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    out
}
