//! The table of tasks: [`Tasks`] has a [`Slot`] for each.
//!
//! # Invariants
//! - A task keeps its slot until its output has been taken or its join handle is gone.
//! - Freeing a slot changes its generation, so references to an earlier task find nothing.
//! - The output of a task is returned once. If no join handle can return it, a panic of the task ends the run.

use std::borrow::Cow;
use std::cell::Cell;
use std::mem;
use std::panic::Location;
use std::task::Waker;

use timeloop_sim::{Announced, IntMap, SpawnSite, Stream, TaskKey, TaskLabel};

#[cfg(feature = "net")]
use super::nodes::NodeId;
use super::panics::PanicNote;
use super::preemption::PreemptedPoll;
#[cfg(feature = "net")]
use super::scheduler::mix;
use super::task_cell::{TaskBox, TaskPlace};
use super::waker::{TaskRef, WakeTarget};
use super::{Engine, Id};

/// The slot of no task.
pub(super) const NO_SLOT: u32 = u32::MAX;

/// The slot of the root task.
pub(super) const ROOT_SLOT: u32 = 0;

/// What a task is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// There is no task here.
    Vacant,
    /// The task waits to be woken.
    Waiting,
    /// The task has been woken and waits for its turn.
    Ready,
    /// The task is being polled.
    Running,
    /// The task had its turn while its node was paused. It is ready again when the node resumes.
    Parked,
    /// The task has ended. Its output may still be taken.
    Ended,
}

/// What happens to a task at its next resumption, instead of a poll or before it: a set of the constants below. One number, so
/// that the loop has one check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Interrupts(u8);

impl Interrupts {
    /// A normal poll.
    const NONE: Self = Self(0);
    /// The task is cancelled.
    pub(super) const ABORTED: Self = Self(1);
    /// The node is down, so the task is never polled again.
    pub(super) const STOPPED: Self = Self(2);
    /// The node has crashed, so the destructors of the task can't send anything.
    pub(super) const CRASHED: Self = Self(4);
    /// The future has been dropped already.
    pub(super) const FUTURE_DROPPED: Self = Self(8);
    /// The node is paused.
    pub(super) const PAUSED: Self = Self(16);
    /// The step is reported to the source of decisions as an operation on the node.
    pub(super) const REPORTED: Self = Self(32);
    /// The task blocks in a nested wait: its poll is on the stack.
    pub(super) const BLOCKED: Self = Self(64);
    /// The task is a closure of `spawn_blocking` that has begun on a stack of its own, so it can't be aborted.
    pub(super) const BEGUN: Self = Self(128);

    /// Returns whether the set is not empty.
    #[inline(always)]
    pub(super) fn any(self) -> bool {
        self.0 != 0
    }

