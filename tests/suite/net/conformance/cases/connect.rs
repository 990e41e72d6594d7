//! Connecting.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::common::{REFUSED, RESET, connected, connected_at, error, let_packets_arrive};
use super::world::io::{AsyncReadExt, AsyncWriteExt};
use super::world::net::{TcpListener, TcpStream};
use super::world::run;

/// Returns an address without a listener.
async fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[test]
fn connecting_to_a_closed_port_is_refused() {
    run(|| async {
        assert_eq!(error(TcpStream::connect(closed_port().await).await), REFUSED);
    });
}

#[test]
fn connecting_to_port_0_is_refused() {
    run(|| async {
        assert_eq!(error(TcpStream::connect("127.0.0.1:0").await), REFUSED);
    });
}

#[test]
fn addresses_are_tried_in_order() {
    run(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addresses = [closed_port().await, listener.local_addr().unwrap()];
        let client = TcpStream::connect(&addresses[..]).await.unwrap();
        assert_eq!(client.peer_addr().unwrap(), addresses[1]);
        drop(listener);
        assert_eq!(error(TcpStream::connect(&addresses[..]).await), REFUSED);
    });
}

#[test]
fn a_name_resolves_to_addresses() {
    run(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect(("localhost", port)).await.unwrap();
        assert_eq!(client.peer_addr().unwrap(), listener.local_addr().unwrap());
        let client = TcpStream::connect(format!("localhost:{port}")).await.unwrap();
        assert_eq!(client.peer_addr().unwrap(), listener.local_addr().unwrap());
    });
}

#[test]
fn connecting_to_an_unknown_name_fails() {
    run(|| async {
        let error = error(TcpStream::connect("nobody.invalid:80").await);
        assert!(error.starts_with("failed to lookup address information: "), "{error}");
    });
}

#[test]
fn both_ends_agree_on_their_addresses() {
    run(|| async {
        let (client, server) = connected().await;
        assert_eq!(client.local_addr().unwrap(), server.peer_addr().unwrap());
        assert_eq!(client.peer_addr().unwrap(), server.local_addr().unwrap());
        assert!(client.local_addr().unwrap().ip().is_loopback());
        assert_ne!(client.local_addr().unwrap().port(), 0);
    });
}

#[test]
fn ipv6_loopback() {
    run(|| async {
        let (mut client, mut server) = connected_at("[::1]:0").await;
        assert!(client.local_addr().unwrap().is_ipv6());
        assert_eq!(client.local_addr().unwrap(), server.peer_addr().unwrap());
        client.write_all(b"six").await.unwrap();
        let mut bytes = [0; 3];
        server.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"six");
    });
}

#[test]
fn the_unspecified_address_connects_to_this_host() {
    run(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect(("0.0.0.0", port)).await.unwrap();
        assert_eq!(client.peer_addr().unwrap(), listener.local_addr().unwrap());

        let listener = TcpListener::bind("[::1]:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect(("::", port)).await.unwrap();
        assert_eq!(client.peer_addr().unwrap(), listener.local_addr().unwrap());
    });
}

#[test]
fn connections_have_separate_ports() {
    run(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut clients = Vec::new();
        for _ in 0..20 {
            clients.push(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
        }
        let ports: BTreeSet<u16> = clients.iter().map(|client| client.local_addr().unwrap().port()).collect();
        assert_eq!(ports.len(), clients.len());
    });
}

#[test]
fn a_client_can_write_before_it_is_accepted() {
    run(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        client.write_all(b"early").await.unwrap();
        let_packets_arrive().await;
        let (mut server, _) = listener.accept().await.unwrap();
        let mut bytes = [0; 5];
        server.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"early");
    });
}

#[test]
fn a_closed_connection_is_still_accepted() {
    run(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let address = client.local_addr().unwrap();
        client.write_all(b"was here").await.unwrap();
        drop(client);
        let_packets_arrive().await;
        let (mut server, peer) = listener.accept().await.unwrap();
        assert_eq!(peer, address);
        let mut text = String::new();
        server.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "was here");
    });
}

#[test]
fn closing_the_listener_resets_queued_connections() {
    run(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let_packets_arrive().await;
        drop(listener);
        assert_eq!(error(client.read(&mut [0; 8]).await), RESET);
    });
}
