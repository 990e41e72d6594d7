//! Permits: reserved capacity for messages.
//!
//! # Invariants
//! A permit is used or returned exactly once. Returning it is an operation, since it lets other senders proceed.

use std::fmt;
use std::iter::FusedIterator;

use timeloop_sim::Access;
use tokio::sync::mpsc as upstream;

use super::{NAME, Sender};
use crate::engine::announce::ResourceId;

/// Reserved capacity for one message. Dropping it returns the capacity to the channel.
pub struct Permit<'a, T> {
    /// `None` once it has been used.
    inner: Option<upstream::Permit<'a, T>>,
    id: ResourceId,
}

impl<'a, T> Permit<'a, T> {
    pub(super) fn new(inner: upstream::Permit<'a, T>, id: ResourceId) -> Self {
        Self { inner: Some(inner), id }
    }

    /// Sends the message.
    #[track_caller]
    pub fn send(self, value: T) {
        self.id.action(NAME, Access::Send).touch();
        self.send_reserved(value);
    }

    /// Sends the message as the end of an operation that was already announced.
    pub(super) fn send_reserved(mut self, value: T) {
        if let Some(inner) = self.inner.take() {
            inner.send(value);
        }
    }
}

impl<T> Drop for Permit<'_, T> {
    fn drop(&mut self) {
        if self.inner.is_some() {
            self.id.touch(NAME, Access::Release, None);
        }
    }
}

impl<T> fmt::Debug for Permit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.inner {
            Some(inner) => inner.fmt(f),
            None => f.write_str("Permit"),
        }
    }
}

/// Reserved capacity for several messages, which the iterator yields as [`Permit`]s. Dropping it returns the rest.
pub struct PermitIterator<'a, T> {
    inner: upstream::PermitIterator<'a, T>,
    id: ResourceId,
}

impl<'a, T> PermitIterator<'a, T> {
    pub(super) fn new(inner: upstream::PermitIterator<'a, T>, id: ResourceId) -> Self {
        Self { inner, id }
    }
}

impl<'a, T> Iterator for PermitIterator<'a, T> {
    type Item = Permit<'a, T>;

    fn next(&mut self) -> Option<Self::Item> {
        self.inner.next().map(|permit| Permit::new(permit, self.id))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}

impl<T> ExactSizeIterator for PermitIterator<'_, T> {}
impl<T> FusedIterator for PermitIterator<'_, T> {}

impl<T> Drop for PermitIterator<'_, T> {
    fn drop(&mut self) {
        if self.inner.len() > 0 {
            self.id.touch(NAME, Access::Release, None);
        }
    }
}

impl<T> fmt::Debug for PermitIterator<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// Reserved capacity for one message, with the sender. Dropping it returns the capacity and drops the sender.
pub struct OwnedPermit<T> {
    /// `None` once it has become a sender again.
    inner: Option<upstream::OwnedPermit<T>>,
    id: ResourceId,
}

impl<T> OwnedPermit<T> {
    pub(super) fn new(inner: upstream::OwnedPermit<T>, id: ResourceId) -> Self {
        Self { inner: Some(inner), id }
    }

    fn inner(&self) -> &upstream::OwnedPermit<T> {
        self.inner.as_ref().expect("a permit is there until it is used")
    }

    fn into_inner(mut self) -> upstream::OwnedPermit<T> {
        self.inner.take().expect("a permit is there until it is used")
    }

    /// Sends the message, and returns the sender.
    #[track_caller]
    pub fn send(self, value: T) -> Sender<T> {
        self.id.action(NAME, Access::Send).touch();
        let id = self.id;
        Sender::wrap(self.into_inner().send(value), id)
    }

    /// Returns the capacity to the channel, and returns the sender.
    #[track_caller]
    pub fn release(self) -> Sender<T> {
        self.id.action(NAME, Access::Release).touch();
        let id = self.id;
        Sender::wrap(self.into_inner().release(), id)
    }

    /// Returns whether both permits belong to the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        self.inner().same_channel(other.inner())
    }

    /// Returns whether the permit and `sender` belong to the same channel.
    pub fn same_channel_as_sender(&self, sender: &Sender<T>) -> bool {
        self.inner().same_channel_as_sender(sender.inner())
    }
}

impl<T> Drop for OwnedPermit<T> {
    fn drop(&mut self) {
        if let Some(permit) = self.inner.take() {
            self.id.touch(NAME, Access::Release, None);
            // The sender in the permit may be the last one.
            drop(Sender::wrap(permit.release(), self.id));
        }
    }
}

impl<T> fmt::Debug for OwnedPermit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.inner {
            Some(inner) => inner.fmt(f),
            None => f.write_str("OwnedPermit"),
        }
    }
}