    /// Returns whether the set contains all of `others`.
    pub(super) fn has(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Adds `others`.
    pub(super) fn add(&mut self, others: Self) {
        self.0 |= others.0;
    }

    /// Removes `others`.
    pub(super) fn remove(&mut self, others: Self) {
        self.0 &= !others.0;
    }

    /// Returns the union with `others`.
    pub(super) const fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Returns the interrupts that a spawned task inherits.
    #[inline]
    pub(super) fn inherited(self) -> Self {
        const ALL: u8 =
            Interrupts::STOPPED.0 | Interrupts::CRASHED.0 | Interrupts::PAUSED.0 | Interrupts::REPORTED.0;
        Self(self.0 & ALL)
    }
}

/// One task.
pub(super) struct Slot {
    pub(super) state: State,
    /// What happens at the next resumption, instead of a poll or before it.
    pub(super) interrupts: Interrupts,
    /// Whether the join handle is gone.
    pub(super) detached: bool,
    /// Whether the task ended in a panic.
    pub(super) panicked: bool,
    /// Whether it was preempted and continues the same resumption.
    pub(super) preempted: bool,
    /// Whether it is a closure of `spawn_blocking`.
    pub(super) blocking: bool,
    pub(super) generation: u16,
    /// The node of the task: that of the task that spawned it, unless it was spawned on another.
    pub(super) node: u16,
    /// How many times the task has been polled.
    pub(super) resumes: u32,
    /// When the task was polled last, or spawned, in virtual time.
    pub(super) polled_at_ns: u64,
    /// How many tasks it has spawned.
    pub(super) children: u32,
    /// How many resources it has created.
    pub(super) resources: u32,
    pub(super) key: TaskKey,
    pub(super) id: Id,
    /// Empty for the root, whose future the caller of the loop owns, and while the task's future is dropped.
    pub(super) task: TaskPlace,
    /// The wake target that awaits the end of the task.
    pub(super) joiner: Option<WakeTarget>,
    pub(super) spawned: &'static Location<'static>,
    /// The same place for the watchdog.
    pub(super) spawn_site: SpawnSite,
    /// The next free slot, plus one.
    next_free: u32,
}

thread_local! {
    /// The allocations of this thread's last run, for the next one. A short run would spend much of its time on growing them.
    static SPARE: Cell<Option<Spare>> = const { Cell::new(None) };
}

/// The allocations of a run.
#[derive(Default)]
struct Spare {
    slots: Box<[Slot]>,
    preempted_polls: Vec<PreemptedPoll>,
}

/// The number of slots of the first allocation.
const SLOTS_MIN: usize = 8;

/// The length above which allocations are not kept for the next run.
const SPARE_MAX: usize = 1_000;

/// The panic of a task.
pub(super) type TaskPanic = (TaskLabel, PanicNote);

/// All tasks of a run.
pub(super) struct Tasks {
    /// The slots of this run, followed by vacant ones. Not a vector: in a debug build, indexing one takes as long as everything
    /// else that a step does with a slot.
    slots: Box<[Slot]>,
    /// The preempted poll of each slot. Meaningful only while the task of the slot is preempted.
    pub(super) preempted_polls: Vec<PreemptedPoll>,
    /// How many slots this run has used.
    used: u32,
    /// The newest freed slot, plus one; 0 when there is none.
    first_free: u32,
    live: u32,
    next_id: u64,
    /// `None` until it is needed, which most runs never do.
    extras: Option<Box<Extras>>,
    /// The first panic of a task. Later failures may follow from it.
    pub(super) first_panic: Option<Box<TaskPanic>>,
    /// A panic that no join handle can return any more. It ends the run.
    pub(super) unobserved: Option<Box<TaskPanic>>,
    /// Whether such panics are ignored.
    pub(super) ignores_unobserved: bool,
}

/// Data that few tasks have, kept beside the slots, by their ids.
#[derive(Default)]
struct Extras {
    names: IntMap<Cow<'static, str>>,
    streams: IntMap<Box<Stream>>,
    /// Whether there has been a stream.
    draws: bool,
    /// The panics of ended tasks whose output has not been taken.
    panics: IntMap<TaskPanic>,
}

impl Tasks {
    /// Creates a table without tasks; `ignores_unobserved` says that panics which no join handle can return are ignored.
    pub(super) fn new(ignores_unobserved: bool) -> Self {
        // A thread that is being torn down has nothing to take over.
        let Spare { slots, preempted_polls } = SPARE.try_with(Cell::take).ok().flatten().unwrap_or_default();
        Self {
            slots,
            preempted_polls,
            used: 0,
            first_free: 0,
            live: 0,
            next_id: 1,
            extras: None,
            first_panic: None,
            unobserved: None,
            ignores_unobserved,
        }
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        let mut slots = mem::take(&mut self.slots);
        let preempted_polls = mem::take(&mut self.preempted_polls);
        if slots.len() > SPARE_MAX || preempted_polls.len() > SPARE_MAX {
            return;
        }
        for place in &mut slots[..self.used as usize] {
            place.state = State::Vacant;
            // Before the slots are stored for the next run: dropping tasks may run user code.
            if place.task.is_some() || place.joiner.is_some() {
                drop((place.task.take(), place.joiner.take()));
            }
        }
        let _ = SPARE.try_with(|spare| spare.set(Some(Spare { slots, preempted_polls })));
    }
}

impl Tasks {
    /// Returns how many slots are taken.
    pub(super) fn live(&self) -> u32 {
        self.live
    }

    /// Returns the id of the next task.
    #[inline(always)]
    pub(super) fn take_id(&mut self) -> Id {
        let id = Id::from_number(self.next_id);
        self.next_id += 1;
        id
    }

