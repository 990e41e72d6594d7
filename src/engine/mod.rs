//! The engine: the event loop and its five owners of state.
//!
//! [`Engine`] wires them: the [`Scheduler`] asks the source for every decision about tasks, [`Tasks`] holds the tasks, the
//! [`Clock`] virtual time and timers, [`Nodes`] the simulated machines, and the [`Observer`] the record. They share one
//! cell, [`Core`], which is borrowed once for an operation. A method that concerns several owners belongs to `Core`, or to
//! `Engine` if it may run user code.
//!
//! # Invariants
//! - Each step polls one task once: the task that the source of decisions names.
//! - Virtual time moves only when the source names no task, and then to the earliest deadline.
//! - User code never runs while the state of the loop is borrowed, so it may spawn, wake, abort and drop tasks.

pub(crate) mod announce;
mod apart;
mod blocking_waits;
pub(crate) mod branches;
mod budget;
pub(crate) mod cancellation;
pub(crate) mod clock;
pub(crate) mod context;
mod failures;
mod function_name;
#[cfg(feature = "hermetic")]
pub(crate) mod hermetic;
mod id;
#[cfg(feature = "net")]
mod io_decisions;
mod join_error;
pub(crate) mod node_life;
pub(crate) mod nodes;
pub(crate) mod observer;
mod outer_loop;
// Miri can't switch stacks.
#[cfg_attr(
    not(all(
        feature = "blocking-stacks",
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64"),
        not(miri),
    )),
    path = "own_stack/missing.rs"
)]
pub(crate) mod own_stack;
pub(crate) mod panics;
mod preemption;
mod run;
mod scheduler;
mod settings;
mod shut_down;
pub(crate) mod signals;
mod sites;
mod task_cell;
mod tasks;
mod timers;
mod unsafe_cells;
mod waker;
mod watched;
#[cfg(feature = "net")]
pub(crate) mod world;

use std::any::Any;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use timeloop_sim::{AnySource, Detail, Failure, FaultCounts, Limits, Ready};

pub(crate) use blocking_waits::{Blocking, allow_blocking, wait_blocking};
pub(crate) use budget::{UNITS, UNLIMITED};
pub(crate) use context::{find_idle, of_run};
pub(crate) use failures::Before;
pub(crate) use function_name::function_name;
pub use id::Id;
pub use join_error::JoinError;
#[cfg(feature = "net")]
pub(crate) use observer::user_site;
pub(crate) use outer_loop::wait_in_outer_loop;
pub(crate) use own_stack::{Closure, is_on_own_stack};
pub(crate) use run::{Root, RootFuture, Stop};
pub(crate) use scheduler::select_start;
pub(crate) use settings::{Flavor, RuntimeSettings};
pub(crate) use task_cell::TaskBox;
pub(crate) use tasks::Joined;
pub(crate) use timers::TimerRef;
#[cfg(feature = "net")]
pub(crate) use waker::WakeTarget;
pub(crate) use waker::{RunId, TaskRef, is_alive};
#[cfg(feature = "sync")]
pub(crate) use {observer::CameOut, watched::Fact};

use blocking_waits::Nested;
use clock::Clock;
use context::LentRoot;
use nodes::{NodeId, Nodes};
use observer::{Level, Observer, Recorder};
use outer_loop::OuterLoop;
use preemption::StepState;
use scheduler::{Scheduler, mix};
use tasks::{Interrupts, NO_SLOT, ROOT_SLOT, State, TaskPanic, Tasks};
use unsafe_cells::{InlinedCell, InlinedRefCell};
use waker::ForeignWakes;
#[cfg(not(feature = "net"))]
use waker::WakeTarget;

/// The name of a loop. Cheap to clone, since all runs of a search share it.
#[derive(Clone, Debug)]
pub(crate) enum Label {
    Fixed(&'static str),
    Shared(Arc<str>),
}

impl From<&'static str> for Label {
    fn from(text: &'static str) -> Self {
        Self::Fixed(text)
    }
}

impl From<String> for Label {
    fn from(text: String) -> Self {
        Self::Shared(text.into())
    }
}

