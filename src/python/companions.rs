//! What has to come along with a change: what the new version wants and is not installed, or is too
//! old.
//!
//! In come the steps of a set of changes; out come the same with steps before them for their
//! companions, or the change that cannot be. Of what is installed the smallest version is taken
//! that every line allows, of what is new the newest, as pip does. Something new is installed from
//! `--library-upgrades minor` on.

use std::collections::{BTreeMap, BTreeSet};

use imgfix_model::component::Library;
use imgfix_model::plan::{Because, StoreStep};
use imgfix_model::reason::Reason;
use imgfix_model::upgrade::UpgradeLevel;
use imgfix_repair::error::RepairerError;
use imgfix_repair::libraries::{Barred, Resolved};
use imgfix_repair::repairer::Work;
use imgfix_vfs::FileSystem;

use crate::environment::Environment;
use crate::installed::{self, Broken, Installed, read_all};
use crate::manager::{PythonManager, barred, of_run};
use crate::names::{normalized, same_name};
use crate::obstacles;
use crate::offers::Offer;
use crate::records;
use crate::specifiers::Version;
use crate::wheel::Wheel;

/// The most companions of one set of changes.
const MAX: usize = 64;

impl PythonManager {
    /// The steps with their companions, each with the version as its wheel writes it.
    pub(crate) fn with_companions(
        &self,
        fs: &dyn FileSystem,
        mut steps: Vec<StoreStep>,
        work: &Work<'_>,
    ) -> Result<Resolved, RepairerError> {
        let environment = match self.environment(fs, work)? {
            Ok(environment) => environment,
            // a version of it was offered
            Err(_) => return Ok(Resolved::Steps(steps)),
        };
        let places = environment.search_path(fs);
        let before = installed::installed(fs, &places).map_err(of_run)?;
        let (mut after, mut changed) = (before.clone(), BTreeSet::new());
        let mut unread = steps.len();
        for _ in 0..MAX {
            for step in steps.iter_mut().take(unread) {
                match self.described(step, work)? {
                    Ok((one, info)) => {
                        step.to = Some(one.version.as_str().into());
                        if step.from.is_none() {
                            step.component.clone_from(&one.name);
                            step.path = self.place.join(format!("{info}/METADATA")).ok();
                        }
                        changed.insert(normalized(&step.component));
                        after.insert(normalized(&step.component), one);
                    }
                    Err(why) => {
                        let path = step.path.clone().unwrap_or(self.place.clone());
                        let reason = Reason::not_repairable(&step.component, why);
                        return Ok(Resolved::Barred(Barred { path, reason }));
                    }
                }
            }
            let broken = installed::first_broken(&before, &after, &changed, &environment);
            let Some(broken) = broken else { return Ok(Resolved::Steps(steps)) };
            match self.companion(fs, &broken, &steps, &after, &environment, work)? {
                Ok(step) => steps.insert(0, step),
                Err(reason) => {
                    let mut barred = barred(&broken, &steps, &after);
                    barred.reason = reason.unwrap_or(barred.reason);
                    return Ok(Resolved::Barred(barred));
                }
            }
            unread = 1;
        }
        let path = steps.last().and_then(|step| step.path.clone());
        let component = steps.last().map_or("", |step| step.component.as_str());
        let reason =
            Reason::not_repairable(component, format!("more than {MAX} others would change"));
        Ok(Resolved::Barred(Barred { path: path.unwrap_or(self.place.clone()), reason }))
    }

