//! timeloop's promises, a module per behaviour.

mod determinism;
mod endings;
mod golden;
mod macros;
mod smoke;
#[cfg(feature = "sync")]
mod sync;
#[cfg(feature = "sync")]
mod reports;
mod rng;
mod scenarios;
mod scheduler;
mod support;
mod tasks;
mod auto_traits;
mod time;
mod runtime;
mod wakers;
#[cfg(feature = "sync")]
mod asyncio;
