//! Sockets of UDP, and datagrams on their way.
//!
//! Always true: a datagram comes whole or not at all, and says truly who sent it; whoever has set its socket to one peer hears
//! of nobody else, and learns when nobody is there.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::connection::{LOCAL, Options};
use super::handshake::{mapped, to_itself, with_port};
use super::hosts::{Binding, Protocol, Reuse};
use super::waiters::{As, Waiters};
use super::{Errno, Event, Fabric, Key, Turn};

/// The longest datagram.
const LONGEST: usize = 65_507;

/// How many bytes wait to be received at most, as under Linux, and what each datagram takes besides its own.
const QUEUE_BYTES: usize = 212_992;
const OVERHEAD: usize = 256;

/// What has come, and from whom.
#[derive(Debug)]
struct Datagram {
    about: About,
    bytes: Box<[u8]>,
}

/// What is known of a datagram that has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About {
    pub(crate) from: SocketAddr,
    /// The address of this host that it was sent to.
    #[cfg_attr(not(feature = "quinn"), expect(dead_code, reason = "read by an adapter"))]
    pub(crate) to: IpAddr,
    pub(crate) bytes: usize,
    /// As [`Manner::congestion`].
    #[cfg_attr(not(feature = "quinn"), expect(dead_code, reason = "read by an adapter"))]
    pub(crate) congestion: u8,
}

/// How a datagram is to be sent, besides to whom.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manner {
    /// From which of the host's addresses; any that goes with the receiver's otherwise.
    pub(crate) source: Option<IpAddr>,
    /// The two bits of explicit congestion notification, which arrive as they are sent.
    pub(crate) congestion: u8,
    /// Where it is longer than a packet of the link may be, it is lost, and does not travel in pieces.
    pub(crate) whole: bool,
}

/// What is under way.
#[derive(Debug)]
pub(super) struct Flight {
    link: u32,
    pub(super) host: u32,
    pub(super) to: SocketAddr,
    from: SocketAddr,
    /// The socket that has sent it.
    sender: Key,
    congestion: u8,
    whole: bool,
    bytes: Box<[u8]>,
    /// It has been under way, and is held where it was to come.
    came: bool,
}

/// A socket of UDP.
#[derive(Debug)]
pub(crate) struct UdpSocket<W> {
    pub(crate) host: u32,
    pub(crate) local: SocketAddr,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) broadcast: bool,
    pub(crate) loops: bool,
    pub(crate) multicast_ttl: u32,
    pub(crate) options: Options,
    groups: Vec<IpAddr>,
    queue: VecDeque<Datagram>,
    queued_bytes: usize,
    pub(crate) error: Option<Errno>,
    pub(super) readers: Waiters<W>,
}

impl Flight {
    fn about(&self) -> About {
        About { from: self.from, to: self.to.ip(), bytes: self.bytes.len(), congestion: self.congestion }
    }
}

impl<W> UdpSocket<W> {
    /// Whether a receive would not wait.
    pub(crate) fn is_readable(&self) -> bool {
        !self.queue.is_empty() || self.error.is_some()
    }
}

impl<W: PartialEq, R: Copy> Fabric<W, R> {
    /// A socket at an address of `host`.
    pub(crate) fn bind_udp(&mut self, host: u32, local: SocketAddr) -> Result<Key, Errno> {
        let key = self.udp.insert(UdpSocket {
            host,
            local,
            peer: None,
            broadcast: false,
            loops: true,
            multicast_ttl: 1,
            options: Options::default(),
            groups: Vec::new(),
            queue: VecDeque::new(),
            queued_bytes: 0,
            error: None,
            readers: Waiters::default(),
        });
        let binding = Binding { ip: local.ip(), socket: key.slot, listens: false, reuse: Reuse::default() };
        match self.hosts.bind(host, Protocol::Udp, local.port(), binding) {
            Ok(port) => {
                if let Some(socket) = self.udp.get(key) {
                    socket.local = with_port(local, port);
                }
                Ok(key)
            }
            Err(errno) => {
                self.udp.remove(key);
                Err(errno)
            }
        }
    }

    /// A socket.
    pub(crate) fn udp(&mut self, key: Key) -> Option<&mut UdpSocket<W>> {
        self.udp.get(key)
    }

    /// Nobody holds the socket any more.
    pub(crate) fn close_udp(&mut self, key: Key) {
        let Some(mut socket) = self.udp.remove(key) else { return };
        self.hosts.unbind(socket.host, Protocol::Udp, socket.local.port(), key.slot);
        socket.readers.wake(&mut self.garbage);
    }

    /// Sets the one whom the socket speaks to.
    pub(crate) fn connect_udp(&mut self, key: Key, peer: SocketAddr) -> Result<(), Errno> {
        let socket = self.udp.get(key).ok_or(Errno::NotConnected)?;
        if peer.is_ipv6() && socket.local.is_ipv4() {
            return Err(Errno::FamilyNotSupported);
        }
        let peer = to_itself(peer);
        let source = self.hosts.source(socket.host, peer.ip()).ok_or(Errno::NetworkUnreachable)?;
        if socket.local.ip().is_unspecified() {
            socket.local.set_ip(source);
        }
        socket.peer = Some(peer);
        Ok(())
    }

