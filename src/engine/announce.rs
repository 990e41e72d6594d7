//! Announces operations: before a task acts on a resource that it shares with other tasks, it describes the [`Action`].
//!
//! Locks, channels, sockets and [`Resource`](crate::Resource) all use an [`Attempt`]. It announces the action, may be
//! preempted once, and then tries the action; a try that has to wait is repeated. A source of decisions that wants
//! operations may preempt the task at the announcement: the future returns `Pending` once, and the task is ready again at
//! once, with its next operation known. In all other runs an announcement costs the check of a flag.
//!
//! # Invariants
//! - An operation is announced right before its first try, in the same poll.
//! - A task is preempted at most once for an operation, and only while it is being polled.
//! - The number of an operation (the n-th of its task's resumption) depends neither on observers nor on preemptions.
//! - A future that is dropped after it was preempted leaves nothing behind.
#![cfg_attr(not(feature = "sync"), expect(dead_code, reason = "part of it serves locks and channels alone"))]

use std::borrow::Cow;
use std::future::poll_fn;
use std::marker::PhantomPinned;
use std::panic::Location;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker, ready};

use futures_util::FutureExt as _;
use pin_project_lite::pin_project;
use timeloop_sim::{Access, Operation, ResourceKey, ResourceKind, SeedVersion, TaskKey};
#[cfg(feature = "sync")]
use timeloop_sim::{BlockedCall, Cause};

use super::nodes::NodeId;
use super::observer::{self, CameOut};
use super::tasks::NO_SLOT;
use super::watched::Fact;
use super::{Core, Engine, TaskRef, context, mix};

/// Identifies a resource by the task that created it and by a count, so that every run gives it the same number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResourceId {
    /// 0 for a resource that was created outside of a run, which its place identifies.
    number: u64,
    made: &'static Location<'static>,
}

impl ResourceId {
    /// Numbers a resource that the calling code creates.
    #[inline]
    #[track_caller]
    pub(crate) fn new() -> Self {
        Self::made_at(Location::caller())
    }

    /// Numbers a resource of this kind that the calling code creates.
    #[cfg(feature = "sync")]
    #[inline]
    #[track_caller]
    pub(crate) fn new_of(kind: ResourceKind) -> Self {
        Self::made_of(kind, Location::caller())
    }

    /// Numbers a resource that is created for the code at `made`.
    #[inline]
    pub(crate) fn made_at(made: &'static Location<'static>) -> Self {
        Self::made_of(ResourceKind::Shared, made)
    }

    #[inline]
    fn made_of(kind: ResourceKind, made: &'static Location<'static>) -> Self {
        let number = context::driving(|engine| {
            let number = engine.core.borrow_mut().number_resource(engine.current.get());
            if engine.is_recorded() {
                engine.created(&Self { number, made }, kind);
            }
            number
        });
        Self { number: number.unwrap_or(0), made }
    }

    /// Identifies a resource that is created at compile time, by its place alone.
    #[track_caller]
    pub(crate) const fn const_new() -> Self {
        Self { number: 0, made: Location::caller() }
    }

    /// Identifies the end of a task, which other tasks may await.
    pub(super) fn of_task(task: TaskKey, spawned: &'static Location<'static>) -> Self {
        Self { number: mix(task.0, u64::MAX), made: spawned }
    }

    /// Identifies something by its own content, such as the name of a host. `made` is where it is used.
    #[cfg(feature = "net")]
    pub(crate) fn of_content(
        content: impl IntoIterator<Item = u64>,
        made: &'static Location<'static>,
    ) -> Self {
        Self { number: content.into_iter().fold(u64::MAX / 3, mix) | 1, made }
    }

    /// Identifies a node. `made` is where it is used.
    pub(crate) fn of_node(node: NodeId, made: &'static Location<'static>) -> Self {
        Self { number: node.resource().0, made }
    }

    /// Records what kind of resource this is.
    #[cfg(feature = "net")]
    pub(crate) fn of_kind(self, kind: ResourceKind) -> Self {
        observer::recording(move |recorder| recorder.set_kind(self.key(), kind));
        self
    }

    /// Records that this is a socket.
    #[cfg(feature = "net")]
    pub(crate) fn socket(self) -> Self {
        self.of_kind(ResourceKind::Socket)
    }

