//! Restarts of nodes.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;

use timeloop::rng;
use timeloop::spawn;
use timeloop::task::yield_now;
use timeloop::time::{Duration, sleep};
use timeloop::world::{Node, World};

use super::{bare, logging, under_seeds};
use crate::support::Log;

/// Starts a node that logs the start and the drop of each incarnation.
fn logged(log: &Log<String>) -> Node {
    let log = log.clone();
    let mut starts = 0;
    World::current().node("db-1").start(move || {
        starts += 1;
        let (log, number) = (log.clone(), starts);
        async move {
            log.push(format!("start {number}"));
            let _guard = log.on_drop(format!("end {number}"));
            pending::<()>().await;
        }
    })
}

#[test]
fn the_closure_runs_once_for_each_incarnation() {
    under_seeds(|| async {
        let log = Log::new();
        let node = logged(&log);
        assert_eq!(node.incarnation(), 1);
        yield_now().await;
        sleep(Duration::from_secs(1)).await;
        node.crash();
        assert_eq!(log.take(), ["start 1", "end 1"]);
        sleep(Duration::from_secs(1)).await;
        assert_eq!((node.is_up(), node.incarnation()), (false, 1));
        node.restart();
        assert_eq!((node.is_up(), node.incarnation()), (true, 2));
        sleep(Duration::from_secs(1)).await;
        assert_eq!(log.take(), ["start 2"]);
    });
}

#[test]
fn restarting_a_running_node_crashes_it_first() {
    under_seeds(|| async {
        let log = Log::new();
        let node = logged(&log);
        sleep(Duration::from_secs(1)).await;
        node.restart();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(log.take(), ["start 1", "end 1", "start 2"]);
        // Restarts twice, so that the closure does not run in between.
        node.restart();
        node.restart();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(log.take(), ["end 2", "start 3"]);
        assert_eq!(node.incarnation(), 4);
    });
}

#[test]
fn a_paused_node_can_be_restarted() {
    under_seeds(|| async {
        let log = Log::new();
        let node = logged(&log);
        sleep(Duration::from_secs(1)).await;
        node.pause();
        node.restart();
        assert!(node.is_up() && !node.is_paused());
        sleep(Duration::from_secs(1)).await;
        assert_eq!(log.take(), ["start 1", "end 1", "start 2"]);
    });
}

#[test]
fn a_node_without_a_closure_restarts_without_tasks() {
    under_seeds(|| async {
        let node = bare("db-1");
        let task = node.spawn(pending::<()>());
        node.restart();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(node.spawn(async { Node::current().incarnation() }).await.unwrap(), 2);
    });
}

#[test]
fn a_task_may_restart_its_own_node() {
    under_seeds(|| async {
        let (node, log) = logging(|log| async move {
            let node = Node::current();
            let number = node.incarnation();
            let _guard = log.on_drop((number, "end"));
            log.push((number, "start"));
            spawn(pending::<()>());
            if number < 3 {
                node.restart();
                log.push((number, "continues"));
                spawn(async { panic!("this task is polled") });
            }
            pending::<()>().await;
        });
        sleep(Duration::from_secs(1)).await;
        let mut expected = vec![(1, "start"), (1, "continues"), (1, "end")];
        expected.extend([(2, "start"), (2, "continues"), (2, "end"), (3, "start")]);
        assert_eq!(log.take(), expected);
        assert_eq!(node.incarnation(), 3);
    });
}

/// The restart happens while the closure runs.
#[test]
fn the_closure_itself_may_restart_the_node() {
    under_seeds(|| async {
        let starts = Rc::new(Cell::new(0));
        let count = Rc::clone(&starts);
        let node = World::current().node("db-1").start(move || {
            count.set(count.get() + 1);
            if count.get() < 4 {
                Node::current().restart();
            }
            pending::<()>()
        });
        sleep(Duration::from_secs(1)).await;
        assert_eq!((starts.get(), node.incarnation()), (4, 4));
    });
}

#[test]
fn random_numbers_after_a_restart_are_new_and_deterministic() {
    let drawn = |seed: u64| {
        timeloop::run(seed, || async {
            let (node, log) = logging(|log| async move { log.push(rand::Rng::next_u64(&mut rng())) });
            for _ in 0..4 {
                sleep(Duration::from_secs(1)).await;
                node.restart();
            }
            log.take()
        })
        .unwrap()
    };
    let numbers = drawn(3);
    assert_eq!(numbers.len(), 4);
    assert!((1..4).all(|index| !numbers[..index].contains(&numbers[index])), "{numbers:?}");
    assert_eq!(drawn(3), numbers);
    assert_ne!(drawn(4), numbers);
}

#[test]
fn the_next_incarnation_gets_values_from_the_test() {
    under_seeds(|| async {
        let disk = Rc::new(Cell::new(0));
        let kept = Rc::clone(&disk);
        let node = World::current().node("db-1").start(move || {
            let disk = Rc::clone(&kept);
            async move {
                let mut memory = disk.get();
                loop {
                    sleep(Duration::from_secs(1)).await;
                    memory += 1;
                    if memory % 2 == 0 {
                        disk.set(memory);
                    }
                }
            }
        });
        sleep(Duration::from_millis(3_500)).await;
        node.restart();
        sleep(Duration::from_millis(2_500)).await;
        assert_eq!(disk.get(), 4);
    });
}
