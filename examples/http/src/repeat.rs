//! Checks determinism: runs each seed twice and compares the runs.

use std::fmt;

use timeloop::{Limits, Seed, StrategySpec, run_from};

/// The results of many seeds.
#[derive(Clone, Debug, Default)]
pub struct Runs<T> {
    /// The output of each run.
    pub outputs: Vec<T>,
    /// The steps of all seeds, each counted once.
    pub steps: u64,
    /// The virtual seconds of all seeds, each counted once.
    pub virtual_seconds: f64,
}

/// Runs each seed twice.
///
/// # Panics
/// If a run fails, or the second run has different steps or a different output.
pub fn each_twice<T, F, Fut>(seeds: impl IntoIterator<Item = u64>, limits: &Limits, test: F) -> Runs<T>
where
    T: fmt::Debug + PartialEq,
    F: Fn() -> Fut,
    Fut: Future<Output = T>,
{
    let mut runs = Runs { outputs: Vec::new(), steps: 0, virtual_seconds: 0.0 };
    for seed in seeds {
        let [first, second] =
            [(); 2].map(|()| run_from(StrategySpec::Random.source(Seed(seed)), limits, &test));
        let output = first.result.unwrap_or_else(|failure| panic!("seed {seed} fails: {failure}"));
        let again = second.result.unwrap_or_else(|failure| panic!("seed {seed} fails again: {failure}"));
        assert_eq!(
            first.trace_hash, second.trace_hash,
            "seed {seed} takes different steps in the second run"
        );
        assert_eq!((first.steps, first.elapsed), (second.steps, second.elapsed), "seed {seed}");
        assert_eq!(output, again, "seed {seed} has a different output in the second run");
        runs.outputs.push(output);
        runs.steps += first.steps;
        runs.virtual_seconds += first.elapsed.as_secs_f64();
    }
    runs
}
