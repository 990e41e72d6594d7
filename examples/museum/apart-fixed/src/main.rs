//! The room of the one exhibit whose pin cannot share a lockfile with the others, in the version without the bug.

#[path = "../../apart/src/event_listener_2.rs"]
mod event_listener_2;
#[path = "../../src/room.rs"]
mod room;

use room::{RUNS, Room, SHRINK_RUNS};

const ROOM: Room = Room {
    exhibits: &[("event-listener-2", || Box::pin(event_listener_2::scenario()))],
    runs: RUNS,
    shrink_runs: SHRINK_RUNS,
};

fn main() -> std::process::ExitCode {
    ROOM.serve()
}

#[cfg(test)]
mod tests {
    use super::{ROOM, RUNS};

    #[test]
    fn is_clean() {
        ROOM.clean("event-listener-2", RUNS).unwrap_or_else(|report| panic!("{report}"));
    }
}
