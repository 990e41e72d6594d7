//! `TcpSocket`.

use std::net::SocketAddr;

use super::common::{ADDRESS_IN_USE, ADDRESS_NOT_AVAILABLE, INVALID_ARGUMENT, REFUSED, error};
use super::world::net::{TcpListener, TcpSocket, TcpStream};
use super::world::run;

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

#[test]
fn a_bound_socket_listens_at_its_address() {
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
fn a_bound_socket_connects_from_its_address() {
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
fn an_unbound_socket_connects_from_an_ephemeral_port() {
    run(|| async {
        let listener = TcpListener::bind("[::1]:0").await.unwrap();
        let client = TcpSocket::new_v6().unwrap().connect(listener.local_addr().unwrap()).await.unwrap();
        assert_eq!(listener.accept().await.unwrap().1, client.local_addr().unwrap());
    });
}

#[test]
fn an_unbound_socket_listens_at_the_unspecified_address() {
    run(|| async {
        let listener = TcpSocket::new_v4().unwrap().listen(16).unwrap();
        let address = listener.local_addr().unwrap();
        assert!(address.ip().is_unspecified() && address.port() != 0);
        let client = TcpStream::connect(("127.0.0.1", address.port())).await.unwrap();
        assert_eq!(listener.accept().await.unwrap().1, client.local_addr().unwrap());
    });
}

#[test]
fn a_socket_can_be_bound_once() {
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
fn a_bound_socket_occupies_its_address() {
    run(|| async {
        let first = TcpSocket::new_v4().unwrap();
        first.bind(loopback()).unwrap();
        let address = first.local_addr().unwrap();
        let second = TcpSocket::new_v4().unwrap();
        assert_eq!(error(second.bind(address)), ADDRESS_IN_USE);
        // The socket does not listen.
        assert_eq!(error(TcpStream::connect(address).await), REFUSED);
        drop(first);
        second.bind(address).unwrap();
    });
}

#[test]
fn reuseaddr_shares_an_address_until_a_socket_listens() {
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
fn reuseport_shares_a_port() {
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
fn a_socket_has_one_address_family() {
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
fn buffers_have_twice_the_requested_size() {
    run(|| async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_send_buffer_size(20_000).unwrap();
        socket.set_recv_buffer_size(30_000).unwrap();
        assert_eq!(socket.send_buffer_size().unwrap(), 40_000);
        assert_eq!(socket.recv_buffer_size().unwrap(), 60_000);
    });
}

#[test]
fn a_stream_inherits_the_options_of_its_socket() {
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
fn a_socket_can_be_refused() {
    run(|| async {
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert_eq!(error(TcpSocket::new_v4().unwrap().connect(address).await), REFUSED);
    });
}
