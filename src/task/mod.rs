//! Tasks, in the shape of [`tokio::task`](https://docs.rs/tokio/1/tokio/task/index.html).
//!
//! Always true: a task is polled by its run's one thread, once a step; a panic ends the task and is kept for whoever
//! awaits it, and one that nobody can observe any more fails the run; an aborted task is cancelled at its next
//! resumption.

mod id;
mod join_error;
mod join_handle;
mod local_key;
mod spawn;
mod yield_now;

pub use id::{Id, id, try_id};
pub use join_error::JoinError;
pub use join_handle::{AbortHandle, JoinHandle};
pub use local_key::{AccessError, LocalKey};
pub use spawn::{spawn, spawn_blocking, spawn_local};
pub use yield_now::yield_now;
