//! Stall: virtual time advances while tasks are ready, so that timeouts fire early relative to work. After the stalled
//! event loops in FoundationDB's simulation (Zhou et al., *FoundationDB: A Distributed Unbundled Transactional Key
//! Value Store*, SIGMOD 2021).
//!
//! At a few random points, the task that would run, or every ready task, is held back until virtual time has advanced a
//! few times. Otherwise the run is a random walk. In a simulation, work takes no time, so a timeout fires only if its
//! task waits for longer. With stalls it may fire at any point, as on a busy machine.
//!
//! Stalls are weak where nothing depends on time: the run is then a random walk.
//!
//! Parameters: the number of points (steps and operations) within which the stalls lie, and the longest stall. If that is
//! a second or more, stalls last for a drawn time in seven of eight runs, and not for a few moves.
//!
//! The strategy wants operations, so that it can hold back a task between two of them as well as where it was woken.
//!
//! # Invariants
//! - A task that is held back is released when nothing else can happen.
//! - A task is held back for less than a second of virtual time, or for the longest stall at most.
//! - Stalls are possible even where only one task could run, so a run of this strategy always draws.

use super::random_walk::RandomWalk;
use super::{Draw, StallBound, Strategy};
use crate::sorting::sort_by_number;
use crate::{Operation, Ready, TaskKey};

/// The maximum number of stalls in a run.
const STALLS_MAX: u32 = 3;

/// The maximum number of moves of virtual time that a stall lasts.
const MOVES_MAX: u32 = 4;

/// Tasks are held back for at most this many choices at one instant, because the other tasks may spin until they have
/// run.
const HELD_BACK_MAX: u32 = 2_000;

/// One stall.
#[derive(Clone, Copy, Debug)]
struct StallPoint {
    /// The number of the point at which the stall begins, from 1.
    at: u64,
    /// The number of moves of virtual time that the stall lasts.
    moves: u32,
    /// The least virtual time that the stall lasts.
    lasts_ns: u64,
    /// Whether every ready task is held back.
    all: bool,
}

/// Holds tasks back while virtual time advances.
#[derive(Debug)]
pub struct Stall {
    steps: u32,
    stall_ns: u64,
    bound: StallBound,
    /// The remaining stalls in descending order; `None` before the first point.
    points: Option<Vec<StallPoint>>,
    counted: u64,
    ready: RandomWalk,
    held: Vec<u32>,
    /// The number of moves of virtual time for which they are still held back.
    moves: u32,
    /// The virtual time for which they are held back at least.
    lasts_ns: u64,
    /// The number of choices at this instant for which they have been held back.
    held_back: u32,
    /// The virtual time for which they have been held back.
    held_back_ns: u64,
    current: u32,
    /// Whether the running task was preempted to be held back.
    preempted: bool,
}

impl Stall {
    /// Creates a run with a few stalls within the first `steps` points.
    #[must_use]
    pub fn new(steps: u32) -> Self {
        Self {
            steps: steps.max(1),
            stall_ns: 0,
            bound: StallBound::SHORT,
            points: None,
            counted: 0,
            ready: RandomWalk::default(),
            held: Vec::new(),
            moves: 0,
            lasts_ns: 0,
            held_back: 0,
            held_back_ns: 0,
            current: 0,
            preempted: false,
        }
    }

    /// Lets stalls last for up to `stall_ns` nanoseconds of virtual time. 0 means short stalls.
    #[must_use]
    pub fn lasting(self, stall_ns: u64) -> Self {
        Self { stall_ns, ..self }
    }

    /// Begins a run that reuses the memory of the last one.
    pub(super) fn reset(&mut self, steps: u32, stall_ns: u64) {
        let (mut ready, mut held) = (std::mem::take(&mut self.ready), std::mem::take(&mut self.held));
        ready.clear();
        held.clear();
        *self = Self { ready, held, ..Self::new(steps).lasting(stall_ns) };
    }

    /// Counts a point; returns the stall at it, if there is one.
    #[inline]
    fn next_point(&mut self, draw: &mut Draw) -> Option<StallPoint> {
        self.counted += 1;
        if !self.held.is_empty() {
            self.held_back += 1;
            if self.held_back > HELD_BACK_MAX {
                self.release();
            }
        }
        let (steps, stall_ns) = (self.steps, self.stall_ns);
        let points = self.points.get_or_insert_with(|| {
            let bound = StallBound::draw(stall_ns, draw);
            self.bound = bound;
            let many = 1 + draw.below(STALLS_MAX);
            let mut points: Vec<_> = (0..many)
                .map(|_| {
                    let at = u64::from(draw.below(steps)) + 1;
                    let (moves, lasts_ns) = bound.lasts(|draw| 1 + draw.below(MOVES_MAX), draw);
                    StallPoint { at, moves, lasts_ns, all: draw.below(2) == 0 }
                })
                .collect();
            sort_by_number(&mut points, |point| (u64::MAX - point.at).into());
            points
        });
        let mut now = None;
        while points.last().is_some_and(|point| point.at == self.counted) {
            now = points.pop();
        }
        now
    }

    fn release(&mut self) -> bool {
        let held = !self.held.is_empty();
        self.ready.take_over(&mut self.held);
        self.moves = 0;
        self.lasts_ns = 0;
        self.held_back = 0;
        self.held_back_ns = 0;
        held
    }

    fn hold(&mut self, point: StallPoint) {
        self.moves = self.moves.max(point.moves);
        self.lasts_ns = self.lasts_ns.max(point.lasts_ns);
        if point.all {
            self.ready.empty_into(&mut self.held);
        }
    }
}

impl Default for Stall {
    fn default() -> Self {
        Self::new(1)
    }
}

impl Strategy for Stall {
    #[inline]
    fn ready(&mut self, task: Ready, _draw: &mut Draw) {
        if self.preempted && task.slot == self.current {
            self.preempted = false;
            self.held.push(task.slot);
        } else {
            self.ready.push(task.slot);
        }
    }

    #[inline]
    fn next(&mut self, draw: &mut Draw) -> Option<u32> {
        self.preempted = false;
        let mut next = self.ready.next(draw)?;
        if let Some(point) = self.next_point(draw) {
            self.held.push(next);
            self.hold(point);
            next = self.ready.next(draw)?;
        }
        self.current = next;
        Some(next)
    }

    fn wants_operations(&self) -> bool {
        true
    }

    #[inline]
    fn should_preempt(&mut self, _task: TaskKey, _operation: Operation, draw: &mut Draw) -> bool {
        if self.preempted {
            return true;
        }
        if let Some(point) = self.next_point(draw) {
            self.preempted = true;
            self.hold(point);
            return true;
        }
        self.ready.should_preempt(draw)
    }

    fn lets_time_pass(&mut self, by_ns: u64) -> bool {
        if self.held.is_empty() {
            return true;
        }
        self.held_back_ns = self.held_back_ns.saturating_add(by_ns);
        self.held_back_ns <= self.bound.longest_ns || !self.release()
    }

    fn time_passed(&mut self) {
        self.held_back = 0;
        if !self.held.is_empty() {
            self.moves = self.moves.saturating_sub(1);
            if self.moves == 0 || (self.bound.timed && self.held_back_ns >= self.lasts_ns) {
                self.release();
            }
        }
    }

    fn release_held(&mut self) -> bool {
        self.release()
    }
}
