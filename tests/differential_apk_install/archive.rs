//! Packages as the tests describe them, and their files in apk's format.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use imgfix_apk::record::Record;
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

/// A package that a test makes up.
#[derive(Debug, Clone)]
pub struct Made {
    pub name: String,
    pub version: String,
    /// Lines of `.PKGINFO` besides the usual ones.
    pub lines: Vec<String>,
    /// By name: `post-install`.
    pub scripts: Vec<(String, String)>,
    pub payload: Vec<Item>,
}

#[derive(Debug, Clone)]
pub struct Item {
    pub path: String,
    pub what: What,
    pub mode: u32,
    pub user: &'static str,
    pub group: &'static str,
    pub mtime: u64,
}

#[derive(Debug, Clone)]
pub enum What {
    Directory,
    File(String),
    Symlink(String),
    HardLink(String),
}

impl Made {
    pub fn file_name(&self) -> String {
        format!("{}-{}.apk", self.name, self.version)
    }

    /// The package's file, without a signature.
    pub fn bytes(&self) -> Vec<u8> {
        let mut data = Vec::new();
        for item in &self.payload {
            item.write(&mut data);
        }
        data.extend([0; 1024]);
        let data = gzip(&data);
        let mut info = format!(
            "pkgname = {}\npkgver = {}\npkgdesc = x\nurl = u\nsize = 4096\narch = x86_64\n\
             license = MIT\nbuilddate = 1600000000\n",
            self.name, self.version
        );
        for line in &self.lines {
            info += &format!("{line}\n");
        }
        info += &format!("datahash = {}\n", hex(&Sha256::digest(&data)));
        let mut control = Vec::new();
        member(&mut control, b'0', ".PKGINFO", "", info.as_bytes(), &Attributes::default());
        for (name, text) in &self.scripts {
            let executable = Attributes { mode: 0o755, ..Attributes::default() };
            member(&mut control, b'0', &format!(".{name}"), "", text.as_bytes(), &executable);
        }
        [gzip(&control), data].concat()
    }
}

impl Item {
    fn write(&self, out: &mut Vec<u8>) {
        let attributes =
            Attributes { mode: self.mode, user: self.user, group: self.group, mtime: self.mtime };
        let summed: Option<&[u8]> = match &self.what {
            What::File(content) => Some(content.as_bytes()),
            What::Symlink(target) => Some(target.as_bytes()),
            _ => None,
        };
        if let Some(content) = summed {
            let rest = format!(" APK-TOOLS.checksum.SHA1={}\n", hex(&Sha1::digest(content)));
            let record = format!("{}{rest}", rest.len() + 2);
            member(out, b'x', "pax", "", record.as_bytes(), &attributes);
        }
        match &self.what {
            What::Directory => member(out, b'5', &format!("{}/", self.path), "", b"", &attributes),
            What::File(content) => {
                member(out, b'0', &self.path, "", content.as_bytes(), &attributes)
            }
            What::Symlink(target) => member(out, b'2', &self.path, target, b"", &attributes),
            What::HardLink(target) => member(out, b'1', &self.path, target, b"", &attributes),
        }
    }
}

/// The index of a repository.
pub fn index(records: &[Record]) -> Vec<u8> {
    let mut text = String::new();
    for record in records {
        record.write(&mut text);
        text.push('\n');
    }
    let mut out = Vec::new();
    member(&mut out, b'0', "DESCRIPTION", "", b"x", &Attributes::default());
    member(&mut out, b'0', "APKINDEX", "", text.as_bytes(), &Attributes::default());
    out.extend([0; 1024]);
    gzip(&out)
}

struct Attributes {
    mode: u32,
    user: &'static str,
    group: &'static str,
    mtime: u64,
}

impl Default for Attributes {
    fn default() -> Self {
        Self { mode: 0o644, user: "root", group: "root", mtime: 1_600_000_000 }
    }
}

fn member(out: &mut Vec<u8>, kind: u8, name: &str, link: &str, content: &[u8], with: &Attributes) {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_size(content.len() as u64);
    header.set_mode(with.mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(with.mtime);
    header.set_username(with.user).unwrap();
    header.set_groupname(with.group).unwrap();
    let old = header.as_old_mut();
    old.name[..name.len()].copy_from_slice(name.as_bytes());
    old.linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_cksum();
    out.extend(header.as_bytes());
    out.extend(content);
    out.resize(out.len().next_multiple_of(512), 0);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn hex(bytes: &[u8]) -> String {
    imgfix_model::hex::encode(bytes)
}
