//! `imgfix repair` and `imgfix plan` as a user runs them: the built program on the fixtures'
//! images, reports and signed repository, over every transport.
//!
//! Needs Debian's skopeo, umoci, docker-registry, apache2-utils and openssl; no network.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use common::cli::{
    self, Place, assert_same, blob, copy_tree, fixture, manifest, ran, read_json, report, snapshot,
    tagged, version_in,
};
use common::registry::{Registry, Setup, run};
use serde_json::Value;

const EXPAT: (&str, &str) = ("libexpat1", "2.5.0-1+deb12u5");

fn layers(manifest: &Value) -> Vec<String> {
    let layers = manifest["layers"].as_array().expect("layers");
    layers.iter().map(|layer| layer["digest"].as_str().expect("digest").to_owned()).collect()
}

/// Ids of a Trivy report, sorted.
fn trivy_ids(name: &str) -> Vec<String> {
    let trivy = read_json(Path::new(&report(name)));
    let mut ids: Vec<String> = Vec::new();
    for result in trivy["Results"].as_array().expect("results") {
        for one in result["Vulnerabilities"].as_array().into_iter().flatten() {
            ids.push(one["VulnerabilityID"].as_str().expect("id").to_owned());
        }
    }
    ids.sort();
    ids.dedup();
    ids
}

fn findings(json: &Value) -> Vec<&Value> {
    let platforms = json["platforms"].as_array().expect("platforms");
    platforms.iter().flat_map(|one| one["findings"].as_array().expect("findings")).collect()
}

/// Ids of the report's findings with a verdict, sorted.
fn judged(json: &Value, verdict: &str) -> Vec<String> {
    let mut ids: Vec<_> = findings(json)
        .into_iter()
        .filter(|one| one["verdict"] == verdict)
        .map(|one| one["id"].as_str().expect("id").to_owned())
        .collect();
    ids.sort();
    ids
}

/// Names of the upgraded packages, sorted.
fn upgraded(json: &Value) -> Vec<String> {
    let packages = json["platforms"][0]["packages"].as_array().expect("packages");
    let mut names: Vec<_> =
        packages.iter().map(|one| one["name"].as_str().expect("name").to_owned()).collect();
    names.sort();
    names
}

/// Unpacks a tag of a layout with umoci; dpkg's status file in it.
fn unpacked_status(place: &Place, layout: &Path, tag: &str) -> String {
    let bundle = place.path(&format!("bundle-{tag}"));
    let mut command = Command::new("umoci");
    command.args(["unpack", "--image", &format!("{}:{tag}", layout.display())]);
    if !cli::is_root() {
        command.arg("--rootless");
    }
    ran(command.arg(&bundle)).expect(0);
    std::fs::read_to_string(bundle.join("rootfs/var/lib/dpkg/status")).expect("status")
}

