//! [`LocalSet`]: tasks that run only while the set is awaited.
//!
//! # Invariants
//! - The scheduler chooses a task of a set as it chooses any task of the loop.
//! - While the set is not awaited, its tasks do not run.
//! - Dropping the set drops its tasks' futures.

use std::any::{Any, type_name};
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::thread;

use pin_project_lite::pin_project;
use timeloop_sim::IntMap;

use super::deferred_spawn;
use super::spawn::spawn_named;
use super::{AbortHandle, JoinHandle};
use crate::engine::panics::{self, PanicNote};
use crate::engine::{self, RunId, TaskRef};
use crate::runtime::{self, Runtime};

/// Tasks that run while the set is awaited, as in
/// [`tokio::task::LocalSet`](https://docs.rs/tokio/1/tokio/task/struct.LocalSet.html).
///
/// In timeloop no task needs to be `Send`, so new code can use [`spawn`](super::spawn). This type is for code that
/// expects it. Its tasks start when the set is first awaited: by [`run_until`](Self::run_until), by
/// [`block_on`](Self::block_on) or as a future. They may be spawned before any loop runs, and are dropped with the set.
///
/// ```
/// use std::rc::Rc;
/// use timeloop::task::{self, LocalSet};
///
/// timeloop::run(0, || async {
///     let text = Rc::new("not `Send`");
///     let set = LocalSet::new();
///     let length = set
///         .run_until(async move { task::spawn_local(async move { text.len() }).await.unwrap() })
///         .await;
///     assert_eq!(length, 10);
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
///
/// Once the set was polled as a future and returned `Pending`, it counts as awaited until it is ready or dropped, even
/// if it is not polled again.
pub struct LocalSet {
    /// Distinguishes the set from all other sets and loops.
    id: RunId,
    shared: Rc<Shared>,
    /// `Some` while the set itself is awaited.
    awaited: Option<Awaited>,
}

/// The state that a set shares with its tasks.
#[derive(Default)]
pub(super) struct Shared {
    /// The number of futures that await the set.
    awaited: Cell<u32>,
    closed: Cell<bool>,
    pub(super) state: RefCell<State>,
}

#[derive(Default)]
pub(super) struct State {
    /// Keyed by number, which is the order of spawning.
    pub(super) tasks: IntMap<LocalTask>,
    next: u64,
    /// Wakers of the tasks that were resumed while the set was not awaited.
    parked: Vec<Waker>,
    /// The waker of the task that awaits the end of all tasks.
    waiter: Option<Waker>,
}

pub(super) struct LocalTask {
    future: Rc<dyn Cancel>,
    pub(super) stage: Stage,
}

/// The progress of a task.
pub(super) enum Stage {
    /// Spawned before there was a loop.
    Deferred { task: TaskRef, start: Box<dyn FnOnce() -> AbortHandle> },
    /// `None` while the loop is spawning it.
    Spawned(Option<AbortHandle>),
}

/// A future that the set can drop.
trait Cancel {
    /// Drops the future, now or at the end of its poll. A panic of its destructor is kept for the task's joiner.
    fn cancel(&self);

    /// Takes the panic of the future's destructor.
    fn take_panic(&self) -> Option<DestructorPanic>;
}

/// The payload and the description of a destructor's panic.
type DestructorPanic = (Box<dyn Any + Send>, PanicNote);

struct FutureSlot<F> {
    /// `None` while it is polled, and after it was dropped.
    future: RefCell<Option<Pin<Box<F>>>>,
    cancelled: Cell<bool>,
    panic: RefCell<Option<DestructorPanic>>,
}

impl<F> Cancel for FutureSlot<F> {
    fn cancel(&self) {
        self.cancelled.set(true);
        let future = self.future.borrow_mut().take();
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(future))) {
            let note = panics::take(&*payload);
            *self.panic.borrow_mut() = Some((payload, note));
        }
    }

    fn take_panic(&self) -> Option<DestructorPanic> {
        self.panic.borrow_mut().take()
    }
}

/// Continues a kept panic.
fn resume_panic((payload, note): DestructorPanic) -> ! {
    panics::note_again(note);
    resume_unwind(payload)
}

/// A current set, or none.
pub(super) type CurrentSet = Option<Rc<Shared>>;

thread_local! {
    /// The current set.
    static CURRENT: RefCell<CurrentSet> = const { RefCell::new(None) };
}

/// Sets the current set; returns what it was.
pub(super) fn replace_current(set: CurrentSet) -> CurrentSet {
    CURRENT.try_with(|current| current.replace(set)).ok().flatten()
}

