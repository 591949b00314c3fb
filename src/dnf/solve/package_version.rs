//! [`PackageVersion`]: one version of an rpm package, installed or offered.
//!
//! In come what the database and the metadata say; out come what a version needs, what it bans and
//! which names it has, as the solver asks for them.

use std::collections::BTreeSet;

use super::relation::{Absence, Ban, Besides, IsThere, Need, Relation, bans, needs};
use crate::primary::{Flag, PackageNumber, RelationText};
use imgfix_model::package::PackageId;
use imgfix_repair::planner::Offer;
use imgfix_repair::pooled::Packaged;
use imgfix_solve::pool::Pooled;
use imgfix_solve::solver::Name;
use imgfix_versions::VersionText;
use imgfix_versions::rpm::Evr;

/// How many provided names are compared in the time of one version.
const NAMES_AT_ONCE: usize = 16;

/// A capability that a package has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Provide {
    pub name: String,
    pub flag: Flag,
    pub evr: Option<Evr>,
}

/// Where an offered version is: the repository's number, and the package's there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub repository: usize,
    pub package: PackageNumber,
}

/// What is known of a version before its relations are.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub id: PackageId,
    pub evr: Evr,
    /// The file name of the source package.
    pub source: String,
    /// `None`: it is installed.
    pub place: Option<Place>,
}

impl Facts {
    /// The version as it is written, and that of its source package.
    pub fn offer(&self) -> Offer {
        let version = self.evr.to_text();
        let source_version = match source_of(&self.source) {
            Some((_, source)) if self.evr.epoch() > 0 => {
                VersionText(format!("{}:{source}", self.evr.epoch()))
            }
            Some((_, source)) => VersionText(source.to_owned()),
            None => version.clone(),
        };
        Offer { version, source_version }
    }

    /// The name of its source package; its own where it is not known.
    pub fn source_name(&self) -> String {
        match source_of(&self.source) {
            Some((name, _)) => name.to_owned(),
            None => self.id.name.to_string(),
        }
    }
}

/// Name and `version-release` of `openssl-3.0.7-27.el9.src.rpm`.
pub(crate) fn source_of(file: &str) -> Option<(&str, &str)> {
    let text = file.strip_suffix(".rpm")?;
    let text = text.rsplit_once('.').map(|(text, _)| text)?;
    let (rest, _release) = text.rsplit_once('-')?;
    let (name, _version) = rest.rsplit_once('-')?;
    Some((name, text.get(name.len() + 1..)?))
}

/// Relations of one package, in the words of database and metadata.
#[derive(Debug, Default)]
pub(super) struct Words<'a> {
    pub provides: Vec<RelationText<'a>>,
    pub requires: Vec<RelationText<'a>>,
    pub conflicts: Vec<RelationText<'a>>,
    pub obsoletes: Vec<RelationText<'a>>,
    /// Paths that somebody's dependency names.
    pub files: Vec<&'a str>,
}

/// One version of a package.
pub struct PackageVersion {
    pub(super) name: Name,
    pub(super) facts: Facts,
    pub(super) provides: Vec<Provide>,
    pub(super) files: BTreeSet<String>,
    needs: Vec<Need>,
    bans: Vec<Ban>,
    /// What its needs may be met by the absence of.
    pub(super) absences: Vec<Absence>,
    kind: Kind,
}

/// What a version is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Installed,
    Offered,
    /// No package: that something is not there.
    Absence,
    /// No package: that it may be there.
    NoAbsence,
}

impl PackageVersion {
    /// The two states of an absence, under a name of its own: that it holds, which is so as the
    /// image is, and that it does not.
    pub(super) fn absence(name: Name, absence: &Absence) -> Option<[Self; 2]> {
        let id = PackageId { name: absence.token.as_str().into(), architecture: "".into() };
        let evr = Evr::parse("0").ok()?;
        let facts = Facts { id, evr, source: String::new(), place: None };
        let ban = |relation: &Relation| Ban {
            relation: relation.clone(),
            by_name: false,
            text: format!("a condition that wants it absent: {relation}"),
        };
        let state = |provides, bans, kind| Self {
            name,
            facts: facts.clone(),
            provides,
            files: BTreeSet::new(),
            needs: Vec::new(),
            bans,
            absences: Vec::new(),
            kind,
        };
        let token = Provide { name: absence.token.clone(), flag: Flag::Any, evr: None };
        let bans = absence.of.iter().map(ban).collect();
        Some([
            state(vec![token], bans, Kind::Absence),
            state(Vec::new(), Vec::new(), Kind::NoAbsence),
        ])
    }

    /// Whether it is a package.
    pub(super) fn is_package(&self) -> bool {
        matches!(self.kind, Kind::Installed | Kind::Offered)
    }

