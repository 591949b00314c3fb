//! The kinds of stores that there are, one line each, in the order in which they are repaired:
//! packages, then libraries, then configuration and files.

use imgfix_baseline::{Baseline, RuleChoice, RuleError, Rules};
use imgfix_repair::repairer::Kind;
use imgfix_repository::checked::IdentityCheck;

/// Kinds of stores, in the order in which they are repaired.
pub type Kinds = &'static [&'static dyn Kind];

/// Every kind that imgfix brings.
pub const KINDS: Kinds = &[
    &imgfix_apt::repairer::Debian,
    &imgfix_apk::repairer::Alpine,
    &imgfix_dnf::repairer::Rpm,
    &imgfix_python::Python,
    &imgfix_node::Node,
    &imgfix_java::Java,
    &imgfix_listed::Programs,
    &imgfix_listed::DotNet,
    &imgfix_listed::Ruby,
    &imgfix_listed::Php,
    &imgfix_replace::Files,
];

/// What imgfix knows of configurations, of which the user chose some.
///
/// # Errors
/// The choice names a rule that there is not.
pub fn baseline(choice: RuleChoice) -> Result<Baseline, RuleError> {
    // a test sees to it that what is shipped can be read
    let rules = Rules::new(imgfix_recipes::shipped_rules().unwrap_or_default())?;
    rules.know(&choice)?;
    Ok(Baseline::new(rules, choice))
}

/// How packages are checked that are known by their identity.
#[must_use]
pub fn identity_check(kinds: Kinds) -> Option<IdentityCheck> {
    kinds.iter().find_map(|kind| kind.identity_check())
}
