//! `UnixSocket`.

use super::common::{ADDRESS_IN_USE, INVALID_ARGUMENT, NOT_FOUND, REFUSED, error};
use super::world::net::{UnixDatagram, UnixSocket, UnixStream};
use super::world::{Place, run};

#[test]
fn a_bound_stream_socket_listens() {
    run(|| async {
        let place = Place::new();
        let socket = UnixSocket::new_stream().unwrap();
        socket.bind(&place).unwrap();
        // It does not listen yet.
        assert_eq!(error(UnixStream::connect(&place).await), REFUSED);
        let listener = socket.listen(16).unwrap();
        assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(place.as_ref()));
        let client = UnixStream::connect(&place).await.unwrap();
        assert!(listener.accept().await.unwrap().1.is_unnamed());
        assert_eq!(client.peer_addr().unwrap().as_pathname(), Some(place.as_ref()));
    });
}

#[test]
fn a_bound_stream_socket_connects_from_its_path() {
    run(|| async {
        let (here, there) = (Place::new(), Place::new());
        let listener = UnixSocket::new_stream().unwrap();
        listener.bind(&there).unwrap();
        let listener = listener.listen(16).unwrap();
        let socket = UnixSocket::new_stream().unwrap();
        socket.bind(&here).unwrap();
        let client = socket.connect(&there).await.unwrap();
        assert_eq!(client.local_addr().unwrap().as_pathname(), Some(here.as_ref()));
        let (server, peer) = listener.accept().await.unwrap();
        assert_eq!(peer.as_pathname(), Some(here.as_ref()));
        assert_eq!(server.peer_addr().unwrap().as_pathname(), Some(here.as_ref()));
        // The client has the path as long as it is connected.
        let again = UnixSocket::new_stream().unwrap();
        assert_eq!(error(again.bind(&here)), ADDRESS_IN_USE);
        assert_eq!(error(UnixStream::connect(&here).await), REFUSED);
    });
}

#[test]
fn an_unbound_stream_socket_connects_and_does_not_listen() {
    run(|| async {
        let place = Place::new();
        assert_eq!(error(UnixSocket::new_stream().unwrap().connect(&place).await), NOT_FOUND);
        assert_eq!(error(UnixSocket::new_stream().unwrap().listen(16)), INVALID_ARGUMENT);
        let socket = UnixSocket::new_stream().unwrap();
        socket.bind(&place).unwrap();
        let listener = socket.listen(16).unwrap();
        let _client = UnixSocket::new_stream().unwrap().connect(&place).await.unwrap();
        assert!(listener.accept().await.unwrap().1.is_unnamed());
    });
}

#[test]
fn a_socket_is_bound_once_and_keeps_its_path() {
    run(|| async {
        let (place, other) = (Place::new(), Place::new());
        let socket = UnixSocket::new_stream().unwrap();
        socket.bind(&place).unwrap();
        assert_eq!(error(socket.bind(&other)), INVALID_ARGUMENT);
        assert_eq!(error(UnixSocket::new_datagram().unwrap().bind(&place)), ADDRESS_IN_USE);
        drop(socket);
        assert_eq!(error(UnixStream::connect(&place).await), REFUSED);
    });
}

#[test]
fn datagram_sockets() {
    run(|| async {
        let (here, there) = (Place::new(), Place::new());
        let server = UnixSocket::new_datagram().unwrap();
        server.bind(&there).unwrap();
        let server = server.datagram().unwrap();
        let client = UnixSocket::new_datagram().unwrap();
        client.bind(&here).unwrap();
        let client = client.datagram().unwrap();
        client.connect(&there).unwrap();
        client.send(b"hello").await.unwrap();
        let (count, from) = server.recv_from(&mut [0; 8]).await.unwrap();
        assert_eq!((count, from.as_pathname()), (5, Some(here.as_ref())));
        let unbound: UnixDatagram = UnixSocket::new_datagram().unwrap().datagram().unwrap();
        assert!(unbound.local_addr().unwrap().is_unnamed());
    });
}

#[test]
fn a_socket_has_one_type() {
    run(|| async {
        let datagram = || UnixSocket::new_datagram().unwrap();
        assert_eq!(error(datagram().listen(1)), "listen cannot be called on a datagram socket");
        assert_eq!(error(datagram().connect("/x").await), "connect cannot be called on a datagram socket");
        let stream = UnixSocket::new_stream().unwrap();
        assert_eq!(error(stream.datagram()), "datagram cannot be called on a stream socket");
    });
}
