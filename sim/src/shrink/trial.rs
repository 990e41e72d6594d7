//! [`Trial`]: runs candidates, to see whether they still fail in the same way.
//!
//! # Invariants
//! [`Trial::probe`] runs each candidate at most once, or twice if it hangs. Runs and steps have bounds, which do not depend on
//! the machine. No candidate is tried any more once two runs have shown that the code is not deterministic.

use std::collections::BTreeMap;

use crate::runner::Runner;
use crate::{Detail, Deviation, Domain, Ended, Failure, FailureKind, Limits, Record, Schedule, Seed};

/// A schedule to try: deviations from the baseline run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) randomness: Seed,
    pub(crate) deviations: Vec<Deviation>,
}

impl Candidate {
    pub(crate) fn schedule(&self) -> Schedule {
        Schedule::Deviations { randomness: self.randomness, deviations: self.deviations.clone() }
    }

    /// Returns the size to minimize: the number of deviations, then whether randomness matters, then the sum of the values.
    pub(crate) fn size(&self) -> (usize, bool, u64) {
        let values = self.deviations.iter().map(|deviation| u64::from(deviation.value)).sum();
        (self.deviations.len(), self.randomness != Seed(0), values)
    }

    pub(crate) fn with(&self, deviations: Vec<Deviation>) -> Self {
        Self { randomness: self.randomness, deviations }
    }
}

/// The outcome of a candidate's run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    pub(crate) trace_hash: u64,
    /// The longest virtual time for which it held a ready task back.
    pub(crate) held_ns: u64,
    /// Whether the code under test drew random numbers.
    pub(crate) draws: bool,
}

/// How a candidate's run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It failed with the fingerprint of the run to shrink.
    Fails,
    FailsOtherwise(FailureKind),
    Passes,
    /// It held a ready task back for longer than any run of the strategy does.
    OutOfReach,
}

impl Outcome {
    pub(crate) fn fails(self) -> bool {
        self.verdict == Verdict::Fails
    }
}

/// Runs candidates within a budget, and remembers their outcomes.
pub(crate) struct Trial<'a> {
    runner: Runner<'a>,
    /// The failure to keep.
    target: &'a Failure,
    runs_max: u64,
    runs: u64,
    /// A candidate counts only if it holds ready tasks back for less virtual time than this.
    pub(crate) held_ns_max: u64,
    /// The total [cost](Ended::cost) of the runs.
    steps: u64,
    /// The largest number of steps, beyond which no further run is begun.
    steps_max: u64,
    /// Whether a search for a smaller schedule is in progress, which has a bound on steps of its own.
    pub(crate) searching: bool,
    /// The total number of steps of such searches.
    search_steps: u64,
    /// The first bound that prevented a trial.
    ended_by: Option<StopReason>,
    /// The outcomes by randomness and sorted deviations.
    tried: BTreeMap<(Seed, Vec<Deviation>), Outcome>,
    progress: &'a dyn Fn(u64),
}

impl<'a> Trial<'a> {
    pub(crate) fn new(
        runner: Runner<'a>,
        target: &'a Failure,
        runs_max: u64,
        progress: &'a dyn Fn(u64),
    ) -> Self {
        Self {
            runner,
            target,
            runs_max,
            runs: 0,
            held_ns_max: u64::MAX,
            steps: 0,
            steps_max: STEPS_MAX,
            searching: false,
            search_steps: 0,
            ended_by: None,
            tried: BTreeMap::new(),
            progress,
        }
    }

    /// Returns whether the candidate fails as the run to shrink did; false if the budget is used up.
    pub(crate) fn fails(&mut self, candidate: &Candidate) -> bool {
        self.probe(candidate).is_some_and(Outcome::fails)
    }

    /// Returns the outcome of the candidate; `None` if the budget is used up.
    pub(crate) fn probe(&mut self, candidate: &Candidate) -> Option<Outcome> {
        let mut sorted = candidate.deviations.clone();
        sorted.sort_unstable();
        let key = (candidate.randomness, sorted);
        if let Some(known) = self.tried.get(&key) {
            return Some(*known);
        }
        if let Some(bound) = self.stop_reason() {
            self.ended_by.get_or_insert(bound);
            return None;
        }
        if self.runner.outcomes().differ() {
            return None;
        }
        let ended = self.run(candidate, Detail::Lean);
        let outcome = self.outcome(candidate, &ended);
        self.tried.insert(key, outcome);
        Some(outcome)
    }

