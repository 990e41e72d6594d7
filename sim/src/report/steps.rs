//! The last steps of a run as a table.
//!
//! Always true: one line a step, oldest first, ending with the step that was the last.

use std::fmt::Write as _;

use crate::text::{Nanos, WIDTH, counted, grouped, line, shorten_front};
use crate::{Failure, FailureKind, Record, Site};

/// Steps that a report shows unless all are asked for.
pub(super) const STEPS_SHOWN: usize = 15;

/// Of a task's name and path this much is shown.
const TASK_WIDTH_MAX: usize = 32;
/// Steps that repeat themselves are shown once from this many times on.
const REPEATS_MIN: usize = 4;
/// As many steps as that may repeat themselves together.
const LENGTH_MAX: usize = 6;
/// For each line that is shown, so many steps are looked at.
const FOLDED_MAX: usize = 100;
/// What stands between the columns of a line.
const MARGINS: usize = 4 + 3 * 2;

/// The last `count` steps, where steps that repeat themselves count once; `out_of_turn` says which are marked.
pub(super) fn table(record: &Record, failure: &Failure, out_of_turn: &[bool], count: usize) -> String {
    let steps = record.steps.len();
    let all = count >= steps;
    let rows: Vec<Row<'_>> = (steps.saturating_sub(count.saturating_mul(FOLDED_MAX))..steps)
        .map(|step| row(record, failure, step, out_of_turn.get(step) == Some(&true)))
        .collect();
    let stretches =
        if all { vec![Stretch { start: 0, length: rows.len(), times: 1 }] } else { fold(&rows, count) };
    let shown = || {
        let stretches = stretches.iter();
        stretches.flat_map(|stretch| &rows[stretch.end() - stretch.length..stretch.end()])
    };
    let width = |column: usize| shown().map(|row| row.columns[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2).min(TASK_WIDTH_MAX)];
    let action_width = WIDTH.saturating_sub(MARGINS + widths.iter().sum::<usize>());
    let mut text = String::new();
    let offset = steps - rows.len();
    let first = offset + stretches.first().map_or(0, |stretch| stretch.start);
    if first > 0 {
        let _ = writeln!(text, "    … {}", counted(first as u64, "earlier step"));
    }
    for stretch in &stretches {
        if stretch.times > 1 {
            let what = if stretch.length == 1 {
                "this step".to_owned()
            } else {
                format!("these {} steps", stretch.length)
            };
            let (times, from) = (grouped(stretch.times as u64), grouped((offset + stretch.start + 1) as u64));
            let _ = writeln!(text, "    … {what} {times} times, from step {from} on; the last time:");
        }
        for row in &rows[stretch.end() - stretch.length..stretch.end()] {
            let mark = if row.marked { '*' } else { ' ' };
            let [time_width, step_width, task_width] = widths;
            let [time, step, task] = &row.columns;
            let task = shorten_front(task, task_width);
            let action = row.action(action_width);
            let line =
                format!("  {mark} {time:>time_width$}  {step:>step_width$}  {task:<task_width$}  {action}");
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
    text
}

/// Rows that come a number of times, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    start: usize,
    length: usize,
    times: usize,
}

impl Stretch {
    fn end(self) -> usize {
        self.start + self.length * self.times
    }
}

/// The last rows, about `count` of them, where those that repeat themselves count once.
fn fold(rows: &[Row<'_>], count: usize) -> Vec<Stretch> {
    let names: Vec<(bool, &str, String)> =
        rows.iter().map(|row| (row.marked, row.columns[2].as_str(), row.action(usize::MAX))).collect();
    let mut stretches = Vec::new();
    let (mut end, mut shown) = (rows.len(), 0);
    while end > 0 && shown < count {
        let folded = (1..=LENGTH_MAX.min(end / REPEATS_MIN))
            .map(|length| {
                let again =
                    (0..end - length).rev().take_while(|row| names[*row] == names[row + length]).count();
                Stretch { start: end - length * (1 + again / length), length, times: 1 + again / length }
            })
            // The most rows for the fewest lines.
            .filter(|stretch| stretch.times >= REPEATS_MIN)
            .max_by_key(|stretch| (stretch.length * stretch.times, std::cmp::Reverse(stretch.length)));
        let stretch = folded.unwrap_or(Stretch { start: end - 1, length: 1, times: 1 });
        shown += stretch.length + usize::from(stretch.times > 1);
        end = stretch.start;
        stretches.push(stretch);
    }
    stretches.reverse();
    stretches
}

/// A line of the table.
struct Row<'a> {
    /// Time, step and task.
    columns: [String; 3],
    from: From<'a>,
    to: To<'a>,
    /// What happens to the world meanwhile, each a sentence.
    events: Vec<String>,
    /// What it does meanwhile, each a verb and a name.
    operations: Vec<String>,
    /// Whether it ran out of its turn.
    marked: bool,
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
    /// From where to where, and what it does meanwhile as far as there is room for it.
    fn action(&self, width: usize) -> String {
        // Events are always told.
        let events: String = self.events.iter().map(|event| format!("; {event}")).collect();
        let mut action = self.places(width.saturating_sub(events.chars().count()));
        action.push_str(&events);
        for (number, operation) in self.operations.iter().enumerate() {
            let gap = if number == 0 { "; " } else { ", " };
            let more = if number + 1 < self.operations.len() { ", …".len() } else { 0 };
            if action.chars().count() + gap.len() + operation.chars().count() + more > width {
                if number > 0 {
                    action.push_str(", …");
                }
                break;
            }
            action.push_str(gap);
            action.push_str(operation);
        }
        action
    }

    /// From where to where, with places cut short where that takes more than `width`.
    fn places(&self, width: usize) -> String {
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

fn row<'a>(record: &'a Record, failure: &Failure, number: usize, marked: bool) -> Row<'a> {
    let step = &record.steps[number];
    let task = record.task_of(step);
    let arrival = record.arrival_of(step);
    let from = match (arrival.resume, record.resumes_at(number)) {
        (0, _) if arrival.operation.is_none() => From::Start,
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
    let node = label.node.as_ref().map_or_else(String::new, |node| format!(" on {node}"));
    let name = if label.name.is_empty() {
        format!("{}{node}", label.path)
    } else {
        format!("{}{node} ({})", label.name, label.path)
    };
    let events = record.events_of(number).iter().map(|event| event.change.to_string()).collect();
    let mut operations: Vec<String> = Vec::new();
    for performed in record.operations_of(number) {
        let Some(resource) = record.resource(performed.operation.resource) else { continue };
        // Where it awaits others, and that it ends, is told already.
        if record.is_task_end(performed.operation.resource) {
            continue;
        }
        let operation = format!("{} `{}`", performed.operation.access.verb(), resource.name);
        // More than these fit nowhere.
        if operations.last() != Some(&operation) && operations.len() < 8 {
            operations.push(operation);
        }
    }
    Row {
        columns: [Nanos(step.at_ns).to_string(), (number + 1).to_string(), name],
        from,
        to,
        events,
        operations,
        marked,
    }
}

#[cfg(test)]
mod tests {
    use super::{From, Row, Stretch, To, fold};

    fn rows(tasks: &str) -> Vec<Row<'static>> {
        let columns = |task: char| [String::new(), String::new(), task.to_string()];
        let row = |task| Row {
            columns: columns(task),
            from: From::Unknown,
            to: To::Unknown,
            events: Vec::new(),
            operations: Vec::new(),
            marked: false,
        };
        tasks.chars().map(row).collect()
    }

    #[test]
    fn what_repeats_itself_is_folded() {
        let stretch = |start, length, times| Stretch { start, length, times };
        assert_eq!(fold(&rows("abc"), 15), [stretch(0, 1, 1), stretch(1, 1, 1), stretch(2, 1, 1)]);
        assert_eq!(fold(&rows("xabababab"), 15), [stretch(0, 1, 1), stretch(1, 2, 4)]);
        assert_eq!(fold(&rows("aaaaaaaax"), 15), [stretch(0, 1, 8), stretch(8, 1, 1)]);
        assert_eq!(fold(&rows("xaaabaaabaaabaaab"), 15), [stretch(0, 1, 1), stretch(1, 4, 4)]);
        // No more than what is to be shown.
        assert_eq!(fold(&rows("vwxyz"), 2), [stretch(3, 1, 1), stretch(4, 1, 1)]);
    }
}
