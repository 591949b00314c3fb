//! The gzip members of `.apk` and `APKINDEX.tar.gz` files: signatures, what they sign, payload.
//!
//! In comes a stream; out come its leading members one by one, each as stored (what hashes and
//! signatures cover) and unpacked. Both formats are several gzip streams in a row, each a piece
//! of a tar archive: signatures (`.SIGN.…`) first; then, of a package, the control member
//! (`.PKGINFO`, scripts) and the payload; of an index, everything else. Source: apk-tools 2.14,
//! `src/package.c` (`apk_sign_ctx_process_file`, `apk_sign_ctx_mpart_cb`), `src/io_gunzip.c`;
//! <https://wiki.alpinelinux.org/wiki/Apk_spec>.

use std::io::{self, BufRead, BufReader, Read};

use bytes::Bytes;
use flate2::bufread::GzDecoder;

use imgfix_model::identity::Identity;
use imgfix_vfs::tar_reader::{self, Rules, TarReader};

/// What apk's archives have of tar's format: PAX headers, no sparse files; apk passes over the
/// types that it does not know.
pub(super) const TAR: Rules =
    Rules { sparse: false, other_types: true, unpadded_end: false, ..Rules::LAYER };

/// How much a member kept in memory may take, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct MemberLimits {
    /// As it is in the file, compressed.
    pub stored: u64,
    /// Decompressed.
    pub unpacked: u64,
}

impl MemberLimits {
    /// Control members: a few kilobytes in practice.
    pub const CONTROL: Self = Self { stored: 16 << 20, unpacked: 64 << 20 };
    /// Signatures: one kilobyte in practice. There may be many, and all are kept.
    pub const SIGNATURE: Self = Self { stored: 1 << 20, unpacked: 1 << 20 };

    /// Whether a member is within the limits.
    fn allow(self, member: &GzipMember) -> Result<(), MembersError> {
        for (bytes, limit) in [(&member.stored, self.stored), (&member.unpacked, self.unpacked)] {
            if bytes.len() as u64 > limit {
                return Err(MembersError::TooLarge { member: member.number, limit });
            }
        }
        Ok(())
    }
}

/// How the names of signatures begin, and so the tar archives of signature members.
const SIGNATURE: &[u8; 6] = b".SIGN.";

/// How much is read to find a first file's name, in bytes.
const MAX_HEADERS: u64 = 64 << 10;
/// The most signatures before the content.
const MAX_SIGNATURES: usize = 32;
/// The most files in a member that is kept in memory.
const MAX_FILES: usize = 1000;

/// Why a file has no members that can be used.
#[derive(Debug, thiserror::Error)]
pub enum MembersError {
    /// It begins as packages and indexes of apk 3 do.
    #[error(
        "it is in apk's version 3 format (ADB), which imgfix does not read; apk 2 does not \
         either: the repository must offer the version 2 format"
    )]
    Adb,
    /// No bytes at all.
    #[error("it is empty")]
    Empty,
    /// It does not begin as gzip does.
    #[error("it is not a gzip file")]
    NotGzip,
    /// It ends within a member.
    #[error("it is cut off: member {member} is incomplete")]
    Truncated {
        /// Which one, from 1.
        member: usize,
    },
    /// A member cannot be decompressed.
    #[error("member {member} is damaged: {source}")]
    Damaged {
        /// Which one, from 1.
        member: usize,
        /// What the decompressor says.
        source: io::Error,
    },
    /// A member is larger than [`MemberLimits`] allow.
    #[error("member {member} takes more than {limit} bytes")]
    TooLarge {
        /// Which one, from 1.
        member: usize,
        /// The limit that it is over, in bytes.
        limit: u64,
    },
    /// A member is not a piece of a tar archive.
    #[error("member {member} is not a tar archive: {why}")]
    Tar {
        /// Which one, from 1.
        member: usize,
        /// For people.
        why: String,
    },
    /// More signatures than any real file has.
    #[error("it has more than {MAX_SIGNATURES} signatures")]
    Signatures,
    /// Nothing but signatures.
    #[error("there is nothing after its signatures")]
    NoContent,
    /// The stream fails.
    #[error("cannot read it: {0}")]
    Io(#[from] io::Error),
}

