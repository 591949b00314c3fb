//! Scriptlets at their moments: how they are called, and what their failure means.
//!
//! A [`ScriptCall`] has all that rpm knows of a script; a runner of the family makes a program of
//! it. A script that fails keeps its package from being installed or removed only where rpm says
//! so; elsewhere that is an [`Effect`]. A script that cannot be run at all is an error, always.
//! Source: rpm `lib/rpmscript.cc`, `lib/psm.cc`.

use bytes::Bytes;
use imgfix_repair::script_run::{Ran, Trouble};
use imgfix_vfs::Overlay;

use super::element::Element;
use super::{Effect, EffectKind, InstallError, Release, Run, id};
use crate::package::scripts::ScriptFlags;
use crate::package::{Package, Scriptlet, ScriptletKind};

/// A script that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptCall {
    /// The package whose script it is: `name:arch`.
    pub package: String,
    /// What rpm calls it: `post`, `triggerin`.
    pub kind: &'static str,
    /// As it is in messages of rpm: `%post(name-version-release.arch)`.
    pub title: String,
    /// The interpreter and its arguments: `/bin/sh`, `<lua>`; never empty.
    pub program: Vec<String>,
    /// What it interprets; `None`: the program is all.
    pub body: Option<Bytes>,
    /// How it is run.
    pub flags: ScriptFlags,
    /// Its arguments.
    pub counts: Vec<u32>,
    /// Paths that a file trigger reads, one a line.
    pub paths: Vec<Vec<u8>>,
}

/// Runs the scripts of a transaction.
pub trait Scripts {
    /// Runs one, with its effects in the overlay.
    ///
    /// # Errors
    /// It cannot be run; the overlay may then have part of its effects.
    fn run(&mut self, overlay: &mut Overlay, call: &ScriptCall) -> Result<Ran, Trouble>;
}

/// What rpm calls a scriptlet, and whether its failure stops the package.
fn of_kind(kind: ScriptletKind) -> (&'static str, bool) {
    match kind {
        ScriptletKind::PreTrans => ("pretrans", true),
        ScriptletKind::Pre => ("prein", true),
        ScriptletKind::Post => ("post", false),
        ScriptletKind::PreUn => ("preun", true),
        ScriptletKind::PostUn => ("postun", false),
        ScriptletKind::PostTrans => ("posttrans", false),
        ScriptletKind::PreUnTrans => ("preuntrans", true),
        ScriptletKind::PostUnTrans => ("postuntrans", false),
        ScriptletKind::Verify => ("verify", true),
    }
}

/// A script with its name in messages, and what its failure means.
pub(super) struct Due<'s> {
    pub owner: &'s Package,
    pub script: Scriptlet<'s>,
    pub kind: &'static str,
    pub is_critical: bool,
}

impl Release {
    /// Since 4.18 scripts after a transaction that upgrades are called with 2.
    fn counts_upgrades(self) -> bool {
        self >= Self::new(4, 18)
    }

    /// Since 4.19 there are scripts around transactions that remove.
    pub(super) fn has_removal_transactions(self) -> bool {
        self >= Self::new(4, 19)
    }

    /// Since 4.20 file triggers are called with counts.
    pub(super) fn counts_file_triggers(self) -> bool {
        self >= Self::new(4, 20)
    }

    /// Since 6 an upgraded package's file triggers run once.
    pub(super) fn runs_file_triggers_once(self) -> bool {
        self >= Self::new(5, 0)
    }
}

impl Run<'_, '_> {
    /// How many packages of this name the database has now.
    pub(super) fn count(&self, name: &str) -> u32 {
        let found = self.present.iter().filter(|one| one.package.name() == name).count();
        u32::try_from(found).unwrap_or(u32::MAX)
    }

    /// The argument of scripts of a package that comes or goes: how many there are then.
    pub(super) fn count_after(&self, element: &Element<'_>) -> u32 {
        let now = self.count(element.package.name());
        match element.is_install() {
            true => now.saturating_add(1),
            false => now.saturating_sub(1),
        }
    }

    /// The argument of scripts after the transaction.
    pub(super) fn count_at_the_end(&self, at: usize) -> u32 {
        let is_upgrade = self.elements.iter().any(|other| other.replaced_by == Some(at));
        let more = is_upgrade && self.options.release.counts_upgrades();
        let name = self.elements.get(at).map(|element| element.name.as_str());
        self.count(name.unwrap_or_default()).saturating_add(more.into())
    }

    /// The argument of scripts before a transaction that removes.
    pub(super) fn count_before_removal(&self, element: &Element<'_>) -> u32 {
        let now = self.count(element.package.name());
        match element.replaced_by {
            Some(_) => now,
            None => now.saturating_sub(1),
        }
    }

    /// Runs a scriptlet of a package, if it has it.
    pub(super) fn scriptlet(
        &mut self,
        owner: &Package,
        kind: ScriptletKind,
        count: u32,
    ) -> Result<(), InstallError> {
        let Some(script) = owner.scriptlet(kind) else { return Ok(()) };
        let (kind, is_critical) = of_kind(kind);
        self.run_script(&Due { owner, script, kind, is_critical }, vec![count], Vec::new())
    }

    pub(super) fn run_script(
        &mut self,
        due: &Due<'_>,
        counts: Vec<u32>,
        paths: Vec<Vec<u8>>,
    ) -> Result<(), InstallError> {
        let &Due { owner, ref script, kind, is_critical } = due;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let package = id(owner);
        let (name, version, release) = (owner.name(), owner.version(), owner.release());
        let call = ScriptCall {
            title: format!("%{kind}({name}-{version}-{release}.{})", owner.arch()),
            package,
            kind,
            program: script.program.iter().map(|word| text(word)).collect(),
            body: script.body.map(Bytes::copy_from_slice),
            flags: script.flags,
            counts,
            paths,
        };
        self.overlay.watch();
        let ran = self.scripts.run(self.overlay, &call);
        let changed = self.overlay.watched();
        let ran = ran.map_err(|trouble| self.failed(&call, trouble))?;
        let arguments = call.counts.iter().map(u32::to_string).collect();
        let kind = EffectKind::ScriptRan { script: call.kind.to_owned(), arguments, changed };
        self.outcome.effects.push(Effect { package: call.package.clone(), kind });
        match ran.trouble() {
            Some(trouble) if is_critical || script.flags.has(ScriptFlags::CRITICAL) => {
                Err(self.failed(&call, trouble))
            }
            Some(Trouble { detail, .. }) => {
                let arguments = call.counts.iter().map(u32::to_string).collect();
                let script = call.kind.to_owned();
                let kind = EffectKind::ScriptFailed { script, arguments, detail };
                self.outcome.effects.push(Effect { package: call.package, kind });
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn failed(&self, call: &ScriptCall, trouble: Trouble) -> InstallError {
        let set_off_by = self.working_on.clone().filter(|id| *id != call.package);
        InstallError::Script {
            package: call.package.clone(),
            set_off_by,
            script: call.kind.to_owned(),
            line: trouble.line,
            detail: trouble.detail,
            is_of_this_machine: trouble.is_of_this_machine,
        }
    }
}
