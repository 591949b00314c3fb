//! `dpkg-statoverride`: adds, removes and lists overrides of owner and mode.

use super::accounts::AccountList;
use super::command_line::CommandLine;
use super::database::{AdminDir, hash_slot};
use super::files::{fatal, read_or_empty, replace_with_backup, unusable};
use imgfix_shell::files::Owner;
use imgfix_shell::fnmatch;
use imgfix_shell::{Process, Status, Stop};

/// One override of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Override {
    user: Id,
    group: Id,
    mode: u32,
    path: Vec<u8>,
}

/// A user or group: its number, or its name when nobody has that name any more.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Id {
    Number(u32),
    Lost(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Add,
    Remove,
    List,
}

struct Request {
    admindir: AdminDir,
    action: Option<Action>,
    update: bool,
    force_add: bool,
    force_remove: bool,
    quiet: bool,
}

/// `dpkg-statoverride`.
///
/// # Errors
/// A form that is not evaluated.
pub fn run(process: &mut Process<'_>) -> Status {
    let line = CommandLine::of(process, &["admindir", "instdir", "root"])?;
    let request = read_request(process, &line)?;
    let accounts = AccountList::load(process)?;
    let overrides = match load(process, &request.admindir, &accounts)? {
        Ok(overrides) => overrides,
        Err(problem) => return fatal(process, problem),
    };
    let operands = line.texts();
    match (request.action, operands.as_slice()) {
        (Some(Action::Add), [user, group, mode, path]) => {
            let new = match parse(user, group, mode, &clean(path), &accounts) {
                Ok(new) => new,
                Err(problem) => return fatal(process, problem),
            };
            add(process, &request, overrides, new, &accounts)
        }
        (Some(Action::Remove), [path]) => remove(process, &request, overrides, path, &accounts),
        (Some(Action::List), patterns) => list(process, &overrides, patterns, &accounts),
        _ => Err(process.unsupported("operands that do not fit")),
    }
}

fn read_request(process: &Process<'_>, line: &CommandLine) -> Result<Request, Stop> {
    let mut request = Request {
        admindir: AdminDir::of(process)?,
        action: None,
        update: false,
        force_add: false,
        force_remove: false,
        quiet: false,
    };
    for option in &line.options {
        match option.name.as_str() {
            "add" => request.action = Some(Action::Add),
            "remove" => request.action = Some(Action::Remove),
            "list" => request.action = Some(Action::List),
            "update" => request.update = true,
            "quiet" => request.quiet = true,
            "force" | "force-all" => {
                request.force_add = true;
                request.force_remove = true;
            }
            "force-statoverride-add" => request.force_add = true,
            "force-statoverride-del" | "force-statoverride-remove" => request.force_remove = true,
            "admindir" => request.admindir = AdminDir::named(option.text().into_bytes()),
            name => return Err(process.unsupported(format!("option {name}"))),
        }
    }
    Ok(request)
}

fn clean(path: &str) -> String {
    let mut rest = path;
    while let Some(shorter) = rest.strip_suffix('/').or_else(|| rest.strip_suffix("/.")) {
        if shorter.is_empty() {
            return "/".into();
        }
        rest = shorter;
    }
    rest.to_owned()
}

fn id(
    text: &str,
    kind: &str,
    named: impl FnOnce(&str) -> Option<u32>,
) -> Result<Option<u32>, String> {
    match text.strip_prefix('#') {
        None => Ok(named(text)),
        Some(number) => {
            number.parse().map(Some).map_err(|_| format!("invalid statoverride {kind} {text}"))
        }
    }
}

fn user_id(text: &str, accounts: &AccountList) -> Result<Option<u32>, String> {
    id(text, "uid", |name| accounts.user(name).map(|user| user.uid))
}

fn group_id(text: &str, accounts: &AccountList) -> Result<Option<u32>, String> {
    id(text, "gid", |name| accounts.group(name).map(|group| group.gid))
}

fn mode_of(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777);
    mode.ok_or_else(|| format!("invalid statoverride mode {text}"))
}

fn parse(
    user: &str,
    group: &str,
    mode: &str,
    path: &str,
    accounts: &AccountList,
) -> Result<Override, String> {
    let uid = user_id(user, accounts)?.ok_or_else(|| format!("user '{user}' does not exist"))?;
    let gid =
        group_id(group, accounts)?.ok_or_else(|| format!("group '{group}' does not exist"))?;
    Ok(Override {
        user: Id::Number(uid),
        group: Id::Number(gid),
        mode: mode_of(mode)?,
        path: absolute(path.as_bytes()),
    })
}

/// A path as dpkg's table of names holds it.
fn absolute(path: &[u8]) -> Vec<u8> {
    let mut rest = path;
    while let [b'/', shorter @ ..] | [b'.', b'/', shorter @ ..] = rest {
        rest = shorter;
    }
    [b"/", rest].concat()
}

