use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use imgfix_repair::archive::Limits;

use super::*;
use crate::archive;
use crate::header::MAGIC;
use crate::testing;

/// When the tests' data was collected, in seconds since the epoch.
const NOW: i64 = 1_796_000_000;

/// All keys of vendors, and those that are no keys of ours to read, with the reason.
fn keys(folder: &Path) -> (Keyring, Vec<String>) {
    let (mut all, mut unread) = (Keyring::default(), Vec::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.contains("KEY") {
            match Keyring::parse(&name, &std::fs::read(&path).unwrap()) {
                Ok(keyring) => all.extend(keyring),
                Err(error) => unread.push(error.to_string()),
            }
        }
    }
    (all, unread)
}

/// All headers of an ndb database: each blob has a head of 16 bytes, its length last.
fn blobs(database: &Path) -> Vec<Package> {
    let bytes = Bytes::from(std::fs::read(database).unwrap());
    let mut packages = Vec::new();
    for at in (0..bytes.len()).step_by(16).filter(|&at| bytes[at..].starts_with(b"BlbS")) {
        let len = u32::from_le_bytes(*bytes[at + 12..].first_chunk().unwrap()) as usize;
        let header = Header::parse(bytes.slice(at + 16..at + 16 + len)).unwrap();
        packages.push(Package::new(header).unwrap());
    }
    packages
}

/// All headers of a database, by the real rpm.
fn exported(database: &Path) -> Vec<Package> {
    let mut rpmdb = Command::new("rpmdb");
    rpmdb.arg("--exportdb").arg("--dbpath").arg(database);
    let bytes = Bytes::from(rpmdb.output().unwrap().stdout);
    let (mut packages, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let rest = bytes.slice(at..);
        let size = Header::size_in_archive(&rest, tag::HEADERIMMUTABLE).unwrap();
        let header = Header::parse(rest.slice(MAGIC.len()..size)).unwrap();
        packages.push(Package::new(header).unwrap());
        at += size;
    }
    packages
}

/// Every package of four vendors' databases is by its vendor; none is when a byte differs.
#[test]
fn packages_of_real_databases_are_by_their_vendors() {
    let name = "packages_of_real_databases_are_by_their_vendors";
    let Some(data) = testing::data(name) else { return };
    if Command::new("rpmdb").arg("--version").output().is_err() {
        eprintln!("NOT RUN: {name} needs rpmdb");
        return;
    }
    let (keyring, unread) = keys(&data.join("keys"));
    eprintln!(
        "{} keys; not read: {unread:?}; unusable: {:?}",
        keyring.len(),
        keyring.unusable(NOW)
    );
    let work = tempfile::tempdir().unwrap();
    let mut good = 0;
    for (file, to) in [
        ("rpmdb/amazonlinux2023.rpmdb.sqlite", "rpmdb.sqlite"),
        ("rpmdb/cbl-mariner2.rpmdb.sqlite", "rpmdb.sqlite"),
        ("rpmdb/sle15-bci.ndb.Packages.db", "Packages.db"),
        ("rootfs/var-lib-rpm.tar.xz", ""),
    ] {
        let mut folder = work.path().join(file.replace('/', "-"));
        std::fs::create_dir(&folder).unwrap();
        match to {
            "" => {
                let mut tar = Command::new("tar");
                assert!(
                    tar.arg("-xf")
                        .arg(data.join(file))
                        .arg("-C")
                        .arg(&folder)
                        .status()
                        .unwrap()
                        .success()
                );
                let packages = testing::named(&folder, "Packages");
                folder = packages.parent().unwrap().to_owned();
            }
            to => drop(std::fs::copy(data.join(file), folder.join(to)).unwrap()),
        }
        let packages = match to {
            "Packages.db" => blobs(&folder.join(to)),
            _ => exported(&folder),
        };
        let mut here = 0;
        for package in packages.iter().filter(|package| !package.is_key()) {
            let header = package.header();
            match verify_header(header, package, &keyring, Era::New, NOW) {
                Ok(_) => here += 1,
                Err(error) => eprintln!("{file}: {error}"),
            }
        }
        eprintln!("{file}: {here} of {}", packages.len());
        good += here;
    }
    assert_eq!(good, 365);
}

