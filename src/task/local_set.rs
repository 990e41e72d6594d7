//! A set of tasks that run only while the set itself is awaited.
//!
//! Always true: each task of a set is a task of the loop like any other, chosen by the scheduler; while nobody awaits
//! the set they stand still; and the set drops their futures when it is dropped itself.

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

use super::late;
use super::spawn::spawn_named;
use super::{AbortHandle, JoinHandle};
use crate::engine::panics::{self, PanicNote};
use crate::engine::{self, TaskRef, context};
use crate::runtime::Runtime;

/// Tasks that run while the set is awaited, as
/// [`tokio::task::LocalSet`](https://docs.rs/tokio/1/tokio/task/struct.LocalSet.html).
///
/// In timeloop no task needs to be `Send`, so [`spawn`](super::spawn) does for new code. The set is here for code that
/// expects it: its tasks start when the set is first awaited (by [`run_until`](Self::run_until),
/// [`block_on`](Self::block_on) or as a future), may be spawned before any loop runs, and are dropped with it.
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
/// Once it has been polled as a future and is not ready, the set counts as awaited until it is, even where the caller
/// does not poll it again.
pub struct LocalSet {
    shared: Rc<Shared>,
    /// While the set itself is awaited.
    awaited: Option<Awaited>,
}

/// What a set shares with its tasks.
#[derive(Default)]
struct Shared {
    /// How many futures await the set.
    awaited: Cell<u32>,
    closed: Cell<bool>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    /// By number, which is the order of spawning.
    tasks: IntMap<LocalTask>,
    next: u64,
    /// The tasks that were resumed while nobody awaited the set.
    parked: Vec<Waker>,
    /// Who awaits the end of all tasks.
    waiter: Option<Waker>,
}

struct LocalTask {
    future: Rc<dyn Cancel>,
    stage: Stage,
}

/// How far a task has come.
enum Stage {
    /// There was no loop yet.
    Late { task: TaskRef, start: Box<dyn FnOnce() -> AbortHandle> },
    /// `None` while the loop is being asked.
    Spawned(Option<AbortHandle>),
}

/// A future of which the set can let go.
trait Cancel {
    /// Drops the future, now or at the end of its poll. What its destructors throw is kept for who joins the task.
    fn cancel(&self);

    /// Takes what the future's destructors threw.
    fn thrown(&self) -> Option<Thrown>;
}

/// A panic of a destructor, and what is known of it.
type Thrown = (Box<dyn Any + Send>, PanicNote);

struct Place<F> {
    /// `None` while it is polled, and once it has been dropped.
    future: RefCell<Option<Pin<Box<F>>>>,
    cancelled: Cell<bool>,
    thrown: RefCell<Option<Thrown>>,
}

impl<F> Cancel for Place<F> {
    fn cancel(&self) {
        self.cancelled.set(true);
        let future = self.future.borrow_mut().take();
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(future))) {
            let note = panics::take(&*payload);
            *self.thrown.borrow_mut() = Some((payload, note));
        }
    }

    fn thrown(&self) -> Option<Thrown> {
        self.thrown.borrow_mut().take()
    }
}

/// Lets a panic that was kept go on.
fn throw((payload, note): Thrown) -> ! {
    panics::note_again(note);
    resume_unwind(payload)
}

thread_local! {
    /// The set whose context this is.
    static CURRENT: RefCell<Option<Rc<Shared>>> = const { RefCell::new(None) };
}

impl LocalSet {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self { shared: Rc::default(), awaited: None }
    }

    /// Makes [`spawn_local`](super::spawn_local) spawn on this set until the guard is dropped.
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
    /// Where no loop runs, the handle has a stand-in for an [`Id`](super::Id) until the task starts.
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

    /// Runs `future` on a runtime until it has ended, and the tasks of the set meanwhile.
    ///
    /// # Panics
    /// As [`Runtime::block_on`].
    #[track_caller]
    pub fn block_on<F: Future>(&self, rt: &Runtime, future: F) -> F::Output {
        rt.block_on(self.run_until(future))
    }

    /// Awaits `future`, while the tasks of the set run. Those that have not ended by then stand still until the set is
    /// awaited again.
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

/// Ends when all tasks of the set have ended.
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
        let mut unheard = None;
        while let Some((_, LocalTask { future, stage })) = state.tasks.pop_first() {
            future.cancel();
            match stage {
                Stage::Late { task, start } => {
                    // The loop that would tell who joins it will never be.
                    let thrown = future.thrown();
                    unheard = unheard.or(thrown);
                    drop(start);
                    late::forget(task);
                }
                Stage::Spawned(abort) => abort.iter().for_each(AbortHandle::abort),
            }
        }
        if let Some(thrown) = unheard
            && !thread::panicking()
        {
            throw(thrown);
        }
    }
}