    /// What the wheel of a step says of itself, and its folder of records; half a sentence when it is none.
    fn described(
        &self,
        step: &StoreStep,
        work: &Work<'_>,
    ) -> Result<Result<(Installed, String), String>, RepairerError> {
        let (Some(archive), Some(to)) = (&step.archive, &step.to) else {
            return Ok(Err("its step has no wheel".to_owned()));
        };
        let files = work.fetcher.archives(&[archive])?;
        let Some(file) = files.first() else { return Ok(Err("its wheel is gone".to_owned())) };
        let bytes = std::fs::read(file).map_err(|source| RepairerError::ArchiveFile {
            archive: archive.url.clone(),
            source,
        })?;
        Ok(Wheel::read(bytes.into(), &step.component, to.as_ref()).map(|wheel| {
            let needs = read_all(&wheel.needs.requirements);
            (Installed { name: wheel.name, version: wheel.version, needs }, wheel.info)
        }))
    }

    /// The step that mends a line of one of `steps`; why there is none, where there is more to say
    /// than the line itself.
    fn companion(
        &self,
        fs: &dyn FileSystem,
        broken: &Broken,
        steps: &[StoreStep],
        after: &BTreeMap<String, Installed>,
        environment: &Environment,
        work: &Work<'_>,
    ) -> Result<Result<StoreStep, Option<Reason>>, RepairerError> {
        let by = broken.by.rsplit_once(' ').map_or(broken.by.as_str(), |(name, _)| name);
        let changes = |name: &str| steps.iter().find(|step| same_name(&step.component, name));
        let (Some(parent), None, None) = (changes(by), &broken.why, changes(&broken.about)) else {
            return Ok(Err(None));
        };
        let store = records::find_in(fs, &self.place);
        let library = store
            .iter()
            .flat_map(|store| &store.libraries)
            .find(|library| same_name(&library.name, &broken.about));
        let most = work.choice.library_upgrades;
        match (library, &broken.found) {
            // it is in a folder of the system's
            (None, Some(_)) => return Ok(Err(None)),
            (None, None) if most < UpgradeLevel::Minor => {
                let why = format!(
                    "{} wants what is not installed ({}), which comes with --library-upgrades minor",
                    broken.by, broken.line
                );
                return Ok(Err(Some(Reason::not_repairable(&parent.component, why))));
            }
            (None, None) => {}
            (Some(library), _) => {
                let found = obstacles::obstacle(fs, &library.name, &library.path);
                let found = found.map_err(RepairerError::family)?;
                if found.is_some() || work.choice.refusal_of(&library.name).is_some() {
                    return Ok(Err(None));
                }
            }
        }
        let offered = match self.offered(fs, &broken.about, work)? {
            Ok(offered) => offered,
            Err(reason) => return Ok(Err(Some(reason))),
        };
        let is_allowed = |offer: &&Offer| {
            let own = library.map(|library: &Library| library.version.as_ref());
            let version = offer.text.parse::<Version>();
            offer.wheel.is_ok()
                && version.is_ok_and(|version| {
                    let is_newer = own.is_none_or(|own| {
                        own.parse::<Version>().is_ok_and(|own| own < version)
                            && UpgradeLevel::between(own, &offer.text) <= most
                    });
                    is_newer
                        && broken.wants.allow(&version)
                        && installed::all_allow(after, &broken.about, &version, environment)
                })
        };
        let chosen = match library {
            Some(_) => offered.iter().find(is_allowed),
            None => offered.iter().rev().find(is_allowed),
        };
        let Some(Offer { text, wheel: Ok(wheel) }) = chosen else { return Ok(Err(None)) };
        let component = library.map_or(broken.about.as_str(), |library| library.name.as_str());
        let (archive, attested_by) = match self.fetched(component, text, wheel.clone(), work)? {
            Ok(found) => found,
            Err(reason) => return Ok(Err(Some(reason))),
        };
        Ok(Ok(StoreStep {
            component: component.to_owned(),
            // of what is new it is known when its wheel is read
            path: library.map(|library| library.path.clone()),
            from: library.map(|library| library.version.clone()),
            to: Some(text.as_str().into()),
            archive: Some(archive),
            unpack: None,
            attested_by,
            because: vec![Because::Beside {
                component: parent.component.clone(),
                relation: broken.line.clone(),
            }],
        }))
    }
}
