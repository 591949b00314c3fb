//! Runs a scanner and takes its standard output.
//!
//! A scanner runs in a process group of its own, so that one that takes too long, writes too
//! much or is under way when the user interrupts the run ends with all that it started.

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::ScannerError;
use imgfix_host::unfinished::Unfinished;

/// How much of standard error is shown, in bytes from its end.
const SHOWN: usize = 2000;

/// What a scanner wrote, and whether it ended well: scanners also end badly to say that they
/// found something, so only a reader of the report can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// What it wrote to standard output.
    pub report: Vec<u8>,
    /// `exit status: 1` and what it said, when it did not end with 0.
    pub complaint: Option<(String, String)>,
}

/// What a run of a scanner may use.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The largest report, in bytes.
    pub report: u64,
    /// The longest run.
    pub time: Duration,
}

/// How often it is looked whether a scanner that has closed its output has ended.
const POLL: Duration = Duration::from_millis(20);
/// How long to wait for the end of standard error once the scanner has ended: what it left
/// running may keep it open.
const LINGERING: Duration = Duration::from_secs(2);

/// Runs `words` within `bounds`; an interruption of the run ends it.
///
/// # Errors
/// The program cannot be started, takes too long, writes too much, or fails without writing
/// anything.
pub fn run(
    words: &[String],
    bounds: Bounds,
    unfinished: &Unfinished,
) -> Result<Scan, ScannerError> {
    let program = words.first().cloned().unwrap_or_default();
    let deadline = Instant::now().checked_add(bounds.time);
    let (child, _pending) = unfinished.make(|| {
        let child = start(&program, words)?;
        let group = Pid::from_child(&child);
        Ok::<_, ScannerError>((child, Box::new(move || stop_group(group)) as _))
    })?;
    let mut group = Group { leader: child, ended: false };
    let (stdout, stderr) = (group.leader.stdout.take(), group.leader.stderr.take());
    let errors = in_thread(move || tail(stderr));
    let limit = bounds.report;
    let output = in_thread(move || {
        let mut report = Vec::new();
        let read = stdout.map_or(Ok(0), |out| out.take(limit + 1).read_to_end(&mut report));
        read.map(|_| report)
    });
    let io = |source: io::Error| ScannerError::Io { program: program.clone(), source };
    let timeout = || ScannerError::Timeout {
        command: shlex::try_join(words.iter().map(String::as_str)).unwrap_or(program.clone()),
        seconds: bounds.time.as_secs(),
    };
    let report = output.recv_timeout(left(deadline)).map_err(|_| timeout())?.map_err(io)?;
    if report.len() as u64 > limit {
        return Err(ScannerError::TooMuch { program, limit });
    }
    let status = group.wait(deadline).map_err(io)?.ok_or_else(timeout)?;
    let stderr = errors.recv_timeout(LINGERING).unwrap_or_default();
    if !status.success() && report.trim_ascii().is_empty() {
        return Err(ScannerError::Failed { program, status: status.to_string(), stderr });
    }
    let complaint = (!status.success()).then(|| (status.to_string(), stderr));
    Ok(Scan { report, complaint })
}

fn start(program: &str, words: &[String]) -> Result<Child, ScannerError> {
    Command::new(program)
        .args(words.iter().skip(1))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|source| ScannerError::Start { program: program.to_owned(), source })
}

/// The scanner as the leader of its process group. Dropped before the scanner's end was seen,
/// it ends the whole group.
struct Group {
    leader: Child,
    ended: bool,
}

impl Group {
    /// Its exit status; `None`: the deadline passed.
    fn wait(&mut self, deadline: Option<Instant>) -> io::Result<Option<ExitStatus>> {
        loop {
            match self.leader.try_wait()? {
                Some(status) => {
                    self.ended = true;
                    return Ok(Some(status));
                }
                None if left(deadline).is_zero() => return Ok(None),
                None => std::thread::sleep(POLL),
            }
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // the number of a process that has been waited for may be another's
        if !self.ended {
            stop_group(Pid::from_child(&self.leader));
            let _ = self.leader.wait();
        }
    }
}

fn stop_group(group: Pid) {
    let _ = kill_process_group(group, Signal::KILL);
}

/// How long it is until a deadline; one beyond what the clock counts never comes.
fn left(deadline: Option<Instant>) -> Duration {
    let never = Duration::from_secs(u64::from(u32::MAX));
    deadline.map_or(never, |deadline| deadline.saturating_duration_since(Instant::now()))
}

/// Does something that may wait for ever; its result comes through the channel.
fn in_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        // nobody listens any more after a timeout
        let _ = sender.send(work());
    });
    receiver
}

