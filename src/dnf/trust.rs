//! Which archives are taken: the package that the index names, signed by a key of its repository.
//!
//! In come a fetched archive with its headers, and what the index says of it; out comes nothing, or
//! why it is not taken.

use std::io::{Read, Seek, SeekFrom};

use super::repositories::Keyrings;
use imgfix_model::package::PackageId;
use imgfix_model::plan::Archive;
use imgfix_repair::error::RepairerError;
use imgfix_repository::signature::{Keyring, SignatureError};
use imgfix_rpm::archive::Headers;
use imgfix_rpm::header::tag;
use imgfix_rpm::signature::{Era, verify_archive, verify_header};

/// Who may have signed what.
pub struct Trust<'a> {
    /// The keys of the repositories.
    pub keyrings: &'a Keyrings,
    /// Which signatures count.
    pub era: Era,
    /// Seconds since the epoch.
    pub now: i64,
}

impl Trust<'_> {
    /// Holds an archive against what the index says: which package in which version it is, and that
    /// a key of its repository signed it.
    ///
    /// # Errors
    /// It is another package, is not signed by such a key, or cannot be read.
    pub fn check(
        &self,
        archive: &Archive,
        package: &PackageId,
        version: &str,
        headers: &Headers,
        file: &mut (impl Read + Seek),
    ) -> Result<(), RepairerError> {
        let own = &headers.package;
        let evr = own.evr().map(|evr| evr.to_string()).unwrap_or_default();
        let shown = |name: &str, version: &str, architecture: &str| {
            // an epoch of 0 is none
            let version = version.strip_prefix("0:").unwrap_or(version);
            format!("{name} {version} {architecture}")
        };
        let found = shown(own.name(), &evr, own.arch());
        let wanted = shown(package.name.as_ref(), version, package.architecture.as_ref());
        let archive_url = archive.url.clone();
        if found != wanted {
            return Err(RepairerError::OtherPackage { archive: archive_url, found, wanted });
        }
        self.verify(archive, headers, file).map_err(|problem| match problem {
            Problem::Signature(source) => {
                RepairerError::Untrusted { archive: archive_url, source: source.into() }
            }
            Problem::Read(source) => RepairerError::ArchiveFile { archive: archive_url, source },
        })
    }

    fn verify(
        &self,
        archive: &Archive,
        headers: &Headers,
        file: &mut (impl Read + Seek),
    ) -> Result<(), Problem> {
        let none = Keyring::default();
        let keyring = self.keyrings.of_place.get(&archive.repository).unwrap_or(&none);
        let signed = [tag::OPENPGP, tag::RSAHEADER, tag::DSAHEADER];
        if signed.into_iter().any(|tag| headers.signature.has(tag)) {
            let own = &headers.package;
            verify_header(&headers.signature, own, keyring, self.era, self.now)?;
            return Ok(());
        }
        // over header and payload: packages of rpm 3 and 4.0, which are small
        file.seek(SeekFrom::Start(0))?;
        let mut all = Vec::new();
        file.take(archive.size).read_to_end(&mut all)?;
        let payload = headers.payload_in(&all);
        verify_archive(headers, payload, keyring, self.era, self.now)?;
        Ok(())
    }
}

enum Problem {
    Signature(SignatureError),
    Read(std::io::Error),
}

impl From<SignatureError> for Problem {
    fn from(error: SignatureError) -> Self {
        Self::Signature(error)
    }
}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Self {
        Self::Read(error)
    }
}
