//! The engine: the event loop, its tasks, its timers and its wakers.
//!
//! Always true: at each step the loop takes from its source of decisions the one task that runs next, and polls it once;
//! virtual time moves only when the source names no task, and then to the earliest deadline; no code of the user's runs while
//! the loop's own state is borrowed, so whatever that code does (spawn, wake, abort, drop) finds the loop in order.

pub(crate) mod announce;
mod cell;
mod census;
pub(crate) mod context;
mod deadlines;
mod failures;
mod id;
mod idle;
mod join_error;
mod joining;
#[cfg(feature = "net")]
pub(crate) mod network;
pub(crate) mod node_clock;
pub(crate) mod node_life;
mod node_time;
pub(crate) mod nodes;
pub(crate) mod panics;
mod preemption;
mod recorder;
mod root;
mod run;
mod shared;
mod sites;
mod table;
mod timers;
pub(crate) mod waiting;
mod waker;

use std::any::Any;
use std::borrow::Cow;
use std::cell::Cell;
#[cfg(feature = "net")]
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::Location;
use std::sync::Arc;
use std::task::Waker;

use timeloop_sim::{Announced, AnySource, DecisionKey, Detail, Limits, Ready, Stream, TaskKey, TaskLabel};

pub(crate) use cell::TaskBox;
pub(crate) use context::of_run;
pub(crate) use failures::Before;
pub use id::Id;
pub(crate) use idle::find as find_idle;
pub use join_error::JoinError;
pub(crate) use joining::Joined;
#[cfg(feature = "net")]
pub(crate) use recorder::users;
pub(crate) use root::{Root, RootFuture};
pub(crate) use run::Stop;
pub(crate) use timers::TimerRef;
#[cfg(feature = "net")]
pub(crate) use waker::Wakee;
pub(crate) use waker::{RunId, TaskRef};

use nodes::{NodeId, Nodes};
use panics::PanicNote;
use preemption::StepState;
use recorder::Recorder;
use shared::{Plain, Sole};
use sites::Sites;
use table::{Interrupts, Slot, State, Table};
use timers::TimerQueue;
#[cfg(not(feature = "net"))]
use waker::Wakee;
use waker::{LentPost, Post};

/// What a loop is called. Cheap to clone: each run of a search has the same.
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

/// The slot of no task.
const NO_SLOT: u32 = u32::MAX;

/// One event loop.
pub(crate) struct Engine {
    run: RunId,
    /// What the loop is called in errors: the test's name, or where its runtime was built.
    label: Label,
    now_ns: Plain<u64>,
    /// The slot of the task that is being polled, or was polled last.
    current: Plain<u32>,
    /// The number of the task that is being polled, or 0.
    polled: Plain<u64>,
    step: StepState,
    /// What the task that was polled last has panicked with, until the loop looks.
    fallen: Cell<Option<Box<dyn Any + Send>>>,
    /// Which of the noting waker tables the next poll uses.
    alternate: Plain<bool>,
    explain: bool,
    /// Whether anyone wants to know of operations.
    attends: Plain<bool>,
    /// Whether the source of decisions does.
    wants_operations: bool,
    /// Whether the run is recorded.
    records: bool,
    /// Whether it wants to know of all that happens on nodes.
    wants_nodes: bool,
    /// Whether the run has nodes besides the test's, whose clocks may be off.
    has_nodes: Plain<bool>,
    post: LentPost,
    core: Sole<Core>,
    /// `None` until somebody opens a socket: most runs never do.
    #[cfg(feature = "net")]
    network: RefCell<Option<Box<network::Fabric>>>,
}

