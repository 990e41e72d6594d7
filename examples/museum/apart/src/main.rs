//! The exhibit whose pinned version cannot share a lockfile with the others, in the version with the bug.

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
    use super::EXHIBIT_SET;

    #[test]
    fn is_found_and_replays() {
        let finding = EXHIBIT_SET.find("event-listener-2", |_| {}).unwrap();
        assert!(finding.deviations_after <= 6, "{finding:?}");
        assert!(finding.critical.is_some(), "{finding:?}");
        assert_eq!(EXHIBIT_SET.replay("event-listener-2", &finding.token), Ok(finding.replay));
    }
}
