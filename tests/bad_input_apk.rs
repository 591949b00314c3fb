//! Everything that can be wrong with what comes in for an image of apk: one clear error that
//! names the input, the place in it and what to do, nothing published, nothing left behind.
//!
//! Needs Debian's openssl; no network.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::process::Command;
use std::time::{Duration, Instant};

use common::apk::{Entry, Key, Package, Root, index};
use common::apk_samples::{ALPINE, Apk, DATABASE, FOUND, SHELL, newer, older, trivy};
use common::cli::{assert_same, ran, snapshot};
use common::images::gzip;

impl Apk {
    /// A repair of everything, as a user would call it; not quiet where `-q` is not given.
    fn repair(&self) -> Command {
        let mut command = self.place.bare("repair", &self.place.image("1"));
        command.args(["-q", "--format=json"]);
        command
    }

    /// The repair must end with exit code 1 and exactly this error; the image and the temporary
    /// directory must be as before. `REPO` stands for the repository's address, `IMAGE` for the
    /// image and its platform.
    #[track_caller]
    fn refused(&self, want: &str) {
        self.refused_command(&mut self.repair(), want);
    }

    #[track_caller]
    fn refused_command(&self, command: &mut Command, want: &str) {
        let want = want
            .replace("REPO", &self.url())
            .replace("IMAGE", &format!("{} (linux/amd64)", self.place.image("1")));
        self.place.refuses(command, &want);
    }

    /// The image with one more file, or another one in its place.
    fn with_file(&self, path: &str, content: impl Into<Vec<u8>>) {
        let mut root = self.sample();
        root.write(path, content);
        self.image(&root);
    }

    fn sample(&self) -> Root {
        let mut root = self.root(ALPINE, "x86_64");
        root.install(DATABASE, &older(), &self.key);
        root.install_scripts(DATABASE, &older());
        root.write("bin/sh", SHELL);
        root
    }

    /// Changes the bytes of a file of the repository.
    fn change(&self, name: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
        let path = self.published(name);
        let bytes = std::fs::read(&path).expect("file");
        std::fs::write(path, change(bytes)).expect("file");
    }
}

fn cut(bytes: Vec<u8>) -> Vec<u8> {
    bytes[..bytes.len() / 2].to_vec()
}

const INDEX: &str = "APKINDEX.tar.gz";
const LIBFOO: &str = "libfoo-1.2.4-r1.apk";

// --- indexes ------------------------------------------------------------------------------

#[test]
fn an_index_with_a_wrong_signature() {
    let apk = Apk::alpine();
    // what a mirror may do: another index after the signature of this one
    let content = index("");
    let signed = apk.key.sign("RSA", &content);
    let signature = signed[..signed.len() - content.len()].to_vec();
    apk.change(INDEX, |_| [signature, index("C:x\n\n")].concat());
    apk.refused(
        "REPO/x86_64/APKINDEX.tar.gz: the signature with key builder-1.rsa.pub does not fit the \
         content; it was changed on the way or the mirror is broken",
    );
}

#[test]
fn an_index_signed_with_an_unknown_key() {
    let apk = Apk::alpine();
    let other = Key::new(&apk.place.path("home"), "mallory.rsa");
    apk.change(INDEX, |_| other.sign("RSA", &index("")));
    apk.refused(
        "REPO/x86_64/APKINDEX.tar.gz is signed with mallory.rsa.pub, which is none of the trusted \
         keys (builder-1.rsa.pub); give the repository's public key with --keyring FILE, where \
         FILE has the name of the key",
    );
    // and that remedy works
    let file = apk.place.path("mallory.rsa.pub");
    std::fs::write(&file, &other.public).expect("key");
    ran(apk.repair().arg("--keyring").arg(file)).expect(0);
}

#[test]
fn a_key_of_the_right_name_that_is_another() {
    let apk = Apk::alpine();
    let folder = apk.place.path("home/other");
    std::fs::create_dir(&folder).expect("folder");
    let other = Key::new(&folder, "builder-1.rsa");
    apk.change(INDEX, |_| other.sign("RSA256", &index("")));
    apk.refused(
        "REPO/x86_64/APKINDEX.tar.gz: the signature with key builder-1.rsa.pub does not fit the \
         content; it was changed on the way or the mirror is broken",
    );
}

#[test]
fn an_index_without_a_signature() {
    let apk = Apk::alpine();
    apk.change(INDEX, |_| index(""));
    apk.refused("REPO/x86_64/APKINDEX.tar.gz is not signed; unsigned repositories are refused");
}

