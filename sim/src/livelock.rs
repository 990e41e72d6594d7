//! [`RunningTask`]: a task that keeps running in a livelock, and the tasks that wake it.

use crate::Record;
use crate::sorting::insert_sorted;

/// A task that keeps running while virtual time stands still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningTask {
    /// Index into [`Record::tasks`].
    pub task: u32,
    /// How many of the [last steps](Self::last_steps) ran it.
    pub steps: u64,
    /// The number of steps at the end of the run that are considered: half of those that the livelock took.
    pub last_steps: u64,
    /// The tasks whose steps made it ready, as indices into [`Record::tasks`], in ascending order. The task itself may be one
    /// of them.
    pub woken_by: Vec<u32>,
}

impl Record {
    /// Returns the tasks that keep running in a livelock after this number of steps at one instant
    /// ([`Cause::Livelock`](crate::Cause::Livelock)), in order of spawning.
    ///
    /// Such a task has not ended, and at least two steps of the livelock's second half ran it.
    #[must_use]
    pub fn running_tasks(&self, steps_at_instant: u64) -> Vec<RunningTask> {
        let last_steps = steps_at_instant / 2;
        let first = (self.steps.len() as u64).saturating_sub(last_steps);
        let mut steps_of = vec![0; self.tasks.len()];
        let mut woken_by = vec![Vec::new(); self.tasks.len()];
        for step in &self.steps[first as usize..] {
            let arrival = self.arrival_of(step);
            let task = arrival.task as usize;
            steps_of[task] = if step.finished { 0 } else { steps_of[task] + 1 };
            // A task is spawned for its first resumption, and it is ready again after a preemption without being woken.
            let is_woken = arrival.resume > 0 && arrival.operation.is_none();
            if is_woken && arrival.after_steps > first {
                let by = &self.steps[arrival.after_steps as usize - 1];
                insert_sorted(&mut woken_by[task], self.arrival_of(by).task);
            }
        }
        let tasks = (0_u32..).zip(steps_of).zip(woken_by);
        tasks
            .filter(|((_, steps), _)| *steps >= 2)
            .map(|((task, steps), woken_by)| RunningTask { task, steps, last_steps, woken_by })
            .collect()
    }
}
