//! A repository that is read from.

use std::sync::{Arc, OnceLock};

use oci_client::Reference as Name;
use oci_spec::image::Descriptor;
use tokio::runtime::Runtime;

use super::connection::{Answer, Connection, runtime};
use super::{RegistryOptions, download};
use crate::transport::{BlobReader, RawManifest, Source};
use crate::verified::verified_blob;
use crate::{ImageError, Reference, digest_of};
use imgfix_model::digest::Digest;

/// An image of a registry.
pub struct RegistrySource {
    // dropped before the runtime
    connection: Arc<Connection>,
    runtime: Arc<Runtime>,
    reference: Reference,
    /// Read once: the tag may move while the image is repaired.
    root: OnceLock<RawManifest>,
}

impl RegistrySource {
    /// Connects to the registry of `name`.
    ///
    /// # Errors
    /// The credentials or certificates that were named cannot be read.
    pub fn open(name: &Name, options: &RegistryOptions) -> Result<Self, ImageError> {
        let reference = Reference::Registry(name.clone());
        let runtime = runtime(options)?;
        let connection = Connection::open(name, reference.to_string(), options);
        let connection = Arc::new(runtime.block_on(connection)?);
        Ok(Self { connection, runtime, reference, root: OnceLock::new() })
    }

    fn check(&self, answer: Answer, wanted: Option<Digest>) -> Result<RawManifest, ImageError> {
        let digest = Digest::of(&answer.bytes);
        // a registry's own idea of the digest, when it is of a kind we know
        let said = answer.digest.as_deref().and_then(|digest| digest.parse::<Digest>().ok());
        match wanted.or(said) {
            Some(wanted) if wanted != digest => Err(ImageError::invalid(
                format!("{}: manifest {wanted}", self.connection.place),
                format!(
                    "the registry sent one with the digest {digest}: it is damaged or was tampered with"
                ),
            )),
            _ => Ok(RawManifest { media_type: answer.media_type, digest, bytes: answer.bytes }),
        }
    }
}

impl Source for RegistrySource {
    fn reference(&self) -> &Reference {
        &self.reference
    }

    fn root(&self) -> Result<RawManifest, ImageError> {
        if let Some(root) = self.root.get() {
            return Ok(root.clone());
        }
        let name = &self.connection.name;
        let wanted = match name.digest() {
            Some(digest) => Some(digest.parse::<Digest>().map_err(|error| {
                ImageError::invalid(self.connection.place.as_str(), error.to_string())
            })?),
            None => None,
        };
        let reference = name.digest().or(name.tag()).unwrap_or("latest");
        let answer = self.runtime.block_on(self.connection.get_manifest(reference))?;
        let root = self.check(answer, wanted)?;
        Ok(self.root.get_or_init(|| root).clone())
    }

    fn manifest(&self, descriptor: &Descriptor) -> Result<RawManifest, ImageError> {
        let wanted = digest_of(descriptor, &self.connection.place)?;
        let request = self.connection.get_manifest(descriptor.digest().as_ref());
        let answer = self.runtime.block_on(request)?;
        let manifest = self.check(answer, Some(wanted))?;
        if manifest.bytes.len() as u64 != descriptor.size() {
            let why = format!(
                "it has {} bytes, but {} are announced",
                manifest.bytes.len(),
                descriptor.size()
            );
            let place = format!("{}: manifest {wanted}", self.connection.place);
            return Err(ImageError::invalid(place, why));
        }
        Ok(manifest)
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<BlobReader, ImageError> {
        digest_of(descriptor, &self.connection.place)?;
        let stream = download::open(&self.connection, &self.runtime, descriptor)?;
        verified_blob(stream, descriptor, &self.connection.place)
    }
}