impl LocalSet {
    /// Creates an empty set.
    #[must_use]
    pub fn new() -> Self {
        Self { id: RunId::next(), shared: Rc::default(), awaited: None }
    }

    /// Returns the id of the set, which differs from those of all other live sets and loops.
    #[must_use]
    pub fn id(&self) -> runtime::Id {
        runtime::Id::new(self.id)
    }

    /// Makes the set current: [`spawn_local`](super::spawn_local) spawns on it until the guard is dropped.
    ///
    /// ```
    /// use timeloop::task::{self, LocalSet};
    ///
    /// let set = LocalSet::new();
    /// let guard = set.enter();
    /// let task = task::spawn_local(async { 42 }); // there is no loop yet
    /// drop(guard);
    /// let runtime = timeloop::runtime::Runtime::new()?;
    /// assert_eq!(set.block_on(&runtime, task).unwrap(), 42);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn enter(&self) -> LocalEnterGuard {
        LocalEnterGuard { _entered: Entered::enter(&self.shared) }
    }

    /// Spawns a task on the set. It starts when the set is awaited, and need not be `Send`.
    ///
    /// Without a running loop, the handle has a placeholder [`Id`](super::Id) until the task starts.
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.shared.spawn(future, None, Location::caller())
    }

    pub(super) fn spawn_named<F>(
        &self,
        future: F,
        name: Option<Cow<'static, str>>,
        location: &'static Location<'static>,
    ) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.shared.spawn(future, name, location)
    }

    /// Runs `future` to completion on a runtime, together with the tasks of the set.
    ///
    /// # Panics
    /// As [`Runtime::block_on`].
    #[track_caller]
    pub fn block_on<F: Future>(&self, rt: &Runtime, future: F) -> F::Output {
        rt.block_on(self.run_until(future))
    }

    /// Awaits `future` while the tasks of the set run. Tasks that have not ended by then pause until the set is awaited
    /// again.
    pub async fn run_until<F: Future>(&self, future: F) -> F::Output {
        RunUntil { shared: &self.shared, awaited: None, future }.await
    }
}

impl Default for LocalSet {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for LocalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSet").finish_non_exhaustive()
    }
}

/// Completes when all tasks of the set have ended.
impl Future for LocalSet {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.awaited.is_none() {
            self.awaited = Some(Awaited::begin(&self.shared));
        }
        if self.shared.is_empty() {
            self.awaited = None;
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        let previous = self.shared.state.borrow_mut().waiter.replace(waker);
        drop(previous);
        Poll::Pending
    }
}

impl Drop for LocalSet {
    fn drop(&mut self) {
        self.shared.closed.set(true);
        let mut state = mem::take(&mut *self.shared.state.borrow_mut());
        let _entered = Entered::enter(&self.shared);
        let mut unobserved = None;
        while let Some((_, LocalTask { future, stage })) = state.tasks.pop_first() {
            future.cancel();
            match stage {
                Stage::Deferred { task, start } => {
                    // No loop will ever report the panic to the joiner.
                    let panic = future.take_panic();
                    unobserved = unobserved.or(panic);
                    drop(start);
                    deferred_spawn::forget(task);
                }
                Stage::Spawned(abort) => abort.iter().for_each(AbortHandle::abort),
            }
        }
        if let Some(panic) = unobserved
            && !thread::panicking()
        {
            resume_panic(panic);
        }
    }
}

/// Returns whether a set is current.
pub(super) fn is_current() -> bool {
    CURRENT.try_with(|current| current.borrow().is_some()).unwrap_or(false)
}

