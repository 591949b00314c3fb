//! A scanner that the user names: its command line ([`ScannerCommand`]) and how it is run.
//!
//! In comes a template like `trivy image --format json --input {archive}` and what the
//! placeholders stand for; out comes the report that the scanner wrote to its standard output.
//! No shell is between: words are split as a POSIX shell splits them, and nothing is expanded.

mod command;
mod run;

pub use command::{DEFAULT_TIMEOUT, ImageForm, Placeholders, ScannerCommand};
pub use run::{Bounds, Scan, run};

/// Why there is no report of a scanner.
#[derive(Debug, thiserror::Error)]
pub enum ScannerError {
    #[error("--scan-with: {why}")]
    Command { why: String },
    #[error("the scanner {program:?} cannot be run: {source}; is it installed and in PATH?")]
    Start { program: String, source: std::io::Error },
    #[error("the scanner {program:?} failed ({status}) and wrote no report: {stderr}")]
    Failed { program: String, status: String, stderr: String },
    #[error("the scanner {program:?} wrote more than {limit} bytes")]
    TooMuch { program: String, limit: u64 },
    #[error(
        "the scanner did not end within {seconds} s and was stopped: {command}; allow it more \
         with --scan-timeout"
    )]
    Timeout { command: String, seconds: u64 },
    #[error("reading from the scanner {program:?}: {source}")]
    Io { program: String, source: std::io::Error },
}
