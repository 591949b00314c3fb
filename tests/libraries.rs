//! An image with a system, a Python environment, system packages that have distributions, and
//! node modules: what is listed, and what becomes of findings about libraries.
//!
//! Needs Debian's gnupg; no network.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use common::cli::{Place, Ran, ran};
use common::debian::{self, Deb, Tar};
use common::images;
use common::java::Jar;
use common::libraries::Found;
use common::node::Registry;
use serde_json::{Value, json};

const VENV: &str = "opt/venv/lib/python3.11/site-packages";
const DIST: &str = "usr/lib/python3/dist-packages";
const SIX: &str = "usr/lib/python3/dist-packages/six-1.16.0.egg-info/PKG-INFO";
const LODASH: &str = "app/node_modules/lodash/package.json";
const MINIMIST: &str = "app/node_modules/mkdirp/node_modules/minimist/package.json";

fn metadata(name: &str, version: &str) -> String {
    format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: x\n\nText\n")
}

fn package(name: &str, version: &str) -> String {
    json!({"name": name, "version": version, "main": "index.js"}).to_string()
}

/// The application's layer; with it, dpkg's list says that `six` is python3-six's.
fn application() -> Vec<u8> {
    let mut tar = Tar::default();
    let list = format!("/.\n/usr/share/python3-six/version\n/{SIX}\n");
    for (path, text) in [
        ("var/lib/dpkg/info/python3-six.list", list),
        (SIX, metadata("six", "1.16.0")),
        (&format!("{DIST}/by_hand-1.0.egg-info"), metadata("by-hand", "1.0")),
        (&format!("{VENV}/urllib3-1.26.4.dist-info/METADATA"), metadata("urllib3", "1.26.4")),
        (&format!("{VENV}/Jinja2-3.1.6.dist-info/METADATA"), metadata("Jinja2", "3.1.6")),
        (&format!("{VENV}/odd-1.dist-info/METADATA"), "Name: odd\n".to_owned()),
        (LODASH, package("lodash", "4.17.15")),
        ("app/node_modules/@babel/core/package.json", package("@babel/core", "7.0.0")),
        (MINIMIST, package("minimist", "0.0.8")),
        ("app/node_modules/lodash/test/package.json", package("fixture", "1.0.0")),
        ("app/package.json", package("app", "1.0.0")),
    ] {
        tar.file(path, text.as_bytes(), 0o644);
    }
    tar.end()
}

fn debian_image() -> Place {
    let place = Place::new();
    let system = debian::root(&["python3-six", "libfoo"], |_| {});
    images::layout(&place.path("image"), "1", &[system, application()]);
    place
}

fn inventory(place: &Place, format: &str) -> Ran {
    let mut command = place.imgfix();
    command.args(["inventory", "-q", "--format", format, &place.image("1")]);
    ran(&mut command).expect(0)
}

/// `KIND PLACE NAME VERSION OWNER`, a line a library.
fn libraries(inventory: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let mut lines = Vec::new();
    for store in inventory["platforms"][0]["libraries"].as_array().expect("libraries") {
        let (kind, place) = (text(&store["store"]["kind"]), text(&store["store"]["place"]));
        for one in store["libraries"].as_array().expect("libraries") {
            let [name, version, owner] = ["name", "version", "owner"].map(|key| text(&one[key]));
            lines.push(format!("{kind} {place} {name} {version} {owner}"));
        }
    }
    lines
}

