//! Waits within a task: `block_on` in `spawn_blocking` and `block_in_place`.

use std::cell::Cell;
use std::rc::Rc;

use timeloop::runtime::{Builder, Handle, Runtime};
use timeloop::task::{self, yield_now};
use timeloop::time::{Duration, Instant, sleep};
use timeloop::{Explorer, FailureKind, spawn};

use super::{runtime, workers};
use crate::support::{on_drop, panic_text};

const MS: Duration = Duration::from_millis(1);

#[test]
fn e07_a_closure_waits_while_other_tasks_run() {
    timeloop::run(0, || async {
        let handle = Handle::current();
        let log = Rc::new(Cell::new(0));
        let counts = Rc::clone(&log);
        let ticker = spawn(async move {
            for _ in 0..5 {
                sleep(MS).await;
                counts.set(counts.get() + 1);
            }
            7
        });
        let blocking = task::spawn_blocking(move || {
            let seven = handle.block_on(ticker).unwrap();
            handle.block_on(async { sleep(10 * MS).await });
            seven
        });
        let start = Instant::now();
        assert_eq!(blocking.await.unwrap(), 7);
        assert_eq!((log.get(), start.elapsed()), (5, 15 * MS));
    })
    .unwrap();
}

#[test]
fn e07_the_root_may_block_in_place() {
    for seed in 0..20 {
        timeloop::run(seed, || async {
            let task = spawn(async {
                yield_now().await;
                sleep(MS).await;
                42
            });
            let answer = task::block_in_place(|| Handle::current().block_on(task).unwrap());
            assert_eq!(answer, 42);
            assert_eq!(task::block_in_place(|| task::block_in_place(|| 43)), 43);
            yield_now().await;
        })
        .unwrap();
    }
}

#[cfg(feature = "sync")]
#[test]
fn e07_methods_that_block_wait_in_closures() {
    use std::sync::Arc;
    use timeloop::sync::{Mutex, mpsc, oneshot};

    for strategy in ["fifo", "random", "portfolio"] {
        let name = format!("tokio_face::channels_{strategy}");
        let explorer = Explorer::new(name).without_environment().without_regressions().runs(100);
        explorer.strategy(strategy).check(|| async {
            let (tx, mut rx) = mpsc::channel(1);
            let (done, is_done) = oneshot::channel();
            let lock = Arc::new(Mutex::new(0));
            let held = Arc::clone(&lock);
            let sums = task::spawn_blocking(move || {
                let mut sum = 0;
                while let Some(number) = rx.blocking_recv() {
                    sum += number;
                    *held.blocking_lock() += 1;
                }
                done.send(sum).unwrap();
            });
            for number in 0..10 {
                tx.send(number).await.unwrap();
                let mut guard = lock.lock().await;
                yield_now().await;
                *guard += 100;
            }
            drop(tx);
            assert_eq!(is_done.await, Ok(45));
            sums.await.unwrap();
            assert_eq!(*lock.lock().await, 1010);
        });
    }
}

#[test]
fn e07_the_schedules_of_waits_are_explored_and_replayed() {
    let explorer = Explorer::new("tokio_face::explored").without_environment().without_regressions();
    let exploration = explorer.runs(200).run(|| async {
        let log = Rc::new(std::cell::RefCell::new(Vec::new()));
        let tasks = ["first", "second"].map(|name| {
            let log = Rc::clone(&log);
            spawn(async move {
                task::block_in_place(|| Handle::current().block_on(yield_now()));
                log.borrow_mut().push(name);
            })
        });
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*log.borrow(), ["first", "second"]);
    });
    let found = exploration.found.expect("the second task may end first");
    assert!(found.deviations_after().is_some_and(|deviations| deviations <= 2));
}

#[test]
fn e07_a_wait_that_never_ends_is_a_deadlock_and_nothing_leaks() {
    let alive = Rc::new(());
    let failure = timeloop::run(0, || {
        let alive = Rc::clone(&alive);
        async move {
            let blocking = task::spawn_blocking(move || {
                let _alive = alive;
                Handle::current().block_on(std::future::pending::<()>());
            });
            blocking.await.unwrap();
        }
    })
    .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Deadlock);
    assert_eq!(failure.blocked.len(), 2, "{failure}");
    assert_eq!(Rc::strong_count(&alive), 1, "the closure is unwound");
}

