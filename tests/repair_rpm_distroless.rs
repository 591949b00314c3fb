//! `imgfix` on a distroless image of Azure Linux: the image of the tests on rpm, with two lists in
//! place of its database, no package manager and no documentation; and a repository that has the
//! packages that it was made of (`fixtures/rpm/former`).
//!
//! Needs Debian's umoci and gpg; no network.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::cli::{assert_same, copy_tree, fixture, ran, read_json, snapshot};
use common::images::layer;
use common::outcome::{changed, text, verdicts};
use common::rpm::{BEFORE, FOUND, REPOSITORY, Rpm, VERDICTS, gunzip, trivy};
use common::rpm_repository::{Signer, metadata_in};
use serde_json::{Value, json};

const NAMES: &str = "var/lib/rpmmanifest/container-manifest-1";
const LIST: &str = "var/lib/rpmmanifest/container-manifest-2";

/// What the real rpm printed of the image's database: name, version and release, architecture, time
/// of installation, size, epoch, source.
const LINES: [(&str, &str, &str, u32, u32, u32, &str); 12] = [
    ("base", "1-1.el9", "x86_64", 0, 406, 0, "base-1-1.el9"),
    ("libfoo", "1.2.3-1.el9", "x86_64", 1, 24, 0, "foo-1.2.3-1.el9"),
    ("foo-tools", "1.2.3-1.el9", "x86_64", 2, 18, 0, "foo-1.2.3-1.el9"),
    ("opaque", "1-1.el9", "noarch", 3, 9, 0, "opaque-1-1.el9"),
    ("server", "1-1.el9", "noarch", 4, 62, 0, "server-1-1.el9"),
    ("webapp", "1.1-1.el9", "noarch", 5, 11, 0, "webapp-1.1-1.el9"),
    ("rocky-release", "9.4-1.el9", "noarch", 6, 1772, 0, "rocky-release-9.4-1.el9"),
    ("quiet", "1-1.el9", "noarch", 7, 8, 0, "quiet-1-1.el9"),
    ("needy", "1-1.el9", "noarch", 8, 8, 0, "needy-1-1.el9"),
    ("legacy", "1-1.el9", "noarch", 9, 7, 0, "legacy-1-1.el9"),
    ("layout", "1-1.el9", "noarch", 10, 7, 0, "layout-1-1.el9"),
    ("editor-minimal", "8.1-1.el9", "x86_64", 11, 9, 2, "editor-8.1-1.el9"),
];

fn names() -> Vec<String> {
    let name = |line: &(&str, &str, &str, u32, u32, u32, &str)| {
        format!("{}-{}.{}\n", line.0, line.1, line.2)
    };
    LINES.iter().map(name).collect()
}

fn list() -> Vec<String> {
    let line = |&(name, version, arch, time, size, epoch, source): &(_, _, _, u32, u32, u32, _)| {
        let time = 1_790_985_600 + time;
        format!(
            "{name}\t{version}\t{time}\t1790899200\timgfix fixtures\t(none)\t{size}\t{arch}\t\
             {epoch}\t{source}.src.rpm\n"
        )
    };
    LINES.iter().map(line).collect()
}

/// A layer that takes a path away.
fn without(path: &str) -> Vec<u8> {
    let (folder, name) = path.rsplit_once('/').unwrap();
    layer(&format!("{folder}/.wh.{name}"), b"")
}

/// The image's repositories: of what is newer, and of what it was made of.
fn repositories() -> String {
    let section = |id: &str, below: &str| {
        format!(
            "[{id}]\nname={id}\nbaseurl={REPOSITORY}/{below}\ngpgcheck=1\nrepo_gpgcheck=1\n\
             gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-fixtures\n"
        )
    };
    [section("base", ""), section("former", "former/")].concat()
}

/// The image, with more layers.
fn distroless(layers: &[Vec<u8>]) -> Rpm {
    let rpm = Rpm::new();
    copy_tree(&fixture("rpm/former"), &former(&rpm));
    let own = [
        without("var/lib/rpm"),
        without("etc/dnf"),
        layer("etc/os-release", b"ID=azurelinux\nVERSION_ID=\"3.0\"\n"),
        layer("etc/yum.repos.d/rocky.repo", repositories().as_bytes()),
        layer(NAMES, names().concat().as_bytes()),
        layer(LIST, list().concat().as_bytes()),
    ];
    rpm.add_layers(&[&own[..], layers].concat());
    rpm
}

