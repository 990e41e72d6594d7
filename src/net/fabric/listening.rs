//! TCP sockets without a connection, and listeners: bind, listen, accept and the backlog.
//!
//! # Invariants
//! Connections are accepted in the order in which they were established. A listener never has more than `backlog` + 1
//! half-open and queued connections.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::address::with_port;
use super::connection::{EndKey, Options, Phase};
use super::hosts::{Binding, Protocol, Reuse};
use super::unix::Name;
use super::waiters::{WaitSlot, Waiters};
use super::{CallContext, Errno, Fabric, Key};

/// A TCP socket without a connection, or a Unix stream socket that is bound or listens.
#[derive(Debug)]
pub(crate) struct Listener<W, R> {
    pub(crate) host: u32,
    pub(crate) local: SocketAddr,
    bound: bool,
    pub(crate) listens: bool,
    pub(super) backlog: u32,
    pub(super) queue: VecDeque<Key>,
    /// The number of half-open connections: those that have sent a SYN-ACK and are not established.
    pub(super) pending: u32,
    pub(crate) acceptors: Waiters<W>,
    pub(crate) reuse: Reuse,
    pub(crate) options: Options,
    /// The network interface that the program has named.
    #[cfg_attr(
        not(any(target_os = "android", target_os = "fuchsia", target_os = "linux")),
        expect(dead_code, reason = "other systems have no option for it")
    )]
    pub(crate) device: Option<Box<[u8]>>,
    pub(crate) resource: R,
    /// The name that a Unix listener is bound to; `None` for TCP.
    pub(crate) name: Option<Box<Name>>,
}

impl<W, R> Listener<W, R> {
    /// Creates an unbound TCP socket. `any` is the unspecified address of its family.
    fn new(host: u32, any: SocketAddr, resource: R) -> Self {
        Self {
            host,
            local: any,
            bound: false,
            listens: false,
            backlog: 0,
            queue: VecDeque::new(),
            pending: 0,
            acceptors: Waiters::default(),
            reuse: Reuse::default(),
            options: Options::default(),
            device: None,
            resource,
            name: None,
        }
    }

    /// Creates a bound Unix stream socket.
    pub(super) fn within(host: u32, name: Name, resource: R) -> Self {
        let socket = Self::new(host, SocketAddr::from(([0; 4], 0)), resource);
        Self { name: Some(Box::new(name)), ..socket }
    }

    /// Queues a connection. Returns `false` if the queue is full.
    pub(super) fn push(&mut self, connection: Key) -> bool {
        let has_capacity = self.queue.len() as u32 + self.pending <= self.backlog;
        if has_capacity {
            self.queue.push_back(connection);
        }
        has_capacity
    }
}

impl<W: PartialEq, R: Copy> Fabric<W, R> {
    /// Creates an unbound TCP socket. `any` is the unspecified address of its family.
    pub(crate) fn new_listener(&mut self, host: u32, any: SocketAddr, resource: R) -> Key {
        self.listeners.insert(Listener::new(host, any, resource))
    }

    /// Returns a TCP socket that has no connection yet, or a listener.
    pub(crate) fn listener(&mut self, key: Key) -> Option<&mut Listener<W, R>> {
        self.listeners.get(key)
    }

    /// Binds a socket.
    pub(crate) fn bind_listener(&mut self, key: Key, local: SocketAddr) -> Result<(), Errno> {
        let listener = self.listeners.get(key).ok_or(Errno::InvalidInput)?;
        if listener.bound {
            return Err(Errno::InvalidInput);
        }
        if listener.local.is_ipv4() != local.is_ipv4() {
            return Err(if local.is_ipv4() { Errno::InvalidInput } else { Errno::FamilyNotSupported });
        }
        let binding = Binding { ip: local.ip(), socket: key.slot, listens: false, reuse: listener.reuse };
        let port = self.hosts.bind(listener.host, Protocol::Tcp, local.port(), binding)?;
        listener.local = with_port(local, port);
        listener.bound = true;
        Ok(())
    }

    /// Begins to listen.
    pub(crate) fn listen(&mut self, key: Key, backlog: u32) -> Result<(), Errno> {
        let listener = self.listeners.get(key).ok_or(Errno::InvalidInput)?;
        if !listener.bound {
            let any = listener.local;
            self.bind_listener(key, any)?;
        }
        let listener = self.listeners.get(key).ok_or(Errno::InvalidInput)?;
        self.hosts.listen(listener.host, listener.local.port(), key.slot)?;
        listener.listens = true;
        listener.backlog = backlog;
        Ok(())
    }

    /// Accepts the connection that has been queued longest.
    pub(crate) fn accept(&mut self, key: Key) -> Result<(EndKey, SocketAddr, R), Errno> {
        let listener = self.listeners.get(key).ok_or(Errno::InvalidInput)?;
        if !listener.listens {
            return Err(Errno::InvalidInput);
        }
        let connection = listener.queue.pop_front().ok_or(Errno::WouldBlock)?;
        let accepted = self.connections.get(connection).expect("a queued connection exists");
        let end = &mut accepted.ends[1];
        end.phase = Phase::Open;
        end.listener = None;
        // As in tokio: the client has probably sent something already.
        end.read_ready = true;
        Ok((EndKey { connection, side: 1 }, end.peer, accepted.resource))
    }

    /// Removes a socket that has become a connection.
    pub(crate) fn remove_socket(&mut self, key: Key) {
        let Some(listener) = self.listeners.remove(key) else { return };
        if listener.bound {
            self.hosts.unbind(listener.host, Protocol::Tcp, listener.local.port(), key.slot);
        }
    }

    /// Registers a waiter for a connection to accept.
    pub(crate) fn wait_to_accept(&mut self, key: Key, waiter: W, slot: WaitSlot) {
        if let Some(listener) = self.listeners.get(key) {
            self.released.extend(listener.acceptors.add(waiter, slot));
        }
    }

    /// Closes a socket or listener, and resets the connections in its queue.
    pub(crate) fn close_listener(&mut self, ctx: &mut CallContext<'_>, key: Key) {
        let Some(mut listener) = self.listeners.remove(key) else { return };
        if listener.bound {
            self.hosts.unbind(listener.host, Protocol::Tcp, listener.local.port(), key.slot);
        }
        if let Some(name) = listener.name {
            self.release_listener_name(listener.host, &name);
        }
        listener.acceptors.wake(&mut self.released);
        for connection in listener.queue {
            let key = EndKey { connection, side: 1 };
            match self.end(key) {
                Some(end) if end.dead => {
                    (end.phase, end.listener) = (Phase::Absent, None);
                    self.remove_if_unheld(connection);
                }
                _ => self.reset_peer(ctx, key),
            }
        }
    }
}
