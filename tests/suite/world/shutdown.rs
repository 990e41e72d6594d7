//! Shutdown of nodes.

use std::future::pending;

use timeloop::spawn;
use timeloop::task::yield_now;
use timeloop::time::{Duration, Instant, sleep, timeout};
use timeloop::world::{Node, Shutdown, World, shutdown_requested};

use super::{bare, logging, under_seeds};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_node_is_down_when_its_first_task_ends() {
    under_seeds(|| async {
        let (node, log) = logging(|log| async move {
            let guard = log.on_drop("other task dropped");
            spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            });
            shutdown_requested().await;
            log.push("asked");
            sleep(SECOND).await;
            log.push("done");
        });
        sleep(SECOND).await;
        assert!(!node.is_shutting_down());
        let start = Instant::now();
        let other = node.clone();
        let watch = spawn(async move {
            sleep(SECOND / 2).await;
            other.is_shutting_down()
        });
        assert_eq!(node.shutdown().await, Shutdown::Graceful);
        assert_eq!(start.elapsed(), SECOND);
        assert_eq!(log.take(), ["asked", "done", "other task dropped"]);
        assert!(watch.await.unwrap());
        assert!(!node.is_up() && !node.is_shutting_down());
    });
}

#[test]
fn every_task_may_await_the_request() {
    under_seeds(|| async {
        let node = bare("db-1");
        let tasks = [1, 2, 3].map(|seconds| {
            node.spawn(async move {
                shutdown_requested().await;
                shutdown_requested().await; // ready again
                sleep(SECOND * seconds).await;
                seconds
            })
        });
        yield_now().await;
        let start = Instant::now();
        assert_eq!(node.shutdown().await, Shutdown::Graceful);
        assert_eq!(start.elapsed(), SECOND * 3, "without a first task, all tasks count");
        for (task, seconds) in tasks.into_iter().zip(1..) {
            assert_eq!(task.await.unwrap(), seconds);
        }
    });
}

#[test]
fn a_node_that_does_not_end_in_time_crashes() {
    under_seeds(|| async {
        let (node, log) = logging(|log| async move {
            let _guard = log.on_drop("dropped");
            shutdown_requested().await;
            log.push("asked");
            pending::<()>().await;
        });
        let start = Instant::now();
        assert_eq!(node.shutdown_within(SECOND * 3).await, Shutdown::Forced);
        assert_eq!(start.elapsed(), SECOND * 3);
        assert_eq!(log.take(), ["asked", "dropped"]);
        // The node is already down.
        assert_eq!(node.shutdown().await, Shutdown::Graceful);
        assert_eq!(start.elapsed(), SECOND * 3);
    });
}

#[test]
fn a_restart_clears_the_request() {
    under_seeds(|| async {
        let (node, log) = logging(|log| async move {
            shutdown_requested().await;
            log.push(Node::current().incarnation());
        });
        assert_eq!(node.shutdown().await, Shutdown::Graceful);
        node.restart();
        sleep(SECOND).await;
        assert_eq!(log.take(), [1]);
        assert!(node.is_up() && !node.is_shutting_down());
        assert_eq!(node.shutdown().await, Shutdown::Graceful);
        assert_eq!(log.take(), [2]);
    });
}

#[test]
fn a_shutdown_ends_when_the_node_crashes_or_restarts() {
    under_seeds(|| async {
        let node = World::current().node("db-1").start(pending::<()>);
        let other = node.clone();
        spawn(async move {
            sleep(SECOND).await;
            other.restart();
        });
        let start = Instant::now();
        assert_eq!(node.shutdown().await, Shutdown::Graceful);
        assert_eq!(start.elapsed(), SECOND);
        assert_eq!((node.is_up(), node.incarnation()), (true, 2));
    });
}

#[test]
fn a_paused_node_does_not_observe_the_request() {
    under_seeds(|| async {
        let node = World::current().node("db-1").start(shutdown_requested);
        sleep(SECOND).await;
        node.pause();
        assert_eq!(node.shutdown_within(SECOND).await, Shutdown::Forced);
    });
}

#[test]
fn a_cancelled_shutdown_lets_the_node_finish() {
    under_seeds(|| async {
        let node = World::current().node("db-1").start(|| async {
            shutdown_requested().await;
            sleep(SECOND * 60).await;
        });
        assert!(timeout(SECOND, node.shutdown()).await.is_err());
        assert!(node.is_up() && node.is_shutting_down());
        // A second request does not restart the shutdown.
        let start = Instant::now();
        assert_eq!(node.shutdown_within(SECOND * 60).await, Shutdown::Graceful);
        assert_eq!(start.elapsed(), SECOND * 59);
    });
}

#[test]
fn a_node_may_shut_itself_down() {
    under_seeds(|| async {
        let node = World::current().node("db-1").start(|| async {
            spawn(async {
                sleep(SECOND).await;
                Node::current().shutdown().await;
                unreachable!("the task is dropped with its node");
            });
            shutdown_requested().await;
        });
        let start = Instant::now();
        node.until_down().await;
        assert_eq!(start.elapsed(), SECOND);
    });
}

#[test]
fn the_node_of_the_test_cannot_shut_down() {
    timeloop::run(0, || async {
        assert!(timeout(SECOND, shutdown_requested()).await.is_err());
    })
    .unwrap();
}
