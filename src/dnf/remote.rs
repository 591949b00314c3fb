//! Loads rpm's repositories: mirrors asked for, `repomd.xml` fetched, verified and held against
//! what was seen before, then the metadata that it names.
//!
//! In come sources with the keys that may sign them; out come [`Repositories`]. Metadata of most
//! distributions is not signed: then each package's own signature is what counts, and
//! [`Repository::keyring`] says by whom. Where a source wants its metadata signed, or it is by a
//! key that is trusted, that signature has to hold. A digest that a metalink gives has to hold, too.

use std::collections::BTreeSet;
use std::io::Read as _;

use bytes::Bytes;

use super::arch::is_for;
use super::filelists;
use super::mirrors::{self, MAX_LIST, Mirrors, REPOMD};
use super::modules::{self, Modules, ModulesError};
use super::primary::{Package, PrimaryError, PrimaryFile};
use super::repomd::{MAX_REPOMD, MetadataFile, Repomd};
use super::sources::RpmSource;
use super::unpack;
use super::updateinfo::{Advisories, UpdateinfoError};
use super::variables::Variables;
use super::xml::XmlError;
use imgfix_host::parallel::{LOADS, parallel};
use imgfix_model::left_out::LeftOut;
use imgfix_model::plan::Archive;
use imgfix_repository::Verified;
use imgfix_repository::access::Credentials;
use imgfix_repository::fetch::{FetchError, Fetcher, Wanted};
use imgfix_repository::leaving_out::{LeavingOut, Unusable};
use imgfix_repository::newest::OlderIndex;
use imgfix_repository::signature::{Keyring, SignatureError, Signer, verify_detached};
use imgfix_vfs::{Memory, OverBudget};

/// How many mirrors of one repository are tried.
const MIRRORS: usize = 5;

/// How far an index may come from the future, in seconds.
const MAX_FUTURE: i64 = 24 * 3600;

/// Why a repository cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// A download failed.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The signature of its metadata is not good.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// Its metadata is older than one that was seen.
    #[error(transparent)]
    Older(#[from] OlderIndex),
    /// None of its places has metadata.
    #[error(
        "{}/repodata/repomd.xml is not there; check the URL and the release in it",
        url.trim_end_matches('/')
    )]
    NoRepomd {
        /// The first place.
        url: String,
    },
    /// Its metadata has to be signed, and is not.
    #[error(
        "{}/repodata/repomd.xml.asc is not there, and the image wants metadata that is signed \
         (repo_gpgcheck)",
        url.trim_end_matches('/')
    )]
    Unsigned {
        /// The place.
        url: String,
    },
    /// What a mirror has is none of the states that the list of mirrors knows.
    #[error("{url}: its repomd.xml is none that the list of mirrors knows")]
    Unknown {
        /// The mirror.
        url: String,
    },
    /// It comes from the future.
    #[error("{url} is dated in the future: check the clock")]
    Future {
        /// The place.
        url: String,
    },
    /// A file of the metadata is not there, or in a form that is not read.
    #[error("{url}: it has no {kind} with a SHA-256 in a form that can be read")]
    NoFile {
        /// The place.
        url: String,
        /// `primary`.
        kind: &'static str,
    },
    /// A file cannot be read.
    #[error("{file}: {why}")]
    File {
        /// The file's URL.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// There is no room for it.
    #[error("{file}: {source}")]
    Memory {
        /// The file's URL.
        file: String,
        /// How much there is, and how to allow more.
        source: OverBudget,
    },
    /// No key is known that could have signed its packages.
    #[error(
        "{repository}: no key to verify its packages: neither its gpgkey nor the image's rpm \
         database has one; give one with --keyring FILE"
    )]
    NoKeyring {
        /// The source.
        repository: String,
    },
    /// No repository is left.
    #[error(transparent)]
    Unusable(#[from] Unusable),
}

impl RepositoryError {
    /// Whether it is this machine that fails, whatever the source.
    fn is_of_this_machine(&self) -> bool {
        matches!(self, Self::Fetch(FetchError::Cache { .. } | FetchError::Setup(_)))
    }
}

/// A source with the keys that may sign it and its packages.
#[derive(Debug, Clone)]
pub struct SignedSource {
    /// The source, as the image or the user names it.
    pub source: RpmSource,
    /// Empty when no key is known; the source cannot be used then.
    pub keyring: Keyring,
}

/// What the caller decides.
pub struct LoadOptions<'a> {
    /// rpm's name of the machine: `x86_64`.
    pub architecture: &'a str,
    /// For lists of mirrors.
    pub variables: &'a Variables,
    /// Seconds since the epoch.
    pub now: i64,
    /// What the metadata may hold.
    pub memory: Memory,
    /// Packages whose advisories are wanted, by name.
    pub advised: &'a (dyn Fn(&str) -> bool + Sync),
    /// Whether metadata of modules counts.
    pub modules: bool,
}

