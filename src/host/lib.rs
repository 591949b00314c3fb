//! This machine, as the other rooms use it: files that are written whole or not at all, what an
//! interruption takes back, progress, HTTP clients and retries, deadlines of transfers, trust in TLS,
//! work in parallel, which hosts it is itself.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

pub mod http;
pub mod loopback;
pub mod ownership;
pub mod pace;
pub mod parallel;
pub mod progress;
mod proxy;
pub mod scratch;
pub mod staging;
pub mod tls;
pub mod unfinished;
