//! The table of tasks.
//!
//! Always true: a task keeps its slot until its output has been taken or nobody can ask for it any more; a slot's
//! generation changes when it is freed, so that what refers to an earlier task finds nothing.

use std::cell::Cell;
use std::mem;
use std::panic::Location;

use timeloop_sim::{Announced, SpawnSite, TaskKey};

use super::Id;
use super::cell::TaskBox;
use super::preemption::GivenWay;
use super::waker::Wakee;

/// What a task is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// There is no task here.
    Vacant,
    /// It waits to be woken.
    Waiting,
    /// It has been woken and waits for its turn.
    Ready,
    /// It is being polled.
    Running,
    /// It has had its turn, and is ready again when its node, which is paused, goes on.
    Parked,
    /// It has ended; its output may still be taken.
    Ended,
}

/// What is to happen to a task at its next resumption, in place of a poll or before it: a set of the constants below. One
/// number, so that the loop looks at one for all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Interrupts(u8);

impl Interrupts {
    /// Nothing out of the ordinary.
    const NONE: Self = Self(0);
    /// It is cancelled.
    pub(super) const ABORTED: Self = Self(1);
    /// Its node has gone down: it is never polled again.
    pub(super) const STOPPED: Self = Self(2);
    /// It has gone down in a crash: what is left of the task does not get to talk to anyone.
    pub(super) const CRASHED: Self = Self(4);
    /// Its future has been dropped already.
    pub(super) const EMPTIED: Self = Self(8);
    /// Its node is paused.
    pub(super) const PAUSED: Self = Self(16);
    /// The source of decisions is told that the step is one of its node's.
    pub(super) const TOLD: Self = Self(32);

    /// Whether there are any.
    #[inline(always)]
    pub(super) fn any(self) -> bool {
        self.0 != 0
    }

    /// Whether all of `others` are among them.
    pub(super) fn has(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Adds `others`.
    pub(super) fn add(&mut self, others: Self) {
        self.0 |= others.0;
    }

    /// Takes `others` away.
    pub(super) fn remove(&mut self, others: Self) {
        self.0 &= !others.0;
    }

    /// These and `others`.
    pub(super) const fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Those that a task has in common with the one that spawns it.
    #[inline]
    pub(super) fn inherited(self) -> Self {
        const ALL: u8 =
            Interrupts::STOPPED.0 | Interrupts::CRASHED.0 | Interrupts::PAUSED.0 | Interrupts::TOLD.0;
        Self(self.0 & ALL)
    }
}

/// One task.
pub(super) struct Slot {
    pub(super) state: State,
    /// What is to happen at its next resumption, in place of a poll or before it.
    pub(super) interrupts: Interrupts,
    /// Whether nobody can ask for the output any more.
    pub(super) detached: bool,
    /// Whether it ended in a panic.
    pub(super) panicked: bool,
    /// Whether it has given way in the midst of a resumption.
    pub(super) gave_way: bool,
    pub(super) generation: u16,
    /// Which node it belongs to: that of the task that has spawned it, unless it was put elsewhere.
    pub(super) node: u16,
    /// How many times it has been polled.
    pub(super) resumes: u32,
    /// When it was polled last, or spawned: nanoseconds of virtual time.
    pub(super) polled_at_ns: u64,
    /// How many tasks it has spawned.
    pub(super) children: u32,
    /// How many shared things it has made.
    pub(super) resources: u32,
    pub(super) key: TaskKey,
    pub(super) id: Id,
    /// `None` for the root, whose future stands elsewhere. Not touched while the state is `Running`.
    pub(super) task: Option<TaskBox>,
    /// Who awaits the task's end.
    pub(super) joiner: Option<Wakee>,
    pub(super) spawned: &'static Location<'static>,
    /// The same place, for the watchdog.
    pub(super) spawn_site: SpawnSite,
    /// The next free slot, plus one.
    next_free: u32,
}

thread_local! {
    /// The room of this thread's last run, for the next one: a short run would spend much of its time on growing it.
    static SPARE: Cell<Option<Room>> = const { Cell::new(None) };
}

/// What has been allocated.
#[derive(Default)]
struct Room {
    slots: Box<[Slot]>,
    given_way: Vec<GivenWay>,
}

/// At least so many tasks have room.
const ROOM_MIN: usize = 8;

/// Room for more tasks than this is given back.
const SPARE_MAX: usize = 1_000;

/// All tasks of a run.
pub(super) struct Table {
    /// The slots of this run, and behind them vacant ones. Not a vector: in a debug build, to look up a place in one takes as
    /// long as all else that a step does to it.
    slots: Box<[Slot]>,
    /// Of each slot whose task has given way: where its resumption stands. Elsewhere it means nothing.
    pub(super) given_way: Vec<GivenWay>,
    /// How many slots this run has had in use.
    used: u32,
    /// The newest freed slot, plus one; 0 when there is none.
    first_free: u32,
    live: u32,
}

impl Default for Table {
    fn default() -> Self {
        // Where the thread is being torn down there is no room to take over.
        let Room { slots, given_way } = SPARE.try_with(Cell::take).ok().flatten().unwrap_or_default();
        Self { slots, given_way, used: 0, first_free: 0, live: 0 }
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        let mut slots = mem::take(&mut self.slots);
        let given_way = mem::take(&mut self.given_way);
        if slots.len() > SPARE_MAX || given_way.len() > SPARE_MAX {
            return;
        }
        for place in &mut slots[..self.used as usize] {
            place.state = State::Vacant;
            // Before the room is on offer: what is left here may drop code of the user's.
            if place.task.is_some() || place.joiner.is_some() {
                drop((place.task.take(), place.joiner.take()));
            }
        }
        let _ = SPARE.try_with(|spare| spare.set(Some(Room { slots, given_way })));
    }
}

impl Table {
    /// How many slots are taken.
    pub(super) fn live(&self) -> u32 {
        self.live
    }

