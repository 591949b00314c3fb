//! `useradd`, `usermod`, `userdel`, `chfn`, `chsh`.

use imgfix_shell::options::{Long, Short, Value};

use super::account_file::AccountFile;
use super::login_defs::{LoginDefs, Range, free_number};
use super::{
    Files, fail, is_name, number, only_root, set_field, today, with_member, without_member,
};
use imgfix_shell::{Process, Status, Stop};

/// What is said of a user on the command line.
#[derive(Default)]
struct Request {
    name: String,
    comment: Option<String>,
    home: Option<String>,
    group: Option<String>,
    shell: Option<String>,
    uid: Option<String>,
    password: Option<String>,
    groups: Option<Vec<String>>,
    settings: Vec<String>,
    system: bool,
    again: bool,
    own_group: Option<bool>,
    append: bool,
    lock: Option<bool>,
    login: Option<String>,
    expires: Option<String>,
}

fn request(process: &Process<'_>, adding: bool) -> Result<Request, Stop> {
    let mut request = Request::default();
    let mut names = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        let slot = match option {
            Short('c') | Long("comment") => &mut request.comment,
            Short('d') | Long("home-dir" | "home") => &mut request.home,
            Short('g') | Long("gid") => &mut request.group,
            Short('s') | Long("shell") => &mut request.shell,
            Short('u') | Long("uid") => &mut request.uid,
            Short('p') | Long("password") => &mut request.password,
            Short('e') | Long("expiredate") => &mut request.expires,
            Short('l') | Long("login") if !adding => &mut request.login,
            Short('G') | Long("groups") => {
                let list = options.text()?;
                request.groups = Some(super::super::accounts::list(&list));
                continue;
            }
            Short('K') | Long("key") => {
                let setting = options.text()?;
                request.settings.push(setting);
                continue;
            }
            Short('R') | Long("root") => {
                only_root(process, &options.text()?)?;
                continue;
            }
            Short('r') | Long("system") if adding => {
                request.system = true;
                continue;
            }
            Short('M') | Long("no-create-home") if adding => continue,
            Short('l') | Long("no-log-init") if adding => continue,
            Short('N') | Long("no-user-group") if adding => {
                request.own_group = Some(false);
                continue;
            }
            Short('U') | Long("user-group") if adding => {
                request.own_group = Some(true);
                continue;
            }
            Short('a') | Long("append") if !adding => {
                request.append = true;
                continue;
            }
            Short('L') | Long("lock") if !adding => {
                request.lock = Some(true);
                continue;
            }
            Short('U') | Long("unlock") if !adding => {
                request.lock = Some(false);
                continue;
            }
            Short('o') | Long("non-unique") => {
                request.again = true;
                continue;
            }
            Value(name) => {
                names.push(name.to_string_lossy().into_owned());
                continue;
            }
            other => return Err(process.unsupported_option(&other)),
        };
        *slot = Some(options.text()?);
    }
    let [name] = names.as_slice() else { return Err(process.unsupported("no user, or several")) };
    name.clone_into(&mut request.name);
    Ok(request)
}

