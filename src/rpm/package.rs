//! [`Package`]: a header as what it says of a package.
//!
//! In comes a [`Header`]; out come names, files, relations, scripts and triggers as values that
//! slice it. Nothing is read before it is asked for. Lists that belong together and have
//! different lengths are errors. Source: rpm `include/rpm/rpmtag.h`, `lib/rpmfi.cc`.

use imgfix_versions::rpm::{Evr, EvrError};

use crate::archive::digests::of_header_hold;
use crate::header::{Header, Tag, tag};
use crate::relation::{Flags, Relation, RelationError};

mod file_relations;
pub mod files;
pub mod scripts;

pub use file_relations::{FileRelation, file_relations};
pub use files::{File, FileHash, Files, FilesError};
pub use scripts::{Scriptlet, ScriptletKind, Trigger, TriggerKind, TriggersError};

/// A package, installed or in an archive. Clones share the header's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    header: Header,
}

/// A kind of relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RelationKind {
    /// What it has for others.
    Provides,
    /// What it needs.
    Requires,
    /// What it cannot be beside.
    Conflicts,
    /// What it takes the place of.
    Obsoletes,
    /// What it should have.
    Recommends,
    /// What it may have.
    Suggests,
    /// Beside what it should be.
    Supplements,
    /// Beside what it may be.
    Enhances,
    /// What is installed before it, where both are.
    Order,
}

impl RelationKind {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::Provides,
        Self::Requires,
        Self::Conflicts,
        Self::Obsoletes,
        Self::Recommends,
        Self::Suggests,
        Self::Supplements,
        Self::Enhances,
        Self::Order,
    ];

    /// Of names, flags and versions.
    #[must_use]
    pub fn tags(self) -> [Tag; 3] {
        match self {
            Self::Provides => [tag::PROVIDENAME, tag::PROVIDEFLAGS, tag::PROVIDEVERSION],
            Self::Requires => [tag::REQUIRENAME, tag::REQUIREFLAGS, tag::REQUIREVERSION],
            Self::Conflicts => [tag::CONFLICTNAME, tag::CONFLICTFLAGS, tag::CONFLICTVERSION],
            Self::Obsoletes => [tag::OBSOLETENAME, tag::OBSOLETEFLAGS, tag::OBSOLETEVERSION],
            Self::Recommends => [tag::RECOMMENDNAME, tag::RECOMMENDFLAGS, tag::RECOMMENDVERSION],
            Self::Suggests => [tag::SUGGESTNAME, tag::SUGGESTFLAGS, tag::SUGGESTVERSION],
            Self::Supplements => {
                [tag::SUPPLEMENTNAME, tag::SUPPLEMENTFLAGS, tag::SUPPLEMENTVERSION]
            }
            Self::Enhances => [tag::ENHANCENAME, tag::ENHANCEFLAGS, tag::ENHANCEVERSION],
            Self::Order => [tag::ORDERNAME, tag::ORDERFLAGS, tag::ORDERVERSION],
        }
    }
}

/// An entry of a package's changelog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangelogEntry<'a> {
    /// Seconds since the epoch.
    pub time: u32,
    /// Who wrote it, often with the version.
    pub author: &'a [u8],
    /// What was changed.
    pub text: &'a [u8],
}

/// Why a header is no package.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackageError {
    /// A tag that every package has is missing, or is no text.
    #[error("a package's header has no {0}")]
    Missing(Tag),
}

impl Package {
    /// Looks whether a header has what every package has: name, version and release.
    ///
    /// # Errors
    /// One of them is missing.
    pub fn new(header: Header) -> Result<Self, PackageError> {
        for tag in [tag::NAME, tag::VERSION, tag::RELEASE] {
            if header.text(tag).is_none_or(str::is_empty) {
                return Err(PackageError::Missing(tag));
            }
        }
        Ok(Self { header })
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Whether it is as it was made, by the digests that rpm's database keeps of a package. What is
    /// no package's own header (that of a key) has none.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.header.region().is_none() || of_header_hold(&self.header, &self.header.as_in_archive())
    }

    fn text(&self, tag: Tag) -> &str {
        self.header.text(tag).unwrap_or_default()
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text(tag::NAME)
    }

    /// The epoch, where it has one.
    #[must_use]
    pub fn epoch(&self) -> Option<u32> {
        self.header.number32(tag::EPOCH)
    }

    /// The version.
    #[must_use]
    pub fn version(&self) -> &str {
        self.text(tag::VERSION)
    }

    /// The release.
    #[must_use]
    pub fn release(&self) -> &str {
        self.text(tag::RELEASE)
    }

