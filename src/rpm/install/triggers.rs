//! Triggers: scripts of packages that other packages, or their files, set off.
//!
//! Which ones are due, in which order, with which counts and paths. Source: rpm `lib/psm.cc`
//! (`runTriggers`, `runImmedTriggers`, `handleOneTrigger`), `lib/rpmtriggers.cc`.

use std::collections::{BTreeMap, BTreeSet};

use super::element::{self, Element};
use super::scripts::Due;
use super::{InstallError, Run};
use crate::header::installed::FileState;
use crate::package::{Package, RelationKind, Trigger, TriggerKind};
use crate::relation::{Flags, Relation};

/// Priority from which file triggers run before the package's own scripts.
const EARLY: u32 = 10_000;

/// Which file triggers are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Of high priority.
    Early,
    /// Of low priority.
    Late,
    /// All of them.
    All,
}

impl Class {
    fn has(self, priority: u32) -> bool {
        match self {
            Self::Early => priority >= EARLY,
            Self::Late => priority < EARLY,
            Self::All => true,
        }
    }
}

/// A package that the database has now.
#[derive(Debug, Clone)]
pub(super) struct Present {
    pub number: u32,
    pub package: Package,
    /// The transaction removes it.
    pub is_going: bool,
    /// The transaction has brought it.
    pub is_new: bool,
}

/// A file trigger: higher priorities first, then by package and place.
pub(super) type Order = (std::cmp::Reverse<u32>, u32, usize);

/// What rpm calls a trigger of a time, and whether its failure stops the package.
fn of_time(kind: TriggerKind, time: Flags) -> (&'static str, bool) {
    let names = match kind {
        TriggerKind::Package => ["triggerprein", "triggerin", "triggerun", "triggerpostun"],
        TriggerKind::File => ["", "filetriggerin", "filetriggerun", "filetriggerpostun"],
        TriggerKind::TransactionFile => {
            ["", "transfiletriggerin", "transfiletriggerun", "transfiletriggerpostun"]
        }
    };
    let [before, after, removal, removed] = names;
    match time {
        Flags::TRIGGERPREIN => (before, true),
        Flags::TRIGGERUN => (removal, true),
        Flags::TRIGGERIN => (after, false),
        _ => (removed, false),
    }
}

fn triggers(package: &Package, kind: TriggerKind) -> Result<Vec<Trigger<'_>>, InstallError> {
    let name = || package.label();
    let read = package.triggers(kind);
    read.map_err(|source| InstallError::Triggers { package: name(), source })
}

