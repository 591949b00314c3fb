//! `imgfix repair` against real registries in less common situations: another repository as the
//! output, tokens, Docker's own formats, connections that are cut, proxies.
//!
//! Needs Debian's docker-registry, skopeo, umoci and openssl; no network.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::cli::{self, Place, Ran, copy_tree, fixture, ran, report, version_in};
use common::registry::{Registry, Setup, run};
use common::relay::Relay;
use serde_json::Value;

fn login() -> Option<(String, String)> {
    Some(("ann".into(), "s3cret".into()))
}

/// Copies an image into the registry with skopeo.
fn push(registry: &Registry, from: &str, name: &str, more: &[&str]) {
    let mut arguments = vec!["copy".to_owned(), "-q".to_owned()];
    arguments.extend(registry.skopeo_options("dest-"));
    arguments.extend(more.iter().map(|one| (*one).to_owned()));
    arguments.extend([from.to_owned(), registry.reference(name)]);
    run("skopeo", &arguments.iter().map(String::as_str).collect::<Vec<_>>());
}

/// The manifest or index that the registry has under a name, as stored.
fn raw(registry: &Registry, name: &str) -> Value {
    let mut arguments = vec!["inspect".to_owned(), "--raw".to_owned()];
    arguments.extend(registry.skopeo_options(""));
    arguments.push(registry.reference(name));
    let text = run("skopeo", &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    serde_json::from_str(&text).expect("JSON")
}

/// A verbose repair with what the registry, called `host`, asks for; reported as JSON.
fn repair_on(place: &Place, registry: &Registry, host: &str, image: &str) -> Command {
    let mut command = place.on("repair", image);
    command.args(["-v", "--format", "json", "-r", &report("debian-12.trivy")]);
    if let Some(file) = registry.ca_file() {
        command.arg("--ca-file").arg(file);
    }
    if let Some(file) = registry.auth_file_for(host) {
        command.arg("--authfile").arg(file);
    }
    command
}

fn repair(place: &Place, registry: &Registry, image: &str) -> Command {
    repair_on(place, registry, &registry.host, image)
}

/// dpkg's status file of an image, pulled by skopeo and unpacked by umoci.
fn pulled_status(place: &Place, registry: &Registry, name: &str, more: &[&str]) -> String {
    let back = tempfile::tempdir_in(place.dir.path()).expect("dir");
    let image = format!("{}:back", back.path().join("image").display());
    let mut arguments: Vec<String> = more.iter().map(|one| (*one).to_owned()).collect();
    arguments.extend(["copy".to_owned(), "-q".to_owned()]);
    arguments.extend(registry.skopeo_options("src-"));
    arguments.extend([registry.reference(name), format!("oci:{image}")]);
    run("skopeo", &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let mut command = Command::new("umoci");
    command.args(["unpack", "--image", &image]);
    if !cli::is_root() {
        command.arg("--rootless");
    }
    ran(command.arg(back.path().join("bundle"))).expect(0);
    let root = back.path().join("bundle/rootfs/var/lib/dpkg");
    std::fs::read_to_string(root.join("status"))
        .or_else(|_| std::fs::read_to_string(root.join("status.d/libexpat1")))
        .expect("status")
}

#[track_caller]
fn is_repaired(status: &str) {
    let (package, version) = match status.contains("Package: imagemagick-6-common\n") {
        true => ("imagemagick-6-common", "8:6.9.11.60+dfsg-1.6+deb12u15"),
        false => ("libexpat1", "2.5.0-1+deb12u5"),
    };
    assert_eq!(version_in(status, package).as_deref(), Some(version));
}

// --- another repository, tokens -----------------------------------------------------------

/// Repairs `team/app:12` into `other/fixed:1`: only what is new may be sent.
fn into_another_repository(setup: Setup) -> (Registry, Ran) {
    let registry = Registry::start_with(setup);
    let place = Place::debian();
    push(&registry, &place.image("12"), "team/app:12", &["--preserve-digests"]);
    let output = registry.reference("other/fixed:1");
    let mut command = repair(&place, &registry, &registry.reference("team/app:12"));
    let done = ran(command.args(["-o", &output])).expect(0);
    assert!(done.stderr.contains("blobs: 2 sent ("), "{}", done.stderr);
    assert!(done.stderr.contains(" bytes), 3 there already"), "{}", done.stderr);
    assert!(!format!("{}{}", done.stdout, done.stderr).contains("s3cret"), "{}", done.stderr);
    let (old, new) = (raw(&registry, "team/app:12"), raw(&registry, "other/fixed:1"));
    let layers = |manifest: &Value| manifest["layers"].as_array().expect("layers").clone();
    assert_eq!(layers(&new)[..3], layers(&old)[..]);
    is_repaired(&pulled_status(&place, &registry, "other/fixed:1", &[]));
    assert_eq!(registry.open_uploads(), Vec::<std::path::PathBuf>::new());
    (registry, done)
}

#[test]
fn another_repository_of_an_open_registry() {
    into_another_repository(Setup::default());
}

#[test]
fn another_repository_behind_a_login_and_tls() {
    into_another_repository(Setup { login: login(), tls: true, ..Setup::default() });
}

#[test]
fn another_repository_behind_a_token_server() {
    let (registry, _) =
        into_another_repository(Setup { login: login(), tokens: true, ..Setup::default() });
    let asked: Vec<String> =
        registry.token_requests().into_iter().map(|request| request.path).collect();
    let both = |path: &&String| {
        path.contains("scope=repository%3Aother%2Ffixed%3Apull%2Cpush")
            && path.contains("scope=repository%3Ateam%2Fapp%3Apull")
    };
    assert!(asked.iter().any(|path| both(&path)), "{asked:#?}");
}

#[test]
fn a_token_server_gives_nothing_without_the_password() {
    let registry = Registry::start_with(Setup { login: login(), tokens: true, ..Setup::default() });
    let place = Place::debian();
    push(&registry, &place.image("12"), "team/app:12", &[]);
    let from = registry.reference("team/app:12");
    let refused = ran(&mut place.repair(&from)).expect(1);
    assert!(refused.stderr.contains("docker login"), "{}", refused.stderr);
    let done = ran(&mut repair(&place, &registry, &from)).expect(0);
    assert!(!done.stderr.contains("s3cret"), "{}", done.stderr);
    is_repaired(&pulled_status(&place, &registry, "team/app:12_fix", &[]));
}

// --- Docker's schema 2 --------------------------------------------------------------------

const DOCKER: &str = "application/vnd.docker.";

#[test]
fn a_docker_manifest_stays_one() {
    let registry = Registry::start();
    let place = Place::debian();
    push(&registry, &place.image("12"), "team/app:12", &["--format=v2s2"]);
    let done = ran(&mut repair(&place, &registry, &registry.reference("team/app:12"))).expect(0);
    let new = raw(&registry, "team/app:12_fix");
    assert_eq!(new["mediaType"], format!("{DOCKER}distribution.manifest.v2+json"));
    assert_eq!(new["config"]["mediaType"], format!("{DOCKER}container.image.v1+json"));
    let layers = new["layers"].as_array().expect("layers");
    assert_eq!(layers.len(), 4);
    for layer in layers {
        assert_eq!(layer["mediaType"], format!("{DOCKER}image.rootfs.diff.tar.gzip"));
    }
    assert_eq!(new.get("annotations"), None, "schema 2 has no annotations");
    let shown =
        run("skopeo", &["inspect", "--tls-verify=false", &registry.reference("team/app:12_fix")]);
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    let labels = &shown["Labels"];
    assert_eq!(labels["org.opencontainers.image.base.digest"], done.json()["image"]["digest"]);
    assert_eq!(
        labels["org.opencontainers.image.base.name"],
        format!("{}/team/app:12", registry.host)
    );
    is_repaired(&pulled_status(&place, &registry, "team/app:12_fix", &[]));
    // and again, from the repaired one
    let again =
        ran(&mut repair(&place, &registry, &registry.reference("team/app:12_fix"))).expect(0);
    assert_eq!(again.digest(), done.digest());
}

#[test]
fn a_zstd_layer_cannot_be_put_on_a_docker_manifest() {
    let registry = Registry::start();
    let place = Place::debian();
    push(&registry, &place.image("12"), "team/app:12", &["--format=v2s2"]);
    let mut command = repair(&place, &registry, &registry.reference("team/app:12"));
    let refused = ran(command.args(["--compression", "zstd"])).expect(1);
    assert!(refused.stderr.contains("--compression gzip"), "{}", refused.stderr);
}

#[test]
fn a_docker_manifest_goes_into_an_archive_but_into_no_oci_layout() {
    let registry = Registry::start();
    let place = Place::debian();
    push(&registry, &place.image("12"), "team/app:12", &["--format=v2s2"]);
    let from = registry.reference("team/app:12");
    let new = place.path("new").display().to_string();
    for output in [format!("oci:{new}:1"), format!("oci-archive:{new}:1")] {
        let refused = ran(repair(&place, &registry, &from).args(["-o", &output])).expect(1);
        assert!(refused.stderr.contains("docker-archive:FILE"), "{}", refused.stderr);
        assert!(!place.path("new").exists());
    }
    let output = format!("docker-archive:{new}:app:1");
    ran(repair(&place, &registry, &from).args(["-o", &output])).expect(0);
    let shown = run("skopeo", &["inspect", &output]);
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(shown["Layers"].as_array().map(Vec::len), Some(4));
}

#[test]
fn a_docker_manifest_list_stays_one() {
    let registry = Registry::start();
    let place = Place::new();
    copy_tree(&fixture("distroless"), &place.path("image"));
    push(&registry, &place.image("static"), "team/app:1", &["--all", "--format=v2s2"]);
    let old = raw(&registry, "team/app:1");
    let mut command = place.on("repair", &registry.reference("team/app:1"));
    let done = ran(command.args(["-q", "--format=json"])).expect(0);
    assert_eq!(done.json()["platforms"].as_array().map(Vec::len), Some(2));
    let new = raw(&registry, "team/app:1_fix");
    assert_eq!(new["mediaType"], format!("{DOCKER}distribution.manifest.list.v2+json"));
    let platforms = |list: &Value| -> Vec<Value> {
        let children = list["manifests"].as_array().expect("manifests");
        children.iter().map(|child| child["platform"].clone()).collect()
    };
    assert_eq!(platforms(&new), platforms(&old));
    for child in new["manifests"].as_array().expect("manifests") {
        assert_eq!(child["mediaType"], format!("{DOCKER}distribution.manifest.v2+json"));
    }
    for architecture in ["amd64", "arm64"] {
        let more = ["--override-arch", architecture];
        is_repaired(&pulled_status(&place, &registry, "team/app:1_fix", &more));
    }
}

// --- connections --------------------------------------------------------------------------

/// In front of the registry: the first `times` uploads of bytes are cut after some of them.
fn cutting(registry: &Registry, times: usize) -> (Relay, Arc<AtomicUsize>) {
    let cuts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&cuts);
    let relay = Relay::start(&registry.host, move |sent| {
        let put = find(sent, b"PUT /v2/team/app/blobs/uploads/")?;
        if sent.len() < put + 20_000 || counted.load(Ordering::SeqCst) >= times {
            return None;
        }
        counted.fetch_add(1, Ordering::SeqCst);
        Some(put + 20_000)
    });
    (relay, cuts)
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

#[test]
fn an_upload_that_is_cut_is_sent_again() {
    let registry = Registry::start();
    let place = Place::debian();
    push(&registry, &place.image("12"), "team/app:12", &["--preserve-digests"]);
    let (relay, cuts) = cutting(&registry, 2);
    let image = format!("docker://{}/team/app:12", relay.host);
    ran(&mut repair(&place, &registry, &image)).expect(0);
    assert_eq!(cuts.load(Ordering::SeqCst), 2);
    is_repaired(&pulled_status(&place, &registry, "team/app:12_fix", &[]));
}

#[test]
fn an_upload_that_is_cut_every_time_publishes_nothing() {
    let registry = Registry::start();
    let place = Place::debian();
    push(&registry, &place.image("12"), "team/app:12", &["--preserve-digests"]);
    let before = registry.stored();
    let (relay, cuts) = cutting(&registry, usize::MAX);
    let image = format!("docker://{}/team/app:12", relay.host);
    let failed = ran(&mut repair(&place, &registry, &image)).expect(1);
    assert_eq!(cuts.load(Ordering::SeqCst), 5, "one attempt and four retries");
    let error = failed.stderr.lines().last().expect("an error");
    assert!(error.starts_with("imgfix: error: ") && error.contains("team/app:12_fix"), "{error}");
    assert!(error.contains("5 times"), "{error}");
    let tags = |path: &&std::path::PathBuf| path.to_string_lossy().contains("/_manifests/");
    let now = registry.stored();
    assert!(now.keys().filter(tags).eq(before.keys().filter(tags)), "something was published");
}

/// A certificate that nobody vouches for is refused, taken by `--insecure-skip-tls-verify`, and then
/// the report says so.
#[test]
fn a_certificate_that_is_not_verified_is_named_in_the_report() {
    let registry = Registry::start_with(Setup { tls: true, ..Setup::default() });
    let place = Place::debian();
    push(&registry, &place.image("12"), "app:12", &[]);
    let image = registry.reference("app:12");
    let run = |more: &[&str]| {
        let mut command = place.on("repair", &image);
        command.args(["-q", "--format", "json", "-r", &report("debian-12.trivy")]).args(more);
        ran(&mut command)
    };
    assert!(run(&[]).expect(1).stderr.contains("certificate"));
    let told = run(&["--insecure-skip-tls-verify"]).expect(0).json()["warnings"].to_string();
    assert!(told.contains("--insecure-skip-tls-verify"), "{told}");
    is_repaired(&pulled_status(&place, &registry, "app:12_fix", &[]));
}

// --- proxies ------------------------------------------------------------------------------

/// A repair of an image on a host that only the proxy knows.
fn behind_proxy(place: &Place, registry: &Registry, more: &[(&str, &str)]) -> Ran {
    let host = "registry.test:5000";
    let image = format!("docker://{host}/team/app:12");
    let mut command = repair_on(place, registry, host, &image);
    if registry.ca_file().is_none() {
        command.arg("--plain-http");
    }
    for (name, value) in more {
        command.env(name, value);
    }
    ran(&mut command)
}

#[test]
fn plain_http_goes_through_the_proxy_of_the_usual_variables() {
    let registry = Registry::start();
    let place = Place::debian();
    push(&registry, &place.image("12"), "team/app:12", &[]);
    let proxy = Relay::start(&registry.host, |_| None);
    let url = format!("http://{}", proxy.host);
    for name in ["http_proxy", "ALL_PROXY"] {
        behind_proxy(&place, &registry, &[(name, &url)]).expect(0);
    }
    let through = |line: &String| line.contains(" http://registry.test:5000/");
    assert!(proxy.seen().iter().all(through), "{:#?}", proxy.seen());
    is_repaired(&pulled_status(&place, &registry, "team/app:12_fix", &[]));
    // not for hosts that are excepted, and never for this machine
    let before = proxy.seen().len();
    let direct = behind_proxy(&place, &registry, &[("http_proxy", &url), ("no_proxy", ".test")]);
    assert!(direct.expect(1).stderr.contains("registry.test:5000"));
    let here = registry.reference("team/app:12");
    ran(repair(&place, &registry, &here).env("http_proxy", &url).env("ALL_PROXY", &url)).expect(0);
    assert_eq!(proxy.seen().len(), before, "{:?}", proxy.seen());
}

#[test]
fn tls_goes_through_the_proxy_and_stays_tls() {
    let registry = Registry::start_with(Setup { login: login(), tls: true, ..Setup::default() });
    let place = Place::debian();
    push(&registry, &place.image("12"), "team/app:12", &[]);
    let proxy = Relay::start(&registry.host, |_| None);
    let url = format!("http://{}", proxy.host);
    behind_proxy(&place, &registry, &[("HTTPS_PROXY", &url)]).expect(0);
    assert!(!proxy.seen().is_empty());
    assert!(proxy.seen().iter().all(|line| line.starts_with("CONNECT registry.test:5000 ")));
    is_repaired(&pulled_status(&place, &registry, "team/app:12_fix", &[]));
}

#[test]
fn packages_come_through_the_proxy_too() {
    use common::hostile::{Response, Server};
    let repository = fixture("repository");
    let proxy = Server::start(move |request| {
        let path = request.path.strip_prefix("http://archive.test/debian/");
        match path.map(|path| std::fs::read(repository.join(path))) {
            Some(Ok(bytes)) => Response::new(200, bytes),
            _ => Response::new(404, ""),
        }
    });
    let place = Place::debian();
    let key = fixture("repository/key.asc");
    let line = format!(
        "deb [signed-by={}] http://archive.test/debian bookworm-security main",
        key.display()
    );
    let mut command = place.bare("repair", &place.image("12"));
    command.args(["-q", "-r", &report("debian-12.trivy"), "--repository", &line]);
    ran(command.env("http_proxy", format!("http://{}", proxy.host))).expect(0);
    assert!(place.tagged("12_fix").is_some());
}

#[test]
fn packages_of_this_machine_come_past_the_proxy_as_images_do() {
    use common::hostile::{Response, Server};
    let repository = fixture("repository");
    let here = Server::start(move |request| {
        let path = request.path.strip_prefix("/debian/");
        match path.map(|path| std::fs::read(repository.join(path))) {
            Some(Ok(bytes)) => Response::new(200, bytes),
            _ => Response::new(404, ""),
        }
    });
    let proxy = Server::start(|_| Response::new(502, ""));
    let place = Place::debian();
    let key = fixture("repository/key.asc");
    let line = format!(
        "deb [signed-by={}] http://{}/debian bookworm-security main",
        key.display(),
        here.host
    );
    let mut command = place.bare("repair", &place.image("12"));
    command.args(["-q", "-r", &report("debian-12.trivy"), "--repository", &line]);
    let url = format!("http://{}", proxy.host);
    ran(command.env("http_proxy", &url).env("ALL_PROXY", &url)).expect(0);
    assert!(place.tagged("12_fix").is_some());
    assert!(!here.requests().is_empty() && proxy.requests().is_empty());
}
