//! Repositories, packages and caches that attack: nothing unsigned reaches an image, what an
//! index promises its packages keep, and no state of yesterday is taken for today's.
//!
//! Needs Debian's gnupg and dpkg-dev; no network.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::cli::{Place, blob, manifest, ran, report, snapshot};
use common::signed::Signed;
use imgfix_model::digest::Digest;
use sha2::{Digest as _, Sha256};

fn repair(place: &Place, repository: &Signed) -> Command {
    let mut command = place.bare("repair", &place.image("12"));
    command.args(["--format", "json", "-r", &report("debian-12.trivy")]);
    command.args(["--repository", &repository.line()]);
    command
}

fn package<'a>(run: &'a serde_json::Value, name: &str) -> Option<&'a serde_json::Value> {
    let packages = run["platforms"][0]["packages"].as_array().unwrap();
    packages.iter().find(|one| one["name"] == name)
}

/// What the finding list says of a package that was left alone.
fn why_not(run: &serde_json::Value, name: &str) -> String {
    let findings = run["platforms"][0]["findings"].as_array().unwrap();
    let left = findings.iter().filter(|one| one["package"] == name && one["verdict"] != "fixed");
    left.map(|one| one["explanation"].as_str().unwrap_or_default()).collect()
}

// --- caches -------------------------------------------------------------------------------

/// Adds a set-uid program to an unpacked package.
fn with_a_back_door(unpacked: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let program = unpacked.join("usr/bin/back-door");
    std::fs::create_dir_all(program.parent().unwrap()).unwrap();
    std::fs::write(&program, "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o4755)).unwrap();
}

/// The digest of the top layer of a tag: the image's own depends on where its packages are from.
fn top_digest(place: &Place, tag: &str) -> String {
    let manifest = manifest(&place.path("image"), tag);
    let layers = manifest["layers"].as_array().unwrap();
    layers.last().unwrap()["digest"].as_str().unwrap().to_owned()
}

/// The names in the top layer of a tag.
fn top_layer(place: &Place, tag: &str) -> String {
    let file = blob(&place.path("image"), &top_digest(place, tag));
    ran(Command::new("tar").arg("-tzvf").arg(file)).expect(0).stdout
}

fn files(dir: &Path) -> Vec<PathBuf> {
    snapshot(dir).into_keys().collect()
}

fn derived(cache: &Path) -> Vec<PathBuf> {
    files(&cache.join("derived"))
}

/// An attacker's index and package, as that one's own cache has them.
struct Planted {
    derived: Vec<u8>,
    index: Vec<u8>,
    package: Vec<u8>,
}

impl Planted {
    /// Made by imgfix itself, from a repository that the attacker signs.
    fn new() -> Self {
        let place = Place::debian();
        let repository = Signed::new(&place, "repository");
        repository.package("libexpat1", with_a_back_door);
        ran(&mut repair(&place, &repository)).expect(0);
        assert!(top_layer(&place, "12_fix").contains("back-door"), "the attack has what it wants");
        let [derived] = &derived(&place.path("cache"))[..] else { panic!("one index") };
        let index = repository.dist().join("main/binary-amd64/Packages");
        let deb = files(&repository.dir.join("pool/main/e"));
        let deb = deb.iter().find(|path| path.to_string_lossy().contains("_amd64")).unwrap();
        let read = |path: &Path| std::fs::read(path).unwrap();
        Self { derived: read(derived), index: read(&index), package: read(deb) }
    }
}

#[test]
fn a_cache_that_was_written_by_others_brings_nothing_unsigned_into_an_image() {
    let planted = Planted::new();
    let honest = {
        let place = Place::debian();
        let repository = Signed::new(&place, "repository");
        repository.release(|text| text);
        ran(&mut repair(&place, &repository)).expect(0);
        top_digest(&place, "12_fix")
    };
    let sealed_body = planted.derived[..planted.derived.len() - 32].to_vec();
    let checksummed = [&sealed_body[..], &Sha256::digest(&sealed_body)].concat();
    for attack in ["sealed by the attacker", "with its checksum", "no seal", "emptied", "objects"] {
        let place = Place::debian();
        let repository = Signed::new(&place, "repository");
        repository.release(|text| text);
        ran(&mut repair(&place, &repository)).expect(0);
        let cache = place.path("cache");
        let kept = derived(&cache);
        assert_eq!(kept.len(), 1, "{kept:?}");
        for path in &kept {
            match attack {
                "sealed by the attacker" => std::fs::write(path, &planted.derived).unwrap(),
                "with its checksum" => std::fs::write(path, &checksummed).unwrap(),
                "no seal" => std::fs::write(path, &sealed_body).unwrap(),
                "emptied" => std::fs::write(path, b"").unwrap(),
                _ => std::fs::remove_file(path).unwrap(),
            }
        }
        // What the attacker's index names is there, and what the honest one names is replaced.
        let object = |bytes: &[u8]| {
            let digest = Digest::of(bytes);
            let hex = digest.hex().to_owned();
            cache.join("objects/sha256").join(&hex[..2]).join(hex)
        };
        let index = std::fs::read(repository.dist().join("main/binary-amd64/Packages")).unwrap();
        for (bytes, at) in [
            (&planted.package, object(&planted.package)),
            (&planted.index, object(&planted.index)),
            (&planted.index, object(&index)),
        ] {
            std::fs::create_dir_all(at.parent().unwrap()).unwrap();
            std::fs::write(at, bytes).unwrap();
        }
        if attack == "objects" {
            for path in files(&cache.join("objects")) {
                std::fs::write(path, &planted.package).unwrap();
            }
        }
        ran(&mut repair(&place, &repository)).expect(0);
        assert_eq!(top_digest(&place, "12_fix"), honest, "{attack}");
        assert!(!top_layer(&place, "12_fix").contains("back-door"), "{attack}");
    }
}

#[test]
fn a_cache_restored_on_another_machine_serves_offline_what_can_be_verified() {
    let place = Place::debian();
    let repository = Signed::new(&place, "repository");
    repository.release(|text| text);
    ran(&mut repair(&place, &repository)).expect(0);
    let digest = place.tagged("12_fix");
    // Another user's: the key that sealed what is derived is not there.
    let state = place.path("home/.local/state/imgfix/cache-key");
    assert!(state.exists());
    std::fs::remove_file(&state).unwrap();
    for gone in ["pool", "dists/bookworm-security/main"] {
        std::fs::remove_dir_all(repository.dir.join(gone)).unwrap();
    }
    ran(repair(&place, &repository).arg("--offline")).expect(0);
    assert_eq!(place.tagged("12_fix"), digest);
}

#[test]
fn a_cache_that_others_can_write_is_refused_when_named_and_else_not_used() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::debian();
    let repository = Signed::new(&place, "repository");
    repository.release(|text| text);
    let open = |path: &Path| {
        std::fs::create_dir_all(path).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    };
    open(&place.path("cache"));
    let run = ran(&mut repair(&place, &repository)).expect(1);
    for want in ["cache", "other users can write it", "--cache-dir"] {
        assert!(run.stderr.contains(want), "{want:?} is not in {}", run.stderr);
    }
    assert_eq!(place.tagged("12_fix"), None);
    let default = place.path("home/.cache/imgfix");
    open(&default);
    let mut command = place.imgfix();
    command.args(["repair", &place.image("12"), "-r", &report("debian-12.trivy")]);
    command.args(["--repository", &repository.line()]);
    let run = ran(&mut command).expect(0);
    for want in ["kept for this run only", "other users can write it"] {
        assert!(run.stderr.contains(want), "{want:?} is not in {}", run.stderr);
    }
    assert!(files(&default).is_empty());
}

