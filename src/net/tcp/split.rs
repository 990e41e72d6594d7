//! Halves of a stream of TCP that borrow it.
//!
//! Always true: the stream outlives both, and dropping them ends nothing.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use super::stream::TcpStream;
use crate::io::ReadBuf;
use crate::net::fabric::As;
use crate::net::face;
use crate::net::operation::Operation;

/// The half that reads, as [`tokio::net::tcp::ReadHalf`](https://docs.rs/tokio/1/tokio/net/tcp/struct.ReadHalf.html); made
/// by [`TcpStream::split`].
#[derive(Debug)]
pub struct ReadHalf<'a> {
    inner: &'a TcpStream,
    reading: Operation,
}

/// The half that writes, as [`tokio::net::tcp::WriteHalf`](https://docs.rs/tokio/1/tokio/net/tcp/struct.WriteHalf.html);
/// made by [`TcpStream::split`].
#[derive(Debug)]
pub struct WriteHalf<'a> {
    inner: &'a TcpStream,
    writing: Operation,
}

pub(super) fn split(stream: &mut TcpStream) -> (ReadHalf<'_>, WriteHalf<'_>) {
    let inner = &*stream;
    (ReadHalf { inner, reading: Operation::default() }, WriteHalf { inner, writing: Operation::default() })
}

impl ReadHalf<'_> {
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

face::read_half!(ReadHalf<'_>, TcpStream, SocketAddr);

face::write_half!(WriteHalf<'_>, TcpStream, SocketAddr, |_| {});
