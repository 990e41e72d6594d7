//! The failures that the loop itself finds, in words.
//!
//! Always true: a failure that comes of a bound names the bound and says how to raise it; one that concerns tasks names
//! the tasks.

use std::mem;

use timeloop_sim::{Awaited, BlockedTask, Failure, FailureKind, Nanos, TaskLabel, TaskPath, grouped};

use super::panics::PanicNote;
use super::run::MAX_LAST_ROUNDS;
use super::table::State;
use super::waker::{TaskRef, Wakee};
use super::{Core, Engine, ROOT_SLOT, function_name};
use crate::task::Id;

/// How many tasks a failure names.
const NAMED_TASKS: usize = 20;

impl Core {
    /// What happened before a failure.
    pub(super) fn notes(&self) -> Box<[String]> {
        notes(self.first_panic.as_deref())
    }

    /// Who a task is.
    pub(super) fn task_label(&mut self, slot: u32) -> TaskLabel {
        let id = self.table.at(slot).id;
        if let Some(recorder) = &self.recorder {
            return recorder.label(id);
        }
        let place = self.table.at(slot);
        let spawned = (slot != ROOT_SLOT).then(|| place.spawned.into());
        let function = place.task.as_ref().map_or("", |task| function_name(task.type_name()));
        // Without a record nobody knows the path; the id stands in where there is no name either.
        let name = match self.aside.as_ref().and_then(|aside| aside.names.get(&id)) {
            Some(name) => name.clone(),
            None if slot == ROOT_SLOT || !function.is_empty() => function.into(),
            None => format!("task {id}").into(),
        };
        let node = self.nodes.label(place.node);
        TaskLabel { path: TaskPath::root(), name, spawned, node }
    }

    fn blocked_task(&mut self, slot: u32, told: Vec<String>) -> BlockedTask {
        let id = self.table.at(slot).id;
        let awaits = if self.recorder.is_some() { self.awaited_end(slot) } else { None };
        let mut blocked = match &self.recorder {
            Some(recorder) => recorder.blocked(id, awaits),
            None => {
                let since_ns = self.table.at(slot).polled_at_ns;
                BlockedTask { task: self.task_label(slot), waits_at: None, since_ns, waits_for: None }
            }
        };
        if self.table.at(slot).state == State::Parked {
            blocked.waits_for = Some(Box::new(Awaited::Resumption));
        } else if !told.is_empty() {
            let before = blocked.waits_for.take().map(|awaited| *awaited);
            let mut all: Vec<Awaited> =
                before.into_iter().chain(told.into_iter().map(Awaited::Told)).collect();
            let awaited = if all.len() == 1 { all.remove(0) } else { Awaited::Any(all.into()) };
            blocked.waits_for = Some(Box::new(awaited));
        }
        blocked
    }

    /// The task whose end the task in this slot has asked for.
    fn awaited_end(&mut self, slot: u32) -> Option<Id> {
        self.table.in_order().into_iter().find_map(|other| {
            let place = self.table.at(other);
            let joiner = place.joiner.as_ref().and_then(Wakee::task)?;
            (joiner.slot() == slot).then_some(place.id)
        })
    }

    fn waiting(&mut self) -> usize {
        self.table.in_order().into_iter().filter(|&slot| self.waits(slot)).count()
    }

    /// Whether the task in this slot waits, for its node to go on if for nothing else.
    fn waits(&mut self, slot: u32) -> bool {
        matches!(self.table.at(slot).state, State::Waiting | State::Parked)
    }
}

/// What is to be said of a task's panic besides a later failure.
fn notes(panic: Option<&(TaskLabel, PanicNote)>) -> Box<[String]> {
    let note = panic.map(|(task, note)| {
        let place = note.site.as_ref().map_or_else(String::new, |site| format!(" at {site}"));
        format!("before that, {task} panicked{place}: {}", note.message)
    });
    note.into_iter().collect()
}

/// What had happened in a run that has ended: in words only when it is asked for.
#[derive(Debug)]
pub(crate) struct Before {
    first_panic: Option<Box<(TaskLabel, PanicNote)>>,
    /// What was not as usual in the network, where the run was recorded.
    pub(crate) network: Box<[String]>,
}

impl Before {
    /// The notes of a failure that comes of the run's output.
    pub(crate) fn notes(&self) -> Box<[String]> {
        notes(self.first_panic.as_deref())
    }
}

impl Engine {
    /// What has happened in the run that its output may come of.
    pub(crate) fn before(&self) -> Before {
        let mut core = self.core.borrow_mut();
        let network =
            core.recorder.as_mut().map_or_else(Box::default, |recorder| mem::take(&mut recorder.network));
        Before { first_panic: core.first_panic.take(), network }
    }

    /// The tasks that wait, in order of spawning.
    fn blocked(&self, core: &mut Core) -> Box<[BlockedTask]> {
        let mut waiting: Vec<u32> =
            core.table.in_order().into_iter().filter(|&slot| core.waits(slot)).collect();
        waiting.truncate(NAMED_TASKS);
        let told = self.waits_told(core, &waiting);
        waiting.into_iter().zip(told).map(|(slot, told)| core.blocked_task(slot, told)).collect()
    }

    fn failure(&self, core: &Core, kind: FailureKind, message: String) -> Box<Failure> {
        Box::new(Failure {
            kind,
            message,
            notes: core.notes(),
            site: None,
            task: None,
            blocked: Box::default(),
            network: self.network_told(core),
            at_ns: self.now_ns(),
            at_step: core.steps(),
        })
    }

