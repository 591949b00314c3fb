//! What the inside gives up before it touches anything of the image: rights, system calls,
//! resources.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal, getrlimit, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, UnshareFlags};

use super::syscalls;
use super::watch::Limits;

/// What a package's script needs of root's rights, over its own namespaces only: files of
/// any owner, other users, programs with capabilities, signals.
pub const KEPT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID);

/// What the first process needs besides to see what the others have open. No program that it
/// starts can have it: it is not in the bounding set.
const WATCHING: CapabilitySet = CapabilitySet::SYS_PTRACE;

/// What is needed besides to set the sandbox up.
const FOR_SETTING_UP: CapabilitySet =
    KEPT.union(CapabilitySet::SYS_ADMIN).union(CapabilitySet::SETPCAP).union(WATCHING);

/// So many capabilities can there be.
const ALL_CAPABILITIES: u32 = 64;

/// Asks the kernel to kill this process when the one that started it ends. The kernel forgets
/// that when the user changes.
///
/// # Errors
/// The kernel's.
pub fn die_with_parent() -> io::Result<()> {
    Ok(rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?)
}

/// What the run has inherited from whoever started it, and has not marked as its own alone, is
/// closed in the programs that this process becomes or starts: descriptors lead past every
/// namespace.
pub fn hand_on_no_descriptors() {
    close_fds::set_fds_cloexec(3, &[]);
}

/// Leaves namespaces for new ones.
///
/// # Errors
/// The kernel's.
#[allow(deprecated, reason = "it is unsafe only where threads share descriptors (FILES)")]
pub fn leave(namespaces: UnshareFlags) -> io::Result<()> {
    Ok(rustix::thread::unshare(namespaces)?)
}

/// Keeps rights over the namespaces for the program that this process becomes or starts next,
/// which is not root of them yet.
///
/// # Errors
/// The kernel's.
pub fn hand_on_capabilities() -> io::Result<()> {
    let now = rustix::thread::capabilities(None)?;
    let sets = CapabilitySets { inheritable: FOR_SETTING_UP, ..now };
    rustix::thread::set_capabilities(None, sets)?;
    for one in FOR_SETTING_UP.iter() {
        rustix::thread::configure_capability_in_ambient_set(one, true)?;
    }
    Ok(())
}

/// The resources of a command.
///
/// # Errors
/// The kernel's.
pub fn limit_resources(limits: &Limits) -> io::Result<()> {
    let limits = [
        (Resource::Core, 0),
        (Resource::Data, limits.data),
        (Resource::Fsize, limits.file),
        (Resource::Nofile, 4096),
        (Resource::Nproc, limits.processes),
        (Resource::Memlock, 8 << 20),
        (Resource::Msgqueue, 800 << 10),
        (Resource::Sigpending, 4096),
    ];
    for (resource, limit) in limits {
        let now = getrlimit(resource);
        let lower = |now: Option<u64>| Some(now.map_or(limit, |now| now.min(limit)));
        let new = Rlimit { current: lower(now.current), maximum: lower(now.maximum) };
        setrlimit(resource, new)?;
    }
    Ok(())
}

/// Gives up every right but [`KEPT`], for good, and every system call that is not on the list.
/// Who watches others also keeps the right to look at them, for itself alone.
///
/// # Errors
/// The kernel does not know one of these protections: then nothing may go on.
pub fn confine(watches: bool) -> io::Result<()> {
    for number in 0..ALL_CAPABILITIES {
        let one = CapabilitySet::from_bits_retain(1 << number);
        let is_there = rustix::thread::capability_is_in_bounding_set(one).unwrap_or(false);
        if is_there && !KEPT.contains(one) {
            rustix::thread::remove_capability_from_bounding_set(one)?;
        }
    }
    rustix::thread::clear_ambient_capability_set()?;
    let own = if watches { KEPT.union(WATCHING) } else { KEPT };
    let sets =
        CapabilitySets { effective: own, permitted: own, inheritable: CapabilitySet::empty() };
    rustix::thread::set_capabilities(None, sets)?;
    rustix::thread::set_no_new_privs(true)?;
    // What runs here cannot be read or changed by what it starts.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    for filter in syscalls::filters()? {
        seccompiler::apply_filter(&filter).map_err(io::Error::other)?;
    }
    Ok(())
}
