//! POS: partial order sampling. Yuan, Yang, Gu: *Partial Order Aware Concurrency Sampling*, CAV 2018.
//!
//! Every pending operation has a random priority of its own, and the task with the highest runs. Then the task that ran
//! draws a new one for its next operation, and so does every task whose pending operation races with what was done: an
//! order between operations that do not race is of no interest, and one between those that do is as likely as its
//! reverse. Weak where a bug needs one order of many tasks in a row, since each step forgets those before it.
//!
//! In the paper every task's next operation is known. Of a task that was woken or has just been started it is not, and its
//! race with others is decided unawares. So three runs in four prefer woken tasks: whoever was woken runs at once, up to its first
//! operation. In the fourth it has a priority like the others, so that everything that can happen has a chance.
//!
//! No parameters.
//!
//! Always true: a task of which nobody knows what it does next races with nothing; where one task alone could run nothing
//! is drawn.

use super::priority::{Fairness, NONE, WakePriority, placed};
use super::{CROWD, Draw, Strategy};
use crate::{Operation, Ready, TaskKey};

#[derive(Debug)]
struct Pending {
    priority: u32,
    slot: u32,
    operation: Option<Operation>,
}

/// A random priority for each pending operation, drawn again where there is a race.
#[derive(Debug, Default)]
pub struct Pos {
    ready: Vec<Pending>,
    wake_priority: WakePriority,
    current: u32,
    /// The priority of the operation that the running task gives way for.
    preempted_priority: u32,
    /// What was chosen instead, by index, and among how many: it holds if nothing but the running task joins them.
    chosen: Option<(usize, usize)>,
    fairness: Fairness,
}

impl Pos {
    /// No task is ready yet.
    #[must_use]
    pub fn new() -> Self {
        let mut pos = Self::default();
        pos.renew();
        pos
    }

    /// Begins a run in the memory of the last one.
    pub(super) fn renew(&mut self) {
        let mut ready = std::mem::take(&mut self.ready);
        ready.clear();
        // Room for a few tasks at once: growing to it would take as long as a short run.
        ready.reserve(8);
        *self = Self { ready, ..Self::default() };
    }

    /// Where the highest priority is, and what it is; those that are not drawn yet are drawn.
    #[inline]
    fn highest(&mut self, draw: &mut Draw) -> (usize, u32) {
        let prefers_woken = self.wake_priority.is_on(draw);
        let (mut best, mut highest) = (0, NONE);
        for (index, pending) in self.ready.iter_mut().enumerate() {
            if pending.priority == NONE {
                pending.priority = placed(draw.priority(), prefers_woken, pending.operation.is_none());
            }
            best = if pending.priority > highest { index } else { best };
            highest = highest.max(pending.priority);
        }
        (best, highest)
    }
}

impl Strategy for Pos {
    #[inline]
    fn ready(&mut self, task: Ready, _draw: &mut Draw) {
        let priority =
            if task.slot == self.current { std::mem::take(&mut self.preempted_priority) } else { NONE };
        let operation = task.announced.map(|announced| announced.operation);
        self.ready.push(Pending { priority, slot: task.slot, operation });
    }

    #[inline]
    fn next(&mut self, draw: &mut Draw) -> Option<u32> {
        let index = match (self.ready.len(), self.chosen.take()) {
            (0, _) => return None,
            (1, _) => 0,
            (count, None) if self.fairness.demands_random(draw) => draw.index(count),
            (count, Some((index, among))) if count == among + 1 => index,
            (count, _) if count > CROWD => draw.index(count),
            _ => self.highest(draw).0,
        };
        self.current = self.ready.swap_remove(index).slot;
        self.preempted_priority = NONE;
        Some(self.current)
    }

    fn wants_operations(&self) -> bool {
        true
    }

    #[inline]
    fn should_preempt(&mut self, _task: TaskKey, _operation: Operation, draw: &mut Draw) -> bool {
        if self.ready.is_empty() {
            return false;
        }
        if self.preempted_priority != NONE {
            return true;
        }
        let drawn = draw.priority();
        let mine = placed(drawn, self.wake_priority.is_on(draw), false);
        let among = self.ready.len();
        if self.fairness.demands_random(draw) {
            self.chosen = Some((draw.index(among), among));
        } else if among <= CROWD {
            let (index, highest) = self.highest(draw);
            if mine > highest {
                return false;
            }
            self.chosen = Some((index, among));
        }
        self.preempted_priority = mine;
        true
    }

    fn time_passed(&mut self) {
        self.fairness.restart();
    }

    #[inline]
    fn performed(&mut self, _task: TaskKey, operation: Operation, _draw: &mut Draw) {
        if self.ready.len() > CROWD {
            return;
        }
        self.chosen = None;
        for pending in &mut self.ready {
            let races = pending.operation.is_some_and(|pending| pending.races_with(operation));
            pending.priority = if races { NONE } else { pending.priority };
        }
    }
}
