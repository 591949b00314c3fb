//! Repairing what is repaired already: the earlier patch layer is replaced, the original's name
//! and digest stay recorded, tags never grow `_fix_fix`. Single images and indexes, over every
//! transport; skopeo is the judge.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use common::cli::{Place, Ran, copy_tree, fixture, ran, report, tagged};
use common::registry::{Registry, run};
use serde_json::Value;

const BASE_NAME: &str = "org.opencontainers.image.base.name";
const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";

/// An image somewhere, and what its original is called in a repaired one.
struct Original {
    reference: String,
    base_name: String,
}

/// The manifest or index that a reference names, as stored.
fn raw(reference: &str) -> Value {
    let mut arguments = vec!["inspect", "--raw"];
    arguments.extend(reference.starts_with("docker://").then_some("--tls-verify=false"));
    arguments.push(reference);
    serde_json::from_str(&run("skopeo", &arguments)).expect("JSON")
}

fn copy(from: &str, to: &str, more: &[&str]) {
    let mut arguments = vec!["copy", "-q", "--dest-tls-verify=false"];
    arguments.extend(more);
    arguments.extend([from, to]);
    run("skopeo", &arguments);
}

/// Takes everything that is newer.
fn everything(place: &Place, image: &str, more: &[&str]) -> Ran {
    ran(place.on("repair", image).args(["-q", "--format=json"]).args(more)).expect(0)
}

fn output(ran: &Ran) -> String {
    ran.json()["output"]["reference"].as_str().expect("an output").to_owned()
}

/// Repairs a little, then the result of that thoroughly: the same must come out as from a
/// thorough repair of the original, under the same name.
#[track_caller]
fn a_second_repair_replaces_the_first(
    place: &Place,
    original: &Original,
    first: &[&str],
    elsewhere: &str,
) {
    let wanted = everything(place, &original.reference, &["-o", elsewhere]);
    let little = everything(place, &original.reference, first);
    let fixed = output(&little);
    assert_ne!(little.digest(), wanted.digest(), "the first repair must leave something");
    let thorough = everything(place, &fixed, &[]);
    assert_eq!(output(&thorough), fixed);
    assert!(!fixed.contains("_fix_fix"), "{fixed}");
    assert_eq!(thorough.digest(), wanted.digest(), "{}", original.reference);
    assert_eq!(thorough.json()["image"]["digest"], wanted.json()["image"]["digest"]);
    let again = everything(place, &fixed, &[]);
    assert_eq!((again.digest(), output(&again)), (thorough.digest(), fixed.clone()));
    if fixed.starts_with("docker-archive:") {
        return; // skopeo makes a manifest of its own for these
    }
    let root = raw(&fixed);
    if root["mediaType"].as_str().is_some_and(|kind| kind.contains("oci")) {
        assert_eq!(root["annotations"][BASE_NAME], original.base_name, "{root:#}");
        assert_eq!(root["annotations"][BASE_DIGEST], thorough.json()["image"]["digest"]);
    }
}

fn distroless() -> (Place, String) {
    let place = Place::new();
    copy_tree(&fixture("distroless"), &place.path("image"));
    let image = place.image("static");
    (place, image)
}

#[test]
fn of_a_single_image_over_every_transport() {
    let place = Place::debian();
    let trivy = report("debian-12.trivy");
    let id = one_id(&trivy);
    let first = ["-r", trivy.as_str(), "--only", id.as_str()];
    let path = |name: &str| place.path(name).display().to_string();
    let registry = Registry::start();
    copy(&place.image("12"), &format!("oci-archive:{}:12", path("app.tar")), &[]);
    copy(&place.image("12"), &format!("docker-archive:{}:team/app:12", path("saved.tar")), &[]);
    copy(&place.image("12"), &registry.reference("team/app:12"), &["--preserve-digests"]);
    let cases = [
        (place.image("12"), "oci:image:12".to_owned(), format!("oci:{}:x", path("a"))),
        (
            format!("oci-archive:{}:12", path("app.tar")),
            "oci-archive:app.tar:12".to_owned(),
            format!("oci-archive:{}:x", path("b.tar")),
        ),
        (
            format!("docker-archive:{}:team/app:12", path("saved.tar")),
            "docker.io/team/app:12".to_owned(),
            format!("docker-archive:{}:x:y", path("c.tar")),
        ),
        (
            registry.reference("team/app:12"),
            format!("{}/team/app:12", registry.host),
            registry.reference("team/app:other"),
        ),
    ];
    for (reference, base_name, elsewhere) in cases {
        let original = Original { reference, base_name };
        a_second_repair_replaces_the_first(&place, &original, &first, &elsewhere);
    }
    assert_eq!(tagged(&place.path("image"), "12_fix_fix"), None);
}

