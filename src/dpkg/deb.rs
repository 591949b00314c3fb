//! Binary packages: `deb(5)` archives.
//!
//! In comes a stream of a `.deb` whose digest the caller has checked; out come its control
//! members in memory ([`inspect_control`], cheap) and its payload with the content in a
//! [`Spool`] ([`unpack`], where the time goes; packages can be unpacked by several threads at
//! once). Everything is bounded by [`Limits`]. Tar rules (GNU long names only, names made
//! absolute, symbolic links after everything else) are those of dpkg's `lib/dpkg/tarfn.c`.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use md5::{Digest as _, Md5};

use super::ar::{ArError, ArReader, Member};
use super::conffiles::{ConffileError, ShippedConffile, ShippedKind, parse_shipped};
use super::control::{ControlError, Stanza, parse_stanzas};
use imgfix_model::path::PathError;
use imgfix_repair::archive::Bounded;
pub use imgfix_repair::archive::{Limits, Owner};
use imgfix_vfs::tar_reader::{Member as Entry, MemberKind, Rules, TarError, TarReader};
use imgfix_vfs::{Content, OverBudget, Reserved, Spool};

/// What an xz stream may need to be unpacked, in bytes (`xz -9` needs 65 MiB).
const XZ_MEMORY: u64 = 80 << 20;
/// How long `control` and `conffiles` may be, in bytes: each line becomes a field or a file.
const MAX_CONTROL_TEXT: u64 = 1 << 20;
/// What dpkg's archives have of tar's format: GNU's long names only, of this length.
const TAR: Rules = Rules { max_extension: 4096, pax: false, sparse: false, other_types: false };

/// Why a package archive cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DebError {
    #[error("not a Debian package: {0}")]
    Ar(#[from] ArError),
    #[error("not a Debian package: {0}")]
    Format(String),
    #[error("member {member}: compression {compression:?} is not supported (gz, xz, zst are)")]
    Compression { member: String, compression: String },
    #[error("member {member}: {problem}")]
    Member { member: String, problem: String },
    #[error("member {member} unpacks to more than {limit} {unit}")]
    TooLarge { member: String, limit: u64, unit: &'static str },
    #[error(transparent)]
    Memory(#[from] OverBudget),
    #[error("member {member}: {source}")]
    Read { member: String, source: io::Error },
    #[error("control: {0}")]
    Control(#[from] ControlError),
    #[error("control has no {0} field")]
    MissingField(&'static str),
    #[error("conffiles: {0}")]
    Conffiles(#[from] ConffileError),
    #[error("payload: {0}")]
    Path(#[from] PathError),
}

/// A file of the control archive, installed as `info/PACKAGE.NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlMember {
    pub content: Bytes,
    pub mode: u32,
    pub user: Owner,
    pub group: Owner,
    /// Seconds since the epoch.
    pub mtime: i64,
}

/// The control archive of a package.
#[derive(Debug, Clone)]
pub struct DebControl {
    pub stanza: Stanza,
    /// All members but `control`, by name.
    pub members: BTreeMap<String, ControlMember>,
    /// In the order of the `conffiles` member.
    pub conffiles: Vec<ShippedConffile>,
}

/// A package with its payload unpacked.
#[derive(Debug, Clone)]
pub struct DebPackage {
    pub control: DebControl,
    /// In the order dpkg unpacks: as in the archive, symbolic links last.
    pub payload: Vec<PayloadEntry>,
    /// The package's share of the budget.
    held: Arc<Reserved>,
}

/// One path of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadEntry {
    /// As dpkg lists it: absolute, no trailing slash; the root is `/.`.
    pub path: Vec<u8>,
    pub kind: PayloadKind,
    pub mode: u32,
    pub user: Owner,
    pub group: Owner,
    /// Seconds since the epoch.
    pub mtime: i64,
}

/// What a payload entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PayloadKind {
    Directory,
    File {
        content: Content,
        size: u64,
        /// Hexadecimal; known for conffiles and in packages without an `md5sums` member.
        md5: Option<String>,
    },
    /// To another entry of the package, in the form of [`PayloadEntry::path`].
    HardLink(Vec<u8>),
    /// The target as shipped.
    Symlink(Vec<u8>),
    Fifo,
    CharDevice {
        major: u32,
        minor: u32,
    },
    BlockDevice {
        major: u32,
        minor: u32,
    },
}

impl DebError {
    /// Whether the package is more than there is room for, and not damaged.
    #[must_use]
    pub fn is_too_much(&self) -> bool {
        matches!(self, Self::Memory(_) | Self::TooLarge { .. })
    }
}

impl DebPackage {
    /// Bytes of the budget that its entries take.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        self.held.bytes()
    }
}

impl DebControl {
    /// The package's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.stanza.get("Package").unwrap_or_default()
    }

    #[must_use]
    pub fn version(&self) -> &str {
        self.stanza.get("Version").unwrap_or_default()
    }

    #[must_use]
    pub fn architecture(&self) -> &str {
        self.stanza.get("Architecture").unwrap_or_default()
    }

    /// A maintainer script or another control member's content.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Bytes> {
        self.members.get(name).map(|member| &member.content)
    }
}

