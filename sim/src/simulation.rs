//! [`Simulation`]: the interface between the harness and whatever it runs. A simulation runs once with a given source
//! of decisions and returns how the run ended.
//!
//! # Invariants
//! - Two runs whose sources make the same decisions have the same trace hash and the same failure.

use crate::{AnySource, Failure, FaultCounts, Fingerprint, Limits, Record};

/// A program that can be run once with a source of decisions.
pub trait Simulation: Sync {
    /// Runs once, taking every decision from `request.source`.
    fn run(&self, request: Request<'_>) -> Ended;
}

/// How much of a run is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Only the trace hash; for exploring.
    #[default]
    Lean,
    /// A [`Record`] of every step and decision; for rewriting and shrinking.
    Record,
    /// As `Record`, plus the source location where each blocked task of a hang waits, where it can be known; for comparing
    /// fingerprints.
    Blocked,
    /// As `Blocked`, plus the source location where each step's task waits; for describing the steps. Slow.
    Located,
    /// As `Located`, for a run that is shown to a reader: the code under test may print more in it.
    Explain,
}

/// A request for one run.
#[derive(Debug)]
pub struct Request<'a> {
    /// The source of decisions.
    pub source: AnySource,
    /// The bounds of the run.
    pub limits: &'a Limits,
    /// How much to record.
    pub detail: Detail,
    /// From [`Detail::Blocked`] on, the step from which source locations are looked up; those of the first few thousand steps are
    /// always looked up. The report of a long run shows its beginning and its end.
    pub explain_from: u64,
    /// Whether a panic prints its usual message to standard error. If not, nothing is printed.
    pub loud: bool,
}

/// How a run ended.
#[derive(Debug, Default)]
pub struct Ended {
    /// The failure; `None` if the run passed.
    pub failure: Option<Box<Failure>>,
    /// The rolling hash of every step's task and virtual time and of every choice.
    pub trace_hash: u64,
    /// The trace hash, mixed with the place of every decision: runs with the same hash have made the same decisions. The trace
    /// hash lacks preemptions after which the task continues at once, or not at all, and which transfer of a step was short.
    pub decisions_hash: u64,
    /// The number of steps.
    pub steps: u64,
    /// The number of operations on locks, channels and the like, in resumptions with more than
    /// [`Limits::OPERATIONS_PER_POLL`] of them.
    pub operations: u64,
    /// The virtual time that passed, in nanoseconds.
    pub elapsed_ns: u64,
    /// The record; `None` for [`Detail::Lean`].
    pub record: Option<Box<Record>>,
    /// The number of stored deviations that the run did not reach.
    pub unapplied: usize,
    /// The faults of the run's fault plans.
    pub faults: FaultCounts,
    /// The longest virtual time for which a stored deviation held a ready task back, in nanoseconds.
    pub held_ns: u64,
    /// Whether the code under test drew random numbers. The trace hash does not include them.
    pub draws: bool,
}

impl Ended {
    /// Returns what the run counts against budgets of steps.
    pub(crate) fn cost(&self) -> u64 {
        self.steps + self.operations
    }

    /// Returns the [fingerprint](Failure::fingerprint) of the failure; `None` if the run passed.
    pub(crate) fn fingerprint(&self) -> Option<Fingerprint> {
        self.failure.as_ref().map(|failure| failure.fingerprint())
    }

    /// Returns the [lean fingerprint](Failure::lean_fingerprint) of the failure; `None` if the run passed.
    pub(crate) fn lean_fingerprint(&self) -> Option<Fingerprint> {
        self.failure.as_ref().map(|failure| failure.lean_fingerprint())
    }

    /// Returns whether both runs took the same steps and ended in the same way.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.trace_hash == other.trace_hash && self.lean_fingerprint() == other.lean_fingerprint()
    }
}
