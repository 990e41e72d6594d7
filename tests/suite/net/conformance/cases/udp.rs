//! UDP datagrams that arrive.

use std::sync::Arc;

use super::common::{NOT_CONNECTED, error, let_packets_arrive, waits};
use super::world::io::{ErrorKind, Interest};
use super::world::net::UdpSocket;
use super::world::{run, spawn};

/// Two sockets on loopback.
async fn two() -> (UdpSocket, UdpSocket) {
    let one = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    (one, UdpSocket::bind("127.0.0.1:0").await.unwrap())
}

/// Two sockets on loopback, connected to each other.
async fn connected() -> (UdpSocket, UdpSocket) {
    let (one, other) = two().await;
    one.connect(other.local_addr().unwrap()).await.unwrap();
    other.connect(one.local_addr().unwrap()).await.unwrap();
    (one, other)
}

#[test]
fn recv_from_returns_the_sender() {
    run(|| async {
        let (one, other) = two().await;
        assert_eq!(one.send_to(b"hello", other.local_addr().unwrap()).await.unwrap(), 5);
        let mut bytes = [0; 16];
        let (length, sender) = other.recv_from(&mut bytes).await.unwrap();
        assert_eq!((&bytes[..length], sender), (&b"hello"[..], one.local_addr().unwrap()));
    });
}

#[test]
fn a_connected_socket_exchanges_datagrams_with_its_peer_only() {
    run(|| async {
        let (one, other) = connected().await;
        let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        assert_eq!(error(stranger.peer_addr()), NOT_CONNECTED);
        assert_eq!(one.peer_addr().unwrap(), other.local_addr().unwrap());
        stranger.send_to(b"psst", other.local_addr().unwrap()).await.unwrap();
        one.send(b"hello").await.unwrap();
        let mut bytes = [0; 16];
        assert_eq!(other.recv(&mut bytes).await.unwrap(), 5);
        assert_eq!(&bytes[..5], b"hello");
        assert!(waits(other.recv(&mut bytes)).await);
        // `send_to` still works for other addresses.
        one.send_to(b"aside", stranger.local_addr().unwrap()).await.unwrap();
        assert_eq!(stranger.recv_from(&mut bytes).await.unwrap(), (5, one.local_addr().unwrap()));
    });
}

#[test]
fn a_socket_can_connect_again() {
    run(|| async {
        let (one, other) = connected().await;
        let third = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        one.connect(third.local_addr().unwrap()).await.unwrap();
        assert_eq!(one.peer_addr().unwrap(), third.local_addr().unwrap());
        one.send(b"to the third").await.unwrap();
        other.send(b"unheard").await.unwrap();
        assert_eq!(third.recv(&mut [0; 16]).await.unwrap(), 12);
        assert!(waits(one.recv(&mut [0; 16])).await);
    });
}

#[test]
fn datagrams_queued_before_connecting_are_received() {
    run(|| async {
        let (one, other) = two().await;
        let third = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        third.send_to(b"before", one.local_addr().unwrap()).await.unwrap();
        let_packets_arrive().await;
        one.connect(other.local_addr().unwrap()).await.unwrap();
        let mut bytes = [0; 16];
        assert_eq!(one.recv_from(&mut bytes).await.unwrap(), (6, third.local_addr().unwrap()));
    });
}

#[test]
fn datagram_boundaries_are_kept() {
    run(|| async {
        let (one, other) = connected().await;
        one.send(b"one").await.unwrap();
        one.send(b"three").await.unwrap();
        let mut bytes = [0; 16];
        assert_eq!(other.recv(&mut bytes).await.unwrap(), 3);
        assert_eq!(other.recv(&mut bytes).await.unwrap(), 5);
    });
}

#[test]
fn excess_bytes_of_a_datagram_are_dropped() {
    run(|| async {
        let (one, other) = connected().await;
        one.send(b"too long").await.unwrap();
        one.send(b"next").await.unwrap();
        let mut bytes = [0; 3];
        assert_eq!(other.recv(&mut bytes).await.unwrap(), 3);
        assert_eq!(&bytes, b"too");
        assert_eq!(other.recv_from(&mut bytes).await.unwrap(), (3, one.local_addr().unwrap()));
        assert_eq!(&bytes, b"nex");
    });
}

