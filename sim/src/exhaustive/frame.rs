//! [`Frame`]: one step of the path through the tree of schedules, and the alternatives still to be tried there.
//!
//! # Invariants
//! - The task that the frame runs is ready there and not asleep.

use super::dependence::Footprint;
use super::vector_clock::VectorClock;
use crate::{Announced, DecisionKey, TaskKey};

/// A task that is ready where a step is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) task: TaskKey,
    pub(super) resume: u32,
    pub(super) announced: Option<Announced>,
}

/// A decision other than which task runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) key: DecisionKey,
    pub(super) arity: u32,
    pub(super) value: u32,
}

/// A member of a sleep set: a task that need not run next, because every schedule that starts with it has been
/// explored. It wakes up when a step happens on which its next step depends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sleeper {
    pub(super) task: TaskKey,
    /// The effects of its next step.
    pub(super) footprint: Footprint,
}

/// A step of the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// The ready tasks, in order of arrival; empty until the path of a stored frontier has been run.
    pub(super) ready: Vec<Candidate>,
    /// The index of the task that was preempted just before, if it continues here.
    pub(super) continuing: Option<u32>,
    /// The task that runs.
    pub(super) task: TaskKey,
    /// The choices made within the step.
    pub(super) choices: Vec<Choice>,
    /// The effects of the step.
    pub(super) footprint: Footprint,

    // Used by the search with reduction.
    /// The tasks to try here, including the one that runs.
    pub(super) backtrack: Vec<TaskKey>,
    /// The tasks that need not be tried here, including those already tried.
    pub(super) asleep: Vec<Sleeper>,
    /// How many of them were asleep when the search first reached this step.
    pub(super) asleep_before: u32,
    /// The effects of this task in earlier runs from here, in which it chose otherwise.
    pub(super) earlier_footprint: Footprint,
    /// The number of advances of time before the step.
    pub(super) instant: u32,
    /// The steps that woke the task since it last ran, as indices into the path.
    pub(super) wakers: Vec<u32>,
    /// Whether it would have been ready without any of them.
    pub(super) ready_anyway: bool,
    /// The task's number, in the order in which the search first saw the tasks, from 0.
    pub(super) number: u32,
    /// The number of the step among those of its task, from 1.
    pub(super) nth: u32,
    /// The steps that happen before it.
    pub(super) clock: VectorClock,
    /// The steps before it that it races with, as indices into the path.
    pub(super) races: Vec<usize>,

    // Used by the bounded search.
    /// The rank of the candidate that runs, in the order in which they are tried.
    pub(super) rank: u32,
    /// The part of the bound used up before the step.
    pub(super) spent: u32,
}

impl Frame {
    /// Creates a step of `task` without further information.
    pub(super) fn of(task: TaskKey) -> Self {
        Self {
            ready: Vec::new(),
            continuing: None,
            task,
            choices: Vec::new(),
            footprint: Footprint::default(),
            backtrack: Vec::new(),
            asleep: Vec::new(),
            asleep_before: 0,
            earlier_footprint: Footprint::default(),
            instant: 0,
            wakers: Vec::new(),
            ready_anyway: false,
            number: 0,
            nth: 0,
            clock: VectorClock::default(),
            races: Vec::new(),
            rank: 0,
            spent: 0,
        }
    }

    /// Returns the candidate with this rank: first the task that continues, then the others in order of arrival.
    pub(super) fn candidate(&self, rank: usize) -> Option<&Candidate> {
        let index = match (self.continuing.map(|index| index as usize), rank) {
            (None, rank) => rank,
            (Some(first), 0) => first,
            (Some(first), rank) if rank <= first => rank - 1,
            (Some(_), rank) => rank,
        };
        self.ready.get(index)
    }

    pub(super) fn sleeps(&self, task: TaskKey) -> bool {
        self.asleep.iter().any(|sleeper| sleeper.task == task)
    }

    /// Returns the tasks that were asleep when the search first reached this step.
    pub(super) fn slept_before(&self) -> &[Sleeper] {
        &self.asleep[..self.asleep_before as usize]
    }

    /// Advances to the next combination of choices within the step; returns whether there is one.
    pub(super) fn choose_next(&mut self) -> bool {
        while let Some(choice) = self.choices.last_mut() {
            if choice.value + 1 < choice.arity {
                choice.value += 1;
                return true;
            }
            self.choices.pop();
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::{Candidate, Choice, Frame};
    use crate::{DecisionKey, TaskKey};

    #[test]
    fn the_continuing_task_comes_first() {
        let ready = (0..4).map(|task| Candidate { task: TaskKey(task), resume: 0, announced: None });
        let mut frame = Frame { ready: ready.collect(), ..Frame::of(TaskKey(0)) };
        let order = |frame: &Frame| {
            (0..).map_while(|rank| frame.candidate(rank)).map(|candidate| candidate.task.0).collect()
        };
        let orders: [Vec<u64>; 3] = [None, Some(0), Some(2)].map(|continuing| {
            frame.continuing = continuing;
            order(&frame)
        });
        assert_eq!(orders, [vec![0, 1, 2, 3], vec![0, 1, 2, 3], vec![2, 0, 1, 3]]);
    }

    #[test]
    fn choices_are_counted_through() {
        let choice = |arity| Choice {
            key: DecisionKey::Select { task: TaskKey(0), resume: 0, index: 0 },
            arity,
            value: 0,
        };
        let mut frame = Frame { choices: vec![choice(2), choice(3)], ..Frame::of(TaskKey(0)) };
        let mut seen = vec![vec![0, 0]];
        while frame.choose_next() {
            seen.push(frame.choices.iter().map(|choice| choice.value).collect());
            if frame.choices.len() < 2 {
                frame.choices.push(choice(3));
            }
        }
        assert_eq!(seen, [vec![0, 0], vec![0, 1], vec![0, 2], vec![1], vec![1, 1], vec![1, 2]]);
    }
}
