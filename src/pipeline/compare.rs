//! Looking at images without repairing them: what is installed, and what differs.

use imgfix_model::component::Contents;
use imgfix_model::description::Party;
use imgfix_model::package::Inventory;
use imgfix_model::platform::Platform;
use imgfix_oci as image;
use imgfix_oci::{ImageConfig, Reference};
use imgfix_report::diff::{DiffOptions, ImageDiff, Side, diff_images};
use imgfix_report::inventory::Subject;
use imgfix_vfs::layer_reader::Digests;

use super::load::{self, LoadedImage, View};
use super::{Environment, RepairError, planning};

/// Every wanted platform of an image.
fn open(
    reference: &Reference,
    platforms: &[Platform],
    view: View,
    environment: &Environment,
) -> Result<Vec<LoadedImage>, RepairError> {
    let name = reference.to_string();
    environment.edge.progress.message(&format!("reading {name}"));
    let source = image::open_source(reference, &environment.registry)?;
    let set = image::load(&*source, None)?;
    planning::chosen(&set, platforms, &name)?
        .into_iter()
        .map(|one| load::load(&source, one, view, Digests::Left, environment))
        .collect()
}

/// Labels of an image that name who supplies it, the first that is there
/// (<https://github.com/opencontainers/image-spec/blob/main/annotations.md>; `maintainer` is
/// what Dockerfiles had before).
const SUPPLIERS: [&str; 3] =
    ["org.opencontainers.image.vendor", "org.opencontainers.image.authors", "maintainer"];

/// Who supplies an image, as its config says.
fn supplier(config: &ImageConfig) -> Option<Party> {
    let labels = SUPPLIERS.iter().filter_map(|label| config.label(label));
    let author = config.value().get("author").and_then(|author| author.as_str());
    labels.chain(author).find_map(Party::parse)
}

/// How much of what is installed is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Names, versions and places.
    Names,
    /// Suppliers, licences and needs, too.
    Descriptions,
}

/// What is installed in each platform's image.
///
/// # Errors
/// The image cannot be read; its packages are recorded in a way that is not understood.
pub fn inventories(
    reference: &Reference,
    platforms: &[Platform],
    depth: Depth,
    environment: &Environment,
) -> Result<Vec<(Subject, Contents)>, RepairError> {
    let name = reference.to_string();
    let view = match depth {
        Depth::Names => View::AsIs,
        Depth::Descriptions => View::Described,
    };
    open(reference, platforms, view, environment)?
        .into_iter()
        .map(|loaded| {
            let stores = planning::stores(&name, &loaded, environment)?;
            let contents = match depth {
                Depth::Names => stores.contents(),
                Depth::Descriptions => stores.described(&*loaded.tree).map_err(|source| {
                    let image = format!("{name} ({})", loaded.platform);
                    RepairError::Inventory { image, source }
                })?,
            };
            planning::known(&name, &loaded, &stores)?;
            let subject = Subject {
                reference: name.clone(),
                platform: loaded.platform.clone(),
                manifest: loaded.manifest.digest(),
                supplier: supplier(&loaded.config),
            };
            Ok((subject, contents))
        })
        .collect()
}

/// What differs between two images, platform by platform of the first.
///
/// # Errors
/// An image cannot be read; the second has no image for a platform of the first.
pub fn diff(
    before: &Reference,
    after: &Reference,
    platforms: &[Platform],
    environment: &Environment,
) -> Result<Vec<(Platform, ImageDiff)>, RepairError> {
    let old = open(before, platforms, View::AsIs, environment)?;
    let wanted: Vec<Platform> = match (platforms, old.as_slice()) {
        // two single images are compared whatever their platforms are called
        ([], [_]) => Vec::new(),
        _ => old.iter().map(|one| one.platform.clone()).collect(),
    };
    let new = open(after, &wanted, View::AsIs, environment)?;
    let mut diffs = Vec::with_capacity(old.len());
    for (at, one) in old.iter().enumerate() {
        let partner = new
            .iter()
            .find(|other| other.platform == one.platform)
            .or_else(|| new.get(at).filter(|_| old.len() == 1));
        let Some(other) = partner else {
            return Err(RepairError::NoPlatform {
                image: after.to_string(),
                wanted: one.platform.to_string(),
                have: new.iter().map(|o| o.platform.to_string()).collect::<Vec<_>>().join(", "),
            });
        };
        let inventories = [inventory(one, environment), inventory(other, environment)];
        let [first, second] = &inventories;
        let diff = diff_images(
            &side(before, one, first.as_ref()),
            &side(after, other, second.as_ref()),
            DiffOptions::default(),
        )?;
        diffs.push((one.platform.clone(), diff));
    }
    Ok(diffs)
}

/// Packages are compared where both images have a database that is understood.
fn inventory(loaded: &LoadedImage, environment: &Environment) -> Option<Inventory> {
    let stores = environment.detect(&*loaded.tree).ok()?;
    stores.package_manager().map(|manager| manager.inventory().clone())
}

fn side<'a>(
    reference: &Reference,
    loaded: &'a LoadedImage,
    inventory: Option<&'a Inventory>,
) -> Side<'a> {
    Side {
        label: reference.to_string(),
        manifest: Some(loaded.manifest.digest()),
        inventory,
        tree: &*loaded.tree,
        layers: loaded.config.diff_ids(),
        config: loaded.config.value(),
        contents: &*loaded.tree,
    }
}
