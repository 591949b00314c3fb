//! `imgfix` on an image that rpm built, as a user runs it: a release of Rocky Linux with packages of
//! a line or two, and a signed repository of newer ones (`fixtures/rpm`), which a server of the
//! test gives.
//!
//! Needs Debian's umoci; no network.

mod common;

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use common::cli::{assert_same, blob, fixture, manifest, ran, read_json, snapshot};
use common::images::layer;
use common::outcome::{changed, text, verdicts};
use common::rpm::{BEFORE, FOUND, Found, REPOSITORY, Rpm, VERDICTS, gunzip, other_database, trivy};
use serde_json::{Value, json};

impl Rpm {
    fn trivy(&self) -> PathBuf {
        self.report(&trivy(FOUND))
    }

    /// The last layer of a tag, unpacked: each path, a directory with a slash at its end.
    fn last_layer(&self, tag: &str) -> Vec<String> {
        let image = self.place.path("image");
        let manifest = manifest(&image, tag);
        let layers = manifest["layers"].as_array().expect("layers");
        let last = layers.last().expect("a layer")["digest"].as_str().expect("digest");
        let bytes = gunzip(&blob(&image, last));
        let mut archive = tar::Archive::new(&bytes[..]);
        let entries = archive.entries().expect("layer");
        entries.map(|one| one.expect("entry").path().expect("path").display().to_string()).collect()
    }
}

const CHANGED: [&str; 9] = [
    "editor-minimal 2:8.1-1.el9 2:8.2-1.el9",
    "foo-tools 1.2.3-1.el9 1.2.3-2.el9",
    "fresh none 2-1.el9",
    "layout 1-1.el9 2-1.el9",
    "libfoo 1.2.3-1.el9 1.2.3-2.el9",
    "modern none 2-1.el9",
    "needy 1-1.el9 2-1.el9",
    "server 1-1.el9 2-1.el9",
    "webapp 1.1-1.el9 1.2-1.el9",
];

const AFTER: [&str; 13] = [
    "base 1-1.el9 x86_64",
    "editor-minimal 2:8.2-1.el9 x86_64",
    "foo-tools 1.2.3-2.el9 x86_64",
    "fresh 2-1.el9 noarch",
    "layout 2-1.el9 noarch",
    "libfoo 1.2.3-2.el9 x86_64",
    "modern 2-1.el9 noarch",
    "needy 2-1.el9 noarch",
    "opaque 1-1.el9 noarch",
    "quiet 1-1.el9 noarch",
    "rocky-release 9.4-1.el9 noarch",
    "server 2-1.el9 noarch",
    "webapp 1.2-1.el9 noarch",
];

