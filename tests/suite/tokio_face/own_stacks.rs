//! Closures of `spawn_blocking` on stacks of their own: they wait in any order.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use futures_channel::oneshot;
use timeloop::runtime::{Handle, Runtime};
use timeloop::task::{self, LocalSet, spawn_blocking, yield_now};
use timeloop::time::{Duration, Instant, sleep};
use timeloop::{Explorer, FailureKind, spawn};

use super::{runtime, workers};
use crate::support::{Log, on_drop, panic_text};

const MS: Duration = Duration::from_millis(1);

#[test]
fn closures_end_in_the_order_in_which_their_waits_end() {
    for seed in 0..20 {
        timeloop::run(seed, || async {
            let log = Log::new();
            let start = Instant::now();
            let closures = [3, 1, 2].map(|ms| {
                let log = log.clone();
                spawn_blocking(move || {
                    Handle::current().block_on(sleep(ms * MS));
                    log.push(ms);
                    Handle::current().block_on(sleep(ms * MS));
                    log.push(10 * ms);
                })
            });
            for closure in closures {
                closure.await.unwrap();
            }
            assert_eq!(start.elapsed(), 6 * MS);
            let (first, second): (Vec<u32>, Vec<u32>) = log.take().into_iter().partition(|ms| *ms < 10);
            assert_eq!((first, second), (vec![1, 2, 3], vec![10, 20, 30]));
        })
        .unwrap();
    }
}

#[test]
fn closures_that_wait_for_each_other_all_end() {
    timeloop::run(0, || async {
        let handle = Handle::current();
        let (tx, rx) = oneshot::channel::<()>();
        let (back_tx, back_rx) = oneshot::channel::<()>();
        let other = handle.clone();
        let first = spawn_blocking(move || {
            handle.block_on(rx).unwrap();
            back_tx.send(()).unwrap();
        });
        let second = spawn_blocking(move || {
            other.block_on(sleep(MS));
            tx.send(()).unwrap();
            other.block_on(back_rx).unwrap();
            other.block_on(spawn_blocking(move || Handle::current().block_on(async { 42 }))).unwrap()
        });
        first.await.unwrap();
        assert_eq!(second.await.unwrap(), 42);
    })
    .unwrap();
}

/// As the file of object_store that one thread reads while another one writes it.
#[cfg(feature = "sync")]
#[test]
fn a_reader_and_a_writer_in_closures_take_turns() {
    use timeloop::sync::mpsc;

    for strategy in ["fifo", "random", "portfolio"] {
        let name = format!("tokio_face::turns_{strategy}");
        let explorer = Explorer::new(name).without_environment().without_regressions().runs(100);
        explorer.strategy(strategy).check(|| async {
            let (tx, mut rx) = mpsc::channel(1);
            let (back_tx, mut back_rx) = mpsc::channel(1);
            let reader = spawn_blocking(move || {
                let mut sum = 0;
                while let Some(number) = rx.blocking_recv() {
                    sum += number;
                    back_tx.blocking_send(sum).unwrap();
                }
                sum
            });
            let writer = spawn_blocking(move || {
                let mut sums = Vec::new();
                for number in 0..10 {
                    tx.blocking_send(number).unwrap();
                    sums.push(back_rx.blocking_recv().unwrap());
                }
                sums
            });
            assert_eq!(writer.await.unwrap().last(), Some(&45));
            assert_eq!(reader.await.unwrap(), 45);
        });
    }
}

#[test]
fn a_closure_that_has_begun_is_not_aborted() {
    timeloop::run(0, || async {
        let began = Rc::new(Cell::new(false));
        let begins = Rc::clone(&began);
        let begun = spawn_blocking(move || {
            begins.set(true);
            Handle::current().block_on(sleep(MS));
            Handle::current().block_on(sleep(MS));
            42
        });
        while !began.get() {
            yield_now().await;
        }
        begun.abort();
        yield_now().await;
        begun.abort();
        let other = spawn_blocking(|| 43);
        other.abort();
        assert!(other.await.unwrap_err().is_cancelled());
        assert_eq!(begun.await.unwrap(), 42);
    })
    .unwrap();
}