#[test]
fn a_layout_is_repaired_from_a_trivy_report_and_the_original_stays() {
    let place = Place::debian();
    let before = snapshot(&place.path("image"));
    let json = ran(&mut place.repair(&place.image("12"))).expect(0).json();

    assert_eq!(json["schema"], "imgfix/report/v1");
    assert_eq!(place.tagged("12_fix").as_deref(), json["output"]["digest"].as_str());
    // a verdict for each finding, none lost, none made up
    let mut all = judged(&json, "fixed");
    all.extend(judged(&json, "not-fixed"));
    all.sort();
    all.dedup();
    assert_eq!(all, trivy_ids("debian-12.trivy"));
    assert_eq!(json["summary"]["fixed"], judged(&json, "fixed").len());
    for one in findings(&json).into_iter().filter(|one| one["verdict"] == "not-fixed") {
        assert!(one["reason"]["kind"].is_string(), "{one}");
    }

    // nothing of the original has changed: tag, manifest, config and layers
    assert_eq!(
        place.tagged("12").expect("the old tag"),
        json["image"]["digest"].as_str().expect("digest")
    );
    let after = snapshot(&place.path("image"));
    for (path, content) in &before {
        if !path.ends_with("index.json") {
            assert!(after.get(path) == Some(content), "{}", path.display());
        }
    }
    // one more layer, one more config, one more manifest
    assert_eq!(after.len(), before.len() + 3, "{:?}", after.keys());
    let (old, new) =
        (manifest(&place.path("image"), "12"), manifest(&place.path("image"), "12_fix"));
    assert_eq!(layers(&new)[..layers(&old).len()], layers(&old)[..]);
    assert_eq!(layers(&new).len(), layers(&old).len() + 1);

    let status = unpacked_status(&place, &place.path("image"), "12_fix");
    assert_eq!(version_in(&status, EXPAT.0).as_deref(), Some(EXPAT.1));
    assert_eq!(
        version_in(&status, "imagemagick-6-common").as_deref(),
        Some("8:6.9.11.60+dfsg-1.6+deb12u15")
    );
    // an epoch, and a script that calls update-alternatives
    assert_eq!(version_in(&status, "mariadb-common").as_deref(), Some("1:10.11.19-0+deb12u1"));
    let rootfs = place.path("bundle-12_fix/rootfs");
    let policy = std::fs::read_to_string(rootfs.join("etc/ImageMagick-6/policy.xml"));
    let original = unpacked_status(&place, &place.path("image"), "12");
    assert_ne!(original, status);
    let kept = place.path("bundle-12/rootfs/etc/ImageMagick-6/policy.xml");
    assert_eq!(policy.expect("policy"), std::fs::read_to_string(kept).expect("policy"));
    assert!(!rootfs.join("etc/motd").exists(), "a whited-out file came back");
    assert_eq!(std::fs::read_dir(place.path("tmp")).expect("tmp").count(), 0);
}

#[test]
fn provenance_and_configuration_are_in_the_repaired_image() {
    let place = Place::debian();
    ran(&mut place.repair(&place.image("12"))).expect(0);
    let image = place.path("image");
    let raw = run("skopeo", &["inspect", "--raw", &place.image("12_fix")]);
    let new: Value = serde_json::from_str(&raw).expect("JSON");
    let notes = new["annotations"].as_object().expect("annotations");
    assert_eq!(
        notes["org.opencontainers.image.base.digest"].as_str(),
        place.tagged("12").as_deref()
    );
    assert!(notes.contains_key("org.opencontainers.image.base.name"), "{notes:?}");
    assert!(notes.keys().any(|key| key.starts_with("dev.imgfix.")), "{notes:?}");
    let config = |tag: &str| {
        let manifest = manifest(&image, tag);
        read_json(&blob(&image, manifest["config"]["digest"].as_str().expect("config")))
    };
    let (old, new) = (config("12"), config("12_fix"));
    for key in ["architecture", "os", "config", "created"] {
        if key != "created" {
            assert_eq!(old[key], new[key], "{key}");
        }
    }
    let ids = |config: &Value| config["rootfs"]["diff_ids"].as_array().expect("ids").len();
    assert_eq!(ids(&new), ids(&old) + 1);
    assert!(run("skopeo", &["inspect", &place.image("12_fix")]).contains("imgfix fixture"));
}

#[test]
fn a_grype_report_gives_the_same_image_as_trivys() {
    let place = Place::debian();
    let trivy = ran(&mut place.repair(&place.image("12"))).expect(0).json();
    let grype = ran(place.on("repair", &place.image("12")).args([
        "-q",
        "--format=json",
        "--tag-suffix=-grype",
        "-r",
        &report("debian-12.grype"),
    ]))
    .expect(0)
    .json();
    assert_eq!(upgraded(&grype), upgraded(&trivy));
    assert_eq!(judged(&grype, "fixed"), judged(&trivy, "fixed"));
    assert!(place.tagged("12-grype").is_some());
    // the same packages: the same layer
    assert_eq!(grype["platforms"][0]["layer"], trivy["platforms"][0]["layer"]);
}

