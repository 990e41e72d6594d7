//! Trying candidates: does this smaller schedule still fail in the same way?
//!
//! Always true: a candidate is run once at most, however often it is asked about; runs, and steps while searching, are
//! bounded by numbers that are the same everywhere, and only a shrink that is slow indeed is ended by time.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::runner::Runner;
use crate::stopwatch::Stopwatch;
use crate::{Detail, Deviation, Domain, Ended, FailureKind, Fingerprint, Limits, Record, Schedule, Seed};

/// The quiet run but for some deviations: a schedule that may or may not fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) randomness: Seed,
    pub(crate) deviations: Vec<Deviation>,
}

impl Candidate {
    pub(crate) fn schedule(&self) -> Schedule {
        Schedule::Deviations { randomness: self.randomness, deviations: self.deviations.clone() }
    }

    /// Less is better: first in the number of deviations, then in whether randomness matters, then in their values.
    pub(crate) fn size(&self) -> (usize, bool, u64) {
        let values = self.deviations.iter().map(|deviation| u64::from(deviation.value)).sum();
        (self.deviations.len(), self.randomness != Seed(0), values)
    }

    pub(crate) fn with(&self, deviations: Vec<Deviation>) -> Self {
        Self { randomness: self.randomness, deviations }
    }
}

/// What came of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    pub(crate) trace_hash: u64,
}

/// How a candidate ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As the run to be shrunk did.
    Fails,
    FailsOtherwise(FailureKind),
    Passes,
}

impl Outcome {
    pub(crate) fn fails(self) -> bool {
        self.verdict == Verdict::Fails
    }
}

/// Runs candidates.
pub(crate) struct Trial<'a> {
    runner: Runner<'a>,
    target: Fingerprint,
    runs_max: u64,
    /// `None` where only runs and steps are bounded.
    time_max: Option<Duration>,
    clock: Stopwatch,
    runs: u64,
    /// Whether time may pass while a task is ready.
    pub(crate) stalls: bool,
    /// Whether the search for something smaller goes on, and the steps that it has taken in all.
    pub(crate) searching: bool,
    search_steps: u64,
    /// The bound that first kept a candidate from being tried.
    ended_by: Option<Exhausted>,
    /// What has been tried: by randomness and deviations in the order of their keys.
    tried: BTreeMap<(Seed, Vec<Deviation>), Outcome>,
    progress: &'a dyn Fn(u64),
}

impl<'a> Trial<'a> {
    pub(crate) fn new(
        runner: Runner<'a>,
        target: Fingerprint,
        budget: Budget,
        progress: &'a dyn Fn(u64),
    ) -> Self {
        let Budget { runs_max, time_max, stalls } = budget;
        Self {
            runner,
            target,
            runs_max,
            time_max,
            clock: Stopwatch::start(),
            runs: 0,
            stalls,
            searching: false,
            search_steps: 0,
            ended_by: None,
            tried: BTreeMap::new(),
            progress,
        }
    }

    /// Whether the candidate fails as the run to be shrunk did. Without budget nothing fails any more.
    pub(crate) fn fails(&mut self, candidate: &Candidate) -> bool {
        self.probe(candidate).is_some_and(Outcome::fails)
    }

    /// What comes of the candidate; `None` when the budget is spent.
    pub(crate) fn probe(&mut self, candidate: &Candidate) -> Option<Outcome> {
        let mut sorted = candidate.deviations.clone();
        sorted.sort_unstable();
        let key = (candidate.randomness, sorted);
        if let Some(known) = self.tried.get(&key) {
            return Some(*known);
        }
        if let Some(bound) = self.exhausted() {
            self.ended_by.get_or_insert(bound);
            return None;
        }
        let ended = self.run(candidate, Detail::Lean);
        let outcome = self.outcome(&ended);
        self.tried.insert(key, outcome);
        Some(outcome)
    }

    /// The record of a candidate's run, if it is short enough to have one; costs a run, whatever the budget.
    pub(crate) fn record(&mut self, candidate: &Candidate) -> Option<Box<Record>> {
        self.run(candidate, Detail::Record).record
    }

    /// What comes of the candidate, and its record, if it is short enough to have one; costs a run, whatever the budget.
    pub(crate) fn recorded(&mut self, candidate: &Candidate) -> Option<(Outcome, Box<Record>)> {
        let ended = self.run(candidate, Detail::Record);
        Some((self.outcome(&ended), ended.record?))
    }

    /// What was sought has been found or given up: so many more runs may be made for something else.
    pub(crate) fn allow(&mut self, runs: u64, time: Duration) {
        self.runs_max = self.runs + runs;
        self.time_max = self.time_max.map(|_| self.clock.elapsed() + time);
        self.searching = true;
        self.search_steps = 0;
    }

    fn run(&mut self, candidate: &Candidate, detail: Detail) -> Ended {
        self.runs += 1;
        (self.progress)(self.runs);
        let ended = self.runner.run(&candidate.schedule(), detail);
        if self.searching {
            self.search_steps += ended.steps;
        }
        ended
    }

    fn outcome(&self, ended: &Ended) -> Outcome {
        let verdict = match &ended.failure {
            None => Verdict::Passes,
            Some(failure) if failure.fingerprint() == self.target => Verdict::Fails,
            Some(failure) => Verdict::FailsOtherwise(failure.kind),
        };
        Outcome { verdict, trace_hash: ended.trace_hash }
    }

    pub(crate) fn runs(&self) -> u64 {
        self.runs
    }

    /// The bound that kept a candidate from being tried, if one did.
    pub(crate) fn ended_by(&self) -> Option<Exhausted> {
        self.ended_by
    }

    fn exhausted(&self) -> Option<Exhausted> {
        if self.runs >= self.runs_max {
            Some(Exhausted::Runs)
        } else if self.searching && self.search_steps >= SEARCH_STEPS_MAX {
            Some(Exhausted::Steps)
        } else if self.time_max.is_some_and(|time| self.clock.elapsed() > time) {
            Some(Exhausted::Time)
        } else {
            None
        }
    }
}

/// Steps that searching may take: of long runs fewer are tried, so that no one waits long for what is not sure to come.
const SEARCH_STEPS_MAX: u64 = 5_000_000;

/// How far shrinking goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    pub(crate) runs_max: u64,
    pub(crate) time_max: Option<Duration>,
    /// Whether it may let time pass while a task is ready.
    pub(crate) stalls: bool,
}

/// Which bound ended the shrinking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exhausted {
    /// The number of runs, which [`Config::shrink_runs`](crate::Config::shrink_runs) sets.
    Runs,
    /// The number of steps.
    Steps,
    /// Real time.
    Time,
}

/// Bounds for candidates: as those of the test, but a candidate that goes on for far longer than the run that failed is
/// given up, unless going on is the failure.
pub(crate) fn tightened(limits: &Limits, failed: &Ended) -> Limits {
    let mut limits = limits.clone();
    if failed.failure.as_ref().is_some_and(|failure| failure.kind != FailureKind::StepLimit) {
        limits.max_steps = limits.max_steps.min(failed.steps.saturating_mul(4).saturating_add(10_000));
    }
    limits
}

/// A deviation that makes one resumption run after `value - 1` other steps.
pub(crate) fn moved(record: &Record, arrival: usize, value: u32) -> Deviation {
    let arrival = record.arrivals[arrival];
    let task = record.tasks[arrival.task as usize].label.path.clone();
    Deviation { task, resume: arrival.resume, domain: Domain::Schedule, index: 0, value }
}
