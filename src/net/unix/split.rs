//! Halves of a stream within a host that borrow it.
//!
//! Always true: the stream outlives both, and dropping them ends nothing.

use std::io::{self, IoSlice, IoSliceMut};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::SocketAddr;
use super::stream::UnixStream;
use crate::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use crate::net::operation::Operation;
use crate::net::stream::Stream;

/// The half that reads, as [`tokio::net::unix::ReadHalf`](https://docs.rs/tokio/1/tokio/net/unix/struct.ReadHalf.html); made
/// by [`UnixStream::split`].
#[derive(Debug)]
pub struct ReadHalf<'a> {
    inner: &'a UnixStream,
    reading: Operation,
}

/// The half that writes, as [`tokio::net::unix::WriteHalf`](https://docs.rs/tokio/1/tokio/net/unix/struct.WriteHalf.html);
/// made by [`UnixStream::split`].
#[derive(Debug)]
pub struct WriteHalf<'a> {
    inner: &'a UnixStream,
    writing: Operation,
}

pub(super) fn split(stream: &mut UnixStream) -> (ReadHalf<'_>, WriteHalf<'_>) {
    let inner = &*stream;
    (ReadHalf { inner, reading: Operation::default() }, WriteHalf { inner, writing: Operation::default() })
}

impl ReadHalf<'_> {
    fn stream(&self) -> &Stream {
        &self.inner.stream
    }

    /// Waits until one of these things may be done, and says which.
    ///
    /// # Errors
    /// If the stream's run is over.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        self.stream().ready(interest).await
    }

    /// Waits until there is something to read, or never will be again.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub async fn readable(&self) -> io::Result<()> {
        self.stream().ready(Interest::READABLE).await.map(drop)
    }

    /// Reads what is there; see [`UnixStream::try_read`].
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.stream().try_read(buf)
    }

    /// As [`try_read`](Self::try_read), into several buffers, one after the other.
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.stream().try_read_vectored(bufs)
    }

    /// As [`try_read`](Self::try_read), into a buffer that keeps count itself.
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn try_read_buf<B: bytes::BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        self.stream().try_read_buf(buf)
    }

    /// The address of the other side.
    ///
    /// # Errors
    /// As [`UnixStream::peer_addr`].
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.peer_addr()
    }

    /// The address of this side.
    ///
    /// # Errors
    /// As [`UnixStream::local_addr`].
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

impl WriteHalf<'_> {
    fn stream(&self) -> &Stream {
        &self.inner.stream
    }

    /// Waits until one of these things may be done, and says which.
    ///
    /// # Errors
    /// If the stream's run is over.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        self.stream().ready(interest).await
    }

    /// Waits until there is room to write, or never will be again.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub async fn writable(&self) -> io::Result<()> {
        self.stream().ready(Interest::WRITABLE).await.map(drop)
    }

    /// Writes as much as there is room for; see [`UnixStream::try_write`].
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.stream().try_write(buf)
    }

    /// As [`try_write`](Self::try_write), from several buffers, one after the other.
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.stream().try_write_vectored(bufs)
    }

    /// The address of the other side.
    ///
    /// # Errors
    /// As [`UnixStream::peer_addr`].
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.peer_addr()
    }

    /// The address of this side.
    ///
    /// # Errors
    /// As [`UnixStream::local_addr`].
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

impl AsyncRead for ReadHalf<'_> {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.inner.stream.poll_read(&mut this.reading, cx, buf)
    }
}

impl AsyncWrite for WriteHalf<'_> {
    #[inline]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.inner.stream.poll_write(&mut this.writing, cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.inner.stream.poll_write_vectored(&mut this.writing, cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.inner.stream.poll_shutdown(&mut this.writing, cx)
    }
}

impl AsRef<UnixStream> for ReadHalf<'_> {
    fn as_ref(&self) -> &UnixStream {
        self.inner
    }
}

impl AsRef<UnixStream> for WriteHalf<'_> {
    fn as_ref(&self) -> &UnixStream {
        self.inner
    }
}
