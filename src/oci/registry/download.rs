//! Blobs that come: a stream that goes on where it was cut.
//!
//! A task pulls chunks from the network into a bounded channel; the reader takes them out. A
//! connection that is lost is opened again with a range request from the first missing byte;
//! a registry without ranges sends the blob again, and what was read already is skipped. The
//! reader compares the digest at the end ([`crate::verified`]), so that a registry
//! that continues with other bytes is found out.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use oci_spec::image::Descriptor;
use reqwest::{Response, StatusCode};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::connection::Connection;
use super::failure::{Access, Failure, Kind};
use crate::ImageError;
use imgfix_host::pace::{TooSlow, Transfer};

/// Chunks (of some kilobytes each) that may wait for the reader.
const CHUNKS: usize = 32;
/// Most continuations of one blob, even when each one brings some bytes.
const MAX_CUTS: u32 = 100;

/// Opens a blob; errors of the first answer are told here, later ones by the reader.
pub(super) fn open(
    connection: &Arc<Connection>,
    runtime: &Arc<Runtime>,
    descriptor: &Descriptor,
) -> Result<BlobStream, ImageError> {
    let digest = descriptor.digest().to_string();
    let first = runtime.block_on(connection.attempt(Access::Read, |grant| {
        let digest = digest.as_str();
        async move { connection.pace.limit(connection.get_blob(&grant, digest, 0)).await? }
    }))?;
    let (sender, receiver) = mpsc::channel(CHUNKS);
    let transfer = connection.pace.transfer();
    let (connection, size) = (Arc::clone(connection), descriptor.size());
    let pump = Pump { connection, digest, size, at: 0, transfer, sender };
    runtime.spawn(pump.run(first));
    Ok(BlobStream { receiver, chunk: Bytes::new(), _runtime: Arc::clone(runtime) })
}

/// The reader's end.
pub(super) struct BlobStream {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    chunk: Bytes,
    /// Drives the other end.
    _runtime: Arc<Runtime>,
}

impl Read for BlobStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match self.receiver.blocking_recv() {
                Some(chunk) => self.chunk = chunk?,
                None => return Ok(0),
            }
        }
        let read = self.chunk.len().min(buffer.len());
        let chunk = self.chunk.split_to(read);
        let (start, _) = buffer.split_at_mut(read);
        start.copy_from_slice(&chunk);
        Ok(read)
    }
}

struct Pump {
    connection: Arc<Connection>,
    digest: String,
    size: u64,
    /// Bytes that were handed to the reader.
    at: u64,
    /// Over all answers.
    transfer: Transfer,
    sender: mpsc::Sender<io::Result<Bytes>>,
}

/// Why a stream ended.
enum End {
    /// All bytes are there, or more than all: the reader judges.
    Complete,
    /// The reader is gone.
    Unwanted,
    Cut(String),
    Slow(TooSlow),
}

impl Pump {
    async fn run(mut self, first: Response) {
        let mut stream = Some((first, 0));
        let (mut cuts, mut in_vain) = (0_u32, 0_u32);
        loop {
            let before = self.at;
            let why = match stream.take() {
                Some((stream, skip)) => match self.forward(stream, skip).await {
                    End::Complete | End::Unwanted => return,
                    End::Cut(why) => Kind::Connection(why).into(),
                    End::Slow(slow) => slow.into(),
                },
                None => match self.reopen().await {
                    Ok(reopened) => {
                        stream = Some(reopened);
                        continue;
                    }
                    Err(failure) => failure,
                },
            };
            in_vain = if self.at > before { 0 } else { in_vain + 1 };
            cuts += 1;
            let wait = why.wait(&self.connection.retry, in_vain).filter(|_| cuts <= MAX_CUTS);
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => {
                    let error = self.connection.explain(why, Access::Read, cuts);
                    let why = format!(
                        "blob {} after {} of {} bytes: {error}",
                        self.digest, self.at, self.size
                    );
                    let _ = self.sender.send(Err(io::Error::other(why))).await;
                    return;
                }
            }
        }
    }

    /// Hands chunks to the reader, without the first `skip` bytes.
    async fn forward(&mut self, mut response: Response, mut skip: u64) -> End {
        loop {
            let next = match self.transfer.wait(response.chunk()).await {
                Ok(next) => next,
                Err(slow) => return End::Slow(slow),
            };
            let mut chunk = match next {
                Ok(Some(chunk)) => chunk,
                Err(_) | Ok(None) if self.at >= self.size => return End::Complete,
                Err(_) => return End::Cut("the connection was lost".into()),
                Ok(None) => return End::Cut("the blob ended too early".into()),
            };
            self.transfer.came(chunk.len());
            let skipped = usize::try_from(skip).unwrap_or(usize::MAX).min(chunk.len());
            let _ = chunk.split_to(skipped);
            skip = skip.saturating_sub(skipped as u64);
            if chunk.is_empty() {
                continue;
            }
            self.at = self.at.saturating_add(chunk.len() as u64);
            if self.sender.send(Ok(chunk)).await.is_err() {
                return End::Unwanted;
            }
            // one byte more than announced is enough for the reader to refuse
            if self.at > self.size {
                return End::Complete;
            }
        }
    }

    /// The rest of the blob, and how many of its first bytes were read before.
    async fn reopen(&mut self) -> Result<(Response, u64), Failure> {
        let grant = self.connection.grant(Access::Read).await?;
        let asked = self.connection.get_blob(&grant, &self.digest, self.at);
        let response = self.transfer.wait(asked).await??;
        let skip = if response.status() == StatusCode::PARTIAL_CONTENT { 0 } else { self.at };
        Ok((response, skip))
    }
}
