//! Registries, end to end: Debian's docker-registry with and without login and TLS, and
//! servers that misbehave. skopeo is the judge of what was published.

mod common;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use common::hostile::{Request, Response, Server};
use common::images::{gzip, index_layout, layer, layout};
use common::registry::{Certificate, Registry, Setup, run};
use imgfix_host::progress::Silent;
use imgfix_host::unfinished::Unfinished;
use imgfix_model::digest::{DiffId, Digest};
use imgfix_oci::media_type;
use imgfix_oci::publish::{
    NewImage, NewLayer, PatchLayer, Provenance, Publication, Published, manifest_descriptor,
    original_of, publish, rebuild, rebuild_index,
};
use imgfix_oci::{
    Document, ImageError, RawManifest, Reference, RegistryOptions, Sink, Source, delete_tag,
    descriptor, load, open_sink, open_source,
};

fn reference(text: &str) -> Reference {
    text.parse().expect("reference")
}

fn sink_of(name: &Reference, options: &RegistryOptions) -> Result<Box<dyn Sink>, ImageError> {
    open_sink(name, None, options, &Unfinished::default())
}

fn quick() -> RegistryOptions {
    RegistryOptions { retries: 3, backoff: Duration::from_millis(10), ..RegistryOptions::default() }
}

fn options(registry: &Registry) -> RegistryOptions {
    RegistryOptions {
        ca_files: registry.ca_file().into_iter().collect(),
        auth_file: registry.auth_file(),
        ..quick()
    }
}

fn provenance(source: &dyn Source) -> Provenance {
    Provenance {
        newest: std::collections::BTreeMap::new(),
        base_name: source.reference().base_name(),
        original_digest: source.root().expect("root").digest,
        plan_digest: Digest::of(b"plan"),
        version: "0.0.0".into(),
        excised: None,
        source_date_epoch: None,
    }
}

/// Copies an image or index as it is.
fn copy(source: &dyn Source, sink: &dyn Sink) -> Published {
    let set = load(source, None).expect("image");
    let images = set
        .images
        .iter()
        .map(|image| NewImage {
            manifest: image.manifest.raw().clone(),
            config: image.config.bytes().clone(),
            layers: Vec::new(),
        })
        .collect();
    let indexes = match &set.root {
        Document::Index(index) => vec![index.raw().clone()],
        Document::Manifest(_) => Vec::new(),
    };
    let publication = Publication { images, indexes, kept: Vec::new() };
    publish(sink, source, &publication, &Silent).expect("publish")
}

/// Repairs every platform with one and the same patch layer.
fn repair(source: &dyn Source, sink: &dyn Sink, content: &[u8]) -> Published {
    let tar = layer("repaired", content);
    let packed = gzip(&tar);
    let patch = PatchLayer {
        digest: Digest::of(&packed),
        diff_id: DiffId(Digest::of(&tar)),
        size: packed.len() as u64,
        compression: imgfix_vfs::Compression::Gzip,
    };
    let set = load(source, None).expect("image");
    let mut facts = provenance(source);
    let mut rebuilt = Vec::new();
    let mut replaced = BTreeMap::new();
    for image in &set.images {
        let original = original_of(&image.manifest, &image.config);
        let (manifest, config) = match &original {
            Some(original) => {
                facts.base_name = original.base_name.clone();
                facts.original_digest = original.original_digest;
                (&original.manifest, &original.config)
            }
            None => (&image.manifest, &image.config),
        };
        let new = rebuild(manifest, config, &patch, &facts).expect("rebuild");
        replaced.insert(image.manifest.digest(), manifest_descriptor(&new.manifest));
        rebuilt.push(new);
    }
    let index = match &set.root {
        Document::Index(index) => {
            Some(rebuild_index(index, &set.inner, &replaced, &facts).expect("index"))
        }
        Document::Manifest(_) => None,
    };
    let open = || Ok(Box::new(std::io::Cursor::new(packed.clone())) as imgfix_oci::BlobReader);
    let images = rebuilt
        .iter()
        .map(|new| NewImage {
            manifest: new.manifest.clone(),
            config: new.config.clone(),
            layers: vec![NewLayer { descriptor: &new.layer_descriptor, content: &open }],
        })
        .collect();
    let kept = index.as_ref().map(|index| index.kept.clone()).unwrap_or_default();
    let publication =
        Publication { images, indexes: index.into_iter().map(|one| one.index).collect(), kept };
    publish(sink, source, &publication, &Silent).expect("publish")
}

