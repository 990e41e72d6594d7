//! The observer: records the steps and operations of a run, which task holds which resource, and what each task waits for.
//!
//! [`Level`] is the level of detail. [`Recorder`] builds the [`Record`] of a run that is to be explained.
//!
//! # Invariants
//! - Observing changes no decision: runs that differ only in the level have the same trace hash. But a source that wants
//!   operations may preempt tasks before them.
//! - Waits are noted only in recorded runs. The notes of a task are those of its last step, and those with wakers that are
//!   not the loop's.

use std::backtrace::Backtrace;
use std::borrow::Cow;
use std::panic::Location;
use std::rc::Rc;
use std::task::Waker;

use timeloop_sim::{
    Access, Advance, Anomaly, Arrival, Awaited, BlockedTask, Cancellation, Canceller, ChannelUser, Choice,
    CompletedBranch, DecisionKey, Detail, IntMap, NodeWait, Note, Operation, OperationOutcome, Performed,
    Record, ResourceKey, ResourceKind, ResourceRecord, Site, Step, TaskKey, TaskLabel, TaskPath, TaskRecord,
    WorldChange, WorldEvent,
};
#[cfg(feature = "net")]
use timeloop_sim::{Deviation, WorldDeviation, WorldEffect};

use super::announce::ResourceId;
use super::failures::NAMED_TASKS;
use super::nodes::NodeId;
use super::sites::{self, Leaf, Sites};
use super::waker::TaskRef;
use super::watched::{Fact, User, WatchedResource};
use super::{Core, Engine, Id, context};
#[cfg(feature = "net")]
use super::{
    WakeTarget,
    world::{Surroundings, World},
};

/// The level of detail of an observed run. Each level includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Operations are not announced.
    Off,
    /// Operations are reported to the source of decisions.
    Operations,
    /// The run is recorded.
    Record,
    /// The places where blocked tasks wait are known at the end.
    Blocked,
    /// The places where tasks wait are recorded with each step, too.
    Located,
    /// The run is shown to a reader.
    Explain,
}

impl Level {
    #[inline(always)]
    pub(super) fn new(detail: Detail, wants_operations: bool) -> Self {
        match detail {
            Detail::Lean if wants_operations => Self::Operations,
            Detail::Lean => Self::Off,
            Detail::Record => Self::Record,
            Detail::Blocked => Self::Blocked,
            Detail::Located => Self::Located,
            Detail::Explain => Self::Explain,
        }
    }
}

/// Observes a run.
pub(super) struct Observer {
    pub(super) recorder: Option<Box<Recorder>>,
}

impl Observer {
    #[inline(always)]
    pub(super) fn new(level: Level) -> Self {
        let recorder = (level >= Level::Record).then(|| Box::new(Recorder::new(level)));
        Self { recorder }
    }

    /// Returns whether the place where the current step ends is noted.
    pub(super) fn is_noting(&self) -> bool {
        self.recorder.as_ref().is_some_and(|recorder| recorder.is_noting())
    }

    /// Calls `f` with the recorder if the run is recorded.
    #[inline(always)]
    pub(super) fn record(&mut self, f: impl FnOnce(&mut Recorder)) {
        if let Some(recorder) = &mut self.recorder {
            f(recorder);
        }
    }
}

impl Engine {
    /// Returns whether the run has an observer of operations.
    #[inline(always)]
    pub(super) fn is_observed(&self) -> bool {
        !matches!(self.level, Level::Off)
    }

    /// Returns whether the run is recorded.
    #[inline(always)]
    pub(super) fn is_recorded(&self) -> bool {
        self.level >= Level::Record
    }

    /// Calls `f` with the recorder if the run is recorded.
    #[cold]
    #[inline(never)]
    pub(super) fn record(&self, f: impl FnOnce(&mut Recorder)) {
        self.core.borrow_mut().observer.record(f);
    }

    /// Returns whether the run is shown to a reader.
    pub(crate) fn is_explained(&self) -> bool {
        self.level == Level::Explain
    }

    /// Records a line that the running task logs.
    #[cfg(feature = "tracing")]
    pub(crate) fn log(&self, text: String) {
        let mut core = self.core.borrow_mut();
        let at_ns = core.clock.now_ns;
        core.observer.record(|recorder| recorder.log(at_ns, text));
    }

    /// In an explained run, notes where tasks wait from this step on, besides in the first few thousand steps.
    pub(crate) fn explain_from(&self, step: u64) {
        self.core.borrow_mut().observer.record(|recorder| recorder.explain_from = step);
    }
}

