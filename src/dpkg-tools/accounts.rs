//! The image's users and groups, as programs look them up: `/etc/passwd` and `/etc/group`.

use super::files::read_or_empty;
use imgfix_shell::{Process, Stop};

/// A line of `passwd(5)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub password: String,
    pub uid: u32,
    pub gid: u32,
    pub gecos: String,
    pub home: String,
    pub shell: String,
}

/// A line of `group(5)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub name: String,
    pub password: String,
    pub gid: u32,
    pub members: Vec<String>,
}

impl User {
    /// Reads a line; `None` when it is none.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, password, uid, gid, gecos, home, shell] = fields.as_slice() else {
            return None;
        };
        Some(Self {
            name: (*name).to_owned(),
            password: (*password).to_owned(),
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
            gecos: (*gecos).to_owned(),
            home: (*home).to_owned(),
            shell: (*shell).to_owned(),
        })
    }

    /// The line, without its newline.
    #[must_use]
    pub fn line(&self) -> String {
        let Self { name, password, uid, gid, gecos, home, shell } = self;
        format!("{name}:{password}:{uid}:{gid}:{gecos}:{home}:{shell}")
    }
}

impl Group {
    /// Reads a line; `None` when it is none.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, password, gid, members] = fields.as_slice() else { return None };
        Some(Self {
            name: (*name).to_owned(),
            password: (*password).to_owned(),
            gid: gid.parse().ok()?,
            members: list(members),
        })
    }

    /// The line, without its newline.
    #[must_use]
    pub fn line(&self) -> String {
        let Self { name, password, gid, members } = self;
        format!("{name}:{password}:{gid}:{}", members.join(","))
    }
}

/// Names separated by commas.
#[must_use]
pub fn list(text: &str) -> Vec<String> {
    text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// All users and groups, in the order of the files.
#[derive(Debug, Clone, Default)]
pub struct Accounts {
    pub users: Vec<User>,
    pub groups: Vec<Group>,
}

impl Accounts {
    /// Reads the files. Lines that are not entries are passed over.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn load(process: &mut Process<'_>) -> Result<Self, Stop> {
        let users = read_or_empty(process, b"/etc/passwd")?;
        let groups = read_or_empty(process, b"/etc/group")?;
        Ok(Self {
            users: String::from_utf8_lossy(&users).lines().filter_map(User::parse).collect(),
            groups: String::from_utf8_lossy(&groups).lines().filter_map(Group::parse).collect(),
        })
    }

    #[must_use]
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name == name)
    }

    #[must_use]
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }

    #[must_use]
    pub fn user_numbered(&self, uid: u32) -> Option<&User> {
        self.users.iter().find(|user| user.uid == uid)
    }

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
