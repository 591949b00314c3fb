//! Everything that can be wrong with what comes in for an image that rpm built: one clear error that
//! names the input, the place in it and what to do, nothing published, nothing left behind. A
//! package that nobody trusted has signed is left alone, and that is said.
//!
//! Needs Debian's gnupg; no network.

mod common;

use std::path::Path;
use std::process::Command;

use common::cli::{fixture, ran};
use common::images::layer;
use common::outcome::{changed, verdicts};
use common::rpm::{
    FOUND, REPOSITORY, Rpm, file_of_image, other_database, trivy, unsigned_metadata,
};
use common::rpm_repository::Signer;
use serde_json::Value;

impl Rpm {
    /// The repair must end with exit code 1 and exactly this error; the image and the temporary
    /// directory must be as before. `REPO` stands for the repository's address, `SERVER` for where
    /// it is fetched, `IMAGE` for the image and its platform.
    #[track_caller]
    fn refused(&self, want: &str) {
        self.refused_command(&mut self.repair_all(), want);
    }

    #[track_caller]
    fn refused_command(&self, command: &mut Command, want: &str) {
        let server = REPOSITORY.replace("rpm.imgfix.invalid", &self.server.host);
        let want = want
            .replace("REPO", REPOSITORY)
            .replace("SERVER", &server)
            .replace("IMAGE", &format!("{} (linux/amd64)", self.place.image("9")));
        self.place.refuses(command, &want);
    }

    /// A repair of libfoo and foo-tools must do nothing, because what the repository has of `package`
    /// is not trusted for this reason; the image is as it was.
    #[track_caller]
    fn untrusted(&self, command: &mut Command, package: &str, why: &str) {
        let report = self.report(&trivy(&FOUND[..2]));
        let json = ran(command.arg("-r").arg(&report)).expect(0).json();
        assert_eq!(
            verdicts(&json),
            [
                "CVE-2026-1001 foo-tools not-fixed untrusted",
                "CVE-2026-1001 libfoo not-fixed untrusted"
            ]
        );
        let reason = &json["platforms"][0]["findings"][0]["reason"];
        assert_eq!(reason["package"], package, "{reason}");
        assert_eq!(reason["detail"], why.replace("REPO", REPOSITORY));
        assert_eq!(changed(&json, 0), Vec::<String>::new());
        assert_eq!(json["output"]["digest"], json["image"]["digest"], "the image as it was");
        self.place.has_nothing_temporary();
    }
}

/// Changes the bytes of a file, and nothing that says what they have to be.
fn change(path: &Path, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
    let bytes = std::fs::read(path).expect("file");
    std::fs::write(path, change(bytes)).expect("file");
}

fn flipped(at: usize) -> impl Fn(Vec<u8>) -> Vec<u8> {
    move |mut bytes| {
        bytes[at] ^= 1;
        bytes
    }
}

fn cut(length: usize) -> impl Fn(Vec<u8>) -> Vec<u8> {
    move |mut bytes| {
        bytes.truncate(length);
        bytes
    }
}

fn place(bytes: &[u8], text: &str) -> usize {
    bytes.windows(text.len()).position(|one| one == text.as_bytes()).expect(text)
}

const LIBFOO: &str = "libfoo-1.2.3-2.el9.x86_64.rpm";
const KEY: &str = "DC9FAAF4C132F71ED0C1BFE9731D165049BE9C50";
const KEYS: &str = "/etc/pki/rpm-gpg/RPM-GPG-KEY-fixtures, gpg-pubkey-49be9c50-6ae68100";

// --- the repository ------------------------------------------------------------------------

#[test]
fn a_repomd_that_is_not_what_was_signed() {
    let rpm = Rpm::new();
    change(&rpm.metadata("repomd.xml"), |bytes| flipped(place(&bytes, "<size>") + 6)(bytes));
    let why = format!(
        "baseos REPO: REPO/repodata/repomd.xml: the signature by {KEY} does not fit the content: \
         it was changed"
    );
    rpm.refused(&why);
    // that it need not be signed does not make a wrong signature right
    rpm.add_layers(&[unsigned_metadata()]);
    rpm.refused(&why);
}

