//! How long a server may take: some time for every transfer, and then a minimum rate.
//!
//! A server that sends one byte a minute is not silent, and would hold a run for ever. Only the
//! time spent waiting for it counts, not that in which this side is busy with what came.

use std::future::Future;
use std::time::{Duration, Instant};

/// The slowest transfer that is waited for, in bytes a second.
const SLOWEST: u64 = 32 << 10;

/// What every transfer is granted when nobody says otherwise.
const DEFAULT_GRACE: Duration = Duration::from_secs(300);

/// How patient transfers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    grace: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self::new(DEFAULT_GRACE)
    }
}

/// A server that is slower than it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the server is too slow: after {} s it must send {} KiB a second; wait longer with --timeout",
    grace.as_secs(),
    SLOWEST >> 10
)]
pub struct TooSlow {
    grace: Duration,
}

impl Pace {
    /// `grace`: what every transfer is granted, whatever its size.
    #[must_use]
    pub fn new(grace: Duration) -> Self {
        Self { grace }
    }

    /// How long so many bytes may take.
    #[must_use]
    pub fn allowed(&self, bytes: u64) -> Duration {
        self.grace.saturating_add(Duration::from_secs(bytes / SLOWEST))
    }

    /// Starts a transfer.
    #[must_use]
    pub fn transfer(self) -> Transfer {
        Transfer { pace: self, waited: Duration::ZERO, bytes: 0 }
    }

    /// Waits for a small answer.
    ///
    /// # Errors
    /// It does not come in time.
    pub async fn limit<T>(self, answer: impl Future<Output = T>) -> Result<T, TooSlow> {
        self.transfer().wait(answer).await
    }
}

/// A transfer under way: how long was waited for it, and what came.
#[derive(Debug)]
pub struct Transfer {
    pace: Pace,
    waited: Duration,
    bytes: u64,
}

impl Transfer {
    /// Waits for the next part.
    ///
    /// # Errors
    /// The transfer takes longer than what has come of it may take.
    pub async fn wait<T>(&mut self, part: impl Future<Output = T>) -> Result<T, TooSlow> {
        let left = self.pace.allowed(self.bytes).saturating_sub(self.waited);
        let start = Instant::now();
        let result = tokio::time::timeout(left, part).await;
        self.waited = self.waited.saturating_add(start.elapsed());
        result.map_err(|_| TooSlow { grace: self.pace.grace })
    }

    /// So many bytes have come.
    pub fn came(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    #[test]
    fn what_came_buys_time_and_what_does_not_come_costs_it() {
        let pace = Pace::new(Duration::from_secs(10));
        assert_eq!(pace.allowed(0), Duration::from_secs(10));
        assert_eq!(pace.allowed(SLOWEST * 5), Duration::from_secs(15));
        assert_eq!(pace.allowed(u64::MAX).as_secs(), 10 + u64::MAX / SLOWEST);
        run(async {
            let mut transfer = Pace::new(Duration::from_millis(60)).transfer();
            let mut parts = 0;
            // one byte at a time, never silent for long
            let slow = loop {
                let part = tokio::time::sleep(Duration::from_millis(10));
                if let Err(slow) = transfer.wait(part).await {
                    break slow;
                }
                transfer.came(1);
                parts += 1;
            };
            assert!(parts < 10, "{parts}");
            assert!(slow.to_string().contains("--timeout"), "{slow}");
            // time of one's own is free
            let mut transfer = Pace::new(Duration::from_millis(60)).transfer();
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert!(transfer.wait(std::future::ready(())).await.is_ok());
        });
    }
}
