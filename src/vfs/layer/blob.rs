//! [`BlobWriter`]: a tar stream on its way to a layer's blob.
//!
//! In comes the uncompressed stream as it is written; out go the blob's bytes, and at the end
//! both digests and both sizes. The same stream gives the same blob on every machine.

use std::io::{self, BufWriter, Write};

use sha2::{Digest as _, Sha256};

use imgfix_host::parallel::processors;

use super::compressor::{Compressor, LevelError, level};
use crate::Compression;
use imgfix_model::digest::{DiffId, Digest};

/// Bytes gathered before the output is written.
const OUTPUT_BUFFER: usize = 128 * 1024;

/// A blob that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenBlob {
    /// Of the blob.
    pub digest: Digest,
    /// Of the tar stream.
    pub diff_id: DiffId,
    /// Bytes of the blob.
    pub size: u64,
    /// Bytes of the tar stream.
    pub unpacked: u64,
}

/// Compresses and hashes what is written to it.
pub struct BlobWriter<W: Write>(Hashed<Compressor<Hashed<BufWriter<W>>>>);

/// Why a [`BlobWriter`] cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The compression has no such level.
    #[error(transparent)]
    Level(#[from] LevelError),
    /// A thread cannot be started, or the output fails.
    #[error(transparent)]
    Output(#[from] io::Error),
}

impl<W: Write> BlobWriter<W> {
    /// `level`: as [`LayerOptions::level`](super::LayerOptions::level). gzip uses all processors.
    ///
    /// # Errors
    /// A level that the compression does not have; a thread cannot be started.
    pub fn new(out: W, compression: Compression, asked: Option<u32>) -> Result<Self, BlobError> {
        let level = level(compression, asked)?;
        Ok(Self::with_level(out, compression, level, processors())?)
    }

    pub(super) fn with_level(
        out: W,
        compression: Compression,
        level: u32,
        threads: usize,
    ) -> io::Result<Self> {
        let blob = Hashed::new(BufWriter::with_capacity(OUTPUT_BUFFER, out));
        Ok(Self(Hashed::new(Compressor::new(blob, compression, level, threads)?)))
    }

    /// Writes the end of the blob.
    ///
    /// # Errors
    /// Those of the output.
    pub fn finish(self) -> io::Result<WrittenBlob> {
        let (compressor, diff_id, unpacked) = self.0.finish();
        let (mut out, digest, size) = compressor.finish()?.finish();
        out.flush()?;
        Ok(WrittenBlob { digest, diff_id: DiffId(diff_id), size, unpacked })
    }
}

impl<W: Write> Write for BlobWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Hashes and counts what passes.
struct Hashed<W> {
    inner: W,
    hash: Sha256,
    count: u64,
}

impl<W: Write> Hashed<W> {
    fn new(inner: W) -> Self {
        Self { inner, hash: Sha256::new(), count: 0 }
    }

    fn finish(self) -> (W, Digest, u64) {
        (self.inner, Digest::from_sha256(self.hash.finalize().into()), self.count)
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        self.count += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
