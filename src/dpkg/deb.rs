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
use imgfix_model::hex;
use imgfix_model::path::PathError;
use imgfix_repair::archive::Bounded;
pub use imgfix_repair::archive::{Limits, Owner};
use imgfix_repair::payload;
use imgfix_vfs::compression;
use imgfix_vfs::tar_reader::{Member as TarMember, MemberKind, Rules, TarError, TarReader};
use imgfix_vfs::{Content, OverBudget, Reserved, Spool, Xattrs};

/// How long `control` and `conffiles` may be, in bytes: each line becomes a field or a file.
const MAX_CONTROL_TEXT: u64 = 1 << 20;
/// What dpkg's archives have of tar's format: GNU's long names only, of this length.
const TAR: Rules = Rules {
    max_extension: 4096,
    pax: false,
    sparse: false,
    other_types: false,
    unpadded_end: false,
};

/// Why a package archive cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DebError {
    /// The outer `ar` archive is damaged.
    #[error("not a Debian package: {0}")]
    Ar(#[from] ArError),
    /// The members are not those of format 2.0, in order, once each (`deb(5)`).
    #[error("not a Debian package: {0}")]
    Format(String),
    /// A compression that this program has no reader for.
    #[error("member {member}: compression {compression:?} is not supported (gz, xz, zst are)")]
    Compression {
        /// `control.tar` or `data.tar`, with its ending.
        member: String,
        /// The ending: `bz2`, `lzma`.
        compression: String,
    },
    /// The tar archive is damaged, or has what dpkg refuses.
    #[error("member {member}: {problem}")]
    Member {
        /// Of the outer archive.
        member: String,
        /// What is wrong, with the path where one is to blame.
        problem: String,
    },
    /// A bound of [`Limits`] is reached.
    #[error("member {member} unpacks to more than {limit} {unit}")]
    TooLarge {
        /// Of the outer archive.
        member: String,
        /// The bound, in `unit`.
        limit: u64,
        /// `bytes` or `entries`.
        unit: &'static str,
    },
    /// The memory budget of the run is spent.
    #[error(transparent)]
    Memory(#[from] OverBudget),
    /// The stream, the decompressor or the spool failed.
    #[error("member {member}: {source}")]
    Read {
        /// Of the outer archive.
        member: String,
        /// What it said.
        source: io::Error,
    },
    /// The `control` file is not deb822.
    #[error("control: {0}")]
    Control(#[from] ControlError),
    /// A field that `control` must have; its name.
    #[error("control has no {0} field")]
    MissingField(&'static str),
    /// The `conffiles` file is not usable.
    #[error("conffiles: {0}")]
    Conffiles(#[from] ConffileError),
    /// A path of the payload cannot be one of an image.
    #[error("payload: {0}")]
    Path(#[from] PathError),
}

/// A file of the control archive, installed as `info/PACKAGE.NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlMember {
    /// As packed.
    pub content: Bytes,
    /// Permission bits.
    pub mode: u32,
    /// As the tar header has it: the name counts where the image has it, otherwise the number.
    pub user: Owner,
    /// As the tar header has it, in the same way.
    pub group: Owner,
    /// Seconds since the epoch.
    pub mtime: i64,
}

/// The control archive of a package.
#[derive(Debug, Clone)]
pub struct DebControl {
    /// Of the `control` file.
    pub stanza: Stanza,
    /// All members but `control`, by name.
    pub members: BTreeMap<String, ControlMember>,
    /// In the order of the `conffiles` member.
    pub conffiles: Vec<ShippedConffile>,
}

/// A package with its payload unpacked.
#[derive(Debug, Clone)]
pub struct DebPackage {
    /// All of the control archive.
    pub control: DebControl,
    /// In the order dpkg unpacks: as in the archive, symbolic links last.
    pub payload: Vec<PayloadEntry>,
    /// The package's share of the budget.
    held: Arc<Reserved>,
}

/// One path of a package: as dpkg lists it, absolute, without a trailing slash; the root is `/.`.
/// Checksums are MD5 in hexadecimal, known for conffiles, and for all files of packages without an
/// `md5sums` member.
pub type PayloadEntry = payload::PayloadEntry<Vec<u8>, String>;
/// What a payload entry is.
pub type PayloadKind = payload::PayloadKind<Vec<u8>>;

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

    /// As in `Version:`, not yet parsed; empty when the field is missing.
    #[must_use]
    pub fn version(&self) -> &str {
        self.stanza.get("Version").unwrap_or_default()
    }

    /// As in `Architecture:`, `all` included; empty when the field is missing.
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
        ".xz" => Box::new(compression::xz(io::BufReader::new(content)).map_err(failed)?),
        ".zst" => Box::new(compression::zstd(io::BufReader::new(content)).map_err(failed)?),
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
                    user: Owner::of_member(entry.user, entry.uid),
                    group: Owner::of_member(entry.group, entry.gid),
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
            let read = |source| DebError::Read { member: member.to_owned(), source };
            let hashing = if hash_all || is_conffile(&path) { Hashing::Md5 } else { Hashing::None };
            let mut checksum = None;
            let target = |name: &[u8]| {
                let target = listed_name(name);
                imgfix_model::path::ImagePath::new(&target)?;
                Ok::<_, DebError>(target)
            };
            let stored = || {
                let (content, md5) = store(content, entry.size, spool, hashing).map_err(read)?;
                checksum = md5;
                Ok(content)
            };
            let kind = PayloadKind::of_member(entry.kind, target, stored, entry.size)?;
            let kind = kind.ok_or_else(|| DebError::Member {
                member: member.to_owned(),
                problem: "it has an entry of a type that is not known".into(),
            })?;
            let is_link = matches!(kind, PayloadKind::Symlink(_));
            let entry = PayloadEntry {
                path,
                kind,
                mode: entry.mode,
                user: Owner::of_member(entry.user, entry.uid),
                group: Owner::of_member(entry.group, entry.gid),
                mtime: entry.mtime,
                xattrs: Xattrs::new(),
                checksum,
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
) -> io::Result<(Content, Option<String>)> {
    let mut hasher = Md5::new();
    let content = match hashing {
        Hashing::Md5 => {
            spool.store(&mut HashingReader { inner: content, hasher: &mut hasher }, size)?
        }
        Hashing::None => spool.store(content, size)?,
    };
    let md5 = (hashing == Hashing::Md5).then(|| hex::encode(hasher.finalize()));
    Ok((Content::Spool(content), md5))
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

/// Calls `each` for every entry of a tar stream, with its content.
fn for_each_entry(
    plain: &mut dyn Read,
    member: &str,
    max_entries: usize,
    mut each: impl FnMut(TarMember, &mut dyn Read) -> Result<(), DebError>,
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
fn not_of_dpkg(entry: &TarMember) -> Option<&'static str> {
    match entry.name.as_slice() {
        [] => Some("an entry without a name"),
        name if name.contains(&b'\n') => Some("a newline in a name"),
        _ if entry.type_flag == b'7' => Some("tar entries of type '7' are not supported"),
        _ => None,
    }
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
mod tests;
