//! Configuring one package: its conffiles, each by three hashes, as dpkg's
//! `src/main/configure.c` with nobody to ask.

use std::io::Read;

use md5::{Digest as _, Md5};

use super::super::conffiles::{
    ConffilePolicy, ConffileRecord, Decision, NONEXISTENT, UNUSABLE, decide,
};
use super::super::status::State;
use super::progress::Phase;
use super::scripts::Script;
use super::unpack::{Unpacked, beside, conffile_target};
use super::{InstallError, Run};
use imgfix_model::effects::EffectKind;
use imgfix_model::path::ImagePath;
use imgfix_vfs::{Entry, FileSystem, Overlay, RootfsError};

impl Run<'_> {
    /// Configures a package: its conffiles, then its `postinst`.
    pub(super) fn configure(&mut self, unpacked: &Unpacked) -> Result<(), InstallError> {
        let place = unpacked.place;
        self.activate_of_installed(place)?;
        self.configure_conffiles(place)?;
        self.note(place, Phase::HalfConfigured, unpacked.config_version.as_ref());
        let version = unpacked.config_version.clone().unwrap_or_default();
        self.run_installed(place, Script::Postinst, vec!["configure".into(), version])?;
        if self.progress.get(&place).is_some_and(|p| p.phase == Phase::HalfConfigured) {
            self.note_installed(place);
        }
        self.incorporate_triggers()
    }

    /// Puts the package's conffiles in their places, or beside them, and records their
    /// hashes.
    fn configure_conffiles(&mut self, place: usize) -> Result<(), InstallError> {
        let mut records = self.database.conffiles(place)?;
        if records.is_empty() {
            return Ok(());
        }
        for record in &mut records {
            if !record.obsolete && !record.remove_on_upgrade {
                self.configure_one(place, record)?;
            }
        }
        self.database.set_conffiles(place, &records)
    }

    fn configure_one(
        &mut self,
        place: usize,
        record: &mut ConffileRecord,
    ) -> Result<(), InstallError> {
        let package = self.database.name(place).to_owned();
        let real = self.database.diversions.real(&record.path, &package);
        let path = self.path(&package, real)?;
        let Some(path) = conffile_target(&self.overlay, &path)? else {
            record.hash = UNUSABLE.to_owned();
            return Ok(());
        };
        let new = beside(&path, ".dpkg-new")?;
        if self.overlay.lstat(&new).is_none() {
            // Left out by a filter, or placed already by another instance of the package.
            return self.take_hash_of_instance(place, record);
        }
        let shipped = current_md5(&self.overlay, &new)?;
        let current = current_md5(&self.overlay, &path)?;
        if let Some(present) = self.overlay.lstat(&path).cloned() {
            self.overlay.modify(&new, |entry| {
                entry.uid = present.uid;
                entry.gid = present.gid;
                entry.mode = present.mode;
            })?;
        }
        let policy: ConffilePolicy = self.database.configuration.conffiles;
        match decide(&record.hash, &current, &shipped, policy) {
            Decision::Keep => self.overlay.remove(&new),
            Decision::Install => {
                self.activate_path(&record.path, &package);
                self.overlay.rename(&new, path)?;
            }
            Decision::KeepWithDist => {
                self.overlay.remove(&beside(&path, ".dpkg-old")?);
                let shipped_as = beside(&path, ".dpkg-dist")?;
                self.overlay.rename(&new, shipped_as.clone())?;
                self.tell(place, EffectKind::ConffileKept { path, shipped_as });
            }
            Decision::InstallWithBackup => {
                self.activate_path(&record.path, &package);
                self.install_with_backup(place, path, &new)?;
            }
        }
        record.hash = shipped;
        Ok(())
    }

    fn install_with_backup(
        &mut self,
        place: usize,
        path: ImagePath,
        new: &ImagePath,
    ) -> Result<(), InstallError> {
        self.overlay.remove(&beside(&path, ".dpkg-dist")?);
        let former_as = beside(&path, ".dpkg-old")?;
        self.overlay.remove(&former_as);
        if self.overlay.lstat(&path).is_some() {
            self.overlay.rename(&path, former_as.clone())?;
            let path = path.clone();
            self.tell(place, EffectKind::ConffileReplaced { path, former_as });
        }
        Ok(self.overlay.rename(new, path)?)
    }

    fn take_hash_of_instance(
        &self,
        place: usize,
        record: &mut ConffileRecord,
    ) -> Result<(), InstallError> {
        let name = self.database.name(place);
        for (at, other) in self.database.status.entries.iter().enumerate() {
            if at == place || other.name != name || other.state != State::Installed {
                continue;
            }
            let found = self.database.conffiles(at)?.into_iter().find(|theirs| {
                theirs.path == record.path && !theirs.obsolete && !theirs.remove_on_upgrade
            });
            if let Some(theirs) = found {
                record.hash = theirs.hash;
                return Ok(());
            }
        }
        Ok(())
    }
}

/// The MD5 of a regular file in hexadecimal, or dpkg's word for one that is not there.
pub(super) fn current_md5(fs: &Overlay, path: &ImagePath) -> Result<String, RootfsError> {
    match fs.lstat(path) {
        None => Ok(NONEXISTENT.to_owned()),
        Some(entry) if Entry::is_file(entry) => md5_of(fs, path),
        Some(_) => Ok(UNUSABLE.to_owned()),
    }
}

pub(super) fn md5_of(fs: &Overlay, path: &ImagePath) -> Result<String, RootfsError> {
    md5_of_reader(&mut *fs.open(path)?)
        .map_err(|source| RootfsError::Io { what: path.to_string(), source })
}

pub(super) fn md5_of_reader(reader: &mut dyn Read) -> std::io::Result<String> {
    let mut hasher = Md5::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(imgfix_model::hex::encode(hasher.finalize())),
            got => hasher.update(buffer.get(..got).unwrap_or_default()),
        }
    }
}