/// Reads only the control archive, which comes first: a few kilobytes of most packages.
///
/// # Errors
/// Not a Debian package, damaged, or larger than `limits` allow.
pub fn inspect_control(deb: impl Read, limits: &Limits) -> Result<DebControl, DebError> {
    let mut archive = open(deb)?;
    read_control(&mut archive, limits)
}

/// Reads the whole package; the payload's content goes to `spool`.
///
/// # Errors
/// Not a Debian package, damaged, larger than `limits` allow, or the spool is full.
pub fn unpack(deb: impl Read, spool: &Spool, limits: &Limits) -> Result<DebPackage, DebError> {
    let mut archive = open(deb)?;
    let control = read_control(&mut archive, limits)?;
    let mut held = limits.memory.share();
    let payload = read_payload(&mut archive, &control, spool, limits, &mut held)?;
    Ok(DebPackage { control, payload, held: Arc::new(held) })
}

/// Checks `debian-binary`, which is the first member.
fn open<R: Read>(deb: R) -> Result<ArReader<R>, DebError> {
    let mut archive = ArReader::new(deb)?;
    let Some((member, content)) = archive.next_member()? else {
        return Err(DebError::Format("the archive is empty".into()));
    };
    if member.name != "debian-binary" {
        return Err(DebError::Format(format!(
            "the first member is {:?}, not \"debian-binary\"",
            member.name
        )));
    }
    let mut text = Vec::new();
    content
        .take(64)
        .read_to_end(&mut text)
        .map_err(|source| DebError::Read { member: member.name, source })?;
    if !text.starts_with(b"2.") {
        return Err(DebError::Format(format!(
            "format version {:?}, only 2.x is known",
            String::from_utf8_lossy(&text).trim_end()
        )));
    }
    archive.consumed(text.len() as u64);
    Ok(archive)
}

/// Runs `read` on the decompressed content of the next member, which must be `wanted` with a
/// compression suffix, and then checks that member and compressed stream end well.
fn with_member<R: Read, T>(
    archive: &mut ArReader<R>,
    wanted: &str,
    limit: u64,
    read: impl FnOnce(&mut dyn Read, &str) -> Result<T, DebError>,
) -> Result<T, DebError> {
    loop {
        let Some((member, mut content)) = archive.next_member()? else {
            return Err(DebError::Format(format!("it has no {wanted} member")));
        };
        if member.name.starts_with('_') {
            continue;
        }
        let Some(suffix) = member.name.strip_prefix(wanted) else {
            return Err(DebError::Format(format!("{:?} comes before {wanted}", member.name)));
        };
        let failed = |source| read_error(&member, source);
        let result = {
            let plain = decompress(&mut content, suffix, &member)?;
            let mut plain = Bounded::new(plain, limit);
            let result = read(&mut plain, &member.name);
            let end = if result.is_ok() {
                io::copy(&mut plain, &mut io::sink()).map(drop)
            } else {
                Ok(())
            };
            if plain.exceeded() {
                return Err(DebError::TooLarge { member: member.name, limit, unit: "bytes" });
            }
            end.map_err(failed)?;
            result?
        };
        io::copy(&mut content, &mut io::sink()).map_err(failed)?;
        if content.limit() > 0 {
            return Err(ArError::Truncated(member.name).into());
        }
        archive.consumed(member.size);
        return Ok(result);
    }
}

