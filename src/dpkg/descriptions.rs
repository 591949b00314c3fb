//! What dpkg's database and the copyright files say of installed packages beside their names and
//! versions. In come the database and the image's file system; out come descriptions.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::copyright::{self, MAX_FILE};
use super::inventory::{DpkgInventory, InstalledPackage};
use super::multi_arch::MultiArch;
use super::relations::{Clause, Qualifier, Relation};
use imgfix_model::description::{Description, License, Party};
use imgfix_model::package::{Architecture, PackageId};
use imgfix_model::path::ImagePath;
use imgfix_vfs::{FileSystem, Kind, RootfsError};

/// Where packages keep their copyright files (policy 12.5).
const DOCUMENTATION: &[u8] = b"/usr/share/doc/";

/// Whether a file, of `size` bytes, is a copyright file that is read.
#[must_use]
pub fn wants(path: &ImagePath, size: u64) -> bool {
    let below = path.as_bytes().strip_prefix(DOCUMENTATION);
    size <= MAX_FILE && below.is_some_and(|below| below.ends_with(b"/copyright"))
}

/// A description of every package.
///
/// # Errors
/// A copyright file cannot be read from its layer.
pub fn descriptions(
    inventory: &DpkgInventory,
    fs: &dyn FileSystem,
) -> Result<BTreeMap<PackageId, Description>, RootfsError> {
    let providers = Providers::of(inventory);
    let mut licenses: HashMap<ImagePath, Option<License>> = HashMap::new();
    let mut all = BTreeMap::new();
    for package in &inventory.packages {
        let license = match copyright_file(fs, package) {
            // Packages of one source often share a file.
            Some(path) => match licenses.get(&path) {
                Some(known) => known.clone(),
                None => {
                    let license = copyright::license(&fs.read(&path)?);
                    licenses.insert(path, license.clone());
                    license
                }
            },
            None => None,
        };
        let description = Description {
            supplier: Party::parse(&package.maintainer),
            license,
            needs: Some(providers.needs(package)),
        };
        all.insert(package.id.clone(), description);
    }
    Ok(all)
}

/// The copyright file of a package, links followed; `None`: there is none that is read.
fn copyright_file(fs: &dyn FileSystem, package: &InstalledPackage) -> Option<ImagePath> {
    let name = package.id.name.as_ref();
    let path = [DOCUMENTATION, name.as_bytes(), b"/copyright"].concat();
    let path = fs.resolve(&ImagePath::new(&path).ok()?).ok()?;
    let Kind::File(data) = &fs.lstat(&path)?.kind else { return None };
    (data.size <= MAX_FILE).then_some(path)
}

/// Installed packages by the names that they have and provide.
struct Providers<'a> {
    native: &'a Architecture,
    by_name: BTreeMap<&'a str, Vec<&'a InstalledPackage>>,
}

impl<'a> Providers<'a> {
    fn of(inventory: &'a DpkgInventory) -> Self {
        let mut by_name: BTreeMap<&str, Vec<&InstalledPackage>> = BTreeMap::new();
        for package in &inventory.packages {
            let provided = package.relations.provides.iter().map(|one| one.name.as_str());
            let names: BTreeSet<&str> = provided.chain([package.id.name.as_ref()]).collect();
            for name in names {
                by_name.entry(name).or_default().push(package);
            }
        }
        Self { native: &inventory.native, by_name }
    }

    /// What a package needs of what is installed.
    fn needs(&self, package: &InstalledPackage) -> Vec<PackageId> {
        let relations = &package.relations;
        let clauses = relations.pre_depends.iter().chain(&relations.depends);
        let mut needs: BTreeSet<&PackageId> =
            clauses.flat_map(|clause| self.meeting(clause, package)).collect();
        needs.remove(&package.id);
        needs.into_iter().cloned().collect()
    }

