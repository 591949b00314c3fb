//! Packages whose versions the user has fixed: dnf's and yum's versionlock, and zypper's locks.
//!
//! In come the image's files; out come [`Locks`], which say of an offered package whether it may
//! be taken, and by what it may not. Source: dnf-versionlock(8), the file format of dnf 5's
//! `versionlock.toml`, and locks(5) of libzypp.

use super::ini;
use super::options::{Tool, at};
use super::spec::{Spec, Subject};
use imgfix_vfs::{FileSystem, RootfsError};

/// The lists, and the settings that name another one and switch it off.
const LISTS: [(&str, &str); 2] = [
    ("/etc/dnf/plugins/versionlock.conf", "/etc/dnf/plugins/versionlock.list"),
    ("/etc/yum/pluginconf.d/versionlock.conf", "/etc/yum/pluginconf.d/versionlock.list"),
];
const DNF5_LIST: &str = "/etc/dnf/versionlock.toml";
const ZYPPER_LIST: &str = "/etc/zypp/locks";

/// The most locks of an image.
const MAX_LOCKS: usize = 10_000;

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Lock {
    /// Of this name nothing but what the pattern means.
    Only { name: String, allowed: Spec },
    /// Nothing that the pattern means.
    Not(Spec),
    /// What the pattern means stays as it is, be it installed or not.
    Stays(Spec),
    /// dnf 5: of this name nothing but what all conditions hold for.
    Conditions { name: String, conditions: Vec<Condition> },
}

/// `evr < 2.0`
#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    key: String,
    comparator: String,
    value: String,
}

/// What is fixed in an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Locks {
    entries: Vec<(String, Lock)>,
}

/// How two versions with releases compare: rpm's order, given by the caller.
pub type CompareEvr<'a> = &'a dyn Fn(&str, &str) -> std::cmp::Ordering;

impl Locks {
    /// Reads the lists of the image's package manager.
    ///
    /// # Errors
    /// A file cannot be read from its layer.
    pub fn read(fs: &dyn FileSystem, tool: Tool) -> Result<Self, RootfsError> {
        let mut locks = Self::default();
        let text = |path: &str| -> Result<Option<String>, RootfsError> {
            let path = at(path);
            let bytes = fs.read_if_readable(&path)?;
            Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
        };
        if tool == Tool::Zypper {
            if let Some(text) = text(ZYPPER_LIST)? {
                locks.zypper(&text);
            }
            return Ok(locks);
        }
        for (settings, list) in LISTS {
            let settings = text(settings)?.unwrap_or_default();
            let sections = ini::parse(settings.as_bytes()).unwrap_or_default();
            let main = sections.iter().find(|section| section.name == "main");
            if main.and_then(|main| main.truth("enabled")) == Some(false) {
                continue;
            }
            let named = main.and_then(|main| main.get("locklist"));
            if let Some(text) = text(named.unwrap_or(list))? {
                locks.versionlock(&text);
            }
        }
        if let Some(text) = text(DNF5_LIST)? {
            locks.dnf5(&text);
        }
        Ok(locks)
    }

    /// Why a package must not be taken: the entry. `compare` is rpm's order of
    /// `[epoch:]version-release`.
    #[must_use]
    pub fn against(&self, package: &Subject<'_>, compare: CompareEvr<'_>) -> Option<&str> {
        // Of several entries for a name, any that allows the package does.
        let mut refused: Option<&str> = None;
        let mut allowed = false;
        for (text, lock) in &self.entries {
            let (is_about, allows) = match lock {
                Lock::Not(spec) | Lock::Stays(spec) => {
                    if spec.is_about(package) {
                        return Some(text);
                    }
                    continue;
                }
                Lock::Only { name, allowed } => (name == package.name, allowed.is_about(package)),
                Lock::Conditions { name, conditions } => {
                    (name == package.name, conditions.iter().all(|one| one.holds(package, compare)))
                }
            };
            if is_about {
                allowed |= allows;
                refused.get_or_insert(text);
            }
        }
        refused.filter(|_| !allowed)
    }

