//! One end of a Unix stream.
//!
//! # Invariants
//! Dropping a stream closes it. If there are unread bytes, the peer gets a reset.

use std::future::poll_fn;
use std::panic::Location;
use std::path::Path;

use super::halves::{self, OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use super::{SocketAddr, UCred};
use crate::engine::announce::ResourceId;
use crate::net::descriptor::{self, Descriptor, has_descriptor};
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
    descriptor: Descriptor,
}

impl UnixStream {
    pub(super) fn new(stream: Stream) -> Self {
        let (reading, writing, descriptor) = Default::default();
        Self { stream, reading, writing, descriptor }
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
        async move { Self::connect_path(path.as_ref(), at).await }
    }

    /// Connects to the socket that listens at an address.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    #[track_caller]
    pub fn connect_addr(socket_addr: &SocketAddr) -> impl Future<Output = io::Result<Self>> {
        let at = Location::caller();
        async move { Self::connect_name(&socket_addr.0, at).await }
    }

    pub(super) async fn connect_path(path: &Path, at: &'static Location<'static>) -> io::Result<Self> {
        Self::connect_name(&super::stream_name(path)?, at).await
    }

    async fn connect_name(name: &Name, at: &'static Location<'static>) -> io::Result<Self> {
        handle::announce_unix_connect(super::name_resource(name, at), at).await;
        let resource = ResourceId::made_at(at).socket();
        let (run, key) =
            handle::open(|fabric, host| fabric.connect_unix(host, name, Name::Unnamed, resource));
        Self::connected(Stream::new(run, key?, resource, socket_labels::UNIX_STREAM)).await
    }

    /// Waits once, as in tokio, where the event loop has to report a connection. The listener may reset it meanwhile.
    pub(super) async fn connected(stream: Stream) -> io::Result<Self> {
        let mut waited = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut waited, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        match stream.take_error()? {
            Some(error) => Err(error),
            None => Ok(Self::new(stream)),
        }
    }

    /// Refuses a real connection: its peer is outside of the simulation. Use [`pair`](Self::pair) or [`connect`](Self::connect).
    ///
    /// # Errors
    /// Always `Unsupported`.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn from_std(stream: std::os::unix::net::UnixStream) -> io::Result<Self> {
        handle::open(|_, _| ());
        drop(stream);
        Err(descriptor::connected_elsewhere())
    }

    /// Refuses to make a real connection of a simulated one.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn into_std(self) -> io::Result<std::os::unix::net::UnixStream> {
        self.descriptor.into_std()
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

    /// Returns the credentials of the peer, which are those of this process.
    ///
    /// # Errors
    /// As [`local_addr`](Self::local_addr).
    pub fn peer_cred(&self) -> io::Result<UCred> {
        self.names().map(|_| UCred::of_this_process())
    }
}

stream_methods::stream!(UnixStream);

impl TryFrom<std::os::unix::net::UnixStream> for UnixStream {
    type Error = io::Error;

    /// As [`from_std`](Self::from_std).
    #[track_caller]
    fn try_from(stream: std::os::unix::net::UnixStream) -> io::Result<Self> {
        Self::from_std(stream)
    }
}

has_descriptor!(UnixStream, descriptor, |_stream| descriptor::real_unix());

impl fmt::Debug for UnixStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixStream").field("addr", &self.local_addr().ok()).finish_non_exhaustive()
    }
}
