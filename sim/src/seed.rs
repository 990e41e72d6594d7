//! Seeds: [`Seed`] is the number from which all random decisions of a run derive.

use std::fmt;

/// The number that every decision of a run derives from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Seed(pub u64);

impl Seed {
    /// Returns the seed of the run with this index in an exploration that starts at `self`. Seeds are consecutive
    /// numbers, so the seed of a run shows its index.
    #[must_use]
    pub fn of_run(self, index: u64) -> Self {
        Self(self.0.wrapping_add(index))
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<u64> for Seed {
    fn from(number: u64) -> Self {
        Self(number)
    }
}
