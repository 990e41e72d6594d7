//! The last steps of a run as a table.
//!
//! Always true: one line a step, oldest first, ending with the step that was the last.

use std::fmt::Write as _;

use super::story::line;
use super::{WIDTH, shorten_front};
use crate::{Failure, FailureKind, Nanos, Record, Site, grouped};

/// Steps that a report shows unless all are asked for.
pub(super) const STEPS_SHOWN: usize = 15;

/// Of a task's name and path this much is shown.
const TASK_WIDTH_MAX: usize = 32;
/// What stands between the columns of a line.
const MARGINS: usize = 4 + 3 * 2;

/// The last `count` steps; `out_of_turn` says which are marked.
pub(super) fn table(record: &Record, failure: &Failure, out_of_turn: &[bool], count: usize) -> String {
    let first = record.steps.len().saturating_sub(count);
    let rows: Vec<Row<'_>> = (first..record.steps.len()).map(|step| row(record, failure, step)).collect();
    let width = |column: usize| rows.iter().map(|row| row.columns[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2).min(TASK_WIDTH_MAX)];
    let action_width = WIDTH.saturating_sub(MARGINS + widths.iter().sum::<usize>());
    let mut text = String::new();
    if first > 0 {
        let _ = writeln!(
            text,
            "    … {} earlier {}",
            grouped(first as u64),
            if first == 1 { "step" } else { "steps" }
        );
    }
    for (number, row) in (first..).zip(&rows) {
        let mark = if out_of_turn.get(number) == Some(&true) { '*' } else { ' ' };
        let [time_width, step_width, task_width] = widths;
        let [time, step, task] = &row.columns;
        let task = shorten_front(task, task_width);
        let action = row.action(action_width);
        let line =
            format!("  {mark} {time:>time_width$}  {step:>step_width$}  {task:<task_width$}  {action}");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A line of the table.
struct Row<'a> {
    /// Time, step and task.
    columns: [String; 3],
    from: From<'a>,
    to: To<'a>,
}

enum From<'a> {
    Start,
    Place(&'a Site),
    Unknown,
}

enum To<'a> {
    Place(&'a Site),
    Unknown,
    /// The task's end, in a word.
    End(&'static str),
}

impl Row<'_> {
    /// From where to where, with places cut short where that takes more than `width`.
    fn action(&self, width: usize) -> String {
        let whole = self.action_with(usize::MAX);
        let places =
            usize::from(matches!(self.from, From::Place(_))) + usize::from(matches!(self.to, To::Place(_)));
        if places == 0 || whole.chars().count() <= width {
            return whole;
        }
        let words = self.action_with(0).chars().count() - places;
        self.action_with(width.saturating_sub(words) / places)
    }

    fn action_with(&self, place_width: usize) -> String {
        let place = |site| shorten_front(&line(site), place_width);
        let from = match self.from {
            From::Start if matches!(self.to, To::Place(_)) => "from its start".to_owned(),
            From::Start => "starts".to_owned(),
            From::Place(site) => format!("from {}", place(site)),
            From::Unknown => "resumes".to_owned(),
        };
        match self.to {
            To::Place(site) => format!("{from} to {}", place(site)),
            To::Unknown => from,
            To::End(how) => format!("{from}, {how}"),
        }
    }
}

fn row<'a>(record: &'a Record, failure: &Failure, number: usize) -> Row<'a> {
    let step = &record.steps[number];
    let task = record.task_of(step);
    let from = match (record.arrival_of(step).resume, record.resumes_at(number)) {
        (0, _) => From::Start,
        (_, Some(site)) => From::Place(site),
        (_, None) => From::Unknown,
    };
    let failed_here = failure.task.as_ref().is_some_and(|label| label.path == task.label.path);
    let to = match (&step.waits_at, step.finished) {
        (_, true) => To::End(match failure.kind {
            FailureKind::Panic | FailureKind::UnobservedPanic if failed_here => "panics",
            FailureKind::Error if failed_here => "returns the error",
            _ => "ends",
        }),
        (Some(site), false) => To::Place(site),
        (None, false) => To::Unknown,
    };
    let label = &task.label;
    let name = if label.name.is_empty() {
        label.path.to_string()
    } else {
        format!("{} ({})", label.name, label.path)
    };
    Row { columns: [Nanos(step.at_ns).to_string(), (number + 1).to_string(), name], from, to }
}
