//! The lines that the failing run logged.

use std::fmt::Write as _;

use crate::Record;
use crate::text::{Nanos, counted, escaped};

/// The lines that a report shows, unless all are asked for.
const LINES_SHOWN: usize = 50;

/// Writes the last lines, or all of them.
pub(super) fn write(text: &mut String, record: &Record, all: bool) {
    if record.log.is_empty() {
        return;
    }
    let shown = if all { record.log.len() } else { LINES_SHOWN.min(record.log.len()) };
    let hidden = record.log.len() - shown;
    let rows: Vec<[String; 4]> = record.log[hidden..]
        .iter()
        .map(|line| {
            let task =
                record.tasks.get(line.task as usize).map_or_else(String::new, |task| task.label.to_string());
            [
                (line.step + 1).to_string(),
                Nanos(line.at_ns).to_string(),
                task,
                escaped(&line.text).into_owned(),
            ]
        })
        .collect();
    let header = ["step", "time", "task", "event"].map(str::to_owned);
    let width = |column: usize| {
        rows.iter().chain([&header]).map(|row| row[column].chars().count()).max().unwrap_or(0)
    };
    let (step_width, time_width, task_width) = (width(0), width(1), width(2));
    text.push_str("\nLog\n");
    let mut push = |[step, time, task, event]: &[String; 4]| {
        let _ = writeln!(text, "    {step:>step_width$}  {time:>time_width$}  {task:<task_width$}  {event}");
    };
    push(&header);
    let earlier = record.log_dropped + hidden as u64;
    if earlier > 0 {
        let _ = writeln!(text, "    … {}", counted(earlier, "earlier event"));
    }
    for row in &rows {
        let [step, time, task, event] = row;
        let _ = writeln!(text, "    {step:>step_width$}  {time:>time_width$}  {task:<task_width$}  {event}");
    }
}
