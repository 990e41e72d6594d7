//! The queue with a capacity.
//!
//! # Invariants
//! The queue is tokio's own. The sender has its half until it is dropped or has become a permit.

use std::fmt;
use std::panic::Location;
use std::task::{Context, Poll};
use std::time::Duration;

use timeloop_sim::Access;
use tokio::sync::mpsc as tokios;

use super::error::{SendError, SendTimeoutError, TryRecvError, TrySendError};
use super::receiver::receiver;
use super::{NAME, OwnedPermit, Permit, PermitIterator, receiving, senders};
use crate::engine::announce::{Action, Attempt, ResourceId, until_done};
use crate::sync::blocking::{at_once, inside_run};
use crate::sync::channel::sender_pair;

/// Makes a queue with room for `buffer` messages.
///
/// # Panics
/// When `buffer` is 0, or more than [`Semaphore::MAX_PERMITS`](crate::sync::Semaphore::MAX_PERMITS).
#[track_caller]
pub fn channel<T>(buffer: usize) -> (Sender<T>, Receiver<T>) {
    let (tx, rx) = tokios::channel(buffer);
    let id = ResourceId::new();
    (Sender::wrap(tx, id), Receiver::wrap(rx, id))
}

receiver! {
    /// The receiving half of a [`channel`].
    Receiver, Sender, WeakSender
}

impl<T> Receiver<T> {
    /// Returns for how many more messages there is room.
    #[track_caller]
    pub fn capacity(&self) -> usize {
        self.id.action(NAME, Access::Read).touch();
        self.inner.capacity()
    }

    /// Returns for how many messages the channel was made.
    pub fn max_capacity(&self) -> usize {
        self.inner.max_capacity()
    }
}

/// The sending half of a [`channel`]; there may be many.
pub struct Sender<T> {
    /// `None` once it has become an [`OwnedPermit`].
    inner: Option<tokios::Sender<T>>,
    id: ResourceId,
}

impl<T> Sender<T> {
    pub(super) fn wrap(inner: tokios::Sender<T>, id: ResourceId) -> Self {
        Self { inner: Some(inner), id }
    }

    pub(super) fn inner(&self) -> &tokios::Sender<T> {
        self.half().expect("a sender has its half until it is dropped")
    }

    fn half(&self) -> Option<&tokios::Sender<T>> {
        self.inner.as_ref()
    }

    /// The half itself: the wrapper is gone, the sender is not.
    fn into_inner(mut self) -> tokios::Sender<T> {
        self.inner.take().expect("a sender has its half until it is dropped")
    }

    fn sending(&self, at: &'static Location<'static>) -> Action<'_> {
        Action { id: &self.id, name: NAME, access: Access::Send, at }
    }

    /// Sends a message; waits while the queue is full. Gives the message back when the channel is closed.
    ///
    /// # Cancel safety
    ///
    /// Unless it has returned, the message has not been sent, and is lost. Who waits keeps its place in the line of
    /// senders only as long as the future lives.
    #[track_caller]
    pub fn send(&self, value: T) -> impl Future<Output = Result<(), SendError<T>>> {
        let at = Location::caller();
        async move { self.sending(at).before(self.inner().send(value)).in_queue().await }
    }

    /// Waits until the receiver is gone or has closed the channel.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    #[track_caller]
    pub fn closed(&self) -> impl Future<Output = ()> {
        self.id.action(NAME, Access::Read).before(self.inner().closed())
    }

    /// Sends a message, if there is room.
    #[track_caller]
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        self.id.action(NAME, Access::Send).touch();
        self.inner().try_send(message)
    }

    /// Sends a message; gives it back when the queue has been full for as long as `timeout`, or the channel is closed.
    ///
    /// # Panics
    /// Outside of a run.
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

    /// Sends a message from code that is not async; blocks the thread while the queue is full.
    ///
    /// # Panics
    /// Inside of a run when it would have to wait, and inside of tokio's runtime.
    #[track_caller]
    pub fn blocking_send(&self, value: T) -> Result<(), SendError<T>> {
        if !inside_run() {
            return self.inner().blocking_send(value);
        }
        let words = ["blocking_send", "room in the channel", "send(…).await"];
        at_once(|| self.inner().send(value), self.id.action(NAME, Access::Send), words)
            .expect("this is inside of a run")
    }

    /// Whether the receiver is gone or has closed the channel.
    #[track_caller]
    pub fn is_closed(&self) -> bool {
        self.id.action(NAME, Access::Read).touch();
        self.inner().is_closed()
    }

    /// Waits for room for a message and keeps it.
    ///
    /// # Cancel safety
    ///
    /// Unless it has returned, no room is kept. Who waits keeps its place in the line of senders only as long as the
    /// future lives.
    #[track_caller]
    pub fn reserve(&self) -> impl Future<Output = Result<Permit<'_, T>, SendError<()>>> {
        let at = Location::caller();
        async move {
            let reserved = self.sending(at).before(self.inner().reserve()).in_queue().await?;
            Ok(Permit::new(reserved, self.id))
        }
    }

    /// Waits for room for `n` messages and keeps it; an error when there never is so much.
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
            let reserved = self.sending(at).before(self.inner().reserve_many(n)).in_queue().await?;
            Ok(PermitIterator::new(reserved, self.id))
        }
    }

    /// [`reserve`](Self::reserve) for a permit that has the sender in it.
    ///
    /// # Cancel safety
    ///
    /// As [`reserve`](Self::reserve); the sender is dropped.
    #[track_caller]
    pub fn reserve_owned(self) -> impl Future<Output = Result<OwnedPermit<T>, SendError<()>>> {
        let at = Location::caller();
        async move {
            let id = self.id;
            let action = Action { id: &id, name: NAME, access: Access::Send, at };
            // The half itself goes into the future, and with it into the permit: it is counted once all the time.
            let permit = action.before(self.into_inner().reserve_owned()).in_queue().await?;
            Ok(OwnedPermit::new(permit, id))
        }
    }

    /// Keeps room for a message, if there is any.
    #[track_caller]
    pub fn try_reserve(&self) -> Result<Permit<'_, T>, TrySendError<()>> {
        self.id.action(NAME, Access::Send).touch();
        self.inner().try_reserve().map(|permit| Permit::new(permit, self.id))
    }

    /// Keeps room for `n` messages, if there is so much.
    #[track_caller]
    pub fn try_reserve_many(&self, n: usize) -> Result<PermitIterator<'_, T>, TrySendError<()>> {
        self.id.action(NAME, Access::Send).touch();
        self.inner().try_reserve_many(n).map(|permits| PermitIterator::new(permits, self.id))
    }

    /// [`try_reserve`](Self::try_reserve) for a permit that has the sender in it; an error gives the sender back.
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

    /// For how many more messages there is room.
    #[track_caller]
    pub fn capacity(&self) -> usize {
        self.id.action(NAME, Access::Read).touch();
        self.inner().capacity()
    }

    /// For how many messages the channel was made.
    pub fn max_capacity(&self) -> usize {
        self.inner().max_capacity()
    }
}

sender_pair!(Sender, WeakSender);
