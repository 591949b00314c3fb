//! Deleting one tag of a repository
//! (<https://github.com/opencontainers/distribution-spec/blob/main/spec.md#deleting-tags>).
//!
//! The tag is deleted by its name. Registries that delete only by digest (those of the
//! distribution project before version 3 answer 400) would take all tags of the image away;
//! there the tag is first pointed at an empty index made for it, and that is deleted by its
//! digest: regclient does the same. Whether such a deletion is allowed is tried before the tag
//! is touched, and the tag is put back if it fails nevertheless. The original's digest is never
//! asked to be deleted.

use std::sync::Arc;

use bytes::Bytes;
use oci_client::Reference as Name;
use serde_json::json;

use super::RegistryOptions;
use super::connection::{Answer, Connection, Deletion, runtime};
use crate::media_type;
use crate::{ImageError, Reference};
use imgfix_model::digest::Digest;

/// Deletes the tag of `name` when it names `digest`, and asks whether it is gone.
///
/// # Errors
/// There is no tag; it names something else; the registry does not allow it or does not do it.
pub fn delete_tag(
    name: &Name,
    digest: &Digest,
    options: &RegistryOptions,
) -> Result<(), ImageError> {
    let place = Reference::Registry(name.clone()).to_string();
    let tag = name.tag().ok_or_else(|| ImageError::invalid(place.as_str(), "it has no tag"))?;
    let runtime = runtime(options)?;
    let connection = Connection::open(name, place.clone(), options);
    let connection = Arc::new(runtime.block_on(connection)?);
    runtime.block_on(async {
        let now = connection.get_manifest(tag).await?;
        if Digest::of(&now.bytes) != *digest {
            let why = format!("its tag does not name {digest} any more");
            return Err(ImageError::invalid(place.as_str(), why));
        }
        match connection.delete_manifest(tag).await? {
            Deletion::Done => {}
            Deletion::NotThis => delete_with_placeholder(&connection, tag, &now).await?,
        }
        match connection.get_manifest(tag).await {
            Err(ImageError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(refused(&connection, "answered that the tag is deleted, but has it")),
        }
    })
}

/// Deletes a tag where only digests can be deleted.
async fn delete_with_placeholder(
    connection: &Connection,
    tag: &str,
    original: &Answer,
) -> Result<(), ImageError> {
    let index = json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_INDEX,
        "manifests": [],
        // its own for each tag: its deletion must not take another's away
        "annotations": {"org.opencontainers.image.description": format!("deleted: {tag}")},
    });
    let bytes = Bytes::from(index.to_string());
    let digest = Digest::of(&bytes).to_string();
    connection.put_manifest(&digest, media_type::OCI_INDEX, &bytes).await?;
    delete_digest(connection, &digest).await?;
    connection.put_manifest(tag, media_type::OCI_INDEX, &bytes).await?;
    let deleted = delete_digest(connection, &digest).await;
    if deleted.is_err() {
        connection.put_manifest(tag, &original.media_type, &original.bytes).await?;
    }
    deleted
}

async fn delete_digest(connection: &Connection, digest: &str) -> Result<(), ImageError> {
    match connection.delete_manifest(digest).await? {
        Deletion::Done => Ok(()),
        Deletion::NotThis => Err(refused(connection, "deletes neither tags nor digests")),
    }
}

fn refused(connection: &Connection, what: &str) -> ImageError {
    let why = format!("{} {what}; delete it with its own tools", connection.name.registry());
    ImageError::Registry { place: connection.place.clone(), why }
}
