//! Everything that can be wrong with what comes in, and everything that can go wrong on the
//! way: one clear error that names the input, nothing published, nothing left behind.
//!
//! Needs Debian's gnupg and util-linux; no network. What only root can set up (a full disk)
//! is left out for other users, with a message.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::cli::{
    self, Place, Ran, assert_same, blob, copy_tree, fixture, manifest, ran, read_json, report,
    snapshot, tagged,
};
use common::hostile::{Request, Response, Server, serve_layout};
use common::images::gzip;
use common::registry::run;
use imgfix_model::digest::Digest;
use serde_json::{Value, json};

/// The command must end with `code` and one error that has all of `named`; the image and the
/// temporary directory must be as before.
#[track_caller]
fn refused(place: &Place, command: &mut Command, code: i32, named: &[&str]) -> Ran {
    let image = place.path("image");
    let before = snapshot(&image);
    let ran = ran(command).expect(code);
    assert!(ran.stderr.starts_with("imgfix: error: "), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("error:").count(), 1, "{}", ran.stderr);
    assert!(ran.stderr.lines().count() <= 2, "{}", ran.stderr);
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    for name in named {
        assert!(ran.stderr.contains(name), "no {name:?} in: {}", ran.stderr);
    }
    assert_eq!(ran.stdout, "");
    assert_same(&before, &snapshot(&image));
    place.has_nothing_temporary();
    ran
}

/// The path of the image's layer `at`, from the bottom.
fn layer_file(place: &Place, at: usize) -> PathBuf {
    let manifest = manifest(&place.path("image"), "12");
    blob(&place.path("image"), manifest["layers"][at]["digest"].as_str().expect("digest"))
}

/// Stores a blob in the image's layout; its digest.
fn store(place: &Place, bytes: &[u8]) -> String {
    let digest = Digest::of(bytes).to_string();
    std::fs::write(blob(&place.path("image"), &digest), bytes).expect("blob");
    digest
}

/// Makes the tag name a manifest that `change` has altered.
fn with_manifest(place: &Place, change: impl FnOnce(&mut Value)) {
    let image = place.path("image");
    let mut manifest = manifest(&image, "12");
    change(&mut manifest);
    let bytes = manifest.to_string().into_bytes();
    let digest = store(place, &bytes);
    let mut index = read_json(&image.join("index.json"));
    index["manifests"][0]["digest"] = json!(digest);
    index["manifests"][0]["size"] = json!(bytes.len());
    std::fs::write(image.join("index.json"), index.to_string()).expect("index");
}

/// Puts a layer on top of the image.
fn with_layer(place: &Place, tar: &[u8]) {
    let image = place.path("image");
    let old = manifest(&image, "12");
    let mut config = read_json(&blob(&image, old["config"]["digest"].as_str().expect("config")));
    let ids = config["rootfs"]["diff_ids"].as_array_mut().expect("ids");
    ids.push(json!(Digest::of(tar).to_string()));
    if let Some(history) = config["history"].as_array_mut() {
        history.push(json!({"created_by": "test"}));
    }
    let config = config.to_string().into_bytes();
    let packed = gzip(tar);
    let (layer, config_digest) = (store(place, &packed), store(place, &config));
    with_manifest(place, |manifest| {
        manifest["config"]["digest"] = json!(config_digest);
        manifest["config"]["size"] = json!(config.len());
        manifest["layers"].as_array_mut().expect("layers").push(json!({
            "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
            "digest": layer, "size": packed.len()}));
    });
}

/// A tar with one entry whose names are written as they are given, checks or not.
fn raw_tar(kind: tar::EntryType, name: &str, link: &str) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(0);
    let old = header.as_old_mut();
    old.name[..name.len()].copy_from_slice(name.as_bytes());
    old.linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend([0; 1024]);
    bytes
}

// --- images -------------------------------------------------------------------------------