    /// Takes a slot for a new task of the test's node, which is ready.
    #[inline]
    pub(super) fn insert(
        &mut self,
        key: TaskKey,
        task: Option<TaskBox>,
        spawned: &'static Location<'static>,
        now_ns: u64,
    ) -> (u32, &mut Slot) {
        let id = self.take_id();
        self.live += 1;
        let spawn_site = SpawnSite::of(spawned);
        let recycled = self.first_free > 0;
        let slot = if recycled { self.first_free - 1 } else { self.used };
        if slot as usize >= self.slots.len() {
            self.grow(id, spawned);
        }
        let place = &mut self.slots[slot as usize];
        if recycled {
            self.first_free = place.next_free;
        } else {
            self.used += 1;
        }
        // Field by field: a freed slot holds no task and no waker, so nothing has to be dropped.
        debug_assert!(!place.task.is_some() && place.joiner.is_none());
        place.state = State::Ready;
        place.interrupts = Interrupts::NONE;
        place.detached = false;
        place.panicked = false;
        place.preempted = false;
        place.blocking = false;
        place.node = 0;
        place.resumes = 0;
        place.polled_at_ns = now_ns;
        place.children = 0;
        place.resources = 0;
        place.key = key;
        place.id = id;
        place.task.put(task);
        place.spawned = spawned;
        place.spawn_site = spawn_site;
        (slot, place)
    }

    /// Allocates more slots. They are vacant, with placeholders for the key, the id and the place.
    #[cold]
    #[inline(never)]
    fn grow(&mut self, id: Id, spawned: &'static Location<'static>) {
        let vacant = || Slot {
            state: State::Vacant,
            interrupts: Interrupts::NONE,
            detached: false,
            panicked: false,
            preempted: false,
            blocking: false,
            generation: 0,
            node: 0,
            resumes: 0,
            polled_at_ns: 0,
            children: 0,
            resources: 0,
            key: TaskKey(0),
            id,
            task: TaskPlace::default(),
            joiner: None,
            spawned,
            spawn_site: SpawnSite::default(),
            next_free: 0,
        };
        let mut slots = mem::take(&mut self.slots).into_vec();
        let many = (2 * slots.len()).max(SLOTS_MIN);
        slots.reserve_exact(many - slots.len());
        slots.resize_with(many, vacant);
        self.slots = slots.into_boxed_slice();
    }

    /// Frees the slot of an ended task whose joiner has been taken.
    #[inline]
    pub(super) fn remove_ended(&mut self, slot: u32) -> Option<TaskBox> {
        debug_assert!(matches!(self.at(slot).state, State::Ended) && self.at(slot).joiner.is_none());
        self.free(slot)
    }

    /// Frees a slot. The caller drops its contents when nothing is borrowed.
    #[inline]
    pub(super) fn remove(&mut self, slot: u32) -> (Option<TaskBox>, Option<WakeTarget>) {
        let joiner = self.at(slot).joiner.take();
        (self.free(slot), joiner)
    }

    #[inline]
    fn free(&mut self, slot: u32) -> Option<TaskBox> {
        let place = &mut self.slots[slot as usize];
        debug_assert!(!matches!(place.state, State::Vacant));
        place.state = State::Vacant;
        place.generation = place.generation.wrapping_add(1);
        place.next_free = self.first_free;
        self.first_free = slot + 1;
        self.live -= 1;
        place.task.take()
    }

    /// Returns the task with this slot and generation, if it is there.
    #[inline]
    pub(super) fn get(&mut self, slot: u32, generation: u16) -> Option<&mut Slot> {
        if slot as usize >= self.slots.len() {
            return None;
        }
        let place = &mut self.slots[slot as usize];
        let is_it = place.generation == generation && !matches!(place.state, State::Vacant);
        if is_it { Some(place) } else { None }
    }

    /// Returns the task in this slot, which must be taken.
    #[inline(always)]
    pub(super) fn at(&mut self, slot: u32) -> &mut Slot {
        &mut self.slots[slot as usize]
    }

    /// Returns the task in this slot, and the preempted polls of all slots.
    #[inline(always)]
    pub(super) fn at_with_polls(&mut self, slot: u32) -> (&mut Slot, &[PreemptedPoll]) {
        (&mut self.slots[slot as usize], &self.preempted_polls)
    }

    /// Returns the task in this slot and the operation before which it was preempted.
    #[inline]
    pub(super) fn with_announced(&mut self, slot: u32) -> (&mut Slot, Option<Announced>) {
        let place = &mut self.slots[slot as usize];
        let announced =
            if place.preempted { Some(self.preempted_polls[slot as usize].announced()) } else { None };
        (place, announced)
    }

