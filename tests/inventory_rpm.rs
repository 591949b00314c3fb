//! What `imgfix` says of an image's rpm packages to other programs: SBOMs and OpenVEX, with the
//! package URLs that scanners have.
//!
//! Needs nothing; no network.

mod common;

use common::cli::{ran, read_json};
use common::rpm::{BEFORE, FOUND, Rpm, trivy};
use serde_json::{Value, json};

/// The URL of a package, as an SBOM of the image has it.
fn package_urls(list: &Value) -> Vec<String> {
    let components = list["components"].as_array().expect("components").iter();
    let urls = components.filter_map(|one| one["purl"].as_str());
    urls.filter(|url| url.starts_with("pkg:rpm/")).map(str::to_owned).collect()
}

#[test]
fn the_inventory_in_every_format() {
    let rpm = Rpm::new();
    let inventory = |format: &str| {
        let mut command = rpm.place.imgfix();
        command.args(["inventory", "-q", "--format", format, &rpm.place.image("9")]);
        ran(&mut command).expect(0)
    };
    let table = inventory("table").stdout;
    for line in BEFORE {
        let [name, version, _] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        assert!(table.contains(name) && table.contains(version), "{line}: {table}");
    }
    let json = inventory("json").json();
    let packages = json["platforms"][0]["packages"].as_array().unwrap();
    let editor = packages.iter().find(|one| one["name"] == "editor-minimal").unwrap();
    assert_eq!(editor["source"], json!({"name": "editor", "version": "2:8.1-1.el9"}));
    let url = |name: &str, version: &str, arch: &str, rest: &str| {
        format!("pkg:rpm/rocky/{name}@{version}?arch={arch}&distro=rocky-9.4{rest}")
    };
    let cyclonedx = package_urls(&inventory("cyclonedx").json());
    assert_eq!(cyclonedx.len(), BEFORE.len());
    let spdx = inventory("spdx").json().to_string();
    for want in [
        url("libfoo", "1.2.3-1.el9", "x86_64", "&upstream=foo-1.2.3-1.el9.src.rpm"),
        url("editor-minimal", "8.1-1.el9", "x86_64", "&epoch=2&upstream=editor-8.1-1.el9.src.rpm"),
        url("server", "1-1.el9", "noarch", "&upstream=server-1-1.el9.src.rpm"),
    ] {
        assert!(cyclonedx.contains(&want), "no {want} in {cyclonedx:?}");
        assert!(spdx.contains(&want), "no {want} in {spdx}");
    }
}

#[test]
fn openvex_names_packages_as_scanners_do() {
    let rpm = Rpm::new();
    let file = rpm.place.path("vex.json");
    let mut command = rpm.repair(&rpm.report(&trivy(FOUND)));
    ran(command.arg("--openvex").arg(&file)).expect(0);
    let vex = read_json(&file);
    let statements = vex["statements"].as_array().unwrap();
    let of = |id: &str| {
        let mut all = statements.iter().filter(|one| one["vulnerability"]["name"] == id);
        let one = all.next().expect(id);
        assert!(all.next().is_none(), "{id}: two statements");
        let products = one["products"].as_array().unwrap();
        assert_eq!(products.len(), 1);
        assert!(products[0]["@id"].as_str().unwrap().starts_with("pkg:oci/image@sha256:"));
        let parts = products[0]["subcomponents"].as_array().unwrap().iter();
        let parts: Vec<_> = parts
            .map(|part| {
                [&part["@id"], &part["identifiers"]["purl"]].map(|url| url.as_str().unwrap())
            })
            .collect();
        (one["status"].as_str().unwrap(), parts)
    };
    let fixed = |name: &str| {
        [
            format!(
                "pkg:rpm/rocky/{name}@1.2.3-2.el9?arch=x86_64&distro=rocky-9.4\
                 &upstream=foo-1.2.3-2.el9.src.rpm"
            ),
            format!("pkg:rpm/rocky/{name}@1.2.3-2.el9?arch=x86_64"),
        ]
    };
    let (status, parts) = of("CVE-2026-1001");
    assert_eq!(status, "fixed");
    assert_eq!(parts, [fixed("foo-tools"), fixed("libfoo")]);
    let (status, parts) = of("CVE-2026-1002");
    assert_eq!(status, "fixed");
    assert_eq!(parts[0][1], "pkg:rpm/rocky/editor-minimal@8.2-1.el9?arch=x86_64&epoch=2");
    let (status, parts) = of("CVE-2026-1007");
    assert_eq!(status, "affected");
    assert_eq!(parts[0][1], "pkg:rpm/rocky/opaque@1-1.el9?arch=noarch");
}
