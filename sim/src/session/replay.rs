//! Replays the schedules of `TIMELOOP_REPLAY`, and nothing else.

use super::Session;
use crate::exploration::FoundBy;
use crate::{Schedule, report};

impl Session<'_> {
    /// Replays the schedules until one fails.
    pub(super) fn replay(&mut self, schedules: Vec<Schedule>) {
        for schedule in schedules {
            let ended = self.runner.run_loud(&schedule);
            let Some(failure) = ended.failure else {
                let unapplied = match ended.unapplied {
                    0 => String::new(),
                    1 => "; it no longer applies: one of its decisions is not reached any more".to_owned(),
                    count => {
                        format!("; it no longer applies: {count} of its decisions are not reached any more")
                    }
                };
                self.note(format!("`{}` passed under the replayed schedule{unapplied}", self.runner.test));
                self.show_steps(report::REPLAYED_STEPS, &schedule, ended.record.as_deref());
                continue;
            };
            let mut found = self.unshrunk(FoundBy::Replay, schedule, *failure, ended.trace_hash);
            found.replayed = true;
            found.record = ended.record;
            self.finish(found);
            return;
        }
    }
}
