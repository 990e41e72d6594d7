//! Datagram sockets: the common part of UDP and Unix datagram sockets.
//!
//! [`Datagrams`] defines what a kind of socket does in the fabric. [`Datagram`] is a socket that a program owns.
//! [`datagram_methods`] generates the public methods of both kinds, with their documentation.

use std::io;
use std::marker::PhantomData;
use std::panic::Location;
use std::task::{Context, Poll};

use bytes::BufMut;
use timeloop_sim::Access;

use super::driver::Fabric;
use super::fabric::{Direction, Errno, Key, WaitSlot, WaitedSocket};
use super::handle::{Handle, announced, announced_readiness};
use crate::engine::{Engine, WakeTarget};
use crate::io::{Interest, Ready};

/// A kind of datagram socket.
pub(super) trait Datagrams {
    /// The destination of a datagram.
    type Target;
    /// The sender of a datagram.
    type Source;

    fn readiness(fabric: &mut Fabric, key: Key) -> Result<Ready, Errno>;

    /// Marks the socket as not ready in this direction until something happens to it.
    fn clear_readiness(fabric: &mut Fabric, key: Key, direction: Direction);

    /// Sends to `to`, or to the peer that the socket is connected to.
    fn send(engine: &Engine, key: Key, to: Option<&Self::Target>, bytes: &[u8]) -> Result<usize, Errno>;

    /// Receives a datagram. `take` gets at most `max` bytes of it. With `peek` the datagram stays queued.
    fn receive(
        fabric: &mut Fabric,
        key: Key,
        max: usize,
        peek: bool,
        take: impl FnOnce(&[u8]),
    ) -> Result<(usize, Self::Source), Errno>;

    /// Returns the wait target of a socket that can't receive, or can't send to `to`.
    fn target(fabric: &mut Fabric, key: Key, direction: Direction, to: Option<&Self::Target>)
    -> WaitedSocket;

    /// Registers a task that waits in this direction.
    fn wait(
        fabric: &mut Fabric,
        key: Key,
        direction: Direction,
        to: Option<&Self::Target>,
        waiter: WakeTarget,
        slot: WaitSlot,
    );

    fn close(fabric: &mut Fabric, key: Key);
}

/// A datagram socket.
#[derive(Debug)]
pub(super) struct Datagram<D: Datagrams> {
    pub(super) handle: Handle,
    kind: PhantomData<D>,
}

impl<D: Datagrams> Datagram<D> {
    pub(super) fn new(handle: Handle) -> Self {
        Self { handle, kind: PhantomData }
    }

    /// Tries `f`. If that would block, registers the task as a waiter in this direction.
    #[inline]
    pub(super) fn attempt<R>(
        &self,
        cx: &mut Context<'_>,
        (direction, to): (Direction, Option<&D::Target>),
        slot: WaitSlot,
        f: impl FnOnce(&Engine, Key) -> Result<R, Errno>,
    ) -> Poll<io::Result<R>> {
        self.handle.attempt(
            cx,
            f,
            |fabric, key| D::target(fabric, key, direction, to),
            |fabric, key, waiter| D::wait(fabric, key, direction, to, waiter, slot),
        )
    }

    // --- readiness ---

    pub(super) fn readiness(&self) -> io::Result<Ready> {
        self.handle.with(D::readiness)
    }

    /// Clears a readiness, because an operation that it promised has returned `WouldBlock`.
    pub(super) fn clear_readiness(&self, ready: Ready) {
        for direction in ready.directions() {
            let _ = self.handle.with(|fabric, key| {
                D::clear_readiness(fabric, key, direction);
                Ok(())
            });
        }
    }

    pub(super) fn poll_ready(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        slot: WaitSlot,
    ) -> Poll<io::Result<Ready>> {
        for direction in interest.directions() {
            let polled = self.attempt(cx, (direction, None), slot, |engine, key| {
                let ready = engine.network(|fabric, _| D::readiness(fabric, key))?.of_interest(interest);
                if ready.is_empty() { Err(Errno::WouldBlock) } else { Ok(ready) }
            });
            if polled.is_ready() {
                return polled;
            }
        }
        Poll::Pending
    }

    pub(super) fn ready(&self, interest: Interest) -> impl Future<Output = io::Result<Ready>> {
        let action = self.handle.action(Access::Read, Location::caller());
        announced_readiness(action, move |cx| self.poll_ready(cx, interest, WaitSlot::Shared))
    }

