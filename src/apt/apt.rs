//! Loads apt repositories: Release files fetched, verified and judged fresh, then the
//! `Packages` files they name, into one [`PackageIndex`].
//!
//! Only what is signed is believed: a Release file is parsed after its signature holds, and
//! an index file after its SHA-256 holds.

use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use super::apt_remedy::{Trouble, trouble};
use crate::index::{PackageIndex, RepositoryInfo};
use crate::packages_file::{FORMAT, IndexError, PackagesFile};
use crate::release::{Release, ReleaseError};
use crate::sources::{AptSource, ByHash};
use imgfix_host::parallel::{LOADS, parallel};
use imgfix_model::digest::Digest;
use imgfix_model::left_out::LeftOut;
use imgfix_repository::Verified;
use imgfix_repository::access::Credentials;
use imgfix_repository::fetch::{FetchError, Fetcher, Wanted};
use imgfix_repository::freshness;
use imgfix_repository::freshness::{Expired, FreshnessError};
use imgfix_repository::leaving_out::{LeavingOut, Unusable};
use imgfix_repository::newest::OlderIndex;
use imgfix_repository::repository_url::Origin;
use imgfix_repository::signature::{
    Keyring, SignatureError, Signer, verify_cleartext, verify_detached,
};
use imgfix_vfs::{Memory, compression};

/// The largest Release file, in bytes.
const MAX_RELEASE: u64 = 16 << 20;
/// A gzip index is preferred to the xz one when it is at most so much larger, in bytes:
/// fetching these takes less time than xz takes longer to unpack (Debian's largest index:
/// 3 MB more, 0.3 s less).
const GZIP_MARGIN: u64 = 4 << 20;

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
    pub source: AptSource,
    pub keyring: Keyring,
}

/// What the caller decides.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// The image's architectures, the native one first.
    pub architectures: Vec<String>,
    /// Seconds since the epoch.
    pub now: i64,
    pub expired: Expired,
    /// What the indexes may hold.
    pub memory: Memory,
}

/// Everything that was loaded.
#[derive(Debug, Default)]
pub struct Loaded {
    pub index: PackageIndex,
    pub verified: Vec<Verified>,
    pub left_out: Vec<LeftOut>,
}

/// A source whose Release file is verified.
struct Opened<'a> {
    source: &'a AptSource,
    verified: Verified,
    parts: Vec<Part>,
}

/// An index file to load.
struct Part {
    wanted: Wanted,
    digest: Digest,
    /// `xz`, `gz`, `zst`, or empty.
    compression: &'static str,
    info: Arc<RepositoryInfo>,
}

