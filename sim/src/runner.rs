//! Runs a simulation under a schedule or a seed, and sets the subject for the watchdog's message.
//!
//! # Invariants
//! Only [`Runner::run_loud`] prints. The subject affects no decision.

use std::sync::Arc;

use crate::profile::SeedContext;
use crate::watchdog::{self, Origin, Subject};
use crate::{
    AnySource, Detail, Ended, Limits, Profile, Request, Schedule, Scratch, Seed, Simulation, TestName,
};

/// A simulation with the settings that all its runs share.
#[derive(Clone)]
pub(crate) struct Runner<'a> {
    pub(crate) simulation: &'a dyn Simulation,
    pub(crate) limits: &'a Limits,
    pub(crate) test: &'a TestName,
    /// A note for the watchdog's message, if a run gets stuck.
    pub(crate) note: Option<Arc<str>>,
}

/// Makes the runs of seeds, one after another, on one thread.
pub(crate) struct Worker<'a> {
    runner: &'a Runner<'a>,
    context: &'a SeedContext,
    scratch: Scratch,
}

impl Worker<'_> {
    /// Makes a run from a seed.
    #[inline]
    pub(crate) fn run(&self, seed: Seed, detail: Detail) -> Ended {
        watchdog::set_seed(seed);
        let SeedContext { strategy, profile } = self.context;
        self.runner.make(profile.source_in(&self.scratch, *strategy, seed), detail)
    }
}

impl Runner<'_> {
    /// Makes the baseline run. Returns it with its profile.
    pub(crate) fn baseline(&self, detail: Detail) -> (Ended, Profile) {
        self.set_origin(Origin::Stored(Schedule::baseline()));
        let (source, watched) = Profile::watching();
        let ended = self.make(source, detail);
        (ended, watched.into_profile())
    }

    /// Creates a worker that makes runs of seeds on this thread.
    pub(crate) fn worker<'a>(&'a self, context: &'a SeedContext) -> Worker<'a> {
        self.set_origin(Origin::Seeded(context.clone()));
        Worker { runner: self, context, scratch: Scratch::default() }
    }

    /// Announces that the next runs that this thread will [`make`](Self::make) have no stored form.
    pub(crate) fn begin_searching(&self) {
        self.set_origin(Origin::Unknown);
    }

    /// Makes a run with the decisions of `source`.
    pub(crate) fn make(&self, source: AnySource, detail: Detail) -> Ended {
        self.simulation.run(Request { source, limits: self.limits, detail, explain_from: 0, loud: false })
    }

    /// Makes a run of a schedule, without output.
    pub(crate) fn run(&self, schedule: &Schedule, detail: Detail) -> Ended {
        self.request(schedule, detail, 0, false)
    }

    /// Makes a run with all that a report needs; it is known to take `steps` steps.
    pub(crate) fn run_explained(&self, schedule: &Schedule, steps: u64) -> Ended {
        /// The number of steps at the end whose locations are recorded: more than a report shows.
        const LAST_STEPS: u64 = 2_000;
        self.request(schedule, Detail::Explain, steps.saturating_sub(LAST_STEPS), false)
    }

    /// Makes a run of a schedule in which a panic prints its usual message.
    pub(crate) fn run_loud(&self, schedule: &Schedule) -> Ended {
        self.request(schedule, Detail::Explain, 0, true)
    }

    fn request(&self, schedule: &Schedule, detail: Detail, explain_from: u64, loud: bool) -> Ended {
        self.set_origin(Origin::Stored(schedule.clone()));
        self.simulation.run(Request {
            source: schedule.source(),
            limits: self.limits,
            detail,
            explain_from,
            loud,
        })
    }

    fn set_origin(&self, origin: Origin) {
        watchdog::set_subject(Subject { test: self.test.clone(), origin, note: self.note.clone() });
    }
}
