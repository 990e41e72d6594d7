//! The fabric's own books: what its parts say of each other.
//!
//! Always true: what is checked here holds between any two calls.

use super::super::connection::{Connection, EndKey, Fin, LOCAL, Phase};
use super::super::{Event, Key};
use super::Fabric;

impl Fabric {
    /// Panics unless the books are in order.
    pub(super) fn check(&mut self) {
        for key in self.connections.keys() {
            self.check_connection(key);
        }
        for key in self.listeners.keys() {
            let Some(listener) = self.listeners.get(key) else { continue };
            let (waiting, pending) = (listener.queue.clone(), listener.pending);
            assert!(
                waiting.len() as u32 + pending <= listener.backlog + 1,
                "a listener has no more than its backlog"
            );
            for connection in &waiting {
                let end =
                    &self.connections.get(*connection).expect("who waits to be accepted is there").ends[1];
                assert_eq!((end.phase, end.listener), (Phase::Queued, Some(key)));
            }
            let half_open = self.connections.keys().into_iter().filter(|connection| {
                let end = &self.connections.get(*connection).expect("it is there").ends[1];
                end.phase == Phase::HalfOpen && end.listener == Some(key)
            });
            let half_open = half_open.collect::<Vec<_>>().len() as u32;
            assert_eq!(pending, half_open, "a listener counts those that have agreed");
        }
    }

    fn check_connection(&mut self, connection: Key) {
        let Self { connections, queue, .. } = self;
        let Connection { ends, .. } = connections.get(connection).expect("it is there");
        assert!(ends.iter().any(|end| end.phase.is_held()), "what nobody holds is gone");
        let asks = ends[0].phase == Phase::Connecting && !ends[0].dead;
        let is_asking = queue.events().any(|event| match event {
            Event::Asked { connection: key, .. }
            | Event::AskAgain { connection: key, .. }
            | Event::Agreed { connection: key, .. }
            | Event::Fail { connection: key, .. } => *key == connection,
            Event::Reset { key } => key.connection == connection,
            _ => false,
        });
        assert!(!asks || is_asking, "who asks for a connection hears of it sooner or later: {ends:#?}");
        for side in 0..2_u8 {
            let key = EndKey { connection, side };
            let [end, other] = super::super::stream::pair(ends, side);
            let pipe = &end.out;
            assert!(
                pipe.arrived + pipe.flying <= pipe.ring.len(),
                "what arrives and flies is there: {pipe:?}"
            );
            assert!(
                pipe.ring.len() + pipe.unreported <= pipe.capacity,
                "there is no more than fits in: {pipe:?}"
            );
            assert!(pipe.offered <= pipe.unreported, "{pipe:?}");
            let (mut flying, mut fins) = (0, 0);
            let (mut retries, mut rooms, mut is_reset) = (0, 0, false);
            for event in queue.events() {
                match *event {
                    Event::Segment { key: of, epoch, len, fin } if of == key && epoch == pipe.epoch => {
                        flying += len;
                        fins += u32::from(fin);
                    }
                    Event::Retry { key: of } if of == key => retries += 1,
                    Event::Room { key: of } if of == key => rooms += 1,
                    Event::Reset { key: of } if of == key => is_reset = true,
                    _ => {}
                }
            }
            assert_eq!(pipe.flying, flying, "what is under way arrives: {pipe:?}");
            assert_eq!(
                u32::from(pipe.fin == Fin::Flying),
                fins,
                "the end that is under way arrives: {pipe:?}"
            );
            assert!(pipe.offered == 0 || rooms > 0, "who is offered room hears of it: {pipe:?}");
            let lives = !end.dead && matches!(end.phase, Phase::Open | Phase::Closed);
            if !lives {
                continue;
            }
            assert!(!pipe.retries || retries > 0, "what is to be tried again is: {pipe:?}");
            let is_last = pipe.flying == 0 && pipe.unsent() == 0;
            assert!(pipe.fin != Fin::Arrived || is_last, "nothing comes after the end: {pipe:?}");
            assert!(!pipe.stuck || pipe.retries, "what is stuck is tried again: {pipe:?}");
            assert!(!pipe.unacknowledged || pipe.retries, "{pipe:?}");
            assert!(pipe.unsent() == 0 || pipe.stuck, "what can leave leaves: {pipe:?}");
            assert!(
                pipe.fin != Fin::Wanted || pipe.retries || is_reset,
                "an end that can leave leaves: {pipe:?}"
            );
            let hears = pipe.link == LOCAL || pipe.unreported == 0 || pipe.offered > 0 || pipe.retries;
            let can_hear = other.phase != Phase::Nothing;
            assert!(!pipe.wants_room || hears || !can_hear, "who waits for room hears of it: {pipe:?}");
        }
    }

    /// Panics if anything is left of what there has been.
    pub(super) fn check_empty(&mut self) {
        assert_eq!(self.connections.len(), 0, "no connection is left");
        assert_eq!(self.listeners.len(), 0, "no listener is left");
        assert_eq!(self.udp.len(), 0, "no socket is left");
        assert_eq!(self.flights.len(), 0, "no datagram is left");
        assert!(self.held.is_empty(), "no datagram is held");
        assert_eq!(self.hosts.left(), 0, "no port and no connection is noted");
    }
}
