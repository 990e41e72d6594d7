//! Unix sockets: sockets within a host that are bound to names.
//!
//! # Invariants
//! A name belongs to at most one socket. Closing the socket frees the name; connecting to a freed path is refused,
//! like connecting to a socket file without a listener. A datagram arrives whole, in order and once.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::connection::{Connection, End, EndKey, LOCAL, Options, Phase};
use super::listening::Listener;
use super::waiters::{WaitSlot, Waiters};
use super::{Direction, Errno, Fabric, Key};

/// What a Unix socket is bound to.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Name {
    /// Unbound.
    #[default]
    Unnamed,
    /// A path.
    Path(PathBuf),
    /// A name in Linux's abstract namespace.
    Abstract(Vec<u8>),
}

/// The owner of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameOwner {
    Listener(Key),
    Datagram(Key),
    /// The socket at this path was closed.
    Released,
}

/// The maximum number of queued datagrams, as under Linux.
const QUEUE_MAX: usize = 11;

/// The maximum size of a datagram.
const DATAGRAM_BYTES_MAX: usize = 212_960;

/// A datagram in a receive queue.
#[derive(Debug)]
pub(super) struct Datagram {
    from: Name,
    sender: Key,
    bytes: Box<[u8]>,
}

/// A Unix datagram socket.
#[derive(Debug)]
pub(crate) struct UnixDatagram<W> {
    pub(super) host: u32,
    pub(crate) name: Name,
    peer: Option<Key>,
    pub(super) queue: VecDeque<Datagram>,
    pub(super) readers: Waiters<W>,
    /// The tasks that wait to send.
    pub(super) writers: Waiters<W>,
    /// Whether the socket is ready for reading and for writing: something has happened to it since an operation would last have
    /// blocked.
    pub(crate) ready: [bool; 2],
    /// The sockets that wait for capacity in the queue of this one.
    senders: Vec<Key>,
    pub(crate) read_shutdown: bool,
    pub(crate) write_shutdown: bool,
}

/// The address of the ends of Unix streams, which have none.
const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

impl<W: PartialEq, R: Copy> Fabric<W, R> {
    fn bind_name(&mut self, host: u32, name: &Name, named: NameOwner) -> Result<(), Errno> {
        if *name == Name::Unnamed {
            return Ok(());
        }
        let key = (host, name.clone());
        match self.unix_names.get(&key) {
            Some(NameOwner::Released) | None => {
                self.unix_names.insert(key, named);
                Ok(())
            }
            Some(_) => Err(Errno::AddrInUse),
        }
    }

    fn release_name(&mut self, host: u32, name: &Name) {
        if let Name::Path(_) = name {
            self.unix_names.insert((host, name.clone()), NameOwner::Released);
        } else {
            self.unix_names.remove(&(host, name.clone()));
        }
    }

    /// Binds a stream socket to a name. It does not listen yet.
    pub(crate) fn bind_stream_unix(&mut self, host: u32, name: Name, resource: R) -> Result<Key, Errno> {
        let key = self.listeners.insert(Listener::within(host, name.clone(), resource));
        if let Err(errno) = self.bind_name(host, &name, NameOwner::Listener(key)) {
            self.listeners.remove(key);
            return Err(errno);
        }
        Ok(key)
    }

    /// Begins to listen at the name of a bound stream socket.
    pub(crate) fn listen_unix(&mut self, key: Key, backlog: u32) -> Result<(), Errno> {
        let listener = self.listeners.get(key).ok_or(Errno::InvalidInput)?;
        (listener.listens, listener.backlog) = (true, backlog);
        Ok(())
    }

    /// Connects a bound stream socket, which becomes a connection. Its name stays bound until the connection is closed.
    pub(crate) fn connect_bound_unix(&mut self, key: Key, name: &Name) -> Result<EndKey, Errno> {
        let socket = self.listeners.get(key).ok_or(Errno::NotConnected)?;
        let (host, own, resource) = (socket.host, socket.name.as_deref().cloned(), socket.resource);
        let connected = self.connect_unix(host, name, own.unwrap_or_default(), resource)?;
        self.listeners.remove(key);
        Ok(connected)
    }

    pub(super) fn release_listener_name(&mut self, host: u32, name: &Name) {
        self.release_name(host, name);
    }

    /// Releases the name of a client, if it was bound to one.
    pub(super) fn release_client_name(&mut self, key: EndKey) {
        let Some(connection) = self.connections.get(key.connection) else { return };
        let Some([own, _]) = connection.names.as_deref_mut() else { return };
        if key.side == 0 && *own != Name::Unnamed {
            let (own, host) = (own.clone(), connection.ends[0].host);
            self.release_name(host, &own);
        }
    }

