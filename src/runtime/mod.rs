//! Runtimes, as in [`tokio::runtime`](https://docs.rs/tokio/1/tokio/runtime/index.html), for code that builds its own.
//!
//! # Invariants
//! - A runtime is one event loop on the thread that built it, with virtual time and a seeded scheduler, whatever
//!   threads and drivers the builder configures.
//! - A thread runs one loop at a time.

mod builder;
mod handle;
mod id;
mod metrics;
#[expect(clippy::module_inception, reason = "the module's main type, named as in tokio")]
mod runtime;

pub use builder::Builder;
pub use handle::{EnterGuard, Handle, RuntimeFlavor, TryCurrentError};
pub use id::Id;
pub use metrics::RuntimeMetrics;
pub use runtime::Runtime;
