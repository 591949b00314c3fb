//! Progress events: what the steps tell whoever watches.
//!
//! The core rooms never print. They are handed a [`Progress`] and say what they are doing;
//! the terminal (bars, plain lines, silence) is chosen by `cli::output`.

use std::sync::Arc;

/// Receives progress events. Implementations must be cheap: bytes are reported per buffer.
pub trait Progress: Send + Sync {
    /// A named unit of work starts (`"layer sha256:1234…"`, `"libc6_2.36-9_amd64.deb"`).
    /// `total` is its size in bytes when known. The returned task ends when dropped.
    fn start(&self, what: &str, total: Option<u64>) -> Box<dyn Task>;
    /// A step starts that has no size (`"linux/amd64: planning"`): one line for the reader, and on
    /// a terminal a sign that it goes on, and for how long, until the returned task is dropped.
    fn step(&self, text: &str) -> Box<dyn Task>;
    /// One line for the reader.
    fn message(&self, text: &str);
    /// A line that is shown at every verbosity but `-q`: something the user should look at.
    fn warn(&self, text: &str);
    /// A line shown only with `-v`.
    fn detail(&self, text: &str);
}

/// A running unit of work.
pub trait Task: Send {
    /// `bytes` more bytes are done.
    fn advance(&self, bytes: u64);
}

/// Says nothing; for tests and library users who do not watch.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

struct SilentTask;

impl Task for SilentTask {
    fn advance(&self, _bytes: u64) {}
}

impl Progress for Silent {
    fn start(&self, _what: &str, _total: Option<u64>) -> Box<dyn Task> {
        Box::new(SilentTask)
    }
    fn step(&self, _text: &str) -> Box<dyn Task> {
        Box::new(SilentTask)
    }
    fn message(&self, _text: &str) {}
    fn warn(&self, _text: &str) {}
    fn detail(&self, _text: &str) {}
}

/// How rooms hold the watcher.
pub type SharedProgress = Arc<dyn Progress>;
