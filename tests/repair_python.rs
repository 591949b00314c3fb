//! Images with a Python environment, repaired from an index on this machine.
//!
//! No network but this machine's own.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::io::Read as _;

use common::cli::{Place, Ran, blob, manifest, ran};
use common::debian::Tar;
use common::hostile::Response;
use common::images;
use common::python::{Index, PACKAGES, Wheel, environment, trivy};
use imgfix_sigstore::testing::{AT, Holder, Instance};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// An image of one layer with these installed.
fn image(wheels: &[Wheel], more: impl FnOnce(&mut Tar)) -> Place {
    let place = Place::new();
    let mut tar = Tar::default();
    environment(&mut tar);
    for wheel in wheels {
        wheel.install(&mut tar);
    }
    more(&mut tar);
    images::layout(&place.path("image"), "1", &[tar.end()]);
    place
}

type Found<'a> = (&'a str, &'a str, &'a str, &'a str);

fn repair(place: &Place, index: &Index, found: &[Found<'_>], options: &[&str]) -> Ran {
    let report = place.path("trivy.json");
    std::fs::write(&report, trivy(found).to_string()).expect("report");
    let mut command = place.bare("repair", &place.image("1"));
    command.env("PIP_INDEX_URL", index.url()).env_remove("PIP_EXTRA_INDEX_URL");
    command.args(["-q", "--format", "json", "-r"]).arg(&report).args(options);
    ran(&mut command)
}

/// `ID VERDICT: REASON`, a line a finding.
fn verdicts(ran: &Ran) -> Vec<String> {
    let json = ran.json();
    let findings = json["platforms"][0]["findings"].as_array().expect("findings");
    let line = |one: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let reason = &one["reason"];
        let said = ["detail", "relation", "wanted"].map(|key| reason[key].as_str());
        let said = said.into_iter().flatten().next().unwrap_or_default();
        format!("{} {} {} {said}", text(&one["id"]), text(&one["verdict"]), text(&reason["kind"]))
    };
    findings.iter().map(|one| line(one).trim_end().to_owned()).collect()
}

/// The files of the layer that a repair added, by path, with their modes.
fn patch(place: &Place) -> BTreeMap<String, (u32, String)> {
    let layout = place.path("image");
    let manifest = manifest(&layout, "1_fix");
    let digest = manifest["layers"].as_array().expect("layers").last().unwrap()["digest"].clone();
    let bytes = std::fs::read(blob(&layout, digest.as_str().unwrap())).expect("layer");
    let plain: Box<dyn std::io::Read> = match bytes.starts_with(&[0x1f, 0x8b]) {
        true => Box::new(flate2::read::GzDecoder::new(&bytes[..])),
        false => Box::new(zstd::Decoder::new(&bytes[..]).expect("zstd")),
    };
    let mut archive = tar::Archive::new(plain);
    let mut files = BTreeMap::new();
    for entry in archive.entries().expect("entries") {
        let mut entry = entry.expect("entry");
        if entry.header().entry_type().is_dir() {
            continue;
        }
        let path = entry.path().expect("path").display().to_string();
        let mode = entry.header().mode().expect("mode");
        let mut text = String::new();
        entry.read_to_string(&mut text).expect("content");
        files.insert(path, (mode, text));
    }
    files
}

