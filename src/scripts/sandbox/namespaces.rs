//! [`Namespaces`]: starts the helper as root of a user namespace of its own.
//!
//! `unshare(1)` makes the user namespace; from outside its users are mapped: for root all
//! numbers to themselves, for others root to this user and the rest to the user's subordinate
//! numbers, with `newuidmap(1)` and `newgidmap(1)`. Then `unshare` makes the other ones.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::super::Stop;

/// The name of the helper's subcommand.
pub const SUBCOMMAND: &str = "sandbox-helper";

/// How many bytes of an answer are kept.
const MAX_OUTPUT: u64 = 1 << 30;

/// How many bytes of an error message are kept.
const MAX_ERRORS: u64 = 64 << 10;

/// How users inside are those outside.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Mapping {
    /// For root.
    Identity,
    /// Root is this user; 1 and on are the subordinate numbers.
    Subordinate { uid: u32, gid: u32, users: (u32, u32), groups: (u32, u32) },
}

/// How namespaces are made on this machine by this user.
#[derive(Debug, Clone)]
pub struct Namespaces {
    mapping: Mapping,
}

/// A helper at work.
pub struct Job {
    child: Child,
    input: Option<ChildStdin>,
    output: JoinHandle<io::Result<Vec<u8>>>,
    errors: JoinHandle<io::Result<Vec<u8>>>,
}

/// A helper's end.
pub struct Ended {
    /// `None` when a signal ended it.
    pub status: Option<u8>,
    pub output: Vec<u8>,
    pub errors: Vec<u8>,
}

impl Namespaces {
    /// # Errors
    /// This user has no subordinate numbers.
    pub fn of_this_user() -> Result<Self, Stop> {
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        if uid.is_root() {
            return Ok(Self { mapping: Mapping::Identity });
        }
        let user = user_name(uid.as_raw());
        let range = |file: &str| {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            subordinate(&text, &[&uid.as_raw().to_string(), &user])
        };
        match (range("/etc/subuid"), range("/etc/subgid")) {
            (Some(users), Some(groups)) => {
                let (uid, gid) = (uid.as_raw(), gid.as_raw());
                Ok(Self { mapping: Mapping::Subordinate { uid, gid, users, groups } })
            }
            _ => Err(Stop::new(
                "a sandbox needs subordinate user numbers: run `usermod --add-subuids \
                 100000-165535 --add-subgids 100000-165535 USER`, or run imgfix as root",
            )),
        }
    }

    /// Starts an operation of the helper on the copy in `folder`.
    ///
    /// # Errors
    /// `unshare` is missing, or the kernel does not let namespaces be made.
    pub fn start(&self, helper: &Path, folder: &Path, operation: &[&str]) -> Result<Job, Stop> {
        let mut command = Command::new("unshare");
        command.args(["--user", "--"]).arg(helper).args([SUBCOMMAND, "mapped"]);
        command.arg(helper).arg(folder).args(operation.iter().map(OsStr::new));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| {
            Stop::new(format!("a sandbox needs unshare(1) of util-linux: {error}"))
        })?;
        let (Some(mut input), Some(mut output), Some(errors)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(Stop::new("the sandbox has no pipes"));
        };
        let errors = collect(errors, MAX_ERRORS);
        // The helper says when it is in its namespace, and waits for its users.
        let mut ready = [0];
        let mapped = output
            .read_exact(&mut ready)
            .and_then(|()| self.map(child.id()))
            .and_then(|()| input.write_all(b"."));
        if let Err(error) = mapped {
            let _gone = child.kill();
            let _gone = child.wait();
            let said = errors.join().ok().and_then(Result::ok).unwrap_or_default();
            let said = String::from_utf8_lossy(&said).trim().to_owned();
            let why = if said.is_empty() { error.to_string() } else { said };
            return Err(Stop::new(format!(
                "this system does not let user namespaces be made ({why})"
            )));
        }
        Ok(Job { child, input: Some(input), output: collect(output, MAX_OUTPUT), errors })
    }

    fn map(&self, process: u32) -> io::Result<()> {
        match &self.mapping {
            Mapping::Identity => {
                for file in ["uid_map", "gid_map"] {
                    std::fs::write(format!("/proc/{process}/{file}"), "0 0 4294967295")?;
                }
                Ok(())
            }
            Mapping::Subordinate { uid, gid, users, groups } => {
                map_with("newuidmap", process, *uid, *users)?;
                map_with("newgidmap", process, *gid, *groups)
            }
        }
    }
}

fn map_with(program: &str, process: u32, own: u32, (first, count): (u32, u32)) -> io::Result<()> {
    let numbers = [process, 0, own, 1, 1, first, count].map(|number| number.to_string());
    let done = Command::new(program).args(&numbers).output().map_err(|error| {
        io::Error::new(error.kind(), format!("{program} of the package uidmap: {error}"))
    })?;
    match done.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(String::from_utf8_lossy(&done.stderr).into_owned())),
    }
}

fn user_name(uid: u32) -> String {
    let text = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let line = text.lines().find(|line| line.split(':').nth(2) == Some(&uid.to_string()));
    line.and_then(|line| line.split(':').next()).unwrap_or_default().to_owned()
}

/// The first range of one of the names: first number and how many.
fn subordinate(text: &str, names: &[&str]) -> Option<(u32, u32)> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let range = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        names.contains(&name).then_some(range)
    })
}

/// Reads a stream to its end in a thread of its own; what is too much is dropped.
fn collect(mut from: impl Read + Send + 'static, limit: u64) -> JoinHandle<io::Result<Vec<u8>>> {
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        (&mut from).take(limit).read_to_end(&mut kept)?;
        io::copy(&mut from, &mut io::sink())?;
        Ok(kept)
    })
}

impl Job {
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
    pub fn finish(mut self, limit: Duration) -> Result<Ended, Stop> {
        self.input = None;
        let failed = |error: io::Error| Stop::new(format!("the sandbox is lost: {error}"));
        let start = Instant::now();
        let mut pause = Duration::from_millis(1);
        let status = loop {
            if let Some(status) = self.child.try_wait().map_err(failed)? {
                break status;
            }
            if start.elapsed() > limit {
                let _gone = self.child.kill();
                let _gone = self.child.wait();
                return Err(Stop::new("it does not end (time limit of the sandbox)"));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        };
        let joined = |handle: JoinHandle<io::Result<Vec<u8>>>| {
            handle.join().unwrap_or_else(|_| Err(io::Error::other("a thread failed")))
        };
        let output = joined(self.output).map_err(failed)?;
        let errors = joined(self.errors).map_err(failed)?;
        let status = status.code().and_then(|code| u8::try_from(code).ok());
        Ok(Ended { status, output, errors })
    }
}

impl Write for Job {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subordinate_numbers_are_found_by_name_or_number() {
        let text = "# c\nother:100000:65536\nme:165536:65536\n1001:1:2\n";
        assert_eq!(subordinate(text, &["1000", "me"]), Some((165_536, 65536)));
        assert_eq!(subordinate(text, &["1001", ""]), Some((1, 2)));
        assert_eq!(subordinate(text, &["5", "nobody"]), None);
    }
}
