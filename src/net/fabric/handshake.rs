//! How connections come about: listening, asking, agreeing, accepting.
//!
//! Always true: a connection is established once both sides know of the other, and stands in its listener's queue from
//! then on; a full queue is silent; nobody listening is a refusal; silence is tried again after 1, 2, 4, … seconds.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use super::connection::{Connection, End, EndKey, LOCAL, Options, Phase};
use super::hosts::{Binding, Protocol, Reuse};
use super::unix::Name;
use super::waiters::{As, Waiters};
use super::{Errno, Event, Fabric, Key, Turn};

const SECOND_NS: u64 = 1_000_000_000;

/// How long it takes to find out that nobody has an address.
const UNREACHABLE_NS: u64 = 3 * SECOND_NS;

/// A socket of TCP before it has a connection: bound perhaps, listening perhaps.
#[derive(Debug)]
pub(crate) struct Listener<W, R> {
    pub(crate) host: u32,
    pub(crate) local: SocketAddr,
    bound: bool,
    pub(crate) listens: bool,
    pub(super) backlog: u32,
    pub(super) queue: VecDeque<Key>,
    /// How many ends have agreed and are not established.
    pub(super) pending: u32,
    pub(crate) acceptors: Waiters<W>,
    pub(crate) reuse: Reuse,
    pub(crate) options: Options,
    pub(crate) resource: R,
    /// Of one within a host: what it is bound to.
    pub(crate) name: Option<Box<Name>>,
}

impl<W, R> Listener<W, R> {
    /// One within a host.
    pub(super) fn within(host: u32, name: Name, backlog: u32, resource: R) -> Self {
        Self {
            host,
            local: SocketAddr::from(([0; 4], 0)),
            bound: false,
            listens: true,
            backlog,
            queue: VecDeque::new(),
            pending: 0,
            acceptors: Waiters::default(),
            reuse: Reuse::default(),
            options: Options::default(),
            resource,
            name: Some(Box::new(name)),
        }
    }

    /// Puts a connection into the queue, if there is room.
    pub(super) fn push(&mut self, connection: Key) -> bool {
        let has_room = self.queue.len() as u32 + self.pending <= self.backlog;
        if has_room {
            self.queue.push_back(connection);
        }
        has_room
    }
}

impl<W: PartialEq, R: Copy> Fabric<W, R> {
    /// A socket that is bound to nothing; `any` says of which kind its addresses are.
    pub(crate) fn new_listener(&mut self, host: u32, any: SocketAddr, resource: R) -> Key {
        self.listeners.insert(Listener {
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
            resource,
            name: None,
        })
    }

    /// A socket that has no connection yet.
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

    /// Takes the connection that has waited longest.
    pub(crate) fn accept(&mut self, key: Key) -> Result<(EndKey, SocketAddr, R), Errno> {
        let listener = self.listeners.get(key).ok_or(Errno::InvalidInput)?;
        if !listener.listens {
            return Err(Errno::InvalidInput);
        }
        let connection = listener.queue.pop_front().ok_or(Errno::WouldBlock)?;
        let accepted = self.connections.get(connection).expect("what waits to be accepted is held");
        let end = &mut accepted.ends[1];
        end.phase = Phase::Open;
        end.listener = None;
        Ok((EndKey { connection, side: 1 }, end.peer, accepted.resource))
    }

    /// The socket has become a connection.
    pub(crate) fn use_up(&mut self, key: Key) {
        let Some(listener) = self.listeners.remove(key) else { return };
        if listener.bound {
            self.hosts.unbind(listener.host, Protocol::Tcp, listener.local.port(), key.slot);
        }
    }

    /// Somebody waits for a connection to accept.
    pub(crate) fn wait_to_accept(&mut self, key: Key, who: W, how: As) {
        if let Some(listener) = self.listeners.get(key) {
            self.garbage.extend(listener.acceptors.add(who, how));
        }
    }

    /// Nobody holds the socket any more: who waits to be accepted is reset.
    pub(crate) fn close_listener(&mut self, turn: &mut Turn<'_>, key: Key) {
        let Some(mut listener) = self.listeners.remove(key) else { return };
        if listener.bound {
            self.hosts.unbind(listener.host, Protocol::Tcp, listener.local.port(), key.slot);
        }
        if let Some(name) = listener.name {
            self.leave_listener(listener.host, &name);
        }
        listener.acceptors.wake(&mut self.garbage);
        for connection in listener.queue {
            let key = EndKey { connection, side: 1 };
            match self.end(key) {
                Some(end) if end.dead => {
                    (end.phase, end.listener) = (Phase::Nothing, None);
                    self.free(connection);
                }
                _ => self.reset_peer(turn, key),
            }
        }
    }

