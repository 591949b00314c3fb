//! Loads apt repositories: Release files fetched, verified and judged fresh
//! ([`mod@signed_release`]), then the `Packages` files that they name ([`mod@index_files`]), into one
//! [`PackageIndex`].
//!
//! In come sources with the keys that may sign them; out come [`Repositories`]: the index, who
//! signed it, and what could not be used. Only what is signed is believed: a Release file is
//! parsed after its signature holds, and an index file after its SHA-256 holds.

mod index_files;
mod signed_release;

use std::sync::Arc;

use self::index_files::{IndexFile, IndexFiles, index_files, packages};
use self::signed_release::{SignedRelease, signed_release};
use super::remedy::{SourceProblem, problem};
use crate::index::PackageIndex;
use crate::packages_file::{IndexError, PackagesFile};
use crate::release::ReleaseError;
use crate::sources::AptSource;
use imgfix_host::parallel::{LOADS, parallel};
use imgfix_model::left_out::LeftOut;
use imgfix_repository::Verified;
use imgfix_repository::access::Credentials;
use imgfix_repository::fetch::{FetchError, Fetcher};
use imgfix_repository::freshness::{Expired, FreshnessError};
use imgfix_repository::leaving_out::{LeavingOut, Unusable};
use imgfix_repository::newest::OlderIndex;
use imgfix_repository::signature::{Keyring, SignatureError};
use imgfix_vfs::Memory;

/// Why repositories could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum AptError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Signature(#[from] SignatureError),
    #[error(transparent)]
    Freshness(#[from] FreshnessError),
    #[error(transparent)]
    Older(#[from] OlderIndex),
    #[error(transparent)]
    Release(#[from] ReleaseError),
    #[error(
        "{url}: neither InRelease nor Release with Release.gpg is there; check the URL and suite {suite:?}"
    )]
    NoRelease { url: String, suite: String },
    #[error(
        "{url} is not signed (no InRelease and no Release.gpg); unsigned repositories are refused"
    )]
    Unsigned { url: String },
    #[error(
        "{name}: the repository calls itself {found:?}, not {wanted:?}: the mirror answers with \
         another suite"
    )]
    OtherSuite { name: String, found: String, wanted: String },
    #[error(
        "{name} has no index for component {component:?} and architecture {architecture:?}; it \
         has the components {has}; correct the source"
    )]
    NoComponent { name: String, component: String, architecture: String, has: String },
    #[error("{name} lists no Packages file with a SHA-256")]
    NoIndex { name: String },
    #[error("{name}: {source}")]
    Index { name: String, source: IndexError },
    #[error("{name}: cannot decompress: {why}")]
    Decompress { name: String, why: String },
    #[error(
        "{repository}: no key to verify it: the image has none for it; give one with --keyring FILE"
    )]
    NoKeyring { repository: String },
    #[error(transparent)]
    Unusable(#[from] Unusable),
}

impl AptError {
    /// Whether it is this machine that fails, whatever the source.
    fn is_of_this_machine(&self) -> bool {
        matches!(self, Self::Fetch(FetchError::Cache { .. } | FetchError::Setup(_)))
    }
}

/// A source with the keys that may sign it.
#[derive(Debug, Clone)]
pub struct SignedSource {
    /// The source, as the image or the user names it.
    pub source: AptSource,
    /// Empty when no key is known; the source cannot be used then.
    pub keyring: Keyring,
}

/// What the caller decides.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// The image's architectures, the native one first.
    pub architectures: Vec<String>,
    /// Seconds since the epoch.
    pub now: i64,
    /// What to do with a Release file past its `Valid-Until`.
    pub expired: Expired,
    /// What the indexes may hold.
    pub memory: Memory,
}

/// The repositories that could be used, loaded.
#[derive(Debug, Default)]
pub struct Repositories {
    /// What they offer.
    pub index: PackageIndex,
    /// Which they are, with who signed them and when.
    pub verified: Vec<Verified>,
    /// The sources that could not be used, each with why.
    pub left_out: Vec<LeftOut>,
}

/// A source whose Release file is verified.
struct Opened<'a> {
    source: &'a AptSource,
    verified: Verified,
    files: Vec<IndexFile>,
}

