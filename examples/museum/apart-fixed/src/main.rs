//! The exhibit whose pinned version cannot share a lockfile with the others, in the version without the bug.

#[path = "../../apart/src/event_listener_2.rs"]
mod event_listener_2;
#[path = "../../src/exhibit_set.rs"]
mod exhibit_set;

use exhibit_set::{ExhibitSet, RUNS, SHRINK_RUNS};

const EXHIBIT_SET: ExhibitSet = ExhibitSet {
    exhibits: &[("event-listener-2", || Box::pin(event_listener_2::scenario()))],
    runs: RUNS,
    shrink_runs: SHRINK_RUNS,
};

fn main() -> std::process::ExitCode {
    EXHIBIT_SET.serve()
}

#[cfg(test)]
mod tests {
    use super::{EXHIBIT_SET, RUNS};

    #[test]
    fn is_clean() {
        EXHIBIT_SET.clean("event-listener-2", RUNS).unwrap_or_else(|report| panic!("{report}"));
    }
}
