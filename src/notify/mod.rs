//! Notifications: who is told of a repair, and how. In come the targets of the policy file and
//! what happened; out go requests (or lines of a file), each tried a few times. A notification
//! that fails is a warning: the repair is what it was.
//!
//! Secrets come from the environment only: the file names variables, so it can be public.

mod chat;
mod events;
mod mail;
mod message;
mod send;
mod smtp;
mod target;
#[cfg(test)]
mod tests;

pub use mail::{Letter, Starttls};
pub use message::{Event, Message};
pub use send::{Sender, send_all};
pub use target::{Address, Entry, HeaderFrom, Kind, Target, When};
