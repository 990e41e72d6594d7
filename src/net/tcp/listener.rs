//! A socket of TCP that listens.
//!
//! Always true: connections are accepted in the order in which they were established; dropping the listener resets those
//! that nobody has accepted.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::task::{Context, Poll};

use timeloop_sim::Access;

use super::socket::TcpSocket;
use super::stream::TcpStream;
use crate::engine::announce::{self, ResourceId};
use crate::engine::waiting::On;
use crate::engine::{RunId, of_run};
use crate::net::addr::{self, ToSocketAddrs};
use crate::net::fabric::{As, Errno, Key, Socket};
use crate::net::operation::{Operation, What, names};
use crate::net::stream::{Stream, network, run_is_over};

/// How many connections wait to be accepted at most, unless a [`TcpSocket`] says otherwise.
const BACKLOG: u32 = 1024;

/// A socket that listens for connections, as
/// [`tokio::net::TcpListener`](https://docs.rs/tokio/1/tokio/net/struct.TcpListener.html).
///
/// ```
/// use timeloop::net::{TcpListener, TcpStream};
///
/// timeloop::run(1, || async {
///     let listener = TcpListener::bind("127.0.0.1:8080").await.unwrap();
///     let client = timeloop::spawn(TcpStream::connect("127.0.0.1:8080"));
///     let (stream, peer) = listener.accept().await.unwrap();
///     assert_eq!(client.await.unwrap().unwrap().local_addr().unwrap(), peer);
///     assert_eq!(stream.local_addr().unwrap().port(), 8080);
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
pub struct TcpListener {
    run: RunId,
    key: Key,
    resource: ResourceId,
}

impl TcpListener {
    pub(super) fn new(run: RunId, key: Key, resource: ResourceId) -> Self {
        Self { run, key, resource }
    }

    /// Listens at an address of this host: the first of those given that can be bound. Port 0 is any free one.
    ///
    /// # Errors
    /// `AddrInUse` if somebody listens there, `AddrNotAvailable` if it is not an address of this host.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn bind<A: ToSocketAddrs>(addr: A) -> impl Future<Output = io::Result<Self>> {
        let at = Location::caller();
        async move {
            let mut last = None;
            for address in addr::to_socket_addrs(addr).await? {
                let socket = TcpSocket::for_address(address, at);
                socket.set_reuseaddr(true)?;
                match socket.bind(address).and_then(|()| socket.listen(BACKLOG)) {
                    Ok(listener) => return Ok(listener),
                    Err(error) => last = Some(error),
                }
            }
            Err(addr::none_of(last))
        }
    }

    fn what(&self, at: &'static Location<'static>) -> What<'_> {
        What { id: &self.resource, name: names::TCP_LISTENER, access: Access::Receive, at }
    }

    /// Waits for a connection, and gives it with the address of whoever has made it.
    ///
    /// # Errors
    /// If the listener's host has crashed, or its run is over.
    ///
    /// # Cancel safety
    ///
    /// Who gives up loses no connection.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let what = self.what(Location::caller());
        let mut operation = Operation::default();
        poll_fn(|cx| operation.poll(cx, what, |cx| self.attempt(cx, As::One))).await
    }

    /// [`accept`](Self::accept) as a poll; whoever polls last is woken.
    ///
    /// # Errors
    /// As there.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        if announce::attended() {
            self.what(Location::caller()).touch();
        }
        self.attempt(cx, As::Poller)
    }

    fn attempt(&self, cx: &mut Context<'_>, how: As) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let polled = of_run(self.run, |engine| match engine.network(|fabric, _| fabric.accept(self.key)) {
            Ok((key, peer, connection)) => {
                let stream = Stream::new(self.run, key, connection, names::TCP_STREAM);
                Poll::Ready(Ok((TcpStream::new(stream), peer)))
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

    /// The address that it listens at.
    ///
    /// # Errors
    /// If the listener's host has crashed, or its run is over.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.with(|listener| listener.local)
    }

    /// How many hosts packets pass at most. Without meaning here.
    ///
    /// # Errors
    /// As [`local_addr`](Self::local_addr).
    pub fn ttl(&self) -> io::Result<u32> {
        self.with(|listener| listener.options.ttl)
    }

    /// Sets how many hosts packets pass at most, 1 to 255. Without effect here.
    ///
    /// # Errors
    /// As [`local_addr`](Self::local_addr); `InvalidInput` where it is not in that range.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        if !(1..=255).contains(&ttl) {
            return Err(Errno::InvalidInput.into());
        }
        self.with(|listener| listener.options.ttl = ttl)
    }

    fn with<R>(&self, f: impl FnOnce(&mut crate::net::fabric::Listener) -> R) -> io::Result<R> {
        let found = network(self.run, |fabric, _| fabric.listener(self.key).map(f));
        found.ok_or_else(run_is_over)?.ok_or_else(|| Errno::InvalidInput.into())
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        self.resource.touch(names::TCP_LISTENER, Access::Write, None);
        network(self.run, |fabric, turn| fabric.close_listener(turn, self.key));
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpListener").field("addr", &self.local_addr().ok()).finish_non_exhaustive()
    }
}
