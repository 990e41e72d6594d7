//! Sockets within a host.

use std::io::ErrorKind;

use timeloop::io::{AsyncReadExt, AsyncWriteExt};
use timeloop::net::{UnixDatagram, UnixListener, UnixStream};

use crate::support::explorer;

fn run<F: Future<Output = ()>>(f: impl Fn() -> F + Sync) {
    explorer("net::unix").runs(20).check(f);
}

#[test]
fn streams_have_names() {
    run(|| async {
        assert_eq!(UnixStream::connect("/a").await.unwrap_err().kind(), ErrorKind::NotFound);
        let listener = UnixListener::bind("/a").unwrap();
        assert_eq!(UnixListener::bind("/a").unwrap_err().kind(), ErrorKind::AddrInUse);
        let mut client = UnixStream::connect("/a").await.unwrap();
        let (mut server, peer) = listener.accept().await.unwrap();
        assert!(peer.is_unnamed());
        assert_eq!(client.peer_addr().unwrap().as_pathname().unwrap().to_str(), Some("/a"));
        assert_eq!(format!("{:?}", server.local_addr().unwrap()), "\"/a\" (pathname)");
        client.write_all(b"hello").await.unwrap();
        client.shutdown().await.unwrap();
        let mut text = String::new();
        server.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello");
        drop(client);
        assert_eq!(server.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        drop(listener);
        assert_eq!(UnixStream::connect("/a").await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        UnixListener::bind("/a").unwrap();
    });
}

#[test]
fn halves_work_apart() {
    run(|| async {
        let (one, other) = UnixStream::pair().unwrap();
        let (mut reads, mut writes) = one.into_split();
        let (mut other_reads, mut other_writes) = other.into_split();
        let echo = timeloop::spawn(async move {
            timeloop::io::copy(&mut other_reads, &mut other_writes).await.unwrap();
        });
        writes.write_all(b"to and fro").await.unwrap();
        drop(writes);
        let mut text = String::new();
        reads.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "to and fro");
        echo.await.unwrap();
    });
}

#[test]
fn datagrams_wait_for_room() {
    run(|| async {
        let (one, other) = UnixDatagram::pair().unwrap();
        let sent = (0..).take_while(|_| one.try_send(b"x").is_ok()).count();
        assert_eq!(sent, 11);
        let waits = timeloop::spawn(async move { one.send(b"last").await.unwrap() });
        for _ in 0..11 {
            assert_eq!(other.recv(&mut [0; 4]).await.unwrap(), 1);
        }
        assert_eq!(other.recv(&mut [0; 8]).await.unwrap(), 4);
        waits.await.unwrap();
        assert_eq!(other.send(b"x").await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn datagrams_have_names() {
    run(|| async {
        let one = UnixDatagram::bind("/one").unwrap();
        let other = UnixDatagram::bind("/other").unwrap();
        one.send_to(b"hello", "/other").await.unwrap();
        let mut bytes = [0; 8];
        let (count, from) = other.recv_from(&mut bytes).await.unwrap();
        assert_eq!((&bytes[..count], from.as_pathname().unwrap().to_str()), (&b"hello"[..], Some("/one")));
        assert_eq!(one.send_to(b"x", "/none").await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(one.send(b"x").await.unwrap_err().kind(), ErrorKind::NotConnected);
        one.connect("/other").unwrap();
        one.send(b"x").await.unwrap();
        assert_eq!(other.try_recv(&mut bytes).unwrap(), 1);
    });
}
