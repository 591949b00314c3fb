//! The inventory as an SPDX 2.3 document in JSON (<https://spdx.github.io/spdx-spec/v2.3/>).

use std::collections::BTreeMap;

use imgfix_json::pretty;
use imgfix_model::component::{Contents, Libraries, Library};
use imgfix_model::description::{Description, License, Party};
use imgfix_model::package::{Distribution, Installed, Inventory};

use super::licenses::Licenses;
use super::spdx_document::{
    Checksum, CreationInfo, Document, ExternalRef, ExtractedLicense, NO_ASSERTION, Package,
    Relationship,
};
use super::{
    InventoryError, Issue, Subject, Unique, distribution_party, document_uuid, image_url,
    libraries, package_supplier, package_url, release, rfc3339,
};
use crate::before_after::Tool;

const DOCUMENT: &str = "SPDXRef-DOCUMENT";
const IMAGE: &str = "SPDXRef-Image";

/// One platform's image as an SPDX document: the document describes the image; the image
/// contains the distribution, its packages and libraries, and packages depend on others.
///
/// # Errors
/// A time that RFC 3339 cannot write.
pub fn spdx(
    subject: &Subject,
    contents: &Contents,
    issue: &Issue,
) -> Result<String, InventoryError> {
    let mut list = List::default();
    list.packages.push(image_package(subject, issue));
    if let Some(inventory) = &contents.packages {
        list.distribution(&inventory.distribution);
        for package in &inventory.packages {
            let description = contents.descriptions.get(&package.id);
            list.package(inventory, package, description);
        }
    }
    for (store, library) in libraries::all(&contents.libraries) {
        list.library(store, library);
    }
    let relationships = list.relationships(contents);
    let mut creators = vec![format!("Tool: {}-{}", Tool::THIS.name, Tool::THIS.version)];
    creators.extend(issue.author.as_ref().map(organization));
    let extracted = list.licenses.references().into_iter().map(|(id, name)| ExtractedLicense {
        license_id: id.to_owned(),
        extracted_text: format!(
            "\"{name}\" is what records of the packages call this license; its text is not part \
             of this document."
        ),
        name: name.to_owned(),
    });
    Ok(pretty(&Document {
        spdx_version: "SPDX-2.3",
        data_license: "CC0-1.0",
        id: DOCUMENT,
        name: format!("{} {}", subject.reference, subject.platform),
        document_namespace: format!("urn:uuid:{}", document_uuid("spdx", subject, issue)),
        creation_info: CreationInfo { creators, created: rfc3339(issue.created)? },
        has_extracted_licensing_infos: extracted.collect(),
        packages: list.packages,
        relationships,
    }))
}

/// The packages so far; the first is the image.
#[derive(Default)]
struct List {
    ids: Unique,
    licenses: Licenses,
    packages: Vec<Package>,
    /// The identifiers of the package manager's packages, by `libssl3:amd64`.
    system: BTreeMap<String, String>,
    /// Libraries that are part of such a package: its name and their identifier.
    owned: Vec<(String, String)>,
}

impl List {
    fn distribution(&mut self, distribution: &Distribution) {
        let name = match distribution.id.as_str() {
            "" => return,
            id => id,
        };
        let id = self.ids.take(&identifier("OperatingSystem", name), '-');
        self.packages.push(Package {
            version_info: release(distribution).map(str::to_owned),
            supplier: supplier(distribution_party(distribution).as_ref()),
            primary_package_purpose: Some("OPERATING_SYSTEM"),
            ..Package::new(id, name)
        });
    }

