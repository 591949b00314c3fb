//! Packages, signed repositories and images of apk 2, made from a description.
//!
//! A package is three gzip members: a signature, control (`.PKGINFO` and scripts) and data. The
//! first two are tar archives without an end. What an image's database says is written from the
//! same description, so that a test can say what has to be in it after a repair.
//! (<https://wiki.alpinelinux.org/wiki/Apk_spec>)

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use imgfix_model::hex;

use super::images::gzip;
use super::registry::run;

/// When everything here was made, as apk writes it.
const BUILT: u64 = 1_700_000_000;
const BLOCK: usize = 512;

/// A signing key as abuild-keygen makes it.
pub struct Key {
    private: PathBuf,
    /// The public half's file name in `etc/apk/keys`.
    pub name: String,
    pub public: String,
}

impl Key {
    /// Makes `DIR/NAME` and its public half.
    pub fn new(dir: &Path, name: &str) -> Self {
        let private = dir.join(name);
        let shown = private.display().to_string();
        run("openssl", &["genrsa", "-out", &shown, "2048"]);
        let public = run("openssl", &["rsa", "-in", &shown, "-pubout"]);
        Self { private, name: format!("{name}.pub"), public }
    }

    /// `content` with its signature before it; `kind` is `RSA` or `RSA256`.
    pub fn sign(&self, kind: &str, content: &[u8]) -> Vec<u8> {
        let digest = match kind {
            "RSA" => "-sha1",
            "RSA256" => "-sha256",
            other => panic!("no algorithm {other}"),
        };
        let (input, output) =
            (self.private.with_extension("in"), self.private.with_extension("sig"));
        std::fs::write(&input, content).expect("content");
        let (key, shown) = (self.private.display().to_string(), output.display().to_string());
        let input = input.display().to_string();
        run("openssl", &["dgst", digest, "-sign", &key, "-out", &shown, &input]);
        let signature = std::fs::read(output).expect("signature");
        let name = format!(".SIGN.{kind}.{}", self.name);
        [gzip(&archive([&Entry::file(&name, signature)], false)), content.to_vec()].concat()
    }
}

/// A file, directory or symbolic link.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Relative; written as it is.
    pub path: String,
    pub kind: tar::EntryType,
    pub mode: u32,
    /// Content of a file, target of a link.
    pub data: Vec<u8>,
}

impl Entry {
    pub fn file(path: &str, data: impl Into<Vec<u8>>) -> Self {
        let kind = tar::EntryType::Regular;
        Self { path: path.to_owned(), kind, mode: 0o644, data: data.into() }
    }

    pub fn link(path: &str, target: &str) -> Self {
        let kind = tar::EntryType::Symlink;
        Self { path: path.to_owned(), kind, mode: 0o777, data: target.into() }
    }

    fn directory(path: &str) -> Self {
        let kind = tar::EntryType::Directory;
        Self { path: path.to_owned(), kind, mode: 0o755, data: Vec::new() }
    }

    fn is_directory(&self) -> bool {
        self.kind == tar::EntryType::Directory
    }

    fn append(&self, builder: &mut tar::Builder<Vec<u8>>, hashed: bool) {
        if hashed && !self.is_directory() {
            let hash = hex::encode(Sha1::digest(&self.data));
            let extension = [("APK-TOOLS.checksum.SHA1", hash.as_bytes())];
            builder.append_pax_extensions(extension).expect("tar");
        }
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(self.kind);
        header.set_mode(self.mode);
        header.set_mtime(BUILT);
        header.set_uid(0);
        header.set_gid(0);
        header.set_device_major(0).and_then(|()| header.set_device_minor(0)).expect("tar");
        header.set_username("root").and_then(|()| header.set_groupname("root")).expect("tar");
        let old = header.as_old_mut();
        // whatever the name is, for packages that are not as they should be
        old.name[..self.path.len()].copy_from_slice(self.path.as_bytes());
        let content = match self.kind {
            tar::EntryType::Symlink => {
                old.linkname[..self.data.len()].copy_from_slice(&self.data);
                &[][..]
            }
            _ => &self.data[..],
        };
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append(&header, content).expect("tar");
    }
}

/// `Q1` and the SHA-1, as apk's files have it.
fn identity(bytes: &[u8]) -> String {
    format!("Q1{}", base64::engine::general_purpose::STANDARD.encode(Sha1::digest(bytes)))
}

