//! The table of the steps of the failing run that matter: the last ones, and those around deviations, the critical decision,
//! changes of the world and cancellations.
//!
//! # Invariants
//! - One line a step, in the order in which they ran; the last line is the last step.

use std::fmt::Write as _;

use super::operation_text::{Form, outcome, verb};
use super::schedule_text;
use super::task_names::TaskNames;
use crate::sorting::{insert_sorted, sort_by_number};
use crate::text::{Nanos, WIDTH, counted, escaped, grouped, line, shorten_front, wrap};
use crate::{Canceller, Failure, FailureKind, Found, Record, Schedule, Site, StepKind, TaskLabel};

/// The last steps that a report shows, unless all are asked for.
const STEPS_SHOWN: usize = 15;
/// The earlier steps that it shows at most.
const EARLIER_MAX: usize = 24;

/// The maximum width of the column for tasks.
const TASK_WIDTH_MAX: usize = 32;
/// The number of repetitions from which repeated steps are shown once.
const REPEATS_MIN: usize = 4;
/// The maximum number of steps that repeat together.
const LENGTH_MAX: usize = 6;
/// The number of steps that are searched for repetitions, for each line that is shown.
const FOLDED_MAX: usize = 100;
/// The width of the mark and of the gaps between the columns.
const MARGINS: usize = 4 + 3 * 2;
/// The operations of a step that are kept for its line; more never fit.
const OPERATIONS_MAX: usize = 8;
/// Marks a step that ran out of FIFO order.
const MARK: char = '▸';
/// The largest number of places below the table at which tasks were spawned, and of the tasks of each.
const SPAWNS_MAX: usize = 8;
/// Stands for a place that is not known, such as one in a crate without debug information.
const UNKNOWN: &str = "?";
/// Stands for a step between two places that are not known.
const CONTINUES: &str = "continues";

/// Writes the table, if the run was recorded.
pub(super) fn write(text: &mut String, found: &Found, all_steps: bool, names: &TaskNames) {
    let Some(record) = &found.record else { return };
    let lines = |marks: &[bool]| {
        if all_steps { all(record, Some(&found.failure), marks) } else { selected(record, found, marks) }
    };
    write_titled(text, "Steps", record, &found.shrunk, lines, names);
}

/// Writes all steps of a run that passed.
pub(super) fn write_passed(text: &mut String, title: &str, record: &Record, schedule: &Schedule) {
    write_titled(text, title, record, schedule, |marks| all(record, None, marks), &TaskNames::of_report());
}

fn write_titled<'a>(
    text: &mut String,
    title: &str,
    record: &'a Record,
    schedule: &Schedule,
    lines: impl FnOnce(&[bool]) -> Vec<Line<'a>>,
    names: &TaskNames,
) {
    let marks = schedule_text::out_of_order(record, &schedule_text::deviations(record, schedule));
    let lines = lines(&marks);
    let rows = || lines.iter().filter_map(Line::row);
    let mut legend = Vec::new();
    if rows().any(|row| row.marked) {
        legend.push(format!("{MARK} out of FIFO order"));
    }
    if rows().any(Row::has_unknown_place) {
        legend.push(format!("{UNKNOWN} unknown place"));
    }
    let legend = if legend.is_empty() { String::new() } else { format!(" ({})", legend.join("; ")) };
    let _ = write!(text, "\n{title}{legend}\n{}", table(&lines));
    let spawns = spawns(rows().map(|row| row.task), names);
    if !spawns.is_empty() {
        wrap(text, "    ", "    ", &format!("spawned: {spawns}"));
    }
}

