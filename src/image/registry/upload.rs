//! Blobs that go: one streamed request each, from content that is read in its own thread.

use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use oci_client::errors::OciDistributionError;
use oci_spec::image::Descriptor;
use tokio::sync::mpsc;

use super::connection::Connection;
use super::failure::{Failure, Kind};
use crate::image::transport::BlobReader;
use crate::image::verified::{Verified, read_error};
use crate::image::{ImageError, digest_of};

/// Bytes of a chunk.
const CHUNK: usize = 256 << 10;
/// Chunks that may wait for the network.
const CHUNKS: usize = 8;
/// What is granted to every upload, and the slowest that is waited for, in bytes a second.
const GRACE: Duration = Duration::from_secs(300);
const SLOWEST: u64 = 32 << 10;

/// Sends a blob in one attempt.
pub(super) async fn send(
    connection: &Connection,
    descriptor: &Descriptor,
    content: BlobReader,
) -> Result<(), Failure> {
    let digest = digest_of(descriptor, &connection.place).map_err(Kind::Content)?;
    let size = descriptor.size();
    let blob = format!("{}: blob {digest}", connection.place);
    let content = Verified::new(content, digest, size, blob);
    let (sender, receiver) = mpsc::channel(CHUNKS);
    // what the reading thread stumbled over: the request only sees that its body ended
    let trouble = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&trouble);
    let place = connection.place.clone();
    tokio::task::spawn_blocking(move || {
        if let Err(error) = feed(content, &sender) {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            *seen = Some(read_error(&place, error));
            let cut = std::io::Error::other("the content cannot be read");
            let _ = sender.blocking_send(Err(OciDistributionError::IoError(cut)));
        }
    });
    let body = stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|chunk| (chunk, receiver))
    });
    let digest = digest.to_string();
    let request = connection.upload.push_blob_stream(&connection.name, body, &digest, Some(size));
    let limit = GRACE + Duration::from_secs(size / SLOWEST);
    let result = tokio::time::timeout(limit, request).await;
    let trouble: Option<ImageError> = trouble.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (trouble, result) {
        (Some(error), _) => Err(Kind::Content(error).into()),
        (None, Ok(Ok(_))) => Ok(()),
        (None, Ok(Err(error))) => Err(error.into()),
        (None, Err(_)) => Err(Kind::Connection("it takes the blob too slowly".into()).into()),
    }
}

/// Reads `content` into the channel until it ends or nobody listens.
fn feed(
    mut content: impl Read,
    sender: &mpsc::Sender<Result<Bytes, OciDistributionError>>,
) -> std::io::Result<()> {
    loop {
        let mut chunk = Vec::with_capacity(CHUNK);
        let read = content.by_ref().take(CHUNK as u64).read_to_end(&mut chunk)?;
        if read == 0 || sender.blocking_send(Ok(chunk.into())).is_err() {
            return Ok(());
        }
    }
}
