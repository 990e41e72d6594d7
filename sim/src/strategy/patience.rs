//! Patience: how long a strategy may prefer some tasks to others while time stands still.
//!
//! A task may go on for ever until another has run: it looks at a flag, again and again. A strategy that lets the other wait
//! for long enough would take that for a livelock which the code does not have. So beyond a number of choices at one
//! instant of virtual time, one in a few is made at random, among all that are ready.
//!
//! Always true: runs that are not long at any instant are none of its business.

use super::Draw;

/// So many choices at one instant are the strategy's own.
const CHOICES_MAX: u32 = 1_000;

/// Beyond them one choice in so many is made at random.
const RANDOM_ONE_IN: u32 = 8;

/// Counts choices at one instant.
#[derive(Debug, Default)]
pub(super) struct Patience {
    choices: u32,
}

impl Patience {
    /// Counts a choice; whether it is to be made at random.
    #[inline]
    pub(super) fn runs_out(&mut self, draw: &mut Draw) -> bool {
        if self.choices < CHOICES_MAX {
            self.choices += 1;
            return false;
        }
        draw.below(RANDOM_ONE_IN) == 0
    }

    /// Time has moved.
    #[inline]
    pub(super) fn restore(&mut self) {
        self.choices = 0;
    }
}
