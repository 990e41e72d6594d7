//! Runtimes, as in [`tokio::runtime`](https://docs.rs/tokio/1/tokio/runtime/index.html), for code that builds its own.
//!
//! # Invariants
//! - A runtime is one event loop on the thread that built it, with virtual time and a seeded scheduler, whatever
//!   threads and drivers the builder configures.
//! - A thread runs one loop at a time. Another one can run inside of it only where code may block. When the inner one has
//!   nothing to do, it waits in the outer one.

mod builder;
mod handle;
mod id;
mod local_runtime;
mod metrics;
mod owned_loop;
#[expect(clippy::module_inception, reason = "the module's main type, named as in tokio")]
mod runtime;

pub use builder::Builder;
pub use handle::{EnterGuard, Handle, RuntimeFlavor, TryCurrentError};
pub use id::Id;
pub use local_runtime::{LocalOptions, LocalRuntime};
pub use metrics::RuntimeMetrics;
pub use runtime::Runtime;

/// Returns the index of the worker that runs the calling task: always 0, as there is one thread. Returns `None` outside
/// of a runtime, and in the future passed to `block_on` of a runtime with several workers.
#[must_use]
pub fn worker_index() -> Option<usize> {
    context::driving(Engine::is_on_worker).filter(|on_worker| *on_worker).map(|_| 0)
}

/// Returns whether an error of I/O means that the runtime is shut down. Here no I/O fails for that reason, so this returns
/// `false`.
#[must_use]
pub fn is_rt_shutdown_err(err: &std::io::Error) -> bool {
    let _ = err;
    false
}

use crate::engine::{Engine, context};
