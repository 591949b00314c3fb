//! The files that are compared, read from a disk.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use imgfix_model::path::ImagePath;
use imgfix_vfs::Entry;

pub type Files = BTreeMap<ImagePath, Entry>;

/// Where the programs find other programs, their data, and what they change.
const WATCHED: &[&str] = &[
    "/bin",
    "/sbin",
    "/lib",
    "/lib64",
    "/usr/bin",
    "/usr/sbin",
    "/usr/lib/init",
    "/usr/lib/jvm",
    "/usr/lib/lsb",
    "/usr/lib/os-release",
    "/usr/lib/postgresql",
    "/usr/lib/rpm",
    "/usr/lib/systemd",
    "/usr/lib/x86_64-linux-gnu/pkcs11",
    "/usr/share/base-passwd",
    "/usr/share/ca-certificates",
    "/usr/share/ca-certificates-java",
    "/usr/libexec",
    "/usr/share/debconf",
    "/usr/share/debianutils",
    "/usr/share/dpkg",
    "/usr/share/man",
    "/usr/share/p11-kit",
    "/usr/share/pam",
    "/usr/share/pki",
    "/usr/share/postgresql",
    "/usr/share/postgresql-common",
    "/usr/share/ucf",
    "/usr/share/zoneinfo",
    "/usr/share/pam-configs",
    "/usr/share/sysusers.d",
    "/usr/lib/sysusers.d",
    "/usr/lib/tmpfiles.d",
    "/usr/local",
    "/etc",
    "/run",
    "/var",
    "/home",
    "/root",
    "/opt",
    "/srv",
    "/scratch",
    "/data",
    "/tmp",
    "/nonexistent",
    "/out",
];

/// What no program's result is compared in: caches of other programs, locks, logs.
const PASSED_OVER: &[&str] = &[
    "/var/lib/apt",
    "/var/log/alternatives.log",
    "/var/log/lastlog",
    "/var/log/faillog",
    "/var/cache/apt",
    "/var/lib/docker",
    "/root/.cargo",
    "/root/.rustup",
    "/root/.cache",
    "/usr/local/cargo",
    "/usr/local/rustup",
    "/usr/local/lib",
    "/usr/local/share",
    "/etc/.pwd.lock",
    "/var/lib/dpkg/lock",
    "/var/lib/dpkg/lock-frontend",
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/hostname",
    "/var/lib/containers",
    "/tmp/hsperfdata_root",
];

/// The largest file whose content matters.
const MAX_CONTENT: u64 = 1 << 20;

pub fn read(root: &Path) -> Files {
    let mut files = Files::new();
    for top in WATCHED {
        let path = ImagePath::new(top).unwrap();
        for above in path.ancestors().into_iter().chain([path.clone()]) {
            add(root, &above, &mut files);
        }
        walk(root, &path, &mut files);
    }
    files
}

fn on_disk(root: &Path, path: &ImagePath) -> std::path::PathBuf {
    root.join(std::ffi::OsStr::from_bytes(path.relative()))
}

fn add(root: &Path, path: &ImagePath, files: &mut Files) -> bool {
    let disk = on_disk(root, path);
    let Ok(meta) = fs::symlink_metadata(&disk) else { return false };
    let kind = meta.file_type();
    let mut entry = if kind.is_dir() {
        Entry::directory(0, 0)
    } else if kind.is_symlink() {
        Entry::symlink(fs::read_link(&disk).unwrap().as_os_str().as_bytes(), 0)
    } else if kind.is_fifo() || kind.is_socket() || kind.is_char_device() || kind.is_block_device()
    {
        return false;
    } else if meta.len() > MAX_CONTENT {
        Entry::file(format!("\x7fELF, {} bytes", meta.len()), 0, 0)
    } else {
        Entry::file(fs::read(&disk).unwrap(), 0, 0)
    };
    if let (imgfix_vfs::Kind::File(data), true) = (&mut entry.kind, meta.nlink() > 1) {
        data.link = Some(imgfix_vfs::LinkId(meta.ino()));
    }
    entry.mode = meta.mode() & 0o7777;
    entry.uid = meta.uid();
    entry.gid = meta.gid();
    entry.mtime = meta.mtime();
    files.insert(path.clone(), entry);
    kind.is_dir()
}

fn walk(root: &Path, top: &ImagePath, files: &mut Files) {
    let mut pending = vec![top.clone()];
    while let Some(path) = pending.pop() {
        if PASSED_OVER.contains(&path.to_str_lossy().as_ref()) || !add(root, &path, files) {
            continue;
        }
        for child in fs::read_dir(on_disk(root, &path)).unwrap() {
            pending.push(path.join(child.unwrap().file_name().as_bytes()).unwrap());
        }
    }
}

pub fn differences(want: &Files, got: &Files) -> String {
    let mut text = String::new();
    let paths: std::collections::BTreeSet<_> = want.keys().chain(got.keys()).collect();
    for path in paths {
        let name = path.to_str_lossy();
        if PASSED_OVER.iter().any(|passed| *passed == name) {
            continue;
        }
        match (want.get(path), got.get(path)) {
            (Some(want), Some(got)) => {
                let owner = |entry: &Entry| (entry.mode, entry.uid, entry.gid);
                if owner(want) != owner(got) {
                    text += &format!(
                        "{name}: mode and owner {:o} {:?} not {:o} {:?}\n",
                        got.mode,
                        (got.uid, got.gid),
                        want.mode,
                        (want.uid, want.gid)
                    );
                }
                if words(want) != words(got) {
                    text += &format!("{name}: is\n{}--- not\n{}", words(got), words(want));
                }
            }
            (Some(want), None) => text += &format!("{name}: missing\n{}", words(want)),
            (None, Some(got)) => text += &format!("{name}: should not be there\n{}", words(got)),
            (None, None) => {}
        }
    }
    text
}

fn words(entry: &Entry) -> String {
    use imgfix_vfs::{Content, Kind};
    match &entry.kind {
        Kind::Symlink(target) => format!("-> {}\n", String::from_utf8_lossy(target)),
        Kind::File(data) => match &data.content {
            Content::Inline(bytes) => match without_times(bytes) {
                Some(store) => format!("key store {store:?}\n"),
                None => format!("{}\n", String::from_utf8_lossy(bytes)),
            },
            _ => "other content\n".into(),
        },
        Kind::Directory => "directory\n".into(),
        _ => "device\n".into(),
    }
}

/// The aliases and certificates of one of Java's key stores, in their order: the times of the
/// entries are those of the run, and the checksum is over them. `None` for other files.
fn without_times(file: &[u8]) -> Option<Vec<(String, String)>> {
    let mut rest = file.strip_prefix(b"\xfe\xed\xfe\xed\0\0\0\x02")?;
    let mut take = |length: usize| {
        let (taken, left) = rest.split_at_checked(length)?;
        rest = left;
        Some(taken)
    };
    let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let hexadecimal = |bytes: &[u8]| imgfix_model::hex::encode(bytes);
    let count = number(take(4)?);
    let mut entries = Vec::new();
    for _ in 0..count {
        take(4)?;
        let length = number(take(2)?);
        let alias = String::from_utf8_lossy(take(length)?).into_owned();
        take(8 + 2 + "X.509".len())?;
        let length = number(take(4)?);
        entries.push((alias, hexadecimal(take(length)?)));
    }
    Some(entries)
}
