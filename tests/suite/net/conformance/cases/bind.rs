//! Binding listeners.

use std::net::SocketAddr;

use super::common::{ADDRESS_IN_USE, ADDRESS_NOT_AVAILABLE, error};
use super::world::io::{AsyncReadExt, AsyncWriteExt, ErrorKind};
use super::world::net::{TcpListener, TcpStream};
use super::world::run;

#[test]
fn port_0_binds_a_free_port() {
    run(|| async {
        let one = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (one, other) = (one.local_addr().unwrap(), other.local_addr().unwrap());
        assert!(one.ip().is_loopback() && other.ip().is_loopback());
        assert!(one.port() >= 1_024 && other.port() >= 1_024);
        assert_ne!(one.port(), other.port());
    });
}

#[test]
fn an_address_can_be_bound_once() {
    run(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(error(TcpListener::bind(address).await), ADDRESS_IN_USE);
        drop(listener);
        TcpListener::bind(address).await.unwrap();
    });
}

#[test]
fn the_unspecified_address_conflicts_with_each_address() {
    run(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(error(TcpListener::bind(("0.0.0.0", port)).await), ADDRESS_IN_USE);
        drop(listener);

        let listener = TcpListener::bind(("0.0.0.0", port)).await.unwrap();
        assert_eq!(listener.local_addr().unwrap(), SocketAddr::from(([0, 0, 0, 0], port)));
        assert_eq!(error(TcpListener::bind(("127.0.0.1", port)).await), ADDRESS_IN_USE);
    });
}

#[test]
fn addresses_of_one_host_have_separate_ports() {
    run(|| async {
        let first = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = first.local_addr().unwrap().port();
        let second = TcpListener::bind(("127.0.0.2", port)).await.unwrap();
        let client = TcpStream::connect(("127.0.0.2", port)).await.unwrap();
        let (server, peer) = second.accept().await.unwrap();
        assert_eq!(server.local_addr().unwrap(), client.peer_addr().unwrap());
        assert_eq!(client.local_addr().unwrap(), peer);
    });
}

#[test]
fn a_foreign_address_cannot_be_bound() {
    run(|| async {
        assert_eq!(error(TcpListener::bind("192.0.2.1:0").await), ADDRESS_NOT_AVAILABLE);
        assert_eq!(error(TcpListener::bind("[2001:db8::1]:0").await), ADDRESS_NOT_AVAILABLE);
    });
}

#[test]
fn the_first_bindable_address_is_used() {
    run(|| async {
        let addresses = ["192.0.2.1:0", "127.0.0.1:0"].map(|text| text.parse::<SocketAddr>().unwrap());
        let listener = TcpListener::bind(&addresses[..]).await.unwrap();
        assert!(listener.local_addr().unwrap().ip().is_loopback());
    });
}

#[test]
fn an_empty_list_of_addresses_fails() {
    run(|| async {
        let none: &[SocketAddr] = &[];
        let bind = TcpListener::bind(none).await.unwrap_err();
        assert_eq!(bind.kind(), ErrorKind::InvalidInput);
        assert_eq!(bind.to_string(), "could not resolve to any address");
        let connect = TcpStream::connect(none).await.unwrap_err();
        assert_eq!(connect.to_string(), "could not resolve to any address");
    });
}

#[test]
fn ipv4_and_ipv6_have_separate_ports() {
    run(|| async {
        let four = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = four.local_addr().unwrap().port();
        let six = TcpListener::bind(("::1", port)).await.unwrap();
        assert_eq!(six.local_addr().unwrap().to_string(), format!("[::1]:{port}"));
        assert_eq!(error(TcpListener::bind(("::", port)).await), ADDRESS_IN_USE);
    });
}

#[test]
fn the_unspecified_ipv6_address_includes_ipv4() {
    run(|| async {
        let listener = TcpListener::bind("[::]:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(error(TcpListener::bind(("127.0.0.1", port)).await), ADDRESS_IN_USE);
        assert_eq!(error(TcpListener::bind(("0.0.0.0", port)).await), ADDRESS_IN_USE);

        let client = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let (server, peer) = listener.accept().await.unwrap();
        assert_eq!(peer.to_string(), format!("[::ffff:127.0.0.1]:{}", client.local_addr().unwrap().port()));
        assert_eq!(server.local_addr().unwrap().to_string(), format!("[::ffff:127.0.0.1]:{port}"));
        assert_eq!(client.peer_addr().unwrap().to_string(), format!("127.0.0.1:{port}"));

        let client = TcpStream::connect(("::1", port)).await.unwrap();
        let (_, peer) = listener.accept().await.unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
    });
}

#[test]
fn connections_outlive_their_listener() {
    run(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(address).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        drop(listener);
        client.write_all(b"still").await.unwrap();
        let mut bytes = [0; 5];
        server.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"still");
        // The address is free although the connection exists.
        let listener = TcpListener::bind(address).await.unwrap();
        let again = TcpStream::connect(address).await.unwrap();
        assert_eq!(listener.accept().await.unwrap().1, again.local_addr().unwrap());
    });
}

#[test]
fn the_port_of_a_client_is_in_use() {
    run(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let address = client.local_addr().unwrap();
        assert_eq!(error(TcpListener::bind(address).await), ADDRESS_IN_USE);
    });
}
