//! Points: the few choices of a run, drawn beforehand, at which a strategy does something out of the ordinary.
//!
//! Always true: choices are counted from 1, and the points are drawn when the first is made.

use super::Draw;

/// Points within the first choices of a run.
#[derive(Debug, Default)]
pub(super) struct Points {
    /// Within how many choices.
    steps: u32,
    /// How many choices have been made.
    counted: u64,
    /// Those that are still to come, the last of them first; `None` before the first choice.
    left: Option<Vec<u64>>,
}

impl Points {
    /// Within the first `steps` choices.
    pub(super) fn within(steps: u32) -> Self {
        Self { steps: steps.max(1), counted: 0, left: None }
    }

    /// How many choices have been made.
    #[inline]
    pub(super) fn counted(&self) -> u64 {
        self.counted
    }

    /// Within how many choices the points lie.
    #[inline]
    pub(super) fn steps(&self) -> u32 {
        self.steps
    }

    /// Counts a choice; how many of the points it is. `many` says how many there are in the run, when that is to be drawn.
    #[inline]
    pub(super) fn next(&mut self, draw: &mut Draw, many: impl FnOnce(&mut Draw) -> u32) -> u32 {
        self.counted += 1;
        let steps = self.steps;
        let left = self.left.get_or_insert_with(|| {
            let mut points: Vec<_> = (0..many(draw)).map(|_| u64::from(draw.below(steps)) + 1).collect();
            points.sort_unstable();
            points.reverse();
            points
        });
        let mut now = 0;
        while left.last() == Some(&self.counted) {
            left.pop();
            now += 1;
        }
        now
    }
}
