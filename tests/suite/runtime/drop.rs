//! The end of a runtime, and of a run.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::rc::Rc;

use timeloop::runtime::{Handle, Runtime};
use timeloop::task::{try_id, yield_now};
use timeloop::time::{Duration, Instant, sleep};
use timeloop::{FailureKind, spawn};

use crate::support::{Log, fifo, on_drop, panic_text};

#[test]
fn tasks_are_dropped_in_order_of_spawning() {
    for end in [drop as fn(Runtime), Runtime::shutdown_background, |runtime| {
        runtime.shutdown_timeout(Duration::from_secs(1));
    }] {
        let runtime = Runtime::new().unwrap();
        let log = Log::new();
        for number in 0..5 {
            let guard = log.on_drop(number);
            drop(runtime.spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            }));
        }
        runtime.block_on(yield_now());
        assert_eq!(log.take(), [0; 0]);
        end(runtime);
        assert_eq!(log.take(), [0, 1, 2, 3, 4]);
    }
}

#[test]
fn destructors_find_their_loop() {
    let runtime = fifo();
    let log = Log::new();
    let task = log.clone();
    let guard = on_drop(move || {
        task.push(Instant::now().elapsed());
        drop(spawn(async {}));
        drop(Handle::current());
        drop(sleep(Duration::from_secs(1)));
        task.push(Duration::MAX);
    });
    drop(runtime.spawn(async move {
        let _guard = guard;
        pending::<()>().await;
    }));
    runtime.block_on(yield_now());
    drop(runtime);
    assert_eq!(log.take(), [Duration::ZERO, Duration::MAX]);
}

/// When a run fails, the root's values are dropped while its loop still exists, like those of any task.
#[test]
fn the_root_of_a_failed_run_is_dropped_in_its_loop() {
    let log = Log::new();
    let failure = timeloop::run(0, || {
        let log = log.clone();
        async move {
            let _guard = on_drop(move || {
                drop(spawn(async {}));
                log.push(Instant::now().elapsed());
            });
            pending::<()>().await;
        }
    })
    .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Deadlock);
    // Once when the run failed, and once when it was repeated to be explained.
    assert_eq!(log.take(), [Duration::ZERO; 2]);
}

#[test]
fn the_root_of_a_failed_block_on_is_dropped_in_its_loop() {
    let runtime = fifo();
    let log = Log::new();
    let text = panic_text(|| {
        let log = log.clone();
        runtime.block_on(async move {
            let _guard = on_drop(move || log.push(Instant::now().elapsed()));
            pending::<()>().await;
        });
    });
    assert!(text.contains("deadlock"), "{text}");
    assert_eq!(log.take(), [Duration::ZERO]);
}

#[test]
fn a_root_whose_destructor_panics_after_a_deadlock_leaves_the_deadlock_as_the_failure() {
    let failure = timeloop::run(0, || async {
        let _guard = on_drop(|| panic!("in the root's drop"));
        pending::<()>().await;
    })
    .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Deadlock);
}

#[test]
fn a_task_spawned_while_the_run_ends_is_dropped_and_never_polled() {
    let log = Log::new();
    timeloop::run(0, || {
        let log = log.clone();
        async move {
            let guard = on_drop(move || {
                let (task, guard) = (log.clone(), log.on_drop("dropped"));
                let handle = spawn(async move {
                    let _guard = guard;
                    task.push("polled");
                });
                assert!(!handle.is_finished());
                log.push("spawned");
            });
            spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            });
            yield_now().await;
        }
    })
    .unwrap();
    assert_eq!(log.take(), ["spawned", "dropped"]);
}

#[test]
fn tasks_that_respawn_each_other_for_ever_while_they_are_dropped_fail_the_run() {
    fn respawn() {
        let guard = on_drop(respawn);
        drop(spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        }));
    }

    let failure = timeloop::run(0, || async { respawn() }).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Livelock);
    assert_eq!(
        failure.message(),
        "at the end of the run, the remaining tasks spawned new tasks while they were dropped, 1000 times in a row. A destructor must not spawn a task whose destructor spawns another."
    );
}

#[test]
fn a_panic_in_a_destructor_at_the_end_fails_the_run() {
    let log = Log::new();
    let failure = timeloop::run(0, || {
        let log = log.clone();
        async move {
            let guard = on_drop(|| panic!("at the very end"));
            spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            });
            let guard = log.on_drop("the next one is dropped all the same");
            spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            });
            yield_now().await;
        }
    })
    .unwrap_err();
    assert_eq!((failure.kind, failure.message().as_str()), (FailureKind::UnobservedPanic, "at the very end"));
    assert_eq!(log.take(), ["the next one is dropped all the same"; 2]);
}

#[test]
fn a_runtime_dropped_inside_its_own_loop_is_an_error_and_no_harm_is_done() {
    let (line, runtime) = (line!(), Runtime::new().unwrap());
    let handle = runtime.handle().clone();
    let owner = RefCell::new(Some(runtime));
    let text = handle.block_on(async {
        let text = panic_text(|| drop(owner.take()));
        spawn(async {}).await.unwrap();
        text
    });
    let file = file!();
    assert!(text.contains(&format!("`Runtime` built at {file}:{line}")) && text.contains("inside"), "{text}");
}

#[test]
fn a_runtime_dropped_inside_another_loop_drops_its_tasks_in_its_own() {
    let runtime = fifo();
    let log = Log::new();
    let task = log.clone();
    let id = runtime.handle().id();
    let guard = on_drop(move || task.push(Handle::current().id() == id));
    drop(runtime.spawn(async move {
        let _guard = guard;
        pending::<()>().await;
    }));
    runtime.block_on(yield_now());
    let held = Cell::new(Some(runtime));
    fifo().block_on(async {
        if let Some(runtime) = held.take() {
            runtime.shutdown_background();
        }
        assert_ne!(Handle::current().id(), id);
    });
    assert_eq!(log.take(), [true]);
}

#[test]
fn handles_outlive_their_runtime() {
    let runtime = fifo();
    let running = runtime.spawn(pending::<()>());
    let ended = runtime.spawn(async { 42 });
    let abort = running.abort_handle();
    runtime.block_on(yield_now());
    drop(runtime);
    abort.abort();
    assert!(abort.is_finished() && running.is_finished() && ended.is_finished());
    let other = fifo();
    other.block_on(async {
        assert!(running.await.unwrap_err().is_cancelled());
        assert_eq!(ended.await.unwrap(), 42, "the handle keeps the output");
    });
}

#[test]
fn reference_cycles_through_tasks_are_cut() {
    let alive = Rc::new(());
    timeloop::run(0, || {
        let alive = Rc::clone(&alive);
        async move {
            let cycle: Rc<RefCell<Option<timeloop::task::JoinHandle<()>>>> = Rc::default();
            let (own, held) = (Rc::clone(&cycle), Rc::clone(&alive));
            let task = spawn(async move {
                let _held = (own, held);
                pending::<()>().await;
            });
            *cycle.borrow_mut() = Some(task);
            assert_eq!(try_id(), None);
        }
    })
    .unwrap();
    assert_eq!(Rc::strong_count(&alive), 1);
}
