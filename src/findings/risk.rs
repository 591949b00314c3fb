//! What readers of secrets, malicious files and configuration share: the findings that they
//! make, each with its place and with no value of a secret.

use super::report::{image_path, title};
use imgfix_model::digest::Digest;
use imgfix_model::finding::{Class, Finding, Severity, Subject};
use imgfix_model::location::{FileLocation, Location};

/// What scanners of secrets do not say, and what a secret that anybody can pull is at least.
pub(super) const SECRET: Severity = Severity::High;

/// A secret in the image.
pub(super) fn secret(
    id: &str,
    severity: Severity,
    text: Option<String>,
    location: Option<Location>,
) -> Finding {
    let finding = baseline(id, "secret", severity, text);
    located(Finding { subject: Some(Subject::Secret), ..finding }, location)
}

/// Something that is wrong with the image's configuration.
pub(super) fn baseline(
    id: &str,
    package: &str,
    severity: Severity,
    text: Option<String>,
) -> Finding {
    let class = Class::Baseline;
    Finding { class, severity, title: title(text), ..Finding::system(id, package, "") }
}

/// A malicious file.
pub(super) fn malicious(
    id: &str,
    severity: Severity,
    text: Option<String>,
    file: FileLocation,
) -> Finding {
    let package = file.path.clone().unwrap_or_else(|| id.to_owned());
    let finding = Finding {
        class: Class::Malicious,
        severity,
        title: title(text),
        ..Finding::system(id, &package, "")
    };
    let known = file.path.is_some() || file.hash().is_some() || file.layer.is_some();
    located(finding, known.then(|| file.into()))
}

/// The finding at its place, when that is known.
pub(super) fn located(finding: Finding, location: Option<Location>) -> Finding {
    match location {
        Some(location) => finding.located(location),
        None => finding,
    }
}

/// A file of the image, as a scanner writes its path.
pub(super) fn file(path: &str) -> FileLocation {
    FileLocation::at(image_path(path))
}

/// A layer's digest, with or without the algorithm.
pub(super) fn layer(text: &str) -> Option<Digest> {
    let text = text.trim();
    text.parse().ok().or_else(|| Digest::from_hex(text).ok())
}