/// A repository, loaded.
pub struct Repository {
    /// As the image or the user names it.
    pub source: RpmSource,
    /// Where it was found, with a slash at the end.
    pub url: String,
    /// What it offers.
    pub primary: PrimaryFile,
    /// What its vendor says of fixes.
    pub advisories: Advisories,
    /// Who may have signed its packages.
    pub keyring: Keyring,
    modules: Vec<u8>,
    filelists: Option<MetadataFile>,
    urls: Vec<String>,
}

impl Repository {
    /// Where a package is fetched.
    #[must_use]
    pub fn archive(&self, package: &Package<'_>) -> Archive {
        let base = match package.base() {
            base if base.starts_with("https://") || base.starts_with("http://") => {
                format!("{}/", base.trim_end_matches('/'))
            }
            _ => self.url.clone(),
        };
        Archive {
            url: format!("{base}{}", package.location()),
            size: package.size(),
            checksum: package.digest().into(),
            repository: self.source.place().to_owned(),
        }
    }

    /// One that offers what a file says, for tests.
    #[cfg(test)]
    pub(crate) fn of_primary(source: RpmSource, primary: PrimaryFile) -> Self {
        let url = format!("{}/", source.place());
        Self {
            url: url.clone(),
            primary,
            advisories: Advisories::none(&Memory::default()),
            keyring: Keyring::default(),
            modules: Vec::new(),
            filelists: None,
            urls: vec![url],
            source,
        }
    }

    /// Adds the files at `paths` that its `filelists.xml` knows.
    ///
    /// # Errors
    /// It cannot be fetched or read.
    pub fn find_files(
        &mut self,
        paths: &BTreeSet<String>,
        fetcher: &Fetcher,
    ) -> Result<(), RepositoryError> {
        let Some(file) = &self.filelists else { return Ok(()) };
        let (reader, name) = open(file, &self.urls, fetcher)?;
        let found = filelists::find(reader, paths).map_err(|error| xml(&name, &error))?;
        let files = found.iter().map(|(path, digest)| (path.as_str(), *digest));
        let added = self.primary.add_files(files);
        added.map_err(|source| RepositoryError::Memory { file: name, source })
    }
}

/// The repositories that could be used.
pub struct Repositories {
    /// In the order of their sources.
    pub list: Vec<Repository>,
    /// What they say of modules.
    pub modules: Modules,
    /// Which they are, with who signed them and when.
    pub verified: Vec<Verified>,
    /// The sources that could not be used, each with why.
    pub left_out: Vec<LeftOut>,
    /// Why they may never have a fix, where that is known of the distribution.
    pub limit: Option<String>,
}

impl Repositories {
    /// None at all.
    #[must_use]
    pub fn none(memory: &Memory) -> Self {
        let modules = Modules::none(memory);
        Self { list: Vec::new(), modules, verified: Vec::new(), left_out: Vec::new(), limit: None }
    }
}

/// Loads all sources that can be used; the others are added to `leaving_out`.
///
/// # Errors
/// This machine fails, or none can be used, or one cannot and `leaving_out` is strict.
pub fn load(
    sources: &[SignedSource],
    mut leaving_out: LeavingOut,
    fetcher: &Fetcher,
    options: &LoadOptions<'_>,
) -> Result<Repositories, RepositoryError> {
    for source in sources.iter().map(|source| &source.source) {
        if let Some(login) = &source.login {
            let places = source.urls.iter().map(String::as_str);
            for url in places.chain(source.mirrors.as_ref().map(|list| list.url())) {
                fetcher.login(url, Credentials::Login(login.clone()));
            }
        }
    }
    let mut out = Repositories::none(&options.memory);
    let read = parallel(sources, LOADS, |source| read(source, fetcher, options));
    for (source, result) in sources.iter().zip(read) {
        let added = result.and_then(|(repository, verified)| {
            if options.modules {
                let file = || format!("{}repodata: modules", repository.url);
                out.modules.add(&repository.modules).map_err(|error| match error {
                    ModulesError::Memory(source) => {
                        RepositoryError::Memory { file: file(), source }
                    }
                    error => RepositoryError::File { file: file(), why: error.to_string() },
                })?;
            }
            Ok((repository, verified))
        });
        match added {
            Ok((mut repository, verified)) => {
                repository.modules = Vec::new();
                out.list.push(repository);
                out.verified.push(verified);
            }
            Err(error) if error.is_of_this_machine() => return Err(error),
            Err(error) => {
                leaving_out.leave_out(source.source.describe(), remedy(source, &error))?
            }
        }
    }
    out.left_out = leaving_out.settle(out.verified.len(), fetcher.progress())?;
    Ok(out)
}

