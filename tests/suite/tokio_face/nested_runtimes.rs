//! Runtimes that programs build and block on where code may block. Each program gives the same results under tokio.

use std::cell::Cell;
use std::rc::Rc;

use timeloop::FailureKind;
use timeloop::runtime::{Builder, Handle, Runtime};
use timeloop::task::{self, spawn_blocking};
use timeloop::time::{Duration, Instant, sleep};

use super::workers;
use crate::support::on_drop;

const MS: Duration = Duration::from_millis(1);

macro_rules! programs {
    ($name:ident, $tokio:ident) => {
        mod $name {
            use std::sync::{Arc, Mutex, OnceLock};
            use std::time::Duration;

            use $tokio::runtime::{Builder, Handle, Runtime};
            use $tokio::sync::{mpsc, oneshot};
            use $tokio::task::{JoinHandle, LocalSet, spawn_blocking, spawn_local};
            use $tokio::time::sleep;
            #[cfg(feature = "blocking-stacks")]
            use $tokio::time::timeout;

            const SHORT: Duration = Duration::from_millis(10);
            const LONG: Duration = Duration::from_millis(500);

            pub(super) fn build() -> Runtime {
                Builder::new_current_thread().enable_time().build().unwrap()
            }

            /// A worker with a runtime of its own, for futures that are not `Send`.
            pub(super) async fn worker() -> Vec<u32> {
                let (jobs, mut inbox) = mpsc::channel::<(u32, oneshot::Sender<u32>)>(1);
                let worker = spawn_blocking(move || {
                    let runtime = build();
                    LocalSet::new().block_on(&runtime, async move {
                        let mut done = 0;
                        while let Some((job, answer)) = inbox.recv().await {
                            let task = spawn_local(async move {
                                let counted = std::rc::Rc::new(job);
                                sleep(SHORT).await;
                                answer.send(*counted * 2).unwrap();
                            });
                            task.await.unwrap();
                            done += 1;
                        }
                        done
                    })
                });
                let mut answers = Vec::new();
                for job in 0..5 {
                    let (answer, answered) = oneshot::channel();
                    jobs.send((job, answer)).await.unwrap();
                    answers.push(answered.await.unwrap());
                }
                drop(jobs);
                answers.push(worker.await.unwrap());
                answers
            }

            /// Timeouts in the inner runtime, around what the outer one does in time, or too late.
            #[cfg(feature = "blocking-stacks")]
            pub(super) async fn timeouts() -> Vec<u32> {
                let (tx, mut rx) = mpsc::channel(1);
                let inner = spawn_blocking(move || {
                    build().block_on(async {
                        let mut seen = Vec::new();
                        while let Ok(Some(number)) = timeout(LONG, rx.recv()).await {
                            seen.push(number);
                        }
                        seen
                    })
                });
                for number in 0..3 {
                    sleep(SHORT).await;
                    tx.send(number).await.unwrap();
                }
                sleep(3 * LONG).await;
                assert!(tx.is_closed());
                inner.await.unwrap()
            }

            /// Two closures block on one runtime, and wait for each other.
            #[cfg(feature = "blocking-stacks")]
            pub(super) async fn shared() -> Vec<u32> {
                let runtime = Arc::new(build());
                let (tx, rx) = oneshot::channel();
                let (back, returned) = oneshot::channel();
                let other = Arc::clone(&runtime);
                let first = spawn_blocking(move || {
                    runtime.block_on(async {
                        let number: u32 = rx.await.unwrap();
                        back.send(number + 1).unwrap();
                        number
                    })
                });
                let second = spawn_blocking(move || {
                    let number = other.block_on(async {
                        sleep(SHORT).await;
                        tx.send(40).unwrap();
                        returned.await.unwrap()
                    });
                    let spawned = other.spawn(async move { number + 1 });
                    (number, other.block_on(async { spawned.await.unwrap() }))
                });
                let (a, (b, c)) = (first.await.unwrap(), second.await.unwrap());
                vec![a, b, c]
            }

            /// Tasks of each runtime are awaited, spawned and aborted from the other.
            pub(super) async fn across() -> Vec<u32> {
                let outer_task: JoinHandle<u32> = $tokio::spawn(async {
                    sleep(SHORT).await;
                    1
                });
                let (ready, is_ready) = oneshot::channel::<Handle>();
                let (end, ended) = oneshot::channel::<()>();
                let inner = spawn_blocking(move || {
                    build().block_on(async move {
                        assert!(ready.send(Handle::current()).is_ok());
                        let one = outer_task.await.unwrap();
                        ended.await.unwrap();
                        one
                    })
                });
                let handle = is_ready.await.unwrap();
                let two = handle.spawn(async {
                    sleep(SHORT).await;
                    2
                });
                let never = handle.spawn(std::future::pending::<()>());
                let numbers = vec![two.await.unwrap()];
                never.abort();
                assert!(never.await.unwrap_err().is_cancelled());
                end.send(()).unwrap();
                numbers.into_iter().chain([inner.await.unwrap()]).collect()
            }

            /// The inner runtime blocks on the outer one.
            pub(super) async fn back_and_forth() -> Vec<u32> {
                let outer = Handle::current();
                let (tx, rx) = oneshot::channel();
                let closure = spawn_blocking(move || {
                    let inner = build();
                    inner.block_on(async move {
                        spawn_blocking(move || {
                            outer.block_on(async move {
                                sleep(SHORT).await;
                                let two = $tokio::spawn(async { 2_u32 }).await.unwrap();
                                two + rx.await.unwrap()
                            })
                        })
                        .await
                        .unwrap()
                    })
                });
                sleep(2 * SHORT).await;
                tx.send(40).unwrap();
                vec![closure.await.unwrap()]
            }

            /// Runtimes in a static, dropped in a closure, and shut down there.
            pub(super) async fn owned() -> Vec<u32> {
                static SHARED: OnceLock<Runtime> = OnceLock::new();
                let dropped = Arc::new(Mutex::new(Vec::new()));
                let log = Arc::clone(&dropped);
                let closure = spawn_blocking(move || {
                    struct Noisy(Arc<Mutex<Vec<u32>>>, u32);

                    impl Drop for Noisy {
                        fn drop(&mut self) {
                            self.0.lock().unwrap().push(self.1);
                        }
                    }

                    let one = SHARED.get_or_init(build).block_on(async { 1 });
                    let two = SHARED.get_or_init(build).block_on(async {
                        sleep(SHORT).await;
                        2
                    });
                    for number in [10, 20] {
                        let runtime = build();
                        let guard = Noisy(Arc::clone(&log), number);
                        let task = runtime.spawn(async move {
                            let _guard = guard;
                            std::future::pending::<()>().await;
                        });
                        runtime.block_on(async { sleep(SHORT).await });
                        if number == 10 {
                            drop(runtime)
                        } else {
                            runtime.shutdown_timeout(LONG)
                        }
                        assert!(task.is_finished());
                    }
                    let panicked = spawn_blocking(|| build().block_on(async { panic!("inside") }));
                    let error = build().block_on(panicked).map(|(): ()| ()).unwrap_err();
                    assert_eq!(*error.into_panic().downcast::<&str>().unwrap(), "inside");
                    vec![one, two]
                });
                let mut numbers = closure.await.unwrap();
                numbers.extend(dropped.lock().unwrap().iter());
                numbers
            }
        }
    };
}

