//! The registry as this run asks it: each package once, its keys once.
//!
//! In come names and versions; out come what the registry has, and archives of this machine's
//! cache that have the registry's hash. What cannot be asked about one package is a reason for
//! that package.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::rc::Rc;

use imgfix_model::plan::Archive;
use imgfix_model::reason::Reason;
use imgfix_repair::archive::Limits;
use imgfix_repair::error::RepairerError;
use imgfix_repair::libraries::asking::{failed, unreadable};
use imgfix_repair::repairer::Work;
use imgfix_repository::registries::Registries;
use imgfix_repository::{FetchError, Hashed};
use imgfix_vfs::{Content, Spool};
use serde_json::Value;

use crate::manifest::Manifest;
use crate::npmrc;
use crate::packument::{self, Packument, Published};
use crate::records;
use crate::signatures::{self, Keys};
use crate::tarball::{self, Tarball, TarballError};

/// The largest archive, in bytes.
const MAX_ARCHIVE: u64 = 256 << 20;

/// What the archives of one run may have unpacked on disk, in bytes.
const MAX_UNPACKED: u64 = 4 << 30;

/// What one package's question came to.
pub type Answer<T> = Result<T, Reason>;

/// What an archive brings below its `node_modules`: folders by their paths in the package, with
/// the packages in them.
pub type Bundle = BTreeMap<String, Manifest>;

/// What was asked so far.
#[derive(Default)]
pub struct Asked {
    packuments: RefCell<BTreeMap<String, Answer<Rc<Packument>>>>,
    keys: RefCell<BTreeMap<String, Result<Rc<Keys>, String>>>,
    bundles: RefCell<BTreeMap<String, Answer<Rc<Bundle>>>>,
}

impl Asked {
    /// What a registry has of a package.
    ///
    /// # Errors
    /// The registry cannot be used, and none may be left out.
    pub fn packument(
        &self,
        name: &str,
        work: &Work<'_>,
    ) -> Result<Answer<Rc<Packument>>, RepairerError> {
        if let Some(known) = self.packuments.borrow().get(name) {
            return Ok(known.clone());
        }
        let answer = Self::ask(name, work)?.map(Rc::new);
        self.packuments.borrow_mut().insert(name.to_owned(), answer.clone());
        Ok(answer)
    }

    fn ask(name: &str, work: &Work<'_>) -> Result<Answer<Packument>, RepairerError> {
        let left = |detail: String| Ok(Err(Reason::not_repairable(name, detail)));
        if !is_name(name) {
            return left("no registry has packages of such a name".to_owned());
        }
        let registry = npmrc::registry_of(registries(work), name);
        let url = format!("{registry}{}", name.replace('/', "%2f"));
        match work.fetcher.unsigned(&url, packument::MAX, Some(packument::ACCEPT)) {
            Ok(Some(bytes)) => match Packument::read(name, &bytes) {
                Ok(found) => Ok(Ok(found)),
                Err(why) => Ok(Err(unreadable(&url, why))),
            },
            Ok(None) => left(format!("{registry} does not have it")),
            Err(error) => Ok(Err(failed(&url, error, work)?)),
        }
    }

    /// The archive of a version, fetched and held against the registry's hash.
    ///
    /// # Errors
    /// This machine cannot fetch or keep it.
    pub fn archive(
        &self,
        published: &Published,
        work: &Work<'_>,
    ) -> Result<Answer<Archive>, RepairerError> {
        let Manifest { name, version, .. } = &published.manifest;
        let registries = registries(work);
        let url = npmrc::archive_url(registries, name, &published.url);
        let wanted = Hashed { url, hash: published.hash.clone(), limit: MAX_ARCHIVE };
        match work.fetcher.hashed(&[wanted]) {
            Ok(kept) => {
                let one = kept.into_iter().next();
                let kept = one.ok_or_else(|| nothing_came(&published.url))?;
                Ok(Ok(Archive {
                    url: published.url.clone(),
                    size: kept.size,
                    checksum: kept.digest.into(),
                    repository: npmrc::registry_of(registries, name).to_owned(),
                }))
            }
            Err(error @ FetchError::Mismatch { .. }) => Ok(Err(Reason::Untrusted {
                package: format!("{name} {version}"),
                detail: error.to_string(),
            })),
            Err(error) => Ok(Err(failed(&published.url, error, work)?)),
        }
    }

    /// The id of the key by which the registry signed a version.
    ///
    /// # Errors
    /// This machine cannot fetch.
    pub fn signer(
        &self,
        published: &Published,
        work: &Work<'_>,
    ) -> Result<Result<String, String>, RepairerError> {
        let Manifest { name, version, .. } = &published.manifest;
        let registry = npmrc::registry_of(registries(work), name);
        let known = self.keys.borrow().get(registry).cloned();
        let keys = match known {
            Some(keys) => keys,
            None => {
                let url = format!("{registry}{}", signatures::KEYS);
                let keys = match work.fetcher.unsigned(&url, signatures::MAX_KEYS, None) {
                    Ok(Some(bytes)) => Keys::read(&bytes).map(Rc::new),
                    Ok(None) => Err(format!("{registry} has no keys ({})", signatures::KEYS)),
                    Err(error @ (FetchError::Cache { .. } | FetchError::Setup(_))) => {
                        return Err(error.into());
                    }
                    Err(error) => Err(error.to_string()),
                };
                self.keys.borrow_mut().insert(registry.to_owned(), keys.clone());
                keys
            }
        };
        Ok(keys.and_then(|keys| {
            let Published { signatures, integrity, .. } = published;
            keys.verify(name, version, integrity, signatures, work.edge.now)
        }))
    }

