//! tokio's utilities that never wait, or seldom, with the budget of [`task::coop`](crate::task::coop): [`copy`],
//! [`empty`] and others.
//!
//! tokio's own spend the budget of tokio's tasks, which do not exist here. Each type wraps tokio's.
//!
//! # Invariants
//! Everything but the budget is tokio's.

use std::fmt;
use std::io::{self, IoSlice, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{self as upstream, AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

use crate::task::coop::poll_proceed;

/// Polls `inner` if the task has budget left. If it is ready, spends a unit.
pub(super) fn spend<'a, T: Unpin, R>(
    inner: &'a mut T,
    cx: &mut Context<'_>,
    poll: impl FnOnce(Pin<&'a mut T>, &mut Context<'_>) -> Poll<R>,
) -> Poll<R> {
    let unit = ready!(poll_proceed(cx));
    let polled = poll(Pin::new(inner), cx);
    if polled.is_ready() {
        unit.made_progress();
    }
    polled
}

/// Implements [`AsyncRead`] by the field `inner`.
macro_rules! reads {
    ($Type:ty $(, $($generics:tt)*)?) => {
        impl $(<$($generics)*>)? AsyncRead for $Type {
            fn poll_read(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                spend(&mut self.inner, cx, |inner, cx| inner.poll_read(cx, buf))
            }
        }
    };
}

/// Implements [`AsyncBufRead`] by the field `inner`.
macro_rules! reads_buffered {
    ($Type:ty $(, $($generics:tt)*)?) => {
        impl $(<$($generics)*>)? AsyncBufRead for $Type {
            fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
                spend(&mut self.get_mut().inner, cx, |inner, cx| inner.poll_fill_buf(cx))
            }

            fn consume(mut self: Pin<&mut Self>, amt: usize) {
                Pin::new(&mut self.inner).consume(amt);
            }
        }
    };
}

/// Implements [`AsyncWrite`] by the field `inner`.
macro_rules! writes {
    ($Type:ty $(, $($generics:tt)*)?) => {
        impl $(<$($generics)*>)? AsyncWrite for $Type {
            fn poll_write(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                spend(&mut self.inner, cx, |inner, cx| inner.poll_write(cx, buf))
            }

            fn poll_write_vectored(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                spend(&mut self.inner, cx, |inner, cx| inner.poll_write_vectored(cx, bufs))
            }

            fn is_write_vectored(&self) -> bool {
                self.inner.is_write_vectored()
            }

            fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                spend(&mut self.inner, cx, |inner, cx| inner.poll_flush(cx))
            }

            fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                spend(&mut self.inner, cx, |inner, cx| inner.poll_shutdown(cx))
            }
        }
    };
}

/// Defines a type that wraps tokio's type of the same name.
macro_rules! wrapped {
    ($(#[$attribute:meta])* $Type:ident) => {
        $(#[$attribute])*
        pub struct $Type {
            inner: upstream::$Type,
        }

        impl fmt::Debug for $Type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.inner.fmt(f)
            }
        }
    };
}

wrapped! {
    /// The reader and writer that [`empty`] creates.
    Empty
}
reads!(Empty);
reads_buffered!(Empty);
writes!(Empty);

impl AsyncSeek for Empty {
    fn start_seek(mut self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        Pin::new(&mut self.inner).start_seek(position)
    }

    fn poll_complete(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        spend(&mut self.inner, cx, |inner, cx| inner.poll_complete(cx))
    }
}

/// Creates a reader that is at its end, and a writer that drops all data.
#[must_use]
pub fn empty() -> Empty {
    Empty { inner: upstream::empty() }
}

wrapped! {
    /// The reader that [`repeat`] creates.
    Repeat
}
reads!(Repeat);

/// Creates a reader that yields one byte for ever.
#[must_use]
pub fn repeat(byte: u8) -> Repeat {
    Repeat { inner: upstream::repeat(byte) }
}

wrapped! {
    /// The writer that [`sink`] creates.
    Sink
}
writes!(Sink);

/// Creates a writer that drops all data.
#[must_use]
pub fn sink() -> Sink {
    Sink { inner: upstream::sink() }
}

/// A reader, or a stream, whose reads spend budget.
struct Spending<'a, T: ?Sized> {
    inner: &'a mut T,
}

reads!(Spending<'_, T>, T: AsyncRead + Unpin + ?Sized);
reads_buffered!(Spending<'_, T>, T: AsyncBufRead + Unpin + ?Sized);

/// Writing spends no budget: `copy` reads in turn.
impl<T: AsyncWrite + Unpin + ?Sized> AsyncWrite for Spending<'_, T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.inner).poll_shutdown(cx)
    }
}

/// Copies everything from `reader` to `writer`; returns the number of bytes.
///
/// # Errors
/// The first error of the reader or the writer.
pub async fn copy<'a, R, W>(reader: &'a mut R, writer: &'a mut W) -> io::Result<u64>
where
    R: AsyncRead + Unpin + ?Sized,
    W: AsyncWrite + Unpin + ?Sized,
{
    upstream::copy(&mut Spending { inner: reader }, writer).await
}

/// Copies everything from a buffered `reader` to `writer`; returns the number of bytes.
///
/// # Errors
/// The first error of the reader or the writer.
pub async fn copy_buf<'a, R, W>(reader: &'a mut R, writer: &'a mut W) -> io::Result<u64>
where
    R: AsyncBufRead + Unpin + ?Sized,
    W: AsyncWrite + Unpin + ?Sized,
{
    upstream::copy_buf(&mut Spending { inner: reader }, writer).await
}

/// Copies from `a` to `b` and from `b` to `a` until both are at their ends; returns the numbers of bytes.
///
/// # Errors
/// The first error of one of them.
pub async fn copy_bidirectional<A, B>(a: &mut A, b: &mut B) -> io::Result<(u64, u64)>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    upstream::copy_bidirectional(&mut Spending { inner: a }, &mut Spending { inner: b }).await
}

/// Copies as [`copy_bidirectional`] does, with buffers of these sizes.
///
/// # Errors
/// The first error of one of them.
pub async fn copy_bidirectional_with_sizes<A, B>(
    a: &mut A,
    b: &mut B,
    a_to_b_buf_size: usize,
    b_to_a_buf_size: usize,
) -> io::Result<(u64, u64)>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    let (a, b) = (&mut Spending { inner: a }, &mut Spending { inner: b });
    upstream::copy_bidirectional_with_sizes(a, b, a_to_b_buf_size, b_to_a_buf_size).await
}
