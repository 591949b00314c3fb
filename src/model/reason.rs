//! [`Reason`]: why a finding is not fixed. Planner and judge give it; the JSON report has its
//! word, people read its sentence.

use std::fmt;

use super::finding::FixStatus;
use super::upgrade::UpgradeLevel;

/// Why it is not known which version has the fix.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum UnknownFix {
    /// The report names no fixed version.
    NotSaid,
    /// It has a word in its place (`See advisory`).
    Word {
        /// The word, as the report has it.
        word: String,
    },
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
    FixUnknown {
        /// What is missing in the report.
        because: UnknownFix,
        /// The installed version, which is the newest.
        installed: String,
    },
    /// The package was upgraded, and it is not known which version has the fix.
    Unproven {
        /// The version in the repaired image.
        upgraded_to: String,
        /// What is missing in the report.
        because: UnknownFix,
    },
    /// The report is about another release of the distribution, or another distribution.
    OtherRelease {
        /// The report's release: `ubuntu 22.04`.
        release: String,
    },
    /// The reports disagree on the fixed version: at `installed` some hold it fixed.
    ReportsDisagree {
        /// The version in question.
        installed: String,
        /// Reports that hold it fixed, by name.
        fixed_for: Vec<String>,
        /// Reports that hold it affected, by name.
        affected_for: Vec<String>,
    },
    /// The report gives an epoch on one side only, and the answer depends on it.
    EpochUnclear {
        /// The version that the scanner saw.
        seen: String,
        /// The version that it names as fixed.
        fixed: String,
    },
    /// The package is there for other architectures than the finding says.
    OtherArchitecture {
        /// The finding's architecture.
        wanted: String,
        /// The architectures that the package is installed for.
        installed: Vec<String>,
    },
    /// No repository of the image has the fixed version; `newest` is what they have.
    NotInRepositories {
        /// The fixed version that the report names.
        wanted: String,
        /// `None`: they do not have the package at all.
        newest: Option<String>,
    },
    /// No repository of the image has the fixed version, and it is known why none may ever have.
    BeyondRepositories {
        /// The fixed version that the report names.
        wanted: String,
        /// `None`: they do not have the package at all.
        newest: Option<String>,
        /// Half a sentence with the remedy.
        why: String,
    },
    /// No repository that could be read has the fixed version, and `source` could not be read.
    RepositoryUnreadable {
        /// The repository, and how many more: `http://deb.debian.org/debian bookworm (and 2 more)`.
        source: String,
        /// Half a sentence with the remedy, as in [`LeftOut`](crate::left_out::LeftOut).
        why: String,
    },
    /// Only the installed version's archive says which files are the package's, and no repository
    /// has it any more.
    OldVersionGone {
        /// Name of the installed package.
        package: String,
        /// Its version.
        installed: String,
    },
    /// The image names no repository, and none is known for it.
    NoRepository {
        /// How to name one, as an imperative.
        advice: String,
    },
    /// The user does not let the package be changed: by dpkg's `hold`, or by a policy.
    Held {
        /// Name of the package that stays.
        package: String,
        /// What holds it: `dpkg (Status: hold)`, `the policy (denied: linux-*)`.
        by: String,
    },
    /// The upgrade conflicts with `package`, or fails there.
    Conflict {
        /// Name of the package that is in the way.
        package: String,
        /// Half a sentence: what cannot be together, or what failed.
        detail: String,
    },
    /// The archive that the repository has is not used: nobody who may has signed it, or it is
    /// another package than its index says.
    Untrusted {
        /// Name of the package that would be upgraded.
        package: String,
        /// Half a sentence: the archive, and what is wrong with it.
        detail: String,
    },
    /// The image has no package of that name: the file is not owned by a package.
    NotOwned,
    /// A maintainer script cannot be evaluated.
    NeedsScripts {
        /// Name of the package that would be upgraded.
        package: String,
        /// `postinst` or another name; with its package when the script is another one's.
        script: String,
        /// Line in the script, from 1; `None` when there is no single one.
        line: Option<u32>,
        /// What the virtual shell does not have, or how the script failed.
        detail: String,
    },
    /// The class of finding has no recipe yet.
    NoRecipe {
        /// The word of the [`Class`](crate::finding::Class).
        class: String,
    },
    /// It says how the image was built. Nothing in the image can be mended for it, and a history
    /// that says otherwise would be a lie.
    BuiltSo,
    /// The component is there, in a store whose components are listed and not changed yet.
    StoreNotRepaired {
        /// The [`StoreId`](crate::component::StoreId) as text.
        store: String,
        /// The component's name in its store.
        component: String,
        /// The version that the finding names.
        installed: String,
    },
    /// The component's files belong to a system package, which alone may change them.
    OwnedByPackage {
        /// The component's name in its store.
        component: String,
        /// The owner: `name:architecture`.
        package: String,
    },
    /// The fix is a larger upgrade than the user allows for libraries.
    BeyondUpgrades {
        /// The component's name in its store.
        component: String,
        /// The version that is installed.
        installed: String,
        /// The first version that has the fix.
        wanted: String,
        /// Which upgrades would have to be allowed.
        level: UpgradeLevel,
    },
    /// Another component forbids the version that has the fix.
    Constrained {
        /// The component that would be upgraded, with its new version.
        component: String,
        /// Which one forbids it, with its version.
        by: String,
        /// Its own line: `Requires-Dist: idna<3`, `"minimist": "0.0.8"`.
        relation: String,
    },
    /// Code of another component uses what the version with the fix does not have any more.
    Unlinkable {
        /// The component that would be upgraded, with its new version.
        component: String,
        /// Which one uses it.
        by: String,
        /// What is missing: a class, a method with its descriptor.
        member: String,
    },
    /// This copy cannot be changed where it is.
    NotRepairable {
        /// The component's name in its store.
        component: String,
        /// Half a sentence: why, with the remedy.
        detail: String,
    },
    /// The version with the fix would bring a problem of the same report that is not there now.
    Worse {
        /// The component that would be upgraded, with its new version.
        component: String,
        /// The problem that it would bring.
        finding: String,
    },
    /// No attestation of the archive could be verified, and the user wants one.
    Unattested {
        /// The component that would be upgraded, with its new version.
        component: String,
        /// Half a sentence: what is missing or wrong.
        detail: String,
    },
    /// The component is part of a program or an application, which has to be built anew.
    NeedsRebuild {
        /// The component's name in its store.
        component: String,
        /// The file that it is in.
        file: String,
        /// How, as an imperative.
        advice: String,
    },
    /// Excluded by the user's filters.
    Ignored {
        /// The option, or file and line: `.trivyignore:3`.
        by: String,
    },
    /// The package manager of the image is not supported.
    UnsupportedImage {
        /// What is not supported, and the way out when there is one.
        detail: String,
    },
    /// Read back after the repair, the package is still at an affected version.
    StillPresent {
        /// The version in the repaired image.
        installed: String,
    },
}

