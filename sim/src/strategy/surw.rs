//! SURW: uniform over the orders of what matters. Zhao, Wolff, Mathur, Roychoudhury: *Selectively Uniform Concurrency
//! Testing*, ASPLOS 2025.
//!
//! A run attends to one resource. Which task accesses it next is drawn beforehand, each with a chance in proportion to the
//! accesses that are left of it and of the tasks that it has yet to spawn: the *intended* one. Whoever else is about to
//! access the resource is held until it has. All other operations have random priorities. Given exact counts, every order
//! of the accesses to that resource is as likely as any other, whatever else goes on. Weak where a bug needs the order of
//! accesses to several resources at once, or where blocking leaves few of the orders possible.
//!
//! Parameters: the resource, and how many accesses to it (that can give way) each task and all its descendants make.
//!
//! Always true: if the intended task can't run, and nobody else can that is not held, all are let go and another is drawn;
//! where one task alone could run nothing is drawn; without a resource this is a walk by random priorities.

use super::slots::Slots;
use super::{Draw, Strategy};
use crate::source::Ready;
use crate::{Access, Operation, ResourceKey, TaskKey};

/// A priority that has not been drawn yet.
const NONE: u64 = 0;

#[derive(Debug)]
struct Waiting {
    priority: u64,
    slot: u32,
    /// Accesses left.
    left: u32,
}

/// Uniform over the orders of accesses to one resource.
#[derive(Debug)]
pub struct Surw {
    resource: Option<ResourceKey>,
    /// By key.
    counts: Vec<(TaskKey, u32)>,
    left: Slots<Option<u32>>,
    /// Ready tasks that do something else next, or nobody knows what.
    free: Vec<Waiting>,
    /// Ready tasks that are about to access the resource: all but the intended one are held.
    at_resource: Vec<Waiting>,
    /// The slot of the task that accesses the resource next.
    intended: Option<u32>,
    /// The most that was ever left of a task.
    most: u32,
    current: u32,
    /// The priority of the operation that the running task gives way for.
    gave_way: u64,
}

impl Surw {
    /// Attends to `resource`, of which `counts` says how often a task and all its descendants access it.
    #[must_use]
    pub fn new(resource: Option<ResourceKey>, counts: &[(TaskKey, u32)]) -> Self {
        let mut counts = counts.to_vec();
        counts.sort_unstable();
        Self {
            resource: resource.filter(|_| !counts.is_empty()),
            counts,
            left: Slots::default(),
            free: Vec::new(),
            at_resource: Vec::new(),
            intended: None,
            most: 1,
            current: 0,
            gave_way: NONE,
        }
    }

    fn count(&self, task: TaskKey) -> u32 {
        let found = self.counts.binary_search_by_key(&task, |entry| entry.0);
        found.map_or(0, |index| self.counts[index].1)
    }

    /// The slot of the task that accesses the resource next: among the ready ones and the one that is under way, if it
    /// has this many accesses left.
    fn intend(&mut self, under_way: Option<u32>, draw: &mut Draw) -> u32 {
        let sum = |ready: &[Waiting]| ready.iter().map(|waiting| u64::from(waiting.left)).sum::<u64>();
        let mine = u64::from(under_way.unwrap_or(0));
        let total = mine + sum(&self.at_resource) + sum(&self.free);
        if total == 0 {
            return self.current;
        }
        let mut point = below(total, draw);
        let intended = if point < mine {
            self.current
        } else {
            point -= mine;
            let ready = self.at_resource.iter().chain(&self.free);
            let mut chosen = self.current;
            for waiting in ready {
                let left = u64::from(waiting.left);
                if point < left {
                    chosen = waiting.slot;
                    break;
                }
                point -= left;
            }
            chosen
        };
        self.intended = Some(intended);
        intended
    }

    /// The best of those that are not held, and its priority: its index among the free ones, or `None` for the intended.
    #[inline]
    fn best(&mut self, draw: &mut Draw) -> Option<(u64, Option<usize>)> {
        let mut best: Option<(u64, Option<usize>)> = None;
        for (index, waiting) in self.free.iter_mut().enumerate() {
            if waiting.priority == NONE {
                waiting.priority = draw.number() | 1;
            }
            if best.is_none_or(|(highest, _)| waiting.priority > highest) {
                best = Some((waiting.priority, Some(index)));
            }
        }
        if let Some(intended) = self.intended
            && let Some(waiting) = self.at_resource.iter_mut().find(|waiting| waiting.slot == intended)
        {
            if waiting.priority == NONE {
                waiting.priority = draw.number() | 1;
            }
            if best.is_none_or(|(highest, _)| waiting.priority > highest) {
                best = Some((waiting.priority, None));
            }
        }
        best
    }

