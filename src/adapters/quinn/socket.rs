//! A simulated socket for quinn.
//!
//! # Invariants
//! The socket can always send. The task that polled it last for receiving is woken by the next datagram. Datagrams
//! are not fragmented.

use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use ::quinn::udp::{EcnCodepoint, RecvMeta, Transmit};
use ::quinn::{AsyncUdpSocket, UdpPoller};

use crate::net::UdpSocket;
use crate::net::fabric::Transmit as TransmitOptions;

/// The maximum number of datagrams that are sent at once, as under Linux.
const SEGMENTS: usize = 64;

/// A simulated socket for quinn; see [`socket`].
#[derive(Debug)]
pub struct Socket {
    inner: UdpSocket,
}

/// Wraps a socket for `Endpoint::new_with_abstract_socket` and `Endpoint::rebind_abstract`.
#[must_use]
pub fn socket(socket: UdpSocket) -> Arc<dyn AsyncUdpSocket> {
    Arc::new(Socket::from(socket))
}

impl From<UdpSocket> for Socket {
    fn from(inner: UdpSocket) -> Self {
        Self { inner }
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(AlwaysWritable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let options = TransmitOptions {
            source: transmit.src_ip,
            congestion: transmit.ecn.map_or(0, |codepoint| codepoint as u8),
            whole: true,
        };
        let bytes = transmit.contents;
        let longest = transmit.segment_size.unwrap_or(bytes.len()).max(1);
        for datagram in bytes.chunks(longest) {
            // As in quinn's own socket: an error of one datagram does not end the endpoint.
            let _lost = self.inner.try_send_with(datagram, transmit.destination, options);
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut count = 0;
        for (buf, meta) in bufs.iter_mut().zip(meta) {
            match self.inner.try_recv_meta(buf) {
                Ok(received) => {
                    *meta = RecvMeta {
                        addr: received.from,
                        len: received.bytes,
                        stride: received.bytes,
                        ecn: EcnCodepoint::from_bits(received.congestion),
                        dst_ip: Some(received.to),
                    };
                    count += 1;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        if count > 0 {
            return Poll::Ready(Ok(count));
        }
        self.inner.wait_to_receive(cx);
        Poll::Pending
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        SEGMENTS
    }

    fn may_fragment(&self) -> bool {
        false
    }
}

/// A poller for sockets that are always writable.
#[derive(Debug)]
struct AlwaysWritable;

impl UdpPoller for AlwaysWritable {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