#[test]
fn a_truncated_layer() {
    let place = Place::debian();
    let file = layer_file(&place, 0);
    let bytes = std::fs::read(&file).expect("layer");
    std::fs::write(&file, &bytes[..bytes.len() / 2]).expect("layer");
    refused(&place, &mut place.repair(&place.image("12")), 1, &["sha256:"]);
}

#[test]
fn a_bit_flipped_layer() {
    for part in [2, 3, 10] {
        let place = Place::debian();
        let file = layer_file(&place, 1);
        let mut bytes = std::fs::read(&file).expect("layer");
        let at = bytes.len() / part;
        bytes[at] ^= 0x10;
        std::fs::write(&file, bytes).expect("layer");
        refused(&place, &mut place.repair(&place.image("12")), 1, &["sha256:"]);
    }
}

#[test]
fn a_layer_that_is_not_there() {
    let place = Place::debian();
    std::fs::remove_file(layer_file(&place, 1)).expect("remove");
    refused(&place, &mut place.repair(&place.image("12")), 1, &["image"]);
}

#[test]
fn a_manifest_with_another_digest() {
    let place = Place::debian();
    let file = blob(&place.path("image"), &place.tagged("12").expect("tag"));
    let mut bytes = std::fs::read(&file).expect("manifest");
    let at = bytes.iter().position(|byte| *byte == b'{').expect("JSON");
    // the same length and meaning, other bytes
    let last = bytes.len() - 1;
    if bytes[last] == b'\n' {
        bytes[last] = b' ';
    } else {
        bytes[at] = b' ';
    }
    std::fs::write(&file, bytes).expect("manifest");
    refused(&place, &mut place.repair(&place.image("12")), 1, &["sha256:"]);
}

#[test]
fn a_config_that_names_other_layers() {
    let place = Place::debian();
    let image = place.path("image");
    let old = manifest(&image, "12");
    let mut config = read_json(&blob(&image, old["config"]["digest"].as_str().expect("config")));
    config["rootfs"]["diff_ids"][0] = json!(Digest::of(b"other").to_string());
    let config = config.to_string().into_bytes();
    let digest = store(&place, &config);
    with_manifest(&place, |manifest| {
        manifest["config"]["digest"] = json!(digest);
        manifest["config"]["size"] = json!(config.len());
    });
    refused(&place, &mut place.repair(&place.image("12")), 1, &["layer 1"]);
}

#[test]
fn a_manifest_that_lies_about_size() {
    for size in [1_u64, 99_999_999] {
        let place = Place::debian();
        with_manifest(&place, |manifest| manifest["layers"][0]["size"] = json!(size));
        refused(&place, &mut place.repair(&place.image("12")), 1, &["sha256:"]);
    }
}

#[test]
fn names_that_leave_the_root() {
    let cases = [
        (tar::EntryType::Regular, "../../etc/cron.d/evil", ""),
        (tar::EntryType::Regular, "etc/../../evil", ""),
        (tar::EntryType::Link, "etc/evil", "../../../etc/shadow"),
    ];
    for (kind, name, link) in cases {
        let place = Place::debian();
        with_layer(&place, &raw_tar(kind, name, link));
        refused(&place, &mut place.repair(&place.image("12")), 1, &["layer 4", ".."]);
    }
}

/// Absolute names are names below the image's root, as for every container engine.
#[test]
fn absolute_names_stay_in_the_image() {
    let place = Place::debian();
    let outside = place.path("outside");
    let name = outside.display().to_string();
    with_layer(&place, &raw_tar(tar::EntryType::Regular, &name, ""));
    ran(&mut place.repair(&place.image("12"))).expect(0);
    assert!(!outside.exists());
    let (before, after) = (place.image("12"), place.image("12_fix"));
    let diff = ran(place.imgfix().args(["diff", "-q", "--format=json", &before, &after])).expect(0);
    assert!(!diff.stdout.contains(&name), "the patch has touched {name}");
    place.has_nothing_temporary();
}

