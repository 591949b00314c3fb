//! The inventory as an SPDX 2.3 document in JSON (<https://spdx.github.io/spdx-spec/v2.3/>).

use spdx_rs::models::{
    Algorithm, Checksum, CreationInfo, DocumentCreationInformation, ExternalPackageReference,
    ExternalPackageReferenceCategory, PackageInformation, PrimaryPackagePurpose, Relationship,
    RelationshipType, SPDX,
};

use crate::before_after::Tool;
use imgfix_json::pretty;
use imgfix_model::component::{Contents, Libraries, Library};
use imgfix_model::package::{Installed, Inventory};

use super::{InventoryError, Subject, Unique, document_uuid, libraries, package_url, rfc3339};

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
    let mut relationships =
        vec![Relationship::new(DOCUMENT, IMAGE, RelationshipType::Describes, None)];
    relationships.extend(packages.iter().skip(1).map(|package| {
        let id = &package.package_spdx_identifier;
        Relationship::new(IMAGE, id, RelationshipType::Contains, None)
    }));
    let time = rfc3339(created)?;
    let created = time.parse().map_err(|_| InventoryError::Render {
        format: "SPDX",
        why: format!("{time} is not a time that SPDX can hold"),
    })?;
    Ok(pretty(&SPDX {
        document_creation_information: DocumentCreationInformation {
            spdx_version: "SPDX-2.3".to_owned(),
            data_license: "CC0-1.0".to_owned(),
            spdx_identifier: DOCUMENT.to_owned(),
            document_name: format!("{} {}", subject.reference, subject.platform),
            spdx_document_namespace: format!("urn:uuid:{}", document_uuid("spdx", subject)),
            external_document_references: Vec::new(),
            creation_info: CreationInfo {
                license_list_version: None,
                creators: vec![format!("Tool: {}-{}", Tool::THIS.name, Tool::THIS.version)],
                created,
                creator_comment: None,
            },
            document_comment: None,
            document_describes: Vec::new(),
        },
        package_information: packages,
        other_licensing_information_detected: Vec::new(),
        file_information: Vec::new(),
        snippet_information: Vec::new(),
        relationships,
        annotations: Vec::new(),
        spdx_ref_counter: 0,
    }))
}

fn image_package(subject: &Subject) -> PackageInformation {
    PackageInformation {
        package_name: subject.reference.clone(),
        package_spdx_identifier: IMAGE.to_owned(),
        package_version: Some(subject.manifest.to_string()),
        package_checksum: vec![Checksum::new(Algorithm::SHA256, &subject.manifest.hex())],
        files_analyzed: Some(false),
        primary_package_purpose: Some(PrimaryPackagePurpose::Container),
        ..PackageInformation::default()
    }
}

fn entry(inventory: &Inventory, package: &Installed, ids: &mut Unique) -> PackageInformation {
    let purl = package_url(inventory, package);
    PackageInformation {
        package_name: package.id.name.0.clone(),
        package_spdx_identifier: ids.take(&identifier("Package", &package.id.to_string()), '-'),
        package_version: Some(package.version.0.clone()),
        source_information: package
            .source
            .as_ref()
            .map(|(name, version)| format!("built from {name} {version}")),
        files_analyzed: Some(false),
        external_reference: vec![purl_reference(purl)],
        ..PackageInformation::default()
    }
}

fn library_entry(store: &Libraries, library: &Library, ids: &mut Unique) -> PackageInformation {
    let owner = library.owner.as_ref();
    let owner = owner.map(|owner| format!(", part of the system package {owner}"));
    let id = identifier("Library", &format!("{}-{}", library.name, library.version));
    PackageInformation {
        package_name: library.name.clone(),
        package_spdx_identifier: ids.take(&id, '-'),
        package_version: Some(library.version.0.clone()),
        source_information: Some(format!(
            "recorded in {}{}",
            library.path,
            owner.unwrap_or_default()
        )),
        files_analyzed: Some(false),
        external_reference: vec![purl_reference(libraries::package_url(store, library))],
        ..PackageInformation::default()
    }
}

fn purl_reference(purl: String) -> ExternalPackageReference {
    let category = ExternalPackageReferenceCategory::PackageManager;
    ExternalPackageReference::new(category, "purl".to_owned(), purl, None)
}

/// SPDX allows letters, digits, `.` and `-` in identifiers.
fn identifier(kind: &str, name: &str) -> String {
    let allowed = |c: char| {
        if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '-' }
    };
    let name: String = name.chars().map(allowed).collect();
    format!("SPDXRef-{kind}-{name}")
}