#[test]
fn a_distribution_is_repaired_as_pip_leaves_it() {
    let old = Wheel::new("Foo", "1.2.0").script("foo = foo:main").file("foo/gone.py", "old\n");
    let new = Wheel::new("foo", "1.2.4")
        .script("foo = foo.cli:App.run")
        .script("bar = foo:main")
        .file("foo/cli.py", "new\n");
    let yanked = Wheel { is_yanked: true, ..Wheel::new("foo", "1.2.3") };
    let index = Index::start(&[
        Wheel::new("foo", "1.2.1"),
        yanked,
        new,
        Wheel::new("foo", "1.2.5"),
        Wheel::new("foo", "1.2.5rc1"),
    ]);
    let place = image(&[old], |tar| {
        tar.file(&format!("{PACKAGES}/foo/__pycache__/gone.cpython-311.pyc"), b"x", 0o644);
    });
    let found = [("CVE-1", "Foo", "1.2.0", "1.2.2")];
    let ran = repair(&place, &index, &found, &[]).expect(0);
    assert_eq!(verdicts(&ran), ["CVE-1 fixed -"]);
    let patch = patch(&place);
    let text = |path: &str| patch.get(path).map_or("none", |(_, text)| text.as_str());
    let wrapper = |import: &str, call: &str| {
        format!(
            "#!/opt/venv/bin/python3\n# old\nimport sys\n{import}\nif __name__ == '__main__':\n    \
             sys.exit({call}())\n"
        )
    };
    assert_eq!(text("opt/venv/bin/foo"), wrapper("from foo.cli import App", "App.run"));
    assert_eq!(text("opt/venv/bin/bar"), wrapper("from foo import main", "main"));
    assert_eq!(patch["opt/venv/bin/bar"].0, 0o755);
    assert_eq!(text(&format!("{PACKAGES}/foo/__init__.py")), "version = \"1.2.4\"\n");
    for gone in ["foo/.wh.gone.py", "foo/.wh.__pycache__", ".wh.Foo-1.2.0.dist-info"] {
        assert!(patch.contains_key(&format!("{PACKAGES}/{gone}")), "{gone}: {:?}", patch.keys());
    }
    let record = text(&format!("{PACKAGES}/foo-1.2.4.dist-info/RECORD"));
    let rows: Vec<&str> = record.split("\r\n").map(|row| row.split(',').next().unwrap()).collect();
    assert_eq!(
        rows,
        [
            "../../../bin/bar",
            "../../../bin/foo",
            "foo-1.2.4.dist-info/INSTALLER",
            "foo-1.2.4.dist-info/METADATA",
            "foo-1.2.4.dist-info/RECORD",
            "foo-1.2.4.dist-info/WHEEL",
            "foo-1.2.4.dist-info/entry_points.txt",
            "foo/__init__.py",
            "foo/cli.py",
            "",
        ]
    );
    assert_eq!(text(&format!("{PACKAGES}/foo-1.2.4.dist-info/INSTALLER")), "pip\n");
    // the change is shown with what it fixes, however report and record write the name
    let report = trivy(&found).to_string().replace("\"PkgName\":\"Foo\"", "\"PkgName\":\"foo\"");
    std::fs::write(place.path("trivy.json"), report).expect("report");
    let mut command = place.bare("repair", &place.image("1"));
    command.env("PIP_INDEX_URL", index.url()).arg("-q").arg("-r").arg(place.path("trivy.json"));
    let shown = common::cli::ran(&mut command).expect(0).stdout;
    let change = shown.lines().find(|line| line.contains("1.2.4"));
    assert!(change.is_some_and(|line| line.contains("1 high")), "{shown}");
    // the same again is the same
    assert_eq!(repair(&place, &index, &found, &[]).expect(0).digest(), ran.digest());
}

#[test]
fn a_saved_plan_is_followed_and_a_changed_wheel_is_not() {
    let index = Index::start(&[Wheel::new("foo", "1.2.4")]);
    let place = image(&[Wheel::new("foo", "1.2.0")], |_| {});
    let report = place.path("trivy.json");
    let found = [("CVE-1", "foo", "1.2.0", "1.2.2")];
    std::fs::write(&report, trivy(&found).to_string()).expect("report");
    let plan = place.path("plan.json");
    let with = |subcommand: &str, options: &[&std::ffi::OsStr]| {
        let mut command = place.bare(subcommand, &place.image("1"));
        command.env("PIP_INDEX_URL", index.url()).args(["-q", "-r"]).arg(&report).args(options);
        ran(&mut command)
    };
    with("plan", &["--save".as_ref(), plan.as_os_str()]).expect(0);
    let path = "/files/foo-1.2.4-py3-none-any.whl";
    let other = Wheel::new("foo", "1.2.4").file("foo/evil.py", "x").bytes();
    index.instead.lock().unwrap().insert(path.to_owned(), Response::new(200, other));
    let follow = || {
        // what is fetched is fetched anew
        std::fs::remove_dir_all(place.path("cache")).expect("cache");
        let mut command = place.bare("repair", &place.image("1"));
        command.env("PIP_INDEX_URL", index.url()).args(["-q", "--plan"]).arg(&plan);
        ran(&mut command)
    };
    let refused = follow();
    assert!(refused.stderr.contains("not what the repository's index says"), "{}", refused.stderr);
    index.instead.lock().unwrap().clear();
    follow().expect(0);
    assert!(patch(&place).contains_key(&format!("{PACKAGES}/foo-1.2.4.dist-info/METADATA")));
}

