//! How payloads are compressed, and undone as a stream.

use std::io::{self, BufRead, BufReader, Read};

use imgfix_vfs::compression;

use super::ArchiveError;

/// What an lzma stream may need to be unpacked, in bytes, as for xz.
const LZMA_MEMORY: u64 = 80 << 20;

/// Undoes the compression that the header names. Without a name it is gzip, or nothing, as in
/// rpm, whose zlib reads what is no gzip as it is.
///
/// # Errors
/// A compression that is not known, or that cannot be begun.
pub(super) fn decompress<'a>(
    source: impl Read + 'a,
    name: Option<&str>,
) -> Result<Box<dyn Read + 'a>, ArchiveError> {
    let mut source = BufReader::with_capacity(64 << 10, source);
    let begun = |begun: io::Result<Box<dyn Read + 'a>>| begun.map_err(ArchiveError::Read);
    match name.unwrap_or("gzip") {
        "gzip" => {
            let is_gzip = source.fill_buf().map_err(ArchiveError::Read)?.starts_with(b"\x1f\x8b");
            Ok(match is_gzip {
                true => Box::new(flate2::bufread::MultiGzDecoder::new(source)),
                false => Box::new(source),
            })
        }
        "bzip2" => Ok(Box::new(bzip2::bufread::MultiBzDecoder::new(source))),
        "xz" => begun(compression::xz(source).map(|xz| Box::new(xz) as _)),
        "lzma" => begun(lzma(source)),
        "zstd" => begun(compression::zstd(source).map(|zstd| Box::new(zstd) as _)),
        "none" | "identity" => Ok(Box::new(source)),
        other => Err(ArchiveError::Compression(other.to_owned())),
    }
}

fn lzma<'a>(source: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let stream = liblzma::stream::Stream::new_lzma_decoder(LZMA_MEMORY)?;
    Ok(Box::new(liblzma::bufread::XzDecoder::new_stream(source, stream)))
}
