//! Fairness of POS and SURW: [`Fairness`] bounds how long a strategy may keep one task from running.

use super::Draw;

/// The number of choices at one instant of virtual time that the strategy makes by its own rules.
const CHOICES_MAX: u32 = 1_000;

/// After those, one choice in this many is uniformly random.
const RANDOM_ONE_IN: u32 = 8;

/// Counts choices at one instant of virtual time. After [`CHOICES_MAX`] choices, one in [`RANDOM_ONE_IN`] is made
/// uniformly among all ready tasks.
///
/// A task may poll a flag in a loop until another task sets it. A strategy that never ran the other task would report a
/// livelock that the code does not have.
#[derive(Debug, Default)]
pub(super) struct Fairness {
    choices: u32,
}

impl Fairness {
    /// Counts a choice; returns whether it must be made at random.
    #[inline]
    pub(super) fn demands_random(&mut self, draw: &mut Draw) -> bool {
        if self.choices < CHOICES_MAX {
            self.choices += 1;
            return false;
        }
        draw.below(RANDOM_ONE_IN) == 0
    }

    /// Restarts the count, because virtual time has advanced.
    #[inline]
    pub(super) fn restart(&mut self) {
        self.choices = 0;
    }
}