/// Calls `f` with the recorder if the run on this thread is recorded. Other runs prepare nothing: all that a record takes is
/// in `f`. Returns whether it is recorded; `None` outside of a run.
#[inline]
pub(super) fn recording(f: impl FnOnce(&mut Recorder)) -> Option<bool> {
    context::driving(|engine| {
        let is_recorded = engine.is_recorded();
        if is_recorded {
            engine.record(f);
        }
        is_recorded
    })
}

/// The start of the paths of timeloop's own files.
const OURS: &str = {
    let (ours, _) = file!().split_at(file!().len() - "engine/observer.rs".len());
    ours
};

/// Records a run. The functions that every step calls are not inlined, so that unrecorded runs don't pay for them.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    record: Record,
    /// What is known of each task, as the record numbers them.
    tasks: Vec<WatchedTask>,
    /// The task that is being polled.
    current: u32,
    /// What is known of each resource, by its key.
    resources: IntMap<WatchedResource>,
    /// The operation before which the current step was preempted, until its task is ready to continue.
    preempted: Option<DecisionKey>,
    /// The anomalies of the network at the end of the run.
    pub(super) network: Box<[Anomaly]>,
    pub(super) sites: Option<Sites>,
    /// The steps whose tasks were not polled.
    parked: Vec<usize>,
    /// The step from which on places are noted, besides those of the first few thousand steps.
    pub(super) explain_from: u64,
}

/// What a recorder knows of a task.
#[derive(Debug)]
struct WatchedTask {
    /// Its newest arrival, by its number in the record.
    arrival: u32,
    /// Its newest step, by its number in the record.
    last_step: Option<usize>,
    /// The place where it waits.
    waits_at: Option<Rc<Backtrace>>,
    /// The operation that it has announced last and not completed.
    wanted: Option<Wanted>,
    /// The key of its end.
    end: ResourceKey,
    /// The task whose end it awaits, by the key of the end, and since when.
    joins: Option<(ResourceKey, u64)>,
    /// How many clones of its wakers are alive.
    wakers: u32,
    /// Whether the loop itself has kept a waker of its last poll.
    registered: bool,
    /// The index of the step in which it waited without keeping a waker, if that was its last one.
    without_waker: Option<usize>,
    /// The last operation that found its resource closed, or lost messages.
    trouble: Option<Trouble>,
    /// The `select!`s that wait, and the number of steps when each began to.
    selects: Vec<(&'static Location<'static>, usize)>,
    /// The nodes and sockets that it waits for.
    noted_waits: Vec<NotedWait>,
}

/// An operation that a task has announced.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    operation: Operation,
    at: Option<&'static Location<'static>>,
    /// When it was announced.
    since_ns: u64,
}

/// An operation that found its resource closed, or lost messages.
#[derive(Clone, Copy, Debug)]
struct Trouble {
    resource: ResourceKey,
    outcome: OperationOutcome,
    /// The index of the step in which it did.
    step: usize,
}

/// How an operation came out, if not as usual.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "sync"), expect(dead_code, reason = "constructed by locks and channels alone"))]
pub(crate) enum CameOut {
    /// It does not wait, and did not succeed.
    Failed,
    /// The resource was closed.
    Closed,
    /// This number of messages was lost.
    Lagged(u64),
}

impl Recorder {
    pub(super) fn new(level: Level) -> Self {
        let sites = (level >= Level::Blocked).then(|| Sites::new(level >= Level::Located));
        Self { sites, ..Self::default() }
    }

    /// Returns a task's index. Tasks are recorded in order of their ids.
    pub(super) fn index(id: Id) -> u32 {
        u32::try_from(id.number() - 1).expect("a recorded run has fewer than 2^32 tasks")
    }

    #[cold]
    #[inline(never)]
    pub(super) fn spawned(
        &mut self,
        key: TaskKey,
        parent: Option<(Id, u32)>,
        name: Cow<'static, str>,
        spawned: Option<&'static Location<'static>>,
        node: Option<Cow<'static, str>>,
        at_ns: u64,
    ) {
        let path = parent.map_or_else(TaskPath::root, |(parent, index)| {
            self.record.tasks[Self::index(parent) as usize].label.path.child(index)
        });
        let label = TaskLabel { path, name, spawned: spawned.map(Into::into), node };
        self.record.tasks.push(TaskRecord { key, label, spawned_at_ns: at_ns });
        let end = spawned.map_or(ResourceKey(0), |spawned| ResourceId::of_task(key, spawned).key());
        if spawned.is_some() {
            self.set_kind(end, ResourceKind::TaskEnd);
        }
        self.tasks.push(WatchedTask {
            arrival: u32::MAX,
            last_step: None,
            waits_at: None,
            wanted: None,
            end,
            joins: None,
            wakers: 0,
            registered: false,
            without_waker: None,
            trouble: None,
            selects: Vec::new(),
            noted_waits: Vec::new(),
        });
    }

