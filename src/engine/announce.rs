//! Announcing: a task says what it is about to do to a resource that it shares with other tasks, before it does it.
//!
//! Locks, channels, sockets and [`Resource`](crate::Resource) all go through an [`Attempt`]: it announces an [`Action`],
//! may be preempted once, and then tries it; a try that has to wait is tried again. Where the run's source of decisions
//! wants to know of operations, it may preempt the task at the announcement: the future reports `Pending` once, and the
//! task is ready again at once, with its next operation known. In all other runs this costs a flag.
//!
//! # Invariants
//! - An operation is announced right before its first try, in the same poll.
//! - A task is preempted at most once for an operation, and only while it is being polled.
//! - The number of an operation (the n-th of its task's resumption) does not depend on who observes or is preempted.
//! - A future that is dropped after it was preempted leaves nothing behind.
#![cfg_attr(not(feature = "sync"), expect(dead_code, reason = "part of it serves locks and channels alone"))]

use std::borrow::Cow;
use std::future::poll_fn;
use std::marker::PhantomPinned;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use pin_project_lite::pin_project;
#[cfg(feature = "net")]
use timeloop_sim::ResourceKind;
use timeloop_sim::{Access, Operation, ResourceKey, TaskKey};

use super::tasks::NO_SLOT;
use super::{Core, Engine, TaskRef, context, mix};

/// Identifies a resource in every run alike: by the task that made it, as its n-th.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResourceId {
    /// 0 for one that was made outside of a run: its place stands for it.
    number: u64,
    made: &'static Location<'static>,
}

impl ResourceId {
    /// Identifies a resource that is made now.
    #[inline]
    #[track_caller]
    pub(crate) fn new() -> Self {
        Self::made_at(Location::caller())
    }

    /// Identifies a resource that is made on behalf of the code at `made`.
    #[inline]
    pub(crate) fn made_at(made: &'static Location<'static>) -> Self {
        let number =
            context::driving(|engine| engine.core.borrow_mut().number_resource(engine.current.get()));
        Self { number: number.unwrap_or(0), made }
    }

    /// Identifies a resource that is made at compile time.
    #[track_caller]
    pub(crate) const fn const_new() -> Self {
        Self { number: 0, made: Location::caller() }
    }

    /// Identifies the end of a task, which others may await.
    pub(super) fn of_task(task: TaskKey, spawned: &'static Location<'static>) -> Self {
        Self { number: mix(task.0, u64::MAX), made: spawned }
    }

    /// Marks this as a socket in the record of the run.
    #[cfg(feature = "net")]
    pub(crate) fn socket(self) -> Self {
        recording(|engine| {
            let mut core = engine.core.borrow_mut();
            core.observer.record(|recorder| recorder.set_kind(self.key(), ResourceKind::Socket));
        });
        self
    }

    /// Identifies one of several resources that belong to this one, and that operations on this one leave alone. Not free:
    /// useless where nobody observes.
    pub(crate) fn part(&self, part: u64) -> Self {
        Self { number: mix(self.key().0, part) | 1, made: self.made }
    }

    /// Where it was made.
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
        // The name alone: where a crate's source lies differs between machines.
        let file = self.made.file().rsplit(['/', '\\']).next().unwrap_or_default();
        let file = file.bytes().map(u64::from);
        ResourceKey(place.into_iter().chain(file).fold(1, mix))
    }

    /// Describes what the calling code does to this.
    #[inline]
    #[track_caller]
    pub(crate) fn action(&self, name: &'static str, access: Access) -> Action<'_> {
        Action { id: self, name, access, at: Location::caller() }
    }

    /// Records that the running task does this now, and could not be preempted for it: it releases a lock, say.
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

    /// Records that the running task holds this from now on.
    #[inline]
    pub(crate) fn acquired(&self, name: &'static str, at: Option<&'static Location<'static>>) {
        recording(|engine| engine.acquired(self, name, at));
    }

    /// Records that its holder releases this: an operation of its own.
    #[inline]
    pub(crate) fn released(&self, name: &'static str) {
        observing(|engine| engine.released(self, name));
    }

    /// Records that its holder no longer holds this, but releases nothing: no operation.
    #[inline]
    pub(crate) fn forgotten(&self) {
        recording(|engine| engine.forgotten(self));
    }
}