/// What the image has to have after a repair of what was found, and nothing else of it changed.
#[track_caller]
fn is_repaired(root: &Path) {
    for (path, want) in [
        ("usr/bin/editor", "editor 2\n"),
        ("usr/bin/foo", "foo 2\n"),
        ("usr/lib64/libfoo.so.1", "libfoo 2\n"),
        ("usr/share/fresh", "fresh\n"),
        ("usr/share/modern", "modern\n"),
        ("usr/share/needy", "needy 2\n"),
        ("usr/share/webapp", "webapp 1.2\n"),
        // configuration: changed by a user and kept, left as it was, changed and not to be kept
        ("etc/server/kept.conf", "of the user\n"),
        ("etc/server/kept.conf.rpmnew", "of server 2\n"),
        ("etc/server/left.conf", "of server 2\n"),
        ("etc/server/same.conf", "the same\n"),
        ("etc/server/saved.conf", "of server 2\n"),
        ("etc/server/saved.conf.rpmsave", "of the user\n"),
        ("usr/share/server/page", "page 2\n"),
        ("usr/share/server/only-in-2", "of 2 only\n"),
        // the script in Lua made room for a link
        ("usr/share/layout/data/file", "data 2\n"),
        ("usr/share/layout/data.old/file", "data 1\n"),
        // the script of server had the count of 2, the trigger of base the paths of server
        ("var/lib/server/state", "upgrades=2\n"),
        (
            "var/lib/triggered",
            "/usr/share/server\n/usr/share/server/only-in-2\n/usr/share/server/page\n",
        ),
        // neither found nor to be repaired
        ("usr/bin/opaque-setup", "opaque 1\n"),
        ("usr/share/quiet", "quiet 1\n"),
        ("etc/dnf/modules.d/web.module", "[web]\nname=web\nstream=1\nprofiles=\nstate=enabled\n"),
        ("srv/kept", "of no package\n"),
    ] {
        assert_eq!(text(root, path), want, "{path}");
    }
    for path in [
        "usr/lib64/libfoo.so.1.2.1",
        "usr/share/legacy",
        "usr/share/server/only-in-1",
        "etc/server/left.conf.rpmnew",
        "etc/server/same.conf.rpmnew",
        "etc/server/kept.conf.rpmsave",
        // documentation is not installed: tsflags=nodocs
        "usr/share/doc/foo-tools/README",
    ] {
        assert!(!root.join(path).exists(), "{path}");
    }
    let target = |path: &str| std::fs::read_link(root.join(path)).expect(path);
    assert_eq!(target("usr/share/layout/data"), Path::new("data-2"));
    assert_eq!(target("usr/lib64/libfoo.so.1"), Path::new("libfoo.so.1.2.2"));
    let about = |path: &str| std::fs::metadata(root.join(path)).expect(path);
    for (path, mode) in [
        ("usr/bin/editor", 0o755),
        ("etc/server/saved.conf", 0o600),
        ("etc/server/saved.conf.rpmsave", 0o644),
    ] {
        assert_eq!(about(path).permissions().mode() & 0o7777, mode, "{path}");
    }
    // the time that the package gives it
    assert_eq!(about("usr/share/server/page").mtime(), 1_793_491_200);
    assert!(std::fs::read(root.join("etc/ld.so.cache")).unwrap().starts_with(b"glibc-ld.so.cache"));
}

#[test]
fn an_image_is_repaired_from_a_trivy_report() {
    let rpm = Rpm::new();
    let before = snapshot(&rpm.place.path("image"));
    assert_eq!(rpm.inventory("9"), BEFORE);
    let json = ran(&mut rpm.repair(&rpm.trivy())).expect(0).json();

    assert_eq!(json["schema"], "imgfix/report/v1");
    assert_eq!(verdicts(&json), VERDICTS);
    assert_eq!(changed(&json, 0), CHANGED);
    let summary = &json["summary"];
    let counts = ["findings", "fixed", "not_fixed", "packages"].map(|name| summary[name].as_u64());
    assert_eq!(counts, [Some(12), Some(8), Some(4), Some(9)], "{summary}");
    assert_eq!(rpm.place.tagged("9_fix").as_deref(), json["output"]["digest"].as_str());
    assert_eq!(rpm.inventory("9_fix"), AFTER);
    is_repaired(&rpm.unpacked("9_fix"));
    assert_eq!(std::fs::read_dir(rpm.place.path("tmp")).expect("tmp").count(), 0);
    // nothing of the original has changed
    let after = snapshot(&rpm.place.path("image"));
    for (path, content) in before.iter().filter(|(path, _)| !path.ends_with("index.json")) {
        assert!(after.get(path) == Some(content), "{}", path.display());
    }
    assert_eq!(after.len(), before.len() + 3, "a layer, a configuration, a manifest");
}

