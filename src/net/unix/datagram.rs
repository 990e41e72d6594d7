//! Unix datagram sockets.
//!
//! # Invariants
//! No datagram is lost, duplicated or reordered. A sender waits while the receiver's queue is full.

use std::fmt;
use std::net::Shutdown;
use std::panic::Location;
use std::path::Path;

use super::SocketAddr;
use crate::engine::announce::ResourceId;
use crate::engine::{Engine, RunId, WakeTarget};
use crate::net::datagram::prelude::*;
use crate::net::descriptor::{self, Descriptor, has_descriptor};
use crate::net::driver::Fabric;
use crate::net::fabric::{Direction, Key, Name, WaitedSocket};
use crate::net::handle::{self, Handle};
use crate::net::socket_labels;

/// Unix datagrams as a kind of datagram socket.
enum Unix {}

impl Datagrams for Unix {
    type Target = Name;
    type Source = SocketAddr;

    fn readiness(fabric: &mut Fabric, key: Key) -> Result<Ready, Errno> {
        fabric.unix(key).map(|socket| Ready::of_directions(socket.ready)).ok_or(Errno::NotConnected)
    }

    fn clear_readiness(fabric: &mut Fabric, key: Key, direction: Direction) {
        if let Some(socket) = fabric.unix(key) {
            let closed = [socket.read_shutdown, socket.write_shutdown];
            socket.ready[direction as usize] = closed[direction as usize];
        }
    }

    fn send(engine: &Engine, key: Key, to: Option<&Name>, bytes: &[u8]) -> Result<usize, Errno> {
        engine.network(|fabric, _| fabric.send_unix(key, to, bytes))
    }

    fn receive(
        fabric: &mut Fabric,
        key: Key,
        max: usize,
        _peek: bool,
        take: impl FnOnce(&[u8]),
    ) -> Result<(usize, SocketAddr), Errno> {
        let (count, from) = fabric.receive_unix(key, max, take)?;
        Ok((count, SocketAddr(from)))
    }

    fn target(fabric: &mut Fabric, key: Key, direction: Direction, to: Option<&Name>) -> WaitedSocket {
        let target = match direction {
            Direction::Read => None,
            Direction::Write => fabric.target_unix(key, to),
        };
        target.map_or(WaitedSocket::Datagram(key), |to| WaitedSocket::DatagramTo { from: key, to })
    }

    fn wait(
        fabric: &mut Fabric,
        key: Key,
        direction: Direction,
        _: Option<&Name>,
        waiter: WakeTarget,
        slot: WaitSlot,
    ) {
        fabric.wait_unix(key, direction, waiter, slot);
    }

    fn close(fabric: &mut Fabric, key: Key) {
        fabric.close_unix(key);
    }
}

/// A Unix datagram socket, as
/// [`tokio::net::UnixDatagram`](https://docs.rs/tokio/1/tokio/net/struct.UnixDatagram.html).
///
/// ```
/// use timeloop::net::UnixDatagram;
///
/// timeloop::run(1, || async {
///     let server = UnixDatagram::bind("/run/log.sock").unwrap();
///     let client = UnixDatagram::unbound().unwrap();
///     client.send_to(b"line", "/run/log.sock").await.unwrap();
///     let mut bytes = [0; 16];
///     let (count, from) = server.recv_from(&mut bytes).await.unwrap();
///     assert_eq!(&bytes[..count], b"line");
///     assert!(from.is_unnamed());
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
pub struct UnixDatagram {
    socket: Datagram<Unix>,
    descriptor: Descriptor,
}

impl UnixDatagram {
    fn new(run: RunId, key: Key, resource: ResourceId) -> Self {
        let socket = Datagram::new(Handle { run, key, resource, name: socket_labels::UNIX_DATAGRAM });
        Self { socket, descriptor: Descriptor::default() }
    }

    #[track_caller]
    fn bind_name(name: Name) -> io::Result<Self> {
        let (run, key) = handle::open(|fabric, host| fabric.bind_unix(host, name));
        Ok(Self::new(run, key?, ResourceId::new().socket()))
    }

