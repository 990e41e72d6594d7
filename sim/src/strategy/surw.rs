//! SURW: uniform over the orders of accesses to one resource. Zhao, Wolff, Mathur, Roychoudhury: *Selectively Uniform
//! Concurrency Testing*, ASPLOS 2025.
//!
//! A run selects one resource. The *intended* task, which accesses the resource next, is drawn in advance; each task's
//! chance is proportional to the accesses left to it and to the tasks that it has yet to spawn. Any other task about to
//! access the resource is held until the intended task has done so. All other operations have random priorities. With
//! exact counts, every order of the accesses to the resource is equally likely, whatever the other operations.
//!
//! SURW is weak where a bug needs an order of accesses to several resources, and where blocking makes few of the orders
//! possible.
//!
//! Deviation from the paper: the paper does not say in which order the other operations run. Three runs in four prefer
//! woken tasks: a woken task runs at once, until its first operation, and the intended task accesses the resource as
//! soon as it can. The fourth uses random priorities throughout, so that every schedule is possible.
//!
//! Parameters: the resource, and how many accesses to it (those with a preemption point) each task makes together with
//! all its descendants.
//!
//! # Invariants
//! - If neither the intended task nor any task that is not held can run, another intended task is drawn.
//! - Where only one task could run, nothing is drawn.
//! - Without a resource, this is a walk by random priorities.

use super::fairness::Fairness;
use super::wake_priority::{NONE, WOKEN, WakePriority, placed};
use super::weights::{Weights, below};
use super::{Draw, SCAN_MAX, Strategy};
use crate::{Access, Operation, Ready, ResourceKey, TaskKey};

#[derive(Debug)]
struct ReadyTask {
    priority: u32,
    slot: u32,
    /// The accesses left to the task and the descendants that it has yet to spawn.
    left: u32,
    /// Whether its next operation is unknown.
    woken: bool,
}

/// Finds the ready task in this slot. Scans all entries: stopping at a random one costs more.
#[inline]
fn find(waiting: &mut [ReadyTask], slot: u32) -> Option<(usize, &mut ReadyTask)> {
    let mut found = usize::MAX;
    for (index, waiting) in waiting.iter().enumerate() {
        found = if waiting.slot == slot { index } else { found };
    }
    Some((found, waiting.get_mut(found)?))
}

/// The task picked to run next: the index of one in `free`, or the index in `at_resource` of the intended one. One
/// number, so that it fits a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pick(usize);

impl Default for Pick {
    fn default() -> Self {
        Self::NONE
    }
}

impl Pick {
    /// No task.
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
    fn is_intended(self) -> bool {
        self.0 & 1 != 0
    }

    #[inline]
    fn index(self) -> usize {
        self.0 >> 1
    }
}

/// Counts the tasks whose range of points ends at or before `point`. The ranges follow each other from `end` on, each
/// as long as the accesses left to its task; `end` moves to the end of the last. Scans all entries: stopping at a
/// random one costs more.
#[inline]
fn pass(waiting: &[ReadyTask], end: &mut u64, point: u64) -> usize {
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
    /// Ready tasks whose next operation is on something else or unknown.
    free: Vec<ReadyTask>,
    /// Ready tasks about to access the resource: all except the intended one are held.
    at_resource: Vec<ReadyTask>,
    /// The sum of the accesses left to all ready tasks.
    total: u64,
    /// The slot of the intended task.
    intended: Option<u32>,
    wake_priority: WakePriority,
    /// The child that the intended task has just spawned, with the child's share of the accesses and the number left to
    /// the parent before.
    inheriting_child: Option<(TaskKey, u32, u32)>,
    current: u32,
    /// The priority of the operation before which the running task was preempted.
    preempted_priority: u32,
    fairness: Fairness,
    /// The task picked in place of the preempted one, if any, and the number of ready tasks at that time. The pick is
    /// valid only if none but the preempted task has become ready since.
    chosen: Pick,
    among: usize,
}

impl Surw {
    /// Creates the state of a run for `resource`; `counts` says how often each task and all its descendants access it.
    #[must_use]
    pub fn new(resource: Option<ResourceKey>, counts: &[(TaskKey, u32)]) -> Self {
        let mut surw = Self::default();
        surw.reset(resource, counts);
        surw
    }

    /// Begins a run that reuses the memory of the last one.
    pub(super) fn reset(&mut self, resource: Option<ResourceKey>, counts: &[(TaskKey, u32)]) {
        let resource_of_run = resource.filter(|_| !counts.is_empty());
        let Self {
            resource,
            left,
            free,
            at_resource,
            total,
            intended,
            wake_priority,
            inheriting_child,
            current,
            preempted_priority,
            fairness,
            chosen,
            among,
        } = self;
        *resource = resource_of_run;
        left.reset(counts, 0);
        for waiting in [free, at_resource] {
            waiting.clear();
            // Capacity for a few tasks at once: growing step by step would take as long as a short run.
            waiting.reserve(8);
        }
        *total = 0;
        *intended = None;
        // Without a resource there is no access that woken tasks could reach sooner.
        *wake_priority =
            if resource_of_run.is_none() { WakePriority::none() } else { WakePriority::default() };
        *inheriting_child = None;
        *current = 0;
        *preempted_priority = NONE;
        *fairness = Fairness::default();
        *chosen = Pick::NONE;
        *among = 0;
    }