/// Loads all sources that can be used, in their order; the others are added to `leaving_out`.
/// A source that imgfix added is passed over when the distribution does not have it.
///
/// # Errors
/// This machine fails, or none can be used, or one cannot and `leaving_out` is strict.
pub fn load(
    sources: &[SignedSource],
    mut leaving_out: LeavingOut,
    fetcher: &Fetcher,
    options: &LoadOptions,
) -> Result<Repositories, AptError> {
    let native = options.architectures.first().map(String::as_str).unwrap_or_default();
    let sources: Vec<SignedSource> =
        sources.iter().map(|source| source.clone().for_architecture(native)).collect();
    for source in sources.iter().map(|source| &source.source) {
        if let Some(login) = &source.login {
            fetcher.login(&source.url, Credentials::Login(login.clone()));
        }
    }
    let mut opened = Vec::new();
    let releases = parallel(&sources, LOADS, |source| signed_release(source, fetcher, options));
    for (source, result) in sources.iter().zip(releases) {
        let source = &source.source;
        let found = result.and_then(|found| match found {
            Some(found) => open(source, found, &mut leaving_out, options),
            None => Ok(None),
        });
        match found {
            Ok(found) => opened.extend(found),
            Err(error) => leave_out(source, error, &mut leaving_out, options.now)?,
        }
    }
    let mut loaded = Repositories::default();
    let wanted: Vec<&IndexFile> = opened.iter().flat_map(|one| &one.files).collect();
    let mut read =
        parallel(&wanted, LOADS, |file| packages(file, fetcher, &options.memory)).into_iter();
    for Opened { source, verified, files } in opened {
        // all of a source or nothing: half of it could offer what the other half makes wrong
        let own: Vec<Result<PackagesFile, AptError>> = read.by_ref().take(files.len()).collect();
        match own.into_iter().collect::<Result<Vec<PackagesFile>, AptError>>() {
            Ok(own) => {
                for (file, packages) in files.iter().zip(own) {
                    loaded.index.push(packages, Arc::clone(&file.info));
                }
                loaded.verified.push(verified);
            }
            Err(error) => leave_out(source, error, &mut leaving_out, options.now)?,
        }
    }
    loaded.left_out = leaving_out.settle(loaded.verified.len(), fetcher.progress())?;
    Ok(loaded)
}

/// Leaves a source out because of an error, if the error is the source's.
fn leave_out(
    source: &AptSource,
    error: AptError,
    leaving_out: &mut LeavingOut,
    now: i64,
) -> Result<(), AptError> {
    if error.is_of_this_machine() || matches!(error, AptError::Unusable(_)) {
        return Err(error);
    }
    match problem(source, &error, now) {
        SourceProblem::Moved(moved) => leaving_out.leave_out_moved(source.describe(), moved)?,
        SourceProblem::Other(why) => leaving_out.leave_out(source.describe(), why)?,
    }
    Ok(())
}

/// A source with the index files that are wanted of it. A component that it does not have is
/// left out by itself, as apt does.
fn open<'a>(
    source: &'a AptSource,
    SignedRelease { release, signer, made }: SignedRelease,
    leaving_out: &mut LeavingOut,
    options: &LoadOptions,
) -> Result<Option<Opened<'a>>, AptError> {
    let IndexFiles { files, mut missing } = index_files(source, &release, options)?;
    if files.is_empty()
        && let Some(error) = missing.pop()
    {
        return Err(error);
    }
    for error in missing {
        leaving_out.leave_out(source.describe(), error.to_string())?;
    }
    let repository = source.describe();
    let date = release.date.clone();
    let verified = Verified { repository, date, made, signer: Some(signer) };
    Ok(Some(Opened { source, verified, files }))
}

impl SignedSource {
    /// `$(ARCH)` in URL and suite: sources.list(5).
    fn for_architecture(mut self, native: &str) -> Self {
        for text in [&mut self.source.url, &mut self.source.suite] {
            *text = text.replace("$(ARCH)", native);
        }
        self
    }
}

#[cfg(test)]
mod tests;