fn skopeo_inspect(registry: &Registry, name: &str) -> serde_json::Value {
    let mut arguments = vec!["inspect".to_owned()];
    arguments.extend(registry.skopeo_options(""));
    arguments.push(registry.reference(name));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    serde_json::from_str(&run("skopeo", &arguments)).expect("json")
}

fn skopeo_raw_digest(registry: &Registry, name: &str) -> Digest {
    let mut arguments = vec!["inspect".to_owned(), "--raw".to_owned()];
    arguments.extend(registry.skopeo_options(""));
    arguments.push(registry.reference(name));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Digest::of(run("skopeo", &arguments).as_bytes())
}

fn round_trip(setup: Setup) {
    let registry = Registry::start_with(setup);
    let options = options(&registry);
    let dir = tempfile::tempdir().expect("dir");
    let layers = [layer("base", &[7; 300_000]), layer("app", b"app")];
    let original = layout(dir.path(), "1.0", &layers);
    let name = reference(&registry.reference("team/app:1.0"));
    let sent = copy(&original, sink_of(&name, &options).expect("sink").as_ref());
    assert_eq!((sent.blobs_sent, sent.blobs_linked), (3, 0));
    assert_eq!(skopeo_raw_digest(&registry, "team/app:1.0"), sent.digest);

    let source = open_source(&name, &options).expect("source");
    let fixed = name.with_fix_suffix("_fix").expect("fixed");
    let done = repair(source.as_ref(), sink_of(&fixed, &options).expect("sink").as_ref(), b"one");
    assert_eq!((done.blobs_sent, done.blobs_linked), (2, 2), "patch and config only");
    assert_eq!(skopeo_raw_digest(&registry, "team/app:1.0_fix"), done.digest);
    let seen = skopeo_inspect(&registry, "team/app:1.0_fix");
    assert_eq!(seen["Layers"].as_array().map(Vec::len), Some(3));
    let target = format!("oci:{}:1.0_fix", dir.path().join("back").display());
    let mut arguments = vec!["copy".to_owned(), "-q".to_owned()];
    arguments.extend(registry.skopeo_options("src-"));
    arguments.extend([registry.reference("team/app:1.0_fix"), target]);
    run("skopeo", &arguments.iter().map(String::as_str).collect::<Vec<_>>());

    // repairing the repaired image replaces the patch layer
    let source = open_source(&fixed, &options).expect("source");
    let again = repair(source.as_ref(), sink_of(&fixed, &options).expect("sink").as_ref(), b"two");
    assert_ne!(again.digest, done.digest);
    let seen = skopeo_inspect(&registry, "team/app:1.0_fix");
    assert_eq!(seen["Layers"].as_array().map(Vec::len), Some(3));
    let source = open_source(&name, &options).expect("source");
    let direct = repair(source.as_ref(), sink_of(&fixed, &options).expect("sink").as_ref(), b"two");
    assert_eq!(direct.digest, again.digest, "from the original or from the repaired image");
    assert_eq!(direct.bytes_sent, 0);
}

#[test]
fn plain_http_on_loopback() {
    round_trip(Setup::default());
}

#[test]
fn basic_login() {
    round_trip(Setup { login: Some(("user".into(), "p:a ss".into())), ..Setup::default() });
}

#[test]
fn tls_with_an_own_authority_and_login() {
    round_trip(Setup {
        login: Some(("user".into(), "secret".into())),
        tls: true,
        ..Setup::default()
    });
}

#[test]
fn an_unknown_authority_is_refused_with_the_way_out() {
    let registry = Registry::start_with(Setup { tls: true, ..Setup::default() });
    let source = open_source(&reference(&registry.reference("app:1")), &quick());
    let error = source.and_then(|source| source.root()).expect_err("untrusted").to_string();
    assert!(error.contains("--ca-file"), "{error}");
}

#[test]
fn a_missing_or_wrong_login_is_refused_with_the_way_out() {
    let setup = Setup { login: Some(("user".into(), "hunter2".into())), ..Setup::default() };
    let registry = Registry::start_with(setup);
    let name = reference(&registry.reference("app:1"));
    let nowhere = tempfile::NamedTempFile::new().expect("temp");
    std::fs::write(nowhere.path(), "{}").expect("write");
    let anonymous =
        RegistryOptions { auth_file: Some(nowhere.path().to_owned()), ..options(&registry) };
    let root = |options: &RegistryOptions| {
        open_source(&name, options).and_then(|source| source.root()).expect_err("401").to_string()
    };
    let error = root(&anonymous);
    assert!(error.contains("docker login 127.0.0.1"), "{error}");
    let wrong = serde_json::json!({"auths": {registry.host.as_str(): {"username": "user", "password": "hunter3"}}});
    std::fs::write(nowhere.path(), wrong.to_string()).expect("write");
    let error = root(&anonymous);
    assert!(error.contains("refuses the credentials in"), "{error}");
    assert!(!error.contains("hunter"), "{error}");
}

