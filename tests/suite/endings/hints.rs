//! Hints in failures: common mistakes of new users, and what to do about them.

use std::sync::OnceLock;
use std::time::Duration;

use timeloop::sync::{mpsc, oneshot};
use timeloop::time::sleep;
use timeloop::{FailureKind, Note, run, spawn};

use crate::support::{child, explorer, is_child};

/// A pool in a static outlives the run whose task serves it.
#[test]
fn state_left_in_a_static_is_reported_as_such() {
    static POOL: OnceLock<mpsc::Sender<u32>> = OnceLock::new();

    let exploration = explorer("hints::pool").run(|| async {
        let pool = POOL.get_or_init(|| {
            let (pool, mut requests) = mpsc::channel(4);
            spawn(async move { while requests.recv().await.is_some() {} });
            pool
        });
        pool.send(1).await.unwrap();
        sleep(Duration::from_millis(1)).await;
    });
    let failure = exploration.found.expect("the second run finds the first one's pool").failure;
    assert_eq!(failure.kind, FailureKind::Nondeterminism);
    let message = failure.message();
    let first_line = message.lines().next().unwrap();
    assert_eq!(
        first_line,
        "the baseline run passed as the first run of the process, but took other steps in 20 later runs."
    );
    let last_line = message.lines().last().unwrap();
    assert_eq!(
        last_line,
        "A run probably leaves state behind for the next one: in a `static`, a `OnceLock`, a thread-local, or a global client or pool."
    );
}

/// A run does not wait for threads, but the deadlock reports a wake from one. The loop looks for such a wake for a tenth
/// of a second of real time, so on a busy machine the wake can be too late: another run tries again.
#[test]
#[expect(clippy::disallowed_methods, reason = "a real thread is what this is about")]
fn a_deadlock_reports_a_wake_from_a_real_thread() {
    let deadlock = || {
        run(0, || async {
            let (answer, answered) = oneshot::channel();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(20));
                let _ = answer.send(());
            });
            answered.await.unwrap();
        })
    };
    let mut failures = (0..100).filter_map(|_| deadlock().err());
    let failure = failures.find(|failure| !failure.notes.is_empty()).expect("one of 100 wakes is in time");
    assert_eq!(failure.kind, FailureKind::Deadlock);
    assert_eq!(*failure.notes, [Note::WokenByThread], "{failure}");
    assert!(
        failure.to_string().contains("\n  a real thread woke a task shortly after the run had ended."),
        "{failure}"
    );
}

#[test]
fn a_call_of_tokios_runtime_is_explained() {
    let failure = run(0, || async {
        spawn(async { tokio::time::sleep(Duration::from_secs(1)).await }).await.unwrap();
    })
    .unwrap_err();
    assert_eq!(failure.notes.last(), Some(&Note::TokioRuntime));
    let note = "\n  the code called tokio's own runtime, which does not exist inside a run.";
    assert!(failure.to_string().contains(note), "{failure}");
}

/// Many tasks that are each polled a few times at one instant are not a livelock.
#[test]
fn many_tasks_at_one_instant_are_not_a_livelock() {
    let exploration = explorer("hints::breadth").runs(2).max_polls_per_instant(1_000).run(|| async {
        let tasks: Vec<_> = (0..1_500).map(|_| spawn(sleep(Duration::from_secs(1)))).collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert!(exploration.passed(), "{}", exploration.report());
}

/// A panic in a destructor during another panic aborts the process. The first panic is printed before.
#[test]
fn a_panic_during_a_panic_is_not_lost() {
    let ended = child("endings::hints::panics_twice", &[]);
    assert_eq!(ended.code, None, "the process is aborted: {ended:?}");
    for part in [
        "timeloop: a second panic at tests/suite/endings/hints.rs:",
        ", while the first one unwinds, aborts the process: the second\n",
        "  test     suite::endings::hints::panics_twice\n",
        "  replay   TIMELOOP_REPLAY=TL1",
    ] {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
}

#[test]
fn panics_twice() {
    struct Second;
    impl Drop for Second {
        fn drop(&mut self) {
            panic!("the second");
        }
    }
    if is_child() {
        timeloop::Explorer::new(concat!(module_path!(), "::panics_twice")).check(|| async {
            let _second = Second;
            if is_child() {
                panic!("the first");
            }
        });
    }
}
