//! Who is let in, and when.

use std::future::poll_fn;

use super::common::{a_moment, waits};
use super::world::net::{TcpListener, TcpStream};
use super::world::{join, run, spawn};

#[test]
fn who_comes_first_is_let_in_first() {
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
fn who_accepts_before_anybody_comes_waits() {
    run(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepts = spawn(async move { listener.accept().await.unwrap() });
        a_moment().await;
        assert!(!accepts.is_finished());
        let client = TcpStream::connect(address).await.unwrap();
        let (_, peer) = accepts.await.unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
    });
}

#[test]
fn to_accept_can_be_polled() {
    run(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = poll_fn(|cx| listener.poll_accept(cx));
        let (accepted, client) = join!(accepted, TcpStream::connect(address));
        assert_eq!(accepted.unwrap().1, client.unwrap().local_addr().unwrap());
    });
}

#[test]
fn two_may_accept_at_once() {
    run(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connect = async {
            a_moment().await;
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
