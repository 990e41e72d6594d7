//! The waiters of a socket: tasks to wake when it may have become ready.
//!
//! # Invariants
//! A waiter is woken once for each registration, and none is lost. `poll_…` methods share one slot per direction,
//! where the last registration counts, as in tokio.

/// The waiters for one direction of a socket.
#[derive(Debug)]
pub(crate) struct Waiters<W> {
    /// The task that called a `poll_…` method last.
    poller: Option<W>,
    /// The tasks in `async` methods. Boxed, because there is usually none.
    #[expect(clippy::box_collection, reason = "three words in every connection that nobody uses")]
    shared: Option<Box<Vec<W>>>,
}

/// How a waiter is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitSlot {
    /// In the single slot of the `poll_…` methods.
    Poll,
    /// In addition to all other waiters.
    Shared,
}

impl<W> Default for Waiters<W> {
    fn default() -> Self {
        Self { poller: None, shared: None }
    }
}

impl<W> Waiters<W> {
    /// Registers a waiter. Returns a waiter to drop, the replaced or the duplicate one; the caller drops it without
    /// holding locks.
    #[inline]
    pub(super) fn add(&mut self, waiter: W, slot: WaitSlot) -> Option<W>
    where
        W: PartialEq,
    {
        match slot {
            WaitSlot::Poll => self.poller.replace(waiter),
            WaitSlot::Shared => {
                let shared = self.shared.get_or_insert_default();
                if shared.contains(&waiter) {
                    return Some(waiter);
                }
                shared.push(waiter);
                None
            }
        }
    }

    /// Returns whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.poller.is_none() && self.shared.as_ref().is_none_or(|shared| shared.is_empty())
    }

    /// Moves all waiters into `woken`.
    #[inline]
    pub(super) fn wake(&mut self, woken: &mut Vec<W>) {
        if let Some(poller) = self.poller.take() {
            woken.push(poller);
        }
        if let Some(shared) = self.shared.take() {
            woken.extend(*shared);
        }
    }
}