/// Such a link is no error, since inside a container it stays in the root: nothing outside
/// may be read or written through it.
#[test]
fn a_symbolic_link_to_the_hosts_files_stays_in_the_image() {
    let place = Place::debian();
    let outside = place.path("outside");
    copy_tree(&fixture("reports"), &outside);
    let before = snapshot(&outside);
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    header.set_mode(0o777);
    builder.append_link(&mut header, "usr/share/doc/libexpat1", &outside).expect("tar");
    with_layer(&place, &builder.into_inner().expect("tar"));
    let ran = ran(&mut place.repair(&place.image("12")));
    assert!(ran.code == Some(0) || ran.stderr.starts_with("imgfix: error: "), "{}", ran.stderr);
    assert_same(&before, &snapshot(&outside));
    place.has_nothing_temporary();
}

#[test]
fn a_bomb() {
    let place = Place::debian();
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(64 << 20);
    header.set_mode(0o644);
    let zeros = std::io::Read::take(std::io::repeat(0), 64 << 20);
    builder.append_data(&mut header, "srv/zero", zeros).expect("tar");
    with_layer(&place, &builder.into_inner().expect("tar"));
    refused(
        &place,
        place.repair(&place.image("12")).args(["--max-unpacked-size", "48M"]),
        1,
        &["layer", "--max-unpacked-size"],
    );
}

#[test]
fn media_types_that_are_unknown_or_foreign() {
    let cases = [
        "application/vnd.example.layer",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    ];
    for media_type in cases {
        let place = Place::debian();
        with_manifest(&place, |manifest| manifest["layers"][1]["mediaType"] = json!(media_type));
        refused(&place, &mut place.repair(&place.image("12")), 1, &[media_type]);
    }
    let place = Place::debian();
    let image = place.path("image");
    with_manifest(&place, |one| one["mediaType"] = json!("application/vnd.example.manifest"));
    let mut index = read_json(&image.join("index.json"));
    index["manifests"][0]["mediaType"] = json!("application/vnd.example.manifest");
    std::fs::write(image.join("index.json"), index.to_string()).expect("index");
    refused(
        &place,
        &mut place.repair(&place.image("12")),
        1,
        &["application/vnd.example.manifest"],
    );
}

/// The manifest is a good one, but whoever goes by the descriptor reads something else.
#[test]
fn a_descriptor_of_an_unknown_type_over_a_good_manifest() {
    for media_type in ["application/vnd.example.manifest", "application/json", ""] {
        let place = Place::debian();
        let mut index = read_json(&place.path("image/index.json"));
        index["manifests"][0]["mediaType"] = json!(media_type);
        std::fs::write(place.path("image/index.json"), index.to_string()).expect("index");
        refused(
            &place,
            &mut place.repair(&place.image("12")),
            1,
            &["index.json", &format!("{media_type:?}"), "image manifest"],
        );
    }
    let place = Place::debian();
    let layout = place.path("image");
    let server = serve_layout(layout.clone(), move |request| {
        let digest = tagged(&layout, "12").expect("tag");
        request.path.ends_with("/manifests/12").then(|| {
            Response::new(200, std::fs::read(blob(&layout, &digest)).expect("manifest"))
                .header("Content-Type", "application/vnd.example.manifest")
        })
    });
    let image = format!("docker://{}/team/app:12", server.host);
    refused(
        &place,
        &mut place.repair(&image),
        1,
        &["team/app", "application/vnd.example.manifest"],
    );
}

#[test]
fn something_that_is_no_image() {
    let place = Place::debian();
    std::fs::write(place.path("file"), b"not an archive").expect("file");
    for image in ["oci-archive:file:12", "docker-archive:file", "oci:tmp:12", "oci:nowhere:12"] {
        let name = image.split(':').nth(1).expect("a name");
        refused(&place, &mut place.repair(image), 1, &[name]);
    }
    let usage = ran(&mut place.repair("oci:")).expect(2);
    assert!(usage.stderr.contains("oci:"), "{}", usage.stderr);
}

