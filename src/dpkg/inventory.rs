//! [`DpkgInventory`]: which packages the image has, with everything the planner asks of them.
//!
//! In comes the image's file system (`/var/lib/dpkg/status`, or distroless `status.d`,
//! `extended_states`, `os-release`); out come the installed packages with parsed versions and
//! relations. Only the state `installed` counts as installed (dpkg(1), "PACKAGE STATES"):
//! what dpkg has not finished is told apart, and what is removed but for its configuration
//! is no package any more.

use std::collections::{BTreeMap, BTreeSet};

use super::apt_conf::AptConf;
use super::control::{ControlError, Stanza, parse_stanzas};
use super::distroless;
use super::multi_arch::MultiArch;
use super::relations::{
    Clause, Provided, Relation, RelationError, is_package_name, parse_clauses, parse_list,
    parse_provides,
};
use super::status::{State, Status, StatusEntry, StatusError};
use imgfix_model::package::{
    Architecture, Distribution, Installed, Inventory, PackageId, PackageName, UnfinishedPackage,
};
use imgfix_model::path::ImagePath;
use imgfix_repair::os_release::read_distribution;
use imgfix_versions::VersionOrder;
use imgfix_versions::dpkg::{Version, VersionError};
use imgfix_vfs::{Entry, FileSystem, RootfsError};

/// dpkg's database.
pub const STATUS: &str = "/var/lib/dpkg/status";

/// Why the image's package database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// Neither dpkg's status file nor distroless records are there.
    #[error("the image has no {STATUS} and no files in {}", distroless::STATUS_D)]
    NoDatabase,
    /// A file of the database cannot be read from its layer.
    #[error("cannot read the package database: {0}")]
    Read(#[from] RootfsError),
    /// A file is not deb822.
    #[error("{path}: {source}")]
    Control {
        /// The file in the image.
        path: ImagePath,
        /// What the parser says.
        source: ControlError,
    },
    /// The status file is not what dpkg writes.
    #[error("{path}: {source}")]
    Status {
        /// The file in the image.
        path: ImagePath,
        /// What is wrong with it.
        source: StatusError,
    },
    /// A stanza lacks a field, or has one with a meaningless value.
    #[error("{path}: line {line}: {problem}")]
    Stanza {
        /// The file in the image.
        path: ImagePath,
        /// Where the stanza begins, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A stanza has a version that dpkg would not accept.
    #[error("{path}: line {line}: package {package}: {source}")]
    Version {
        /// The file in the image.
        path: ImagePath,
        /// Where the stanza begins, from 1.
        line: usize,
        /// As in `Package:`.
        package: String,
        /// What is wrong with the version.
        source: VersionError,
    },
    /// A field of relations cannot be read.
    #[error("{path}: line {line}: package {package}: field {field}: {source}")]
    Relation {
        /// The file in the image.
        path: ImagePath,

        /// Where the stanza begins, from 1.
        line: usize,

        /// As in `Package:`.
        package: String,

        /// `Depends`, `Breaks` and the like.
        field: &'static str,

        /// What is wrong with the field.
        source: Box<RelationError>,
    },
    /// [`distroless::STATUS_D`] has more files than any real image.
    #[error("{path}: {found} files are more than the {} that are read", distroless::MAX_FILES)]
    TooManyFiles {
        /// The directory.
        path: ImagePath,
        /// How many it has.
        found: usize,
    },
}

/// Where a package is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A stanza of [`STATUS`].
    Status,
    /// A file of its own in [`distroless::STATUS_D`].
    File(ImagePath),
}

/// A package's relations, as the planner asks for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Relations {
    /// All must be satisfied before the package is unpacked.
    pub pre_depends: Vec<Clause>,
    /// All must be satisfied before the package is configured.
    pub depends: Vec<Clause>,
    /// None of them may be configured beside it.
    pub breaks: Vec<Relation>,
    /// None of them may be unpacked beside it.
    pub conflicts: Vec<Relation>,
    /// Names that it satisfies besides its own.
    pub provides: Vec<Provided>,
    /// Wanted, but not needed.
    pub recommends: Vec<Clause>,
}

