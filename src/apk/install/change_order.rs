//! The order in which apk goes through all packages in a commit: it is the order in which
//! triggers are run.
//!
//! In come what is installed and what the user asked for; out come the packages, each after what
//! it depends on. Source: apk-tools 2.14, `src/solver.c` (`generate_changeset`,
//! `cset_gen_name_change`).

use std::collections::{HashMap, HashSet};

use super::super::dependency::Dependency;
use super::Run;
use super::ownership::{Package, PackageKey};

/// A walk over what is installed.
struct Walk<'a> {
    packages: HashMap<PackageKey, &'a Package>,
    /// Which package stands for a name: its own, or one that provides it.
    chosen: HashMap<&'a str, PackageKey>,
    /// Packages that are there because of others, by a name that they wait for.
    install_if: HashMap<&'a str, Vec<PackageKey>>,
    seen: HashSet<PackageKey>,
    names: HashSet<&'a str>,
    order: Vec<PackageKey>,
}

impl Run<'_> {
    /// The installed packages in the order of a commit.
    pub(super) fn change_order(&self) -> Vec<PackageKey> {
        let mut walk = Walk {
            packages: self.ownership.iter().collect(),
            chosen: HashMap::new(),
            install_if: HashMap::new(),
            seen: HashSet::new(),
            names: HashSet::new(),
            order: Vec::new(),
        };
        for (key, package) in self.ownership.iter() {
            walk.chosen.insert(package.name(), key);
            for dependency in &package.record.install_if {
                walk.install_if.entry(dependency.name.as_ref()).or_default().push(key);
            }
        }
        for (key, package) in self.ownership.iter() {
            for provided in &package.record.provides {
                walk.chosen.entry(provided.name.as_ref()).or_insert(key);
            }
        }
        for dependency in &self.world {
            walk.dependency(dependency);
        }
        for (key, _) in self.ownership.iter() {
            walk.package(key);
        }
        walk.order
    }
}

/// Something to do when what is above it on the stack is done.
enum Visit<'a> {
    Enter(PackageKey),
    Leave(PackageKey, &'a Package),
}

impl<'a> Walk<'a> {
    fn dependency(&mut self, dependency: &Dependency) {
        if let Some(key) = self.chosen.get(dependency.name.as_ref()).copied() {
            self.package(key);
        }
    }

    /// Visits a package after its dependencies, and then what is there because of it.
    fn package(&mut self, key: PackageKey) {
        let mut stack = vec![Visit::Enter(key)];
        while let Some(visit) = stack.pop() {
            match visit {
                Visit::Enter(key) => {
                    let Some(package) = self.packages.get(&key).copied() else { continue };
                    if !self.seen.insert(key) {
                        continue;
                    }
                    self.names.insert(package.name());
                    self.names.extend(package.record.provides.iter().map(|p| p.name.as_ref()));
                    stack.push(Visit::Leave(key, package));
                    let needed = package.record.depends.iter().rev();
                    stack.extend(
                        needed
                            .filter_map(|needed| self.chosen.get(needed.name.as_ref()))
                            .map(|key| Visit::Enter(*key)),
                    );
                }
                Visit::Leave(key, package) => {
                    self.order.push(key);
                    let following = self.following(package);
                    stack.extend(following.into_iter().rev().map(Visit::Enter));
                }
            }
        }
    }

    /// Packages whose conditions are met, one of them by `package`.
    fn following(&self, package: &'a Package) -> Vec<PackageKey> {
        let provided = package.record.provides.iter().map(|provided| provided.name.as_ref());
        let names = std::iter::once(package.name()).chain(provided);
        let waiting = names.flat_map(|name| self.install_if.get(name)).flatten().copied();
        let is_met = |key: &PackageKey| {
            self.packages.get(key).is_some_and(|package| {
                let mut wanted = package.record.install_if.iter();
                wanted.all(|wanted| self.names.contains(wanted.name.as_ref()))
            })
        };
        waiting.filter(is_met).collect()
    }
}
