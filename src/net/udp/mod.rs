//! Sockets of UDP.
//!
//! # Invariants
//! To send never waits, and says nothing about whether the datagram arrives.

mod options;

use std::fmt;
use std::future::ready;
use std::net::SocketAddr;
use std::panic::Location;

use super::addr::{self, ToSocketAddrs};
use super::datagram::prelude::*;
use super::driver::{self, Fabric};
use super::fabric::{Direction, Key, Manner, Options, Socket};
use super::handle::{self, Handle};
use super::names;
use crate::engine::announce::ResourceId;
use crate::engine::{Engine, WakeTarget};

/// UDP, as a kind of sockets for datagrams.
enum Udp {}

impl Datagrams for Udp {
    type Target = SocketAddr;
    type Source = SocketAddr;

    fn readiness(fabric: &mut Fabric, key: Key) -> Result<Ready, Errno> {
        let socket = fabric.udp(key).ok_or(Errno::NotConnected)?;
        let mut ready = Ready::WRITABLE;
        if socket.is_readable() {
            ready |= Ready::READABLE;
        }
        if socket.error.is_some() {
            ready |= Ready::ERROR;
        }
        Ok(ready)
    }

    fn send(engine: &Engine, key: Key, to: Option<&SocketAddr>, bytes: &[u8]) -> Result<usize, Errno> {
        engine.network_here(|fabric, turn, _| fabric.send(turn, key, to.copied(), bytes, Manner::default()))
    }

    fn receive(
        fabric: &mut Fabric,
        key: Key,
        max: usize,
        peek: bool,
        take: impl FnOnce(&[u8]),
    ) -> Result<(usize, SocketAddr), Errno> {
        let about = fabric.receive(key, max, peek, take)?;
        Ok((about.bytes, about.from))
    }

    fn target(_: &mut Fabric, key: Key, _: Direction, _: Option<&SocketAddr>) -> Socket {
        Socket::Udp(key)
    }

    fn wait(fabric: &mut Fabric, key: Key, _: Direction, _: Option<&SocketAddr>, who: WakeTarget, how: As) {
        fabric.wait_to_receive(key, who, how);
    }

    fn close(fabric: &mut Fabric, key: Key) {
        fabric.close_udp(key);
    }
}

/// A socket of UDP, as [`tokio::net::UdpSocket`](https://docs.rs/tokio/1/tokio/net/struct.UdpSocket.html).
///
/// Datagrams may be lost, come twice and overtake each other, as the link between the hosts has it; within a host they
/// do not. One that is longer than 65,507 bytes is refused, and one for which the receiver has no room (208 KiB) is lost.
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
}

