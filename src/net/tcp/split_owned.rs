//! Halves of a stream of TCP that share it.
//!
//! Always true: dropping the half that writes ends the stream from here, unless it has been told to forget that; the
//! connection is let go of with the last half.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::stream::TcpStream;
use crate::io::ReadBuf;
use crate::net::fabric::As;
use crate::net::face;
use crate::net::operation::Operation;

/// The half that reads, as
/// [`tokio::net::tcp::OwnedReadHalf`](https://docs.rs/tokio/1/tokio/net/tcp/struct.OwnedReadHalf.html); made by
/// [`TcpStream::into_split`].
#[derive(Debug)]
pub struct OwnedReadHalf {
    inner: Arc<TcpStream>,
    reading: Operation,
}

/// The half that writes, as
/// [`tokio::net::tcp::OwnedWriteHalf`](https://docs.rs/tokio/1/tokio/net/tcp/struct.OwnedWriteHalf.html); made by
/// [`TcpStream::into_split`].
#[derive(Debug)]
pub struct OwnedWriteHalf {
    inner: Arc<TcpStream>,
    writing: Operation,
    shutdown_on_drop: bool,
}

pub(super) fn split_owned(stream: TcpStream) -> (OwnedReadHalf, OwnedWriteHalf) {
    let inner = Arc::new(stream);
    let read = OwnedReadHalf { inner: Arc::clone(&inner), reading: Operation::default() };
    (read, OwnedWriteHalf { inner, writing: Operation::default(), shutdown_on_drop: true })
}

fn reunite(read: OwnedReadHalf, write: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
    if Arc::ptr_eq(&read.inner, &write.inner) {
        write.forget();
        // The other half is gone, so this is the last one.
        Ok(Arc::into_inner(read.inner).expect("halves are two"))
    } else {
        Err(ReuniteError(read, write))
    }
}

/// Two halves that are not of one stream, as
/// [`tokio::net::tcp::ReuniteError`](https://docs.rs/tokio/1/tokio/net/tcp/struct.ReuniteError.html).
#[derive(Debug)]
pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

impl fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tried to reunite halves that are not from the same socket")
    }
}

impl Error for ReuniteError {}

impl OwnedReadHalf {
    /// Puts the halves together again.
    ///
    /// # Errors
    /// If they are not of one stream: the halves.
    pub fn reunite(self, other: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
        reunite(self, other)
    }

    /// Reads what [`peek`](Self::peek) reads; whoever polls last is woken.
    ///
    /// # Errors
    /// As there.
    pub fn poll_peek(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        self.inner.stream.poll_peek(cx, buf, As::Poller)
    }

    /// Reads what is there, or comes first, and leaves it there.
    ///
    /// # Errors
    /// As [`TcpStream::peek`].
    pub async fn peek(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner.stream.peek(buf).await
    }
}

face::read_half!(OwnedReadHalf, TcpStream, SocketAddr);

impl OwnedWriteHalf {
    /// Puts the halves together again.
    ///
    /// # Errors
    /// If they are not of one stream: the halves.
    pub fn reunite(self, other: OwnedReadHalf) -> Result<TcpStream, ReuniteError> {
        reunite(other, self)
    }

    /// Drops this half without ending the stream.
    pub fn forget(mut self) {
        self.shutdown_on_drop = false;
    }
}

face::write_half!(OwnedWriteHalf, TcpStream, SocketAddr, |half| half.shutdown_on_drop = false);

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if self.shutdown_on_drop {
            self.inner.stream.shutdown_now();
        }
    }
}
