//! `groups` of coreutils: the names of a user's groups, root's when none is named. (busybox's says
//! them in another form.)

use super::accounts::{AccountList, User};
use imgfix_shell::{Process, Status, Stop};

/// `groups [USER...]`.
///
/// # Errors
/// Data limits.
pub fn groups(process: &mut Process<'_>) -> Status {
    let names: Vec<String> = process.arguments().iter().map(ToString::to_string).collect();
    let accounts = AccountList::load(process)?;
    if names.is_empty() {
        let line = named_groups(&accounts, &root(&accounts));
        process.print(line + "\n")?;
        return Ok(0);
    }
    let mut status = 0;
    for name in names {
        if name.starts_with('-') {
            return Err(process.unsupported(name));
        }
        match accounts.user(&name) {
            Some(user) => {
                let line = format!("{name} : {}\n", named_groups(&accounts, user));
                process.print(line)?;
            }
            None => {
                process.complain(format!("\u{2018}{name}\u{2019}: no such user"))?;
                status = 1;
            }
        }
    }
    Ok(status)
}

fn named_groups(accounts: &AccountList, user: &User) -> String {
    let gids = accounts.groups_of(user);
    gids.iter().map(|gid| group(accounts, *gid)).collect::<Vec<_>>().join(" ")
}

fn root(accounts: &AccountList) -> User {
    accounts.user_numbered(0).cloned().unwrap_or_else(|| User {
        name: "root".into(),
        uid: 0,
        gid: 0,
    })
}

fn group(accounts: &AccountList, gid: u32) -> String {
    accounts.group_numbered(gid).map_or_else(|| gid.to_string(), |group| group.name.clone())
}

/// The stop of programs that ask a person.
///
/// # Errors
/// Always.
pub fn interactive(process: &mut Process<'_>) -> Status {
    Err(Stop::new(format!("{} asks a person", String::from_utf8_lossy(process.name()))))
}
