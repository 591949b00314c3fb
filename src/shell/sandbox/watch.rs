//! A command at work, watched by the first process of its namespace: what no limit of the
//! kernel bounds for all of its processes together is counted again and again, and ends them
//! all.
//!
//! Processes and memory are counted every [`PAUSE`]. The disk is shared with all of the machine:
//! what is free on it only tells when it is worth to count what the copy itself has
//! ([`Census`]), and that alone decides.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, WaitOptions, WaitStatus, wait};

use serde::{Deserialize, Serialize};

use super::census::{Census, Counted};
use super::wire::{MAX_CONTENT, Usage};

/// How often it is looked.
const PAUSE: Duration = Duration::from_millis(25);

/// How long it is counted at a time, and how long when too much may be on the disk already.
const SLICE: Duration = Duration::from_millis(8);
const LONG_SLICE: Duration = Duration::from_millis(60);

/// How long it is not counted after a census: at least so long, and so many times as long as the
/// census took of the processor; the second when too much may be on the disk already.
const REST: (Duration, u32) = (Duration::from_secs(1), 20);
const SHORT_REST: (Duration, u32) = (Duration::from_millis(50), 2);

/// The most that a command may use. Of memory and disk it is at most half of what the machine
/// has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Processes and threads at one time.
    pub processes: u64,
    /// Bytes of all processes together.
    pub memory: u64,
    /// Bytes of data of one process.
    pub data: u64,
    /// Bytes and files that are written to the disk of the copy.
    pub disk: u64,
    /// Files and directories that it makes.
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

/// A command's limits, and what it uses.
pub struct Watch {
    limits: Limits,
    disk: Disk,
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
    /// From now on, when the copy has `before` on the disk.
    #[must_use]
    pub fn begin(mut limits: Limits, before: Usage) -> Self {
        let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let disk = free();
        let half = |now: Option<u64>| now.map_or(u64::MAX, |now| now / 2);
        limits.memory = limits.memory.min(half(field(&text, "MemAvailable:")));
        limits.disk = limits.disk.min(half(disk.map(|free| free.bytes)));
        // file systems that do not count files say 0
        let files = disk.map(|free| free.files).filter(|files| *files > 0);
        limits.files = limits.files.min(half(files));
        let disk = Disk::begin(limits, before, disk.unwrap_or_default());
        Self { limits, disk }
    }

    /// Waits for the end of a command. What it leaves running is reaped meanwhile.
    ///
    /// # Errors
    /// It uses too much; nobody waits for it any more.
    pub fn wait_for(&mut self, child: &Child) -> io::Result<WaitStatus> {
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

    fn excess(&mut self) -> Option<String> {
        let Limits { processes: most_processes, memory: most_memory, .. } = self.limits;
        let (processes, memory) = usage();
        if processes > most_processes {
            return Some(format!("it runs more than {most_processes} processes"));
        }
        if memory > most_memory {
            return Some(format!("it uses more than {} MiB of memory", most_memory >> 20));
        }
        self.disk.excess(free().unwrap_or_default())
    }
}

/// What the copy has on the disk.
struct Disk {
    limits: Limits,
    /// What it had when the command began.
    before: Usage,
    /// What it had at the last census, and what was free when that began.
    last: Usage,
    reference: Usage,
    /// Bytes that went from the disk and are not in the copy: others wrote them, or the command
    /// did where it cannot be counted. What others remove does not lessen it.
    unexplained: u64,
    /// The census that is under way: with what was free at its beginning, and its time so far.
    census: Option<(Census, Usage, Duration)>,
    ended: Instant,
    took: Duration,
}

impl Disk {
    fn begin(limits: Limits, before: Usage, free: Usage) -> Self {
        let (ended, took) = (Instant::now(), Duration::ZERO);
        Self {
            limits,
            before,
            last: before,
            reference: free,
            unexplained: 0,
            census: None,
            ended,
            took,
        }
    }

    /// Why the command must end.
    fn excess(&mut self, free: Usage) -> Option<String> {
        let is_near = self.may_be_too_much(free);
        let (rest, times) = if is_near { SHORT_REST } else { REST };
        if self.census.is_none() && self.ended.elapsed() < rest.max(self.took * times) {
            return None;
        }
        match self.count(free, if is_near { LONG_SLICE } else { SLICE }) {
            Ok(counted) => self.verdict(counted?),
            Err(error) => Some(format!("what it writes cannot be counted: {error}")),
        }
    }

    /// From what was free at the last census: what others wrote counts here.
    fn may_be_too_much(&self, free: Usage) -> bool {
        let more = used_since(self.reference, free);
        let used = grown(self.before, self.last);
        used.bytes.saturating_add(more.bytes) > self.limits.disk
            || used.files.saturating_add(more.files) > self.limits.files
    }

