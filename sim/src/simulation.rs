//! [`Simulation`]: the interface between the harness and whatever it runs. A simulation runs once with a given source
//! of decisions and returns how the run ended.
//!
//! # Invariants
//! - Two runs whose sources make the same decisions have the same trace hash and the same failure.

use std::time::Duration;

use crate::{AnySource, Failure, FaultCounts, Fingerprint, Record};

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

/// The bounds of a run. Each failure caused by one names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The maximum number of steps of a run. Default 200,000. A run of at most 2,000,000 steps can be recorded, shrunk and
    /// reported in full.
    pub max_steps: u64,
    /// The maximum number of steps at one instant of virtual time, beyond which the run counts as a livelock. Default
    /// 100,000. It also bounds the operations on locks, channels and the like at one instant: each allowed step allows
    /// [`OPERATIONS_PER_POLL`](Self::OPERATIONS_PER_POLL) of them. If very many tasks are alive, both limits are higher.
    pub max_polls_per_instant: u64,
    /// The maximum virtual time of a run. Default 100 years.
    pub max_virtual_time: Duration,
    /// The maximum number of tasks alive at one time. Default, and at most, 16,000,000.
    pub max_tasks: u32,
    /// How long one poll may run, or be blocked, before the process is aborted; zero switches the watchdog off. Default 10 s.
    ///
    /// On Linux and Android this is the CPU time of the poll's thread plus the real time for which the thread is blocked. The time
    /// for which it waits for a core is not counted, so a busy machine causes no false alarm. On other platforms it is real time.
    pub stuck_after: Duration,
    /// The virtual wall clock at the run's start, as time since the Unix epoch. Default 2026-01-01T00:00:00Z.
    pub epoch: Duration,
}

impl Limits {
    /// How many operations at one instant [`max_polls_per_instant`](Self::max_polls_per_instant) allows for each step.
    pub const OPERATIONS_PER_POLL: u64 = 4;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_steps: 200_000,
            max_polls_per_instant: 100_000,
            max_virtual_time: Duration::from_secs(100 * 365 * 24 * 60 * 60),
            max_tasks: 16_000_000,
            stuck_after: Duration::from_secs(10),
            epoch: Duration::from_secs(1_767_225_600),
        }
    }
}
