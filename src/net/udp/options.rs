//! Options of a UDP socket, and its multicast groups.
//!
//! # Invariants
//! The getter of an option without an effect returns the value that was set.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::UdpSocket;
use crate::net::driver;
use crate::net::fabric::Errno;
use crate::net::option_methods::{Accessor, device_methods, option_methods, ttl_methods};

impl UdpSocket {
    ttl_methods!();
    device_methods!();

    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    fn device_name(&self, f: Accessor<'_, Option<Box<[u8]>>>) -> io::Result<()> {
        self.udp(|socket| f(&mut socket.device))
    }

    fn udp_options(&self, f: Accessor<'_, driver::UdpSocket>) -> io::Result<()> {
        self.udp(f)
    }

    option_methods! {
        /// Sets the type of service. The option has no effect in the simulation.
        set_tos_v4(tos: u32), tos_v4 => options.tos;

        /// Sets the traffic class. The option has no effect in the simulation.
        #[cfg(any(target_os = "linux", target_os = "android", target_os = "macos", target_os = "freebsd"))]
        set_tclass_v6(tclass: u32), tclass_v6 => options.tos;

        /// Sets whether the socket may send to the broadcast address 255.255.255.255.
        set_broadcast(on: bool), broadcast => udp_options.broadcast;

        /// Sets whether the socket's own host receives what the socket sends to multicast groups.
        set_multicast_loop_v4(on: bool), multicast_loop_v4 => udp_options.loops;

        /// Sets whether the socket's own host receives what the socket sends to multicast groups.
        set_multicast_loop_v6(on: bool), multicast_loop_v6 => udp_options.loops;

        /// Sets the time to live of multicast datagrams. The option has no effect in the simulation.
        set_multicast_ttl_v4(ttl: u32), multicast_ttl_v4 => udp_options.multicast_ttl;
    }

    /// Joins an IPv4 multicast group. The interface is ignored.
    ///
    /// # Errors
    /// Returns `InvalidInput` if the address is not a multicast address, and `AddrInUse` if the socket is already a
    /// member.
    pub fn join_multicast_v4(&self, multiaddr: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        let _ = interface;
        self.set_member(multiaddr.into(), true)
    }

    /// Joins an IPv6 multicast group. The interface is ignored.
    ///
    /// # Errors
    /// As [`join_multicast_v4`](Self::join_multicast_v4).
    pub fn join_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        let _ = interface;
        self.set_member((*multiaddr).into(), true)
    }

    /// Leaves an IPv4 multicast group. The interface is ignored.
    ///
    /// # Errors
    /// Returns `InvalidInput` if the address is not a multicast address, and `AddrNotAvailable` if the socket is not
    /// a member.
    pub fn leave_multicast_v4(&self, multiaddr: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        let _ = interface;
        self.set_member(multiaddr.into(), false)
    }

    /// Leaves an IPv6 multicast group. The interface is ignored.
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

    /// Returns the pending error of the socket and clears it.
    ///
    /// # Errors
    /// As [`local_addr`](Self::local_addr).
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.udp(|socket| socket.error.take().map(io::Error::from))
    }
}