#[test]
fn a_repomd_that_is_signed_with_an_unknown_key() {
    let rpm = Rpm::new();
    let other = Signer::other(&rpm);
    other.sign(&rpm);
    let key = other.fingerprint();
    rpm.refused(&format!(
        "baseos REPO: REPO/repodata/repomd.xml is signed by {key}, and none of these keys is in \
         {KEYS}; give the repository's key with --keyring FILE"
    ));
    // where the metadata need not be signed the packages' signatures count
    rpm.add_layers(&[unsigned_metadata()]);
    ran(&mut rpm.repair_all()).expect(0);
}

#[test]
fn a_repomd_without_a_signature() {
    let rpm = Rpm::new();
    std::fs::remove_file(rpm.metadata("repomd.xml.asc")).unwrap();
    rpm.refused(
        "baseos REPO: REPO/repodata/repomd.xml.asc is not there, and the image wants metadata that \
         is signed (repo_gpgcheck)",
    );
    rpm.add_layers(&[unsigned_metadata()]);
    ran(&mut rpm.repair_all()).expect(0);
}

#[test]
fn a_repository_that_is_not_there() {
    let rpm = Rpm::new();
    std::fs::remove_dir_all(rpm.repository()).unwrap();
    rpm.refused(
        "baseos REPO: REPO/repodata/repomd.xml is not there; check the URL and the release in it",
    );
}

#[test]
fn a_primary_that_is_not_what_repomd_says() {
    for (damage, why) in [
        (&flipped(100) as &dyn Fn(Vec<u8>) -> Vec<u8>, "FOUND instead of WANTED"),
        (&cut(500), "500 bytes instead of SIZE"),
    ] {
        let rpm = Rpm::new();
        let path = rpm.metadata("primary.xml.gz");
        let right = std::fs::read(&path).unwrap();
        change(&path, damage);
        let digest = |bytes: &[u8]| imgfix_model::digest::Digest::of(bytes).to_string();
        let why = why
            .replace("FOUND", &digest(&std::fs::read(&path).unwrap()))
            .replace("WANTED", &digest(&right))
            .replace("SIZE", &right.len().to_string());
        let name = path.file_name().unwrap().display();
        rpm.refused(&format!(
            "baseos REPO: SERVER/repodata/{name}: its content is not what the repository's index \
             says ({why}); the mirror may be in the middle of an update, or the content was \
             changed on the way"
        ));
    }
}

#[test]
fn a_primary_that_is_no_primary() {
    for (content, why) in [
        (
            (|text| text[..place(text.as_bytes(), "<version")].to_owned() + "<version x=\"")
                as fn(String) -> String,
            "byte 232: syntax error: attribute value not closed: `\"` not found before end of input",
        ),
        (|_| "<html></html>".to_owned(), "byte 6: the document is a \"html\", not metadata"),
        (
            |text| text.replacen("<metadata", "<!DOCTYPE a [<!ENTITY b \"cccc\">]><metadata", 1),
            "byte 39: a document type, which no metadata has",
        ),
    ] {
        let rpm = Rpm::new();
        rpm.change_primary(content);
        let path = rpm.metadata("primary.xml.gz");
        let name = path.file_name().unwrap().display();
        rpm.refused(&format!("baseos REPO: REPO/repodata/{name}: {why}"));
    }
}

#[test]
fn modules_that_cannot_be_read() {
    for (modules, why) in [
        (
            "---\ndocument: modulemd\ndata: {name: [], stream: 1}\n",
            "data.name: invalid type: sequence, expected a string at line 3 column 14",
        ),
        (
            "---\ndocument: modulemd\ndata: {name: a, stream: &a [*a]}\n",
            "data.stream: invalid type: sequence, expected a string at line 3 column 25",
        ),
    ] {
        let rpm = Rpm::new();
        rpm.add_metadata("modules", modules.as_bytes());
        rpm.refused(&format!("baseos REPO: REPO/repodata: modules: document 1: {why}"));
    }
}

