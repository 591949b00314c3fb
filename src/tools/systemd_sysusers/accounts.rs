//! Numbers for missing users and groups, and their entries in the four files.

use std::ops::RangeInclusive;

use imgfix_shell::{Process, Stop};

use super::super::shadow::{AccountFile, today};
use super::lines::{Account, Group, Wanted};

/// Where systemd looks for free numbers, from the top.
const SYSTEM: RangeInclusive<u32> = 1..=999;

/// No password fits, and there is none to be set.
const NO_PASSWORD: &str = "!*";

/// The shell of those who have none.
const NO_LOGIN: &str = "/usr/sbin/nologin";

/// The four files, and what is to be added to them.
struct Work {
    users: AccountFile,
    groups: AccountFile,
    new_users: Vec<NewUser>,
    /// Name and number.
    new_groups: Vec<(String, u32)>,
    ranges: Vec<RangeInclusive<u32>>,
    /// The number that was tried last.
    last: Option<u32>,
}

struct NewUser {
    account: Account,
    uid: u32,
    gid: u32,
}

/// Makes what is missing.
pub fn make(process: &mut Process<'_>, wanted: &Wanted) -> Result<(), Stop> {
    let mut work = Work {
        users: AccountFile::load(process, "/etc/passwd")?,
        groups: AccountFile::load(process, "/etc/group")?,
        new_users: Vec::new(),
        new_groups: Vec::new(),
        ranges: match wanted.ranges.is_empty() {
            true => vec![SYSTEM],
            false => wanted.ranges.clone(),
        },
        last: None,
    };
    for group in &wanted.groups {
        work.add_group(process, &group.name, group.number, None)?;
    }
    for user in &wanted.users {
        let gid = match &user.group {
            Some(Group::Numbered(gid)) => match work.group_numbered(*gid) {
                true => *gid,
                false => work.add_group(process, &user.name, Some(*gid), user.number)?,
            },
            Some(Group::Named(name)) => match work.group_named(name) {
                Some(gid) => gid,
                None => {
                    process.complain(format!("Group {name} not found."))?;
                    continue;
                }
            },
            None => work.add_group(process, &user.name, None, user.number)?,
        };
        work.add_user(process, user, gid)?;
    }
    work.write(process, wanted)
}

impl Work {
    /// The number of a group that is there or will be.
    fn group_named(&self, name: &str) -> Option<u32> {
        let new = self.new_groups.iter().find(|(other, _)| other == name).map(|(_, gid)| *gid);
        new.or_else(|| self.groups.get(name)?.get(2)?.parse().ok())
    }

    fn group_numbered(&self, gid: u32) -> bool {
        self.new_groups.iter().any(|(_, other)| *other == gid)
            || holder(&self.groups, gid).is_some()
    }

    /// Its number, which is made up when the group is not there.
    fn add_group(
        &mut self,
        process: &Process<'_>,
        name: &str,
        number: Option<u32>,
        uid: Option<u32>,
    ) -> Result<u32, Stop> {
        if let Some(gid) = self.group_named(name) {
            return Ok(gid);
        }
        let hoped = number.into_iter().chain(uid).find(|gid| self.is_free_for_group(*gid, name));
        let gid = match hoped {
            Some(gid) => gid,
            None => self.next(process, |work, gid| work.is_free_for_group(gid, name))?,
        };
        self.new_groups.push((name.to_owned(), gid));
        Ok(gid)
    }

    fn add_user(&mut self, process: &Process<'_>, user: &Account, gid: u32) -> Result<(), Stop> {
        let name = &user.name;
        if self.users.has(name) {
            return Ok(());
        }
        // With a group of its own choice, a group of the same number does not matter.
        let is_strict = user.group.is_none();
        let number = user.number.filter(|uid| self.is_free_for_user(*uid, name, is_strict));
        let hoped =
            number.or_else(|| Some(gid).filter(|uid| self.is_free_for_user(*uid, name, true)));
        let uid = match hoped {
            Some(uid) => uid,
            None => self.next(process, |work, uid| work.is_free_for_user(uid, name, true))?,
        };
        self.new_users.push(NewUser { account: user.clone(), uid, gid });
        Ok(())
    }

    /// Neither a group's nor that of a user of another name.
    fn is_free_for_group(&self, gid: u32, name: &str) -> bool {
        !self.group_numbered(gid) && self.user_numbered(gid).is_none_or(|user| user == name)
    }

