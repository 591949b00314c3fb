//! Repositories of Maven's layout: which versions an artifact has, and its archive with the hash
//! that the repository has of it. What a repository fails in is the reason of one library, unless
//! nothing may be left out.

use imgfix_model::plan::Archive;
use imgfix_model::reason::Reason;
use imgfix_repair::error::RepairerError;
use imgfix_repair::libraries::asking::{failed, unreadable};
use imgfix_repair::repairer::Work;
use imgfix_repository::{ContentHash, FetchError, Hashed};

use crate::listing::MAX_FILE;
use crate::manifest::{is_name, is_version};
use crate::settings::{CENTRAL, MAX_METADATA, metadata_versions};

/// A file with a hash, with what may stand behind it.
const MAX_HASH: u64 = 4096;

/// What a repository says, or why a library is left.
pub type Answer<T> = Result<T, Reason>;

/// Repositories in the order in which they are asked.
fn places(work: &Work<'_>) -> Vec<String> {
    let places = &work.edge.repositories.libraries.java.places;
    match places.is_empty() {
        true => vec![CENTRAL.to_owned()],
        false => places.iter().map(|one| one.url.clone()).collect(),
    }
}

/// `org/yaml/snakeyaml` of `org.yaml:snakeyaml`; `None`: it cannot be one's name.
fn folder(name: &str) -> Option<String> {
    let (group, artifact) = name.split_once(':')?;
    let usable = is_name(group) && is_name(artifact);
    usable.then(|| format!("{}/{artifact}", group.replace('.', "/")))
}

/// A small file of a repository; `None`: it does not have it. The cache remembers no missing
/// file: offline, one that was never there counts as missing where `is_optional`.
fn file(
    url: &str,
    limit: u64,
    is_optional: bool,
    work: &Work<'_>,
) -> Result<Answer<Option<Vec<u8>>>, RepairerError> {
    match work.fetcher.unsigned(url, limit, None) {
        Ok(found) => Ok(Ok(found.map(Into::into))),
        Err(FetchError::Offline { .. }) if is_optional => Ok(Ok(None)),
        Err(error) => Ok(Err(failed(url, error, work)?)),
    }
}

/// The versions that the repositories have; none: they do not have the artifact.
pub fn versions(name: &str, work: &Work<'_>) -> Result<Answer<Vec<String>>, RepairerError> {
    let Some(folder) = folder(name) else { return Ok(Ok(Vec::new())) };
    let mut found = Vec::new();
    let places = places(work);
    for place in &places {
        let url = format!("{place}{folder}/maven-metadata.xml");
        match file(&url, MAX_METADATA, places.len() > 1, work)? {
            Ok(None) => {}
            Ok(Some(text)) => match metadata_versions(&text) {
                Ok(versions) => found.extend(versions),
                Err(why) => return Ok(Err(unreadable(&url, why))),
            },
            Err(reason) => return Ok(Err(reason)),
        }
    }
    Ok(Ok(found))
}

/// The archive of a version; `None`: no repository has it with a hash.
pub fn archive(
    name: &str,
    version: &str,
    work: &Work<'_>,
) -> Result<Answer<Option<Archive>>, RepairerError> {
    let Some(folder) = folder(name).filter(|_| is_version(version)) else { return Ok(Ok(None)) };
    let (_, artifact) = name.split_once(':').unwrap_or_default();
    for place in places(work) {
        let url = format!("{place}{folder}/{version}/{artifact}-{version}.jar");
        let hash = match hash(&url, work)? {
            Ok(Some(hash)) => hash,
            Ok(None) => continue,
            Err(reason) => return Ok(Err(reason)),
        };
        match work.fetcher.hashed(&[Hashed { url: url.clone(), hash, limit: MAX_FILE }]) {
            Ok(kept) => {
                let Some(kept) = kept.into_iter().next() else { continue };
                let (size, checksum) = (kept.size, kept.digest.into());
                return Ok(Ok(Some(Archive { url, size, checksum, repository: place })));
            }
            Err(FetchError::NotFound { .. }) => {}
            Err(error @ FetchError::Mismatch { .. }) => {
                let (package, detail) = (format!("{name} {version}"), error.to_string());
                return Ok(Err(Reason::Untrusted { package, detail }));
            }
            Err(error) => return Ok(Err(failed(&url, error, work)?)),
        }
    }
    Ok(Ok(None))
}

/// The strongest hash that stands beside a file.
fn hash(url: &str, work: &Work<'_>) -> Result<Answer<Option<ContentHash>>, RepairerError> {
    for end in ["sha512", "sha256", "sha1"] {
        let text = match file(&format!("{url}.{end}"), MAX_HASH, true, work)? {
            Ok(Some(text)) => text,
            Ok(None) => continue,
            Err(reason) => return Ok(Err(reason)),
        };
        // some write the file's name behind it
        let text = String::from_utf8_lossy(&text);
        let hash = text.split_ascii_whitespace().next().and_then(ContentHash::from_hex);
        if let Some(hash) = hash.filter(|hash| hash.name() == end) {
            return Ok(Ok(Some(hash)));
        }
    }
    Ok(Ok(None))
}

/// The largest signature that is read, in bytes.
const MAX_SIGNATURE: u64 = 1 << 20;

/// The signature beside an archive (`.asc`); `None`: there is none.
pub fn signature(url: &str, work: &Work<'_>) -> Result<Answer<Option<Vec<u8>>>, RepairerError> {
    file(&format!("{url}.asc"), MAX_SIGNATURE, true, work)
}
