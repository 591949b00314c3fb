//! [`Relation`]: what a package requires, provides, conflicts with and so on.
//!
//! In come a name, flags and a version as headers and indexes have them; out goes whether two
//! relations are about the same. A name that begins with `(` is a [rich dependency](rich), one
//! that begins with `/` a path. Source: rpm `include/rpm/rpmds.h`, `rpmdsCompare` of
//! `lib/rpmds.cc`, `rpmverOverlap` of `rpmio/rpmver.c`; rpm-dependencies(7).

use std::cmp::Ordering;
use std::fmt;

use imgfix_versions::rpm::{Evr, EvrError, compare};

pub mod rich;

pub use rich::{Rich, RichError};

/// The longest name of a relation, in bytes; rich dependencies are names, too.
pub const MAX_NAME: usize = 64 << 10;

/// Why a relation cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RelationError {
    /// It has no name.
    #[error("a relation has no name")]
    NoName,
    /// Its name has this many bytes, which are more than [`MAX_NAME`].
    #[error("a relation has a name of {0} bytes")]
    TooLong(usize),
    /// What it says of versions is no version.
    #[error("relation {name}: {error}")]
    Version {
        /// The name.
        name: String,
        /// What is wrong.
        error: EvrError,
    },
    /// A header has other numbers of names, flags and versions.
    #[error("{names} names, {flags} flags and {versions} versions of one kind of relation")]
    Counts {
        /// How many names.
        names: usize,
        /// How many flags.
        flags: usize,
        /// How many versions.
        versions: usize,
    },
}

/// Flags of a relation (`RPMSENSE_*`): which versions it means, and what it is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct Flags(pub u32);

impl Flags {
    /// Any version.
    pub const ANY: Self = Self(0);
    /// Lower versions.
    pub const LESS: Self = Self(1 << 1);
    /// Higher versions.
    pub const GREATER: Self = Self(1 << 2);
    /// The version itself.
    pub const EQUAL: Self = Self(1 << 3);
    /// `%posttrans` needs it.
    pub const POSTTRANS: Self = Self(1 << 5);
    /// It has to be there before the package is.
    pub const PREREQ: Self = Self(1 << 6);
    /// `%pretrans` needs it.
    pub const PRETRANS: Self = Self(1 << 7);
    /// It is the interpreter of a script.
    pub const INTERPRETER: Self = Self(1 << 8);
    /// `%pre` needs it.
    pub const SCRIPT_PRE: Self = Self(1 << 9);
    /// `%post` needs it.
    pub const SCRIPT_POST: Self = Self(1 << 10);
    /// `%preun` needs it.
    pub const SCRIPT_PREUN: Self = Self(1 << 11);
    /// `%postun` needs it.
    pub const SCRIPT_POSTUN: Self = Self(1 << 12);
    /// `%verifyscript` needs it.
    pub const SCRIPT_VERIFY: Self = Self(1 << 13);
    /// Found by rpmbuild in what the package needs.
    pub const FIND_REQUIRES: Self = Self(1 << 14);
    /// Found by rpmbuild in what the package has.
    pub const FIND_PROVIDES: Self = Self(1 << 15);
    /// Of a trigger: `%triggerin`.
    pub const TRIGGERIN: Self = Self(1 << 16);
    /// Of a trigger: `%triggerun`.
    pub const TRIGGERUN: Self = Self(1 << 17);
    /// Of a trigger: `%triggerpostun`.
    pub const TRIGGERPOSTUN: Self = Self(1 << 18);
    /// It may be missing.
    pub const MISSINGOK: Self = Self(1 << 19);
    /// `%preuntrans` needs it.
    pub const PREUNTRANS: Self = Self(1 << 20);
    /// `%postuntrans` needs it.
    pub const POSTUNTRANS: Self = Self(1 << 21);
    /// A feature of rpm itself: `rpmlib(...)`.
    pub const RPMLIB: Self = Self(1 << 24);
    /// Of a trigger: `%triggerprein`.
    pub const TRIGGERPREIN: Self = Self(1 << 25);
    /// A key.
    pub const KEYRING: Self = Self(1 << 26);
    /// `config(...)`.
    pub const CONFIG: Self = Self(1 << 28);
    /// It says nothing of the order of installation.
    pub const META: Self = Self(1 << 29);
    /// What compares versions.
    const SENSE: Self = Self(15);

