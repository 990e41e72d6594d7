//! The last lines of a report: how the failure was found, where it is stored, and how to replay it.

use std::fmt::Write as _;
use std::path::Path;

use crate::text::{counted, grouped, times, wrap};
use crate::{Found, FoundBy, RegressionError, Schedule, StopReason, TestName};

/// Writes the lines; the replay line comes last.
pub(super) fn write(text: &mut String, test: &TestName, found: &Found) {
    text.push('\n');
    let mut line = |name: &str, value: &str| wrap(text, &format!("{name:<11}"), &" ".repeat(11), value);
    match &found.by {
        FoundBy::Baseline => line("found by", "the baseline run (FIFO order)"),
        FoundBy::Seed { index, seed } => {
            let strategy = match &found.schedule {
                Schedule::Seeded { strategy, .. } => format!(", strategy `{strategy}`"),
                Schedule::Deviations { .. } => String::new(),
            };
            let run = grouped(index + 1);
            line(
                "found by",
                &format!("seed {seed} (run {run}{strategy}); TIMELOOP_SEED={seed} tries it first"),
            );
        }
        FoundBy::Search { number } => {
            line("found by", &format!("exhaustive search (schedule {})", grouped(*number)));
        }
        FoundBy::Regression { path, line: number } => {
            line("found by", &format!("the stored schedule at {}:{number}", path.display()));
        }
        FoundBy::Given => {
            if let Schedule::Seeded { seed, strategy, .. } = &found.schedule {
                line("found by", &format!("seed {seed}, strategy `{strategy}`"));
            }
        }
        FoundBy::Case { index, seed } => {
            let case = grouped(index + 1);
            line("found by", &format!("seed {seed} (case {case}); TIMELOOP_SEED={seed} tries it first"));
        }
        FoundBy::Replay => {}
    }
    if let Some(before) = found.deviations_before.filter(|before| *before > 0) {
        let ended_by = match found.shrink_ended_by {
            None => "",
            Some(StopReason::Runs) => "; stopped at the limit on runs (`shrink_runs`)",
            Some(StopReason::Steps) => "; stopped at the limit on steps",
        };
        let after = found.deviations_after().unwrap_or_default() as u64;
        let [before, runs] = [before as u64, found.shrink_runs];
        let result = if before == after {
            format!(
                "no shorter failing schedule found in {} ({})",
                counted(runs, "run"),
                counted(after, "deviation")
            )
        } else {
            format!("from {} to {} in {}", counted(before, "deviation"), grouped(after), counted(runs, "run"))
        };
        line("shrunk", &format!("{result}{ended_by}"));
    }
    for other in &found.frequency.others {
        let times = times(other.count);
        let another = if other.kind == found.failure.kind { "another " } else { "" };
        line("also seen", &format!("{another}{}: {times}, first with seed {}", other.kind, other.seed));
    }
    if let Some(stored) = &found.stored {
        line("stored", stored);
    }
    // Not wrapped, so that it can be copied.
    let again = match &found.by {
        // A token holds the schedule but not the input.
        FoundBy::Case { seed, .. } if found.stored.is_none() => {
            format!("TIMELOOP_SEED={seed} {}", test.command())
        }
        _ => test.replay_line(&found.shrunk),
    };
    let _ = writeln!(text, "replay     {again}");
}

/// Says where a schedule was stored, or why it was not.
pub fn stored_text<T>(path: &Path, result: &Result<T, RegressionError>) -> String {
    match result {
        Ok(_) => format!("{}; commit it", stored_there(path)),
        Err(error) => format!("no: {error}"),
    }
}

/// Says where a schedule was stored.
pub(crate) fn stored_there(path: &Path) -> String {
    format!("{}, replayed first from now on", path.display())
}

/// Says that nothing is stored where `CI` is set.
pub(crate) const NOT_STORED_IN_CI: &str = "no, because `CI` is set; run the test locally to store it";
