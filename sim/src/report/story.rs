//! A schedule told in sentences: which task, resumed where, before or after which others.
//!
//! Always true: the sentences are read off the record of the run itself, so they say what happened, in the order in which
//! it happened; there is one for each deviation, and it names two tasks at most besides the one that it is about.

use std::cell::RefCell;

use crate::sorting::sort_by_number;
use crate::text::{Nanos, Nth, capitalized, line};
use crate::{Access, Deviation, Domain, Performed, Record, Site};

/// What happened, in words.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// For each deviation the step that it is about, from 1, and a sentence; in the order of the steps. A step that the run
    /// does not come to has no number.
    pub(super) sentences: Vec<(Option<usize>, String)>,
    /// Where the tasks that the sentences name come from.
    pub(super) tasks: Vec<String>,
}

pub(super) fn tell(record: &Record, deviations: &[Deviation]) -> Told {
    let named = RefCell::new(vec![false; record.tasks.len()]);
    let story = Story { record, ran_at: record.ran_at(), named };
    let mut sentences: Vec<_> = deviations
        .iter()
        .map(|deviation| {
            let (step, sentence) = story.sentence(deviation);
            (step.checked_add(1), sentence)
        })
        .collect();
    sort_by_number(&mut sentences, |(step, _)| step.unwrap_or(usize::MAX) as u128);
    let named = story.named.take();
    let tasks = record.tasks.iter().zip(named).filter(|(_, named)| *named).filter_map(|(task, _)| {
        let label = &task.label;
        label.spawned.as_ref().map(|site| format!("{label} was spawned at {site}"))
    });
    Told { sentences, tasks: tasks.collect() }
}

/// Whether a step ran out of its turn because of one of the deviations, for each step.
pub(super) fn out_of_turn(record: &Record, deviations: &[Deviation]) -> Vec<bool> {
    let mut marks = vec![false; record.steps.len()];
    let ran_at = record.ran_at();
    let moved = [Domain::Schedule, Domain::Operation, Domain::Stall];
    for deviation in deviations.iter().filter(|deviation| moved.contains(&deviation.domain)) {
        if let Some(step) = record.arrival_about(deviation).and_then(|arrival| ran_at[arrival]) {
            marks[step] = true;
        }
    }
    marks
}

struct Story<'a> {
    record: &'a Record,
    /// The step that ran each arrival.
    ran_at: Vec<Option<usize>>,
    /// Which tasks have been named.
    named: RefCell<Vec<bool>>,
}