    /// Connects to a name. The connection is established at once or not at all.
    pub(crate) fn connect_unix(
        &mut self,
        host: u32,
        name: &Name,
        own: Name,
        resource: R,
    ) -> Result<EndKey, Errno> {
        let listener = match self.unix_names.get(&(host, name.clone())) {
            Some(NameOwner::Listener(key)) => *key,
            Some(NameOwner::Released) => return Err(Errno::ConnectionRefused),
            Some(NameOwner::Datagram(_)) => return Err(Errno::WrongType),
            None if matches!(name, Name::Abstract(_)) => return Err(Errno::ConnectionRefused),
            None => return Err(Errno::NotFound),
        };
        if !self.listeners.get(listener).is_some_and(|listener| listener.listens) {
            return Err(Errno::ConnectionRefused);
        }
        let connection = self.pair_unix(host, [own, name.clone()], resource);
        let queued = self.listeners.get(listener).is_some_and(|listener| listener.push(connection));
        if !queued {
            self.connections.remove(connection);
            return Err(Errno::WouldBlock);
        }
        if let Some(ends) = self.ends(connection) {
            ends[1].phase = Phase::Queued;
            ends[1].listener = Some(listener);
        }
        if let Some(listener) = self.listeners.get(listener) {
            listener.acceptors.wake(&mut self.woken);
        }
        Ok(EndKey { connection, side: 0 })
    }

    /// Creates two connected ends.
    pub(crate) fn pair_unix(&mut self, host: u32, names: [Name; 2], resource: R) -> Key {
        let options = Options { send_buffer: 106_496, recv_buffer: 106_496, ..Options::default() };
        let end = || End::new(host, Phase::Open, [NOWHERE; 2], options, LOCAL);
        self.connections.insert(Connection { ends: [end(), end()], resource, names: Some(names.into()) })
    }

    /// Returns the names of this end and of the other one.
    pub(crate) fn names_unix(&mut self, key: EndKey) -> Option<[Name; 2]> {
        let [zero, one] = &**self.connections.get(key.connection)?.names.as_ref()?;
        Some(if key.side == 0 { [zero.clone(), one.clone()] } else { [one.clone(), zero.clone()] })
    }

    // --- datagrams ---

    /// Creates a datagram socket. `Unnamed` leaves it unbound.
    pub(crate) fn bind_unix(&mut self, host: u32, name: Name) -> Result<Key, Errno> {
        let key = self.unix.insert(UnixDatagram {
            host,
            name: name.clone(),
            peer: None,
            queue: VecDeque::new(),
            readers: Waiters::default(),
            writers: Waiters::default(),
            ready: [false, true],
            senders: Vec::new(),
            read_shutdown: false,
            write_shutdown: false,
        });
        if let Err(errno) = self.bind_name(host, &name, NameOwner::Datagram(key)) {
            self.unix.remove(key);
            return Err(errno);
        }
        Ok(key)
    }

    /// Creates two connected datagram sockets.
    pub(crate) fn pair_datagrams(&mut self, host: u32) -> Result<[Key; 2], Errno> {
        let keys = [self.bind_unix(host, Name::Unnamed)?, self.bind_unix(host, Name::Unnamed)?];
        for (key, peer) in [(keys[0], keys[1]), (keys[1], keys[0])] {
            if let Some(socket) = self.unix.get(key) {
                socket.peer = Some(peer);
            }
        }
        Ok(keys)
    }

    /// Returns a datagram socket.
    pub(crate) fn unix(&mut self, key: Key) -> Option<&mut UnixDatagram<W>> {
        self.unix.get(key)
    }

    /// Returns the name of the socket's peer.
    pub(crate) fn peer_unix(&mut self, key: Key) -> Result<Name, Errno> {
        let peer = self.unix.get(key).and_then(|socket| socket.peer).ok_or(Errno::NotConnected)?;
        self.unix.get(peer).map(|peer| peer.name.clone()).ok_or(Errno::NotConnected)
    }

    fn find_unix(&mut self, key: Key, name: &Name) -> Result<Key, Errno> {
        let host = self.unix.get(key).ok_or(Errno::NotConnected)?.host;
        match self.unix_names.get(&(host, name.clone())) {
            Some(NameOwner::Datagram(peer)) => Ok(*peer),
            Some(NameOwner::Released) => Err(Errno::ConnectionRefused),
            Some(NameOwner::Listener(_)) => Err(Errno::WrongType),
            None => Err(Errno::NotFound),
        }
    }

    /// Connects a socket to a peer.
    pub(crate) fn connect_datagram(&mut self, key: Key, name: &Name) -> Result<(), Errno> {
        let peer = self.find_unix(key, name)?;
        if let Some(socket) = self.unix.get(key) {
            socket.peer = Some(peer);
        }
        self.becomes_writable(key);
        Ok(())
    }

    /// Marks a socket as ready for writing.
    fn becomes_writable(&mut self, key: Key) {
        if let Some(socket) = self.unix.get(key) {
            socket.ready[Direction::Write as usize] = true;
            socket.writers.wake(&mut self.woken);
        }
    }