#[test]
fn libraries_are_listed_with_their_owners() {
    let place = debian_image();
    let json = inventory(&place, "json").json();
    assert_eq!(json["platforms"][0]["family"], "dpkg");
    assert_eq!(
        libraries(&json),
        [
            "node /app/node_modules @babel/core 7.0.0 -",
            "node /app/node_modules lodash 4.17.15 -",
            "node /app/node_modules minimist 0.0.8 -",
            "python /opt/venv/lib/python3.11/site-packages Jinja2 3.1.6 -",
            "python /opt/venv/lib/python3.11/site-packages urllib3 1.26.4 -",
            "python /usr/lib/python3/dist-packages by-hand 1.0 -",
            "python /usr/lib/python3/dist-packages six 1.16.0 python3-six:amd64",
        ]
    );
    assert_eq!(
        json["platforms"][0]["libraries"][1]["unread"],
        json!([{"path": format!("/{VENV}/odd-1.dist-info/METADATA"), "why": "it has no Version"}])
    );
    for format in ["cyclonedx", "spdx"] {
        let list = inventory(&place, format).json().to_string();
        for purl in ["pkg:npm/%40babel/core@7.0.0", "pkg:pypi/jinja2@3.1.6", "pkg:pypi/six@1.16.0"]
        {
            assert!(list.contains(purl), "no {purl} in {format}: {list}");
        }
        for word in ["python3-six:amd64", MINIMIST] {
            assert!(list.contains(word), "no {word} in {format}: {list}");
        }
    }
    let table = inventory(&place, "table").stdout;
    assert!(table.contains("3 packages, 7 libraries"), "{table}");
    assert!(table.contains("mkdirp/node_modules/minimist/package.json"), "{table}");
}

#[test]
fn an_image_without_a_package_manager_has_an_inventory() {
    let mut tar = Tar::default();
    tar.file("etc/os-release", b"ID=scratch\n", 0o644);
    let place = Place::new();
    images::layout(&place.path("image"), "1", &[tar.end(), application_alone()]);
    let json = inventory(&place, "json").json();
    assert_eq!(json["platforms"][0]["family"], Value::Null);
    assert_eq!(libraries(&json), ["node /app/node_modules lodash 4.17.15 -"]);
}

fn application_alone() -> Vec<u8> {
    let mut tar = Tar::default();
    tar.file(LODASH, package("lodash", "4.17.15").as_bytes(), 0o644);
    tar.end()
}

/// A result of Trivy's about libraries.
fn result(kind: &str, found: &[Found<'_>]) -> Value {
    let target = match kind {
        "node-pkg" => "Node.js",
        "python-pkg" => "Python",
        kind => kind,
    };
    common::libraries::result(target, kind, found)
}

fn trivy() -> Value {
    let urllib3 = format!("{VENV}/urllib3-1.26.4.dist-info/METADATA");
    let jinja2 = format!("{VENV}/Jinja2-3.1.6.dist-info/METADATA");
    let gone = format!("{VENV}/flask-1.0.dist-info/METADATA");
    json!({"SchemaVersion": 2, "ArtifactName": "app", "ArtifactType": "container_image",
    "Metadata": {"OS": {"Family": "debian", "Name": "12"}},
    "Results": [
        {"Target": "app (debian 12)", "Class": "os-pkgs", "Type": "debian",
            "Vulnerabilities": [{"VulnerabilityID": "CVE-2026-1", "PkgName": "libfoo",
                "InstalledVersion": "1", "FixedVersion": "2", "Status": "fixed",
                "Severity": "HIGH"}]},
        result("python-pkg", &[
            ("CVE-2021-33503", "urllib3", &urllib3, "1.26.4", "1.26.5"),
            ("CVE-2024-37891", "urllib3", &urllib3, "1.26.4", "1.26.19, 2.2.2"),
            // the report is older than the image
            ("CVE-2024-56326", "jinja2", &jinja2, "3.1.4", "3.1.5"),
            ("CVE-2026-2", "six", SIX, "1.16.0", "1.17.0"),
            ("CVE-2026-3", "flask", &gone, "1.0", "2.0"),
        ]),
        result("node-pkg", &[
            ("CVE-2021-23337", "lodash", LODASH, "4.17.15", "4.17.21"),
            ("CVE-2021-44906", "minimist", MINIMIST, "0.0.8", "1.2.6, 0.2.4"),
        ]),
    ]})
}

#[test]
fn each_finding_about_a_library_has_one_verdict() {
    let place = debian_image();
    let line = debian::publish(
        &place.path("repository"),
        &[Deb::new("libfoo", "2")],
        debian::Index::default(),
    );
    let report = place.path("trivy.json");
    std::fs::write(&report, trivy().to_string()).expect("report");
    let mut command = place.bare("repair", &place.image("1"));
    command.args(["-q", "--format", "json", "--repository", &line, "-r"]).arg(&report);
    let nothing = Registry::start(&[]);
    command.env("npm_config_registry", nothing.url());
    let repaired = ran(&mut command).expect(0).json();
    let findings = repaired["platforms"][0]["findings"].as_array().expect("findings");
    let mut lines: Vec<String> = findings
        .iter()
        .map(|one| {
            let text = |key: &str| one[key].as_str().unwrap_or("-").to_owned();
            let reason = one["reason"]["kind"].as_str().unwrap_or("-");
            format!("{} {} {} {reason}", text("id"), text("package"), text("verdict"))
        })
        .collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            "CVE-2021-23337 lodash not-fixed not-repairable",
            "CVE-2021-33503 urllib3 not-fixed not-repairable",
            "CVE-2021-44906 minimist not-fixed not-repairable",
            "CVE-2024-37891 urllib3 not-fixed not-repairable",
            "CVE-2024-56326 jinja2 not-affected -",
            "CVE-2026-1 libfoo fixed -",
            "CVE-2026-2 six not-fixed owned-by-package",
            "CVE-2026-3 flask not-fixed no-recipe",
        ]
    );
    // what was repaired is the system; libraries are as they were
    let after = inventory_of(&place, "1_fix");
    assert_eq!(libraries(&after), libraries(&inventory_of(&place, "1")));
}

