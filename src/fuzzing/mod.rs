//! Fuzzing schedules: the schedule as a part of a fuzzer's input, with coverage and mutations of its own.
//!
//! [`fuzz_target!`](crate::fuzz_target) is the way in. libFuzzer then makes up an input and a schedule together, is shown
//! what came of the schedule (which operation of which task followed which, on each resource), and mutates decisions one
//! by one. The guide on [fuzzing schedules](crate::guide::fuzzing) goes from an empty folder to a fuzzer that runs in CI.
//!
//! Always true: any bytes are a valid run; no bytes are the quiet run of the smallest input; the same bytes are the same
//! run, in every process.

mod case;
mod counters;
mod coverage;
mod loose;
mod macros;
mod mutator;
mod record;
mod target;
#[cfg(test)]
mod tests;

pub use case::Case;
pub(crate) use coverage::watched;
pub(crate) use target::SHRINK_RUNS;

/// Whether runs show the fuzzer what came of their schedules: on unless switched off, which is for measuring what it brings.
///
/// ```
/// timeloop::fuzzing::schedule_coverage(false);
/// # timeloop::fuzzing::schedule_coverage(true);
/// ```
pub fn schedule_coverage(on: bool) {
    counters::switch(on);
}

/// What the macros call; not for others.
#[doc(hidden)]
pub mod support {
    pub use super::mutator::{Delegate, InputSize, cross_over, mutate};
    pub use super::target::{Target, fuzz, replay};
}
