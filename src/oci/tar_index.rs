//! The members of a tar file, found once and then read by seeking.
//!
//! An archive is untrusted: names are normalised and may not climb out, links are followed
//! within the archive only and not forever, and a member that reaches beyond the end of the
//! file is an error before anything is read. An archive that is compressed as a whole is
//! unpacked into an anonymous temporary file first, as skopeo does.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::layout::Files;
use super::transport::ImageError;
use super::verified::{BUFFER, write_error};
use imgfix_vfs::compression::{self, Compression};
use imgfix_vfs::limits::LayerLimits;
use imgfix_vfs::tar_reader::{MemberKind, TarReader};

/// Most members of an archive.
const MAX_MEMBERS: usize = 200_000;
/// Most bytes of all names and link targets.
const MAX_NAMES: usize = 32 << 20;
/// Most links from one member to the next.
const MAX_LINKS: u32 = 8;

/// How something is packed, told by its first bytes. An archive as a whole may be xz, too, which
/// no layer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packed {
    /// As a layer may be, or not at all.
    As(Compression),
    Xz,
}

impl Packed {
    pub(super) fn of(start: &[u8]) -> Self {
        match start {
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            other => Self::As(Compression::of(other)),
        }
    }
}

/// What a name of the archive stands for.
enum IndexedMember {
    /// A content of so many bytes, from this byte of the archive on.
    File { offset: u64, size: u64 },
    /// Another name of the archive.
    Link(String),
}

/// An archive that was read through once.
pub(super) struct TarIndex {
    file: Arc<File>,
    members: BTreeMap<String, IndexedMember>,
}

impl TarIndex {
    /// Reads the headers of the archive at `path`; `place` names it in errors. One that is
    /// compressed as a whole may unpack to what `limits` say of its size.
    pub(super) fn open(path: &Path, place: &str, limits: &LayerLimits) -> Result<Self, ImageError> {
        let fail = |error| ImageError::io(place, error);
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let hint = format!("; there is no file {}", path.display());
                return Err(ImageError::NotFound { place: place.to_owned(), hint });
            }
            Err(error) => return Err(fail(error)),
        };
        if !metadata.is_file() {
            return Err(ImageError::invalid(place, "it is not a regular file"));
        }
        let most = limits.for_input(metadata.len()).max_unpacked;
        let file = plain(File::open(path).map_err(fail)?, place, most)?;
        let members = read_members(&file, place)?;
        Ok(Self { file: Arc::new(file), members })
    }

    /// Where `name` leads: the offset and size of its content.
    fn find(&self, name: &str) -> io::Result<Option<(u64, u64)>> {
        let mut name = match normalised("", name) {
            Some(name) => name,
            None => return Ok(None),
        };
        for _ in 0..MAX_LINKS {
            match self.members.get(&name) {
                None => return Ok(None),
                Some(IndexedMember::File { offset, size }) => return Ok(Some((*offset, *size))),
                Some(IndexedMember::Link(target)) => name = target.clone(),
            }
        }
        let why = format!("{name}: too many links in the archive");
        Err(io::Error::new(io::ErrorKind::InvalidInput, why))
    }
}

impl Files for TarIndex {
    fn open(&self, name: &str) -> io::Result<Option<(Box<dyn Read + Send>, u64)>> {
        let Some((offset, size)) = self.find(name)? else { return Ok(None) };
        let section = Section { file: Arc::clone(&self.file), at: offset, left: size };
        Ok(Some((Box::new(section), size)))
    }
}

/// A stretch of a file, independent of the file's own position.
struct Section {
    file: Arc<File>,
    at: u64,
    left: u64,
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let (buffer, _) = buffer.split_at_mut(want);
        let read = self.file.read_at(buffer, self.at)?;
        self.at = self.at.saturating_add(read as u64);
        self.left = self.left.saturating_sub(read as u64);
        Ok(read)
    }
}

