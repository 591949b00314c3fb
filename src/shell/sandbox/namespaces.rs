//! [`Namespaces`]: starts the helper, and maps the users of its namespace to numbers that
//! nobody has ([`super::identity`]).
//!
//! A helper is one of the things that an interruption of the run takes back: it is killed by
//! its descriptor, and with it everything that it started. It dies also when this process
//! does, however that ends.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::super::Stop;
use super::identity::{Identity, Line, Writer};
use imgfix_host::unfinished::{Pending, Unfinished};

/// The name of the helper's subcommand.
pub const SUBCOMMAND: &str = "sandbox-helper";

/// How many bytes of an error message are kept.
const MAX_ERRORS: u64 = 64 << 10;

/// How users and groups inside are those outside.
#[derive(Debug, Default, Clone)]
pub(super) struct Maps {
    pub users: Vec<Line>,
    pub groups: Vec<Line>,
}

/// How namespaces are made on this machine by this user.
#[derive(Debug, Clone)]
pub(super) struct Namespaces<'a> {
    pub identity: Identity,
    pub helper: &'a Path,
    /// `None` for what cleans up, which nothing takes back.
    pub unfinished: Option<&'a Unfinished>,
}

/// A process that is not left alone: killed and waited for, unless it has ended.
struct Guarded(Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

/// A helper at work, of whose answer a `T` is made.
pub struct Job<T> {
    child: Guarded,
    input: Option<ChildStdin>,
    output: JoinHandle<io::Result<T>>,
    errors: JoinHandle<io::Result<Vec<u8>>>,
    _pending: Option<Pending>,
}

/// A helper's end.
pub struct Ended<T> {
    /// `None` when a signal ended it.
    pub status: Option<u8>,
    /// What was made of its answer.
    pub output: io::Result<T>,
    /// The beginning of what it wrote to standard error.
    pub errors: Vec<u8>,
}

impl Namespaces<'_> {
    /// Starts an operation of the helper on the copy in `folder`, whose answer is read in a
    /// thread of its own: when `read` ends before it, the helper fails.
    ///
    /// # Errors
    /// The kernel does not let namespaces be made.
    pub fn start<T: Send + 'static>(
        &self,
        maps: &Maps,
        folder: &Path,
        operation: &str,
        read: impl FnOnce(ChildStdout) -> io::Result<T> + Send + 'static,
    ) -> Result<Job<T>, Stop> {
        let failed = |why: String| {
            Stop::new(format!("this system does not let user namespaces be made ({why})"))
        };
        let (mut child, pending) =
            self.spawn(folder, operation).map_err(|error| failed(error.to_string()))?;
        let pipes = (child.0.stdin.take(), child.0.stdout.take(), child.0.stderr.take());
        let (Some(mut input), Some(mut output), Some(errors)) = pipes else {
            return Err(Stop::new("the sandbox has no pipes"));
        };
        let errors = std::thread::spawn(move || beginning(errors, MAX_ERRORS));
        // The helper says when it is in its namespace, and waits for its users.
        let mut ready = [0];
        let mapped = output
            .read_exact(&mut ready)
            .and_then(|()| self.map(maps, child.0.id()))
            .and_then(|()| input.write_all(b"."));
        if let Err(error) = mapped {
            drop(child);
            let said = errors.join().ok().and_then(Result::ok).unwrap_or_default();
            let said = String::from_utf8_lossy(&said).trim().to_owned();
            return Err(failed(if said.is_empty() { error.to_string() } else { said }));
        }
        let output = std::thread::spawn(move || read(output));
        Ok(Job { child, input: Some(input), output, errors, _pending: pending })
    }

    fn spawn(&self, folder: &Path, operation: &str) -> io::Result<(Guarded, Option<Pending>)> {
        let spawn = || {
            Command::new(self.helper)
                .args([SUBCOMMAND, "outside", &std::process::id().to_string()])
                .args([folder.as_os_str(), OsStr::new(operation)])
                .env_clear()
                .current_dir("/")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .map(Guarded)
        };
        let Some(unfinished) = self.unfinished else { return Ok((spawn()?, None)) };
        let (child, pending) = unfinished.make(|| {
            let child = spawn()?;
            let descriptor = pidfd_open(Pid::from_child(&child.0), PidfdFlags::empty())?;
            Ok::<_, io::Error>((child, Box::new(move || kill(&descriptor)) as _))
        })?;
        Ok((child, Some(pending)))
    }

    fn map(&self, maps: &Maps, process: u32) -> io::Result<()> {
        let both = [("uid_map", "newuidmap", &maps.users), ("gid_map", "newgidmap", &maps.groups)];
        for (file, program, lines) in both {
            match self.identity.writer {
                Writer::Itself => {
                    let line =
                        |(inside, outside, count): &Line| format!("{inside} {outside} {count}\n");
                    let text: String = lines.iter().map(line).collect();
                    std::fs::write(format!("/proc/{process}/{file}"), text)?;
                }
                Writer::Program => map_with(program, process, lines)?,
            }
        }
        Ok(())
    }
}

/// Kills the first process of a sandbox, and so all of them.
fn kill(descriptor: &OwnedFd) {
    let _already_gone = pidfd_send_signal(descriptor, Signal::KILL);
}

fn map_with(program: &str, process: u32, lines: &[Line]) -> io::Result<()> {
    let numbers = lines.iter().flat_map(|(inside, outside, count)| [inside, outside, count]);
    let done = Command::new(program)
        .arg(process.to_string())
        .args(numbers.map(u32::to_string))
        .output()
        .map_err(|error| {
            io::Error::new(error.kind(), format!("{program} of the package uidmap: {error}"))
        })?;
    match done.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(String::from_utf8_lossy(&done.stderr).into_owned())),
    }
}

/// Reads a stream to its end, and keeps so many bytes of it.
///
/// # Errors
/// The stream's own.
pub fn beginning(mut from: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    (&mut from).take(limit).read_to_end(&mut kept)?;
    io::copy(&mut from, &mut io::sink())?;
    Ok(kept)
}

impl<T> Job<T> {
    /// Writes to the helper. When it ends before, its own message tells why.
    ///
    /// # Errors
    /// None of its own.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        if let Some(input) = &mut self.input
            && input.write_all(bytes).is_err()
        {
            self.input = None;
        }
        Ok(())
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// It takes too long, or cannot be waited for.
    pub fn finish(mut self, limit: Duration) -> Result<Ended<T>, Stop> {
        self.input = None;
        let failed =
            |error: io::Error| Stop::from_error(format!("the sandbox is lost: {error}"), &error);
        let start = Instant::now();
        let mut pause = Duration::from_millis(1);
        let status = loop {
            if let Some(status) = self.child.0.try_wait().map_err(failed)? {
                break status;
            }
            if start.elapsed() > limit {
                return Err(Stop::new(format!(
                    "it does not end within {} s (time limit of the sandbox)",
                    limit.as_secs()
                )));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        };
        let output = joined(self.output);
        let errors = joined(self.errors).map_err(failed)?;
        let status = status.code().and_then(|code| u8::try_from(code).ok());
        Ok(Ended { status, output, errors })
    }
}

fn joined<T>(handle: JoinHandle<io::Result<T>>) -> io::Result<T> {
    handle.join().unwrap_or_else(|_| Err(io::Error::other("a thread failed")))
}

impl<T> Write for Job<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.input {
            Some(input) => input.write(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.input.as_mut().map_or(Ok(()), Write::flush)
    }
}