#[test]
fn a_datagram_may_be_empty() {
    run(|| async {
        let (one, other) = connected().await;
        assert_eq!(one.send(&[]).await.unwrap(), 0);
        one.send(b"x").await.unwrap();
        let mut bytes = [0; 16];
        assert_eq!(other.recv(&mut bytes).await.unwrap(), 0);
        assert_eq!(other.recv(&mut bytes).await.unwrap(), 1);
    });
}

#[test]
fn a_datagram_can_be_received_into_an_empty_buffer() {
    run(|| async {
        let (one, other) = connected().await;
        one.send(b"lost").await.unwrap();
        one.send(b"x").await.unwrap();
        assert_eq!(other.recv(&mut []).await.unwrap(), 0);
        assert_eq!(other.recv(&mut [0; 16]).await.unwrap(), 1);
    });
}

#[test]
fn loopback_keeps_the_order_of_datagrams() {
    run(|| async {
        let (one, other) = connected().await;
        for number in 0..50_u8 {
            one.send(&[number]).await.unwrap();
        }
        for number in 0..50 {
            let mut bytes = [0; 2];
            assert_eq!((other.recv(&mut bytes).await.unwrap(), bytes[0]), (1, number));
        }
    });
}

#[test]
fn datagrams_beyond_the_receive_queue_are_dropped() {
    run(|| async {
        let (one, other) = connected().await;
        for number in 0..20_000_u32 {
            let mut datagram = [0; 1_000];
            datagram[..4].copy_from_slice(&number.to_le_bytes());
            one.send(&datagram).await.unwrap();
        }
        let_packets_arrive().await;
        let mut bytes = [0; 1_000];
        let mut received = 0;
        while other.try_recv(&mut bytes).is_ok() {
            assert_eq!(bytes[..4], u32::to_le_bytes(received), "the oldest datagrams stay");
            received += 1;
        }
        assert!((1..20_000).contains(&received), "{received}");
    });
}

