//! The bounds of a run: [`Limits`].

use std::time::Duration;

use crate::watchdog::STUCK_AFTER;

/// The bounds of a run. Each failure caused by one names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The maximum number of steps of a run. Default 200,000. A run of at most 2,000,000 steps can be recorded, shrunk and
    /// reported in full.
    pub max_steps: u64,
    /// The maximum number of steps at one instant of virtual time, beyond which the run counts as a livelock. Default
    /// 100,000. It also bounds the operations on locks, channels and the like at one instant: each allowed step allows
    /// [`OPERATIONS_PER_POLL`](Self::OPERATIONS_PER_POLL) of them. If very many tasks are alive, both limits are higher.
    pub max_polls_per_instant: u64,
    /// The maximum virtual time of a run. Default 100 years.
    pub max_virtual_time: Duration,
    /// The maximum number of tasks alive at one time. Default, and at most, 16,000,000.
    pub max_tasks: u32,
    /// How long one poll may run, or be blocked, before the process is aborted; zero switches the watchdog off. Default 10 s.
    ///
    /// On Linux and Android this is the CPU time of the poll's thread plus the real time for which the thread is blocked. The time
    /// for which it waits for a core is not counted, so a busy machine causes no false alarm. On other platforms it is real time.
    pub stuck_after: Duration,
    /// The virtual wall clock at the run's start, as time since the Unix epoch. Default 2026-01-01T00:00:00Z.
    pub epoch: Duration,
}

impl Limits {
    /// How many operations at one instant [`max_polls_per_instant`](Self::max_polls_per_instant) allows for each step.
    pub const OPERATIONS_PER_POLL: u64 = 4;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_steps: 200_000,
            max_polls_per_instant: 100_000,
            max_virtual_time: Duration::from_secs(100 * 365 * 24 * 60 * 60),
            max_tasks: 16_000_000,
            stuck_after: STUCK_AFTER,
            epoch: Duration::from_secs(1_767_225_600),
        }
    }
}
