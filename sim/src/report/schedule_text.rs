//! The failing schedule: how it differs from FIFO order, one line for each deviation.
//!
//! # Invariants
//! - The lines are made from the record of the reported run itself, in the order of its steps.
//! - Each deviation has one line, which names at most two tasks besides the one that the deviation is about. The deviations of
//!   one fault have one line together.

use std::borrow::Cow;
use std::cell::RefCell;

use super::operation_text::{Form, outcome, verb};
use super::step_text;
use super::task_names::TaskNames;
use crate::sorting::{insert_sorted, sort_by_number};
use crate::text::{Nanos, Nth, counted, wrap, wrap_rows};
use crate::{
    Deviation, Domain, FaultAspect, FaultKind, Found, NodeEvent, Operation, Performed, Record, ResourceKind,
    Schedule, Seed, Site, StepKind, WorldChange, WorldDeviation, WorldEffect, WorldEvent,
};

/// Schedules with more deviations than this are not listed.
const LISTED_MAX: usize = 24;

/// The note about a run in which virtual time advanced while a task was ready.
const STALLED: &str = "Virtual time advanced while a task was ready, as on a busy machine. If the test relies on exact times, \
                       set `stalls = false`.";

/// Writes why the schedule was not shrunk, if it was not, and the failing schedule.
pub(super) fn write(text: &mut String, found: &Found, names: &TaskNames) {
    if let Some(why) = &found.not_shrunk {
        text.push('\n');
        wrap(text, "", "", why);
    }
    let Some(record) = &found.record else { return };
    let deviations = deviations(record, &found.shrunk);
    let randomness = match &found.shrunk {
        Schedule::Deviations { randomness, .. } => *randomness,
        Schedule::Seeded { .. } => Seed(0),
    };
    text.push('\n');
    if deviations.len() > LISTED_MAX {
        let count = counted(deviations.len() as u64, "deviation");
        wrap(text, "", "  ", &format!("Failing schedule: FIFO order with {count}, too many to list"));
    } else {
        let Lines { lines, spawned } = lines(record, &deviations, names);
        if lines.is_empty() {
            text.push_str("Failing schedule: FIFO order\n");
        } else {
            text.push_str("Failing schedule: FIFO order, except\n");
        }
        let label = |step: Option<usize>| step.map_or_else(|| "–".to_owned(), |step| format!("step {step}"));
        let rows: Vec<_> = lines.into_iter().map(|(step, line)| (label(step), line)).collect();
        wrap_rows(text, &rows);
        if !spawned.is_empty() {
            wrap(text, "  (", "   ", &format!("{})", spawned.join("; ")));
        }
    }
    if deviations.iter().any(|deviation| deviation.domain == Domain::Stall) {
        wrap(text, "  ", "  ", STALLED);
    }
    if randomness != Seed(0) {
        wrap(
            text,
            "  ",
            "  ",
            &format!("The code under test gets its random numbers from seed {randomness}."),
        );
    }
}

/// The lines of a schedule.
#[derive(Debug, Default)]
struct Lines {
    /// For each deviation, the step that it is about, from 1, and its text. `None` if the run has no such step.
    lines: Vec<(Option<usize>, String)>,
    /// Where the tasks with a name that the lines mention were spawned.
    spawned: Vec<String>,
}

fn lines(record: &Record, deviations: &[Deviation], names: &TaskNames) -> Lines {
    let steps = Steps { record, ran_at: record.ran_at() };
    let listed = steps.in_order(deviations);
    let writer = Writer { record, steps, names, mentioned: RefCell::default() };
    let lines = listed.into_iter().map(|(step, deviation)| (step.checked_add(1), writer.line(deviation)));
    let lines = lines.collect();
    let spawned = writer.mentioned.take().into_iter().filter_map(|task| {
        let label = &record.tasks[task as usize].label;
        let site = label.spawned.as_ref().filter(|_| names.introduce(label))?;
        Some(format!("{label} is spawned at {site}"))
    });
    Lines { lines, spawned: spawned.collect() }
}

