//! Searching for something smaller than what taking away can reach.
//!
//! Delta debugging stops where no single deviation can go; yet quite another set, of fewer, may fail in the same way. So
//! this goes from small to large: every single deviation, then single ones on top of parts of the best, then pairs.
//!
//! Always true: what is returned has fewer deviations than the best, has been run and has failed; the order of trying is
//! a function of the runs alone.

use std::collections::{BTreeMap, BTreeSet};

use super::trial::{Candidate, Trial, moved};
use crate::{Access, Deviation, Domain, Performed, Record, ResourceKey, Seed, Stream, TaskPath};

/// Resumptions that are tried at one level: of a longer run, those nearest to what the best schedule moves.
const RESUMPTIONS_MAX: usize = 400;
/// Pairs that are tried, about.
const PAIRS_MAX: u64 = 10_000;
/// Parts of the best that are kept while single deviations are tried on top.
const PARTS_MAX: usize = 24;

/// A failing candidate with fewer deviations than `best`, if the budget suffices to find one.
pub(super) fn smaller(trial: &mut Trial<'_>, best: &Candidate) -> Option<Candidate> {
    trial.searching = true;
    let found = search(trial, best);
    trial.searching = false;
    found
}

fn search(trial: &mut Trial<'_>, best: &Candidate) -> Option<Candidate> {
    let count = best.deviations.len();
    let mut singles = Vec::new();
    for kept in 0..count.saturating_sub(1) {
        // Two at once may well be enough where the best has many; that is worth more than parts of it are.
        if kept == 2
            && let Some(pair) = pairs(trial, best, &singles)
        {
            return Some(pair);
        }
        for part in parts(&best.deviations, kept) {
            let base = best.with(part);
            let record = trial.record(&base)?;
            match on_top(trial, &base, &additions(&record, best, trial.stalls)) {
                Tried::Fails(candidate) => return Some(candidate),
                Tried::Passes(distinct) if kept == 0 => singles = distinct,
                Tried::Passes(_) => {}
                Tried::OutOfBudget => return None,
            }
        }
    }
    // The smallest of three comes to this before the loop does.
    if count == 3 { pairs(trial, best, &singles) } else { None }
}

enum Tried {
    Fails(Candidate),
    /// The additions that made a difference, one for each different run.
    Passes(Vec<Deviation>),
    OutOfBudget,
}

/// Tries each addition on top of `base`.
fn on_top(trial: &mut Trial<'_>, base: &Candidate, additions: &[Deviation]) -> Tried {
    let mut traces = BTreeSet::new();
    if let Some(outcome) = trial.probe(base) {
        traces.insert(outcome.trace_hash);
    }
    let mut distinct = Vec::new();
    for addition in additions {
        if base.deviations.iter().any(|deviation| deviation.key() == addition.key()) {
            continue;
        }
        let mut candidate = base.clone();
        candidate.deviations.push(addition.clone());
        match trial.probe(&candidate) {
            Some(outcome) if outcome.fails() => return Tried::Fails(candidate),
            Some(outcome) => {
                if traces.insert(outcome.trace_hash) {
                    distinct.push(addition.clone());
                }
            }
            None => return Tried::OutOfBudget,
        }
    }
    Tried::Passes(distinct)
}

/// Two single deviations at a time, drawn by lot from those that make a difference alone.
fn pairs(trial: &mut Trial<'_>, best: &Candidate, singles: &[Deviation]) -> Option<Candidate> {
    let count = u32::try_from(singles.len()).ok().filter(|count| *count >= 2)?;
    let mut lot = Stream::new(Seed(0), Domain::Schedule, 0);
    // Four draws for each pair leave out one in fifty; a pair that comes again costs no run.
    let pairs = u64::from(count) * u64::from(count - 1) / 2;
    for _ in 0..4 * pairs.min(PAIRS_MAX) {
        let [one, two] = [(); 2].map(|()| &singles[lot.below(count) as usize]);
        if one.key() == two.key() {
            continue;
        }
        let candidate = best.with(vec![one.clone(), two.clone()]);
        if trial.probe(&candidate)?.fails() {
            return Some(candidate);
        }
    }
    None
}

/// Every choice of `kept` out of `deviations`.
fn parts(deviations: &[Deviation], kept: usize) -> Vec<Vec<Deviation>> {
    if kept == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (index, first) in deviations.iter().enumerate() {
        for mut rest in parts(&deviations[index + 1..], kept - 1) {
            rest.insert(0, first.clone());
            all.push(rest);
            if all.len() == PARTS_MAX {
                return all;
            }
        }
    }
    all
}

