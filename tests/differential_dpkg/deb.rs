//! Makes small packages: control fields, members and payload said in a line each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A package to be built. Payload directories appear by themselves.
#[derive(Clone)]
pub struct Deb {
    pub name: String,
    pub version: String,
    pub architecture: String,
    fields: String,
    members: BTreeMap<String, (String, u32)>,
    conffiles: Vec<String>,
    payload: BTreeMap<String, Item>,
    md5sums: bool,
}

#[derive(Clone)]
struct Item {
    kind: Kind,
    mode: u32,
    owner: (&'static str, u64),
    group: (&'static str, u64),
}

#[derive(Clone)]
enum Kind {
    Directory,
    File(Vec<u8>),
    Symlink(String),
    HardLink(String),
    Fifo,
    Device(u32, u32),
}

impl Deb {
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            architecture: "all".into(),
            fields: "Description: test package\n of imgfix\n".into(),
            members: BTreeMap::new(),
            conffiles: Vec::new(),
            payload: BTreeMap::new(),
            md5sums: true,
        }
    }

    pub fn architecture(mut self, architecture: &str) -> Self {
        self.architecture = architecture.into();
        self
    }

    /// Whole lines, before the description.
    pub fn fields(mut self, lines: &str) -> Self {
        self.fields = format!("{lines}\n{}", self.fields);
        self
    }

    /// The description and everything else, as it is.
    pub fn only_fields(mut self, lines: &str) -> Self {
        self.fields = format!("{lines}\n");
        self
    }

    pub fn member(mut self, name: &str, text: &str) -> Self {
        self.members.insert(name.into(), (text.into(), 0o644));
        self
    }

    pub fn without_md5sums(mut self) -> Self {
        self.md5sums = false;
        self
    }

    pub fn file(self, path: &str, content: &str) -> Self {
        self.item(path, Kind::File(content.into()), 0o644)
    }

    pub fn program(self, path: &str, mode: u32, content: &str) -> Self {
        self.item(path, Kind::File(content.into()), mode)
    }

    pub fn conffile(mut self, path: &str, content: &str) -> Self {
        self.conffiles.push(path.into());
        self.file(path, content)
    }

    /// A line of `conffiles` without a file.
    pub fn conffile_line(mut self, line: &str) -> Self {
        self.conffiles.push(line.into());
        self
    }