    /// What meets a clause: by the first alternative that is met, the packages of its name or,
    /// without one, all that provide it.
    fn meeting(&self, clause: &Clause, asking: &InstalledPackage) -> Vec<&'a PackageId> {
        clause
            .0
            .iter()
            .map(|relation| self.satisfying(relation, asking))
            .find(|met| !met.is_empty())
            .unwrap_or_default()
    }

    fn satisfying(&self, relation: &Relation, asking: &InstalledPackage) -> Vec<&'a PackageId> {
        let candidates = self.by_name.get(relation.name.as_str()).into_iter().flatten();
        let candidates: Vec<&InstalledPackage> =
            candidates.copied().filter(|one| self.is_meant(relation, asking, one)).collect();
        let named = |one: &&&InstalledPackage| {
            one.id.name.as_ref() == relation.name && relation.admits(&one.version)
        };
        let own: Vec<&PackageId> = candidates.iter().filter(named).map(|one| &one.id).collect();
        if !own.is_empty() {
            return own;
        }
        let provides = |one: &&&InstalledPackage| {
            one.relations.provides.iter().any(|provided| {
                provided.name == relation.name
                    && relation.admits_provided(provided.version.as_ref())
            })
        };
        candidates.iter().filter(provides).map(|one| &one.id).collect()
    }

    /// Whether a package has the architecture that a relation is about.
    fn is_meant(
        &self,
        relation: &Relation,
        asking: &InstalledPackage,
        package: &InstalledPackage,
    ) -> bool {
        let architecture = self.architecture(package);
        match &relation.qualifier {
            None => {
                package.multi_arch == MultiArch::Foreign
                    || architecture == self.architecture(asking)
            }
            Some(Qualifier::Any) => package.multi_arch == MultiArch::Allowed,
            Some(Qualifier::Native) => architecture == self.native,
            Some(Qualifier::Exact(exact)) => architecture.as_ref() == exact,
        }
    }

    /// That for which a package counts: `all` is the native one.
    fn architecture(&self, package: &'a InstalledPackage) -> &'a Architecture {
        match package.id.architecture.as_ref() {
            "all" => self.native,
            _ => &package.id.architecture,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::inventory::STATUS;
    use imgfix_vfs::{Entry, NoLayers, Tree};

    fn described(status: &'static str, files: &[(&'static str, &str)]) -> Vec<String> {
        let file = |(path, text): &(&'static str, &str)| {
            (ImagePath::literal(path), Entry::file(text.as_bytes().to_vec(), 0o644, 0))
        };
        let mut entries: Vec<_> = files.iter().map(file).collect();
        entries.push(file(&(STATUS, status)));
        entries.push((ImagePath::literal("/usr/share/doc/libz1"), Entry::symlink("z-base", 0)));
        let tree = Tree::from_entries(entries, Arc::new(NoLayers));
        let inventory = DpkgInventory::read(&tree).unwrap();
        let shown = |(id, one): (PackageId, Description)| {
            let supplier = one.supplier.map(|party| party.name).unwrap_or_default();
            let license = match one.license {
                Some(License::Text(text)) => text,
                other => format!("{other:?}"),
            };
            let needs: Vec<String> =
                one.needs.unwrap_or_default().iter().map(ToString::to_string).collect();
            format!("{id} | {supplier} | {license} | {}", needs.join(" "))
        };
        descriptions(&inventory, &tree).unwrap().into_iter().map(shown).collect()
    }

    #[test]
    fn needs_are_what_is_installed_and_meets_them() {
        let got = described(
            "\
Package: dpkg
Status: install ok installed
Architecture: amd64
Version: 1

Package: libc6
Status: install ok installed
Maintainer: Glibc <g@lists.example>
Architecture: amd64
Multi-Arch: same
Version: 2
Depends: libgcc-s1

Package: libc6
Status: install ok installed
Architecture: i386
Multi-Arch: same
Version: 2

Package: libz1
Status: install ok installed
Architecture: amd64
Version: 1
Pre-Depends: libc6 (>= 2)
Depends: libc6 (>= 1), z-base (= 1), dpkg, libz1

Package: z-base
Status: install ok installed
Architecture: all
Version: 1
Provides: mta, awk (= 3)

Package: y
Status: install ok installed
Architecture: i386
Version: 1
Provides: mta
Depends: libc6, dpkg, absent | mail | mta, awk (>= 4) | awk (>= 3)

Package: x
Status: install ok installed
Architecture: all
Multi-Arch: foreign
Version: 1
Depends: libc6:any | libc6 (>= 9) | libc6:i386, mta | z-base
",
            &[("/usr/share/doc/z-base/copyright", "Format: dep5\n\nFiles: *\nLicense: Zlib\n")],
        );
        assert_eq!(
            got,
            [
                "dpkg:amd64 |  | None | ",
                "libc6:amd64 | Glibc | None | ",
                "libc6:i386 |  | None | ",
                "libz1:amd64 |  | Zlib | dpkg:amd64 libc6:amd64 z-base:all",
                "x:all |  | None | libc6:i386 z-base:all",
                "y:i386 |  | None | libc6:i386",
                "z-base:all |  | Zlib | ",
            ]
        );
    }

    #[test]
    fn copyright_files_are_known_by_their_path() {
        for (path, want) in [
            ("/usr/share/doc/a/copyright", true),
            ("/usr/share/doc/copyright", false),
            ("/usr/share/doc/a/copyright.gz", false),
            ("/srv/usr/share/doc/a/copyright", false),
        ] {
            let path = ImagePath::literal(path);
            assert_eq!(wants(&path, MAX_FILE), want, "{path}");
            assert!(!wants(&path, MAX_FILE + 1), "{path}");
        }
    }
}
