//! The critical pair of a failure: the one order or choice with which the test fails, and without which it does not.
//!
//! # Invariants
//! - After the search, each of the two schedules has been run another [`CHECKED_RUNS`](check_runs::CHECKED_RUNS) times, with the
//!   same result each time.

pub(crate) mod check_runs;

use crate::confirm;
use crate::runner::Runner;
use crate::shrink::{CriticalPair, Differs, Pair};
use crate::{
    Access, AccessMode, Cancellation, Detail, Deviation, Difference, Failure, FailureKind, Fingerprint,
    Performed, Record, ResourceRecord, Schedule, Seed, Site, StepKind, TaskLabel, WorldEffect,
};

/// Two schedules that differ in one decision. The first fails as reported; the second passes, or fails in another way.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Critical {
    /// The decision in which they differ.
    pub decision: CriticalDecision,
    /// The schedule that fails: the reported one, or one that differs from it in a single deviation.
    pub fails: Schedule,
    /// The same with the other decision.
    pub other: Schedule,
    /// How [`other`](Self::other) fails; `None` if it passes.
    pub otherwise: Option<FailureKind>,
    /// The token of [`other`](Self::other), to replay it for comparison.
    pub other_token: String,
}

/// The decision in which two schedules differ.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CriticalDecision {
    /// The order of two steps.
    Order {
        /// The step that runs first in the schedule that fails.
        first: Box<CriticalStep>,
        /// The step that runs first in the other schedule.
        second: Box<CriticalStep>,
        /// The resource that both access, if known.
        resource: Option<ResourceRecord>,
    },
    /// A choice that one of the schedules makes differently from the baseline run.
    Choice {
        /// The step of the task that chooses.
        task: CriticalStep,
        /// The choice.
        deviation: Deviation,
        /// Whether the failing schedule makes this choice.
        fails_with: bool,
    },
    /// An event of the network, or a fault, that occurs in one of the schedules only.
    World {
        /// The event.
        effect: WorldEffect,
        /// The decision.
        deviation: Deviation,
        /// Whether the event occurs in the failing schedule.
        fails_with: bool,
    },
    /// The random numbers that the code under test draws.
    Randomness {
        /// The seed with which the test fails.
        fails: Seed,
        /// The seed with which it does not.
        other: Seed,
    },
}

impl CriticalDecision {
    /// Returns the numbers of the steps that the decision is about, from 1.
    pub(crate) fn steps(&self) -> impl Iterator<Item = u64> {
        let steps = match self {
            Self::Order { first, second, .. } => [Some(&**first), Some(&**second)],
            Self::Choice { task, .. } => [Some(task), None],
            Self::Randomness { .. } | Self::World { .. } => [None, None],
        };
        steps.into_iter().flatten().filter_map(|step| step.step)
    }
}

/// One of two steps whose order matters.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CriticalStep {
    /// The task.
    pub task: TaskLabel,
    /// The number of the step in the failing run, from 1; `None` if that run ends before it.
    pub step: Option<u64>,
    /// The virtual time of the step, in nanoseconds since the start of the run.
    pub at_ns: u64,
    /// What the step does with the task.
    pub kind: StepKind,
    /// Whether this is the task's first step.
    pub starts: bool,
    /// Where the task resumes, if known.
    pub resumes_at: Option<Site>,
    /// The operation of the task on the resource.
    pub operation: Option<CriticalOperation>,
    /// The futures that the step cancels.
    pub cancellations: Box<[Cancellation]>,
}

/// One of two operations on a resource whose order matters.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CriticalOperation {
    /// The access.
    pub access: Access,
    /// Where it is.
    pub site: Option<Site>,
    /// How the task performs it.
    pub mode: AccessMode,
}

/// Describes how the two schedules of `pair` differ, and checks that their runs repeat; `shrunk` is the failing run that is
/// reported.
///
/// # Errors
/// When runs of one of them differ, which is nondeterminism.
pub(crate) fn explain(
    runner: &Runner<'_>,
    pair: &CriticalPair,
    failure: &Failure,
    shrunk: (&Schedule, &Record, u64),
) -> Result<Option<Critical>, Box<Failure>> {
    let Some(critical) = describe(runner, pair, failure.fingerprint(), shrunk) else { return Ok(None) };
    let fails = runner.run(&critical.fails, Detail::Lean);
    let other = runner.run(&critical.other, Detail::Lean);
    let are_as_before = fails.lean_fingerprint() == Some(failure.lean_fingerprint())
        && other.failure.as_ref().map(|failure| failure.kind) == critical.otherwise;
    if are_as_before && check_runs::repeat(runner, [(&critical.fails, &fails), (&critical.other, &other)]) {
        Ok(Some(critical))
    } else {
        Err(confirm::nondeterminism(Difference::Unknown, Some(failure)))
    }
}

