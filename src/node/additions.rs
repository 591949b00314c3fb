//! What a new version needs and does not find.
//!
//! In comes such a need; out comes a change of the copy that is found, where all who find it allow
//! one, or a new copy below the package. A new copy is taken back when the one above can serve for
//! both in the end, and what is left of them has to be allowed by the user.

use std::collections::BTreeMap;

use imgfix_model::path::ImagePath;
use imgfix_model::plan::Because;
use imgfix_model::reason::Reason;
use imgfix_model::upgrade::UpgradeLevel;
use imgfix_repair::error::RepairerError;
use imgfix_repair::libraries::Barred;
use imgfix_versions::VersionText;

use crate::constraints::constrained;
use crate::install::is_in_pnpm_store;
use crate::modules::{Broken, Found, Modules};
use crate::packument::Published;
use crate::planning::{Planning, Tried, Wanted, by_version};
use crate::project_files::folder_name;
use crate::spec::Spec;
use crate::{ORDER, obstacles, records};

impl Planning<'_> {
    /// What a new version needs and does not find: its own copy changes, or comes.
    pub(crate) fn bring(
        &self,
        broken: &Broken,
        changed: &Wanted,
        after: &Modules,
        wanted: &mut BTreeMap<ImagePath, Wanted>,
    ) -> Tried<()> {
        let origin = changed.origin.clone();
        let barred = |reason| Ok(Err(Barred { path: origin.clone(), reason }));
        let constraint = || constrained(after, broken);
        let relation = format!("\"{}\": \"{}\"", broken.name, broken.spec);
        let component = changed.published.manifest.name.clone();
        let because = Because::Beside { component: component.clone(), relation: relation.clone() };
        let own = broken.by.join("node_modules").and_then(|below| below.join(&broken.name));
        let Ok(own) = own else { return barred(constraint()) };
        let (name, spec) = match Spec::parse(&broken.spec) {
            Spec::Alias { name, spec } => (name, *spec),
            Spec::Elsewhere => return barred(constraint()),
            spec => (broken.name.clone(), spec),
        };
        // a copy whose dependants all allow another version takes it; else one comes below
        let found = match &broken.found {
            Found::Wrong(at) => Some(at.clone()),
            Found::Missing | Found::Right => None,
        };
        // one that was chosen for another reason does not change for this one
        if found.as_ref() == Some(&own) && wanted.contains_key(&own) {
            return barred(constraint());
        }
        if let Some(at) = found.filter(|at| !wanted.contains_key(at)) {
            if let Some((published, from)) = self.for_all(&at, &name, after)? {
                let from = Some(from);
                wanted.insert(at, Wanted::new(published, from, origin, because));
                return Ok(Ok(()));
            }
            if at == own {
                return barred(constraint());
            }
        }
        if let Some(reason) = self.work.choice.refusal_of(&name) {
            return barred(reason);
        }
        let packument = match self.asked.packument(&name, self.work)? {
            Ok(packument) => packument,
            Err(reason) => return barred(reason),
        };
        let mut fitting: Vec<VersionText> =
            packument.releases().filter(|one| spec.allows(&name, &name, one.as_ref())).collect();
        fitting.sort_by(|a, b| by_version(a.as_ref(), b.as_ref()));
        for one in fitting.iter().rev() {
            let Some(published) = packument.versions.get(one.as_ref()) else { continue };
            if self.unfit(published)?.is_none() {
                let published = published.clone();
                wanted.insert(own, Wanted::new(published, None, origin, because));
                return Ok(Ok(()));
            }
        }
        barred(constraint())
    }

    /// Takes back a copy that was put below a package where the one above can serve for both by
    /// now: those who asked for the old one may have changed, too. Whether there was one.
    pub(crate) fn shared(
        &self,
        wanted: &mut BTreeMap<ImagePath, Wanted>,
        after: &Modules,
    ) -> Result<bool, RepairerError> {
        let added: Vec<ImagePath> = wanted
            .iter()
            .filter(|(_, one)| one.from.is_none())
            .map(|(folder, _)| folder.clone())
            .collect();
        for folder in added {
            let mut without = after.clone();
            let below: Vec<ImagePath> =
                wanted.keys().filter(|one| one.starts_with(&folder)).cloned().collect();
            for one in &below {
                without.take(one);
            }
            let Some(needed_by) = above(&folder) else { continue };
            let Some(at) = without.find(&needed_by, &folder_name(&folder)).cloned() else {
                continue;
            };
            let serves = without.broken_since(self.before).is_empty();
            let name = match wanted.get(&folder) {
                Some(one) => one.published.manifest.name.clone(),
                None => continue,
            };
            let other = match serves {
                true => None,
                false if wanted.get(&at).is_some_and(|one| one.from.is_none()) => continue,
                false => match self.for_all(&at, &name, &without)? {
                    Some(other) => Some(other),
                    None => continue,
                },
            };
            let Some(taken) = wanted.remove(&folder) else { continue };
            for one in &below {
                wanted.remove(one);
            }
            if let Some((published, _)) = other {
                // the version that is there is what the image has, whatever was chosen meanwhile
                let installed = self.before.get(&at).map(|one| one.manifest.version.clone());
                let Wanted { origin, because, .. } = taken;
                wanted.insert(at, Wanted::new(published, installed, origin, because));
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// What comes new is put below what needs it, where the user allows that.
    pub(crate) fn may_add(&self, wanted: &BTreeMap<ImagePath, Wanted>) -> Result<(), Barred> {
        let allowed = self.work.choice.library_upgrades >= UpgradeLevel::Minor;
        for (folder, one) in wanted.iter().filter(|(_, one)| one.from.is_none()) {
            let advice = match is_in_pnpm_store(folder) {
                true => "pnpm has to install that",
                false if allowed => continue,
                false => "allow that with --library-upgrades minor",
            };
            let (component, relation) = match &one.because {
                Because::Beside { component, relation } => (component.clone(), relation.as_str()),
                _ => (one.published.manifest.name.clone(), ""),
            };
            let detail = format!("it needs {relation}, which is not there: {advice}");
            let reason = Reason::NotRepairable { component, detail };
            return Err(Barred { path: one.origin.clone(), reason });
        }
        Ok(())
    }

    /// The newest version of a copy that all who find it allow, with the older one that is there;
    /// `None`: there is none, or the copy cannot be changed.
    fn for_all(
        &self,
        at: &ImagePath,
        name: &str,
        after: &Modules,
    ) -> Result<Option<(Published, String)>, RepairerError> {
        let Some(package) = after.get(at) else { return Ok(None) };
        let is_fixed = package.manifest.name != name
            || self.before.bundled_by(at).is_some()
            || self.work.choice.refusal_of(name).is_some()
            || obstacles::of_copy(self.fs, at, &package.manifest).is_some();
        if is_fixed {
            return Ok(None);
        }
        let Ok(packument) = self.asked.packument(name, self.work)? else { return Ok(None) };
        let dependants: Vec<(String, Spec)> = after
            .dependants(at)
            .into_iter()
            .map(|(by, need)| (need.name.to_owned(), Spec::parse(after.asked(by, &need).0)))
            .collect();
        let installed = package.manifest.version.as_str();
        let allowed = |version: &VersionText| {
            let newer = ORDER.compare(version.as_ref(), installed);
            newer == Some(std::cmp::Ordering::Greater)
                && dependants
                    .iter()
                    .all(|(wanted, spec)| spec.allows(wanted, name, version.as_ref()))
        };
        let mut fitting: Vec<VersionText> = packument.releases().filter(allowed).collect();
        fitting.sort_by(|a, b| by_version(a.as_ref(), b.as_ref()));
        for one in fitting.iter().rev() {
            let Some(published) = packument.versions.get(one.as_ref()) else { continue };
            if self.unfit(published)?.is_none() {
                return Ok(Some((published.clone(), package.manifest.version.clone())));
            }
        }
        Ok(None)
    }
}

/// The package below whose `node_modules` a folder lies.
fn above(folder: &ImagePath) -> Option<ImagePath> {
    let modules = folder
        .ancestors()
        .into_iter()
        .rev()
        .find(|one| one != folder && one.file_name() == records::MODULES);
    modules?.parent()
}
