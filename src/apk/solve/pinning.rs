//! Tags of repositories: which packages may be taken from where.
//!
//! In come `world`'s entries with a tag (`nginx@edge`) and the index; out comes whether a
//! package that only tagged repositories have may be taken, and whether it is wanted more than
//! others. As for apk (`src/solver.c`, `inherit_pinning_and_flags`) the tag goes on from what is
//! pinned to all that it needs; but only what `world` itself pins prefers the tag's
//! repositories, while the rest uses them where no other version will do. apk follows the
//! dependencies of what it chooses; here those of every version that could be chosen are
//! followed, which allows more only where versions need different things.

use std::collections::{BTreeSet, HashMap};

use super::Image;
use super::package_version::{depends, is_about, provided};
use crate::dependency::Dependency;
use crate::index::{Available, PackageIndex};
use crate::record::Record;
use imgfix_versions::apk::generation::Generation;

/// Which tags are open to which packages.
#[derive(Debug, Default)]
pub(super) struct Pinning {
    /// Entries of `world` with a tag.
    pinned: Vec<Dependency>,
    /// Tags by package name.
    open: HashMap<String, BTreeSet<String>>,
    generation: Generation,
}

impl Pinning {
    pub(super) fn new(image: &Image<'_>, index: &PackageIndex) -> Self {
        let pinned = image.world.iter().filter(|entry| entry.tag.is_some() && !entry.conflict);
        let mut pinning = Self {
            pinned: pinned.cloned().collect(),
            open: HashMap::new(),
            generation: image.generation,
        };
        let entries = pinning.pinned.iter();
        let mut waiting: Vec<(String, String)> =
            entries.filter_map(|entry| Some((entry.name.0.clone(), entry.tag.clone()?))).collect();
        let mut seen: BTreeSet<(String, String)> = waiting.iter().cloned().collect();
        while let Some((name, tag)) = waiting.pop() {
            let installed = image.packages.iter().copied();
            let installed = installed.filter(|one| provided(one).any(|(own, _)| own == name));
            let mut needed: Vec<String> = installed.flat_map(names).collect();
            for provider in index.providers(&name) {
                let package = provider.record.name.0.clone();
                pinning.open.entry(package).or_default().insert(tag.clone());
                if provider.has_tag(None) || provider.has_tag(Some(&tag)) {
                    needed.extend(names(&provider.record));
                }
            }
            let needed = needed.into_iter().map(|name| (name, tag.clone()));
            waiting.extend(needed.filter(|one| seen.insert(one.clone())));
        }
        pinning
    }

    /// Whether apk may take it from where it is.
    pub(super) fn allows(&self, available: &Available) -> bool {
        let open = self.open.get(&available.record.name.0);
        available.has_tag(None)
            || open.into_iter().flatten().any(|tag| available.has_tag(Some(tag)))
    }

    /// Whether it is in the repositories that are preferred for it.
    pub(super) fn prefers(&self, available: &Available) -> bool {
        let about = |entry: &&Dependency| is_about(entry, &available.record, self.generation);
        let pin = self.pinned.iter().find(about);
        available.has_tag(pin.and_then(|entry| entry.tag.as_deref()))
    }
}

fn names(record: &Record) -> impl Iterator<Item = String> {
    depends(record).map(|dependency| dependency.name.0.clone())
}
