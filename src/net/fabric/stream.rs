//! TCP and Unix streams: writing, sending segments, retransmission and reading.
//!
//! # Invariants
//! The bytes read are a prefix of the bytes written, in order, each once. A pipe never holds more than its capacity.
//! Segments that are not acknowledged are sent again with exponential backoff until the silence timeout. An end that
//! is absent answers segments with a reset. As in tokio, an end stays ready until an operation would block.

use std::io::IoSlice;

use super::connection::{EndKey, Fin, LOCAL, Phase};
use super::link::RETRANSMIT_NS;
use super::waiters::WaitSlot;
use super::{CallContext, Errno, Event, Fabric, Transfer};

/// The maximum time between two retransmissions.
const RETRANSMIT_NS_MAX: u64 = 120_000_000_000;

/// The size of the IP and TCP headers of a segment.
pub(super) const HEADERS_BYTES: u64 = 40;

/// What an end is ready for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Readiness {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    pub(crate) read_closed: bool,
    pub(crate) write_closed: bool,
    pub(crate) error: bool,
}

/// How to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// The bytes stay in the pipe.
    Peek,
    /// A read by `try_read`.
    Try,
    /// A read by `poll_read`: if it takes less than it could, the end is not ready any more.
    Poll,
}

/// The direction that a task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

