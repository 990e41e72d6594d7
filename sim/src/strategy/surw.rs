//! SURW: uniform over the orders of what matters. Zhao, Wolff, Mathur, Roychoudhury: *Selectively Uniform Concurrency
//! Testing*, ASPLOS 2025.
//!
//! A run attends to one resource. Which task accesses it next is drawn beforehand, each with a chance in proportion to the
//! accesses that are left of it and of the tasks that it has yet to spawn: the *intended* one. Whoever else is about to
//! access the resource is held until it has. All other operations have random priorities. Given exact counts, every order
//! of the accesses to that resource is as likely as any other, whatever else goes on. Weak where a bug needs the order of
//! accesses to several resources at once, or where blocking leaves few of the orders possible.
//!
//! The paper leaves open in what order everything else is done. Three runs in four prefer woken tasks: whoever was woken runs at
//! once, up to its first operation, and the intended one accesses the resource as soon as it can, so that all else is late.
//! The fourth goes by priority throughout, so that everything that can happen has a chance.
//!
//! Parameters: the resource, and how many accesses to it (that can give way) each task and all its descendants make.
//!
//! Always true: if the intended task can't run, and nobody else can that is not held, all are let go and another is drawn;
//! where one task alone could run nothing is drawn; without a resource this is a walk by random priorities.

use super::priority::{Fairness, NONE, WOKEN, WakePriority, placed};
use super::weights::{Weights, below};
use super::{CROWD, Draw, Strategy};
use crate::{Access, Operation, Ready, ResourceKey, TaskKey};

#[derive(Debug)]
struct Waiting {
    priority: u32,
    slot: u32,
    /// Accesses left.
    left: u32,
    /// Its operation is not known.
    woken: bool,
}

/// Who waits in this slot. All are looked at: to stop at a random one costs more.
#[inline]
fn find(waiting: &mut [Waiting], slot: u32) -> Option<(usize, &mut Waiting)> {
    let mut found = usize::MAX;
    for (index, waiting) in waiting.iter().enumerate() {
        found = if waiting.slot == slot { index } else { found };
    }
    Some((found, waiting.get_mut(found)?))
}

/// Whose turn it is: one that is free, by index, or the intended one, by index among those at the resource. One number, so
/// that it comes and goes in a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Turn(usize);

impl Default for Turn {
    fn default() -> Self {
        Self::NONE
    }
}

impl Turn {
    /// Nobody's.
    const NONE: Self = Self(usize::MAX);

    #[inline]
    fn free(index: usize) -> Self {
        Self(index << 1)
    }

    #[inline]
    fn intended(index: usize) -> Self {
        Self(index << 1 | 1)
    }

    #[inline]
    fn is_of_intended(self) -> bool {
        self.0 & 1 != 0
    }

    #[inline]
    fn index(self) -> usize {
        self.0 >> 1
    }
}

/// Counts those whose part ends at `point` or before it, each part as long as what is left of one, one after the other from
/// `end` on, which moves. All are looked at: to stop at a random one costs more.
#[inline]
fn pass(waiting: &[Waiting], end: &mut u64, point: u64) -> usize {
    let mut passed = 0;
    for waiting in waiting {
        *end += u64::from(waiting.left);
        passed += usize::from(*end <= point);
    }
    passed
}

/// Uniform over the orders of accesses to one resource.
#[derive(Debug, Default)]
pub struct Surw {
    resource: Option<ResourceKey>,
    left: Weights,
    /// Ready tasks that do something else next, or nobody knows what.
    free: Vec<Waiting>,
    /// Ready tasks that are about to access the resource: all but the intended one are held.
    at_resource: Vec<Waiting>,
    /// The accesses left of all of these.
    total: u64,
    /// The slot of the task that accesses the resource next.
    intended: Option<u32>,
    wake_priority: WakePriority,
    /// The intended one has just spawned this task, which has this many accesses of the many that were left.
    heir: Option<(TaskKey, u32, u32)>,
    current: u32,
    /// The priority of the operation that the running task gives way for.
    preempted_priority: u32,
    fairness: Fairness,
    /// What was chosen instead, if anything was, and among how many: it holds if nothing but the running task joins them.
    chosen: Turn,
    among: usize,
}

