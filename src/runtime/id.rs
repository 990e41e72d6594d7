//! Ids of loops.
//!
//! Always true: no two loops that are alive have one id. Which number it is varies between runs: decide nothing by it.

use std::fmt;

use crate::engine::RunId;

/// Sets a loop apart from all others that are alive, as
/// [`tokio::runtime::Id`](https://docs.rs/tokio/1/tokio/runtime/struct.Id.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id(u32);

impl Id {
    pub(super) fn new(run: RunId) -> Self {
        Self(run.number())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