#[test]
fn without_scripts_their_packages_stay_and_are_named() {
    let place = Place::debian();
    let json = ran(place.on("repair", &place.image("12")).args([
        "-q",
        "--format=json",
        "--scripts=never",
    ]))
    .expect(0)
    .json();
    // the only one that has no script to run and activates no trigger
    assert_eq!(upgraded(&json), ["imagemagick-6-common"]);
    let kept = &json["platforms"][0]["kept_back"];
    let kept = kept.as_array().expect("kept_back");
    let mariadb = kept.iter().find(|one| one["name"] == "mariadb-common").expect("mariadb-common");
    assert_eq!(mariadb["reason"]["kind"], "needs-scripts", "{mariadb}");
    assert_eq!(mariadb["reason"]["script"], "preinst", "{mariadb}");
}

#[test]
fn without_a_report_everything_newer_is_taken() {
    let place = Place::debian();
    let json = ran(place.on("repair", &place.image("12")).args(["-q", "--format", "json"]))
        .expect(0)
        .json();
    assert_eq!(
        upgraded(&json),
        [
            "imagemagick-6-common",
            "jq",
            "libexpat1",
            "libjq1",
            "liblzma5",
            "libpcre2-8-0",
            "libpng16-16",
            "mariadb-common",
            "unzip"
        ]
    );
    assert!(place.tagged("12_fix").is_some());
}

#[test]
fn an_oci_archive_is_repaired_beside_itself() {
    let place = Place::debian();
    let file = place.path("app.tar");
    run("skopeo", &["copy", &place.image("12"), &format!("oci-archive:{}:12", file.display())]);
    let before = std::fs::read(&file).expect("archive");
    let json =
        ran(&mut place.repair(&format!("oci-archive:{}:12", file.display()))).expect(0).json();
    let output = json["output"]["reference"].as_str().expect("reference");
    assert!(output.ends_with(":12_fix"), "{output}");
    assert!(std::fs::read(&file).expect("archive") == before, "the original has changed");
    let back = place.path("back");
    run("skopeo", &["copy", output, &format!("oci:{}:back", back.display())]);
    assert_eq!(tagged(&back, "back").as_deref(), json["output"]["digest"].as_str());
    let status = unpacked_status(&place, &back, "back");
    assert_eq!(version_in(&status, EXPAT.0).as_deref(), Some(EXPAT.1));
}

#[test]
fn a_docker_archive_is_repaired_beside_itself() {
    let place = Place::debian();
    let file = place.path("app.tar");
    let from = format!("docker-archive:{}:example/app:12", file.display());
    run("skopeo", &["copy", &place.image("12"), &from]);
    let before = std::fs::read(&file).expect("archive");
    let json = ran(&mut place.repair(&from)).expect(0).json();
    let output = json["output"]["reference"].as_str().expect("reference");
    assert!(output.ends_with("example/app:12_fix"), "{output}");
    assert!(std::fs::read(&file).expect("archive") == before, "the original has changed");
    let back = place.path("back");
    run("skopeo", &["copy", output, &format!("oci:{}:back", back.display())]);
    let status = unpacked_status(&place, &back, "back");
    assert_eq!(version_in(&status, EXPAT.0).as_deref(), Some(EXPAT.1));
}

