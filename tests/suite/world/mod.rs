//! What nodes promise.

mod clocks;
mod crash;
mod determinism;
mod errors;
#[cfg(feature = "sync")]
mod exhaustive;
mod hostile;
mod locals;
mod pause;
#[cfg(feature = "sync")]
mod reports;
mod restart;
#[cfg(feature = "sync")]
mod shared;
mod shutdown;

use timeloop::world::{Node, World};

/// A node with nothing to run.
fn bare(name: &str) -> Node {
    World::current().node(name).build()
}

/// Makes the same run under twenty seeds.
fn under_seeds<Fut: Future<Output = ()>>(make: impl Fn() -> Fut) {
    for seed in 0..20 {
        if let Err(failure) = timeloop::run(seed, &make) {
            panic!("seed {seed}: {failure}");
        }
    }
}
