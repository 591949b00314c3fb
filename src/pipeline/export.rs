//! A copy of an image at another place, as it is: what a scanner is handed that reads no
//! registry.

use std::path::Path;

use imgfix_host::unfinished::Unfinished;
use imgfix_oci as image;
use imgfix_oci::publish;
use imgfix_oci::publish::{NewImage, Publication};
use imgfix_oci::{Document, ImageSet, Reference, Source};

use super::{Environment, RepairError};

/// The forms in which an image is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportForm {
    /// An OCI layout directory.
    Layout,
    /// An archive file: docker-archive, or an OCI archive for an image of several platforms.
    Archive,
}

/// Copies the image that `source` reads to `target`.
///
/// # Errors
/// The image cannot be read, or the target does not take it.
pub fn copy(
    source: &dyn Source,
    set: &ImageSet,
    target: &Reference,
    environment: &Environment,
) -> Result<(), RepairError> {
    copy_noting(source, set, target, environment, &environment.edge.unfinished)
}

/// [`copy`]; what an interruption takes back, and whether the copy counts as published, goes
/// to `unfinished`.
fn copy_noting(
    source: &dyn Source,
    set: &ImageSet,
    target: &Reference,
    environment: &Environment,
    unfinished: &Unfinished,
) -> Result<(), RepairError> {
    image::check_output(target, source.reference(), set)?;
    let whole = |image: &image::PlatformImage| NewImage {
        manifest: image.manifest.raw().clone(),
        config: image.config.bytes().clone(),
        layers: Vec::new(),
    };
    let publication = match &set.root {
        Document::Manifest(_) => Publication {
            images: set.images.iter().map(whole).collect(),
            indexes: Vec::new(),
            kept: Vec::new(),
        },
        Document::Index(index) => Publication {
            images: Vec::new(),
            indexes: vec![index.raw().clone()],
            kept: index.children().iter().map(|one| one.descriptor.clone()).collect(),
        },
    };
    let name = source.image_name();
    let sink = image::open_sink(target, name, &environment.registry, unfinished)?;
    publish::publish(&*sink, source, &publication, &*environment.edge.progress)?;
    Ok(())
}

/// Copies an image below `folder`, which must be empty; returns the path of the copy.
///
/// # Errors
/// The image cannot be read, or the disk does not take it.
pub fn export(
    reference: &Reference,
    form: ExportForm,
    folder: &Path,
    environment: &Environment,
) -> Result<std::path::PathBuf, RepairError> {
    let source = image::open_source(reference, &environment.registry)?;
    let set = image::load(&*source, None)?;
    let (path, target) = match (form, &set.root) {
        (ExportForm::Layout, _) => {
            let dir = folder.join("image");
            (dir.clone(), Reference::OciLayout { dir, tag: Some("image".to_owned()) })
        }
        (ExportForm::Archive, Document::Manifest(_)) => {
            let file = folder.join("image.tar");
            let name = Some("image:scanned".to_owned());
            (file.clone(), Reference::DockerArchive { file, reference: name })
        }
        (ExportForm::Archive, Document::Index(_)) => {
            let file = folder.join("image.tar");
            (file.clone(), Reference::OciArchive { file, tag: Some("image".to_owned()) })
        }
    };
    copy_noting(&*source, &set, &target, environment, &environment.edge.unfinished.aside())?;
    Ok(path)
}
