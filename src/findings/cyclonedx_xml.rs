//! CycloneDX 1.4 to 1.6 as XML: the same model as [`super::cyclonedx`], read from elements.
//!
//! Source: <https://cyclonedx.org/docs/1.6/xml/>. The text is checked for form and nesting
//! first; no entity but XML's own five is expanded, and no document type is fetched.

use quick_xml::Reader;
use quick_xml::events::Event;
use serde::Deserialize;

use super::advisory::Link;
use super::cyclonedx::{
    self, Affected, AffectedVersion, Analysis, Component, Document, Metadata, Property, Rating,
};
use super::cyclonedx::{Reference, Source, Tools, Vulnerability};
use super::{FindingsError, ScanReport};

/// Deeper than any document of a scanner, and shallow enough for the stack.
const MAX_DEPTH: usize = 64;

const NAMESPACE: &str = "http://cyclonedx.org/schema/bom/";

#[derive(Deserialize)]
struct Bom {
    #[serde(rename = "@xmlns")]
    xmlns: Option<String>,
    metadata: Option<XmlMetadata>,
    components: Option<XmlComponents>,
    vulnerabilities: Option<XmlVulnerabilities>,
}

#[derive(Deserialize)]
struct XmlMetadata {
    component: Option<XmlComponent>,
    tools: Option<XmlTools>,
}

#[derive(Deserialize)]
struct XmlTools {
    /// Until 1.4.
    #[serde(default)]
    tool: Vec<XmlSource>,
    components: Option<XmlComponents>,
}

#[derive(Deserialize)]
struct XmlComponents {
    #[serde(default)]
    component: Vec<XmlComponent>,
}

#[derive(Deserialize)]
struct XmlComponent {
    #[serde(rename = "@bom-ref")]
    bom_ref: Option<String>,
    #[serde(rename = "@type")]
    kind: Option<String>,
    group: Option<String>,
    name: Option<String>,
    version: Option<String>,
    purl: Option<String>,
    components: Option<Box<XmlComponents>>,
    properties: Option<XmlProperties>,
}

#[derive(Deserialize)]
struct XmlProperties {
    #[serde(default)]
    property: Vec<XmlProperty>,
}

#[derive(Deserialize)]
struct XmlProperty {
    #[serde(rename = "@name")]
    name: Option<String>,
    #[serde(rename = "$text")]
    value: Option<String>,
}

#[derive(Deserialize)]
struct XmlVulnerabilities {
    #[serde(default)]
    vulnerability: Vec<XmlVulnerability>,
}

#[derive(Deserialize)]
struct XmlVulnerability {
    id: Option<String>,
    source: Option<XmlSource>,
    references: Option<XmlReferences>,
    ratings: Option<XmlRatings>,
    description: Option<String>,
    recommendation: Option<String>,
    analysis: Option<XmlAnalysis>,
    affects: Option<XmlAffects>,
    properties: Option<XmlProperties>,
    advisories: Option<XmlAdvisories>,
}

#[derive(Deserialize)]
struct XmlAdvisories {
    #[serde(default)]
    advisory: Vec<XmlAdvisory>,
}

#[derive(Deserialize)]
struct XmlAdvisory {
    url: Option<String>,
}

#[derive(Deserialize)]
struct XmlSource {
    name: Option<String>,
    url: Option<String>,
}

#[derive(Deserialize)]
struct XmlReferences {
    #[serde(default)]
    reference: Vec<XmlReference>,
}

#[derive(Deserialize)]
struct XmlReference {
    id: Option<String>,
    source: Option<XmlSource>,
}

#[derive(Deserialize)]
struct XmlRatings {
    #[serde(default)]
    rating: Vec<XmlRating>,
}

#[derive(Deserialize)]
struct XmlRating {
    source: Option<XmlSource>,
    severity: Option<String>,
    score: Option<f64>,
    method: Option<String>,
    vector: Option<String>,
}

#[derive(Deserialize)]
struct XmlAnalysis {
    state: Option<String>,
    justification: Option<String>,
    detail: Option<String>,
    responses: Option<XmlResponses>,
}

#[derive(Deserialize)]
struct XmlResponses {
    #[serde(default)]
    response: Vec<String>,
}

#[derive(Deserialize)]
struct XmlAffects {
    #[serde(default)]
    target: Vec<XmlTarget>,
}

#[derive(Deserialize)]
struct XmlTarget {
    #[serde(rename = "ref")]
    reference: Option<String>,
    versions: Option<XmlVersions>,
}

#[derive(Deserialize)]
struct XmlVersions {
    #[serde(default)]
    version: Vec<XmlVersion>,
}

#[derive(Deserialize)]
struct XmlVersion {
    version: Option<String>,
    range: Option<String>,
    status: Option<String>,
}

