//! The formats of reports that are understood: their names, how each is recognised by its
//! content, and who reads it. A new format is one file beside this one and one line in
//! [`FORMATS`].

use std::cmp::Reverse;

use super::shape::{Look, Shape};
use super::{
    FindingsError, ScanReport, alibaba, anchore, aqua, clair, clair_v4, cyclonedx, dockle, generic,
    ggshield, gitlab, gitleaks, grype, hadolint, harbor, inspector, kingfisher, kubescape,
    neuvector, orca, osv, prisma, quay, sarif, scout, snyk, sysdig, trivy, trivy_operator,
    trufflehog, veracode, wiz, xray,
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
    /// Harbor's API, and the scanner adapters behind it.
    Harbor,
    /// AWS Inspector 2 and ECR.
    Inspector,
    /// `snyk container test --json`.
    Snyk,
    /// Anchore Enterprise and Anchore Engine.
    Anchore,
    /// Aqua Security: `scannercli`, and the console's API.
    Aqua,
    /// NeuVector's REST API (`/v1/scan`).
    NeuVector,
    /// `osv-scanner --format json`.
    Osv,
    /// GitLab's container scanning report.
    GitLab,
    /// Alibaba Cloud Container Registry and Security Center.
    Alibaba,
    /// Prisma Cloud: `twistcli images scan --output-file`.
    Prisma,
    /// Veracode: container scan, findings, issues of the agent.
    Veracode,
    /// JFrog Xray.
    Xray,
    /// Sysdig Secure.
    Sysdig,
    /// Docker Scout's own form; it writes SARIF and GitLab's, too.
    Scout,
    /// Quay's security API.
    Quay,
    /// Kubescape's configuration scan.
    Kubescape,
    /// `wizcli docker scan --format json`.
    Wiz,
    /// Orca Security's alerts.
    Orca,
    /// `dockle --format json`.
    Dockle,
    /// `gitleaks dir --report-format json`.
    Gitleaks,
    /// `kingfisher scan --format json`.
    Kingfisher,
    /// `trufflehog docker --json`.
    Trufflehog,
    /// GitGuardian's `ggshield secret scan docker --json`.
    Ggshield,
    /// `hadolint --format json`: advice about a Dockerfile.
    Hadolint,
    /// What `clamscan` prints.
    ClamAv,
    /// What `yara -m` prints.
    Yara,
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
            ReportFormat::Prisma => "Prisma Cloud",
            ReportFormat::Veracode => "Veracode",
            ReportFormat::Xray => "JFrog Xray",
            ReportFormat::Sysdig => "Sysdig",
            ReportFormat::Scout => "Docker Scout",
            ReportFormat::Quay => "Quay",
            ReportFormat::Kubescape => "Kubescape",
            ReportFormat::Wiz => "Wiz",
            ReportFormat::Orca => "Orca Security",
            ReportFormat::Dockle => "Dockle",
            ReportFormat::Gitleaks => "gitleaks",
            ReportFormat::Kingfisher => "kingfisher",
            ReportFormat::Trufflehog => "trufflehog",
            ReportFormat::Ggshield => "ggshield",
            ReportFormat::Hadolint => "hadolint",
            ReportFormat::ClamAv => "ClamAV",
            ReportFormat::Yara => "YARA",
            ReportFormat::Generic => "imgfix/findings/v1",
        })
    }
}

/// What kind of JSON text a format's reports are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Object,
    List,
    /// An object, or a list of such objects.
    Either,
    /// An object that has no other keys than those of the outline.
    Only,
}

/// Which keys make a report of a format.
#[derive(Debug)]
pub(super) struct Outline {
    pub form: Form,
    /// All of these are there.
    pub needs: &'static [&'static str],
    /// One of these at least is there, when there are any.
    pub any: &'static [&'static str],
}

/// One JSON format.
pub(super) struct Format {
    pub name: ReportFormat,
    /// A text is of the format when it fits one of these.
    pub outlines: &'static [Outline],
    /// Reads a text that was recognised; the first argument is its name for messages.
    pub parse: fn(&str, &[u8]) -> Result<ScanReport, FindingsError>,
}

/// How well a text fits an outline.
struct Fit {
    /// Keys of the outline that are there.
    present: usize,
    /// Keys that are not, with ` or ` between those of which one is enough.
    lacking: Vec<String>,
}

