//! Checks a result by repeating its runs: a report says "checked" only of what [`CHECKED_RUNS`] more runs have shown.

use crate::runner::Runner;
use crate::{Detail, Ended, Schedule};

/// The number of runs of a schedule that have to be alike before it counts as checked.
///
/// If the code tosses a coin of its own, that fails the test with probability `p`, then a schedule fails and another one passes
/// this often with probability `(p * (1 - p)) ^ CHECKED_RUNS`, which is less than one in a million for any `p`.
pub(crate) const CHECKED_RUNS: u32 = 10;

/// Returns whether [`CHECKED_RUNS`] more runs of each schedule repeat the run that comes with it.
///
/// The runs alternate as in the Thue-Morse sequence. Unlike any number of runs of one schedule after the other, or of both in
/// turn, that is not the rhythm of code that counts its runs.
pub(crate) fn repeat(runner: &Runner<'_>, sides: [(&Schedule, &Ended); 2]) -> bool {
    (0..2 * CHECKED_RUNS).all(|number| {
        let (schedule, first) = sides[(number.count_ones() % 2) as usize];
        runner.run(schedule, Detail::Lean).is_like(first)
    })
}

/// Returns whether [`CHECKED_RUNS`] more runs of `schedule` repeat the run `first`.
pub(crate) fn repeats(runner: &Runner<'_>, schedule: &Schedule, first: &Ended) -> bool {
    (0..CHECKED_RUNS).all(|_| runner.run(schedule, Detail::Lean).is_like(first))
}