    #[cold]
    #[inline(never)]
    pub(super) fn ready(&mut self, id: Id, resume: u32, operation: Option<u32>) {
        let task = Self::index(id);
        self.tasks[task as usize].arrival = self.record.arrivals.len() as u32;
        let after_steps = self.record.steps.len() as u64;
        self.record.arrivals.push(Arrival { task, resume, operation, after_steps });
    }

    #[cold]
    #[inline(never)]
    pub(super) fn begin_step(&mut self, id: Id, at_ns: u64, trace_hash: u64) {
        self.current = Self::index(id);
        let task = &mut self.tasks[self.current as usize];
        task.noted_waits.retain(|noted| noted.foreign);
        (task.without_waker, task.registered) = (None, false);
        let arrival = task.arrival;
        task.last_step = Some(self.record.steps.len());
        self.record.steps.push(Step { arrival, at_ns, trace_hash, ..Step::default() });
    }

    /// Records that the running task is preempted.
    pub(super) fn preempted(&mut self, key: DecisionKey) {
        self.preempted = Some(key);
    }

    /// Records that the preempted task will be ready to continue.
    pub(super) fn will_continue(&mut self) {
        self.preempted = None;
    }

    /// Records that a task panicked, if it is the one that is being polled.
    pub(super) fn panicked(&mut self, id: Id) {
        if self.current == Self::index(id)
            && let Some(step) = self.record.steps.last_mut()
        {
            step.panicked = true;
        }
    }

