//! Deterministic simulation testing for async Rust: virtual time, a scheduler that a seed decides, and failing schedules
//! that shrink and replay.
//!
//! A bug in concurrent code hides in the order in which tasks run, and an ordinary test tries one order. timeloop tries
//! thousands, finds one that fails, takes away all that does not matter, and tells the rest in sentences. This page
//! goes from a first test to the limits; each part can be skipped.
//!
//! # A first test
//!
//! `#[`[`timeloop::test`](macro@test)`]` makes an `async fn` a test whose body is run under 1,000 schedules:
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
//! A run fails if it panics, returns an `Err`, hangs (a deadlock: every task waits and no timer is set; a livelock: tasks
//! run on while time stands still), if a task panics and nobody looks at its [`JoinError`](task::JoinError), or
//! if it exceeds a bound. [`FailureKind`] lists the endings. Whatever fails, the report names the tasks concerned.
//!
//! # The report
//!
//! This test passes in the order in which tokio's test runtime would run its tasks, and in about half of all others:
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
//! So `cargo test` says:
//!
//! ```text
//! timeloop: `bank::money_is_neither_made_nor_lost` fails in 88 of 203 schedules: panic at tests/bank.rs:21:5
//!
//!   assertion `left == right` failed
//!     left: 70
//!    right: 100
//!   (in task `root`; after 0 s of virtual time and 4 steps)
//!
//! How it happens, where all else runs in its turn, first in, first out:
//!   step 2   `transfer` (root.2) starts before `audit` (root.1) starts.
//!   (`audit` (root.1) was spawned at tests/bank.rs:19:17; `transfer` (root.2) was spawned at tests/bank.rs:20:5)
//! Critical: `transfer` (root.2) acquires `mutex` (made at tests/bank.rs:18) at tests/bank.rs:11 before `audit`
//! (root.1) acquires it at tests/bank.rs:7; the other way round the test passes (checked).
//! Deviations from that order: 1 as found, 1 after 4 runs of shrinking.
//!
//! The last steps: virtual time, step, task, from where to where it ran (* out of its turn)
//!     0 s  1  root               from its start to tests/bank.rs:21
//!   * 0 s  2  transfer (root.2)  from its start to tests/bank.rs:12; acquires `mutex`, releases `mutex`
//!     0 s  3  audit (root.1)     starts, ends; acquires `mutex`, releases `mutex`
//!     0 s  4  root               from tests/bank.rs:21, panics
//!
//! found by   seed 1 (run 2, strategy `random`): TIMELOOP_SEED=1 finds it at once
//! stored     timeloop-regressions/bank.money_is_neither_made_nor_lost.txt, tried first next time: commit it
//! replay     TIMELOOP_REPLAY=TL11N08P9B904002082000000DTFKY6A cargo test money_is_neither_made_nor_lost -- --exact
//! ```
//!
//! From top to bottom: what failed, and where; the decisions that matter, told against the *quiet* run, in which every
//! task runs in its turn; the last steps; and how to see it again.
//!
//! The line `Critical:` is where to begin. It names the one order, or the one choice, that the failure hangs on: two
//! operations on one thing, with the lines that do them. Both ways have been run, so "the other way round the test
//! passes (checked)" is a fact and no guess. Where every single
//! change fails as well, the report says that in its place. For programs it is [`Found::critical`].
//!
//! # Replaying
//!
//! The last line is to be copied into a shell. The token in `TIMELOOP_REPLAY` *is* the schedule: it works in another
//! process, on another machine, in a debugger. It is also stored in `timeloop-regressions/` (never where `CI` is set): commit
//! the file, and the test tries that schedule first from then on. A schedule that no longer applies, because the code has
//! changed, is told apart from one that passes.
//!
//! `TIMELOOP_SEED`, with the seed from the line `found by`, is the way back to the run as it was found, before shrinking;
//! others follow it. A seed needs its strategy, and what that was told of the quiet run; a token holds all three.
//!
//! Everything else that can be set has a place in the attribute, a method of [`Explorer`], and mostly a variable:
//! `TIMELOOP_RUNS`, `TIMELOOP_SEED`, `TIMELOOP_STRATEGY`, `TIMELOOP_JOBS`, `TIMELOOP_CHECK`, `TIMELOOP_LOG` ([`Settings`]).
//!
//! # Virtual time
//!
//! [`time`] is tokio's, on a clock that stands still while tasks run and then jumps to the next timer. Nobody waits for
//! it; a year costs what a second costs.
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
//! Two strategies, `starve` and `stall`, let time pass while tasks are ready, as on a busy machine, so that timeouts come
//! early relative to work. The default includes them where virtual time moves at all. So a `sleep` of a second may end
//! after two, and a test that says `assert_eq!(start.elapsed(), SECOND)` while other tasks have timers may fail for that
//! alone; the report says so. If it counts on exact times, make it `#[timeloop::test(stalls = false)]`
//! ([`Explorer::stalls`]).
//!
//! # Tasks
//!
//! [`task`] is tokio's too: [`spawn`], [`JoinSet`](task::JoinSet), [`abort`](task::JoinHandle::abort),
//! [`spawn_blocking`](task::spawn_blocking), [`task_local!`]. A task is polled once a *step*, and after each step the
//! strategy chooses among the tasks that are ready. Futures need not be `Send`: a run has one thread. Give tasks names
//! with [`task::Builder`], or spawn `async fn`s, whose names they then have in reports.
//!
//! # Channels, locks, `select!`
//!
//! [`sync`] is tokio's own code, so a test meets the same fairness, cancellation and errors as production does; `watch` and
//! `Barrier` are timeloop's, since tokio's wake receivers in an order that no seed decides. Calls of `blocking_*` that have
//! to wait panic: no other task could run meanwhile. Which branch of a [`select!`] is polled first is the seed's to
//! choose; [`join!`] and [`try_join!`] poll theirs in turn, as in tokio.
//!
//! # How schedules are searched
//!
//! A test first runs once with every task in its turn: the quiet run. From it the strategies learn how many tasks and
//! steps there are, and which tasks share what. After that each run has a seed, and a strategy:
//!
//! | | what it does | where it is from |
//! |---|---|---|
//! | `portfolio` | each run has one of the others but `fifo` and `exhaustive`, by its seed: the default | |
//! | `lockstep` | tasks take turns, one operation each | |
//! | `surw` | makes every order of the accesses to one resource equally likely | Zhao and others, *Selectively Uniform Concurrency Testing*, ASPLOS 2025 |
//! | `pos` | gives each operation a random priority, and a new one to those that race with what was done | Yuan and others, *Partial Order Aware Concurrency Sampling*, CAV 2018 |
//! | `urw` | prefers tasks in proportion to what they have left to do | as `surw` |
//! | `pct(depth = 3)` | gives each task a random priority, which falls at a few random points | Burckhardt and others, *A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs*, ASPLOS 2010 |
//! | `delay(bound = 2)` | first in, first out, but a few times a task goes behind all others | Emmi and others, *Delay-Bounded Scheduling*, POPL 2011 |
//! | `random` | picks any ready task | |
//! | `starve` | keeps one task waiting for long | O'Callahan, *Introducing rr chaos mode*, 2016 |
//! | `stall` | lets time pass while tasks are ready | Zhou and others, *FoundationDB*, SIGMOD 2021 |
//! | `fifo` | tasks run in turn; only branches of `select!` and random numbers differ from seed to seed | |
//! | `exhaustive` | see [below](#every-schedule-of-a-small-test) | Abdulla and others, *Optimal Dynamic Partial Order Reduction*, POPL 2014 |
//!
//! `#[timeloop::test(strategy = "surw")]`, [`Explorer::strategy`] and `TIMELOOP_STRATEGY` choose one; [`StrategySpec`]
//! lists them. The default is meant to be kept: which strategy is best depends on the bug.
//!
//! All but `random` and `fifo` are told what a task is about to do before it does it, and may make it *give way*: it
//! stays ready, and others run first. So a task can be held up before it takes a lock that is free, and between two sends
//! to a channel that has room. Every operation of [`sync`] that is awaited can give way. Those that return at once
//! (`try_lock`, a `send` that is no future, dropping a guard) can't, but are known once they are done.
//!
//! # What tasks share besides locks and channels
//!
//! Of a row in a fake database, a file or an atomic, timeloop knows nothing, unless a [`Resource`] stands for it. Await
//! one of its methods right before the access. That is a point at which tasks are switched under every strategy but `fifo`,
//! and it tells those that want to know which accesses race:
//!
//! ```
//! use std::{cell::Cell, rc::Rc};
//! use timeloop::{Explorer, Resource, task::spawn_local};
//!
//! struct Row {
//!     resource: Resource,
//!     stock: Cell<u32>,
//! }
//!
//! async fn sell(row: Rc<Row>) -> bool {
//!     row.resource.read().await;
//!     let stock = row.stock.get();
//!     if stock == 0 {
//!         return false;
//!     }
//!     row.resource.write().await;
//!     row.stock.set(stock - 1);
//!     true
//! }
//!
//! let exploration = Explorer::new("shop::nothing_is_sold_twice").without_regressions().run(|| async {
//!     let row = Rc::new(Row { resource: Resource::new("row 7"), stock: Cell::new(1) });
//!     let one = spawn_local(sell(row.clone()));
//!     let other = spawn_local(sell(row));
//!     assert!(!(one.await.unwrap() && other.await.unwrap()));
//! });
//!
//! let found = exploration.found.expect("both may read before either writes");
//! assert!(found.critical.is_some());
//! assert!(found.report.contains("(root.2) reads `row 7`"));
//! ```
//!
//! In a simulated database or file system, announce inside of its own methods; then the tests that use it need to know
//! nothing of it. Outside of a run announcing does nothing.
//!
//! # Several operations in one task
//!
//! A task of one `async fn` is about to do one thing at a time. `join!`, `select!` and `FuturesUnordered` make it
//! several. What giving way means then:
//!
//! - [`select!`], [`join!`], [`try_join!`] and [`timeout`](time::timeout) *stand back*: once a branch gives way, no other
//!   branch is polled in that step, and the deadline is not looked at. The task goes on where it stopped. So a biased
//!   `select!` takes what it would have taken, and the branches of a `join!` act in the order in which they would have:
//!   other tasks come in between. One thing is not as it was: branches before the one that gave way are polled again, so
//!   one that yielded, or was woken by another branch in the same step, may act before it.
//! - Whatever else polls several futures (`FuturesUnordered`, `join_all` of `futures-util`) knows nothing of that, and
//!   polls on. Once one of its futures has given way, the operations of the others wait until that one has been done; then
//!   it is the next one's turn to be announced.
//! - Who polls a future once to see if it is ready (`now_or_never`) gets an answer: its operations never give way.
//!
//! A future that has given way and is dropped has done nothing.
//!
//! # Deadlocks
//!
//! When all tasks wait and no timer is set, the report lists them: where each waits, for what, who holds that, and since
//! which line. Tasks that wait for each other in a circle come first:
//!
//! ```text
//! Tasks that wait:
//!   cycle: `transfer` (root.1) -> `transfer` (root.2) -> `transfer` (root.1)
//!   - `root` waits at tests/shop.rs:59 since 0 s for the end of `transfer` (root.1)
//!   - `transfer` (root.1), spawned at tests/shop.rs:57:17, waits at tests/shop.rs:49 since 0 s for `mutex` (made
//!     at tests/shop.rs:56:53), which `transfer` (root.2) holds since tests/shop.rs:48:25
//!   - `transfer` (root.2), spawned at tests/shop.rs:58:16, waits at tests/shop.rs:49 since 0 s for `mutex` (made
//!     at tests/shop.rs:56:27), which `transfer` (root.1) holds since tests/shop.rs:48:25
//! ```
//!
//! A lock may also be held by the very task that waits for it, or by one that has ended (a guard that was forgotten), or
//! by nobody: then a wake was lost. [`Failure::blocked`] and [`Failure::cycle`] have the same for programs.
//!
//! # Every schedule of a small test
//!
//! `strategy = "exhaustive"` runs every schedule of a test, and of those that differ merely in the order of what does not
//! matter, one. If none fails, there is none to find:
//!
#![cfg_attr(feature = "sync", doc = "```")]
#![cfg_attr(not(feature = "sync"), doc = "```ignore")]
//! use std::rc::Rc;
//! use timeloop::{Explorer, sync::Mutex, task::spawn_local};
//!
//! let exploration = Explorer::new("sums_agree").strategy("exhaustive").without_regressions().run(|| async {
//!     let total = Rc::new(Mutex::new(0));
//!     let tasks = [1, 2, 3].map(|amount| {
//!         let total = Rc::clone(&total);
//!         spawn_local(async move { *total.lock().await += amount })
//!     });
//!     for task in tasks {
//!         task.await.unwrap();
//!     }
//!     assert_eq!(*total.lock().await, 6);
//! });
//!
//! assert!(exploration.searched.as_ref().is_some_and(|searched| searched.complete));
//! assert_eq!(
//!     exploration.report(),
//!     "timeloop: `sums_agree` passes in all 12 schedules that differ in the order of operations\n"
//! );
//! ```
//!
//! `runs` bounds it, 100,000 unless set otherwise. A search that was cut short says that there are more, leaves a file
//! `….frontier` beside the regressions (not where `CI` is set), and goes on from there the next time; after the program
//! has changed it begins anew. All its runs are made in one thread.
//!
//! It is for a few tasks with a few operations each, and it vouches for what it can see:
//!
//! - Accesses that nobody announces do not race, as far as it knows: give an `Rc<Cell>` or an atomic a [`Resource`], or
//!   use one of the bounds, under which every interleaving counts as one of its own: `exhaustive(preemptions = 2)`,
//!   `exhaustive(delays = 2)`.
//! - The code's own random numbers are those of seed 0 in every run.
//! - Time moves only when no task is ready. What happens at different instants never races.
//! - A task that looks at something again and again until it changes has schedules without end.
//!
//! # Nodes that crash
//!
//! [`world`] has the hosts of a distributed system: each has tasks of its own, and clocks that may be off. The test crashes,
//! restarts, pauses and shuts them down, and when that happens relative to what they do is the schedule's to choose:
//!
//! ```
//! use std::{cell::Cell, rc::Rc};
//! use timeloop::{Explorer, task::yield_now, world::World};
//!
//! let exploration = Explorer::new("store::what_is_acknowledged_is_kept").without_regressions().run(|| async {
//!     let (disk, acknowledged) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
//!     let (theirs, told) = (disk.clone(), acknowledged.clone());
//!     let node = World::current().node("db-1").start(move || {
//!         let (disk, acknowledged) = (theirs.clone(), told.clone());
//!         async move {
//!             acknowledged.set(1); // too early
//!             yield_now().await;
//!             disk.set(1);
//!         }
//!     });
//!     yield_now().await;
//!     node.crash();
//!     assert!(disk.get() >= acknowledged.get());
//! });
//! assert!(exploration.found.unwrap().report.contains("node db-1 crashes"));
//! ```
//!
//! # Random numbers and maps
//!
//! [`rng()`] is a generator for whatever takes a `rand::Rng`; each task draws from a stream of its own, so that a draw in
//! one moves nothing in another. [`collections`] has hash maps that iterate in the same order each time.
//!
//! # Code that says `tokio`
//!
//! With this line in a crate's `lib.rs` or `main.rs`, `tokio::` means timeloop throughout the crate, macros and
//! `#[tokio::test]` included, while its unit tests are built, and tokio otherwise:
//!
//! ```
//! #[cfg(test)]
//! extern crate timeloop as tokio;
//! # fn main() {}
//! ```
//!
//! Tests in a crate's `tests/` see it built without `cfg(test)`. For those, make timeloop an optional dependency and hang
//! the line on its feature (`#[cfg(feature = "timeloop")]`). A single module can be swapped by `use timeloop as tokio;`.
//! There are no `fs`, `signal` and `process` yet: keep what needs them behind a trait.
//!
//! In a workspace, a crate's tests see the crates that it depends on built without `cfg(test)`: give each crate that is to run
//! under timeloop such a feature, and let the tests' crate switch them on. A dependency that calls tokio's runtime itself
//! (spawns, sleeps, opens a socket) can't run here: it panics, and the report says why.
//!
//! # Without macros, or with a fuzzer
//!
//! [`explore`] is the attribute as a function, [`Explorer`] has every setting and returns an [`Exploration`] instead of
//! panicking, [`run`] makes a single run (under `random`) and gives its output, and [`run_from`] makes a single run whose decisions come
//! from a fuzzer's [`Bytes`] or from a [`StoredSchedule`]. A [`Schedule`] is an input like any other: it runs a test under
//! itself, and if that fails shrinks and tells it.
//!
//! # What is deterministic
//!
//! One seed of one test is one run, in every process, in debug and release builds, for any number of threads: what the
//! strategies are told comes from the quiet run, never from another seed's. That holds for code whose
//! only sources of chance are the ones above. What reaches past them varies from run to run:
//!
//! | | use |
//! |---|---|
//! | the order in which `std`'s `HashMap` iterates | [`collections`], or a `BTreeMap` |
//! | `std::time::Instant` and `SystemTime` | [`time::Instant`], [`time::SystemTime`] |
//! | `rand::rng()`, and what seeds itself from the system | [`rng()`] |
//! | a real thread that wakes a task: an *escape* if it comes while the run lasts, else a deadlock whose report says so | [`task::spawn_blocking`] |
//! | real sockets | [`net`] |
//! | files, processes | a trait |
//! | statics and thread locals, which outlive a run | values made in the test |
//! | addresses, thread ids | ids of your own |
//!
//! Each failure is confirmed by a second run. Where the two differ, the report says *nondeterminism*, and at which step.
//! `TIMELOOP_CHECK=100` runs the first hundred seeds twice even though nothing has failed.
//!
//! The meaning of a seed with its strategy, of tokens and of stored schedules does not change within a minor version.
//!
//! # Limits
//!
//! - Tasks are switched where they wait, before operations of [`sync`] that are awaited, and at accesses to a
//!   [`Resource`]; nowhere else. Code in between is one piece, so races within it are not found; [`task::yield_now`]
//!   makes two pieces of it. Under `random`, which [`run`] and [`runtime::Builder`] use, a lock that is free is taken
//!   without giving way.
//! - Threads, atomics, memory orderings and `std::sync` are not explored.
//! - There is no disk: what a node is to keep in a crash, the test keeps for it.
//! - The network knows no congestion: a stream is as fast as its link and its buffers allow.
//! - An exhaustive search takes the network as it is when nothing goes wrong, with the least latencies.
//! - Exploring samples: that 1,000 schedules pass proves nothing about the others. An exhaustive search proves what it
//!   says, for what is announced.
//! - Timeouts that come before the work are looked for only where virtual time moves in the quiet run. A
//!   [`timeout`](time::timeout) around work that never waits does not make it move: put a `sleep` where production has
//!   latency.
//! - Lines where tasks wait are read from debug information: a release build has them with `debug = "line-tables-only"`
//!   in its profile, and where the compiler folds equal functions a line may be that of a twin.
//! - What the test itself prints, it prints in every run. Replay the token to see the output of one run alone.
//! - With `#[should_panic]`, one failing schedule of all that are tried is enough to pass.
//! - A poll that never returns can't be interrupted. After 10 s a watchdog names the task and ends the process.
//!
//! # Features
//!
//! - `sync` (default): [`sync`], by way of the crate `tokio` with its feature `sync` alone, which brings no runtime. Without
//!   it and `net` there is no tokio among the dependencies.
//! - `net` (default): [`net`] and [`io`], the latter by way of the crate `tokio` with its feature `io-util` alone.
//! - `proptest`: schedules as inputs of properties, which shrink together with the others. There is a
#![cfg_attr(feature = "proptest", doc = "  [guide](guide::properties).")]
#![cfg_attr(not(feature = "proptest"), doc = "  guide, `guide::properties`.")]
//! - `arbitrary`: a fuzzer makes up input and schedule together, by way of `timeloop::fuzz_target!`. There is a
#![cfg_attr(feature = "arbitrary", doc = "  [guide](guide::fuzzing).")]
#![cfg_attr(not(feature = "arbitrary"), doc = "  guide, `guide::fuzzing`.")]
//! - `hyper`: `adapters::hyper`, what hyper 1 asks of a runtime.
//! - `rustls`: TLS whose every random byte and time is the run's, in
#![cfg_attr(feature = "rustls", doc = "  [`adapters::rustls`].")]
#![cfg_attr(not(feature = "rustls"), doc = "  `adapters::rustls`.")]
//!
//! # For asyncio users
#![cfg_attr(feature = "sync", doc = "")]
#![cfg_attr(feature = "sync", doc = include_str!("asyncio.md"))]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(unsafe_code)]