    /// Marks the sockets that wait for capacity in the queue of this one as ready for writing.
    fn has_capacity(&mut self, key: Key) {
        let senders = self.unix.get(key).map(|socket| std::mem::take(&mut socket.senders));
        for sender in senders.into_iter().flatten() {
            self.becomes_writable(sender);
        }
    }

    /// Sends a datagram; `WouldBlock` if the receiver's queue is full.
    pub(crate) fn send_unix(&mut self, key: Key, to: Option<&Name>, bytes: &[u8]) -> Result<usize, Errno> {
        let socket = self.unix.get(key).ok_or(Errno::NotConnected)?;
        if socket.write_shutdown {
            return Err(Errno::BrokenPipe);
        }
        if !socket.ready[Direction::Write as usize] {
            return Err(Errno::WouldBlock);
        }
        if bytes.len() > DATAGRAM_BYTES_MAX {
            return Err(Errno::MessageTooLong);
        }
        let (name, own_peer) = (socket.name.clone(), socket.peer);
        let peer = match to {
            Some(name) => self.find_unix(key, name)?,
            None => own_peer.ok_or(Errno::NotConnected)?,
        };
        let Some(target) = self.unix.get(peer) else { return Err(Errno::ConnectionRefused) };
        if target.read_shutdown {
            return Err(Errno::BrokenPipe);
        }
        if target.peer.is_some_and(|only| only != key) {
            return Err(Errno::NotPermitted);
        }
        if target.queue.len() >= QUEUE_MAX {
            if !target.senders.contains(&key) {
                target.senders.push(key);
            }
            if let Some(socket) = self.unix.get(key) {
                socket.ready[Direction::Write as usize] = false;
            }
            return Err(Errno::WouldBlock);
        }
        target.queue.push_back(Datagram { from: name, sender: key, bytes: bytes.into() });
        target.ready[Direction::Read as usize] = true;
        target.readers.wake(&mut self.woken);
        Ok(bytes.len())
    }

    /// Receives a datagram.
    pub(crate) fn receive_unix(
        &mut self,
        key: Key,
        max: usize,
        take: impl FnOnce(&[u8]),
    ) -> Result<(usize, Name), Errno> {
        let socket = self.unix.get(key).ok_or(Errno::NotConnected)?;
        if !socket.ready[Direction::Read as usize] {
            return Err(Errno::WouldBlock);
        }
        let Some(Datagram { from, sender, bytes }) = socket.queue.pop_front() else {
            if socket.read_shutdown {
                return Ok((0, Name::Unnamed));
            }
            socket.ready[Direction::Read as usize] = false;
            return Err(Errno::WouldBlock);
        };
        self.becomes_writable(sender);
        self.has_capacity(key);
        let count = bytes.len().min(max);
        take(&bytes[..count]);
        Ok((count, from))
    }

    /// Registers a waiter for the socket to receive or to send.
    pub(crate) fn wait_unix(&mut self, key: Key, direction: Direction, waiter: W, slot: WaitSlot) {
        let Some(socket) = self.unix.get(key) else { return };
        let waiters = match direction {
            Direction::Read => &mut socket.readers,
            Direction::Write => &mut socket.writers,
        };
        self.released.extend(waiters.add(waiter, slot));
    }

    /// Returns the socket that a send to `to`, or to the peer, would reach.
    pub(crate) fn target_unix(&mut self, key: Key, to: Option<&Name>) -> Option<Key> {
        match to {
            Some(name) => self.find_unix(key, name).ok(),
            None => self.unix.get(key).and_then(|socket| socket.peer),
        }
    }

    /// Shuts down receiving, sending, or both.
    pub(crate) fn shutdown_unix(&mut self, key: Key, reads: bool, writes: bool) -> Result<(), Errno> {
        let socket = self.unix.get(key).ok_or(Errno::NotConnected)?;
        if socket.peer.is_none() {
            return Err(Errno::NotConnected);
        }
        socket.read_shutdown |= reads;
        socket.write_shutdown |= writes;
        socket.ready[Direction::Read as usize] |= reads;
        socket.readers.wake(&mut self.woken);
        self.becomes_writable(key);
        self.has_capacity(key);
        Ok(())
    }

    /// Closes a socket.
    pub(crate) fn close_unix(&mut self, key: Key) {
        let Some(mut socket) = self.unix.remove(key) else { return };
        self.release_name(socket.host, &socket.name);
        socket.readers.wake(&mut self.released);
        socket.writers.wake(&mut self.released);
        for sender in socket.senders {
            self.becomes_writable(sender);
        }
    }

    /// Removes the sockets of a crashed host.
    pub(super) fn crash_unix(&mut self, host: u32) {
        for key in self.unix.keys() {
            if self.unix.get(key).is_some_and(|socket| socket.host == host)
                && let Some(mut socket) = self.unix.remove(key)
            {
                socket.readers.wake(&mut self.released);
                socket.writers.wake(&mut self.released);
            }
        }
        self.unix_names.retain(|(owner, _)| *owner != host);
    }
}
