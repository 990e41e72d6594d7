//! A schedule told in sentences: which task, resumed where, before or after which others.
//!
//! Always true: the sentences are read off the record of the run itself, so they say what happened, in the order in which
//! it happened; there is one for each deviation, and it names two tasks at most besides the one that it is about.

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::confirm::Nth;
use crate::{Deviation, Domain, Record, Site, TaskPath};

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
    let story = Story { record, ran_at: record.ran_at(), named: RefCell::default() };
    let mut sentences: Vec<_> = deviations
        .iter()
        .map(|deviation| {
            let (step, sentence) = story.sentence(deviation);
            (step.checked_add(1), sentence)
        })
        .collect();
    sentences.sort_by_key(|(step, _)| step.unwrap_or(usize::MAX));
    let tasks = story.named.take().into_iter().filter_map(|task| {
        let label = &record.tasks[task as usize].label;
        label.spawned.as_ref().map(|site| format!("{label} was spawned at {site}"))
    });
    Told { sentences, tasks: tasks.collect() }
}

/// Whether a step ran out of its turn because of one of the deviations, for each step.
pub(super) fn out_of_turn(record: &Record, deviations: &[Deviation]) -> Vec<bool> {
    let is_moved = |path: &TaskPath, resume| {
        deviations.iter().any(|deviation| {
            deviation.domain == Domain::Schedule && deviation.resume == resume && deviation.task == *path
        })
    };
    record
        .steps
        .iter()
        .map(|step| is_moved(&record.task_of(step).label.path, record.arrival_of(step).resume))
        .collect()
}

struct Story<'a> {
    record: &'a Record,
    /// The step that ran each arrival.
    ran_at: Vec<Option<usize>>,
    /// The tasks that have been named.
    named: RefCell<BTreeSet<u32>>,
}

impl Story<'_> {
    /// The step that a deviation is about, and its sentence.
    fn sentence(&self, deviation: &Deviation) -> (usize, String) {
        let Some(arrival) = self.record.arrival_about(deviation) else {
            let Deviation { task, resume, .. } = deviation;
            return (usize::MAX, format!("`{task}` does not come to its resumption {resume} in this run."));
        };
        let at = self.ran_at[arrival].unwrap_or(usize::MAX);
        let sentence = match deviation.domain {
            Domain::Schedule => self.moved(arrival, at),
            Domain::Select => {
                // A person counts branches from 1, and may have chosen more than once before.
                let nth = Nth(deviation.index);
                let branch = Nth(deviation.value);
                format!("When {}, its {nth} `select!` polls the {branch} branch first.", self.does(arrival))
            }
            Domain::Operation => self.moved(arrival, at),
            Domain::Stall => {
                let times = if deviation.value == 1 {
                    "once".to_owned()
                } else {
                    format!("{} times", deviation.value)
                };
                format!("Time moves on {times} before {}.", self.does(arrival))
            }
            Domain::User => format!("When {}, it draws {}.", self.does(arrival), deviation.value),
        };
        (at, sentence)
    }

    fn moved(&self, arrival: usize, at: usize) -> String {
        // Who was ready earlier and runs later; who was ready later and runs earlier; both in the order in which they run.
        let others = |range: std::ops::Range<usize>, ran: &dyn Fn(Option<usize>) -> bool| {
            let mut others: Vec<usize> = range.filter(|&other| ran(self.ran_at[other])).collect();
            others.sort_by_key(|&other| self.ran_at[other].unwrap_or(usize::MAX));
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
        if self.record.arrivals[arrival].resume == 0 {
            return format!("{who} has started");
        }
        match self.waited_at(arrival) {
            Some(site) => format!("{who} has run on from {}", line(site)),
            None => format!("{who} has run on"),
        }
    }

    fn who(&self, arrival: usize) -> String {
        let task = self.record.arrivals[arrival].task;
        self.named.borrow_mut().insert(task);
        self.record.tasks[task as usize].label.to_string()
    }

    /// `` `audit` (root.2) starts ``, `` `audit` (root.2) resumes at bank.rs:57 ``.
    fn does(&self, arrival: usize) -> String {
        let who = self.who(arrival);
        if self.record.arrivals[arrival].resume == 0 {
            return format!("{who} starts");
        }
        match self.waited_at(arrival) {
            Some(site) => format!("{who} resumes at {}", line(site)),
            None => format!("{who} resumes"),
        }
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

/// Counts those that a sentence does not name.
fn of_several(which: &str, more: usize, what: &str) -> String {
    if more == 0 { String::new() } else { format!(" (the {which} of {} that {what})", more + 1) }
}

/// A place without its column.
pub(crate) fn line(site: &Site) -> String {
    format!("{}:{}", site.file, site.line)
}
