//! Which files an upgrade made stale: the recipes' rules over the changes of an overlay.

use std::collections::BTreeSet;

use super::pattern::Parts;
use super::schema::{EmptyFolder, Recipe, StaleRule};
use imgfix_model::path::ImagePath;
use imgfix_vfs::{FileSystem as _, Overlay, Tree};

/// A file that is stale, or the folder that is empty without such files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StalePath {
    /// The file, or the folder that has lost all its files.
    pub path: ImagePath,
    /// The name of the recipe.
    pub recipe: String,
    /// What it is: the title of the recipe.
    pub title: String,
    /// Why it is stale, for people.
    pub reason: String,
}

impl StalePath {
    /// Removes it from the overlay.
    pub fn apply(&self, overlay: &mut Overlay) {
        overlay.remove(&self.path);
    }
}

/// The files that were there before the upgrade, are still as they were, and belong to
/// something that the upgrade changed or removed; sorted by path, folders that are empty
/// then after their files.
#[must_use]
pub fn stale_paths(before: &Tree, overlay: &Overlay, recipes: &[Recipe]) -> Vec<StalePath> {
    let mut found: Vec<StalePath> = Vec::new();
    let mut paths = BTreeSet::new();
    let rules = || recipes.iter().flat_map(|recipe| recipe.stale.iter().map(move |r| (recipe, r)));
    for (changed, _) in overlay.changes() {
        for (recipe, rule) in rules() {
            for source in &rule.sources {
                let Some(parts) = source.parts(changed.as_bytes()) else { continue };
                for path in files(before, overlay, rule, &parts) {
                    if path != *changed && paths.insert(path.clone()) {
                        found.push(stale_path(recipe, rule, path, changed));
                    }
                }
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    let folders = empty_folders(overlay, recipes, &paths, &found);
    found.extend(folders);
    found
}

fn stale_path(recipe: &Recipe, rule: &StaleRule, path: ImagePath, source: &ImagePath) -> StalePath {
    StalePath {
        path,
        recipe: recipe.name.clone(),
        title: recipe.title.clone(),
        reason: rule.reason.replace("{source}", &source.to_str_lossy()),
    }
}

/// The files of a rule with these parts that the upgrade has not touched.
fn files(before: &Tree, overlay: &Overlay, rule: &StaleRule, parts: &Parts) -> Vec<ImagePath> {
    let Some(within) = rule.file.within(parts) else { return Vec::new() };
    let Ok(folder) = ImagePath::new(&within.folder) else { return Vec::new() };
    let mut children = overlay.read_dir(&folder);
    children.retain(|child| {
        let now = overlay.lstat(child);
        within.fits(child.file_name())
            && now.is_some_and(|now| now.is_file())
            && now == before.lstat(child)
    });
    children
}

/// The folders that lose all their files, where the rule wants them to go.
fn empty_folders(
    overlay: &Overlay,
    recipes: &[Recipe],
    gone: &BTreeSet<ImagePath>,
    stale: &[StalePath],
) -> Vec<StalePath> {
    let rules = recipes.iter().flat_map(|recipe| &recipe.stale);
    let rules: Vec<_> = rules.filter(|rule| rule.empty_folder == EmptyFolder::Remove).collect();
    let mut folders: Vec<StalePath> = Vec::new();
    for file in stale {
        let Some(folder) = file.path.parent() else { continue };
        let wanted = rules.iter().any(|rule| rule.file.parts(file.path.as_bytes()).is_some());
        let is_new = folders.last().is_none_or(|last| last.path != folder);
        if wanted && is_new && overlay.read_dir(&folder).iter().all(|child| gone.contains(child)) {
            let reason = "empty after its stale files are gone".into();
            folders.push(StalePath { path: folder, reason, ..file.clone() });
        }
    }
    folders
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::shipped;
    use super::*;
    use imgfix_vfs::{Entry, NoLayers};

    fn path(text: &str) -> ImagePath {
        ImagePath::new(text).unwrap()
    }

    fn overlay(files: &[&str]) -> Overlay {
        let entries = files.iter().map(|file| (path(file), Entry::file("old", 0o644, 1)));
        Overlay::new(Arc::new(Tree::from_entries(entries, Arc::new(NoLayers))))
    }

    fn listed(overlay: &Overlay) -> Vec<String> {
        let all = stale_paths(overlay.tree(), overlay, &shipped().unwrap());
        all.iter().map(|stale| stale.path.to_string()).collect()
    }

    #[test]
    fn compiled_modules_go_with_the_source_that_they_were_made_from() {
        let mut overlay = overlay(&[
            "/p/a.py",
            "/p/b.py",
            "/p/c.py",
            "/p/__pycache__/a.cpython-39.pyc",
            "/p/__pycache__/a.cpython-39.opt-1.pyc",
            "/p/__pycache__/b.cpython-39.pyc",
            "/p/__pycache__/a-b.cpython-39.pyc",
            "/p/c.pyc",
            "/q/d.py",
            "/q/__pycache__/d.cpython-39.pyc",
        ]);
        assert_eq!(listed(&overlay), [""; 0]);
        overlay.set(path("/p/a.py"), Entry::file("new", 0o644, 2)).unwrap();
        overlay.remove(&path("/p/c.py"));
        overlay.remove(&path("/q/d.py"));
        let gone = [
            "/p/__pycache__/a.cpython-39.opt-1.pyc",
            "/p/__pycache__/a.cpython-39.pyc",
            "/p/c.pyc",
            "/q/__pycache__/d.cpython-39.pyc",
            "/q/__pycache__",
        ];
        assert_eq!(listed(&overlay), gone);
        let all = stale_paths(overlay.tree(), &overlay, &shipped().unwrap());
        assert_eq!(all[1].reason, "compiled from /p/a.py, which the upgrade changed");
        for stale in &all {
            stale.apply(&mut overlay);
        }
        assert!(overlay.lstat(&path("/q/__pycache__")).is_none());
        assert_eq!(listed(&overlay), [""; 0]);
    }

    #[test]
    fn what_the_upgrade_brought_itself_stays() {
        let mut overlay = overlay(&["/p/a.py", "/p/a.pyc"]);
        overlay.set(path("/p/a.py"), Entry::file("new", 0o644, 2)).unwrap();
        overlay.set(path("/p/a.pyc"), Entry::file("new", 0o644, 2)).unwrap();
        assert_eq!(listed(&overlay), [""; 0]);
    }

    #[test]
    fn javas_archive_goes_with_the_virtual_machine() {
        let server = "/usr/lib/jvm/java-11-openjdk-amd64/lib/server";
        let archive = format!("{server}/classes.jsa");
        let mut overlay = overlay(&[&archive, &format!("{server}/libjvm.so")]);
        overlay.set(path(&format!("{server}/libjvm.so")), Entry::file("n", 0o644, 2)).unwrap();
        assert_eq!(listed(&overlay), [archive]);
    }
}