/// One installed package.
#[derive(Debug, Clone)]
pub struct InstalledPackage {
    /// Name and architecture, as dpkg records them.
    pub id: PackageId,
    /// As in `Version:`.
    pub version: Version,
    /// Source package and its version, when the stanza has a `Source` field.
    pub source: Option<(PackageName, Version)>,
    /// As in `Maintainer:`; empty when absent.
    pub maintainer: String,
    /// What the stanza's fields say.
    pub relations: Relations,
    /// As in `Multi-Arch:`.
    pub multi_arch: MultiArch,
    /// `Essential: yes`: apt never removes it.
    pub essential: bool,
    /// `Status: hold ok installed`.
    pub held: bool,
    /// Installed only because another package wanted it (`apt-mark showauto`).
    pub auto: bool,
    /// Where its stanza is.
    pub record: Record,
    /// `None`: installed. Otherwise the state dpkg left it in (`half-configured`): its files
    /// may be there, but it cannot be relied on.
    pub unfinished: Option<String>,
}

/// Everything the planner knows of the image.
#[derive(Debug, Clone)]
pub struct DpkgInventory {
    /// From the image's `os-release`.
    pub distribution: Distribution,
    /// The architecture that `Architecture: all` packages and unqualified names count for.
    pub native: Architecture,
    /// Further architectures that the image's dpkg accepts, sorted.
    pub foreign: Vec<Architecture>,
    /// Installed and unfinished packages, sorted by id.
    pub packages: Vec<InstalledPackage>,
}

impl InstalledPackage {
    /// The version of the source package, which fixed versions in Debian's and Ubuntu's
    /// security data count.
    #[must_use]
    pub fn source_version(&self) -> &Version {
        self.source.as_ref().map_or(&self.version, |(_, version)| version)
    }

    /// The name of the source package.
    #[must_use]
    pub fn source_name(&self) -> &str {
        self.source.as_ref().map_or(self.id.name.as_ref(), |(name, _)| name.as_ref())
    }
}

impl DpkgInventory {
    /// Whether the image has a database that [`DpkgInventory::read`] understands.
    #[must_use]
    pub fn detect(fs: &dyn FileSystem) -> bool {
        let resolved = fs.resolve(&ImagePath::literal(distroless::STATUS_D));
        fs.stat(&ImagePath::literal(STATUS)).is_some_and(Entry::is_file)
            || resolved.is_ok_and(|directory| !fs.read_dir(&directory).is_empty())
    }

    /// Reads the image's database.
    ///
    /// # Errors
    /// No database, or the file, line, package and field that is not understood.
    pub fn read(fs: &dyn FileSystem) -> Result<Self, InventoryError> {
        if !Self::detect(fs) {
            return Err(InventoryError::NoDatabase);
        }
        let auto = read_auto(fs)?;
        let mut packages = BTreeMap::new();
        for file in distroless::read(fs)? {
            let reader = StanzaReader { path: &file.path, record: Record::File(file.path.clone()) };
            let package = reader.package(&file.stanza, None, &auto)?;
            packages.insert(package.id.clone(), package);
        }
        let path = ImagePath::literal(STATUS);
        if fs.stat(&path).is_some_and(Entry::is_file) {
            let status = Status::parse(fs.read(&path)?)
                .map_err(|source| InventoryError::Status { path: path.clone(), source })?;
            let reader = StanzaReader { path: &path, record: Record::Status };
            for entry in &status.entries {
                let unfinished = match entry.state {
                    State::NotInstalled | State::ConfigFiles => continue,
                    State::Installed => None,
                    State::Unfinished => Some(unfinished_state(entry)),
                };
                let package = reader.package(&entry.stanza, unfinished, &auto)?;
                packages.insert(package.id.clone(), package);
            }
        }
        let packages: Vec<InstalledPackage> = packages.into_values().collect();
        let (native, foreign) = architectures(fs, &packages)?;
        Ok(Self { distribution: read_distribution(fs)?, native, foreign, packages })
    }

