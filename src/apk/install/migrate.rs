//! Putting a package's files in their place, and taking away what the former version had.
//!
//! In come the files that were made ready; out come the image's files, with what the image
//! changed in protected directories left alone. Source: apk-tools 2.14, `src/database.c`
//! (`apk_db_migrate_files`, `apk_db_purge_pkg`).

use std::collections::HashSet;
use std::io::Read;

use sha1::{Digest as _, Sha1};
use sha2::Sha256;

use super::ownership::PackageKey;
use super::unpack::Extracted;
use super::{InstallError, Run};
use imgfix_model::effects::EffectKind;
use imgfix_model::identity::Identity;
use imgfix_model::path::ImagePath;
use imgfix_versions::apk::generation::Generation;
use imgfix_vfs::{Entry, FileSystem, Kind, Overlay, RootfsError};

/// Where the files of a package went, all links resolved.
#[derive(Debug, Default)]
pub(super) struct Placed(HashSet<ImagePath>);

/// What becomes of a new file where the image has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decision {
    Replace,
    /// The image's own has the new content already.
    Keep,
    /// The image's own was changed; the new one is put beside it.
    Beside,
}

impl Run<'_> {
    /// Puts the files of a package in their place and makes them the package's.
    pub(super) fn migrate(
        &mut self,
        key: PackageKey,
        mut files: Vec<Extracted>,
    ) -> Result<Placed, InstallError> {
        // By directory, as apk goes through them.
        files.sort_by_key(|file| file.place);
        for id in self.ownership.directory_ids(key) {
            self.ownership.directories.touch(id);
        }
        let mut placed = Placed::default();
        for Extracted { place, entry } in files {
            let Some(id) = self.ownership.directory_id(key, place.directory) else { continue };
            let Some(file) = self.ownership.file(place).cloned() else { continue };
            let path = self.join(key, &self.ownership.directories.path(id), &file.name)?;
            self.check_parent(key, &path)?;
            let real = self.overlay.resolve_parent(&path)?;
            let decision = self.decide(id, &real, &file.name, file.checksum.as_ref())?;
            match decision {
                Decision::Keep => {}
                Decision::Replace => self.place(key, real.clone(), entry)?,
                Decision::Beside => {
                    let name = [&file.name[..], b".apk-new"].concat();
                    let parent = real.parent().unwrap_or_else(ImagePath::root);
                    let beside = self.join(key, &parent, &name)?;
                    self.place(key, beside.clone(), entry)?;
                    let kind = EffectKind::ConffileKept { path, shipped_as: beside };
                    self.tell(key, kind);
                }
            }
            placed.0.insert(real);
            self.ownership.claim(id, place);
        }
        Ok(placed)
    }

    /// What becomes of a new file at a path.
    fn decide(
        &self,
        directory: super::directories::DirectoryId,
        real: &ImagePath,
        name: &[u8],
        new: Option<&Identity>,
    ) -> Result<Decision, InstallError> {
        let Some(found) = self.overlay.lstat(real) else { return Ok(Decision::Replace) };
        if !self.ownership.directories.is_protected(directory) {
            return Ok(Decision::Replace);
        }
        let recorded = self.ownership.owner(directory, name);
        let recorded = recorded.and_then(|place| self.ownership.file(place)?.checksum);
        if let Some(recorded) = &recorded
            && identity_like(&self.overlay, real, found, recorded)? == Some(*recorded)
        {
            return Ok(Decision::Replace);
        }
        // Changed in the image, or none of a package's.
        let is_new = match new {
            Some(new) => identity_like(&self.overlay, real, found, new)? == Some(*new),
            None => false,
        };
        Ok(if is_new { Decision::Keep } else { Decision::Beside })
    }

    fn place(
        &mut self,
        key: PackageKey,
        path: ImagePath,
        entry: Entry,
    ) -> Result<(), InstallError> {
        if self.overlay.lstat(&path).is_some_and(Entry::is_dir) {
            let problem = format!("{path} is a directory in the image, and not in the package");
            return Err(self.broken(key, problem));
        }
        Ok(self.overlay.set(path, entry)?)
    }

    fn join(
        &self,
        key: PackageKey,
        folder: &ImagePath,
        name: &[u8],
    ) -> Result<ImagePath, InstallError> {
        folder.join(name).map_err(|error| self.broken(key, error.to_string()))
    }

    /// Takes away the files and directories that a package still has. `placed` is where the files
    /// of the version that follows it are.
    pub(super) fn purge_files(
        &mut self,
        key: PackageKey,
        placed: &Placed,
    ) -> Result<(), InstallError> {
        let Some(package) = self.ownership.get_mut(key) else { return Ok(()) };
        for owned in std::mem::take(&mut package.directories) {
            self.ownership.directories.touch(owned.id);
            let folder = self.ownership.directories.path(owned.id);
            for file in owned.files.iter().filter(|file| !file.lost) {
                self.ownership.disown(owned.id, &file.name);
                let real = self.overlay.resolve_parent(&self.join(key, &folder, &file.name)?)?;
                let is_of_apk3 = self.database.generation == Generation::Apk3;
                let is_protected = self.ownership.directories.is_protected(owned.id);
                if is_of_apk3 && is_protected {
                    let beside = [real.file_name(), b".apk-new"].concat();
                    let parent = real.parent().unwrap_or_else(ImagePath::root);
                    self.overlay.remove(&self.join(key, &parent, &beside)?);
                }
                let Some(found) = self.overlay.lstat(&real).filter(|found| !found.is_dir()) else {
                    continue;
                };
                let goes = !is_protected
                    || match &file.checksum {
                        Some(recorded) => {
                            identity_like(&self.overlay, &real, found, recorded)? == Some(*recorded)
                        }
                        None => false,
                    };
                // apk 3 sees that the file is the new one's.
                if !goes || is_of_apk3 && placed.0.contains(&real) {
                    continue;
                }
                if placed.0.contains(&real) {
                    return Err(self.broken(
                        key,
                        format!(
                            "its file {real} is reached in the image through another path than \
                             the new version has: apk would take the new file away with the old"
                        ),
                    ));
                }
                self.overlay.remove(&real);
            }
            self.ownership.directories.prepare(owned.id, &mut self.overlay, None)?;
            self.ownership.directories.release(owned.id, &mut self.overlay)?;
        }
        Ok(())
    }
}

/// The identity of what is at a path, of the kind that `wanted` is: of the content, or of a link's
/// target; nothing else has one.
fn identity_like(
    fs: &Overlay,
    path: &ImagePath,
    entry: &Entry,
    wanted: &Identity,
) -> Result<Option<Identity>, RootfsError> {
    let mut content: Box<dyn Read + '_> = match &entry.kind {
        Kind::Symlink(target) => Box::new(&target[..]),
        Kind::File(_) => fs.open(path)?,
        _ => return Ok(None),
    };
    let failed = |source| RootfsError::Io { what: path.to_string(), source };
    let identity = match wanted {
        Identity::Sha1(_) => {
            let mut hash = Sha1::new();
            std::io::copy(&mut content, &mut hash).map_err(failed)?;
            Identity::Sha1(hash.finalize().into())
        }
        Identity::Sha256(_) | Identity::Sha256Cut(_) => {
            let mut hash = Sha256::new();
            std::io::copy(&mut content, &mut hash).map_err(failed)?;
            let hash: [u8; 32] = hash.finalize().into();
            match (wanted, hash.first_chunk()) {
                (Identity::Sha256Cut(_), Some(cut)) => Identity::Sha256Cut(*cut),
                _ => Identity::Sha256(hash),
            }
        }
    };
    Ok(Some(identity))
}
