//! Options of a UDP socket, and the groups that it is in.
//!
//! # Invariants
//! An option that has no meaning in the simulation is kept, and given back as it was set.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::UdpSocket;
use crate::net::fabric::Errno;
use crate::net::option_methods::{option_methods, ttl_methods};

impl UdpSocket {
    ttl_methods!();

    option_methods! {
        /// Sets the type of service. Without effect here.
        set_tos_v4(tos: u32), tos_v4 => options.tos;

        /// Sets whether it may send to all hosts at once, by 255.255.255.255.
        set_broadcast(on: bool), broadcast => udp.broadcast;

        /// Sets whether its own host gets what it sends to groups.
        set_multicast_loop_v4(on: bool), multicast_loop_v4 => udp.loops;

        /// Sets whether its own host gets what it sends to groups.
        set_multicast_loop_v6(on: bool), multicast_loop_v6 => udp.loops;

        /// Sets how many networks what it sends to groups passes. Without effect here.
        set_multicast_ttl_v4(ttl: u32), multicast_ttl_v4 => udp.multicast_ttl;
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
        self.socket.handle.with(|fabric, key| fabric.set_member(key, group, joins))
    }

    /// The error that has come up since this was asked last.
    ///
    /// # Errors
    /// As [`local_addr`](Self::local_addr).
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.udp(|socket| socket.error.take().map(io::Error::from))
    }
}
