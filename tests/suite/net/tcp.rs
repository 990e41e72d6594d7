//! Streams of TCP within a host.

use std::io::ErrorKind;
use std::net::SocketAddr;

use timeloop::io::{AsyncReadExt, AsyncWriteExt, Interest};
use timeloop::net::{TcpListener, TcpSocket, TcpStream};
use timeloop::time::{Duration, sleep, timeout};

use crate::support::explorer;

/// Both sides of a connection.
async fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, peer) = listener.accept().await.unwrap();
    assert_eq!(client.local_addr().unwrap(), peer);
    assert_eq!(client.peer_addr().unwrap(), server.local_addr().unwrap());
    (client, server)
}

fn run<F: Future<Output = ()>>(f: impl Fn() -> F + Sync) {
    explorer("net::tcp").runs(20).check(f);
}

#[test]
fn bytes_go_both_ways() {
    run(|| async {
        let (mut client, mut server) = connected().await;
        client.write_all(b"ping").await.unwrap();
        let mut bytes = [0; 4];
        server.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"ping");
        server.write_all(b"pong").await.unwrap();
        client.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"pong");
    });
}

#[test]
fn whoever_drops_a_stream_ends_it() {
    run(|| async {
        let (mut client, mut server) = connected().await;
        client.write_all(b"bye").await.unwrap();
        drop(client);
        let mut text = String::new();
        server.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "bye");
        // The first write is answered by a reset, the second one finds that out.
        server.write_all(b"x").await.unwrap();
        assert_eq!(server.write_all(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn what_was_not_read_makes_a_reset_of_it() {
    run(|| async {
        let (mut client, server) = connected().await;
        client.write_all(b"never read").await.unwrap();
        drop(server);
        let mut bytes = [0; 4];
        assert_eq!(client.read(&mut bytes).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(client.read(&mut bytes).await.unwrap(), 0);
        assert_eq!(client.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(client.peer_addr().unwrap_err().kind(), ErrorKind::NotConnected);
    });
}

#[test]
fn half_of_it_can_end() {
    run(|| async {
        let (mut client, mut server) = connected().await;
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(client.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        let mut text = String::new();
        server.read_to_string(&mut text).await.unwrap();
        server.write_all(b"answer").await.unwrap();
        drop(server);
        text.clear();
        client.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "answer");
    });
}

#[test]
fn who_writes_faster_than_is_read_waits() {
    run(|| async {
        let (mut client, mut server) = connected().await;
        let written = timeloop::spawn(async move {
            let chunk = [7; 10_000];
            for _ in 0..100 {
                client.write_all(&chunk).await.unwrap();
            }
        });
        sleep(Duration::from_secs(1)).await;
        assert!(!written.is_finished());
        let mut bytes = Vec::new();
        server.read_to_end(&mut bytes).await.unwrap();
        assert_eq!(bytes.len(), 1_000_000);
        written.await.unwrap();
    });
}

#[test]
fn nobody_listens() {
    run(|| async {
        let error = TcpStream::connect("127.0.0.1:1").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(error.to_string(), "Connection refused (os error 111)");
    });
}

#[test]
fn addresses_that_can_not_be_bound() {
    run(|| async {
        let error = TcpListener::bind("192.0.2.1:80").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(TcpListener::bind(address).await.unwrap_err().kind(), ErrorKind::AddrInUse);
        assert_eq!(
            TcpListener::bind(("0.0.0.0", address.port())).await.unwrap_err().kind(),
            ErrorKind::AddrInUse
        );
        drop(listener);
        TcpListener::bind(address).await.unwrap();
    });
}

#[test]
fn nobody_has_the_address() {
    run(|| async {
        let start = timeloop::time::Instant::now();
        let error = TcpStream::connect("192.0.2.1:80").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::HostUnreachable);
        assert_eq!(start.elapsed(), Duration::from_secs(3));
    });
}

#[test]
fn a_full_queue_is_silent_until_there_is_room() {
    run(|| async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let _two = [TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap()];
        let third = timeout(Duration::from_secs(2), TcpStream::connect(address)).await;
        assert!(third.is_err());
        let fourth = timeloop::spawn(TcpStream::connect(address));
        sleep(Duration::from_millis(1)).await;
        let _accepted = listener.accept().await.unwrap();
        let start = timeloop::time::Instant::now();
        fourth.await.unwrap().unwrap();
        assert_eq!(start.elapsed(), Duration::from_millis(999));
    });
}

#[test]
fn a_listener_that_goes_away_resets_who_waits() {
    run(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        drop(listener);
        let error = client.read(&mut [0; 1]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn halves_work_apart_and_come_together_again() {
    run(|| async {
        let (client, mut server) = connected().await;
        let (mut reads, mut writes) = client.into_split();
        let reading = timeloop::spawn(async move {
            let mut bytes = [0; 2];
            reads.read_exact(&mut bytes).await.unwrap();
            assert_eq!(&bytes, b"hi");
            reads
        });
        writes.write_all(b"hello").await.unwrap();
        let mut bytes = [0; 5];
        server.read_exact(&mut bytes).await.unwrap();
        server.write_all(b"hi").await.unwrap();
        let reads = reading.await.unwrap();
        let (other, _server) = connected().await;
        let (reads, foreign) = match reads.reunite(other.into_split().1) {
            Err(timeloop::net::tcp::ReuniteError(reads, foreign)) => (reads, foreign),
            Ok(_) => panic!("they are not of one stream"),
        };
        drop(foreign);
        let mut client = reads.reunite(writes).unwrap();
        client.write_all(b"!").await.unwrap();
        drop(client);
        let mut text = String::new();
        server.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "!");
    });
}

#[test]
fn what_is_peeked_at_stays() {
    run(|| async {
        let (mut client, mut server) = connected().await;
        client.write_all(b"abc").await.unwrap();
        let mut bytes = [0; 2];
        assert_eq!(server.peek(&mut bytes).await.unwrap(), 2);
        assert_eq!(server.read(&mut bytes).await.unwrap(), 2);
        assert_eq!(&bytes, b"ab");
        assert_eq!(server.try_read(&mut bytes).unwrap(), 1);
        assert_eq!(server.try_read(&mut bytes).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(server.ready(Interest::WRITABLE).await.unwrap().is_writable());
        drop(client);
        assert!(server.ready(Interest::READABLE).await.unwrap().is_read_closed());
    });
}

#[test]
fn several_tasks_accept_from_one_listener() {
    run(|| async {
        let listener = std::rc::Rc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
        let address: SocketAddr = listener.local_addr().unwrap();
        let accepting: Vec<_> = (0..3)
            .map(|_| {
                let listener = listener.clone();
                timeloop::task::spawn_local(async move { listener.accept().await.unwrap().1 })
            })
            .collect();
        sleep(Duration::from_secs(1)).await;
        let mut clients = Vec::new();
        for _ in 0..3 {
            clients.push(TcpStream::connect(address).await.unwrap());
        }
        let mut peers = Vec::new();
        for task in accepting {
            peers.push(task.await.unwrap());
        }
        peers.sort();
        let mut expected: Vec<_> = clients.iter().map(|client| client.local_addr().unwrap()).collect();
        expected.sort();
        assert_eq!(peers, expected);
    });
}

#[test]
fn a_socket_outlives_its_run_and_fails() {
    let kept = std::sync::Mutex::new(None);
    timeloop::run(1, || async {
        let (client, server) = connected().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        *kept.lock().unwrap() = Some((client, server, listener));
    })
    .unwrap();
    {
        let kept = kept.lock().unwrap();
        let error = kept.as_ref().unwrap().0.try_write(b"x").unwrap_err();
        assert_eq!(error.to_string(), "the run that this socket belongs to is over");
    }
    timeloop::run(2, || async {
        let (client, server, listener) = kept.lock().unwrap().take().unwrap();
        let (other, _server) = connected().await;
        assert_eq!(server.try_read(&mut [0; 4]).unwrap_err().kind(), ErrorKind::NotConnected);
        assert!(listener.accept().await.is_err());
        drop(client);
        other.try_write(b"x").unwrap();
    })
    .unwrap();
}
