//! Triggers as they are activated during a run, and their processing at its end.
//!
//! In come paths that are placed or removed, the `activate` lines of packages that are worked
//! on, and what `dpkg-trigger` left in `triggers/Unincorp`; each interested package that is
//! installed at that moment gets the trigger noted. At the end the `postinst triggered` of
//! each is run, in the order in which they were activated first. As dpkg's `lib/dpkg/triglib.c`
//! and `src/main/trigproc.c`. Which packages wait for a trigger (`triggers-awaited`) is not
//! tracked: all triggers are processed before the run ends, and no script asks in between.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use bytes::Bytes;

use super::super::deb::DebControl;
use super::super::triggers::{
    Directive, Verb, is_file_trigger, parse_directives, parse_explicit_interests,
};
use super::database::{damaged, file, info_file, info_stem, read_optional};
use super::progress::{Pending, Phase, Progress};
use super::scripts::Script;
use super::{InstallError, Run};
use imgfix_model::path::ImagePath;

/// How many times triggers may set off triggers. dpkg looks for circles instead.
const MAX_ROUNDS: usize = 1000;

/// Packages whose triggers are to be processed, and who activated them.
#[derive(Debug, Clone, Default)]
pub(super) struct TriggerQueue {
    waiting: VecDeque<usize>,
    /// The same packages, to find one.
    queued: HashSet<usize>,
    /// The first package of the set that activated something of the package.
    activated_by: HashMap<usize, String>,
}

impl Run<'_> {
    /// Activates the `activate` lines of a text of triggers.
    fn activate_lines(
        &mut self,
        by: &str,
        text: &Bytes,
        of: &ImagePath,
    ) -> Result<(), InstallError> {
        let directives = parse_directives(text).map_err(|error| damaged(of, error))?;
        for Directive { verb, trigger, .. } in directives {
            if verb == Verb::Activate {
                self.activate(&trigger, by)?;
            }
        }
        Ok(())
    }

    /// What dpkg does at the start of any work on an installed package.
    pub(super) fn activate_of_installed(&mut self, place: usize) -> Result<(), InstallError> {
        let Some(entry) = self.database.entry(place) else { return Ok(()) };
        let path = info_file(&info_stem(&self.overlay, entry), "triggers");
        let by = entry.name.clone();
        let text = read_optional(&self.overlay, &path)?;
        self.activate_lines(&by, &text, &path)
    }

    /// The `activate` lines of a package that is about to be unpacked.
    pub(super) fn activate_of_new(&mut self, control: &DebControl) -> Result<(), InstallError> {
        let Some(text) = control.member("triggers").cloned() else { return Ok(()) };
        let directives = parse_directives(&text).map_err(|error| InstallError::Package {
            package: control.name().to_owned(),
            problem: format!("triggers: {error}"),
        })?;
        for Directive { verb, trigger, .. } in directives {
            if verb == Verb::Activate {
                self.activate(&trigger, control.name())?;
            }
        }
        Ok(())
    }

    /// Activates a trigger by name: a path with everything above it, or an explicit one.
    fn activate(&mut self, trigger: &str, by: &str) -> Result<(), InstallError> {
        if is_file_trigger(trigger) {
            self.activate_path(trigger.as_bytes(), by);
            return Ok(());
        }
        let path = file(&format!("triggers/{trigger}"));
        let text = read_optional(&self.overlay, &path)?;
        let interests = parse_explicit_interests(&text).map_err(|error| damaged(&path, error))?;
        for interest in interests {
            self.record_activation(&interest.package, trigger, by);
        }
        Ok(())
    }

    /// A path that is placed, removed or replaced: who is interested in it, or in something
    /// above it, is told.
    pub(super) fn activate_path(&mut self, path: &[u8], by: &str) {
        let hits: Vec<(String, String)> = self
            .database
            .file_interests
            .above(path)
            .into_iter()
            .map(|interest| (interest.package.clone(), interest.path.clone()))
            .collect();
        for (package, trigger) in hits {
            self.record_activation(&package, &trigger, by);
        }
    }

    /// Notes a trigger for an interested package, unless that is being worked on.
    fn record_activation(&mut self, interested: &str, trigger: &str, by: &str) {
        let Some(place) = self.database.place_of(interested) else { return };
        let progress = match self.progress.get_mut(&place) {
            None => self.progress.entry(place).or_insert(Progress {
                phase: Phase::TriggersPending,
                config_version: None,
                pending: Pending::default(),
            }),
            Some(progress) if progress.phase == Phase::TriggersPending => progress,
            Some(_) => return,
        };
        progress.pending.activate(trigger);
        if self.triggers.queued.insert(place) {
            self.triggers.waiting.push_back(place);
        }
        self.triggers.activated_by.entry(place).or_insert_with(|| by.to_owned());
    }

    /// Takes over what `dpkg-trigger` has noted: `TRIGGER PACKAGE...` a line.
    pub(super) fn incorporate_triggers(&mut self) -> Result<(), InstallError> {
        let path = file("triggers/Unincorp");
        let text = read_optional(&self.overlay, &path)?;
        if text.is_empty() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&text).into_owned();
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            let Some(trigger) = words.next() else { continue };
            let by = words.next().filter(|by| *by != "-").unwrap_or_default().to_owned();
            self.activate(trigger, &by)?;
        }
        self.write(&path, Vec::new())
    }

    /// Processes all triggers that are pending.
    pub(super) fn process_triggers(&mut self) -> Result<(), InstallError> {
        for _ in 0..MAX_ROUNDS {
            let Some(place) = self.triggers.waiting.pop_front() else { return Ok(()) };
            self.triggers.queued.remove(&place);
            let Some(progress) = self.progress.get(&place) else { continue };
            if progress.phase != Phase::TriggersPending {
                continue;
            }
            let names = progress.pending.words();
            let version = self.database.entry(place).map(|entry| entry.version().to_owned());
            self.note(place, Phase::HalfConfigured, version.as_ref());
            let by = self.triggers.activated_by.remove(&place);
            let done = self.run_installed(place, Script::Postinst, vec!["triggered".into(), names]);
            done.map_err(|error| error.activated_by(by))?;
            if self.progress.get(&place).is_some_and(|p| p.phase == Phase::HalfConfigured) {
                self.note_installed(place);
            }
            self.incorporate_triggers()?;
        }
        Err(InstallError::TriggerCircle {
            packages: self.names_waiting().into_iter().collect::<Vec<_>>().join(", "),
        })
    }

    fn names_waiting(&self) -> BTreeSet<String> {
        self.triggers.waiting.iter().map(|place| self.database.name(*place).to_owned()).collect()
    }
}
