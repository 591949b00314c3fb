//! Upgrades a real Debian root with the packages that its security suite has pending, once
//! with dpkg in a chroot and once with imgfix, and compares the two as `differential_dpkg`
//! does. Packages whose scripts would do something are left out of both: which those are is
//! printed, with the reason.
//!
//! Needs root, mmdebstrap, and Debian's repositories: `cargo test --test differential_debian
//! -- --ignored --nocapture`. `IMGFIX_DIFFERENTIAL_INCLUDE=python3,nginx` adds packages.

#[path = "../differential_dpkg/compare.rs"]
mod compare;
#[path = "../differential_dpkg/disk.rs"]
mod disk;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use imgfix::packages::dpkg::Version;
use imgfix::packages::dpkg::control::Stanza;
use imgfix::packages::dpkg::deb::{DebPackage, Limits, unpack};
use imgfix::packages::dpkg::install::{Mark, NewPackage, Options, install};
use imgfix::packages::dpkg::relations::parse_clauses;
use imgfix::packages::dpkg::scripts_check::{check_scripts, check_triggers};
use imgfix::packages::dpkg::status::{State, Status};
use imgfix::rootfs::{FileSystem, ImagePath, Overlay, Spool, Tree};

const ARCHIVE: &str = "http://deb.debian.org/debian";
const SECURITY: &str = "http://deb.debian.org/debian-security";
/// Not part of the image: what was downloaded, and apt's lists of it.
const SKIP: &[&str] = &["/var/cache/apt", "/var/lib/apt/lists", "/debs", "/proc", "/sys", "/dev"];

#[test]
#[ignore = "needs root, mmdebstrap and Debian's repositories"]
fn bullseye() {
    upgrade("bullseye");
}

#[test]
#[ignore = "needs root, mmdebstrap and Debian's repositories"]
fn bookworm() {
    upgrade("bookworm");
}

fn upgrade(suite: &str) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    bootstrap(suite, &root);
    let debs = download(suite, &root);
    let spool = Spool::new().unwrap();
    let packages: Vec<(PathBuf, DebPackage)> = debs
        .into_iter()
        .map(|path| {
            let package = unpack(File::open(&path).unwrap(), &spool, &Limits::default()).unwrap();
            (path, package)
        })
        .collect();
    let tree = Arc::new(disk::tree(&root, SKIP));
    let chosen = without_scripts(&tree, packages);
    assert!(!chosen.is_empty(), "{suite}: nothing can be upgraded without scripts");
    println!("{suite}: {} packages are compared", chosen.len());

    let ours =
        compare::with_imgfix(&root, SKIP, chosen.iter().map(|(_, p)| p.clone()).collect()).unwrap();
    with_dpkg(&root, &chosen);
    let dpkg = disk::snapshot(&root, SKIP);
    let differences = compare::differences(&ours, &dpkg);
    assert!(
        differences.is_empty(),
        "{suite}: {} differences (dpkg | imgfix):\n{}",
        differences.len(),
        differences.join("\n")
    );
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn bootstrap(suite: &str, root: &Path) {
    let more = std::env::var("IMGFIX_DIFFERENTIAL_INCLUDE").unwrap_or_default();
    run(Command::new("mmdebstrap")
        .args(["--quiet", "--variant=minbase", "--components=main"])
        .arg(format!("--include=ca-certificates,{more}").trim_end_matches(','))
        .arg(suite)
        .arg(root)
        .arg(ARCHIVE));
    fs::write(root.join("usr/sbin/policy-rc.d"), "#!/bin/sh\nexit 101\n").unwrap();
    run(Command::new("chmod").arg("755").arg(root.join("usr/sbin/policy-rc.d")));
}

