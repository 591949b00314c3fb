//! Streams that are what they say: [`Verified`] checks size and SHA-256 while it is read.
//!
//! Every blob of every transport is read through it, and every blob that is stored is copied
//! through [`copy_blob`]; nobody else compares digests of streams.

use std::io::{self, Read, Write};

use bytes::Bytes;
use oci_spec::image::Descriptor;
use sha2::{Digest as _, Sha256};

use super::digest_of;
use super::transport::{BlobReader, ImageError};
use imgfix_model::digest::Digest;

/// Bytes moved at once.
pub(super) const BUFFER: usize = 128 << 10;

/// A reader that fails as soon as there are more bytes than announced, and instead of handing
/// out the last bytes when the digest of all of them is another one.
pub struct Verified<R> {
    inner: R,
    hash: Option<Sha256>,
    size: u64,
    left: u64,
    digest: Digest,
    place: String,
}

impl<R: Read> Verified<R> {
    /// Checks that `inner` has `size` bytes whose SHA-256 is `digest`. `place` names the blob
    /// in errors.
    pub fn new(inner: R, digest: Digest, size: u64, place: String) -> Self {
        Self { inner, hash: Some(Sha256::new()), size, left: size, digest, place }
    }

    fn fail(&self, why: &str) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, format!("{}: {why}", self.place))
    }

    fn finish(&mut self) -> io::Result<()> {
        let Some(hash) = self.hash.take() else { return Ok(()) };
        let found = Digest::from_sha256(hash.finalize().into());
        if found == self.digest {
            return Ok(());
        }
        let why = format!("its content has the digest {found}: it is damaged or was tampered with");
        Err(self.fail(&why))
    }
}

impl<R: Read> Read for Verified<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.left == 0 {
            self.finish()?;
            return match self.inner.read(&mut [0])? {
                0 => Ok(0),
                _ => {
                    Err(self.fail(&format!("it is longer than the {} bytes announced", self.size)))
                }
            };
        }
        let want = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let (buffer, _) = buffer.split_at_mut(want);
        let read = self.inner.read(buffer)?;
        if read == 0 {
            let read = self.size.saturating_sub(self.left);
            let why = format!("it ends after {read} of the {} bytes announced", self.size);
            return Err(self.fail(&why));
        }
        if let (Some(hash), Some(bytes)) = (self.hash.as_mut(), buffer.get(..read)) {
            hash.update(bytes);
        }
        self.left = self.left.saturating_sub(read as u64);
        if self.left == 0 {
            self.finish()?;
        }
        Ok(read)
    }
}

/// `inner` as the blob that `descriptor` announces.
pub(super) fn verified_blob(
    inner: impl Read + Send + 'static,
    descriptor: &Descriptor,
    place: &str,
) -> Result<BlobReader, ImageError> {
    let digest = digest_of(descriptor, place)?;
    let place = format!("{place}: blob {digest}");
    Ok(Box::new(Verified::new(inner, digest, descriptor.size(), place)))
}

/// A whole small blob: a manifest or a config of at most `limit` bytes.
///
/// # Errors
/// It is larger, or the stream fails.
pub fn read_small(
    mut blob: impl Read,
    descriptor: &Descriptor,
    limit: u64,
    place: &str,
) -> Result<Bytes, ImageError> {
    if descriptor.size() > limit {
        let why = format!(
            "{} announces {} bytes, more than the {limit} allowed",
            descriptor.digest(),
            descriptor.size()
        );
        return Err(ImageError::invalid(place, why));
    }
    let mut bytes = Vec::new();
    blob.by_ref()
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| read_error(place, error))?;
    Ok(bytes.into())
}

/// Copies the blob that `descriptor` announces from `content` into `to`, checking it.
/// `place` names the destination.
pub(super) fn copy_blob(
    content: BlobReader,
    descriptor: &Descriptor,
    to: &mut dyn Write,
    place: &str,
) -> Result<(), ImageError> {
    let digest = digest_of(descriptor, place)?;
    let blob = format!("{place}: blob {digest}");
    let mut content = Verified::new(content, digest, descriptor.size(), blob);
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = match content.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(read_error(place, error)),
        };
        let bytes = buffer.get(..read).unwrap_or_default();
        to.write_all(bytes).map_err(|error| write_error(place, error))?;
    }
}

/// An error of a stream. Those of [`Verified`] and of the registry name their place already.
pub(super) fn read_error(place: &str, error: io::Error) -> ImageError {
    let inner = error.get_ref().map(ToString::to_string);
    match (error.kind(), inner) {
        (io::ErrorKind::InvalidData, Some(message)) => match message.split_once(": ") {
            Some((place, why)) if !place.is_empty() => ImageError::invalid(place, why),
            _ => ImageError::invalid(place, message),
        },
        _ => ImageError::io(place, error),
    }
}

/// An error of the destination, with the way out.
pub(super) fn write_error(place: &str, error: io::Error) -> ImageError {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    let way_out = match error.kind() {
        PermissionDenied | ReadOnlyFilesystem => "write elsewhere with -o, or make it writable",
        StorageFull | QuotaExceeded => "free some space, or write elsewhere with -o",
        _ => return ImageError::io(place, error),
    };
    let error = io::Error::new(error.kind(), format!("cannot be written: {error}; {way_out}"));
    ImageError::io(place, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &[u8], of: &[u8], size: u64) -> io::Result<Vec<u8>> {
        let mut reader = Verified::new(content, Digest::of(of), size, "app: blob".into());
        let mut out = Vec::new();
        reader.read_to_end(&mut out).map(|_| out)
    }

    #[test]
    fn the_right_bytes_pass() {
        assert_eq!(read(b"abc", b"abc", 3).expect("abc"), b"abc");
        assert_eq!(read(b"", b"", 0).expect("empty"), b"");
    }

    #[test]
    fn other_bytes_fewer_bytes_and_more_bytes_fail() {
        let table: [(&[u8], &[u8], u64, &str); 5] = [
            (b"abd", b"abc", 3, "tampered"),
            (b"ab", b"abc", 3, "ends after 2 of the 3 bytes"),
            (b"abcd", b"abc", 3, "longer than the 3"),
            (b"", b"abc", 0, "tampered"),
            (b"x", b"", 0, "longer than the 0"),
        ];
        for (content, of, size, why) in table {
            let error = read(content, of, size).expect_err(why).to_string();
            assert!(error.contains(why) && error.contains("app: blob"), "{error}");
        }
    }

    #[test]
    fn a_reader_of_exactly_the_size_gets_no_wrong_last_byte() {
        let mut reader = Verified::new(&b"abd"[..], Digest::of(b"abc"), 3, "x".into());
        assert!(reader.read_exact(&mut [0; 3]).is_err());
    }
}
