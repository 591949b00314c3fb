//! The inside: this program, started again by [`super::namespaces`].
//!
//! First, as the same user, it makes a user namespace, waits until its users are mapped,
//! makes the other namespaces and starts itself once more as their first process. That one
//! becomes nobody outside, makes the copy its root, gives up its rights, and does one
//! operation: write what differs, list, run a command, give files back, or remove
//! everything. Each of the two dies with the one that started it, and with the first process
//! of its namespace dies everything in it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, BufReader, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use bstr::BString;
use rustix::process::{Gid, Signal, Uid, WaitStatus};
use rustix::thread::UnshareFlags;

use super::namespaces::SUBCOMMAND;
use super::watch::{Watch, is_read};
use super::wire::{Order, read_line};
use super::{confinement, mounts, operations, removal};

/// The helper's own failure; the reason is on standard error.
pub const FAILED: u8 = 125;

/// As [`FAILED`], of an operation on the copy whose reason is this machine's: its disk is broken
/// or full. A command may end with this status, too.
pub const BROKEN: u8 = 124;

/// The folder for the copy in a sandbox's folder; only there can the users inside make it.
pub const PLACE: &str = "place";

/// The copy in it, which the root of the inside owns.
const COPY: &str = "copy";

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
            // What a command did must not be taken for this machine's fault.
            let is_run = arguments.last().is_some_and(|operation| operation == "run");
            ExitCode::from(if !is_run && is_broken(&error) { BROKEN } else { FAILED })
        }
    }
}

/// Whether the disk is the reason, and not what the image asks of it.
fn is_broken(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let cause = error.get_ref().and_then(|inner| inner.source()).and_then(|e| e.downcast_ref());
    let number = error.raw_os_error().or_else(|| cause.and_then(io::Error::raw_os_error));
    let reasons = [Errno::IO, Errno::NOSPC, Errno::DQUOT, Errno::ROFS];
    number.is_some_and(|number| reasons.iter().any(|reason| reason.raw_os_error() == number))
}

fn dispatch(arguments: &[OsString]) -> io::Result<u8> {
    match arguments {
        [stage, parent, folder, operation] if stage == "outside" => {
            enter_namespaces(parent, folder, operation)
        }
        [stage, folder, operation] if stage == "inside" => {
            let operation = Operation::named(operation)?;
            set_up(Path::new(folder), operation)?;
            operation.perform()
        }
        _ => Err(io::Error::other("this subcommand is for imgfix itself")),
    }
}

/// What is to be done inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Apply,
    List,
    Run,
    Fetch,
    Clear,
}

impl Operation {
    fn named(name: &OsStr) -> io::Result<Self> {
        match name.to_str() {
            Some("apply") => Ok(Self::Apply),
            Some("list") => Ok(Self::List),
            Some("run") => Ok(Self::Run),
            Some("fetch") => Ok(Self::Fetch),
            Some("clear") => Ok(Self::Clear),
            _ => Err(io::Error::other("no such operation")),
        }
    }

    fn perform(self) -> io::Result<u8> {
        match self {
            Self::Apply => operations::apply().map(|()| 0),
            Self::List => operations::list().map(|()| 0),
            Self::Run => run(),
            Self::Fetch => operations::fetch().map(|()| 0),
            Self::Clear => removal::empty(Path::new("/")).map(|()| 0),
        }
    }
}

/// Makes the namespaces, does the operation in them and returns its status.
fn enter_namespaces(parent: &OsStr, folder: &OsStr, operation: &OsStr) -> io::Result<u8> {
    confinement::die_with_parent()?;
    confinement::hand_on_no_descriptors();
    let now = rustix::process::getppid().map(|id| id.as_raw_nonzero().to_string());
    if now.as_deref().map(OsStr::new) != Some(parent) {
        return Err(io::Error::other("the run has ended"));
    }
    // Signals of the user's terminal are for the run, which ends this; and there is no
    // terminal to type into.
    rustix::process::setsid()?;
    // When memory runs out, this goes first.
    let _not_here = fs::write("/proc/self/oom_score_adj", "1000");
    confinement::leave(UnshareFlags::NEWUSER)?;
    let mut output = io::stdout();
    output.write_all(b".")?;
    output.flush()?;
    // unbuffered: what follows is for the program that comes after this one
    File::open("/proc/self/fd/0")?.read_exact(&mut [0])?;
    confinement::hand_on_capabilities()?;
    confinement::leave(
        UnshareFlags::NEWNS
            | UnshareFlags::NEWPID
            | UnshareFlags::NEWNET
            | UnshareFlags::NEWIPC
            | UnshareFlags::NEWUTS
            | UnshareFlags::NEWCGROUP,
    )?;
    let status = Command::new("/proc/self/exe")
        .args([OsStr::new(SUBCOMMAND), OsStr::new("inside"), folder, operation])
        .status()?;
    match status.code().and_then(|code| u8::try_from(code).ok()) {
        Some(code) => Ok(code),
        None => Err(io::Error::other(format!("it was ended: {status}"))),
    }
}

