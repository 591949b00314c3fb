//! How a layer is compressed: recognised from its first bytes, compared with what its media
//! type says, and undone as a stream; and the decoders of zstd and xz, with what they may take,
//! for everything that is compressed.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

/// The largest zstd window accepted, as a power of two: 128 MiB, the most that the `zstd`
/// tool makes or reads without being asked for more (`--long`).
const MAX_ZSTD_WINDOW_LOG: u32 = 27;

/// What an xz stream may need to be unpacked, in bytes (`xz -9` needs 65 MiB). A stream says how
/// much, up to 4 GiB.
const XZ_MEMORY: u64 = 80 << 20;

const BUFFER: usize = 128 * 1024;

/// Undoes zstd.
///
/// # Errors
/// The decoder cannot be made (memory). Reading fails for a window that is too large.
pub fn zstd<R: BufRead>(source: R) -> io::Result<zstd::Decoder<'static, R>> {
    let mut decoder = zstd::Decoder::with_buffer(source)?;
    decoder.window_log_max(MAX_ZSTD_WINDOW_LOG)?;
    Ok(decoder)
}

/// Undoes xz.
///
/// # Errors
/// The decoder cannot be made (memory). Reading fails for a dictionary that is too large.
pub fn xz<R: BufRead>(source: R) -> io::Result<liblzma::bufread::XzDecoder<R>> {
    use liblzma::stream::{CONCATENATED, Stream};
    let stream = Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED)?;
    Ok(liblzma::bufread::XzDecoder::new_stream(source, stream))
}

/// The compression of a layer blob, and of what is packed as one. Packages and archives of images
/// may be xz, too, which no layer is: where they are told apart, xz stands beside this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// A plain tar stream.
    None,
    /// RFC 1952, one member or several.
    Gzip,
    /// RFC 8878, one frame or several.
    Zstd,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Compression::None => "uncompressed",
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        })
    }
}

impl Compression {
    /// What the first bytes of a stream say; whatever is not known is taken for plain tar.
    /// Zstd streams may start with a skippable frame (RFC 8878, 3.1.2).
    #[must_use]
    pub fn of(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
            _ => Compression::None,
        }
    }
}

/// A source whose first bytes have been looked at.
pub(super) struct Detected<R> {
    pub found: Compression,
    source: BufReader<R>,
}

/// Looks at the first bytes of `source`.
///
/// # Errors
/// The source fails.
pub(super) fn detect<R: Read>(source: R) -> io::Result<Detected<R>> {
    let mut source = BufReader::with_capacity(BUFFER, source);
    let found = Compression::of(source.fill_buf()?);
    Ok(Detected { found, source })
}

/// The uncompressed stream of a source. All members or frames to the end of the source are
/// read; anything else after them is an error, as it is for `gzip` and `zstd`.
pub(super) enum Decoder<R: Read> {
    Plain(BufReader<R>),
    Gzip(Box<MultiGzDecoder<BufReader<R>>>),
    Zstd(Box<zstd::Decoder<'static, BufReader<R>>>),
}

impl<R: Read> Detected<R> {
    /// Starts decompressing.
    ///
    /// # Errors
    /// The decompressor cannot be made (memory).
    pub fn decode(self) -> io::Result<Decoder<R>> {
        Ok(match self.found {
            Compression::None => Decoder::Plain(self.source),
            Compression::Gzip => Decoder::Gzip(Box::new(MultiGzDecoder::new(self.source))),
            Compression::Zstd => Decoder::Zstd(Box::new(zstd(self.source)?)),
        })
    }

    pub fn source_mut(&mut self) -> &mut R {
        self.source.get_mut()
    }
}

impl<R: Read> Decoder<R> {
    pub fn source_mut(&mut self) -> &mut R {
        match self {
            Decoder::Plain(source) => source.get_mut(),
            Decoder::Gzip(decoder) => decoder.get_mut().get_mut(),
            Decoder::Zstd(decoder) => decoder.get_mut().get_mut(),
        }
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Decoder::Plain(source) => source.read(buffer),
            Decoder::Gzip(decoder) => decoder.read(buffer),
            Decoder::Zstd(decoder) => decoder.read(buffer),
        }
    }
}

/// The uncompressed stream of a layer's blob, which ends when the whole blob was read: a source
/// that checks its digest at its end has done so.
pub struct Unpacked<R: Read> {
    decoder: Decoder<Source<R>>,
    found: Compression,
    is_at_end: bool,
}

