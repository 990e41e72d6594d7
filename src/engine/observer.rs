//! The observer: how closely a run is watched, and the record where it is recorded: steps, operations, who holds what, and what
//! each task waits for.
//!
//! [`Level`] says how closely; [`Recorder`] keeps the [`Record`] of a run that is to be explained.
//!
//! # Invariants
//! - Observing changes no decision: runs that differ in the level alone have the same trace hash, except that a source that
//!   wants to know of operations may preempt tasks before them.
//! - What a task waits for is noted in runs that are recorded and in no others; a task's notes are those of its last step,
//!   besides what it has left with a waker of somebody else's.

use std::backtrace::Backtrace;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::panic::Location;
use std::rc::Rc;
use std::task::Waker;

#[cfg(feature = "net")]
use timeloop_sim::WorldEffect;
use timeloop_sim::{
    Access, Advance, Anomaly, Arrival, Awaited, BlockedTask, Choice, DecisionKey, Detail, NodeWait,
    Operation, Performed, Record, ResourceKey, ResourceKind, ResourceRecord, Site, Step, TaskKey, TaskLabel,
    TaskPath, TaskRecord, WorldChange, WorldEvent,
};

use super::announce::ResourceId;
use super::nodes::NodeId;
use super::sites::{self, Leaf, Sites};
use super::waker::TaskRef;
use super::{Core, Engine, Id};
#[cfg(feature = "net")]
use super::{
    WakeTarget,
    world::{Surroundings, World},
};

/// How closely a run is watched. Each level includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Operations are not even announced.
    Off,
    /// The source of decisions learns of operations.
    Operations,
    /// The run is recorded.
    Record,
    /// The places in the source where tasks wait are recorded, too.
    Explain,
}

impl Level {
    #[inline(always)]
    pub(super) fn new(detail: Detail, wants_operations: bool) -> Self {
        match detail {
            Detail::Lean if wants_operations => Self::Operations,
            Detail::Lean => Self::Off,
            Detail::Record => Self::Record,
            Detail::Explain => Self::Explain,
        }
    }
}

/// Watches a run.
pub(super) struct Observer {
    pub(super) recorder: Option<Box<Recorder>>,
}

impl Observer {
    #[inline(always)]
    pub(super) fn new(level: Level) -> Self {
        let recorder = (level >= Level::Record).then(|| Box::new(Recorder::new(level == Level::Explain)));
        Self { recorder }
    }

    /// Returns whether the places of the step under way are wanted.
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
    /// Returns whether anyone wants to know of operations.
    #[inline(always)]
    pub(super) fn is_observed(&self) -> bool {
        self.level != Level::Off
    }

    /// Returns whether the run is recorded.
    #[inline(always)]
    pub(super) fn is_recorded(&self) -> bool {
        self.level >= Level::Record
    }

    /// Notes where tasks wait from this step on, and in the first few thousand, if the run is explained at all.
    pub(crate) fn explain_from(&self, step: u64) {
        self.core.borrow_mut().observer.record(|recorder| recorder.explain_from = step);
    }
}

/// How the names of this library's own files begin.
const OURS: &str = {
    let (ours, _) = file!().split_at(file!().len() - "engine/observer.rs".len());
    ours
};

/// Records a run. What the loop calls at every step stands apart from it, so that it costs nothing where nothing is recorded.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    record: Record,
    /// The newest arrival of each task, by task.
    arrivals: Vec<u32>,
    /// Where each task waits, by task.
    waits: BTreeMap<u32, Rc<Backtrace>>,
    /// The task that is being polled.
    current: u32,
    /// The resources that the record knows, and where they stand in it.
    known: BTreeMap<ResourceKey, usize>,
    /// The operation that each task has announced last, and has not got yet, by task.
    wanted: BTreeMap<u32, Wanted>,
    /// The operation that the step under way has given way for, until its task is ready to go on.
    preempted: Option<DecisionKey>,
    /// What else each task waits for, by task.
    noted_waits: BTreeMap<u32, Vec<NotedWait>>,
    /// What was not as usual in the network when the run ended.
    pub(super) network: Box<[Anomaly]>,
    /// The resources that are more than something that tasks share.
    kinds: BTreeMap<ResourceKey, ResourceKind>,
    /// Who holds what.
    pub(super) holders: BTreeMap<ResourceKey, Vec<Holder>>,
    pub(super) sites: Option<Sites>,
    /// The steps whose tasks were not polled.
    parked: Vec<usize>,
    /// The step from which on places are noted, besides the first few thousand.
    pub(super) explain_from: u64,
}

