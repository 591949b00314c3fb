//! Installs packages made here with the real apk, in a chroot, and with imgfix over a tree of the
//! same root, and compares the two.
#[path = "../differential_dpkg/disk.rs"]
mod disk;

use std::fs;
use std::io::BufReader;
use std::path::PathBuf;
use std::sync::Arc;

use disk::{NodeKind, overlay_snapshot, snapshot, tree};
use imgfix::packages::apk::apk_file::unpack;
use imgfix::packages::apk::commands;
use imgfix::packages::apk::install::{NewPackage, Options, install};
use imgfix::packages::apk::virtual_runner::VirtualRunner;
use imgfix::packages::archive::Limits;
use imgfix::rootfs::{Overlay, Spool};
use imgfix::scripts::Settings;

#[test]
#[ignore = "needs an image"]
fn an_image_of_the_harness() {
    let image = PathBuf::from(std::env::var_os("IMGFIX_APK_IMAGE").unwrap());
    let mut overlay = Overlay::new(Arc::new(tree(&image.join("root"), &[])));
    let log = fs::read_to_string(image.join("apk.log")).unwrap();
    let spool = Spool::new().unwrap();
    let now = 42;
    for commit in log.split("Continuing the upgrade") {
        let mut set = Vec::new();
        for line in commit.lines() {
            let mut words = line.split(' ').skip(1);
            let Some("Upgrading" | "Installing") = words.next() else { continue };
            let Some(name) = words.next() else { continue };
            let Some((_, version)) = line.trim_end_matches(')').rsplit_once([' ', '(']) else {
                continue;
            };
            let file = image.join(format!("next/x86_64/{name}-{version}.apk"));
            let Ok(bytes) = fs::File::open(&file) else { continue };
            let package = unpack(BufReader::new(bytes), &spool, &Limits::default()).unwrap();
            let mut record = package.control.info.record.clone();
            record.size = fs::metadata(&file).unwrap().len();
            record.identity = Some(package.control.identity);
            set.push(NewPackage { package, record, repository_tag: None });
        }
        let settings = Settings { now, architecture: "x86_64".into() };
        let mut runner = VirtualRunner::new(Arc::new(commands::table()), settings);
        let done = std::thread::scope(|s| {
            std::thread::Builder::new()
                .stack_size(256 << 20)
                .spawn_scoped(s, || {
                    install(&mut overlay, &set, &Options { timestamp: now }, &mut runner)
                })
                .unwrap()
                .join()
                .unwrap()
        });
        match done {
            Ok(effects) => {
                effects.iter().for_each(|e| println!("{}", serde_json::to_string(e).unwrap()))
            }
            Err(error) => panic!("{error}"),
        }
    }
    let started: i64 = fs::read_to_string(image.join("started")).unwrap().trim().parse().unwrap();
    let ours = overlay_snapshot(&overlay);
    let theirs = snapshot(&image.join("apk"), &[]);
    let mut paths: Vec<_> = ours.keys().chain(theirs.keys()).collect();
    paths.sort();
    paths.dedup();
    for path in paths {
        match (theirs.get(path), ours.get(path)) {
            (Some(_), None) => println!("DIFF {path}: there | not there"),
            (None, Some(_)) => println!("DIFF {path}: not there | there"),
            (Some(a), Some(b)) => {
                if a.kind != b.kind {
                    match (&a.kind, &b.kind) {
                        (NodeKind::File(a), NodeKind::File(b)) => {
                            let (a, b) = (String::from_utf8_lossy(a), String::from_utf8_lossy(b));
                            let diff = similar::TextDiff::from_lines(&*a, &*b)
                                .unified_diff()
                                .header("apk", "imgfix")
                                .to_string();
                            println!("DIFF {path} {diff}");
                        }
                        _ => println!("DIFF {path} {:?} {:?}", a.kind, b.kind),
                    }
                }
                let m = |n: &disk::Node| format!("{:o} {}:{} {}", n.mode, n.uid, n.gid, n.inode);
                if m(a) != m(b) {
                    println!("DIFF {path} {} | {}", m(a), m(b));
                }
                if a.kind != NodeKind::Directory
                    && a.mtime != b.mtime
                    && !(a.mtime >= started && b.mtime == 42)
                {
                    println!("DIFF {path} time {} | {}", a.mtime, b.mtime);
                }
            }
            _ => {}
        }
    }
}
