//! The part that listeners of TCP and within a host share.
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
use super::fabric::{As, Errno, Socket};
use super::handle::{Handle, announced};
use super::stream::Stream;

/// How many connections wait to be accepted at most, unless the program says otherwise.
pub(super) const BACKLOG: u32 = 1024;

/// A socket that listens.
#[derive(Debug)]
pub(super) struct Listener {
    handle: Handle,
    /// What reports call the accepted streams.
    streams: &'static str,
}

impl Listener {
    pub(super) fn new(handle: Handle, streams: &'static str) -> Self {
        Self { handle, streams }
    }

    /// Accepts a connection, of which `wrap` makes what the program gets.
    pub(super) fn accept<T>(
        &self,
        wrap: fn(Stream, SocketAddr) -> io::Result<T>,
    ) -> impl Future<Output = io::Result<T>> {
        let action = self.handle.action(Access::Receive, Location::caller());
        announced(action, move |cx| self.attempt(cx, As::One, wrap))
    }

    /// [`accept`](Self::accept) as a poll.
    pub(super) fn poll_accept<T>(
        &self,
        cx: &mut Context<'_>,
        wrap: fn(Stream, SocketAddr) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        self.handle.touch(Access::Receive);
        self.attempt(cx, As::Poller, wrap)
    }

    fn attempt<T>(
        &self,
        cx: &mut Context<'_>,
        how: As,
        wrap: fn(Stream, SocketAddr) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        let accepted = self.handle.attempt(
            cx,
            |engine, key| engine.network(|fabric, _| fabric.accept(key)),
            |_, key| Socket::Listener(key),
            |fabric, key, who| fabric.wait_to_accept(key, who, how),
        );
        let (key, peer, connection) = ready!(accepted)?;
        Poll::Ready(wrap(Stream::new(self.handle.run, key, connection, self.streams), peer))
    }

    /// Reads or sets a property of the listener.
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut driver::Listener) -> R) -> io::Result<R> {
        self.handle.with(|fabric, key| fabric.listener(key).map(f).ok_or(Errno::InvalidInput))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.handle.close(Fabric::close_listener);
    }
}
