//! Sockets within a host, which have names in place of addresses.
//!
//! Always true: a name is one socket's at a time; it is free again once that is closed, and whoever connects to it then is
//! refused, as by a file that nobody listens at; a datagram comes whole, in order, and once.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::connection::{Connection, End, EndKey, LOCAL, Options, Phase};
use super::handshake::Listener;
use super::waiters::{As, Waiters};
use super::{Direction, Errno, Fabric, Key};

/// What a socket of a host is bound to.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Name {
    /// Nothing.
    #[default]
    Unnamed,
    /// A path.
    Path(PathBuf),
    /// A name that is no path, as Linux has them.
    Abstract(Vec<u8>),
}

/// Who has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Listener(Key),
    Datagram(Key),
    /// Nobody any more.
    Left,
}

/// Datagrams that wait to be received at most, as under Linux.
const QUEUE_MAX: usize = 11;

/// The longest datagram.
const LONGEST: usize = 212_960;

/// A socket for datagrams within a host.
#[derive(Debug)]
pub(crate) struct UnixDatagram<W> {
    pub(super) host: u32,
    pub(crate) name: Name,
    peer: Option<Key>,
    pub(super) queue: VecDeque<(Name, Box<[u8]>)>,
    pub(super) readers: Waiters<W>,
    /// Who waits for room in this one's queue.
    pub(super) senders: Waiters<W>,
    pub(crate) reads_no_more: bool,
    pub(crate) writes_no_more: bool,
}

/// Ends of streams within a host have no address.
const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

impl<W: PartialEq, R: Copy> Fabric<W, R> {
    fn take_name(&mut self, host: u32, name: &Name, named: Named) -> Result<(), Errno> {
        if *name == Name::Unnamed {
            return Ok(());
        }
        let key = (host, name.clone());
        match self.unix_names.get(&key) {
            Some(Named::Left) | None => {
                self.unix_names.insert(key, named);
                Ok(())
            }
            Some(_) => Err(Errno::AddrInUse),
        }
    }

    fn leave_name(&mut self, host: u32, name: &Name) {
        if let Name::Path(_) = name {
            self.unix_names.insert((host, name.clone()), Named::Left);
        } else {
            self.unix_names.remove(&(host, name.clone()));
        }
    }

    /// Listens at a name.
    pub(crate) fn listen_unix(
        &mut self,
        host: u32,
        name: Name,
        backlog: u32,
        resource: R,
    ) -> Result<Key, Errno> {
        let key = self.listeners.insert(Listener::within(host, name.clone(), backlog, resource));
        if let Err(errno) = self.take_name(host, &name, Named::Listener(key)) {
            self.listeners.remove(key);
            return Err(errno);
        }
        Ok(key)
    }

    pub(super) fn leave_listener(&mut self, host: u32, name: &Name) {
        self.leave_name(host, name);
    }