#[test]
fn a_panic_after_a_wait_is_the_output() {
    let dropped = Rc::new(Cell::new(0));
    timeloop::run(0, || {
        let dropped = Rc::clone(&dropped);
        async move {
            for _ in 0..3 {
                let dropped = Rc::clone(&dropped);
                let closure = spawn_blocking(move || {
                    let _guard = on_drop(move || {
                        assert!(std::thread::panicking());
                        dropped.set(dropped.get() + 1);
                    });
                    assert!(catch_unwind(|| Handle::current().block_on(async { panic!("caught") })).is_err());
                    Handle::current().block_on(sleep(MS));
                    panic!("after");
                });
                let payload = closure.await.unwrap_err().into_panic();
                assert_eq!(*payload.downcast::<&str>().unwrap(), "after");
            }
            assert!(!std::thread::panicking());
            assert_eq!(spawn_blocking(|| 42).await.unwrap(), 42);
        }
    })
    .unwrap();
    assert_eq!(dropped.get(), 3);
}

#[test]
fn closures_of_a_node_that_crashes_are_unwound() {
    for suspended in [true, false] {
        let log = Log::new();
        timeloop::run(0, || {
            let log = log.clone();
            async move {
                let node = timeloop::world::World::current().node("server").build();
                let inner = log.clone();
                let task = node.spawn(async move {
                    for number in 0..3 {
                        let guard = inner.on_drop(number);
                        drop(spawn_blocking(move || {
                            let _guard = guard;
                            if suspended {
                                Handle::current().block_on(sleep(60 * MS));
                            } else {
                                unreachable!("the node has crashed");
                            }
                        }));
                    }
                    if suspended {
                        pending::<()>().await;
                    }
                    inner.push(10);
                    timeloop::world::Node::current().crash();
                    yield_now().await;
                });
                if suspended {
                    sleep(MS).await;
                    node.crash();
                    // At once, as the futures of other tasks.
                    assert_eq!(log.take(), [0, 1, 2]);
                }
                assert!(task.await.unwrap_err().is_cancelled());
                sleep(100 * MS).await;
            }
        })
        .unwrap();
        let mut left = log.take();
        left.sort_unstable();
        assert_eq!(left, if suspended { vec![] } else { vec![0, 1, 2, 10] });
    }
}

#[test]
fn a_paused_node_suspends_its_closures() {
    timeloop::run(0, || async {
        let node = timeloop::world::World::current().node("server").build();
        let done = Rc::new(Cell::new(false));
        let ends = Rc::clone(&done);
        let task = node.spawn(async move {
            spawn_blocking(move || {
                Handle::current().block_on(sleep(MS));
                ends.set(true);
            })
            .await
        });
        yield_now().await;
        node.pause();
        sleep(10 * MS).await;
        assert!(!done.get());
        node.resume();
        task.await.unwrap().unwrap();
        assert!(done.get());
    })
    .unwrap();
}

#[test]
fn the_end_of_a_run_unwinds_closures_that_swallow_the_panic() {
    let (runs, dropped) = (Cell::new(0), Rc::new(Cell::new(0)));
    let failure = timeloop::run(0, || {
        runs.set(runs.get() + 1);
        let dropped = Rc::clone(&dropped);
        async move {
            for _ in 0..3 {
                let dropped = Rc::clone(&dropped);
                drop(spawn_blocking(move || {
                    let _guard = on_drop(move || dropped.set(dropped.get() + 1));
                    loop {
                        let (_tx, rx) = oneshot::channel::<()>();
                        let waits = || Handle::current().block_on(rx);
                        if catch_unwind(AssertUnwindSafe(waits)).is_err() {
                            // Nothing can wait any more.
                            let text = panic_text(|| Handle::current().block_on(yield_now()));
                            assert!(text.contains("while tasks are dropped"), "{text}");
                            break;
                        }
                    }
                }));
            }
            pending::<()>().await;
        }
    })
    .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Deadlock);
    assert_eq!(failure.blocked.len(), 4, "{failure}");
    // The places are found on the closures' stacks. A closure in a closure has no name.
    let text = failure.to_string();
    assert_eq!(
        text.matches("has been blocked at tests/suite/tokio_face/own_stacks.rs:").count(),
        3,
        "{text}"
    );
    assert!(text.contains("`root.2`, spawned at"), "{text}");
    assert_eq!(dropped.get(), 3 * runs.get());
}

#[test]
fn a_closure_waits_across_calls_of_block_on() {
    let runtime = workers();
    let closure = runtime.spawn_blocking(|| {
        Handle::current().block_on(sleep(2 * MS));
        Handle::current().block_on(async { 42 })
    });
    runtime.block_on(async { sleep(MS).await });
    assert!(!closure.is_finished());
    runtime.block_on(async { sleep(2 * MS).await });
    assert!(closure.is_finished());
    assert_eq!(runtime.block_on(closure).unwrap(), 42);
}

