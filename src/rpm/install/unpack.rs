//! A package's files come: directories first, then everything else in its place, as rpm does with
//! names of its own until all of the payload is there. Source: rpm `lib/fsm.cc`
//! (`rpmPackageFilesInstall`, `fsmVerify`, `fsmBackup`, `fsmCommit`).

use std::collections::HashMap;

use imgfix_model::path::ImagePath;
use imgfix_vfs::{Entry, FileData, FileSystem, Kind, LinkId, Xattrs, capabilities};

use super::element::Element;
use super::fate::Action;
use super::owners::{Owners, Ownership};
use super::{EffectKind, InstallError, NewPackage, Run, beside, shown};
use crate::archive::{PayloadEntry, PayloadKind};
use crate::package::File;
use crate::package::files::FileFlags;

/// What is beside a file that was changed and gave way.
const SAVED: &str = ".rpmsave";
/// What is beside a file that was nobody's and gave way.
const ORIGINAL: &str = ".rpmorig";
/// The new file beside one that was changed and stayed.
const NEW: &str = ".rpmnew";
/// Permissions of directories that no package has.
const DIRECTORY_MODE: u32 = 0o755;

/// Hard links to one file.
struct Links<'p> {
    content: &'p PayloadKind,
    /// The last of them says who owns all.
    last: usize,
    /// `None`: only one of them is installed.
    link: Option<LinkId>,
}

/// What is known of a package while it is unpacked.
struct Unpacking<'p> {
    /// Of each file; `None`: it is not in the payload.
    payload: Vec<Option<&'p PayloadEntry>>,
    /// Of each file that has hard links: which.
    links: HashMap<usize, usize>,
    sets: Vec<Links<'p>>,
    owners: Owners,
}

impl Run<'_, '_> {
    /// Puts the files of a package that comes in their places.
    pub(super) fn unpack(
        &mut self,
        element: &Element<'_>,
        new: &NewPackage,
    ) -> Result<(), InstallError> {
        let unpacking = self.prepare(element, new)?;
        let mut later = Vec::new();
        for (at, (file, action)) in element.files.iter().zip(&element.actions).enumerate() {
            if file.flags.has(FileFlags::GHOST) || action.is_skipping() {
                continue;
            }
            let folder = self.folder(element, file, *action)?;
            let place = folder.join(file.name).map_err(|_| wrong(element, file, "no such path"))?;
            match action {
                Action::Touch if self.overlay.lstat(&place).is_some() => {
                    self.touch(element, &place, file, unpacking.owners.of(file))?;
                }
                _ if file.is_directory() => {
                    self.make_way(element, file, *action, &place)?;
                    self.make_directory(element, &place, file, unpacking.owners.of(file))?;
                }
                _ => later.push((at, place)),
            }
        }
        for (at, place) in later {
            let (Some(file), Some(action)) = (element.files.get(at), element.actions.get(at))
            else {
                continue;
            };
            self.make_way(element, file, *action, &place)?;
            self.place(element, &unpacking, at, *action, place)?;
        }
        Ok(())
    }