    /// Takes a slot for a new task of the test's node, which is ready.
    #[inline]
    pub(super) fn insert(
        &mut self,
        key: TaskKey,
        id: Id,
        task: Option<TaskBox>,
        spawned: &'static Location<'static>,
        now_ns: u64,
    ) -> (u32, u16) {
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
        // Field by field: a freed slot holds neither a task nor a waker that would have to be dropped.
        debug_assert!(place.task.is_none() && place.joiner.is_none());
        place.state = State::Ready;
        place.interrupts = Interrupts::NONE;
        place.detached = false;
        place.panicked = false;
        place.gave_way = false;
        place.node = 0;
        place.resumes = 0;
        place.polled_at_ns = now_ns;
        place.children = 0;
        place.resources = 0;
        place.key = key;
        place.id = id;
        place.task = task;
        place.spawned = spawned;
        place.spawn_site = spawn_site;
        (slot, place.generation)
    }

    /// Makes room for more tasks: vacant slots, in which the key, the id and the place mean nothing.
    #[cold]
    #[inline(never)]
    fn grow(&mut self, id: Id, spawned: &'static Location<'static>) {
        let vacant = || Slot {
            state: State::Vacant,
            interrupts: Interrupts::NONE,
            detached: false,
            panicked: false,
            gave_way: false,
            generation: 0,
            node: 0,
            resumes: 0,
            polled_at_ns: 0,
            children: 0,
            resources: 0,
            key: TaskKey(0),
            id,
            task: None,
            joiner: None,
            spawned,
            spawn_site: SpawnSite::default(),
            next_free: 0,
        };
        let mut slots = mem::take(&mut self.slots).into_vec();
        let many = (2 * slots.len()).max(ROOM_MIN);
        slots.reserve_exact(many - slots.len());
        slots.resize_with(many, vacant);
        self.slots = slots.into_boxed_slice();
    }

    /// Frees the slot of a task that has ended and that nobody awaits any more.
    #[inline]
    pub(super) fn remove_ended(&mut self, slot: u32) -> Option<TaskBox> {
        debug_assert!(self.at(slot).state == State::Ended && self.at(slot).joiner.is_none());
        self.free(slot)
    }

    /// Frees a slot.
    #[inline]
    pub(super) fn remove(&mut self, slot: u32) -> (Option<TaskBox>, Option<Wakee>) {
        let joiner = self.at(slot).joiner.take();
        (self.free(slot), joiner)
    }

    #[inline]
    fn free(&mut self, slot: u32) -> Option<TaskBox> {
        let place = &mut self.slots[slot as usize];
        debug_assert!(place.state != State::Vacant);
        place.state = State::Vacant;
        place.generation = place.generation.wrapping_add(1);
        place.next_free = self.first_free;
        self.first_free = slot + 1;
        self.live -= 1;
        place.task.take()
    }

    /// The task with this slot and generation.
    #[inline]
    pub(super) fn get(&mut self, slot: u32, generation: u16) -> Option<&mut Slot> {
        if slot as usize >= self.slots.len() {
            return None;
        }
        let place = &mut self.slots[slot as usize];
        let is_it = place.generation == generation && !matches!(place.state, State::Vacant);
        if is_it { Some(place) } else { None }
    }

    /// The task in this slot, which is known to be taken.
    #[inline(always)]
    pub(super) fn at(&mut self, slot: u32) -> &mut Slot {
        &mut self.slots[slot as usize]
    }

    /// The task in this slot, and the operation that it has given way for.
    #[inline]
    pub(super) fn standing(&mut self, slot: u32) -> (&mut Slot, Option<Announced>) {
        let place = &mut self.slots[slot as usize];
        let announced = if place.gave_way { Some(self.given_way[slot as usize].announced()) } else { None };
        (place, announced)
    }

    /// The taken slots, in order of spawning.
    pub(super) fn in_order(&self) -> Vec<u32> {
        let taken = |&slot: &u32| self.slots[slot as usize].state != State::Vacant;
        let mut slots: Vec<u32> = (0..self.used).filter(taken).collect();
        slots.sort_by_key(|&slot| self.slots[slot as usize].id);
        slots
    }
}