/// What a task is about to do to a resource. Made anew for each poll, so that futures keep no more of it than the place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Action<'a> {
    pub(crate) id: &'a ResourceId,
    /// What reports call the resource.
    pub(crate) name: &'static str,
    pub(crate) access: Access,
    /// The line of the user's code that does it.
    pub(crate) at: &'static Location<'static>,
}

impl<'a> Action<'a> {
    /// Records that this is done now, without a preemption point.
    #[inline]
    pub(crate) fn touch(self) {
        self.id.touch(self.name, self.access, Some(self.at));
    }

    /// Announces this, then awaits `inner`, which does it. Each later poll of `inner` is a try of its own.
    #[inline]
    pub(crate) fn before<F: Future>(self, inner: F) -> Announcing<'a, F> {
        Announcing { inner, action: self, attempt: Attempt::default(), in_queue: false }
    }

    /// Records what a try that came after a wait has come to: one in vain has looked, and might have succeeded.
    #[inline]
    fn touch_retried(self, succeeded: bool) {
        if is_observed() {
            let access = if succeeded { self.access } else { Access::Read };
            Action { access, ..self }.touch();
        }
    }
}

/// One operation from its announcement to its end: kept between polls by the future that does it.
///
/// The operation is announced when it is first tried, and its task may be preempted then. After that it is tried, and
/// tried again after each wait; a later try is recorded as what it turned out to be, and preempts no one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Attempt {
    /// [`FRESH`], [`UNRECORDED`], [`OUTSIDE`], [`ANNOUNCED`], or the number of the step in which the task was preempted.
    state: u64,
    /// The operation's number, once the task has been preempted.
    index: u32,
    mode: Mode,
}

/// What is special about an operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Usual,
    /// It is a preemption point for sources that do not want operations, too.
    Always,
    /// Its later tries are left unrecorded.
    Once,
}

const FRESH: u64 = 0;
/// Tried in a run that nobody observes.
const UNRECORDED: u64 = u64::MAX - 2;
/// Tried outside of a run.
const OUTSIDE: u64 = u64::MAX - 1;
const ANNOUNCED: u64 = u64::MAX;

// What is inlined always is so in debug builds, too.
impl Attempt {
    /// Announces the operation, unless that has been done. Ready when it may be tried, which must follow in the same poll.
    #[inline]
    pub(crate) fn announce(&mut self, cx: &mut Context<'_>, action: Action<'_>) -> Poll<()> {
        if self.begin_unrecorded() || self.is_tried() {
            return Poll::Ready(());
        }
        let Action { id, name, access, at } = action;
        self.observed(cx, id, &Cow::Borrowed(name), access, at)
    }

    /// Announces as [`announce`](Self::announce) does an operation that is a preemption point under every strategy.
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

