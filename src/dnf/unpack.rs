//! Metadata files unpacked as streams: gzip, xz, zstd, bzip2, zchunk, or as they are.
//!
//! In come a file and its name; out comes a stream. The name's ending says the compression, as
//! it does for dnf.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use super::zchunk::Zchunk;
use imgfix_vfs::compression;

const BUFFER: usize = 1 << 17;

/// Whether the file can be unpacked, by its name.
#[must_use]
pub fn is_readable(name: &str) -> bool {
    let ending = Path::new(name).extension().and_then(|ending| ending.to_str());
    matches!(ending, Some("gz" | "xz" | "zst" | "bz2" | "zck" | "xml" | "yaml"))
}

/// The unpacked content of a file that is called `name` where it is served.
///
/// # Errors
/// The file cannot be opened, or the decoder not be made.
pub fn open(path: &Path, name: &str) -> io::Result<Box<dyn BufRead>> {
    let file = BufReader::with_capacity(BUFFER, File::open(path)?);
    let ending = Path::new(name).extension().and_then(|ending| ending.to_str());
    Ok(match ending {
        Some("gz") => buffered(flate2::bufread::MultiGzDecoder::new(file)),
        Some("xz") => buffered(compression::xz(file)?),
        Some("zst") => buffered(compression::zstd(file)?),
        Some("bz2") => buffered(bzip2::bufread::MultiBzDecoder::new(file)),
        Some("zck") => buffered(Zchunk::new(file)?),
        _ => Box::new(file),
    })
}

fn buffered(reader: impl io::Read + 'static) -> Box<dyn BufRead> {
    Box::new(BufReader::with_capacity(BUFFER, reader))
}
