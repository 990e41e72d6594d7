//! A TCP socket before it listens or connects.
//!
//! # Invariants
//! A socket that is dropped before it listens or connects releases its port.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::panic::Location;
use std::task::Poll;
use std::time::Duration;

use timeloop_sim::Access;

use super::listener::TcpListener;
use super::stream::TcpStream;
use crate::engine::announce::ResourceId;
use crate::net::driver::Listener;
use crate::net::fabric::{Direction, Errno, Options, WaitSlot};
use crate::net::handle::{self, Handle, announced, network};
use crate::net::option_methods::{option_methods, tcp_option_methods};
use crate::net::socket_labels;
use crate::net::stream::Stream;

/// A TCP socket to configure before it listens or connects, as
/// [`tokio::net::TcpSocket`](https://docs.rs/tokio/1/tokio/net/struct.TcpSocket.html).
///
/// ```
/// use timeloop::net::TcpSocket;
///
/// timeloop::run(1, || async {
///     let socket = TcpSocket::new_v4().unwrap();
///     socket.set_reuseaddr(true).unwrap();
///     socket.bind("127.0.0.1:8080".parse().unwrap()).unwrap();
///     let listener = socket.listen(1024).unwrap();
///     assert_eq!(listener.local_addr().unwrap().port(), 8080);
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
pub struct TcpSocket {
    handle: Handle,
}

