//! The critical pair: two steps of which it matters which goes first, and nothing else.
//!
//! One deviation says when one ready task runs. Raised or lowered by little it passes the point at which the test no longer
//! fails: the runs on both sides of that point differ in the order of two neighbouring steps.
//!
//! Always true: both sides have been run, one of them fails as the run that was shrunk and the other does not; the order of
//! trying is a function of the runs alone; and there is a bound on runs and steps.

use std::time::Duration;

use super::trial::{Candidate, Trial, Verdict};
use crate::{Access, Deviation, Domain, FailureKind, Record, Seed};

/// Runs that may be made in search of a critical pair.
const RUNS_MAX: u64 = 400;
/// Real time for it: a person is waiting.
const TIME_MAX: Duration = Duration::from_secs(4);
/// Of those runs, the ones that try a change of the smallest schedule.
const TRIES_MAX: usize = 300;
/// Changes that made the test pass and are narrowed down, to tell the clearest of them.
const NARROWED_MAX: usize = 4;
/// Steps, counted from the end, before which time passes.
const HELD_BACK_MAX: usize = 20;
/// Seeds of random numbers that are tried.
const RANDOMNESS_MAX: u64 = 32;
/// Steps, counted from the end, whose order is changed.
const STEPS_MAX: usize = 150;

/// What a failure hangs on.
#[derive(Debug)]
pub(crate) struct Sought {
    pub(crate) found: Option<Hinge>,
    /// How many changes of the smallest schedule were tried and fail as well.
    pub(crate) in_vain: u64,
}

/// Two schedules that differ in one thing, of which one fails as the run that was shrunk.
#[derive(Debug)]
pub(crate) struct Hinge {
    pub(crate) fails: Candidate,
    pub(crate) other: Candidate,
    /// How `other` fails; `None` if it passes.
    pub(crate) otherwise: Option<FailureKind>,
    pub(crate) differs: Differs,
}

/// What the two differ in.
#[derive(Debug)]
pub(crate) enum Differs {
    Order(Pair),
    /// A decision other than which task runs: in the failing one as it says, in the other not.
    Without(Deviation),
    /// The same, the other way round.
    With(Deviation),
    /// The random numbers that the code under test draws.
    Randomness,
}

/// Two steps of different tasks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    /// In the failing run: the step that goes first.
    pub(crate) first: usize,
    /// In the failing run: the step that comes after it, if the run goes on for so long.
    pub(crate) second: Option<usize>,
    /// In the other run: the step that is `second` in the failing one.
    pub(crate) second_in_other: usize,
    /// Whether the runs differ in nothing else, up to there.
    neighbours: bool,
    /// The operations that race, as indices: of `first` in the failing run; of `second` in the run given.
    pub(crate) race: Option<Race>,
}

/// Two operations on one resource.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Race {
    /// Which of the operations of the first step, in the failing run.
    pub(crate) first: usize,
    /// Which of the operations of the second step: in the failing run if it comes to that step, else in the other.
    pub(crate) second: usize,
}

impl Hinge {
    /// Less is clearer.
    fn rank(&self) -> (bool, bool, bool) {
        let (race, neighbours) = match &self.differs {
            Differs::Order(pair) => (pair.race.is_some(), pair.neighbours),
            Differs::Without(_) | Differs::With(_) | Differs::Randomness => (true, true),
        };
        (self.otherwise.is_some(), !race, !neighbours)
    }
}

/// Looks for what the failure of `best` hangs on.
pub(super) fn seek(trial: &mut Trial<'_>, best: &Candidate) -> Sought {
    trial.allow(RUNS_MAX, TIME_MAX);
    let mut search = Search { trial, best, hinges: Vec::new(), in_vain: 0 };
    if let Some((outcome, record)) = search.trial.recorded(best)
        && outcome.fails()
    {
        search.among_deviations();
        if !search.has_a_clear_one() {
            search.around(&record);
        }
        if !search.has_a_clear_one() && search.trial.stalls {
            search.held_back(&record);
        }
        if search.hinges.is_empty() {
            search.with_other_randomness();
        }
    }
    let in_vain = search.in_vain;
    Sought { found: search.hinges.into_iter().min_by_key(Hinge::rank), in_vain }
}

struct Search<'s, 'a> {
    trial: &'s mut Trial<'a>,
    best: &'s Candidate,
    hinges: Vec<Hinge>,
    in_vain: u64,
}

