//! Stall: time passes while tasks are ready, so that timeouts fire early relative to work. After the event loops that
//! stand still now and then in FoundationDB's simulation (Zhou et al., *FoundationDB: A Distributed Unbundled
//! Transactional Key Value Store*, SIGMOD 2021).
//!
//! At a few random points the task that would run is held back, or all that are ready, until virtual time has moved a few
//! times; otherwise a random walk. In a world where work takes no time a timeout fires only if something waits for
//! longer; here it may fire at any point, as it may on a machine that is busy. Weak where nothing depends on time: then
//! it is a random walk.
//!
//! Parameters: the number of points (steps and operations) that the stalls are spread over.
//!
//! Wants operations: a task may be held back between two of them as well as where it was woken.
//!
//! Always true: whoever is held back is let go when nothing else can happen, and before a second of virtual time has passed,
//! so that a timeout with a generous margin is no false alarm; whether time passes is a choice even where
//! one task alone could run, so a run of this strategy always draws.

use super::walk::Walk;
use super::{Draw, HELD_BACK_NS, Strategy};
use crate::sorting::sort_by_number;
use crate::{Operation, Ready, TaskKey};

/// The most stalls in a run.
const STALLS_MAX: u32 = 3;

/// The most moves of time that a stall lasts.
const MOVES_MAX: u32 = 4;

/// For so many choices at one instant tasks are held back; then they are let go, as others may go on until they have run.
const HELD_BACK_MAX: u32 = 2_000;

/// One stall.
#[derive(Clone, Copy, Debug)]
struct Point {
    /// The how-many-th point it is at.
    at: u64,
    /// How many moves of time it lasts.
    moves: u32,
    /// All that are ready are held back.
    all: bool,
}

/// Tasks are held back while time passes.
#[derive(Debug)]
pub struct Stall {
    steps: u32,
    /// The stalls that are still to come, the last of them first; `None` before the first point.
    points: Option<Vec<Point>>,
    counted: u64,
    ready: Walk,
    held: Vec<u32>,
    /// How many moves of time they are held back for.
    moves: u32,
    /// For how many choices at this instant they have been.
    held_back: u32,
    /// For how much virtual time.
    held_back_ns: u64,
    current: u32,
    /// The running task gives way to be held back.
    preempted: bool,
}

impl Stall {
    /// A few stalls within the first `steps` points.
    #[must_use]
    pub fn new(steps: u32) -> Self {
        Self {
            steps: steps.max(1),
            points: None,
            counted: 0,
            ready: Walk::default(),
            held: Vec::new(),
            moves: 0,
            held_back: 0,
            held_back_ns: 0,
            current: 0,
            preempted: false,
        }
    }

    /// Begins a run in the memory of the last one.
    pub(super) fn renew(&mut self, steps: u32) {
        let (mut ready, mut held) = (std::mem::take(&mut self.ready), std::mem::take(&mut self.held));
        ready.clear();
        held.clear();
        *self = Self { ready, held, ..Self::new(steps) };
    }

    /// Counts a point; the stall at it, if there is one.
    #[inline]
    fn point(&mut self, draw: &mut Draw) -> Option<Point> {
        self.counted += 1;
        if !self.held.is_empty() {
            self.held_back += 1;
            if self.held_back > HELD_BACK_MAX {
                self.release();
            }
        }
        let steps = self.steps;
        let points = self.points.get_or_insert_with(|| {
            let many = 1 + draw.below(STALLS_MAX);
            let mut points: Vec<_> = (0..many)
                .map(|_| Point {
                    at: u64::from(draw.below(steps)) + 1,
                    moves: 1 + draw.below(MOVES_MAX),
                    all: draw.below(2) == 0,
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
        self.held_back = 0;
        self.held_back_ns = 0;
        held
    }

    fn hold(&mut self, point: Point) {
        self.moves = self.moves.max(point.moves);
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
        if let Some(point) = self.point(draw) {
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
        if let Some(point) = self.point(draw) {
            self.preempted = true;
            self.hold(point);
            return true;
        }
        self.ready.turns(draw)
    }

    fn lets_time_pass(&mut self, by_ns: u64) -> bool {
        if self.held.is_empty() {
            return true;
        }
        self.held_back_ns = self.held_back_ns.saturating_add(by_ns);
        self.held_back_ns < HELD_BACK_NS || !self.release()
    }

    fn time_passed(&mut self) {
        self.held_back = 0;
        if !self.held.is_empty() {
            self.moves = self.moves.saturating_sub(1);
            if self.moves == 0 {
                self.release();
            }
        }
    }

    fn let_go(&mut self) -> bool {
        self.release()
    }
}
