//! Unix streams.

use super::common::{BROKEN_PIPE, RESET, error, let_packets_arrive, pattern, waits};
use super::world::io::{AsyncReadExt, AsyncWriteExt, ErrorKind, Interest};
use super::world::net::UnixStream;
use super::world::{MUCH, run, spawn};

#[test]
fn a_pair_is_connected() {
    run(|| async {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        assert!(one.local_addr().unwrap().is_unnamed() && one.peer_addr().unwrap().is_unnamed());
        one.write_all(b"ping").await.unwrap();
        let mut bytes = [0; 4];
        other.read_exact(&mut bytes).await.unwrap();
        other.write_all(b"pong").await.unwrap();
        one.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"pong");
        assert!(one.take_error().unwrap().is_none());
    });
}

#[test]
fn written_bytes_arrive_before_the_end() {
    run(|| async {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        one.write_all(b"last words").await.unwrap();
        drop(one);
        let mut text = String::new();
        other.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "last words");
        assert_eq!(error(other.write(b"x").await), BROKEN_PIPE);
    });
}

#[test]
fn closing_with_unread_bytes_resets() {
    run(|| async {
        let (mut one, other) = UnixStream::pair().unwrap();
        one.write_all(b"never read").await.unwrap();
        drop(other);
        // A write does not report the reset.
        assert_eq!(error(one.write(b"x").await), BROKEN_PIPE);
        assert_eq!(error(one.read(&mut [0; 8]).await), RESET);
        assert_eq!(one.read(&mut [0; 8]).await.unwrap(), 0);
        one.shutdown().await.unwrap();
    });
}

#[test]
fn reading_after_shutdown_works() {
    run(|| async {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        one.write_all(b"question").await.unwrap();
        one.shutdown().await.unwrap();
        assert_eq!(error(one.write(b"x").await), BROKEN_PIPE);
        let mut text = String::new();
        other.read_to_string(&mut text).await.unwrap();
        other.write_all(b"answer").await.unwrap();
        drop(other);
        text.clear();
        one.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "answer");
    });
}

#[test]
fn many_bytes_arrive_complete_and_in_order() {
    run(|| async {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        let sent = pattern(MUCH);
        let expected = sent.clone();
        let writes = spawn(async move { one.write_all(&sent).await.unwrap() });
        let_packets_arrive().await;
        assert!(!writes.is_finished(), "the writer waits");
        let mut received = Vec::new();
        other.read_to_end(&mut received).await.unwrap();
        writes.await.unwrap();
        assert!(received == expected);
    });
}

#[test]
fn try_methods_do_not_wait() {
    run(|| async {
        let (mut one, other) = UnixStream::pair().unwrap();
        let mut bytes = [0; 8];
        assert_eq!(other.try_read(&mut bytes).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(waits(other.readable()).await);
        one.write_all(b"hello").await.unwrap();
        other.readable().await.unwrap();
        assert!(other.ready(Interest::READABLE).await.unwrap().is_readable());
        assert_eq!(other.try_read(&mut bytes).unwrap(), 5);
        let much = pattern(MUCH);
        one.writable().await.unwrap();
        let written = one.try_write(&much).unwrap();
        assert!(written > 0 && written < much.len());
    });
}

#[test]
fn halves_move_to_separate_tasks() {
    run(|| async {
        let (one, mut other) = UnixStream::pair().unwrap();
        let (mut reads, mut writes) = one.into_split();
        let written = spawn(async move {
            writes.write_all(b"all").await.unwrap();
            writes
        });
        let mut bytes = [0; 3];
        other.read_exact(&mut bytes).await.unwrap();
        let writes = written.await.unwrap();
        drop(writes);
        assert_eq!(other.read(&mut bytes).await.unwrap(), 0);
        other.write_all(b"new").await.unwrap();
        reads.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"new");
    });
}

#[test]
fn halves_are_reunited() {
    run(|| async {
        let (one, other) = UnixStream::pair().unwrap();
        let (reads, writes) = one.into_split();
        let (other_reads, other_writes) = other.into_split();
        let error = reads.reunite(other_writes).unwrap_err();
        assert_eq!(error.to_string(), "tried to reunite halves that are not from the same socket");
        error.0.reunite(writes).unwrap();
        other_reads.reunite(error.1).unwrap();
    });
}

#[test]
fn halves_can_borrow_the_stream() {
    run(|| async {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        {
            let (mut reads, mut writes) = one.split();
            writes.write_all(b"hi").await.unwrap();
            assert_eq!(other.read_u16().await.unwrap(), u16::from_be_bytes(*b"hi"));
            other.write_u8(7).await.unwrap();
            assert_eq!(reads.read_u8().await.unwrap(), 7);
        }
        one.shutdown().await.unwrap();
        assert_eq!(other.read(&mut [0; 8]).await.unwrap(), 0);
    });
}

#[test]
fn a_cancelled_read_removes_nothing() {
    run(|| async {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        let mut bytes = [0; 8];
        assert!(waits(other.read(&mut bytes)).await);
        one.write_all(b"hello").await.unwrap();
        assert_eq!(other.read(&mut bytes).await.unwrap(), 5);
    });
}

#[test]
fn reading_into_an_empty_buffer_returns_nothing() {
    run(|| async {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        assert!(waits(other.read(&mut [])).await, "an empty read waits for data");
        one.write_all(b"x").await.unwrap();
        assert_eq!(other.read(&mut []).await.unwrap(), 0);
        assert_eq!(other.read_u8().await.unwrap(), b'x');
    });
}

#[test]
fn a_stream_stays_ready_until_an_operation_would_block() {
    run(|| async {
        let (one, other) = UnixStream::pair().unwrap();
        let chunk = [0; 4_000];
        let mut written = 0;
        loop {
            one.writable().await.unwrap();
            match one.try_write(&chunk) {
                Ok(count) => written += count,
                Err(error) => break assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
        assert!(waits(one.writable()).await);
        let mut bytes = [0; 4_000];
        while written > 0 {
            other.readable().await.unwrap();
            written -= other.try_read(&mut bytes).unwrap();
        }
        other.readable().await.unwrap();
        assert_eq!(other.try_read(&mut bytes).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(waits(other.readable()).await);
        one.writable().await.unwrap();
        assert!(one.try_write(&chunk).unwrap() > 0);
    });
}
