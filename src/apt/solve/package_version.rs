//! [`PackageVersion`]: one version of a Debian package, installed or offered.
//!
//! In come the database's record or the index's stanza; out come what it needs, what it bans and
//! which names it has, as the solver asks for them.

use std::collections::BTreeSet;

use crate::index::Available;
use imgfix_dpkg::inventory::{InstalledPackage, Relations};
use imgfix_dpkg::multi_arch::MultiArch;
use imgfix_dpkg::relations::{
    Clause, Provided, Relation, RelationError, parse_clauses, parse_list, parse_provides,
};
use imgfix_model::package::{Architecture, PackageId};
use imgfix_repair::pooled::Packaged;
use imgfix_solve::pool::Pooled;
use imgfix_solve::solver::Name;
use imgfix_versions::VersionText;
use imgfix_versions::dpkg::Version;

/// How many provided names are compared in the time of one version.
const NAMES_AT_ONCE: usize = 16;

/// One version of a package: installed, or offered.
pub struct PackageVersion {
    name: Name,
    pub(super) id: PackageId,
    /// `all` counts as the native architecture.
    pub(super) architecture: Architecture,
    pub(super) version: Version,
    asks: Asks,
    pub(super) multi_arch: MultiArch,
    /// `None`: it is what the image has.
    pub(super) available: Option<Box<Available>>,
}

/// Its relations, sorted by what they are for.
struct Asks {
    needs: Vec<Need>,
    bans: Vec<Ban>,
    provides: Vec<Provided>,
    recommends: Vec<Clause>,
}

impl From<Relations> for Asks {
    fn from(relations: Relations) -> Self {
        let need = |field| move |clause| Need { field, clause };
        let ban = |field| move |relation| Ban { field, relation };
        let pre_depends = relations.pre_depends.into_iter().map(need(Field::PreDepends));
        let depends = relations.depends.into_iter().map(need(Field::Depends));
        let breaks = relations.breaks.into_iter().map(ban(Negative::Breaks));
        let conflicts = relations.conflicts.into_iter().map(ban(Negative::Conflicts));
        Self {
            needs: pre_depends.chain(depends).collect(),
            bans: breaks.chain(conflicts).collect(),
            provides: relations.provides,
            recommends: relations.recommends,
        }
    }
}

/// Which positive field a clause is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    PreDepends,
    Depends,
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Field::PreDepends => "Pre-Depends",
            Field::Depends => "Depends",
        })
    }
}

/// A clause, and where it is from.
#[derive(Debug, Clone)]
pub struct Need {
    pub(super) field: Field,
    pub(super) clause: Clause,
}

/// Which field excludes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Negative {
    Breaks,
    Conflicts,
}

/// What must not be there, and which field says so.
#[derive(Debug, Clone)]
pub struct Ban {
    field: Negative,
    pub(super) relation: Relation,
}

impl PackageVersion {
    /// What the image has.
    pub(super) fn installed(
        name: Name,
        package: &InstalledPackage,
        architecture: Architecture,
    ) -> Self {
        Self {
            name,
            id: package.id.clone(),
            architecture,
            version: package.version.clone(),
            asks: package.relations.clone().into(),
            multi_arch: package.multi_arch,
            available: None,
        }
    }

    /// What a repository has, unless its version or relations are not understood.
    pub(super) fn offered(
        name: Name,
        available: &Available,
        architecture: Architecture,
    ) -> Result<Self, String> {
        let version = Version::parse_recorded(available.version.as_ref())
            .map_err(|error| error.to_string())?;
        let relations = parse_relations(available).map_err(|error| error.to_string())?;
        Ok(Self {
            name,
            id: available.id(),
            architecture,
            version,
            asks: relations.into(),
            multi_arch: available.multi_arch,
            available: Some(Box::new(available.clone())),
        })
    }

    /// What it recommends.
    pub(super) fn recommends(&self) -> &[Clause] {
        &self.asks.recommends
    }

    /// Whether `relation` is about it by name and version, as itself or as what it provides.
    pub(super) fn is_named_by(&self, relation: &Relation) -> bool {
        (self.id.name.as_ref() == relation.name && relation.admits(&self.version))
            || self.asks.provides.iter().any(|provided| {
                provided.name == relation.name
                    && relation.admits_provided(provided.version.as_ref())
            })
    }

    /// Whether two instances of one package can be there together: dpkg wants
    /// `Multi-Arch: same` and the very same version.
    pub(super) fn is_in_step_with(&self, other: &Self) -> bool {
        self.multi_arch == MultiArch::Same
            && other.multi_arch == MultiArch::Same
            && self.version == other.version
    }
}

impl Pooled for PackageVersion {
    type Relation = Relation;
    type Need = Need;
    type Ban = Ban;

    fn name(&self) -> Name {
        self.name
    }

    fn is_offered(&self) -> bool {
        self.available.is_some()
    }

    fn names(&self) -> BTreeSet<&str> {
        let provided = self.asks.provides.iter().map(|provided| provided.name.as_str());
        provided.chain([self.id.name.as_ref()]).collect()
    }

    fn needs(&self) -> impl Iterator<Item = &Need> {
        self.asks.needs.iter()
    }

    fn bans(&self) -> impl Iterator<Item = &Ban> {
        self.asks.bans.iter()
    }

    fn one_of(need: &Need) -> &[Relation] {
        &need.clause.0
    }

    fn forbidden(ban: &Ban) -> &Relation {
        &ban.relation
    }

    fn subject(relation: &Relation) -> &str {
        &relation.name
    }

    fn comparisons(&self) -> usize {
        1 + self.asks.provides.len() / NAMES_AT_ONCE
    }

    fn label(&self) -> String {
        format!("{} {}", self.id.name, self.version)
    }

    fn need_text(&self, need: &Need) -> String {
        format!("{}: {}", need.field, need.clause)
    }

    fn ban_text(&self, ban: &Ban) -> String {
        format!("{:?}: {}", ban.field, ban.relation)
    }
}

impl Packaged for PackageVersion {
    fn id(&self) -> PackageId {
        self.id.clone()
    }

    fn version_text(&self) -> VersionText {
        self.version.to_text()
    }
}

fn parse_relations(available: &Available) -> Result<Relations, RelationError> {
    let text = |field: &'_ Option<String>| field.clone().unwrap_or_default();
    Ok(Relations {
        pre_depends: parse_clauses(&text(&available.pre_depends))?,
        depends: parse_clauses(&text(&available.depends))?,
        breaks: parse_list(&text(&available.breaks))?,
        conflicts: parse_list(&text(&available.conflicts))?,
        provides: parse_provides(&text(&available.provides))?,
        recommends: parse_clauses(&text(&available.recommends)).unwrap_or_default(),
    })
}
