//! One run along the tree of schedules: it repeats the path that it is given, and goes on by a default rule.
//!
//! Always true: what is repeated is compared with what was seen before, and a difference is never passed over.

use super::Bound;
use super::footprint::{Footprint, depend};
use super::frame::{Candidate, Choice, Frame, Sleeper};
use crate::{DecisionKey, Operation, Ready, TaskKey};

/// For how many steps in a row the default rule stays with a task that goes on, before it lets the others have their turn:
/// so that a task that waits for another by looking again and again does not keep it from coming.
const IN_A_ROW_MAX: u32 = 1_000;

/// For how many steps in a row at one instant a task may sleep, while others run on and nothing wakes it: a task that looks
/// at something again and again, and that nobody announces, would run for ever while the one that it waits for sleeps.
const ASLEEP_MAX: u32 = 1_000;

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It goes its way.
    Going,
    /// Every task that is ready sleeps: whatever comes next has been explored in another order.
    Blocked,
    /// What was to be repeated went another way at this step.
    Diverged(usize),
}

/// A task that is ready.
#[derive(Clone, Debug)]
struct Live {
    slot: u32,
    candidate: Candidate,
    wakers: Vec<u32>,
    ready_anyway: bool,
}

/// A run along a path.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) bound: Bound,
    /// The path. Where the run goes beyond its end, it grows.
    pub(super) frames: Vec<Frame>,
    /// How many steps are repeated; the last of them, where it has been tried before, chose otherwise then.
    pub(super) repeated: usize,
    /// Whether the last repeated step too is to be as it was.
    pub(super) faithful: bool,
    /// How many steps have begun.
    pub(super) begun: usize,
    pub(super) standing: Standing,
    live: Vec<Live>,
    /// The task that runs.
    running: Option<TaskKey>,
    /// What it has done in this step.
    does: Footprint,
    /// How many choices it has made.
    chosen: usize,
    instant: u32,
    in_a_row: u32,
    /// For how many steps at this instant the same tasks, if any, have slept.
    asleep_for: u32,
    /// Whether a run was cut short because tasks slept for too long, so that no one knows where it would have led.
    pub(super) overslept: bool,
}

impl Walk {
    pub(super) fn new(bound: Bound) -> Self {
        Self {
            bound,
            frames: Vec::new(),
            repeated: 0,
            faithful: false,
            begun: 0,
            standing: Standing::Going,
            live: Vec::new(),
            running: None,
            does: Footprint::default(),
            chosen: 0,
            instant: 0,
            in_a_row: 0,
            asleep_for: 0,
            overslept: false,
        }
    }

    /// A run along the path as it stands is about to begin.
    pub(super) fn begin(&mut self, faithful: bool) {
        self.repeated = self.frames.len();
        self.faithful = faithful;
        self.begun = 0;
        self.standing = Standing::Going;
        self.live.clear();
        self.running = None;
        self.does.clear();
        self.chosen = 0;
        self.instant = 0;
        self.in_a_row = 0;
        self.asleep_for = 0;
    }

    pub(super) fn ready(&mut self, ready: Ready) {
        let candidate = Candidate { task: ready.task, resume: ready.resume, announced: ready.announced };
        let mut live = Live { slot: ready.slot, candidate, wakers: Vec::new(), ready_anyway: true };
        if let Some(running) = self.running
            && running != ready.task
        {
            self.does.wakes(ready.task);
            live.ready_anyway = false;
            live.wakers.push(self.begun as u32 - 1);
        }
        self.live.push(live);
    }

    /// A task that is ready has been woken once more.
    pub(super) fn woken(&mut self, task: TaskKey) {
        let Some(running) = self.running.filter(|running| *running != task) else { return };
        debug_assert!(running != task);
        self.does.wakes(task);
        let step = self.begun as u32 - 1;
        if let Some(live) = self.live.iter_mut().find(|live| live.candidate.task == task)
            && !live.wakers.contains(&step)
        {
            live.wakers.push(step);
        }
    }

    pub(super) fn performed(&mut self, operation: Operation) {
        if self.running.is_some() {
            self.does.performs(operation);
        }
    }

