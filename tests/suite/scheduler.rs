//! The scheduler: `random` is uniform over the ready tasks, `fifo` is fair, and every possible order occurs.
//!
//! # Invariants
//! Seeds are fixed, so the statistics are deterministic: a test passes always or never.

use std::collections::BTreeMap;

use timeloop::task::{self, yield_now};
use timeloop::time::{Duration, sleep};
use timeloop::{Limits, Seed, StrategySpec, run, run_from};

use crate::support::{Log, fifo};

/// Counts how often each outcome occurs over this many seeds.
fn counts<T, F, Fut>(seeds: u64, body: F) -> BTreeMap<T, u32>
where
    T: Ord,
    F: Fn() -> Fut,
    Fut: Future<Output = T>,
{
    let mut counts = BTreeMap::new();
    for seed in 0..seeds {
        *counts.entry(run(seed, &body).unwrap()).or_default() += 1;
    }
    counts
}

/// The chi-squared statistic of the counts: on average the number of outcomes less 1, if they are equally likely.
fn chi_squared<T>(counts: &BTreeMap<T, u32>) -> f64 {
    let total: u32 = counts.values().sum();
    let expected = f64::from(total) / counts.len() as f64;
    counts.values().map(|&count| (f64::from(count) - expected).powi(2) / expected).sum()
}

/// Returns the order in which this many simultaneously ready tasks run.
async fn order_of(tasks: usize) -> Vec<usize> {
    let log = Log::new();
    for number in 0..tasks {
        let log = log.clone();
        task::spawn(async move { log.push(number) });
    }
    sleep(Duration::from_secs(1)).await;
    log.take()
}

#[test]
fn all_orders_of_three_tasks_are_as_likely() {
    let counts = counts(6_000, || order_of(3));
    assert_eq!(counts.len(), 6, "{counts:?}");
    // 5 degrees of freedom: above 20.5 with a probability of 0.001.
    assert!(chi_squared(&counts) < 20.5, "{counts:?}");
}

#[test]
fn all_orders_of_five_tasks_are_as_likely() {
    let counts = counts(12_000, || order_of(5));
    assert_eq!(counts.len(), 120);
    // 119 degrees of freedom: above 173 with a probability of 0.001.
    assert!(chi_squared(&counts) < 173.0, "{counts:?}");
}

/// Every task is equally likely to run first, however many are ready.
#[test]
fn any_of_many_tasks_may_run_first() {
    for tasks in [2, 7, 40] {
        let counts = counts(200 * tasks as u64, || async move { order_of(tasks).await[0] });
        assert_eq!(counts.len(), tasks);
        // Mean and standard deviation of chi-squared, plus four standard deviations.
        let degrees = tasks as f64 - 1.0;
        assert!(chi_squared(&counts) < degrees + 4.0 * (2.0 * degrees).sqrt() + 6.0, "{counts:?}");
    }
}

/// Uniform at every step: a task that has just yielded is as likely to run next as any other.
#[test]
fn a_task_that_yields_may_run_again_at_once() {
    let counts = counts(4_000, || async {
        let log = Log::new();
        for name in ["a", "b", "c", "d"] {
            let log = log.clone();
            task::spawn(async move {
                log.push(name);
                yield_now().await;
                log.push(name);
            });
        }
        sleep(Duration::from_secs(1)).await;
        let log = log.take();
        log[0] == log[1]
    });
    let share = f64::from(counts[&true]) / 4_000.0;
    assert!((share - 0.25).abs() < 0.03, "{share}");
}

/// Tasks that wake at the same instant compete like any others.
#[test]
fn tasks_that_wake_at_one_instant_run_in_any_order() {
    let counts = counts(6_000, || async {
        let log = Log::new();
        for number in 0..3 {
            let log = log.clone();
            task::spawn(async move {
                sleep(Duration::from_millis(5)).await;
                log.push(number);
            });
        }
        sleep(Duration::from_secs(1)).await;
        log.take()
    });
    assert_eq!(counts.len(), 6);
    assert!(chi_squared(&counts) < 20.5, "{counts:?}");
}

