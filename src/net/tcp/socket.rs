//! A TCP socket before it listens or connects.
//!
//! [`OpenSocket`] is a socket of a run. A [`TcpSocket`] that is created outside of a run holds only its settings, until its first
//! use in a run.
//!
//! # Invariants
//! A socket that is dropped before it listens or connects releases its port.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::panic::Location;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Poll;
use std::time::Duration;

use timeloop_sim::{Access, ResourceKind};

use super::listener::TcpListener;
use super::stream::TcpStream;
use crate::engine::announce::ResourceId;
use crate::engine::context;
use crate::net::descriptor::{self, Descriptor, has_descriptor};
use crate::net::driver::Listener;
use crate::net::fabric::{Direction, Errno, Options, Reuse, WaitSlot};
use crate::net::handle::{self, Handle, announced, network};
use crate::net::option_methods::{Accessor, device_methods, option_methods, tcp_option_methods};
use crate::net::socket_labels;
use crate::net::stream::Stream;

/// A TCP socket of a run that neither listens nor is connected.
#[derive(Debug)]
pub(super) struct OpenSocket {
    handle: Handle,
}

impl OpenSocket {
    /// Opens a socket of the family of `address`. `made` is the location that reports show.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub(super) fn new(address: SocketAddr, made: &'static Location<'static>) -> Self {
        let resource = ResourceId::made_at(made).socket();
        let (run, key) =
            handle::open(|fabric, host| fabric.new_listener(host, unspecified(address.is_ipv4()), resource));
        Self { handle: Handle { run, key, resource, name: socket_labels::TCP_SOCKET } }
    }

    /// Calls `f` with the socket's state.
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut Listener) -> R) -> io::Result<R> {
        self.handle.with(|fabric, key| fabric.listener(key).map(f).ok_or(Errno::NotConnected))
    }

    pub(super) fn bind(&self, address: SocketAddr) -> io::Result<()> {
        self.handle.record_change();
        self.handle.with(|fabric, key| fabric.bind_listener(key, address))
    }

    pub(super) async fn connect(
        self,
        address: SocketAddr,
        at: &'static Location<'static>,
    ) -> io::Result<Stream> {
        let connection = Handle { name: socket_labels::TCP_STREAM, ..self.handle };
        announced(connection.action(Access::Send, at), |_| Poll::Ready(())).await;
        handle::touch_address(address, at);
        let key = connection.with_hosts(|fabric, ctx, socket| {
            let key = fabric.connect(ctx, socket, address)?;
            // The socket has become a connection.
            fabric.remove_socket(socket);
            Ok(key)
        })?;
        let stream = Stream::new(connection.run, key, connection.resource, connection.name);
        poll_fn(|cx| {
            stream.attempt(cx, Direction::Write, WaitSlot::Poll, |fabric, _, key| fabric.connected(key))
        })
        .await?;
        Ok(stream)
    }

    pub(super) fn listen(self, backlog: u32) -> io::Result<Handle> {
        let listener = Handle { name: socket_labels::TCP_LISTENER, ..self.handle };
        listener.resource.of_kind(ResourceKind::Listener);
        listener.record_change();
        listener.with(|fabric, key| fabric.listen(key, backlog))?;
        std::mem::forget(self);
        Ok(listener)
    }
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        network(self.handle.run, |fabric, ctx| fabric.close_listener(ctx, self.handle.key));
    }
}

/// Returns the unspecified address of a family.
fn unspecified(is_ipv4: bool) -> SocketAddr {
    if is_ipv4 { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() }
}

/// The settings of a socket that no run has opened.
#[derive(Debug, Default)]
struct Settings {
    options: Options,
    reuse: Reuse,
    device: Option<Box<[u8]>>,
    /// Where a real socket is bound that this one was made from.
    bound: Option<SocketAddr>,
    /// Whether that socket is connected.
    is_connected: bool,
}

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
    open: OnceLock<OpenSocket>,
    settings: Mutex<Settings>,
    is_ipv4: bool,
    made: &'static Location<'static>,
    descriptor: Descriptor,
}