fn decompress<'a>(
    content: &'a mut dyn Read,
    suffix: &str,
    member: &Member,
) -> Result<Box<dyn Read + 'a>, DebError> {
    let failed = |source| read_error(member, source);
    Ok(match suffix {
        "" => Box::new(content),
        ".gz" => Box::new(flate2::read::MultiGzDecoder::new(content)),
        ".xz" => {
            let stream = liblzma::stream::Stream::new_stream_decoder(
                XZ_MEMORY,
                liblzma::stream::CONCATENATED,
            )
            .map_err(|error| failed(error.into()))?;
            Box::new(liblzma::read::XzDecoder::new_stream(io::BufReader::new(content), stream))
        }
        ".zst" => Box::new(zstd::stream::read::Decoder::new(content).map_err(failed)?),
        other => {
            return Err(DebError::Compression {
                member: member.name.clone(),
                compression: other.trim_start_matches('.').to_owned(),
            });
        }
    })
}

fn read_error(member: &Member, source: io::Error) -> DebError {
    DebError::Read { member: member.name.clone(), source }
}

fn read_control<R: Read>(
    archive: &mut ArReader<R>,
    limits: &Limits,
) -> Result<DebControl, DebError> {
    let mut stanza = None;
    let mut members = BTreeMap::new();
    with_member(archive, "control.tar", limits.control_bytes, |plain, member| {
        for_each_entry(plain, member, 10_000, |entry, content| {
            let path = listed_name(&entry.name);
            let name = match path.as_slice() {
                b"/." => return Ok(()),
                path => String::from_utf8_lossy(path.get(1..).unwrap_or_default()).into_owned(),
            };
            let (MemberKind::File, false) = (&entry.kind, name.contains('/')) else {
                return Err(DebError::Member {
                    member: member.to_owned(),
                    problem: format!("{name:?} is not a plain file"),
                });
            };
            if matches!(name.as_str(), "control" | "conffiles") && entry.size > MAX_CONTROL_TEXT {
                return Err(DebError::TooLarge {
                    member: format!("{member}, {name}"),
                    limit: MAX_CONTROL_TEXT,
                    unit: "bytes",
                });
            }
            let mut bytes = Vec::new();
            content
                .read_to_end(&mut bytes)
                .map_err(|source| DebError::Read { member: member.to_owned(), source })?;
            let content = limits.memory.hold(bytes)?;
            if name == "control" {
                stanza = Some(content);
            } else {
                let member = ControlMember {
                    content,
                    mode: entry.mode,
                    user: owner(entry.user, entry.uid),
                    group: owner(entry.group, entry.gid),
                    mtime: entry.mtime,
                };
                members.insert(name, member);
            }
            Ok(())
        })
    })?;
    let text = stanza.ok_or_else(|| DebError::Format("it has no control file".into()))?;
    let mut stanzas = parse_stanzas(text)?;
    if stanzas.len() != 1 {
        return Err(DebError::Format(format!(
            "its control file has {} stanzas instead of one",
            stanzas.len()
        )));
    }
    let stanza = stanzas.remove(0);
    for field in ["Package", "Version", "Architecture"] {
        if stanza.get(field).is_none_or(str::is_empty) {
            return Err(DebError::MissingField(field));
        }
    }
    check_names(&stanza)?;
    let conffiles = match members.get("conffiles") {
        Some(member) => parse_shipped(&member.content)?,
        None => Vec::new(),
    };
    Ok(DebControl { stanza, members, conffiles })
}

/// Name and architecture become file names in the package database.
fn check_names(stanza: &Stanza) -> Result<(), DebError> {
    for (field, extra) in [("Package", &b"+-."[..]), ("Architecture", b"-")] {
        let value = stanza.get(field).unwrap_or_default();
        let valid = value
            .bytes()
            .enumerate()
            .all(|(at, b)| b.is_ascii_alphanumeric() || (at > 0 && extra.contains(&b)));
        if !valid {
            return Err(DebError::Format(format!("its {field} {value:?} is not a valid name")));
        }
    }
    Ok(())
}

