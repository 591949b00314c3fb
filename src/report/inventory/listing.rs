//! The inventory as a table and as imgfix's own JSON (`docs/report-schema.md`).

use imgfix_json::pretty;
use imgfix_model::component::{Contents, Libraries, StoreId, Unread};
use imgfix_model::package::{Installed, Inventory, PackageId};
use imgfix_model::path::ImagePath;
use imgfix_terminal::{Accent, Style, Table, clean, count};

use super::{Subject, libraries, package_url};

/// A heading; the system and one line a package; each store and one line a library.
#[must_use]
pub fn table(subject: &Subject, contents: &Contents, style: Style) -> String {
    let packages = contents.packages.as_ref();
    let mut counts = vec![match packages {
        Some(inventory) => count(inventory.packages.len(), "package"),
        None => "no package manager that is known".to_owned(),
    }];
    let number = libraries::all(&contents.libraries).count();
    if !contents.libraries.is_empty() {
        counts.push(libraries::count(number));
    }
    let heading = format!("{} {}: {}", subject.reference, subject.platform, counts.join(", "));
    let mut text = format!("{}\n", style.paint(Accent::Heading, &clean(&heading)));
    text.extend(packages.map(|inventory| package_table(inventory, style)));
    for store in &contents.libraries {
        if text.lines().count() > 1 {
            text.push('\n');
        }
        text.push_str(&library_table(store, style));
    }
    text
}

fn package_table(inventory: &Inventory, style: Style) -> String {
    let system = match inventory.distribution.pretty_name.as_str() {
        "" => "an unnamed distribution",
        name => name,
    };
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
    format!("  {} ({})\n\n{}", clean(system), inventory.family, table.render(style))
}

fn library_table(store: &Libraries, style: Style) -> String {
    let mut table = Table::new(&["library", "version", "system package", "recorded in"], &[]);
    for library in &store.libraries {
        let owner = library.owner.as_deref().unwrap_or_default();
        let path = below(store, &library.path);
        table.row([&library.name, &library.version.0, owner, &path]);
    }
    for Unread { path, why } in &store.unread {
        table.row(["?", "?", "", &format!("{} ({why})", below(store, path))]);
    }
    format!("  {}\n\n{}", clean(&store.store.to_string()), table.render(style))
}

/// A path as it is seen from a store's place.
fn below(store: &Libraries, path: &ImagePath) -> String {
    let path = path.to_string();
    let rest = path.strip_prefix(&store.store.place).and_then(|rest| rest.strip_prefix('/'));
    rest.map_or_else(|| path.clone(), str::to_owned)
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
    /// `null`: no package manager that is known.
    family: Option<&'a str>,
    distribution: Option<&'a imgfix_model::package::Distribution>,
    packages: Vec<Package<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    libraries: Vec<Store<'a>>,
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

#[derive(serde::Serialize)]
struct Store<'a> {
    store: &'a StoreId,
    libraries: Vec<Library<'a>>,
    #[serde(skip_serializing_if = "<[Unread]>::is_empty")]
    unread: &'a [Unread],
}

#[derive(serde::Serialize)]
struct Library<'a> {
    #[serde(flatten)]
    library: &'a imgfix_model::component::Library,
    purl: String,
}

/// All platforms' inventories as one JSON document, `imgfix/inventory/v1`.
#[must_use]
pub fn json(platforms: &[(Subject, Contents)]) -> String {
    let platforms = platforms.iter().map(|(subject, contents)| {
        let inventory = contents.packages.as_ref();
        let packages = inventory.into_iter().flat_map(|inventory| {
            inventory.packages.iter().map(|package| json_package(inventory, package))
        });
        PlatformInventory {
            image: &subject.reference,
            platform: &subject.platform,
            manifest: &subject.manifest,
            family: inventory.map(|inventory| inventory.family),
            distribution: inventory.map(|inventory| &inventory.distribution),
            packages: packages.collect(),
            libraries: contents.libraries.iter().map(json_store).collect(),
        }
    });
    pretty(&Document { schema: "imgfix/inventory/v1", platforms: platforms.collect() })
}

fn json_package<'a>(inventory: &Inventory, package: &'a Installed) -> Package<'a> {
    let source = package.source.as_ref();
    Package {
        id: &package.id,
        version: &package.version.0,
        source: source.map(|(name, version)| Source { name: &name.0, version: &version.0 }),
        held: package.held,
        purl: package_url(inventory, package),
    }
}

fn json_store(store: &Libraries) -> Store<'_> {
    let json = |library| Library { library, purl: libraries::package_url(store, library) };
    Store {
        store: &store.store,
        libraries: store.libraries.iter().map(json).collect(),
        unread: &store.unread,
    }
}