/// The repository of what the image was made of.
fn former(rpm: &Rpm) -> PathBuf {
    rpm.repository().join("former")
}

/// What Trivy says of the image, or of some of it.
fn report(rpm: &Rpm, ids: &[&str]) -> PathBuf {
    let found: Vec<_> =
        FOUND.iter().filter(|one| ids.is_empty() || ids.contains(&one.0)).copied().collect();
    let text = trivy(&found).to_string();
    let text = text.replace("pkg:rpm/rocky", "pkg:rpm/azurelinux").replace("rocky", "azurelinux");
    let text = text.replace("azurelinux-9.4", "azurelinux-3.0").replace("\"9.4\"", "\"3.0\"");
    rpm.report(&serde_json::from_str(&text).unwrap())
}

/// What is in place of the lines of these packages, in the order in which they come: `NAME
/// VERSION-RELEASE ARCHITECTURE EPOCH` each.
fn lines(root: &Path) -> Vec<String> {
    let list = text(root, LIST);
    let fields = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        assert_eq!(
            (fields.len(), fields[4], fields[5]),
            (10, "imgfix fixtures", "(none)"),
            "{line}"
        );
        [0, 1, 2, 7, 8].map(|at| fields[at]).join(" ")
    };
    list.lines().map(fields).collect()
}

#[test]
fn a_distroless_image_is_repaired_from_a_trivy_report() {
    let rpm = distroless(&[]);
    let before = snapshot(&rpm.place.path("image"));
    assert_eq!(rpm.inventory("9"), BEFORE);
    let json = ran(&mut rpm.repair(&report(&rpm, &[]))).expect(0).json();
    assert_eq!(verdicts(&json), VERDICTS);
    assert_eq!(json["warnings"], json!([]));
    let root = rpm.unpacked("9_fix");
    for (path, want) in [
        ("usr/bin/editor", "editor 2\n"),
        ("usr/bin/foo", "foo 2\n"),
        ("usr/lib64/libfoo.so.1", "libfoo 2\n"),
        ("usr/share/fresh", "fresh\n"),
        ("usr/share/modern", "modern\n"),
        ("etc/server/kept.conf", "of the user\n"),
        ("etc/server/kept.conf.rpmnew", "of server 2\n"),
        ("etc/server/left.conf", "of server 2\n"),
        ("etc/server/saved.conf.rpmsave", "of the user\n"),
        ("usr/share/layout/data.old/file", "data 1\n"),
        ("usr/share/server/only-in-2", "of 2 only\n"),
        // there is a shell: the script has run
        ("var/lib/server/state", "upgrades=2\n"),
        // so has the trigger of a package that stays
        (
            "var/lib/triggered",
            "/usr/share/server\n/usr/share/server/only-in-2\n/usr/share/server/page\n",
        ),
        ("usr/share/quiet", "quiet 1\n"),
    ] {
        assert_eq!(text(&root, path), want, "{path}");
    }
    for path in [
        "usr/lib64/libfoo.so.1.2.1",
        "usr/share/legacy",
        "usr/share/server/only-in-1",
        // the image was made without documentation
        "usr/share/doc",
        "var/lib/rpm",
    ] {
        assert!(!root.join(path).exists(), "{path}");
    }

    // unchanged lines as they were, and behind them what came, as rpm would have it
    let stays = |line: &&String| {
        ["base", "opaque", "rocky-release", "quiet"].iter().any(|name| line.starts_with(name))
    };
    let (unchanged, unchanged_names): (Vec<_>, Vec<_>) = (
        list().iter().filter(stays).cloned().collect(),
        names().iter().filter(stays).cloned().collect(),
    );
    let (after, after_names) = (text(&root, LIST), text(&root, NAMES));
    assert!(after.starts_with(&unchanged.concat()), "{after}");
    assert!(after_names.starts_with(&unchanged_names.concat()), "{after_names}");
    let came: Vec<String> = lines(&root)[4..].to_vec();
    let mut sorted = came.clone();
    sorted.sort();
    // a second each since rpm 4.18, from the newest package's time on
    let at = |name: &str| {
        let place = came.iter().position(|line| line.starts_with(&format!("{name} "))).unwrap();
        1_793_491_200 + place
    };
    assert_eq!(
        sorted,
        [
            format!("editor-minimal 8.2-1.el9 {} x86_64 2", at("editor-minimal")),
            format!("foo-tools 1.2.3-2.el9 {} x86_64 0", at("foo-tools")),
            format!("fresh 2-1.el9 {} noarch 0", at("fresh")),
            format!("layout 2-1.el9 {} noarch 0", at("layout")),
            format!("libfoo 1.2.3-2.el9 {} x86_64 0", at("libfoo")),
            format!("modern 2-1.el9 {} noarch 0", at("modern")),
            format!("needy 2-1.el9 {} noarch 0", at("needy")),
            format!("server 2-1.el9 {} noarch 0", at("server")),
            format!("webapp 2.0-1.el9 {} noarch 0", at("webapp")),
        ]
    );
    assert!(at("libfoo") < at("foo-tools") && at("fresh") < at("needy"));
    let labels: Vec<String> = after_names.lines().skip(4).map(str::to_owned).collect();
    let label = |line: &String| {
        let words: Vec<&str> = line.split(' ').collect();
        format!("{}-{}.{}", words[0], words[1], words[3])
    };
    assert_eq!(labels, came.iter().map(label).collect::<Vec<_>>());
    // nothing of the original has changed
    let now = snapshot(&rpm.place.path("image"));
    for (path, content) in before.iter().filter(|(path, _)| !path.ends_with("index.json")) {
        assert!(now.get(path) == Some(content), "{}", path.display());
    }
}

