//! Configuration files of PostgreSQL as postgresql-common reads them (`PgCommon.pm`): one
//! `name = value` a line, values in quotes or plain, other files included.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bstr::{BString, ByteSlice as _};
use regex::bytes::{Captures, Regex};

use crate::files::{is_directory, names_in, read_optional};
use imgfix_shell::{Process, Stop};

/// Parameters by name.
pub type Parameters = BTreeMap<BString, BString>;

/// Files that include each other, at most so deep.
const MAX_DEPTH: u32 = 10;

static EMPTY: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(r"^\s*(?:#.*)?$"));
static INCLUDE_DIR: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"(?i)^\s*include_dir\s*=?\s*'([^']+)'\s*(?:#.*)?$"));
static INCLUDE: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"(?i)^\s*include(?:_if_exists)?\s*=?\s*'([^']+)'\s*(?:#.*)?$"));
static QUOTED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(r"^\s*([a-zA-Z0-9_.-]+)\s*(?:=|\s)\s*'((?:[^']|''|\\')*)'\s*(?:#.*)?$")
});
static PLAIN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(r"^\s*([a-zA-Z0-9_.-]+)\s*(?:=|\s)\s*(-?[a-zA-Z0-9][a-zA-Z0-9._:/+-]*)\s*(?:#.*)?$")
});

/// A pattern over bytes; `None` never happens, as the tests show.
fn pattern(text: &str) -> Option<Regex> {
    regex::bytes::RegexBuilder::new(text).unicode(false).build().ok()
}

fn captures<'t>(pattern: &Option<Regex>, line: &'t [u8]) -> Option<Captures<'t>> {
    pattern.as_ref()?.captures(line)
}

/// Reads a file and what it includes; a missing one has no parameters.
///
/// # Errors
/// A line that the programs fail on; files included too deep.
pub fn read(process: &mut Process<'_>, path: &[u8]) -> Result<Parameters, Stop> {
    read_at_depth(process, path, 0)
}

fn read_at_depth(process: &mut Process<'_>, path: &[u8], depth: u32) -> Result<Parameters, Stop> {
    let mut parameters = Parameters::new();
    if depth > MAX_DEPTH {
        return Err(process.unsupported("configuration files that include each other"));
    }
    let Some(text) = read_optional(process, path)? else { return Ok(parameters) };
    for line in text.lines() {
        if captures(&EMPTY, line).is_some() {
            continue;
        }
        if let Some(found) = captures(&INCLUDE_DIR, line) {
            let folder = beside(path, found.get(1).map_or(b"", |text| text.as_bytes()));
            for file in configuration_files(process, &folder)? {
                parameters.extend(read_at_depth(process, &file, depth + 1)?);
            }
        } else if let Some(found) = captures(&INCLUDE, line) {
            let file = beside(path, found.get(1).map_or(b"", |text| text.as_bytes()));
            parameters.extend(read_at_depth(process, &file, depth + 1)?);
        } else if let Some((name, value)) = parameter(line) {
            let name = if path.ends_with(b".conf") { name.to_ascii_lowercase() } else { name };
            parameters.insert(name.into(), value.into());
        } else {
            let line = line.to_str_lossy().into_owned();
            let path = path.to_str_lossy().into_owned();
            return Err(process.unsupported(format!("the line {line} in {path}")));
        }
    }
    Ok(parameters)
}

fn configuration_files(process: &mut Process<'_>, folder: &[u8]) -> Result<Vec<Vec<u8>>, Stop> {
    if !is_directory(process, folder)? {
        return Ok(Vec::new());
    }
    let names = names_in(process, folder)?.into_iter();
    let names = names.filter(|name| !name.starts_with(b".") && name.ends_with(b".conf"));
    Ok(names.map(|name| [folder, b"/", &name].concat()).collect())
}

/// A path in a file, from the folder of the file.
fn beside(file: &[u8], path: &[u8]) -> Vec<u8> {
    match (path.first(), file.rfind_byte(b'/')) {
        (Some(b'/'), _) => path.to_vec(),
        (_, Some(at)) => [file.get(..at).unwrap_or_default(), b"/", path].concat(),
        (_, None) => [file, b"/", path].concat(),
    }
}

fn parameter(line: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let text = |found: &Captures<'_>, group| Some(found.get(group)?.as_bytes().to_vec());
    if let Some(found) = captures(&QUOTED, line) {
        return Some((text(&found, 1)?, unquoted(&text(&found, 2)?)));
    }
    let found = captures(&PLAIN, line)?;
    Some((text(&found, 1)?, text(&found, 2)?))
}

/// Without the backslash before a character, then with one quote for two.
fn unquoted(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.iter().peekable();
    while let Some(&byte) = rest.next() {
        match byte {
            b'\\' => out.push(rest.next().copied().unwrap_or(b'\\')),
            _ => out.push(byte),
        }
    }
    out.replace("''", "'")
}

/// A value as such a file has it.
#[must_use]
pub fn quoted(value: &[u8]) -> Vec<u8> {
    let is_number = |text: &[u8]| text.iter().all(|b| b.is_ascii_digit() || *b == b'.');
    let unsigned = value.strip_prefix(b"-").unwrap_or(value);
    let is_word = value.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_');
    match !unsigned.is_empty() && (is_number(unsigned) || is_word) {
        true => value.to_vec(),
        false => [b"'", &value.replace("'", "''")[..], b"'"].concat(),
    }
}

/// A truth value; `None` for another one.
#[must_use]
pub fn truth(value: &[u8]) -> Option<bool> {
    match value.to_ascii_lowercase().as_slice() {
        b"on" | b"true" | b"yes" | b"1" => Some(true),
        b"off" | b"false" | b"no" | b"0" => Some(false),
        _ => None,
    }
}
