//! [`Condition`]: what a rule asks of a finding beside its id.

use super::Pattern;
use crate::purl;
use imgfix_model::finding::{Class, Finding, FixStatus};

/// One condition of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// The finding is of one of these classes.
    Class(Vec<Class>),
    /// The package's name.
    Name(Pattern),
    /// The installed version.
    Version(String),
    /// One of these package URLs names the package; a version in it must be the installed one.
    Purl(Vec<String>),
    /// The file is one of these.
    Path(Vec<Pattern>),
    /// What is known of a fix.
    Fix(FixState),
    /// No report knows of a version in which it is fixed.
    NoFix,
}

/// What is known of a fix, in Grype's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FixState {
    /// `fixed`: a fixed version is named.
    Fixed,
    /// `not-fixed`: affected, and no fix is out.
    NotFixed,
    /// `wont-fix`: no fix will come, or the release gets none any more.
    WontFix,
    /// `unknown`: the report does not say.
    Unknown,
}

impl Condition {
    /// Whether a finding meets the condition.
    #[must_use]
    pub fn holds(&self, finding: &Finding) -> bool {
        match self {
            Condition::Class(classes) => classes.contains(&finding.class),
            Condition::Name(name) => name.matches(&finding.package),
            Condition::Version(version) => *version == finding.installed,
            Condition::Purl(all) => all.iter().any(|text| names(text, finding)),
            Condition::Path(all) => {
                let path = finding.path.as_deref();
                path.is_some_and(|path| all.iter().any(|pattern| pattern.matches(path)))
            }
            Condition::Fix(state) => *state == FixState::of(finding),
            Condition::NoFix => {
                FixState::of(finding) != FixState::Fixed && finding.also_fixed_in.is_empty()
            }
        }
    }
}

impl FixState {
    fn of(finding: &Finding) -> Self {
        match (&finding.fixed, finding.status) {
            (Some(_), _) | (None, Some(FixStatus::Fixed)) => FixState::Fixed,
            (None, Some(FixStatus::WillNotFix | FixStatus::EndOfLife)) => FixState::WontFix,
            (None, Some(FixStatus::Affected | FixStatus::Deferred)) => FixState::NotFixed,
            (None, _) => FixState::Unknown,
        }
    }
}

/// The types of package URLs that name a distribution's packages.
const SYSTEMS: &[&str] = &["deb", "apk", "rpm", "alpm"];

/// Whether a package URL names a finding's package.
fn names(text: &str, finding: &Finding) -> bool {
    let Some(url) = purl::parse(text) else { return false };
    let class = finding.class == Class::System;
    let architecture = match (&url.architecture, &finding.architecture) {
        (Some(wanted), Some(own)) => crate::same_architecture(wanted, own),
        _ => true,
    };
    class == SYSTEMS.contains(&url.kind.as_str())
        && url.name == finding.package
        && architecture
        && (url.version.is_empty() || url.version == finding.installed)
}
