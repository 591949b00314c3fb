//! [`PackageVersion`]: one version of an apk package, installed or offered, or `world`; and what
//! dependencies mean.
//!
//! In come records of the database and of the index; out come what a version needs, what it bans
//! and which names it has, as the solver asks for them.
//!
//! The meaning is that of apk-tools 2.12 and 2.14 (`src/solver.c`, `src/package.c`):
//!
//! - A dependency asks for a provider of its name: the package called so, which provides its
//!   name in its version, or one whose `provides` has it. A name provided without a version
//!   satisfies only dependencies without one (`apk_dep_is_provided`).
//! - Two packages that provide one name exclude each other, unless both provide it without a
//!   version (`assign_name`).
//! - `!name` excludes every provider that the rest of it is about. `replaces` is no relation:
//!   it rules files only.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::dependency::{Constraint, Dependency};
use crate::index::Available;
use crate::record::Record;
use imgfix_model::package::PackageId;
use imgfix_repair::pooled::Packaged;
use imgfix_solve::pool::Pooled;
use imgfix_solve::solver::Name;
use imgfix_versions::VersionText;
use imgfix_versions::apk::Version;
use imgfix_versions::apk::generation::Generation;

/// How many provided names are compared in the time of one version.
const NAMES_AT_ONCE: usize = 16;

/// Where a version is.
pub(super) enum Source {
    /// Nowhere: it is `world`, which asks as packages do.
    World(Box<Record>),
    Installed(Box<Record>),
    Offered(Arc<Available>),
}

/// One version of a package, or `world`.
pub struct PackageVersion {
    pub(super) name: Name,
    pub(super) source: Source,
}

impl PackageVersion {
    pub(super) fn record(&self) -> &Record {
        match &self.source {
            Source::World(record) | Source::Installed(record) => record,
            Source::Offered(available) => &available.record,
        }
    }

    pub(super) fn is_world(&self) -> bool {
        matches!(self.source, Source::World(_))
    }
}

impl Pooled for PackageVersion {
    type Relation = Dependency;
    type Need = Dependency;
    type Ban = Dependency;

    fn name(&self) -> Name {
        self.name
    }

    fn is_offered(&self) -> bool {
        matches!(self.source, Source::Offered(_))
    }

    fn names(&self) -> BTreeSet<&str> {
        match self.is_world() {
            true => BTreeSet::new(),
            false => provided_names(self.record()),
        }
    }

    fn needs(&self) -> impl Iterator<Item = &Dependency> {
        depends(self.record())
    }

    fn bans(&self) -> impl Iterator<Item = &Dependency> {
        conflicts(self.record())
    }

    fn one_of(need: &Dependency) -> &[Dependency] {
        std::slice::from_ref(need)
    }

    fn forbidden(ban: &Dependency) -> &Dependency {
        ban
    }

    fn subject(relation: &Dependency) -> &str {
        &relation.name.0
    }

    fn comparisons(&self) -> usize {
        1 + self.record().provides.len() / NAMES_AT_ONCE
    }

    fn label(&self) -> String {
        let record = self.record();
        match self.is_world() {
            true => record.name.to_string(),
            false => format!("{} {}", record.name, record.version),
        }
    }

    fn need_text(&self, need: &Dependency) -> String {
        match self.is_world() {
            true => need.to_string(),
            false => format!("depends: {need}"),
        }
    }

    fn ban_text(&self, ban: &Dependency) -> String {
        self.need_text(ban)
    }
}

impl Packaged for PackageVersion {
    fn id(&self) -> PackageId {
        self.record().id()
    }

    fn version_text(&self) -> VersionText {
        self.record().version.as_str().into()
    }
}

/// What must be there.
pub(super) fn depends(record: &Record) -> impl Iterator<Item = &Dependency> {
    record.depends.iter().filter(|dependency| !dependency.conflict)
}

/// What must not be there.
pub(super) fn conflicts(record: &Record) -> impl Iterator<Item = &Dependency> {
    record.depends.iter().filter(|dependency| dependency.conflict)
}

/// Every name that a package provides, with the version it provides it in: its own first.
pub(super) fn provided(record: &Record) -> impl Iterator<Item = (&str, Option<&Version>)> {
    let own = (record.name.0.as_str(), Some(&record.version));
    let further = record.provides.iter().map(|one| (one.name.0.as_str(), one.version()));
    std::iter::once(own).chain(further)
}

/// The names that a package provides, each once.
pub(super) fn provided_names(record: &Record) -> BTreeSet<&str> {
    provided(record).map(|(name, _)| name).collect()
}

/// The version in which a package provides `name`.
pub(super) fn version_of<'a>(name: &str, record: &'a Record) -> Option<&'a Version> {
    provided(record).filter(|(own, _)| *own == name).find_map(|(_, version)| version)
}

pub(super) fn compare_versions(
    a: Option<&Version>,
    b: Option<&Version>,
    by: Generation,
) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => by.compare(a, b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

/// Whether `version`, in which `record` provides the name of `dependency`, is what it asks for;
/// of a conflict: what it forbids.
pub(super) fn admits(
    dependency: &Dependency,
    version: Option<&Version>,
    record: &Record,
    by: Generation,
) -> bool {
    match (&dependency.constraint, &record.identity) {
        (constraint, Some(identity)) => constraint.allows(version, identity, by),
        (Constraint::Any, None) => true,
        (Constraint::Identity(_), None) => false,
        (Constraint::Version(comparison, wanted), None) => {
            version.is_some_and(|version| comparison.allows(version, wanted, by))
        }
    }
}

/// Whether `record` satisfies `dependency`; of a conflict: whether it is excluded.
pub(super) fn is_about(dependency: &Dependency, record: &Record, by: Generation) -> bool {
    provided(record)
        .filter(|(name, _)| *name == dependency.name.0)
        .any(|(_, version)| admits(dependency, version, record, by))
}

/// Whether two packages that provide `name` exclude each other for that.
pub(super) fn share(name: &str, a: &Record, b: &Record) -> bool {
    a.name != b.name && (version_of(name, a).is_some() || version_of(name, b).is_some())
}
