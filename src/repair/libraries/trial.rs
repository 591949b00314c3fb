//! Plan, try, bar, plan again: the changes of one store until they can be done together.
//!
//! In come copies with problems; each gets the smallest version that fixes most. What the manager
//! bars goes to its next version, and is left with the first reason when there is none. A result
//! with a problem of the same report that was not there before is taken back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use imgfix_model::component::{Component, Library};
use imgfix_model::finding::{Class, Finding};
use imgfix_model::path::ImagePath;
use imgfix_model::plan::{Because, StorePlan, StoreStep, Unfixed};
use imgfix_model::reason::Reason;
use imgfix_terminal::count;
use imgfix_versions::VersionText;
use imgfix_vfs::{FileSystem, Overlay};

use super::LibraryStore;
use super::manager::{Barred, Change, LibraryManager, Outcome, Resolved, Versions};
use super::targets::{Target, all_left};
use crate::error::RepairerError;
use crate::judge::{Components, Demand, State};
use crate::repairer::{Done, Part, Repairer as _, Work};

/// How many versions of one library are tried, when the first ones cannot be installed.
const MAX_VERSIONS: usize = 8;

/// Changes of one store, tried together.
pub(super) struct Trial<'a> {
    pub store: &'a LibraryStore,
    pub manager: &'a dyn LibraryManager,
    pub work: &'a Work<'a>,
}

/// A target with the versions that it may go to.
struct Chosen<'a> {
    target: Target<'a>,
    /// Those not tried yet; the first is.
    versions: VecDeque<VersionText>,
    /// The ids that they fix, sorted.
    fixes: Vec<String>,
    /// Why the first version could not be.
    barred: Option<Reason>,
}

impl Chosen<'_> {
    fn change(&self) -> Option<Change<'_>> {
        let to = self.versions.front()?;
        Some(Change { library: self.target.library, to, fixes: &self.fixes })
    }

    /// Goes on to the next version; the first reason is told when there is none.
    fn bar(&mut self, reason: Reason) {
        self.versions.pop_front();
        self.barred.get_or_insert(reason);
    }

    /// What is left of its problems when nothing could be done.
    fn left(&self) -> impl Iterator<Item = Unfixed> + '_ {
        let reason = self.barred.as_ref().filter(|_| self.versions.is_empty());
        let fixes = |finding: &Finding| self.fixes.binary_search(&finding.id).is_ok();
        all_left(&self.target, reason).filter(move |one| fixes(&one.finding))
    }
}

