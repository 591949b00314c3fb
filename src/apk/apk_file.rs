//! [`ApkPackage`]: a package file of apk's version 2 format.
//!
//! In comes a stream of an `.apk`; out come what its control member says, its scripts, and its
//! payload with the content in a [`Spool`]. The payload is checked against the hash that the
//! control member has of it; whether the control member is the one that an index names
//! ([`ApkControl::identity`]) is the caller's to check: with that the whole file is known, and
//! the signature inside is not needed (apk ignores it too for packages of a repository).
//! Source: apk-tools 2.14, `src/package.c` (`apk_sign_ctx_mpart_cb`), `src/database.c`
//! (`apk_db_install_archive_entry`), `src/io_archive.c`.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use sha2::{Digest as _, Sha256};

use super::members::{GzipMember, MemberLimits, Members, MembersError, TAR};
use super::package_info::{PackageInfo, PackageInfoError};
use imgfix_model::hex;
use imgfix_model::identity::Identity;
use imgfix_model::path::ImagePath;
use imgfix_repair::archive::{Bounded, Limits, Owner};
use imgfix_repair::payload;
use imgfix_vfs::tar_reader::{Member as Header, MemberKind, TarError, TarReader};
use imgfix_vfs::{Content, Memory, OverBudget, Reserved, Spool};

/// Why a package file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ApkError {
    /// Its gzip members cannot be taken apart.
    #[error("{0}")]
    Members(#[from] MembersError),
    /// No `.PKGINFO` in the control member.
    #[error("its control member has no .PKGINFO: it is not a package in apk's version 2 format")]
    NoPackageInfo,
    /// The `.PKGINFO` is malformed.
    #[error("{0}")]
    PackageInfo(#[from] PackageInfoError),
    /// No `datahash` in the `.PKGINFO`.
    #[error(
        "its .PKGINFO has no datahash: nothing says that its payload is the right one (packages \
         of apk's version 1 format are not supported)"
    )]
    NoDataHash,
    /// The SHA-256 of the payload as stored is not the `datahash`.
    #[error("its payload is not the one that its .PKGINFO has the datahash of")]
    DataHash,
    /// More than the limits of one package.
    #[error("its payload unpacks to more than {limit} {unit}")]
    TooLarge {
        /// The most that is read, in `unit`.
        limit: u64,
        /// `bytes` or `entries`.
        unit: &'static str,
    },
    /// More than `--max-memory` leaves room for.
    #[error(transparent)]
    Memory(#[from] OverBudget),
    /// The stream fails, or is not gzip; or the spool cannot be written.
    #[error("its payload cannot be read: {0}")]
    Payload(#[source] io::Error),
    /// The payload is not a tar archive that apk would install; it says why.
    #[error("its payload is damaged: {0}")]
    Tar(String),
    /// A path that apk would refuse as malicious.
    #[error("its payload has the path {path:?}, {problem}")]
    Path {
        /// As the archive has it, cut to 200 characters.
        path: String,
        /// The rest of the sentence: `which could leave the root`.
        problem: &'static str,
    },
}

/// A package's script, by the moment it is for. Ordered as apk stores them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Script {
    /// Before the files of a new package are unpacked.
    PreInstall,
    /// After the files of a new package are in their place.
    PostInstall,
    /// Before the files of a package that goes are taken away.
    PreDeinstall,
    /// After the files of a package that goes are taken away.
    PostDeinstall,
    /// As `PreInstall`, where another version of the package is installed.
    PreUpgrade,
    /// As `PostInstall`, where another version of the package was installed.
    PostUpgrade,
    /// At the end of a commit, when a directory that it waits for was changed.
    Trigger,
}

impl Script {
    /// All, in apk's order (`apk_script_types`).
    pub const ALL: [Self; 7] = [
        Self::PreInstall,
        Self::PostInstall,
        Self::PreDeinstall,
        Self::PostDeinstall,
        Self::PreUpgrade,
        Self::PostUpgrade,
        Self::Trigger,
    ];

    /// Its name in packages, without the leading period.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PreInstall => "pre-install",
            Self::PostInstall => "post-install",
            Self::PreDeinstall => "pre-deinstall",
            Self::PostDeinstall => "post-deinstall",
            Self::PreUpgrade => "pre-upgrade",
            Self::PostUpgrade => "post-upgrade",
            Self::Trigger => "trigger",
        }
    }

    /// The script of this name, as [`Script::name`] gives it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|script| script.name() == name)
    }
}

/// A package without its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApkControl {
    /// Of the control member as stored: what an index has as `C:`.
    pub identity: Identity,
    /// Its `.PKGINFO`.
    pub info: PackageInfo,
    /// The text of each script that it has.
    pub scripts: BTreeMap<Script, Bytes>,
}