    /// Identifies a part of this resource. Operations on the part and on the whole do not conflict.
    ///
    /// Not free: call it only in runs that are observed.
    pub(crate) fn part(&self, part: u64) -> Self {
        Self { number: mix(self.key().0, part) | 1, made: self.made }
    }

    /// Returns the place where the resource was created.
    #[cfg(feature = "net")]
    pub(crate) fn made(&self) -> &'static Location<'static> {
        self.made
    }

    #[inline]
    pub(super) fn key(&self) -> ResourceKey {
        if self.number != 0 { ResourceKey(self.number) } else { self.key_of_place() }
    }

    #[cold]
    #[inline(never)]
    fn key_of_place(&self) -> ResourceKey {
        let place = [self.made.line(), self.made.column()].map(u64::from);
        // Without the path, which differs between machines.
        let file = self.made.file().rsplit(['/', '\\']).next().unwrap_or_default();
        let file = file.bytes().map(u64::from);
        ResourceKey(place.into_iter().chain(file).fold(1, mix))
    }

    /// Describes an operation that the calling code does on the resource.
    #[inline]
    #[track_caller]
    pub(crate) fn action(&self, name: &'static str, access: Access) -> Action<'_> {
        Action { id: self, name, access, at: Location::caller() }
    }

    /// Records an operation of the running task that is not a preemption point, such as the release of a lock.
    #[inline]
    pub(crate) fn touch(&self, name: &'static str, access: Access, at: Option<&'static Location<'static>>) {
        if is_observed() {
            self.touch_observed(name, access, at);
        }
    }

    #[inline(never)]
    fn touch_observed(&self, name: &'static str, access: Access, at: Option<&'static Location<'static>>) {
        observing(|engine| engine.performed(self, &Cow::Borrowed(name), access, None, at));
    }

    /// Records that the running task holds this number of parts of the resource from now on.
    #[inline]
    pub(crate) fn acquired(&self, name: &'static str, parts: usize, at: Option<&'static Location<'static>>) {
        observer::recording(move |recorder| recorder.acquired(self.key(), name, self.made, parts, at));
    }

    /// Records that the running task holds a [part](Self::part) of the resource, which has this name. Returns false outside of a
    /// run.
    #[cfg(feature = "sync")]
    #[inline]
    pub(crate) fn acquired_part(
        &self,
        part: u64,
        name: &'static str,
        at: &'static Location<'static>,
    ) -> bool {
        let record = move |recorder: &mut observer::Recorder| {
            recorder.acquired(self.part(part).key(), name, self.made, 1, Some(at));
        };
        observer::recording(record).is_some()
    }

    /// Records that a task no longer holds a part of the resource, without an operation.
    #[cfg(feature = "sync")]
    #[inline]
    pub(crate) fn forgotten_part(&self, part: u64) {
        observer::recording(move |recorder| recorder.released(self.part(part).key(), 1));
    }

    /// Records that the running task releases parts of the resource, which is an operation.
    #[inline]
    pub(crate) fn released(&self, name: &'static str, parts: usize) {
        observing(|engine| engine.released(self, name, parts));
    }

    /// Records that a task no longer holds parts of the resource, without an operation.
    #[inline]
    pub(crate) fn forgotten(&self, parts: usize) {
        observer::recording(move |recorder| recorder.released(self.key(), parts));
    }

    /// Records a fact about the resource.
    #[inline]
    pub(crate) fn learn(&self, fact: impl FnOnce() -> Fact) {
        observer::recording(move |recorder| recorder.learn(self.key(), fact()));
    }

    /// Records how the last operation of the running task on the resource came out.
    #[cold]
    pub(crate) fn came_out(&self, how: CameOut) {
        observer::recording(move |recorder| recorder.came_out(self.key(), how));
    }

    /// Records that a request of the running task for parts of the resource waits in a queue. `future` is the address of the
    /// request, which does not move while it waits.
    pub(crate) fn requested(&self, future: *const (), parts: usize, at: &'static Location<'static>) {
        observer::recording(move |recorder| recorder.requested(self.key(), future, parts, at));
    }

    /// Records that a request was served or given up.
    pub(crate) fn served(&self, future: *const ()) {
        observer::recording(move |recorder| recorder.served(self.key(), future));
    }
}

/// An operation that a task is about to do on a resource. It is built anew for each poll, so that futures store only the
/// place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Action<'a> {
    pub(crate) id: &'a ResourceId,
    /// The name of the resource in reports.
    pub(crate) name: &'static str,
    pub(crate) access: Access,
    /// The line of the user's code that does it.
    pub(crate) at: &'static Location<'static>,
}

