//! What several tests use.

use timeloop::{Explorer, Limits, Outcome, StrategySpec, run_from};

/// An explorer that keeps nothing.
pub(crate) fn explorer(name: &str) -> Explorer {
    Explorer::new(name).without_regressions().without_environment()
}

/// One run of a seed.
pub(crate) fn run_of<F: Future>(seed: u64, make: impl Fn() -> F) -> Outcome<F::Output> {
    run_from(StrategySpec::Random.source(seed.into()), &Limits::default(), make)
}