    fn package(
        &mut self,
        inventory: &Inventory,
        package: &Installed,
        description: Option<&Description>,
    ) {
        let name = package.id.to_string();
        let id = self.ids.take(&identifier("Package", &name), '-');
        self.system.entry(name).or_insert_with(|| id.clone());
        let source = package.source.as_ref();
        let named = package_supplier(description, &inventory.distribution);
        let license_declared = self.license(description.and_then(|one| one.license.as_ref()));
        self.packages.push(Package {
            version_info: Some(package.version.0.clone()),
            supplier: supplier(named.as_ref()),
            source_info: source.map(|(name, version)| format!("built from {name} {version}")),
            license_declared,
            external_refs: vec![ExternalRef::purl(package_url(inventory, package))],
            ..Package::new(id, &package.id.name.0)
        });
    }

    fn library(&mut self, store: &Libraries, library: &Library) {
        let owner = library.owner.as_ref();
        let part = owner.map(|owner| format!(", part of the system package {owner}"));
        let id = identifier("Library", &format!("{}-{}", library.name, library.version));
        let id = self.ids.take(&id, '-');
        self.owned.extend(owner.map(|owner| (owner.clone(), id.clone())));
        let path = &library.path;
        let license_declared = self.license(library.description.license.as_ref());
        let named = library.description.supplier.as_ref();
        self.packages.push(Package {
            version_info: Some(library.version.0.clone()),
            // Authors of libraries are mostly persons; the records do not say.
            supplier: named.map_or_else(|| NO_ASSERTION.to_owned(), person),
            source_info: Some(format!("recorded in {path}{}", part.unwrap_or_default())),
            license_declared,
            external_refs: vec![ExternalRef::purl(libraries::package_url(store, library))],
            ..Package::new(id, &library.name)
        });
    }

    fn license(&mut self, license: Option<&License>) -> Option<String> {
        license.map(|license| self.licenses.expression(license))
    }

    fn relationships(&self, contents: &Contents) -> Vec<Relationship> {
        let mut all = vec![Relationship::new(DOCUMENT, "DESCRIBES", IMAGE)];
        let parts = self.packages.iter().skip(1);
        all.extend(parts.map(|package| Relationship::new(IMAGE, "CONTAINS", &package.id)));
        for (id, description) in &contents.descriptions {
            let Some(from) = self.system.get(&id.to_string()) else { continue };
            let needs = description.needs.iter().flatten();
            let needs = needs.filter_map(|id| self.system.get(&id.to_string()));
            all.extend(needs.map(|to| Relationship::new(from, "DEPENDS_ON", to)));
        }
        let owned = self.owned.iter();
        all.extend(owned.filter_map(|(owner, library)| {
            Some(Relationship::new(self.system.get(owner)?, "CONTAINS", library))
        }));
        all
    }
}

fn image_package(subject: &Subject, issue: &Issue) -> Package {
    let url = image_url(&subject.reference, &subject.manifest, &subject.platform);
    Package {
        version_info: Some(subject.manifest.to_string()),
        supplier: supplier(issue.supplier_of(subject)),
        checksums: vec![Checksum { algorithm: "SHA256", checksum_value: subject.manifest.hex() }],
        external_refs: vec![ExternalRef::purl(url)],
        primary_package_purpose: Some("CONTAINER"),
        ..Package::new(IMAGE.to_owned(), &subject.reference)
    }
}

fn supplier(party: Option<&Party>) -> String {
    party.map_or_else(|| NO_ASSERTION.to_owned(), organization)
}

fn organization(party: &Party) -> String {
    format!("Organization: {}", actor(party))
}

fn person(party: &Party) -> String {
    format!("Person: {}", actor(party))
}

/// `NAME (MAIL)`: a name has no parentheses of its own.
fn actor(party: &Party) -> String {
    let name = party.name.replace(['(', ')'], "");
    let name = if name.trim().is_empty() { "unnamed" } else { name.trim() };
    match &party.email {
        Some(email) => format!("{name} ({email})"),
        None => name.to_owned(),
    }
}

/// SPDX allows letters, digits, `.` and `-` in identifiers.
fn identifier(kind: &str, name: &str) -> String {
    let allowed = |c: char| {
        if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '-' }
    };
    let name: String = name.chars().map(allowed).collect();
    format!("SPDXRef-{kind}-{name}")
}
