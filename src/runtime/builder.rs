//! Building a [`Runtime`].
//!
//! # Invariants
//! Settings of threads and thread names are accepted without effect, so that code that configures tokio compiles
//! unchanged. The seed, the strategy and the limits are timeloop's own.

use std::io;
use std::panic::Location;
use std::time::Duration;

use timeloop_sim::{Limits, Seed, StrategySpec};

use super::owned_loop::{OwnedLoop, Recipe};
use super::{LocalOptions, LocalRuntime, Runtime};
use crate::engine::{Flavor, RuntimeSettings};
use crate::harness::program_limits;

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
    settings: RuntimeSettings,
    name: Option<String>,
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
    /// Creates a builder of a runtime whose tasks must not block in place. Timers and sockets are disabled.
    #[must_use]
    pub fn new_current_thread() -> Self {
        Self::of_flavor(Flavor::CurrentThread)
    }

    fn of_flavor(flavor: Flavor) -> Self {
        let settings = RuntimeSettings { flavor, time: false, io: false, ..RuntimeSettings::OF_RUN };
        Self { seed: Seed(0), strategy: StrategySpec::Random, limits: program_limits(), settings, name: None }
    }

    /// Creates a builder of a runtime with several workers, 4 by default. It has one thread all the same, and the
    /// scheduler interleaves its tasks as threads would. Timers and sockets are disabled.
    #[must_use]
    pub fn new_multi_thread() -> Self {
        Self::of_flavor(Flavor::MultiThread)
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

    /// Sets the limits of everything that the runtime runs. Default [`Limits::default`], but with 2,000,000 steps.
    pub fn limits(&mut self, limits: Limits) -> &mut Self {
        self.limits = limits;
        self
    }

    /// Enables timers and sockets.
    pub fn enable_all(&mut self) -> &mut Self {
        self.enable_io().enable_time()
    }

    /// Enables sockets.
    pub fn enable_io(&mut self) -> &mut Self {
        self.settings.io = true;
        self
    }

    /// Enables timers.
    pub fn enable_time(&mut self) -> &mut Self {
        self.settings.time = true;
        self
    }

    /// Sets whether the clock is paused at the start. Time is virtual in any case. While the clock is paused, it moves
    /// only when no task is ready, under all strategies.
    pub fn start_paused(&mut self, start_paused: bool) -> &mut Self {
        self.settings.start_paused = start_paused;
        self
    }

    /// Sets the number of workers that [`RuntimeMetrics`](super::RuntimeMetrics) returns. There is one thread all the
    /// same.
    ///
    /// # Panics
    /// If the number is 0.
    #[track_caller]
    pub fn worker_threads(&mut self, val: usize) -> &mut Self {
        assert!(val > 0, "Worker threads cannot be set to 0; use at least 1");
        self.settings.workers = u32::try_from(val).unwrap_or(u32::MAX);
        self
    }

    /// Accepted without effect: there is one thread.
    ///
    /// # Panics
    /// If the number is 0.
    #[track_caller]
    pub fn max_blocking_threads(&mut self, val: usize) -> &mut Self {
        assert!(val > 0, "Max blocking threads cannot be set to 0; use at least 1");
        self
    }

    /// Accepted without effect: the strategy decides which task runs next.
    ///
    /// # Panics
    /// If the number is 0.
    #[track_caller]
    pub fn event_interval(&mut self, val: u32) -> &mut Self {
        assert!(val > 0, "event_interval must be greater than 0");
        self
    }

    /// Accepted without effect: the strategy decides which task runs next.
    ///
    /// # Panics
    /// If the number is 0.
    #[track_caller]
    pub fn global_queue_interval(&mut self, val: u32) -> &mut Self {
        assert!(val > 0, "global_queue_interval must be greater than 0");
        self
    }

    /// Accepted without effect: there is no driver of real I/O.
    ///
    /// # Panics
    /// If the number is 0.
    #[track_caller]
    pub fn max_io_events_per_tick(&mut self, capacity: usize) -> &mut Self {
        assert!(capacity > 0, "max_io_events_per_tick must be non-zero");
        self
    }

    /// Accepted without effect: there is no driver of real I/O.
    ///
    /// # Panics
    /// If the number is 0.
    #[track_caller]
    pub fn max_io_events_per_busy_tick(&mut self, capacity: usize) -> &mut Self {
        assert!(capacity > 0, "max_io_events_per_busy_tick must be non-zero");
        self
    }

    /// Sets the name of the runtime, which [`Handle::name`](super::Handle::name) returns.
    ///
    /// # Panics
    /// If the name is empty or blank.
    #[track_caller]
    pub fn name(&mut self, val: impl Into<String>) -> &mut Self {
        let name = val.into();
        assert!(!name.trim().is_empty(), "a runtime's name shouldn't be empty");
        self.name = Some(name);
        self
    }

    accepted! {
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
        /// Accepted without effect: there is one thread.
        thread_stack_size(bytes: usize);
        /// Accepted without effect: there is one thread.
        thread_keep_alive(duration: Duration);
    }

    /// Builds the runtime.
    ///
    /// # Errors
    /// Never fails; the `Result` is tokio's signature.
    ///
    /// # Panics
    /// Inside of tokio's own runtime.
    #[track_caller]
    pub fn build(&mut self) -> io::Result<Runtime> {
        Ok(Runtime::of_loop(self.build_loop(self.settings, Location::caller())))
    }

    /// Builds a [`LocalRuntime`], in which `spawn_local` works everywhere.
    ///
    /// # Errors
    /// Never fails; the `Result` is tokio's signature.
    ///
    /// # Panics
    /// If the builder is one of a runtime with several workers.
    #[track_caller]
    pub fn build_local(&mut self, options: LocalOptions) -> io::Result<LocalRuntime> {
        let _ = options;
        assert!(
            self.settings.flavor != Flavor::MultiThread,
            "multi_thread is not supported for LocalRuntime; use `Builder::new_current_thread`"
        );
        let settings = RuntimeSettings { flavor: Flavor::Local, ..self.settings };
        Ok(LocalRuntime::of_loop(self.build_loop(settings, Location::caller())))
    }

    #[track_caller]
    fn build_loop(&self, settings: RuntimeSettings, built: &'static Location<'static>) -> OwnedLoop {
        OwnedLoop::build(Recipe {
            strategy: self.strategy,
            seed: self.seed,
            limits: self.limits.clone(),
            settings,
            name: self.name.as_deref().map(Into::into),
            built,
        })
    }
}