/// The image as the fixtures have it.
fn fresh(place: &Place) {
    std::fs::remove_dir_all(place.path("image")).expect("remove");
    copy_tree(&fixture("debian-12"), &place.path("image"));
}

// --- reports ------------------------------------------------------------------------------

#[test]
fn reports_that_are_none() {
    let place = Place::debian();
    let trivy = std::fs::read(report("debian-12.trivy")).expect("report");
    let cases: [(&str, &[u8]); 6] = [
        ("empty", b""),
        ("text", b"Total: 0 (HIGH: 0)\n"),
        ("cut", &trivy[..trivy.len() / 2]),
        ("other", b"{\"bomFormat\": \"CycloneDX\"}"),
        ("list", b"[1]"),
        ("binary", b"\x1f\x8b\x00\xff"),
    ];
    for (name, bytes) in cases {
        std::fs::write(place.path(name), bytes).expect("report");
        let mut command = place.on("repair", &place.image("12"));
        refused(&place, command.args(["-q", "-r", name]), 1, &[name]);
    }
    // what several scanners write when they find nothing is taken for that, not in silence
    std::fs::write(place.path("nothing"), b"[]").expect("report");
    let warned = ran(place.on("repair", &place.image("12")).args(["-r", "nothing"])).expect(0);
    assert!(warned.stderr.contains("warning: nothing: an empty list"), "{}", warned.stderr);
    fresh(&place);
    for name in ["missing", "tmp"] {
        let mut command = place.on("repair", &place.image("12"));
        refused(&place, command.args(["-q", "-r", name]), 2, &[name]);
    }
}

#[test]
fn a_report_for_another_image() {
    let place = Place::debian();
    let other = report("distroless-amd64.trivy");
    let mut command = place.on("repair", &place.image("12"));
    refused(&place, command.args(["-q", "--strict", "-r", &other]), 1, &[&other, "another image"]);
    let warned = ran(place.on("repair", &place.image("12")).args(["-r", &other])).expect(0);
    assert!(warned.stderr.contains("warning: "), "{}", warned.stderr);
    assert!(warned.stderr.contains("another image"), "{}", warned.stderr);
}

/// A report that names no image, and versions that `old` makes of the installed ones.
fn nameless_report(place: &Place, old: impl Fn(&str) -> String) -> String {
    let mut trivy = read_json(Path::new(&report("debian-12.trivy")));
    trivy["Metadata"] = json!({"OS": trivy["Metadata"]["OS"]});
    trivy["ArtifactName"] = json!("app");
    for result in trivy["Results"].as_array_mut().expect("results") {
        for one in result["Vulnerabilities"].as_array_mut().into_iter().flatten() {
            let seen = one["InstalledVersion"].as_str().expect("version").to_owned();
            one["InstalledVersion"] = json!(old(&seen));
            one["PkgIdentifier"] = json!({});
        }
    }
    let path = place.path("nameless.json");
    std::fs::write(&path, trivy.to_string()).expect("report");
    path.display().to_string()
}

#[test]
fn a_report_whose_versions_the_image_does_not_have() {
    let place = Place::debian();
    let stale = nameless_report(&place, |seen| match seen {
        "2.5.0-1+deb12u2" => "2.5.0-1+deb12u1".to_owned(),
        other => other.to_owned(),
    });
    let mut command = place.on("repair", &place.image("12"));
    let named =
        [&stale, "another image", "libexpat1 2.5.0-1+deb12u1", "the image has 2.5.0-1+deb12u2"];
    refused(&place, command.args(["-q", "--strict", "-r", &stale]), 1, &named);
    let warned = ran(place.on("repair", &place.image("12")).args(["-r", &stale])).expect(0);
    for text in ["warning: ", "another image", "libexpat1 2.5.0-1+deb12u1"] {
        assert!(warned.stderr.contains(text), "{}", warned.stderr);
    }
    // the same without a wrong version is no reason for either
    let right = nameless_report(&place, str::to_owned);
    let mut command = place.on("repair", &place.image("12"));
    let silent = ran(command.args(["--strict", "-r", &right])).expect(0);
    assert!(!silent.stderr.contains("warning: "), "{}", silent.stderr);
}

