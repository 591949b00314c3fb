//! The formats of reports that are understood: their names, how each is recognised by its
//! content, and who reads it. A new format is one file beside this one and one line in
//! [`FORMATS`].

use super::shape::Shape;
use super::{
    FindingsError, ScanReport, alibaba, anchore, aqua, clair, clair_v4, cyclonedx, generic, gitlab,
    grype, harbor, inspector, neuvector, osv, sarif, snyk, trivy, trivy_operator,
};

/// Which scanner or standard a report is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReportFormat {
    /// `trivy image --format json`: schema version 2, the older list, and `trivy k8s`.
    Trivy,
    /// Custom resources of the Trivy operator for Kubernetes.
    TrivyOperator,
    /// `grype -o json`.
    Grype,
    /// SARIF 2.1.0 of any scanner.
    Sarif,
    /// CycloneDX 1.4 to 1.6 with vulnerabilities, JSON or XML.
    CycloneDx,
    /// Clair 4: `clairctl report --out json`, or the matcher's API.
    ClairV4,
    /// klar and clair-scanner, for Clair 2.
    Clair,
    Harbor,
    /// AWS Inspector 2 and ECR.
    Inspector,
    /// `snyk container test --json`.
    Snyk,
    /// Anchore Enterprise and Anchore Engine.
    Anchore,
    Aqua,
    NeuVector,
    /// `osv-scanner --format json`.
    Osv,
    /// GitLab's container scanning report.
    GitLab,
    /// Alibaba Cloud Container Registry and Security Center.
    Alibaba,
    /// `imgfix/findings/v1`, which any script can write: `docs/findings.md`.
    Generic,
}

impl std::fmt::Display for ReportFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            ReportFormat::Trivy => "Trivy",
            ReportFormat::TrivyOperator => "Trivy operator",
            ReportFormat::Grype => "Grype",
            ReportFormat::Sarif => "SARIF",
            ReportFormat::CycloneDx => "CycloneDX",
            ReportFormat::ClairV4 => "Clair 4",
            ReportFormat::Clair => "Clair",
            ReportFormat::Harbor => "Harbor",
            ReportFormat::Inspector => "AWS Inspector",
            ReportFormat::Snyk => "Snyk",
            ReportFormat::Anchore => "Anchore",
            ReportFormat::Aqua => "Aqua",
            ReportFormat::NeuVector => "NeuVector",
            ReportFormat::Osv => "OSV-Scanner",
            ReportFormat::GitLab => "GitLab",
            ReportFormat::Alibaba => "Alibaba Cloud",
            ReportFormat::Generic => "imgfix/findings/v1",
        })
    }
}

/// One JSON format.
pub(super) struct Format {
    /// Whether a text of this outline is of the format. Formats must not overlap: a test
    /// holds every one against every other's reports.
    pub recognise: fn(&Shape) -> bool,
    /// Reads a text that was recognised; the first argument is its name for messages.
    pub parse: fn(&str, &[u8]) -> Result<ScanReport, FindingsError>,
}

/// Every JSON format.
pub(super) const FORMATS: &[Format] = &[
    generic::FORMAT,
    trivy::FORMAT,
    trivy_operator::FORMAT,
    grype::FORMAT,
    sarif::FORMAT,
    cyclonedx::FORMAT,
    clair_v4::FORMAT,
    clair::FORMAT,
    harbor::FORMAT,
    inspector::FORMAT,
    snyk::FORMAT,
    anchore::FORMAT,
    aqua::FORMAT,
    neuvector::FORMAT,
    osv::FORMAT,
    gitlab::FORMAT,
    alibaba::FORMAT,
];
