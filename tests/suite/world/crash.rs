//! Crashes of nodes.

use std::future::pending;
use std::rc::Rc;

use timeloop::task::{AbortHandle, JoinHandle, try_id, yield_now};
use timeloop::time::{Duration, sleep};
use timeloop::world::{Node, World, crash_here};
use timeloop::{FailureKind, spawn};

use super::{bare, logging, under_seeds};
use crate::support::{Log, on_drop};

/// Spawns a task that holds `guard` and never ends.
fn holds(node: &Node, guard: impl Sized + 'static) -> JoinHandle<()> {
    node.spawn(async move {
        let _guard = guard;
        pending::<()>().await;
    })
}

#[test]
fn crash_drops_all_tasks_in_order_of_spawning() {
    under_seeds(|| async {
        let (node, other) = (bare("db-1"), bare("db-2"));
        let log = Log::new();
        for number in 0..6 {
            let node = if number == 3 { &other } else { &node };
            drop(holds(node, log.on_drop(number)));
            if number % 2 == 0 {
                // Some tasks have been polled, some have not.
                sleep(Duration::from_millis(1)).await;
            }
        }
        node.crash();
        assert_eq!(log.take(), [0, 1, 2, 4, 5]);
        assert!(!node.is_up() && other.is_up());
        node.crash();
        other.crash();
        assert_eq!(log.take(), [3]);
    });
}

#[test]
fn crash_drops_spawned_tasks_too() {
    under_seeds(|| async {
        let (node, log) = logging(|log| async move {
            let guards = [log.on_drop("child"), log.on_drop("grandchild")];
            spawn(async move {
                let [_child, grandchild] = guards;
                spawn(async move {
                    let _grandchild = grandchild;
                    pending::<()>().await;
                });
                pending::<()>().await;
            });
        });
        sleep(Duration::from_secs(1)).await;
        assert_eq!(log.take(), [""; 0]);
        node.crash();
        assert_eq!(log.take(), ["child", "grandchild"]);
    });
}

#[test]
fn awaiting_a_crashed_task_returns_a_cancelled_error() {
    under_seeds(|| async {
        let node = bare("db-1");
        let waits = node.spawn(pending::<()>());
        let sleeps = node.spawn(sleep(Duration::from_secs(1)));
        let ends = node.spawn(async { 7 });
        sleep(Duration::from_millis(1)).await;
        let is_ready = node.spawn(async {});
        let aborted = node.spawn(pending::<()>());
        aborted.abort();
        node.crash();
        for task in [waits, sleeps, is_ready, aborted] {
            assert!(task.await.unwrap_err().is_cancelled());
        }
        assert_eq!(ends.await.unwrap(), 7, "the output of a completed task stays");
    });
}

/// Each destructor runs as the task that it belongs to.
#[test]
fn destructors_run_in_the_context_of_their_task() {
    under_seeds(|| async {
        let node = bare("db-1");
        let log = Log::new();
        let mut ids = Vec::new();
        for _ in 0..2 {
            let log = log.clone();
            let task =
                holds(&node, on_drop(move || log.push((try_id(), Node::current(), Node::current().is_up()))));
            ids.push(task.id());
        }
        sleep(Duration::from_millis(1)).await;
        node.crash();
        let expected: Vec<_> = ids.into_iter().map(|id| (Some(id), node.clone(), false)).collect();
        assert_eq!(log.take(), expected);
        assert_eq!((try_id(), Node::current().name()), (None, "test"));
    });
}

#[test]
fn tasks_spawned_by_destructors_are_never_polled() {
    under_seeds(|| async {
        let node = bare("db-1");
        let log = Log::new();
        let inner = log.clone();
        drop(holds(
            &node,
            on_drop(move || {
                let guard = inner.on_drop("dropped");
                let polled = inner.clone();
                spawn(async move {
                    let _guard = guard;
                    polled.push("polled");
                });
            }),
        ));
        yield_now().await;
        node.crash();
        sleep(Duration::from_millis(1)).await;
        assert_eq!(log.take(), ["dropped"]);
    });
}

#[test]
fn a_panic_in_a_destructor_is_a_panic_of_its_task() {
    let failure = timeloop::run(0, || async {
        let node = bare("db-1");
        let log = Log::new();
        node.spawn(async {
            let _guard = on_drop(|| panic!("a destructor"));
            pending::<()>().await;
        });
        drop(holds(&node, log.on_drop("the next")));
        sleep(Duration::from_millis(1)).await;
        node.crash();
        assert_eq!(log.take(), ["the next"]);
        pending::<()>().await;
    })
    .unwrap_err();
    assert_eq!(failure.kind, FailureKind::UnobservedPanic);
    assert_eq!(failure.message(), "a destructor");
    assert_eq!(failure.task.unwrap().to_string(), "`root.1` on db-1");

    // An observed panic does not fail the run.
    under_seeds(|| async {
        let node = bare("db-1");
        let task = node.spawn(async {
            let _guard = on_drop(|| panic!("a destructor"));
            pending::<()>().await;
        });
        sleep(Duration::from_millis(1)).await;
        node.crash();
        assert!(task.await.unwrap_err().is_panic());
    });
}

