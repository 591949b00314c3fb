//! `primary.xml`: what a repository offers, in a compact form that is asked by name.
//!
//! In comes the unpacked stream of a file whose digest held; out comes a [`PrimaryFile`]: every
//! package with its relations, and tables by its name, by what it provides, obsoletes and
//! supplements, and by its files. Texts are kept once ([`Strings`]), relations are twelve bytes.
//! Source: createrepo_c, `src/xml_dump_primary.c` and `src/xml_parser_primary.c`.

mod reader;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ops::Range;

use super::strings::{Id, Strings};
use super::xml::XmlError;
use imgfix_model::digest::Digest;
use imgfix_rpm::relation::Flags;
use imgfix_vfs::{OverBudget, Reserved};

/// The most unpacked bytes of one file that are read.
pub const MAX_UNPACKED: u64 = 2 << 30;

/// The most packages of one repository.
pub(crate) const MAX_PACKAGES: usize = 1_000_000;

/// The most relations of one package. Real ones have some thousand.
pub(crate) const MAX_RELATIONS: usize = 100_000;

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PrimaryError {
    /// The stream fails, or is not the XML that it should be.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// It has more than there is room for.
    #[error(transparent)]
    Memory(#[from] OverBudget),
}

/// What a relation says of a version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flag {
    /// Nothing: any version will do.
    #[default]
    Any,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `=`
    Equal,
    /// `>=`
    GreaterEqual,
    /// `>`
    Greater,
}

impl Flag {
    /// As `primary.xml` writes it.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        match word {
            "LT" => Self::Less,
            "LE" => Self::LessEqual,
            "EQ" => Self::Equal,
            "GE" => Self::GreaterEqual,
            "GT" => Self::Greater,
            _ => Self::Any,
        }
    }

    /// As headers write it.
    #[must_use]
    pub fn flags(self) -> Flags {
        match self {
            Self::Any => Flags::ANY,
            Self::Less => Flags::LESS,
            Self::LessEqual => Flags::LESS | Flags::EQUAL,
            Self::Equal => Flags::EQUAL,
            Self::GreaterEqual => Flags::GREATER | Flags::EQUAL,
            Self::Greater => Flags::GREATER,
        }
    }

    /// As people write it; empty for [`Flag::Any`].
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Any => "",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Equal => "=",
            Self::GreaterEqual => ">=",
            Self::Greater => ">",
        }
    }
}

/// What flags of headers say of a version.
impl From<Flags> for Flag {
    fn from(flags: Flags) -> Self {
        match (flags.has(Flags::LESS), flags.has(Flags::GREATER), flags.has(Flags::EQUAL)) {
            (true, false, false) => Self::Less,
            (true, false, true) => Self::LessEqual,
            (false, false, true) => Self::Equal,
            (false, true, true) => Self::GreaterEqual,
            (false, true, false) => Self::Greater,
            _ => Self::Any,
        }
    }
}

/// The kinds of relations that a package has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelationKind {
    /// What it is to others, its own name among it.
    Provides,
    /// What has to be there.
    Requires,
    /// What must not be there.
    Conflicts,
    /// What it replaces.
    Obsoletes,
    /// What comes along when it can.
    Recommends,
    /// What it comes along with.
    Supplements,
    /// Files, as far as `primary.xml` has them: those of `/etc` and of folders of programs.
    Files,
}

impl RelationKind {
    pub(crate) const ALL: [Self; 7] = [
        Self::Provides,
        Self::Requires,
        Self::Conflicts,
        Self::Obsoletes,
        Self::Recommends,
        Self::Supplements,
        Self::Files,
    ];

    /// By the name of its element. Suggestions and enhancements change no choice.
    pub(crate) fn of_element(name: &str) -> Option<Self> {
        Some(match name {
            "provides" => Self::Provides,
            "requires" => Self::Requires,
            "conflicts" => Self::Conflicts,
            "obsoletes" => Self::Obsoletes,
            "recommends" => Self::Recommends,
            "supplements" => Self::Supplements,
            _ => return None,
        })
    }
}

