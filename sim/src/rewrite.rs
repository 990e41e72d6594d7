//! Rewrites a recorded run as deviations from the baseline run: [`Record::deviations`].
//!
//! A resumption needs no deviation if it runs in FIFO order. The largest set of such resumptions is a longest
//! subsequence of the steps in which arrivals only increase. Resumptions that were still ready when the run ended count
//! as running after all others.
//!
//! A task that was preempted before an operation, and continued before anything else happened, did not need the
//! preemption: its two steps are one in the baseline run, and are merged here. A task that was ready while time
//! advanced gets a stall deviation, and its place in FIFO order begins when the stall ends.
//!
//! # Invariants
//! - Replaying the deviations repeats the run exactly, without the strategy that found it.
//! - Their number is the smallest possible.

use crate::sorting::{pair, sort_by_number};
use crate::{Arrival, Choice, Deviation, Domain, Record};

impl Record {
    /// Returns the deviations that make the baseline run repeat this one.
    #[must_use]
    pub fn deviations(&self) -> Vec<Deviation> {
        self.rewritten(true)
    }

    /// As [`deviations`](Self::deviations), but keeps every preemption of this run.
    pub(crate) fn literal_deviations(&self) -> Vec<Deviation> {
        self.rewritten(false)
    }

    fn rewritten(&self, merged: bool) -> Vec<Deviation> {
        // For each step, the number of remaining steps before it, and whether it remains.
        let mut before = Vec::with_capacity(self.steps.len() + 1);
        let mut remains = Vec::with_capacity(self.steps.len());
        let mut count = 0_u64;
        for number in 0..self.steps.len() {
            before.push(count);
            let kept = !(merged && self.continues_at_once(number));
            remains.push(kept);
            count += u64::from(kept);
        }
        before.push(count);

        let ran_at = self.ran_at();
        let mut deviations = Vec::new();
        // Arrivals in the order in which their places in FIFO order begin.
        let mut turns: Vec<Turn> = Vec::new();
        for (number, arrival) in self.arrivals.iter().enumerate() {
            let ran = ran_at[number];
            if ran.is_some_and(|step| !remains[step]) {
                continue;
            }
            let end = ran.unwrap_or(self.steps.len());
            let stalled = self.advances_between(number, ran);
            if let Some(last) = stalled.last {
                let index = arrival.operation.map_or(0, |operation| operation + 1);
                deviations.push(self.deviation(*arrival, Domain::Stall, index, stalled.count));
                let advance = &self.advances[last];
                let begins = (advance.after_arrivals, last as u64 + 1);
                turns.push(Turn {
                    begins,
                    arrival: number,
                    after: before[advance.after_steps as usize],
                    end,
                });
            } else {
                let after = before[arrival.after_steps as usize];
                turns.push(Turn { begins: (number as u64, u64::MAX), arrival: number, after, end });
            }
        }
        sort_by_number(&mut turns, |turn| pair(turn.begins.0, turn.begins.1));

        // Arrivals after a preemption always need a deviation: in the baseline run there is no preemption.
        let plain: Vec<usize> =
            (0..turns.len()).filter(|&turn| self.arrivals[turns[turn].arrival].operation.is_none()).collect();
        let mut order = plain.clone();
        sort_by_number(&mut order, |&turn| turns[turn].end as u128);
        let numbers: Vec<u32> = order.iter().map(|&turn| turn as u32).collect();
        let mut in_turn = vec![false; turns.len()];
        for (&turn, member) in order.iter().zip(longest_increasing(&numbers)) {
            in_turn[turn] = member;
        }
        let mut moved: Vec<&Turn> =
            turns.iter().zip(&in_turn).filter(|(_, in_turn)| !**in_turn).map(|(turn, _)| turn).collect();
        sort_by_number(&mut moved, |turn| turn.end as u128);
        let moved = moved.into_iter().map(|turn| {
            let arrival = self.arrivals[turn.arrival];
            let waited = before[turn.end] - turn.after;
            let value = u32::try_from(waited + 1).expect("a run has fewer than 2^32 steps");
            match arrival.operation {
                None => self.deviation(arrival, Domain::Schedule, 0, value),
                Some(operation) => self.deviation(arrival, Domain::Operation, operation, value),
            }
        });
        let chosen = self.choices.iter().filter(|choice| choice.value != 0);
        let chosen = chosen.map(|choice| self.chosen(choice, choice.value));
        let mut all: Vec<Deviation> = moved.collect();
        all.extend(deviations);
        all.extend(chosen);
        all.extend(self.world_deviations.iter().map(|world| world.deviation.clone()));
        all
    }

