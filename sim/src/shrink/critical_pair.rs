//! Searches for the critical pair ([`find`]): two steps whose order alone decides whether the test fails.
//!
//! A deviation determines when a ready task runs. At some value of the deviation, the test stops failing. The runs for that
//! value and the neighboring one differ in the order of two neighboring steps.
//!
//! # Invariants
//! Both schedules of a pair have been run: one fails as the run that was shrunk, and the other does not. The order of
//! trials depends only on the runs. Runs and steps are bounded.

use super::trial::{Candidate, Trial, Verdict};
use crate::{Access, Deviation, Domain, FailureKind, Record, Seed};

/// The largest number of runs of the search.
const RUNS_MAX: u64 = 400;
/// The largest number of steps of these runs. If a limit ends the failing run, it is long, and a quarter is enough.
const TRIED_STEPS_MAX: u64 = 1_000_000;
/// The largest number of changes of the smallest schedule that are tried.
const CHANGES_MAX: usize = 300;
/// The number of passing changes that are narrowed down, to choose the clearest.
const NARROWED_MAX: usize = 4;
/// The number of steps, counted from the end, before which a stall is tried.
const STALLED_STEPS_MAX: usize = 20;
/// The number of seeds of the code's own randomness that are tried.
const RANDOMNESS_MAX: u64 = 32;
/// The number of steps, counted from the end, whose order is changed.
const STEPS_MAX: usize = 150;

/// The result of the search for the critical pair.
#[derive(Debug)]
pub(crate) struct PairSearch {
    pub(crate) found: Option<CriticalPair>,
    /// The number of changes of the smallest schedule that were tried and fail as well.
    pub(crate) rejected: u64,
}

/// Two schedules that differ in one decision. One of them fails as the run that was shrunk, and the other does not.
#[derive(Debug)]
pub(crate) struct CriticalPair {
    pub(crate) fails: Candidate,
    pub(crate) other: Candidate,
    /// How `other` fails; `None` if it passes.
    pub(crate) otherwise: Option<FailureKind>,
    pub(crate) differs: Differs,
    /// The number of steps from the difference to the end of the failing run.
    to_end: usize,
}

/// The difference between the two schedules.
#[derive(Debug)]
pub(crate) enum Differs {
    /// The order of two steps.
    Order(Pair),
    /// A deviation, not of the order, that only the failing schedule has.
    Without(Deviation),
    /// A deviation, not of the order, that only the other schedule has.
    With(Deviation),
    /// The random numbers that the code under test draws.
    Randomness,
}

/// Two steps of different tasks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    /// The first step, in the failing run.
    pub(crate) first: usize,
    /// The second step, in the failing run; `None` if that run ends before it.
    pub(crate) second: Option<usize>,
    /// The second step, in the other run.
    pub(crate) second_in_other: usize,
    /// Whether the two steps are neighbors in both runs.
    neighbors: bool,
    /// The operations of the two steps that race.
    pub(crate) race: Option<Race>,
}

/// Two operations on one resource.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Race {
    /// The index of the operation among those of the first step, in the failing run.
    pub(crate) first: usize,
    /// The index of the operation among those of the second step, in the failing run if it reaches that step, or else in
    /// the other run.
    pub(crate) second: usize,
}

impl CriticalPair {
    /// Returns whether the other run passes, and how clear the difference is: the least is the clearest.
    fn clarity(&self) -> (bool, bool, bool) {
        let (race, neighbors) = match &self.differs {
            Differs::Order(pair) => (pair.race.is_some(), pair.neighbors),
            Differs::Without(_) | Differs::With(_) | Differs::Randomness => (true, true),
        };
        (self.otherwise.is_some(), !race, !neighbors)
    }

    /// Returns a rank: the pair with the least is the clearest, and the nearest to the failure among those.
    fn rank(&self) -> ((bool, bool, bool), usize) {
        (self.clarity(), self.to_end)
    }
}