/// `useradd`, without making a home directory.
///
/// # Errors
/// Another option.
pub fn useradd(process: &mut Process<'_>) -> Status {
    let request = request(process, true)?;
    let name = request.name.clone();
    let defs = LoginDefs::load(process, &request.settings)?;
    if !is_name(&name) {
        return fail(process, 3, format!("invalid user name '{name}'"));
    }
    let mut files = Files::load(process)?;
    if files.users.has(&name) {
        return fail(process, 9, format!("user '{name}' already exists"));
    }
    let range = if request.system { Range::System } else { Range::Ordinary };
    let taken = files.user_ids();
    let uid = match &request.uid {
        Some(text) => match text.parse::<u32>() {
            Err(_) => return fail(process, 3, format!("invalid user ID '{text}'")),
            Ok(uid) if taken.contains(&uid) && !request.again => {
                return fail(process, 4, format!("UID {uid} is not unique"));
            }
            Ok(uid) => uid,
        },
        None => match free_number(&defs, 'U', range, &taken) {
            Some(uid) => uid,
            None => return fail(process, 4, "Can't get unique UID (no more available UIDs)"),
        },
    };
    let own_group = request.own_group.unwrap_or_else(|| defs.is_yes("USERGROUPS_ENAB"));
    let gid = match &request.group {
        Some(group) => match files.group_id(group) {
            Some(gid) => gid,
            None => return fail(process, 6, format!("group '{group}' does not exist")),
        },
        None if own_group => {
            if files.groups.has(&name) {
                return fail(
                    process,
                    9,
                    format!(
                        "group {name} exists - if you want to add this user to that group, use -g."
                    ),
                );
            }
            let groups = files.group_ids();
            // A group of the user's number is preferred, where the range has it.
            let ordinary = defs.number("GID_MIN", 1000);
            let preferred = match range {
                Range::System => 1..=defs.number("SYS_GID_MAX", ordinary.saturating_sub(1)),
                Range::Ordinary => ordinary..=defs.number("GID_MAX", 60_000),
            };
            let free = match preferred.contains(&uid) && !groups.contains(&uid) {
                true => Some(uid),
                false => free_number(&defs, 'G', range, &groups),
            };
            let Some(gid) = free else {
                return fail(process, 4, "Can't get unique GID (no more available GIDs)");
            };
            super::groups::add_own(&mut files, &name, gid);
            gid
        }
        None => defaults(process)?.group.unwrap_or(100),
    };
    for group in request.groups.iter().flatten() {
        let Some(group) = files.group_name(group) else {
            return fail(process, 6, format!("group '{group}' does not exist"));
        };
        join(&mut files, &group, &name);
    }
    let defaults = defaults(process)?;
    let base = defaults.home.unwrap_or_else(|| "/home".into());
    let home = request.home.clone().unwrap_or_else(|| format!("{base}/{name}"));
    let shell = request.shell.clone().or(defaults.shell).unwrap_or_default();
    let password = request.password.clone().unwrap_or_else(|| "!".into());
    let shown = if files.shadow.present { "x".to_owned() } else { password.clone() };
    let comment = request.comment.clone().unwrap_or_default();
    let entry = [name.clone(), shown, uid.to_string(), gid.to_string(), comment, home, shell];
    files.users.set(&name, &entry);
    if files.shadow.present {
        let limit = |key: &str| match (request.system, defs.days(key)) {
            (true, _) | (_, -1) => String::new(),
            (false, days) => days.to_string(),
        };
        let empty = String::new;
        let day = today(process).to_string();
        let (least, most) = (limit("PASS_MIN_DAYS"), limit("PASS_MAX_DAYS"));
        let warning = limit("PASS_WARN_AGE");
        files.shadow.set(
            &name,
            &[name.clone(), password, day, least, most, warning, empty(), empty(), empty()],
        );
    }
    files.save(process)?;
    let ordinary = (defs.number("UID_MIN", 1000)..=defs.number("UID_MAX", 60_000)).contains(&uid);
    if !request.system && ordinary {
        add_subordinates(process, &defs, &name)?;
    }
    Ok(0)
}

/// `/etc/default/useradd`.
#[derive(Default)]
struct Defaults {
    group: Option<u32>,
    home: Option<String>,
    shell: Option<String>,
}

fn defaults(process: &mut Process<'_>) -> Result<Defaults, Stop> {
    let text = super::super::files::read_or_empty(process, b"/etc/default/useradd")?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut defaults = Defaults::default();
    for line in text.lines() {
        match line.split_once('=') {
            Some(("GROUP", value)) => defaults.group = value.parse().ok(),
            Some(("HOME", value)) => defaults.home = Some(value.into()),
            Some(("SHELL", value)) => defaults.shell = Some(value.into()),
            _ => {}
        }
    }
    Ok(defaults)
}

/// Adds ranges of subordinate numbers after the highest that is given out.
fn add_subordinates(process: &mut Process<'_>, defs: &LoginDefs, name: &str) -> Result<(), Stop> {
    for (path, prefix) in [("/etc/subuid", "SUB_UID"), ("/etc/subgid", "SUB_GID")] {
        let mut file = AccountFile::load(process, path)?;
        if !file.present || file.has(name) {
            continue;
        }
        let least = defs.number(&format!("{prefix}_MIN"), 100_000);
        let count = defs.number(&format!("{prefix}_COUNT"), 65_536);
        let ends = file
            .entries()
            .filter_map(|entry| Some(number(&entry, 1)?.saturating_add(number(&entry, 2)?)));
        let start = ends.max().unwrap_or(least).max(least);
        file.set(name, &[name.to_owned(), start.to_string(), count.to_string()]);
        file.save(process)?;
    }
    Ok(())
}

/// Adds a user to a group.
fn join(files: &mut Files, group: &str, user: &str) {
    for file in [&mut files.groups, &mut files.group_shadow] {
        if let Some(mut entry) = file.get(group) {
            let members = with_member(entry.get(3).map_or("", String::as_str), user);
            set_field(&mut entry, 3, members);
            file.set(group, &entry);
        }
    }
}