/// Says where the tasks without names were spawned that the report has not introduced yet:
/// `root.1 at bank.rs:57; root.2, root.3 at :60`. Empty if there are none.
fn spawns<'a>(tasks: impl Iterator<Item = &'a TaskLabel>, names: &TaskNames) -> String {
    let mut places: Vec<(&Site, Vec<&TaskLabel>)> = Vec::new();
    for task in tasks.filter(|task| task.name.is_empty()) {
        let Some(site) = task.spawned.as_ref().filter(|_| names.introduce(task)) else { continue };
        match places.iter_mut().find(|(other, _)| (&other.file, other.line) == (&site.file, site.line)) {
            Some((_, tasks)) => tasks.push(task),
            None => places.push((site, vec![task])),
        }
    }
    let more = |count: usize| (count > SPAWNS_MAX).then(|| "…".to_owned());
    let mut file = None;
    let clauses = places.iter().take(SPAWNS_MAX).map(|(site, tasks)| {
        let shown = tasks.iter().take(SPAWNS_MAX).map(|task| name(task)).chain(more(tasks.len()));
        let shown = shown.collect::<Vec<_>>().join(", ");
        let is_known = file.replace(&site.file) == Some(&site.file);
        let place = if is_known { format!(":{}", site.line) } else { line(site) };
        format!("{shown} at {place}")
    });
    clauses.chain(more(places.len())).collect::<Vec<_>>().join("; ")
}

/// A line of the table.
enum Line<'a> {
    Row(Row<'a>),
    /// This number of steps is not shown.
    Gap {
        steps: usize,
        first: bool,
    },
    /// The next rows show the last of several repetitions.
    Repeated {
        length: usize,
        times: usize,
        from: usize,
        /// Whether earlier steps, which were not searched, may repeat too.
        at_least: bool,
    },
}

impl<'a> Line<'a> {
    fn row(&self) -> Option<&Row<'a>> {
        match self {
            Self::Row(row) => Some(row),
            _ => None,
        }
    }
}

/// Returns a line for each step; the steps in `marks` are marked.
fn all<'a>(record: &'a Record, failure: Option<&Failure>, marks: &[bool]) -> Vec<Line<'a>> {
    (0..record.steps.len()).map(|step| Line::Row(row(record, failure, step, marks))).collect()
}

/// Returns the lines for the steps that matter: the last ones, where repeated steps count once, and some earlier ones.
fn selected<'a>(record: &'a Record, found: &Found, marks: &[bool]) -> Vec<Line<'a>> {
    let steps = record.steps.len();
    let failure = Some(&found.failure);
    if steps <= STEPS_SHOWN {
        return all(record, failure, marks);
    }
    let offset = first_listed(record, steps.saturating_sub(STEPS_SHOWN * FOLDED_MAX));
    let rows: Vec<Row<'_>> = (offset..steps).map(|step| row(record, failure, step, marks)).collect();
    let stretches = fold(&rows, STEPS_SHOWN);
    let last = offset + stretches.first().map_or(0, |stretch| stretch.start);
    let mut lines = Vec::new();
    let mut next = 0;
    let gap = |lines: &mut Vec<Line<'a>>, next: usize, step: usize| {
        if next < step {
            lines.push(Line::Gap { steps: step - next, first: next == 0 });
        }
    };
    for step in earlier(record, found, last) {
        gap(&mut lines, next, step);
        lines.push(Line::Row(row(record, failure, step, marks)));
        next = step + 1;
    }
    gap(&mut lines, next, last);
    let mut rows = rows.into_iter().map(Some).collect::<Vec<_>>();
    for Stretch { start, length, times } in stretches {
        if times > 1 {
            let at_least = start == 0 && offset > 0;
            lines.push(Line::Repeated { length, times, from: offset + start, at_least });
        }
        let end = start + length * times;
        lines.extend(rows[end - length..end].iter_mut().filter_map(Option::take).map(Line::Row));
    }
    lines
}

/// Returns the first step from `first` on whose places were kept. The places of a long run's middle are not.
fn first_listed(record: &Record, first: usize) -> usize {
    let without = &record.without_places;
    let first = first.max(without.end);
    // These steps begin where one without a place ended.
    let unknown = |step: &usize| record.step_before(*step).is_some_and(|before| without.contains(&before));
    first + (first..record.steps.len()).take_while(unknown).count()
}