programs!(real, tokio);
programs!(simulated, timeloop);

macro_rules! compare {
    ($($program:ident),*) => {$(
        #[test]
        fn $program() {
            let expected = real::build().block_on(real::$program());
            let exploration = timeloop::Explorer::new(concat!("tokio_face::nested_", stringify!($program)));
            let exploration = exploration.without_environment().without_regressions().stalls(false).runs(100);
            exploration.check(move || {
                let expected = expected.clone();
                async move { assert_eq!(simulated::$program().await, expected) }
            });
            // A runtime around the other ones.
            assert!(!simulated::build().block_on(simulated::$program()).is_empty());
        }
    )*};
}

#[cfg(feature = "blocking-stacks")]
compare!(shared, timeouts);
compare!(worker, across, back_and_forth, owned);

#[cfg(feature = "blocking-stacks")]
#[test]
fn the_clock_of_an_inner_loop_moves_with_the_outer_one() {
    timeloop::run(0, || async {
        let began = Instant::now();
        let closure = spawn_blocking(|| {
            let runtime = workers();
            runtime.block_on(async { sleep(5 * MS).await });
            // Time stands still between the calls.
            Handle::current().block_on(async { sleep(5 * MS).await });
            runtime.block_on(async {
                let now = Instant::now();
                sleep(5 * MS).await;
                now.elapsed()
            })
        });
        assert_eq!(closure.await.unwrap(), 5 * MS);
        assert_eq!(began.elapsed(), 15 * MS);
    })
    .unwrap();
}