/// One event loop.
pub(crate) struct Engine {
    run: RunId,
    /// The name of the loop in errors: the test's name, or the place where its runtime was built.
    label: Label,
    /// What the runtime is made of, in tokio's words.
    pub(crate) settings: RuntimeSettings,
    /// How closely the run is watched.
    level: Level,
    /// The root, while the loop runs.
    root: LentRoot,
    nested: Nested,
    outer: OuterLoop,
    /// Whether a call runs the loop.
    running: Cell<bool>,
    /// The name that the builder of the runtime was given.
    name: RefCell<Option<Arc<str>>>,
    /// The task whose output or future is being dropped, while it is not the current one.
    dropping: Cell<Option<Id>>,
    /// The slot of the task that is being polled, or was polled last.
    current: InlinedCell<u32>,
    /// The number of the task that is being polled, or 0.
    polled: InlinedCell<u64>,
    step: StepState,
    /// The panic payload of the task that was polled last.
    panicked: Cell<Option<Box<dyn Any + Send>>>,
    /// Which of the two noting waker tables the next poll uses.
    alternate: InlinedCell<bool>,
    foreign_wakes: ForeignWakes,
    /// Whether input and output vary.
    #[cfg(feature = "net")]
    pub(crate) varies_io: bool,
    /// What the run keeps to answer the calls of the C library; `None` if the system answers them.
    #[cfg(feature = "hermetic")]
    hermetic: Option<Box<hermetic::Hermetic>>,
    core: InlinedRefCell<Core>,
    /// `None` until a socket is opened. Most runs never open one.
    #[cfg(feature = "net")]
    world: RefCell<Option<Box<world::Surroundings>>>,
}

/// The state of the loop.
struct Core {
    scheduler: Scheduler,
    tasks: Tasks,
    clock: Clock,
    nodes: Nodes,
    observer: Observer,
    /// A failure that a task has met within its poll. It ends the run after the step.
    fatal: Option<Box<Failure>>,
    /// The faults of the fault plans so far.
    faults: FaultCounts,
    /// Whether the run is being torn down.
    ended: bool,
    /// Whether the runtime has been shut down. It may still be entered, and keeps the outputs of its tasks.
    shut_down: bool,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("run", &self.run).finish_non_exhaustive()
    }
}

impl Engine {
    /// Creates a loop for one run.
    #[inline(always)]
    pub(crate) fn new(
        source: AnySource,
        limits: &Limits,
        detail: Detail,
        label: Label,
        settings: RuntimeSettings,
    ) -> Self {
        Self::with_mailbox(source, limits, detail, label, settings, ForeignWakes::of_thread())
    }

    /// Creates a loop that may outlive other loops of the same thread.
    pub(crate) fn long_lived(
        source: AnySource,
        limits: &Limits,
        label: Label,
        settings: RuntimeSettings,
    ) -> Rc<Self> {
        let mailbox = ForeignWakes::new();
        let engine = Rc::new(Self::with_mailbox(source, limits, Detail::Lean, label, settings, mailbox));
        context::forget_shut_down();
        engine.outer.is_runtime.set(true);
        engine.outer.made_in.set(context::with_current_run(Self::run_id));
        context::register(&engine);
        engine
    }

    // Inlined to be built in place.
    #[inline(always)]
    fn with_mailbox(
        #[cfg_attr(not(feature = "hermetic"), expect(unused_mut, reason = "a hermetic run draws from it"))]
        mut source: AnySource,
        limits: &Limits,
        detail: Detail,
        label: Label,
        settings: RuntimeSettings,
        foreign_wakes: ForeignWakes,
    ) -> Self {
        let run = RunId::next();
        foreign_wakes.open(run);
        let wants_operations = source.wants_operations();
        #[cfg(feature = "net")]
        let varies_io = source.varies_io();
        let level = Level::new(detail, wants_operations);
        // The observer may unwind, so it comes first: the rest is then built in place and not moved.
        let observer = Observer::new(level);
        Self {
            run,
            label,
            settings,
            level,
            root: LentRoot::default(),
            nested: Nested::default(),
            outer: OuterLoop::default(),
            running: Cell::new(false),
            name: RefCell::new(None),
            dropping: Cell::new(None),
            current: InlinedCell::new(NO_SLOT),
            polled: InlinedCell::new(0),
            step: StepState::default(),
            panicked: Cell::new(None),
            alternate: InlinedCell::new(false),
            foreign_wakes,
            #[cfg(feature = "net")]
            varies_io,
            #[cfg(feature = "hermetic")]
            hermetic: hermetic::Hermetic::of(settings, &mut source),
            core: InlinedRefCell::new(Core {
                scheduler: Scheduler::new(source, wants_operations, limits),
                tasks: Tasks::new(settings.ignores_unobserved_panics),
                clock: Clock::new(run.first_timer(), settings.start_paused),
                nodes: Nodes::default(),
                observer,
                fatal: None,
                faults: FaultCounts::default(),
                ended: false,
                shut_down: false,
            }),
            #[cfg(feature = "net")]
            world: RefCell::new(None),
        }
    }

