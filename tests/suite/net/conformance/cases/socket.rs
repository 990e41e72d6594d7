//! Sockets that are set up by hand.

use std::net::SocketAddr;

use super::common::{ADDRESS_IN_USE, ADDRESS_NOT_AVAILABLE, INVALID_ARGUMENT, REFUSED, error};
use super::world::net::{TcpListener, TcpSocket, TcpStream};
use super::world::run;

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

#[test]
fn a_socket_listens_where_it_is_bound() {
    run(|| async {
        let socket = TcpSocket::new_v4().unwrap();
        assert_eq!(socket.local_addr().unwrap(), "0.0.0.0:0".parse().unwrap());
        socket.bind(loopback()).unwrap();
        let address = socket.local_addr().unwrap();
        assert!(address.ip().is_loopback() && address.port() != 0);
        let listener = socket.listen(16).unwrap();
        assert_eq!(listener.local_addr().unwrap(), address);
        let client = TcpStream::connect(address).await.unwrap();
        assert_eq!(listener.accept().await.unwrap().1, client.local_addr().unwrap());
    });
}

#[test]
fn a_socket_connects_from_where_it_is_bound() {
    run(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.3:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        let client = socket.connect(listener.local_addr().unwrap()).await.unwrap();
        assert_eq!(client.local_addr().unwrap(), address);
        assert_eq!(listener.accept().await.unwrap().1, address);
    });
}

#[test]
fn a_socket_that_is_not_bound_connects_from_anywhere() {
    run(|| async {
        let listener = TcpListener::bind("[::1]:0").await.unwrap();
        let client = TcpSocket::new_v6().unwrap().connect(listener.local_addr().unwrap()).await.unwrap();
        assert_eq!(listener.accept().await.unwrap().1, client.local_addr().unwrap());
    });
}

#[test]
fn a_socket_that_is_not_bound_listens_everywhere() {
    run(|| async {
        let listener = TcpSocket::new_v4().unwrap().listen(16).unwrap();
        let address = listener.local_addr().unwrap();
        assert!(address.ip().is_unspecified() && address.port() != 0);
        let client = TcpStream::connect(("127.0.0.1", address.port())).await.unwrap();
        assert_eq!(listener.accept().await.unwrap().1, client.local_addr().unwrap());
    });
}

#[test]
fn a_socket_is_bound_once() {
    run(|| async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(loopback()).unwrap();
        assert_eq!(error(socket.bind(loopback())), INVALID_ARGUMENT);
        assert_eq!(
            error(TcpSocket::new_v4().unwrap().bind("192.0.2.1:0".parse().unwrap())),
            ADDRESS_NOT_AVAILABLE
        );
    });
}

#[test]
fn a_socket_that_only_bound_takes_the_address() {
    run(|| async {
        let first = TcpSocket::new_v4().unwrap();
        first.bind(loopback()).unwrap();
        let address = first.local_addr().unwrap();
        let second = TcpSocket::new_v4().unwrap();
        assert_eq!(error(second.bind(address)), ADDRESS_IN_USE);
        // Nobody listens there.
        assert_eq!(error(TcpStream::connect(address).await), REFUSED);
        drop(first);
        second.bind(address).unwrap();
    });
}

#[test]
fn addresses_can_be_shared_until_somebody_listens() {
    run(|| async {
        let sockets = [TcpSocket::new_v4().unwrap(), TcpSocket::new_v4().unwrap()];
        for socket in &sockets {
            assert!(!socket.reuseaddr().unwrap());
            socket.set_reuseaddr(true).unwrap();
            assert!(socket.reuseaddr().unwrap());
        }
        let [first, second] = sockets;
        first.bind(loopback()).unwrap();
        let address = first.local_addr().unwrap();
        second.bind(address).unwrap();
        let _listener = first.listen(16).unwrap();
        assert_eq!(error(second.listen(16)), ADDRESS_IN_USE);
        let third = TcpSocket::new_v4().unwrap();
        third.set_reuseaddr(true).unwrap();
        assert_eq!(error(third.bind(address)), ADDRESS_IN_USE);
    });
}

#[test]
fn ports_can_be_shared_by_all_who_say_so() {
    run(|| async {
        let sockets = [TcpSocket::new_v4().unwrap(), TcpSocket::new_v4().unwrap()];
        for socket in &sockets {
            assert!(!socket.reuseport().unwrap());
            socket.set_reuseport(true).unwrap();
        }
        let [first, second] = sockets;
        first.bind(loopback()).unwrap();
        let address = first.local_addr().unwrap();
        second.bind(address).unwrap();
        let _listeners = (first.listen(16).unwrap(), second.listen(16).unwrap());
        let third = TcpSocket::new_v4().unwrap();
        assert_eq!(error(third.bind(address)), ADDRESS_IN_USE);
    });
}

#[test]
fn a_socket_is_of_one_family() {
    run(|| async {
        let six: SocketAddr = "[::1]:0".parse().unwrap();
        let family = "Address family not supported by protocol (os error 97)";
        assert_eq!(error(TcpSocket::new_v4().unwrap().bind(six)), family);
        let listener = TcpListener::bind(six).await.unwrap();
        let connect = TcpSocket::new_v4().unwrap().connect(listener.local_addr().unwrap());
        assert_eq!(error(connect.await), family);
    });
}

#[test]
fn buffers_are_twice_what_was_asked_for() {
    run(|| async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_send_buffer_size(20_000).unwrap();
        socket.set_recv_buffer_size(30_000).unwrap();
        assert_eq!(socket.send_buffer_size().unwrap(), 40_000);
        assert_eq!(socket.recv_buffer_size().unwrap(), 60_000);
    });
}

#[test]
fn options_are_kept_by_the_stream() {
    run(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        assert!(!socket.nodelay().unwrap() && !socket.keepalive().unwrap());
        socket.set_nodelay(true).unwrap();
        socket.set_keepalive(true).unwrap();
        assert!(socket.nodelay().unwrap() && socket.keepalive().unwrap());
        let client = socket.connect(listener.local_addr().unwrap()).await.unwrap();
        assert!(client.nodelay().unwrap());
    });
}

#[test]
fn a_socket_that_is_refused() {
    run(|| async {
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert_eq!(error(TcpSocket::new_v4().unwrap().connect(address).await), REFUSED);
    });
}