// --- repositories -------------------------------------------------------------------------

const DIST: &str = "repository/dists/bookworm-security";

/// A place with an own copy of the repository.
fn with_repository() -> Place {
    let place = Place::debian();
    copy_tree(&fixture("repository"), &place.path("repository"));
    place
}

fn from_repository(place: &Place) -> Command {
    let mut command = place.bare("repair", &place.image("12"));
    command.args(["-q", "-r", &report("debian-12.trivy")]);
    command.args(["--repository", &cli::repository_line(&place.path("repository"))]);
    command
}

/// Appends a byte to every file below `dir` that `which` chooses; there must be some.
fn spoil(dir: &Path, which: impl Fn(&Path) -> bool) {
    let chosen: Vec<_> = snapshot(dir).into_keys().filter(|path| which(path)).collect();
    assert!(!chosen.is_empty());
    for path in chosen {
        let mut file = std::fs::OpenOptions::new().append(true).open(path).expect("file");
        file.write_all(b"\n").expect("write");
    }
}

#[test]
fn a_repository_without_a_signature() {
    let place = with_repository();
    std::fs::copy(place.path(DIST).join("Release"), place.path(DIST).join("InRelease"))
        .expect("copy");
    std::fs::remove_file(place.path(DIST).join("Release.gpg")).expect("remove");
    refused(&place, &mut from_repository(&place), 1, &["InRelease"]);
    std::fs::remove_file(place.path(DIST).join("InRelease")).expect("remove");
    refused(&place, &mut from_repository(&place), 1, &["Release"]);
}

#[test]
fn a_repository_that_someone_else_signed() {
    let place = with_repository();
    let key = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("repair-recipes/keyrings/debian-archive-keyring.gpg");
    let line = format!(
        "deb [signed-by={}] file://{} bookworm-security main",
        key.display(),
        place.path("repository").display()
    );
    let mut command = place.bare("repair", &place.image("12"));
    refused(&place, command.args(["-q", "--repository", &line]), 1, &["InRelease"]);
}

#[test]
fn a_repository_that_was_altered_after_it_was_signed() {
    let place = with_repository();
    let file = place.path(DIST).join("InRelease");
    let text = std::fs::read_to_string(&file).expect("InRelease");
    assert!(text.contains("Suite: "));
    std::fs::write(&file, text.replacen("Suite: ", "Suite:  ", 1)).expect("InRelease");
    refused(&place, &mut from_repository(&place), 1, &["InRelease"]);
}

#[test]
fn an_index_with_another_hash() {
    let place = with_repository();
    spoil(&place.path(DIST).join("main/binary-amd64"), |_| true);
    refused(&place, &mut from_repository(&place), 1, &["bookworm-security/main/binary-amd64/"]);
}

#[test]
fn a_package_with_another_hash() {
    let place = with_repository();
    spoil(&place.path("repository/pool"), |path| path.extension().is_some_and(|e| e == "deb"));
    refused(&place, &mut from_repository(&place), 1, &[".deb"]);
    // the same length too
    let place = with_repository();
    for (path, mut bytes) in snapshot(&place.path("repository/pool")) {
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
        std::fs::write(path, bytes).expect("package");
    }
    refused(&place, &mut from_repository(&place), 1, &[".deb"]);
}