fn read_members(file: &File, place: &str) -> Result<BTreeMap<String, IndexedMember>, ImageError> {
    let broken = |error: &dyn std::fmt::Display| {
        ImageError::invalid(place, format!("it is not a tar archive, or a damaged one: {error}"))
    };
    let end = file.metadata().map_err(|error| broken(&error))?.len();
    let mut archive = TarReader::new(BufReader::with_capacity(BUFFER, file));
    let mut members = BTreeMap::new();
    let mut names = 0_usize;
    while let Some(header) = archive.next_member().map_err(|error| broken(&error))? {
        let offset = archive.offset();
        let is_whole = archive.hole_bytes() == 0;
        archive.pass_over(|reader, bytes| reader.seek_relative(bytes)).map_err(|e| broken(&e))?;
        let link = match &header.kind {
            MemberKind::HardLink(target) | MemberKind::Symlink(target) => target.as_slice(),
            _ => &[],
        };
        names = names.saturating_add(header.name.len() + link.len());
        if members.len() >= MAX_MEMBERS || names > MAX_NAMES {
            let why =
                format!("it has more than {MAX_MEMBERS} members, or {MAX_NAMES} bytes of names");
            return Err(ImageError::invalid(place, why));
        }
        let name = String::from_utf8_lossy(&header.name).into_owned();
        let Some(name) = normalised("", &name) else {
            let why = format!("the member {name:?} climbs out of the archive");
            return Err(ImageError::invalid(place, why));
        };
        let link = String::from_utf8_lossy(link);
        let member = match header.kind {
            MemberKind::File if is_whole => {
                let size = header.size;
                if offset.checked_add(size).is_none_or(|last| last > end) {
                    let why = format!("it is truncated: the member {name} reaches beyond its end");
                    return Err(ImageError::invalid(place, why));
                }
                Some(IndexedMember::File { offset, size })
            }
            MemberKind::HardLink(_) => normalised("", &link).map(IndexedMember::Link),
            MemberKind::Symlink(_) => {
                let parent = name.rsplit_once('/').map_or("", |(parent, _)| parent);
                normalised(parent, &link).map(IndexedMember::Link)
            }
            _ => None,
        };
        if let Some(member) = member {
            members.insert(name, member);
        }
    }
    Ok(members)
}

