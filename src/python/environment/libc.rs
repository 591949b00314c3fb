//! The C library and the interpreter's version, from the programs themselves: texts that they
//! have in them. In come files of an image; out come versions.
//!
//! glibc has `stable release version 2.36` in its library, musl its version as a text of its
//! own, an interpreter the loader's path and its own version.

use bstr::ByteSlice as _;
use imgfix_model::path::ImagePath;
use imgfix_vfs::{FileSystem, RootfsError};

use crate::tags::Libc;

/// The largest program that is looked into, in bytes.
const MAX_PROGRAM: u64 = 64 << 20;

/// Where glibc's library is, in Debian's layout for each machine and in that of others.
const FOLDERS: [&str; 6] = ["/lib64", "/usr/lib64", "/lib", "/usr/lib", "/lib32", "/usr/lib32"];

/// Which C library the interpreter at `program` is for, by what it says; where there is no
/// program, by what the image has.
pub(super) fn of(
    fs: &dyn FileSystem,
    program: Option<&ImagePath>,
) -> Result<Option<Libc>, RootfsError> {
    let wants_musl = match program {
        Some(path) => content(fs, path)?.map(|bytes| bytes.contains_str("/lib/ld-musl-")),
        None => None,
    };
    let musl = loader(fs);
    if wants_musl == Some(false) || musl.is_none() {
        return glibc(fs);
    }
    let glibc = if wants_musl == Some(true) { None } else { glibc(fs)? };
    if glibc.is_some() {
        return Ok(None);
    }
    match musl {
        Some(path) => Ok(content(fs, &path)?.and_then(|bytes| musl_version(&bytes))),
        None => Ok(None),
    }
}

/// The program of an interpreter.
pub(super) fn program(fs: &dyn FileSystem, base: &ImagePath, minor: u32) -> Option<ImagePath> {
    let prefixes = [base.clone(), ImagePath::literal("/usr/local"), ImagePath::literal("/usr")];
    prefixes.into_iter().find_map(|prefix| {
        let path = fs.resolve(&prefix.join(format!("bin/python3.{minor}")).ok()?).ok()?;
        fs.lstat(&path).filter(|entry| entry.is_file()).map(|_| path)
    })
}

/// What an interpreter, or the library that is most of it, says of its own version.
pub(super) fn python_version(
    fs: &dyn FileSystem,
    prefix: &ImagePath,
    minor: u32,
) -> Result<Option<String>, RootfsError> {
    let start = format!("3.{minor}.");
    for name in [
        format!("lib/libpython3.{minor}.so.1.0"),
        format!("lib64/libpython3.{minor}.so.1.0"),
        format!("bin/python3.{minor}"),
    ] {
        let Ok(path) = prefix.join(name) else { continue };
        let Some(bytes) = content(fs, &path)? else { continue };
        let mut texts = texts(&bytes, start.as_bytes());
        let is_version = |text: &&str| {
            text.strip_prefix(&start).is_some_and(|rest| {
                rest.starts_with(|c: char| c.is_ascii_digit())
                    && rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '+')
            })
        };
        if let Some(version) = texts.find(is_version) {
            return Ok(Some(version.to_owned()));
        }
    }
    Ok(None)
}

fn loader(fs: &dyn FileSystem) -> Option<ImagePath> {
    let folder = fs.resolve(&ImagePath::literal("/lib")).ok()?;
    fs.read_dir(&folder).into_iter().find(|path| path.file_name().starts_with(b"ld-musl-"))
}

fn glibc(fs: &dyn FileSystem) -> Result<Option<Libc>, RootfsError> {
    let mut folders: Vec<ImagePath> = FOLDERS.iter().map(|path| ImagePath::literal(path)).collect();
    for folder in ["/lib", "/usr/lib"] {
        let folder = ImagePath::literal(folder);
        let triplets = fs.read_dir(&fs.resolve(&folder).unwrap_or(folder)).into_iter();
        folders.extend(triplets.filter(|path| path.file_name().contains_str("-linux-gnu")));
    }
    for folder in folders {
        let Ok(path) = folder.join("libc.so.6") else { continue };
        if let Some(bytes) = content(fs, &path)?
            && let Some(version) = glibc_version(&bytes)
        {
            return Ok(Some(version));
        }
    }
    Ok(None)
}

fn glibc_version(bytes: &[u8]) -> Option<Libc> {
    const SAYS: &[u8] = b" release version ";
    let at = bytes.find(SAYS)?;
    let rest = bytes.get(at + SAYS.len()..)?;
    let end = rest.iter().position(|byte| !byte.is_ascii_digit() && *byte != b'.')?;
    let text = std::str::from_utf8(rest.get(..end)?).ok()?;
    let mut numbers = text.split('.');
    Some(Libc::Glibc(numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn musl_version(bytes: &[u8]) -> Option<Libc> {
    texts(bytes, b"1.").find_map(|text| {
        let mut numbers = text.split('.');
        let (major, minor) = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
        let last = numbers.next()?;
        let is_last = last.starts_with(|c: char| c.is_ascii_digit()) && numbers.next().is_none();
        is_last.then_some(Libc::Musl(major, minor))
    })
}

/// The content of the file behind all links, when there is one that is not too large.
fn content(fs: &dyn FileSystem, path: &ImagePath) -> Result<Option<bytes::Bytes>, RootfsError> {
    match fs.stat(path) {
        Some(entry) if entry.is_file() && entry.size() <= MAX_PROGRAM => fs.read_if_readable(path),
        _ => Ok(None),
    }
}

/// Texts between NULs that begin so.
fn texts<'a>(bytes: &'a [u8], start: &'a [u8]) -> impl Iterator<Item = &'a str> {
    let parts = bytes.split(|byte| *byte == 0).filter(move |part| part.starts_with(start));
    parts.filter_map(|part| std::str::from_utf8(part).ok())
}
