//! A Unix socket before it listens, connects or becomes a datagram socket.
//!
//! # Invariants
//! A socket that is dropped before releases its name.

use std::fmt;
use std::io;
use std::panic::Location;
use std::path::Path;
use std::sync::OnceLock;
use std::task::Poll;

use timeloop_sim::Access;

use super::datagram::UnixDatagram;
use super::listener::UnixListener;
use super::stream::UnixStream;
use crate::engine::announce::ResourceId;
use crate::net::descriptor::{self, Descriptor, has_descriptor};
use crate::net::driver::Fabric;
use crate::net::fabric::Errno;
use crate::net::handle::{self, Handle, announced};
use crate::net::socket_labels;
use crate::net::stream::Stream;

/// A Unix socket to configure before its use, as
/// [`tokio::net::UnixSocket`](https://docs.rs/tokio/1/tokio/net/struct.UnixSocket.html).
///
/// ```
/// use timeloop::net::{UnixSocket, UnixStream};
///
/// timeloop::run(1, || async {
///     let socket = UnixSocket::new_stream().unwrap();
///     socket.bind("/run/app.sock").unwrap();
///     let listener = socket.listen(16).unwrap();
///     let _client = UnixStream::connect("/run/app.sock").await.unwrap();
///     listener.accept().await.unwrap();
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
pub struct UnixSocket {
    kind: Kind,
    descriptor: Descriptor,
}

enum Kind {
    Datagram(OnceLock<UnixDatagram>),
    Stream(OnceLock<BoundStream>),
}

/// A stream socket that is bound to a name.
struct BoundStream(Handle);

impl BoundStream {
    #[track_caller]
    fn new(path: &Path) -> io::Result<Self> {
        let (name, resource) = (super::stream_name(path)?, ResourceId::new().socket());
        let (run, key) = handle::open(|fabric, host| fabric.bind_stream_unix(host, name, resource));
        Ok(Self(Handle { run, key: key?, resource, name: socket_labels::UNIX_LISTENER }))
    }
}

impl Drop for BoundStream {
    fn drop(&mut self) {
        self.0.close(Fabric::close_listener);
    }
}

impl UnixSocket {
    /// Creates a datagram socket.
    ///
    /// # Errors
    /// Never fails.
    pub fn new_datagram() -> io::Result<Self> {
        Ok(Self { kind: Kind::Datagram(OnceLock::new()), descriptor: Descriptor::default() })
    }

    /// Creates a stream socket.
    ///
    /// # Errors
    /// Never fails.
    pub fn new_stream() -> io::Result<Self> {
        Ok(Self { kind: Kind::Stream(OnceLock::new()), descriptor: Descriptor::default() })
    }

    /// Binds the socket to a path.
    ///
    /// # Errors
    /// Returns `AddrInUse` if another socket has the path, and `InvalidInput` if this one is already bound.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn bind(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        let is_bound = match &self.kind {
            Kind::Datagram(socket) => {
                socket.get().is_some() || socket.set(UnixDatagram::bind(path)?).is_err()
            }
            Kind::Stream(socket) => socket.get().is_some() || socket.set(BoundStream::new(path)?).is_err(),
        };
        if is_bound { Err(Errno::InvalidInput.into()) } else { Ok(()) }
    }

    /// Listens for connections. At most `backlog` + 1 connections wait to be accepted, as under Linux.
    ///
    /// # Errors
    /// Fails for a datagram socket. Returns `InvalidInput` if the socket is not bound.
    pub fn listen(self, backlog: u32) -> io::Result<UnixListener> {
        let Kind::Stream(socket) = self.kind else {
            return Err(io::Error::other("listen cannot be called on a datagram socket"));
        };
        let socket = socket.into_inner().ok_or(Errno::InvalidInput)?;
        socket.0.record_change();
        socket.0.with(|fabric, key| fabric.listen_unix(key, backlog))?;
        let handle = socket.0;
        std::mem::forget(socket);
        Ok(UnixListener::new(handle))
    }

    /// Connects to the socket that listens at a path.
    ///
    /// # Errors
    /// As [`UnixStream::connect`]. Fails for a datagram socket.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn connect(self, path: impl AsRef<Path>) -> impl Future<Output = io::Result<UnixStream>> {
        let at = Location::caller();
        async move {
            let Kind::Stream(socket) = self.kind else {
                return Err(io::Error::other("connect cannot be called on a datagram socket"));
            };
            let Some(socket) = socket.into_inner() else {
                return UnixStream::connect_path(path.as_ref(), at).await;
            };
            let name = super::stream_name(path.as_ref())?;
            let connection = Handle { name: socket_labels::UNIX_STREAM, ..socket.0 };
            announced(connection.action(Access::Send, at), |_| Poll::Ready(())).await;
            let key = connection.with(|fabric, key| fabric.connect_bound_unix(key, &name))?;
            std::mem::forget(socket);
            let Handle { run, resource, name, .. } = connection;
            UnixStream::connected(Stream::new(run, key, resource, name)).await
        }
    }

    /// Converts the socket into a datagram socket.
    ///
    /// # Errors
    /// Fails for a stream socket.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn datagram(self) -> io::Result<UnixDatagram> {
        let Kind::Datagram(socket) = self.kind else {
            return Err(io::Error::other("datagram cannot be called on a stream socket"));
        };
        socket.into_inner().map_or_else(UnixDatagram::unbound, Ok)
    }
}

has_descriptor!(UnixSocket, descriptor, |_socket| descriptor::real_unix());

impl fmt::Debug for UnixSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Datagram(_) => "datagram",
            Kind::Stream(_) => "stream",
        };
        f.debug_struct("UnixSocket").field("kind", &kind).finish_non_exhaustive()
    }
}

impl std::os::fd::IntoRawFd for UnixSocket {
    fn into_raw_fd(self) -> std::os::fd::RawFd {
        self.descriptor.into_real(descriptor::real_unix).into_raw_fd()
    }
}
