//! The built program, run in a place of its own: temporary directory, home, cache, images
//! copied from the fixtures, the fixtures' signed repository. Nothing outside is read or
//! written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The program under test.
pub const IMGFIX: &str = env!("CARGO_BIN_EXE_imgfix");

/// A file or directory of `fixtures/`.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// A scanner's report of the fixtures, without `.json`.
pub fn report(name: &str) -> String {
    fixture("reports").join(format!("{name}.json")).display().to_string()
}

/// The sources.list line of a repository laid out as the fixtures' one.
pub fn repository_line(dir: &Path) -> String {
    let key = fixture("repository/key.asc");
    format!("deb [signed-by={}] file://{} bookworm-security main", key.display(), dir.display())
}

/// How a run ended.
#[derive(Debug)]
pub struct Ran {
    /// `None`: by a signal.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ran {
    /// The run must have ended with `code`.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout, self.stderr))
    }

    /// The digest of the image that was published, from a JSON report.
    #[track_caller]
    pub fn digest(&self) -> String {
        self.json()["output"]["digest"].as_str().expect("an output digest").to_owned()
    }
}

/// Runs a command to its end.
pub fn ran(command: &mut Command) -> Ran {
    command.stdin(Stdio::null()).output().expect("the program runs").into()
}

/// A directory with everything a run needs.
pub struct Place {
    pub dir: TempDir,
}

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        for name in ["tmp", "home", "cache"] {
            std::fs::create_dir(dir.path().join(name)).expect("directory");
        }
        Self { dir }
    }

    /// The command must end with exit code 1, nothing on stdout and exactly this error; the image
    /// and the temporary directory must be as before.
    #[track_caller]
    pub fn refuses(&self, command: &mut Command, error: &str) {
        let before = snapshot(&self.path("image"));
        let ran = ran(command).expect(1);
        assert_eq!(ran.stderr, format!("imgfix: error: {error}\n"));
        assert_eq!(ran.stdout, "");
        assert_same(&before, &snapshot(&self.path("image")));
        self.has_nothing_temporary();
    }

    /// Nothing may be left in the temporary directory.
    #[track_caller]
    pub fn has_nothing_temporary(&self) {
        let left: Vec<_> = std::fs::read_dir(self.path("tmp")).expect("tmp").collect();
        assert!(left.is_empty(), "{left:?}");
    }

    /// A place with the image `debian-12` as `oci:image:12`.
    pub fn debian() -> Self {
        let place = Self::new();
        copy_tree(&fixture("debian-12"), &place.path("image"));
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `oci:…/image:TAG`
    pub fn image(&self, tag: &str) -> String {
        format!("oci:{}:{tag}", self.path("image").display())
    }

    /// The program, without the caller's registries, proxies and caches.
    pub fn imgfix(&self) -> Command {
        let mut command = Command::new(IMGFIX);
        self.prepare(&mut command);
        command
    }

    /// Gives `command` this place's environment.
    pub fn prepare(&self, command: &mut Command) {
        command.current_dir(self.dir.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.path("home")).env("TMPDIR", self.path("tmp"));
    }

    /// `imgfix SUBCOMMAND IMAGE` with this place's cache and no repository named.
    pub fn bare(&self, subcommand: &str, image: &str) -> Command {
        let mut command = self.imgfix();
        command.args([subcommand, image, "--cache-dir"]).arg(self.path("cache"));
        command
    }

    /// `imgfix SUBCOMMAND IMAGE` with the fixtures' repository.
    pub fn on(&self, subcommand: &str, image: &str) -> Command {
        let mut command = self.bare(subcommand, image);
        command.args(["--repository", &repository_line(&fixture("repository"))]);
        command
    }

    /// A quiet repair with the Trivy report, reported as JSON.
    pub fn repair(&self, image: &str) -> Command {
        let mut command = self.on("repair", image);
        command.args(["-q", "--format", "json", "-r", &report("debian-12.trivy")]);
        command
    }

    /// The digest that `tag` of `oci:image` names.
    pub fn tagged(&self, tag: &str) -> Option<String> {
        tagged(&self.path("image"), tag)
    }
}

/// The digest that a tag of a layout names.
pub fn tagged(layout: &Path, tag: &str) -> Option<String> {
    let index = read_json(&layout.join("index.json"));
    let manifests = index["manifests"].as_array().expect("manifests");
    let entry = manifests
        .iter()
        .find(|one| one["annotations"]["org.opencontainers.image.ref.name"] == tag)?;
    Some(entry["digest"].as_str().expect("digest").to_owned())
}

/// The path of a blob of a layout.
pub fn blob(layout: &Path, digest: &str) -> PathBuf {
    layout.join("blobs/sha256").join(digest.strip_prefix("sha256:").expect("sha256"))
}

pub fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("file")).expect("JSON")
}

/// The manifest that a tag of a layout names.
pub fn manifest(layout: &Path, tag: &str) -> Value {
    let digest = tagged(layout, tag).unwrap_or_else(|| panic!("no tag {tag}"));
    read_json(&blob(layout, &digest))
}

/// The version of a package in a dpkg status file.
pub fn version_in(status: &str, package: &str) -> Option<String> {
    let wanted = format!("Package: {package}");
    let paragraph = status.split("\n\n").find(|text| text.lines().any(|line| line == wanted))?;
    paragraph.lines().find_map(|line| line.strip_prefix("Version: ")).map(str::to_owned)
}

/// Every file below `dir`, with its content.
pub fn snapshot(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("directory") {
            let path = entry.expect("entry").path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let content = std::fs::read(&path).expect("file");
                    files.insert(path, content);
                }
            }
        }
    }
    files
}

/// Two snapshots must be equal; says which files differ, not their contents.
#[track_caller]
pub fn assert_same(before: &BTreeMap<PathBuf, Vec<u8>>, after: &BTreeMap<PathBuf, Vec<u8>>) {
    let paths: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let differ: Vec<_> =
        paths.into_iter().filter(|path| before.get(*path) != after.get(*path)).collect();
    assert!(differ.is_empty(), "new, changed or missing: {differ:?}");
}

/// Copies a directory of files and directories.
pub fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("directory");
    for entry in std::fs::read_dir(from).expect("directory") {
        let entry = entry.expect("entry");
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy_tree(&entry.path(), &target),
            false => {
                std::fs::copy(entry.path(), target).expect("copy");
            }
        }
    }
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").expect("/proc")) == 0
}