    /// Returns the taken slots, in order of spawning.
    pub(super) fn in_order(&self) -> Vec<u32> {
        let taken = |&slot: &u32| self.slots[slot as usize].state != State::Vacant;
        let mut slots: Vec<u32> = (0..self.used).filter(taken).collect();
        slots.sort_by_key(|&slot| self.slots[slot as usize].id);
        slots
    }

    /// Returns the first `most` of the taken slots for which `is_one` holds, in order of spawning. It takes linear time.
    pub(super) fn first_in_order(&self, most: usize, is_one: impl Fn(&Slot) -> bool) -> Vec<u32> {
        let id = |slot: u32| self.slots[slot as usize].id;
        let mut first = Vec::with_capacity(most + 1);
        for slot in 0..self.used {
            if !is_one(&self.slots[slot as usize]) {
                continue;
            }
            // Slots are used again, so their order is not that of spawning.
            let position = first.partition_point(|&other| id(other) < id(slot));
            if position < most {
                first.insert(position, slot);
                first.truncate(most);
            }
        }
        first
    }

    /// Returns the number of taken slots for which `is_one` holds.
    pub(super) fn count(&self, is_one: impl Fn(&Slot) -> bool) -> usize {
        self.slots[..self.used as usize].iter().filter(|place| is_one(place)).count()
    }

    /// Returns a number that changes when a task runs or ends, except for the task in this slot and those on these nodes.
    #[cfg(feature = "net")]
    pub(super) fn progress(&self, current: u32, except: &[NodeId]) -> u64 {
        let is_counted = |slot: &u32, place: &Slot| {
            place.state != State::Vacant
                && *slot != current
                && !except.iter().any(|node| node.number() == place.node)
        };
        let slots = (0..self.used).zip(&self.slots);
        let counted = slots.filter(|(slot, place)| is_counted(slot, place));
        counted.fold(0, |sum, (_, place)| sum.wrapping_add(mix(place.id.number(), place.resumes.into())))
    }

    /// Returns for each of these slots the task whose end its task awaits: the first one in order of spawning.
    pub(super) fn awaited_ends(&self, slots: &[u32]) -> Vec<Option<Id>> {
        let mut ends: Vec<Option<Id>> = vec![None; slots.len()];
        for place in &self.slots[..self.used as usize] {
            let joiner = place.joiner.as_ref().and_then(WakeTarget::task);
            let Some(position) =
                joiner.and_then(|joiner| slots.iter().position(|&slot| slot == joiner.slot()))
            else {
                continue;
            };
            let end = &mut ends[position];
            *end = Some(end.map_or(place.id, |known| known.min(place.id)));
        }
        ends
    }

    #[cold]
    fn extras(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

    /// Stores the name that a task was given.
    pub(super) fn set_name(&mut self, id: Id, name: Cow<'static, str>) {
        self.extras().names.insert(id.number(), name);
    }

    /// Returns the name that a task was given.
    pub(super) fn name(&self, id: Id) -> Option<&Cow<'static, str>> {
        self.extras.as_ref()?.names.get(id.number())
    }

    /// Returns the random stream of a task, which `make` creates on first use.
    pub(super) fn stream(&mut self, id: Id, make: impl FnOnce() -> Stream) -> &mut Stream {
        let extras = self.extras.get_or_insert_default();
        extras.draws = true;
        extras.streams.get_or_insert_with(id.number(), || Box::new(make()))
    }

    /// Returns whether a task has drawn random numbers.
    pub(super) fn draws(&self) -> bool {
        self.extras.as_ref().is_some_and(|extras| extras.draws)
    }

    /// Drops the name and the random stream of a task.
    #[inline]
    pub(super) fn forget(&mut self, id: Id) {
        if let Some(extras) = &mut self.extras {
            extras.names.remove(id.number());
            extras.streams.remove(id.number());
        }
    }

    /// Stores the panic of a task until the output of the task is taken.
    pub(super) fn keep_panic(&mut self, id: Id, panic: TaskPanic) {
        self.extras().panics.insert(id.number(), panic);
    }

