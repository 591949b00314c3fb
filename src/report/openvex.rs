//! What became of a repair's findings, as OpenVEX 0.2.0: scanners that read it stop telling of
//! what is gone, and people read what is planned for the rest.
//!
//! Source: <https://github.com/openvex/spec/blob/main/OPENVEX-SPEC.md> (v0.2.0). The products are
//! the platforms' images as package URLs (`pkg:oci`), the packages their subcomponents. What
//! readers compare: Trivy the product's URL with `repo@digest` of the image that it scans (it has
//! none for an archive), Grype that or the digest among `hashes`, both the package's URL
//! ([`super::package_urls`]). A statement is about what can be vulnerable: packages and libraries.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::before_after::{PlatformReport, RepairReport};
use super::inventory::{image_url, rfc3339};
use super::name_uuid::name_uuid;
use super::package_urls::{self, PackageUrl};
use imgfix_findings::purl::encode;
use imgfix_model::component::Contents;
use imgfix_model::digest::Digest;
use imgfix_model::finding::{Class, Finding};
use imgfix_model::reason::Reason;
use imgfix_model::verdict::{JudgedFinding, Verdict};

/// Who writes the document when nobody else is named: nobody but this program has looked.
pub const DEFAULT_AUTHOR: &str = "imgfix";

/// What a document says besides what the report does.
#[derive(Debug, Clone, Copy)]
pub struct Issue<'a> {
    /// Who answers for the statements.
    pub author: &'a str,
    /// In seconds since the epoch.
    pub created: i64,
    /// What is installed in the image that the report ends with, one a platform of the report.
    pub contents: &'a [Contents],
}

/// The document, indented, ending in a newline; `None` when there is nothing to state, which no
/// valid document says.
#[must_use]
pub fn render(report: &RepairReport, issue: &Issue<'_>) -> Option<String> {
    let timestamp = rfc3339(issue.created).unwrap_or_else(|_| "1970-01-01T00:00:00Z".to_owned());
    let statements: Vec<Value> = report
        .platforms
        .iter()
        .enumerate()
        .flat_map(|(at, platform)| statements(report, platform, issue.contents.get(at)))
        .collect();
    if statements.is_empty() {
        return None;
    }
    // The same author's same statements have the same name, so that a newer version can replace
    // them.
    let said = json!([issue.author, statements]).to_string();
    let mut document = json!({
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": format!("urn:uuid:{}", name_uuid(&["openvex", &said])),
        "author": issue.author,
    });
    if issue.author == DEFAULT_AUTHOR {
        document["role"] = json!("repair tool");
    }
    document["timestamp"] = json!(timestamp);
    document["version"] = json!(1);
    document["tooling"] = json!(format!("{} {}", report.tool.name, report.tool.version));
    document["statements"] = Value::from(statements);
    Some(imgfix_json::pretty(&document))
}

/// What is stated of a finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Status {
    Fixed,
    /// The versions before and after the repair do not have it.
    NotThere,
    /// It is there, and this keeps it from being used.
    Mitigated(String),
    /// It is there; what to do.
    Affected(String),
    /// Whether it is there is not known; why.
    Unknown(String),
}

impl Status {
    fn of(judged: &JudgedFinding, is_done: bool) -> Self {
        let finding = &judged.finding;
        match &judged.verdict {
            Verdict::NotAffected { .. } => Self::NotThere,
            Verdict::Fixed { .. } if is_done => Self::Fixed,
            Verdict::Mitigated { how } if is_done => Self::Mitigated(how.clone()),
            // nothing was published, so that the image still has them
            Verdict::Fixed { version } => Self::Affected(format!(
                "Publish the repair, which was withheld: {} {version}.",
                finding.package
            )),
            Verdict::Mitigated { how } => {
                Self::Affected(format!("Publish the repair, which was withheld: {how}."))
            }
            Verdict::NotFixed { reason } if is_known(reason) => {
                Self::Affected(action(finding, reason))
            }
            Verdict::NotFixed { reason } => Self::Unknown(reason.to_string()),
        }
    }

