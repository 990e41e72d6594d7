//! timeloop's tests, with a module per behaviour.

mod announcing;
#[cfg(feature = "sync")]
mod asyncio;
mod auto_traits;
#[cfg(feature = "net")]
mod cluster;
#[cfg(feature = "sync")]
mod corpus;
mod determinism;
mod endings;
mod environment;
#[cfg(feature = "sync")]
mod examples;
#[cfg(feature = "sync")]
mod exhaustive;
#[cfg(feature = "sync")]
mod fairness;
mod faults;
#[cfg(all(feature = "net", feature = "sync"))]
mod fixtures;
mod golden;
mod history;
mod imports;
mod macros;
#[cfg(feature = "net")]
mod net;
mod other_tools;
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
mod schedules;
mod strategies;
mod support;
#[cfg(feature = "sync")]
mod sync;
mod tasks;
mod tidy;
mod time;
mod tokio_face;
mod wakers;
mod world;