impl UdpSocket {
    /// A socket at the first of the addresses that can be bound. Port 0 is any free one.
    ///
    /// # Errors
    /// `AddrInUse` if somebody has it, `AddrNotAvailable` if it is not an address of this host.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn bind<A: ToSocketAddrs>(addr: A) -> impl Future<Output = io::Result<Self>> {
        let at = Location::caller();
        addr::first_of(addr, move |address| {
            let resource = ResourceId::made_at(at).socket();
            let (run, bound) = handle::open(|fabric, host| fabric.bind_udp(host, address));
            let handle = |key| Handle { run, key, resource, name: names::UDP_SOCKET };
            ready(bound.map(|key| Self { socket: Datagram::new(handle(key)) }).map_err(io::Error::from))
        })
    }

    fn udp<R>(&self, f: impl FnOnce(&mut driver::UdpSocket) -> R) -> io::Result<R> {
        self.socket.handle.with(|fabric, key| fabric.udp(key).map(f).ok_or(Errno::NotConnected))
    }

    fn options<R>(&self, f: impl FnOnce(&mut Options) -> R) -> io::Result<R> {
        self.udp(|socket| f(&mut socket.options))
    }

    /// The address of the socket.
    ///
    /// # Errors
    /// If the socket's host has crashed, or its run is over. So of all methods that set or get an option.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.udp(|socket| socket.local)
    }

    /// The address that the socket is [connected](Self::connect) to.
    ///
    /// # Errors
    /// `NotConnected` if it is not.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.udp(|socket| socket.peer)?.ok_or_else(|| Errno::NotConnected.into())
    }

    /// Sets the address that [`send`](Self::send) sends to, and from which alone something is received.
    ///
    /// # Errors
    /// `NetworkUnreachable` if the host has no address of that kind.
    pub async fn connect<A: ToSocketAddrs>(&self, addr: A) -> io::Result<()> {
        self.socket.handle.touch(Access::Write);
        addr::first_of(addr, |address| {
            ready(self.socket.handle.with_hosts(|fabric, _, key| fabric.connect_udp(key, address)))
        })
        .await
    }

    datagram_methods! {
        source: SocketAddr,
        writable: "Waits until it can send, which it always can.",
        send_errors: "\"Destination address required\" if it is not; `ConnectionRefused` if an earlier one came to a host \
            where nobody has the port; \"Message too long\" beyond 65,507 bytes.",
        recv_errors: "`ConnectionRefused` if one that was sent came to a host where nobody has the port.",
    }

    /// Sends a datagram to an address: the first of those given.
    ///
    /// # Errors
    /// "Message too long" beyond 65,507 bytes; `NetworkUnreachable` if the host has no address of that kind.
    pub async fn send_to<A: ToSocketAddrs>(&self, buf: &[u8], addr: A) -> io::Result<usize> {
        match addr::to_socket_addrs(addr).await?.next() {
            Some(target) => self.socket.send(Some(&target), buf).await,
            None => Err(io::Error::new(io::ErrorKind::InvalidInput, "no addresses to send data to")),
        }
    }

    /// [`send_to`](Self::send_to) as a poll.
    ///
    /// # Errors
    /// As there.
    pub fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
        target: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_send(cx, Some(&target), buf)
    }

    /// [`send_to`](Self::send_to) at once.
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn try_send_to(&self, buf: &[u8], target: SocketAddr) -> io::Result<usize> {
        self.socket.try_send(Some(&target), buf)
    }

    /// [`try_send_to`](Self::try_send_to), in a certain manner.
    #[cfg(feature = "quinn")]
    pub(crate) fn try_send_in(&self, buf: &[u8], target: SocketAddr, manner: Manner) -> io::Result<usize> {
        let handle = &self.socket.handle;
        handle.touch(Access::Send);
        handle.with_hosts(|fabric, turn, key| fabric.send(turn, key, Some(target), buf, manner))
    }

    /// [`try_recv_from`](Self::try_recv_from), with all that is known of the datagram.
    #[cfg(feature = "quinn")]
    pub(crate) fn try_receive_about(&self, buf: &mut [u8]) -> io::Result<super::fabric::About> {
        let handle = &self.socket.handle;
        handle.touch(Access::Receive);
        let max = buf.len();
        handle.with(|fabric, key| {
            fabric.receive(key, max, false, |bytes| buf[..bytes.len()].copy_from_slice(bytes))
        })
    }

    /// Has the task woken by the next datagram, and no other task.
    #[cfg(feature = "quinn")]
    pub(crate) fn wait_to_receive(&self, cx: &mut Context<'_>) {
        let waits: Poll<io::Result<()>> =
            self.socket.attempt(cx, (Direction::Read, None), As::Poller, |_, _| Err(Errno::WouldBlock));
        debug_assert!(waits.is_pending() || self.local_addr().is_err(), "it waits unless its run is over");
    }

    /// As [`recv`](Self::recv), and leaves the datagram there.
    ///
    /// # Errors
    /// As there.
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.peek_from(buf).await.map(|(count, _)| count)
    }

    /// [`peek`](Self::peek) as a poll; whoever polls last is woken.
    ///
    /// # Errors
    /// As there.
    pub fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_recv(cx, buf, true, As::Poller).map_ok(drop)
    }

    /// [`peek`](Self::peek) at what is there.
    ///
    /// # Errors
    /// As there; `WouldBlock` if nothing is there.
    #[track_caller]
    pub fn try_peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.try_peek_from(buf).map(|(count, _)| count)
    }

    /// As [`recv_from`](Self::recv_from), and leaves the datagram there.
    ///
    /// # Errors
    /// As there.
    pub async fn peek_from(&self, mut buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket.recv(&mut buf, true).await
    }

    /// [`peek_from`](Self::peek_from) as a poll; whoever polls last is woken.
    ///
    /// # Errors
    /// As there.
    pub fn poll_peek_from(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<SocketAddr>> {
        self.socket.poll_recv(cx, buf, true, As::Poller).map_ok(|(_, from)| from)
    }

    /// [`peek_from`](Self::peek_from) at what is there.
    ///
    /// # Errors
    /// As there; `WouldBlock` if nothing is there.
    #[track_caller]
    pub fn try_peek_from(&self, mut buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket.try_recv(&mut buf, true)
    }

    /// Waits for a datagram, says who has sent it, and leaves it there.
    ///
    /// # Errors
    /// As [`recv_from`](Self::recv_from).
    pub async fn peek_sender(&self) -> io::Result<SocketAddr> {
        self.peek_from(&mut []).await.map(|(_, from)| from)
    }

    /// [`peek_sender`](Self::peek_sender) as a poll; whoever polls last is woken.
    ///
    /// # Errors
    /// As there.
    pub fn poll_peek_sender(&self, cx: &mut Context<'_>) -> Poll<io::Result<SocketAddr>> {
        self.socket.poll_recv(cx, &mut ReadBuf::new(&mut []), true, As::Poller).map_ok(|(_, from)| from)
    }

    /// [`peek_sender`](Self::peek_sender) of what is there.
    ///
    /// # Errors
    /// As there; `WouldBlock` if nothing is there.
    #[track_caller]
    pub fn try_peek_sender(&self) -> io::Result<SocketAddr> {
        self.try_peek_from(&mut []).map(|(_, from)| from)
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UdpSocket").field("addr", &self.local_addr().ok()).finish_non_exhaustive()
    }
}