#[test]
fn e07_the_run_ends_while_closures_wait() {
    let dropped = Rc::new(Cell::new(0));
    timeloop::run(0, || {
        let dropped = Rc::clone(&dropped);
        async move {
            for _ in 0..3 {
                let dropped = Rc::clone(&dropped);
                let guard = on_drop(move || dropped.set(dropped.get() + 1));
                drop(task::spawn_blocking(move || {
                    let _guard = guard;
                    Handle::current().block_on(sleep(Duration::from_secs(3600)));
                }));
            }
            sleep(MS).await;
        }
    })
    .unwrap();
    assert_eq!(dropped.get(), 3);
}

#[test]
fn e07_a_panic_of_the_root_ends_the_run_while_a_closure_waits() {
    let failure = timeloop::run(0, || async {
        drop(task::spawn_blocking(|| Handle::current().block_on(std::future::pending::<()>())));
        sleep(MS).await;
        panic!("at the root");
    })
    .unwrap_err();
    assert_eq!((failure.kind, failure.message().as_str()), (FailureKind::Panic, "at the root"));
}

#[test]
fn e07_a_panic_within_a_wait_is_that_of_the_closure() {
    timeloop::run(0, || async {
        let closure = task::spawn_blocking(|| {
            Handle::current().block_on(async {
                yield_now().await;
                panic!("within");
            })
        });
        let payload = closure.await.unwrap_err().into_panic();
        assert_eq!(*payload.downcast::<&str>().unwrap(), "within");
        // The loop continues.
        spawn(async {}).await.unwrap();
    })
    .unwrap();
}

#[test]
fn e07_waits_that_cross_are_refused_with_the_reason() {
    let failure = timeloop::run(0, || async {
        let handle = Handle::current();
        let (tx, rx) = futures_channel::oneshot::channel::<()>();
        let (back_tx, back_rx) = futures_channel::oneshot::channel::<()>();
        let other = handle.clone();
        let first = spawn(async move {
            task::block_in_place(|| {
                handle.block_on(rx).unwrap();
                back_tx.send(()).unwrap();
            });
        });
        // Below it on the stack is the first one, which has to continue before this one can.
        let second = spawn(async move {
            sleep(MS).await;
            task::block_in_place(|| {
                tx.send(()).unwrap();
                other.block_on(back_rx).unwrap();
            });
        });
        first.await.unwrap();
        second.await.unwrap();
    })
    .unwrap_err();
    assert!(failure.to_string().contains("deadlock of two blocking waits"), "{failure}");
}

#[test]
fn e07_a_runtime_may_be_built_and_used_within_a_run() {
    timeloop::run(0, || async {
        let built = runtime();
        let text = panic_text(|| built.block_on(async {}));
        assert!(text.starts_with("Cannot start a runtime from within a runtime"), "{text}");
        let answer = task::spawn_blocking(move || {
            let inner = built.block_on(async { spawn(async { 40 }).await.unwrap() });
            inner + built.block_on(async { 2 })
        });
        assert_eq!(answer.await.unwrap(), 42);
        assert_eq!(task::block_in_place(|| Runtime::new().unwrap().block_on(async { 43 })), 43);
        let other = runtime();
        let text = panic_text(|| drop(other));
        assert!(
            text.starts_with("Cannot drop a runtime in a context where blocking is not allowed"),
            "{text}"
        );
        runtime().shutdown_background();
    })
    .unwrap();
}

#[test]
fn e07_a_loop_further_out_can_be_waited_for() {
    let outer = workers();
    let handle = outer.handle().clone();
    outer.block_on(async move {
        task::block_in_place(|| {
            let inner = Builder::new_multi_thread().enable_all().build().unwrap();
            inner.block_on(async {
                let task = handle.spawn(async { 42 });
                let now = Instant::now();
                let waited = task::block_in_place(|| {
                    handle.block_on(async {
                        sleep(MS).await;
                        task.await.unwrap()
                    })
                });
                assert_eq!((waited, now.elapsed()), (42, MS));
            });
        });
    });
}

#[test]
fn e07_a_closure_that_waits_can_be_on_a_node_that_crashes() {
    let dropped = Rc::new(Cell::new(false));
    timeloop::run(0, || {
        let dropped = Rc::clone(&dropped);
        async move {
            let guard = Rc::new(Cell::new(Some(on_drop(move || dropped.set(true)))));
            let node = timeloop::world::World::current().node("server").build();
            let task = node.spawn(async move {
                let guard = guard.take();
                task::block_in_place(move || {
                    let _guard = guard;
                    Handle::current().block_on(sleep(Duration::from_secs(60)));
                });
            });
            sleep(MS).await;
            node.crash();
            assert!(task.await.unwrap_err().is_cancelled());
        }
    })
    .unwrap();
    assert!(dropped.get());
}
