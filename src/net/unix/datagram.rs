//! Sockets for datagrams within a host.
//!
//! Always true: nothing is lost, doubled or reordered; who sends more than is received has to wait.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::Shutdown;
use std::panic::Location;
use std::path::Path;
use std::task::{Context, Poll};

use timeloop_sim::Access;

use super::SocketAddr;
use crate::engine::announce::{self, ResourceId};
use crate::engine::waiting::On;
use crate::engine::{self, RunId, context, of_run};
use crate::io::{Interest, ReadBuf, Ready};
use crate::net::fabric::{As, Direction, Errno, Fabric, Key, Name, Socket};
use crate::net::operation::{Operation, What, names};
use crate::net::stream::{network, run_is_over};

/// A socket for datagrams within a host, as
/// [`tokio::net::UnixDatagram`](https://docs.rs/tokio/1/tokio/net/struct.UnixDatagram.html).
///
/// ```
/// use timeloop::net::UnixDatagram;
///
/// timeloop::run(1, || async {
///     let server = UnixDatagram::bind("/run/log.sock").unwrap();
///     let client = UnixDatagram::unbound().unwrap();
///     client.send_to(b"line", "/run/log.sock").await.unwrap();
///     let mut bytes = [0; 16];
///     let (count, from) = server.recv_from(&mut bytes).await.unwrap();
///     assert_eq!(&bytes[..count], b"line");
///     assert!(from.is_unnamed());
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
pub struct UnixDatagram {
    run: RunId,
    key: Key,
    resource: ResourceId,
}

impl UnixDatagram {
    #[track_caller]
    fn make<R>(f: impl FnOnce(&mut Fabric, u32) -> Result<R, Errno>) -> io::Result<(RunId, R)> {
        let made = context::with(|engine| {
            let made = engine.network_here(|fabric, _, host| f(fabric, host));
            made.map(|made| (engine.run_id(), made))
        });
        match made {
            Some(made) => made.map_err(io::Error::from),
            None => engine::outside("open a socket"),
        }
    }

