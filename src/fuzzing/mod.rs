//! Fuzzing schedules: the schedule is part of the fuzzer's input, with its own coverage and mutations.
//!
//! Use [`fuzz_target!`](crate::fuzz_target). libFuzzer then generates an input together with a schedule. It receives
//! coverage of the schedule (the order of tasks' operations on each resource), and mutates decisions one by one. The
//! guide on [fuzzing schedules](crate::guide::fuzzing) leads from an empty folder to a fuzzer that runs in CI.
//!
//! # Invariants
//! Any bytes are a valid run. No bytes are the baseline run of the smallest input. The same bytes are the same run in
//! every process.

mod case;
mod counters;
mod coverage;
mod macros;
mod mutator;
mod raw_bytes;
mod record;
mod target;
#[cfg(test)]
mod tests;

pub use case::Case;
pub(crate) use coverage::with_coverage;
pub(crate) use target::SHRINK_RUNS;

/// Sets whether runs report schedule coverage to the fuzzer. On by default; switch it off to measure what it
/// contributes.
///
/// ```
/// timeloop::fuzzing::schedule_coverage(false);
/// # timeloop::fuzzing::schedule_coverage(true);
/// ```
pub fn schedule_coverage(on: bool) {
    counters::switch(on);
}

/// Functions and types that the macros use. Not part of the interface.
#[doc(hidden)]
pub mod support {
    pub use super::mutator::{Delegate, InputSize, cross_over, mutate};
    pub use super::target::{Target, fuzz, replay};
}
