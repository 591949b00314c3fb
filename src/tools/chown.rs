//! `chown` and `chgrp` of coreutils: `-R` (`-H`, `-L` for operands only, `-P`), `-h`, `-f`,
//! `--from`, `--reference`.

use super::operands::{accounts, lstat, quoted, stat, tree_of};
use imgfix_shell::files::Owner;
use imgfix_shell::options::{Long, Short, Value};
use imgfix_shell::{Process, Status, Stop};
use imgfix_vfs::{Accounts, Entry};

#[derive(Default)]
struct Request {
    recursive: bool,
    /// With `-R`: a link to a directory named on the command line is walked into.
    through_operands: bool,
    itself: bool,
    quiet: bool,
    from: Option<Owner>,
    reference: Option<Vec<u8>>,
}

/// Changes owner and group.
///
/// # Errors
/// An option that is not evaluated.
pub fn chown(process: &mut Process<'_>) -> Status {
    run(process, parse_owner)
}

/// Changes the group.
///
/// # Errors
/// An option that is not evaluated.
pub fn chgrp(process: &mut Process<'_>) -> Status {
    run(process, |text, accounts| {
        let gid = number_or(text, |name| accounts.group(name)).ok_or("invalid group")?;
        Ok(Owner { uid: None, gid: Some(gid) })
    })
}

type ParseOwner = fn(&[u8], &Accounts) -> Result<Owner, &'static str>;

fn run(process: &mut Process<'_>, parse: ParseOwner) -> Status {
    let accounts = accounts(process)?;
    let mut request = Request::default();
    let mut operands = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('R') | Long("recursive") => request.recursive = true,
            Short('H') => request.through_operands = true,
            Short('P') => request.through_operands = false,
            Short('h') | Long("no-dereference") => request.itself = true,
            Long("dereference") => request.itself = false,
            Short('f') | Long("silent" | "quiet") => request.quiet = true,
            Long("reference") => request.reference = Some(options.value()?),
            Long("from") => match parse_owner(&options.value()?, &accounts) {
                Ok(owner) => request.from = Some(owner),
                Err(_) => return Err(process.unsupported("--from an unknown account")),
            },
            Value(operand) => operands.push(operand.into_encoded_bytes()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    let mut dotted = None;
    let owner = match request.reference.clone() {
        Some(reference) => match stat(process, &reference)? {
            Ok(entry) => Owner { uid: Some(entry.uid), gid: Some(entry.gid) },
            Err(errno) => {
                let reference = quoted(&reference);
                process.complain(format!("failed to get attributes of {reference}: {errno}"))?;
                return Ok(1);
            }
        },
        None if operands.is_empty() => {
            process.complain("missing operand")?;
            return Ok(1);
        }
        None => {
            let text = operands.remove(0);
            match parse(&text, &accounts) {
                Ok(owner) => {
                    dotted = (owner.gid.is_some() && owner.uid.is_some() && !text.contains(&b':'))
                        .then_some(text);
                    owner
                }
                Err(problem) => {
                    process.complain(format!("{problem}: {}", quoted(&text)))?;
                    return Ok(1);
                }
            }
        }
    };
    if operands.is_empty() {
        process.complain("missing operand")?;
        return Ok(1);
    }
    // Without -H a recursive change never follows links.
    request.itself |= request.recursive && !request.through_operands;
    if let Some(text) = dotted {
        process.complain(format!("warning: '.' should be ':': {}", quoted(&text)))?;
    }
    let mut status = 0;
    for path in operands {
        if !operand(process, &path, owner, &request)? {
            status = 1;
        }
    }
    Ok(status)
}

/// Reads `USER`, `USER:GROUP`, `USER:` (the user's login group), `:GROUP`, and the same with a
/// dot, which GNU still takes.
fn parse_owner(text: &[u8], accounts: &Accounts) -> Result<Owner, &'static str> {
    let with = |separator: u8| {
        let at = text.iter().position(|&b| b == separator);
        let (user, group) = match at {
            Some(at) => (&text[..at], text.get(at + 1..)),
            None => (text, None),
        };
        parse_halves(user, group, accounts)
    };
    match with(b':') {
        Err(problem) if text.contains(&b'.') && !text.contains(&b':') => {
            with(b'.').map_err(|_| problem)
        }
        other => other,
    }
}