/// Takes a user out of a group.
fn leave(files: &mut Files, group: &str, user: &str) {
    for file in [&mut files.groups, &mut files.group_shadow] {
        if let Some(mut entry) = file.get(group) {
            let before = entry.get(3).cloned().unwrap_or_default();
            let members = without_member(&before, user);
            if members != before {
                set_field(&mut entry, 3, members);
                file.set(group, &entry);
            }
        }
    }
}

/// `usermod`, without moving a home directory.
///
/// # Errors
/// Another option.
pub fn usermod(process: &mut Process<'_>) -> Status {
    let request = request(process, false)?;
    let name = request.name.clone();
    let mut files = Files::load(process)?;
    let Some(mut user) = files.users.get(&name) else {
        return fail(process, 6, format!("user '{name}' does not exist"));
    };
    if request.login.is_some() {
        return Err(process.unsupported("a new login name"));
    }
    let before = user.clone();
    if let Some(uid) = &request.uid {
        let Ok(number) = uid.parse::<u32>() else {
            return fail(process, 3, format!("invalid user ID '{uid}'"));
        };
        if user.get(2) != Some(uid) && files.user_ids().contains(&number) && !request.again {
            return fail(process, 4, format!("UID '{uid}' already exists"));
        }
        set_field(&mut user, 2, uid.as_str());
    }
    if let Some(group) = &request.group {
        let Some(gid) = files.group_id(group) else {
            return fail(process, 6, format!("group '{group}' does not exist"));
        };
        set_field(&mut user, 3, gid.to_string());
    }
    for (at, wish) in [(4, &request.comment), (5, &request.home), (6, &request.shell)] {
        if let Some(value) = wish {
            set_field(&mut user, at, value.as_str());
        }
    }
    let mut secret = files.shadow.get(&name);
    if let Some(entry) = &mut secret {
        let day = today(process).to_string();
        if let Some(password) = &request.password {
            set_field(entry, 1, password.as_str());
            set_field(entry, 2, day);
        }
        let password = entry.get(1).cloned().unwrap_or_default();
        match (request.lock, password.strip_prefix('!')) {
            (Some(true), None) => set_field(entry, 1, format!("!{password}")),
            (Some(false), Some(open)) if !open.is_empty() => set_field(entry, 1, open),
            _ => {}
        }
        if let Some(date) = &request.expires {
            match date.as_str() {
                "" | "-1" => set_field(entry, 7, ""),
                days if days.bytes().all(|b| b.is_ascii_digit()) => set_field(entry, 7, days),
                _ => return Err(process.unsupported("a date")),
            }
        }
    }
    let password_touched = request.password.is_some() || request.lock.is_some();
    let secret_touched = password_touched || request.expires.is_some();
    if user != before || password_touched {
        files.users.set(&name, &user);
    } else if request.groups.is_none() && !secret_touched {
        process.print("usermod: no changes\n")?;
        return Ok(0);
    }
    if let (Some(entry), true) = (&secret, secret_touched) {
        files.shadow.set(&name, entry);
    }
    if let Some(groups) = &request.groups {
        let mut wanted = Vec::new();
        for group in groups {
            match files.group_name(group) {
                Some(group) => wanted.push(group),
                None => return fail(process, 6, format!("group '{group}' does not exist")),
            }
        }
        change_groups(&mut files, &name, &wanted, request.append);
    }
    files.save(process)?;
    Ok(0)
}

fn change_groups(files: &mut Files, user: &str, wanted: &[String], append: bool) {
    let all: Vec<Vec<String>> = files.groups.entries().collect();
    for entry in all {
        let Some(group) = entry.first() else { continue };
        let is_member = entry
            .get(3)
            .is_some_and(|list| super::super::accounts::list(list).iter().any(|m| m == user));
        match (wanted.contains(group), is_member) {
            (true, _) => join(files, group, user),
            (false, true) if !append => leave(files, group, user),
            _ => {}
        }
    }
}