/// Searches for a critical pair of `best`, which fails in this way. If `stalls`, virtual time may advance while a task is
/// ready.
pub(super) fn find(trial: &mut Trial<'_>, best: &Candidate, kind: FailureKind, stalls: bool) -> PairSearch {
    let steps = if kind.is_limit() { TRIED_STEPS_MAX / 4 } else { TRIED_STEPS_MAX };
    trial.renew_budget(RUNS_MAX, steps);
    let recorded = trial.recorded(best).filter(|(outcome, _)| outcome.fails());
    let Some((outcome, record)) = recorded else { return PairSearch { found: None, rejected: 0 } };
    let mut search = PairFinder { trial, best, record: &record, pairs: Vec::new(), rejected: 0 };
    search.try_without_deviations();
    match search.nearest() {
        // The last order that decides is closer to the cause than the first one.
        Some(to_end) => search.try_changes(racing_swaps(&record, record.steps.len() - to_end)),
        None => search.try_changes(changes(&record, best)),
    }
    if !search.has_passing_pair() && stalls {
        search.try_stalls();
    }
    if search.pairs.is_empty() && outcome.draws {
        search.try_other_randomness();
    }
    let rejected = search.rejected;
    PairSearch { found: search.pairs.into_iter().min_by_key(CriticalPair::rank), rejected }
}

/// The state of the search for the critical pair.
struct PairFinder<'s, 'a> {
    trial: &'s mut Trial<'a>,
    best: &'s Candidate,
    /// The record of `best`.
    record: &'s Record,
    pairs: Vec<CriticalPair>,
    rejected: u64,
}

impl PairFinder<'_, '_> {
    /// Returns whether a pair was found whose other run passes.
    fn has_passing_pair(&self) -> bool {
        self.pairs.iter().any(|pair| pair.otherwise.is_none())
    }

    /// Returns the number of steps from the clearest pair to the end of the run, if a pair was found whose other run passes.
    fn nearest(&self) -> Option<usize> {
        let nearest = self.pairs.iter().min_by_key(|pair| pair.rank())?;
        nearest.otherwise.is_none().then_some(nearest.to_end)
    }

    /// Tries to remove each deviation of the smallest schedule.
    fn try_without_deviations(&mut self) {
        let best = self.best;
        for deviation in best.deviations.iter().take(8) {
            let without = without(best, deviation);
            let Some((outcome, other)) = self.trial.recorded(&without) else { continue };
            if outcome.fails() {
                continue;
            }
            match deviation.domain {
                Domain::Schedule | Domain::Operation => {
                    let baseline = match deviation.domain {
                        Domain::Operation => 1,
                        _ => turn_value(&other, deviation),
                    };
                    self.narrow(deviation, deviation.value, baseline);
                }
                _ => {
                    let differs = Differs::Without(deviation.clone());
                    self.keep(best.clone(), without, outcome.verdict, differs);
                }
            }
        }
    }

    /// Tries to add a single change to the smallest schedule.
    fn try_changes(&mut self, changes: Vec<Change>) {
        let best = self.best;
        let mut narrowed = 0;
        for change in changes.into_iter().take(CHANGES_MAX) {
            let candidate = changed(best, &change.deviation);
            let Some(outcome) = self.trial.probe(&candidate) else { return };
            // A change to another failure is used only if no pair has been found yet.
            self.rejected += u64::from(outcome.fails());
            if outcome.fails() || (outcome.verdict != Verdict::Passes && !self.pairs.is_empty()) {
                continue;
            }
            match change.from {
                Some(from) => self.narrow(&change.deviation, from, change.deviation.value),
                None => {
                    let differs = Differs::With(change.deviation.clone());
                    self.keep(best.clone(), candidate, outcome.verdict, differs);
                }
            }
            narrowed += usize::from(outcome.verdict == Verdict::Passes);
            let clear = outcome.verdict == Verdict::Passes
                && self.pairs.last().is_some_and(|pair| pair.clarity() == (false, false, false));
            if clear || narrowed == NARROWED_MAX {
                return;
            }
        }
    }

