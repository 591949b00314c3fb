//! A command at work, watched by the first process of its namespace: what no limit of the
//! kernel bounds for all of its processes together is counted again and again, and ends them
//! all.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, WaitOptions, WaitStatus, wait};

use serde::{Deserialize, Serialize};

use super::wire::MAX_CONTENT;

/// How often it is looked.
const PAUSE: Duration = Duration::from_millis(25);

/// The most that a command may use. Of memory and disk it is at most half of what the machine
/// has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    pub processes: u64,
    /// Bytes of all processes together.
    pub memory: u64,
    /// Bytes of data of one process.
    pub data: u64,
    /// Bytes and files that are written to the disk of the copy.
    pub disk: u64,
    pub files: u64,
    /// Bytes of one file: no larger one comes back.
    pub file: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            processes: 1024,
            memory: 4 << 30,
            data: 2 << 30,
            disk: 4 << 30,
            files: 1 << 20,
            file: MAX_CONTENT,
        }
    }
}

/// A command's limits, and what there was on the disk at its start.
pub struct Watch {
    limits: Limits,
    disk: Option<(u64, u64)>,
}

/// Whether somebody reads what this process writes: when the run was killed, nobody does.
#[must_use]
pub fn is_read() -> bool {
    let output = io::stdout();
    let mut polled = [PollFd::new(&output, PollFlags::empty())];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let asked = poll(&mut polled, Some(&at_once));
    asked.is_err() || !polled[0].revents().intersects(PollFlags::ERR | PollFlags::NVAL)
}

impl Watch {
    /// From now on.
    #[must_use]
    pub fn begin(mut limits: Limits) -> Self {
        let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let disk = free();
        let half = |now: Option<u64>| now.map_or(u64::MAX, |now| now / 2);
        limits.memory = limits.memory.min(half(field(&text, "MemAvailable:")));
        limits.disk = limits.disk.min(half(disk.map(|(bytes, _)| bytes)));
        // file systems that do not count files say 0
        let files = disk.map(|(_, files)| files).filter(|files| *files > 0);
        limits.files = limits.files.min(half(files));
        Self { limits, disk }
    }

    /// Waits for the end of a command. What it leaves running is reaped meanwhile.
    ///
    /// # Errors
    /// It uses too much; nobody waits for it any more.
    pub fn wait_for(&self, child: &Child) -> io::Result<WaitStatus> {
        let id = Pid::from_child(child);
        loop {
            while let Some((ended, status)) = wait(WaitOptions::NOHANG)? {
                if ended == id {
                    return Ok(status);
                }
            }
            if !is_read() {
                return Err(io::Error::other("nobody waits for it any more"));
            }
            if let Some(why) = self.excess() {
                return Err(io::Error::other(why));
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn excess(&self) -> Option<String> {
        let Limits { processes: most_processes, memory: most_memory, disk, files, .. } =
            self.limits;
        let (processes, memory) = usage();
        if processes > most_processes {
            return Some(format!("it runs more than {most_processes} processes"));
        }
        if memory > most_memory {
            return Some(format!("it uses more than {} MiB of memory", most_memory >> 20));
        }
        let ((bytes, names), (bytes_now, names_now)) = (self.disk?, free()?);
        if bytes.saturating_sub(bytes_now) > disk {
            return Some(format!("it fills the disk (more than {} MiB)", disk >> 20));
        }
        if names.saturating_sub(names_now) > files {
            return Some(format!("it makes more than {files} files"));
        }
        None
    }
}

/// Bytes and files that can still be written.
fn free() -> Option<(u64, u64)> {
    let found = rustix::fs::statvfs("/").ok()?;
    Some((found.f_bavail.saturating_mul(found.f_frsize), found.f_favail))
}

/// Processes, and their memory that no file backs.
fn usage() -> (u64, u64) {
    let (mut processes, mut memory) = (0, 0);
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        if !name.as_encoded_bytes().first().is_some_and(u8::is_ascii_digit) {
            continue;
        }
        processes += 1;
        let status = Path::new("/proc").join(name).join("status");
        let text = fs::read_to_string(status).unwrap_or_default();
        let anonymous = ["RssAnon:", "RssShmem:"].map(|name| field(&text, name).unwrap_or(0));
        memory += anonymous.iter().sum::<u64>();
    }
    (processes, memory)
}

/// A field in kB, in bytes.
fn field(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = rest.split_whitespace().next()?.parse().ok()?;
    number.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_the_kernel_are_read_in_bytes() {
        let text = "MemTotal:   100 kB\nMemAvailable:    7 kB\nRssAnon:\t x kB\n";
        assert_eq!(field(text, "MemAvailable:"), Some(7168));
        assert_eq!(field(text, "RssAnon:"), None);
        assert_eq!(field(text, "Swap:"), None);
    }

    #[test]
    fn this_process_is_counted() {
        let (processes, memory) = usage();
        assert!(processes > 0 && memory > 0);
    }
}
