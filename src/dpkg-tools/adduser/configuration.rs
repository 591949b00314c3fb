//! `/etc/adduser.conf` and `/etc/deluser.conf`, over the defaults of the image's release.

use std::collections::BTreeMap;

use super::super::files::read_optional;
use imgfix_shell::{Process, Stop};

/// Which adduser the image has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// Up to 3.118 (bullseye).
    Old,
    /// Since 3.122 (bookworm): `useradd -r`, and other rules for names and homes.
    New,
}

/// The settings by lower-case name.
pub struct Configuration {
    pub release: Release,
    /// Since 3.139 (trixie), a comment is taken as a whole, by `usermod`.
    pub whole_comments: bool,
    settings: BTreeMap<String, String>,
}

/// Defaults that matter to system accounts and groups.
const DEFAULTS: &[(&str, &str)] = &[
    ("dhome", "/home"),
    ("dir_mode", "0755"),
    ("sys_dir_mode", "0755"),
    ("first_gid", "1000"),
    ("first_system_gid", "100"),
    ("first_system_uid", "100"),
    ("grouphomes", "no"),
    ("ieee_name_regex", r"^[_.A-Za-z0-9][-@_.A-Za-z0-9]*\$?$"),
    ("last_gid", "59999"),
    ("last_system_gid", "999"),
    ("last_system_uid", "999"),
    ("letterhomes", "no"),
    ("name_regex", "^[a-z][-a-z0-9_]*$"),
    ("setgid_home", "no"),
    ("sys_name_regex", r"^[a-z_][a-z0-9_-]*\$?$"),
];

const LATEST_NAMES: &[(&str, &str)] = &[
    ("ieee_name_regex", r"^[a-zA-Z0-9_.][a-zA-Z0-9_.-]*\$?$"),
    ("name_regex", r"^[a-zA-Z][a-zA-Z0-9_-]*\$?$"),
    ("sys_name_regex", r"^[a-zA-Z_][a-zA-Z0-9_-]*\$?$"),
];

impl Configuration {
    /// Reads the files; the release shows in the text of the image's own program.
    ///
    /// # Errors
    /// A pool of numbers, which is not evaluated.
    pub fn load(process: &mut Process<'_>, paths: &[&str]) -> Result<Self, Stop> {
        let program = read_optional(process, b"/usr/sbin/adduser")?.unwrap_or_default();
        let marker = b"sys_dir_mode";
        let is_new = program.windows(marker.len()).any(|window| window == marker);
        let release = if is_new { Release::New } else { Release::Old };
        let defaults = DEFAULTS.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let mut settings: BTreeMap<String, String> = defaults.collect();
        if release == Release::New {
            settings.insert("name_regex".into(), r"^[a-z][a-z0-9_-]*\$?$".into());
        }
        // Since 3.139 (trixie) capital letters are usual.
        let marker = b"AdduserRetvalues";
        let is_latest = program.windows(marker.len()).any(|window| window == marker);
        if is_latest {
            for (key, value) in LATEST_NAMES {
                settings.insert((*key).into(), (*value).into());
            }
        }
        for path in paths {
            let text = read_optional(process, path.as_bytes())?.unwrap_or_default();
            for line in String::from_utf8_lossy(&text).lines() {
                if let Some((key, value)) = setting(line) {
                    settings.insert(key, value);
                }
            }
        }
        for pool in ["uid_pool", "gid_pool"] {
            if settings.get(pool).is_some_and(|value| !value.is_empty()) {
                return Err(process.unsupported(pool));
            }
        }
        Ok(Self { release, whole_comments: is_latest, settings })
    }

    #[must_use]
    pub fn get(&self, key: &str) -> &str {
        self.settings.get(key).map_or("", String::as_str)
    }

    #[must_use]
    pub fn number(&self, key: &str) -> u32 {
        self.get(key).parse().unwrap_or_default()
    }

    #[must_use]
    pub fn is_yes(&self, key: &str) -> bool {
        self.get(key).to_ascii_lowercase().contains("yes")
    }
}

fn setting(line: &str) -> Option<(String, String)> {
    if line.starts_with('#') {
        return None;
    }
    let (key, value) = line.split_once('=')?;
    let key = key.trim();
    let is_name = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let mut value = value.trim_start();
    for quote in ['"', '\''] {
        let inner = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
        value = inner.unwrap_or(value);
    }
    is_name.then(|| (key.to_ascii_lowercase(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_by_adduser() {
        let pair = |key: &str, value: &str| Some((key.to_owned(), value.to_owned()));
        assert_eq!(setting("FIRST_UID=1000"), pair("first_uid", "1000"));
        assert_eq!(setting(" A = \"b c\""), pair("a", "b c"));
        assert_eq!(setting("# A=b"), None);
        assert_eq!(setting("A B"), None);
    }
}
