//! Code that depends on something besides the schedule: the report makes no false claim about it.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use timeloop::sync::Mutex;
use timeloop::task::{spawn, yield_now};
use timeloop::{Exploration, Explorer, FailureKind};

/// Tosses a real coin, which comes up heads once in `one_in` tosses.
fn heads(one_in: u64) -> bool {
    RandomState::new().build_hasher().finish().is_multiple_of(one_in)
}

/// Makes runs of a test whose outcome `fails` decides; `yields` adds steps.
fn explored(seed: u64, fails: impl Fn() -> bool + Sync, yields: impl Fn() -> bool + Sync) -> Exploration {
    let explorer = Explorer::new("coin").without_environment().without_regressions().silent().jobs(1);
    explorer.seed(seed * 1_000).runs(40).run(|| async {
        let lock = Rc::new(Mutex::new(0));
        for _ in 0..2 {
            let lock = Rc::clone(&lock);
            spawn(async move {
                *lock.lock().await += 1;
                yield_now().await;
            });
        }
        for _ in 0..4 {
            yield_now().await;
        }
        let fails = fails();
        if yields() {
            yield_now().await;
        }
        assert!(!fails);
    })
}

/// A report may say nondeterminism, or a plain panic if chance repeats that. It never names a decision.
#[test]
fn a3_chance_is_never_blamed_on_a_decision() {
    const EXPLORATIONS: u64 = 25;
    let mut ends = BTreeMap::<_, u32>::new();
    let mut check = |name: &'static str, claims: &[&str], explore: &dyn Fn(u64) -> Exploration| {
        for seed in 0..EXPLORATIONS {
            let Some(found) = explore(seed).found else { continue };
            assert!(
                found.critical.is_none() && found.rescue.is_none(),
                "{name}, exploration {seed}: {}",
                found.report
            );
            for claim in ["Critical", "random numbers of seed", "bug in timeloop"].iter().chain(claims) {
                assert!(
                    !found.report.contains(claim),
                    "{name}, exploration {seed}: {claim}: {}",
                    found.report
                );
            }
            let kind = found.failure.kind;
            assert!(matches!(kind, FailureKind::Nondeterminism | FailureKind::Panic), "{}", found.report);
            *ends.entry((name, kind)).or_default() += 1;
        }
    };
    let never = || false;
    let suspect = &["probably"][..];
    check("fails once in 20", suspect, &|seed| explored(seed, || heads(20), never));
    check("fails once in 5", suspect, &|seed| explored(seed, || heads(5), never));
    check("fails every other time", suspect, &|seed| explored(seed, || heads(2), never));
    check("passes once in 5", suspect, &|seed| explored(seed, || !heads(5), never));
    check("passes once in 20", suspect, &|seed| explored(seed, || !heads(20), never));
    check("takes other steps", suspect, &|seed| explored(seed, || heads(2), || heads(2)));
    // Code that counts its runs.
    for (name, period) in [("counts to 2", 2), ("counts to 3", 3), ("counts to 7", 7), ("counts to 50", 50)] {
        let runs = AtomicU64::new(0);
        check(name, &[], &|seed| explored(seed, || runs.fetch_add(1, Relaxed) % period == period - 1, never));
        let runs = AtomicU64::new(0);
        check(name, &[], &|seed| explored(seed, || runs.fetch_add(1, Relaxed) / period % 2 == 1, never));
    }
    // The trace shows that runs differ, so a plain panic is rare.
    let plain: u32 =
        ends.iter().filter(|((_, kind), _)| *kind == FailureKind::Panic).map(|(_, count)| count).sum();
    let all: u32 = ends.values().sum();
    assert!(all > 200 && plain <= all / 20, "{ends:#?}");
}

/// The order of a hash map differs from run to run. No state that a run leaves behind is to blame.
#[test]
#[expect(clippy::disallowed_types, reason = "its order is the nondeterminism")]
fn a12_no_suspect_is_named_without_evidence() {
    let mut seen = 0;
    for seed in 0..30 {
        let explorer = Explorer::new("map").without_environment().without_regressions().silent().jobs(1);
        let exploration = explorer.seed(seed * 1_000).run(|| async {
            let map: std::collections::HashMap<i32, i32> = (0..20).map(|number| (number, number)).collect();
            yield_now().await;
            let first = *map.keys().next().unwrap();
            if first % 2 == 0 {
                // Every other run takes another step.
                yield_now().await;
            }
            assert_ne!(first, 7);
        });
        let found = exploration.found.expect("one of a thousand runs fails");
        assert_eq!(found.failure.kind, FailureKind::Nondeterminism, "{}", found.report);
        assert!(!found.report.contains("probably"), "{}", found.report);
        assert!(found.report.contains("thread ids"), "{}", found.report);
        seen += 1;
    }
    assert_eq!(seen, 30);
}

/// State that a run leaves behind is named once many runs have shown it.
#[test]
fn a12_state_that_a_run_leaves_behind_is_named() {
    let runs = AtomicU64::new(0);
    let is_late = || runs.load(Relaxed) > 10;
    let found = explored(0, || runs.fetch_add(1, Relaxed) >= 10, is_late).found.expect("the 11th run fails");
    assert_eq!(found.failure.kind, FailureKind::Nondeterminism, "{}", found.report);
    assert!(found.report.contains("A run probably leaves state behind for the next one"), "{}", found.report);
}