impl Reason {
    /// A copy cannot be changed where it is: `detail` is half a sentence.
    #[must_use]
    pub fn not_repairable(component: &str, detail: impl Into<String>) -> Self {
        Reason::NotRepairable { component: component.to_owned(), detail: detail.into() }
    }

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
            Reason::BeyondRepositories { wanted, newest, why } => {
                let (wanted, newest) = (wanted.clone(), newest.clone());
                write!(f, "{}: {why}", Reason::NotInRepositories { wanted, newest })
            }
            Reason::RepositoryUnreadable { source, why } => {
                write!(f, "its repository could not be read: {source}: {why}")
            }
            Reason::OldVersionGone { package, installed } => write!(
                f,
                "the repositories do not have {package} {installed} any more, and the image has no \
                 other list of its files: name one that has it with --repository, or build the \
                 image anew"
            ),
            Reason::NoRepository { advice } => write!(f, "the image names no repository: {advice}"),
            Reason::Held { package, by } => write!(f, "{package} is held by {by}"),
            Reason::Conflict { package, detail } => {
                write!(f, "upgrading conflicts with {package}: {detail}")
            }
            Reason::Untrusted { package, detail } => {
                write!(f, "the archive of {package} is not to be trusted: {detail}")
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
            Reason::BuiltSo => f.write_str(
                "it describes how the image was built; a history that says otherwise would be a \
                 lie: mend the Dockerfile and build anew",
            ),
            Reason::StoreNotRepaired { store, component, installed } => write!(
                f,
                "{component} {installed} is there ({store}), and imgfix does not repair such \
                 stores yet"
            ),
            Reason::OwnedByPackage { component, package } => write!(
                f,
                "{component} belongs to the system package {package}, and changes with it only"
            ),
            Reason::BeyondUpgrades { component, installed, wanted, level } => write!(
                f,
                "{component} {installed} is fixed in {wanted}, a {level} upgrade: allow it with \
                 --library-upgrades {level}"
            ),
            Reason::Constrained { component, by, relation } => {
                write!(f, "{by} does not allow {component}: {relation}")
            }
            Reason::Unlinkable { component, by, member } => {
                write!(f, "{by} uses {member}, which {component} does not have")
            }
            Reason::NotRepairable { component, detail } => {
                write!(f, "{component} is not changed: {detail}")
            }
            Reason::Worse { component, finding } => {
                write!(f, "{component} would bring {finding}, which is not there now")
            }
            Reason::Unattested { component, detail } => {
                write!(f, "nothing attests {component} (--require-attestation): {detail}")
            }
            Reason::NeedsRebuild { component, file, advice } => {
                write!(f, "{component} is part of {file}: {advice}")
            }
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
