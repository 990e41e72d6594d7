//! Races: pairs of steps that might have come in the other order, and what is to be tried because of them.
//!
//! The rule is that of source sets (Abdulla, Aronis, Jonsson, Sagonas: Optimal dynamic partial order reduction, 2014): for
//! each race, from before its first step there must be a task to be tried that can begin a schedule in which the second
//! step comes first.
//!
//! Always true: steps at different instants of virtual time never race; nor does a step with one that only it made possible.

use super::clock::Clock;
use super::footprint::depend;
use super::frame::Frame;
use crate::TaskKey;

/// Works out, for the steps from `fresh` on, what comes before them and with what they race, and adds to what is wanted.
pub(super) fn analyse(frames: &mut [Frame], fresh: usize, tasks: &mut Vec<TaskKey>) {
    // What comes before everything at this instant.
    let mut before_instant = Clock::default();
    let mut so_far = Clock::default();
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

/// One step among those before it.
fn order(frames: &mut [Frame], step: usize, instant_begins: usize, before_instant: &Clock) {
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
            // Without this one none of the others would have come to wake the task.
            if this.wakers.iter().all(|&other| comes_before(waker, &earlier[other as usize].clock)) {
                clock.join(&waker.clock);
            }
        }
    }
    let mut races = Vec::new();
    for other in (instant_begins..step).rev() {
        let frame = &earlier[other];
        if !comes_before(frame, &clock) && depend((frame.task, &frame.does), (this.task, &this.does)) {
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

/// Whether a step comes before the one with this clock, or is it.
fn comes_before(frame: &Frame, clock: &Clock) -> bool {
    clock.has(frame.number, frame.nth)
}

/// Sees to it that a schedule in which the step `second` comes before the step `first` is tried.
fn reverse(frames: &mut [Frame], first: usize, second: usize) {
    // The steps of such a schedule: those between that can do without the first, then the second.
    let needs_first = |step: usize| comes_before(&frames[first], &frames[step].clock);
    let mut steps: Vec<usize> = (first + 1..second).filter(|&step| !needs_first(step)).collect();
    steps.push(second);
    begin_with_one_of(frames, first, &steps);
}

/// What the task of a step `second` would do where `first` has not happened is not known from this run: it may find a lock
/// free, and go on. As a rule another run will show that, which then races in turn. But where the task sleeps
/// from before, there will be none. What it does is known then, and if `third` races with that, it is to be tried before.
fn reverse_as_slept(frames: &mut [Frame], first: usize, second: usize, third: usize) {
    let [here, as_run, other] = [first, second, third].map(|step| &frames[step]);
    let Some(slept) = here.slept_before().iter().find(|sleeper| sleeper.task == as_run.task) else { return };
    if other.task == as_run.task
        || comes_before(here, &other.clock)
        || comes_before(as_run, &other.clock)
        || comes_before(other, &as_run.clock)
        || !depend((slept.task, &slept.does), (other.task, &other.does))
    {
        return;
    }
    let steps: Vec<usize> =
        (first + 1..=third).filter(|&step| comes_before(&frames[step], &other.clock)).collect();
    begin_with_one_of(frames, first, &steps);
}

/// Sees to it that one of the tasks with which a schedule of these steps can begin is tried before the step `first`.
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
    if beginners.iter().any(|&task| here.wanted.contains(&task) || here.sleeps(task)) {
        return;
    }
    let is_ready = |task: &TaskKey| here.ready.iter().any(|candidate| candidate.task == *task);
    // The task of the last step itself, if it can: that leads most directly to the other order.
    match beginners.iter().rev().find(|task| is_ready(task)).copied() {
        Some(task) => frames[first].wanted.push(task),
        // Something that nobody announces has a part in this: better too much than too little.
        None => want_all(&mut frames[first]),
    }
}

/// Every task that is ready is to be tried here.
pub(super) fn want_all(frame: &mut Frame) {
    for candidate in &frame.ready {
        if !frame.wanted.contains(&candidate.task) {
            frame.wanted.push(candidate.task);
        }
    }
}
