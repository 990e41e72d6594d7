//! The unbounded queue.
//!
//! # Invariants
//! The queue is tokio's own. Sending never waits, so it is not a preemption point.

use std::fmt;
use std::panic::Location;
use std::task::{Context, Poll};

use timeloop_sim::{Access, ResourceKind};
use tokio::sync::mpsc as upstream;

use super::error::{SendError, TryRecvError};
use super::receiver::receiver;
use super::{NAME, came_out, receiving, senders};
use crate::engine::announce::{Attempt, ResourceId, until_done};
use crate::engine::{CameOut, Fact};
use crate::sync::blocking::wait;
use crate::sync::channel::sender_pair;

/// Creates a queue without a limit.
#[track_caller]
pub fn unbounded_channel<T>() -> (UnboundedSender<T>, UnboundedReceiver<T>) {
    let (tx, rx) = upstream::unbounded_channel();
    let id = ResourceId::new_of(ResourceKind::Channel);
    (UnboundedSender::wrap(tx, id), UnboundedReceiver::wrap(rx, id))
}

receiver! {
    /// The receiving half of an [`unbounded_channel`].
    UnboundedReceiver, UnboundedSender, WeakUnboundedSender
}

/// The sending half of an [`unbounded_channel`]. It can be cloned.
pub struct UnboundedSender<T> {
    inner: upstream::UnboundedSender<T>,
    id: ResourceId,
}

impl<T> UnboundedSender<T> {
    fn wrap(inner: upstream::UnboundedSender<T>, id: ResourceId) -> Self {
        Self { inner, id }
    }

    fn inner(&self) -> &upstream::UnboundedSender<T> {
        &self.inner
    }

    fn half(&self) -> Option<&upstream::UnboundedSender<T>> {
        Some(&self.inner)
    }

    /// Sends a message. Returns the message if the channel is closed.
    #[inline]
    #[track_caller]
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        self.id.action(NAME, Access::Send).touch();
        let sent = self.inner.send(message);
        came_out(&self.id, &sent, |_| true);
        sent
    }

    /// Waits until the receiver is dropped or closes the channel.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    #[track_caller]
    pub fn closed(&self) -> impl Future<Output = ()> {
        self.id.action(NAME, Access::Read).before(self.inner.closed())
    }

    /// Returns whether the receiver was dropped or has closed the channel.
    #[track_caller]
    pub fn is_closed(&self) -> bool {
        self.id.action(NAME, Access::Read).touch();
        self.inner.is_closed()
    }
}

sender_pair!(UnboundedSender, WeakUnboundedSender);
