//! Triggers: scripts that are run once at the end, with the directories that they wait for and
//! that packages changed.
//!
//! In come the directories of a run; out come the calls, in the order in which apk makes them.
//! Source: apk-tools 2.14, `src/database.c` (`fire_triggers`), `src/commit.c` (`run_triggers`).

use std::collections::BTreeMap;

use super::super::apk_file::Script;
use super::ownership::PackageKey;
use super::{InstallError, Run};
use imgfix_model::path::ImagePath;
use imgfix_shell::fnmatch;
use imgfix_versions::apk::generation::Generation;

impl Run<'_> {
    /// Runs all triggers that are due. `new` are the packages of this run.
    pub(super) fn run_triggers(&mut self, new: &[PackageKey]) -> Result<(), InstallError> {
        let mut due = self.due_triggers();
        if due.is_empty() {
            return Ok(());
        }
        for key in self.change_order() {
            let Some(directories) = due.remove(&key) else { continue };
            let arguments: Vec<String> =
                directories.iter().map(|path| path.to_str_lossy().into_owned()).collect();
            let activated_by = self.activated_by(key, &directories, new);
            self.run_script(key, Script::Trigger, &arguments).map_err(|mut error| {
                if let InstallError::Script { activated_by: by, .. } = &mut error {
                    *by = activated_by;
                }
                error
            })?;
        }
        Ok(())
    }

    /// The directories that each trigger is to be called with.
    fn due_triggers(&self) -> BTreeMap<PackageKey, Vec<ImagePath>> {
        let mut due: BTreeMap<PackageKey, Vec<ImagePath>> = BTreeMap::new();
        for (id, modified) in self.ownership.directories.in_apk_order() {
            let path = self.ownership.directories.path(id);
            for key in &self.ownership.triggers {
                let Some(package) = self.ownership.get(*key) else { continue };
                if !modified && !package.run_all_triggers {
                    continue;
                }
                let by = self.database.generation;
                let mut waiting = package.triggers.iter().map(|text| wait(text, by));
                let found = waiting.find(|(pattern, _)| matches(pattern, &path));
                let Some((_, only_changed)) = found else { continue };
                let directories = due.entry(*key).or_default();
                if modified || !only_changed {
                    directories.push(path.clone());
                }
            }
        }
        due
    }

    /// A new package that has one of the directories, if it is not the trigger's own.
    fn activated_by(
        &self,
        key: PackageKey,
        directories: &[ImagePath],
        new: &[PackageKey],
    ) -> Option<String> {
        if new.contains(&key) {
            return None;
        }
        let has = |other: &&PackageKey| {
            directories.iter().any(|path| self.ownership.owned_directory(**other, path).is_some())
        };
        let package = self.ownership.get(*new.iter().find(has)?)?;
        Some(package.name().to_owned())
    }
}

/// The pattern of a trigger, and whether it is for changed directories alone, those of a new
/// package too: apk 3 has a `+` for that. apk 2 takes it for a part of the pattern.
fn wait(text: &str, by: Generation) -> (&str, bool) {
    match text.strip_prefix('+') {
        Some(pattern) if by == Generation::Apk3 => (pattern, true),
        _ => (text, false),
    }
}

/// `fnmatch(3)` with `FNM_PATHNAME`: a wildcard is never a slash. Patterns that are not absolute
/// match nothing.
fn matches(pattern: &str, path: &ImagePath) -> bool {
    let Some(pattern) = pattern.strip_prefix('/') else { return false };
    let mut names = path.relative().split(|&byte| byte == b'/');
    let mut patterns = pattern.split('/');
    loop {
        match (patterns.next(), names.next()) {
            (None, None) => return true,
            (Some(pattern), Some(name)) if fnmatch::matches(pattern.as_bytes(), name) => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apk_3_has_patterns_for_changed_directories_alone() {
        assert_eq!(wait("+/usr/lib", Generation::Apk3), ("/usr/lib", true));
        assert_eq!(wait("/usr/lib", Generation::Apk3), ("/usr/lib", false));
        assert_eq!(wait("+/usr/lib", Generation::Apk2), ("+/usr/lib", false));
    }

    #[test]
    fn wildcards_stay_within_a_directory() {
        for (pattern, path, want) in [
            ("/usr/lib/*", "/usr/lib/modules", true),
            ("/usr/lib/*", "/usr/lib/modules/x", false),
            ("/usr/lib/*", "/usr/lib", false),
            ("/usr/lib/*/", "/usr/lib/a", false),
            ("/usr/share/icons/*", "/usr/share/icons/.hidden", true),
            ("/", "/", true),
            ("/*", "/etc", true),
            ("etc", "/etc", false),
            ("/[a-f]*/x?", "/etc/xy", true),
        ] {
            assert_eq!(matches(pattern, &ImagePath::literal(path)), want, "{pattern} {path}");
        }
    }
}
