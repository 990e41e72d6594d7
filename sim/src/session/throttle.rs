//! [`Throttle`]: reports progress a few times a second.

use std::cell::Cell;
use std::time::Duration;

use crate::config::Config;
use crate::console;
use crate::environment::{Log, Settings};
use crate::progress::{Phase, Progress};
use crate::stopwatch::Stopwatch;

/// Reports progress to the callback at most every 100 ms, and to standard error at most once a second.
pub(super) struct Throttle<'a> {
    config: &'a Config,
    logs: bool,
    phase: Phase,
    of: u64,
    clock: Stopwatch,
    /// The times of the last callback and of the last printed line.
    last: Cell<(Duration, Duration)>,
}

impl<'a> Throttle<'a> {
    pub(super) fn new(config: &'a Config, settings: &Settings, phase: Phase, of: u64) -> Self {
        let logs = !config.silent && settings.log.is_some_and(|log| log >= Log::Progress);
        Self { config, logs, phase, of, clock: Stopwatch::start(), last: Cell::default() }
    }

    pub(super) fn report(&self, runs: u64) {
        if !self.logs && self.config.progress.is_none() {
            return;
        }
        let now = self.clock.elapsed();
        let (mut called, mut logged) = self.last.get();
        let progress = Progress { phase: self.phase, runs, of: self.of };
        if let Some(callback) = &self.config.progress
            && now >= called + Duration::from_millis(100)
        {
            called = now;
            callback.call(&progress);
        }
        if self.logs && now >= logged + Duration::from_secs(1) {
            logged = now;
            let doing = match self.phase {
                Phase::Exploring => "explored",
                Phase::Shrinking => "shrinking, made",
            };
            let (runs, of) = (crate::grouped(runs), crate::grouped(self.of));
            console::print(&format!("timeloop: `{}`: {doing} {runs} of {of} runs\n", self.config.test));
        }
        self.last.set((called, logged));
    }
}
