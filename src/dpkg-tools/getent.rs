//! `getent`: entries of the account files. Other databases need a network or a name service.

use super::accounts::Accounts;
use super::files::read_or_empty;
use imgfix_shell::{Process, Status, Stop};

/// `getent passwd|group|shadow|gshadow [KEY...]`: status 2 when a key is not found.
///
/// # Errors
/// Another database.
pub fn run(process: &mut Process<'_>) -> Status {
    let words: Vec<String> = process.arguments().iter().map(ToString::to_string).collect();
    let [database, keys @ ..] = words.as_slice() else {
        return Err(process.unsupported("no database"));
    };
    let lines = lines(process, database)?;
    if keys.is_empty() {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        process.print(text)?;
        return Ok(0);
    }
    let mut status = 0;
    for key in keys {
        let is_number = !key.is_empty() && key.bytes().all(|b| b.is_ascii_digit());
        let by_number = is_number && matches!(database.as_str(), "passwd" | "group");
        let at = if by_number { 2 } else { 0 };
        let found = lines.iter().find(|line| line.split(':').nth(at) == Some(key));
        match found {
            Some(line) => process.print(format!("{line}\n"))?,
            None => status = 2,
        }
    }
    Ok(status)
}

fn lines(process: &mut Process<'_>, database: &str) -> Result<Vec<String>, Stop> {
    match database {
        "passwd" | "group" => {
            let accounts = Accounts::load(process)?;
            Ok(match database {
                "passwd" => accounts.users.iter().map(super::accounts::User::line).collect(),
                _ => accounts.groups.iter().map(super::accounts::Group::line).collect(),
            })
        }
        "shadow" | "gshadow" => {
            let path = format!("/etc/{database}");
            let text = read_or_empty(process, path.as_bytes())?;
            Ok(String::from_utf8_lossy(&text).lines().map(str::to_owned).collect())
        }
        other => Err(process.unsupported(format!("database {other}"))),
    }
}