#[test]
fn constraints_are_held_and_companions_come_along() {
    let index = Index::start(&[
        Wheel::new("idna", "3.7"),
        Wheel::new("app", "1.1").needs("idna>=3,<4").needs("extra>=1"),
        Wheel::new("extra", "1.0"),
        Wheel::new("extra", "1.5"),
        Wheel { requires_python: Some(">=3.12".into()), ..Wheel::new("extra", "2.0") },
    ]);
    let installed = [Wheel::new("idna", "2.10"), Wheel::new("app", "1.0").needs("idna<3")];
    let idna = ("CVE-1", "idna", "2.10", "3.7");
    let app = ("CVE-2", "app", "1.0", "1.1");
    let place = image(&installed, |_| {});
    assert_eq!(
        verdicts(&repair(&place, &index, &[idna], &["--library-upgrades", "major"])),
        ["CVE-1 not-fixed constrained Requires-Dist: idna<3"]
    );
    assert_eq!(
        verdicts(&repair(&place, &index, &[idna], &[])),
        ["CVE-1 not-fixed beyond-upgrades 3.7"]
    );
    // together they go, and what is new comes along
    let ran = repair(&place, &index, &[idna, app], &["--library-upgrades", "major"]).expect(0);
    assert_eq!(verdicts(&ran), ["CVE-1 fixed -", "CVE-2 fixed -"]);
    let patch = patch(&place);
    let has = |name: &str| patch.contains_key(&format!("{PACKAGES}/{name}"));
    assert!(has("extra-1.5.dist-info/INSTALLER") && has("extra/__init__.py"), "{:?}", patch.keys());
    // one alone takes the other with it
    let ran = repair(&place, &index, &[app], &["--library-upgrades", "major"]).expect(0);
    assert_eq!(verdicts(&ran), ["CVE-2 fixed -"]);
}

#[test]
fn what_cannot_be_has_its_reason() {
    let sourced = Wheel { requires_python: Some(">=3.12".into()), ..Wheel::new("foo", "1.2.9") };
    let index = Index::start(&[
        sourced,
        Wheel { tags: "cp312-cp312-manylinux_2_17_x86_64".into(), ..Wheel::new("bar", "1.0.1") },
        Wheel::new("zip", "1.0.1"),
        Wheel::new("other", "1.0.1"),
        Wheel::new("mine", "1.0.1"),
    ]);
    let installed =
        ["foo-1.2.0", "bar-1.0.0", "zip-1.0.0", "none-1.0.0", "other-1.0.0", "mine-1.0.0"]
            .map(|one| one.split_once('-').unwrap())
            .map(|(name, version)| Wheel::new(name, version));
    let place = image(&installed, |tar| {
        let url = r#"{"url": "file:///src", "dir_info": {"editable": true}}"#;
        tar.file(
            &format!("{PACKAGES}/mine-1.0.0.dist-info/direct_url.json"),
            url.as_bytes(),
            0o644,
        );
    });
    let answer = |name: &str, body: Vec<u8>| {
        // its own hash: the index says it, whatever it is
        let path = format!("/files/{name}-1.0.1-py3-none-any.whl");
        let sha256 = {
            use sha2::Digest as _;
            format!("{:x}", sha2::Sha256::digest(&body))
        };
        let document = serde_json::json!({"meta": {"api-version": "1.0"}, "name": name, "files": [
            {"filename": format!("{name}-1.0.1-py3-none-any.whl"), "url": format!("../..{path}"),
             "hashes": {"sha256": sha256}}]});
        let mut instead = index.instead.lock().unwrap();
        instead.insert(path, Response::new(200, body));
        instead.insert(format!("/simple/{name}/"), Response::new(200, document.to_string()));
    };
    let evil = imgfix_zip::testing::Made::of(&[("../../../../etc/cron.d/x", b"x")]).bytes();
    answer("zip", evil);
    answer("other", Wheel::new("another", "1.0.1").bytes());
    let found = [
        ("CVE-1", "foo", "1.2.0", "1.2.9"),
        ("CVE-2", "bar", "1.0.0", "1.0.1"),
        ("CVE-3", "zip", "1.0.0", "1.0.1"),
        ("CVE-4", "none", "1.0.0", "1.0.1"),
        ("CVE-5", "other", "1.0.0", "1.0.1"),
        ("CVE-6", "mine", "1.0.0", "1.0.1"),
    ];
    let here = "CPython 3.11.7 on x86_64 with glibc 2.36";
    let verdicts = verdicts(&repair(&place, &index, &found, &[]));
    for (verdict, want) in verdicts.iter().zip([
        format!("1.2.9 wants Python >=3.12, and this is {here}"),
        format!("1.0.1 has no wheel for {here}"),
        "it is a zip archive with an unsafe entry".to_owned(),
        "no index has it".to_owned(),
        "it is a wheel of another 1.0.1, not of other 1.0.1".to_owned(),
        "it is an editable installation (file:///src): change its source".to_owned(),
    ]) {
        assert!(
            verdict.contains(" not-fixed not-repairable ") && verdict.contains(&want),
            "{verdict}"
        );
    }
    assert_eq!(verdicts.len(), found.len());
}

