//! UDP sockets, and datagrams in flight.
//!
//! # Invariants
//! A datagram arrives whole or not at all, with its true source address. A connected socket receives from its peer
//! only, and gets an error if the peer's port is unreachable.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::address::{loopback_if_unspecified, mapped, with_port};
use super::connection::{LOCAL, Options};
use super::hosts::{Binding, Protocol, Reuse};
use super::waiters::{WaitSlot, Waiters};
use super::{CallContext, Direction, Errno, Event, Fabric, Key};

/// The maximum size of a datagram over IPv4. Over IPv6, the header does not count.
const DATAGRAM_BYTES_MAX: usize = 65_507;
const IPV4_HEADER_BYTES: usize = 20;

/// The size of a receive queue in bytes, as under Linux, and the overhead that each datagram adds.
const QUEUE_BYTES: usize = 212_992;
const OVERHEAD: usize = 256;

/// A datagram in a receive queue.
#[derive(Debug)]
struct Datagram {
    meta: RecvMeta,
    bytes: Box<[u8]>,
}

/// What the receiver learns of a datagram besides its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecvMeta {
    pub(crate) from: SocketAddr,
    /// The destination address of the datagram, an address of this host.
    #[cfg_attr(not(feature = "quinn"), expect(dead_code, reason = "read by an adapter"))]
    pub(crate) to: IpAddr,
    pub(crate) bytes: usize,
    /// See [`Transmit::congestion`].
    #[cfg_attr(not(feature = "quinn"), expect(dead_code, reason = "read by an adapter"))]
    pub(crate) congestion: u8,
}

/// How to send a datagram.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Transmit {
    /// The source address. By default, the host's address of the destination's family.
    pub(crate) source: Option<IpAddr>,
    /// The two bits of explicit congestion notification. They arrive as they were sent.
    pub(crate) congestion: u8,
    /// Whether a datagram that exceeds the link's MTU is dropped instead of fragmented.
    pub(crate) whole: bool,
}

/// A datagram in flight.
#[derive(Debug)]
pub(super) struct InFlight {
    link: u32,
    pub(super) host: u32,
    pub(super) to: SocketAddr,
    from: SocketAddr,
    /// The socket that has sent it.
    sender: Key,
    congestion: u8,
    whole: bool,
    bytes: Box<[u8]>,
    /// Whether it had reached its destination when the link was held.
    reached_destination: bool,
}

/// A UDP socket.
#[derive(Debug)]
pub(crate) struct UdpSocket<W> {
    pub(crate) host: u32,
    pub(crate) local: SocketAddr,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) broadcast: bool,
    pub(crate) loops: bool,
    pub(crate) multicast_ttl: u32,
    pub(crate) options: Options,
    /// The network interface that the program has named.
    #[cfg_attr(
        not(any(target_os = "android", target_os = "fuchsia", target_os = "linux")),
        expect(dead_code, reason = "other systems have no option for it")
    )]
    pub(crate) device: Option<Box<[u8]>>,
    groups: Vec<IpAddr>,
    queue: VecDeque<Datagram>,
    queued_bytes: usize,
    pub(crate) error: Option<Errno>,
    /// Whether the socket is ready for reading and for writing: something has happened to it since an operation would last have
    /// blocked.
    pub(crate) ready: [bool; 2],
    pub(super) readers: Waiters<W>,
}

impl InFlight {
    fn meta(&self) -> RecvMeta {
        RecvMeta { from: self.from, to: self.to.ip(), bytes: self.bytes.len(), congestion: self.congestion }
    }
}