#[test]
fn of_packages_that_stay_only_headers_are_fetched() {
    let rpm = distroless(&[]);
    let json = ran(&mut rpm.repair(&report(&rpm, &["CVE-2026-1001"]))).expect(0).json();
    assert_eq!(
        changed(&json, 0),
        ["foo-tools 1.2.3-1.el9 1.2.3-2.el9", "libfoo 1.2.3-1.el9 1.2.3-2.el9"]
    );
    let requests = rpm.server.requests();
    let fetched = |whole: bool| {
        let mut fetched: Vec<String> = requests
            .iter()
            .filter(|one| one.path.contains("/former/Packages/"))
            .filter(|one| one.header("range").is_none() == whole)
            .map(|one| one.path.rsplit('/').next().unwrap().to_owned())
            .collect();
        fetched.sort_unstable();
        fetched
    };
    assert_eq!(
        fetched(true),
        ["foo-tools-1.2.3-1.el9.x86_64.rpm", "libfoo-1.2.3-1.el9.x86_64.rpm"]
    );
    assert_eq!(fetched(false).len(), LINES.len() - 2);
    // as far as the repository says where they end, and once
    let primary = gunzip(&metadata_in(&former(&rpm), "primary.xml.gz"));
    let primary = String::from_utf8(primary).unwrap();
    let end = primary.split_once("<name>base</name>").unwrap().1;
    let end = end.split_once("<rpm:header-range start=\"").unwrap().1;
    let end: u64 = end.split('"').nth(2).unwrap().parse().unwrap();
    let base = requests.iter().find(|one| one.path.ends_with("base-1-1.el9.x86_64.rpm")).unwrap();
    assert_eq!(base.header("range"), Some(format!("bytes=0-{}", end - 1).as_str()));
    ran(&mut rpm.repair(&report(&rpm, &["CVE-2026-1001"]))).expect(0);
    let again = rpm.server.requests().split_off(requests.len());
    assert!(again.iter().all(|one| !one.path.contains("/Packages/")), "{again:?}");
}

