//! Deterministic simulation testing for async Rust, with tokio's API.
//!
//! A concurrency bug depends on the order in which tasks run, and an ordinary test tries one order. By default,
//! timeloop runs a test under 1,000 schedules in virtual time. It shrinks a failing schedule to the few scheduling
//! decisions that matter, and replays it exactly. This page is a short tutorial; the [`guide`] has a page for each
//! part.
//!
//! # A first test
//!
//! `#[`[`timeloop::test`](macro@test)`]` makes an `async fn` a test. The body runs once in FIFO order, and then under
//! up to 1,000 other schedules:
//!
//! ```rust,test_harness
//! use timeloop::spawn;
//!
//! #[timeloop::test]
//! async fn sums() {
//!     let tasks = [1, 2, 3].map(|number| spawn(async move { number }));
//!     let mut sum = 0;
//!     for task in tasks {
//!         sum += task.await.unwrap();
//!     }
//!     assert_eq!(sum, 6);
//! }
//! ```
//!
//! `cargo test` runs it. A run fails if the test panics or returns an `Err`, hangs (a deadlock or a livelock), or
//! exceeds a limit. It also fails if a task panics and nothing observes its [`JoinError`](task::JoinError).
//! [`FailureKind`] lists all kinds of failures.
//!
//! # The report
//!
//! This test passes in the order in which tokio's test runtime runs its tasks, and fails in about half of all others:
//!
#![cfg_attr(feature = "sync", doc = "```")]
#![cfg_attr(not(feature = "sync"), doc = "```ignore")]
//! use std::{sync::Arc, time::Duration};
//! use timeloop::{spawn, sync::Mutex, time::sleep};
//!
//! type Accounts = Arc<[Mutex<i64>; 2]>;
//!
//! async fn audit(accounts: Accounts) -> i64 {
//!     *accounts[0].lock().await + *accounts[1].lock().await
//! }
//!
//! async fn transfer(accounts: Accounts, amount: i64) {
//!     *accounts[0].lock().await -= amount;
//!     sleep(Duration::from_millis(5)).await; // a ledger is written
//!     *accounts[1].lock().await += amount;
//! }
//!
//! #[timeloop::test]
//! async fn money_is_neither_made_nor_lost() {
//!     let accounts = Accounts::new([Mutex::new(100), Mutex::new(0)]);
//!     let audit = spawn(audit(accounts.clone()));
//!     spawn(transfer(accounts, 30));
//!     assert_eq!(audit.await.unwrap(), 100);
//! }
//! ```
//!
//! `cargo test` prints:
//!
//! ```text
//! timeloop: `bank::money_is_neither_made_nor_lost` failed in 99 of 203 schedules: panic at tests/bank.rs:21:5
//!
//!   assertion `left == right` failed
//!     left: 70
//!    right: 100
//!   (in task `root`, after 4 steps, at virtual time 0 s)
//!
//! Critical order (checked): if these two swap, the test passes
//!   step 2  `transfer` (root.2) acquires `mutex` (created at tests/bank.rs:18:35) at tests/bank.rs:11
//!   step 3  `audit` (root.1) acquires it at tests/bank.rs:7
//!
//! Failing schedule: FIFO order, except
//!   step 2  `transfer` (root.2) starts before `audit` (root.1) starts
//!   (`audit` (root.1) is spawned at tests/bank.rs:19:17; `transfer` (root.2) is spawned at tests/bank.rs:20:5)
//!
//! Steps (▸ out of FIFO order)
//!     step  time  task               ran from → to
//!        1   0 s  root               start → tests/bank.rs:21
//!   ▸    2   0 s  transfer (root.2)  start → :12  acquires `mutex` of :18:35, releases it
//!        3   0 s  audit (root.1)     start → end  acquires `mutex` of bank.rs:18:35, …
//!        4   0 s  root               :21 → panic
//!
//! found by   seed 1 (run 2, strategy `starve`); TIMELOOP_SEED=1 tries it first
//! shrunk     from 3 deviations to 1 in 5 runs
//! stored     timeloop-regressions/bank.money_is_neither_made_nor_lost.txt, replayed first from now on; commit it
//! replay     TIMELOOP_REPLAY=TL11N08P9B904002082000000DTFKY6A cargo test --test bank money_is_neither_made_nor_lost -- --exact
//! ```
//!
//! Read the critical order first. It names the two operations whose order decides the outcome, and their lines.
//! timeloop has run the test in both orders. [`guide::reports`] explains each part, and the reports of deadlocks.
//!
//! # Replaying
//!
//! Paste the command after `replay` into a shell. The token in `TIMELOOP_REPLAY` *is* the schedule: it works in another process, on
//! another machine and in a debugger. timeloop also stores the schedule in `timeloop-regressions/`, unless `CI` is set.
//! Commit the file: the test tries that schedule first from then on. [`guide::replaying`] has the details and all
//! variables. [`guide::ci_and_nextest`] describes the use in CI.
//!
//! # Virtual time
//!
//! [`time`] has tokio's API and a virtual clock. The clock stands still while tasks run. When all tasks wait, it jumps
//! to the next timer. A sleep of a year costs as much as a sleep of a second.
//!
//! ```
//! use timeloop::time::{Duration, Instant, sleep, timeout};
//!
//! timeloop::run(0, || async {
//!     let start = Instant::now();
//!     sleep(Duration::from_secs(365 * 24 * 60 * 60)).await;
//!     assert!(timeout(Duration::from_millis(10), sleep(Duration::from_millis(11))).await.is_err());
//!     assert_eq!(start.elapsed(), Duration::from_millis(365 * 24 * 60 * 60 * 1_000 + 10));
//! })?;
//! # Ok::<(), timeloop::Failure>(())
//! ```
//!
//! Two strategies, `starve` and `stall`, let time advance while tasks are ready, as on a busy machine, so that timeouts
//! fire early relative to the work. The default uses them mainly if the baseline run sets timers. A
//! `sleep` may then take longer. A test that compares exact times needs `#[timeloop::test(stalls = false)]`.
//!
//! # Tasks, channels, locks, `select!`
//!
//! [`task`], [`sync`], [`select!`], [`join!`] and [`try_join!`] have tokio's API too, with the same fairness,
//! cancellation and errors. A task is polled once per *step*; after each step the strategy picks the next task among
//! those that are ready. Futures need not be `Send`: a run has one thread. Names in reports are those of the spawned
//! `async fn`s, or come from [`task::Builder`].
//!
//! Existing code that says `tokio::` needs one line, `extern crate timeloop as tokio;`, under `#[cfg(test)]`: see
//! [`guide::tokio`]. The command `cargo timeloop` needs none, and simulates the dependencies too:
//! [`guide::cargo_timeloop`].
//!
//! # How schedules are searched
//!
//! A test tries its stored schedules. Then it runs once in FIFO order: the *baseline run*. It shows how many tasks and
//! steps there are, and which resources tasks share. Each further run has a seed and a strategy, which picks the next
//! task. Most strategies also preempt tasks before an operation: another task can run before a free lock is taken, or
//! between two sends. The default, `portfolio`, chooses one of nine other strategies for each run, by the seed. Keep it
//! unless you know which kind of bug you look for. [`guide::strategies`] lists them and compares how many schedules
//! the main ones need.
//!
//! For state that tasks share outside of locks and channels (a row of a fake database, a file, an atomic), await the
//! methods of a [`Resource`] right before each access. [`collections`] has maps with a fixed iteration order. [`rng()`]
//! returns random numbers that the seed decides.
//!
//! `strategy = "exhaustive"` runs every schedule of a small test: see
#![cfg_attr(feature = "sync", doc = "[`guide::exhaustive`].")]
#![cfg_attr(not(feature = "sync"), doc = "`guide::exhaustive`.")]
//!
//! # Distributed systems
//!
//! [`world`] has nodes with tasks and clocks of their own, which the test crashes, restarts, pauses and shuts down.
//! [`net`] has tokio's sockets between them, over links with latency, loss and partitions. [`history`] checks
//! linearizability. See
#![cfg_attr(feature = "net", doc = "[`guide::network`].")]
#![cfg_attr(not(feature = "net"), doc = "`guide::network`.")]
//! hyper, rustls, quinn and openraft run over this network as published: [`guide::adapters`].
//!
//! # Without the attribute
//!
//! [`explore`] does what the attribute does, for a closure. [`Explorer`] has every setting and returns an
//! [`Exploration`] instead of panicking. [`run`] makes a single run (under `random`) and returns its output.
//! [`run_from`] makes a single run whose decisions come from a fuzzer's [`Bytes`] or a [`StoredSchedule`]. Properties
//! and fuzzers take a [`Schedule`] as an input.
//!
//! # Determinism
//!
//! A seed gives the same run of a test in every process, in debug and release builds, and for any number of threads.
//! That holds if the code under test takes time, randomness, tasks and sockets from timeloop. Real clocks,
//! `rand::rng()`, the iteration order of `std`'s `HashMap`, threads, and statics that outlive a run break it:
//! [`guide::determinism`] has the whole list, with replacements. If two runs of one schedule differ, the report says
//! *nondeterminism* and names the first step that differs. Within a minor version, seeds and
//! tokens keep their meaning: [`guide::stability`].
//!
//! # Limits
//!
//! - The scheduler switches tasks where they wait, before awaited operations of [`sync`], [`net`], [`io`] and nodes, and
//!   at accesses to a [`Resource`]; nowhere else. timeloop does not find races within the code in between. A [`task::yield_now`] in
//!   that code lets other tasks run. Under `random`, which [`run`] and [`runtime::Builder`] use, a free lock is taken
//!   without preemption.
//! - Calls that cannot wait (`try_lock`, a synchronous `send`, dropping a guard) are not preemption points.
//! - Threads, atomics, memory orderings and `std::sync` are not explored.
//! - There are no `fs` and `process` yet, and no simulated disk. The test itself must hold the data that a
//!   node keeps across a crash.
//! - The network has no congestion control: a stream is as fast as its link and its buffers allow.
//! - A test tries a sample of the schedules: 1,000 that pass prove nothing about the others. An exhaustive search
//!   covers all of them, but only for announced operations ([`guide::strategies`] explains them), the lowest network
//!   latencies and no network faults.
//! - If the baseline run sets no timer, timeloop hardly searches for timing bugs. A [`timeout`](time::timeout) around work
//!   that never waits sets no timer: add a `sleep` where production has latency.
//! - Lines where tasks wait come from debug information. A release build has them with `debug = "line-tables-only"` in
//!   its profile; where the compiler merges identical functions, a line may be that of the other function.
//! - A poll that never returns cannot be interrupted. After 10 s a watchdog names the task and ends the process.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `sync` | yes | [`sync`], by way of the crate `tokio` with its feature `sync` alone, which brings no runtime |
//! | `net` | yes | [`net`] and [`io`], by way of the crate `tokio` with its feature `io-util` alone |
//! | `futures-io` | | the traits of the crate `futures-io` for streams and their halves, beside tokio's |
//! | `hermetic` | | clocks, random numbers and names of `std` obey the run, under Linux: [`guide::hermetic`] |
//! | `blocking-stacks` | | closures of [`spawn_blocking`](task::spawn_blocking) wait in any order, under Linux |
//! | `proptest` | | schedules as inputs of properties, which shrink together with the other inputs: `guide::properties` |
//! | `arbitrary` | | `fuzz_target!`: a fuzzer generates input and schedule together: `guide::fuzzing` |
//! | `hyper` | | `adapters::hyper`: the timer, executor and streams that hyper 1 needs |
//! | `rustls` | | `adapters::rustls`: TLS whose random numbers and times are those of the run |
//! | `quinn` | | `adapters::quinn`: sockets, timers and connection ids for QUIC |
//! | `tracing` | | `adapters::tracing`: the events of a failing run in its report |
//!
//! Without `sync` and `net`, tokio is not among the dependencies.
//!
//! # For asyncio users
//!
//! A table from Python's asyncio to timeloop:
#![cfg_attr(feature = "sync", doc = "[`guide::asyncio`].")]
#![cfg_attr(not(feature = "sync"), doc = "`guide::asyncio`.")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(unsafe_code)]

