//! Failures by the test's own `Err`.

use std::num::ParseIntError;

use timeloop::time::{Duration, sleep};
use timeloop::{Failure, FailureKind, task};

use crate::support::{by_name, explorer};

async fn port(text: &str) -> Result<u16, ParseIntError> {
    sleep(Duration::from_millis(5)).await;
    text.parse()
}

fn failure<F, Fut>(body: F) -> Failure
where
    F: Fn() -> Fut + Sync,
    Fut: Future,
    Fut::Output: timeloop::TestResult,
{
    let failure = explorer("errors::any").runs(3).run(body).found.expect("a failure").failure;
    assert_eq!(failure.kind, FailureKind::Error);
    failure
}

#[test]
fn returned_by_the_question_mark_operator() {
    async fn body() -> Result<(), ParseIntError> {
        assert_eq!(port("80").await?, 80);
        port("eighty").await?;
        unreachable!("the line above returns");
    }
    assert_eq!(
        by_name!(failure(body)),
        "error in `root` after 10 ms: the test returned an error: ParseIntError { kind: InvalidDigit }"
    );
}

#[test]
fn with_many_lines() {
    struct Chain;
    impl std::fmt::Debug for Chain {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("no route\n\nCaused by:\n    no cable")
        }
    }
    assert_eq!(
        by_name!(failure(|| async { Err::<(), _>(Chain) })),
        "\
error in `root` after 0 s: the test returned an error: no route

Caused by:
    no cable"
    );
}

/// The error of a panicked task also names the panic's location.
#[test]
fn of_a_task_that_panicked() {
    async fn body() -> Result<(), Box<dyn std::error::Error>> {
        let task = task::spawn(async {
            panic!("out of ports"); // @panic
        });
        task.await?;
        Ok(())
    }
    assert_eq!(
        by_name!(failure(body)),
        "\
error in `root` after 0 s: the test returned an error: JoinError::Panic(Id(2), \"out of ports\", ...)
  earlier, `root.1` panicked at <panic>:13: out of ports"
    );
}

#[test]
fn in_a_report() {
    async fn body() -> Result<(), ParseIntError> {
        port("eighty").await?; // @port
        Ok(())
    }
    assert_eq!(
        by_name!(explorer("errors::ports").runs(3).run(body).report()),
        "\
timeloop: `errors::ports` failed in # of # schedules: error

  the test returned an error: ParseIntError { kind: InvalidDigit }
  (in task `root`, after 2 steps, at virtual time 5 ms)

Every schedule that was tried fails: all #, and # variants of this one

Failing schedule: FIFO order

Steps
    step  time  task  ran from → to
       1   0 s  root  start → tests/suite/endings/error.rs:11
       2  5 ms  root  :11 → returned error

found by   the baseline run (FIFO order)
replay     TIMELOOP_REPLAY=TL1# cargo test ports -- --exact
"
    );
}
