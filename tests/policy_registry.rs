//! Policies that come from a registry: artifacts that a file extends, pushed to Debian's
//! docker-registry with TLS and a login, and read by the built program.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::io::Cursor;
use std::process::Command;

use bytes::Bytes;
use common::cli::{Place, Ran, ran, report};
use common::registry::{Registry, Setup};
use imgfix_host::unfinished::Unfinished;
use imgfix_model::digest::Digest;
use imgfix_oci::{BlobReader, RawManifest, RegistryOptions, descriptor, media_type, open_sink};

const TOML: &str = "application/vnd.imgfix.policy.v1+toml";

fn secured() -> Registry {
    let login = Some(("ann".to_owned(), "s3cret".to_owned()));
    Registry::start_with(Setup { tls: true, login, ..Setup::default() })
}

/// Pushes an artifact of these layers, as `oras push` does; its name for `extends`.
fn push(registry: &Registry, name: &str, layers: &[(&str, &str)]) -> String {
    let options = RegistryOptions {
        ca_files: registry.ca_file().into_iter().collect(),
        auth_file: registry.auth_file(),
        ..RegistryOptions::default()
    };
    let reference = registry.reference(name).parse().unwrap();
    let sink = open_sink(&reference, None, &options, &Unfinished::default()).unwrap();
    let blob = |media_type: &str, text: &str| {
        let bytes = Bytes::from(text.to_owned());
        let blob = descriptor(media_type, &Digest::of(&bytes), bytes.len() as u64);
        let open = || Ok(Box::new(Cursor::new(bytes.clone())) as BlobReader);
        sink.put_blob(&blob, &open).unwrap();
        serde_json::to_value(blob).unwrap()
    };
    let layers: Vec<_> = layers.iter().map(|(media_type, text)| blob(media_type, text)).collect();
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_MANIFEST,
        "artifactType": TOML,
        "config": blob("application/vnd.oci.empty.v1+json", "{}"),
        "layers": layers,
    });
    let bytes = Bytes::from(serde_json::to_vec(&manifest).unwrap());
    let digest = Digest::of(&bytes);
    let media_type = media_type::OCI_MANIFEST.to_owned();
    sink.tag(&RawManifest { media_type, digest, bytes }).unwrap();
    format!("oci://{}/{name}@{digest}", registry.host)
}

/// A place whose user has this policy.
fn with_policy(text: &str) -> Place {
    let place = Place::debian();
    std::fs::create_dir_all(place.path("home/.config/imgfix")).unwrap();
    std::fs::write(place.path("home/.config/imgfix/imgfix.toml"), text).unwrap();
    place
}

/// What it takes to read from the registry.
fn with_access<'a>(command: &'a mut Command, registry: &Registry) -> &'a mut Command {
    command.arg("--ca-file").arg(registry.ca_file().unwrap());
    command.arg("--authfile").arg(registry.auth_file().unwrap())
}

fn check(registry: &Registry, extends: &str) -> Ran {
    let place = with_policy(&format!("extends = [\"{extends}\"]\n"));
    ran(with_access(place.imgfix().args(["config", "check"]), registry))
}

#[test]
fn a_policy_of_a_registry_is_followed_as_it_was_agreed() {
    let registry = secured();
    let base = push(&registry, "team/policy:1", &[(TOML, "tag-suffix = '_team'\n")]);
    let place = with_policy(&format!("extends = [\"{base}\"]\nfail-on = \"low\"\n"));
    let mut command = place.on("repair", &place.image("12"));
    command.args(["-v", "-r", &report("debian-12.trivy")]);
    let run = ran(with_access(&mut command, &registry)).expect(3);
    assert!(place.tagged("12_team").is_some(), "{}", run.stderr);
    assert!(run.stderr.contains(&format!("following {base}")), "{}", run.stderr);
    let mut show = place.imgfix();
    let shown = ran(with_access(show.args(["config", "show"]), &registry)).expect(0);
    let want = format!("tag-suffix = \"_team\"  # {base}\n");
    assert!(shown.stdout.contains(&want), "{want} is not in {}", shown.stdout);
    // The login that docker keeps, and without one.
    std::fs::create_dir_all(place.path("home/.docker")).unwrap();
    let check = |code: i32| {
        let mut command = place.imgfix();
        command.args(["config", "check", "-v", "--ca-file"]).arg(registry.ca_file().unwrap());
        ran(&mut command).expect(code)
    };
    let refused = check(2);
    assert!(refused.stderr.contains(&format!("extends {base}: ")), "{}", refused.stderr);
    assert!(refused.stderr.contains("login"), "{}", refused.stderr);
    std::fs::copy(registry.auth_file().unwrap(), place.path("home/.docker/config.json")).unwrap();
    for run in [check(0), run, refused] {
        assert!(!run.stderr.contains("s3cret"), "{}", run.stderr);
    }
    // Not without its certificate.
    let run = ran(place.imgfix().args(["config", "check"])).expect(2);
    assert!(run.stderr.contains("certificate"), "{}", run.stderr);
    // The tag moves; what was agreed on stays.
    push(&registry, "team/policy:1", &[(TOML, "tag-suffix = '_other'\n")]);
    let mut show = place.imgfix();
    let shown = ran(with_access(show.args(["config", "show"]), &registry)).expect(0);
    assert!(shown.stdout.contains("tag-suffix = \"_team\""), "{}", shown.stdout);
}

#[test]
fn an_artifact_that_is_no_policy_is_one_clear_error() {
    let registry = secured();
    for media_type in ["application/toml", "text/plain", "application/vnd.oci.image.layer.v1.tar"] {
        let extends = push(&registry, "p:1", &[(media_type, "strict = true\n")]);
        let run = check(&registry, &extends).expect(0);
        assert!(run.stdout.contains("can be followed"), "{media_type}: {}", run.stdout);
    }
    let one = (TOML, "strict = true\n");
    let large = format!("# {}\n", "x".repeat(1 << 20));
    let slip = push(&registry, "slip:1", &[(TOML, "strict = 1\n")]);
    let good = push(&registry, "good:1", &[one]);
    let (name, _) = good.split_once('@').unwrap();
    let zeros = "0".repeat(64);
    for (extends, want) in [
        (push(&registry, "none:1", &[]), "it has 0 layers, and must have one"),
        (push(&registry, "two:1", &[one, one]), "it has 2 layers, and must have one"),
        (push(&registry, "json:1", &[("application/json", "{}")]), "want a layer of application"),
        (push(&registry, "large:1", &[(TOML, &large)]), "more than the 1048576 allowed"),
        (push(&registry, "text:1", &[(TOML, "\u{1}nonsense")]), "text:1:1:10: key with no value"),
        (slip, "slip:1:1:10: invalid type"),
        (format!("{name}@sha256:{zeros}"), "not found"),
        (name.to_owned(), "wants the digest of its manifest"),
    ] {
        let run = check(&registry, &extends).expect(2);
        assert!(run.stderr.contains(want), "{want}: {}", run.stderr);
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    }
}

#[test]
fn a_file_that_was_found_extends_no_artifact() {
    let place = Place::debian();
    let digest = Digest::of(b"");
    let text = format!("extends = [\"oci://127.0.0.1:1/p:1@{digest}\"]\n");
    std::fs::write(place.path("imgfix.toml"), text).unwrap();
    let mut command = place.on("repair", &place.image("12"));
    let run = ran(command.args(["-r", &report("debian-12.trivy")])).expect(0);
    assert!(run.stderr.contains("extends of a URL is not followed"), "{}", run.stderr);
}
