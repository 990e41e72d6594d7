//! One end of a stream: the common part of TCP and Unix streams.
//!
//! # Invariants
//! An end whose run is over, or whose host has crashed, fails and never panics. Dropping an end closes it.

use std::io::{self, IoSlice, IoSliceMut};
use std::panic::Location;
use std::task::{Context, Poll};

use bytes::BufMut;
use timeloop_sim::Access;

use super::driver::Fabric;
use super::fabric::{CallContext, Direction, EndKey, Errno, Reading, WaitSlot, WaitedSocket};
use super::handle::{self, announced, announced_readiness, network, run_is_over};
use crate::engine::announce::{Action, Attempt, ResourceId};
use crate::engine::observer::WaitTarget;
use crate::engine::{RunId, of_run};
use crate::io::{Interest, ReadBuf, Ready};

/// One end of a stream.
#[derive(Debug)]
pub(super) struct Stream {
    run: RunId,
    key: EndKey,
    /// The resource of the outgoing direction.
    sends: ResourceId,
    /// The resource of the incoming direction.
    receives: ResourceId,
    name: &'static str,
}

impl Stream {
    pub(super) fn new(run: RunId, key: EndKey, connection: ResourceId, name: &'static str) -> Self {
        let (first, second) = (connection.part(1).socket(), connection.part(2).socket());
        let (sends, receives) = if key.side == 0 { (first, second) } else { (second, first) };
        Self { run, key, sends, receives, name }
    }

