//! POS: partial order sampling. Yuan, Yang, Gu: *Partial Order Aware Concurrency Sampling*, CAV 2018.
//!
//! Every pending operation has a random priority of its own, and the task with the highest runs. Then the task that ran
//! draws a new one for its next operation, and so does every task whose pending operation races with what was done: an
//! order between operations that do not race is of no interest, and one between those that do is as likely as its
//! reverse. Weak where a bug needs one order of many tasks in a row, since each step forgets those before it.
//!
//! No parameters.
//!
//! Always true: a task that was woken or has just been started, of which nobody knows what it does next, has a priority
//! like the others, and races with nothing; where one task alone could run nothing is drawn.

use super::{Draw, Strategy};
use crate::source::Ready;
use crate::{Operation, TaskKey};

/// With more ready tasks than this the choice is uniform: looking through all of them at each step would take too long.
const CROWD: usize = 256;

/// A priority that has not been drawn yet.
const NONE: u64 = 0;

#[derive(Debug)]
struct Pending {
    priority: u64,
    slot: u32,
    operation: Option<Operation>,
}

/// A random priority for each pending operation, drawn again where there is a race.
#[derive(Debug, Default)]
pub struct Pos {
    ready: Vec<Pending>,
    current: u32,
    /// The priority of the operation that the running task gives way for.
    gave_way: u64,
}

impl Pos {
    /// No task is ready yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Where the highest priority is; one that is not drawn yet is drawn.
    #[inline]
    fn highest(&mut self, draw: &mut Draw) -> usize {
        let (mut best, mut highest) = (0, NONE);
        for (index, pending) in self.ready.iter_mut().enumerate() {
            if pending.priority == NONE {
                pending.priority = draw.number() | 1;
            }
            if pending.priority > highest {
                (best, highest) = (index, pending.priority);
            }
        }
        best
    }

    #[inline]
    fn crowd(&self) -> Option<u32> {
        let count = self.ready.len();
        (count > CROWD).then(|| u32::try_from(count).expect("fewer than 2^32 tasks are ready"))
    }
}

impl Strategy for Pos {
    #[inline]
    fn ready(&mut self, task: Ready, _draw: &mut Draw) {
        let priority = if task.slot == self.current { std::mem::take(&mut self.gave_way) } else { NONE };
        let operation = task.announced.map(|announced| announced.operation);
        self.ready.push(Pending { priority, slot: task.slot, operation });
    }

    #[inline]
    fn next(&mut self, draw: &mut Draw) -> Option<u32> {
        let index = match (self.ready.len(), self.crowd()) {
            (0, _) => return None,
            (1, _) => 0,
            (_, Some(count)) => draw.below(count) as usize,
            (_, None) => self.highest(draw),
        };
        self.current = self.ready.swap_remove(index).slot;
        self.gave_way = NONE;
        Some(self.current)
    }

    fn wants_operations(&self) -> bool {
        true
    }

    #[inline]
    fn gives_way(&mut self, _task: TaskKey, _operation: Operation, draw: &mut Draw) -> bool {
        if self.ready.is_empty() {
            return false;
        }
        if self.gave_way != NONE {
            return true;
        }
        let mine = draw.number() | 1;
        let highest = if self.crowd().is_some() { u64::MAX } else { self.highest_priority(draw) };
        if mine > highest {
            return false;
        }
        self.gave_way = mine;
        true
    }

    #[inline]
    fn performed(&mut self, _task: TaskKey, operation: Operation, _draw: &mut Draw) {
        if self.ready.len() > CROWD {
            return;
        }
        for pending in &mut self.ready {
            if pending.operation.is_some_and(|pending| pending.races_with(operation)) {
                pending.priority = NONE;
            }
        }
    }
}

impl Pos {
    fn highest_priority(&mut self, draw: &mut Draw) -> u64 {
        let index = self.highest(draw);
        self.ready[index].priority
    }
}
