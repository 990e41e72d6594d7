//! Futures that are dropped before they are ready.

use super::common::{a_moment, connected, pattern, settled, waits};
use super::world::io::{AsyncReadExt, AsyncWriteExt};
use super::world::net::{TcpListener, TcpStream};
use super::world::{MUCH, run};

#[test]
fn a_read_that_is_given_up_takes_nothing() {
    run(|| async {
        let (mut client, mut server) = connected().await;
        let mut bytes = [0; 8];
        assert!(waits(server.read(&mut bytes)).await);
        client.write_all(b"hello").await.unwrap();
        assert_eq!(server.read(&mut bytes).await.unwrap(), 5);
        assert_eq!(&bytes[..5], b"hello");
    });
}

#[test]
fn an_accept_that_is_given_up_lets_nobody_in() {
    run(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        assert!(waits(listener.accept()).await);
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (_, peer) = listener.accept().await.unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
    });
}

#[test]
fn what_a_write_that_is_given_up_has_written_stays_written() {
    run(|| async {
        let (mut client, mut server) = connected().await;
        let sent = pattern(MUCH);
        assert!(waits(client.write_all(&sent)).await);
        drop(client);
        let mut received = Vec::new();
        server.read_to_end(&mut received).await.unwrap();
        assert!(!received.is_empty() && received.len() < sent.len());
        assert!(received == sent[..received.len()]);
    });
}

#[test]
fn a_connection_that_is_given_up_can_be_tried_again() {
    run(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        // Not even once polled, it is no connection at all.
        drop(TcpStream::connect(address));
        assert!(waits(listener.accept()).await);
        let client = TcpStream::connect(address).await.unwrap();
        assert_eq!(listener.accept().await.unwrap().1, client.local_addr().unwrap());
    });
}

#[test]
fn waiting_for_readiness_can_be_given_up() {
    run(|| async {
        let (mut client, server) = connected().await;
        settled(&server);
        assert!(waits(server.readable()).await);
        client.write_all(b"x").await.unwrap();
        server.readable().await.unwrap();
        assert!(!waits(server.readable()).await, "it takes nothing");
        a_moment().await;
        assert_eq!(server.try_read(&mut [0; 8]).unwrap(), 1);
    });
}
