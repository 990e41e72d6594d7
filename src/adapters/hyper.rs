//! A runtime for hyper 1: [`Timer`], [`Executor`], and [`Io`] around a stream.
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
//!     // As hyper does: a task from the executor, a pause from the timer, bytes through `Io`.
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
//! Servers and clients are hyper's own: `http1::Builder::new().timer(Timer::new())`,
//! `http2::Builder::new(Executor::new()).timer(Timer::new())`, `.serve_connection(Io::new(stream), service)`,
//! `.handshake(Io::new(stream))`. Await the futures that they return, or spawn them with
//! [`timeloop::spawn`](crate::spawn). `examples/http` in the repository is a complete project, with faults.
//!
//! # `Send` bounds
//!
//! [`Executor`] takes any future, so services, their futures and bodies may hold an `Rc`. hyper itself requires
//! `Send` of the stream if a connection can be upgraded (`with_upgrades`). timeloop's streams are `Send`, as tokio's
//! are. hyper also requires that a timer and its futures are `Send` and `Sync`, and they are.
//!
//! # Access to the real world
//!
//! hyper 1.8 or later reads only the timer's clock once it has a timer. Without one it reads the real clock for
//! HTTP/2 keep-alive pings and flow control, and panics when it has to wait: give each builder a timer. As of hyper
//! 1.12 and h2 0.4.20, the following remains:
//!
//! - **The `date` header** of responses is the real time of day. It is always 29 bytes long, so it changes nothing
//!   unless somebody reads it; a test that compares whole responses sees it change. `auto_date_header(false)` on the
//!   server's builder omits it. A service may set the header from [`time::SystemTime`].
//! - **HTTP/2 streams that this side has reset** are remembered for one second of real time (30 s in older h2), at
//!   most 50 of them. Late frames for a remembered stream are ignored; later frames are answered with another reset.
//!   A run that takes less than a second of real time is not affected. On a client,
//!   `reset_stream_duration(Duration::MAX)` or `max_concurrent_reset_streams(0)` avoids the clock; a server's builder
//!   has no such setting.
//! - **Hash maps**: `http::HeaderMap` and h2 iterate in insertion order. `http::Extensions` and the maps behind
//!   hyper's feature `ffi` do not affect what is sent.
//! - **hyper-util**: `service` and `server::conn::auto` accept this module's types. `server::graceful` does too, but
//!   its feature enables tokio's feature `rt`, with which its channel wakes connections in a random order: call
//!   `graceful_shutdown` on each connection instead. `TokioTimer` and `TokioExecutor` need tokio's runtime. The
//!   pooling client (feature `client-legacy`, which enables `rt` too) accepts this module's executor, its timer as
//!   `pool_timer`, and a connector over [`net`](crate::net). If connections to several hosts have been idle for too
//!   long, it closes them in the order of a hash map, which varies.

#![expect(unsafe_code, reason = "passes an uninitialized buffer from one library's type to the other's")]

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use ::hyper::rt;
use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::time::{self, Duration, Instant};

/// A [`hyper::rt::Timer`] in virtual time: it follows the clock of the calling task's node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timer;

impl Timer {
    /// Creates a timer.
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
            // A future of another timer.
            None => *sleep = self.sleep_until(new_deadline),
        }
    }
}

pin_project! {
    /// The future of [`Timer`].
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

/// A [`hyper::rt::Executor`] that spawns tasks on the calling task's node. A future need not be `Send`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Executor;

impl Executor {
    /// Creates an executor.
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
    /// Adapts a stream between tokio's and hyper's I/O traits. A stream with `AsyncRead` and `AsyncWrite` implements
    /// [`hyper::rt::Read`] and [`hyper::rt::Write`]. The reverse direction is for the streams that hyper returns
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

    /// Returns a reference to the stream.
    pub const fn get_ref(&self) -> &T {
        &self.inner
    }

    /// Returns a mutable reference to the stream.
    pub const fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// Returns the stream.
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
        let unfilled = unsafe { into.as_mut() };
        let start = unfilled.as_ptr();
        let mut buffer = ReadBuf::uninit(unfilled);
        let polled = self.project().inner.poll_read(cx, &mut buffer);
        // A reader may replace the buffer, and then `filled` says nothing about the first one.
        assert!(
            std::ptr::eq(start.cast(), buffer.filled().as_ptr()),
            "the reader replaced the buffer that it was given"
        );
        let count = buffer.filled().len();
        if matches!(polled, Poll::Ready(Ok(()))) {
            // SAFETY: the filled bytes are initialized, and they are the beginning of the buffer, as was just
            // checked.
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

/// Implements one library's write trait with the other's, which has the same methods.
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
