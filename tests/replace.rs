//! Files that rules of the policy replace: a folder by an archive, a file by a download, a file that
//! is known by its content, and what a package has.
//!
//! Needs Debian's gnupg; no network.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use common::cli::{Place, blob, manifest, ran};
use common::debian::{self, Deb, Tar};
use common::images;
use sha2::{Digest, Sha256};

const TOOL: &[u8] = b"the tool, version 1\n";

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An image with a JDK under `/opt`, a tool that is there twice, and a package.
fn place() -> (Place, String) {
    let place = Place::new();
    let system = debian::root(&["libfoo"], |tar| {
        tar.directory("opt/jdk");
        tar.file("opt/jdk/release", b"JAVA_VERSION=\"21.0.1\"\n", 0o644);
        tar.file("opt/jdk/lib/old.jar", b"old", 0o644);
        tar.file("opt/tool", TOOL, 0o750);
        tar.file("srv/tool", TOOL, 0o755);
    });
    images::layout(&place.path("image"), "1", &[system]);
    let packages = [Deb::new("libfoo", "1")];
    let line = debian::publish(&place.path("repository"), &packages, debian::Index::default());
    (place, line)
}

/// A gzip archive of a JDK as vendors pack it.
fn jdk() -> Vec<u8> {
    let mut tar = Tar::default();
    tar.directory("jdk-21.0.5/");
    tar.file("jdk-21.0.5/release", b"JAVA_VERSION=\"21.0.5\"\n", 0o644);
    tar.file("jdk-21.0.5/bin/java", b"\x7fELF java", 0o755);
    images::gzip(&tar.end())
}

fn policy(place: &Place, rules: &[(&str, &str, &[u8], &str)]) -> String {
    let mut text = String::new();
    for (what, file, content, more) in rules {
        std::fs::write(place.path(file), content).unwrap();
        let hash = sha256(content);
        text += &format!("[[replace]]\n{what}\nfile = '{file}'\nsha256 = '{hash}'\n{more}\n");
    }
    std::fs::write(place.path("policy.toml"), text).unwrap();
    place.path("policy.toml").display().to_string()
}

/// What the patch layer has: content and mode by path, `None` for what goes.
fn patch(layout: &Path, tag: &str) -> BTreeMap<String, Option<(String, u32)>> {
    let manifest = manifest(layout, tag);
    let layer = manifest["layers"].as_array().unwrap().last().unwrap()["digest"].clone();
    let bytes = std::fs::read(blob(layout, layer.as_str().unwrap())).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&bytes[..]));
    let mut files = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        if let Some((folder, name)) = path.rsplit_once("/.wh.") {
            files.insert(format!("{folder}/{name}"), None);
        } else if entry.header().entry_type().is_file() {
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            files.insert(path, Some((text, entry.header().mode().unwrap())));
        }
    }
    files
}

#[test]
fn folders_files_and_contents_are_replaced() {
    let (place, line) = place();
    let by_content = format!("content-sha256 = '{}'", sha256(TOOL));
    let config = policy(
        &place,
        &[
            ("path = '/opt/jdk'", "jdk.tar.gz", &jdk(), "strip = 1"),
            (&by_content, "tool-2", b"the tool, version 2\n", ""),
            ("path = '/usr/share/libfoo/version'", "version", b"9", ""),
            ("path = '/opt/nothing'", "nothing", b"x", ""),
            ("path = '/etc/os-release'", "arm", b"x", "platform = 'linux/arm64'"),
        ],
    );
    let image = place.image("1");
    let repair = |subcommand: &str| {
        let mut command = place.bare(subcommand, &image);
        command.args(["-q", "--format", "json", "--repository", &line, "--config", &config]);
        command
    };
    let plan = place.path("plan.json").display().to_string();
    let planned = ran(repair("plan").args(["--save", &plan])).expect(0).json();
    let steps = &planned["platforms"][0]["stores"][0]["steps"];
    assert_eq!(steps[0]["unpack"]["strip"], 1);
    assert_eq!(steps.as_array().unwrap().len(), 3, "{planned}");

    let done = ran(&mut repair("repair")).expect(0).json();
    let notes = done["platforms"][0]["notes"].as_array().unwrap();
    let said = |text: &str| notes.iter().any(|note| note.as_str().unwrap().contains(text));
    assert!(said("/usr/share/libfoo/version belongs to the system package libfoo"), "{notes:?}");
    assert!(said("[[replace]] /opt/nothing: the image has no such file or folder"), "{notes:?}");
    let file = |text: &str, mode| Some((text.to_owned(), mode));
    assert_eq!(
        patch(&place.path("image"), "1_fix"),
        BTreeMap::from([
            ("opt/jdk/bin/java".to_owned(), file("\x7fELF java", 0o755)),
            ("opt/jdk/lib".to_owned(), None),
            ("opt/jdk/release".to_owned(), file("JAVA_VERSION=\"21.0.5\"\n", 0o644)),
            ("opt/tool".to_owned(), file("the tool, version 2\n", 0o750)),
            ("srv/tool".to_owned(), file("the tool, version 2\n", 0o755)),
        ])
    );

    // the saved plan is the same repair
    let first = place.tagged("1_fix");
    let mut followed = place.bare("repair", &image);
    ran(followed.args(["-q", "--config", &config, "--plan", &plan])).expect(0);
    assert_eq!(place.tagged("1_fix"), first);
}

#[test]
fn what_is_not_as_the_rule_says_ends_the_run() {
    let (place, line) = place();
    let mut leaves = Tar::default();
    leaves.file("../../etc/passwd", b"x", 0o644);
    for (rule, want) in [
        (("path = '/opt/tool'", "tool-2", &b"2"[..], ""), "instead of sha256:"),
        (("path = '/opt/jdk'", "jdk.tar", &leaves.end(), ""), "its name leads out of the folder"),
        (("path = '/opt/tool'", "a.tar.gz", &jdk(), "member = 'x'"), "nothing that is named \"x\""),
        (("path = '/opt/jdk'", "text", b"no archive", ""), "text"),
    ] {
        let config = policy(&place, &[rule]);
        if want.starts_with("instead") {
            std::fs::write(place.path("tool-2"), b"3").unwrap();
        }
        let mut command = place.bare("repair", &place.image("1"));
        command.args(["-q", "--repository", &line, "--config", &config]);
        let ran = ran(&mut command).expect(1);
        assert!(ran.stderr.contains(want), "{}", ran.stderr);
        assert_eq!(place.tagged("1_fix"), None);
        place.has_nothing_temporary();
    }
}
