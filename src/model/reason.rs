//! [`Reason`]: why a finding is not fixed, in words that stay.

use std::fmt;

use super::finding::FixStatus;

/// Why it is not known which version has the fix.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum UnknownFix {
    /// The report names no fixed version.
    NotSaid,
    /// It has a word in its place (`See advisory`).
    Word { word: String },
}

impl std::fmt::Display for UnknownFix {
    /// A main clause.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            UnknownFix::NotSaid => f.write_str("the report names no fixed version"),
            UnknownFix::Word { word } => {
                write!(f, "the report has {word:?} in place of a fixed version")
            }
        }
    }
}

/// Why a finding is not fixed. The words are stable: they are in the JSON report.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Reason {
    /// The distribution has no fixed version.
    NoFixedVersion,
    /// The distribution will not fix it.
    WillNotFix,
    /// The distribution has put the fix off.
    Deferred,
    /// The release gets no fixes any more.
    EndOfLife,
    /// The distribution does not know yet whether it is affected.
    UnderInvestigation,
    /// It is not known which version has the fix, and the repositories have nothing newer than
    /// what is installed.
    FixUnknown { because: UnknownFix, installed: String },
    /// The package was upgraded, and it is not known which version has the fix.
    Unproven { upgraded_to: String, because: UnknownFix },
    /// The report is about another release of the distribution, or another distribution.
    OtherRelease { release: String },
    /// The reports disagree on the fixed version: at `installed` some hold it fixed.
    ReportsDisagree { installed: String, fixed_for: Vec<String>, affected_for: Vec<String> },
    /// The report gives an epoch on one side only, and the answer depends on it.
    EpochUnclear { seen: String, fixed: String },
    /// The package is there for other architectures than the finding says.
    OtherArchitecture { wanted: String, installed: Vec<String> },
    /// No repository of the image has the fixed version; `newest` is what they have.
    NotInRepositories { wanted: String, newest: Option<String> },
    /// No repository that could be read has the fixed version, and `source` could not be read.
    RepositoryUnreadable { source: String, why: String },
    /// The image names no repository, and none is known for it.
    NoRepository { advice: String },
    /// The user holds the package (dpkg hold) or a pin forbids the version.
    Held { package: String, by: String },
    /// Upgrading conflicts with `package`.
    Conflict { package: String, detail: String },
    /// The image has no package of that name: the file is not owned by a package.
    NotOwned,
    /// A maintainer script that cannot be evaluated.
    NeedsScripts { package: String, script: String, line: Option<u32>, detail: String },
    /// The class of finding has no recipe yet.
    NoRecipe { class: String },
    /// The component is there, in a store whose components are listed and not changed yet.
    StoreNotRepaired { store: String, component: String, installed: String },
    /// The component's files belong to a system package, which alone may change them.
    OwnedByPackage { component: String, package: String },
    /// Excluded by the user's filters.
    Ignored { by: String },
    /// The package manager of the image is not supported.
    UnsupportedImage { detail: String },
    /// Read back after the repair, the package is still at an affected version.
    StillPresent { installed: String },
}

impl Reason {
    /// The reason of a finding that has no fixed version, by what the distribution says of it.
    #[must_use]
    pub fn no_fix(status: FixStatus) -> Self {
        match status {
            FixStatus::WillNotFix => Reason::WillNotFix,
            FixStatus::Deferred => Reason::Deferred,
            FixStatus::EndOfLife => Reason::EndOfLife,
            FixStatus::UnderInvestigation => Reason::UnderInvestigation,
            FixStatus::Affected | FixStatus::Fixed | FixStatus::NotAffected => {
                Reason::NoFixedVersion
            }
        }
    }
}

/// One sentence without a full stop.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::NoFixedVersion => f.write_str("the distribution has no fixed version"),
            Reason::WillNotFix => f.write_str("the distribution will not fix it"),
            Reason::Deferred => f.write_str("the distribution has put the fix off"),
            Reason::EndOfLife => f.write_str("the release gets no fixes any more"),
            Reason::UnderInvestigation => f.write_str("the distribution is still looking into it"),
            Reason::FixUnknown { because, installed } => {
                write!(f, "{because}, and the repositories have nothing newer than {installed}")
            }
            Reason::Unproven { upgraded_to, because } => {
                write!(f, "upgraded to {upgraded_to}; {because}")
            }
            Reason::OtherRelease { release } => write!(
                f,
                "the report is about {release}, whose fixed versions do not count here: scan \
                 this image"
            ),
            Reason::ReportsDisagree { installed, fixed_for, affected_for } => write!(
                f,
                "the reports disagree: {installed} is fixed for {} and affected for {}",
                fixed_for.join(", "),
                affected_for.join(", ")
            ),
            Reason::EpochUnclear { seen, fixed } => write!(
                f,
                "the report gives an epoch on one side only ({seen} seen, {fixed} fixed), so \
                 that the versions cannot be compared"
            ),
            Reason::OtherArchitecture { wanted, installed } => write!(
                f,
                "the package is installed for {}, not for {wanted}",
                installed.join(" and ")
            ),
            Reason::NotInRepositories { wanted, newest: Some(newest) } => {
                write!(f, "the repositories have {newest}, not yet {wanted}")
            }
            Reason::NotInRepositories { wanted, newest: None } => {
                write!(f, "the repositories do not have the package ({wanted} wanted)")
            }
            Reason::RepositoryUnreadable { source, why } => {
                write!(f, "its repository could not be read: {source}: {why}")
            }
            Reason::NoRepository { advice } => write!(f, "the image names no repository: {advice}"),
            Reason::Held { package, by } => write!(f, "{package} is held by {by}"),
            Reason::Conflict { package, detail } => {
                write!(f, "upgrading conflicts with {package}: {detail}")
            }
            Reason::NotOwned => f.write_str("no package of the image has this name"),
            Reason::NeedsScripts { package, script, line, detail } => {
                write!(f, "the {script} script of {package} cannot be evaluated")?;
                if let Some(line) = line {
                    write!(f, ", line {line}")?;
                }
                write!(f, ": {detail}")
            }
            Reason::NoRecipe { class } => {
                write!(f, "no recipe yet for findings of class {class}")
            }
            Reason::StoreNotRepaired { store, component, installed } => write!(
                f,
                "{component} {installed} is there ({store}), and imgfix does not repair such \
                 stores yet"
            ),
            Reason::OwnedByPackage { component, package } => write!(
                f,
                "{component} belongs to the system package {package}, and changes with it only"
            ),
            Reason::Ignored { by } => write!(f, "ignored by {by}"),
            Reason::UnsupportedImage { detail } => {
                write!(f, "the image is not supported: {detail}")
            }
            Reason::StillPresent { installed } => {
                write!(f, "the repaired image still has {installed}, which is affected")
            }
        }
    }
}
