//! Datagrams within a host.

use std::io::ErrorKind;
use std::net::Ipv4Addr;

use timeloop::net::UdpSocket;
use timeloop::time::{Duration, sleep};

use crate::support::explorer;

fn run<F: Future<Output = ()>>(f: impl Fn() -> F + Sync) {
    explorer("net::udp").runs(20).check(f);
}

async fn socket() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").await.unwrap()
}

#[test]
fn datagrams_come_whole_and_say_who_sent_them() {
    run(|| async {
        let (one, other) = (socket().await, socket().await);
        let to = other.local_addr().unwrap();
        for text in ["one", "", "three"] {
            assert_eq!(one.send_to(text.as_bytes(), to).await.unwrap(), text.len());
        }
        let mut bytes = [0; 2];
        let from = one.local_addr().unwrap();
        assert_eq!(other.recv_from(&mut bytes).await.unwrap(), (2, from));
        assert_eq!(other.recv_from(&mut bytes).await.unwrap(), (0, from));
        let mut bytes = [0; 10];
        assert_eq!(other.peek(&mut bytes).await.unwrap(), 5);
        assert_eq!(other.peek_sender().await.unwrap(), from);
        assert_eq!(other.recv(&mut bytes).await.unwrap(), 5);
        assert_eq!(&bytes[..5], b"three");
        assert_eq!(other.try_recv(&mut bytes).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn who_is_connected_hears_of_one_alone() {
    run(|| async {
        let (one, other, third) = (socket().await, socket().await, socket().await);
        one.connect(other.local_addr().unwrap()).await.unwrap();
        third.send_to(b"third", one.local_addr().unwrap()).await.unwrap();
        other.send_to(b"other", one.local_addr().unwrap()).await.unwrap();
        let mut bytes = [0; 10];
        assert_eq!(one.recv(&mut bytes).await.unwrap(), 5);
        assert_eq!(&bytes[..5], b"other");
        assert_eq!(
            third.send(b"x").await.unwrap_err().to_string(),
            "Destination address required (os error 89)"
        );
        assert_eq!(third.peer_addr().unwrap_err().kind(), ErrorKind::NotConnected);
    });
}

#[test]
fn who_is_connected_learns_that_nobody_is_there() {
    run(|| async {
        let (one, other) = (socket().await, socket().await);
        one.connect(other.local_addr().unwrap()).await.unwrap();
        drop(other);
        one.send(b"x").await.unwrap();
        assert_eq!(one.recv(&mut [0; 1]).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        one.send(b"x").await.unwrap();
        assert_eq!(one.send(b"x").await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn what_is_too_long_is_refused_and_what_has_no_room_is_lost() {
    run(|| async {
        let (one, other) = (socket().await, socket().await);
        let to = other.local_addr().unwrap();
        let long = vec![0; 65_508];
        assert_eq!(one.send_to(&long, to).await.unwrap_err().to_string(), "Message too long (os error 90)");
        for _ in 0..10 {
            one.send_to(&long[1..], to).await.unwrap();
        }
        let mut bytes = vec![0; 65_536];
        let received = std::iter::from_fn(|| other.try_recv(&mut bytes).ok()).count();
        assert_eq!(received, 3);
    });
}

#[test]
fn a_port_is_one_socket_s() {
    run(|| async {
        let one = socket().await;
        let address = one.local_addr().unwrap();
        assert_eq!(UdpSocket::bind(address).await.unwrap_err().kind(), ErrorKind::AddrInUse);
        assert_eq!(UdpSocket::bind("192.0.2.1:0").await.unwrap_err().kind(), ErrorKind::AddrNotAvailable);
        drop(one);
        UdpSocket::bind(address).await.unwrap();
    });
}

#[test]
fn groups_hear_what_is_sent_to_them() {
    run(|| async {
        let group = Ipv4Addr::new(239, 1, 2, 3);
        let member = UdpSocket::bind("0.0.0.0:7000").await.unwrap();
        member.join_multicast_v4(group, Ipv4Addr::UNSPECIFIED).unwrap();
        let sender = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        sender.send_to(b"hello", (group, 7000)).await.unwrap();
        let mut bytes = [0; 10];
        assert_eq!(member.recv(&mut bytes).await.unwrap(), 5);
        member.leave_multicast_v4(group, Ipv4Addr::UNSPECIFIED).unwrap();
        sender.send_to(b"hello", (group, 7000)).await.unwrap();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(member.try_recv(&mut bytes).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}