    pub(super) fn root_panic(&self, core: &mut Core, note: PanicNote) -> Box<Failure> {
        let mut failure = self.failure(core, FailureKind::Panic, note.message);
        failure.site = note.site.map(Box::new);
        hint_at_tokio(&mut failure);
        failure.task = Some(Box::new(core.task_label(ROOT_SLOT)));
        failure
    }

    pub(super) fn unobserved_panic(&self, core: &mut Core, task: TaskLabel, note: PanicNote) -> Box<Failure> {
        let mut failure = self.failure(core, FailureKind::UnobservedPanic, note.message);
        if core.first_panic.as_ref().is_some_and(|first| first.0 == task && first.1.site == note.site) {
            failure.notes = Box::default();
        }
        hint_at_tokio(&mut failure);
        failure.site = note.site.map(Box::new);
        failure.task = Some(Box::new(task));
        failure
    }

    pub(super) fn deadlock(&self, core: &mut Core) -> Box<Failure> {
        let tasks = match core.waiting() {
            1 => "the 1 task that waits".to_owned(),
            count if count <= NAMED_TASKS => format!("any of the {count} tasks that wait"),
            count => {
                format!(
                    "any of the {} tasks that wait (the first {NAMED_TASKS} follow)",
                    grouped(count as u64)
                )
            }
        };
        let message = format!("no task is ready and no timer is set, so nothing in the run can wake {tasks}");
        let mut failure = self.failure(core, FailureKind::Deadlock, message);
        failure.blocked = self.blocked(core);
        // Told with all else that is not as usual, where there is a network.
        if failure.network.is_empty() {
            let paused =
                core.nodes.paused().map(|name| format!("node `{name}` is paused, and nothing resumes it"));
            failure.notes = failure.notes.iter().cloned().chain(paused).collect();
        }
        if self.explain && self.woken_soon() {
            let note = "a real thread woke a task of the run a moment later, in real time; a run does not wait for threads, \
                        so use `timeloop::task::spawn_blocking` in place of the thread, and no other runtime";
            failure.notes = failure.notes.iter().cloned().chain([note.to_owned()]).collect();
        }
        failure
    }

    /// Whether a real thread wakes a task within a moment. Asked where a deadlock is explained, and nowhere else: it takes
    /// real time and decides nothing.
    fn woken_soon(&self) -> bool {
        (0..20).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            self.post.woken().is_some()
        })
    }

    pub(super) fn livelock(&self, core: &mut Core, slot: u32) -> Box<Failure> {
        let most = grouped(core.limits.max_polls_per_instant);
        let message = format!(
            "{most} polls while time stood still: tasks keep waking themselves or each other; \
             if the test needs that many at one instant, raise `max_polls_per_instant`"
        );
        let mut failure = self.failure(core, FailureKind::Livelock, message);
        failure.task = Some(Box::new(core.task_label(slot)));
        failure.blocked = self.blocked(core);
        failure
    }

    pub(super) fn step_limit(&self, core: &mut Core) -> Box<Failure> {
        let most = grouped(core.limits.max_steps);
        let message = format!("the run did not end within {most} steps; if it needs more, raise `max_steps`");
        let mut failure = self.failure(core, FailureKind::StepLimit, message);
        failure.blocked = self.blocked(core);
        failure
    }

    pub(super) fn time_limit(&self, core: &mut Core, deadline_ns: u64) -> Box<Failure> {
        let most = u64::try_from(core.limits.max_virtual_time.as_nanos()).unwrap_or(u64::MAX);
        let message = format!(
            "the run did not end within {} of virtual time, and its next timer is due at {}; \
             if it needs more, raise `max_virtual_time`",
            Nanos(most),
            Nanos(deadline_ns),
        );
        let mut failure = self.failure(core, FailureKind::TimeLimit, message);
        failure.blocked = self.blocked(core);
        failure
    }

    pub(super) fn endless_end(&self, core: &mut Core) -> Box<Failure> {
        let message = format!(
            "tasks that were dropped at the end of the run kept spawning others, {MAX_LAST_ROUNDS} times over; \
             a destructor must not spawn a task whose own destructor does so again"
        );
        self.failure(core, FailureKind::Livelock, message)
    }

    pub(super) fn escape(&self, core: &mut Core, task: TaskRef) -> Box<Failure> {
        let label =
            core.table.get(task.slot(), task.generation()).is_some().then(|| core.task_label(task.slot()));
        let message =
            "a real thread woke a task of the run, and nobody can say when it will do so next time; \
                       use `timeloop::task::spawn_blocking` in place of the thread, and no other runtime"
                .to_owned();
        let mut failure = self.failure(core, FailureKind::Escape, message);
        failure.task = label.map(Box::new);
        failure
    }
}

/// Says what to do about a panic that comes of tokio's own runtime, which is not there inside a run.
fn hint_at_tokio(failure: &mut Failure) {
    let panics = failure.notes.iter().chain([&failure.message]);
    if panics.into_iter().any(|text| text.contains("context of a Tokio 1.x runtime")) {
        let note = "that is tokio's own runtime, which is not there inside a run: put timeloop in its place in the code under \
                    test (`extern crate timeloop as tokio`); a dependency that spawns, sleeps or does I/O through tokio \
                    itself can't run here";
        failure.notes = failure.notes.iter().cloned().chain([note.to_owned()]).collect();
    }
}