    fn writes(&self, at: &'static Location<'static>) -> Action<'_> {
        Action { id: &self.sends, name: self.name, access: Access::Send, at }
    }

    fn reads(&self, at: &'static Location<'static>) -> Action<'_> {
        Action { id: &self.receives, name: self.name, access: Access::Receive, at }
    }

    /// Returns the wait target of this direction.
    fn on(&self, direction: Direction) -> WaitTarget {
        WaitTarget::Socket(WaitedSocket::Stream(self.key, direction), self.sends.made())
    }

    /// Calls `f` with the network, for operations that never wait.
    #[inline]
    pub(super) fn with<R>(
        &self,
        f: impl FnOnce(&mut Fabric, &mut CallContext<'_>, EndKey) -> Result<R, Errno>,
    ) -> io::Result<R> {
        handle::with(self.run, |fabric, ctx| f(fabric, ctx, self.key))
    }

    /// Tries `f`. If that would block, registers the task as a waiter.
    #[inline]
    pub(super) fn attempt<R>(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        slot: WaitSlot,
        f: impl FnOnce(&mut Fabric, &mut CallContext<'_>, EndKey) -> Result<R, Errno>,
    ) -> Poll<io::Result<R>> {
        // Like `Handle::attempt`, with fewer calls where nothing is inlined: round trips are made of this.
        let polled =
            of_run(self.run, |engine| match engine.network(|fabric, ctx| f(fabric, ctx, self.key)) {
                Ok(value) => Poll::Ready(Ok(value)),
                Err(Errno::WouldBlock) => {
                    let waiter = engine.record_waiter(cx.waker(), || self.on(direction));
                    engine.network(|fabric, _| fabric.wait(self.key, direction, waiter, slot));
                    Poll::Pending
                }
                Err(errno) => Poll::Ready(Err(errno.into())),
            });
        polled.unwrap_or_else(|| Poll::Ready(Err(run_is_over())))
    }

    #[inline]
    pub(super) fn poll_read(
        &self,
        attempt: &mut Attempt,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        attempt.poll_each(cx, self.reads(Location::caller()), |cx| {
            self.attempt(cx, Direction::Read, WaitSlot::Poll, |fabric, ctx, key| {
                let max = buf.remaining();
                fabric.read(ctx, key, max, Reading::Poll, |bytes| buf.put_slice(bytes)).map(drop)
            })
        })
    }

    #[inline]
    pub(super) fn poll_write(
        &self,
        attempt: &mut Attempt,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(attempt, cx, &[IoSlice::new(buf)])
    }

    #[inline]
    pub(super) fn poll_write_vectored(
        &self,
        attempt: &mut Attempt,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        attempt.poll_each(cx, self.writes(Location::caller()), |cx| {
            self.attempt(cx, Direction::Write, WaitSlot::Poll, |fabric, ctx, key| {
                fabric.write(ctx, key, bufs)
            })
        })
    }

    pub(super) fn poll_shutdown(&self, attempt: &mut Attempt, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        attempt.poll_each(cx, self.writes(Location::caller()), |_| {
            match self.with(|fabric, ctx, key| fabric.shutdown_write(ctx, key)) {
                // As in tokio: there is nothing left to shut down.
                Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
                result => Poll::Ready(result),
            }
        })
    }

    /// Shuts down the outgoing direction because the write half is dropped.
    pub(super) fn shutdown_now(&self) {
        self.writes(Location::caller()).touch();
        let _ = self.with(|fabric, ctx, key| fabric.shutdown_write(ctx, key));
    }

    pub(super) fn poll_peek(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        slot: WaitSlot,
    ) -> Poll<io::Result<usize>> {
        self.attempt(cx, Direction::Read, slot, |fabric, ctx, key| {
            let max = buf.remaining();
            fabric.read(ctx, key, max, Reading::Peek, |bytes| buf.put_slice(bytes))
        })
    }

    pub(super) async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        let action = Action { access: Access::Read, ..self.reads(Location::caller()) };
        let mut buf = ReadBuf::new(buf);
        announced(action, |cx| self.poll_peek(cx, &mut buf, WaitSlot::Shared)).await
    }

    #[track_caller]
    pub(super) fn try_read(&self, mut buf: &mut [u8]) -> io::Result<usize> {
        self.try_read_buf(&mut buf)
    }

    #[track_caller]
    pub(super) fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.reads(Location::caller()).touch();
        let max = bufs.iter().map(|buf| buf.len()).sum();
        let (mut index, mut filled) = (0, 0);
        self.with(|fabric, ctx, key| {
            fabric.read(ctx, key, max, Reading::Try, |mut bytes| {
                while !bytes.is_empty() {
                    let buf = &mut bufs[index][filled..];
                    let count = buf.len().min(bytes.len());
                    buf[..count].copy_from_slice(&bytes[..count]);
                    bytes = &bytes[count..];
                    filled += count;
                    if filled == bufs[index].len() {
                        (index, filled) = (index + 1, 0);
                    }
                }
            })
        })
    }

    #[track_caller]
    pub(super) fn try_read_buf(&self, buf: &mut impl BufMut) -> io::Result<usize> {
        self.reads(Location::caller()).touch();
        self.with(|fabric, ctx, key| {
            // As in tokio: reads at most what fits without growing the buffer.
            let max = buf.chunk_mut().len();
            fabric.read(ctx, key, max, Reading::Try, |bytes| buf.put_slice(bytes))
        })
    }

    #[track_caller]
    pub(super) fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.try_write_vectored(&[IoSlice::new(buf)])
    }

    #[track_caller]
    pub(super) fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.writes(Location::caller()).touch();
        self.with(|fabric, ctx, key| fabric.write(ctx, key, bufs))
    }

    pub(super) fn readiness(&self) -> io::Result<Ready> {
        self.with(|fabric, _, key| Ok(fabric.readiness(key).into()))
    }

    /// Clears a readiness, because an operation that it promised has returned `WouldBlock`.
    pub(super) fn clear_readiness(&self, ready: Ready) {
        for direction in ready.directions() {
            let _ = self.with(|fabric, ctx, key| {
                fabric.clear_readiness(ctx, key, direction);
                Ok(())
            });
        }
    }

    /// Polls for the readiness that `interest` selects, and registers the task as a waiter if there is none.
    pub(super) fn poll_ready(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        slot: WaitSlot,
    ) -> Poll<io::Result<Ready>> {
        let ready = self.readiness()?.of_interest(interest);
        if !ready.is_empty() {
            return Poll::Ready(Ok(ready));
        }
        of_run(self.run, |engine| {
            for direction in interest.directions() {
                let waiter = engine.record_waiter(cx.waker(), || self.on(direction));
                engine.network(|fabric, _| fabric.wait(self.key, direction, waiter, slot));
            }
        });
        Poll::Pending
    }

    pub(super) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        let id = if interest.is_readable() { &self.receives } else { &self.sends };
        let action = id.action(self.name, Access::Read);
        announced_readiness(action, |cx| self.poll_ready(cx, interest, WaitSlot::Shared)).await
    }

    pub(super) fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.with(|fabric, _, key| Ok(fabric.end(key).and_then(|end| end.error.take()).map(io::Error::from)))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.sends.touch(self.name, Access::Write, None);
        self.receives.touch(self.name, Access::Write, None);
        network(self.run, |fabric, ctx| fabric.close(ctx, self.key));
    }
}
