//! Telling people of a repair, as the policy says. What fails is a warning.

use std::path::PathBuf;

use tokio::runtime::Runtime;

use crate::notify::{Event, Message, Sender, Target, send_all};

use super::output::Output;

/// Tells every target that wants to know.
pub fn send(targets: &[Target], event: Event<'_>, certificates: &[PathBuf], output: &Output) {
    if targets.is_empty() {
        return;
    }
    let progress = output.progress();
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return progress.warn(&format!("nobody was told: {error}")),
    };
    // Files that cannot be read were an error of the repair already.
    let certificates: Vec<Vec<u8>> =
        certificates.iter().filter_map(|path| std::fs::read(path).ok()).collect();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
    let sender = Sender {
        runtime: &runtime,
        certificates: &certificates,
        variable: &|name| std::env::var(name).ok(),
        now,
    };
    for why in send_all(targets, &Message::of(event), &sender) {
        progress.warn(&why);
    }
}
