//! Installs packages made here with the real apk, in a chroot, and with imgfix over a tree of the
//! same root, and compares the two: every path with type, mode, owner, link target, hard links,
//! content and payload time, and the package database byte for byte.
//!
//! Runs as root, with the root file system of an Alpine release unpacked in `IMGFIX_ALPINE_ROOT`
//! (which stays as it is). No network. `IMGFIX_SEEDS` is a range of systems: `0..200`.

mod archive;
#[path = "../differential_dpkg/disk.rs"]
mod disk;
mod random;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use archive::{Made, index};
use disk::{Node, NodeKind, Snapshot, overlay_snapshot, snapshot, tree};
use imgfix_apk::apk_file::{ApkPackage, unpack};
use imgfix_apk::commands;
use imgfix_apk::install::{InstallError, NewPackage, Options, install};
use imgfix_apk::record::Record;
use imgfix_repair::archive::Limits;
use imgfix_repair::virtual_runner::VirtualRunner;
use imgfix_shell::Settings;
use imgfix_vfs::{Overlay, Spool};

/// What imgfix gives generated files, so that they are known here.
const GENERATED: i64 = 42;

/// The repository lies inside the root too.
const SKIP: &[&str] = &["/own"];

/// A package of the next version with what the index says of it.
struct Offered {
    record: Record,
    package: ApkPackage,
}

fn offered(made: &Made, spool: &Spool) -> Offered {
    let bytes = made.bytes();
    let package = unpack(&bytes[..], spool, &Limits::default()).unwrap();
    let mut record = package.control.info.record.clone();
    record.identity = Some(package.control.identity);
    record.size = bytes.len() as u64;
    Offered { record, package }
}

/// A repository in the root; its packages.
fn repository(root: &Path, name: &str, packages: &[Made], spool: &Spool) -> Vec<Offered> {
    let folder = root.join("own").join(name).join("x86_64");
    fs::create_dir_all(&folder).unwrap();
    let offered: Vec<Offered> = packages.iter().map(|made| offered(made, spool)).collect();
    for made in packages {
        fs::write(folder.join(made.file_name()), made.bytes()).unwrap();
    }
    let records: Vec<Record> = offered.iter().map(|offered| offered.record.clone()).collect();
    fs::write(folder.join("APKINDEX.tar.gz"), index(&records)).unwrap();
    fs::write(root.join("own").join(format!("{name}.list")), format!("/own/{name}\n")).unwrap();
    offered
}

/// Runs apk in the root; what it says, and whether it is content.
fn apk(root: &Path, repository: &str, arguments: &[&str]) -> (String, bool) {
    let output = Command::new("chroot")
        .arg(root)
        .args(["/sbin/apk", "--no-progress", "--no-network", "--allow-untrusted"])
        .args(["--repositories-file", &format!("/own/{repository}.list")])
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (String::from_utf8_lossy(&said).into_owned(), output.status.success())
}

/// The packages in the order in which apk said that it installs them.
fn in_order(said: &str, offered: &[Offered]) -> Vec<NewPackage> {
    let name = |line: &str| {
        let mut words = line.strip_prefix('(')?.split(' ').skip(1);
        matches!(words.next()?, "Upgrading" | "Installing")
            .then(|| words.next())?
            .map(str::to_owned)
    };
    let names = said.lines().filter_map(name);
    names
        .filter_map(|name| offered.iter().find(|one| one.record.name.0 == name))
        .map(|one| NewPackage {
            package: one.package.clone().into(),
            record: one.record.clone(),
            repository_tag: None,
        })
        .collect()
}

fn imgfix(root: &Path, packages: &[NewPackage]) -> Result<Snapshot, InstallError> {
    let mut overlay = Overlay::new(Arc::new(tree(root, SKIP)));
    let settings = Settings::new(GENERATED, "x86_64");
    let mut runner = VirtualRunner::new(Arc::new(commands::table()), settings);
    let work = || {
        install(&mut overlay, packages, &[], &Options { timestamp: GENERATED }, &mut runner)?;
        Ok(overlay_snapshot(&overlay))
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(256 << 20);
        thread.spawn_scoped(scope, work).unwrap().join().unwrap()
    })
}

