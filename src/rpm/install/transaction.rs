//! What happens when in a transaction. Source: rpm `lib/transaction.cc` (`rpmtsRun`), `lib/psm.cc`
//! (`rpmPackageInstall`, `rpmPackageErase`).

use super::element::{Element, Part};
use super::triggers::Class;
use super::{
    Deferred, ElementLine, InstallError, Installed, NewPackage, Run, disposition, id, version,
};
use crate::database::Change;
use crate::package::{ScriptletKind, TriggerKind};
use crate::relation::Flags;

impl Run<'_, '_> {
    /// Runs it from its first script to its last.
    pub(super) fn transaction(
        &mut self,
        mut elements: Vec<Element<'_>>,
        installed: &[Installed],
    ) -> Result<(), InstallError> {
        let line = |element: &Element<'_>| ElementLine {
            replaced_by: element.replaced_by,
            version: version(element.package),
            name: element.package.name().to_owned(),
            id: id(element.package),
        };
        self.elements = elements.iter().map(line).collect();
        let release = self.options.release;
        for element in elements.iter().filter(|element| element.is_install()) {
            let count = self.count_after(element);
            self.scriptlet(element.package, ScriptletKind::PreTrans, count)?;
        }
        let replaced = disposition::decide(&mut elements, installed, self.overlay, self.options)?;
        let going = || elements.iter().filter(|element| !element.is_install());
        if release.has_removal_transactions() {
            for element in going() {
                let count = self.count_before_removal(element);
                self.scriptlet(element.package, ScriptletKind::PreUnTrans, count)?;
            }
        }
        self.transaction_triggers_of_others(Flags::TRIGGERUN, &|one| one.is_going)?;
        let (kind, all) = (TriggerKind::TransactionFile, Class::All);
        for element in going() {
            let count = self.count_before_removal(element);
            self.own_file_triggers(element, kind, Flags::TRIGGERUN, all, count)?;
        }
        for (at, element) in elements.iter().enumerate() {
            let cause = self.elements.get(element.replaced_by.unwrap_or(at));
            self.working_on = cause.map(|cause| cause.id.clone());
            match element.part {
                Part::Install(new) => {
                    self.install(at, element, new)?;
                    for one in replaced.iter().filter(|one| one.by == at) {
                        let (number, file, state) = (one.number, one.file, one.state as u8);
                        let change = Change::FileState { number, file, state };
                        self.outcome.changes.push(change);
                    }
                }
                Part::Erase(installed) => self.remove_package(element, installed)?,
            }
        }
        self.working_on = None;
        if self.options.defers_posttrans && self.defer(&elements) {
            return Ok(());
        }
        let coming = || elements.iter().enumerate().filter(|(_, element)| element.is_install());
        for (at, element) in coming() {
            let count = self.count_at_the_end(at);
            self.scriptlet(element.package, ScriptletKind::PostTrans, count)?;
        }
        if release.has_removal_transactions() {
            for element in going() {
                let count = self.count(element.package.name());
                self.scriptlet(element.package, ScriptletKind::PostUnTrans, count)?;
            }
        }
        self.transaction_triggers_of_others(Flags::TRIGGERIN, &|one| one.is_new)?;
        self.run_noted()?;
        for (at, element) in coming() {
            let count = self.count_at_the_end(at);
            self.own_file_triggers(element, kind, Flags::TRIGGERIN, all, count)?;
        }
        Ok(())
    }

    /// Puts off what comes after a transaction when one of its packages has a script for then:
    /// whether it did.
    fn defer(&mut self, elements: &[Element<'_>]) -> bool {
        let coming = elements.iter().filter(|element| element.is_install());
        let with_script = coming
            .filter(|element| element.package.scriptlet(ScriptletKind::PostTrans).is_some())
            .map(|element| element.package.clone());
        let before = self.deferred.scripts.len();
        self.deferred.scripts.extend(with_script);
        if self.deferred.scripts.len() == before {
            return false;
        }
        let new = self.present.iter().filter(|one| one.is_new).map(|one| one.number);
        self.deferred.numbers.extend(new);
        self.deferred.removed_triggers.append(&mut self.removed_triggers);
        true
    }

    /// Runs what was put off.
    pub(super) fn deferred(&mut self) -> Result<(), InstallError> {
        let Deferred { scripts, numbers, removed_triggers } = std::mem::take(&mut self.deferred);
        for package in scripts {
            self.scriptlet(&package, ScriptletKind::PostTrans, 1)?;
        }
        if numbers.is_empty() {
            return Ok(());
        }
        for one in &mut self.present {
            (one.is_new, one.is_going) = (numbers.contains(&one.number), false);
        }
        self.removed_triggers = removed_triggers;
        self.transaction_triggers_of_others(Flags::TRIGGERIN, &|one| one.is_new)?;
        self.run_noted()
    }

    fn install(
        &mut self,
        at: usize,
        element: &Element<'_>,
        new: &NewPackage,
    ) -> Result<(), InstallError> {
        let count = self.count_after(element);
        self.accounts(element)?;
        self.triggers_of_others(element, Flags::TRIGGERPREIN)?;
        self.own_triggers(element, Flags::TRIGGERPREIN)?;
        self.scriptlet(element.package, ScriptletKind::Pre, count)?;
        self.unpack(element, new)?;
        self.add(at, element, new)?;
        let (kind, time) = (TriggerKind::File, Flags::TRIGGERIN);
        self.file_triggers_of_others(element, time, Class::Early, count)?;
        self.own_file_triggers(element, kind, time, Class::Early, count)?;
        self.scriptlet(element.package, ScriptletKind::Post, count)?;
        self.triggers_of_others(element, time)?;
        self.own_triggers(element, time)?;
        self.file_triggers_of_others(element, time, Class::Late, count)?;
        self.own_file_triggers(element, kind, time, Class::Late, count)
    }

    fn remove_package(
        &mut self,
        element: &Element<'_>,
        installed: &Installed,
    ) -> Result<(), InstallError> {
        let count = self.count_after(element);
        let (kind, time) = (TriggerKind::File, Flags::TRIGGERUN);
        self.own_file_triggers(element, kind, time, Class::Early, count)?;
        self.file_triggers_of_others(element, time, Class::Early, count)?;
        self.own_triggers(element, time)?;
        self.triggers_of_others(element, time)?;
        self.scriptlet(element.package, ScriptletKind::PreUn, count)?;
        self.own_file_triggers(element, kind, time, Class::Late, count)?;
        self.file_triggers_of_others(element, time, Class::Late, count)?;
        self.erase(element)?;
        let time = Flags::TRIGGERPOSTUN;
        self.file_triggers_of_others(element, time, Class::Early, count)?;
        self.scriptlet(element.package, ScriptletKind::PostUn, count)?;
        self.triggers_of_others(element, time)?;
        self.file_triggers_of_others(element, time, Class::Late, count)?;
        self.note_removed(element)?;
        self.present.retain(|one| one.number != installed.number);
        self.outcome.changes.push(Change::Erase(installed.number));
        Ok(())
    }
}