impl Search<'_, '_> {
    fn has_a_clear_one(&self) -> bool {
        self.hinges.iter().any(|hinge| hinge.otherwise.is_none())
    }

    /// The deviations of the smallest schedule itself, each of which matters.
    fn among_deviations(&mut self) {
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
            if self.hinges.iter().any(|hinge| hinge.rank() == (false, false, false)) {
                return;
            }
        }
    }

    /// One change more, on top of the smallest schedule.
    fn around(&mut self, record: &Record) {
        let best = self.best;
        let mut narrowed = 0;
        for change in changes(record, best).into_iter().take(TRIES_MAX) {
            let candidate = changed(best, &change.deviation);
            let Some(outcome) = self.trial.probe(&candidate) else { return };
            // One failure or another: those that don't make the test pass are of little use.
            self.in_vain += u64::from(outcome.fails());
            if outcome.fails() || (outcome.verdict != Verdict::Passes && !self.hinges.is_empty()) {
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
            let best_rank = self.hinges.iter().map(Hinge::rank).min();
            if best_rank == Some((false, false, false)) || narrowed == NARROWED_MAX {
                return;
            }
        }
    }

    /// Time passes before one of the steps.
    fn held_back(&mut self, record: &Record) {
        let last = record.steps.len().saturating_sub(HELD_BACK_MAX)..record.steps.len();
        // For most one move of it is enough.
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
            // Where no time moves meanwhile it was the order that changed.
            let Some(record) = self.trial.record(&candidate) else { return };
            if record.deviations().iter().any(|other| other.key() == deviation.key()) {
                self.keep(self.best.clone(), candidate, outcome.verdict, Differs::With(deviation));
                return;
            }
        }
    }

    /// Other random numbers for the code under test.
    fn with_other_randomness(&mut self) {
        for randomness in (0..RANDOMNESS_MAX).map(Seed).filter(|seed| *seed != self.best.randomness) {
            let other = Candidate { randomness, ..self.best.clone() };
            let Some(outcome) = self.trial.probe(&other) else { return };
            // The code may draw none at all: that is no attempt.
            let same = self.trial.probe(self.best).is_some_and(|best| best.trace_hash == outcome.trace_hash);
            if outcome.verdict == Verdict::Passes || !(same || outcome.fails()) {
                self.keep(self.best.clone(), other, outcome.verdict, Differs::Randomness);
                return;
            }
        }
    }

    /// From a value under which the test fails toward one under which it does not: the two neighbouring values between which
    /// that changes.
    fn narrow(&mut self, deviation: &Deviation, mut fails: u32, mut other: u32) {
        let with_value = |value| {
            let mut deviation = deviation.clone();
            deviation.value = value;
            changed(self.best, &deviation)
        };
        // The next value is the likeliest: the smallest schedule goes no further than it must.
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
        let [one, two] = [fails, other].map(with_value);
        let recorded = (self.trial.recorded(&one), self.trial.recorded(&two));
        let (Some((failing, record)), Some((outcome, other_record))) = recorded else { return };
        if !failing.fails() || outcome.fails() {
            return;
        }
        let Some(pair) = pair(&record, &other_record) else { return };
        // A value that says what would happen anyway is none.
        let known = self.trial.probe(self.best).is_some_and(|best| best.trace_hash == failing.trace_hash);
        let fails = if known { self.best.clone() } else { one };
        self.keep(fails, two, outcome.verdict, Differs::Order(pair));
    }

    fn keep(&mut self, fails: Candidate, other: Candidate, verdict: Verdict, differs: Differs) {
        let otherwise = match verdict {
            Verdict::Fails => return,
            Verdict::FailsOtherwise(kind) => Some(kind),
            Verdict::Passes => None,
        };
        self.hinges.push(Hinge { fails, other, otherwise, differs });
    }
}

fn step_toward(from: u32, to: u32) -> u32 {
    if from < to { from + 1 } else { from - 1 }
}

fn without(best: &Candidate, deviation: &Deviation) -> Candidate {
    let kept = best.deviations.iter().filter(|other| *other != deviation);
    best.with(kept.cloned().collect())
}

/// The candidate with this deviation in place of the one with the same key, if it has one.
fn changed(best: &Candidate, deviation: &Deviation) -> Candidate {
    let mut deviations = best.deviations.clone();
    match deviations.iter_mut().find(|other| other.key() == deviation.key()) {
        Some(other) => other.value = deviation.value,
        None => deviations.push(deviation.clone()),
    }
    best.with(deviations)
}