/// The single deviations that could be added to the run of `record`, the likelier ones first; `stalls` says whether time may
/// pass while a task is ready.
fn additions(record: &Record, best: &Candidate, stalls: bool) -> Vec<Deviation> {
    let mut waited: Vec<Option<u64>> = vec![None; record.arrivals.len()];
    for (number, step) in (0..).zip(&record.steps) {
        waited[step.arrival as usize] = Some(number - record.arrival_of(step).after_steps);
    }
    let mut arrivals: Vec<usize> = (0..record.arrivals.len()).collect();
    arrivals.sort_by_cached_key(|&arrival| {
        let arrival = record.arrivals[arrival];
        distance(&record.tasks[arrival.task as usize].label.path, arrival.resume, best)
    });
    arrivals.truncate(RESUMPTIONS_MAX);
    let steps = u32::try_from(record.steps.len()).unwrap_or(u32::MAX);
    let values: Vec<u32> = (1..=8)
        .chain([12, 16, 24])
        .chain((5..31).map(|power| 1 << power))
        .take_while(|value| *value <= 8 || *value < steps)
        .chain([steps])
        .collect();
    let operations = raced(record, best);
    let moves = values.into_iter().flat_map(|value| {
        let (waited, operations) = (&waited, &operations);
        let moves = arrivals
            .iter()
            // Where the resumption runs anyway is no deviation.
            .filter(move |&&arrival| {
                record.arrivals[arrival].operation.is_none()
                    && waited[arrival].is_none_or(|waited| waited + 1 != u64::from(value))
            })
            .map(move |&arrival| moved(record, arrival, value.max(1)));
        // A task that gives way lets at least one other step go first.
        let value = value.saturating_add(1);
        moves.chain(operations.iter().map(move |operation| Deviation { value, ..operation.clone() }))
    });
    // Of two moves of time one is enough for most.
    let stalls = (1..=2).filter(|_| stalls && !record.advances.is_empty()).flat_map(|value| {
        arrivals.iter().map(move |&arrival| {
            let operation = record.arrivals[arrival].operation;
            let index = operation.map_or(0, |operation| operation + 1);
            Deviation { domain: Domain::Stall, index, ..moved(record, arrival, value) }
        })
    });
    let choices = record
        .choices
        .iter()
        .flat_map(|choice| (1..choice.arity.min(8)).map(|value| record.chosen(choice, value)));
    choices.take(RESUMPTIONS_MAX).chain(moves).chain(stalls).collect()
}

/// The operations before which a task could give way, and of which another task has one that races: as deviations without
/// their values, the likelier ones first.
fn raced(record: &Record, best: &Candidate) -> Vec<Deviation> {
    let task_of = |performed: &Performed| record.arrival_of(&record.steps[performed.step as usize]).task;
    let mut by_resource: BTreeMap<ResourceKey, (BTreeSet<u32>, bool)> = BTreeMap::new();
    for performed in &record.operations {
        let (tasks, changes) = by_resource.entry(performed.operation.resource).or_default();
        tasks.insert(task_of(performed));
        *changes |= performed.operation.access != Access::Read;
    }
    let mut operations: Vec<Deviation> = record
        .operations
        .iter()
        .filter(|performed| {
            let (tasks, changes) = &by_resource[&performed.operation.resource];
            tasks.len() > 1 && *changes
        })
        .filter_map(|performed| {
            let arrival = record.arrival_of(&record.steps[performed.step as usize]);
            let task = record.tasks[arrival.task as usize].label.path.clone();
            let index = performed.index?;
            Some(Deviation { task, resume: arrival.resume, domain: Domain::Operation, index, value: 0 })
        })
        .collect();
    operations.sort_by_cached_key(|operation| distance(&operation.task, operation.resume, best));
    operations.truncate(RESUMPTIONS_MAX);
    operations
}

/// How far a resumption is from those that the best schedule is about.
fn distance(task: &TaskPath, resume: u32, best: &Candidate) -> (bool, u32) {
    best.deviations
        .iter()
        .map(|deviation| (deviation.task != *task, deviation.resume.abs_diff(resume)))
        .min()
        .unwrap_or((true, resume))
}
