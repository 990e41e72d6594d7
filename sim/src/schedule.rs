//! Schedules: a [`Schedule`] describes a run so that it can be stored and repeated.
//!
//! # Invariants
//! - A schedule and the code under test determine the run, wherever and whenever it is repeated.

use crate::strategy::Reach;
use crate::{DecisionKey, Domain, Estimates, Seed, StrategySpec, TaskPath};

/// One decision that differs from the baseline run.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Deviation {
    /// The task that the decision is about.
    pub task: TaskPath,
    /// The task's resumption: 0 is its first.
    pub resume: u32,
    /// The kind of choice.
    pub domain: Domain,
    /// The index of the choice among those of this domain within the resumption, from 0 (always 0 for
    /// [`Domain::Schedule`]).
    pub index: u32,
    /// The decided value, never 0.
    ///
    /// - [`Domain::Schedule`]: the resumption runs after `value - 1` other steps instead of in FIFO order.
    /// - [`Domain::Select`]: the branch that is polled first.
    /// - [`Domain::Network`] and [`Domain::Fault`]: the greater the value, the more the network or fault differs from
    ///   the baseline.
    /// - [`Domain::Io`]: which part of the bytes is moved, or which latency a lookup has.
    pub value: u32,
}

impl Deviation {
    /// Returns the key of the decision.
    #[must_use]
    pub fn key(&self) -> DecisionKey {
        DecisionKey::from_parts(self.domain, self.task.key().0, self.resume, self.index)
    }
}

/// Which decisions a seed makes. Later versions of timeloop make more of them; a stored seed keeps its version, so that it
/// repeats its run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SeedVersion {
    /// The operations that are counted [apart](crate::Operation::APART) are not preemption points.
    V1,
    /// All decisions of this version of timeloop.
    #[default]
    V2,
}

/// Every decision of a run, as a value that can be printed, stored, replayed and shrunk.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Schedule {
    /// A schedule found by exploring: determined by the seed, the strategy and its estimates.
    Seeded {
        /// The run's seed.
        seed: Seed,
        /// The strategy that chose among ready tasks, with its parameters.
        strategy: StrategySpec,
        /// The strategy's estimates of the run.
        estimates: Estimates,
        /// What the seed means.
        version: SeedVersion,
    },
    /// The baseline run except for these decisions.
    Deviations {
        /// The seed of the random numbers that the code under test draws.
        randomness: Seed,
        /// The deviations from the baseline run; no two have the same key.
        deviations: Vec<Deviation>,
    },
}

impl Schedule {
    /// Creates the schedule of the run with this seed under a strategy without estimates.
    #[must_use]
    pub fn seeded(seed: Seed, strategy: StrategySpec) -> Self {
        let (estimates, version) = (Estimates::default(), SeedVersion::default());
        Self::Seeded { seed, strategy, estimates, version }
    }

    /// Creates the schedule of the baseline run: first in, first out, no faults.
    #[must_use]
    pub fn baseline() -> Self {
        Self::Deviations { randomness: Seed(0), deviations: Vec::new() }
    }

    /// Returns the seed of the random numbers that the code under test draws.
    pub(crate) fn randomness(&self) -> Seed {
        match self {
            Self::Seeded { seed, .. } => *seed,
            Self::Deviations { randomness, .. } => *randomness,
        }
    }

    /// Returns whether virtual time may advance under it while a task is ready.
    #[must_use]
    pub fn stalls(&self) -> bool {
        match self {
            Self::Seeded { strategy: StrategySpec::Stall, .. } => true,
            Self::Seeded { estimates, .. } => estimates.instants > 0,
            Self::Deviations { deviations, .. } => {
                deviations.iter().any(|deviation| deviation.domain == Domain::Stall)
            }
        }
    }

    /// Returns whether reads and writes may be short, and lookups slow, under this schedule.
    #[must_use]
    pub fn varies_io(&self) -> bool {
        match self {
            Self::Seeded { estimates, .. } => estimates.varied_io,
            Self::Deviations { deviations, .. } => {
                deviations.iter().any(|deviation| deviation.domain == Domain::Io)
            }
        }
    }

    /// Returns the decisions that the strategy can make. A schedule without a strategy can only do more of what it does.
    pub(crate) fn reach(&self) -> Reach {
        match self {
            Self::Seeded { strategy, estimates, .. } => {
                strategy.reach(estimates.instants, estimates.stall_ns, estimates.varied_io)
            }
            Self::Deviations { .. } if self.stalls() => Reach::ALL,
            Self::Deviations { .. } => Reach::WITHOUT_STALLS,
        }
    }

    /// Returns the deviations from the baseline run; `None` if a strategy decides.
    #[must_use]
    pub fn deviations(&self) -> Option<&[Deviation]> {
        match self {
            Self::Seeded { .. } => None,
            Self::Deviations { deviations, .. } => Some(deviations),
        }
    }
}
