//! Connections: two ends, and a stream of bytes from each to the other.
//!
//! Always true: the bytes of a stream stand in one ring, in order: first those that have arrived and nobody has read, then
//! those under way, then those that could not leave yet; an end that nobody holds any more, and whose other end nobody
//! holds, is gone.

use std::net::SocketAddr;
use std::time::Duration;

use super::ring::{Pool, Ring};
use super::waiters::Waiters;
use super::{Errno, Key};

/// The number of no link: both ends are on one host.
pub(super) const LOCAL: u32 = u32::MAX;

/// How far an end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Its host knows nothing of it: not yet, or not any more. Who sends to it gets a reset.
    Nothing,
    /// It has asked for the connection.
    Connecting,
    /// It was asked for the connection, and has agreed.
    HalfOpen,
    /// It is established, and waits for somebody to accept it.
    Queued,
    /// Somebody holds it.
    Open,
    /// Nobody holds it any more, but what was written is still on its way.
    Closed,
}

impl Phase {
    /// Whether somebody may still learn of what happens to it.
    pub(super) fn is_held(self) -> bool {
        matches!(self, Self::Connecting | Self::HalfOpen | Self::Queued | Self::Open)
    }
}

/// How far the end of a stream has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fin {
    /// More bytes may follow.
    None,
    /// The last byte has been written.
    Wanted,
    /// The news is under way.
    Flying,
    /// It is known on the other side.
    Arrived,
}

/// One direction.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) ring: Ring,
    /// How many bytes can be read.
    pub(super) arrived: u32,
    /// How many are under way.
    pub(super) flying: u32,
    /// How many have been read of which the writer does not know yet.
    pub(super) unreported: u32,
    /// How many of those it is about to be told of.
    pub(super) offered: u32,
    /// How many bytes fit in at most, from the writer to the reader.
    pub(super) capacity: u32,
    pub(super) link: u32,
    /// When the last segment arrives.
    pub(super) last_ns: u64,
    /// Since when the other side has been silent.
    pub(super) silent_since_ns: u64,
    /// How many times it was tried again since.
    pub(super) attempts: u8,
    /// Whether it will be tried again.
    pub(super) retries: bool,
    /// Nothing leaves.
    pub(super) stuck: bool,
    /// What has arrived is not known to have.
    pub(super) unacknowledged: bool,
    /// The next segment counts even if it is empty.
    pub(super) greets: bool,
    /// Somebody waits for room.
    pub(super) wants_room: bool,
    pub(super) fin: Fin,
    /// Segments of an earlier epoch have been lost.
    pub(super) epoch: u16,
}

impl Pipe {
    fn new(link: u32, capacity: u32) -> Self {
        Self {
            ring: Ring::default(),
            arrived: 0,
            flying: 0,
            unreported: 0,
            offered: 0,
            capacity,
            link,
            last_ns: 0,
            silent_since_ns: 0,
            attempts: 0,
            retries: false,
            stuck: false,
            unacknowledged: false,
            greets: false,
            wants_room: false,
            fin: Fin::None,
            epoch: 0,
        }
    }

    /// How many bytes can be written, as far as the writer knows.
    #[inline]
    pub(super) fn room(&self) -> u32 {
        self.capacity.saturating_sub(self.ring.len() + self.unreported)
    }

    /// Whether there is so much room that a writer is told.
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        self.room() >= (self.capacity / 3).max(1)
    }

    /// How many bytes have not left.
    #[inline]
    pub(super) fn unsent(&self) -> u32 {
        self.ring.len() - self.arrived - self.flying
    }

    /// What is under way does not arrive.
    pub(super) fn lose(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
        self.flying = 0;
        if self.fin == Fin::Flying {
            self.fin = Fin::Wanted;
        }
    }

    /// What has not arrived never will.
    pub(super) fn discard(&mut self, pool: &mut Pool) {
        self.lose();
        self.ring.truncate(self.arrived, pool);
        (self.stuck, self.unacknowledged, self.greets) = (false, false, false);
    }

    /// Nothing is left to read either.
    pub(super) fn empty(&mut self, pool: &mut Pool) {
        self.arrived = 0;
        self.discard(pool);
    }
}

/// What can be set about a socket, and has no effect but for `linger`.
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

/// One end.
#[derive(Debug)]
pub(crate) struct End<W> {
    pub(crate) host: u32,
    pub(crate) phase: Phase,
    /// What its next operation fails with.
    pub(crate) error: Option<Errno>,
    /// The connection is over for it.
    pub(crate) dead: bool,
    /// Whoever is to accept it, and in whose queue it stands.
    pub(super) listener: Option<Key>,
    pub(crate) local: SocketAddr,
    pub(crate) peer: SocketAddr,
    pub(crate) readers: Waiters<W>,
    pub(crate) writers: Waiters<W>,
    pub(crate) options: Options,
    /// The stream from here to the other end.
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

/// Both ends: 0 has asked for the connection.
#[derive(Debug)]
pub(crate) struct Connection<W, R> {
    pub(crate) ends: [End<W>; 2],
    /// What stands for it in operations.
    pub(crate) resource: R,
    /// Of a stream within a host: what its ends are bound to.
    pub(crate) names: Option<Box<[super::unix::Name; 2]>>,
}

/// One end of a connection, by its numbers.
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