#[cfg(any(feature = "hyper", feature = "quinn", feature = "rustls", feature = "tracing"))]
#[cfg_attr(
    docsrs,
    doc(cfg(any(feature = "hyper", feature = "quinn", feature = "rustls", feature = "tracing")))
)]
pub mod adapters;
pub mod collections;
mod engine;
mod explorer;
#[cfg(feature = "arbitrary")]
#[cfg_attr(docsrs, doc(cfg(feature = "arbitrary")))]
pub mod fuzzing;
pub mod guide;
mod harness;
pub mod history;
#[cfg(feature = "net")]
#[cfg_attr(docsrs, doc(cfg(feature = "net")))]
pub mod io;
mod macros;
#[cfg(feature = "net")]
#[cfg_attr(docsrs, doc(cfg(feature = "net")))]
pub mod net;
#[cfg(feature = "proptest")]
#[cfg_attr(docsrs, doc(cfg(feature = "proptest")))]
pub mod proptest;
mod resource;
mod rng;
pub mod runtime;
mod schedule;
pub mod signal;
#[cfg(feature = "sync")]
#[cfg_attr(docsrs, doc(cfg(feature = "sync")))]
pub mod sync;
pub mod task;
pub mod time;
pub mod world;

#[doc(hidden)]
pub use macros::support as __private;
pub use macros::{main, test};

