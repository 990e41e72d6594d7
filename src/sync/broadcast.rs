//! A channel in which every receiver gets every message: tokio's `broadcast`, announcing its operations.
//!
//! The buffer and the handling of lagging receivers are tokio's own. All handles are one resource, identified by where
//! the channel was created.
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
use std::task::Poll;

use timeloop_sim::{Access, ResourceKind};
use tokio::sync::broadcast as upstream;

use super::blocking::wait;
use super::channel::{Half, Handles, sender_pair};
use crate::engine::announce::{Action, ResourceId};
use crate::engine::{CameOut, Fact};

/// Error types: tokio's own.
pub mod error {
    pub use tokio::sync::broadcast::error::{RecvError, SendError, TryRecvError};
}

use error::{RecvError, SendError, TryRecvError};

const NAME: &str = "broadcast channel";

/// Returns the handles of the channel's senders.
fn senders(id: ResourceId) -> Handles {
    Handles { id, channel: NAME, name: "senders of a broadcast channel", half: Half::Sending }
}

/// Creates a channel that keeps `capacity` messages (rounded up to a power of two) for lagging receivers.
///
/// # Panics
/// If `capacity` is 0 or more than `usize::MAX / 2`.
#[track_caller]
pub fn channel<T: Clone>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let (tx, rx) = upstream::channel(capacity);
    let id = ResourceId::new_of(ResourceKind::Broadcast);
    (Sender::wrap(tx, id), Receiver { inner: rx, id })
}

/// The sending half of a [`channel`]. It can be cloned.
pub struct Sender<T> {
    inner: upstream::Sender<T>,
    id: ResourceId,
}

impl<T> Sender<T> {
    /// Creates a sender without a receiver. [`subscribe`](Self::subscribe) creates receivers.
    ///
    /// # Panics
    /// As [`channel`].
    #[track_caller]
    pub fn new(capacity: usize) -> Self {
        Self::wrap(upstream::Sender::new(capacity), ResourceId::new_of(ResourceKind::Broadcast))
    }

    fn wrap(inner: upstream::Sender<T>, id: ResourceId) -> Self {
        Self { inner, id }
    }

    fn inner(&self) -> &upstream::Sender<T> {
        &self.inner
    }

    fn half(&self) -> Option<&upstream::Sender<T>> {
        Some(&self.inner)
    }

    /// Sends a message to all current receivers, and returns their number. Returns the message if there are none.
    #[track_caller]
    pub fn send(&self, value: T) -> Result<usize, SendError<T>> {
        self.id.action(NAME, Access::Send).touch();
        self.inner.send(value)
    }

    /// Creates a receiver of all messages sent from now on.
    #[track_caller]
    pub fn subscribe(&self) -> Receiver<T> {
        self.id.action(NAME, Access::Write).touch();
        Receiver { inner: self.inner.subscribe(), id: self.id }
    }

    /// Returns the number of messages that some receiver has not received yet.
    #[track_caller]
    pub fn len(&self) -> usize {
        self.id.action(NAME, Access::Read).touch();
        self.inner.len()
    }

    /// Returns whether all receivers have received all messages.
    #[track_caller]
    pub fn is_empty(&self) -> bool {
        self.id.action(NAME, Access::Read).touch();
        self.inner.is_empty()
    }

    /// Returns the number of receivers.
    #[track_caller]
    pub fn receiver_count(&self) -> usize {
        self.id.action(NAME, Access::Read).touch();
        self.inner.receiver_count()
    }

    /// Waits until all receivers are dropped.
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

/// The receiving half of a [`channel`].
pub struct Receiver<T> {
    inner: upstream::Receiver<T>,
    id: ResourceId,
}

impl<T> Receiver<T> {
    /// Returns the number of messages not received yet, including those that it can no longer receive because it lags.
    #[track_caller]
    pub fn len(&self) -> usize {
        self.id.action(NAME, Access::Read).touch();
        self.inner.len()
    }

    /// Returns whether all messages were received.
    #[track_caller]
    pub fn is_empty(&self) -> bool {
        self.id.action(NAME, Access::Read).touch();
        self.inner.is_empty()
    }

    /// Returns whether both receivers belong to the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        self.inner.same_channel(&other.inner)
    }

    /// Returns the number of [`Sender`]s.
    #[track_caller]
    pub fn sender_strong_count(&self) -> usize {
        senders(self.id).record_count();
        self.inner.sender_strong_count()
    }

    /// Returns the number of [`WeakSender`]s.
    #[track_caller]
    pub fn sender_weak_count(&self) -> usize {
        senders(self.id).record_count();
        self.inner.sender_weak_count()
    }

    /// Returns whether all senders were dropped.
    #[track_caller]
    pub fn is_closed(&self) -> bool {
        self.id.action(NAME, Access::Read).touch();
        self.inner.is_closed()
    }
}

impl<T: Clone> Receiver<T> {
    /// Creates another receiver of all messages sent from now on.
    #[track_caller]
    pub fn resubscribe(&self) -> Self {
        self.id.action(NAME, Access::Write).touch();
        Self { inner: self.inner.resubscribe(), id: self.id }
    }

    /// Receives the next message, waiting while there is none. Fails if there is no message and no sender left. Fails
    /// with `Lagged` if the next message was overwritten; the next call then continues with the oldest message that is
    /// kept.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if the future is dropped before it returns, no message is lost.
    #[track_caller]
    pub fn recv(&mut self) -> impl Future<Output = Result<T, RecvError>> {
        let at = Location::caller();
        async move {
            let action = Action { id: &self.id, name: NAME, access: Access::Receive, at };
            self.id.learn(|| Fact::Senders(self.inner.sender_strong_count()));
            let receiving = action.before_noting(self.inner.recv(), |received| match received {
                Poll::Ready(Err(RecvError::Lagged(lost))) => self.id.came_out(CameOut::Lagged(*lost)),
                Poll::Ready(Err(RecvError::Closed)) => self.id.came_out(CameOut::Closed),
                _ => {}
            });
            receiving.await
        }
    }

    /// Receives the next message, if there is one.
    #[track_caller]
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.id.action(NAME, Access::Receive).touch();
        let received = self.inner.try_recv();
        match received {
            Ok(_) => {}
            Err(TryRecvError::Lagged(lost)) => self.id.came_out(CameOut::Lagged(lost)),
            Err(TryRecvError::Closed) => self.id.came_out(CameOut::Closed),
            Err(TryRecvError::Empty) => self.id.came_out(CameOut::Failed),
        }
        received
    }

    /// Receives a message as [`recv`](Self::recv) does, from synchronous code. Outside a run, blocks the thread while
    /// there is none.
    ///
    /// # Panics
    /// In a task, unless it is in `spawn_blocking` or `block_in_place`. Outside a run, if called within a tokio runtime.
    #[track_caller]
    pub fn blocking_recv(&mut self) -> Result<T, RecvError> {
        let action = self.id.action(NAME, Access::Receive);
        let words = ["blocking_recv", "a message", "recv().await"];
        wait(|| self.inner.recv(), action, words).unwrap_or_else(|| self.inner.blocking_recv())
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
