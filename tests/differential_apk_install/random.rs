//! Random systems: three packages in two versions, and what a user changed in between.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::archive::{Item, Made, What};

const FOLDERS: &[&str] = &[
    "etc/x",
    "etc/x/y",
    "etc/apk/x",
    "usr/x",
    "usr/x/y",
    "usr/x/y/z",
    "opt/x",
    "srv/x",
    "etc/init.d",
];
const FILES: &[&str] = &["f", "g", "h", ".keep_me", "long-name.conf"];
const CONTENTS: &[&str] = &["one\n", "two\n", "three\n"];
const MODES: &[u32] = &[0o755, 0o755, 0o755, 0o700, 0o750, 0o1777, 0o2775];
const FILE_MODES: &[u32] = &[0o644, 0o644, 0o755, 0o600, 0o4755];
const USERS: &[&str] = &["root", "root", "root", "mail", "no-such-user"];
const ACTIONS: &[&str] = &["pre-install", "post-install", "pre-upgrade", "post-upgrade", "trigger"];

/// Both versions of all packages.
pub struct System {
    pub first: Vec<Made>,
    pub next: Vec<Made>,
    rng: StdRng,
}

impl System {
    pub fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let names = ["own-p", "own-q", "own-r"];
        let first: Vec<Made> = names[..2].iter().map(|name| made(&mut rng, name, "1-r0")).collect();
        let mut next: Vec<Made> = names.iter().map(|name| made(&mut rng, name, "2-r0")).collect();
        if rng.gen_bool(0.5) {
            next[0].lines.push("depend = own-r".to_owned());
        }
        Self { first, next, rng }
    }

    /// What a user does.
    pub fn edit(&mut self, root: &Path) {
        for folder in FOLDERS {
            let folder = root.join(folder);
            if folder.is_dir() && self.rng.gen_bool(0.15) {
                let mode = *MODES.choose(&mut self.rng).unwrap();
                fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
            }
            for name in FILES {
                let file = folder.join(name);
                let exists = file.symlink_metadata().is_ok();
                match self.rng.gen_range(0..12) {
                    0 if folder.is_dir() => {
                        let _ = fs::remove_file(&file);
                        let content = *CONTENTS.choose(&mut self.rng).unwrap();
                        fs::write(&file, content).unwrap();
                    }
                    1 if exists => fs::remove_file(&file).unwrap(),
                    2 if exists => {
                        fs::remove_file(&file).unwrap();
                        symlink("g", &file).unwrap();
                    }
                    _ => {}
                }
            }
        }
    }
}

fn made(rng: &mut StdRng, name: &str, version: &str) -> Made {
    let mut payload = Vec::new();
    let mut folders = BTreeSet::new();
    for folder in FOLDERS.iter().filter(|_| rng.gen_bool(0.5)).collect::<Vec<_>>() {
        for (end, _) in folder.match_indices('/').chain([(folder.len(), "")]) {
            if folders.insert(folder[..end].to_owned()) {
                payload.push(directory(rng, &folder[..end]));
            }
        }
    }
    let mut files: Vec<String> = Vec::new();
    for folder in folders.iter().filter(|folder| folder.contains('/')) {
        for file in FILES {
            if rng.gen_bool(0.4) {
                let path = format!("{folder}/{file}");
                let what = what(rng, &files);
                if !matches!(what, What::Symlink(_)) && !path.contains(".keep_") {
                    files.push(path.clone());
                }
                payload.push(item(rng, path, what));
            }
        }
    }
    // What a script sees of the files tells when it was run.
    let text = "#!/bin/sh\necho \"$0 $*\" >> /var/log/own\n[ ! -f /etc/x/f ] || cat /etc/x/f >> /var/log/own\n";
    let scripts: Vec<_> = ACTIONS
        .iter()
        .filter(|_| rng.gen_bool(0.5))
        .map(|action| ((*action).to_owned(), text.to_owned()))
        .collect();
    let mut made = Made {
        name: name.to_owned(),
        version: version.to_owned(),
        lines: lines(rng),
        scripts,
        payload,
    };
    if made.scripts.iter().any(|(action, _)| action == "trigger") {
        made.lines.push("triggers = /usr/x/* /etc/x /opt/*".to_owned());
    }
    made
}

/// Relations that make one package win over another, most of the time.
fn lines(rng: &mut StdRng) -> Vec<String> {
    let mut lines = Vec::new();
    match rng.gen_range(0..16) {
        0..=5 => lines.push("origin = own".to_owned()),
        6..=13 => lines.push("replaces = own-p own-q own-r<3".to_owned()),
        14 => lines.push("replaces = own-p<2 own-q>=2 own-r".to_owned()),
        _ => {}
    }
    if rng.gen_bool(0.4) {
        lines.push(format!("replaces_priority = {}", rng.gen_range(0..4)));
    }
    lines
}

fn what(rng: &mut StdRng, files: &[String]) -> What {
    match (rng.gen_range(0..8), files.choose(rng)) {
        (0, _) => What::Symlink((*["f", "../x/g", "/nowhere"].choose(rng).unwrap()).to_owned()),
        (1, Some(target)) => What::HardLink(target.clone()),
        _ => What::File((*CONTENTS.choose(rng).unwrap()).to_owned()),
    }
}

fn directory(rng: &mut StdRng, path: &str) -> Item {
    let mut made = item(rng, path.to_owned(), What::Directory);
    let plain = !path.contains('/') || path.starts_with("etc/apk") && path.len() < 8;
    made.mode = if plain { 0o755 } else { *MODES.choose(rng).unwrap() };
    if plain || path == "etc/init.d" {
        (made.mode, made.user, made.group) = (0o755, "root", "root");
    }
    made
}

fn item(rng: &mut StdRng, path: String, what: What) -> Item {
    let mode = match what {
        What::Symlink(_) => 0o777,
        _ => *FILE_MODES.choose(rng).unwrap(),
    };
    let user = *USERS.choose(rng).unwrap();
    let group = *USERS.choose(rng).unwrap();
    Item { path, what, mode, user, group, mtime: rng.gen_range(1_500_000_000..1_600_000_000) }
}