#[test]
fn a_panic_in_a_task_names_its_node() {
    let failure = timeloop::run(0, || async {
        async fn serve() {
            sleep(Duration::from_secs(1)).await;
            panic!("out of disk");
        }
        let node = World::current().node("db-1").start(serve);
        node.until_down().await;
    })
    .unwrap_err();
    assert_eq!((failure.kind, &*failure.message()), (FailureKind::UnobservedPanic, "out of disk"));
    assert_eq!(failure.task.unwrap().to_string(), "`serve` on db-1 (root.1)");
}

/// The task continues to its next `.await`.
#[test]
fn a_task_that_crashes_its_own_node_stops_at_its_next_await() {
    under_seeds(|| async {
        let (node, log) = logging(|log| async move {
            let _guard = log.on_drop("dropped");
            let guard = log.on_drop("other dropped");
            spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            });
            yield_now().await;
            Node::current().crash();
            log.push("continues");
            spawn(async { panic!("this task is polled") });
            yield_now().await;
            log.push("unreachable");
        });
        node.until_down().await;
        sleep(Duration::from_millis(1)).await;
        assert_eq!(log.take(), ["other dropped", "continues", "dropped"]);
    });
}

#[test]
fn crashing_the_own_node_stops_all_branches_of_the_task() {
    under_seeds(|| async {
        let log = Log::new();
        let inner = log.clone();
        let node = bare("db-1");
        let task = node.spawn(async move {
            timeloop::select! {
                biased;
                () = async {
                    Node::current().crash();
                    yield_now().await;
                } => {}
                () = async { inner.push("polled") } => {}
            }
        });
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(log.take(), [""; 0]);
    });
}

#[test]
fn nothing_runs_after_crash_here() {
    under_seeds(|| async {
        let node = bare("db-1");
        let task = node.spawn(async {
            crash_here().await;
        });
        assert!(task.await.unwrap_err().is_cancelled());
        assert!(!node.is_up());
    });
}

/// The task completes before its next `.await`.
#[test]
fn a_task_that_crashes_its_node_may_still_complete() {
    under_seeds(|| async {
        let node = bare("db-1");
        let task = node.spawn(async {
            Node::current().crash();
            7
        });
        assert_eq!(task.await.unwrap(), 7);
        assert!(!node.is_up());
    });
}

#[test]
fn a_node_may_crash_another_node() {
    under_seeds(|| async {
        let world = World::current();
        let victim = world.node("victim").start(pending::<()>);
        let target = victim.clone();
        let _chaos = world.node("chaos").start(move || {
            let target = target.clone();
            async move {
                sleep(Duration::from_secs(3)).await;
                target.crash();
                crash_here().await;
            }
        });
        victim.until_down().await;
        world.until_all_down().await;
        assert!(world.nodes().iter().all(|node| !node.is_up()));
    });
}

#[test]
fn join_handles_of_crashed_tasks_work() {
    under_seeds(|| async {
        let node = bare("db-1");
        let tasks = [0, 1, 2].map(|_| node.spawn(pending::<()>()));
        let handles: Vec<AbortHandle> = tasks.iter().map(JoinHandle::abort_handle).collect();
        yield_now().await;
        node.crash();
        handles[0].abort();
        let [one, two, three] = tasks;
        drop(one);
        assert!(two.await.unwrap_err().is_cancelled());
        sleep(Duration::from_millis(1)).await;
        assert!(handles.iter().all(AbortHandle::is_finished) && three.is_finished());
    });
}

#[test]
fn a_crash_drops_timers() {
    under_seeds(|| async {
        let node = bare("db-1");
        node.spawn(sleep(Duration::from_secs(1_000_000)));
        sleep(Duration::from_secs(1)).await;
        node.crash();
        let metrics = timeloop::runtime::Handle::current().metrics();
        sleep(Duration::from_millis(1)).await;
        assert_eq!(metrics.num_alive_tasks(), 0);
    });
}

#[test]
fn a_crash_releases_shared_values() {
    under_seeds(|| async {
        let node = bare("db-1");
        let shared = Rc::new(());
        for _ in 0..3 {
            drop(holds(&node, Rc::clone(&shared)));
        }
        drop(node.spawn({
            let shared = Rc::clone(&shared);
            async move {
                timeloop::time::timeout(Duration::from_secs(9), async move {
                    pending::<()>().await;
                    drop(shared)
                })
                .await
            }
        }));
        sleep(Duration::from_millis(1)).await;
        assert_eq!(Rc::strong_count(&shared), 5);
        node.crash();
        assert_eq!(Rc::strong_count(&shared), 1);
    });
}
