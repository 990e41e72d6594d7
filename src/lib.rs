//! Deterministic simulation testing for async Rust.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(unsafe_code)]

pub mod collections;
mod engine;
mod explorer;
mod harness;
mod macros;
mod rng;
pub mod runtime;
#[cfg(feature = "sync")]
#[cfg_attr(docsrs, doc(cfg(feature = "sync")))]
pub mod sync;
pub mod task;
pub mod time;

#[doc(hidden)]
pub use macros::support as __private;
pub use macros::{main, test};

pub use explorer::{Explorer, explore};
pub use harness::{Outcome, TestResult, run, run_from};
pub use rng::{TaskRng, rng};
pub use task::spawn;
pub use timeloop_sim::{
    AnySource, BlockedTask, Bytes, Deviation, Domain, Exploration, ExploreError, Failure, FailureKind, Fingerprint, Found, FoundBy, Limits,
    Nanos, Phase, Progress, Schedule, Seed, Settings, Site, StrategySpec, TaskKey, TaskLabel, TaskPath, TestName, TokenError,
};