/// A provenance of a wheel that is good by itself, by an instance of Sigstore that nobody knows.
fn of_a_stranger(wheel: &Wheel) -> String {
    let digest = format!("{:x}", Sha256::digest(wheel.bytes()));
    let statement = json!({"_type": "https://in-toto.io/Statement/v1", "predicate": null,
        "predicateType": "https://docs.pypi.org/attestations/publish/v1",
        "subject": [{"name": wheel.file_name(), "digest": {"sha256": digest}}]});
    let claims = [(8, "https://accounts.google.com".to_owned())];
    let holder = Holder { name: "a@b.example", claims: &claims };
    let attestation = Instance::new(1).attestation(&statement.to_string(), &holder, AT);
    let publisher = json!({"kind": "Google", "email": "a@b.example"});
    json!({"version": 1, "attestation_bundles": [
        {"publisher": publisher, "attestations": [attestation]}]})
    .to_string()
}

#[test]
fn what_is_attested_wrongly_is_never_used_and_what_is_not_attested_only_unless_wanted() {
    let place = image(&[Wheel::new("foo", "1.2.0")], |_| {});
    let found = [("CVE-1", "foo", "1.2.0", "1.2.2")];
    let new = Wheel::new("foo", "1.2.4");
    let stranger = of_a_stranger(&new);
    let other = include_str!("../src/sigstore/samples/github.provenance.json").to_owned();
    let wanted = "--require-attestation";
    for (provenance, options, want) in [
        (None, &[][..], "fixed -"),
        (None, &[wanted], "not-fixed unattested its index names no provenance of foo-1.2.4-py3-no"),
        (Some(String::new()), &[], "fixed -"),
        (Some(String::new()), &[wanted], "not-fixed unattested http://127.0.0.1"),
        (Some(stranger.clone()), &[], "not-fixed untrusted its attestation: its entry is of a log"),
        (Some(stranger), &[wanted], "not-fixed unattested its attestation: its entry is of a log"),
        (Some(other.clone()), &[], "not-fixed untrusted its attestation: it is about pypi_attest"),
        (Some(other), &[wanted], "not-fixed unattested its attestation: it is about pypi_attest"),
        (Some("<html>".into()), &[], "not-fixed untrusted its provenance cannot be read"),
    ] {
        let index = Index::start(&[Wheel { provenance, ..new.clone() }]);
        let said = verdicts(&repair(&place, &index, &found, options)).join("; ");
        assert!(said.starts_with(&format!("CVE-1 {want}")), "{options:?}: {said}");
    }
    // the next version is as good
    let provenance = Some("<html>".to_owned());
    let index = Index::start(&[Wheel { provenance, ..new }, Wheel::new("foo", "1.2.5")]);
    let ran = repair(&place, &index, &found, &[]).expect(0);
    assert_eq!(verdicts(&ran), ["CVE-1 fixed -"]);
    assert!(patch(&place).contains_key(&format!("{PACKAGES}/foo-1.2.5.dist-info/METADATA")));
}
