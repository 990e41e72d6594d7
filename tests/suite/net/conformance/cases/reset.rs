//! Resets: writing to a closed peer, and closing with unread bytes.

use super::common::{BROKEN_PIPE, NOT_CONNECTED, RESET, connected, error, let_packets_arrive, pattern};
use super::world::io::{AsyncReadExt, AsyncWriteExt};
use super::world::net::TcpStream;
use super::world::{MUCH, run, spawn};

/// Returns a stream whose peer closed with unread bytes.
async fn reset_stream() -> TcpStream {
    let (mut client, server) = connected().await;
    client.write_all(b"never read").await.unwrap();
    let_packets_arrive().await;
    drop(server);
    let_packets_arrive().await;
    client
}

#[test]
fn closing_with_unread_bytes_resets() {
    run(|| async {
        let mut client = reset_stream().await;
        assert_eq!(error(client.read(&mut [0; 8]).await), RESET);
        // The error is returned once.
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!(error(client.write(b"x").await), BROKEN_PIPE);
    });
}

#[test]
fn the_first_write_returns_the_reset() {
    run(|| async {
        let mut client = reset_stream().await;
        assert_eq!(error(client.write(b"x").await), RESET);
        assert_eq!(error(client.write(b"x").await), BROKEN_PIPE);
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
    });
}

#[test]
fn take_error_returns_the_reset() {
    run(|| async {
        let mut client = reset_stream().await;
        assert_eq!(client.take_error().unwrap().map(|error| error.to_string()).as_deref(), Some(RESET));
        assert!(client.take_error().unwrap().is_none());
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
    });
}

#[test]
fn a_reset_stream_has_no_peer_address() {
    run(|| async {
        let mut client = reset_stream().await;
        assert_eq!(error(client.peer_addr()), NOT_CONNECTED);
        assert!(client.local_addr().unwrap().ip().is_loopback());
        // There is nothing left to shut down, which is not an error.
        client.shutdown().await.unwrap();
    });
}

#[test]
fn bytes_before_a_reset_are_read_first() {
    run(|| async {
        let (mut client, mut server) = connected().await;
        client.write_all(b"never read").await.unwrap();
        server.write_all(b"farewell").await.unwrap();
        let_packets_arrive().await;
        drop(server);
        let_packets_arrive().await;
        let mut bytes = [0; 8];
        client.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"farewell");
        assert_eq!(error(client.read(&mut bytes).await), RESET);
    });
}

#[test]
fn the_first_write_to_a_closed_peer_succeeds_and_the_second_fails() {
    run(|| async {
        let (client, mut server) = connected().await;
        drop(client);
        let_packets_arrive().await;
        assert_eq!(server.write(b"x").await.unwrap(), 1);
        let_packets_arrive().await;
        assert_eq!(error(server.write(b"x").await), BROKEN_PIPE);
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
    });
}

#[test]
fn a_reset_wakes_a_waiting_reader() {
    run(|| async {
        let (mut client, server) = connected().await;
        client.write_all(b"never read").await.unwrap();
        let reads = spawn(async move { client.read(&mut [0; 8]).await });
        let_packets_arrive().await;
        drop(server);
        assert_eq!(error(reads.await.unwrap()), RESET);
    });
}

#[test]
fn a_reset_wakes_a_waiting_writer() {
    run(|| async {
        let (mut client, server) = connected().await;
        let writes = spawn(async move { client.write_all(&pattern(MUCH)).await });
        let_packets_arrive().await;
        assert!(!writes.is_finished());
        drop(server);
        assert_eq!(error(writes.await.unwrap()), RESET);
    });
}
