//! What is installed, as far as plans depend on it.
//!
//! In come the headers of rpm's database; out come [`InstalledPackage`]s, whatever the database's
//! format, and what `$releasever` stands for.

use super::primary::{Flag, RelationText};
use imgfix_rpm::package::RelationKind;
use imgfix_rpm::{Package, Relation};

/// What a release's package provides, in dnf's order: the version of it is `$releasever`.
const RELEASES: [&str; 4] =
    ["system-release(releasever)", "system-release", "distribution-release", "redhat-release"];

/// A package whose header says what cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the header of {package} is not understood: {why}")]
pub struct InstalledError {
    /// Its name.
    pub package: String,
    /// What is wrong, for people.
    pub why: String,
}

/// A relation, as a header has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstalledRelation {
    /// A capability, a path, or a whole rich dependency.
    pub name: String,
    /// How versions are compared.
    pub flag: Flag,
    /// `[epoch:]version[-release]`.
    pub evr: String,
}

impl InstalledRelation {
    /// As a header has it.
    pub(crate) fn of(relation: &Relation) -> Self {
        let flag = Flag::from(relation.flags());
        match relation.evr() {
            Some(evr) if flag != Flag::Any => {
                Self { name: relation.name().to_owned(), flag, evr: evr.to_string() }
            }
            _ => Self { name: relation.name().to_owned(), ..Self::default() },
        }
    }

    /// As metadata has it.
    fn of_text(text: RelationText<'_>) -> Self {
        Self { name: text.name.to_owned(), flag: text.flag, evr: text.evr.to_owned() }
    }

    /// As metadata would have it.
    #[must_use]
    pub fn text(&self) -> RelationText<'_> {
        RelationText { name: &self.name, flag: self.flag, evr: &self.evr }
    }
}

/// One installed package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstalledPackage {
    /// Its name.
    pub name: String,
    /// `x86_64`, `noarch`; empty for the keys that rpm keeps as packages.
    pub architecture: String,
    /// `[epoch:]version-release`.
    pub evr: String,
    /// Who made it.
    pub vendor: String,
    /// The file name of its source package.
    pub source: String,
    /// `module:stream:version:context`, when it is of one.
    pub module: String,
    /// What it is to others.
    pub provides: Vec<InstalledRelation>,
    /// What has to be there.
    pub requires: Vec<InstalledRelation>,
    /// What must not be there.
    pub conflicts: Vec<InstalledRelation>,
    /// What it replaces.
    pub obsoletes: Vec<InstalledRelation>,
    /// What comes along when it can.
    pub recommends: Vec<InstalledRelation>,
    /// Its files' paths.
    pub files: Vec<String>,
}

impl InstalledPackage {
    /// What a header says.
    ///
    /// # Errors
    /// Its version, relations or files are not understood.
    pub fn of(package: &Package) -> Result<Self, InstalledError> {
        let fail = |why: String| InstalledError { package: package.name().to_owned(), why };
        let relations = |kind| -> Result<Vec<InstalledRelation>, InstalledError> {
            let all = package.relations(kind).map_err(|error| fail(error.to_string()))?;
            Ok(all.iter().map(InstalledRelation::of).collect())
        };
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let files = package.files().map_err(|error| fail(error.to_string()))?;
        Ok(Self {
            name: package.name().to_owned(),
            architecture: package.arch().to_owned(),
            evr: without_zero(&package.evr().map_err(|error| fail(error.to_string()))?.to_string()),
            vendor: text(package.vendor()),
            source: text(package.source_rpm()),
            module: text(package.modularity_label()),
            provides: relations(RelationKind::Provides)?,
            requires: relations(RelationKind::Requires)?,
            conflicts: relations(RelationKind::Conflicts)?,
            obsoletes: relations(RelationKind::Obsoletes)?,
            recommends: relations(RelationKind::Recommends)?,
            // no dependency names a path that is no text
            files: files.iter().filter_map(|file| String::from_utf8(file.path()).ok()).collect(),
        })
    }

    /// Adds what an index says of the same package.
    pub(crate) fn add_from_index(&mut self, package: &super::primary::Package<'_>) {
        use super::primary::RelationKind as Kind;
        let relations = |kind| package.relations(kind).map(InstalledRelation::of_text).collect();
        self.provides = relations(Kind::Provides);
        self.requires = relations(Kind::Requires);
        self.conflicts = relations(Kind::Conflicts);
        self.obsoletes = relations(Kind::Obsoletes);
        self.recommends = relations(Kind::Recommends);
        self.files = package.relations(Kind::Files).map(|file| file.name.to_owned()).collect();
    }

    /// Module and stream.
    #[must_use]
    pub fn stream(&self) -> Option<(&str, &str)> {
        let mut parts = self.module.split(':');
        match (parts.next(), parts.next()) {
            (Some(module), Some(stream)) if !module.is_empty() => Some((module, stream)),
            _ => None,
        }
    }
}

/// A version without an epoch of 0, as people and reports have it.
fn without_zero(evr: &str) -> String {
    evr.strip_prefix("0:").unwrap_or(evr).to_owned()
}

/// What `$releasever` stands for: the version that the release's package provides it in, or its
/// own. `None`: no installed package is one.
#[must_use]
pub fn release(packages: &[InstalledPackage]) -> Option<String> {
    RELEASES.iter().find_map(|name| {
        packages.iter().find_map(|package| {
            let provided = package.provides.iter().find(|one| one.name == **name)?;
            let evr = if provided.evr.is_empty() { &package.evr } else { &provided.evr };
            let version = evr.rsplit_once('-').map_or(evr.as_str(), |(version, _)| version);
            Some(version.split_once(':').map_or(version, |(_, version)| version).to_owned())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgfix_rpm::header::{NewHeader, tag};

    #[test]
    fn headers_become_packages() {
        let mut header = NewHeader::default();
        for (tag, text) in
            [(tag::NAME, "a"), (tag::VERSION, "2"), (tag::RELEASE, "3.el9"), (tag::ARCH, "noarch")]
        {
            header.string(tag, text.as_bytes());
        }
        header.number(tag::EPOCH, 1);
        header.strings(tag::REQUIRENAME, &[b"/bin/sh", b"b", b"(c if d)"]);
        header.numbers(tag::REQUIREFLAGS, &[1 << 9, 12, 0]);
        header.strings(tag::REQUIREVERSION, &[b"", b"1:7", b""]);
        let header = header.plain().unwrap();
        let package = InstalledPackage::of(&Package::new(header).unwrap()).unwrap();
        assert_eq!((package.name.as_str(), package.evr.as_str()), ("a", "1:2-3.el9"));
        let requires = package.requires.iter().map(|one| one.text().to_string());
        assert_eq!(requires.collect::<Vec<_>>(), ["/bin/sh", "b >= 1:7", "(c if d)"]);
        assert!(package.files.is_empty() && package.stream().is_none());
    }

    #[test]
    fn the_releases_package_says_the_release() {
        let release = |line: &str| release(&[crate::testing::installed(line)]);
        assert_eq!(release("r 9.4; P: system-release = 9.4-1.el9").as_deref(), Some("9.4"));
        assert_eq!(release("r 1:9.4; P: system-release").as_deref(), Some("9.4"));
        let both = "r 9.4; P: system-release = 9.4; P: system-release(releasever) = 9";
        assert_eq!(release(both).as_deref(), Some("9"));
        assert_eq!(release("a 1"), None);
    }
}