#[test]
fn a_shutdown_lets_closures_end_when_the_tasks_are_gone() {
    let log = Log::new();
    let ends: [fn(Runtime); 3] = [drop, |runtime| runtime.shutdown_timeout(MS), Runtime::shutdown_background];
    for end in ends {
        let runtime = workers();
        let (tx, rx) = oneshot::channel::<()>();
        drop(runtime.spawn(async move {
            pending::<()>().await;
            drop(tx);
        }));
        let (received, stuck) = (log.clone(), log.clone());
        let closure = runtime.spawn_blocking(move || {
            let end = Handle::current().block_on(rx);
            received.push(if end.is_err() { "cancelled" } else { "received" });
        });
        drop(runtime.spawn_blocking(move || {
            let _guard = stuck.on_drop("unwound");
            Handle::current().block_on(pending::<()>());
        }));
        runtime.block_on(async { sleep(MS).await });
        end(runtime);
        assert!(closure.is_finished());
    }
    assert_eq!(log.take(), ["cancelled", "unwound", "cancelled", "unwound", "unwound"]);
}

#[test]
fn what_closures_have_entered_is_their_own() {
    timeloop::task_local! {
        static NUMBER: u32;
    }

    timeloop::run(0, || async {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let closures = [1, 2, 3].map(|number| {
            let seen = Rc::clone(&seen);
            spawn_blocking(move || {
                let (handle, set, inner) = (Handle::current(), LocalSet::new(), runtime());
                let inner_task = {
                    let _entered = (number == 2).then(|| inner.enter());
                    NUMBER.sync_scope(number, || {
                        let _current = set.enter();
                        handle.block_on(sleep((4 - number) * MS));
                        assert_eq!(NUMBER.get(), number);
                        NUMBER.sync_scope(10 * number, || handle.block_on(sleep(2 * number * MS)));
                        seen.borrow_mut().push(NUMBER.get());
                        task::spawn_local(async move { number })
                    })
                };
                assert!(NUMBER.try_get().is_err());
                // The set is not awaited: it drops its task.
                drop(set);
                drop(inner);
                assert!(handle.block_on(inner_task).is_err());
            })
        });
        let looks = spawn(async {
            for _ in 0..20 {
                assert!(NUMBER.try_get().is_err());
                sleep(MS / 2).await;
            }
        });
        for closure in closures {
            closure.await.unwrap();
        }
        looks.await.unwrap();
        assert_eq!(seen.borrow().len(), 3);
        seen.borrow_mut().sort_unstable();
        assert_eq!(*seen.borrow(), [1, 2, 3]);
    })
    .unwrap();
}

#[test]
fn no_budget_applies_outside_of_waits() {
    timeloop::run(0, || async {
        spawn_blocking(|| {
            for _ in 0..3 {
                Handle::current().block_on(sleep(MS));
                assert!(task::coop::has_budget_remaining());
                Handle::current().block_on(async {
                    for _ in 0..500 {
                        task::coop::consume_budget().await;
                    }
                });
            }
        })
        .await
        .unwrap();
    })
    .unwrap();
}

#[test]
fn a_stack_is_as_large_as_that_of_a_thread() {
    #[inline(never)]
    fn deep(levels: u32) -> u32 {
        let page = std::hint::black_box([levels; 256]);
        if levels == 0 { 0 } else { deep(levels - 1) + page[usize::from(levels > 1)] / levels }
    }

    timeloop::run(0, || async {
        for _ in 0..2 {
            let closures: Vec<_> = (0..40)
                .map(|_| {
                    spawn_blocking(|| {
                        Handle::current().block_on(sleep(MS));
                        deep(500)
                    })
                })
                .collect();
            for closure in closures {
                assert_eq!(closure.await.unwrap(), 500);
            }
        }
    })
    .unwrap();
}

#[test]
fn the_orders_of_closures_are_explored_and_replayed() {
    let explorer = Explorer::new("tokio_face::own_stacks").without_environment().without_regressions();
    let exploration = explorer.runs(500).run(|| async {
        let log = Log::new();
        let closures = [1, 2, 3].map(|number| {
            let log = log.clone();
            spawn_blocking(move || {
                Handle::current().block_on(yield_now());
                log.push(number);
            })
        });
        for closure in closures {
            closure.await.unwrap();
        }
        assert_ne!(log.take(), [2, 3, 1]);
    });
    let found = exploration.found.expect("the first closure may end last");
    assert!(found.deviations_after().is_some_and(|deviations| deviations <= 3));
}
