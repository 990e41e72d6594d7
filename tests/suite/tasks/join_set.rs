//! Join sets.

use std::collections::BTreeSet;
use std::future::{pending, poll_fn};
use std::task::Poll;
use std::time::Duration;

use timeloop::runtime::Handle;
use timeloop::task::{Id, JoinSet, LocalSet, yield_now};
use timeloop::time::{Instant, sleep, timeout};
use timeloop::{FailureKind, spawn};

use crate::support::{Log, fifo, panic_text};

async fn after(seconds: u64) -> u64 {
    sleep(Duration::from_secs(seconds)).await;
    seconds
}

#[test]
fn returns_outputs_in_the_order_in_which_tasks_end() {
    timeloop::run(0, || async {
        let start = Instant::now();
        let mut set = JoinSet::new();
        for seconds in [5, 3, 1, 4, 2] {
            set.spawn(after(seconds));
        }
        assert_eq!((set.len(), set.is_empty()), (5, false));
        for seconds in 1..=5 {
            assert_eq!(set.join_next().await.unwrap().unwrap(), seconds);
            assert_eq!(start.elapsed(), Duration::from_secs(seconds));
        }
        assert!(set.join_next().await.is_none());
        assert_eq!((set.len(), set.is_empty()), (0, true));
    })
    .unwrap();
}

#[test]
fn returns_ids_with_outputs_and_errors() {
    timeloop::run(0, || async {
        let mut set = JoinSet::new();
        let good = set.spawn(async { 42 }).id();
        let aborted = set.spawn(pending());
        let panicked = set.spawn(async { panic!("one of many") }).id();
        aborted.abort();
        let mut seen = BTreeSet::new();
        while let Some(result) = set.join_next_with_id().await {
            seen.insert(match result {
                Ok((id, output)) => (id, format!("{output}")),
                Err(error) => (error.id(), error.to_string()),
            });
        }
        let expected = [
            (good, "42".to_owned()),
            (aborted.id(), format!("task {} was cancelled", aborted.id())),
            (panicked, format!("task {panicked} panicked with message \"one of many\"")),
        ];
        assert_eq!(seen, BTreeSet::from(expected));
    })
    .unwrap();
}

#[test]
fn try_join_next_does_not_wait() {
    timeloop::run(0, || async {
        let mut set = JoinSet::new();
        assert!(set.try_join_next().is_none());
        set.spawn(after(1));
        let id = set.spawn(after(2)).id();
        assert!(set.try_join_next().is_none());
        sleep(Duration::from_secs(3)).await;
        assert_eq!(set.try_join_next().unwrap().unwrap(), 1);
        assert_eq!(set.try_join_next_with_id().unwrap().unwrap(), (id, 2));
        assert!(set.try_join_next_with_id().is_none());
    })
    .unwrap();
}

#[test]
fn join_next_can_be_cancelled_without_loss() {
    timeloop::run(0, || async {
        let mut set = JoinSet::new();
        set.spawn(after(10));
        for _ in 0..5 {
            assert!(timeout(Duration::from_secs(1), set.join_next()).await.is_err());
        }
        assert_eq!(set.join_next().await.unwrap().unwrap(), 10);
    })
    .unwrap();
}

#[test]
fn polling_leaves_the_newest_waker() {
    timeloop::run(0, || async {
        let mut set = JoinSet::new();
        set.spawn(after(1));
        poll_fn(|cx| {
            assert!(set.poll_join_next(cx).is_pending());
            assert!(set.poll_join_next_with_id(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        let seconds = spawn(async move { set.join_next().await.unwrap().unwrap() });
        assert_eq!(seconds.await.unwrap(), 1);
    })
    .unwrap();
}

#[test]
fn dropping_it_aborts_its_tasks_in_order() {
    let log = Log::new();
    let root = log.clone();
    fifo().block_on(async move {
        let mut set = JoinSet::new();
        for number in 0..4 {
            let guard = root.on_drop(number);
            set.spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            });
        }
        yield_now().await;
        drop(set);
        assert_eq!(root.take(), [0; 0], "at their next resumption");
        sleep(Duration::from_secs(1)).await;
        assert_eq!(root.take(), [0, 1, 2, 3]);
    });
}

#[test]
fn detach_all_lets_them_continue() {
    timeloop::run(0, || async {
        let log = Log::new();
        let mut set = JoinSet::new();
        for number in 0..3 {
            let log = log.clone();
            set.spawn(async move {
                sleep(Duration::from_secs(number)).await;
                log.push(number);
            });
        }
        set.detach_all();
        assert!(set.is_empty() && set.join_next().await.is_none());
        set.spawn(async {});
        assert!(set.join_next().await.unwrap().is_ok(), "the set can be used again");
        set.spawn(sleep(Duration::from_secs(10)));
        assert!(set.join_next().await.unwrap().is_ok(), "and does not mistake the old tasks for its new one");
        assert_eq!(log.take(), [0, 1, 2]);
    })
    .unwrap();
}

#[test]
fn detach_all_drops_the_outputs_of_ended_tasks() {
    timeloop::run(0, || async {
        let log = Log::new();
        let mut set = JoinSet::new();
        for number in 0..3 {
            let output = log.on_drop(number);
            set.spawn(async move { Some(output) });
        }
        sleep(Duration::from_secs(1)).await;
        set.detach_all();
        assert_eq!(log.take(), [0, 1, 2]);
        assert!(set.try_join_next().is_none());
        set.spawn(async { None });
        assert!(set.try_join_next().is_none(), "the new task is not taken for an old one");
        assert!(set.join_next().await.unwrap().unwrap().is_none());
    })
    .unwrap();
}

#[test]
fn abort_all_leaves_an_error_for_each() {
    timeloop::run(0, || async {
        let mut set = JoinSet::<()>::new();
        for _ in 0..3 {
            set.spawn(pending());
        }
        set.abort_all();
        assert_eq!(set.len(), 3);
        while let Some(result) = set.join_next().await {
            assert!(result.unwrap_err().is_cancelled());
        }
    })
    .unwrap();
}

#[test]
fn shutdown_waits_for_the_destructors() {
    timeloop::run(0, || async {
        let log = Log::new();
        let mut set = JoinSet::new();
        for number in 0..3 {
            let guard = log.on_drop(number);
            set.spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            });
        }
        set.spawn(async { panic!("swallowed, as in tokio") });
        sleep(Duration::from_secs(1)).await;
        set.shutdown().await;
        assert!(set.is_empty());
        let mut dropped = log.take();
        dropped.sort_unstable();
        assert_eq!(dropped, [0, 1, 2]);
    })
    .unwrap();
}

