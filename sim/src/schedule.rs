//! Schedules: what a person keeps of a run.
//!
//! Always true: a schedule and the code under test determine the run, wherever and whenever it is repeated.

use crate::{DecisionKey, Domain, Estimates, Seed, StrategySpec, TaskPath};

/// One decision that differs from the quiet run.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Deviation {
    /// The task that the decision is about.
    pub task: TaskPath,
    /// The task's resumption: 0 is its first.
    pub resume: u32,
    /// The kind of choice.
    pub domain: Domain,
    /// The how-many-th choice of this domain within the resumption, from 0 (always 0 for [`Domain::Schedule`]).
    pub index: u32,
    /// What was decided, never 0. [`Domain::Schedule`]: the resumption runs after `value - 1` other steps instead of
    /// in its turn. [`Domain::Select`]: the branch that is polled first. [`Domain::Network`] and [`Domain::Fault`]: what the
    /// world makes of it, more the greater it is.
    pub value: u32,
}

impl Deviation {
    /// The key of the decision.
    #[must_use]
    pub fn key(&self) -> DecisionKey {
        DecisionKey::from_parts(self.domain, self.task.key().0, self.resume, self.index)
    }
}

/// How to make every decision of a run, as a value that can be printed, stored, replayed and shrunk.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Schedule {
    /// Found by exploring: all follows from the seed, the strategy and what that was told.
    Seeded {
        /// The run's seed.
        seed: Seed,
        /// The strategy that chose among ready tasks, with its parameters.
        strategy: StrategySpec,
        /// What the strategy was told of the run beforehand.
        estimates: Estimates,
    },
    /// The quiet run, but for these decisions.
    Deviations {
        /// The seed of the random numbers that the code under test draws.
        randomness: Seed,
        /// What differs from the quiet run; no two have the same key.
        deviations: Vec<Deviation>,
    },
}

impl Schedule {
    /// The run with this seed under a strategy that was told nothing.
    #[must_use]
    pub fn seeded(seed: Seed, strategy: StrategySpec) -> Self {
        Self::Seeded { seed, strategy, estimates: Estimates::default() }
    }

    /// The quiet run: first in, first out, no faults.
    #[must_use]
    pub fn baseline() -> Self {
        Self::Deviations { randomness: Seed(0), deviations: Vec::new() }
    }

    /// Whether time may pass under it while a task is ready.
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

    /// The deviations from the quiet run; `None` where a strategy decides.
    #[must_use]
    pub fn deviations(&self) -> Option<&[Deviation]> {
        match self {
            Self::Seeded { .. } => None,
            Self::Deviations { deviations, .. } => Some(deviations),
        }
    }
}
