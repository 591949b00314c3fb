//! Which pam-auth-update an image has, by the text of its program: versions differ in what
//! they do, and in the sums of the files they shipped, which are read from it.

use bstr::ByteSlice as _;
use md5::{Digest as _, Md5};

use super::profile::InteractiveOnly;
use crate::files::read_or_empty;
use imgfix_shell::{Process, Stop};

const PROGRAM: &[u8] = b"/usr/sbin/pam-auth-update";

/// When `--enable` takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enabling {
    /// Before it is decided whether no profile is enabled; `--disable` and `--root` are known.
    First,
    /// After that.
    Last,
}

/// What differs between versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    pub enabling: Enabling,
    pub interactive_only: InteractiveOnly,
}

/// The MD5 sums of the known programs, of what [`essence`] leaves of them.
const KNOWN: &[(&str, Version)] = &[
    (
        "cef68d79f83b7dd9acd91bcce9bce68b", // 1.4 (Debian 11)
        Version { enabling: Enabling::Last, interactive_only: InteractiveOnly::WhenSet },
    ),
    (
        "78826f58fd0241917ae4981786a02e33", // 1.5 (Debian 12)
        Version { enabling: Enabling::First, interactive_only: InteractiveOnly::WhenSet },
    ),
    (
        "5998e5b7b923db4d47ae31910dfc7759", // 1.7 (Debian 13)
        Version { enabling: Enabling::First, interactive_only: InteractiveOnly::WhenYes },
    ),
];

/// The version of the image's program, and its sums of shipped files: types and MD5 sums.
///
/// # Errors
/// The program is not one of the known ones.
pub fn of(process: &mut Process<'_>) -> Result<(Version, Vec<(String, String)>), Stop> {
    let program = read_or_empty(process, PROGRAM)?;
    let sum: String = imgfix_model::hex::encode(Md5::digest(essence(&program)));
    let known = KNOWN.iter().find(|(known, _)| *known == sum);
    match known {
        Some((_, version)) => Ok((*version, sums(&program))),
        None => Err(process.unsupported(format!("a program that is not known ({sum})"))),
    }
}

/// The program without blanks, comment lines, and its table of sums.
fn essence(program: &[u8]) -> Vec<u8> {
    let mut essence = Vec::new();
    let mut in_table = false;
    for line in program.lines() {
        let line = line.trim();
        in_table |= line.starts_with(b"my %md5sums");
        if !in_table && !line.starts_with(b"#") {
            essence.extend(line.iter().filter(|b| !b.is_ascii_whitespace()));
        }
        in_table &= line != b");";
    }
    essence
}

/// The table of sums: `'TYPE' => ['SUM', ...],`.
fn sums(program: &[u8]) -> Vec<(String, String)> {
    let start = program.find(b"my %md5sums").unwrap_or(program.len());
    let table = program.get(start..).unwrap_or_default();
    let table = table.split_str(");").next().unwrap_or_default();
    let mut kind = String::new();
    let mut sums = Vec::new();
    for word in table.split_str("'").skip(1).step_by(2) {
        let word = word.to_str_lossy().into_owned();
        match word.len() == 32 && word.bytes().all(|b| b.is_ascii_hexdigit()) {
            true => sums.push((kind.clone(), word)),
            false => kind = word,
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_read_from_the_program_and_do_not_tell_versions_apart() {
        let sum = "0123456789abcdef0123456789abcdef";
        let program = format!(
            "#!x\nuse strict;\nmy %md5sums = (\n 'auth' => ['{sum}'],\n 'session' => [\n'{sum}',\n\t'{sum}',\n ],\n);\n  my $a = 1;\n"
        );
        let read = sums(program.as_bytes());
        let kinds: Vec<_> = read.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(kinds, ["auth", "session", "session"]);
        assert_eq!(essence(program.as_bytes()).as_bstr(), "usestrict;my$a=1;");
    }
}