#[test]
fn join_all_returns_all_outputs() {
    timeloop::run(0, || async {
        let set: JoinSet<_> = [3, 1, 2].map(after).into_iter().collect();
        assert_eq!(set.join_all().await, [1, 2, 3]);
        assert_eq!(JoinSet::<()>::default().join_all().await, []);
    })
    .unwrap();
}

#[test]
fn join_all_passes_a_panic_on() {
    let failure = timeloop::run(0, || async {
        let mut set = JoinSet::new();
        set.spawn(after(1));
        set.spawn(async { panic!("passed on") });
        set.join_all().await;
    })
    .unwrap_err();
    assert_eq!((failure.kind, failure.message().as_str()), (FailureKind::Panic, "passed on"));
}

#[test]
fn join_all_panics_for_an_aborted_task() {
    let failure = timeloop::run(0, || async {
        let mut set = JoinSet::<()>::new();
        set.spawn(pending()).abort();
        set.join_all().await;
    })
    .unwrap_err();
    assert_eq!((failure.kind, failure.message().as_str()), (FailureKind::Panic, "task 2 was cancelled"));
}

#[test]
fn all_spawn_methods() {
    timeloop::run(0, || async {
        let local = LocalSet::new();
        let handle = Handle::current();
        let mut set = JoinSet::new();
        set.spawn(async { 1 });
        set.spawn_on(async { 2 }, &handle);
        local.run_until(async { set.spawn_local(async { 3 }) }).await;
        set.spawn_blocking(|| 4);
        set.spawn_blocking_on(|| 5, &handle);
        set.spawn_local_on(async { 6 }, &local);
        set.build_task().spawn(async { 7 }).unwrap();
        set.build_task().spawn_on(async { 8 }, &handle).unwrap();
        local.run_until(async { set.build_task().spawn_local(async { 9 }).unwrap() }).await;
        set.build_task().spawn_local_on(async { 10 }, &local).unwrap();
        set.build_task().spawn_blocking(|| 11).unwrap();
        set.build_task().spawn_blocking_on(|| 12, &handle).unwrap();
        set.extend([async { 13 }]);
        let mut outputs = local.run_until(set.join_all()).await;
        outputs.sort_unstable();
        assert_eq!(outputs, (1..=13).collect::<Vec<_>>());
    })
    .unwrap();
}

#[test]
fn a_task_spawned_before_there_was_a_loop_is_joined() {
    let local = LocalSet::new();
    let mut set = JoinSet::new();
    set.spawn_local_on(async { 42 }, &local);
    let aborted = set.spawn_local_on(pending(), &local);
    aborted.abort();
    assert!(!aborted.is_finished());
    let runtime = fifo();
    let outputs: Vec<_> = local.block_on(&runtime, async {
        let mut outputs = Vec::new();
        while let Some(result) = set.join_next().await {
            outputs.push(result.map_err(|error| error.is_cancelled()));
        }
        outputs
    });
    assert_eq!(outputs, [Ok(42), Err(true)]);
    assert!(aborted.is_finished());
}

#[test]
fn a_panic_left_in_a_dropped_set_is_not_lost() {
    let failure = timeloop::run(0, || async {
        let mut set = JoinSet::new();
        set.spawn(async { panic!("left behind") });
        sleep(Duration::from_secs(1)).await;
        drop(set);
        sleep(Duration::from_secs(1)).await;
    })
    .unwrap_err();
    assert_eq!((failure.kind, failure.message().as_str()), (FailureKind::UnobservedPanic, "left behind"));
}

#[test]
fn outside_a_run_it_can_be_created_but_not_spawn() {
    let mut set = JoinSet::new();
    assert_eq!(format!("{set:?}"), "JoinSet { len: 0 }");
    assert!(set.try_join_next().is_none());
    let text = panic_text(|| _ = set.spawn(async {}));
    assert!(text.starts_with("can't spawn a task outside of a run"), "{text}");
}

/// The set is not scanned for each task that ends: 20,000 tasks cost about twice as many steps of the root and the
/// tasks, and the handles are not polled again.
#[test]
fn many_tasks_end_one_at_a_time() {
    const TASKS: u64 = 20_000;
    timeloop::run(0, || async {
        let mut set: JoinSet<_> = (0..TASKS).map(|number| after(number % 100)).collect();
        let mut ids: BTreeSet<Id> = BTreeSet::new();
        while let Some(result) = set.join_next_with_id().await {
            assert!(ids.insert(result.unwrap().0));
        }
        assert_eq!(ids.len() as u64, TASKS);
    })
    .unwrap();
}
