//! A channel for a single value: tokio's `oneshot`, announcing its operations.
//!
//! Both halves are one resource, identified by where the channel was created. The receiver announces when it is first
//! polled.
//!
//! ```
//! use timeloop::sync::oneshot;
//!
//! let answer = timeloop::run(1, || async {
//!     let (tx, rx) = oneshot::channel();
//!     timeloop::spawn(async move { tx.send(42) });
//!     rx.await
//! });
//! assert_eq!(answer.unwrap(), Ok(42));
//! ```

use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use timeloop_sim::{Access, ResourceKind};
use tokio::sync::oneshot as upstream;

use super::blocking::{inside_run, wait};
use crate::engine::announce::{Action, Attempt, ResourceId, until_done};
use crate::engine::{CameOut, Fact};

/// Error types: tokio's own.
pub mod error {
    pub use tokio::sync::oneshot::error::{RecvError, TryRecvError};
}

use error::{RecvError, TryRecvError};

const NAME: &str = "oneshot channel";

/// Creates a channel for a single value.
#[track_caller]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let (tx, rx) = upstream::channel();
    let id = ResourceId::new_of(ResourceKind::Channel);
    let attempt = Attempt::default();
    (Sender { inner: Some(tx), id, polling: attempt }, Receiver { inner: rx, id, attempt })
}

/// The sending half of a [`channel`].
pub struct Sender<T> {
    /// `None` once the value was sent.
    inner: Option<upstream::Sender<T>>,
    id: ResourceId,
    /// The operation of pending `poll_closed` calls.
    polling: Attempt,
}

impl<T> Sender<T> {
    fn inner(&self) -> &upstream::Sender<T> {
        self.inner.as_ref().expect("a sender is there until it has sent")
    }

    /// Sends the value. Returns it if the receiver was dropped or has closed the channel.
    #[track_caller]
    pub fn send(mut self, t: T) -> Result<(), T> {
        self.id.action(NAME, Access::Send).touch();
        match self.inner.take() {
            Some(inner) => inner.send(t),
            None => Err(t),
        }
    }

    /// Waits until the receiver is dropped or closes the channel.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    #[track_caller]
    pub fn closed(&mut self) -> impl Future<Output = ()> {
        let at = Location::caller();
        until_done(move |attempt, cx| {
            if attempt.is_fresh() {
                self.polling.restart();
            }
            let Self { inner, id, .. } = &mut *self;
            let inner = inner.as_mut().expect("a sender is there until it has sent");
            let action = Action { id, name: NAME, access: Access::Read, at };
            attempt.poll(cx, action, |cx| inner.poll_closed(cx))
        })
    }

    /// Returns whether the receiver was dropped or has closed the channel.
    #[track_caller]
    pub fn is_closed(&self) -> bool {
        self.id.action(NAME, Access::Read).touch();
        self.inner().is_closed()
    }

    /// Polls for [`closed`](Self::closed). If several calls are pending, only the last call's waker is woken.
    #[track_caller]
    pub fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self { inner, id, polling } = self;
        let action = id.action(NAME, Access::Read);
        let inner = inner.as_mut().expect("a sender is there until it has sent");
        let polled = polling.poll(cx, action, |cx| inner.poll_closed(cx));
        if polled.is_ready() {
            self.polling.restart();
        }
        polled
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if self.inner.is_some() {
            self.id.touch(NAME, Access::Write, None);
            self.id.learn(|| Fact::Closed);
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner().fmt(f)
    }
}

/// The receiving half of a [`channel`]. It is a future that yields the value, or an error if the sender was dropped.
///
/// # Cancel safety
///
/// Cancel safe if polled by reference: until it is ready, the value is not taken.
pub struct Receiver<T> {
    inner: upstream::Receiver<T>,
    id: ResourceId,
    attempt: Attempt,
}

impl<T> Receiver<T> {
    /// Closes the channel. A value that was sent before can still be received.
    #[track_caller]
    pub fn close(&mut self) {
        self.id.action(NAME, Access::Write).touch();
        self.inner.close();
    }

    /// Returns whether the value or an error has been received.
    pub fn is_terminated(&self) -> bool {
        self.inner.is_terminated()
    }

    /// Returns whether there is no value to receive now.
    #[track_caller]
    pub fn is_empty(&self) -> bool {
        self.id.action(NAME, Access::Read).touch();
        self.inner.is_empty()
    }

    /// Receives the value, if it was sent.
    #[track_caller]
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.id.action(NAME, Access::Receive).touch();
        let received = self.inner.try_recv();
        match received {
            Ok(_) => {}
            Err(TryRecvError::Empty) => self.id.came_out(CameOut::Failed),
            Err(TryRecvError::Closed) => self.id.came_out(CameOut::Closed),
        }
        received
    }

    /// Receives the value from synchronous code. Outside a run, blocks the thread until it is sent.
    ///
    /// # Panics
    /// In a task, unless it is in `spawn_blocking` or `block_in_place`. Outside a run, if called within a tokio runtime.
    #[track_caller]
    pub fn blocking_recv(mut self) -> Result<T, RecvError> {
        let action = self.id.action(NAME, Access::Receive);
        if inside_run() {
            let words = ["blocking_recv", "the value", "receiver.await"];
            return wait(|| &mut self.inner, action, words).expect("this is inside of a run");
        }
        // Nothing is recorded outside a run, so dropping the wrapper needs no tokio receiver.
        std::mem::replace(&mut self.inner, upstream::channel().1).blocking_recv()
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { inner, id, attempt } = &mut *self;
        let action = id.action(NAME, Access::Receive);
        attempt.poll_noting(
            cx,
            action,
            |cx| Pin::new(inner).poll(cx),
            |polled| {
                if matches!(polled, Poll::Ready(Err(_))) {
                    id.came_out(CameOut::Closed);
                }
            },
        )
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        if !self.inner.is_terminated() {
            self.id.touch(NAME, Access::Write, None);
            self.id.learn(|| Fact::Closed);
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
