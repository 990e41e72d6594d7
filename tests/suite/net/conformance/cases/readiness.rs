//! Peeking, `try_…` methods and readiness.

use std::future::poll_fn;
use std::io::{IoSlice, IoSliceMut};

use super::common::{connected, drain_readiness, let_packets_arrive, pattern, waits};
use super::world::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, ErrorKind, Interest};
use super::world::{MUCH, run};

#[test]
fn peeking_removes_nothing() {
    run(|| async {
        let (mut client, mut server) = connected().await;
        client.write_all(b"hello").await.unwrap();
        let_packets_arrive().await;
        let mut bytes = [0; 8];
        assert_eq!(server.peek(&mut bytes[..2]).await.unwrap(), 2);
        assert_eq!(server.peek(&mut bytes).await.unwrap(), 5);
        assert_eq!(server.read(&mut bytes).await.unwrap(), 5);
        assert_eq!(&bytes[..5], b"hello");
        assert!(waits(server.peek(&mut bytes)).await);
    });
}

#[test]
fn try_read_without_data_would_block() {
    run(|| async {
        let (mut client, server) = connected().await;
        drain_readiness(&server);
        assert!(waits(server.readable()).await);

        client.write_all(b"hello").await.unwrap();
        server.readable().await.unwrap();
        let mut bytes = [0; 8];
        assert_eq!(server.try_read(&mut bytes).unwrap(), 5);
        assert_eq!(server.try_read(&mut bytes).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(waits(server.readable()).await);
    });
}

#[test]
fn try_read_returns_the_rest() {
    run(|| async {
        let (mut client, server) = connected().await;
        client.write_all(b"hello").await.unwrap();
        server.readable().await.unwrap();
        let mut bytes = [0; 2];
        assert_eq!(server.try_read(&mut bytes).unwrap(), 2);
        server.readable().await.unwrap();
        assert_eq!(server.try_read(&mut bytes).unwrap(), 2);
        server.readable().await.unwrap();
        assert_eq!(server.try_read(&mut bytes).unwrap(), 1);
    });
}

#[test]
fn try_write_to_full_buffers_would_block() {
    run(|| async {
        let (client, mut server) = connected().await;
        let chunk = pattern(MUCH / 100);
        let mut written = 0;
        // The kernel may grow the buffers for a while.
        loop {
            match client.try_write(&chunk) {
                Ok(bytes) => written += bytes,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    if waits(client.writable()).await {
                        break;
                    }
                }
            }
        }
        assert!(written >= 10_000, "{written}");

        let mut received = vec![0; written];
        server.read_exact(&mut received).await.unwrap();
        client.writable().await.unwrap();
        assert!(client.try_write(&chunk).unwrap() > 0);
    });
}

