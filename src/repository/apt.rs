//! Loads apt repositories: Release files fetched, verified and judged fresh, then the
//! `Packages` files they name, into one [`PackageIndex`].
//!
//! Only what is signed is believed: a Release file is parsed after its signature holds, and
//! an index file after its SHA-256 holds.

use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use super::fetch::{FetchError, Fetcher, Wanted};
use super::freshness::{self, Expired, FreshnessError};
use super::signature::{Keyring, SignatureError, Signer, verify_cleartext, verify_detached};
use crate::packages::dpkg::index::{PackageIndex, RepositoryInfo};
use crate::packages::dpkg::packages_file::{IndexError, PackagesFile};
use crate::packages::dpkg::release::{Release, ReleaseError};
use crate::packages::dpkg::sources::{AptSource, Origin};

/// The largest Release file, in bytes.
const MAX_RELEASE: u64 = 16 << 20;
/// The largest unpacked `Packages` file, in bytes.
const MAX_INDEX: u64 = 1 << 30;
/// The name of the compact form in the cache; its number changes with the format.
const COMPACT: &str = "apt-packages-1";

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
    Release(#[from] ReleaseError),
    #[error(
        "{url}: neither InRelease nor Release with Release.gpg is there; check the URL and suite {suite:?}"
    )]
    NoRelease { url: String, suite: String },
    #[error(
        "{url} is not signed (no InRelease and no Release.gpg); unsigned repositories are refused"
    )]
    Unsigned { url: String },
    #[error("{name}: the repository calls itself {found:?}, not {wanted:?}")]
    OtherSuite { name: String, found: String, wanted: String },
    #[error("{name} has no index for component {component:?} and architecture {architecture:?}")]
    NoComponent { name: String, component: String, architecture: String },
    #[error("{name}: {source}")]
    Index { name: String, source: IndexError },
    #[error("{name}: cannot decompress: {why}")]
    Decompress { name: String, why: String },
    #[error(
        "{repository}: no key to verify it: the image has none for it; give one with --keyring FILE"
    )]
    NoKeyring { repository: String },
}

/// A source with the keys that may sign it.
#[derive(Debug, Clone)]
pub struct SignedSource {
    pub source: AptSource,
    pub keyring: Keyring,
}

/// A repository that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// `http://deb.debian.org/debian bookworm`.
    pub repository: String,
    /// `Date` of its Release file.
    pub date: Option<String>,
    pub signer: Signer,
}

/// What the caller decides.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// The image's architectures, the native one first.
    pub architectures: Vec<String>,
    /// Seconds since the epoch.
    pub now: i64,
    pub expired: Expired,
}

/// Everything that was loaded.
#[derive(Debug, Default)]
pub struct Loaded {
    pub index: PackageIndex,
    pub verified: Vec<Verified>,
}

/// An index file to load.
struct Part {
    wanted: Wanted,
    info: Arc<RepositoryInfo>,
}

/// Loads all sources, in their order.
///
/// # Errors
/// The first source that cannot be fetched, verified or read.
pub fn load(
    sources: &[SignedSource],
    fetcher: &Fetcher,
    options: &LoadOptions,
) -> Result<Loaded, AptError> {
    let mut loaded = Loaded::default();
    let mut parts = Vec::new();
    // Release files are small; each host answers one at a time.
    let releases = parallel(sources, |source| release(source, fetcher, options));
    for (source, result) in sources.iter().zip(releases) {
        let Some((release, signer)) = result? else { continue };
        loaded.verified.push(Verified {
            repository: source.source.describe(),
            date: release.date.clone(),
            signer,
        });
        parts.extend(index_parts(&source.source, &release, options)?);
    }
    for (part, file) in parts.iter().zip(parallel(&parts, |part| packages(part, fetcher))) {
        loaded.index.push(file?, Arc::clone(&part.info));
    }
    Ok(loaded)
}