/// A package with its payload unpacked.
#[derive(Debug, Clone)]
pub struct ApkPackage {
    /// What its control member says.
    pub control: ApkControl,
    /// In the order of the archive, without what apk never installs: names that begin with a
    /// period, and `.keep_` files.
    pub payload: Vec<PayloadEntry>,
    /// The package's share of the budget; packages that were not read from a file have none.
    pub held: Option<Arc<Reserved>>,
}

/// One path of a package. Checksums are those of the archive's headers.
pub type PayloadEntry = payload::PayloadEntry<ImagePath, Identity>;
/// What a payload entry is.
pub type PayloadKind = payload::PayloadKind<ImagePath>;

impl ApkError {
    /// Whether the package is more than there is room for, and not damaged.
    #[must_use]
    pub fn is_too_much(&self) -> bool {
        matches!(self, Self::Memory(_) | Self::TooLarge { .. })
    }
}

impl ApkPackage {
    /// `pkgname` of its `.PKGINFO`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.control.info.record.name.0
    }

    /// `pkgver` of its `.PKGINFO`.
    #[must_use]
    pub fn version(&self) -> &str {
        self.control.info.record.version.as_str()
    }
}

/// Reads only the control member, which comes first.
///
/// # Errors
/// Not a package of version 2, or damaged.
pub fn inspect_control(apk: impl BufRead) -> Result<ApkControl, ApkError> {
    let mut members = Members::new(apk)?;
    read_control(&members.lead(MemberLimits::CONTROL)?.content, &Memory::default())
}

/// Reads the whole package; the payload's content goes to `spool`.
///
/// # Errors
/// Not a package of version 2, damaged, larger than `limits` allow, its payload is not the one
/// it says, or the spool is full.
pub fn unpack(apk: impl BufRead, spool: &Spool, limits: &Limits) -> Result<ApkPackage, ApkError> {
    let mut members = Members::new(apk)?;
    let lead = members.lead(MemberLimits::CONTROL)?;
    let control = read_control(&lead.content, &limits.memory)?;
    drop(lead);
    let wanted = control.info.data_hash.ok_or(ApkError::NoDataHash)?;
    let mut stored = Hashed { inner: members.into_rest(), hash: Sha256::new() };
    let plain = MultiGzDecoder::new(&mut stored);
    let mut plain = BufReader::with_capacity(1 << 16, Bounded::new(plain, limits.payload_bytes));
    let mut held = limits.memory.share();
    let result = read_payload(&mut plain, spool, limits, &mut held);
    // To the end, which the hash covers.
    let end = result.is_ok().then(|| io::copy(&mut plain, &mut io::sink()));
    if plain.get_ref().exceeded() {
        return Err(ApkError::TooLarge { limit: limits.payload_bytes, unit: "bytes" });
    }
    end.transpose().map_err(ApkError::Payload)?;
    let payload = result?;
    drop(plain);
    match stored.hash.finalize()[..] == wanted {
        true => Ok(ApkPackage { control, payload, held: Some(Arc::new(held)) }),
        false => Err(ApkError::DataHash),
    }
}

fn read_control(member: &GzipMember, memory: &Memory) -> Result<ApkControl, ApkError> {
    let mut info = None;
    let mut scripts = BTreeMap::new();
    for file in member.files()? {
        match file.name.as_str() {
            ".PKGINFO" => info = Some(PackageInfo::parse(&file.content)?),
            name => {
                if let Some(script) = name.strip_prefix('.').and_then(Script::from_name) {
                    // A copy: the member is much larger, and goes.
                    scripts.insert(script, memory.hold(file.content.to_vec())?);
                }
            }
        }
    }
    let info = info.ok_or(ApkError::NoPackageInfo)?;
    Ok(ApkControl { identity: member.identity(), info, scripts })
}

/// Hashes what is taken from a reader.
struct Hashed<R> {
    inner: R,
    hash: Sha256,
}

impl<R: BufRead> Read for Hashed<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(into)?;
        self.hash.update(into.get(..got).unwrap_or_default());
        Ok(got)
    }
}

impl<R: BufRead> BufRead for Hashed<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        if let Ok(here) = self.inner.fill_buf()
            && let Some(taken) = here.get(..amount)
        {
            self.hash.update(taken);
        }
        self.inner.consume(amount);
    }
}

