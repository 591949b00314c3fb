//! What is wanted: each finding is matched to installed packages, and those of their candidates
//! that reach its fix become targets. In come requests; out come [`Targets`], with a reason for
//! every finding that nothing can be done for.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use imgfix_model::component::Component;
use imgfix_model::finding::{Finding, Severity};
use imgfix_model::package::PackageId;
use imgfix_model::plan::{KeptBack, Unfixed};
use imgfix_model::platform::Platform;
use imgfix_model::reason::{Reason, UnknownFix};
use imgfix_solve::solver::Solvable;
use imgfix_versions::VersionOrder;

use super::{Family, Lock, Offer, Request, Slot};
use crate::judge::{self, Claims, Concern, Demand, State, concerned};

/// The targets as they are collected, then decided.
pub(super) struct Targets<'a> {
    pub(super) family: &'a dyn Family,
    pub(super) barred: &'a BTreeMap<PackageId, Reason>,
    /// The slots as the judge sees them, in their order.
    pub(super) components: Vec<Component<'a>>,
    /// Wanted candidates by slot (position in [`Family::slots`]).
    pub(super) wanted: BTreeMap<usize, Solvable>,
    pub(super) urgency: BTreeMap<usize, Severity>,
    /// Findings that wait for slots to reach their candidates.
    pub(super) waiting: Vec<Waiting>,
    pub(super) unfixed: Vec<Unfixed>,
    pub(super) kept_back: Vec<KeptBack>,
    pub(super) already_fixed: Vec<Finding>,
    pub(super) advised: BTreeMap<Finding, Vec<String>>,
}

/// A finding, and the slots whose candidates it waits for.
pub(super) struct Waiting {
    pub(super) finding: Finding,
    pub(super) slots: BTreeSet<usize>,
    /// Why it is not fixed though all of them reach their candidates; `None`: it is.
    pub(super) left: Option<Reason>,
}

impl<'a> Targets<'a> {
    pub(super) fn new(family: &'a dyn Family, barred: &'a BTreeMap<PackageId, Reason>) -> Self {
        Self {
            family,
            barred,
            components: family.slots().iter().map(Component::from).collect(),
            wanted: BTreeMap::new(),
            urgency: BTreeMap::new(),
            waiting: Vec::new(),
            unfixed: Vec::new(),
            kept_back: Vec::new(),
            already_fixed: Vec::new(),
            advised: BTreeMap::new(),
        }
    }

    /// Without a report: every package that has a candidate.
    pub(super) fn everything(&mut self) {
        for (at, slot) in self.family.slots().iter().enumerate() {
            match (&slot.candidate, self.locked(slot)) {
                (Some((candidate, _)), None) => {
                    self.wanted.insert(at, *candidate);
                }
                (Some((_, offer)), Some(reason)) => self.keep_back(slot, offer, reason),
                (None, _) => {
                    if let (Some(newest), Some(reason)) = (&slot.newest, &slot.passed_over) {
                        self.keep_back(slot, newest, reason.clone());
                    }
                }
            }
        }
    }

    pub(super) fn keep_back(&mut self, slot: &Slot, offer: &Offer, reason: Reason) {
        self.kept_back.push(KeptBack {
            package: slot.id.clone(),
            version: offer.version.clone(),
            reason,
        });
    }

    pub(super) fn request(&mut self, request: &Request, platform: &Platform) {
        let finding = &request.finding;
        let elsewhere = finding
            .platform
            .as_ref()
            .and_then(|wanted| wanted.parse::<Platform>().ok())
            .is_some_and(|wanted| !platform.matches(&wanted));
        if elsewhere {
            return;
        }
        if let Some(reason) = &request.settled {
            return self.leave(finding, reason.clone());
        }
        let family = self.family;
        let order = family.order();
        let slots = match concerned(finding, &self.components, |a, b| a == b) {
            Concern::Components(slots) => slots,
            Concern::Nothing => return self.leave(finding, Reason::NotOwned),
            Concern::OtherArchitecture { wanted, installed } => {
                return self.leave(finding, Reason::OtherArchitecture { wanted, installed });
            }
        };
        let reach = match self.demand(finding, order) {
            Demand::Versions(claims) => self.reach(finding, &claims, &slots, order),
            Demand::NeverAffected => Reach::default(),
            Demand::OtherRelease(release) => {
                return self.leave(finding, Reason::OtherRelease { release });
            }
            Demand::NoFix(status) => return self.leave(finding, Reason::no_fix(status)),
            Demand::Unknown(because) => self.newest(&because, &slots),
        };
        match (reach.slots.is_empty(), reach.left) {
            (true, Some(reason)) => self.leave(finding, reason),
            (true, None) => self.already_fixed.push(finding.clone()),
            (false, left) => {
                for &at in &reach.slots {
                    let slot = family.slots().get(at);
                    // what a report asks for itself comes before what advisories lead to
                    if let Some((advised, _)) = self.led_to(finding, at) {
                        self.wanted.entry(at).or_insert(advised);
                    } else if let Some((candidate, _)) = slot.and_then(|s| s.candidate.as_ref()) {
                        self.wanted.insert(at, *candidate);
                    }
                    let urgency = self.urgency.entry(at).or_insert(finding.severity);
                    *urgency = finding.severity.max(*urgency);
                }
                self.waiting.push(Waiting { finding: finding.clone(), slots: reach.slots, left });
            }
        }
    }

