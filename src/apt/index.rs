//! Everything that the repositories offer: [`PackageIndex`] over several `Packages` files,
//! and [`Available`], one package version of one of them.
//!
//! In come [`PackagesFile`]s with the repository each belongs to; questions are answered
//! lazily, by name. Relations stay raw text: the planner parses those it looks at.

use imgfix_dpkg::multi_arch::MultiArch;
use std::sync::Arc;

use super::packages_file::{Field, IndexError, PackagesFile, Record};
use imgfix_dpkg::status_stanza::canonical_version;
use imgfix_model::checksum::ArchiveChecksum;
use imgfix_model::digest::Digest;
use imgfix_model::package::{Architecture, PackageId, PackageName};
use imgfix_model::plan::Archive;
use imgfix_versions::VersionText;

/// Where a `Packages` file comes from: what pins (`apt_preferences(5)`) can ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepositoryInfo {
    /// The base URL as configured (before `--mirror`), with a slash at the end.
    pub url: String,
    /// The suite as configured: `bookworm-security`; ends with `/` for an exact path.
    pub suite: String,
    /// `main`; empty for an exact path.
    pub component: String,
    /// Of the index file: the pin's `b=`; empty for an exact path.
    pub architecture: String,
    /// `Origin` of the Release file: the pin's `o=`; empty when absent.
    pub origin: String,
    /// `Label` of the Release file: the pin's `l=`; empty when absent.
    pub label: String,
    /// `Suite` of the Release file, which apt's pins call archive: `a=`; empty when absent.
    pub archive: String,
    /// `Codename` of the Release file: the pin's `n=`; empty when absent.
    pub codename: String,
    /// `Version` of the Release file: the pin's `v=`; empty when absent.
    pub version: String,
    /// `NotAutomatic: yes`: priority 1 unless pinned, or 100 with `ButAutomaticUpgrades`.
    pub not_automatic: bool,
    /// `ButAutomaticUpgrades: yes`: priority 100 unless pinned.
    pub but_automatic_upgrades: bool,
    /// imgfix added this repository: the image's own configuration does not name it.
    pub added: bool,
}

impl RepositoryInfo {
    /// For people: `http://deb.debian.org/debian bookworm main`.
    #[must_use]
    pub fn describe(&self) -> String {
        let url = self.url.trim_end_matches('/');
        format!("{url} {} {}", self.suite, self.component).trim_end().to_owned()
    }

    /// The host of the URL: the pin's `Pin: origin HOST`; empty for `file:`.
    #[must_use]
    pub fn site(&self) -> &str {
        let rest = self.url.split_once("://").map_or("", |(_, rest)| rest);
        let authority = rest.split('/').next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => host,
        }
    }
}

/// One package version that a repository offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Available {
    /// Name of the binary package, as in `Package:`.
    pub name: PackageName,
    /// As dpkg records it: without an epoch of zero.
    pub version: VersionText,
    /// `all`, or the one that the package is built for.
    pub architecture: Architecture,
    /// The source package and its version when they differ from the binary's.
    pub source: Option<(PackageName, VersionText)>,
    /// Whether packages of other architectures may use it, or be there beside it.
    pub multi_arch: MultiArch,
    /// `Essential: yes`: apt prefers it where a relation leaves the choice.
    pub essential: bool,
    /// `Protected: yes` (or apt's older `Important: yes`).
    pub protected: bool,
    /// `required`, `important`, `standard`, `optional`, `extra`; empty when absent.
    pub priority: String,
    /// `Pre-Depends` as written, like all relations here; `None` when the stanza has no such field.
    pub pre_depends: Option<String>,
    /// `Depends` as written.
    pub depends: Option<String>,
    /// `Provides` as written.
    pub provides: Option<String>,
    /// `Conflicts` as written.
    pub conflicts: Option<String>,
    /// `Breaks` as written.
    pub breaks: Option<String>,
    /// `Replaces` as written.
    pub replaces: Option<String>,
    /// `Recommends` as written.
    pub recommends: Option<String>,
    /// Path below the repository's URL, checked to stay below it.
    pub filename: String,
    /// Of the .deb, in bytes.
    pub size: u64,
    /// Of the .deb.
    pub sha256: Digest,
    /// `Phased-Update-Percentage`, of Ubuntu: which percentage of machines gets it by now.
    pub phased: Option<u8>,
    /// Where it is offered.
    pub repository: Arc<RepositoryInfo>,
}