    /// Sends a datagram, to `to` or to the peer.
    pub(crate) fn send(
        &mut self,
        turn: &mut Turn<'_>,
        key: Key,
        to: Option<SocketAddr>,
        bytes: &[u8],
        manner: Manner,
    ) -> Result<usize, Errno> {
        let socket = self.udp.get(key).ok_or(Errno::NotConnected)?;
        if let Some(errno) = socket.error.take() {
            return Err(errno);
        }
        let to = to.or(socket.peer).ok_or(Errno::DestinationRequired)?;
        if socket.local.is_ipv4() && to.is_ipv6() {
            return Err(Errno::FamilyNotSupported);
        }
        if to.port() == 0 {
            return Err(Errno::InvalidInput);
        }
        if bytes.len() > LONGEST {
            return Err(Errno::MessageTooLong);
        }
        let to = SocketAddr::new(to_itself(to).ip().to_canonical(), to.port());
        let is_broadcast = to.ip() == IpAddr::V4(Ipv4Addr::BROADCAST);
        if is_broadcast && !socket.broadcast {
            return Err(Errno::PermissionDenied);
        }
        let (host, loops, local) = (socket.host, socket.loops, socket.local);
        let to_many = is_broadcast || to.ip().is_multicast();
        let own = manner.source.unwrap_or(local.ip()).to_canonical();
        if manner.source.is_some() && !self.hosts.is_own(host, own) {
            return Err(Errno::AddrNotAvailable);
        }
        let from = if own.is_unspecified() || own.is_ipv4() != to.ip().is_ipv4() {
            self.hosts.source(host, to.ip()).ok_or(Errno::NetworkUnreachable)?
        } else {
            own
        };
        let from = SocketAddr::new(from, local.port());
        let mut sends = |host: u32, fabric: &mut Self| {
            let own = fabric.udp.get(key).map_or(host, |socket| socket.host);
            let link = fabric.link(own, host);
            let Manner { congestion, whole, .. } = manner;
            let bytes = bytes.into();
            let flight = Flight { link, host, to, from, sender: key, congestion, whole, bytes, came: false };
            fabric.launch(turn, flight);
        };
        if to_many {
            for other in 0..self.hosts.hosts.len() as u32 {
                if other != host || loops || is_broadcast {
                    sends(other, self);
                }
            }
        } else if let Some(other) = self.hosts.find(host, to.ip()) {
            sends(other, self);
        }
        Ok(bytes.len())
    }

    /// A datagram leaves.
    fn launch(&mut self, turn: &mut Turn<'_>, flight: Flight) {
        if flight.link == LOCAL {
            self.land(turn, flight);
            return;
        }
        let link = self.links.at(flight.link);
        if link.held {
            self.held.push(flight);
            return;
        }
        let (from, to) = (link.from, link.to);
        if !self.passes(flight.link, from, to) {
            return;
        }
        let bytes = flight.bytes.len() as u64 + 28;
        let headers = if flight.to.is_ipv4() { 28 } else { 48 };
        if flight.whole && flight.bytes.len() + headers > self.links.at(flight.link).model.mtu as usize {
            return;
        }
        let arrivals = self.links.at(flight.link).send_datagram(turn.now_ns, bytes, turn.dice);
        let double = arrivals[1].map(|at_ns| (at_ns, Flight { bytes: flight.bytes.clone(), ..flight }));
        let first = arrivals[0].map(|at_ns| (at_ns, flight));
        for (at_ns, flight) in first.into_iter().chain(double) {
            if at_ns <= turn.now_ns {
                self.land(turn, flight);
            } else {
                let flight = self.flights.insert(flight);
                self.queue.push(at_ns, Event::Datagram { flight });
            }
        }
    }

    /// What was held on a link leaves.
    pub(crate) fn release_datagrams(&mut self, turn: &mut Turn<'_>, link: u32) {
        let held = std::mem::take(&mut self.held);
        let (released, kept): (Vec<_>, Vec<_>) = held.into_iter().partition(|flight| flight.link == link);
        self.held = kept;
        for flight in released {
            if flight.came {
                self.come(turn, flight);
            } else {
                self.launch(turn, flight);
            }
        }
    }

    /// A datagram comes.
    pub(super) fn datagram(&mut self, turn: &mut Turn<'_>, flight: Key) {
        if let Some(flight) = self.flights.remove(flight) {
            self.come(turn, flight);
        }
    }

    fn come(&mut self, turn: &mut Turn<'_>, flight: Flight) {
        let link = self.links.at(flight.link);
        let (from, to, held) = (link.from, link.to, link.held);
        if held {
            self.held.push(Flight { came: true, ..flight });
        } else if self.passes(flight.link, from, to) {
            self.land(turn, flight);
        }
    }

