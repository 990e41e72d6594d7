//! UDP errors and options.

use std::net::Ipv4Addr;

use super::common::{
    ADDRESS_IN_USE, ADDRESS_NOT_AVAILABLE, INVALID_ARGUMENT, REFUSED, error, let_packets_arrive, pattern,
    waits,
};
use super::world::net::UdpSocket;
use super::world::run;

/// Returns a socket that is connected to a closed port.
async fn connected_to_closed_port() -> UdpSocket {
    let nobody = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(nobody.local_addr().unwrap()).await.unwrap();
    socket
}

#[test]
fn an_address_can_be_bound_once_and_by_its_host_only() {
    run(|| async {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        assert_eq!(error(UdpSocket::bind(address).await), ADDRESS_IN_USE);
        assert_eq!(error(UdpSocket::bind(("0.0.0.0", address.port())).await), ADDRESS_IN_USE);
        assert_eq!(error(UdpSocket::bind("192.0.2.1:0").await), ADDRESS_NOT_AVAILABLE);
        // TCP has separate ports.
        super::world::net::TcpListener::bind(address).await.unwrap();
        drop(socket);
        UdpSocket::bind(address).await.unwrap();
    });
}

#[test]
fn a_connected_socket_gets_an_error_for_a_closed_port() {
    run(|| async {
        let socket = connected_to_closed_port().await;
        assert_eq!(socket.send(b"hello?").await.unwrap(), 6);
        assert_eq!(error(socket.recv(&mut [0; 16]).await), REFUSED);
        // The error is returned once.
        assert!(waits(socket.recv(&mut [0; 16])).await);
    });
}

#[test]
fn the_next_send_returns_the_error_for_a_closed_port() {
    run(|| async {
        let socket = connected_to_closed_port().await;
        socket.send(b"hello?").await.unwrap();
        let_packets_arrive().await;
        assert_eq!(error(socket.send(b"hello?").await), REFUSED);
        socket.send(b"hello?").await.unwrap();
    });
}

#[test]
fn take_error_returns_the_error_for_a_closed_port() {
    run(|| async {
        let socket = connected_to_closed_port().await;
        socket.send(b"hello?").await.unwrap();
        let_packets_arrive().await;
        assert_eq!(socket.take_error().unwrap().map(|error| error.to_string()).as_deref(), Some(REFUSED));
        assert!(socket.take_error().unwrap().is_none());
    });
}

#[test]
fn an_unconnected_socket_gets_no_error_for_a_closed_port() {
    run(|| async {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let nobody = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        socket.send_to(b"hello?", nobody).await.unwrap();
        let_packets_arrive().await;
        socket.send_to(b"hello?", nobody).await.unwrap();
        assert!(waits(socket.recv_from(&mut [0; 16])).await);
    });
}

#[test]
fn sending_without_a_destination_fails() {
    run(|| async {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        assert_eq!(error(socket.send(b"x").await), "Destination address required (os error 89)");
        assert_eq!(error(socket.send_to(b"x", "127.0.0.1:0").await), INVALID_ARGUMENT);
    });
}

#[test]
fn a_datagram_has_a_maximum_size() {
    run(|| async {
        let one = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let datagram = pattern(65_508);
        let address = other.local_addr().unwrap();
        assert_eq!(error(one.send_to(&datagram, address).await), "Message too long (os error 90)");
        assert_eq!(one.send_to(&datagram[..65_507], address).await.unwrap(), 65_507);
        let mut bytes = vec![0; 70_000];
        assert_eq!(other.recv_from(&mut bytes).await.unwrap().0, 65_507);
        assert!(bytes[..65_507] == datagram[..65_507]);
    });
}

#[test]
fn a_datagram_over_ipv6_may_be_larger() {
    run(|| async {
        let one = UdpSocket::bind("[::1]:0").await.unwrap();
        let other = UdpSocket::bind("[::1]:0").await.unwrap();
        let datagram = pattern(65_528);
        let address = other.local_addr().unwrap();
        assert_eq!(error(one.send_to(&datagram, address).await), "Message too long (os error 90)");
        assert_eq!(one.send_to(&datagram[..65_527], address).await.unwrap(), 65_527);
        let mut bytes = vec![0; 70_000];
        assert_eq!(other.recv_from(&mut bytes).await.unwrap().0, 65_527);
        assert!(bytes[..65_527] == datagram[..65_527]);
    });
}

#[test]
fn broadcasting_needs_its_option() {
    run(|| async {
        let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        assert!(!socket.broadcast().unwrap());
        assert_eq!(error(socket.send_to(b"x", "255.255.255.255:9").await), "Permission denied (os error 13)");
        socket.set_broadcast(true).unwrap();
        assert!(socket.broadcast().unwrap());
    });
}

#[test]
fn a_socket_has_one_address_family() {
    run(|| async {
        let four = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let six = UdpSocket::bind("[::1]:0").await.unwrap();
        let text = error(four.send_to(b"x", six.local_addr().unwrap()).await);
        assert_eq!(text, "Address family not supported by protocol (os error 97)");
        let text = error(four.connect(six.local_addr().unwrap()).await);
        assert_eq!(text, "Address family not supported by protocol (os error 97)");
    });
}

#[test]
fn options_have_their_defaults() {
    run(|| async {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        assert_eq!(socket.ttl().unwrap(), 64);
        socket.set_ttl(3).unwrap();
        assert_eq!(socket.ttl().unwrap(), 3);
        assert_eq!(socket.multicast_ttl_v4().unwrap(), 1);
        socket.set_multicast_ttl_v4(5).unwrap();
        assert_eq!(socket.multicast_ttl_v4().unwrap(), 5);
        assert!(socket.multicast_loop_v4().unwrap());
        socket.set_multicast_loop_v4(false).unwrap();
        assert!(!socket.multicast_loop_v4().unwrap());
        assert!(socket.take_error().unwrap().is_none());
    });
}

#[test]
fn a_group_is_joined_and_left() {
    run(|| async {
        let group = Ipv4Addr::new(239, 1, 2, 3);
        let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        socket.join_multicast_v4(group, Ipv4Addr::LOCALHOST).unwrap();
        assert_eq!(error(socket.join_multicast_v4(group, Ipv4Addr::LOCALHOST)), ADDRESS_IN_USE);
        socket.leave_multicast_v4(group, Ipv4Addr::LOCALHOST).unwrap();
        assert_eq!(error(socket.leave_multicast_v4(group, Ipv4Addr::LOCALHOST)), ADDRESS_NOT_AVAILABLE);
        let no_group = socket.join_multicast_v4(Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST);
        assert_eq!(error(no_group), INVALID_ARGUMENT);
    });
}
