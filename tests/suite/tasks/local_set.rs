//! Local sets.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use timeloop::runtime::Runtime;
use timeloop::task::{self, LocalSet, spawn_local, yield_now};
use timeloop::time::sleep;
use timeloop::{FailureKind, spawn};

use crate::support::{Log, fifo, on_drop, panic_text};

#[test]
fn run_until_runs_the_tasks_of_the_set() {
    timeloop::run(0, || async {
        let set = LocalSet::new();
        let text = Rc::new("local".to_owned());
        let output = set.run_until(async { spawn_local(async move { text.len() }).await.unwrap() }).await;
        assert_eq!(output, 5);
    })
    .unwrap();
}

#[test]
fn awaiting_the_set_awaits_all_its_tasks() {
    timeloop::run(0, || async {
        let log = Log::new();
        let set = LocalSet::new();
        for seconds in [2, 1] {
            let log = log.clone();
            drop(set.spawn_local(async move {
                sleep(Duration::from_secs(seconds)).await;
                // Spawned from within, also on the set.
                drop(spawn_local(async move {
                    sleep(Duration::from_secs(10)).await;
                    log.push(seconds);
                }));
            }));
        }
        set.await;
        assert_eq!(log.take(), [1, 2]);
    })
    .unwrap();
}

#[test]
fn an_empty_set_is_ready() {
    timeloop::run(0, LocalSet::default).unwrap();
}

#[test]
fn tasks_do_not_run_while_the_set_is_not_awaited() {
    timeloop::run(0, || async {
        let log = Log::new();
        let set = LocalSet::new();
        let task = log.clone();
        let handle = set.spawn_local(async move {
            task.push("first");
            yield_now().await;
            sleep(Duration::from_secs(5)).await;
            task.push("second");
        });
        sleep(Duration::from_secs(100)).await;
        assert_eq!(log.take(), [""; 0]);
        set.run_until(sleep(Duration::from_secs(1))).await;
        assert_eq!(log.take(), ["first"]);
        sleep(Duration::from_secs(100)).await;
        assert_eq!(log.take(), [""; 0]);
        set.run_until(async { assert!(!handle.is_finished()) }).await;
        set.run_until(handle).await.unwrap();
        assert_eq!(log.take(), ["second"]);
    })
    .unwrap();
}

#[test]
fn the_same_as_tokio() {
    macro_rules! story {
        ($tokio:ident, $log:expr) => {{
            use $tokio::task::{LocalSet, spawn_local};
            use $tokio::time::{sleep, timeout};
            let log: Log<String> = $log;
            let set = LocalSet::new();
            let (one, two) = (log.clone(), log.clone());
            let first = set.spawn_local(async move {
                one.push("first begins".to_owned());
                let inner = one.clone();
                let child = spawn_local(async move {
                    sleep(Duration::from_secs(2)).await;
                    inner.push("child".to_owned());
                    7
                });
                let output = child.await.unwrap();
                one.push(format!("first ends with {output}"));
            });
            let guard = log.on_drop("third dropped".to_owned());
            let third = set.spawn_local(async move {
                let _guard = guard;
                pending::<()>().await;
            });
            log.push("before".to_owned());
            let timed_out = timeout(Duration::from_secs(1), set.run_until(pending::<()>())).await;
            log.push(format!("timed out: {}", timed_out.is_err()));
            log.push(format!("first finished: {}", first.is_finished()));
            set.run_until(async move {
                two.push("again".to_owned());
                first.await.unwrap();
            })
            .await;
            drop(set);
            log.push("set dropped".to_owned());
            log.push(format!("third: {}", third.await.unwrap_err().is_cancelled()));
        }};
    }
    let ours = Log::new();
    fifo().block_on(async { story!(timeloop, ours.clone()) });
    let theirs = Log::new();
    crate::support::tokio().block_on(async { story!(tokio, theirs.clone()) });
    assert_eq!(ours.take(), theirs.take());
}

#[test]
fn tasks_may_be_spawned_before_any_loop_runs() {
    let log = Log::new();
    let set = LocalSet::new();
    let handles = [1, 2, 3].map(|number| {
        let log = log.clone();
        set.spawn_local(async move {
            log.push(number);
            (task::id(), number)
        })
    });
    assert!(handles.iter().all(|handle| !handle.is_finished()));
    assert_eq!(log.take(), [0; 0]);
    let runtime = fifo();
    set.block_on(&runtime, async {
        for (number, handle) in (1..).zip(handles) {
            let known = handle.abort_handle();
            let (id, output) = handle.await.unwrap();
            assert_eq!((known.id(), output), (id, number));
        }
    });
    assert_eq!(log.take(), [1, 2, 3]);
}