#[test]
fn a_package_that_stays_may_be_gone() {
    let is_unknown = |rpm: &Rpm| {
        let json = ran(&mut rpm.repair(&report(rpm, &[]))).expect(0).json();
        assert_eq!(verdicts(&json), VERDICTS);
        // nobody knows of its trigger then
        assert!(!rpm.unpacked("9_fix").join("var/lib/triggered").exists());
    };
    let rpm = distroless(&[]);
    std::fs::remove_file(former(&rpm).join("Packages/base-1-1.el9.x86_64.rpm")).unwrap();
    is_unknown(&rpm);
    // an index that says something else of where its headers end
    for end in ["0", "1", "1000", "4294967295", "-1"] {
        let rpm = distroless(&[]);
        rpm.change_primary_in(&former(&rpm), |text| {
            let (before, rest) = text.split_once("<name>base</name>").unwrap();
            let (between, rest) = rest.split_once("<rpm:header-range start=").unwrap();
            let (_, after) = rest.split_once("/>").unwrap();
            format!(
                "{before}<name>base</name>{between}<rpm:header-range start=\"0\" \
                 end=\"{end}\"/>{after}"
            )
        });
        is_unknown(&rpm);
    }
}

#[test]
fn what_the_image_has_dropped_stays_away() {
    let gone = ["usr/bin/foo", "usr/share/server/page", "usr/share/server/only-in-1"];
    let rpm = distroless(&gone.map(without));
    let json = ran(&mut rpm.repair(&report(&rpm, &["CVE-2026-1001", "CVE-2026-1003"])));
    assert_eq!(changed(&json.expect(0).json(), 0).len(), 3);
    let root = rpm.unpacked("9_fix");
    // its folder has nothing, and so what is new there is not wanted
    for path in ["usr/bin/foo", "usr/share/server/page", "usr/share/server/only-in-2"] {
        assert!(!root.join(path).exists(), "{path}");
    }
    assert_eq!(text(&root, "usr/lib64/libfoo.so.1"), "libfoo 2\n");
    assert_eq!(text(&root, "etc/server/left.conf"), "of server 2\n");
}

/// As rpm does it, which cannot start what is not there.
#[test]
fn without_a_shell_scripts_after_an_installation_fail_and_others_run() {
    let rpm = distroless(&["usr/bin/sh", "usr/bin/bash"].map(without));
    let mut command = rpm.on("repair", "9");
    command.args(["--format=json", "-r"]).arg(report(&rpm, &[]));
    let repaired = ran(&mut command).expect(0);
    let json = repaired.json();
    let want: Vec<String> = VERDICTS
        .iter()
        .map(|one| one.replace("opaque not-fixed needs-scripts", "opaque fixed"))
        .collect();
    assert_eq!(verdicts(&json), want);
    let root = rpm.unpacked("9_fix");
    assert_eq!(text(&root, "var/lib/server/state"), "upgrades=0\n");
    assert_eq!(text(&root, "usr/share/server/page"), "page 2\n");
    // in Lua, and by a program
    assert_eq!(text(&root, "usr/share/layout/data.old/file"), "data 1\n");
    assert!(root.join("etc/ld.so.cache").exists());
    let told = "server:noarch's post: ";
    let warning = repaired.stderr.lines().find(|line| line.contains(told));
    let warning = warning.unwrap_or_else(|| panic!("no {told} in {}", repaired.stderr));
    assert!(warning.contains("rpm goes on after that, too"), "{warning}");
}

