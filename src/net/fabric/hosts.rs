//! Hosts: their addresses, and which port of which address is whose.
//!
//! Always true: an address belongs to one host at most; loopback is every host's own; ports are given out in turn, so that
//! the same program gets the same ones in every run.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Errno;

/// The ports that are given to those who ask for any, as under Linux.
const EPHEMERAL: std::ops::RangeInclusive<u16> = 32_768..=60_999;

/// One host.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) addresses: Vec<IpAddr>,
    /// Whether it takes part; one that does not is silent.
    pub(crate) up: bool,
    next_port: [u16; 2],
}

/// Which protocol's port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Protocol {
    Tcp,
    Udp,
}

/// Somebody has a port of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Binding {
    pub(crate) ip: IpAddr,
    /// The number of the socket.
    pub(crate) socket: u32,
    pub(crate) listens: bool,
    pub(crate) reuse: Reuse,
}

/// With whom a port is shared.
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
                // A socket of IPv6 that is bound to all addresses takes those of IPv4 too.
                (IpAddr::V6(one), IpAddr::V4(_)) => one.is_unspecified(),
                (IpAddr::V4(_), IpAddr::V6(two)) => two.is_unspecified(),
            };
        let shared = (self.reuse.port && other.reuse.port)
            || (self.reuse.addr
                && other.reuse.addr
                && (protocol == Protocol::Udp || !(self.listens || other.listens)));
        overlap && !shared
    }

    /// Whether a packet to this address is for it; exact addresses go first.
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

/// Two addresses of a connection, packed.
type Pair = (SocketAddr, SocketAddr);

/// All hosts, and what is bound on them.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    pub(crate) hosts: Vec<Host>,
    by_address: BTreeMap<IpAddr, u32>,
    bindings: BTreeMap<(u32, Protocol, u16), Vec<Binding>>,
    /// Host, own address and the other's, of every connection that was made from here.
    connections: BTreeSet<(u32, Pair)>,
}

impl Hosts {
    /// Adds a host.
    pub(crate) fn add(&mut self, addresses: &[IpAddr], up: bool) {
        let number = self.hosts.len() as u32;
        for &address in addresses {
            self.by_address.entry(address).or_insert(number);
        }
        let next_port = [*EPHEMERAL.start(); 2];
        self.hosts.push(Host { addresses: addresses.to_vec(), up, next_port });
    }

    /// Whose address this is, asked on `host`.
    pub(crate) fn find(&self, host: u32, ip: IpAddr) -> Option<u32> {
        let ip = ip.to_canonical();
        if ip.is_loopback() {
            return Some(host);
        }
        self.by_address.get(&ip).copied()
    }

    /// Whether the host takes part.
    #[inline]
    pub(crate) fn is_up(&self, host: u32) -> bool {
        self.hosts[host as usize].up
    }

    /// The address from which `host` speaks to `ip`; `None` where it has none of that kind.
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

    /// Whether `host` may bind this address.
    pub(crate) fn is_own(&self, host: u32, ip: IpAddr) -> bool {
        ip.is_unspecified() || self.find(host, ip) == Some(host)
    }