#[test]
fn a_set_filled_before_a_runtime_was_built_can_be_blocked_on() {
    let done = Rc::new(Cell::new(0));
    let set = LocalSet::new();
    for _ in 0..3 {
        let done = Rc::clone(&done);
        drop(set.spawn_local(async move {
            sleep(Duration::from_secs(1)).await;
            done.set(done.get() + 1);
        }));
    }
    Runtime::new().unwrap().block_on(set);
    assert_eq!(done.get(), 3);
}

#[test]
fn aborted_and_detached_before_any_loop_runs() {
    let log = Log::new();
    let set = LocalSet::new();
    let (task, guard) = (log.clone(), log.on_drop("dropped"));
    let aborted = set.spawn_local(async move {
        let _guard = guard;
        task.push("polled");
    });
    aborted.abort();
    let task = log.clone();
    drop(set.spawn_local(async move { task.push("detached ran") }));
    let task = log.clone();
    let kept = set.spawn_local(async move { task.push("kept ran") });
    let runtime = fifo();
    runtime.block_on(set);
    assert!(aborted.is_finished() && kept.is_finished());
    assert!(runtime.block_on(aborted).unwrap_err().is_cancelled());
    assert_eq!(log.take(), ["dropped", "detached ran", "kept ran"]);
}

#[test]
fn a_detached_task_that_panics_ends_the_run_even_if_it_was_spawned_before() {
    let set = LocalSet::new();
    drop(set.spawn_local(async { panic!("from before") }));
    let runtime = fifo();
    let text = panic_text(|| runtime.block_on(set.run_until(async { sleep(Duration::from_secs(1)).await })));
    assert!(text.contains("from before"), "{text}");
}

#[test]
fn dropping_the_set_drops_the_futures_at_once() {
    timeloop::run(0, || async {
        let log = Log::new();
        let set = LocalSet::new();
        let mut handles = Vec::new();
        for number in 0..3 {
            let guard = log.on_drop(number);
            handles.push(set.spawn_local(async move {
                let _guard = guard;
                pending::<()>().await;
            }));
        }
        set.run_until(yield_now()).await;
        drop(set);
        assert_eq!(log.take(), [0, 1, 2]);
        for handle in handles {
            assert!(handle.await.unwrap_err().is_cancelled());
        }
    })
    .unwrap();
}

#[test]
fn dropping_a_set_that_never_ran_drops_its_tasks() {
    let log = Log::new();
    let set = LocalSet::new();
    let guard = log.on_drop("dropped");
    let handle = set.spawn_local(async move {
        let _guard = guard;
    });
    drop(set);
    assert_eq!(log.take(), ["dropped"]);
    assert!(handle.is_finished());
    assert!(fifo().block_on(handle).unwrap_err().is_cancelled());
}

#[test]
fn a_set_dropped_by_one_of_its_tasks() {
    let log = Log::new();
    let root = log.clone();
    fifo().block_on(async move {
        let set = Rc::new(Cell::new(None));
        let local = LocalSet::new();
        let (task, inner) = (root.clone(), Rc::clone(&set));
        let (own, other) = (root.on_drop("its own locals"), root.on_drop("the other's locals"));
        let handle = local.spawn_local(async move {
            let _own = own;
            let later = task.clone();
            drop(spawn(async move { later.push("a step later") }));
            drop(inner.take());
            task.push("after the set");
            yield_now().await;
            task.push("not reached");
        });
        drop(local.spawn_local(async move {
            let _other = other;
            pending::<()>().await;
        }));
        set.set(Some(local));
        poll_in_cell(&set).await;
        assert!(handle.await.unwrap_err().is_cancelled());
    });
    assert_eq!(log.take(), ["the other's locals", "after the set", "its own locals", "a step later"]);

    /// Polls the set in the cell until the cell is empty.
    async fn poll_in_cell(cell: &Cell<Option<LocalSet>>) {
        std::future::poll_fn(|cx| {
            let Some(mut set) = cell.take() else { return std::task::Poll::Ready(()) };
            let polled = std::pin::Pin::new(&mut set).poll(cx);
            cell.set(Some(set));
            cx.waker().wake_by_ref();
            polled
        })
        .await;
    }
}