    /// Moves the intention from a task to the child that it has spawned, with a chance proportional to the child's
    /// share.
    fn inherit(&mut self, child: Ready, draw: &mut Draw) {
        if let Some((task, part, before)) = self.inheriting_child.take()
            && task == child.task
            && (part >= before || draw.below(before) < part)
        {
            self.intended = Some(child.slot);
        }
    }

    /// Draws the intended task among the ready tasks and the running one, which has `under_way` accesses left (0
    /// excludes it).
    fn draw_intended(&mut self, under_way: u32, draw: &mut Draw) -> u32 {
        let all = self.at_resource.len() + self.free.len();
        let waiting = |index: usize| match index.checked_sub(self.at_resource.len()) {
            None => &self.at_resource[index],
            Some(index) => &self.free[index],
        };
        let intended = if all > SCAN_MAX {
            waiting(self.left.pick_by_rejection(all, |index| waiting(index).left, draw)).slot
        } else {
            let total = self.total + u64::from(under_way);
            let point = below(total.max(1), draw);
            // The first task whose range ends beyond the point.
            let mut end = 0;
            let index = pass(&self.at_resource, &mut end, point) + pass(&self.free, &mut end, point);
            if index < all { waiting(index).slot } else { self.current }
        };
        self.intended = Some(intended);
        intended
    }

    /// Picks the task with the highest priority among those that are not held; returns the priority and the task.
    #[inline]
    fn pick(&mut self, draw: &mut Draw) -> (u32, Pick) {
        let prefers_woken = self.wake_priority.is_on(draw);
        let mut best = Pick::NONE;
        let mut highest = NONE;
        if let Some(intended) = self.intended
            && let Some((index, waiting)) = find(&mut self.at_resource, intended)
        {
            if waiting.priority == NONE {
                waiting.priority = draw.priority();
            }
            highest = if prefers_woken { WOKEN } else { waiting.priority };
            best = Pick::intended(index);
        }
        if self.free.len() > SCAN_MAX {
            return if prefers_woken && best != Pick::NONE {
                (highest, best)
            } else {
                (u32::MAX, Pick::free(draw.index(self.free.len())))
            };
        }
        for (index, waiting) in self.free.iter_mut().enumerate() {
            if waiting.priority == NONE {
                waiting.priority = placed(draw.priority(), prefers_woken, waiting.woken);
            }
            best = if waiting.priority > highest { Pick::free(index) } else { best };
            highest = highest.max(waiting.priority);
        }
        (highest, best)
    }

    #[inline]
    fn take(&mut self, draw: &mut Draw) -> Option<ReadyTask> {
        match (self.free.len(), self.at_resource.len()) {
            (_, 0) if self.free.len() < 2 => return self.free.pop(),
            (0, 1) => return self.at_resource.pop(),
            (_, 0) => {}
            _ if self.intended.is_none() => {
                self.draw_intended(0, draw);
            }
            _ => {}
        }
        if self.chosen == Pick::NONE && self.fairness.demands_random(draw) {
            let (free, held) = (self.free.len(), self.at_resource.len());
            return Some(match draw.index(free + held) {
                index if index < free => self.free.swap_remove(index),
                index => self.at_resource.swap_remove(index - free),
            });
        }
        let mut pick = self.chosen;
        if pick == Pick::NONE || self.among + 1 != self.free.len() + self.at_resource.len() {
            pick = self.pick(draw).1;
        }
        if pick == Pick::NONE {
            // The intended task can't run, and all others are held: another is drawn.
            self.draw_intended(0, draw);
            pick = self.pick(draw).1;
        }
        let waiting = if pick.is_intended() { &mut self.at_resource } else { &mut self.free };
        Some(waiting.swap_remove(pick.index()))
    }
}

impl Strategy for Surw {
    #[inline]
    fn ready(&mut self, task: Ready, draw: &mut Draw) {
        let left = self.left.of(task.slot, task.task);
        if self.inheriting_child.is_some() {
            self.inherit(task, draw);
        }
        let priority =
            if task.slot == self.current { std::mem::take(&mut self.preempted_priority) } else { NONE };
        let mut waiting = ReadyTask { priority, slot: task.slot, left, woken: task.announced.is_none() };
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
        self.chosen = Pick::NONE;
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
                None => self.draw_intended(left.max(1), draw),
            };
            if intended != self.current {
                self.preempted_priority = mine;
                return true;
            }
            if self.wake_priority.is_on(draw) {
                mine = WOKEN;
            }
        } else if self.intended.is_none() && !self.at_resource.is_empty() {
            self.draw_intended(left, draw);
        }
        let (highest, pick) = self.pick(draw);
        let preempt = pick != Pick::NONE && mine <= highest;
        if preempt {
            self.preempted_priority = mine;
            self.chosen = pick;
            self.among = self.free.len() + self.at_resource.len();
        }
        preempt
    }

    fn time_passed(&mut self) {
        self.fairness.restart();
    }

    #[inline]
    fn performed(&mut self, _task: TaskKey, operation: Operation, _draw: &mut Draw) {
        self.chosen = Pick::NONE;
        // A release is not a preemption point, so it is not counted.
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
        self.inheriting_child = (intended && part > 0).then_some((child, part, before));
    }

    fn finished(&mut self, task: TaskKey) {
        if self.intended.is_some_and(|slot| self.left.is(slot, task)) {
            self.intended = None;
        }
    }
}