/// FIFO follows the order of wakes, not of spawning.
#[test]
fn fifo_runs_in_order_of_arrival() {
    for seed in 0..5 {
        let source = StrategySpec::Fifo.source(Seed(seed));
        let order = run_from(source, &Limits::default(), || order_of(10)).result.unwrap();
        assert_eq!(order, (0..10).collect::<Vec<_>>());
    }
    let log = Log::new();
    fifo().block_on(async {
        for (number, ms) in [(0, 3), (1, 1), (2, 2), (3, 1)] {
            let log = log.clone();
            task::spawn(async move {
                sleep(Duration::from_millis(ms)).await;
                log.push(number);
                yield_now().await;
                log.push(number + 10);
            });
        }
        sleep(Duration::from_secs(1)).await;
    });
    assert_eq!(log.take(), [1, 3, 11, 13, 2, 12, 0, 10]);
}

/// Which branch a `select!` polls first is a decision, uniform over the branches.
#[test]
fn a_select_starts_with_any_branch() {
    let counts = counts(4_000, || async {
        timeloop::select! {
            () = async {} => 0,
            () = async {} => 1,
            () = async {} => 2,
            () = async {} => 3,
        }
    });
    assert_eq!(counts.len(), 4);
    // 3 degrees of freedom: above 16.3 with a probability of 0.001.
    assert!(chi_squared(&counts) < 16.3, "{counts:?}");
}

/// A disabled branch is never first, and does not favour its neighbour.
#[test]
fn a_select_starts_with_any_branch_that_is_enabled() {
    let counts = counts(3_000, || async {
        timeloop::select! {
            () = async {} => 0,
            () = async {}, if false => unreachable!(),
            () = async {} => 2,
            () = async {} => 3,
        }
    });
    assert_eq!(counts.len(), 3);
    // 2 degrees of freedom: above 13.8 with a probability of 0.001.
    assert!(chi_squared(&counts) < 13.8, "{counts:?}");
}

/// Consecutive selects in one poll, and repeated polls of one select: each makes a new decision.
#[test]
fn each_poll_of_a_select_decides_again() {
    let counts = counts(4_000, || async {
        let mut first = [0; 3];
        for chosen in &mut first {
            *chosen = timeloop::select! { () = async {} => 0, () = async {} => 1 };
        }
        first
    });
    assert_eq!(counts.len(), 8);
    // 7 degrees of freedom: above 24.3 with a probability of 0.001.
    assert!(chi_squared(&counts) < 24.3, "{counts:?}");
}

/// In the baseline run the first branch is always first.
#[test]
fn the_baseline_select_starts_with_its_first_branch() {
    let first = || async {
        timeloop::select! { () = async {} => 0, () = async {} => 1 }
    };
    let baseline = timeloop::StoredSchedule::baseline().source();
    assert_eq!(run_from(baseline, &Limits::default(), first).result.unwrap(), 0);
}

/// A task's select choices are independent: another task's choices change nothing.
#[test]
fn select_choices_of_one_task_do_not_affect_another() {
    async fn chooses(times: usize) -> Vec<u32> {
        let mut chosen = Vec::new();
        for _ in 0..times {
            chosen.push(timeloop::select! { () = async {} => 0, () = async {} => 1, () = async {} => 2 });
        }
        chosen
    }
    for seed in 0..20 {
        let alone = run(seed, || async { task::spawn(chooses(10)).await.unwrap() });
        let beside = run(seed, || async {
            let one = task::spawn(chooses(10));
            let other = task::spawn(chooses(30));
            chooses(5).await;
            other.await.unwrap();
            one.await.unwrap()
        });
        assert_eq!(alone.unwrap(), beside.unwrap());
    }
}

/// The seeds of an exploration's runs count up from the base seed, so every run can be repeated.
#[test]
fn an_exploration_makes_the_runs_of_consecutive_seeds() {
    let single = |seed: u64| {
        let source = StrategySpec::Random.source(Seed(seed));
        run_from(source, &Limits::default(), || order_of(6)).result.unwrap()
    };
    let mut seen = std::sync::Mutex::new(Vec::new());
    let explorer = crate::support::explorer("seeds").seed(40).runs(20).jobs(1);
    let explored = explorer.run(|| async {
        let order = order_of(6).await;
        seen.lock().unwrap().push(order);
    });
    assert!(explored.passed());
    // The first is the baseline run.
    let seen = seen.get_mut().unwrap();
    assert_eq!(seen[0], [0, 1, 2, 3, 4, 5]);
    assert_eq!(seen[1..], (40..60).map(single).collect::<Vec<_>>());
}
