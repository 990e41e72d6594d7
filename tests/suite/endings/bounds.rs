//! Limits: a run that would never end is stopped, and the report names the limit and how to raise it.

#[cfg(feature = "sync")]
use std::rc::Rc;

use timeloop::task::{self, yield_now};
use timeloop::time::{Duration, interval, sleep};
use timeloop::{Failure, FailureKind};

use crate::support::{by_name, explorer};

/// Returns the failure as the report prints it.
fn failure<F, Fut>(explorer: timeloop::Explorer, body: F) -> Failure
where
    F: Fn() -> Fut + Sync,
    Fut: Future<Output = ()>,
{
    explorer.runs(3).run(body).found.expect("a failure").failure
}

async fn spin() {
    loop {
        yield_now().await; // @spin
    }
}

#[test]
fn livelock() {
    let failure = failure(explorer("bounds::livelock").max_polls_per_instant(1_000), || async {
        sleep(Duration::from_millis(3)).await;
        let spinner = task::spawn(spin()); // @spinner
        spinner.await.unwrap(); // @await the spinner
    });
    assert_eq!(failure.kind, FailureKind::Livelock);
    assert_eq!(by_name!(failure), "\
livelock in `spin` (root.1) after 3 ms: 1,000 polls while virtual time did not advance: tasks keep waking themselves or each other. If the test needs more polls at one instant, raise `max_polls_per_instant`.
  `root` has waited at <await the spinner> since virtual time 3 ms for task `spin` (root.1) to end");
}

#[cfg(feature = "sync")]
#[test]
fn livelock_of_two_tasks_that_wake_each_other() {
    use timeloop::sync::Notify;

    async fn nudge(ours: Rc<Notify>, theirs: Rc<Notify>) {
        loop {
            theirs.notify_one();
            ours.notified().await; // @notified
        }
    }

    let exploration = explorer("bounds::nudges").max_polls_per_instant(1_000).runs(3).run(|| async {
        let (left, right) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
        let spinner = task::spawn(spin()); // @spun
        let waiter = task::spawn(async move { spinner.await.unwrap() }); // @waiter
        let task = task::spawn(nudge(Rc::clone(&left), Rc::clone(&right))); // @nudge
        nudge(right, left).await;
        task.await.unwrap();
        waiter.await.unwrap();
    });
    let found = exploration.found.expect("a livelock");
    // A task that keeps running is not blocked, although it waits when the limit is reached.
    assert_eq!(by_name!(found.failure), "\
livelock in `spin` (root.1) after 0 s: 1,000 polls while virtual time did not advance: tasks keep waking themselves or each other. If the test needs more polls at one instant, raise `max_polls_per_instant`.
  `root.2`, spawned at <waiter>:22, has waited at <waiter> since virtual time 0 s for task `spin` (root.1) to end");
    let running = found.report.split("\n\n").find_map(|part| part.strip_prefix("Running tasks\n"));
    let running = running.expect("a list of running tasks").replace("\n    ", " ");
    let running = running.lines().map(|line| {
        let (task, often) = line.split_once(" ran in ").expect("how often it ran");
        let (count, woken) = often.split_once(" of the last 500 steps; ").expect("out of how many steps");
        format!("{task} ({count}): {woken}")
    });
    assert_eq!(
        by_name!(running.collect::<Vec<_>>().join("\n")),
        "  - `root` (125): it waits at <notified> and is woken by `nudge` (root.3)
  - `spin` (root.1), spawned at <spun>:23, (250): it waits at <spin> and wakes itself
  - `nudge` (root.3), spawned at <nudge>:20, (125): it waits at <notified> and is woken by `root`"
    );
}

#[test]
fn step_limit() {
    let failure = failure(explorer("bounds::steps").max_steps(1_000), || async {
        let mut ticks = interval(Duration::from_secs(1));
        loop {
            ticks.tick().await;
        }
    });
    assert_eq!(failure.kind, FailureKind::StepLimit);
    assert_eq!(
        by_name!(failure),
        "step limit after 1,000 s: the run did not end within 1,000 steps. If the test needs more, raise `max_steps`."
    );
}

#[test]
fn time_limit() {
    let failure = failure(explorer("bounds::time").max_virtual_time(Duration::from_secs(60)), || async {
        let mut ticks = interval(Duration::from_secs(25));
        loop {
            ticks.tick().await; // @tick
        }
    });
    assert_eq!(failure.kind, FailureKind::TimeLimit);
    assert_eq!(by_name!(failure), "time limit after 50 s: the run did not end within 60 s of virtual time; the next timer is due at 75 s. If the test needs more time, raise `max_virtual_time`.
  `root` has been blocked at <tick> since virtual time 50 s");
}

/// The default limit, printed in a readable unit.
#[test]
fn time_limit_of_a_century() {
    let failure = failure(explorer("bounds::century"), || async {
        let mut ticks = interval(Duration::from_secs(15 * 365 * 86_400));
        loop {
            ticks.tick().await; // @once in 15 years
        }
    });
    assert_eq!(by_name!(failure), "\
time limit after 32,850 d: the run did not end within 36,500 d of virtual time; the next timer is due at 38,325 d. If the test needs more time, raise `max_virtual_time`.
  `root` has been blocked at <once in 15 years> since virtual time 32,850 d");
}

#[test]
fn too_many_tasks() {
    let failure = failure(explorer("bounds::tasks").max_tasks(10), || async {
        for _ in 0..20 {
            task::spawn(std::future::pending::<()>()); // @one too many
        }
    });
    assert_eq!(failure.kind, FailureKind::Panic);
    assert_eq!(
        by_name!(failure),
        "panic in `root` at <one too many>:13 after 0 s: too many tasks: the limit of 10 is reached; if the \
         test needs more, raise `max_tasks` (16,000,000 at most)"
    );
}

/// Reaching a limit exactly does not exceed it.
#[test]
fn reaching_a_limit_exactly_is_allowed() {
    async fn yields(times: u32) {
        for _ in 0..times {
            yield_now().await;
        }
    }
    let passes = |explorer: timeloop::Explorer| explorer.runs(1).run(|| yields(99)).passed();
    assert!(passes(explorer("bounds::met").max_steps(100)));
    assert!(!passes(explorer("bounds::met").max_steps(99)));
    assert!(passes(explorer("bounds::met").max_polls_per_instant(100)));
    assert!(!passes(explorer("bounds::met").max_polls_per_instant(99)));
    let sleeps =
        |explorer: timeloop::Explorer| explorer.runs(1).run(|| sleep(Duration::from_secs(60))).passed();
    assert!(sleeps(explorer("bounds::met").max_virtual_time(Duration::from_secs(60))));
    assert!(!sleeps(explorer("bounds::met").max_virtual_time(Duration::from_nanos(59_999_999_999))));
}
