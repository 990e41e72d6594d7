//! One step of the path through the tree of schedules, and what is still to be tried in its place.
//!
//! Always true: the task that the frame runs is among those that are ready there, and none that sleeps.

use super::clock::Clock;
use super::footprint::Footprint;
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

/// A task that need not run next, as all that begins so has been explored; until something that its next step depends on
/// has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sleeper {
    pub(super) task: TaskKey,
    /// What its next step does.
    pub(super) does: Footprint,
}

/// A step of the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Who is ready, in order of arrival; empty where a stored frontier has not been walked along yet.
    pub(super) ready: Vec<Candidate>,
    /// The one of them that goes on where it has given way just before, if there is one.
    pub(super) goes_on: Option<u32>,
    /// The task that runs.
    pub(super) task: TaskKey,
    /// What it chooses meanwhile.
    pub(super) choices: Vec<Choice>,
    /// What it does.
    pub(super) does: Footprint,

    // For the search with reduction.
    /// The tasks that are to be tried here, the one that runs included.
    pub(super) wanted: Vec<TaskKey>,
    /// The tasks that need not be tried here, those that have been included.
    pub(super) asleep: Vec<Sleeper>,
    /// How many of them slept already when the search came here first.
    pub(super) asleep_before: u32,
    /// What the task did in earlier runs from here, in which it chose otherwise.
    pub(super) did: Footprint,
    /// How often time has moved before the step.
    pub(super) instant: u32,
    /// The steps that woke the task that runs since it was last run, as indices into the path.
    pub(super) wakers: Vec<u32>,
    /// Whether it would have been ready without any of them.
    pub(super) ready_anyway: bool,
    /// Which task it is, counted from 0 in the order in which the search first saw them.
    pub(super) number: u32,
    /// The how-many-th step of the task it is, from 1.
    pub(super) nth: u32,
    /// Which steps come before it.
    pub(super) clock: Clock,
    /// The steps before it that it races with, as indices into the path.
    pub(super) races: Vec<usize>,

    // For the bounded search.
    /// Which of the candidates, in the order in which they are tried, runs.
    pub(super) rank: u32,
    /// How much of the bound has been used up before the step.
    pub(super) spent: u32,
}

impl Frame {
    /// A step of `task` of which no more is known yet.
    pub(super) fn of(task: TaskKey) -> Self {
        Self {
            ready: Vec::new(),
            goes_on: None,
            task,
            choices: Vec::new(),
            does: Footprint::default(),
            wanted: Vec::new(),
            asleep: Vec::new(),
            asleep_before: 0,
            did: Footprint::default(),
            instant: 0,
            wakers: Vec::new(),
            ready_anyway: false,
            number: 0,
            nth: 0,
            clock: Clock::default(),
            races: Vec::new(),
            rank: 0,
            spent: 0,
        }
    }

    /// The candidate with this rank: first whoever goes on, then the others in order of arrival.
    pub(super) fn candidate(&self, rank: usize) -> Option<&Candidate> {
        let index = match (self.goes_on.map(|index| index as usize), rank) {
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

    /// The tasks that slept already when the search came here first.
    pub(super) fn slept_before(&self) -> &[Sleeper] {
        &self.asleep[..self.asleep_before as usize]
    }

    /// Moves on to the next combination of choices within the step; whether there is one.
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
    fn whoever_goes_on_comes_first() {
        let ready = (0..4).map(|task| Candidate { task: TaskKey(task), resume: 0, announced: None });
        let mut frame = Frame { ready: ready.collect(), ..Frame::of(TaskKey(0)) };
        let order = |frame: &Frame| {
            (0..).map_while(|rank| frame.candidate(rank)).map(|candidate| candidate.task.0).collect()
        };
        let orders: [Vec<u64>; 3] = [None, Some(0), Some(2)].map(|goes_on| {
            frame.goes_on = goes_on;
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