// --- old states ---------------------------------------------------------------------------

const NEW: &str = "Sat, 28 Nov 2026 00:00:00 UTC";
const OLD: &str = "Mon, 27 Nov 2023 00:00:00 UTC";

/// The run must refuse the index, name the option and leave no image.
#[track_caller]
fn too_old(place: &Place, repository: &Signed, want: &str) {
    let before = place.tagged("12_fix");
    let run = ran(&mut repair(place, repository)).expect(1);
    for want in ["bookworm-security", "27 Nov 2023", "--allow-older-index", want] {
        assert!(run.stderr.contains(want), "{want:?} is not in {}", run.stderr);
    }
    assert_eq!(place.tagged("12_fix"), before);
}

#[test]
fn a_repository_cannot_go_back_to_an_old_state() {
    let place = Place::debian();
    let repository = Signed::new(&place, "repository");
    repository.dated(NEW);
    ran(&mut repair(&place, &repository)).expect(0);
    repository.dated(OLD);
    too_old(&place, &repository, "28 Nov 2026");
    // Neither without InRelease, with an old detached signature.
    std::fs::remove_file(repository.dist().join("InRelease")).unwrap();
    too_old(&place, &repository, "28 Nov 2026");
    let run = ran(repair(&place, &repository).arg("--allow-older-index")).expect(0);
    let json = run.json();
    let state = &json["platforms"][0]["repositories"][0];
    assert_eq!(state["date"], OLD);
    assert!(state["age_days"].as_i64().unwrap() > 1000, "{state}");
    let notes = json["platforms"][0]["notes"].to_string();
    assert!(notes.contains("no repository has news of the last 30 days"), "{notes}");
    // It stays an exception.
    too_old(&place, &repository, "28 Nov 2026");
    repository.dated(NEW);
    ran(&mut repair(&place, &repository)).expect(0);
}

