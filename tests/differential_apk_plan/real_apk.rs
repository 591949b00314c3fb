//! The apk of an unpacked root, asked for plans of systems that are nothing but a database.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::systems::System;

/// What apk says it would do.
#[derive(Debug)]
pub enum Answer {
    /// `name from>to` and `Purging name (version)`, in its order; whether something is replaced
    /// or lowered.
    Steps {
        steps: Vec<String>,
        lowers: bool,
    },
    Unsatisfiable(String),
}

pub struct RealApk {
    root: PathBuf,
}

impl RealApk {
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// What it installs of a repository for a world, when nothing is there yet.
    pub fn first(&self, repository: &str, world: &[String]) -> Answer {
        let system =
            System { world: world.to_vec(), offered: repository.to_owned(), ..System::default() };
        self.run(&system, &["add"])
    }

    pub fn upgrade(&self, system: &System, names: &[&str]) -> Answer {
        self.run(system, &[&["upgrade"], names].concat())
    }

    /// As `apk --version` begins: `apk-tools 2.14.4`.
    pub fn version(&self) -> String {
        let output = self.program().arg("--version").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.split(',').next().unwrap_or_default().trim().to_owned()
    }

    fn program(&self) -> Command {
        let libraries = format!("{0}/lib:{0}/usr/lib", self.root.display());
        let mut command = Command::new(self.root.join("lib/ld-musl-x86_64.so.1"));
        command.args(["--library-path", &libraries]).arg(self.root.join("sbin/apk"));
        command
    }

    fn run(&self, system: &System, arguments: &[&str]) -> Answer {
        let scratch = tempfile::tempdir().unwrap();
        write(scratch.path(), system);
        let output = self
            .program()
            .arg("--root")
            .arg(scratch.path())
            .args(["--allow-untrusted", "--no-cache", "--simulate", "--no-progress"])
            .args(arguments)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(
                (text.clone() + &error).contains("unable to select packages"),
                "{text}{error}\n{system}"
            );
            return Answer::Unsatisfiable(text + &error);
        }
        answer(&text)
    }
}

/// Reads lines as `(1/2) Upgrading a (1 -> 2)`.
fn answer(text: &str) -> Answer {
    let (mut steps, mut lowers) = (Vec::new(), false);
    for line in text.lines().filter(|line| line.starts_with('(')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let version = |at: usize| words[at].trim_matches(['(', ')']);
        let name = words[2].split('@').next().unwrap();
        match words[1] {
            "Upgrading" => steps.push(format!("{name} {}>{}", version(3), version(5))),
            "Installing" => steps.push(format!("{name} >{}", version(3))),
            "Purging" => steps.push(format!("Purging {name} {}", words[3])),
            "Replacing" | "Downgrading" => {
                lowers = true;
                steps.push(words[1..].join(" "));
            }
            // "Updating pinning": it changes the record of the tag only.
            "Updating" => {}
            other => panic!("{other}: {line}"),
        }
    }
    Answer::Steps { steps, lowers }
}

fn write(root: &Path, system: &System) {
    for directory in ["etc/apk", "lib/apk/db", "var/cache/apk", "main/x86_64", "edge/x86_64"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    fs::write(root.join("etc/apk/arch"), "x86_64\n").unwrap();
    fs::write(root.join("etc/apk/world"), system.world.join("\n") + "\n").unwrap();
    let at = root.display();
    let repositories = format!("{at}/main\n@edge {at}/edge\n");
    fs::write(root.join("etc/apk/repositories"), repositories).unwrap();
    fs::write(root.join("lib/apk/db/installed"), &system.installed).unwrap();
    fs::write(root.join("lib/apk/db/triggers"), "").unwrap();
    fs::write(root.join("lib/apk/db/scripts.tar"), [0; 1024]).unwrap();
    for (name, text) in [("main", &system.offered), ("edge", &system.edge)] {
        let file = fs::File::create(root.join(name).join("x86_64/APKINDEX.tar.gz")).unwrap();
        let mut archive = tar::Builder::new(GzEncoder::new(file, Compression::fast()));
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_entry_type(tar::EntryType::Regular);
        archive.append_data(&mut header, "APKINDEX", text.as_bytes()).unwrap();
        archive.into_inner().unwrap().finish().unwrap();
    }
}
