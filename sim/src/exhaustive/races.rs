//! Races: pairs of steps that could have happened in the other order, and the alternatives to try because of them.
//!
//! The rule is that of source sets (Abdulla, Aronis, Jonsson, Sagonas: *Optimal Dynamic Partial Order Reduction*, POPL
//! 2014). For each race, some task must be tried before its first step that can begin a schedule in which the second
//! step happens first.
//!
//! # Invariants
//! - Steps at different instants of virtual time never race.
//! - A step never races with a step that only it made possible.

use super::dependence::depend;
use super::frame::Frame;
use super::vector_clock::VectorClock;
use crate::TaskKey;

/// Computes, for the steps from `fresh` on, which steps happen before them and with which they race. Adds the tasks to
/// try to the backtrack sets.
pub(super) fn analyse(frames: &mut [Frame], fresh: usize, tasks: &mut Vec<TaskKey>) {
    // The steps that happen before everything at this instant.
    let mut before_instant = VectorClock::default();
    let mut so_far = VectorClock::default();
    let mut instant_begins = 0;
    for step in 0..frames.len() {
        if step > 0 && frames[step].instant != frames[step - 1].instant {
            before_instant.copy_from(&so_far);
            instant_begins = step;
        }
        if step >= fresh {
            let task = frames[step].task;
            let number = tasks.iter().position(|known| *known == task).unwrap_or_else(|| {
                tasks.push(task);
                tasks.len() - 1
            }) as u32;
            frames[step].number = number;
            frames[step].nth = so_far.get(number) + 1;
            order(frames, step, instant_begins, &before_instant);
        }
        so_far.set(frames[step].number, frames[step].nth);
    }
}

/// Orders one step after those before it, and finds its races.
fn order(frames: &mut [Frame], step: usize, instant_begins: usize, before_instant: &VectorClock) {
    let (earlier, rest) = frames.split_at_mut(step);
    let this = &mut rest[0];
    let mut clock = std::mem::take(&mut this.clock);
    clock.copy_from(before_instant);
    if let Some(previous) = earlier.iter().rev().find(|frame| frame.number == this.number) {
        clock.join(&previous.clock);
    }
    if !this.ready_anyway {
        for &waker in &this.wakers {
            let waker = &earlier[waker as usize];
            // Without this step, none of the others would have woken the task.
            if this.wakers.iter().all(|&other| comes_before(waker, &earlier[other as usize].clock)) {
                clock.join(&waker.clock);
            }
        }
    }
    let mut races = Vec::new();
    for other in (instant_begins..step).rev() {
        let frame = &earlier[other];
        if !comes_before(frame, &clock)
            && depend((frame.task, &frame.footprint), (this.task, &this.footprint))
        {
            races.push(other);
            clock.join(&frame.clock);
        }
    }
    clock.set(this.number, this.nth);
    this.clock = clock;
    for &first in &races {
        reverse(frames, first, step);
        (first + 1..step).for_each(|third| reverse_as_slept(frames, first, step, third));
    }
    frames[step].races = races;
    for second in instant_begins..step {
        for index in 0..frames[second].races.len() {
            let first = frames[second].races[index];
            reverse_as_slept(frames, first, second, step);
        }
    }
}

/// Returns whether a step happens before the one with this clock, or is that step.
fn comes_before(frame: &Frame, clock: &VectorClock) -> bool {
    clock.has(frame.number, frame.nth)
}

/// Ensures that a schedule in which the step `second` happens before the step `first` is tried.
fn reverse(frames: &mut [Frame], first: usize, second: usize) {
    // The steps of such a schedule: those in between that do not need `first`, then `second`.
    let needs_first = |step: usize| comes_before(&frames[first], &frames[step].clock);
    let mut steps: Vec<usize> = (first + 1..second).filter(|&step| !needs_first(step)).collect();
    steps.push(second);
    begin_with_one_of(frames, first, &steps);
}

/// Handles a task that is asleep at `first`. This run does not show what the task of `second` would do if `first` had
/// not happened: it may find a lock free, and continue. Usually another run shows that, and races in turn. Where the
/// task was asleep already, there is no such run. Its effects are known then, and if `third` races with them, `third`
/// must be tried first.
fn reverse_as_slept(frames: &mut [Frame], first: usize, second: usize, third: usize) {
    let (here, as_run, other) = (&frames[first], &frames[second], &frames[third]);
    let Some(slept) = here.slept_before().iter().find(|sleeper| sleeper.task == as_run.task) else { return };
    if other.task == as_run.task
        || comes_before(here, &other.clock)
        || comes_before(as_run, &other.clock)
        || comes_before(other, &as_run.clock)
        || !depend((slept.task, &slept.footprint), (other.task, &other.footprint))
    {
        return;
    }
    let steps: Vec<usize> =
        (first + 1..=third).filter(|&step| comes_before(&frames[step], &other.clock)).collect();
    begin_with_one_of(frames, first, &steps);
}

/// Ensures that one of the tasks that can begin a schedule of these steps is tried in place of the step `first`.
fn begin_with_one_of(frames: &mut [Frame], first: usize, steps: &[usize]) {
    let can_begin = |position: usize| {
        let clock = &frames[steps[position]].clock;
        !steps[..position].iter().any(|&step| comes_before(&frames[step], clock))
    };
    let beginners: Vec<TaskKey> = (0..steps.len())
        .filter(|&position| can_begin(position))
        .map(|position| frames[steps[position]].task)
        .collect();
    let here = &frames[first];
    if beginners.iter().any(|&task| here.backtrack.contains(&task) || here.sleeps(task)) {
        return;
    }
    let is_ready = |task: &TaskKey| here.ready.iter().any(|candidate| candidate.task == *task);
    // Prefer the task of the last step: it leads most directly to the other order.
    match beginners.iter().rev().find(|task| is_ready(task)).copied() {
        Some(task) => frames[first].backtrack.push(task),
        // An unannounced event is involved: try everything.
        None => add_all_to_backtrack(&mut frames[first]),
    }
}

/// Adds every ready task to the backtrack set.
pub(super) fn add_all_to_backtrack(frame: &mut Frame) {
    for candidate in &frame.ready {
        if !frame.backtrack.contains(&candidate.task) {
            frame.backtrack.push(candidate.task);
        }
    }
}
