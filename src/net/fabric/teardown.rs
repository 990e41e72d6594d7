//! The end of connections: shutdown, close, reset, failure and crash.
//!
//! # Invariants
//! A failed end stays until the program drops it, and bytes that have arrived can still be read. A connection is removed
//! once neither end is held.

use super::connection::{EndKey, Fin, LOCAL, Phase};
use super::stream::{HEADERS_BYTES, pair};
use super::{CallContext, Errno, Event, Fabric, Key};

impl<W: PartialEq, R: Copy> Fabric<W, R> {
    /// Ends the stream from this end.
    pub(crate) fn shutdown_write(&mut self, ctx: &mut CallContext<'_>, key: EndKey) -> Result<(), Errno> {
        let Some(connection) = self.connections.get(key.connection) else { return Err(Errno::NotConnected) };
        let end = &mut connection.ends[key.side as usize];
        if end.dead || end.phase != Phase::Open {
            return Err(Errno::NotConnected);
        }
        if end.out.fin == Fin::None {
            end.out.fin = Fin::Pending;
            self.transmit(ctx, key);
            self.wake_both(key);
        }
        Ok(())
    }

    /// Closes an end that the program has dropped.
    pub(crate) fn close(&mut self, ctx: &mut CallContext<'_>, key: EndKey) {
        self.release_client_name(key);
        let Some(connection) = self.connections.get(key.connection) else { return };
        let [end, other] = pair(&mut connection.ends, key.side);
        end.readers.wake(&mut self.released);
        end.writers.wake(&mut self.released);
        match end.phase {
            Phase::Open if !end.dead => {
                if other.out.arrived > 0 || end.options.linger_s == Some(0) {
                    self.reset_peer(ctx, key);
                } else {
                    end.phase = Phase::Closing;
                    if end.out.fin == Fin::None {
                        end.out.fin = Fin::Pending;
                        self.transmit(ctx, key);
                    }
                }
            }
            _ => {
                end.phase = Phase::Absent;
                self.probe(ctx, key.other());
            }
        }
        self.remove_if_unheld(key.connection);
    }

    /// Resets the connection from this end: drops its unsent bytes, and sends a reset if the link passes.
    pub(super) fn reset_peer(&mut self, ctx: &mut CallContext<'_>, key: EndKey) {
        let Self { connections, pool, .. } = self;
        let Some(connection) = connections.get(key.connection) else { return };
        let [end, other] = pair(&mut connection.ends, key.side);
        // A failed end stays, because the program still holds it or may accept it.
        if !(end.dead && matches!(end.phase, Phase::Open | Phase::Queued)) {
            end.phase = Phase::Absent;
            end.listener = None;
        }
        let (link, from, to) = (end.out.link, end.host, other.host);
        if end.out.unsent() > 0 {
            let kept = end.out.arrived + end.out.in_flight;
            end.out.ring.truncate(kept, pool);
        }
        let last_arrival_ns = end.out.last_arrival_ns;
        let to_key = key.other();
        if link == LOCAL {
            self.reset(to_key);
        } else if self.passes(link, from, to) {
            let at_ns =
                self.links.at(link).send_segment(ctx.now_ns, HEADERS_BYTES, ctx.decider).max(last_arrival_ns);
            self.queue.push(at_ns, Event::Reset { key: to_key });
        } else {
            self.probe(ctx, to_key);
        }
        self.remove_if_unheld(key.connection);
    }

    /// Handles a reset that arrives at this end.
    pub(super) fn reset_arrives(&mut self, ctx: &mut CallContext<'_>, key: EndKey) {
        let Some(connection) = self.connections.get(key.connection) else { return };
        let [end, other] = pair(&mut connection.ends, key.side);
        let (link, from, to) = (other.out.link, other.host, end.host);
        let (connecting, alive) = (end.phase == Phase::Connecting, end.phase != Phase::Absent && !end.dead);
        if self.passes(link, from, to) {
            self.reset(key);
            self.remove_if_unheld(key.connection);
        } else if connecting {
            self.schedule_syn_retransmit(ctx, key.connection, 0);
        } else if alive {
            // The reset is lost: what it answered is not acknowledged and is sent again.
            if let Some(end) = self.end(key) {
                end.out.unacknowledged = true;
            }
            self.start_retransmission(ctx, key);
        }
    }

    fn reset(&mut self, key: EndKey) {
        let Some(connection) = self.connections.get(key.connection) else { return };
        let [end, other] = pair(&mut connection.ends, key.side);
        match end.phase {
            Phase::Connecting => self.fail(key, Errno::ConnectionRefused),
            Phase::HalfOpen => self.drop_half_open(key.connection),
            Phase::Queued | Phase::Open if !end.dead => {
                let ended = other.out.fin == Fin::Arrived;
                self.fail(key, if ended { Errno::BrokenPipe } else { Errno::ConnectionReset });
            }
            Phase::Closing => end.phase = Phase::Absent,
            _ => {}
        }
    }

    /// Fails the connection for this end. Bytes that have arrived can still be read.
    pub(super) fn fail(&mut self, key: EndKey, errno: Errno) {
        let Self { connections, pool, woken, .. } = self;
        let Some(connection) = connections.get(key.connection) else { return };
        let [end, other] = pair(&mut connection.ends, key.side);
        end.error = Some(errno);
        end.dead = true;
        end.read_ready = true;
        if end.phase == Phase::Closing {
            end.phase = Phase::Absent;
        }
        let kept = end.out.arrived + end.out.in_flight;
        end.out.ring.truncate(kept, pool);
        if other.phase == Phase::Absent {
            // The peer is absent and sends nothing more.
            other.out.discard(pool);
        }
        end.readers.wake(woken);
        end.writers.wake(woken);
    }

    /// Removes the connection if neither end is held.
    pub(super) fn remove_if_unheld(&mut self, connection: Key) {
        let Some(ends) = self.ends(connection) else { return };
        if ends.iter().any(|end| end.phase.is_held()) {
            return;
        }
        let [client, _] = ends;
        let (host, local, peer) = (client.host, client.local, client.peer);
        let Some(mut gone) = self.connections.remove(connection) else { return };
        if gone.names.is_none() {
            self.hosts.disconnect(host, local, peer);
        }
        for end in &mut gone.ends {
            end.out.empty(&mut self.pool);
            end.readers.wake(&mut self.released);
            end.writers.wake(&mut self.released);
        }
    }

    /// Removes the ends on a host that has crashed. Their peers are not notified.
    pub(super) fn crash_connections(&mut self, ctx: &mut CallContext<'_>, host: u32) {
        for connection in self.connections.keys() {
            let Some(Some(gone)) = Some(self.connections.get(connection)) else { continue };
            let mut affected = false;
            for side in 0..2 {
                let [end, _] = pair(&mut gone.ends, side);
                // The crashed host has no state for this end yet, so the handshake may continue after a restart.
                if end.host != host || end.phase == Phase::Absent {
                    continue;
                }
                affected = true;
                end.phase = Phase::Absent;
                end.dead = true;
                end.read_ready = true;
                end.listener = None;
                let kept = end.out.arrived + end.out.in_flight;
                end.out.ring.truncate(kept, &mut self.pool);
                end.readers.wake(&mut self.released);
                end.writers.wake(&mut self.released);
            }
            if affected {
                for side in 0..2 {
                    self.probe(ctx, EndKey { connection, side });
                }
                self.remove_if_unheld(connection);
            }
        }
    }
}
