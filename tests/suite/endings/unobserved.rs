//! Unobserved panics: the run fails once no task can observe the panic any more.

use timeloop::task::{self, JoinSet, yield_now};
use timeloop::time::{Duration, sleep};
use timeloop::{Failure, FailureKind, run};

use crate::support::by_name;

fn unobserved(failure: &Failure) -> String {
    assert_eq!(failure.kind, FailureKind::UnobservedPanic, "{failure}");
    by_name!(failure)
}

async fn audit() {
    yield_now().await;
    panic!("the books don't add up"); // @books
}

#[test]
fn of_a_task_that_is_detached() {
    let failure = run(1, || async {
        drop(task::spawn(audit())); // @spawn 1
        sleep(Duration::from_secs(1)).await;
        unreachable!("the run ends at once");
    });
    assert_eq!(
        unobserved(&failure.unwrap_err()),
        "unobserved panic in `audit` (root.1) at <books>:5 after 0 s: the books don't add up"
    );
}

#[test]
fn of_a_task_whose_handle_is_dropped_later() {
    let failure = run(1, || async {
        let task = task::spawn(audit()); // @spawn 2
        sleep(Duration::from_secs(1)).await;
        assert!(task.is_finished());
        drop(task);
        sleep(Duration::from_secs(1)).await;
        unreachable!("the run ends at once");
    });
    assert_eq!(
        unobserved(&failure.unwrap_err()),
        "unobserved panic in `audit` (root.1) at <books>:5 after 1 s: the books don't add up"
    );
}

#[test]
fn of_a_task_whose_handle_is_held_to_the_end() {
    let failure = run(1, || async {
        let task = task::spawn(audit()); // @spawn 3
        sleep(Duration::from_secs(1)).await;
        assert!(task.is_finished());
    });
    assert_eq!(
        unobserved(&failure.unwrap_err()),
        "unobserved panic in `audit` (root.1) at <books>:5 after 1 s: the books don't add up"
    );
}

/// The handle outlives its run.
#[test]
fn of_a_task_whose_handle_leaves_the_run() {
    let failure = run(1, || async {
        let task = task::spawn(audit()); // @spawn 4
        sleep(Duration::from_secs(1)).await;
        Some(task)
    });
    assert_eq!(
        unobserved(&failure.unwrap_err()),
        "unobserved panic in `audit` (root.1) at <books>:5 after 1 s: the books don't add up"
    );
}

#[test]
fn of_a_task_in_a_join_set() {
    let dropped = run(1, || async {
        let mut set = JoinSet::new();
        set.spawn(audit()); // @spawn 5
        sleep(Duration::from_secs(1)).await;
        drop(set);
        sleep(Duration::from_secs(1)).await;
    });
    assert_eq!(
        unobserved(&dropped.unwrap_err()),
        "unobserved panic in `audit` (root.1) at <books>:5 after 1 s: the books don't add up"
    );
    let looked_at = run(1, || async {
        let mut set = JoinSet::new();
        set.spawn(audit());
        assert!(set.join_next().await.unwrap().unwrap_err().is_panic());
    });
    looked_at.unwrap();
}

#[test]
fn of_a_task_without_a_name() {
    let failure = run(1, || async {
        task::spawn(async { panic!("nameless") }); // @nameless
        sleep(Duration::from_secs(1)).await;
    });
    assert_eq!(
        unobserved(&failure.unwrap_err()),
        "unobserved panic in `root.1` at <nameless>:29 after 0 s: nameless"
    );
}

#[test]
fn of_a_grandchild() {
    let failure = run(1, || async {
        let outer = task::spawn(async {
            task::Builder::new().name("inner").spawn(audit()).unwrap(); // @inner
            std::future::pending::<()>().await;
        });
        outer.await.unwrap();
    });
    assert_eq!(
        unobserved(&failure.unwrap_err()),
        "unobserved panic in `inner` (root.1.1) at <books>:5 after 0 s: the books don't add up"
    );
}

/// The root's own panic is reported first, since it is a consequence of the task's.
#[test]
fn beside_the_roots_own() {
    let failure = run(1, || async {
        let _task = task::spawn(audit());
        sleep(Duration::from_secs(1)).await;
        panic!("no balance"); // @root
    });
    assert_eq!(
        by_name!(failure.unwrap_err()),
        "\
panic in `root` at <root>:9 after 1 s: no balance
  earlier, `audit` (root.1) panicked at <books>:5: the books don't add up"
    );
}

#[test]
fn in_a_report() {
    let exploration = crate::support::explorer("bank::audits").runs(10).run(|| async {
        drop(task::spawn(audit())); // @spawn in a report
        sleep(Duration::from_secs(1)).await;
    });
    assert_eq!(
        by_name!(exploration.report()),
        "\
timeloop: `bank::audits` failed in # of # schedules: unobserved panic at <books>:5

  the books don't add up
  (in task `audit` (root.1), spawned at <spawn in a report>:14, after 3 steps, at virtual
  time 0 s)

Every schedule that was tried fails: all #, and # variants of this one

Failing schedule: FIFO order

Steps
    step  time  task            ran from → to
       1   0 s  root            start → tests/suite/endings/unobserved.rs:143
       2   0 s  audit (root.1)  start → :15
       3   0 s  audit (root.1)  :15 → panic

found by   the baseline run (FIFO order)
replay     TIMELOOP_REPLAY=TL1# cargo test audits -- --exact
"
    );
}
