//! Package archives: `.rpm` files.
//!
//! In comes a stream of an archive; out come its headers ([`inspect`], which reads no more than
//! them) and its payload with the content in a [`Spool`] ([`unpack`]). Everything is bounded by
//! [`Limits`] and by what the header says of each file. Digests that the archive has of itself are
//! checked: they find damage. Trust comes from [signatures](crate::signature) alone. The form: a
//! lead of 96 bytes, the signature header, the header, the compressed payload (cpio). Source: rpm
//! `lib/package.cc`, `lib/rpmvs.cc`, `lib/fsm.cc`,
//! <https://rpm-software-management.github.io/rpm/manual/format_v4.html>.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use imgfix_model::hex;
use imgfix_model::path::PathError;
use imgfix_repair::archive::Bounded;
pub use imgfix_repair::archive::{Limits, Owner};
use imgfix_repair::payload;
use imgfix_vfs::{Content, OverBudget, Reserved, Spool, Xattrs};

use crate::header::{Header, HeaderError, tag};
use crate::package::files::FileFlags;
use crate::package::{File, FileHash, FilesError, Package, PackageError};
use digests::{Expected, Hashing};

mod compression;
pub mod cpio;
pub(crate) mod digests;

/// Bytes of the lead.
const LEAD: usize = 96;
/// What a lead begins with.
const LEAD_MAGIC: [u8; 4] = [0xed, 0xab, 0xee, 0xdb];
/// A lead's kind of signature: a header. There is no other one since rpm 3.
const HEADER_SIGNATURES: u16 = 5;