impl<W: PartialEq, R: Copy> Fabric<W, R> {
    /// Creates a socket bound to an address of `host`.
    pub(crate) fn bind_udp(&mut self, host: u32, local: SocketAddr) -> Result<Key, Errno> {
        let key = self.udp.insert(UdpSocket {
            host,
            local,
            peer: None,
            broadcast: false,
            loops: true,
            multicast_ttl: 1,
            options: Options::default(),
            device: None,
            groups: Vec::new(),
            queue: VecDeque::new(),
            queued_bytes: 0,
            error: None,
            ready: [false, true],
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

    /// Returns a socket.
    pub(crate) fn udp(&mut self, key: Key) -> Option<&mut UdpSocket<W>> {
        self.udp.get(key)
    }

    /// Closes a socket.
    pub(crate) fn close_udp(&mut self, key: Key) {
        let Some(mut socket) = self.udp.remove(key) else { return };
        self.hosts.unbind(socket.host, Protocol::Udp, socket.local.port(), key.slot);
        socket.readers.wake(&mut self.released);
    }

    /// Connects a socket to a peer.
    pub(crate) fn connect_udp(&mut self, key: Key, peer: SocketAddr) -> Result<(), Errno> {
        let socket = self.udp.get(key).ok_or(Errno::NotConnected)?;
        if peer.is_ipv6() && socket.local.is_ipv4() {
            return Err(Errno::FamilyNotSupported);
        }
        let peer = loopback_if_unspecified(peer);
        let source = self.hosts.source(socket.host, peer.ip()).ok_or(Errno::NetworkUnreachable)?;
        if socket.local.ip().is_unspecified() {
            socket.local.set_ip(source);
        }
        socket.peer = Some(peer);
        Ok(())
    }

    /// Sends a datagram to `to`, or to the peer.
    pub(crate) fn send(
        &mut self,
        ctx: &mut CallContext<'_>,
        key: Key,
        to: Option<SocketAddr>,
        bytes: &[u8],
        transmit: Transmit,
    ) -> Result<usize, Errno> {
        let socket = self.udp.get(key).ok_or(Errno::NotConnected)?;
        if !socket.ready[Direction::Write as usize] {
            return Err(Errno::WouldBlock);
        }
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
        let to = SocketAddr::new(loopback_if_unspecified(to).ip().to_canonical(), to.port());
        let bytes_max = DATAGRAM_BYTES_MAX + if to.is_ipv6() { IPV4_HEADER_BYTES } else { 0 };
        if bytes.len() > bytes_max {
            return Err(Errno::MessageTooLong);
        }
        let is_broadcast = to.ip() == IpAddr::V4(Ipv4Addr::BROADCAST);
        if is_broadcast && !socket.broadcast {
            return Err(Errno::PermissionDenied);
        }
        let (host, loops, local) = (socket.host, socket.loops, socket.local);
        let to_many = is_broadcast || to.ip().is_multicast();
        let own = transmit.source.unwrap_or(local.ip()).to_canonical();
        if transmit.source.is_some() && !self.hosts.is_own(host, own) {
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
            let Transmit { congestion, whole, .. } = transmit;
            let bytes = bytes.into();
            let datagram = InFlight {
                link,
                host,
                to,
                from,
                sender: key,
                congestion,
                whole,
                bytes,
                reached_destination: false,
            };
            fabric.transmit_datagram(ctx, datagram);
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

    /// Sends a datagram over its link.
    fn transmit_datagram(&mut self, ctx: &mut CallContext<'_>, datagram: InFlight) {
        if datagram.link == LOCAL {
            self.deliver_datagram(ctx, datagram);
            return;
        }
        let link = self.links.at(datagram.link);
        if link.held {
            self.held.push(datagram);
            return;
        }
        let (from, to) = (link.from, link.to);
        if !self.passes(datagram.link, from, to) {
            return;
        }
        let bytes = datagram.bytes.len() as u64 + 28;
        let headers = if datagram.to.is_ipv4() { 28 } else { 48 };
        if datagram.whole && datagram.bytes.len() + headers > self.links.at(datagram.link).params.mtu as usize
        {
            return;
        }
        let arrivals = self.links.at(datagram.link).send_datagram(ctx.now_ns, bytes, ctx.decider);
        let double = arrivals[1].map(|at_ns| (at_ns, InFlight { bytes: datagram.bytes.clone(), ..datagram }));
        let first = arrivals[0].map(|at_ns| (at_ns, datagram));
        for (at_ns, datagram) in first.into_iter().chain(double) {
            if at_ns <= ctx.now_ns {
                self.deliver_datagram(ctx, datagram);
            } else {
                let datagram = self.in_flight.insert(datagram);
                self.queue.push(at_ns, Event::Datagram { datagram });
            }
        }
    }

    /// Releases the datagrams held on a link.
    pub(crate) fn release_datagrams(&mut self, ctx: &mut CallContext<'_>, link: u32) {
        let held = std::mem::take(&mut self.held);
        let (released, kept): (Vec<_>, Vec<_>) = held.into_iter().partition(|datagram| datagram.link == link);
        self.held = kept;
        for datagram in released {
            if datagram.reached_destination {
                self.arrive_or_hold(ctx, datagram);
            } else {
                self.transmit_datagram(ctx, datagram);
            }
        }
    }

    /// Handles a datagram that arrives.
    pub(super) fn datagram_arrives(&mut self, ctx: &mut CallContext<'_>, datagram: Key) {
        if let Some(datagram) = self.in_flight.remove(datagram) {
            self.arrive_or_hold(ctx, datagram);
        }
    }

    fn arrive_or_hold(&mut self, ctx: &mut CallContext<'_>, datagram: InFlight) {
        let link = self.links.at(datagram.link);
        let (from, to, held) = (link.from, link.to, link.held);
        if held {
            self.held.push(InFlight { reached_destination: true, ..datagram });
        } else if self.passes(datagram.link, from, to) {
            self.deliver_datagram(ctx, datagram);
        }
    }

    fn deliver_datagram(&mut self, ctx: &mut CallContext<'_>, datagram: InFlight) {
        let ip = datagram.to.ip();
        let to_many = ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST);
        if to_many {
            let bound: Vec<Binding> =
                self.hosts.sockets(datagram.host, Protocol::Udp, datagram.to.port()).collect();
            for binding in bound {
                let Some(socket) = self.udp.at(binding.socket) else { continue };
                let takes = if ip.is_multicast() {
                    socket.groups.contains(&ip) && (binding.ip.is_unspecified() || binding.ip == ip)
                } else {
                    binding.ip.is_unspecified()
                };
                if takes {
                    self.enqueue(binding.socket, datagram.meta(), datagram.bytes.clone());
                }
            }
            return;
        }
        match self.hosts.socket(datagram.host, Protocol::Udp, datagram.to) {
            Some(slot) => self.enqueue(slot, datagram.meta(), datagram.bytes),
            None => self.send_port_unreachable(ctx, &datagram),
        }
    }

    fn enqueue(&mut self, slot: u32, mut meta: RecvMeta, bytes: Box<[u8]>) {
        let Some(socket) = self.udp.at(slot) else { return };
        if socket.local.is_ipv6() {
            meta.from = mapped(meta.from);
        }
        if socket.peer.is_some_and(|peer| peer != meta.from) {
            return;
        }
        let taken = socket.queued_bytes + bytes.len() + OVERHEAD;
        if taken > QUEUE_BYTES {
            return;
        }
        socket.queued_bytes = taken;
        socket.queue.push_back(Datagram { meta, bytes });
        socket.ready = [true; 2];
        socket.readers.wake(&mut self.woken);
    }

    /// Reports an unreachable port to the sender, if it is connected to that port.
    fn send_port_unreachable(&mut self, ctx: &mut CallContext<'_>, datagram: &InFlight) {
        let Some(sender) = self.udp.get(datagram.sender) else { return };
        if sender.peer.is_none_or(|peer| peer.port() != datagram.to.port()) {
            return;
        }
        let host = sender.host;
        let back = self.link(datagram.host, host);
        if back == LOCAL {
            self.port_unreachable_arrives(datagram.sender);
        } else if self.passes(back, datagram.host, host) {
            let at_ns = self.links.at(back).send_segment(ctx.now_ns, 56, ctx.decider);
            self.queue.push(at_ns, Event::PortUnreachable { socket: datagram.sender });
        }
    }

    /// Handles the report of an unreachable port.
    pub(super) fn port_unreachable_arrives(&mut self, key: Key) {
        if let Some(socket) = self.udp.get(key) {
            socket.error = Some(Errno::ConnectionRefused);
            socket.ready = [true; 2];
            socket.readers.wake(&mut self.woken);
        }
    }

    /// Receives a datagram. `take` gets at most `max` bytes of it, and the rest is dropped. With `peek` the datagram
    /// stays queued.
    pub(crate) fn receive(
        &mut self,
        key: Key,
        max: usize,
        peek: bool,
        take: impl FnOnce(&[u8]),
    ) -> Result<RecvMeta, Errno> {
        let socket = self.udp.get(key).ok_or(Errno::NotConnected)?;
        if !socket.ready[Direction::Read as usize] {
            return Err(Errno::WouldBlock);
        }
        if let Some(errno) = socket.error.take() {
            return Err(errno);
        }
        let Some(datagram) = socket.queue.front() else {
            socket.ready[Direction::Read as usize] = false;
            return Err(Errno::WouldBlock);
        };
        let count = datagram.bytes.len().min(max);
        take(&datagram.bytes[..count]);
        let meta = RecvMeta { bytes: count, ..datagram.meta };
        if !peek {
            socket.queued_bytes -= datagram.bytes.len() + OVERHEAD;
            socket.queue.pop_front();
        }
        Ok(meta)
    }

    /// Registers a waiter for a datagram.
    pub(crate) fn wait_to_receive(&mut self, key: Key, waiter: W, slot: WaitSlot) {
        if let Some(socket) = self.udp.get(key) {
            self.released.extend(socket.readers.add(waiter, slot));
        }
    }

    /// Joins or leaves a multicast group.
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

    /// Returns the link from one host to another.
    pub(crate) fn link(&mut self, from: u32, to: u32) -> u32 {
        if from == to { LOCAL } else { self.links.between(from, to) }
    }

    /// Removes the sockets of a crashed host.
    pub(super) fn crash_udp(&mut self, host: u32) {
        for key in self.udp.keys() {
            if self.udp.get(key).is_some_and(|socket| socket.host == host)
                && let Some(mut socket) = self.udp.remove(key)
            {
                socket.readers.wake(&mut self.released);
            }
        }
    }
}
