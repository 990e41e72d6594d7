//! Runs a simulation under a schedule, and tells the watchdog what is being run.
//!
//! Always true: nothing is printed while a run is quiet; what a run is called reaches no decision.

use std::sync::Arc;

use crate::watchdog::{self, Origin, Subject};
use crate::{Detail, Ended, Limits, Request, Schedule, Seed, Simulation, StrategySpec, TestName};

/// A simulation with all that its runs have in common.
#[derive(Clone)]
pub(crate) struct Runner<'a> {
    pub(crate) simulation: &'a dyn Simulation,
    pub(crate) limits: &'a Limits,
    pub(crate) test: &'a TestName,
    /// What a person should be told should a run get stuck.
    pub(crate) note: Option<Arc<str>>,
}

impl Runner<'_> {
    /// Says that this thread will [`explore`](Self::explore) under `strategy` next.
    pub(crate) fn begin_exploring(&self, strategy: StrategySpec) {
        self.tell(Origin::Seeded(strategy));
    }

    /// One lean run from a seed.
    pub(crate) fn explore(&self, seed: Seed, strategy: StrategySpec) -> Ended {
        watchdog::set_seed(seed);
        let source = strategy.source(seed);
        self.simulation.run(Request {
            source,
            limits: self.limits,
            detail: Detail::Lean,
            explain_from: 0,
            loud: false,
        })
    }

    /// One quiet run of a schedule.
    pub(crate) fn run(&self, schedule: &Schedule, detail: Detail) -> Ended {
        self.request(schedule, detail, 0, false)
    }

    /// Makes one run with all that a report needs; it is known to take this many steps.
    pub(crate) fn run_explained(&self, schedule: &Schedule, steps: u64) -> Ended {
        /// How many steps at the end are told with their places: more than a report shows.
        const LAST_STEPS: u64 = 2_000;
        self.request(schedule, Detail::Explain, steps.saturating_sub(LAST_STEPS), false)
    }

    /// One run of a schedule in which a panic prints what it usually does.
    pub(crate) fn run_loud(&self, schedule: &Schedule) -> Ended {
        self.request(schedule, Detail::Explain, 0, true)
    }

    fn request(&self, schedule: &Schedule, detail: Detail, explain_from: u64, loud: bool) -> Ended {
        self.tell(Origin::Stored(schedule.clone()));
        self.simulation.run(Request {
            source: schedule.source(),
            limits: self.limits,
            detail,
            explain_from,
            loud,
        })
    }

    fn tell(&self, origin: Origin) {
        watchdog::set_subject(Subject { test: self.test.clone(), origin, note: self.note.clone() });
    }
}