impl Story<'_> {
    /// An operation that a task gave way for, while the code that polled it went on without it.
    fn put_off(&self, deviation: &Deviation) -> Option<(usize, String)> {
        let arrival = self.record.arrivals.iter().position(|arrival| {
            let task = &self.record.tasks[arrival.task as usize];
            arrival.resume == deviation.resume
                && arrival.operation.is_none()
                && task.label.path == deviation.task
        })?;
        let (nth, does) = (Nth(deviation.index), self.does(arrival));
        let sentence =
            format!("When {does}, its {nth} operation is put off, and the code goes on without it.");
        Some((self.ran_at[arrival]?, sentence))
    }

    /// The step that a deviation is about, and its sentence.
    fn sentence(&self, deviation: &Deviation) -> (usize, String) {
        match deviation.domain {
            Domain::Schedule => self.of_task(deviation, |arrival, at| self.moved(arrival, at)),
            Domain::Select => self.of_task(deviation, |arrival, _| {
                // A person counts branches from 1, and may have chosen more than once before.
                let nth = Nth(deviation.index);
                let branch = Nth(deviation.value);
                format!("When {}, its {nth} `select!` polls the {branch} branch first.", self.does(arrival))
            }),
            Domain::User => self.of_task(deviation, |arrival, _| {
                format!("When {}, it draws {}.", self.does(arrival), deviation.value)
            }),
            Domain::Operation => {
                let put_off =
                    || self.put_off(deviation).filter(|_| self.record.arrival_about(deviation).is_none());
                put_off()
                    .unwrap_or_else(|| self.of_task(deviation, |arrival, at| self.preempted(arrival, at)))
            }
            Domain::Stall => {
                self.of_task(deviation, |arrival, at| self.stalled(arrival, at, deviation.value))
            }
            Domain::Network | Domain::Fault => self.of_world(deviation),
        }
    }

    /// The same for a decision about a task; `says` gets the arrival that it is about, and the step that ran it.
    fn of_task(&self, deviation: &Deviation, says: impl FnOnce(usize, usize) -> String) -> (usize, String) {
        let Some(arrival) = self.record.arrival_about(deviation) else {
            let Deviation { task, resume, .. } = deviation;
            return (usize::MAX, format!("`{task}` does not come to its resumption {resume} in this run."));
        };
        let at = self.ran_at[arrival].unwrap_or(usize::MAX);
        (at, says(arrival, at))
    }

    /// The same for a decision about the world around the tasks.
    fn of_world(&self, deviation: &Deviation) -> (usize, String) {
        match self.record.effect_of(deviation) {
            // What happens between two steps comes before the second one.
            Some(known) => (known.after_steps as usize, capitalized(&known.effect.to_string()) + "."),
            None => {
                let Deviation { domain, task, resume, .. } = deviation;
                (
                    usize::MAX,
                    format!("Decision {resume} of the {domain} about `{task}` does not come up in this run."),
                )
            }
        }
    }

    /// A task that did not run while time moved on.
    fn stalled(&self, arrival: usize, at: usize, moves: u32) -> String {
        let times = if moves == 1 { "once".to_owned() } else { format!("{moves} times") };
        match self.record.steps.get(at) {
            Some(step) => format!(
                "{} only after time has moved on {times}, to {}.",
                self.does(arrival),
                Nanos(step.at_ns)
            ),
            None => format!("{} is ready and does not run while time moves on {times}.", self.who(arrival)),
        }
    }

    /// A task that let others go first, right before an operation.
    fn preempted(&self, arrival: usize, at: usize) -> String {
        let who = self.who(arrival);
        let operation = self.operation(arrival);
        let about = match operation {
            Some(performed) => format!(", about to {},", self.done(performed, infinitive)),
            None => String::new(),
        };
        if at == usize::MAX {
            return format!("{who}{about} gives way and does not get its turn before the end.");
        }
        let task = self.record.arrivals[arrival].task;
        let steps = &self.record.steps[..at];
        let before = steps.iter().rposition(|step| self.record.arrival_of(step).task == task);
        let meanwhile = at - before.map_or(0, |before| before + 1);
        if meanwhile == 0 {
            return format!("{who}{about} gives way.");
        }
        // The last one that it waits for is the one that matters: with one step less the run would end otherwise.
        let raced = operation.and_then(|operation| {
            let last = self.record.operations_of(at - 1);
            last.iter().rfind(|other| other.operation.races_with(operation.operation))
        });
        let last = self.record.steps[at - 1].arrival as usize;
        let has_done = match raced {
            None => self.has_done(last),
            Some(other) => {
                let site = other.site.as_ref().map_or_else(String::new, |site| format!(" at {}", line(site)));
                format!("{} has {} it{site}", self.who(last), participle(other.operation.access))
            }
        };
        let several = if meanwhile == 1 {
            String::new()
        } else {
            format!(" (the last of {meanwhile} steps meanwhile)")
        };
        format!("{who}{about} gives way until {has_done}{several}.")
    }

    /// The operation that the task goes on with, where it gave way for one.
    fn operation(&self, arrival: usize) -> Option<&Performed> {
        let index = self.record.arrivals[arrival].operation?;
        self.record
            .operations_of(self.ran_at[arrival]?)
            .iter()
            .find(|performed| performed.index == Some(index))
    }

    /// `` read `balance` at bank.rs:57 ``, with the verb in the form wanted.
    fn done(&self, performed: &Performed, verb: impl Fn(Access) -> &'static str) -> String {
        let site = performed.site.as_ref().map_or_else(String::new, |site| format!(" at {}", line(site)));
        if self.record.is_task_end(performed.operation.resource) {
            return format!("{} the end of a task{site}", verb(Access::Read));
        }
        let verb = verb(performed.operation.access);
        let resource = self.record.resource(performed.operation.resource);
        let name = resource.map_or_else(String::new, |resource| format!(" `{}`", resource.name));
        format!("{verb}{name}{site}")
    }

    fn moved(&self, arrival: usize, at: usize) -> String {
        // Who was ready earlier and runs later; who was ready later and runs earlier; both in the order in which they run.
        let others = |range: std::ops::Range<usize>, ran: &dyn Fn(Option<usize>) -> bool| {
            let mut others: Vec<usize> = range.filter(|&other| ran(self.ran_at[other])).collect();
            sort_by_number(&mut others, |&other| self.ran_at[other].unwrap_or(usize::MAX) as u128);
            others
        };
        let overtaken = others(0..arrival, &|step| step.is_none_or(|step| step > at) && at != usize::MAX);
        let overtook = others(arrival + 1..self.ran_at.len(), &|step| step.is_some_and(|step| step < at));
        let mut sentence = if at == usize::MAX {
            format!("{} is ready and does not get its turn before the end", self.who(arrival))
        } else {
            self.does(arrival)
        };
        // The last one that it waits for is the one that matters: with one step less the run would end otherwise.
        if let Some((last, more)) = overtook.split_last().filter(|_| at != usize::MAX) {
            sentence.push_str(&format!(" only after {}", self.has_done(*last)));
            sentence.push_str(&of_several("last", more.len(), "became ready later"));
        }
        if let Some((first, more)) = overtaken.split_first() {
            let yet = if overtook.is_empty() { "" } else { ", yet" };
            sentence.push_str(&format!("{yet} before {}", self.does(*first)));
            sentence.push_str(&of_several("first", more.len(), "were ready earlier"));
        }
        if overtaken.is_empty() && overtook.is_empty() {
            let after_steps =
                usize::try_from(self.record.arrivals[arrival].after_steps).unwrap_or(usize::MAX);
            sentence.push_str(&format!(" after {} other steps", at.saturating_sub(after_steps)));
        }
        sentence + "."
    }

    /// `` `audit` (root.2) has started ``, `` `audit` (root.2) has run on from bank.rs:57 ``.
    fn has_done(&self, arrival: usize) -> String {
        let who = self.who(arrival);
        if let Some(performed) = self.operation(arrival) {
            return format!("{who} has {}", self.done(performed, participle));
        }
        if self.starts(arrival) {
            return format!("{who} has started");
        }
        match self.waited_at(arrival) {
            Some(site) => format!("{who} has run on from {}", line(site)),
            None => format!("{who} has run on"),
        }
    }

    fn who(&self, arrival: usize) -> String {
        let task = self.record.arrivals[arrival].task;
        self.named.borrow_mut()[task as usize] = true;
        self.record.tasks[task as usize].label.to_string()
    }

    /// `` `audit` (root.2) starts ``, `` `audit` (root.2) resumes at bank.rs:57 ``.
    fn does(&self, arrival: usize) -> String {
        let who = self.who(arrival);
        if let Some(performed) = self.operation(arrival) {
            return format!("{who} {}", self.done(performed, Access::verb));
        }
        if self.starts(arrival) {
            return format!("{who} starts");
        }
        match self.waited_at(arrival) {
            Some(site) => format!("{who} resumes at {}", line(site)),
            None => format!("{who} resumes"),
        }
    }

    fn starts(&self, arrival: usize) -> bool {
        let arrival = self.record.arrivals[arrival];
        arrival.resume == 0 && arrival.operation.is_none()
    }

    /// Where the task waited before this resumption.
    fn waited_at(&self, arrival: usize) -> Option<&Site> {
        let Self { record, ran_at, .. } = self;
        let this = record.arrivals[arrival];
        let before = record.arrivals[..arrival]
            .iter()
            .rposition(|other| other.task == this.task && other.resume + 1 == this.resume)?;
        record.steps[ran_at[before]?].waits_at.as_ref()
    }
}

fn infinitive(access: Access) -> &'static str {
    match access {
        Access::Read => "read",
        Access::Write => "write",
        Access::Acquire => "acquire",
        Access::Release => "release",
        Access::Send => "send to",
        Access::Receive => "receive from",
    }
}

fn participle(access: Access) -> &'static str {
    match access {
        Access::Read => "read",
        Access::Write => "written",
        Access::Acquire => "acquired",
        Access::Release => "released",
        Access::Send => "sent to",
        Access::Receive => "received from",
    }
}

/// Counts those that a sentence does not name.
fn of_several(which: &str, more: usize, what: &str) -> String {
    if more == 0 { String::new() } else { format!(" (the {which} of {} that {what})", more + 1) }
}
