//! UDP sockets.
//!
//! # Invariants
//! A send never waits, and its result says nothing about delivery.

mod options;

use std::fmt;
use std::net::SocketAddr;
use std::panic::Location;

use super::addr::{self, ToSocketAddrs};
use super::datagram::prelude::*;
use super::descriptor::{self, Descriptor, has_descriptor};
use super::driver::{self, Fabric};
use super::fabric::{Direction, Key, Options, Transmit, WaitedSocket};
use super::handle::{self, Handle};
use super::option_methods::Accessor;
use super::socket_labels;
use crate::engine::announce::ResourceId;
use crate::engine::{Engine, WakeTarget};

/// UDP as a kind of datagram socket.
enum Udp {}

impl Datagrams for Udp {
    type Target = SocketAddr;
    type Source = SocketAddr;

    fn readiness(fabric: &mut Fabric, key: Key) -> Result<Ready, Errno> {
        let socket = fabric.udp(key).ok_or(Errno::NotConnected)?;
        let mut ready = Ready::of_directions(socket.ready);
        if socket.error.is_some() {
            ready |= Ready::ERROR;
        }
        Ok(ready)
    }

    fn clear_readiness(fabric: &mut Fabric, key: Key, direction: Direction) {
        if let Some(socket) = fabric.udp(key) {
            socket.ready[direction as usize] = false;
        }
    }

    fn send(engine: &Engine, key: Key, to: Option<&SocketAddr>, bytes: &[u8]) -> Result<usize, Errno> {
        engine.network_here(|fabric, ctx, _| fabric.send(ctx, key, to.copied(), bytes, Transmit::default()))
    }

    fn receive(
        fabric: &mut Fabric,
        key: Key,
        max: usize,
        peek: bool,
        take: impl FnOnce(&[u8]),
    ) -> Result<(usize, SocketAddr), Errno> {
        let meta = fabric.receive(key, max, peek, take)?;
        Ok((meta.bytes, meta.from))
    }

    fn target(_: &mut Fabric, key: Key, _: Direction, _: Option<&SocketAddr>) -> WaitedSocket {
        WaitedSocket::Udp(key)
    }

    fn wait(
        fabric: &mut Fabric,
        key: Key,
        _: Direction,
        _: Option<&SocketAddr>,
        waiter: WakeTarget,
        slot: WaitSlot,
    ) {
        fabric.wait_to_receive(key, waiter, slot);
    }

    fn close(fabric: &mut Fabric, key: Key) {
        fabric.close_udp(key);
    }
}

/// A UDP socket, as [`tokio::net::UdpSocket`](https://docs.rs/tokio/1/tokio/net/struct.UdpSocket.html).
///
/// Datagrams may be lost, duplicated and reordered, depending on the model of the link. Within a host they are not. A
/// send of more than 65,507 bytes (over IPv6 65,527) fails. A datagram that exceeds the receive queue of 208 KiB is dropped.
///
/// ```
/// use timeloop::net::UdpSocket;
///
/// timeloop::run(1, || async {
///     let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
///     let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
///     client.connect(server.local_addr().unwrap()).await.unwrap();
///     client.send(b"ping").await.unwrap();
///     let mut bytes = [0; 16];
///     let (count, from) = server.recv_from(&mut bytes).await.unwrap();
///     assert_eq!((&bytes[..count], from), (&b"ping"[..], client.local_addr().unwrap()));
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
pub struct UdpSocket {
    socket: Datagram<Udp>,
    descriptor: Descriptor,
}

