//! Task ids.
//!
//! # Invariants
//! Ids count up from 1 within a run, so one schedule gives one task one id.

use std::fmt;
use std::num::NonZeroU64;

/// A task's id, unique within its run, as [`tokio::task::Id`](https://docs.rs/tokio/1/tokio/task/struct.Id.html).
///
/// Unlike tokio's, ids are the same in each run of one schedule.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(NonZeroU64);

impl Id {
    pub(crate) fn from_number(number: u64) -> Self {
        Self(NonZeroU64::new(number).expect("ids count from 1"))
    }

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
