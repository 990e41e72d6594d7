//! timeloop's promises, a module per behaviour.

#[cfg(feature = "sync")]
mod announcing;
mod asyncio;
mod auto_traits;
#[cfg(feature = "sync")]
mod corpus;
mod determinism;
mod endings;
mod environment;
#[cfg(feature = "sync")]
mod examples;
#[cfg(feature = "sync")]
mod exhaustive;
mod golden;
mod macros;
#[cfg(feature = "sync")]
mod readme;
#[cfg(feature = "sync")]
mod recording;
mod replay;
#[cfg(feature = "sync")]
mod reports;
mod rng;
mod runtime;
mod scenarios;
mod scheduler;
mod strategies;
mod support;
#[cfg(feature = "sync")]
mod sync;
mod tasks;
mod tidy;
mod time;
mod wakers;
