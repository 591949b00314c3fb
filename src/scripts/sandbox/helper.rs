//! The inside: this program, started again by [`super::namespaces`] in the namespaces.
//!
//! First it waits for its users to be mapped and starts itself again through `unshare`; then
//! it makes the copy its root, leaves everything else behind, and does one operation: write
//! what differs, list, run a command, give files back, or remove everything.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read as _, Write};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{self as unix, MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use bstr::BString;
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};
use rustix::mount::{MountFlags, UnmountFlags};

use super::namespaces::SUBCOMMAND;
use super::transfer::is_outside;
use super::wire::{Head, Node, Order, Seen, read_line, write_line};

/// The helper's own failure; the reason is on standard error.
pub const FAILED: u8 = 125;

/// Devices that every container has.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Services are not started while an image is built.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Runs with the arguments after the subcommand's name.
#[must_use]
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.collect();
    match dispatch(&arguments) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(FAILED)
        }
    }
}

fn dispatch(arguments: &[OsString]) -> io::Result<u8> {
    match arguments {
        [stage, helper, folder, operation] if stage == "mapped" => {
            Err(enter_namespaces(helper, folder, operation))
        }
        [stage, folder, operation] if stage == "inside" => {
            let folder = Path::new(folder);
            if operation == "run" {
                mount_system(folder)?;
            }
            become_root(folder)?;
            match operation.to_str() {
                Some("apply") => apply().map(|()| 0),
                Some("list") => list().map(|()| 0),
                Some("run") => run(),
                Some("fetch") => fetch().map(|()| 0),
                Some("clear") => clear().map(|()| 0),
                _ => Err(io::Error::other("no such operation")),
            }
        }
        _ => Err(io::Error::other("this subcommand is for imgfix itself")),
    }
}

/// Tells that the user namespace is there, waits for its users, and goes on in the others.
/// Returns only when that fails.
fn enter_namespaces(helper: &OsStr, folder: &OsStr, operation: &OsStr) -> io::Error {
    let wait = || -> io::Result<()> {
        let mut output = io::stdout();
        output.write_all(b".")?;
        output.flush()?;
        // unbuffered: what follows is for the program that comes after this one
        File::open("/proc/self/fd/0")?.read_exact(&mut [0])
    };
    if let Err(error) = wait() {
        return error;
    }
    Command::new("unshare")
        .args(["--mount", "--pid", "--fork", "--kill-child", "--net", "--ipc", "--uts", "--"])
        .arg(helper)
        .args([SUBCOMMAND, "inside"])
        .args([folder, operation])
        .exec()
}

fn named<T>(result: rustix::io::Result<T>, what: &str) -> io::Result<T> {
    result.map_err(|error| {
        let error = io::Error::from(error);
        io::Error::new(error.kind(), format!("{what}: {error}"))
    })
}

/// `/proc` of the own processes, and a `/dev` with the usual devices of outside.
fn mount_system(folder: &Path) -> io::Result<()> {
    let (proc, dev) = (folder.join("proc"), folder.join("dev"));
    for made in [&proc, &dev] {
        if fs::symlink_metadata(made).is_err() {
            fs::create_dir(made)?;
        } else if !fs::symlink_metadata(made)?.is_dir() {
            return Err(io::Error::other("/proc or /dev of the image is not a directory"));
        }
    }
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC | MountFlags::NODEV;
    named(rustix::mount::mount("proc", &proc, "proc", flags, None), "mounting /proc")?;
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    named(rustix::mount::mount("tmpfs", &dev, "tmpfs", flags, Some(c"mode=755")), "mounting /dev")?;
    for device in DEVICES {
        let inside = dev.join(device);
        File::create(&inside)?;
        let outside = Path::new("/dev").join(device);
        if outside.exists() {
            named(rustix::mount::mount_bind(&outside, &inside), "mounting a device")?;
        }
    }
    unix::symlink("/proc/self/fd", dev.join("fd"))?;
    for (number, name) in ["stdin", "stdout", "stderr"].iter().enumerate() {
        unix::symlink(format!("/proc/self/fd/{number}"), dev.join(name))?;
    }
    fs::create_dir(dev.join("shm"))?;
    fs::set_permissions(dev.join("shm"), fs::Permissions::from_mode(0o1777))
}

