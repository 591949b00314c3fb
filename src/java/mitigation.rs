//! What puts a problem out of use where no version helps, as recipes say it (`repair-recipes/`):
//! entries that are removed, properties that are set. Entries have the same end in plain, nested
//! and shaded archives, behind whatever folder they were moved to.
//!
//! In come archives; out come [`Mark`]s of what they have of it, and archives in which it is done.
//! Whether a copy is free of a problem is always told from marks, whoever did it.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use bytes::Bytes;
use imgfix_model::component::{Library, Mitigated};
use imgfix_model::path::ImagePath;
use imgfix_recipes::{LibraryRule, Means};
use imgfix_vfs::FileSystem;
use imgfix_zip::{Addition, Archive, Change, Names, ZipError};

use crate::listing::{Found, LIMITS};
use crate::properties;
use crate::records::KIND;
use crate::versions::ORDER;

/// The largest file of properties that is read, in bytes.
const MAX_PROPERTIES: u64 = 1 << 20;

/// The shipped recipes of Java.
static RULES: LazyLock<Vec<LibraryRule>> = LazyLock::new(|| {
    let recipes = imgfix_recipes::shipped().unwrap_or_default();
    let rules = recipes.into_iter().filter_map(|recipe| recipe.library);
    rules.filter(|rule| rule.kind == KIND).collect()
});

/// What an archive has that a recipe is about.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Mark {
    /// The recipe's name.
    pub recipe: String,
    /// In which folder of the archive; empty: its root, or wherever.
    pub folder: String,
    /// Whether it is as the recipe leaves it.
    pub is_done: bool,
}

/// The recipes for some problems of a library.
pub fn rules_for<'a>(
    name: &'a str,
    version: &'a str,
    ids: &'a [String],
) -> impl Iterator<Item = &'static LibraryRule> + 'a {
    let about = |rule: &&LibraryRule| ids.iter().any(|id| rule.ids.iter().any(|own| own == id));
    RULES.iter().filter(move |rule| covers(rule, name, version)).filter(about)
}

fn covers(rule: &LibraryRule, name: &str, version: &str) -> bool {
    let is_before = |bound: &String| ORDER.compare(version, bound) == Some(Ordering::Less);
    rule.library == name
        && !rule.from.as_ref().is_some_and(is_before)
        && rule.below.as_ref().is_none_or(is_before)
}

/// The folder of an archive as the beginning of names.
fn beginning(folder: &str) -> String {
    if folder.is_empty() { String::new() } else { format!("{folder}/") }
}

/// What an archive has of what recipes are about.
#[must_use]
pub fn marks(archive: &Archive) -> Vec<Mark> {
    let mut marks = Vec::new();
    for rule in RULES.iter() {
        let mut mark = |folder: &str, is_done| {
            let (recipe, folder) = (rule.recipe.clone(), folder.to_owned());
            marks.push(Mark { recipe, folder, is_done });
        };
        match &rule.means {
            Means::Removed { end } => {
                if archive.entries().iter().any(|entry| entry.name().ends_with(end)) {
                    mark("", false);
                }
            }
            Means::Property { file, key, value, folders } => {
                for folder in folders.iter().map(String::as_str).chain([""]) {
                    // one that comes twice says what nobody knows
                    match archive.find(&(beginning(folder) + file)) {
                        Ok(Some(at)) => {
                            let text = properties_of(archive, at);
                            let is_done = text.is_ok_and(|text| {
                                properties::value(&text, key).as_deref() == Some(value.as_bytes())
                            });
                            mark(folder, is_done);
                        }
                        Ok(None) => {}
                        Err(_) => mark(folder, false),
                    }
                }
            }
        }
    }
    marks
}

fn properties_of(archive: &Archive, at: usize) -> Result<Bytes, ZipError> {
    let entry = &archive.entries()[at];
    if entry.size() > MAX_PROPERTIES {
        return Err(ZipError::Unsupported("a file of properties is too large".to_owned()));
    }
    archive.content(entry)
}

/// Where a recipe is done for the archive at a way inside of a file: the way of an archive, and the
/// folder in it.
fn target<'a>(rule: &'a LibraryRule, way: &'a str, found: &'a [Found]) -> (&'a str, &'a str) {
    let Means::Property { folders, .. } = &rule.means else { return (way, "") };
    // the innermost archive that it lies in
    let holders = found.iter().filter(|one| one.at != way);
    let holder = holders
        .filter_map(|one| Some((&*one.at, way.strip_prefix(&*beginning(&one.at))?)))
        .max_by_key(|(at, _)| at.len());
    let Some((at, inside)) = holder else { return (way, "") };
    let is_beside = |folder: &&String| {
        folder.rsplit_once('/').is_some_and(|(top, _)| inside.starts_with(&beginning(top)))
    };
    folders.iter().find(is_beside).map_or((way, ""), |folder| (at, folder))
}

