//! The exhibits in the versions without the bugs.

#[path = "../../src/exhibit_set.rs"]
mod exhibit_set;
#[path = "../../src/scenarios/mod.rs"]
mod scenarios;

use exhibit_set::{ExhibitSet, RUNS, SHRINK_RUNS};

const EXHIBIT_SET: ExhibitSet = ExhibitSet { exhibits: scenarios::ALL, runs: RUNS, shrink_runs: SHRINK_RUNS };

fn main() -> std::process::ExitCode {
    EXHIBIT_SET.serve()
}

#[cfg(test)]
mod tests {
    use super::{EXHIBIT_SET, RUNS};

    /// There is no version without the bug yet. Once there is, add it to the catalogue and the manifest.
    const NOT_FIXED: [&str; 1] = ["futures-locks-0.7"];

    #[test]
    fn all_are_clean() {
        for (exhibit, _) in EXHIBIT_SET.exhibits.iter().filter(|(exhibit, _)| !NOT_FIXED.contains(exhibit)) {
            EXHIBIT_SET.clean(exhibit, RUNS).unwrap_or_else(|report| panic!("{report}"));
        }
    }

    #[test]
    fn an_unfixed_bug_still_fails() {
        for exhibit in NOT_FIXED {
            assert!(EXHIBIT_SET.clean(exhibit, RUNS).is_err(), "{exhibit} is fixed");
        }
    }
}
