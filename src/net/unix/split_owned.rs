//! Halves of a stream within a host that share it.
//!
//! Always true: dropping the half that writes ends the stream from here, unless it has been told to forget that; the
//! connection is let go of with the last half.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use super::SocketAddr;
use super::stream::UnixStream;
use crate::net::face;
use crate::net::operation::Operation;

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
    /// Puts the halves together again.
    ///
    /// # Errors
    /// If they are not of one stream: the halves.
    pub fn reunite(self, other: OwnedWriteHalf) -> Result<UnixStream, ReuniteError> {
        reunite(self, other)
    }
}

face::read_half!(OwnedReadHalf, UnixStream, SocketAddr);

impl OwnedWriteHalf {
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
}

face::write_half!(OwnedWriteHalf, UnixStream, SocketAddr, |half| half.shutdown_on_drop = false);

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if self.shutdown_on_drop {
            self.inner.stream.shutdown_now();
        }
    }
}
