//! What the harness asks of a simulation: given a source of decisions, run once and say how it ended.
//!
//! Always true: two runs whose sources decide the same have the same trace hash and the same failure.

use std::time::Duration;

use crate::{AnySource, Failure, Record};

/// Something that can be run once under a source of decisions.
pub trait Simulation: Sync {
    /// Runs once, taking every decision from `request.source`.
    fn run(&self, request: Request<'_>) -> Ended;
}

/// How much of a run is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// The trace hash alone: for exploring.
    #[default]
    Lean,
    /// A [`Record`] of every step and decision: for rewriting and shrinking.
    Record,
    /// As `Record`, and for each step the line of source where the task then waits, where it can be known:
    /// for reporting. Slow.
    Explain,
}

/// One run to be made.
#[derive(Debug)]
pub struct Request<'a> {
    /// Where decisions come from.
    pub source: AnySource,
    /// When to give up.
    pub limits: &'a Limits,
    /// What to keep.
    pub detail: Detail,
    /// Under [`Detail::Explain`], the step from which on places are looked up, besides those of the first few thousand
    /// steps: a long run that has been made before is told by its beginning and its end.
    pub explain_from: u64,
    /// Whether a panic prints its usual message to standard error; else nothing is printed.
    pub loud: bool,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// What failed; `None` when the run passed.
    pub failure: Option<Box<Failure>>,
    /// The rolling hash over every step's task and virtual time and every choice.
    pub trace_hash: u64,
    /// How many steps the run took.
    pub steps: u64,
    /// How much virtual time passed, in nanoseconds.
    pub elapsed_ns: u64,
    /// What was recorded; `None` for [`Detail::Lean`].
    pub record: Option<Box<Record>>,
    /// How many stored deviations the run never came to.
    pub unapplied: usize,
}

/// The bounds of a run. Each failure that comes of one names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Steps a run. Default 2,000,000, which is also as many as can be recorded to be shrunk and told.
    pub max_steps: u64,
    /// Steps at one instant of virtual time, beyond which the run counts as a livelock. Default 100,000.
    pub max_polls_per_instant: u64,
    /// Virtual time a run. Default 100 years.
    pub max_virtual_time: Duration,
    /// Tasks alive at one time. Default, and at most, 16,000,000.
    pub max_tasks: u32,
    /// Real time that one poll may take before the process is stopped; zero switches the watchdog off. Default 10 s.
    pub stuck_after: Duration,
    /// The virtual wall clock at the run's start, as time since the Unix epoch. Default 2026-01-01T00:00:00Z.
    pub epoch: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_steps: 2_000_000,
            max_polls_per_instant: 100_000,
            max_virtual_time: Duration::from_secs(100 * 365 * 24 * 60 * 60),
            max_tasks: 16_000_000,
            stuck_after: Duration::from_secs(10),
            epoch: Duration::from_secs(1_767_225_600),
        }
    }
}
