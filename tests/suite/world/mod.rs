//! Nodes: crash, restart, pause, shutdown and clocks.

mod clocks;
mod crash;
mod determinism;
mod errors;
#[cfg(feature = "sync")]
mod exhaustive;
mod locals;
mod pause;
mod reentrancy;
#[cfg(feature = "sync")]
mod reports;
mod restart;
#[cfg(feature = "sync")]
mod shared;
mod shutdown;
#[cfg(unix)]
mod signals;

use timeloop::world::{Node, World};

use crate::support::Log;

/// Declares a node without tasks.
fn bare(name: &str) -> Node {
    World::current().node(name).build()
}

/// Starts a node whose incarnations run `main` with a log; returns both.
fn logging<T: 'static, F: Future<Output = ()> + 'static>(
    main: impl Fn(Log<T>) -> F + 'static,
) -> (Node, Log<T>) {
    let log = Log::new();
    let kept = log.clone();
    (World::current().node("db-1").start(move || main(kept.clone())), log)
}

/// Runs the program with twenty seeds.
fn under_seeds<Fut: Future<Output = ()>>(make: impl Fn() -> Fut) {
    for seed in 0..20 {
        if let Err(failure) = timeloop::run(seed, &make) {
            panic!("seed {seed}: {failure}");
        }
    }
}