/// One gzip member (RFC 1952, 2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GzipMember {
    /// Which one of the file, from 1.
    pub number: usize,
    /// As stored, compressed.
    pub stored: Bytes,
    /// Decompressed: a piece of a tar archive.
    pub unpacked: Bytes,
}

/// A file of a member's tar archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberFile {
    /// Its path in the archive; what is not UTF-8 in it is replaced.
    pub name: String,
    /// As the tar header has it.
    pub mode: u32,
    /// Seconds since the epoch.
    pub mtime: i64,
    /// A part of the member: what is kept for long is copied.
    pub content: Bytes,
}

impl GzipMember {
    /// apk's hash of the member as stored: of a control member, the package's identity.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity::of(&self.stored)
    }

    /// Whether `identity` is that of the member as stored, of whichever kind it is.
    #[must_use]
    pub fn is(&self, identity: &Identity) -> bool {
        match identity {
            Identity::Sha1(_) => self.identity() == *identity,
            Identity::Sha256(_) | Identity::Sha256Cut(_) => {
                use sha2::{Digest as _, Sha256};
                Sha256::digest(&self.stored).starts_with(identity.as_bytes())
            }
        }
    }

    /// The regular files of its piece of a tar archive, which need not have an end mark.
    ///
    /// # Errors
    /// It is not a tar archive, or has too many files.
    pub fn files(&self) -> Result<Vec<MemberFile>, MembersError> {
        let fail = |why: String| MembersError::Tar { member: self.number, why };
        let mut archive = TarReader::with_rules(&self.unpacked[..], TAR);
        let mut files = Vec::new();
        while let Some(entry) = archive.next_member().map_err(|error| fail(error.to_string()))? {
            if !is_file(&entry) {
                continue;
            }
            if files.len() >= MAX_FILES {
                return Err(fail(format!("more than {MAX_FILES} files")));
            }
            let range = |at: u64| {
                Some(usize::try_from(at).ok()?..usize::try_from(at.checked_add(entry.size)?).ok()?)
            };
            let content = range(archive.offset())
                .filter(|range| range.end <= self.unpacked.len())
                .map(|range| self.unpacked.slice(range))
                .ok_or_else(|| fail("it is cut off".to_owned()))?;
            files.push(MemberFile {
                name: String::from_utf8_lossy(&entry.name).into_owned(),
                mode: entry.mode,
                mtime: entry.mtime,
                content,
            });
        }
        Ok(files)
    }

    /// Whether its first file is a signature.
    fn is_signature(&self) -> bool {
        first_is_signature(&self.unpacked[..])
    }
}

/// Whether apk takes an entry for a file: it knows these two types, and not the oldest one.
pub(super) fn is_file(entry: &tar_reader::Member) -> bool {
    matches!(entry.type_flag, b'0' | b'7')
}

/// The members of a stream, one by one.
pub struct Members<R> {
    inner: R,
    /// Members read.
    read: usize,
}

impl<R: BufRead> Members<R> {
    /// Looks at the first bytes of a stream; no member is read yet.
    ///
    /// # Errors
    /// The stream is empty or does not begin as gzip does.
    pub fn new(mut inner: R) -> Result<Self, MembersError> {
        let start = inner.fill_buf()?;
        if start.is_empty() {
            return Err(MembersError::Empty);
        }
        if start.starts_with(b"ADB") {
            return Err(MembersError::Adb);
        }
        if !start.starts_with(&[0x1f]) {
            return Err(MembersError::NotGzip);
        }
        Ok(Self { inner, read: 0 })
    }

    /// The next member, unpacked in memory; `None` at the end of the stream.
    ///
    /// # Errors
    /// It is damaged, cut off, or larger than `limits` allow.
    pub fn next_member(
        &mut self,
        limits: MemberLimits,
    ) -> Result<Option<GzipMember>, MembersError> {
        if self.inner.fill_buf()?.is_empty() {
            return Ok(None);
        }
        self.read += 1;
        let member = self.read;
        let mut recorded =
            Recorded { inner: &mut self.inner, taken: Vec::new(), left: limits.stored };
        let mut unpacked = Vec::new();
        let result = GzDecoder::new(&mut recorded)
            .take(limits.unpacked.saturating_add(1))
            .read_to_end(&mut unpacked);
        let Recorded { taken, left, .. } = recorded;
        match result {
            Err(_) if left == 0 => {
                return Err(MembersError::TooLarge { member, limit: limits.stored });
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(MembersError::Truncated { member });
            }
            Err(source) => return Err(MembersError::Damaged { member, source }),
            Ok(_) => {}
        }
        if unpacked.len() as u64 > limits.unpacked {
            return Err(MembersError::TooLarge { member, limit: limits.unpacked });
        }
        Ok(Some(GzipMember { number: member, stored: taken.into(), unpacked: unpacked.into() }))
    }