    /// The architectures that apt has repositories read for, the native one first: those that
    /// dpkg accepts, or those of `APT::Architectures`.
    #[must_use]
    pub fn architectures(&self, conf: &AptConf) -> Vec<String> {
        let told = conf.list("APT::Architectures").into_iter().map(str::to_owned);
        let mut rest: Vec<String> = told.filter(|name| !name.is_empty()).collect();
        if rest.is_empty() {
            rest = self.foreign.iter().map(ToString::to_string).collect();
        }
        let mut out = vec![self.native.to_string()];
        for name in rest {
            if !out.contains(&name) {
                out.push(name);
            }
        }
        out
    }

    /// `dpkg`, or `dpkg-distroless` when every package has a file of its own.
    #[must_use]
    pub fn family(&self) -> &'static str {
        match self.has_status() {
            true => "dpkg",
            false => "dpkg-distroless",
        }
    }

    /// Whether a package is recorded in dpkg's own database.
    #[must_use]
    pub fn has_status(&self) -> bool {
        self.packages.iter().any(|package| package.record == Record::Status)
    }

    /// The package of this name and architecture.
    #[must_use]
    pub fn get(&self, id: &PackageId) -> Option<&InstalledPackage> {
        let at = self.packages.binary_search_by(|package| package.id.cmp(id)).ok()?;
        self.packages.get(at)
    }

    /// What reports and other rooms need.
    #[must_use]
    pub fn to_inventory(&self) -> Inventory {
        let installed = |package: &InstalledPackage| Installed {
            id: package.id.clone(),
            version: package.version.to_text(),
            source: package
                .source
                .as_ref()
                .map(|(name, version)| (name.clone(), version.to_text())),
            held: package.held,
        };
        let finished = self.packages.iter().filter(|package| package.unfinished.is_none());
        let unfinished = self.packages.iter().filter_map(|package| {
            let state = package.unfinished.clone()?;
            Some(UnfinishedPackage { package: installed(package), state })
        });
        Inventory {
            family: self.family(),
            purl_type: "deb",
            order: VersionOrder::DPKG,
            distribution: self.distribution.clone(),
            packages: finished.map(installed).collect(),
            unfinished: unfinished.collect(),
        }
    }
}

/// The state in dpkg's words: the last of `install reinstreq half-installed`, after the flag
/// when that is not `ok`.
fn unfinished_state(entry: &StatusEntry) -> String {
    let status = entry.stanza.get("Status").unwrap_or_default();
    let words: Vec<&str> = status.split_ascii_whitespace().skip(1).collect();
    match words.as_slice() {
        ["ok", state] => (*state).to_owned(),
        words => words.join(" "),
    }
}

/// Reads stanzas of one file, and says in errors where they are.
struct StanzaReader<'a> {
    path: &'a ImagePath,
    record: Record,
}

