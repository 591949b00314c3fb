//! The image and the repository of the tests on rpm (`fixtures/rpm`), and what scanners say about the
//! image's packages.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::cli::{Place, blob, copy_tree, fixture, manifest, ran};
use super::hostile::{Response, Server};
use super::images::{layer, layout};
use super::outcome;

/// The repository's address, as the image has it.
pub const REPOSITORY: &str = "http://rpm.imgfix.invalid/9/BaseOS/x86_64/os";

const HOST: &str = "http://rpm.imgfix.invalid";
const FOLDER: &str = "/9/BaseOS/x86_64/os/";

/// A place with the image, as `oci:image:9`, and the repository, which a server gives.
pub struct Rpm {
    pub place: Place,
    pub server: Server,
}

impl Rpm {
    pub fn new() -> Self {
        let place = Place::new();
        copy_tree(&fixture("rpm/image"), &place.path("image"));
        let folder = place.path("repository");
        copy_tree(&fixture("rpm/repository"), &folder);
        let server = Server::start(move |request| {
            let file = request.path.strip_prefix(FOLDER).map(|path| folder.join(path));
            match file.map(std::fs::read) {
                Some(Ok(bytes)) => Response::new(200, bytes),
                _ => Response::new(404, "not found"),
            }
        });
        Self { place, server }
    }

    /// A place in which the image has more layers.
    pub fn with_layers(layers: &[Vec<u8>]) -> Self {
        let rpm = Self::new();
        rpm.add_layers(layers);
        rpm
    }

    /// Makes the image anew, with more layers than in the fixtures.
    pub fn add_layers(&self, layers: &[Vec<u8>]) {
        let all = [&own_layers()[..], layers].concat();
        layout(&self.place.path("image"), "9", &all);
    }

    pub fn repository(&self) -> PathBuf {
        self.place.path("repository")
    }

    /// `imgfix SUBCOMMAND` on a tag, with the repository where the server has it.
    pub fn on(&self, subcommand: &str, tag: &str) -> Command {
        let mut command = self.place.bare(subcommand, &self.place.image(tag));
        command.args(["--mirror", &format!("{HOST}=http://{}", self.server.host)]);
        command
    }

    /// A repair of everything that is newer, reported as JSON.
    pub fn repair_all(&self) -> Command {
        let mut command = self.on("repair", "9");
        command.args(["-q", "--format=json"]);
        command
    }

    /// A repair of what a report says, reported as JSON.
    pub fn repair(&self, report: &Path) -> Command {
        let mut command = self.repair_all();
        command.arg("-r").arg(report);
        command
    }

    /// The root of `oci:image:TAG`, unpacked by umoci.
    pub fn unpacked(&self, tag: &str) -> PathBuf {
        outcome::unpacked(
            &self.place.path("image"),
            tag,
            &self.place.path(&format!("bundle-{tag}")),
        )
    }

    /// Writes a report; its path.
    pub fn report(&self, content: &Value) -> PathBuf {
        let path = self.place.path("report.json");
        std::fs::write(&path, content.to_string()).expect("report");
        path
    }

    /// The packages of a tag as `imgfix inventory` has them: `NAME VERSION ARCHITECTURE`.
    pub fn inventory(&self, tag: &str) -> Vec<String> {
        let mut command = self.place.imgfix();
        command.args(["inventory", "-q", "--format=json", &self.place.image(tag)]);
        let json = ran(&mut command).expect(0).json();
        let packages = json["platforms"][0]["packages"].as_array().expect("packages").iter();
        let word = |one: &Value, key: &str| one[key].as_str().expect(key).to_owned();
        packages
            .map(|one| ["name", "version", "architecture"].map(|key| word(one, key)).join(" "))
            .collect()
    }
}

/// The layers of the fixtures' image, unpacked.
pub fn own_layers() -> Vec<Vec<u8>> {
    let image = fixture("rpm/image");
    let manifest = manifest(&image, "9");
    let layers = manifest["layers"].as_array().expect("layers").iter();
    layers.map(|one| gunzip(&blob(&image, one["digest"].as_str().expect("digest")))).collect()
}

/// A layer with the database in another format: `ndb` or `bdb`.
pub fn other_database(format: &str) -> Vec<u8> {
    gunzip(&fixture(&format!("rpm/{format}.tar.gz")))
}

/// A file of the fixtures' first layer.
pub fn file_of_image(path: &str) -> Vec<u8> {
    let layers = own_layers();
    let mut archive = tar::Archive::new(&layers[0][..]);
    for entry in archive.entries().expect("layer") {
        let mut entry = entry.expect("entry");
        let name = entry.path().expect("path").display().to_string();
        if name.trim_start_matches("./") == path {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("file");
            return bytes;
        }
    }
    panic!("no {path}");
}

