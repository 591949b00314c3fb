//! A copy of a root file system to run real programs in: an overlay that is thrown away.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub struct Root {
    folder: tempfile::TempDir,
    merged: PathBuf,
}

pub struct Outcome {
    pub status: u8,
    pub output: String,
    pub errors: String,
}

/// What scripts find in their environment.
pub const ENVIRONMENT: &[(&str, &str)] = &[
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("LC_ALL", "C.UTF-8"),
    ("DEBIAN_FRONTEND", "noninteractive"),
];

impl Root {
    /// A copy of the root that a variable of the environment names.
    pub fn mount(variable: &str) -> Self {
        assert_eq!(std::fs::metadata("/proc/self").unwrap().uid(), 0, "run this test as root");
        let lower = std::env::var(variable).expect(variable);
        let folder = tempfile::Builder::new().prefix("imgfix-oracle").tempdir_in("/dev/shm");
        let folder = folder.unwrap();
        for name in ["upper", "work", "merged"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let at = |name: &str| folder.path().join(name).display().to_string();
        let options = format!("lowerdir={lower},upperdir={},workdir={}", at("upper"), at("work"));
        let merged = folder.path().join("merged");
        let mount = Command::new("mount")
            .args(["-t", "overlay", "overlay", "-o", &options])
            .arg(&merged)
            .status()
            .unwrap();
        assert!(mount.success(), "overlayfs cannot be mounted here");
        // Java wants it.
        let proc =
            Command::new("mount").args(["--bind", "/proc"]).arg(merged.join("proc")).status();
        assert!(proc.unwrap().success(), "/proc cannot be mounted here");
        // Root file systems of images do not have it.
        let null = merged.join("dev/null").display().to_string();
        let _there = Command::new("mknod").args(["-m", "666", &null, "c", "1", "3"]).output();
        Self { folder, merged }
    }

    pub fn path(&self) -> &Path {
        &self.merged
    }

    pub fn now(&self) -> i64 {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.unwrap().as_secs().try_into().unwrap()
    }

    pub fn prepare(&self, commands: &[String]) {
        for command in commands {
            let words = ["sh", "-ec", command].map(str::to_owned);
            let outcome = self.run(&words);
            assert_eq!(outcome.status, 0, "{command}: {}", outcome.errors);
        }
    }

    /// Runs a program in the chroot, nothing on its standard input.
    pub fn run(&self, words: &[String]) -> Outcome {
        let output = Command::new("chroot")
            .arg(&self.merged)
            .args(["/usr/bin/env", "-i"])
            .args(ENVIRONMENT.iter().map(|(name, value)| format!("{name}={value}")))
            .args(words)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Outcome {
            status: output.status.code().unwrap_or(255) as u8,
            output: String::from_utf8_lossy(&output.stdout).into_owned(),
            errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let done = Command::new("umount").arg("-l").arg(&self.merged).status();
        if !done.is_ok_and(|status| status.success()) {
            eprintln!("{} stays mounted", self.folder.path().display());
        }
    }
}
