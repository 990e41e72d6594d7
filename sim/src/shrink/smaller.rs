//! Searches for a smaller failing schedule that removing deviations does not reach.
//!
//! Delta debugging stops when no single deviation can be removed. Yet a different and smaller set may fail in the same way.
//! So this search goes from small to large: single deviations, then single ones added to subsets of the best, then pairs.
//!
//! # Invariants
//! The result has fewer deviations than the best, has been run and has failed. The order of trials depends only on the
//! runs.

use super::Allowed;
use super::trial::{Candidate, Trial, moved};
use crate::sorting::{pair, sort_by_number};
use crate::{Access, Deviation, Domain, IntMap, IntSet, Performed, Record, Seed, Stream, TaskPath};

/// The number of resumptions tried at each level: those closest to the resumptions that the best schedule moves.
const RESUMPTIONS_MAX: usize = 400;
/// The approximate number of pairs tried.
const PAIRS_MAX: u64 = 10_000;
/// The number of subsets of each size to which single deviations are added.
const SUBSETS_MAX: usize = 24;

/// Returns a failing candidate with fewer deviations than `best`, if it finds one within the budget.
pub(super) fn find_smaller(trial: &mut Trial<'_>, best: &Candidate, allowed: &Allowed) -> Option<Candidate> {
    trial.searching = true;
    let found = search(trial, best, allowed);
    trial.searching = false;
    found
}

fn search(trial: &mut Trial<'_>, best: &Candidate, allowed: &Allowed) -> Option<Candidate> {
    let count = best.deviations.len();
    let mut singles = Vec::new();
    for kept in 0..count.saturating_sub(1) {
        // If the best has many deviations, a pair is a better result than an addition to a subset.
        if kept == 2
            && let Some(pair) = pairs(trial, best, &singles)
        {
            return Some(pair);
        }
        for subset in subsets(&best.deviations, kept) {
            let base = best.with(subset);
            let record = trial.record(&base)?;
            match try_additions(trial, &base, &additions(&record, best, allowed)) {
                Tried::Fails(candidate) => return Some(candidate),
                Tried::Passes(distinct) if kept == 0 => singles = distinct,
                Tried::Passes(_) => {}
                Tried::OutOfBudget => return None,
            }
        }
    }
    // With three deviations, the loop ends before it tries pairs.
    if count == 3 { pairs(trial, best, &singles) } else { None }
}

enum Tried {
    Fails(Candidate),
    /// The additions that changed the run, one for each different run.
    Passes(Vec<Deviation>),
    OutOfBudget,
}

