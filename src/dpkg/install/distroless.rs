//! Images without dpkg, as Google's distroless builder makes them: `/var/lib/dpkg/status.d` has
//! a file for each package, its control stanza as shipped (no `Status` field), and beside it
//! `NAME.md5sums` from the package.
//!
//! In come unpacked packages and the image; out comes the overlay with the new payload and the
//! two files. No script ever ran in such an image and none is needed. The former files are
//! those of `.md5sums`, which has no directories, links and conffiles; what the builder left
//! out of a package (documentation, mostly) stays left out.

use std::collections::{BTreeMap, BTreeSet};

use super::super::conffiles::{ConffilePolicy, Decision, NEW_CONFFILE, ShippedKind, decide};
use super::super::control::parse_stanzas;
use super::super::deb::{DebPackage, PayloadKind, listed_name};
use super::configure::current_md5;
use super::database::{Database, file, read_optional};
use super::unpack::beside;
use super::{InstallError, NewPackage, Options, Run};
use imgfix_model::effects::{Effect, EffectKind};
use imgfix_model::path::ImagePath;
use imgfix_repair::script_run::NoScripts;
use imgfix_vfs::{Accounts, Entry, FileSystem, Overlay};

/// One package of `status.d`.
struct Recorded {
    /// `status.d/NAME`; the name is the package's, in old images an encoding of it.
    path: ImagePath,
    version: String,
    /// Listed files, in the form of [`listed_name`].
    files: BTreeSet<Vec<u8>>,
}

/// Installs a set of packages, all or none, as [`super::install`] does for images with dpkg.
///
/// # Errors
/// Damaged records, or a payload that does not fit into the image.
pub fn install(
    overlay: &mut Overlay,
    packages: &[NewPackage],
    options: &Options,
) -> Result<Vec<Effect>, InstallError> {
    let recorded = recorded_packages(overlay)?;
    let mut no_scripts = NoScripts;
    let mut run = Run::new(empty_database(overlay)?, overlay, options, &mut no_scripts);
    for new in packages {
        run.replace(&new.package, &recorded)?;
    }
    *overlay = run.overlay;
    Ok(run.effects)
}

/// Nothing is recorded in dpkg's way in such an image; only its accounts count.
fn empty_database(fs: &Overlay) -> Result<Database, InstallError> {
    let accounts = Accounts::parse(
        &read_optional(fs, &ImagePath::literal("/etc/passwd"))?,
        &read_optional(fs, &ImagePath::literal("/etc/group"))?,
    );
    let mut database = Database::empty();
    database.accounts = accounts;
    Ok(database)
}

fn recorded_packages(fs: &Overlay) -> Result<BTreeMap<String, Recorded>, InstallError> {
    let folder = fs.resolve(&file("status.d"))?;
    let mut out = BTreeMap::new();
    for path in fs.read_dir(&folder) {
        if path.file_name().ends_with(b".md5sums") || !fs.stat(&path).is_some_and(Entry::is_file) {
            continue;
        }
        let stanzas = parse_stanzas(fs.read(&path)?)
            .map_err(|error| super::database::damaged(&path, error))?;
        let Some(stanza) = stanzas.first() else { continue };
        let Some(name) = stanza.get("Package") else { continue };
        let sums = read_optional(fs, &beside(&path, ".md5sums")?)?;
        let record = Recorded {
            version: stanza.get("Version").unwrap_or_default().to_owned(),
            files: listed_files(&sums),
            path,
        };
        out.insert(name.to_owned(), record);
    }
    Ok(out)
}

/// The paths of an `md5sums` text: `SUM  PATH` a line.
fn listed_files(sums: &[u8]) -> BTreeSet<Vec<u8>> {
    sums.split(|&b| b == b'\n')
        .filter_map(|line| {
            let space = line.iter().position(|&b| b == b' ')?;
            let path = line.get(space..)?.trim_ascii();
            (!path.is_empty()).then(|| listed_name(path))
        })
        .collect()
}

