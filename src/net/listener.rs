//! The common part of TCP and Unix listeners.
//!
//! # Invariants
//! Connections are accepted in the order in which they were established. Dropping a listener resets the connections
//! that were not accepted.

use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::task::{Context, Poll, ready};

use timeloop_sim::Access;

use super::driver::{self, Fabric};
use super::fabric::{Errno, WaitSlot, WaitedSocket};
use super::handle::{Handle, announced};
use super::stream::Stream;

/// The default maximum number of connections that wait to be accepted.
pub(super) const BACKLOG: u32 = 1024;

/// A listening socket.
#[derive(Debug)]
pub(super) struct Listener {
    handle: Handle,
    /// The name of accepted streams in reports.
    streams: &'static str,
}

impl Listener {
    pub(super) fn new(handle: Handle, streams: &'static str) -> Self {
        Self { handle, streams }
    }

    /// Accepts a connection. `wrap` makes the public stream of it.
    pub(super) fn accept<T>(
        &self,
        wrap: fn(Stream, SocketAddr) -> io::Result<T>,
    ) -> impl Future<Output = io::Result<T>> {
        let action = self.handle.action(Access::Receive, Location::caller());
        announced(action, move |cx| self.attempt(cx, WaitSlot::Shared, wrap))
    }

    /// Polls [`accept`](Self::accept).
    pub(super) fn poll_accept<T>(
        &self,
        cx: &mut Context<'_>,
        wrap: fn(Stream, SocketAddr) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        self.handle.touch(Access::Receive);
        self.attempt(cx, WaitSlot::Poll, wrap)
    }

    fn attempt<T>(
        &self,
        cx: &mut Context<'_>,
        slot: WaitSlot,
        wrap: fn(Stream, SocketAddr) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        let accepted = self.handle.attempt(
            cx,
            |engine, key| engine.network(|fabric, _| fabric.accept(key)),
            |_, key| WaitedSocket::Listener(key),
            |fabric, key, waiter| fabric.wait_to_accept(key, waiter, slot),
        );
        let (key, peer, connection) = ready!(accepted)?;
        Poll::Ready(wrap(Stream::new(self.handle.run, key, connection, self.streams), peer))
    }

    /// Calls `f` with the listener's state.
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut driver::Listener) -> R) -> io::Result<R> {
        self.handle.with(|fabric, key| fabric.listener(key).map(f).ok_or(Errno::InvalidInput))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.handle.close(Fabric::close_listener);
    }
}