#[test]
fn an_old_package_that_is_gone_is_a_reason() {
    let finding = |json: &Value, id: &str| {
        let findings = json["platforms"][0]["findings"].as_array().unwrap().clone();
        findings.into_iter().find(|one| one["id"] == id).unwrap()
    };
    let is_gone = |rpm: &Rpm| {
        let json = ran(&mut rpm.repair(&report(rpm, &["CVE-2026-1002", "CVE-2026-1005"])));
        let json = json.expect(0).json();
        assert_eq!(changed(&json, 0), ["editor-minimal 2:8.1-1.el9 2:8.2-1.el9"]);
        let needy = finding(&json, "CVE-2026-1005");
        let reason =
            json!({"kind": "old-version-gone", "package": "needy", "installed": "1-1.el9"});
        assert_eq!(needy["reason"], reason);
        let root = rpm.unpacked("9_fix");
        assert_eq!(text(&root, "usr/share/needy"), "needy 1\n");
        assert!(!root.join("usr/share/fresh").exists());
        assert!(text(&root, NAMES).contains("needy-1-1.el9.noarch\n"));
    };
    // the index has none that was built then
    let built = list().concat().replace(
        "needy\t1-1.el9\t1790985608\t1790899200",
        "needy\t1-1.el9\t1790985608\t1790899201",
    );
    is_gone(&distroless(&[layer(LIST, built.as_bytes())]));
    // the server has it no more
    let rpm = distroless(&[]);
    std::fs::remove_file(former(&rpm).join("Packages/needy-1-1.el9.noarch.rpm")).unwrap();
    is_gone(&rpm);
    // so it is where another package would take the place
    let rpm = distroless(&[]);
    std::fs::remove_file(former(&rpm).join("Packages/legacy-1-1.el9.noarch.rpm")).unwrap();
    let json = ran(&mut rpm.repair(&report(&rpm, &["CVE-2026-1006"]))).expect(0).json();
    assert_eq!(changed(&json, 0), Vec::<String>::new());
    assert_eq!(finding(&json, "CVE-2026-1006")["reason"]["package"], "legacy");
    assert_eq!(json["output"]["digest"], json["image"]["digest"], "the image as it was");
}

#[test]
fn an_old_package_that_somebody_changed_is_refused() {
    let file = "needy-1-1.el9.noarch.rpm";
    // the index says something else
    let rpm = distroless(&[]);
    let path = former(&rpm).join("Packages").join(file);
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let before = snapshot(&rpm.place.path("image"));
    let failed = ran(&mut rpm.repair(&report(&rpm, &["CVE-2026-1005"]))).expect(1);
    let said = format!("{file}: its content is not what the repository's index says");
    assert!(failed.stderr.contains(&said), "{}", failed.stderr);
    assert_same(&before, &snapshot(&rpm.place.path("image")));
    // another package in its place
    let rpm = distroless(&[]);
    let other = std::fs::read(former(&rpm).join("Packages/quiet-1-1.el9.noarch.rpm")).unwrap();
    rpm.change_package_in(&former(&rpm), file, |_| other);
    let untrusted = |rpm: &Rpm, ids: &[&str]| {
        let json = ran(&mut rpm.repair(&report(rpm, ids))).expect(0).json();
        assert_eq!(text(&rpm.unpacked("9_fix"), "usr/share/needy"), "needy 1\n");
        let findings = json["platforms"][0]["findings"].as_array().unwrap().clone();
        let needy = findings.into_iter().find(|one| one["id"] == "CVE-2026-1005").unwrap();
        assert_eq!(needy["reason"]["kind"], "untrusted", "{needy}");
        (json, needy["reason"]["detail"].as_str().unwrap().to_owned())
    };
    let (json, detail) = untrusted(&rpm, &["CVE-2026-1002", "CVE-2026-1005"]);
    assert_eq!(changed(&json, 0), ["editor-minimal 2:8.1-1.el9 2:8.2-1.el9"]);
    assert!(detail.contains("it is package quiet 1-1.el9 noarch"), "{detail}");
    // signed by a key that is not its repository's
    let rpm = distroless(&[]);
    let key = rpm.place.path("other.asc");
    Signer::other(&rpm).export(&key);
    let own = repositories().replacen("gpgcheck=1\nrepo_gpgcheck=1", "gpgcheck=1", 2);
    let (base, rest) = own.split_once("[former]").unwrap();
    let rest = rest.replace("RPM-GPG-KEY-fixtures", "other");
    let rpm = distroless(&[
        layer("etc/yum.repos.d/rocky.repo", format!("{base}[former]{rest}").as_bytes()),
        layer("etc/pki/rpm-gpg/other", &std::fs::read(&key).unwrap()),
    ]);
    let findings = ["CVE-2026-1002", "CVE-2026-1005"];
    let json = ran(&mut rpm.repair(&report(&rpm, &findings))).expect(0).json();
    assert_eq!(
        verdicts(&json),
        [
            "CVE-2026-1002 editor-minimal not-fixed untrusted",
            "CVE-2026-1005 needy not-fixed untrusted"
        ]
    );
    assert_eq!(json["output"]["digest"], json["image"]["digest"], "the image as it was");
}

