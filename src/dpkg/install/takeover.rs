//! Files that change hands: other packages' lists lose what this one placed, and a package
//! that has nothing left disappears.
//!
//! As dpkg's `pkg_remove_files_from_others` and `pkg_disappear_others`. A package that is being
//! upgraded itself cannot disappear: dpkg could not configure it.

use super::super::relations::{Provided, Relation, parse_clauses, parse_provides};
use super::super::status::{State, StatusEntry};
use super::database::{info_file, info_stem};
use super::file_lists::NameId;
use super::scripts::Script;
use super::unpack::{Unpacking, name_of};
use super::{InstallError, Run};
use imgfix_model::effects::EffectKind;
use imgfix_versions::dpkg::Version;

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

    /// Packages whose paths are all this one's now disappear, unless something needs them.
    pub(super) fn disappear_others(
        &mut self,
        unpacking: &Unpacking<'_>,
        place: usize,
    ) -> Result<(), InstallError> {
        for at in 0..self.database.status.entries.len() {
            let Some(other) = self.database.entry(at) else { continue };
            if at == place || matches!(other.state, State::NotInstalled | State::ConfigFiles) {
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
            if saved || self.is_depended_on(at) {
                continue;
            }
            let is_done = other.state == State::Installed && !self.progress.contains_key(&at);
            if !is_done {
                return Err(InstallError::Vanishes {
                    package: self.database.label(at),
                    by: self.database.label(place),
                });
            }
            self.disappear(at, place)?;
        }
        Ok(())
    }

    /// A package disappears in favour of another: its script is told, and all records go.
    fn disappear(&mut self, package: usize, by: usize) -> Result<(), InstallError> {
        let Some(entry) = self.database.entry(package) else { return Ok(()) };
        let stem = info_stem(&self.overlay, entry);
        let version = entry.version().to_owned();
        let favoured = self.database.label(by);
        let arguments = vec![
            "disappear".to_owned(),
            self.unambiguous(by),
            self.database.entry(by).map(|entry| entry.version().to_owned()).unwrap_or_default(),
        ];
        let blame = |error: InstallError| error.activated_by(Some(favoured.clone()));
        self.activate_of_installed(package).map_err(blame)?;
        self.run_installed(package, Script::Postrm, arguments).map_err(blame)?;
        for file in self.info_files(&stem)? {
            self.overlay.remove(&file);
        }
        self.tell(package, EffectKind::Disappeared { version, by: favoured });
        self.database.lists.set(package, Vec::new());
        self.database.status.forget(package);
        Ok(())
    }

    /// A package's name as dpkg gives it to scripts: with the architecture where the name alone
    /// could mean another instance.
    fn unambiguous(&self, place: usize) -> String {
        let Some(entry) = self.database.entry(place) else { return String::new() };
        let foreign = ![self.database.native_architecture(), "all", ""]
            .contains(&entry.architecture.as_str());
        match entry.multi_arch_same || foreign {
            true => self.database.label(place),
            false => entry.name.clone(),
        }
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

    /// Whether an installed package needs this one, or what it provides, and nothing else would
    /// do: then dpkg lets it be.
    fn is_depended_on(&self, package: usize) -> bool {
        let entries = &self.database.status.entries;
        let Some(own) = entries.get(package) else { return false };
        let is_there =
            |entry: &StatusEntry| !matches!(entry.state, State::NotInstalled | State::ConfigFiles);
        let others: Vec<&StatusEntry> = entries
            .iter()
            .enumerate()
            .filter(|(at, other)| *at != package && is_there(other))
            .map(|(_, other)| other)
            .collect();
        let provided = provided(own);
        let about = |relation: &Relation| {
            relation.name == own.name || provided.iter().any(|one| one.name == relation.name)
        };
        let met = |relation: &Relation| others.iter().any(|other| meets(relation, other));
        others.iter().any(|other| {
            ["Depends", "Pre-Depends", "Recommends"].iter().any(|field| {
                let clauses = other.stanza.get(field).map(parse_clauses);
                let clauses = clauses.and_then(Result::ok).unwrap_or_default();
                clauses.iter().any(|clause| clause.0.iter().any(about) && !clause.0.iter().any(met))
            })
        })
    }
}

fn provided(entry: &StatusEntry) -> Vec<Provided> {
    let field = entry.stanza.get("Provides").map(parse_provides);
    field.and_then(Result::ok).unwrap_or_default()
}

/// Whether a package is what a relation asks for, by name and version.
fn meets(relation: &Relation, entry: &StatusEntry) -> bool {
    let version = Version::parse_recorded(entry.version());
    (entry.name == relation.name && version.is_ok_and(|version| relation.admits(&version)))
        || provided(entry)
            .iter()
            .any(|one| one.name == relation.name && relation.admits_provided(one.version.as_ref()))
}