impl<'a> Action<'a> {
    /// Records the operation as done now, without a preemption point.
    #[inline]
    pub(crate) fn touch(self) {
        self.id.touch(self.name, self.access, Some(self.at));
    }

    /// Records an operation as done now that version 1 of the stored formats did not know.
    #[cfg(feature = "net")]
    pub(crate) fn touch_apart(self) {
        let Self { id, name, access, at } = self;
        observing(|engine| {
            let mut core = engine.core.borrow_mut();
            if core.scheduler.version >= SeedVersion::V2 {
                engine.performed_in(&mut core, id, &Cow::Borrowed(name), access, None, Some(at));
            }
        });
    }

    /// Announces the operation as one that is counted apart, and waits until the task may do it.
    pub(crate) async fn announced_apart(self) {
        let mut attempt = Attempt::default();
        poll_fn(|cx| attempt.announce_apart(cx, self)).await;
    }

    /// Announces the operation, then awaits `inner`, which does it. Each later poll of `inner` is a separate try.
    #[inline]
    pub(crate) fn before<F: Future>(self, inner: F) -> Announcing<'a, F, impl Fn(&Poll<F::Output>)> {
        self.before_noting(inner, |_| ())
    }

    /// Does the same as [`before`](Self::before), and calls `note` with the result of each try in a run that has an observer.
    #[inline]
    pub(crate) fn before_noting<F: Future, N: Fn(&Poll<F::Output>)>(
        self,
        inner: F,
        note: N,
    ) -> Announcing<'a, F, N> {
        Announcing { inner, note, action: self, attempt: Attempt::default(), in_queue: false }
    }

    /// Records a try that follows a wait. A failed try counts as a read: it has looked at the resource.
    #[inline]
    fn touch_retried(self, succeeded: bool) {
        if is_observed() {
            let access = if succeeded { self.access } else { Access::Read };
            Action { access, ..self }.touch();
        }
    }
}

/// The state of one operation from its announcement to its end. The future that does the operation keeps it between polls.
///
/// The first try announces the operation, and the task may be preempted then. Each wait is followed by another try, which
/// is recorded with its result and is not a preemption point.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Attempt {
    /// [`FRESH`], [`UNRECORDED`], [`OUTSIDE`], [`ANNOUNCED`], or the number of the step in which the task was preempted.
    state: u64,
    /// The number of the operation, which the preempted task needs to continue.
    index: u32,
    mode: Mode,
}

/// How an operation is announced and recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Usual,
    /// The operation is a preemption point also for sources that do not want operations.
    Always,
    /// Only the first try is recorded.
    Once,
    /// The operation is counted apart: see [`apart`](super::apart).
    Apart,
}

const FRESH: u64 = 0;
/// Tried in a run without an observer.
const UNRECORDED: u64 = u64::MAX - 2;
/// Tried outside of a run.
const OUTSIDE: u64 = u64::MAX - 1;
const ANNOUNCED: u64 = u64::MAX;

// `inline(always)` also inlines in debug builds.
impl Attempt {
    /// Announces the operation, unless it has been announced. When this returns `Ready`, the caller must try the operation
    /// in the same poll.
    #[inline]
    pub(crate) fn announce(&mut self, cx: &mut Context<'_>, action: Action<'_>) -> Poll<()> {
        if self.begin_unrecorded() || self.is_tried() {
            return Poll::Ready(());
        }
        let Action { id, name, access, at } = action;
        self.observed(cx, id, &Cow::Borrowed(name), access, at)
    }

    /// Does the same as [`announce`](Self::announce) for an operation that is a preemption point under every strategy.
    #[inline]
    #[expect(clippy::ptr_arg, reason = "its clone borrows what it does")]
    pub(crate) fn announce_always(
        &mut self,
        cx: &mut Context<'_>,
        id: &ResourceId,
        name: &Cow<'static, str>,
        access: Access,
        at: &'static Location<'static>,
    ) -> Poll<()> {
        if self.is_tried() {
            return Poll::Ready(());
        }
        self.mode = Mode::Always;
        self.observed(cx, id, name, access, at)
    }

