//! SURW: uniform over the orders of what matters. Zhao, Wolff, Mathur, Roychoudhury: *Selectively Uniform Concurrency
//! Testing*, ASPLOS 2025.
//!
//! A run attends to one resource. Which task accesses it next is drawn beforehand, each with a chance in proportion to the
//! accesses that are left of it and of the tasks that it has yet to spawn: the *intended* one. Whoever else is about to
//! access the resource is held until it has. All other operations have random priorities. Given exact counts, every order
//! of the accesses to that resource is as likely as any other, whatever else goes on. Weak where a bug needs the order of
//! accesses to several resources at once, or where blocking leaves few of the orders possible.
//!
//! The paper leaves open in what order everything else is done. Three runs in four are *hasty*: whoever was woken runs at
//! once, up to its first operation, and the intended one accesses the resource as soon as it can, so that all else is late.
//! The fourth goes by priority throughout, so that everything that can happen has a chance.
//!
//! Parameters: the resource, and how many accesses to it (that can give way) each task and all its descendants make.
//!
//! Always true: if the intended task can't run, and nobody else can that is not held, all are let go and another is drawn;
//! where one task alone could run nothing is drawn; without a resource this is a walk by random priorities.

use super::haste::{Haste, WOKEN, placed};
use super::patience::Patience;
use super::weights::{Weights, below};
use super::{CROWD, Draw, Strategy};
use crate::source::Ready;
use crate::{Access, Operation, ResourceKey, TaskKey};

/// A priority that has not been drawn yet.
const NONE: u32 = 0;

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

/// Whose turn it is.
#[derive(Clone, Copy, Debug)]
enum Turn {
    /// One that is free, by index.
    Free(usize),
    /// The intended one, by index among those at the resource.
    Intended(usize),
}

/// Uniform over the orders of accesses to one resource.
#[derive(Debug)]
pub struct Surw {
    resource: Option<ResourceKey>,
    left: Weights,
    /// Ready tasks that do something else next, or nobody knows what.
    free: Vec<Waiting>,
    /// Ready tasks that are about to access the resource: all but the intended one are held.
    at_resource: Vec<Waiting>,
    /// The slot of the task that accesses the resource next.
    intended: Option<u32>,
    haste: Haste,
    /// The intended one has just spawned this task, which has this many accesses of the many that were left.
    heir: Option<(TaskKey, u32, u32)>,
    current: u32,
    /// The priority of the operation that the running task gives way for.
    gave_way: u32,
    patience: Patience,
    /// What was chosen instead, and among how many: it holds if nothing but the running task joins them.
    chosen: Option<(Turn, usize)>,
}

impl Surw {
    /// Attends to `resource`, of which `counts` says how often a task and all its descendants access it.
    #[must_use]
    pub fn new(resource: Option<ResourceKey>, counts: &[(TaskKey, u32)]) -> Self {
        let resource = resource.filter(|_| !counts.is_empty());
        Self {
            resource,
            left: Weights::new(counts, 0),
            // Room for a few tasks at once: growing to it would take as long as a short run.
            free: Vec::with_capacity(8),
            at_resource: Vec::with_capacity(8),
            intended: None,
            // Without a resource there is nothing to hasten to.
            haste: if resource.is_none() { Haste::none() } else { Haste::default() },
            heir: None,
            current: 0,
            gave_way: NONE,
            patience: Patience::default(),
            chosen: None,
        }
    }

