//! Unpacking one package: its payload goes to the image path by path, as dpkg's
//! `src/main/unpack.c` and `archives.c` do it.
//!
//! Files, hard links and symbolic links are placed after everything was looked at; conffiles
//! only get as far as `.dpkg-new` beside their place. Everything that dpkg finds through the
//! kernel (a parent that is a symbolic link, a directory behind a link) is found here by
//! resolving inside the image.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::conffiles::{ConffileRecord, NEW_CONFFILE, ShippedConffile, ShippedKind};
use super::super::deb::{DebControl, DebPackage, PayloadEntry, PayloadKind};
use super::super::status::State;
use super::configure::md5_of;
use super::database::{Database, info_stem};
use super::file_lists::NameId;
use super::progress::Phase;
use super::scripts::Script;
use super::{InstallError, Run};
use imgfix_model::effects::EffectKind;
use imgfix_model::path::ImagePath;
use imgfix_repair::archive::Owner;
use imgfix_vfs::{Entry, FileData, FileSystem, Kind, LinkId, Overlay, RootfsError, Xattrs};

/// What one run of dpkg remembers of a path while it unpacks one package.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    pub(super) new_conffile: bool,
    pub(super) remove_on_upgrade: bool,
    pub(super) old_conffile: bool,
    pub(super) obsolete_conffile: bool,
    /// Shipped, and neither left out nor left to another package.
    pub(super) in_archive: bool,
    pub(super) filtered: bool,
    /// Placed on disk: no other package's list keeps it.
    pub(super) taken: bool,
    /// The conffile hash of the version before.
    pub(super) recorded: Option<String>,
    pub(super) md5: Option<String>,
}

/// One package being unpacked.
pub(super) struct Unpacking<'a> {
    pub(super) control: &'a DebControl,
    /// Its entry in the status file; known from the start when some version is recorded.
    pub(super) place: Option<usize>,
    pub(super) name: String,
    /// All instances of the package that are installed reach the same version with this one.
    pub(super) in_sync: bool,
    pub(super) nodes: HashMap<NameId, Node>,
    /// The new file list, in dpkg's order.
    pub(super) files: Vec<NameId>,
    /// Conffiles to be recorded, in dpkg's order.
    pub(super) conffiles: Vec<NameId>,
    deferred: Vec<Deferred>,
    /// Where each regular file of this package is until it is placed.
    extracted: HashMap<NameId, Extracted>,
}

/// A file or symbolic link that is placed at the end.
struct Deferred {
    id: NameId,
    path: ImagePath,
    entry: Entry,
}

/// Where a hard link finds its target.
#[derive(Clone)]
enum Extracted {
    Deferred(usize),
    Placed(ImagePath),
}

/// A package that is unpacked and waits for its configuration.
pub(super) struct Unpacked {
    pub(super) place: usize,
    /// `None` when no version was installed before.
    pub(super) former_version: Option<String>,
    /// The version that was configured last, also of a package that was removed since.
    pub(super) config_version: Option<String>,
}

/// What was there of a package.
#[derive(Default)]
struct Former {
    installed: bool,
    /// The version that was configured last.
    version: Option<String>,
    /// What the names of its `info` files begin with.
    stem: Option<String>,
}

impl Unpacking<'_> {
    pub(super) fn node(&mut self, id: NameId) -> &mut Node {
        self.nodes.entry(id).or_default()
    }

    /// Read access: what was never touched has no flags.
    pub(super) fn look(&self, id: NameId) -> Node {
        self.nodes.get(&id).cloned().unwrap_or_default()
    }

    pub(super) fn error(&self, problem: impl Into<String>) -> InstallError {
        InstallError::Package { package: self.name.clone(), problem: problem.into() }
    }
}

