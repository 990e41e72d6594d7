//! Escapes: a real thread affected the run.

use std::task::{Poll, Waker};

use timeloop::time::{Duration, sleep};
use timeloop::{FailureKind, run, task};

use crate::support::by_name;

/// Returns this task's waker.
async fn waker() -> Waker {
    std::future::poll_fn(|cx| Poll::Ready(cx.waker().clone())).await
}

#[expect(clippy::disallowed_methods, reason = "the mistake that is tested")]
fn thread(f: impl FnOnce() + Send + 'static) -> std::thread::JoinHandle<()> {
    std::thread::spawn(f)
}

/// Asks a real thread for work, and waits for it as a task does.
async fn ask_a_thread() {
    let waker = waker().await;
    // Joined at once, so that the thread wakes the task in time in every run.
    thread(move || waker.wake()).join().unwrap();
    sleep(Duration::from_secs(1)).await;
}

#[test]
fn by_a_thread_that_wakes_the_root() {
    let failure = run(1, ask_a_thread).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Escape);
    assert_eq!(
        by_name!(failure),
        "escape in `root` after 0 s: a real thread woke a task of the run, at a time that is not reproducible. Replace the thread by `timeloop::task::spawn_blocking`, and do not start another runtime."
    );
}

#[test]
fn by_a_thread_that_wakes_a_task() {
    let failure = run(1, || async {
        let task = task::spawn(ask_a_thread()); // @asker
        task.await.unwrap();
    });
    assert_eq!(
        by_name!(failure.unwrap_err()),
        "escape in `ask_a_thread` (root.1) after 0 s: a real thread woke a task of the run, at a time that is not reproducible. Replace the thread by `timeloop::task::spawn_blocking`, and do not start another runtime."
    );
}

/// The thread wakes a task that has ended, or wakes after the root has ended.
#[test]
fn too_late_for_its_task() {
    let failure = run(1, || async {
        let waker = task::spawn(waker()).await.unwrap();
        thread(move || waker.wake()).join().unwrap();
    });
    assert_eq!(
        by_name!(failure.unwrap_err()),
        "escape after 0 s: a real thread woke a task of the run, at a time that is not reproducible. Replace the thread by `timeloop::task::spawn_blocking`, and do not start another runtime."
    );
}

#[test]
fn a_wake_after_the_run_is_ignored() {
    let waker = run(1, waker).unwrap();
    thread(move || waker.wake()).join().unwrap();
    run(1, || async { sleep(Duration::from_secs(1)).await }).unwrap();
}

#[test]
fn in_a_report() {
    let exploration = crate::support::explorer("threads::answer").runs(3).run(|| async {
        let task = task::spawn(ask_a_thread()); // @spawn
        task.await.unwrap(); // @await
    });
    assert_eq!(
        by_name!(exploration.report()),
        "\
timeloop: `threads::answer` failed in # of # schedules: escape

  a real thread woke a task of the run, at a time that is not reproducible. Replace the thread by
  `timeloop::task::spawn_blocking`, and do not start another runtime.
  (in task `ask_a_thread` (root.1), spawned at <spawn>:20, after 2 steps, at virtual
  time 0 s)

The schedule was not shrunk: something outside of the simulation takes part in the run, so the next run may
take other steps.

Failing schedule: FIFO order

Steps (? unknown place)
    step  time  task                   ran from → to
       1   0 s  root                   start → ?
       2   0 s  ask_a_thread (root.1)  start → ?

found by   the baseline run (FIFO order)
replay     TIMELOOP_REPLAY=TL1# cargo test answer -- --exact
"
    );
}
