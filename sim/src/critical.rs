//! What a failure hangs on, for people: the one order, or the one choice, without which the test would pass.
//!
//! Always true: both ways have been run twice, and each went the same way both times.

use crate::runner::Runner;
use crate::shrink::{CriticalPair, Differs, Pair};
use crate::{
    Access, Deviation, Ended, FailureKind, Fingerprint, Performed, Record, ResourceRecord, Schedule, Seed,
    Site, TaskLabel, WorldEffect,
};

/// What a failure hangs on: two schedules that differ in one thing, of which one fails and the other does not.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Critical {
    /// What they differ in.
    pub decision: CriticalDecision,
    /// The schedule that fails as the one reported: that one itself, or one very near to it.
    pub fails: Schedule,
    /// The same with the other decision.
    pub other: Schedule,
    /// How [`other`](Self::other) fails; `None` if it passes.
    pub otherwise: Option<FailureKind>,
    /// The token of [`other`](Self::other), which shows the way that goes well.
    pub other_token: String,
}

/// The one thing in which two schedules differ.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CriticalDecision {
    /// Which of two steps goes first.
    Order {
        /// The step that goes first in the schedule that fails.
        first: Box<CriticalStep>,
        /// The one that goes first in the other.
        second: Box<CriticalStep>,
        /// What both touch, where that is known.
        resource: Option<ResourceRecord>,
    },
    /// A choice that one of the schedules makes otherwise than the quiet run does.
    Choice {
        /// The task that chooses.
        task: CriticalStep,
        /// The choice.
        deviation: Deviation,
        /// Whether the schedule that fails is the one that makes it.
        fails_with: bool,
    },
    /// Something that happens around the tasks in one of the schedules, and not in the other.
    World {
        /// What happens.
        effect: WorldEffect,
        /// The decision.
        deviation: Deviation,
        /// Whether the schedule that fails is the one in which it happens.
        fails_with: bool,
    },
    /// The random numbers that the code under test draws.
    Randomness {
        /// The seed of those with which it fails.
        fails: Seed,
        /// The seed of those with which it does not.
        other: Seed,
    },
}

/// One of two steps whose order matters.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CriticalStep {
    /// The task.
    pub task: TaskLabel,
    /// Which step of the failing run, from 1; `None` if that run ends before it.
    pub step: Option<u64>,
    /// Virtual time of the step, nanoseconds since the run's start.
    pub at_ns: u64,
    /// Whether this is the task's first step.
    pub starts: bool,
    /// Where the task resumes, where that is known.
    pub resumes_at: Option<Site>,
    /// What the task does to the resource, and where.
    pub operation: Option<(Access, Option<Site>)>,
}

/// Runs both ways of `pair` once more and says what they differ in; `shrunk` is the failing run that is reported.
pub(crate) fn explain(
    runner: &Runner<'_>,
    pair: &CriticalPair,
    fingerprint: Fingerprint,
    (shrunk, record, steps): (&Schedule, &Record, u64),
) -> Option<Critical> {
    let (fails, other) = (pair.fails.schedule(), pair.other.schedule());
    let explained = |schedule: &Schedule| runner.run_explained(schedule, steps);
    let again = (fails != *shrunk).then(|| explained(&fails));
    let failing = match &again {
        None => record,
        Some(ended) if print(ended) == Some(fingerprint) => ended.record.as_deref()?,
        Some(_) => return None,
    };
    let ended = explained(&other);
    if ended.failure.as_ref().map(|failure| failure.kind) != pair.otherwise
        || print(&ended) == Some(fingerprint)
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

fn print(ended: &Ended) -> Option<Fingerprint> {
    ended.failure.as_ref().map(|failure| failure.fingerprint())
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
        // Where the code does not say so itself, it is where it resumes to do it.
        let done = |performed: &Performed, step: &CriticalStep| {
            Some((performed.operation.access, performed.site.clone().or_else(|| step.resumes_at.clone())))
        };
        (first.operation, second.operation) = (done(one, &first), done(two, &second));
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
        None => kept_waiting(record, arrival),
    };
    Some(CriticalDecision::Choice { task, deviation: deviation.clone(), fails_with })
}

/// Of a task that is ready and does not run before the end.
fn kept_waiting(record: &Record, arrival: usize) -> CriticalStep {
    let arrival = record.arrivals[arrival];
    // Where it waited before it became ready, or gave way.
    let last =
        (0..record.steps.len()).rfind(|&step| record.arrival_of(&record.steps[step]).task == arrival.task);
    CriticalStep {
        task: record.tasks[arrival.task as usize].label.clone(),
        step: None,
        at_ns: record.steps.last().map_or(0, |step| step.at_ns),
        starts: arrival.resume == 0 && arrival.operation.is_none(),
        resumes_at: last.and_then(|last| record.steps[last].waits_at.clone()),
        operation: None,
    }
}

fn step(record: &Record, number: usize) -> Option<CriticalStep> {
    let step = record.steps.get(number)?;
    let arrival = record.arrival_of(step);
    Some(CriticalStep {
        task: record.task_of(step).label.clone(),
        step: Some(number as u64 + 1),
        at_ns: step.at_ns,
        starts: arrival.resume == 0 && arrival.operation.is_none(),
        resumes_at: record.resumes_at(number).cloned(),
        operation: None,
    })
}