/// What the loop changes at every step.
struct Core {
    source: AnySource,
    table: Table,
    nodes: Nodes,
    timers: TimerQueue,
    limits: Limits,
    /// How many more steps may be taken before the loop looks at its bounds; 0 also makes it look at once.
    fuel: u64,
    /// How much fuel there was at the start of the instant.
    granted: u64,
    /// How many steps had been taken by then.
    steps_before: u64,
    trace_hash: u64,
    next_id: u64,
    /// How many choices of the `select` domain the current resumption has made.
    selects: u32,
    /// The task that gave way last, and after how many steps, unless time has moved since.
    gave_way_last: (u32, u64),
    ended: bool,
    recorder: Option<Box<Recorder>>,
    /// `None` until it is needed: most runs never do.
    aside: Option<Box<Aside>>,
    /// The first panic of a task: what fails later may come of it.
    first_panic: Option<Box<(TaskLabel, PanicNote)>>,
    /// A panic that nobody can observe any more: ends the run.
    unobserved: Option<Box<(TaskLabel, PanicNote)>>,
}

/// What is kept beside the table for a few tasks.
#[derive(Default)]
struct Aside {
    names: BTreeMap<Id, Cow<'static, str>>,
    streams: BTreeMap<Id, Box<Stream>>,
    /// The panics of tasks that have ended and whose output nobody has taken.
    panics: BTreeMap<Id, (TaskLabel, PanicNote)>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("run", &self.run).field("now_ns", &self.now_ns).finish_non_exhaustive()
    }
}

impl Engine {
    /// A loop for one run.
    #[inline(always)]
    pub(crate) fn new(source: AnySource, limits: &Limits, detail: Detail, label: Label) -> Self {
        Self::with_post(source, limits, detail, label, Post::of_thread())
    }

    /// A loop that may be alive while others are made on the same thread.
    pub(crate) fn long_lived(source: AnySource, limits: &Limits, label: Label) -> std::rc::Rc<Self> {
        let engine = std::rc::Rc::new(Self::with_post(source, limits, Detail::Lean, label, Post::lent()));
        idle::register(&engine);
        engine
    }

    // Inlined: it is made where it stays.
    #[inline(always)]
    fn with_post(source: AnySource, limits: &Limits, detail: Detail, label: Label, post: LentPost) -> Self {
        let run = RunId::next();
        post.open(run);
        let explain = detail == Detail::Explain;
        let (wants_operations, wants_nodes) = (source.wants_operations(), source.wants_nodes());
        let attends = wants_operations || detail != Detail::Lean;
        Self {
            run,
            label,
            now_ns: Plain::new(0),
            current: Plain::new(NO_SLOT),
            polled: Plain::new(0),
            step: StepState::default(),
            fallen: Cell::new(None),
            alternate: Plain::new(false),
            explain,
            attends: Plain::new(attends),
            wants_operations,
            records: detail != Detail::Lean,
            wants_nodes,
            has_nodes: Plain::new(false),
            post,
            core: Sole::new(Core {
                source,
                table: Table::default(),
                nodes: Nodes::default(),
                timers: TimerQueue::new(run.first_timer()),
                limits: limits.clone(),
                fuel: limits.max_steps.min(limits.max_polls_per_instant),
                granted: limits.max_steps.min(limits.max_polls_per_instant),
                steps_before: 0,
                trace_hash: 0,
                next_id: 1,
                selects: 0,
                gave_way_last: (NO_SLOT, 0),
                ended: false,
                recorder: (detail != Detail::Lean).then(|| Box::new(Recorder::new(explain))),
                aside: None,
                first_panic: None,
                unobserved: None,
            }),
            #[cfg(feature = "net")]
            network: RefCell::new(None),
        }
    }

    /// Notes where tasks wait from this step on, and in the first few thousand, if it does at all.
    pub(crate) fn explain_from(&self, step: u64) {
        if let Some(recorder) = &mut self.core.borrow_mut().recorder {
            recorder.explain_from = step;
        }
    }

    /// Whether the places of the step under way are wanted.
    fn is_noting(&self) -> bool {
        self.core.borrow().recorder.as_ref().is_some_and(|recorder| recorder.is_noting())
    }

    pub(crate) fn run_id(&self) -> RunId {
        self.run
    }