/// `userdel`, without removing a home directory.
///
/// # Errors
/// Another option.
pub fn userdel(process: &mut Process<'_>) -> Status {
    let mut names = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('f') | Long("force") => {}
            Value(name) => names.push(name.to_string_lossy().into_owned()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    let [name] = names.as_slice() else { return Err(process.unsupported("no user, or several")) };
    let mut files = Files::load(process)?;
    let Some(user) = files.users.get(name) else {
        return fail(process, 6, format!("user '{name}' does not exist"));
    };
    files.users.remove(name);
    files.shadow.remove(name);
    let groups: Vec<String> =
        files.groups.entries().filter_map(|entry| entry.first().cloned()).collect();
    for group in groups {
        leave(&mut files, &group, name);
    }
    let defs = LoginDefs::load(process, &[])?;
    if defs.is_yes("USERGROUPS_ENAB") {
        remove_own_group(process, &mut files, name, number(&user, 3))?;
    }
    files.save(process)?;
    for path in ["/etc/subuid", "/etc/subgid"] {
        let mut file = AccountFile::load(process, path)?;
        file.remove(name);
        file.save(process)?;
    }
    Ok(0)
}

/// A user's own group goes with the user, unless others are in it.
fn remove_own_group(
    process: &mut Process<'_>,
    files: &mut Files,
    name: &str,
    primary: Option<u32>,
) -> Result<(), Stop> {
    let Some(entry) = files.groups.get(name) else { return Ok(()) };
    let gid = number(&entry, 2);
    if gid != primary {
        return process.complain(format!(
            "group {name} not removed because it is not the primary group of user {name}."
        ));
    }
    if entry.get(3).is_some_and(|members| !members.is_empty()) {
        return process.complain(format!("group {name} not removed because it has other members."));
    }
    if files.users.entries().any(|user| number(&user, 3) == gid) {
        return process.complain(format!(
            "group {name} is the primary group of another user and is not removed."
        ));
    }
    files.groups.remove(name);
    files.group_shadow.remove(name);
    Ok(())
}

/// `chfn` with the parts on the command line.
///
/// # Errors
/// Parts that a person would type.
pub fn chfn(process: &mut Process<'_>) -> Status {
    let mut parts: [Option<String>; 5] = Default::default();
    let mut names = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        let at = match option {
            Short('f') | Long("full-name") => 0,
            Short('r') | Long("room") => 1,
            Short('w') | Long("work-phone") => 2,
            Short('h') | Long("home-phone") => 3,
            Short('o') | Long("other") => 4,
            Value(name) => {
                names.push(name.to_string_lossy().into_owned());
                continue;
            }
            other => return Err(process.unsupported_option(&other)),
        };
        let value = options.text()?;
        if let Some(part) = parts.get_mut(at) {
            *part = Some(value);
        }
    }
    let ([name], true) = (names.as_slice(), parts.iter().any(Option::is_some)) else {
        return Err(process.unsupported("parts that a person would type"));
    };
    let mut files = Files::load(process)?;
    let Some(mut entry) = files.users.get(name) else {
        return fail(process, 1, format!("user '{name}' does not exist"));
    };
    for (part, forbidden) in parts.iter().zip([":,=", ":,=", ":,=", ":,=", ":"]) {
        let odd = |c: char| forbidden.contains(c) || c.is_control();
        if let Some(part) = part.as_ref().filter(|part| part.contains(odd)) {
            return fail(process, 1, format!("invalid name: '{part}'"));
        }
    }
    let comment = entry.get(4).cloned().unwrap_or_default();
    let mut old = comment.splitn(5, ',').map(str::to_owned);
    let [full, room, work, home, other] = parts.map(|part| {
        let old = old.next().unwrap_or_default();
        part.unwrap_or(old)
    });
    let other = if other.is_empty() { other } else { format!(",{other}") };
    let new = format!("{full},{room},{work},{home}{other}");
    if new.len() > 80 {
        return fail(process, 1, "fields too long");
    }
    set_field(&mut entry, 4, new);
    files.users.set(name, &entry);
    files.save(process)?;
    Ok(0)
}

/// `chsh -s SHELL USER`.
///
/// # Errors
/// A shell that a person would type.
pub fn chsh(process: &mut Process<'_>) -> Status {
    let (mut shell, mut names) = (None, Vec::new());
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('s') | Long("shell") => shell = Some(options.text()?),
            Value(name) => names.push(name.to_string_lossy().into_owned()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    let (Some(shell), [name]) = (shell, names.as_slice()) else {
        return Err(process.unsupported("a shell that a person would type"));
    };
    let mut files = Files::load(process)?;
    let Some(mut entry) = files.users.get(name) else {
        return fail(process, 1, format!("user '{name}' does not exist"));
    };
    set_field(&mut entry, 6, shell);
    files.users.set(name, &entry);
    files.save(process)?;
    Ok(0)
}
