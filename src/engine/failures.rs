//! Builds the failures that the loop itself finds, as data for a report.

use std::mem;

use timeloop_sim::{Anomaly, Awaited, BlockedTask, Cause, Failure, FailureKind, Note, TaskLabel, TaskPath};

use super::Id;
use super::observer::{Level, Recorder};
use super::panics::PanicNote;
use super::run::MAX_LAST_ROUNDS;
use super::tasks::{Slot, State, TaskPanic};
use super::waker::TaskRef;
use super::{Core, Engine, ROOT_SLOT, function_name};

/// How many tasks a failure names at most, and how many holders of a resource.
pub(super) const NAMED_TASKS: usize = BlockedTask::DESCRIBED_MAX;

impl Core {
    /// Returns the label of the task in this slot.
    pub(super) fn task_label(&mut self, slot: u32) -> TaskLabel {
        let id = self.tasks.at(slot).id;
        if let Some(recorder) = &self.observer.recorder {
            return recorder.label(id);
        }
        let name = self.tasks.name(id).cloned();
        let place = self.tasks.at(slot);
        let spawned = (slot != ROOT_SLOT).then(|| place.spawned.into());
        let function = place.task.type_name().map_or("", function_name);
        // Without a record the path is unknown. A task without a name is named by its id.
        let name = match name {
            Some(name) => name,
            None if slot == ROOT_SLOT || !function.is_empty() => function.into(),
            None => format!("task {id}").into(),
        };
        let node = self.nodes.label(place.node);
        TaskLabel { path: TaskPath::root(), name, spawned, node }
    }

    /// Describes the waiting task in this slot; `awaits` is the task whose end it awaits, and `waits` are the sockets and nodes
    /// that it waits for.
    fn blocked_task(&mut self, slot: u32, awaits: Option<Id>, waits: Vec<Awaited>) -> BlockedTask {
        let (id, now_ns) = (self.tasks.at(slot).id, self.clock.now_ns);
        let mut blocked = match &self.observer.recorder {
            Some(recorder) => recorder.blocked(id, awaits, now_ns),
            None => {
                let since_ns = self.tasks.at(slot).polled_at_ns;
                let (task, for_ns) = (self.task_label(slot), now_ns - since_ns);
                BlockedTask { task, waits_at: None, since_ns, for_ns, waits_for: None }
            }
        };
        if self.tasks.at(slot).state == State::Parked {
            blocked.waits_for = Some(Box::new(Awaited::Resumption));
        } else if !waits.is_empty() {
            let before = blocked.waits_for.take().map(|awaited| *awaited);
            let mut all: Vec<Awaited> = before.into_iter().chain(waits).collect();
            let awaited = if all.len() == 1 { all.remove(0) } else { Awaited::Any(all.into()) };
            blocked.waits_for = Some(Box::new(awaited));
        }
        blocked
    }
}

/// Sleeps in real time.
fn really_sleep(time: std::time::Duration) {
    #[cfg(feature = "hermetic")]
    super::hermetic::outside(|| std::thread::sleep(time));
    #[cfg(not(feature = "hermetic"))]
    std::thread::sleep(time);
}

/// Returns whether the task in this slot waits, if only for its node to resume.
fn is_waiting(place: &Slot) -> bool {
    matches!(place.state, State::Waiting | State::Parked)
}

/// Returns the notes on a failure that follows a task's panic.
fn notes(panic: Option<&(TaskLabel, PanicNote)>) -> Vec<Note> {
    let note = panic.map(|(task, PanicNote { message, site, .. })| Note::EarlierPanic {
        task: task.clone(),
        site: site.clone(),
        message: message.clone(),
    });
    note.into_iter().collect()
}

/// Events of an ended run that may explain a failure of its output.
#[derive(Debug)]
pub(crate) struct Before {
    first_panic: Option<Box<TaskPanic>>,
    /// The note on an operation of the root's last step that found its resource closed or lost messages.
    trouble: Option<Box<Note>>,
    /// The anomalies of the network, if the run was recorded.
    pub(crate) network: Box<[Anomaly]>,
}

impl Before {
    /// Returns the notes on a failure of the run's output.
    pub(crate) fn notes(&self) -> Box<[Note]> {
        notes(self.first_panic.as_deref()).into_iter().chain(self.trouble.as_deref().cloned()).collect()
    }
}

