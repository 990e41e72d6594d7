//! The state of a stream connection: two [`End`]s, and a [`Pipe`] from each to the other.
//!
//! # Invariants
//! The ring of a pipe holds its bytes in order: first those that have arrived and are unread, then those in flight,
//! then those not sent yet. A connection is removed once neither end is held (see [`Phase::is_held`]).

use std::net::SocketAddr;
use std::time::Duration;

use super::ring_buffer::{BufferPool, RingBuffer};
use super::waiters::Waiters;
use super::{Errno, Key};

/// The link number of a connection within one host.
pub(super) const LOCAL: u32 = u32::MAX;

/// The state of one end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The host has no state for this end, not yet or not any more. It answers segments with a reset.
    Absent,
    /// The client has sent a SYN.
    Connecting,
    /// The server has received the SYN and sent a SYN-ACK.
    HalfOpen,
    /// Established, and waiting in the listener's queue.
    Queued,
    /// Established, and owned by the program.
    Open,
    /// The program has dropped this end. Written bytes are still being sent.
    Closing,
}

impl Phase {
    /// Returns whether the program may still observe what happens to this end.
    pub(super) fn is_held(self) -> bool {
        matches!(self, Self::Connecting | Self::HalfOpen | Self::Queued | Self::Open)
    }
}

/// The state of the end-of-stream mark of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fin {
    /// The writer has not ended the stream.
    None,
    /// The writer has ended the stream. The mark has not been sent.
    Pending,
    /// The mark is in flight.
    InFlight,
    /// The receiving host has the mark.
    Arrived,
}

/// One direction of a connection.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) ring: RingBuffer,
    /// The number of bytes that can be read.
    pub(super) arrived: u32,
    /// The number of bytes in flight.
    pub(super) in_flight: u32,
    /// The number of bytes that were read and not yet reported to the sender.
    pub(super) unreported: u32,
    /// The part of `unreported` that the window update in flight reports.
    pub(super) in_update: u32,
    /// The maximum number of bytes between writer and reader: the send buffer plus the receive buffer.
    pub(super) capacity: u32,
    pub(super) link: u32,
    /// When the last segment sent arrives.
    pub(super) last_arrival_ns: u64,
    /// Since when the receiver has not acknowledged anything.
    pub(super) silent_since_ns: u64,
    /// The number of retransmissions since then.
    pub(super) attempts: u8,
    /// Whether a retransmission is scheduled.
    pub(super) retry_scheduled: bool,
    /// Whether sending is blocked until the next retransmission.
    pub(super) blocked: bool,
    /// Whether data or window updates may have arrived without the sender learning of it.
    pub(super) unacknowledged: bool,
    /// Whether to send a segment even if it is empty: it completes the handshake.
    pub(super) handshake_ack: bool,
    /// Whether the end is not ready for writing: a write would have blocked, and the send window has not opened since.
    pub(super) writer_waits: bool,
    pub(super) fin: Fin,
    /// Counts losses. Segments of an earlier epoch were lost.
    pub(super) epoch: u16,
}

impl Pipe {
    fn new(link: u32, capacity: u32) -> Self {
        Self {
            ring: RingBuffer::default(),
            arrived: 0,
            in_flight: 0,
            unreported: 0,
            in_update: 0,
            capacity,
            link,
            last_arrival_ns: 0,
            silent_since_ns: 0,
            attempts: 0,
            retry_scheduled: false,
            blocked: false,
            unacknowledged: false,
            handshake_ack: false,
            writer_waits: false,
            fin: Fin::None,
            epoch: 0,
        }
    }

    /// Returns the number of bytes that were written but not sent.
    #[inline]
    pub(super) fn unsent(&self) -> u32 {
        self.ring.len() - self.arrived - self.in_flight
    }

    /// Drops all segments in flight. Their bytes count as unsent again.
    pub(super) fn lose(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
        self.in_flight = 0;
        if self.fin == Fin::InFlight {
            self.fin = Fin::Pending;
        }
    }

    /// Discards the bytes that have not arrived.
    pub(super) fn discard(&mut self, pool: &mut BufferPool) {
        self.lose();
        self.ring.truncate(self.arrived, pool);
        (self.blocked, self.unacknowledged, self.handshake_ack) = (false, false, false);
    }

    /// Discards all bytes, also the unread ones.
    pub(super) fn empty(&mut self, pool: &mut BufferPool) {
        self.arrived = 0;
        self.discard(pool);
    }
}

/// The options of a socket. Only `linger_s` and the buffer sizes have an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) nodelay: bool,
    pub(crate) keepalive: bool,
    pub(crate) quickack: bool,
    pub(crate) ttl: u32,
    pub(crate) tos: u32,
    pub(crate) linger_s: Option<u16>,
    pub(crate) send_buffer: u32,
    pub(crate) recv_buffer: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nodelay: false,
            keepalive: false,
            quickack: true,
            ttl: 64,
            tos: 0,
            linger_s: None,
            send_buffer: 64 * 1024,
            recv_buffer: 64 * 1024,
        }
    }
}

impl Options {
    pub(crate) fn linger(&self) -> Option<Duration> {
        self.linger_s.map(|seconds| Duration::from_secs(seconds.into()))
    }

    pub(crate) fn set_linger(&mut self, linger: Option<Duration>) {
        self.linger_s = linger.map(|linger| u16::try_from(linger.as_secs()).unwrap_or(u16::MAX));
    }
}

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct End<W> {
    pub(crate) host: u32,
    pub(crate) phase: Phase,
    /// The error that the next operation returns.
    pub(crate) error: Option<Errno>,
    /// Whether the connection has failed for this end.
    pub(crate) dead: bool,
    /// Whether the end is ready for reading: something has arrived since a read would last have blocked.
    pub(super) read_ready: bool,
    /// The listener in whose queue this end waits, or that counts it as half-open.
    pub(super) listener: Option<Key>,
    pub(crate) local: SocketAddr,
    pub(crate) peer: SocketAddr,
    pub(crate) readers: Waiters<W>,
    pub(crate) writers: Waiters<W>,
    pub(crate) options: Options,
    /// The pipe from this end to the other.
    pub(super) out: Pipe,
}

impl<W> End<W> {
    pub(super) fn new(
        host: u32,
        phase: Phase,
        [local, peer]: [SocketAddr; 2],
        options: Options,
        link: u32,
    ) -> Self {
        let capacity = options.send_buffer.saturating_add(Options::default().recv_buffer);
        Self {
            host,
            phase,
            error: None,
            dead: false,
            read_ready: false,
            listener: None,
            local,
            peer,
            readers: Waiters::default(),
            writers: Waiters::default(),
            options,
            out: Pipe::new(link, capacity),
        }
    }
}

/// A connection. End 0 is the client's.
#[derive(Debug)]
pub(crate) struct Connection<W, R> {
    pub(crate) ends: [End<W>; 2],
    /// The tag of the connection.
    pub(crate) resource: R,
    /// The names of both ends of a Unix stream; `None` for TCP.
    pub(crate) names: Option<Box<[super::unix::Name; 2]>>,
}

/// Identifies one end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EndKey {
    pub(crate) connection: Key,
    pub(crate) side: u8,
}

impl EndKey {
    pub(super) fn other(self) -> Self {
        Self { connection: self.connection, side: 1 - self.side }
    }
}
