//! Halves of a stream within a host that share it.
//!
//! Always true: dropping the half that writes ends the stream from here, unless it has been told to forget that; the
//! connection is let go of with the last half.

use std::error::Error;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::SocketAddr;
use super::stream::UnixStream;
use crate::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use crate::net::operation::Operation;
use crate::net::stream::Stream;

/// The half that reads, as
/// [`tokio::net::unix::OwnedReadHalf`](https://docs.rs/tokio/1/tokio/net/unix/struct.OwnedReadHalf.html); made by
/// [`UnixStream::into_split`].
#[derive(Debug)]
pub struct OwnedReadHalf {
    inner: Arc<UnixStream>,
    reading: Operation,
}

/// The half that writes, as
/// [`tokio::net::unix::OwnedWriteHalf`](https://docs.rs/tokio/1/tokio/net/unix/struct.OwnedWriteHalf.html); made by
/// [`UnixStream::into_split`].
#[derive(Debug)]
pub struct OwnedWriteHalf {
    inner: Arc<UnixStream>,
    writing: Operation,
    shutdown_on_drop: bool,
}

pub(super) fn split_owned(stream: UnixStream) -> (OwnedReadHalf, OwnedWriteHalf) {
    let inner = Arc::new(stream);
    let read = OwnedReadHalf { inner: Arc::clone(&inner), reading: Operation::default() };
    (read, OwnedWriteHalf { inner, writing: Operation::default(), shutdown_on_drop: true })
}

fn reunite(read: OwnedReadHalf, write: OwnedWriteHalf) -> Result<UnixStream, ReuniteError> {
    if Arc::ptr_eq(&read.inner, &write.inner) {
        write.forget();
        // The other half is gone, so this is the last one.
        Ok(Arc::into_inner(read.inner).expect("halves are two"))
    } else {
        Err(ReuniteError(read, write))
    }
}

/// Two halves that are not of one stream, as
/// [`tokio::net::unix::ReuniteError`](https://docs.rs/tokio/1/tokio/net/unix/struct.ReuniteError.html).
#[derive(Debug)]
pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

impl fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tried to reunite halves that are not from the same socket")
    }
}

impl Error for ReuniteError {}

impl OwnedReadHalf {
    fn stream(&self) -> &Stream {
        &self.inner.stream
    }

    /// Puts the halves together again.
    ///
    /// # Errors
    /// If they are not of one stream: the halves.
    pub fn reunite(self, other: OwnedWriteHalf) -> Result<UnixStream, ReuniteError> {
        reunite(self, other)
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

impl OwnedWriteHalf {
    fn stream(&self) -> &Stream {
        &self.inner.stream
    }

    /// Puts the halves together again.
    ///
    /// # Errors
    /// If they are not of one stream: the halves.
    pub fn reunite(self, other: OwnedReadHalf) -> Result<UnixStream, ReuniteError> {
        reunite(other, self)
    }

    /// Drops this half without ending the stream.
    pub fn forget(mut self) {
        self.shutdown_on_drop = false;
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

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if self.shutdown_on_drop {
            self.inner.stream.shutdown_now();
        }
    }
}

impl AsyncRead for OwnedReadHalf {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.inner.stream.poll_read(&mut this.reading, cx, buf)
    }
}

impl AsyncWrite for OwnedWriteHalf {
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
        ready!(this.inner.stream.poll_shutdown(&mut this.writing, cx))?;
        this.shutdown_on_drop = false;
        Poll::Ready(Ok(()))
    }
}

impl AsRef<UnixStream> for OwnedReadHalf {
    fn as_ref(&self) -> &UnixStream {
        &self.inner
    }
}

impl AsRef<UnixStream> for OwnedWriteHalf {
    fn as_ref(&self) -> &UnixStream {
        &self.inner
    }
}
