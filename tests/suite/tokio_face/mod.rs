//! Code written for tokio that a comparison with tokio's own tests showed to behave otherwise here. A test's name begins with
//! the number of the difference.

mod blocking;
mod budget;
mod clock;
#[cfg(feature = "net")]
mod io;
mod macros;
#[cfg(all(feature = "net", unix))]
mod net;
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