/// `name` seen from `parent`, without `.` and `..`; `None` when it climbs out.
fn normalised(parent: &str, name: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    let base = if name.starts_with('/') { "" } else { parent };
    for part in base.split('/').chain(name.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The archive itself, or its content in a temporary file when it is compressed.
fn plain(mut file: File, place: &str, max_unpacked: u64) -> Result<File, ImageError> {
    let fail = |error| ImageError::io(place, error);
    let mut start = [0; 6];
    let read = file.read_at(&mut start, 0).map_err(fail)?;
    let packed = Packed::of(start.get(..read).unwrap_or_default());
    let source = BufReader::with_capacity(BUFFER, &mut file);
    let mut reader: Box<dyn Read> = match packed {
        Packed::As(Compression::None) => return Ok(file),
        Packed::As(Compression::Gzip) => Box::new(flate2::bufread::MultiGzDecoder::new(source)),
        Packed::As(Compression::Zstd) => Box::new(compression::zstd(source).map_err(fail)?),
        Packed::Xz => Box::new(compression::xz(source).map_err(fail)?),
    };
    let mut unpacked =
        tempfile::tempfile().map_err(|error| write_error("temporary file", error))?;
    let mut buffer = vec![0; BUFFER];
    let mut total = 0_u64;
    loop {
        let read = reader.read(&mut buffer).map_err(|error| {
            ImageError::invalid(place, format!("it is damaged; it cannot be unpacked: {error}"))
        })?;
        if read == 0 {
            break;
        }
        total = total.saturating_add(read as u64);
        if total > max_unpacked {
            let why = format!(
                "it unpacks to more than {max_unpacked} bytes; if it may be that large, raise the \
                 limit with --max-unpacked-size"
            );
            return Err(ImageError::invalid(place, why));
        }
        let bytes = buffer.get(..read).unwrap_or_default();
        unpacked.write_all(bytes).map_err(|error| write_error("temporary file", error))?;
    }
    unpacked.rewind().map_err(fail)?;
    Ok(unpacked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(build: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        build(&mut builder);
        builder.into_inner().expect("tar")
    }

    fn add(builder: &mut tar::Builder<Vec<u8>>, name: &str, content: &[u8]) {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, name, content).expect("append");
    }

    fn link(builder: &mut tar::Builder<Vec<u8>>, kind: tar::EntryType, name: &str, to: &str) {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        builder.append_link(&mut header, name, to).expect("append");
    }

    fn open(bytes: &[u8]) -> Result<TarIndex, ImageError> {
        let file = tempfile::NamedTempFile::new().expect("temp");
        std::fs::write(file.path(), bytes).expect("write");
        TarIndex::open(
            file.path(),
            "app.tar",
            &LayerLimits { max_unpacked: 1 << 20, ..LayerLimits::default() },
        )
    }

    fn read(index: &TarIndex, name: &str) -> Option<String> {
        let (mut reader, size) = index.open(name).expect("open")?;
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("read");
        assert_eq!(text.len() as u64, size);
        Some(text)
    }

    #[test]
    fn members_are_found_by_name_and_through_links() {
        let long = "d/".repeat(80) + "name";
        let bytes = archive(|b| {
            add(b, "./a/layer.tar", b"one");
            link(b, tar::EntryType::Symlink, "b/layer.tar", "../a/layer.tar");
            link(b, tar::EntryType::Link, "c", "a/layer.tar");
            link(b, tar::EntryType::Symlink, "loop", "loop");
            link(b, tar::EntryType::Symlink, "out", "../../etc/passwd");
            add(b, &long, b"two");
        });
        let index = open(&bytes).expect("index");
        for name in ["a/layer.tar", "b/layer.tar", "c", "/a/layer.tar"] {
            assert_eq!(read(&index, name).as_deref(), Some("one"), "{name}");
        }
        assert_eq!(read(&index, &long).as_deref(), Some("two"));
        assert_eq!(read(&index, "out"), None);
        assert_eq!(read(&index, "../a/layer.tar"), None);
        assert!(index.open("loop").is_err());
    }

    #[test]
    fn compressed_archives_are_unpacked() {
        let bytes = archive(|b| add(b, "a", b"one"));
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&bytes).expect("gzip");
        let gzip = gzip.finish().expect("gzip");
        let zstd = zstd::encode_all(&bytes[..], 1).expect("zstd");
        for bytes in [&gzip, &zstd] {
            assert_eq!(read(&open(bytes).expect("index"), "a").as_deref(), Some("one"));
        }
        let error = open(&gzip[..gzip.len() / 2]).err().expect("cut").to_string();
        assert!(error.contains("damaged"), "{error}");
    }

    #[test]
    fn a_compressed_archive_is_measured_while_it_is_unpacked() {
        let bytes = archive(|b| add(b, "a", &vec![0; 2 << 20]));
        let zstd = zstd::encode_all(&bytes[..], 1).expect("zstd");
        let error = open(&zstd).err().expect("too large").to_string();
        assert!(error.contains("--max-unpacked-size"), "{error}");
    }

    #[test]
    fn extension_headers_and_names_are_bounded() {
        // An extension header that says it has gigabytes, and one that really has two megabytes.
        let mut bytes = archive(|b| add(b, "a", b"one"));
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::XHeader);
        header.set_size(8 << 30);
        header.set_cksum();
        bytes.splice(0..0, header.as_bytes().iter().copied());
        let error = open(&bytes).err().expect("long").to_string();
        assert!(error.contains("extension header"), "{error}");
        let long = "d/".repeat(500_000);
        let many = archive(|b| (0..40).for_each(|n| add(b, &format!("{long}{n}"), b"")));
        let error = open(&many).err().expect("names").to_string();
        assert!(error.contains("bytes of names"), "{error}");
    }

    #[test]
    fn truncated_and_foreign_files_are_refused() {
        let bytes = archive(|b| add(b, "a", &[7; 4096]));
        let error = open(&bytes[..1024]).err().expect("cut").to_string();
        assert!(error.contains("truncated") || error.contains("damaged"), "{error}");
        let error = open(&[b'x'; 2048]).err().expect("text").to_string();
        assert!(error.contains("not a tar archive"), "{error}");
        assert!(
            TarIndex::open(Path::new("/nonexistent/x.tar"), "x", &LayerLimits::default()).is_err()
        );
        assert!(TarIndex::open(Path::new("/dev/null"), "x", &LayerLimits::default()).is_err());
    }
}
