//! How a stream ends where nothing goes wrong: one side, then the other.

use super::common::{BROKEN_PIPE, a_moment, connected, error, waits};
use super::world::io::{AsyncReadExt, AsyncWriteExt, ErrorKind};
use super::world::run;

#[test]
fn what_was_written_comes_before_the_end() {
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
fn the_end_can_be_read_again_and_again() {
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
fn who_has_shut_down_may_still_read() {
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
fn who_has_shut_down_may_not_write() {
    run(|| async {
        let (mut client, _server) = connected().await;
        client.shutdown().await.unwrap();
        assert_eq!(error(client.write(b"x").await), BROKEN_PIPE);
        assert_eq!(error(client.try_write(b"x")), BROKEN_PIPE);
        // Twice does no harm.
        client.shutdown().await.unwrap();
    });
}

#[test]
fn one_side_has_no_say_over_what_the_other_writes() {
    run(|| async {
        let (mut client, mut server) = connected().await;
        server.shutdown().await.unwrap();
        a_moment().await;
        client.write_all(b"one").await.unwrap();
        a_moment().await;
        client.write_all(b"two").await.unwrap();
        let mut bytes = [0; 6];
        server.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"onetwo");
        assert!(waits(server.read(&mut bytes)).await, "the client may write more");
    });
}

#[test]
fn an_end_in_the_midst_is_told_apart() {
    run(|| async {
        let (mut client, mut server) = connected().await;
        client.write_all(b"short").await.unwrap();
        drop(client);
        let error = server.read_exact(&mut [0; 8]).await.unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::UnexpectedEof, "early eof"));
    });
}

#[test]
fn both_may_shut_down_at_once() {
    run(|| async {
        let (mut client, mut server) = connected().await;
        client.shutdown().await.unwrap();
        server.shutdown().await.unwrap();
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
    });
}
