//! Rewriting a recorded run as deviations from the quiet run.
//!
//! Always true: replaying the deviations repeats the run exactly, without the strategy that found it; and their number
//! is the smallest that can do so. A resumption needs no deviation if it runs in its turn, and the largest set of
//! resumptions that run in their turn is a longest subsequence of the steps in which arrivals only increase; those that
//! were still ready when the run ended count as running after all others.

use crate::{Deviation, Domain, Record};

impl Record {
    /// The deviations that make the quiet run repeat this one.
    #[must_use]
    pub fn deviations(&self) -> Vec<Deviation> {
        let mut order: Vec<u32> = self.steps.iter().map(|step| step.arrival).collect();
        let mut left = vec![true; self.arrivals.len()];
        order.iter().for_each(|&arrival| left[arrival as usize] = false);
        order.extend((0_u32..).zip(&left).filter(|(_, left)| **left).map(|(arrival, _)| arrival));
        let in_turn = longest_increasing(&order);
        let moved = order.iter().enumerate().zip(&in_turn).filter(|(_, in_turn)| !**in_turn).map(
            |((number, &arrival), _)| {
                let arrival = self.arrivals[arrival as usize];
                let waited = number as u64 - arrival.after_steps;
                Deviation {
                    task: self.tasks[arrival.task as usize].label.path.clone(),
                    resume: arrival.resume,
                    domain: Domain::Schedule,
                    index: 0,
                    value: u32::try_from(waited + 1).expect("a run has fewer than 2^32 steps"),
                }
            },
        );
        let chosen = self.choices.iter().filter(|choice| choice.value != 0).map(|choice| Deviation {
            task: self.tasks[choice.task as usize].label.path.clone(),
            resume: choice.key.resume,
            domain: choice.key.domain,
            index: choice.key.index,
            value: choice.value,
        });
        moved.chain(chosen).collect()
    }
}

/// Marks the members of one longest strictly increasing subsequence (patience sorting).
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