impl<'a> Trial<'a> {
    /// Tries until what is chosen can be done together.
    ///
    /// # Errors
    /// What no single library is to blame for.
    pub fn settle(&self, targets: Vec<Target<'a>>, mut done: Done) -> Result<Done, RepairerError> {
        let (progress, platform) = (&self.work.edge.progress, &self.work.context.platform);
        let what = format!("{platform}: {}", self.store.libraries.store);
        let asking = progress.step(&format!("{what}: asking for versions"));
        let mut chosen = Vec::new();
        let mut stays = Vec::new();
        for target in targets {
            self.choose(target, &done.overlay, &mut chosen, &mut stays)?;
        }
        drop(asking);
        let mitigations = self.mitigations(&stays, &done.overlay)?;
        let mut result = self.together(&mut chosen, mitigations.clone(), &done.overlay)?;
        // a copy that no version can be had for may still be put out of danger
        let left = |one: &Chosen<'a>| {
            let library = one.target.library;
            one.left().map(|unfixed| (library, unfixed)).collect::<Vec<_>>()
        };
        let all: Vec<_> = stays.iter().cloned().chain(chosen.iter().flat_map(left)).collect();
        let more = self.mitigations(&all, &done.overlay)?;
        if more != mitigations {
            result = self.together(&mut chosen, more, &done.overlay)?;
        }
        done.unfixed.extend(stays.into_iter().map(|(_, unfixed)| unfixed));
        done.unfixed.extend(chosen.iter().flat_map(Chosen::left));
        if let Some((overlay, steps)) = result {
            let store = self.store.libraries.store.clone();
            done.part = Part::Store(StorePlan { store, steps });
            done.overlay = overlay;
        }
        Ok(done)
    }

    /// The versions for a target; problems that none of them fixes stay.
    fn choose(
        &self,
        target: Target<'a>,
        fs: &dyn FileSystem,
        chosen: &mut Vec<Chosen<'a>>,
        stays: &mut Vec<(&'a Library, Unfixed)>,
    ) -> Result<(), RepairerError> {
        let library = target.library;
        let refusal = match self.work.choice.refusal_of(&library.name) {
            Some(reason) => Some(reason),
            None => self.manager.obstacle(fs, library).map_err(RepairerError::Family)?,
        };
        let offered = match refusal {
            Some(reason) => Versions::Left(reason),
            None => self.manager.versions(fs, library, self.work)?,
        };
        let offered = match offered {
            Versions::Known(offered) => offered,
            Versions::Left(reason) => {
                stays.extend(all_left(&target, Some(&reason)).map(|one| (library, one)));
                return Ok(());
            }
        };
        let components = self.store.components();
        let candidates =
            target.candidates(&offered, self.work.choice.library_upgrades, &components);
        let mut fixes: BTreeSet<String> =
            target.problems.iter().map(|(finding, _)| finding.id.clone()).collect();
        for (at, reason) in candidates.left {
            let Some((finding, _)) = target.problems.get(at) else { continue };
            fixes.remove(&finding.id);
            stays.push((library, Unfixed { finding: (*finding).clone(), reason }));
        }
        let versions = candidates.versions.into_iter().take(MAX_VERSIONS).collect();
        let fixes = fixes.into_iter().collect();
        chosen.push(Chosen { target, versions, fixes, barred: None });
        Ok(())
    }

    /// Steps that put what stays out of use, where one is known, one a copy.
    fn mitigations(
        &self,
        stays: &[(&'a Library, Unfixed)],
        fs: &dyn FileSystem,
    ) -> Result<Vec<StoreStep>, RepairerError> {
        let mut by_copy: BTreeMap<&ImagePath, (&Library, BTreeSet<String>)> = BTreeMap::new();
        for (library, unfixed) in stays {
            let of_copy = by_copy.entry(&library.path).or_insert((library, BTreeSet::new()));
            of_copy.1.insert(unfixed.finding.id.clone());
        }
        let mut steps = Vec::new();
        for (library, ids) in by_copy.into_values() {
            let ids: Vec<String> = ids.into_iter().collect();
            let step = self.manager.mitigate(fs, library, &ids).map_err(RepairerError::Family)?;
            steps.extend(step.map(mitigating));
        }
        Ok(steps)
    }

    /// Does what can be done together; `None`: nothing can.
    fn together(
        &self,
        chosen: &mut [Chosen<'a>],
        mut mitigations: Vec<StoreStep>,
        original: &Overlay,
    ) -> Result<Option<(Overlay, Vec<StoreStep>)>, RepairerError> {
        let (progress, platform) = (&self.work.edge.progress, &self.work.context.platform);
        let mut trying = None;
        loop {
            let changes: Vec<Change<'_>> = chosen.iter().filter_map(Chosen::change).collect();
            let upgraded: BTreeSet<ImagePath> =
                changes.iter().map(|change| change.library.path.clone()).collect();
            let other =
                |step: &&StoreStep| step.path.as_ref().is_none_or(|path| !upgraded.contains(path));
            mitigations.retain(|step| other(&step));
            if changes.is_empty() && mitigations.is_empty() {
                return Ok(None);
            }
            // told once, however many versions it takes
            trying.get_or_insert_with(|| {
                let what = count(changes.len() + mitigations.len(), "component");
                progress.step(&format!("{platform}: {}: trying {what}", self.store.libraries.store))
            });
            let barred = match self.manager.resolve(original, &changes, self.work)? {
                Resolved::Barred(barred) => barred,
                Resolved::Steps(mut steps) => {
                    // what comes along with another has a new version, too
                    let new: BTreeSet<_> = steps.iter().map(|step| step.path.clone()).collect();
                    let stays = mitigations.iter().filter(|step| !new.contains(&step.path));
                    steps.extend(stays.cloned());
                    match self.manager.apply(original.clone(), &steps, self.work)? {
                        Outcome::Barred(barred) => barred,
                        Outcome::Applied(overlay) => match self.worse(&overlay, &steps) {
                            None => return Ok(Some((overlay, steps))),
                            Some(barred) => barred,
                        },
                    }
                }
            };
            progress.detail(&format!("{} is left alone: {}", barred.path, barred.reason));
            let is_known = upgraded.contains(&barred.path);
            let before = mitigations.len();
            mitigations.retain(|step| step.path.as_ref() != Some(&barred.path));
            if mitigations.len() != before {
                // it does not keep the others from being done
                continue;
            }
            if !is_known && upgraded.is_empty() {
                // a mitigation that cannot be: nothing is left to try
                return Ok(None);
            }
            for one in chosen.iter_mut() {
                // one that nobody chose: whatever brings it
                if !is_known || one.target.library.path == barred.path {
                    one.bar(barred.reason.clone());
                }
            }
        }
    }

    /// Which change brings a problem of the same report that was not there.
    fn worse(&self, overlay: &Overlay, steps: &[StoreStep]) -> Option<Barred> {
        let after = self.manager.list(overlay)?;
        let (before, after) = (self.store.components(), self.store.components_of(&after));
        let has = |finding: &Finding, one: &Component<'_>, of: &Components<'_>| {
            let claims = match of.demand(finding) {
                Demand::Versions(claims) => claims,
                Demand::NeverAffected => return false,
                // all that is known is which version the scanner saw
                _ => return finding.installed == one.version,
            };
            of.state(&claims, finding, one, &before) != State::Free
        };
        let changed = |one: &&Component<'_>| {
            before.same(one).is_none_or(|former| former.version != one.version)
        };
        for one in after.all.iter().filter(changed) {
            let named = |finding: &&Finding| {
                finding.class == Class::Library
                    && (self.store.same_name)(one.name, &finding.package)
            };
            let brought = self.work.findings.iter().filter(named).find(|finding| {
                let had = before.same(one).is_some_and(|former| has(finding, former, &before));
                has(finding, one, &after) && !had
            });
            let Some(finding) = brought else { continue };
            let reason = Reason::Worse {
                component: format!("{} {}", one.name, one.version),
                finding: finding.id.clone(),
            };
            let path = self.cause(one, steps);
            return Some(Barred { path, reason });
        }
        None
    }

    /// The record of the change that brought a component.
    fn cause(&self, component: &Component<'_>, steps: &[StoreStep]) -> ImagePath {
        let mut name = component.name.to_owned();
        // a component is brought by one that is brought by another, and so on
        for _ in 0..steps.len() {
            let is_it = |step: &&StoreStep| (self.store.same_name)(&step.component, &name);
            let Some(step) = steps.iter().find(is_it) else { break };
            let brought_by = step.because.iter().find_map(|because| match because {
                Because::Beside { component, .. } => Some(component.clone()),
                _ => None,
            });
            match (brought_by, &step.path) {
                (Some(by), _) => name = by,
                (None, Some(path)) => return path.clone(),
                (None, None) => break,
            }
        }
        component.path.cloned().unwrap_or_else(ImagePath::root)
    }
}

/// A step that puts out of use what other steps would fix.
fn mitigating(mut step: StoreStep) -> StoreStep {
    for because in &mut step.because {
        if let Because::Fixes { findings } = because {
            *because = Because::Mitigates { findings: std::mem::take(findings) };
        }
    }
    step
}
