//! Wakers: the pointer of a waker packs the run, the task's slot and the slot's generation ([`TaskRef`]). [`ForeignWakes`]
//! is the mailbox for wakes from other threads.
//!
//! # Invariants
//! - The pointer is a number and is never dereferenced, so a waker may be kept, cloned, sent, called and leaked.
//! - A waker neither allocates nor counts references. An explained run counts the clones, for the report alone.
//! - A wake from another thread ends a live run as an escape, and so does a handle that another thread uses. Neither is lost.
//! - A wake for a run that is over does nothing.
#![expect(unsafe_code, reason = "wakers without allocation")]

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::num::NonZeroU64;
use std::ptr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{RawWaker, RawWakerVTable, Waker};
use std::thread::ThreadId;

use super::{Core, context, sites};

#[cfg(not(target_pointer_width = "64"))]
compile_error!("timeloop packs a task's identity into a 64-bit pointer; build it for a 64-bit target");

const SLOT_BITS: u32 = 24;
const GENERATION_BITS: u32 = 16;
const RUN_BITS: u32 = 24;

/// How many tasks can be alive at once, including the root.
pub(super) const MAX_SLOTS: u32 = 1 << SLOT_BITS;

/// Identifies a task of a run. Wakers and join handles carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TaskRef(NonZeroU64);

impl TaskRef {
    #[inline(always)]
    pub(super) fn new(run: RunId, slot: u32, generation: u16) -> Self {
        Self::from_bits(Self::number_of(run, slot, generation))
    }

    /// Returns the number of the task in this slot. It is not 0, because no run's number is.
    #[inline(always)]
    pub(super) fn number_of(run: RunId, slot: u32, generation: u16) -> u64 {
        debug_assert!(slot < MAX_SLOTS);
        slot as u64 | (generation as u64) << SLOT_BITS | (run.0 as u64) << (SLOT_BITS + GENERATION_BITS)
    }

