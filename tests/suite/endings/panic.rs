//! Panics: of the root, and of tasks whose `JoinError` the root unwraps.

use timeloop::task::{self, yield_now};
use timeloop::time::{Duration, sleep};
use timeloop::{FailureKind, run};

use crate::support::by_name;

#[test]
fn of_the_root() {
    let failure = run(1, || async {
        sleep(Duration::from_millis(1500)).await;
        panic!("the till is {} short", 3); // @till
    })
    .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Panic);
    assert_eq!(by_name!(failure), "panic in `root` at <till>:9 after 1.5 s: the till is 3 short");
}

#[test]
fn before_the_first_await() {
    async fn body() {
        assert_eq!(1 + 1, 3, "arithmetic"); // @assert
    }
    let failure = run(1, body).unwrap_err();
    assert_eq!(
        by_name!(failure),
        "panic in `root` at <assert>:9 after 0 s: assertion `left == right` failed: arithmetic
  left: 2
 right: 3"
    );
}

#[test]
fn of_a_task_that_the_root_unwraps() {
    async fn withdraw() {
        yield_now().await;
        panic!("overdrawn"); // @overdrawn
    }
    let failure = run(1, || async {
        let task = task::spawn(withdraw()); // @spawn
        sleep(Duration::from_secs(1)).await;
        task.await.unwrap(); // @unwrap
    })
    .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Panic);
    assert_eq!(by_name!(failure), "\
panic in `root` at <unwrap>:20 after 1 s: called `Result::unwrap()` on an `Err` value: JoinError::Panic(Id(2), \"overdrawn\", ...)
  earlier, `withdraw` (root.1) panicked at <overdrawn>:9: overdrawn");
}

#[test]
fn of_a_task_that_the_root_unwraps_in_a_report() {
    let exploration = crate::support::explorer("bank::withdraw").runs(10).run(|| async {
        let task = task::Builder::new().name("withdraw").spawn(async {
            panic!("overdrawn"); // @named
        });
        task.unwrap().await.unwrap(); // @unwrap it
    });
    assert_eq!(
        by_name!(exploration.report()),
        "\
timeloop: `bank::withdraw` failed in # of # schedules: panic at <unwrap it>:29

  called `Result::unwrap()` on an `Err` value: JoinError::Panic(Id(2), \"overdrawn\", ...)
  earlier, `withdraw` (root.1) panicked at <named>:13: overdrawn
  (in task `root`, after 3 steps, at virtual time 0 s)

Every schedule that was tried fails: all #, and # variants of this one

Failing schedule: FIFO order

Steps
    step  time  task               ran from → to
       1   0 s  root               start → <unwrap it>
       2   0 s  withdraw (root.1)  start → panic
       3   0 s  root               <unwrap it> → panic

found by   the baseline run (FIFO order)
replay     TIMELOOP_REPLAY=TL1# cargo test withdraw -- --exact
"
    );
}

#[test]
fn resumed_from_a_task() {
    let failure = run(1, || async {
        let error = task::spawn(async {
            panic!("overdrawn"); // @inner
        });
        std::panic::resume_unwind(error.await.unwrap_err().into_panic());
    })
    .unwrap_err();
    assert_eq!(
        by_name!(failure),
        "\
panic in `root` after 0 s: overdrawn
  earlier, `root.1` panicked at <inner>:13: overdrawn"
    );
}

#[test]
fn without_a_text() {
    let failure = run(1, || async {
        std::panic::panic_any(5); // @number
    })
    .unwrap_err();
    assert_eq!(by_name!(failure), "panic in `root` at <number>:9 after 0 s: a panic without a message");
}

#[test]
fn in_a_destructor_while_the_root_is_dropped() {
    let failure = run(1, || async {
        let _guard = crate::support::on_drop(|| {
            panic!("the guard is dropped"); // @guard
        });
        sleep(Duration::from_secs(1)).await;
    })
    .unwrap_err();
    assert_eq!(by_name!(failure), "panic in `root` at <guard>:13 after 1 s: the guard is dropped");
}