/// Pulls, repairs, pushes; copies back with skopeo; the original's blobs stay as they are.
fn over_a_registry(setup: Setup) {
    let registry = Registry::start_with(setup);
    let place = Place::debian();
    let (from, to) = (registry.reference("team/app:12"), registry.reference("team/app:12_fix"));
    let mut copy = vec!["copy".to_owned(), "--preserve-digests".to_owned()];
    copy.extend(registry.skopeo_options("dest-"));
    copy.extend([place.image("12"), from.clone()]);
    run("skopeo", &copy.iter().map(String::as_str).collect::<Vec<_>>());
    let before = registry.stored();

    let mut command = place.repair(&from);
    if let Some(file) = registry.ca_file() {
        command.arg("--ca-file").arg(file);
    }
    if let Some(file) = registry.auth_file() {
        command.arg("--authfile").arg(file);
    }
    let json = ran(&mut command).expect(0).json();
    let digest = json["output"]["digest"].as_str().expect("digest");
    assert_eq!(json["output"]["reference"].as_str(), Some(to.as_str()));

    // the layers that were there were not sent again
    for (path, (size, written)) in &before {
        if path.to_string_lossy().contains("/blobs/sha256/") {
            assert_eq!(registry.stored().get(path), Some(&(*size, *written)), "{}", path.display());
        }
    }
    let options = registry.skopeo_options("");
    let inspect = |reference: &str, raw: bool| {
        let mut arguments = vec!["inspect"];
        arguments.extend(raw.then_some("--raw"));
        arguments.extend(options.iter().map(String::as_str));
        arguments.push(reference);
        run("skopeo", &arguments)
    };
    let shown: Value = serde_json::from_str(&inspect(&to, false)).expect("JSON");
    assert_eq!(shown["Digest"].as_str(), Some(digest));
    let old: Value = serde_json::from_str(&inspect(&from, false)).expect("JSON");
    assert_eq!(old["Digest"], json["image"]["digest"], "the old tag has moved");
    let raw: Value = serde_json::from_str(&inspect(&to, true)).expect("JSON");
    assert_eq!(raw["annotations"]["org.opencontainers.image.base.digest"], json["image"]["digest"]);

    let back = place.path("back");
    let mut copy = vec!["copy".to_owned(), "--preserve-digests".to_owned()];
    copy.extend(registry.skopeo_options("src-"));
    copy.extend([to.clone(), format!("oci:{}:back", back.display())]);
    run("skopeo", &copy.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(tagged(&back, "back").as_deref(), Some(digest));
    let status = unpacked_status(&place, &back, "back");
    assert_eq!(version_in(&status, EXPAT.0).as_deref(), Some(EXPAT.1));
}

#[test]
fn a_registry_over_plain_http() {
    over_a_registry(Setup::default());
}

#[test]
fn a_registry_with_basic_authentication() {
    over_a_registry(Setup { login: Some(("ann".into(), "s3cret".into())), ..Setup::default() });
}

#[test]
fn a_registry_over_tls_with_its_own_authority_and_login() {
    over_a_registry(Setup {
        login: Some(("ann".into(), "s3cret".into())),
        tls: true,
        ..Setup::default()
    });
}

#[test]
fn credentials_come_from_dockers_configuration_and_are_needed() {
    let registry = Registry::start_with(Setup {
        login: Some(("ann".into(), "s3cret".into())),
        ..Setup::default()
    });
    let place = Place::debian();
    let from = registry.reference("app:12");
    let mut copy = vec!["copy".to_owned()];
    copy.extend(registry.skopeo_options("dest-"));
    copy.extend([place.image("12"), from.clone()]);
    run("skopeo", &copy.iter().map(String::as_str).collect::<Vec<_>>());
    let refused = ran(&mut place.repair(&from)).expect(1);
    assert!(refused.stderr.starts_with("imgfix: error: "), "{}", refused.stderr);
    let docker = place.path("docker");
    std::fs::create_dir(&docker).expect("directory");
    std::fs::copy(registry.auth_file().expect("file"), docker.join("config.json")).expect("copy");
    let done = ran(place.repair(&from).env("DOCKER_CONFIG", &docker)).expect(0);
    assert!(!format!("{}{}", done.stdout, done.stderr).contains("s3cret"));
}

#[test]
fn exit_codes_say_what_happened() {
    let place = Place::debian();
    ran(place.repair(&place.image("12")).args(["--fail-on", "critical"])).expect(3);
    assert!(place.tagged("12_fix").is_some(), "3 means: published");
    ran(place.repair(&place.image("12")).args([
        "--fail-on",
        "critical",
        "--only",
        "CVE-2026-106579",
    ]))
    .expect(0);
    ran(&mut place.repair(&place.image("no-such-tag"))).expect(1);
    ran(place.imgfix().args(["repair"])).expect(2);
    ran(place.repair(&place.image("12")).args(["--fail-on", "terrible"])).expect(2);
    let help = ran(place.imgfix().args(["--help"])).expect(0);
    assert!(help.stdout.contains("Exit codes:"), "{}", help.stdout);
}

#[test]
fn a_repaired_image_is_repaired_from_its_original_again() {
    let place = Place::debian();
    let first = ran(&mut place.repair(&place.image("12"))).expect(0).digest();
    let files = snapshot(&place.path("image"));
    for tag in ["12", "12_fix"] {
        let again = ran(&mut place.repair(&place.image(tag))).expect(0);
        assert_eq!(again.digest(), first, "{tag}");
        assert_eq!(place.tagged("12_fix").as_deref(), Some(first.as_str()));
        assert_eq!(place.tagged("12_fix_fix"), None);
    }
    let again = snapshot(&place.path("image"));
    assert_eq!(files.keys().collect::<Vec<_>>(), again.keys().collect::<Vec<_>>());
}

#[test]
fn a_saved_plan_is_done_exactly_and_only_on_its_image() {
    let place = Place::debian();
    let file = place.path("plan.json");
    let before = snapshot(&place.path("image"));
    let shown = ran(place
        .on("plan", &place.image("12"))
        .args(["-q", "-r", &report("debian-12.trivy"), "--save"])
        .arg(&file))
    .expect(0);
    assert!(shown.stdout.contains("libexpat1"), "{}", shown.stdout);
    assert_same(&before, &snapshot(&place.path("image")));
    let planned = ran(place
        .bare("repair", &place.image("12"))
        .args(["-q", "--format", "json", "--tag-suffix", "_planned", "--plan"])
        .arg(&file))
    .expect(0);
    let direct = ran(&mut place.repair(&place.image("12"))).expect(0);
    assert_eq!(planned.digest(), direct.digest());
    assert_eq!(place.tagged("12_planned"), place.tagged("12_fix"));

    copy_tree(&fixture("distroless"), &place.path("other"));
    let other = format!("oci:{}:static", place.path("other").display());
    let before = snapshot(&place.path("other"));
    let refused = ran(place.bare("repair", &other).args(["-q", "--plan"]).arg(&file)).expect(1);
    assert!(
        refused.stderr.starts_with("imgfix: error: the plan is for sha256:"),
        "{}",
        refused.stderr
    );
    assert_same(&before, &snapshot(&place.path("other")));

    // what a plan file does not keep cannot be followed
    let text = std::fs::read_to_string(&file).expect("plan");
    let masked = text.replace(".deb\"", ".deb?sig=[masked]\"");
    assert_ne!(masked, text);
    std::fs::write(place.path("masked.json"), masked).expect("plan");
    let refused =
        ran(place.bare("repair", &place.image("12")).args(["-q", "--plan", "masked.json"]))
            .expect(2);
    assert!(
        refused.stderr.contains("had a secret, which no plan file keeps"),
        "{}",
        refused.stderr
    );
}

#[test]
fn the_digest_does_not_depend_on_who_runs_it_where_and_when() {
    let here = Place::debian();
    let first = ran(&mut here.repair(&here.image("12"))).expect(0).digest();
    let there = Place::debian();
    let elsewhere = there.path("some/where else");
    std::fs::create_dir_all(&elsewhere).expect("directory");
    let mut command = Command::new("sh");
    there.prepare(&mut command);
    command.args([
        "-c",
        "umask 077; exec \"$@\"",
        "sh",
        cli::IMGFIX,
        "repair",
        "oci:../../image:12",
    ]);
    command.args(["-q", "--format", "json", "-r", &report("debian-12.trivy")]);
    command.args(["--repository", &cli::repository_line(&fixture("repository")), "--no-cache"]);
    command.current_dir(&elsewhere).env("TZ", "Pacific/Chatham").env("LC_ALL", "tr_TR.UTF-8");
    command.env("HOME", "/nonexistent").env("USER", "somebody");
    let second = ran(command.arg0("sh")).expect(0);
    assert_eq!(second.digest(), first);
}

#[test]
fn findings_are_chosen_by_id_severity_and_ignore_file() {
    let place = Place::debian();
    let image = place.image("12");
    let plan = |arguments: &[&str]| {
        let output = ran(place
            .on("plan", &image)
            .args(["-q", "--format=json", "-r", &report("debian-12.trivy")])
            .args(arguments))
        .expect(0);
        let steps = output.json()["platforms"][0]["steps"].clone();
        let mut names: Vec<String> = steps
            .as_array()
            .expect("steps")
            .iter()
            .map(|step| step["package"]["name"].as_str().expect("name").to_owned())
            .collect();
        names.sort();
        names
    };
    let trivy = read_json(Path::new(&report("debian-12.trivy")));
    let of = |package: &str| -> Vec<String> {
        let results = trivy["Results"].as_array().expect("results");
        let all =
            results.iter().flat_map(|one| one["Vulnerabilities"].as_array().into_iter().flatten());
        all.filter(|one| one["PkgName"] == package)
            .map(|one| one["VulnerabilityID"].as_str().expect("id").to_owned())
            .collect()
    };
    let png = of("libpng16-16");
    assert_eq!(plan(&["--only", &png[0]]), ["libpng16-16"]);
    let all = plan(&[]);
    let mut ignoring = Vec::new();
    for id in &png {
        ignoring.extend(["--ignore", id.as_str()]);
    }
    let without: Vec<_> = all.iter().filter(|name| *name != "libpng16-16").cloned().collect();
    assert_eq!(plan(&ignoring), without);
    let file = place.path(".trivyignore");
    std::fs::write(&file, format!("# accepted\n{}\n", png.join("\n"))).expect("file");
    assert_eq!(plan(&["--ignore-file", &file.display().to_string()]), without);
    // libpcre2's only finding is low, libpng's only one medium
    let high = plan(&["--min-severity", "high"]);
    assert!(!high.contains(&"libpng16-16".to_owned()), "{high:?}");
    assert!(!high.contains(&"libpcre2-8-0".to_owned()), "{high:?}");
    assert!(high.contains(&"libexpat1".to_owned()), "{high:?}");
}

#[test]
fn every_platform_of_a_distroless_index_is_repaired() {
    let place = Place::new();
    copy_tree(&fixture("distroless"), &place.path("image"));
    let json = ran(place.on("repair", &place.image("static")).args([
        "-q",
        "--format",
        "json",
        "-r",
        &report("distroless-amd64.trivy"),
        "-r",
        &report("distroless-arm64.trivy"),
    ]))
    .expect(0)
    .json();
    assert_eq!(json["platforms"].as_array().expect("platforms").len(), 2);
    assert!(judged(&json, "not-fixed").is_empty(), "{:?}", judged(&json, "not-fixed"));
    for architecture in ["amd64", "arm64"] {
        let back = place.path(architecture);
        let target = format!("oci:{}:back", back.display());
        run(
            "skopeo",
            &["--override-arch", architecture, "copy", &place.image("static_fix"), &target],
        );
        let bundle = place.path(&format!("bundle-{architecture}"));
        let mut command = Command::new("umoci");
        command.args(["unpack", "--image", &format!("{}:back", back.display())]);
        if !cli::is_root() {
            command.arg("--rootless");
        }
        ran(command.arg(&bundle)).expect(0);
        let record = bundle.join("rootfs/var/lib/dpkg/status.d/libexpat1");
        let record = std::fs::read_to_string(record).expect("record");
        assert_eq!(version_in(&record, EXPAT.0).as_deref(), Some(EXPAT.1), "{architecture}");
    }
    let mut again = place.on("repair", &place.image("static_fix"));
    again.args(["-q", "--format=json", "-r", &report("distroless-amd64.trivy")]);
    again.args(["-r", &report("distroless-arm64.trivy")]);
    assert_eq!(
        Some(ran(&mut again).expect(0).digest().as_str()),
        json["output"]["digest"].as_str()
    );
    assert_eq!(place.tagged("static_fix_fix"), None);
    let one = ran(place.on("repair", &place.image("static")).args([
        "-q",
        "--format=json",
        "--platform=linux/amd64",
        "--tag-suffix=-amd64",
    ]))
    .expect(0)
    .json();
    assert_eq!(one["platforms"].as_array().expect("platforms").len(), 1);
}

#[test]
fn the_patch_layer_is_compressed_as_asked() {
    let place = Place::debian();
    let mut ids = Vec::new();
    for (name, ending) in [("gzip", "tar+gzip"), ("zstd", "tar+zstd"), ("none", "tar")] {
        let suffix = format!("-{name}");
        let json = ran(place.repair(&place.image("12")).args([
            "--compression",
            name,
            &format!("--tag-suffix={suffix}"),
        ]))
        .expect(0)
        .json();
        let layers = manifest(&place.path("image"), &format!("12{suffix}"))["layers"].clone();
        let top = layers.as_array().expect("layers").last().cloned().expect("a layer");
        let media_type = top["mediaType"].as_str().expect("type");
        assert_eq!(media_type, format!("application/vnd.oci.image.layer.v1.{ending}"));
        ids.push(json["platforms"][0]["layer"]["diff_id"].clone());
        let back = format!("oci:{}:{name}", place.path("back").display());
        run("skopeo", &["copy", &place.image(&format!("12{suffix}")), &back]);
    }
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[test]
fn quiet_is_quiet_and_the_report_goes_where_it_is_sent() {
    let place = Place::debian();
    let file = place.path("report.json");
    let quiet = ran(place
        .on("repair", &place.image("12"))
        .args(["-q", "-r", &report("debian-12.trivy"), "--report-file"])
        .arg(&file))
    .expect(0);
    assert_eq!(quiet.stderr, "");
    assert!(quiet.stdout.contains("libexpat1"), "{}", quiet.stdout);
    assert!(!quiet.stdout.contains('\u{1b}'), "colour on a pipe");
    assert_eq!(read_json(&file)["schema"], "imgfix/report/v1");
    let json = ran(&mut place.repair(&place.image("12"))).expect(0);
    assert_eq!(json.stderr, "");
    assert_eq!(std::fs::read_to_string(&file).expect("file"), json.stdout);
}

#[test]
fn the_output_may_be_named() {
    let place = Place::debian();
    let output = format!("oci:{}:v2", place.path("elsewhere").display());
    let before = snapshot(&place.path("image"));
    let digest = ran(place.repair(&place.image("12")).args(["-o", &output])).expect(0).digest();
    assert_eq!(tagged(&place.path("elsewhere"), "v2"), Some(digest));
    assert_same(&before, &snapshot(&place.path("image")));
    let status = unpacked_status(&place, &place.path("elsewhere"), "v2");
    assert_eq!(version_in(&status, EXPAT.0).as_deref(), Some(EXPAT.1));
}

#[test]
fn offline_uses_only_the_cache() {
    let place = Place::debian();
    let first = ran(&mut place.repair(&place.image("12"))).expect(0).digest();
    let again = ran(place.repair(&place.image("12")).arg("--offline")).expect(0).digest();
    assert_eq!(first, again);
}