fn read_payload<R: Read>(
    archive: &mut ArReader<R>,
    control: &DebControl,
    spool: &Spool,
    limits: &Limits,
    held: &mut Reserved,
) -> Result<Vec<PayloadEntry>, DebError> {
    let hash_all = !control.members.contains_key("md5sums");
    let shipped = control.conffiles.iter().filter(|c| c.kind == ShippedKind::Shipped);
    let conffiles: HashSet<&[u8]> = shipped.map(|conffile| conffile.path.as_slice()).collect();
    let is_conffile = |path: &[u8]| conffiles.contains(path);
    let mut entries = Vec::new();
    let mut links = Vec::new();
    with_member(archive, "data.tar", limits.payload_bytes, |plain, member| {
        for_each_entry(plain, member, limits.entries, |entry, content| {
            let path = listed_name(&entry.name);
            // A path that leaves the root is refused before anything is made of it.
            imgfix_model::path::ImagePath::new(&path)?;
            let target = match &entry.kind {
                MemberKind::HardLink(target) | MemberKind::Symlink(target) => target.len(),
                _ => 0,
            };
            limits.count_entry(held, path.len() + target)?;
            let kind = match entry.kind {
                MemberKind::Directory => PayloadKind::Directory,
                MemberKind::File => {
                    let hashing =
                        if hash_all || is_conffile(&path) { Hashing::Md5 } else { Hashing::None };
                    store(content, entry.size, spool, hashing)
                        .map_err(|source| DebError::Read { member: member.to_owned(), source })?
                }
                MemberKind::HardLink(target) => {
                    let target = listed_name(&target);
                    imgfix_model::path::ImagePath::new(&target)?;
                    PayloadKind::HardLink(target)
                }
                MemberKind::Symlink(target) => PayloadKind::Symlink(target),
                MemberKind::Fifo => PayloadKind::Fifo,
                MemberKind::CharDevice { major, minor } => PayloadKind::CharDevice { major, minor },
                MemberKind::BlockDevice { major, minor } => {
                    PayloadKind::BlockDevice { major, minor }
                }
                MemberKind::Other => {
                    return Err(DebError::Member {
                        member: member.to_owned(),
                        problem: "it has an entry of a type that is not known".into(),
                    });
                }
            };
            let is_link = matches!(kind, PayloadKind::Symlink(_));
            let entry = PayloadEntry {
                path,
                kind,
                mode: entry.mode,
                user: owner(entry.user, entry.uid),
                group: owner(entry.group, entry.gid),
                mtime: entry.mtime,
            };
            if is_link {
                links.push(entry)
            } else {
                entries.push(entry)
            }
            Ok(())
        })
    })?;
    entries.append(&mut links);
    Ok(entries)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Hashing {
    Md5,
    None,
}

fn store(
    content: &mut dyn Read,
    size: u64,
    spool: &Spool,
    hashing: Hashing,
) -> io::Result<PayloadKind> {
    let mut hasher = Md5::new();
    let content = match hashing {
        Hashing::Md5 => {
            spool.store(&mut HashingReader { inner: content, hasher: &mut hasher }, size)?
        }
        Hashing::None => spool.store(content, size)?,
    };
    let md5 = (hashing == Hashing::Md5).then(|| hex(&hasher.finalize()));
    Ok(PayloadKind::File { content: Content::Spool(content), size, md5 })
}

struct HashingReader<'a> {
    inner: &'a mut dyn Read,
    hasher: &'a mut Md5,
}

impl Read for HashingReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        self.hasher.update(buffer.get(..got).unwrap_or_default());
        Ok(got)
    }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Calls `each` for every entry of a tar stream, with its content.
