//! The channel for one value: tokio's own, which announces what is done to it.
//!
//! Both halves are one resource, named by where the channel was made. The receiver announces when it is first polled.
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

use timeloop_sim::Access;
use tokio::sync::oneshot as tokios;

use super::blocking::{at_once, inside_run};
use crate::engine::announce::{Action, Attempt, ResourceId, until_done};

/// Error types: tokio's own.
pub mod error {
    pub use tokio::sync::oneshot::error::{RecvError, TryRecvError};
}

use error::{RecvError, TryRecvError};

const NAME: &str = "oneshot channel";

/// Makes a channel for one value.
#[track_caller]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let (tx, rx) = tokios::channel();
    let id = ResourceId::new();
    let attempt = Attempt::default();
    (Sender { inner: Some(tx), id, polling: attempt }, Receiver { inner: rx, id, attempt })
}

/// The sending half of a [`channel`].
pub struct Sender<T> {
    /// `None` once it has sent.
    inner: Option<tokios::Sender<T>>,
    id: ResourceId,
    /// What `poll_closed` is about.
    polling: Attempt,
}

impl<T> Sender<T> {
    fn inner(&self) -> &tokios::Sender<T> {
        self.inner.as_ref().expect("a sender is there until it has sent")
    }

    /// Sends the value; gives it back when the receiver is gone or has closed the channel.
    #[track_caller]
    pub fn send(mut self, t: T) -> Result<(), T> {
        self.id.action(NAME, Access::Send).touch();
        match self.inner.take() {
            Some(inner) => inner.send(t),
            None => Err(t),
        }
    }

    /// Waits until the receiver is gone or has closed the channel.
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

    /// Whether the receiver is gone or has closed the channel.
    #[track_caller]
    pub fn is_closed(&self) -> bool {
        self.id.action(NAME, Access::Read).touch();
        self.inner().is_closed()
    }

    /// Polls for [`closed`](Self::closed). Of several calls that are pending, the last one's waker is called.
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
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner().fmt(f)
    }
}

/// The receiving half of a [`channel`]: the future of the value, or of an error when the sender is gone.
///
/// # Cancel safety
///
/// Cancel safe where it is polled by reference: unless it is ready, the value has not been taken.
pub struct Receiver<T> {
    inner: tokios::Receiver<T>,
    id: ResourceId,
    attempt: Attempt,
}

impl<T> Receiver<T> {
    /// Lets the sender send no more. A value that has been sent can still be received.
    #[track_caller]
    pub fn close(&mut self) {
        self.id.action(NAME, Access::Write).touch();
        self.inner.close();
    }

    /// Whether the value or an error has been received.
    pub fn is_terminated(&self) -> bool {
        self.inner.is_terminated()
    }

    /// Whether there is no value to be received now.
    #[track_caller]
    pub fn is_empty(&self) -> bool {
        self.id.action(NAME, Access::Read).touch();
        self.inner.is_empty()
    }

    /// Takes the value, if it has been sent.
    #[track_caller]
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.id.action(NAME, Access::Receive).touch();
        self.inner.try_recv()
    }

    /// Takes the value in code that is not async; blocks the thread until it has been sent.
    ///
    /// # Panics
    /// Inside of a run when it would have to wait, and inside of tokio's runtime.
    #[track_caller]
    pub fn blocking_recv(mut self) -> Result<T, RecvError> {
        let action = self.id.action(NAME, Access::Receive);
        if inside_run() {
            let words = ["blocking_recv", "the value", "receiver.await"];
            return at_once(|| &mut self.inner, action, words).expect("this is inside of a run");
        }
        // Nobody observes outside of a run, so the wrapper has nothing to record any more.
        std::mem::replace(&mut self.inner, tokios::channel().1).blocking_recv()
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { inner, id, attempt } = &mut *self;
        let action = id.action(NAME, Access::Receive);
        attempt.poll(cx, action, |cx| Pin::new(inner).poll(cx))
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        if !self.inner.is_terminated() {
            self.id.touch(NAME, Access::Write, None);
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
