//! The inventory as a CycloneDX 1.6 document (<https://cyclonedx.org/docs/1.6/json/>).

use std::collections::BTreeMap;

use imgfix_json::pretty;
use imgfix_model::component::{Contents, Libraries, Library};
use imgfix_model::description::{License as Declaration, Party};
use imgfix_model::package::{Distribution, Installed, Inventory, PackageId};

use super::cyclonedx_document::{
    Component, Contact, Dependency, Document, Entity, Hash, License, LicenseChoice, Lifecycle,
    Metadata, Property, Tools,
};
use super::licenses::{Declared, Licenses};
use super::{
    InventoryError, Issue, Subject, Unique, distribution_party, document_uuid, image_url,
    libraries, package_supplier, package_url, release, rfc3339,
};
use crate::before_after::Tool;

/// How licences are known: by what records declare.
const DECLARED: &str = "declared";

/// One platform's image as a CycloneDX document: the image as the described component; the
/// distribution, its packages, and libraries as components, with what packages need.
///
/// # Errors
/// A time that RFC 3339 cannot write.
pub fn cyclonedx(
    subject: &Subject,
    contents: &Contents,
    issue: &Issue,
) -> Result<String, InventoryError> {
    let image_ref = format!("image:{}", subject.manifest);
    let mut bom = Bom::default();
    bom.refs.take(&image_ref, '#');
    if let Some(inventory) = &contents.packages {
        bom.distribution(&inventory.distribution);
        for package in &inventory.packages {
            bom.package(inventory, package, contents);
        }
    }
    for (store, library) in libraries::all(&contents.libraries) {
        bom.library(store, library);
    }
    let supplier = issue.supplier_of(subject).map(entity);
    let everything = bom.components.iter().filter_map(|one| one.bom_ref.clone()).collect();
    let mut dependencies =
        vec![Dependency { reference: image_ref.clone(), depends_on: everything }];
    dependencies.extend(bom.dependencies(contents));
    Ok(pretty(&Document {
        schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
        bom_format: "CycloneDX",
        spec_version: "1.6",
        serial_number: format!("urn:uuid:{}", document_uuid("cyclonedx", subject, issue)),
        version: 1,
        metadata: Metadata {
            timestamp: rfc3339(issue.created)?,
            // The image was built before it was looked at.
            lifecycles: vec![Lifecycle { phase: "post-build" }],
            tools: Tools { components: vec![tool()] },
            authors: issue.author.iter().map(contact).collect(),
            component: image_component(subject, image_ref, supplier.clone()),
            supplier,
        },
        components: bom.components,
        dependencies,
    }))
}

/// The components so far.
#[derive(Default)]
struct Bom {
    refs: Unique,
    licenses: Licenses,
    components: Vec<Component>,
    /// The references of packages.
    packages: BTreeMap<PackageId, String>,
}

impl Bom {
    fn distribution(&mut self, distribution: &Distribution) {
        let name = match distribution.id.as_str() {
            "" => "unknown",
            id => id,
        };
        let description = Some(&distribution.pretty_name).filter(|name| !name.is_empty());
        self.components.push(Component {
            kind: "operating-system",
            bom_ref: Some(self.refs.take(&format!("os:{name}"), '#')),
            supplier: distribution_party(distribution).as_ref().map(entity),
            name: name.to_owned(),
            version: release(distribution).map(str::to_owned),
            description: description.cloned(),
            ..Component::default()
        });
    }

    fn package(&mut self, inventory: &Inventory, package: &Installed, contents: &Contents) {
        let purl = package_url(inventory, package);
        let mut properties = vec![property("imgfix:architecture", &package.id.architecture.0)];
        if let Some((name, version)) = &package.source {
            properties.push(property("imgfix:source", &name.0));
            properties.push(property("imgfix:source-version", &version.0));
        }
        if package.held {
            properties.push(property("imgfix:held", "true"));
        }
        let description = contents.descriptions.get(&package.id);
        let supplier = package_supplier(description, &inventory.distribution);
        let bom_ref = self.refs.take(&purl, '#');
        self.packages.entry(package.id.clone()).or_insert_with(|| bom_ref.clone());
        let licenses = self.choices(description.and_then(|one| one.license.as_ref()));
        self.components.push(Component {
            kind: "library",
            bom_ref: Some(bom_ref),
            supplier: supplier.as_ref().map(entity),
            name: package.id.name.0.clone(),
            version: Some(package.version.0.clone()),
            licenses,
            purl: Some(purl),
            properties,
            ..Component::default()
        });
    }

    /// A library; a second copy of it is a component of its own, with its own path.
    fn library(&mut self, store: &Libraries, library: &Library) {
        let purl = libraries::package_url(store, library);
        let mut properties = vec![
            property("imgfix:store", &store.store.to_string()),
            property("imgfix:path", &library.path.to_string()),
        ];
        properties.extend(library.owner.as_ref().map(|owner| property("imgfix:owner", owner)));
        let licenses = self.choices(library.description.license.as_ref());
        self.components.push(Component {
            kind: "library",
            bom_ref: Some(self.refs.take(&purl, '#')),
            supplier: library.description.supplier.as_ref().map(entity),
            name: library.name.clone(),
            version: Some(library.version.0.clone()),
            licenses,
            purl: Some(purl),
            properties,
            ..Component::default()
        });
    }

    fn choices(&mut self, license: Option<&Declaration>) -> Vec<LicenseChoice> {
        let Some(license) = license else { return Vec::new() };
        let (id, name) = match self.licenses.declared(license) {
            Declared::Id(id) => (Some(id), None),
            Declared::Name(name) => (None, Some(name)),
            Declared::Expression(expression) => {
                return vec![LicenseChoice::Expression { expression, acknowledgement: DECLARED }];
            }
        };
        let license = License { id, name, acknowledgement: DECLARED };
        vec![LicenseChoice::License { license }]
    }

    /// What packages need: an entry for each of which it is known.
    fn dependencies(&self, contents: &Contents) -> impl Iterator<Item = Dependency> {
        self.packages.iter().filter_map(|(id, reference)| {
            let needs = contents.descriptions.get(id)?.needs.as_ref()?;
            let depends_on = needs.iter().filter_map(|id| self.packages.get(id).cloned());
            Some(Dependency { reference: reference.clone(), depends_on: depends_on.collect() })
        })
    }
}

fn tool() -> Component {
    Component {
        kind: "application",
        name: Tool::THIS.name.to_owned(),
        version: Some(Tool::THIS.version.to_owned()),
        ..Component::default()
    }
}

fn image_component(subject: &Subject, image_ref: String, supplier: Option<Entity>) -> Component {
    Component {
        kind: "container",
        bom_ref: Some(image_ref),
        supplier,
        name: subject.reference.clone(),
        version: Some(subject.manifest.to_string()),
        hashes: vec![Hash { alg: "SHA-256", content: subject.manifest.hex() }],
        purl: Some(image_url(&subject.reference, &subject.manifest, &subject.platform)),
        properties: vec![property("imgfix:platform", &subject.platform.to_string())],
        ..Component::default()
    }
}

fn entity(party: &Party) -> Entity {
    let contact = party.email.clone().map(|email| Contact { name: None, email: Some(email) });
    Entity { name: party.name.clone(), contact: contact.into_iter().collect() }
}

fn contact(party: &Party) -> Contact {
    Contact { name: Some(party.name.clone()), email: party.email.clone() }
}

fn property(name: &'static str, value: &str) -> Property {
    Property { name, value: value.to_owned() }
}
