//! This machine's processes, and its programs as files of an image.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// Whether another process of this machine has this in its command line.
pub fn is_running(name: &str) -> bool {
    std::fs::read_dir("/proc").expect("processes").flatten().any(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let is_self = entry.file_name().to_str() == Some(&std::process::id().to_string());
        !is_self && String::from_utf8_lossy(&line).contains(name)
    })
}

/// Waits for a condition.
#[track_caller]
pub fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A program of this machine and the libraries that it is linked to.
pub fn linked(name: &str) -> (PathBuf, Vec<PathBuf>) {
    let program = std::fs::canonicalize(format!("/bin/{name}")).expect("the program");
    let linked = Command::new("ldd").arg(&program).output().expect("ldd");
    let linked = String::from_utf8(linked.stdout).expect("paths");
    let words = linked.split_whitespace().filter(|word| word.starts_with('/'));
    (program, words.map(PathBuf::from).collect())
}