    /// Binds a port, any if it is 0; gives the port.
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
        // Whoever shares the port of a client that was bound is known by its binding.
        let is_alone = !self.bindings.contains_key(&(host, protocol, port));
        if protocol == Protocol::Tcp && is_alone && self.has_client(host, binding.ip, port) {
            return Err(Errno::AddrInUse);
        }
        let bound = self.bindings.entry((host, protocol, port)).or_default();
        if bound.iter().any(|other| other.conflicts(&binding, protocol)) {
            return Err(Errno::AddrInUse);
        }
        bound.push(binding);
        Ok(port)
    }

    /// A port that nobody has.
    fn free_port(&mut self, host: u32, protocol: Protocol) -> Result<u16, Errno> {
        for _ in EPHEMERAL {
            let port = take_next(&mut self.hosts[host as usize].next_port[protocol as usize]);
            let is_clients =
                protocol == Protocol::Tcp && self.has_client(host, Ipv6Addr::UNSPECIFIED.into(), port);
            if !is_clients && !self.bindings.contains_key(&(host, protocol, port)) {
                return Ok(port);
            }
        }
        Err(Errno::AddrInUse)
    }

    /// Whether a connection was made from this port of the host, at an address that `ip` stands for.
    fn has_client(&self, host: u32, ip: IpAddr, port: u16) -> bool {
        let is_from = |ip: IpAddr| {
            let local = SocketAddr::new(ip, port);
            let least = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
            let next = self.connections.range((host, (local, least))..).next();
            next.is_some_and(|(owner, (address, _))| (*owner, *address) == (host, local))
        };
        if !ip.is_unspecified() {
            return is_from(ip);
        }
        let own = self.hosts[host as usize].addresses.iter().copied();
        let mut all = own.chain([Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        all.any(|own| (ip.is_ipv6() || own.is_ipv4()) && is_from(own))
    }

    /// Gives a port back.
    pub(crate) fn unbind(&mut self, host: u32, protocol: Protocol, port: u16, socket: u32) {
        let key = (host, protocol, port);
        let Some(bound) = self.bindings.get_mut(&key) else { return };
        bound.retain(|binding| binding.socket != socket);
        if bound.is_empty() {
            self.bindings.remove(&key);
        }
    }

    /// A socket that is bound begins to listen.
    pub(crate) fn listen(&mut self, host: u32, port: u16, socket: u32) -> Result<(), Errno> {
        let Some(bound) = self.bindings.get_mut(&(host, Protocol::Tcp, port)) else { return Ok(()) };
        let Some(own) = bound.iter().position(|binding| binding.socket == socket) else { return Ok(()) };
        let listening = Binding { listens: true, ..bound[own] };
        let others = bound.iter().enumerate().filter(|(position, _)| *position != own);
        if others.into_iter().any(|(_, other)| other.listens && other.conflicts(&listening, Protocol::Tcp)) {
            return Err(Errno::AddrInUse);
        }
        bound[own] = listening;
        Ok(())
    }

    /// The socket that a packet to this address of `host` is for.
    pub(crate) fn socket(&self, host: u32, protocol: Protocol, to: SocketAddr) -> Option<u32> {
        let bound = self.bindings.get(&(host, protocol, to.port()))?;
        let mut best: Option<(u8, u32)> = None;
        for binding in bound.iter().filter(|binding| binding.listens || protocol == Protocol::Udp) {
            // Of sockets that share a port of UDP the newest gets what is for one of them, as under Linux.
            if let Some(rank) = binding.takes(to.ip())
                && best.is_none_or(|(other, _)| rank < other || (rank == other && protocol == Protocol::Udp))
            {
                best = Some((rank, binding.socket));
            }
        }
        best.map(|(_, socket)| socket)
    }

    /// Every socket that has this port.
    pub(crate) fn sockets(&self, host: u32, protocol: Protocol, port: u16) -> impl Iterator<Item = Binding> {
        self.bindings.get(&(host, protocol, port)).into_iter().flatten().copied()
    }

    /// Notes a connection; `local` with port 0 gets any port that no other connection between the two has.
    pub(crate) fn connect(
        &mut self,
        host: u32,
        local: SocketAddr,
        peer: SocketAddr,
    ) -> Result<SocketAddr, Errno> {
        if local.port() != 0 {
            return if self.connections.insert((host, (local, peer))) {
                Ok(local)
            } else {
                Err(Errno::AddrNotAvailable)
            };
        }
        for _ in EPHEMERAL {
            let port = take_next(&mut self.hosts[host as usize].next_port[Protocol::Tcp as usize]);
            let local = SocketAddr::new(local.ip(), port);
            if !self.bindings.contains_key(&(host, Protocol::Tcp, port))
                && self.connections.insert((host, (local, peer)))
            {
                return Ok(local);
            }
        }
        Err(Errno::AddrNotAvailable)
    }

    /// The connection is no more.
    pub(crate) fn disconnect(&mut self, host: u32, local: SocketAddr, peer: SocketAddr) {
        self.connections.remove(&(host, (local, peer)));
    }

    /// Nothing is bound on the host any more.
    pub(crate) fn clear(&mut self, host: u32) {
        self.bindings.retain(|(owner, ..), _| *owner != host);
        self.connections.retain(|(owner, _)| *owner != host);
    }

    /// How many ports and connections are noted.
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
