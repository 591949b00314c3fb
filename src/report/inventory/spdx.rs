//! The inventory as an SPDX 2.3 document in JSON (<https://spdx.github.io/spdx-spec/v2.3/>).

use crate::before_after::Tool;
use imgfix_json::pretty;
use imgfix_model::component::{Contents, Libraries, Library};
use imgfix_model::package::{Installed, Inventory};

use super::spdx_document::{Checksum, CreationInfo, Document, ExternalRef, Package, Relationship};
use super::{
    InventoryError, Subject, Unique, document_uuid, image_url, libraries, package_url, rfc3339,
};

const DOCUMENT: &str = "SPDXRef-DOCUMENT";
const IMAGE: &str = "SPDXRef-Image";

/// One platform's image as an SPDX document: the document describes the image, the image
/// contains the packages and libraries. `created`: seconds since the epoch.
///
/// # Errors
/// A time that RFC 3339 cannot write.
pub fn spdx(
    subject: &Subject,
    contents: &Contents,
    created: i64,
) -> Result<String, InventoryError> {
    let mut ids = Unique::default();
    let mut packages = vec![image_package(subject)];
    if let Some(inventory) = &contents.packages {
        let entry = |package| entry(inventory, package, &mut ids);
        packages.extend(inventory.packages.iter().map(entry));
    }
    let entry = |(store, library)| library_entry(store, library, &mut ids);
    packages.extend(libraries::all(&contents.libraries).map(entry));
    let mut relationships = vec![Relationship::new(DOCUMENT, "DESCRIBES", IMAGE)];
    relationships.extend(
        packages.iter().skip(1).map(|package| Relationship::new(IMAGE, "CONTAINS", &package.id)),
    );
    Ok(pretty(&Document {
        spdx_version: "SPDX-2.3",
        data_license: "CC0-1.0",
        id: DOCUMENT,
        name: format!("{} {}", subject.reference, subject.platform),
        document_namespace: format!("urn:uuid:{}", document_uuid("spdx", subject)),
        creation_info: CreationInfo {
            creators: vec![format!("Tool: {}-{}", Tool::THIS.name, Tool::THIS.version)],
            created: rfc3339(created)?,
        },
        packages,
        relationships,
    }))
}

fn image_package(subject: &Subject) -> Package {
    let url = image_url(&subject.reference, &subject.manifest, &subject.platform);
    Package {
        version_info: Some(subject.manifest.to_string()),
        checksums: vec![Checksum { algorithm: "SHA256", checksum_value: subject.manifest.hex() }],
        external_refs: vec![ExternalRef::purl(url)],
        primary_package_purpose: Some("CONTAINER"),
        ..Package::new(IMAGE.to_owned(), &subject.reference)
    }
}

fn entry(inventory: &Inventory, package: &Installed, ids: &mut Unique) -> Package {
    let id = ids.take(&identifier("Package", &package.id.to_string()), '-');
    let source = package.source.as_ref();
    Package {
        version_info: Some(package.version.0.clone()),
        source_info: source.map(|(name, version)| format!("built from {name} {version}")),
        external_refs: vec![ExternalRef::purl(package_url(inventory, package))],
        ..Package::new(id, &package.id.name.0)
    }
}

fn library_entry(store: &Libraries, library: &Library, ids: &mut Unique) -> Package {
    let owner = library.owner.as_ref();
    let owner = owner.map(|owner| format!(", part of the system package {owner}"));
    let id = identifier("Library", &format!("{}-{}", library.name, library.version));
    let path = &library.path;
    Package {
        version_info: Some(library.version.0.clone()),
        source_info: Some(format!("recorded in {path}{}", owner.unwrap_or_default())),
        external_refs: vec![ExternalRef::purl(libraries::package_url(store, library))],
        ..Package::new(ids.take(&id, '-'), &library.name)
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