impl Surw {
    /// Attends to `resource`, of which `counts` says how often a task and all its descendants access it.
    #[must_use]
    pub fn new(resource: Option<ResourceKey>, counts: &[(TaskKey, u32)]) -> Self {
        let mut surw = Self::default();
        surw.renew(resource, counts);
        surw
    }

    /// Begins a run in the memory of the last one.
    pub(super) fn renew(&mut self, resource: Option<ResourceKey>, counts: &[(TaskKey, u32)]) {
        let told = resource.filter(|_| !counts.is_empty());
        let Self {
            resource,
            left,
            free,
            at_resource,
            total,
            intended,
            wake_priority,
            heir,
            current,
            preempted_priority,
            fairness,
            chosen,
            among,
        } = self;
        *resource = told;
        left.renew(counts, 0);
        for waiting in [free, at_resource] {
            waiting.clear();
            // Room for a few tasks at once: growing to it would take as long as a short run.
            waiting.reserve(8);
        }
        *total = 0;
        *intended = None;
        // Without a resource there is nothing to hasten to.
        *wake_priority = if told.is_none() { WakePriority::none() } else { WakePriority::default() };
        *heir = None;
        *current = 0;
        *preempted_priority = NONE;
        *fairness = Fairness::default();
        *chosen = Turn::NONE;
        *among = 0;
    }

    /// What was intended for a task may be for one that it has spawned.
    fn inherit(&mut self, child: Ready, draw: &mut Draw) {
        if let Some((task, part, before)) = self.heir.take()
            && task == child.task
            && (part >= before || draw.below(before) < part)
        {
            self.intended = Some(child.slot);
        }
    }

    /// Draws the task that accesses the resource next: among the ready ones, and the one that is under way if it has this
    /// many accesses left.
    fn intend(&mut self, under_way: u32, draw: &mut Draw) -> u32 {
        let all = self.at_resource.len() + self.free.len();
        let waiting = |index: usize| match index.checked_sub(self.at_resource.len()) {
            None => &self.at_resource[index],
            Some(index) => &self.free[index],
        };
        let intended = if all > CROWD {
            waiting(self.left.pick_in_crowd(all, |index| waiting(index).left, draw)).slot
        } else {
            let total = self.total + u64::from(under_way);
            let point = below(total.max(1), draw);
            // The first whose end lies beyond the point.
            let mut end = 0;
            let index = pass(&self.at_resource, &mut end, point) + pass(&self.free, &mut end, point);
            if index < all { waiting(index).slot } else { self.current }
        };
        self.intended = Some(intended);
        intended
    }

    /// Whose turn it is of those that are not held, if there are any, and with what priority.
    #[inline]
    fn turn(&mut self, draw: &mut Draw) -> (u32, Turn) {
        let prefers_woken = self.wake_priority.is_on(draw);
        let mut best = Turn::NONE;
        let mut highest = NONE;
        if let Some(intended) = self.intended
            && let Some((index, waiting)) = find(&mut self.at_resource, intended)
        {
            if waiting.priority == NONE {
                waiting.priority = draw.priority();
            }
            highest = if prefers_woken { WOKEN } else { waiting.priority };
            best = Turn::intended(index);
        }
        if self.free.len() > CROWD {
            return if prefers_woken && best != Turn::NONE {
                (highest, best)
            } else {
                (u32::MAX, Turn::free(draw.index(self.free.len())))
            };
        }
        for (index, waiting) in self.free.iter_mut().enumerate() {
            if waiting.priority == NONE {
                waiting.priority = placed(draw.priority(), prefers_woken, waiting.woken);
            }
            best = if waiting.priority > highest { Turn::free(index) } else { best };
            highest = highest.max(waiting.priority);
        }
        (highest, best)
    }

