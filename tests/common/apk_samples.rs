//! The image and the repository of the tests on apk: an older and a newer version of a few
//! packages, and what scanners say about the older ones.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::apk::{Entry, Key, Package, Root, publish};
use super::cli::Place;
use super::hostile::{Response, Server};
use super::images::{layer, layout};

pub const DATABASE: &str = "lib/apk/db";

/// Nothing of the image is executed: this could not be.
pub const SHELL: &str = "no program";

pub const ALPINE: &str = "NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.20.3\n\
    PRETTY_NAME=\"Alpine Linux v3.20\"\n";
pub const WOLFI: &str =
    "ID=wolfi\nNAME=\"Wolfi\"\nPRETTY_NAME=\"Wolfi\"\nVERSION_ID=\"20230201\"\n";
pub const CHAINGUARD: &str =
    "ID=chainguard\nNAME=\"Chainguard\"\nPRETTY_NAME=\"Chainguard\"\nVERSION_ID=\"20230214\"\n";

fn base(version: &str) -> Package {
    Package::new("base", version).file("etc/kept.conf", "the same\n")
}

fn foo(name: &str, version: &str) -> Package {
    Package::new(name, version).origin("foo")
}

/// What the image has.
pub fn older() -> Vec<Package> {
    vec![
        base("1.0-r0")
            .file("etc/base.conf", "of base 1.0\n")
            .file("etc/own.conf", "of base 1.0\n")
            .file("usr/share/base/changed", "of base 1.0\n")
            .file("usr/share/base/removed", "of base 1.0\n"),
        foo("foo-tools", "1.2.3-r0")
            .with("depend", "so:libfoo.so.1")
            .entry(Entry { mode: 0o755, ..Entry::file("usr/bin/foo", "foo 1.2.3\n") }),
        foo("libfoo", "1.2.3-r0")
            .with("provides", "so:libfoo.so.1=1.2.3")
            .file("usr/lib/libfoo.so.1", "libfoo 1.2.3\n"),
        Package::new("quiet", "2.0-r0").file("usr/share/quiet", "of quiet 2.0\n"),
        Package::new("watcher", "1.0-r0")
            .with("triggers", "/usr/share/base")
            .script("trigger", "echo \"$@\" >> /var/lib/watched")
            .file("usr/share/watcher/list", "watcher\n"),
    ]
}

/// What the repository has.
pub fn newer() -> Vec<Package> {
    vec![
        base("1.1-r0")
            .with("depend", "fresh")
            .file("etc/base.conf", "of base 1.1\n")
            .file("etc/own.conf", "of base 1.1\n")
            .file("usr/share/base/changed", "of base 1.1\n")
            .file("usr/share/base/added", "of base 1.1\n"),
        foo("foo-tools", "1.2.4-r1")
            .with("depend", "so:libfoo.so.1")
            .script("post-upgrade", "echo \"$1 $2\" > /var/lib/foo-upgraded")
            .entry(Entry { mode: 0o755, ..Entry::file("usr/bin/foo", "foo 1.2.4\n") }),
        Package::new("fresh", "0.1-r0").file("usr/share/fresh/file", "of fresh\n"),
        foo("libfoo", "1.2.4-r1")
            .with("provides", "so:libfoo.so.1=1.2.4")
            .file("usr/lib/libfoo.so.1", "libfoo 1.2.4\n"),
        Package::new("quiet", "2.1-r0").file("usr/share/quiet", "of quiet 2.1\n"),
    ]
}

/// The packages with these names.
pub fn named<'a>(packages: &'a [Package], names: &[&str]) -> Vec<&'a Package> {
    packages.iter().filter(|package| names.contains(&package.name.as_str())).collect()
}

/// The same packages for another architecture.
pub fn built_for(packages: Vec<Package>, architecture: &str) -> Vec<Package> {
    let built = |package| Package { architecture: architecture.to_owned(), ..package };
    packages.into_iter().map(built).collect()
}

/// A place with a key, a repository of newer packages, which a server gives, and an image of
/// older ones, which names it.
pub struct Apk {
    pub place: Place,
    pub key: Key,
    server: Server,
}

impl Apk {
    /// Alpine with everything, as `oci:image:1`; the index is signed with RSA.
    pub fn alpine() -> Self {
        let apk = Self::new();
        apk.publish("RSA", &newer());
        let mut root = apk.root(ALPINE, "x86_64");
        root.install(DATABASE, &older(), &apk.key);
        root.install_scripts(DATABASE, &older());
        root.write("bin/sh", SHELL);
        apk.image(&root);
        apk
    }

    /// Neither a repository nor an image.
    pub fn new() -> Self {
        let place = Place::new();
        let key = Key::new(&place.path("home"), "builder-1.rsa");
        let folder = place.path("repository");
        let server = Server::start(move |request| {
            match std::fs::read(folder.join(request.path.trim_start_matches('/'))) {
                Ok(bytes) => Response::new(200, bytes),
                Err(_) => Response::new(404, "not found"),
            }
        });
        Self { place, key, server }
    }

