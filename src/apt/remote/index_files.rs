//! The index files of a source: which of them a Release file names, and their content.
//!
//! In comes a verified Release file; out come [`IndexFile`]s, and each one's packages, read after
//! their SHA-256 holds, or from the cache.

use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use super::{AptError, LoadOptions};
use crate::index::RepositoryInfo;
use crate::packages_file::{FORMAT, PackagesFile};
use crate::release::ReleaseFile;
use crate::sources::{AptSource, ByHash};
use imgfix_model::digest::Digest;
use imgfix_repository::fetch::{Fetcher, Wanted};
use imgfix_repository::repository_url::Origin;
use imgfix_vfs::{Memory, compression};

/// A gzip index is preferred to the xz one when it is at most so much larger, in bytes:
/// fetching these takes less time than xz takes longer to unpack (Debian's largest index:
/// 3 MB more, 0.3 s less).
const GZIP_MARGIN: u64 = 4 << 20;

/// A `Packages` file to load.
pub(super) struct IndexFile {
    wanted: Wanted,
    /// Of the file as it is served.
    digest: Digest,
    /// `xz`, `gz`, `zst`, or empty.
    compression: &'static str,
    pub(super) info: Arc<RepositoryInfo>,
}

/// The index files of a source, and what it should have and does not.
#[derive(Default)]
pub(super) struct IndexFiles {
    pub(super) files: Vec<IndexFile>,
    pub(super) missing: Vec<AptError>,
}

/// Which index files of a Release file are wanted.
pub(super) fn index_files(
    source: &AptSource,
    release: &ReleaseFile,
    options: &LoadOptions,
) -> Result<IndexFiles, AptError> {
    if source.components.is_empty() {
        let only = index_file(source, release, "", "");
        let files = vec![only.ok_or(AptError::NoIndex { name: source.describe() })?];
        return Ok(IndexFiles { files, missing: Vec::new() });
    }
    let all = release.has_all().then_some("all");
    let wanted: Vec<&str> = options
        .architectures
        .iter()
        .map(String::as_str)
        .filter(|architecture| source.wants(architecture))
        .collect();
    let IndexFiles { mut files, mut missing } = IndexFiles::default();
    for component in &source.components {
        // Release files of bullseye-security and its successors list updates/main as main
        let folder = component.strip_prefix("updates/").unwrap_or(component);
        let before = files.len();
        for architecture in wanted.iter().copied().chain(all) {
            let folder = format!("{folder}/binary-{architecture}/");
            files.extend(index_file(source, release, component, &folder));
        }
        let needed = source.origin != Origin::Added && source.architectures.is_empty();
        if let Some(architecture) = wanted.first()
            && needed
            && files.len() == before
        {
            missing.push(AptError::NoComponent {
                name: source.describe(),
                component: component.clone(),
                architecture: (*architecture).to_owned(),
                has: release.components.join(", "),
            });
        }
    }
    Ok(IndexFiles { files, missing })
}

/// One index file, if the Release file lists it.
fn index_file(
    source: &AptSource,
    release: &ReleaseFile,
    component: &str,
    folder: &str,
) -> Option<IndexFile> {
    let plain = format!("{folder}Packages");
    let (compression, size, digest) = choose(|compression| match compression {
        "" => release.file(&plain),
        _ => release.file(&format!("{plain}.{compression}")),
    })?;
    let dot = if compression.is_empty() { "" } else { "." };
    let path = format!("{plain}{dot}{compression}");
    let dists = source.dists();
    let by_hash = match source.by_hash {
        ByHash::AsReleased => release.by_hash,
        ByHash::Never => false,
        ByHash::Always => true,
    };
    let hashed = by_hash.then(|| format!("{dists}{folder}by-hash/SHA256/{}", digest.hex()));
    let urls = hashed.into_iter().chain([format!("{dists}{path}")]).collect();
    let info = RepositoryInfo {
        url: source.url.clone(),
        suite: source.suite.clone(),
        component: component.to_owned(),
        architecture: architecture_of(folder).to_owned(),
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
    let wanted = Wanted { urls, size, checksum: digest.into(), name };
    Some(IndexFile { wanted, digest, compression, info: Arc::new(info) })
}

/// The architecture of `main/binary-amd64/`.
fn architecture_of(folder: &str) -> &str {
    folder.rsplit_once("binary-").map_or("", |(_, name)| name.trim_end_matches('/'))
}

/// The compression that takes least time to fetch and read, of those that are listed.
pub(super) fn choose(
    listed: impl Fn(&str) -> Option<(u64, Digest)>,
) -> Option<(&'static str, u64, Digest)> {
    let found = |compression: &'static str| {
        listed(compression).map(|(size, digest)| (compression, size, digest))
    };
    let smallest = match (found("xz"), found("gz")) {
        (Some(xz), Some(gz)) => Some(if gz.1 > xz.1 + GZIP_MARGIN { xz } else { gz }),
        (xz, gz) => xz.or(gz),
    };
    found("zst").or(smallest).or_else(|| found(""))
}

/// A `Packages` file in its compact form: from the cache, or computed and kept there.
pub(super) fn packages(
    file: &IndexFile,
    fetcher: &Fetcher,
    memory: &Memory,
) -> Result<PackagesFile, AptError> {
    let IndexFile { wanted, digest, .. } = file;
    let cache = fetcher.cache();
    let compact = format!("apt-packages-{FORMAT}");
    let kept = cache.derived(&compact, digest);
    let kept = kept.map(|bytes| PackagesFile::from_bytes(bytes, memory));
    let packages = if let Some(Ok(packages)) = kept {
        packages
    } else {
        let path = fetcher.one_of(wanted)?;
        let reader = decompress(&path, file.compression)
            .map_err(|why| AptError::Decompress { name: wanted.name.clone(), why })?;
        let packages = PackagesFile::read(BufReader::with_capacity(1 << 18, reader), memory)
            .map_err(|source| AptError::Index { name: wanted.name.clone(), source })?;
        // A cache that cannot be written costs time in the next run, nothing else. The file it
        // was made from stays: on another machine it is all that can be verified.
        let _ = cache.keep_derived(&compact, digest, packages.as_bytes());
        packages
    };
    if let Some((count, first)) = packages.left_out() {
        let name = &wanted.name;
        let (noun, are) = if count == 1 { ("package", "is") } else { ("packages", "are") };
        fetcher.progress().warn(&format!(
            "{name}: {count} {noun} cannot be fetched safely and {are} left out ({first})"
        ));
    }
    Ok(packages)
}

fn decompress(path: &Path, compression: &str) -> Result<Box<dyn Read>, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let file = BufReader::with_capacity(1 << 17, file);
    Ok(match compression {
        "zst" => Box::new(compression::zstd(file).map_err(|error| error.to_string())?),
        "xz" => Box::new(compression::xz(file).map_err(|error| error.to_string())?),
        "gz" => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        _ => Box::new(file),
    })
}
