//! Unix datagram sockets.

use std::net::Shutdown;

use super::common::{
    ADDRESS_IN_USE, BROKEN_PIPE, NOT_CONNECTED, NOT_FOUND, REFUSED, error, let_packets_arrive, waits,
};
use super::world::io::{ErrorKind, Interest};
use super::world::net::UnixDatagram;
use super::world::{Place, run, spawn};

#[test]
fn a_pair_is_connected() {
    run(|| async {
        let (one, other) = UnixDatagram::pair().unwrap();
        assert_eq!(one.send(b"hello").await.unwrap(), 5);
        let mut bytes = [0; 16];
        assert_eq!(other.recv(&mut bytes).await.unwrap(), 5);
        assert_eq!(&bytes[..5], b"hello");
        other.send(b"back").await.unwrap();
        let (length, sender) = one.recv_from(&mut bytes).await.unwrap();
        assert_eq!(length, 4);
        assert!(sender.is_unnamed());
    });
}

#[test]
fn recv_from_returns_the_path_of_the_sender() {
    run(|| async {
        let (here, there) = (Place::new(), Place::new());
        let (one, other) = (UnixDatagram::bind(&here).unwrap(), UnixDatagram::bind(&there).unwrap());
        assert_eq!(one.local_addr().unwrap().as_pathname(), Some(here.as_ref()));
        assert_eq!(one.send_to(b"hello", &there).await.unwrap(), 5);
        let (length, sender) = other.recv_from(&mut [0; 16]).await.unwrap();
        assert_eq!((length, sender.as_pathname()), (5, Some(here.as_ref())));

        UnixDatagram::unbound().unwrap().send_to(b"who?", &there).await.unwrap();
        let (length, sender) = other.recv_from(&mut [0; 16]).await.unwrap();
        assert_eq!(length, 4);
        assert!(sender.is_unnamed());
    });
}

#[test]
fn a_connected_socket_sends_without_a_path() {
    run(|| async {
        let there = Place::new();
        let other = UnixDatagram::bind(&there).unwrap();
        let one = UnixDatagram::unbound().unwrap();
        assert_eq!(error(one.send(b"x").await), NOT_CONNECTED);
        assert_eq!(error(one.peer_addr()), NOT_CONNECTED);
        one.connect(&there).unwrap();
        assert_eq!(one.peer_addr().unwrap().as_pathname(), Some(there.as_ref()));
        one.send(b"hello").await.unwrap();
        assert_eq!(other.recv(&mut [0; 16]).await.unwrap(), 5);
    });
}

#[test]
fn a_path_can_be_bound_once() {
    run(|| async {
        let place = Place::new();
        let socket = UnixDatagram::bind(&place).unwrap();
        assert_eq!(error(UnixDatagram::bind(&place)), ADDRESS_IN_USE);
        drop(socket);
        let one = UnixDatagram::unbound().unwrap();
        assert_eq!(error(one.send_to(b"x", &place).await), REFUSED);
        assert_eq!(error(one.connect(&place)), REFUSED);
    });
}

#[test]
fn connecting_to_an_unused_path_fails() {
    run(|| async {
        let place = Place::new();
        let one = UnixDatagram::unbound().unwrap();
        assert_eq!(error(one.send_to(b"x", &place).await), NOT_FOUND);
        assert_eq!(error(one.connect(&place)), NOT_FOUND);
    });
}

#[test]
fn sending_to_a_closed_peer_fails() {
    run(|| async {
        let (one, other) = UnixDatagram::pair().unwrap();
        other.send(b"last").await.unwrap();
        drop(other);
        // Sent datagrams stay.
        assert_eq!(one.recv(&mut [0; 16]).await.unwrap(), 4);
        assert_eq!(error(one.send(b"x").await), REFUSED);
    });
}

#[test]
fn datagram_boundaries_are_kept_and_datagrams_may_be_empty() {
    run(|| async {
        let (one, other) = UnixDatagram::pair().unwrap();
        for text in ["too long", "", "x"] {
            one.send(text.as_bytes()).await.unwrap();
        }
        let mut bytes = [0; 3];
        assert_eq!(other.recv(&mut bytes).await.unwrap(), 3);
        assert_eq!(&bytes, b"too");
        assert_eq!(other.recv(&mut bytes).await.unwrap(), 0);
        assert_eq!(other.recv(&mut bytes).await.unwrap(), 1);
    });
}

