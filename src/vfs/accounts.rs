//! [`Accounts`]: the users and groups that an image knows.
//!
//! In come the texts of `/etc/passwd` and `/etc/group`; out come numbers for names and names
//! for numbers.

use std::collections::BTreeMap;

use super::account_lines::{GroupLine, UserLine};

/// Users and groups, by name and by number.
#[derive(Debug, Clone, Default)]
pub struct Accounts {
    users: Database,
    groups: Database,
    /// The group in a user's `passwd(5)` entry, by user name.
    login_groups: BTreeMap<Vec<u8>, u32>,
}

#[derive(Debug, Clone, Default)]
struct Database {
    by_name: BTreeMap<Vec<u8>, u32>,
    by_number: BTreeMap<u32, Vec<u8>>,
}

impl Accounts {
    /// Reads `passwd(5)` and `group(5)` texts. Lines that are not entries are passed over,
    /// and the first of several entries of one name or number counts, as in `getpwnam(3)`.
    #[must_use]
    pub fn parse(passwd: &[u8], group: &[u8]) -> Self {
        let mut accounts = Self::default();
        for user in UserLine::all(passwd) {
            accounts.users.add(user.name, user.uid);
            accounts.login_groups.entry(user.name.to_vec()).or_insert(user.gid);
        }
        for group in GroupLine::all(group) {
            accounts.groups.add(group.name, group.gid);
        }
        accounts
    }

    /// The uid of this user.
    #[must_use]
    pub fn user(&self, name: &[u8]) -> Option<u32> {
        self.users.by_name.get(name).copied()
    }

    /// The gid of this group.
    #[must_use]
    pub fn group(&self, name: &[u8]) -> Option<u32> {
        self.groups.by_name.get(name).copied()
    }

    /// Who has this uid.
    #[must_use]
    pub fn user_name(&self, number: u32) -> Option<&[u8]> {
        self.users.by_number.get(&number).map(Vec::as_slice)
    }

    /// Which group has this gid.
    #[must_use]
    pub fn group_name(&self, number: u32) -> Option<&[u8]> {
        self.groups.by_number.get(&number).map(Vec::as_slice)
    }

    /// The gid that a user has at login: the fourth field of its `passwd(5)` entry.
    #[must_use]
    pub fn login_group(&self, user: &[u8]) -> Option<u32> {
        self.login_groups.get(user).copied()
    }
}

impl Database {
    fn add(&mut self, name: &[u8], number: u32) {
        self.by_name.entry(name.to_vec()).or_insert(number);
        self.by_number.entry(number).or_insert_with(|| name.to_vec());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> Accounts {
        Accounts::parse(
            b"root:x:0:0:root:/root:/bin/sh\nman:x:6:12:::\nman:x:7:12:::\n+nis\n",
            b"root:x:0:\nshadow:x:42:\n",
        )
    }

    #[test]
    fn names_are_those_of_the_image() {
        let accounts = accounts();
        assert_eq!(accounts.user(b"man"), Some(6));
        assert_eq!(accounts.group(b"shadow"), Some(42));
        assert_eq!(accounts.user(b"nobody"), None);
        assert_eq!(accounts.user_name(7), Some(&b"man"[..]));
        assert_eq!(accounts.group_name(42), Some(&b"shadow"[..]));
        assert_eq!(accounts.login_group(b"man"), Some(12));
    }
}
