//! The TCP listener.

use std::fmt;
use std::future::ready;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::task::{Context, Poll};

use super::socket::TcpSocket;
use super::stream::TcpStream;
use crate::net::addr::{self, ToSocketAddrs};
use crate::net::fabric::{Errno, Options};
use crate::net::handle::Handle;
use crate::net::listener::{BACKLOG, Listener};
use crate::net::option_methods::ttl_methods;
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
}

impl TcpListener {
    pub(super) fn new(handle: Handle) -> Self {
        Self { listener: Listener::new(handle, socket_labels::TCP_STREAM) }
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
        addr::first_of(addr, move |address| {
            let socket = TcpSocket::for_address(address, at);
            let bound = socket.set_reuseaddr(true).and_then(|()| socket.bind(address));
            ready(bound.and_then(|()| socket.listen(BACKLOG)))
        })
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

    fn options<R>(&self, f: impl FnOnce(&mut Options) -> R) -> io::Result<R> {
        self.listener.with(|listener| f(&mut listener.options))
    }

    ttl_methods!();
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpListener").field("addr", &self.local_addr().ok()).finish_non_exhaustive()
    }
}
