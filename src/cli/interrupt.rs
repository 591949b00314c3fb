//! Ctrl-C and `kill`: the run takes back what it has not finished, says so in one line and
//! ends with the exit code that shells give to a process ended by the signal.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use crate::unfinished::Published;

use super::exit;
use super::output::Output;

/// Watches for signals in a thread of its own, until the process ends.
///
/// # Errors
/// The system gives no handler or thread; signals then end the process as they always do.
pub fn watch(output: Arc<Output>) -> io::Result<()> {
    let again = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // a second signal does not wait for the first one's cleaning
        flag::register_conditional_shutdown(signal, exit::of_signal(signal), Arc::clone(&again))?;
    }
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let wait = move || {
        let Some(signal) = signals.forever().next() else { return };
        again.store(true, Ordering::SeqCst);
        let published = output.unfinished().take_back();
        output.interrupted(&told(signal, &published));
        std::process::exit(exit::of_signal(signal));
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(wait)?;
    Ok(())
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