    /// Records that the step did not poll its task, whose node is paused. The task waits where it did before.
    pub(super) fn parked(&mut self) {
        if let Some(step) = self.record.steps.len().checked_sub(1) {
            self.parked.push(step);
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn end_step(&mut self, finished: bool) {
        if let Some(key) = self.preempted.take() {
            // The caller of the future did not poll it again. It may have dropped it.
            self.chosen(key, 2, 1);
        }
        let step = self.record.steps.len() - 1;
        self.record.steps[step].finished = finished;
        let backtrace = self.sites.as_mut().and_then(|sites| sites.end_step(step));
        // If the place is not noted, it is unknown: an earlier place would mislead.
        let is_unknown = finished || !self.is_noting();
        let waits_at = &mut self.tasks[self.current as usize].waits_at;
        if is_unknown {
            *waits_at = None;
        } else if backtrace.is_some() {
            *waits_at = backtrace;
        }
    }

    /// Ends the step of a task that has not ended. The task is ready again if it was `woken` during the step.
    #[cold]
    #[inline(never)]
    pub(super) fn pending(&mut self, id: Id, resume: u32, woken: bool) {
        self.end_step(false);
        if woken {
            return self.ready(id, resume, None);
        }
        let task = &mut self.tasks[self.current as usize];
        // Only explained runs count wakers.
        if self.sites.is_some() && task.wakers == 0 && !task.registered {
            task.without_waker = self.record.steps.len().checked_sub(1);
            task.waits_at = None;
        }
    }

    /// Records that the loop itself has kept a waker of the running task: for a timer, a socket or the end of a task.
    pub(super) fn registered(&mut self) {
        if let Some(task) = self.tasks.get_mut(self.current as usize) {
            task.registered = true;
        }
    }

    /// Changes the number of clones of a task's wakers that are alive.
    pub(super) fn wakers_change(&mut self, id: Id, change: i32) {
        if let Some(task) = self.tasks.get_mut(Self::index(id) as usize) {
            task.wakers = task.wakers.saturating_add_signed(change);
        }
    }

    /// Returns whether the place where the current step ends is noted.
    pub(super) fn is_noting(&self) -> bool {
        const FIRST_STEPS: u64 = 5_000;
        let step = self.record.steps.len() as u64;
        step <= FIRST_STEPS || step >= self.explain_from
    }

    #[cold]
    #[inline(never)]
    pub(super) fn chosen(&mut self, key: DecisionKey, arity: u32, value: u32) {
        let step = self.record.steps.len().saturating_sub(1) as u64;
        self.record.choices.push(Choice { key, task: self.current, arity, value, step });
    }

    /// Records a cancellation by the current step.
    pub(super) fn cancelled(&mut self, cancellation: Cancellation) {
        let Some(step) = self.record.steps.len().checked_sub(1) else { return };
        self.record.cancellations.push(Cancellation { step: step as u64, ..cancellation });
    }

    /// Records that a branch of the `select!` at this place waits.
    pub(super) fn branch_waits(&mut self, at: &'static Location<'static>) {
        let step = self.record.steps.len();
        let selects = &mut self.tasks[self.current as usize].selects;
        if !selects.iter().any(|(select, _)| *select == at) {
            selects.push((at, step));
        }
    }

    /// Returns whether the `select!` at this place has waited in an earlier step. It does not wait any more.
    pub(super) fn has_waited(&mut self, at: &'static Location<'static>) -> bool {
        let step = self.record.steps.len();
        let selects = &mut self.tasks[self.current as usize].selects;
        let position = selects.iter().position(|(select, _)| *select == at);
        position.map(|position| selects.swap_remove(position)).is_some_and(|(_, waited)| waited < step)
    }

    /// Records that the running task is aborted, and drops its future.
    pub(super) fn aborted(&mut self) {
        let place = self.tasks[self.current as usize].waits_at.as_ref();
        let dropped_at = place.and_then(|place| sites::site(place));
        self.cancelled(Cancellation { step: 0, by: Canceller::Abort, site: None, dropped_at });
    }

    /// Records a change of the world by the current step.
    pub(super) fn world_changed(&mut self, change: WorldChange) {
        let Some(step) = self.record.steps.len().checked_sub(1) else { return };
        self.record.events.push(WorldEvent { step: step as u64, change });
    }

    /// Records the branch with which a `select!` or a timeout completes. A long run keeps only the first ones.
    pub(super) fn completed(&mut self, branch: CompletedBranch) {
        const BRANCHES_MAX: usize = 100_000;
        if self.record.branches.len() < BRANCHES_MAX {
            self.record.branches.push(branch);
        }
    }

    /// Records a line that the running task logs. Only the last lines are kept.
    #[cfg(feature = "tracing")]
    fn log(&mut self, at_ns: u64, text: String) {
        const LINES_MAX: usize = 10_000;
        let Some(step) = self.record.steps.len().checked_sub(1) else { return };
        if self.record.log.len() == 2 * LINES_MAX {
            self.record.log.drain(..LINES_MAX);
            self.record.log_dropped += LINES_MAX as u64;
        }
        self.record.log.push(timeloop_sim::LogLine { step: step as u64, at_ns, task: self.current, text });
    }

    /// Records that code of this task runs within a step of another task, until [`switch_back`](Self::switch_back) gets the
    /// returned index.
    pub(super) fn switch_to(&mut self, id: Id) -> u32 {
        std::mem::replace(&mut self.current, Self::index(id))
    }

    /// Records that code of the step's own task runs again.
    pub(super) fn switch_back(&mut self, current: u32) {
        self.current = current;
    }

    /// Records a decision about the world that deviates from the baseline.
    #[cfg(feature = "net")]
    pub(super) fn world_deviates(&mut self, deviation: Deviation, effect: WorldEffect) {
        let after_steps = self.record.steps.len() as u64;
        self.record.world_deviations.push(WorldDeviation { deviation, after_steps, effect });
    }

    /// Records a decision of the running task about input or output that deviates from the baseline.
    #[cfg(feature = "net")]
    pub(super) fn io_deviates(
        &mut self,
        key: DecisionKey,
        value: u32,
        effect: impl FnOnce(TaskLabel) -> WorldEffect,
    ) {
        let (domain, _, resume, index) = key.parts();
        let label = self.record.tasks[self.current as usize].label.clone();
        let deviation = Deviation { task: label.path.clone(), resume, domain, index, value };
        let after_steps = self.record.steps.len() as u64;
        self.record.world_deviations.push(WorldDeviation { deviation, after_steps, effect: effect(label) });
    }

    /// Records that virtual time has moved.
    pub(super) fn advanced(&mut self, to_ns: u64) {
        let after_arrivals = self.record.arrivals.len() as u64;
        let after_steps = self.record.steps.len() as u64;
        self.record.advances.push(Advance { after_arrivals, after_steps, to_ns });
    }

    /// Records an operation of the running task.
    #[cold]
    #[inline(never)]
    pub(super) fn performed(
        &mut self,
        operation: Operation,
        name: Cow<'static, str>,
        made: &'static Location<'static>,
        index: Option<u32>,
        at: Option<&'static Location<'static>>,
    ) {
        let Some(step) = self.record.steps.len().checked_sub(1) else { return };
        let since_ns = self.record.steps[step].at_ns;
        let current = self.current;
        let watched = self.add_resource(operation.resource, name, made);
        watched.used(current, operation.access);
        let joins = watched.kind == ResourceKind::TaskEnd && operation.access == Access::Read;
        let task = &mut self.tasks[current as usize];
        if joins && task.joins.is_none_or(|(end, _)| end != operation.resource) {
            task.joins = Some((operation.resource, since_ns));
        }
        // An operation that is not announced does not wait.
        if index.is_some() {
            task.wanted = Some(Wanted { operation, at, since_ns });
        }
        // A future inside another one of timeloop's has no place in user code.
        let site = at.filter(|at| !at.file().starts_with(OURS)).map(Into::into);
        self.record.operations.push(Performed { step: step as u64, index, operation, site, outcome: None });
    }

    /// Adds a resource to the record, or updates its name: a socket may become a listener.
    fn add_resource(
        &mut self,
        key: ResourceKey,
        name: Cow<'static, str>,
        made: &'static Location<'static>,
    ) -> &mut WatchedResource {
        let resources = &mut self.record.resources;
        let watched = self.resources.get_or_insert_with(key.0, WatchedResource::default);
        match watched.index {
            Some(index) if resources[index].name == name => {}
            Some(index) => resources[index].name = name,
            None => {
                watched.index = Some(resources.len());
                resources.push(ResourceRecord { key, kind: watched.kind, name, made: user_site(made) });
            }
        }
        watched
    }

    /// Records that the running task creates a resource.
    pub(super) fn created(&mut self, key: ResourceKey, kind: ResourceKind) {
        let current = self.current;
        let resource = self.resources.get_or_insert_with(key.0, WatchedResource::default);
        (resource.kind, resource.creator) = (kind, Some(current));
    }

    /// Records a fact about a resource.
    pub(super) fn learn(&mut self, key: ResourceKey, fact: Fact) {
        let step = self.record.steps.len().saturating_sub(1) as u64;
        let current = self.current;
        self.resources.get_or_insert_with(key.0, WatchedResource::default).learn(fact, current, step);
    }

    /// Records a request of the running task for parts of a resource, which has to wait. `future` is its address.
    pub(super) fn requested(
        &mut self,
        key: ResourceKey,
        future: *const (),
        parts: usize,
        at: &'static Location<'static>,
    ) {
        let current = self.current;
        let watched = self.resources.get_or_insert_with(key.0, WatchedResource::default);
        watched.requested(future, current, parts, at);
    }

    /// Records that a request was served or given up.
    pub(super) fn served(&mut self, key: ResourceKey, future: *const ()) {
        if let Some(watched) = self.resources.get_mut(key.0) {
            watched.served(future);
        }
    }

    /// Records how the last operation of the running task on a resource came out.
    pub(super) fn came_out(&mut self, resource: ResourceKey, how: CameOut) {
        let Some(step) = self.record.steps.len().checked_sub(1) else { return };
        let watched = self.resources.get(resource.0);
        let outcome = match how {
            CameOut::Failed => {
                let holder = watched.and_then(|watched| watched.holders.first());
                OperationOutcome::Failed { held_by: holder.map(|holder| holder.task) }
            }
            CameOut::Closed => OperationOutcome::Closed { by: watched.and_then(|watched| watched.closed) },
            CameOut::Lagged(lost) => OperationOutcome::Lagged(lost),
        };
        let this_step = self.record.operations.iter_mut().rev().take_while(|other| other.step == step as u64);
        if let Some(performed) = this_step.into_iter().find(|other| other.operation.resource == resource) {
            performed.outcome = Some(outcome);
        }
        if !matches!(how, CameOut::Failed) {
            self.tasks[self.current as usize].trouble = Some(Trouble { resource, outcome, step });
        }
    }

    /// Returns the note on the root, as [`Self::trouble_of`] does.
    pub(super) fn trouble_of_root(&self) -> Option<Note> {
        self.trouble_of(&self.record.tasks.first()?.label)
    }

    /// Returns the note on a task that found a resource closed or lost messages in its last step.
    pub(super) fn trouble_of(&self, label: &TaskLabel) -> Option<Note> {
        let index = self.record.tasks.iter().position(|task| task.label.path == label.path)?;
        let Trouble { resource, outcome, step } = self.tasks[index].trouble?;
        let ran = |step: &Step| self.record.arrival_of(step).task as usize == index;
        if self.record.steps.iter().rposition(ran) != Some(step) {
            return None;
        }
        let known = self.record.resource(resource)?;
        let (task, resource) = (label.clone(), (known.name.clone(), known.made.clone()));
        let number = |step| step as u64 + 1;
        match outcome {
            OperationOutcome::Lagged(lost) => {
                Some(Note::Lagged { task, channel: resource, lost, step: number(step) })
            }
            OperationOutcome::Closed { by } => {
                let by = by.map(|(by, at)| (self.record.tasks[by as usize].label.clone(), at + 1));
                Some(Note::Closed { task, resource, by, step: number(step) })
            }
            _ => None,
        }
    }

    /// Sets the kind of a resource.
    pub(super) fn set_kind(&mut self, key: ResourceKey, kind: ResourceKind) {
        self.resources.get_or_insert_with(key.0, WatchedResource::default).kind = kind;
        // A socket may be in the record already when it begins to listen.
        if kind == ResourceKind::Listener
            && let Some(known) = self.record.resources.iter_mut().find(|resource| resource.key == key)
        {
            known.kind = kind;
        }
    }

    /// Notes what the running task waits for.
    pub(super) fn note_wait(&mut self, noted: NotedWait) {
        let waits = &mut self.tasks[self.current as usize].noted_waits;
        match waits.iter_mut().find(|known| known.target == noted.target) {
            Some(known) => *known = noted,
            None => waits.push(noted),
        }
    }

    /// Returns the nodes and sockets that the task waits for.
    pub(super) fn waits_of(&self, id: Id) -> impl Iterator<Item = WaitTarget> {
        self.tasks[Self::index(id) as usize].noted_waits.iter().map(|noted| noted.target)
    }

    /// Returns the nodes and sockets that all tasks wait for.
    #[cfg(feature = "net")]
    pub(super) fn all_waits(&self) -> impl Iterator<Item = (&TaskLabel, WaitTarget)> {
        self.record
            .tasks
            .iter()
            .zip(&self.tasks)
            .flat_map(|(task, watched)| watched.noted_waits.iter().map(|noted| (&task.label, noted.target)))
    }

    /// Records that the running task holds this resource.
    pub(super) fn acquired(
        &mut self,
        resource: ResourceKey,
        name: &'static str,
        made: &'static Location<'static>,
        parts: usize,
        at: Option<&'static Location<'static>>,
    ) {
        if let Some(task) = self.tasks.get_mut(self.current as usize) {
            task.wanted.take_if(|wanted| wanted.operation.resource == resource);
        }
        let current = self.current;
        self.add_resource(resource, Cow::Borrowed(name), made).acquired(current, parts, at);
    }

    /// Records that parts of this resource were released: by the running task, or by the first holder if that does not hold
    /// them.
    pub(super) fn released(&mut self, resource: ResourceKey, parts: usize) {
        let current = self.current;
        if let Some(watched) = self.resources.get_mut(resource.0) {
            watched.released(current, parts);
        }
    }

    /// Describes a blocked task: since when, where and for what it waits. `awaits` is the task whose end it awaits.
    pub(super) fn blocked(&self, id: Id, awaits: Option<Id>, now_ns: u64) -> BlockedTask {
        let task = Self::index(id);
        let known = &self.record.tasks[task as usize];
        let watched = &self.tasks[task as usize];
        let backtrace = watched.waits_at.as_ref();
        let waits_at = backtrace.and_then(|backtrace| sites::site(backtrace));
        let end = || awaits.map(|id| Awaited::End(self.label(id)));
        let waits_for = match backtrace.map_or(Leaf::Unknown, |backtrace| sites::leaf(backtrace)) {
            Leaf::Task => end(),
            Leaf::Sync => self.wanted(task, waits_at.as_ref()),
            // A task that has announced to acquire a lock and has not got it waits for it.
            Leaf::Unknown => watched
                .wanted
                .as_ref()
                .filter(|wanted| wanted.operation.access == Access::Acquire)
                .and_then(|_| self.wanted(task, waits_at.as_ref()))
                .or_else(end),
            Leaf::Socket | Leaf::Foreign => None,
        };
        let without_waker = watched.without_waker.map(|step| Awaited::NoWaker { step: step as u64 + 1 });
        let waits_for = without_waker.or(waits_for);
        // A task may be resumed and wait for the same again.
        let since_ns = match (&waits_for, awaits, watched.joins) {
            (Some(Awaited::Resource { .. }), ..) => watched.wanted.map(|wanted| wanted.since_ns),
            (Some(Awaited::End(_)), Some(awaited), Some((end, since_ns))) => {
                (self.tasks[Self::index(awaited) as usize].end == end).then_some(since_ns)
            }
            _ => None,
        };
        let last_ns = || self.last_step(task).map_or(known.spawned_at_ns, |step| step.at_ns);
        let since_ns = since_ns.unwrap_or_else(last_ns);
        BlockedTask {
            task: known.label.clone(),
            waits_at,
            since_ns,
            for_ns: now_ns - since_ns,
            waits_for: waits_for.map(Box::new),
        }
    }

    fn last_step(&self, task: u32) -> Option<&Step> {
        Some(&self.record.steps[self.tasks[task as usize].last_step?])
    }

    /// Returns the resource of the task's last announcement, if the task may wait for it at this place.
    fn wanted(&self, task: u32, waits_at: Option<&Site>) -> Option<Awaited> {
        /// An expression that awaits rarely has more lines.
        const LINES: u32 = 20;
        let wanted = self.tasks[task as usize].wanted.as_ref()?;
        if let (Some(at), Some(waits_at)) = (wanted.at, waits_at)
            && at.file() == waits_at.file
            && at.line().abs_diff(waits_at.line) > LINES
        {
            return None;
        }
        let Operation { resource, access } = wanted.operation;
        let known = self.record.resource(resource)?;
        if known.kind.is_socket() {
            // Waits for sockets are noted separately.
            return None;
        }
        let watched = self.resources.get(resource.0)?;
        let label = |task: u32| self.record.tasks[task as usize].label.clone();
        let handed = watched.handed_to().map(|request| (request.task, Some(request.at)));
        let handed_to = handed.map(|(task, at)| Box::new(self.holder(task, at)));
        let lives = |task| self.last_step(task).is_none_or(|step| !step.finished);
        let state = watched.state(task, access, lives, |user| match user {
            User::Used(task) => ChannelUser::Used(label(task)),
            User::Created(task) => ChannelUser::Created(label(task)),
        });
        let (kind, name, made) = (known.kind, known.name.clone(), known.made.clone());
        let held_by = self.holders(resource);
        let more_holders = watched.holders.len().saturating_sub(NAMED_TASKS);
        Some(Awaited::Resource { kind, name, made, access, held_by, more_holders, handed_to, state })
    }

    fn holder(&self, task: u32, at: Option<&'static Location<'static>>) -> timeloop_sim::Holder {
        timeloop_sim::Holder {
            task: self.record.tasks[task as usize].label.clone(),
            at: at.map(Into::into),
            ended: self.last_step(task).is_some_and(|step| step.finished),
        }
    }

    /// Returns the first tasks that hold a resource.
    pub(super) fn holders(&self, resource: ResourceKey) -> Box<[timeloop_sim::Holder]> {
        let holders = self.resources.get(resource.0).map_or(&[][..], |watched| &watched.holders);
        holders.iter().take(NAMED_TASKS).map(|holder| self.holder(holder.task, holder.at)).collect()
    }

    /// Returns the label of a task.
    pub(super) fn label(&self, id: Id) -> TaskLabel {
        self.record.tasks[Self::index(id) as usize].label.clone()
    }

    /// Returns the tasks that keep running in a livelock, by their indices, in order.
    pub(super) fn running_tasks(&self, steps_at_instant: u64) -> Vec<u32> {
        self.record.running_tasks(steps_at_instant).iter().map(|running| running.task).collect()
    }

    /// Returns the finished record.
    pub(super) fn into_record(mut self) -> Record {
        if let Some(sites) = self.sites.take() {
            self.record.without_places = sites.dropped_steps();
            for (step, site) in sites.look_up() {
                self.record.steps[step].waits_at = site;
            }
        }
        for step in self.parked {
            self.record.steps[step].waits_at = self.record.resumes_at(step).cloned();
        }
        self.record
    }
}

/// Returns a place in user code. Returns `None` for a place in timeloop itself.
pub(crate) fn user_site(made: &'static Location<'static>) -> Option<Site> {
    (!made.file().starts_with(OURS)).then(|| made.into())
}

/// A node or a socket that a task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitTarget {
    /// A node.
    Node(NodeId, NodeWait),
    /// A socket, and where it was created.
    #[cfg(feature = "net")]
    Socket(<Surroundings as World>::Target, &'static Location<'static>),
}

/// A wait of a task.
#[derive(Clone, Copy, Debug)]
pub(super) struct NotedWait {
    pub(super) target: WaitTarget,
    /// Whether the waker is not the loop's. Its owner may resume the task without polling this wait again.
    pub(super) foreign: bool,
}

impl Engine {
    /// Notes what the running task waits for, and converts its waker to a wake target.
    #[cfg(feature = "net")]
    #[inline]
    pub(crate) fn record_waiter(&self, waker: &Waker, target: impl FnOnce() -> WaitTarget) -> WakeTarget {
        self.record_wait(waker, target);
        self.wake_target(waker)
    }

