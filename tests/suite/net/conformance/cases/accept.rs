//! Accepting connections.

use std::future::poll_fn;

use super::common::{let_packets_arrive, waits};
use super::world::net::{TcpListener, TcpStream};
use super::world::{join, run, spawn};

#[test]
fn connections_are_accepted_in_order() {
    run(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut clients = Vec::new();
        for _ in 0..30 {
            clients.push(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
        }
        for client in &clients {
            let (server, peer) = listener.accept().await.unwrap();
            assert_eq!(peer, client.local_addr().unwrap());
            assert_eq!(server.peer_addr().unwrap(), peer);
        }
        assert!(waits(listener.accept()).await);
    });
}

#[test]
fn accept_waits_for_a_connection() {
    run(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepts = spawn(async move { listener.accept().await.unwrap() });
        let_packets_arrive().await;
        assert!(!accepts.is_finished());
        let client = TcpStream::connect(address).await.unwrap();
        let (_, peer) = accepts.await.unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
    });
}

#[test]
fn accept_can_be_polled() {
    run(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = poll_fn(|cx| listener.poll_accept(cx));
        let (accepted, client) = join!(accepted, TcpStream::connect(address));
        assert_eq!(accepted.unwrap().1, client.unwrap().local_addr().unwrap());
    });
}

#[test]
fn two_tasks_can_accept_concurrently() {
    run(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connect = async {
            let_packets_arrive().await;
            let first = TcpStream::connect(address).await.unwrap();
            let second = TcpStream::connect(address).await.unwrap();
            [first.local_addr().unwrap(), second.local_addr().unwrap()]
        };
        let (one, other, mut clients) = join!(listener.accept(), listener.accept(), connect);
        let mut accepted = [one.unwrap().1, other.unwrap().1];
        accepted.sort_unstable();
        clients.sort_unstable();
        assert_eq!(accepted, clients);
    });
}