    fn prepare<'p>(
        &mut self,
        element: &Element<'_>,
        new: &'p NewPackage,
    ) -> Result<Unpacking<'p>, InstallError> {
        let mut entries = new.package.payload.iter();
        let mut unpacking = Unpacking {
            payload: Vec::with_capacity(element.files.len()),
            links: HashMap::new(),
            sets: Vec::new(),
            owners: Owners::read(self.overlay)?,
        };
        let mut firsts: HashMap<&[u8], (usize, &PayloadKind)> = HashMap::new();
        let mut sets: HashMap<usize, usize> = HashMap::new();
        for (at, file) in element.files.iter().enumerate() {
            if file.flags.has(FileFlags::GHOST) {
                unpacking.payload.push(None);
                continue;
            }
            let entry = entries.next().filter(|entry| entry.path == file.path());
            let entry = entry.ok_or_else(|| wrong(element, file, "it is not in the payload"))?;
            unpacking.payload.push(Some(entry));
            match &entry.kind {
                PayloadKind::File { .. } => {
                    firsts.insert(&entry.path, (at, &entry.kind));
                }
                PayloadKind::HardLink(target) => {
                    let (first, content) = *firsts
                        .get(target.as_slice())
                        .ok_or_else(|| wrong(element, file, "it links to nothing"))?;
                    let set = *sets.entry(first).or_insert(unpacking.sets.len());
                    if set == unpacking.sets.len() {
                        unpacking.sets.push(Links { content, last: at, link: None });
                        unpacking.links.insert(first, set);
                    }
                    unpacking.links.insert(at, set);
                    if let Some(set) = unpacking.sets.get_mut(set) {
                        set.last = at;
                    }
                }
                _ => {}
            }
        }
        for (number, set) in unpacking.sets.iter_mut().enumerate() {
            let members = unpacking.links.iter().filter(|(_, of)| **of == number);
            let installed = members.filter(|(at, _)| {
                element.actions.get(**at).is_some_and(|action| action.is_creating())
            });
            if installed.count() > 1 {
                set.link = Some(self.overlay.new_link());
            }
        }
        Ok(unpacking)
    }

    /// The directory that a file goes into; it is made where it is missing.
    fn folder(
        &mut self,
        element: &Element<'_>,
        file: &File<'_>,
        action: Action,
    ) -> Result<ImagePath, InstallError> {
        let path = match file.folder {
            [] => ImagePath::new(file.path()).ok().and_then(|path| path.parent()),
            folder => ImagePath::new(folder).ok(),
        };
        let path = path.ok_or_else(|| wrong(element, file, "its path is none of an image"))?;
        let mut at = ImagePath::root();
        for name in path.components() {
            let next = at.join(name).map_err(|_| wrong(element, file, "no such path"))?;
            at = self.overlay.resolve(&next)?;
            match self.overlay.lstat(&at) {
                Some(entry) if entry.is_dir() => {}
                Some(_) => return Err(wrong(element, file, "it is below what is no directory")),
                None if action == Action::Create && self.overlay.lstat(&next).is_none() => {
                    let made = Entry::directory(DIRECTORY_MODE, i64::from(self.options.timestamp));
                    self.overlay.set(at.clone(), made)?;
                }
                None => return Err(wrong(element, file, "its directory is missing")),
            }
        }
        Ok(at)
    }

    /// Moves away what was there, where it is to be kept.
    fn make_way(
        &mut self,
        element: &Element<'_>,
        file: &File<'_>,
        action: Action,
        place: &ImagePath,
    ) -> Result<(), InstallError> {
        let suffix = match action {
            Action::Save => SAVED,
            Action::Backup => ORIGINAL,
            _ => return Ok(()),
        };
        let former_as =
            beside(place, suffix).ok_or_else(|| wrong(element, file, "its name is too long"))?;
        self.check_no_directory(element, file, &former_as)?;
        self.overlay.rename(place, former_as.clone())?;
        self.tell(element, EffectKind::ConffileReplaced { path: place.clone(), former_as });
        Ok(())
    }

    /// Nothing but a directory takes a directory's place.
    fn check_no_directory(
        &self,
        element: &Element<'_>,
        file: &File<'_>,
        place: &ImagePath,
    ) -> Result<(), InstallError> {
        match self.overlay.lstat(place).is_some_and(Entry::is_dir) {
            true => Err(wrong(element, file, "a directory is in its place")),
            false => Ok(()),
        }
    }

    /// What stays gets what the package says of it.
    fn touch(
        &mut self,
        element: &Element<'_>,
        place: &ImagePath,
        file: &File<'_>,
        ownership: Ownership,
    ) -> Result<(), InstallError> {
        let capabilities = capabilities_of(element, file)?;
        self.overlay.modify(place, |entry| {
            (entry.uid, entry.gid) = (ownership.uid, ownership.gid);
            entry.mtime = file.mtime.into();
            if !entry.is_symlink() {
                entry.mode = ownership.mode;
            }
            if entry.is_file() {
                // Changing the owner takes them away.
                entry.xattrs.remove(capabilities::ATTRIBUTE);
                entry
                    .xattrs
                    .extend(capabilities.map(|value| (capabilities::ATTRIBUTE.to_vec(), value)));
            }
        })?;
        Ok(())
    }

    /// A directory, or a link of its owner's or root's to one, stays and gets the package's
    /// permissions; anything else gives way.
    fn make_directory(
        &mut self,
        element: &Element<'_>,
        place: &ImagePath,
        file: &File<'_>,
        ownership: Ownership,
    ) -> Result<(), InstallError> {
        let leads_to = match self.overlay.lstat(place) {
            Some(entry) if entry.is_dir() => Some(place.clone()),
            Some(entry) if entry.is_symlink() => {
                let target = self.overlay.resolve(place)?;
                let is_trusted =
                    |to: &&Entry| to.is_dir() && (entry.uid == 0 || entry.uid == to.uid);
                self.overlay.lstat(&target).filter(is_trusted).map(|_| target.clone())
            }
            _ => None,
        };
        match leads_to {
            Some(directory) => self.touch(element, &directory, file, ownership),
            None => {
                let made = Entry::directory(ownership.mode, file.mtime.into());
                let made = Entry { uid: ownership.uid, gid: ownership.gid, ..made };
                Ok(self.overlay.set(place.clone(), made)?)
            }
        }
    }

    /// Everything that is no directory.
    fn place(
        &mut self,
        element: &Element<'_>,
        unpacking: &Unpacking<'_>,
        at: usize,
        action: Action,
        place: ImagePath,
    ) -> Result<(), InstallError> {
        let (Some(file), Some(Some(entry))) = (element.files.get(at), unpacking.payload.get(at))
        else {
            return Ok(());
        };
        let set = unpacking.links.get(&at).and_then(|set| unpacking.sets.get(*set));
        // Of hard links the last one has the content, and says what all are.
        let source = set.and_then(|set| element.files.get(set.last)).unwrap_or(file);
        let content = set.map_or(&entry.kind, |set| set.content);
        let mut kind =
            content.in_image().map_err(|_| wrong(element, file, "it links to nothing"))?;
        if let Kind::File(FileData { link, .. }) = &mut kind {
            *link = set.and_then(|set| set.link);
        }
        let ownership = unpacking.owners.of(source);
        let mut xattrs = Xattrs::new();
        if matches!(kind, Kind::File(_))
            && let Some(value) = capabilities_of(element, source)?
        {
            xattrs.insert(capabilities::ATTRIBUTE.to_vec(), value);
        }
        let mode = match kind {
            Kind::Symlink(_) => 0o777,
            _ => ownership.mode,
        };
        let entry = Entry {
            kind,
            mode,
            uid: ownership.uid,
            gid: ownership.gid,
            mtime: source.mtime.into(),
            xattrs,
        };
        if action != Action::AltName {
            self.check_no_directory(element, file, &place)?;
            return Ok(self.overlay.set(place, entry)?);
        }
        let shipped_as =
            beside(&place, NEW).ok_or_else(|| wrong(element, file, "its name is too long"))?;
        self.check_no_directory(element, file, &shipped_as)?;
        self.overlay.set(shipped_as.clone(), entry)?;
        self.tell(element, EffectKind::ConffileKept { path: place, shipped_as });
        Ok(())
    }
}

/// A file's capabilities as the attribute has them; `None`: it has none.
fn capabilities_of(
    element: &Element<'_>,
    file: &File<'_>,
) -> Result<Option<Vec<u8>>, InstallError> {
    if file.caps.is_empty() {
        return Ok(None);
    }
    let value = capabilities::value(file.caps);
    value.map(Some).ok_or_else(|| wrong(element, file, "its capabilities are not understood"))
}

fn wrong(element: &Element<'_>, file: &File<'_>, problem: &'static str) -> InstallError {
    InstallError::File { package: element.package.label(), path: shown(&file.path()), problem }
}
