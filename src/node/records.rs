//! Where an image records packages of node modules. In comes a file system; out come its trees.

use std::collections::BTreeSet;

use imgfix_model::component::Libraries;
use imgfix_model::path::ImagePath;
use imgfix_repair::library_records::{Ecosystem, MAX_RECORD, Record};
use imgfix_vfs::{Entry, FileSystem, Kind};

use crate::package_json;
use crate::versions::ORDER;

const NODE: Ecosystem = Ecosystem {
    kind: "node",
    purl_type: "npm",
    order: ORDER,
    largest: MAX_RECORD,
    read: |record| Ok(vec![package_json::identity(record)?]),
};

pub(crate) const MODULES: &[u8] = b"node_modules";
const RECORD: &[u8] = b"package.json";

/// The largest lockfile that stays in memory, in bytes: those of large applications have two MiB.
const MAX_LOCK: u64 = 8 << 20;

/// Files of a project that name versions of its packages.
const LOCKS: [&[u8]; 8] = [
    b"package-lock.json",
    b".package-lock.json",
    b"npm-shrinkwrap.json",
    b"yarn.lock",
    b".yarn-integrity",
    b"pnpm-lock.yaml",
    b".modules.yaml",
    b"lock.yaml",
];

/// Whether the content of this file, of `size` bytes, is read by [`find`], or when a package of its
/// project changes.
#[must_use]
pub fn wants(path: &ImagePath, size: u64) -> bool {
    let name = path.file_name();
    match name == RECORD {
        // a project's own, which lies in no `node_modules`
        true => size <= MAX_RECORD && (is_record(path.as_bytes()) || !is_installed(path)),
        false => size <= MAX_LOCK && LOCKS.contains(&name) && !is_of_package(path),
    }
}

/// Whether a path lies in a package: below `node_modules/NAME`.
fn is_of_package(path: &ImagePath) -> bool {
    let Some(folder) = path.parent() else { return false };
    let mut above = Some(folder);
    while let Some(folder) = above {
        if is_package(folder.as_bytes()) {
            return true;
        }
        above = folder.parent();
    }
    false
}

/// Every top-level `node_modules` folder of an image, with all packages below it.
///
/// A link to a package (pnpm's, a workspace's) is followed to the folder that it leads to, and
/// each folder is listed once, as what it is itself.
#[must_use]
pub fn find(fs: &dyn FileSystem) -> Vec<Libraries> {
    let (mut paths, mut links) = (BTreeSet::new(), Vec::new());
    fs.visit(&ImagePath::root(), &mut |path, entry| match entry.kind {
        Kind::File(_) if is_record(path.as_bytes()) => {
            paths.insert(path.clone());
        }
        Kind::Symlink(_) if is_package(path.as_bytes()) => links.push(path.clone()),
        _ => {}
    });
    let mut records: Vec<Record> = paths
        .iter()
        .filter_map(|path| Some(Record { place: top(path)?, path: path.clone() }))
        .collect();
    for link in links {
        let Some(path) = behind(fs, &link).filter(|path| !paths.contains(path)) else { continue };
        records.extend(top(&link).map(|place| Record { place, path: path.clone() }));
        paths.insert(path);
    }
    NODE.libraries(fs, records)
}

/// The record of the package that a link leads to.
fn behind(fs: &dyn FileSystem, link: &ImagePath) -> Option<ImagePath> {
    let path = fs.resolve(link).ok()?.join(RECORD).ok()?;
    fs.lstat(&path).is_some_and(Entry::is_file).then_some(path)
}

/// Whether `path` is the record of a package: `node_modules/NAME/package.json`.
pub(crate) fn is_record(path: &[u8]) -> bool {
    split(path).is_some_and(|(folder, name)| name == RECORD && is_package(folder))
}

/// Whether `path` is where a package lies: `node_modules/NAME`, `node_modules/@SCOPE/NAME`.
pub(crate) fn is_package(path: &[u8]) -> bool {
    let Some((above, name)) = split(path) else { return false };
    // `.bin`, `.pnpm` and `.cache` are no packages; nor is a scope alone.
    if name.first().is_none_or(|first| matches!(first, b'.' | b'@')) {
        return false;
    }
    let is_modules = |path: &[u8]| split(path).is_some_and(|(_, name)| name == MODULES);
    is_modules(above)
        || split(above)
            .is_some_and(|(above, scope)| scope.first() == Some(&b'@') && is_modules(above))
}