fn inventory_of(place: &Place, tag: &str) -> Value {
    let mut command = place.imgfix();
    command.args(["inventory", "-q", "--format", "json", &place.image(tag)]);
    ran(&mut command).expect(0).json()
}

/// A program of Go that is made of these modules.
fn go_program(version: &str, modules: &str) -> Vec<u8> {
    let mut program = b"\x7fELF\x02\x01\x01".to_vec();
    program.resize(16, 0);
    program.extend([2u16, 62].iter().flat_map(|one| one.to_le_bytes()));
    program.resize(58, 0);
    program.resize(64, 0);
    program.extend(b"\xff Go buildinf:\x08\x02");
    program.resize(96, 0);
    let modules = format!("0123456789abcdef{modules}0123456789abcdef");
    for text in [version, &modules] {
        program.extend(u8::try_from(text.len()).map(|length| [length]).unwrap());
        program.extend(text.as_bytes());
    }
    program.resize(1 << 17, 0);
    program
}

/// What is built into applications is listed, and each finding says what to build anew.
#[test]
fn what_is_built_into_applications_has_its_reason() {
    let program = go_program("go1.21.3", "dep\tgolang.org/x/net\tv0.17.0\th1:x=\n");
    let mut tar = Tar::default();
    tar.file("etc/os-release", b"ID=scratch\n", 0o644);
    tar.file("app/tool", &program, 0o755);
    for (path, text) in [
        ("app/App.deps.json", r#"{"libraries":{"Newtonsoft.Json/12.0.3":{"type":"package"}}}"#),
        ("gems/3.1.0/specifications/rack-2.2.3.gemspec", "# stub: rack 2.2.3 ruby lib\n"),
        (
            "srv/vendor/composer/installed.json",
            r#"{"packages":[{"name":"guzzlehttp/psr7","version":"1.7.0"}]}"#,
        ),
    ] {
        tar.file(path, text.as_bytes(), 0o644);
    }
    let place = Place::new();
    images::layout(&place.path("image"), "1", &[tar.end()]);
    let json = inventory(&place, "json").json();
    assert_eq!(
        libraries(&json),
        [
            "dotnet /app Newtonsoft.Json 12.0.3 -",
            "go /app/tool golang.org/x/net v0.17.0 -",
            "go /app/tool stdlib 1.21.3 -",
            "php /srv/vendor guzzlehttp/psr7 1.7.0 -",
            "ruby /gems/3.1.0 rack 2.2.3 -",
        ]
    );
    let report = place.path("trivy.json");
    let trivy = json!({"SchemaVersion": 2, "ArtifactName": "app",
    "ArtifactType": "container_image", "Results": [
        result("gobinary", &[
            ("CVE-2023-45288", "golang.org/x/net", "app/tool", "v0.17.0", "0.23.0"),
            ("CVE-2023-39325", "golang.org/x/net", "app/tool", "v0.17.0", "0.17.0"),
            ("CVE-2024-24790", "stdlib", "app/tool", "1.21.3", "1.21.11, 1.22.4"),
        ]),
        result("dotnet-core", &[
            ("CVE-2024-21907", "Newtonsoft.Json", "app/App.deps.json", "12.0.3", "13.0.1"),
        ]),
        result("gemspec", &[(
            "CVE-2022-30122",
            "rack",
            "gems/3.1.0/specifications/rack-2.2.3.gemspec",
            "2.2.3",
            "~> 2.0.9, >= 2.0.9.1, ~> 2.1.4, >= 2.1.4.1, >= 2.2.3.1",
        )]),
        result("composer-vendor", &[(
            "CVE-2022-24775",
            "guzzlehttp/psr7",
            "srv/vendor/composer/installed.json",
            "1.7.0",
            "1.8.4, 2.1.1",
        )]),
    ]});
    std::fs::write(&report, trivy.to_string()).expect("report");
    let mut command = place.bare("repair", &place.image("1"));
    command.args(["-q", "--format", "json", "-r"]).arg(&report);
    let repaired = ran(&mut command).expect(0).json();
    let findings = repaired["platforms"][0]["findings"].as_array().expect("findings");
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let mut lines: Vec<String> = findings
        .iter()
        .map(|one| format!("{}: {}", text(&one["id"]), text(&one["explanation"])))
        .collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            "CVE-2022-24775: guzzlehttp/psr7 1.7.0 is part of /srv/vendor/composer/installed.json: \
             build the image anew after 'composer update guzzlehttp/psr7' (1.8.4 or 2.1.1)",
            "CVE-2022-30122: rack 2.2.3 is part of /gems/3.1.0/specifications/rack-2.2.3.gemspec: \
             build the image anew after 'bundle update rack' (gem rack >= 2.0.9.1 or >= 2.1.4.1 \
             or >= 2.2.3.1 or ~> 2.0.9 or ~> 2.1.4)",
            "CVE-2023-39325: was not affected at v0.17.0",
            "CVE-2023-45288: golang.org/x/net v0.17.0 is part of /app/tool: build it anew with \
             golang.org/x/net 0.23.0",
            "CVE-2024-21907: Newtonsoft.Json 12.0.3 is part of /app/App.deps.json: publish the \
             application anew with Newtonsoft.Json 13.0.1",
            "CVE-2024-24790: stdlib 1.21.3 is part of /app/tool: build it anew with Go 1.21.11 or \
             1.22.4",
        ]
    );
}

