//! One run of the search: [`SearchRun`] repeats a given path and then continues by a default rule.
//!
//! # Invariants
//! - Repeated steps are compared with the path, and every difference is reported.

use super::Bound;
use super::dependence::{Footprint, depend};
use super::frame::{Candidate, Choice, Frame, Sleeper};
use crate::{DecisionKey, Operation, Ready, TaskKey};

/// The number of consecutive steps for which the default rule keeps running a task that continues, before other tasks
/// run. A task may poll in a loop until another one makes progress.
const IN_A_ROW_MAX: u32 = 1_000;

/// The number of consecutive steps at one instant for which a task may be asleep while others run and nothing wakes it.
/// A task that polls unannounced state in a loop would otherwise run for ever while the task that it polls for is
/// asleep.
pub(super) const ASLEEP_MAX: u32 = 1_000;

/// The state of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RunState {
    /// The run follows its path or the default rule.
    OnPath,
    /// Every ready task is asleep: whatever comes next has been explored in another order.
    Blocked,
    /// A repeated step differed at this index.
    Diverged(usize),
}

/// A ready task.
#[derive(Clone, Debug)]
struct ReadyTask {
    slot: u32,
    candidate: Candidate,
    wakers: Vec<u32>,
    ready_anyway: bool,
}

/// A run along a path.
#[derive(Debug)]
pub(super) struct SearchRun {
    pub(super) bound: Bound,
    /// The path. It grows where the run continues beyond its end.
    pub(super) frames: Vec<Frame>,
    /// The number of repeated steps. If the last of them has been tried before, it makes another choice now.
    pub(super) repeated: usize,
    /// Whether the last repeated step must be identical, too.
    pub(super) exact: bool,
    /// The number of steps that have begun.
    pub(super) begun: usize,
    pub(super) state: RunState,
    ready_tasks: Vec<ReadyTask>,
    /// The running task.
    running: Option<TaskKey>,
    /// The effects of the step so far.
    footprint: Footprint,
    /// The number of choices in this step so far.
    chosen: usize,
    instant: u32,
    in_a_row: u32,
    /// The number of steps at this instant for which the same tasks, if any, have been asleep.
    asleep_for: u32,
    /// The task that ran last when a run was cut short because tasks were asleep for too long. The continuation of that run is
    /// unknown.
    pub(super) spinning: Option<TaskKey>,
}

impl SearchRun {
    pub(super) fn new(bound: Bound) -> Self {
        Self {
            bound,
            frames: Vec::new(),
            repeated: 0,
            exact: false,
            begun: 0,
            state: RunState::OnPath,
            ready_tasks: Vec::new(),
            running: None,
            footprint: Footprint::default(),
            chosen: 0,
            instant: 0,
            in_a_row: 0,
            asleep_for: 0,
            spinning: None,
        }
    }

    /// Begins a run along the current path.
    pub(super) fn begin(&mut self, exact: bool) {
        self.repeated = self.frames.len();
        self.exact = exact;
        self.begun = 0;
        self.state = RunState::OnPath;
        self.ready_tasks.clear();
        self.running = None;
        self.footprint.clear();
        self.chosen = 0;
        self.instant = 0;
        self.in_a_row = 0;
        self.asleep_for = 0;
    }

    pub(super) fn ready(&mut self, ready: Ready) {
        let candidate = Candidate { task: ready.task, resume: ready.resume, announced: ready.announced };
        let mut added = ReadyTask { slot: ready.slot, candidate, wakers: Vec::new(), ready_anyway: true };
        if let Some(running) = self.running
            && running != ready.task
        {
            self.footprint.wakes(ready.task);
            added.ready_anyway = false;
            added.wakers.push(self.begun as u32 - 1);
        }
        self.ready_tasks.push(added);
    }

    /// Records that a ready task has been woken once more.
    pub(super) fn woken(&mut self, task: TaskKey) {
        let Some(running) = self.running.filter(|running| *running != task) else { return };
        debug_assert!(running != task);
        self.footprint.wakes(task);
        let step = self.begun as u32 - 1;
        if let Some(ready) = self.ready_tasks.iter_mut().find(|ready| ready.candidate.task == task)
            && !ready.wakers.contains(&step)
        {
            ready.wakers.push(step);
        }
    }

    pub(super) fn performed(&mut self, operation: Operation) {
        if self.running.is_some() {
            self.footprint.performs(operation);
        }
    }

    pub(super) fn choose(&mut self, key: DecisionKey, arity: u32) -> u32 {
        let Some(step) = self.begun.checked_sub(1) else { return 0 };
        if key.task().is_none() {
            // The search covers every order of the tasks, without network variation or faults.
            return 0;
        }
        if self.state != RunState::OnPath {
            return 0;
        }
        let number = self.chosen;
        self.chosen += 1;
        match self.frames[step].choices.get(number) {
            Some(choice) if choice.key == key && choice.arity == arity => choice.value,
            None if !self.is_settled(step) => {
                self.frames[step].choices.push(Choice { key, arity, value: 0 });
                0
            }
            _ => {
                self.state = RunState::Diverged(step);
                0
            }
        }
    }

