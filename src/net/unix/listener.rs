//! A socket within a host that listens.
//!
//! Always true: connections are accepted in the order in which they were made; dropping the listener resets those that
//! nobody has accepted, and frees its name.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::panic::Location;
use std::path::Path;
use std::task::{Context, Poll};

use timeloop_sim::Access;

use super::SocketAddr;
use super::stream::UnixStream;
use crate::engine::announce::{self, ResourceId};
use crate::engine::waiting::On;
use crate::engine::{self, RunId, context, of_run};
use crate::net::fabric::{As, Errno, Key, Name, Socket};
use crate::net::operation::{Operation, What, names};
use crate::net::stream::{Stream, network, run_is_over};

/// How many connections wait to be accepted at most.
const BACKLOG: u32 = 1024;

/// A socket within a host that listens, as
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
    run: RunId,
    key: Key,
    resource: ResourceId,
}

impl UnixListener {
    /// Listens at a path, or, if it begins with a zero byte, at a name that is no path.
    ///
    /// # Errors
    /// `AddrInUse` if somebody does so already; `InvalidInput` if it is longer than 107 bytes.
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
        let resource = ResourceId::new();
        let made = context::with(|engine| {
            let made =
                engine.network_here(|fabric, _, host| fabric.listen_unix(host, name, BACKLOG, resource));
            made.map(|key| Self { run: engine.run_id(), key, resource })
        });
        match made {
            Some(made) => made.map_err(io::Error::from),
            None => engine::outside("open a socket"),
        }
    }

    fn what(&self, at: &'static Location<'static>) -> What<'_> {
        What { id: &self.resource, name: names::UNIX_LISTENER, access: Access::Receive, at }
    }

    /// Waits for a connection.
    ///
    /// # Errors
    /// If the listener's host has crashed, or its run is over.
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let what = self.what(Location::caller());
        let mut operation = Operation::default();
        poll_fn(|cx| operation.poll(cx, what, |cx| self.attempt(cx, As::One))).await
    }

    /// [`accept`](Self::accept) as a poll; whoever polls last is woken.
    ///
    /// # Errors
    /// As there.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(UnixStream, SocketAddr)>> {
        if announce::attended() {
            self.what(Location::caller()).touch();
        }
        self.attempt(cx, As::Poller)
    }

    fn attempt(&self, cx: &mut Context<'_>, how: As) -> Poll<io::Result<(UnixStream, SocketAddr)>> {
        let polled = of_run(self.run, |engine| match engine.network(|fabric, _| fabric.accept(self.key)) {
            Ok((key, _, connection)) => {
                let stream = UnixStream::new(Stream::new(self.run, key, connection, names::UNIX_STREAM));
                let peer = stream.peer_addr()?;
                Poll::Ready(Ok((stream, peer)))
            }
            Err(Errno::WouldBlock) => {
                let who =
                    engine.waits(cx.waker(), || On::Socket(Socket::Listener(self.key), self.resource.made()));
                engine.network(|fabric, _| fabric.wait_to_accept(self.key, who, how));
                Poll::Pending
            }
            Err(errno) => Poll::Ready(Err(errno.into())),
        });
        polled.unwrap_or_else(|| Poll::Ready(Err(run_is_over())))
    }

    /// What it listens at.
    ///
    /// # Errors
    /// If the listener's host has crashed, or its run is over.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let name = network(self.run, |fabric, _| {
            fabric.listener(self.key).and_then(|listener| listener.name.as_deref().cloned())
        });
        name.ok_or_else(run_is_over)?.map(SocketAddr).ok_or_else(|| Errno::InvalidInput.into())
    }

    /// The error that has come up since this was asked last: never any.
    ///
    /// # Errors
    /// None.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(None)
    }
}

impl Drop for UnixListener {
    fn drop(&mut self) {
        self.resource.touch(names::UNIX_LISTENER, Access::Write, None);
        network(self.run, |fabric, turn| fabric.close_listener(turn, self.key));
    }
}

impl fmt::Debug for UnixListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixListener").field("addr", &self.local_addr().ok()).finish_non_exhaustive()
    }
}