    /// A socket at a path.
    ///
    /// # Errors
    /// `AddrInUse` if somebody has it.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<Self> {
        let name = super::path_name(path.as_ref())?;
        let (run, key) = Self::make(|fabric, host| fabric.bind_unix(host, name))?;
        Ok(Self { run, key, resource: ResourceId::new() })
    }

    /// A socket that nobody can send to.
    ///
    /// # Errors
    /// None in a run.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn unbound() -> io::Result<Self> {
        let (run, key) = Self::make(|fabric, host| fabric.bind_unix(host, Name::Unnamed))?;
        Ok(Self { run, key, resource: ResourceId::new() })
    }

    /// Two sockets that speak to each other.
    ///
    /// # Errors
    /// None in a run.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn pair() -> io::Result<(Self, Self)> {
        let (run, [one, other]) = Self::make(Fabric::pair_datagrams)?;
        let at = Location::caller();
        let socket = |key| Self { run, key, resource: ResourceId::made_at(at) };
        Ok((socket(one), socket(other)))
    }

    fn with<R>(&self, f: impl FnOnce(&mut Fabric) -> Result<R, Errno>) -> io::Result<R> {
        network(self.run, |fabric, _| f(fabric)).ok_or_else(run_is_over)?.map_err(io::Error::from)
    }

    /// Sets the one that [`send`](Self::send) sends to, and from which alone something is received.
    ///
    /// # Errors
    /// `NotFound` if nobody ever had the path, `ConnectionRefused` if nobody has it any more.
    pub fn connect<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        let name = super::path_name(path.as_ref())?;
        self.with(|fabric| fabric.connect_datagram(self.key, &name))
    }

    #[track_caller]
    fn what(&self, access: Access) -> What<'_> {
        What { id: &self.resource, name: names::UNIX_DATAGRAM, access, at: Location::caller() }
    }

    #[track_caller]
    fn touch(&self, access: Access) {
        if announce::attended() {
            self.what(access).touch();
        }
    }

    fn attempt<R>(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        to: Option<&Name>,
        how: As,
        f: impl FnOnce(&mut Fabric) -> Result<R, Errno>,
    ) -> Poll<io::Result<R>> {
        let polled = of_run(self.run, |engine| match engine.network(|fabric, _| f(fabric)) {
            Err(Errno::WouldBlock) => {
                let who = engine.waits(cx.waker(), || {
                    let target = match direction {
                        Direction::Read => None,
                        Direction::Write => engine.network(|fabric, _| fabric.target_unix(self.key, to)),
                    };
                    let socket = target.map_or(Socket::Datagram(self.key), Socket::DatagramTo);
                    On::Socket(socket, self.resource.made())
                });
                engine.network(|fabric, _| fabric.wait_unix(self.key, direction, to, who, how));
                Poll::Pending
            }
            result => Poll::Ready(result.map_err(io::Error::from)),
        });
        polled.unwrap_or_else(|| Poll::Ready(Err(run_is_over())))
    }

    // --- readiness ---

    fn poll_ready(&self, cx: &mut Context<'_>, interest: Interest, how: As) -> Poll<io::Result<Ready>> {
        let direction = if interest.is_writable() { Direction::Write } else { Direction::Read };
        self.attempt(cx, direction, None, how, |fabric| {
            let [readable, writable] = fabric.readiness_unix(self.key);
            let mut ready = Ready::EMPTY;
            if readable {
                ready |= Ready::READABLE;
            }
            if writable {
                ready |= Ready::WRITABLE;
            }
            let ready = ready.of_interest(interest);
            if ready.is_empty() { Err(Errno::WouldBlock) } else { Ok(ready) }
        })
    }

    /// Waits until one of these things may be done, and says which.
    ///
    /// # Errors
    /// If the socket's run is over.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        let what = self.what(Access::Read);
        let mut operation = Operation::default();
        poll_fn(|cx| operation.poll(cx, what, |cx| self.poll_ready(cx, interest, As::One))).await
    }

    /// Waits until the one that it is connected to has room.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub async fn writable(&self) -> io::Result<()> {
        self.ready(Interest::WRITABLE).await.map(drop)
    }

    /// [`writable`](Self::writable) as a poll; whoever polls last is woken.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub fn poll_send_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_ready(cx, Interest::WRITABLE, As::Poller).map_ok(drop)
    }

    /// Waits until there is something to receive.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub async fn readable(&self) -> io::Result<()> {
        self.ready(Interest::READABLE).await.map(drop)
    }

    /// [`readable`](Self::readable) as a poll; whoever polls last is woken.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub fn poll_recv_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_ready(cx, Interest::READABLE, As::Poller).map_ok(drop)
    }

    // --- sending ---

    /// Sends a datagram to the one that the socket is [connected](Self::connect) to; waits while that has no room.
    ///
    /// # Errors
    /// `NotConnected` if it is not, `ConnectionRefused` if the other one is gone.
    pub async fn send(&self, buf: &[u8]) -> io::Result<usize> {
        let what = self.what(Access::Send);
        let mut operation = Operation::default();
        poll_fn(|cx| operation.poll(cx, what, |cx| self.poll_send_as(cx, None, buf, As::One))).await
    }

    fn poll_send_as(
        &self,
        cx: &mut Context<'_>,
        to: Option<&Name>,
        buf: &[u8],
        how: As,
    ) -> Poll<io::Result<usize>> {
        self.attempt(cx, Direction::Write, to, how, |fabric| fabric.send_unix(self.key, to, buf))
    }

    /// [`send`](Self::send) as a poll.
    ///
    /// # Errors
    /// As there.
    pub fn poll_send(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.touch(Access::Send);
        self.poll_send_as(cx, None, buf, As::Poller)
    }

    /// [`send`](Self::send) without waiting.
    ///
    /// # Errors
    /// As there; `WouldBlock` if there is no room.
    #[track_caller]
    pub fn try_send(&self, buf: &[u8]) -> io::Result<usize> {
        self.touch(Access::Send);
        self.with(|fabric| fabric.send_unix(self.key, None, buf))
    }

    /// Sends a datagram to the socket at a path; waits while that has no room.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn send_to<P: AsRef<Path>>(&self, buf: &[u8], target: P) -> io::Result<usize> {
        let what = self.what(Access::Send);
        let name = super::path_name(target.as_ref())?;
        let mut operation = Operation::default();
        poll_fn(|cx| operation.poll(cx, what, |cx| self.poll_send_as(cx, Some(&name), buf, As::One))).await
    }

    /// [`send_to`](Self::send_to) as a poll.
    ///
    /// # Errors
    /// As there.
    pub fn poll_send_to<P: AsRef<Path>>(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
        target: P,
    ) -> Poll<io::Result<usize>> {
        self.touch(Access::Send);
        let name = super::path_name(target.as_ref())?;
        self.poll_send_as(cx, Some(&name), buf, As::Poller)
    }

    /// [`send_to`](Self::send_to) without waiting.
    ///
    /// # Errors
    /// As there; `WouldBlock` if there is no room.
    #[track_caller]
    pub fn try_send_to<P: AsRef<Path>>(&self, buf: &[u8], target: P) -> io::Result<usize> {
        self.touch(Access::Send);
        let name = super::path_name(target.as_ref())?;
        self.with(|fabric| fabric.send_unix(self.key, Some(&name), buf))
    }

    // --- receiving ---

    fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        how: As,
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        self.attempt(cx, Direction::Read, None, how, |fabric| {
            let max = buf.remaining();
            let received = fabric.receive_unix(self.key, max, |bytes| buf.put_slice(bytes));
            received.map(|(count, from)| (count, SocketAddr(from)))
        })
    }

    /// Waits for a datagram, and says who has sent it. What does not fit is lost.
    ///
    /// # Errors
    /// If the socket's host has crashed, or its run is over.
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let what = self.what(Access::Receive);
        let mut operation = Operation::default();
        let mut buf = ReadBuf::new(buf);
        poll_fn(|cx| operation.poll(cx, what, |cx| self.poll_receive(cx, &mut buf, As::One))).await
    }

    /// [`recv_from`](Self::recv_from) as a poll; whoever polls last is woken.
    ///
    /// # Errors
    /// As there.
    pub fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<SocketAddr>> {
        self.touch(Access::Receive);
        self.poll_receive(cx, buf, As::Poller).map_ok(|(_, from)| from)
    }

    /// [`recv_from`](Self::recv_from) of what is there.
    ///
    /// # Errors
    /// As there; `WouldBlock` if nothing is.
    #[track_caller]
    pub fn try_recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.touch(Access::Receive);
        let mut buf = ReadBuf::new(buf);
        self.with(|fabric| {
            let max = buf.remaining();
            let received = fabric.receive_unix(self.key, max, |bytes| buf.put_slice(bytes));
            received.map(|(count, from)| (count, SocketAddr(from)))
        })
    }

    /// Waits for a datagram. What does not fit is lost.
    ///
    /// # Errors
    /// As [`recv_from`](Self::recv_from).
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.recv_from(buf).await.map(|(count, _)| count)
    }

    /// [`recv`](Self::recv) as a poll; whoever polls last is woken.
    ///
    /// # Errors
    /// As there.
    pub fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll_recv_from(cx, buf).map_ok(drop)
    }

    /// [`recv`](Self::recv) of what is there.
    ///
    /// # Errors
    /// As there; `WouldBlock` if nothing is.
    #[track_caller]
    pub fn try_recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.try_recv_from(buf).map(|(count, _)| count)
    }

    /// What the socket is bound to.
    ///
    /// # Errors
    /// If the socket's host has crashed, or its run is over.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.with(|fabric| {
            fabric.unix(self.key).map(|socket| SocketAddr(socket.name.clone())).ok_or(Errno::NotConnected)
        })
    }

    /// What the one is bound to that the socket is connected to.
    ///
    /// # Errors
    /// `NotConnected` if it is not.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.with(|fabric| fabric.peer_unix(self.key).map(SocketAddr))
    }

    /// The error that has come up since this was asked last: never any.
    ///
    /// # Errors
    /// None.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(None)
    }

    /// Ends receiving, sending, or both.
    ///
    /// # Errors
    /// `NotConnected` if the socket is not connected.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let (reads, writes) = (how != Shutdown::Write, how != Shutdown::Read);
        self.with(|fabric| fabric.shutdown_unix(self.key, reads, writes))
    }
}

impl Drop for UnixDatagram {
    fn drop(&mut self) {
        self.resource.touch(names::UNIX_DATAGRAM, Access::Write, None);
        network(self.run, |fabric, _| fabric.close_unix(self.key));
    }
}

impl fmt::Debug for UnixDatagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixDatagram").field("addr", &self.local_addr().ok()).finish_non_exhaustive()
    }
}
