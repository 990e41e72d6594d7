//! Datagrams that do not arrive, and options.

use std::net::Ipv4Addr;

use super::common::{
    ADDRESS_IN_USE, ADDRESS_NOT_AVAILABLE, INVALID_ARGUMENT, REFUSED, a_moment, error, pattern, waits,
};
use super::world::net::UdpSocket;
use super::world::run;

/// A socket that is connected to an address where nobody is.
async fn talks_to_nobody() -> UdpSocket {
    let nobody = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(nobody.local_addr().unwrap()).await.unwrap();
    socket
}

#[test]
fn addresses_are_taken_once_and_by_their_host() {
    run(|| async {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        assert_eq!(error(UdpSocket::bind(address).await), ADDRESS_IN_USE);
        assert_eq!(error(UdpSocket::bind(("0.0.0.0", address.port())).await), ADDRESS_IN_USE);
        assert_eq!(error(UdpSocket::bind("192.0.2.1:0").await), ADDRESS_NOT_AVAILABLE);
        // TCP has ports of its own.
        super::world::net::TcpListener::bind(address).await.unwrap();
        drop(socket);
        UdpSocket::bind(address).await.unwrap();
    });
}

#[test]
fn who_is_connected_hears_that_nobody_is_there() {
    run(|| async {
        let socket = talks_to_nobody().await;
        assert_eq!(socket.send(b"hello?").await.unwrap(), 6);
        assert_eq!(error(socket.recv(&mut [0; 16]).await), REFUSED);
        // It is told once.
        assert!(waits(socket.recv(&mut [0; 16])).await);
    });
}

#[test]
fn the_next_send_is_told_that_nobody_is_there() {
    run(|| async {
        let socket = talks_to_nobody().await;
        socket.send(b"hello?").await.unwrap();
        a_moment().await;
        assert_eq!(error(socket.send(b"hello?").await), REFUSED);
        socket.send(b"hello?").await.unwrap();
    });
}

#[test]
fn that_nobody_is_there_can_be_taken() {
    run(|| async {
        let socket = talks_to_nobody().await;
        socket.send(b"hello?").await.unwrap();
        a_moment().await;
        assert_eq!(socket.take_error().unwrap().map(|error| error.to_string()).as_deref(), Some(REFUSED));
        assert!(socket.take_error().unwrap().is_none());
    });
}

#[test]
fn who_is_not_connected_hears_nothing_of_it() {
    run(|| async {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let nobody = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        socket.send_to(b"hello?", nobody).await.unwrap();
        a_moment().await;
        socket.send_to(b"hello?", nobody).await.unwrap();
        assert!(waits(socket.recv_from(&mut [0; 16])).await);
    });
}

#[test]
fn a_datagram_has_to_go_somewhere() {
    run(|| async {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        assert_eq!(error(socket.send(b"x").await), "Destination address required (os error 89)");
        assert_eq!(error(socket.send_to(b"x", "127.0.0.1:0").await), INVALID_ARGUMENT);
    });
}

#[test]
fn a_datagram_has_a_greatest_length() {
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
fn broadcasting_has_to_be_allowed() {
    run(|| async {
        let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        assert!(!socket.broadcast().unwrap());
        assert_eq!(error(socket.send_to(b"x", "255.255.255.255:9").await), "Permission denied (os error 13)");
        socket.set_broadcast(true).unwrap();
        assert!(socket.broadcast().unwrap());
    });
}

#[test]
fn a_socket_is_of_one_family() {
    run(|| async {
        let four = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let six = UdpSocket::bind("[::1]:0").await.unwrap();
        let told = error(four.send_to(b"x", six.local_addr().unwrap()).await);
        assert_eq!(told, "Address family not supported by protocol (os error 97)");
        let told = error(four.connect(six.local_addr().unwrap()).await);
        assert_eq!(told, "Address family not supported by protocol (os error 97)");
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