/// Archives that vendors signed: who is believed in which era, and no byte may differ.
#[test]
fn archives_are_by_their_vendors() {
    let Some(data) = testing::data("archives_are_by_their_vendors") else { return };
    let (keyring, _) = keys(&data.join("keys"));
    let (mut old, mut new) = (0, 0);
    for file in testing::files(&data.join("rpm-signed"), "rpm") {
        let bytes = std::fs::read(&file).unwrap();
        let headers = archive::inspect(&bytes[..], &Limits::default()).unwrap();
        let size = |header: &Header| header.blob().len() + MAGIC.len();
        let at = 96 + size(&headers.signature).next_multiple_of(8) + size(headers.package.header());
        let payload = &bytes[at..];
        let by = |era| verify_archive(&headers, payload, &keyring, era, NOW);
        let label = headers.package.label();
        match (by(Era::Old), by(Era::New)) {
            (Ok(verified), strict) => {
                eprintln!("{label}: {:?}, strict: {}", verified.signed, strict.is_ok());
                old += 1;
                new += usize::from(strict.is_ok());
                if verified.signed == Signed::HeaderAndPayload {
                    let mut bad = payload.to_vec();
                    bad[payload.len() / 2] ^= 1;
                    let error = verify_archive(&headers, &bad, &keyring, Era::Old, NOW);
                    assert!(matches!(error, Err(SignatureError::Bad { .. })), "{label}");
                }
            }
            (Err(error), strict) => {
                assert!(strict.is_err());
                eprintln!("{error}");
            }
        }
    }
    eprintln!("{old} in the old era, {new} in the new one");
    assert!(old >= 12 && new >= 10, "{old} {new}");
}

/// A header in which one byte differs, and a signature of which one differs, are refused.
#[test]
fn a_flipped_byte_is_refused() {
    let Some(data) = testing::data("a_flipped_byte_is_refused") else { return };
    let (keyring, _) = keys(&data.join("keys"));
    let file = data.join("rpm-signed/crypto-policies-20210617-1.gitc776d3e.el8.noarch.rpm");
    let bytes = std::fs::read(file).unwrap();
    let headers = archive::inspect(&bytes[..], &Limits::default()).unwrap();
    let (signature, package) = (&headers.signature, &headers.package);
    let verify = |signature: &Header, package: &Package| {
        verify_header(signature, package, &keyring, Era::New, NOW)
    };
    verify(signature, package).unwrap();
    let mut refused = 0;
    let own = package.header().blob();
    for at in (0..own.len()).step_by(own.len() / 200) {
        let mut bad = own.to_vec();
        bad[at] ^= 4;
        // Most changes are no header any more.
        let Ok(Ok(bad)) = Header::parse(bad.into()).map(Package::new) else { continue };
        let error = verify(signature, &bad).unwrap_err();
        assert!(matches!(error, SignatureError::Bad { .. }), "byte {at}: {error}");
        refused += 1;
    }
    assert!(refused > 50, "{refused}");
    let bin = signature.bin(tag::RSAHEADER).unwrap();
    for at in (0..bin.len()).step_by(7) {
        let mut bad = bin.to_vec();
        bad[at] ^= 4;
        let mut new = crate::header::NewHeader::default();
        new.bin(tag::RSAHEADER, &bad);
        let bad = new.region(tag::HEADERSIGNATURES).unwrap();
        // What is not signed of a signature (its issuer's hint) may differ.
        if verify(&bad, package).is_ok() {
            eprintln!("byte {at} of the signature says nothing");
            assert!(at < 60, "{at}");
        }
    }
}