    /// Epoch, version and release.
    ///
    /// # Errors
    /// They have characters that no version has.
    pub fn evr(&self) -> Result<Evr, EvrError> {
        Evr::new(self.epoch(), self.version(), Some(self.release()))
    }

    /// The architecture; empty for keys.
    #[must_use]
    pub fn arch(&self) -> &str {
        self.text(tag::ARCH)
    }

    /// `name-[epoch:]version-release.arch`, for people.
    #[must_use]
    pub fn label(&self) -> String {
        let epoch = self.epoch().map(|epoch| format!("{epoch}:")).unwrap_or_default();
        let arch = match self.arch() {
            "" => String::new(),
            arch => format!(".{arch}"),
        };
        format!("{}-{epoch}{}-{}{arch}", self.name(), self.version(), self.release())
    }

    /// Who made it.
    #[must_use]
    pub fn vendor(&self) -> Option<&str> {
        self.header.text(tag::VENDOR)
    }

    /// The file name of its source package.
    #[must_use]
    pub fn source_rpm(&self) -> Option<&str> {
        self.header.text(tag::SOURCERPM)
    }

    /// The stream of a module that it was built for: `name:stream:version:context`.
    #[must_use]
    pub fn modularity_label(&self) -> Option<&str> {
        self.header.text(tag::MODULARITYLABEL).filter(|label| !label.is_empty())
    }

    /// The licence.
    #[must_use]
    pub fn license(&self) -> Option<&str> {
        self.header.text(tag::LICENSE)
    }

    /// Bytes that its files have.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.header.number(tag::LONGSIZE).or_else(|| self.header.number(tag::SIZE))
    }

    /// When it was installed, in seconds since the epoch; `None` of archives.
    #[must_use]
    pub fn install_time(&self) -> Option<u32> {
        self.header.number32(tag::INSTALLTIME)
    }

    /// Whether it is a source package, which is nothing to install.
    #[must_use]
    pub fn is_source(&self) -> bool {
        self.header.has(tag::SOURCEPACKAGE) || !self.header.has(tag::SOURCERPM) && !self.is_key()
    }

    /// Whether it is a key that somebody imported, and no package.
    #[must_use]
    pub fn is_key(&self) -> bool {
        self.name() == "gpg-pubkey"
    }

    /// Its files, in its own order.
    ///
    /// # Errors
    /// Lists of different lengths, or folders that are not there.
    pub fn files(&self) -> Result<Files<'_>, FilesError> {
        Files::read(&self.header)
    }

    /// Its relations of one kind, in its own order.
    ///
    /// # Errors
    /// Lists of different lengths, or one that is no relation.
    pub fn relations(&self, kind: RelationKind) -> Result<Vec<Relation>, RelationError> {
        read_relations(&self.header, kind.tags())
    }

    /// One of its scripts.
    #[must_use]
    pub fn scriptlet(&self, kind: ScriptletKind) -> Option<Scriptlet<'_>> {
        Scriptlet::read(&self.header, kind)
    }

    /// Its triggers of one kind, in its own order.
    ///
    /// # Errors
    /// Lists of different lengths, or conditions of scripts that are not there.
    pub fn triggers(&self, kind: TriggerKind) -> Result<Vec<Trigger<'_>>, TriggersError> {
        scripts::read_triggers(&self.header, kind)
    }

    /// Its changelog, newest first. Entries that are not whole are left out.
    pub fn changelog(&self) -> impl Iterator<Item = ChangelogEntry<'_>> {
        let times = self.header.numbers(tag::CHANGELOGTIME);
        let authors = self.header.strings(tag::CHANGELOGNAME);
        let texts = self.header.strings(tag::CHANGELOGTEXT);
        times.iter().zip(authors.zip(texts)).map(|(time, (author, text))| ChangelogEntry {
            time: u32::try_from(time).unwrap_or_default(),
            author,
            text,
        })
    }
}

/// The relations of three tags. Packages of rpm 3 have names without flags and versions.
fn read_relations(header: &Header, tags: [Tag; 3]) -> Result<Vec<Relation>, RelationError> {
    let [names, flags, versions] = tags;
    let (names, flags) = (header.strings(names), header.numbers(flags));
    let mut versions = header.strings(versions);
    let fits = |count: usize| count == 0 || count == names.len();
    if !fits(flags.len()) || !fits(versions.len()) {
        return Err(RelationError::Counts {
            names: names.len(),
            flags: flags.len(),
            versions: versions.len(),
        });
    }
    let text =
        |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
    names
        .enumerate()
        .map(|(at, name)| {
            let flags = Flags(flags.get32(at).unwrap_or_default());
            Relation::new(&text(Some(name)), flags, &text(versions.next()))
        })
        .collect()
}

#[cfg(test)]
mod tests;
