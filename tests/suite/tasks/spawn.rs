//! When spawned tasks run.

use std::collections::BTreeSet;

use timeloop::task::{spawn_blocking, yield_now};
use timeloop::time::{Instant, sleep};
use timeloop::{FailureKind, spawn};

use crate::support::{Log, fifo, panic_text};

#[test]
fn first_in_first_out_in_order_of_spawning() {
    let log = Log::new();
    let tasks = log.clone();
    fifo().block_on(async move {
        let handles: Vec<_> = (0..5)
            .map(|number| {
                let log = tasks.clone();
                spawn(async move {
                    log.push((number, 0));
                    yield_now().await;
                    log.push((number, 1));
                })
            })
            .collect();
        for handle in handles {
            handle.await.unwrap();
        }
    });
    let expected: Vec<_> = (0..2).flat_map(|round| (0..5).map(move |number| (number, round))).collect();
    assert_eq!(log.take(), expected);
}

#[test]
fn a_random_strategy_reaches_every_order() {
    let orders: BTreeSet<Vec<u32>> = (0..200)
        .map(|seed| {
            timeloop::run(seed, || async {
                let log = Log::new();
                let handles = [0, 1, 2].map(|number| {
                    let log = log.clone();
                    spawn(async move { log.push(number) })
                });
                for handle in handles {
                    handle.await.unwrap();
                }
                log.take()
            })
            .unwrap()
        })
        .collect();
    assert_eq!(orders.len(), 6);
}

#[test]
fn one_seed_gives_one_order() {
    let order = |seed: u64| {
        timeloop::run(seed, || async {
            let log = Log::new();
            let handles: Vec<_> = (0..20)
                .map(|number| {
                    let log = log.clone();
                    spawn(async move { log.push(number) })
                })
                .collect();
            for handle in handles {
                handle.await.unwrap();
            }
            log.take()
        })
        .unwrap()
    };
    assert_eq!(order(7), order(7));
    assert_ne!(order(7), order(8));
}

#[test]
fn a_task_does_not_run_before_its_spawner_waits() {
    timeloop::run(0, || async {
        let log = Log::new();
        let task = log.clone();
        let handle = spawn(async move { task.push("task") });
        log.push("root");
        handle.await.unwrap();
        assert_eq!(log.take(), ["root", "task"]);
    })
    .unwrap();
}

#[test]
fn futures_and_outputs_need_not_be_send() {
    let sum = timeloop::run(0, || async {
        let number = std::rc::Rc::new(40);
        *spawn(async move { std::rc::Rc::new(*number + 2) }).await.unwrap()
    });
    assert_eq!(sum.unwrap(), 42);
}

#[test]
fn tasks_left_when_the_root_ends_are_dropped_in_order_of_spawning() {
    let log = Log::new();
    timeloop::run(3, || {
        let log = log.clone();
        async move {
            for number in 0..5 {
                let guard = log.on_drop(number);
                spawn(async move {
                    let _guard = guard;
                    std::future::pending::<()>().await;
                });
            }
            yield_now().await;
        }
    })
    .unwrap();
    assert_eq!(log.take(), [0, 1, 2, 3, 4]);
}

#[test]
fn a_blocking_closure_is_one_step_of_its_own() {
    let log = Log::new();
    let root = log.clone();
    fifo().block_on(async move {
        let closure = root.clone();
        let handle = spawn_blocking(move || {
            closure.push("closure");
            42
        });
        root.push("root");
        assert_eq!(handle.await.unwrap(), 42);
    });
    assert_eq!(log.take(), ["root", "closure"]);
}

#[test]
fn a_blocking_closure_may_spawn_and_read_the_clock() {
    timeloop::run(0, || async {
        let (instant, task) = spawn_blocking(|| (Instant::now(), spawn(async { 1 }))).await.unwrap();
        assert_eq!(instant, Instant::now());
        assert_eq!(task.await.unwrap(), 1);
    })
    .unwrap();
}

#[test]
fn outside_of_a_run_nothing_can_be_spawned() {
    let text = panic_text(|| drop(spawn(async {})));
    assert_eq!(
        text,
        "can't spawn a task outside of a run; do so inside `#[timeloop::test]`, `timeloop::run`, `timeloop::explore` \
         or `Runtime::block_on`"
    );
}

#[test]
fn a_panic_of_a_detached_task_ends_the_run() {
    let failure = timeloop::run(0, || async {
        drop(spawn(async { panic!("nobody looks") }));
        sleep(std::time::Duration::from_secs(1)).await;
    })
    .unwrap_err();
    assert_eq!((failure.kind, failure.message().as_str()), (FailureKind::UnobservedPanic, "nobody looks"));
}

#[test]
fn a_panic_whose_handle_is_still_held_at_the_end_fails_the_run() {
    let failure = timeloop::run(0, || async {
        let handle = spawn(async { panic!("held, not looked at") });
        sleep(std::time::Duration::from_secs(1)).await;
        Some(handle)
    })
    .map(drop)
    .unwrap_err();
    assert_eq!(
        (failure.kind, failure.message().as_str()),
        (FailureKind::UnobservedPanic, "held, not looked at")
    );
}