/// The trigger that a package sets off, by the first condition that is about it: its place.
fn set_off_by(
    triggers: &[Trigger<'_>],
    time: Flags,
    source: &Package,
) -> Result<Option<usize>, InstallError> {
    let mut conditions: BTreeMap<usize, (usize, &Relation)> = BTreeMap::new();
    for (script, trigger) in triggers.iter().enumerate() {
        conditions.extend(trigger.conditions.iter().map(|(at, is)| (*at, (script, is))));
    }
    for (script, condition) in conditions.into_values() {
        let is_about = condition.flags().has(time) && condition.name() == source.name();
        if is_about && meets(source, condition)? {
            return Ok(Some(script));
        }
    }
    Ok(None)
}

fn meets(source: &Package, condition: &Relation) -> Result<bool, InstallError> {
    if condition.evr().is_none() {
        return Ok(true);
    }
    let name = || source.label();
    let provides = source.relations(RelationKind::Provides);
    let provides = provides
        .map_err(|source| InstallError::Triggers { package: name(), source: source.into() })?;
    let mut same = provides.iter().filter(|one| one.name() == condition.name());
    Ok(same.any(|one| one.overlaps(condition))
        || source.evr().is_ok_and(|version| condition.holds(&version)))
}

/// Whether a path belongs to a file trigger's prefix.
fn is_below(path: &[u8], prefix: &str) -> bool {
    path.starts_with(prefix.as_bytes())
}

impl Run<'_, '_> {
    /// Triggers of packages in the database that an element sets off.
    pub(super) fn triggers_of_others(
        &mut self,
        element: &Element<'_>,
        time: Flags,
    ) -> Result<(), InstallError> {
        let source = element.package;
        let now = self.count(source.name());
        let second = if element.is_install() { now } else { now.saturating_sub(1) };
        for owner in self.present.clone() {
            let owner = owner.package;
            let triggers = triggers(&owner, TriggerKind::Package)?;
            if let Some(at) = set_off_by(&triggers, time, source)? {
                let first = self.count(owner.name());
                self.run_trigger(&owner, &triggers, at, time, vec![first, second])?;
            }
        }
        Ok(())
    }

    /// Triggers of an element that packages in the database set off.
    pub(super) fn own_triggers(
        &mut self,
        element: &Element<'_>,
        time: Flags,
    ) -> Result<(), InstallError> {
        let owner = element.package;
        let triggers = triggers(owner, TriggerKind::Package)?;
        let mut conditions: BTreeMap<usize, (usize, &Relation)> = BTreeMap::new();
        for (script, trigger) in triggers.iter().enumerate() {
            conditions.extend(trigger.conditions.iter().map(|(at, is)| (*at, (script, is))));
        }
        let mut done = BTreeSet::new();
        for (script, condition) in conditions.into_values() {
            if done.contains(&script) {
                continue;
            }
            let is_it = |one: &&super::Present| one.package.name() == condition.name();
            let sources: Vec<Package> =
                self.present.iter().filter(is_it).map(|one| one.package.clone()).collect();
            let second = u32::try_from(sources.len()).unwrap_or(u32::MAX);
            for source in sources {
                let Some(at) = set_off_by(&triggers, time, &source)? else { continue };
                if done.insert(at) {
                    let now = self.count(owner.name());
                    let first = if element.is_install() { now } else { now.saturating_sub(1) };
                    self.run_trigger(owner, &triggers, at, time, vec![first, second])?;
                }
            }
        }
        Ok(())
    }

    fn run_trigger(
        &mut self,
        owner: &Package,
        triggers: &[Trigger<'_>],
        at: usize,
        time: Flags,
        counts: Vec<u32>,
    ) -> Result<(), InstallError> {
        let Some(trigger) = triggers.get(at) else { return Ok(()) };
        let (kind, is_critical) = of_time(TriggerKind::Package, time);
        let script = trigger.script.clone();
        self.run_script(&Due { owner, script, kind, is_critical }, counts, Vec::new())
    }

    /// File triggers of packages in the database that an element's files set off.
    pub(super) fn file_triggers_of_others(
        &mut self,
        element: &Element<'_>,
        time: Flags,
        class: Class,
        count: u32,
    ) -> Result<(), InstallError> {
        let all: Vec<Vec<u8>> = element.files.iter().map(|file| file.path()).collect();
        let is_set_off = |prefix: &str| all.iter().any(|path| is_below(path, prefix));
        let skip = |owner: &Present| match time {
            _ if !self.options.release.runs_file_triggers_once() => false,
            Flags::TRIGGERUN => owner.is_new,
            _ => owner.is_going,
        };
        for (owner, at) in self.file_triggers(TriggerKind::File, class, &is_set_off, &skip)? {
            let due = triggers(&owner, TriggerKind::File)?;
            let Some(trigger) = due.get(at).filter(|trigger| starts_at(trigger, time)) else {
                continue;
            };
            let mut paths = Vec::new();
            for (_, prefix) in &trigger.conditions {
                let files = all.iter().zip(&element.actions);
                let files = files.filter(|(path, action)| {
                    !action.is_skipping() && is_below(path, prefix.name())
                });
                paths.extend(files.map(|(path, _)| path.clone()));
            }
            let first = self.count(owner.name());
            self.run_file_trigger(
                &owner,
                trigger,
                (TriggerKind::File, time),
                [Some(first), Some(count)],
                paths,
            )?;
        }
        Ok(())
    }

    /// File triggers of an element that files of all packages in the database set off.
    pub(super) fn own_file_triggers(
        &mut self,
        element: &Element<'_>,
        kind: TriggerKind,
        time: Flags,
        class: Class,
        count: u32,
    ) -> Result<(), InstallError> {
        let owner = element.package;
        let due = triggers(owner, kind)?;
        let mut order: Vec<usize> = (0..due.len()).collect();
        order.sort_by_key(|at| std::cmp::Reverse(due.get(*at).map_or(0, |one| one.priority)));
        for at in order {
            let Some(trigger) =
                due.get(at).filter(|one| class.has(one.priority) && starts_at(one, time))
            else {
                continue;
            };
            let (paths, first) = self.files_in_database(trigger, &|_| true)?;
            let second = first.map(|name| self.count(&name)).filter(|_| kind == TriggerKind::File);
            self.run_file_trigger(owner, trigger, (kind, time), [Some(count), second], paths)?;
        }
        Ok(())
    }

    /// Transaction file triggers of packages that the transaction does not touch, set off by those
    /// that it has brought, or is to remove.
    pub(super) fn transaction_triggers_of_others(
        &mut self,
        time: Flags,
        is_meant: &dyn Fn(&Present) -> bool,
    ) -> Result<(), InstallError> {
        let mut folders: BTreeSet<Vec<u8>> = BTreeSet::new();
        for one in self.present.iter().filter(|one| is_meant(one)) {
            folders.extend(element::files(&one.package)?.iter().map(|file| file.folder.to_vec()));
        }
        let is_set_off = |prefix: &str| folders.iter().any(|folder| is_below(folder, prefix));
        let skip = |owner: &Present| owner.is_new || owner.is_going;
        let kind = TriggerKind::TransactionFile;
        for (owner, at) in self.file_triggers(kind, Class::All, &is_set_off, &skip)? {
            let due = triggers(&owner, kind)?;
            let Some(trigger) = due.get(at).filter(|one| starts_at(one, time)) else { continue };
            let (paths, first) = self.files_in_database(trigger, is_meant)?;
            let count = self.count(owner.name());
            let cause = self.elements.iter().find(|one| Some(&one.name) == first.as_ref());
            let cause = cause
                .map(|one| one.replaced_by.and_then(|at| self.elements.get(at)).unwrap_or(one));
            self.working_on = cause.map(|cause| cause.id.clone());
            self.run_file_trigger(&owner, trigger, (kind, time), [Some(count), None], paths)?;
            self.working_on = None;
        }
        Ok(())
    }

    /// Notes the transaction file triggers that are due at the end because an element's files go.
    pub(super) fn note_removed(&mut self, element: &Element<'_>) -> Result<(), InstallError> {
        let installed =
            element.files.iter().filter(|file| is_installed(file.state)).map(|file| file.path());
        let paths: Vec<Vec<u8>> = installed.collect();
        for owner in &self.present {
            for (at, trigger) in
                triggers(&owner.package, TriggerKind::TransactionFile)?.iter().enumerate()
            {
                let is_due = trigger.conditions.iter().any(|(_, condition)| {
                    condition.flags().has(Flags::TRIGGERPOSTUN)
                        && paths.iter().any(|path| is_below(path, condition.name()))
                });
                if is_due {
                    let priority = std::cmp::Reverse(trigger.priority);
                    self.removed_triggers.insert((priority, owner.number, at));
                }
            }
        }
        Ok(())
    }

    /// Runs what was noted, of packages that are still there.
    pub(super) fn run_noted(&mut self) -> Result<(), InstallError> {
        let kind = TriggerKind::TransactionFile;
        for (_, number, at) in std::mem::take(&mut self.removed_triggers) {
            let owner = self.present.iter().find(|one| one.number == number);
            let Some(owner) = owner.map(|one| one.package.clone()) else { continue };
            let due = triggers(&owner, kind)?;
            let Some(trigger) = due.get(at) else { continue };
            let (kind, is_critical) = of_time(kind, Flags::TRIGGERPOSTUN);
            let counts = self.file_trigger_counts([Some(self.count(owner.name())), None]);
            let script = trigger.script.clone();
            self.run_script(&Due { owner: &owner, script, kind, is_critical }, counts, Vec::new())?;
        }
        Ok(())
    }

    /// The file triggers in the database that something sets off: their packages and places, in
    /// the order in which they run.
    fn file_triggers(
        &self,
        kind: TriggerKind,
        class: Class,
        is_set_off: &dyn Fn(&str) -> bool,
        skip: &dyn Fn(&Present) -> bool,
    ) -> Result<Vec<(Package, usize)>, InstallError> {
        let mut found: BTreeMap<Order, &Package> = BTreeMap::new();
        for owner in self.present.iter().filter(|owner| !skip(owner)) {
            for (at, trigger) in triggers(&owner.package, kind)?.iter().enumerate() {
                let is_due = trigger.conditions.iter().any(|(_, is)| is_set_off(is.name()));
                if is_due && class.has(trigger.priority) {
                    let order = (std::cmp::Reverse(trigger.priority), owner.number, at);
                    found.insert(order, &owner.package);
                }
            }
        }
        Ok(found.into_iter().map(|((.., at), owner)| (owner.clone(), at)).collect())
    }

    /// The files of packages in the database that a trigger is about, and the first package.
    fn files_in_database(
        &self,
        trigger: &Trigger<'_>,
        is_meant: &dyn Fn(&Present) -> bool,
    ) -> Result<(Vec<Vec<u8>>, Option<String>), InstallError> {
        let (mut paths, mut first) = (Vec::new(), None);
        for (_, prefix) in &trigger.conditions {
            for one in self.present.iter().filter(|one| is_meant(one)) {
                let files = element::files(&one.package)?;
                // rpm looks for packages by their directories.
                if !files.iter().any(|file| is_below(file.folder, prefix.name())) {
                    continue;
                }
                let own = files.iter().filter(|file| is_installed(file.state));
                let own = own.map(|file| file.path()).filter(|path| is_below(path, prefix.name()));
                let before = paths.len();
                paths.extend(own);
                if paths.len() > before && first.is_none() {
                    first = Some(one.package.name().to_owned());
                }
            }
        }
        Ok((paths, first))
    }

    fn run_file_trigger(
        &mut self,
        owner: &Package,
        trigger: &Trigger<'_>,
        (kind, time): (TriggerKind, Flags),
        counts: [Option<u32>; 2],
        paths: Vec<Vec<u8>>,
    ) -> Result<(), InstallError> {
        if paths.is_empty() {
            return Ok(());
        }
        let (kind, is_critical) = of_time(kind, time);
        let counts = self.file_trigger_counts(counts);
        let script = trigger.script.clone();
        self.run_script(&Due { owner, script, kind, is_critical }, counts, paths)
    }

    fn file_trigger_counts(&self, counts: [Option<u32>; 2]) -> Vec<u32> {
        match self.options.release.counts_file_triggers() {
            true => counts.into_iter().flatten().collect(),
            false => vec![0],
        }
    }
}

/// A file trigger is of the time that its first condition says.
fn starts_at(trigger: &Trigger<'_>, time: Flags) -> bool {
    trigger.conditions.first().is_some_and(|(_, condition)| condition.flags().has(time))
}

fn is_installed(state: FileState) -> bool {
    matches!(state, FileState::Normal | FileState::NetShared)
}
