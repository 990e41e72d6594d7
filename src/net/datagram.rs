//! Sockets for datagrams: what UDP and those within a host share.
//!
//! [`Datagrams`] says what a kind of socket does in the fabric, [`Datagram`] is a socket as a program holds it, and
//! [`datagram_methods`] are the public methods of both kinds, with their documentation.

use std::io;
use std::marker::PhantomData;
use std::panic::Location;
use std::task::{Context, Poll};

use bytes::BufMut;
use timeloop_sim::Access;

use super::driver::Fabric;
use super::fabric::{As, Direction, Errno, Key, Socket};
use super::handle::{Handle, announced};
use crate::engine::{Engine, WakeTarget};
use crate::io::{Interest, Ready};

/// A kind of sockets for datagrams.
pub(super) trait Datagrams {
    /// Whom to send to.
    type Target;
    /// Who has sent.
    type Source;

    fn readiness(fabric: &mut Fabric, key: Key) -> Result<Ready, Errno>;

    /// Sends to `to`, or to the peer that the socket is connected to.
    fn send(engine: &Engine, key: Key, to: Option<&Self::Target>, bytes: &[u8]) -> Result<usize, Errno>;

    /// Receives: `take` gets as much of the datagram as fits in `max` bytes. With `peek` the datagram stays.
    fn receive(
        fabric: &mut Fabric,
        key: Key,
        max: usize,
        peek: bool,
        take: impl FnOnce(&[u8]),
    ) -> Result<(usize, Self::Source), Errno>;

    /// The wait target of a socket that can't receive, or send to `to`.
    fn target(fabric: &mut Fabric, key: Key, direction: Direction, to: Option<&Self::Target>) -> Socket;

    /// Registers a task that waits for that.
    fn wait(
        fabric: &mut Fabric,
        key: Key,
        direction: Direction,
        to: Option<&Self::Target>,
        who: WakeTarget,
        how: As,
    );

    fn close(fabric: &mut Fabric, key: Key);
}

/// A socket for datagrams.
#[derive(Debug)]
pub(super) struct Datagram<D: Datagrams> {
    pub(super) handle: Handle,
    kind: PhantomData<D>,
}

impl<D: Datagrams> Datagram<D> {
    pub(super) fn new(handle: Handle) -> Self {
        Self { handle, kind: PhantomData }
    }

    /// Tries `f`. Where that would block, the task is registered as one that waits in this direction.
    #[inline]
    pub(super) fn attempt<R>(
        &self,
        cx: &mut Context<'_>,
        (direction, to): (Direction, Option<&D::Target>),
        how: As,
        f: impl FnOnce(&Engine, Key) -> Result<R, Errno>,
    ) -> Poll<io::Result<R>> {
        self.handle.attempt(
            cx,
            f,
            |fabric, key| D::target(fabric, key, direction, to),
            |fabric, key, who| D::wait(fabric, key, direction, to, who, how),
        )
    }

    // --- readiness ---

    pub(super) fn readiness(&self) -> io::Result<Ready> {
        self.handle.with(D::readiness)
    }

    pub(super) fn poll_ready(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        how: As,
    ) -> Poll<io::Result<Ready>> {
        let direction = if interest.is_writable() { Direction::Write } else { Direction::Read };
        self.attempt(cx, (direction, None), how, |engine, key| {
            let ready = engine.network(|fabric, _| D::readiness(fabric, key))?.of_interest(interest);
            if ready.is_empty() { Err(Errno::WouldBlock) } else { Ok(ready) }
        })
    }

    pub(super) fn ready(&self, interest: Interest) -> impl Future<Output = io::Result<Ready>> {
        let action = self.handle.action(Access::Read, Location::caller());
        announced(action, move |cx| self.poll_ready(cx, interest, As::One))
    }

    // --- sending ---

    #[inline]
    fn poll_send_as(
        &self,
        cx: &mut Context<'_>,
        to: Option<&D::Target>,
        buf: &[u8],
        how: As,
    ) -> Poll<io::Result<usize>> {
        self.attempt(cx, (Direction::Write, to), how, |engine, key| D::send(engine, key, to, buf))
    }

    pub(super) fn send(&self, to: Option<&D::Target>, buf: &[u8]) -> impl Future<Output = io::Result<usize>> {
        let action = self.handle.action(Access::Send, Location::caller());
        announced(action, move |cx| self.poll_send_as(cx, to, buf, As::One))
    }