fn parse_halves(
    user: &[u8],
    group: Option<&[u8]>,
    accounts: &Accounts,
) -> Result<Owner, &'static str> {
    let uid = match user {
        b"" => None,
        name => Some(number_or(name, |name| accounts.user(name)).ok_or("invalid user")?),
    };
    let gid = match group {
        None => None,
        Some(b"") if user.is_empty() => None,
        Some(b"") => Some(accounts.login_group(user).ok_or("invalid spec")?),
        Some(name) => Some(number_or(name, |name| accounts.group(name)).ok_or("invalid group")?),
    };
    Ok(Owner { uid, gid })
}

/// An account by name, or by number when there is none of that name; `+5` is a number only.
pub(super) fn number_or(text: &[u8], named: impl Fn(&[u8]) -> Option<u32>) -> Option<u32> {
    let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<u32>().ok();
    match text.strip_prefix(b"+") {
        Some(digits) => number(digits),
        None => named(text).or_else(|| number(text)),
    }
}

fn operand(
    process: &mut Process<'_>,
    path: &[u8],
    owner: Owner,
    request: &Request,
) -> Result<bool, Stop> {
    let found = match request.itself {
        true => lstat(process, path)?,
        false => stat(process, path)?,
    };
    if let Err(errno) = found {
        if !request.quiet {
            let dangling = lstat(process, path)?.is_ok();
            process.complain(match dangling {
                true => format!("cannot dereference {}: {errno}", quoted(path)),
                false => format!("cannot access {}: {errno}", quoted(path)),
            })?;
        }
        return Ok(false);
    }
    if !request.recursive {
        return give(process, path, owner, request);
    }
    let top = match request.through_operands {
        // A slash at the end leads through a link, as FTS_COMFOLLOW does.
        true => match process.follow(path)? {
            Ok(_) if lstat(process, path)?.is_ok_and(|entry| !entry.is_symlink()) => path.to_vec(),
            Ok(real) => real.as_bytes().to_vec(),
            Err(_) => path.to_vec(),
        },
        false => path.to_vec(),
    };
    let mut whole = true;
    for path in tree_of(process, &top)? {
        whole &= give(process, &path, owner, request)?;
    }
    Ok(whole)
}

fn give(
    process: &mut Process<'_>,
    path: &[u8],
    owner: Owner,
    request: &Request,
) -> Result<bool, Stop> {
    let found = match request.itself {
        true => lstat(process, path)?,
        false => stat(process, path)?,
    };
    let directory = &process.call.directory;
    let done = match found {
        Ok(entry) if request.from.is_some_and(|from| !is_from(&entry, from)) => Ok(()),
        Ok(_) if request.itself => process.machine.lchown(directory, path, owner)?,
        Ok(_) => process.machine.chown(directory, path, owner)?,
        Err(errno) => Err(errno),
    };
    if let Err(errno) = done {
        process.complain(format!("cannot dereference {}: {errno}", quoted(path)))?;
        return Ok(false);
    }
    Ok(true)
}

fn is_from(entry: &Entry, from: Owner) -> bool {
    from.uid.is_none_or(|uid| uid == entry.uid) && from.gid.is_none_or(|gid| gid == entry.gid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_read_as_chown_reads_them() {
        let accounts =
            Accounts::parse(b"man:x:6:12:\na.b:x:7:8:\n5:x:50:1:\n", b"adm:x:4:\nman:x:12:\n");
        for (text, uid, gid) in [
            ("man", Some(6), None),
            ("man:adm", Some(6), Some(4)),
            ("man:", Some(6), Some(12)),
            (":adm", None, Some(4)),
            ("man.adm", Some(6), Some(4)),
            ("a.b", Some(7), None),
            ("5", Some(50), None),
            ("+5", Some(5), None),
            ("1000:33", Some(1000), Some(33)),
        ] {
            assert_eq!(parse_owner(text.as_bytes(), &accounts), Ok(Owner { uid, gid }), "{text}");
        }
        assert_eq!(parse_owner(b"nobody", &accounts), Err("invalid user"));
        assert_eq!(parse_owner(b"man:none", &accounts), Err("invalid group"));
    }
}