#[test]
fn an_index_is_published_and_read_back() {
    let registry = Registry::start();
    let dir = tempfile::tempdir().expect("dir");
    let original = index_layout(dir.path(), "1.0", &layer("base", &[1; 1000]));
    let name = reference(&registry.reference("app:1.0"));
    let sent = copy(&original, sink_of(&name, &quick()).expect("sink").as_ref());
    assert_eq!(sent.blobs_sent, 5, "one layer is shared");
    let source = open_source(&name, &quick()).expect("source");
    let fixed = reference(&registry.reference("app:1.0_fix"));
    let done = repair(source.as_ref(), sink_of(&fixed, &quick()).expect("sink").as_ref(), b"x");
    assert_eq!(skopeo_raw_digest(&registry, "app:1.0_fix"), done.digest);
    let back = open_source(&fixed, &quick()).expect("source");
    let again = repair(back.as_ref(), sink_of(&fixed, &quick()).expect("sink").as_ref(), b"x");
    assert_eq!(again.digest, done.digest, "repairing the repaired index changes nothing");
    let set = load(back.as_ref(), None).expect("image");
    let platforms: Vec<_> = set.images.iter().map(|image| image.platform.to_string()).collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64"]);
    for image in &set.images {
        assert_eq!(image.manifest.layers().len(), 3);
        assert!(original_of(&image.manifest, &image.config).is_some());
    }
}

#[test]
fn another_repository_of_the_registry_mounts_the_layers() {
    let registry =
        Registry::start_with(Setup { login: Some(("u".into(), "p".into())), ..Setup::default() });
    let options = options(&registry);
    let dir = tempfile::tempdir().expect("dir");
    let original = layout(dir.path(), "1", &[layer("base", &[9; 100_000])]);
    let name = reference(&registry.reference("a/app:1"));
    copy(&original, sink_of(&name, &options).expect("sink").as_ref());
    let source = open_source(&name, &options).expect("source");
    let other = reference(&registry.reference("b/other:1"));
    let done = repair(source.as_ref(), sink_of(&other, &options).expect("sink").as_ref(), b"x");
    assert_eq!((done.blobs_sent, done.blobs_linked), (2, 1), "the layer was mounted");
    assert_eq!(skopeo_raw_digest(&registry, "b/other:1"), done.digest);
}

#[test]
fn from_registry_to_registry_and_to_archives() {
    let (first, second) = (Registry::start(), Registry::start());
    let dir = tempfile::tempdir().expect("dir");
    let layers = [layer("base", &[3; 2_000_000]), layer("app", b"app")];
    let original = layout(&dir.path().join("layout"), "1", &layers);
    let name = reference(&first.reference("app:1"));
    let sent = copy(&original, sink_of(&name, &quick()).expect("sink").as_ref());
    let source = open_source(&name, &quick()).expect("source");
    let elsewhere = reference(&second.reference("app:1"));
    copy(source.as_ref(), sink_of(&elsewhere, &quick()).expect("sink").as_ref());
    assert_eq!(skopeo_raw_digest(&second, "app:1"), sent.digest);

    let archives =
        [("oci-archive", "oci.tar:1"), ("docker-archive", "docker.tar:example.org/app:1")];
    for (transport, file) in archives {
        let text = format!("{transport}:{}/{file}", dir.path().display());
        let output = reference(&text);
        let done =
            repair(source.as_ref(), sink_of(&output, &quick()).expect("sink").as_ref(), b"x");
        let inspected: serde_json::Value =
            serde_json::from_str(&run("skopeo", &["inspect", &text])).expect("json");
        assert_eq!(inspected["Layers"].as_array().map(Vec::len), Some(3), "{text}");
        run(
            "skopeo",
            &["copy", "-q", &text, &format!("dir:{}", dir.path().join(transport).display())],
        );
        let back = open_source(&output, &quick()).expect("source");
        assert_eq!(back.root().expect("root").digest, done.digest, "{text}");
        let back = load(back.as_ref(), None).expect("image");
        assert!(original_of(&back.images[0].manifest, &back.images[0].config).is_some());
    }
}

