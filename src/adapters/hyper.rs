//! What hyper 1 asks of a runtime: a [`Timer`], an [`Executor`], and [`Io`] around a stream.
//!
//! ```
//! use std::future::poll_fn;
//! use std::pin::Pin;
//! use hyper::rt::{Executor as _, Timer as _, Write as _};
//! use timeloop::adapters::hyper::{Executor, Io, Timer};
//! use timeloop::io::AsyncReadExt;
//! use timeloop::net::{TcpListener, TcpStream};
//! use timeloop::time::{Duration, Instant};
//!
//! timeloop::run(0, || async {
//!     let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
//!     // As hyper does it: tasks from the executor, pauses from the timer, bytes by way of `Io`.
//!     Executor::new().execute(async {
//!         let mut io = Io::new(TcpStream::connect("127.0.0.1:80").await.unwrap());
//!         Timer::new().sleep(Duration::from_secs(60)).await;
//!         poll_fn(|cx| Pin::new(&mut io).poll_write(cx, b"hello")).await.unwrap();
//!     });
//!     let (mut stream, _) = listener.accept().await.unwrap();
//!     let mut text = String::new();
//!     stream.read_to_string(&mut text).await.unwrap();
//!     assert_eq!(text, "hello");
//! })?;
//! # Ok::<(), timeloop::Failure>(())
//! ```
//!
//! Servers and clients are then hyper's own: `http1::Builder::new().timer(Timer::new())`,
//! `http2::Builder::new(Executor::new()).timer(Timer::new())`, `.serve_connection(Io::new(stream), service)`,
//! `.handshake(Io::new(stream))`. A future that they give is awaited or spawned with [`timeloop::spawn`](crate::spawn). The
//! folder `examples/http` of the repository is a project that does all of it, under faults.
//!
//! # What need be `Send`
//!
//! Little. [`Executor`] takes any future, so services, their futures and bodies may hold an `Rc`. hyper itself asks for `Send`
//! of the stream where a connection is to be upgraded (`with_upgrades`), and timeloop's streams are `Send`, as tokio's are. A
//! timer and what it gives must be `Send` and `Sync`, and are.
//!
//! # What remains of the real world
//!
//! hyper 1.8 or later reads no clock but the timer's, once it has one. Without one it takes the real clock for keep-alive
//! pings and flow control of HTTP/2, and panics where it is to wait: give each builder a timer. Beyond that, as of hyper
//! 1.12 and h2 0.4.20:
//!
//! - **The header `date`** of responses is the real time of day. It is always 29 bytes long, so nothing goes another way for it
//!   unless somebody reads it; a test that compares whole responses sees it change. `auto_date_header(false)` on the server's
//!   builder leaves it out; a service may set one from [`time::SystemTime`].
//! - **Streams of HTTP/2 that this side has reset** are remembered for a second of real time (30 s in older h2) and for 50
//!   streams at most, so that late frames for them are let pass; later such a frame is answered by another reset. A run
//!   that takes less than a second of real time does not see that. A client's `reset_stream_duration(Duration::MAX)`, or
//!   `max_concurrent_reset_streams(0)`, takes the clock out of it; a server's builder has no such setting.
//! - **Hash maps**: `http::HeaderMap` and h2 iterate in the order of insertion. `http::Extensions` and what hyper keeps behind
//!   its feature `ffi` do not matter to what is sent.
//! - **hyper-util**: `service` and `server::conn::auto` take this module's types. `server::graceful` does too, but its feature
//!   turns on tokio's feature `rt`, with which the channel that it uses wakes connections in a random order: call
//!   `graceful_shutdown` of each connection instead. `TokioTimer` and `TokioExecutor` need tokio's runtime. The pooling client
//!   (feature `client-legacy`, which turns it on as well) takes this module's executor and, as `pool_timer`, its timer, and a
//!   connector over [`net`](crate::net) in place of its own; where connections to several hosts have been idle for too
//!   long, it closes them in the order of a hash map, which varies.

#![expect(unsafe_code, reason = "a buffer that is not initialized, from one library's type into the other's")]

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use ::hyper::rt;
use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::time::{self, Duration, Instant};