    #[inline]
    fn take(&mut self, draw: &mut Draw) -> Option<Waiting> {
        match (self.free.len(), self.at_resource.len()) {
            (_, 0) if self.free.len() < 2 => return self.free.pop(),
            (0, 1) => return self.at_resource.pop(),
            (_, 0) => {}
            _ if self.intended.is_none() => {
                self.intend(0, draw);
            }
            _ => {}
        }
        if self.chosen == Turn::NONE && self.fairness.demands_random(draw) {
            let (free, held) = (self.free.len(), self.at_resource.len());
            return Some(match draw.index(free + held) {
                index if index < free => self.free.swap_remove(index),
                index => self.at_resource.swap_remove(index - free),
            });
        }
        let mut turn = self.chosen;
        if turn == Turn::NONE || self.among + 1 != self.free.len() + self.at_resource.len() {
            turn = self.turn(draw).1;
        }
        if turn == Turn::NONE {
            // The intended one can't run, and all others are held: another is drawn.
            self.intend(0, draw);
            turn = self.turn(draw).1;
        }
        let waiting = if turn.is_of_intended() { &mut self.at_resource } else { &mut self.free };
        Some(waiting.swap_remove(turn.index()))
    }
}

impl Strategy for Surw {
    #[inline]
    fn ready(&mut self, task: Ready, draw: &mut Draw) {
        let left = self.left.of(task.slot, task.task);
        if self.heir.is_some() {
            self.inherit(task, draw);
        }
        let priority =
            if task.slot == self.current { std::mem::take(&mut self.preempted_priority) } else { NONE };
        let mut waiting = Waiting { priority, slot: task.slot, left, woken: task.announced.is_none() };
        match task.announced {
            Some(announced) if Some(announced.operation.resource) == self.resource => {
                waiting.left = left.max(1);
                self.total += u64::from(waiting.left);
                self.at_resource.push(waiting);
            }
            _ => {
                self.total += u64::from(left);
                self.free.push(waiting);
            }
        }
    }

    #[inline]
    fn next(&mut self, draw: &mut Draw) -> Option<u32> {
        let taken = self.take(draw)?;
        self.total -= u64::from(taken.left);
        self.current = taken.slot;
        self.preempted_priority = NONE;
        self.chosen = Turn::NONE;
        Some(self.current)
    }

    fn wants_operations(&self) -> bool {
        true
    }

    #[inline]
    fn should_preempt(&mut self, _task: TaskKey, operation: Operation, draw: &mut Draw) -> bool {
        if self.free.is_empty() && self.at_resource.is_empty() {
            return false;
        }
        if self.preempted_priority != NONE {
            return true;
        }
        let drawn = draw.priority();
        let mut mine = placed(drawn, self.wake_priority.is_on(draw), false);
        let left = self.left.at(self.current);
        if self.fairness.demands_random(draw) {
            self.preempted_priority = mine;
            return true;
        }
        if self.resource == Some(operation.resource) {
            let intended = match self.intended {
                Some(intended) => intended,
                None => self.intend(left.max(1), draw),
            };
            if intended != self.current {
                self.preempted_priority = mine;
                return true;
            }
            if self.wake_priority.is_on(draw) {
                mine = WOKEN;
            }
        } else if self.intended.is_none() && !self.at_resource.is_empty() {
            self.intend(left, draw);
        }
        let (highest, turn) = self.turn(draw);
        let preempt = turn != Turn::NONE && mine <= highest;
        if preempt {
            self.preempted_priority = mine;
            self.chosen = turn;
            self.among = self.free.len() + self.at_resource.len();
        }
        preempt
    }

    fn time_passed(&mut self) {
        self.fairness.restart();
    }

    #[inline]
    fn performed(&mut self, _task: TaskKey, operation: Operation, _draw: &mut Draw) {
        self.chosen = Turn::NONE;
        // Letting go can't give way, and does not count.
        if self.resource != Some(operation.resource) || operation.access == Access::Release {
            return;
        }
        self.left.step(self.current);
        if self.intended == Some(self.current) {
            self.intended = None;
        }
    }

    fn spawned(&mut self, parent: TaskKey, child: TaskKey) {
        let intended = self.intended.is_some_and(|slot| self.left.is(slot, parent));
        let (part, before) = self.left.spawned(self.current, parent, child);
        self.heir = (intended && part > 0).then_some((child, part, before));
    }

    fn finished(&mut self, task: TaskKey) {
        if self.intended.is_some_and(|slot| self.left.is(slot, task)) {
            self.intended = None;
        }
    }
}