/// Makes the folder the root of everything; what was outside is gone.
fn become_root(folder: &Path) -> io::Result<()> {
    named(rustix::mount::mount_bind_recursive(folder, folder), "binding the copy")?;
    std::env::set_current_dir(folder)?;
    named(rustix::process::pivot_root(".", "."), "changing the root")?;
    named(rustix::mount::unmount(".", UnmountFlags::DETACH), "leaving the old root")?;
    std::env::set_current_dir("/")
}

fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes.to_vec()))
}

fn at(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Writes and removes what standard input says.
fn apply() -> io::Result<()> {
    let mut input = BufReader::with_capacity(1 << 16, io::stdin());
    // Times of folders last: every new name in one changes it.
    let mut folders = Vec::new();
    while let Some(head) = read_line::<Head>(&mut input)? {
        let path = path_of(&head.path);
        write(&path, &head, &mut input).map_err(|error| at(&path, error))?;
        if head.node == Node::Directory {
            folders.push((path, head.mtime));
        }
    }
    for (path, mtime) in folders {
        if fs::symlink_metadata(&path).is_ok() {
            set_time(&path, mtime).map_err(|error| at(&path, error))?;
        }
    }
    Ok(())
}

fn write(path: &Path, head: &Head, input: &mut dyn BufRead) -> io::Result<()> {
    let present = fs::symlink_metadata(path).ok();
    let is_folder = present.as_ref().is_some_and(fs::Metadata::is_dir);
    if present.is_some() && !(is_folder && head.node == Node::Directory) && head.node != Node::Other
    {
        remove(path, is_folder)?;
    }
    match &head.node {
        Node::Removed | Node::Other => return Ok(()),
        Node::Link(other) => return fs::hard_link(path_of(other), path),
        Node::Directory if is_folder => {}
        Node::Directory => fs::create_dir(path)?,
        Node::Symlink(target) => unix::symlink(path_of(target), path)?,
        Node::Fifo => {
            let kind = FileType::Fifo;
            rustix::fs::mknodat(CWD, path, kind, Mode::from_raw_mode(0o600), 0)?;
        }
        Node::File(size) => {
            let copied = io::copy(&mut input.take(*size), &mut File::create(path)?)?;
            if copied != *size {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
    unix::lchown(path, Some(head.uid), Some(head.gid))?;
    if !matches!(head.node, Node::Symlink(_)) {
        fs::set_permissions(path, fs::Permissions::from_mode(head.mode))?;
    }
    for (name, value) in &head.xattrs {
        // Attributes that a namespace may not set are those of the system outside.
        let name = OsStr::from_bytes(name);
        let _not_settable = rustix::fs::lsetxattr(path, name, value, XattrFlags::empty());
    }
    set_time(path, head.mtime)
}

fn remove(path: &Path, is_folder: bool) -> io::Result<()> {
    match is_folder {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    }
}

fn set_time(path: &Path, mtime: i64) -> io::Result<()> {
    let time = Timespec { tv_sec: mtime, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    Ok(rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Writes what everything is like to standard output.
fn list() -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout());
    let mut pending = vec![PathBuf::from("/")];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if is_outside(path.as_os_str().as_bytes()) {
                continue;
            }
            let found = fs::symlink_metadata(&path).map_err(|error| at(&path, error))?;
            let seen = Seen {
                kind: found.mode() & 0o170_000,
                mode: found.mode() & 0o7777,
                uid: found.uid(),
                gid: found.gid(),
                size: if found.is_dir() { 0 } else { found.size() },
                inode: found.ino(),
                changed: (found.ctime(), found.ctime_nsec()),
            };
            write_line(&mut out, &(BString::from(path.as_os_str().as_bytes()), seen))?;
            if found.is_dir() {
                pending.push(path);
            }
        }
    }
    out.flush()
}

/// Runs the command that standard input names, with its output and errors on standard output.
fn run() -> io::Result<u8> {
    let order = read_line::<Order>(&mut BufReader::new(io::stdin()))?;
    let order = order.ok_or_else(|| io::Error::other("no command"))?;
    let (program, arguments) =
        order.argv.split_first().ok_or_else(|| io::Error::other("no command"))?;
    let text = |word: &BString| OsString::from_vec(word.to_vec());
    let made_policy = make_policy()?;
    rustix::system::sethostname(b"localhost")?;
    let output = || io::stdout().as_fd().try_clone_to_owned().map(Stdio::from);
    let status = Command::new(text(program))
        .args(arguments.iter().map(text))
        .env_clear()
        .envs(order.environment.iter().map(|(name, value)| (text(name), text(value))))
        .stdin(Stdio::null())
        .stdout(output()?)
        .stderr(output()?)
        .status();
    if made_policy {
        fs::remove_file(POLICY)?;
    }
    let program = text(program);
    let status = status.map_err(|error| at(Path::new(&program), error))?;
    let signal = status.signal().map(|signal| 128 + signal);
    Ok(u8::try_from(status.code().or(signal).unwrap_or(1)).unwrap_or(1))
}

/// Forbids services to be started, unless the image has a rule of its own.
fn make_policy() -> io::Result<bool> {
    let folder = Path::new(POLICY).parent().unwrap_or(Path::new("/"));
    if fs::symlink_metadata(POLICY).is_ok() || !folder.is_dir() {
        return Ok(false);
    }
    fs::write(POLICY, "#!/bin/sh\nexit 101\n")?;
    fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755))?;
    Ok(true)
}

/// Writes the paths that standard input names to standard output, contents too.
fn fetch() -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout());
    for path in BufReader::new(io::stdin()).split(0) {
        let bytes = path?;
        let path = path_of(&bytes);
        give(&path, &bytes, &mut out).map_err(|error| at(&path, error))?;
    }
    out.flush()
}