#[cfg(any(feature = "hyper", feature = "quinn", feature = "rustls"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "hyper", feature = "quinn", feature = "rustls"))))]
pub mod adapters;
pub mod collections;
mod engine;
mod explorer;
#[cfg(feature = "arbitrary")]
#[cfg_attr(docsrs, doc(cfg(feature = "arbitrary")))]
pub mod fuzzing;
#[cfg(any(feature = "arbitrary", feature = "proptest"))]
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
pub use harness::{Outcome, TestResult, run, run_from};
pub use resource::{Accessing, Resource};
pub use rng::{TaskRng, rng};
pub use schedule::{FailedRun, Schedule};
pub use task::spawn;
pub use timeloop_sim::{
    Access, Advance, AnySource, Arrival, Awaited, BlockedTask, Bound, Bytes, Cause, Choice, Config, Critical,
    CriticalDecision, CriticalStep, DecisionKey, Deviation, Domain, EnvironmentError, Estimates, Exploration,
    ExploreError, Failure, FailureKind, Fingerprint, Found, FoundBy, Frequency, Holder, Limits, Log, Nanos,
    Note, OnProgress, Operation, OtherFailure, ParsePathError, Performed, Phase, Profile, Progress, Record,
    RegressionError, RegressionsIn, ReplaySetting, ResourceKey, ResourceKind, ResourceRecord,
    Schedule as StoredSchedule, Scratch, Searched, Seed, SeedSetting, Settings, Site, Step, StopReason,
    StrategySpec, TaskKey, TaskLabel, TaskPath, TaskRecord, TestName, TokenError, UnknownStrategy, Watched,
    WorldDeviation, WorldEvent,
};

/// What a [`Failure`] and a [`Record`] say of nodes, links, sockets and differing runs, as data.
pub mod failure {
    pub use timeloop_sim::{
        Anomaly, BytesPlace, Caused, Causer, Difference, DifferentStep, Endpoint, FaultAspect, FaultKind,
        LinkState, LinkTrouble, NodeEvent, NodeState, NodeWait, Obstacle, PacketFate, PlannedFault, Resumed,
        SocketAction, SocketLabel, SocketWait, WorldChange, WorldEffect,
    };
}
