//! Socket files and folders. The simulation has none: closing a socket frees its path, in any folder.

use std::path::Path;

use super::common::{ADDRESS_IN_USE, NOT_FOUND, error, waits};
use super::world::io::{AsyncReadExt, AsyncWriteExt};
use super::world::net::{UnixDatagram, UnixListener, UnixStream};
use super::world::{Place, run};

#[test]
fn a_path_can_be_removed_while_its_listener_is_open() {
    run(|| async {
        let place = Place::new();
        let listener = UnixListener::bind(&place).unwrap();
        let mut client = UnixStream::connect(&place).await.unwrap();
        place.unlink();
        assert_eq!(error(UnixStream::connect(&place).await), NOT_FOUND);
        // Connections stay, and the path is free.
        let (mut server, _) = listener.accept().await.unwrap();
        client.write_all(b"x").await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), b'x');
        let again = UnixListener::bind(&place).unwrap();
        let _client = UnixStream::connect(&place).await.unwrap();
        again.accept().await.unwrap();
        assert!(waits(listener.accept()).await);
    });
}

#[test]
fn binding_in_a_missing_folder_fails() {
    run(|| async {
        let path = Path::new("/this-folder-does-not-exist/socket");
        assert_eq!(error(UnixListener::bind(path)), NOT_FOUND);
        assert_eq!(error(UnixStream::connect(path).await), NOT_FOUND);
    });
}

#[test]
fn the_path_of_a_closed_socket_stays_in_use() {
    run(|| async {
        let place = Place::new();
        drop(UnixListener::bind(&place).unwrap());
        assert_eq!(error(UnixListener::bind(&place)), ADDRESS_IN_USE);
        assert_eq!(error(UnixDatagram::bind(&place)), ADDRESS_IN_USE);
        place.unlink();
        UnixDatagram::bind(&place).unwrap();
    });
}