impl Run<'_> {
    fn replace(
        &mut self,
        package: &DebPackage,
        recorded: &BTreeMap<String, Recorded>,
    ) -> Result<(), InstallError> {
        let name = package.control.name();
        let former = recorded.get(name);
        let nothing = BTreeSet::new();
        let former_files = former.map_or(&nothing, |former| &former.files);
        let left_out = self.left_out(former_files);
        let mut unpacking = self.begin(&package.control)?;
        for conffile in &package.control.conffiles {
            let id = self.database.lists.id(&conffile.path);
            unpacking.node(id).new_conffile = conffile.kind == ShippedKind::Shipped;
        }
        for entry in &package.payload {
            let directory = matches!(entry.kind, PayloadKind::Directory);
            if !left_out.covers(&self.overlay, &entry.path, directory) {
                self.extract(&mut unpacking, entry)?;
            }
        }
        self.place_deferred(&mut unpacking)?;
        self.configure_unrecorded(package)?;
        let shipped: BTreeSet<&[u8]> = package.payload.iter().map(|e| e.path.as_slice()).collect();
        let others = recorded.iter().filter(|(other, _)| *other != name).map(|(_, r)| &r.files);
        let others: Vec<_> = others.collect();
        for path in former_files {
            if !shipped.contains(path.as_slice()) && !others.iter().any(|o| o.contains(path)) {
                self.remove_file_and_empty_folders(name, path, package)?;
            }
        }
        self.write_record(package, former)
    }

    /// What the builder of the image left out of the former version.
    fn left_out(&self, former_files: &BTreeSet<Vec<u8>>) -> LeftOut {
        let mut left_out = LeftOut::default();
        for listed in former_files {
            let Ok(path) = ImagePath::new(listed) else { continue };
            let Ok(real) = self.overlay.resolve_parent(&path) else { continue };
            if self.overlay.lstat(&real).is_none() {
                left_out.files.insert(listed.clone());
                for folder in path.ancestors().into_iter().filter(|folder| !folder.is_root()) {
                    left_out.folders.insert(folder.as_bytes().to_vec());
                }
            }
        }
        left_out
    }

    /// Nothing says what the conffiles of the former version were: one that differs from the
    /// new version's stays, with the new one beside it.
    fn configure_unrecorded(&mut self, package: &DebPackage) -> Result<(), InstallError> {
        for conffile in &package.control.conffiles {
            let path = self.path(package.control.name(), &conffile.path)?;
            let path = self.overlay.resolve_parent(&path)?;
            let new = beside(&path, ".dpkg-new")?;
            if conffile.kind != ShippedKind::Shipped || self.overlay.lstat(&new).is_none() {
                continue;
            }
            let current = current_md5(&self.overlay, &path)?;
            let shipped = current_md5(&self.overlay, &new)?;
            match decide(NEW_CONFFILE, &current, &shipped, ConffilePolicy::default()) {
                Decision::Keep => self.overlay.remove(&new),
                Decision::Install | Decision::InstallWithBackup => {
                    self.overlay.rename(&new, path)?
                }
                Decision::KeepWithDist => {
                    let shipped_as = beside(&path, ".dpkg-dist")?;
                    self.overlay.rename(&new, shipped_as.clone())?;
                    let kind = EffectKind::ConffileKept { path, shipped_as };
                    self.tell_of(package, kind);
                }
            }
        }
        Ok(())
    }

    fn remove_file_and_empty_folders(
        &mut self,
        name: &str,
        listed: &[u8],
        package: &DebPackage,
    ) -> Result<(), InstallError> {
        let path = self.overlay.resolve_parent(&self.path(name, listed)?)?;
        // The same file under another name of the new version: it was replaced.
        for entry in &package.payload {
            let other = self.path(name, &entry.path)?;
            if other.file_name() == path.file_name() && self.overlay.resolve_parent(&other)? == path
            {
                return Ok(());
            }
        }
        if self.overlay.lstat(&path).is_none_or(Entry::is_dir) {
            return Ok(());
        }
        self.overlay.remove(&path);
        for folder in path.ancestors().into_iter().rev() {
            let is_deep = folder.components().count() > 2;
            if !is_deep || !self.overlay.read_dir(&folder).is_empty() {
                break;
            }
            self.overlay.remove(&folder);
        }
        Ok(())
    }

    /// `status.d/NAME` with the stanza as shipped, and `NAME.md5sums`.
    fn write_record(
        &mut self,
        package: &DebPackage,
        former: Option<&Recorded>,
    ) -> Result<(), InstallError> {
        let control = &package.control;
        let path = match former {
            Some(former) => former.path.clone(),
            None => file(&format!("status.d/{}", control.name())),
        };
        self.write(&path, control.stanza.text().to_vec())?;
        let sums = beside(&path, ".md5sums")?;
        let text = control.member("md5sums").map(|text| text.to_vec()).unwrap_or_default();
        self.write(&sums, text)?;
        let from = former.map(|former| former.version.clone());
        self.tell_of(package, EffectKind::Installed { from, to: control.version().to_owned() });
        Ok(())
    }

    fn tell_of(&mut self, package: &DebPackage, kind: EffectKind) {
        let control = &package.control;
        let package = format!("{}:{}", control.name(), control.architecture());
        self.effects.push(Effect { package, kind });
    }
}