fn for_each_entry(
    plain: &mut dyn Read,
    member: &str,
    max_entries: usize,
    mut each: impl FnMut(Entry, &mut dyn Read) -> Result<(), DebError>,
) -> Result<(), DebError> {
    let bad = |problem: String| DebError::Member { member: member.to_owned(), problem };
    let mut archive = TarReader::with_rules(io::BufReader::new(plain), TAR);
    let mut count = 0_usize;
    while let Some(entry) = archive.next_member().map_err(|error| match error {
        TarError::Io(source) => DebError::Read { member: member.to_owned(), source },
        invalid @ TarError::Invalid { .. } => bad(invalid.to_string()),
    })? {
        count += 1;
        if count > max_entries {
            return Err(DebError::TooLarge {
                member: member.to_owned(),
                limit: max_entries as u64,
                unit: "entries",
            });
        }
        if let Some(problem) = not_of_dpkg(&entry) {
            return Err(bad(format!("{:?}: {problem}", String::from_utf8_lossy(&entry.name))));
        }
        each(entry, &mut archive)?;
    }
    Ok(())
}

/// Why dpkg would not take an entry.
fn not_of_dpkg(entry: &Entry) -> Option<&'static str> {
    match entry.name.as_slice() {
        [] => Some("an entry without a name"),
        name if name.contains(&b'\n') => Some("a newline in a name"),
        _ if entry.type_flag == b'7' => Some("tar entries of type '7' are not supported"),
        _ => None,
    }
}

fn owner(name: Vec<u8>, id: u32) -> Owner {
    Owner { name: Some(name).filter(|name| !name.is_empty()), id }
}