/// Loads all sources that can be used, in their order; the others are added to `leaving_out`.
/// A source that imgfix added is passed over when the archive does not have it.
///
/// # Errors
/// This machine fails, or none can be used, or one cannot and `leaving_out` is strict.
pub fn load(
    sources: &[SignedSource],
    mut leaving_out: LeavingOut,
    fetcher: &Fetcher,
    options: &LoadOptions,
) -> Result<Loaded, AptError> {
    let native = options.architectures.first().map(String::as_str).unwrap_or_default();
    let sources: Vec<SignedSource> =
        sources.iter().map(|source| source.clone().for_architecture(native)).collect();
    for source in sources.iter().map(|source| &source.source) {
        if let Some(login) = &source.login {
            fetcher.login(&source.url, Credentials::Login(login.clone()));
        }
    }
    let mut opened = Vec::new();
    let releases = parallel(&sources, LOADS, |source| release(source, fetcher, options));
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
    let mut loaded = Loaded::default();
    let parts: Vec<&Part> = opened.iter().flat_map(|one| &one.parts).collect();
    let mut files =
        parallel(&parts, LOADS, |part| packages(part, fetcher, &options.memory)).into_iter();
    for Opened { source, verified, parts } in opened {
        // all of a source or nothing: half of it could offer what the other half makes wrong
        let own: Vec<Result<PackagesFile, AptError>> = files.by_ref().take(parts.len()).collect();
        match own.into_iter().collect::<Result<Vec<PackagesFile>, AptError>>() {
            Ok(own) => {
                for (part, file) in parts.iter().zip(own) {
                    loaded.index.push(file, Arc::clone(&part.info));
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
    match trouble(source, &error, now) {
        Trouble::Moved(moved) => leaving_out.leave_out_moved(source.describe(), moved)?,
        Trouble::Other(why) => leaving_out.leave_out(source.describe(), why)?,
    }
    Ok(())
}

/// A source with the index files that are wanted of it. A component that it does not have is
/// left out by itself, as apt does.
fn open<'a>(
    source: &'a AptSource,
    (release, signer, made): (Release, Signer, i64),
    leaving_out: &mut LeavingOut,
    options: &LoadOptions,
) -> Result<Option<Opened<'a>>, AptError> {
    let Parts { parts, mut missing } = index_parts(source, &release, options)?;
    if parts.is_empty()
        && let Some(error) = missing.pop()
    {
        return Err(error);
    }
    for error in missing {
        leaving_out.leave_out(source.describe(), error.to_string())?;
    }
    let repository = source.describe();
    let verified = Verified { repository, date: release.date.clone(), made, signer };
    Ok(Some(Opened { source, verified, parts }))
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

/// The verified Release file of a source, who signed it, and its date; `None` when imgfix added the source and the archive
/// does not have it (a suite that is not opened yet, or archived).
fn release(
    source: &SignedSource,
    fetcher: &Fetcher,
    options: &LoadOptions,
) -> Result<Option<(Release, Signer, i64)>, AptError> {
    let apt = &source.source;
    if source.keyring.is_empty() {
        return Err(AptError::NoKeyring { repository: apt.describe() });
    }
    let Some((name, text, signer)) = signed_text(source, fetcher, options.now)? else {
        if apt.origin == Origin::Added {
            let place = apt.describe();
            fetcher.progress().detail(&format!("{place} is not there, and not needed: left out"));
            return Ok(None);
        }
        return Err(AptError::NoRelease { url: apt.dists(), suite: apt.suite.clone() });
    };
    let release = Release::parse(&name, &text)?;
    let until = release.valid_until.as_deref().filter(|_| apt.check_valid_until);
    let date = release.date.as_deref();
    let fresh = freshness::check(&name, date, until, options.now, options.expired)?;
    if let Some(warning) = fresh.warning {
        fetcher.progress().warn(&warning);
    }
    // What is no date was signed at some time all the same.
    let made = fresh.made.unwrap_or(signer.created);
    fetcher.check_newest(&apt.describe(), &apt.repositories(), made)?;
    check_suite(&name, apt, &release, fetcher)?;
    Ok(Some((release, signer, made)))
}

/// The text of `InRelease`, or else of `Release` with `Release.gpg`, after its signature was
/// verified, and the URL it comes from. `None`: the repository has neither.
fn signed_text(
    source: &SignedSource,
    fetcher: &Fetcher,
    now: i64,
) -> Result<Option<(String, String, Signer)>, AptError> {
    let dists = source.source.dists();
    let url = format!("{dists}InRelease");
    if let Some(bytes) = fetcher.latest(&url, MAX_RELEASE)? {
        let (text, signer) = verify_cleartext(&url, &bytes, &source.keyring, now)?;
        return Ok(Some((url, text, signer)));
    }
    let url = format!("{dists}Release");
    let Some(bytes) = fetcher.latest(&url, MAX_RELEASE)? else { return Ok(None) };
    let signature = fetcher
        .latest(&format!("{url}.gpg"), MAX_RELEASE)?
        .ok_or(AptError::Unsigned { url: dists })?;
    let signer = verify_detached(&url, &bytes, &signature, &source.keyring, now)?;
    let text = String::from_utf8(bytes.to_vec())
        .map_err(|_| ReleaseError { name: url.clone(), why: "it is not UTF-8".to_owned() })?;
    Ok(Some((url, text, signer)))
}

/// The same keys sign every suite of Debian and of Ubuntu: there, another suite than the one
/// asked for may be an attack, and is an error. Elsewhere names are kept loosely, and apt, too,
/// only warns ("Conflicting distribution").
fn check_suite(
    name: &str,
    source: &AptSource,
    release: &Release,
    fetcher: &Fetcher,
) -> Result<(), AptError> {
    if release.answers_to(&source.suite) {
        return Ok(());
    }
    let found = if release.codename.is_empty() { &release.suite } else { &release.codename };
    let strict = matches!(release.origin.as_str(), "Debian" | "Ubuntu");
    if strict || source.origin == Origin::Added {
        let (name, found) = (name.to_owned(), found.clone());
        return Err(AptError::OtherSuite { name, found, wanted: source.suite.clone() });
    }
    let wanted = &source.suite;
    fetcher.progress().warn(&format!("{name}: the repository calls itself {found}, not {wanted}"));
    Ok(())
}

/// The index files of a source, and what it should have and does not.
#[derive(Default)]
struct Parts {
    parts: Vec<Part>,
    missing: Vec<AptError>,
}

/// Which index files of a Release are wanted.
fn index_parts(
    source: &AptSource,
    release: &Release,
    options: &LoadOptions,
) -> Result<Parts, AptError> {
    if source.components.is_empty() {
        let only = part(source, release, "", "");
        let parts = vec![only.ok_or(AptError::NoIndex { name: source.describe() })?];
        return Ok(Parts { parts, missing: Vec::new() });
    }
    let all = release.has_all().then_some("all");
    let wanted: Vec<&str> = options
        .architectures
        .iter()
        .map(String::as_str)
        .filter(|architecture| source.wants(architecture))
        .collect();
    let Parts { mut parts, mut missing } = Parts::default();
    for component in &source.components {
        // bullseye-security and its successors list updates/main as main
        let folder = component.strip_prefix("updates/").unwrap_or(component);
        let before = parts.len();
        for architecture in wanted.iter().copied().chain(all) {
            let folder = format!("{folder}/binary-{architecture}/");
            parts.extend(part(source, release, component, &folder));
        }
        let needed = source.origin != Origin::Added && source.architectures.is_empty();
        if let Some(architecture) = wanted.first()
            && needed
            && parts.len() == before
        {
            missing.push(AptError::NoComponent {
                name: source.describe(),
                component: component.clone(),
                architecture: (*architecture).to_owned(),
                has: release.components.join(", "),
            });
        }
    }
    Ok(Parts { parts, missing })
}

/// One index file, if the Release lists it.
fn part(source: &AptSource, release: &Release, component: &str, folder: &str) -> Option<Part> {
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
    Some(Part { wanted, digest, compression, info: Arc::new(info) })
}

/// The architecture of `main/binary-amd64/`.
fn architecture_of(folder: &str) -> &str {
    folder.rsplit_once("binary-").map_or("", |(_, name)| name.trim_end_matches('/'))
}

/// The compression that takes least time to fetch and read, of those that are listed.
fn choose(listed: impl Fn(&str) -> Option<(u64, Digest)>) -> Option<(&'static str, u64, Digest)> {
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
fn packages(part: &Part, fetcher: &Fetcher, memory: &Memory) -> Result<PackagesFile, AptError> {
    let (wanted, digest, cache) = (&part.wanted, &part.digest, fetcher.cache());
    let compact = format!("apt-packages-{FORMAT}");
    let kept = cache.derived(&compact, digest);
    let kept = kept.map(|bytes| PackagesFile::from_bytes(bytes, memory));
    let file = if let Some(Ok(file)) = kept {
        file
    } else {
        let path = fetcher.one_of(wanted)?;
        let reader = decompress(&path, part.compression)
            .map_err(|why| AptError::Decompress { name: wanted.name.clone(), why })?;
        let file = PackagesFile::read(BufReader::with_capacity(1 << 18, reader), memory)
            .map_err(|source| AptError::Index { name: wanted.name.clone(), source })?;
        // A cache that cannot be written costs time in the next run, nothing else. The file it
        // was made from stays: on another machine it is all that can be verified.
        let _ = cache.keep_derived(&compact, digest, file.as_bytes());
        file
    };
    if let Some((count, first)) = file.left_out() {
        let name = &wanted.name;
        fetcher.progress().warn(&format!(
            "{name}: {count} packages are left out that cannot be fetched safely ({first})"
        ));
    }
    Ok(file)
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Write as _;

    use super::*;
    use crate::sources::parse_option;
    use imgfix_repository::FetchOptions;
    use imgfix_repository::leaving_out::Strictness;
    use imgfix_repository::testing::{NOW, Reply, Server, TestKey, fetcher, fetcher_at};

    /// A repository as files below `dists/`, and how it is signed.
    struct Repository {
        key: TestKey,
        /// Fields of the Release file ahead of its digests.
        fields: String,
        files: BTreeMap<String, Vec<u8>>,
    }

    const PACKAGES: &str = "main/binary-amd64/Packages";

    impl Repository {
        fn new() -> Self {
            let fields = "Origin: Test\nSuite: stable\nCodename: x\nComponents: main\n\
                          Architectures: amd64\nDate: Mon, 23 Nov 2026 00:00:00 UTC\n";
            let repository =
                Self { key: TestKey::new(1), fields: fields.to_owned(), files: BTreeMap::new() };
            let text = packages("a");
            let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
            xz.write_all(text.as_bytes()).unwrap();
            repository
                .file(PACKAGES, text.into_bytes())
                .file(&format!("{PACKAGES}.xz"), xz.finish().unwrap())
        }

        fn field(mut self, line: &str) -> Self {
            self.fields += &format!("{line}\n");
            self
        }

        fn file(mut self, path: &str, content: Vec<u8>) -> Self {
            self.files.insert(path.to_owned(), content);
            self
        }

        fn release(&self) -> String {
            let lines = self.files.iter().map(|(path, content)| {
                format!(" {} {} {path}\n", Digest::of(content).hex(), content.len())
            });
            format!("{}SHA256:\n{}", self.fields, lines.collect::<String>())
        }

        /// What a server has, by path.
        fn served(&self) -> BTreeMap<String, Vec<u8>> {
            let dists = "/d/dists/x";
            let mut out: BTreeMap<String, Vec<u8>> = self
                .files
                .iter()
                .map(|(path, content)| (format!("{dists}/{path}"), content.clone()))
                .collect();
            let inline = self.key.sign_inline(&self.release());
            out.insert(format!("{dists}/InRelease"), inline);
            out
        }

        fn load_from(&self, files: BTreeMap<String, Vec<u8>>) -> Result<Loaded, AptError> {
            let server = Server::files(files);
            let (fetcher, _cache) = fetcher(FetchOptions::default());
            load_lenient(&[source(&server, "x main", &self.key)], &fetcher, &options())
        }

        fn why(&self, change: impl FnOnce(&mut BTreeMap<String, Vec<u8>>)) -> String {
            let mut files = self.served();
            change(&mut files);
            self.load_from(files).unwrap_err().to_string()
        }
    }

    fn load_lenient(
        sources: &[SignedSource],
        fetcher: &Fetcher,
        options: &LoadOptions,
    ) -> Result<Loaded, AptError> {
        load(sources, LeavingOut::new(Strictness::LeaveOut), fetcher, options)
    }

    fn packages(name: &str) -> String {
        let sha = Digest::of(b"").hex();
        format!(
            "Package: {name}\nVersion: 1\nArchitecture: amd64\nFilename: pool/{name}.deb\n\
             Size: 0\nSHA256: {sha}\n"
        )
    }

    fn source(server: &Server, rest: &str, key: &TestKey) -> SignedSource {
        let line = format!("deb {}d {rest}", server.url);
        let source = parse_option(&line).unwrap().remove(0);
        SignedSource { source, keyring: key.keyring() }
    }

    fn options() -> LoadOptions {
        let architectures = vec!["amd64".to_owned()];
        let memory = Memory::default();
        LoadOptions { architectures, now: NOW, expired: Expired::Refuse, memory }
    }

    #[test]
    fn a_signed_repository_is_loaded_and_the_second_time_from_the_cache() {
        let repository = Repository::new();
        let server = Server::files(repository.served());
        let (fetcher, cache) = fetcher(FetchOptions::default());
        let sources = [source(&server, "x main", &repository.key)];
        let loaded = load_lenient(&sources, &fetcher, &options()).unwrap();
        let found = loaded.index.versions("a");
        assert_eq!(found[0].archive().url, format!("{}d/pool/a.deb", server.url));
        assert_eq!(found[0].repository.archive, "stable");
        assert_eq!(loaded.verified[0].signer.fingerprint, repository.key.fingerprint());
        let first = ["/d/dists/x/InRelease".to_owned(), format!("/d/dists/x/{PACKAGES}.xz")];
        assert_eq!(server.paths(), first);
        load_lenient(&sources, &fetcher, &options()).unwrap();
        assert_eq!(server.paths().len(), 3, "{:?}", server.paths());
        let offline = FetchOptions { offline: true, ..FetchOptions::default() };
        let offline = fetcher_at(cache.path(), offline);
        assert_eq!(load_lenient(&sources, &offline, &options()).unwrap().index.len(), 1);
        assert_eq!(server.paths().len(), 3);
    }

    #[test]
    fn indexes_are_asked_for_by_hash_and_else_by_name() {
        let repository = Repository::new().field("Acquire-By-Hash: yes");
        let xz = &repository.files[&format!("{PACKAGES}.xz")];
        let by_hash =
            format!("/d/dists/x/main/binary-amd64/by-hash/SHA256/{}", Digest::of(xz).hex());
        let plain = format!("/d/dists/x/{PACKAGES}.xz");
        let mut files = repository.served();
        for (there, want) in [(false, vec![&by_hash, &plain]), (true, vec![&by_hash])] {
            if there {
                files.insert(by_hash.clone(), xz.clone());
                files.remove(&plain);
            }
            let server = Server::files(files.clone());
            let (fetcher, _cache) = fetcher(FetchOptions::default());
            load_lenient(&[source(&server, "x main", &repository.key)], &fetcher, &options())
                .unwrap();
            assert_eq!(server.paths().iter().skip(1).collect::<Vec<_>>(), want);
        }
    }

    #[test]
    fn nothing_unsigned_wrongly_signed_or_altered_is_believed() {
        let repository = Repository::new();
        let inrelease = "/d/dists/x/InRelease";
        let other = TestKey::new(7).sign_inline(&repository.release());
        let altered = String::from_utf8(repository.served()[inrelease].clone()).unwrap();
        let altered = altered.replace("Origin: Test", "Origin: Fake");
        type Change<'a> = Box<dyn FnOnce(&mut BTreeMap<String, Vec<u8>>) + 'a>;
        let cases: Vec<(Change<'_>, &str)> = vec![
            (Box::new(|f| drop(f.insert(inrelease.into(), other))), "none of these keys is in"),
            (Box::new(|f| drop(f.insert(inrelease.into(), altered.into()))), "it was changed"),
            (
                Box::new(|f| drop(f.insert(inrelease.into(), repository.release().into()))),
                "not a clear-signed",
            ),
            (Box::new(|f| drop(f.remove(inrelease))), "neither InRelease nor Release"),
            (
                Box::new(|f| {
                    f.remove(inrelease);
                    f.insert("/d/dists/x/Release".into(), repository.release().into());
                }),
                "unsigned repositories are refused",
            ),
            (
                Box::new(|f| {
                    let path = format!("/d/dists/x/{PACKAGES}.xz");
                    f.get_mut(&path).unwrap()[20] ^= 1;
                }),
                "not what the repository's index says",
            ),
            (Box::new(|f| drop(f.remove(&format!("/d/dists/x/{PACKAGES}.xz")))), "not found"),
        ];
        for (change, want) in cases {
            let why = repository.why(change);
            assert!(why.contains(want), "{why}");
        }
    }

    #[test]
    fn a_release_with_a_detached_signature_counts_as_well() {
        let repository = Repository::new();
        let text = repository.release();
        let mut files = repository.served();
        files.remove("/d/dists/x/InRelease");
        files.insert("/d/dists/x/Release".into(), text.clone().into());
        files.insert("/d/dists/x/Release.gpg".into(), repository.key.sign_detached_armored(&text));
        assert_eq!(repository.load_from(files).unwrap().index.len(), 1);
    }

    #[test]
    fn old_releases_are_refused_unless_allowed() {
        let until = "Valid-Until: Mon, 23 Nov 2026 12:00:00 UTC";
        let repository = Repository::new().field(until);
        let why = repository.why(|_| ());
        assert!(why.contains("--allow-expired-index") && why.contains("23 Nov 2026"), "{why}");
        let server = Server::files(repository.served());
        let (fetcher, _cache) = fetcher(FetchOptions::default());
        let expired = LoadOptions { expired: Expired::Allow, ..options() };
        load_lenient(&[source(&server, "x main", &repository.key)], &fetcher, &expired).unwrap();
        let mut lax = source(&server, "x main", &repository.key);
        lax.source.check_valid_until = false;
        load_lenient(&[lax], &fetcher, &options()).unwrap();
    }

    #[test]
    fn another_suite_is_an_error_where_the_same_keys_sign_all_suites() {
        for (origin, fails) in [("Origin: Test", false), ("Origin: Debian", true)] {
            let mut repository = Repository::new();
            repository.fields = repository.fields.replace("Origin: Test", origin);
            repository.fields = repository.fields.replace("Codename: x", "Codename: y");
            let result = repository.load_from(repository.served());
            assert_eq!(result.is_err(), fails, "{origin}: {:?}", result.err());
        }
    }

    #[test]
    fn a_missing_component_is_named_and_a_missing_added_source_is_left_out() {
        let repository = Repository::new();
        let server = Server::files(repository.served());
        let (fetcher, _cache) = fetcher(FetchOptions::default());
        let none = source(&server, "x contrib", &repository.key);
        let why = load_lenient(std::slice::from_ref(&none), &fetcher, &options())
            .unwrap_err()
            .to_string();
        assert!(why.contains("\"contrib\"") && why.contains("components main"), "{why}");
        for rest in ["x contrib", "nowhere main"] {
            let mut added = source(&server, rest, &repository.key);
            added.source.origin = Origin::Added;
            assert!(
                load_lenient(&[added], &fetcher, &options()).unwrap().index.is_empty(),
                "{rest}"
            );
        }
        let mut keyless = none;
        keyless.keyring = Keyring::default();
        let why = load_lenient(&[keyless], &fetcher, &options()).unwrap_err().to_string();
        assert!(why.contains("--keyring"), "{why}");
    }

    /// Sources that cannot be used, each for another reason, by the path of its URL.
    fn bad_sources(server: &Server, repository: &Repository) -> Vec<(SignedSource, &'static str)> {
        let at = |path: &str, rest: &str| {
            let mut one = source(server, rest, &repository.key);
            one.source.url = format!("{}{path}/", server.url);
            one
        };
        let unreachable = || {
            let mut one = source(server, "x main", &repository.key);
            one.source.url = "http://127.0.0.1:1/".to_owned();
            one
        };
        let keyless = SignedSource { keyring: Keyring::default(), ..at("d", "x main") };
        let mut trusted = at("unsigned", "x main");
        trusted.source.says_trusted = true;
        vec![
            (unreachable(), "check the URL, the network and the proxy"),
            (at("login", "x main"), "auth.conf"),
            (at("forbidden", "x main"), "auth.conf"),
            (at("none", "x main"), "check the URL and suite"),
            (at("d", "x contrib"), "components main"),
            (keyless, "--keyring FILE"),
            (
                SignedSource { keyring: TestKey::new(9).keyring(), ..at("d", "x main") },
                "none of these keys",
            ),
            (at("unsigned", "x main"), "unsigned repositories are refused"),
            (trusted, "trusted=yes is not followed"),
            (at("expired", "x main"), "--allow-expired-index"),
            (at("cut", "x main"), "not found"),
        ]
    }

    #[test]
    fn a_source_that_cannot_be_used_is_left_out_with_what_helps() {
        let repository = Repository::new();
        let expired = Repository::new().field("Valid-Until: Mon, 23 Nov 2026  2:00:00 UTC");
        let expired = expired.key.sign_inline(&expired.release());
        // (an index of its own: the cache must not have it from the usable source)
        let text = packages("b").into_bytes();
        let cut = Repository {
            files: BTreeMap::from([(PACKAGES.to_owned(), text)]),
            ..Repository::new()
        };
        let cut = cut.key.sign_inline(&cut.release());
        let good = repository.served();
        let plain = repository.release();
        let server = Server::start(move |request, _| {
            let path = request.path.as_str();
            match path.split('/').nth(1).unwrap() {
                "login" => Reply::status(401),
                "forbidden" => Reply::status(403),
                "unsigned" if path.ends_with("/Release") => Reply::ok(plain.clone()),
                "expired" if path.ends_with("/InRelease") => Reply::ok(expired.clone()),
                "cut" if path.ends_with("/InRelease") => Reply::ok(cut.clone()),
                _ => good.get(path).map_or(Reply::status(404), |body| Reply::ok(body.clone())),
            }
        });
        let usable = source(&server, "x main", &repository.key);
        for (bad, want) in bad_sources(&server, &repository) {
            let (fetcher, _cache) = fetcher(FetchOptions::default());
            let name = bad.source.describe();
            let both = [bad.clone(), usable.clone()];
            let loaded = load_lenient(&both, &fetcher, &options()).unwrap();
            let [left_out] = loaded.left_out.as_slice() else { panic!("{:?}", loaded.left_out) };
            assert_eq!(left_out.source, name);
            assert!(left_out.why.contains(want), "{left_out}");
            assert_eq!((loaded.index.len(), loaded.verified.len()), (1, 1), "{left_out}");
            // alone, or when none may be missing, it is an error
            let alone = load_lenient(&[bad], &fetcher, &options()).unwrap_err().to_string();
            let url = name.split(' ').next().unwrap();
            assert!(alone.contains(want) && alone.contains(url), "{alone}");
            let strict = LeavingOut::new(Strictness::Refuse);
            let why = load(&both, strict, &fetcher, &options()).unwrap_err().to_string();
            assert!(why.contains(want) && why.contains("--strict-repositories"), "{why}");
        }
    }

    /// A repository of several components whose first index cannot be read does not shift the
    /// indexes of the repositories behind it.
    #[test]
    fn every_index_keeps_its_repository_when_another_cannot_be_read() {
        let folder = |component: &str| format!("{component}/binary-amd64/Packages");
        let mut torn = Repository::new();
        torn.files = ["main", "universe", "extra"]
            .map(|component| (folder(component), packages(&format!("torn-{component}")).into()))
            .into();
        let mut served = torn.served();
        served.remove(&format!("/d/dists/x/{}", folder("main")));
        let whole = Repository::new();
        let served: BTreeMap<String, Vec<u8>> = served
            .into_iter()
            .map(|(path, body)| (path.replacen("/d/", "/torn/", 1), body))
            .chain(whole.served())
            .collect();
        let server = Server::files(served);
        let (fetcher, _cache) = fetcher(FetchOptions::default());
        let mut first = source(&server, "x main universe extra", &torn.key);
        first.source.url = format!("{}torn/", server.url);
        let sources = [first, source(&server, "x main", &whole.key)];
        let loaded = load_lenient(&sources, &fetcher, &options()).unwrap();
        assert_eq!((loaded.index.len(), loaded.left_out.len()), (1, 1));
        let found = loaded.index.versions("a");
        assert_eq!(found[0].archive().url, format!("{}d/pool/a.deb", server.url));
        assert_eq!(found[0].repository.component, "main");
    }

    #[test]
    fn a_component_that_is_not_there_leaves_the_others_usable() {
        let repository = Repository::new();
        let server = Server::files(repository.served());
        let (fetcher, _cache) = fetcher(FetchOptions::default());
        let sources = [source(&server, "x main contrib", &repository.key)];
        let loaded = load_lenient(&sources, &fetcher, &options()).unwrap();
        assert_eq!(loaded.index.len(), 1);
        assert!(loaded.left_out[0].why.contains("\"contrib\""), "{:?}", loaded.left_out);
    }

    #[test]
    fn flat_repositories_and_architectures_in_paths() {
        let repository = Repository::new();
        let text = repository.files[PACKAGES].clone();
        let mut flat = Repository::new();
        flat.files = BTreeMap::from([("Packages".to_owned(), text.clone())]);
        let inline = flat.key.sign_inline(&flat.release());
        let server = Server::start(move |request, _| match request.path.as_str() {
            "/d/amd64/InRelease" => Reply::ok(inline.clone()),
            "/d/amd64/Packages" => Reply::ok(text.clone()),
            _ => Reply::status(404),
        });
        let (fetcher, _cache) = fetcher(FetchOptions::default());
        let loaded =
            load_lenient(&[source(&server, "$(ARCH)/", &flat.key)], &fetcher, &options()).unwrap();
        assert_eq!(loaded.index.versions("a")[0].repository.component, "");
    }

    #[test]
    fn the_quickest_compression_is_chosen() {
        let digest = Digest::of(b"");
        for (listed, want) in [
            (&[("", 9), ("xz", 1 << 20), ("gz", 3 << 20)][..], "gz"),
            (&[("xz", 1 << 20), ("gz", 8 << 20)], "xz"),
            (&[("xz", 1), ("gz", 1), ("zst", 5)], "zst"),
            (&[("", 9)], ""),
        ] {
            let find = |name: &str| {
                listed.iter().find(|(one, _)| *one == name).map(|(_, size)| (*size, digest))
            };
            assert_eq!(choose(find).unwrap().0, want);
        }
    }

    /// The real thing, with times: `cargo test -p imgfix-apt --release real_debian -- --ignored --nocapture`.
    #[test]
    #[ignore = "needs Debian's repositories"]
    fn real_debian_bullseye_cold_and_warm() {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let options = LoadOptions { now: now.as_secs().try_into().unwrap(), ..options() };
        let keyring = super::super::keys::builtin("debian");
        let lines = [
            "deb http://deb.debian.org/debian bullseye main",
            "deb http://deb.debian.org/debian bullseye-updates main",
            "deb http://deb.debian.org/debian-security bullseye-security main",
        ];
        let sources: Vec<SignedSource> = lines
            .iter()
            .flat_map(|line| parse_option(line).unwrap())
            .map(|source| SignedSource { source, keyring: keyring.clone() })
            .collect();
        let dir = tempfile::tempdir().unwrap();
        for run in ["cold", "warm", "warm"] {
            let start = std::time::Instant::now();
            let fetcher = fetcher_at(dir.path(), FetchOptions::default());
            let ready = start.elapsed();
            let loaded = load_lenient(&sources, &fetcher, &options).unwrap();
            let took = start.elapsed();
            let versions = loaded.index.versions("libssl1.1");
            assert!(versions.len() >= 2 && loaded.index.len() > 50_000);
            let looked = start.elapsed() - took;
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
            println!("{run}: client {ready:?}, loaded {took:?}, lookup {looked:?}, {peak}");
        }
    }
}