impl Available {
    fn from_record(record: &Record, repository: &Arc<RepositoryInfo>) -> Option<Self> {
        let text = |field| record.text(field).map(str::to_owned);
        let yes = |field| record.text(field).is_some_and(|v| v.eq_ignore_ascii_case("yes"));
        // As dpkg will record it: a version with an epoch of zero has none.
        let version = VersionText(canonical_version(record.text(Field::Version)?));
        Some(Self {
            name: PackageName(text(Field::Package)?),
            source: record.text(Field::Source).and_then(|field| source(field, &version)),
            version,
            architecture: Architecture(text(Field::Architecture)?),
            multi_arch: MultiArch::from_field(record.text(Field::MultiArch)),
            essential: yes(Field::Essential),
            protected: yes(Field::Protected),
            priority: text(Field::Priority).unwrap_or_default(),
            pre_depends: text(Field::PreDepends),
            depends: text(Field::Depends),
            provides: text(Field::Provides),
            conflicts: text(Field::Conflicts),
            breaks: text(Field::Breaks),
            replaces: text(Field::Replaces),
            recommends: text(Field::Recommends),
            filename: text(Field::Filename)?,
            size: record.text(Field::Size)?.parse().ok()?,
            sha256: Digest::from_sha256(record.bytes(Field::Sha256)?.try_into().ok()?),
            phased: record.text(Field::Phased).and_then(|v| v.parse().ok()),
            repository: Arc::clone(repository),
        })
    }

    /// Name and architecture.
    #[must_use]
    pub fn id(&self) -> PackageId {
        PackageId { name: self.name.clone(), architecture: self.architecture.clone() }
    }

    /// What to fetch for it.
    #[must_use]
    pub fn archive(&self) -> Archive {
        let path = self.filename.trim_start_matches("./");
        Archive {
            url: format!("{}{path}", self.repository.url),
            size: self.size,
            checksum: ArchiveChecksum::Sha256(self.sha256),
            repository: self.repository.describe(),
        }
    }
}

/// `Source: name` or `Source: name (version)`; without a version it is the binary's.
fn source(field: &str, version: &VersionText) -> Option<(PackageName, VersionText)> {
    let field = field.trim();
    if field.is_empty() {
        return None;
    }
    match field.split_once('(') {
        None => Some((PackageName(field.to_owned()), version.clone())),
        Some((name, rest)) => {
            let own = rest.split(')').next().unwrap_or_default().trim();
            Some((PackageName(name.trim().to_owned()), VersionText(own.to_owned())))
        }
    }
}

/// All `Packages` files of all repositories, in the order of the sources.
#[derive(Debug, Clone, Default)]
pub struct PackageIndex {
    files: Vec<(PackagesFile, Arc<RepositoryInfo>)>,
}

impl PackageIndex {
    /// An index that offers nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An index of one `Packages` text, for tests and fixtures.
    ///
    /// # Errors
    /// As [`PackagesFile::read`].
    pub fn from_text(text: &str, repository: RepositoryInfo) -> Result<Self, IndexError> {
        let mut index = Self::new();
        index.push(
            PackagesFile::read(text.as_bytes(), &imgfix_vfs::Memory::default())?,
            Arc::new(repository),
        );
        Ok(index)
    }

    /// Adds a file after those already there.
    pub fn push(&mut self, file: PackagesFile, repository: Arc<RepositoryInfo>) {
        self.files.push((file, repository));
    }

    /// Every version of the package `name`, of every architecture, in the order of the
    /// sources (not sorted by version; the same version may come from several).
    #[must_use]
    pub fn versions(&self, name: &str) -> Vec<Available> {
        self.collect(|file| file.versions(name))
    }

    /// Every package version whose `Provides` names `virtual_name` (parse
    /// [`Available::provides`] for the provided version). Packages of that very name are
    /// not among them.
    #[must_use]
    pub fn providers(&self, virtual_name: &str) -> Vec<Available> {
        self.collect(|file| file.providers(virtual_name))
    }

