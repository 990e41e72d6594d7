//! The TCP handshake: connect, SYN, SYN-ACK, and SYN retransmission.
//!
//! # Invariants
//! A connection is established, and queued at its listener, once both hosts know of it. A listener with a full queue
//! drops SYNs. A host without a listener answers with a reset. The client retransmits an unanswered SYN after 1, 2,
//! 4, … seconds.

use std::net::SocketAddr;

use super::address::{loopback_if_unspecified, mapped};
use super::connection::{Connection, End, EndKey, LOCAL, Options, Phase};
use super::hosts::Protocol;
use super::{CallContext, Errno, Event, Fabric, Key};

const SECOND_NS: u64 = 1_000_000_000;

/// How often a client retransmits an unanswered SYN, unless the test sets a timeout: Linux's `tcp_syn_retries`.
const SYN_RETRANSMISSIONS: u32 = 6;

/// How long connecting to a silent peer takes to fail: the intervals 1, 2, 4, … seconds after the SYN and each
/// retransmission.
pub(super) const CONNECT_NS: u64 = ((1 << (SYN_RETRANSMISSIONS + 1)) - 1) * SECOND_NS;

/// How long connecting to an address that no host has takes to fail.
const UNREACHABLE_NS: u64 = 3 * SECOND_NS;

impl<W: PartialEq, R: Copy> Fabric<W, R> {
    /// Starts a connection attempt, from the socket's own address if it is bound. The caller removes the socket
    /// afterwards.
    pub(crate) fn connect(
        &mut self,
        ctx: &mut CallContext<'_>,
        socket: Key,
        peer: SocketAddr,
    ) -> Result<EndKey, Errno> {
        let listener = self.listeners.get(socket).ok_or(Errno::InvalidInput)?;
        let (host, local, options, resource) =
            (listener.host, listener.local, listener.options, listener.resource);
        if listener.listens {
            return Err(Errno::AlreadyConnected);
        }
        if local.is_ipv4() != peer.is_ipv4() {
            return Err(if local.is_ipv4() { Errno::FamilyNotSupported } else { Errno::NetworkUnreachable });
        }
        let peer = loopback_if_unspecified(peer);
        if peer.ip().is_multicast() {
            return Err(Errno::NetworkUnreachable);
        }
        let source = self.hosts.source(host, peer.ip()).ok_or(Errno::NetworkUnreachable)?;
        let local = if local.ip().is_unspecified() { SocketAddr::new(source, local.port()) } else { local };
        let local = self.hosts.connect(host, local, peer)?;
        let target = self.hosts.find(host, peer.ip());
        let other = target.unwrap_or(host);
        let mut link = |from, to| if from == to { LOCAL } else { self.links.between(from, to) };
        let (out, back) = (link(host, other), link(other, host));
        let ends = [
            End::new(host, Phase::Connecting, [local, peer], options, out),
            End::new(other, Phase::Absent, [peer, local], Options::default(), back),
        ];
        let connection = self.connections.insert(Connection { ends, resource, names: None });
        if target.is_none() {
            self.queue.push(
                ctx.now_ns + UNREACHABLE_NS,
                Event::ConnectFailed { connection, errno: Errno::HostUnreachable },
            );
        } else {
            self.send_syn(ctx, connection, 0);
        }
        Ok(EndKey { connection, side: 0 })
    }

    /// Returns the result of a connection attempt; `WouldBlock` while it is unanswered.
    pub(crate) fn connected(&mut self, key: EndKey) -> Result<(), Errno> {
        let Some(connection) = self.connections.get(key.connection) else { return Err(Errno::NotConnected) };
        let end = &mut connection.ends[key.side as usize];
        match end.error.take() {
            Some(errno) => Err(errno),
            None if end.phase == Phase::Connecting => Err(Errno::WouldBlock),
            None => Ok(()),
        }
    }

    /// Sends a SYN. `attempt` counts the retransmissions.
    pub(super) fn send_syn(&mut self, ctx: &mut CallContext<'_>, connection: Key, attempt: u8) {
        let connect_ns = self.timeouts.connect_ns;
        let Some(ends) = self.ends(connection) else { return };
        if ends[0].phase != Phase::Connecting {
            return;
        }
        let (link, from, to) = (ends[0].out.link, ends[0].host, ends[1].host);
        if attempt > 0 && ctx.now_ns.saturating_sub(ends[0].out.silent_since_ns) >= connect_ns {
            self.fail(EndKey { connection, side: 0 }, Errno::TimedOut);
            return;
        }
        if attempt == 0 {
            ends[0].out.silent_since_ns = ctx.now_ns;
        }
        if link == LOCAL {
            self.syn_arrives(ctx, connection, attempt);
        } else if self.passes(link, from, to) {
            let at_ns = self.links.at(link).send_segment(ctx.now_ns, 60, ctx.decider);
            self.queue.push(at_ns, Event::Syn { connection, attempt });
        } else {
            self.schedule_syn_retransmit(ctx, connection, attempt);
        }
    }