/// Becomes root of the namespaces, who is nobody outside, with the copy as the root of
/// everything and no right that the operation does not need.
fn set_up(folder: &Path, operation: Operation) -> io::Result<()> {
    die_with_the_run()?;
    mounts::keep_inside()?;
    // Only the user who runs this program can go there, and that is this process's user for
    // the last time now.
    mounts::enter(&folder.join(PLACE))?;
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)?;
    rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)?;
    die_with_the_run()?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    if operation != Operation::Clear {
        if operation == Operation::Apply && fs::symlink_metadata(COPY).is_err() {
            fs::create_dir(COPY)?;
        }
        mounts::enter(Path::new(COPY))?;
    }
    if operation == Operation::Run {
        mounts::mount_system()?;
    }
    mounts::become_root()?;
    // Only who may look at descriptors can count what is deleted and still open.
    confinement::confine(operation == Operation::Run)?;
    die_with_the_run()
}

fn die_with_the_run() -> io::Result<()> {
    confinement::die_with_parent()?;
    // It may have ended before the kernel was asked.
    if is_read() { Ok(()) } else { Err(io::Error::other("the run has ended")) }
}

/// Runs the command that standard input names, with its output and errors on standard output.
fn run() -> io::Result<u8> {
    let order = read_line::<Order>(&mut BufReader::new(io::stdin()))?;
    let order = order.ok_or_else(|| io::Error::other("no command"))?;
    let (program, arguments) =
        order.argv.split_first().ok_or_else(|| io::Error::other("no command"))?;
    let text = |word: &BString| OsString::from_vec(word.to_vec());
    let program = text(program);
    let made_policy = make_policy()?;
    let output = || io::stdout().as_fd().try_clone_to_owned().map(Stdio::from);
    confinement::limit_resources(&order.limits)?;
    let mut watch = Watch::begin(order.limits, order.before);
    let child = Command::new(&program)
        .args(arguments.iter().map(text))
        .env_clear()
        .envs(order.environment.iter().map(|(name, value)| (text(name), text(value))))
        .stdin(Stdio::null())
        .stdout(output()?)
        .stderr(output()?)
        .spawn()
        .map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", Path::new(&program).display()))
        })?;
    let status = watch.wait_for(&child)?;
    if made_policy {
        remove_policy()?;
    }
    status_of(status)
}

fn status_of(status: WaitStatus) -> io::Result<u8> {
    if status.terminating_signal() == Some(Signal::SYS.as_raw()) {
        return Err(io::Error::other("it is for another processor than this machine's"));
    }
    let signal = status.terminating_signal().map(|signal| 128 + signal);
    let status = status.exit_status().or(signal).unwrap_or(1);
    Ok(u8::try_from(status).unwrap_or(1))
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

/// The command may have done so itself.
fn remove_policy() -> io::Result<()> {
    match fs::remove_file(POLICY) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_or_full_disk_is_told_from_what_an_image_asks() {
        use rustix::io::Errno;
        let error = |number: Errno| io::Error::from(number);
        for number in [Errno::IO, Errno::NOSPC, Errno::DQUOT] {
            assert!(is_broken(&error(number)));
            let with_path = operations::at(Path::new("/x"), error(number));
            assert!(is_broken(&with_path), "{with_path}");
            assert!(with_path.to_string().starts_with("/x: "), "{with_path}");
        }
        for number in [Errno::NAMETOOLONG, Errno::PERM, Errno::INVAL] {
            assert!(!is_broken(&error(number)));
            assert!(!is_broken(&operations::at(Path::new("/x"), error(number))));
        }
        assert!(!is_broken(&io::Error::other("it was ended")));
    }
}
