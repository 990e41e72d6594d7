//! The report of a failure, for someone woken at night.
//!
//! Always true: what failed comes first, how to see it again comes last; no line is wider than [`WIDTH`](text::WIDTH) unless a path,
//! a command or the code's own words make it so; nothing in it depends on the machine or on when it was made.

mod critical;
mod failure;
mod steps;
mod story;
mod world;

use std::fmt::Write as _;

use crate::text::{Nanos, counted, grouped, wrap};
use crate::{Domain, FailureKind, Found, FoundBy, Schedule, Seed, StopReason, TestName};

/// A schedule of more deviations than this is not told: no one would read it.
const SENTENCES_MAX: usize = 24;

/// What is said of a run in which time passed while a task was ready.
const STALLED: &str = "Time passed while a task was ready, as it does on a busy machine; `stalls = false` keeps it from doing \
                       so, where a test counts on exact times.";

/// Writes the report of what was found.
pub(crate) fn write(test: &TestName, found: &Found, all_steps: bool) -> String {
    let mut text = String::new();
    header(&mut text, test, found);
    input(&mut text, found);
    told(&mut text, found);
    last_steps(&mut text, found, all_steps);
    again(&mut text, test, found);
    text
}

fn header(text: &mut String, test: &TestName, found: &Found) {
    let failure = &found.failure;
    let frequency = &found.frequency;
    let how_often = match &found.by {
        FoundBy::Replay => "fails under the replayed schedule".to_owned(),
        _ if frequency.tried == 0 => "fails".to_owned(),
        _ => format!("fails in {} of {} schedules", grouped(frequency.failing), grouped(frequency.tried)),
    };
    let _ = write!(text, "timeloop: `{test}` {how_often}: {}", failure.kind);
    if let Some(site) = &failure.site {
        let _ = write!(text, " at {site}");
    }
    text.push_str("\n\n");
    // The code's own words stay as they are; timeloop's are wrapped.
    let own_words =
        matches!(failure.kind, FailureKind::Panic | FailureKind::UnobservedPanic | FailureKind::Error);
    for line in failure.message().lines() {
        if own_words {
            let _ = writeln!(text, "{}", format!("  {line}").trim_end());
        } else {
            wrap(text, "  ", if line.starts_with("- ") { "    " } else { "  " }, line);
        }
    }
    for note in &failure.notes {
        note.to_string().lines().for_each(|line| text.push_str(&format!("  {line}\n")));
    }
    let mut context = Vec::new();
    if let Some(task) = &failure.task {
        let spawned = task.spawned.as_ref().map_or_else(String::new, |site| format!(", spawned at {site}"));
        context.push(format!("in task {task}{spawned}"));
    }
    context.push(format!(
        "after {} of virtual time and {}",
        Nanos(failure.at_ns),
        counted(failure.at_step, "step")
    ));
    wrap(text, "  ", "  ", &format!("({})", context.join("; ")));
    if !failure.blocked.is_empty() {
        text.push('\n');
        text.push_str("Tasks that wait:\n");
        if let Some(cycle) = failure.cycle_line() {
            wrap(text, "  ", "    ", &cycle);
        }
        for blocked in &failure.blocked {
            wrap(text, "  - ", "    ", &blocked.to_string());
        }
    }
    if !failure.network.is_empty() {
        text.push_str("\nThe network then:\n");
        world::network_lines(&failure.network).iter().for_each(|line| wrap(text, "  - ", "    ", line));
    }
}

/// What the test was given, as it prints.
fn input(text: &mut String, found: &Found) {
    let Some(input) = &found.input else { return };
    text.push_str("\nWith the input\n");
    input.lines().for_each(|line| text.push_str(&format!("  {line}\n")));
}