#[test]
fn archives_of_skopeo_are_read() {
    let dir = tempfile::tempdir().expect("dir");
    let layers = [layer("base", &[3; 20_000]), layer("app", b"app")];
    layout(&dir.path().join("layout"), "1", &layers);
    let from = format!("oci:{}/layout:1", dir.path().display());
    for name in ["oci-archive:{}/a.tar:1", "docker-archive:{}/b.tar:app:1"] {
        let name = name.replace("{}", &dir.path().display().to_string());
        run("skopeo", &["copy", "-q", &from, &name]);
        let source = open_source(&reference(&name), &quick()).expect("source");
        let set = load(source.as_ref(), None).expect("image");
        assert_eq!(set.images[0].config.diff_ids()[1], DiffId(Digest::of(&layers[1])));
        for layer in set.images[0].manifest.layers() {
            source.blob(layer).expect("blob").read_to_end(&mut Vec::new()).expect("layer");
        }
    }
}

#[test]
fn wrong_content_is_not_published() {
    let registry = Registry::start();
    let sink = sink_of(&reference(&registry.reference("app:1")), &quick()).expect("sink");
    let blob = descriptor(media_type::OCI_LAYER, &Digest::of(b"right"), 5);
    let error =
        sink.put_blob(&blob, &|| Ok(Box::new(&b"wrong"[..]))).expect_err("wrong").to_string();
    assert!(error.contains("tampered"), "{error}");
    assert!(!sink.has_blob(&Digest::of(b"right")).expect("has"));
    assert!(
        sink_of(
            &reference(&format!("{}@{}", registry.host.clone() + "/app", Digest::of(b""))),
            &quick()
        )
        .is_err()
    );
}

/// As curl and skopeo do: what a registry shows is trusted when it was named, whether it may
/// sign others or not.
#[test]
fn a_certificate_that_signs_itself_is_trusted_when_it_is_named() {
    let temp = tempfile::tempdir().expect("dir");
    let original = layout(temp.path(), "1", &[layer("a", b"base")]);
    for certificate in [Certificate::Authority, Certificate::Itself] {
        let start = || Registry::start_with(Setup { tls: true, certificate, ..Setup::default() });
        let (registry, other) = (start(), start());
        let name = reference(&registry.reference("app:1"));
        let sink = sink_of(&name, &options(&registry)).expect("sink");
        copy(&original, &*sink);
        let source = open_source(&name, &options(&registry)).expect("source");
        let set = load(&*source, None).expect("image");
        for blob in set.images[0].manifest.layers() {
            source.blob(blob).expect("blob").read_to_end(&mut Vec::new()).expect("bytes");
        }
        let image = registry.reference("app:1");
        let inspect = ["inspect", "--raw", &image];
        let trust = registry.skopeo_options("");
        let trust: Vec<&str> = trust.iter().map(String::as_str).collect();
        run("skopeo", &[&inspect[..], &trust].concat());
        // one that was not named, another of the same name, another name
        let renamed = registry.host.replace("127.0.0.1", "127.0.0.2");
        let renamed = reference(&format!("docker://{renamed}/app:1"));
        for (name, trusted) in [(&name, None), (&name, Some(&other)), (&renamed, Some(&registry))] {
            let ca_files = trusted.and_then(Registry::ca_file).into_iter().collect();
            let strict = RegistryOptions { ca_files, ..quick() };
            let source = open_source(name, &strict).expect("source");
            let error = source.root().expect_err("not trusted").to_string();
            let refused = error.contains("is not trusted") || error.contains("cannot be reached");
            assert!(refused, "{certificate:?} {trusted:?}: {error}", trusted = trusted.is_some());
        }
    }
}

// ---- servers that misbehave ----

fn manifest_of(blob: &[u8]) -> Vec<u8> {
    serde_json::json!({"schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST,
        "config": descriptor(media_type::OCI_CONFIG, &Digest::of(b"{}"), 2),
        "layers": [descriptor(media_type::OCI_LAYER, &Digest::of(blob), blob.len() as u64)]})
    .to_string()
    .into_bytes()
}

fn root_error(server: &Server) -> String {
    let source =
        open_source(&reference(&format!("{}/app:1", server.host)), &quick()).expect("source");
    match source.root() {
        Ok(_) => panic!("a manifest came"),
        Err(error) => error.to_string(),
    }
}

fn manifest_requests(server: &Server) -> usize {
    server.requests().iter().filter(|request| request.path.contains("/manifests/")).count()
}

