//! Writes the report of a failure. All text of a report is made here, from typed data.
//!
//! A report has these parts, in this order: [the headline and what failed](headline), [the running
//! tasks](running_tasks) of a livelock, [the blocked tasks](blocked_tasks), the network, the input, [the critical
//! pair](critical_text), [the failing schedule](schedule_text), [the steps](steps_table), [the log](log_lines), and [how
//! to run it again](footer).
//!
//! # Invariants
//! - No line is wider than [`WIDTH`](crate::text::WIDTH), except for paths, commands and the text of a panic or error.
//! - Nothing depends on the machine or on the time of day.
//! - The first mention of a task without a name says where it was spawned: see [`task_names`].

mod blocked_tasks;
mod cancellation_text;
mod critical_text;
mod footer;
mod headline;
mod log_lines;
mod nondeterminism;
pub(crate) mod not_shrunk;
mod operation_text;
mod running_tasks;
mod schedule_text;
mod step_text;
mod steps_table;
mod summary;
mod task_names;
mod world_text;

use self::task_names::TaskNames;
use crate::{Found, Nanos, Record, Schedule, TestName};

pub use self::footer::stored_text;
pub(crate) use self::footer::{NOT_STORED_IN_CI, stored_there};
pub(crate) use self::summary::{nothing_differed, summary};

/// Renders the report; `all_steps` lists every step instead of the last ones.
pub(crate) fn write(test: &TestName, found: &Found, all_steps: bool) -> String {
    let mut text = String::new();
    let names = TaskNames::of_report();
    headline::write(&mut text, test, found, &names);
    running_tasks::write(&mut text, found, &names);
    blocked_tasks::write(&mut text, &found.failure, &names);
    world_text::write(&mut text, &found.failure);
    input(&mut text, found);
    critical_text::write(&mut text, found, &names);
    schedule_text::write(&mut text, found, &names);
    steps_table::write(&mut text, found, all_steps, &names);
    if let Some(record) = &found.record {
        log_lines::write(&mut text, record, all_steps);
    }
    footer::write(&mut text, test, found);
    text
}

/// Renders every step of a run that passed.
pub(crate) fn passed_steps(title: &str, record: &Record, schedule: &Schedule) -> String {
    let mut text = String::new();
    steps_table::write_passed(&mut text, title, record, schedule);
    log_lines::write(&mut text, record, true);
    text
}

/// The title of the steps of the baseline run.
pub(crate) const BASELINE_STEPS: &str = "Steps of the baseline run (FIFO order)";

/// The title of the steps of a run that was replayed and passed.
pub(crate) const REPLAYED_STEPS: &str = "Steps of the replayed run";

/// Renders since when something lasts, for an instant of virtual time: `since virtual time 20 ms`.
fn since(at_ns: u64) -> String {
    format!("since virtual time {}", Nanos(at_ns))
}

/// Writes the input of a property, as its `Debug` prints it.
fn input(text: &mut String, found: &Found) {
    let Some(input) = &found.input else { return };
    text.push_str("\nInput\n");
    input.lines().for_each(|line| text.push_str(&format!("  {line}\n")));
}
