//! Commuting: of two neighbouring steps that have nothing to do with each other, either may go first; so a failing run can
//! be brought nearer to first-in-first-out order without a change that anyone would notice.
//!
//! Always true: steps keep their order where one is the cause of the other, where both are of one task, where operations
//! of theirs race, and across a move of time; what comes of it is a proposal, which is run before it is believed.

use crate::{Advance, Arrival, Record};

/// Longer runs are left as they are: what they leave to commute is not worth the time.
const STEPS_MAX: usize = 1_500;

/// What a step that did no known operation may be moved across.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    /// Nothing: it may touch something that nobody has announced.
    Fixed,
    /// Anything: most likely it does what concerns its own task alone.
    Free,
}

/// The run in the order that is nearest to first-in-first-out among those that no one could tell from it; `None` where that
/// is the order it has.
pub(super) fn commuted(record: &Record, unknown: Unknown) -> Option<Record> {
    let steps = record.steps.len();
    if steps > STEPS_MAX {
        return None;
    }
    let before = dependencies(record, unknown);
    let ran_at = record.ran_at();
    // What makes each arrival: a step, or the time or the start before a step.
    let mut made_by: Vec<Vec<usize>> = vec![Vec::new(); steps];
    let mut made_before: Vec<Vec<usize>> = vec![Vec::new(); steps + 1];
    for (number, arrival) in record.arrivals.iter().enumerate() {
        match cause(record, number, arrival) {
            Some(step) => made_by[step].push(number),
            None => made_before[arrival.after_steps as usize].push(number),
        }
    }

    let mut order = Vec::with_capacity(steps);
    let mut arrivals: Vec<(usize, u64)> = Vec::with_capacity(record.arrivals.len());
    let mut placed = vec![false; steps];
    let mut queue: Vec<usize> = Vec::new();
    for (start, end) in stretches(record) {
        for arrival in &made_before[start] {
            arrivals.push((*arrival, start as u64));
            queue.push(*arrival);
        }
        while order.len() < end {
            let may_run = |arrival: usize| {
                ran_at[arrival].filter(|&step| step < end && before[step].iter().all(|&other| placed[other]))
            };
            // A task that need not have given way goes right on.
            let goes_on = |arrival: &usize| {
                let this = record.arrivals[*arrival];
                let last = order.last().map(|&step: &usize| record.arrival_of(&record.steps[step]));
                this.operation.is_some()
                    && last.is_some_and(|last| (last.task, last.resume) == (this.task, this.resume))
            };
            let position = queue
                .iter()
                .position(|arrival| goes_on(arrival) && may_run(*arrival).is_some())
                .or_else(|| queue.iter().position(|arrival| may_run(*arrival).is_some()))?;
            let step = ran_at[queue.remove(position)]?;
            placed[step] = true;
            order.push(step);
            for arrival in &made_by[step] {
                arrivals.push((*arrival, order.len() as u64));
                queue.push(*arrival);
            }
        }
    }
    let as_it_was = order.iter().enumerate().all(|(number, step)| number == *step);
    if as_it_was || arrivals.len() != record.arrivals.len() {
        return None;
    }
    Some(reordered(record, &order, &arrivals))
}

/// The stretches of steps between two moves of time: first and end.
fn stretches(record: &Record) -> Vec<(usize, usize)> {
    let mut starts: Vec<usize> = record.advances.iter().map(|advance| advance.after_steps as usize).collect();
    starts.insert(0, 0);
    starts.dedup();
    let ends = starts.iter().skip(1).copied().chain([record.steps.len()]);
    starts.iter().copied().zip(ends).collect()
}

/// The step during which a task became ready; `None` where it was time that woke it, or the start of the run.
fn cause(record: &Record, number: usize, arrival: &Arrival) -> Option<usize> {
    let woken = record.advances.iter().any(|advance| {
        let Advance { after_arrivals, after_steps } = *advance;
        after_steps == arrival.after_steps && after_arrivals <= number as u64
    });
    if woken { None } else { (arrival.after_steps as usize).checked_sub(1) }
}

