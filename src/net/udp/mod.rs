//! Sockets of UDP.
//!
//! Always true: to send never waits, and says nothing about whether it arrives.

mod options;

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::task::{Context, Poll};

use timeloop_sim::Access;

use super::addr::{self, ToSocketAddrs};
use super::fabric::{self, As, Errno, Fabric, Key, Manner, Options, Socket, Turn};
use super::operation::{Operation, What, names};
use super::stream::{network, run_is_over};
use crate::engine::announce::{self, ResourceId};
use crate::engine::waiting::On;
use crate::engine::{self, RunId, context, of_run};
use crate::io::{Interest, ReadBuf, Ready};

/// A socket of UDP, as [`tokio::net::UdpSocket`](https://docs.rs/tokio/1/tokio/net/struct.UdpSocket.html).
///
/// Datagrams may be lost, come twice and overtake each other, as the link between the hosts has it; within a host they
/// do not. One that is longer than 65,507 bytes is refused, and one for which the receiver has no room (208 KiB) is lost.
///
/// ```
/// use timeloop::net::UdpSocket;
///
/// timeloop::run(1, || async {
///     let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
///     let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
///     client.connect(server.local_addr().unwrap()).await.unwrap();
///     client.send(b"ping").await.unwrap();
///     let mut bytes = [0; 16];
///     let (count, from) = server.recv_from(&mut bytes).await.unwrap();
///     assert_eq!((&bytes[..count], from), (&b"ping"[..], client.local_addr().unwrap()));
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
pub struct UdpSocket {
    run: RunId,
    key: Key,
    resource: ResourceId,
}

