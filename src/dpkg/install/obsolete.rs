//! What the former version of a package had and the new one has not.
//!
//! Files go, directories go when they are empty and no other package lists them, conffiles
//! stay and are recorded as obsolete, unless the new version wants them removed
//! (`deb-conffiles(5)`). Order and exceptions are those of dpkg's `pkg_remove_old_files`,
//! with one difference: a file that another package owns under another name (`/lib/x` and
//! `/usr/lib/x` of a merged `/usr`) stays, where dpkg would take it from its new owner.

use std::collections::HashSet;

use super::super::conffiles::{NONEXISTENT, UNUSABLE};
use super::configure::current_md5;
use super::file_lists::NameId;
use super::unpack::{Unpacking, beside, conffile_target};
use super::{InstallError, Run};
use imgfix_model::effects::EffectKind;
use imgfix_model::path::ImagePath;
use imgfix_vfs::{Entry, FileSystem};

impl Run<'_> {
    /// Removes what the new version no longer has.
    pub(super) fn remove_obsolete(
        &mut self,
        unpacking: &mut Unpacking<'_>,
    ) -> Result<(), InstallError> {
        for id in unpacking.conffiles.clone() {
            if unpacking.look(id).remove_on_upgrade {
                self.remove_conffile(unpacking, id)?;
            }
        }
        let Some(place) = unpacking.place else { return Ok(()) };
        let former = self.database.lists.of(place).to_vec();
        let mut new_files = None;
        for id in former.into_iter().rev() {
            let node = unpacking.look(id);
            if node.new_conffile || node.remove_on_upgrade || node.in_archive {
                continue;
            }
            if new_files.is_none() {
                new_files = Some(self.new_places(unpacking)?);
            }
            let places = new_files.as_ref().map_or(&[][..], |files| files.as_slice());
            self.remove_one(unpacking, place, id, places)?;
        }
        Ok(())
    }

    /// Where the files of the new version are, to know the same file under another name.
    fn new_places(
        &self,
        unpacking: &Unpacking<'_>,
    ) -> Result<Vec<(ImagePath, NameId)>, InstallError> {
        let mut places = Vec::with_capacity(unpacking.files.len());
        for &id in &unpacking.files {
            if !unpacking.look(id).filtered {
                let path = self.path(&unpacking.name, &self.database.lists.name(id))?;
                places.push((self.overlay.resolve_parent(&path)?, id));
            }
        }
        places.sort_unstable();
        Ok(places)
    }

    fn remove_one(
        &mut self,
        unpacking: &mut Unpacking<'_>,
        place: usize,
        id: NameId,
        new_places: &[(ImagePath, NameId)],
    ) -> Result<(), InstallError> {
        let name = self.database.lists.name(id);
        let real = self.database.diversions.real(&name, &unpacking.name);
        let path = self.overlay.resolve_parent(&self.path(&unpacking.name, real)?)?;
        if self.overlay.stat(&path).is_some_and(Entry::is_dir)
            && self.database.lists.owners(id).iter().any(|owner| *owner != place)
        {
            return Ok(());
        }
        let Some(present) = self.overlay.lstat(&path) else { return Ok(()) };
        if present.is_dir() {
            if !path.is_root() {
                self.activate_path(&name, &unpacking.name);
                self.remove_directory(place, path);
            }
            return Ok(());
        }
        let at = new_places.binary_search_by(|(other, _)| other.cmp(&path));
        let same_as = at.ok().and_then(|at| new_places.get(at)).map(|(_, id)| *id);
        if unpacking.look(id).old_conffile {
            self.keep_conffile(unpacking, place, id, path, same_as);
            return Ok(());
        }
        if same_as.is_some() {
            return Ok(());
        }
        if let Some(owner) = self.owner_by_another_name(&path, &name, place) {
            self.tell(place, EffectKind::SharedFileKept { path, owner });
            return Ok(());
        }
        self.activate_path(&name, &unpacking.name);
        self.overlay.remove(&path);
        Ok(())
    }

    fn remove_directory(&mut self, place: usize, path: ImagePath) {
        if self.overlay.read_dir(&path).is_empty() {
            self.overlay.remove(&path);
        } else {
            self.tell(place, EffectKind::DirectoryKept { path });
        }
    }

    /// A conffile the new version does not ship. When the same file is a conffile of the new
    /// version under another name, its hash goes over to that; otherwise it is obsolete.
    fn keep_conffile(
        &mut self,
        unpacking: &mut Unpacking<'_>,
        place: usize,
        id: NameId,
        path: ImagePath,
        same_as: Option<NameId>,
    ) {
        let recorded = unpacking.look(id).recorded;
        if let Some(same) = same_as {
            let node = unpacking.node(same);
            let is_new = node.recorded.as_deref() == Some(super::super::conffiles::NEW_CONFFILE);
            if node.new_conffile && is_new {
                node.recorded = recorded;
            }
            return;
        }
        unpacking.node(id).obsolete_conffile = true;
        unpacking.conffiles.push(id);
        unpacking.files.push(id);
        self.tell(place, EffectKind::ConffileObsolete { path });
    }

    /// `remove-on-upgrade`: gone when it is as it was shipped, `.dpkg-old` when it was
    /// changed.
    fn remove_conffile(
        &mut self,
        unpacking: &mut Unpacking<'_>,
        id: NameId,
    ) -> Result<(), InstallError> {
        let name = self.database.lists.name(id);
        let real = self.database.diversions.real(&name, &unpacking.name);
        let path = self.path(&unpacking.name, real)?;
        let Some(path) = conffile_target(&self.overlay, &path)? else {
            unpacking.node(id).recorded = Some(UNUSABLE.to_owned());
            return Ok(());
        };
        let owners = self.database.lists.owners(id);
        if owners.iter().any(|owner| Some(*owner) != unpacking.place) {
            return Ok(());
        }
        self.overlay.remove(&beside(&path, ".dpkg-dist")?);
        let current = current_md5(&self.overlay, &path)?;
        if current == NONEXISTENT {
            return Ok(());
        }
        if unpacking.look(id).recorded.as_deref() == Some(current.as_str()) {
            self.overlay.remove(&path);
            return Ok(());
        }
        let saved_as = beside(&path, ".dpkg-old")?;
        self.overlay.rename(&path, saved_as.clone())?;
        if let Some(place) = unpacking.place {
            self.tell(place, EffectKind::ConffileSaved { path, saved_as });
        }
        Ok(())
    }

    /// Another package that lists a name which leads to the file at `path`, when that name is
    /// not `listed`. Looks at the links of the root directory, which is where directories
    /// were merged.
    fn owner_by_another_name(
        &self,
        path: &ImagePath,
        listed: &[u8],
        place: usize,
    ) -> Option<String> {
        let mut names: HashSet<Vec<u8>> = HashSet::from([path.as_bytes().to_vec()]);
        for link in self.overlay.read_dir(&ImagePath::root()) {
            if !self.overlay.lstat(&link).is_some_and(Entry::is_symlink) {
                continue;
            }
            let Ok(target) = self.overlay.resolve(&link) else { continue };
            if path.starts_with(&target) && !target.is_root() {
                let rest = path.as_bytes().get(target.as_bytes().len()..).unwrap_or_default();
                names.insert([link.as_bytes(), rest].concat());
            }
        }
        names.remove(listed);
        names
            .iter()
            .filter_map(|name| self.database.lists.known(name))
            .flat_map(|id| self.database.lists.owners(id))
            .find(|owner| **owner != place)
            .map(|owner| self.database.label(*owner))
    }
}