    fn is_free_for_user(&self, uid: u32, name: &str, is_strict: bool) -> bool {
        let group = || {
            let new = self.new_groups.iter().find(|(_, gid)| *gid == uid);
            new.map(|(name, _)| name.clone()).or_else(|| holder(&self.groups, uid))
        };
        self.user_numbered(uid).is_none()
            && (!is_strict || group().is_none_or(|group| group == name))
    }

    fn user_numbered(&self, uid: u32) -> Option<String> {
        let new = self.new_users.iter().find(|user| user.uid == uid);
        new.map(|user| user.account.name.clone()).or_else(|| holder(&self.users, uid))
    }

    /// The next free number below the one that was tried last.
    fn next(
        &mut self,
        process: &Process<'_>,
        is_free: impl Fn(&Self, u32) -> bool,
    ) -> Result<u32, Stop> {
        loop {
            let below = self.last.map_or(Some(u32::MAX), |last| last.checked_sub(1));
            let Some(below) = below else { return Err(process.unsupported("no free number")) };
            let tops = self.ranges.iter().map(|range| (*range.start(), below.min(*range.end())));
            let Some(next) = tops.filter(|(low, top)| low <= top).map(|(_, top)| top).max() else {
                return Err(process.unsupported("no free number"));
            };
            self.last = Some(next);
            if is_free(self, next) {
                return Ok(next);
            }
        }
    }

    fn write(mut self, process: &mut Process<'_>, wanted: &Wanted) -> Result<(), Stop> {
        let mut secret_groups = AccountFile::load(process, "/etc/gshadow")?;
        let mut is_changed = !self.new_groups.is_empty();
        for (name, gid) in &self.new_groups {
            self.groups.set(name, &[name, "x", &gid.to_string(), ""].map(str::to_owned));
            secret_groups.set(name, &[name, NO_PASSWORD, "", ""].map(str::to_owned));
        }
        for (group, members) in &wanted.members {
            is_changed |= add_members(&mut self.groups, group, members);
            is_changed |= add_members(&mut secret_groups, group, members);
        }
        if is_changed {
            self.groups.touch();
            secret_groups.touch();
            self.groups.save_with(process, 0o644)?;
            secret_groups.save_with(process, 0)?;
        }
        if self.new_users.is_empty() {
            return Ok(());
        }
        let mut secrets = AccountFile::load(process, "/etc/shadow")?;
        let day = today(process).to_string();
        for NewUser { account, uid, gid } in &self.new_users {
            let name = &account.name;
            let shell = match (&account.shell, uid) {
                (Some(shell), _) => shell,
                (None, 0) => "/bin/sh",
                (None, _) => NO_LOGIN,
            };
            let home = account.home.as_deref().unwrap_or("/");
            let (uid, gid) = (uid.to_string(), gid.to_string());
            let entry = [name, "x", &uid, &gid, &account.description, home, shell];
            self.users.set(name, &entry.map(str::to_owned));
            let expires = if account.is_locked { "1" } else { "" };
            let mut secret = match secrets.get(name) {
                Some(entry) => entry,
                None => {
                    [name, NO_PASSWORD, "", "", "", "", "", expires, ""].map(str::to_owned).into()
                }
            };
            if let Some(changed) = secret.get_mut(2) {
                changed.clone_from(&day);
            }
            secrets.set(name, &secret);
        }
        self.users.save_with(process, 0o644)?;
        secrets.save_with(process, 0)
    }
}

/// The name that has a number in a file.
fn holder(file: &AccountFile, number: u32) -> Option<String> {
    let number = number.to_string();
    let mut entries = file.entries();
    entries.find(|entry| entry.get(2) == Some(&number)).and_then(|entry| entry.into_iter().next())
}

/// Adds members to a group, all of them sorted then; whether there was one to add.
fn add_members(file: &mut AccountFile, group: &str, members: &[String]) -> bool {
    let Some(mut entry) = file.get(group) else { return false };
    let Some(field) = entry.get_mut(3) else { return false };
    let mut list = super::super::accounts::list(field);
    let before = list.len();
    for member in members {
        if !list.contains(member) {
            list.push(member.clone());
        }
    }
    if list.len() == before {
        return false;
    }
    list.sort();
    *field = list.join(",");
    file.set(group, &entry);
    true
}