    /// Notes what the running task waits for.
    #[inline]
    pub(crate) fn record_wait(&self, waker: &Waker, target: impl FnOnce() -> WaitTarget) {
        if self.is_recorded() {
            self.note_wait(waker, target());
        }
    }

    #[cold]
    #[inline(never)]
    fn note_wait(&self, waker: &Waker, target: WaitTarget) {
        if !self.is_polling() {
            return;
        }
        if let Some(recorder) = &mut self.core.borrow_mut().observer.recorder {
            recorder.note_wait(NotedWait { target, foreign: !TaskRef::is_of_loop(waker) });
        }
    }

    /// Returns the anomalies of the network. Empty without a network.
    pub(super) fn anomalies(&self, core: &Core) -> Box<[Anomaly]> {
        let Some(recorder) = &core.observer.recorder else { return Box::default() };
        if core.ended {
            return recorder.network.clone();
        }
        #[cfg(feature = "net")]
        if let Ok(mut world) = self.world.try_borrow_mut()
            && let Some(world) = world.as_deref_mut()
        {
            return world.anomalies(&core.nodes, core.clock.now_ns);
        }
        Box::default()
    }

    /// Stores the anomalies of the network at the end of the run, in case the run's output is a failure.
    pub(super) fn keep_anomalies(&self) {
        if !self.is_recorded() {
            return;
        }
        let mut core = self.core.borrow_mut();
        let anomalies = self.anomalies(&core);
        if let Some(recorder) = &mut core.observer.recorder {
            recorder.network = anomalies;
        }
    }

