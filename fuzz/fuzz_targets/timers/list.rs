//! The model of the timers: a sorted list.
//!
//! # Invariants
//! There is an entry for each timer that is set. Entries are ordered by deadline, then by registration.

use std::collections::BTreeMap;

/// The target of a wake: a waker, which reports its wake, or a task, which reports that it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    Waker(u32),
    Task(u32),
}

/// A position in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) deadline_ns: u64,
    registration: u64,
}

#[derive(Debug, Default)]
pub(crate) struct List {
    entries: BTreeMap<Place, Who>,
    registrations: u64,
    problems: Vec<String>,
}

impl List {
    /// Adds a timer.
    pub(crate) fn set(&mut self, deadline_ns: u64, who: Who) -> Place {
        let place = Place { deadline_ns, registration: self.registrations };
        self.registrations += 1;
        self.entries.insert(place, who);
        place
    }

    /// Returns the target of the timer at a position; `None` if it has fired.
    pub(crate) fn at(&self, place: Place) -> Option<Who> {
        self.entries.get(&place).copied()
    }

    /// Removes a timer, if it has not fired.
    pub(crate) fn take_back(&mut self, place: Place) -> Option<Who> {
        self.entries.remove(&place)
    }

    /// Removes the timers of an aborted task.
    pub(crate) fn forget_task(&mut self, task: u32) {
        self.entries.retain(|_, who| *who != Who::Task(task));
    }

    /// Checks a wake. Wakers are woken in the order of the list, and so are tasks among themselves.
    pub(crate) fn wakes(&mut self, who: Who, now_ns: u64) {
        let is_task = matches!(who, Who::Task(_));
        let next = self
            .entries
            .iter()
            .find(|(_, other)| matches!(other, Who::Task(_)) == is_task)
            .map(|(&place, &who)| (place, who));
        match next {
            Some((place, next)) if next == who => {
                self.entries.remove(&place);
                if place.deadline_ns != now_ns {
                    self.problem(format!("{who:?} is woken at {now_ns} and not at {}", place.deadline_ns));
                }
            }
            next => self.problem(format!("{who:?} is woken at {now_ns} and not {next:?}")),
        }
    }

    /// Returns a timer with a waker that is due by then.
    pub(crate) fn due(&self, by_ns: u64) -> Option<(Place, Who)> {
        let mut entries = self.entries.iter().map(|(&place, &who)| (place, who));
        entries.find(|(_, who)| matches!(who, Who::Waker(_))).filter(|(place, _)| place.deadline_ns <= by_ns)
    }

    /// Returns a timer of a task that was due before then.
    pub(crate) fn overslept(&self, now_ns: u64) -> Option<(Place, Who)> {
        self.entries.iter().map(|(&place, &who)| (place, who)).find(|(place, _)| place.deadline_ns < now_ns)
    }

    pub(crate) fn problem(&mut self, problem: String) {
        self.problems.push(problem);
    }

    pub(crate) fn problems(&self) -> &[String] {
        &self.problems
    }
}