/// What is wrong, and what helps.
fn remedy(source: &SignedSource, error: &RepositoryError) -> String {
    match (error, &source.source.client_certificate) {
        (
            RepositoryError::Fetch(FetchError::Refused { .. } | FetchError::Failed { .. }),
            Some(_),
        ) => format!(
            "{error}; its server wants the client certificate of a subscription: give this machine's \
             with --client-certificate URL=FILE,KEY (the image's is never used), or name a mirror \
             with --mirror FROM=TO"
        ),
        (RepositoryError::Fetch(FetchError::Failed { .. }), _) => format!(
            "{error}; check the URL, the network and the proxy, or name a mirror with --mirror \
             FROM=TO"
        ),
        _ => error.to_string(),
    }
}

/// `repomd.xml` of the first place that has it.
struct Found {
    text: Bytes,
    /// Where it was, with a slash at the end.
    url: String,
    /// This place, and the others.
    urls: Vec<String>,
}

fn read(
    signed: &SignedSource,
    fetcher: &Fetcher,
    options: &LoadOptions<'_>,
) -> Result<(Repository, Verified), RepositoryError> {
    let source = &signed.source;
    if signed.keyring.is_empty() {
        return Err(RepositoryError::NoKeyring { repository: source.describe() });
    }
    let found = find(source, fetcher, options)?;
    let signer = signature(signed, &found, fetcher, options.now)?;
    let name = format!("{}{REPOMD}", found.url);
    let repomd = Repomd::parse(&found.text).map_err(|error| xml(&name, &error))?;
    if repomd.made > options.now.saturating_add(MAX_FUTURE) {
        return Err(RepositoryError::Future { url: name });
    }
    let place = source.place().to_owned();
    fetcher.check_newest(&place, std::slice::from_ref(&place), repomd.made)?;
    let file =
        |kind: &'static str| repomd.file(kind).filter(|file| unpack::is_readable(&file.path));
    let primary = file("primary")
        .ok_or_else(|| RepositoryError::NoFile { url: found.url.clone(), kind: "primary" })?;
    let primary = self::primary(primary, &found.urls, fetcher, options)?;
    let advisories = match file("updateinfo") {
        Some(file) => advisories(file, &found.urls, fetcher, options)?,
        None => Advisories::none(&options.memory),
    };
    let modules = match file("modules").filter(|_| options.modules) {
        Some(file) => text(file, &found.urls, fetcher)?,
        None => Vec::new(),
    };
    let verified = Verified { repository: place, date: None, made: repomd.made, signer };
    let repository = Repository {
        source: source.clone(),
        url: found.url,
        primary,
        advisories,
        keyring: signed.keyring.clone(),
        modules,
        filelists: file("filelists").cloned(),
        urls: found.urls,
    };
    Ok((repository, verified))
}

/// Finds `repomd.xml`: at the source's URLs, then at those of its list of mirrors.
fn find(
    source: &RpmSource,
    fetcher: &Fetcher,
    options: &LoadOptions<'_>,
) -> Result<Found, RepositoryError> {
    let mut known = Mirrors::default();
    let mut failed: Option<RepositoryError> = None;
    if let Some(list) = &source.mirrors {
        match fetcher.latest(list.url(), MAX_LIST) {
            Ok(Some(text)) => {
                known = mirrors::parse(&text, options.variables)
                    .map_err(|error| xml(list.url(), &error))?;
            }
            Ok(None) => {
                let url = list.url().to_owned();
                failed = Some(FetchError::NotFound { url }.into());
            }
            Err(error) => failed = Some(error.into()),
        }
    }
    let mut urls = source.urls.clone();
    urls.extend(known.urls.iter().take(MIRRORS).cloned());
    for (at, url) in urls.iter().enumerate() {
        let error = match fetcher.latest(&format!("{url}{REPOMD}"), MAX_REPOMD) {
            Ok(Some(text)) if known.know(&text) => {
                let (url, mut rest) = (url.clone(), urls.clone());
                rest.rotate_left(at);
                return Ok(Found { text, url, urls: rest });
            }
            Ok(Some(_)) => RepositoryError::Unknown { url: url.clone() },
            Ok(None) => RepositoryError::NoRepomd { url: url.clone() },
            Err(error) => error.into(),
        };
        if error.is_of_this_machine() {
            return Err(error);
        }
        fetcher.progress().detail(&error.to_string());
        failed.get_or_insert(error);
    }
    let url = source.place().to_owned();
    Err(failed.unwrap_or(RepositoryError::NoRepomd { url }))
}

