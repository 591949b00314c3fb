//! The fixtures' signed repository as a copy that a test changes and signs anew: other relations,
//! other contents, other dates, as whoever has the key could publish them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use imgfix_model::digest::Digest;

use super::cli::{Place, copy_tree, fixture, repository_line};
use super::registry::run;

const DIST: &str = "dists/bookworm-security";
const INDEX: &str = "main/binary-amd64/Packages";

/// A copy of the repository in a place of its own.
pub struct Signed {
    pub dir: PathBuf,
    keys: PathBuf,
}

impl Signed {
    /// `name` is the directory's, below the place.
    pub fn new(place: &Place, name: &str) -> Self {
        let dir = place.path(name);
        copy_tree(&fixture("repository"), &dir);
        let keys = place.path(&format!("{name}-keys"));
        std::fs::create_dir(&keys).expect("directory");
        std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o700)).expect("mode");
        let secret = fixture("repository/test-only-secret-key.asc").display().to_string();
        let repository = Self { dir, keys };
        repository.gpg(&["--import", &secret]);
        repository
    }

    /// The line of sources.list.
    pub fn line(&self) -> String {
        repository_line(&self.dir)
    }

    pub fn dist(&self) -> PathBuf {
        self.dir.join(DIST)
    }

    fn gpg(&self, arguments: &[&str]) {
        let home = self.keys.display().to_string();
        let mut all = vec!["--homedir", &home, "--batch", "--yes", "--quiet"];
        all.extend(arguments);
        run("gpg", &all);
    }

    /// Changes the text of the index of amd64 and signs.
    pub fn index(&self, change: impl FnOnce(String) -> String) {
        let file = self.dist().join(INDEX);
        let text = change(std::fs::read_to_string(&file).expect("index"));
        std::fs::write(&file, text).expect("index");
        self.release(|text| text);
    }

    /// Changes the unpacked content of a package, and what the index says of size and checksum.
    pub fn package(&self, name: &str, change: impl FnOnce(&Path)) {
        let file = self.dist().join(INDEX);
        let text = std::fs::read_to_string(&file).expect("index");
        let wanted = format!("Package: {name}\n");
        let stanza = text.split("\n\n").find(|one| format!("{one}\n").contains(&wanted));
        let stanza = stanza.expect("a package of that name").to_owned();
        let field = |name: &str| {
            let line = stanza.lines().find_map(|line| line.strip_prefix(name));
            line.expect("a field").trim().to_owned()
        };
        let deb = self.dir.join(field("Filename:"));
        let unpacked = self.keys.join("unpacked");
        let (deb_name, folder) = (deb.display().to_string(), unpacked.display().to_string());
        run("dpkg-deb", &["-R", &deb_name, &folder]);
        change(&unpacked);
        run("dpkg-deb", &["--root-owner-group", "-Zgzip", "-b", &folder, &deb_name]);
        std::fs::remove_dir_all(unpacked).expect("remove");
        let bytes = std::fs::read(&deb).expect("package");
        let new = stanza
            .replace(&format!("\nSize: {}", field("Size:")), &format!("\nSize: {}", bytes.len()))
            .replace(&field("SHA256:"), &Digest::of(&bytes).hex());
        self.index(|text| text.replace(&stanza, &new));
    }

    /// Writes and signs a Release with the index's checksum, its other fields changed.
    pub fn release(&self, change: impl FnOnce(String) -> String) {
        let dist = self.dist();
        let old = std::fs::read_to_string(dist.join("Release")).expect("Release");
        let fields =
            old.split("SHA256:").next().expect("fields").replace("-By-Hash: yes", "-By-Hash: no");
        let index = std::fs::read(dist.join(INDEX)).expect("index");
        let line = format!(" {} {} {INDEX}\n", Digest::of(&index).hex(), index.len());
        let text = format!("{}SHA256:\n{line}", change(fields));
        std::fs::write(dist.join("Release"), text).expect("Release");
        self.sign();
    }

    /// As [`Signed::release`], of another date.
    pub fn dated(&self, date: &str) {
        self.release(|text| {
            let line = |line: &str| match line.starts_with("Date: ") {
                true => format!("Date: {date}\n"),
                false => format!("{line}\n"),
            };
            text.lines().map(line).collect()
        });
    }

    fn sign(&self) {
        let release = self.dist().join("Release").display().to_string();
        let out = |name: &str| self.dist().join(name).display().to_string();
        self.gpg(&["--clearsign", "--output", &out("InRelease"), &release]);
        self.gpg(&["--detach-sign", "--armor", "--output", &out("Release.gpg"), &release]);
    }
}

impl Drop for Signed {
    fn drop(&mut self) {
        let home = self.keys.display().to_string();
        let _ = Command::new("gpgconf").args(["--homedir", &home, "--kill", "all"]).status();
    }
}
