//! [`Reference`]: names of images in the syntax of containers-transports(5), as skopeo takes
//! them.

use std::path::PathBuf;

/// Why text is not an image reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{input:?} is not an image reference: {why}")]
pub struct ReferenceError {
    pub input: String,
    pub why: String,
}

/// Where an image is and what it is called there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// `oci:DIR[:TAG]`: an OCI layout directory; the tag is the
    /// `org.opencontainers.image.ref.name` annotation.
    OciLayout { dir: PathBuf, tag: Option<String> },
    /// `oci-archive:FILE[:TAG]`: an OCI layout in a tar file.
    OciArchive { file: PathBuf, tag: Option<String> },
    /// `docker-archive:FILE[:REF]`: what `docker save` writes.
    DockerArchive { file: PathBuf, reference: Option<String> },
    /// `docker://HOST/REPO:TAG|@DIGEST`, or the same without the prefix.
    Registry(oci_client::Reference),
}