    /// Describes the sockets and nodes that the tasks in these slots wait for, slot by slot.
    pub(super) fn waits_of(&self, core: &mut Core, slots: &[u32]) -> Vec<Vec<Awaited>> {
        let Some(recorder) = core.observer.recorder.take() else { return vec![Vec::new(); slots.len()] };
        #[cfg(feature = "net")]
        let everyone: Vec<_> = recorder
            .all_waits()
            .filter_map(|(label, on)| match on {
                WaitTarget::Socket(socket, _) => Some((label, socket)),
                WaitTarget::Node(..) => None,
            })
            .collect();
        #[cfg(feature = "net")]
        let mut world = self.world.try_borrow_mut().ok();
        let mut all = Vec::new();
        for &slot in slots {
            let id = core.tasks.at(slot).id;
            let mut waits: Vec<Awaited> = Vec::new();
            for on in recorder.waits_of(id) {
                let awaited = match on {
                    WaitTarget::Node(node, wait) => {
                        let (state, tasks) = (core.nodes.state(node), core.nodes.tasks(node));
                        Some(Awaited::Node { node: core.nodes.name(node), state, tasks, wait })
                    }
                    #[cfg(feature = "net")]
                    WaitTarget::Socket(socket, made) => {
                        let world = world.as_mut().and_then(|world| world.as_deref_mut());
                        let view = (&core.nodes, core.clock.now_ns);
                        world
                            .and_then(|world| world.describe_wait(view, &everyone, socket, made))
                            .map(Awaited::Socket)
                    }
                };
                waits.extend(awaited.filter(|awaited| !waits.contains(awaited)));
            }
            all.push(waits);
        }
        core.observer.recorder = Some(recorder);
        all
    }
}