    /// Whether it has any of these.
    #[must_use]
    pub const fn has(self, any: Self) -> bool {
        self.0 & any.0 != 0
    }

    /// What it says of versions, alone.
    #[must_use]
    pub const fn sense(self) -> Self {
        Self(self.0 & Self::SENSE.0)
    }

    /// Of `<`, `<=`, `=`, `>=`, `>`; and `==`, as some write it.
    #[must_use]
    pub fn of_operator(text: &str) -> Option<Self> {
        Some(match text {
            "<" => Self::LESS,
            "<=" | "=<" => Self(Self::LESS.0 | Self::EQUAL.0),
            "=" | "==" => Self::EQUAL,
            ">=" | "=>" => Self(Self::GREATER.0 | Self::EQUAL.0),
            ">" => Self::GREATER,
            _ => return None,
        })
    }

    /// Of `LT`, `LE`, `EQ`, `GE`, `GT`, as indexes of repositories have it.
    #[must_use]
    pub fn of_index(text: &str) -> Option<Self> {
        let operator = match text {
            "LT" => "<",
            "LE" => "<=",
            "EQ" => "=",
            "GE" => ">=",
            "GT" => ">",
            _ => return None,
        };
        Self::of_operator(operator)
    }
}

impl std::ops::BitOr for Flags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// `<=` and so on; empty: any version.
impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (flag, text) in [(Self::LESS, "<"), (Self::GREATER, ">"), (Self::EQUAL, "=")] {
            if self.has(flag) {
                f.write_str(text)?;
            }
        }
        Ok(())
    }
}

/// A name, and which versions of it are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    name: Box<str>,
    flags: Flags,
    evr: Option<Evr>,
}

impl Relation {
    /// `version` is `[epoch:]version[-release]`; empty: any version.
    ///
    /// # Errors
    /// No name, or no version.
    pub fn new(name: &str, flags: Flags, version: &str) -> Result<Self, RelationError> {
        let evr = match version {
            "" => None,
            text => Some(
                Evr::parse(text)
                    .map_err(|error| RelationError::Version { name: name.to_owned(), error })?,
            ),
        };
        Self::with_evr(name, flags, evr)
    }

    /// With a version that was read.
    ///
    /// # Errors
    /// No name.
    pub fn with_evr(name: &str, flags: Flags, evr: Option<Evr>) -> Result<Self, RelationError> {
        match name.len() {
            0 => Err(RelationError::NoName),
            long if long > MAX_NAME => Err(RelationError::TooLong(long)),
            _ => Ok(Self { name: name.into(), flags, evr }),
        }
    }

    /// The name: of a package, of something that packages provide, a path, or the whole text of a
    /// rich dependency.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The flags.
    #[must_use]
    pub fn flags(&self) -> Flags {
        self.flags
    }

    /// The version, where one is written.
    #[must_use]
    pub fn evr(&self) -> Option<&Evr> {
        self.evr.as_ref()
    }

    /// Whether it is about a path, which packages provide by having it.
    #[must_use]
    pub fn is_path(&self) -> bool {
        self.name.starts_with('/')
    }

    /// Whether it is a rich dependency, to be read with [`Rich::parse`].
    #[must_use]
    pub fn is_rich(&self) -> bool {
        self.name.starts_with('(')
    }

    /// Whether it is about rpm itself: `rpmlib(...)`, which no package provides.
    #[must_use]
    pub fn is_rpmlib(&self) -> bool {
        self.name.starts_with("rpmlib(")
    }