    pub(crate) fn run_id(&self) -> RunId {
        self.run
    }

    /// Sets the name of the runtime.
    pub(crate) fn set_name(&self, name: Arc<str>) {
        *self.name.borrow_mut() = Some(name);
    }

    /// Returns the name of the runtime.
    pub(crate) fn name(&self) -> Option<Arc<str>> {
        self.name.borrow().clone().or_else(|| self.settings.name.map(Arc::from))
    }

    pub(crate) fn label(&self) -> Cow<'static, str> {
        match &self.label {
            Label::Fixed(text) => Cow::Borrowed(text),
            Label::Shared(text) => Cow::Owned(text.to_string()),
        }
    }

    /// Adds a task, which is ready at once, to the node of the task that spawns it.
    pub(crate) fn spawn(
        &self,
        task: TaskBox,
        name: Option<Cow<'static, str>>,
        spawned: &'static Location<'static>,
    ) -> Result<(TaskRef, Id), TooManyTasks> {
        self.spawn_to(None, task, name, spawned)
    }

    #[inline(always)]
    fn spawn_to(
        &self,
        on: Option<NodeId>,
        task: TaskBox,
        name: Option<Cow<'static, str>>,
        spawned: &'static Location<'static>,
    ) -> Result<(TaskRef, Id), TooManyTasks> {
        let mut core = self.core.borrow_mut();
        if core.shut_down {
            drop(core);
            return Ok(self.refuse(task));
        }
        let Core { scheduler, tasks, clock, nodes, observer, ended, .. } = &mut *core;
        let most = scheduler.limits.max_tasks.min(waker::MAX_SLOTS - 1);
        if tasks.live() >= most {
            return Err(TooManyTasks(most));
        }
        // A task that is spawned between two calls of `block_on` is a child of the root.
        let current = self.current.get();
        let parent = tasks.at(if current == NO_SLOT { ROOT_SLOT } else { current });
        parent.children += 1;
        let (node, interrupts) = match on {
            None => (parent.node, parent.interrupts.inherited()),
            Some(node) => (node.number(), nodes.interrupts(node, scheduler.source.wants_nodes())),
        };
        let (parent, parent_key, index) = (parent.id, parent.key, parent.children);
        let key = parent_key.child(index);
        let (slot, place) = tasks.insert(key, Some(task), spawned, clock.now_ns);
        let (generation, id) = (place.generation, place.id);
        if node != 0 {
            (place.node, place.interrupts) = (node, interrupts);
            nodes.spawned(node, interrupts);
        }
        if *ended {
            // The run is being torn down: the task is dropped with the others, without a poll.
            place.interrupts.add(Interrupts::ABORTED);
        }
        if let Some(recorder) = &mut observer.recorder {
            let function = tasks.at(slot).task.type_name();
            let function = || function.map_or("", function_name);
            let name = name.clone().unwrap_or_else(|| Cow::Borrowed(function()));
            let node = nodes.label(node);
            recorder.spawned(key, Some((parent, index)), name, Some(spawned), node, clock.now_ns);
            recorder.ready(id, 0, None);
        }
        if let Some(name) = name {
            tasks.set_name(id, name);
        }
        if !*ended {
            scheduler.source.spawned(parent_key, key);
            scheduler.source.ready(Ready { slot, resume: 0, task: key, announced: None });
        }
        Ok((TaskRef::new(self.run, slot, generation), id))
    }

    /// Drops a task that is spawned after the shutdown. Its handle finds no task, which stands for a cancelled one.
    #[cold]
    fn refuse(&self, task: TaskBox) -> (TaskRef, Id) {
        let id = self.core.borrow_mut().tasks.take_id();
        self.drop_remains(id, task);
        (TaskRef::of_none(self.run), id)
    }

    /// Marks a spawned task as a closure of `spawn_blocking`.
    pub(crate) fn mark_blocking(&self, task: TaskRef) {
        if let Some(place) = self.core.borrow_mut().tasks.get(task.slot(), task.generation()) {
            place.blocking = true;
        }
    }

    /// Marks a task as ready if it is waiting.
    #[inline]
    pub(crate) fn wake(&self, task: TaskRef) {
        if self.is_polled(task.number()) {
            self.step.woken.set(true);
        } else {
            self.core.borrow_mut().wake(task);
        }
    }

    /// Returns whether the task with this number is being polled.
    #[inline(always)]
    fn is_polled(&self, number: u64) -> bool {
        self.polled.get() == number
    }

    /// Returns whether any task is being polled.
    #[inline(always)]
    fn is_polling(&self) -> bool {
        self.polled.get() != 0
    }

    /// Converts a waker to a wake target: the task, if the waker is one of the loop's own, else a clone of the waker. Cloning
    /// may run user code.
    #[inline]
    fn wake_target(&self, waker: &Waker) -> WakeTarget {
        self.own(waker).unwrap_or_else(|| self.explained(waker))
    }

    /// Converts a waker that is not one of an unexplained run. Notes that its task waits.
    #[cold]
    fn explained(&self, waker: &Waker) -> WakeTarget {
        match waker::note_wait(waker).filter(|task| task.run() == self.run) {
            Some(task) => {
                self.core.borrow_mut().observer.record(Recorder::registered);
                WakeTarget::Task(task)
            }
            None => WakeTarget::Other(waker.clone()),
        }
    }

    /// Converts a waker to a wake target if it is one of the loop's own in an unexplained run.
    #[inline]
    fn own(&self, waker: &Waker) -> Option<WakeTarget> {
        TaskRef::of_waker(waker).filter(|task| task.run() == self.run).map(WakeTarget::Task)
    }

    /// Returns whether this is the current task.
    fn is_current(&self, task: TaskRef) -> bool {
        self.current.get() == task.slot()
    }
}

