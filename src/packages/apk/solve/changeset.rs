//! The order in which apk commits changes.
//!
//! In come the steps of a plan; out come edges that leave one order only. apk goes through
//! `world` in the order of its names, then through the database, and puts each package behind
//! what it depends on, in the order of its `depends`; what an `install_if` brings comes behind
//! the last package it waits for. (apk looks there at every package of which some version waits
//! so; when the chosen version does not, it comes right there.) Circles end where they began. Source: apk-tools 2.14,
//! `src/solver.c` (`generate_changeset`, `cset_gen_name_change`).
//!
//! A newer apk-tools is a transaction of its own for `apk upgrade`, with the least that it
//! needs, before all others (`src/app_upgrade.c`, `apk_do_self_upgrade`).
//!
//! What this cannot know: of several packages that provide a name without a version, which one
//! apk's solver chose first.

use std::collections::BTreeSet;

use super::install_if::Present;
use super::{ApkUniverse, is_about, provided, provided_names};
use crate::packages::PackageName;
use crate::packages::apk::record::Record;
use crate::plan::order::{Edge, Strength};
use crate::plan::solver::{Solvable, Task, Universe as _, smallest};

/// What is left to do, last first.
enum Visit {
    /// The chosen provider of a name.
    Name(String),
    /// A position whose dependencies are done.
    Record(usize),
    /// A package that waits by `install_if` for one that is done.
    Waiting(usize),
}

/// One walk through `world` and the database.
struct Walk<'a> {
    universe: &'a ApkUniverse<'a>,
    present: &'a Present,
    /// Names that are done, provided ones included.
    processed: BTreeSet<String>,
    done: BTreeSet<usize>,
    order: Vec<Solvable>,
}

impl ApkUniverse<'_> {
    /// Edges from each step to the next.
    pub(super) fn changeset_edges(&self, steps: &[Solvable]) -> BTreeSet<Edge> {
        let order = self.install_order(steps);
        let at: Vec<usize> = order
            .iter()
            .filter_map(|solvable| steps.iter().position(|step| step == solvable))
            .collect();
        at.windows(2)
            .filter_map(|pair| match pair {
                [earlier, later] => {
                    Some(Edge { earlier: *earlier, later: *later, strength: Strength::Unpacked })
                }
                _ => None,
            })
            .collect()
    }

    fn install_order(&self, steps: &[Solvable]) -> Vec<Solvable> {
        let first = self.self_upgrade(steps);
        let mut order = self.walk(&first);
        order.retain(|solvable| first.contains(solvable));
        let then = self.walk(steps).into_iter();
        let then: Vec<Solvable> =
            then.filter(|step| steps.contains(step) && !order.contains(step)).collect();
        order.extend(then);
        order
    }

    /// The steps that apk does before all others, to upgrade itself.
    fn self_upgrade(&self, steps: &[Solvable]) -> Vec<Solvable> {
        let is_apk = |solvable: &&Solvable| {
            self.is_upgrade(**solvable)
                && self.member(**solvable).is_some_and(|m| m.record().name.0 == "apk-tools")
        };
        let Some(&apk) = steps.iter().find(is_apk) else { return Vec::new() };
        let keep = self.keep.clone();
        let task = Task { keep, targets: BTreeSet::from([apk]), ..Task::default() };
        let needed = smallest(self, &task).unwrap_or_default();
        needed.into_iter().filter(|solvable| steps.contains(solvable)).collect()
    }

    fn is_upgrade(&self, solvable: Solvable) -> bool {
        let name = self.name(solvable);
        self.candidates(name).iter().any(|&other| self.is_installed(other))
    }

    /// Everything that is there after `changes`, in the order of apk's changeset.
    fn walk(&self, changes: &[Solvable]) -> Vec<Solvable> {
        let present = self.present(changes);
        let mut walk = Walk {
            universe: self,
            present: &present,
            processed: BTreeSet::new(),
            done: BTreeSet::new(),
            order: Vec::new(),
        };
        let mut world: Vec<&str> =
            self.image.world.iter().map(|entry| entry.name.0.as_str()).collect();
        world.sort_by_cached_key(|name| (name.to_ascii_lowercase(), (*name).to_owned()));
        let database = self.image.packages.iter().map(|record| record.name.0.as_str());
        for name in world.into_iter().chain(database) {
            walk.visit(name);
        }
        walk.order
    }
}

impl Walk<'_> {
    fn visit(&mut self, name: &str) {
        let mut left = vec![Visit::Name(name.to_owned())];
        while let Some(visit) = left.pop() {
            match visit {
                Visit::Name(name) => self.name(&name, &mut left),
                Visit::Record(at) => {
                    if let Some((solvable, member)) = self.present.members.get(at) {
                        self.order.push(*solvable);
                        let waiting = self.waiting_for(member.record());
                        left.extend(waiting.into_iter().rev().map(Visit::Waiting));
                    }
                }
                Visit::Waiting(at) => {
                    if let Some(name) = self.may_follow(at) {
                        left.push(Visit::Name(name));
                    }
                }
            }
        }
    }

    fn name(&mut self, name: &str, left: &mut Vec<Visit>) {
        if !self.processed.insert(name.to_owned()) {
            return;
        }
        let Some(at) = self.chosen(name) else { return };
        let Some((_, member)) = self.present.members.get(at) else { return };
        if !self.done.insert(at) {
            return;
        }
        let record = member.record();
        self.processed.extend(provided_names(record).into_iter().map(str::to_owned));
        left.push(Visit::Record(at));
        let depends = record.depends.iter().rev();
        left.extend(depends.map(|dependency| Visit::Name(dependency.name.0.clone())));
    }

    /// The provider of a name: the package called so before others.
    fn chosen(&self, name: &str) -> Option<usize> {
        let providers = self.present.providers.get(name)?;
        self.own(name).or(providers.first().copied())
    }

    /// Packages of which some version has a name that `record` provides in its `install_if`.
    fn waiting_for(&self, record: &Record) -> Vec<usize> {
        let mut out = Vec::new();
        for (name, _) in provided(record) {
            let installed = self.universe.image.packages.iter().copied();
            let installed: Vec<PackageName> =
                installed.filter(|one| waits(one, name)).map(|one| one.name.clone()).collect();
            let offered = self.universe.index.installed_if(name).into_iter();
            let offered = offered.map(|available| available.record.name.clone());
            for waiting in installed.into_iter().chain(offered) {
                out.extend(self.own(&waiting.0).filter(|at| !out.contains(at)));
            }
        }
        out
    }

    /// The position of the package of that name.
    fn own(&self, name: &str) -> Option<usize> {
        let providers = self.present.providers.get(name)?;
        providers.iter().copied().find(|&at| {
            let member = self.present.members.get(at);
            member.is_some_and(|(_, member)| member.record().name.0 == name)
        })
    }

    /// The name of the waiting package when all that it waits for is done.
    fn may_follow(&self, at: usize) -> Option<String> {
        let (_, member) = self.present.members.get(at)?;
        let record = member.record();
        let done = record.install_if.iter().all(|entry| {
            let mut about = self.present.providing(&entry.name.0);
            let there = about.any(|(_, member)| is_about(entry, member.record()));
            self.processed.contains(&entry.name.0) && there != entry.conflict
        });
        done.then(|| record.name.0.clone())
    }
}

fn waits(record: &Record, name: &str) -> bool {
    record.install_if.iter().any(|entry| entry.name.0 == name)
}