impl UdpSocket {
    /// Creates a socket bound to the first of the addresses that can be bound. Port 0 means any free port.
    ///
    /// # Errors
    /// Returns `AddrInUse` if another socket has the address, and `AddrNotAvailable` if it is not one of this host.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn bind<A: ToSocketAddrs>(addr: A) -> impl Future<Output = io::Result<Self>> {
        let at = Location::caller();
        addr::first_of(addr, move |address| async move {
            handle::announce_bind(address, at).await;
            Self::bind_at(address, at, Descriptor::default())
        })
    }

    #[track_caller]
    fn bind_at(
        address: SocketAddr,
        at: &'static Location<'static>,
        descriptor: Descriptor,
    ) -> io::Result<Self> {
        let resource = ResourceId::made_at(at).socket();
        let (run, bound) = handle::open(|fabric, host| fabric.bind_udp(host, address));
        let handle = Handle { run, key: bound?, resource, name: socket_labels::UDP_SOCKET };
        Ok(Self { socket: Datagram::new(handle), descriptor })
    }

    /// Binds the address of a real socket, which stays open, so that its port is reserved. Its peer and its options are taken
    /// over. Datagrams that arrive at the real socket are never received.
    ///
    /// # Errors
    /// As [`bind`](Self::bind). The address has to be one of the simulated host, such as a loopback address.
    ///
    /// # Panics
    /// Outside of a run; in debug builds under Linux, if the real socket blocks, as in tokio.
    #[track_caller]
    pub fn from_std(socket: std::net::UdpSocket) -> io::Result<Self> {
        let (peer, broadcast, ttl) = (socket.peer_addr().ok(), socket.broadcast(), socket.ttl());
        let (loops, multicast_ttl) = (socket.multicast_loop_v4(), socket.multicast_ttl_v4());
        let address = socket.local_addr()?;
        let this = Self::bind_at(address, Location::caller(), Descriptor::default())
            .map_err(descriptor::explain_bind)?;
        descriptor::check_nonblocking(&socket);
        this.udp(|udp| {
            udp.broadcast = broadcast.unwrap_or(udp.broadcast);
            udp.loops = loops.unwrap_or(udp.loops);
            udp.multicast_ttl = multicast_ttl.unwrap_or(udp.multicast_ttl);
            udp.options.ttl = ttl.unwrap_or(udp.options.ttl);
        })?;
        if let Some(peer) = peer {
            this.socket.handle.with_hosts(|fabric, _, key| fabric.connect_udp(key, peer))?;
        }
        Ok(Self { descriptor: Descriptor::of(socket), ..this })
    }

    /// Returns the real socket that this one was [made from](Self::from_std).
    ///
    /// # Errors
    /// `Unsupported` if it was not made from one.
    pub fn into_std(self) -> io::Result<std::net::UdpSocket> {
        self.descriptor.into_std()
    }

    fn udp<R>(&self, f: impl FnOnce(&mut driver::UdpSocket) -> R) -> io::Result<R> {
        self.socket.handle.with(|fabric, key| fabric.udp(key).map(f).ok_or(Errno::NotConnected))
    }

    fn options(&self, f: Accessor<'_, Options>) -> io::Result<()> {
        self.udp(|socket| f(&mut socket.options))
    }

    /// Returns the local address.
    ///
    /// # Errors
    /// Returns an error if the socket's host has crashed or its run is over. This holds for all methods that set or
    /// get an option.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.udp(|socket| socket.local)
    }

    /// Returns the address that the socket is [connected](Self::connect) to.
    ///
    /// # Errors
    /// Returns `NotConnected` if the socket is not connected.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.udp(|socket| socket.peer)?.ok_or_else(|| Errno::NotConnected.into())
    }

    /// Connects the socket to an address: [`send`](Self::send) sends there, and datagrams from other addresses are
    /// dropped.
    ///
    /// # Errors
    /// Returns `NetworkUnreachable` if the host has no address of that family.
    pub async fn connect<A: ToSocketAddrs>(&self, addr: A) -> io::Result<()> {
        let handle = &self.socket.handle;
        addr::first_of(addr, |address| async move {
            handle.action(Access::Write, Location::caller()).announced_apart().await;
            handle.with_hosts(|fabric, _, key| fabric.connect_udp(key, address))
        })
        .await
    }

    datagram_methods! {
        source: SocketAddr,
        writable: "Returns at once: a UDP socket can always send.",
        send_errors: "Returns \"Destination address required\" if the socket is not connected, `ConnectionRefused` if an earlier \
            datagram reached a closed port, and \"Message too long\" for more than 65,507 bytes, or 65,527 over IPv6.",
        recv_errors: "Returns `ConnectionRefused` if a sent datagram reached a closed port.",
    }

    /// Sends a datagram to the first of the addresses.
    ///
    /// # Errors
    /// Returns "Message too long" for more than 65,507 bytes, or 65,527 over IPv6, and `NetworkUnreachable` if the host has no address of
    /// that family.
    pub async fn send_to<A: ToSocketAddrs>(&self, buf: &[u8], addr: A) -> io::Result<usize> {
        match addr::to_socket_addrs(addr).await?.next() {
            Some(target) => self.socket.send(Some(&target), buf).await,
            None => Err(io::Error::new(io::ErrorKind::InvalidInput, "no addresses to send data to")),
        }
    }

    /// Polls [`send_to`](Self::send_to).
    ///
    /// # Errors
    /// As [`send_to`](Self::send_to).
    pub fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
        target: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_send(cx, Some(&target), buf)
    }

    /// Sends a datagram to an address without waiting.
    ///
    /// # Errors
    /// As [`send_to`](Self::send_to).
    #[track_caller]
    pub fn try_send_to(&self, buf: &[u8], target: SocketAddr) -> io::Result<usize> {
        self.socket.try_send(Some(&target), buf)
    }

    /// Like [`try_send_to`](Self::try_send_to), with options for this datagram.
    #[cfg(feature = "quinn")]
    pub(crate) fn try_send_with(
        &self,
        buf: &[u8],
        target: SocketAddr,
        transmit: Transmit,
    ) -> io::Result<usize> {
        let handle = &self.socket.handle;
        handle.touch(Access::Send);
        handle.with_hosts(|fabric, ctx, key| fabric.send(ctx, key, Some(target), buf, transmit))
    }

    /// Like [`try_recv_from`](Self::try_recv_from), with the metadata of the datagram.
    #[cfg(feature = "quinn")]
    pub(crate) fn try_recv_meta(&self, buf: &mut [u8]) -> io::Result<super::fabric::RecvMeta> {
        let handle = &self.socket.handle;
        handle.touch(Access::Receive);
        let max = buf.len();
        handle.with(|fabric, key| {
            fabric.receive(key, max, false, |bytes| buf[..bytes.len()].copy_from_slice(bytes))
        })
    }

    /// Registers the task to be woken by the next datagram, in place of the task registered before.
    #[cfg(feature = "quinn")]
    pub(crate) fn wait_to_receive(&self, cx: &mut Context<'_>) {
        let waits: Poll<io::Result<()>> =
            self.socket.attempt(cx, (Direction::Read, None), WaitSlot::Poll, |_, _| Err(Errno::WouldBlock));
        debug_assert!(
            waits.is_pending() || self.local_addr().is_err(),
            "the socket waits unless its run is over"
        );
    }

    /// Receives a datagram without removing it.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.peek_from(buf).await.map(|(count, _)| count)
    }

    /// Polls [`peek`](Self::peek). Only the task that polled last is woken.
    ///
    /// # Errors
    /// As [`peek`](Self::peek).
    pub fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_recv(cx, buf, true, WaitSlot::Poll).map_ok(drop)
    }

    /// Receives a datagram without waiting and without removing it.
    ///
    /// # Errors
    /// As [`peek`](Self::peek); `WouldBlock` if there is none.
    #[track_caller]
    pub fn try_peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.try_peek_from(buf).map(|(count, _)| count)
    }

    /// Receives a datagram and returns its sender, without removing it.
    ///
    /// # Errors
    /// As [`recv_from`](Self::recv_from).
    pub async fn peek_from(&self, mut buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket.recv(&mut buf, true).await
    }

    /// Polls [`peek_from`](Self::peek_from). Only the task that polled last is woken.
    ///
    /// # Errors
    /// As [`peek_from`](Self::peek_from).
    pub fn poll_peek_from(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<SocketAddr>> {
        self.socket.poll_recv(cx, buf, true, WaitSlot::Poll).map_ok(|(_, from)| from)
    }

    /// Receives a datagram and returns its sender, without waiting and without removing it.
    ///
    /// # Errors
    /// As [`peek_from`](Self::peek_from); `WouldBlock` if there is none.
    #[track_caller]
    pub fn try_peek_from(&self, mut buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket.try_recv(&mut buf, true)
    }

    /// Waits for a datagram and returns its sender, without removing the datagram.
    ///
    /// # Errors
    /// As [`recv_from`](Self::recv_from).
    pub async fn peek_sender(&self) -> io::Result<SocketAddr> {
        self.peek_from(&mut []).await.map(|(_, from)| from)
    }

    /// Polls [`peek_sender`](Self::peek_sender). Only the task that polled last is woken.
    ///
    /// # Errors
    /// As [`peek_sender`](Self::peek_sender).
    pub fn poll_peek_sender(&self, cx: &mut Context<'_>) -> Poll<io::Result<SocketAddr>> {
        self.socket.poll_recv(cx, &mut ReadBuf::new(&mut []), true, WaitSlot::Poll).map_ok(|(_, from)| from)
    }

    /// Returns the sender of the next datagram, without waiting.
    ///
    /// # Errors
    /// As [`peek_sender`](Self::peek_sender); `WouldBlock` if there is none.
    #[track_caller]
    pub fn try_peek_sender(&self) -> io::Result<SocketAddr> {
        self.try_peek_from(&mut []).map(|(_, from)| from)
    }
}

impl TryFrom<std::net::UdpSocket> for UdpSocket {
    type Error = io::Error;

    /// As [`from_std`](Self::from_std).
    #[track_caller]
    fn try_from(socket: std::net::UdpSocket) -> io::Result<Self> {
        Self::from_std(socket)
    }
}

has_descriptor!(UdpSocket, descriptor, |socket| descriptor::real_udp(
    socket.local_addr().is_ok_and(|address| address.is_ipv4())
));

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UdpSocket").field("addr", &self.local_addr().ok()).finish_non_exhaustive()
    }
}