    /// Announces the operation, tries it, and records each later try.
    #[inline]
    pub(crate) fn poll<R>(
        &mut self,
        cx: &mut Context<'_>,
        action: Action<'_>,
        attempt: impl FnOnce(&mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        if self.begin_unrecorded() {
            return attempt(cx);
        }
        // Piece by piece: as a whole it would be put together where nobody observes, too.
        let Action { id, name, access, at } = action;
        self.poll_observed(cx, attempt, id, name, access, at)
    }

    /// Polls as [`poll`](Self::poll) does, one operation after the other: a try that succeeds ends the operation.
    // Unlike there `attempt` stands once: it may be a lot of code.
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
        if retried && !self.is_unrecorded() {
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

    /// Makes the next try one of another operation.
    #[inline(always)]
    pub(crate) fn restart(&mut self) {
        self.state = FRESH;
    }

    /// Whether the operation has neither been announced nor tried.
    #[inline(always)]
    pub(crate) fn is_fresh(self) -> bool {
        self.state == FRESH
    }

    /// Whether the operation has been tried, so that it waits unless it is done.
    #[inline(always)]
    pub(crate) fn is_tried(self) -> bool {
        self.state >= UNRECORDED
    }

    /// Whether the operation was first tried in a run that nobody observes.
    #[inline(always)]
    pub(crate) fn is_unrecorded(self) -> bool {
        self.state == UNRECORDED
    }

    /// Whether the operation was first tried outside of a run.
    #[inline(always)]
    pub(crate) fn is_outside(self) -> bool {
        self.state == OUTSIDE
    }

    /// Counts the operation when it is new; returns whether it may be tried because nobody in the run observes it.
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

    // Apart, so that it costs nothing where nobody observes.
    #[inline(never)]
    fn poll_observed<R>(
        &mut self,
        cx: &mut Context<'_>,
        attempt: impl FnOnce(&mut Context<'_>) -> Poll<R>,
        id: &ResourceId,
        name: &'static str,
        access: Access,
        at: &'static Location<'static>,
    ) -> Poll<R> {
        if !self.is_tried() {
            ready!(self.observed(cx, id, &Cow::Borrowed(name), access, at));
            return attempt(cx);
        }
        let polled = attempt(cx);
        if self.mode != Mode::Once {
            Action { id, name, access, at }.touch_retried(polled.is_ready());
        }
        polled
    }

    /// Announces an operation that has been counted, unless it is [`Mode::Always`].
    // One argument each: put into one struct they would be read wide just after they were written narrow.
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
                // As its waker would do, without a call: most often the loop itself polls.
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
    /// A future that does an operation, announced: made by [`Action::before`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub(crate) struct Announcing<'a, F> {
        #[pin]
        inner: F,
        action: Action<'a>,
        attempt: Attempt,
        // Whether to be dropped before the end is a release.
        in_queue: bool,
    }

    impl<F> PinnedDrop for Announcing<'_, F> {
        fn drop(this: Pin<&mut Self>) {
            if this.in_queue && this.attempt.is_tried() {
                this.action.id.touch(this.action.name, Access::Release, None);
            }
        }
    }
}

impl<F> Announcing<'_, F> {
    /// Says that the future has a place in a queue, which keeps others from what they wait for: to be dropped before its
    /// turn is an operation, for it lets them pass.
    #[inline]
    pub(crate) fn in_queue(mut self) -> Self {
        self.in_queue = true;
        self
    }

    /// Says that the future learns of its turn by being woken, so that later tries are no operations.
    #[inline]
    pub(crate) fn once(mut self) -> Self {
        self.attempt.mode = Mode::Once;
        self
    }
}

impl<F: Future> Future for Announcing<'_, F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let polled = this.attempt.poll(cx, *this.action, |cx| this.inner.poll(cx));
        if polled.is_ready() {
            *this.in_queue = false;
        }
        polled
    }
}

