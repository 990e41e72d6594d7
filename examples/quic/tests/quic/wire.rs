//! Records what is sent over the wire.
//!
//! A run has one thread, so the datagrams recorded on this thread since [`start`] are those of the run.

use std::cell::Cell;
use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};

/// What was sent: a hash of the receivers and sizes of datagrams, a hash of their bytes, and the number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) shape: u64,
    pub(crate) contents: u64,
    pub(crate) bytes: u64,
}

const NOTHING: Recorded = Recorded { shape: 0, contents: 0, bytes: 0 };

thread_local! {
    static RECORDED: Cell<Recorded> = const { Cell::new(NOTHING) };
}

/// Clears the record.
pub(crate) fn start() {
    RECORDED.set(NOTHING);
}

/// Returns the record.
pub(crate) fn recorded() -> Recorded {
    RECORDED.get()
}

fn hash(state: u64, bytes: &[u8]) -> u64 {
    let step = |state: u64, word: u64| (state.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    let words = bytes.chunks(8).map(|part| part.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte)));
    step(words.fold(state, step), bytes.len() as u64)
}

/// A socket whose transmissions are recorded.
struct RecordingSocket(Arc<dyn AsyncUdpSocket>);

/// Wraps a socket to record its transmissions.
pub(crate) fn record(socket: Arc<dyn AsyncUdpSocket>) -> Arc<dyn AsyncUdpSocket> {
    Arc::new(RecordingSocket(socket))
}

impl fmt::Debug for RecordingSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl AsyncUdpSocket for RecordingSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.0).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let Recorded { shape, contents, bytes } = RECORDED.get();
        let sent = transmit.contents;
        let header = format!("{} {} {:?}", transmit.destination, sent.len(), transmit.segment_size);
        RECORDED.set(Recorded {
            shape: hash(shape, header.as_bytes()),
            contents: hash(contents, sent),
            bytes: bytes + sent.len() as u64,
        });
        self.0.try_send(transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_recv(cx, bufs, meta)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.0.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.0.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.0.may_fragment()
    }
}
