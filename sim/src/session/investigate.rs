//! Investigates a failing schedule: confirms, shrinks and replays it, writes the report, and stores the schedule.

use super::{Session, lists_all_steps};
use crate::confirm::{self, Confirmed, Seen};
use crate::console::shown;
use crate::critical;
use crate::critical::check_runs;
use crate::exploration::{Found, FoundBy};
use crate::profile::SeedContext;
use crate::progress::Phase;
use crate::report::not_shrunk;
use crate::runner::RECORDED_STEPS_MAX;
use crate::shrink::{self, PairSearch, Shrunk};
use crate::sweep::{self, Frequency, Plan};
use crate::{Detail, Deviation, Difference, Ended, Failure, FailureKind, Schedule, StrategySpec, report};

/// Why there is no shrunk schedule.
enum NotShrunk {
    /// The reason, as a sentence for the report.
    Because(String),
    /// Its runs differ.
    Nondeterminism,
}

impl Session<'_> {
    /// Investigates `schedule`, under which the run `seen` has failed, after `tried` other schedules.
    pub(super) fn investigate(&mut self, by: FoundBy, schedule: Schedule, seen: &Seen<'_>, tried: u64) {
        self.runner.note =
            Some(format!("a failure was found before: {}", self.runner.test.replay_line(&schedule)).into());
        let confirmed = match confirm::confirm(&self.runner, &schedule, seen) {
            Confirmed::Same(ended) => ended,
            Confirmed::Differs(failure) => {
                let mut found = self.unshrunk(by, schedule, *failure, seen.trace_hash);
                // An escape explains why two runs differ.
                if let Some(escape) = seen.failure.filter(|failure| failure.kind == FailureKind::Escape) {
                    found.failure = escape.clone();
                    found.fingerprint = escape.fingerprint();
                    found.not_shrunk = Some(not_shrunk::ESCAPED.to_owned());
                }
                self.finish(found);
                return;
            }
        };
        if self.counted.is_none() {
            self.make_baseline_run();
        }
        let frequency = self.frequency(&confirmed, tried);
        let trace_hash = confirmed.trace_hash;
        let failure = confirmed.failure.clone().expect("a failing run was confirmed");
        let stored = schedule.deviations().filter(|_| matches!(by, FoundBy::Regression { .. }));
        let mut found = match self.shrink(&schedule, &confirmed, stored) {
            Ok(shrunk) => self.replayed(by, schedule, &confirmed, shrunk, frequency),
            Err(NotShrunk::Nondeterminism) => {
                let failure = confirm::nondeterminism(Difference::Unknown, Some(&failure));
                self.unshrunk(by, schedule, *failure, trace_hash)
            }
            Err(NotShrunk::Because(why)) => {
                let mut found = self.unshrunk(by, schedule, (*failure).clone(), trace_hash);
                found.replayed = found.failure.kind != FailureKind::Escape;
                found.record = confirmed.record;
                found.frequency = frequency;
                found.not_shrunk = Some(why);
                found
            }
        };
        if self.runner.outcomes().differ() && found.failure.kind != FailureKind::Nondeterminism {
            let failure = confirm::nondeterminism(Difference::End, Some(&failure));
            found = self.unshrunk(found.by, found.schedule, *failure, trace_hash);
        }
        if found.replayed {
            self.remember(&mut found);
        }
        self.finish(found);
    }

    /// Writes the report and ends the exploration with `found`.
    pub(super) fn finish(&mut self, mut found: Box<Found>) {
        found.report = report::write(self.runner.test, &found, lists_all_steps(&self.settings));
        self.exploration.found = Some(found);
    }

    /// Counts how often the test fails, and in how many runs as the run `confirmed` did.
    pub(super) fn frequency(&self, confirmed: &Ended, tried: u64) -> Frequency {
        if let Some(counted) = &self.counted {
            return counted.clone();
        }
        if let StrategySpec::Exhaustive { .. } = self.plan.context.strategy {
            // An exhaustive search has no seeds to sample.
            return Frequency::default();
        }
        let failure = confirmed.failure.as_ref().expect("only failing runs are counted");
        let plan = Plan { first: tried, ..self.plan.clone() };
        let mut frequency = sweep::frequency(&self.runner, &plan, failure);
        frequency.tried += tried;
        frequency.failing += u64::from(tried > 0);
        if let Some(baseline) = &self.baseline {
            frequency.tried += 1;
            frequency.failing += u64::from(baseline.failure.is_some());
        }
        frequency
    }

    /// Shrinks `schedule`.
    fn shrink(
        &self,
        schedule: &Schedule,
        confirmed: &Ended,
        stored: Option<&[Deviation]>,
    ) -> Result<Shrunk, NotShrunk> {
        if confirmed.failure.as_ref().is_some_and(|failure| failure.kind == FailureKind::Escape) {
            return Err(NotShrunk::Because(not_shrunk::ESCAPED.to_owned()));
        }
        if confirmed.record.is_none() {
            let why = not_shrunk::too_long(confirmed.steps, RECORDED_STEPS_MAX);
            return Err(NotShrunk::Because(why));
        }
        let runs_max = self.config.shrink_runs;
        let throttle = self.throttle(Phase::Shrinking, runs_max);
        shrink::shrink(&self.runner, confirmed, schedule, self.held_ns(), stored, runs_max, &|runs| {
            throttle.report(runs)
        })
        .map_err(|why| match why {
            shrink::NotShrunk::Differs if !check_runs::repeats(&self.runner, schedule, confirmed) => {
                NotShrunk::Nondeterminism
            }
            why => NotShrunk::Because(not_shrunk::why(why).to_owned()),
        })
    }

    /// Returns the virtual time for less than which the runs of this exploration can hold a ready task back; 0 if they can't.
    pub(super) fn held_ns(&self) -> u64 {
        let instants = if self.stalls.are_possible() { u32::MAX } else { 0 };
        let SeedContext { strategy, profile } = &self.plan.context;
        strategy.held_ns(instants, profile.stall_ns())
    }

    /// Replays the shrunk schedule from its token, with everything that a report needs.
    fn replayed(
        &self,
        by: FoundBy,
        schedule: Schedule,
        confirmed: &Ended,
        shrunk: Shrunk,
        frequency: Frequency,
    ) -> Box<Found> {
        let small = shrunk.candidate.schedule();
        let token = small.to_token(self.runner.test.as_str());
        let lean = self.runner.run(&small, Detail::Lean);
        let read_back = Schedule::from_token(&token, self.runner.test.as_str());
        let read_back = read_back.expect("a token that was just made can be read");
        let ended = self.runner.run_explained(&read_back, lean.steps);
        let same = ended.trace_hash == lean.trace_hash
            && lean.lean_fingerprint() == confirmed.lean_fingerprint()
            && ended.fingerprint() == confirmed.fingerprint();
        if !same {
            let seen = Seen {
                failure: confirmed.failure.as_deref(),
                trace_hash: lean.trace_hash,
                steps: lean.steps.max(ended.steps),
            };
            let failure = match confirm::confirm(&self.runner, &small, &seen) {
                Confirmed::Differs(failure) => failure,
                // The schedule differs only with full recording.
                Confirmed::Same(again) => confirm::difference(&again, &ended, seen.failure),
            };
            return self.unshrunk(by, schedule, *failure, lean.trace_hash);
        }
        match self.explained(by.clone(), (&schedule, &small), ended, &shrunk.critical, frequency) {
            Ok(found) => Box::new(Found {
                deviations_before: Some(shrunk.deviations_before),
                shrink_runs: shrunk.runs,
                shrink_ended_by: shrunk.ended_by,
                ..*found
            }),
            Err(failure) => self.unshrunk(by, schedule, *failure, lean.trace_hash),
        }
    }

    /// Creates the result for `ended`, the failing run of the second schedule, to which the first one was shrunk. It has the
    /// critical decision, and no report yet.
    ///
    /// # Errors
    /// When the check of the critical decision shows that runs of one schedule differ.
    pub(super) fn explained(
        &self,
        by: FoundBy,
        (schedule, small): (&Schedule, &Schedule),
        ended: Ended,
        search: &PairSearch,
        frequency: Frequency,
    ) -> Result<Box<Found>, Box<Failure>> {
        let failure = ended.failure.expect("only failing runs are explained");
        let pair = ended.record.as_deref().zip(search.found.as_ref());
        let critical = pair.map_or(Ok(None), |(record, pair)| {
            critical::explain(&self.runner, pair, &failure, (small, record, ended.steps))
        })?;
        // Where most schedules fail, the change is a rescue, not the cause.
        let (critical, rescue) = if frequency.is_usual() {
            (None, critical.filter(|critical| critical.otherwise.is_none()))
        } else {
            (critical, None)
        };
        Ok(Box::new(Found {
            shrunk: small.clone(),
            token: small.to_token(self.runner.test.as_str()),
            critical,
            rescue,
            critical_tried: search.rejected,
            frequency,
            replayed: true,
            record: ended.record,
            ..*self.unshrunk(by, schedule.clone(), *failure, ended.trace_hash)
        }))
    }

    /// Creates a result with the original schedule, which was not shrunk, and without a report.
    pub(super) fn unshrunk(
        &self,
        by: FoundBy,
        schedule: Schedule,
        failure: Failure,
        trace_hash: u64,
    ) -> Box<Found> {
        Box::new(Found {
            fingerprint: failure.fingerprint(),
            failure,
            by,
            input: None,
            shrunk: schedule.clone(),
            token: schedule.to_token(self.runner.test.as_str()),
            schedule,
            replayed: false,
            critical: None,
            rescue: None,
            critical_tried: 0,
            not_shrunk: None,
            trace_hash,
            frequency: Frequency::default(),
            deviations_before: None,
            shrink_runs: 0,
            shrink_ended_by: None,
            record: None,
            stored: None,
            report: String::new(),
        })
    }

    /// Stores the schedule in the regression file, unless it came from there or needs no storing.
    fn remember(&self, found: &mut Found) {
        let Some(regressions) = &self.regressions else { return };
        // The baseline run is always made first, so it need not be stored.
        if matches!(
            found.by,
            FoundBy::Regression { .. } | FoundBy::Baseline | FoundBy::Given | FoundBy::Case { .. }
        ) {
            return;
        }
        let path = shown(regressions.path());
        if self.settings.ci {
            found.stored = Some(report::NOT_STORED_IN_CI.to_owned());
            return;
        }
        let stored = regressions.append(&found.shrunk, &found.headline());
        found.stored = Some(match &self.settings.regressions {
            // Not in a folder that is under version control, as far as is known.
            Some(_) if stored.is_ok() => report::stored_there(&path),
            _ => report::stored_text(&path, &stored),
        });
    }
}
