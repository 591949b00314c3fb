//! The kinds of stores that there are, one line each, in the order in which they are repaired:
//! packages, then libraries, then configuration and files.

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

/// How packages are checked that are known by their identity.
#[must_use]
pub fn identity_check(kinds: Kinds) -> Option<IdentityCheck> {
    kinds.iter().find_map(|kind| kind.identity_check())
}
