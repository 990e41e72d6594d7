//! A schedule told in sentences: which task, resumed where, before or after which others.
//!
//! Always true: the sentences are read off the record of the run itself, so they say what happened, in the order in which
//! it happened; there is one for each deviation.

use crate::{Deviation, Domain, Record, Site, TaskPath};

/// Others that a sentence names before it counts the rest.
const NAMED_MAX: usize = 3;

/// A sentence for each deviation, in order of the steps that they are about.
pub(super) fn tell(record: &Record, deviations: &[Deviation]) -> Vec<String> {
    let mut ran_at: Vec<Option<usize>> = vec![None; record.arrivals.len()];
    for (number, step) in record.steps.iter().enumerate() {
        ran_at[step.arrival as usize] = Some(number);
    }
    let story = Story { record, ran_at };
    let mut told: Vec<(usize, String)> =
        deviations.iter().map(|deviation| story.sentence(deviation)).collect();
    told.sort_by_key(|(step, _)| *step);
    told.into_iter().map(|(_, sentence)| sentence).collect()
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
}

impl Story<'_> {
    /// The step that a deviation is about, and its sentence.
    fn sentence(&self, deviation: &Deviation) -> (usize, String) {
        let arrival = self.record.arrivals.iter().position(|arrival| {
            let task = &self.record.tasks[arrival.task as usize];
            arrival.resume == deviation.resume && task.label.path == deviation.task
        });
        let Some(arrival) = arrival else {
            let Deviation { task, resume, .. } = deviation;
            return (usize::MAX, format!("`{task}` does not come to its resumption {resume} in this run."));
        };
        let at = self.ran_at[arrival].unwrap_or(usize::MAX);
        let sentence = match deviation.domain {
            Domain::Schedule => self.moved(arrival, at),
            Domain::Select => {
                format!(
                    "When {}, its `select!` polls branch {} first (branches count from 0).",
                    self.does(arrival),
                    deviation.value
                )
            }
            Domain::User => format!("When {}, it draws {}.", self.does(arrival), deviation.value),
        };
        (at, sentence)
    }

    fn moved(&self, arrival: usize, at: usize) -> String {
        // Who was ready earlier and ran later; who was ready later and ran earlier.
        let overtaken: Vec<usize> = (0..arrival)
            .filter(|&other| self.ran_at[other].is_none_or(|step| step > at) && at != usize::MAX)
            .collect();
        let mut overtook: Vec<usize> = (arrival + 1..self.ran_at.len())
            .filter(|&other| self.ran_at[other].is_some_and(|step| step < at))
            .collect();
        overtook.sort_by_key(|&other| self.ran_at[other]);
        let does = self.does(arrival);
        match (overtaken.is_empty(), overtook.is_empty()) {
            (true, true) => {
                let waited = at
                    .saturating_sub(usize::try_from(self.record.arrivals[arrival].after_steps).unwrap_or(0));
                format!("{does} after {waited} other steps.")
            }
            (false, true) => format!("{does} before {}.", self.list(&overtaken)),
            (true, false) if at == usize::MAX => {
                format!(
                    "{} is ready and does not get its turn before the end: {} instead.",
                    self.who(arrival),
                    { self.list(&overtook) }
                )
            }
            (true, false) => format!("{does} only after {}.", self.list(&overtook)),
            (false, false) => {
                format!("{does} only after {}, yet before {}.", self.list(&overtook), self.list(&overtaken))
            }
        }
    }

    fn list(&self, arrivals: &[usize]) -> String {
        let mut text = String::new();
        // Exactly one more is named, not counted: "and 1 more" tells less and is no shorter.
        let named =
            if arrivals.len() == NAMED_MAX + 1 { NAMED_MAX + 1 } else { arrivals.len().min(NAMED_MAX) };
        for (index, &arrival) in arrivals[..named].iter().enumerate() {
            if index > 0 {
                text.push_str(if index + 1 == arrivals.len() { " and " } else { ", " });
            }
            text.push_str(&self.does(arrival));
        }
        if arrivals.len() > named {
            text.push_str(&format!(", and {} more steps", arrivals.len() - named));
        }
        text
    }

    fn who(&self, arrival: usize) -> String {
        self.record.tasks[self.record.arrivals[arrival].task as usize].label.to_string()
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
        let Self { record, ran_at } = self;
        let this = record.arrivals[arrival];
        let before = record.arrivals[..arrival]
            .iter()
            .rposition(|other| other.task == this.task && other.resume + 1 == this.resume)?;
        record.steps[ran_at[before]?].waits_at.as_ref()
    }
}

/// A place without its column.
pub(super) fn line(site: &Site) -> String {
    format!("{}:{}", site.file, site.line)
}
