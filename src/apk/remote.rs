//! Loads apk repositories: each `APKINDEX.tar.gz` fetched and verified, then read into one
//! [`PackageIndex`].
//!
//! Only what is signed is believed: an index is unpacked after its signature holds. An index
//! says nothing of how long it is good for: what a mirror has not updated cannot be told from
//! what is new. One that is older than another that was seen is refused, by the time in its
//! archive, or else that of its newest package.

use bytes::Bytes;
use reqwest::StatusCode;
use time::OffsetDateTime;
use time::macros::format_description;

use crate::index::{IndexError, PackageIndex, RepositoryInfo, UnusablePackages};
use crate::index_archive::{IndexArchive, IndexArchiveError};
use crate::signature::{SignatureError, verify};
use crate::sources::ApkSource;
use imgfix_host::parallel::{LOADS, parallel};
use imgfix_model::left_out::LeftOut;
use imgfix_repository::Verified;
use imgfix_repository::access::Credentials;
use imgfix_repository::fetch::{FetchError, Fetcher};
use imgfix_repository::leaving_out::{LeavingOut, Unusable};
use imgfix_repository::newest::OlderIndex;
use imgfix_repository::repository_url::Origin;
use imgfix_repository::rsa_keys::RsaKeyring as ApkKeyring;
use imgfix_repository::signature::Signer;
use imgfix_vfs::Memory;

/// The largest index as stored, in bytes.
const MAX_INDEX: u64 = 256 << 20;

/// Why repositories could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Signature(#[from] SignatureError),
    #[error(transparent)]
    Older(#[from] OlderIndex),
    #[error(
        "{url}: not found; check the repository's URL, and whether it has packages for \
         {architecture}"
    )]
    NoIndex { url: String, architecture: String },
    #[error("{url}: {source}")]
    Archive { url: String, source: IndexArchiveError },
    #[error("{url}: {source}")]
    Index { url: String, source: IndexError },
    #[error(
        "{repository}: no key to verify it: the image has none for it (etc/apk/keys); give the \
         repository's public key with --keyring FILE"
    )]
    NoKeyring { repository: String },
    #[error(transparent)]
    Unusable(#[from] Unusable),
}

impl RepositoryError {
    /// Whether it is this machine that fails, whatever the source.
    fn is_of_this_machine(&self) -> bool {
        matches!(self, Self::Fetch(FetchError::Cache { .. } | FetchError::Setup(_)))
    }

    /// What is wrong, and what helps.
    fn remedy(&self) -> String {
        match self {
            Self::Fetch(FetchError::Refused { status, .. })
                if matches!(*status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) =>
            {
                format!("{self}; a login belongs into the URL (https://USER:PASSWORD@HOST/...)")
            }
            Self::Fetch(FetchError::Failed { .. }) => format!(
                "{self}; check the URL, the network and the proxy, or name a mirror with \
                 --mirror FROM=TO"
            ),
            _ => self.to_string(),
        }
    }
}

/// A source with the keys that may sign it.
#[derive(Debug, Clone)]
pub struct SignedSource {
    /// The source, as the image or the user names it.
    pub source: ApkSource,
    /// Empty when no key is known; the source cannot be used then.
    pub keyring: ApkKeyring,
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

/// A repository to load: a URL, named once or, with other tags, several times.
struct Repository<'a> {
    source: &'a ApkSource,
    keyring: &'a ApkKeyring,
    tags: Vec<Option<String>>,
}

/// Loads all sources that can be used, in their order; the others are added to `leaving_out`. A
/// URL that is named several times (with other tags) is one repository, as for apk. What the
/// indexes hold counts in `memory`.
///
/// # Errors
/// This machine fails, or none can be used, or one cannot and `leaving_out` is strict.
pub fn load(
    sources: &[SignedSource],
    mut leaving_out: LeavingOut,
    architecture: &str,
    fetcher: &Fetcher,
    memory: &Memory,
) -> Result<Repositories, RepositoryError> {
    let repositories = repositories(sources);
    for Repository { source, .. } in &repositories {
        if let Some(login) = &source.login {
            let login = Credentials::Login(login.clone());
            fetcher.login(&format!("{}/", source.url), login);
        }
    }
    let mut loaded = Repositories::default();
    let read = parallel(&repositories, LOADS, |one| read(one, architecture, fetcher, memory));
    for (repository, read) in repositories.into_iter().zip(read) {
        let name = repository.source.url.clone();
        let added = read.and_then(|(archive, verified)| {
            loaded.add(repository, architecture, archive, fetcher)?;
            loaded.verified.push(verified);
            Ok(())
        });
        match added {
            Ok(()) => {}
            Err(error) if error.is_of_this_machine() => return Err(error),
            Err(error) => leaving_out.leave_out(name, error.remedy())?,
        }
    }
    loaded.left_out = leaving_out.settle(loaded.verified.len(), fetcher.progress())?;
    Ok(loaded)
}

