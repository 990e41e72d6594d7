//! Unix listeners.

use super::common::{ADDRESS_IN_USE, NOT_FOUND, REFUSED, error, let_packets_arrive, waits};
use super::world::io::{AsyncReadExt, AsyncWriteExt};
use super::world::net::{UnixListener, UnixStream};
use super::world::{Place, run, spawn};

#[test]
fn a_listener_has_its_path() {
    run(|| async {
        let place = Place::new();
        let listener = UnixListener::bind(&place).unwrap();
        assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(place.as_ref()));
        let mut client = UnixStream::connect(&place).await.unwrap();
        let (mut server, peer) = listener.accept().await.unwrap();
        assert!(peer.is_unnamed());
        client.write_all(b"hello").await.unwrap();
        let mut bytes = [0; 5];
        server.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"hello");
    });
}

#[test]
fn both_ends_know_the_path_of_the_listener() {
    run(|| async {
        let place = Place::new();
        let listener = UnixListener::bind(&place).unwrap();
        let client = UnixStream::connect(&place).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        assert_eq!(client.peer_addr().unwrap().as_pathname(), Some(place.as_ref()));
        assert_eq!(server.local_addr().unwrap().as_pathname(), Some(place.as_ref()));
        assert!(client.local_addr().unwrap().is_unnamed());
        assert!(server.peer_addr().unwrap().is_unnamed());
    });
}

#[test]
fn a_path_can_be_bound_once() {
    run(|| async {
        let place = Place::new();
        let listener = UnixListener::bind(&place).unwrap();
        assert_eq!(error(UnixListener::bind(&place)), ADDRESS_IN_USE);
        drop(listener);
        assert_eq!(error(UnixStream::connect(&place).await), REFUSED);
    });
}

#[test]
fn connecting_to_an_unused_path_fails() {
    run(|| async {
        let place = Place::new();
        assert_eq!(error(UnixStream::connect(&place).await), NOT_FOUND);
    });
}

#[test]
fn a_path_has_at_most_107_bytes() {
    run(|| async {
        let long = format!("/{}", "x".repeat(107));
        let expected = "path must be shorter than SUN_LEN";
        assert_eq!(error(UnixListener::bind(&long)), expected);
        assert_eq!(error(UnixStream::connect(&long).await), expected);
    });
}

#[test]
fn connections_are_accepted_in_order() {
    run(|| async {
        let place = Place::new();
        let listener = UnixListener::bind(&place).unwrap();
        let mut clients = Vec::new();
        for number in 0..20 {
            let mut client = UnixStream::connect(&place).await.unwrap();
            client.write_u8(number).await.unwrap();
            clients.push(client);
        }
        for number in 0..20 {
            let (mut server, _) = listener.accept().await.unwrap();
            assert_eq!(server.read_u8().await.unwrap(), number);
        }
        assert!(waits(listener.accept()).await);
    });
}

#[test]
fn closing_the_listener_resets_queued_connections() {
    run(|| async {
        let place = Place::new();
        let listener = UnixListener::bind(&place).unwrap();
        let mut client = UnixStream::connect(&place).await.unwrap();
        drop(listener);
        let_packets_arrive().await;
        assert!(matches!(client.read(&mut [0; 8]).await, Ok(0) | Err(_)));
        assert!(client.write(b"x").await.is_err());
    });
}

#[test]
fn accept_waits_for_a_connection() {
    run(|| async {
        let place = Place::new();
        let listener = UnixListener::bind(&place).unwrap();
        let accepts = spawn(async move { listener.accept().await.map(|_| ()) });
        let_packets_arrive().await;
        assert!(!accepts.is_finished());
        let _client = UnixStream::connect(&place).await.unwrap();
        accepts.await.unwrap().unwrap();
    });
}

#[test]
fn a_name_may_be_abstract() {
    run(|| async {
        let place = Place::new();
        let name = format!("\0{}", place.as_ref().display());
        let listener = UnixListener::bind(&name).unwrap();
        let address = listener.local_addr().unwrap();
        assert!(address.as_pathname().is_none() && !address.is_unnamed());
        assert_eq!(error(UnixListener::bind(&name)), ADDRESS_IN_USE);
        let _client = UnixStream::connect(&name).await.unwrap();
        listener.accept().await.unwrap();
        drop(listener);
        assert_eq!(error(UnixStream::connect(&name).await), REFUSED);
        UnixListener::bind(&name).unwrap();
    });
}
