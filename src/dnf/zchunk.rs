//! zchunk: a file in chunks that are compressed one by one, as some repositories have their
//! metadata.
//!
//! In comes a stream of such a file; out comes its content, chunk by chunk, each held against its
//! checksum. Memory is bounded by the largest chunk. Only whole files are read: what a client may
//! already have of one is not asked for. Source: zchunk, `zchunk_format.txt`.

use std::io::{self, Read};

use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

/// What every file begins with.
const MAGIC: &[u8; 5] = b"\0ZCK1";
/// The most bytes of preface, index and signatures. A chunk's entry has fewer than 60.
const MAX_HEADER: u64 = 64 << 20;
/// The most bytes of a chunk, packed or not. Real ones have some kilobytes.
const MAX_CHUNK: u64 = 64 << 20;

/// Bits of the preface's flags.
const HAS_STREAMS: u64 = 1;
const HAS_OPTIONAL_ELEMENTS: u64 = 2;
const HAS_UNPACKED_CHECKSUMS: u64 = 4;

/// A kind of checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Checksum {
    Sha1,
    Sha256,
    Sha512,
    /// The first 16 bytes of SHA-512.
    Sha512Half,
}

impl Checksum {
    fn of_number(number: u64) -> io::Result<Self> {
        Ok(match number {
            0 => Self::Sha1,
            1 => Self::Sha256,
            2 => Self::Sha512,
            3 => Self::Sha512Half,
            _ => return Err(wrong("a kind of checksum that is not known")),
        })
    }

    const fn length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
            Self::Sha512Half => 16,
        }
    }

    fn of(self, parts: &[&[u8]]) -> Vec<u8> {
        fn all<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
            let mut digest = D::new();
            parts.iter().for_each(|part| digest.update(part));
            digest.finalize().to_vec()
        }
        let mut sum = match self {
            Self::Sha1 => all::<Sha1>(parts),
            Self::Sha256 => all::<Sha256>(parts),
            Self::Sha512 | Self::Sha512Half => all::<Sha512>(parts),
        };
        sum.truncate(self.length());
        sum
    }
}

/// A chunk, as the index has it.
#[derive(Debug)]
struct Chunk {
    /// Of the packed bytes.
    checksum: Vec<u8>,
    packed: usize,
    unpacked: usize,
}

/// How chunks are packed.
enum Packing {
    Not,
    Zstd(Box<zstd::bulk::Decompressor<'static>>),
}

/// The content of a zchunk file, as a stream.
pub struct Zchunk<R> {
    source: R,
    checksum: Checksum,
    packing: Packing,
    /// Those that are still to come.
    chunks: std::vec::IntoIter<Chunk>,
    content: Vec<u8>,
    at: usize,
}

impl<R: Read> Zchunk<R> {
    /// Reads the header and the dictionary.
    ///
    /// # Errors
    /// The source fails; it is not zchunk, or not as its checksums say; it is larger than bounds
    /// allow.
    pub fn new(mut source: R) -> io::Result<Self> {
        let mut lead = Vec::new();
        let mut byte = || -> io::Result<u8> {
            let mut one = [0];
            source.read_exact(&mut one)?;
            lead.push(one[0]);
            Ok(one[0])
        };
        for want in MAGIC {
            if byte()? != *want {
                return Err(wrong("it does not begin as a zchunk file"));
            }
        }
        let of_header = Checksum::of_number(number(&mut byte)?)?;
        let size = number(&mut byte)?;
        if size > MAX_HEADER {
            return Err(wrong("its header is larger than that of any real one"));
        }
        let want = exactly(&mut source, of_header.length())?;
        let header = exactly(&mut source, usize::try_from(size).map_err(io::Error::other)?)?;
        if of_header.of(&[&lead, &header]) != want {
            return Err(wrong("its header is not what its checksum says"));
        }
        let (checksum, is_packed, mut chunks) = index(&header, of_header)?;
        let mut zchunk = Self {
            source,
            checksum,
            packing: Packing::Not,
            chunks: Vec::new().into_iter(),
            content: Vec::new(),
            at: 0,
        };
        if is_packed {
            zchunk.packing = Packing::Zstd(Box::new(zstd::bulk::Decompressor::new()?));
        }
        // The first is the dictionary of the others.
        let dictionary = zchunk.unpacked(&chunks.remove(0))?;
        if is_packed && !dictionary.is_empty() {
            let decompressor = zstd::bulk::Decompressor::with_dictionary(&dictionary)?;
            zchunk.packing = Packing::Zstd(Box::new(decompressor));
        }
        zchunk.chunks = chunks.into_iter();
        Ok(zchunk)
    }

