//! The channel in which each receiver gets each message: tokio's own, which announces what is done to it.
//!
//! The ring of messages is tokio's own, and so is how receivers lag. All halves are one resource, named by where the
//! channel was made.
//!
//! ```
//! use timeloop::sync::broadcast;
//!
//! let seen = timeloop::run(1, || async {
//!     let (tx, mut early) = broadcast::channel(2);
//!     tx.send(1).unwrap();
//!     let mut late = tx.subscribe();
//!     tx.send(2).unwrap();
//!     (early.recv().await, late.recv().await)
//! });
//! assert_eq!(seen.unwrap(), (Ok(1), Ok(2)));
//! ```

use std::fmt;
use std::panic::Location;

use timeloop_sim::Access;
use tokio::sync::broadcast as tokios;

use super::blocking::at_once;
use super::channel::{Half, Handles, sender_pair};
use crate::engine::announce::{Action, ResourceId};

/// Error types: tokio's own.
pub mod error {
    pub use tokio::sync::broadcast::error::{RecvError, SendError, TryRecvError};
}

use error::{RecvError, SendError, TryRecvError};

const NAME: &str = "broadcast channel";

/// The channel's senders.
fn senders(id: ResourceId) -> Handles {
    Handles { id, channel: NAME, name: "senders of a broadcast channel", half: Half::Sending }
}

/// Makes a channel that keeps `capacity` messages, rounded up to a power of two, for receivers that are behind.
///
/// # Panics
/// When `capacity` is 0, or more than half of what a `usize` can hold.
#[track_caller]
pub fn channel<T: Clone>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let (tx, rx) = tokios::channel(capacity);
    let id = ResourceId::new();
    (Sender::wrap(tx, id), Receiver { inner: rx, id })
}

/// The sending half of a [`channel`]; there may be many.
pub struct Sender<T> {
    inner: tokios::Sender<T>,
    id: ResourceId,
}

impl<T> Sender<T> {
    /// Makes the sending half alone; [`subscribe`](Self::subscribe) makes receivers.
    ///
    /// # Panics
    /// As [`channel`].
    #[track_caller]
    pub fn new(capacity: usize) -> Self {
        Self::wrap(tokios::Sender::new(capacity), ResourceId::new())
    }

    fn wrap(inner: tokios::Sender<T>, id: ResourceId) -> Self {
        Self { inner, id }
    }

    fn inner(&self) -> &tokios::Sender<T> {
        &self.inner
    }

    fn half(&self) -> Option<&tokios::Sender<T>> {
        Some(&self.inner)
    }

    /// Sends a message to all receivers there are, and says how many; gives it back when there is none.
    #[track_caller]
    pub fn send(&self, value: T) -> Result<usize, SendError<T>> {
        self.id.action(NAME, Access::Send).touch();
        self.inner.send(value)
    }

    /// Makes a receiver, which gets what is sent from now on.
    #[track_caller]
    pub fn subscribe(&self) -> Receiver<T> {
        self.id.action(NAME, Access::Write).touch();
        Receiver { inner: self.inner.subscribe(), id: self.id }
    }

    /// How many messages there are that some receiver has not got yet.
    #[track_caller]
    pub fn len(&self) -> usize {
        self.id.action(NAME, Access::Read).touch();
        self.inner.len()
    }

    /// Whether all receivers have got all messages.
    #[track_caller]
    pub fn is_empty(&self) -> bool {
        self.id.action(NAME, Access::Read).touch();
        self.inner.is_empty()
    }

    /// How many receivers there are.
    #[track_caller]
    pub fn receiver_count(&self) -> usize {
        self.id.action(NAME, Access::Read).touch();
        self.inner.receiver_count()
    }

    /// Waits until all receivers are gone.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    #[track_caller]
    pub fn closed(&self) -> impl Future<Output = ()> {
        self.id.action(NAME, Access::Read).before(self.inner.closed())
    }
}

sender_pair!(Sender, WeakSender);

/// The receiving half of a [`channel`]; there may be many.
pub struct Receiver<T> {
    inner: tokios::Receiver<T>,
    id: ResourceId,
}

impl<T> Receiver<T> {
    /// How many messages it has not got yet, those included that it is too far behind to get.
    #[track_caller]
    pub fn len(&self) -> usize {
        self.id.action(NAME, Access::Read).touch();
        self.inner.len()
    }

    /// Whether it has got all messages.
    #[track_caller]
    pub fn is_empty(&self) -> bool {
        self.id.action(NAME, Access::Read).touch();
        self.inner.is_empty()
    }

    /// Whether both belong to one channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        self.inner.same_channel(&other.inner)
    }

    /// How many [`Sender`]s there are.
    #[track_caller]
    pub fn sender_strong_count(&self) -> usize {
        senders(self.id).count();
        self.inner.sender_strong_count()
    }

    /// How many [`WeakSender`]s there are.
    #[track_caller]
    pub fn sender_weak_count(&self) -> usize {
        senders(self.id).count();
        self.inner.sender_weak_count()
    }

    /// Whether all senders are gone.
    #[track_caller]
    pub fn is_closed(&self) -> bool {
        self.id.action(NAME, Access::Read).touch();
        self.inner.is_closed()
    }
}

impl<T: Clone> Receiver<T> {
    /// Another receiver, which gets what is sent from now on.
    #[track_caller]
    pub fn resubscribe(&self) -> Self {
        self.id.action(NAME, Access::Write).touch();
        Self { inner: self.inner.resubscribe(), id: self.id }
    }

    /// Takes the next message; waits for one where there is none. Fails when it is too far behind, and goes on with the
    /// oldest message that is kept then; fails when there is no message and no sender.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: unless it has returned, no message has been taken.
    #[track_caller]
    pub fn recv(&mut self) -> impl Future<Output = Result<T, RecvError>> {
        let at = Location::caller();
        async move {
            let action = Action { id: &self.id, name: NAME, access: Access::Receive, at };
            action.before(self.inner.recv()).await
        }
    }

    /// Takes the next message, if there is one.
    #[track_caller]
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.id.action(NAME, Access::Receive).touch();
        self.inner.try_recv()
    }

    /// [`recv`](Self::recv) for code that is not async; blocks the thread where there is no message.
    ///
    /// # Panics
    /// Inside of a run when it would have to wait, and inside of tokio's runtime.
    #[track_caller]
    pub fn blocking_recv(&mut self) -> Result<T, RecvError> {
        let action = self.id.action(NAME, Access::Receive);
        let words = ["blocking_recv", "a message", "recv().await"];
        at_once(|| self.inner.recv(), action, words).unwrap_or_else(|| self.inner.blocking_recv())
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.id.touch(NAME, Access::Write, None);
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
