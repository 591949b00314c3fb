//! Work on several things at once: repositories loaded, layers read, packages unpacked.
//!
//! In come things and what to do with each; out come the results in the order of the things.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How many things are loaded over the network at once: repositories do not like more.
pub const LOADS: usize = 4;

/// How many threads can work at once on this machine.
#[must_use]
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Maps with at most so many threads, this one included, keeping the order. Things are begun in
/// their order. When `work` panics, the panic goes on here after the other threads have ended.
pub fn parallel<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let run = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { return done };
            done.push((at, work(item)));
        }
    };
    let mut results: Vec<(usize, R)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..items.len().min(threads)).map(|_| scope.spawn(run)).collect();
        let mut results = run();
        for thread in threads {
            match thread.join() {
                Ok(more) => results.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    });
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_things_however_many_threads_there_are() {
        let items: Vec<u32> = (0..100).collect();
        let want: Vec<u32> = items.iter().map(|item| item * 2).collect();
        for threads in [0, 1, 3, 200] {
            assert_eq!(parallel(&items, threads, |item| item * 2), want, "{threads}");
        }
        assert!(parallel::<u32, u32>(&[], 4, |item| *item).is_empty());
    }

    #[test]
    fn work_is_done_at_once_by_as_many_threads_as_are_allowed() {
        // each waits for the other two, so with fewer threads it would never end
        let all = Barrier::new(3);
        let leaders = parallel(&[(); 3], 3, |()| all.wait().is_leader());
        assert_eq!(leaders.into_iter().filter(|leader| *leader).count(), 1);
    }

    #[test]
    fn a_panic_goes_on_in_the_caller() {
        let caught = std::panic::catch_unwind(|| {
            parallel(&[1, 2, 3], 2, |item| assert_ne!(*item, 2));
        });
        assert!(caught.is_err());
    }
}