/// Returns the steps that the listed deviations are about.
pub(super) fn steps_of(record: &Record, deviations: &[Deviation]) -> Vec<usize> {
    if deviations.len() > LISTED_MAX {
        return Vec::new();
    }
    let steps = Steps { record, ran_at: record.ran_at() };
    let listed = steps.in_order(deviations).into_iter().map(|(step, _)| step);
    listed.filter(|step| *step != usize::MAX).collect()
}

/// Returns the deviations of the schedule, or those that the run made under a seed.
pub(super) fn deviations<'a>(record: &Record, schedule: &'a Schedule) -> Cow<'a, [Deviation]> {
    match schedule {
        Schedule::Deviations { deviations, .. } => Cow::Borrowed(deviations),
        Schedule::Seeded { .. } => Cow::Owned(record.deviations()),
    }
}

/// Returns for each step whether it ran out of FIFO order because of one of the deviations.
pub(super) fn out_of_order(record: &Record, deviations: &[Deviation]) -> Vec<bool> {
    let mut marks = vec![false; record.steps.len()];
    let ran_at = record.ran_at();
    for deviation in deviations.iter().filter(|deviation| Domain::MOVING.contains(&deviation.domain)) {
        if let Some(step) = record.arrival_about(deviation).and_then(|arrival| ran_at[arrival]) {
            marks[step] = true;
        }
    }
    marks
}

/// Finds the steps that deviations are about.
struct Steps<'a> {
    record: &'a Record,
    /// The step that ran each arrival.
    ran_at: Vec<Option<usize>>,
}

impl Steps<'_> {
    /// Returns the deviations that have lines and the steps that they are about, in the order of these steps.
    fn in_order<'d>(&self, deviations: &'d [Deviation]) -> Vec<(usize, &'d Deviation)> {
        let listed = deviations.iter().filter(|deviation| !self.is_part_of_a_fault(deviation));
        let mut listed: Vec<_> = listed.map(|deviation| (self.step(deviation), deviation)).collect();
        sort_by_number(&mut listed, |(step, _)| *step as u128);
        listed
    }

    /// Returns the step that a deviation is about; `usize::MAX` if the run has no such step.
    fn step(&self, deviation: &Deviation) -> usize {
        if matches!(deviation.domain, Domain::Network | Domain::Fault | Domain::Io) {
            return self.record.effect_of(deviation).map_or(usize::MAX, |known| self.of_effect(known));
        }
        let arrival = self.record.arrival_about(deviation);
        arrival.or_else(|| self.skipped(deviation)).map_or(usize::MAX, |arrival| self.of_arrival(arrival))
    }

    /// Returns the step that ran an arrival; `usize::MAX` if none did.
    fn of_arrival(&self, arrival: usize) -> usize {
        self.ran_at[arrival].unwrap_or(usize::MAX)
    }

    /// Returns the arrival whose step had an operation preempted while the code that polled it continued without it.
    fn skipped(&self, deviation: &Deviation) -> Option<usize> {
        if deviation.domain != Domain::Operation {
            return None;
        }
        let arrival = self.record.arrivals.iter().position(|arrival| {
            let task = &self.record.tasks[arrival.task as usize];
            arrival.resume == deviation.resume
                && arrival.operation.is_none()
                && task.label.path == deviation.task
        });
        arrival.filter(|arrival| self.ran_at[*arrival].is_some())
    }

    /// Returns whether the deviation is a detail of a fault of a plan, such as its duration. The line of the fault has all
    /// details.
    fn is_part_of_a_fault(&self, deviation: &Deviation) -> bool {
        let known = self.record.effect_of(deviation).map(|known| &known.effect);
        matches!(known, Some(WorldEffect::Fault { aspect, .. }) if *aspect != FaultAspect::Happens)
    }

    /// Returns the step in which a packet is sent or a fault begins. What happens between two steps is listed with the second
    /// one.
    fn of_effect(&self, known: &WorldDeviation) -> usize {
        let next = known.after_steps as usize;
        let steps = &self.record.steps;
        let Some(last) = next.checked_sub(1) else { return next };
        let Some(drawn_at_ns) = steps.get(last).map(|step| step.at_ns) else { return next };
        match &known.effect {
            WorldEffect::Packet { at_ns, .. } if *at_ns == drawn_at_ns => last,
            WorldEffect::Packet { .. } => next,
            // A task does it in the step that draws it.
            WorldEffect::Transfer { .. } | WorldEffect::Lookup { .. } => last,
            WorldEffect::Fault { fault, .. } => {
                let begins_ns = drawn_at_ns.saturating_add(fault.begins_ns);
                let is_it = |event: &&WorldEvent| {
                    let begins = match fault.kind {
                        FaultKind::Crash => NodeEvent::Crashes,
                        FaultKind::Pause => NodeEvent::Pauses,
                        _ => return false,
                    };
                    matches!(&event.change, WorldChange::Node { node, event, .. } if *event == begins && fault.nodes.first() == Some(node))
                        && steps[event.step as usize].at_ns >= begins_ns
                };
                // Other faults are no events.
                let event = self.record.events.iter().find(is_it).map(|event| event.step as usize);
                event
                    .or_else(|| (last..steps.len()).find(|step| steps[*step].at_ns >= begins_ns))
                    .unwrap_or(usize::MAX)
            }
        }
    }
}

