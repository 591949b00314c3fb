//! What tests of this room share: real data, which is no part of the project.

use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;

/// The folder that `IMGFIX_RPM_DATA` names; a loud line where it does not.
pub fn data(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("IMGFIX_RPM_DATA").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("NOT RUN: {test} needs IMGFIX_RPM_DATA, a folder of real packages and databases");
    }
    folder
}

/// The folder that `IMGFIX_RPM_GOLDEN` names: packages, and what real rpms made of them.
pub fn golden(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("IMGFIX_RPM_GOLDEN").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("NOT RUN: {test} needs IMGFIX_RPM_GOLDEN, what real rpms made of packages");
    }
    folder
}

/// All files below a folder with this ending, sorted.
pub fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|have| have == ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Names and headers of all SQLite databases below a folder, read by the real `sqlite3`.
pub fn sqlite_databases(folder: &Path) -> Vec<(String, Vec<Bytes>)> {
    let read = |path: PathBuf| {
        // A copy: reading makes files beside it.
        let copy = tempfile::tempdir().unwrap();
        let file = copy.path().join("rpmdb.sqlite");
        std::fs::copy(&path, &file).unwrap();
        let mut sqlite = Command::new("sqlite3");
        sqlite.arg(&file).arg("SELECT hex(blob) FROM Packages ORDER BY hnum");
        let out = sqlite.output().expect("sqlite3 is installed");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let lines = String::from_utf8(out.stdout).unwrap();
        let headers = lines.lines().map(|line| {
            let byte = |at| u8::from_str_radix(&line[at..at + 2], 16).unwrap();
            Bytes::from((0..line.len()).step_by(2).map(byte).collect::<Vec<_>>())
        });
        (path.display().to_string(), headers.collect())
    };
    files(folder, "sqlite").into_iter().map(read).collect()
}

/// The first file below a folder with this name.
pub fn named(folder: &Path, name: &str) -> PathBuf {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.ends_with(name) => return path,
                false => {}
            }
        }
    }
    panic!("no {name}")
}
