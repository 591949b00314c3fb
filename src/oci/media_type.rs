//! Media types of manifests, configs and layers, in both families: OCI
//! (<https://github.com/opencontainers/image-spec/blob/main/media-types.md>) and Docker schema 2
//! (<https://distribution.github.io/distribution/spec/manifest-v2-2/>).
//!
//! In comes a media type or a compression; out comes how a layer is stored, or what it is called.

use imgfix_vfs::Compression;

/// A manifest of one image.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// A list of manifests.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// An image's config.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// A layer that is not compressed.
pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// A layer compressed with gzip.
pub const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// A layer compressed with zstd.
pub const OCI_LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
/// Schema 2: a manifest of one image.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Schema 2: a list of manifests.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Schema 2: an image's config.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// Schema 2: a layer that is not compressed.
pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
/// Schema 2: a layer compressed with gzip.
pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// A layer compressed with zstd: not in Docker's specification, but written by BuildKit and
/// containers/image.
pub const DOCKER_LAYER_ZSTD: &str = "application/vnd.docker.image.rootfs.diff.tar.zstd";

/// What a registry is asked for: everything that can be repaired.
pub const MANIFESTS: [&str; 4] = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST];

/// The family of media types a manifest is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The OCI image specification.
    Oci,
    /// Docker's schema 2.
    Docker,
}

/// How a layer of this media type is stored; `None` for any other type.
#[must_use]
pub fn compression_of(media_type: &str) -> Option<Compression> {
    match media_type {
        OCI_LAYER | DOCKER_LAYER => Some(Compression::None),
        OCI_LAYER_GZIP | DOCKER_LAYER_GZIP => Some(Compression::Gzip),
        OCI_LAYER_ZSTD | DOCKER_LAYER_ZSTD => Some(Compression::Zstd),
        _ => None,
    }
}

/// The media type of a layer stored so in an image of `format`. Docker's schema 2 knows no
/// zstd, so there is none: the caller says so, rather than turning the image into another
/// format than the one it was pulled in.
#[must_use]
pub fn layer_media_type(compression: Compression, format: Format) -> Option<&'static str> {
    match (format, compression) {
        (Format::Oci, Compression::None) => Some(OCI_LAYER),
        (Format::Oci, Compression::Gzip) => Some(OCI_LAYER_GZIP),
        (Format::Oci, Compression::Zstd) => Some(OCI_LAYER_ZSTD),
        (Format::Docker, Compression::None) => Some(DOCKER_LAYER),
        (Format::Docker, Compression::Gzip) => Some(DOCKER_LAYER_GZIP),
        (Format::Docker, Compression::Zstd) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_has_no_zstd_layers() {
        assert_eq!(layer_media_type(Compression::Zstd, Format::Docker), None);
        for format in [Format::Oci, Format::Docker] {
            for compression in [Compression::None, Compression::Gzip] {
                let media_type = layer_media_type(compression, format).expect("media type");
                assert_eq!(compression_of(media_type), Some(compression));
            }
        }
    }
}