fn repositories(sources: &[SignedSource]) -> Vec<Repository<'_>> {
    let mut out: Vec<Repository<'_>> = Vec::new();
    for SignedSource { source, keyring } in sources {
        match out.iter_mut().find(|known| known.source.is_same_place(source)) {
            Some(known) if known.tags.contains(&source.tag) => {}
            Some(known) => known.tags.push(source.tag.clone()),
            None => out.push(Repository { source, keyring, tags: vec![source.tag.clone()] }),
        }
    }
    out
}

impl Repositories {
    fn add(
        &mut self,
        repository: Repository<'_>,
        architecture: &str,
        archive: IndexArchive,
        fetcher: &Fetcher,
    ) -> Result<(), RepositoryError> {
        let url = repository.source.url.clone();
        let info = RepositoryInfo {
            url: url.clone(),
            tags: repository.tags,
            architecture: architecture.to_owned(),
            layout: repository.source.layout.clone(),
            added: repository.source.origin == Origin::Added,
        };
        let left_out =
            self.index.push_held(archive.text, archive.held, info).map_err(|source| {
                let url = format!("{url}/{}", repository.source.layout.index(architecture));
                RepositoryError::Index { url, source }
            })?;
        if left_out.count > 0 {
            let UnusablePackages { count, first } = left_out;
            let (packages, are) = if count == 1 { ("package", "is") } else { ("packages", "are") };
            fetcher.progress().warn(&format!(
                "{url}: {count} {packages} cannot be used and {are} left out ({first})"
            ));
        }
        Ok(())
    }
}

/// The content of a repository's index, verified.
fn read(
    repository: &Repository<'_>,
    architecture: &str,
    fetcher: &Fetcher,
    memory: &Memory,
) -> Result<(IndexArchive, Verified), RepositoryError> {
    let Repository { source, keyring, .. } = repository;
    if keyring.is_empty() {
        return Err(RepositoryError::NoKeyring { repository: source.url.clone() });
    }
    let url = format!("{}/{}", source.url, source.layout.index(architecture));
    match fetcher.latest(&url, MAX_INDEX)? {
        Some(bytes) => {
            let read = verified(&url, source, &bytes, keyring, memory)?;
            let index = format!("{} {architecture}", source.url);
            fetcher.check_newest(&index, std::slice::from_ref(&source.url), read.1.made)?;
            Ok(read)
        }
        None => Err(RepositoryError::NoIndex { url, architecture: architecture.to_owned() }),
    }
}

fn verified(
    url: &str,
    source: &ApkSource,
    bytes: &Bytes,
    keyring: &ApkKeyring,
    memory: &Memory,
) -> Result<(IndexArchive, Verified), RepositoryError> {
    let signed = verify(url, bytes, keyring)?;
    let archive = IndexArchive::read(signed.content, memory)
        .map_err(|source| RepositoryError::Archive { url: url.to_owned(), source })?;
    let made = made(&archive);
    let signer = Signer { fingerprint: signed.fingerprint, user_id: signed.key, created: made };
    let verified =
        Verified { repository: source.url.clone(), date: date(made), made, signer: Some(signer) };
    Ok((archive, verified))
}

/// The beginning of 2010, before which no index was made: some tools write no time.
const FIRST: i64 = 1_262_304_000;

/// When an index was made: the time in its archive, or else that of its newest package.
fn made(archive: &IndexArchive) -> i64 {
    let built = |line: &str| line.strip_prefix("t:")?.parse::<i64>().ok();
    match archive.made >= FIRST {
        true => archive.made,
        false => archive.text.lines().filter_map(built).max().unwrap_or(archive.made),
    }
}