/// A [`hyper::rt::Timer`] of virtual time: that of the node whose task asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timer;

impl Timer {
    /// A timer. They are all the same.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl rt::Timer for Timer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(Sleep { inner: time::sleep(duration) })
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(Sleep { inner: time::sleep_until(Instant::from_std(deadline)) })
    }

    fn now(&self) -> std::time::Instant {
        Instant::now().into_std()
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn rt::Sleep>>, new_deadline: std::time::Instant) {
        match sleep.as_mut().downcast_mut_pin::<Sleep>() {
            Some(sleep) => sleep.project().inner.reset(Instant::from_std(new_deadline)),
            // Another timer's.
            None => *sleep = self.sleep_until(new_deadline),
        }
    }
}

pin_project! {
    /// What the timer gives.
    #[derive(Debug)]
    struct Sleep {
        #[pin]
        inner: time::Sleep,
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().inner.poll(cx)
    }
}

impl rt::Sleep for Sleep {}

/// A [`hyper::rt::Executor`] that spawns on the run, on the node of the task that asks. A future need not be
/// `Send`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Executor;

impl Executor {
    /// An executor. They are all the same.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl<F> rt::Executor<F> for Executor
where
    F: Future + 'static,
    F::Output: 'static,
{
    #[track_caller]
    fn execute(&self, future: F) {
        crate::spawn(future);
    }
}

pin_project! {
    /// A stream of the one library as one of the other: tokio's traits `AsyncRead` and `AsyncWrite` become
    /// [`hyper::rt::Read`] and [`hyper::rt::Write`], and the other way round, for what hyper hands back
    /// after an upgrade.
    #[derive(Clone, Copy, Default)]
    pub struct Io<T> {
        #[pin]
        inner: T,
    }
}

impl<T> Io<T> {
    /// Wraps a stream.
    pub const fn new(inner: T) -> Self {
        Self { inner }
    }

    /// What is wrapped.
    pub const fn get_ref(&self) -> &T {
        &self.inner
    }

    /// What is wrapped.
    pub const fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// What is wrapped, without the wrapper.
    pub fn into_inner(self) -> T {
        self.inner
    }
}

impl<T: fmt::Debug> fmt::Debug for Io<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Io").field(&self.inner).finish()
    }
}

impl<T: AsyncRead> rt::Read for Io<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut into: rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // SAFETY: `ReadBuf` never makes a byte uninitialized that was not.
        let room = unsafe { into.as_mut() };
        let start = room.as_ptr();
        let mut buffer = ReadBuf::uninit(room);
        let polled = self.project().inner.poll_read(cx, &mut buffer);
        // A reader may put another buffer in its place, which would tell nothing of the first one.
        assert!(
            std::ptr::eq(start.cast(), buffer.filled().as_ptr()),
            "a reader keeps to the buffer that it is given"
        );
        let count = buffer.filled().len();
        if matches!(polled, Poll::Ready(Ok(()))) {
            // SAFETY: what is filled is initialized, and it is the beginning of the room, as was just checked.
            unsafe { into.advance(count) };
        }
        polled
    }
}

impl<T: rt::Read> AsyncRead for Io<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut buffer = rt::ReadBuf::new(into.initialize_unfilled());
        let polled = self.project().inner.poll_read(cx, buffer.unfilled());
        let count = buffer.filled().len();
        if matches!(polled, Poll::Ready(Ok(()))) {
            into.advance(count);
        }
        polled
    }
}

/// Implements one library's trait to write by the other's: their methods are the same.
macro_rules! writes {
    ($trait:path, by $other:path) => {
        impl<T: $other> $trait for Io<T> {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.project().inner.poll_write(cx, bytes)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.project().inner.poll_flush(cx)
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.project().inner.poll_shutdown(cx)
            }

            fn is_write_vectored(&self) -> bool {
                self.inner.is_write_vectored()
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                slices: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.project().inner.poll_write_vectored(cx, slices)
            }
        }
    };
}

writes!(rt::Write, by AsyncWrite);
writes!(AsyncWrite, by rt::Write);
