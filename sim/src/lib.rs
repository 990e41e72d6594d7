//! The simulation harness of timeloop: it explores the schedules of a test, and confirms, shrinks, replays and reports
//! failures.
//!
//! This crate is **outside** the simulation. It knows nothing of futures, wakers or sockets. A [`Simulation`] takes a
//! [`Source`] of decisions, runs once and returns how it ended. [`explore`] is the entry point, and [`Config`] its settings.
//! Data flows one way:
//!
//! ```text
//! seed -> decisions -> run -> record -> schedule -> shrink -> report
//! ```
//!
//! Most users don't need this crate directly: they depend on `timeloop`, which re-exports what they need. It is a separate
//! package so that it can explore other runtimes too.
#![deny(unsafe_code)]

mod chacha;
mod config;
mod confirm;
mod console;
mod coverage;
mod critical;
mod debugger;
mod decision;
mod environment;
mod estimates;
mod exhaustive;
mod exploration;
mod fault_counts;
mod fnv;
mod fresh_process;
mod fresh_thread;
pub mod history;
mod int_map;
mod label;
mod limits;
mod livelock;
mod operation;
mod outcome;
mod outcomes;
mod own_process;
mod profile;
mod progress;
mod record;
mod regression;
mod report;
#[cfg(feature = "processes")]
mod returned;
mod rewrite;
mod run_mode;
mod runner;
mod schedule;
mod seed;
mod session;
mod shrink;
mod simulation;
mod sorting;
mod source;
mod stalls;
mod stopwatch;
mod strategy;
mod stream;
mod sweep;
mod task_path;
mod test_binary;
mod test_name;
mod text;
mod token;
mod watchdog;
#[cfg(feature = "processes")]
mod wire;
mod world;

pub use config::{Config, RegressionsIn};
pub use console::{exit_with, fail_with, print_note, shown};
pub use coverage::{BranchCoverage, Coverage};
pub use critical::{Critical, CriticalDecision, CriticalOperation, CriticalStep};
pub use decision::{DecisionKey, Domain, Ready};
pub use environment::{EnvironmentError, Log, ReplaySetting, SeedSetting, Settings, TestSettings};
pub use estimates::Estimates;
pub use exhaustive::{Absorbed, FrontierError, Search, Searched};
pub use exploration::{Exploration, Found, FoundBy};
pub use fault_counts::FaultCounts;
#[doc(hidden)]
pub use int_map::{AddressMap, IntMap, IntSet, Numbers};
pub use label::{Site, TaskLabel};
pub use limits::Limits;
pub use livelock::RunningTask;
pub use operation::{Access, Announced, Operation, ResourceKey};
pub use outcome::{
    Awaited, BlockedCall, BlockedTask, Cause, ChannelUser, Difference, DifferentStep, Failure, FailureKind,
    Fingerprint, Holder, Note, RealCall, ResourceState, Resumed,
};
pub use own_process::{in_own_process, report_to_parent};
pub use profile::{Profile, Watched};
pub use progress::{OnProgress, Phase, Progress};
pub use record::{
    AccessMode, Advance, Arrival, BranchKind, Cancellation, Canceller, Choice, CompletedBranch, LogLine,
    OperationOutcome, Performed, Record, ResourceKind, ResourceRecord, Step, StepKind, TaskRecord,
    WorldDeviation, WorldEvent,
};
pub use regression::{BlockFile, BlockFormat, Blocks, Loaded, RegressionError, Regressions, Stored};
pub use report::stored_text;
pub use run_mode::{ExploreError, ReplayFile, RunMode};
pub use schedule::{Deviation, Schedule, SeedVersion};
pub use seed::Seed;
pub use session::{explore, investigate, render_report};
pub use shrink::StopReason;
pub use simulation::{Detail, Ended, Request, Simulation};
pub use source::{AnySource, Bytes, Replay, Seeded, Source};
pub use stalls::{DEADLINE_NS_MAX, Stalls};
pub use strategy::{
    Bound, Delay, Draw, Fifo, Lockstep, Pct, Pos, Random, Scratch, Stall, Starve, Strategy, StrategySpec,
    Surw, UnknownStrategy, Urw,
};
pub use stream::Stream;
pub use sweep::{Frequency, OtherFailure};
pub use task_path::{ParsePathError, TaskKey, TaskPath};
pub use test_name::TestName;
pub use text::{Nanos, grouped};
pub use token::TokenError;
pub use watchdog::{Heartbeat, SpawnSite};
pub use world::{
    Anomaly, BytesPlace, Caused, Causer, Endpoint, FaultAspect, FaultKind, LinkChange, LinkState,
    LinkTrouble, NodeEvent, NodeState, NodeWait, Obstacle, PacketFate, PlannedFault, SocketAction,
    SocketLabel, SocketWait, WorldChange, WorldEffect,
};