/// What a task has set out to do.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    operation: Operation,
    at: Option<&'static Location<'static>>,
}

/// Somebody who holds a resource, or part of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Holder {
    /// Index into the record's tasks.
    pub(super) task: u32,
    /// Where it asked for it.
    pub(super) at: Option<&'static Location<'static>>,
}

impl Recorder {
    pub(super) fn new(explain: bool) -> Self {
        Self { sites: explain.then(Sites::default), ..Self::default() }
    }

    /// A task's index: tasks are recorded in order of their ids.
    fn index(id: Id) -> u32 {
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
        if let Some(spawned) = spawned {
            self.set_kind(ResourceId::of_task(key, spawned).key(), ResourceKind::TaskEnd);
        }
        self.arrivals.push(u32::MAX);
    }

    #[cold]
    #[inline(never)]
    pub(super) fn ready(&mut self, id: Id, resume: u32, operation: Option<u32>) {
        let task = Self::index(id);
        self.arrivals[task as usize] = self.record.arrivals.len() as u32;
        let after_steps = self.record.steps.len() as u64;
        self.record.arrivals.push(Arrival { task, resume, operation, after_steps });
    }

    #[cold]
    #[inline(never)]
    pub(super) fn begin_step(&mut self, id: Id, at_ns: u64, trace_hash: u64) {
        self.current = Self::index(id);
        if let Some(waits) = self.noted_waits.get_mut(&self.current) {
            waits.retain(|noted| noted.foreign);
        }
        let arrival = self.arrivals[self.current as usize];
        self.record.steps.push(Step { arrival, at_ns, waits_at: None, finished: false, trace_hash });
    }

    /// The task that runs gives way.
    pub(super) fn preempted(&mut self, key: DecisionKey) {
        self.preempted = Some(key);
    }

    /// It is going to be ready to go on.
    pub(super) fn will_continue(&mut self) {
        self.preempted = None;
    }

