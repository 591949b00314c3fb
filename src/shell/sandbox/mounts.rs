//! What is to be seen inside: the copy as the root, and, for a command, a `/proc` of its own
//! processes and a `/dev` with the devices that every container has.
//!
//! What a command left in the copy cannot lead these mounts elsewhere: folders are opened
//! without following links, and nothing of the image runs yet.

use std::ffi::CStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs as unix;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, StatVfsMountFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_remount};

/// Devices that every container has.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// The kernel's settings and controls: not to be written.
const READ_ONLY: [&str; 5] = ["bus", "fs", "irq", "sys", "sysrq-trigger"];

/// What tells of the machine outside, or lets its memory be read: not to be seen.
const MASKED: [&str; 16] = [
    "acpi",
    "asound",
    "config.gz",
    "interrupts",
    "kallsyms",
    "kcore",
    "key-users",
    "keys",
    "kmsg",
    "latency_stats",
    "modules",
    "sched_debug",
    "scsi",
    "timer_list",
    "timer_stats",
    "vmallocinfo",
];

/// Settings of the own namespaces, lowered before they become read-only. Kernels that have
/// them for the whole machine only do not let them be written.
const SETTINGS: [(&str, &str); 5] = [
    ("kernel/pid_max", "2048"),
    ("kernel/shmall", "16384"),
    ("kernel/shmmax", "67108864"),
    ("kernel/msgmni", "64"),
    ("kernel/hostname", "localhost"),
];

const ALL: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV).union(MountFlags::NOEXEC);

fn named<T>(result: rustix::io::Result<T>, what: &str) -> io::Result<T> {
    result.map_err(|error| {
        let error = io::Error::from(error);
        io::Error::new(error.kind(), format!("{what}: {error}"))
    })
}

/// Nothing that is mounted from now on is seen outside.
///
/// # Errors
/// The kernel's.
pub fn keep_inside() -> io::Result<()> {
    let flags = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    named(rustix::mount::mount_change("/", flags), "keeping mounts inside")
}

/// Makes a folder a mount of its own, without set-uid programs and devices, and the current
/// folder.
///
/// # Errors
/// The kernel's.
pub fn enter(folder: &Path) -> io::Result<()> {
    named(rustix::mount::mount_bind(folder, folder), "binding the copy")?;
    std::env::set_current_dir(folder)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | kept(".")?;
    named(mount_remount(".", MountFlags::BIND | flags, ""), "binding the copy without set-uid")
}

/// The restrictions that a mount has already: they cannot be taken away.
fn kept(path: &str) -> io::Result<MountFlags> {
    let flags = rustix::fs::statvfs(path)?.f_flag;
    let both = [
        (StatVfsMountFlags::RDONLY, MountFlags::RDONLY),
        (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
        (StatVfsMountFlags::NOSUID, MountFlags::NOSUID),
        (StatVfsMountFlags::NODEV, MountFlags::NODEV),
    ];
    let set = both.into_iter().filter(|(has, _)| flags.contains(*has));
    Ok(set.fold(MountFlags::empty(), |all, (_, flag)| all | flag))
}

/// `/proc` and `/dev` for a command, in the copy that is the current folder.
///
/// # Errors
/// The kernel's; one of the two is not a folder; programs cannot be run from the copy.
pub fn mount_system() -> io::Result<()> {
    if kept(".")?.contains(MountFlags::NOEXEC) {
        return Err(io::Error::other(
            "programs cannot be run from the temporary directory: it is mounted noexec; set \
             TMPDIR to one where they can",
        ));
    }
    mount_devices()?;
    let proc = own_folder("proc")?;
    named(mount("proc", through(&proc), "proc", ALL, None), "mounting /proc")?;
    for (name, value) in SETTINGS {
        let _not_of_this_namespace = fs::write(Path::new("proc/sys").join(name), value);
    }
    for name in READ_ONLY {
        let path = Path::new("proc").join(name);
        if path.exists() {
            named(rustix::mount::mount_bind(&path, &path), "mounting a part of /proc")?;
            let flags = MountFlags::BIND | MountFlags::RDONLY | ALL;
            named(mount_remount(&path, flags, ""), "making a part of /proc read-only")?;
        }
    }
    MASKED.iter().try_for_each(|name| mask(&Path::new("proc").join(name)))
}

fn mask(path: &Path) -> io::Result<()> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    if found.is_dir() {
        return tmpfs(
            path,
            ALL | MountFlags::RDONLY,
            c"size=4k,mode=555",
            "masking a part of /proc",
        );
    }
    named(rustix::mount::mount_bind("dev/null", path), "masking a part of /proc")
}

fn tmpfs(path: &Path, flags: MountFlags, options: &CStr, what: &str) -> io::Result<()> {
    named(mount("tmpfs", path, "tmpfs", flags, Some(options)), what)
}

fn mount_devices() -> io::Result<()> {
    let dev = own_folder("dev")?;
    let options = c"mode=755,size=64m,nr_inodes=4096";
    tmpfs(&through(&dev), MountFlags::NOSUID | MountFlags::NOEXEC, options, "mounting /dev")?;
    let dev = Path::new("dev");
    for device in DEVICES {
        let (inside, outside) = (dev.join(device), Path::new("/dev").join(device));
        File::create(&inside)?;
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

/// A folder of the current one that is no link, made when it is not there.
fn own_folder(name: &str) -> io::Result<OwnedFd> {
    match rustix::fs::mkdirat(CWD, name, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(CWD, name, flags, Mode::empty());
    named(opened, &format!("/{name} of the image is not a directory"))
}

/// A path that leads to what is open, whatever its name leads to by now.
fn through(folder: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()))
}

/// Makes the current folder the root of everything; what was outside is gone.
///
/// # Errors
/// The kernel's.
pub fn become_root() -> io::Result<()> {
    named(rustix::process::pivot_root(".", "."), "changing the root")?;
    named(rustix::mount::unmount(".", UnmountFlags::DETACH), "leaving the old root")?;
    std::env::set_current_dir("/")
}
