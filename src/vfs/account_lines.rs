//! Lines of `passwd(5)` and `group(5)`: the one reader and writer of them.
//!
//! In comes a line without its newline; out come its fields, and the line again. As glibc reads
//! them (`pwd/fgetpwent_r.c`, `grp/fgetgrent_r.c`): numbers must be there, fields that are missing
//! at the end are empty, and the last field has whatever is left of the line.

/// A line of `passwd(5)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserLine<'a> {
    /// Name of the user.
    pub name: &'a [u8],
    /// The hash of the password, or `x` when `shadow(5)` has it.
    pub password: &'a [u8],
    /// Number of the user.
    pub uid: u32,
    /// Number of the group that the user has at login.
    pub gid: u32,
    /// A person's name and particulars, separated by commas.
    pub gecos: &'a [u8],
    /// Path of the home directory.
    pub home: &'a [u8],
    /// Path of the program that a login starts.
    pub shell: &'a [u8],
}

/// A line of `group(5)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupLine<'a> {
    /// Name of the group.
    pub name: &'a [u8],
    /// The hash of the password, or `x` when `gshadow(5)` has it.
    pub password: &'a [u8],
    /// Number of the group.
    pub gid: u32,
    /// Names of users, separated by commas.
    members: &'a [u8],
}

impl<'a> UserLine<'a> {
    /// Reads a line; `None` when it is no user's.
    #[must_use]
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let mut fields = line.splitn(7, |&b| b == b':');
        Some(Self {
            name: fields.next()?,
            password: fields.next()?,
            uid: number(fields.next()?)?,
            gid: number(fields.next()?)?,
            gecos: fields.next().unwrap_or_default(),
            home: fields.next().unwrap_or_default(),
            shell: fields.next().unwrap_or_default(),
        })
    }

    /// The users of a file, in its order. Other lines are passed over.
    pub fn all(text: &'a [u8]) -> impl Iterator<Item = Self> {
        text.split(|&b| b == b'\n').filter_map(Self::parse)
    }

    /// The line, without its newline.
    #[must_use]
    pub fn line(&self) -> Vec<u8> {
        let (uid, gid) = (self.uid.to_string(), self.gid.to_string());
        [
            self.name,
            self.password,
            uid.as_bytes(),
            gid.as_bytes(),
            self.gecos,
            self.home,
            self.shell,
        ]
        .join(&b':')
    }
}

impl<'a> GroupLine<'a> {
    /// Reads a line; `None` when it is no group's.
    #[must_use]
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let mut fields = line.splitn(4, |&b| b == b':');
        Some(Self {
            name: fields.next()?,
            password: fields.next()?,
            gid: number(fields.next()?)?,
            members: fields.next().unwrap_or_default(),
        })
    }

    /// The groups of a file, in its order. Other lines are passed over.
    pub fn all(text: &'a [u8]) -> impl Iterator<Item = Self> {
        text.split(|&b| b == b'\n').filter_map(Self::parse)
    }

    /// Names of the users that the group lists, in its order.
    pub fn members(&self) -> impl Iterator<Item = &'a [u8]> {
        self.members.split(|&b| b == b',').filter(|name| !name.is_empty())
    }

    /// The line, without its newline; empty members are left out.
    #[must_use]
    pub fn line(&self) -> Vec<u8> {
        let members = self.members().collect::<Vec<_>>().join(&b',');
        [self.name, self.password, self.gid.to_string().as_bytes(), &members].join(&b':')
    }
}

fn number(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_fields_and_is_written_again() {
        let line = b"man:x:6:12:Manual,,:/var/man:/bin/sh";
        let user = UserLine::parse(line).unwrap();
        assert_eq!(
            (user.name, user.uid, user.gid, user.shell),
            (&b"man"[..], 6, 12, &b"/bin/sh"[..])
        );
        assert_eq!(user.line(), line);
        let line = b"shadow:x:42:man,,root";
        let group = GroupLine::parse(line).unwrap();
        assert_eq!(group.members().collect::<Vec<_>>(), [&b"man"[..], b"root"]);
        assert_eq!(group.line(), b"shadow:x:42:man,root");
    }

    #[test]
    fn what_is_missing_at_the_end_is_empty_and_the_last_field_has_the_rest() {
        let user = UserLine::parse(b"a:x:1:2").unwrap();
        assert_eq!(user.line(), b"a:x:1:2:::");
        assert_eq!(UserLine::parse(b"a:x:1:2:g:h:s:t").unwrap().shell, b"s:t");
        assert_eq!(GroupLine::parse(b"a:x:1").unwrap().line(), b"a:x:1:");
        for none in [&b""[..], b"+nis", b"a:x:1", b"a:x:one:2:::", b"a:x:-1:2:::", b"a:x:1::g:h:s"]
        {
            assert_eq!(UserLine::parse(none), None);
        }
        assert_eq!(GroupLine::parse(b"a:x"), None);
    }
}
