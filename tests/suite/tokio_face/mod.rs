//! Code written for tokio that a comparison with tokio's own tests showed to behave otherwise here. A test's name begins with
//! the number of the difference.

mod blocking;
mod budget;
mod clock;
#[cfg(feature = "net")]
mod io;
mod macros;
#[cfg(feature = "sync")]
mod nested_runtimes;
#[cfg(all(feature = "net", unix))]
mod net;
#[cfg(all(
    feature = "blocking-stacks",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod own_stacks;
mod refused;
mod runtimes;
mod shutdown;
mod tasks;

use timeloop::runtime::{Builder, Runtime};

/// Builds a runtime with everything enabled, whose tasks run in FIFO order.
fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_all()
        .strategy(timeloop::StrategySpec::Fifo)
        .build()
        .expect("a runtime builds")
}

/// Builds a runtime of several workers.
fn workers() -> Runtime {
    Builder::new_multi_thread()
        .enable_all()
        .strategy(timeloop::StrategySpec::Fifo)
        .build()
        .expect("a runtime builds")
}