    /// As `new`, for another run: what has been allocated serves again.
    pub(crate) fn renew(&mut self, resource: Option<ResourceKey>, counts: &[(TaskKey, u32)]) {
        let told = resource.filter(|_| !counts.is_empty());
        let Self {
            resource,
            left,
            free,
            at_resource,
            intended,
            haste,
            heir,
            current,
            gave_way,
            patience,
            chosen,
        } = self;
        *resource = told;
        left.renew(counts);
        free.clear();
        at_resource.clear();
        *intended = None;
        *haste = if told.is_none() { Haste::none() } else { Haste::default() };
        *heir = None;
        *current = 0;
        *gave_way = NONE;
        *patience = Patience::default();
        *chosen = None;
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
            let left =
                |waiting: &[Waiting]| waiting.iter().map(|waiting| u64::from(waiting.left)).sum::<u64>();
            let total = left(&self.at_resource) + left(&self.free) + u64::from(under_way);
            let point = below(total.max(1), draw);
            // The first whose end lies beyond the point. All are looked at: to stop at a random one costs more.
            let (mut end, mut index) = (0, 0);
            for part in [&self.at_resource, &self.free] {
                for waiting in part {
                    end += u64::from(waiting.left);
                    index += usize::from(end <= point);
                }
            }
            if index < all { waiting(index).slot } else { self.current }
        };
        self.intended = Some(intended);
        intended
    }

    /// Whose turn it is of those that are not held, and with what priority.
    #[inline]
    fn turn(&mut self, draw: &mut Draw) -> Option<(u32, Turn)> {
        let hasty = self.haste.is_on(draw);
        let mut best = None;
        let mut highest = NONE;
        if let Some(intended) = self.intended
            && let Some((index, waiting)) = find(&mut self.at_resource, intended)
        {
            if waiting.priority == NONE {
                waiting.priority = draw.priority();
            }
            highest = if hasty { WOKEN } else { waiting.priority };
            best = Some(Turn::Intended(index));
        }
        if self.free.len() > CROWD {
            return Some(match best {
                Some(best) if hasty => (highest, best),
                _ => (u32::MAX, Turn::Free(draw.index(self.free.len()))),
            });
        }
        let mut free = None;
        for (index, waiting) in self.free.iter_mut().enumerate() {
            if waiting.priority == NONE {
                waiting.priority = placed(draw.priority(), hasty, waiting.woken);
            }
            free = if waiting.priority > highest { Some(index) } else { free };
            highest = highest.max(waiting.priority);
        }
        free.map(Turn::Free).or(best).map(|best| (highest, best))
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
        if self.chosen.is_none() && self.patience.runs_out(draw) {
            let (free, held) = (self.free.len(), self.at_resource.len());
            return Some(match draw.index(free + held) {
                index if index < free => self.free.swap_remove(index),
                index => self.at_resource.swap_remove(index - free),
            });
        }
        let chosen =
            self.chosen.take().filter(|(_, among)| among + 1 == self.free.len() + self.at_resource.len());
        let turn = match chosen.map(|(turn, _)| turn).or_else(|| Some(self.turn(draw)?.1)) {
            Some(turn) => turn,
            None => {
                // The intended one can't run, and all others are held: another is drawn.
                self.intend(0, draw);
                self.turn(draw)?.1
            }
        };
        Some(match turn {
            Turn::Free(index) => self.free.swap_remove(index),
            Turn::Intended(index) => self.at_resource.swap_remove(index),
        })
    }
}

impl Strategy for Surw {
    #[inline]
    fn ready(&mut self, task: Ready, draw: &mut Draw) {
        let left = self.left.of(task.slot, task.task);
        if self.heir.is_some() {
            self.inherit(task, draw);
        }
        let priority = if task.slot == self.current { std::mem::take(&mut self.gave_way) } else { NONE };
        match task.announced {
            Some(announced) if Some(announced.operation.resource) == self.resource => {
                self.at_resource.push(Waiting { priority, slot: task.slot, left: left.max(1), woken: false });
            }
            announced => {
                self.free.push(Waiting { priority, slot: task.slot, left, woken: announced.is_none() });
            }
        }
    }

    #[inline]
    fn next(&mut self, draw: &mut Draw) -> Option<u32> {
        self.current = self.take(draw)?.slot;
        self.gave_way = NONE;
        self.chosen = None;
        Some(self.current)
    }

    fn wants_operations(&self) -> bool {
        true
    }

    #[inline]
    fn gives_way(&mut self, _task: TaskKey, operation: Operation, draw: &mut Draw) -> bool {
        if self.free.is_empty() && self.at_resource.is_empty() {
            return false;
        }
        if self.gave_way != NONE {
            return true;
        }
        let drawn = draw.priority();
        let mut mine = placed(drawn, self.haste.is_on(draw), false);
        let left = self.left.at(self.current);
        if self.patience.runs_out(draw) {
            self.gave_way = mine;
            return true;
        }
        if self.resource == Some(operation.resource) {
            let intended = match self.intended {
                Some(intended) => intended,
                None => self.intend(left.max(1), draw),
            };
            if intended != self.current {
                self.gave_way = mine;
                return true;
            }
            if self.haste.is_on(draw) {
                mine = WOKEN;
            }
        } else if self.intended.is_none() && !self.at_resource.is_empty() {
            self.intend(left, draw);
        }
        match self.turn(draw) {
            Some((highest, turn)) if mine <= highest => {
                self.gave_way = mine;
                self.chosen = Some((turn, self.free.len() + self.at_resource.len()));
                true
            }
            _ => false,
        }
    }

    fn time_passed(&mut self) {
        self.patience.restore();
    }

    #[inline]
    fn performed(&mut self, _task: TaskKey, operation: Operation, _draw: &mut Draw) {
        self.chosen = None;
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