/// The others are repaired, and it is said.
#[test]
fn packages_of_a_primary_that_cannot_be_fetched_are_left_out() {
    for (from, to) in [
        ("<size package=\"6509\"", "<size package=\"x\""),
        ("<location href=\"Packages/editor", "<location href=\"../../../editor"),
    ] {
        let rpm = Rpm::new();
        rpm.change_primary(|text| {
            assert!(text.contains(from));
            text.replacen(from, to, 1)
        });
        let mut command = rpm.on("repair", "9");
        let done = ran(command.arg("--format=json")).expect(0);
        assert!(
            done.stderr
                .contains("1 package cannot be fetched safely and is left out (editor-minimal"),
            "{}",
            done.stderr
        );
        let changed = changed(&done.json(), 0);
        assert_eq!(changed.len(), 9, "{changed:?}");
        assert!(!changed.iter().any(|one| one.starts_with("editor")), "{changed:?}");
    }
}

// --- packages -------------------------------------------------------------------------------

/// Where the header begins, and where the payload does.
fn parts(package: &[u8]) -> (usize, usize) {
    let magic = [0x8e, 0xad, 0xe8, 1];
    let starts: Vec<usize> =
        (0..package.len()).filter(|at| package[*at..].starts_with(&magic)).collect();
    let [_, header] = starts[..] else { panic!("{starts:?}") };
    let number = |at: usize| u32::from_be_bytes(package[at..at + 4].try_into().unwrap()) as usize;
    (header, header + 16 + 16 * number(header + 8) + number(header + 12))
}

#[test]
fn packages_that_are_not_what_the_index_says() {
    let right = std::fs::read(Rpm::new().package(LIBFOO)).unwrap();
    let (header, payload) = parts(&right);
    let digest = |bytes: &[u8]| imgfix_model::digest::Digest::of(bytes).to_string();
    for at in [header + 40, payload + 20] {
        let rpm = Rpm::new();
        change(&rpm.package(LIBFOO), flipped(at));
        let found = digest(&std::fs::read(rpm.package(LIBFOO)).unwrap());
        rpm.refused(&format!(
            "SERVER/Packages/{LIBFOO}: its content is not what the repository's index says ({found} \
             instead of {}); the mirror may be in the middle of an update, or the content was \
             changed on the way",
            digest(&right)
        ));
    }
    let rpm = Rpm::new();
    change(&rpm.package(LIBFOO), cut(3000));
    rpm.refused(&format!(
        "SERVER/Packages/{LIBFOO}: its content is not what the repository's index says (3000 bytes \
         instead of {}); the mirror may be in the middle of an update, or the content was changed \
         on the way",
        right.len()
    ));
    let rpm = Rpm::new();
    std::fs::remove_file(rpm.package(LIBFOO)).unwrap();
    rpm.refused(&format!("SERVER/Packages/{LIBFOO}: not found"));
}

/// The index is made anew for them, as whoever has its key could do.
#[test]
fn packages_that_were_changed_after_they_were_made() {
    let right = std::fs::read(Rpm::new().package(LIBFOO)).unwrap();
    let (header, payload) = parts(&right);
    for (damage, why) in [
        (
            &flipped(header + 40) as &dyn Fn(Vec<u8>) -> Vec<u8>,
            "header: index entry 1 (tag 100, type 8, offset 16777216, count 1): its data is outside",
        ),
        (
            &flipped(place(&right, "A library.")),
            "the digest of the header is not what the package says: it is damaged",
        ),
        (&flipped(payload + 20), "payload: Data corruption detected"),
        (&flipped(0), "not an rpm package: it begins with something else"),
        (&cut(3000), "signature header: a header ends after 2904 bytes, 4404 were to come"),
        (&cut(payload), "payload: incomplete frame"),
    ] {
        let rpm = Rpm::new();
        rpm.change_package(LIBFOO, damage);
        rpm.refused(&format!("REPO/Packages/{LIBFOO}: {why}"));
    }
}