    /// Does the same as [`announce`](Self::announce) for an operation that is counted apart.
    pub(crate) fn announce_apart(&mut self, cx: &mut Context<'_>, action: Action<'_>) -> Poll<()> {
        if self.is_tried() {
            return Poll::Ready(());
        }
        self.mode = Mode::Apart;
        let Action { id, name, access, at } = action;
        self.observed(cx, id, &Cow::Borrowed(name), access, at)
    }

    /// Does the same as [`poll_each`](Self::poll_each) for operations that are counted apart.
    #[cfg(feature = "net")]
    pub(crate) fn poll_each_apart<R>(
        &mut self,
        cx: &mut Context<'_>,
        action: Action<'_>,
        attempt: impl FnOnce(&mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        let retried = self.is_tried();
        ready!(self.announce_apart(cx, action));
        let polled = attempt(cx);
        if retried {
            let access = if polled.is_ready() { action.access } else { Access::Read };
            Action { access, ..action }.touch_apart();
        }
        if polled.is_ready() {
            self.restart();
        }
        polled
    }

    /// Announces the operation, tries it, and records each later try.
    #[inline]
    pub(crate) fn poll<R>(
        &mut self,
        cx: &mut Context<'_>,
        action: Action<'_>,
        attempt: impl FnOnce(&mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        self.poll_noting(cx, action, attempt, |_| ())
    }

    /// Does the same as [`poll`](Self::poll), and calls `note` with the result of each try in a run that has an observer.
    #[inline]
    pub(crate) fn poll_noting<R>(
        &mut self,
        cx: &mut Context<'_>,
        action: Action<'_>,
        attempt: impl FnOnce(&mut Context<'_>) -> Poll<R>,
        note: impl FnOnce(&Poll<R>),
    ) -> Poll<R> {
        let is_fresh = self.is_fresh();
        if self.begin_unrecorded() {
            let polled = attempt(cx);
            if is_fresh && polled.is_pending() {
                restore_budget();
            }
            return polled;
        }
        // Passed as single fields: the struct would be built in unobserved runs, too.
        let Action { id, name, access, at } = action;
        self.poll_observed(cx, attempt, note, id, name, access, at)
    }

    /// Does the same as [`poll`](Self::poll) for a sequence of operations: a successful try ends one, and the next call
    /// begins another.
    // Unlike in `poll`, `attempt` is instantiated once: it may be a lot of code.
    #[inline]
    pub(crate) fn poll_each<R>(
        &mut self,
        cx: &mut Context<'_>,
        action: Action<'_>,
        attempt: impl FnOnce(&mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        let retried = self.is_tried();
        if !retried {
            ready!(self.announce(cx, action));
        }
        let polled = attempt(cx);
        if !retried && polled.is_pending() {
            restore_budget();
        }
        if retried && self.is_recordable() {
            action.touch_retried(polled.is_ready());
        }
        if polled.is_ready() {
            self.restart();
        }
        polled
    }

    /// Tries the operation outside of a poll, where no task can be preempted; returns whether it succeeded.
    #[inline]
    pub(crate) fn try_now(&mut self, action: Action<'_>, attempt: impl FnOnce() -> bool) -> bool {
        if !self.is_tried() {
            self.state = ANNOUNCED;
            action.touch();
            return attempt();
        }
        let succeeded = attempt();
        action.touch_retried(succeeded);
        succeeded
    }

    /// Begins another operation with the next try.
    #[inline(always)]
    pub(crate) fn restart(&mut self) {
        self.state = FRESH;
    }

    /// Returns whether the operation has been neither announced nor tried.
    #[inline(always)]
    pub(crate) fn is_fresh(self) -> bool {
        self.state == FRESH
    }

    /// Returns whether the operation has been tried. Then it waits, unless it is done.
    #[inline(always)]
    pub(crate) fn is_tried(self) -> bool {
        self.state >= UNRECORDED
    }

    /// Returns whether the run may have an observer, which wants to know facts about the operation.
    #[inline(always)]
    pub(crate) fn is_recordable(self) -> bool {
        self.state != UNRECORDED
    }

    /// Returns whether the operation was first tried outside of a run.
    #[inline(always)]
    pub(crate) fn is_outside(self) -> bool {
        self.state == OUTSIDE
    }

    /// Counts a new operation. Returns whether it may be tried at once because the run has no observer.
    #[inline(always)]
    fn begin_unrecorded(&mut self) -> bool {
        if self.state == FRESH {
            match context::driving(Engine::count_operation) {
                Some(true) => {}
                Some(false) => self.state = UNRECORDED,
                None => self.state = OUTSIDE,
            }
        }
        self.state == UNRECORDED
    }

    // Not inlined: unobserved runs don't pay for it.
    #[inline(never)]
    #[expect(clippy::too_many_arguments, reason = "single fields: see `poll_noting`")]
    fn poll_observed<R>(
        &mut self,
        cx: &mut Context<'_>,
        attempt: impl FnOnce(&mut Context<'_>) -> Poll<R>,
        note: impl FnOnce(&Poll<R>),
        id: &ResourceId,
        name: &'static str,
        access: Access,
        at: &'static Location<'static>,
    ) -> Poll<R> {
        if !self.is_tried() {
            ready!(self.observed(cx, id, &Cow::Borrowed(name), access, at));
            let polled = attempt(cx);
            if polled.is_pending() {
                restore_budget();
            }
            note(&polled);
            return polled;
        }
        let polled = attempt(cx);
        if self.mode != Mode::Once {
            Action { id, name, access, at }.touch_retried(polled.is_ready());
        }
        note(&polled);
        polled
    }

    /// Announces an operation. It has been counted already, unless it is [`Mode::Always`].
    // Single arguments: a struct would be written in narrow fields and read in wide ones right after, which stalls the CPU.
    #[inline(never)]
    #[expect(clippy::ptr_arg, reason = "its clone borrows what it does")]
    fn observed(
        &mut self,
        cx: &mut Context<'_>,
        id: &ResourceId,
        name: &Cow<'static, str>,
        access: Access,
        at: &'static Location<'static>,
    ) -> Poll<()> {
        let waker = cx.waker();
        let next = context::driving(|engine| {
            let next = engine.announce(self, waker, id, name, access, at);
            if next != ANNOUNCED {
                // Has the effect of the waker, without a call: most often the loop itself polls.
                if TaskRef::of_waker(waker).is_some_and(|task| engine.is_polled(task.number())) {
                    engine.step.woken.set(true);
                } else {
                    waker.wake_by_ref();
                }
            }
            next
        });
        self.state = next.unwrap_or(ANNOUNCED);
        if self.state == ANNOUNCED { Poll::Ready(()) } else { Poll::Pending }
    }
}

pin_project! {
    /// A future that announces an operation and then does it; see [`Action::before`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub(crate) struct Announcing<'a, F, N> {
        #[pin]
        inner: F,
        // Records facts for reports.
        note: N,
        action: Action<'a>,
        attempt: Attempt,
        // Whether dropping the future before its end is recorded as a release.
        in_queue: bool,
    }

    impl<F, N> PinnedDrop for Announcing<'_, F, N> {
        fn drop(this: Pin<&mut Self>) {
            if this.in_queue && this.attempt.is_tried() {
                this.action.id.touch(this.action.name, Access::Release, None);
            }
        }
    }
}

impl<F, N> Announcing<'_, F, N> {
    /// Declares that the future has a place in a queue and blocks those behind it. Dropping it before its turn is an
    /// operation, because the others move up.
    #[inline]
    pub(crate) fn in_queue(mut self) -> Self {
        self.in_queue = true;
        self
    }

    /// Declares that the future is woken only when it is its turn, so that later tries are not operations.
    #[inline]
    pub(crate) fn once(mut self) -> Self {
        self.attempt.mode = Mode::Once;
        self
    }
}

impl<F: Future, N: Fn(&Poll<F::Output>)> Future for Announcing<'_, F, N> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let polled = this.attempt.poll_noting(cx, *this.action, |cx| this.inner.poll(cx), |r| (this.note)(r));
        if polled.is_ready() {
            *this.in_queue = false;
        }
        polled
    }
}

