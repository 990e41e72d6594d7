//! The TCP listener.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::task::{Context, Poll};

use super::socket::OpenSocket;
use super::stream::TcpStream;
use crate::net::addr::{self, ToSocketAddrs};
use crate::net::descriptor::{self, Descriptor, has_descriptor};
use crate::net::fabric::{Errno, Options};
use crate::net::handle::{self, Handle};
use crate::net::listener::{BACKLOG, Listener};
use crate::net::option_methods::{Accessor, ttl_methods};
use crate::net::socket_labels;

/// A socket that listens for connections, as
/// [`tokio::net::TcpListener`](https://docs.rs/tokio/1/tokio/net/struct.TcpListener.html).
///
/// ```
/// use timeloop::net::{TcpListener, TcpStream};
///
/// timeloop::run(1, || async {
///     let listener = TcpListener::bind("127.0.0.1:8080").await.unwrap();
///     let client = timeloop::spawn(TcpStream::connect("127.0.0.1:8080"));
///     let (stream, peer) = listener.accept().await.unwrap();
///     assert_eq!(client.await.unwrap().unwrap().local_addr().unwrap(), peer);
///     assert_eq!(stream.local_addr().unwrap().port(), 8080);
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
pub struct TcpListener {
    listener: Listener,
    descriptor: Descriptor,
}

impl TcpListener {
    pub(super) fn new(handle: Handle, descriptor: Descriptor) -> Self {
        Self { listener: Listener::new(handle, socket_labels::TCP_STREAM), descriptor }
    }

    /// Listens at the first of the addresses that can be bound. Port 0 means any free port.
    ///
    /// # Errors
    /// Returns `AddrInUse` if another socket listens there, and `AddrNotAvailable` if the address is not one of this
    /// host.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn bind<A: ToSocketAddrs>(addr: A) -> impl Future<Output = io::Result<Self>> {
        let at = Location::caller();
        addr::first_of(addr, move |address| async move {
            handle::announce_bind(address, at).await;
            listen(address, at).map(|handle| Self::new(handle, Descriptor::default()))
        })
    }

    /// Listens at the address of a real listener, which stays open, so that its port is reserved. Its real connections are
    /// never accepted.
    ///
    /// ```
    /// use timeloop::net::{TcpListener, TcpStream};
    ///
    /// timeloop::run(1, || async {
    ///     let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    ///     let address = listener.local_addr().unwrap();
    ///     listener.set_nonblocking(true).unwrap();
    ///     let listener = TcpListener::from_std(listener).unwrap();
    ///     let _client = TcpStream::connect(address).await.unwrap();
    ///     listener.accept().await.unwrap();
    /// })?;
    /// # Ok::<(), timeloop::Failure>(())
    /// ```
    ///
    /// # Errors
    /// As [`bind`](Self::bind). The address has to be one of the simulated host, such as a loopback address.
    ///
    /// # Panics
    /// Outside of a run; in debug builds under Linux, if the real listener blocks, as in tokio.
    #[track_caller]
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<Self> {
        let handle = listen(listener.local_addr()?, Location::caller()).map_err(descriptor::explain_bind)?;
        descriptor::check_nonblocking(&listener);
        let this = Self::new(handle, Descriptor::of(listener));
        Ok(this)
    }

    /// Returns the real listener that this one was [made from](Self::from_std).
    ///
    /// # Errors
    /// `Unsupported` if it was not made from one.
    pub fn into_std(self) -> io::Result<std::net::TcpListener> {
        self.descriptor.into_std()
    }

    /// Accepts a connection and returns it with the client's address.
    ///
    /// # Errors
    /// Returns an error if the listener's host has crashed or its run is over.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: no connection is lost.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.listener.accept(TcpStream::accepted).await
    }

    /// Polls [`accept`](Self::accept). Only the task that polled last is woken.
    ///
    /// # Errors
    /// As [`accept`](Self::accept).
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.listener.poll_accept(cx, TcpStream::accepted)
    }

    /// Returns the local address.
    ///
    /// # Errors
    /// Returns an error if the listener's host has crashed or its run is over.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.with(|listener| listener.local)
    }

    fn options(&self, f: Accessor<'_, Options>) -> io::Result<()> {
        self.listener.with(|listener| f(&mut listener.options))
    }

    ttl_methods!();
}

/// Listens at an address. `at` is the location that reports show.
#[track_caller]
fn listen(address: SocketAddr, at: &'static Location<'static>) -> io::Result<Handle> {
    let socket = OpenSocket::new(address, at);
    socket.with(|socket| socket.reuse.addr = true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl TryFrom<std::net::TcpListener> for TcpListener {
    type Error = io::Error;

    /// As [`from_std`](Self::from_std).
    #[track_caller]
    fn try_from(listener: std::net::TcpListener) -> io::Result<Self> {
        Self::from_std(listener)
    }
}

has_descriptor!(TcpListener, descriptor, |listener| descriptor::real_tcp(
    listener.local_addr().is_ok_and(|address| address.is_ipv4())
));

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpListener").field("addr", &self.local_addr().ok()).finish_non_exhaustive()
    }
}