/// The archives of all pending security updates, by the machine's apt over the root.
fn download(suite: &str, root: &Path) -> Vec<PathBuf> {
    fs::write(
        root.join("etc/apt/sources.list"),
        format!("deb {ARCHIVE} {suite} main\ndeb {SECURITY} {suite}-security main\n"),
    )
    .unwrap();
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.arg("-qq").arg("-o").arg(format!("Dir={}", root.display()));
        let status = root.join("var/lib/dpkg/status");
        command.arg("-o").arg(format!("Dir::State::status={}", status.display()));
        command.args(["-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=root"]);
        command.args(["-o", "Acquire::Check-Valid-Until=false"]);
        run(command.args(arguments));
    };
    apt(&["update"]);
    apt(&["-y", "--download-only", "-o", "APT::Keep-Downloaded-Packages=true", "dist-upgrade"]);
    let mut debs: Vec<PathBuf> = fs::read_dir(root.join("var/cache/apt/archives"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .collect();
    debs.sort();
    debs
}

/// The packages whose scripts and triggers do nothing, and that fit to what stays.
fn without_scripts(
    tree: &Arc<Tree>,
    packages: Vec<(PathBuf, DebPackage)>,
) -> Vec<(PathBuf, DebPackage)> {
    let status = tree.read(&ImagePath::literal("/var/lib/dpkg/status")).unwrap();
    let status = Status::parse(status).unwrap();
    let mut chosen = Vec::new();
    for (path, package) in packages {
        let control = &package.control;
        let same = control.stanza.get("Multi-Arch") == Some("same");
        let old = status
            .slot(control.name(), control.architecture(), same)
            .and_then(|at| status.entries.get(at));
        let scripts = check_scripts(&**tree, old, control);
        let verdict = scripts.and_then(|()| {
            let mut overlay = Overlay::new(Arc::clone(tree));
            let new = NewPackage { package: package.clone(), mark: Mark::Manual };
            match install(&mut overlay, &[new], &Options { timestamp: 0 }) {
                Ok(_) => check_triggers(&**tree, &overlay, &[&package]),
                Err(error) => panic!("{}: {error}", package.control.name()),
            }
        });
        match verdict {
            Ok(()) => chosen.push((path, package)),
            Err(reason) => println!("{}: {reason:?}", control.name()),
        }
    }
    while let Some((at, why)) = first_misfit(&status, &chosen) {
        println!("{}: {why}", chosen[at].1.control.name());
        chosen.remove(at);
    }
    chosen
}

/// A chosen package with a relation that does not hold, or that breaks one that stays.
fn first_misfit(status: &Status, chosen: &[(PathBuf, DebPackage)]) -> Option<(usize, String)> {
    let mut versions: BTreeMap<String, String> = BTreeMap::new();
    let mut stanzas: Vec<(Option<usize>, &Stanza)> = Vec::new();
    for entry in status.entries.iter().filter(|entry| entry.state == State::Installed) {
        versions.insert(entry.name.clone(), entry.version().to_owned());
        if !chosen.iter().any(|(_, new)| new.control.name() == entry.name) {
            stanzas.push((None, &entry.stanza));
        }
    }
    for (at, (_, new)) in chosen.iter().enumerate() {
        versions.insert(new.control.name().to_owned(), new.control.version().to_owned());
        stanzas.push((Some(at), &new.control.stanza));
    }
    for (at, stanza) in stanzas {
        for (field, must_hold) in [("Depends", true), ("Pre-Depends", true), ("Breaks", false)] {
            for clause in stanza.get(field).map(|f| parse_clauses(f).unwrap()).unwrap_or_default() {
                let holds = clause.0.iter().any(|relation| {
                    let version = versions.get(&relation.name);
                    version.is_some_and(|v| relation.admits(&Version::parse(v).unwrap()))
                });
                let known = clause.0.iter().any(|relation| versions.contains_key(&relation.name));
                if known && holds != must_hold {
                    let culprit = at.or_else(|| {
                        chosen.iter().position(|(_, new)| {
                            clause.0.iter().any(|r| r.name == new.control.name())
                        })
                    });
                    let who = stanza.get("Package").unwrap_or_default();
                    return Some((culprit?, format!("{field} of {who}: {clause:?}")));
                }
            }
        }
    }
    None
}

fn with_dpkg(root: &Path, chosen: &[(PathBuf, DebPackage)]) {
    fs::create_dir(root.join("debs")).unwrap();
    let mut command = Command::new("chroot");
    command.arg(root).args(["dpkg", "--force-confold", "--force-unsafe-io", "-i"]);
    for (path, _) in chosen {
        let name = path.file_name().unwrap();
        fs::copy(path, root.join("debs").join(name)).unwrap();
        command.arg(Path::new("/debs").join(name));
    }
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C");
    run(command.env("DEBIAN_FRONTEND", "noninteractive"));
}
