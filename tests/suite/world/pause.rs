//! Pauses of nodes: tasks are not polled, and nothing is lost.

use std::future::pending;

use timeloop::task::yield_now;
use timeloop::time::{Duration, Instant, interval, sleep};
use timeloop::world::{Node, World};
use timeloop::{FailureKind, spawn};

use super::{bare, under_seeds};
use crate::support::Log;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn due_timers_fire_after_the_resume() {
    under_seeds(|| async {
        let node = bare("db-1");
        let log = Log::new();
        let start = Instant::now();
        for seconds in [1, 2, 10] {
            let log = log.clone();
            node.spawn(async move {
                sleep(SECOND * seconds).await;
                log.push((seconds, start.elapsed().as_secs()));
            });
        }
        sleep(SECOND / 2).await;
        node.pause();
        assert!(node.is_paused() && node.is_up());
        sleep(SECOND * 5).await;
        assert_eq!(log.take(), []);
        node.resume();
        assert!(!node.is_paused());
        sleep(SECOND * 10).await;
        let mut fired = log.take();
        fired[..2].sort_unstable();
        assert_eq!(fired, [(1, 5), (2, 5), (10, 10)]);
    });
}

#[test]
fn wake_ups_during_a_pause_are_kept() {
    under_seeds(|| async {
        let node = bare("db-1");
        let (send, receive) = futures_channel::oneshot::channel::<u32>();
        let task = node.spawn(async { receive.await.unwrap() });
        sleep(SECOND).await;
        node.pause();
        send.send(7).unwrap();
        sleep(SECOND).await;
        assert!(!task.is_finished());
        node.resume();
        assert_eq!(task.await.unwrap(), 7);
    });
}

#[test]
fn a_task_spawned_on_a_paused_node_waits() {
    under_seeds(|| async {
        let node = bare("db-1");
        node.pause();
        let log = Log::new();
        let inner = log.clone();
        let task = node.spawn(async move {
            inner.push("runs");
            spawn(async { 7 }).await.unwrap()
        });
        sleep(SECOND).await;
        assert_eq!(log.take(), [""; 0]);
        node.resume();
        assert_eq!(task.await.unwrap(), 7);
    });
}

#[test]
fn a_ready_task_is_not_polled_during_a_pause() {
    under_seeds(|| async {
        let node = bare("db-1");
        let log = Log::new();
        let inner = log.clone();
        node.spawn(async move {
            loop {
                inner.push(());
                yield_now().await;
            }
        });
        for _ in 0..10 {
            yield_now().await;
        }
        node.pause();
        log.take();
        sleep(SECOND).await;
        assert_eq!(log.take().len(), 0);
        node.resume();
        for _ in 0..100 {
            yield_now().await;
        }
        assert!(log.take().len() > 1);
        node.crash();
    });
}

#[test]
fn pausing_twice_pauses_once() {
    under_seeds(|| async {
        let node = bare("db-1");
        node.resume();
        let mut ticks = 0;
        let task = node.spawn(async {
            let mut ticks = interval(SECOND);
            for _ in 0..3 {
                ticks.tick().await;
            }
        });
        yield_now().await;
        while !task.is_finished() {
            node.pause();
            node.pause();
            sleep(SECOND).await;
            node.resume();
            node.resume();
            sleep(SECOND / 10).await;
            ticks += 1;
        }
        assert!((2..5).contains(&ticks), "{ticks}");
    });
}

#[test]
fn a_paused_node_can_crash() {
    under_seeds(|| async {
        let node = bare("db-1");
        let log = Log::new();
        let guard = log.on_drop("dropped");
        let ready = node.spawn(async move {
            let _guard = guard;
            loop {
                yield_now().await;
            }
        });
        let waits = node.spawn(pending::<()>());
        yield_now().await;
        node.pause();
        sleep(SECOND).await;
        node.crash();
        assert_eq!(log.take(), ["dropped"]);
        let ready: timeloop::task::JoinHandle<()> = ready;
        assert!(ready.await.unwrap_err().is_cancelled());
        assert!(waits.await.unwrap_err().is_cancelled());
        assert!(!node.is_paused());
    });
}

/// Destructors do not run during a pause.
#[test]
fn an_abort_takes_effect_after_the_resume() {
    under_seeds(|| async {
        let node = bare("db-1");
        let log = Log::new();
        let guard = log.on_drop("dropped");
        let task = node.spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        });
        yield_now().await;
        node.pause();
        task.abort();
        sleep(SECOND).await;
        assert_eq!(log.take(), [""; 0]);
        node.resume();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(log.take(), ["dropped"]);
    });
}

#[test]
fn a_task_that_pauses_its_own_node_continues_to_its_next_await() {
    under_seeds(|| async {
        let node = bare("db-1");
        let log = Log::new();
        let inner = log.clone();
        let task = node.spawn(async move {
            Node::current().pause();
            inner.push("continues");
            let child = spawn(async { 7 });
            yield_now().await;
            inner.push("resumed");
            child.await.unwrap()
        });
        sleep(SECOND).await;
        assert_eq!(log.take(), ["continues"]);
        assert!(!task.is_finished());
        node.resume();
        assert_eq!(task.await.unwrap(), 7);
        assert_eq!(log.take(), ["resumed"]);
    });
}

/// A branch that was preempted because of the pause is polled again.
#[test]
fn a_select_continues_after_its_node_paused_itself() {
    under_seeds(|| async {
        let node = bare("db-1");
        let task = node.spawn(async move {
            timeloop::select! {
                biased;
                () = async {
                    Node::current().pause();
                    pending::<()>().await;
                } => 1,
                () = async {} => 2,
            }
        });
        let waker = node.clone();
        spawn(async move {
            sleep(SECOND).await;
            waker.resume();
        });
        assert_eq!(task.await.unwrap(), 2);
    });
}

#[test]
fn a_deadlock_caused_by_a_pause_is_explained() {
    let failure = timeloop::run(0, || async {
        async fn serve() {
            sleep(SECOND).await;
        }
        async fn listen() {
            pending::<()>().await;
        }
        let node = World::current().node("db-1").start(|| async {
            spawn(listen());
            serve().await;
        });
        let task = node.spawn(serve());
        yield_now().await;
        node.pause();
        task.await.unwrap();
    })
    .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Deadlock);
    assert_eq!(failure.notes[0].to_string(), "node `db-1` is paused, and nothing resumes it");
    let blocked: Vec<String> = failure.blocked.iter().map(ToString::to_string).collect();
    assert!(
        blocked.iter().any(|label| label.starts_with("`serve` on db-1 (root.2), spawned at")),
        "{blocked:#?}"
    );
    assert!(blocked.iter().any(|label| label.ends_with("for its node to be resumed")), "{blocked:#?}");
}