/// Selects steps before step number `last`: those of deviations and of the critical decision with the steps around them, and
/// those that change the world or cancel a future. If they are too many, the last ones are selected.
fn earlier(record: &Record, found: &Found, last: usize) -> Vec<usize> {
    let deviations = schedule_text::deviations(record, &found.shrunk);
    let mut centers = schedule_text::steps_of(record, &deviations);
    if let Some(critical) = found.critical.as_ref().filter(|critical| critical.fails == found.shrunk) {
        centers.extend(critical.decision.steps().map(|step| step as usize - 1));
    }
    sort_by_number(&mut centers, |&center| center as u128);
    let mut changes: Vec<u64> = record.events.iter().map(|event| event.step).collect();
    changes.extend(record.cancellations.iter().map(|cancellation| cancellation.step));
    changes.sort_unstable();
    let mut steps = Vec::new();
    for &center in centers.iter().rev() {
        steps.extend(center.saturating_sub(1)..=center + 1);
    }
    steps.extend(changes.iter().rev().map(|&step| step as usize));
    let mut selected = Vec::new();
    for step in steps {
        if step < last && selected.len() < EARLIER_MAX {
            insert_sorted(&mut selected, step);
        }
    }
    selected
}

/// Renders the lines.
fn table(lines: &[Line<'_>]) -> String {
    let header = ["step", "time", "task"];
    let width = |column: usize| {
        let rows = lines.iter().filter_map(Line::row);
        let widths = rows.map(|row| row.columns[column].chars().count());
        widths.chain([header[column].len()]).max().unwrap_or(0)
    };
    let widths = [width(0), width(1), width(2).min(TASK_WIDTH_MAX)];
    let [step_width, time_width, task_width] = widths;
    let ran_width = WIDTH.saturating_sub(MARGINS + widths.iter().sum::<usize>());
    let mut text = String::new();
    let push_line = |text: &mut String, mark: char, [step, time, task]: [&str; 3], ran: &str| {
        let task = shorten_front(task, task_width);
        let line = format!("  {mark} {step:>step_width$}  {time:>time_width$}  {task:<task_width$}  {ran}");
        let line = escaped(&line);
        text.push_str(line.trim_end());
        text.push('\n');
    };
    push_line(&mut text, ' ', header, "ran from → to");
    // The file of the last place that was written: the next ones in it have only a line.
    let mut file = None;
    for line in lines {
        match line {
            Line::Gap { steps, first } => {
                let noun = if *first { "earlier step" } else { "step" };
                let _ = writeln!(text, "    … {}", counted(*steps as u64, noun));
            }
            Line::Repeated { length, times, from, at_least } => {
                let what = counted(*length as u64, "step");
                let (times, from) = (grouped(*times as u64), grouped(*from as u64 + 1));
                let often = if *at_least {
                    format!("at least {times} times, from step {from} or an earlier one on")
                } else {
                    format!("{times} times from step {from} on")
                };
                let _ = writeln!(text, "    … {what} repeated {often}; the last time:");
            }
            Line::Row(row) => {
                let mark = if row.marked { MARK } else { ' ' };
                let ran = row.ran(ran_width, file);
                file = row.last_file().or(file);
                push_line(&mut text, mark, row.columns.each_ref().map(String::as_str), &ran);
            }
        }
    }
    text
}

/// Rows that repeat a number of times, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    start: usize,
    length: usize,
    times: usize,
}

