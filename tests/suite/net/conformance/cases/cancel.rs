//! Cancelled operations.

use super::common::{connected, drain_readiness, let_packets_arrive, pattern, waits};
use super::world::io::{AsyncReadExt, AsyncWriteExt};
use super::world::net::{TcpListener, TcpStream};
use super::world::{MUCH, run};

#[test]
fn a_cancelled_read_removes_nothing() {
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
fn a_cancelled_accept_loses_no_connection() {
    run(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        assert!(waits(listener.accept()).await);
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (_, peer) = listener.accept().await.unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
    });
}

#[test]
fn a_cancelled_write_keeps_its_written_bytes() {
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
fn a_cancelled_connect_can_be_repeated() {
    run(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        // A future that was never polled makes no connection.
        drop(TcpStream::connect(address));
        assert!(waits(listener.accept()).await);
        let client = TcpStream::connect(address).await.unwrap();
        assert_eq!(listener.accept().await.unwrap().1, client.local_addr().unwrap());
    });
}

#[test]
fn waiting_for_readiness_can_be_cancelled() {
    run(|| async {
        let (mut client, server) = connected().await;
        drain_readiness(&server);
        assert!(waits(server.readable()).await);
        client.write_all(b"x").await.unwrap();
        server.readable().await.unwrap();
        assert!(!waits(server.readable()).await, "it reads nothing");
        let_packets_arrive().await;
        assert_eq!(server.try_read(&mut [0; 8]).unwrap(), 1);
    });
}
