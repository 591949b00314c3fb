//! Whose a file is: whether anybody but the caller and root decides what stands in it.
//!
//! In comes what the system says of a file or folder; out goes nothing, or why it is not the
//! caller's alone. Policy files that were found and cache directories are judged by it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The largest `/etc/passwd` or `/etc/group` read, in bytes.
const MAX_ACCOUNTS: u64 = 4 << 20;

const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;

/// The user that runs the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    user: u32,
    /// A group that has no other member: with a umask of 002 it writes what the user writes.
    private_group: Option<u32>,
}

/// Why a file is not the caller's alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Foreign {
    /// It belongs to this user, who is neither root nor the caller.
    #[error("it belongs to another user (uid {0})")]
    Owner(u32),
    /// Its group or everybody may write it; the permission bits of its mode.
    #[error("other users can write it (mode {0:04o})")]
    Writable(u32),
}

impl Caller {
    /// The user of this process.
    #[must_use]
    pub fn current() -> Self {
        let user = rustix::process::geteuid().as_raw();
        let read = |path: &str| {
            use std::io::Read as _;
            let mut text = String::new();
            let file = std::fs::File::open(path).ok()?;
            file.take(MAX_ACCOUNTS).read_to_string(&mut text).ok()?;
            Some(text)
        };
        let private_group = match (read("/etc/passwd"), read("/etc/group")) {
            (Some(passwd), Some(group)) => private_group(user, &passwd, &group),
            _ => None,
        };
        Self { user, private_group }
    }

    /// Why a file or folder is not the caller's or root's alone; `None` when it is. A folder
    /// that all may write is refused also when only the owner may take out what is in it
    /// (`/tmp`).
    #[must_use]
    pub fn refusal(&self, meta: &Metadata) -> Option<Foreign> {
        self.judge(meta.uid(), meta.gid(), meta.mode())
    }

    /// As [`Caller::refusal`], of what is at `path`.
    ///
    /// # Errors
    /// Nothing is there, or it cannot be asked.
    pub fn refusal_at(&self, path: &Path) -> std::io::Result<Option<Foreign>> {
        Ok(self.refusal(&std::fs::metadata(path)?))
    }

    fn judge(&self, user: u32, group: u32, mode: u32) -> Option<Foreign> {
        if user != 0 && user != self.user {
            return Some(Foreign::Owner(user));
        }
        let by_group = mode & GROUP_WRITES != 0 && group != 0 && self.private_group != Some(group);
        let by_others = mode & OTHERS_WRITE != 0;
        (by_group || by_others).then_some(Foreign::Writable(mode & 0o7777))
    }
}

/// The group of a user's own: the primary group of nobody else, with the user's name and no
/// other member.
fn private_group(user: u32, passwd: &str, group: &str) -> Option<u32> {
    let fields = |line: &str| line.split(':').map(str::to_owned).collect::<Vec<_>>();
    let accounts: Vec<Vec<String>> = passwd.lines().map(fields).collect();
    let id = |line: &[String], at: usize| line.get(at).and_then(|text| text.parse::<u32>().ok());
    let own = accounts.iter().find(|line| id(line, 2) == Some(user))?;
    let (name, primary) = (own.first()?, id(own, 3)?);
    let shared = accounts.iter().any(|line| id(line, 3) == Some(primary) && line != own);
    let entry = group.lines().map(fields).find(|line| id(line, 2) == Some(primary))?;
    let members = entry.get(3).map(String::as_str).unwrap_or_default();
    let alone = members.is_empty() || members == name;
    (!shared && alone && entry.first() == Some(name)).then_some(primary)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n\
                          bob:x:1001:100::/home/bob:/bin/sh\neve:x:1002:100::/home/eve:/bin/sh\n";
    const GROUP: &str = "root:x:0:\nusers:x:100:\nann:x:1000:\n";

    #[test]
    fn a_group_is_private_when_nobody_else_is_in_it() {
        for (user, group, want) in [
            (1000, GROUP, Some(1000)),
            (1001, GROUP, None),
            (1000, "ann:x:1000:ann\n", Some(1000)),
            (1000, "ann:x:1000:eve\n", None),
            (1000, "staff:x:1000:\n", None),
            (1000, "", None),
            (4711, GROUP, None),
        ] {
            assert_eq!(private_group(user, PASSWD, group), want, "{user} {group}");
        }
    }

    #[test]
    fn only_the_caller_and_root_may_own_and_write() {
        let ann = Caller { user: 1000, private_group: Some(1000) };
        for (user, group, mode, want) in [
            (1000, 1000, 0o644, None),
            (1000, 1000, 0o664, None),
            (1000, 100, 0o664, Some(Foreign::Writable(0o664))),
            (1000, 1000, 0o646, Some(Foreign::Writable(0o646))),
            (0, 0, 0o644, None),
            (0, 0, 0o775, None),
            (0, 0, 0o1777, Some(Foreign::Writable(0o1777))),
            (1001, 1000, 0o644, Some(Foreign::Owner(1001))),
            (1001, 1001, 0o400, Some(Foreign::Owner(1001))),
        ] {
            assert_eq!(ann.judge(user, group, mode), want, "{user}:{group} {mode:o}");
        }
        let root = Caller { user: 0, private_group: None };
        assert_eq!(root.judge(1000, 1000, 0o600), Some(Foreign::Owner(1000)));
    }
}