/// Selects the last rows, about `count` of them, where repeated rows count once.
fn fold(rows: &[Row<'_>], count: usize) -> Vec<Stretch> {
    let names: Vec<(bool, &str, String)> =
        rows.iter().map(|row| (row.marked, row.columns[2].as_str(), row.ran(usize::MAX, None))).collect();
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

/// A step.
struct Row<'a> {
    task: &'a TaskLabel,
    /// Step, time and task.
    columns: [String; 3],
    from: From<'a>,
    to: To<'a>,
    /// The changes of the world and the cancellations in this step, each a clause. They are always shown.
    events: Vec<String>,
    /// The operations in this step, each a verb and a name. They are shown if they fit.
    operations: Vec<String>,
    /// Whether it ran out of FIFO order.
    marked: bool,
}

/// Where a step begins.
enum From<'a> {
    Start,
    Place(&'a Site),
    Unknown,
}

/// Where a step ends.
enum To<'a> {
    Place(&'a Site),
    Unknown,
    /// The task is not polled: it is `aborted`, for example. Whether it is where it waits.
    NotPolled(&'static str, bool),
    /// The task ends: `end`, `panic`, `returned error`.
    End(&'static str),
}

impl<'a> Row<'a> {
    /// Renders the column `ran`. Places in `file` have only their line.
    fn ran(&self, width: usize, file: Option<&'a str>) -> String {
        let events = self.events.join(", ");
        let reserved = if events.is_empty() { 0 } else { 2 + events.chars().count() };
        let mut ran = self.places(width.saturating_sub(reserved), file);
        let mut gap = "  ";
        if !events.is_empty() {
            ran.push_str(gap);
            ran.push_str(&events);
            gap = ", ";
        }
        for (number, operation) in self.operations.iter().enumerate() {
            let more = if number + 1 < self.operations.len() { ", …".chars().count() } else { 0 };
            if ran.chars().count() + gap.len() + operation.chars().count() + more > width {
                if gap == ", " {
                    ran.push_str(", …");
                }
                break;
            }
            ran.push_str(gap);
            ran.push_str(operation);
            gap = ", ";
        }
        ran
    }

    /// Returns whether the row shows an unknown place.
    fn has_unknown_place(&self) -> bool {
        match (&self.from, &self.to) {
            (_, To::NotPolled(..)) | (From::Unknown, To::Unknown) => false,
            (From::Unknown, _) | (_, To::Unknown) => true,
            _ => false,
        }
    }

    /// The file of the last place in this row.
    fn last_file(&self) -> Option<&'a str> {
        match (&self.from, &self.to) {
            (_, To::Place(site)) | (From::Place(site), _) => Some(&site.file),
            _ => None,
        }
    }

    /// Renders where the step begins and ends; the paths are shortened if they take more than `width`.
    fn places(&self, width: usize, file: Option<&'a str>) -> String {
        let whole = self.places_with(usize::MAX, file);
        if whole.chars().count() <= width {
            return whole;
        }
        let from = matches!(self.from, From::Place(site) if Some(&*site.file) != file);
        let known = if let From::Place(site) = self.from { Some(&*site.file) } else { file };
        let to = matches!(self.to, To::Place(site) if Some(&*site.file) != known);
        let paths = usize::from(from) + usize::from(to);
        if paths == 0 {
            return whole;
        }
        let rest = self.places_with(0, file).chars().count();
        self.places_with(width.saturating_sub(rest) / paths, file)
    }

    /// Renders the places with at most `width` characters of each path.
    fn places_with(&self, width: usize, mut file: Option<&'a str>) -> String {
        let mut place = |site: &'a Site| {
            let path =
                if file == Some(&*site.file) { String::new() } else { shorten_front(&site.file, width) };
            file = Some(&site.file);
            format!("{path}:{}", site.line)
        };
        let from = match self.from {
            From::Start => "start".to_owned(),
            From::Place(site) => place(site),
            From::Unknown => UNKNOWN.to_owned(),
        };
        match self.to {
            To::NotPolled(what, true) if matches!(self.from, From::Place(_)) => format!("{what} at {from}"),
            To::NotPolled(what, _) => what.to_owned(),
            To::Unknown if matches!(self.from, From::Unknown) => CONTINUES.to_owned(),
            To::Place(site) => format!("{from} → {}", place(site)),
            To::Unknown => format!("{from} → {UNKNOWN}"),
            To::End(how) => format!("{from} → {how}"),
        }
    }
}

/// Renders a task in the table: `audit (root.2)`.
fn name(task: &TaskLabel) -> String {
    let node = task.node.as_ref().map_or_else(String::new, |node| format!(" on {node}"));
    if task.name.is_empty() {
        format!("{}{node}", task.path.shortened())
    } else {
        // Escaped here too, so that the column is wide enough.
        format!("{}{node} ({})", escaped(&task.name), task.path.shortened())
    }
}

fn row<'a>(record: &'a Record, failure: Option<&Failure>, number: usize, marks: &[bool]) -> Row<'a> {
    let step = &record.steps[number];
    let task = record.task_of(step);
    let arrival = record.arrival_of(step);
    let from = match (arrival.resume, record.resumes_at(number)) {
        (0, _) if arrival.operation.is_none() => From::Start,
        (_, Some(site)) => From::Place(site),
        (_, None) => From::Unknown,
    };
    let failed_here =
        failure.and_then(|failure| failure.task.as_ref()).is_some_and(|label| label.path == task.label.path);
    let kind = record.kind_of(number);
    let to = match (&step.waits_at, step.finished) {
        _ if kind == StepKind::NodeDown => To::NotPolled("ends", false),
        _ if kind == StepKind::NodePaused => To::NotPolled("not polled", true),
        _ if kind == StepKind::Aborts => To::NotPolled("aborted", true),
        (_, true) => To::End(match failure.map(|failure| failure.kind) {
            _ if step.panicked => "panic",
            Some(FailureKind::Error) if failed_here => "returned error",
            Some(FailureKind::Deadlock) if failed_here => "blocks",
            _ => "end",
        }),
        (Some(site), false) => To::Place(site),
        (None, false) => To::Unknown,
    };
    let events = record.events_of(number).iter().map(|event| event.change.to_string());
    let file = step.waits_at.as_ref().or_else(|| record.resumes_at(number)).map(|site| &*site.file);
    // That the task is aborted is said in place of where it ends.
    let cancellations = record.cancellations_of(number).iter().filter(|other| other.by != Canceller::Abort);
    let events = events.chain(cancellations.map(|cancellation| cancellation.clause(file))).collect();
    let mut operations: Vec<String> = Vec::new();
    let mut previous = None;
    for performed in record.operations_of(number) {
        let Some(resource) = record.resource(performed.operation.resource) else { continue };
        // The places show already that a task awaits another one, or ends.
        if record.is_task_end(performed.operation.resource) {
            continue;
        }
        let verb = verb(resource.kind, performed.operation.access, Form::Present, record.mode_of(performed));
        let this = (resource.key, verb, outcome(record, performed, &TaskNames::plain()));
        if operations.len() == OPERATIONS_MAX || previous.as_ref() == Some(&this) {
            continue;
        }
        let name = match &previous {
            Some((key, ..)) if *key == resource.key => "it".to_owned(),
            _ => record.name_of(resource, file),
        };
        let operation = format!("{verb} {name}{}", this.2);
        // The two directions of a connection are closed together.
        if operations.last() != Some(&operation) {
            operations.push(operation);
        }
        previous = Some(this);
    }
    Row {
        task: &task.label,
        columns: [(number + 1).to_string(), Nanos(step.at_ns).to_string(), name(&task.label)],
        from,
        to,
        events,
        operations,
        marked: marks.get(number) == Some(&true),
    }
}

#[cfg(test)]
mod tests {
    use super::{From, Row, Stretch, To, fold};
    use crate::TaskLabel;

    fn rows(tasks: &str) -> Vec<Row<'static>> {
        let columns = |task: char| [String::new(), String::new(), task.to_string()];
        let label: &TaskLabel = Box::leak(Box::default());
        let row = |task| Row {
            task: label,
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
    fn repeated_steps_are_folded() {
        let stretch = |start, length, times| Stretch { start, length, times };
        assert_eq!(fold(&rows("abc"), 15), [stretch(0, 1, 1), stretch(1, 1, 1), stretch(2, 1, 1)]);
        assert_eq!(fold(&rows("xabababab"), 15), [stretch(0, 1, 1), stretch(1, 2, 4)]);
        assert_eq!(fold(&rows("aaaaaaaax"), 15), [stretch(0, 1, 8), stretch(8, 1, 1)]);
        assert_eq!(fold(&rows("xaaabaaabaaabaaab"), 15), [stretch(0, 1, 1), stretch(1, 4, 4)]);
        // Not more rows than asked for.
        assert_eq!(fold(&rows("vwxyz"), 2), [stretch(3, 1, 1), stretch(4, 1, 1)]);
    }
}