#[test]
fn spawning_on_a_set_from_a_destructor_while_it_is_dropped() {
    timeloop::run(0, || async {
        let log = Log::new();
        let set = LocalSet::new();
        let (task, guard) = (log.clone(), log.on_drop("spawned too late"));
        let respawn = on_drop(move || {
            drop(spawn_local(async move {
                let _guard = guard;
                task.push("not reached");
            }));
        });
        drop(set.spawn_local(async move {
            let _respawn = respawn;
            pending::<()>().await;
        }));
        set.run_until(yield_now()).await;
        drop(set);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(log.take(), ["spawned too late"]);
    })
    .unwrap();
}

#[test]
fn enter_makes_only_spawn_local_use_the_set() {
    timeloop::run(0, || async {
        let set = LocalSet::new();
        let other = LocalSet::new();
        let log = Log::new();
        {
            let _guard = set.enter();
            let task = log.clone();
            drop(spawn_local(async move { task.push("set") }));
            {
                let _guard = other.enter();
                let task = log.clone();
                drop(spawn_local(async move { task.push("other") }));
            }
            let task = log.clone();
            drop(spawn(async move { task.push("free") }));
        }
        sleep(Duration::from_secs(1)).await;
        assert_eq!(log.take(), ["free"]);
        set.await;
        assert_eq!(log.take(), ["set"]);
        other.await;
        assert_eq!(log.take(), ["other"]);
    })
    .unwrap();
}

#[test]
fn a_panic_of_a_task_is_seen_through_its_handle() {
    timeloop::run(0, || async {
        let set = LocalSet::new();
        let error = set.run_until(set.spawn_local(async { panic!("local") })).await.unwrap_err();
        assert!(error.is_panic());
        // The set still runs.
        assert_eq!(set.run_until(set.spawn_local(async { 42 })).await.unwrap(), 42);
    })
    .unwrap();
}

/// Panics when it is dropped.
struct Throws(&'static str);

impl Drop for Throws {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("{}", self.0);
        }
    }
}

#[test]
fn a_destructor_panic_while_the_set_is_dropped_reaches_the_joiner() {
    timeloop::run(0, || async {
        let set = LocalSet::new();
        let waiting = |guard: Option<Throws>| {
            set.spawn_local(async move {
                let _guard = guard;
                pending::<()>().await;
            })
        };
        let tasks =
            [waiting(None), waiting(Some(Throws("first"))), waiting(Some(Throws("second"))), waiting(None)];
        set.run_until(yield_now()).await;
        set.run_until(yield_now()).await;
        drop(set);
        let mut ends = Vec::new();
        for task in tasks {
            let error = task.await.unwrap_err();
            ends.push(
                error.try_into_panic().map(|payload| payload.downcast_ref::<String>().unwrap().clone()).ok(),
            );
        }
        assert_eq!(ends, [None, Some("first".to_owned()), Some("second".to_owned()), None]);
    })
    .unwrap();
}

#[test]
fn an_unobserved_destructor_panic_while_the_set_is_dropped_fails_the_run() {
    let failure = timeloop::run(0, || async {
        let set = LocalSet::new();
        drop(set.spawn_local(async {
            let _guard = Throws("unheard");
            pending::<()>().await;
        }));
        set.run_until(yield_now()).await;
        set.run_until(yield_now()).await;
        drop(set);
        sleep(Duration::from_secs(1)).await;
    })
    .unwrap_err();
    assert_eq!(failure.kind, FailureKind::UnobservedPanic);
    assert!(failure.message().contains("unheard"), "{failure}");
    assert!(failure.site.is_some());
}

#[test]
fn a_destructor_panic_reaches_the_dropper_of_a_set_that_never_ran() {
    let set = LocalSet::new();
    let guards = [Throws("first"), Throws("second")];
    for guard in guards {
        drop(set.spawn_local(async move { drop(guard) }));
    }
    let thrown = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(set))).unwrap_err();
    assert_eq!(thrown.downcast_ref::<String>().unwrap(), "first");
}

#[test]
fn a_task_that_waits_for_its_set_shows_in_a_deadlock() {
    let failure = timeloop::run(0, || async {
        let set = LocalSet::new();
        set.spawn_local(async {}).await.unwrap();
    })
    .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Deadlock);
    assert_eq!(failure.blocked.len(), 2);
}

#[test]
fn its_debug_output_contains_the_name() {
    assert_eq!(format!("{:?}", LocalSet::new()), "LocalSet { .. }");
}
