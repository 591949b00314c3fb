//! The inventory as a table and as imgfix's own JSON (`docs/report-schema.md`).

use imgfix_json::pretty;
use imgfix_model::package::{Inventory, PackageId};
use imgfix_terminal::{Accent, Style, Table, clean, count};

use super::{Subject, package_url};

/// A heading and one line a package.
#[must_use]
pub fn table(subject: &Subject, inventory: &Inventory, style: Style) -> String {
    let distribution = &inventory.distribution;
    let system = match distribution.pretty_name.as_str() {
        "" => "an unnamed distribution",
        name => name,
    };
    let heading = format!(
        "{} {}: {}",
        subject.reference,
        subject.platform,
        count(inventory.packages.len(), "package")
    );
    let mut table = Table::new(&["package", "version", "source", ""], &[]);
    for package in &inventory.packages {
        let source = match &package.source {
            Some((name, version)) if *version == package.version => name.to_string(),
            Some((name, version)) => format!("{name} {version}"),
            None => String::new(),
        };
        let held = if package.held { "held" } else { "" };
        table.row([&package.id.to_string(), &package.version.0, &source, held]);
    }
    format!(
        "{}\n  {} ({})\n\n{}",
        style.paint(Accent::Heading, &clean(&heading)),
        clean(system),
        inventory.family,
        table.render(style)
    )
}

#[derive(serde::Serialize)]
struct Document<'a> {
    schema: &'static str,
    platforms: Vec<PlatformInventory<'a>>,
}

#[derive(serde::Serialize)]
struct PlatformInventory<'a> {
    image: &'a str,
    platform: &'a imgfix_model::platform::Platform,
    manifest: &'a imgfix_model::digest::Digest,
    family: &'a str,
    distribution: &'a imgfix_model::package::Distribution,
    packages: Vec<Package<'a>>,
}

#[derive(serde::Serialize)]
struct Package<'a> {
    #[serde(flatten)]
    id: &'a PackageId,
    version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Source<'a>>,
    held: bool,
    purl: String,
}

#[derive(serde::Serialize)]
struct Source<'a> {
    name: &'a str,
    version: &'a str,
}

/// All platforms' inventories as one JSON document, `imgfix/inventory/v1`.
#[must_use]
pub fn json(platforms: &[(Subject, Inventory)]) -> String {
    let platforms = platforms
        .iter()
        .map(|(subject, inventory)| PlatformInventory {
            image: &subject.reference,
            platform: &subject.platform,
            manifest: &subject.manifest,
            family: inventory.family,
            distribution: &inventory.distribution,
            packages: inventory
                .packages
                .iter()
                .map(|package| Package {
                    id: &package.id,
                    version: &package.version.0,
                    source: package
                        .source
                        .as_ref()
                        .map(|(name, version)| Source { name: &name.0, version: &version.0 }),
                    held: package.held,
                    purl: package_url(inventory, package),
                })
                .collect(),
        })
        .collect();
    pretty(&Document { schema: "imgfix/inventory/v1", platforms })
}