impl StanzaReader<'_> {
    fn package(
        &self,
        stanza: &Stanza,
        unfinished: Option<String>,
        auto: &BTreeSet<(String, String)>,
    ) -> Result<InstalledPackage, InventoryError> {
        let name = self.required(stanza, "Package")?.to_ascii_lowercase();
        if !is_package_name(&name) {
            return Err(self.bad(stanza, format!("{name:?} is not a package name")));
        }
        let architecture = stanza.get("Architecture").filter(|a| !a.is_empty()).unwrap_or("all");
        let version = self.required(stanza, "Version")?;
        let version = self.version(stanza, &name, version)?;
        let status = stanza.get("Status").unwrap_or("install ok installed");
        let yes = |field| stanza.get(field).is_some_and(|v| v.eq_ignore_ascii_case("yes"));
        Ok(InstalledPackage {
            source: self.source(stanza, &name, &version)?,
            maintainer: stanza.get("Maintainer").unwrap_or_default().to_owned(),
            relations: self.relations(stanza, &name)?,
            multi_arch: MultiArch::from_field(stanza.get("Multi-Arch")),
            essential: yes("Essential"),
            held: status.split_ascii_whitespace().next() == Some("hold"),
            auto: auto.contains(&(name.clone(), architecture.to_owned())),
            record: self.record.clone(),
            unfinished,
            version,
            id: PackageId {
                name: PackageName(name),
                architecture: Architecture(architecture.to_owned()),
            },
        })
    }

    fn required<'s>(
        &self,
        stanza: &'s Stanza,
        field: &'static str,
    ) -> Result<&'s str, InventoryError> {
        match stanza.get(field) {
            Some(value) if !value.is_empty() => Ok(value),
            _ => Err(self.bad(stanza, format!("the stanza has no {field}"))),
        }
    }

    fn bad(&self, stanza: &Stanza, problem: String) -> InventoryError {
        InventoryError::Stanza { path: self.path.clone(), line: stanza.line(), problem }
    }

    fn version(&self, stanza: &Stanza, name: &str, text: &str) -> Result<Version, InventoryError> {
        Version::parse_recorded(text.trim()).map_err(|source| InventoryError::Version {
            path: self.path.clone(),
            line: stanza.line(),
            package: name.to_owned(),
            source,
        })
    }

    /// `Source: name` or `Source: name (version)`.
    fn source(
        &self,
        stanza: &Stanza,
        package: &str,
        version: &Version,
    ) -> Result<Option<(PackageName, Version)>, InventoryError> {
        let Some(field) = stanza.get("Source").map(str::trim).filter(|s| !s.is_empty()) else {
            return Ok(None);
        };
        let (name, version) = match field.split_once('(') {
            None => (field, version.clone()),
            Some((name, rest)) => {
                let text = rest.trim_end().strip_suffix(')').unwrap_or(rest);
                (name.trim_end(), self.version(stanza, package, text)?)
            }
        };
        Ok(Some((PackageName(name.to_owned()), version)))
    }

    fn relations(&self, stanza: &Stanza, package: &str) -> Result<Relations, InventoryError> {
        let error = |field| {
            move |source| InventoryError::Relation {
                path: self.path.clone(),
                line: stanza.line(),
                package: package.to_owned(),
                field,
                source: Box::new(source),
            }
        };
        let get = |field| stanza.get(field).unwrap_or_default();
        Ok(Relations {
            pre_depends: parse_clauses(get("Pre-Depends")).map_err(error("Pre-Depends"))?,
            depends: parse_clauses(get("Depends")).map_err(error("Depends"))?,
            breaks: parse_list(get("Breaks")).map_err(error("Breaks"))?,
            conflicts: parse_list(get("Conflicts")).map_err(error("Conflicts"))?,
            provides: parse_provides(get("Provides")).map_err(error("Provides"))?,
            // They bind nobody: what is not understood recommends nothing.
            recommends: parse_clauses(get("Recommends")).unwrap_or_default(),
        })
    }
}

/// The packages that apt has marked as automatically installed, by name and architecture.
fn read_auto(fs: &dyn FileSystem) -> Result<BTreeSet<(String, String)>, InventoryError> {
    let path = ImagePath::literal("/var/lib/apt/extended_states");
    if !fs.stat(&path).is_some_and(Entry::is_file) {
        return Ok(BTreeSet::new());
    }
    let stanzas = parse_stanzas(fs.read(&path)?)
        .map_err(|source| InventoryError::Control { path: path.clone(), source })?;
    Ok(stanzas
        .iter()
        .filter(|stanza| stanza.get("Auto-Installed") == Some("1"))
        .filter_map(|stanza| {
            Some((stanza.get("Package")?.to_owned(), stanza.get("Architecture")?.to_owned()))
        })
        .collect())
}