/// Why an archive cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The lead is not that of a package.
    #[error("not an rpm package: {0}")]
    Lead(&'static str),
    /// A header is damaged.
    #[error("{which}: {error}")]
    Header {
        /// `signature header` or `header`.
        which: &'static str,
        /// What is wrong.
        error: HeaderError,
    },
    /// The header is no package's.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The header's files are damaged.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// A source package has nothing to install.
    #[error("it is a source package")]
    Source,
    /// A digest that the archive has of itself is another one.
    #[error("the digest of the {0} is not what the package says: it is damaged")]
    Digest(&'static str),
    /// A compression that this program has no reader for.
    #[error("the payload's compression {0:?} is not known")]
    Compression(String),
    /// The payload is no cpio archive.
    #[error(transparent)]
    Cpio(#[from] cpio::CpioError),
    /// The payload and the header do not fit together.
    #[error("payload, {path}: {why}")]
    Payload {
        /// The file, as the payload or the header names it.
        path: String,
        /// What is wrong.
        why: &'static str,
    },
    /// A path cannot be one of an image.
    #[error("payload: {0}")]
    Path(#[from] PathError),
    /// More than [`Limits`] allow.
    #[error("the package has more than {limit} {unit}")]
    TooLarge {
        /// The bound, in `unit`.
        limit: u64,
        /// What is bounded.
        unit: &'static str,
    },
    /// The memory budget of the run is spent.
    #[error(transparent)]
    Memory(#[from] OverBudget),
    /// The stream, the decompressor or the spool failed.
    #[error("reading the package: {0}")]
    Read(#[source] io::Error),
}

impl ArchiveError {
    /// Whether the package is more than there is room for, and not damaged.
    #[must_use]
    pub fn is_too_much(&self) -> bool {
        matches!(self, Self::Memory(_) | Self::TooLarge { .. })
    }
}

/// The headers of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headers {
    /// Digests and signatures.
    pub signature: Header,
    /// The package.
    pub package: Package,
}

/// An archive with its payload unpacked.
#[derive(Debug, Clone)]
pub struct RpmPackage {
    /// Its headers.
    pub headers: Headers,
    /// In the header's order. Paths are absolute. Of hard links the first has the content. What
    /// is not in the payload (`%ghost`) is missing; capabilities stand in the header.
    pub payload: Vec<PayloadEntry>,
    /// The package's share of the budget.
    held: Arc<Reserved>,
}

impl Headers {
    /// What follows the headers in the bytes of the whole archive.
    #[must_use]
    pub fn payload_in<'a>(&self, archive: &'a [u8]) -> &'a [u8] {
        let magic = 8;
        let signature = magic + self.signature.blob().len();
        let header = magic + self.package.header().blob().len();
        let before = LEAD + signature.next_multiple_of(8) + header;
        archive.get(before..).unwrap_or_default()
    }
}

impl RpmPackage {
    /// As if it were unpacked.
    #[cfg(test)]
    pub(crate) fn for_test(headers: Headers, payload: Vec<PayloadEntry>) -> Self {
        let held = Arc::new(imgfix_vfs::Memory::default().share());
        Self { headers, payload, held }
    }

    /// Bytes of the budget that its entries take.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        self.held.bytes()
    }
}

/// One path of a package; its checksum is the one of the header, hexadecimal.
pub type PayloadEntry = payload::PayloadEntry<Vec<u8>, String>;
/// What a payload entry is.
pub type PayloadKind = payload::PayloadKind<Vec<u8>>;

/// Reads only the headers, and checks their digests.
///
/// # Errors
/// Not a package, damaged, or larger than `limits` allow.
pub fn inspect(mut rpm: impl Read, limits: &Limits) -> Result<Headers, ArchiveError> {
    read_headers(&mut rpm, limits)
}

/// Reads the whole package and checks all digests; the payload's content goes to `spool`.
///
/// # Errors
/// Not a package for installation, damaged, larger than `limits` allow, or the spool is full.
pub fn unpack(
    mut rpm: impl Read,
    spool: &Spool,
    limits: &Limits,
) -> Result<RpmPackage, ArchiveError> {
    let headers = read_headers(&mut rpm, limits)?;
    let package = &headers.package;
    if package.is_source() {
        return Err(ArchiveError::Source);
    }
    let header = package.header();
    let mut compressed = compressed_digests(&headers);
    let mut plain = plain_digests(header);
    let mut held = limits.memory.share();
    let payload = {
        let mut source = Hashing { inner: &mut rpm, into: &mut compressed };
        let payload = {
            let name = header.text(tag::PAYLOADCOMPRESSOR);
            let inner = compression::decompress(&mut source, name)?;
            let inner = Bounded::new(inner, limits.payload_bytes);
            let mut inner = Hashing { inner, into: &mut plain };
            let payload = read_payload(package, &mut inner, spool, limits, &mut held);
            if inner.inner.exceeded() {
                let limit = limits.payload_bytes;
                return Err(ArchiveError::TooLarge { limit, unit: "bytes" });
            }
            let payload = payload?;
            io::copy(&mut inner, &mut io::sink()).map_err(ArchiveError::Read)?;
            payload
        };
        io::copy(&mut source, &mut io::sink()).map_err(ArchiveError::Read)?;
        payload
    };
    for digest in compressed.into_iter().chain(plain) {
        digest.check().map_err(ArchiveError::Digest)?;
    }
    Ok(RpmPackage { headers, payload, held: Arc::new(held) })
}

fn read_headers(rpm: &mut dyn Read, limits: &Limits) -> Result<Headers, ArchiveError> {
    let mut lead = [0; LEAD];
    rpm.read_exact(&mut lead).map_err(ArchiveError::Read)?;
    check_lead(&lead)?;
    let fail = |which| move |error| ArchiveError::Header { which, error };
    let bytes = read_header(rpm, tag::HEADERSIGNATURES, "signature header", limits)?;
    let signature = Header::parse_in_archive(&bytes, tag::HEADERSIGNATURES)
        .map_err(fail("signature header"))?;
    let mut padding = [0; 7];
    let padding = padding.get_mut(..bytes.len().wrapping_neg() % 8).unwrap_or_default();
    rpm.read_exact(padding).map_err(ArchiveError::Read)?;
    let bytes = read_header(rpm, tag::HEADERIMMUTABLE, "header", limits)?;
    let header = Header::parse_in_archive(&bytes, tag::HEADERIMMUTABLE).map_err(fail("header"))?;
    check_header_digests(&signature, &bytes)?;
    Ok(Headers { signature, package: Package::new(header)? })
}

fn check_lead(lead: &[u8; LEAD]) -> Result<(), ArchiveError> {
    let Some(&[a, b, c, d, major]) = lead.first_chunk::<5>() else {
        return Err(ArchiveError::Lead("it has no lead"));
    };
    let signatures = lead.get(78..80).and_then(|two| two.first_chunk()).copied();
    match ([a, b, c, d] == LEAD_MAGIC, major, signatures.map(u16::from_be_bytes)) {
        (false, ..) => Err(ArchiveError::Lead("it begins with something else")),
        (_, 3 | 4, Some(HEADER_SIGNATURES)) => Ok(()),
        (_, 3 | 4, _) => Err(ArchiveError::Lead("its signatures are no header")),
        _ => Err(ArchiveError::Lead("it is of a version that is not known")),
    }
}

/// The bytes of a header with its magic.
fn read_header(
    rpm: &mut dyn Read,
    region: tag::Tag,
    which: &'static str,
    limits: &Limits,
) -> Result<Bytes, ArchiveError> {
    let mut start = [0; 16];
    rpm.read_exact(&mut start).map_err(ArchiveError::Read)?;
    let size = Header::size_in_archive(&start, region)
        .map_err(|error| ArchiveError::Header { which, error })?;
    if size as u64 > limits.control_bytes {
        return Err(ArchiveError::TooLarge {
            limit: limits.control_bytes,
            unit: "bytes of headers",
        });
    }
    // What is promised is not taken before it comes.
    let mut bytes = start.to_vec();
    let rest = (size - start.len()) as u64;
    rpm.take(rest).read_to_end(&mut bytes).map_err(ArchiveError::Read)?;
    Ok(limits.memory.hold(bytes)?)
}

/// What the signature header says of the header.
fn check_header_digests(signature: &Header, header: &[u8]) -> Result<(), ArchiveError> {
    match digests::of_header_hold(signature, header) {
        true => Ok(()),
        false => Err(ArchiveError::Digest("header")),
    }
}

/// Of the payload as it is in the archive, and of header and payload together.
fn compressed_digests(headers: &Headers) -> Vec<Expected> {
    let header = headers.package.header();
    let text = |tag| header.text(tag).map(str::to_owned);
    let of = "compressed payload";
    let mut all = Vec::new();
    all.extend(Expected::new(of, payload_hash(header), text(tag::PAYLOADSHA256)));
    all.extend(Expected::new(of, FileHash::Sha512, text(tag::PAYLOADSHA512)));
    let md5 = headers.signature.bin(tag::signature::MD5).map(hex::encode);
    all.extend(Expected::new("header and payload", FileHash::Md5, md5).map(|mut md5| {
        md5.update(&header.as_in_archive());
        md5
    }));
    all
}

fn plain_digests(header: &Header) -> Vec<Expected> {
    let text = |tag| header.text(tag).map(str::to_owned);
    let of = "payload";
    let mut all = Vec::new();
    all.extend(Expected::new(of, payload_hash(header), text(tag::PAYLOADSHA256ALT)));
    all.extend(Expected::new(of, FileHash::Sha512, text(tag::PAYLOADSHA512ALT)));
    all
}

fn payload_hash(header: &Header) -> FileHash {
    FileHash::of(header.number32(tag::PAYLOADSHA256ALGO).unwrap_or(8))
}

/// What is known of the members, by the header.
struct Wanted<'a> {
    files: Vec<File<'a>>,
    by_path: HashMap<Vec<u8>, usize>,
    /// Of each file that has other names: the first and the last of them.
    links: HashMap<(u32, u32), (usize, usize, u32)>,
    hash: FileHash,
}