/// A tar archive without an end; `hashed` as data members are.
fn archive<'a>(entries: impl IntoIterator<Item = &'a Entry>, hashed: bool) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for entry in entries {
        entry.append(&mut builder, hashed);
    }
    let mut bytes = builder.into_inner().expect("tar");
    bytes.truncate(bytes.len() - 2 * BLOCK);
    bytes
}

/// A package.
#[derive(Debug, Clone)]
pub struct Package {
    pub name: String,
    pub version: String,
    pub architecture: String,
    pub origin: String,
    /// Lines of `.PKGINFO`: `depend`, `provides`, `replaces`, `triggers`.
    pub lists: Vec<(&'static str, String)>,
    pub scripts: Vec<Entry>,
    pub entries: Vec<Entry>,
    /// What `.PKGINFO` says of the data, when that is not true.
    pub datahash: Option<String>,
}

impl Package {
    pub fn new(name: &str, version: &str) -> Self {
        let [name, version, architecture, origin] =
            [name, version, "x86_64", name].map(str::to_owned);
        let (lists, scripts, entries) = (Vec::new(), Vec::new(), Vec::new());
        Self { name, version, architecture, origin, lists, scripts, entries, datahash: None }
    }

    pub fn origin(mut self, origin: &str) -> Self {
        self.origin = origin.to_owned();
        self
    }

    /// `field` is that of `.PKGINFO`.
    pub fn with(mut self, field: &'static str, value: &str) -> Self {
        self.lists.push((field, value.to_owned()));
        self
    }

    pub fn script(mut self, action: &str, text: &str) -> Self {
        let text = format!("#!/bin/sh\n{text}\n");
        self.scripts.push(Entry { mode: 0o755, ..Entry::file(&format!(".{action}"), text) });
        self
    }

    /// Adds a file with the directories above it.
    pub fn file(self, path: &str, content: &str) -> Self {
        self.entry(Entry::file(path, content))
    }

    pub fn entry(mut self, entry: Entry) -> Self {
        for (at, _) in entry.path.match_indices('/') {
            let above = &entry.path[..at];
            if !self.entries.iter().any(|known| known.path == above) {
                self.entries.push(Entry::directory(above));
            }
        }
        self.entries.push(entry);
        // directories come before what is in them, and the files of one before other directories
        self.entries.sort_by(|a, b| a.path.cmp(&b.path));
        self
    }

    /// `NAME-VERSION.apk`
    pub fn file_name(&self) -> String {
        format!("{}-{}.apk", self.name, self.version)
    }

    fn data(&self) -> Vec<u8> {
        gzip(&[archive(&self.entries, true), vec![0; 2 * BLOCK]].concat())
    }

    fn control(&self) -> Vec<u8> {
        let hash =
            self.datahash.clone().unwrap_or_else(|| hex::encode(Sha256::digest(self.data())));
        let mut info = format!(
            "# Generated by a test\npkgname = {}\npkgver = {}\npkgdesc = {}\n\
             url = https://example.org/\nbuilddate = {BUILT}\nsize = 4096\narch = {}\norigin = {}\n\
             license = MIT\n",
            self.name,
            self.version,
            self.description(),
            self.architecture,
            self.origin
        );
        for (field, value) in &self.lists {
            writeln!(info, "{field} = {value}").expect("text");
        }
        writeln!(info, "datahash = {hash}").expect("text");
        let info = Entry::file(".PKGINFO", info);
        gzip(&archive(std::iter::once(&info).chain(&self.scripts), false))
    }

    /// What an index says of the control member.
    pub fn identity(&self) -> String {
        identity(&self.control())
    }

    fn description(&self) -> String {
        format!("The package {}", self.name)
    }

    /// The package file.
    pub fn bytes(&self, key: &Key) -> Vec<u8> {
        [key.sign("RSA", &self.control()), self.data()].concat()
    }