    /// Asks for a connection, from the socket's own address if it is bound. The socket itself is used up.
    pub(crate) fn connect(
        &mut self,
        turn: &mut Turn<'_>,
        socket: Key,
        peer: SocketAddr,
    ) -> Result<EndKey, Errno> {
        let listener = self.listeners.get(socket).ok_or(Errno::InvalidInput)?;
        let (host, local, options, resource) =
            (listener.host, listener.local, listener.options, listener.resource);
        if listener.listens {
            return Err(Errno::AlreadyConnected);
        }
        if local.is_ipv4() != peer.is_ipv4() {
            return Err(if local.is_ipv4() { Errno::FamilyNotSupported } else { Errno::NetworkUnreachable });
        }
        let peer = to_itself(peer);
        if peer.ip().is_multicast() {
            return Err(Errno::NetworkUnreachable);
        }
        let source = self.hosts.source(host, peer.ip()).ok_or(Errno::NetworkUnreachable)?;
        let local = if local.ip().is_unspecified() { SocketAddr::new(source, local.port()) } else { local };
        let local = self.hosts.connect(host, local, peer)?;
        let target = self.hosts.find(host, peer.ip());
        let other = target.unwrap_or(host);
        let mut link = |from, to| if from == to { LOCAL } else { self.links.between(from, to) };
        let (out, back) = (link(host, other), link(other, host));
        let ends = [
            End::new(host, Phase::Connecting, [local, peer], options, out),
            End::new(other, Phase::Nothing, [peer, local], Options::default(), back),
        ];
        let connection = self.connections.insert(Connection { ends, resource, names: None });
        if target.is_none() {
            self.queue.push(
                turn.now_ns + UNREACHABLE_NS,
                Event::Fail { connection, errno: Errno::HostUnreachable },
            );
        } else {
            self.ask(turn, connection, 0);
        }
        Ok(EndKey { connection, side: 0 })
    }

    /// Whether the connection has come about; `WouldBlock` while nobody knows.
    pub(crate) fn connected(&mut self, key: EndKey) -> Result<(), Errno> {
        let Some(connection) = self.connections.get(key.connection) else { return Err(Errno::NotConnected) };
        let end = &mut connection.ends[key.side as usize];
        match end.error.take() {
            Some(errno) => Err(errno),
            None if end.phase == Phase::Connecting => Err(Errno::WouldBlock),
            None => Ok(()),
        }
    }

    /// Sends the first packet, for the how-many-th time.
    pub(super) fn ask(&mut self, turn: &mut Turn<'_>, connection: Key, attempt: u8) {
        let connect_ns = self.times.connect_ns;
        let Some(ends) = self.ends(connection) else { return };
        if ends[0].phase != Phase::Connecting {
            return;
        }
        let (link, from, to) = (ends[0].out.link, ends[0].host, ends[1].host);
        if attempt > 0 && turn.now_ns.saturating_sub(ends[0].out.silent_since_ns) >= connect_ns {
            self.fail(EndKey { connection, side: 0 }, Errno::TimedOut);
            return;
        }
        if attempt == 0 {
            ends[0].out.silent_since_ns = turn.now_ns;
        }
        if link == LOCAL {
            self.asked(turn, connection, attempt);
        } else if self.passes(link, from, to) {
            let at_ns = self.links.at(link).send_segment(turn.now_ns, 60, turn.dice);
            self.queue.push(at_ns, Event::Asked { connection, attempt });
        } else {
            self.ask_again(turn, connection, attempt);
        }
    }

    /// Nobody has answered.
    pub(super) fn ask_again(&mut self, turn: &mut Turn<'_>, connection: Key, attempt: u8) {
        // Who asked may be gone, and so may who had agreed.
        self.free(connection);
        let Some(ends) = self.ends(connection) else { return };
        let since_ns = ends[0].out.silent_since_ns;
        // 1 s after the first time, 2 s after the second, …
        let after = |attempt: u8| since_ns + ((2_u64 << attempt.min(32)) - 1) * SECOND_NS;
        let attempt = (attempt..32).find(|attempt| after(*attempt) > turn.now_ns).unwrap_or(32);
        let next_ns = after(attempt);
        let at_ns = next_ns.min(since_ns + self.times.connect_ns).max(turn.now_ns + 1);
        self.queue.push(at_ns, Event::AskAgain { connection, attempt: attempt + 1 });
    }

