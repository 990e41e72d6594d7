//! Tries schedules until one fails: the stored ones, the baseline run, and then seeds or an exhaustive search.

use std::sync::Arc;

use super::Session;
use crate::confirm::{self, Seen};
use crate::console::shown;
use crate::coverage::{RECORDED_RUNS, RECORDED_STEPS_MAX};
use crate::exploration::FoundBy;
use crate::progress::Phase;
use crate::run_mode::ExploreError;
use crate::{Detail, FailureKind, Schedule, StrategySpec, report, sweep};

impl Session<'_> {
    pub(super) fn explore(&mut self) {
        if self.try_stored() {
            return;
        }
        self.make_baseline_run();
        if let Some(baseline) = &self.baseline
            && let Some(failure) = baseline.failure.clone()
        {
            let seen =
                Seen { failure: Some(&failure), trace_hash: baseline.trace_hash, steps: baseline.steps };
            self.investigate(FoundBy::Baseline, Schedule::baseline(), &seen, 0);
            return;
        }
        if let Some(runs) = self.settings.check
            && let Some((seed, failure)) =
                confirm::check(&self.runner, self.plan.base, &self.plan.context, runs)
        {
            let by = FoundBy::Seed { index: seed.0.wrapping_sub(self.plan.base.0), seed };
            let schedule = self.plan.context.schedule(seed);
            self.finish(self.unshrunk(by, schedule, *failure, 0));
            return;
        }
        if let StrategySpec::Exhaustive { bound } = self.plan.context.strategy {
            self.search(bound);
            return;
        }
        let throttle = self.throttle(Phase::Exploring, self.plan.runs);
        if self.records_runs() && self.baseline.as_ref().is_none_or(|run| run.steps <= RECORDED_STEPS_MAX) {
            self.plan.record_one_of = Some(self.plan.runs.div_ceil(RECORDED_RUNS));
        }
        let swept = sweep::sweep(&self.runner, &self.plan, &|runs| throttle.report(runs));
        self.exploration.runs = swept.runs;
        self.exploration.steps = swept.steps;
        self.exploration.digest = swept.digest;
        self.covered.merge(swept.covered);
        self.exploration.coverage = std::mem::take(&mut self.covered).coverage();
        if let Some(first) = swept.failure {
            let by = FoundBy::Seed { index: first.index, seed: first.seed };
            let schedule = self.plan.context.schedule(first.seed);
            let opening = match &self.baseline {
                Some(baseline) => Some((Schedule::baseline(), baseline.trace_hash)),
                None => swept.opening.map(|(seed, hash)| (self.plan.context.schedule(seed), hash)),
            };
            let leftover_state = opening
                .filter(|_| first.failure.kind != FailureKind::Escape)
                .and_then(|opening| confirm::check_leftover_state(&self.runner, &opening, &first.failure));
            if let Some(failure) = leftover_state {
                self.finish(self.unshrunk(by, schedule, *failure, first.trace_hash));
                return;
            }
            let seen =
                Seen { failure: Some(&first.failure), trace_hash: first.trace_hash, steps: first.steps };
            self.investigate(by, schedule, &seen, swept.runs);
            return;
        }
        // A single run is not expected to differ, nor are runs in FIFO order.
        if swept.runs > 1 && self.plan.context.strategy != StrategySpec::Fifo {
            let notes = report::nothing_differed(&self.exploration, self.plan.context.profile.tasks());
            notes.into_iter().for_each(|note| self.note(note));
        }
    }

    /// Makes the baseline run, which provides the estimates of strategies, unless it has been made or is not needed.
    pub(super) fn make_baseline_run(&mut self) {
        let is_needed = match self.plan.context.strategy {
            // Its runs differ only in random choices.
            StrategySpec::Fifo => false,
            // `random` needs no estimates, so a single run is made alone.
            StrategySpec::Random => self.plan.runs > 1,
            _ => true,
        };
        if !is_needed || self.baseline.is_some() {
            return;
        }
        let detail = if self.records_runs() { Detail::Record } else { Detail::Lean };
        let (mut ended, profile) = self.runner.baseline(detail);
        self.covered.add(0, &ended);
        ended.record = None;
        self.baseline = Some(ended);
        let profile = profile.with_stalls(self.stalls);
        let profile = if self.varies_io() { profile } else { profile.without_varied_io() };
        self.plan.context.profile = Arc::new(profile);
        self.exploration.baseline_run = true;
    }

    /// Returns whether reads and writes may be short, and lookups slow.
    fn varies_io(&self) -> bool {
        self.settings.single(self.config.test.as_str()).varied_io.unwrap_or(self.config.varied_io)
    }

    /// Tries the stored schedules. Returns whether one of them fails.
    fn try_stored(&mut self) -> bool {
        let Some(regressions) = self.regressions.clone() else { return false };
        let loaded = match regressions.load() {
            Ok(loaded) => loaded,
            Err(error) => {
                self.exploration.error = Some(ExploreError::Regressions(vec![error]));
                return false;
            }
        };
        if !loaded.problems.is_empty() {
            self.exploration.error = Some(ExploreError::Regressions(loaded.problems));
        }
        for stored in loaded.schedules {
            let forbidden = if !self.stalls.are_possible() && stored.schedule.stalls() {
                Some(("lets virtual time advance while a task is ready", "stalls"))
            } else if !self.varies_io() && stored.schedule.varies_io() {
                Some(("makes reads or writes short, or lookups slow", "varied_io"))
            } else {
                None
            };
            if let Some((what, setting)) = forbidden {
                self.note(format!(
                    "{}:{}: the schedule was skipped, because it {what}, and `{setting} = false` forbids that; delete the \
                     schedule if you keep that setting",
                    shown(regressions.path()).display(),
                    stored.line,
                ));
                continue;
            }
            let ended = self.runner.run(&stored.schedule, Detail::Lean);
            if let Some(failure) = &ended.failure {
                let by = FoundBy::Regression { path: shown(regressions.path()), line: stored.line };
                let seen = Seen { failure: Some(failure), trace_hash: ended.trace_hash, steps: ended.steps };
                self.investigate(by, stored.schedule, &seen, 0);
                return true;
            }
            if ended.unapplied > 0 {
                self.note(format!(
                    "{}:{}: the schedule no longer applies: {} of its decisions {} not reached any more, and the test \
                     passes under it; delete it if the code has changed for good",
                    shown(regressions.path()).display(),
                    stored.line,
                    ended.unapplied,
                    if ended.unapplied == 1 { "is" } else { "are" },
                ));
            }
        }
        false
    }
}
