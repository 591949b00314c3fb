//! The part of an SPDX 2.3 document in JSON that is written here, in the order in which the
//! specification has it (<https://spdx.github.io/spdx-spec/v2.3/>). What is empty is left out.

use serde::Serialize;

/// What SPDX has where nothing is said.
pub const NO_ASSERTION: &str = "NOASSERTION";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    pub spdx_version: &'static str,
    pub data_license: &'static str,
    #[serde(rename = "SPDXID")]
    pub id: &'static str,
    pub name: String,
    pub document_namespace: String,
    pub creation_info: CreationInfo,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub has_extracted_licensing_infos: Vec<ExtractedLicense>,
    pub packages: Vec<Package>,
    pub relationships: Vec<Relationship>,
}

#[derive(Serialize)]
pub struct CreationInfo {
    pub creators: Vec<String>,
    /// As `2026-01-31T12:00:00Z`.
    pub created: String,
}

/// A licence that is not on SPDX's list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtractedLicense {
    pub license_id: String,
    pub extracted_text: String,
    pub name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Package {
    pub name: String,
    #[serde(rename = "SPDXID")]
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_info: Option<String>,
    /// `Organization: NAME (MAIL)`, or [`NO_ASSERTION`].
    pub supplier: String,
    pub download_location: &'static str,
    pub files_analyzed: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checksums: Vec<Checksum>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_info: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub license_declared: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub external_refs: Vec<ExternalRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary_package_purpose: Option<&'static str>,
}

impl Package {
    /// One with what every package must have.
    pub fn new(id: String, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            id,
            version_info: None,
            supplier: NO_ASSERTION.to_owned(),
            download_location: NO_ASSERTION,
            files_analyzed: false,
            checksums: Vec::new(),
            source_info: None,
            license_declared: None,
            external_refs: Vec::new(),
            primary_package_purpose: None,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Checksum {
    pub algorithm: &'static str,
    pub checksum_value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalRef {
    pub reference_category: &'static str,
    pub reference_type: &'static str,
    pub reference_locator: String,
}

impl ExternalRef {
    pub fn purl(locator: String) -> Self {
        Self {
            reference_category: "PACKAGE-MANAGER",
            reference_type: "purl",
            reference_locator: locator,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Relationship {
    pub spdx_element_id: String,
    pub related_spdx_element: String,
    pub relationship_type: &'static str,
}

impl Relationship {
    pub fn new(from: &str, kind: &'static str, to: &str) -> Self {
        Self {
            spdx_element_id: from.to_owned(),
            related_spdx_element: to.to_owned(),
            relationship_type: kind,
        }
    }
}