    /// The first packet has come.
    pub(super) fn asked(&mut self, turn: &mut Turn<'_>, connection: Key, attempt: u8) {
        let Some(ends) = self.ends(connection) else { return };
        let (out, back) = (ends[0].out.link, ends[1].out.link);
        let (from, to, peer) = (ends[0].host, ends[1].host, ends[0].peer);
        if !self.passes(out, from, to) {
            self.ask_again(turn, connection, attempt);
            return;
        }
        let slot = self.hosts.socket(to, Protocol::Tcp, peer);
        let Some((slot, listener)) = slot.and_then(|slot| Some((slot, self.listeners.at(slot)?))) else {
            if self.passes(back, to, from) {
                self.reset_peer(turn, EndKey { connection, side: 1 });
            } else {
                self.ask_again(turn, connection, attempt);
            }
            return;
        };
        if listener.queue.len() as u32 + listener.pending > listener.backlog || !self.passes(back, to, from) {
            self.ask_again(turn, connection, attempt);
            return;
        }
        let listener = self.listeners.at(slot).expect("it was there a moment ago");
        listener.pending += 1;
        let (options, is_six) = (listener.options, listener.local.is_ipv6());
        let key = self.listeners.key(slot);
        let Some(ends) = self.ends(connection) else { return };
        let recv_buffer = ends[0].options.recv_buffer;
        ends[0].out.capacity = ends[0].options.send_buffer.saturating_add(options.recv_buffer);
        let end = &mut ends[1];
        end.phase = Phase::HalfOpen;
        // The host may have crashed since it agreed the last time.
        end.dead = false;
        end.listener = key;
        end.options = options;
        end.out.capacity = options.send_buffer.saturating_add(recv_buffer);
        if is_six {
            (end.local, end.peer) = (mapped(end.local), mapped(end.peer));
        }
        if back == LOCAL {
            self.agreed(turn, connection, attempt);
        } else {
            let at_ns = self.links.at(back).send_segment(turn.now_ns, 60, turn.dice);
            self.queue.push(at_ns, Event::Agreed { connection, attempt });
        }
    }

    /// The answer has come.
    pub(super) fn agreed(&mut self, turn: &mut Turn<'_>, connection: Key, attempt: u8) {
        let Some(ends) = self.ends(connection) else { return };
        let (back, from, to) = (ends[1].out.link, ends[1].host, ends[0].host);
        if !self.passes(back, from, to) {
            self.forget_half_open(connection);
            self.ask_again(turn, connection, attempt);
            return;
        }
        let Some(ends) = self.ends(connection) else { return };
        if ends[0].phase != Phase::Connecting {
            // Who asked has gone away meanwhile.
            let out = ends[0].out.link;
            if self.passes(out, to, from) {
                self.reset_peer(turn, EndKey { connection, side: 0 });
            } else {
                self.forget_half_open(connection);
                self.free(connection);
            }
            return;
        }
        ends[0].phase = Phase::Open;
        ends[0].out.greets = true;
        self.wake_both(EndKey { connection, side: 0 });
        self.transmit(turn, EndKey { connection, side: 0 });
    }

    /// The end that has agreed takes it back.
    pub(super) fn forget_half_open(&mut self, connection: Key) {
        let Some(ends) = self.ends(connection) else { return };
        if ends[1].phase == Phase::HalfOpen {
            ends[1].phase = Phase::Nothing;
            let listener = ends[1].listener.take();
            if let Some(listener) = listener.and_then(|key| self.listeners.get(key)) {
                listener.pending -= 1;
            }
        }
    }

    /// Who asked knows that it has been agreed to: it waits to be accepted, or nobody is there any more.
    pub(super) fn establish(&mut self, connection: Key) {
        let key = self.ends(connection).and_then(|ends| ends[1].listener);
        let listener = key.and_then(|key| self.listeners.get(key));
        let phase = if listener.is_some() { Phase::Queued } else { Phase::Nothing };
        if let Some(listener) = listener {
            listener.pending -= 1;
            listener.queue.push_back(connection);
            listener.acceptors.wake(&mut self.woken);
        }
        if let Some([_, end]) = self.ends(connection) {
            end.phase = phase;
        }
    }
}

/// To connect to all addresses is to connect to oneself.
pub(super) fn to_itself(peer: SocketAddr) -> SocketAddr {
    match peer.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => with_ip(peer, std::net::Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => with_ip(peer, std::net::Ipv6Addr::LOCALHOST.into()),
        _ => peer,
    }
}

fn with_ip(mut address: SocketAddr, ip: IpAddr) -> SocketAddr {
    address.set_ip(ip);
    address
}

pub(super) fn with_port(mut address: SocketAddr, port: u16) -> SocketAddr {
    address.set_port(port);
    address
}

/// How a socket of IPv6 shows an address of IPv4.
pub(super) fn mapped(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(four) => SocketAddrV6::new(four.ip().to_ipv6_mapped(), four.port(), 0, 0).into(),
        six => six,
    }
}
