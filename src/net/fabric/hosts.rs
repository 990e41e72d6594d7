//! Hosts: their addresses, the ports bound on them, and the address pairs of their connections.
//!
//! # Invariants
//! An address belongs to at most one host. Each host has loopback addresses of its own. Ephemeral ports are assigned
//! in sequence, so a program gets the same ports in each run.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use timeloop_sim::{AddressMap, IntMap, IntSet};

use super::Errno;

/// The ephemeral ports, as under Linux.
const EPHEMERAL: std::ops::RangeInclusive<u16> = 32_768..=60_999;

/// One host.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) addresses: Vec<IpAddr>,
    /// Whether the host sends and receives packets.
    pub(crate) up: bool,
    next_port: [u16; 2],
}

/// The protocol of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Protocol {
    Tcp,
    Udp,
}

/// A socket that is bound to a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Binding {
    pub(crate) ip: IpAddr,
    /// The slot of the socket.
    pub(crate) socket: u32,
    pub(crate) listens: bool,
    pub(crate) reuse: Reuse,
}

/// The `SO_REUSEADDR` and `SO_REUSEPORT` options of a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reuse {
    pub(crate) addr: bool,
    pub(crate) port: bool,
}

impl Binding {
    fn conflicts(&self, other: &Self, protocol: Protocol) -> bool {
        let overlap = self.ip == other.ip
            || match (self.ip, other.ip) {
                (IpAddr::V4(one), IpAddr::V4(two)) => one.is_unspecified() || two.is_unspecified(),
                (IpAddr::V6(one), IpAddr::V6(two)) => one.is_unspecified() || two.is_unspecified(),
                // An IPv6 socket bound to the unspecified address also takes IPv4.
                (IpAddr::V6(one), IpAddr::V4(_)) => one.is_unspecified(),
                (IpAddr::V4(_), IpAddr::V6(two)) => two.is_unspecified(),
            };
        let shared = (self.reuse.port && other.reuse.port)
            || (self.reuse.addr
                && other.reuse.addr
                && (protocol == Protocol::Udp || !(self.listens || other.listens)));
        overlap && !shared
    }

    /// Returns how well the binding matches a packet's destination address: 0 is an exact match, `None` is no match.
    fn takes(&self, ip: IpAddr) -> Option<u8> {
        if self.ip == ip {
            return Some(0);
        }
        match (self.ip, ip) {
            (IpAddr::V4(own), IpAddr::V4(_)) if own.is_unspecified() => Some(1),
            (IpAddr::V6(own), IpAddr::V6(_)) if own.is_unspecified() => Some(1),
            (IpAddr::V6(own), IpAddr::V4(_)) if own.is_unspecified() => Some(2),
            _ => None,
        }
    }
}

/// Returns the key of a port of a host.
fn port_key(host: u32, protocol: Protocol, port: u16) -> u64 {
    u64::from(host) << 32 | (protocol as u64) << 16 | u64::from(port)
}

/// Returns the key of a connection made by a host, from the numbers and ports of both IP addresses.
fn connection_key(host: u32, own: (u32, u16), peer: (u32, u16)) -> u128 {
    let end = |(ip, port): (u32, u16)| u128::from(ip) << 16 | u128::from(port);
    u128::from(host) << 96 | end(own) << 48 | end(peer)
}

/// All hosts, and the sockets bound on them.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    pub(crate) hosts: Vec<Host>,
    by_address: AddressMap,
    /// The sockets bound to each port, by [`port_key`].
    bindings: IntMap<Vec<Binding>>,
    /// The [`connection_key`] of each connection, on the host that made it.
    connections: IntSet,
    /// The numbers of the IP addresses in these keys.
    numbers: AddressMap,
}

impl Hosts {
    /// Adds a host.
    pub(crate) fn add(&mut self, addresses: &[IpAddr], up: bool) {
        let number = self.hosts.len() as u32;
        for &address in addresses {
            if self.by_address.get(address).is_none() {
                self.by_address.insert(address, number);
            }
        }
        let next_port = [*EPHEMERAL.start(); 2];
        self.hosts.push(Host { addresses: addresses.to_vec(), up, next_port });
    }