#[test]
fn an_image_without_keys_for_its_repository() {
    let apk = Apk::alpine();
    let mut root = apk.sample();
    root.remove(&format!("etc/apk/keys/{}", apk.key.name));
    apk.image(&root);
    apk.refused(
        "REPO: no key to verify it: the image has none for it (etc/apk/keys); give the \
         repository's public key with --keyring FILE",
    );
}

#[test]
fn an_index_that_is_cut_off() {
    let apk = Apk::alpine();
    apk.change(INDEX, cut);
    apk.refused(
        "REPO/x86_64/APKINDEX.tar.gz: the signature with key builder-1.rsa.pub does not fit the \
         content; it was changed on the way or the mirror is broken",
    );
    let apk = Apk::alpine();
    apk.change(INDEX, |bytes| bytes[..20].to_vec());
    apk.refused("REPO/x86_64/APKINDEX.tar.gz: it is cut off: member 1 is incomplete");
    // cut off before it was signed
    for (content, why) in [
        (cut(index("P:a\n\n")), "it cannot be unpacked: incomplete deflate stream"),
        (index("C:Q1\nP:a\nV:1\n"), "it is cut off: no empty line ends the last package"),
        (
            index("nothing\n\n"),
            "line 1: \"nothing\" is not a field (want a letter, a colon and a value)",
        ),
    ] {
        let apk = Apk::alpine();
        apk.change(INDEX, |_| apk.key.sign("RSA", &content));
        apk.refused(&format!("REPO/x86_64/APKINDEX.tar.gz: {why}"));
    }
}

#[test]
fn an_index_in_the_format_of_apk_3() {
    let apk = Apk::alpine();
    apk.change(INDEX, |_| b"ADBd\x00\x01".to_vec());
    apk.refused(
        "REPO/x86_64/APKINDEX.tar.gz: it is in apk's version 3 format (ADB), which imgfix does \
         not read; apk 2 does not either: the repository must offer the version 2 format",
    );
}

#[test]
fn a_repository_and_an_architecture_that_are_missing() {
    let apk = Apk::alpine();
    std::fs::remove_dir_all(apk.published("")).expect("remove");
    apk.refused(
        "REPO/x86_64/APKINDEX.tar.gz: not found; check the repository's URL, and whether it has \
         packages for x86_64",
    );
    let apk = Apk::alpine();
    apk.with_file("etc/apk/arch", "riscv64\n");
    apk.refused(
        "REPO/riscv64/APKINDEX.tar.gz: not found; check the repository's URL, and whether it has \
         packages for riscv64",
    );
    apk.with_file("etc/apk/arch", "../../etc\n");
    apk.refused("IMAGE: /etc/apk/arch: \"../../etc\" is not an architecture");
    apk.with_file("etc/apk/repositories", "http://\n");
    apk.refused("/etc/apk/repositories:1: the URL cannot be used: empty host");
}

// --- packages -----------------------------------------------------------------------------

/// Makes the bytes of a package file.
type Make<'a> = &'a dyn Fn(&Apk) -> Vec<u8>;

