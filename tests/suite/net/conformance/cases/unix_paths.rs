//! Paths that are removed. Only real ones can be: the simulation has no files.

use super::common::{NOT_FOUND, error, waits};
use super::world::io::{AsyncReadExt, AsyncWriteExt};
use super::world::net::{UnixListener, UnixStream};
use super::world::{Place, run};

#[test]
fn a_path_can_be_removed_under_a_listener() {
    run(|| async {
        let place = Place::new();
        let listener = UnixListener::bind(&place).unwrap();
        let mut client = UnixStream::connect(&place).await.unwrap();
        place.unlink();
        assert_eq!(error(UnixStream::connect(&place).await), NOT_FOUND);
        // Whoever is connected stays so, and the path is free.
        let (mut server, _) = listener.accept().await.unwrap();
        client.write_all(b"x").await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), b'x');
        let again = UnixListener::bind(&place).unwrap();
        let _client = UnixStream::connect(&place).await.unwrap();
        again.accept().await.unwrap();
        assert!(waits(listener.accept()).await);
    });
}