impl Core {
    /// Marks a task that is not being polled as ready if it is waiting.
    #[inline]
    fn wake(&mut self, task: TaskRef) {
        let Some(place) = self.tasks.get(task.slot(), task.generation()) else { return };
        match place.state {
            State::Waiting => self.scheduler.make_ready(place, task.slot(), None, &mut self.observer),
            State::Ready => self.scheduler.source.woken(place.key),
            _ => {}
        }
    }

    /// Marks the task in this slot as ready.
    #[inline]
    fn make_ready(&mut self, slot: u32) {
        let (place, announced) = self.tasks.with_announced(slot);
        self.scheduler.make_ready(place, slot, announced, &mut self.observer);
    }

    /// Ends the run because of a panic that no join handle can return any more, unless such panics are ignored.
    #[cold]
    fn unobserved(&mut self, panic: TaskPanic) {
        if self.tasks.ignores_unobserved {
            return;
        }
        self.tasks.unobserved.get_or_insert_with(|| Box::new(panic));
        self.scheduler.stop_soon();
    }
}

/// The error of spawning more tasks than may be alive. Holds the limit.
#[derive(Debug)]
pub(crate) struct TooManyTasks(u32);

impl TooManyTasks {
    /// Panics with the caller's location.
    #[cold]
    #[track_caller]
    pub(crate) fn panic(&self) -> ! {
        panic!(
            "too many tasks: the limit of {} is reached; if the test needs more, raise `max_tasks` (16,000,000 at most)",
            timeloop_sim::grouped(self.0.into()),
        )
    }
}

/// Panics because the calling function works only inside a run.
#[cold]
#[track_caller]
pub(crate) fn outside(what: &str) -> ! {
    panic!(
        "can't {what} outside of a run; do so inside `#[timeloop::test]`, `timeloop::run`, `timeloop::explore` \
         or `Runtime::block_on`"
    )
}