/// Whether something lies in a `node_modules` folder, at any depth.
pub(crate) fn is_installed(path: &ImagePath) -> bool {
    path.components().any(|component| component == MODULES)
}

/// The first `node_modules` folder on the way to `path`.
fn top(path: &ImagePath) -> Option<ImagePath> {
    let mut length = 0;
    for component in path.components() {
        length += 1 + component.len();
        if component == MODULES {
            return ImagePath::new(path.as_bytes().get(..length)?).ok();
        }
    }
    None
}

/// What stands before and behind the last slash.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let slash = path.iter().rposition(|byte| *byte == b'/')?;
    Some((path.get(..slash)?, path.get(slash + 1..)?))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use imgfix_vfs::{NoLayers, Tree};

    #[test]
    fn records_are_known_by_their_path() {
        for (path, want) in [
            ("/app/node_modules/lodash/package.json", Some("/app/node_modules")),
            ("/node_modules/a/package.json", Some("/node_modules")),
            ("/app/node_modules/@babel/core/package.json", Some("/app/node_modules")),
            (
                "/usr/lib/node_modules/npm/node_modules/ip/package.json",
                Some("/usr/lib/node_modules"),
            ),
            (
                "/app/node_modules/.pnpm/a@1.0.0/node_modules/a/package.json",
                Some("/app/node_modules"),
            ),
            ("/app/package.json", None),
            ("/package.json", None),
            ("/app/node_modules/package.json", None),
            ("/app/node_modules/lodash/fp/package.json", None),
            ("/app/node_modules/lodash/test/fixtures/package.json", None),
            ("/app/node_modules/@babel/package.json", None),
            ("/app/node_modules/@babel/core/lib/package.json", None),
            ("/app/node_modules/.cache/package.json", None),
            ("/app/node_modules/.cache/x/package.json", None),
            ("/app/node_modules/lodash/package.json.orig", None),
            ("/app/node_modules/lodash/bower.json", None),
            ("/app/my_node_modules/lodash/package.json", None),
            ("/app/x/@babel/core/package.json", None),
        ] {
            let path = ImagePath::literal(path);
            let found = is_record(path.as_bytes()).then(|| top(&path).unwrap().to_string());
            assert_eq!(found.as_deref(), want, "{path}");
            let is_project = want.is_none()
                && matches!(
                    path.as_bytes(),
                    b"/app/package.json"
                        | b"/package.json"
                        | b"/app/my_node_modules/lodash/package.json"
                        | b"/app/x/@babel/core/package.json"
                );
            assert_eq!(wants(&path, MAX_RECORD), want.is_some() || is_project, "{path}");
            assert!(!wants(&path, MAX_RECORD + 1), "{path}");
        }
        for (path, want) in [
            ("/app/package-lock.json", true),
            ("/app/node_modules/.package-lock.json", true),
            ("/app/node_modules/.pnpm/lock.yaml", true),
            ("/app/node_modules/a/package-lock.json", false),
            ("/app/node_modules/@a/b/yarn.lock", false),
            ("/app/Cargo.lock", false),
        ] {
            let path = ImagePath::literal(path);
            assert_eq!(wants(&path, MAX_LOCK), want, "{path}");
            assert!(!wants(&path, MAX_LOCK + 1), "{path}");
        }
    }

    fn tree(entries: Vec<(&'static str, Entry)>) -> Tree {
        let entries = entries.into_iter().map(|(path, entry)| (ImagePath::literal(path), entry));
        Tree::from_entries(entries, Arc::new(NoLayers))
    }

    fn package(name: &str, version: &str) -> Entry {
        let text = format!(r#"{{"name": "{name}", "version": "{version}"}}"#);
        Entry::file(text, 0o644, 0)
    }

    fn shown(found: &[Libraries]) -> Vec<String> {
        let of_store = |store: &Libraries| {
            let line = |one: &imgfix_model::component::Library| {
                format!("{} | {} {} {}", store.store, one.name, one.version, one.path)
            };
            store.libraries.iter().map(line).collect::<Vec<_>>()
        };
        found.iter().flat_map(of_store).collect()
    }

    #[test]
    fn nested_copies_belong_to_the_folder_above_all() {
        let tree = tree(vec![
            ("/app/node_modules/mkdirp/package.json", package("mkdirp", "0.5.1")),
            ("/app/node_modules/mkdirp/node_modules/minimist/package.json", {
                package("minimist", "0.0.8")
            }),
            ("/app/node_modules/minimist/package.json", package("minimist", "1.2.5")),
            ("/app/node_modules/minimist/test/package.json", package("fixture", "1.0.0")),
            ("/app/node_modules/twice/package.json", {
                Entry::file(r#"{"name": "a", "version": "1.0.0", "name": "b"}"#, 0o644, 0)
            }),
            ("/usr/lib/node_modules/npm/package.json", package("npm", "10.0.0")),
            ("/usr/lib/node_modules/npm/node_modules/@npmcli/arborist/package.json", {
                package("@npmcli/arborist", "7.0.0")
            }),
            ("/app/package.json", package("app", "1.0.0")),
        ]);
        let found = find(&tree);
        let arborist = "/usr/lib/node_modules/npm/node_modules/@npmcli/arborist/package.json";
        let nested = "/app/node_modules/mkdirp/node_modules/minimist/package.json";
        assert_eq!(
            shown(&found),
            [
                "node at /app/node_modules | minimist 1.2.5 \
                 /app/node_modules/minimist/package.json"
                    .to_owned(),
                format!("node at /app/node_modules | minimist 0.0.8 {nested}"),
                "node at /app/node_modules | mkdirp 0.5.1 /app/node_modules/mkdirp/package.json"
                    .to_owned(),
                format!("node at /usr/lib/node_modules | @npmcli/arborist 7.0.0 {arborist}"),
                "node at /usr/lib/node_modules | npm 10.0.0 \
                 /usr/lib/node_modules/npm/package.json"
                    .to_owned(),
            ]
        );
        assert_eq!(found[0].unread.len(), 1);
        assert_eq!(found[0].unread[0].path.to_string(), "/app/node_modules/twice/package.json");
        assert!(found[0].unread[0].why.contains("\"name\" twice"), "{:?}", found[0].unread);
    }

    #[test]
    fn each_folder_is_listed_once_whatever_links_lead_to_it() {
        let link = |target: &str| Entry::symlink(target, 0);
        let tree = tree(vec![
            ("/app/node_modules/.pnpm/a@1.0.0/node_modules/a/package.json", {
                package("a", "1.0.0")
            }),
            ("/app/node_modules/.pnpm/b@2.0.0/node_modules/b/package.json", {
                package("b", "2.0.0")
            }),
            ("/app/node_modules/.pnpm/b@2.0.0/node_modules/a", {
                link("../../a@1.0.0/node_modules/a")
            }),
            ("/app/node_modules/.pnpm/node_modules/a", link("../a@1.0.0/node_modules/a")),
            ("/app/node_modules/b", link(".pnpm/b@2.0.0/node_modules/b")),
            // a workspace's own package, by two names
            ("/app/packages/own/package.json", package("own", "0.1.0")),
            ("/app/node_modules/own", link("../packages/own")),
            ("/app/node_modules/@me/own", link("../../packages/own")),
            ("/app/node_modules/broken", link("../nowhere")),
            ("/app/node_modules/round", link("round")),
            ("/app/node_modules/.bin/b", link("../b/cli.js")),
            // the whole folder, a second time
            ("/srv/node_modules", link("/app/node_modules")),
        ]);
        let found = find(&tree);
        let names: Vec<String> = found
            .iter()
            .flat_map(|store| store.libraries.iter().map(|one| one.path.to_string()))
            .collect();
        assert_eq!(
            names,
            [
                "/app/node_modules/.pnpm/a@1.0.0/node_modules/a/package.json",
                "/app/node_modules/.pnpm/b@2.0.0/node_modules/b/package.json",
                "/app/packages/own/package.json",
            ]
        );
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].unread, []);
    }
}
