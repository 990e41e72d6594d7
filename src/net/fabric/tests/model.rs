//! A model of what a connection guarantees: which bytes were written, read and visible, how each end was closed, and
//! which failures are justified. It knows nothing of segments, windows or retransmissions.

use super::super::{Errno, Key, Timeouts};

/// The byte at this position of the stream from `side`.
pub(super) fn byte(side: usize, position: u64) -> u8 {
    let mixed = (position + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ side as u64;
    (mixed.wrapping_mul(0xD6E8_FEB8_6659_FD93) >> 56) as u8
}

/// The bytes sent from one side to the other.
#[derive(Debug, Default)]
pub(super) struct ByteFlow {
    pub(super) capacity: u64,
    pub(super) written: u64,
    pub(super) read: u64,
    /// The number of bytes that have arrived, read or not.
    pub(super) seen: u64,
    /// `seen` when the link stopped passing anything.
    pub(super) frozen: Option<u64>,
    /// How many bytes may have arrived, and from which time on.
    pub(super) earliest: Vec<(u64, u64)>,
    /// When the transmission queue becomes empty.
    pub(super) free_ns: u64,
    /// Whether the last write would have blocked.
    pub(super) blocked: bool,
}

impl ByteFlow {
    /// Records a write. None of its bytes may arrive within `least_ns`.
    pub(super) fn record_write(&mut self, count: u64, now_ns: u64, least_ns: u64, bandwidth: Option<u64>) {
        self.written += count;
        let line_ns = bandwidth.map_or(0, |bandwidth| count * 1_000_000_000 / bandwidth);
        self.free_ns = self.free_ns.max(now_ns) + line_ns;
        self.earliest.push((self.written, self.free_ns + least_ns));
    }

    /// Checks the number of bytes that can be read now.
    pub(super) fn record_arrived(&mut self, arrived: u64, now_ns: u64, blocked: bool) {
        let seen = self.read + arrived;
        assert!(seen >= self.seen, "arrived bytes have disappeared: {self:?}");
        assert!(seen <= self.written, "more bytes arrived than were written: {self:?}");
        let due = self.earliest.iter().filter(|(_, at_ns)| *at_ns <= now_ns).map(|(total, _)| *total);
        let max = due.max().unwrap_or(0);
        assert!(seen <= max, "bytes arrived too early: {seen} of {max} at {now_ns}: {self:?}");
        self.seen = seen;
        if blocked {
            let frozen = *self.frozen.get_or_insert(seen);
            assert_eq!(frozen, seen, "bytes arrived over a cut link");
        } else {
            self.frozen = None;
        }
    }
}

/// How the program closed an end.
#[derive(Clone, Copy, Debug)]
pub(super) struct CloseState {
    /// The number of bytes that had arrived at this end.
    pub(super) seen: u64,
    /// Whether closing reset the connection.
    pub(super) abruptly: bool,
}

/// One end, as its program sees it.
#[derive(Debug, Default)]
pub(super) struct Side {
    /// Whether the program holds the end.
    pub(super) held: bool,
    /// Whether a connection attempt is unanswered, or has failed and was not dropped yet.
    pub(super) connecting: bool,
    pub(super) shut: bool,
    pub(super) zero_linger: bool,
    pub(super) crashed: bool,
    pub(super) left: Option<CloseState>,
    pub(super) failed: Option<Errno>,
    /// Whether an operation has returned the error.
    pub(super) error_returned: bool,
    pub(super) ended: bool,
    /// The waiters for reading and for writing.
    pub(super) waits: [Option<u32>; 2],
}

/// One connection.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) key: Key,
    pub(super) connect_ns: u64,
    pub(super) sides: [Side; 2],
    pub(super) flows: [ByteFlow; 2],
    /// When a link or a host first stopped passing segments.
    pub(super) first_block_ns: Option<u64>,
    /// Whether nobody listened at some time before the connection was accepted.
    pub(super) listener_missing: bool,
}

impl Conn {
    /// Checks that the failure of an end is justified.
    pub(super) fn record_failure(&mut self, side: usize, errno: Errno, now_ns: u64, timeouts: Timeouts) {
        let other = &self.sides[1 - side];
        let unaccepted = !self.sides[1].held && self.sides[1].left.is_none();
        let silent_ns = self.first_block_ns.map_or(0, |since_ns| now_ns - since_ns);
        let justified = match errno {
            Errno::TimedOut => {
                silent_ns >= timeouts.silence_ns
                    || (!self.sides[0].held && now_ns - self.connect_ns >= timeouts.connect_ns)
            }
            Errno::ConnectionReset | Errno::BrokenPipe => {
                let undelivered = |left: CloseState| left.abruptly || self.flows[side].written > left.seen;
                other.crashed
                    || other.failed.is_some()
                    || other.left.is_some_and(undelivered)
                    || (unaccepted && self.listener_missing)
            }
            Errno::ConnectionRefused => side == 0 && !self.sides[0].held && self.listener_missing,
            _ => false,
        };
        assert!(justified, "side {side} fails with {errno:?} at {now_ns} without a reason: {self:#?}");
        self.sides[side].failed = Some(errno);
    }

    /// Returns whether all bytes from one side must arrive in the end.
    pub(super) fn must_deliver_all(&self, from: usize) -> bool {
        let (writer, reader) = (&self.sides[from], &self.sides[1 - from]);
        reader.held
            && reader.failed.is_none()
            && !writer.crashed
            && writer.failed.is_none()
            && !writer.left.is_some_and(|left| left.abruptly)
    }
}
