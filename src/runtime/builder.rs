//! Building a runtime.
//!
//! Always true: what asks for threads, drivers or names of threads is accepted and changes nothing, so that code that
//! configures tokio compiles as it is; the seed, the strategy and the limits are timeloop's own.

use std::io;
use std::panic::Location;
use std::time::Duration;

use timeloop_sim::{Limits, Seed, StrategySpec};

use super::Runtime;

/// Builds a [`Runtime`], as [`tokio::runtime::Builder`](https://docs.rs/tokio/1/tokio/runtime/struct.Builder.html).
///
/// ```
/// let runtime = timeloop::runtime::Builder::new_current_thread().enable_all().seed(7).build()?;
/// assert_eq!(runtime.block_on(async { 42 }), 42);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Builder {
    seed: Seed,
    strategy: StrategySpec,
    limits: Limits,
}

macro_rules! accepted {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*);)*) => {
        $(
            $(#[$doc])*
            pub fn $name(&mut self, $($argument: $type),*) -> &mut Self {
                $(let _ = $argument;)*
                self
            }
        )*
    };
}

impl Builder {
    /// A builder; the same as [`new_multi_thread`](Self::new_multi_thread) here.
    #[must_use]
    pub fn new_current_thread() -> Self {
        Self { seed: Seed(0), strategy: StrategySpec::Random, limits: Limits::default() }
    }

    /// A builder; there is one thread all the same, and the scheduler interleaves its tasks as threads would.
    #[must_use]
    pub fn new_multi_thread() -> Self {
        Self::new_current_thread()
    }

    /// The seed that every decision comes from. Default 0.
    pub fn seed(&mut self, seed: impl Into<Seed>) -> &mut Self {
        self.seed = seed.into();
        self
    }

    /// How it is decided who goes on. Default [`StrategySpec::Random`]. There is no quiet run here from which a strategy could
    /// learn what to expect; those that live on it are at their worst.
    pub fn strategy(&mut self, strategy: StrategySpec) -> &mut Self {
        self.strategy = strategy;
        self
    }

    /// The bounds of all that the runtime runs.
    pub fn limits(&mut self, limits: Limits) -> &mut Self {
        self.limits = limits;
        self
    }

    accepted! {
        /// Accepted and not needed: there is nothing to enable.
        enable_all();
        /// Accepted and not needed: there is nothing to enable.
        enable_io();
        /// Accepted and not needed: time is always there.
        enable_time();
        /// Accepted and not needed: time is always virtual.
        start_paused(start_paused: bool);
        /// Accepted without effect: there is one thread.
        worker_threads(threads: usize);
        /// Accepted without effect: there is one thread.
        max_blocking_threads(threads: usize);
        /// Accepted without effect: there is one thread.
        thread_name(name: impl Into<String>);
        /// Accepted without effect: there is one thread.
        thread_name_fn(name: impl Fn() -> String + Send + Sync + 'static);
        /// Accepted without effect: no thread is started.
        on_thread_start(f: impl Fn() + Send + Sync + 'static);
        /// Accepted without effect: no thread is stopped.
        on_thread_stop(f: impl Fn() + Send + Sync + 'static);
        /// Accepted without effect: no thread is parked.
        on_thread_park(f: impl Fn() + Send + Sync + 'static);
        /// Accepted without effect: no thread is parked.
        on_thread_unpark(f: impl Fn() + Send + Sync + 'static);
        /// Accepted without effect: there is no driver of real input and output.
        max_io_events_per_tick(events: usize);
        /// Accepted without effect: there is one thread.
        thread_stack_size(bytes: usize);
        /// Accepted without effect: there is one thread.
        thread_keep_alive(duration: Duration);
        /// Accepted without effect: which task runs is the scheduler's decision.
        event_interval(ticks: u32);
        /// Accepted without effect: which task runs is the scheduler's decision.
        global_queue_interval(ticks: u32);
    }

    /// Builds the runtime.
    ///
    /// # Errors
    /// None today; a `Result` as in tokio.
    ///
    /// # Panics
    /// Inside of a run: only one loop runs at a time.
    #[track_caller]
    pub fn build(&mut self) -> io::Result<Runtime> {
        Ok(Runtime::build(self.strategy.source(self.seed), &self.limits, Location::caller()))
    }
}