/// What lies in an archive of a package is the package's, and is not changed.
#[test]
fn what_lies_in_a_package_s_archive_belongs_to_the_package() {
    const WAR: &str = "usr/share/java/app.war";
    let inner = Jar::new("org.acme:lib", "1.0");
    let war = Jar::of(&[("WEB-INF/lib/lib.jar", inner.bytes())]);
    let place = Place::new();
    let system = debian::root(&["libapp"], |_| {});
    let mut tar = Tar::default();
    let list = format!("/.\n/usr/share/libapp/version\n/{WAR}\n");
    tar.file("var/lib/dpkg/info/libapp.list", list.as_bytes(), 0o644);
    tar.file(WAR, &war.bytes(), 0o644);
    images::layout(&place.path("image"), "1", &[system, tar.end()]);
    let line = debian::publish(
        &place.path("repository"),
        &[Deb::new("libapp", "1")],
        debian::Index::default(),
    );
    let report = place.path("trivy.json");
    let nested = format!("{WAR}/WEB-INF/lib/lib.jar");
    let trivy = json!({"SchemaVersion": 2, "ArtifactName": "app",
        "ArtifactType": "container_image", "Metadata": {"OS": {"Family": "debian", "Name": "12"}},
        "Results": [result("jar", &[("CVE-2026-1", "org.acme:lib", &nested, "1.0", "1.0.1")])]});
    std::fs::write(&report, trivy.to_string()).expect("report");
    let mut command = place.bare("repair", &place.image("1"));
    command.args(["-q", "--format", "json", "--repository", &line, "-r"]).arg(&report);
    let repaired = ran(&mut command).expect(0).json();
    let finding = &repaired["platforms"][0]["findings"][0];
    assert_eq!(finding["reason"]["kind"], "owned-by-package", "{finding}");
    assert_eq!(finding["reason"]["package"], "libapp:amd64", "{finding}");
}