/// The id of a finding that can be fixed.
fn one_id(trivy: &str) -> String {
    let report = common::cli::read_json(std::path::Path::new(trivy));
    let results = report["Results"].as_array().expect("results");
    let all =
        results.iter().flat_map(|one| one["Vulnerabilities"].as_array().into_iter().flatten());
    let expat = all.into_iter().find(|one| one["PkgName"] == "libexpat1").expect("libexpat1");
    expat["VulnerabilityID"].as_str().expect("id").to_owned()
}

#[test]
fn of_an_index_over_every_transport() {
    let (place, image) = distroless();
    let path = |name: &str| place.path(name).display().to_string();
    let registry = Registry::start();
    let all = ["--all", "--preserve-digests"];
    copy(&image, &format!("oci-archive:{}:static", path("app.tar")), &all);
    copy(&image, &registry.reference("team/app:static"), &all);
    copy(&image, &registry.reference("team/list:static"), &["--all", "--format=v2s2"]);
    let reports = [report("distroless-amd64.trivy"), report("distroless-arm64.trivy")];
    let cases = [
        (image.clone(), "oci:image:static".to_owned(), format!("oci:{}:x", path("a"))),
        (
            format!("oci-archive:{}:static", path("app.tar")),
            "oci-archive:app.tar:static".to_owned(),
            format!("oci-archive:{}:x", path("b.tar")),
        ),
        (
            registry.reference("team/app:static"),
            format!("{}/team/app:static", registry.host),
            registry.reference("team/app:other"),
        ),
        (
            registry.reference("team/list:static"),
            format!("{}/team/list:static", registry.host),
            registry.reference("team/list:other"),
        ),
    ];
    for (reference, base_name, elsewhere) in cases {
        let original = Original { reference, base_name };
        // the reports know nothing of liblzma5
        let first = ["-r", reports[0].as_str(), "-r", reports[1].as_str()];
        a_second_repair_replaces_the_first(&place, &original, &first, &elsewhere);
        // one platform first, then all
        let one = ["--platform", "linux/amd64"];
        a_second_repair_replaces_the_first(&place, &original, &one, &elsewhere);
    }
    assert_eq!(tagged(&place.path("image"), "static_fix_fix"), None);
}

#[test]
fn an_image_that_only_looks_repaired_is_not_replaced() {
    let place = Place::debian();
    copy(&place.image("12"), &place.image("12_fix"), &[]);
    let before = place.tagged("12_fix");
    let refused = ran(&mut place.repair(&place.image("12_fix"))).expect(1);
    assert!(
        refused.stderr.contains("12_fix") && refused.stderr.contains("-o"),
        "{}",
        refused.stderr
    );
    assert_eq!(place.tagged("12_fix"), before);
    // an archive that is only called so, too
    let archive = format!("docker-archive:{}:app:12", place.path("my_fix.tar").display());
    copy(&place.image("12"), &archive, &[]);
    let old = std::fs::read(place.path("my_fix.tar")).expect("archive");
    ran(&mut place.repair(&archive)).expect(1);
    assert!(std::fs::read(place.path("my_fix.tar")).expect("archive") == old);
    // but beside its original it makes way for the repaired one
    ran(&mut place.repair(&place.image("12"))).expect(0);
    assert_ne!(place.tagged("12_fix"), before);
}

#[test]
fn however_an_archives_image_is_called_the_same_comes_out() {
    let place = Place::debian();
    let path = |name: &str| place.path(name).display().to_string();
    copy(&place.image("12"), &format!("docker-archive:{}:app:12", path("a.tar")), &[]);
    std::fs::create_dir(place.path("elsewhere")).expect("directory");
    std::fs::copy(place.path("a.tar"), place.path("elsewhere/b.tar")).expect("copy");
    let mut digests = Vec::new();
    let mut files = Vec::new();
    for (file, name) in [
        ("a", ""),
        ("a", ":app:12"),
        ("a", ":docker.io/library/app:12"),
        ("a", ":library/app:12"),
        ("a", ":@0"),
        ("elsewhere/b", ":app:12"),
    ] {
        let done =
            ran(&mut place
                .repair(&format!("docker-archive:{}{name}", path(&format!("{file}.tar")))));
        digests.push(done.expect(0).digest());
        files.push(std::fs::read(place.path(&format!("{file}_fix.tar"))).expect("archive"));
    }
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:#?}");
    assert!(files.iter().all(|file| *file == files[0]), "the archives differ");
}
