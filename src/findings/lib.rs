//! What a scanner found: [`Finding`](imgfix_model::finding::Finding), its severity and class; one file a report format;
//! formats are told apart by content, never by name.
//!
//! In come the bytes of reports ([`parse_report`]) and the user's wishes ([`Filter`]); out go
//! findings without duplicates ([`merge()`]), what the report says it is about
//! ([`ArtifactIdentity`]), and whether that is the image at hand ([`matches_image`]). Nothing
//! that a scanner lists as a problem is dropped silently.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod advisory;
mod alibaba;
mod anchore;
mod aqua;
mod clair;
mod clair_v4;
mod clamscan;
mod cyclonedx;
mod cyclonedx_xml;
mod dockle;
mod encoding;
pub mod error;
pub mod filter;
pub mod format;
mod generic;
mod ggshield;
mod gitlab;
mod gitleaks;
mod grype;
mod hadolint;
mod harbor;
pub mod identity;
pub mod ignore;
mod inspector;
mod kingfisher;
mod kubescape;
pub mod merge;
mod merge_places;
mod names;
mod neuvector;
mod orca;
mod osv;
mod prisma;
pub mod purl;
mod quay;
pub mod report;
mod risk;
mod sarif;
mod scout;
mod shape;
mod snyk;
mod sysdig;
mod trivy;
mod trivy_operator;
mod trivy_risks;
mod trufflehog;
mod veracode;
mod vers;
mod wiz;
mod xray;
mod yara;

pub use error::FindingsError;
pub use filter::{Filter, Filtered, IgnoredFinding, Unsaid};
pub use format::ReportFormat;
pub use generic::SCHEMA as FINDINGS_SCHEMA;
pub use identity::{ArtifactIdentity, ImageFacts, Match, matches_image, other_release};
pub use ignore::{IgnoreRule, parse_ignore_file};
pub use merge::merge;
pub use names::same_architecture;
pub use report::{MAX_REPORT, ScanReport, parse_report};

#[cfg(test)]
mod real_reports;
#[cfg(test)]
mod risk_reports;
#[cfg(test)]
mod said_beside;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