    /// The entry that says which versions there may be of a name.
    #[must_use]
    pub fn limiting(&self, own: &str) -> Option<&str> {
        let is_about = |lock: &Lock| match lock {
            Lock::Only { name, .. } | Lock::Conditions { name, .. } => name == own,
            Lock::Not(_) | Lock::Stays(_) => false,
        };
        let mut limiting = self.entries.iter().filter(|(_, lock)| is_about(lock));
        limiting.next().map(|(text, _)| text.as_str())
    }

    fn add(&mut self, text: &str, lock: Lock) {
        if self.entries.len() < MAX_LOCKS {
            self.entries.push((text.to_owned(), lock));
        }
    }

    /// A pattern a line; with `!`, what it means is never taken.
    fn versionlock(&mut self, text: &str) {
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(spec) = line.strip_prefix('!').and_then(Spec::new) {
                self.add(line, Lock::Not(spec));
            } else if let (Some(name), Some(allowed)) = (name_of(line), Spec::new(line)) {
                self.add(line, Lock::Only { name, allowed });
            }
        }
    }

    /// `[[packages]]` with `name` and `[[packages.conditions]]`.
    fn dnf5(&mut self, text: &str) {
        let Ok(table) = text.parse::<toml::Table>() else { return };
        let packages = table.get("packages").and_then(toml::Value::as_array);
        for package in packages.into_iter().flatten() {
            let word = |value: &toml::Value, key: &str| {
                value.get(key).and_then(toml::Value::as_str).unwrap_or_default().to_owned()
            };
            let name = word(package, "name");
            let conditions = package.get("conditions").and_then(toml::Value::as_array);
            let conditions: Vec<Condition> = conditions
                .into_iter()
                .flatten()
                .map(|one| Condition {
                    key: word(one, "key"),
                    comparator: word(one, "comparator"),
                    value: word(one, "value"),
                })
                .collect();
            if !name.is_empty() {
                let text = format!("{name} of {DNF5_LIST}");
                self.add(&text, Lock::Conditions { name, conditions });
            }
        }
    }

    /// Stanzas of `key: value`, parted by empty lines. What is about other things than packages
    /// (patches, patterns) locks no package.
    fn zypper(&mut self, text: &str) {
        for stanza in text.split("\n\n") {
            let field = |key: &str| {
                let mut lines = stanza.lines().filter_map(|line| line.split_once(':'));
                lines.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim())
            };
            if field("type").is_some_and(|kind| kind != "package") {
                continue;
            }
            let Some(name) = field("solvable_name") else { continue };
            let pattern = match field("match_type") {
                Some("substring") => format!("*{name}*"),
                Some("exact") | Some("glob") | None => name.to_owned(),
                // A regular expression: what it may mean is not guessed at.
                Some(_) => continue,
            };
            let spec = match field("case_sensitive") {
                Some("off") => Spec::ignoring_case(&pattern),
                _ => Spec::new(&pattern),
            };
            if let Some(spec) = spec {
                self.add(name, Lock::Stays(spec));
            }
        }
    }
}

impl Condition {
    fn holds(&self, package: &Subject<'_>, compare: CompareEvr<'_>) -> bool {
        use std::cmp::Ordering::{Equal, Greater, Less};
        let order = match self.key.as_str() {
            "arch" => match package.architecture == self.value {
                true => Equal,
                false => Less,
            },
            "epoch" => compare(package.epoch, &self.value),
            "version" => compare(package.version, &self.value),
            "release" => compare(package.release, &self.value),
            "evr" => {
                let evr = format!("{}:{}-{}", package.epoch, package.version, package.release);
                compare(evr.trim_start_matches(':'), &self.value)
            }
            _ => return false,
        };
        match self.comparator.as_str() {
            "=" => order == Equal,
            "!=" => order != Equal,
            "<" => order == Less,
            "<=" => order != Greater,
            ">" => order == Greater,
            ">=" => order != Less,
            _ => false,
        }
    }
}

