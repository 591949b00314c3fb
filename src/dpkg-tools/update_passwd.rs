//! `update-passwd` of base-passwd, where it has nothing to do.

use super::files::read_or_empty;
use imgfix_shell::{Process, Status, Stop};

/// `update-passwd` (base-passwd) where the accounts of the distribution are as its masters
/// have them.
///
/// # Errors
/// Any difference: what becomes of it is the program's to say.
pub fn run(process: &mut Process<'_>) -> Status {
    let known = ["--dry-run", "-n", "--verbose", "-v"];
    if process.arguments().iter().any(|word| !known.contains(&word.to_string().as_str())) {
        return Err(process.unsupported("this option"));
    }
    for (file, master) in [
        ("/etc/passwd", "/usr/share/base-passwd/passwd.master"),
        ("/etc/group", "/usr/share/base-passwd/group.master"),
    ] {
        if let Some(name) = difference(process, file, master)? {
            return Err(process.unsupported(format!("{name} in {file}, which differs")));
        }
    }
    Ok(0)
}

/// The first account that differs from the master in more than its password, members, or
/// place; or that has a number of the distribution and is not in the master.
fn difference(process: &mut Process<'_>, file: &str, master: &str) -> Result<Option<String>, Stop> {
    let (own, wanted) =
        (read_or_empty(process, file.as_bytes())?, read_or_empty(process, master.as_bytes())?);
    let entries = |text: &[u8]| -> Vec<Vec<String>> {
        let text = String::from_utf8_lossy(text).into_owned();
        text.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect()
    };
    let (own, wanted) = (entries(&own), entries(&wanted));
    let relevant = |entry: &[String]| -> Vec<String> {
        let members = if entry.len() == 4 { 3 } else { usize::MAX };
        let kept = entry.iter().enumerate().filter(|(at, _)| *at != 1 && *at != members);
        kept.map(|(_, field)| field.clone()).collect()
    };
    for master in &wanted {
        let same = own.iter().any(|entry| relevant(entry) == relevant(master));
        if !same {
            return Ok(master.first().cloned());
        }
    }
    let is_reserved = |entry: &&Vec<String>| {
        entry.get(2).and_then(|id| id.parse::<u32>().ok()).is_some_and(|id| id < 100)
    };
    let foreign = own
        .iter()
        .filter(is_reserved)
        .find(|entry| !wanted.iter().any(|master| master.first() == entry.first()));
    Ok(foreign.and_then(|entry| entry.first().cloned()))
}