impl<W: PartialEq, R: Copy> Fabric<W, R> {
    /// Writes as many bytes as the send window takes, or a part of them.
    #[inline]
    pub(crate) fn write(
        &mut self,
        ctx: &mut CallContext<'_>,
        key: EndKey,
        pieces: &[IoSlice<'_>],
    ) -> Result<usize, Errno> {
        let Self { connections, pool, .. } = self;
        let (end, is_unix) = match connections.get(key.connection) {
            Some(connection) => {
                let is_unix = connection.names.is_some();
                if is_unix && !connection.ends[1 - key.side as usize].phase.is_held() {
                    // Within a host the writer knows at once that the peer is closed, and never gets another error.
                    connection.ends[key.side as usize].dead = true;
                    return Err(Errno::BrokenPipe);
                }
                (&mut connection.ends[key.side as usize], is_unix)
            }
            None => return Err(Errno::NotConnected),
        };
        if let Some(errno) = end.error.take() {
            return Err(errno);
        }
        if end.dead || end.out.fin != Fin::None {
            return Err(Errno::BrokenPipe);
        }
        if end.phase != Phase::Open {
            return Err(Errno::NotConnected);
        }
        if end.out.writer_waits {
            return Err(Errno::WouldBlock);
        }
        let mut window = end.out.window() as usize;
        if ctx.varies_io {
            let whole = pieces.iter().map(|piece| piece.len()).sum::<usize>().min(window);
            window = window.min(ctx.decider.transfer(Transfer { reads: false, is_unix }, whole));
        }
        let (mut written, mut has_bytes) = (0, false);
        for piece in pieces {
            has_bytes |= !piece.is_empty();
            let count = piece.len().min(window);
            if count > 0 {
                end.out.ring.push(&piece[..count], pool);
                window -= count;
                written += count;
            }
        }
        if written > 0 {
            self.transmit(ctx, key);
            return Ok(written);
        }
        if !has_bytes {
            return Ok(0);
        }
        end.out.writer_waits = true;
        self.request_window_update(ctx, key);
        Err(Errno::WouldBlock)
    }

    /// Sends all unsent bytes in one segment, if the link passes.
    pub(super) fn transmit(&mut self, ctx: &mut CallContext<'_>, key: EndKey) {
        let Some(connection) = self.connections.get(key.connection) else { return };
        let [from, to] = pair(&mut connection.ends, key.side);
        let (from_host, to_host) = (from.host, to.host);
        let pipe = &mut from.out;
        let (len, fin) = (pipe.unsent(), pipe.fin == Fin::Pending);
        if pipe.blocked || !(len > 0 || fin || pipe.handshake_ack) {
            return;
        }
        let link = pipe.link;
        if link == LOCAL {
            pipe.handshake_ack = false;
            pipe.in_flight += len;
            self.deliver_segment(ctx, key, len, fin);
            return;
        }
        if !(self.hosts.is_up(from_host) && self.hosts.is_up(to_host) && self.links.at(link).passes()) {
            pipe.blocked = true;
            self.start_retransmission(ctx, key);
            return;
        }
        let at_ns = self.links.at(link).send_segment(ctx.now_ns, u64::from(len) + HEADERS_BYTES, ctx.decider);
        let at_ns = at_ns.max(pipe.last_arrival_ns);
        pipe.last_arrival_ns = at_ns;
        pipe.handshake_ack = false;
        let alone = pipe.in_flight == 0;
        pipe.in_flight += len;
        if fin {
            pipe.fin = Fin::InFlight;
        }
        let epoch = pipe.epoch;
        if at_ns <= ctx.now_ns && alone {
            self.segment_arrives(ctx, key, epoch, len, fin);
        } else {
            self.queue.push(at_ns, Event::Segment { key, epoch, len, fin });
        }
    }

    /// Handles a segment that arrives at the receiver's host.
    pub(super) fn segment_arrives(
        &mut self,
        ctx: &mut CallContext<'_>,
        key: EndKey,
        epoch: u16,
        len: u32,
        fin: bool,
    ) {
        let Some(connection) = self.connections.get(key.connection) else { return };
        let [from, to] = pair(&mut connection.ends, key.side);
        if from.out.epoch != epoch {
            return;
        }
        let (from_host, to_host, back) = (from.host, to.host, to.out.link);
        let pipe = &mut from.out;
        if !(self.hosts.is_up(to_host) && self.links.at(pipe.link).passes()) {
            self.lose(ctx, key);
            return;
        }
        if !self.passes(back, to_host, from_host) {
            // The segment has arrived, but its acknowledgement is lost.
            if let Some(connection) = self.connections.get(key.connection) {
                connection.ends[key.side as usize].out.unacknowledged = true;
            }
            self.start_retransmission(ctx, key);
        }
        self.deliver_segment(ctx, key, len, fin);
    }

    /// Marks the segments in flight as lost, and schedules their retransmission.
    pub(super) fn lose(&mut self, ctx: &mut CallContext<'_>, key: EndKey) {
        let Some(connection) = self.connections.get(key.connection) else { return };
        let [from, to] = pair(&mut connection.ends, key.side);
        from.out.lose();
        from.out.blocked = true;
        from.out.handshake_ack = to.phase == Phase::HalfOpen;
        self.start_retransmission(ctx, key);
    }

    /// Delivers the bytes of a segment to the receiver, and the end of the stream if `fin` is set.
    #[inline]
    pub(super) fn deliver_segment(&mut self, ctx: &mut CallContext<'_>, key: EndKey, len: u32, fin: bool) {
        let Some(connection) = self.connections.get(key.connection) else { return };
        let [from, to] = pair(&mut connection.ends, key.side);
        match to.phase {
            Phase::Open | Phase::Queued if !to.dead => {
                let pipe = &mut from.out;
                pipe.in_flight -= len;
                pipe.arrived += len;
                if fin {
                    pipe.fin = Fin::Arrived;
                }
                to.read_ready = true;
                // The segment also carries a window update for the opposite direction.
                let reported = to.out.unreported - to.out.in_update;
                to.out.unreported -= reported;
                if to.out.writer_waits && to.out.is_writable() {
                    to.out.writer_waits = false;
                    to.writers.wake(&mut self.woken);
                }
                to.readers.wake(&mut self.woken);
            }
            Phase::HalfOpen => {
                self.establish(key.connection);
                self.deliver_segment(ctx, key, len, fin);
            }
            Phase::Closing if len == 0 => {
                let pipe = &mut from.out;
                if fin {
                    pipe.fin = Fin::Arrived;
                }
            }
            phase => {
                let (back, from_host, to_host) = (to.out.link, from.host, to.host);
                if !self.passes(back, to_host, from_host) {
                    // The reset is lost, so the sender retransmits.
                    self.lose(ctx, key);
                    self.remove_if_unheld(key.connection);
                    return;
                }
                let Some(connection) = self.connections.get(key.connection) else { return };
                let from = &mut connection.ends[key.side as usize];
                if phase.is_held() {
                    // The bytes that arrived before the failure can still be read.
                    from.out.discard(&mut self.pool);
                } else {
                    from.out.empty(&mut self.pool);
                }
                self.reset_peer(ctx, key.other());
            }
        }
    }

    /// Schedules the first retransmission since the peer has become silent.
    pub(super) fn start_retransmission(&mut self, ctx: &mut CallContext<'_>, key: EndKey) {
        let Some(connection) = self.connections.get(key.connection) else { return };
        let pipe = &mut connection.ends[key.side as usize].out;
        if pipe.retry_scheduled {
            return;
        }
        pipe.retry_scheduled = true;
        pipe.attempts = 0;
        pipe.silent_since_ns = ctx.now_ns;
        self.queue.push(ctx.now_ns + RETRANSMIT_NS, Event::Retransmit { key });
    }

    /// Retransmits what is unacknowledged, or fails the connection after the silence timeout.
    pub(super) fn retransmit(&mut self, ctx: &mut CallContext<'_>, key: EndKey) {
        let Some(connection) = self.connections.get(key.connection) else { return };
        let [from, to] = pair(&mut connection.ends, key.side);
        let (link, back, from_host, to_host) = (from.out.link, to.out.link, from.host, to.host);
        if !from.out.retry_scheduled {
            return;
        }
        // An end that has reset its peer sends nothing more: its end-of-stream mark would arrive without the bytes
        // before it.
        let is_over = from.dead || from.phase == Phase::Absent;
        if is_over || !(from.out.blocked || from.out.unacknowledged) {
            from.out.retry_scheduled = false;
            if is_over {
                // The half-open end never learns whether the client knows of it.
                self.drop_half_open(key.connection);
                self.remove_if_unheld(key.connection);
            }
            return;
        }
        let (forward_passes, back_passes) =
            (self.passes(link, from_host, to_host), self.passes(back, to_host, from_host));
        let Some(connection) = self.connections.get(key.connection) else { return };
        let [from, to] = pair(&mut connection.ends, key.side);
        let pipe = &mut from.out;
        if forward_passes && pipe.blocked {
            pipe.blocked = false;
        }
        if forward_passes && back_passes {
            pipe.retry_scheduled = false;
            pipe.unacknowledged = false;
            if matches!(to.phase, Phase::Absent) {
                // The peer's host has crashed, so it lost the bytes and cannot acknowledge them.
                pipe.empty(&mut self.pool);
                self.reset_peer(ctx, key.other());
                return;
            }
            pipe.unreported = 0;
            pipe.in_update = 0;
            if pipe.writer_waits && pipe.is_writable() {
                pipe.writer_waits = false;
                from.writers.wake(&mut self.woken);
            }
        } else if ctx.now_ns - pipe.silent_since_ns >= self.timeouts.silence_ns {
            self.fail(key, Errno::TimedOut);
            if self.end(key).is_some_and(|end| end.phase == Phase::Absent) {
                self.probe(ctx, key.other());
            }
            self.drop_half_open(key.connection);
            self.remove_if_unheld(key.connection);
            return;
        } else {
            pipe.attempts = pipe.attempts.saturating_add(1);
            let wait_ns = (RETRANSMIT_NS << u32::from(pipe.attempts).min(20)).min(RETRANSMIT_NS_MAX);
            let at_ns =
                (ctx.now_ns + wait_ns).min(pipe.silent_since_ns.saturating_add(self.timeouts.silence_ns));
            self.queue.push(at_ns.max(ctx.now_ns + 1), Event::Retransmit { key });
        }
        self.transmit(ctx, key);
    }

    /// Reads at most `max` bytes. `take` gets them in one or two pieces.
    #[inline]
    pub(crate) fn read(
        &mut self,
        ctx: &mut CallContext<'_>,
        key: EndKey,
        max: usize,
        reading: Reading,
        mut take: impl FnMut(&[u8]),
    ) -> Result<usize, Errno> {
        let Some(connection) = self.connections.get(key.connection) else { return Err(Errno::NotConnected) };
        let is_unix = connection.names.is_some();
        let [to, from] = pair(&mut connection.ends, key.side);
        let pipe = &mut from.out;
        if pipe.arrived > 0 && to.read_ready {
            let mut count = pipe.arrived.min(u32::try_from(max).unwrap_or(u32::MAX));
            if ctx.varies_io && reading != Reading::Peek {
                count = ctx.decider.transfer(Transfer { reads: true, is_unix }, count as usize) as u32;
            }
            let (first, second) = pipe.ring.first(count);
            take(first);
            if !second.is_empty() {
                take(second);
            }
            if reading != Reading::Peek && count > 0 {
                pipe.ring.consume(count, &mut self.pool);
                pipe.arrived -= count;
                let drained = pipe.arrived == 0 && pipe.fin != Fin::Arrived && !to.dead;
                if drained && reading == Reading::Poll && (count as usize) < max {
                    to.read_ready = false;
                }
                if pipe.link != LOCAL {
                    pipe.unreported += count;
                    if pipe.writer_waits {
                        self.send_window_update(ctx, key.other());
                    }
                } else if pipe.writer_waits && pipe.is_writable() {
                    pipe.writer_waits = false;
                    from.writers.wake(&mut self.woken);
                }
            }
            return Ok(count as usize);
        }
        // A read into an empty buffer waits too while there is nothing to read.
        if pipe.fin == Fin::Arrived {
            return Ok(0);
        }
        if let Some(errno) = to.error.take() {
            return Err(errno);
        }
        if to.dead {
            return Ok(0);
        }
        if to.phase != Phase::Open {
            return Err(Errno::NotConnected);
        }
        to.read_ready = false;
        Err(Errno::WouldBlock)
    }

    /// Marks an end as not ready, because an operation on it has returned `WouldBlock`. An end that is closed in this
    /// direction stays ready.
    pub(crate) fn clear_readiness(&mut self, ctx: &mut CallContext<'_>, key: EndKey, direction: Direction) {
        let Readiness { read_closed, write_closed, .. } = self.readiness(key);
        let Some(end) = self.end(key) else { return };
        match direction {
            Direction::Read => end.read_ready = read_closed,
            Direction::Write if !write_closed && end.out.fin == Fin::None => {
                end.out.writer_waits = true;
                self.request_window_update(ctx, key);
            }
            Direction::Write => {}
        }
    }

    /// Wakes all tasks that wait at this end.
    pub(super) fn wake_both(&mut self, key: EndKey) {
        let Some(connection) = self.connections.get(key.connection) else { return };
        let end = &mut connection.ends[key.side as usize];
        end.readers.wake(&mut self.woken);
        end.writers.wake(&mut self.woken);
    }

    /// Returns what the end is ready for.
    pub(crate) fn readiness(&mut self, key: EndKey) -> Readiness {
        let Some(connection) = self.connections.get(key.connection) else {
            return Readiness {
                readable: true,
                writable: true,
                read_closed: true,
                write_closed: true,
                error: true,
            };
        };
        let [end, other] = pair(&mut connection.ends, key.side);
        let read_closed = other.out.fin == Fin::Arrived || end.dead;
        let write_closed = end.dead || (end.out.fin != Fin::None && other.out.fin == Fin::Arrived);
        Readiness {
            readable: end.read_ready || read_closed,
            writable: end.dead
                || end.out.fin != Fin::None
                || (end.phase == Phase::Open && !end.out.writer_waits),
            read_closed,
            write_closed,
            error: end.error.is_some(),
        }
    }

    /// Registers a waiter for the end to become readable or writable.
    #[inline]
    pub(crate) fn wait(&mut self, key: EndKey, direction: Direction, waiter: W, slot: WaitSlot) {
        let Some(connection) = self.connections.get(key.connection) else { return };
        let end = &mut connection.ends[key.side as usize];
        let waiters = match direction {
            Direction::Read => &mut end.readers,
            Direction::Write => &mut end.writers,
        };
        self.released.extend(waiters.add(waiter, slot));
    }
}

/// Returns the end on this side, and the other one.
#[inline]
pub(super) fn pair<T>(ends: &mut [T; 2], side: u8) -> [&mut T; 2] {
    let [zero, one] = ends;
    if side == 0 { [zero, one] } else { [one, zero] }
}
