//! Node-local values.

use std::cell::{Cell, RefCell};
use std::future::pending;

use timeloop::spawn;
use timeloop::task::yield_now;
use timeloop::time::{Duration, sleep};
use timeloop::world::{Node, NodeLocal, World};

use super::{bare, under_seeds};
use crate::support::{Log, on_drop};

static COUNT: NodeLocal<Cell<u32>> = NodeLocal::new(|| Cell::new(0));
static GUARDS: NodeLocal<RefCell<Vec<Box<dyn std::any::Any>>>> = NodeLocal::new(|| RefCell::new(Vec::new()));

fn count() -> u32 {
    COUNT.with(|count| count.replace(count.get() + 1))
}

#[test]
fn each_incarnation_of_each_node_has_its_own_value() {
    under_seeds(|| async {
        let nodes = [bare("one"), bare("other")];
        for round in 0..3 {
            for node in &nodes {
                assert_eq!(
                    node.spawn(async { spawn(async { count() }).await.unwrap() }).await.unwrap(),
                    round
                );
            }
            assert_eq!(count(), round);
        }
        nodes[0].restart();
        assert_eq!(nodes[0].spawn(async { count() }).await.unwrap(), 0);
        assert_eq!(nodes[1].spawn(async { count() }).await.unwrap(), 3);
    });
}

/// Each run on this thread starts without values; otherwise the seeds of this test would interfere.
#[test]
fn values_are_dropped_after_the_tasks_newest_first() {
    under_seeds(|| async {
        static OTHERS: NodeLocal<RefCell<Vec<Box<dyn std::any::Any>>>> =
            NodeLocal::new(|| RefCell::new(Vec::new()));
        let log = Log::new();
        let node = bare("db-1");
        let keep = |log: &Log<(&'static str, String)>, name| -> Box<dyn std::any::Any> {
            let log = log.clone();
            Box::new(on_drop(move || {
                log.push((name, Node::current().name().to_owned()));
                assert!(!Node::current().is_up());
            }))
        };
        let [first, second, task] = ["first", "second", "task"].map(|name| keep(&log, name));
        node.spawn(async move {
            GUARDS.with(|guards| guards.borrow_mut().push(first));
            OTHERS.with(|guards| guards.borrow_mut().push(second));
            let _task = task;
            pending::<()>().await;
        });
        sleep(Duration::from_secs(1)).await;
        node.crash();
        let expected = ["task", "second", "first"].map(|name| (name, "db-1".to_owned()));
        assert_eq!(log.take(), expected);
    });
}

#[test]
fn destructors_of_tasks_can_access_values() {
    under_seeds(|| async {
        let node = bare("db-1");
        let log = Log::new();
        for _ in 0..2 {
            let log = log.clone();
            node.spawn(async move {
                count();
                let _guard = on_drop(move || log.push(count()));
                pending::<()>().await;
            });
        }
        sleep(Duration::from_secs(1)).await;
        node.crash();
        assert_eq!(log.take(), [2, 3]);
        node.restart();
        assert_eq!(node.spawn(async { count() }).await.unwrap(), 0);
    });
}

/// The value must not leak into the next incarnation.
#[test]
fn destructors_after_the_end_of_a_node_get_a_separate_value() {
    under_seeds(|| async {
        let log = Log::new();
        let inner = log.clone();
        let node = bare("db-1");
        node.spawn(async move {
            count();
            Node::current().restart();
            inner.push(count());
            inner.push(count());
            yield_now().await;
        });
        sleep(Duration::from_secs(1)).await;
        assert_eq!(log.take(), [0, 0]);
        assert_eq!(node.spawn(async { count() }).await.unwrap(), 0);
    });
}

#[test]
fn creating_a_value_may_access_values() {
    static OUTER: NodeLocal<u32> = NodeLocal::new(|| 1 + COUNT.with(|_| INNER.with(|inner| *inner)));
    static INNER: NodeLocal<u32> =
        NodeLocal::new(|| if count() < 3 { 1 + INNER.with(|inner| *inner) } else { 10 });
    under_seeds(|| async {
        let node = World::current().node("db-1").build();
        let task = node.spawn(async { (OUTER.with(|outer| *outer), INNER.with(|inner| *inner)) });
        assert_eq!(task.await.unwrap(), (11, 10), "the value that was created first is kept");
    });
}

#[test]
fn a_panic_in_a_destructor_fails_the_run() {
    let failure = timeloop::run(0, || async {
        let node = bare("db-1");
        node.spawn(async {
            GUARDS.with(|guards| guards.borrow_mut().push(Box::new(on_drop(|| panic!("a destructor")))));
        });
        sleep(Duration::from_secs(1)).await;
        node.crash();
        pending::<()>().await;
    })
    .unwrap_err();
    assert_eq!(failure.message(), "a destructor");
    assert_eq!(failure.task.unwrap().to_string(), "`a node-local value` on db-1 (root)");
}

#[test]
fn the_end_of_a_run_drops_the_values_of_all_nodes() {
    let log = timeloop::run(0, || async {
        let log = Log::new();
        for name in ["one", "other"] {
            let log = log.clone();
            bare(name).spawn(async move {
                let guard = on_drop(move || {
                    log.push(name);
                    spawn(async {});
                });
                GUARDS.with(|guards| guards.borrow_mut().push(Box::new(guard)));
            });
        }
        sleep(Duration::from_secs(1)).await;
        log
    })
    .unwrap();
    assert_eq!(log.take(), ["one", "other"]);
}