    /// Returns the task with this number; `None` for 0.
    pub(super) fn of_number(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    /// Stands for a task of this run that does not exist.
    pub(crate) fn of_none(run: RunId) -> Self {
        Self::new(run, MAX_SLOTS - 1, u16::MAX)
    }

    /// Stands for a task that no loop has yet: its run is number 0, which no loop is.
    pub(crate) fn deferred(number: u64) -> Self {
        assert!(number < 1 << (SLOT_BITS + GENERATION_BITS), "too many tasks were spawned outside of a run");
        Self::from_bits(number)
    }

    /// Stands for no task: a real thread has used a handle of the run. No task reaches this generation of the last slot.
    fn handle_use(run: RunId) -> Self {
        Self::new(run, MAX_SLOTS - 1, u16::MAX)
    }

    /// Returns whether this stands for a use of a handle.
    pub(super) fn is_handle_use(self) -> bool {
        self == Self::handle_use(self.run())
    }

    /// Returns the packed number.
    #[inline(always)]
    pub(crate) fn number(self) -> u64 {
        self.0.get()
    }

    /// Whether it stands for a task that no loop had when it was spawned.
    pub(crate) fn is_deferred(self) -> bool {
        self.run().0 == 0
    }

    #[inline]
    pub(super) fn slot(self) -> u32 {
        self.0.get() as u32 & (MAX_SLOTS - 1)
    }

    #[inline]
    pub(super) fn generation(self) -> u16 {
        (self.0.get() >> SLOT_BITS) as u16
    }

    #[inline]
    pub(crate) fn run(self) -> RunId {
        RunId((self.0.get() >> (SLOT_BITS + GENERATION_BITS)) as u32)
    }

    #[inline]
    pub(super) fn of(data: *const ()) -> Self {
        Self::from_bits(data.addr() as u64)
    }

    #[inline(always)]
    fn from_bits(bits: u64) -> Self {
        Self(NonZeroU64::new(bits).expect("no run has the number 0"))
    }

    /// Returns the task of a waker with the [`PLAIN`] table.
    #[inline]
    pub(super) fn of_waker(waker: &Waker) -> Option<Self> {
        // Not `bool::then`: in a debug build that takes longer than all the rest.
        if ptr::eq(waker.vtable(), &PLAIN) { Some(Self::of(waker.data())) } else { None }
    }

    /// Returns the task of a waker that belongs to a loop.
    #[inline]
    pub(super) fn of_loop_waker(waker: &Waker) -> Option<Self> {
        if Self::is_of_loop(waker) { Some(Self::of(waker.data())) } else { None }
    }

    /// Returns whether a waker belongs to a loop.
    #[inline]
    pub(super) fn is_of_loop(waker: &Waker) -> bool {
        ptr::eq(waker.vtable(), &PLAIN) || Self::is_noting(waker)
    }

    #[cold]
    #[inline(never)]
    fn is_noting(waker: &Waker) -> bool {
        NOTING.iter().any(|noting| ptr::eq(waker.vtable(), noting))
    }
}

/// Returns a waker for the task with this number. It need not be dropped.
#[inline(always)]
pub(super) fn of_number(number: u64, table: &'static RawWakerVTable) -> ManuallyDrop<Waker> {
    // SAFETY: the functions of the tables below uphold the contract of `RawWakerVTable`: they treat the data
    // pointer as a number, own nothing, and may be called from any thread at any time.
    ManuallyDrop::new(unsafe { Waker::new(ptr::without_provenance(number as usize), table) })
}

/// What to wake: a task of the loop, or any other waker.
#[derive(Debug)]
pub(crate) enum WakeTarget {
    /// A task of the loop. Waking and dropping it call no waker.
    Task(TaskRef),
    /// A waker that is not the loop's own.
    Other(Waker),
}

/// Two targets are equal if waking them has the same effect.
impl PartialEq for WakeTarget {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Task(one), Self::Task(two)) => one == two,
            (Self::Other(one), Self::Other(two)) => one.will_wake(two),
            _ => false,
        }
    }
}

impl WakeTarget {
    /// Wakes the target.
    pub(super) fn wake(self) {
        match self {
            Self::Task(task) => wake(task),
            Self::Other(waker) => waker.wake(),
        }
    }

    /// Returns the task of the target, if the target belongs to a loop.
    pub(super) fn task(&self) -> Option<TaskRef> {
        match self {
            Self::Task(task) => Some(*task),
            Self::Other(waker) => TaskRef::is_of_loop(waker).then(|| TaskRef::of(waker.data())),
        }
    }

    /// Returns whether waking the target is the same as calling `waker`.
    #[inline]
    pub(super) fn is(&self, waker: &Waker) -> bool {
        match self {
            Self::Task(task) => TaskRef::of_waker(waker) == Some(*task),
            Self::Other(other) => other.will_wake(waker),
        }
    }
}

/// A run's number, unique within the process among the newest 16 million runs; never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RunId(u32);

impl RunId {
    /// Returns a number that no live run has.
    pub(crate) fn next() -> Self {
        // Each thread takes numbers in blocks, so that starting a run touches no shared cache line.
        const BLOCK: u32 = 1 << 10;
        static NEXT_BLOCK: AtomicU32 = AtomicU32::new(0);
        thread_local! {
            static NEXT: Cell<u32> = const { Cell::new(0) };
        }
        let mut next = NEXT.get();
        if next.is_multiple_of(BLOCK) {
            next = NEXT_BLOCK.fetch_add(1, Ordering::Relaxed).wrapping_mul(BLOCK);
        }
        NEXT.set(next.wrapping_add(1));
        let number = next & ((1 << RUN_BITS) - 1);
        if number == 0 { Self::next() } else { Self(number) }
    }

    /// Returns the number.
    pub(crate) fn number(self) -> u32 {
        self.0
    }

