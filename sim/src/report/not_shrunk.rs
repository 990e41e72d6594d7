//! Why a failing schedule was not shrunk.

use crate::grouped;

/// A real thread took part in the run.
pub(crate) const ESCAPED: &str = "The schedule was not shrunk: something outside of the simulation takes part in the run, so \
                                  the next run may take other steps.";

/// The run could not be rewritten.
pub(crate) const DEFECT: &str = "The schedule was not shrunk: the run could not be rewritten as deviations from FIFO order. \
                                 This is a bug in timeloop or in the simulation; please report it.";

/// Says that a run of `steps` steps is too long to be recorded.
pub(crate) fn too_long(steps: u64, steps_max: u64) -> String {
    format!(
        "The schedule was not shrunk: the run has {} steps, and at most {} are recorded. Lower `max_steps` or make the test \
         smaller.",
        grouped(steps),
        grouped(steps_max)
    )
}
