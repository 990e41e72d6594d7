//! Starvation of one victim: after the chaos mode of the recorder rr (O'Callahan, *Introducing rr chaos mode*, 2016).
//!
//! One task, chosen at random, is kept waiting from one of its first steps on: while anything else can run it does not,
//! and even then time moves a few times first. The others take a random walk. It finds what a random walk hardly ever
//! does: that one task is late for very long. Weak where more than one task must be late, or where the victim must get
//! a little further in between.
//!
//! Parameters: how many tasks there are, the victim being one of them, and the most moves of virtual time that it waits
//! for.
//!
//! Wants operations: a victim that never has to wait for anything would otherwise be late only where it starts.
//!
//! Always true: a victim is waited for when nothing else can happen, and no longer than [`PASSED_OVER_MAX`] steps at one
//! instant, so that those who spin until it moves do not spin for ever; it loses less than a second of virtual time; where one task alone could run nothing is drawn.

use super::slots::Slots;
use super::walk::Walk;
use super::{Draw, HELD_BACK_NS, Strategy};
use crate::{Operation, Ready, TaskKey};

/// For so many steps at one instant the victim is passed over; then it is one as others.
const PASSED_OVER_MAX: u32 = 2_000;

/// It is kept waiting from one of so many of its first steps on.
const FIRST_STEPS: u32 = 8;

/// Whom to starve.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// The how-many-th task it is, the root being 0.
    victim: u32,
    /// How many of its steps it takes as others do.
    undisturbed: u32,
    /// How many moves of time it still waits for.
    moves: u32,
    /// For how many steps it has been passed over at this instant.
    passed_over: u32,
    /// It is one as others from now on.
    over: bool,
}

/// One task is kept waiting.
#[derive(Debug)]
pub struct Starve {
    tasks: u32,
    instants: u32,
    plan: Option<Plan>,
    /// The how-many-th task each is, from 1.
    numbers: Slots<u32>,
    seen: u32,
    others: Walk,
    /// The victim's slot while it waits.
    waiting: Option<u32>,
    /// How much time has passed meanwhile.
    waited_ns: u64,
    current: u32,
}

impl Starve {
    /// One of the first `tasks` tasks waits for up to `instants` moves of time.
    #[must_use]
    pub fn new(tasks: u32, instants: u32) -> Self {
        Self {
            tasks: tasks.max(1),
            instants,
            plan: None,
            numbers: Slots::default(),
            seen: 0,
            others: Walk::default(),
            waiting: None,
            waited_ns: 0,
            current: 0,
        }
    }

    /// Begins a run in the memory of the last one.
    pub(super) fn renew(&mut self, tasks: u32, instants: u32) {
        let (mut numbers, mut others) = (std::mem::take(&mut self.numbers), std::mem::take(&mut self.others));
        numbers.empty();
        others.clear();
        *self = Self { numbers, others, ..Self::new(tasks, instants) };
    }

    fn planned(&mut self, draw: &mut Draw) {
        let victim = draw.below(self.tasks);
        let undisturbed = if draw.below(2) == 0 { 0 } else { draw.below(FIRST_STEPS) };
        let moves = draw.below(self.instants.saturating_add(1));
        self.plan = Some(Plan { victim, undisturbed, moves, passed_over: 0, over: false });
    }

    /// Whether the task in this slot is the victim, and is to be kept waiting now.
    #[inline]
    fn keeps_waiting(&mut self, slot: u32) -> bool {
        let number = *self.numbers.at(slot) - 1;
        let Some(plan) = &mut self.plan else { return false };
        if plan.over || plan.victim != number {
            return false;
        }
        if plan.undisturbed > 0 {
            plan.undisturbed -= 1;
            return false;
        }
        true
    }

    /// The victim has waited long enough.
    fn forgive(&mut self) {
        if let Some(plan) = &mut self.plan {
            plan.over = true;
        }
        self.release();
    }

    fn release(&mut self) -> bool {
        let waited = self.waiting.take();
        waited.into_iter().for_each(|slot| self.others.push(slot));
        waited.is_some()
    }

    fn choose(&mut self, draw: &mut Draw) -> Option<u32> {
        if self.plan.is_none() && self.others.len() > 1 {
            self.planned(draw);
            let victim = self.plan.map_or(0, |plan| plan.victim);
            // Whoever became ready before there was a plan.
            if let Some(slot) = self.numbers.position(|number| number == victim + 1)
                && self.others.remove(slot)
            {
                if self.keeps_waiting(slot) {
                    self.waiting = Some(slot);
                } else {
                    self.others.push(slot);
                }
            }
        }
        if self.waiting.is_some()
            && let Some(plan) = &mut self.plan
        {
            plan.passed_over += 1;
            if plan.passed_over > PASSED_OVER_MAX || (self.others.is_empty() && plan.moves == 0) {
                // Nothing else can run any more, and no time is to pass: then it is its turn.
                if plan.passed_over > PASSED_OVER_MAX {
                    self.forgive();
                } else {
                    plan.passed_over = 0;
                    self.release();
                }
            }
        }
        self.others.next(draw)
    }
}

impl Default for Starve {
    fn default() -> Self {
        Self::new(1, 0)
    }
}

impl Strategy for Starve {
    #[inline]
    fn ready(&mut self, task: Ready, _draw: &mut Draw) {
        let number = self.numbers.of(task.slot, task.task);
        if *number == 0 {
            self.seen += 1;
            *number = self.seen;
        }
        if self.keeps_waiting(task.slot) {
            self.waiting = Some(task.slot);
        } else {
            self.others.push(task.slot);
        }
    }

    #[inline]
    fn next(&mut self, draw: &mut Draw) -> Option<u32> {
        let next = self.choose(draw)?;
        self.current = next;
        Some(next)
    }

    fn wants_operations(&self) -> bool {
        true
    }

    #[inline]
    fn should_preempt(&mut self, _task: TaskKey, _operation: Operation, draw: &mut Draw) -> bool {
        let number = *self.numbers.at(self.current) - 1;
        match &mut self.plan {
            Some(plan) if !plan.over && plan.victim == number && plan.undisturbed == 0 => {
                // If there is nothing to wait for, it would be its turn at once.
                !self.others.is_empty() || plan.moves > 0
            }
            _ => self.others.turns(draw),
        }
    }

    fn lets_time_pass(&mut self, by_ns: u64) -> bool {
        if self.waiting.is_none() {
            return true;
        }
        self.waited_ns = self.waited_ns.saturating_add(by_ns);
        if self.waited_ns >= HELD_BACK_NS {
            self.forgive();
            return false;
        }
        true
    }

    fn time_passed(&mut self) {
        let Some(plan) = &mut self.plan else { return };
        plan.passed_over = 0;
        if self.waiting.is_some() {
            match plan.moves {
                0 | 1 => self.forgive(),
                _ => plan.moves -= 1,
            }
        }
    }

    fn let_go(&mut self) -> bool {
        self.release()
    }
}