/// A future that has found no set to run on, and the task's name.
type Unplaced<F> = (F, Option<Cow<'static, str>>);

/// Spawns on the set whose context this is; gives the future back where there is none.
pub(super) fn spawn_on_current<F>(
    future: F,
    name: Option<Cow<'static, str>>,
    location: &'static Location<'static>,
) -> Result<JoinHandle<F::Output>, Unplaced<F>>
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
        // The task's own future hides the name of the function that it runs.
        let name = name.or_else(|| {
            Some(engine::function_name(type_name::<F>())).filter(|name| !name.is_empty()).map(Cow::Borrowed)
        });
        let place = Rc::new(Place {
            future: RefCell::new(Some(Box::pin(future))),
            cancelled: Cell::new(false),
            thrown: RefCell::new(None),
        });
        let number = {
            let mut state = self.state.borrow_mut();
            state.next += 1;
            state.next
        };
        let task = Local { place: Rc::clone(&place), shared: Rc::clone(self), number };
        let keep = |stage| {
            if !self.closed.get() {
                let future = Rc::clone(&place) as Rc<dyn Cancel>;
                self.state.borrow_mut().tasks.insert(number, LocalTask { future, stage });
            }
        };
        if context::with(|_| ()).is_some() {
            let handle = spawn_named(task, name, location);
            keep(Stage::Spawned(Some(handle.abort_handle())));
            if self.closed.get() {
                place.cancel();
                handle.abort();
            }
            handle
        } else {
            let late = late::add();
            let handle = JoinHandle::late(late);
            let start = Box::new(move || late::start(late, spawn_named(task, name, location)));
            if self.closed.get() {
                late::forget(late);
            }
            keep(Stage::Late { task: late, start });
            handle
        }
    }

    /// Starts the tasks that were spawned before there was a loop, in order.
    fn start_late(&self) {
        let numbers: Vec<u128> = self.state.borrow().tasks.keys().collect();
        for number in numbers {
            let start = match self.state.borrow_mut().tasks.get_mut(number) {
                Some(LocalTask { stage, .. }) if matches!(stage, Stage::Late { .. }) => {
                    mem::replace(stage, Stage::Spawned(None))
                }
                _ => continue,
            };
            let Stage::Late { start, .. } = start else { continue };
            let abort = start();
            if let Some(task) = self.state.borrow_mut().tasks.get_mut(number) {
                task.stage = Stage::Spawned(Some(abort));
            }
        }
    }

    /// A task has ended or was cancelled.
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

/// Somebody awaits the set.
struct Awaited {
    shared: Rc<Shared>,
}

impl Awaited {
    fn begin(shared: &Rc<Shared>) -> Self {
        shared.awaited.set(shared.awaited.get() + 1);
        let awaited = Self { shared: Rc::clone(shared) };
        shared.start_late();
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

/// The context of a set, until dropped.
struct Entered {
    previous: Option<Rc<Shared>>,
    /// Thread-local state must be undone on the thread that did it.
    _not_send: PhantomData<*const ()>,
}

impl Entered {
    fn enter(shared: &Rc<Shared>) -> Self {
        let previous = CURRENT.try_with(|current| current.replace(Some(Rc::clone(shared)))).ok().flatten();
        Self { previous, _not_send: PhantomData }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let previous = self.previous.take();
        let left = CURRENT.try_with(|current| current.replace(previous));
        drop(left);
    }
}

/// Keeps the context of a [`LocalSet`]; see [`LocalSet::enter`].
#[must_use = "the set is current only while the guard lives"]
pub struct LocalEnterGuard {
    _entered: Entered,
}

impl fmt::Debug for LocalEnterGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalEnterGuard").finish_non_exhaustive()
    }
}

/// A task of a set, as the loop sees it.
struct Local<F> {
    place: Rc<Place<F>>,
    shared: Rc<Shared>,
    number: u64,
}

impl<F: Future> Future for Local<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if self.shared.awaited.get() == 0 && !self.shared.closed.get() {
            let waker = cx.waker().clone();
            self.shared.state.borrow_mut().parked.push(waker);
            return Poll::Pending;
        }
        // Declared in this order so that the future is dropped inside of the context.
        let _entered = Entered::enter(&self.shared);
        let taken = self.place.future.borrow_mut().take();
        // Without a future: the set is gone, and the loop cancels the task at its next resumption.
        let Some(mut future) = taken else { return Poll::Pending };
        let polled = future.as_mut().poll(cx);
        if polled.is_pending() && !self.place.cancelled.get() {
            *self.place.future.borrow_mut() = Some(future);
        }
        polled
    }
}

impl<F> Drop for Local<F> {
    fn drop(&mut self) {
        let _entered = Entered::enter(&self.shared);
        self.place.cancel();
        self.shared.end(self.number);
        // This goes to whoever drops the task, and that is the loop, which has it told to who joins the task.
        if let Some(thrown) = self.place.thrown()
            && !thread::panicking()
        {
            throw(thrown);
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
