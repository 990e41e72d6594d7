//! Reorders the independent steps of a failing run, to bring it closer to FIFO order ([`commuted`]).
//!
//! # Invariants
//! Two steps keep their order if one wakes the other's task, if both are of one task, if their operations race, or if time
//! moves between them. The result is only a proposal: it has to be run.

use crate::{Advance, Arrival, Record};

/// Longer runs are not reordered: it would take too long.
const STEPS_MAX: usize = 1_500;

/// Whether a step without a known operation may be reordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    /// No: it may access something that was not announced.
    Fixed,
    /// Yes: most likely it concerns only its own task.
    Free,
}

/// Returns the run in the order closest to FIFO among the equivalent orders; `None` if the run has that order already, or
/// is too long.
pub(super) fn commuted(record: &Record, unknown: Unknown) -> Option<Record> {
    let steps = record.steps.len();
    if steps > STEPS_MAX {
        return None;
    }
    let before = dependencies(record, unknown);
    let ran_at = record.ran_at();
    // The arrivals that each step causes, and those that time, or the start of the run, causes before each step.
    let mut caused_by_step: Vec<Vec<usize>> = vec![Vec::new(); steps];
    let mut caused_by_time: Vec<Vec<usize>> = vec![Vec::new(); steps + 1];
    for (number, arrival) in record.arrivals.iter().enumerate() {
        match cause(record, number, arrival) {
            Some(step) => caused_by_step[step].push(number),
            None => caused_by_time[arrival.after_steps as usize].push(number),
        }
    }

    let mut order = Vec::with_capacity(steps);
    let mut arrivals: Vec<(usize, u64)> = Vec::with_capacity(record.arrivals.len());
    let mut placed = vec![false; steps];
    let mut queue: Vec<usize> = Vec::new();
    for (start, end) in stretches(record) {
        for arrival in &caused_by_time[start] {
            arrivals.push((*arrival, start as u64));
            queue.push(*arrival);
        }
        while order.len() < end {
            let may_run = |arrival: usize| {
                ran_at[arrival].filter(|&step| step < end && before[step].iter().all(|&other| placed[other]))
            };
            // A task whose preemption is not needed continues at once.
            let continues = |arrival: &usize| {
                let this = record.arrivals[*arrival];
                let last = order.last().map(|&step: &usize| record.arrival_of(&record.steps[step]));
                this.operation.is_some()
                    && last.is_some_and(|last| (last.task, last.resume) == (this.task, this.resume))
            };
            let position = queue
                .iter()
                .position(|arrival| continues(arrival) && may_run(*arrival).is_some())
                .or_else(|| queue.iter().position(|arrival| may_run(*arrival).is_some()))?;
            let step = ran_at[queue.remove(position)]?;
            placed[step] = true;
            order.push(step);
            for arrival in &caused_by_step[step] {
                arrivals.push((*arrival, order.len() as u64));
                queue.push(*arrival);
            }
        }
    }
    let unchanged = order.iter().enumerate().all(|(number, step)| number == *step);
    if unchanged || arrivals.len() != record.arrivals.len() {
        return None;
    }
    Some(reordered(record, &order, &arrivals))
}

/// Returns the ranges of steps between two moves of time, each as its first step and its end.
fn stretches(record: &Record) -> Vec<(usize, usize)> {
    let mut starts: Vec<usize> = record.advances.iter().map(|advance| advance.after_steps as usize).collect();
    starts.insert(0, 0);
    starts.dedup();
    let ends = starts.iter().skip(1).copied().chain([record.steps.len()]);
    starts.iter().copied().zip(ends).collect()
}

/// Returns the step during which a task became ready; `None` if time, or the start of the run, made it ready.
fn cause(record: &Record, number: usize, arrival: &Arrival) -> Option<usize> {
    let woken = record.advances.iter().any(|advance| {
        let Advance { after_arrivals, after_steps, .. } = *advance;
        after_steps == arrival.after_steps && after_arrivals <= number as u64
    });
    if woken { None } else { (arrival.after_steps as usize).checked_sub(1) }
}

/// Returns, for each step, the earlier steps of its stretch that it must follow.
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
                // The last step ends the run, so all others stay before it.
                same_task || is_last || cause == Some(earlier) || fixed || races()
            });
            before.push(must_follow.collect());
        }
    }
    before
}

/// Returns the record with its steps in another order, and its arrivals adapted to it.
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

    /// A record of `tasks` tasks that the root spawns in its first step. They run once each, in the given order, with the
    /// given operations.
    fn record(tasks: u32, order: &[(u32, &[(u64, Access)])]) -> Record {
        let task = |path: TaskPath| TaskRecord {
            key: path.key(),
            label: TaskLabel { path, ..TaskLabel::default() },
            spawned_at_ns: 0,
        };
        let step = |arrival| Step { arrival, ..Step::default() };
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
                outcome: None,
            }));
        }
        record
    }

    fn moved(task: u32, value: u32) -> Deviation {
        Deviation { task: TaskPath::root().child(task), resume: 0, domain: Domain::Schedule, index: 0, value }
    }

    #[test]
    fn steps_that_do_not_race_return_to_fifo_order() {
        use Access::{Read, Write};
        // Only the order of the third and the second task matters. (The last step stays the last.)
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
        let commuted = commuted(&record, Unknown::Fixed).expect("an order closer to FIFO");
        assert_eq!(commuted.deviations(), [moved(3, 2)]);
    }

    #[test]
    fn steps_without_known_operations_are_not_reordered() {
        use Access::{Read, Write};
        let record = record(4, &[(3, &[(1, Write)]), (2, &[]), (1, &[(2, Read)]), (4, &[])]);
        assert!(commuted(&record, Unknown::Fixed).is_none());
        let free = commuted(&record, Unknown::Free).expect("an order closer to FIFO");
        assert_eq!(free.deviations(), []);
    }
}