#[test]
fn the_report_says_what_was_done_and_why_the_rest_was_not() {
    let rpm = Rpm::new();
    let json = ran(&mut rpm.repair(&rpm.trivy())).expect(0).json();
    let platform = &json["platforms"][0];
    assert_eq!(platform["repositories"][0]["repository"], REPOSITORY);
    let packages = platform["packages"].as_array().unwrap();
    let editor = packages.iter().find(|one| one["name"] == "editor-minimal").unwrap();
    let file = "Packages/editor-minimal-8.2-1.el9.x86_64.rpm";
    assert_eq!(editor["url"], format!("{REPOSITORY}/{file}"));
    assert_eq!(editor["repository"], REPOSITORY);
    assert_eq!(editor["architecture"], "x86_64");
    let archive = std::fs::read(fixture("rpm/repository").join(file)).unwrap();
    assert_eq!(editor["checksum"], imgfix_model::digest::Digest::of(&archive).to_string());
    // what is needed comes before what needs it
    let place = |name: &str| packages.iter().position(|one| one["name"] == name).unwrap();
    assert!(place("libfoo") < place("foo-tools") && place("fresh") < place("needy"));
    assert_eq!(
        platform["removed"],
        json!([{"name": "legacy", "architecture": "noarch", "version": "1-1.el9",
            "explanation": "it gives way to modern: Obsoletes: legacy < 2"}])
    );
    assert_eq!(
        platform["sources"],
        json!({"editor-minimal": "editor", "foo-tools": "foo", "libfoo": "foo"})
    );
    let findings = platform["findings"].as_array().unwrap();
    let of = |id: &str| findings.iter().find(|one| one["id"] == id).unwrap();
    assert_eq!(of("CVE-2026-1002")["fixed_by"], "2:8.2-1.el9");
    assert_eq!(of("CVE-2026-1006")["fixed_by"], "(1-1.el9 was removed)");
    for (id, reason, explanation) in [
        (
            "CVE-2026-1007",
            json!({"kind": "needs-scripts", "package": "opaque", "script": "post", "line": 1,
                "detail": "the program /usr/bin/opaque-setup is not known"}),
            "the post script of opaque cannot be evaluated, line 1: the program \
             /usr/bin/opaque-setup is not known",
        ),
        (
            "CVE-2026-1009",
            json!({"kind": "no-fixed-version"}),
            "the distribution has no fixed version",
        ),
        (
            "CVE-2026-1010",
            json!({"kind": "not-in-repositories", "wanted": "9-1.el9", "newest": "2-1.el9"}),
            "the repositories have 2-1.el9, not yet 9-1.el9",
        ),
        ("CVE-2026-1011", json!({"kind": "not-owned"}), "no package of the image has this name"),
    ] {
        assert_eq!(of(id)["reason"], reason, "{id}");
        assert_eq!(of(id)["explanation"], explanation, "{id}");
    }
    let effects = platform["effects"].as_array().unwrap().iter();
    let effects: Vec<_> = effects.map(|one| [&one["package"], &one["kind"]]).collect();
    assert_eq!(
        effects,
        [["server:noarch", "conffile-kept"], ["server:noarch", "conffile-replaced"]]
    );
    let scripts = platform["scripts"].as_array().unwrap().iter();
    let scripts: Vec<Value> = scripts
        .map(|one| json!([one["package"], one["script"], one["arguments"], one["changed"]]))
        .collect();
    let data = "/usr/share/layout/data";
    assert_eq!(
        scripts,
        [
            json!([
                "layout:noarch",
                "pretrans",
                ["2"],
                [data, format!("{data}.old"), format!("{data}.old/file")]
            ]),
            json!(["libfoo:x86_64", "post", ["2"], ["/etc/ld.so.cache"]]),
            json!(["server:noarch", "post", ["2"], ["/var/lib/server/state"]]),
            json!(["libfoo:x86_64", "postun", ["1"], []]),
            // rpm 4.16 gives triggers of files no counts
            json!(["base:x86_64", "transfiletriggerin", ["0"], ["/var/lib/triggered"]]),
        ]
    );
    assert_eq!(json["warnings"], json!([]));
}