impl<'a> Wanted<'a> {
    fn new(package: &'a Package, limits: &Limits) -> Result<Self, ArchiveError> {
        let files = package.files()?;
        if files.len() > limits.entries {
            return Err(ArchiveError::TooLarge { limit: limits.entries as u64, unit: "entries" });
        }
        let hash = files.hash();
        let files: Vec<File<'a>> = files.iter().collect();
        let by_path = files.iter().map(|file| (file.path(), file.at)).collect();
        let mut links = HashMap::new();
        for file in files.iter().filter(|file| file.is_regular() && !is_ghost(file)) {
            if file.inode > 0 {
                links
                    .entry((file.device, file.inode))
                    .and_modify(|(_, last, count)| (*last, *count) = (file.at, *count + 1))
                    .or_insert((file.at, file.at, 1));
            }
        }
        links.retain(|_, (_, _, count)| *count > 1);
        Ok(Self { files, by_path, links, hash })
    }

    fn find(&self, name: &[u8]) -> Option<usize> {
        let path = name.strip_prefix(b".").filter(|rest| rest.starts_with(b"/")).unwrap_or(name);
        let whole = || [b"/", path].concat();
        self.by_path.get(path).or_else(|| self.by_path.get(&whole())).copied()
    }

    /// The first and the last name of a file that has several.
    fn links_of(&self, file: &File<'_>) -> Option<(usize, usize)> {
        let key = (file.device, file.inode);
        let found = self.links.get(&key).filter(|_| file.is_regular());
        found.map(|&(first, last, _)| (first, last))
    }
}

