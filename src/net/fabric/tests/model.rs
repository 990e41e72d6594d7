//! What a connection promises, as plainly as it can be said: what was written, read and seen, who has left and how, and
//! which reasons there are for an end to fail.
//!
//! Always true: it knows nothing of segments, windows or retries.

use super::super::{Errno, Key, Times};

/// The byte at this place of what one side says.
pub(super) fn byte(side: usize, position: u64) -> u8 {
    let mixed = (position + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ side as u64;
    (mixed.wrapping_mul(0xD6E8_FEB8_6659_FD93) >> 56) as u8
}

/// What is said from one side to the other.
#[derive(Debug, Default)]
pub(super) struct Way {
    pub(super) capacity: u64,
    pub(super) written: u64,
    pub(super) read: u64,
    /// What has come, read or not.
    pub(super) seen: u64,
    /// What had come when nothing could come any more.
    pub(super) frozen: Option<u64>,
    /// How much may have come from when on.
    pub(super) earliest: Vec<(u64, u64)>,
    /// When the line is free again.
    pub(super) free_ns: u64,
}

impl Way {
    /// Bytes are written; nothing of them comes within `least_ns`.
    pub(super) fn writes(&mut self, count: u64, now_ns: u64, least_ns: u64, bandwidth: Option<u64>) {
        self.written += count;
        let line_ns = bandwidth.map_or(0, |bandwidth| count * 1_000_000_000 / bandwidth);
        self.free_ns = self.free_ns.max(now_ns) + line_ns;
        self.earliest.push((self.written, self.free_ns + least_ns));
    }

    /// So much is there to be read; or it is not any more, and nobody is there to tell.
    pub(super) fn sees(&mut self, arrived: u64, now_ns: u64, blocked: bool) {
        let seen = self.read + arrived;
        assert!(seen >= self.seen, "what has come stays: {self:?}");
        assert!(seen <= self.written, "nothing comes that nobody wrote: {self:?}");
        let due = self.earliest.iter().filter(|(_, at_ns)| *at_ns <= now_ns).map(|(total, _)| *total);
        let most = due.max().unwrap_or(0);
        assert!(seen <= most, "nothing comes before its time: {seen} of {most} at {now_ns}: {self:?}");
        self.seen = seen;
        if blocked {
            let frozen = *self.frozen.get_or_insert(seen);
            assert_eq!(frozen, seen, "nothing comes over a link that is cut");
        } else {
            self.frozen = None;
        }
    }
}

/// How an end was given up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    /// What the other side had said of which this one did not hear.
    pub(super) heard: u64,
    /// It did not wait for what it had not read, or did not want to.
    pub(super) rudely: bool,
}

/// One end, as its program knows it.
#[derive(Debug, Default)]
pub(super) struct Side {
    /// Whether the program has it and may use it.
    pub(super) held: bool,
    /// Whether the program waits for it to come about, or has not yet given up one that failed.
    pub(super) asks: bool,
    pub(super) shut: bool,
    pub(super) lingers_not: bool,
    pub(super) crashed: bool,
    pub(super) left: Option<Left>,
    pub(super) failed: Option<Errno>,
    /// The error has been told.
    pub(super) told: bool,
    pub(super) ended: bool,
    /// Who waits to read, and to write.
    pub(super) waits: [Option<u32>; 2],
}

/// One connection.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) key: Key,
    pub(super) asked_ns: u64,
    pub(super) sides: [Side; 2],
    pub(super) ways: [Way; 2],
    /// Since when it may have been silent for the first time.
    pub(super) first_block_ns: Option<u64>,
    /// There was a time when nobody listened, before it was accepted.
    pub(super) unlistened: bool,
}

impl Conn {
    /// An end has failed: there is a reason for it.
    pub(super) fn fails(&mut self, side: usize, errno: Errno, now_ns: u64, times: Times) {
        let other = &self.sides[1 - side];
        let unaccepted = !self.sides[1].held && self.sides[1].left.is_none();
        let silent_ns = self.first_block_ns.map_or(0, |since_ns| now_ns - since_ns);
        let excused = match errno {
            Errno::TimedOut => {
                silent_ns >= times.silence_ns
                    || (!self.sides[0].held && now_ns - self.asked_ns >= times.connect_ns)
            }
            Errno::ConnectionReset | Errno::BrokenPipe => {
                let unheard = |left: Left| left.rudely || self.ways[side].written > left.heard;
                other.crashed
                    || other.failed.is_some()
                    || other.left.is_some_and(unheard)
                    || (unaccepted && self.unlistened)
            }
            Errno::ConnectionRefused => side == 0 && !self.sides[0].held && self.unlistened,
            _ => false,
        };
        assert!(excused, "side {side} fails with {errno:?} at {now_ns} for no reason: {self:#?}");
        self.sides[side].failed = Some(errno);
    }

    /// Whether all that one side says comes to the other sooner or later.
    pub(super) fn owes_all(&self, from: usize) -> bool {
        let (writer, reader) = (&self.sides[from], &self.sides[1 - from]);
        reader.held
            && reader.failed.is_none()
            && !writer.crashed
            && writer.failed.is_none()
            && !writer.left.is_some_and(|left| left.rudely)
    }
}
