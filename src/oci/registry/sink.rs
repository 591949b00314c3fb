//! A repository that is written to.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use oci_client::Reference as Name;
use oci_spec::image::Descriptor;
use tokio::runtime::Runtime;

use super::RegistryOptions;
use super::connection::{Connection, runtime};
use super::failure::{Access, Kind};
use super::upload::{Begun, begin};
use crate::transport::{OpenBlob, RawManifest, Sink, Source};
use crate::{ImageError, Reference, digest_of};
use imgfix_host::unfinished::{Published, Unfinished};
use imgfix_model::digest::Digest;

/// How long a registry that failed is asked what became of the tag.
const ASKING: Duration = Duration::from_secs(10);

/// A tag of a registry.
pub struct RegistrySink {
    // dropped before the runtime
    connection: Arc<Connection>,
    runtime: Arc<Runtime>,
    tag: String,
    unfinished: Unfinished,
}

impl RegistrySink {
    /// Connects to the registry of `name`, whose tag will be written.
    ///
    /// # Errors
    /// There is no tag, or a digest; the credentials or certificates that were named cannot be
    /// read.
    pub fn open(
        name: &Name,
        options: &RegistryOptions,
        unfinished: &Unfinished,
    ) -> Result<Self, ImageError> {
        let place = Reference::Registry(name.clone()).to_string();
        let (Some(tag), None) = (name.tag(), name.digest()) else {
            let why = "an image is published under a tag, not a digest; name one with -o";
            return Err(ImageError::invalid(place, why));
        };
        let tag = tag.to_owned();
        let runtime = runtime(options)?;
        let connection = Arc::new(runtime.block_on(Connection::open(name, place, options))?);
        Ok(Self { connection, runtime, tag, unfinished: unfinished.clone() })
    }

    /// Whether the tag names the manifest now, as the registry says.
    fn now(&self, manifest: &RawManifest, place: String) -> Published {
        let ask = self.connection.get_manifest(&self.tag);
        let asked = self.runtime.block_on(async { tokio::time::timeout(ASKING, ask).await });
        match asked {
            Ok(Ok(now)) if Digest::of(&now.bytes) == manifest.digest => Published::Tag(place),
            Ok(Ok(_) | Err(ImageError::NotFound { .. })) => Published::Nothing,
            Ok(Err(_)) | Err(_) => Published::Perhaps(place),
        }
    }

    /// Whether the registry took the blob from its repository `from`. Any refusal means that
    /// the bytes are sent; what is really wrong shows then.
    fn mount(&self, digest: &Digest, from: &Name) -> bool {
        let connection = &self.connection;
        self.runtime.block_on(async {
            connection.grant_mount_from(from.repository()).await;
            let Ok(grant) = connection.grant(Access::Write).await else { return false };
            match begin(connection, grant, Some((digest, from)), &self.unfinished).await {
                Ok(Begun::Mounted) => true,
                Ok(Begun::Waiting(upload)) => {
                    upload.cancel().await;
                    false
                }
                Err(_) => false,
            }
        })
    }
}

impl Sink for RegistrySink {
    fn has_blob(&self, digest: &Digest) -> Result<bool, ImageError> {
        self.runtime.block_on(self.connection.has_blob(&digest.to_string()))
    }

    fn put_blob(&self, descriptor: &Descriptor, content: OpenBlob<'_>) -> Result<(), ImageError> {
        let connection = &self.connection;
        self.runtime.block_on(connection.attempt(Access::Write, |grant| async {
            // may itself wait for the network, on the threads that drive it
            let content = tokio::task::block_in_place(content).map_err(Kind::Content)?;
            match begin(connection, grant, None, &self.unfinished).await? {
                Begun::Mounted => Ok(()),
                Begun::Waiting(upload) => upload.send(descriptor, content).await,
            }
        }))
    }

    fn link_blob(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<bool, ImageError> {
        let Reference::Registry(from) = source.reference() else { return Ok(false) };
        let name = &self.connection.name;
        if from.resolve_registry() != name.resolve_registry() {
            return Ok(false);
        }
        let digest = digest_of(descriptor, &self.connection.place)?;
        if self.has_blob(&digest)? {
            return Ok(true);
        }
        Ok(from.repository() != name.repository() && self.mount(&digest, from))
    }

    fn put_manifest(&self, manifest: &RawManifest) -> Result<(), ImageError> {
        let digest = manifest.digest.to_string();
        let put = self.connection.put_manifest(&digest, &manifest.media_type, &manifest.bytes);
        self.runtime.block_on(put)
    }

    fn tag(&self, manifest: &RawManifest) -> Result<(), ImageError> {
        let place = self.connection.place.clone();
        self.unfinished.set_published(Published::Perhaps(place.clone()));
        let refused = AtomicBool::default();
        let RawManifest { media_type, bytes, .. } = manifest;
        let put = self.connection.put_noting(&self.tag, media_type, bytes, &refused);
        let done = self.runtime.block_on(put);
        self.unfinished.set_published(match done {
            Ok(()) => Published::Tag(place),
            Err(_) if refused.into_inner() => Published::Nothing,
            // An answer that was lost says nothing.
            Err(_) => self.now(manifest, place),
        });
        done
    }
}