/// The smallest schedule, in sentences.
fn told(text: &mut String, found: &Found) {
    if let Some(why) = &found.not_shrunk {
        text.push('\n');
        wrap(text, "", "", why);
    }
    let Some(record) = &found.record else { return };
    let (randomness, deviations) = match &found.shrunk {
        Schedule::Deviations { randomness, deviations } => (*randomness, deviations.clone()),
        Schedule::Seeded { .. } => (Seed(0), record.deviations()),
    };
    if deviations.len() > SENTENCES_MAX {
        return;
    }
    text.push('\n');
    let story::Told { sentences, tasks } = story::tell(record, &deviations);
    if sentences.is_empty() {
        wrap(text, "", "", "It fails in the quiet run: every task runs in its turn, first in, first out.");
    } else {
        text.push_str("How it happens, where all else runs in its turn, first in, first out:\n");
        for (step, sentence) in &sentences {
            let step = step.map_or_else(|| "at the end".to_owned(), |step| format!("step {step}"));
            wrap(text, &format!("  {step:<8} "), &" ".repeat(11), sentence);
        }
        if !tasks.is_empty() {
            wrap(text, "  (", "   ", &format!("{})", tasks.join("; ")));
        }
    }
    if deviations.iter().any(|deviation| deviation.domain == Domain::Stall) {
        wrap(text, "", "", STALLED);
    }
    if randomness != Seed(0) {
        wrap(
            text,
            "",
            "",
            &format!("Random numbers drawn by the code under test are those of seed {randomness}."),
        );
    }
    critical(text, found);
    if let Some(before) = found.deviations_before.filter(|before| *before > 0) {
        let ended_by = match found.shrink_ended_by {
            None => "",
            Some(StopReason::Runs) => "; the limit on runs (`shrink_runs`) ended the search for less",
            Some(StopReason::Steps) => "; the limit on steps ended the search for less",
            Some(StopReason::Time) => "; time ended the search for less",
        };
        let after = deviations.len();
        let runs = grouped(found.shrink_runs);
        let summary = format!(
            "Deviations from that order: {before} as found, {after} after {runs} runs of shrinking{ended_by}."
        );
        wrap(text, "", "", &summary);
    }
}

/// What it hangs on.
fn critical(text: &mut String, found: &Found) {
    if let Some(critical) = &found.critical {
        wrap(text, "", "", &format!("Critical: {critical}."));
    } else if found.critical_tried > 0 {
        let tried = grouped(found.critical_tried);
        let all_fail = found.frequency.failing == found.frequency.tried && found.frequency.tried > 0;
        let sentence = if all_fail {
            let all = grouped(found.frequency.tried);
            format!(
                "It fails whatever the order: in all {all} schedules that were tried, and after each of {tried} changes \
                 of this one."
            )
        } else {
            format!(
                "No one order is to blame alone: each of {tried} single changes of this schedule fails as well."
            )
        };
        wrap(text, "", "", &sentence);
    }
}

fn last_steps(text: &mut String, found: &Found, all_steps: bool) {
    let Some(record) = &found.record else { return };
    let marks = story::out_of_turn(record, found.shrunk.deviations().unwrap_or_default());
    let count = if all_steps { usize::MAX } else { steps::STEPS_SHOWN };
    let table = steps::table(record, &found.failure, &marks, count);
    let marked = table.lines().any(|line| line.starts_with("  * "));
    let legend = if marked { " (* out of its turn)" } else { "" };
    let _ = writeln!(text, "\nThe last steps: virtual time, step, task, from where to where it ran{legend}");
    text.push_str(&table);
}

/// How to see it again.
fn again(text: &mut String, test: &TestName, found: &Found) {
    text.push('\n');
    let mut line = |name: &str, value: &str| wrap(text, &format!("{name:<11}"), &" ".repeat(11), value);
    match &found.by {
        FoundBy::Baseline => line("found by", "the quiet run: no schedule needed"),
        FoundBy::Seed { index, seed } => {
            let strategy = match &found.schedule {
                Schedule::Seeded { strategy, .. } => format!(", strategy `{strategy}`"),
                Schedule::Deviations { .. } => String::new(),
            };
            let run = grouped(index + 1);
            line(
                "found by",
                &format!("seed {seed} (run {run}{strategy}): TIMELOOP_SEED={seed} finds it at once"),
            );
        }
        FoundBy::Search { number } => {
            line("found by", &format!("exhaustive search: its schedule number {}", grouped(*number)));
        }
        FoundBy::Regression { path, line: number } => {
            line("found by", &format!("the schedule stored at {}:{number}", path.display()));
        }
        FoundBy::Given => {
            if let Schedule::Seeded { seed, strategy, .. } = &found.schedule {
                line("found by", &format!("seed {seed}, strategy `{strategy}`"));
            }
        }
        FoundBy::Case { index, seed } => {
            let case = grouped(index + 1);
            line("found by", &format!("seed {seed} (case {case}): TIMELOOP_SEED={seed} finds it at once"));
        }
        FoundBy::Replay => {}
    }
    for other in &found.frequency.others {
        let times =
            if other.count == 1 { "once".to_owned() } else { format!("{} times", grouped(other.count)) };
        line("also seen", &format!("{} {times}, first with seed {}", other.kind, other.seed));
    }
    if let Some(stored) = &found.stored {
        line("stored", stored);
    }
    // Unwrapped: to be copied whole.
    let again = match &found.by {
        // A token has the schedule and not the input.
        FoundBy::Case { seed, .. } if found.stored.is_none() => {
            format!("TIMELOOP_SEED={seed} {}", test.command())
        }
        _ => test.replay_line(&found.shrunk),
    };
    let _ = writeln!(text, "replay     {again}");
}
