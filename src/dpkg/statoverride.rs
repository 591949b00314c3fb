//! Owner and mode overrides (`dpkg-statoverride(1)`).
//!
//! In come `/var/lib/dpkg/statoverride` and the image's accounts; out come the owner and mode
//! that a path gets whatever the package says.

use std::collections::BTreeMap;

use imgfix_vfs::Accounts;

/// What a path gets instead of the package's owner and mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Override {
    /// Number of the user.
    pub uid: u32,
    /// Number of the group.
    pub gid: u32,
    /// Permission bits, set-user-ID and its like included.
    pub mode: u32,
}

/// The overrides of one image, by path.
#[derive(Debug, Clone, Default)]
pub struct Overrides(BTreeMap<Vec<u8>, Override>);

/// Why the file is not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct OverrideError {
    /// From 1, in `statoverride`.
    pub line: usize,
    /// What dpkg would not accept there.
    pub problem: String,
}

impl Overrides {
    /// Reads the file: `USER GROUP MODE PATH` a line, `#NUMBER` for a user or group number.
    ///
    /// # Errors
    /// A line of another form, an account the image does not have, or a path twice.
    pub fn parse(text: &[u8], accounts: &Accounts) -> Result<Self, OverrideError> {
        let mut out = BTreeMap::new();
        for (at, line) in text.split(|&b| b == b'\n').enumerate() {
            if line.is_empty() {
                continue;
            }
            let fail = |problem: String| OverrideError { line: at + 1, problem };
            let mut words = line.splitn(4, |&b| b == b' ');
            let (Some(user), Some(group), Some(mode), Some(path)) =
                (words.next(), words.next(), words.next(), words.next())
            else {
                return Err(fail("not \"USER GROUP MODE PATH\"".into()));
            };
            let unknown = |kind: &str, name: &[u8]| {
                fail(format!("the image has no {kind} {:?}", String::from_utf8_lossy(name)))
            };
            let entry = Override {
                uid: number(user)
                    .or_else(|| accounts.user(user))
                    .ok_or_else(|| unknown("user", user))?,
                gid: number(group)
                    .or_else(|| accounts.group(group))
                    .ok_or_else(|| unknown("group", group))?,
                mode: std::str::from_utf8(mode)
                    .ok()
                    .and_then(|text| u32::from_str_radix(text, 8).ok())
                    .filter(|mode| *mode <= 0o7777)
                    .ok_or_else(|| fail(format!("mode {:?}", String::from_utf8_lossy(mode))))?,
            };
            if out.insert(super::deb::listed_name(path), entry).is_some() {
                return Err(fail(format!("{:?} again", String::from_utf8_lossy(path))));
            }
        }
        Ok(Self(out))
    }

    /// The override of a path in the form of a file list.
    #[must_use]
    pub fn get(&self, path: &[u8]) -> Option<Override> {
        self.0.get(path).copied()
    }
}

fn number(word: &[u8]) -> Option<u32> {
    std::str::from_utf8(word.strip_prefix(b"#")?).ok()?.parse().ok()
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
    fn overrides_are_read() {
        let text = b"root shadow 2755 /usr/bin/chage\n#5 #6 0640 /etc/a b\n";
        let overrides = Overrides::parse(text, &accounts()).unwrap();
        assert_eq!(
            overrides.get(b"/usr/bin/chage"),
            Some(Override { uid: 0, gid: 42, mode: 0o2755 })
        );
        assert_eq!(overrides.get(b"/etc/a b"), Some(Override { uid: 5, gid: 6, mode: 0o640 }));
        for bad in ["nobody root 755 /a\n", "root root 99 /a\n", "root root 755\n"] {
            assert!(Overrides::parse(bad.as_bytes(), &accounts()).is_err(), "{bad}");
        }
    }
}