/// Makes the future of one operation, which `poll` tries.
#[inline]
pub(crate) fn until_done<R>(
    mut poll: impl FnMut(&mut Attempt, &mut Context<'_>) -> Poll<R>,
) -> impl Future<Output = R> {
    let mut attempt = Attempt::default();
    // An async function of tokio's is not `Unpin` either.
    let pinned = PhantomPinned;
    poll_fn(move |cx| {
        let _ = &pinned;
        poll(&mut attempt, cx)
    })
}

/// Calls `tell` where anyone observes operations.
#[inline]
fn observing(tell: impl FnOnce(&Engine)) {
    context::driving(|engine| {
        if engine.is_observed() {
            tell(engine);
        }
    });
}

/// Calls `tell` where the run is recorded: no source wants to know who holds what.
#[inline]
fn recording(tell: impl FnOnce(&Engine)) {
    context::driving(|engine| {
        if engine.is_recorded() {
            tell(engine);
        }
    });
}

/// Whether anyone observes operations.
#[inline]
pub(crate) fn is_observed() -> bool {
    context::driving(|engine| engine.is_observed()) == Some(true)
}

/// Whether the task was preempted in the step under way, and is suspended until it goes on; whoever polls with `waker` is
/// polled again then.
#[inline]
pub(crate) fn is_suspended(waker: &Waker) -> bool {
    let suspended = context::driving(|engine| engine.step.suspended.get()) == Some(true);
    if suspended {
        wake_foreign(waker);
    }
    suspended
}

/// Wakes whoever polls on its own account: the loop's own tasks have been woken by what was preempted.
#[cold]
fn wake_foreign(waker: &Waker) {
    if !TaskRef::is_of_loop(waker) {
        waker.wake_by_ref();
    }
}

impl Engine {
    /// Announces an operation, as [`Attempt::observed`] says; returns the next state of its attempt.
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
        if attempt.state == FRESH {
            if attempt.mode == Mode::Always {
                self.count_operation();
            }
            // A task that polls several futures, as `FuturesUnordered` does, polls on after one was preempted. The others
            // are suspended with it, each to be announced in its turn: done in one step, nothing could come between them.
            if self.suspends() && !is_deaf_foreign(waker) {
                self.uncount_operation();
                return FRESH;
            }
            attempt.index = self.operation_index();
            if self.is_polling()
                && !is_deaf_foreign(waker)
                && let Some(step) = self.should_preempt(
                    attempt.index,
                    Operation { resource: resource.key(), access },
                    attempt.mode == Mode::Always,
                )
            {
                return step;
            }
        } else if self.core.borrow().scheduler.steps() == attempt.state {
            // Polled again in the same step, by a future that polls others on its own account.
            return attempt.state;
        }
        if self.is_observed() {
            self.performed_here(resource, name, access, Some(attempt.index), Some(at));
        }
        ANNOUNCED
    }

    /// The task that runs does this to the end of a task, another's or its own: looks whether it has come, or brings it
    /// about.
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

    /// The task that runs does this now.
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
        self.performed_here(resource, name, access, index, at);
    }

    #[inline(always)]
    #[expect(clippy::ptr_arg, reason = "its clone borrows what it does")]
    fn performed_here(
        &self,
        resource: &ResourceId,
        name: &Cow<'static, str>,
        access: Access,
        index: Option<u32>,
        at: Option<&'static Location<'static>>,
    ) {
        let current = self.current.get();
        if current == NO_SLOT {
            return;
        }
        let mut core = self.core.borrow_mut();
        let core = &mut *core;
        if core.ended {
            return;
        }
        let operation = Operation { resource: resource.key(), access };
        core.scheduler.source.performed(core.tasks.at(current).key, operation);
        core.observer
            .record(|recorder| recorder.performed(operation, name.clone(), resource.made, index, at));
    }

    #[inline(never)]
    fn acquired(&self, resource: &ResourceId, name: &'static str, at: Option<&'static Location<'static>>) {
        let mut core = self.core.borrow_mut();
        core.observer.record(|recorder| recorder.acquired(resource.key(), name, resource.made, at));
    }

    #[inline(never)]
    fn released(&self, resource: &ResourceId, name: &'static str) {
        self.performed(resource, &Cow::Borrowed(name), Access::Release, None, None);
        if self.is_recorded() {
            self.forgotten(resource);
        }
    }

    #[inline(never)]
    fn forgotten(&self, resource: &ResourceId) {
        let mut core = self.core.borrow_mut();
        core.observer.record(|recorder| recorder.released(resource.key()));
    }
}

impl Core {
    /// The number of the next thing that the task in this slot makes.
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

/// Whether it is not the event loop that polls, and who does is deaf.
#[inline]
fn is_deaf_foreign(waker: &Waker) -> bool {
    !TaskRef::is_of_loop(waker) && is_deaf(waker)
}

/// Whether whoever polls does not want to hear of anything: `now_or_never` and the like, which would take `Pending` for
/// an answer.
#[cold]
fn is_deaf(waker: &Waker) -> bool {
    waker.will_wake(Waker::noop()) || waker.will_wake(futures_util::task::noop_waker_ref())
}
