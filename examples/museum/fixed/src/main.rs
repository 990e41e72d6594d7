//! The room of the versions in which the bugs are corrected.

#[path = "../../src/room.rs"]
mod room;
#[path = "../../src/scenarios/mod.rs"]
mod scenarios;

use room::{RUNS, Room, SHRINK_RUNS};

const ROOM: Room = Room { exhibits: scenarios::ALL, runs: RUNS, shrink_runs: SHRINK_RUNS };

fn main() -> std::process::ExitCode {
    ROOM.serve()
}

#[cfg(test)]
mod tests {
    use super::{ROOM, RUNS};

    /// There is no version without the bug yet. Once there is, it belongs into the catalogue and the manifest.
    const NOT_FIXED: [&str; 1] = ["futures-locks-0.7"];

    #[test]
    fn all_are_clean() {
        for (exhibit, _) in ROOM.exhibits.iter().filter(|(exhibit, _)| !NOT_FIXED.contains(exhibit)) {
            ROOM.clean(exhibit, RUNS).unwrap_or_else(|report| panic!("{report}"));
        }
    }

    #[test]
    fn what_is_not_fixed_still_fails() {
        for exhibit in NOT_FIXED {
            assert!(ROOM.clean(exhibit, RUNS).is_err(), "{exhibit} is fixed");
        }
    }
}
