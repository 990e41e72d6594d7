//! The sorted list that the timers are held against.
//!
//! Always true: an entry stands for one timer that is set; its place is its deadline and then its registration.

use std::collections::BTreeMap;

/// Who is woken: one who has a waker of its own, which tells of it; or a task, which is seen when it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    Waker(u32),
    Task(u32),
}

/// A place in the list.
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
    /// A timer is set.
    pub(crate) fn set(&mut self, deadline_ns: u64, who: Who) -> Place {
        let place = Place { deadline_ns, registration: self.registrations };
        self.registrations += 1;
        self.entries.insert(place, who);
        place
    }

    /// Who is woken by the timer here; `None` when it has fired.
    pub(crate) fn at(&self, place: Place) -> Option<Who> {
        self.entries.get(&place).copied()
    }

    /// A timer is taken back, if it has not fired.
    pub(crate) fn take_back(&mut self, place: Place) -> Option<Who> {
        self.entries.remove(&place)
    }

    /// A task that has been aborted is not woken by its timer any more.
    pub(crate) fn forget_task(&mut self, task: u32) {
        self.entries.retain(|_, who| *who != Who::Task(task));
    }

    /// Somebody is woken. Wakers are told in the order of the list; so are tasks, among themselves, when they run.
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

    /// Somebody with a waker who is due by then.
    pub(crate) fn due(&self, by_ns: u64) -> Option<(Place, Who)> {
        let mut entries = self.entries.iter().map(|(&place, &who)| (place, who));
        entries.find(|(_, who)| matches!(who, Who::Waker(_))).filter(|(place, _)| place.deadline_ns <= by_ns)
    }

    /// Some task that was due before then.
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