#[test]
fn a_package_without_a_signature() {
    let rpm = Rpm::new();
    let unsigned = std::fs::read(fixture("rpm/unsigned").join(LIBFOO)).unwrap();
    rpm.change_package(LIBFOO, |_| unsigned);
    let why = format!(
        "REPO/Packages/{LIBFOO}: libfoo-1.2.3-2.el9.x86_64 is not signed as expected: it has no \
         signature that can be read"
    );
    rpm.untrusted(&mut rpm.repair_all(), "libfoo", &why);
    // everything else is repaired
    let json = ran(&mut rpm.repair_all()).expect(0).json();
    let done = changed(&json, 0);
    assert_eq!(done.len(), 8, "{done:?}");
    assert!(!done.iter().any(|one| one.contains("foo")), "{done:?}");
    let kept_back = json["platforms"][0]["kept_back"].as_array().unwrap().iter();
    let kept_back: Vec<[&Value; 2]> =
        kept_back.map(|one| [&one["name"], &one["reason"]["kind"]]).collect();
    assert!(kept_back.contains(&[&"libfoo".into(), &"untrusted".into()]), "{kept_back:?}");
}

#[test]
fn a_package_that_a_stranger_has_signed() {
    let rpm = Rpm::with_layers(&[unsigned_metadata()]);
    let key = rpm.place.path("mallory.asc");
    Signer::other(&rpm).export(&key);
    let why = format!(
        "REPO/Packages/foo-tools-1.2.3-2.el9.x86_64.rpm: foo-tools-1.2.3-2.el9.x86_64 is signed by \
         {KEY}, and none of these keys is in {}; give the repository's key with --keyring FILE",
        key.display()
    );
    rpm.untrusted(rpm.repair_all().arg("--keyring").arg(&key), "foo-tools", &why);
}

#[test]
fn a_package_that_is_another_than_the_index_says() {
    let rpm = Rpm::new();
    let quiet = std::fs::read(rpm.package("quiet-2-1.el9.noarch.rpm")).unwrap();
    rpm.change_package(LIBFOO, |_| quiet);
    let why = format!(
        "REPO/Packages/{LIBFOO}: it is package quiet 2-1.el9 noarch, but the index said libfoo \
         1.2.3-2.el9 x86_64"
    );
    rpm.untrusted(&mut rpm.repair_all(), "libfoo", &why);
    // also where the same archive was unpacked for the package that it is
    let json = ran(&mut rpm.repair_all()).expect(0).json();
    let done = changed(&json, 0);
    assert!(done.contains(&"quiet 1-1.el9 2-1.el9".to_owned()), "{done:?}");
    assert!(!done.iter().any(|one| one.contains("foo")), "{done:?}");

    // another version of it
    let rpm = Rpm::new();
    let version = "ver=\"1.2.3\" rel=\"2.el9\"";
    rpm.change_primary(|text| text.replace(version, "ver=\"1.2.3\" rel=\"7.el9\""));
    let why = "REPO/Packages/foo-tools-1.2.3-2.el9.x86_64.rpm: it is package foo-tools 1.2.3-2.el9 \
               x86_64, but the index said foo-tools 1.2.3-7.el9 x86_64";
    rpm.untrusted(&mut rpm.repair_all(), "foo-tools", why);
}

// --- the image's database --------------------------------------------------------------------

const DATABASE: &str = "var/lib/rpm/rpmdb.sqlite";
const DAMAGED: &str = "the package database is damaged: build the image anew";

#[test]
fn a_database_that_is_cut_off_or_another() {
    let whole = file_of_image(DATABASE);
    // every text of it, where they have the same length
    let replaced = |from: &str, to: &str| {
        let mut bytes = whole.clone();
        for at in 0..bytes.len() - from.len() {
            if bytes[at..].starts_with(from.as_bytes()) {
                bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
            }
        }
        bytes
    };
    let pages = whole.len() / 4096;
    for (bytes, why) in [
        (
            whole[..whole.len() / 2].to_vec(),
            format!("head: it says {pages} pages, and there are {}", pages / 2),
        ),
        (
            whole[..whole.len() - 100].to_vec(),
            format!("head: {} bytes are not whole pages of 4096 bytes", whole.len() - 100),
        ),
        (Vec::new(), "head: it is none of an SQLite database".to_owned()),
        (b"nothing".to_vec(), "head: it is none of an SQLite database".to_owned()),
        (
            replaced("blob BLOB", "body BLOB"),
            "schema: rpm makes no table \"Packages\" like this".to_owned(),
        ),
        (
            replaced("Packages", "Packagez"),
            "schema: rpm makes no table \"Packagez\" like this".to_owned(),
        ),
    ] {
        let rpm = Rpm::with_layers(&[layer(DATABASE, &bytes)]);
        rpm.refused(&format!("IMAGE: /{DATABASE}: {why}; {DAMAGED}"));
    }
}

