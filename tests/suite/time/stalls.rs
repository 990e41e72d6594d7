//! Stalls: time that passes while tasks are ready, and tests that depend on exact times.

use timeloop::time::{Duration, Instant, sleep};
use timeloop::{StrategySpec, spawn};

use crate::support::{by_name, explorer};

const SECOND: Duration = Duration::from_secs(1);

/// Depends on exact times while another task runs.
async fn exact() {
    let ticker = spawn(async { sleep(3 * SECOND / 2).await }); // @ticker
    let start = Instant::now();
    sleep(SECOND).await; // @sleep
    assert_eq!(start.elapsed(), SECOND); // @exact
    ticker.await.unwrap();
}

#[test]
fn by_default_a_test_of_exact_times_fails_with_advice() {
    let exploration = explorer("stalls::exact").strategy(StrategySpec::Portfolio).run(exact);
    assert_eq!(
        by_name!(exploration.report()),
        "\
timeloop: `stalls::exact` failed in # of # schedules: panic at <exact>:5

  assertion `left == right` failed
    left: 1.5s
   right: 1s
  (in task `root`, after 3 steps, at virtual time 1.5 s)

Critical delay (checked): without this delay, the test passes
  step 3  virtual time advances before `root` resumes at <sleep>

Failing schedule: FIFO order, except
  step 3  `root` resumes at <sleep> only at virtual time 1.5 s, after a stall of 500 ms
  Virtual time advanced while a task was ready, as on a busy machine. If the test relies on exact times, set
  `stalls = false`.

Steps (▸ out of FIFO order)
    step   time  task    ran from → to
       1    0 s  root    start → <sleep>
       2    0 s  root.1  start → <ticker>
  ▸    3  1.5 s  root    <sleep> → panic
    spawned: root.1 at <ticker>

found by   seed # (run #, strategy `#`); TIMELOOP_SEED=# tries it first
shrunk     from # deviations to # in # runs
replay     TIMELOOP_REPLAY=TL1# cargo test exact -- --exact
"
    );
}

#[test]
fn without_stalls_it_passes() {
    for strategy in StrategySpec::ALL {
        let runs = if strategy == StrategySpec::Portfolio { 20_000 } else { 1_000 };
        let exploration = explorer("stalls::none").strategy(strategy).stalls(false).runs(runs).run(exact);
        assert!(exploration.passed(), "{strategy}: {}", exploration.report());
    }
}

#[timeloop::test(stalls = false)]
async fn the_attribute_accepts_it_too() {
    exact().await;
}

/// The order of events at one instant is still explored.
#[test]
fn without_stalls_tasks_are_kept_waiting_within_an_instant() {
    for strategy in [StrategySpec::Portfolio, StrategySpec::Starve, StrategySpec::Stall] {
        let exploration = explorer("stalls::order").strategy(strategy).stalls(false).run(|| async {
            let early = spawn(async { sleep(SECOND).await });
            sleep(SECOND).await;
            assert!(!early.is_finished(), "the other one was woken first");
        });
        assert!(exploration.found.is_some(), "{strategy}");
    }
}
