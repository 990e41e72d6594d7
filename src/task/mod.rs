//! Tasks, as in [`tokio::task`](https://docs.rs/tokio/1/tokio/task/index.html).
//!
//! # Invariants
//! - A task is polled once a step, on its run's only thread.
//! - A panic ends the task and is returned to the task that joins it. A panic that nothing can observe any more fails
//!   the run.
//! - An aborted task is cancelled at its next resumption.

pub(crate) mod blocking;
mod builder;
pub mod coop;
mod deferred_spawn;
mod id;
mod join_handle;
pub mod join_set;
mod local_key;
mod local_set;
mod spawn;
mod suspended;
mod yield_now;

pub use crate::engine::{Id, JoinError};
pub use blocking::{block_in_place, spawn_blocking};
pub use builder::Builder;
#[doc(hidden)]
pub use coop::{Unconstrained, consume_budget, unconstrained};
pub use id::{id, try_id};
pub use join_handle::{AbortHandle, JoinHandle};
#[doc(inline)]
pub use join_set::JoinSet;
pub use local_key::{AccessError, LocalKey};
pub use local_set::{LocalEnterGuard, LocalSet};
pub use spawn::{spawn, spawn_local};
pub use yield_now::yield_now;

/// Named futures of this module, as in
/// [`tokio::task::futures`](https://docs.rs/tokio/1/tokio/task/futures/index.html).
pub mod futures {
    pub use super::local_key::TaskLocalFuture;
}