    /// Returns the record of the candidate's run, if it is short enough to have one. It makes a run, even beyond the budget.
    pub(crate) fn record(&mut self, candidate: &Candidate) -> Option<Box<Record>> {
        self.run(candidate, Detail::Record).record
    }

    /// Returns the outcome of the candidate and its record, if it is short enough to have one. It makes a run, even beyond
    /// the budget.
    pub(crate) fn recorded(&mut self, candidate: &Candidate) -> Option<(Outcome, Box<Record>)> {
        let ended = self.run(candidate, Detail::Record);
        Some((self.outcome(candidate, &ended), ended.record?))
    }

    /// Sets a new budget, for another search.
    pub(crate) fn renew_budget(&mut self, runs: u64, steps: u64) {
        self.runs_max = self.runs + runs;
        self.steps_max = self.steps + steps;
    }

    fn run(&mut self, candidate: &Candidate, detail: Detail) -> Ended {
        self.runs += 1;
        (self.progress)(self.runs);
        let ended = self.runner.run(&candidate.schedule(), detail);
        self.count_steps(ended.cost());
        ended
    }

    fn outcome(&mut self, candidate: &Candidate, ended: &Ended) -> Outcome {
        let verdict = match &ended.failure {
            _ if ended.held_ns > 0 && ended.held_ns >= self.held_ns_max => Verdict::OutOfReach,
            None => Verdict::Passes,
            Some(failure) if self.is_target(candidate, ended, failure) => Verdict::Fails,
            Some(failure) => Verdict::FailsOtherwise(failure.kind),
        };
        Outcome { verdict, trace_hash: ended.trace_hash, held_ns: ended.held_ns, draws: ended.draws }
    }

    /// Returns whether a run failed as the one to shrink did.
    fn is_target(&mut self, candidate: &Candidate, ended: &Ended, failure: &Failure) -> bool {
        if failure.lean_fingerprint() != self.target.lean_fingerprint() {
            return false;
        }
        let (fingerprint, has_run) = self.runner.fingerprint(ended, || candidate.schedule());
        if has_run {
            self.count_steps(EXAMINED_COST * ended.cost());
        }
        fingerprint == Some(self.target.fingerprint())
    }

    fn count_steps(&mut self, steps: u64) {
        self.steps += steps;
        if self.searching {
            self.search_steps += steps;
        }
    }

    pub(crate) fn runs(&self) -> u64 {
        self.runs
    }

    /// Returns the first bound that prevented a trial, if any.
    pub(crate) fn ended_by(&self) -> Option<StopReason> {
        self.ended_by
    }

    fn stop_reason(&self) -> Option<StopReason> {
        if self.runs >= self.runs_max {
            Some(StopReason::Runs)
        } else if self.steps >= self.steps_max || (self.searching && self.search_steps >= SEARCH_STEPS_MAX) {
            Some(StopReason::Steps)
        } else {
            None
        }
    }
}

/// How many lean runs cost as much as one that finds out where blocked tasks wait.
const EXAMINED_COST: u64 = 10;

/// The largest number of steps of shrinking, so that a test with long runs does not take too long.
const STEPS_MAX: u64 = 4_000_000;

/// The largest number of them in the search for a smaller schedule, which may find nothing.
const SEARCH_STEPS_MAX: u64 = 2_000_000;

/// The bound that ended shrinking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The number of runs ([`Config::shrink_runs`](crate::Config::shrink_runs)).
    Runs,
    /// The number of steps.
    Steps,
}

/// Returns the limits for candidates. They are the limits of the test, except that a candidate with far more steps than the
/// failing run is stopped, unless the failure is the step limit.
pub(crate) fn tightened(limits: &Limits, failed: &Ended) -> Limits {
    let mut limits = limits.clone();
    if failed.failure.as_ref().is_some_and(|failure| failure.kind != FailureKind::StepLimit) {
        limits.max_steps = limits.max_steps.min(failed.steps.saturating_mul(4).saturating_add(10_000));
    }
    limits
}

/// Returns the deviation that makes a resumption run after `value - 1` other steps.
pub(crate) fn moved(record: &Record, arrival: usize, value: u32) -> Deviation {
    let arrival = record.arrivals[arrival];
    let task = record.tasks[arrival.task as usize].label.path.clone();
    Deviation { task, resume: arrival.resume, domain: Domain::Schedule, index: 0, value }
}