impl Engine {
    /// Takes the events of the run that may explain a failure of its output.
    pub(crate) fn before(&self) -> Before {
        let mut core = self.core.borrow_mut();
        let recorder = core.observer.recorder.as_ref();
        let trouble = recorder.and_then(|recorder| recorder.trouble_of_root()).map(Box::new);
        let network = core
            .observer
            .recorder
            .as_mut()
            .map_or_else(Box::default, |recorder| mem::take(&mut recorder.network));
        Before { first_panic: core.tasks.first_panic.take(), trouble, network }
    }

    /// Describes the first waiting tasks in order of spawning.
    fn blocked(&self, core: &mut Core) -> Box<[BlockedTask]> {
        let waiting = core.tasks.first_in_order(NAMED_TASKS, is_waiting);
        self.describe_blocked(core, waiting)
    }

    fn describe_blocked(&self, core: &mut Core, slots: Vec<u32>) -> Box<[BlockedTask]> {
        let waits = self.waits_of(core, &slots);
        let awaits = match core.observer.recorder {
            Some(_) => core.tasks.awaited_ends(&slots),
            None => vec![None; slots.len()],
        };
        let described = slots.into_iter().zip(awaits).zip(waits);
        described.map(|((slot, awaits), waits)| core.blocked_task(slot, awaits, waits)).collect()
    }

    fn failure(&self, core: &Core, kind: FailureKind, cause: Cause, notes: Vec<Note>) -> Box<Failure> {
        Box::new(Failure {
            kind,
            cause,
            notes: notes.into(),
            site: None,
            task: None,
            blocked: Box::default(),
            network: self.anomalies(core),
            at_ns: core.clock.now_ns,
            at_step: core.scheduler.steps(),
        })
    }

    fn panic(
        &self,
        core: &Core,
        kind: FailureKind,
        task: TaskLabel,
        note: PanicNote,
        mut notes: Vec<Note>,
    ) -> Box<Failure> {
        let earlier = core.tasks.first_panic.as_ref().is_some_and(|first| first.1.needs_tokio);
        if note.needs_tokio || (earlier && !notes.is_empty()) {
            notes.push(Note::TokioRuntime);
        }
        if let Some(recorder) = &core.observer.recorder {
            let first = core.tasks.first_panic.as_ref().map(|first| &first.0).filter(|first| **first != task);
            notes.extend(
                [first, Some(&task)].into_iter().flatten().filter_map(|task| recorder.trouble_of(task)),
            );
        }
        let mut failure = self.failure(core, kind, Cause::Panic(note.message), notes);
        failure.site = note.site.map(Box::new);
        failure.task = Some(Box::new(task));
        failure
    }

    pub(super) fn root_panic(&self, core: &mut Core, note: PanicNote) -> Box<Failure> {
        let task = core.task_label(ROOT_SLOT);
        if let Some(escape) = self.handle_use(core, &task, &note) {
            return escape;
        }
        self.panic(core, FailureKind::Panic, task, note, notes(core.tasks.first_panic.as_deref()))
    }

    pub(super) fn unobserved_panic(&self, core: &mut Core, task: TaskLabel, note: PanicNote) -> Box<Failure> {
        if let Some(escape) = self.handle_use(core, &task, &note) {
            return escape;
        }
        let first =
            core.tasks.first_panic.as_deref().filter(|first| first.0 != task || first.1.site != note.site);
        self.panic(core, FailureKind::UnobservedPanic, task, note, notes(first))
    }

    pub(super) fn deadlock(&self, core: &mut Core) -> Box<Failure> {
        let cause = Cause::Deadlock(core.tasks.count(is_waiting));
        let mut failure = self.blocked_failure(core, FailureKind::Deadlock, cause);
        let mut notes = mem::take(&mut failure.notes).into_vec();
        // With a network, paused nodes are among the anomalies.
        if failure.network.is_empty() {
            notes.extend(core.nodes.paused().map(|node| Note::PausedNode(node.clone())));
        }
        if self.level == Level::Explain && self.woken_soon() {
            notes.push(Note::WokenByThread);
        }
        failure.notes = notes.into();
        failure
    }

    /// Returns whether a real thread wakes a task within 100 ms. Only for explaining a deadlock: it takes real time and decides
    /// nothing.
    fn woken_soon(&self) -> bool {
        (0..20).any(|_| {
            really_sleep(std::time::Duration::from_millis(5));
            self.foreign_wakes.woken().is_some()
        })
    }

    /// Builds a failure that names the waiting tasks.
    fn blocked_failure(&self, core: &mut Core, kind: FailureKind, cause: Cause) -> Box<Failure> {
        let mut failure = self.failure(core, kind, cause, notes(core.tasks.first_panic.as_deref()));
        failure.blocked = self.blocked(core);
        failure
    }

