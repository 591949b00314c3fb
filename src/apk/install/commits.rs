//! Which packages of a set apk installs before it starts itself anew: `apk upgrade` upgrades
//! apk-tools first, with nothing but what that needs, and has the new apk do the rest. Triggers
//! are run after each of the two.
//!
//! In come the set, with what is taken away, and what is installed; out come the commits. What
//! goes between the two is part of the first when nothing needs it then, which is how apk sees
//! it. Source: apk-tools 2.14, `src/app_upgrade.c` (`apk_do_self_upgrade`).

use super::super::dependency::{Constraint, Dependency};
use super::super::record::Record;
use super::ownership::Ownership;
use super::{NewPackage, Purge};
use imgfix_model::package::PackageName;
use imgfix_versions::apk::generation::{APK_TOOLS, Generation};

/// One change of a commit.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change<'a> {
    Install(&'a NewPackage),
    Purge(&'a PackageName),
}

/// The changes of each commit, in the order of the set; commits without changes are left out.
pub(super) fn commits<'a>(
    packages: &'a [NewPackage],
    purges: &'a [Purge],
    ownership: &Ownership,
    by: Generation,
) -> Vec<Vec<Change<'a>>> {
    let is_first = first(packages, ownership, by);
    let count = is_first.iter().filter(|is_first| **is_first).count();
    let (mut before, mut after) = (Vec::new(), Vec::new());
    let mut pending = purges.iter().peekable();
    for (at, next) in
        (0..=packages.len()).zip(packages.iter().zip(&is_first).map(Some).chain([None]))
    {
        while let Some(purge) = pending.next_if(|purge| purge.before <= at || next.is_none()) {
            let goes_first = at < count
                || (at == count
                    && count > 0
                    && !is_needed(&purge.package, packages, &is_first, purges, (ownership, by)));
            let into = if goes_first { &mut before } else { &mut after };
            into.push(Change::Purge(&purge.package));
        }
        match next {
            Some((new, true)) => before.push(Change::Install(new)),
            Some((new, false)) => after.push(Change::Install(new)),
            None => {}
        }
    }
    [before, after].into_iter().filter(|changes| !changes.is_empty()).collect()
}

/// Whether a package that goes is needed by one that is there after the first commit and does
/// not go itself.
fn is_needed(
    package: &PackageName,
    packages: &[NewPackage],
    is_first: &[bool],
    purges: &[Purge],
    (ownership, by): (&Ownership, Generation),
) -> bool {
    let Some(going) = ownership.find(&package.0).and_then(|key| ownership.get(key)) else {
        return false;
    };
    let first = || packages.iter().zip(is_first).filter(|(_, first)| **first).map(|(new, _)| new);
    let stays = |record: &Record| {
        !purges.iter().any(|purge| purge.package == record.name)
            && !first().any(|new| new.record.name == record.name)
    };
    let there = ownership.iter().map(|(_, one)| &one.record).filter(|record| stays(record));
    there
        .chain(first().map(|new| &new.record))
        .flat_map(|record| &record.depends)
        .any(|needed| !needed.conflict && provides(&going.record, needed, by))
}

/// Whether each package is in the first commit.
fn first(packages: &[NewPackage], ownership: &Ownership, by: Generation) -> Vec<bool> {
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
            let is_installed =
                || ownership.iter().any(|(_, one)| provides(&one.record, needed, by));
            if !is_installed() {
                pending.extend(packages.iter().position(|one| provides(&one.record, needed, by)));
            }
        }
    }
    is_first
}

/// Whether a package is what a dependency asks for, or provides it.
fn provides(record: &Record, needed: &Dependency, by: Generation) -> bool {
    let allows = |version| match (&needed.constraint, &record.identity) {
        (Constraint::Any, _) => true,
        (constraint, Some(identity)) => constraint.allows(version, identity, by),
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
