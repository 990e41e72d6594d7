//! Runs a simulation under a schedule, and tells the watchdog what is being run.
//!
//! Always true: nothing is printed while a run is quiet; what a run is called reaches no decision.

use std::sync::Arc;

use crate::watchdog::{self, Origin, Subject};
use crate::{
    AnySource, Detail, Ended, Limits, Profile, Request, Schedule, Seed, Simulation, StrategySpec, TestName,
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

/// What seeds mean in one exploration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meaning {
    /// The strategy that was asked for.
    pub(crate) strategy: StrategySpec,
    /// Where it gets its estimates from.
    pub(crate) profile: Arc<Profile>,
}

impl Meaning {
    /// The schedule that a seed stands for.
    pub(crate) fn schedule(&self, seed: Seed) -> Schedule {
        self.profile.schedule(self.strategy, seed)
    }
}

impl Runner<'_> {
    /// The quiet run, which every other is compared with, and what it was like.
    pub(crate) fn quiet(&self) -> (Ended, Profile) {
        self.tell(Origin::Stored(Schedule::quiet()));
        let (source, watched) = Profile::watching();
        let ended = self.lean(source);
        (ended, watched.into_profile())
    }

    /// Says that this thread will [`explore`](Self::explore) next.
    pub(crate) fn begin_exploring(&self, meaning: &Meaning) {
        self.tell(Origin::Seeded(meaning.clone()));
    }

    /// One lean run from a seed.
    #[inline]
    pub(crate) fn explore(&self, seed: Seed, meaning: &Meaning) -> Ended {
        watchdog::set_seed(seed);
        self.lean(meaning.profile.source(meaning.strategy, seed))
    }

    /// Says that this thread will [`make`](Self::make) runs next that have no written form.
    pub(crate) fn begin_searching(&self) {
        self.tell(Origin::Unknown);
    }

    /// One run with the decisions of `source`.
    pub(crate) fn make(&self, source: AnySource, detail: Detail) -> Ended {
        self.simulation.run(Request { source, limits: self.limits, detail, explain_from: 0, loud: false })
    }

    fn lean(&self, source: AnySource) -> Ended {
        self.make(source, Detail::Lean)
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
