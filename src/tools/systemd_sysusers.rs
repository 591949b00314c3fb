//! `systemd-sysusers FILE...` where all accounts are there already, as after the first
//! installation of a package.

use super::accounts::AccountList;
use super::files::read_optional;
use imgfix_shell::{Process, Status};

const FOLDERS: &[&str] = &["/etc/sysusers.d", "/run/sysusers.d", "/usr/lib/sysusers.d"];

/// `systemd-sysusers`.
///
/// # Errors
/// An account that is missing, and options.
pub fn run(process: &mut Process<'_>) -> Status {
    let files: Vec<String> = process.arguments().iter().map(ToString::to_string).collect();
    if files.is_empty() || files.iter().any(|file| file.starts_with('-')) {
        return Err(process.unsupported("anything but files"));
    }
    let accounts = AccountList::load(process)?;
    let mut status = 0;
    for file in &files {
        let mut text = None;
        for folder in FOLDERS {
            let path = if file.contains('/') { file.clone() } else { format!("{folder}/{file}") };
            if text.is_none() {
                text = read_optional(process, path.as_bytes())?;
            }
        }
        let Some(text) = text else {
            process.complain(format!(
                "Failed to open '{file}', ignoring: No such file or directory"
            ))?;
            status = 1;
            continue;
        };
        for line in String::from_utf8_lossy(&text).lines() {
            if !is_done(&accounts, line) {
                return Err(process.unsupported(format!("{file}: {line}")));
            }
        }
    }
    Ok(status)
}

/// Whether what a line wants is there.
fn is_done(accounts: &AccountList, line: &str) -> bool {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    match words.as_slice() {
        [] => true,
        [first, ..] if first.starts_with('#') => true,
        ["r", ..] => true,
        ["g", name, ..] => accounts.group(name).is_some(),
        ["u" | "u!", name, ..] => accounts.user(name).is_some(),
        ["m", user, group, ..] => accounts
            .group(group)
            .is_some_and(|group| group.members.iter().any(|member| member == user)),
        _ => false,
    }
}
