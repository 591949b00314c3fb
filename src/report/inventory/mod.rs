//! What is installed, for people and for other tools: renderers of
//! [`imgfix_model::component::Contents`] as a table, as JSON, and as the two SBOM formats.
//!
//! In come contents of images and what they were taken from ([`Subject`]); out go strings that are
//! the same for the same input: identifiers come from the image's digest and what the caller
//! says of the document ([`Issue`]), the time of its creation among it.

mod cyclonedx;
mod cyclonedx_document;
mod libraries;
mod licenses;
mod listing;
mod purl;
mod spdx;
mod spdx_document;

pub use cyclonedx::cyclonedx;
pub(super) use libraries::all as all_libraries;
pub use libraries::package_url as library_url;
pub use listing::{json, table};
pub use purl::{image_url, package_name, package_url, split_epoch};
pub use spdx::spdx;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::name_uuid::name_uuid;
use imgfix_model::description::{Description, Party};
use imgfix_model::digest::Digest;
use imgfix_model::package::Distribution;
use imgfix_model::platform::Platform;

/// The image that an inventory describes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// As the user named it.
    pub reference: String,
    /// Which one of the image's.
    pub platform: Platform,
    /// Digest of the platform's manifest.
    pub manifest: Digest,
    /// Who supplies it, as its config says.
    pub supplier: Option<Party>,
}

/// What an SBOM says of itself, and of the image what its config does not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Issue {
    /// When it is made, in seconds since the epoch.
    pub created: i64,
    /// Who has it made; `None`: the tool alone.
    pub author: Option<Party>,
    /// Who supplies the image, whatever its config says.
    pub supplier: Option<Party>,
}

impl Issue {
    fn supplier_of<'a>(&'a self, subject: &'a Subject) -> Option<&'a Party> {
        self.supplier.as_ref().or(subject.supplier.as_ref())
    }
}

/// Why an inventory cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// The time that the document would say, in seconds since the epoch, is none.
    #[error("the creation time {0} (seconds since 1970) is outside the years 0 to 9999")]
    Time(i64),
}

/// `2026-01-31T12:00:00Z`.
pub(super) fn rfc3339(seconds: i64) -> Result<String, InventoryError> {
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .filter(|time| (0..=9999).contains(&time.year()))
        .and_then(|time| time.format(&Rfc3339).ok())
        .ok_or(InventoryError::Time(seconds))
}

/// Who supplies the packages of a distribution that name no maintainer; `None`: it has no name.
fn distribution_party(distribution: &Distribution) -> Option<Party> {
    let name = match distribution.id.as_str() {
        "" => return None,
        "alpine" => "Alpine Linux",
        "chainguard" => "Chainguard",
        "debian" => "Debian",
        "ubuntu" => "Ubuntu",
        "wolfi" => "Wolfi",
        id => id,
    };
    Party::parse(name)
}

/// Who supplies a package: whom its record names, or else the distribution.
fn package_supplier(described: Option<&Description>, distribution: &Distribution) -> Option<Party> {
    let named = described.and_then(|one| one.supplier.clone());
    named.or_else(|| distribution_party(distribution))
}

/// The release of a distribution: its number or, where it has none, its code name.
pub(super) fn release(distribution: &Distribution) -> Option<&str> {
    let names = [&distribution.version_id, &distribution.codename];
    names.into_iter().map(String::as_str).find(|name| !name.is_empty())
}