    /// The signature members and the member behind them: of a package, its control member.
    ///
    /// # Errors
    /// As [`Members::next_member`], and when there is nothing but signatures.
    pub fn lead(&mut self, limits: MemberLimits) -> Result<Lead, MembersError> {
        let mut signatures = Vec::new();
        while let Some(member) = self.next_member(limits)? {
            if !member.is_signature() {
                return Ok(Lead { signatures, content: member });
            }
            if signatures.len() >= MAX_SIGNATURES {
                return Err(MembersError::Signatures);
            }
            MemberLimits::SIGNATURE.allow(&member)?;
            signatures.push(member);
        }
        Err(MembersError::NoContent)
    }

    /// What follows the members read so far, as stored: of a package after [`Members::lead`],
    /// its payload, which may be several members (read them with `MultiGzDecoder`).
    pub fn into_rest(self) -> R {
        self.inner
    }
}

/// A whole file in memory, taken apart without unpacking what is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed<'a> {
    /// The members that have signatures, in the order of the file.
    pub signatures: Vec<GzipMember>,
    /// What the signatures cover, as stored.
    pub content: &'a [u8],
}

/// Takes the signature members off a file. Of the rest no more is unpacked than shows that it is
/// no signature.
///
/// # Errors
/// Not a gzip file, a damaged signature, or nothing but signatures.
pub fn split_signed(bytes: &[u8]) -> Result<Signed<'_>, MembersError> {
    let mut members = Members::new(bytes)?;
    let mut signatures = Vec::new();
    while begins_signature(members.inner, members.read + 1)? {
        if signatures.len() >= MAX_SIGNATURES {
            return Err(MembersError::Signatures);
        }
        signatures.extend(members.next_member(MemberLimits::SIGNATURE)?);
    }
    match members.inner {
        [] => Err(MembersError::NoContent),
        content => Ok(Signed { signatures, content }),
    }
}

/// Whether the gzip member at the beginning of `bytes` is one of signatures. What is damaged counts
/// as content: the signatures show whether that was the repository's doing.
fn begins_signature(bytes: &[u8], member: usize) -> Result<bool, MembersError> {
    let mut start = Vec::new();
    let length = SIGNATURE.len() as u64;
    match GzDecoder::new(bytes).take(length).read_to_end(&mut start) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && !bytes.is_empty() => {
            Err(MembersError::Truncated { member })
        }
        Ok(_) if start == SIGNATURE => Ok(true),
        _ => Ok(first_is_signature(GzDecoder::new(bytes).take(MAX_HEADERS))),
    }
}

/// Whether the first file of a tar archive is a signature. Its name may have headers of its own
/// before it (PAX), as makers other than abuild write them.
fn first_is_signature(archive: impl Read) -> bool {
    let mut archive = TarReader::with_rules(BufReader::new(archive), TAR);
    let first = archive.next_member().ok().flatten();
    first.is_some_and(|entry| entry.name.starts_with(SIGNATURE))
}

/// The beginning of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lead {
    /// The members that have signatures, in the order of the file.
    pub signatures: Vec<GzipMember>,
    /// A package's control member; the first (and as a rule only) content of an index.
    pub content: GzipMember,
}

/// Keeps what is taken from a reader.
struct Recorded<'a, R> {
    inner: &'a mut R,
    taken: Vec<u8>,
    /// How much more may be taken.
    left: u64,
}

impl<R: BufRead> Read for Recorded<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut here = self.fill_buf()?;
        let got = here.read(into)?;
        self.consume(got);
        Ok(got)
    }
}