impl TcpSocket {
    /// Creates an IPv4 socket. Outside of a run, options can be set, as in tokio, and the socket joins the run in which it is
    /// bound, listens or connects.
    ///
    /// # Errors
    /// Never fails.
    #[track_caller]
    pub fn new_v4() -> io::Result<Self> {
        Ok(Self::new(true, Location::caller()))
    }

    /// Creates an IPv6 socket; see [`new_v4`](Self::new_v4).
    ///
    /// # Errors
    /// Never fails.
    #[track_caller]
    pub fn new_v6() -> io::Result<Self> {
        Ok(Self::new(false, Location::caller()))
    }

    /// Creates a socket from a real one, usually made by the crate `socket2` for its options. The simulated socket takes over its
    /// local address and the options that std can read, and keeps it open.
    ///
    /// A socket that is already connected can't connect or listen: its peer is outside of the simulation.
    #[track_caller]
    #[must_use]
    pub fn from_std_stream(std_stream: std::net::TcpStream) -> Self {
        let local = std_stream.local_addr().unwrap_or(unspecified(true));
        let mut socket = Self { made: Location::caller(), ..Self::unopened(local.is_ipv4()) };
        let settings = socket.settings.get_mut().unwrap_or_else(PoisonError::into_inner);
        settings.options.nodelay = std_stream.nodelay().unwrap_or_default();
        settings.options.ttl = std_stream.ttl().unwrap_or(settings.options.ttl);
        settings.bound = (local.port() != 0).then_some(local);
        settings.is_connected = std_stream.peer_addr().is_ok();
        socket.descriptor = Descriptor::of(std_stream);
        socket
    }

    #[track_caller]
    fn new(is_ipv4: bool, made: &'static Location<'static>) -> Self {
        let socket = Self { made, ..Self::unopened(is_ipv4) };
        if context::with(|_| ()).is_some() {
            let _ = socket.open.set(OpenSocket::new(unspecified(is_ipv4), made));
        }
        socket
    }

    #[track_caller]
    fn unopened(is_ipv4: bool) -> Self {
        let (open, settings, descriptor) = Default::default();
        Self { open, settings, is_ipv4, made: Location::caller(), descriptor }
    }

