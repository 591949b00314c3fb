//! Names that attack the log of a CI system: whatever stands in images and reports, no line of
//! any output is a command to the runner, and no control character is in it.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use common::cli::{Place, Ran, blob, manifest, ran, read_json, report};
use imgfix_model::digest::Digest;
use serde_json::json;

/// Every way to begin a command, behind every kind of line break.
const EVIL: &str = "x\n::error file=a::pwned\r::add-mask::y\u{2028}::set-output name=a::b\n\
                    ##vso[task.setvariable variable=a]b\u{b}##[error]c\u{85}##teamcity[x]\u{1b}[2Jz";

#[track_caller]
fn assert_harmless(what: &str, run: &Ran) {
    for (stream, text) in [("stdout", &run.stdout), ("stderr", &run.stderr)] {
        let breaks = ['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'];
        for line in text.split(breaks) {
            let begins = line.trim_start().starts_with("::");
            assert!(!begins, "{what}, {stream}: {line:?}");
        }
        for power in ["##vso[", "##[", "##teamcity[", "\r", "\u{1b}"] {
            assert!(!text.contains(power), "{what}, {stream}: {power:?} in {text:?}");
        }
    }
}

/// The image with an evil name wherever an image may have one: a label, a command, a variable,
/// a history entry.
fn evil_image() -> Place {
    let place = Place::debian();
    let layout = place.path("image");
    let mut manifest = manifest(&layout, "12");
    let mut config = read_json(&blob(&layout, manifest["config"]["digest"].as_str().unwrap()));
    config["config"]["Labels"] = json!({ EVIL: EVIL, "::error::a": "##vso[x]" });
    config["config"]["Env"] = json!([format!("A={EVIL}")]);
    config["config"]["Cmd"] = json!([EVIL, "::error::"]);
    config["author"] = json!(EVIL);
    let store = |value: &serde_json::Value| {
        let bytes = value.to_string().into_bytes();
        let digest = Digest::of(&bytes).to_string();
        std::fs::write(blob(&layout, &digest), &bytes).unwrap();
        (digest, bytes.len())
    };
    let (digest, size) = store(&config);
    manifest["config"]["digest"] = json!(digest);
    manifest["config"]["size"] = json!(size);
    manifest["annotations"] = json!({ EVIL: EVIL });
    let (digest, size) = store(&manifest);
    let file = layout.join("index.json");
    let mut index = read_json(&file);
    index["manifests"][0]["digest"] = json!(digest);
    index["manifests"][0]["size"] = json!(size);
    std::fs::write(file, index.to_string()).unwrap();
    place
}

/// A report whose every text attacks.
fn evil_report(place: &Place) -> String {
    let finding = |package: &str, id: &str| {
        json!({"id": id, "package": package, "installed": EVIL, "fixed": EVIL, "severity": "high",
            "title": EVIL, "path": format!("/{EVIL}")})
    };
    let findings = json!({"schema": "imgfix/findings/v1", "findings": [
        finding(EVIL, EVIL), finding("libexpat1", EVIL), finding("::error::x", "::error::y"),
        finding("libc6", "##vso[task.complete]")]});
    let file = place.path("evil.json");
    std::fs::write(&file, findings.to_string()).unwrap();
    file.display().to_string()
}

#[test]
fn no_output_of_any_command_has_a_line_that_a_runner_obeys() {
    let place = evil_image();
    let (evil, trivy) = (evil_report(&place), report("debian-12.trivy"));
    for format in ["text", "json"] {
        for verbose in ["-v", "-vvv"] {
            let mut command = place.on("plan", &place.image("12"));
            command.args([verbose, "-r", &evil, "-r", &trivy, "--format", format]);
            assert_harmless("plan", &ran(&mut command).expect(0));
        }
        let mut command = place.on("repair", &place.image("12"));
        command.args(["-v", "-r", &evil, "-r", &trivy, "--format", format, "--fail-on", "low"]);
        assert_harmless("repair", &ran(&mut command).expect(3));
        let list = if format == "text" { "table" } else { format };
        let mut command = place.imgfix();
        command.args(["findings", "-v", &evil, &trivy, "--format", list]);
        assert_harmless("findings", &ran(&mut command).expect(0));
    }
    for format in ["text", "json", "html", "markdown"] {
        let mut command = place.imgfix();
        command.args(["diff", &place.image("12"), &place.image("12_fix"), "--format", format]);
        assert_harmless("diff", &ran(&mut command).expect(0));
    }
    for format in ["table", "json", "cyclonedx", "spdx"] {
        let mut command = place.imgfix();
        command.args(["inventory", &place.image("12"), "--format", format]);
        assert_harmless("inventory", &ran(&mut command).expect(0));
    }
}

#[test]
fn no_message_about_a_wrong_input_has_one_either() {
    let place = Place::debian();
    let name = "r\n::error::x\r##vso[a]";
    std::fs::write(place.path(name), format!("{{\"{}\": 1, ", EVIL.escape_debug())).unwrap();
    let mut command = place.on("repair", &place.image("12"));
    assert_harmless("report", &ran(command.arg("-r").arg(place.path(name))).expect(1));
    let twice = json!({ EVIL: 1 }).to_string();
    let twice = format!("{},{}", &twice[..twice.len() - 1], &twice[1..]);
    std::fs::write(place.path("twice"), twice).unwrap();
    let mut command = place.on("repair", &place.image("12"));
    assert_harmless("twice", &ran(command.arg("-r").arg(place.path("twice"))).expect(1));
    assert_harmless("tag", &ran(&mut place.repair(&place.image(name))));
    std::fs::write(place.path("imgfix.toml"), "min-severity = \"::error::\\n::error::\"\n")
        .unwrap();
    assert_harmless("policy", &ran(&mut place.repair(&place.image("12"))).expect(2));
}