    pub(crate) fn label(&self) -> Cow<'static, str> {
        match &self.label {
            Label::Fixed(text) => Cow::Borrowed(text),
            Label::Shared(text) => Cow::Owned(text.to_string()),
        }
    }

    /// Virtual time in nanoseconds since the run's start, as the clock of the current task's node shows it.
    #[inline]
    pub(crate) fn local_now_ns(&self) -> u64 {
        if self.has_nodes.get() { self.node_clock().local_ns(self.now_ns()) } else { self.now_ns() }
    }

    /// Virtual time in nanoseconds since the run's start.
    #[inline]
    pub(crate) fn now_ns(&self) -> u64 {
        self.now_ns.get()
    }

    // --- tasks ---

    /// Adds a task, which is ready at once, to the node of whoever spawns it.
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
        let core = &mut *core;
        let most = core.limits.max_tasks.min(waker::MAX_SLOTS - 1);
        if core.table.live() >= most {
            return Err(TooManyTasks(most));
        }
        // A task that is spawned outside of any, between two calls of `block_on`, is a child of the root.
        let current = self.current.get();
        let parent = core.table.at(if current == NO_SLOT { ROOT_SLOT } else { current });
        parent.children += 1;
        let (node, interrupts) = match on {
            None => (parent.node, parent.interrupts.inherited()),
            Some(node) => (node.number(), core.nodes.interrupts(node, self.wants_nodes)),
        };
        let (parent, parent_key, index) = (parent.id, parent.key, parent.children);
        let key = parent_key.child(index);
        let id = Id::from_number(core.next_id);
        core.next_id += 1;
        if let Some(recorder) = &mut core.recorder {
            let name = name.clone().unwrap_or_else(|| Cow::Borrowed(function_name(task.type_name())));
            let node = core.nodes.label(node);
            recorder.spawned(key, Some((parent, index)), name, Some(spawned), node, self.now_ns.get());
            recorder.ready(id, 0, None);
        }
        if let Some(name) = name {
            core.aside().names.insert(id, name);
        }
        let (slot, generation) = core.table.insert(key, id, Some(task), spawned, self.now_ns.get());
        if node != 0 {
            let place = core.table.at(slot);
            (place.node, place.interrupts) = (node, interrupts);
            core.nodes.spawned(node, interrupts);
        }
        if core.ended {
            // The run is being torn down: the task is dropped with the others and never polled.
            core.table.at(slot).interrupts.add(Interrupts::ABORTED);
        } else {
            core.source.spawned(parent_key, key);
            core.source.ready(Ready { slot, resume: 0, task: key, announced: None });
        }
        Ok((TaskRef::new(self.run, slot, generation), id))
    }

    /// Marks a task as ready, if it waits.
    #[inline]
    pub(crate) fn wake(&self, task: TaskRef) {
        if self.is_polled(task.number()) {
            self.step.woken.set(true);
        } else {
            self.core.borrow_mut().wake(task);
        }
    }

    /// Whether the task with this number is being polled.
    #[inline(always)]
    fn is_polled(&self, number: u64) -> bool {
        self.polled.get() == number
    }

    /// Whether any task is being polled.
    #[inline(always)]
    fn is_polling(&self) -> bool {
        self.polled.get() != 0
    }

    /// Keeps a waker: by the task that it stands for if it is one of the loop's own, else as a clone, which calls code
    /// that is not the loop's.
    #[inline]
    fn wakee(&self, waker: &Waker) -> Wakee {
        self.own(waker).unwrap_or_else(|| Wakee::Other(waker.clone()))
    }

    /// As `wakee`, for one of the loop's own wakers only.
    #[inline]
    fn own(&self, waker: &Waker) -> Option<Wakee> {
        TaskRef::of_waker(waker).filter(|task| task.run() == self.run).map(Wakee::Task)
    }

    /// Whether this is the task that is being polled.
    fn is_current(&self, task: TaskRef) -> bool {
        self.current.get() == task.slot()
    }

    /// The id of the task that is being polled; `None` outside of tasks and in the root.
    pub(crate) fn current_id(&self) -> Option<Id> {
        match self.current.get() {
            NO_SLOT | ROOT_SLOT => None,
            slot => Some(self.core.borrow_mut().table.at(slot).id),
        }
    }

    /// Cancels a task at its next resumption.
    pub(crate) fn abort(&self, task: TaskRef) {
        let mut core = self.core.borrow_mut();
        let Some(slot) = core.table.get(task.slot(), task.generation()) else { return };
        if slot.state == State::Ended {
            return;
        }
        slot.interrupts.add(Interrupts::ABORTED);
        drop(core);
        self.wake(task);
    }

    /// Whether the task has ended.
    pub(crate) fn is_finished(&self, task: TaskRef) -> bool {
        let mut core = self.core.borrow_mut();
        core.table.get(task.slot(), task.generation()).is_none_or(|slot| slot.state == State::Ended)
    }

    // --- decisions ---

    /// Decides which branch of a `select!` is polled first.
    fn choose_select(&self, branches: u32) -> u32 {
        let current = self.current.get();
        if current == NO_SLOT {
            return 0;
        }
        let mut core = self.core.borrow_mut();
        let core = &mut *core;
        let slot = core.table.at(current);
        if slot.state != State::Running {
            // Polled by a destructor of a task that does not run.
            return 0;
        }
        let key = DecisionKey::Select {
            task: slot.key,
            // The resumption under way: the count already includes it.
            resume: slot.resumes - 1,
            index: core.selects,
        };
        core.selects += 1;
        let value = core.source.choose(key, branches);
        assert!(value < branches, "a source decides within the arity");
        core.trace_hash = mix(core.trace_hash, u64::from(value) << 32 | u64::from(branches));
        if let Some(recorder) = &mut core.recorder {
            recorder.chosen(key, branches, value);
        }
        value
    }

    /// Draws from the current task's stream of random numbers.
    pub(crate) fn draw<R>(&self, draw: impl FnOnce(&mut Stream) -> R) -> R {
        let mut core = self.core.borrow_mut();
        let core = &mut *core;
        let current = match self.current.get() {
            NO_SLOT => ROOT_SLOT,
            slot => slot,
        };
        let slot = core.table.at(current);
        let (id, key) = (slot.id, slot.key);
        let source = &mut core.source;
        let streams = &mut core.aside.get_or_insert_default().streams;
        draw(streams.entry(id).or_insert_with(|| Box::new(source.user_stream(key.0))))
    }

    fn with_sites(&self, f: impl FnOnce(&mut Sites)) {
        let mut core = self.core.borrow_mut();
        if let Some(sites) = core.recorder.as_mut().and_then(|recorder| recorder.sites.as_mut()) {
            f(sites);
        }
    }
}