fn give(path: &Path, bytes: &[u8], out: &mut dyn Write) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    let kind = found.file_type();
    let mut content = None;
    let node = match FileType::from_raw_mode(found.mode()) {
        FileType::Directory => Node::Directory,
        FileType::Symlink => Node::Symlink(fs::read_link(path)?.into_os_string().into_vec().into()),
        FileType::Fifo => Node::Fifo,
        FileType::RegularFile => {
            content = Some(File::open(path)?);
            Node::File(found.size())
        }
        _ => Node::Other,
    };
    let head = Head {
        path: bytes.into(),
        node,
        mode: if kind.is_symlink() { 0o777 } else { found.mode() & 0o7777 },
        uid: found.uid(),
        gid: found.gid(),
        mtime: found.mtime(),
        xattrs: xattrs(path)?,
    };
    write_line(out, &head)?;
    if let Some(content) = content {
        let copied = io::copy(&mut content.take(found.size()), out)?;
        if copied != found.size() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

fn xattrs(path: &Path) -> io::Result<Vec<(BString, BString)>> {
    let mut names = vec![0; 64 << 10];
    let Ok(len) = rustix::fs::llistxattr(path, &mut names[..]) else { return Ok(Vec::new()) };
    let names = names.get(..len).unwrap_or_default();
    let mut all = Vec::new();
    for name in names.split(|&b| b == 0).filter(|name| !name.is_empty()) {
        let is_kept = name.starts_with(b"user.") || name == b"security.capability";
        let mut value = vec![0; 64 << 10];
        if is_kept {
            let len = rustix::fs::lgetxattr(path, OsStr::from_bytes(name), &mut value[..])?;
            value.truncate(len);
            all.push((name.into(), value.into()));
        }
    }
    Ok(all)
}

/// Removes everything but the root itself.
fn clear() -> io::Result<()> {
    for entry in fs::read_dir("/")? {
        let path = entry?.path();
        let is_folder = fs::symlink_metadata(&path)?.is_dir();
        remove(&path, is_folder)?;
    }
    Ok(())
}
