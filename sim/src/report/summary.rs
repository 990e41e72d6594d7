//! What a passing exploration covered: the table of `TIMELOOP_LOG=summary`, and the notes about runs that tested nothing.

use std::fmt::Write as _;

use crate::text::{Nth, counted, grouped, times};
use crate::{BranchCoverage, BranchKind, Coverage, Exploration};

impl Coverage {
    /// Renders a table, with a line for each thing that the runs had.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = String::new();
        let line = |text: &mut String, name: &str, value: &str| {
            let _ = writeln!(text, "  {name:<18} {value}");
        };
        line(&mut text, "distinct schedules", &grouped(self.distinct_schedules));
        if self.recorded_runs > 0 {
            let pairs = match self.racing_pairs {
                0 => "none".to_owned(),
                pairs => {
                    format!("{}, {} in both orders", grouped(pairs), grouped(self.racing_pairs_both_ways))
                }
            };
            line(
                &mut text,
                "racing pairs",
                &format!("{pairs} (in {})", counted(self.recorded_runs, "recorded run")),
            );
        }
        for BranchCoverage { kind, site, completed } in &self.branches {
            let times = |count: u64| if count == 0 { "never".to_owned() } else { times(count) };
            let counts = completed.iter().copied().map(times);
            let (what, counts) = match kind {
                BranchKind::Timeout => {
                    let names = ["completes", "expires"].into_iter();
                    ("timeout", names.zip(counts).map(|(name, count)| format!("{name} {count}")).collect())
                }
                BranchKind::Select => {
                    let numbered =
                        (0..).zip(counts).map(|(number, count)| format!("{} branch {count}", Nth(number)));
                    ("`select!`", numbered.collect::<Vec<_>>())
                }
            };
            let _ = writeln!(text, "  {what} at {site}: {}", counts.join(", "));
        }
        let faults = self.faults;
        if faults.planned > 0 {
            let (planned, begun, hits) =
                (grouped(faults.planned), grouped(faults.begun), grouped(faults.hits()));
            line(&mut text, "faults", &format!("{planned} planned, {begun} begun, {hits} while a task ran"));
        }
        text
    }
}

/// Renders the table of an exploration that passed.
pub(crate) fn summary(exploration: &Exploration) -> String {
    format!("\n{}{}", exploration.report(), exploration.coverage.table())
}

/// Returns a note about each thing that could not have differed between the runs. `tasks` is the number of tasks of the baseline
/// run.
pub(crate) fn nothing_differed(exploration: &Exploration, tasks: u32) -> Vec<String> {
    let Exploration { test, coverage, .. } = exploration;
    let schedules = counted(exploration.schedules(), "run");
    let mut notes = Vec::new();
    if coverage.distinct_schedules == 1 {
        let why = match tasks {
            0 | 1 => "the test has a single task",
            _ => "no two of its tasks were ready at the same time",
        };
        notes.push(format!(
            "`{test}` passed, but all {schedules} took the same steps: {why}, and nothing else depends on the schedule. One run \
             would test as much: set `runs = 1`, which also silences this note"
        ));
    }
    let faults = coverage.faults;
    if faults.planned > 0 && faults.hits() == 0 {
        let faults_of_plans =
            format!("{} of its fault plans in {schedules}", counted(faults.planned, "fault"));
        let what = match faults.begun {
            0 => format!("none of the {faults_of_plans} began before the test ended"),
            _ => format!("no task ran during any of the {faults_of_plans}"),
        };
        notes.push(format!(
            "`{test}` passed, but {what}. Shorten the plan, or keep the work running until it ends"
        ));
    }
    notes
}
