//! The bounded queue.
//!
//! # Invariants
//! The queue is tokio's own. A sender keeps tokio's sender until it is dropped or becomes a permit.

use std::fmt;
use std::panic::Location;
use std::task::{Context, Poll};
use std::time::Duration;

use timeloop_sim::{Access, ResourceKind};
use tokio::sync::mpsc as upstream;

use super::error::{SendError, SendTimeoutError, TryRecvError, TrySendError};
use super::receiver::receiver;
use super::{NAME, OwnedPermit, Permit, PermitIterator, came_out, receiving, senders};
use crate::engine::announce::{Action, Attempt, ResourceId, until_done};
use crate::engine::{CameOut, Fact};
use crate::sync::blocking::{inside_run, wait};
use crate::sync::channel::sender_pair;

/// Creates a queue with capacity for `buffer` messages.
///
/// # Panics
/// If `buffer` is 0 or more than [`Semaphore::MAX_PERMITS`](crate::sync::Semaphore::MAX_PERMITS).
#[track_caller]
pub fn channel<T>(buffer: usize) -> (Sender<T>, Receiver<T>) {
    let (tx, rx) = upstream::channel(buffer);
    let id = ResourceId::new_of(ResourceKind::Channel);
    (Sender::wrap(tx, id), Receiver::wrap(rx, id))
}

receiver! {
    /// The receiving half of a [`channel`].
    Receiver, Sender, WeakSender
}

impl<T> Receiver<T> {
    /// Returns the free capacity: how many more messages the queue can hold now.
    #[track_caller]
    pub fn capacity(&self) -> usize {
        self.id.action(NAME, Access::Read).touch();
        self.inner.capacity()
    }

    /// Returns the capacity that the channel was created with.
    pub fn max_capacity(&self) -> usize {
        self.inner.max_capacity()
    }
}

/// The sending half of a [`channel`]. It can be cloned.
pub struct Sender<T> {
    /// `None` once it has become an [`OwnedPermit`].
    inner: Option<upstream::Sender<T>>,
    id: ResourceId,
}

impl<T> Sender<T> {
    pub(super) fn wrap(inner: upstream::Sender<T>, id: ResourceId) -> Self {
        Self { inner: Some(inner), id }
    }

    pub(super) fn inner(&self) -> &upstream::Sender<T> {
        self.half().expect("a sender has its half until it is dropped")
    }

    fn half(&self) -> Option<&upstream::Sender<T>> {
        self.inner.as_ref()
    }

    /// Returns tokio's sender without dropping it.
    fn into_inner(mut self) -> upstream::Sender<T> {
        self.inner.take().expect("a sender has its half until it is dropped")
    }