    fn take(&mut self, draw: &mut Draw) -> Option<u32> {
        match (self.free.len(), self.at_resource.len()) {
            (0, 0) => return None,
            (1, 0) => return self.free.pop().map(|waiting| waiting.slot),
            (0, 1) => return self.at_resource.pop().map(|waiting| waiting.slot),
            _ => {}
        }
        if self.intended.is_none() && !self.at_resource.is_empty() {
            self.intend(None, draw);
        }
        let best = match self.best(draw) {
            Some(best) => best,
            None => {
                // The intended one can't run, and all others are held: another is drawn.
                self.intend(None, draw);
                self.best(draw)?
            }
        };
        match best.1 {
            Some(index) => Some(self.free.swap_remove(index).slot),
            None => {
                let intended = self.intended?;
                let index = self.at_resource.iter().position(|waiting| waiting.slot == intended)?;
                Some(self.at_resource.swap_remove(index).slot)
            }
        }
    }
}

/// A number below `bound`.
#[inline]
fn below(bound: u64, draw: &mut Draw) -> u64 {
    match u32::try_from(bound) {
        Ok(bound) => u64::from(draw.below(bound)),
        Err(_) => ((u128::from(draw.number()) * u128::from(bound)) >> 64) as u64,
    }
}

impl Strategy for Surw {
    #[inline]
    fn ready(&mut self, task: Ready, _draw: &mut Draw) {
        let left = match *self.left.of(task.slot, task.task) {
            Some(left) => left,
            None => {
                let count = self.count(task.task);
                *self.left.at(task.slot) = Some(count);
                self.most = self.most.max(count);
                count
            }
        };
        let priority = if task.slot == self.current { std::mem::take(&mut self.gave_way) } else { NONE };
        let resource = task.announced.map(|announced| announced.operation.resource);
        if self.resource.is_some() && self.resource == resource {
            self.at_resource.push(Waiting { priority, slot: task.slot, left: left.max(1) });
        } else {
            self.free.push(Waiting { priority, slot: task.slot, left });
        }
    }

    #[inline]
    fn next(&mut self, draw: &mut Draw) -> Option<u32> {
        self.current = self.take(draw)?;
        self.gave_way = NONE;
        Some(self.current)
    }

    fn wants_operations(&self) -> bool {
        true
    }

    fn gives_way(&mut self, _task: TaskKey, operation: Operation, draw: &mut Draw) -> bool {
        if self.free.is_empty() && self.at_resource.is_empty() {
            return false;
        }
        if self.gave_way != NONE {
            return true;
        }
        let mine = draw.number() | 1;
        let left = self.left.at(self.current).unwrap_or(0);
        let attends = self.resource == Some(operation.resource);
        if attends {
            let intended = match self.intended {
                Some(intended) => intended,
                None => self.intend(Some(left.max(1)), draw),
            };
            if intended != self.current {
                self.gave_way = mine;
                return true;
            }
        } else if self.intended.is_none() && !self.at_resource.is_empty() {
            self.intend(Some(left), draw);
        }
        if self.best(draw).is_none_or(|(highest, _)| mine > highest) {
            return false;
        }
        self.gave_way = mine;
        true
    }

    #[inline]
    fn performed(&mut self, _task: TaskKey, operation: Operation, _draw: &mut Draw) {
        if self.resource != Some(operation.resource) || operation.access == Access::Release {
            return;
        }
        if let Some(left) = self.left.at(self.current) {
            *left = left.saturating_sub(1);
        }
        if self.intended == Some(self.current) {
            self.intended = None;
        }
    }

    fn spawned(&mut self, parent: TaskKey, child: TaskKey) {
        let slot =
            if self.left.is(self.current, parent) { Some(self.current) } else { self.left.find(parent) };
        let count = self.count(child);
        if let Some(slot) = slot
            && let Some(left) = self.left.at(slot)
        {
            *left = left.saturating_sub(count);
        }
    }

    fn finished(&mut self, task: TaskKey) {
        if self.intended.is_some_and(|slot| self.left.is(slot, task)) {
            self.intended = None;
        }
    }
}