    /// A version with its relations. Conditions are judged by what the image has.
    pub(super) fn new(name: Name, facts: Facts, words: &Words<'_>, is_there: IsThere<'_>) -> Self {
        let provide = |text: &RelationText<'_>| {
            let Relation { name, flag, evr, .. } = Relation::plain(text)?;
            Some(Provide { name, flag, evr })
        };
        let mut provides: Vec<Provide> = words.provides.iter().filter_map(provide).collect();
        let own = facts.id.name.as_ref();
        if !provides.iter().any(|one| one.name == own) {
            let (name, evr) = (own.to_owned(), Some(facts.evr.clone()));
            provides.push(Provide { name, flag: Flag::Equal, evr });
        }
        let mut all_needs: Vec<Need> = Vec::new();
        let mut absences = Vec::new();
        for text in &words.requires {
            for need in needs(text, "Requires", is_there, &mut absences) {
                if !all_needs.contains(&need) {
                    all_needs.push(need);
                }
            }
        }
        let mut all_bans: Vec<Ban> = Vec::new();
        for (list, label) in [(&words.conflicts, "Conflicts"), (&words.obsoletes, "Obsoletes")] {
            all_bans.extend(list.iter().flat_map(|text| bans(text, label, is_there)));
        }
        let files = words.files.iter().map(|path| (*path).to_owned()).collect();
        let kind = if facts.place.is_some() { Kind::Offered } else { Kind::Installed };
        Self { name, facts, provides, files, needs: all_needs, bans: all_bans, absences, kind }
    }

    /// Gives it a name that only packages of one kind have, and the need of others of the kind.
    pub(super) fn belong(&mut self, name: String, others: Vec<Need>) {
        self.provides.push(Provide { name, flag: Flag::Any, evr: None });
        self.needs.extend(others);
    }

    /// Whether it is what a relation of a need names.
    pub(super) fn is_about(&self, relation: &Relation) -> bool {
        let plain = self.provides_plain(relation);
        plain
            && relation
                .besides
                .iter()
                .all(|(besides, other)| self.provides_plain(other) == (*besides == Besides::With))
    }

    fn provides_plain(&self, relation: &Relation) -> bool {
        if relation.name.starts_with('/') && self.files.contains(&relation.name) {
            return true;
        }
        let named = self.provides.iter().filter(|one| one.name == relation.name);
        named.into_iter().any(|one| relation.meets(one.flag, one.evr.as_ref()))
    }

    /// Whether it is called so and in these versions: what `Obsoletes` asks.
    pub(super) fn is_called(&self, relation: &Relation) -> bool {
        self.facts.id.name.as_ref() == relation.name
            && relation.meets(Flag::Equal, Some(&self.facts.evr))
    }

    /// Whether it obsoletes a package of another name.
    pub(super) fn obsoletes(&self, other: &Self) -> bool {
        self.facts.id.name != other.facts.id.name
            && self.bans.iter().any(|ban| ban.by_name && other.is_called(&ban.relation))
    }

    /// Whether a ban of another version is about it.
    pub(super) fn is_banned_by(&self, ban: &Ban) -> bool {
        match ban.by_name {
            true => self.is_called(&ban.relation),
            false => self.is_about(&ban.relation),
        }
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
        matches!(self.kind, Kind::Offered | Kind::NoAbsence)
    }

    fn names(&self) -> BTreeSet<&str> {
        let provides = self.provides.iter().map(|one| one.name.as_str());
        provides.chain(self.files.iter().map(String::as_str)).collect()
    }

    fn needs(&self) -> impl Iterator<Item = &Need> {
        self.needs.iter()
    }

    fn bans(&self) -> impl Iterator<Item = &Ban> {
        self.bans.iter()
    }

    fn one_of(need: &Need) -> &[Relation] {
        &need.one_of
    }

    fn forbidden(ban: &Ban) -> &Relation {
        &ban.relation
    }

    fn subject(relation: &Relation) -> &str {
        &relation.name
    }

    fn comparisons(&self) -> usize {
        1 + self.provides.len() / NAMES_AT_ONCE
    }

    fn label(&self) -> String {
        let Facts { id, evr, .. } = &self.facts;
        if !self.is_package() {
            return id.name.to_string();
        }
        format!("{}-{evr}.{}", id.name, id.architecture)
    }

    fn need_text(&self, need: &Need) -> String {
        need.text.clone()
    }

    fn ban_text(&self, ban: &Ban) -> String {
        ban.text.clone()
    }
}

impl Packaged for PackageVersion {
    fn id(&self) -> PackageId {
        self.facts.id.clone()
    }

    fn version_text(&self) -> VersionText {
        self.facts.evr.to_text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_packages_are_read_from_their_file_names() {
        assert_eq!(source_of("openssl-3.0.7-27.el9.src.rpm"), Some(("openssl", "3.0.7-27.el9")));
        assert_eq!(source_of("a-b-1-1.nosrc.rpm"), Some(("a-b", "1-1")));
        assert_eq!(source_of("x"), None);
        assert_eq!(source_of(""), None);
    }
}
