//! The room of the one exhibit whose pin cannot share a lockfile with the others, in the version with the bug.

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
    use super::ROOM;

    #[test]
    fn is_found_and_replays() {
        let finding = ROOM.find("event-listener-2", |_| {}).unwrap();
        assert!(finding.deviations_after <= 6, "{finding:?}");
        assert!(finding.critical.is_some(), "{finding:?}");
        assert_eq!(ROOM.replay("event-listener-2", &finding.token), Ok(finding.replay));
    }
}