/// The slot of the root task.
const ROOT_SLOT: u32 = 0;

impl Core {
    /// Marks a task that is not being polled as ready, if it waits.
    #[inline]
    fn wake(&mut self, task: TaskRef) {
        let Some(place) = self.table.get(task.slot(), task.generation()) else { return };
        match place.state {
            State::Waiting => Self::show(place, task.slot(), &mut self.source, &mut self.recorder),
            State::Ready => self.source.woken(place.key),
            _ => {}
        }
    }

    /// The task waits no more.
    #[inline]
    fn make_ready(&mut self, slot: u32) {
        let (place, announced) = self.table.standing(slot);
        Self::show_with(place, slot, announced, &mut self.source, &mut self.recorder);
    }

    /// A task has become ready: it is shown to the source.
    #[inline(always)]
    fn show(place: &mut Slot, slot: u32, source: &mut AnySource, recorder: &mut Option<Box<Recorder>>) {
        Self::show_with(place, slot, None, source, recorder);
    }

    #[inline(always)]
    fn show_with(
        place: &mut Slot,
        slot: u32,
        announced: Option<Announced>,
        source: &mut AnySource,
        recorder: &mut Option<Box<Recorder>>,
    ) {
        place.state = State::Ready;
        // A task that has given way goes on with the resumption that it is in.
        let resume = if announced.is_some() { place.resumes - 1 } else { place.resumes };
        let ready = Ready { slot, resume, task: place.key, announced };
        if recorder.is_none() {
            source.ready(ready);
        } else {
            Self::show_recorded(place.id, ready, source, recorder);
        }
    }