/// The name in a pattern of a version: `bash` of `bash-0:5.1.8-6.el9.*` and `0:bash-5.1-1.*`.
fn name_of(pattern: &str) -> Option<String> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let pattern = match pattern.split_once(':') {
        Some((epoch, rest)) if digits(epoch) => rest,
        _ => pattern,
    };
    let (rest, _release) = pattern.rsplit_once('-')?;
    match rest.rsplit_once('-') {
        Some((name, _version)) if !name.is_empty() => Some(name.to_owned()),
        _ => Some(rest.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use imgfix_model::path::ImagePath;
    use imgfix_vfs::{Entry, NoLayers, Tree};

    fn locks(tool: Tool, files: &[(&'static str, &str)]) -> Locks {
        let files = files.iter().map(|(path, text)| {
            (ImagePath::literal(path), Entry::file(text.as_bytes().to_vec(), 0o644, 0))
        });
        Locks::read(&Tree::from_entries(files, Arc::new(NoLayers)), tool).unwrap()
    }

    fn package<'a>(name: &'a str, version: &'a str) -> Subject<'a> {
        Subject { name, epoch: "0", version, release: "1.el9", architecture: "x86_64" }
    }

    fn held(locks: &Locks, name: &str, version: &str) -> bool {
        locks.against(&package(name, version), &|a, b| a.cmp(b)).is_some()
    }

    #[test]
    fn versionlock_allows_one_version_or_forbids_some() {
        let list = "# Added locks\nbash-0:5.1-1.el9.*\nglibc-0:2.34-1.el9.*\n\
                    glibc-0:2.35-1.el9.*\n!0:curl-8.0-1.el9.*\n";
        let locks = locks(Tool::Dnf, &[("/etc/dnf/plugins/versionlock.list", list)]);
        for (name, version, want) in [
            ("bash", "5.1", false),
            ("bash", "5.2", true),
            ("bash-doc", "9", false),
            ("glibc", "2.34", false),
            ("glibc", "2.35", false),
            ("glibc", "2.36", true),
            ("curl", "8.0", true),
            ("curl", "8.1", false),
            ("other", "1", false),
        ] {
            assert_eq!(held(&locks, name, version), want, "{name} {version}");
        }
    }

    #[test]
    fn settings_name_the_list_or_switch_it_off() {
        let list = ("/x", "bash-0:5.1-1.el9.*\n");
        let conf = "/etc/dnf/plugins/versionlock.conf";
        let on = locks(Tool::Dnf, &[list, (conf, "[main]\nenabled = 1\nlocklist = /x\n")]);
        let off = locks(Tool::Dnf, &[list, (conf, "[main]\nenabled = 0\nlocklist = /x\n")]);
        assert!(held(&on, "bash", "9") && !held(&off, "bash", "9"));
    }

    #[test]
    fn dnf_5_has_conditions() {
        let list = "version = \"1.0\"\n[[packages]]\nname = \"bash\"\n[[packages.conditions]]\n\
                    key = \"evr\"\ncomparator = \"<\"\nvalue = \"0:5.2\"\n";
        let locks = locks(Tool::Dnf, &[(DNF5_LIST, list)]);
        assert!(!held(&locks, "bash", "5.1") && held(&locks, "bash", "5.3"));
    }

    #[test]
    fn zypper_locks_packages() {
        let list = "\ntype: package\nmatch_type: glob\ncase_sensitive: on\nsolvable_name: kernel*\n\n\
                    type: patch\nmatch_type: glob\nsolvable_name: bash\n\n\
                    type: package\nmatch_type: substring\ncase_sensitive: off\nsolvable_name: SSL\n";
        let locks = locks(Tool::Zypper, &[(ZYPPER_LIST, list)]);
        assert!(held(&locks, "kernel-default", "1") && held(&locks, "openssl", "1"));
        assert!(!held(&locks, "bash", "1"));
    }
}
