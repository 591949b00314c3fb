//! Runs a scanner and takes its standard output.

use std::io::Read;
use std::process::{Command, Stdio};

use super::ScannerError;

/// How much of standard error is shown, in bytes from its end.
const SHOWN: usize = 2000;

/// What a scanner wrote, and whether it ended well: scanners also end badly to say that they
/// found something, so only a reader of the report can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    pub report: Vec<u8>,
    /// `exit status: 1` and what it said, when it did not end with 0.
    pub complaint: Option<(String, String)>,
}

/// Runs `words`; reads at most `limit` bytes.
///
/// # Errors
/// The program cannot be started, writes too much, or fails without writing anything.
pub fn run(words: &[String], limit: u64) -> Result<Scan, ScannerError> {
    let program = words.first().cloned().unwrap_or_default();
    let mut child = Command::new(&program)
        .args(words.iter().skip(1))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| ScannerError::Start { program: program.clone(), source })?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let errors = std::thread::spawn(move || tail(stderr));
    let mut report = Vec::new();
    let read = stdout.map_or(Ok(0), |out| out.take(limit + 1).read_to_end(&mut report));
    if report.len() as u64 > limit {
        let _ = child.kill();
        let _ = child.wait();
        return Err(ScannerError::TooMuch { program, limit });
    }
    read.map_err(|source| ScannerError::Io { program: program.clone(), source })?;
    let status =
        child.wait().map_err(|source| ScannerError::Io { program: program.clone(), source })?;
    let stderr = errors.join().unwrap_or_default();
    if !status.success() && report.trim_ascii().is_empty() {
        return Err(ScannerError::Failed { program, status: status.to_string(), stderr });
    }
    let complaint = (!status.success()).then(|| (status.to_string(), stderr));
    Ok(Scan { report, complaint })
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
        run(&["sh", "-c", script].map(str::to_owned), 1000)
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
        let error = run(&["/no/such/scanner".to_owned()], 10).unwrap_err().to_string();
        assert!(error.contains("is it installed"), "{error}");
        let error = sh("yes").unwrap_err().to_string();
        assert!(error.contains("more than 1000 bytes"), "{error}");
    }
}
