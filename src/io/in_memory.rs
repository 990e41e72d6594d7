//! In-memory streams, [`duplex`] and [`simplex`]: tokio's own, with announced operations, split transfers, and the budget of
//! [`task::coop`](crate::task::coop).

use std::fmt;
use std::io::{IoSlice, Result};
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use timeloop_sim::{Access, ResourceKind};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf, WriteHalf};

use super::cooperative::spend;
use crate::engine::announce::{Action, Attempt, ResourceId};
use crate::engine::context;

/// One direction of a stream.
#[derive(Debug)]
struct Pipe {
    resource: ResourceId,
    /// The name of the stream in reports.
    name: &'static str,
    /// The number of bytes that are written and not yet read.
    held: AtomicUsize,
}

impl Pipe {
    #[track_caller]
    fn new(name: &'static str) -> Arc<Self> {
        let resource = ResourceId::new().of_kind(ResourceKind::Stream);
        Arc::new(Self { resource, name, held: AtomicUsize::new(0) })
    }

    fn action(&self, access: Access) -> Action<'_> {
        Action { id: &self.resource, name: self.name, access, at: Location::caller() }
    }

    /// Decides how many of `whole` bytes a read or a write moves.
    fn moved(&self, reads: bool, whole: usize) -> usize {
        let moved = context::with(|engine| {
            if engine.varies_io { engine.split_transfer(self.name, reads, whole) } else { whole }
        });
        moved.unwrap_or(whole)
    }

    fn poll_read<S: AsyncRead + Unpin>(
        &self,
        attempt: &mut Attempt,
        inner: &mut S,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        attempt.poll_each_apart(cx, self.action(Access::Receive), |cx| {
            let before = buf.filled().len();
            let whole = self.held.load(Ordering::Relaxed).min(buf.remaining());
            let moved = self.moved(true, whole);
            if moved == whole {
                ready!(spend(inner, cx, |inner, cx| inner.poll_read(cx, buf)))?;
            } else {
                let mut part = vec![0; moved];
                let mut part = ReadBuf::new(&mut part);
                ready!(spend(inner, cx, |inner, cx| inner.poll_read(cx, &mut part)))?;
                buf.put_slice(part.filled());
            }
            self.held.fetch_sub(buf.filled().len() - before, Ordering::Relaxed);
            Poll::Ready(Ok(()))
        })
    }

    /// Writes with `write`, which gets the most bytes to write.
    fn poll_write(
        &self,
        attempt: &mut Attempt,
        cx: &mut Context<'_>,
        (len, capacity): (usize, usize),
        write: impl FnOnce(&mut Context<'_>, usize) -> Poll<Result<usize>>,
    ) -> Poll<Result<usize>> {
        attempt.poll_each_apart(cx, self.action(Access::Send), |cx| {
            let whole = len.min(capacity.saturating_sub(self.held.load(Ordering::Relaxed)));
            let moved = self.moved(false, whole);
            let written = ready!(write(cx, if moved == whole { len } else { moved }))?;
            self.held.fetch_add(written, Ordering::Relaxed);
            Poll::Ready(Ok(written))
        })
    }
}

/// Defines a stream around tokio's of the same name. `$reads` and `$writes` are the fields with its pipes.
macro_rules! stream {
    ($(#[$doc:meta])* $name:ident, $reads:ident, $writes:ident { $($pipe:ident),* }) => {
        $(#[$doc])*
        pub struct $name {
            inner: tokio::io::$name,
            capacity: usize,
            $($pipe: Arc<Pipe>,)*
            reading: Attempt,
            writing: Attempt,
        }

        impl AsyncRead for $name {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<Result<()>> {
                let Self { inner, $reads: pipe, reading, .. } = self.get_mut();
                pipe.poll_read(reading, inner, cx, buf)
            }
        }

        impl AsyncWrite for $name {
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
                let Self { inner, capacity, $writes: pipe, writing, .. } = self.get_mut();
                pipe.poll_write(writing, cx, (buf.len(), *capacity), |cx, most| {
                    spend(inner, cx, |inner, cx| inner.poll_write(cx, &buf[..most]))
                })
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<Result<usize>> {
                let Self { inner, capacity, $writes: pipe, writing, .. } = self.get_mut();
                let len = bufs.iter().map(|buf| buf.len()).sum();
                pipe.poll_write(writing, cx, (len, *capacity), |cx, most| {
                    if most == len {
                        return spend(inner, cx, |inner, cx| inner.poll_write_vectored(cx, bufs));
                    }
                    let mut bytes = Vec::with_capacity(most);
                    for buf in bufs {
                        bytes.extend_from_slice(&buf[..buf.len().min(most - bytes.len())]);
                    }
                    spend(inner, cx, |inner, cx| inner.poll_write(cx, &bytes))
                })
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
                spend(&mut self.get_mut().inner, cx, |inner, cx| inner.poll_flush(cx))
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
                let Self { inner, $writes: pipe, writing, .. } = self.get_mut();
                writing.poll_each_apart(cx, pipe.action(Access::Send), |cx| {
                    spend(inner, cx, |inner, cx| inner.poll_shutdown(cx))
                })
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                $(self.$pipe.resource.action(self.$pipe.name, Access::Write).touch_apart();)*
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.inner.fmt(f)
            }
        }
    };
}

stream! {
    /// One end of a stream in memory, as
    /// [`tokio::io::DuplexStream`](https://docs.rs/tokio/1/tokio/io/struct.DuplexStream.html). A read or a write may move
    /// a part of the bytes that it could move.
    DuplexStream, receives, sends { receives, sends }
}

stream! {
    /// A stream in memory whose reader gets what was written to it, as
    /// [`tokio::io::SimplexStream`](https://docs.rs/tokio/1/tokio/io/struct.SimplexStream.html).
    SimplexStream, pipe, pipe { pipe }
}

/// Creates two connected streams, each with a buffer of `max_buf_size` bytes, as
/// [`tokio::io::duplex`](https://docs.rs/tokio/1/tokio/io/fn.duplex.html).
#[must_use]
#[track_caller]
pub fn duplex(max_buf_size: usize) -> (DuplexStream, DuplexStream) {
    let (one, other) = tokio::io::duplex(max_buf_size);
    let (first, second) = (Pipe::new("duplex stream"), Pipe::new("duplex stream"));
    let end = |inner, sends: &Arc<Pipe>, receives: &Arc<Pipe>| DuplexStream {
        inner,
        capacity: max_buf_size,
        sends: Arc::clone(sends),
        receives: Arc::clone(receives),
        reading: Attempt::default(),
        writing: Attempt::default(),
    };
    (end(one, &first, &second), end(other, &second, &first))
}

/// Creates the two halves of a [`SimplexStream`] with a buffer of `max_buf_size` bytes, as
/// [`tokio::io::simplex`](https://docs.rs/tokio/1/tokio/io/fn.simplex.html).
#[must_use]
#[track_caller]
pub fn simplex(max_buf_size: usize) -> (ReadHalf<SimplexStream>, WriteHalf<SimplexStream>) {
    tokio::io::split(SimplexStream::new_unsplit(max_buf_size))
}

impl SimplexStream {
    /// Creates a stream with a buffer of `max_buf_size` bytes.
    #[must_use]
    #[track_caller]
    pub fn new_unsplit(max_buf_size: usize) -> Self {
        Self {
            inner: tokio::io::SimplexStream::new_unsplit(max_buf_size),
            capacity: max_buf_size,
            pipe: Pipe::new("simplex stream"),
            reading: Attempt::default(),
            writing: Attempt::default(),
        }
    }
}