/// Tries to add each of `additions` to `base`.
fn try_additions(trial: &mut Trial<'_>, base: &Candidate, additions: &[Deviation]) -> Tried {
    let mut traces = IntSet::default();
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

/// Tries random pairs of single deviations that change the run on their own.
fn pairs(trial: &mut Trial<'_>, best: &Candidate, singles: &[Deviation]) -> Option<Candidate> {
    let count = u32::try_from(singles.len()).ok().filter(|count| *count >= 2)?;
    let mut random = Stream::new(Seed(0), Domain::Schedule, 0);
    // Four draws per pair miss about one pair in fifty. A repeated pair costs no run.
    let pairs = u64::from(count) * u64::from(count - 1) / 2;
    for _ in 0..4 * pairs.min(PAIRS_MAX) {
        let one = &singles[random.below(count) as usize];
        let two = &singles[random.below(count) as usize];
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

/// Returns the subsets of `deviations` of size `kept`, at most [`SUBSETS_MAX`].
fn subsets(deviations: &[Deviation], kept: usize) -> Vec<Vec<Deviation>> {
    if kept == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (index, first) in deviations.iter().enumerate() {
        for mut rest in subsets(&deviations[index + 1..], kept - 1) {
            rest.insert(0, first.clone());
            all.push(rest);
            if all.len() == SUBSETS_MAX {
                return all;
            }
        }
    }
    all
}

/// Returns the single deviations that could be added to the run of `record`, the likelier ones first.
fn additions(record: &Record, best: &Candidate, allowed: &Allowed) -> Vec<Deviation> {
    let mut waited: Vec<Option<u64>> = vec![None; record.arrivals.len()];
    for (number, step) in (0..).zip(&record.steps) {
        waited[step.arrival as usize] = Some(number - record.arrival_of(step).after_steps);
    }
    let mut arrivals: Vec<usize> = (0..record.arrivals.len()).collect();
    sort_by_number(&mut arrivals, |&arrival| {
        let arrival = record.arrivals[arrival];
        distance(&record.tasks[arrival.task as usize].label.path, arrival.resume, best)
    });
    arrivals.truncate(if allowed.reorders { RESUMPTIONS_MAX } else { 0 });
    let steps = u32::try_from(record.steps.len()).unwrap_or(u32::MAX);
    let mut values: Vec<u32> = (1..=8).collect();
    values.extend([12, 16, 24]);
    values.extend((5..31).map(|power| 1 << power));
    values.retain(|value| *value <= 8 || *value < steps);
    values.push(steps);
    let operations = raced(record, best, allowed);
    let mut additions = Vec::new();
    for choice in &record.choices {
        if allowed.varied_io || choice.key.domain() != Domain::Io {
            let left = RESUMPTIONS_MAX - additions.len();
            let values = (1..choice.arity.min(8)).take(left);
            additions.extend(values.map(|value| record.chosen(choice, value)));
        }
    }
    for value in values {
        for &arrival in &arrivals {
            // The position at which the resumption runs anyway is no deviation.
            if record.arrivals[arrival].operation.is_none()
                && waited[arrival].is_none_or(|waited| waited + 1 != u64::from(value))
            {
                additions.push(moved(record, arrival, value.max(1)));
            }
        }
        // A preempted task lets at least one other step run first.
        let value = value.saturating_add(1);
        for operation in &operations {
            additions.push(Deviation { value, ..operation.clone() });
        }
    }
    // For most failures one or two moves of time are enough.
    for value in 1..=2 {
        for &arrival in &arrivals {
            let task = &record.tasks[record.arrivals[arrival].task as usize].label.path;
            if allowed.stalls.iter().any(|stall| stall.task == *task && value <= stall.value) {
                let operation = record.arrivals[arrival].operation;
                let index = operation.map_or(0, |operation| operation + 1);
                additions.push(Deviation { domain: Domain::Stall, index, ..moved(record, arrival, value) });
            }
        }
    }
    additions
}

/// Returns the operations before which a task could be preempted and which race with an operation of another task. They are
/// deviations without values, the likelier ones first.
fn raced(record: &Record, best: &Candidate, allowed: &Allowed) -> Vec<Deviation> {
    let task_of = |performed: &Performed| record.arrival_of(&record.steps[performed.step as usize]).task;
    // Which task came first to a resource, whether another did, and whether any of them changed it.
    let mut by_resource: IntMap<(u32, bool, bool)> = IntMap::new();
    for performed in &record.operations {
        let task = task_of(performed);
        let (first, shared, changes) =
            by_resource.get_or_insert_with(performed.operation.resource.0, || (task, false, false));
        *shared |= task != *first;
        *changes |= performed.operation.access != Access::Read;
    }
    let mut operations: Vec<Deviation> = record
        .operations
        .iter()
        .filter(|performed| {
            let resource = performed.operation.resource;
            allowed.preempted.as_ref().is_none_or(|preempted| preempted.contains(&resource))
        })
        .filter(|performed| {
            let of_resource = by_resource.get(performed.operation.resource.0);
            of_resource.is_some_and(|(_, shared, changes)| *shared && *changes)
        })
        .filter_map(|performed| {
            let arrival = record.arrival_of(&record.steps[performed.step as usize]);
            let task = record.tasks[arrival.task as usize].label.path.clone();
            let index = performed.index?;
            Some(Deviation { task, resume: arrival.resume, domain: Domain::Operation, index, value: 0 })
        })
        .collect();
    sort_by_number(&mut operations, |operation| distance(&operation.task, operation.resume, best));
    operations.truncate(RESUMPTIONS_MAX);
    operations
}

/// Returns the distance of a resumption from the resumptions that the best schedule moves.
fn distance(task: &TaskPath, resume: u32, best: &Candidate) -> u128 {
    best.deviations
        .iter()
        .map(|deviation| pair((deviation.task != *task).into(), deviation.resume.abs_diff(resume).into()))
        .min()
        .unwrap_or(pair(1, resume.into()))
}