/// Who signed `repomd.xml`. `None`: nobody that is known, and nobody has to.
fn signature(
    signed: &SignedSource,
    found: &Found,
    fetcher: &Fetcher,
    now: i64,
) -> Result<Option<Signer>, RepositoryError> {
    let required = signed.source.signed_metadata;
    let name = format!("{}{REPOMD}", found.url);
    let asc = match fetcher.latest(&format!("{name}.asc"), MAX_REPOMD) {
        Ok(asc) => asc,
        Err(error @ (FetchError::Cache { .. } | FetchError::Setup(_))) => return Err(error.into()),
        // Some servers do not say "not found" for what they do not have.
        Err(error) if required => return Err(error.into()),
        Err(_) => None,
    };
    let Some(asc) = asc else {
        return match required {
            true => Err(RepositoryError::Unsigned { url: found.url.clone() }),
            false => Ok(None),
        };
    };
    match verify_detached(&name, &found.text, &asc, &signed.keyring, now) {
        Ok(signer) => Ok(Some(signer)),
        Err(SignatureError::NoKey { .. } | SignatureError::Malformed { .. }) if !required => {
            fetcher.progress().detail(&format!(
                "{name} is signed by a key that is not known here; its packages' signatures count"
            ));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn primary(
    file: &MetadataFile,
    urls: &[String],
    fetcher: &Fetcher,
    options: &LoadOptions<'_>,
) -> Result<PrimaryFile, RepositoryError> {
    let (reader, name) = open(file, urls, fetcher)?;
    let wanted = |architecture: &str| is_for(architecture, options.architecture);
    let primary =
        PrimaryFile::read(reader, &wanted, &options.memory).map_err(|error| match error {
            PrimaryError::Xml(error) => xml(&name, &error),
            PrimaryError::Memory(source) => RepositoryError::Memory { file: name.clone(), source },
        })?;
    if let Some((count, first)) = primary.left_out() {
        let (noun, are) = if count == 1 { ("package", "is") } else { ("packages", "are") };
        fetcher.progress().warn(&format!(
            "{name}: {count} {noun} cannot be fetched safely and {are} left out ({first})"
        ));
    }
    Ok(primary)
}

fn advisories(
    file: &MetadataFile,
    urls: &[String],
    fetcher: &Fetcher,
    options: &LoadOptions<'_>,
) -> Result<Advisories, RepositoryError> {
    let (reader, name) = open(file, urls, fetcher)?;
    let wanted = |package: &super::updateinfo::AdvisedPackage| (options.advised)(&package.name);
    Advisories::read(reader, &wanted, &options.memory).map_err(|error| match error {
        UpdateinfoError::Xml(error) => xml(&name, &error),
        UpdateinfoError::Memory(source) => RepositoryError::Memory { file: name.clone(), source },
    })
}

/// The text of `modules.yaml`.
fn text(
    file: &MetadataFile,
    urls: &[String],
    fetcher: &Fetcher,
) -> Result<Vec<u8>, RepositoryError> {
    let (reader, name) = open(file, urls, fetcher)?;
    let fail = |why: String| RepositoryError::File { file: name.clone(), why };
    let mut text = Vec::new();
    reader
        .take(modules::MAX_UNPACKED + 1)
        .read_to_end(&mut text)
        .map_err(|error| fail(error.to_string()))?;
    match text.len() as u64 > modules::MAX_UNPACKED {
        true => Err(fail("it unpacks to more than any real one has".to_owned())),
        false => Ok(text),
    }
}

/// A file of the metadata, its digest verified, as an unpacked stream; and its URL.
fn open(
    file: &MetadataFile,
    urls: &[String],
    fetcher: &Fetcher,
) -> Result<(Box<dyn std::io::BufRead>, String), RepositoryError> {
    let places: Vec<String> =
        urls.iter().take(MIRRORS).map(|url| format!("{url}{}", file.path)).collect();
    let name = places.first().cloned().unwrap_or_default();
    let wanted =
        Wanted { urls: places, size: file.size, checksum: file.digest.into(), name: name.clone() };
    let path = fetcher.one_of(&wanted)?;
    let reader = unpack::open(&path, &file.path)
        .map_err(|error| RepositoryError::File { file: name.clone(), why: error.to_string() })?;
    Ok((reader, name))
}

fn xml(file: &str, error: &XmlError) -> RepositoryError {
    RepositoryError::File { file: file.to_owned(), why: error.to_string() }
}

#[cfg(test)]
mod tests;