#[test]
fn peeking_removes_nothing() {
    run(|| async {
        let (one, other) = connected().await;
        one.send(b"hello").await.unwrap();
        let mut bytes = [0; 16];
        assert_eq!(other.peek_from(&mut bytes).await.unwrap(), (5, one.local_addr().unwrap()));
        assert_eq!(other.peek(&mut bytes[..2]).await.unwrap(), 2);
        assert_eq!(other.try_peek_from(&mut bytes).unwrap(), (5, one.local_addr().unwrap()));
        assert_eq!(other.peek_sender().await.unwrap(), one.local_addr().unwrap());
        assert_eq!(other.recv(&mut bytes).await.unwrap(), 5);
        assert_eq!(other.try_peek(&mut bytes).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn try_methods_do_not_wait() {
    run(|| async {
        let (one, other) = connected().await;
        let mut bytes = [0; 16];
        assert_eq!(other.try_recv(&mut bytes).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(other.try_recv_from(&mut bytes).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(waits(other.readable()).await);
        one.writable().await.unwrap();
        assert_eq!(one.try_send(b"one").unwrap(), 3);
        assert_eq!(one.try_send_to(b"three", other.local_addr().unwrap()).unwrap(), 5);
        other.readable().await.unwrap();
        assert_eq!(other.try_recv(&mut bytes).unwrap(), 3);
        let_packets_arrive().await;
        assert_eq!(other.try_recv_from(&mut bytes).unwrap(), (5, one.local_addr().unwrap()));
        assert_eq!(other.try_recv(&mut bytes).unwrap_err().kind(), ErrorKind::WouldBlock);
        let ready = other.ready(Interest::READABLE | Interest::WRITABLE).await.unwrap();
        assert!(ready.is_writable() && !ready.is_readable());
    });
}

#[test]
fn a_growing_buffer_receives_a_datagram() {
    run(|| async {
        let (one, other) = connected().await;
        for _ in 0..3 {
            one.send(b"hello").await.unwrap();
        }
        let mut bytes = Vec::with_capacity(32);
        assert_eq!(other.recv_buf(&mut bytes).await.unwrap(), 5);
        assert_eq!(other.recv_buf_from(&mut bytes).await.unwrap(), (5, one.local_addr().unwrap()));
        assert_eq!(other.try_recv_buf(&mut bytes).unwrap(), 5);
        assert_eq!(bytes, b"hellohellohello");
    });
}

#[test]
fn one_task_sends_while_another_receives() {
    run(|| async {
        let (one, other) = connected().await;
        let (one, other) = (Arc::new(one), Arc::new(other));
        let echo = spawn({
            let other = Arc::clone(&other);
            async move {
                let mut bytes = [0; 16];
                for _ in 0..10 {
                    let length = other.recv(&mut bytes).await.unwrap();
                    other.send(&bytes[..length]).await.unwrap();
                }
            }
        });
        let sends = spawn({
            let one = Arc::clone(&one);
            async move {
                for number in 0..10_u8 {
                    one.send(&[number]).await.unwrap();
                }
            }
        });
        for number in 0..10 {
            let mut bytes = [0; 16];
            assert_eq!((one.recv(&mut bytes).await.unwrap(), bytes[0]), (1, number));
        }
        sends.await.unwrap();
        echo.await.unwrap();
    });
}

#[test]
fn a_socket_on_the_unspecified_address_sends_from_one_address() {
    run(|| async {
        let one = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        assert!(one.local_addr().unwrap().ip().is_unspecified());
        one.send_to(b"x", other.local_addr().unwrap()).await.unwrap();
        let (_, sender) = other.recv_from(&mut [0; 16]).await.unwrap();
        assert_eq!(sender.to_string(), format!("127.0.0.1:{}", one.local_addr().unwrap().port()));
        other.send_to(b"y", sender).await.unwrap();
        assert_eq!(one.recv_from(&mut [0; 16]).await.unwrap().1, other.local_addr().unwrap());
        // Connecting sets the source address.
        one.connect(other.local_addr().unwrap()).await.unwrap();
        assert_eq!(one.local_addr().unwrap(), sender);
    });
}

#[test]
fn datagrams_over_ipv6() {
    run(|| async {
        let one = UdpSocket::bind("[::1]:0").await.unwrap();
        let other = UdpSocket::bind("[::1]:0").await.unwrap();
        one.send_to(b"six", other.local_addr().unwrap()).await.unwrap();
        assert_eq!(other.recv_from(&mut [0; 16]).await.unwrap(), (3, one.local_addr().unwrap()));
    });
}

#[test]
fn a_cancelled_receive_loses_nothing() {
    run(|| async {
        let (one, other) = connected().await;
        let mut bytes = [0; 16];
        assert!(waits(other.recv_from(&mut bytes)).await);
        one.send(b"later").await.unwrap();
        assert_eq!(other.recv_from(&mut bytes).await.unwrap().0, 5);
    });
}

#[test]
fn a_socket_can_send_to_itself() {
    run(|| async {
        let (one, _) = two().await;
        one.send_to(b"note", one.local_addr().unwrap()).await.unwrap();
        assert_eq!(one.recv_from(&mut [0; 16]).await.unwrap(), (4, one.local_addr().unwrap()));
    });
}

#[test]
fn datagrams_outlive_their_sender() {
    run(|| async {
        let (one, other) = two().await;
        one.send_to(b"x", other.local_addr().unwrap()).await.unwrap();
        let sender = one.local_addr().unwrap();
        drop(one);
        assert_eq!(other.recv_from(&mut [0; 16]).await.unwrap(), (1, sender));
    });
}

#[test]
fn a_socket_stays_ready_until_a_receive_would_block() {
    run(|| async {
        let (one, other) = connected().await;
        one.send(b"hello").await.unwrap();
        let mut bytes = [0; 8];
        other.readable().await.unwrap();
        assert_eq!(other.try_recv(&mut bytes).unwrap(), 5);
        other.readable().await.unwrap();
        assert_eq!(other.try_recv(&mut bytes).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(waits(other.readable()).await);
    });
}

#[test]
fn a_closure_that_would_block_ends_the_readiness() {
    run(|| async {
        let (one, other) = connected().await;
        one.send(b"hello").await.unwrap();
        other.readable().await.unwrap();
        let would_block = || Err::<(), _>(ErrorKind::WouldBlock.into());
        for interest in [Interest::READABLE, Interest::WRITABLE] {
            assert!(other.try_io(interest, would_block).is_err());
        }
        assert!(waits(other.ready(Interest::READABLE | Interest::WRITABLE)).await);
        let error = other.try_recv(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert_eq!(other.try_send(b"x").unwrap_err().kind(), ErrorKind::WouldBlock);
        // The next datagram makes the socket ready in both directions.
        one.send(b"again").await.unwrap();
        other.readable().await.unwrap();
        other.writable().await.unwrap();
        assert_eq!(other.try_send(b"x").unwrap(), 1);
    });
}
