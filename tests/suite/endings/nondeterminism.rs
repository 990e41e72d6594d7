//! Nondeterminism: decisions that do not come from the schedule are detected, and common causes are named.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use timeloop::time::{Duration, sleep};
use timeloop::{Exploration, FailureKind, Settings, task};

use crate::support::{by_name, explorer};

fn report(exploration: &Exploration) -> String {
    let found = exploration.found.as_ref().expect("a failure");
    assert_eq!(found.failure.kind, FailureKind::Nondeterminism, "{}", found.report);
    assert_eq!(exploration.report(), found.report);
    found.report.clone()
}

/// Every other run takes a different path.
#[test]
fn a_static_that_runs_leave_changed() {
    static RUNS: AtomicU32 = AtomicU32::new(0);

    async fn work() {
        sleep(Duration::from_millis(1)).await; // @work
    }

    let exploration = explorer("cache::fills").jobs(1).run(|| async {
        if RUNS.fetch_add(1, Relaxed) % 2 == 1 {
            task::spawn(work()).await.unwrap(); // @spawn
        }
        sleep(Duration::from_millis(5)).await; // @sleep
        assert!(RUNS.load(Relaxed) == 0, "cold cache"); // @assert every time
    });
    assert_eq!(
        by_name!(report(&exploration)),
        "\
timeloop: `cache::fills` failed: nondeterminism

  two runs of one schedule differ, first at step 2, at virtual time 0 s: one run resumes `work` (root.1),
  spawned at <spawn>:13, for the 1st time, the other run `root` for the 2nd
  time.
  The code depends on something besides the schedule. Common causes:
  - iteration over a `HashMap` or `HashSet`, whose order is random (`timeloop::collections` has deterministic
    ones)
  - the real clock: `std::time::Instant::now`, `SystemTime::now`
  - random numbers that do not come from `timeloop::rng()`
  - a `static` or thread-local that one run leaves changed for the next
  - addresses or thread ids that are compared, sorted or hashed
  - a real thread, or another runtime, that wakes a task or sends it something
  - `futures::select!` or tokio's own `select!`, which use random generators of their own
  One of the runs failed: panic in `root` at <assert every time>:9 after 5 ms: cold cache
  (in task `work` (root.1), spawned at <spawn>:13, after 1 step, at virtual
  time 0 s)

found by   the baseline run (FIFO order)
replay     TIMELOOP_REPLAY=TL1# cargo test fills -- --exact
"
    );
}

/// A failure that does not recur.
#[test]
fn a_static_that_makes_one_run_fail() {
    static RUNS: AtomicU32 = AtomicU32::new(0);

    let exploration = explorer("cache::warms").jobs(1).run(|| async {
        sleep(Duration::from_millis(5)).await;
        assert!(RUNS.fetch_add(1, Relaxed) > 0, "cold cache"); // @assert
    });
    assert_eq!(
        by_name!(report(&exploration)),
        "\
timeloop: `cache::warms` failed: nondeterminism

  the first run of a schedule differs from two later runs of it.
  The code depends on something besides the schedule. Common causes:
  - iteration over a `HashMap` or `HashSet`, whose order is random (`timeloop::collections` has deterministic
    ones)
  - the real clock: `std::time::Instant::now`, `SystemTime::now`
  - random numbers that do not come from `timeloop::rng()`
  - a `static` or thread-local that one run leaves changed for the next
  - addresses or thread ids that are compared, sorted or hashed
  - a real thread, or another runtime, that wakes a task or sends it something
  - `futures::select!` or tokio's own `select!`, which use random generators of their own
  One of the runs failed: panic in `root` at <assert>:9 after 5 ms: cold cache
  (after 2 steps, at virtual time 5 ms)

found by   the baseline run (FIFO order)
replay     TIMELOOP_REPLAY=TL1# cargo test warms -- --exact
"
    );
}

#[test]
fn the_order_of_a_hash_map() {
    #[expect(clippy::disallowed_types, reason = "the mistake that is tested")]
    async fn in_order_of_a_map() {
        let map: std::collections::HashMap<u64, ()> = (0..64).map(|key| (key, ())).collect();
        let order = map.into_keys().fold(0_u64, |order, key| order.wrapping_mul(67).wrapping_add(key));
        sleep(Duration::from_secs(1) + Duration::from_nanos(order % 1_000_000_000)).await; // @map
        panic!("fails in any order");
    }
    let report = report(&explorer("maps::order").jobs(1).run(in_order_of_a_map));
    assert!(report.contains("- iteration over a `HashMap` or `HashSet`"), "{report}");
    assert_eq!(by_name!(beginning(&report)), DIFFERS);
}

/// If no run fails, `TIMELOOP_CHECK` detects it.
#[test]
fn random_numbers_from_outside_in_runs_that_pass() {
    async fn waits_at_random() {
        let ns = RandomState::new().hash_one(0) % 1_000_000_000;
        sleep(Duration::from_secs(1) + Duration::from_nanos(ns)).await;
    }
    let unchecked = explorer("random::waits").runs(20).run(waits_at_random);
    assert!(unchecked.passed());
    let settings = Settings { check: Some(3), ..Settings::default() };
    let checked = explorer("random::waits").runs(20).environment(settings).run(waits_at_random);
    assert_eq!(by_name!(beginning(&report(&checked))), DIFFERS);
}

const DIFFERS: &str =
    "# # two runs of one schedule differ, first at step 2, at virtual time # s: one run resumes `root` for";

/// The beginning of a report, with `#` for each number. Line breaks depend on the length of random numbers, so the end
/// is omitted.
fn beginning(report: &str) -> String {
    let text = report.lines().nth(2).unwrap();
    let text = text.find(" 2nd").map_or(text, |end| &text[..end]);
    let words = text.split(' ').map(|word| {
        let number = word.chars().all(|character| character.is_ascii_digit() || character == '.');
        if number { "#" } else { word }
    });
    words.collect::<Vec<_>>().join(" ")
}
