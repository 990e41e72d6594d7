//! The workloads, written once for both sides.
//!
//! # Invariants
//! - Both sides are one source, in which only the name of the crate differs.
//! - A number is wall time divided by the operations that the workload is named for.

use timeloop::Limits;

/// The workloads with this crate.
macro_rules! workloads {
    ($module:ident, $runtime:ident) => {
        mod $module {
            use std::sync::Arc;

            use $runtime::spawn;
            use $runtime::sync::{Mutex, mpsc};
            use $runtime::task::yield_now;
            use $runtime::time::{Duration, sleep};

            /// Tasks that only yield.
            pub(super) async fn polls(tasks: u64, each: u64) {
                let yielders = (0..tasks).map(|_| {
                    spawn(async move {
                        for _ in 0..each {
                            yield_now().await;
                        }
                    })
                });
                for task in yielders.collect::<Vec<_>>() {
                    task.await.unwrap();
                }
            }

            /// Tasks that sleep, each for other durations than its neighbours, up to ten seconds.
            pub(super) async fn timers(tasks: u64, each: u64) {
                let sleepers = (0..tasks).map(|task| {
                    spawn(async move {
                        for turn in 0..each {
                            let millis = 1 + (task * 7_919 + turn * 104_729) % 10_007;
                            sleep(Duration::from_millis(millis)).await;
                        }
                    })
                });
                for task in sleepers.collect::<Vec<_>>() {
                    task.await.unwrap();
                }
            }

            /// One task after another, each awaited before the next is spawned.
            pub(super) async fn spawn_join(tasks: u64) {
                for number in 0..tasks {
                    assert_eq!(spawn(async move { number }).await.unwrap(), number);
                }
            }

            /// A hundred tasks at a time, spawned and then awaited.
            pub(super) async fn spawn_join_100(hundreds: u64) {
                for _ in 0..hundreds {
                    let tasks: Vec<_> = (0..100).map(|number| spawn(async move { number })).collect();
                    for (number, task) in tasks.into_iter().enumerate() {
                        assert_eq!(task.await.unwrap(), number);
                    }
                }
            }

            /// A test and its task: a message to the task and one back.
            pub(super) async fn ping_pong(turns: u64) {
                let (request, mut requests) = mpsc::unbounded_channel();
                let (answer, mut answers) = mpsc::unbounded_channel();
                let server = spawn(async move {
                    while let Some(message) = requests.recv().await {
                        answer.send(message).unwrap();
                    }
                });
                for turn in 0..turns {
                    request.send(turn).unwrap();
                    assert_eq!(answers.recv().await, Some(turn));
                }
                drop(request);
                server.await.unwrap();
            }

            /// A message to the task and one back, through channels with a capacity of one message.
            pub(super) async fn ping_pong_bounded(turns: u64) {
                let (request, mut requests) = mpsc::channel(1);
                let (answer, mut answers) = mpsc::channel(1);
                let server = spawn(async move {
                    while let Some(message) = requests.recv().await {
                        answer.send(message).await.unwrap();
                    }
                });
                for turn in 0..turns {
                    request.send(turn).await.unwrap();
                    assert_eq!(answers.recv().await, Some(turn));
                }
                drop(request);
                server.await.unwrap();
            }

            /// Tasks that hold a lock while the others wait for it.
            pub(super) async fn mutex(tasks: u64, each: u64) {
                let counter = Arc::new(Mutex::new(0));
                let users = (0..tasks).map(|_| {
                    let counter = Arc::clone(&counter);
                    spawn(async move {
                        for _ in 0..each {
                            let mut counter = counter.lock().await;
                            *counter += 1;
                            yield_now().await;
                        }
                    })
                });
                for task in users.collect::<Vec<_>>() {
                    task.await.unwrap();
                }
                assert_eq!(*counter.lock().await, tasks * each);
            }

            /// Tasks that all sleep at the same time; `look` is called when each is asleep.
            pub(super) async fn sleepers(tasks: u64, look: fn()) {
                for _ in 0..tasks {
                    spawn(sleep(Duration::from_secs(3_600)));
                }
                sleep(Duration::from_secs(1)).await;
                look();
            }
        }
    };
}