/// A relation, in the words of the metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RelationText<'a> {
    /// A capability, a path, or a whole rich dependency: `(a if b)`.
    pub name: &'a str,
    /// How versions are compared with `evr`.
    pub flag: Flag,
    /// `[epoch:]version[-release]`; empty for [`Flag::Any`].
    pub evr: &'a str,
}

impl std::fmt::Display for RelationText<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.flag {
            Flag::Any => f.write_str(self.name),
            flag => write!(f, "{} {} {}", self.name, flag.sign(), self.evr),
        }
    }
}

/// A package of the file, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageNumber(u32);

#[derive(Clone, Copy, Default)]
struct Relation {
    name: Id,
    evr: Id,
    flag: Flag,
}

#[derive(Clone)]
struct Entry {
    name: Id,
    architecture: Id,
    epoch: Id,
    version: Id,
    release: Id,
    location: Id,
    base: Id,
    vendor: Id,
    source: Id,
    digest: Digest,
    size: u64,
    /// Where its headers end; 0: not said.
    header_end: u32,
    built: i64,
    /// Where the relations of each kind begin; they end where the next ones do.
    relations: [u32; RelationKind::ALL.len() + 1],
}

/// A name's number, and a package that it leads to.
type Row = (Id, PackageNumber);

/// The compact form of one `primary.xml`.
pub struct PrimaryFile {
    strings: Strings,
    packages: Vec<Entry>,
    relations: Vec<Relation>,
    by_name: Vec<Row>,
    by_provide: Vec<Row>,
    by_file: Vec<Row>,
    by_obsolete: Vec<Row>,
    by_supplement: Vec<Row>,
    left_out: u32,
    first_left_out: Option<String>,
    _reserved: Reserved,
}

impl std::fmt::Debug for PrimaryFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PrimaryFile")
            .field("packages", &self.packages.len())
            .field("relations", &self.relations.len())
            .finish()
    }
}

/// A package of a file.
#[derive(Clone, Copy)]
pub struct Package<'a> {
    file: &'a PrimaryFile,
    entry: &'a Entry,
    /// Its number in the file.
    pub number: PackageNumber,
}

impl<'a> Package<'a> {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.file.strings.get(self.entry.name)
    }

    /// `x86_64`, `noarch`.
    #[must_use]
    pub fn architecture(&self) -> &'a str {
        self.file.strings.get(self.entry.architecture)
    }

    /// Digits; `0` when there is none.
    #[must_use]
    pub fn epoch(&self) -> &'a str {
        match self.file.strings.get(self.entry.epoch) {
            "" => "0",
            epoch => epoch,
        }
    }

    /// Without epoch and release.
    #[must_use]
    pub fn version(&self) -> &'a str {
        self.file.strings.get(self.entry.version)
    }

    /// `27.el9`.
    #[must_use]
    pub fn release(&self) -> &'a str {
        self.file.strings.get(self.entry.release)
    }

    /// `[epoch:]version-release`, the epoch when it is not 0.
    #[must_use]
    pub fn evr(&self) -> String {
        match self.epoch() {
            "0" => format!("{}-{}", self.version(), self.release()),
            epoch => format!("{epoch}:{}-{}", self.version(), self.release()),
        }
    }

    /// Its path below the repository, or below [`Package::base`].
    #[must_use]
    pub fn location(&self) -> &'a str {
        self.file.strings.get(self.entry.location)
    }

    /// Another place than the repository's (`xml:base`); empty: none.
    #[must_use]
    pub fn base(&self) -> &'a str {
        self.file.strings.get(self.entry.base)
    }

    /// Who made it.
    #[must_use]
    pub fn vendor(&self) -> &'a str {
        self.file.strings.get(self.entry.vendor)
    }

    /// The file name of its source package.
    #[must_use]
    pub fn source(&self) -> &'a str {
        self.file.strings.get(self.entry.source)
    }

    /// The SHA-256 of its file.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.entry.digest
    }

    /// Bytes of its file.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.entry.size
    }

    /// Where in its file the headers end, and the payload begins.
    #[must_use]
    pub fn header_end(&self) -> Option<u64> {
        Some(self.entry.header_end.into()).filter(|end| *end > 0)
    }

    /// When it was built, in seconds since the epoch.
    #[must_use]
    pub fn built(&self) -> i64 {
        self.entry.built
    }

    /// Its relations of one kind, as the file has them.
    pub fn relations(
        &self,
        kind: RelationKind,
    ) -> impl Iterator<Item = RelationText<'a>> + use<'a> {
        let file = self.file;
        let relations = file.relations.get(self.entry.range(kind)).unwrap_or_default();
        relations.iter().map(move |relation| RelationText {
            name: file.strings.get(relation.name),
            flag: relation.flag,
            evr: file.strings.get(relation.evr),
        })
    }
}