#[test]
fn the_layer_has_what_changed_and_nothing_else() {
    let rpm = Rpm::new();
    let json = ran(&mut rpm.repair(&rpm.trivy())).expect(0).json();
    let files = [
        "etc/",
        "etc/ld.so.cache",
        "etc/server/",
        "etc/server/kept.conf.rpmnew",
        "etc/server/left.conf",
        "etc/server/same.conf",
        "etc/server/saved.conf",
        "etc/server/saved.conf.rpmsave",
        "usr/",
        "usr/bin/",
        "usr/bin/editor",
        "usr/bin/foo",
        "usr/lib64/",
        "usr/lib64/.wh.libfoo.so.1.2.1",
        "usr/lib64/libfoo.so.1",
        "usr/lib64/libfoo.so.1.2.2",
        "usr/share/",
        "usr/share/.wh.legacy",
        "usr/share/fresh",
        "usr/share/layout/",
        "usr/share/layout/data",
        "usr/share/layout/data-2/",
        "usr/share/layout/data-2/file",
        "usr/share/layout/data.old/",
        "usr/share/layout/data.old/file",
        "usr/share/modern",
        "usr/share/needy",
        "usr/share/server/",
        "usr/share/server/.wh.only-in-1",
        "usr/share/server/only-in-2",
        "usr/share/server/page",
        "usr/share/webapp",
        "var/",
        "var/lib/",
        "var/lib/rpm/",
        "var/lib/rpm/rpmdb.sqlite",
        "var/lib/server/",
        "var/lib/server/state",
        "var/lib/triggered",
    ];
    assert_eq!(rpm.last_layer("9_fix"), files);
    let layer = &json["platforms"][0]["layer"];
    assert_eq!(layer["entries"], files.len());
    let last = manifest(&rpm.place.path("image"), "9_fix")["layers"][2].clone();
    assert_eq!((&layer["digest"], &layer["size"]), (&last["digest"], &last["size"]));
    assert_eq!(
        json["platforms"][0]["files"],
        json!({"added": 12, "changed": 15, "removed": 3}),
        "directories are counted when they are new"
    );
}

#[test]
fn the_database_stays_in_its_format() {
    for (format, files) in [
        ("ndb", &["var/lib/rpm/Index.db", "var/lib/rpm/Packages.db"][..]),
        ("bdb", &["var/lib/rpm/Packages"]),
    ] {
        let rpm = Rpm::with_layers(&[other_database(format)]);
        assert_eq!(rpm.inventory("9"), BEFORE, "{format}");
        let json = ran(&mut rpm.repair(&rpm.trivy())).expect(0).json();
        assert_eq!(verdicts(&json), VERDICTS, "{format}");
        assert_eq!(rpm.inventory("9_fix"), AFTER, "{format}");
        let root = rpm.unpacked("9_fix");
        is_repaired(&root);
        assert!(!root.join("var/lib/rpm/rpmdb.sqlite").exists(), "{format}");
        let mut layer = rpm.last_layer("9_fix");
        layer.retain(|path| path.starts_with("var/lib/rpm/") && !path.ends_with('/'));
        assert_eq!(layer, *files, "{format}");
    }
}

#[test]
fn everything_newer_is_taken_without_a_report() {
    let rpm = Rpm::new();
    let json = ran(&mut rpm.repair_all()).expect(0).json();
    let mut want: Vec<&str> = CHANGED.to_vec();
    want.insert(7, "quiet 1-1.el9 2-1.el9");
    assert_eq!(changed(&json, 0), want);
    assert_eq!(text(&rpm.unpacked("9_fix"), "usr/share/quiet"), "quiet 2\n");
    let platform = &json["platforms"][0];
    let kept_back = platform["kept_back"].as_array().unwrap();
    assert_eq!(kept_back.len(), 1, "{kept_back:?}");
    assert_eq!(
        (&kept_back[0]["name"], &kept_back[0]["version"]),
        (&json!("opaque"), &json!("2-1.el9"))
    );
    assert_eq!(kept_back[0]["reason"]["kind"], "needs-scripts");
    // what the packages' own changelogs say
    let packages = platform["packages"].as_array().unwrap();
    let named = |name: &str| &packages.iter().find(|one| one["name"] == name).unwrap()["named_in_changelogs"];
    assert_eq!(named("libfoo"), &json!(["CVE-2026-1001"]));
    assert_eq!(named("quiet"), &json!([]));
}

