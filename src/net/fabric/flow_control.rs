//! Flow control of streams: the send window, window updates and window probes.
//!
//! # Invariants
//! A sender counts bytes as buffered until it learns that they were read. A writer that waits is woken once the window is
//! a third of the capacity. At most one window update is in flight per direction.

use super::connection::{EndKey, LOCAL, Phase, Pipe};
use super::stream::{HEADERS_BYTES, pair};
use super::{CallContext, Event, Fabric};

impl Pipe {
    /// Returns the send window: how many bytes can be written, as far as the sender knows.
    #[inline]
    pub(super) fn window(&self) -> u32 {
        self.capacity.saturating_sub(self.ring.len() + self.unreported)
    }

    /// Returns whether the window is large enough to wake a writer.
    #[inline]
    pub(super) fn is_writable(&self) -> bool {
        self.window() >= (self.capacity / 3).max(1)
    }
}

impl<W: PartialEq, R: Copy> Fabric<W, R> {
    /// Asks for a window update because a writer at this end waits.
    pub(super) fn request_window_update(&mut self, ctx: &mut CallContext<'_>, key: EndKey) {
        let Some(connection) = self.connections.get(key.connection) else { return };
        let [end, other] = pair(&mut connection.ends, key.side);
        if end.out.unreported > 0 {
            self.send_window_update(ctx, key);
        } else if other.phase == Phase::Absent {
            self.probe(ctx, key);
        }
    }

    /// Schedules a window probe: the peer is absent and sends no updates. The probe is reset or times out.
    pub(super) fn probe(&mut self, ctx: &mut CallContext<'_>, key: EndKey) {
        let Some(end) = self.end(key) else { return };
        if end.out.writer_waits && end.out.link != LOCAL && !end.dead && end.phase == Phase::Open {
            end.out.unacknowledged = true;
            self.start_retransmission(ctx, key);
        }
    }

    /// Sends a window update to the writer at this end, unless one is in flight.
    pub(super) fn send_window_update(&mut self, ctx: &mut CallContext<'_>, key: EndKey) {
        let Some(connection) = self.connections.get(key.connection) else { return };
        let [from, to] = pair(&mut connection.ends, key.side);
        let (back, from_host, to_host) = (to.out.link, from.host, to.host);
        let pipe = &mut from.out;
        if pipe.in_update > 0 || pipe.unreported == 0 {
            return;
        }
        if !self.passes(back, to_host, from_host) {
            if let Some(connection) = self.connections.get(key.connection) {
                connection.ends[key.side as usize].out.unacknowledged = true;
            }
            self.start_retransmission(ctx, key);
            return;
        }
        let Some(connection) = self.connections.get(key.connection) else { return };
        let pipe = &mut connection.ends[key.side as usize].out;
        pipe.in_update = pipe.unreported;
        let at_ns = self.links.at(back).send_segment(ctx.now_ns, HEADERS_BYTES, ctx.decider);
        self.queue.push(at_ns, Event::WindowUpdate { key });
    }

    /// Handles a window update that arrives at the writer's end.
    pub(super) fn window_update_arrives(&mut self, ctx: &mut CallContext<'_>, key: EndKey) {
        let Some(connection) = self.connections.get(key.connection) else { return };
        let [from, to] = pair(&mut connection.ends, key.side);
        let (back, from_host, to_host) = (to.out.link, from.host, to.host);
        let passes = self.passes(back, to_host, from_host);
        let Some(connection) = self.connections.get(key.connection) else { return };
        let from = &mut connection.ends[key.side as usize];
        let pipe = &mut from.out;
        if passes {
            pipe.unreported = pipe.unreported.saturating_sub(pipe.in_update);
        }
        pipe.in_update = 0;
        if pipe.writer_waits && pipe.is_writable() {
            pipe.writer_waits = false;
            from.writers.wake(&mut self.woken);
        } else if pipe.writer_waits {
            self.request_window_update(ctx, key);
        }
    }
}
