//! Sockets and their readiness.

use timeloop::io::{AsyncReadExt, AsyncWriteExt, ErrorKind, Interest};
use timeloop::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixStream};

use crate::support::explorer;

/// Explores a test, in the baseline run and in others.
#[track_caller]
fn explore<F: Future<Output = ()>>(name: &'static str, test: impl Fn() -> F + Sync) {
    explorer(name).runs(50).check(test);
}

/// Returns both ends of a connection.
async fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (client, listener.accept().await.unwrap().0)
}

/// Writes to a socket until a write would block. It is asked each time whether it is writable.
macro_rules! fill {
    ($socket:expr, $write:ident) => {{
        let mut written = 0;
        loop {
            $socket.writable().await.unwrap();
            match $socket.$write(&[0; 4_000]) {
                Ok(count) => written += count,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    break written;
                }
            }
        }
    }};
}

#[test]
fn e04_a_writer_learns_that_the_buffers_are_full() {
    explore("e04_streams", || async {
        let (client, mut server) = connected().await;
        let written = fill!(client, try_write);
        server.read_exact(&mut vec![0; written]).await.unwrap();
        assert!(fill!(client, try_write) > 0);
    });
    explore("e04_unix_streams", || async {
        let (one, mut other) = UnixStream::pair().unwrap();
        let written = fill!(one, try_write);
        other.read_exact(&mut vec![0; written]).await.unwrap();
        assert!(fill!(one, try_write) > 0);
    });
    explore("e04_unix_datagrams", || async {
        let (one, other) = UnixDatagram::pair().unwrap();
        let sent = fill!(one, try_send);
        for _ in 0..sent / 4_000 {
            other.recv(&mut [0; 4_000]).await.unwrap();
        }
        assert!(fill!(one, try_send) > 0);
    });
}

#[test]
fn e04_a_reader_learns_that_nothing_is_left() {
    explore("e04_readers", || async {
        let receiver = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        sender.connect(receiver.local_addr().unwrap()).await.unwrap();
        for _ in 0..3 {
            sender.send(b"x").await.unwrap();
        }
        let mut received = 0;
        loop {
            receiver.readable().await.unwrap();
            match receiver.try_recv(&mut [0; 8]) {
                Ok(_) => received += 1,
                Err(error) => break assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
        assert_eq!(received, 3);
    });
}

#[test]
fn e04_a_closure_that_would_block_waits_for_something_new() {
    explore("e04_async_io", || async {
        let (mut client, server) = connected().await;
        client.write_all(b"first").await.unwrap();
        let read = timeloop::spawn(async move {
            let mut calls = 0;
            let read = server.async_io(Interest::READABLE, || {
                calls += 1;
                let mut bytes = [0; 16];
                match server.try_read(&mut bytes)? {
                    5 => Err(ErrorKind::WouldBlock.into()),
                    count => Ok(count),
                }
            });
            (read.await.unwrap(), calls)
        });
        timeloop::time::sleep(timeloop::time::Duration::from_millis(10)).await;
        client.write_all(b"second").await.unwrap();
        assert_eq!(read.await.unwrap(), (6, 2));
    });
}