#[test]
fn a_paused_clock_of_an_inner_loop_is_its_own() {
    timeloop::run(0, || async {
        let began = Instant::now();
        let closure = spawn_blocking(|| {
            let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
            runtime.block_on(async { sleep(Duration::from_secs(5)).await });
        });
        closure.await.unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO);
    })
    .unwrap();
}

#[test]
fn the_end_of_the_outer_loop_unwinds_the_inner_one() {
    for in_place in [false, true] {
        let (runs, dropped) = (Cell::new(0), Rc::new(Cell::new(0)));
        let failure = timeloop::run(0, || {
            runs.set(runs.get() + 1);
            let dropped = Rc::clone(&dropped);
            async move {
                let outer = Handle::current();
                let guard = || {
                    let dropped = Rc::clone(&dropped);
                    on_drop(move || dropped.set(dropped.get() + 1))
                };
                let guards = [guard(), guard(), guard()];
                let closure = move || {
                    let [first, second, third] = guards;
                    let _first = first;
                    let runtime: Runtime = workers();
                    drop(runtime.spawn(async move {
                        let _second = second;
                        std::future::pending::<()>().await;
                    }));
                    runtime.block_on(async move {
                        let _third = third;
                        if in_place {
                            // Waits in the outer loop within a poll of the inner one.
                            task::block_in_place(|| outer.block_on(std::future::pending::<()>()));
                        }
                        std::future::pending::<()>().await;
                    });
                };
                spawn_blocking(closure).await.unwrap();
            }
        })
        .unwrap_err();
        assert_eq!(failure.kind, FailureKind::Deadlock, "{failure}");
        assert_eq!(failure.blocked.len(), 2, "{failure}");
        let text = failure.to_string();
        // `pending` keeps no waker.
        assert!(in_place || text.contains("blocked at tests/suite/tokio_face/nested_runtimes.rs:"), "{text}");
        assert_eq!(dropped.get(), 3 * runs.get());
    }
}

#[test]
fn a_runtime_in_a_static_starts_anew_in_each_run() {
    static SHARED: std::sync::OnceLock<Runtime> = std::sync::OnceLock::new();

    let dropped = Rc::new(Cell::new(0));
    let run = |seed| {
        timeloop::run(seed, || {
            let dropped = Rc::clone(&dropped);
            async move {
                let handle = SHARED.get_or_init(workers).handle().clone();
                let guard = on_drop(move || dropped.set(dropped.get() + 1));
                drop(handle.spawn(async move {
                    let _guard = guard;
                    std::future::pending::<()>().await;
                }));
                let tasks = handle.metrics().num_alive_tasks();
                let seen = spawn_blocking(move || {
                    let elapsed = SHARED.get_or_init(workers).block_on(async {
                        let began = Instant::now();
                        sleep(MS).await;
                        began.elapsed()
                    });
                    (handle.block_on(async { Handle::current().metrics().num_alive_tasks() }), elapsed)
                });
                (tasks, seen.await.unwrap())
            }
        })
        .unwrap()
    };
    assert_eq!(run(0), (1, (1, MS)));
    assert_eq!(dropped.get(), 0, "the static outlives the run in which it was made");
    assert_eq!(run(1), (1, (1, MS)));
    assert_eq!(run(2), (1, (1, MS)));
    assert_eq!(dropped.get(), 2);
    // Outside of runs it is the one that was made first.
    assert_eq!(SHARED.get().unwrap().metrics().num_alive_tasks(), 1);
}