    /// Tries to let time pass before one of the last steps.
    fn try_stalls(&mut self) {
        let record = self.record;
        let last = record.steps.len().saturating_sub(STALLED_STEPS_MAX)..record.steps.len();
        // Try one move of time first: it is enough for most failures.
        for (moves, step) in (1..=2).flat_map(|moves| last.clone().rev().map(move |step| (moves, step))) {
            let arrival = record.arrival_of(&record.steps[step]);
            let deviation = Deviation {
                task: record.tasks[arrival.task as usize].label.path.clone(),
                resume: arrival.resume,
                domain: Domain::Stall,
                index: arrival.operation.map_or(0, |operation| operation + 1),
                value: moves,
            };
            if self.best.deviations.iter().any(|other| other.key() == deviation.key()) {
                continue;
            }
            let candidate = changed(self.best, &deviation);
            let Some(outcome) = self.trial.probe(&candidate) else { return };
            if outcome.verdict != Verdict::Passes {
                continue;
            }
            // If no time moved, only the order changed.
            let Some(record) = self.trial.record(&candidate) else { return };
            if record.deviations().iter().any(|other| other.key() == deviation.key()) {
                self.keep(self.best.clone(), candidate, outcome.verdict, Differs::With(deviation));
                return;
            }
        }
    }

    /// Tries other random numbers for the code under test.
    fn try_other_randomness(&mut self) {
        for randomness in (0..RANDOMNESS_MAX).map(Seed).filter(|seed| *seed != self.best.randomness) {
            let other = Candidate { randomness, ..self.best.clone() };
            let Some(outcome) = self.trial.probe(&other) else { return };
            if !outcome.fails() {
                self.keep(self.best.clone(), other, outcome.verdict, Differs::Randomness);
                return;
            }
        }
    }

    /// Searches between a value under which the test fails and one under which it does not, for two neighboring such values.
    fn narrow(&mut self, deviation: &Deviation, mut fails: u32, mut other: u32) {
        let with_value = |value| {
            let mut deviation = deviation.clone();
            deviation.value = value;
            changed(self.best, &deviation)
        };
        // Try the neighboring value first: a shrunk value is as low as possible, so the outcome most likely changes there.
        let mut next = step_toward(fails, other);
        while fails.abs_diff(other) > 1 {
            let Some(outcome) = self.trial.probe(&with_value(next)) else { return };
            if outcome.fails() {
                fails = next;
            } else {
                other = next;
            }
            next = fails.midpoint(other);
        }
        let (one, two) = (with_value(fails), with_value(other));
        let recorded = (self.trial.recorded(&one), self.trial.recorded(&two));
        let (Some((failing, record)), Some((outcome, other_record))) = recorded else { return };
        if !failing.fails() || outcome.fails() {
            return;
        }
        let Some(pair) = pair(&record, &other_record) else { return };
        // If the change does not alter the run of `best`, leave it out.
        let known = self.trial.probe(self.best).is_some_and(|best| best.trace_hash == failing.trace_hash);
        let fails = if known { self.best.clone() } else { one };
        self.keep(fails, two, outcome.verdict, Differs::Order(pair));
    }

    fn keep(&mut self, fails: Candidate, other: Candidate, verdict: Verdict, differs: Differs) {
        let otherwise = match verdict {
            Verdict::Fails | Verdict::OutOfReach => return,
            Verdict::FailsOtherwise(kind) => Some(kind),
            Verdict::Passes => None,
        };
        let record = self.record;
        let to_end = match &differs {
            Differs::Order(pair) => record.steps.len().saturating_sub(pair.second.unwrap_or(pair.first)),
            Differs::Without(deviation) | Differs::With(deviation) => {
                let ran_at = |arrival: usize| record.ran_at()[arrival].unwrap_or(record.steps.len());
                let step = match record.effect_of(deviation) {
                    Some(effect) => effect.after_steps as usize,
                    // One that the run does not reach can't be described, so it ranks last.
                    None => record.arrival_about(deviation).map_or(0, ran_at),
                };
                record.steps.len() - step
            }
            Differs::Randomness => record.steps.len(),
        };
        self.pairs.push(CriticalPair { fails, other, otherwise, differs, to_end });
    }
}