/// The value of a schedule deviation that says what happens in this run anyway.
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
struct Change {
    deviation: Deviation,
    /// The value that changes nothing; `None` for a choice that has none.
    from: Option<u32>,
}

/// The changes to be tried, the likelier and the smaller ones first.
fn changes(record: &Record, best: &Candidate) -> Vec<Change> {
    let steps = record.steps.len();
    let last = steps.saturating_sub(STEPS_MAX)..steps;
    let task_of = |step: usize| record.arrival_of(&record.steps[step]).task;
    let deviation = |step: usize, domain, index, value| {
        let arrival = record.arrival_of(&record.steps[step]);
        let task = record.tasks[arrival.task as usize].label.path.clone();
        Deviation { task, resume: arrival.resume, domain, index, value }
    };
    // The step runs later by so many.
    let later = |step: usize, by: u64| {
        let arrival = record.arrival_of(&record.steps[step]);
        let index = record.steps[step].arrival as usize;
        let now = count(step as u64 - record.turn_begins(index, step) + 1);
        let (domain, index) =
            arrival.operation.map_or((Domain::Schedule, 0), |index| (Domain::Operation, index));
        Change { deviation: deviation(step, domain, index, count(u64::from(now) + by)), from: Some(now) }
    };
    let races = |one: usize, two: usize| race(record, one, record, two).is_some();

    // Neighbours in the other order, where the second could have gone first.
    let mut swaps: Vec<usize> = last
        .clone()
        .rev()
        .filter(|&step| {
            step + 1 < steps
                && task_of(step) != task_of(step + 1)
                && record.arrival_of(&record.steps[step + 1]).after_steps <= step as u64
        })
        .collect();
    swaps.sort_by_key(|&step| !races(step, step + 1));
    let mut all: Vec<Change> = swaps.into_iter().map(|step| later(step, 1)).collect();

    // Before an operation that races with a later one of another task, that task goes first.
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
            // Going on where it gave way is a change of that step.
            let preempted = record.arrival_of(&record.steps[step]).operation == Some(index);
            if raced && !preempted {
                all.push(Change {
                    deviation: deviation(step, Domain::Operation, index, 1 + by),
                    from: Some(1),
                });
            }
        }
        if by > 1 {
            all.extend(last.clone().rev().map(|step| later(step, u64::from(by))));
        }
    }
    // First of all that are ready.
    for step in last.rev() {
        let mut change = later(step, 0);
        if change.deviation.domain == Domain::Schedule && change.deviation.value > 1 {
            change.deviation.value = 1;
            all.push(change);
        }
    }
    let choices = record.choices.iter().rev().take(40).flat_map(|choice| {
        (0..choice.arity.min(4))
            .filter(|value| *value != choice.value && *value != 0)
            .map(|value| Change { deviation: record.chosen(choice, value), from: None })
    });
    // Few at the side of the steps, and worth more than the longest detours.
    let place = all.len().min(TRIES_MAX / 2);
    all.splice(place..place, choices);
    all.retain(|change| {
        change.from.is_some() || !best.deviations.iter().any(|other| other.key() == change.deviation.key())
    });
    all
}

/// The first two steps that stand in another order in `other`.
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
        neighbours: next(second_step) && next(first_in_other),
        race: None,
    };
    pair.race = match second_step {
        Some(second) => race(fails, at, fails, second),
        None => race(fails, at, other, at),
    };
    Some(pair)
}

/// Operations of two steps that race, the more telling ones first: letting go of something is what comes after, and of the
/// others the earliest has the rest in its wake.
fn race(one: &Record, first: usize, two: &Record, second: usize) -> Option<Race> {
    let (firsts, seconds) = (one.operations_of(first), two.operations_of(second));
    let mut races = Vec::new();
    for (first, a) in firsts.iter().enumerate() {
        for (second, b) in seconds.iter().enumerate() {
            // The end of a task is told as such.
            if a.operation.races_with(b.operation) && !one.is_task_end(a.operation.resource) {
                let accesses = [a.operation.access, b.operation.access];
                let releases = accesses.into_iter().filter(|access| *access == Access::Release).count();
                races.push(((releases, first + second), Race { first, second }));
            }
        }
    }
    races.into_iter().min_by_key(|(rank, _)| *rank).map(|(_, race)| race)
}