    /// The statement's own members.
    fn add_to(self, statement: &mut Value) {
        let (status, key, words) = match self {
            Self::Fixed => ("fixed", "", json!(null)),
            Self::NotThere => {
                ("not_affected", "justification", json!("vulnerable_code_not_present"))
            }
            Self::Mitigated(how) => {
                // newer forms of the schema take a justification or an impact statement, not both
                statement["status_notes"] = json!(how);
                ("not_affected", "justification", json!("inline_mitigations_already_exist"))
            }
            Self::Affected(action) => ("affected", "action_statement", json!(action)),
            Self::Unknown(why) => ("under_investigation", "status_notes", json!(why)),
        };
        statement["status"] = json!(status);
        if !key.is_empty() {
            statement[key] = words;
        }
    }
}

/// Whether a finding with this reason is known to be in the image.
fn is_known(reason: &Reason) -> bool {
    match reason {
        Reason::UnderInvestigation
        | Reason::FixUnknown { .. }
        | Reason::Unproven { .. }
        | Reason::OtherRelease { .. }
        | Reason::ReportsDisagree { .. }
        | Reason::EpochUnclear { .. }
        | Reason::OtherArchitecture { .. }
        | Reason::NotOwned
        | Reason::UnsupportedImage { .. } => false,
        Reason::NoFixedVersion
        | Reason::WillNotFix
        | Reason::Deferred
        | Reason::EndOfLife
        | Reason::NotInRepositories { .. }
        | Reason::BeyondRepositories { .. }
        | Reason::RepositoryUnreadable { .. }
        | Reason::OldVersionGone { .. }
        | Reason::NoRepository { .. }
        | Reason::Held { .. }
        | Reason::Conflict { .. }
        | Reason::Untrusted { .. }
        | Reason::NeedsScripts { .. }
        | Reason::NoRecipe { .. }
        | Reason::BuiltSo
        | Reason::StoreNotRepaired { .. }
        | Reason::BeyondUpgrades { .. }
        | Reason::Constrained { .. }
        | Reason::Unlinkable { .. }
        | Reason::NotRepairable { .. }
        | Reason::Worse { .. }
        | Reason::Unattested { .. }
        | Reason::NeedsRebuild { .. }
        | Reason::OwnedByPackage { .. }
        | Reason::Ignored { .. }
        | Reason::StillPresent { .. } => true,
    }
}

/// What there is to do about what is left, and why it was not done.
fn action(finding: &Finding, reason: &Reason) -> String {
    match &finding.fixed {
        Some(fixed) => {
            format!("Upgrade {} to {fixed} or later. Not done yet: {reason}.", finding.package)
        }
        None => format!("No fixed version is known: {reason}."),
    }
}

/// One statement for each problem of a platform and each way in which it ended, with every
/// package that it is about.
fn statements(
    report: &RepairReport,
    platform: &PlatformReport,
    contents: Option<&Contents>,
) -> Vec<Value> {
    let is_done = report.is_done();
    let mut stated: BTreeMap<(&str, Status), (BTreeSet<PackageUrl>, BTreeSet<&str>)> =
        BTreeMap::new();
    for judged in &platform.findings {
        let finding = &judged.finding;
        if !matches!(finding.class, Class::System | Class::Library) {
            continue;
        }
        let version = match &judged.verdict {
            // what was taken away ("(1.2 was removed)") has no version
            Verdict::Fixed { version } if is_done => {
                Some(version.as_str()).filter(|text| !text.starts_with('(') && !text.contains(','))
            }
            _ => Some(finding.installed.as_str()),
        };
        let key = (finding.id.as_str(), Status::of(judged, is_done));
        let (packages, aliases) = stated.entry(key).or_default();
        packages.extend(package_urls::of_finding(contents, finding, version));
        aliases.extend(finding.aliases.iter().map(String::as_str));
    }
    let products = products(report, platform);
    stated
        .into_iter()
        .map(|((id, status), (packages, aliases))| {
            let parts: Vec<Value> = packages.iter().map(part).collect();
            let products: Vec<Value> = products
                .iter()
                .map(|product| {
                    let mut product = product.clone();
                    product["subcomponents"] = Value::from(parts.clone());
                    product
                })
                .collect();
            let mut statement = json!({"vulnerability": {"name": id}});
            if !aliases.is_empty() {
                statement["vulnerability"]["aliases"] = json!(aliases);
            }
            statement["products"] = Value::from(products);
            status.add_to(&mut statement);
            statement
        })
        .collect()
}