fn read_payload(
    plain: &mut impl BufRead,
    spool: &Spool,
    limits: &Limits,
    held: &mut Reserved,
) -> Result<Vec<PayloadEntry>, ApkError> {
    let mut archive = TarReader::with_rules(plain, TAR);
    let mut entries = Vec::new();
    let mut count = 0;
    while let Some(header) = archive.next_member().map_err(tar_error)? {
        count += 1;
        if count > limits.entries {
            return Err(ApkError::TooLarge { limit: limits.entries as u64, unit: "entries" });
        }
        if !is_installed(&header) {
            continue;
        }
        let path = path(&header.name)?;
        limits.count_entry(held, weight(&header))?;
        let stored = || {
            let content = spool.store(&mut archive, header.size).map_err(ApkError::Payload)?;
            Ok(Content::Spool(content))
        };
        let kind = PayloadKind::of_member(header.kind, self::path, stored, header.size)?;
        let kind = kind.ok_or_else(|| {
            let flag = char::from(header.type_flag).escape_default();
            ApkError::Tar(format!("entry type '{flag}' is not supported"))
        })?;
        entries.push(PayloadEntry {
            path,
            kind,
            mode: header.mode,
            user: Owner::of_member(header.user, header.uid),
            group: Owner::of_member(header.group, header.gid),
            mtime: header.mtime,
            xattrs: header.xattrs,
            checksum: header.apk_checksum.as_deref().and_then(sha1),
        });
    }
    Ok(entries)
}

/// Bytes of an entry's names and attributes.
fn weight(header: &Header) -> usize {
    let target = match &header.kind {
        MemberKind::HardLink(target) | MemberKind::Symlink(target) => target.len(),
        _ => 0,
    };
    let xattrs: usize = header.xattrs.iter().map(|(name, value)| name.len() + value.len()).sum();
    header.name.len() + target + xattrs
}

fn tar_error(error: TarError) -> ApkError {
    match error {
        TarError::Io(source) => ApkError::Payload(source),
        invalid @ TarError::Invalid { .. } => ApkError::Tar(invalid.to_string()),
    }
}

/// Whether apk installs the entry: not what begins with a period, and not what keeps a
/// directory from being empty.
fn is_installed(header: &Header) -> bool {
    let base = header.name.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let is_file = header.kind != MemberKind::Directory;
    let keeps = is_file && base.len() > 6 && base.starts_with(b".keep_");
    !keeps && !header.name.starts_with(b".")
}

/// A name that apk would not ignore as malicious.
fn path(name: &[u8]) -> Result<ImagePath, ApkError> {
    let fail = |problem| ApkError::Path {
        path: String::from_utf8_lossy(name).chars().take(200).collect(),
        problem,
    };
    if name.iter().any(|byte| byte.is_ascii_control()) {
        return Err(fail("with a control character"));
    }
    let path = ImagePath::new(name).map_err(|_| fail("which could leave the root"))?;
    match path.relative() == name.strip_suffix(b"/").unwrap_or(name) && !path.is_root() {
        true => Ok(path),
        false => Err(fail("which is not relative and normal")),
    }
}

