//! Runs a simulation under a schedule, and tells the watchdog what is being run.
//!
//! Always true: nothing is printed while a run is quiet; what a run is called reaches no decision.

use std::sync::Arc;

use crate::profile::SeedContext;
use crate::watchdog::{self, Origin, Subject};
use crate::{
    AnySource, Detail, Ended, Limits, Profile, Request, Schedule, Scratch, Seed, Simulation, TestName,
};

/// A simulation with all that its runs have in common.
#[derive(Clone)]
pub(crate) struct Runner<'a> {
    pub(crate) simulation: &'a dyn Simulation,
    pub(crate) limits: &'a Limits,
    pub(crate) test: &'a TestName,
    /// What a person should be told should a run get stuck.
    pub(crate) note: Option<Arc<str>>,
}

/// Makes the runs of seeds, one after another on one thread.
pub(crate) struct Worker<'a> {
    runner: &'a Runner<'a>,
    context: &'a SeedContext,
    scratch: Scratch,
}

impl Worker<'_> {
    /// Makes one lean run from a seed.
    #[inline]
    pub(crate) fn run(&self, seed: Seed) -> Ended {
        watchdog::set_seed(seed);
        let SeedContext { strategy, profile } = self.context;
        self.runner.make(profile.source_in(&self.scratch, *strategy, seed), Detail::Lean)
    }
}

impl Runner<'_> {
    /// The quiet run, which every other is compared with, and what it was like.
    pub(crate) fn baseline(&self) -> (Ended, Profile) {
        self.tell(Origin::Stored(Schedule::baseline()));
        let (source, watched) = Profile::watching();
        let ended = self.make(source, Detail::Lean);
        (ended, watched.into_profile())
    }

    /// Begins making runs of seeds on this thread.
    pub(crate) fn worker<'a>(&'a self, context: &'a SeedContext) -> Worker<'a> {
        self.tell(Origin::Seeded(context.clone()));
        Worker { runner: self, context, scratch: Scratch::default() }
    }

    /// Says that this thread will [`make`](Self::make) runs next that have no written form.
    pub(crate) fn begin_searching(&self) {
        self.tell(Origin::Unknown);
    }

    /// One run with the decisions of `source`.
    pub(crate) fn make(&self, source: AnySource, detail: Detail) -> Ended {
        self.simulation.run(Request { source, limits: self.limits, detail, explain_from: 0, loud: false })
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