impl Run<'_> {
    /// Unpacks a package and records it, its conffiles not yet configured.
    pub(super) fn unpack(&mut self, package: &DebPackage) -> Result<Unpacked, InstallError> {
        let control = &package.control;
        let mut unpacking = self.begin(control)?;
        let former = self.former(unpacking.place);
        if let Some(place) = unpacking.place {
            self.activate_of_installed(place)?;
        }
        self.activate_of_new(control)?;
        self.read_conffiles(&mut unpacking)?;
        self.place_new_control(control)?;
        self.before_unpacking(unpacking.place, control, &former)?;
        for entry in &package.payload {
            self.activate_path(&entry.path, &unpacking.name);
            self.extract(&mut unpacking, entry)?;
        }
        self.place_deferred(&mut unpacking)?;
        if let (Some(place), true) = (unpacking.place, former.installed) {
            self.run_installed_or_new(place, control, Script::Postrm)?;
        }
        self.remove_obsolete(&mut unpacking)?;
        let conffiles = self.conffile_records(&unpacking);
        let place = self.database.record(unpacking.place, control, &conffiles)?;
        unpacking.place = Some(place);
        self.update_info(&unpacking, place, former.stem.as_deref())?;
        self.disappear_others(&unpacking, place)?;
        self.take_from_others(&unpacking, place)?;
        self.remove_new_control()?;
        self.note(place, Phase::Unpacked, former.version.as_ref());
        let to = control.version().to_owned();
        let from = former.version.clone().filter(|_| former.installed);
        self.tell(place, EffectKind::Installed { from: from.clone(), to });
        Ok(Unpacked { place, former_version: from, config_version: former.version })
    }

    /// What the database has of the package before it is unpacked.
    fn former(&self, place: Option<usize>) -> Former {
        let Some(entry) = place.and_then(|at| self.database.entry(at)) else {
            return Former::default();
        };
        let version = match entry.state {
            State::Installed => Some(entry.version().to_owned()),
            _ => entry.stanza.get("Config-Version").map(str::to_owned),
        };
        Former {
            installed: entry.state == State::Installed,
            version,
            stem: Some(info_stem(&self.overlay, entry)),
        }
    }

    /// The scripts that run before anything is unpacked: the old `prerm`, the new `preinst`.
    fn before_unpacking(
        &mut self,
        place: Option<usize>,
        control: &DebControl,
        former: &Former,
    ) -> Result<(), InstallError> {
        if let (Some(place), true) = (place, former.installed) {
            self.note(place, Phase::HalfConfigured, former.version.as_ref());
            self.run_installed_or_new(place, control, Script::Prerm)?;
            self.note(place, Phase::Unpacked, former.version.as_ref());
        }
        if let Some(place) = place {
            self.note(place, Phase::HalfInstalled, former.version.as_ref());
        }
        let mut arguments = vec![if former.installed { "upgrade" } else { "install" }.to_owned()];
        if let Some(version) = &former.version {
            arguments.extend([version.clone(), control.version().to_owned()]);
        }
        self.run_new(place, control, Script::Preinst, arguments)
    }

    /// What a run remembers of a package before it has looked at anything.
    pub(super) fn begin<'a>(&self, control: &'a DebControl) -> Result<Unpacking<'a>, InstallError> {
        let same = control
            .stanza
            .get("Multi-Arch")
            .is_some_and(|value| value.eq_ignore_ascii_case("same"));
        let name = control.name().to_ascii_lowercase();
        let place = self.database.status.slot(&name, control.architecture(), same);
        if let Some(entry) = place.and_then(|at| self.database.entry(at))
            && entry.state == State::Unfinished
        {
            let status = entry.stanza.get("Status").unwrap_or_default().to_owned();
            return Err(InstallError::State { package: name, status });
        }
        let in_sync = self.database.status.entries.iter().enumerate().all(|(at, other)| {
            other.name != name
                || Some(at) == place
                || other.state != State::Installed
                || other.version() == control.version()
        });
        Ok(Unpacking {
            control,
            place,
            name,
            in_sync,
            nodes: HashMap::new(),
            files: Vec::new(),
            conffiles: Vec::new(),
            deferred: Vec::new(),
            extracted: HashMap::new(),
        })
    }

    /// Conffiles of the new version, with the hashes of the version before; then those of
    /// the version before, so that they are not removed like other files.
    fn read_conffiles(&mut self, unpacking: &mut Unpacking<'_>) -> Result<(), InstallError> {
        for ShippedConffile { path, kind } in &unpacking.control.conffiles {
            let id = self.database.lists.id(path);
            let recorded = self.recorded_hash(id, path, unpacking.place)?;
            unpacking.conffiles.push(id);
            let node = unpacking.node(id);
            node.recorded = Some(recorded.unwrap_or_else(|| NEW_CONFFILE.to_owned()));
            match kind {
                ShippedKind::Shipped => node.new_conffile = true,
                ShippedKind::RemoveOnUpgrade => node.remove_on_upgrade = true,
            }
        }
        if let Some(place) = unpacking.place {
            for record in self.database.conffiles(place)? {
                let id = self.database.lists.id(&record.path);
                let node = unpacking.node(id);
                node.old_conffile = true;
                node.recorded.get_or_insert(record.hash);
            }
        }
        Ok(())
    }

    /// The hash recorded for a conffile by this package, or by another that lists the path.
    fn recorded_hash(
        &self,
        id: NameId,
        path: &[u8],
        place: Option<usize>,
    ) -> Result<Option<String>, InstallError> {
        let mut found = None;
        for &owner in self.database.lists.owners(id) {
            let records = self.database.conffiles(owner)?;
            if let Some(record) = records.into_iter().find(|record| record.path == path) {
                found = Some(record.hash);
                if Some(owner) == place {
                    break;
                }
            }
        }
        Ok(found)
    }

    fn conffile_records(&self, unpacking: &Unpacking<'_>) -> Vec<ConffileRecord> {
        unpacking
            .conffiles
            .iter()
            .map(|&id| {
                let node = unpacking.look(id);
                ConffileRecord {
                    path: self.database.lists.name(id).to_vec(),
                    hash: node.recorded.unwrap_or_else(|| NEW_CONFFILE.to_owned()),
                    obsolete: node.obsolete_conffile,
                    remove_on_upgrade: node.remove_on_upgrade,
                }
            })
            .collect()
    }

    /// One path of the payload.
    pub(super) fn extract(
        &mut self,
        unpacking: &mut Unpacking<'_>,
        shipped: &PayloadEntry,
    ) -> Result<(), InstallError> {
        let id = self.database.lists.id(&shipped.path);
        if unpacking.look(id).remove_on_upgrade {
            let path = String::from_utf8_lossy(&shipped.path);
            return Err(unpacking.error(format!("ships {path} and wants it removed")));
        }
        if let Some(original) = self.database.diversions.diverted_to(&shipped.path) {
            return Err(InstallError::Diverted {
                package: unpacking.name.clone(),
                path: lossy(&shipped.path),
                original: lossy(original),
            });
        }
        unpacking.files.push(id);
        unpacking.node(id).in_archive = true;

        let path = self.destination(unpacking, &shipped.path)?;
        self.restore_interrupted(&path)?;
        let present = self.overlay.lstat(&path).cloned();
        let stays = self.is_existing_directory(&path, present.as_ref(), shipped)?;
        let mut owned = Ownership::Free;
        if !stays {
            owned = self.check_owners(unpacking, id, shipped, present.as_ref())?;
        }
        if owned == Ownership::LeftToOther {
            unpacking.files.pop();
            let node = unpacking.node(id);
            node.in_archive = false;
            node.obsolete_conffile |= node.new_conffile;
            return Ok(());
        }
        if self.is_filtered(shipped) {
            let node = unpacking.node(id);
            node.in_archive = false;
            node.filtered = true;
            return Ok(());
        }
        if stays {
            return Ok(());
        }
        if shipped.kind.is_file() {
            unpacking.node(id).md5.clone_from(&shipped.checksum);
        }
        if owned == Ownership::Shared && present.is_some() && unpacking.in_sync {
            return self.check_shared(unpacking, shipped, &path, present.as_ref());
        }
        self.put(unpacking, id, shipped, path, present.as_ref())
    }

    /// Where a shipped path goes: diverted, parents resolved. The links of a conffile are not
    /// followed here, though they are when it is configured: a conffile that was replaced by
    /// a link is unpacked as `.dpkg-new` beside the link and stays there, with every dpkg.
    fn destination(
        &self,
        unpacking: &Unpacking<'_>,
        listed: &[u8],
    ) -> Result<ImagePath, InstallError> {
        let real = self.database.diversions.real(listed, &unpacking.name);
        let path = self.path(&unpacking.name, real)?;
        Ok(self.overlay.resolve_parent(&path)?)
    }

    /// A listed name as a path of the image.
    pub(super) fn path(&self, package: &str, listed: &[u8]) -> Result<ImagePath, InstallError> {
        ImagePath::new(listed)
            .map_err(|source| InstallError::Path { package: package.to_owned(), source })
    }

    /// A `.dpkg-tmp` whose original is gone is from a run that was cut off: it is put back,
    /// so that it counts as the file that was there.
    fn restore_interrupted(&mut self, path: &ImagePath) -> Result<(), InstallError> {
        if path.is_root() || self.overlay.lstat(path).is_some() {
            return Ok(());
        }
        let backup = beside(path, ".dpkg-tmp")?;
        if self.overlay.lstat(&backup).is_some() {
            self.overlay.rename(&backup, path.clone())?;
        }
        Ok(())
    }

    /// Whether what is there is a directory that stays: any directory for a shipped
    /// directory, a real one for a symbolic link, and a link to the directory that the
    /// shipped link names too.
    fn is_existing_directory(
        &self,
        path: &ImagePath,
        present: Option<&Entry>,
        shipped: &PayloadEntry,
    ) -> Result<bool, InstallError> {
        let Some(present) = present else { return Ok(false) };
        match &shipped.kind {
            PayloadKind::Directory => Ok(self.overlay.stat(path).is_some_and(Entry::is_dir)),
            PayloadKind::Symlink(_) if present.is_dir() => Ok(true),
            PayloadKind::Symlink(target) if present.is_symlink() => {
                let there = self.overlay.resolve(path)?;
                if !self.overlay.lstat(&there).is_some_and(Entry::is_dir) {
                    return Ok(false);
                }
                Ok(link_destination(&self.overlay, path, target)?.as_ref() == Some(&there))
            }
            _ => Ok(false),
        }
    }

    fn is_filtered(&self, shipped: &PayloadEntry) -> bool {
        let filter = &self.database.configuration.filter;
        if filter.is_empty() {
            return false;
        }
        // dpkg compares what follows the dot of the name in the archive: nothing for the root.
        let path = if shipped.path == b"/." { &[][..] } else { &shipped.path };
        let link_or_directory =
            matches!(shipped.kind, PayloadKind::Directory | PayloadKind::Symlink(_));
        filter.excludes(path, link_or_directory)
    }

    /// A file that another architecture's instance of the package, at the same version, has
    /// placed already: it must be the same, and is left alone.
    fn check_shared(
        &self,
        unpacking: &Unpacking<'_>,
        shipped: &PayloadEntry,
        path: &ImagePath,
        present: Option<&Entry>,
    ) -> Result<(), InstallError> {
        let id = self.database.lists.known(&shipped.path);
        if id.is_some_and(|id| unpacking.look(id).new_conffile) {
            return Ok(());
        }
        let same = match (&shipped.kind, present.map(|entry| &entry.kind)) {
            (PayloadKind::File { content, size }, Some(Kind::File(data))) => {
                *size == data.size && {
                    let shipped = content_md5(content)?;
                    match shipped {
                        Some(shipped) => md5_of(&self.overlay, path)? == shipped,
                        None => true,
                    }
                }
            }
            (PayloadKind::Symlink(shipped), Some(Kind::Symlink(present))) => shipped == present,
            (PayloadKind::HardLink(_), Some(Kind::File(_)))
            | (PayloadKind::Fifo, Some(Kind::Fifo)) => true,
            (
                PayloadKind::CharDevice { major: a, minor: b },
                Some(Kind::CharDevice { major, minor }),
            )
            | (
                PayloadKind::BlockDevice { major: a, minor: b },
                Some(Kind::BlockDevice { major, minor }),
            ) => (a, b) == (major, minor),
            _ => false,
        };
        if same {
            return Ok(());
        }
        Err(InstallError::Shared {
            package: unpacking.name.clone(),
            path: lossy(&shipped.path),
            other: unpacking.name.clone(),
        })
    }

    /// Makes the entry: at once (directories and special files), at the end (files and
    /// links), or as `.dpkg-new` (conffiles).
    fn put(
        &mut self,
        unpacking: &mut Unpacking<'_>,
        id: NameId,
        shipped: &PayloadEntry,
        path: ImagePath,
        present: Option<&Entry>,
    ) -> Result<(), InstallError> {
        let parent = path.parent().unwrap_or_else(ImagePath::root);
        if !self.overlay.lstat(&parent).is_some_and(Entry::is_dir) {
            return Err(InstallError::NoParent { package: unpacking.name.clone(), path });
        }
        for suffix in [".dpkg-new", ".dpkg-tmp"] {
            self.overlay.remove(&beside(&path, suffix)?);
        }
        let entry = self.new_entry(unpacking, id, shipped)?;
        if unpacking.look(id).new_conffile {
            let new = beside(&path, ".dpkg-new")?;
            self.overlay.set(new.clone(), entry)?;
            unpacking.extracted.insert(id, Extracted::Placed(new));
            unpacking.node(id).taken = true;
            return Ok(());
        }
        let moves_aside = present.is_some_and(|present| {
            present.is_dir() || matches!(shipped.kind, PayloadKind::Directory)
        });
        if moves_aside {
            self.overlay.remove(&path);
        }
        if entry.is_file() || entry.is_symlink() {
            unpacking.extracted.insert(id, Extracted::Deferred(unpacking.deferred.len()));
            unpacking.deferred.push(Deferred { id, path, entry });
        } else {
            self.overlay.set(path, entry)?;
            unpacking.node(id).taken = true;
        }
        Ok(())
    }

    /// The inode of a shipped path, with the image's numbers for its owners, or with what an
    /// override says.
    fn new_entry(
        &mut self,
        unpacking: &mut Unpacking<'_>,
        id: NameId,
        shipped: &PayloadEntry,
    ) -> Result<Entry, InstallError> {
        let accounts = &self.database.accounts;
        let number = |owner: &Owner, named: Option<u32>| named.unwrap_or(owner.id);
        let by_name = |owner: &Owner, find: &dyn Fn(&[u8]) -> Option<u32>| {
            number(owner, owner.name.as_deref().and_then(find))
        };
        let mut entry = Entry {
            kind: Kind::Directory,
            mode: shipped.mode,
            uid: by_name(&shipped.user, &|name| accounts.user(name)),
            gid: by_name(&shipped.group, &|name| accounts.group(name)),
            mtime: shipped.mtime,
            xattrs: Xattrs::new(),
        };
        if let Some(fixed) = self.database.overrides.get(&shipped.path) {
            entry.uid = fixed.uid;
            entry.gid = fixed.gid;
            entry.mode = fixed.mode;
        }
        entry.kind = match shipped.kind.in_image() {
            Ok(kind) => kind,
            Err(target) => {
                let (data, md5) = self.link_to(unpacking, target, &entry)?;
                unpacking.node(id).md5 = md5;
                Kind::File(data)
            }
        };
        if entry.is_symlink() {
            entry.mode = 0o777;
        }
        Ok(entry)
    }

    /// The file a hard link shares its inode with. Owner, mode and time are the inode's, so
    /// those of the link, which comes later, hold for both.
    fn link_to(
        &mut self,
        unpacking: &mut Unpacking<'_>,
        target: &[u8],
        link: &Entry,
    ) -> Result<(FileData, Option<String>), InstallError> {
        let problem = format!("hard link to {}, which is not there", lossy(target));
        let package = unpacking.name.clone();
        let missing = move || InstallError::Package { package, problem };
        let id = self.database.lists.id(target);
        let md5 = unpacking.look(id).md5;
        let place = match unpacking.extracted.get(&id).cloned() {
            Some(Extracted::Deferred(at)) => {
                let linked = unpacking.deferred.get_mut(at);
                let data = linked.and_then(|d| share(&mut d.entry, link, &mut self.overlay));
                return Ok((data.ok_or_else(missing)?, md5));
            }
            Some(Extracted::Placed(path)) => path,
            None => {
                let real = self.database.diversions.real(target, &unpacking.name);
                self.overlay.resolve_parent(&self.path(&unpacking.name, real)?)?
            }
        };
        let Some(mut entry) = self.overlay.lstat(&place).cloned() else { return Err(missing()) };
        let Some(data) = share(&mut entry, link, &mut self.overlay) else { return Err(missing()) };
        self.overlay.set(place, entry)?;
        Ok((data, md5))
    }

    pub(super) fn place_deferred(
        &mut self,
        unpacking: &mut Unpacking<'_>,
    ) -> Result<(), InstallError> {
        for Deferred { id, path, entry } in std::mem::take(&mut unpacking.deferred) {
            // A link of this package may have become a parent since.
            let path = self.overlay.resolve_parent(&path)?;
            self.overlay.set(path, entry)?;
            unpacking.node(id).taken = true;
        }
        Ok(())
    }

    /// Who has the path already, and whether that is a conflict.
    fn check_owners(
        &self,
        unpacking: &Unpacking<'_>,
        id: NameId,
        shipped: &PayloadEntry,
        present: Option<&Entry>,
    ) -> Result<Ownership, InstallError> {
        let mut ownership = Ownership::Free;
        for &owner in self.database.lists.owners(id) {
            let Some(other) = self.database.entry(owner) else { continue };
            if Some(owner) == unpacking.place || other.state == State::ConfigFiles {
                continue;
            }
            let same = |value: Option<&str>| value.is_some_and(|v| v.eq_ignore_ascii_case("same"));
            if other.name == unpacking.name
                && other.multi_arch_same
                && same(unpacking.control.stanza.get("Multi-Arch"))
            {
                if ownership == Ownership::Free {
                    ownership = Ownership::Shared;
                }
                continue;
            }
            match self.database.diversions.diverter(&shipped.path) {
                Some(Some(package)) if package == other.name || package == unpacking.name => {
                    continue;
                }
                _ => {}
            }
            if present.is_none() && matches!(shipped.kind, PayloadKind::Directory) {
                continue;
            }
            if self.is_others_obsolete_conffile(unpacking, id, owner, present)? {
                continue;
            }
            if Database::replaces(&unpacking.control.stanza, &other.stanza) {
                continue;
            }
            if Database::replaces(&other.stanza, &unpacking.control.stanza) {
                ownership = Ownership::LeftToOther;
                continue;
            }
            return Err(InstallError::Overwrite {
                package: unpacking.name.clone(),
                path: lossy(&shipped.path),
                owner: other.name.clone(),
            });
        }
        Ok(ownership)
    }

    fn is_others_obsolete_conffile(
        &self,
        unpacking: &Unpacking<'_>,
        id: NameId,
        owner: usize,
        present: Option<&Entry>,
    ) -> Result<bool, InstallError> {
        if !unpacking.look(id).new_conffile || !present.is_some_and(Entry::is_file) {
            return Ok(false);
        }
        let name = self.database.lists.name(id);
        let records = self.database.conffiles(owner)?;
        Ok(records.iter().any(|record| record.obsolete && *record.path == *name))
    }
}

