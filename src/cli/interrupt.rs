//! Ctrl-C and `kill`: the run takes back what it has not finished, says so in one line and
//! ends with the exit code that shells give to a process ended by the signal.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use imgfix_host::unfinished::Published;

use super::exit;
use super::output::Output;

/// Handlers of signals whose thread is not started yet; until then a signal ends the process.
pub struct Watcher {
    /// Whether a signal ends the process at once.
    at_once: Arc<AtomicBool>,
    signals: Signals,
}

/// Sets the handlers.
///
/// # Errors
/// The system gives no handler; signals then end the process as they always do.
pub fn prepare() -> io::Result<Watcher> {
    let at_once = Arc::new(AtomicBool::new(true));
    for signal in [SIGINT, SIGTERM] {
        // a second signal does not wait for the first one's cleaning
        let code = exit::of_signal(signal);
        flag::register_conditional_shutdown(signal, code, Arc::clone(&at_once))?;
    }
    Ok(Watcher { at_once, signals: Signals::new([SIGINT, SIGTERM])? })
}

impl Watcher {
    /// Watches in a thread of its own, until the process ends.
    ///
    /// # Errors
    /// The system gives no thread; a signal then ends the process at once.
    pub fn start(self, output: Arc<Output>) -> io::Result<()> {
        let Self { at_once, mut signals } = self;
        let waits = Arc::clone(&at_once);
        let wait = move || {
            let Some(signal) = signals.forever().next() else { return };
            at_once.store(true, Ordering::SeqCst);
            let published = output.unfinished().take_back();
            output.interrupted(&told(signal, &published));
            std::process::exit(exit::of_signal(signal));
        };
        std::thread::Builder::new().name("signals".to_owned()).spawn(wait)?;
        waits.store(false, Ordering::SeqCst);
        Ok(())
    }
}

fn told(signal: i32, published: &Published) -> String {
    let by = if signal == SIGINT { "interrupted" } else { "terminated" };
    match published {
        Published::Nothing => format!("{by}; nothing was published"),
        Published::Perhaps(tag) => {
            format!("{by} while the registry was asked to move {tag}; see what it points at")
        }
        Published::Tag(tag) => format!("{by} after {tag} was published"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_what_was_published() {
        let tag = || "docker://example.org/app:1_fix".to_owned();
        let cases = [
            (SIGINT, Published::Nothing, "interrupted; nothing"),
            (SIGTERM, Published::Nothing, "terminated; nothing"),
            (SIGINT, Published::Perhaps(tag()), "app:1_fix; see"),
            (SIGINT, Published::Tag(tag()), "after docker://example.org/app:1_fix was"),
        ];
        for (signal, published, wanted) in cases {
            let line = told(signal, &published);
            assert!(line.contains(wanted), "{line}");
        }
    }
}