impl UdpSocket {
    /// A socket at the first of the addresses that can be bound. Port 0 is any free one.
    ///
    /// # Errors
    /// `AddrInUse` if somebody has it, `AddrNotAvailable` if it is not an address of this host.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn bind<A: ToSocketAddrs>(addr: A) -> impl Future<Output = io::Result<Self>> {
        let at = Location::caller();
        async move {
            let mut last = None;
            for address in addr::to_socket_addrs(addr).await? {
                let resource = ResourceId::made_at(at);
                let made = context::with(|engine| {
                    let made = engine.network_here(|fabric, _, host| fabric.bind_udp(host, address));
                    made.map(|key| Self { run: engine.run_id(), key, resource })
                });
                match made.unwrap_or_else(|| engine::outside("open a socket")) {
                    Ok(socket) => return Ok(socket),
                    Err(errno) => last = Some(errno.into()),
                }
            }
            Err(addr::none_of(last))
        }
    }

    fn with<R>(&self, f: impl FnOnce(&mut Fabric, &mut Turn<'_>) -> Result<R, Errno>) -> io::Result<R> {
        network(self.run, f).ok_or_else(run_is_over)?.map_err(io::Error::from)
    }

    fn socket<R>(&self, f: impl FnOnce(&mut fabric::UdpSocket) -> R) -> io::Result<R> {
        self.with(|fabric, _| fabric.udp(self.key).map(f).ok_or(Errno::NotConnected))
    }

    fn options<R>(&self, f: impl FnOnce(&mut Options) -> R) -> io::Result<R> {
        self.socket(|socket| f(&mut socket.options))
    }

    #[track_caller]
    fn what(&self, access: Access) -> What<'_> {
        What { id: &self.resource, name: names::UDP_SOCKET, access, at: Location::caller() }
    }

    #[track_caller]
    fn touch(&self, access: Access) {
        if announce::attended() {
            self.what(access).touch();
        }
    }

    /// The address of the socket.
    ///
    /// # Errors
    /// If the socket's host has crashed, or its run is over. So of all methods that set or get an option.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket(|socket| socket.local)
    }

    /// The address that the socket is [connected](Self::connect) to.
    ///
    /// # Errors
    /// `NotConnected` if it is not.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket(|socket| socket.peer)?.ok_or_else(|| Errno::NotConnected.into())
    }

    /// Sets the address that [`send`](Self::send) sends to, and from which alone something is received.
    ///
    /// # Errors
    /// `NetworkUnreachable` if the host has no address of that kind.
    pub async fn connect<A: ToSocketAddrs>(&self, addr: A) -> io::Result<()> {
        self.touch(Access::Write);
        let mut last = None;
        for address in addr::to_socket_addrs(addr).await? {
            let connected = of_run(self.run, |engine| {
                engine.network_here(|fabric, _, _| fabric.connect_udp(self.key, address))
            });
            match connected.ok_or_else(run_is_over)? {
                Ok(()) => return Ok(()),
                Err(errno) => last = Some(errno.into()),
            }
        }
        Err(addr::none_of(last))
    }

    // --- readiness ---

    fn poll_ready(&self, cx: &mut Context<'_>, interest: Interest, how: As) -> Poll<io::Result<Ready>> {
        let (readable, failed) = self.socket(|socket| (socket.is_readable(), socket.error.is_some()))?;
        let mut ready = Ready::WRITABLE;
        if readable {
            ready |= Ready::READABLE;
        }
        if failed {
            ready |= Ready::ERROR;
        }
        let ready = ready.of_interest(interest);
        if !ready.is_empty() {
            return Poll::Ready(Ok(ready));
        }
        self.wait(cx, how);
        Poll::Pending
    }

    fn wait(&self, cx: &mut Context<'_>, how: As) {
        of_run(self.run, |engine| {
            let who = engine.waits(cx.waker(), || On::Socket(Socket::Udp(self.key), self.resource.made()));
            engine.network(|fabric, _| fabric.wait_to_receive(self.key, who, how));
        });
    }

    /// Waits until one of these things may be done, and says which.
    ///
    /// # Errors
    /// If the socket's host has crashed, or its run is over.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        let what = self.what(Access::Read);
        let mut operation = Operation::default();
        poll_fn(|cx| operation.poll(cx, what, |cx| self.poll_ready(cx, interest, As::One))).await
    }

    /// Waits until it can send, which it always can.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub async fn writable(&self) -> io::Result<()> {
        self.ready(Interest::WRITABLE).await.map(drop)
    }

    /// [`writable`](Self::writable) as a poll.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub fn poll_send_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_ready(cx, Interest::WRITABLE, As::Poller).map_ok(drop)
    }

    /// Waits until there is a datagram to receive.
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

    /// Calls `f` if the socket is ready for what it does.
    ///
    /// # Errors
    /// `WouldBlock` if it is not; what `f` gives.
    pub fn try_io<R>(&self, interest: Interest, f: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        if interest.is_readable() && !interest.is_writable() && !self.socket(|socket| socket.is_readable())? {
            return Err(Errno::WouldBlock.into());
        }
        f()
    }

    /// Calls `f` when the socket is ready for what it does, again and again while it says `WouldBlock`.
    ///
    /// # Errors
    /// What `f` gives.
    pub async fn async_io<R>(
        &self,
        interest: Interest,
        mut f: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        loop {
            self.ready(interest).await?;
            match f() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    crate::task::yield_now().await;
                }
                result => return result,
            }
        }
    }

    // --- sending ---

    fn send_now(&self, buf: &[u8], to: Option<SocketAddr>) -> io::Result<usize> {
        self.send_in(buf, to, Manner::default())
    }

    fn send_in(&self, buf: &[u8], to: Option<SocketAddr>, manner: Manner) -> io::Result<usize> {
        let sent = of_run(self.run, |engine| {
            engine.network_here(|fabric, turn, _| fabric.send(turn, self.key, to, buf, manner))
        });
        sent.ok_or_else(run_is_over)?.map_err(io::Error::from)
    }

    async fn announced_send(&self, buf: &[u8], to: Option<SocketAddr>) -> io::Result<usize> {
        let what = self.what(Access::Send);
        let mut operation = Operation::default();
        poll_fn(|cx| operation.poll(cx, what, |_| Poll::Ready(self.send_now(buf, to)))).await
    }

    /// Sends a datagram to the address that the socket is [connected](Self::connect) to.
    ///
    /// # Errors
    /// "Destination address required" if it is not; `ConnectionRefused` if an earlier one came to a host where nobody has the
    /// port; "Message too long" beyond 65,507 bytes.
    pub async fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.announced_send(buf, None).await
    }

    /// [`send`](Self::send) as a poll.
    ///
    /// # Errors
    /// As there.
    pub fn poll_send(&self, _cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.touch(Access::Send);
        Poll::Ready(self.send_now(buf, None))
    }

    /// [`send`](Self::send) at once.
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn try_send(&self, buf: &[u8]) -> io::Result<usize> {
        self.touch(Access::Send);
        self.send_now(buf, None)
    }

    /// Sends a datagram to an address: the first of those given.
    ///
    /// # Errors
    /// "Message too long" beyond 65,507 bytes; `NetworkUnreachable` if the host has no address of that kind.
    pub async fn send_to<A: ToSocketAddrs>(&self, buf: &[u8], addr: A) -> io::Result<usize> {
        match addr::to_socket_addrs(addr).await?.next() {
            Some(target) => self.announced_send(buf, Some(target)).await,
            None => Err(io::Error::new(io::ErrorKind::InvalidInput, "no addresses to send data to")),
        }
    }

    /// [`send_to`](Self::send_to) as a poll.
    ///
    /// # Errors
    /// As there.
    pub fn poll_send_to(
        &self,
        _cx: &mut Context<'_>,
        buf: &[u8],
        target: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.touch(Access::Send);
        Poll::Ready(self.send_now(buf, Some(target)))
    }

    /// [`send_to`](Self::send_to) at once.
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn try_send_to(&self, buf: &[u8], target: SocketAddr) -> io::Result<usize> {
        self.touch(Access::Send);
        self.send_now(buf, Some(target))
    }

    /// [`try_send_to`](Self::try_send_to), in a certain manner.
    #[cfg(feature = "quinn")]
    pub(crate) fn try_send_in(&self, buf: &[u8], target: SocketAddr, manner: Manner) -> io::Result<usize> {
        self.touch(Access::Send);
        self.send_in(buf, Some(target), manner)
    }

    // --- receiving ---

    /// [`try_recv_from`](Self::try_recv_from), with all that is known of the datagram.
    #[cfg(feature = "quinn")]
    pub(crate) fn try_receive_about(&self, buf: &mut [u8]) -> io::Result<fabric::About> {
        self.touch(Access::Receive);
        let max = buf.len();
        self.with(|fabric, _| {
            fabric.receive(self.key, max, false, |bytes| buf[..bytes.len()].copy_from_slice(bytes))
        })
    }

    /// Has the task woken by the next datagram, and no other task.
    #[cfg(feature = "quinn")]
    pub(crate) fn wait_to_receive(&self, cx: &mut Context<'_>) {
        self.wait(cx, As::Poller);
    }

    fn receive(&self, max: usize, peek: bool, take: impl FnOnce(&[u8])) -> io::Result<(usize, SocketAddr)> {
        let about = self.with(|fabric, _| fabric.receive(self.key, max, peek, take))?;
        Ok((about.bytes, about.from))
    }

    fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        peek: bool,
        how: As,
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        let max = buf.remaining();
        match self.receive(max, peek, |bytes| buf.put_slice(bytes)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.wait(cx, how);
                Poll::Pending
            }
            result => Poll::Ready(result),
        }
    }

    async fn announced_receive(&self, buf: &mut [u8], peek: bool) -> io::Result<(usize, SocketAddr)> {
        let what = self.what(if peek { Access::Read } else { Access::Receive });
        let mut operation = Operation::default();
        let mut buf = ReadBuf::new(buf);
        poll_fn(|cx| operation.poll(cx, what, |cx| self.poll_receive(cx, &mut buf, peek, As::One))).await
    }

    /// Waits for a datagram from the address that the socket is [connected](Self::connect) to. What does not fit is lost.
    ///
    /// # Errors
    /// `ConnectionRefused` if one that was sent came to a host where nobody has the port.
    ///
    /// # Cancel safety
    ///
    /// Who gives up loses no datagram.
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.announced_receive(buf, false).await.map(|(count, _)| count)
    }

    /// [`recv`](Self::recv) as a poll; whoever polls last is woken.
    ///
    /// # Errors
    /// As there.
    pub fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.touch(Access::Receive);
        self.poll_receive(cx, buf, false, As::Poller).map_ok(drop)
    }

    /// [`recv`](Self::recv) of what is there.
    ///
    /// # Errors
    /// As there; `WouldBlock` if nothing is there.
    #[track_caller]
    pub fn try_recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.try_recv_from(buf).map(|(count, _)| count)
    }

    /// [`try_recv`](Self::try_recv) into a buffer that keeps count itself.
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn try_recv_buf<B: bytes::BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        self.try_recv_buf_from(buf).map(|(count, _)| count)
    }

    /// [`recv`](Self::recv) into a buffer that keeps count itself.
    ///
    /// # Errors
    /// As there.
    pub async fn recv_buf<B: bytes::BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        self.recv_buf_from(buf).await.map(|(count, _)| count)
    }

    /// [`try_recv_from`](Self::try_recv_from) into a buffer that keeps count itself.
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn try_recv_buf_from<B: bytes::BufMut>(&self, buf: &mut B) -> io::Result<(usize, SocketAddr)> {
        self.touch(Access::Receive);
        let max = buf.chunk_mut().len();
        self.receive(max, false, |bytes| buf.put_slice(bytes))
    }

    /// [`recv_from`](Self::recv_from) into a buffer that keeps count itself.
    ///
    /// # Errors
    /// As there.
    pub async fn recv_buf_from<B: bytes::BufMut>(&self, buf: &mut B) -> io::Result<(usize, SocketAddr)> {
        let what = self.what(Access::Receive);
        let mut operation = Operation::default();
        poll_fn(|cx| {
            operation.poll(cx, what, |cx| {
                let max = buf.chunk_mut().len();
                match self.receive(max, false, |bytes| buf.put_slice(bytes)) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.wait(cx, As::One);
                        Poll::Pending
                    }
                    result => Poll::Ready(result),
                }
            })
        })
        .await
    }

    /// Waits for a datagram, and says who has sent it. What does not fit is lost.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Who gives up loses no datagram.
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.announced_receive(buf, false).await
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
        self.poll_receive(cx, buf, false, As::Poller).map_ok(|(_, from)| from)
    }

    /// [`recv_from`](Self::recv_from) of what is there.
    ///
    /// # Errors
    /// As there; `WouldBlock` if nothing is there.
    #[track_caller]
    pub fn try_recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.touch(Access::Receive);
        let mut buf = ReadBuf::new(buf);
        self.receive(buf.remaining(), false, |bytes| buf.put_slice(bytes))
    }

    /// As [`recv`](Self::recv), and leaves the datagram there.
    ///
    /// # Errors
    /// As there.
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.announced_receive(buf, true).await.map(|(count, _)| count)
    }

    /// [`peek`](Self::peek) as a poll; whoever polls last is woken.
    ///
    /// # Errors
    /// As there.
    pub fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll_receive(cx, buf, true, As::Poller).map_ok(drop)
    }

    /// [`peek`](Self::peek) at what is there.
    ///
    /// # Errors
    /// As there; `WouldBlock` if nothing is there.
    #[track_caller]
    pub fn try_peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.try_peek_from(buf).map(|(count, _)| count)
    }

    /// As [`recv_from`](Self::recv_from), and leaves the datagram there.
    ///
    /// # Errors
    /// As there.
    pub async fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.announced_receive(buf, true).await
    }

    /// [`peek_from`](Self::peek_from) as a poll; whoever polls last is woken.
    ///
    /// # Errors
    /// As there.
    pub fn poll_peek_from(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<SocketAddr>> {
        self.poll_receive(cx, buf, true, As::Poller).map_ok(|(_, from)| from)
    }

    /// [`peek_from`](Self::peek_from) at what is there.
    ///
    /// # Errors
    /// As there; `WouldBlock` if nothing is there.
    #[track_caller]
    pub fn try_peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.touch(Access::Read);
        let mut buf = ReadBuf::new(buf);
        self.receive(buf.remaining(), true, |bytes| buf.put_slice(bytes))
    }

    /// Waits for a datagram, says who has sent it, and leaves it there.
    ///
    /// # Errors
    /// As [`recv_from`](Self::recv_from).
    pub async fn peek_sender(&self) -> io::Result<SocketAddr> {
        self.announced_receive(&mut [], true).await.map(|(_, from)| from)
    }

    /// [`peek_sender`](Self::peek_sender) as a poll; whoever polls last is woken.
    ///
    /// # Errors
    /// As there.
    pub fn poll_peek_sender(&self, cx: &mut Context<'_>) -> Poll<io::Result<SocketAddr>> {
        self.poll_receive(cx, &mut ReadBuf::new(&mut []), true, As::Poller).map_ok(|(_, from)| from)
    }

    /// [`peek_sender`](Self::peek_sender) of what is there.
    ///
    /// # Errors
    /// As there; `WouldBlock` if nothing is there.
    #[track_caller]
    pub fn try_peek_sender(&self) -> io::Result<SocketAddr> {
        self.try_peek_from(&mut []).map(|(_, from)| from)
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        self.resource.touch(names::UDP_SOCKET, Access::Write, None);
        network(self.run, |fabric, _| fabric.close_udp(self.key));
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UdpSocket").field("addr", &self.local_addr().ok()).finish_non_exhaustive()
    }
}