fn part(package: &PackageUrl) -> Value {
    match package.whole == package.common {
        true => json!({"@id": package.whole}),
        false => json!({"@id": package.whole, "identifiers": {"purl": package.common}}),
    }
}

/// The platform's image by its manifest, and by the index that leads to it.
fn products(report: &RepairReport, platform: &PlatformReport) -> Vec<Value> {
    let (image, manifest) = match &report.output {
        Some(output) => (output, platform.manifest.unwrap_or(platform.original_manifest)),
        None => (&report.image, platform.original_manifest),
    };
    // As SBOMs name it, with repository and tag; and without both, as a copy is the same image.
    let named = |digest: &Digest| {
        let url = image_url(&image.reference, digest, &platform.platform);
        let anywhere = url.split('?').next().unwrap_or_default().to_owned();
        (url, anywhere)
    };
    let (url, anywhere) = named(&manifest);
    let mut products = vec![json!({
        "@id": url,
        "identifiers": {"purl": anywhere},
        "hashes": {"sha-256": manifest.hex()},
    })];
    let own = platform.platform.architecture.as_str();
    let same = report.platforms.iter().filter(|one| one.platform.architecture == own).count();
    // An index with an architecture is one image of it only when no other has the same.
    if image.digest != manifest && same == 1 {
        let (url, anywhere) = named(&image.digest);
        let anywhere = format!("{anywhere}?arch={}", encode(own));
        products.push(json!({"@id": url, "identifiers": {"purl": anywhere}}));
    }
    products
}

#[cfg(test)]
mod tests {
    use super::super::before_after::samples;
    use super::super::schema_check::assert_keeps_to;
    use super::*;

    fn rendered(report: &RepairReport) -> Option<String> {
        let contents = vec![samples::contents(); report.platforms.len()];
        let issue = Issue { author: DEFAULT_AUTHOR, created: 1_700_000_000, contents: &contents };
        render(report, &issue)
    }

    /// The document, held against the schema.
    fn document(report: &RepairReport) -> Value {
        let text = rendered(report).expect("there are statements");
        assert_keeps_to("openvex-0.2.0.schema.json", &text);
        serde_json::from_str(&text).unwrap()
    }

