//! The tasks that keep running in a livelock: how often, where they wait, and which tasks wake them.

use super::task_names::TaskNames;
use crate::text::{counted, grouped, wrap};
use crate::{BlockedTask, Cause, Found, Record, RunningTask};

/// The largest number of tasks that wake a task and that are named.
const WAKERS_MAX: usize = 3;

/// Lists the running tasks of a livelock, if the run was recorded.
pub(super) fn write(text: &mut String, found: &Found, names: &TaskNames) {
    let (Some(record), Cause::Livelock(max)) = (&found.record, &found.failure.cause) else { return };
    let running = record.running_tasks(*max);
    if running.is_empty() {
        return;
    }
    text.push_str("\nRunning tasks\n");
    let shown = running.len().min(BlockedTask::DESCRIBED_MAX);
    for task in &running[..shown] {
        wrap(text, "  - ", "    ", &line(record, task, names));
    }
    if let more @ 1.. = (running.len() - shown) as u64 {
        wrap(text, "  - ", "    ", &format!("and {} more", grouped(more)));
    }
}

fn line(record: &Record, running: &RunningTask, names: &TaskNames) -> String {
    let task = &record.tasks[running.task as usize].label;
    names.introduce(task);
    let spawned = task.spawned.as_ref().map_or_else(String::new, |site| format!(", spawned at {site},"));
    let often =
        format!("ran in {} of the last {}", grouped(running.steps), counted(running.last_steps, "step"));
    let mut clauses = Vec::new();
    let mut steps = record.steps.iter().rev();
    let last_step = steps.find(|step| record.arrival_of(step).task == running.task);
    if let Some(site) = last_step.and_then(|step| step.waits_at.as_ref()) {
        clauses.push(format!("waits at {site}"));
    }
    clauses.extend(woken(record, running));
    let clauses = clauses.join(" and ");
    let clauses = if clauses.is_empty() { clauses } else { format!("; it {clauses}") };
    format!("{task}{spawned} {often}{clauses}")
}

/// Names the tasks that wake a task: ``is woken by itself, `root.2` and 3 more tasks``.
fn woken(record: &Record, running: &RunningTask) -> Option<String> {
    if running.woken_by == [running.task] {
        return Some("wakes itself".to_owned());
    }
    let shown = running.woken_by.len().min(WAKERS_MAX);
    let mut wakers: Vec<String> = running.woken_by[..shown]
        .iter()
        .map(|&waker| match &record.tasks[waker as usize].label {
            _ if waker == running.task => "itself".to_owned(),
            label => label.to_string(),
        })
        .collect();
    if let more @ 1.. = running.woken_by.len() - shown {
        wakers.push(counted(more as u64, "more task"));
    }
    let last = wakers.pop()?;
    let wakers = if wakers.is_empty() { last } else { format!("{} and {last}", wakers.join(", ")) };
    Some(format!("is woken by {wakers}"))
}
