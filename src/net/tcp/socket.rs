//! A socket of TCP that has no connection yet.
//!
//! # Invariants
//! A socket that is dropped without having become a listener or a stream gives its port back.

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
use crate::net::fabric::{As, Direction, Errno, Options};
use crate::net::handle::{self, Handle, announced, network};
use crate::net::names;
use crate::net::option_methods::{option_methods, tcp_option_methods};
use crate::net::stream::Stream;

/// A socket of TCP to be set up before it listens or connects, as
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
    /// A socket for addresses of IPv4.
    ///
    /// # Errors
    /// None in a run.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn new_v4() -> io::Result<Self> {
        Ok(Self::new((Ipv4Addr::UNSPECIFIED, 0).into(), Location::caller()))
    }

    /// A socket for addresses of IPv6.
    ///
    /// # Errors
    /// None in a run.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn new_v6() -> io::Result<Self> {
        Ok(Self::new((Ipv6Addr::UNSPECIFIED, 0).into(), Location::caller()))
    }

    /// One for addresses of this kind, on behalf of the code at `made`.
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
        Self { handle: Handle { run, key, resource, name: names::TCP_SOCKET } }
    }

    fn listener<R>(&self, f: impl FnOnce(&mut Listener) -> R) -> io::Result<R> {
        self.handle.with(|fabric, key| fabric.listener(key).map(f).ok_or(Errno::NotConnected))
    }

    fn options<R>(&self, f: impl FnOnce(&mut Options) -> R) -> io::Result<R> {
        self.listener(|listener| f(&mut listener.options))
    }

    /// Sets how many bytes there is room for on the side that writes; 2,304 at least. As under Linux the system takes
    /// twice as many.
    ///
    /// # Errors
    /// As [`set_keepalive`](Self::set_keepalive).
    pub fn set_send_buffer_size(&self, size: u32) -> io::Result<()> {
        self.options(|options| options.send_buffer = size.saturating_mul(2).clamp(4_608, MOST_BUFFER))
    }

    /// How many bytes there is room for on the side that writes.
    ///
    /// # Errors
    /// As [`set_keepalive`](Self::set_keepalive).
    pub fn send_buffer_size(&self) -> io::Result<u32> {
        self.options(|options| options.send_buffer)
    }

    /// Sets how many bytes there is room for on the side that reads; 1,152 at least. As under Linux the system takes
    /// twice as many.
    ///
    /// # Errors
    /// As [`set_keepalive`](Self::set_keepalive).
    pub fn set_recv_buffer_size(&self, size: u32) -> io::Result<()> {
        self.options(|options| options.recv_buffer = size.saturating_mul(2).clamp(2_304, MOST_BUFFER))
    }

    /// How many bytes there is room for on the side that reads.
    ///
    /// # Errors
    /// As [`set_keepalive`](Self::set_keepalive).
    pub fn recv_buffer_size(&self) -> io::Result<u32> {
        self.options(|options| options.recv_buffer)
    }

    tcp_option_methods!();

    option_methods! {
        /// Sets whether the other side is asked from time to time if it is still there. Without effect here.
        set_keepalive(keepalive: bool), keepalive => options.keepalive;

        /// Sets whether the address may be bound while others of its kind that do not listen have it.
        set_reuseaddr(reuseaddr: bool), reuseaddr => listener.reuse.addr;

        /// Sets whether several sockets that all have this set may listen at one address. The first one gets the
        /// connections.
        #[cfg(unix)]
        set_reuseport(reuseport: bool), reuseport => listener.reuse.port;

        /// Sets the type of service. Without effect here.
        set_tos_v4(tos: u32), tos_v4 => options.tos;

        /// Sets the traffic class. Without effect here.
        #[cfg(any(target_os = "linux", target_os = "android", target_os = "macos", target_os = "freebsd"))]
        set_tclass_v6(tclass: u32), tclass_v6 => options.tos;
    }

    /// The address that the socket is bound to; all zeroes where it is not.
    ///
    /// # Errors
    /// As [`set_keepalive`](Self::set_keepalive).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener(|listener| listener.local)
    }

    /// The error that has come up since this was asked last: none, before there is a connection.
    ///
    /// # Errors
    /// As [`set_keepalive`](Self::set_keepalive).
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(None)
    }

    /// Binds the socket to an address of its host; port 0 is any free one.
    ///
    /// # Errors
    /// `AddrInUse` if somebody has it, `AddrNotAvailable` if it is not an address of this host, `InvalidInput` if the
    /// socket is bound already.
    pub fn bind(&self, addr: SocketAddr) -> io::Result<()> {
        self.handle.changes();
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
        let connection = Handle { name: names::TCP_STREAM, ..self.handle };
        announced(connection.action(Access::Send, at), |_| Poll::Ready(())).await;
        let key = connection.with_hosts(|fabric, turn, socket| {
            let key = fabric.connect(turn, socket, addr)?;
            // It has become the connection.
            fabric.use_up(socket);
            Ok(key)
        })?;
        let stream = Stream::new(connection.run, key, connection.resource, connection.name);
        poll_fn(|cx| {
            stream.attempt(cx, Direction::Write, As::Poller, |fabric, _, key| fabric.connected(key))
        })
        .await?;
        Ok(TcpStream::new(stream))
    }

    /// Listens, with room for so many connections that nobody has accepted yet.
    ///
    /// # Errors
    /// `AddrInUse` if another socket listens at the address.
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        let listener = Handle { name: names::TCP_LISTENER, ..self.handle };
        listener.changes();
        listener.with(|fabric, key| fabric.listen(key, backlog))?;
        std::mem::forget(self);
        Ok(TcpListener::new(listener))
    }
}

/// Larger buffers are not given.
const MOST_BUFFER: u32 = 1 << 30;

impl Drop for TcpSocket {
    fn drop(&mut self) {
        network(self.handle.run, |fabric, turn| fabric.close_listener(turn, self.handle.key));
    }
}

impl fmt::Debug for TcpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.local_addr().ok();
        f.debug_struct("TcpSocket").field("addr", &local).finish_non_exhaustive()
    }
}