    /// Returns the deviation that gives a choice this value.
    pub(crate) fn chosen(&self, choice: &Choice, value: u32) -> Deviation {
        let task = self.tasks[choice.task as usize].label.path.clone();
        let (domain, _, resume, index) = choice.key.parts();
        Deviation { task, resume, domain, index, value }
    }

    fn deviation(&self, arrival: Arrival, domain: Domain, index: u32, value: u32) -> Deviation {
        let task = self.tasks[arrival.task as usize].label.path.clone();
        Deviation { task, resume: arrival.resume, domain, index, value }
    }

    /// Returns whether the step continues the preempted task of the step before it, at the same time.
    pub(crate) fn continues_at_once(&self, step: usize) -> bool {
        let arrival = self.arrival_of(&self.steps[step]);
        let Some(previous) = step.checked_sub(1) else { return false };
        arrival.operation.is_some()
            && self.arrival_of(&self.steps[previous]).task == arrival.task
            && self.advances.binary_search_by_key(&(step as u64), |advance| advance.after_steps).is_err()
    }

    /// Counts the advances of time while an arrival was ready, and finds the last one.
    fn advances_between(&self, arrival: usize, ran: Option<usize>) -> Stalled {
        let first = self.advances.partition_point(|advance| advance.after_arrivals <= arrival as u64);
        let end = match ran {
            Some(step) => self.advances.partition_point(|advance| advance.after_steps <= step as u64),
            // A task that never ran was ready during all later advances.
            None => self.advances.len(),
        };
        let count = end.saturating_sub(first);
        Stalled { count: count as u32, last: (count > 0).then(|| end - 1) }
    }
}

struct Stalled {
    count: u32,
    /// The index of the last one in the record's advances.
    last: Option<usize>,
}

/// An arrival as the replay will order it.
#[derive(Debug)]
struct Turn {
    /// Its position among the others; equal ones are in the order of their arrivals.
    begins: (u64, u64),
    /// Index into [`Record::arrivals`].
    arrival: usize,
    /// The number of steps before its place in FIFO order begins.
    after: u64,
    /// The step that runs it, or the number of steps if none does.
    end: usize,
}

/// Marks the members of one longest strictly increasing subsequence.
fn longest_increasing(numbers: &[u32]) -> Vec<bool> {
    // For each length, the position at which a subsequence of that length ends with the smallest number so far.
    let mut ends: Vec<usize> = Vec::new();
    let mut previous: Vec<Option<usize>> = Vec::with_capacity(numbers.len());
    for (position, number) in numbers.iter().enumerate() {
        let length = ends.partition_point(|&end| numbers[end] < *number);
        previous.push(length.checked_sub(1).map(|shorter| ends[shorter]));
        if length == ends.len() {
            ends.push(position);
        } else {
            ends[length] = position;
        }
    }
    let mut member = vec![false; numbers.len()];
    let mut position = ends.last().copied();
    while let Some(current) = position {
        member[current] = true;
        position = previous[current];
    }
    member
}

#[cfg(test)]
mod tests {
    use super::longest_increasing;

    #[test]
    fn finds_a_longest_increasing_subsequence() {
        assert_eq!(longest_increasing(&[]), []);
        assert_eq!(longest_increasing(&[0, 1, 2]), [true, true, true]);
        assert_eq!(longest_increasing(&[3, 0, 1, 2]), [false, true, true, true]);
        assert_eq!(longest_increasing(&[1, 2, 3, 0]), [true, true, true, false]);
        assert_eq!(longest_increasing(&[2, 1, 0]).iter().filter(|member| **member).count(), 1);
    }
}