pub use explorer::{Explorer, explore};
pub use harness::{Outcome, TestResult, is_replay, run, run_from};
pub use resource::{Accessing, Resource};
pub use rng::{TaskRng, rng};
pub use schedule::{FailedRun, Schedule};
pub use task::spawn;
pub use timeloop_sim::{
    Access, AccessMode, Advance, AnySource, Arrival, Awaited, BlockedCall, BlockedTask, Bound,
    BranchCoverage, BranchKind, Bytes, Cancellation, Canceller, Cause, ChannelUser, Choice, CompletedBranch,
    Config, Coverage, Critical, CriticalDecision, CriticalOperation, CriticalStep, DecisionKey, Deviation,
    Domain, EnvironmentError, Estimates, Exploration, ExploreError, Failure, FailureKind, FaultCounts,
    Fingerprint, Found, FoundBy, Frequency, Holder, Limits, Log, LogLine, Nanos, Note, OnProgress, Operation,
    OperationOutcome, OtherFailure, ParsePathError, Performed, Phase, Profile, Progress, RealCall, Record,
    RegressionError, RegressionsIn, ReplaySetting, ResourceKey, ResourceKind, ResourceRecord, ResourceState,
    RunningTask, Schedule as StoredSchedule, Scratch, Searched, Seed, SeedSetting, SeedVersion, Settings,
    Site, Stalls, Step, StepKind, StopReason, StrategySpec, TaskKey, TaskLabel, TaskPath, TaskRecord,
    TestName, TokenError, UnknownStrategy, Watched, WorldDeviation, WorldEvent,
};

/// Data about nodes, links, sockets and differing runs in a [`Failure`] or a [`Record`].
pub mod failure {
    pub use timeloop_sim::{
        Anomaly, BytesPlace, Caused, Causer, Difference, DifferentStep, Endpoint, FaultAspect, FaultKind,
        LinkChange, LinkState, LinkTrouble, NodeEvent, NodeState, NodeWait, Obstacle, PacketFate,
        PlannedFault, Resumed, SocketAction, SocketLabel, SocketWait, WorldChange, WorldEffect,
    };
}