    fn unpacked(&mut self, chunk: &Chunk) -> io::Result<Vec<u8>> {
        if chunk.packed == 0 && chunk.unpacked == 0 {
            return Ok(Vec::new());
        }
        let packed = exactly(&mut self.source, chunk.packed)?;
        if self.checksum.of(&[&packed]) != chunk.checksum {
            return Err(wrong("a chunk is not what its checksum says"));
        }
        let content = match &mut self.packing {
            Packing::Not => packed,
            Packing::Zstd(decompressor) => decompressor.decompress(&packed, chunk.unpacked)?,
        };
        match content.len() == chunk.unpacked {
            true => Ok(content),
            false => Err(wrong("a chunk has not the size that the index says")),
        }
    }
}

impl<R: Read> Read for Zchunk<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.content.len() {
            let Some(chunk) = self.chunks.next() else { return Ok(0) };
            self.content = self.unpacked(&chunk)?;
            self.at = 0;
        }
        let rest = self.content.get(self.at..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}

/// Preface and index: the chunks' kind of checksum, whether they are packed by zstd, and the
/// chunks, the dictionary first.
fn index(header: &[u8], of_data: Checksum) -> io::Result<(Checksum, bool, Vec<Chunk>)> {
    let mut rest = header;
    take(&mut rest, of_data.length())?;
    let flags = next(&mut rest)?;
    if flags & !(HAS_STREAMS | HAS_OPTIONAL_ELEMENTS | HAS_UNPACKED_CHECKSUMS) != 0 {
        return Err(wrong("flags that are not known"));
    }
    let is_packed = match next(&mut rest)? {
        0 => false,
        2 => true,
        _ => return Err(wrong("a compression that is not known")),
    };
    if flags & HAS_OPTIONAL_ELEMENTS != 0 {
        for _ in 0..next(&mut rest)? {
            next(&mut rest)?;
            let size = next(&mut rest)?;
            take(&mut rest, usize::try_from(size).unwrap_or(usize::MAX))?;
        }
    }
    let size = next(&mut rest)?;
    let mut rest = take(&mut rest, usize::try_from(size).unwrap_or(usize::MAX))?;
    let checksum = Checksum::of_number(next(&mut rest)?)?;
    let count = next(&mut rest)?;
    let mut chunks = Vec::new();
    // (The count is what the entries say, or the header ends before.)
    for _ in 0..count {
        if flags & HAS_STREAMS != 0 {
            next(&mut rest)?;
        }
        let sum = take(&mut rest, checksum.length())?.to_vec();
        if flags & HAS_UNPACKED_CHECKSUMS != 0 {
            take(&mut rest, checksum.length())?;
        }
        let mut length = || match next(&mut rest)? {
            length if length > MAX_CHUNK => Err(wrong("a chunk is larger than any real one")),
            length => usize::try_from(length).map_err(io::Error::other),
        };
        chunks.push(Chunk { checksum: sum, packed: length()?, unpacked: length()? });
    }
    match chunks.is_empty() {
        true => Err(wrong("its index has no dictionary")),
        false => Ok((checksum, is_packed, chunks)),
    }
}

/// A number: seven bits a byte, the lowest first; the last byte has the eighth bit.
fn number(mut byte: impl FnMut() -> io::Result<u8>) -> io::Result<u64> {
    let mut value = 0_u64;
    for place in 0..9 {
        let one = byte()?;
        value |= u64::from(one & 0x7f) << (7 * place);
        if one & 0x80 != 0 {
            return Ok(value);
        }
    }
    Err(wrong("a number that does not end"))
}

fn next(rest: &mut &[u8]) -> io::Result<u64> {
    number(|| Ok(take(rest, 1)?[0]))
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> io::Result<&'a [u8]> {
    let (taken, left) =
        rest.split_at_checked(count).ok_or_else(|| wrong("its header ends too soon"))?;
    *rest = left;
    Ok(taken)
}

/// So many bytes; room is made as they come.
fn exactly(source: &mut impl Read, count: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(count as u64).read_to_end(&mut bytes)?;
    match bytes.len() == count {
        true => Ok(bytes),
        false => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ends too soon")),
    }
}

fn wrong(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("zchunk: {why}"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;

    fn content(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        Zchunk::new(bytes)?.read_to_end(&mut content)?;
        Ok(content)
    }

    /// What zck makes of a text.
    fn packed(dir: &Path, text: &[u8], arguments: &[&str]) -> Vec<u8> {
        std::fs::write(dir.join("text"), text).unwrap();
        let mut command = Command::new("zck");
        command.args(arguments).args(["-o", "packed", "text"]).current_dir(dir);
        let done = command.output().expect("Debian's package zchunk");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        std::fs::read(dir.join("packed")).unwrap()
    }

    fn text() -> Vec<u8> {
        let package = |n: u32| format!("<package><name>a{n}</name><x>{}</x></package>\n", n * n);
        (0..4000).map(package).collect::<String>().into_bytes()
    }

    #[test]
    fn what_zck_packs_is_read() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("words"), "<package><name>a</name><x></x></package>")
            .unwrap();
        for arguments in [
            &[][..],
            &["-u"],
            &["-s", "<package>", "-m"],
            &["-D", "words"],
            &["-D", "words", "-u", "-h", "sha256"],
            &["-h", "sha512"],
            &["--compression-format=none"],
        ] {
            let packed = packed(dir.path(), &text(), arguments);
            assert_eq!(content(&packed).unwrap(), text(), "{arguments:?}");
            assert_eq!(&packed[..5], MAGIC);
        }
        assert_eq!(content(&packed(dir.path(), b"", &[])).unwrap(), b"");
    }

    #[test]
    fn damage_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let whole = packed(dir.path(), &text(), &["-u"]);
        // Each byte counts, but for none.
        for at in (0..whole.len()).step_by(whole.len() / 300) {
            let mut damaged = whole.clone();
            damaged[at] ^= 4;
            assert!(content(&damaged).is_err(), "byte {at} of {}", whole.len());
            assert!(content(&whole[..at]).is_err(), "{at} bytes of {}", whole.len());
        }
        for bytes in [&b""[..], b"\x1f\x8b", b"\0ZCK1\x81\xff", b"\0ZCK1\x81\x7f\x7f\x7f\x7f\xff"] {
            assert!(content(bytes).is_err());
        }
    }
}