    pub(super) fn choose(&mut self, key: DecisionKey, arity: u32) -> u32 {
        let Some(step) = self.begun.checked_sub(1) else { return 0 };
        if key.task().is_none() {
            // Every order of the tasks is searched, in a calm world.
            return 0;
        }
        if self.standing != Standing::Going {
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
                self.standing = Standing::Diverged(step);
                0
            }
        }
    }

    /// Whether all that the step does has been seen before.
    fn is_settled(&self, step: usize) -> bool {
        step + usize::from(!self.faithful) < self.repeated
    }

    /// The step under way is over.
    pub(super) fn end_step(&mut self) {
        if self.running.take().is_none() {
            return;
        }
        let step = self.begun - 1;
        if self.standing == Standing::Going {
            let settled = self.is_settled(step);
            let frame = &mut self.frames[step];
            let mut as_before = self.chosen == frame.choices.len();
            if settled {
                as_before &=
                    frame.does.operations == self.does.operations && frame.does.wakes == self.does.wakes;
            } else {
                std::mem::swap(&mut frame.does, &mut self.does);
            }
            if !as_before {
                self.standing = Standing::Diverged(step);
            }
        }
        self.does.clear();
        self.chosen = 0;
    }

    pub(super) fn next(&mut self) -> Option<u32> {
        let last = self.running;
        self.end_step();
        if self.live.is_empty() {
            // Nothing but time, if anything, comes next: whatever it brings comes after all that has happened.
            self.instant += 1;
            self.asleep_for = 0;
            return None;
        }
        let index = match self.standing {
            Standing::Going => self.pick(last),
            Standing::Blocked => None,
            Standing::Diverged(_) => Some(0),
        }?;
        let Live { slot, candidate, wakers, ready_anyway } = self.live.remove(index);
        self.in_a_row = if last == Some(candidate.task) { self.in_a_row + 1 } else { 0 };
        if self.standing == Standing::Going {
            let frame = &mut self.frames[self.begun];
            frame.instant = self.instant;
            frame.wakers = wakers;
            frame.ready_anyway = ready_anyway;
            self.begun += 1;
            // Of a run that has strayed nothing is learned; there may not be a step that it could be learned of.
            self.running = Some(candidate.task);
        }
        Some(slot)
    }

    /// Which of the live tasks runs next.
    fn pick(&mut self, last: Option<TaskKey>) -> Option<usize> {
        let step = self.begun;
        if step < self.repeated {
            let frame = &mut self.frames[step];
            let index = self.live.iter().position(|live| live.candidate.task == frame.task);
            let known = !frame.ready.is_empty();
            let same = !known || frame.ready.iter().eq(self.live.iter().map(|live| &live.candidate));
            if index.is_none() || !same {
                self.standing = Standing::Diverged(step);
                return Some(0);
            }
            if !known {
                frame.ready.extend(self.live.iter().map(|live| live.candidate));
                frame.goes_on = goes_on(&self.live, last, self.in_a_row);
            }
            return index;
        }
        let mut frame = Frame::of(TaskKey::ROOT);
        frame.ready.extend(self.live.iter().map(|live| live.candidate));
        frame.goes_on = goes_on(&self.live, last, self.in_a_row);
        if let Some(previous) = step.checked_sub(1).map(|previous| &self.frames[previous]) {
            frame.spent = previous.spent + self.bound.cost(previous, previous.rank);
            frame.asleep = still_asleep(previous);
            frame.asleep_before = frame.asleep.len() as u32;
            let as_before = !frame.asleep.is_empty() && frame.asleep.len() == previous.asleep.len();
            self.asleep_for = if as_before { self.asleep_for + 1 } else { 0 };
        }
        if self.asleep_for > ASLEEP_MAX {
            self.overslept = true;
            self.standing = Standing::Blocked;
            return None;
        }
        let first =
            (0..).map_while(|rank| frame.candidate(rank)).find(|candidate| !frame.sleeps(candidate.task));
        let Some(first) = first.copied() else {
            self.standing = Standing::Blocked;
            return None;
        };
        frame.task = first.task;
        frame.wanted.push(first.task);
        self.frames.push(frame);
        self.live.iter().position(|live| live.candidate == first)
    }
}

/// The task that has given way just before, so that it goes on if it is the next to run.
fn goes_on(live: &[Live], last: Option<TaskKey>, in_a_row: u32) -> Option<u32> {
    let last = last.filter(|_| in_a_row < IN_A_ROW_MAX)?;
    let goes_on = |live: &Live| live.candidate.task == last && live.candidate.announced.is_some();
    live.iter().position(goes_on).map(|index| index as u32)
}

/// Those who sleep on after a step: what they do next does not depend on it.
fn still_asleep(frame: &Frame) -> Vec<Sleeper> {
    let sleeps_on = |sleeper: &&Sleeper| !depend((sleeper.task, &sleeper.does), (frame.task, &frame.does));
    frame.asleep.iter().filter(sleeps_on).cloned().collect()
}
