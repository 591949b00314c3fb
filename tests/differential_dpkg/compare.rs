//! imgfix's result, and what differs between it and dpkg's.

use std::path::Path;
use std::sync::Arc;

use imgfix_apt::questions::ask_virtually;
use imgfix_dpkg::deb::DebPackage;
use imgfix_dpkg::install::{InstallError, Mark, NewPackage, Options, install};
use imgfix_dpkg_tools as commands;
use imgfix_model::effects::Effect;
use imgfix_repair::virtual_runner::VirtualRunner;
use imgfix_shell::Settings;
use imgfix_vfs::Overlay;

use super::disk::{Node, NodeKind, Snapshot, overlay_snapshot, tree};

/// What imgfix gives generated files, so that they are known here.
const GENERATED: i64 = 42;

/// Installs the packages over the root in `folder`, which stays as it is.
pub fn with_imgfix(
    folder: &Path,
    skip: &[&str],
    packages: Vec<DebPackage>,
) -> Result<Snapshot, InstallError> {
    let mut overlay = Overlay::new(Arc::new(tree(folder, skip)));
    let packages: Vec<NewPackage> = packages
        .into_iter()
        .map(|package| NewPackage { package: package.into(), mark: Mark::Manual })
        .collect();
    // The evaluator calls itself as deep as scripts nest.
    let thread = std::thread::Builder::new().stack_size(256 << 20).spawn(move || {
        let result = run(&mut overlay, &packages);
        (overlay, result)
    });
    let (overlay, result) = thread.unwrap().join().unwrap();
    result?;
    Ok(overlay_snapshot(&overlay))
}

fn run(overlay: &mut Overlay, packages: &[NewPackage]) -> Result<Vec<Effect>, InstallError> {
    let settings = Settings::new(GENERATED, "amd64");
    let mut scripts = VirtualRunner::new(Arc::new(commands::table()), settings);
    let controls: Vec<_> = packages.iter().map(|new| &new.package.control).collect();
    ask_virtually(overlay, &controls, &scripts)?;
    install(overlay, packages, &Options { timestamp: GENERATED }, &mut scripts)
}

/// What is left out of the comparison, each with its reason.
fn is_exempt(path: &str) -> bool {
    // dpkg's log and its locks: not state of the image.
    path.starts_with("/var/log/")
        || ["/var/lib/dpkg/lock", "/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/triggers/Lock"]
            .contains(&path)
        // A cache of ldconfig's by inode number, which an image cannot know.
        || path == "/var/cache/ldconfig/aux-cache"
        // Made by any run of dpkg, always empty.
        || path == "/var/lib/dpkg/triggers/Unincorp"
        || path == "/var/lib/dpkg/parts"
        || path == "/var/lib/dpkg/alternatives"
}

/// One line a difference.
pub fn differences(ours: &Snapshot, dpkg: &Snapshot) -> Vec<String> {
    let mut out = Vec::new();
    let mut paths: Vec<&String> = ours.keys().chain(dpkg.keys()).collect();
    paths.sort();
    paths.dedup();
    for path in paths.into_iter().filter(|path| !is_exempt(path)) {
        match (dpkg.get(path), ours.get(path)) {
            (Some(_), None) => out.push(format!("{path}: there | not there")),
            (None, Some(_)) => out.push(format!("{path}: not there | there")),
            (Some(dpkg), Some(ours)) => compare(path, dpkg, ours, &mut out),
            (None, None) => {}
        }
    }
    out
}

fn compare(path: &str, dpkg: &Node, ours: &Node, out: &mut Vec<String>) {
    match (&dpkg.kind, &ours.kind) {
        (NodeKind::File(a), NodeKind::File(b)) if a != b => {
            let diff = similar::TextDiff::from_lines(
                &*String::from_utf8_lossy(a),
                &*String::from_utf8_lossy(b),
            )
            .unified_diff()
            .header("dpkg", "imgfix")
            .to_string();
            out.push(format!("{path}: content\n{diff}"));
        }
        (a, b) if a != b => out.push(format!("{path}: {a:?} | {b:?}")),
        _ => {}
    }
    let meta = |node: &Node| format!("{:o} {}:{}", node.mode, node.uid, node.gid);
    if meta(dpkg) != meta(ours) {
        out.push(format!("{path}: {} | {}", meta(dpkg), meta(ours)));
    }
    if dpkg.inode != ours.inode {
        out.push(format!("{path}: linked with {} | {}", dpkg.inode, ours.inode));
    }
    // A directory's time is when something was put into it; a generated file's is now; the
    // cache is written again by ldconfig, with the same content.
    let is_directory = dpkg.kind == NodeKind::Directory || path == "/etc/ld.so.cache";
    if !is_directory && ours.mtime != GENERATED && dpkg.mtime != ours.mtime {
        out.push(format!("{path}: time {} | {}", dpkg.mtime, ours.mtime));
    }
    if ours.mtime == GENERATED && !is_directory && dpkg.mtime < 1_500_000_000 {
        out.push(format!("{path}: time {} | generated", dpkg.mtime));
    }
}
