//! Images with archives of Java, repaired from a repository on this machine.
//!
//! No network but this machine's own.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::io::Read as _;
use std::process::Command;

use common::cli::{Place, Ran, blob, fixture, manifest, ran, read_json};
use common::debian::Tar;
use common::hostile::Response;
use common::images;
use common::java::{Jar, KEY, Maven, signature, trivy};
use common::libraries::{Found, verdicts};
use imgfix_zip::{Archive, Limits, Names};
use serde_json::json;
use sha1::{Digest as _, Sha1};

/// An image of one layer with these archives, and a report about them.
fn image(archives: &[(&str, &Jar)], found: &[Found<'_>]) -> Place {
    let place = Place::new();
    let mut tar = Tar::default();
    for (path, jar) in archives {
        tar.file(path, &jar.bytes(), 0o644);
    }
    images::layout(&place.path("image"), "1", &[tar.end()]);
    std::fs::write(place.path("trivy.json"), trivy(found).to_string()).expect("report");
    place
}

fn command(subcommand: &str, place: &Place, maven: &Maven) -> Command {
    maven.settings(place);
    let mut command = place.bare(subcommand, &place.image("1"));
    command.args(["-q", "--format", "json"]);
    command
}

fn repair(place: &Place, maven: &Maven, options: &[&str]) -> Ran {
    let mut command = command("repair", place, maven);
    command.arg("-r").arg(place.path("trivy.json")).args(options);
    ran(&mut command)
}

fn lib(version: &str) -> Jar {
    Jar::new("org.acme:lib", version).with("data", version.as_bytes())
}

/// The image and the repository of a library that has a fix.
fn simple() -> (Place, Maven) {
    let found = [("CVE-1", "org.acme:lib", "opt/lib.jar", "1.0.0", "1.0.1")];
    (image(&[("opt/lib.jar", &lib("1.0.0"))], &found), Maven::start(&[lib("1.0.1")]))
}

#[test]
fn whoever_wants_a_signature_gets_only_what_a_known_key_signed() {
    let key = fixture(KEY).display().to_string();
    let other = fixture("rpm/key.asc").display().to_string();
    let (own, other) = (["--keyring", &*key], ["--keyring", &*other]);
    let wanted = "--require-attestation";
    let (place, maven) = simple();
    let good = signature(&place, &lib("1.0.1").bytes());
    let bad = signature(&place, b"another archive");
    let asc = format!("{}.asc", lib("1.0.1").path());
    for (signature, options, want, part) in [
        (None, vec![wanted], "not-fixed unattested", "none was given"),
        (None, vec![own[0], own[1], wanted], "not-fixed unattested", ".asc is not there"),
        (None, own.to_vec(), "fixed -", ""),
        (Some(&good), vec![own[0], own[1], wanted], "fixed -", ""),
        (Some(&good), vec![other[0], other[1], wanted], "not-fixed unattested", "is signed by"),
        (Some(&good), other.to_vec(), "fixed -", ""),
        (Some(&bad), vec![own[0], own[1], wanted], "not-fixed unattested", "was changed"),
        (Some(&bad), own.to_vec(), "not-fixed untrusted", "was changed"),
        // whoever gave no keys goes by the checksum
        (Some(&bad), vec![], "fixed -", ""),
    ] {
        let (place, maven) = simple();
        if let Some(signature) = signature {
            maven.put(&asc, signature.clone());
        }
        let ran = repair(&place, &maven, &options).expect(0);
        assert_eq!(verdicts(&ran), [format!("CVE-1 {want}")], "{options:?}");
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
        let is_changed = place.tagged("1_fix") != place.tagged("1");
        assert_eq!(is_changed, want == "fixed -", "{options:?}");
    }
    // a plan that was saved without keys is not followed, either
    let plan = place.path("plan.json");
    let mut save = command("plan", &place, &maven);
    save.arg("-r").arg(place.path("trivy.json")).arg("--save").arg(&plan);
    ran(&mut save).expect(0);
    let mut follow = command("repair", &place, &maven);
    let refused = ran(follow.arg("--plan").arg(&plan).arg(wanted)).expect(1);
    assert!(refused.stderr.contains("none was given"), "{}", refused.stderr);
    assert_eq!(place.tagged("1_fix"), None);
}

const LOG4J: &str = "org.apache.logging.log4j:log4j-core";
const JNDI: &str = "org/apache/logging/log4j/core/lookup/JndiLookup.class";
const FASTJSON: &str = "com.alibaba:fastjson";

/// What a published image has at a path of its last layer.
fn published(place: &Place, path: &str) -> Vec<u8> {
    let layout = place.path("image");
    let manifest = manifest(&layout, "1_fix");
    let digest = manifest["layers"].as_array().unwrap().last().unwrap()["digest"].clone();
    let bytes = std::fs::read(blob(&layout, digest.as_str().unwrap())).expect("layer");
    let plain: Box<dyn std::io::Read> = match bytes.starts_with(&[0x1f, 0x8b]) {
        true => Box::new(flate2::read::GzDecoder::new(&bytes[..])),
        false => Box::new(zstd::Decoder::new(&bytes[..]).expect("zstd")),
    };
    let mut archive = tar::Archive::new(plain);
    for entry in archive.entries().expect("entries") {
        let mut entry = entry.expect("entry");
        if entry.path().expect("path").to_string_lossy() == path {
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("content");
            return content;
        }
    }
    panic!("{path} is not in the layer");
}

/// Every kind of archive, one problem each.
struct Everything {
    place: Place,
    maven: Maven,
}

impl Everything {
    const FAT: &str = "app/app.jar";

    fn new() -> Self {
        let log4j = |version| {
            Jar::new(LOG4J, version).with(JNDI, b"class").with("core/Other.class", b"class")
        };
        let inner = |version: &str| Jar::new("org.inner:inner", version).with("data", b"x");
        let link = |methods: &[&str], version| {
            Jar::new("org.link:link", version).class("l/L", methods, &[])
        };
        let fat = Jar::of(&[
            ("BOOT-INF/classes/application.properties", b"a=b".to_vec()),
            ("BOOT-INF/lib/inner-1.0.0.jar", inner("1.0.0").bytes()),
            ("BOOT-INF/lib/log4j-core-2.14.1.jar", log4j("2.14.1").bytes()),
            ("BOOT-INF/lib/fastjson.jar", Jar::new(FASTJSON, "1.2.80").bytes()),
        ]);
        let signed = Jar::of(&[
            ("META-INF/APP.SF", b"Signature-Version: 1.0".to_vec()),
            ("lib/inner-1.0.0.jar", inner("1.0.0").bytes()),
        ]);
        let shaded = Jar::new("org.app:shaded", "1").and("org.inner:inner", "1.0.0");
        let user = Jar::new("org.user:user", "1").class("u/U", &[], &["l/L.gone"]);
        let found = [
            ("CVE-1", "org.acme:lib", "opt/plain/lib.jar", "1.0.0", "1.0.1"),
            (
                "CVE-2",
                "org.inner:inner",
                "app/app.jar/BOOT-INF/lib/inner-1.0.0.jar",
                "1.0.0",
                "1.0.1",
            ),
            (
                "CVE-2021-44228",
                LOG4J,
                "app/app.jar/BOOT-INF/lib/log4j-core-2.14.1.jar",
                "2.14.1",
                "2.15.0",
            ),
            (
                "CVE-2022-25845",
                FASTJSON,
                "app/app.jar/BOOT-INF/lib/fastjson.jar",
                "1.2.80",
                "2.0.0",
            ),
            ("CVE-4", "org.inner:inner", "opt/signed/a.jar/lib/inner-1.0.0.jar", "1.0.0", "1.0.1"),
            ("CVE-5", "org.inner:inner", "opt/shaded/app.jar", "1.0.0", "1.0.1"),
            ("CVE-6", "org.acme:lib", "opt/plain/lib.jar", "1.0.0", "3.0.0"),
            ("CVE-7", "org.link:link", "opt/linked/link.jar", "1.0.0", "1.0.1"),
            ("CVE-2022-25845", FASTJSON, "opt/plain/fastjson.jar", "1.2.80", "2.0.0"),
            ("CVE-2022-25845", FASTJSON, "opt/old/fastjson.jar", "1.2.67", "2.0.0"),
        ];
        let place = image(
            &[
                ("opt/plain/lib.jar", &lib("1.0.0")),
                ("opt/plain/fastjson.jar", &Jar::new(FASTJSON, "1.2.80")),
                ("opt/old/fastjson.jar", &Jar::new(FASTJSON, "1.2.67")),
                (Self::FAT, &fat),
                ("opt/signed/a.jar", &signed),
                ("opt/shaded/app.jar", &shaded),
                ("opt/linked/link.jar", &link(&["gone", "stays"], "1.0.0")),
                ("opt/linked/user.jar", &user),
            ],
            &found,
        );
        let maven = Maven::start(&[
            lib("1.0.1"),
            lib("3.0.0"),
            inner("1.0.1"),
            log4j("2.15.0"),
            link(&["stays"], "1.0.1"),
            Jar::new(FASTJSON, "2.0.0"),
        ]);
        Self { place, maven }
    }
}

#[test]
fn every_kind_of_archive_has_its_verdict_and_the_same_digest_whenever() {
    let Everything { place, maven } = Everything::new();
    let vex = place.path("vex.json").display().to_string();
    let first = repair(&place, &maven, &["--openvex", &vex]).expect(0);
    let mut found = verdicts(&first);
    found.sort();
    assert_eq!(
        found,
        [
            "CVE-1 fixed -",
            "CVE-2 fixed -",
            "CVE-2021-44228 mitigated -",
            "CVE-2022-25845 mitigated -",
            "CVE-2022-25845 mitigated -",
            "CVE-2022-25845 not-fixed beyond-upgrades",
            "CVE-4 not-fixed not-repairable",
            "CVE-5 not-fixed not-repairable",
            "CVE-6 not-fixed beyond-upgrades",
            "CVE-7 not-fixed unlinkable",
        ]
    );
    assert!(first.stdout.contains("l/L.gone()V"), "{}", first.stdout);
    assert_eq!(published(&place, "opt/plain/lib.jar"), lib("1.0.1").bytes());

    // of the fat archive the rest is as it was
    let bytes = published(&place, Everything::FAT);
    let fat = Archive::read(bytes.into(), Limits::PACKAGE, Names::LookedInto).unwrap();
    let content = |name: &str| {
        let at = fat.find(name).unwrap().unwrap_or_else(|| panic!("no {name}"));
        fat.content(&fat.entries()[at]).unwrap()
    };
    let inner = Jar::new("org.inner:inner", "1.0.1").with("data", b"x");
    assert_eq!(content("BOOT-INF/lib/inner-1.0.0.jar"), inner.bytes());
    let log4j = Jar::new(LOG4J, "2.14.1").with("core/Other.class", b"class");
    assert_eq!(content("BOOT-INF/lib/log4j-core-2.14.1.jar"), log4j.bytes());
    let set = "fastjson.parser.safeMode=true\n";
    assert_eq!(content("BOOT-INF/classes/fastjson.properties"), set);
    assert_eq!(content("BOOT-INF/lib/fastjson.jar"), Jar::new(FASTJSON, "1.2.80").bytes());
    assert_eq!(content("BOOT-INF/classes/application.properties"), "a=b");
    let nested = fat.entries().iter().filter(|one| one.name().ends_with(".jar"));
    assert!(nested.clone().count() == 3 && nested.clone().all(|one| one.is_stored()));

    // scanners go on naming the version
    let vex = read_json(&place.path("vex.json"));
    let statements = vex["statements"].as_array().unwrap();
    let of = |id: &str| {
        let of = statements.iter().filter(|one| one["vulnerability"]["name"] == id);
        of.map(|one| (one["status"].clone(), one["justification"].clone())).collect::<Vec<_>>()
    };
    let mitigated = (json!("not_affected"), json!("inline_mitigations_already_exist"));
    assert_eq!(of("CVE-2021-44228"), std::slice::from_ref(&mitigated));
    assert!(of("CVE-2022-25845").contains(&mitigated), "{statements:?}");

    // again, with what the cache has, and as a saved plan says
    let asked = maven.server.requests().len();
    let again = repair(&place, &maven, &["--offline"]).expect(0);
    assert_eq!(again.digest(), first.digest());
    assert_eq!(maven.server.requests().len(), asked);
    let plan = place.path("plan.json");
    let mut save = command("plan", &place, &maven);
    save.arg("-r").arg(place.path("trivy.json")).arg("--save").arg(&plan);
    ran(&mut save).expect(0);
    let mut follow = command("repair", &place, &maven);
    let followed = ran(follow.arg("--plan").arg(&plan)).expect(0);
    assert_eq!(followed.digest(), first.digest());
}

#[test]
fn a_repaired_image_is_found_mitigated_again() {
    let Everything { place, maven } = Everything::new();
    repair(&place, &maven, &[]).expect(0);
    maven.settings(&place);
    let mut again = place.bare("repair", &place.image("1_fix"));
    again.args(["-q", "--format", "json", "-r"]).arg(place.path("trivy.json"));
    let again = ran(&mut again).expect(0);
    let mitigated = verdicts(&again).into_iter().filter(|one| one.contains(" mitigated "));
    assert_eq!(mitigated.count(), 3, "{:?}", verdicts(&again));
    assert_eq!(Some(again.digest()), place.tagged("1_fix"));
}

#[test]
fn what_the_repository_has_is_held_against_its_checksum_and_its_name() {
    let path = lib("1.0.1").path();
    // a checksum of something else, another library, a page, no checksum, half of it
    let other = Jar::new("org.acme:other", "1.0.1");
    let sha1 = |bytes: &[u8]| imgfix_model::hex::encode(Sha1::digest(bytes));
    let mut short = lib("1.0.1").bytes();
    short.truncate(short.len() - 30);
    for (jar, checksum, want, part) in [
        (lib("1.0.1").bytes(), sha1(b"x"), "untrusted", "its content is not what"),
        (other.bytes(), sha1(&other.bytes()), "not-repairable", "is something else"),
        (b"<html>".to_vec(), sha1(b"<html>"), "not-repairable", "it is no zip archive"),
        (lib("1.0.1").bytes(), "<html>".into(), "not-repairable", "with a checksum"),
        (short.clone(), sha1(&short), "not-repairable", "what the repository has"),
    ] {
        let (place, maven) = simple();
        maven.put(&path, jar);
        maven.put(&format!("{path}.sha1"), checksum);
        let ran = repair(&place, &maven, &[]).expect(0);
        assert_eq!(verdicts(&ran), [format!("CVE-1 not-fixed {want}")], "{part}");
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
        assert_eq!(place.tagged("1_fix"), place.tagged("1"), "{part}");
    }
}

#[test]
fn a_repository_that_fails_leaves_its_libraries_and_the_rest_goes_on() {
    let found = [
        ("CVE-1", "org.acme:lib", "opt/a/lib.jar", "1.0.0", "1.0.1"),
        ("CVE-2", "org.else:lib", "opt/b/lib.jar", "1.0.0", "1.0.1"),
    ];
    let other = |version| Jar::new("org.else:lib", version);
    let archives = [("opt/a/lib.jar", &lib("1.0.0")), ("opt/b/lib.jar", &other("1.0.0"))];
    let place = image(&archives, &found);
    let maven = Maven::start(&[lib("1.0.1"), other("1.0.1")]);
    let metadata = "/org/acme/lib/maven-metadata.xml".to_owned();
    maven.files.lock().unwrap().insert(metadata, Response::new(403, "no"));
    let ran = repair(&place, &maven, &[]).expect(0);
    assert_eq!(verdicts(&ran), ["CVE-1 not-fixed repository-unreadable", "CVE-2 fixed -"]);
}

#[test]
fn where_no_version_links_a_recipe_is_taken() {
    let log4j = |methods: &[&str], version: &str| {
        Jar::new(LOG4J, version).class("core/Core", methods, &[]).with(JNDI, b"class")
    };
    let user = Jar::new("org.user:user", "1").class("u/U", &[], &["core/Core.gone"]);
    let path = "opt/log4j.jar";
    let found = [
        ("CVE-2021-44228", LOG4J, path, "2.14.1", "2.15.0"),
        ("CVE-2021-44832", LOG4J, path, "2.14.1", "2.17.1"),
    ];
    let place = image(&[(path, &log4j(&["gone"], "2.14.1")), ("opt/user.jar", &user)], &found);
    let maven = Maven::start(&[log4j(&[], "2.15.0"), log4j(&[], "2.17.1")]);
    let ran = repair(&place, &maven, &["--library-upgrades", "minor"]).expect(0);
    let want = ["CVE-2021-44228 mitigated -", "CVE-2021-44832 not-fixed unlinkable"];
    assert_eq!(verdicts(&ran), want);
    let without = Jar::new(LOG4J, "2.14.1").class("core/Core", &["gone"], &[]);
    assert_eq!(published(&place, path), without.bytes());
}

#[test]
fn a_recipe_that_cannot_be_done_leaves_the_others() {
    // nobody knows what the file says
    let strange = b"a=\\\nfastjson.parser.safeMode=false\n".to_vec();
    let fat = Jar::of(&[
        ("BOOT-INF/classes/fastjson.properties", strange),
        ("BOOT-INF/lib/fastjson.jar", Jar::new(FASTJSON, "1.2.80").bytes()),
        ("BOOT-INF/lib/lib.jar", lib("1.0.0").bytes()),
    ]);
    let place = image(
        &[("app.jar", &fat)],
        &[
            ("CVE-1", "org.acme:lib", "app.jar/BOOT-INF/lib/lib.jar", "1.0.0", "1.0.1"),
            ("CVE-2022-25845", FASTJSON, "app.jar/BOOT-INF/lib/fastjson.jar", "1.2.80", "2.0.0"),
        ],
    );
    let maven = Maven::start(&[lib("1.0.1"), Jar::new(FASTJSON, "2.0.0")]);
    let ran = repair(&place, &maven, &[]).expect(0);
    let want = ["CVE-1 fixed -", "CVE-2022-25845 not-fixed beyond-upgrades"];
    assert_eq!(verdicts(&ran), want);
}
