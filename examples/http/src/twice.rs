//! One seed, one run: makes the run of each seed twice and compares all that is known of the two.

use std::fmt;

use timeloop::{Limits, Seed, StrategySpec, run_from};

/// What came of many seeds.
#[derive(Clone, Debug, Default)]
pub struct Made<T> {
    /// What each run gave.
    pub outputs: Vec<T>,
    /// Steps of all runs, each counted once.
    pub steps: u64,
    /// Virtual seconds of all runs, each counted once.
    pub virtual_seconds: f64,
}

/// Makes the run of each seed twice.
///
/// # Panics
/// If a run fails, or takes other steps the second time, or gives something else.
pub fn each_twice<T, F, Fut>(seeds: impl IntoIterator<Item = u64>, limits: &Limits, test: F) -> Made<T>
where
    T: fmt::Debug + PartialEq,
    F: Fn() -> Fut,
    Fut: Future<Output = T>,
{
    let mut made = Made { outputs: Vec::new(), steps: 0, virtual_seconds: 0.0 };
    for seed in seeds {
        let [first, second] =
            [(); 2].map(|()| run_from(StrategySpec::Random.source(Seed(seed)), limits, &test));
        let output = first.result.unwrap_or_else(|failure| panic!("seed {seed} fails: {failure}"));
        let again = second.result.unwrap_or_else(|failure| panic!("seed {seed} fails again: {failure}"));
        assert_eq!(first.trace_hash, second.trace_hash, "seed {seed} takes other steps the second time");
        assert_eq!((first.steps, first.elapsed), (second.steps, second.elapsed), "seed {seed}");
        assert_eq!(output, again, "seed {seed} gives something else the second time");
        made.outputs.push(output);
        made.steps += first.steps;
        made.virtual_seconds += first.elapsed.as_secs_f64();
    }
    made
}
