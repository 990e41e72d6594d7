//! Starvation of one victim task: after the chaos mode of the recorder rr (O'Callahan, *Introducing rr chaos mode*,
//! 2016).
//!
//! One task, chosen at random, is held back from one of its first steps on: it does not run while any other task can,
//! and then virtual time advances a few times first. The other tasks take a random walk. This finds bugs in which one
//! task is very late, which a random walk hardly ever does.
//!
//! Starvation is weak where several tasks must be late, or where the victim must make some progress in between.
//!
//! Deviation from rr: rr runs only threads of high priority during some intervals; here one victim is held back, for a
//! number of moves of virtual time.
//!
//! Parameters: the number of tasks among which the victim is chosen, the most moves of virtual time for which it is held
//! back, and the longest stall. If that is a second or more, the victim is held back for a drawn time in seven of eight runs.
//!
//! The strategy wants operations: otherwise a victim that never waits could be held back only where it starts.
//!
//! # Invariants
//! - The victim runs when nothing else can happen.
//! - The victim is passed over for at most [`PASSED_OVER_MAX`] steps at one instant, so that tasks that spin until it
//!   runs do not spin for ever.
//! - The victim is held back for less than a second of virtual time, or for the longest stall at most.
//! - Where only one task could run, nothing is drawn, unless it may be held back for a second or more.

use super::random_walk::RandomWalk;
use super::task_table::TaskTable;
use super::{Draw, StallBound, Strategy};
use crate::stalls::SHORT_STALL_NS;
use crate::{Operation, Ready, TaskKey};

/// The victim is passed over for at most this many steps at one instant; after that it is scheduled like the others.
const PASSED_OVER_MAX: u32 = 2_000;

/// The victim is held back from one of this many of its first steps on.
const FIRST_STEPS: u32 = 8;

/// The plan of a run: which task is starved, and how.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// The victim's number in order of arrival; the root is 0.
    victim: u32,
    /// The number of steps that the victim takes before it is held back.
    undisturbed_steps: u32,
    /// The moves of virtual time for which it is still held back.
    moves: u32,
    /// The least virtual time for which it is held back.
    lasts_ns: u64,
    /// The steps for which it has been passed over at this instant.
    passed_over: u32,
    /// Whether the victim is scheduled like the others from now on.
    over: bool,
}

/// Holds back one task.
#[derive(Debug)]
pub struct Starve {
    tasks: u32,
    instants: u32,
    stall_ns: u64,
    bound: StallBound,
    plan: Option<Plan>,
    /// The number of each task in order of arrival, from 1.
    numbers: TaskTable<u32>,
    seen: u32,
    others: RandomWalk,
    /// The victim's slot while it is held back.
    waiting: Option<u32>,
    /// The virtual time for which it has been held back.
    waited_ns: u64,
    current: u32,
}

impl Starve {
    /// Creates a run in which one of the first `tasks` tasks is held back for up to `instants` moves of virtual time.
    #[must_use]
    pub fn new(tasks: u32, instants: u32) -> Self {
        Self {
            tasks: tasks.max(1),
            instants,
            stall_ns: 0,
            bound: StallBound::SHORT,
            plan: None,
            numbers: TaskTable::default(),
            seen: 0,
            others: RandomWalk::default(),
            waiting: None,
            waited_ns: 0,
            current: 0,
        }
    }

    /// Lets the victim be held back for up to `stall_ns` nanoseconds of virtual time. 0 means less than a second.
    #[must_use]
    pub fn lasting(self, stall_ns: u64) -> Self {
        Self { stall_ns, ..self }
    }

    /// Begins a run that reuses the memory of the last one.
    pub(super) fn reset(&mut self, tasks: u32, instants: u32, stall_ns: u64) {
        let (mut numbers, mut others) = (std::mem::take(&mut self.numbers), std::mem::take(&mut self.others));
        numbers.clear();
        others.clear();
        *self = Self { numbers, others, ..Self::new(tasks, instants).lasting(stall_ns) };
    }

    fn make_plan(&mut self, draw: &mut Draw) {
        let victim = draw.below(self.tasks);
        let undisturbed_steps = if draw.below(2) == 0 { 0 } else { draw.below(FIRST_STEPS) };
        self.bound = StallBound::draw(self.stall_ns, draw);
        let instants = self.instants;
        let (moves, lasts_ns) = self.bound.lasts(|draw| draw.below(instants.saturating_add(1)), draw);
        self.plan = Some(Plan { victim, undisturbed_steps, moves, lasts_ns, passed_over: 0, over: false });
    }

    /// Returns whether the task in this slot is the victim and is held back now. Counts its undisturbed steps.
    #[inline]
    fn is_starved(&mut self, slot: u32) -> bool {
        let number = *self.numbers.at(slot) - 1;
        let Some(plan) = &mut self.plan else { return false };
        if plan.over || plan.victim != number {
            return false;
        }
        if plan.undisturbed_steps > 0 {
            plan.undisturbed_steps -= 1;
            return false;
        }
        true
    }

    /// Schedules the victim like the others from now on.
    fn stop_starving(&mut self) {
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
        let alone = self.others.len() == 1 && self.stall_ns >= SHORT_STALL_NS;
        if self.plan.is_none() && (self.others.len() > 1 || alone) {
            self.make_plan(draw);
            let victim = self.plan.map_or(0, |plan| plan.victim);
            // The victim may have become ready before there was a plan.
            if let Some(slot) = self.numbers.position(|number| number == victim + 1)
                && self.others.remove(slot)
            {
                if self.is_starved(slot) {
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
                // Nothing else can run, and no time may pass: the victim's turn.
                if plan.passed_over > PASSED_OVER_MAX {
                    self.stop_starving();
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
        if self.is_starved(task.slot) {
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
            Some(plan) if !plan.over && plan.victim == number && plan.undisturbed_steps == 0 => {
                // If there is nothing to wait for, the victim would run next anyway.
                !self.others.is_empty() || plan.moves > 0
            }
            _ => self.others.should_preempt(draw),
        }
    }

    fn lets_time_pass(&mut self, by_ns: u64) -> bool {
        if self.waiting.is_none() {
            return true;
        }
        self.waited_ns = self.waited_ns.saturating_add(by_ns);
        if self.waited_ns > self.bound.longest_ns {
            self.stop_starving();
            return false;
        }
        true
    }

    fn time_passed(&mut self) {
        let Some(plan) = &mut self.plan else { return };
        plan.passed_over = 0;
        if self.waiting.is_some() {
            plan.moves = plan.moves.saturating_sub(1);
            if plan.moves == 0 || (self.bound.timed && self.waited_ns >= plan.lasts_ns) {
                self.stop_starving();
            }
        }
    }

    fn release_held(&mut self) -> bool {
        self.release()
    }
}