    pub fn directory(self, path: &str, mode: u32) -> Self {
        self.item(path, Kind::Directory, mode)
    }

    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.item(path, Kind::Symlink(target.into()), 0o777)
    }

    pub fn hard_link(self, path: &str, target: &str) -> Self {
        self.item(path, Kind::HardLink(target.into()), 0o644)
    }

    pub fn fifo(self, path: &str) -> Self {
        self.item(path, Kind::Fifo, 0o600)
    }

    pub fn device(self, path: &str, major: u32, minor: u32) -> Self {
        self.item(path, Kind::Device(major, minor), 0o660)
    }

    /// Owner and group of a path: names as the package has them, numbers beside them.
    pub fn owned(
        mut self,
        path: &str,
        owner: (&'static str, u64),
        group: (&'static str, u64),
    ) -> Self {
        let item = self.payload.get_mut(path).unwrap();
        item.owner = owner;
        item.group = group;
        self
    }

    fn item(mut self, path: &str, kind: Kind, mode: u32) -> Self {
        assert!(path.starts_with('/'));
        let item = Item { kind, mode, owner: ("root", 0), group: ("root", 0) };
        self.payload.insert(path.into(), item);
        self
    }

    fn file_name(&self) -> String {
        format!("{}_{}_{}.deb", self.name, self.version.replace(':', "%3a"), self.architecture)
    }

    /// Writes the package into a folder.
    pub fn build(&self, folder: &Path) -> PathBuf {
        let path = folder.join(self.file_name());
        std::fs::write(&path, self.bytes()).unwrap();
        path
    }

    /// The archive's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = b"!<arch>\n".to_vec();
        for (name, content) in [
            ("debian-binary", b"2.0\n".to_vec()),
            ("control.tar", self.control_tar()),
            ("data.tar", self.data_tar()),
        ] {
            let size = content.len();
            out.extend_from_slice(
                format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 100_644)
                    .as_bytes(),
            );
            out.extend_from_slice(&content);
            if size % 2 == 1 {
                out.push(b'\n');
            }
        }
        out
    }

    /// Versions get times of their own, so that a time kept from the wrong one shows.
    fn mtime(&self) -> u64 {
        1_000_000_000 + u64::from(self.version.bytes().map(u32::from).sum::<u32>()) * 1000
    }

    fn control_tar(&self) -> Vec<u8> {
        let mut members = self.members.clone();
        let control = format!(
            "Package: {}\nVersion: {}\nArchitecture: {}\nMaintainer: Imgfix <t@example.org>\n{}",
            self.name, self.version, self.architecture, self.fields
        );
        members.insert("control".into(), (control, 0o644));
        if !self.conffiles.is_empty() {
            let text = self.conffiles.iter().map(|line| format!("{line}\n")).collect();
            members.insert("conffiles".into(), (text, 0o644));
        }
        if self.md5sums {
            members.insert("md5sums".into(), (format!("made up {}\n", self.version), 0o644));
        }
        let mut builder = tar::Builder::new(Vec::new());
        self.append(&mut builder, "./", &Item::directory(0o755));
        for (name, (text, mode)) in members {
            let mut item = Item::directory(mode);
            item.kind = Kind::File(text.into_bytes());
            self.append(&mut builder, &format!("./{name}"), &item);
        }
        builder.into_inner().unwrap()
    }

    fn data_tar(&self) -> Vec<u8> {
        let mut all = self.payload.clone();
        for path in self.payload.keys() {
            for (at, _) in path.match_indices('/').skip(1) {
                all.entry(path[..at].into()).or_insert_with(|| Item::directory(0o755));
            }
        }
        let mut builder = tar::Builder::new(Vec::new());
        self.append(&mut builder, "./", &Item::directory(0o755));
        let is_link = |item: &Item| matches!(item.kind, Kind::Symlink(_));
        let is_hard = |item: &Item| matches!(item.kind, Kind::HardLink(_));
        for pass in 0..3 {
            for (path, item) in &all {
                let mine = match (is_link(item), is_hard(item)) {
                    (true, _) => 2,
                    (_, true) => 1,
                    _ => 0,
                };
                if mine == pass {
                    let slash = if matches!(item.kind, Kind::Directory) { "/" } else { "" };
                    self.append(&mut builder, &format!(".{path}{slash}"), item);
                }
            }
        }
        builder.into_inner().unwrap()
    }

    fn append(&self, builder: &mut tar::Builder<Vec<u8>>, path: &str, item: &Item) {
        let mut header = tar::Header::new_gnu();
        header.set_mode(item.mode);
        header.set_mtime(self.mtime());
        header.set_uid(item.owner.1);
        header.set_gid(item.group.1);
        header.set_username(item.owner.0).unwrap();
        header.set_groupname(item.group.0).unwrap();
        header.set_size(0);
        let mut content: &[u8] = &[];
        match &item.kind {
            Kind::Directory => header.set_entry_type(tar::EntryType::Directory),
            Kind::File(bytes) => {
                header.set_entry_type(tar::EntryType::Regular);
                header.set_size(bytes.len() as u64);
                content = bytes;
            }
            Kind::Symlink(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_link_name_literal(target).unwrap();
            }
            Kind::HardLink(target) => {
                header.set_entry_type(tar::EntryType::Link);
                header.set_link_name_literal(format!(".{target}")).unwrap();
            }
            Kind::Fifo => header.set_entry_type(tar::EntryType::Fifo),
            Kind::Device(major, minor) => {
                header.set_entry_type(tar::EntryType::Char);
                header.set_device_major(*major).unwrap();
                header.set_device_minor(*minor).unwrap();
            }
        }
        assert!(path.len() < 100, "{path}: long names are tested with real packages");
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        builder.append(&header, content).unwrap();
    }
}

impl Item {
    fn directory(mode: u32) -> Self {
        Self { kind: Kind::Directory, mode, owner: ("root", 0), group: ("root", 0) }
    }
}
