//! Stream halves.

use super::common::{connected, let_packets_arrive, pattern, waits};
use super::world::io::{AsyncReadExt, AsyncWriteExt, ErrorKind, Interest};
use super::world::{MUCH, io, join, run, spawn};

#[test]
fn halves_read_and_write_concurrently() {
    run(|| async {
        let (mut client, mut server) = connected().await;
        let sent = pattern(MUCH / 4);
        let (mut reads, mut writes) = client.split();
        let (mut back, mut forth) = server.split();
        let mut received = Vec::new();
        let write = async {
            writes.write_all(&sent).await.unwrap();
            writes.shutdown().await.unwrap();
        };
        let echo = async {
            io::copy(&mut back, &mut forth).await.unwrap();
            forth.shutdown().await.unwrap();
        };
        let ((), (), read) = join!(write, echo, reads.read_to_end(&mut received));
        assert_eq!(read.unwrap(), sent.len());
        assert!(received == sent);
    });
}

#[test]
fn halves_know_their_addresses() {
    run(|| async {
        let (mut client, server) = connected().await;
        let (local, peer) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
        {
            let (reads, writes) = client.split();
            assert_eq!((reads.local_addr().unwrap(), reads.peer_addr().unwrap()), (local, peer));
            assert_eq!((writes.local_addr().unwrap(), writes.peer_addr().unwrap()), (local, peer));
        }
        let (reads, writes) = client.into_split();
        assert_eq!((reads.local_addr().unwrap(), reads.peer_addr().unwrap()), (local, peer));
        assert_eq!((writes.local_addr().unwrap(), writes.peer_addr().unwrap()), (local, peer));
        drop(server);
    });
}

#[test]
fn owned_halves_move_to_separate_tasks() {
    run(|| async {
        let (client, mut server) = connected().await;
        let (mut reads, mut writes) = client.into_split();
        let written = spawn(async move {
            writes.write_all(b"question").await.unwrap();
            writes
        });
        let mut bytes = [0; 8];
        server.read_exact(&mut bytes).await.unwrap();
        server.write_all(b"answer").await.unwrap();
        let mut answer = [0; 6];
        reads.read_exact(&mut answer).await.unwrap();
        assert_eq!((&bytes, &answer), (b"question", b"answer"));
        let mut whole = reads.reunite(written.await.unwrap()).unwrap();
        whole.write_all(b"!").await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), b'!');
    });
}

#[test]
fn halves_of_different_streams_do_not_reunite() {
    run(|| async {
        let (client, server) = connected().await;
        let (client_reads, client_writes) = client.into_split();
        let (server_reads, server_writes) = server.into_split();
        let error = client_reads.reunite(server_writes).unwrap_err();
        assert_eq!(error.to_string(), "tried to reunite halves that are not from the same socket");
        let (client_reads, server_writes) = (error.0, error.1);
        let error = client_writes.reunite(server_reads).unwrap_err();
        client_reads.reunite(error.1).unwrap();
        error.0.reunite(server_writes).unwrap();
    });
}

#[test]
fn dropping_the_write_half_shuts_down_writing() {
    run(|| async {
        let (client, mut server) = connected().await;
        let (mut reads, mut writes) = client.into_split();
        writes.write_all(b"all").await.unwrap();
        drop(writes);
        let mut text = String::new();
        server.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "all");
        server.write_all(b"back").await.unwrap();
        let mut bytes = [0; 4];
        reads.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"back");
    });
}

#[test]
fn forgetting_the_write_half_keeps_the_stream_open() {
    run(|| async {
        let (client, mut server) = connected().await;
        let (reads, writes) = client.into_split();
        writes.forget();
        assert!(waits(server.read(&mut [0; 8])).await);
        drop(reads);
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
    });
}

#[test]
fn dropping_the_read_half_keeps_the_stream_open() {
    run(|| async {
        let (client, mut server) = connected().await;
        let (reads, mut writes) = client.into_split();
        drop(reads);
        server.write_all(b"unheard").await.unwrap();
        let_packets_arrive().await;
        writes.write_all(b"more").await.unwrap();
        let mut bytes = [0; 4];
        server.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"more");
    });
}

#[test]
fn halves_have_the_methods_of_streams() {
    run(|| async {
        let (client, mut server) = connected().await;
        let (mut reads, writes) = client.into_split();
        assert_eq!(reads.try_read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        writes.writable().await.unwrap();
        assert_eq!(writes.try_write(b"hello").unwrap(), 5);
        assert!(writes.ready(Interest::WRITABLE).await.unwrap().is_writable());
        let mut bytes = [0; 5];
        server.read_exact(&mut bytes).await.unwrap();
        server.write_all(b"world").await.unwrap();
        reads.readable().await.unwrap();
        assert_eq!(reads.peek(&mut bytes[..3]).await.unwrap(), 3);
        assert!(reads.ready(Interest::READABLE).await.unwrap().is_readable());
        assert_eq!(reads.try_read(&mut bytes).unwrap(), 5);
        assert_eq!(&bytes, b"world");
    });
}

#[test]
fn tokio_split_works() {
    run(|| async {
        let (client, mut server) = connected().await;
        let (mut reads, mut writes) = io::split(client);
        writes.write_all(b"ping").await.unwrap();
        let mut bytes = [0; 4];
        server.read_exact(&mut bytes).await.unwrap();
        server.write_all(b"pong").await.unwrap();
        reads.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"pong");
        let client = reads.unsplit(writes);
        assert_eq!(client.peer_addr().unwrap(), server.local_addr().unwrap());
    });
}