    /// Builds the failure of a synchronous call at `at` by the task in this slot that would block the thread for ever.
    #[cfg(feature = "sync")]
    pub(super) fn blocked_thread(
        &self,
        core: &mut Core,
        slot: u32,
        at: &'static std::panic::Location<'static>,
        cause: impl FnOnce(TaskLabel) -> Cause,
    ) -> Box<Failure> {
        let task = core.task_label(slot);
        let notes = notes(core.tasks.first_panic.as_deref());
        let mut failure = self.failure(core, FailureKind::Deadlock, cause(task.clone()), notes);
        failure.site = Some(Box::new(at.into()));
        failure.task = Some(Box::new(task));
        failure
    }

    pub(super) fn livelock(&self, core: &mut Core, slot: u32) -> Box<Failure> {
        let cause = match core.scheduler.exceeded_operations() {
            Some(max) => Cause::TooManyOperations(max),
            None => Cause::Livelock(core.scheduler.limits.max_polls_per_instant),
        };
        let running = match (&cause, &core.observer.recorder) {
            (Cause::Livelock(max), Some(recorder)) => recorder.running_tasks(*max),
            _ => Vec::new(),
        };
        let mut failure =
            self.failure(core, FailureKind::Livelock, cause, notes(core.tasks.first_panic.as_deref()));
        // A task that keeps running is not blocked, even if it waits at the moment.
        let runs = |id| running.binary_search(&Recorder::index(id)).is_ok();
        let waiting = core.tasks.first_in_order(NAMED_TASKS, |place| is_waiting(place) && !runs(place.id));
        failure.blocked = self.describe_blocked(core, waiting);
        failure.task = Some(Box::new(core.task_label(slot)));
        failure
    }

    pub(super) fn step_limit(&self, core: &mut Core) -> Box<Failure> {
        let cause = Cause::StepLimit(core.scheduler.limits.max_steps);
        self.blocked_failure(core, FailureKind::StepLimit, cause)
    }

    pub(super) fn time_limit(&self, core: &mut Core, next_timer_ns: u64) -> Box<Failure> {
        let max_ns = u64::try_from(core.scheduler.limits.max_virtual_time.as_nanos()).unwrap_or(u64::MAX);
        self.blocked_failure(core, FailureKind::TimeLimit, Cause::TimeLimit { max_ns, next_timer_ns })
    }

    pub(super) fn endless_end(&self, core: &mut Core) -> Box<Failure> {
        let notes = notes(core.tasks.first_panic.as_deref());
        self.failure(core, FailureKind::Livelock, Cause::EndlessEnd(MAX_LAST_ROUNDS), notes)
    }

    /// Returns the failure for a real thread that has used a handle, with a note on a panic that this may have caused.
    fn handle_use(&self, core: &mut Core, task: &TaskLabel, note: &PanicNote) -> Option<Box<Failure>> {
        let used = self.foreign_wakes.woken().filter(|used| used.is_handle_use())?;
        let mut failure = self.escape(core, used);
        let PanicNote { message, site, .. } = note;
        failure.notes =
            [Note::EarlierPanic { task: task.clone(), site: site.clone(), message: message.clone() }].into();
        Some(failure)
    }

    /// Builds the failure of a call at `site` by the task in this slot that leaves the simulation.
    #[cfg(feature = "hermetic")]
    pub(super) fn real_call(
        &self,
        core: &mut Core,
        slot: u32,
        call: timeloop_sim::RealCall,
        site: Option<timeloop_sim::Site>,
    ) -> Box<Failure> {
        let task = (slot != super::NO_SLOT).then(|| core.task_label(slot));
        let notes = notes(core.tasks.first_panic.as_deref());
        let mut failure = self.failure(core, FailureKind::Escape, Cause::RealCall(call), notes);
        failure.task = task.map(Box::new);
        failure.site = site.map(Box::new);
        failure
    }

    pub(super) fn escape(&self, core: &mut Core, task: TaskRef) -> Box<Failure> {
        let label =
            core.tasks.get(task.slot(), task.generation()).is_some().then(|| core.task_label(task.slot()));
        let notes = notes(core.tasks.first_panic.as_deref());
        let cause = if task.is_handle_use() { Cause::HandleUsedElsewhere } else { Cause::Escape };
        let mut failure = self.failure(core, FailureKind::Escape, cause, notes);
        failure.task = label.map(Box::new);
        failure
    }
}