    /// What the archive of a version brings below its own `node_modules`.
    ///
    /// # Errors
    /// This machine cannot fetch or unpack it.
    pub fn bundle(
        &self,
        published: &Published,
        work: &Work<'_>,
    ) -> Result<Answer<Rc<Bundle>>, RepairerError> {
        let key = published.url.clone();
        if let Some(known) = self.bundles.borrow().get(&key) {
            return Ok(known.clone());
        }
        let answer = match self.archive(published, work)? {
            Err(reason) => Err(reason),
            Ok(archive) => match self.read(&archive, work)? {
                Ok((tarball, _)) => Ok(Rc::new(bundle(&tarball))),
                Err(why) => Err(Reason::Untrusted {
                    package: published.manifest.name.clone(),
                    detail: format!("{}: {why}", archive.url),
                }),
            },
        };
        self.bundles.borrow_mut().insert(key, answer.clone());
        Ok(answer)
    }

    /// An archive of a plan: what it holds, and the hashes that lockfiles have. An error within is
    /// the archive's.
    ///
    /// # Errors
    /// It cannot be fetched, or this machine cannot unpack it.
    pub fn read(
        &self,
        archive: &Archive,
        work: &Work<'_>,
    ) -> Result<Result<(Tarball, Hashes), String>, RepairerError> {
        let url = npmrc::archive_url(registries(work), name_in(&archive.url), &archive.url);
        let fetched = Archive { url, ..archive.clone() };
        let path = work.fetcher.archives(&[&fetched])?;
        let unreadable =
            |source| RepairerError::ArchiveFile { archive: archive.url.clone(), source };
        let path = path.into_iter().next().ok_or_else(|| nothing_came(&archive.url))?;
        let mut bytes = Vec::new();
        let mut file = File::open(path).map_err(unreadable)?;
        file.read_to_end(&mut bytes).map_err(unreadable)?;
        let spool = Spool::bounded(MAX_UNPACKED).map_err(RepairerError::Temporary)?;
        let limits = Limits::for_archive(archive.size, &work.edge.memory);
        match tarball::read(&bytes[..], &spool, &limits) {
            Ok(tarball) => Ok(Ok((tarball, Hashes::of(&bytes)))),
            Err(TarballError::Invalid(why)) => Ok(Err(why)),
            Err(TarballError::Spool(error)) => Err(RepairerError::Temporary(error)),
            Err(error @ TarballError::OverBudget(_)) => Err(RepairerError::TooMuch {
                archive: archive.url.clone(),
                source: Box::new(error),
            }),
        }
    }
}

/// What lockfiles say of an archive.
pub struct Hashes {
    /// Hexadecimal digits.
    pub sha1: String,
    /// As integrity.
    pub sha512: String,
}

impl Hashes {
    fn of(bytes: &[u8]) -> Self {
        use base64::Engine as _;
        use base64::engine::general_purpose::STANDARD;
        use sha2::Digest as _;
        Self {
            sha1: imgfix_model::hex::encode(sha1::Sha1::digest(bytes)),
            sha512: format!("sha512-{}", STANDARD.encode(sha2::Sha512::digest(bytes))),
        }
    }
}

fn registries<'a>(work: &Work<'a>) -> &'a Registries {
    &work.edge.repositories.libraries.node
}

fn nothing_came(url: &str) -> RepairerError {
    let why = "nothing came of it".to_owned();
    FetchError::Failed { url: url.to_owned(), why }.into()
}

/// Names that registries have, old ones too: they stand in addresses.
fn is_name(name: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~!'()*".contains(&byte))
    };
    match name.strip_prefix('@') {
        Some(scoped) => {
            scoped.split_once('/').is_some_and(|(scope, name)| is_part(scope) && is_part(name))
        }
        None => is_part(name),
    }
}

/// The name of a package in the address of its archive: `REGISTRY/NAME/-/FILE`.
fn name_in(url: &str) -> &str {
    let path = url.strip_prefix(npmrc::PUBLIC).unwrap_or_default();
    path.split_once("/-/").map_or("", |(name, _)| name)
}

fn bundle(tarball: &Tarball) -> Bundle {
    let mut found = Bundle::new();
    for (name, file) in &tarball.files {
        let path = [b"/", name.as_slice()].concat();
        if !records::is_record(&path) || file.size > imgfix_repair::library_records::MAX_RECORD {
            continue;
        }
        let bytes = match &file.content {
            Content::Inline(bytes) => bytes.to_vec(),
            Content::Spool(stored) => {
                let mut bytes = Vec::new();
                if stored.reader().read_to_end(&mut bytes).is_err() {
                    continue;
                }
                bytes
            }
            Content::Layer { .. } => continue,
        };
        let folder = name.strip_suffix(b"/package.json").unwrap_or_default();
        if let (Ok(document), Ok(folder)) =
            (imgfix_json::read::<Value>(&bytes), std::str::from_utf8(folder))
        {
            found.insert(folder.to_owned(), Manifest::of(&document));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_stand_in_addresses() {
        for (name, want) in [
            ("lodash", true),
            ("JSONStream", true),
            ("@babel/core", true),
            ("a.b-c_d~e", true),
            ("", false),
            ("..", false),
            (".bin", false),
            ("a/b", false),
            ("@a", false),
            ("@a/", false),
            ("@a/b/c", false),
            ("@a/../b", false),
            ("a?b", false),
            ("a%2fb", false),
            ("a b", false),
        ] {
            assert_eq!(is_name(name), want, "{name}");
        }
        for (url, want) in [
            ("https://registry.npmjs.org/a/-/a-1.0.0.tgz", "a"),
            ("https://registry.npmjs.org/@s/a/-/a-1.0.0.tgz", "@s/a"),
            ("https://other.example/a/-/a-1.0.0.tgz", ""),
        ] {
            assert_eq!(name_in(url), want);
        }
    }
}
