//! How a stream ends where somebody writes to a side that is gone, or goes before all was read.

use super::common::{BROKEN_PIPE, NOT_CONNECTED, RESET, a_moment, connected, error, pattern};
use super::world::io::{AsyncReadExt, AsyncWriteExt};
use super::world::net::TcpStream;
use super::world::{MUCH, run, spawn};

/// A stream whose other side went without reading all.
async fn cut_off() -> TcpStream {
    let (mut client, server) = connected().await;
    client.write_all(b"never read").await.unwrap();
    a_moment().await;
    drop(server);
    a_moment().await;
    client
}

#[test]
fn who_goes_before_all_is_read_resets() {
    run(|| async {
        let mut client = cut_off().await;
        assert_eq!(error(client.read(&mut [0; 8]).await), RESET);
        // It is told once.
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!(error(client.write(b"x").await), BROKEN_PIPE);
    });
}

#[test]
fn who_writes_first_is_told_of_the_reset() {
    run(|| async {
        let mut client = cut_off().await;
        assert_eq!(error(client.write(b"x").await), RESET);
        assert_eq!(error(client.write(b"x").await), BROKEN_PIPE);
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
    });
}

#[test]
fn a_reset_can_be_taken() {
    run(|| async {
        let mut client = cut_off().await;
        assert_eq!(client.take_error().unwrap().map(|error| error.to_string()).as_deref(), Some(RESET));
        assert!(client.take_error().unwrap().is_none());
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
    });
}

#[test]
fn a_stream_that_was_reset_has_no_other_side() {
    run(|| async {
        let mut client = cut_off().await;
        assert_eq!(error(client.peer_addr()), NOT_CONNECTED);
        assert!(client.local_addr().unwrap().ip().is_loopback());
        // There is nothing left to end, and that is no mistake.
        client.shutdown().await.unwrap();
    });
}

#[test]
fn what_had_come_before_the_reset_is_read_first() {
    run(|| async {
        let (mut client, mut server) = connected().await;
        client.write_all(b"never read").await.unwrap();
        server.write_all(b"farewell").await.unwrap();
        a_moment().await;
        drop(server);
        a_moment().await;
        let mut bytes = [0; 8];
        client.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"farewell");
        assert_eq!(error(client.read(&mut bytes).await), RESET);
    });
}

#[test]
fn the_first_write_to_who_is_gone_finds_out_and_the_second_is_told() {
    run(|| async {
        let (client, mut server) = connected().await;
        drop(client);
        a_moment().await;
        assert_eq!(server.write(b"x").await.unwrap(), 1);
        a_moment().await;
        assert_eq!(error(server.write(b"x").await), BROKEN_PIPE);
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
    });
}

#[test]
fn who_waits_to_read_is_woken_by_a_reset() {
    run(|| async {
        let (mut client, server) = connected().await;
        client.write_all(b"never read").await.unwrap();
        let reads = spawn(async move { client.read(&mut [0; 8]).await });
        a_moment().await;
        drop(server);
        assert_eq!(error(reads.await.unwrap()), RESET);
    });
}

#[test]
fn who_waits_to_write_is_woken_by_a_reset() {
    run(|| async {
        let (mut client, server) = connected().await;
        let writes = spawn(async move { client.write_all(&pattern(MUCH)).await });
        a_moment().await;
        assert!(!writes.is_finished());
        drop(server);
        assert_eq!(error(writes.await.unwrap()), RESET);
    });
}
