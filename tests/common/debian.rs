//! Debian packages, signed repositories and small Debian images, made from a description. Names
//! and contents may be as hostile as a test wants.
//!
//! Needs Debian's gnupg.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use imgfix_model::digest::Digest;

use super::cli::fixture;
use super::registry::run;

/// A binary package.
#[derive(Debug, Clone, Default)]
pub struct Deb {
    pub name: String,
    pub version: String,
    /// Control members besides `control`: `postinst`, `triggers`.
    pub members: Vec<(String, Vec<u8>)>,
    /// An uncompressed tar.
    pub data: Vec<u8>,
    /// More fields, each with its newline.
    pub fields: String,
}

impl Deb {
    /// With one small file.
    pub fn new(name: &str, version: &str) -> Self {
        let mut data = Tar::default();
        data.file(&format!("./usr/share/{name}/version"), version.as_bytes(), 0o644);
        let (name, version) = (name.to_owned(), version.to_owned());
        Self { name, version, data: data.end(), ..Self::default() }
    }

    pub fn member(mut self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        self.members.push((name.to_owned(), content.into()));
        self
    }

    pub fn control(&self) -> String {
        let Self { name, version, fields, .. } = self;
        format!(
            "Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: test\n{fields}\
             Description: test\n"
        )
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut control = Tar::default();
        control.file("./control", self.control().as_bytes(), 0o644);
        for (name, content) in &self.members {
            control.file(&format!("./{name}"), content, 0o755);
        }
        let mut deb = b"!<arch>\n".to_vec();
        for (name, content) in [
            ("debian-binary", b"2.0\n".to_vec()),
            ("control.tar.xz", xz(&control.end())),
            ("data.tar.xz", xz(&self.data)),
        ] {
            let size = content.len();
            writeln!(deb, "{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`", 0, 0, 0, 644).expect("ar");
            deb.extend(content);
            deb.extend((size % 2 == 1).then_some(b'\n'));
        }
        deb
    }
}

/// A tar file being written, with headers made once: a million entries take a second.
#[derive(Debug, Default)]
pub struct Tar(Vec<u8>);

impl Tar {
    pub fn file(&mut self, name: &str, content: &[u8], mode: u32) {
        self.entry(name, tar::EntryType::Regular, content, mode);
    }

    pub fn directory(&mut self, name: &str) {
        self.entry(name, tar::EntryType::Directory, b"", 0o755);
    }

    fn entry(&mut self, name: &str, kind: tar::EntryType, content: &[u8], mode: u32) {
        let mut header = tar::Header::new_gnu();
        header.as_gnu_mut().expect("gnu").name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_700_000_000);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
    }

    /// An empty file whose name comes in a header of its own.
    pub fn long_named(&mut self, name: &str) {
        self.entry(
            "././@LongLink",
            tar::EntryType::GNULongName,
            &[name.as_bytes(), b"\0"].concat(),
            0o644,
        );
        self.file("x", b"", 0o644);
    }

    pub fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

pub fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(bytes).expect("xz");
    encoder.finish().expect("xz")
}

/// Programs that scripts call: the image must have them, though none is run.
const PROGRAMS: [&str; 14] = [
    "awk", "cat", "cp", "find", "grep", "ln", "mkdir", "mv", "printf", "sed", "seq", "sh", "sort",
    "stat",
];

/// The layer of an image in which dpkg has these packages, each at version 1, and files more.
pub fn root(packages: &[&str], more: impl FnOnce(&mut Tar)) -> Vec<u8> {
    let mut tar = Tar::default();
    let os = "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nPRETTY_NAME=\"Debian 12\"\n";
    tar.file("etc/os-release", os.as_bytes(), 0o644);
    tar.file("var/lib/dpkg/info/format", b"1\n", 0o644);
    let mut status = String::new();
    for (name, version) in
        [("dpkg", "1.21.22")].into_iter().chain(packages.iter().map(|n| (*n, "1")))
    {
        let stanza =
            Deb { fields: "Status: install ok installed\n".into(), ..Deb::new(name, version) };
        status += &format!("{}\n", stanza.control());
        let path = format!("usr/share/{name}/version");
        tar.file(
            &format!("var/lib/dpkg/info/{name}.list"),
            format!("/.\n/{path}\n").as_bytes(),
            0o644,
        );
        tar.file(&path, version.as_bytes(), 0o644);
    }
    tar.file("var/lib/dpkg/status", status.as_bytes(), 0o644);
    for program in PROGRAMS {
        tar.file(&format!("usr/bin/{program}"), b"\x7fELF", 0o755);
    }
    tar.file("bin/sh", b"\x7fELF", 0o755);
    more(&mut tar);
    tar.end()
}

/// What a repository has besides its packages.
#[derive(Default)]
pub struct Index {
    /// More text of `Packages`, before that of the packages.
    pub text: Vec<u8>,
}

/// Publishes packages in `dir`, which is made, signed with the key of the fixtures' repository;
/// the line that names it.
pub fn publish(dir: &Path, packages: &[Deb], index: Index) -> String {
    let dist = dir.join("dists/test");
    let binary = dist.join("main/binary-amd64");
    for folder in [&binary, &dir.join("pool")] {
        std::fs::create_dir_all(folder).expect("directory");
    }
    let mut text = index.text;
    for package in packages {
        let bytes = package.bytes();
        let path = format!("pool/{}_{}_amd64.deb", package.name, package.version);
        let (control, size, digest) = (package.control(), bytes.len(), Digest::of(&bytes));
        write!(text, "{control}Filename: {path}\nSize: {size}\nSHA256: {}\n\n", digest.hex())
            .expect("text");
        std::fs::write(dir.join(path), bytes).expect("package");
    }
    let packed = xz(&text);
    std::fs::write(binary.join("Packages.xz"), &packed).expect("index");
    let date = run("date", &["-u", "-R"]).replace("+0000", "UTC");
    let release = format!(
        "Origin: test\nSuite: test\nCodename: test\nComponents: main\nArchitectures: amd64\n\
         Date: {}\nSHA256:\n {} {} main/binary-amd64/Packages.xz\n",
        date.trim(),
        Digest::of(&packed).hex(),
        packed.len(),
    );
    std::fs::write(dist.join("Release"), release).expect("release");
    sign(dir, &dist);
    let key = fixture("repository/key.asc");
    format!("deb [signed-by={}] file://{} test main", key.display(), dir.display())
}

fn sign(dir: &Path, dist: &Path) {
    let home = dir.join("gnupg").display().to_string();
    std::fs::create_dir(&home).expect("directory");
    std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o700)).expect("mode");
    let gpg = |arguments: &[&str]| {
        let all = [&["--homedir", &home, "--batch", "--yes", "--quiet"], arguments].concat();
        run("gpg", &all)
    };
    gpg(&["--import", &fixture("repository/test-only-secret-key.asc").display().to_string()]);
    let (inline, release) = (dist.join("InRelease"), dist.join("Release"));
    gpg(&[
        "--clearsign",
        "--output",
        &inline.display().to_string(),
        &release.display().to_string(),
    ]);
    run("gpgconf", &["--homedir", &home, "--kill", "all"]);
}