/// A registry that is open, and answers requests for images with `answer`.
fn behind_ping(answer: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Server {
    Server::start(move |request| match request.path.as_str() {
        "/v2/" => Response::new(200, "{}"),
        _ => answer(request),
    })
}

#[test]
fn errors_for_good_are_told_at_once() {
    for (status, why) in [(403, "docker login"), (404, "check its name and tag"), (400, "HTTP 400")]
    {
        let server = behind_ping(move |_| Response::new(status, ""));
        let error = root_error(&server);
        assert!(error.contains(why) && error.contains("/app:1"), "{status}: {error}");
        assert_eq!(manifest_requests(&server), 1, "{status}");
    }
}

#[test]
fn errors_that_may_pass_are_met_with_patience_that_ends() {
    for (status, why) in
        [(429, "higher limits"), (500, "try again later"), (503, "try again later")]
    {
        let server = behind_ping(move |_| Response::new(status, ""));
        let error = root_error(&server);
        assert!(error.contains(why) && error.contains("4 times"), "{status}: {error}");
        assert_eq!(manifest_requests(&server), 4, "{status}");
    }
}

#[test]
fn a_tag_that_may_not_be_moved_is_named() {
    let server = behind_ping(|request| match (request.method.as_str(), &*request.path) {
        ("PUT", path) if path.ends_with("/manifests/1") => Response::new(
            412,
            r#"{"errors":[{"code":"PRECONDITION","message":"'app:1' configured as immutable."}]}"#,
        ),
        ("PUT", _) => Response::new(201, ""),
        ("HEAD", _) => Response::new(200, ""),
        _ => Response::new(404, ""),
    });
    let name = reference(&format!("{}/app:1", server.host));
    let sink = sink_of(&name, &quick()).expect("sink");
    let bytes = bytes::Bytes::from(manifest_of(b"x"));
    let media_type = media_type::OCI_MANIFEST.to_owned();
    let manifest = RawManifest { media_type, digest: Digest::of(&bytes), bytes };
    let error = sink.tag(&manifest).expect_err("immutable").to_string();
    let host = &server.host;
    assert_eq!(
        error,
        format!(
            "docker://{host}/app:1: {host} answered HTTP 412: 'app:1' configured as immutable.; \
             the tag is there and may not be moved; name another with -o or --tag-suffix"
        )
    );
}

#[test]
fn retry_after_is_honoured() {
    let tried = std::sync::atomic::AtomicUsize::new(0);
    let server =
        behind_ping(move |_| match tried.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => Response::new(429, "").header("Retry-After", 1),
            _ => Response::new(200, manifest_of(b"x"))
                .header("Content-Type", media_type::OCI_MANIFEST),
        });
    let before = Instant::now();
    let source =
        open_source(&reference(&format!("{}/app:1", server.host)), &quick()).expect("source");
    assert_eq!(source.root().expect("root").digest, Digest::of(&manifest_of(b"x")));
    assert!(before.elapsed() >= Duration::from_secs(1));
}

#[test]
fn a_registry_that_is_not_there_is_named() {
    let host = Server::start(|_| Response::new(200, "")).host.clone();
    let source = open_source(&reference(&format!("{host}/app:1")), &quick()).expect("source");
    let error = source.root().expect_err("gone").to_string();
    assert!(error.contains("cannot be reached") && error.contains(&host), "{error}");
}

#[test]
fn manifests_that_lie_or_never_end_are_refused() {
    let lying = behind_ping(|_| {
        Response::new(200, manifest_of(b"x")).header("Docker-Content-Digest", Digest::of(b"other"))
    });
    assert!(root_error(&lying).contains("tampered"));
    let endless =
        behind_ping(|_| Response { endless: true, ..Response::new(200, vec![b' '; 1 << 20]) });
    let error = root_error(&endless);
    assert!(error.contains("larger than"), "{error}");
}

/// Serves one blob, cut as `cut` says: from the first byte of the answer to how many follow.
fn cut_server(
    blob: Vec<u8>,
    ranges: bool,
    cut: impl Fn(usize) -> Option<usize> + Send + Sync + 'static,
) -> Server {
    behind_ping(move |request| {
        if request.path.contains("/manifests/") {
            return Response::new(200, manifest_of(&blob))
                .header("Content-Type", media_type::OCI_MANIFEST);
        }
        let from = request
            .header("range")
            .filter(|_| ranges)
            .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok())
            .unwrap_or(0_usize);
        let status = if from > 0 { 206 } else { 200 };
        let response = Response::new(status, &blob[from..]);
        match cut(from) {
            Some(after) => response.cut_after(after),
            None => response,
        }
    })
}

fn download(server: &Server, blob: &[u8]) -> Result<Vec<u8>, String> {
    let source =
        open_source(&reference(&format!("{}/app:1", server.host)), &quick()).expect("source");
    let wanted = descriptor(media_type::OCI_LAYER, &Digest::of(blob), blob.len() as u64);
    let mut content = Vec::new();
    let mut reader = source.blob(&wanted).map_err(|error: ImageError| error.to_string())?;
    reader.read_to_end(&mut content).map_err(|error| error.to_string())?;
    Ok(content)
}