#[test]
fn a_database_whose_log_is_torn() {
    let log = log_of(&file_of_image(DATABASE));
    let path = "var/lib/rpm/rpmdb.sqlite-wal";
    let rpm = Rpm::with_layers(&[layer(path, &log)]);
    ran(&mut rpm.repair_all()).expect(0);
    for (bytes, why) in [
        (cut(log.len() - 50)(log.clone()), "its last frame, at byte 4152, is cut off"),
        (flipped(log.len() - 50)(log.clone()), "the sum of its frame at byte 4152 is wrong"),
    ] {
        let rpm = Rpm::with_layers(&[layer(path, &bytes)]);
        rpm.refused(&format!("IMAGE: /{path}: write-ahead log: {why}; {DAMAGED}"));
    }
}

/// A write-ahead log that writes the first two pages of a database again
/// (<https://www.sqlite.org/fileformat2.html#the_write_ahead_log>).
fn log_of(database: &[u8]) -> Vec<u8> {
    const PAGE: usize = 4096;
    let (mut low, mut high) = (0_u32, 0_u32);
    let mut sum = |bytes: &[u8]| {
        for pair in bytes.chunks_exact(8) {
            let word = |at: usize| u32::from_le_bytes(pair[at..at + 4].try_into().unwrap());
            low = low.wrapping_add(word(0)).wrapping_add(high);
            high = high.wrapping_add(word(4)).wrapping_add(low);
        }
        [low.to_be_bytes(), high.to_be_bytes()].concat()
    };
    let words =
        |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|one| one.to_be_bytes()).collect() };
    let salts = words(&[11, 12]);
    let mut log = [words(&[0x377f_0682, 3_007_000, PAGE as u32, 0]), salts.clone()].concat();
    let head_sum = sum(&log);
    log.extend(head_sum);
    let pages = u32::try_from(database.len() / PAGE).unwrap();
    for (number, pages_after) in [(1, 0), (2, pages)] {
        let head = words(&[number, pages_after]);
        let content = &database[(number as usize - 1) * PAGE..number as usize * PAGE];
        sum(&head);
        let sums = sum(content);
        log.extend([&head[..], &salts, &sums, content].concat());
    }
    log
}

/// rpm would pass over it, as if the package were not there.
#[test]
fn a_header_that_was_changed_in_the_database() {
    let whole = file_of_image(DATABASE);
    let at = place(&whole, "A small editor, with an epoch.");
    let rpm = Rpm::with_layers(&[layer(DATABASE, &flipped(at)(whole))]);
    rpm.refused(&format!(
        "IMAGE: header of package 13 (editor-minimal-2:8.1-1.el9.x86_64): it has not the digest \
         that it says; {DAMAGED}"
    ));
}

#[test]
fn databases_of_other_formats_that_are_cut_off() {
    for (format, file, why) in [
        ("ndb", "Packages.db", "file: 20760 bytes are not whole blocks of 16 bytes"),
        ("bdb", "Packages", "file: 34816 bytes have no page 16 of 4096 bytes"),
    ] {
        let archive = other_database(format);
        let mut archive = tar::Archive::new(&archive[..]);
        let mut entries = archive.entries().unwrap().map(Result::unwrap);
        let mut entry = entries.find(|one| one.path().unwrap().ends_with(file)).unwrap();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
        bytes.truncate(bytes.len() / 2);
        let path = format!("var/lib/rpm/{file}");
        let rpm = Rpm::with_layers(&[other_database(format), layer(&path, &bytes)]);
        rpm.refused(&format!("IMAGE: /{path}: {why}; {DAMAGED}"));
    }
}

#[test]
fn two_databases() {
    let second = layer("usr/lib/sysimage/rpm/rpmdb.sqlite", &file_of_image(DATABASE));
    let rpm = Rpm::with_layers(&[second]);
    rpm.refused(
        "IMAGE: /usr/lib/sysimage/rpm and /var/lib/rpm both have an rpm database, and no setting of \
         the image says which one rpm uses; take away the one that is left over",
    );
}