/// A future that found no current set, and the task's name.
type Rejected<F> = (F, Option<Cow<'static, str>>);

/// Spawns on the current set. Returns the future if there is none.
pub(super) fn spawn_on_current<F>(
    future: F,
    name: Option<Cow<'static, str>>,
    location: &'static Location<'static>,
) -> Result<JoinHandle<F::Output>, Rejected<F>>
where
    F: Future + 'static,
    F::Output: 'static,
{
    match CURRENT.try_with(|current| current.borrow().clone()).ok().flatten() {
        Some(shared) => Ok(shared.spawn(future, name, location)),
        None => Err((future, name)),
    }
}

impl Shared {
    fn is_empty(&self) -> bool {
        self.state.borrow().tasks.is_empty()
    }

    fn spawn<F>(
        self: &Rc<Self>,
        future: F,
        name: Option<Cow<'static, str>>,
        location: &'static Location<'static>,
    ) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        // The type of the wrapping future would hide the name of the task's function.
        let name = name.or_else(|| {
            Some(engine::function_name(type_name::<F>())).filter(|name| !name.is_empty()).map(Cow::Borrowed)
        });
        let slot = Rc::new(FutureSlot {
            future: RefCell::new(Some(Box::pin(future))),
            cancelled: Cell::new(false),
            panic: RefCell::new(None),
        });
        let number = {
            let mut state = self.state.borrow_mut();
            state.next += 1;
            state.next
        };
        let task = LocalFuture { slot: Rc::clone(&slot), shared: Rc::clone(self), number };
        let keep = |stage| {
            if !self.closed.get() {
                let future = Rc::clone(&slot) as Rc<dyn Cancel>;
                self.state.borrow_mut().tasks.insert(number, LocalTask { future, stage });
            }
        };
        if !deferred_spawn::is_needed() {
            let handle = spawn_named(task, name, location);
            keep(Stage::Spawned(Some(handle.abort_handle())));
            if self.closed.get() {
                slot.cancel();
                handle.abort();
            }
            handle
        } else {
            let deferred = deferred_spawn::add();
            let handle = JoinHandle::deferred(deferred);
            let start = Box::new(move || deferred_spawn::start(deferred, spawn_named(task, name, location)));
            if self.closed.get() {
                deferred_spawn::forget(deferred);
            }
            keep(Stage::Deferred { task: deferred, start });
            handle
        }
    }

    /// Removes a task that has ended or was cancelled.
    fn end(&self, number: u64) {
        let mut state = self.state.borrow_mut();
        let task = state.tasks.remove(number);
        let waiter = if state.tasks.is_empty() { state.waiter.take() } else { None };
        drop(state);
        drop(task);
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }
}

/// Counts the set as awaited until dropped.
struct Awaited {
    shared: Rc<Shared>,
}

impl Awaited {
    fn begin(shared: &Rc<Shared>) -> Self {
        shared.awaited.set(shared.awaited.get() + 1);
        let awaited = Self { shared: Rc::clone(shared) };
        deferred_spawn::start_all(shared);
        let parked = mem::take(&mut shared.state.borrow_mut().parked);
        parked.into_iter().for_each(Waker::wake);
        awaited
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.shared.awaited.set(self.shared.awaited.get() - 1);
    }
}

/// Makes a set current until dropped.
struct Entered {
    previous: Option<Rc<Shared>>,
    /// Thread-local state must be restored on the same thread.
    _not_send: PhantomData<*const ()>,
}

impl Entered {
    fn enter(shared: &Rc<Shared>) -> Self {
        Self { previous: replace_current(Some(Rc::clone(shared))), _not_send: PhantomData }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        drop(replace_current(self.previous.take()));
    }
}

/// Keeps a [`LocalSet`] current. See [`LocalSet::enter`].
#[must_use = "the set is current only while the guard lives"]
pub struct LocalEnterGuard {
    _entered: Entered,
}

impl fmt::Debug for LocalEnterGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalEnterGuard").finish_non_exhaustive()
    }
}

/// The future of a set's task that the loop polls.
struct LocalFuture<F> {
    slot: Rc<FutureSlot<F>>,
    shared: Rc<Shared>,
    number: u64,
}

impl<F: Future> Future for LocalFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if self.shared.awaited.get() == 0 && !self.shared.closed.get() {
            let waker = cx.waker().clone();
            self.shared.state.borrow_mut().parked.push(waker);
            return Poll::Pending;
        }
        // Declared in this order, so that the future is dropped while the set is current.
        let _entered = Entered::enter(&self.shared);
        let taken = self.slot.future.borrow_mut().take();
        // Without a future, the set was dropped, and the loop cancels the task at its next resumption.
        let Some(mut future) = taken else { return Poll::Pending };
        let polled = future.as_mut().poll(cx);
        if polled.is_pending() && !self.slot.cancelled.get() {
            *self.slot.future.borrow_mut() = Some(future);
        }
        polled
    }
}

impl<F> Drop for LocalFuture<F> {
    fn drop(&mut self) {
        let _entered = Entered::enter(&self.shared);
        self.slot.cancel();
        self.shared.end(self.number);
        // The panic reaches the loop, which drops the task and passes the panic to the task's joiner.
        if let Some(panic) = self.slot.take_panic()
            && !thread::panicking()
        {
            resume_panic(panic);
        }
    }
}

pin_project! {
    /// The future of `run_until`.
    struct RunUntil<'a, F> {
        shared: &'a Rc<Shared>,
        awaited: Option<Awaited>,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for RunUntil<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if this.awaited.is_none() {
            *this.awaited = Some(Awaited::begin(this.shared));
        }
        let _entered = Entered::enter(this.shared);
        let polled = this.future.poll(cx);
        if polled.is_ready() {
            *this.awaited = None;
        }
        polled
    }
}