#[test]
fn packages_that_are_cut_off_changed_or_others() {
    let whole = |apk: &Apk, name: &str, change: &dyn Fn(Package) -> Package| {
        let package = newer().into_iter().find(|one| one.name == name).expect("package");
        change(package).bytes(&apk.key)
    };
    let other =
        |apk: &Apk| padded(other_libfoo().bytes(&apk.key), whole(apk, "libfoo", &|one| one).len());
    let smuggled = |apk: &Apk| {
        // control of the right one, payload of another
        let (right, other) = (whole(apk, "libfoo", &|one| one), other(apk));
        [&right[..right.len() - 10], &other[other.len() - 10..]].concat()
    };
    let adb = |apk: &Apk| {
        let mut bytes = whole(apk, "libfoo", &|one| one);
        bytes[..4].copy_from_slice(b"ADBd");
        bytes
    };
    let cases: [(Make<'_>, &str); 4] = [
        (&|apk| whole(apk, "libfoo", &|one| one)[..500].to_vec(), "500 bytes instead of SIZE"),
        (&other, "its control member is FOUND instead of WANTED"),
        (&smuggled, "its payload is not the one that its .PKGINFO has the datahash of"),
        (
            &adb,
            "it is in apk's version 3 format (ADB), which imgfix does not read; apk 2 does not \
             either: the repository must offer the version 2 format",
        ),
    ];
    for (bytes, why) in cases {
        let apk = Apk::alpine();
        let bytes = bytes(&apk);
        let right = newer().into_iter().find(|one| one.name == "libfoo").expect("package");
        let why = why
            .replace("SIZE", &right.bytes(&apk.key).len().to_string())
            .replace("FOUND", &other_libfoo().identity())
            .replace("WANTED", &right.identity());
        apk.change(LIBFOO, |_| bytes);
        apk.refused(&format!(
            "REPO/x86_64/libfoo-1.2.4-r1.apk: its content is not what the repository's index says \
             ({why}); the mirror may be in the middle of an update, or the content was changed on \
             the way"
        ));
    }
    let apk = Apk::alpine();
    std::fs::remove_file(apk.published(LIBFOO)).expect("remove");
    apk.refused("REPO/x86_64/libfoo-1.2.4-r1.apk: not found");
}

/// As long as the right one.
fn other_libfoo() -> Package {
    let mut package = newer().into_iter().find(|one| one.name == "libfoo").expect("package");
    package.entries.last_mut().expect("a file").data = b"libfoo 1.2.5\n".to_vec();
    package
}

/// The index promises this package with its damage.
fn published_with(package: Package) -> Apk {
    let apk = Apk::alpine();
    let mut all = newer();
    all.retain(|one| one.name != package.name);
    all.push(package);
    apk.publish("RSA", &all);
    apk
}

fn libfoo() -> Package {
    Package::new("libfoo", "1.2.4-r1").origin("foo").with("provides", "so:libfoo.so.1=1.2.4")
}

#[test]
fn a_package_whose_datahash_is_not_its_payloads() {
    let mut package = libfoo().file("usr/lib/libfoo.so.1", "libfoo 1.2.4\n");
    package.datahash = Some("0".repeat(64));
    published_with(package).refused(
        "REPO/x86_64/libfoo-1.2.4-r1.apk: its content is not what the repository's index says (its \
         payload is not the one that its .PKGINFO has the datahash of); the mirror may be in the \
         middle of an update, or the content was changed on the way",
    );
}

#[test]
fn paths_that_leave_the_root() {
    for (path, why) in [
        ("usr/../../evil", "which could leave the root"),
        ("/etc/evil", "which is not relative and normal"),
        ("usr/lib/./evil", "which is not relative and normal"),
    ] {
        let mut package = libfoo();
        package.entries.push(Entry::file(path, "evil\n"));
        published_with(package).refused(&format!(
            "REPO/x86_64/libfoo-1.2.4-r1.apk: its payload has the path {path:?}, {why}"
        ));
    }
    // apk takes names that begin with a dot for its own files, which are not installed
    let mut package = libfoo();
    package.entries.push(Entry::file("../evil", "evil\n"));
    let apk = published_with(package);
    ran(&mut apk.repair()).expect(0);
    let (before, after) = (apk.place.image("1"), apk.place.image("1_fix"));
    let diff = ran(apk.place.imgfix().args(["diff", "-q", "--format=json", &before, &after]));
    assert!(!diff.expect(0).stdout.contains("evil"));
    apk.place.has_nothing_temporary();
}

/// Through a link of the same package, or of the image, nothing outside can be written.
#[test]
fn a_package_that_writes_through_a_link_stays_in_the_image() {
    let outside = tempfile::tempdir().expect("dir");
    let mut package = libfoo();
    let target = outside.path().display().to_string();
    package.entries.push(Entry::link("srv", &target));
    package.entries.push(Entry::file("srv/evil", "evil\n"));
    let apk = published_with(package);
    let ran = ran(&mut apk.repair());
    assert!(ran.code == Some(0) || ran.stderr.starts_with("imgfix: error: "), "{}", ran.stderr);
    assert_eq!(std::fs::read_dir(outside.path()).expect("dir").count(), 0);
    apk.place.has_nothing_temporary();
}

#[test]
fn a_package_that_unpacks_to_very_much() {
    let package = libfoo().entry(Entry::file("usr/lib/zero", vec![0; 200 << 20]));
    let apk = published_with(package);
    let before = snapshot(&apk.place.path("image"));
    let ran = ran(apk.repair().args(["--max-unpacked-size", "100M"])).expect(1);
    let error = "the image unpacks to more than 104857600 bytes; if it may be that large, raise \
                 the limit with --max-unpacked-size\n";
    assert!(ran.stderr.starts_with("imgfix: error: the patch layer (sha256:"), "{}", ran.stderr);
    assert!(ran.stderr.ends_with(error), "{}", ran.stderr);
    assert_same(&before, &snapshot(&apk.place.path("image")));
    apk.place.has_nothing_temporary();
}

// --- what is wanted -----------------------------------------------------------------------

#[test]
fn packages_that_need_each_other() {
    let chain = |version: &str| -> Vec<Package> {
        (0..300)
            .map(|at| {
                Package::new(&format!("ring{at}"), version)
                    .with("depend", &format!("ring{}={version}", (at + 1) % 300))
                    .file(&format!("usr/share/ring/{at}"), version)
            })
            .collect()
    };
    let apk = Apk::new();
    apk.publish("RSA", &chain("2-r0"));
    let mut root = apk.root(ALPINE, "x86_64");
    root.write("etc/apk/world", "ring0\n");
    root.install(DATABASE, &chain("1-r0"), &apk.key);
    apk.image(&root);
    let start = Instant::now();
    let json = ran(&mut apk.repair()).expect(0).json();
    assert_eq!(json["summary"]["packages"], 300);
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}

#[test]
fn a_world_that_forbids_the_newer_version() {
    let apk = Apk::alpine();
    apk.with_file("etc/apk/world", "base<1.1\nfoo-tools\nquiet\nwatcher\n");
    let report = apk.place.path("trivy.json");
    let base = &FOUND[2..3];
    std::fs::write(&report, trivy("alpine", "3.20.3", base).to_string()).expect("report");
    let json = ran(apk.repair().args(["--fail-on=high", "-r"]).arg(&report)).expect(3).json();
    let finding = &json["platforms"][0]["findings"][0];
    assert_eq!(finding["reason"]["kind"], "held", "{finding}");
    assert!(finding["reason"].to_string().contains("world: base<1.1"), "{finding}");
    assert_eq!(json["output"]["digest"], json["image"]["digest"], "the image as it was");
    apk.with_file("etc/apk/world", "base\n<>\n");
    apk.refused(&format!(
        "IMAGE: /etc/apk/world: line 2: a dependency without a name: \"<>\"; {DAMAGED}"
    ));
}

#[test]
fn a_world_that_cannot_be_satisfied() {
    let apk = Apk::alpine();
    for (world, entry) in [("base\nno-such-package\n", "no-such-package"), ("base>=7\n", "base>=7")]
    {
        apk.with_file("etc/apk/world", world);
        apk.refused(&format!(
            "/etc/apk/world of the image asks for {entry}, which is neither installed nor in the \
             repositories, so that apk itself would change nothing: take it out of there, or name \
             the repository that has it with --repository"
        ));
    }
}

// --- the image's database -----------------------------------------------------------------

const DAMAGED: &str = "the package database is damaged: build the image anew";

#[test]
fn a_database_that_is_malformed() {
    let dots = "has a '..' component, which could leave the image root";
    let dots = format!("line 3: path \"../../etc\" {dots}");
    for (text, want) in [
        ("nonsense\n", "line 1: \"nonsense\" is not a field (a letter, a colon and a value)"),
        (
            "C:Q1?\nP:a\nV:1\n\n",
            "line 1: field C: \"Q1?\" is not a checksum (want Q1 and the base64 of 20 bytes, or \
             Q2 and that of 32)",
        ),
        ("P:a\nV:one two\n\n", "line 2: field V: \"one two\" is not a version"),
        ("P:a\n\n", "line 2: the record that ends here has no version (V)"),
        ("F:usr\nP:a\nV:1\n\n", "line 1: field F comes before the package (P) that it is of"),
        ("P:a\nV:1\nF:../../etc\nR:passwd\n\n", dots.as_str()),
        (
            "P:a\nV:1\nF:usr\nR:../../passwd\n\n",
            "line 4: \"../../passwd\" is not the name of a file in a directory",
        ),
        (
            "P:a\nV:1\n\nP:a\nV:2\n\n",
            "line 6: package a is recorded a second time (the first record begins in line 1)",
        ),
    ] {
        let apk = Apk::alpine();
        apk.with_file("lib/apk/db/installed", text);
        apk.refused(&format!("IMAGE: /lib/apk/db/installed: {want}; {DAMAGED}"));
    }
    let apk = Apk::alpine();
    apk.with_file("lib/apk/db/scripts.tar", gzip(b"no archive"));
    apk.refused(&format!(
        "linux/amd64: /lib/apk/db/scripts.tar: member 1: tar stream at byte 0: the archive is cut \
         off; {DAMAGED}"
    ));
    apk.with_file("lib/apk/db/triggers", "Q1 none\n");
    apk.refused(&format!(
        "linux/amd64: /lib/apk/db/triggers: line 1: \"Q1\" is not a checksum (want Q1 and the \
         base64 of 20 bytes, or Q2 and that of 32); {DAMAGED}"
    ));
}

/// Bytes after the data's end, which nothing covers.
fn padded(mut bytes: Vec<u8>, length: usize) -> Vec<u8> {
    bytes.resize(length, 0);
    bytes
}
