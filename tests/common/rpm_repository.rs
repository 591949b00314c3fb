//! The repository of the tests on rpm as a test changes it and signs it anew: other indexes, other
//! packages, as whoever has the key could publish them.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use imgfix_model::digest::Digest;

use super::cli::fixture;
use super::images::gzip;
use super::registry::run;
use super::rpm::{Rpm, gunzip};

/// A home of gpg with one secret key.
pub struct Signer {
    home: PathBuf,
}

impl Signer {
    /// With the key of the fixtures.
    pub fn own(rpm: &Rpm) -> Self {
        let signer = Self::empty(&rpm.place.path("keys"));
        let secret = fixture("rpm/test-only-secret-key.asc").display().to_string();
        signer.gpg(&["--import", &secret]);
        signer
    }

    /// With a new key, which the image does not know.
    pub fn other(rpm: &Rpm) -> Self {
        let signer = Self::empty(&rpm.place.path("other-keys"));
        let key = ["--quick-generate-key", "Mallory <mallory@imgfix.invalid>", "ed25519", "sign"];
        signer.gpg(&[&["--pinentry-mode", "loopback", "--passphrase", ""][..], &key].concat());
        signer
    }

    fn empty(home: &Path) -> Self {
        std::fs::create_dir(home).expect("directory");
        std::fs::set_permissions(home, std::fs::Permissions::from_mode(0o700)).expect("mode");
        Self { home: home.to_path_buf() }
    }

    fn gpg(&self, arguments: &[&str]) {
        let home = self.home.display().to_string();
        run("gpg", &[&["--homedir", &home, "--batch", "--yes", "--quiet"], arguments].concat());
    }

    /// The fingerprint of its key.
    pub fn fingerprint(&self) -> String {
        let home = self.home.display().to_string();
        let listed = run("gpg", &["--homedir", &home, "--batch", "--with-colons", "--list-keys"]);
        let line = listed.lines().find_map(|line| line.strip_prefix("fpr:"));
        line.expect("a fingerprint").trim_matches(':').to_owned()
    }

    /// Writes the public key to a file.
    pub fn export(&self, file: &Path) {
        self.gpg(&["--armor", "--output", &file.display().to_string(), "--export"]);
    }

    /// Signs `repomd.xml` as it is.
    pub fn sign(&self, rpm: &Rpm) {
        self.sign_in(&rpm.repository());
    }

    fn sign_in(&self, repository: &Path) {
        let repomd = metadata_in(repository, "repomd.xml").display().to_string();
        self.gpg(&["--armor", "--detach-sign", "--output", &format!("{repomd}.asc"), &repomd]);
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        let home = self.home.display().to_string();
        let _ = Command::new("gpgconf").args(["--homedir", &home, "--kill", "all"]).status();
    }
}

/// The file of a repository's `repodata` whose name ends so.
pub fn metadata_in(repository: &Path, end: &str) -> PathBuf {
    let mut files = std::fs::read_dir(repository.join("repodata")).expect("repodata");
    let found = files.find_map(|file| {
        let path = file.expect("file").path();
        path.display().to_string().ends_with(end).then_some(path)
    });
    found.unwrap_or_else(|| panic!("no {end}"))
}

impl Rpm {
    /// The file of `repodata` whose name ends so.
    pub fn metadata(&self, end: &str) -> PathBuf {
        metadata_in(&self.repository(), end)
    }

    pub fn package(&self, file: &str) -> PathBuf {
        self.repository().join("Packages").join(file)
    }

    /// Changes the text of `primary.xml`, and what `repomd.xml` says of it; signs.
    pub fn change_primary(&self, change: impl FnOnce(String) -> String) {
        self.change_primary_in(&self.repository(), change);
    }

    /// The same in another repository.
    pub fn change_primary_in(&self, repository: &Path, change: impl FnOnce(String) -> String) {
        let path = metadata_in(repository, "primary.xml.gz");
        let repomd = metadata_in(repository, "repomd.xml");
        let old = std::fs::read(&path).expect("primary.xml");
        let text = String::from_utf8(gunzip(&path)).expect("text");
        let (old_open, text) = (text.len(), change(text));
        let new = gzip(text.as_bytes());
        std::fs::write(&path, &new).expect("primary.xml");
        let mut named = std::fs::read_to_string(&repomd).expect("repomd.xml");
        for (from, to) in [
            // the digest is in the file's name, too, which stays
            (format!(">{}<", Digest::of(&old).hex()), format!(">{}<", Digest::of(&new).hex())),
            (format!("<size>{}<", old.len()), format!("<size>{}<", new.len())),
            (format!("<open-size>{old_open}<"), format!("<open-size>{}<", text.len())),
        ] {
            assert!(named.contains(&from), "{from}");
            named = named.replace(&from, &to);
        }
        std::fs::write(repomd, named).expect("repomd.xml");
        Signer::own(self).sign_in(repository);
    }

    /// Adds a file of metadata of another type, and signs.
    pub fn add_metadata(&self, kind: &str, text: &[u8]) {
        let repository = self.repository();
        let packed = gzip(text);
        let file = format!("repodata/{kind}.gz");
        std::fs::write(repository.join(&file), &packed).expect("metadata");
        let entry = format!(
            "<data type=\"{kind}\"><checksum type=\"sha256\">{}</checksum>\
             <location href=\"{file}\"/><size>{}</size><open-size>{}</open-size></data></repomd>",
            Digest::of(&packed).hex(),
            packed.len(),
            text.len()
        );
        let repomd = metadata_in(&repository, "repomd.xml");
        let named = std::fs::read_to_string(&repomd).expect("repomd.xml");
        std::fs::write(repomd, named.replace("</repomd>", &entry)).expect("repomd.xml");
        Signer::own(self).sign_in(&repository);
    }

    /// Changes a package, and what the index says of its size and digest; signs.
    pub fn change_package(&self, file: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
        self.change_package_in(&self.repository(), file, change);
    }

    /// The same in another repository.
    pub fn change_package_in(
        &self,
        repository: &Path,
        file: &str,
        change: impl FnOnce(Vec<u8>) -> Vec<u8>,
    ) {
        let path = repository.join("Packages").join(file);
        let old = std::fs::read(&path).expect("package");
        let (digest, size) = (Digest::of(&old).hex(), old.len());
        let new = change(old);
        std::fs::File::create(&path).and_then(|mut to| to.write_all(&new)).expect("package");
        self.change_primary_in(repository, |text| {
            let (before, rest) = text.split_once(&digest).expect("the package's digest");
            let rest = rest.replacen(
                &format!("<size package=\"{size}\""),
                &format!("<size package=\"{}\"", new.len()),
                1,
            );
            format!("{before}{}{rest}", Digest::of(&new).hex())
        });
    }
}
