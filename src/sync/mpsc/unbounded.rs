//! The queue with room for any number of messages.
//!
//! Always true: the queue is tokio's own; sending never waits, so it can't give way.

use std::fmt;
use std::panic::Location;
use std::task::{Context, Poll};

use timeloop_sim::Access;
use tokio::sync::mpsc as tokios;

use super::error::{SendError, TryRecvError};
use super::{NAME, receiving, senders};
use crate::engine::announce::ResourceId;
use crate::sync::operation::{Operation, What, at_once, until_done};

/// Makes a queue that never is full.
#[track_caller]
pub fn unbounded_channel<T>() -> (UnboundedSender<T>, UnboundedReceiver<T>) {
    let (tx, rx) = tokios::unbounded_channel();
    let id = ResourceId::new();
    (UnboundedSender { inner: tx, id }, UnboundedReceiver { inner: rx, id, polling: Operation::default() })
}

/// The receiving half of an [`unbounded_channel`].
pub struct UnboundedReceiver<T> {
    inner: tokios::UnboundedReceiver<T>,
    id: ResourceId,
    /// What `poll_recv` and `poll_recv_many` are about.
    polling: Operation,
}

impl<T> UnboundedReceiver<T> {
    #[track_caller]
    fn what(&self, access: Access) -> What<'_> {
        What { id: &self.id, name: NAME, access, at: Location::caller() }
    }

    /// Takes the next message; waits for one where there is none. `None` when the queue is empty and closed.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: unless it has returned, no message has been taken.
    #[track_caller]
    pub fn recv(&mut self) -> impl Future<Output = Option<T>> {
        let at = Location::caller();
        until_done(move |operation, cx| {
            if operation.is_fresh() {
                self.polling.restart();
            }
            operation.poll(cx, receiving(&self.id, at), |cx| self.inner.poll_recv(cx))
        })
    }

    /// Takes up to `limit` messages and appends them to `buffer`; waits for one where there is none. Returns how many: 0
    /// when the queue is empty and closed, or `limit` is 0.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: unless it has returned, no message has been taken.
    #[track_caller]
    pub fn recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> impl Future<Output = usize> {
        let at = Location::caller();
        until_done(move |operation, cx| {
            if operation.is_fresh() {
                self.polling.restart();
            }
            operation.poll(cx, receiving(&self.id, at), |cx| self.inner.poll_recv_many(cx, buffer, limit))
        })
    }

    /// Takes the next message, if there is one.
    #[track_caller]
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.what(Access::Receive).touch();
        self.inner.try_recv()
    }

    /// Takes the next message from code that is not async; blocks the thread where there is none.
    ///
    /// # Panics
    /// Inside of a run when it would have to wait, and inside of tokio's runtime.
    #[track_caller]
    pub fn blocking_recv(&mut self) -> Option<T> {
        let what = receiving(&self.id, Location::caller());
        let words = ["blocking_recv", "a message", "recv().await"];
        at_once(|| self.inner.recv(), what, words).unwrap_or_else(|| self.inner.blocking_recv())
    }

    /// [`recv_many`](Self::recv_many) for code that is not async; blocks the thread where there is no message.
    ///
    /// # Panics
    /// Inside of a run when it would have to wait, and inside of tokio's runtime.
    #[track_caller]
    pub fn blocking_recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        let what = receiving(&self.id, Location::caller());
        let words = ["blocking_recv_many", "a message", "recv_many(…).await"];
        at_once(|| self.inner.recv_many(buffer, limit), what, words)
            .unwrap_or_else(|| self.inner.blocking_recv_many(buffer, limit))
    }

    /// Lets nobody send any more. What has been sent can still be received.
    #[track_caller]
    pub fn close(&mut self) {
        self.what(Access::Write).touch();
        self.inner.close();
    }

    /// Whether nobody can send any more.
    #[track_caller]
    pub fn is_closed(&self) -> bool {
        self.what(Access::Read).touch();
        self.inner.is_closed()
    }

    /// Whether no message waits.
    #[track_caller]
    pub fn is_empty(&self) -> bool {
        self.what(Access::Read).touch();
        self.inner.is_empty()
    }

    /// How many messages wait.
    #[track_caller]
    pub fn len(&self) -> usize {
        self.what(Access::Read).touch();
        self.inner.len()
    }

    /// Polls for the next message. Of several calls that are pending, the last one's waker is called.
    #[track_caller]
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let what = receiving(&self.id, Location::caller());
        self.polling.poll_each(cx, what, |cx| self.inner.poll_recv(cx))
    }

    /// Polls for up to `limit` messages, as [`poll_recv`](Self::poll_recv) for one.
    #[track_caller]
    pub fn poll_recv_many(&mut self, cx: &mut Context<'_>, buffer: &mut Vec<T>, limit: usize) -> Poll<usize> {
        let what = receiving(&self.id, Location::caller());
        self.polling.poll_each(cx, what, |cx| self.inner.poll_recv_many(cx, buffer, limit))
    }

    /// How many [`UnboundedSender`]s there are.
    #[track_caller]
    pub fn sender_strong_count(&self) -> usize {
        senders(self.id).count();
        self.inner.sender_strong_count()
    }

    /// How many [`WeakUnboundedSender`]s there are.
    #[track_caller]
    pub fn sender_weak_count(&self) -> usize {
        senders(self.id).count();
        self.inner.sender_weak_count()
    }
}

