//! Triggers: scripts that are run once at the end, with the directories that they wait for and
//! that packages changed.
//!
//! In come the directories of a run; out come the calls, in the order in which apk makes them.
//! Source: apk-tools 2.14, `src/database.c` (`fire_triggers`), `src/commit.c` (`run_triggers`).

use std::collections::BTreeMap;

use super::super::apk_file::Script;
use super::ownership::Slot;
use super::{InstallError, Run};
use crate::rootfs::ImagePath;
use crate::scripts::fnmatch;

impl Run<'_> {
    /// Runs all triggers that are due. `new` are the packages of this run.
    pub(super) fn run_triggers(&mut self, new: &[Slot]) -> Result<(), InstallError> {
        let mut due = self.due_triggers();
        if due.is_empty() {
            return Ok(());
        }
        for slot in self.change_order() {
            let Some(directories) = due.remove(&slot) else { continue };
            let arguments: Vec<String> =
                directories.iter().map(|path| path.to_str_lossy().into_owned()).collect();
            let activated_by = self.activated_by(slot, &directories, new);
            self.run_script(slot, Script::Trigger, &arguments).map_err(|mut error| {
                if let InstallError::Script { activated_by: by, .. } = &mut error {
                    *by = activated_by;
                }
                error
            })?;
        }
        Ok(())
    }

    /// The directories that each trigger is to be called with.
    fn due_triggers(&self) -> BTreeMap<Slot, Vec<ImagePath>> {
        let mut due: BTreeMap<Slot, Vec<ImagePath>> = BTreeMap::new();
        for (id, modified) in self.ownership.directories.in_apk_order() {
            let path = self.ownership.directories.path(id);
            for slot in &self.ownership.triggers {
                let Some(package) = self.ownership.get(*slot) else { continue };
                if (modified || package.run_all_triggers)
                    && package.triggers.iter().any(|pattern| matches(pattern, &path))
                {
                    due.entry(*slot).or_default().push(path.clone());
                }
            }
        }
        due
    }

    /// A new package that has one of the directories, if it is not the trigger's own.
    fn activated_by(&self, slot: Slot, directories: &[ImagePath], new: &[Slot]) -> Option<String> {
        if new.contains(&slot) {
            return None;
        }
        let has = |other: &&Slot| {
            directories.iter().any(|path| self.ownership.owned_directory(**other, path).is_some())
        };
        let package = self.ownership.get(*new.iter().find(has)?)?;
        Some(package.name().to_owned())
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