impl Entry {
    fn range(&self, kind: RelationKind) -> Range<usize> {
        let at = kind as usize;
        let edge = |at: usize| self.relations.get(at).copied().unwrap_or(0) as usize;
        edge(at)..edge(at + 1)
    }
}

impl PrimaryFile {
    /// How many packages it has, without those that were left out.
    #[must_use]
    pub fn len(&self) -> usize {
        self.packages.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packages.is_empty()
    }

    /// How many packages were left out, and why the first one was.
    #[must_use]
    pub fn left_out(&self) -> Option<(u32, &str)> {
        let why = self.first_left_out.as_deref()?;
        Some((self.left_out, why))
    }

    /// A package by its number.
    #[must_use]
    pub fn get(&self, number: PackageNumber) -> Option<Package<'_>> {
        let entry = self.packages.get(number.0 as usize)?;
        Some(Package { file: self, entry, number })
    }

    /// All packages, in the file's order.
    pub fn packages(&self) -> impl Iterator<Item = Package<'_>> {
        (0u32..).map(PackageNumber).zip(&self.packages).map(|(number, entry)| Package {
            file: self,
            entry,
            number,
        })
    }

    /// The packages of a name.
    pub fn named(&self, name: &str) -> impl Iterator<Item = Package<'_>> {
        self.found(&self.by_name, name)
    }

    /// The packages that provide a capability in some version. Their own names are not among it
    /// unless they say so, as all built by rpm do.
    pub fn providing(&self, name: &str) -> impl Iterator<Item = Package<'_>> {
        self.found(&self.by_provide, name)
    }

    /// The packages that have a file, as far as it is known.
    pub fn with_file(&self, path: &str) -> impl Iterator<Item = Package<'_>> {
        self.found(&self.by_file, path)
    }

    /// The packages that obsolete a name in some version.
    pub fn obsoleting(&self, name: &str) -> impl Iterator<Item = Package<'_>> {
        self.found(&self.by_obsolete, name)
    }

    /// The packages that supplement something by this name or rich dependency.
    pub fn supplementing(&self, name: &str) -> impl Iterator<Item = Package<'_>> {
        self.found(&self.by_supplement, name)
    }

    /// Whether any package supplements by a rich dependency, with each of them.
    pub fn rich_supplements(&self) -> impl Iterator<Item = Package<'_>> {
        let rich = |row: &&Row| self.strings.get(row.0).starts_with('(');
        self.by_supplement.iter().filter(rich).filter_map(|row| self.get(row.1))
    }

    /// Adds files that `filelists.xml` has: paths with the packages' digests.
    ///
    /// # Errors
    /// There is no room for more.
    pub fn add_files<'p>(
        &mut self,
        files: impl IntoIterator<Item = (&'p str, Digest)>,
    ) -> Result<(), OverBudget> {
        let numbers: HashMap<Digest, PackageNumber> =
            self.packages().map(|package| (package.digest(), package.number)).collect();
        for (path, digest) in files {
            let Some(&number) = numbers.get(&digest) else { continue };
            let id = self.strings.add(path)?;
            self.by_file.push((id, number));
        }
        self.by_file.sort_unstable();
        self.by_file.dedup();
        Ok(())
    }

    fn found<'a>(
        &'a self,
        table: &'a [Row],
        name: &str,
    ) -> impl Iterator<Item = Package<'a>> + use<'a> {
        let id = self.strings.find(name);
        let start = id.map_or(table.len(), |id| table.partition_point(|row| row.0 < id));
        let rows = table.get(start..).unwrap_or_default().iter();
        rows.take_while(move |row| Some(row.0) == id).filter_map(|row| self.get(row.1))
    }
}