    /// Creates a socket bound to a path.
    ///
    /// # Errors
    /// Returns `AddrInUse` if another socket has the path.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<Self> {
        Self::bind_name(super::path_name(path.as_ref())?)
    }

    /// Creates an unbound socket. No other socket can send to it, because it has no name.
    ///
    /// # Errors
    /// Never fails within a run.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn unbound() -> io::Result<Self> {
        Self::bind_name(Name::Unnamed)
    }

    /// Creates two connected sockets.
    ///
    /// # Errors
    /// Never fails within a run.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn pair() -> io::Result<(Self, Self)> {
        let (run, pair) = handle::open(Fabric::pair_datagrams);
        let [one, other] = pair?;
        let at = Location::caller();
        let socket = |key| Self::new(run, key, ResourceId::made_at(at).socket());
        Ok((socket(one), socket(other)))
    }

    /// Binds the name of a real socket, which stays open, and connects to the name of its peer. Datagrams that arrive at the real
    /// socket are never received.
    ///
    /// # Errors
    /// As [`bind`](Self::bind) and [`connect`](Self::connect); `Unsupported` for one of a real pair.
    ///
    /// # Panics
    /// Outside of a run; in debug builds under Linux, if the real socket blocks, as in tokio.
    #[track_caller]
    pub fn from_std(datagram: std::os::unix::net::UnixDatagram) -> io::Result<Self> {
        let this = Self::bind_name(SocketAddr::from(datagram.local_addr()?).0)?;
        descriptor::check_nonblocking(&datagram);
        if let Ok(peer) = datagram.peer_addr() {
            let name = SocketAddr::from(peer).0;
            if name == Name::Unnamed {
                return Err(descriptor::connected_elsewhere());
            }
            this.socket.handle.with(|fabric, key| fabric.connect_datagram(key, &name))?;
        }
        Ok(Self { descriptor: Descriptor::of(datagram), ..this })
    }

    /// Returns the real socket that this one was [made from](Self::from_std).
    ///
    /// # Errors
    /// `Unsupported` if it was not made from one.
    pub fn into_std(self) -> io::Result<std::os::unix::net::UnixDatagram> {
        self.descriptor.into_std()
    }

    /// Connects the socket to the one at a path: [`send`](Self::send) sends there, and only that socket can send to
    /// this one.
    ///
    /// # Errors
    /// Returns `NotFound` if no socket was ever bound to the path, and `ConnectionRefused` if it is closed.
    pub fn connect<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        let name = super::path_name(path.as_ref())?;
        self.socket.handle.with(|fabric, key| fabric.connect_datagram(key, &name))
    }

    datagram_methods! {
        source: SocketAddr,
        writable: "Waits until the queue of the peer has capacity.",
        send_errors: "Returns `NotConnected` if the socket is not connected, and `ConnectionRefused` if the peer is closed.",
        recv_errors: "Returns an error if the socket's host has crashed or its run is over.",
    }

    /// Sends a datagram to the socket at a path, waiting while its queue is full.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn send_to<P: AsRef<Path>>(&self, buf: &[u8], target: P) -> io::Result<usize> {
        let name = super::path_name(target.as_ref())?;
        self.socket.send(Some(&name), buf).await
    }

    /// Polls [`send_to`](Self::send_to).
    ///
    /// # Errors
    /// As [`send_to`](Self::send_to).
    pub fn poll_send_to<P: AsRef<Path>>(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
        target: P,
    ) -> Poll<io::Result<usize>> {
        let name = super::path_name(target.as_ref())?;
        self.socket.poll_send(cx, Some(&name), buf)
    }

    /// Sends a datagram to the socket at a path without waiting.
    ///
    /// # Errors
    /// As [`send_to`](Self::send_to); `WouldBlock` if the receiver's queue is full.
    #[track_caller]
    pub fn try_send_to<P: AsRef<Path>>(&self, buf: &[u8], target: P) -> io::Result<usize> {
        let name = super::path_name(target.as_ref())?;
        self.socket.try_send(Some(&name), buf)
    }

    /// Returns the local address.
    ///
    /// # Errors
    /// Returns an error if the socket's host has crashed or its run is over.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.handle.with(|fabric, key| {
            fabric.unix(key).map(|socket| SocketAddr(socket.name.clone())).ok_or(Errno::NotConnected)
        })
    }

    /// Returns the address of the peer.
    ///
    /// # Errors
    /// Returns `NotConnected` if the socket is not connected.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.handle.with(|fabric, key| fabric.peer_unix(key).map(SocketAddr))
    }

    /// Returns `None`: these sockets have no pending errors.
    ///
    /// # Errors
    /// Never fails.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(None)
    }

    /// Shuts down receiving, sending, or both.
    ///
    /// # Errors
    /// Returns `NotConnected` if the socket is not connected.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let (reads, writes) = (how != Shutdown::Write, how != Shutdown::Read);
        self.socket.handle.with(|fabric, key| fabric.shutdown_unix(key, reads, writes))
    }
}

impl TryFrom<std::os::unix::net::UnixDatagram> for UnixDatagram {
    type Error = io::Error;

    /// As [`from_std`](Self::from_std).
    #[track_caller]
    fn try_from(datagram: std::os::unix::net::UnixDatagram) -> io::Result<Self> {
        Self::from_std(datagram)
    }
}

has_descriptor!(UnixDatagram, descriptor, |_datagram| descriptor::real_unix());

impl fmt::Debug for UnixDatagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixDatagram").field("addr", &self.local_addr().ok()).finish_non_exhaustive()
    }
}
