//! Passing on progress a few times a second.

use std::cell::Cell;
use std::time::Duration;

use crate::config::Config;
use crate::console;
use crate::environment::{Log, Settings};
use crate::progress::{Phase, Progress};
use crate::stopwatch::Stopwatch;

/// Passes on progress, to the callback and to the person who waits.
pub(super) struct Throttle<'a> {
    config: &'a Config,
    logs: bool,
    phase: Phase,
    of: u64,
    clock: Stopwatch,
    /// When the callback was called last, and when a line was printed last.
    last: Cell<(Duration, Duration)>,
}

impl<'a> Throttle<'a> {
    pub(super) fn new(config: &'a Config, settings: &Settings, phase: Phase, of: u64) -> Self {
        let logs = !config.silent && settings.log.is_some_and(|log| log >= Log::Progress);
        Self { config, logs, phase, of, clock: Stopwatch::start(), last: Cell::default() }
    }

    pub(super) fn tell(&self, runs: u64) {
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
            let [runs, of] = [runs, self.of].map(crate::grouped);
            console::print(&format!("timeloop: `{}`: {doing} {runs} of {of} runs\n", self.config.test));
        }
        self.last.set((called, logged));
    }
}
