//! Halves of a stream within a host that borrow it.
//!
//! Always true: the stream outlives both, and dropping them ends nothing.

use super::SocketAddr;
use super::stream::UnixStream;
use crate::net::face;
use crate::net::operation::Operation;

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

face::read_half!(ReadHalf<'_>, UnixStream, SocketAddr);

face::write_half!(WriteHalf<'_>, UnixStream, SocketAddr, |_| {});