    // --- sending ---

    #[inline]
    fn poll_send_as(
        &self,
        cx: &mut Context<'_>,
        to: Option<&D::Target>,
        buf: &[u8],
        slot: WaitSlot,
    ) -> Poll<io::Result<usize>> {
        self.attempt(cx, (Direction::Write, to), slot, |engine, key| D::send(engine, key, to, buf))
    }

    pub(super) fn send(&self, to: Option<&D::Target>, buf: &[u8]) -> impl Future<Output = io::Result<usize>> {
        let action = self.handle.action(Access::Send, Location::caller());
        announced(action, move |cx| self.poll_send_as(cx, to, buf, WaitSlot::Shared))
    }

    pub(super) fn poll_send(
        &self,
        cx: &mut Context<'_>,
        to: Option<&D::Target>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.handle.touch(Access::Send);
        self.poll_send_as(cx, to, buf, WaitSlot::Poll)
    }

    #[track_caller]
    pub(super) fn try_send(&self, to: Option<&D::Target>, buf: &[u8]) -> io::Result<usize> {
        self.handle.touch(Access::Send);
        self.handle.with_engine(|engine, key| D::send(engine, key, to, buf))
    }

    // --- receiving ---

    #[inline]
    fn receive(
        fabric: &mut Fabric,
        key: Key,
        buf: &mut impl BufMut,
        peek: bool,
    ) -> Result<(usize, D::Source), Errno> {
        let max = buf.chunk_mut().len();
        D::receive(fabric, key, max, peek, |bytes| buf.put_slice(bytes))
    }

    #[inline]
    pub(super) fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buf: &mut impl BufMut,
        peek: bool,
        slot: WaitSlot,
    ) -> Poll<io::Result<(usize, D::Source)>> {
        self.attempt(cx, (Direction::Read, None), slot, |engine, key| {
            engine.network(|fabric, _| Self::receive(fabric, key, buf, peek))
        })
    }

    pub(super) fn recv(
        &self,
        buf: &mut impl BufMut,
        peek: bool,
    ) -> impl Future<Output = io::Result<(usize, D::Source)>> {
        let access = if peek { Access::Read } else { Access::Receive };
        let action = self.handle.action(access, Location::caller());
        announced(action, move |cx| self.poll_recv(cx, buf, peek, WaitSlot::Shared))
    }

    #[track_caller]
    pub(super) fn try_recv(&self, buf: &mut impl BufMut, peek: bool) -> io::Result<(usize, D::Source)> {
        self.handle.touch(if peek { Access::Read } else { Access::Receive });
        self.handle.with(|fabric, key| Self::receive(fabric, key, buf, peek))
    }
}

impl<D: Datagrams> Drop for Datagram<D> {
    fn drop(&mut self) {
        self.handle.close(|fabric, _, key| D::close(fabric, key));
    }
}