/// Maps on as many threads as there are items, up to a bound, keeping the order.
fn parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    const THREADS: usize = 4;
    let mut out = Vec::with_capacity(items.len());
    for chunk in items.chunks(THREADS) {
        std::thread::scope(|scope| {
            let handles: Vec<_> = chunk.iter().map(|item| scope.spawn(|| work(item))).collect();
            for handle in handles {
                match handle.join() {
                    Ok(result) => out.push(result),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        });
    }
    out
}

/// The verified Release file of a source; `None` when imgfix added the source and the archive
/// does not have it (a suite that is not opened yet, or archived).
fn release(
    source: &SignedSource,
    fetcher: &Fetcher,
    options: &LoadOptions,
) -> Result<Option<(Release, Signer)>, AptError> {
    let apt = &source.source;
    let dists = apt.dists();
    if source.keyring.is_empty() {
        return Err(AptError::NoKeyring { repository: apt.describe() });
    }
    let url = format!("{dists}InRelease");
    let (text, signer, name) = match fetcher.latest(&url, MAX_RELEASE)? {
        Some(bytes) => {
            let (text, signer) = verify_cleartext(&url, &bytes, &source.keyring, options.now)?;
            (text, signer, url)
        }
        None => {
            let url = format!("{dists}Release");
            let Some(bytes) = fetcher.latest(&url, MAX_RELEASE)? else {
                if apt.origin == Origin::Added {
                    return Ok(None);
                }
                return Err(AptError::NoRelease { url: dists, suite: apt.suite.clone() });
            };
            let signature = fetcher
                .latest(&format!("{url}.gpg"), MAX_RELEASE)?
                .ok_or_else(|| AptError::Unsigned { url: dists.clone() })?;
            let signer = verify_detached(&url, &bytes, &signature, &source.keyring, options.now)?;
            (String::from_utf8_lossy(&bytes).into_owned(), signer, url)
        }
    };
    let release = Release::parse(&name, &text)?;
    let until = release.valid_until.as_deref().filter(|_| apt.check_valid_until);
    freshness::check(&name, release.date.as_deref(), until, options.now, options.expired)?;
    if !release.answers_to(&apt.suite) {
        let (found, wanted) = (release.suite.clone(), apt.suite.clone());
        return Err(AptError::OtherSuite { name, found, wanted });
    }
    Ok(Some((release, signer)))
}

/// Which index files of a Release are wanted.
fn index_parts(
    source: &AptSource,
    release: &Release,
    options: &LoadOptions,
) -> Result<Vec<Part>, AptError> {
    let mut parts = Vec::new();
    let native = options.architectures.first().map(String::as_str).unwrap_or_default();
    let mut add = |component: &str, folder: &str| {
        let part = part(source, release, component, folder);
        let found = part.is_some();
        parts.extend(part);
        found
    };
    if source.components.is_empty() {
        add("", "");
        return Ok(parts);
    }
    // As apt: an index for `all` counts only where the Release file names that architecture
    // and does not say that the others have it all.
    let named = release.architectures.iter().any(|one| one == "all");
    let all = (named && !release.all_is_everywhere).then_some("all");
    for component in &source.components {
        // bullseye-security and its successors list updates/main as main
        let folder = component.strip_prefix("updates/").unwrap_or(component);
        let mut any = false;
        for architecture in options.architectures.iter().map(String::as_str).chain(all) {
            let chosen = &source.architectures;
            if !chosen.is_empty()
                && architecture != "all"
                && !chosen.iter().any(|a| a == architecture)
            {
                continue;
            }
            any |= add(component, &format!("{folder}/binary-{architecture}/"));
        }
        if !any && source.origin != Origin::Added && source.architectures.is_empty() {
            return Err(AptError::NoComponent {
                name: source.describe(),
                component: component.clone(),
                architecture: native.to_owned(),
            });
        }
    }
    Ok(parts)
}

/// One index file in the compression that is cheapest to read, if the Release lists it.
fn part(source: &AptSource, release: &Release, component: &str, folder: &str) -> Option<Part> {
    let plain = format!("{folder}Packages");
    let dists = source.dists();
    let (path, (size, digest)) = [".zst", ".xz", ".gz", ""]
        .iter()
        .map(|ending| format!("{plain}{ending}"))
        .find_map(|path| release.file(&path).map(|found| (path, found)))?;
    let mut urls = Vec::new();
    if release.by_hash {
        urls.push(format!("{dists}{folder}by-hash/SHA256/{}", digest.hex()));
    }
    urls.push(format!("{dists}{path}"));
    let info = RepositoryInfo {
        url: source.url.clone(),
        suite: source.suite.clone(),
        component: component.to_owned(),
        origin: release.origin.clone(),
        label: release.label.clone(),
        archive: release.suite.clone(),
        codename: release.codename.clone(),
        version: release.version.clone(),
        not_automatic: release.not_automatic,
        but_automatic_upgrades: release.but_automatic_upgrades,
        added: source.origin == Origin::Added,
    };
    let name = format!("{} {path}", source.describe());
    Some(Part { wanted: Wanted { urls, size, digest, name }, info: Arc::new(info) })
}

/// A `Packages` file in its compact form: from the cache, or computed and kept there.
fn packages(part: &Part, fetcher: &Fetcher) -> Result<PackagesFile, AptError> {
    let wanted = &part.wanted;
    let failed = |source| AptError::Index { name: wanted.name.clone(), source };
    if let Some(bytes) = fetcher.cache().derived(COMPACT, &wanted.digest)
        && let Ok(file) = PackagesFile::from_bytes(bytes)
    {
        return Ok(file);
    }
    let paths = fetcher.all(std::slice::from_ref(wanted))?;
    let path = paths.first().ok_or_else(|| FetchError::NotFound { url: wanted.name.clone() })?;
    let ending = wanted.urls.last().and_then(|url| url.rsplit('.').next()).unwrap_or_default();
    let reader = decompress(path, ending)
        .map_err(|why| AptError::Decompress { name: wanted.name.clone(), why })?;
    let file = PackagesFile::read(BufReader::with_capacity(1 << 18, reader.take(MAX_INDEX)))
        .map_err(failed)?;
    // A cache that cannot be written costs time in the next run, nothing else.
    let _ = fetcher.cache().keep_derived(COMPACT, &wanted.digest, file.as_bytes());
    Ok(file)
}

fn decompress(path: &Path, ending: &str) -> Result<Box<dyn Read>, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let file = BufReader::with_capacity(1 << 17, file);
    Ok(match ending {
        "zst" => Box::new(
            zstd::stream::read::Decoder::with_buffer(file).map_err(|error| error.to_string())?,
        ),
        "xz" => Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(file)),
        "gz" => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        _ => Box::new(file),
    })
}
