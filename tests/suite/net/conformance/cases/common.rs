//! Helpers that many cases share.

use std::fmt::Debug;
use std::future::Future;
use std::io;

use super::world::net::{TcpListener, TcpStream};
use super::world::time::{Duration, sleep, timeout};

/// Long enough for packets on loopback to arrive.
pub(crate) const MOMENT: Duration = Duration::from_millis(30);

/// Waits until the packets in flight have arrived.
pub(crate) async fn let_packets_arrive() {
    sleep(MOMENT).await;
}

/// Returns both ends of a connection: the client's and the accepted one.
pub(crate) async fn connected() -> (TcpStream, TcpStream) {
    connected_at("127.0.0.1:0").await
}

/// Like `connected`, with a listener at this address.
pub(crate) async fn connected_at(address: &str) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(address).await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    (client, server)
}

/// Returns the text of the error.
#[track_caller]
pub(crate) fn error<T: Debug>(result: io::Result<T>) -> String {
    result.expect_err("this fails").to_string()
}

/// Returns whether the future is still pending after a moment, and drops it.
pub(crate) async fn waits(future: impl Future) -> bool {
    timeout(MOMENT, future).await.is_err()
}

/// Clears the readiness that tokio assumes at first: it takes a new stream for readable.
pub(crate) fn drain_readiness(stream: &TcpStream) {
    assert_eq!(stream.try_read(&mut [0; 8]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

/// Returns bytes that depend on their position.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    let period: Vec<u8> = (0..=250).collect();
    let mut bytes = period.repeat(length / period.len() + 1);
    bytes.truncate(length);
    bytes
}

pub(crate) const ADDRESS_IN_USE: &str = "Address already in use (os error 98)";
pub(crate) const ADDRESS_NOT_AVAILABLE: &str = "Cannot assign requested address (os error 99)";
pub(crate) const BROKEN_PIPE: &str = "Broken pipe (os error 32)";
pub(crate) const INVALID_ARGUMENT: &str = "Invalid argument (os error 22)";
pub(crate) const NOT_CONNECTED: &str = "Transport endpoint is not connected (os error 107)";
pub(crate) const NOT_FOUND: &str = "No such file or directory (os error 2)";
pub(crate) const REFUSED: &str = "Connection refused (os error 111)";
pub(crate) const RESET: &str = "Connection reset by peer (os error 104)";