fn is_ghost(file: &File<'_>) -> bool {
    file.flags.has(FileFlags::GHOST)
}

fn read_payload<R: Read>(
    package: &Package,
    plain: R,
    spool: &Spool,
    limits: &Limits,
    held: &mut Reserved,
) -> Result<Vec<PayloadEntry>, ArchiveError> {
    let wanted = Wanted::new(package, limits)?;
    let mut seen = vec![false; wanted.files.len()];
    // By the first name of a file: its content.
    let mut contents: HashMap<usize, (Content, u64)> = HashMap::new();
    let mut cpio = cpio::Cpio::new(plain);
    while let Some(member) = cpio.next_member()? {
        let (at, label) = match &member {
            cpio::Member::Named { name, .. } => {
                (wanted.find(name), String::from_utf8_lossy(name).into_owned())
            }
            cpio::Member::Numbered(number) => {
                (usize::try_from(*number).ok(), format!("file {number}"))
            }
        };
        let fail = |why| ArchiveError::Payload { path: label.clone(), why };
        let file = at.and_then(|at| wanted.files.get(at));
        let file = file.ok_or_else(|| fail("the header has no such file"))?;
        match seen.get_mut(file.at) {
            Some(seen) if !*seen => *seen = true,
            _ => return Err(fail("it comes twice")),
        }
        if is_ghost(file) {
            return Err(fail("the header says that it is not in the payload"));
        }
        let links = wanted.links_of(file);
        let own_size = match file.is_regular() || file.is_symlink() {
            true => file.size,
            false => 0,
        };
        // Of several names of a file, the last one in the payload brings the content.
        let size = match member {
            cpio::Member::Named { size: 0, .. } if links.is_some() => 0,
            cpio::Member::Named { size, .. } if size == own_size => size,
            cpio::Member::Named { size, .. } if file.is_symlink() && size <= 4096 => size,
            cpio::Member::Named { .. } => return Err(fail("its size is not what the header says")),
            cpio::Member::Numbered(_) if links.is_some_and(|(_, last)| last != file.at) => 0,
            cpio::Member::Numbered(_) => own_size,
        };
        cpio.set_size(size);
        if file.is_regular() {
            if links.is_some() && size == 0 && file.size > 0 {
                continue;
            }
            let checked = store(&mut cpio, file, wanted.hash, spool)?;
            let content = checked.ok_or_else(|| fail("its digest is not what the header says"))?;
            let first = links.map_or(file.at, |(first, _)| first);
            contents.insert(first, (content, size));
        } else {
            let mut bytes = Vec::new();
            cpio.content().take(4097).read_to_end(&mut bytes).map_err(ArchiveError::Read)?;
            if file.is_symlink() && bytes != file.link_target {
                return Err(fail("its target is not what the header says"));
            }
        }
    }
    let present = wanted.files.iter().zip(seen).filter(|(file, _)| !is_ghost(file));
    let mut entries = Vec::new();
    for (file, seen) in present {
        let path = file.path();
        let fail =
            |why| ArchiveError::Payload { path: String::from_utf8_lossy(&path).into_owned(), why };
        if !seen {
            return Err(fail("it is missing in the payload"));
        }
        limits.count_entry(held, path.len() + file.link_target.len())?;
        entries.push(entry(file, &wanted, &mut contents)?);
    }
    Ok(entries)
}