    /// Whether any repository has a package `name`. Cheaper than [`PackageIndex::versions`].
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.files.iter().any(|(file, _)| file.has(name))
    }

    /// Those of `names` that the repositories mention, in the order of their first mention:
    /// apt numbers packages like that. Reads everything.
    #[must_use]
    pub fn mentions<'n>(&self, names: &[&'n str]) -> Vec<&'n str> {
        let mut found: Vec<&str> = Vec::new();
        for (file, _) in &self.files {
            let new = file.mentions(names).into_iter();
            let new: Vec<&str> = new.filter(|name| !found.contains(name)).collect();
            found.extend(new);
        }
        found
    }

    /// Number of package versions, in all files together.
    #[must_use]
    pub fn len(&self) -> usize {
        self.files.iter().map(|(file, _)| file.len()).sum()
    }

    /// Whether the repositories offer nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The repositories whose files are here, in order, one entry for each file.
    pub fn repositories(&self) -> impl Iterator<Item = &Arc<RepositoryInfo>> {
        self.files.iter().map(|(_, repository)| repository)
    }

    /// The repositories that offer something. apt knows no others.
    pub fn populated(&self) -> impl Iterator<Item = &RepositoryInfo> {
        let files = self.files.iter().filter(|(file, _)| !file.is_empty());
        files.map(|(_, repository)| &**repository)
    }

    fn collect(&self, find: impl Fn(&PackagesFile) -> Vec<Record>) -> Vec<Available> {
        self.files
            .iter()
            .flat_map(|(file, repository)| {
                let records = find(file);
                records
                    .into_iter()
                    .filter_map(|record| Available::from_record(&record, repository))
                    .collect::<Vec<_>>()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
Package: libssl3
Source: openssl (3.0.15-1)
Version: 3.0.15-1~deb12u1
Architecture: amd64
Multi-Arch: same
Essential: yes
Important: yes
Priority: optional
Pre-Depends: dpkg (>= 1.17)
Depends: libc6 (>= 2.34),
 zlib1g
Provides: libssl (= 3), libssl3t64
Conflicts: a
Breaks: b
Replaces: c
Recommends: d | virtual (>= 2), bare
Suggests: first
Filename: ./pool/libssl3.deb
Size: 2021688
Phased-Update-Percentage: 20
SHA256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855

Package: bare
Source: other
Version: 1
Architecture: all
Filename: pool/bare.deb
Size: 1
SHA256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
";

    fn repository() -> RepositoryInfo {
        RepositoryInfo {
            url: "http://user@deb.debian.org:80/debian/".to_owned(),
            suite: "bookworm".to_owned(),
            component: "main".to_owned(),
            ..RepositoryInfo::default()
        }
    }

    #[test]
    fn all_fields_of_a_version() {
        let index = PackageIndex::from_text(TEXT, repository()).unwrap();
        let versions = index.versions("libssl3");
        let [a] = versions.as_slice() else { panic!("{versions:?}") };
        assert_eq!(a.id().to_string(), "libssl3:amd64");
        assert_eq!(a.source, Some(("openssl".into(), "3.0.15-1".into())));
        assert_eq!(a.multi_arch, MultiArch::Same);
        assert!(a.essential && a.protected);
        assert_eq!(a.priority, "optional");
        assert_eq!(a.depends.as_deref(), Some("libc6 (>= 2.34),\n zlib1g"));
        assert_eq!(a.pre_depends.as_deref(), Some("dpkg (>= 1.17)"));
        assert_eq!(a.provides.as_deref(), Some("libssl (= 3), libssl3t64"));
        assert_eq!(
            [a.conflicts.as_deref(), a.breaks.as_deref(), a.replaces.as_deref()],
            [Some("a"), Some("b"), Some("c")]
        );
        assert_eq!((a.size, a.phased, a.sha256), (2_021_688, Some(20), Digest::of(b"")));
        let archive = a.archive();
        assert_eq!(archive.url, "http://user@deb.debian.org:80/debian/pool/libssl3.deb");
        assert_eq!(a.repository.site(), "deb.debian.org");

        assert_eq!(a.recommends.as_deref(), Some("d | virtual (>= 2), bare"));

        let bare = &index.versions("bare")[0];
        assert_eq!(bare.source, Some(("other".into(), "1".into())));
        assert_eq!((bare.multi_arch, bare.depends.as_deref()), (MultiArch::No, None));
        assert_eq!(index.providers("libssl").len(), 1);
        assert_eq!((index.len(), index.has("bare"), index.has("libssl")), (2, true, false));
        let names = ["libssl3t64", "bare", "first", "dpkg", "nobody", "zlib1g", "libssl3"];
        let order = ["libssl3", "dpkg", "zlib1g", "bare", "first", "libssl3t64"];
        assert_eq!(index.mentions(&names), order);
    }
}
