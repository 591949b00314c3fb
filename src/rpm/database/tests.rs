//! Databases of real images, and what is changed in them so that they are none.

use std::path::PathBuf;
use std::sync::Arc;

use imgfix_vfs::{Entry, NoLayers, Tree};

use super::*;
use crate::header::Header;

pub(super) fn tree(files: &[(&str, Vec<u8>)]) -> Tree {
    let entry = |(path, bytes): &(&str, Vec<u8>)| {
        (ImagePath::new(path).unwrap(), Entry::file(bytes.clone(), 0o644, 0))
    };
    Tree::from_entries(files.iter().map(entry), Arc::new(NoLayers))
}

fn records_of(path: &str, bytes: Vec<u8>) -> Vec<Record> {
    let tree = tree(&[(path, bytes)]);
    let location = Location::find(&tree).unwrap().unwrap();
    Database::read(&tree, location).unwrap().records
}

/// The numbers are what `rpm -qa | wc -l` of rpm 4.18 says of the same files.
#[test]
fn real_databases_have_as_many_packages_as_rpm_says() {
    let Some(data) = crate::testing::data("packages are counted as rpm does:") else { return };
    for (file, path, expected) in [
        ("amazonlinux2023.rpmdb.sqlite", "/var/lib/rpm/rpmdb.sqlite", 103),
        ("cbl-mariner2.rpmdb.sqlite", "/var/lib/rpm/rpmdb.sqlite", 129),
        ("osv.rpmdb.sqlite", "/usr/lib/sysimage/rpm/rpmdb.sqlite", 1),
        ("scancode.rpmdb.sqlite", "/usr/share/rpm/rpmdb.sqlite", 2),
        ("sle15-bci.ndb.Packages.db", "/usr/lib/sysimage/rpm/Packages.db", 35),
        ("libuuid.bdb.Packages", "/var/lib/rpm/Packages", 1),
        ("osv.bdb.Packages", "/var/lib/rpm/Packages", 1),
        ("scalibr-epoch.bdb.Packages", "/var/lib/rpm/Packages", 1),
        ("syft.bdb.Packages", "/var/lib/rpm/Packages", 1),
    ] {
        let bytes = std::fs::read(data.join("rpmdb").join(file)).unwrap();
        assert_eq!(records_of(path, bytes).len(), expected, "{file}");
    }
}

/// The files of a folder, as those of `/var/lib/rpm`.
fn folder(path: &std::path::Path) -> Tree {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        let path = format!("/var/lib/rpm/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_file() {
            files.push((path, std::fs::read(entry.path()).unwrap()));
        }
    }
    let files: Vec<_> = files.iter().map(|(path, bytes)| (path.as_str(), bytes.clone())).collect();
    tree(&files)
}

fn setting(name: &str) -> PathBuf {
    std::env::var_os(name).map(PathBuf::from).unwrap_or_else(|| panic!("{name} is not set"))
}

/// Entry of `tests/differential_rpm/databases`: writes each package of the folder `RPMDB` to a file
/// of its number in the folder `HEADERS`.
#[test]
#[ignore = "a step of tests/differential_rpm/databases"]
fn list() {
    let tree = folder(&setting("RPMDB"));
    let database = Database::read(&tree, Location::find(&tree).unwrap().unwrap()).unwrap();
    let out = setting("HEADERS");
    for record in database.records {
        std::fs::write(out.join(record.number.to_string()), record.blob).unwrap();
    }
}

/// Entry of `tests/differential_rpm/databases`: the database in the folder `RPMDB` is changed there,
/// by the file `CHANGES`: lines `add FILE`, `erase NUMBER`.
#[test]
#[ignore = "a step of tests/differential_rpm/databases"]
fn change() {
    let at = setting("RPMDB");
    let tree = folder(&at);
    let database = Database::read(&tree, Location::find(&tree).unwrap().unwrap()).unwrap();
    let text = std::fs::read_to_string(setting("CHANGES")).unwrap();
    let changes: Vec<Change> = text
        .lines()
        .map(|line| match line.split_once(' ').unwrap() {
            ("add", file) => {
                Change::Add(Header::parse(std::fs::read(file).unwrap().into()).unwrap())
            }
            ("erase", number) => Change::Erase(number.parse().unwrap()),
            _ => panic!("{line}"),
        })
        .collect();
    for (path, change) in database.write(&tree, &changes).unwrap().files {
        let file = at.join(std::str::from_utf8(path.file_name()).unwrap());
        match change {
            FileChange::Write(bytes) => std::fs::write(file, bytes).unwrap(),
            FileChange::Remove => std::fs::remove_file(file).unwrap(),
        }
    }
}

proptest::proptest! {
    /// Whatever is in the files, reading them ends, with records or with a message.
    #[test]
    fn any_change_of_a_database_is_read_or_refused(at in 0_usize..16_384, value: u8, cut in 0_usize..16_384) {
        let mut file = include_bytes!("../../../fixtures/rpm/one-package.Packages").to_vec();
        file[at] = value;
        let _ = bdb::records(&file.clone().into());
        file.truncate(cut);
        let _ = bdb::records(&file.into());
    }
}