#[test]
fn repaired_twice_again_and_by_a_plan_gives_the_same_digest() {
    let rpm = distroless(&[]);
    let (report, file) = (report(&rpm, &[]), rpm.place.path("plan.json"));
    let first = ran(&mut rpm.repair(&report)).expect(0).digest();
    for tag in ["9", "9_fix"] {
        let mut again = rpm.on("repair", tag);
        again.args(["--format=json", "-r"]).arg(&report);
        assert_eq!(ran(&mut again).expect(0).digest(), first, "{tag}");
    }
    let mut offline = rpm.repair(&report);
    offline.args(["--offline", "--tag-suffix=_offline"]);
    assert_eq!(ran(&mut offline).expect(0).digest(), first);
    ran(rpm.on("plan", "9").arg("-r").arg(&report).arg("--save").arg(&file)).expect(0);
    let steps = &read_json(&file)["platforms"][0]["steps"];
    assert_eq!(steps.as_array().unwrap().len(), 9);
    let follow = |suffix: &str| -> Command {
        let mut planned = rpm.repair_all();
        planned.arg(format!("--tag-suffix={suffix}")).arg("--plan").arg(&file);
        planned
    };
    assert_eq!(ran(&mut follow("_planned")).expect(0).digest(), first);
    // and it fails when a package that it replaces is no longer served
    std::fs::remove_file(former(&rpm).join("Packages/needy-1-1.el9.noarch.rpm")).unwrap();
    std::fs::remove_dir_all(rpm.place.path("cache")).unwrap();
    let failed = ran(&mut follow("_again")).expect(1);
    assert!(failed.stderr.contains("needy 1-1.el9 any more"), "{}", failed.stderr);
    assert_eq!(rpm.place.tagged("9_again"), None);
}

#[test]
fn lists_behind_a_link_are_written_where_they_are() {
    let mut link = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    link.append_link(&mut header, "var/lib/rpmmanifest", "../../usr/lists").unwrap();
    let moved = |path: &str| path.replace("var/lib/rpmmanifest", "usr/lists");
    let rpm = distroless(&[
        without("var/lib/rpmmanifest"),
        layer(&moved(NAMES), names().concat().as_bytes()),
        layer(&moved(LIST), list().concat().as_bytes()),
        link.into_inner().unwrap(),
    ]);
    ran(&mut rpm.repair(&report(&rpm, &["CVE-2026-1002"]))).expect(0);
    let root = rpm.unpacked("9_fix");
    assert_eq!(
        std::fs::read_link(root.join("var/lib/rpmmanifest")).unwrap(),
        Path::new("../../usr/lists")
    );
    assert!(text(&root, &moved(NAMES)).ends_with("\neditor-minimal-8.2-1.el9.x86_64\n"));
    assert_eq!(rpm.inventory("9_fix")[1], "editor-minimal 2:8.2-1.el9 x86_64");
}

#[test]
fn a_repaired_image_has_nothing_left() {
    let rpm = distroless(&[]);
    let json = ran(&mut rpm.repair_all()).expect(0).json();
    assert_eq!(changed(&json, 0).len(), 10);
    // what the old packages' changelogs do not have
    let packages = json["platforms"][0]["packages"].as_array().unwrap();
    let library = packages.iter().find(|one| one["name"] == "libfoo").unwrap();
    assert_eq!(library["named_in_changelogs"], json!(["CVE-2026-1001"]));
    // as an image of its own, which nothing says to be a repair
    let root = rpm.unpacked("9_fix");
    let layers =
        [layer(NAMES, text(&root, NAMES).as_bytes()), layer(LIST, text(&root, LIST).as_bytes())];
    let again = distroless(&layers);
    let json = ran(&mut again.repair_all()).expect(0).json();
    assert_eq!(changed(&json, 0), Vec::<String>::new());
    assert_eq!(json["output"]["digest"], json["image"]["digest"]);
}
