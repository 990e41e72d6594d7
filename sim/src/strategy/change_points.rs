//! Change points: the few choices of a run, drawn in advance, at which PCT changes priorities and delay bounding delays
//! a task.
//!
//! # Invariants
//! - Choices are counted from 1.
//! - The points are drawn when the first choice is made.

use super::Draw;

/// The change points of a run.
#[derive(Debug, Default)]
pub(super) struct ChangePoints {
    /// The points lie within this many choices.
    steps: u32,
    /// The number of choices made.
    counted: u64,
    /// The next point: 0 before the first choice, and above every choice when none is left.
    next: u64,
    /// The remaining points in descending order.
    left: Vec<u64>,
}

impl ChangePoints {
    /// Creates change points within the first `steps` choices.
    pub(super) fn within(steps: u32) -> Self {
        Self { steps: steps.max(1), ..Self::default() }
    }

    /// Returns the number of choices made.
    #[inline]
    pub(super) fn counted(&self) -> u64 {
        self.counted
    }

    /// Returns the number of choices within which the points lie.
    #[inline]
    pub(super) fn steps(&self) -> u32 {
        self.steps
    }

    /// Counts a choice; returns how many of the points fall on it. `many` returns the number of points in the run; it
    /// is called when the points are drawn.
    #[inline]
    pub(super) fn next(&mut self, draw: &mut Draw, many: impl FnOnce(&mut Draw) -> u32) -> u32 {
        self.counted += 1;
        if self.counted < self.next { 0 } else { self.reach(draw, many) }
    }

    /// Draws the points if this is the first choice; removes and counts those that fall on the current choice.
    #[cold]
    #[inline(never)]
    fn reach(&mut self, draw: &mut Draw, many: impl FnOnce(&mut Draw) -> u32) -> u32 {
        if self.next == 0 {
            self.left = (0..many(draw)).map(|_| u64::from(draw.below(self.steps)) + 1).collect();
            self.left.sort_unstable();
            self.left.reverse();
        }
        let mut now = 0;
        while self.left.last() == Some(&self.counted) {
            self.left.pop();
            now += 1;
        }
        self.next = self.left.last().copied().unwrap_or(u64::MAX);
        now
    }
}
