//! Counts of a loop's tasks and timers.
//!
//! # Invariants
//! Reading metrics changes nothing. All counts are 0 if the loop has ended or belongs to another thread.

use std::time::Duration;

use crate::engine::{self, Engine, RunId};

/// A view of a loop's counts, as
/// [`tokio::runtime::RuntimeMetrics`](https://docs.rs/tokio/1/tokio/runtime/struct.RuntimeMetrics.html).
///
/// ```
/// use timeloop::runtime::Handle;
/// use timeloop::time::{Duration, sleep, timeout};
///
/// timeloop::run(0, || async {
///     let metrics = Handle::current().metrics();
///     for _ in 0..1000 {
///         // The timer of a timeout that did not fire is gone.
///         timeout(Duration::from_secs(60), async {}).await.unwrap();
///     }
///     assert_eq!(metrics.num_timers(), 0);
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
#[derive(Clone, Debug)]
pub struct RuntimeMetrics {
    run: RunId,
}

impl RuntimeMetrics {
    pub(super) fn new(run: RunId) -> Self {
        Self { run }
    }

    fn count(&self, count: impl FnOnce(&Engine) -> usize) -> usize {
        engine::of_run(self.run, count).unwrap_or(0)
    }

    /// Returns the number of workers that the builder or the attribute asked for: 1 for a current thread, 4 for several
    /// threads by default. There is one thread all the same.
    #[must_use]
    pub fn num_workers(&self) -> usize {
        self.count(|engine| engine.settings.workers() as usize)
    }

    /// Returns the number of spawned tasks that have not ended.
    #[must_use]
    pub fn num_alive_tasks(&self) -> usize {
        self.count(Engine::unfinished_tasks)
    }

    /// Returns the number of spawned tasks that are ready to run.
    #[must_use]
    pub fn global_queue_depth(&self) -> usize {
        self.count(Engine::ready_tasks)
    }

    /// Returns zero: no real time is measured.
    ///
    /// # Panics
    /// If there is no such worker.
    #[must_use]
    #[track_caller]
    pub fn worker_total_busy_duration(&self, worker: usize) -> Duration {
        self.assert_worker(worker);
        Duration::ZERO
    }

    /// Returns 0: there is no thread to park.
    ///
    /// # Panics
    /// If there is no such worker.
    #[must_use]
    #[track_caller]
    pub fn worker_park_count(&self, worker: usize) -> u64 {
        self.assert_worker(worker);
        0
    }

    /// Returns 0: there is no thread to park.
    ///
    /// # Panics
    /// If there is no such worker.
    #[must_use]
    #[track_caller]
    pub fn worker_park_unpark_count(&self, worker: usize) -> u64 {
        self.assert_worker(worker);
        0
    }

    /// Returns the number of timers that are set. Not part of tokio's interface.
    #[must_use]
    pub fn num_timers(&self) -> usize {
        self.count(|engine| engine.timers().0)
    }

    /// Returns the number of entries in the timer queue, including those left by cancelled timers.
    #[doc(hidden)]
    #[must_use]
    pub fn timer_entries(&self) -> usize {
        self.count(|engine| engine.timers().1)
    }

    #[track_caller]
    fn assert_worker(&self, worker: usize) {
        let workers = self.num_workers();
        assert!(worker < workers, "no worker {worker}: the runtime has {workers}, and the first is number 0");
    }
}