    pub(super) fn poll_send(
        &self,
        cx: &mut Context<'_>,
        to: Option<&D::Target>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.handle.touch(Access::Send);
        self.poll_send_as(cx, to, buf, As::Poller)
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
        how: As,
    ) -> Poll<io::Result<(usize, D::Source)>> {
        self.attempt(cx, (Direction::Read, None), how, |engine, key| {
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
        announced(action, move |cx| self.poll_recv(cx, buf, peek, As::One))
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

/// The methods of sockets for datagrams, whose `Datagram` is the field `socket`, which do not name a target. `$source` is
/// who has sent a datagram; the rest documents how the kinds differ.
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

        /// [`send`](Self::send) as a poll.
        ///
        /// # Errors
        /// As there.
        pub fn poll_send(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            self.socket.poll_send(cx, None, buf)
        }

        /// [`send`](Self::send) without waiting.
        ///
        /// # Errors
        /// As there; `WouldBlock` where it would wait.
        #[track_caller]
        pub fn try_send(&self, buf: &[u8]) -> io::Result<usize> {
            self.socket.try_send(None, buf)
        }

        /// Waits for a datagram, which is the peer's if the socket is [connected](Self::connect). What does not fit is
        /// lost.
        ///
        /// # Errors
        #[doc = $recv_errors]
        ///
        /// # Cancel safety
        ///
        /// Who gives up loses no datagram.
        pub async fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
            self.recv_from(buf).await.map(|(count, _)| count)
        }

        /// [`recv`](Self::recv) as a poll; whoever polls last is woken.
        ///
        /// # Errors
        /// As there.
        pub fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            self.poll_recv_from(cx, buf).map_ok(drop)
        }

        /// [`recv`](Self::recv) of what is there.
        ///
        /// # Errors
        /// As there; `WouldBlock` if nothing is there.
        #[track_caller]
        pub fn try_recv(&self, buf: &mut [u8]) -> io::Result<usize> {
            self.try_recv_from(buf).map(|(count, _)| count)
        }

        /// [`recv`](Self::recv) into a buffer that keeps count itself.
        ///
        /// # Errors
        /// As there.
        pub async fn recv_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
            self.recv_buf_from(buf).await.map(|(count, _)| count)
        }

        /// [`try_recv`](Self::try_recv) into a buffer that keeps count itself.
        ///
        /// # Errors
        /// As there.
        #[track_caller]
        pub fn try_recv_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
            self.try_recv_buf_from(buf).map(|(count, _)| count)
        }

        /// Waits for a datagram, and says who has sent it. What does not fit is lost.
        ///
        /// # Errors
        /// As [`recv`](Self::recv).
        ///
        /// # Cancel safety
        ///
        /// Who gives up loses no datagram.
        pub async fn recv_from(&self, mut buf: &mut [u8]) -> io::Result<(usize, $source)> {
            self.socket.recv(&mut buf, false).await
        }

        /// [`recv_from`](Self::recv_from) as a poll; whoever polls last is woken.
        ///
        /// # Errors
        /// As there.
        pub fn poll_recv_from(
            &self,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<$source>> {
            self.socket.handle.touch(Access::Receive);
            self.socket.poll_recv(cx, buf, false, As::Poller).map_ok(|(_, from)| from)
        }

        /// [`recv_from`](Self::recv_from) of what is there.
        ///
        /// # Errors
        /// As there; `WouldBlock` if nothing is there.
        #[track_caller]
        pub fn try_recv_from(&self, mut buf: &mut [u8]) -> io::Result<(usize, $source)> {
            self.socket.try_recv(&mut buf, false)
        }

        /// [`recv_from`](Self::recv_from) into a buffer that keeps count itself.
        ///
        /// # Errors
        /// As there.
        pub async fn recv_buf_from<B: BufMut>(&self, buf: &mut B) -> io::Result<(usize, $source)> {
            self.socket.recv(buf, false).await
        }

        /// [`try_recv_from`](Self::try_recv_from) into a buffer that keeps count itself.
        ///
        /// # Errors
        /// As there.
        #[track_caller]
        pub fn try_recv_buf_from<B: BufMut>(&self, buf: &mut B) -> io::Result<(usize, $source)> {
            self.socket.try_recv(buf, false)
        }
    };
}

pub(super) use datagram_methods;

/// What the macro names.
pub(super) mod prelude {
    pub(in crate::net) use std::io;
    pub(in crate::net) use std::task::{Context, Poll};

    pub(in crate::net) use bytes::BufMut;
    pub(in crate::net) use timeloop_sim::Access;

    pub(in crate::net) use super::{Datagram, Datagrams, datagram_methods};
    pub(in crate::net) use crate::io::{Interest, ReadBuf, Ready};
    pub(in crate::net) use crate::net::fabric::{As, Errno};
    pub(in crate::net) use crate::net::readiness_methods::{poll_methods, ready_method};
}
