//! Ids of loops.
//!
//! # Invariants
//! No two live loops have the same id. The numbers vary between runs, so no decision may depend on them.

use std::fmt;

use crate::engine::RunId;

/// Distinguishes a loop from all other live loops, as
/// [`tokio::runtime::Id`](https://docs.rs/tokio/1/tokio/runtime/struct.Id.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id(u32);

impl Id {
    pub(crate) fn new(run: RunId) -> Self {
        Self(run.number())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