    /// Returns whether all effects of the step have been seen before.
    fn is_settled(&self, step: usize) -> bool {
        step + usize::from(!self.exact) < self.repeated
    }

    /// Ends the current step.
    pub(super) fn end_step(&mut self) {
        if self.running.take().is_none() {
            return;
        }
        let step = self.begun - 1;
        if self.state == RunState::OnPath {
            let settled = self.is_settled(step);
            let frame = &mut self.frames[step];
            let mut unchanged = self.chosen == frame.choices.len();
            if settled {
                unchanged &= frame.footprint.operations == self.footprint.operations
                    && frame.footprint.wakes == self.footprint.wakes;
            } else {
                std::mem::swap(&mut frame.footprint, &mut self.footprint);
            }
            if !unchanged {
                self.state = RunState::Diverged(step);
            }
        }
        self.footprint.clear();
        self.chosen = 0;
    }

    pub(super) fn next(&mut self) -> Option<u32> {
        let last = self.running;
        self.end_step();
        if self.ready_tasks.is_empty() {
            // Only time can advance now: whatever follows happens after all steps so far.
            self.instant += 1;
            self.asleep_for = 0;
            return None;
        }
        let index = match self.state {
            RunState::OnPath => self.pick(last),
            RunState::Blocked => None,
            RunState::Diverged(_) => Some(0),
        }?;
        let ReadyTask { slot, candidate, wakers, ready_anyway } = self.ready_tasks.remove(index);
        self.in_a_row = if last == Some(candidate.task) { self.in_a_row + 1 } else { 0 };
        if self.state == RunState::OnPath {
            let frame = &mut self.frames[self.begun];
            frame.instant = self.instant;
            frame.wakers = wakers;
            frame.ready_anyway = ready_anyway;
            self.begun += 1;
            // Nothing is learned from a run that has diverged; its step may not even be on the path.
            self.running = Some(candidate.task);
        }
        Some(slot)
    }

    /// Returns the index of the ready task that runs next.
    fn pick(&mut self, last: Option<TaskKey>) -> Option<usize> {
        let step = self.begun;
        if step < self.repeated {
            let frame = &mut self.frames[step];
            let index = self.ready_tasks.iter().position(|ready| ready.candidate.task == frame.task);
            let known = !frame.ready.is_empty();
            let same = !known || frame.ready.iter().eq(self.ready_tasks.iter().map(|ready| &ready.candidate));
            if index.is_none() || !same {
                self.state = RunState::Diverged(step);
                return Some(0);
            }
            if !known {
                frame.ready.extend(self.ready_tasks.iter().map(|ready| ready.candidate));
                frame.continuing = continuing(&self.ready_tasks, last, self.in_a_row);
            }
            return index;
        }
        let mut frame = Frame::of(TaskKey::ROOT);
        frame.ready.extend(self.ready_tasks.iter().map(|ready| ready.candidate));
        frame.continuing = continuing(&self.ready_tasks, last, self.in_a_row);
        if let Some(previous) = step.checked_sub(1).map(|previous| &self.frames[previous]) {
            frame.spent = previous.spent + self.bound.cost(previous, previous.rank);
            frame.asleep = still_asleep(previous);
            frame.asleep_before = frame.asleep.len() as u32;
            let unchanged = !frame.asleep.is_empty() && frame.asleep.len() == previous.asleep.len();
            self.asleep_for = if unchanged { self.asleep_for + 1 } else { 0 };
        }
        if self.asleep_for > ASLEEP_MAX {
            self.spinning = self.spinning.or(last);
            self.state = RunState::Blocked;
            return None;
        }
        let first =
            (0..).map_while(|rank| frame.candidate(rank)).find(|candidate| !frame.sleeps(candidate.task));
        let Some(first) = first.copied() else {
            self.state = RunState::Blocked;
            return None;
        };
        frame.task = first.task;
        frame.backtrack.push(first.task);
        self.frames.push(frame);
        self.ready_tasks.iter().position(|ready| ready.candidate == first)
    }
}

/// Returns the index of the task that was preempted just before, so that it continues if it runs next.
fn continuing(ready_tasks: &[ReadyTask], last: Option<TaskKey>, in_a_row: u32) -> Option<u32> {
    let last = last.filter(|_| in_a_row < IN_A_ROW_MAX)?;
    let continuing = |ready: &ReadyTask| ready.candidate.task == last && ready.candidate.announced.is_some();
    ready_tasks.iter().position(continuing).map(|index| index as u32)
}

/// Returns the tasks that stay asleep after a step: their next steps do not depend on it.
fn still_asleep(frame: &Frame) -> Vec<Sleeper> {
    let stays_asleep =
        |sleeper: &&Sleeper| !depend((sleeper.task, &sleeper.footprint), (frame.task, &frame.footprint));
    frame.asleep.iter().filter(stays_asleep).cloned().collect()
}