    fn statement<'a>(document: &'a Value, id: &str) -> &'a Value {
        let all = document["statements"].as_array().unwrap();
        all.iter().find(|one| one["vulnerability"]["name"] == id).expect(id)
    }

    #[test]
    fn the_document_is_as_it_was() {
        document(&samples::report());
        insta::assert_snapshot!(rendered(&samples::report()).unwrap());
    }

    #[test]
    fn only_what_is_known_is_stated() {
        let mut report = samples::report();
        report.platforms[0].findings.extend([
            JudgedFinding {
                finding: Finding::system("CVE-1", "apt", "2.6.1"),
                verdict: Verdict::Mitigated { how: "the module is not loaded".into() },
            },
            JudgedFinding {
                finding: Finding::system("CVE-2", "apt", "2.6.1"),
                verdict: Verdict::NotFixed { reason: Reason::UnderInvestigation },
            },
            JudgedFinding {
                finding: Finding { class: Class::Baseline, ..Finding::system("DS002", "user", "") },
                verdict: Verdict::Fixed { version: "1000".into() },
            },
        ]);
        let document = document(&report);
        for (id, status) in [
            ("CVE-2024-6119", "fixed"),
            ("CVE-2019-2", "not_affected"),
            ("CVE-2023-4911", "affected"),
            ("CVE-2020-1", "affected"),
            ("CVE-1", "not_affected"),
            ("CVE-2", "under_investigation"),
        ] {
            assert_eq!(statement(&document, id)["status"], status, "{id}");
        }
        let mitigated = statement(&document, "CVE-1");
        assert_eq!(mitigated["status_notes"], "the module is not loaded");
        let left = statement(&document, "CVE-2011-3374")["action_statement"].as_str().unwrap();
        assert_eq!(left, "No fixed version is known: the distribution has no fixed version.");
        assert!(!document.to_string().contains("DS002"));
    }

    #[test]
    fn an_image_that_nobody_published_has_no_fix() {
        for report in [samples::planned(), samples::untouched()] {
            let document = document(&report);
            let statuses: BTreeSet<&str> = document["statements"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["status"].as_str().unwrap())
                .collect();
            assert!(!statuses.contains("fixed") && statuses.contains("affected"), "{statuses:?}");
            let original = report.platforms[0].original_manifest.hex();
            let product = &document["statements"][0]["products"][0];
            assert_eq!(product["hashes"]["sha-256"], original.as_str());
        }
    }

    #[test]
    fn an_image_has_the_place_that_it_has_and_no_other() {
        let product = |reference: &str| {
            let mut report = samples::report();
            report.output.as_mut().unwrap().reference = reference.to_owned();
            let document = document(&report);
            document["statements"][0]["products"].clone()
        };
        let manifest = samples::report().platforms[0].manifest.unwrap().hex();
        let index = samples::report().output.unwrap().digest.hex();
        let at_home = product("docker://localhost:5000/team/app:1.0_fix");
        assert_eq!(
            at_home[0]["@id"],
            format!(
                "pkg:oci/app@sha256:{manifest}?arch=amd64&repository_url=localhost:5000/team/app\
                 &tag=1.0_fix"
            )
        );
        assert_eq!(
            at_home[0]["identifiers"]["purl"],
            format!("pkg:oci/app@sha256:{manifest}"),
            "a copy elsewhere is the same image"
        );
        assert_eq!(at_home[0]["hashes"]["sha-256"], manifest);
        assert_eq!(
            at_home[1]["identifiers"]["purl"],
            format!("pkg:oci/app@sha256:{index}?arch=amd64")
        );
        for reference in ["oci:/home/me/app:1.0_fix", "docker-archive:/home/me/app.tar:app:1"] {
            let here = product(reference);
            assert_eq!(here[0]["identifiers"]["purl"], format!("pkg:oci/app@sha256:{manifest}"));
            assert!(!here.to_string().contains("repository_url"), "{here}");
            assert!(!here.to_string().contains("home"), "{here}");
        }
    }

    #[test]
    fn two_images_of_one_architecture_are_told_apart_by_their_manifests() {
        let mut report = samples::index();
        let all = document(&report);
        let of_one = all["statements"][0]["products"].as_array().unwrap();
        assert_eq!(of_one.len(), 2, "the manifest and the index");
        report.platforms[1].platform.architecture = "amd64".into();
        report.platforms[1].platform.variant = Some("v2".into());
        let all = document(&report);
        assert_eq!(all["statements"][0]["products"].as_array().unwrap().len(), 1);
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
        let mut contents = samples::contents();
        let inventory = contents.packages.as_mut().unwrap();
        inventory.purl_type = "apk";
        inventory.distribution.id = "alpine".into();
        inventory.packages.retain(|one| one.id.name.0 == "libc6");
        inventory.packages[0].version = "1.2.5-r1".into();
        let issue = Issue { author: "a", created: 0, contents: &[contents] };
        let text = render(&report, &issue).unwrap();
        assert!(text.contains("\"pkg:apk/alpine/libc6@1.2.5-r1?arch=amd64\""), "{text}");
        assert!(text.contains("\"pkg:apk/alpine/libssl3?arch=amd64\""), "{text}");
        assert!(!text.contains("removed") && !text.contains("pkg:deb"), "{text}");
    }

    #[test]
    fn the_same_statements_have_the_same_name_and_another_author_another() {
        let id = |author: &str, created| {
            let contents = [samples::contents()];
            let issue = Issue { author, created, contents: &contents };
            let text = render(&samples::report(), &issue).unwrap();
            let document: Value = serde_json::from_str(&text).unwrap();
            (document["@id"].as_str().unwrap().to_owned(), document["role"].clone())
        };
        assert_eq!(id("imgfix", 0), id("imgfix", 1));
        assert!(id("imgfix", 0).0.starts_with("urn:uuid:"));
        assert_ne!(id("imgfix", 0).0, id("Ann <ann@team.example>", 0).0);
        assert_eq!(id("Ann <ann@team.example>", 0).1, Value::Null);
    }

    #[test]
    fn nothing_found_is_no_document() {
        let mut report = samples::untouched();
        report.platforms[0].findings.clear();
        assert_eq!(rendered(&report), None);
    }
}
