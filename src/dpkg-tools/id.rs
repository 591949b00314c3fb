//! `id` and `groups`: the numbers and names of a user, root when none is named.

use super::accounts::{Accounts, User};
use imgfix_shell::{Process, Status, Stop};

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Show {
    All,
    User,
    Group,
    Groups,
}

/// `id [-ugGn] [USER]`.
///
/// # Errors
/// Another option.
pub fn run(process: &mut Process<'_>) -> Status {
    let (mut show, mut names, mut users) = (Show::All, false, Vec::new());
    let mut options = process.options();
    while let Some(option) = options.next().map_err(|error| process.misused(&error))? {
        use lexopt::Arg::{Long, Short, Value};
        match option {
            Short('u') | Long("user") => show = Show::User,
            Short('g') | Long("group") => show = Show::Group,
            Short('G') | Long("groups") => show = Show::Groups,
            Short('n') | Long("name") => names = true,
            Short('r') | Long("real") => {}
            Value(name) => users.push(name.to_string_lossy().into_owned()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    if users.len() > 1 {
        return Err(process.unsupported("several users"));
    }
    let accounts = Accounts::load(process)?;
    let user = match users.first() {
        None => root(&accounts),
        Some(name) => match find(&accounts, name) {
            Some(user) => user,
            None => {
                process.complain(format!("\u{2018}{name}\u{2019}: no such user"))?;
                return Ok(1);
            }
        },
    };
    let line = match show {
        Show::All => all(&accounts, &user),
        Show::User if names => user.name.clone(),
        Show::User => user.uid.to_string(),
        Show::Group => group(&accounts, user.gid, names),
        Show::Groups => {
            let gids = accounts.groups_of(&user);
            gids.iter().map(|gid| group(&accounts, *gid, names)).collect::<Vec<_>>().join(" ")
        }
    };
    process.print(line + "\n")?;
    Ok(0)
}

/// `groups [USER...]`.
///
/// # Errors
/// Data limits.
pub fn groups(process: &mut Process<'_>) -> Status {
    let names: Vec<String> = process.arguments().iter().map(ToString::to_string).collect();
    let accounts = Accounts::load(process)?;
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

/// `whoami`.
///
/// # Errors
/// Data limits.
pub fn whoami(process: &mut Process<'_>) -> Status {
    let accounts = Accounts::load(process)?;
    let name = root(&accounts).name;
    process.print(name + "\n").map(|()| 0)
}

fn named_groups(accounts: &Accounts, user: &User) -> String {
    let gids = accounts.groups_of(user);
    gids.iter().map(|gid| group(accounts, *gid, true)).collect::<Vec<_>>().join(" ")
}

fn root(accounts: &Accounts) -> User {
    accounts.user_numbered(0).cloned().unwrap_or_else(|| User {
        name: "root".into(),
        password: "x".into(),
        uid: 0,
        gid: 0,
        gecos: String::new(),
        home: "/root".into(),
        shell: "/bin/sh".into(),
    })
}

fn find(accounts: &Accounts, name: &str) -> Option<User> {
    let by_number = || name.parse().ok().and_then(|uid| accounts.user_numbered(uid));
    accounts.user(name).or_else(by_number).cloned()
}

fn group(accounts: &Accounts, gid: u32, named: bool) -> String {
    match accounts.group_numbered(gid) {
        Some(group) if named => group.name.clone(),
        _ => gid.to_string(),
    }
}

fn all(accounts: &Accounts, user: &User) -> String {
    let labelled = |gid: u32| match accounts.group_numbered(gid) {
        Some(group) => format!("{gid}({})", group.name),
        None => gid.to_string(),
    };
    let groups: Vec<String> = accounts.groups_of(user).into_iter().map(labelled).collect();
    format!(
        "uid={}({}) gid={} groups={}",
        user.uid,
        user.name,
        labelled(user.gid),
        groups.join(",")
    )
}

/// The stop of programs that ask a person.
///
/// # Errors
/// Always.
pub fn interactive(process: &mut Process<'_>) -> Status {
    Err(Stop::new(format!("{} asks a person", String::from_utf8_lossy(process.name()))))
}