#[test]
fn an_index_that_has_expired() {
    let place = with_repository();
    let dist = place.path(DIST);
    let release = std::fs::read_to_string(dist.join("Release")).expect("Release");
    let expired = "Valid-Until: Thu, 02 Jan 2020 00:00:00 UTC\n";
    std::fs::write(dist.join("Release"), format!("{expired}{release}")).expect("Release");
    let home = place.path("gnupg");
    std::fs::create_dir(&home).expect("directory");
    std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o700)).expect("mode");
    let gpg = |arguments: &[&str]| {
        let home = home.display().to_string();
        let mut all = vec!["--homedir", &home, "--batch", "--yes", "--quiet"];
        all.extend(arguments);
        run("gpg", &all)
    };
    gpg(&["--import", &fixture("repository/test-only-secret-key.asc").display().to_string()]);
    gpg(&[
        "--clearsign",
        "--output",
        &dist.join("InRelease").display().to_string(),
        &dist.join("Release").display().to_string(),
    ]);
    run("gpgconf", &["--homedir", &home.display().to_string(), "--kill", "all"]);
    refused(
        &place,
        &mut from_repository(&place),
        1,
        &["bookworm-security", "--allow-expired-index"],
    );
    ran(from_repository(&place).arg("--allow-expired-index")).expect(0);
    assert!(place.tagged("12_fix").is_some());
}

#[test]
fn a_repository_that_is_not_there_or_not_a_line() {
    let place = with_repository();
    std::fs::remove_dir_all(place.path("repository")).expect("remove");
    refused(&place, &mut from_repository(&place), 1, &["bookworm-security"]);
    let mut command = place.bare("repair", &place.image("12"));
    let wrong = ran(command.args(["-q", "--repository", "deb nonsense"]));
    assert!(matches!(wrong.code, Some(1 | 2)), "{wrong:?}");
    assert!(wrong.stderr.contains("--repository"), "{}", wrong.stderr);
}

// --- registries ---------------------------------------------------------------------------

#[test]
fn a_registry_that_refuses() {
    for status in [401_u16, 403, 404, 429, 500] {
        let server = Server::start(move |_| {
            Response::new(status, "{\"errors\":[]}").header("Retry-After", 0)
        });
        let place = Place::debian();
        let image = format!("docker://{}/team/app:12", server.host);
        let started = Instant::now();
        let ran = refused(&place, &mut place.repair(&image), 1, &["team/app", &server.host]);
        assert!(started.elapsed() < Duration::from_secs(120), "{status}: too slow");
        assert!(server.requests().iter().all(|one| one.method != "PUT"), "{status}");
        drop(ran);
    }
}

#[test]
fn a_connection_cut_in_the_middle_of_a_blob() {
    let place = Place::debian();
    let cut = manifest(&place.path("image"), "12")["layers"][0]["digest"].clone();
    let cut = cut.as_str().expect("digest").to_owned();
    let layout = place.path("image");
    let inner = layout.clone();
    let server = serve_layout(layout, move |request| {
        (request.path.contains("/blobs/") && request.path.ends_with(&cut)).then(|| {
            let bytes = std::fs::read(blob(&inner, &cut)).expect("blob");
            Response::new(200, bytes).cut_after(100_000)
        })
    });
    let image = format!("docker://{}/team/app:12", server.host);
    refused(&place, &mut place.repair(&image), 1, &["team/app"]);
    assert!(server.requests().iter().all(|one| one.method != "PUT"));
}

#[test]
fn a_registry_that_takes_no_uploads_gets_no_tag() {
    for status in [401_u16, 403, 500] {
        let place = Place::debian();
        let server = serve_layout(place.path("image"), move |request| {
            matches!(request.method.as_str(), "POST" | "PUT" | "PATCH")
                .then(|| Response::new(status, "{\"errors\":[]}").header("Retry-After", 0))
        });
        let image = format!("docker://{}/team/app:12", server.host);
        refused(&place, &mut place.repair(&image), 1, &["team/app"]);
        let tagged = |one: &Request| one.method == "PUT" && one.path.contains("/manifests/");
        assert!(!server.requests().iter().any(tagged), "{status}");
    }
}

#[test]
fn nobody_listens() {
    let place = Place::debian();
    let image = "docker://127.0.0.1:1/team/app:12";
    refused(&place, &mut place.repair(image), 1, &["127.0.0.1:1"]);
}

// --- the machine --------------------------------------------------------------------------

