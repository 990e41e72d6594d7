//! Socket behaviour that real sockets do not share or cannot show: the simulation's limits and time, and
//! the end of a run. See `conformance` for the common behaviour.

use std::io::ErrorKind;
use std::net::Ipv4Addr;

use timeloop::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
#[cfg(unix)]
use timeloop::net::{UnixDatagram, UnixListener, UnixStream};
use timeloop::time::{Duration, Instant, sleep, timeout};

use crate::support::explorer;

fn run<F: Future<Output = ()>>(f: impl Fn() -> F + Sync) {
    explorer("net::sockets").runs(20).check(f);
}

#[test]
fn an_unassigned_address_is_unreachable() {
    run(|| async {
        let start = Instant::now();
        let error = TcpStream::connect("192.0.2.1:80").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::HostUnreachable);
        assert_eq!(start.elapsed(), Duration::from_secs(3));
    });
}

#[test]
fn a_full_backlog_drops_connection_attempts() {
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
        let start = Instant::now();
        fourth.await.unwrap().unwrap();
        assert_eq!(start.elapsed(), Duration::from_millis(999));
    });
}

#[test]
fn a_socket_of_a_finished_run_fails() {
    async fn connected() -> (TcpStream, TcpStream, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        (client, server, listener)
    }

    let kept = std::sync::Mutex::new(None);
    timeloop::run(1, || async {
        *kept.lock().unwrap() = Some(connected().await);
    })
    .unwrap();
    {
        let kept = kept.lock().unwrap();
        let error = kept.as_ref().unwrap().0.try_write(b"x").unwrap_err();
        assert_eq!(error.to_string(), "the run that this socket belongs to is over");
    }
    timeloop::run(2, || async {
        let (client, server, listener) = kept.lock().unwrap().take().unwrap();
        let (other, _server, _listener) = connected().await;
        assert_eq!(server.try_read(&mut [0; 4]).unwrap_err().kind(), ErrorKind::NotConnected);
        assert!(listener.accept().await.is_err());
        drop(client);
        other.try_write(b"x").unwrap();
    })
    .unwrap();
}

#[test]
fn a_datagram_beyond_the_receive_queue_is_lost() {
    run(|| async {
        let one = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let long = vec![0; 65_507];
        for _ in 0..10 {
            one.send_to(&long, other.local_addr().unwrap()).await.unwrap();
        }
        let mut bytes = vec![0; 65_536];
        let received = std::iter::from_fn(|| other.try_recv(&mut bytes).ok()).count();
        assert_eq!(received, 3);
    });
}

#[test]
fn group_members_receive_multicast_datagrams() {
    run(|| async {
        let group = Ipv4Addr::new(239, 1, 2, 3);
        let member = UdpSocket::bind("0.0.0.0:7000").await.unwrap();
        member.join_multicast_v4(group, Ipv4Addr::UNSPECIFIED).unwrap();
        let sender = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        sender.send_to(b"hello", (group, 7000)).await.unwrap();
        let mut bytes = [0; 10];
        assert_eq!(member.recv(&mut bytes).await.unwrap(), 5);
        member.leave_multicast_v4(group, Ipv4Addr::UNSPECIFIED).unwrap();
        sender.send_to(b"hello", (group, 7000)).await.unwrap();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(member.try_recv(&mut bytes).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[cfg(unix)]
#[test]
fn closing_a_socket_frees_its_path() {
    run(|| async {
        let listener = UnixListener::bind("/a").unwrap();
        assert_eq!(format!("{:?}", listener.local_addr().unwrap()), "\"/a\" (pathname)");
        drop(listener);
        assert_eq!(UnixStream::connect("/a").await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        UnixListener::bind("/a").unwrap();
    });
}

#[cfg(unix)]
#[test]
fn a_queue_holds_eleven_datagrams() {
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
    });
}