/// The native architecture is the one of the installed dpkg, which has it compiled in;
/// without dpkg the first line of `/var/lib/dpkg/arch`; without that the most common one.
fn architectures(
    fs: &dyn FileSystem,
    packages: &[InstalledPackage],
) -> Result<(Architecture, Vec<Architecture>), InventoryError> {
    let mut known: Vec<Architecture> = Vec::new();
    let path = ImagePath::literal("/var/lib/dpkg/arch");
    if fs.stat(&path).is_some_and(Entry::is_file) {
        let text = fs.read(&path)?;
        let lines = String::from_utf8_lossy(&text);
        known.extend(lines.split_ascii_whitespace().map(Architecture::from));
    }
    let mut counts: BTreeMap<&Architecture, usize> = BTreeMap::new();
    for package in packages.iter().filter(|package| package.id.architecture.as_ref() != "all") {
        *counts.entry(&package.id.architecture).or_default() += 1;
    }
    let native = packages
        .iter()
        .find(|package| package.id.name.as_ref() == "dpkg")
        .map(|package| &package.id.architecture)
        .filter(|architecture| architecture.as_ref() != "all")
        .or(known.first())
        .or(counts.iter().max_by_key(|(_, count)| **count).map(|(architecture, _)| *architecture))
        .cloned()
        .unwrap_or_else(|| Architecture::from("all"));
    let foreign: BTreeSet<Architecture> = known
        .iter()
        .chain(counts.keys().copied())
        .filter(|architecture| **architecture != native)
        .cloned()
        .collect();
    Ok((native, foreign.into_iter().collect()))
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::Arc;

    use super::*;
    use imgfix_vfs::tree::ContentLoader;
    use imgfix_vfs::{LayerId, Tree};

    struct NoLayers;

    impl ContentLoader for NoLayers {
        fn open(&self, _: LayerId, _: u32) -> std::io::Result<Box<dyn Read + Send>> {
            Err(std::io::ErrorKind::NotFound.into())
        }
    }

    fn image(files: &[(&'static str, &'static str)]) -> Tree {
        let entries = files.iter().map(|(path, text)| {
            (ImagePath::literal(path), Entry::file(text.as_bytes().to_vec(), 0o644, 0))
        });
        Tree::from_entries(entries, Arc::new(NoLayers))
    }

    const OS_RELEASE: (&str, &str) = (
        "/usr/lib/os-release",
        "PRETTY_NAME=\"Debian \\\"12\\\"\"\nID=debian\nVERSION_ID='12'\nVERSION_CODENAME=bookworm\n#x\n",
    );

    const STATUS_TEXT: &str = "\
Package: dpkg
Essential: yes
Status: install ok installed
Architecture: amd64
Version: 1.21.22
Pre-Depends: libc6 (>= 2.34), tar (>= 1.28-1)

Package: libc6
Status: hold ok installed
Architecture: amd64
Multi-Arch: same
Source: glibc (2.36-9)
Version: 2.36-9+b1
Depends: libgcc-s1
Breaks: nscd (<< 2.36)

Package: libc6
Status: install ok half-configured
Architecture: i386
Multi-Arch: same
Source: glibc
Version: 2.36-9

Package: broken
Status: install reinstreq half-installed
Architecture: all
Version: 1

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: wanted
Status: unknown ok not-installed
";

    #[test]
    fn a_status_file_is_read_with_states_sources_and_relations() {
        let tree = image(&[
            (STATUS, STATUS_TEXT),
            OS_RELEASE,
            (
                "/var/lib/apt/extended_states",
                "Package: libc6\nArchitecture: amd64\nAuto-Installed: 1\n\nPackage: dpkg\nArchitecture: amd64\nAuto-Installed: 0\n",
            ),
        ]);
        let inventory = DpkgInventory::read(&tree).unwrap();
        let shown: Vec<String> = inventory
            .packages
            .iter()
            .map(|p| format!("{} {} {:?}", p.id, p.version, p.unfinished))
            .collect();
        assert_eq!(
            shown,
            [
                "broken:all 1 Some(\"reinstreq half-installed\")",
                "dpkg:amd64 1.21.22 None",
                "libc6:amd64 2.36-9+b1 None",
                "libc6:i386 2.36-9 Some(\"half-configured\")",
            ]
        );
        assert_eq!(inventory.native.as_ref(), "amd64");
        assert_eq!(inventory.foreign, [Architecture::from("i386")]);
        let libc = &inventory.packages[2];
        assert!(libc.held && libc.auto && libc.multi_arch == MultiArch::Same);
        assert_eq!((libc.source_name(), libc.source_version().as_str()), ("glibc", "2.36-9"));
        assert_eq!(libc.relations.breaks[0].to_string(), "nscd (<< 2.36)");
        let dpkg = &inventory.packages[1];
        assert!(dpkg.essential && !dpkg.held && !dpkg.auto);
        assert_eq!(dpkg.relations.pre_depends.len(), 2);
        let public = inventory.to_inventory();
        assert_eq!((public.family, public.packages.len()), ("dpkg", 2));
        assert_eq!(public.distribution.pretty_name, "Debian \"12\"");
        assert_eq!(public.distribution.codename, "bookworm");
        assert_eq!(public.distribution.version_id, "12");
    }

    #[test]
    fn distroless_files_are_read() {
        let tree = image(&[
            (
                "/var/lib/dpkg/status.d/libssl3",
                "Package: libssl3\nArchitecture: arm64\nVersion: 3.0.1\nSource: openssl\nDepends: libc6, debconf\n",
            ),
            ("/var/lib/dpkg/status.d/libssl3.md5sums", "d41d8cd98f00b204e9800998ecf8427e  x\n"),
            ("/var/lib/dpkg/status.d/tzdata", "Package: tzdata\nArchitecture: all\nVersion: 1\n"),
        ]);
        let inventory = DpkgInventory::read(&tree).unwrap();
        assert_eq!((inventory.family(), inventory.packages.len()), ("dpkg-distroless", 2));
        assert_eq!(inventory.native.as_ref(), "arm64");
        let record = Record::File(ImagePath::literal("/var/lib/dpkg/status.d/libssl3"));
        assert_eq!(inventory.packages[0].record, record);
        let files = distroless::read(&tree).unwrap();
        assert!(files[0].md5sums.is_some() && files[1].md5sums.is_none());
    }

    #[test]
    fn what_is_not_understood_is_an_error_with_its_place() {
        const TWO: &str = "Package: a\nVersion: 1\n\nPackage: b\nVersion: 1\n";
        for (path, text, want) in [
            (
                STATUS,
                "Package: a\nStatus: install ok installed\n",
                "line 1: the stanza has no Version",
            ),
            (
                STATUS,
                "Package: a\nStatus: install ok installed\nVersion: x:1\n",
                "package a: version",
            ),
            (STATUS, "Package: a\nVersion: 1\n", "line 1: the stanza has no Status"),
            (
                STATUS,
                "\nPackage: a\nStatus: install ok installed\nVersion: 1\nDepends: b (\n",
                "/var/lib/dpkg/status: line 2: package a: field Depends: relation",
            ),
            (
                STATUS,
                "Package: ../x\nStatus: install ok installed\nVersion: 1\n",
                "not a package name",
            ),
            ("/var/lib/dpkg/status.d/x", TWO, "/var/lib/dpkg/status.d/x: line 4: a second stanza"),
            ("/etc/passwd", "", "has no /var/lib/dpkg/status"),
        ] {
            let error = DpkgInventory::read(&image(&[(path, text)])).unwrap_err().to_string();
            assert!(error.contains(want), "{text}: {error}");
        }
    }
}
