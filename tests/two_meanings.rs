//! Documents that mean one thing to one program and another to the next: JSON with a key twice.
//! Whoever brings them, they are refused, with the key and its place, and nothing is published.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use common::cli::{Place, assert_same, blob, manifest, ran, read_json, report, snapshot};
use imgfix_model::digest::Digest;
use serde_json::json;

/// Stores a blob in the image's layout; its digest and size.
fn store(place: &Place, text: &str) -> (String, usize) {
    let digest = Digest::of(text.as_bytes()).to_string();
    std::fs::write(blob(&place.path("image"), &digest), text).unwrap();
    (digest, text.len())
}

/// Makes the tag name a manifest of this text.
fn point_at(place: &Place, text: &str) {
    let (digest, size) = store(place, text);
    let file = place.path("image/index.json");
    let mut index = read_json(&file);
    index["manifests"][0]["digest"] = json!(digest);
    index["manifests"][0]["size"] = json!(size);
    std::fs::write(file, index.to_string()).unwrap();
}

/// The image's config, its text changed.
fn with_config(place: &Place, change: impl FnOnce(&str) -> String) {
    let image = place.path("image");
    let mut manifest = manifest(&image, "12");
    let config = blob(&image, manifest["config"]["digest"].as_str().unwrap());
    let text = change(&std::fs::read_to_string(config).unwrap());
    let (digest, size) = store(place, &text);
    manifest["config"]["digest"] = json!(digest);
    manifest["config"]["size"] = json!(size);
    point_at(place, &manifest.to_string());
}

/// `text` with `more` as the first fields of its object.
fn first(text: &str, more: &str) -> String {
    text.trim_start().replacen('{', &format!("{{{more},"), 1)
}

#[track_caller]
fn refused(place: &Place, command: &mut std::process::Command, code: i32, wants: &[&str]) {
    let before = snapshot(&place.path("image"));
    let run = ran(command).expect(code);
    for want in wants.iter().chain(&["twice", "line "]) {
        assert!(run.stderr.contains(want), "{want:?} is not in {}", run.stderr);
    }
    assert_same(&before, &snapshot(&place.path("image")));
}

#[test]
fn an_image_whose_config_has_a_key_twice_is_refused() {
    // Go takes the last of them, and takes USER for User: it would run as root, or without the
    // environment, what another program shows as it should be.
    for (more, key, place_of) in [
        (r#""config":{"User":"app","Env":["A=1"]}"#, "\"config\"", "the top has"),
        (r#""Config":{"User":"root"}"#, "\"config\"", "the top has"),
        (r#""x":{"User":"a","user":"b"}"#, "\"user\"", "x has"),
        (r#""x":[{"y":{"k":1,"k":2}}]"#, "\"k\"", "x[0].y has"),
        (r#""history":[]"#, "\"history\"", "the top has"),
    ] {
        let place = Place::debian();
        with_config(&place, |text| first(text, more));
        let key = if place_of == "the top has" { "the key" } else { key };
        refused(&place, &mut place.repair(&place.image("12")), 1, &[key, place_of]);
    }
}

#[test]
fn a_manifest_index_or_layout_with_a_key_twice_is_refused() {
    let place = Place::debian();
    let text = manifest(&place.path("image"), "12").to_string();
    point_at(&place, &first(&text, r#""layers":[]"#));
    refused(&place, &mut place.repair(&place.image("12")), 1, &["\"layers\""]);
    point_at(&place, &first(&text, r#""Annotations":{},"annotations":{}"#));
    refused(&place, &mut place.repair(&place.image("12")), 1, &["\"annotations\"", "case"]);
    point_at(&place, &text);
    let file = place.path("image/index.json");
    let index = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, first(&index, r#""manifests":[]"#)).unwrap();
    refused(&place, &mut place.repair(&place.image("12")), 1, &["index.json", "\"manifests\""]);
    std::fs::write(&file, index).unwrap();
    ran(&mut place.repair(&place.image("12"))).expect(0);
}

#[test]
fn an_original_whose_field_the_repair_would_write_in_another_case_is_refused() {
    let place = Place::debian();
    let text = manifest(&place.path("image"), "12").to_string();
    assert!(!text.contains("\"annotations\""), "the repair adds them");
    point_at(&place, &first(&text, r#""Annotations":{"a":"b"}"#));
    refused(&place, &mut place.repair(&place.image("12")), 1, &["annotations", "case"]);
}

#[test]
fn a_docker_archive_with_a_key_twice_is_refused() {
    let place = Place::debian();
    let archive = place.path("app.tar");
    let target = format!("docker-archive:{}:app:1", archive.display());
    let mut copy = std::process::Command::new("skopeo");
    ran(copy.args(["copy", "--quiet", &place.image("12"), &target])).expect(0);
    let unpacked = place.path("unpacked");
    std::fs::create_dir(&unpacked).unwrap();
    let tar = |arguments: &[&str]| {
        ran(std::process::Command::new("tar").args(arguments)).expect(0);
    };
    let (archive, folder) = (archive.display().to_string(), unpacked.display().to_string());
    tar(&["-xf", &archive, "-C", &folder]);
    let file = unpacked.join("manifest.json");
    let text = std::fs::read_to_string(&file).unwrap();
    // skopeo's file may be read only
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, first(&text, r#""Layers":[]"#)).unwrap();
    tar(&["-cf", &archive, "-C", &folder, "."]);
    refused(&place, &mut place.repair(&target), 1, &["manifest.json", "\"Layers\"", "[0] has"]);
}

#[test]
fn a_report_or_a_plan_with_a_key_twice_is_refused() {
    let place = Place::debian();
    let text = std::fs::read_to_string(report("debian-12.trivy")).unwrap();
    let file = place.path("report.json");
    for (more, key) in
        [(r#""Results":[]"#, "\"Results\""), (r#""Metadata":{"OS":1,"OS":2}"#, "Metadata has")]
    {
        std::fs::write(&file, first(&text, more)).unwrap();
        let mut command = place.on("repair", &place.image("12"));
        command.arg("-r").arg(&file);
        refused(&place, &mut command, 1, &["report.json", key]);
    }
    let plan = place.path("plan.json");
    let mut command = place.on("plan", &place.image("12"));
    command.args(["-q", "-r", &report("debian-12.trivy"), "--save"]).arg(&plan);
    ran(&mut command).expect(0);
    let text = std::fs::read_to_string(&plan).unwrap();
    std::fs::write(&plan, first(&text, r#""platforms":[]"#)).unwrap();
    let mut command = place.bare("repair", &place.image("12"));
    command.arg("--plan").arg(&plan);
    refused(&place, &mut command, 2, &["plan.json", "\"platforms\""]);
}
