//! Transfer of many bytes.

use super::common::{connected, let_packets_arrive, pattern};
use super::world::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use super::world::{MUCH, io, join, run, spawn};

#[test]
fn many_bytes_arrive_complete_and_in_order() {
    run(|| async {
        let (mut client, mut server) = connected().await;
        let sent = pattern(MUCH / 4);
        let expected = sent.clone();
        let writes = spawn(async move { client.write_all(&sent).await.unwrap() });
        let mut received = Vec::new();
        server.read_to_end(&mut received).await.unwrap();
        writes.await.unwrap();
        assert!(received == expected);
    });
}

#[test]
fn a_slow_reader_blocks_the_writer() {
    run(|| async {
        let (mut client, mut server) = connected().await;
        let sent = pattern(MUCH);
        let expected = sent.clone();
        let writes = spawn(async move { client.write_all(&sent).await.unwrap() });
        let_packets_arrive().await;
        let_packets_arrive().await;
        assert!(!writes.is_finished(), "the writer waits");
        let mut received = vec![0; expected.len()];
        server.read_exact(&mut received).await.unwrap();
        assert!(received == expected);
        writes.await.unwrap();
    });
}

#[test]
fn both_directions_at_once() {
    run(|| async {
        let (mut client, mut server) = connected().await;
        let sent = pattern(MUCH / 8);
        let (mut client_reads, mut client_writes) = client.split();
        let (mut server_reads, mut server_writes) = server.split();
        let (mut one, mut other) = (vec![0; sent.len()], vec![0; sent.len()]);
        let results = join!(
            client_writes.write_all(&sent),
            server_writes.write_all(&sent),
            client_reads.read_exact(&mut one),
            server_reads.read_exact(&mut other),
        );
        assert!(results.0.is_ok() && results.1.is_ok() && results.2.is_ok() && results.3.is_ok());
        assert!(one == sent && other == sent);
    });
}

#[test]
fn a_read_returns_at_most_the_size_of_the_buffer() {
    run(|| async {
        let (mut client, mut server) = connected().await;
        client.write_all(b"abcdefg").await.unwrap();
        drop(client);
        let_packets_arrive().await;
        let mut sizes = Vec::new();
        let mut bytes = [0; 3];
        loop {
            let read = server.read(&mut bytes).await.unwrap();
            sizes.push(read);
            if read == 0 {
                break;
            }
        }
        assert_eq!(sizes, [3, 3, 1, 0]);
    });
}

#[test]
fn a_read_does_not_wait_for_more_bytes() {
    run(|| async {
        let (mut client, mut server) = connected().await;
        client.write_all(b"abc").await.unwrap();
        let mut bytes = [0; 100];
        assert_eq!(server.read(&mut bytes).await.unwrap(), 3);
    });
}

#[test]
fn write_boundaries_are_not_kept() {
    run(|| async {
        let (mut client, mut server) = connected().await;
        for part in ["ab", "c", "defg"] {
            client.write_all(part.as_bytes()).await.unwrap();
        }
        let_packets_arrive().await;
        let mut bytes = [0; 100];
        assert_eq!(server.read(&mut bytes).await.unwrap(), 7);
        assert_eq!(&bytes[..7], b"abcdefg");
    });
}

#[test]
fn many_small_writes() {
    run(|| async {
        let (mut client, mut server) = connected().await;
        let sent = pattern(3_000);
        let expected = sent.clone();
        let writes = spawn(async move {
            for byte in sent {
                client.write_u8(byte).await.unwrap();
            }
        });
        let mut received = Vec::new();
        server.read_to_end(&mut received).await.unwrap();
        writes.await.unwrap();
        assert_eq!(received, expected);
    });
}

#[test]
fn lines_are_read_one_at_a_time() {
    run(|| async {
        let (mut client, server) = connected().await;
        client.write_all(b"one\ntwo\r\nthree").await.unwrap();
        client.shutdown().await.unwrap();
        let mut lines = BufReader::new(server).lines();
        let mut read = Vec::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            read.push(line);
        }
        assert_eq!(read, ["one", "two", "three"]);
    });
}

#[test]
fn a_proxy_forwards_bytes_and_the_end() {
    run(|| async {
        let (mut client, mut front) = connected().await;
        let (mut back, mut server) = connected().await;
        let proxy = spawn(async move { io::copy_bidirectional(&mut front, &mut back).await.unwrap() });
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        let mut text = String::new();
        server.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "question");
        server.write_all(b"the answer").await.unwrap();
        drop(server);
        text.clear();
        client.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "the answer");
        assert_eq!(proxy.await.unwrap(), (8, 10));
    });
}