fn noise(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|n| (n.wrapping_mul(2_654_435_761) >> 7) as u8).collect()
}

#[test]
fn a_blob_that_is_cut_goes_on_where_it_was() {
    let blob = noise(500_000);
    let server = cut_server(blob.clone(), true, |_| Some(100_000));
    assert!(download(&server, &blob).is_ok_and(|content| content == blob));
    let sent: Vec<_> =
        server.requests().iter().filter_map(|r| r.header("range").map(str::to_owned)).collect();
    assert_eq!(sent.len(), 4, "{sent:?}");
    assert!(sent.iter().all(|range| range != "bytes=0-"), "{sent:?}");
}

#[test]
fn without_ranges_a_cut_blob_is_sent_again() {
    let blob = noise(300_000);
    let times = std::sync::atomic::AtomicUsize::new(0);
    let server = cut_server(blob.clone(), false, move |_| {
        match times.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => Some(100_000),
            1 => Some(200_000),
            _ => None,
        }
    });
    assert!(download(&server, &blob).is_ok_and(|content| content == blob));
}

#[test]
fn a_blob_that_never_goes_on_ends_in_an_error() {
    let blob = noise(300_000);
    let server = cut_server(blob.clone(), true, |from| Some(if from == 0 { 100_000 } else { 0 }));
    let error = download(&server, &blob).expect_err("cut");
    assert!(error.contains("after 100000 of 300000 bytes"), "{error}");
}

#[test]
fn a_blob_with_other_bytes_is_refused() {
    let blob = noise(100_000);
    let mut other = blob.clone();
    other[50_000] ^= 1;
    let server = cut_server(other, true, |_| None);
    let error = download(&server, &blob).expect_err("tampered");
    assert!(error.contains("tampered"), "{error}");
    let longer = cut_server([&blob[..], b"more"].concat(), true, |_| None);
    let error = download(&longer, &blob).expect_err("longer");
    assert!(error.contains("longer") || error.contains("announced"), "{error}");
}

#[test]
fn an_upload_that_fails_is_sent_again_from_its_beginning() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let blob = noise(700_000);
    let puts = AtomicUsize::new(0);
    let server = behind_ping(move |request| match request.method.as_str() {
        "HEAD" => Response::new(404, ""),
        "POST" => Response::new(202, "").header("Location", "/v2/app/blobs/uploads/1"),
        _ => match puts.fetch_add(1, Ordering::SeqCst) {
            0 => Response::new(500, ""),
            _ => Response::new(201, "").header("Location", "/v2/app/blobs/x"),
        },
    });
    let sink = sink_of(&reference(&format!("{}/app:1", server.host)), &quick()).expect("sink");
    let wanted = descriptor(media_type::OCI_LAYER, &Digest::of(&blob), blob.len() as u64);
    let opened = AtomicUsize::new(0);
    let open = || {
        opened.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(std::io::Cursor::new(blob.clone())) as imgfix_oci::BlobReader)
    };
    sink.put_blob(&wanted, &open).expect("put");
    assert_eq!(opened.load(Ordering::SeqCst), 2);
    let last = server.requests().into_iter().rfind(|request| request.method == "PUT").expect("put");
    assert!(last.body == blob, "the whole blob came");
    assert!(last.path.contains("digest=sha256"), "{}", last.path);
}