impl<R: Read> Unpacked<R> {
    /// Looks at the first bytes of `blob`, which say how it is compressed.
    ///
    /// # Errors
    /// The blob cannot be read; the decompressor cannot be made (memory).
    pub fn new(blob: R) -> io::Result<Self> {
        let mut source = BufReader::with_capacity(BUFFER, Source::new(blob));
        let start = source.fill_buf().map(Compression::of);
        let found = start.map_err(|error| source.get_mut().take_error().unwrap_or(error))?;
        let decoder = Detected { found, source }.decode()?;
        Ok(Self { decoder, found, is_at_end: false })
    }

    /// How the blob is compressed.
    #[must_use]
    pub fn found(&self) -> Compression {
        self.found
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.decoder.read(buffer);
        let got = got.map_err(|error| self.decoder.source_mut().take_error().unwrap_or(error))?;
        if got == 0 && !buffer.is_empty() && !self.is_at_end {
            self.decoder.source_mut().finish()?;
            self.is_at_end = true;
        }
        Ok(got)
    }
}

/// Remembers why the source failed, so that its error is not taken for a decompressor's.
pub(super) struct Source<R> {
    inner: R,
    error: Option<io::Error>,
}

impl<R: Read> Source<R> {
    pub fn new(inner: R) -> Self {
        Self { inner, error: None }
    }

    /// The error that the source gave, if it gave one.
    pub fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }

    /// Reads what is left, so that a source that checks its digest at the end does so.
    /// Returns the source's error, an earlier one included.
    pub fn finish(&mut self) -> Result<(), io::Error> {
        if self.error.is_none() {
            // The error, if any, is kept in `self.error`.
            let _ = io::copy(self, &mut io::sink());
        }
        self.take_error().map_or(Ok(()), Err)
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(buffer) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                let kind = error.kind();
                self.error = Some(error);
                Err(kind.into())
            }
            other => other,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;

    use super::*;

    pub fn compress(plain: &[u8], with: Compression) -> Vec<u8> {
        match with {
            Compression::None => plain.to_vec(),
            Compression::Gzip => {
                let mut out =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
                out.write_all(plain).unwrap();
                out.finish().unwrap()
            }
            Compression::Zstd => zstd::encode_all(plain, 3).unwrap(),
        }
    }

    #[test]
    fn several_members_are_one_stream() {
        for with in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let mut blob = compress(b"one", with);
            blob.extend(compress(b"two", with));
            let found = detect(&blob[..]).unwrap();
            assert_eq!(found.found, with);
            let mut text = String::new();
            found.decode().unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "onetwo", "{with}");
        }
    }

    #[test]
    fn truncated_streams_are_errors() {
        for with in [Compression::Gzip, Compression::Zstd] {
            let blob = compress(b"some content that is long enough", with);
            let cut = &blob[..blob.len() - 3];
            let mut out = Vec::new();
            let read = detect(cut).unwrap().decode().unwrap().read_to_end(&mut out);
            assert!(read.is_err(), "{with}");
        }
    }

    #[test]
    fn a_zstd_window_over_the_bound_is_refused() {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(28).unwrap();
        encoder.write_all(&[0; 1000]).unwrap();
        let blob = encoder.finish().unwrap();
        let mut out = Vec::new();
        assert!(detect(&blob[..]).unwrap().decode().unwrap().read_to_end(&mut out).is_err());
    }

    #[test]
    fn the_sources_own_error_is_kept_apart() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("digest mismatch"))
            }
        }
        let start: &[u8] = &compress(b"x", Compression::Gzip)[..12];
        let mut decoder = detect(Source::new(start.chain(Failing))).unwrap().decode().unwrap();
        assert!(decoder.read_to_end(&mut Vec::new()).is_err());
        assert_eq!(decoder.source_mut().finish().unwrap_err().to_string(), "digest mismatch");
        let mut unpacked = Unpacked::new(start.chain(Failing)).unwrap();
        assert_eq!(unpacked.found(), Compression::Gzip);
        let error = unpacked.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "digest mismatch");
        let whole = compress(b"x", Compression::Zstd);
        let mut unpacked = Unpacked::new((&whole[..]).chain(Failing)).unwrap();
        assert!(unpacked.read_to_end(&mut Vec::new()).is_err(), "the source is read to its end");
        assert_eq!(Unpacked::new(Failing).err().unwrap().to_string(), "digest mismatch");
    }
}
