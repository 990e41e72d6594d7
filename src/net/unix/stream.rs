//! One end of a Unix stream.
//!
//! # Invariants
//! Dropping a stream closes it. If there are unread bytes, the peer gets a reset.

use std::panic::Location;
use std::path::Path;

use super::halves::{self, OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use super::{SocketAddr, UCred};
use crate::engine::announce::ResourceId;
use crate::net::fabric::{EndKey, Name};
use crate::net::handle;
use crate::net::socket_labels;
use crate::net::stream::Stream;
use crate::net::stream_methods::prelude::*;

/// A Unix stream, as [`tokio::net::UnixStream`](https://docs.rs/tokio/1/tokio/net/struct.UnixStream.html).
///
/// Its path is a name on the simulated host, not a file. Closing the listener frees the name.
///
/// ```
/// use timeloop::io::{AsyncReadExt, AsyncWriteExt};
/// use timeloop::net::UnixStream;
///
/// timeloop::run(1, || async {
///     let (mut one, mut other) = UnixStream::pair().unwrap();
///     one.write_all(b"hello").await.unwrap();
///     drop(one);
///     let mut text = String::new();
///     other.read_to_string(&mut text).await.unwrap();
///     assert_eq!(text, "hello");
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
pub struct UnixStream {
    pub(super) stream: Stream,
    pub(super) reading: Attempt,
    pub(super) writing: Attempt,
}

impl UnixStream {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, reading: Attempt::default(), writing: Attempt::default() }
    }

    pub(super) fn accepted(stream: Stream, _: std::net::SocketAddr) -> io::Result<(Self, SocketAddr)> {
        let stream = Self::new(stream);
        let peer = stream.peer_addr()?;
        Ok((stream, peer))
    }

    /// Connects to the socket that listens at a path.
    ///
    /// # Errors
    /// Returns `NotFound` if no socket was ever bound to the path, and `ConnectionRefused` if it is closed.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn connect<P: AsRef<Path>>(path: P) -> impl Future<Output = io::Result<Self>> {
        let at = Location::caller();
        async move { Self::connect_name(&super::stream_name(path.as_ref())?, Name::Unnamed, at) }
    }

    /// Connects to the socket that listens at an address.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    #[track_caller]
    pub fn connect_addr(socket_addr: &SocketAddr) -> impl Future<Output = io::Result<Self>> {
        let at = Location::caller();
        async move { Self::connect_name(&socket_addr.0, Name::Unnamed, at) }
    }

    pub(super) fn connect_name(name: &Name, own: Name, at: &'static Location<'static>) -> io::Result<Self> {
        let resource = ResourceId::made_at(at).socket();
        let (run, key) = handle::open(|fabric, host| fabric.connect_unix(host, name, own, resource));
        Ok(Self::new(Stream::new(run, key?, resource, socket_labels::UNIX_STREAM)))
    }

    /// Creates two connected streams.
    ///
    /// # Errors
    /// Never fails within a run.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn pair() -> io::Result<(Self, Self)> {
        let resource = ResourceId::new().socket();
        let names = [Name::Unnamed, Name::Unnamed];
        let (run, connection) = handle::open(|fabric, host| fabric.pair_unix(host, names, resource));
        let end = |side| Stream::new(run, EndKey { connection, side }, resource, socket_labels::UNIX_STREAM);
        Ok((Self::new(end(0)), Self::new(end(1))))
    }

    fn names(&self) -> io::Result<[Name; 2]> {
        self.stream.with(|fabric, _, key| fabric.names_unix(key).ok_or(Errno::NotConnected))
    }

    /// Returns the local address.
    ///
    /// # Errors
    /// Returns an error if the stream's host has crashed or its run is over.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.names().map(|[own, _]| SocketAddr(own))
    }

    /// Returns the remote address.
    ///
    /// # Errors
    /// As [`local_addr`](Self::local_addr).
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.names().map(|[_, peer]| SocketAddr(peer))
    }

    /// Returns the credentials of the peer. The user id and the group id are always 0.
    ///
    /// # Errors
    /// As [`local_addr`](Self::local_addr).
    pub fn peer_cred(&self) -> io::Result<UCred> {
        self.names().map(|_| UCred::new())
    }
}

stream_methods::stream!(UnixStream);

impl fmt::Debug for UnixStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixStream").field("addr", &self.local_addr().ok()).finish_non_exhaustive()
    }
}