    fn sending(&self, at: &'static Location<'static>) -> Action<'_> {
        Action { id: &self.id, name: NAME, access: Access::Send, at }
    }

    /// Records that a sender waits for capacity, or that an operation failed because the channel is closed.
    #[inline]
    fn record_result<R, E>(&self, polled: &Poll<Result<R, E>>) {
        match polled {
            Poll::Pending => self.record_wait(),
            Poll::Ready(Err(_)) => self.id.came_out(CameOut::Closed),
            Poll::Ready(Ok(_)) => {}
        }
    }

    #[cold]
    fn record_wait(&self) {
        self.id.learn(|| Fact::Full { capacity: self.inner().max_capacity() });
    }

    /// Sends a message, waiting while the queue is full. Returns the message if the channel is closed.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it returns, the message is not sent, and is lost. The place in the queue of
    /// waiting senders is lost too.
    #[track_caller]
    pub fn send(&self, value: T) -> impl Future<Output = Result<(), SendError<T>>> {
        let at = Location::caller();
        async move {
            let sending = self.sending(at);
            sending.before_noting(self.inner().send(value), |sent| self.record_result(sent)).in_queue().await
        }
    }

    /// Waits until the receiver is dropped or closes the channel.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    #[track_caller]
    pub fn closed(&self) -> impl Future<Output = ()> {
        self.id.action(NAME, Access::Read).before(self.inner().closed())
    }

    /// Sends a message if the queue has capacity. Returns the message if the queue is full or the channel is closed.
    #[track_caller]
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        self.id.action(NAME, Access::Send).touch();
        let sent = self.inner().try_send(message);
        came_out(&self.id, &sent, |error| matches!(error, TrySendError::Closed(_)));
        sent
    }

    /// Sends a message. Returns it if the queue stays full for `timeout`, or the channel is closed.
    ///
    /// # Panics
    /// Outside a run.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    #[track_caller]
    pub fn send_timeout(
        &self,
        value: T,
        timeout: Duration,
    ) -> impl Future<Output = Result<(), SendTimeoutError<T>>> {
        let reserving = self.reserve();
        async move {
            match crate::time::timeout(timeout, reserving).await {
                Ok(Ok(permit)) => {
                    permit.send_reserved(value);
                    Ok(())
                }
                Ok(Err(_)) => Err(SendTimeoutError::Closed(value)),
                Err(_) => Err(SendTimeoutError::Timeout(value)),
            }
        }
    }

    /// Sends a message from synchronous code. Outside a run, blocks the thread while the queue is full.
    ///
    /// # Panics
    /// In a task, unless it is in `spawn_blocking` or `block_in_place`. Outside a run, if called within a tokio runtime.
    #[track_caller]
    pub fn blocking_send(&self, value: T) -> Result<(), SendError<T>> {
        if !inside_run() {
            return self.inner().blocking_send(value);
        }
        let words = ["blocking_send", "capacity in the channel", "send(…).await"];
        wait(|| self.inner().send(value), self.id.action(NAME, Access::Send), words)
            .expect("this is inside of a run")
    }

    /// Returns whether the receiver was dropped or has closed the channel.
    #[track_caller]
    pub fn is_closed(&self) -> bool {
        self.id.action(NAME, Access::Read).touch();
        self.inner().is_closed()
    }

    /// Waits for capacity for one message, and reserves it.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it returns, nothing is reserved, and the place in the queue of waiting senders
    /// is lost.
    #[track_caller]
    pub fn reserve(&self) -> impl Future<Output = Result<Permit<'_, T>, SendError<()>>> {
        let at = Location::caller();
        async move {
            let reserving = self
                .sending(at)
                .before_noting(self.inner().reserve(), |reserved| self.record_result(reserved));
            Ok(Permit::new(reserving.in_queue().await?, self.id))
        }
    }

    /// Waits for capacity for `n` messages, and reserves it. Fails if `n` exceeds the channel's capacity, or the
    /// channel closes.
    ///
    /// # Cancel safety
    ///
    /// As [`reserve`](Self::reserve).
    #[track_caller]
    pub fn reserve_many(
        &self,
        n: usize,
    ) -> impl Future<Output = Result<PermitIterator<'_, T>, SendError<()>>> {
        let at = Location::caller();
        async move {
            let reserving = self
                .sending(at)
                .before_noting(self.inner().reserve_many(n), |reserved| self.record_result(reserved));
            Ok(PermitIterator::new(reserving.in_queue().await?, self.id))
        }
    }

    /// Reserves capacity as [`reserve`](Self::reserve) does, and moves the sender into the permit.
    ///
    /// # Cancel safety
    ///
    /// As [`reserve`](Self::reserve); the sender is dropped with the future.
    #[track_caller]
    pub fn reserve_owned(self) -> impl Future<Output = Result<OwnedPermit<T>, SendError<()>>> {
        let at = Location::caller();
        async move {
            let id = self.id;
            let action = Action { id: &id, name: NAME, access: Access::Send, at };
            // tokio's sender moves into the future and then into the permit, so it is counted exactly once throughout.
            let permit = action.before(self.into_inner().reserve_owned()).in_queue().await?;
            Ok(OwnedPermit::new(permit, id))
        }
    }

    /// Reserves capacity for one message, if there is any.
    #[track_caller]
    pub fn try_reserve(&self) -> Result<Permit<'_, T>, TrySendError<()>> {
        self.id.action(NAME, Access::Send).touch();
        self.inner().try_reserve().map(|permit| Permit::new(permit, self.id))
    }

    /// Reserves capacity for `n` messages, if there is enough.
    #[track_caller]
    pub fn try_reserve_many(&self, n: usize) -> Result<PermitIterator<'_, T>, TrySendError<()>> {
        self.id.action(NAME, Access::Send).touch();
        self.inner().try_reserve_many(n).map(|permits| PermitIterator::new(permits, self.id))
    }

    /// Reserves capacity as [`try_reserve`](Self::try_reserve) does, and moves the sender into the permit. An error
    /// returns the sender.
    #[track_caller]
    pub fn try_reserve_owned(self) -> Result<OwnedPermit<T>, TrySendError<Self>> {
        self.id.action(NAME, Access::Send).touch();
        let id = self.id;
        match self.into_inner().try_reserve_owned() {
            Ok(permit) => Ok(OwnedPermit::new(permit, id)),
            Err(TrySendError::Full(sender)) => Err(TrySendError::Full(Self::wrap(sender, id))),
            Err(TrySendError::Closed(sender)) => Err(TrySendError::Closed(Self::wrap(sender, id))),
        }
    }

    /// Returns the free capacity: how many more messages the queue can hold now.
    #[track_caller]
    pub fn capacity(&self) -> usize {
        self.id.action(NAME, Access::Read).touch();
        self.inner().capacity()
    }

    /// Returns the capacity that the channel was created with.
    pub fn max_capacity(&self) -> usize {
        self.inner().max_capacity()
    }
}

sender_pair!(Sender, WeakSender);
