//! What a loop holds, counted.
//!
//! Always true: looking changes nothing; for a loop that has ended, or runs on another thread, there is nothing to count.

use std::time::Duration;

use crate::engine::{self, Engine, RunId};

/// A view of a loop, as
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

    /// Always 1.
    #[must_use]
    pub fn num_workers(&self) -> usize {
        1
    }

    /// How many spawned tasks have not ended.
    #[must_use]
    pub fn num_alive_tasks(&self) -> usize {
        self.count(Engine::unfinished_tasks)
    }

    /// How many spawned tasks are ready and wait for their turn.
    #[must_use]
    pub fn global_queue_depth(&self) -> usize {
        self.count(Engine::ready_tasks)
    }

    /// Always zero: no real time is looked at.
    ///
    /// # Panics
    /// For a worker other than 0.
    #[must_use]
    #[track_caller]
    pub fn worker_total_busy_duration(&self, worker: usize) -> Duration {
        assert_worker(worker);
        Duration::ZERO
    }

    /// Always 0: there is no thread to park.
    ///
    /// # Panics
    /// For a worker other than 0.
    #[must_use]
    #[track_caller]
    pub fn worker_park_count(&self, worker: usize) -> u64 {
        assert_worker(worker);
        0
    }

    /// Always 0: there is no thread to park.
    ///
    /// # Panics
    /// For a worker other than 0.
    #[must_use]
    #[track_caller]
    pub fn worker_park_unpark_count(&self, worker: usize) -> u64 {
        assert_worker(worker);
        0
    }

    /// How many timers are set. Timeloop's own.
    #[must_use]
    pub fn num_timers(&self) -> usize {
        self.count(|engine| engine.timers().0)
    }

    /// How many entries the timer queue holds, those that cancelled timers have left behind included.
    #[doc(hidden)]
    #[must_use]
    pub fn timer_entries(&self) -> usize {
        self.count(|engine| engine.timers().1)
    }
}

#[track_caller]
fn assert_worker(worker: usize) {
    assert!(worker == 0, "there is no worker {worker}: a loop has one, number 0");
}
