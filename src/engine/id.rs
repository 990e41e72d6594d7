//! Task ids.
//!
//! # Invariants
//! Ids count up from 1 within a run, so a task has the same id in each run of a schedule.

use std::fmt;
use std::num::NonZeroU64;

/// An id of a task, unique within its run; see [`tokio::task::Id`](https://docs.rs/tokio/1/tokio/task/struct.Id.html).
///
/// Unlike with tokio, a task has the same id in each run of one schedule.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(NonZeroU64);

impl Id {
    pub(crate) fn from_number(number: u64) -> Self {
        Self(NonZeroU64::new(number).expect("ids count from 1"))
    }

    /// The id of the root, which tasks can't ask for.
    pub(super) const ROOT: Self = Self(NonZeroU64::MIN);

    pub(crate) fn number(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({})", self.0)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
