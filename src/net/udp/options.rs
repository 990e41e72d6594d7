//! Options of a UDP socket, and the groups that it is in.
//!
//! Always true: an option that has no meaning in the simulation is kept, and given back as it was set.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::UdpSocket;
use crate::net::fabric::Errno;

impl UdpSocket {
    /// Whether it may send to all hosts at once.
    ///
    /// # Errors
    /// As [`local_addr`](Self::local_addr).
    pub fn broadcast(&self) -> io::Result<bool> {
        self.socket(|socket| socket.broadcast)
    }

    /// Sets whether it may send to all hosts at once, by 255.255.255.255.
    ///
    /// # Errors
    /// As [`local_addr`](Self::local_addr).
    pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
        self.socket(|socket| socket.broadcast = on)
    }

    /// Whether its own host gets what it sends to groups.
    ///
    /// # Errors
    /// As [`local_addr`](Self::local_addr).
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        self.socket(|socket| socket.loops)
    }

    /// Sets whether its own host gets what it sends to groups.
    ///
    /// # Errors
    /// As [`local_addr`](Self::local_addr).
    pub fn set_multicast_loop_v4(&self, on: bool) -> io::Result<()> {
        self.socket(|socket| socket.loops = on)
    }

    /// Whether its own host gets what it sends to groups.
    ///
    /// # Errors
    /// As [`local_addr`](Self::local_addr).
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        self.multicast_loop_v4()
    }

    /// Sets whether its own host gets what it sends to groups.
    ///
    /// # Errors
    /// As [`local_addr`](Self::local_addr).
    pub fn set_multicast_loop_v6(&self, on: bool) -> io::Result<()> {
        self.set_multicast_loop_v4(on)
    }

    /// How many networks what it sends to groups passes. Without meaning here.
    ///
    /// # Errors
    /// As [`local_addr`](Self::local_addr).
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        self.socket(|socket| socket.multicast_ttl)
    }

    /// Sets how many networks what it sends to groups passes. Without effect here.
    ///
    /// # Errors
    /// As [`local_addr`](Self::local_addr).
    pub fn set_multicast_ttl_v4(&self, ttl: u32) -> io::Result<()> {
        self.socket(|socket| socket.multicast_ttl = ttl)
    }

    /// How many hosts packets pass at most. Without meaning here.
    ///
    /// # Errors
    /// As [`local_addr`](Self::local_addr).
    pub fn ttl(&self) -> io::Result<u32> {
        self.options(|options| options.ttl)
    }

    /// Sets how many hosts packets pass at most, 1 to 255. Without effect here.
    ///
    /// # Errors
    /// As [`local_addr`](Self::local_addr); `InvalidInput` where it is not in that range.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        if !(1..=255).contains(&ttl) {
            return Err(Errno::InvalidInput.into());
        }
        self.options(|options| options.ttl = ttl)
    }

    /// What [`set_tos_v4`](Self::set_tos_v4) has set.
    ///
    /// # Errors
    /// As [`local_addr`](Self::local_addr).
    pub fn tos_v4(&self) -> io::Result<u32> {
        self.options(|options| options.tos)
    }

    /// Sets the type of service. Without effect here.
    ///
    /// # Errors
    /// As [`local_addr`](Self::local_addr).
    pub fn set_tos_v4(&self, tos: u32) -> io::Result<()> {
        self.options(|options| options.tos = tos)
    }

    /// Receives what is sent to a group from now on.
    ///
    /// # Errors
    /// `InvalidInput` if it is no group's address, `AddrInUse` if it does so already.
    pub fn join_multicast_v4(&self, multiaddr: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        let _ = interface;
        self.set_member(multiaddr.into(), true)
    }

    /// Receives what is sent to a group from now on.
    ///
    /// # Errors
    /// As [`join_multicast_v4`](Self::join_multicast_v4).
    pub fn join_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        let _ = interface;
        self.set_member((*multiaddr).into(), true)
    }

    /// Receives what is sent to a group no more.
    ///
    /// # Errors
    /// `InvalidInput` if it is no group's address, `AddrNotAvailable` if it did not.
    pub fn leave_multicast_v4(&self, multiaddr: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        let _ = interface;
        self.set_member(multiaddr.into(), false)
    }

    /// Receives what is sent to a group no more.
    ///
    /// # Errors
    /// As [`leave_multicast_v4`](Self::leave_multicast_v4).
    pub fn leave_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        let _ = interface;
        self.set_member((*multiaddr).into(), false)
    }

    fn set_member(&self, group: IpAddr, joins: bool) -> io::Result<()> {
        self.with(|fabric, _| fabric.set_member(self.key, group, joins))
    }

    /// The error that has come up since this was asked last.
    ///
    /// # Errors
    /// As [`local_addr`](Self::local_addr).
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket(|socket| socket.error.take().map(io::Error::from))
    }
}