#[test]
fn a_stream_of_a_module_that_is_not_enabled_is_not_seen() {
    let found: &[Found<'_>] =
        &[("CVE-2026-1008", "webapp", "noarch", "1.1-1.el9", Some("2.0-1.el9"))];
    let rpm = Rpm::new();
    let json = ran(&mut rpm.repair(&rpm.report(&trivy(found)))).expect(0).json();
    assert_eq!(verdicts(&json), ["CVE-2026-1008 webapp not-fixed held"]);
    let by = &json["platforms"][0]["findings"][0]["reason"]["by"];
    assert_eq!(by, "the modules of the image, whose streams do not have it");
    let with_state = |state: &str| {
        let rpm = Rpm::with_layers(&[layer("etc/dnf/modules.d/web.module", state.as_bytes())]);
        ran(&mut rpm.repair(&rpm.report(&trivy(found)))).expect(0).json()
    };
    // a package stays in its stream where none is enabled
    let json = with_state("");
    let reason = &json["platforms"][0]["findings"][0]["reason"];
    assert_eq!(reason["by"], "the modules of the image, whose streams do not have it", "{reason}");
    assert_eq!(changed(&json, 0), Vec::<String>::new());
    // and follows the user to another, as with dnf
    let json = with_state("[web]\nname=web\nstream=2\nprofiles=\nstate=enabled\n");
    assert_eq!(verdicts(&json), ["CVE-2026-1008 webapp fixed"]);
    assert_eq!(changed(&json, 0), ["webapp 1.1-1.el9 2.0-1.el9"]);
}

#[test]
fn settings_of_the_images_package_manager_hold_packages_back() {
    let settings = b"[main]\nexcludepkgs=foo-tools\n";
    let rpm = Rpm::with_layers(&[layer("etc/dnf/dnf.conf", settings)]);
    let json = ran(&mut rpm.repair(&rpm.report(&trivy(&FOUND[..2])))).expect(0).json();
    // libfoo cannot go without foo-tools, which needs exactly its version
    assert_eq!(changed(&json, 0), Vec::<String>::new());
    let findings = json["platforms"][0]["findings"].as_array().unwrap();
    let tools = findings.iter().find(|one| one["package"] == "foo-tools").unwrap();
    assert_eq!(tools["reason"]["kind"], "held");
    assert_eq!(tools["reason"]["by"], "excludepkgs of the image (foo-tools)");
    let library = findings.iter().find(|one| one["package"] == "libfoo").unwrap();
    assert_eq!(library["reason"]["kind"], "conflict", "{library}");
    assert!(library["explanation"].to_string().contains("foo-tools"), "{library}");
    assert_eq!(json["output"]["digest"], json["image"]["digest"], "the image as it was");
}

#[test]
fn a_repository_of_the_user() {
    let rpm = Rpm::new();
    let mut command = rpm.place.bare("repair", &rpm.place.image("9"));
    command.args(["-q", "--format=json", "-r"]).arg(rpm.trivy());
    command.arg("--repository").arg(rpm.repository());
    let json = ran(&mut command).expect(0).json();
    assert_eq!(verdicts(&json), VERDICTS);
    is_repaired(&rpm.unpacked("9_fix"));
    assert!(rpm.server.requests().is_empty(), "the image's own is not asked");
}

/// An image with a database, without a package manager and without `.repo` files.
#[test]
fn an_image_that_names_no_repository_has_those_of_its_distribution() {
    let gone =
        ["etc/yum.repos.d/.wh.rocky.repo", "etc/dnf/.wh.dnf.conf"].map(|path| layer(path, b""));
    let rpm = Rpm::with_layers(&gone);
    let repair = |rpm: &Rpm| {
        let mut command = rpm.place.bare("repair", &rpm.place.image("9"));
        command.args(["--format=json", "-r"]).arg(rpm.trivy());
        let at = format!("https://dl.rockylinux.org/pub/rocky=http://{}", rpm.server.host);
        command.args(["--mirror", &at]);
        command
    };
    // of its two repositories one is there; the key is in the image's database
    let repaired = ran(&mut repair(&rpm)).expect(0);
    let json = repaired.json();
    let platform = &json["platforms"][0];
    let repositories = platform["repositories"].as_array().unwrap();
    let names: Vec<_> = repositories.iter().map(|one| one["repository"].as_str()).collect();
    assert_eq!(names, [Some("https://dl.rockylinux.org/pub/rocky/9/BaseOS/x86_64/os")]);
    let told = "appstream https://dl.rockylinux.org/";
    assert!(repaired.stderr.contains(told), "{}", repaired.stderr);
    let unread = |one: &str| one.replace("not-in-repositories", "repository-unreadable");
    assert_eq!(verdicts(&json), VERDICTS.map(unread));
    let root = rpm.unpacked("9_fix");
    assert_eq!(text(&root, "usr/lib64/libfoo.so.1"), "libfoo 2\n");
    assert!(!root.join("etc/yum.repos.d/rocky.repo").exists());
    // and none when the user wants the image's own only
    let mut own = repair(&rpm);
    own.args(["--image-sources-only", "--tag-suffix=_own"]);
    let json = ran(&mut own).expect(0).json();
    assert_eq!(changed(&json, 0), Vec::<String>::new());
}

#[test]
fn repaired_twice_again_and_elsewhere_gives_the_same_digest() {
    let rpm = Rpm::new();
    let report = rpm.trivy();
    let first = ran(&mut rpm.repair(&report)).expect(0).digest();
    let files = snapshot(&rpm.place.path("image"));
    for tag in ["9", "9_fix"] {
        let mut again = rpm.on("repair", tag);
        again.args(["--format=json", "-r"]).arg(&report);
        assert_eq!(ran(&mut again).expect(0).digest(), first, "{tag}");
        assert_eq!(rpm.place.tagged("9_fix_fix"), None);
    }
    let again = snapshot(&rpm.place.path("image"));
    assert_eq!(files.keys().collect::<Vec<_>>(), again.keys().collect::<Vec<_>>());
    // another place, time zone and home, and a server at another port
    let other = Rpm::new();
    let mut elsewhere = other.repair(&report);
    elsewhere.current_dir(other.place.path("tmp")).env("TZ", "Pacific/Chatham");
    elsewhere.env("HOME", other.place.path("another home"));
    assert_eq!(ran(&mut elsewhere).expect(0).digest(), first);
}

#[test]
fn a_saved_plan_is_done_exactly() {
    let rpm = Rpm::new();
    let (report, file) = (rpm.trivy(), rpm.place.path("plan.json"));
    let before = snapshot(&rpm.place.path("image"));
    let mut plan = rpm.on("plan", "9");
    let shown = ran(plan.arg("-r").arg(&report).arg("--save").arg(&file)).expect(0);
    for word in ["libfoo", "1.2.3-2.el9", "fresh", "modern", "opaque"] {
        assert!(shown.stdout.contains(word), "no {word} in {}", shown.stdout);
    }
    assert_same(&before, &snapshot(&rpm.place.path("image")));
    let steps = &read_json(&file)["platforms"][0]["steps"];
    assert_eq!(steps.as_array().unwrap().len(), CHANGED.len());

    let direct = ran(&mut rpm.repair(&report)).expect(0);
    let mut planned = rpm.repair_all();
    planned.arg("--tag-suffix=_planned").arg("--plan").arg(&file);
    let planned = ran(&mut planned).expect(0);
    assert_eq!(planned.digest(), direct.digest());
    assert_eq!(changed(&planned.json(), 0), CHANGED);
    // a plan keeps the findings that it does nothing about
    let left: Vec<&str> =
        VERDICTS.into_iter().filter(|verdict| verdict.contains("not-fixed")).collect();
    assert_eq!(verdicts(&planned.json()), left);

    // and it fails when what it names is no longer served
    std::fs::remove_file(rpm.repository().join("Packages/modern-2-1.el9.noarch.rpm")).unwrap();
    let mut again = rpm.repair_all();
    std::fs::remove_dir_all(rpm.place.path("cache")).unwrap();
    again.args(["--tag-suffix=_again", "--plan"]).arg(&file);
    let failed = ran(&mut again).expect(1);
    assert!(failed.stderr.contains("modern-2-1.el9.noarch.rpm: not found"), "{}", failed.stderr);
    assert_eq!(rpm.place.tagged("9_again"), None);
}

#[test]
fn the_difference_of_both_images() {
    let rpm = Rpm::new();
    ran(&mut rpm.repair(&rpm.trivy())).expect(0);
    let mut command = rpm.place.imgfix();
    command.args(["diff", "-q", &rpm.place.image("9"), &rpm.place.image("9_fix")]);
    let text = ran(&mut command).expect(0).stdout;
    for word in ["libfoo", "1.2.3-1.el9", "1.2.3-2.el9", "fresh", "etc/server/kept.conf.rpmnew"] {
        assert!(text.contains(word), "no {word} in {text}");
    }
    let json = ran(command.arg("--format=json")).expect(0).json();
    assert!(json.to_string().contains("usr/share/server/only-in-1"), "{json}");
}

#[test]
fn exit_codes_say_what_is_left() {
    let rpm = Rpm::new();
    let report = rpm.trivy();
    ran(rpm.repair(&report).args(["--fail-on", "high"])).expect(3);
    assert!(rpm.place.tagged("9_fix").is_some(), "3 means: published");
    ran(rpm.repair(&report).args(["--fail-on", "critical"])).expect(0);
    ran(rpm.repair(&report).args(["--fail-on", "high", "--only", "CVE-2026-1002"])).expect(0);
}

/// Without a fixed version in the report, the repository's advisories say it: by the advisory's own
/// name, and by the problem that it refers to.
#[test]
fn advisories_say_what_a_report_does_not() {
    let rpm = Rpm::new();
    let report = trivy(&[
        ("RLSA-2026:1001", "libfoo", "x86_64", "1.2.3-1.el9", None),
        ("CVE-2026-1002", "editor-minimal", "x86_64", "2:8.1-1.el9", None),
        ("CVE-2026-1999", "webapp", "noarch", "1.1-1.el9", None),
    ]);
    let json = ran(&mut rpm.repair(&rpm.report(&report))).expect(0).json();
    assert_eq!(
        verdicts(&json),
        [
            "CVE-2026-1002 editor-minimal fixed",
            "CVE-2026-1999 webapp not-fixed no-fixed-version",
            "RLSA-2026:1001 libfoo fixed",
        ]
    );
    let notes = json["platforms"][0]["notes"].to_string();
    let said = "RLSA-2026:1001 is fixed in libfoo 1.2.3-2.el9 by the repositories' advisories";
    assert!(notes.contains(said), "{notes}");
}

/// Some scanners speak of source packages.
#[test]
fn a_finding_on_a_source_package_is_one_on_its_packages() {
    let rpm = Rpm::new();
    let mut report =
        trivy(&[("CVE-2026-1001", "foo", "x86_64", "1.2.3-1.el9", Some("1.2.3-2.el9"))]);
    report["Results"][0]["Vulnerabilities"][0]["PkgIdentifier"] = Value::Null;
    let json = ran(&mut rpm.repair(&rpm.report(&report))).expect(0).json();
    assert_eq!(verdicts(&json), ["CVE-2026-1001 foo fixed"]);
    assert_eq!(
        changed(&json, 0),
        ["foo-tools 1.2.3-1.el9 1.2.3-2.el9", "libfoo 1.2.3-1.el9 1.2.3-2.el9"]
    );
}