/// A layer in which the image does not want its metadata signed.
pub fn unsigned_metadata() -> Vec<u8> {
    let path = "etc/yum.repos.d/rocky.repo";
    let text = String::from_utf8(file_of_image(path)).expect("text");
    layer(path, text.replace("repo_gpgcheck=1", "repo_gpgcheck=0").as_bytes())
}

pub fn gunzip(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).expect("file");
    flate2::read::MultiGzDecoder::new(file).read_to_end(&mut bytes).expect("gzip");
    bytes
}

/// What the image has: `NAME VERSION ARCHITECTURE`.
pub const BEFORE: [&str; 12] = [
    "base 1-1.el9 x86_64",
    "editor-minimal 2:8.1-1.el9 x86_64",
    "foo-tools 1.2.3-1.el9 x86_64",
    "layout 1-1.el9 noarch",
    "legacy 1-1.el9 noarch",
    "libfoo 1.2.3-1.el9 x86_64",
    "needy 1-1.el9 noarch",
    "opaque 1-1.el9 noarch",
    "quiet 1-1.el9 noarch",
    "rocky-release 9.4-1.el9 noarch",
    "server 1-1.el9 noarch",
    "webapp 1.1-1.el9 noarch",
];

/// A finding: id, package, architecture, version, the version with the fix.
pub type Found<'a> = (&'a str, &'a str, &'a str, &'a str, Option<&'a str>);

/// Of every kind: with a fix in the repository; where another package takes the place; whose
/// script cannot be evaluated; with no fix; with one that the repository does not have; in a package
/// that is not there.
pub const FOUND: &[Found<'_>] = &[
    ("CVE-2026-1001", "foo-tools", "x86_64", "1.2.3-1.el9", Some("1.2.3-2.el9")),
    ("CVE-2026-1001", "libfoo", "x86_64", "1.2.3-1.el9", Some("1.2.3-2.el9")),
    ("CVE-2026-1002", "editor-minimal", "x86_64", "2:8.1-1.el9", Some("2:8.2-1.el9")),
    ("CVE-2026-1003", "server", "noarch", "1-1.el9", Some("2-1.el9")),
    ("CVE-2026-1004", "layout", "noarch", "1-1.el9", Some("2-1.el9")),
    ("CVE-2026-1005", "needy", "noarch", "1-1.el9", Some("2-1.el9")),
    ("CVE-2026-1006", "legacy", "noarch", "1-1.el9", Some("2-1.el9")),
    ("CVE-2026-1007", "opaque", "noarch", "1-1.el9", Some("2-1.el9")),
    ("CVE-2026-1008", "webapp", "noarch", "1.1-1.el9", Some("1.2-1.el9")),
    ("CVE-2026-1009", "base", "x86_64", "1-1.el9", None),
    ("CVE-2026-1010", "quiet", "noarch", "1-1.el9", Some("9-1.el9")),
    ("CVE-2026-1011", "absent", "noarch", "1-1.el9", Some("2-1.el9")),
];

/// What a repair says about these.
pub const VERDICTS: [&str; 12] = [
    "CVE-2026-1001 foo-tools fixed",
    "CVE-2026-1001 libfoo fixed",
    "CVE-2026-1002 editor-minimal fixed",
    "CVE-2026-1003 server fixed",
    "CVE-2026-1004 layout fixed",
    "CVE-2026-1005 needy fixed",
    "CVE-2026-1006 legacy fixed",
    "CVE-2026-1007 opaque not-fixed needs-scripts",
    "CVE-2026-1008 webapp fixed",
    "CVE-2026-1009 base not-fixed no-fixed-version",
    "CVE-2026-1010 quiet not-fixed not-in-repositories",
    "CVE-2026-1011 absent not-fixed not-owned",
];

/// As Trivy writes it.
pub fn trivy(found: &[Found<'_>]) -> Value {
    let list = found.iter().map(|(id, package, architecture, installed, fixed)| {
        let (epoch, version) = match installed.split_once(':') {
            Some((epoch, version)) => (format!("&epoch={epoch}"), version),
            None => (String::new(), *installed),
        };
        let purl = format!(
            "pkg:rpm/rocky/{package}@{version}?arch={architecture}&distro=rocky-9.4{epoch}"
        );
        json!({"VulnerabilityID": id, "PkgID": format!("{package}@{version}.{architecture}"),
            "PkgName": package, "PkgIdentifier": {"PURL": purl, "UID": "c3465bd7087640a7"},
            "InstalledVersion": installed, "FixedVersion": fixed.unwrap_or_default(),
            "Status": if fixed.is_some() { "fixed" } else { "affected" },
            "Title": "made by a test", "Severity": "HIGH"})
    });
    json!({"SchemaVersion": 2, "ArtifactName": "app", "ArtifactType": "container_image",
        "Metadata": {"OS": {"Family": "rocky", "Name": "9.4"}},
        "Results": [{"Target": "app (rocky 9.4)", "Class": "os-pkgs", "Type": "rocky",
            "Vulnerabilities": list.collect::<Vec<_>>()}]})
}