/// Files of the former version that the image does not have, and the folders above them.
#[derive(Default)]
struct LeftOut {
    files: BTreeSet<Vec<u8>>,
    folders: BTreeSet<Vec<u8>>,
}

impl LeftOut {
    /// Whether the builder would have left a path out: it did with the same path of the
    /// former version, or with everything of its folder.
    fn covers(&self, fs: &Overlay, listed: &[u8], directory: bool) -> bool {
        if self.files.contains(listed) {
            return true;
        }
        let Ok(path) = ImagePath::new(listed) else { return false };
        let is_missing = |folder: &ImagePath| {
            self.folders.contains(folder.as_bytes()) && fs.stat(folder).is_none()
        };
        path.ancestors().iter().any(is_missing) || (directory && is_missing(&path))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::Mark;
    use super::*;
    use crate::deb::unpack;
    use imgfix_repair::archive::Limits;
    use imgfix_vfs::{ContentLoader, LayerId, Spool, Tree};

    struct Nothing;

    impl ContentLoader for Nothing {
        fn open(&self, _: LayerId, _: u32) -> std::io::Result<Box<dyn std::io::Read + Send>> {
            Err(std::io::Error::other("nothing"))
        }
    }

    fn tar_of(files: &[(&str, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_mode(if path.ends_with('/') { 0o755 } else { 0o644 });
            header.set_mtime(7);
            header.set_uid(0);
            header.set_gid(0);
            header.set_entry_type(match (path.ends_with('/'), content.strip_prefix("-> ")) {
                (true, _) => tar::EntryType::Directory,
                (_, Some(_)) => tar::EntryType::Symlink,
                _ => tar::EntryType::Regular,
            });
            let link = content.strip_prefix("-> ");
            if let Some(target) = link {
                header.set_link_name(target).unwrap();
            }
            let content = if link.is_some() { "" } else { content };
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, path, content.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn package(version: &str, files: &[(&str, &str)], sums: &str) -> NewPackage {
        let control = format!("Package: libz\nVersion: {version}\nArchitecture: amd64\n");
        let members = [("control", control.as_str()), ("md5sums", sums), ("conffiles", "/etc/z\n")];
        let mut deb = b"!<arch>\n".to_vec();
        for (name, content) in [
            ("debian-binary", b"2.0\n".to_vec()),
            ("control.tar", tar_of(&members)),
            ("data.tar", tar_of(files)),
        ] {
            let size = content.len();
            let header = format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 644);
            deb.extend_from_slice(header.as_bytes());
            deb.extend_from_slice(&content);
        }
        let spool = Spool::new().unwrap();
        let package = unpack(&deb[..], &spool, &Limits::default()).unwrap();
        NewPackage { package: std::sync::Arc::new(package), mark: Mark::Manual }
    }

    #[test]
    fn payload_and_records_are_replaced() {
        let text = |text: &str| Entry::file(text.to_owned(), 0o644, 1);
        let entries = [
            ("/lib", Entry::symlink("usr/lib", 1)),
            ("/usr/lib/libz.so.1.1", text("old")),
            ("/usr/lib/libz.so.1", Entry::symlink("libz.so.1.1", 1)),
            ("/usr/share/z/gone/only", text("x")),
            ("/etc/z", text("mine")),
            (
                "/var/lib/dpkg/status.d/bGlieg",
                text("Package: libz\nVersion: 1.1\nArchitecture: amd64\n"),
            ),
            (
                "/var/lib/dpkg/status.d/bGlieg.md5sums",
                text(
                    "0  lib/libz.so.1.1\n0  usr/share/z/gone/only\n0  usr/share/doc/libz/readme\n",
                ),
            ),
        ]
        .map(|(path, entry)| (ImagePath::new(path).unwrap(), entry));
        let mut overlay = Overlay::new(Arc::new(Tree::from_entries(entries, Arc::new(Nothing))));
        let sums = "1  lib/libz.so.1.2\n";
        let new = package(
            "1.2",
            &[
                ("./lib/", ""),
                ("./lib/libz.so.1.2", "new"),
                ("./lib/libz.so.1", "-> libz.so.1.2"),
                ("./usr/", ""),
                ("./usr/share/", ""),
                ("./usr/share/doc/", ""),
                ("./usr/share/doc/libz/", ""),
                ("./usr/share/doc/libz/readme", "r"),
                ("./usr/share/doc/libz/added", "r"),
                ("./etc/", ""),
                ("./etc/z", "theirs"),
            ],
            sums,
        );
        let effects = install(&mut overlay, &[new], &Options { timestamp: 42 }).unwrap();
        let paths: Vec<String> = overlay
            .walk(&ImagePath::root())
            .iter()
            .filter(|path| !overlay.lstat(path).unwrap().is_dir())
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            paths,
            [
                "/etc/z",
                "/etc/z.dpkg-dist",
                "/lib",
                "/usr/lib/libz.so.1",
                "/usr/lib/libz.so.1.2",
                "/var/lib/dpkg/status.d/bGlieg",
                "/var/lib/dpkg/status.d/bGlieg.md5sums",
            ]
        );
        let read = |path: &str| overlay.read(&ImagePath::new(path).unwrap()).unwrap();
        assert_eq!(&read("/lib/libz.so.1")[..], b"new");
        assert_eq!(
            &read("/var/lib/dpkg/status.d/bGlieg")[..],
            b"Package: libz\nVersion: 1.2\nArchitecture: amd64\n"
        );
        assert_eq!(&read("/var/lib/dpkg/status.d/bGlieg.md5sums")[..], sums.as_bytes());
        assert_eq!(effects.len(), 2, "{effects:?}");
    }

    #[test]
    fn records_behind_a_link_are_replaced_where_they_are() {
        for (link, target, real) in [
            ("/var/lib/dpkg", "../../usr/lib/sysimage/dpkg", "/usr/lib/sysimage/dpkg/status.d"),
            ("/var/lib/dpkg/status.d", "/usr/share/status.d", "/usr/share/status.d"),
            ("/var", "/usr/state", "/usr/state/lib/dpkg/status.d"),
        ] {
            let file = |name: &str, text: &str| {
                let path = ImagePath::new(format!("{real}/{name}")).unwrap();
                (path, Entry::file(text.to_owned(), 0o644, 1))
            };
            let entries = [
                (ImagePath::new(link).unwrap(), Entry::symlink(target, 1)),
                file("libz", "Package: libz\nVersion: 1.1\nArchitecture: amd64\n"),
                file("libz.md5sums", "0  usr/lib/libz.so.1.1\n"),
                (
                    ImagePath::literal("/usr/lib/libz.so.1.1"),
                    Entry::file("old".to_owned(), 0o644, 1),
                ),
            ];
            let mut overlay =
                Overlay::new(Arc::new(Tree::from_entries(entries, Arc::new(Nothing))));
            let new =
                package("1.2", &[("./usr/lib/libz.so.1.2", "new")], "1  usr/lib/libz.so.1.2\n");
            install(&mut overlay, &[new], &Options { timestamp: 42 }).unwrap();
            let changed: Vec<String> =
                overlay.changes().map(|(path, _)| path.to_string()).collect();
            let mut want = [
                "/usr/lib/libz.so.1.1".to_owned(),
                "/usr/lib/libz.so.1.2".to_owned(),
                format!("{real}/libz"),
                format!("{real}/libz.md5sums"),
            ];
            want.sort();
            assert_eq!(changed, want, "{link}");
        }
    }
}