impl<T> Drop for UnboundedReceiver<T> {
    fn drop(&mut self) {
        self.id.touch(NAME, Access::Write, None);
    }
}

impl<T> fmt::Debug for UnboundedReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// The sending half of an [`unbounded_channel`]; there may be many.
pub struct UnboundedSender<T> {
    inner: tokios::UnboundedSender<T>,
    id: ResourceId,
}

impl<T> UnboundedSender<T> {
    #[track_caller]
    fn what(&self, access: Access) -> What<'_> {
        What { id: &self.id, name: NAME, access, at: Location::caller() }
    }

    /// Sends a message. Gives it back when the channel is closed.
    #[track_caller]
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        self.what(Access::Send).touch();
        self.inner.send(message)
    }

    /// Waits until the receiver is gone or has closed the channel.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    #[track_caller]
    pub fn closed(&self) -> impl Future<Output = ()> {
        self.what(Access::Read).before(self.inner.closed())
    }

    /// Whether the receiver is gone or has closed the channel.
    #[track_caller]
    pub fn is_closed(&self) -> bool {
        self.what(Access::Read).touch();
        self.inner.is_closed()
    }

    /// Whether both belong to one channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        self.inner.same_channel(&other.inner)
    }

    /// A sender that does not keep the channel open.
    #[must_use = "`downgrade` makes a `WeakUnboundedSender` and leaves the sender as it is"]
    pub fn downgrade(&self) -> WeakUnboundedSender<T> {
        senders(self.id).come();
        WeakUnboundedSender { inner: self.inner.downgrade(), id: self.id }
    }

    /// How many [`UnboundedSender`]s there are.
    #[track_caller]
    pub fn strong_count(&self) -> usize {
        senders(self.id).count();
        self.inner.strong_count()
    }

    /// How many [`WeakUnboundedSender`]s there are.
    #[track_caller]
    pub fn weak_count(&self) -> usize {
        senders(self.id).count();
        self.inner.weak_count()
    }
}

impl<T> Clone for UnboundedSender<T> {
    fn clone(&self) -> Self {
        senders(self.id).come();
        Self { inner: self.inner.clone(), id: self.id }
    }
}

impl<T> Drop for UnboundedSender<T> {
    fn drop(&mut self) {
        senders(self.id).go(|| self.inner.strong_count() == 1);
    }
}

impl<T> fmt::Debug for UnboundedSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// A sender that does not keep the channel open: [`upgrade`](Self::upgrade) gives one that does.
pub struct WeakUnboundedSender<T> {
    inner: tokios::WeakUnboundedSender<T>,
    id: ResourceId,
}

impl<T> WeakUnboundedSender<T> {
    /// An [`UnboundedSender`], if there still is one.
    pub fn upgrade(&self) -> Option<UnboundedSender<T>> {
        senders(self.id).come();
        self.inner.upgrade().map(|inner| UnboundedSender { inner, id: self.id })
    }

    /// How many [`UnboundedSender`]s there are.
    #[track_caller]
    pub fn strong_count(&self) -> usize {
        senders(self.id).count();
        self.inner.strong_count()
    }

    /// How many [`WeakUnboundedSender`]s there are.
    #[track_caller]
    pub fn weak_count(&self) -> usize {
        senders(self.id).count();
        self.inner.weak_count()
    }
}

impl<T> Clone for WeakUnboundedSender<T> {
    fn clone(&self) -> Self {
        senders(self.id).come();
        Self { inner: self.inner.clone(), id: self.id }
    }
}

impl<T> Drop for WeakUnboundedSender<T> {
    fn drop(&mut self) {
        senders(self.id).come();
    }
}

impl<T> fmt::Debug for WeakUnboundedSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