    /// Schedules the retransmission of an unanswered SYN.
    pub(super) fn schedule_syn_retransmit(
        &mut self,
        ctx: &mut CallContext<'_>,
        connection: Key,
        attempt: u8,
    ) {
        // The client may be gone, and the half-open end may have been dropped.
        self.remove_if_unheld(connection);
        let Some(ends) = self.ends(connection) else { return };
        let since_ns = ends[0].out.silent_since_ns;
        // 1 s after the first SYN, 2 s after the second, …
        let after = |attempt: u8| since_ns + ((2_u64 << attempt.min(32)) - 1) * SECOND_NS;
        let attempt = (attempt..32).find(|attempt| after(*attempt) > ctx.now_ns).unwrap_or(32);
        let next_ns = after(attempt);
        let at_ns = next_ns.min(since_ns + self.timeouts.connect_ns).max(ctx.now_ns + 1);
        self.queue.push(at_ns, Event::SynRetransmit { connection, attempt: attempt + 1 });
    }

    /// Handles a SYN that arrives at the server's host.
    pub(super) fn syn_arrives(&mut self, ctx: &mut CallContext<'_>, connection: Key, attempt: u8) {
        let Some(ends) = self.ends(connection) else { return };
        let (out, back) = (ends[0].out.link, ends[1].out.link);
        let (from, to, peer) = (ends[0].host, ends[1].host, ends[0].peer);
        if !self.passes(out, from, to) {
            self.schedule_syn_retransmit(ctx, connection, attempt);
            return;
        }
        let slot = self.hosts.socket(to, Protocol::Tcp, peer);
        let Some((slot, listener)) = slot.and_then(|slot| Some((slot, self.listeners.at(slot)?))) else {
            if self.passes(back, to, from) {
                self.reset_peer(ctx, EndKey { connection, side: 1 });
            } else {
                self.schedule_syn_retransmit(ctx, connection, attempt);
            }
            return;
        };
        if listener.queue.len() as u32 + listener.pending > listener.backlog || !self.passes(back, to, from) {
            self.schedule_syn_retransmit(ctx, connection, attempt);
            return;
        }
        let listener = self.listeners.at(slot).expect("the listener was found above");
        listener.pending += 1;
        let (options, is_six) = (listener.options, listener.local.is_ipv6());
        let key = self.listeners.key(slot);
        let Some(ends) = self.ends(connection) else { return };
        let recv_buffer = ends[0].options.recv_buffer;
        ends[0].out.capacity = ends[0].options.send_buffer.saturating_add(options.recv_buffer);
        let end = &mut ends[1];
        end.phase = Phase::HalfOpen;
        // The host may have crashed since its last SYN-ACK.
        end.dead = false;
        end.listener = key;
        end.options = options;
        end.out.capacity = options.send_buffer.saturating_add(recv_buffer);
        if is_six {
            (end.local, end.peer) = (mapped(end.local), mapped(end.peer));
        }
        if back == LOCAL {
            self.syn_ack_arrives(ctx, connection, attempt);
        } else {
            let at_ns = self.links.at(back).send_segment(ctx.now_ns, 60, ctx.decider);
            self.queue.push(at_ns, Event::SynAck { connection, attempt });
        }
    }

    /// Handles a SYN-ACK that arrives at the client's host.
    pub(super) fn syn_ack_arrives(&mut self, ctx: &mut CallContext<'_>, connection: Key, attempt: u8) {
        let Some(ends) = self.ends(connection) else { return };
        let (back, from, to) = (ends[1].out.link, ends[1].host, ends[0].host);
        if !self.passes(back, from, to) {
            self.drop_half_open(connection);
            self.schedule_syn_retransmit(ctx, connection, attempt);
            return;
        }
        let Some(ends) = self.ends(connection) else { return };
        if ends[0].phase != Phase::Connecting {
            // The client has given up meanwhile.
            let out = ends[0].out.link;
            if self.passes(out, to, from) {
                self.reset_peer(ctx, EndKey { connection, side: 0 });
            } else {
                self.drop_half_open(connection);
                self.remove_if_unheld(connection);
            }
            return;
        }
        ends[0].phase = Phase::Open;
        ends[0].out.handshake_ack = true;
        self.wake_both(EndKey { connection, side: 0 });
        self.transmit(ctx, EndKey { connection, side: 0 });
    }

    /// Drops the half-open end of a connection.
    pub(super) fn drop_half_open(&mut self, connection: Key) {
        let Some(ends) = self.ends(connection) else { return };
        if ends[1].phase == Phase::HalfOpen {
            ends[1].phase = Phase::Absent;
            let listener = ends[1].listener.take();
            if let Some(listener) = listener.and_then(|key| self.listeners.get(key)) {
                listener.pending -= 1;
            }
        }
    }

    /// Establishes a half-open connection: queues it at its listener. The end becomes absent if the listener is
    /// closed.
    pub(super) fn establish(&mut self, connection: Key) {
        let key = self.ends(connection).and_then(|ends| ends[1].listener);
        let listener = key.and_then(|key| self.listeners.get(key));
        let phase = if listener.is_some() { Phase::Queued } else { Phase::Absent };
        if let Some(listener) = listener {
            listener.pending -= 1;
            listener.queue.push_back(connection);
            listener.acceptors.wake(&mut self.woken);
        }
        if let Some([_, end]) = self.ends(connection) {
            end.phase = phase;
        }
    }
}