    /// The same where the run is recorded. Apart, so that it costs the others nothing.
    #[cold]
    #[inline(never)]
    fn show_recorded(id: Id, ready: Ready, source: &mut AnySource, recorder: &mut Option<Box<Recorder>>) {
        if let Some(recorder) = recorder {
            recorder.ready(id, ready.resume, ready.announced.map(|announced| announced.index));
        }
        source.ready(ready);
    }

    /// What is kept beside the table, to add to it.
    #[cold]
    fn aside(&mut self) -> &mut Aside {
        self.aside.get_or_insert_default()
    }

    /// What is known of the panic of a task that has ended, if nobody has asked yet.
    #[cold]
    fn take_panic(&mut self, id: Id) -> Option<(TaskLabel, PanicNote)> {
        self.aside.as_mut()?.panics.remove(&id)
    }

    /// Makes the loop stop before its next step.
    fn look_at_once(&mut self) {
        self.steps_before = self.steps();
        (self.granted, self.fuel) = (0, 0);
    }

    /// Nobody can observe this panic any more: it ends the run.
    #[cold]
    fn unobserved(&mut self, label: TaskLabel, note: PanicNote) {
        self.unobserved.get_or_insert_with(|| Box::new((label, note)));
        self.look_at_once();
    }
}

/// One round of the rolling trace hash.
#[inline]
fn mix(hash: u64, value: u64) -> u64 {
    (hash.rotate_left(5) ^ value).wrapping_mul(0x517C_C1B7_2722_0A95)
}

/// As many tasks as are allowed are alive.
#[derive(Debug)]
pub(crate) struct TooManyTasks(u32);

impl TooManyTasks {
    /// Panics where the task was to be spawned.
    #[cold]
    #[track_caller]
    pub(crate) fn tell(&self) -> ! {
        panic!(
            "{} tasks are alive already, which is the most allowed; if the test needs more, raise `max_tasks` \
             (16,000,000 at most)",
            timeloop_sim::grouped(self.0.into()),
        )
    }
}

/// What one step adds to the rolling trace hash: who ran, for the how-many-th time, and when.
#[inline]
fn mix_step(hash: u64, task: TaskKey, resume: u32, now_ns: u64) -> u64 {
    mix(hash, task.0 ^ u64::from(resume).rotate_left(48) ^ now_ns.rotate_left(20))
}

/// The name of the function that a future runs, from the name of the future's type; empty where there is none to tell.
pub(crate) fn function_name(type_name: &'static str) -> &'static str {
    let Some(path) = type_name.strip_suffix("::{{closure}}") else { return "" };
    let name = path.rsplit("::").next().unwrap_or(path);
    // A block inside a closure or of a test has no name of its own.
    if name.starts_with('{') || name.contains(['<', '>', ' ']) { "" } else { name }
}

/// Decides which branch of a `select!` is polled first; 0 outside of a run.
#[inline]
pub(crate) fn select_start(branches: u32) -> u32 {
    if branches < 2 { 0 } else { context::driving(|engine| engine.choose_select(branches)).unwrap_or(0) }
}

/// For what makes sense in a run alone.
#[cold]
#[track_caller]
pub(crate) fn outside(what: &str) -> ! {
    panic!(
        "can't {what} outside of a run; do so inside `#[timeloop::test]`, `timeloop::run`, `timeloop::explore` \
         or `Runtime::block_on`"
    )
}