/// Generates the methods without a target, for a type whose `Datagram` is the field `socket`. `$source` is the type
/// of a sender; the other arguments document how the kinds differ.
macro_rules! datagram_methods {
    (
        source: $source:ty,
        writable: $writable:literal,
        send_errors: $send_errors:literal,
        recv_errors: $recv_errors:literal,
    ) => {
        ready_method!(socket);

        #[doc = $writable]
        ///
        /// # Errors
        /// As [`ready`](Self::ready).
        pub async fn writable(&self) -> io::Result<()> {
            self.socket.ready(Interest::WRITABLE).await.map(drop)
        }

        /// Waits until there is a datagram to receive.
        ///
        /// # Errors
        /// As [`ready`](Self::ready).
        pub async fn readable(&self) -> io::Result<()> {
            self.socket.ready(Interest::READABLE).await.map(drop)
        }

        poll_methods!(socket, readable: poll_recv_ready, writable: poll_send_ready);

        /// Sends a datagram to the peer that the socket is [connected](Self::connect) to.
        ///
        /// # Errors
        #[doc = $send_errors]
        pub async fn send(&self, buf: &[u8]) -> io::Result<usize> {
            self.socket.send(None, buf).await
        }

        /// Polls [`send`](Self::send).
        ///
        /// # Errors
        /// As [`send`](Self::send).
        pub fn poll_send(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            self.socket.poll_send(cx, None, buf)
        }

        /// Sends a datagram to the peer without waiting.
        ///
        /// # Errors
        /// As [`send`](Self::send); `WouldBlock` if it would have to wait.
        #[track_caller]
        pub fn try_send(&self, buf: &[u8]) -> io::Result<usize> {
            self.socket.try_send(None, buf)
        }

        /// Receives a datagram; only from the peer if the socket is [connected](Self::connect). Bytes that do not fit
        /// into `buf` are dropped.
        ///
        /// # Errors
        #[doc = $recv_errors]
        ///
        /// # Cancel safety
        ///
        /// This method is cancel safe: no datagram is lost.
        pub async fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
            self.recv_from(buf).await.map(|(count, _)| count)
        }

        /// Polls [`recv`](Self::recv). Only the task that polled last is woken.
        ///
        /// # Errors
        /// As [`recv`](Self::recv).
        pub fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            self.poll_recv_from(cx, buf).map_ok(drop)
        }

        /// Receives a datagram without waiting.
        ///
        /// # Errors
        /// As [`recv`](Self::recv); `WouldBlock` if there is none.
        #[track_caller]
        pub fn try_recv(&self, buf: &mut [u8]) -> io::Result<usize> {
            self.try_recv_from(buf).map(|(count, _)| count)
        }

        /// Like [`recv`](Self::recv), into a [`BufMut`], which is advanced.
        ///
        /// # Errors
        /// As [`recv`](Self::recv).
        pub async fn recv_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
            self.recv_buf_from(buf).await.map(|(count, _)| count)
        }

        /// Like [`try_recv`](Self::try_recv), into a [`BufMut`], which is advanced.
        ///
        /// # Errors
        /// As [`try_recv`](Self::try_recv).
        #[track_caller]
        pub fn try_recv_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
            self.try_recv_buf_from(buf).map(|(count, _)| count)
        }

        /// Receives a datagram and returns its sender. Bytes that do not fit into `buf` are dropped.
        ///
        /// # Errors
        /// As [`recv`](Self::recv).
        ///
        /// # Cancel safety
        ///
        /// This method is cancel safe: no datagram is lost.
        pub async fn recv_from(&self, mut buf: &mut [u8]) -> io::Result<(usize, $source)> {
            self.socket.recv(&mut buf, false).await
        }

        /// Polls [`recv_from`](Self::recv_from). Only the task that polled last is woken.
        ///
        /// # Errors
        /// As [`recv_from`](Self::recv_from).
        pub fn poll_recv_from(
            &self,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<$source>> {
            self.socket.handle.touch(Access::Receive);
            self.socket.poll_recv(cx, buf, false, WaitSlot::Poll).map_ok(|(_, from)| from)
        }

        /// Receives a datagram and returns its sender, without waiting.
        ///
        /// # Errors
        /// As [`recv_from`](Self::recv_from); `WouldBlock` if there is none.
        #[track_caller]
        pub fn try_recv_from(&self, mut buf: &mut [u8]) -> io::Result<(usize, $source)> {
            self.socket.try_recv(&mut buf, false)
        }

        /// Like [`recv_from`](Self::recv_from), into a [`BufMut`], which is advanced.
        ///
        /// # Errors
        /// As [`recv_from`](Self::recv_from).
        pub async fn recv_buf_from<B: BufMut>(&self, buf: &mut B) -> io::Result<(usize, $source)> {
            self.socket.recv(buf, false).await
        }

        /// Like [`try_recv_from`](Self::try_recv_from), into a [`BufMut`], which is advanced.
        ///
        /// # Errors
        /// As [`try_recv_from`](Self::try_recv_from).
        #[track_caller]
        pub fn try_recv_buf_from<B: BufMut>(&self, buf: &mut B) -> io::Result<(usize, $source)> {
            self.socket.try_recv(buf, false)
        }
    };
}

pub(super) use datagram_methods;

/// The names that the macro uses.
pub(super) mod prelude {
    pub(in crate::net) use std::io;
    pub(in crate::net) use std::task::{Context, Poll};

    pub(in crate::net) use bytes::BufMut;
    pub(in crate::net) use timeloop_sim::Access;

    pub(in crate::net) use super::{Datagram, Datagrams, datagram_methods};
    pub(in crate::net) use crate::io::{Interest, ReadBuf, Ready};
    pub(in crate::net) use crate::net::fabric::{Errno, WaitSlot};
    pub(in crate::net) use crate::net::readiness_methods::{poll_methods, ready_method};
}