    /// Returns the first timer number of the run. The timer numbers of live runs differ.
    pub(super) fn first_timer(self) -> u64 {
        u64::from(self.0) << (64 - RUN_BITS)
    }

    /// Returns the run of the timer with this number.
    #[inline]
    pub(super) fn of_timer(number: NonZeroU64) -> Self {
        Self((number.get() >> (64 - RUN_BITS)) as u32)
    }
}

/// The waker table for exploring. Cloning is a copy.
pub(super) static PLAIN: RawWakerVTable =
    RawWakerVTable::new(|data| RawWaker::new(data, &PLAIN), wake_data, wake_data, |_| ());

/// The waker tables for explaining. A task that clones its waker or wakes itself is about to wait, so the place is noted. The
/// recorder counts the clones.
///
/// The two tables are used in turn. A future that compares the waker of its last poll with the new one (`will_wake`) finds a
/// difference and clones again.
pub(super) static NOTING: [RawWakerVTable; 2] = [
    RawWakerVTable::new(|data| clone_noting(data, 0), wake_clone, wake_noting_by_ref, drop_clone),
    RawWakerVTable::new(|data| clone_noting(data, 1), wake_clone, wake_noting_by_ref, drop_clone),
];

fn clone_noting(data: *const (), table: usize) -> RawWaker {
    let task = TaskRef::of(data);
    note(task);
    count(task, 1);
    RawWaker::new(data, &NOTING[table])
}

fn wake_noting_by_ref(data: *const ()) {
    note(TaskRef::of(data));
    wake(TaskRef::of(data));
}

/// Wakes the task, and drops the waker.
fn wake_clone(data: *const ()) {
    count(TaskRef::of(data), -1);
    wake(TaskRef::of(data));
}

fn drop_clone(data: *const ()) {
    count(TaskRef::of(data), -1);
}

/// Changes the number of a task's wakers, if its loop runs on this thread. A waker that is dropped on another thread, or with
/// what the loop itself drops, stays counted.
fn count(task: TaskRef, change: i32) {
    context::driving(|engine| {
        if engine.run_id() == task.run()
            && let Some(mut core) = engine.core.try_borrow_mut()
        {
            let Core { tasks, observer, .. } = &mut *core;
            if let Some(place) = tasks.get(task.slot(), task.generation()) {
                observer.record(|recorder| recorder.wakers_change(place.id, change));
            }
        }
    });
}

/// Notes that a task waits where its waker is registered, without a clone. Returns the task if the waker is one for explaining.
#[cold]
pub(super) fn note_wait(waker: &Waker) -> Option<TaskRef> {
    let task = TaskRef::of_loop_waker(waker)?;
    note(task);
    Some(task)
}

fn note(task: TaskRef) {
    // A clone by another task does not show where the owner waits.
    context::driving(|engine| {
        if engine.run_id() == task.run() && engine.is_current(task) {
            sites::note(engine);
        }
    });
}

fn wake_data(data: *const ()) {
    // The most common case: a task wakes itself.
    if !context::wakes_itself(data.addr() as u64) {
        wake_other(TaskRef::of(data));
    }
}

#[inline]
fn wake(task: TaskRef) {
    if !context::wakes_itself(task.number()) {
        wake_other(task);
    }
}

#[inline(never)]
fn wake_other(task: TaskRef) {
    let woken = context::driving(|engine| {
        let ours = engine.run_id() == task.run();
        if ours {
            // `wakes_itself` has excluded the task that is being polled.
            engine.core.borrow_mut().wake(task);
        }
        ours
    });
    if woken != Some(true) {
        wake_from_outside(task);
    }
}

#[cold]
fn wake_from_outside(task: TaskRef) {
    if context::wake_idle(task) {
        return;
    }
    deliver(task, |_| true);
}

