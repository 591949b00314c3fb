//! Repositories of Maven's layout: which versions an artifact has, and its archive with the hash
//! that the repository has of it.

use imgfix_model::plan::Archive;
use imgfix_repair::error::RepairerError;
use imgfix_repair::repairer::Work;
use imgfix_repository::{ContentHash, FetchError, Hashed};

use crate::listing::MAX_FILE;
use crate::manifest::{is_name, is_version};
use crate::settings::{CENTRAL, MAX_METADATA, metadata_versions};

/// A file with a hash, with what may stand behind it.
const MAX_HASH: u64 = 4096;

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

/// The versions that the repositories have; none: they do not have the artifact.
pub fn versions(name: &str, work: &Work<'_>) -> Result<Vec<String>, RepairerError> {
    let Some(folder) = folder(name) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for place in places(work) {
        let url = format!("{place}{folder}/maven-metadata.xml");
        if let Some(text) = work.fetcher.unsigned(&url, MAX_METADATA, None)? {
            let versions = metadata_versions(&text);
            found.extend(versions.map_err(|why| FetchError::Failed { url, why })?);
        }
    }
    Ok(found)
}

/// The archive of a version; `None`: no repository has it with a hash.
pub fn archive(
    name: &str,
    version: &str,
    work: &Work<'_>,
) -> Result<Option<Archive>, RepairerError> {
    let Some(folder) = folder(name).filter(|_| is_version(version)) else { return Ok(None) };
    let (_, artifact) = name.split_once(':').unwrap_or_default();
    for place in places(work) {
        let url = format!("{place}{folder}/{version}/{artifact}-{version}.jar");
        let Some(hash) = hash(&url, work)? else { continue };
        let mut kept =
            work.fetcher.hashed(&[Hashed { url: url.clone(), hash, limit: MAX_FILE }])?;
        if let Some(kept) = kept.pop() {
            let (size, checksum) = (kept.size, kept.digest.into());
            return Ok(Some(Archive { url, size, checksum, repository: place }));
        }
    }
    Ok(None)
}

/// The strongest hash that stands beside a file.
fn hash(url: &str, work: &Work<'_>) -> Result<Option<ContentHash>, RepairerError> {
    for end in ["sha512", "sha256", "sha1"] {
        let Some(text) = work.fetcher.unsigned(&format!("{url}.{end}"), MAX_HASH, None)? else {
            continue;
        };
        // some write the file's name behind it
        let text = String::from_utf8_lossy(&text);
        let hash = text.split_ascii_whitespace().next().and_then(ContentHash::from_hex);
        if let Some(hash) = hash.filter(|hash| hash.name() == end) {
            return Ok(Some(hash));
        }
    }
    Ok(None)
}