#[test]
fn a_registry_that_forbids_writing_is_named() {
    let server = behind_ping(|request| match request.method.as_str() {
        "HEAD" => Response::new(404, ""),
        _ => Response::new(403, r#"{"errors":[{"code":"DENIED","message":"read only"}]}"#),
    });
    let dir = tempfile::tempdir().expect("dir");
    let options = with_login(&server, dir.path());
    let sink = sink_of(&reference(&format!("{}/app:1", server.host)), &options).expect("sink");
    let blob = descriptor(media_type::OCI_LAYER, &Digest::of(b"x"), 1);
    let error = sink.put_blob(&blob, &|| Ok(Box::new(&b"x"[..]))).expect_err("403").to_string();
    assert!(error.contains("may not write") && error.contains("read only"), "{error}");
}

/// A registry that wants a bearer token for `scope`.
fn bearer_server(refuse: bool) -> Server {
    let host = std::sync::Arc::new(std::sync::OnceLock::<String>::new());
    let known = std::sync::Arc::clone(&host);
    let server = Server::start(move |request| {
        let host = known.get().cloned().unwrap_or_default();
        let challenge = format!(r#"Bearer realm="http://{host}/token",service="s""#);
        if request.path.starts_with("/token") {
            let scope = request.path.contains("scope=repository%3Aapp%3Apull");
            let basic = request.header("authorization") == Some("Basic dXNlcjpzZWNyZXQ=");
            return match scope && basic && !refuse {
                true => Response::new(200, r#"{"token":"the-token","expires_in":300}"#),
                false => Response::new(401, "secret"),
            };
        }
        if request.header("authorization") == Some("Bearer the-token") {
            return match request.path.as_str() {
                "/v2/" => Response::new(200, ""),
                path if path.contains("/manifests/") => Response::new(200, manifest_of(b"x"))
                    .header("Content-Type", media_type::OCI_MANIFEST),
                _ => Response::new(200, "x"),
            };
        }
        Response::new(401, "").header("WWW-Authenticate", challenge)
    });
    host.set(server.host.clone()).expect("host");
    server
}

fn with_login(server: &Server, dir: &Path) -> RegistryOptions {
    let path = dir.join("auth.json");
    let auths = serde_json::json!({"auths": {server.host.as_str(): {"auth": "dXNlcjpzZWNyZXQ="}}});
    std::fs::write(&path, auths.to_string()).expect("auth");
    RegistryOptions { auth_file: Some(path), ..quick() }
}

#[test]
fn a_bearer_token_is_fetched_once_and_used() {
    let dir = tempfile::tempdir().expect("dir");
    let server = bearer_server(false);
    let options = with_login(&server, dir.path());
    let source =
        open_source(&reference(&format!("{}/app:1", server.host)), &options).expect("source");
    source.root().expect("root");
    let blob = descriptor(media_type::OCI_LAYER, &Digest::of(b"x"), 1);
    let mut content = String::new();
    source.blob(&blob).expect("blob").read_to_string(&mut content).expect("read");
    assert_eq!(content, "x");
    let tokens = server.requests().iter().filter(|r| r.path.starts_with("/token")).count();
    assert_eq!(tokens, 1);
}

#[test]
fn a_refused_token_names_the_credentials_and_keeps_the_secret() {
    let dir = tempfile::tempdir().expect("dir");
    let server = bearer_server(true);
    let options = with_login(&server, dir.path());
    let source =
        open_source(&reference(&format!("{}/app:1", server.host)), &options).expect("source");
    let error = source.root().expect_err("refused").to_string();
    assert!(error.contains("auth.json") && !error.contains("secret"), "{error}");
}

// --- deleting a tag -------------------------------------------------------------------------

/// A registry with manifests under `app`, by tag and digest; `refuse` answers a deletion, given
/// how many came before.
fn with_tag(
    refuse: impl Fn(&str, usize) -> Option<u16> + Send + Sync + 'static,
) -> (Server, Digest) {
    let original = manifest_of(b"x");
    let digest = Digest::of(original.as_ref());
    let stored = BTreeMap::from([("1".to_owned(), original)]);
    let (stored, deletions) = (std::sync::Mutex::new(stored), std::sync::Mutex::new(0));
    let server = behind_ping(move |request| {
        let mut stored = stored.lock().expect("manifests");
        let name = request.path.rsplit('/').next().expect("a name").to_owned();
        match request.method.as_str() {
            "PUT" => {
                let body = String::from_utf8(request.body.clone()).expect("text");
                stored.insert(Digest::of(body.as_bytes()).to_string(), body.clone().into());
                stored.insert(name, body.into());
                Response::new(201, "")
            }
            "DELETE" => {
                let mut deletions = deletions.lock().expect("count");
                let refused = refuse(&name, *deletions);
                *deletions += 1;
                if let Some(status) = refused {
                    return Response::new(status, "");
                }
                // by digest: all tags that name it go
                let body = stored.get(&name).cloned();
                stored.retain(|key, value| {
                    *key != name && !(name.starts_with("sha256:") && Some(&*value) == body.as_ref())
                });
                Response::new(202, "")
            }
            _ => match stored.get(&name) {
                Some(body) => Response::new(200, body.clone())
                    .header("Content-Type", media_type::OCI_MANIFEST),
                None => Response::new(404, ""),
            },
        }
    });
    (server, digest)
}

/// Deletes `app:1`; what was asked for with `DELETE` and `PUT`.
fn deletion(server: &Server, digest: &Digest) -> (Result<(), String>, Vec<String>) {
    let name = reference(&format!("{}/app:1", server.host));
    let done = delete_tag(&name, digest, &quick(), &Unfinished::default());
    let changes = server.requests().into_iter().filter(|one| one.method != "GET").map(|one| {
        let name = one.path.rsplit('/').next().expect("a name").to_owned();
        let name = if name.starts_with("sha256:") { "digest".to_owned() } else { name };
        format!("{} {name}", one.method)
    });
    (done.map_err(|error| error.to_string()), changes.collect())
}

#[test]
fn a_tag_is_deleted_by_its_name_and_never_by_the_image_s_digest() {
    let (server, digest) = with_tag(|_, _| None);
    assert_eq!(deletion(&server, &digest), (Ok(()), vec!["DELETE 1".to_owned()]));
    let (server, digest) = with_tag(|name, _| (name == "1").then_some(400));
    let (done, changes) = deletion(&server, &digest);
    assert_eq!(done, Ok(()));
    assert_eq!(changes, ["DELETE 1", "PUT digest", "DELETE digest", "PUT 1", "DELETE digest"]);
    let original = format!("DELETE {digest}");
    for request in server.requests() {
        assert_ne!(format!("{} {}", request.method, request.path), original);
        assert!(!(request.method == "DELETE" && request.path.ends_with(&digest.to_string())));
    }
}

#[test]
fn a_tag_stays_where_its_deletion_is_not_allowed() {
    for (refuse, want, wanted_changes) in [
        (
            (|_, _| Some(405)) as fn(&str, usize) -> Option<u16>,
            "does not let tags be deleted",
            &["DELETE 1"][..],
        ),
        (|_, _| Some(403), "docker login", &["DELETE 1"]),
        (|_, _| Some(400), "deletes neither tags", &["DELETE 1", "PUT digest", "DELETE digest"]),
        // allowed on trial, and refused when it counts: the tag is put back
        (
            |name, before| {
                (name == "1" || before == 2).then_some(if name == "1" { 400 } else { 405 })
            },
            "HTTP 405",
            &["DELETE 1", "PUT digest", "DELETE digest", "PUT 1", "DELETE digest", "PUT 1"],
        ),
    ] {
        let (server, digest) = with_tag(refuse);
        let (done, changes) = deletion(&server, &digest);
        let error = done.expect_err("refused");
        assert!(error.contains(want) && error.contains("/app:1"), "{error}");
        assert_eq!(changes, wanted_changes, "{error}");
        let name = reference(&format!("{}/app:1", server.host));
        let root = open_source(&name, &quick()).and_then(|source| source.root()).expect("root");
        assert_eq!(root.digest, digest, "{error}");
    }
}

#[test]
fn a_tag_that_has_moved_is_not_deleted() {
    let (server, _) = with_tag(|_, _| None);
    let (done, changes) = deletion(&server, &Digest::of(b"what was repaired"));
    assert!(done.expect_err("moved").contains("does not name sha256:"));
    assert_eq!(changes, Vec::<String>::new());
}

/// `imgfix login` asks the registry, keeps the login for the next command, and forgets it again.
#[test]
fn a_login_is_asked_kept_and_forgotten() {
    let login = Some(("user".to_owned(), "secret".to_owned()));
    for setup in [
        Setup { login: login.clone(), ..Setup::default() },
        Setup { login: login.clone(), tokens: true, ..Setup::default() },
    ] {
        let registry = Registry::start_with(setup);
        let home = tempfile::tempdir().unwrap();
        let imgfix = |words: &[&str], stdin: &str| {
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_imgfix"));
            command.args(words).env_clear().env("HOME", home.path());
            command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
            command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
            let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
            use std::io::Write as _;
            child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
            let output = child.wait_with_output().unwrap();
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!told.contains("secret"), "{told}");
            (output.status.code(), told)
        };
        let config = home.path().join(".docker/config.json");
        let words = ["login", &registry.host, "-u", "user", "--password-stdin"];
        let (code, told) = imgfix(&words, "wrong\n");
        assert_eq!(code, Some(1), "{told}");
        assert!(told.contains("refuses this user name and password"), "{told}");
        assert!(!config.exists());
        let (code, told) = imgfix(&words, "secret\n");
        assert_eq!(code, Some(0), "{told}");
        let image = format!("{}/app:1", registry.host);
        // Let in, it is told that the image is not there; before, that it wants a login.
        let (_, told) = imgfix(&["inventory", &image], "");
        assert!(told.contains("check its name and tag"), "{told}");
        let (code, told) = imgfix(&["logout", &registry.host], "");
        assert_eq!(code, Some(0), "{told}");
        let (_, told) = imgfix(&["inventory", &image], "");
        assert!(told.contains("docker login"), "{told}");
        // Without a terminal nothing is asked for.
        let (code, told) = imgfix(&["login", &registry.host], "");
        assert_eq!(code, Some(2), "{told}");
        assert!(told.contains("--username NAME"), "{told}");
    }
}