#[test]
fn an_output_that_cannot_be_written() {
    let place = with_repository();
    copy_tree(&fixture("reports"), &place.path("reports"));
    let image = place.path("image");
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("mode");
    };
    mode(place.dir.path(), 0o755);
    for name in ["tmp", "cache", "home"] {
        mode(&place.path(name), 0o777);
    }
    for folder in [&image, &image.join("blobs"), &image.join("blobs/sha256")] {
        mode(folder, 0o555);
    }
    let program = place.path("imgfix");
    // by another process: a file that this one has open for writing cannot be run
    run("cp", &[cli::IMGFIX, &program.display().to_string()]);
    let mut command = match cli::is_root() {
        // root writes everywhere: become nobody
        true => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program);
            command
        }
        false => Command::new(&program),
    };
    place.prepare(&mut command);
    let repository = place.path("repository").display().to_string();
    let line =
        format!("deb [signed-by={repository}/key.asc] file://{repository} bookworm-security main");
    command.args(["repair", &place.image("12"), "-q", "-r", "reports/debian-12.trivy.json"]);
    command.args(["--repository", &line, "--no-cache"]);
    refused(&place, &mut command, 1, &["image"]);
    for folder in [&image, &image.join("blobs"), &image.join("blobs/sha256")] {
        mode(folder, 0o755);
    }
}

/// A small tmpfs, unmounted when dropped; `None` when that is not allowed here.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(dir: PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir_all(&dir).expect("directory");
        let options = format!("size={size},mode=0777");
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&dir);
        let done = command.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        if !done {
            eprintln!("left out: no tmpfs can be mounted here (needs root)");
        }
        done.then_some(Self(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Before the work where it can be known, and never with the exit code of an image that was
/// not published.
#[test]
fn a_report_that_cannot_be_written() {
    let place = Place::debian();
    let image = place.image("12");
    for option in ["--report-file=nowhere/report.json", "--report-file=tmp/x/y"] {
        refused(&place, place.repair(&image).arg(option), 2, &["--report-file", "cannot write"]);
    }
    let late = ran(place.repair(&image).arg("--report-file=/dev/full")).expect(4);
    assert!(late.stderr.contains("12_fix was published, but not its report"), "{}", late.stderr);
    assert!(place.tagged("12_fix").is_some());
}

#[test]
fn a_full_disk_for_temporary_files() {
    let place = Place::debian();
    let Some(disk) = SmallDisk::mount(place.path("full"), "64k") else { return };
    let mut command = place.repair(&place.image("12"));
    refused(&place, command.env("TMPDIR", &disk.0), 1, &["space"]);
    assert_eq!(std::fs::read_dir(&disk.0).expect("dir").count(), 0);
}

#[test]
fn a_full_disk_for_the_output() {
    let place = Place::debian();
    let Some(disk) = SmallDisk::mount(place.path("full"), "6900k") else { return };
    let image = disk.0.join("image");
    copy_tree(&place.path("image"), &image);
    let before = snapshot(&disk.0);
    let reference = format!("oci:{}:12", image.display());
    refused(&place, &mut place.repair(&reference), 1, &["space"]);
    assert_same(&before, &snapshot(&disk.0));
}

#[test]
fn a_full_disk_for_the_cache() {
    let place = Place::debian();
    let Some(disk) = SmallDisk::mount(place.path("full"), "128k") else { return };
    let mut command = place.imgfix();
    command.args(["repair", &place.image("12"), "-q", "-r", &report("debian-12.trivy")]);
    command.args(["--repository", &cli::repository_line(&fixture("repository"))]);
    let ran = ran(command.arg("--cache-dir").arg(&disk.0));
    // a cache that takes nothing is either an error or not needed: never a wrong image
    match ran.code {
        Some(0) => assert!(place.tagged("12_fix").is_some()),
        _ => assert!(ran.stderr.starts_with("imgfix: error: "), "{}", ran.stderr),
    }
}
