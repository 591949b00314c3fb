//! Repositories as files of a local server: signed, damaged, old, missing.

use std::collections::BTreeMap;
use std::io::Write as _;

use super::index_files::choose;
use super::*;
use crate::sources::parse_option;
use imgfix_model::digest::Digest;
use imgfix_repository::FetchOptions;
use imgfix_repository::leaving_out::Strictness;
use imgfix_repository::repository_url::Origin;
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

    fn load_from(&self, files: BTreeMap<String, Vec<u8>>) -> Result<Repositories, AptError> {
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
) -> Result<Repositories, AptError> {
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
    let signer = loaded.verified[0].signer.as_ref().unwrap();
    assert_eq!(signer.fingerprint, repository.key.fingerprint());
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
    let by_hash = format!("/d/dists/x/main/binary-amd64/by-hash/SHA256/{}", Digest::of(xz).hex());
    let plain = format!("/d/dists/x/{PACKAGES}.xz");
    let mut files = repository.served();
    for (there, want) in [(false, vec![&by_hash, &plain]), (true, vec![&by_hash])] {
        if there {
            files.insert(by_hash.clone(), xz.clone());
            files.remove(&plain);
        }
        let server = Server::files(files.clone());
        let (fetcher, _cache) = fetcher(FetchOptions::default());
        load_lenient(&[source(&server, "x main", &repository.key)], &fetcher, &options()).unwrap();
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
    let why =
        load_lenient(std::slice::from_ref(&none), &fetcher, &options()).unwrap_err().to_string();
    assert!(why.contains("\"contrib\"") && why.contains("components main"), "{why}");
    for rest in ["x contrib", "nowhere main"] {
        let mut added = source(&server, rest, &repository.key);
        added.source.origin = Origin::Added;
        assert!(load_lenient(&[added], &fetcher, &options()).unwrap().index.is_empty(), "{rest}");
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
    let cut =
        Repository { files: BTreeMap::from([(PACKAGES.to_owned(), text)]), ..Repository::new() };
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
    let keyring = crate::keys::builtin("debian");
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
