//! Which package some files belong to: what `dpkg -S` answers, for many paths at once. In come
//! the inventory and the image's file lists (`/var/lib/dpkg/info/NAME.list`, of distroless images
//! `status.d/NAME.md5sums`); out comes an owner for each path that has one.

use std::collections::{BTreeMap, BTreeSet};

use imgfix_model::package::PackageId;
use imgfix_model::path::ImagePath;
use imgfix_vfs::{Entry, FileSystem, RootfsError};

use super::inventory::{DpkgInventory, InstalledPackage, Record};

/// Where dpkg keeps its file lists.
const INFO: &str = "/var/lib/dpkg/info";

/// The packages that list some of `paths`. A path that several packages list belongs to the
/// first of them, by id.
///
/// # Errors
/// A list is there and cannot be read.
pub fn owners(
    fs: &dyn FileSystem,
    inventory: &DpkgInventory,
    paths: &BTreeSet<ImagePath>,
) -> Result<BTreeMap<ImagePath, PackageId>, RootfsError> {
    let mut owners = BTreeMap::new();
    if paths.is_empty() {
        return Ok(owners);
    }
    for package in &inventory.packages {
        let Some(list) = list_of(fs, package) else { continue };
        let text = fs.read(&list)?;
        for line in text.split(|byte| *byte == b'\n') {
            let listed = match package.record {
                Record::Status => line,
                // `HASH  usr/share/...`, as md5sum(1) writes it
                Record::File(_) => line.get(34..).unwrap_or_default(),
            };
            if listed.is_empty() {
                continue;
            }
            if let Some(path) = ImagePath::new(listed).ok().filter(|path| paths.contains(path)) {
                owners.entry(path).or_insert_with(|| package.id.clone());
            }
        }
    }
    Ok(owners)
}

/// The file that lists what a package has.
fn list_of(fs: &dyn FileSystem, package: &InstalledPackage) -> Option<ImagePath> {
    let candidates = match &package.record {
        Record::File(stanza) => {
            let name = [stanza.file_name(), b".md5sums"].concat();
            vec![stanza.parent()?.join(name).ok()?]
        }
        Record::Status => {
            let info = ImagePath::literal(INFO);
            // `Multi-Arch: same` has the architecture in the name
            let names = [format!("{}.list", package.id), format!("{}.list", package.id.name)];
            names.iter().filter_map(|name| info.join(name).ok()).collect()
        }
    };
    candidates.into_iter().find(|path| fs.stat(path).is_some_and(Entry::is_file))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use imgfix_vfs::{NoLayers, Tree};

    const STATUS: &str = "Package: a\nStatus: install ok installed\nVersion: 1\n\
        Architecture: amd64\nMulti-Arch: same\nMaintainer: m\nDescription: d\n\n\
        Package: b\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\
        Maintainer: m\nDescription: d\n";

    fn tree(files: &[(&'static str, &str)]) -> Tree {
        let entry = |text: &str| Entry::file(text.as_bytes().to_vec(), 0o644, 0);
        let files = files.iter().map(|(path, text)| (ImagePath::literal(path), entry(text)));
        Tree::from_entries(files, Arc::new(NoLayers))
    }

    fn owners_of(files: &[(&'static str, &str)]) -> Vec<(String, String)> {
        let tree = tree(files);
        let inventory = DpkgInventory::read(&tree).unwrap();
        let paths = ["/usr/x", "/usr/y", "/usr/z"].map(ImagePath::literal).into();
        let owners = owners(&tree, &inventory, &paths).unwrap();
        owners.iter().map(|(path, id)| (path.to_string(), id.to_string())).collect()
    }

    #[test]
    fn lists_say_whose_a_file_is() {
        let found = owners_of(&[
            ("/var/lib/dpkg/status", STATUS),
            ("/var/lib/dpkg/info/a:amd64.list", "/.\n/usr\n/usr/x\n"),
            ("/var/lib/dpkg/info/b.list", "/.\n/usr/x\n/usr/y\n/usr/xx\n"),
        ]);
        let want = [("/usr/x", "a:amd64"), ("/usr/y", "b:all")];
        assert_eq!(found, want.map(|(path, id)| (path.to_owned(), id.to_owned())));
    }

    #[test]
    fn distroless_packages_list_checksums() {
        let found = owners_of(&[
            (
                "/var/lib/dpkg/status.d/a",
                "Package: a\nVersion: 1\nArchitecture: amd64\nMaintainer: m\nDescription: d\n",
            ),
            (
                "/var/lib/dpkg/status.d/a.md5sums",
                "d41d8cd98f00b204e9800998ecf8427e  usr/z\nshort\n",
            ),
        ]);
        assert_eq!(found, [("/usr/z".to_owned(), "a:amd64".to_owned())]);
    }
}
