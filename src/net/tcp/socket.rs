//! A socket of TCP that has no connection yet.
//!
//! Always true: a socket that is dropped without having become a listener or a stream gives its port back.

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
use crate::engine::waiting::On;
use crate::engine::{self, RunId, context};
use crate::net::fabric::{As, Direction, Errno, Fabric, Key, Listener, Options, Socket, Turn};
use crate::net::operation::{Operation, What, names};
use crate::net::stream::{Stream, network, run_is_over};

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
    run: RunId,
    key: Key,
    resource: ResourceId,
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
        let resource = ResourceId::made_at(made);
        let made = context::with(|engine| {
            let key = engine.network_here(|fabric, _, host| fabric.new_listener(host, any, resource));
            (engine.run_id(), key)
        });
        match made {
            Some((run, key)) => Self { run, key, resource },
            None => engine::outside("open a socket"),
        }
    }

    fn with<R>(&self, f: impl FnOnce(&mut Fabric, &mut Turn<'_>) -> Result<R, Errno>) -> io::Result<R> {
        network(self.run, f).ok_or_else(run_is_over)?.map_err(io::Error::from)
    }

    fn listener<R>(&self, f: impl FnOnce(&mut Listener) -> R) -> io::Result<R> {
        self.with(|fabric, _| fabric.listener(self.key).map(f).ok_or(Errno::NotConnected))
    }

    fn options<R>(&self, f: impl FnOnce(&mut Options) -> R) -> io::Result<R> {
        self.listener(|listener| f(&mut listener.options))
    }

    /// Sets whether the other side is asked from time to time if it is still there. Without effect here.
    ///
    /// # Errors
    /// If the socket's host has crashed, or its run is over. So of all methods that set or get an option.
    pub fn set_keepalive(&self, keepalive: bool) -> io::Result<()> {
        self.options(|options| options.keepalive = keepalive)
    }

    /// What [`set_keepalive`](Self::set_keepalive) has set.
    ///
    /// # Errors
    /// As there.
    pub fn keepalive(&self) -> io::Result<bool> {
        self.options(|options| options.keepalive)
    }

    /// Sets whether the address may be bound while others of its kind that do not listen have it.
    ///
    /// # Errors
    /// As [`set_keepalive`](Self::set_keepalive).
    pub fn set_reuseaddr(&self, reuseaddr: bool) -> io::Result<()> {
        self.listener(|listener| listener.reuse.addr = reuseaddr)
    }

    /// What [`set_reuseaddr`](Self::set_reuseaddr) has set.
    ///
    /// # Errors
    /// As there.
    pub fn reuseaddr(&self) -> io::Result<bool> {
        self.listener(|listener| listener.reuse.addr)
    }

    /// Sets whether several sockets that all have this set may listen at one address. The first one gets the connections.
    ///
    /// # Errors
    /// As [`set_keepalive`](Self::set_keepalive).
    #[cfg(unix)]
    pub fn set_reuseport(&self, reuseport: bool) -> io::Result<()> {
        self.listener(|listener| listener.reuse.port = reuseport)
    }

    /// What [`set_reuseport`](Self::set_reuseport) has set.
    ///
    /// # Errors
    /// As there.
    #[cfg(unix)]
    pub fn reuseport(&self) -> io::Result<bool> {
        self.listener(|listener| listener.reuse.port)
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

    /// Sets what is done with bytes that have not arrived when the stream is dropped: with zero the connection is reset,
    /// otherwise they go on in the background.
    ///
    /// # Errors
    /// As [`set_keepalive`](Self::set_keepalive).
    pub fn set_linger(&self, dur: Option<Duration>) -> io::Result<()> {
        self.options(|options| options.set_linger(dur))
    }

    /// Makes dropping the stream reset the connection.
    ///
    /// # Errors
    /// As [`set_keepalive`](Self::set_keepalive).
    pub fn set_zero_linger(&self) -> io::Result<()> {
        self.set_linger(Some(Duration::ZERO))
    }

    /// What [`set_linger`](Self::set_linger) has set, to the second.
    ///
    /// # Errors
    /// As there.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        self.options(|options| options.linger())
    }

    /// Sets whether small writes leave at once. They always do here.
    ///
    /// # Errors
    /// As [`set_keepalive`](Self::set_keepalive).
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.options(|options| options.nodelay = nodelay)
    }

    /// What [`set_nodelay`](Self::set_nodelay) has set.
    ///
    /// # Errors
    /// As there.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.options(|options| options.nodelay)
    }

    /// Sets the type of service. Without effect here.
    ///
    /// # Errors
    /// As [`set_keepalive`](Self::set_keepalive).
    pub fn set_tos_v4(&self, tos: u32) -> io::Result<()> {
        self.options(|options| options.tos = tos)
    }

    /// What [`set_tos_v4`](Self::set_tos_v4) has set.
    ///
    /// # Errors
    /// As there.
    pub fn tos_v4(&self) -> io::Result<u32> {
        self.options(|options| options.tos)
    }

    /// Sets the traffic class. Without effect here.
    ///
    /// # Errors
    /// As [`set_keepalive`](Self::set_keepalive).
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "macos", target_os = "freebsd"))]
    pub fn set_tclass_v6(&self, tclass: u32) -> io::Result<()> {
        self.options(|options| options.tos = tclass)
    }

    /// What [`set_tclass_v6`](Self::set_tclass_v6) has set.
    ///
    /// # Errors
    /// As there.
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "macos", target_os = "freebsd"))]
    pub fn tclass_v6(&self) -> io::Result<u32> {
        self.options(|options| options.tos)
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
        self.resource.touch(names::TCP_SOCKET, Access::Write, None);
        self.with(|fabric, _| fabric.bind_listener(self.key, addr))
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
        let what = What { id: &self.resource, name: names::TCP_STREAM, access: Access::Send, at };
        let mut operation = Operation::default();
        poll_fn(|cx| operation.poll(cx, what, |_| Poll::Ready(()))).await;
        let asked = engine::of_run(self.run, |engine| {
            engine.network_here(|fabric, turn, _| {
                let key = fabric.connect(turn, self.key, addr)?;
                // It has become the connection.
                fabric.use_up(self.key);
                Ok::<_, Errno>(key)
            })
        });
        let key = asked.ok_or_else(run_is_over)??;
        let stream = Stream::new(self.run, key, self.resource, names::TCP_STREAM);
        let (run, resource) = (self.run, self.resource);
        poll_fn(|cx| {
            let connected = network(run, |fabric, _| fabric.connected(key));
            match connected {
                None => Poll::Ready(Err(run_is_over())),
                Some(Ok(())) => Poll::Ready(Ok(())),
                Some(Err(Errno::WouldBlock)) => {
                    engine::of_run(run, |engine| {
                        let who = engine.waits(cx.waker(), || {
                            On::Socket(Socket::Stream(key, Direction::Write), resource.made())
                        });
                        let direction = Direction::Write;
                        engine.network(|fabric, turn| fabric.wait(turn, key, direction, who, As::Poller));
                    });
                    Poll::Pending
                }
                Some(Err(errno)) => Poll::Ready(Err(errno.into())),
            }
        })
        .await?;
        Ok(TcpStream::new(stream))
    }

    /// Listens, with room for so many connections that nobody has accepted yet.
    ///
    /// # Errors
    /// `AddrInUse` if another socket listens at the address.
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        self.resource.touch(names::TCP_LISTENER, Access::Write, None);
        self.with(|fabric, _| fabric.listen(self.key, backlog))?;
        let listener = TcpListener::new(self.run, self.key, self.resource);
        std::mem::forget(self);
        Ok(listener)
    }
}

/// Larger buffers are not given.
const MOST_BUFFER: u32 = 1 << 30;

impl Drop for TcpSocket {
    fn drop(&mut self) {
        network(self.run, |fabric, turn| fabric.close_listener(turn, self.key));
    }
}

impl fmt::Debug for TcpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.local_addr().ok();
        f.debug_struct("TcpSocket").field("addr", &local).finish_non_exhaustive()
    }
}
