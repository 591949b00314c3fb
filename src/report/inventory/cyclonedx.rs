//! The inventory as a CycloneDX 1.6 document (<https://cyclonedx.org/docs/1.6/json/>).

use serde_cyclonedx::cyclonedx::v_1_6::{
    Component, ComponentBuilder, CycloneDxBuilder, Dependency, Hash, HashAlg, Metadata,
    MetadataTools, MetadataToolsVariant0, Property,
};

use crate::before_after::Tool;
use imgfix_json::pretty;
use imgfix_model::component::{Contents, Libraries, Library};
use imgfix_model::package::{Installed, Inventory};

use super::{
    InventoryError, Subject, Unique, document_uuid, image_url, libraries, package_url, rfc3339,
};

/// One platform's image as a CycloneDX document: the image as the described component; the
/// distribution, its packages, and libraries as components. `created`: seconds since the epoch.
///
/// # Errors
/// A time that RFC 3339 cannot write.
pub fn cyclonedx(
    subject: &Subject,
    contents: &Contents,
    created: i64,
) -> Result<String, InventoryError> {
    let image_ref = format!("image:{}", subject.manifest);
    let mut refs = Unique::default();
    refs.take(&image_ref, '#');
    let mut components = Vec::new();
    if let Some(inventory) = &contents.packages {
        components.push(distribution_component(inventory, &mut refs)?);
        for package in &inventory.packages {
            components.push(package_component(inventory, package, &mut refs)?);
        }
    }
    for (store, library) in libraries::all(&contents.libraries) {
        components.push(library_component(store, library, &mut refs)?);
    }
    let depends_on: Vec<String> =
        components.iter().filter_map(|component| component.bom_ref.clone()).collect();
    let document = CycloneDxBuilder::default()
        .schema("http://cyclonedx.org/schema/bom-1.6.schema.json")
        .bom_format("CycloneDX")
        .spec_version("1.6")
        .serial_number(format!("urn:uuid:{}", document_uuid("cyclonedx", subject)))
        .version(1)
        .metadata(Metadata {
            timestamp: Some(rfc3339(created)?),
            tools: Some(MetadataTools::Variant0(MetadataToolsVariant0 {
                components: Some(vec![tool()?]),
                services: None,
            })),
            component: Some(image_component(subject, &image_ref)?),
            ..Metadata::default()
        })
        .components(components)
        .dependencies(vec![Dependency {
            ref_: image_ref,
            depends_on: Some(depends_on),
            provides: None,
        }])
        .build()
        .map_err(incomplete)?;
    Ok(pretty(&document))
}

/// The builders want every mandatory field; all are given, so this is for a changed library.
fn incomplete(error: impl std::fmt::Display) -> InventoryError {
    InventoryError::Render { format: "CycloneDX", why: error.to_string() }
}

fn tool() -> Result<Component, InventoryError> {
    ComponentBuilder::default()
        .type_("application")
        .name(Tool::THIS.name)
        .version(Tool::THIS.version)
        .build()
        .map_err(incomplete)
}

fn image_component(subject: &Subject, image_ref: &str) -> Result<Component, InventoryError> {
    ComponentBuilder::default()
        .type_("container")
        .bom_ref(image_ref)
        .name(subject.reference.as_str())
        .version(subject.manifest.to_string())
        .purl(image_url(&subject.reference, &subject.manifest, &subject.platform))
        .hashes(vec![Hash { alg: HashAlg::Sha256, content: subject.manifest.hex() }])
        .properties(vec![property("imgfix:platform", &subject.platform.to_string())])
        .build()
        .map_err(incomplete)
}

fn distribution_component(
    inventory: &Inventory,
    refs: &mut Unique,
) -> Result<Component, InventoryError> {
    let distribution = &inventory.distribution;
    let name = match distribution.id.as_str() {
        "" => "unknown",
        id => id,
    };
    let mut component = ComponentBuilder::default();
    component.type_("operating-system").bom_ref(refs.take(&format!("os:{name}"), '#')).name(name);
    let release = [&distribution.version_id, &distribution.codename];
    if let Some(release) = release.into_iter().find(|text| !text.is_empty()) {
        component.version(release.as_str());
    }
    if !distribution.pretty_name.is_empty() {
        component.description(distribution.pretty_name.as_str());
    }
    component.build().map_err(incomplete)
}

fn package_component(
    inventory: &Inventory,
    package: &Installed,
    refs: &mut Unique,
) -> Result<Component, InventoryError> {
    let purl = package_url(inventory, package);
    let mut properties = vec![property("imgfix:architecture", &package.id.architecture.0)];
    if let Some((name, version)) = &package.source {
        properties.push(property("imgfix:source", &name.0));
        properties.push(property("imgfix:source-version", &version.0));
    }
    if package.held {
        properties.push(property("imgfix:held", "true"));
    }
    ComponentBuilder::default()
        .type_("library")
        .bom_ref(refs.take(&purl, '#'))
        .name(package.id.name.0.as_str())
        .version(package.version.0.as_str())
        .purl(purl)
        .properties(properties)
        .build()
        .map_err(incomplete)
}

/// A library; a second copy of it is a component of its own, with its own path.
fn library_component(
    store: &Libraries,
    library: &Library,
    refs: &mut Unique,
) -> Result<Component, InventoryError> {
    let purl = libraries::package_url(store, library);
    let mut properties = vec![
        property("imgfix:store", &store.store.to_string()),
        property("imgfix:path", &library.path.to_string()),
    ];
    properties.extend(library.owner.as_ref().map(|owner| property("imgfix:owner", owner)));
    ComponentBuilder::default()
        .type_("library")
        .bom_ref(refs.take(&purl, '#'))
        .name(library.name.as_str())
        .version(library.version.0.as_str())
        .purl(purl)
        .properties(properties)
        .build()
        .map_err(incomplete)
}

fn property(name: &str, value: &str) -> Property {
    Property { name: name.to_owned(), value: Some(value.to_owned()) }
}