/// Records that code which the run's loop does not run has used a handle of the run: of a task, a timer, a socket or a node.
/// On a real thread that is an escape.
#[cold]
pub(super) fn handle_used(run: RunId) {
    // Tasks that no loop has started yet have the number of a closed mailbox.
    if run.0 != 0 {
        deliver(TaskRef::handle_use(run), |mailbox| mailbox.thread != std::thread::current().id());
    }
}

/// Puts a wake into the mailbox of its run.
fn deliver(task: TaskRef, accepts: impl Fn(&Mailbox) -> bool) {
    let mailboxes = MAILBOXES.lock().unwrap_or_else(PoisonError::into_inner);
    for mailbox in mailboxes.iter().filter_map(Weak::upgrade) {
        if mailbox.run.load(Ordering::SeqCst) == task.run().0 && accepts(&mailbox) {
            mailbox.woken.store(task.0.get(), Ordering::SeqCst);
        }
    }
}

/// Holds wakes from other threads for a run.
#[derive(Debug)]
struct Mailbox {
    /// The thread of its runs.
    thread: ThreadId,
    /// The run's number, or 0.
    run: AtomicU32,
    /// The task that another thread has woken, or 0.
    woken: AtomicU64,
}

thread_local! {
    /// The mailbox of this thread's last run, for the next one.
    static SPARE: Cell<Option<Arc<Mailbox>>> = const { Cell::new(None) };
}

/// Every mailbox of the process.
static MAILBOXES: Mutex<Vec<Weak<Mailbox>>> = Mutex::new(Vec::new());

/// Returns whether this run is alive on any thread.
pub(crate) fn is_alive(run: RunId) -> bool {
    let mailboxes = MAILBOXES.lock().unwrap_or_else(PoisonError::into_inner);
    mailboxes.iter().filter_map(Weak::upgrade).any(|mailbox| mailbox.run.load(Ordering::SeqCst) == run.0)
}

/// The mailbox of a run for wakes from other threads. The thread's next run reuses it, because cloning an `Arc` would take as
/// long as a step.
#[derive(Debug)]
pub(super) struct ForeignWakes(ManuallyDrop<Arc<Mailbox>>);

impl ForeignWakes {
    /// Creates a mailbox for a run that outlives single calls.
    pub(super) fn new() -> Self {
        let mailbox = Arc::new(Mailbox {
            thread: std::thread::current().id(),
            run: AtomicU32::new(0),
            woken: AtomicU64::new(0),
        });
        let mut mailboxes = MAILBOXES.lock().unwrap_or_else(PoisonError::into_inner);
        mailboxes.retain(|other| other.strong_count() > 0);
        mailboxes.push(Arc::downgrade(&mailbox));
        Self(ManuallyDrop::new(mailbox))
    }

    /// Takes this thread's mailbox. Creates one if another run has it.
    pub(super) fn of_thread() -> Self {
        match SPARE.try_with(Cell::take) {
            Ok(Some(mailbox)) => Self(ManuallyDrop::new(mailbox)),
            _ => Self::new(),
        }
    }

    pub(super) fn open(&self, run: RunId) {
        self.0.woken.store(0, Ordering::Relaxed);
        self.0.run.store(run.0, Ordering::Release);
    }

    pub(super) fn close(&self) {
        self.0.run.store(0, Ordering::Release);
    }

    /// Returns the task that another thread has woken, if one has.
    #[inline]
    pub(super) fn woken(&self) -> Option<TaskRef> {
        TaskRef::of_number(self.0.woken.load(Ordering::Relaxed))
    }

    /// Returns whether another thread has woken a task.
    #[inline(always)]
    pub(super) fn has_woken(&self) -> bool {
        self.0.woken.load(Ordering::Relaxed) != 0
    }
}

impl Drop for ForeignWakes {
    fn drop(&mut self) {
        // SAFETY: taken once, by the destructor, and not used afterwards.
        let mailbox = unsafe { ManuallyDrop::take(&mut self.0) };
        // A thread that is being torn down has no next run.
        let _ = SPARE.try_with(|spare| spare.set(Some(mailbox)));
    }
}
