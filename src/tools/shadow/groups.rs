//! `groupadd`, `groupmod`, `groupdel`, `gpasswd`.

use imgfix_shell::options::{Long, Short, Value};

use super::login_defs::{LoginDefs, Range, free_number};
use super::{Files, fail, is_name, number, only_root, set_field, with_member, without_member};
use imgfix_shell::{Process, Status};

/// `groupadd [-r] [-g GID] [-o] [-f] [-K KEY=VALUE] NAME`.
///
/// # Errors
/// Another option.
pub fn groupadd(process: &mut Process<'_>) -> Status {
    let (mut range, mut gid, mut again, mut force) = (Range::Ordinary, None, false, false);
    let (mut settings, mut names, mut password) = (Vec::new(), Vec::new(), None);
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('R') | Long("root") => only_root(process, &options.text()?)?,
            Short('r') | Long("system") => range = Range::System,
            Short('o') | Long("non-unique") => again = true,
            Short('f') | Long("force") => force = true,
            Short('g') | Long("gid") => gid = Some(options.text()?),
            Short('K') | Long("key") => settings.push(options.text()?),
            Short('p') | Long("password") => password = Some(options.text()?),
            Value(name) => names.push(name.to_string_lossy().into_owned()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    let [name] = names.as_slice() else { return Err(process.unsupported("no name, or several")) };
    if !is_name(name) {
        return fail(process, 3, format!("'{name}' is not a valid group name"));
    }
    let mut files = Files::load(process)?;
    if files.groups.has(name) {
        return match force {
            true => Ok(0),
            false => fail(process, 9, format!("group '{name}' already exists")),
        };
    }
    let taken = files.group_ids();
    let chosen = match gid {
        None => None,
        Some(gid) => match gid.parse::<u32>() {
            Err(_) => return fail(process, 3, format!("invalid group ID '{gid}'")),
            Ok(gid) if taken.contains(&gid) && !again && force => None,
            Ok(gid) if taken.contains(&gid) && !again => {
                return fail(process, 4, format!("GID '{gid}' already exists"));
            }
            Ok(gid) => Some(gid),
        },
    };
    let defs = LoginDefs::load(process, &settings)?;
    let Some(gid) = chosen.or_else(|| free_number(&defs, 'G', range, &taken)) else {
        return fail(process, 4, "Can't get unique GID (no more available GIDs)");
    };
    let password = password.unwrap_or_else(|| "!".into());
    let entry = [name, "x", &gid.to_string(), ""].map(str::to_owned);
    files.groups.set(name, &entry);
    if files.group_shadow.present {
        files.group_shadow.set(name, &[name, &password, "", ""].map(str::to_owned));
    }
    files.save(process)?;
    Ok(0)
}

/// Adds a user's own group to the files, as `useradd` does.
pub(super) fn add_own(files: &mut Files, name: &str, gid: u32) {
    let shown = if files.group_shadow.present { "x" } else { "!" };
    let entry = [name, shown, &gid.to_string(), ""].map(str::to_owned);
    files.groups.set(name, &entry);
    if files.group_shadow.present {
        files.group_shadow.set(name, &[name, "!", "", ""].map(str::to_owned));
    }
}

/// `groupmod [-n NAME] [-g GID] [-o] NAME`.
///
/// # Errors
/// Another option.
pub fn groupmod(process: &mut Process<'_>) -> Status {
    let (mut new_name, mut gid, mut again, mut names) = (None, None, false, Vec::new());
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('n') | Long("new-name") => new_name = Some(options.text()?),
            Short('g') | Long("gid") => gid = Some(options.text()?),
            Short('o') | Long("non-unique") => again = true,
            Value(name) => names.push(name.to_string_lossy().into_owned()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    let [name] = names.as_slice() else { return Err(process.unsupported("no name, or several")) };
    let mut files = Files::load(process)?;
    let Some(mut entry) = files.groups.get(name) else {
        return fail(process, 6, format!("group '{name}' does not exist"));
    };
    let old_gid = number(&entry, 2);
    if let Some(gid) = &gid {
        let Ok(id) = gid.parse::<u32>() else {
            return fail(process, 3, format!("invalid group ID '{gid}'"));
        };
        if Some(id) != old_gid && !again && files.group_ids().contains(&id) {
            return fail(process, 4, format!("GID '{gid}' already exists"));
        }
        set_field(&mut entry, 2, gid.as_str());
        change_primary(&mut files, old_gid, gid);
    }
    let wanted = new_name.filter(|new| new != name);
    if let Some(new) = &wanted {
        if !is_name(new) {
            return fail(process, 3, format!("invalid group name '{new}'"));
        }
        if files.groups.has(new) {
            return fail(process, 9, format!("group '{new}' already exists"));
        }
    }
    // A renamed group goes to the end: the old entry is removed after the new one is added.
    let shown = wanted.as_ref().unwrap_or(name);
    set_field(&mut entry, 0, shown.as_str());
    files.groups.set(shown, &entry);
    if let Some(mut secret) = files.group_shadow.get(name) {
        set_field(&mut secret, 0, shown.as_str());
        if wanted.is_some() {
            files.group_shadow.set(shown, &secret);
            files.group_shadow.remove(name);
        }
    }
    if wanted.is_some() {
        files.groups.remove(name);
    }
    files.save(process)?;
    Ok(0)
}

/// Users whose primary group has another number now follow it.
fn change_primary(files: &mut Files, old: Option<u32>, new: &str) {
    let Some(old) = old else { return };
    let theirs: Vec<Vec<String>> =
        files.users.entries().filter(|entry| number(entry, 3) == Some(old)).collect();
    for mut entry in theirs {
        set_field(&mut entry, 3, new);
        if let Some(name) = entry.first().cloned() {
            files.users.set(&name, &entry);
        }
    }
}

/// `groupdel NAME`.
///
/// # Errors
/// Another option.
pub fn groupdel(process: &mut Process<'_>) -> Status {
    let mut names = Vec::new();
    let mut force = false;
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('f') | Long("force") => force = true,
            Value(name) => names.push(name.to_string_lossy().into_owned()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    let [name] = names.as_slice() else { return Err(process.unsupported("no name, or several")) };
    let mut files = Files::load(process)?;
    let Some(entry) = files.groups.get(name) else {
        return fail(process, 6, format!("group '{name}' does not exist"));
    };
    let gid = number(&entry, 2);
    let user = files.users.entries().find(|user| number(user, 3) == gid);
    if let (Some(user), false) = (user, force) {
        let user = user.first().cloned().unwrap_or_default();
        return fail(process, 8, format!("cannot remove the primary group of user '{user}'"));
    }
    files.groups.remove(name);
    files.group_shadow.remove(name);
    files.save(process)?;
    Ok(0)
}

/// `gpasswd -a USER | -d USER | -M USERS | -A USERS GROUP`.
///
/// # Errors
/// A password that a person would type.
pub fn gpasswd(process: &mut Process<'_>) -> Status {
    let (mut adding, mut removing, mut members, mut administrators) = (None, None, None, None);
    let mut names = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('a') | Long("add") => adding = Some(options.text()?),
            Short('d') | Long("delete") => removing = Some(options.text()?),
            Short('M') | Long("members") => members = Some(options.text()?),
            Short('A') | Long("administrators") => {
                administrators = Some(options.text()?);
            }
            Value(name) => names.push(name.to_string_lossy().into_owned()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    let [name] = names.as_slice() else { return Err(process.unsupported("no group, or several")) };
    let mut files = Files::load(process)?;
    let Some(mut entry) = files.groups.get(name) else {
        return fail(process, 3, format!("group '{name}' does not exist in /etc/group"));
    };
    let listed = members.iter().chain(&administrators).flat_map(|list| list.split(','));
    let unknown = listed
        .chain(adding.as_deref())
        .find(|user| !user.is_empty() && !files.users.has(user))
        .map(str::to_owned);
    if let Some(user) = unknown {
        return fail(process, 3, format!("user '{user}' does not exist"));
    }
    let change = |list: &str| match (&adding, &removing, &members) {
        (Some(user), ..) => with_member(list, user),
        (_, Some(user), _) => without_member(list, user),
        (_, _, Some(members)) => super::super::accounts::list(members).join(","),
        (None, None, None) => list.to_owned(),
    };
    let before = entry.get(3).cloned().unwrap_or_default();
    if let Some(user) = &adding {
        process.print(format!("Adding user {user} to group {name}\n"))?;
    }
    if let Some(user) = &removing {
        process.print(format!("Removing user {user} from group {name}\n"))?;
        if !super::super::accounts::list(&before).contains(user) {
            return fail(process, 3, format!("user '{user}' is not a member of '{name}'"));
        }
    }
    if adding.is_none() && removing.is_none() && members.is_none() && administrators.is_none() {
        return Err(process.unsupported("a password"));
    }
    set_field(&mut entry, 3, change(&before));
    files.groups.set(name, &entry);
    if files.group_shadow.present {
        let missing = || [name, "!", "", &before].map(|field| field.to_owned()).to_vec();
        let mut secret = files.group_shadow.get(name).unwrap_or_else(missing);
        let members = secret.get(3).cloned().unwrap_or_default();
        set_field(&mut secret, 3, change(&members));
        if let Some(list) = administrators {
            set_field(&mut secret, 2, super::super::accounts::list(&list).join(","));
        }
        files.group_shadow.set(name, &secret);
    }
    files.save(process)?;
    Ok(0)
}