workloads!(on_tokio, tokio);
workloads!(on_timeloop, timeloop);

/// One line of the table.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    /// The number of operations of a round, in a release build.
    pub(crate) operations: u64,
    pub(crate) tokio: fn(u64),
    pub(crate) timeloop: fn(u64),
    /// The goal: how many times faster than tokio timeloop must be in a release build; `None` if there is none.
    pub(crate) goal: Option<f64>,
    /// The goal in a debug build.
    pub(crate) debug_goal: Option<f64>,
}

/// The same call with both crates.
macro_rules! both {
    ($operations:ident => $name:ident($($argument:expr),*)) => {
        (
            |$operations| in_tokio(on_tokio::$name($($argument),*)),
            |$operations| in_timeloop(move || on_timeloop::$name($($argument),*)),
        )
    };
}

/// Returns every workload, in the order of the table.
pub(crate) fn all() -> Vec<Workload> {
    type Sides = (fn(u64), fn(u64));
    let workload = |name, operations, (tokio, timeloop): Sides, goal, debug_goal| Workload {
        name,
        operations,
        tokio,
        timeloop,
        goal,
        debug_goal,
    };
    vec![
        workload("poll, 1 task", 300_000, both!(n => polls(1, n)), Some(8.0), Some(1.0)),
        workload("poll, 100 tasks", 1_000_000, both!(n => polls(100, n / 100)), Some(2.0), Some(1.0)),
        workload("timer", 100_000, both!(n => timers(1_000, n / 1_000)), Some(3.5), None),
        workload("spawn + join", 100_000, both!(n => spawn_join(n)), Some(5.0), None),
        workload("spawn + join, by the 100", 200_000, both!(n => spawn_join_100(n / 100)), None, None),
        workload("channel message", 200_000, both!(n => ping_pong(n / 2)), Some(2.5), None),
        workload("message, capacity 1", 200_000, both!(n => ping_pong_bounded(n / 2)), None, None),
        workload("contended mutex", 200_000, both!(n => mutex(10, n / 10)), Some(3.0), None),
        workload("empty run", 50_000, (empty_tokio_runs, empty_timeloop_runs), Some(3.5), None),
    ]
}

/// Keeps this many tasks asleep in tokio, calls `look`, and returns.
pub(crate) fn sleepers_in_tokio(tasks: u64, look: fn()) {
    in_tokio(on_tokio::sleepers(tasks, look));
}

/// Keeps this many tasks asleep in timeloop, calls `look`, and returns.
pub(crate) fn sleepers_in_timeloop(tasks: u64, look: fn()) {
    in_timeloop(move || on_timeloop::sleepers(tasks, look));
}

fn in_tokio<T>(main: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(main)
}

/// Makes one run as an exploration does, with higher limits.
pub(crate) fn in_timeloop<F: Future<Output = ()>>(main: impl Fn() -> F + Sync) {
    // Millions of polls at one instant are a livelock in a test; here they are measured.
    let limits = Limits { max_steps: u64::MAX, max_polls_per_instant: u64::MAX, ..Limits::default() };
    timeloop::Explorer::new("compare")
        .limits(limits)
        // The default strategy would make a baseline run first: two runs where one is measured.
        .strategy(timeloop::StrategySpec::Random)
        .runs(1)
        .jobs(1)
        .without_regressions()
        .without_environment()
        .check(main);
}

fn empty_tokio_runs(runs: u64) {
    for run in 0..runs {
        assert_eq!(in_tokio(async move { run }), run);
    }
}

fn empty_timeloop_runs(runs: u64) {
    for run in 0..runs {
        assert_eq!(timeloop::run(run, move || async move { run }).unwrap(), run);
    }
}
