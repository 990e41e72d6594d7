//! Conversions of socket addresses.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

/// Replaces the unspecified address by the loopback address, as connecting to it does.
pub(super) fn loopback_if_unspecified(peer: SocketAddr) -> SocketAddr {
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

/// Returns an IPv4 address as an IPv6 socket shows it: IPv4-mapped.
pub(super) fn mapped(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(four) => SocketAddrV6::new(four.ip().to_ipv6_mapped(), four.port(), 0, 0).into(),
        six => six,
    }
}
