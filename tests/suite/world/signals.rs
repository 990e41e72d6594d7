//! Signals, and the futures that wait for them.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;

use timeloop::signal::ctrl_c;
use timeloop::signal::unix::{Signal, SignalKind, signal};
use timeloop::task::yield_now;
use timeloop::time::{Duration, sleep, timeout};
use timeloop::world::{Node, World};
use timeloop::{Explorer, StrategySpec, spawn};

use super::{bare, under_seeds};
use crate::support::{by_name, explorer};

const SECOND: Duration = Duration::from_secs(1);

/// Waits for a signal for a second.
async fn comes(signal: &mut Signal) -> bool {
    timeout(SECOND, signal.recv()).await == Ok(Some(()))
}

#[test]
fn only_the_node_that_is_signaled_receives_the_signal() {
    under_seeds(|| async {
        let nodes = ["a", "b"].map(|name| {
            let received = Rc::new(Cell::new(0));
            let counter = Rc::clone(&received);
            let node = World::current().node(name).start(move || {
                let counter = Rc::clone(&counter);
                async move {
                    let mut terminations = signal(SignalKind::terminate()).unwrap();
                    while let Some(()) = terminations.recv().await {
                        counter.set(counter.get() + 1);
                    }
                }
            });
            (node, received)
        });
        sleep(SECOND).await;
        nodes[0].0.signal(SignalKind::terminate());
        sleep(SECOND).await;
        assert_eq!((nodes[0].1.get(), nodes[1].1.get()), (1, 0));
        assert!(nodes[0].0.is_up() && nodes[1].0.is_up());
    });
}

#[test]
fn signals_that_nobody_has_received_yet_count_as_one() {
    under_seeds(|| async {
        let node = Node::current();
        let mut hangups = signal(SignalKind::hangup()).unwrap();
        let mut others = signal(SignalKind::user_defined1()).unwrap();
        node.signal(SignalKind::hangup());
        node.signal(SignalKind::hangup());
        let mut late = signal(SignalKind::hangup()).unwrap();
        assert!(comes(&mut hangups).await);
        assert!(!comes(&mut hangups).await, "both were one");
        assert!(!comes(&mut late).await, "the stream was made afterwards");
        assert!(!comes(&mut others).await, "it is of another kind");
        node.signal(SignalKind::hangup());
        assert!(comes(&mut hangups).await && comes(&mut late).await, "every stream receives it");
    });
}

#[test]
fn all_that_wait_for_ctrl_c_are_woken() {
    under_seeds(|| async {
        let tasks = [(); 3].map(|()| spawn(ctrl_c()));
        sleep(SECOND).await;
        Node::current().ctrl_c();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert!(timeout(SECOND, ctrl_c()).await.is_err(), "it was raised before");
        Node::current().ctrl_c(); // still handled
    });
}

#[test]
fn a_signal_that_is_not_handled_has_its_default_action() {
    under_seeds(|| async {
        for kind in [
            SignalKind::terminate(),
            SignalKind::interrupt(),
            SignalKind::from_raw(9),
            SignalKind::from_raw(34),
        ] {
            let node = bare(&format!("n{}", kind.as_raw_value()));
            let task = node.spawn(pending::<()>());
            node.signal(kind);
            assert!(!node.is_up(), "{kind:?}");
            assert!(task.await.unwrap_err().is_cancelled());
            node.signal(kind); // has no effect
        }
        let node = bare("other");
        for kind in [SignalKind::child(), SignalKind::window_change(), SignalKind::from_raw(23)] {
            node.signal(kind);
            assert!(node.is_up() && !node.is_paused(), "{kind:?}");
        }
        for number in [19, 20, 21, 22] {
            node.signal(SignalKind::from_raw(number));
            assert!(node.is_paused(), "{number}");
            node.signal(SignalKind::from_raw(18));
            assert!(node.is_up() && !node.is_paused(), "{number}");
        }
    });
}

#[test]
fn a_node_handles_a_signal_until_it_goes_down() {
    under_seeds(|| async {
        let node = World::current().node("db-1").start(|| async {
            drop(signal(SignalKind::terminate()).unwrap());
            pending::<()>().await;
        });
        sleep(SECOND).await;
        node.signal(SignalKind::terminate());
        assert!(node.is_up(), "handled, though the stream is gone");
        node.restart();
        node.signal(SignalKind::terminate());
        assert!(!node.is_up(), "the new process has not begun to handle it");
    });
}

#[test]
fn a_paused_node_receives_the_signal_when_it_is_resumed() {
    under_seeds(|| async {
        let node = bare("db-1");
        let task = node.spawn(async { ctrl_c().await.unwrap() });
        sleep(SECOND).await;
        node.pause();
        node.ctrl_c();
        sleep(SECOND).await;
        assert!(!task.is_finished());
        node.resume();
        task.await.unwrap();
    });
}

#[test]
fn signals_that_tokio_refuses_are_refused() {
    under_seeds(|| async {
        for number in [4, 8, 9, 11, 19, 0, -1, 65, i32::MAX] {
            let ours = signal(SignalKind::from_raw(number)).unwrap_err();
            assert_eq!(ours.kind(), std::io::ErrorKind::Other, "{number}: {ours}");
        }
    });
}

#[test]
#[should_panic(expected = "no task of the test's own node handles signal 15")]
fn a_signal_does_not_end_the_test() {
    let _ = timeloop::run(0, || async { Node::current().signal(SignalKind::terminate()) })
        .map_err(|failure| panic!("{failure}"));
}

#[test]
#[should_panic(expected = "there is no signal 0; numbers are from 1 to 64")]
fn there_is_no_signal_0() {
    let _ = timeloop::run(0, || async { Node::current().signal(SignalKind::from_raw(0)) })
        .map_err(|failure| panic!("{failure}"));
}

#[test]
fn an_exhaustive_search_tries_a_signal_before_and_after_it_is_handled() {
    let exploration = Explorer::new("signals::races")
        .strategy(StrategySpec::Exhaustive { bound: timeloop::Bound::None })
        .silent()
        .without_regressions()
        .without_environment()
        .run(|| async {
            // The test's node handles it from the start, so it is never fatal.
            let _first = signal(SignalKind::hangup()).unwrap();
            let late = spawn(async {
                let mut hangups = signal(SignalKind::hangup()).unwrap();
                assert!(timeout(SECOND, hangups.recv()).await.is_ok(), "it came too early");
            });
            yield_now().await;
            Node::current().signal(SignalKind::hangup());
            late.await.unwrap();
        });
    assert!(!exploration.passed(), "some order raises the signal first");
}

#[test]
fn reports_name_the_signal() {
    let exploration = explorer("signals::tests::report").run(|| async {
        let node = bare("db-1");
        let task = node.spawn(async {
            signal(SignalKind::terminate()).unwrap().recv().await; // @wait
            panic!("terminated"); // @panic
        });
        sleep(SECOND).await;
        node.signal(SignalKind::terminate());
        task.await.unwrap();
    });
    let report = by_name!(exploration.report());
    assert!(report.contains("node db-1 gets SIGTERM"), "{report}");

    let exploration = explorer("signals::tests::deadlock").run(|| async { ctrl_c().await.unwrap() });
    let report = by_name!(exploration.report());
    assert!(report.contains("waits for SIGINT to its"), "{report}");
}
