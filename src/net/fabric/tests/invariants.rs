//! Checks the internal invariants of the fabric, which hold between any two calls.

use super::super::connection::{Connection, EndKey, Fin, LOCAL, Phase};
use super::super::{Event, Key};
use super::Fabric;

impl Fabric {
    /// Checks all connections and listeners.
    pub(super) fn check(&mut self) {
        for key in self.connections.keys() {
            self.check_connection(key);
        }
        for key in self.listeners.keys() {
            let Some(listener) = self.listeners.get(key) else { continue };
            let (waiting, pending) = (listener.queue.clone(), listener.pending);
            assert!(waiting.len() as u32 + pending <= listener.backlog + 1, "a listener exceeds its backlog");
            for connection in &waiting {
                let end = &self.connections.get(*connection).expect("a queued connection exists").ends[1];
                assert_eq!((end.phase, end.listener), (Phase::Queued, Some(key)));
            }
            let half_open = self.connections.keys().into_iter().filter(|connection| {
                let end = &self.connections.get(*connection).expect("the connection exists").ends[1];
                end.phase == Phase::HalfOpen && end.listener == Some(key)
            });
            let half_open = half_open.collect::<Vec<_>>().len() as u32;
            assert_eq!(pending, half_open, "a listener counts its half-open connections");
        }
    }

    fn check_connection(&mut self, connection: Key) {
        let Self { connections, queue, .. } = self;
        let Connection { ends, .. } = connections.get(connection).expect("the connection exists");
        assert!(ends.iter().any(|end| end.phase.is_held()), "an unheld connection is not removed");
        let connecting = ends[0].phase == Phase::Connecting && !ends[0].dead;
        let has_event = queue.events().any(|event| match event {
            Event::Syn { connection: key, .. }
            | Event::SynRetransmit { connection: key, .. }
            | Event::SynAck { connection: key, .. }
            | Event::ConnectFailed { connection: key, .. } => *key == connection,
            Event::Reset { key } => key.connection == connection,
            _ => false,
        });
        assert!(!connecting || has_event, "a connection attempt has no event: {ends:#?}");
        for side in 0..2_u8 {
            let key = EndKey { connection, side };
            let [end, other] = super::super::stream::pair(ends, side);
            let pipe = &end.out;
            assert!(
                pipe.arrived + pipe.in_flight <= pipe.ring.len(),
                "more bytes arrived and in flight than in the ring: {pipe:?}"
            );
            assert!(
                pipe.ring.len() + pipe.unreported <= pipe.capacity,
                "a pipe exceeds its capacity: {pipe:?}"
            );
            assert!(pipe.in_update <= pipe.unreported, "{pipe:?}");
            let (mut in_flight, mut fins) = (0, 0);
            let (mut retransmits, mut window_updates, mut is_reset) = (0, 0, false);
            for event in queue.events() {
                match *event {
                    Event::Segment { key: of, epoch, len, fin } if of == key && epoch == pipe.epoch => {
                        in_flight += len;
                        fins += u32::from(fin);
                    }
                    Event::Retransmit { key: of } if of == key => retransmits += 1,
                    Event::WindowUpdate { key: of } if of == key => window_updates += 1,
                    Event::Reset { key: of } if of == key => is_reset = true,
                    _ => {}
                }
            }
            assert_eq!(pipe.in_flight, in_flight, "bytes in flight without a segment: {pipe:?}");
            assert_eq!(
                u32::from(pipe.fin == Fin::InFlight),
                fins,
                "an end-of-stream mark in flight without a segment: {pipe:?}"
            );
            assert!(
                pipe.in_update == 0 || window_updates > 0,
                "no event for the window update in flight: {pipe:?}"
            );
            let lives = !end.dead && matches!(end.phase, Phase::Open | Phase::Closing);
            if !lives {
                continue;
            }
            assert!(
                !pipe.retry_scheduled || retransmits > 0,
                "no event for the scheduled retransmission: {pipe:?}"
            );
            let is_last = pipe.in_flight == 0 && pipe.unsent() == 0;
            assert!(pipe.fin != Fin::Arrived || is_last, "bytes after the end of the stream: {pipe:?}");
            assert!(!pipe.blocked || pipe.retry_scheduled, "blocked without a retransmission: {pipe:?}");
            assert!(
                !pipe.unacknowledged || pipe.retry_scheduled,
                "unacknowledged without a retransmission: {pipe:?}"
            );
            assert!(
                pipe.unsent() == 0 || pipe.blocked,
                "unsent bytes on a pipe that is not blocked: {pipe:?}"
            );
            assert!(
                pipe.fin != Fin::Pending || pipe.retry_scheduled || is_reset,
                "an unsent end-of-stream mark without a retransmission: {pipe:?}"
            );
            let will_be_woken =
                pipe.link == LOCAL || pipe.unreported == 0 || pipe.in_update > 0 || pipe.retry_scheduled;
            let peer_exists = other.phase != Phase::Absent;
            assert!(
                !pipe.writer_waits || will_be_woken || !peer_exists,
                "a waiting writer will not be woken: {pipe:?}"
            );
        }
    }

    /// Checks that no state is left.
    pub(super) fn check_empty(&mut self) {
        assert_eq!(self.connections.len(), 0, "connections are left");
        assert_eq!(self.listeners.len(), 0, "listeners are left");
        assert_eq!(self.udp.len(), 0, "UDP sockets are left");
        assert_eq!(self.in_flight.len(), 0, "datagrams in flight are left");
        assert!(self.held.is_empty(), "held datagrams are left");
        assert_eq!(self.hosts.left(), 0, "ports or connections are still registered");
    }
}
