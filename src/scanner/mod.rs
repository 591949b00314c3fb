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
    /// The command line cannot be followed.
    #[error("--scan-with: {why}")]
    Command {
        /// What is wrong with it, as a main clause.
        why: String,
    },
    /// The program is not there or cannot be executed.
    #[error("the scanner {program:?} cannot be run: {source}; is it installed and in PATH?")]
    Start {
        /// The first word of its command line.
        program: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// It ended with another status than 0, and without a report.
    #[error("the scanner {program:?} failed ({status}) and wrote no report: {stderr}")]
    Failed {
        /// The first word of its command line.
        program: String,
        /// Its status, as `exit status: 1`.
        status: String,
        /// The end of what it wrote to standard error, on one line.
        stderr: String,
    },
    /// Its report is too large, and was cut.
    #[error("the scanner {program:?} wrote more than {limit} bytes")]
    TooMuch {
        /// The first word of its command line.
        program: String,
        /// The largest report, in bytes.
        limit: u64,
    },
    /// It was still running when its time was up.
    #[error(
        "the scanner did not end within {seconds} s and was stopped: {command}; allow it more \
         with --scan-timeout"
    )]
    Timeout {
        /// The whole command line, quoted for a shell.
        command: String,
        /// How long it was allowed to take.
        seconds: u64,
    },
    /// What it writes cannot be read, or its end cannot be waited for.
    #[error("reading from the scanner {program:?}: {source}")]
    Io {
        /// The first word of its command line.
        program: String,
        /// What the system says.
        source: std::io::Error,
    },
}
