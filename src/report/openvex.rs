//! What a repair fixed, as OpenVEX 0.2.0: scanners that read it stop telling of what is gone.
//!
//! Source: <https://github.com/openvex/spec/blob/main/OPENVEX-SPEC.md> (v0.2.0). The products
//! are the platforms' images as package URLs (`pkg:oci`), the packages their subcomponents.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::before_after::{PlatformReport, RepairReport};
use imgfix_findings::purl::encode;
use imgfix_model::digest::Digest;
use imgfix_model::finding::Class;
use imgfix_model::verdict::Verdict;

/// The document, indented, ending in a newline. `created` is in seconds since the epoch.
/// `space` is what URLs of system packages begin with (`deb/debian`, `apk/alpine`; see
/// [`imgfix_findings::purl::system_space`]).
#[must_use]
pub fn render(report: &RepairReport, space: &str, created: i64) -> String {
    let timestamp = OffsetDateTime::from_unix_timestamp(created)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| "1970-01-01T00:00:00Z".to_owned());
    let image = report.output.as_ref().unwrap_or(&report.image);
    let statements: Vec<Value> = report
        .platforms
        .iter()
        .flat_map(|platform| statements(platform, &image.reference, space))
        .collect();
    // The same repair has the same name, so that a newer version can replace it.
    let name = Digest::of(json!([image.digest, statements]).to_string().as_bytes());
    imgfix_json::pretty(&json!({
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": format!("urn:imgfix:vex:{name}"),
        "author": "imgfix",
        "role": "repair tool",
        "timestamp": timestamp,
        "version": 1,
        "tooling": format!("{} {}", report.tool.name, report.tool.version),
        "statements": statements,
    }))
}

/// One statement for each problem of a platform, with every package that had it.
fn statements(platform: &PlatformReport, reference: &str, space: &str) -> Vec<Value> {
    let Some(manifest) = platform.manifest else { return Vec::new() };
    // For each problem, and for each way in which it is mitigated.
    let mut stated: BTreeMap<(&str, Option<&str>), (Vec<String>, Vec<String>)> = BTreeMap::new();
    for judged in &platform.findings {
        let finding = &judged.finding;
        let (version, how) = match &judged.verdict {
            Verdict::Fixed { version } => (version, None),
            Verdict::Mitigated { how } => (&finding.installed, Some(how.as_str())),
            Verdict::NotAffected { .. } | Verdict::NotFixed { .. } => continue,
        };
        let (packages, aliases) = stated.entry((&finding.id, how)).or_default();
        let kind = match finding.class {
            Class::System => space,
            _ => "generic",
        };
        let arch = finding.architecture.as_deref().map(|arch| format!("?arch={}", encode(arch)));
        let arch = arch.unwrap_or_default();
        // What was taken away ("(1.2 was removed)") has no version.
        let at = match version.starts_with('(') {
            true => String::new(),
            false => format!("@{}", encode(version)),
        };
        let url = format!("pkg:{kind}/{}{at}{arch}", encode(&finding.package));
        if !packages.contains(&url) {
            packages.push(url);
        }
        aliases.extend(
            finding
                .aliases
                .iter()
                .filter(|name| !aliases.contains(name))
                .cloned()
                .collect::<Vec<_>>(),
        );
    }
    let product = product(reference, manifest, platform);
    stated
        .into_iter()
        .map(|((id, how), (packages, aliases))| {
            let parts: Vec<Value> = packages.iter().map(|url| json!({"@id": url})).collect();
            let mut statement = json!({
                "vulnerability": {"name": id, "aliases": aliases},
                "products": [{"@id": product, "subcomponents": parts}],
                "status": "fixed",
            });
            if let Some(how) = how {
                statement["status"] = json!("not_affected");
                statement["justification"] = json!("inline_mitigations_already_exist");
                statement["impact_statement"] = json!(how);
            }
            statement
        })
        .collect()
}

/// `pkg:oci/app@sha256%3A...?arch=amd64&repository_url=registry.example%2Fapp`.
fn product(reference: &str, manifest: Digest, platform: &PlatformReport) -> String {
    let repository = reference.split_once("://").map_or(reference, |(_, rest)| rest);
    let repository = repository.split('@').next().unwrap_or_default();
    let (folder, last) = repository.rsplit_once('/').unwrap_or(("", repository));
    let name = last.split(':').next().unwrap_or_default();
    let whole = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    format!(
        "pkg:oci/{}@{}?arch={}&repository_url={}",
        encode(&name.to_lowercase()),
        encode(&manifest.to_string()).replace(':', "%3A"),
        encode(&platform.platform.architecture),
        encode(&whole)
    )
}

#[cfg(test)]
mod tests {
    use super::super::before_after::samples;
    use super::*;

    #[test]
    fn the_document_is_as_it_was() {
        insta::assert_snapshot!(render(&samples::report(), "deb/debian", 1_700_000_000));
    }

    #[test]
    fn packages_of_apk_are_said_to_be_of_apk_and_what_was_removed_has_no_version() {
        let mut report = samples::report();
        for judged in &mut report.platforms[0].findings {
            if let Verdict::Fixed { version } = &mut judged.verdict {
                *version = match judged.finding.package.as_str() {
                    "libc6" => "1.2.5-r1".to_owned(),
                    _ => "(3.3.2-r0 was removed)".to_owned(),
                };
            }
        }
        let text = render(&report, "apk/alpine", 0);
        assert!(text.contains("\"pkg:apk/alpine/libc6@1.2.5-r1?arch=amd64\""), "{text}");
        assert!(text.contains("\"pkg:apk/alpine/libssl3?arch=amd64\""), "{text}");
        assert!(!text.contains("removed") && !text.contains("pkg:deb"), "{text}");
    }

    #[test]
    fn nothing_fixed_is_nothing_stated() {
        let text = render(&samples::untouched(), "deb/debian", 0);
        let document: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["statements"], json!([]));
        assert_eq!(document["timestamp"], "1970-01-01T00:00:00Z");
    }
}
