//! Building a [`Runtime`].
//!
//! # Invariants
//! Settings of threads, drivers and thread names are accepted without effect, so that code that configures tokio
//! compiles unchanged. The seed, the strategy and the limits are timeloop's own.

use std::io;
use std::panic::Location;
use std::time::Duration;

use timeloop_sim::{Limits, Seed, StrategySpec};

use super::Runtime;

/// Builds a [`Runtime`], as [`tokio::runtime::Builder`](https://docs.rs/tokio/1/tokio/runtime/struct.Builder.html)
/// does.
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
    /// Creates a builder. Equivalent to [`new_multi_thread`](Self::new_multi_thread) here.
    #[must_use]
    pub fn new_current_thread() -> Self {
        Self { seed: Seed(0), strategy: StrategySpec::Random, limits: Limits::default() }
    }

    /// Creates a builder. The runtime has one thread all the same, and the scheduler interleaves its tasks as threads
    /// would.
    #[must_use]
    pub fn new_multi_thread() -> Self {
        Self::new_current_thread()
    }

    /// Sets the seed of every decision. Default 0.
    pub fn seed(&mut self, seed: impl Into<Seed>) -> &mut Self {
        self.seed = seed.into();
        self
    }

    /// Sets the strategy that decides which task runs next. Default [`StrategySpec::Random`].
    ///
    /// A runtime makes no baseline run from which a strategy could estimate its parameters, so strategies that need
    /// estimates perform worst here.
    pub fn strategy(&mut self, strategy: StrategySpec) -> &mut Self {
        self.strategy = strategy;
        self
    }

    /// Sets the limits of everything that the runtime runs.
    pub fn limits(&mut self, limits: Limits) -> &mut Self {
        self.limits = limits;
        self
    }

    accepted! {
        /// Accepted without effect: everything is enabled.
        enable_all();
        /// Accepted without effect: everything is enabled.
        enable_io();
        /// Accepted without effect: time is always enabled.
        enable_time();
        /// Accepted without effect: time is always virtual.
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
        /// Accepted without effect: there is no driver of real I/O.
        max_io_events_per_tick(events: usize);
        /// Accepted without effect: there is no driver of real I/O.
        max_io_events_per_busy_tick(events: usize);
        /// Accepted without effect: there is one thread.
        thread_stack_size(bytes: usize);
        /// Accepted without effect: there is one thread.
        thread_keep_alive(duration: Duration);
        /// Accepted without effect: the strategy decides which task runs next.
        event_interval(ticks: u32);
        /// Accepted without effect: the strategy decides which task runs next.
        global_queue_interval(ticks: u32);
    }

    /// Builds the runtime.
    ///
    /// # Errors
    /// Never fails; the `Result` is tokio's signature.
    ///
    /// # Panics
    /// Inside a run, because a thread runs one loop at a time.
    #[track_caller]
    pub fn build(&mut self) -> io::Result<Runtime> {
        Ok(Runtime::build(self.strategy.source(self.seed), &self.limits, Location::caller()))
    }
}
