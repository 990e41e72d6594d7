//! Confirms a failure: two more runs of its schedule have to repeat it, step by step.
//!
//! # Invariants
//! A confirmed failure can be replayed. Any other is reported as nondeterminism, with the first step that differs.

use crate::profile::SeedContext;
use crate::runner::{RECORDED_STEPS_MAX, Runner};
use crate::{
    Cause, Detail, Difference, DifferentStep, Ended, Failure, FailureKind, Record, Resumed, Schedule, Seed,
};

/// The number of later runs that have to agree with each other, and to differ from the first one, before state that runs leave
/// behind is suspected: chance does not look like that.
pub(crate) const SUSPECTING_RUNS: u32 = 20;

/// The result of two more runs of a failing schedule.
#[derive(Debug)]
pub(crate) enum Confirmed {
    /// Both repeat the first run. This is the second of them, with its record unless it is too long.
    Same(Box<Ended>),
    /// A run differs: the failure is nondeterminism.
    Differs(Box<Failure>),
}

/// Runs `schedule` twice more and compares the runs with `seen`.
pub(crate) fn confirm(runner: &Runner<'_>, schedule: &Schedule, seen: &Seen<'_>) -> Confirmed {
    let [one, two] = if seen.steps > RECORDED_STEPS_MAX {
        [runner.run(schedule, Detail::Lean), runner.run(schedule, Detail::Lean)]
    } else {
        [runner.run(schedule, Detail::Record), runner.run_recorded(schedule, seen.failure, seen.steps)]
    };
    if !one.is_like(&two) {
        return Confirmed::Differs(difference(&one, &two, seen.failure));
    }
    if one.trace_hash != seen.trace_hash
        || one.lean_fingerprint() != seen.failure.map(Failure::lean_fingerprint)
    {
        return Confirmed::Differs(nondeterminism(Difference::First, seen.failure));
    }
    Confirmed::Same(Box::new(two))
}

/// The run to confirm.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) failure: Option<&'a Failure>,
    pub(crate) trace_hash: u64,
    pub(crate) steps: u64,
}

/// Repeats the exploration's first run, which passed. If it differs now, the failure `seen` may not come from its schedule but
/// from state that a run has left behind in the process, or from chance. Returns the failure in that case.
pub(crate) fn check_leftover_state(
    runner: &Runner<'_>,
    (schedule, trace_hash): &(Schedule, u64),
    seen: &Failure,
) -> Option<Box<Failure>> {
    let again = runner.run(schedule, Detail::Record);
    if again.failure.is_none() && again.trace_hash == *trace_hash {
        return None;
    }
    if again.trace_hash == *trace_hash {
        // Chance looks the same as state that does not change the steps.
        return Some(nondeterminism(Difference::End, Some(seen)));
    }
    let mut runs = (1..SUSPECTING_RUNS).map(|_| runner.run(schedule, Detail::Record));
    let seed = match schedule {
        Schedule::Seeded { seed, .. } => Some(*seed),
        Schedule::Deviations { .. } => None,
    };
    Some(match runs.find(|run| !run.is_like(&again)) {
        Some(other) => difference(&again, &other, Some(seen)),
        None => nondeterminism(Difference::LeftBehind(seed), Some(seen)),
    })
}

/// Runs each of `runs` seeds twice. Returns the first seed whose runs differ, with the failure that describes how.
pub(crate) fn check(
    runner: &Runner<'_>,
    base: Seed,
    context: &SeedContext,
    runs: u64,
) -> Option<(Seed, Box<Failure>)> {
    (0..runs).map(|index| base.of_run(index)).find_map(|seed| {
        let worker = runner.worker(context);
        let (one, two) = (worker.run(seed, Detail::Lean), worker.run(seed, Detail::Lean));
        if one.is_like(&two) {
            return None;
        }
        let seen = Seen {
            failure: one.failure.as_deref().or(two.failure.as_deref()),
            trace_hash: one.trace_hash,
            steps: one.steps.max(two.steps),
        };
        match confirm(runner, &context.schedule(seed), &seen) {
            Confirmed::Differs(failure) => Some((seed, failure)),
            // Only the second run differed, and its record was not kept.
            Confirmed::Same(_) => Some((seed, nondeterminism(Difference::Unknown, seen.failure))),
        }
    })
}

/// Describes two runs that differ, by the first step in which they do.
pub(crate) fn difference(one: &Ended, two: &Ended, seen: Option<&Failure>) -> Box<Failure> {
    let (Some(a), Some(b)) = (&one.record, &two.record) else {
        return nondeterminism(Difference::Unknown, seen);
    };
    let step = first_difference(a, b);
    let resumed = |record: &Record, step: usize| {
        let step = record.steps.get(step)?;
        let (task, resume) = (record.task_of(step).label.clone(), record.arrival_of(step).resume);
        Some(Resumed { task, resume, at_ns: step.at_ns })
    };
    let mut failure = nondeterminism(
        step.map_or(Difference::End, |step| {
            let runs = [resumed(a, step), resumed(b, step)];
            Difference::Step(Box::new(DifferentStep { step: step as u64 + 1, runs }))
        }),
        seen,
    );
    if let Some((step, record)) =
        step.zip(step.and_then(|step| [a, b].into_iter().find(|r| step < r.steps.len())))
    {
        failure.at_step = step as u64;
        failure.at_ns = record.steps[step].at_ns;
        failure.task = Some(Box::new(record.task_of(&record.steps[step]).label.clone()));
    }
    failure
}

/// Creates the failure that runs of one schedule differ; `seen` is the failure of one of them.
pub(crate) fn nondeterminism(differ: Difference, seen: Option<&Failure>) -> Box<Failure> {
    Box::new(Failure {
        kind: FailureKind::Nondeterminism,
        cause: Cause::Nondeterminism { differ, seen: seen.cloned().map(Box::new) },
        notes: Box::default(),
        site: None,
        task: None,
        blocked: Box::default(),
        network: Box::default(),
        at_ns: seen.map_or(0, |failure| failure.at_ns),
        at_step: seen.map_or(0, |failure| failure.at_step),
    })
}

/// Returns the index of the first step that differs in its task, its time or its choices.
fn first_difference(one: &Record, two: &Record) -> Option<usize> {
    let shape = |record: &Record, step: usize| {
        record
            .steps
            .get(step)
            .map(|step| (record.task_of(step).key, record.arrival_of(step).resume, step.at_ns))
    };
    let hash = |record: &Record, step: usize| record.steps.get(step).map(|step| step.trace_hash);
    (0..one.steps.len().max(two.steps.len())).find(|&step| {
        let next = (hash(one, step + 1), hash(two, step + 1));
        // If a step's choices differ, the trace hash before the next step does.
        shape(one, step) != shape(two, step) || matches!(next, (Some(a), Some(b)) if a != b)
    })
}