fn step_toward(from: u32, to: u32) -> u32 {
    if from < to { from + 1 } else { from - 1 }
}

fn without(best: &Candidate, deviation: &Deviation) -> Candidate {
    let kept = best.deviations.iter().filter(|other| *other != deviation);
    best.with(kept.cloned().collect())
}

/// Returns the candidate with `deviation` added, or in place of the one with the same key.
fn changed(best: &Candidate, deviation: &Deviation) -> Candidate {
    let mut deviations = best.deviations.clone();
    match deviations.iter_mut().find(|other| other.key() == deviation.key()) {
        Some(other) => other.value = deviation.value,
        None => deviations.push(deviation.clone()),
    }
    best.with(deviations)
}

/// Returns the value with which a schedule deviation does not change this run.
fn turn_value(record: &Record, deviation: &Deviation) -> u32 {
    let steps = record.steps.len();
    let Some(arrival) = record.arrival_about(deviation) else { return count(steps as u64 + 1) };
    let at = record.steps.iter().position(|step| step.arrival as usize == arrival).unwrap_or(steps);
    count(at as u64 - record.turn_begins(arrival, at).min(at as u64) + 1)
}

fn count(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A change of the smallest schedule.
#[derive(Clone)]
struct Change {
    deviation: Deviation,
    /// The value that changes nothing; `None` for a choice that has none.
    from: Option<u32>,
}

/// Returns the change that moves a step later by `by` steps.
fn later(record: &Record, step: usize, by: u64) -> Change {
    let arrival = record.arrival_of(&record.steps[step]);
    let index = record.steps[step].arrival as usize;
    let now = count(step as u64 - record.turn_begins(index, step) + 1);
    let (domain, index) = arrival.operation.map_or((Domain::Schedule, 0), |index| (Domain::Operation, index));
    let deviation = about_step(record, step, domain, index, count(u64::from(now) + by));
    Change { deviation, from: Some(now) }
}

/// Returns a deviation about the task that runs in a step.
fn about_step(record: &Record, step: usize, domain: Domain, index: u32, value: u32) -> Deviation {
    let arrival = record.arrival_of(&record.steps[step]);
    let task = record.tasks[arrival.task as usize].label.path.clone();
    Deviation { task, resume: arrival.resume, domain, index, value }
}

/// Returns the swaps of two neighboring steps from `first` on, the last ones first: those whose operations race, and the others.
/// In each, the second task was ready before the first step.
fn swaps(record: &Record, first: usize) -> [Vec<Change>; 2] {
    let task_of = |step: usize| record.arrival_of(&record.steps[step]).task;
    let (racing, others): (Vec<usize>, Vec<usize>) = (first..record.steps.len().saturating_sub(1))
        .rev()
        .filter(|&step| {
            task_of(step) != task_of(step + 1)
                && record.arrival_of(&record.steps[step + 1]).after_steps <= step as u64
        })
        .partition(|&step| race(record, step, record, step + 1).is_some());
    let swaps = |steps: Vec<usize>| steps.into_iter().map(|step| later(record, step, 1)).collect();
    [swaps(racing), swaps(others)]
}

/// Returns the racing [`swaps`] after the step `after`.
fn racing_swaps(record: &Record, after: usize) -> Vec<Change> {
    let [racing, _] = swaps(record, after.max(record.steps.len().saturating_sub(STEPS_MAX)));
    racing
}

/// Returns the changes to try, the likelier and the smaller ones first.
fn changes(record: &Record, best: &Candidate) -> Vec<Change> {
    let steps = record.steps.len();
    let last = steps.saturating_sub(STEPS_MAX)..steps;
    let task_of = |step: usize| record.arrival_of(&record.steps[step]).task;
    let mut all = swaps(record, last.start).concat();

    // Preempt a task before an operation that races with a later one of another task.
    let first_operation = record.operations.partition_point(|performed| performed.step < last.start as u64);
    let operations = &record.operations[first_operation..];
    for by in [1, 2, 4, 8, 16] {
        for (number, performed) in operations.iter().enumerate().rev().take(STEPS_MAX) {
            let Some(index) = performed.index else { continue };
            let step = performed.step as usize;
            let raced = operations[number + 1..].iter().any(|other| {
                other.operation.races_with(performed.operation)
                    && task_of(other.step as usize) != task_of(step)
            });
            // A preemption at this operation is a deviation already: `later` changes it.
            let preempted = record.arrival_of(&record.steps[step]).operation == Some(index);
            if raced && !preempted {
                all.push(Change {
                    deviation: about_step(record, step, Domain::Operation, index, 1 + by),
                    from: Some(1),
                });
            }
        }
        if by > 1 {
            all.extend(last.clone().rev().map(|step| later(record, step, u64::from(by))));
        }
    }
    // Run a step before all others that are ready.
    for step in last.rev() {
        let mut change = later(record, step, 0);
        if change.deviation.domain == Domain::Schedule && change.deviation.value > 1 {
            change.deviation.value = 1;
            all.push(change);
        }
    }
    // Choices are few, and likelier than the longest moves, so they go into the first half.
    let second_half = all.split_off(all.len().min(CHANGES_MAX / 2));
    for choice in record.choices.iter().rev().take(40) {
        for value in (1..choice.arity.min(4)).filter(|value| *value != choice.value) {
            all.push(Change { deviation: record.chosen(choice, value), from: None });
        }
    }
    all.extend(second_half);
    all.retain(|change| {
        change.from.is_some() || !best.deviations.iter().any(|other| other.key() == change.deviation.key())
    });
    all
}

/// Returns the first two steps whose order differs in `other`.
fn pair(fails: &Record, other: &Record) -> Option<Pair> {
    let name = |record: &Record, step: usize| {
        let arrival = record.arrival_of(record.steps.get(step)?);
        Some((record.tasks[arrival.task as usize].key, arrival.resume, arrival.operation))
    };
    let at = (0..fails.steps.len().min(other.steps.len())).find(|&at| name(fails, at) != name(other, at))?;
    let (first, second) = (name(fails, at)?, name(other, at)?);
    if first.0 == second.0 {
        return None;
    }
    let find =
        |record: &Record, what| (at + 1..record.steps.len()).find(|&step| name(record, step) == Some(what));
    let second_step = find(fails, second);
    let first_in_other = find(other, first);
    let next = |step: Option<usize>| step.is_none_or(|step| step == at + 1);
    let mut pair = Pair {
        first: at,
        second: second_step,
        second_in_other: at,
        neighbors: next(second_step) && next(first_in_other),
        race: None,
    };
    pair.race = match second_step {
        Some(second) => race(fails, at, fails, second),
        None => race(fails, at, other, at),
    };
    Some(pair)
}

/// Returns the operations of two steps that race. It prefers operations other than releases, and among them the earliest.
fn race(one: &Record, first: usize, two: &Record, second: usize) -> Option<Race> {
    let (firsts, seconds) = (one.operations_of(first), two.operations_of(second));
    let mut races = Vec::new();
    for (first, a) in firsts.iter().enumerate() {
        for (second, b) in seconds.iter().enumerate() {
            // The report mentions the end of a task separately.
            if a.operation.races_with(b.operation) && !one.is_task_end(a.operation.resource) {
                let accesses = [a.operation.access, b.operation.access];
                let releases = accesses.into_iter().filter(|access| *access == Access::Release).count();
                races.push(((releases, first + second), Race { first, second }));
            }
        }
    }
    races.into_iter().min_by_key(|(rank, _)| *rank).map(|(_, race)| race)
}
