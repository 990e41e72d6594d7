//! Options of streams and listeners.

use super::common::{BROKEN_PIPE, INVALID_ARGUMENT, RESET, connected, error, let_packets_arrive};
use super::world::io::{AsyncReadExt, AsyncWriteExt};
use super::world::net::TcpListener;
use super::world::time::Duration;
use super::world::{run, set_linger};

#[test]
fn nodelay_is_off_until_it_is_set() {
    run(|| async {
        let (client, server) = connected().await;
        assert!(!client.nodelay().unwrap() && !server.nodelay().unwrap());
        client.set_nodelay(true).unwrap();
        assert!(client.nodelay().unwrap() && !server.nodelay().unwrap());
        client.set_nodelay(false).unwrap();
        assert!(!client.nodelay().unwrap());
    });
}

#[test]
fn ttl_is_64_until_it_is_set() {
    run(|| async {
        let (client, _server) = connected().await;
        assert_eq!(client.ttl().unwrap(), 64);
        client.set_ttl(7).unwrap();
        assert_eq!(client.ttl().unwrap(), 7);
        assert_eq!(error(client.set_ttl(0)), INVALID_ARGUMENT);
        assert_eq!(error(client.set_ttl(256)), INVALID_ARGUMENT);
        assert_eq!(client.ttl().unwrap(), 7);

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.set_ttl(9).unwrap();
        assert_eq!(listener.ttl().unwrap(), 9);
    });
}

#[test]
fn linger_is_none_until_it_is_set() {
    run(|| async {
        let (client, _server) = connected().await;
        assert_eq!(client.linger().unwrap(), None);
        set_linger(&client, Some(Duration::from_secs(3)));
        assert_eq!(client.linger().unwrap(), Some(Duration::from_secs(3)));
        set_linger(&client, None);
        assert_eq!(client.linger().unwrap(), None);
    });
}

#[test]
fn zero_linger_resets() {
    run(|| async {
        let (client, mut server) = connected().await;
        client.set_zero_linger().unwrap();
        assert_eq!(client.linger().unwrap(), Some(Duration::ZERO));
        drop(client);
        let_packets_arrive().await;
        assert_eq!(error(server.read(&mut [0; 8]).await), RESET);
        assert_eq!(error(server.write(b"x").await), BROKEN_PIPE);
    });
}

#[test]
fn a_working_stream_has_no_error() {
    run(|| async {
        let (client, server) = connected().await;
        assert!(client.take_error().unwrap().is_none());
        assert!(server.take_error().unwrap().is_none());
    });
}