/// A date as Release files have it.
fn date(seconds: i64) -> Option<String> {
    let format = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] UTC"
    );
    OffsetDateTime::from_unix_timestamp(seconds).ok()?.format(format).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::sources::parse_option;
    use crate::testing::{TestKey, can_check, index, package};
    use imgfix_repository::FetchOptions;
    use imgfix_repository::leaving_out::Strictness;
    use imgfix_repository::testing::{Reply, Server, fetcher, fetcher_at};

    const INDEX: &str = "/r/x86_64/APKINDEX.tar.gz";

    fn key() -> TestKey {
        TestKey::new("test.rsa.pub")
    }

    fn entry() -> String {
        let (bytes, identity) = package("pkgname = a\npkgver = 1\n", b"x");
        format!("C:{identity}\nP:a\nV:1\nA:x86_64\nS:{}\nI:1\n\n", bytes.len())
    }

    fn served() -> BTreeMap<String, Vec<u8>> {
        let (bytes, _) = package("pkgname = a\npkgver = 1\n", b"x");
        let signed = key().sign(&index(&entry()));
        BTreeMap::from([(INDEX.to_owned(), signed), ("/r/x86_64/a-1.apk".to_owned(), bytes)])
    }

    fn source(line: &str, keyring: ApkKeyring) -> SignedSource {
        SignedSource { source: parse_option(line).unwrap().remove(0), keyring }
    }

    fn load_lenient(
        sources: &[SignedSource],
        architecture: &str,
        fetcher: &Fetcher,
    ) -> Result<Repositories, RepositoryError> {
        let leaving_out = LeavingOut::new(Strictness::LeaveOut);
        load(sources, leaving_out, architecture, fetcher, &Memory::default())
    }

    fn load_one(files: BTreeMap<String, Vec<u8>>) -> Result<Repositories, RepositoryError> {
        let server = Server::files(files);
        let (fetcher, _cache) = fetcher(can_check());
        load_lenient(&[source(&format!("{}r", server.url), key().keyring())], "x86_64", &fetcher)
    }

    #[test]
    fn a_signed_repository_is_loaded_its_packages_fetched_and_all_kept_for_offline_runs() {
        let server = Server::files(served());
        let (online, cache) = fetcher(can_check());
        let sources = [source(&format!("{}r/", server.url), key().keyring())];
        let loaded = load_lenient(&sources, "x86_64", &online).unwrap();
        let archive = loaded.index.versions("a")[0].archive().unwrap();
        assert_eq!(archive.url, format!("{}r/x86_64/a-1.apk", server.url));
        online.archives(&[&archive]).unwrap();
        let verified = &loaded.verified[0];
        assert_eq!(verified.repository, format!("{}r", server.url));
        assert_eq!(verified.signer.as_ref().unwrap().user_id, "test.rsa.pub");
        assert_eq!(verified.date.as_deref(), Some("Thu, 01 Jan 1970 00:00:07 UTC"));
        let before = server.requests().len();
        let offline = FetchOptions { offline: true, ..can_check() };
        let offline = fetcher_at(cache.path(), offline);
        let again = load_lenient(&sources, "x86_64", &offline).unwrap();
        assert_eq!(again.index.versions("a"), loaded.index.versions("a"));
        offline.archives(&[&archive]).unwrap();
        assert_eq!(server.requests().len(), before);
    }

    #[test]
    fn an_index_older_than_one_that_was_seen_is_refused() {
        let of =
            |time: &str| key().sign(&index(&entry().replace("\n\n", &format!("\nt:{time}\n\n"))));
        let (new, old) = (of("1700000100"), of("1700000000"));
        let server = Server::start(move |_, before| match before {
            0 | 2 => Reply::ok(new.clone()),
            _ => Reply::ok(old.clone()),
        });
        let (fetcher, cache) = fetcher(can_check());
        let sources = [source(&format!("{}r", server.url), key().keyring())];
        let loaded = load_lenient(&sources, "x86_64", &fetcher).unwrap();
        assert_eq!(loaded.verified[0].made, 1_700_000_100);
        let why = load_lenient(&sources, "x86_64", &fetcher).unwrap_err().to_string();
        assert!(why.contains("--allow-older-index") && why.contains("14 Nov 2023"), "{why}");
        load_lenient(&sources, "x86_64", &fetcher).unwrap();
        let older = imgfix_repository::newest::Older::Allow;
        let allowed = fetcher_at(cache.path(), FetchOptions { older, ..can_check() });
        load_lenient(&sources, "x86_64", &allowed).unwrap();
    }

    #[test]
    fn an_unchanged_index_is_not_sent_again() {
        let files = served();
        let server = Server::start(move |request, before| match request.header("if-none-match") {
            Some("\"v1\"") => Reply::status(304),
            _ if before == 0 => Reply::ok(files[INDEX].clone()).header("ETag", "\"v1\""),
            _ => Reply::status(500),
        });
        let (fetcher, _cache) = fetcher(can_check());
        let sources = [source(&format!("{}r", server.url), key().keyring())];
        for _ in 0..2 {
            assert_eq!(load_lenient(&sources, "x86_64", &fetcher).unwrap().index.len(), 1);
        }
    }

    #[test]
    fn an_index_in_one_folder_with_its_packages_is_read_there() {
        let files: BTreeMap<String, Vec<u8>> = served()
            .into_iter()
            .map(|(path, bytes)| (path.replace("/r/x86_64/", "/own/"), bytes))
            .collect();
        let server = Server::files(files);
        let (fetcher, _cache) = fetcher(can_check());
        let line = format!("ndx {}own/APKINDEX.tar.gz", server.url);
        let loaded = load_lenient(&[source(&line, key().keyring())], "x86_64", &fetcher).unwrap();
        let archive = loaded.index.versions("a")[0].archive().unwrap();
        assert_eq!(archive.url, format!("{}own/a-1.apk", server.url));
        fetcher.archives(&[&archive]).unwrap();
    }

    #[test]
    fn a_url_named_with_several_tags_is_one_repository() {
        let mut files = served();
        files.insert("/s/x86_64/APKINDEX.tar.gz".to_owned(), files[INDEX].clone());
        let server = Server::files(files);
        let (fetcher, _cache) = fetcher(can_check());
        let lines = ["@edge {}r", "{}s", "@testing {}r/", "@edge {}r"];
        let sources = lines.map(|line| source(&line.replace("{}", &server.url), key().keyring()));
        let loaded = load_lenient(&sources, "x86_64", &fetcher).unwrap();
        let found = loaded.index.versions("a");
        let [a] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(a.repository.tags, [Some("edge".to_owned()), Some("testing".to_owned())]);
        assert!(a.has_tag(None), "the other repository has it untagged");
        assert_eq!(loaded.verified.len(), 2);
        assert_eq!(server.requests().len(), 2);
    }

    #[test]
    fn nothing_unsigned_wrongly_signed_or_unreadable_is_believed() {
        let good = served()[INDEX].clone();
        let resigned = |content: &[u8]| key().sign(content);
        for (bytes, want) in [
            (index(&entry()), "is not signed"),
            (TestKey::other("test.rsa.pub").sign(&index(&entry())), "does not fit the content"),
            (TestKey::new("other.rsa.pub").sign(&index(&entry())), "signed with other.rsa.pub"),
            (good[..good.len() - 9].to_vec(), "does not fit the content"),
            (good[..40].to_vec(), "cut off"),
            (b"<html>".to_vec(), "not a gzip file"),
            (b"ADBd1234".to_vec(), "version 3 format"),
            (resigned(b"x"), "member 2 is incomplete"),
            (resigned(&[b'x'; 40]), "cannot be unpacked"),
            (resigned(&index("nonsense\n\n")), "line 1: \"nonsense\""),
            (resigned(&index("P:a\n")), "cut off"),
            (resigned(&index(&same(5_001))), "more than 5000 packages that are called \"a\""),
        ] {
            let why = load_one(BTreeMap::from([(INDEX.to_owned(), bytes.clone())])).unwrap_err();
            let why = why.to_string();
            let named = why.contains("/r/x86_64/APKINDEX.tar.gz") || why.contains("/r: ");
            assert!(named && why.contains(want), "{why}");
            // beside another it is left out, unless none may be
            let mut files = served();
            files.insert("/bad/x86_64/APKINDEX.tar.gz".to_owned(), bytes);
            let server = Server::files(files);
            let both =
                ["bad", "r"].map(|at| source(&format!("{}{at}", server.url), key().keyring()));
            let (fetcher, _cache) = fetcher(FetchOptions::default());
            let loaded = load_lenient(&both, "x86_64", &fetcher).unwrap();
            let [left_out] = loaded.left_out.as_slice() else { panic!("{:?}", loaded.left_out) };
            assert!(left_out.why.contains(want), "{left_out}");
            assert_eq!((loaded.index.len(), loaded.verified.len()), (1, 1), "{left_out}");
            let strict = LeavingOut::new(Strictness::Refuse);
            let memory = Memory::default();
            let why = load(&both, strict, "x86_64", &fetcher, &memory).unwrap_err().to_string();
            assert!(why.contains(want) && why.contains("--strict-repositories"), "{why}");
        }
        assert_eq!(
            load_one(BTreeMap::from([(INDEX.to_owned(), resigned(&index(&same(5_000))))]))
                .unwrap()
                .index
                .versions("a")
                .len(),
            5_000
        );
    }

    /// So many versions of the package `a`.
    fn same(count: usize) -> String {
        let one = |n: usize| {
            let identity = imgfix_model::identity::Identity::of(&n.to_le_bytes());
            format!("C:{identity}\nP:a\nV:{n}\nA:x86_64\nS:1\nI:1\n\n")
        };
        (0..count).map(one).collect()
    }

    #[test]
    fn indexes_that_together_are_too_much_for_memory_are_left_out() {
        let mut files = served();
        files.insert("/s/x86_64/APKINDEX.tar.gz".to_owned(), files[INDEX].clone());
        let server = Server::files(files);
        let (fetcher, _cache) = fetcher(can_check());
        let sources =
            ["r", "s"].map(|path| source(&format!("{}{path}", server.url), key().keyring()));
        let load = |memory: &Memory| {
            let leaving_out = LeavingOut::new(Strictness::LeaveOut);
            load(&sources, leaving_out, "x86_64", &fetcher, memory).unwrap()
        };
        let all = Memory::default();
        let loaded = load(&all);
        assert_eq!(loaded.verified.len(), 2);
        let both = all.used();
        drop(loaded);
        assert_eq!(all.used(), 0, "tables and texts go back");
        assert_eq!(load(&Memory::fixed(both)).verified.len(), 2);
        let memory = Memory::fixed(both - 1);
        let cut = load(&memory);
        let why = cut.left_out[0].to_string();
        assert!(why.starts_with(&server.url) && why.contains("--max-memory"), "{why}");
        assert_eq!((cut.index.len(), cut.left_out.len()), (1, 1));
        assert!(memory.used() < both, "what was left out holds nothing");
    }

    #[test]
    fn a_repository_without_the_architecture_or_keys_is_named() {
        let why = load_one(BTreeMap::new()).unwrap_err().to_string();
        assert!(why.contains(INDEX) && why.contains("packages for x86_64"), "{why}");
        let (fetcher, _cache) = fetcher(can_check());
        let keyless = source("https://example.invalid/r", ApkKeyring::default());
        let why = load_lenient(&[keyless], "x86_64", &fetcher).unwrap_err().to_string();
        assert!(why.contains("etc/apk/keys") && why.contains("--keyring FILE"), "{why}");
    }

    #[test]
    fn a_repository_that_cannot_be_used_is_left_out_with_what_helps() {
        let good = served();
        let server = Server::start(move |request, _| match request.path.as_str() {
            "/login/x86_64/APKINDEX.tar.gz" => Reply::status(401),
            "/unsigned/x86_64/APKINDEX.tar.gz" => Reply::ok(index(&entry())),
            path => good.get(path).map_or(Reply::status(404), |body| Reply::ok(body.clone())),
        });
        let at = |path: &str| format!("{}{path}", server.url);
        let keyless = source(&at("r2"), ApkKeyring::default());
        for (bad, want) in [
            (source("http://127.0.0.1:1/r", key().keyring()), "check the URL, the network"),
            (source(&at("login"), key().keyring()), "USER:PASSWORD"),
            (source(&at("none"), key().keyring()), "packages for x86_64"),
            (source(&at("unsigned"), key().keyring()), "is not signed"),
            (keyless, "--keyring FILE"),
        ] {
            let (fetcher, _cache) = fetcher(can_check());
            let name = bad.source.url.clone();
            let both = [bad.clone(), source(&at("r"), key().keyring())];
            let loaded = load_lenient(&both, "x86_64", &fetcher).unwrap();
            let [left_out] = loaded.left_out.as_slice() else { panic!("{:?}", loaded.left_out) };
            assert!(left_out.source == name && left_out.why.contains(want), "{left_out}");
            assert_eq!((loaded.index.len(), loaded.verified.len()), (1, 1), "{left_out}");
            let alone = load_lenient(&[bad], "x86_64", &fetcher).unwrap_err().to_string();
            assert!(alone.contains(want) && alone.contains(&name), "{alone}");
            let strict = LeavingOut::new(Strictness::Refuse);
            let why = load(&both, strict, "x86_64", &fetcher, &Memory::default())
                .unwrap_err()
                .to_string();
            assert!(why.contains(want) && why.contains("--strict-repositories"), "{why}");
        }
    }

    #[test]
    fn an_added_repository_that_is_not_there_is_left_out_unless_none_is_left() {
        let server = Server::files(served());
        let (fetcher, _cache) = fetcher(can_check());
        let added = |path: &str| {
            let mut added = source(&format!("{}{path}", server.url), key().keyring());
            added.source.origin = Origin::Added;
            added
        };
        let loaded = load_lenient(&[added("none"), added("r")], "x86_64", &fetcher).unwrap();
        assert!(loaded.index.versions("a")[0].repository.added);
        let why = load_lenient(&[added("none"), added("no")], "x86_64", &fetcher).unwrap_err();
        assert!(why.to_string().contains("none/x86_64/APKINDEX.tar.gz: not found"), "{why}");
    }

    /// A real index of Alpine (`$IMGFIX_APKINDEX`, of the architecture `$IMGFIX_APKINDEX_ARCH`),
    /// verified with the built-in keys and read as the apk of a root file system unpacked under
    /// `$IMGFIX_ALPINE_ROOT` reads it, with the time it takes.
    #[test]
    #[ignore = "needs root, IMGFIX_ALPINE_ROOT, IMGFIX_APKINDEX and IMGFIX_APKINDEX_ARCH"]
    fn the_real_apk_reads_the_same_packages() {
        let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name}"));
        let (root, arch) = (variable("IMGFIX_ALPINE_ROOT"), variable("IMGFIX_APKINDEX_ARCH"));
        let work = tempfile::tempdir_in(std::path::Path::new(&root).join("tmp")).unwrap();
        let inside = std::path::Path::new("/tmp").join(work.path().file_name().unwrap());
        let folder = work.path().join("repo").join(&arch);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::copy(variable("IMGFIX_APKINDEX"), folder.join("APKINDEX.tar.gz")).unwrap();
        let apk = |more: &[&str]| {
            let output = std::process::Command::new("chroot")
                .arg(&root)
                .args(["/sbin/apk", "--arch", &arch, "--no-network"])
                .args(["--repositories-file", "/dev/null", "--keys-dir", "/usr/share/apk/keys"])
                .arg("--root")
                .arg(inside.join("root"))
                .args(more)
                .output()
                .unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        apk(&["--initdb", "add"]);
        let repository = inside.join("repo").display().to_string();
        let theirs = apk(&["-X", &repository, "search", "-a"]);
        let mut theirs: Vec<&str> =
            theirs.lines().filter(|line| !line.starts_with("NOTE: ")).collect();
        theirs.sort_unstable();

        let url = "https://dl-cdn.alpinelinux.org/alpine/v3.17/main";
        let keyring = super::super::keys::builtin(url, "alpine", &arch);
        let line = work.path().join("repo").display().to_string();
        let (fetcher, _cache) = fetcher(can_check());
        let start = std::time::Instant::now();
        let loaded = load_lenient(&[source(&line, keyring)], &arch, &fetcher).unwrap();
        let took = start.elapsed();
        let mut ours: Vec<String> = loaded
            .index
            .iter()
            .map(|one| format!("{}-{}", one.record.name, one.record.version))
            .collect();
        ours.sort_unstable();
        assert_eq!(ours, theirs);
        println!("{} packages, loaded in {took:?}, signed by {:?}", ours.len(), loaded.verified);
    }
}
