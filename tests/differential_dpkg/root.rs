//! A root file system just large enough for dpkg, on disk, and snapshots of it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::deb::Deb;

/// A temporary root with the machine's dpkg inside, `/usr` merged.
pub struct Root {
    folder: tempfile::TempDir,
}

pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0)
}

const PROGRAMS: &[&str] = &[
    "dpkg",
    "dpkg-deb",
    "dpkg-split",
    "dpkg-divert",
    "dpkg-statoverride",
    "dpkg-trigger",
    "tar",
    "rm",
    "diff",
    "sh",
];

impl Root {
    pub fn new() -> Self {
        let root = Self { folder: tempfile::tempdir().unwrap() };
        root.make();
        root
    }

    fn make(&self) {
        for folder in [
            "usr/bin",
            "usr/sbin",
            "usr/lib",
            "usr/lib64",
            "etc/dpkg/dpkg.cfg.d",
            "tmp",
            "debs",
            "var/lib/dpkg/info",
            "var/lib/dpkg/updates",
            "var/lib/dpkg/triggers",
            "var/log",
            "dev",
        ] {
            fs::create_dir_all(self.path(folder)).unwrap();
        }
        for name in ["bin", "sbin", "lib", "lib64"] {
            symlink(format!("usr/{name}"), self.path(name)).unwrap();
        }
        for program in PROGRAMS {
            let from = fs::canonicalize(find(program)).unwrap();
            copy_with_libraries(&from, &self.path(&format!("usr/bin/{program}")), self);
        }
        // dpkg wants to find these; no package here makes it run them.
        for program in ["ldconfig", "start-stop-daemon"] {
            let path = self.path(&format!("usr/sbin/{program}"));
            fs::write(&path, "#!/bin/sh\n").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        self.write("var/lib/dpkg/status", "");
        self.write("var/lib/dpkg/info/format", "1\n");
        self.write("var/lib/dpkg/arch", "amd64\ni386\n");
        self.write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nimgfix:x:77:78::/:/bin/sh\n");
        self.write("etc/group", "root:x:0:\nimgfix:x:78:\nstaff:x:50:\n");
        // Some version of dpkg must be recorded: what it writes depends on it.
        let version = output(Command::new("dpkg-query").args(["-W", "-f", "${Version}", "dpkg"]));
        let version = if version.is_empty() { "1.21.1".into() } else { version };
        let dpkg = Deb::new("dpkg", &version).architecture("amd64").file("/usr/share/dpkg/x", "");
        self.dpkg_install(&[dpkg], "base");
    }

    pub fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join(inside.trim_start_matches('/'))
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn remove(&self, path: &str) {
        let path = self.path(path);
        if fs::symlink_metadata(&path).unwrap().is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }

    pub fn link(&self, path: &str, target: &str) {
        symlink(target, self.path(path)).unwrap();
    }

    pub fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    pub fn chmod(&self, path: &str, mode: u32) {
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(mode)).unwrap();
    }

    pub fn chown(&self, path: &str, uid: u32, gid: u32) {
        std::os::unix::fs::chown(self.path(path), Some(uid), Some(gid)).unwrap();
    }

    /// Runs a command inside.
    pub fn run(&self, command: &[&str]) -> Result<(), String> {
        let result = Command::new("chroot")
            .arg(self.folder.path())
            .args(command)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .output()
            .unwrap();
        if result.status.success() {
            return Ok(());
        }
        Err(format!(
            "{command:?}: {}{}",
            String::from_utf8_lossy(&result.stdout),
            String::from_utf8_lossy(&result.stderr)
        ))
    }

    pub fn dpkg_install(&self, debs: &[Deb], what: &str) {
        self.try_dpkg_install(debs, what).unwrap_or_else(|error| panic!("{what}: {error}"));
    }

    pub fn try_dpkg_install(&self, debs: &[Deb], what: &str) -> Result<(), String> {
        let folder = self.path(&format!("debs/{what}"));
        fs::create_dir_all(&folder).unwrap();
        let files: Vec<String> = debs
            .iter()
            .map(|deb| {
                let path = deb.build(&folder);
                format!("/debs/{what}/{}", path.file_name().unwrap().to_string_lossy())
            })
            .collect();
        let mut command = vec!["dpkg", "--force-unsafe-io"];
        if !self.has_own_answer() {
            command.push("--force-confold");
        }
        command.push("-i");
        command.extend(files.iter().map(String::as_str));
        self.run(&command)
    }

    fn has_own_answer(&self) -> bool {
        fs::read_dir(self.path("etc/dpkg/dpkg.cfg.d"))
            .unwrap()
            .any(|file| fs::read_to_string(file.unwrap().path()).unwrap().contains("force-conf"))
    }

    /// Where it is on disk.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

fn output(command: &mut Command) -> String {
    command
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default()
}

fn find(program: &str) -> PathBuf {
    ["/usr/bin", "/bin", "/usr/sbin", "/sbin"]
        .iter()
        .map(|folder| Path::new(folder).join(program))
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("this test needs {program} on the machine"))
}

fn copy_with_libraries(from: &Path, to: &Path, root: &Root) {
    fs::copy(from, to).unwrap();
    for word in output(Command::new("ldd").arg(from)).split_whitespace() {
        if !word.starts_with('/') {
            continue;
        }
        let inside = Path::new(word);
        let target = root.path(&word.replacen("/usr/", "/", 1));
        if !target.exists() {
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::copy(inside, target).unwrap();
        }
    }
}