/// What other packages mean for a path that is about to be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ownership {
    /// Nobody has it, or this package takes it over.
    Free,
    /// Other instances of the same package have it too.
    Shared,
    /// A package that replaces this one has it: it stays theirs.
    LeftToOther,
}

/// Makes `entry` (a regular file) share its inode with `link`, whose metadata it takes; the
/// file data for the link.
fn share(entry: &mut Entry, link: &Entry, overlay: &mut Overlay) -> Option<FileData> {
    let Kind::File(data) = &mut entry.kind else { return None };
    let id: LinkId = data.link.unwrap_or_else(|| overlay.new_link());
    data.link = Some(id);
    let data = data.clone();
    entry.mode = link.mode;
    entry.uid = link.uid;
    entry.gid = link.gid;
    entry.mtime = link.mtime;
    Some(data)
}

/// `path` with a suffix on its last component.
pub(super) fn beside(path: &ImagePath, suffix: &str) -> Result<ImagePath, RootfsError> {
    let name = [path.as_bytes(), suffix.as_bytes()].concat();
    ImagePath::new(name).map_err(|source| RootfsError::Path { path: path.to_string(), source })
}

/// Where a conffile really is: its last component's links are followed. `None` when that is
/// something a conffile cannot be, or links go in a circle.
pub(super) fn conffile_target(
    fs: &Overlay,
    path: &ImagePath,
) -> Result<Option<ImagePath>, RootfsError> {
    let target = match fs.resolve(path) {
        Ok(target) => target,
        Err(RootfsError::LinkLoop(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let usable = fs.lstat(&target).is_none_or(Entry::is_file);
    Ok(usable.then_some(target))
}

/// The directory a symbolic link at `path` with this target leads to, if it does.
fn link_destination(
    fs: &Overlay,
    path: &ImagePath,
    target: &[u8],
) -> Result<Option<ImagePath>, RootfsError> {
    let mut there = match target.first() {
        Some(b'/') => ImagePath::root(),
        _ => path.parent().unwrap_or_else(ImagePath::root),
    };
    for component in target.split(|&b| b == b'/') {
        there = match component {
            b"" | b"." => continue,
            b".." => there.parent().unwrap_or_else(ImagePath::root),
            name => {
                let next = there
                    .join(name)
                    .map_err(|source| RootfsError::Path { path: path.to_string(), source })?;
                match fs.resolve(&next) {
                    Ok(next) => next,
                    Err(RootfsError::LinkLoop(_)) => return Ok(None),
                    Err(error) => return Err(error),
                }
            }
        };
    }
    Ok(fs.lstat(&there).is_some_and(Entry::is_dir).then_some(there))
}

fn content_md5(content: &imgfix_vfs::Content) -> Result<Option<String>, RootfsError> {
    let imgfix_vfs::Content::Spool(file) = content else { return Ok(None) };
    super::configure::md5_of_reader(&mut file.reader())
        .map(Some)
        .map_err(|source| RootfsError::Io { what: "the spool".into(), source })
}

pub(super) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The name of a list entry, for [`Run`]'s helpers.
pub(super) fn name_of(run: &Run<'_>, id: NameId) -> Arc<[u8]> {
    run.database.lists.name(id)
}