/// Runs both schedules of `pair` once more and describes how they differ.
fn describe(
    runner: &Runner<'_>,
    pair: &CriticalPair,
    fingerprint: Fingerprint,
    (shrunk, record, steps): (&Schedule, &Record, u64),
) -> Option<Critical> {
    let (fails, other) = (pair.fails.schedule(), pair.other.schedule());
    let located = |schedule: &Schedule| runner.run_located(schedule, steps);
    let again = (fails != *shrunk).then(|| located(&fails));
    let failing = match &again {
        None => record,
        Some(ended) if ended.fingerprint() == Some(fingerprint) => ended.record.as_deref()?,
        Some(_) => return None,
    };
    let ended = located(&other);
    if ended.failure.as_ref().map(|failure| failure.kind) != pair.otherwise
        || ended.fingerprint() == Some(fingerprint)
    {
        return None;
    }
    let passing = ended.record.as_deref()?;
    let decision = match &pair.differs {
        Differs::Order(pair) => order(pair, failing, passing)?,
        Differs::Without(deviation) if deviation.key().task().is_none() => world(deviation, failing, true)?,
        Differs::With(deviation) if deviation.key().task().is_none() => world(deviation, passing, false)?,
        Differs::Without(deviation) => choice(deviation, failing, true)?,
        Differs::With(deviation) => choice(deviation, failing, false)?,
        Differs::Randomness => {
            CriticalDecision::Randomness { fails: pair.fails.randomness, other: pair.other.randomness }
        }
    };
    let other_token = other.to_token(runner.test.as_str());
    Some(Critical { decision, fails, other, otherwise: pair.otherwise, other_token })
}

fn order(pair: &Pair, failing: &Record, passing: &Record) -> Option<CriticalDecision> {
    let mut first = step(failing, pair.first)?;
    let (record, number) = match pair.second {
        Some(second) => (failing, second),
        None => (passing, pair.second_in_other),
    };
    let mut second = step(record, number)?;
    if pair.second.is_none() {
        second.step = None;
    }
    let mut resource = None;
    if let Some(race) = pair.race {
        let one = failing.operations_of(pair.first).get(race.first)?;
        let two = record.operations_of(number).get(race.second)?;
        // An operation without a place of its own is at the place where the task resumes.
        let done = |performed: &Performed, mode, step: &CriticalStep| {
            let site = performed.site.clone().or_else(|| step.resumes_at.clone());
            Some(CriticalOperation { access: performed.operation.access, site, mode })
        };
        first.operation = done(one, failing.mode_of(one), &first);
        second.operation = done(two, record.mode_of(two), &second);
        resource = failing.resource(one.operation.resource).cloned();
    }
    Some(CriticalDecision::Order { first: Box::new(first), second: Box::new(second), resource })
}

fn world(deviation: &Deviation, record: &Record, fails_with: bool) -> Option<CriticalDecision> {
    let effect = record.effect_of(deviation)?.effect.clone();
    Some(CriticalDecision::World { effect, deviation: deviation.clone(), fails_with })
}

fn choice(deviation: &Deviation, record: &Record, fails_with: bool) -> Option<CriticalDecision> {
    let arrival = record.arrival_about(deviation)?;
    let task = match record.steps.iter().position(|step| step.arrival as usize == arrival) {
        Some(number) => step(record, number)?,
        None => never_run(record, arrival),
    };
    Some(CriticalDecision::Choice { task, deviation: deviation.clone(), fails_with })
}

/// Describes a task that is ready but does not run before the run ends.
fn never_run(record: &Record, arrival: usize) -> CriticalStep {
    let arrival = record.arrivals[arrival];
    // Where it waited before it became ready or was preempted.
    let last =
        (0..record.steps.len()).rfind(|&step| record.arrival_of(&record.steps[step]).task == arrival.task);
    CriticalStep {
        task: record.tasks[arrival.task as usize].label.clone(),
        step: None,
        at_ns: record.steps.last().map_or(0, |step| step.at_ns),
        kind: StepKind::Polls,
        starts: arrival.resume == 0 && arrival.operation.is_none(),
        resumes_at: last.and_then(|last| record.steps[last].waits_at.clone()),
        operation: None,
        cancellations: Box::default(),
    }
}

fn step(record: &Record, number: usize) -> Option<CriticalStep> {
    let step = record.steps.get(number)?;
    let arrival = record.arrival_of(step);
    Some(CriticalStep {
        task: record.task_of(step).label.clone(),
        step: Some(number as u64 + 1),
        at_ns: step.at_ns,
        kind: record.kind_of(number),
        starts: arrival.resume == 0 && arrival.operation.is_none(),
        resumes_at: record.resumes_at(number).cloned(),
        operation: None,
        cancellations: record.cancellations_of(number).into(),
    })
}
