//! [`AccountList`]: the image's users and groups with the members of groups, for programs that ask for
//! more than numbers of names. In come `/etc/passwd` and `/etc/group`, whose lines
//! [`imgfix_vfs::account_lines`] reads; out come users and groups in the order of the files.

use super::files::read_or_empty;
use imgfix_shell::{Process, Stop};
use imgfix_vfs::account_lines::{GroupLine, UserLine};

/// A user, as far as programs ask for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// As in `/etc/passwd`.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// The group at login.
    pub gid: u32,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// As in `/etc/group`.
    pub name: String,
    /// Its number.
    pub gid: u32,
    /// Users whom the group's line names: those who have it at login are not among them.
    pub members: Vec<String>,
}

impl From<UserLine<'_>> for User {
    fn from(line: UserLine<'_>) -> Self {
        Self { name: lossy(line.name), uid: line.uid, gid: line.gid }
    }
}

impl From<GroupLine<'_>> for Group {
    fn from(line: GroupLine<'_>) -> Self {
        let members = line.members().map(lossy).collect();
        Self { name: lossy(line.name), gid: line.gid, members }
    }
}

/// Names separated by commas.
#[must_use]
pub fn list(text: &str) -> Vec<String> {
    text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn lossy(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

/// All users and groups with the members of groups, in the order of the files. For numbers of names
/// [`imgfix_vfs::Accounts`] is enough.
#[derive(Debug, Clone, Default)]
pub struct AccountList {
    /// In the order of `/etc/passwd`.
    pub users: Vec<User>,
    /// In the order of `/etc/group`.
    pub groups: Vec<Group>,
}

impl AccountList {
    /// Reads the files. Lines that are not entries are passed over.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn load(process: &mut Process<'_>) -> Result<Self, Stop> {
        let users = read_or_empty(process, b"/etc/passwd")?;
        let groups = read_or_empty(process, b"/etc/group")?;
        Ok(Self {
            users: UserLine::all(&users).map(User::from).collect(),
            groups: GroupLine::all(&groups).map(Group::from).collect(),
        })
    }

    /// The user of a name.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name == name)
    }

    /// The group of a name.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// The first user with a number.
    #[must_use]
    pub fn user_numbered(&self, uid: u32) -> Option<&User> {
        self.users.iter().find(|user| user.uid == uid)
    }

    /// The first group with a number.
    #[must_use]
    pub fn group_numbered(&self, gid: u32) -> Option<&Group> {
        self.groups.iter().find(|group| group.gid == gid)
    }

    /// The groups of a user: the primary one, then those that name it, in the file's order.
    #[must_use]
    pub fn groups_of(&self, user: &User) -> Vec<u32> {
        let mut gids = vec![user.gid];
        for group in &self.groups {
            if group.members.contains(&user.name) && !gids.contains(&group.gid) {
                gids.push(group.gid);
            }
        }
        gids
    }
}