#[test]
fn a_sender_waits_while_the_queue_is_full() {
    run(|| async {
        let (one, other) = UnixDatagram::pair().unwrap();
        let sends = spawn(async move {
            for number in 0..5_000_u32 {
                let mut datagram = [0; 1_000];
                datagram[..4].copy_from_slice(&number.to_le_bytes());
                one.send(&datagram).await.unwrap();
            }
        });
        let_packets_arrive().await;
        assert!(!sends.is_finished(), "the sender waits for capacity");
        for number in 0..5_000_u32 {
            let mut bytes = [0; 4];
            other.recv(&mut bytes).await.unwrap();
            assert_eq!(bytes, number.to_le_bytes());
        }
        sends.await.unwrap();
    });
}

#[test]
fn try_methods_do_not_wait() {
    run(|| async {
        let (one, other) = UnixDatagram::pair().unwrap();
        let mut bytes = [0; 16];
        assert_eq!(other.try_recv(&mut bytes).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(waits(other.readable()).await);
        one.writable().await.unwrap();
        assert_eq!(one.try_send(b"hello").unwrap(), 5);
        other.readable().await.unwrap();
        assert_eq!(other.try_recv(&mut bytes).unwrap(), 5);
        let mut sent = 0;
        while one.try_send(&[0; 1_000]).is_ok() {
            sent += 1;
        }
        assert!(sent > 0);
        assert_eq!(one.try_send(&[0; 1_000]).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn a_growing_buffer_receives_a_datagram() {
    run(|| async {
        let (one, other) = UnixDatagram::pair().unwrap();
        for _ in 0..4 {
            one.send(b"hello").await.unwrap();
        }
        let mut bytes = Vec::with_capacity(32);
        assert_eq!(other.recv_buf(&mut bytes).await.unwrap(), 5);
        assert_eq!(other.recv_buf_from(&mut bytes).await.unwrap().0, 5);
        assert_eq!(other.try_recv_buf(&mut bytes).unwrap(), 5);
        let (length, sender) = other.try_recv_buf_from(&mut bytes).unwrap();
        assert_eq!(length, 5);
        assert!(sender.is_unnamed());
        assert_eq!(bytes, b"hellohellohellohello");
    });
}

#[test]
fn try_io_requires_readiness() {
    run(|| async {
        let (one, other) = UnixDatagram::pair().unwrap();
        assert_eq!(other.try_recv(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        let error = other.try_io(Interest::READABLE, || Ok(())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        one.send(b"hello").await.unwrap();
        assert_eq!(other.async_io(Interest::READABLE, || Ok(8)).await.unwrap(), 8);
        assert_eq!(other.try_io(Interest::READABLE, || Ok(7)).unwrap(), 7);
    });
}

#[test]
fn a_datagram_has_a_maximum_size() {
    run(|| async {
        let (one, _other) = UnixDatagram::pair().unwrap();
        assert_eq!(error(one.send(&[0; 1_000_000]).await), "Message too long (os error 90)");
    });
}

#[test]
fn sending_after_shutdown_fails() {
    run(|| async {
        let (one, other) = UnixDatagram::pair().unwrap();
        one.shutdown(Shutdown::Write).unwrap();
        assert_eq!(error(one.send(b"x").await), BROKEN_PIPE);
        other.send(b"x").await.unwrap();
        assert_eq!(one.recv(&mut [0; 8]).await.unwrap(), 1);
    });
}

#[test]
fn writable_lasts_until_a_send_would_block() {
    run(|| async {
        let (one, other) = UnixDatagram::pair().unwrap();
        let mut sent = 0;
        loop {
            one.writable().await.unwrap();
            match one.try_send(&[0; 1_000]) {
                Ok(_) => sent += 1,
                Err(error) => break assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
        assert!(waits(one.writable()).await);
        for _ in 0..sent {
            other.readable().await.unwrap();
            assert_eq!(other.try_recv(&mut [0; 8]).unwrap(), 8);
        }
        other.readable().await.unwrap();
        assert_eq!(other.try_recv(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(waits(other.readable()).await);
        one.writable().await.unwrap();
        assert_eq!(one.try_send(b"x").unwrap(), 1);
    });
}

#[test]
fn several_tasks_wait_to_send() {
    run(|| async {
        let there = Place::new();
        let receiver = UnixDatagram::bind(&there).unwrap();
        let mut senders = Vec::new();
        for _ in 0..4 {
            let socket = UnixDatagram::unbound().unwrap();
            socket.connect(&there).unwrap();
            senders.push(spawn(async move {
                for _ in 0..100 {
                    socket.send(b"x").await.unwrap();
                }
            }));
        }
        let_packets_arrive().await;
        for _ in 0..400 {
            assert_eq!(receiver.recv(&mut [0; 8]).await.unwrap(), 1);
        }
        for sender in senders {
            sender.await.unwrap();
        }
    });
}
