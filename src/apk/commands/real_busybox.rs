//! The applets of the busybox in Alpine's own root file systems, in the folder that `ALPINE` in
//! the environment names: what is read out of its bytes is what its links say, and, where the
//! image has it, its own list. Without `ALPINE` the test says loudly that it did not run.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::applets::applets;

fn archives() -> Vec<PathBuf> {
    let Some(folder) = std::env::var_os("ALPINE").map(PathBuf::from) else {
        // Not eprintln!, which the test harness keeps to itself when a test passes.
        let _ = writeln!(
            std::io::stderr(),
            "\n*** NOT RUN: ALPINE is not set, which names a folder of Alpine's root file systems: \
             the applets of its busybox were NOT compared ***\n"
        );
        return Vec::new();
    };
    let shown = folder.display();
    assert!(folder.is_dir(), "ALPINE={shown} is no folder (its path has to be absolute)");
    let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let packed = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "gz");
    let archives: Vec<PathBuf> = entries.filter(packed).collect();
    assert!(!archives.is_empty(), "ALPINE={shown} has no root file system (*.tar.gz)");
    archives
}

fn tar(arguments: &[&str], archive: &Path) -> Vec<u8> {
    let mut command = Command::new("tar");
    command.args(arguments).arg("-zf").arg(archive);
    command.output().unwrap().stdout
}

fn member(archive: &Path, name: &str) -> Vec<u8> {
    let arguments = ["-xOzf", &archive.display().to_string(), name];
    Command::new("tar").args(arguments).output().unwrap().stdout
}

#[test]
fn applets_are_those_that_have_links() {
    for archive in archives() {
        let program = member(&archive, "./bin/busybox");
        let found: BTreeSet<String> =
            applets(&program).unwrap().iter().map(|applet| format!(".{}", applet.path())).collect();
        assert!(found.len() > 250, "{}: {}", archive.display(), found.len());
        let listing = String::from_utf8(tar(&["-tv"], &archive)).unwrap();
        let links: BTreeSet<String> = listing
            .lines()
            .filter_map(|line| line.strip_suffix(" -> /bin/busybox"))
            .filter_map(|line| line.split_ascii_whitespace().last())
            .map(str::to_owned)
            .collect();
        // busybox's own name is no link, and bin/sh belongs to another package.
        let differing: Vec<_> = found.symmetric_difference(&links).collect();
        assert!(
            differing.iter().all(|path| matches!(path.as_str(), "./bin/busybox" | "./bin/sh")),
            "{}: {differing:?}",
            archive.display()
        );
        let list = member(&archive, "./etc/busybox-paths.d/busybox");
        let list: BTreeSet<String> =
            String::from_utf8(list).unwrap().lines().map(|line| format!("./{line}")).collect();
        assert!(list.is_empty() || list == found, "{}", archive.display());
    }
}