/// What a copy is free of. `found` is everything in its file.
#[must_use]
pub fn mitigated(name: &str, version: &str, way: &str, found: &[Found]) -> Vec<Mitigated> {
    let is_done = |rule: &&LibraryRule| {
        let marks = |at: &str, folder: &str| {
            let own = found.iter().filter(|one| one.at == at).flat_map(|one| &one.marks);
            own.filter(|one| one.recipe == rule.recipe && one.folder == folder)
                .map(|one| one.is_done)
                .collect::<Vec<bool>>()
        };
        if matches!(rule.means, Means::Removed { .. }) {
            return marks(way, "").is_empty();
        }
        let (at, folder) = target(rule, way, found);
        match marks(at, folder).as_slice() {
            // which archive's root comes first on the class path, nobody knows
            [] => {
                let root = |one: &Found| marks(&one.at, "");
                marks(way, "").contains(&true) && found.iter().flat_map(root).all(|done| done)
            }
            own => own.iter().all(|done| *done),
        }
    };
    let rules = RULES.iter().filter(|rule| covers(rule, name, version)).filter(is_done);
    rules.map(|rule| Mitigated { ids: rule.ids.clone(), how: rule.how.clone() }).collect()
}

/// What recipes leave alone in a folder of plain archives, by their `how`: an archive there has
/// another word.
pub fn contradicted(found: &[Found]) -> impl Iterator<Item = &'static str> {
    let root = found.iter().filter(|one| one.at.is_empty()).flat_map(|one| &one.marks);
    let other = root.filter(|mark| mark.folder.is_empty() && !mark.is_done);
    let rule = |mark: &Mark| RULES.iter().find(|rule| rule.recipe == mark.recipe);
    let set = |rule: &&LibraryRule| matches!(rule.means, Means::Property { .. });
    let how = other.filter_map(rule).filter(set).map(|rule| &*rule.how);
    how.collect::<Vec<_>>().into_iter()
}

/// Whether the folder of classes beside an unpacked application's archives (`WEB-INF/lib/`) has a
/// file of its own with another word: it comes first.
#[must_use]
pub fn is_shadowed(fs: &dyn FileSystem, archive: &ImagePath, rule: &LibraryRule) -> bool {
    let Means::Property { file, key, value, folders } = &rule.means else { return false };
    let lib = archive.parent();
    let top = lib.filter(|lib| lib.file_name() == b"lib").and_then(|lib| lib.parent());
    let Some(top) = top else { return false };
    let name = String::from_utf8_lossy(top.file_name()).into_owned();
    let classes = folders.iter().filter_map(|folder| folder.strip_prefix(&*beginning(&name)));
    classes.filter_map(|classes| top.join(classes).ok()?.join(file).ok()).any(|path| {
        let is_there = fs.lstat(&path).is_some();
        let text = if is_there { crate::place::read(fs, &path).ok() } else { None };
        let word = text.and_then(|text| properties::value(&text, key));
        is_there && word.as_deref() != Some(value.as_bytes())
    })
}

/// The recipe that leaves a library in this way.
pub fn rule_of(how: &str) -> Option<&'static LibraryRule> {
    RULES.iter().find(|rule| rule.how == how)
}

/// A file in which a recipe is done for the archive at a way inside.
///
/// # Errors
/// It is no archive, or there is nothing to do.
pub fn applied(
    file: Bytes,
    rule: &LibraryRule,
    way: &str,
    found: &[Found],
) -> Result<Bytes, ZipError> {
    let (at, folder) = target(rule, way, found);
    let inner = crate::place::nested(file.clone(), at)?;
    let changed = done(inner, rule, folder)?;
    crate::place::with_nested(file, &BTreeMap::from([(at.to_owned(), changed)]))
}

/// An archive in which a recipe is done.
fn done(archive: Bytes, rule: &LibraryRule, folder: &str) -> Result<Bytes, ZipError> {
    let archive = Archive::read(archive, LIMITS, Names::LookedInto)?;
    match &rule.means {
        Means::Removed { end } => {
            let entries = archive.entries().iter().enumerate();
            let named = entries.filter(|(_, entry)| entry.name().ends_with(end));
            let changes: BTreeMap<usize, Change> =
                named.map(|(at, _)| (at, Change::Removed)).collect();
            if changes.is_empty() {
                return Err(ZipError::NoEntry(end.clone()));
            }
            archive.rewrite(&changes, &[])
        }
        Means::Property { file, key, value, .. } => {
            let name = beginning(folder) + file;
            match archive.find(&name)? {
                Some(at) => {
                    let text = properties::with(&properties_of(&archive, at)?, key, value);
                    if properties::value(&text, key).as_deref() != Some(value.as_bytes()) {
                        let why = format!("{name} is of a form in which nothing is set");
                        return Err(ZipError::Unsupported(why));
                    }
                    archive.rewrite(&BTreeMap::from([(at, Change::Content(text))]), &[])
                }
                None => {
                    let content = properties::with(b"", key, value);
                    archive.rewrite(&BTreeMap::new(), &[Addition { name, content }])
                }
            }
        }
    }
}