struct Writer<'a> {
    record: &'a Record,
    steps: Steps<'a>,
    names: &'a TaskNames,
    /// The tasks that the lines mention.
    mentioned: RefCell<Vec<u32>>,
}

impl Writer<'_> {
    /// Describes a deviation.
    fn line(&self, deviation: &Deviation) -> String {
        match deviation.domain {
            Domain::Schedule => self.about_task(deviation, |arrival, at| self.moved(arrival, at)),
            Domain::Select => self.about_task(deviation, |arrival, _| {
                // Ordinals count from 1.
                let (nth, branch) = (Nth(deviation.index), Nth(deviation.value));
                format!("{}, and its {nth} `select!` polls the {branch} branch first", self.does(arrival))
            }),
            Domain::User => self.about_task(deviation, |arrival, _| {
                format!("{}, and draws {}", self.does(arrival), deviation.value)
            }),
            Domain::Operation => self.about_task(deviation, |arrival, at| self.preempted(arrival, at)),
            Domain::Stall => self.about_task(deviation, |arrival, at| self.stalled(arrival, at)),
            Domain::Network | Domain::Fault | Domain::Io => self.about_world(deviation),
        }
    }

    /// Describes a decision about a task; `describe` gets the arrival that it is about, and the step that ran it.
    fn about_task(&self, deviation: &Deviation, describe: impl FnOnce(usize, usize) -> String) -> String {
        if let Some(arrival) = self.record.arrival_about(deviation) {
            return describe(arrival, self.steps.of_arrival(arrival));
        }
        if let Some(arrival) = self.steps.skipped(deviation) {
            let (nth, does) = (Nth(deviation.index & !Operation::APART), self.does(arrival));
            return format!(
                "{does}, but its {nth} operation is preempted, and the code then does not perform it"
            );
        }
        let (task, nth) = (&deviation.task, Nth(deviation.resume));
        format!("this run does not reach the {nth} resumption of `{task}`")
    }

    /// Describes a decision about the network, a fault, input or output.
    fn about_world(&self, deviation: &Deviation) -> String {
        match self.record.effect_of(deviation) {
            Some(known) => known.effect.text(self.names),
            None => {
                let Deviation { domain, task, resume, .. } = deviation;
                let nth = Nth(*resume);
                format!("this run does not reach the {nth} {domain} decision about `{task}`")
            }
        }
    }

    /// Describes a task that did not run while virtual time advanced.
    fn stalled(&self, arrival: usize, at: usize) -> String {
        match self.record.steps.get(at) {
            Some(step) => format!(
                "{} only at virtual time {}, after a stall of {}",
                self.does(arrival),
                Nanos(step.at_ns),
                Nanos(step.at_ns - self.record.ready_at_ns(arrival))
            ),
            None => format!(
                "{} is ready but does not run before the run ends, although virtual time advances",
                self.task(arrival)
            ),
        }
    }

    /// Describes a task that is preempted before an operation.
    fn preempted(&self, arrival: usize, at: usize) -> String {
        let task = self.task(arrival);
        let operation = self.operation(arrival);
        let before = match operation {
            Some(performed) => format!(" before it {}", self.done(performed, Form::Present)),
            None => String::new(),
        };
        if at == usize::MAX {
            return format!("{task} is preempted{before}, and does not run again before the run ends");
        }
        let index = self.record.arrivals[arrival].task;
        let steps = &self.record.steps[..at];
        let previous = steps.iter().rposition(|step| self.record.arrival_of(step).task == index);
        let meanwhile = at - previous.map_or(0, |previous| previous + 1);
        if meanwhile == 0 {
            return format!("{task} is preempted{before}");
        }
        // The last of these steps is the one that matters: with one step fewer, the run would end differently.
        let raced = operation.and_then(|operation| {
            let last = self.record.operations_of(at - 1);
            last.iter().rfind(|other| other.operation.races_with(operation.operation))
        });
        let last = self.record.steps[at - 1].arrival as usize;
        let has_done = match raced {
            None => self.has_done(last),
            Some(other) => {
                let kind = self.kind(other);
                let verb = verb(kind, other.operation.access, Form::Perfect, self.record.mode_of(other));
                format!("{} {verb} it{}", self.task(last), step_text::at(other.site.as_ref()))
            }
        };
        let does = match operation {
            Some(performed) => self.done(performed, Form::Present),
            None if self.record.kind_of(at) == StepKind::Polls => "continues".to_owned(),
            None => self.step_text(arrival, Form::Present),
        };
        let steps = counted(meanwhile as u64, "step");
        format!("{task} {does} only after {has_done} (preempted for {steps})")
    }

    /// Returns the operation before which the task was preempted and with which it continues.
    fn operation(&self, arrival: usize) -> Option<&Performed> {
        let index = self.record.arrivals[arrival].operation?;
        self.record
            .operations_of(self.steps.ran_at[arrival]?)
            .iter()
            .find(|performed| performed.index == Some(index))
    }

    /// Renders an operation: `` reads `balance` at bank.rs:57 ``.
    fn done(&self, performed: &Performed, form: Form) -> String {
        let access = performed.operation.access;
        let site = step_text::at(performed.site.as_ref());
        if self.record.is_task_end(performed.operation.resource) {
            let polls = if form == Form::Present { "polls" } else { "has polled" };
            return format!("{polls} the end of a task{site}");
        }
        let verb = verb(self.kind(performed), access, form, self.record.mode_of(performed));
        let resource = self.record.resource(performed.operation.resource);
        let name =
            resource.map_or_else(String::new, |resource| format!(" {}", self.record.name_of(resource, None)));
        format!("{verb}{name}{site}{}", outcome(self.record, performed, self.names))
    }

    fn kind(&self, performed: &Performed) -> ResourceKind {
        self.record
            .resource(performed.operation.resource)
            .map_or_else(ResourceKind::default, |known| known.kind)
    }

    /// Describes a task that ran earlier or later than in FIFO order.
    fn moved(&self, arrival: usize, at: usize) -> String {
        // Those that were ready earlier and run later, and those that were ready later and run earlier; both in the order in
        // which they run.
        let others = |range: std::ops::Range<usize>, ran: &dyn Fn(Option<usize>) -> bool| {
            let mut others: Vec<usize> = range.filter(|&other| ran(self.steps.ran_at[other])).collect();
            sort_by_number(&mut others, |&other| self.steps.ran_at[other].unwrap_or(usize::MAX) as u128);
            others
        };
        let overtaken = others(0..arrival, &|step| step.is_none_or(|step| step > at) && at != usize::MAX);
        let overtook =
            others(arrival + 1..self.steps.ran_at.len(), &|step| step.is_some_and(|step| step < at));
        let mut line = if at == usize::MAX {
            format!("{} is ready but does not run before the run ends", self.task(arrival))
        } else {
            self.does(arrival)
        };
        // The last of these is the one that matters: with one step fewer, the run would end differently.
        if let Some((last, more)) = overtook.split_last().filter(|_| at != usize::MAX) {
            if overtaken.is_empty() {
                line.push_str(&out_of_fifo(more.len(), "later"));
            }
            line.push_str(&format!(" only after {}", self.has_done(*last)));
        }
        if let Some((first, more)) = overtaken.split_first() {
            let but = if overtook.is_empty() { "" } else { ", but" };
            if overtook.is_empty() {
                line.push_str(&out_of_fifo(more.len(), "earlier"));
            }
            let does = match self.steps.ran_at[*first] {
                Some(_) => self.does(*first),
                None => format!("{} runs", self.task(*first)),
            };
            line.push_str(&format!("{but} before {does}"));
        }
        if overtaken.is_empty() && overtook.is_empty() {
            let after_steps =
                usize::try_from(self.record.arrivals[arrival].after_steps).unwrap_or(usize::MAX);
            let steps = counted(at.saturating_sub(after_steps) as u64, "other step");
            line.push_str(&format!(" after {steps}"));
        }
        line
    }

    /// Renders what a task has done: `` `audit` (root.2) has started ``, `` `audit` (root.2) has resumed at bank.rs:57 ``.
    fn has_done(&self, arrival: usize) -> String {
        let task = self.task(arrival);
        if let Some(performed) = self.operation(arrival) {
            return format!("{task} {}", self.done(performed, Form::Perfect));
        }
        format!("{task} {}", self.step_text(arrival, Form::Perfect))
    }

    fn task(&self, arrival: usize) -> String {
        let task = self.record.arrivals[arrival].task;
        insert_sorted(&mut self.mentioned.borrow_mut(), task);
        self.names.mention(&self.record.tasks[task as usize].label)
    }

    /// Renders what a task does: `` `audit` (root.2) starts ``, `` `audit` (root.2) resumes at bank.rs:57 ``.
    fn does(&self, arrival: usize) -> String {
        let task = self.task(arrival);
        if let Some(performed) = self.operation(arrival) {
            return format!("{task} {}", self.done(performed, Form::Present));
        }
        format!("{task} {}", self.step_text(arrival, Form::Present))
    }

    fn step_text(&self, arrival: usize, form: Form) -> String {
        let ran_at = self.steps.ran_at[arrival];
        let kind = ran_at.map_or(StepKind::Polls, |step| self.record.kind_of(step));
        let waited_at = || ran_at.and_then(|step| self.record.resumes_at(step));
        let waited_at = self.waited_at(arrival).or_else(waited_at);
        step_text::does(kind, self.starts(arrival), waited_at, form)
    }

    fn starts(&self, arrival: usize) -> bool {
        let arrival = self.record.arrivals[arrival];
        arrival.resume == 0 && arrival.operation.is_none()
    }

    /// Returns where the task waited before this resumption.
    fn waited_at(&self, arrival: usize) -> Option<&Site> {
        let Self { record, steps: Steps { ran_at, .. }, .. } = self;
        let this = record.arrivals[arrival];
        let before = record.arrivals[..arrival]
            .iter()
            .rposition(|other| other.task == this.task && other.resume + 1 == this.resume)?;
        record.steps[ran_at[before]?].waits_at.as_ref()
    }
}

/// Says by how many steps a task runs earlier or later than in FIFO order, if the line does not name all of them.
fn out_of_fifo(more: usize, direction: &str) -> String {
    if more == 0 { String::new() } else { format!(", {} steps {direction} than in FIFO order,", more + 1) }
}
