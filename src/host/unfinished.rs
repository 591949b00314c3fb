//! What is under way, so that an interrupted run leaves nothing behind.
//!
//! A partial file, a blob that no tag names yet, an open upload: whoever makes one says here
//! how it is taken back, and forgets it when it is finished. When the user interrupts the run,
//! [`Unfinished::take_back`] takes everything back, newest first, whatever the working threads
//! are busy with. From then on none of them can make or finish anything: they wait here until
//! the process ends.
//!
//! Nothing here knows signals, files or registries.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How one thing is taken back. It must not use the [`Unfinished`] it is registered with.
pub type Undo = Box<dyn FnOnce() + Send>;

/// What an interrupted run has published.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Published {
    /// No tag has moved.
    #[default]
    Nothing,
    /// The registry was asked to move this tag and has not answered yet.
    Perhaps(String),
    /// This tag has moved.
    Tag(String),
}

/// Everything of one run that is not finished. Cloning shares it.
#[derive(Clone, Default)]
pub struct Unfinished {
    shared: Arc<Mutex<Inner>>,
    scope: Scope,
}

/// Whose publications count.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Scope {
    #[default]
    Result,
    /// A copy for somebody who works for the run: it is not what the run publishes.
    Aside,
}

#[derive(Default)]
struct Inner {
    /// In the order of their making.
    undo: BTreeMap<u64, Undo>,
    next: u64,
    published: Published,
}

/// One unfinished thing; dropped when it is finished, or taken back by its maker.
#[derive(Debug)]
pub struct Pending {
    owner: Unfinished,
    key: u64,
}

impl Unfinished {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, for images that are not what the run publishes: a copy for a scanner.
    #[must_use]
    pub fn aside(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), scope: Scope::Aside }
    }

    /// What the run has published so far.
    #[must_use]
    pub fn published(&self) -> Published {
        self.inner().published.clone()
    }

    /// Makes something, and remembers how it is taken back until the [`Pending`] is dropped.
    /// No interruption comes between the two.
    ///
    /// # Errors
    /// Those of `make`; nothing is remembered then.
    pub fn make<T, E>(
        &self,
        make: impl FnOnce() -> Result<(T, Undo), E>,
    ) -> Result<(T, Pending), E> {
        let mut inner = self.inner();
        let (made, undo) = make()?;
        let key = inner.next;
        inner.next += 1;
        inner.undo.insert(key, undo);
        Ok((made, Pending { owner: self.clone(), key }))
    }

    /// Remembers how something that is there already is taken back.
    #[must_use]
    pub fn remember(&self, undo: Undo) -> Pending {
        let made: Result<((), Pending), std::convert::Infallible> = self.make(|| Ok(((), undo)));
        match made {
            Ok(((), pending)) => pending,
        }
    }

    /// A step that an interruption cannot cut in half. It must be short, and must not use this
    /// [`Unfinished`].
    pub fn whole<T>(&self, step: impl FnOnce() -> T) -> T {
        let _guard = self.inner();
        step()
    }

    /// As [`Unfinished::whole`], for the step after which `tag` is published if it succeeds.
    ///
    /// # Errors
    /// Those of `step`; nothing is published then.
    pub fn publish<T, E>(&self, tag: &str, step: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let mut inner = self.inner();
        let done = step()?;
        if self.scope == Scope::Result {
            inner.published = Published::Tag(tag.to_owned());
        }
        Ok(done)
    }

    /// What is to be told of an interruption from now on.
    pub fn set_published(&self, published: Published) {
        let mut inner = self.inner();
        if self.scope == Scope::Result {
            inner.published = published;
        }
    }

    /// Takes everything back, newest first. Whoever uses this [`Unfinished`] afterwards waits
    /// for ever: the caller ends the process.
    #[must_use]
    pub fn take_back(&self) -> Published {
        let mut inner = self.inner();
        let undo = std::mem::take(&mut inner.undo);
        for (_, undo) in undo.into_iter().rev() {
            undo();
        }
        let published = inner.published.clone();
        std::mem::forget(inner);
        published
    }
}

impl fmt::Debug for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unfinished")
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.owner.inner().undo.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    fn told(to: &mpsc::Sender<u32>, number: u32) -> Undo {
        let to = to.clone();
        Box::new(move || to.send(number).expect("a listener"))
    }

    #[test]
    fn what_is_unfinished_is_taken_back_newest_first() {
        let unfinished = Unfinished::default();
        let (to, from) = mpsc::channel();
        let _first = unfinished.remember(told(&to, 1));
        drop(unfinished.remember(told(&to, 2)));
        let _third = unfinished.remember(told(&to, 3));
        assert_eq!(unfinished.take_back(), Published::Nothing);
        assert_eq!(from.try_iter().collect::<Vec<_>>(), [3, 1]);
        std::mem::forget((_first, _third));
    }

    #[test]
    fn what_was_not_made_is_not_taken_back() {
        let unfinished = Unfinished::default();
        let failed: Result<((), Pending), &str> = unfinished.make(|| Err("no"));
        assert!(failed.is_err());
        let failed: Result<(), &str> = unfinished.publish("app:1", || Err("no"));
        assert!(failed.is_err());
        assert_eq!(unfinished.take_back(), Published::Nothing);
    }

    #[test]
    fn nothing_is_made_or_finished_after_the_interruption() {
        let unfinished = Unfinished::default();
        assert_eq!(unfinished.publish("app:1", || Ok::<_, ()>(7)), Ok(7));
        assert_eq!(unfinished.take_back(), Published::Tag("app:1".into()));
        let (to, from) = mpsc::channel();
        let other = unfinished.clone();
        std::thread::spawn(move || other.whole(|| to.send(1)));
        assert!(from.recv_timeout(Duration::from_millis(50)).is_err());
    }
}