/// Takes the content of a regular file; `None`: it is not what the header says.
fn store<R: Read>(
    cpio: &mut cpio::Cpio<R>,
    file: &File<'_>,
    hash: FileHash,
    spool: &Spool,
) -> Result<Option<Content>, ArchiveError> {
    let want = Some(String::from_utf8_lossy(file.digest).into_owned());
    let want = want.filter(|want| !want.is_empty());
    let mut digests: Vec<Expected> = Expected::new("file", hash, want).into_iter().collect();
    // The signature over the header has to cover all content.
    if digests.is_empty() && file.size > 0 {
        return Ok(None);
    }
    let mut content = Hashing { inner: cpio.content(), into: &mut digests };
    let stored = spool.store(&mut content, file.size).map_err(ArchiveError::Read)?;
    let good = digests.into_iter().all(|digest| digest.check().is_ok());
    Ok(good.then_some(Content::Spool(stored)))
}

fn entry(
    file: &File<'_>,
    wanted: &Wanted<'_>,
    contents: &mut HashMap<usize, (Content, u64)>,
) -> Result<PayloadEntry, ArchiveError> {
    let path = file.path();
    // A path that leaves the root is refused before anything is made of it.
    imgfix_model::path::ImagePath::new(&path)?;
    let fail =
        |why| ArchiveError::Payload { path: String::from_utf8_lossy(&path).into_owned(), why };
    let (major, minor) = (file.rdev >> 8 & 0xff, file.rdev & 0xff);
    let kind = match file.mode & 0o170_000 {
        0o040_000 => PayloadKind::Directory,
        0o120_000 => PayloadKind::Symlink(file.link_target.to_vec()),
        0o010_000 => PayloadKind::Fifo,
        0o020_000 => PayloadKind::CharDevice { major, minor },
        0o060_000 => PayloadKind::BlockDevice { major, minor },
        0o100_000 => match wanted.links_of(file) {
            Some((first, _)) if first != file.at => {
                let target = wanted.files.get(first).ok_or_else(|| fail("it links to nothing"))?;
                PayloadKind::HardLink(target.path())
            }
            _ => {
                let content = contents.remove(&file.at);
                let (content, size) =
                    content.ok_or_else(|| fail("its content is missing in the payload"))?;
                PayloadKind::File { content, size }
            }
        },
        _ => return Err(fail("it is of a type that is not known")),
    };
    let owner = |name: &[u8]| Owner { name: Some(name.to_vec()), id: 0 };
    let digest = String::from_utf8_lossy(file.digest).into_owned();
    Ok(PayloadEntry {
        kind,
        mode: file.mode & 0o7777,
        user: owner(file.user),
        group: owner(file.group),
        mtime: i64::from(file.mtime),
        xattrs: Xattrs::new(),
        checksum: Some(digest).filter(|digest| !digest.is_empty()),
        path,
    })
}

#[cfg(test)]
mod tests;
