//! What is installed, for people and for other tools: renderers of
//! [`imgfix_model::package::Inventory`] as a table, as JSON, and as the two SBOM formats.
//!
//! In come inventories and what they were taken from ([`Subject`]); out go strings that are
//! the same for the same input: identifiers come from the image's digest, and the time of
//! creation is a value that the caller passes.

mod cyclonedx;
mod listing;
mod purl;
mod spdx;

pub use cyclonedx::cyclonedx;
pub use listing::{json, table};
pub use purl::package_url;
pub use spdx::spdx;

use sha1::{Digest as _, Sha1};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use imgfix_model::digest::Digest;
use imgfix_model::platform::Platform;

/// The image that an inventory describes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// As the user named it.
    pub reference: String,
    pub platform: Platform,
    /// Digest of the platform's manifest.
    pub manifest: Digest,
}

/// Why an inventory cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    #[error("the creation time {0} (seconds since 1970) is outside the years 0 to 9999")]
    Time(i64),
    #[error("cannot render the inventory as {format}: {why}")]
    Render { format: &'static str, why: String },
}

/// `2026-01-31T12:00:00Z`.
fn rfc3339(seconds: i64) -> Result<String, InventoryError> {
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .filter(|time| (0..=9999).contains(&time.year()))
        .and_then(|time| time.format(&Rfc3339).ok())
        .ok_or(InventoryError::Time(seconds))
}

/// imgfix's own name space for name-based UUIDs (a random UUID, drawn once).
const NAME_SPACE: [u8; 16] = [
    0xf3, 0xd8, 0x82, 0x9f, 0x8e, 0xd8, 0x4a, 0xab, 0xad, 0xe8, 0x19, 0xfb, 0x4d, 0x3f, 0x17, 0x6c,
];

/// A document's identity: a version 5 UUID (RFC 9562, section 5.5) of the format, the tool
/// that wrote it and the image.
fn document_uuid(format: &str, subject: &Subject) -> String {
    let mut hash = Sha1::new();
    hash.update(NAME_SPACE);
    for part in [
        format,
        env!("CARGO_PKG_VERSION"),
        &subject.reference,
        &subject.platform.to_string(),
        &subject.manifest.to_string(),
    ] {
        hash.update(part.as_bytes());
        hash.update(b"\0");
    }
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(hash.finalize()) {
        *to = from;
    }
    bytes[6] = (bytes[6] & 0x0f) | 0x50;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Hands out identifiers, each once: a second taker of the same name gets a number behind it.
/// Inventories have unique packages, but a hostile image may say otherwise.
#[derive(Default)]
struct Unique(std::collections::BTreeSet<String>);

impl Unique {
    fn take(&mut self, wanted: &str, separator: char) -> String {
        let mut name = wanted.to_owned();
        let mut number = 1_usize;
        while !self.0.insert(name.clone()) {
            number += 1;
            name = format!("{wanted}{separator}{number}");
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgfix_model::package::{Distribution, Installed, Inventory, PackageId};
    use imgfix_terminal::Style;
    use imgfix_versions::VersionOrder;

    fn package(name: &str, arch: &str, version: &str, source: Option<(&str, &str)>) -> Installed {
        Installed {
            id: PackageId { name: name.into(), architecture: arch.into() },
            version: version.into(),
            source: source.map(|(name, version)| (name.into(), version.into())),
            held: name == "bash",
        }
    }

    fn inventory() -> Inventory {
        Inventory {
            family: "dpkg",
            order: VersionOrder::DPKG,
            distribution: Distribution {
                id: "debian".into(),
                version_id: "12".into(),
                codename: "bookworm".into(),
                pretty_name: "Debian GNU/Linux 12 (bookworm)".into(),
            },
            unfinished: Vec::new(),
            packages: vec![
                package("bash", "amd64", "5.2.15-2+b2", Some(("bash", "5.2.15-2"))),
                package("ca-certificates", "all", "20230311", None),
                package("libc6", "amd64", "2.36-9", Some(("glibc", "2.36-9"))),
                package("libc6", "i386", "2.36-9", Some(("glibc", "2.36-9"))),
                package("libstdc++6", "amd64", "12.2.0-14", Some(("gcc-12", "12.2.0-14"))),
                package("tar", "amd64", "1:1.34+dfsg-1", None),
                package("evil\x1b[2J", "amd64", "1\u{202e}2", None),
            ],
        }
    }

    fn subject() -> Subject {
        Subject {
            reference: "registry.example/app:1.0".into(),
            platform: "linux/amd64".parse().unwrap(),
            manifest: Digest::of(b"manifest"),
        }
    }

    const TIME: i64 = 1_767_225_600;

    #[test]
    fn renderings_are_as_they_were() {
        let inventory = inventory();
        insta::assert_snapshot!("table", table(&subject(), &inventory, Style::default()));
        insta::assert_snapshot!("json", json(&[(subject(), inventory.clone())]));
        insta::assert_snapshot!("cyclonedx", cyclonedx(&subject(), &inventory, TIME).unwrap());
        insta::assert_snapshot!("spdx", spdx(&subject(), &inventory, TIME).unwrap());
    }

    #[test]
    fn the_same_image_gives_the_same_document_and_another_a_different_one() {
        let a = document_uuid("x", &subject());
        assert_eq!(a, document_uuid("x", &subject()));
        assert_ne!(a, document_uuid("y", &subject()));
        let other = Subject { manifest: Digest::of(b"other"), ..subject() };
        assert_ne!(a, document_uuid("x", &other));
        assert_eq!((a.len(), &a[14..15]), (36, "5"));
    }

    #[test]
    fn identifiers_stay_unique_when_packages_are_not() {
        let mut inventory = inventory();
        inventory.packages.extend(inventory.packages.clone());
        let number = inventory.packages.len();
        let read = |text: String| -> serde_json::Value { serde_json::from_str(&text).unwrap() };
        let ids = |list: &serde_json::Value, key: &str| {
            let all: std::collections::BTreeSet<_> =
                list.as_array().unwrap().iter().map(|item| item[key].to_string()).collect();
            all.len()
        };
        let bom = read(cyclonedx(&subject(), &inventory, TIME).unwrap());
        assert_eq!(ids(&bom["components"], "bom-ref"), number + 1);
        let document = read(spdx(&subject(), &inventory, TIME).unwrap());
        assert_eq!(ids(&document["packages"], "SPDXID"), number + 1);
    }

    #[test]
    fn an_impossible_time_is_an_error() {
        for time in [i64::MAX, i64::MIN] {
            assert!(matches!(
                cyclonedx(&subject(), &inventory(), time),
                Err(InventoryError::Time(_))
            ));
            assert!(matches!(spdx(&subject(), &inventory(), time), Err(InventoryError::Time(_))));
        }
    }

    /// Writes the documents for other people's validators: checked with cyclonedx-python-lib
    /// (strict JSON validation), spdx-tools (`validate_full_spdx_document`) and
    /// packageurl-python (canonical form).
    #[test]
    #[ignore = "writes files for validators: set SBOM_OUT to a folder"]
    fn documents_for_validators() {
        let out = std::path::PathBuf::from(std::env::var_os("SBOM_OUT").unwrap());
        std::fs::write(
            out.join("bom.cdx.json"),
            cyclonedx(&subject(), &inventory(), TIME).unwrap(),
        )
        .unwrap();
        std::fs::write(out.join("bom.spdx.json"), spdx(&subject(), &inventory(), TIME).unwrap())
            .unwrap();
    }
}