    /// What the finding demands, or, where it names no version, the vendor's advisories for it.
    fn demand(&mut self, finding: &Finding, order: VersionOrder) -> Demand {
        let demand = Demand::of(finding, order);
        if !matches!(demand, Demand::Unknown(_) | Demand::NoFix(_)) {
            return demand;
        }
        let advised = self.family.advised(finding);
        if advised.is_empty() {
            return demand;
        }
        let advised = self.advised.entry(finding.clone()).or_insert(advised);
        Demand::of(&finding.with_fixed(advised), order)
    }

    /// The version that advisories for a finding lead to, where it is they that name the fix.
    fn led_to(&self, finding: &Finding, slot: usize) -> Option<(Solvable, Offer)> {
        let is_advised = self.advised.contains_key(finding);
        is_advised.then(|| self.family.advised_candidate(finding, slot)).flatten()
    }

    pub(super) fn leave(&mut self, finding: &Finding, reason: Reason) {
        self.unfixed.push(Unfixed { finding: finding.clone(), reason });
    }

    /// Those of `slots` that must be upgraded for the finding, and what is left then. Of reports
    /// that disagree the strictest counts; what satisfies only some of them is better than
    /// nothing.
    fn reach(
        &self,
        finding: &Finding,
        claims: &Claims,
        slots: &[usize],
        order: VersionOrder,
    ) -> Reach {
        let mut reach = Reach::default();
        for &at in slots {
            let Some(slot) = self.family.slots().get(at) else { continue };
            let before = Some(slot.installed.at());
            let state = |offer: &Offer| claims.state(finding, before, offer.at(), order);
            let now = state(&slot.installed);
            if now == State::Free {
                continue;
            }
            let advised = self.led_to(finding, at);
            let candidate = advised.as_ref().or(slot.candidate.as_ref());
            let then = candidate.map(|(_, offer)| (state(offer), offer));
            // of several advisories for one problem, the first ones are better than nothing
            let better = |then: &State| {
                *then == State::Free
                    || (now == State::Affected && (*then != now || advised.is_some()))
            };
            let unreached = || {
                let newest = slot.newest.as_ref();
                let passed_over = slot
                    .passed_over
                    .as_ref()
                    .filter(|_| newest.is_some_and(|newest| state(newest) == State::Free));
                let installed = slot.installed.version.as_ref();
                passed_over
                    .cloned()
                    .or_else(|| judge::reason(finding, claims, now.clone(), installed))
                    // what nothing can be done with was not looked for, either
                    .or_else(|| self.locked(slot).filter(|_| newest.is_none()))
                    .unwrap_or_else(|| Reason::NotInRepositories {
                        wanted: wanted(claims, order),
                        newest: newest.map(|offer| offer.version.to_string()),
                    })
            };
            let left = match then {
                Some((then, offer)) if better(&then) => match self.locked(slot) {
                    Some(reason) => Some(reason),
                    None => {
                        reach.slots.insert(at);
                        match then {
                            State::Affected => Some(unreached()),
                            then => judge::reason(finding, claims, then, offer.version.as_ref()),
                        }
                    }
                },
                _ => Some(unreached()),
            };
            reach.left = reach.left.or(left);
        }
        reach
    }

    /// Where no fixed version is known: everything that the repositories have newer.
    fn newest(&self, because: &UnknownFix, slots: &[usize]) -> Reach {
        let mut reach = Reach::default();
        for &at in slots {
            let Some(slot) = self.family.slots().get(at) else { continue };
            let reason = match (&slot.candidate, self.locked(slot)) {
                (Some(_), Some(reason)) => reason,
                (Some((_, offer)), None) => {
                    reach.slots.insert(at);
                    let upgraded_to = offer.version.to_string();
                    Reason::Unproven { upgraded_to, because: because.clone() }
                }
                (None, _) => slot.passed_over.clone().unwrap_or_else(|| Reason::FixUnknown {
                    because: because.clone(),
                    installed: slot.installed.version.to_string(),
                }),
            };
            reach.left.get_or_insert(reason);
        }
        reach
    }

    /// Why the package must not be upgraded, if so.
    pub(super) fn locked(&self, slot: &Slot) -> Option<Reason> {
        match &slot.lock {
            Lock::Free => {}
            Lock::Held { by } => {
                return Some(Reason::Held { package: slot.id.name.to_string(), by: by.clone() });
            }
            Lock::Broken { detail } => {
                return Some(Reason::UnsupportedImage { detail: detail.clone() });
            }
        }
        let candidate =
            slot.candidate.as_ref().map(|(candidate, _)| self.family.package(*candidate));
        self.barred
            .get(&slot.id)
            .or_else(|| candidate.and_then(|package| self.barred.get(&package)))
            .cloned()
    }
}

/// What a finding asks of the slots that it concerns.
#[derive(Default)]
struct Reach {
    /// To be upgraded to their candidates.
    slots: BTreeSet<usize>,
    /// Why that is not enough; `None`: it is.
    left: Option<Reason>,
}

/// The fixed versions, the newest first.
fn wanted(claims: &Claims, order: VersionOrder) -> String {
    let mut versions: Vec<&str> = claims.versions().collect();
    versions.sort_by(|a, b| order.compare(b, a).unwrap_or(Ordering::Equal));
    versions.join(" or ")
}
