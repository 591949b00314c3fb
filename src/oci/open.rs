//! From a [`Reference`] to the transport that serves it.

use std::sync::Arc;

use super::Reference;
use super::archive::{DockerArchiveSource, open_oci};
use super::archive_sink::{ArchiveSink, several_platforms};
use super::layout::{LayoutSink, LayoutSource};
use super::manifest::Document;
use super::media_type::Format;
use super::platforms::ImageSet;
use super::registry::{RegistryOptions, RegistrySink, RegistrySource};
use super::transport::{ImageError, Sink, Source};
use imgfix_host::unfinished::Unfinished;

/// Opens an image for reading.
///
/// # Errors
/// There is no such image, or it cannot be read.
pub fn open_source(
    reference: &Reference,
    options: &RegistryOptions,
) -> Result<Arc<dyn Source>, ImageError> {
    Ok(match reference {
        Reference::OciLayout { dir, tag } => Arc::new(LayoutSource::open(dir, tag.as_deref())?),
        Reference::OciArchive { file, tag } => {
            Arc::new(open_oci(file, tag.as_deref(), &options.limits)?)
        }
        Reference::DockerArchive { file, reference } => {
            let name = reference.as_deref();
            Arc::new(DockerArchiveSource::open(file, name, &options.limits)?)
        }
        Reference::Registry(name) => Arc::new(RegistrySource::open(name, options)?),
    })
}

/// Opens a place for writing. Nothing shows under the name before [`Sink::tag`]; what is
/// written before that is noted in `unfinished`. `original` is the whole name that the image's
/// original has in its layout or archive ([`Source::image_name`]).
///
/// # Errors
/// The place cannot be written.
pub fn open_sink(
    reference: &Reference,
    original: Option<&str>,
    options: &RegistryOptions,
    unfinished: &Unfinished,
) -> Result<Box<dyn Sink>, ImageError> {
    Ok(match reference {
        Reference::OciLayout { dir, tag } => {
            Box::new(LayoutSink::open_for(dir, tag.as_deref(), original, unfinished)?)
        }
        Reference::OciArchive { file, tag } => {
            Box::new(ArchiveSink::oci(file, tag.as_deref(), original, unfinished)?)
        }
        Reference::DockerArchive { file, reference } => {
            Box::new(ArchiveSink::docker(file, reference.as_deref(), unfinished)?)
        }
        Reference::Registry(name) => Box::new(RegistrySink::open(name, options, unfinished)?),
    })
}

/// Whether `output` can hold `set`, read from `source`, at all; asked before the work is done.
///
/// # Errors
/// An index for a docker-archive; a Docker schema 2 image for an OCI layout, whose other
/// readers would not find it.
pub fn check_output(
    output: &Reference,
    source: &Reference,
    set: &ImageSet,
) -> Result<(), ImageError> {
    let is_layout = |reference: &Reference| {
        matches!(reference, Reference::OciLayout { .. } | Reference::OciArchive { .. })
    };
    let docker = set.images.iter().any(|image| image.manifest.format() == Format::Docker);
    match (output, &set.root) {
        (Reference::DockerArchive { .. }, Document::Index(_)) => {
            Err(several_platforms(&output.to_string()))
        }
        _ if docker && is_layout(output) && !is_layout(source) => Err(ImageError::invalid(
            output.to_string(),
            "an OCI layout holds OCI images, and this is a Docker schema 2 image; write \
             docker-archive:FILE or to a registry with -o, or convert it first: 'skopeo copy \
             --format oci SOURCE DESTINATION'",
        )),
        _ => Ok(()),
    }
}
