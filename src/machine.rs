//! What this machine gives a run that asks for nothing: its clock, and a part of its memory. In
//! comes nothing; out come the budgets that the command line and the library start with.

use std::sync::Arc;

use imgfix_shell::TimeLimit;
use imgfix_vfs::Memory;

/// How long the scripts of one package may take, in seconds. Those of real packages take less
/// than one.
pub const MAX_SCRIPT_TIME: u32 = 20;

/// The limit of time for scripts, by this machine's clock.
#[must_use]
pub fn script_time(seconds: u32) -> TimeLimit {
    let start = std::time::Instant::now();
    let clock = Arc::new(move || start.elapsed());
    TimeLimit::new(clock, std::time::Duration::from_secs(seconds.into()))
}

/// The budget for a user who sets none.
#[must_use]
pub fn memory() -> Memory {
    let system = rustix::system::sysinfo();
    let bytes = (system.totalram as u64).saturating_mul(system.mem_unit.into());
    Memory::of_machine(cgroup_memory().map_or(bytes, |limit| limit.min(bytes)))
}

/// What the control group of this process may use, where it is limited (cgroups 2 and 1).
fn cgroup_memory() -> Option<u64> {
    ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok()?.trim().parse().ok())
}

/// Seconds since the epoch.
#[must_use]
pub fn now() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