impl Outline {
    fn fit(&self, shape: &Shape) -> Fit {
        let prefix = match (self.form, shape.is_list()) {
            (Form::List | Form::Either, true) => "[].",
            (Form::List, false) => {
                return Fit { present: 0, lacking: vec!["a list at the top".to_owned()] };
            }
            (Form::Object | Form::Only, true) => {
                return Fit { present: 0, lacking: vec!["an object at the top".to_owned()] };
            }
            (_, false) => "",
        };
        let look = |key: &&str| shape.look(&format!("{prefix}{key}"));
        let mut fit = Fit { present: 0, lacking: Vec::new() };
        // Keys that an empty list may have had prove nothing alone.
        for key in self.needs {
            match look(key) {
                Look::Present => fit.present += 1,
                Look::Possible => {}
                Look::Absent => fit.lacking.push(format!("{prefix}{key}")),
            }
        }
        let looks: Vec<Look> = self.any.iter().map(look).collect();
        let found = looks.iter().filter(|look| **look == Look::Present).count();
        fit.present += found;
        if self.form == Form::Only {
            let known = |key: &str| self.needs.contains(&key) || self.any.contains(&key);
            if let Some(other) = shape.top_keys().find(|key| !known(key)) {
                fit.lacking.push(format!("nothing else than it has (here is {other:?})"));
            }
        } else if !looks.is_empty()
            && found == 0
            && (fit.present < 2 || !looks.contains(&Look::Possible))
        {
            fit.lacking.push(self.any.join(" or "));
        }
        fit
    }
}

/// The format that a text fits best: of those whose outline it fits, the one with the most keys.
pub(super) fn recognise(shape: &Shape) -> Option<&'static Format> {
    ranked(shape).into_iter().find(|(_, fit)| fit.lacking.is_empty()).map(|(format, _)| format)
}

/// Every format with its best fit, the best first; of equal ones the first in [`FORMATS`].
fn ranked(shape: &Shape) -> Vec<(&'static Format, Fit)> {
    let best = |format: &Format| {
        let fits = format.outlines.iter().map(|outline| outline.fit(shape));
        fits.filter(|fit| fit.present > 0)
            .min_by_key(|fit| (!fit.lacking.is_empty(), Reverse(fit.present), fit.lacking.len()))
    };
    let mut all: Vec<(&'static Format, Fit)> =
        FORMATS.iter().filter_map(|format| Some((format, best(format)?))).collect();
    all.sort_by_key(|(_, fit)| (!fit.lacking.is_empty(), Reverse(fit.present), fit.lacking.len()));
    all
}

/// The formats that a text fits, with the number of keys, the best first.
#[cfg(test)]
pub(super) fn fitting(shape: &Shape) -> Vec<(ReportFormat, usize)> {
    let fits = ranked(shape).into_iter().filter(|(_, fit)| fit.lacking.is_empty());
    fits.map(|(format, fit)| (format.name, fit.present)).collect()
}

/// What a text is that is of no format, and which comes nearest.
pub(super) fn unknown(shape: &Shape) -> String {
    let what = if shape.is_list() {
        "a JSON list of something else"
    } else if !shape.is_object() {
        return "a single JSON value".to_owned();
    } else if shape.has("spdxVersion") {
        return "an SPDX document (these list packages, not findings)".to_owned();
    } else if shape.has("bomFormat") {
        return "a CycloneDX document without vulnerabilities (an SBOM lists packages, not \
                findings)"
            .to_owned();
    } else {
        "other JSON"
    };
    match ranked(shape).into_iter().next() {
        Some((format, fit)) => format!(
            "{what} (nearest is {}, but for that it lacks {})",
            format.name,
            fit.lacking.join(", ")
        ),
        None => what.to_owned(),
    }
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
    prisma::FORMAT,
    veracode::FORMAT,
    xray::FORMAT,
    sysdig::FORMAT,
    scout::FORMAT,
    quay::FORMAT,
    kubescape::FORMAT,
    wiz::FORMAT,
    orca::FORMAT,
    dockle::FORMAT,
    gitleaks::FORMAT,
    kingfisher::FORMAT,
    trufflehog::FORMAT,
    ggshield::FORMAT,
    hadolint::FORMAT,
];