/// Reads an XML document; one of another kind is an error that says so.
pub(super) fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let text = std::str::from_utf8(bytes).map_err(|error| FindingsError::NotXml {
        name: name.to_owned(),
        at: error.valid_up_to() as u64,
        why: "not UTF-8 text".to_owned(),
    })?;
    let root = check_form(name, text)?;
    let unknown = |what: String| FindingsError::UnknownFormat { name: name.to_owned(), what };
    if root != "bom" {
        return Err(unknown(format!("XML with the element {root:?}")));
    }
    let mut xml = quick_xml::de::Deserializer::from_str(text);
    let bom: Bom =
        serde_path_to_error::deserialize(&mut xml).map_err(|error| FindingsError::Entry {
            name: name.to_owned(),
            scanner: "scanner",
            place: format!("bom.{}", error.path()),
            why: error.inner().to_string(),
        })?;
    let version = bom.xmlns.as_deref().and_then(|xmlns| xmlns.strip_prefix(NAMESPACE));
    let Some(version) = version else {
        return Err(unknown("XML of another namespace than CycloneDX's".to_owned()));
    };
    let spec_version = Some(version.to_owned());
    if bom.vulnerabilities.is_none() {
        let what = "a CycloneDX document without vulnerabilities (an SBOM lists packages, not \
                    findings)";
        return Err(unknown(what.to_owned()));
    }
    cyclonedx::read(name, Document { spec_version, ..document(bom) })
}

/// The name of the root element of a well-formed text that is not nested too deep.
fn check_form(name: &str, text: &str) -> Result<String, FindingsError> {
    let mut reader = Reader::from_str(text);
    let mut depth = 0_usize;
    let mut root = None;
    loop {
        let event = reader.read_event();
        let at = reader.buffer_position();
        let bad = |why: String| FindingsError::NotXml { name: name.to_owned(), at, why };
        match event {
            Err(error) => return Err(bad(error.to_string())),
            Ok(Event::Start(element)) => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(bad(format!("nested more than {MAX_DEPTH} deep")));
                }
                root.get_or_insert_with(|| element.local_name().as_ref().to_owned());
            }
            Ok(Event::Empty(element)) => {
                root.get_or_insert_with(|| element.local_name().as_ref().to_owned());
            }
            Ok(Event::End(_)) => depth = depth.saturating_sub(1),
            Ok(Event::Eof) if depth > 0 => return Err(bad("it ends in the middle".to_owned())),
            Ok(Event::Eof) => break,
            Ok(_) => {}
        }
    }
    root.ok_or_else(|| FindingsError::NotXml {
        name: name.to_owned(),
        at: 0,
        why: "no element".to_owned(),
    })
}

fn document(bom: Bom) -> Document {
    Document {
        spec_version: None,
        metadata: bom.metadata.map(|metadata| Metadata {
            component: metadata.component.map(component),
            tools: metadata.tools.map(tools),
        }),
        components: bom.components.map(components),
        vulnerabilities: bom
            .vulnerabilities
            .map(|list| list.vulnerability.into_iter().map(vulnerability).collect()),
    }
}

fn tools(xml: XmlTools) -> Tools {
    let listed = xml.tool.into_iter().map(source);
    let components = xml.components.map(|list| list.component).unwrap_or_default();
    Tools::List(
        listed
            .chain(components.into_iter().map(|one| Source { name: one.name, url: None }))
            .collect(),
    )
}

fn components(list: XmlComponents) -> Vec<Component> {
    list.component.into_iter().map(component).collect()
}

fn component(xml: XmlComponent) -> Component {
    Component {
        bom_ref: xml.bom_ref,
        kind: xml.kind,
        group: xml.group,
        name: xml.name,
        version: xml.version,
        purl: xml.purl,
        components: xml.components.map(|list| components(*list)),
        properties: xml.properties.map(properties),
    }
}

fn properties(list: XmlProperties) -> Vec<Property> {
    let property = |xml: XmlProperty| Property { name: xml.name, value: xml.value };
    list.property.into_iter().map(property).collect()
}

fn source(xml: XmlSource) -> Source {
    Source { name: xml.name, url: xml.url }
}

fn vulnerability(xml: XmlVulnerability) -> Vulnerability {
    let rating = |xml: XmlRating| Rating {
        source: xml.source.map(source),
        severity: xml.severity,
        score: xml.score,
        method: xml.method,
        vector: xml.vector,
    };
    let reference = |xml: XmlReference| Reference { id: xml.id, source: xml.source.map(source) };
    Vulnerability {
        id: xml.id,
        source: xml.source.map(source),
        references: xml.references.map(|list| list.reference.into_iter().map(reference).collect()),
        ratings: xml.ratings.map(|list| list.rating.into_iter().map(rating).collect()),
        description: xml.description,
        recommendation: xml.recommendation,
        analysis: xml.analysis.map(|analysis| Analysis {
            state: analysis.state,
            justification: analysis.justification,
            detail: analysis.detail,
            response: analysis.responses.map(|list| list.response),
        }),
        affects: xml.affects.map(|list| list.target.into_iter().map(affected).collect()),
        properties: xml.properties.map(properties),
        advisories: xml
            .advisories
            .map(|list| list.advisory.into_iter().map(|one| Link { url: one.url }).collect()),
    }
}

fn affected(xml: XmlTarget) -> Affected {
    let version = |xml: XmlVersion| AffectedVersion {
        version: xml.version,
        range: xml.range,
        status: xml.status,
    };
    Affected {
        reference: xml.reference,
        versions: xml.versions.map(|list| list.version.into_iter().map(version).collect()),
    }
}