    fn values(&self, field: &str) -> String {
        let values = self.lists.iter().filter(|(known, _)| *known == field);
        values.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// The fields that an index and the database have; `size` is that of the package file.
    pub fn record(&self, size: usize) -> String {
        let Self { name, version, architecture, origin, .. } = self;
        let mut text = format!(
            "C:{}\nP:{name}\nV:{version}\nA:{architecture}\nS:{size}\nI:4096\nT:{}\n\
             U:https://example.org/\nL:MIT\no:{origin}\nt:{BUILT}\n",
            identity(&self.control()),
            self.description()
        );
        for (letter, field) in [("D", "depend"), ("p", "provides")] {
            let values = self.values(field);
            if !values.is_empty() {
                writeln!(text, "{letter}:{values}").expect("text");
            }
        }
        text
    }

    /// The paragraph of `installed`.
    pub fn installed(&self, size: usize) -> String {
        let mut text = self.record(size);
        let replaces = self.values("replaces");
        if !replaces.is_empty() {
            writeln!(text, "r:{replaces}").expect("text");
        }
        for directory in self.entries.iter().filter(|one| one.is_directory()) {
            writeln!(text, "F:{}", directory.path).expect("text");
            for file in self.entries.iter().filter(|one| !one.is_directory()) {
                let Some((above, name)) = file.path.rsplit_once('/') else { continue };
                if above != directory.path {
                    continue;
                }
                writeln!(text, "R:{name}").expect("text");
                if file.mode != 0o644 {
                    writeln!(text, "a:0:0:{:o}", file.mode).expect("text");
                }
                writeln!(text, "Z:{}", identity(&file.data)).expect("text");
            }
        }
        text + "\n"
    }
}

/// Publishes packages in `DIR/ARCHITECTURE`, with a signed index.
pub fn publish(dir: &Path, architecture: &str, key: &Key, kind: &str, packages: &[Package]) {
    let folder = dir.join(architecture);
    std::fs::create_dir_all(&folder).expect("repository");
    let mut text = String::new();
    for package in packages {
        let bytes = package.bytes(key);
        text += &package.record(bytes.len());
        text += "\n";
        std::fs::write(folder.join(package.file_name()), bytes).expect("package");
    }
    std::fs::write(folder.join("APKINDEX.tar.gz"), key.sign(kind, &index(&text))).expect("index");
}

/// An index without a signature.
pub fn index(text: &str) -> Vec<u8> {
    gzip(&index_tar(text))
}

/// An index as it unpacks.
pub fn index_tar(text: impl Into<Vec<u8>>) -> Vec<u8> {
    let files = [Entry::file("DESCRIPTION", "v1.0"), Entry::file("APKINDEX", text)];
    [archive(&files, false), vec![0; 2 * BLOCK]].concat()
}

/// `installed` of exactly these packages, in the order of their names.
pub fn installed(packages: &[&Package], key: &Key) -> String {
    let sorted: BTreeMap<&str, &Package> =
        packages.iter().map(|package| (package.name.as_str(), *package)).collect();
    sorted.values().map(|package| package.installed(package.bytes(key).len())).collect()
}

/// An image's root, path by path.
#[derive(Debug, Clone, Default)]
pub struct Root {
    entries: BTreeMap<String, Entry>,
}

impl Root {
    /// Puts a file, and the directories above it.
    pub fn put(&mut self, entry: Entry) {
        for (at, _) in entry.path.match_indices('/') {
            let above = &entry.path[..at];
            self.entries.entry(above.to_owned()).or_insert_with(|| Entry::directory(above));
        }
        self.entries.insert(entry.path.clone(), entry);
    }

    pub fn write(&mut self, path: &str, content: impl Into<Vec<u8>>) {
        self.put(Entry::file(path, content));
    }

    pub fn remove(&mut self, path: &str) {
        self.entries.remove(path).expect("a file of the root");
    }

    /// What the packages bring, and the database `DIRECTORY/installed` of them.
    pub fn install(&mut self, directory: &str, packages: &[Package], key: &Key) {
        for package in packages {
            for entry in &package.entries {
                self.put(entry.clone());
            }
        }
        let all: Vec<&Package> = packages.iter().collect();
        self.write(&format!("{directory}/installed"), installed(&all, key));
    }

    /// `scripts.tar` and `triggers` of these packages, as apk writes them.
    pub fn install_scripts(&mut self, directory: &str, packages: &[Package]) {
        let mut scripts = Vec::new();
        let mut triggers = String::new();
        for package in packages {
            let own = identity(&package.control());
            for script in &package.scripts {
                let path = format!("{}-{}.{own}{}", package.name, package.version, script.path);
                scripts.push(Entry { path, ..script.clone() });
            }
            let watched = package.values("triggers");
            if !watched.is_empty() {
                writeln!(triggers, "{own} {watched}").expect("text");
            }
        }
        let scripts = [archive(&scripts, false), vec![0; 2 * BLOCK]].concat();
        self.write(&format!("{directory}/scripts.tar"), scripts);
        self.write(&format!("{directory}/triggers"), triggers);
    }

    /// As a layer.
    pub fn layer(&self) -> Vec<u8> {
        [archive(self.entries.values(), false), vec![0; 2 * BLOCK]].concat()
    }
}
