//! Runtimes, in the shape of [`tokio::runtime`](https://docs.rs/tokio/1/tokio/runtime/index.html), for code that builds
//! its own.
//!
//! Always true: a runtime is one event loop on the thread that built it, with virtual time and a seeded scheduler,
//! whatever the builder was asked for in threads and drivers; and only one loop runs at a time on a thread.

mod builder;
mod handle;
mod id;
mod metrics;
#[expect(clippy::module_inception, reason = "the room's main concept, named as in tokio")]
mod runtime;

pub use builder::Builder;
pub use handle::{EnterGuard, Handle, RuntimeFlavor, TryCurrentError};
pub use id::Id;
pub use metrics::RuntimeMetrics;
pub use runtime::Runtime;
