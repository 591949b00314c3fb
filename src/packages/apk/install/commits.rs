//! Which packages of a set apk installs before it starts itself anew: `apk upgrade` upgrades
//! apk-tools first, with nothing but what that needs, and has the new apk do the rest. Triggers
//! are run after each of the two.
//!
//! In come the set and what is installed; out come the commits. Source: apk-tools 2.14,
//! `src/app_upgrade.c` (`apk_do_self_upgrade`).

use super::super::dependency::{Constraint, Dependency};
use super::super::record::Record;
use super::NewPackage;
use super::ownership::Ownership;

const APK_TOOLS: &str = "apk-tools";

/// The packages of each commit, in the order of the set; commits without packages are left out.
pub(super) fn commits<'a>(
    packages: &'a [NewPackage],
    ownership: &Ownership,
) -> Vec<Vec<&'a NewPackage>> {
    let is_first = first(packages, ownership);
    let (before, after): (Vec<_>, Vec<_>) =
        packages.iter().zip(is_first).partition(|(_, is_first)| *is_first);
    let groups = [before, after].map(|group| group.into_iter().map(|(new, _)| new).collect());
    groups.into_iter().filter(|group: &Vec<_>| !group.is_empty()).collect()
}

/// Whether each package is in the first commit.
fn first(packages: &[NewPackage], ownership: &Ownership) -> Vec<bool> {
    let mut is_first = vec![false; packages.len()];
    let apk = packages.iter().position(|new| new.record.name.0 == APK_TOOLS);
    let mut pending: Vec<usize> = apk.into_iter().collect();
    if ownership.find(APK_TOOLS).is_none() {
        return is_first;
    }
    while let Some(at) = pending.pop() {
        let (Some(new), Some(seen)) = (packages.get(at), is_first.get_mut(at)) else { continue };
        if std::mem::replace(seen, true) {
            continue;
        }
        for needed in new.record.depends.iter().filter(|needed| !needed.conflict) {
            let is_installed = || ownership.iter().any(|(_, one)| provides(&one.record, needed));
            if !is_installed() {
                pending.extend(packages.iter().position(|one| provides(&one.record, needed)));
            }
        }
    }
    is_first
}

/// Whether a package is what a dependency asks for, or provides it.
fn provides(record: &Record, needed: &Dependency) -> bool {
    let allows = |version| match (&needed.constraint, &record.identity) {
        (Constraint::Any, _) => true,
        (constraint, Some(identity)) => constraint.allows(version, identity),
        (_, None) => false,
    };
    if record.name == needed.name {
        return allows(Some(&record.version));
    }
    record.provides.iter().filter(|provided| provided.name == needed.name).any(|provided| {
        match &provided.constraint {
            Constraint::Version(_, version) => allows(Some(version)),
            Constraint::Any | Constraint::Identity(_) => allows(None),
        }
    })
}
