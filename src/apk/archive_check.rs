//! Whether a package file is the one that an index names, without unpacking its payload.
//!
//! In comes a stream of an `.apk` and the identity that the index has of it; out comes the
//! SHA-256 of the whole file. The identity covers the control member, whose `datahash` covers
//! the payload; the signature inside is not needed for packages of a repository. Source:
//! apk-tools 2.14, `src/package.c` (`apk_sign_ctx_mpart_cb`, `APK_SIGN_VERIFY_IDENTITY`).

use std::io::{self, BufRead};

use sha2::{Digest as _, Sha256};

use super::members::{MemberLimits, Members, MembersError};
use super::package_info::{PackageInfo, PackageInfoError};
use imgfix_model::digest::Digest;
use imgfix_model::identity::Identity;
use imgfix_repository::checked;

/// Why a file is not the package asked for.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error(transparent)]
    Members(#[from] MembersError),
    #[error("its control member has no .PKGINFO")]
    NoPackageInfo,
    #[error(transparent)]
    PackageInfo(#[from] PackageInfoError),
    #[error("its control member is {found} instead of {wanted}")]
    Identity { found: Identity, wanted: Identity },
    #[error("its .PKGINFO has no datahash")]
    NoDataHash,
    #[error("its payload is not the one that its .PKGINFO has the datahash of")]
    DataHash,
    #[error("cannot read it: {0}")]
    Io(#[from] io::Error),
}

/// Whether a file that was fetched is the package: what [`Fetcher`](imgfix_repository::Fetcher)
/// asks of the family.
///
/// # Errors
/// It is another package, damaged, or none.
pub fn fits(apk: &mut dyn BufRead, wanted: &Identity) -> Result<Digest, checked::CheckError> {
    check(apk, wanted).map_err(|error| match error {
        CheckError::Io(error) => checked::CheckError::Disk(error),
        error => checked::CheckError::Other(error.to_string()),
    })
}

/// Checks a package file.
///
/// # Errors
/// It is another package, damaged, or none.
pub fn check(apk: impl BufRead, wanted: &Identity) -> Result<Digest, CheckError> {
    let mut members = Members::new(apk)?;
    let lead = members.lead(MemberLimits::CONTROL)?;
    if !lead.content.is(wanted) {
        let found = lead.content.identity();
        return Err(CheckError::Identity { found, wanted: *wanted });
    }
    let files = lead.content.files()?;
    let text = files.iter().rev().find(|file| file.name == ".PKGINFO");
    let info = PackageInfo::parse(&text.ok_or(CheckError::NoPackageInfo)?.content)?;
    let data_hash = info.data_hash.ok_or(CheckError::NoDataHash)?;
    let mut whole = Sha256::new();
    for member in lead.signatures.iter().chain([&lead.content]) {
        whole.update(&member.stored);
    }
    let (mut payload, mut rest) = (Sha256::new(), members.into_rest());
    loop {
        let here = rest.fill_buf()?;
        if here.is_empty() {
            break;
        }
        whole.update(here);
        payload.update(here);
        let taken = here.len();
        rest.consume(taken);
    }
    match payload.finalize()[..] == data_hash {
        true => Ok(Digest::from_sha256(whole.finalize().into())),
        false => Err(CheckError::DataHash),
    }
}

#[cfg(test)]
mod fetched;

#[cfg(test)]
mod tests {
    use super::super::testing::{TestKey, gzip, package, tar};
    use super::*;

    const INFO: &str = "pkgname = a\npkgver = 1\n";

    #[test]
    fn the_package_asked_for_is_known_with_and_without_a_signature() {
        let (bytes, identity) = package(INFO, b"payload");
        assert_eq!(check(&bytes[..], &identity).unwrap(), Digest::of(&bytes));
        let signed = TestKey::new("k").sign(&bytes);
        assert_eq!(check(&signed[..], &identity).unwrap(), Digest::of(&signed));
        let control = Members::new(&bytes[..]).unwrap().lead(MemberLimits::CONTROL).unwrap();
        let long = Sha256::digest(&control.content.stored).into();
        assert!(check(&bytes[..], &Identity::Sha256(long)).is_ok());
    }

    #[test]
    fn other_and_damaged_packages_are_told_apart() {
        let (bytes, identity) = package(INFO, b"payload");
        let (_, other) = package(INFO, b"another");
        let mut changed = bytes.clone();
        *changed.last_mut().unwrap() ^= 1;
        let longer = [&bytes[..], b"x"].concat();
        let bare = gzip(&tar(&[(".PKGINFO", INFO.as_bytes())]));
        let none = gzip(&tar(&[(".post-install", b"x")]));
        let bad = gzip(&tar(&[(".PKGINFO", b"pkgname = a\n")]));
        for (bytes, identity, want) in [
            (&bytes[..], other, "instead of Q1"),
            (&changed, identity, "its payload is not the one"),
            (&longer, identity, "its payload is not the one"),
            (&bytes[..bytes.len() - 1], identity, "its payload is not the one"),
            (&bytes[..20], identity, "cut off"),
            (&bare, Identity::of(&bare), "no datahash"),
            (&none, Identity::of(&none), "no .PKGINFO"),
            (&bad, Identity::of(&bad), "no pkgver"),
            (b"ADBd", identity, "version 3 format"),
            (b"<html>", identity, "not a gzip file"),
        ] {
            let why = check(bytes, &identity).unwrap_err().to_string();
            assert!(why.contains(want), "{why} / {want}");
        }
    }
}