impl<R: BufRead> BufRead for Recorded<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let here = self.inner.fill_buf()?;
        if self.left == 0 && !here.is_empty() {
            return Err(io::Error::other("the member is too large"));
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(here.len());
        Ok(here.get(..most).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        if let Ok(here) = self.inner.fill_buf()
            && let Some(taken) = here.get(..amount)
        {
            self.taken.extend_from_slice(taken);
        }
        self.left = self.left.saturating_sub(amount as u64);
        self.inner.consume(amount);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{gzip, tar};
    use super::*;

    fn package() -> (Vec<u8>, Vec<u8>, Vec<u8>) {
        let signature = gzip(&tar(&[(".SIGN.RSA.k.rsa.pub", b"s")]));
        let control =
            gzip(&tar(&[(".PKGINFO", b"pkgname = a\n"), (".post-upgrade", b"#!/bin/sh")]));
        (signature, control, gzip(b"payload"))
    }

    #[test]
    fn a_package_is_taken_apart_and_the_payload_is_left() {
        let (signature, control, payload) = package();
        let bytes = [signature.clone(), control.clone(), payload.clone()].concat();
        // however the stream comes in pieces
        for capacity in [1, 7, 4096] {
            let reader = BufReader::with_capacity(capacity, &bytes[..]);
            let mut members = Members::new(reader).unwrap();
            let lead = members.lead(MemberLimits::CONTROL).unwrap();
            assert_eq!(lead.signatures[0].stored, signature);
            assert_eq!(lead.content.stored, control);
            assert_eq!(lead.content.identity(), Identity::of(&control));
            let files = lead.content.files().unwrap();
            assert_eq!(files[0].content, "pkgname = a\n");
            assert_eq!((files[1].name.as_str(), files[1].mtime), (".post-upgrade", 7));
            let mut rest = Vec::new();
            members.into_rest().read_to_end(&mut rest).unwrap();
            assert_eq!(rest, payload);
        }
    }

    #[test]
    fn signatures_come_off_a_file_in_memory() {
        let (signature, control, payload) = package();
        let content = [control, payload].concat();
        let bytes = [signature.repeat(2), content.clone()].concat();
        let signed = split_signed(&bytes).unwrap();
        assert_eq!((signed.signatures.len(), signed.content), (2, &content[..]));
        assert_eq!(split_signed(&content).unwrap().content, content);
        for cut in [12, 40, signature.len() - 4] {
            let cut = split_signed(&signature[..cut]);
            assert!(matches!(cut, Err(MembersError::Truncated { member: 1 })), "{cut:?}");
        }
        assert!(matches!(split_signed(&signature), Err(MembersError::NoContent)));
        let many = signature.repeat(40);
        assert!(matches!(split_signed(&many), Err(MembersError::Signatures)));
    }

    #[test]
    fn what_cannot_be_used_is_told_apart() {
        let (signature, control, _) = package();
        let small = MemberLimits { stored: 20, unpacked: 1 << 20 };
        let flat = MemberLimits { stored: 1 << 20, unpacked: 600 };
        let cut = [&signature[..], &control[..control.len() - 3]].concat();
        let mut bad = signature.clone();
        bad[30] ^= 0x55;
        for (bytes, limits, want) in [
            (b"".to_vec(), small, "it is empty"),
            (b"ADBd....".to_vec(), small, "version 3 format"),
            (b"ADB.".to_vec(), small, "version 3 format"),
            (b"<html>".to_vec(), small, "not a gzip file"),
            (cut, MemberLimits::CONTROL, "cut off: member 2"),
            (signature.clone(), MemberLimits::CONTROL, "nothing after its signatures"),
            (bad, MemberLimits::CONTROL, "member 1 is damaged"),
            (control.clone(), small, "member 1 takes more than 20 bytes"),
            (control.clone(), flat, "member 1 takes more than 600 bytes"),
            (signature.repeat(40), MemberLimits::CONTROL, "more than 32 signatures"),
        ] {
            let result = Members::new(&bytes[..]).and_then(|mut members| members.lead(limits));
            let why = result.unwrap_err().to_string();
            assert!(why.contains(want), "{why} / {want}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(mut bytes: Vec<u8>, gzipped: bool) {
            if gzipped {
                bytes = gzip(&bytes);
            }
            if let Ok(mut members) = Members::new(&bytes[..])
                && let Ok(lead) = members.lead(MemberLimits::CONTROL)
            {
                let _ = lead.content.files();
            }
        }
    }
}