    fn count(&mut self, free: Usage, slice: Duration) -> io::Result<Option<Counted>> {
        let start = Instant::now();
        let (mut census, reference, took) = match self.census.take() {
            Some(under_way) => under_way,
            None => (Census::begin(self.limits.file)?, free, Duration::ZERO),
        };
        let counted = census.go_on(start + slice)?;
        let took = took + start.elapsed();
        match counted {
            Some(Counted { usage, .. }) => {
                self.learn(usage, reference);
                (self.ended, self.took) = (Instant::now(), took);
            }
            None => self.census = Some((census, reference, took)),
        }
        Ok(counted)
    }

    fn learn(&mut self, usage: Usage, free: Usage) {
        let written = used_since(self.reference, free).bytes;
        let more = written.saturating_sub(grown(self.last, usage).bytes);
        self.unexplained = self.unexplained.saturating_add(more);
        (self.last, self.reference) = (usage, free);
    }

    /// What is deleted and cannot be counted is believed to be there as far as something is
    /// missing from the disk.
    fn verdict(&self, counted: Counted) -> Option<String> {
        let used = grown(self.before, counted.usage);
        let hidden = self.unexplained.min(counted.hidden);
        if used.bytes.saturating_add(hidden) > self.limits.disk {
            let most = self.limits.disk >> 20;
            return Some(format!("it fills the disk (more than {most} MiB)"));
        }
        (used.files > self.limits.files)
            .then(|| format!("it makes more than {} files", self.limits.files))
    }
}

fn grown(before: Usage, now: Usage) -> Usage {
    used_since(now, before)
}

/// What is less now.
fn used_since(then: Usage, now: Usage) -> Usage {
    Usage {
        bytes: then.bytes.saturating_sub(now.bytes),
        files: then.files.saturating_sub(now.files),
    }
}

/// What can still be written.
fn free() -> Option<Usage> {
    let found = rustix::fs::statvfs("/").ok()?;
    let bytes = found.f_bavail.saturating_mul(found.f_frsize);
    Some(Usage { bytes, files: found.f_favail })
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

    const GIB: u64 = 1 << 30;

    fn disk(limit: u64) -> Disk {
        let free = Usage { bytes: 100 * GIB, files: 1 << 20 };
        let before = Usage { bytes: GIB, files: 10 };
        let limits = Limits { disk: limit, files: 100, ..Limits::default() };
        Disk::begin(limits, before, free)
    }

    #[test]
    fn what_is_free_asks_and_what_the_copy_has_decides() {
        let free = |gibibytes| Usage { bytes: gibibytes * GIB, files: 1 << 20 };
        let first = disk(4 * GIB);
        assert!(!first.may_be_too_much(free(96)) && first.may_be_too_much(free(95)));
        assert!(first.may_be_too_much(Usage { files: (1 << 20) - 101, ..free(100) }));
        // what the copy has, what may be hidden, what is free after each census, whether it ends
        let cases: &[(&[(u64, u64)], u64, bool)] = &[
            // neighbours wrote nearly all
            (&[(2, 10)], 0, false),
            (&[(6, 95)], 0, true),
            // neighbours removed as much as it wrote
            (&[(6, 100)], 0, true),
            // deleted and mapped, or in a socket
            (&[(1, 90)], 5 * GIB, true),
            (&[(1, 90)], 3 * GIB, false),
            (&[(1, 95)], u64::MAX, true),
            (&[(1, 97)], u64::MAX, false),
            // the same, and a neighbour removes as much later
            (&[(1, 97), (1, 100), (1, 98)], u64::MAX, true),
            // all of it was its own, and is gone
            (&[(4, 97), (1, 100), (4, 97)], u64::MAX, false),
        ];
        for (censuses, hidden, is_ended) in cases {
            let mut disk = disk(4 * GIB);
            let mut verdict = None;
            for (has, is_free) in *censuses {
                let usage = Usage { bytes: has * GIB, files: 10 };
                disk.learn(usage, free(*is_free));
                verdict = disk.verdict(Counted { usage, hidden: *hidden });
            }
            assert_eq!(verdict.is_some(), *is_ended, "{censuses:?} {hidden}: {verdict:?}");
        }
        let many = Counted { usage: Usage { bytes: GIB, files: 111 }, hidden: 0 };
        assert!(first.verdict(many).unwrap().contains("100 files"));
    }

    #[test]
    fn this_process_is_counted() {
        let (processes, memory) = usage();
        assert!(processes > 0 && memory > 0);
    }
}
