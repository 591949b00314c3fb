//! `deluser` and `delgroup`.

use super::super::accounts::AccountList;
use super::super::files::exists;
use super::configuration::{Configuration, Release};
use super::{call, done, lock};
use imgfix_shell::{Process, Status, Stop};

/// What the command line says.
#[derive(Default)]
struct Request {
    names: Vec<String>,
    system: bool,
    group: bool,
    quiet: bool,
    only_if_empty: bool,
}

/// `deluser`.
///
/// # Errors
/// Removing files of a user, and other options.
pub fn deluser(process: &mut Process<'_>) -> Status {
    run(process, false)
}

/// `delgroup`.
///
/// # Errors
/// As [`deluser`].
pub fn delgroup(process: &mut Process<'_>) -> Status {
    run(process, true)
}

fn run(process: &mut Process<'_>, group_only: bool) -> Status {
    use imgfix_shell::options::{Long, Short, Value};
    let mut request = Request::default();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Long("system") => request.system = true,
            Long("group") => request.group = true,
            Long("quiet") | Short('q') => request.quiet = true,
            Long("only-if-empty") => request.only_if_empty = true,
            Value(name) => request.names.push(name.to_string_lossy().into_owned()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    let configuration = Configuration::load(process, &["/etc/adduser.conf", "/etc/deluser.conf"])?;
    for key in ["remove_home", "remove_all_files", "backup"] {
        if !matches!(configuration.get(key), "" | "0") {
            return Err(process.unsupported(format!("{key} in /etc/deluser.conf")));
        }
    }
    match request.names.clone().as_slice() {
        [user, group] => remove_member(process, &request, &configuration, user, group),
        [group] if group_only || request.group => {
            remove_group(process, &request, &configuration, group)
        }
        [user] => remove_user(process, &request, &configuration, user),
        _ => Err(process.unsupported("a name that a person would type")),
    }
}

impl Request {
    fn say(&self, process: &mut Process<'_>, text: String) -> Result<(), Stop> {
        if self.quiet { Ok(()) } else { process.print(text + "\n") }
    }

    /// Newer releases tell such things on standard error.
    fn note(
        &self,
        process: &mut Process<'_>,
        configuration: &Configuration,
        text: String,
    ) -> Result<(), Stop> {
        match (self.quiet, configuration.release) {
            (true, _) => Ok(()),
            (false, Release::Old) => process.print(text + "\n"),
            (false, Release::New) => process.complain(text),
        }
    }
}

fn remove_user(
    process: &mut Process<'_>,
    request: &Request,
    configuration: &Configuration,
    name: &str,
) -> Status {
    let accounts = AccountList::load(process)?;
    let Some(user) = accounts.user(name) else {
        if request.system {
            let text =
                format!("The user `{name}' does not exist, but --system was given. Exiting.");
            request.note(process, configuration, text)?;
            return Ok(0);
        }
        process.complain(format!("The user `{name}' does not exist."))?;
        return Ok(2);
    };
    let system = configuration.number("first_system_uid")..=configuration.number("last_system_uid");
    if request.system && !system.contains(&user.uid) {
        let text = format!("The user `{name}' is not a system user. Exiting.");
        request.note(process, configuration, text)?;
        return Ok(1);
    }
    if user.uid == 0 {
        return Err(process.unsupported("root"));
    }
    if configuration.release == Release::New {
        remove_crontab(process, request, name)?;
    }
    request.say(process, format!("Removing user `{name}' ..."))?;
    if configuration.release == Release::Old {
        let group = accounts.group_numbered(user.gid);
        if let Some(group) = group.filter(|group| group.members.is_empty()) {
            let text = format!("Warning: group `{}' has no more members.", group.name);
            request.say(process, text)?;
        }
    }
    lock(process, configuration)?;
    done!(call(process, &["userdel", name]));
    request.say(process, "Done.".into())?;
    Ok(0)
}

/// cron's own program lists and removes the table; where there is none, neither happens.
fn remove_crontab(process: &mut Process<'_>, request: &Request, name: &str) -> Result<(), Stop> {
    let root = imgfix_model::path::ImagePath::root();
    if !process.machine.is_program(&root, b"/usr/bin/crontab")? {
        return process.complain(
            "`/usr/bin/crontab' not executed. Skipping crontab removal. Package `cron' required.",
        );
    }
    request.say(process, "Removing crontab ...".into())?;
    let table = format!("/var/spool/cron/crontabs/{name}");
    match exists(process, table.as_bytes())? {
        true => Err(process.unsupported("a user with a crontab")),
        false => Ok(()),
    }
}

fn remove_group(
    process: &mut Process<'_>,
    request: &Request,
    configuration: &Configuration,
    name: &str,
) -> Status {
    let accounts = AccountList::load(process)?;
    let Some(group) = accounts.group(name) else {
        let text = format!("The group `{name}' does not exist.");
        request.note(process, configuration, text)?;
        let well = request.system && configuration.release == Release::New;
        return Ok(if well { 0 } else { 3 });
    };
    let system = configuration.number("first_system_gid")..=configuration.number("last_system_gid");
    if request.system && !system.contains(&group.gid) {
        let text = format!("The group `{name}' is not a system group. Exiting.");
        request.note(process, configuration, text)?;
        return Ok(3);
    }
    if request.only_if_empty && !group.members.is_empty() {
        process.complain(format!("The group `{name}' is not empty!"))?;
        return Ok(5);
    }
    if configuration.release == Release::Old
        && let Some(user) = accounts.users.iter().find(|user| user.gid == group.gid)
    {
        let user = &user.name;
        process.complain(format!("`{user}' still has `{name}' as their primary group!"))?;
        return Ok(7);
    }
    request.say(process, format!("Removing group `{name}' ..."))?;
    lock(process, configuration)?;
    done!(call(process, &["groupdel", name]));
    request.say(process, "Done.".into())?;
    Ok(0)
}

fn remove_member(
    process: &mut Process<'_>,
    request: &Request,
    configuration: &Configuration,
    user: &str,
    group: &str,
) -> Status {
    let accounts = AccountList::load(process)?;
    let Some(found) = accounts.user(user) else {
        process.complain(format!("The user `{user}' does not exist."))?;
        return Ok(2);
    };
    let Some(entry) = accounts.group(group) else {
        process.complain(format!("The group `{group}' does not exist."))?;
        return Ok(3);
    };
    if found.gid == entry.gid {
        process.complain("You may not remove the user from their primary group.")?;
        return Ok(7);
    }
    let known = entry.members.iter().filter(|member| accounts.user(member).is_some());
    let rest: Vec<&str> = known.map(String::as_str).filter(|member| *member != user).collect();
    if !entry.members.iter().any(|member| member == user) {
        process.complain(format!("The user `{user}' is not a member of group `{group}'."))?;
        return Ok(6);
    }
    request.say(process, format!("Removing user `{user}' from group `{group}' ..."))?;
    lock(process, configuration)?;
    done!(call(process, &["gpasswd", "-M", &rest.join(","), group]));
    request.say(process, "Done.".into())?;
    Ok(0)
}
