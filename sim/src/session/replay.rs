//! Replays the schedules of `TIMELOOP_REPLAY`. After a failing run, it makes others only to find the critical decision again.

use super::Session;
use crate::confirm;
use crate::console;
use crate::debugger;
use crate::exploration::{Found, FoundBy};
use crate::shrink::{self, Candidate};
use crate::{Difference, Ended, FailureKind, Schedule, report};

impl Session<'_> {
    /// Replays the schedules until one fails.
    pub(super) fn replay(&mut self, schedules: Vec<Schedule>) {
        for schedule in schedules {
            let ended = self.runner.run_loud(&schedule);
            if ended.failure.is_some() {
                let found = self.replay_failed(schedule, ended);
                self.finish(found);
                return;
            }
            let unapplied = match ended.unapplied {
                0 => String::new(),
                1 => "; it no longer applies: one of its decisions is not reached any more".to_owned(),
                count => {
                    format!("; it no longer applies: {count} of its decisions are not reached any more")
                }
            };
            self.note(format!("`{}` passed under the replayed schedule{unapplied}", self.runner.test));
            self.show_steps(report::REPLAYED_STEPS, &schedule, ended.record.as_deref());
        }
    }

    /// Creates the result for a replay that failed. If the schedule was shrunk, the result has the critical decision, as that of
    /// the exploration had.
    fn replay_failed(&mut self, schedule: Schedule, ended: Ended) -> Box<Found> {
        let failure = ended.failure.clone().expect("the replay failed");
        let trace_hash = ended.trace_hash;
        let candidate = match &schedule {
            Schedule::Deviations { randomness, deviations }
                if self.config.shrink_runs > 0
                    && ended.record.is_some()
                    && failure.kind != FailureKind::Escape
                    && !debugger::is_attached() =>
            {
                Candidate { randomness: *randomness, deviations: deviations.clone() }
            }
            _ => {
                let mut found = self.unshrunk(FoundBy::Replay, schedule, *failure, trace_hash);
                found.replayed = true;
                found.record = ended.record;
                return found;
            }
        };
        self.runner.note = Some(format!("the replayed schedule failed before: {failure}").into());
        if !self.config.silent {
            let test = self.runner.test;
            console::print_captured(&format!(
                "timeloop: `{test}`: the replayed run has ended; more runs search for the critical order\n"
            ));
        }
        self.plan.jobs = 1;
        self.make_baseline_run();
        let frequency = self.frequency(&ended, 0);
        let search = shrink::find_pair(&self.runner, &ended, &candidate, self.held_ns());
        let found = self.explained(FoundBy::Replay, (&schedule, &schedule), ended, &search, frequency);
        let found = if self.runner.outcomes().differ() {
            found.and_then(|_| Err(confirm::nondeterminism(Difference::End, Some(&failure))))
        } else {
            found
        };
        found.unwrap_or_else(|differ| self.unshrunk(FoundBy::Replay, schedule, *differ, trace_hash))
    }
}
