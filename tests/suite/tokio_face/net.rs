//! Sockets and their readiness.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use timeloop::io::{AsyncReadExt, AsyncWriteExt, ErrorKind, Interest};
use timeloop::net::{TcpListener, TcpSocket, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};

use crate::support::{explorer, panic_text, pends};

/// Explores a test, in the baseline run and in others.
#[track_caller]
fn explore<F: Future<Output = ()>>(name: &'static str, test: impl Fn() -> F + Sync) {
    // Transfers are whole: the tests count calls.
    explorer(name).runs(50).varied_io(false).check(test);
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

#[test]
fn e17_credentials_are_those_of_this_process() {
    explore("e17_credentials", || async {
        let (one, other) = UnixStream::pair().unwrap();
        let (one, other) = (one.peer_cred().unwrap(), other.peer_cred().unwrap());
        assert_eq!(one, other);
        assert_eq!(one.pid(), Some(std::process::id() as timeloop::net::unix::pid_t));
        #[cfg(target_os = "linux")]
        {
            use std::os::unix::fs::MetadataExt;
            let file = std::fs::metadata("/proc/self").unwrap();
            assert_eq!((one.uid(), one.gid()), (file.uid(), file.gid()));
        }
    });
}

#[test]
fn e17_connecting_to_a_unix_listener_pends_once() {
    explore("e17_connect", || async {
        let listener = UnixListener::bind("/run/one").unwrap();
        let mut connect = Box::pin(UnixStream::connect("/run/one"));
        pends(&mut connect).await;
        drop(listener);
        let error = connect.await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused), "{error}");

        let listener = UnixListener::bind("/run/other").unwrap();
        let mut client = UnixStream::connect("/run/other").await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        client.write_all(b"x").await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), b'x');
    });
}

#[test]
fn e17_a_tcp_socket_is_made_outside_of_a_run() {
    let socket = TcpSocket::new_v4().unwrap();
    assert_eq!(socket.local_addr().unwrap(), "0.0.0.0:0".parse().unwrap());
    socket.set_nodelay(true).unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.set_recv_buffer_size(30_000).unwrap();
    assert!(socket.nodelay().unwrap() && socket.reuseaddr().unwrap());
    crate::support::fifo().block_on(async {
        // The socket joins the run, with its options.
        socket.bind("127.0.0.1:80".parse().unwrap()).unwrap();
        assert!(socket.nodelay().unwrap() && socket.reuseaddr().unwrap());
        assert_eq!(socket.recv_buffer_size().unwrap(), 60_000);
        let listener = socket.listen(16).unwrap();
        let client = TcpStream::connect("127.0.0.1:80").await.unwrap();
        assert_eq!(listener.accept().await.unwrap().1, client.local_addr().unwrap());
    });
    let socket = TcpSocket::new_v6().unwrap();
    let text = panic_text(|| drop(socket.bind("[::1]:0".parse().unwrap())));
    assert!(text.contains("outside of a run"), "{text}");
}

#[test]
fn sockets_of_std_need_a_run() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let text = panic_text(|| drop(TcpListener::from_std(listener)));
    assert!(text.contains("outside of a run"), "{text}");
}

#[test]
fn a_real_connection_is_refused() {
    explore("a_real_connection_is_refused", || async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let error = TcpStream::from_std(stream).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().starts_with("a real connection can't join"), "{error}");
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(UnixStream::try_from(one).unwrap_err().kind(), ErrorKind::Unsupported);
        let (one, _other) = std::os::unix::net::UnixDatagram::pair().unwrap();
        one.set_nonblocking(true).unwrap();
        assert_eq!(UnixDatagram::from_std(one).unwrap_err().kind(), ErrorKind::Unsupported);

        // Nor is there a real connection behind a simulated one.
        let (client, _server) = connected().await;
        let error = client.into_std().unwrap_err();
        assert!(error.to_string().starts_with("a socket of a simulated run has no real one"), "{error}");
    });
}

#[cfg(all(target_os = "linux", debug_assertions))]
#[test]
fn a_blocking_socket_of_std_is_refused() {
    let text = panic_text(|| {
        let run = timeloop::run(1, || async {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            drop(TcpListener::from_std(listener));
        });
        panic!("{}", run.unwrap_err());
    });
    assert!(text.contains("set_nonblocking(true)"), "{text}");
}

#[test]
fn a_real_descriptor_is_not_registered() {
    use timeloop::io::unix::AsyncFd;

    explore("a_real_descriptor_is_not_registered", || async {
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let (one, error) = AsyncFd::try_new(one).unwrap_err().into_parts();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().starts_with("a real descriptor can't be awaited"), "{error}");
        let error = AsyncFd::with_interest(one, Interest::READABLE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    });
    let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    let text = panic_text(|| drop(AsyncFd::new(one)));
    assert!(text.contains("outside of a run"), "{text}");
}

#[test]
fn a_simulated_pipe_has_no_real_end() {
    explore("a_simulated_pipe_has_no_real_end", || async {
        let (sender, mut receiver) = timeloop::net::unix::pipe::pipe().unwrap();
        assert_eq!(sender.into_blocking_fd().unwrap_err().kind(), ErrorKind::Unsupported);
        // The end is closed.
        assert_eq!(receiver.read(&mut [0; 8]).await.unwrap(), 0);
    });
}

#[test]
fn a_task_that_waits_for_a_pipe_is_reported() {
    let failure = timeloop::run(1, || async {
        let (_sender, mut receiver) = timeloop::net::unix::pipe::pipe().unwrap();
        receiver.read_u8().await.unwrap();
    });
    let text = failure.unwrap_err().to_string();
    assert!(
        text.contains("is reading from the pipe, created at") && text.contains("nothing is in flight"),
        "{text}"
    );
}

#[test]
fn e04_waiting_for_readiness_spends_no_budget() {
    super::runtime().block_on(async {
        let (one, other) = UnixStream::pair().unwrap();
        let datagram = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (sender, _receiver) = timeloop::net::unix::pipe::pipe().unwrap();
        // More than the budget of a task, in one poll.
        poll_fn(|cx| {
            for _ in 0..200 {
                assert!(pin!(one.writable()).poll(cx).is_ready());
                assert!(pin!(other.readable()).poll(cx).is_pending());
                assert!(pin!(datagram.writable()).poll(cx).is_ready());
                assert!(pin!(sender.writable()).poll(cx).is_ready());
            }
            Poll::Ready(())
        })
        .await;
    });
}