    /// The step has ended, and its task, whose node is paused, waits where it did: it has not been polled.
    pub(super) fn parked(&mut self) {
        if let Some(step) = self.record.steps.len().checked_sub(1) {
            self.parked.push(step);
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn end_step(&mut self, finished: bool) {
        if let Some(key) = self.preempted.take() {
            // Whoever polled made something else of it, and did not come back in this step.
            self.chosen(key, 2, 1);
        }
        let step = self.record.steps.len() - 1;
        self.record.steps[step].finished = finished;
        let backtrace = self.sites.as_mut().and_then(|sites| sites.end_step(step));
        // What is not noted is not known: an earlier place would mislead.
        if finished || !self.is_noting() {
            self.waits.remove(&self.current);
        } else if let Some(backtrace) = backtrace {
            self.waits.insert(self.current, backtrace);
        }
    }

    /// Whether the places of the step under way are wanted.
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

    /// The step does something to the world.
    pub(super) fn world_changed(&mut self, change: WorldChange) {
        let Some(step) = self.record.steps.len().checked_sub(1) else { return };
        self.record.events.push(WorldEvent { step: step as u64, change });
    }

    /// Until the returned index is given back, it is this task whose code runs, within a step of another.
    pub(super) fn switch_to(&mut self, id: Id) -> u32 {
        std::mem::replace(&mut self.current, Self::index(id))
    }

    /// The task of the step is the one whose code runs again.
    pub(super) fn switch_back(&mut self, current: u32) {
        self.current = current;
    }

    /// Something that is not quiet has been decided about the world around the tasks.
    #[cfg(feature = "net")]
    pub(super) fn world_deviates(&mut self, deviation: timeloop_sim::Deviation, effect: WorldEffect) {
        let after_steps = self.record.steps.len() as u64;
        self.record.world_deviations.push(timeloop_sim::WorldDeviation { deviation, after_steps, effect });
    }

    /// Virtual time has moved.
    pub(super) fn advanced(&mut self) {
        let after_arrivals = self.record.arrivals.len() as u64;
        let after_steps = self.record.steps.len() as u64;
        self.record.advances.push(Advance { after_arrivals, after_steps });
    }

    /// The task that runs has done this.
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
        self.add_resource(operation.resource, name, made);
        // What can't be announced does not wait either.
        if index.is_some() {
            self.wanted.insert(self.current, Wanted { operation, at });
        }
        // A future that is polled by another of the face's has no caller of the user's.
        let site = at.filter(|at| !at.file().starts_with(OURS)).map(Into::into);
        self.record.operations.push(Performed { step: step as u64, index, operation, site });
    }

    /// The record knows of this resource, by its newest name: a socket may become one that listens.
    fn add_resource(&mut self, key: ResourceKey, name: Cow<'static, str>, made: &'static Location<'static>) {
        let resources = &mut self.record.resources;
        let index = *self.known.entry(key).or_insert(resources.len());
        match resources.get_mut(index) {
            Some(known) if known.name == name => {}
            Some(known) => known.name = name,
            None => {
                let kind = self.kinds.get(&key).copied().unwrap_or_default();
                resources.push(ResourceRecord { key, kind, name, made: user_site(made) });
            }
        }
    }

    /// This resource, which the record does not know yet, is of this kind.
    pub(super) fn set_kind(&mut self, key: ResourceKey, kind: ResourceKind) {
        self.kinds.insert(key, kind);
    }

    /// The task that runs waits for this.
    pub(super) fn note_wait(&mut self, noted: NotedWait) {
        let waits = self.noted_waits.entry(self.current).or_default();
        match waits.iter_mut().find(|known| known.target == noted.target) {
            Some(known) => *known = noted,
            None => waits.push(noted),
        }
    }

    /// What the task waits for, besides tasks and what they share.
    pub(super) fn waits_of(&self, id: Id) -> impl Iterator<Item = WaitTarget> {
        self.noted_waits.get(&Self::index(id)).into_iter().flatten().map(|noted| noted.target)
    }

    /// The same for all tasks.
    #[cfg(feature = "net")]
    pub(super) fn all_waits(&self) -> impl Iterator<Item = (&TaskLabel, WaitTarget)> {
        self.noted_waits.iter().flat_map(|(task, waits)| {
            waits.iter().map(|noted| (&self.record.tasks[*task as usize].label, noted.target))
        })
    }

    /// The task that runs has got hold of this.
    pub(super) fn acquired(
        &mut self,
        resource: ResourceKey,
        name: &'static str,
        made: &'static Location<'static>,
        at: Option<&'static Location<'static>>,
    ) {
        self.add_resource(resource, Cow::Borrowed(name), made);
        if self.wanted.get(&self.current).is_some_and(|wanted| wanted.operation.resource == resource) {
            self.wanted.remove(&self.current);
        }
        self.holders.entry(resource).or_default().push(Holder { task: self.current, at });
    }

    /// Somebody has let go of this: most likely who runs, if it holds it at all.
    pub(super) fn released(&mut self, resource: ResourceKey) {
        let current = self.current;
        if let Some(holders) = self.holders.get_mut(&resource) {
            let position = holders.iter().position(|holder| holder.task == current).unwrap_or(0);
            if position < holders.len() {
                holders.remove(position);
            }
        }
    }

    /// Who the task is, since when and where it waits, and what for; `awaits` is the task whose end it has asked for.
    pub(super) fn blocked(&self, id: Id, awaits: Option<Id>) -> BlockedTask {
        let task = Self::index(id);
        let known = &self.record.tasks[task as usize];
        let backtrace = self.waits.get(&task);
        let waits_at = backtrace.and_then(|backtrace| sites::site(backtrace));
        let end = || awaits.map(|id| Awaited::End(self.label(id)));
        let waits_for = match backtrace.map_or(Leaf::Unknown, |backtrace| sites::leaf(backtrace)) {
            Leaf::Task => end(),
            Leaf::Sync => self.wanted(task, waits_at.as_ref()),
            // Nobody asks for a lock, does not get it, and waits for something else.
            Leaf::Unknown => self
                .wanted
                .get(&task)
                .filter(|wanted| wanted.operation.access == Access::Acquire)
                .and_then(|_| self.wanted(task, waits_at.as_ref()))
                .or_else(end),
            Leaf::Socket | Leaf::Foreign => None,
        };
        BlockedTask {
            task: known.label.clone(),
            waits_at,
            since_ns: self.last_step(task).map_or(known.spawned_at_ns, |step| step.at_ns),
            waits_for: waits_for.map(Box::new),
        }
    }

    fn last_step(&self, task: u32) -> Option<&Step> {
        self.record.steps.iter().rev().find(|step| self.record.arrival_of(step).task == task)
    }

    /// What the task has announced last, if it may be that for which it waits at this place.
    fn wanted(&self, task: u32, waits_at: Option<&Site>) -> Option<Awaited> {
        /// An expression that awaits is rarely longer.
        const LINES: u32 = 20;
        let wanted = self.wanted.get(&task)?;
        if let (Some(at), Some(waits_at)) = (wanted.at, waits_at)
            && at.file() == waits_at.file
            && at.line().abs_diff(waits_at.line) > LINES
        {
            return None;
        }
        let Operation { resource, access } = wanted.operation;
        let known = self.record.resource(resource)?;
        if known.kind == ResourceKind::Socket {
            // What it waits for of a socket is noted.
            return None;
        }
        let holders = self.holders.get(&resource).into_iter().flatten();
        let held_by = holders.map(|holder| timeloop_sim::Holder {
            task: self.record.tasks[holder.task as usize].label.clone(),
            at: holder.at.map(Into::into),
            ended: self.last_step(holder.task).is_some_and(|step| step.finished),
        });
        let (name, made) = (known.name.clone(), known.made.clone());
        Some(Awaited::Resource { name, made, access, held_by: held_by.collect() })
    }

    /// Who the task is.
    pub(super) fn label(&self, id: Id) -> TaskLabel {
        self.record.tasks[Self::index(id) as usize].label.clone()
    }

    /// The finished record.
    pub(super) fn into_record(mut self) -> Record {
        for (step, site) in self.sites.take().into_iter().flat_map(Sites::look_up) {
            self.record.steps[step].waits_at = site;
        }
        for step in self.parked {
            self.record.steps[step].waits_at = self.record.resumes_at(step).cloned();
        }
        self.record
    }
}

/// A place, unless it is in this library itself, which tells nobody anything.
pub(crate) fn user_site(made: &'static Location<'static>) -> Option<Site> {
    (!made.file().starts_with(OURS)).then(|| made.into())
}

/// What a task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitTarget {
    /// A node.
    Node(NodeId, NodeWait),
    /// A socket, and where that was made.
    #[cfg(feature = "net")]
    Socket(<Surroundings as World>::Target, &'static Location<'static>),
}

/// A note that a task waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct NotedWait {
    pub(super) target: WaitTarget,
    /// With a waker of somebody else's, who may resume the task without polling this again.
    pub(super) foreign: bool,
}

impl Engine {
    /// The task that runs waits for this; who is to be woken.
    #[cfg(feature = "net")]
    #[inline]
    pub(crate) fn record_waiter(&self, waker: &Waker, target: impl FnOnce() -> WaitTarget) -> WakeTarget {
        self.record_wait(waker, target);
        self.wake_target(waker)
    }

    /// The task that runs waits for this.
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

    /// What is not as usual in the network; nothing where there is none.
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

    /// The run ends: what is to be said of its network, should its output be a failure.
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

    /// What the tasks in these slots wait for among sockets and nodes, for each of them.
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