/// One line a difference.
fn differences(ours: &Snapshot, apk: &Snapshot) -> Vec<String> {
    let mut out = Vec::new();
    let mut paths: Vec<&String> = ours.keys().chain(apk.keys()).collect();
    paths.sort();
    paths.dedup();
    for path in paths {
        match (apk.get(path), ours.get(path)) {
            (Some(_), None) => out.push(format!("{path}: there | not there")),
            (None, Some(_)) => out.push(format!("{path}: not there | there")),
            (Some(apk), Some(ours)) => compare(path, apk, ours, &mut out),
            (None, None) => {}
        }
    }
    out
}

fn compare(path: &str, apk: &Node, ours: &Node, out: &mut Vec<String>) {
    match (&apk.kind, &ours.kind) {
        (NodeKind::File(a), NodeKind::File(b)) if a != b => {
            let (a, b) = (String::from_utf8_lossy(a), String::from_utf8_lossy(b));
            let diff = similar::TextDiff::from_lines(&*a, &*b);
            let diff = diff.unified_diff().header("apk", "imgfix").to_string();
            out.push(format!("{path}: content\n{diff}"));
        }
        (a, b) if a != b => out.push(format!("{path}: {a:?} | {b:?}")),
        _ => {}
    }
    let meta = |node: &Node| format!("{:o} {}:{}", node.mode, node.uid, node.gid);
    if meta(apk) != meta(ours) {
        out.push(format!("{path}: {} | {}", meta(apk), meta(ours)));
    }
    if apk.inode != ours.inode {
        out.push(format!("{path}: linked with {} | {}", apk.inode, ours.inode));
    }
    // A directory's time is when something was put into it; a generated file's is now.
    let is_generated = ours.mtime == GENERATED && apk.mtime > 1_700_000_000;
    if apk.kind != NodeKind::Directory && !is_generated && apk.mtime != ours.mtime {
        out.push(format!("{path}: time {} | {}", apk.mtime, ours.mtime));
    }
}

/// What came of one system.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Equal,
    BothRefuse,
    /// The packages of the first version do not go together.
    None,
    Different(String),
}

fn check(seed: u64, pristine: &Path) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    copy(pristine, &root);
    let spool = Spool::new().unwrap();
    let mut system = random::System::new(seed);
    repository(&root, "first", &system.first, &spool);
    let offered = repository(&root, "next", &system.next, &spool);
    if !apk(&root, "first", &["add", "own-p", "own-q"]).1 {
        return Outcome::None;
    }
    system.edit(&root);
    let before = folder.path().join("before");
    copy(&root, &before);
    let mut upgrade = vec!["add", "--upgrade", "own-p", "own-q"];
    if seed.is_multiple_of(3) {
        upgrade.push("own-r");
    }
    // A package of world that is asked for again stays as it was; one that is new comes first.
    if upgrade.contains(&"own-r") {
        let world = before.join("etc/apk/world");
        let text = fs::read_to_string(&world).unwrap();
        fs::write(&world, format!("{text}own-r\n")).unwrap();
    }
    let (said, content) = apk(&root, "next", &upgrade);
    let ours = imgfix(&before, &in_order(&said, &offered));
    match (ours, content) {
        (Ok(ours), true) => match differences(&ours, &snapshot(&root, SKIP)) {
            lines if lines.is_empty() => Outcome::Equal,
            lines => Outcome::Different(format!("{}\n{said}", lines.join("\n"))),
        },
        (Err(_), false) => Outcome::BothRefuse,
        (Ok(_), false) => Outcome::Different(format!("apk refuses:\n{said}")),
        (Err(error), true) => Outcome::Different(format!("imgfix refuses: {error}\n{said}")),
    }
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

#[test]
#[ignore = "needs root and an Alpine root file system in IMGFIX_ALPINE_ROOT"]
fn the_real_apk_leaves_the_same_tree() {
    let pristine = PathBuf::from(std::env::var_os("IMGFIX_ALPINE_ROOT").unwrap());
    let seeds = std::env::var("IMGFIX_SEEDS").unwrap_or_else(|_| "0..60".to_owned());
    let (from, to) = seeds.split_once("..").unwrap();
    let (mut equal, mut refused, mut failed) = (0, 0, Vec::new());
    for seed in from.parse().unwrap()..to.parse().unwrap() {
        match check(seed, &pristine) {
            Outcome::Equal => equal += 1,
            Outcome::BothRefuse => refused += 1,
            Outcome::None => {}
            Outcome::Different(what) => {
                println!("*** seed {seed}:\n{what}");
                failed.push(seed);
            }
        }
    }
    println!("{equal} equal, {refused} refused by both, different: {failed:?}");
    assert!(failed.is_empty() && equal > 0);
}
