//! Files that change hands: other packages' lists lose what this one placed, and a package
//! that has nothing left would vanish.
//!
//! As dpkg's `pkg_remove_files_from_others` and `pkg_disappear_others`; a vanishing package's
//! `postrm disappear` would have to run, so that is refused here.

use super::super::relations::parse_clauses;
use super::super::status::State;
use super::database::{info_file, info_stem};
use super::file_lists::NameId;
use super::unpack::{Unpacking, name_of};
use super::{InstallError, Run};

impl Run<'_> {
    /// Takes placed paths from the lists of other packages, and marks conffiles that went
    /// over as obsolete there.
    pub(super) fn take_from_others(
        &mut self,
        unpacking: &Unpacking<'_>,
        place: usize,
    ) -> Result<(), InstallError> {
        let mut losing: Vec<usize> = Vec::new();
        for &id in &unpacking.files {
            let node = unpacking.look(id);
            if !node.taken {
                continue;
            }
            let name = name_of(self, id);
            let diverter = self.database.diversions.diverter(&name).map(|by| by.map(str::to_owned));
            if diverter.as_ref().is_some_and(|by| by.as_deref() == Some(&unpacking.name)) {
                continue;
            }
            for owner in self.database.lists.owners(id).to_vec() {
                let other = self.database.name(owner);
                let diverted = diverter.as_ref().is_some_and(|by| by.as_deref() == Some(other));
                if owner == place || other == unpacking.name || diverted {
                    continue;
                }
                if node.new_conffile {
                    self.mark_obsolete(owner, &name)?;
                }
                if !losing.contains(&owner) {
                    losing.push(owner);
                }
            }
        }
        for owner in losing {
            let kept = self.database.lists.of(owner).iter().copied();
            let kept: Vec<NameId> = kept.filter(|id| !unpacking.look(*id).taken).collect();
            let text = self.database.lists.render(&kept);
            self.database.lists.set(owner, kept);
            let Some(entry) = self.database.entry(owner) else { continue };
            let path = info_file(&info_stem(&self.overlay, entry), "list");
            self.write(&path, text)?;
        }
        Ok(())
    }

    fn mark_obsolete(&mut self, owner: usize, path: &[u8]) -> Result<(), InstallError> {
        let mut records = self.database.conffiles(owner)?;
        if let Some(record) = records.iter_mut().find(|record| record.path == path) {
            record.obsolete = true;
            self.database.set_conffiles(owner, &records)?;
        }
        Ok(())
    }

    /// Refuses to go on when all paths of another package are this one's now.
    pub(super) fn check_vanishing(
        &self,
        unpacking: &Unpacking<'_>,
        place: usize,
    ) -> Result<(), InstallError> {
        for (at, other) in self.database.status.entries.iter().enumerate() {
            if at == place || other.state != State::Installed {
                continue;
            }
            let new = self.database.entry(place);
            let instances = other.name == unpacking.name
                && other.multi_arch_same
                && new.is_some_and(|new| new.multi_arch_same);
            let files = self.database.lists.of(at);
            let has_own = files.iter().any(|&id| &*name_of(self, id) != b"/.");
            if instances || !has_own {
                continue;
            }
            let saved = files.iter().any(|&id| self.saves(unpacking, place, at, id));
            if !saved && !self.is_depended_on(at) {
                return Err(InstallError::Vanishes {
                    package: self.database.label(at),
                    by: self.database.label(place),
                });
            }
        }
        Ok(())
    }

    /// Whether a path is the package's alone.
    fn saves(&self, unpacking: &Unpacking<'_>, place: usize, package: usize, id: NameId) -> bool {
        let name = name_of(self, id);
        if let Some(Some(by)) = self.database.diversions.diverter(&name)
            && (by == self.database.name(package) || by == unpacking.name)
        {
            return true;
        }
        if unpacking.nodes.get(&id).is_some_and(|node| node.in_archive) {
            return false;
        }
        let same_set = |other: usize| {
            self.database.entry(package).is_some_and(|entry| entry.multi_arch_same)
                && self.database.name(other) == self.database.name(package)
        };
        !self
            .database
            .lists
            .owners(id)
            .iter()
            .any(|&other| other != place && other != package && !same_set(other))
    }

    /// Whether an installed package needs this one: then dpkg lets it be.
    fn is_depended_on(&self, package: usize) -> bool {
        let name = self.database.name(package);
        self.database.status.entries.iter().enumerate().any(|(at, other)| {
            at != package
                && other.state == State::Installed
                && ["Depends", "Pre-Depends", "Recommends"].iter().any(|field| {
                    let clauses = other.stanza.get(field).map(parse_clauses);
                    clauses
                        .and_then(Result::ok)
                        .unwrap_or_default()
                        .iter()
                        .any(|clause| matches!(clause.0.as_slice(), [only] if only.name == name))
                })
        })
    }
}