    /// Returns the settings, which count until the socket is opened.
    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the socket in the current run, unless it is open.
    ///
    /// # Errors
    /// If it was made from a real socket that is connected, or that is bound to an address that can't be bound here.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    fn open(&self) -> io::Result<&OpenSocket> {
        if let Some(open) = self.open.get() {
            return Ok(open);
        }
        let Settings { options, reuse, device, bound, is_connected } = std::mem::take(&mut *self.settings());
        if is_connected {
            return Err(descriptor::connected_elsewhere());
        }
        let open = OpenSocket::new(unspecified(self.is_ipv4), self.made);
        open.with(|socket| (socket.options, socket.reuse, socket.device) = (options, reuse, device))?;
        if let Some(bound) = bound {
            open.bind(bound).map_err(descriptor::explain_bind)?;
        }
        Ok(self.open.get_or_init(|| open))
    }

    fn options(&self, f: Accessor<'_, Options>) -> io::Result<()> {
        match self.open.get() {
            Some(open) => open.with(|socket| f(&mut socket.options)),
            None => {
                f(&mut self.settings().options);
                Ok(())
            }
        }
    }

    fn reuse(&self, f: Accessor<'_, Reuse>) -> io::Result<()> {
        match self.open.get() {
            Some(open) => open.with(|socket| f(&mut socket.reuse)),
            None => {
                f(&mut self.settings().reuse);
                Ok(())
            }
        }
    }

    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    fn device_name(&self, f: Accessor<'_, Option<Box<[u8]>>>) -> io::Result<()> {
        match self.open.get() {
            Some(open) => open.with(|socket| f(&mut socket.device)),
            None => {
                f(&mut self.settings().device);
                Ok(())
            }
        }
    }

    device_methods!();

    /// Sets the size of the send buffer; the minimum is 2,304 bytes. As under Linux, the socket uses twice the size.
    ///
    /// # Errors
    /// As [`set_keepalive`](Self::set_keepalive).
    pub fn set_send_buffer_size(&self, size: u32) -> io::Result<()> {
        self.options(&mut |options| options.send_buffer = size.saturating_mul(2).clamp(4_608, MOST_BUFFER))
    }

    /// Returns the size of the send buffer.
    ///
    /// # Errors
    /// As [`set_keepalive`](Self::set_keepalive).
    pub fn send_buffer_size(&self) -> io::Result<u32> {
        let mut size = 0;
        self.options(&mut |options| size = options.send_buffer)?;
        Ok(size)
    }

    /// Sets the size of the receive buffer; the minimum is 1,152 bytes. As under Linux, the socket uses twice the
    /// size.
    ///
    /// # Errors
    /// As [`set_keepalive`](Self::set_keepalive).
    pub fn set_recv_buffer_size(&self, size: u32) -> io::Result<()> {
        self.options(&mut |options| options.recv_buffer = size.saturating_mul(2).clamp(2_304, MOST_BUFFER))
    }

    /// Returns the size of the receive buffer.
    ///
    /// # Errors
    /// As [`set_keepalive`](Self::set_keepalive).
    pub fn recv_buffer_size(&self) -> io::Result<u32> {
        let mut size = 0;
        self.options(&mut |options| size = options.recv_buffer)?;
        Ok(size)
    }

    tcp_option_methods!();

    option_methods! {
        /// Sets whether to send keep-alive probes. The option has no effect in the simulation.
        set_keepalive(keepalive: bool), keepalive => options.keepalive;

        /// Sets whether other sockets with this option that do not listen may bind the same address.
        set_reuseaddr(reuseaddr: bool), reuseaddr => reuse.addr;

        /// Sets whether several sockets with this option may listen at one address. The first one gets the
        /// connections.
        #[cfg(unix)]
        set_reuseport(reuseport: bool), reuseport => reuse.port;

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
        match self.open.get() {
            Some(open) => open.with(|socket| socket.local),
            None => Ok(self.settings().bound.unwrap_or(unspecified(self.is_ipv4))),
        }
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
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn bind(&self, addr: SocketAddr) -> io::Result<()> {
        self.open()?.bind(addr)
    }

    /// Connects to an address.
    ///
    /// # Errors
    /// As [`TcpStream::connect`].
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn connect(self, addr: SocketAddr) -> impl Future<Output = io::Result<TcpStream>> {
        let at = Location::caller();
        async move {
            self.open()?;
            let Self { open, descriptor, .. } = self;
            let open = open.into_inner().expect("the line above opens it");
            Ok(TcpStream::new(open.connect(addr, at).await?, descriptor.for_another()))
        }
    }

    /// Listens for connections. At most `backlog` + 1 connections wait to be accepted, as under Linux.
    ///
    /// # Errors
    /// Returns `AddrInUse` if another socket listens at the address.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        self.open()?;
        let Self { open, descriptor, .. } = self;
        let open = open.into_inner().expect("the line above opens it");
        Ok(TcpListener::new(open.listen(backlog)?, descriptor.for_another()))
    }
}

has_descriptor!(TcpSocket, descriptor, |socket| descriptor::real_tcp(socket.is_ipv4));

#[cfg(unix)]
impl std::os::fd::IntoRawFd for TcpSocket {
    fn into_raw_fd(self) -> std::os::fd::RawFd {
        std::os::fd::IntoRawFd::into_raw_fd(self.descriptor.into_real(|| descriptor::real_tcp(self.is_ipv4)))
    }
}

/// The maximum buffer size.
const MOST_BUFFER: u32 = 1 << 30;

impl fmt::Debug for TcpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.local_addr().ok();
        f.debug_struct("TcpSocket").field("addr", &local).finish_non_exhaustive()
    }
}