fn sha1(text: &[u8]) -> Option<Identity> {
    hex::decode(std::str::from_utf8(text).ok()?).map(Identity::Sha1)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;
    use imgfix_vfs::Memory;
    use imgfix_vfs::Xattrs;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    fn member(kind: tar::EntryType, name: &str, link: &str, content: &[u8]) -> Vec<u8> {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o4755);
        header.set_uid(5);
        header.set_gid(6);
        header.set_mtime(7);
        header.set_username("web").unwrap();
        let old = header.as_old_mut();
        old.name[..name.len()].copy_from_slice(name.as_bytes());
        old.linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        let padding = vec![0; content.len().next_multiple_of(512) - content.len()];
        [&header.as_bytes()[..], content, &padding].concat()
    }

    fn file(name: &str, content: &[u8]) -> Vec<u8> {
        member(tar::EntryType::Regular, name, "", content)
    }

    fn pax(records: &[(&str, &str)]) -> Vec<u8> {
        let record = |(key, value): &(&str, &str)| {
            let rest = format!(" {key}={value}\n");
            let length = (1..).find(|n: &usize| n.to_string().len() + rest.len() == *n).unwrap();
            format!("{length}{rest}")
        };
        let text: String = records.iter().map(record).collect();
        member(tar::EntryType::XHeader, "x", "", text.as_bytes())
    }

    fn apk(control: &[Vec<u8>], data: &[Vec<u8>], hash: Option<&str>) -> Vec<u8> {
        let data = gzip(&[data.concat(), vec![0; 1024]].concat());
        let own = hex::encode(Sha256::digest(&data));
        let hash = hash.unwrap_or(&own);
        let info = format!("pkgname = demo\npkgver = 1-r0\nsize = 4\ndatahash = {hash}\n");
        let control = [control.concat(), file(".PKGINFO", info.as_bytes())].concat();
        [gzip(&file(".SIGN.RSA.x.rsa.pub", b"s")), gzip(&control), data].concat()
    }

    fn read(bytes: &[u8]) -> Result<ApkPackage, ApkError> {
        unpack(bytes, &Spool::new().unwrap(), &Limits::default())
    }

    #[test]
    fn a_package_is_read_whole() {
        let sum = "356a192b7913b04c54574d18c28d46e6395428ab";
        let data = [
            file(".hidden", b"x"),
            member(tar::EntryType::Directory, "usr/", "", b""),
            pax(&[("APK-TOOLS.checksum.SHA1", sum), ("SCHILY.xattr.user.a", "v")]),
            file("usr/a", b"1"),
            member(tar::EntryType::Link, "usr/b", "usr/a", b""),
            member(tar::EntryType::Symlink, "usr/c", "../a", b""),
            file("usr/.keep_dir", b""),
            member(tar::EntryType::Fifo, "usr/f", "", b""),
        ];
        let bytes = apk(&[file(".post-install", b"#!/bin/sh\n"), file(".other", b"")], &data, None);
        let package = read(&bytes).unwrap();
        assert_eq!((package.name(), package.version()), ("demo", "1-r0"));
        assert_eq!(package.control, inspect_control(&bytes[..]).unwrap());
        let scripts: Vec<_> = package.control.scripts.iter().collect();
        assert_eq!(scripts, [(&Script::PostInstall, &Bytes::from_static(b"#!/bin/sh\n"))]);
        let names: Vec<String> = package.payload.iter().map(|e| e.path.to_string()).collect();
        assert_eq!(names, ["/usr", "/usr/a", "/usr/b", "/usr/c", "/usr/f"]);
        let a = &package.payload[1];
        assert_eq!(a.checksum, Some(Identity::of(b"1")));
        assert_eq!(a.xattrs, Xattrs::from([(b"user.a".to_vec(), b"v".to_vec())]));
        assert_eq!(a.user, Owner { name: Some(b"web".to_vec()), id: 5 });
        assert_eq!(a.group, Owner { name: None, id: 6 });
        assert_eq!((a.mode, a.mtime), (0o4755, 7));
        let kinds: Vec<_> = package.payload[2..4].iter().map(|entry| &entry.kind).collect();
        let link = PayloadKind::HardLink(ImagePath::literal("/usr/a"));
        assert_eq!(kinds, [&link, &PayloadKind::Symlink(b"../a".to_vec())]);
    }

    #[test]
    fn what_cannot_be_used_is_told_apart() {
        let good = apk(&[], &[file("usr-a", b"1")], None);
        let version_1 = {
            let info = file(".PKGINFO", b"pkgname = demo\npkgver = 1\n");
            [gzip(&info), gzip(&file("a", b"1"))].concat()
        };
        for (bytes, want) in [
            (b"ADBd".to_vec(), "version 3 format"),
            (gzip(&file("a", b"1")), "has no .PKGINFO"),
            (version_1, "no datahash"),
            (apk(&[], &[file("a", b"1")], Some(&"0".repeat(64))), "not the one"),
            (good[..good.len() - 4].to_vec(), "cannot be read"),
            (apk(&[], &[file("a/../../b", b"1")], None), "which could leave the root"),
            (apk(&[], &[file("/etc/b", b"1")], None), "not relative and normal"),
            (apk(&[], &[file("a//b", b"1")], None), "not relative and normal"),
            (apk(&[], &[file("a/./b", b"1")], None), "not relative and normal"),
            (apk(&[], &[file("a\nb", b"1")], None), "control character"),
            (
                apk(&[], &[member(tar::EntryType::Link, "a", "../b", b"")], None),
                "which could leave the root",
            ),
        ] {
            let why = read(&bytes).unwrap_err().to_string();
            assert!(why.contains(want), "{why} / {want}");
        }
        // apk does not install names that begin with a period.
        assert_eq!(read(&apk(&[], &[file("../b", b"1")], None)).unwrap().payload, []);
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let bytes = apk(&[], &[file("a", &[1; 5000]), file("b", b"1")], None);
        let spool = Spool::new().unwrap();
        for (limits, want) in [
            (Limits { payload_bytes: 4000, ..Limits::default() }, "more than 4000 bytes"),
            (Limits { entries: 1, ..Limits::default() }, "more than 1 entries"),
            (Limits { memory: Memory::fixed(3000), ..Limits::default() }, "--max-memory"),
        ] {
            let error = unpack(&bytes[..], &spool, &limits).unwrap_err();
            assert!(error.is_too_much());
            let why = error.to_string();
            assert!(why.contains(want), "{why} / {want}");
        }
    }

    proptest! {
        #[test]
        fn damaged_packages_never_panic(at: prop::sample::Index, value: u8) {
            let mut bytes = apk(&[], &[file("usr-a", b"1")], None);
            let at = at.index(bytes.len());
            bytes[at] = value;
            let _ = read(&bytes);
        }
    }
}
