//! Reentrancy: destructors, wakers and closures that change nodes.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use futures_util::FutureExt as _;
use timeloop::task::{LocalSet, spawn_local, yield_now};
use timeloop::time::{Duration, sleep};
use timeloop::world::{Node, Shutdown, World};
use timeloop::{FailureKind, Limits, Seed, StrategySpec, run_from, spawn};

use super::{bare, under_seeds};
use crate::support::{Log, on_drop, panic_text};

const SECOND: Duration = Duration::from_secs(1);

/// Spawns a task on the node that calls `f` when it is dropped.
fn on_task_drop(node: &Node, f: impl FnOnce() + 'static) {
    let guard = on_drop(f);
    node.spawn(async move {
        let _guard = guard;
        pending::<()>().await;
    });
}

#[test]
fn a_destructor_may_crash_its_node_again() {
    under_seeds(|| async {
        let node = bare("db-1");
        let log = Log::new();
        for number in 0..3 {
            let (node, log) = (node.clone(), log.clone());
            on_task_drop(&node.clone(), move || {
                node.crash();
                node.resume();
                assert!(!node.is_up());
                log.push(number);
            });
        }
        sleep(SECOND).await;
        node.crash();
        assert_eq!(log.take(), [0, 1, 2]);
    });
}

#[test]
fn a_destructor_cannot_restart_its_node() {
    under_seeds(|| async {
        let (node, other) = (bare("db-1"), bare("db-2"));
        let log = Log::new();
        for host in [&node, &other] {
            let (node, other, log) = (node.clone(), other.clone(), log.clone());
            on_task_drop(host, move || {
                other.crash();
                log.push(panic_text(|| node.restart()));
                log.push(panic_text(|| drop(node.spawn(async {}))));
                log.push(panic_text(|| node.pause()));
            });
        }
        sleep(SECOND).await;
        node.crash();
        let texts = [
            "can't restart node `db-1` in a destructor that runs because the node goes down; restart it later",
            "can't spawn a task on node `db-1`, which is down; restart it first",
            "can't pause node `db-1`, which is down; restart it first",
        ];
        assert_eq!(log.take(), [texts, texts].concat());
        node.restart();
        assert!(node.is_up() && !other.is_up());
    });
}

#[test]
fn nodes_that_crash_each_other_go_down_once() {
    under_seeds(|| async {
        let nodes: Rc<[Node]> = (0..50).map(|number| bare(&format!("n{number}"))).collect();
        let log = Log::new();
        for number in 0..50 {
            let (all, log) = (Rc::clone(&nodes), log.clone());
            on_task_drop(&nodes[number], move || {
                log.push(number);
                all[(number + 1) % 50].crash();
                all[(number + 7) % 50].crash();
            });
        }
        sleep(SECOND).await;
        nodes[3].crash();
        let mut dropped = log.take();
        assert_eq!(dropped[..3], [3, 4, 5]);
        dropped.sort_unstable();
        assert!(dropped.into_iter().eq(0..50));
    });
}

#[test]
fn a_destructor_may_start_other_nodes() {
    under_seeds(|| async {
        let node = bare("db-1");
        let log = Log::new();
        let inner = log.clone();
        on_task_drop(&node, move || {
            let log = inner.clone();
            World::current().node("heir").start(move || {
                let log = log.clone();
                async move { log.push(Node::current().name().to_owned()) }
            });
        });
        sleep(SECOND).await;
        node.crash();
        sleep(SECOND).await;
        assert_eq!(log.take(), ["heir"], "the node is another host, so it runs");
    });
}

/// Each destructor spawns a task with such a destructor.
#[test]
fn destructors_that_spawn_forever_end_the_run() {
    fn spawns() {
        let guard = on_drop(spawns);
        spawn(async move { drop(guard) });
    }
    let limits = Limits { max_polls_per_instant: 1_000, ..Limits::default() };
    let outcome = run_from(StrategySpec::Fifo.source(Seed(0)), &limits, || async {
        let node = bare("db-1");
        on_task_drop(&node, spawns);
        sleep(SECOND).await;
        node.crash();
        sleep(SECOND).await;
    });
    assert_eq!(outcome.result.unwrap_err().kind, FailureKind::Livelock);
}

