//! Graceful shutdown of streams.

use super::common::{BROKEN_PIPE, connected, error, let_packets_arrive, waits};
use super::world::io::{AsyncReadExt, AsyncWriteExt, ErrorKind};
use super::world::run;

#[test]
fn written_bytes_arrive_before_the_end() {
    run(|| async {
        let (mut client, mut server) = connected().await;
        client.write_all(b"last words").await.unwrap();
        drop(client);
        let mut text = String::new();
        server.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "last words");
    });
}

#[test]
fn the_end_can_be_read_repeatedly() {
    run(|| async {
        let (client, mut server) = connected().await;
        drop(client);
        for _ in 0..3 {
            assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
        }
        assert_eq!(server.peek(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!(server.try_read(&mut [0; 8]).unwrap(), 0);
    });
}

#[test]
fn reading_after_shutdown_works() {
    run(|| async {
        let (mut client, mut server) = connected().await;
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();

        let mut text = String::new();
        server.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "question");
        server.write_all(b"answer").await.unwrap();
        server.shutdown().await.unwrap();

        text.clear();
        client.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "answer");
    });
}

#[test]
fn writing_after_shutdown_fails() {
    run(|| async {
        let (mut client, _server) = connected().await;
        client.shutdown().await.unwrap();
        assert_eq!(error(client.write(b"x").await), BROKEN_PIPE);
        assert_eq!(error(client.try_write(b"x")), BROKEN_PIPE);
        // A second shutdown succeeds too.
        client.shutdown().await.unwrap();
    });
}

#[test]
fn shutdown_affects_one_direction() {
    run(|| async {
        let (mut client, mut server) = connected().await;
        server.shutdown().await.unwrap();
        let_packets_arrive().await;
        client.write_all(b"one").await.unwrap();
        let_packets_arrive().await;
        client.write_all(b"two").await.unwrap();
        let mut bytes = [0; 6];
        server.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"onetwo");
        assert!(waits(server.read(&mut bytes)).await, "the client may write more");
    });
}

#[test]
fn an_early_end_is_an_unexpected_eof() {
    run(|| async {
        let (mut client, mut server) = connected().await;
        client.write_all(b"short").await.unwrap();
        drop(client);
        let error = server.read_exact(&mut [0; 8]).await.unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::UnexpectedEof, "early eof"));
    });
}

#[test]
fn both_ends_can_shut_down_concurrently() {
    run(|| async {
        let (mut client, mut server) = connected().await;
        client.shutdown().await.unwrap();
        server.shutdown().await.unwrap();
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
    });
}