/// Whether a library has a recipe for one of these problems.
#[must_use]
pub fn is_known(library: &Library, ids: &[String]) -> bool {
    rules_for(&library.name, library.version.as_ref(), ids).next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::look_into;
    use imgfix_zip::testing::Made;

    const LOG4J: &str = "org.apache.logging.log4j:log4j-core";
    const FASTJSON: &str = "com.alibaba:fastjson";
    const LINE: &[u8] = b"fastjson.parser.safeMode=true\n";

    fn rule(library: &str) -> &'static LibraryRule {
        RULES.iter().find(|rule| rule.library == library).unwrap()
    }

    fn ids(name: &str, version: &str, way: &str, file: &[u8]) -> Vec<String> {
        let found = look_into(file.to_vec().into(), "x.jar");
        mitigated(name, version, way, &found).into_iter().flat_map(|one| one.ids).collect()
    }

    #[test]
    fn the_class_goes_wherever_it_is_and_nothing_else() {
        let plain = "org/apache/logging/log4j/core/lookup/JndiLookup.class";
        let moved = "shaded/org/apache/logging/log4j/core/lookup/JndiLookup.class";
        for class in [plain, moved] {
            let made = Made::of(&[(class, b"x"), ("a/Other.class", b"y")]).bytes();
            let without = applied(made.clone().into(), rule(LOG4J), "", &[]).unwrap();
            assert_eq!(without, Made::of(&[("a/Other.class", b"y")]).bytes(), "{class}");
            assert!(ids(LOG4J, "2.14.1", "", &made).is_empty());
            assert_eq!(ids(LOG4J, "2.14.1", "", &without), ["CVE-2021-44228", "CVE-2021-45046"]);
            assert!(ids("a:b", "2.14.1", "", &without).is_empty());
            assert!(applied(without, rule(LOG4J), "", &[]).is_err());
        }
    }

    #[test]
    fn a_property_is_set_where_the_class_path_begins() {
        const FILE: &str = "fastjson.properties";
        const IN_BOOT: &str = "BOOT-INF/classes/fastjson.properties";
        const LIB: &str = "BOOT-INF/lib/fastjson.jar";
        let other = b"a=b\n".as_slice();
        let plain = |entries: &[(&str, &[u8])]| Made::of(entries).bytes();
        let jar = plain(&[("a/A.class", b"x")]);
        let own = plain(&[(FILE, LINE)]);
        let unset = plain(&[(FILE, b"fastjson.parser.safeMode=false\n")]);
        for (file, way, is_done, name, want) in [
            (jar.clone(), "", false, FILE, LINE.to_vec()),
            (plain(&[(FILE, other)]), "", false, FILE, [other, LINE].concat()),
            (own.clone(), "", true, FILE, LINE.to_vec()),
            (unset.clone(), "", false, FILE, b"fastjson.parser.safeMode=true\n".to_vec()),
            (plain(&[(LIB, &jar)]), LIB, false, IN_BOOT, LINE.to_vec()),
            (plain(&[(LIB, &own)]), LIB, true, IN_BOOT, LINE.to_vec()),
            // the application's own word comes first, then nobody knows whose
            (plain(&[(LIB, &own), (IN_BOOT, other)]), LIB, false, IN_BOOT, [other, LINE].concat()),
            (plain(&[(LIB, &own), ("lib/b.jar", &unset)]), LIB, false, IN_BOOT, LINE.to_vec()),
            // a plain folder of archives in an archive
            (plain(&[("lib/fastjson.jar", &jar)]), "lib/fastjson.jar", false, "", Vec::new()),
        ] {
            let known = ["CVE-2022-25845", "CVE-2026-16723"];
            let want_before = if is_done { &known[..] } else { &[] };
            assert_eq!(ids(FASTJSON, "1.2.80", way, &file), want_before, "{name} {way}");
            let found = look_into(file.clone().into(), "x.jar");
            let after = applied(file.into(), rule(FASTJSON), way, &found).unwrap();
            assert_eq!(ids(FASTJSON, "1.2.80", way, &after), known, "{name} {way}");
            assert!(ids(FASTJSON, "1.2.67", way, &after).is_empty());
            if !name.is_empty() {
                let text = crate::place::nested(after, name).unwrap();
                assert_eq!(text, want, "{name} {way}");
            }
        }
    }
}