/// A name as dpkg lists it: one slash, then the name without leading `/` and `./` and without
/// a trailing slash. The root directory is `/.`.
pub(super) fn listed_name(name: &[u8]) -> Vec<u8> {
    let mut rest = name.strip_suffix(b"/").unwrap_or(name);
    loop {
        rest = match rest {
            [b'/', after @ ..] => after,
            [b'.', b'/', ..] => &rest[1..],
            _ => break,
        };
    }
    let rest = if rest.is_empty() { b"." } else { rest };
    [b"/", rest].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ar(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut out = b"!<arch>\n".to_vec();
        for (name, content) in members {
            out.extend_from_slice(
                format!(
                    "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
                    0,
                    0,
                    0,
                    100_644,
                    content.len()
                )
                .as_bytes(),
            );
            out.extend_from_slice(content);
            if content.len() % 2 == 1 {
                out.push(b'\n');
            }
        }
        out
    }

    fn tar_of(build: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        build(&mut builder);
        builder.into_inner().unwrap()
    }

    fn add(builder: &mut tar::Builder<Vec<u8>>, name: &str, kind: tar::EntryType, body: &[u8]) {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_uid(1);
        header.set_gid(2);
        header.set_mtime(7);
        header.set_size(if kind.is_file() { body.len() as u64 } else { 0 });
        if kind.is_symlink() || kind.is_hard_link() {
            header.set_link_name_literal(body).unwrap();
        }
        let field = &mut header.as_old_mut().name;
        field[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        builder.append(&header, if kind.is_file() { body } else { b"" }).unwrap();
    }

    fn control_tar() -> Vec<u8> {
        tar_of(|builder| {
            add(builder, "./", tar::EntryType::Directory, b"");
            let control = b"Package: a\nVersion: 1\nArchitecture: all\n";
            add(builder, "./control", tar::EntryType::Regular, control);
            add(builder, "./conffiles", tar::EntryType::Regular, b"/etc/a\n");
            add(builder, "./md5sums", tar::EntryType::Regular, b"");
        })
    }

    fn xz(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        liblzma::read::XzEncoder::new(bytes, 1).read_to_end(&mut out).unwrap();
        out
    }

    fn data_tar() -> Vec<u8> {
        tar_of(|builder| {
            add(builder, "./", tar::EntryType::Directory, b"");
            add(builder, "./usr/", tar::EntryType::Directory, b"");
            add(builder, "./usr/l", tar::EntryType::Symlink, b"t");
            add(builder, "./etc/a", tar::EntryType::Regular, b"hello");
            add(builder, "./usr/b", tar::EntryType::Link, b"./etc/a");
        })
    }

    fn deb(data_name: &str, data: Vec<u8>) -> Vec<u8> {
        ar(&[
            ("debian-binary", b"2.0\n".to_vec()),
            ("control.tar.xz", xz(&control_tar())),
            (data_name, data),
        ])
    }

    fn unpacked(bytes: &[u8]) -> Result<DebPackage, DebError> {
        unpack(bytes, &Spool::new().unwrap(), &Limits::default())
    }

    #[test]
    fn payload_is_listed_as_dpkg_lists_it_with_links_last() {
        let package = unpacked(&deb("data.tar.xz", xz(&data_tar()))).unwrap();
        let paths: Vec<_> =
            package.payload.iter().map(|e| String::from_utf8(e.path.clone()).unwrap()).collect();
        assert_eq!(paths, ["/.", "/usr", "/etc/a", "/usr/b", "/usr/l"]);
        assert_eq!(package.control.name(), "a");
        let PayloadKind::File { size: 5, md5: Some(md5), .. } = &package.payload[2].kind else {
            panic!("{:?}", package.payload[2]);
        };
        assert_eq!(md5, "5d41402abc4b2a76b9719d911017c592");
        assert_eq!(package.payload[3].kind, PayloadKind::HardLink(b"/etc/a".to_vec()));
    }

    #[test]
    fn every_compression_of_debian_and_ubuntu_is_read() {
        let tar = data_tar();
        let mut gz = Vec::new();
        flate2::read::GzEncoder::new(&tar[..], flate2::Compression::fast())
            .read_to_end(&mut gz)
            .unwrap();
        for (name, data) in [
            ("data.tar", tar.clone()),
            ("data.tar.gz", gz),
            ("data.tar.xz", xz(&tar)),
            ("data.tar.zst", zstd::encode_all(&tar[..], 1).unwrap()),
        ] {
            assert_eq!(unpacked(&deb(name, data)).unwrap().payload.len(), 5, "{name}");
        }
        let error = unpacked(&deb("data.tar.bz2", tar)).unwrap_err().to_string();
        assert!(error.contains("\"bz2\""), "{error}");
    }

    #[test]
    fn truncated_and_flipped_archives_are_refused() {
        let good = deb("data.tar.xz", xz(&data_tar()));
        for end in [0, 7, 40, 100, 300, good.len() - 200, good.len() - 20] {
            assert!(unpacked(&good[..end]).is_err(), "cut at {end}");
        }
        for at in (good.len() - 120..good.len() - 12).step_by(7) {
            let mut bad = good.clone();
            bad[at] ^= 0x40;
            assert!(unpacked(&bad).is_err(), "flipped at {at}");
        }
    }

    #[test]
    fn paths_that_leave_the_root_are_refused() {
        let data = tar_of(|builder| {
            add(builder, "./../etc/passwd", tar::EntryType::Regular, b"x");
        });
        assert!(matches!(unpacked(&deb("data.tar", data)), Err(DebError::Path(_))));
    }

    #[test]
    fn limits_hold() {
        let bytes = deb("data.tar.xz", xz(&data_tar()));
        let spool = Spool::new().unwrap();
        for (limits, unit) in [
            (Limits { payload_bytes: 1000, ..Limits::default() }, "bytes"),
            (Limits { entries: 3, ..Limits::default() }, "entries"),
            (Limits { control_bytes: 700, ..Limits::default() }, "bytes"),
        ] {
            let error = unpack(&bytes[..], &spool, &limits).unwrap_err().to_string();
            assert!(error.contains("more than") && error.contains(unit), "{error}");
        }
    }

    #[test]
    fn names_are_normalised_as_dpkg_does() {
        for (name, want) in [
            ("./", "/."),
            (".", "/."),
            ("/", "/."),
            ("./usr/", "/usr"),
            ("usr/bin", "/usr/bin"),
            ("././/usr", "/usr"),
            ("./.hidden", "/.hidden"),
        ] {
            assert_eq!(listed_name(name.as_bytes()), want.as_bytes(), "{name}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn arbitrary_members_never_panic(control: Vec<u8>, data: Vec<u8>) {
            let limits = Limits::default();
            for suffix in ["", ".gz", ".xz", ".zst"] {
                let bytes = ar(&[
                    ("debian-binary", b"2.0\n".to_vec()),
                    (&format!("control.tar{suffix}"), control.clone()),
                ]);
                let _ = inspect_control(&bytes[..], &limits);
            }
            let _ = unpacked(&deb("data.tar", data));
        }
    }
}
