//! Blobs that go: begun with one request, then mounted from another repository or sent as one
//! stream, from content that is read in its own thread
//! (<https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-blobs>).
//!
//! What was begun and does not end well is cancelled, so that the registry keeps no part of
//! it: after a failure, and when the run is interrupted.

use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use oci_client::Reference as Name;
use oci_spec::image::Descriptor;
use reqwest::header;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use url::Url;

use super::connection::{Connection, failure_of, with_grant};
use super::failure::{Failure, Kind, Unencrypted};
use super::login::Grant;
use crate::transport::BlobReader;
use crate::verified::{Verified, read_error};
use crate::{ImageError, digest_of};
use imgfix_host::unfinished::{Pending, Unfinished};
use imgfix_model::digest::Digest;

/// Bytes of a chunk.
const CHUNK: usize = 256 << 10;
/// Chunks that may wait for the network.
const CHUNKS: usize = 8;
/// How long a registry may take to cancel an upload: the user waits.
const CANCELLING: Duration = Duration::from_secs(2);

/// What a registry answers to a blob that is announced.
pub(super) enum Begun {
    /// It took the blob from the other repository.
    Mounted,
    /// It waits for the bytes.
    Waiting(Upload),
}

/// An upload that was begun.
pub(super) struct Upload {
    connection: Arc<Connection>,
    grant: Grant,
    location: Url,
    /// Cancels it when the run is interrupted.
    pending: Pending,
}

/// Announces a blob; with `mount`, one that another repository of the registry has.
pub(super) async fn begin(
    connection: &Arc<Connection>,
    grant: Grant,
    mount: Option<(&Digest, &Name)>,
    unfinished: &Unfinished,
) -> Result<Begun, Failure> {
    let mut url = connection.url("blobs/uploads/").map_err(Failure::protocol)?;
    if let Some((digest, from)) = mount {
        let digest = digest.to_string();
        url.query_pairs_mut().append_pair("mount", &digest).append_pair("from", from.repository());
    }
    let request = connection.http.post(url.clone()).header(header::CONTENT_LENGTH, 0);
    let response = connection.pace.limit(with_grant(request, &grant).send()).await??;
    match response.status().as_u16() {
        201 if mount.is_some() => return Ok(Begun::Mounted),
        202 => {}
        _ => return Err(failure_of(response).await),
    }
    let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    let location = location
        .and_then(|location| url.join(location).ok())
        .ok_or_else(|| Failure::protocol("it did not say where to upload to"))?;
    let encrypted = url.scheme() == "https";
    if let Some(found) = Unencrypted::of(encrypted, &location, "uploads") {
        return Err(Kind::Unencrypted(found).into());
    }
    // a login is for the registry alone
    let grant = if location.origin() == url.origin() { grant } else { Grant::Open };
    let connection = Arc::clone(connection);
    let cancelled = cancel(Arc::clone(&connection), grant.clone(), location.clone());
    let runtime = Handle::current();
    let undo = move || {
        runtime.block_on(cancelled);
    };
    let pending = unfinished.remember(Box::new(undo));
    Ok(Begun::Waiting(Upload { connection, grant, location, pending }))
}

/// Best effort. docker-registry refuses it once a part of the bytes has come (the address names
/// an offset that only a finished request tells); it purges such uploads after a week.
async fn cancel(connection: Arc<Connection>, grant: Grant, location: Url) {
    let request = with_grant(connection.http.delete(location), &grant).send();
    let _ = tokio::time::timeout(CANCELLING, request).await;
}

impl Upload {
    /// Sends the blob in one attempt, and cancels the upload when that fails.
    pub(super) async fn send(
        self,
        descriptor: &Descriptor,
        content: BlobReader,
    ) -> Result<(), Failure> {
        let sent = self.put(descriptor, content).await;
        if sent.is_err() {
            self.cancel().await;
        }
        sent
    }

    /// Tells the registry that nothing will come.
    pub(super) async fn cancel(self) {
        let Self { connection, grant, location, pending } = self;
        cancel(connection, grant, location).await;
        drop(pending);
    }

    async fn put(&self, descriptor: &Descriptor, content: BlobReader) -> Result<(), Failure> {
        let place = &self.connection.place;
        let digest = digest_of(descriptor, place).map_err(Kind::Content)?;
        let size = descriptor.size();
        let content = Verified::new(content, digest, size, format!("{place}: blob {digest}"));
        let (body, trouble) = streamed(content, place);
        let mut url = self.location.clone();
        url.query_pairs_mut().append_pair("digest", &digest.to_string());
        let request = self
            .connection
            .sending
            .put(url)
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(header::CONTENT_LENGTH, size)
            .body(body);
        let limit = self.connection.pace.allowed(size);
        let answer = tokio::time::timeout(limit, with_grant(request, &self.grant).send()).await;
        if let Some(error) = trouble.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(Kind::Content(error).into());
        }
        let Ok(answer) = answer else {
            return Err(Kind::Connection("it takes the blob too slowly".into()).into());
        };
        let response = answer?;
        match response.status().as_u16() {
            // the specification wants 201; some registries say otherwise
            200..=204 => Ok(()),
            _ => Err(failure_of(response).await),
        }
    }
}

/// `content` as the body of a request, read in a thread of its own; and what that thread
/// stumbles over, since the request only sees that its body ended.
fn streamed(
    content: impl Read + Send + 'static,
    place: &str,
) -> (reqwest::Body, Arc<Mutex<Option<ImageError>>>) {
    let (sender, receiver) = mpsc::channel(CHUNKS);
    let trouble = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&trouble);
    let place = place.to_owned();
    tokio::task::spawn_blocking(move || {
        if let Err(error) = feed(content, &sender) {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            *seen = Some(read_error(&place, error));
            let _ = sender.blocking_send(Err(std::io::Error::other("it cannot be read")));
        }
    });
    let body = stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|chunk| (chunk, receiver))
    });
    (reqwest::Body::wrap_stream(body), trouble)
}

/// Reads `content` into the channel until it ends or nobody listens.
fn feed(
    mut content: impl Read,
    sender: &mpsc::Sender<std::io::Result<Bytes>>,
) -> std::io::Result<()> {
    loop {
        let mut chunk = Vec::with_capacity(CHUNK);
        let read = content.by_ref().take(CHUNK as u64).read_to_end(&mut chunk)?;
        if read == 0 || sender.blocking_send(Ok(chunk.into())).is_err() {
            return Ok(());
        }
    }
}