#[test]
fn a_destructor_may_poll_a_preemptible_operation() {
    let exploration = timeloop::Explorer::new("world::polls").runs(50).without_regressions().run(|| async {
        let node = bare("db-1");
        let resource = Rc::new(timeloop::Resource::new("row"));
        for _ in 0..2 {
            let resource = Rc::clone(&resource);
            on_task_drop(&node, move || {
                // A waker that ignores wake-ups.
                let waker = Waker::from(Arc::new(Deaf));
                let mut context = Context::from_waker(&waker);
                let mut write = Box::pin(resource.write());
                let _ = write.as_mut().poll(&mut context);
                drop(write);
                let _ = async {
                    timeloop::select! { () = pending::<()>() => 1, () = yield_now() => 2 }
                }
                .now_or_never();
                let _ = rand::Rng::next_u64(&mut timeloop::rng());
            });
        }
        let reader = Rc::clone(&resource);
        let other = spawn(async move { reader.read().await });
        node.crash();
        other.await.unwrap();
    });
    assert!(exploration.found.is_none(), "{}", exploration.report());

    struct Deaf;
    impl Wake for Deaf {
        fn wake(self: Arc<Self>) {}
    }
}

/// A custom waker is called between steps, when a timer fires.
#[test]
fn a_waker_may_crash_a_node() {
    thread_local! {
        static NODE: RefCell<Option<Node>> = const { RefCell::new(None) };
    }
    struct Crashes;
    impl Wake for Crashes {
        fn wake(self: Arc<Self>) {
            NODE.with_borrow(|node| node.as_ref().expect("the node exists").crash());
        }
    }
    under_seeds(|| async {
        let node = bare("db-1");
        NODE.set(Some(node.clone()));
        let log = Log::new();
        let guard = log.on_drop(("dropped", "db-1".to_owned()));
        let task = node.spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        });
        sleep(SECOND).await;
        let mut delay = Box::pin(sleep(SECOND));
        let waker = Waker::from(Arc::new(Crashes));
        assert!(delay.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        sleep(SECOND * 2).await;
        assert_eq!(log.take().len(), 1);
        assert!(task.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn the_destructor_of_an_output_may_crash_its_node() {
    under_seeds(|| async {
        let node = bare("db-1");
        let log = Log::new();
        on_task_drop(&node, {
            let log = log.clone();
            move || log.push("dropped")
        });
        let other = node.clone();
        // Nobody awaits the task, so its output is dropped when it ends.
        drop(node.spawn(async move { on_drop(move || other.crash()) }));
        sleep(SECOND).await;
        assert_eq!(log.take(), ["dropped"]);
        assert!(!node.is_up());
    });
}

#[test]
fn the_destructor_of_a_panicked_or_aborted_task_may_crash_its_node() {
    under_seeds(|| async {
        for panics in [true, false] {
            let node = bare(if panics { "panics" } else { "aborted" });
            let other = node.clone();
            let task = node.spawn(async move {
                let _guard = on_drop(move || other.crash());
                yield_now().await;
                assert!(!panics, "on purpose");
                pending::<()>().await;
            });
            sleep(SECOND).await;
            task.abort();
            let error = task.await.unwrap_err();
            assert_eq!(error.is_panic(), panics);
            assert!(!node.is_up());
        }
    });
}

/// The future's destructor runs within `task_panicked`, where the slot is neither polled nor free.
#[test]
fn a_captured_destructor_of_a_panicked_task_may_restart_its_node() {
    under_seeds(|| async {
        let node = bare("db-1");
        let other = node.clone();
        let guard = on_drop(move || other.restart());
        let mut guard = Some(guard);
        let task = node.spawn(poll_fn(move |_| -> Poll<()> {
            let _held = &mut guard;
            panic!("on purpose")
        }));
        assert!(task.await.unwrap_err().is_panic());
        assert_eq!((node.is_up(), node.incarnation()), (true, 2));
        assert_eq!(node.spawn(async { 7 }).await.unwrap(), 7);
    });
}

#[test]
fn a_thousand_crashes_and_restarts_in_one_step() {
    under_seeds(|| async {
        let alive = Rc::new(());
        let kept = Rc::clone(&alive);
        let node = World::current().node("db-1").start(move || {
            let alive = Rc::clone(&kept);
            async move {
                let _alive = alive;
                pending::<()>().await;
            }
        });
        for _ in 0..1_000 {
            node.restart();
        }
        sleep(SECOND).await;
        assert_eq!((Rc::strong_count(&alive), node.incarnation()), (3, 1_001));
        node.crash();
        sleep(SECOND).await;
        assert_eq!(Rc::strong_count(&alive), 2);
        assert_eq!(timeloop::runtime::Handle::current().metrics().num_alive_tasks(), 0);
    });
}

#[test]
fn a_crash_drops_local_sets() {
    under_seeds(|| async {
        let node = bare("db-1");
        let log = Log::new();
        let inner = log.clone();
        let task = node.spawn(async move {
            let set = LocalSet::new();
            let guards = [inner.on_drop("in the set"), inner.on_drop("outside")];
            set.run_until(async move {
                let [in_set, _outside] = guards;
                spawn_local(async move {
                    let _guard = in_set;
                    pending::<()>().await;
                });
                pending::<()>().await;
            })
            .await;
        });
        sleep(SECOND).await;
        node.crash();
        assert!(task.await.unwrap_err().is_cancelled());
        let mut dropped = log.take();
        dropped.sort_unstable();
        assert_eq!(dropped, ["in the set", "outside"]);
    });
}

/// A crash is not a panic, so `catch_unwind` does not observe it.
#[test]
fn a_crash_cannot_be_caught() {
    under_seeds(|| async {
        let node = bare("db-1");
        let task = node.spawn(
            std::panic::AssertUnwindSafe(async {
                Node::current().crash();
                yield_now().await;
                panic!("unreachable");
            })
            .catch_unwind(),
        );
        assert!(task.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn changing_nodes_at_the_end_of_a_run_does_nothing() {
    timeloop::run(0, || async {
        let node = World::current().node("db-1").start(pending::<()>);
        let paused = bare("db-2");
        for host in [&node, &paused] {
            let (node, paused) = (node.clone(), paused.clone());
            on_task_drop(host, move || {
                node.crash();
                node.restart();
                paused.resume();
                paused.pause();
                node.clock().jump_ahead(SECOND);
                let _ = node.is_up();
                drop(node.spawn(async { unreachable!("the run is over") }));
                World::current().node("late").start(pending::<()>);
            });
        }
        sleep(SECOND).await;
        paused.pause();
    })
    .unwrap_err();
}

#[test]
fn several_tasks_may_shut_down_one_node() {
    under_seeds(|| async {
        let node = World::current().node("db-1").start(|| async {
            timeloop::world::shutdown_requested().await;
            sleep(SECOND).await;
        });
        let asks: Vec<_> = (0..5)
            .map(|number| {
                let node = node.clone();
                spawn(async move {
                    sleep(SECOND * number / 10).await;
                    node.shutdown().await
                })
            })
            .collect();
        for ask in asks {
            assert_eq!(ask.await.unwrap(), Shutdown::Graceful);
        }
        assert_eq!(node.incarnation(), 1);
    });
}

/// There are as many watchers as polls; each is woken exactly once.
#[test]
fn many_tasks_may_wait_for_one_node() {
    under_seeds(|| async {
        let node = World::current().node("db-1").start(pending::<()>);
        let down = Rc::new(Cell::new(0));
        let waits: Vec<_> = (0..100)
            .map(|_| {
                let (node, down) = (node.clone(), Rc::clone(&down));
                spawn(async move {
                    node.until_down().await;
                    down.set(down.get() + 1);
                })
            })
            .collect();
        sleep(SECOND).await;
        node.pause();
        node.resume();
        sleep(SECOND).await;
        assert_eq!(down.get(), 0);
        node.crash();
        for wait in waits {
            wait.await.unwrap();
        }
        assert_eq!(down.get(), 100);
    });
}
