//! Where an image records distributions. In comes a file system; out come its environments.

use imgfix_model::component::Libraries;
use imgfix_model::path::ImagePath;
use imgfix_repair::library_records::{Ecosystem, MAX_RECORD, Record};
use imgfix_vfs::{FileSystem, Kind};

use crate::headers;
use crate::versions::ORDER;

const PYTHON: Ecosystem = Ecosystem {
    kind: "python",
    purl_type: "pypi",
    order: ORDER,
    largest: MAX_RECORD,
    read: |record| Ok(vec![headers::identity(record)?]),
};

/// Whether the content of this file, of `size` bytes, is read by [`find`].
#[must_use]
pub fn wants(path: &ImagePath, size: u64) -> bool {
    size <= MAX_RECORD && place(path).is_some()
}

/// Every environment of an image.
#[must_use]
pub fn find(fs: &dyn FileSystem) -> Vec<Libraries> {
    let mut records = Vec::new();
    fs.visit(&ImagePath::root(), &mut |path, entry| {
        // `*.egg-info` is a folder as often as a file.
        if !matches!(entry.kind, Kind::File(_) | Kind::Symlink(_)) {
            return;
        }
        let place = place(path).and_then(|place| ImagePath::new(place).ok());
        records.extend(place.map(|place| Record { place, path: path.clone() }));
    });
    PYTHON.libraries(fs, records)
}

/// The environment whose records are in `place`; `None`: it has none.
#[must_use]
pub fn find_in(fs: &dyn FileSystem, place_of: &ImagePath) -> Option<Libraries> {
    let mut records = Vec::new();
    let mut take = |path: &ImagePath, entry: &imgfix_vfs::Entry| {
        let is_record = matches!(entry.kind, Kind::File(_) | Kind::Symlink(_))
            && place(path).and_then(|place| ImagePath::new(place).ok()).as_ref() == Some(place_of);
        if is_record {
            records.push(Record { place: place_of.clone(), path: path.clone() });
        }
    };
    // records are at most two folders below
    for path in fs.read_dir(place_of) {
        let name = path.file_name();
        let deeper =
            [&b".dist-info"[..], b".egg-info", b".egg"].iter().any(|end| name.ends_with(end));
        if deeper {
            fs.visit(&path, &mut take);
        }
    }
    PYTHON.libraries(fs, records).pop()
}

/// The folder that holds the record at `path`; `None` when that is no record's path.
fn place(path: &ImagePath) -> Option<&[u8]> {
    let (folder, name) = split(path.as_bytes())?;
    if is_suffix(name, b".egg-info") {
        return Some(folder);
    }
    let suffix: &[u8] = match name {
        b"METADATA" => b".dist-info",
        b"PKG-INFO" => b".egg-info",
        _ => return None,
    };
    let (above, folder_name) = split(folder)?;
    if is_suffix(folder_name, suffix) {
        return Some(above);
    }
    let (place, egg) = split(above)?;
    (name == b"PKG-INFO" && folder_name == b"EGG-INFO" && is_suffix(egg, b".egg")).then_some(place)
}

/// What stands before and behind the last slash.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let slash = path.iter().rposition(|byte| *byte == b'/')?;
    Some((path.get(..slash)?, path.get(slash + 1..)?))
}

