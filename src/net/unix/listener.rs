//! The Unix listener.
//!
//! # Invariants
//! Dropping the listener frees its name.

use std::fmt;
use std::io;
use std::panic::Location;
use std::path::Path;
use std::task::{Context, Poll};

use timeloop_sim::{Access, ResourceKind};

use super::SocketAddr;
use super::stream::UnixStream;
use crate::engine::announce::{Action, ResourceId};
use crate::net::descriptor::{self, Descriptor, has_descriptor};
use crate::net::fabric::{Errno, Name};
use crate::net::handle::{self, Handle};
use crate::net::listener::{BACKLOG, Listener};
use crate::net::socket_labels;

/// A listening Unix socket, as
/// [`tokio::net::UnixListener`](https://docs.rs/tokio/1/tokio/net/struct.UnixListener.html).
///
/// ```
/// use timeloop::net::{UnixListener, UnixStream};
///
/// timeloop::run(1, || async {
///     let listener = UnixListener::bind("/run/app.sock").unwrap();
///     let client = UnixStream::connect("/run/app.sock").await.unwrap();
///     let (server, peer) = listener.accept().await.unwrap();
///     assert!(peer.is_unnamed());
///     # drop((client, server));
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
pub struct UnixListener {
    listener: Listener,
    descriptor: Descriptor,
}

impl UnixListener {
    /// Listens at a path, or at an abstract name if it begins with a zero byte.
    ///
    /// # Errors
    /// Returns `AddrInUse` if another socket has the name, and `InvalidInput` if it is longer than 107 bytes.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<Self> {
        Self::bind_name(super::stream_name(path.as_ref())?)
    }

    /// Listens at an address.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn bind_addr(socket_addr: &SocketAddr) -> io::Result<Self> {
        Self::bind_name(socket_addr.0.clone())
    }

    #[track_caller]
    fn bind_name(name: Name) -> io::Result<Self> {
        let at = Location::caller();
        let address = super::name_resource(&name, at);
        Action { id: &address, name: socket_labels::ADDRESS, access: Access::Acquire, at }.touch_apart();
        let resource = ResourceId::new().of_kind(ResourceKind::Listener);
        let (run, key) = handle::open(|fabric, host| {
            let key = fabric.bind_stream_unix(host, name, resource)?;
            fabric.listen_unix(key, BACKLOG).map(|()| key)
        });
        Ok(Self::new(Handle { run, key: key?, resource, name: socket_labels::UNIX_LISTENER }))
    }

    pub(super) fn new(handle: Handle) -> Self {
        let listener = Listener::new(handle, socket_labels::UNIX_STREAM);
        Self { listener, descriptor: Descriptor::default() }
    }

    /// Listens at the name of a real listener, which stays open. Its real connections are never accepted.
    ///
    /// # Errors
    /// As [`bind_addr`](Self::bind_addr).
    ///
    /// # Panics
    /// Outside of a run; in debug builds under Linux, if the real listener blocks, as in tokio.
    #[track_caller]
    pub fn from_std(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        let this = Self::bind_addr(&listener.local_addr()?.into())?;
        descriptor::check_nonblocking(&listener);
        Ok(Self { descriptor: Descriptor::of(listener), ..this })
    }

    /// Returns the real listener that this one was [made from](Self::from_std).
    ///
    /// # Errors
    /// `Unsupported` if it was not made from one.
    pub fn into_std(self) -> io::Result<std::os::unix::net::UnixListener> {
        self.descriptor.into_std()
    }

    /// Accepts a connection and returns it with the client's address.
    ///
    /// # Errors
    /// Returns an error if the listener's host has crashed or its run is over.
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        self.listener.accept(UnixStream::accepted).await
    }

    /// Polls [`accept`](Self::accept). Only the task that polled last is woken.
    ///
    /// # Errors
    /// As [`accept`](Self::accept).
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(UnixStream, SocketAddr)>> {
        self.listener.poll_accept(cx, UnixStream::accepted)
    }

    /// Returns the local address.
    ///
    /// # Errors
    /// Returns an error if the listener's host has crashed or its run is over.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let name = self.listener.with(|listener| listener.name.as_deref().cloned())?;
        name.map(SocketAddr).ok_or_else(|| Errno::InvalidInput.into())
    }

    /// Returns `None`: these sockets have no pending errors.
    ///
    /// # Errors
    /// Never fails.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(None)
    }
}

impl TryFrom<std::os::unix::net::UnixListener> for UnixListener {
    type Error = io::Error;

    /// As [`from_std`](Self::from_std).
    #[track_caller]
    fn try_from(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        Self::from_std(listener)
    }
}

has_descriptor!(UnixListener, descriptor, |_listener| descriptor::real_unix());

impl fmt::Debug for UnixListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixListener").field("addr", &self.local_addr().ok()).finish_non_exhaustive()
    }
}