/// For each step the earlier ones that it must come after, within its stretch of time.
fn dependencies(record: &Record, unknown: Unknown) -> Vec<Vec<usize>> {
    let steps = record.steps.len();
    let is_known = |step: usize| unknown == Unknown::Free || !record.operations_of(step).is_empty();
    let mut before = Vec::with_capacity(steps);
    for (start, end) in stretches(record) {
        for step in start..end {
            let task = record.arrival_of(&record.steps[step]).task;
            let arrival = record.steps[step].arrival as usize;
            let cause = cause(record, arrival, &record.arrivals[arrival]);
            let must_follow = (start..step).filter(|&earlier| {
                let same_task = record.arrival_of(&record.steps[earlier]).task == task;
                let races = || {
                    let (one, two) = (record.operations_of(earlier), record.operations_of(step));
                    one.iter().any(|one| two.iter().any(|two| one.operation.races_with(two.operation)))
                };
                let is_last = step + 1 == steps;
                let fixed = !is_known(earlier) || !is_known(step);
                // With the last step the run ends: what came before it is to come before it.
                same_task || is_last || cause == Some(earlier) || fixed || races()
            });
            before.push(must_follow.collect());
        }
    }
    before
}

/// The record with its steps in another order, and its arrivals as they follow from that.
fn reordered(record: &Record, order: &[usize], arrivals: &[(usize, u64)]) -> Record {
    let mut new_arrival = vec![0; record.arrivals.len()];
    for (new, (old, _)) in arrivals.iter().enumerate() {
        new_arrival[*old] = new as u32;
    }
    let mut changed = record.clone();
    changed.arrivals =
        arrivals.iter().map(|&(old, after_steps)| Arrival { after_steps, ..record.arrivals[old] }).collect();
    changed.steps = order
        .iter()
        .map(|&old| {
            let mut step = record.steps[old].clone();
            step.arrival = new_arrival[step.arrival as usize];
            step
        })
        .collect();
    changed.operations.clear();
    changed.events.clear();
    changed
}

#[cfg(test)]
mod tests {
    use super::{Unknown, commuted};
    use crate::{
        Access, Arrival, Deviation, Domain, Operation, Performed, Record, ResourceKey, Step, TaskLabel,
        TaskPath, TaskRecord,
    };

    /// Tasks that the root spawns in its first step, and that run once, in the order given; each does what is given to
    /// resources.
    fn record(tasks: u32, order: &[(u32, &[(u64, Access)])]) -> Record {
        let task = |path: TaskPath| TaskRecord {
            key: path.key(),
            label: TaskLabel { path, ..TaskLabel::default() },
            spawned_at_ns: 0,
        };
        let step = |arrival| Step { arrival, at_ns: 0, waits_at: None, finished: false, trace_hash: 0 };
        let mut record = Record::default();
        let root = TaskPath::root();
        record.tasks = (0..=tasks).map(|n| task(if n == 0 { root.clone() } else { root.child(n) })).collect();
        record.arrivals = (0..=tasks)
            .map(|task| Arrival { task, resume: 0, operation: None, after_steps: u64::from(task > 0) })
            .collect();
        record.steps.push(step(0));
        for (number, (task, operations)) in (1..).zip(order) {
            record.steps.push(step(*task));
            record.operations.extend(operations.iter().map(|&(resource, access)| Performed {
                step: number,
                index: Some(0),
                operation: Operation { resource: ResourceKey(resource), access },
                site: None,
            }));
        }
        record
    }

    fn moved(task: u32, value: u32) -> Deviation {
        Deviation { task: TaskPath::root().child(task), resume: 0, domain: Domain::Schedule, index: 0, value }
    }

    #[test]
    fn what_does_not_race_goes_back_to_its_turn() {
        use Access::{Read, Write};
        // Only that the third comes before the second matters. (The last step stays the last.)
        let record = record(
            5,
            &[
                (4, &[(9, Write)]),
                (3, &[(1, Write)]),
                (2, &[(1, Read)]),
                (1, &[(2, Read)]),
                (5, &[(3, Read)]),
            ],
        );
        assert_eq!(record.deviations().len(), 3);
        let commuted = commuted(&record, Unknown::Fixed).expect("there is a calmer order");
        assert_eq!(commuted.deviations(), [moved(3, 2)]);
    }

    #[test]
    fn nothing_is_moved_across_a_step_of_which_nobody_knows_what_it_does() {
        use Access::{Read, Write};
        let record = record(4, &[(3, &[(1, Write)]), (2, &[]), (1, &[(2, Read)]), (4, &[])]);
        assert!(commuted(&record, Unknown::Fixed).is_none());
        let free = commuted(&record, Unknown::Free).expect("there is a calmer order");
        assert_eq!(free.deviations(), []);
    }
}