impl TcpSocket {
    /// Creates an IPv4 socket.
    ///
    /// # Errors
    /// Never fails within a run.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn new_v4() -> io::Result<Self> {
        Ok(Self::new((Ipv4Addr::UNSPECIFIED, 0).into(), Location::caller()))
    }

    /// Creates an IPv6 socket.
    ///
    /// # Errors
    /// Never fails within a run.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn new_v6() -> io::Result<Self> {
        Ok(Self::new((Ipv6Addr::UNSPECIFIED, 0).into(), Location::caller()))
    }

    /// Creates a socket of the family of `address`. `made` is the location that reports show.
    pub(super) fn for_address(address: SocketAddr, made: &'static Location<'static>) -> Self {
        let any = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        Self::new(any, made)
    }

    fn new(any: SocketAddr, made: &'static Location<'static>) -> Self {
        let resource = ResourceId::made_at(made).socket();
        let (run, key) = handle::open(|fabric, host| fabric.new_listener(host, any, resource));
        Self { handle: Handle { run, key, resource, name: socket_labels::TCP_SOCKET } }
    }

    fn listener<R>(&self, f: impl FnOnce(&mut Listener) -> R) -> io::Result<R> {
        self.handle.with(|fabric, key| fabric.listener(key).map(f).ok_or(Errno::NotConnected))
    }

    fn options<R>(&self, f: impl FnOnce(&mut Options) -> R) -> io::Result<R> {
        self.listener(|listener| f(&mut listener.options))
    }

    /// Sets the size of the send buffer; the minimum is 2,304 bytes. As under Linux, the socket uses twice the size.
    ///
    /// # Errors
    /// As [`set_keepalive`](Self::set_keepalive).
    pub fn set_send_buffer_size(&self, size: u32) -> io::Result<()> {
        self.options(|options| options.send_buffer = size.saturating_mul(2).clamp(4_608, MOST_BUFFER))
    }

    /// Returns the size of the send buffer.
    ///
    /// # Errors
    /// As [`set_keepalive`](Self::set_keepalive).
    pub fn send_buffer_size(&self) -> io::Result<u32> {
        self.options(|options| options.send_buffer)
    }

    /// Sets the size of the receive buffer; the minimum is 1,152 bytes. As under Linux, the socket uses twice the
    /// size.
    ///
    /// # Errors
    /// As [`set_keepalive`](Self::set_keepalive).
    pub fn set_recv_buffer_size(&self, size: u32) -> io::Result<()> {
        self.options(|options| options.recv_buffer = size.saturating_mul(2).clamp(2_304, MOST_BUFFER))
    }

    /// Returns the size of the receive buffer.
    ///
    /// # Errors
    /// As [`set_keepalive`](Self::set_keepalive).
    pub fn recv_buffer_size(&self) -> io::Result<u32> {
        self.options(|options| options.recv_buffer)
    }

    tcp_option_methods!();

    option_methods! {
        /// Sets whether to send keep-alive probes. The option has no effect in the simulation.
        set_keepalive(keepalive: bool), keepalive => options.keepalive;

        /// Sets whether other sockets with this option that do not listen may bind the same address.
        set_reuseaddr(reuseaddr: bool), reuseaddr => listener.reuse.addr;

        /// Sets whether several sockets with this option may listen at one address. The first one gets the
        /// connections.
        #[cfg(unix)]
        set_reuseport(reuseport: bool), reuseport => listener.reuse.port;

        /// Sets the type of service. The option has no effect in the simulation.
        set_tos_v4(tos: u32), tos_v4 => options.tos;

        /// Sets the traffic class. The option has no effect in the simulation.
        #[cfg(any(target_os = "linux", target_os = "android", target_os = "macos", target_os = "freebsd"))]
        set_tclass_v6(tclass: u32), tclass_v6 => options.tos;
    }

    /// Returns the local address; the unspecified address if the socket is unbound.
    ///
    /// # Errors
    /// As [`set_keepalive`](Self::set_keepalive).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener(|listener| listener.local)
    }

    /// Returns `None`: a socket without a connection has no pending error.
    ///
    /// # Errors
    /// As [`set_keepalive`](Self::set_keepalive).
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(None)
    }

    /// Binds the socket to an address of its host. Port 0 means any free port.
    ///
    /// # Errors
    /// Returns `AddrInUse` if another socket has the address, `AddrNotAvailable` if it is not one of this host, and
    /// `InvalidInput` if the socket is already bound.
    pub fn bind(&self, addr: SocketAddr) -> io::Result<()> {
        self.handle.record_change();
        self.handle.with(|fabric, key| fabric.bind_listener(key, addr))
    }

    /// Connects to an address.
    ///
    /// # Errors
    /// As [`TcpStream::connect`].
    #[track_caller]
    pub fn connect(self, addr: SocketAddr) -> impl Future<Output = io::Result<TcpStream>> {
        self.connect_from(addr, Location::caller())
    }

    pub(super) async fn connect_from(
        self,
        addr: SocketAddr,
        at: &'static Location<'static>,
    ) -> io::Result<TcpStream> {
        let connection = Handle { name: socket_labels::TCP_STREAM, ..self.handle };
        announced(connection.action(Access::Send, at), |_| Poll::Ready(())).await;
        let key = connection.with_hosts(|fabric, ctx, socket| {
            let key = fabric.connect(ctx, socket, addr)?;
            // The socket has become a connection.
            fabric.remove_socket(socket);
            Ok(key)
        })?;
        let stream = Stream::new(connection.run, key, connection.resource, connection.name);
        poll_fn(|cx| {
            stream.attempt(cx, Direction::Write, WaitSlot::Poll, |fabric, _, key| fabric.connected(key))
        })
        .await?;
        Ok(TcpStream::new(stream))
    }

    /// Listens for connections. At most `backlog` + 1 connections wait to be accepted, as under Linux.
    ///
    /// # Errors
    /// Returns `AddrInUse` if another socket listens at the address.
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        let listener = Handle { name: socket_labels::TCP_LISTENER, ..self.handle };
        listener.record_change();
        listener.with(|fabric, key| fabric.listen(key, backlog))?;
        std::mem::forget(self);
        Ok(TcpListener::new(listener))
    }
}

/// The maximum buffer size.
const MOST_BUFFER: u32 = 1 << 30;

impl Drop for TcpSocket {
    fn drop(&mut self) {
        network(self.handle.run, |fabric, ctx| fabric.close_listener(ctx, self.handle.key));
    }
}

impl fmt::Debug for TcpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.local_addr().ok();
        f.debug_struct("TcpSocket").field("addr", &local).finish_non_exhaustive()
    }
}
