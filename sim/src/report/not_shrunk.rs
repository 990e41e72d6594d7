//! Why a failing schedule was not shrunk.

use crate::grouped;
use crate::shrink::NotShrunk;

/// A real thread took part in the run.
pub(crate) const ESCAPED: &str = "The schedule was not shrunk: something outside of the simulation takes part in the run, so \
                                  the next run may take other steps.";

/// Says why the search for a smaller schedule did not begin.
pub(crate) fn why(why: NotShrunk) -> &'static str {
    match why {
        NotShrunk::NoBudget => {
            "The schedule was not shrunk: `shrink_runs` allows too few runs. Raise it to at least 2."
        }
        NotShrunk::Differs => {
            "The schedule was not shrunk: its deviations from FIFO order alone do not reproduce this run. The token does."
        }
    }
}

/// Says that a run of `steps` steps is too long to be recorded.
pub(crate) fn too_long(steps: u64, steps_max: u64) -> String {
    format!(
        "The schedule was not shrunk: the run has {} steps, and at most {} are recorded. Make the test smaller.",
        grouped(steps),
        grouped(steps_max)
    )
}
