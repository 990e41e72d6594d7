//! A connection of TCP, as one side has it.
//!
//! Always true: dropping it ends the stream from here, in the background; if there was something that nobody has read, the
//! other side gets a reset.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::task::{Context, Poll};
use std::time::Duration;

use super::socket::TcpSocket;
use super::split::{self, ReadHalf, WriteHalf};
use super::split_owned::{self, OwnedReadHalf, OwnedWriteHalf};
use crate::io::ReadBuf;
use crate::net::addr::{self, ToSocketAddrs};
use crate::net::fabric::{As, Errno, Options};
use crate::net::face;
use crate::net::operation::Operation;
use crate::net::stream::Stream;

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
    pub(super) reading: Operation,
    pub(super) writing: Operation,
}

impl TcpStream {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, reading: Operation::default(), writing: Operation::default() }
    }

    /// Connects to the first of the addresses that can be reached.
    ///
    /// # Errors
    /// `ConnectionRefused` if nobody listens there, `HostUnreachable` after 3 s if no host has the address, `TimedOut` after
    /// 127 s if nothing comes back, `AddrNotAvailable` if all ports are taken.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn connect<A: ToSocketAddrs>(addr: A) -> impl Future<Output = io::Result<Self>> {
        let at = Location::caller();
        async move {
            let mut last = None;
            for address in addr::to_socket_addrs(addr).await? {
                let socket = TcpSocket::for_address(address, at);
                match socket.connect_from(address, at).await {
                    Ok(stream) => return Ok(stream),
                    Err(error) => last = Some(error),
                }
            }
            Err(addr::none_of(last))
        }
    }

    fn options<R>(&self, f: impl FnOnce(&mut Options) -> R) -> io::Result<R> {
        self.stream
            .with(|fabric, _, key| fabric.end(key).map(|end| f(&mut end.options)).ok_or(Errno::NotConnected))
    }

    /// The address of this side.
    ///
    /// # Errors
    /// If the stream's host has crashed, or its run is over.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.with(|fabric, _, key| fabric.end(key).map(|end| end.local).ok_or(Errno::NotConnected))
    }

    /// The address of the other side.
    ///
    /// # Errors
    /// `NotConnected` if the connection is over.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.with(|fabric, _, key| {
            fabric.end(key).filter(|end| !end.dead).map(|end| end.peer).ok_or(Errno::NotConnected)
        })
    }

    /// The error that has come up since this was asked last.
    ///
    /// # Errors
    /// As [`local_addr`](Self::local_addr).
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.stream.take_error()
    }

    /// Reads what [`peek`](Self::peek) reads; whoever polls last is woken.
    ///
    /// # Errors
    /// As there.
    pub fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        self.stream.poll_peek(cx, buf, As::Poller)
    }

    face::stream_methods!();

    /// Reads what is there, or comes first, and leaves it there.
    ///
    /// # Errors
    /// As [`try_read`](Self::try_read), but that it waits.
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.stream.peek(buf).await
    }

    /// Whether small writes leave at once, as set: they always do here.
    ///
    /// # Errors
    /// If the stream's host has crashed, or its run is over. So of all methods that set or get an option.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.options(|options| options.nodelay)
    }

    /// Sets whether small writes leave at once. They always do here.
    ///
    /// # Errors
    /// As [`nodelay`](Self::nodelay).
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.options(|options| options.nodelay = nodelay)
    }

    /// Whether what comes is acknowledged at once, as set.
    ///
    /// # Errors
    /// As [`nodelay`](Self::nodelay).
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn quickack(&self) -> io::Result<bool> {
        self.options(|options| options.quickack)
    }

    /// Sets whether what comes is acknowledged at once. Without effect here.
    ///
    /// # Errors
    /// As [`nodelay`](Self::nodelay).
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn set_quickack(&self, quickack: bool) -> io::Result<()> {
        self.options(|options| options.quickack = quickack)
    }

    /// What [`set_linger`](Self::set_linger) has set, to the second.
    ///
    /// # Errors
    /// As [`nodelay`](Self::nodelay).
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        self.options(|options| options.linger())
    }

    /// Sets what is done with bytes that have not arrived when the stream is dropped: with zero the connection is reset,
    /// otherwise they go on in the background.
    ///
    /// # Errors
    /// As [`nodelay`](Self::nodelay).
    pub fn set_linger(&self, dur: Option<Duration>) -> io::Result<()> {
        self.options(|options| options.set_linger(dur))
    }

    /// Makes dropping the stream reset the connection.
    ///
    /// # Errors
    /// As [`nodelay`](Self::nodelay).
    pub fn set_zero_linger(&self) -> io::Result<()> {
        self.set_linger(Some(Duration::ZERO))
    }

    /// How many hosts packets pass at most. Without meaning here.
    ///
    /// # Errors
    /// As [`nodelay`](Self::nodelay).
    pub fn ttl(&self) -> io::Result<u32> {
        self.options(|options| options.ttl)
    }

    /// Sets how many hosts packets pass at most, 1 to 255. Without effect here.
    ///
    /// # Errors
    /// As [`nodelay`](Self::nodelay); `InvalidInput` where it is not in that range.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        if !(1..=255).contains(&ttl) {
            return Err(Errno::InvalidInput.into());
        }
        self.options(|options| options.ttl = ttl)
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

face::reads!(TcpStream, stream);
face::writes!(TcpStream, stream, |_| {});

impl AsRef<Self> for TcpStream {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpStream")
            .field("addr", &self.local_addr().ok())
            .field("peer", &self.peer_addr().ok())
            .finish_non_exhaustive()
    }
}
