//! One end of a TCP connection.
//!
//! # Invariants
//! Dropping a stream closes it; written bytes are still sent. If there are unread bytes, the peer gets a reset.

use std::net::SocketAddr;
use std::panic::Location;
use std::time::Duration;

use super::halves::{self, OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use super::socket::OpenSocket;
use crate::net::addr::{self, ToSocketAddrs};
use crate::net::descriptor::{self, Descriptor, has_descriptor};
use crate::net::fabric::Options;
use crate::net::handle;
use crate::net::option_methods::{Accessor, option_methods, tcp_option_methods, ttl_methods};
use crate::net::stream::Stream;
use crate::net::stream_methods::prelude::*;

/// A connection, as [`tokio::net::TcpStream`](https://docs.rs/tokio/1/tokio/net/struct.TcpStream.html).
///
/// ```
/// use timeloop::io::{AsyncReadExt, AsyncWriteExt};
/// use timeloop::net::{TcpListener, TcpStream};
///
/// timeloop::run(1, || async {
///     let listener = TcpListener::bind("127.0.0.1:8080").await.unwrap();
///     timeloop::spawn(async move {
///         let (mut stream, _) = listener.accept().await.unwrap();
///         let (mut reader, mut writer) = stream.split();
///         timeloop::io::copy(&mut reader, &mut writer).await.unwrap();
///     });
///     let mut stream = TcpStream::connect("127.0.0.1:8080").await.unwrap();
///     stream.write_all(b"echo").await.unwrap();
///     stream.shutdown().await.unwrap();
///     let mut text = String::new();
///     stream.read_to_string(&mut text).await.unwrap();
///     assert_eq!(text, "echo");
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
pub struct TcpStream {
    pub(super) stream: Stream,
    pub(super) reading: Attempt,
    pub(super) writing: Attempt,
    descriptor: Descriptor,
}

impl TcpStream {
    pub(super) fn new(stream: Stream, descriptor: Descriptor) -> Self {
        Self { stream, reading: Attempt::default(), writing: Attempt::default(), descriptor }
    }

    pub(super) fn accepted(stream: Stream, peer: SocketAddr) -> io::Result<(Self, SocketAddr)> {
        Ok((Self::new(stream, Descriptor::default()), peer))
    }

    /// Connects to the first of the addresses that accepts the connection.
    ///
    /// # Errors
    /// Returns `ConnectionRefused` if nobody listens there, `HostUnreachable` after 3 s if no host has the address,
    /// `TimedOut` after 127 s without an answer, and `AddrNotAvailable` if all ports are in use.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn connect<A: ToSocketAddrs>(addr: A) -> impl Future<Output = io::Result<Self>> {
        let at = Location::caller();
        let connected = move |address| OpenSocket::new(address, at).connect(address, at);
        addr::first_of(addr, move |address| {
            let connected = connected(address);
            async move { Ok(Self::new(connected.await?, Descriptor::default())) }
        })
    }

    /// Refuses a real connection: its peer is outside of the simulation. Connect within the run instead.
    ///
    /// # Errors
    /// Always `Unsupported`.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<Self> {
        handle::open(|_, _| ());
        drop(stream);
        Err(descriptor::connected_elsewhere())
    }

    /// Refuses to make a real connection of a simulated one.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        self.descriptor.into_std()
    }

    fn options(&self, f: Accessor<'_, Options>) -> io::Result<()> {
        self.stream
            .with(|fabric, _, key| fabric.end(key).map(|end| f(&mut end.options)).ok_or(Errno::NotConnected))
    }

    /// Returns the local address.
    ///
    /// # Errors
    /// Returns an error if the stream's host has crashed or its run is over.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.with(|fabric, _, key| fabric.end(key).map(|end| end.local).ok_or(Errno::NotConnected))
    }

    /// Returns the remote address.
    ///
    /// # Errors
    /// Returns `NotConnected` if the connection has failed.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.with(|fabric, _, key| {
            fabric.end(key).filter(|end| !end.dead).map(|end| end.peer).ok_or(Errno::NotConnected)
        })
    }

    /// Polls [`peek`](Self::peek). Only the task that polled last is woken.
    ///
    /// # Errors
    /// As [`peek`](Self::peek).
    pub fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        self.stream.poll_peek(cx, buf, WaitSlot::Poll)
    }

    /// Reads without removing the bytes, waiting until there is something to read.
    ///
    /// # Errors
    /// As [`try_read`](Self::try_read), except `WouldBlock`.
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.stream.peek(buf).await
    }

    tcp_option_methods!();
    ttl_methods!();

    option_methods! {
        /// Sets `TCP_QUICKACK`. The option has no effect in the simulation.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        set_quickack(quickack: bool), quickack => options.quickack;
    }
}

stream_methods::stream!(TcpStream);

impl TryFrom<std::net::TcpStream> for TcpStream {
    type Error = io::Error;

    /// As [`from_std`](Self::from_std).
    #[track_caller]
    fn try_from(stream: std::net::TcpStream) -> io::Result<Self> {
        Self::from_std(stream)
    }
}

has_descriptor!(TcpStream, descriptor, |stream| descriptor::real_tcp(
    stream.local_addr().is_ok_and(|address| address.is_ipv4())
));

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpStream")
            .field("addr", &self.local_addr().ok())
            .field("peer", &self.peer_addr().ok())
            .finish_non_exhaustive()
    }
}
