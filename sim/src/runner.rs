//! Runs a simulation under a schedule or a seed, and sets the subject for the watchdog's message.
//!
//! # Invariants
//! Only [`Runner::run_loud`] prints. The subject affects no decision. All runs are compared except those of a sweep.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[cfg(feature = "processes")]
use crate::fresh_process;
use crate::fresh_thread;
use crate::outcomes::Outcomes;
use crate::profile::SeedContext;
use crate::watchdog::{self, Origin, Subject};
#[cfg(feature = "processes")]
use crate::wire::Wire;
use crate::{
    AnySource, Detail, Ended, Failure, Fingerprint, Limits, Profile, Request, Schedule, Scratch, Seed,
    Simulation, TestName,
};

/// The largest number of steps of a run that is recorded: the record of a longer one would take too much memory.
pub(crate) const RECORDED_STEPS_MAX: u64 = 2_000_000;

/// The largest number of steps of a hang that is compared by the places where its tasks wait while failures are counted.
const COMPARED_STEPS_MAX: u64 = 5_000;

/// The number of steps at the end whose locations are looked up: more than a report shows.
const LAST_STEPS: u64 = 2_000;

/// A simulation with the settings that all its runs share.
#[derive(Clone)]
pub(crate) struct Runner<'a> {
    pub(crate) simulation: &'a dyn Simulation,
    /// Whether each run is made on a thread of its own.
    pub(crate) fresh_threads: bool,
    /// Whether each run is made in a process of its own.
    #[cfg(feature = "processes")]
    pub(crate) fresh_processes: bool,
    pub(crate) limits: &'a Limits,
    pub(crate) test: &'a TestName,
    /// A note for the watchdog's message, if a run gets stuck.
    pub(crate) note: Option<Arc<str>>,
    /// How the runs so far ended.
    pub(crate) outcomes: Arc<Mutex<Outcomes>>,
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

    /// Compares the run of a seed with others. Returns the fingerprint if it failed: that of `reported`, if it failed in the same
    /// way.
    pub(crate) fn compare(&self, seed: Seed, ended: &Ended, reported: &Failure) -> Option<Fingerprint> {
        self.runner.outcomes().add(seed, ended);
        let lean = ended.failure.as_ref()?.lean_fingerprint();
        if lean != reported.lean_fingerprint() {
            return Some(lean);
        }
        if ended.steps > COMPARED_STEPS_MAX {
            return Some(reported.fingerprint());
        }
        let (fingerprint, _) = self.runner.fingerprint(ended, || self.context.schedule(seed));
        self.runner.set_origin(Origin::Seeded(self.context.clone()));
        fingerprint
    }
}

impl Runner<'_> {
    /// Makes the baseline run. Returns it with its profile.
    pub(crate) fn baseline(&self, detail: Detail) -> (Ended, Profile) {
        self.set_origin(Origin::Stored(Schedule::baseline()));
        let (ended, profile) = self.isolated(|| {
            let (source, watched) = Profile::watching();
            let ended = self.start(Request { detail, ..self.lean(source) });
            (ended, watched.into_profile())
        });
        self.outcomes().add(Seed(0), &ended);
        (ended, profile)
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

    #[cfg(not(feature = "processes"))]
    fn isolated<R>(&self, f: impl FnOnce() -> R) -> R {
        f()
    }

    /// Calls `f` in a process of its own, if each run is made in one.
    #[cfg(feature = "processes")]
    fn isolated<R: Wire>(&self, f: impl FnOnce() -> R) -> R {
        if self.fresh_processes { fresh_process::run(f) } else { f() }
    }

    fn start(&self, request: Request<'_>) -> Ended {
        if self.fresh_threads {
            fresh_thread::run(self.simulation, request)
        } else {
            self.simulation.run(request)
        }
    }

    /// Makes a run with the decisions of `source`.
    pub(crate) fn make(&self, source: AnySource, detail: Detail) -> Ended {
        self.isolated(|| self.start(Request { detail, ..self.lean(source) }))
    }

    /// Returns the request for a run without output and without a record.
    fn lean(&self, source: AnySource) -> Request<'_> {
        Request { source, limits: self.limits, detail: Detail::Lean, explain_from: 0, loud: false }
    }

    /// Makes a run of a schedule, without output.
    pub(crate) fn run(&self, schedule: &Schedule, detail: Detail) -> Ended {
        self.request(schedule, detail, 0, false)
    }

    /// Makes a recorded run that ends with the whole fingerprint of `failure`, which needs more than a record if it is a hang.
    pub(crate) fn run_recorded(&self, schedule: &Schedule, failure: Option<&Failure>, steps: u64) -> Ended {
        match failure {
            Some(failure) if failure.is_hang() => self.run_hang(schedule, steps),
            _ => self.run(schedule, Detail::Record),
        }
    }

    /// Makes a run that is known to hang after `steps` steps, and looks up where its tasks wait.
    pub(crate) fn run_hang(&self, schedule: &Schedule, steps: u64) -> Ended {
        self.request(schedule, Detail::Blocked, steps.saturating_sub(LAST_STEPS), false)
    }

    /// Returns the whole fingerprint of a run that failed under `schedule`. For a hang, this takes another run the first time that
    /// its decisions occur, to find out where the tasks wait. Returns whether it has made that run.
    pub(crate) fn fingerprint(
        &self,
        ended: &Ended,
        schedule: impl FnOnce() -> Schedule,
    ) -> (Option<Fingerprint>, bool) {
        let Some(failure) = &ended.failure else { return (None, false) };
        if !failure.is_hang() || ended.steps > RECORDED_STEPS_MAX {
            return (Some(failure.fingerprint()), false);
        }
        let schedule = schedule();
        let known = self.outcomes().hang(schedule.randomness(), ended);
        if let Some(known) = known {
            return (known, false);
        }
        (self.run_hang(&schedule, ended.steps).fingerprint(), true)
    }

    /// Makes a run whose steps can be described; it is known to take about `steps` steps.
    pub(crate) fn run_located(&self, schedule: &Schedule, steps: u64) -> Ended {
        self.request(schedule, Detail::Located, steps.saturating_sub(LAST_STEPS), false)
    }

    /// Makes a run with all that a report needs; it is known to take `steps` steps.
    pub(crate) fn run_explained(&self, schedule: &Schedule, steps: u64) -> Ended {
        self.request(schedule, Detail::Explain, steps.saturating_sub(LAST_STEPS), false)
    }

    /// Makes a run of a schedule in which a panic prints its usual message.
    pub(crate) fn run_loud(&self, schedule: &Schedule) -> Ended {
        self.request(schedule, Detail::Explain, 0, true)
    }

    fn request(&self, schedule: &Schedule, detail: Detail, explain_from: u64, loud: bool) -> Ended {
        self.set_origin(Origin::Stored(schedule.clone()));
        let ended = self
            .isolated(|| self.start(Request { detail, explain_from, loud, ..self.lean(schedule.source()) }));
        let mut outcomes = self.outcomes();
        outcomes.add(schedule.randomness(), &ended);
        if detail >= Detail::Blocked {
            outcomes.examined(schedule.randomness(), &ended);
        }
        drop(outcomes);
        ended
    }

    /// Returns how the runs so far ended.
    pub(crate) fn outcomes(&self) -> MutexGuard<'_, Outcomes> {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_origin(&self, origin: Origin) {
        watchdog::set_subject(Subject { test: self.test.clone(), origin, note: self.note.clone() });
    }
}
