//! The shadow tools: `useradd`, `groupadd` and their kin, on `/etc/passwd`, `/etc/shadow`,
//! `/etc/group` and `/etc/gshadow`.
//!
//! - `account_file`: one of these files
//! - `login_defs`: defaults
//! - one file for the tools of users, one for those of groups, one for passwords

mod account_file;
mod groups;
mod login_defs;
mod passwords;
mod users;

pub(crate) use account_file::AccountFile;
use imgfix_shell::{Command, Process, Status, Stop};

/// The tools by name.
pub const COMMANDS: &[(&str, Command)] = &[
    ("chage", passwords::chage),
    ("chfn", users::chfn),
    ("chsh", users::chsh),
    ("gpasswd", groups::gpasswd),
    ("groupadd", groups::groupadd),
    ("groupdel", groups::groupdel),
    ("groupmod", groups::groupmod),
    ("grpconv", passwords::grpconv),
    ("passwd", passwords::passwd),
    ("pwconv", passwords::pwconv),
    ("useradd", users::useradd),
    ("userdel", users::userdel),
    ("usermod", users::usermod),
];

/// The four files.
struct Files {
    users: AccountFile,
    shadow: AccountFile,
    groups: AccountFile,
    group_shadow: AccountFile,
}

impl Files {
    fn load(process: &mut Process<'_>) -> Result<Self, Stop> {
        Ok(Self {
            users: AccountFile::load(process, "/etc/passwd")?,
            shadow: AccountFile::load(process, "/etc/shadow")?,
            groups: AccountFile::load(process, "/etc/group")?,
            group_shadow: AccountFile::load(process, "/etc/gshadow")?,
        })
    }

    fn save(self, process: &mut Process<'_>) -> Result<(), Stop> {
        self.users.save(process)?;
        self.shadow.save(process)?;
        self.groups.save(process)?;
        self.group_shadow.save(process)
    }

    fn user_ids(&self) -> Vec<u32> {
        self.users.entries().filter_map(|entry| number(&entry, 2)).collect()
    }

    fn group_ids(&self) -> Vec<u32> {
        self.groups.entries().filter_map(|entry| number(&entry, 2)).collect()
    }

    /// The number of the group that a name or number means.
    fn group_id(&self, group: &str) -> Option<u32> {
        let named = || self.groups.get(group).and_then(|entry| number(&entry, 2));
        match group.parse::<u32>() {
            Ok(id) => self.group_ids().contains(&id).then_some(id),
            Err(_) => named(),
        }
    }

    /// The name of the group that a name or number means.
    fn group_name(&self, group: &str) -> Option<String> {
        let is_it = |entry: &Vec<String>| {
            entry.first().is_some_and(|name| name == group)
                || group.parse::<u32>().is_ok() && entry.get(2).is_some_and(|id| id == group)
        };
        self.groups.entries().find(is_it).and_then(|entry| entry.first().cloned())
    }
}

fn number(fields: &[String], at: usize) -> Option<u32> {
    fields.get(at)?.parse().ok()
}

/// Today, in days since the epoch: what `shadow(5)` counts in.
pub(crate) fn today(process: &Process<'_>) -> i64 {
    let fixed = process.variable("SOURCE_DATE_EPOCH");
    let fixed = fixed.and_then(|text| std::str::from_utf8(text).ok()?.parse::<i64>().ok());
    fixed.unwrap_or(process.machine.settings.now).div_euclid(86_400)
}

/// Whether a name may be that of an account, as Debian's tools see it.
fn is_name(name: &str) -> bool {
    let odd = |c: char| c.is_ascii_whitespace() || c.is_ascii_control() || ":,/".contains(c);
    !name.is_empty()
        && name.len() <= 32
        && !name.starts_with(['-', '+', '~'])
        && !name.contains(odd)
        && name != "."
        && name != ".."
}

/// Takes the root that a command line names, which can only be the image's.
fn only_root(process: &Process<'_>, root: &str) -> Result<(), Stop> {
    match root {
        "/" => Ok(()),
        _ => Err(process.unsupported(format!("--root {root}"))),
    }
}

/// Complains, and gives a status.
fn fail(process: &mut Process<'_>, status: u8, text: impl AsRef<str>) -> Status {
    process.complain(text.as_ref())?;
    Ok(status)
}

/// The members of a list separated by commas, with one more.
fn with_member(list: &str, name: &str) -> String {
    let mut members = super::accounts::list(list);
    if !members.iter().any(|member| member == name) {
        members.push(name.to_owned());
    }
    members.join(",")
}

/// As [`with_member`], with one less.
fn without_member(list: &str, name: &str) -> String {
    let mut members = super::accounts::list(list);
    members.retain(|member| member != name);
    members.join(",")
}

/// Sets a field of an entry.
fn set_field(entry: &mut [String], at: usize, value: impl Into<String>) {
    if let Some(field) = entry.get_mut(at) {
        *field = value.into();
    }
}