    /// The repository's address, as the image has it.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.host)
    }

    pub fn repository(&self) -> PathBuf {
        self.place.path("repository")
    }

    pub fn publish(&self, kind: &str, packages: &[Package]) {
        publish(&self.repository(), "x86_64", &self.key, kind, packages);
    }

    /// What is in an image besides packages.
    pub fn root(&self, os_release: &str, architecture: &str) -> Root {
        let mut root = Root::default();
        root.write("etc/os-release", os_release);
        root.write("etc/apk/arch", format!("{architecture}\n"));
        root.write("etc/apk/world", "base\nfoo-tools\nquiet\nwatcher\n");
        let url = format!("# a comment\n{}\n", self.url());
        root.write("etc/apk/repositories", url);
        root.write(&format!("etc/apk/keys/{}", self.key.name), self.key.public.clone());
        root.write("var/lib/kept", "of no package\n");
        root
    }

    /// The image `oci:image:1` with this root, and a layer of the user's changes.
    pub fn image(&self, root: &Root) {
        layout(&self.place.path("image"), "1", &[root.layer(), changes()]);
    }

    /// The file of the repository for the image's architecture.
    pub fn published(&self, name: &str) -> PathBuf {
        self.repository().join("x86_64").join(name)
    }
}

/// A protected file that a user has changed.
pub fn changes() -> Vec<u8> {
    layer("etc/own.conf", b"of the user\n")
}

/// A finding: id, package, version, the version with the fix.
pub type Found<'a> = (&'a str, &'a str, &'a str, Option<&'a str>);

/// Of every kind: fixed by the repository, in two packages of one origin; with no fix; with a
/// fix that the repository does not have.
pub const FOUND: &[Found<'_>] = &[
    ("CVE-2024-0001", "libfoo", "1.2.3-r0", Some("1.2.4-r0")),
    ("CVE-2024-0001", "foo-tools", "1.2.3-r0", Some("1.2.4-r0")),
    ("CVE-2024-0002", "base", "1.0-r0", Some("1.1-r0")),
    ("CVE-2024-0003", "base", "1.0-r0", None),
    ("CVE-2024-0004", "watcher", "1.0-r0", Some("9.0-r0")),
];

/// As Trivy writes it: binary packages by their name; `family` is `alpine`, `wolfi` or
/// `chainguard`.
pub fn trivy(family: &str, version: &str, found: &[Found<'_>]) -> Value {
    let target = format!("app ({family} {version})");
    let list: Vec<Value> = found
        .iter()
        .map(|(id, package, installed, fixed)| {
            let purl =
                format!("pkg:apk/{family}/{package}@{installed}?arch=x86_64&distro={version}");
            json!({"VulnerabilityID": id, "PkgID": format!("{package}@{installed}"),
            "PkgName": package, "PkgIdentifier": {"PURL": purl, "UID": "c3465bd7087640a7"},
            "InstalledVersion": installed, "FixedVersion": fixed.unwrap_or_default(),
            "Status": if fixed.is_some() { "fixed" } else { "affected" },
            "Title": "made by a test", "Severity": "HIGH"})
        })
        .collect();
    json!({"SchemaVersion": 2, "ArtifactName": "app", "ArtifactType": "container_image",
        "Metadata": {"OS": {"Family": family, "Name": version}},
        "Results": [{"Target": target, "Class": "os-pkgs", "Type": family,
            "Vulnerabilities": list}]})
}

/// As Grype writes it: binary packages by their name, the origin under `upstreams`.
pub fn grype(family: &str, version: &str, found: &[Found<'_>]) -> Value {
    let list: Vec<Value> = found.iter().map(|(id, package, installed, fixed)| {
        let upstreams = match *package {
            "libfoo" | "foo-tools" => json!([{"name": "foo"}]),
            _ => json!([]),
        };
        let fix = match fixed {
            Some(fixed) => json!({"versions": [fixed], "state": "fixed"}),
            None => json!({"versions": [], "state": "not-fixed"}),
        };
        let purl = format!("pkg:apk/{family}/{package}@{installed}?arch=x86_64&distro={family}-{version}&upstream=foo");
        json!({"vulnerability": {"id": id, "severity": "High",
                "namespace": format!("{family}:distro:{family}:3.20"), "fix": fix},
            "relatedVulnerabilities": [],
            "matchDetails": [{"type": "exact-indirect-match", "matcher": "apk-matcher"}],
            "artifact": {"name": package, "version": installed, "type": "apk",
                "locations": [{"path": "/lib/apk/db/installed"}], "purl": purl,
                "upstreams": upstreams}})
    }).collect();
    json!({"matches": list, "source": {"type": "image", "target": {"userInput": "app",
            "os": "linux", "architecture": "amd64"}},
        "distro": {"name": family, "version": version, "idLike": []},
        "descriptor": {"name": "grype", "version": "0.80.0"}})
}