    /// Takes the panic of an ended task, if its output has not been taken.
    #[cold]
    pub(super) fn take_panic(&mut self, id: Id) -> Option<TaskPanic> {
        self.extras.as_mut()?.panics.remove(id.number())
    }
}

/// The result of a poll for a task's output.
pub(crate) enum Joined {
    /// The task has ended. Holds its box.
    Ended(TaskBox),
    /// The task has not ended. The waker will be called when it does.
    Waiting,
    /// The output has been taken, or the run is over.
    Gone,
}

impl Engine {
    /// Polls for a task's output: returns the ended task, or stores `waker` to be called when it ends.
    pub(crate) fn join(&self, task: TaskRef, waker: &Waker) -> Joined {
        let mut guard = self.core.borrow_mut();
        let tasks = &mut guard.tasks;
        let Some(place) = tasks.get(task.slot(), task.generation()) else { return Joined::Gone };
        if matches!(place.state, State::Ended) {
            if place.panicked {
                let id = place.id;
                tasks.take_panic(id);
            }
            // The end of the task has taken the joiner.
            return tasks.remove_ended(task.slot()).map_or(Joined::Gone, Joined::Ended);
        }
        match &place.joiner {
            Some(joiner) if joiner.is(waker) => return Joined::Waiting,
            None | Some(WakeTarget::Task(_)) => {
                if let Some(own) = self.own(waker) {
                    place.joiner = Some(own);
                    return Joined::Waiting;
                }
            }
            Some(WakeTarget::Other(_)) => {}
        }
        drop(guard);
        self.join_foreign(task, waker)
    }

    /// Stores or replaces a waker that is not one of an unexplained run. Cloning and dropping it may run user code.
    #[cold]
    fn join_foreign(&self, task: TaskRef, waker: &Waker) -> Joined {
        let waker = self.wake_target(waker);
        let mut core = self.core.borrow_mut();
        let place = core.tasks.get(task.slot(), task.generation());
        let previous = place.and_then(|place| place.joiner.replace(waker));
        drop(core);
        drop(previous);
        Joined::Waiting
    }

    /// Records that the join handle of a task is gone.
    pub(crate) fn detach(&self, task: TaskRef) {
        let mut core = self.core.borrow_mut();
        let Some(place) = core.tasks.get(task.slot(), task.generation()) else { return };
        if place.state == State::Ended {
            let id = place.id;
            if place.panicked
                && let Some(panic) = core.tasks.take_panic(id)
            {
                core.unobserved(panic);
            }
            let remains = core.tasks.remove(task.slot());
            drop(core);
            self.drop_remains(id, remains);
        } else {
            place.detached = true;
            let joiner = place.joiner.take();
            drop(core);
            drop(joiner);
        }
    }

    /// Cancels a task at its next resumption.
    pub(crate) fn abort(&self, task: TaskRef) {
        let mut core = self.core.borrow_mut();
        let Some(place) = core.tasks.get(task.slot(), task.generation()) else { return };
        if place.state == State::Ended {
            return;
        }
        place.interrupts.add(Interrupts::ABORTED);
        drop(core);
        self.wake(task);
    }

    /// Returns whether the task has ended.
    pub(crate) fn is_finished(&self, task: TaskRef) -> bool {
        let mut core = self.core.borrow_mut();
        core.tasks.get(task.slot(), task.generation()).is_none_or(|place| place.state == State::Ended)
    }

    /// Returns whether the slot and the generation still belong to this task. Generations repeat after 65,536 tasks in one
    /// slot.
    pub(crate) fn is_task(&self, task: TaskRef, id: Id) -> bool {
        let mut core = self.core.borrow_mut();
        core.tasks.get(task.slot(), task.generation()).is_some_and(|place| place.id == id)
    }

    /// Returns the id of the current task. Returns `None` outside of tasks and in the root.
    pub(crate) fn current_id(&self) -> Option<Id> {
        if let Some(id) = self.dropping.get() {
            return (id != Id::ROOT).then_some(id);
        }
        match self.current.get() {
            NO_SLOT | ROOT_SLOT => None,
            slot => Some(self.core.borrow_mut().tasks.at(slot).id),
        }
    }

    /// Counts the spawned tasks that have not ended.
    pub(crate) fn unfinished_tasks(&self) -> usize {
        self.count_tasks(|state| state != State::Ended)
    }

    /// Counts the spawned tasks that are ready and have not been resumed.
    pub(crate) fn ready_tasks(&self) -> usize {
        self.count_tasks(|state| state == State::Ready)
    }

    fn count_tasks(&self, counts: impl Fn(State) -> bool) -> usize {
        let mut core = self.core.borrow_mut();
        let slots = core.tasks.in_order();
        slots.into_iter().filter(|&slot| slot != ROOT_SLOT && counts(core.tasks.at(slot).state)).count()
    }
}