#[test]
fn an_image_remembers_without_a_cache_what_it_was_repaired_with() {
    let place = Place::debian();
    let repository = Signed::new(&place, "repository");
    repository.dated(NEW);
    let without = |image: &str| {
        let mut command = place.imgfix();
        command.args(["repair", &place.image(image), "--no-cache", "--format", "json"]);
        command.args(["-r", &report("debian-12.trivy"), "--repository", &repository.line()]);
        command
    };
    let first = ran(&mut without("12")).expect(0).digest();
    let text = manifest(&place.path("image"), "12_fix")["annotations"]["dev.imgfix.newest"].clone();
    let text = text.as_str().expect("a mark");
    assert!(text.split(',').all(|one| one.split_once(':').unwrap().0.len() == 16), "{text}");
    assert!(!text.contains("repository"), "no address of a mirror is told: {text}");
    // The date of the index is in no digest: the packages are the same.
    repository.dated("Sun, 29 Nov 2026 00:00:00 UTC");
    assert_eq!(ran(&mut without("12")).expect(0).digest(), first);
    assert_eq!(ran(&mut without("12_fix")).expect(0).digest(), first);
    repository.dated(OLD);
    let run = ran(&mut without("12_fix")).expect(1);
    for want in ["--allow-older-index", "that the image was repaired with"] {
        assert!(run.stderr.contains(want), "{want:?} is not in {}", run.stderr);
    }
    assert_eq!(place.tagged("12_fix"), Some(first.clone()));
    let again = ran(without("12_fix").arg("--allow-older-index")).expect(0);
    assert_eq!(again.digest(), first);
}

#[test]
fn a_repository_without_a_date_is_refused() {
    let place = Place::debian();
    let repository = Signed::new(&place, "repository");
    let dateless = |text: String| {
        let lines = text.lines().filter(|line| !line.starts_with("Date: "));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    repository.release(dateless);
    for option in ["-q", "--allow-expired-index", "--allow-older-index"] {
        let run = ran(repair(&place, &repository).arg(option)).expect(1);
        assert!(run.stderr.contains("has no Date"), "{}", run.stderr);
    }
    assert_eq!(place.tagged("12_fix"), None);
}

// --- packages -----------------------------------------------------------------------------

#[test]
fn a_package_whose_relations_are_not_those_of_the_index_is_left_alone() {
    type Change = fn(&Path);
    fn control(unpacked: &Path, from: &str, to: &str) {
        let file = unpacked.join("DEBIAN/control");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(file, text.replacen(from, to, 1)).unwrap();
    }
    let changes: [(Change, &str); 4] = [
        (|path| control(path, "Depends: libc6 (>= 2.36)", "Depends: libc6 (>= 2.0)"), "Depends"),
        (|path| control(path, "Depends: libc6 (>= 2.36)\n", ""), "Depends"),
        (|path| control(path, "Package:", "Provides: dpkg\nPackage:"), "Provides"),
        (|path| control(path, "Package:", "Replaces: libc6\nPackage:"), "Replaces"),
    ];
    for (change, field) in changes {
        let place = Place::debian();
        let repository = Signed::new(&place, "repository");
        repository.package("libexpat1", change);
        let run = ran(&mut repair(&place, &repository)).expect(0);
        let json = run.json();
        assert_eq!(package(&json, "libexpat1"), None, "{field}");
        assert!(package(&json, "libpng16-16").is_some(), "the others are upgraded");
        let why = why_not(&json, "libexpat1");
        assert!(why.contains(field) && why.contains("index says"), "{why}");
        assert!(run.stderr.contains("libexpat1") && run.stderr.contains("index says"));
    }
    // Another spelling of the same is none of it.
    let place = Place::debian();
    let repository = Signed::new(&place, "repository");
    repository.package("libexpat1", |path| {
        control(path, "Depends: libc6 (>= 2.36)", "Depends:  libc6(>=2.36)");
    });
    let run = ran(&mut repair(&place, &repository)).expect(0);
    assert!(package(&run.json(), "libexpat1").is_some());
}

#[test]
fn a_package_with_a_name_that_means_a_removed_file_is_left_alone() {
    for name in ["etc/.wh.passwd", "usr/.wh..wh..opq", "opt/.wh.d/file"] {
        let place = Place::debian();
        let repository = Signed::new(&place, "repository");
        repository.package("libexpat1", |unpacked| {
            let file = unpacked.join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, b"x").unwrap();
        });
        let json = ran(&mut repair(&place, &repository)).expect(0).json();
        assert_eq!(package(&json, "libexpat1"), None, "{name}");
        assert!(package(&json, "libpng16-16").is_some(), "the others are upgraded");
        let why = why_not(&json, "libexpat1");
        assert!(why.contains("means a removed file"), "{why}");
    }
    // Neither does a script make one.
    let place = Place::debian();
    let repository = Signed::new(&place, "repository");
    repository.package("libexpat1", |unpacked| {
        use std::os::unix::fs::PermissionsExt as _;
        let script = unpacked.join("DEBIAN/postinst");
        std::fs::write(&script, "#!/bin/sh\n: > /etc/.wh.passwd\n").unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    });
    let json = ran(&mut repair(&place, &repository)).expect(0).json();
    assert_eq!(package(&json, "libexpat1"), None);
    assert!(package(&json, "libpng16-16").is_some(), "the others are upgraded");
    assert!(why_not(&json, "libexpat1").contains("removed file"), "{json}");
}
