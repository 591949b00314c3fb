//! `getent`: entries of the account files. Other databases need a network or a name service.

use super::files::read_or_empty;
use imgfix_shell::{Process, Status, Stop};
use imgfix_vfs::account_lines::{GroupLine, UserLine};

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
    if !matches!(database, "passwd" | "group" | "shadow" | "gshadow") {
        return Err(process.unsupported(format!("database {database}")));
    }
    let text = read_or_empty(process, format!("/etc/{database}").as_bytes())?;
    let lossy = |line: Vec<u8>| String::from_utf8_lossy(&line).into_owned();
    Ok(match database {
        "passwd" => UserLine::all(&text).map(|user| lossy(user.line())).collect(),
        "group" => GroupLine::all(&text).map(|group| lossy(group.line())).collect(),
        _ => String::from_utf8_lossy(&text).lines().map(str::to_owned).collect(),
    })
}