    /// Returns the host that has this address, as seen from `host`.
    pub(crate) fn find(&self, host: u32, ip: IpAddr) -> Option<u32> {
        let ip = ip.to_canonical();
        if ip.is_loopback() {
            return Some(host);
        }
        self.by_address.get(ip)
    }

    /// Returns whether the host sends and receives packets.
    #[inline]
    pub(crate) fn is_up(&self, host: u32) -> bool {
        self.hosts[host as usize].up
    }

    /// Returns the source address of packets from `host` to `ip`; `None` if the host has no address of that family.
    pub(crate) fn source(&self, host: u32, ip: IpAddr) -> Option<IpAddr> {
        if ip.is_loopback() {
            return Some(match ip {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        let own = &self.hosts[host as usize].addresses;
        if own.contains(&ip) {
            return Some(ip);
        }
        own.iter().copied().find(|own| own.is_ipv4() == ip.is_ipv4())
    }

    /// Returns whether `host` may bind this address.
    pub(crate) fn is_own(&self, host: u32, ip: IpAddr) -> bool {
        ip.is_unspecified() || self.find(host, ip) == Some(host)
    }

    /// Binds a port and returns it. Port 0 means any free port.
    pub(crate) fn bind(
        &mut self,
        host: u32,
        protocol: Protocol,
        port: u16,
        binding: Binding,
    ) -> Result<u16, Errno> {
        if !(self.is_own(host, binding.ip) || protocol == Protocol::Udp && binding.ip.is_multicast()) {
            return Err(Errno::AddrNotAvailable);
        }
        let port = if port == 0 { self.free_port(host, protocol)? } else { port };
        // A client that was bound to a port is found by its binding.
        let is_alone = !self.bindings.contains_key(port_key(host, protocol, port));
        if protocol == Protocol::Tcp && is_alone && self.has_client(host, binding.ip, port) {
            return Err(Errno::AddrInUse);
        }
        let bound = self.bindings.get_or_insert_with(port_key(host, protocol, port), Vec::new);
        if bound.iter().any(|other| other.conflicts(&binding, protocol)) {
            return Err(Errno::AddrInUse);
        }
        bound.push(binding);
        Ok(port)
    }

    /// Returns a free ephemeral port.
    fn free_port(&mut self, host: u32, protocol: Protocol) -> Result<u16, Errno> {
        for _ in EPHEMERAL {
            let port = take_next(&mut self.hosts[host as usize].next_port[protocol as usize]);
            let is_clients =
                protocol == Protocol::Tcp && self.has_client(host, Ipv6Addr::UNSPECIFIED.into(), port);
            if !is_clients && !self.bindings.contains_key(port_key(host, protocol, port)) {
                return Ok(port);
            }
        }
        Err(Errno::AddrInUse)
    }

    /// Returns whether a client on `host` uses this port at an address that `ip` covers.
    fn has_client(&self, host: u32, ip: IpAddr, port: u16) -> bool {
        let is_from = |ip: IpAddr| {
            let Some(number) = self.numbers.get(ip) else { return false };
            let least = connection_key(host, (number, port), (0, 0));
            let greatest = connection_key(host, (number, port), (u32::MAX, u16::MAX));
            self.connections.next_key(least).is_some_and(|next| next <= greatest)
        };
        if !ip.is_unspecified() {
            return is_from(ip);
        }
        let own = self.hosts[host as usize].addresses.iter().copied();
        let mut all = own.chain([Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        all.any(|own| (ip.is_ipv6() || own.is_ipv4()) && is_from(own))
    }

    /// Releases a port.
    pub(crate) fn unbind(&mut self, host: u32, protocol: Protocol, port: u16, socket: u32) {
        let key = port_key(host, protocol, port);
        let Some(bound) = self.bindings.get_mut(key) else { return };
        bound.retain(|binding| binding.socket != socket);
        if bound.is_empty() {
            self.bindings.remove(key);
        }
    }

    /// Marks a bound socket as listening.
    pub(crate) fn listen(&mut self, host: u32, port: u16, socket: u32) -> Result<(), Errno> {
        let Some(bound) = self.bindings.get_mut(port_key(host, Protocol::Tcp, port)) else { return Ok(()) };
        let Some(own) = bound.iter().position(|binding| binding.socket == socket) else { return Ok(()) };
        let listening = Binding { listens: true, ..bound[own] };
        let others = bound.iter().enumerate().filter(|(position, _)| *position != own);
        if others.into_iter().any(|(_, other)| other.listens && other.conflicts(&listening, Protocol::Tcp)) {
            return Err(Errno::AddrInUse);
        }
        bound[own] = listening;
        Ok(())
    }

    /// Returns the socket that receives packets for this address on `host`.
    pub(crate) fn socket(&self, host: u32, protocol: Protocol, to: SocketAddr) -> Option<u32> {
        let bound = self.bindings.get(port_key(host, protocol, to.port()))?;
        let mut best: Option<(u8, u32)> = None;
        for binding in bound.iter().filter(|binding| binding.listens || protocol == Protocol::Udp) {
            // Of UDP sockets that share a port, the newest gets a unicast datagram, as under Linux.
            if let Some(rank) = binding.takes(to.ip())
                && best.is_none_or(|(other, _)| rank < other || (rank == other && protocol == Protocol::Udp))
            {
                best = Some((rank, binding.socket));
            }
        }
        best.map(|(_, socket)| socket)
    }

    /// Returns all sockets bound to this port.
    pub(crate) fn sockets(&self, host: u32, protocol: Protocol, port: u16) -> impl Iterator<Item = Binding> {
        self.bindings.get(port_key(host, protocol, port)).map_or(&[][..], Vec::as_slice).iter().copied()
    }

    /// Registers a connection. If `local` has port 0, it gets a port that no other connection to `peer` uses.
    pub(crate) fn connect(
        &mut self,
        host: u32,
        local: SocketAddr,
        peer: SocketAddr,
    ) -> Result<SocketAddr, Errno> {
        if local.port() != 0 {
            return if self.add_connection(host, local, peer) {
                Ok(local)
            } else {
                Err(Errno::AddrNotAvailable)
            };
        }
        for _ in EPHEMERAL {
            let port = take_next(&mut self.hosts[host as usize].next_port[Protocol::Tcp as usize]);
            let local = SocketAddr::new(local.ip(), port);
            if !self.bindings.contains_key(port_key(host, Protocol::Tcp, port))
                && self.add_connection(host, local, peer)
            {
                return Ok(local);
            }
        }
        Err(Errno::AddrNotAvailable)
    }

    /// Adds a connection. Returns false if it exists.
    fn add_connection(&mut self, host: u32, local: SocketAddr, peer: SocketAddr) -> bool {
        let key = self.connection_key(host, local, peer);
        self.connections.insert(key)
    }

    fn connection_key(&mut self, host: u32, local: SocketAddr, peer: SocketAddr) -> u128 {
        let own = (self.numbers.number(local.ip()), local.port());
        let peer = (self.numbers.number(peer.ip()), peer.port());
        connection_key(host, own, peer)
    }

    /// Removes a connection.
    pub(crate) fn disconnect(&mut self, host: u32, local: SocketAddr, peer: SocketAddr) {
        let key = self.connection_key(host, local, peer);
        self.connections.remove(key);
    }

    /// Removes all bindings and connections of a host.
    pub(crate) fn clear(&mut self, host: u32) {
        let last = port_key(host, Protocol::Udp, u16::MAX).into();
        while let Some(port) =
            self.bindings.next_key(port_key(host, Protocol::Tcp, 0)).filter(|port| *port <= last)
        {
            self.bindings.remove(port);
        }
        let first = connection_key(host, (0, 0), (0, 0));
        let last = connection_key(host, (u32::MAX, u16::MAX), (u32::MAX, u16::MAX));
        while let Some(connection) = self.connections.next_key(first).filter(|connection| *connection <= last)
        {
            self.connections.remove(connection);
        }
    }

    /// Returns the number of bound ports and registered connections.
    #[cfg(test)]
    pub(crate) fn left(&self) -> usize {
        self.bindings.len() + self.connections.len()
    }
}

fn take_next(next: &mut u16) -> u16 {
    let port = *next;
    *next = if port == *EPHEMERAL.end() { *EPHEMERAL.start() } else { port + 1 };
    port
}