/// The end of a stream, as text on one line.
fn tail(stream: Option<impl Read>) -> String {
    let Some(mut stream) = stream else { return String::new() };
    let mut kept: Vec<u8> = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(got) = stream.read(&mut buffer) {
        if got == 0 {
            break;
        }
        kept.extend_from_slice(buffer.get(..got).unwrap_or_default());
        if kept.len() > 2 * SHOWN {
            kept.drain(..kept.len() - SHOWN);
        }
    }
    let from = kept.len().saturating_sub(SHOWN);
    let text = String::from_utf8_lossy(kept.get(from..).unwrap_or_default()).into_owned();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Result<Scan, ScannerError> {
        within(Duration::from_secs(60), script)
    }

    fn within(time: Duration, script: &str) -> Result<Scan, ScannerError> {
        let bounds = Bounds { report: 1000, time };
        run(&["sh", "-c", script].map(str::to_owned), bounds, &Unfinished::default())
    }

    /// Waits until a process is gone; `false`: it stays.
    fn ends(pid: &str) -> bool {
        (0..200).any(|_| {
            let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
            let gone = state.map_or(true, |text| text.contains(") Z"));
            if !gone {
                std::thread::sleep(Duration::from_millis(20));
            }
            gone
        })
    }

    #[test]
    fn what_it_writes_is_the_report() {
        let scan = sh("echo '{}'; echo log >&2").unwrap();
        assert_eq!((scan.report.as_slice(), scan.complaint), (&b"{}\n"[..], None));
        let scan = sh("echo '{}'; echo found >&2; exit 3").unwrap();
        assert_eq!(scan.complaint, Some(("exit status: 3".into(), "found".into())));
    }

    #[test]
    fn a_scanner_that_fails_says_why() {
        let error = sh("echo no database >&2; exit 1").unwrap_err().to_string();
        assert!(error.contains("(exit status: 1)") && error.contains("no database"), "{error}");
        let bounds = Bounds { report: 10, time: Duration::from_secs(60) };
        let unfinished = Unfinished::default();
        let error =
            run(&["/no/such/scanner".to_owned()], bounds, &unfinished).unwrap_err().to_string();
        assert!(error.contains("is it installed"), "{error}");
        let error = sh("yes").unwrap_err().to_string();
        assert!(error.contains("more than 1000 bytes"), "{error}");
    }

    #[test]
    fn a_scanner_that_takes_too_long_ends_with_all_that_it_started() {
        for hangs in ["sleep 300", "exec >&-; sleep 300", "exit 0"] {
            let dir = tempfile::tempdir().unwrap();
            let pids = dir.path().join("pids");
            let script = format!("sleep 300 & echo $! > '{0}'; {hangs}", pids.display());
            let before = Instant::now();
            let error = within(Duration::from_secs(1), &script).unwrap_err().to_string();
            assert!(error.contains("within 1 s") && error.contains("sh -c"), "{error}");
            assert!(error.contains("--scan-timeout"), "{error}");
            assert!(before.elapsed() < Duration::from_secs(30));
            assert!(ends(&std::fs::read_to_string(&pids).unwrap()), "its child runs on");
        }
    }

    #[test]
    fn an_interruption_ends_the_scanner() {
        let dir = tempfile::tempdir().unwrap();
        let pids = dir.path().join("pids");
        let script = format!("echo $$ > '{0}.new'; mv '{0}.new' '{0}'; sleep 300", pids.display());
        let unfinished = Unfinished::default();
        let other = unfinished.clone();
        let words = ["sh", "-c", &script].map(str::to_owned);
        let bounds = Bounds { report: 1000, time: Duration::from_secs(300) };
        std::thread::spawn(move || run(&words, bounds, &other));
        while !pids.exists() {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = unfinished.take_back();
        assert!(ends(&std::fs::read_to_string(&pids).unwrap()));
    }
}