/// Returns a future that does one operation: `poll` announces and tries it.
#[inline]
pub(crate) fn until_done<R>(
    mut poll: impl FnMut(&mut Attempt, &mut Context<'_>) -> Poll<R>,
) -> impl Future<Output = R> {
    let mut attempt = Attempt::default();
    // Not `Unpin`, as tokio's async functions.
    let pinned = PhantomPinned;
    poll_fn(move |cx| {
        let _ = &pinned;
        poll(&mut attempt, cx)
    })
}

/// Restores the unit of budget of an operation whose first try has to wait.
#[inline]
pub(crate) fn restore_budget() {
    context::driving(|engine| engine.step.restore());
}

/// Calls `f` if the run has an observer of operations.
#[inline]
fn observing(f: impl FnOnce(&Engine)) {
    context::driving(|engine| {
        if engine.is_observed() {
            f(engine);
        }
    });
}

/// Returns whether the run has an observer of operations.
#[inline]
pub(crate) fn is_observed() -> bool {
    context::driving(|engine| engine.is_observed()) == Some(true)
}

/// Fails the run because a synchronous call of the running task would block the thread for ever, and unwinds out of the task.
/// `value` is the part of the resource that tasks of the run have borrowed. Returns outside of a run, and while the task
/// unwinds already.
#[cfg(feature = "sync")]
#[track_caller]
pub(crate) fn blocks_thread(
    resource: &ResourceId,
    value: &ResourceId,
    name: &'static str,
    access: Access,
    at: &'static Location<'static>,
) {
    let fails = context::driving(|engine| engine.blocks_thread(resource, value.key(), name, access, at));
    if fails == Some(true) {
        // Not a panic of the user's code: the hook prints nothing.
        std::panic::resume_unwind(Box::new("a call would block the thread for ever"));
    }
}

/// Returns whether the task was preempted in the current step and is suspended until it continues. If so, wakes `waker`
/// when it is not one of the loop's, so that the caller is polled again.
#[inline]
pub(crate) fn is_suspended(waker: &Waker) -> bool {
    is_suspended_after(waker, |_| ())
}

/// Does the same as [`is_suspended`], after it has called `note` with the loop.
#[inline]
pub(super) fn is_suspended_after(waker: &Waker, note: impl FnOnce(&Engine)) -> bool {
    let suspended = context::driving(|engine| {
        note(engine);
        engine.step.suspended.get()
    }) == Some(true);
    if suspended {
        wake_foreign(waker);
    }
    suspended
}

/// Wakes a waker of a combinator that polls by itself. The loop's own tasks were woken by the preemption.
#[cold]
fn wake_foreign(waker: &Waker) {
    if !TaskRef::is_of_loop(waker) {
        waker.wake_by_ref();
    }
}

impl Engine {
    /// Announces an operation, for [`Attempt::observed`]. Returns the next state of its attempt.
    #[inline]
    #[expect(clippy::ptr_arg, reason = "its clone borrows what it does")]
    fn announce(
        &self,
        attempt: &mut Attempt,
        waker: &Waker,
        resource: &ResourceId,
        name: &Cow<'static, str>,
        access: Access,
        at: &'static Location<'static>,
    ) -> u64 {
        let is_fresh = attempt.is_fresh();
        let is_apart = attempt.mode == Mode::Apart;
        if is_fresh {
            if attempt.mode == Mode::Always {
                self.count_operation();
            }
            // A task that polls several futures, as with `FuturesUnordered`, polls the others after one was preempted. They
            // are suspended, too, and announced one step after the other: in a single step no task could run between them.
            // The same for a task without budget.
            if self.step.is_overspent() || self.step.suspended.get() && !is_polled_once(waker) {
                if !is_apart {
                    self.uncount_operation();
                }
                return FRESH;
            }
            attempt.index = if is_apart { self.count_apart() } else { self.operation_index() };
        }
        let mut core = self.core.borrow_mut();
        let core = &mut *core;
        if is_fresh {
            if self.is_polling()
                && !is_polled_once(waker)
                && !(is_apart && core.scheduler.version < SeedVersion::V2)
                && let Some(step) = self.should_preempt(
                    core,
                    attempt.index,
                    Operation { resource: resource.key(), access },
                    attempt.mode == Mode::Always,
                )
            {
                // Spent again when the operation continues.
                self.step.restore();
                return step;
            }
        } else if core.scheduler.steps() == attempt.state {
            // A combinator polls it again in the same step.
            return attempt.state;
        } else {
            self.step.spend();
        }
        if self.is_observed() {
            self.performed_in(core, resource, name, access, Some(attempt.index), Some(at));
        }
        ANNOUNCED
    }

    /// Records that the running task looks at the end of a task, or ends itself.
    #[inline]
    pub(crate) fn touch_end(&self, task: TaskRef, access: Access, at: Option<&'static Location<'static>>) {
        if self.is_observed() {
            self.touch_end_observed(task, access, at);
        }
    }

    #[inline(never)]
    fn touch_end_observed(&self, task: TaskRef, access: Access, at: Option<&'static Location<'static>>) {
        let mut core = self.core.borrow_mut();
        let Some(slot) = core.tasks.get(task.slot(), task.generation()) else { return };
        let end = ResourceId::of_task(slot.key, slot.spawned);
        drop(core);
        self.performed(&end, &Cow::Borrowed("task"), access, None, at);
    }

    /// Reports an operation of the running task to the source and to the record.
    #[inline(never)]
    #[expect(clippy::ptr_arg, reason = "its clone borrows what it does")]
    fn performed(
        &self,
        resource: &ResourceId,
        name: &Cow<'static, str>,
        access: Access,
        index: Option<u32>,
        at: Option<&'static Location<'static>>,
    ) {
        self.performed_in(&mut self.core.borrow_mut(), resource, name, access, index, at);
    }

    #[inline(always)]
    #[expect(clippy::ptr_arg, reason = "its clone borrows what it does")]
    fn performed_in(
        &self,
        core: &mut Core,
        resource: &ResourceId,
        name: &Cow<'static, str>,
        access: Access,
        index: Option<u32>,
        at: Option<&'static Location<'static>>,
    ) {
        let current = self.current.get();
        if current == NO_SLOT || core.ended {
            return;
        }
        let operation = Operation { resource: resource.key(), access };
        let is_apart = index.is_some_and(|index| index & Operation::APART != 0);
        if !(is_apart && core.scheduler.version < SeedVersion::V2) {
            core.scheduler.source.performed(core.tasks.at(current).key, operation);
        }
        core.observer
            .record(|recorder| recorder.performed(operation, name.clone(), resource.made, index, at));
    }

    /// Fails the run, for [`blocks_thread`]. Returns false if the caller can't be unwound.
    #[cfg(feature = "sync")]
    fn blocks_thread(
        &self,
        resource: &ResourceId,
        value: ResourceKey,
        name: &'static str,
        access: Access,
        at: &'static Location<'static>,
    ) -> bool {
        if !self.is_polling() || std::thread::panicking() {
            return false;
        }
        let mut core = self.core.borrow_mut();
        let held_by = core.observer.recorder.as_ref().map(|recorder| recorder.holders(value));
        let made = super::observer::user_site(resource.made);
        let failure = self.blocked_thread(&mut core, self.current.get(), at, |task| {
            let held_by = held_by.unwrap_or_default();
            Cause::BlockedThread(Box::new(BlockedCall {
                task,
                access,
                name: Cow::Borrowed(name),
                made,
                held_by,
            }))
        });
        core.fatal = Some(failure);
        core.scheduler.stop_soon();
        true
    }

    #[cold]
    #[inline(never)]
    fn created(&self, resource: &ResourceId, kind: ResourceKind) {
        self.core.borrow_mut().observer.record(|recorder| recorder.created(resource.key(), kind));
    }

    #[inline(never)]
    fn released(&self, resource: &ResourceId, name: &'static str, parts: usize) {
        self.performed(resource, &Cow::Borrowed(name), Access::Release, None, None);
        resource.forgotten(parts);
    }
}

impl Core {
    /// Returns the number of the next resource that the task in this slot creates.
    #[inline]
    fn number_resource(&mut self, slot: u32) -> u64 {
        if slot == NO_SLOT {
            return 0;
        }
        let place = self.tasks.at(slot);
        place.resources += 1;
        mix(place.key.0, u64::from(place.resources)) | 1
    }
}

/// Returns whether the poll comes from `now_or_never` or the like, and not from the event loop. Such a caller takes `Pending`
/// for an answer and is not preempted.
#[inline]
fn is_polled_once(waker: &Waker) -> bool {
    !TaskRef::is_of_loop(waker) && is_noop(waker)
}

#[cold]
fn is_noop(waker: &Waker) -> bool {
    // That of `futures_util`, whose own function for it is newer than the oldest supported version.
    static OF_FUTURES: LazyLock<Option<Waker>> =
        LazyLock::new(|| poll_fn(|cx| Poll::Ready(cx.waker().clone())).now_or_never());
    waker.will_wake(Waker::noop()) || OF_FUTURES.as_ref().is_some_and(|noop| waker.will_wake(noop))
}