    /// Connects to a name: at once, or not at all.
    pub(crate) fn connect_unix(
        &mut self,
        host: u32,
        name: &Name,
        own: Name,
        resource: R,
    ) -> Result<EndKey, Errno> {
        let listener = match self.unix_names.get(&(host, name.clone())) {
            Some(Named::Listener(key)) => *key,
            Some(Named::Left) => return Err(Errno::ConnectionRefused),
            Some(Named::Datagram(_)) => return Err(Errno::WrongType),
            None if matches!(name, Name::Abstract(_)) => return Err(Errno::ConnectionRefused),
            None => return Err(Errno::NotFound),
        };
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

    /// Two ends that are connected to each other.
    pub(crate) fn pair_unix(&mut self, host: u32, names: [Name; 2], resource: R) -> Key {
        let options = Options { send_buffer: 106_496, recv_buffer: 106_496, ..Options::default() };
        let end = || End::new(host, Phase::Open, [NOWHERE; 2], options, LOCAL);
        self.connections.insert(Connection { ends: [end(), end()], resource, names: Some(names.into()) })
    }

    /// What the two ends are bound to: this one, and the other.
    pub(crate) fn names_unix(&mut self, key: EndKey) -> Option<[Name; 2]> {
        let [zero, one] = &**self.connections.get(key.connection)?.names.as_ref()?;
        Some(if key.side == 0 { [zero.clone(), one.clone()] } else { [one.clone(), zero.clone()] })
    }

    // --- datagrams ---

    /// A socket for datagrams; `Unnamed` for one that is bound to nothing.
    pub(crate) fn bind_unix(&mut self, host: u32, name: Name) -> Result<Key, Errno> {
        let key = self.unix.insert(UnixDatagram {
            host,
            name: name.clone(),
            peer: None,
            queue: VecDeque::new(),
            readers: Waiters::default(),
            senders: Waiters::default(),
            reads_no_more: false,
            writes_no_more: false,
        });
        if let Err(errno) = self.take_name(host, &name, Named::Datagram(key)) {
            self.unix.remove(key);
            return Err(errno);
        }
        Ok(key)
    }

    /// Two sockets that speak to each other.
    pub(crate) fn pair_datagrams(&mut self, host: u32) -> Result<[Key; 2], Errno> {
        let keys = [self.bind_unix(host, Name::Unnamed)?, self.bind_unix(host, Name::Unnamed)?];
        for (key, peer) in [(keys[0], keys[1]), (keys[1], keys[0])] {
            if let Some(socket) = self.unix.get(key) {
                socket.peer = Some(peer);
            }
        }
        Ok(keys)
    }

    /// A socket for datagrams.
    pub(crate) fn unix(&mut self, key: Key) -> Option<&mut UnixDatagram<W>> {
        self.unix.get(key)
    }

    /// What the one is bound to to whom the socket speaks.
    pub(crate) fn peer_unix(&mut self, key: Key) -> Result<Name, Errno> {
        let peer = self.unix.get(key).and_then(|socket| socket.peer).ok_or(Errno::NotConnected)?;
        self.unix.get(peer).map(|peer| peer.name.clone()).ok_or(Errno::NotConnected)
    }

    fn find_unix(&mut self, key: Key, name: &Name) -> Result<Key, Errno> {
        let host = self.unix.get(key).ok_or(Errno::NotConnected)?.host;
        match self.unix_names.get(&(host, name.clone())) {
            Some(Named::Datagram(peer)) => Ok(*peer),
            Some(Named::Left) => Err(Errno::ConnectionRefused),
            Some(Named::Listener(_)) => Err(Errno::WrongType),
            None => Err(Errno::NotFound),
        }
    }

    /// Sets the one to whom the socket speaks.
    pub(crate) fn connect_datagram(&mut self, key: Key, name: &Name) -> Result<(), Errno> {
        let peer = self.find_unix(key, name)?;
        if let Some(socket) = self.unix.get(key) {
            socket.peer = Some(peer);
        }
        Ok(())
    }

    /// Sends a datagram; `WouldBlock` where the other one has no room.
    pub(crate) fn send_unix(&mut self, key: Key, to: Option<&Name>, bytes: &[u8]) -> Result<usize, Errno> {
        let socket = self.unix.get(key).ok_or(Errno::NotConnected)?;
        if socket.writes_no_more {
            return Err(Errno::BrokenPipe);
        }
        if bytes.len() > LONGEST {
            return Err(Errno::MessageTooLong);
        }
        let (name, own_peer) = (socket.name.clone(), socket.peer);
        let peer = match to {
            Some(name) => self.find_unix(key, name)?,
            None => own_peer.ok_or(Errno::NotConnected)?,
        };
        let Some(target) = self.unix.get(peer) else { return Err(Errno::ConnectionRefused) };
        if target.reads_no_more {
            return Err(Errno::BrokenPipe);
        }
        if target.peer.is_some_and(|only| only != key) {
            return Err(Errno::NotPermitted);
        }
        if target.queue.len() >= QUEUE_MAX {
            return Err(Errno::WouldBlock);
        }
        target.queue.push_back((name, bytes.into()));
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
        let Some((from, bytes)) = socket.queue.pop_front() else {
            return if socket.reads_no_more { Ok((0, Name::Unnamed)) } else { Err(Errno::WouldBlock) };
        };
        socket.senders.wake(&mut self.woken);
        let count = bytes.len().min(max);
        take(&bytes[..count]);
        Ok((count, from))
    }

    /// Somebody waits until the socket can receive, or send to this name or its peer.
    pub(crate) fn wait_unix(&mut self, key: Key, direction: Direction, to: Option<&Name>, who: W, how: As) {
        let waiters = match direction {
            Direction::Read => self.unix.get(key).map(|socket| &mut socket.readers),
            Direction::Write => {
                let peer = self.target_unix(key, to);
                // Several may wait for room in one queue.
                peer.and_then(|peer| self.unix.get(peer)).map(|socket| &mut socket.senders)
            }
        };
        let how = if direction == Direction::Write { As::One } else { how };
        if let Some(waiters) = waiters {
            self.garbage.extend(waiters.add(who, how));
        }
    }

    /// Whom the socket would send to, by name or as its peer.
    pub(crate) fn target_unix(&mut self, key: Key, to: Option<&Name>) -> Option<Key> {
        match to {
            Some(name) => self.find_unix(key, name).ok(),
            None => self.unix.get(key).and_then(|socket| socket.peer),
        }
    }

    /// Whether it can receive, and send to its peer.
    pub(crate) fn readiness_unix(&mut self, key: Key) -> [bool; 2] {
        let Some(socket) = self.unix.get(key) else { return [true; 2] };
        let (readable, peer) = (!socket.queue.is_empty() || socket.reads_no_more, socket.peer);
        let room = peer.and_then(|peer| self.unix.get(peer)).is_none_or(|peer| peer.queue.len() < QUEUE_MAX);
        [readable, room]
    }

    /// The socket reads or writes no more.
    pub(crate) fn shutdown_unix(&mut self, key: Key, reads: bool, writes: bool) -> Result<(), Errno> {
        let Self { unix, woken, .. } = self;
        let socket = unix.get(key).ok_or(Errno::NotConnected)?;
        if socket.peer.is_none() {
            return Err(Errno::NotConnected);
        }
        socket.reads_no_more |= reads;
        socket.writes_no_more |= writes;
        socket.readers.wake(woken);
        socket.senders.wake(woken);
        Ok(())
    }

    /// Nobody holds the socket any more.
    pub(crate) fn close_unix(&mut self, key: Key) {
        let Some(mut socket) = self.unix.remove(key) else { return };
        self.leave_name(socket.host, &socket.name);
        socket.readers.wake(&mut self.garbage);
        socket.senders.wake(&mut self.woken);
    }

    /// The sockets of this host are gone.
    pub(super) fn crash_unix(&mut self, host: u32) {
        for key in self.unix.keys() {
            if self.unix.get(key).is_some_and(|socket| socket.host == host)
                && let Some(mut socket) = self.unix.remove(key)
            {
                socket.readers.wake(&mut self.garbage);
                socket.senders.wake(&mut self.garbage);
            }
        }
        self.unix_names.retain(|(owner, _), _| *owner != host);
    }
}
