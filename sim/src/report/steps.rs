//! The last steps of a run as a table.
//!
//! Always true: one line a step, oldest first, ending with the step that was the last.

use std::fmt::Write as _;

use super::story::line;
use super::{WIDTH, shorten_front};
use crate::{Failure, FailureKind, Nanos, Record};

/// Steps that a report shows unless all are asked for.
pub(super) const STEPS_SHOWN: usize = 15;

/// The last `count` steps; `out_of_turn` says which are marked.
pub(super) fn table(record: &Record, failure: &Failure, out_of_turn: &[bool], count: usize) -> String {
    let first = record.steps.len().saturating_sub(count);
    let rows: Vec<Row> = (first..record.steps.len()).map(|step| row(record, failure, step)).collect();
    let width = |column: usize| rows.iter().map(|row| row.0[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2).min(TASK_WIDTH_MAX)];
    let place_width = (WIDTH - AROUND_PLACES).saturating_sub(widths.iter().sum()) / 2;
    let mut text = String::new();
    if first > 0 {
        let _ = writeln!(text, "    … {first} earlier {}", if first == 1 { "step" } else { "steps" });
    }
    for (number, Row([time, step, task], action)) in (first..).zip(&rows) {
        let action = action(place_width);
        let mark = if out_of_turn.get(number) == Some(&true) { '*' } else { ' ' };
        let [time_width, step_width, task_width] = widths;
        let task = shorten_front(task, task_width);
        let line =
            format!("  {mark} {time:>time_width$}  {step:>step_width$}  {task:<task_width$}  {action}");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn row(record: &Record, failure: &Failure, number: usize) -> [String; 4] {
    let step = &record.steps[number];
    let task = record.task_of(step);
    // Room for two places on a line.
    let place = |site| shorten_front(&line(site), WIDTH / 4);
    let from = match (record.arrival_of(step).resume, record.resumes_at(number)) {
        (0, _) => "starts".to_owned(),
        (_, Some(site)) => format!("from {}", place(site)),
        (_, None) => "resumes".to_owned(),
    };
    let failed_here = failure.task.as_ref().is_some_and(|label| label.path == task.label.path);
    let panics = matches!(failure.kind, FailureKind::Panic | FailureKind::UnobservedPanic);
    let to = match (&step.waits_at, step.finished) {
        (_, true) if failed_here && panics => ", panics".to_owned(),
        (_, true) if failed_here && failure.kind == FailureKind::Error => ", returns the error".to_owned(),
        (_, true) => ", ends".to_owned(),
        (Some(site), false) => format!(" to {}", place(site)),
        (None, false) => String::new(),
    };
    let label = &task.label;
    let name = if label.name.is_empty() {
        label.path.to_string()
    } else {
        format!("{} ({})", label.name, label.path)
    };
    [Nanos(step.at_ns).to_string(), (number + 1).to_string(), name, format!("{from}{to}")]
}