#[test]
fn a_stream_stays_ready_until_an_operation_would_block() {
    run(|| async {
        let (mut client, server) = connected().await;
        drain_readiness(&server);
        client.write_all(b"ab").await.unwrap();
        let mut bytes = [0; 1];
        for _ in 0..2 {
            server.readable().await.unwrap();
            assert_eq!(server.try_read(&mut bytes).unwrap(), 1);
        }
        // Nothing is left to read, but no read has said so.
        server.readable().await.unwrap();
        assert!(poll_fn(|cx| server.poll_read_ready(cx)).await.is_ok());
        assert_eq!(server.try_read(&mut bytes).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(waits(server.readable()).await);
        assert!(waits(poll_fn(|cx| server.poll_read_ready(cx))).await);
    });
}

#[test]
fn a_short_read_shows_that_nothing_is_left() {
    run(|| async {
        let (mut client, mut server) = connected().await;
        client.write_all(b"abc").await.unwrap();
        let_packets_arrive().await;
        let mut bytes = [0; 2];
        assert_eq!(server.read(&mut bytes).await.unwrap(), 2);
        server.readable().await.unwrap();
        assert_eq!(server.read(&mut bytes).await.unwrap(), 1);
        assert!(waits(server.readable()).await);
    });
}

#[test]
fn writable_lasts_until_a_write_would_block() {
    run(|| async {
        let (client, _server) = connected().await;
        let chunk = pattern(4_000);
        let error = loop {
            client.writable().await.unwrap();
            if let Err(error) = client.try_write(&chunk) {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn a_write_may_be_short() {
    run(|| async {
        let (client, _server) = connected().await;
        let much = pattern(2 * MUCH);
        client.writable().await.unwrap();
        let written = client.try_write(&much).unwrap();
        assert!(written > 0 && written < much.len(), "{written}");
    });
}

#[test]
fn a_new_stream_is_writable_and_not_readable() {
    run(|| async {
        let (client, _server) = connected().await;
        let ready = client.ready(Interest::READABLE | Interest::WRITABLE).await.unwrap();
        assert!(ready.is_writable() && !ready.is_readable());
        assert!(!ready.is_read_closed() && !ready.is_write_closed());
        assert!(waits(client.ready(Interest::READABLE)).await);
    });
}

#[test]
fn readiness_shows_bytes_and_the_end() {
    run(|| async {
        let (mut client, server) = connected().await;
        client.write_all(b"hello").await.unwrap();
        let ready = server.ready(Interest::READABLE).await.unwrap();
        assert!(ready.is_readable() && !ready.is_read_closed());
        drop(client);
        let_packets_arrive().await;
        let ready = server.ready(Interest::READABLE).await.unwrap();
        assert!(ready.is_readable() && ready.is_read_closed());
        assert_eq!(server.try_read(&mut [0; 8]).unwrap(), 5);
        // The end stays readable.
        server.readable().await.unwrap();
        assert_eq!(server.try_read(&mut [0; 8]).unwrap(), 0);
        server.readable().await.unwrap();
    });
}

#[test]
fn reading_into_an_empty_buffer_returns_nothing() {
    run(|| async {
        let (mut client, mut server) = connected().await;
        assert!(waits(server.read(&mut [])).await, "an empty read waits for data");
        client.write_all(b"x").await.unwrap();
        let_packets_arrive().await;
        assert_eq!(server.read(&mut []).await.unwrap(), 0);
        assert_eq!(server.read_u8().await.unwrap(), b'x');
    });
}

#[test]
fn an_empty_write_succeeds() {
    run(|| async {
        let (mut client, mut server) = connected().await;
        assert_eq!(client.write(&[]).await.unwrap(), 0);
        client.write_all(&[]).await.unwrap();
        client.flush().await.unwrap();
        assert!(waits(server.read(&mut [0; 8])).await, "an empty write is not an end");
    });
}

#[test]
fn vectored_writes_and_reads() {
    run(|| async {
        let (mut client, server) = connected().await;
        let parts = [IoSlice::new(b"he"), IoSlice::new(b""), IoSlice::new(b"llo")];
        assert!(client.is_write_vectored());
        assert_eq!(client.write_vectored(&parts).await.unwrap(), 5);
        client.writable().await.unwrap();
        assert_eq!(client.try_write_vectored(&[IoSlice::new(b" wor"), IoSlice::new(b"ld")]).unwrap(), 6);
        let_packets_arrive().await;
        let (mut one, mut other) = ([0; 4], [0; 16]);
        server.readable().await.unwrap();
        let mut parts = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut other)];
        assert_eq!(server.try_read_vectored(&mut parts).unwrap(), 11);
        assert_eq!((&one, &other[..7]), (b"hell", &b"o world"[..]));
        let nothing = server.try_read_vectored(&mut [IoSliceMut::new(&mut one)]).unwrap_err();
        assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn a_growing_buffer_is_filled_up_to_its_capacity() {
    run(|| async {
        let (mut client, mut server) = connected().await;
        client.write_all(b"hello world").await.unwrap();
        let_packets_arrive().await;
        let mut bytes = Vec::with_capacity(64);
        server.readable().await.unwrap();
        assert_eq!(server.try_read_buf(&mut bytes).unwrap(), 11);
        client.write_all(b"!").await.unwrap();
        assert_eq!(server.read_buf(&mut bytes).await.unwrap(), 1);
        assert_eq!(bytes, b"hello world!");
    });
}

#[test]
fn try_io_requires_readiness() {
    run(|| async {
        let (mut client, server) = connected().await;
        drain_readiness(&server);
        let error = server.try_io(Interest::READABLE, || Ok(())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        client.write_all(b"x").await.unwrap();
        server.readable().await.unwrap();
        assert_eq!(server.try_io(Interest::READABLE, || Ok(7)).unwrap(), 7);
        assert_eq!(server.async_io(Interest::READABLE, || Ok(8)).await.unwrap(), 8);
    });
}

#[test]
fn a_closure_that_would_block_ends_the_readiness() {
    run(|| async {
        let (mut client, server) = connected().await;
        client.write_all(b"a").await.unwrap();
        server.readable().await.unwrap();
        let_packets_arrive().await;
        let would_block = || Err::<(), _>(ErrorKind::WouldBlock.into());
        assert_eq!(server.try_io(Interest::READABLE, would_block).unwrap_err().kind(), ErrorKind::WouldBlock);
        // There is a byte to read, but the stream is not ready until something else arrives.
        assert!(waits(server.readable()).await);
        assert_eq!(server.try_read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        client.write_all(b"b").await.unwrap();
        let mut calls = 0;
        let read = server.async_io(Interest::READABLE, || {
            calls += 1;
            server.try_read(&mut [0; 8])
        });
        assert_eq!((read.await.unwrap(), calls), (2, 1));
    });
}
