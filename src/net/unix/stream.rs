//! A stream within a host, as one side has it.
//!
//! Always true: dropping it ends the stream from here; if there was something that nobody has read, the other side gets
//! a reset.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::split::{self, ReadHalf, WriteHalf};
use super::split_owned::{self, OwnedReadHalf, OwnedWriteHalf};
use super::{SocketAddr, UCred};
use crate::engine::announce::ResourceId;
use crate::engine::{self, context};
use crate::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use crate::net::fabric::{As, EndKey, Errno, Name};
use crate::net::operation::Operation;
use crate::net::stream::Stream;

/// What reports call it.
pub(super) const NAME: &str = "unix stream";

/// A stream within a host, as [`tokio::net::UnixStream`](https://docs.rs/tokio/1/tokio/net/struct.UnixStream.html).
///
/// Its path is a name on the simulated host and no file: it is free again once its socket is closed.
///
/// ```
/// use timeloop::io::{AsyncReadExt, AsyncWriteExt};
/// use timeloop::net::UnixStream;
///
/// timeloop::run(1, || async {
///     let (mut one, mut other) = UnixStream::pair().unwrap();
///     one.write_all(b"hello").await.unwrap();
///     drop(one);
///     let mut text = String::new();
///     other.read_to_string(&mut text).await.unwrap();
///     assert_eq!(text, "hello");
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
pub struct UnixStream {
    pub(super) stream: Stream,
    pub(super) reading: Operation,
    pub(super) writing: Operation,
}

impl UnixStream {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, reading: Operation::default(), writing: Operation::default() }
    }

    /// Connects to the socket that listens at a path.
    ///
    /// # Errors
    /// `NotFound` if nobody ever did, `ConnectionRefused` if nobody does any more.
    ///
    /// # Panics
    /// Outside of a run.
    pub async fn connect<P: AsRef<Path>>(path: P) -> io::Result<Self> {
        Self::connect_name(&super::stream_name(path.as_ref())?, Name::Unnamed)
    }

    /// Connects to the socket that listens at an address.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_addr(socket_addr: &SocketAddr) -> io::Result<Self> {
        Self::connect_name(&socket_addr.0, Name::Unnamed)
    }

    pub(super) fn connect_name(name: &Name, own: Name) -> io::Result<Self> {
        let resource = ResourceId::new();
        let made = context::with(|engine| {
            let made = engine.network_here(|fabric, _, host| fabric.connect_unix(host, name, own, resource));
            made.map(|key| Self::new(Stream::new(engine.run_id(), key, resource, NAME)))
        });
        made.unwrap_or_else(|| engine::outside("open a socket")).map_err(io::Error::from)
    }

    /// Two ends that are connected to each other.
    ///
    /// # Errors
    /// None in a run.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn pair() -> io::Result<(Self, Self)> {
        let resource = ResourceId::new();
        let made = context::with(|engine| {
            let names = [Name::Unnamed, Name::Unnamed];
            let connection = engine.network_here(|fabric, _, host| fabric.pair_unix(host, names, resource));
            [0, 1].map(|side| {
                Self::new(Stream::new(engine.run_id(), EndKey { connection, side }, resource, NAME))
            })
        });
        let [one, other] = made.unwrap_or_else(|| engine::outside("open a socket"));
        Ok((one, other))
    }

    fn names(&self) -> io::Result<[Name; 2]> {
        self.stream.with(|fabric, _, key| fabric.names_unix(key).ok_or(Errno::NotConnected))
    }

    /// What this side is bound to.
    ///
    /// # Errors
    /// If the stream's host has crashed, or its run is over.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.names().map(|[own, _]| SocketAddr(own))
    }

    /// What the other side is bound to.
    ///
    /// # Errors
    /// As [`local_addr`](Self::local_addr).
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.names().map(|[_, peer]| SocketAddr(peer))
    }

    /// Who is on the other side: a user and a group of the simulated host, both 0.
    ///
    /// # Errors
    /// As [`local_addr`](Self::local_addr).
    pub fn peer_cred(&self) -> io::Result<UCred> {
        self.names().map(|_| UCred::new())
    }

    /// The error that has come up since this was asked last.
    ///
    /// # Errors
    /// As [`local_addr`](Self::local_addr).
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.stream.take_error()
    }

    /// Waits until one of these things may be done, and says which.
    ///
    /// # Errors
    /// If the stream's run is over.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost with it.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        self.stream.ready(interest).await
    }

    /// Waits until there is something to read, or never will be again.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub async fn readable(&self) -> io::Result<()> {
        self.stream.ready(Interest::READABLE).await.map(drop)
    }

    /// [`readable`](Self::readable) as a poll; whoever polls last is woken.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_ready(cx, Interest::READABLE, As::Poller).map_ok(drop)
    }

    /// Reads what is there.
    ///
    /// # Errors
    /// `WouldBlock` if that is nothing; `ConnectionReset` and `TimedOut` when the connection has ended so.
    #[track_caller]
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.stream.try_read(buf)
    }

    /// [`try_read`](Self::try_read) into several buffers, one after the other.
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.stream.try_read_vectored(bufs)
    }

    /// [`try_read`](Self::try_read) into a buffer that keeps count itself.
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn try_read_buf<B: bytes::BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        self.stream.try_read_buf(buf)
    }

    /// Waits until there is room to write, or never will be again.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub async fn writable(&self) -> io::Result<()> {
        self.stream.ready(Interest::WRITABLE).await.map(drop)
    }

    /// [`writable`](Self::writable) as a poll; whoever polls last is woken.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_ready(cx, Interest::WRITABLE, As::Poller).map_ok(drop)
    }

    /// Writes as much as there is room for.
    ///
    /// # Errors
    /// `WouldBlock` if there is none; `BrokenPipe` if nothing can be written any more; `ConnectionReset` and `TimedOut` when
    /// the connection has ended so.
    #[track_caller]
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.stream.try_write(buf)
    }

    /// [`try_write`](Self::try_write) from several buffers, one after the other.
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.stream.try_write_vectored(bufs)
    }

    /// Calls `f` if the stream is ready for what it does.
    ///
    /// # Errors
    /// `WouldBlock` if it is not; what `f` gives.
    #[track_caller]
    pub fn try_io<R>(&self, interest: Interest, f: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.stream.try_io(interest, f)
    }

    /// Calls `f` when the stream is ready for what it does, again and again while it says `WouldBlock`.
    ///
    /// # Errors
    /// What `f` gives.
    pub async fn async_io<R>(&self, interest: Interest, f: impl FnMut() -> io::Result<R>) -> io::Result<R> {
        self.stream.async_io(interest, f).await
    }

    /// Halves that borrow the stream, one to read and one to write.
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        split::split(self)
    }

    /// Halves that share the stream. Dropping the one that writes ends the stream from here.
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        split_owned::split_owned(self)
    }
}

impl AsyncRead for UnixStream {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.stream.poll_read(&mut this.reading, cx, buf)
    }
}

impl AsyncWrite for UnixStream {
    #[inline]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.stream.poll_write(&mut this.writing, cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.stream.poll_write_vectored(&mut this.writing, cx, bufs)
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
        this.stream.poll_shutdown(&mut this.writing, cx)
    }
}

impl AsRef<Self> for UnixStream {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl fmt::Debug for UnixStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixStream").field("addr", &self.local_addr().ok()).finish_non_exhaustive()
    }
}