    /// Of an `rpmlib(...)`: whether this program does what the feature asks for.
    #[must_use]
    pub fn is_known_feature(&self) -> bool {
        RPMLIB.iter().any(|&(name, version)| {
            let has = Self::new(&format!("rpmlib({name})"), Flags::EQUAL, version);
            has.is_ok_and(|has| has.overlaps(self))
        })
    }

    /// Whether both are about the same name, and there is a version that both mean.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        if self.name != other.name {
            return false;
        }
        let (Some(a), Some(b)) = (&self.evr, &other.evr) else { return true };
        self.flags.sense() == Flags::ANY
            || other.flags.sense() == Flags::ANY
            || versions_overlap(a, self.flags, b, other.flags)
    }

    /// Whether a package of this version is meant, whatever the name is.
    #[must_use]
    pub fn holds(&self, version: &Evr) -> bool {
        match &self.evr {
            Some(evr) if self.flags.sense() != Flags::ANY => {
                versions_overlap(evr, self.flags, version, Flags::EQUAL)
            }
            _ => true,
        }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.evr {
            Some(evr) if self.flags.sense() != Flags::ANY => {
                f.pad(&format!("{} {} {evr}", self.name, self.flags))
            }
            _ => f.pad(&self.name),
        }
    }
}

/// Whether two ranges of versions have one in common. Where only one has a release, the other one
/// means all releases of its version.
#[must_use]
pub fn versions_overlap(a: &Evr, of_a: Flags, b: &Evr, of_b: Flags) -> bool {
    let order = a.epoch().cmp(&b.epoch()).then_with(|| compare(a.version(), b.version()));
    let release = |evr: &'_ Evr| evr.release().is_some_and(|release| !release.is_empty());
    let order = match (order, release(a), release(b)) {
        (Ordering::Equal, true, true) => a.cmp_as_dependency(b),
        (Ordering::Equal, true, false) if of_b.has(Flags::EQUAL) => return true,
        (Ordering::Equal, false, true) if of_a.has(Flags::EQUAL) => return true,
        (order, ..) => order,
    };
    let both = |flag| of_a.has(flag) && of_b.has(flag);
    match order {
        Ordering::Less => of_a.has(Flags::GREATER) || of_b.has(Flags::LESS),
        Ordering::Greater => of_a.has(Flags::LESS) || of_b.has(Flags::GREATER),
        Ordering::Equal => both(Flags::EQUAL) || both(Flags::LESS) || both(Flags::GREATER),
    }
}

/// What packages may ask of rpm, and since which rpm it is there; what this program does, too.
const RPMLIB: &[(&str, &str)] = &[
    ("VersionedDependencies", "3.0.3-1"),
    ("CompressedFileNames", "3.0.4-1"),
    ("PayloadIsBzip2", "3.0.5-1"),
    ("PayloadIsXz", "5.2-1"),
    ("PayloadIsLzma", "4.4.2-1"),
    ("PayloadIsZstd", "5.4.18-1"),
    ("PayloadFilesHavePrefix", "4.0-1"),
    ("ExplicitPackageProvide", "4.0-1"),
    ("HeaderLoadSortsTags", "4.0.1-1"),
    ("ScriptletInterpreterArgs", "4.0.3-1"),
    ("PartialHardlinkSets", "4.0.4-1"),
    ("ConcurrentAccess", "4.1-1"),
    ("BuiltinLuaScripts", "4.2.2-1"),
    ("FileDigests", "4.6.0-1"),
    ("FileCaps", "4.6.1-1"),
    ("ScriptletExpansion", "4.9.0-1"),
    ("TildeInVersions", "4.10.0-1"),
    ("CaretInVersions", "4.15.0-1"),
    ("LargeFiles", "4.12.0-1"),
    ("RichDependencies", "4.12.0-1"),
    ("DynamicBuildRequires", "4.15.0-1"),
];

#[cfg(test)]
mod tests;