    fn land(&mut self, turn: &mut Turn<'_>, flight: Flight) {
        let ip = flight.to.ip();
        let to_many = ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST);
        if to_many {
            let bound: Vec<Binding> =
                self.hosts.sockets(flight.host, Protocol::Udp, flight.to.port()).collect();
            for binding in bound {
                let Some(socket) = self.udp.at(binding.socket) else { continue };
                let takes = if ip.is_multicast() {
                    socket.groups.contains(&ip) && (binding.ip.is_unspecified() || binding.ip == ip)
                } else {
                    binding.ip.is_unspecified()
                };
                if takes {
                    self.deliver(binding.socket, flight.about(), flight.bytes.clone());
                }
            }
            return;
        }
        match self.hosts.socket(flight.host, Protocol::Udp, flight.to) {
            Some(slot) => self.deliver(slot, flight.about(), flight.bytes),
            None => self.nobody_is_there(turn, &flight),
        }
    }

    fn deliver(&mut self, slot: u32, mut about: About, bytes: Box<[u8]>) {
        let Some(socket) = self.udp.at(slot) else { return };
        if socket.local.is_ipv6() {
            about.from = mapped(about.from);
        }
        if socket.peer.is_some_and(|peer| peer != about.from) {
            return;
        }
        let taken = socket.queued_bytes + bytes.len() + OVERHEAD;
        if taken > QUEUE_BYTES {
            return;
        }
        socket.queued_bytes = taken;
        socket.queue.push_back(Datagram { about, bytes });
        socket.readers.wake(&mut self.woken);
    }

    /// The sender learns of it, if it speaks to this one alone.
    fn nobody_is_there(&mut self, turn: &mut Turn<'_>, flight: &Flight) {
        let Some(sender) = self.udp.get(flight.sender) else { return };
        if sender.peer.is_none_or(|peer| peer.port() != flight.to.port()) {
            return;
        }
        let host = sender.host;
        let back = self.link(flight.host, host);
        if back == LOCAL {
            self.refused(flight.sender);
        } else if self.passes(back, flight.host, host) {
            let at_ns = self.links.at(back).send_segment(turn.now_ns, 56, turn.dice);
            self.queue.push(at_ns, Event::Refused { socket: flight.sender });
        }
    }

    /// The socket learns that nobody is at its peer's address.
    pub(super) fn refused(&mut self, key: Key) {
        if let Some(socket) = self.udp.get(key) {
            socket.error = Some(Errno::ConnectionRefused);
            socket.readers.wake(&mut self.woken);
        }
    }

    /// Receives a datagram: `take` gets as much of it as fits in `max` bytes, and the rest is lost. With `peek` it stays.
    pub(crate) fn receive(
        &mut self,
        key: Key,
        max: usize,
        peek: bool,
        take: impl FnOnce(&[u8]),
    ) -> Result<About, Errno> {
        let socket = self.udp.get(key).ok_or(Errno::NotConnected)?;
        if let Some(errno) = socket.error.take() {
            return Err(errno);
        }
        let datagram = socket.queue.front().ok_or(Errno::WouldBlock)?;
        let count = datagram.bytes.len().min(max);
        take(&datagram.bytes[..count]);
        let about = About { bytes: count, ..datagram.about };
        if !peek {
            socket.queued_bytes -= datagram.bytes.len() + OVERHEAD;
            socket.queue.pop_front();
        }
        Ok(about)
    }

    /// Somebody waits for a datagram.
    pub(crate) fn wait_to_receive(&mut self, key: Key, who: W, how: As) {
        if let Some(socket) = self.udp.get(key) {
            self.garbage.extend(socket.readers.add(who, how));
        }
    }

    /// The socket hears what is sent to a group from now on, or no more.
    pub(crate) fn set_member(&mut self, key: Key, group: IpAddr, joins: bool) -> Result<(), Errno> {
        if !group.is_multicast() {
            return Err(Errno::InvalidInput);
        }
        let socket = self.udp.get(key).ok_or(Errno::NotConnected)?;
        let is_member = socket.groups.contains(&group);
        match (joins, is_member) {
            (true, true) => Err(Errno::AddrInUse),
            (false, false) => Err(Errno::AddrNotAvailable),
            (true, false) => {
                socket.groups.push(group);
                Ok(())
            }
            (false, true) => {
                socket.groups.retain(|other| *other != group);
                Ok(())
            }
        }
    }

    /// The link from one host to another.
    pub(crate) fn link(&mut self, from: u32, to: u32) -> u32 {
        if from == to { LOCAL } else { self.links.between(from, to) }
    }

    /// The sockets of this host are gone.
    pub(super) fn crash_udp(&mut self, host: u32) {
        for key in self.udp.keys() {
            if self.udp.get(key).is_some_and(|socket| socket.host == host)
                && let Some(mut socket) = self.udp.remove(key)
            {
                socket.readers.wake(&mut self.garbage);
            }
        }
    }
}