fn load(
    process: &mut Process<'_>,
    admindir: &AdminDir,
    accounts: &AccountList,
) -> Result<Result<Vec<Override>, String>, Stop> {
    let text = read_or_empty(process, &admindir.file("statoverride"))?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut overrides = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        let [user, group, mode, path] = words.as_slice() else {
            return Ok(Err("syntax error in statoverride file".into()));
        };
        let entry = || -> Result<Override, String> {
            let lost = |name: &str| Id::Lost(name.to_owned());
            Ok(Override {
                user: user_id(user, accounts)?.map_or_else(|| lost(user), Id::Number),
                group: group_id(group, accounts)?.map_or_else(|| lost(group), Id::Number),
                mode: mode_of(mode)?,
                path: absolute(path.as_bytes()),
            })
        };
        match entry() {
            Ok(entry) => overrides.push(entry),
            Err(problem) => return Ok(Err(problem)),
        }
    }
    sort(process, &mut overrides);
    Ok(Ok(overrides))
}

fn sort(process: &Process<'_>, overrides: &mut [Override]) {
    let signed = matches!(process.machine.settings.architecture.as_str(), "amd64" | "i386");
    overrides.sort_by_key(|entry| hash_slot(&entry.path, signed));
}

impl Override {
    fn line(&self, accounts: &AccountList) -> Vec<u8> {
        let user = match &self.user {
            Id::Number(uid) => accounts
                .user_numbered(*uid)
                .map_or_else(|| format!("#{uid}"), |user| user.name.clone()),
            Id::Lost(name) => name.clone(),
        };
        let group = match &self.group {
            Id::Number(gid) => accounts
                .group_numbered(*gid)
                .map_or_else(|| format!("#{gid}"), |group| group.name.clone()),
            Id::Lost(name) => name.clone(),
        };
        let start = format!("{user} {group} {:o} ", self.mode);
        [start.as_bytes(), &self.path, b"\n"].concat()
    }
}

fn save(
    process: &mut Process<'_>,
    admindir: &AdminDir,
    overrides: &[Override],
    accounts: &AccountList,
) -> Result<(), Stop> {
    let text: Vec<u8> = overrides.iter().flat_map(|entry| entry.line(accounts)).collect();
    replace_with_backup(process, &admindir.file("statoverride"), "-old", text, 0o644)
}

fn warn(process: &mut Process<'_>, request: &Request, text: &str) -> Result<(), Stop> {
    if request.quiet { Ok(()) } else { process.complain(format!("warning: {text}")) }
}

fn add(
    process: &mut Process<'_>,
    request: &Request,
    mut overrides: Vec<Override>,
    new: Override,
    accounts: &AccountList,
) -> Status {
    let name = String::from_utf8_lossy(&new.path).into_owned();
    if overrides.iter().any(|entry| entry.path == new.path) {
        if !request.force_add {
            return fatal(process, format!("an override for '{name}' already exists; aborting"));
        }
        process.complain(format!(
            "warning: an override for '{name}' already exists, but --force specified so will be \
             ignored"
        ))?;
        overrides.retain(|entry| entry.path != new.path);
    }
    if request.update {
        match process.machine.stat(&process.call.directory, &new.path)? {
            Ok(_) => apply(process, &new)?,
            Err(_) => warn(process, request, &format!("--update given but {name} does not exist"))?,
        }
    }
    overrides.push(new);
    sort(process, &mut overrides);
    save(process, &request.admindir, &overrides, accounts)?;
    Ok(0)
}

fn apply(process: &mut Process<'_>, new: &Override) -> Result<(), Stop> {
    let directory = process.call.directory.clone();
    let number = |id: &Id| match id {
        Id::Number(number) => Some(*number),
        Id::Lost(_) => None,
    };
    let owner = Owner { uid: number(&new.user), gid: number(&new.group) };
    for done in [
        process.machine.chown(&directory, &new.path, owner)?,
        process.machine.chmod(&directory, &new.path, new.mode)?,
    ] {
        done.map_err(|errno| unusable(process, &new.path, errno))?;
    }
    Ok(())
}

fn remove(
    process: &mut Process<'_>,
    request: &Request,
    mut overrides: Vec<Override>,
    path: &str,
    accounts: &AccountList,
) -> Status {
    let path = absolute(clean(path).as_bytes());
    let before = overrides.len();
    overrides.retain(|entry| entry.path != path);
    if overrides.len() == before {
        warn(process, request, "no override present")?;
        return Ok(if request.force_remove { 0 } else { 2 });
    }
    save(process, &request.admindir, &overrides, accounts)?;
    Ok(0)
}

/// Status 1 when nothing is listed.
fn list(
    process: &mut Process<'_>,
    overrides: &[Override],
    patterns: &[String],
    accounts: &AccountList,
) -> Status {
    let patterns: Vec<String> = patterns.iter().map(|pattern| clean(pattern)).collect();
    let mut status = 1;
    for entry in overrides {
        let is_match = |pattern: &String| fnmatch::matches(pattern.as_bytes(), &entry.path);
        if patterns.is_empty() || patterns.iter().any(is_match) {
            process.print(entry.line(accounts))?;
            status = 0;
        }
    }
    Ok(status)
}