/// A document's identity: a version 5 UUID (RFC 9562, section 5.5) of the format, the tool
/// that wrote it, the image, and what is said of the document. Another time makes another.
fn document_uuid(format: &str, subject: &Subject, issue: &Issue) -> String {
    let party = |party: Option<&Party>| party.map(|one| format!("{one:?}")).unwrap_or_default();
    name_uuid(&[
        format,
        env!("CARGO_PKG_VERSION"),
        &subject.reference,
        &subject.platform.to_string(),
        &subject.manifest.to_string(),
        &issue.created.to_string(),
        &party(issue.author.as_ref()),
        &party(issue.supplier_of(subject)),
    ])
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
    use imgfix_model::component::{Contents, Libraries, Library, StoreId, Unread};
    use imgfix_model::description::License;
    use imgfix_model::package::{Distribution, Installed, Inventory, PackageId};
    use imgfix_model::path::ImagePath;
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
            purl_type: "deb",
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

    fn packages() -> Contents {
        let party = |text: &str| Party::parse(text).unwrap();
        let text = |text: &str| License::text(text).unwrap();
        let id =
            |name: &str, arch: &str| PackageId { name: name.into(), architecture: arch.into() };
        let bash = Description {
            supplier: Some(party("Matthias Klose <doko@debian.org>")),
            license: License::all(vec![
                text("GPL-3.0-or-later"),
                License::Any(vec![text("GPL-2.0-or-later"), text("Artistic")]),
            ]),
            needs: Some(vec![id("libc6", "amd64"), id("tar", "amd64"), id("absent", "all")]),
        };
        let libc = Description {
            supplier: Some(party("GNU Libc Maintainers (glibc) <debian-glibc@lists.debian.org>")),
            license: Some(text("LGPL-2.1-or-later")),
            needs: Some(Vec::new()),
        };
        let tar = Description { license: Some(text("public-domain")), ..libc.clone() };
        let descriptions =
            [(id("bash", "amd64"), bash), (id("libc6", "amd64"), libc), (id("tar", "amd64"), tar)];
        Contents {
            packages: Some(inventory()),
            libraries: Vec::new(),
            descriptions: descriptions.into(),
        }
    }

    fn libraries() -> Vec<Libraries> {
        let store = |kind, purl_type, place: &'static str, libraries| Libraries {
            store: StoreId::new(kind, &ImagePath::literal(place)),
            purl_type,
            order: VersionOrder::DPKG,
            libraries,
            unread: Vec::new(),
        };
        let library =
            |name: &str, version: &str, path: &'static str, owner: Option<&str>| Library {
                name: name.into(),
                version: version.into(),
                path: ImagePath::literal(path),
                owner: owner.map(Into::into),
                mitigated: Vec::new(),
                description: Description {
                    supplier: Party::parse("Author of Libraries <author@lib.example>")
                        .filter(|_| owner.is_some()),
                    license: License::text("MIT"),
                    needs: None,
                },
            };
        let npm = "/usr/lib/node_modules/npm/package.json";
        let ip = "/usr/lib/node_modules/npm/node_modules/ip/package.json";
        let core = "/usr/lib/node_modules/@babel/core/package.json";
        let mut stores = vec![
            store(
                "node",
                "npm",
                "/usr/lib/node_modules",
                vec![library("@babel/core", "7.0.0", core, None), library("ip", "2.0.0", ip, None)],
            ),
            store(
                "python",
                "pypi",
                "/opt/site-packages",
                vec![
                    library("evil\u{202e}", "1\u{202e}", "/elsewhere/METADATA", None),
                    library("six", "1.16.0", "/opt/site-packages/a.dist-info/METADATA", None),
                    library("six", "1.16.0", "/opt/site-packages/b.dist-info/METADATA", None),
                ],
            ),
            store(
                "python",
                "pypi",
                "/usr/lib/python3/dist-packages",
                vec![library(
                    "Zope_Interface",
                    "5.0",
                    "/usr/lib/python3/dist-packages/zope.egg-info/PKG-INFO",
                    Some("python3-zope.interface:amd64"),
                )],
            ),
        ];
        let why = "it has no version".to_owned();
        stores[0].unread = vec![Unread { path: ImagePath::literal(npm), why }];
        stores
    }

    fn subject() -> Subject {
        Subject {
            reference: "registry.example/app:1.0".into(),
            platform: "linux/amd64".parse().unwrap(),
            manifest: Digest::of(b"manifest"),
            supplier: Party::parse("Example"),
        }
    }

    const TIME: i64 = 1_767_225_600;

    fn issue() -> Issue {
        Issue { created: TIME, ..Issue::default() }
    }

    /// The official schemas; what else is there that a document must have is for
    /// `tests/sbom/run` to find out.
    fn keeps_to_the_standard(cyclonedx: &str, spdx: &str) {
        let spdx_ids = include_str!("../../../fixtures/schemas/spdx.schema.json");
        let others = [("spdx.schema.json", spdx_ids)];
        let schema = include_str!("../../../fixtures/schemas/bom-1.6.schema.json");
        crate::schema_check::assert_valid_beside(schema, &others, cyclonedx);
        let schema = include_str!("../../../fixtures/schemas/spdx-2.3.schema.json");
        crate::schema_check::assert_valid(schema, spdx);
    }

    fn keeps_to_its_schema(text: &str) {
        let schema = include_str!("../../../docs/inventory.schema.json");
        crate::schema_check::assert_valid(schema, text);
    }

    #[test]
    fn renderings_are_as_they_were() {
        let contents = packages();
        insta::assert_snapshot!("table", table(&subject(), &contents, Style::default()));
        let text = json(&[(subject(), contents.clone())]);
        keeps_to_its_schema(&text);
        insta::assert_snapshot!("json", text);
        let bom = cyclonedx(&subject(), &contents, &issue()).unwrap();
        let document = spdx(&subject(), &contents, &issue()).unwrap();
        keeps_to_the_standard(&bom, &document);
        insta::assert_snapshot!("cyclonedx", bom);
        insta::assert_snapshot!("spdx", document);
    }

    #[test]
    fn libraries_are_beside_the_packages() {
        let mut contents = Contents { libraries: libraries(), ..packages() };
        contents.packages.as_mut().unwrap().packages.truncate(1);
        insta::assert_snapshot!("libraries_table", table(&subject(), &contents, Style::default()));
        let text = json(&[(subject(), contents.clone())]);
        keeps_to_its_schema(&text);
        insta::assert_snapshot!("libraries_json", text);
        let issue = Issue {
            author: Party::parse("Release Team <release@example.org>"),
            supplier: Party::parse("Example Ltd <info@example.org>"),
            ..issue()
        };
        let bom = cyclonedx(&subject(), &contents, &issue).unwrap();
        let document = spdx(&subject(), &contents, &issue).unwrap();
        keeps_to_the_standard(&bom, &document);
        insta::assert_snapshot!("libraries_cyclonedx", bom);
        insta::assert_snapshot!("libraries_spdx", document);
    }

    #[test]
    fn an_image_without_a_package_manager_has_libraries_all_the_same() {
        let mut contents =
            Contents { packages: None, libraries: libraries(), descriptions: Default::default() };
        contents.libraries.truncate(1);
        insta::assert_snapshot!("alone_table", table(&subject(), &contents, Style::default()));
        let text = json(&[(subject(), contents.clone())]);
        keeps_to_its_schema(&text);
        insta::assert_snapshot!("alone_json", text);
        let read = |text: String| -> serde_json::Value { serde_json::from_str(&text).unwrap() };
        let bom = read(cyclonedx(&subject(), &contents, &issue()).unwrap());
        assert_eq!(bom["components"].as_array().unwrap().len(), 2);
        let document = read(spdx(&subject(), &contents, &issue()).unwrap());
        assert_eq!(document["packages"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn the_same_image_gives_the_same_document_and_another_a_different_one() {
        let a = document_uuid("x", &subject(), &issue());
        assert_eq!(a, document_uuid("x", &subject(), &issue()));
        assert_ne!(a, document_uuid("y", &subject(), &issue()));
        let other = Subject { manifest: Digest::of(b"other"), ..subject() };
        assert_ne!(a, document_uuid("x", &other, &issue()));
        let author = Party::parse("A");
        for issue in [
            Issue { created: TIME + 1, ..issue() },
            Issue { author: author.clone(), ..issue() },
            Issue { supplier: author, ..issue() },
        ] {
            assert_ne!(a, document_uuid("x", &subject(), &issue));
        }
        assert_eq!((a.len(), &a[14..15]), (36, "5"));
    }

    #[test]
    fn identifiers_stay_unique_when_packages_are_not() {
        let mut inventory = inventory();
        inventory.packages.extend(inventory.packages.clone());
        let contents = Contents { packages: Some(inventory), libraries: libraries(), ..packages() };
        let libraries = contents.libraries.iter().map(|store| store.libraries.len());
        let number = 14 + libraries.sum::<usize>();
        let read = |text: String| -> serde_json::Value { serde_json::from_str(&text).unwrap() };
        let ids = |list: &serde_json::Value, key: &str| {
            let all: std::collections::BTreeSet<_> =
                list.as_array().unwrap().iter().map(|item| item[key].to_string()).collect();
            all.len()
        };
        let bom = read(cyclonedx(&subject(), &contents, &issue()).unwrap());
        assert_eq!(ids(&bom["components"], "bom-ref"), number + 1);
        let document = read(spdx(&subject(), &contents, &issue()).unwrap());
        assert_eq!(ids(&document["packages"], "SPDXID"), number + 2);
    }

    #[test]
    fn an_impossible_time_is_an_error() {
        for time in [i64::MAX, i64::MIN] {
            let issue = Issue { created: time, ..issue() };
            let bom = cyclonedx(&subject(), &packages(), &issue);
            assert!(matches!(bom, Err(InventoryError::Time(_))));
            let document = spdx(&subject(), &packages(), &issue);
            assert!(matches!(document, Err(InventoryError::Time(_))));
        }
    }
}
