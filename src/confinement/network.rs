//! The end of the network: no connection can be made, and none is open.
//!
//! A seccomp filter over all threads refuses what makes sockets, gives them an address, or hands
//! them on: of every family, since a daemon that is asked over a local socket can reach the
//! network, too. It is for good. What is left is a pair of sockets within this process, as the
//! watcher of signals has.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::time::{Duration, Instant};

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

/// What is refused, whatever its arguments. `io_uring` makes sockets without being asked by a
/// system call for each.
const REFUSED: [i64; 9] = [
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_io_uring_setup,
];

/// The bit that tells the numbers of x32 from those of x86-64, which have the same name for the
/// processor. <https://www.kernel.org/doc/html/latest/userspace-api/seccomp_filter.html>
const X32: i64 = 0x4000_0000;

/// How long connections whose requests are done may take to close.
const CLOSING: Duration = Duration::from_secs(5);

/// The kernel's tables of sockets that lead out of this machine, or to others on it.
const TABLES: [&str; 8] = ["tcp", "tcp6", "udp", "udp6", "udplite", "udplite6", "raw", "raw6"];

/// Why the network cannot be given up.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The kernel took no seccomp filter, or there is none for this processor.
    #[error("this system does not let the network be given up: {0}")]
    Filter(io::Error),
    /// A table of sockets or the list of open files in `/proc/self` cannot be read.
    #[error("whether a connection is still open cannot be seen: {0}")]
    Table(io::Error),
    /// So many connections from before were not closed in time.
    #[error("network connections of this process are still open: {0}")]
    Open(usize),
}

/// Refuses connections from now on, in all threads.
///
/// # Errors
/// The kernel, or the container's own filter, does not let a filter be set; or there is none for
/// this processor.
pub fn refuse() -> Result<(), NetworkError> {
    apply(&filter().map_err(NetworkError::Filter)?)
}

/// As [`refuse`]; and connections that were made before must be closed, or close soon: a server
/// that has one could still be told something.
///
/// # Errors
/// As [`refuse`]; one is still open.
pub fn close() -> Result<(), NetworkError> {
    refuse()?;
    let start = Instant::now();
    loop {
        match open_connections().map_err(NetworkError::Table)? {
            0 => return Ok(()),
            open if start.elapsed() > CLOSING => return Err(NetworkError::Open(open)),
            _ => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// Whether [`close`] can be counted on: sets a filter that refuses nothing that a run needs, and
/// looks at the tables.
///
/// # Errors
/// As [`close`].
pub fn try_out() -> Result<(), NetworkError> {
    let rings = BTreeMap::from([(libc::SYS_io_uring_setup, Vec::new())]);
    apply(&program(rings).map_err(NetworkError::Filter)?)?;
    open_connections().map(|_| ()).map_err(NetworkError::Table)
}

fn apply(filter: &BpfProgram) -> Result<(), NetworkError> {
    let applied = seccompiler::apply_filter_all_threads(filter);
    applied.map_err(|error| NetworkError::Filter(io::Error::other(error)))
}

fn filter() -> io::Result<BpfProgram> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        REFUSED.iter().map(|number| (*number, Vec::new())).collect();
    // With an address it needs no connection; without one it serves pairs.
    let address = SeccompCondition::new(4, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0);
    let address = SeccompRule::new(vec![address.map_err(io::Error::other)?]);
    rules.insert(libc::SYS_sendto, vec![address.map_err(io::Error::other)?]);
    program(rules)
}

fn program(mut rules: BTreeMap<i64, Vec<SeccompRule>>) -> io::Result<BpfProgram> {
    if cfg!(target_arch = "x86_64") {
        let others: Vec<_> =
            rules.iter().map(|(number, rules)| (number | X32, rules.clone())).collect();
        rules.extend(others);
    }
    let processor = TargetArch::try_from(std::env::consts::ARCH).map_err(io::Error::other)?;
    let refused = SeccompAction::Errno(libc::EACCES as u32);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, processor);
    filter.and_then(BpfProgram::try_from).map_err(io::Error::other)
}

/// How many descriptors of this process are sockets that lead to another.
fn open_connections() -> io::Result<usize> {
    let mut known = BTreeSet::new();
    for table in TABLES {
        match fs::read_to_string(format!("/proc/self/net/{table}")) {
            Ok(text) => known.extend(inodes(&text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    let mut open = 0;
    for entry in fs::read_dir("/proc/self/fd")? {
        let Ok(target) = fs::read_link(entry?.path()) else { continue };
        let target = target.to_string_lossy();
        let number = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
        open += usize::from(number.is_some_and(|number| known.contains(number)));
    }
    Ok(open)
}

/// The inodes of a table, which are its tenth column (proc_pid_net(5)).
fn inodes(table: &str) -> impl Iterator<Item = String> {
    table.lines().skip(1).filter_map(|line| line.split_whitespace().nth(9)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_of_this_process_are_seen() {
        let before = open_connections().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        // other tests of this process have connections, too
        let with = open_connections().unwrap();
        assert!(with >= 2, "{before} before, {with} with two more");
        drop((listener, udp));
    }

    #[test]
    fn the_column_of_inodes_is_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   \
                     uid  timeout inode\n   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 \
                     00:00000000 00000000  1000        0 52481 1 0000000000000000 100 0 0 10 0\n";
        assert_eq!(inodes(table).collect::<Vec<_>>(), ["52481"]);
        assert_eq!(inodes("").count(), 0);
    }
}
