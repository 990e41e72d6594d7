//! Measures what a step and a short run cost under each strategy.
//!
//! # Invariants
//! - No run fails.
//! - Each number is the minimum of several rounds, which reduces the influence of other load.
//! - Each program's estimates come from its own baseline run.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use timeloop::task::yield_now;
use timeloop::{
    AnySource, Explorer, Limits, Outcome, Profile, Resource, Scratch, Seed, StrategySpec, run_from, spawn,
};

use crate::table::short;

const ROUNDS: u64 = 7;
const TASKS: usize = 5;
const LONG: u32 = 2_000;
/// The number of times that each task yields in a short run, which takes 22 or 23 steps.
const SHORT: u32 = 3;

/// Tasks that yield this many times and do nothing else.
async fn yields(times: u32) {
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            spawn(async move {
                for _ in 0..times {
                    yield_now().await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("nothing fails");
    }
}

struct Variable {
    resource: Resource,
    value: Cell<u32>,
}

/// Tasks that each read and write a variable this many times.
async fn accesses(times: u32) {
    let variable = Rc::new(Variable { resource: Resource::new("variable"), value: Cell::new(0) });
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let variable = Rc::clone(&variable);
            spawn(async move {
                for _ in 0..times {
                    variable.resource.read().await;
                    let value = variable.value.get();
                    variable.resource.write().await;
                    variable.value.set(value + 1);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("nothing fails");
    }
}

type Once = fn(AnySource, &Limits) -> Outcome<()>;

/// Returns the nanoseconds per run and the steps per run, over `runs` runs.
fn measure(once: Once, strategy: StrategySpec, runs: u64) -> (f64, f64) {
    let limits = Limits::default();
    let (source, watched) = Profile::watching();
    once(source, &limits).result.expect("nothing fails");
    let profile = watched.into_profile();
    let scratch = Scratch::default();
    let mut best = (f64::INFINITY, 0.0);
    for round in 0..ROUNDS {
        let mut steps = 0;
        #[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
        let start = Instant::now();
        for run in 0..runs {
            steps +=
                once(profile.source_in(&scratch, strategy, Seed::from(round * runs + run)), &limits).steps;
        }
        let ns = start.elapsed().as_nanos() as f64 / runs as f64;
        if ns < best.0 {
            best = (ns, steps as f64 / runs as f64);
        }
    }
    best
}

/// Returns the nanoseconds per run that an `Explorer` takes for passing runs.
fn explored<F: Future<Output = ()>>(strategy: StrategySpec, runs: u64, make: fn() -> F) -> f64 {
    let explorer = Explorer::new("cost").without_regressions().without_environment().silent().jobs(1);
    let explorer = explorer.runs(runs).strategy(strategy);
    let once = || {
        #[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
        let start = Instant::now();
        assert!(explorer.run(make).found.is_none(), "nothing fails");
        start.elapsed().as_nanos() as f64 / runs as f64
    };
    (0..ROUNDS).map(|_| once()).fold(f64::INFINITY, f64::min)
}

pub(crate) fn print(strategies: &[StrategySpec]) {
    println!("{TASKS} tasks; ns, the least of {ROUNDS} rounds");
    println!();
    println!(
        "| strategy | a step of `yield_now` | a short run of those | its steps | one of an `Explorer`'s | an access, announced \
         | a step of those | a short run of those | its steps | one of an `Explorer`'s |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for &strategy in strategies {
        let (yields_ns, yields_steps) =
            measure(|source, limits| run_from(source, limits, || yields(LONG)), strategy, 16);
        let (few_ns, few_steps) =
            measure(|source, limits| run_from(source, limits, || yields(SHORT)), strategy, 4_096);
        let (long_ns, long_steps) =
            measure(|source, limits| run_from(source, limits, || accesses(LONG)), strategy, 16);
        let (short_ns, short_steps) =
            measure(|source, limits| run_from(source, limits, || accesses(2)), strategy, 4_096);
        println!(
            "| {} | {:.1} | {few_ns:.0} | {few_steps:.1} | {:.0} | {:.1} | {:.1} | {short_ns:.0} | {short_steps:.1} | {:.0} |",
            short(strategy),
            yields_ns / yields_steps,
            explored(strategy, 4_096, || yields(SHORT)),
            long_ns / f64::from(2 * LONG * TASKS as u32),
            long_ns / long_steps,
            explored(strategy, 4_096, || accesses(2)),
        );
    }
}
