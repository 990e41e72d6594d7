//! Searches for the first failure.
//!
//! # Invariants
//! - The runs are those of an exploration with the same strategy and base seed.
//! - Confirming, shrinking and reporting are not included.

use std::time::{Duration, Instant};

use timeloop::{AnySource, Limits, Profile, Seed, StrategySpec};

use crate::programs::{Body, Program};

/// The maximum number of schedules.
pub(crate) const CAP: u64 = 10_000;

/// The distance between base seeds.
const APART: u64 = 1_000_000;

/// The strategies, in the order of their columns.
pub(crate) const STRATEGIES: [&str; 11] = [
    "random",
    "pct(depth = 3)",
    "pct(depth = 10)",
    "pos",
    "urw",
    "surw",
    "delay",
    "lockstep",
    "starve",
    "stall",
    "portfolio",
];

/// The result of a strategy for a program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    /// The number of base seeds for which it found the bug.
    pub(crate) found: u64,
    /// The number of base seeds.
    pub(crate) of: u64,
    /// The mean number of schedules up to the first failure; where there was none, the cap counts.
    pub(crate) schedules: f64,
    /// The standard error of that mean.
    pub(crate) error: f64,
    /// The mean time up to the first failure.
    pub(crate) time: Duration,
}

/// The number of times that a short search is repeated; the shortest time counts, because of other load.
const REPEATS: u32 = 10;
/// Longer searches are not repeated: other load is a small part of their time.
const LONG: Duration = Duration::from_millis(20);

/// Returns the mean over `seeds` base seeds.
pub(crate) fn mean(program: &Program, strategy: StrategySpec, seeds: u64, cap: u64) -> Found {
    let (mut found, mut schedules, mut squares, mut time) = (0, 0, 0.0, Duration::ZERO);
    for number in 0..seeds {
        let (first, mut least) = timed(program, strategy, number * APART, cap);
        for _ in 1..REPEATS {
            if least < LONG {
                least = least.min(timed(program, strategy, number * APART, cap).1);
            }
        }
        time += least;
        found += u64::from(first.is_some());
        schedules += first.unwrap_or(cap);
        squares += (first.unwrap_or(cap) as f64).powi(2);
    }
    let many = seeds as f64;
    let schedules = schedules as f64 / many;
    let variance = (squares / many - schedules.powi(2)).max(0.0) * many / (many - 1.0).max(1.0);
    Found { found, of: seeds, schedules, error: (variance / many).sqrt(), time: time.div_f64(many) }
}

fn timed(program: &Program, strategy: StrategySpec, base: u64, cap: u64) -> (Option<u64>, Duration) {
    #[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
    let start = Instant::now();
    let first = first_failure(&program.buggy, strategy, base, cap);
    (first, start.elapsed())
}

/// Returns the number of the first failing schedule, from 1.
pub(crate) fn first_failure(body: &Body, strategy: StrategySpec, base: u64, cap: u64) -> Option<u64> {
    let limits = Limits::default();
    let fails = |source: AnySource| !matches!((body.once)(source, &limits).result, Ok(Ok(())));
    let (source, watched) = Profile::watching();
    if fails(source) {
        return Some(1);
    }
    let profile = watched.into_profile();
    (2..=cap).find(|schedule| fails(profile.source(strategy, Seed::from(base + schedule - 2))))
}