/// Whether a name ends so, and is more than that.
fn is_suffix(name: &[u8], suffix: &[u8]) -> bool {
    name.len() > suffix.len() && name.ends_with(suffix)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use imgfix_vfs::{Entry, NoLayers, Tree};

    #[test]
    fn records_are_known_by_their_path() {
        for (path, want) in [
            ("/v/site-packages/Jinja2-3.1.2.dist-info/METADATA", Some("/v/site-packages")),
            ("/a.dist-info/METADATA", Some("")),
            ("/v/a.egg-info/PKG-INFO", Some("/v")),
            ("/v/a.egg-info", Some("/v")),
            ("/v/a-1-py3.egg/EGG-INFO/PKG-INFO", Some("/v")),
            ("/v/EGG-INFO/PKG-INFO", None),
            ("/v/a-1-py3.egg/EGG-INFO/METADATA", None),
            ("/v/a.egg", None),
            ("/v/.egg-info", None),
            ("/v/.dist-info/METADATA", None),
            ("/v/a.dist-info/PKG-INFO", None),
            ("/v/a.dist-info/x/METADATA", None),
            ("/v/a.dist-info/METADATA.bak", None),
            ("/v/METADATA", None),
            ("/METADATA", None),
            ("/", None),
        ] {
            let path = ImagePath::literal(path);
            assert_eq!(place(&path), want.map(str::as_bytes), "{path}");
            assert_eq!(wants(&path, MAX_RECORD), want.is_some(), "{path}");
            assert!(!wants(&path, MAX_RECORD + 1), "{path}");
        }
    }

    #[test]
    fn one_environment_is_found_as_all_are() {
        let tree = tree(vec![
            ("/v/a-1.dist-info/METADATA", metadata("a", "1")),
            ("/v/b.egg-info", metadata("b", "2")),
            ("/v/c-1-py3.egg/EGG-INFO/PKG-INFO", metadata("c", "3")),
            ("/v/d/_vendor/e-1.dist-info/METADATA", metadata("e", "1")),
        ]);
        let all = find(&tree);
        assert_eq!(find_in(&tree, &ImagePath::literal("/v")).as_ref(), all.first());
        assert_eq!(all[0].libraries.len(), 3);
        assert_eq!(find_in(&tree, &ImagePath::literal("/v/d")), None);
    }

    fn tree(entries: Vec<(&'static str, Entry)>) -> Tree {
        let entries = entries.into_iter().map(|(path, entry)| (ImagePath::literal(path), entry));
        Tree::from_entries(entries, Arc::new(NoLayers))
    }

    fn metadata(name: &str, version: &str) -> Entry {
        let text = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nText\n");
        Entry::file(text, 0o644, 0)
    }

    #[test]
    fn environments_are_stores() {
        let tree = tree(vec![
            ("/opt/venv/lib/python3.11/site-packages/urllib3-1.26.4.dist-info/METADATA", {
                metadata("urllib3", "1.26.4")
            }),
            ("/opt/venv/lib/python3.11/site-packages/urllib3-1.26.4.dist-info/RECORD", {
                Entry::file("", 0o644, 0)
            }),
            ("/opt/venv/lib/python3.11/site-packages/Flask-2.0.dist-info/METADATA", {
                metadata("Flask", "2.0")
            }),
            ("/opt/venv/lib/python3.11/site-packages/setuptools/_vendor/x-1.dist-info/METADATA", {
                metadata("x", "1")
            }),
            ("/opt/venv/lib/python3.11/site-packages/bad-1.dist-info/METADATA", {
                Entry::file("Name: bad\n", 0o644, 0)
            }),
            // lib64 leads to lib in every environment: each distribution is there once.
            ("/opt/venv/lib64", Entry::symlink("lib", 0)),
            ("/usr/lib/python3/dist-packages/six-1.16.0.egg-info/PKG-INFO", {
                metadata("six", "1.16.0")
            }),
            ("/usr/lib/python3/dist-packages/distro-info-1.5.egg-info", {
                metadata("distro-info", "1.5")
            }),
            ("/srv/METADATA", metadata("no", "1")),
        ]);
        let found = find(&tree);
        let shown: Vec<String> = found
            .iter()
            .flat_map(|store| {
                store
                    .libraries
                    .iter()
                    .map(move |one| format!("{} | {} {}", store.store, one.name, one.version))
            })
            .collect();
        assert_eq!(
            shown,
            [
                "python at /opt/venv/lib/python3.11/site-packages | Flask 2.0",
                "python at /opt/venv/lib/python3.11/site-packages | urllib3 1.26.4",
                "python at /opt/venv/lib/python3.11/site-packages/setuptools/_vendor | x 1",
                "python at /usr/lib/python3/dist-packages | distro-info 1.5",
                "python at /usr/lib/python3/dist-packages | six 1.16.0",
            ]
        );
        assert_eq!(found[0].unread.len(), 1);
        assert_eq!(found[0].unread[0].why, "it has no Version");
        assert_eq!(found[0].purl_type, "pypi");
    }
}
