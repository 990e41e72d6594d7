//! Announcing: a task says what it is about to do to what it shares with others, before it does it.
//!
//! A future of the face that is about to act polls its [`Announcement`] first. Where the run's source of decisions wants to
//! know of operations, it may make the task *give way*: the future reports `Pending` once, and the task is ready again at
//! once, with its next operation known. In all other runs this costs a flag.
//!
//! Always true: a task gives way at most once for an operation, and only while it is being polled; what it then does is
//! what it announced; the number of an operation (the how-many-th of its task's resumption) does not depend on whether
//! anyone listens or gives way.
#![cfg_attr(not(feature = "sync"), expect(dead_code, reason = "part of it serves locks and channels alone"))]

use std::borrow::Cow;
use std::panic::Location;
use std::task::{Context, Poll, Waker};

#[cfg(feature = "net")]
use timeloop_sim::ResourceKind;
use timeloop_sim::{Access, DecisionKey, Domain, Operation, ResourceKey, Source, TaskKey};

use super::recorder::Recorder;
use super::table::State;
use super::{Core, Engine, NO_SLOT, TaskRef, context, mix};

/// What makes a shared thing the same one in every run: which task made it, as its how-many-th.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResourceId {
    /// 0 for one that was made outside of a run: its place stands for it.
    number: u64,
    made: &'static Location<'static>,
}

impl ResourceId {
    /// For something that is being made now.
    #[inline]
    #[track_caller]
    pub(crate) fn new() -> Self {
        Self::made_at(Location::caller())
    }

    /// As `new`, for something that is made on behalf of the code at `made`.
    #[inline]
    pub(crate) fn made_at(made: &'static Location<'static>) -> Self {
        let number =
            context::driving(|engine| engine.core.borrow_mut().number_resource(engine.current.get()));
        Self { number: number.unwrap_or(0), made }
    }

    /// For something that is made at compile time.
    #[track_caller]
    pub(crate) const fn const_new() -> Self {
        Self { number: 0, made: Location::caller() }
    }

    /// For the end of a task, which others may await.
    pub(super) fn of_task(task: TaskKey, spawned: &'static Location<'static>) -> Self {
        Self { number: mix(task.0, u64::MAX), made: spawned }
    }

    /// The same, marked as a socket in the record of the run.
    #[cfg(feature = "net")]
    pub(crate) fn socket(self) -> Self {
        recording(|engine| {
            if let Some(recorder) = &mut engine.core.borrow_mut().recorder {
                recorder.is_kind(self.key(), ResourceKind::Socket);
            }
        });
        self
    }

    /// One of several things that belong to this one, and that operations on this one leave alone. Not free: where nobody
    /// attends there is no use for it.
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

    /// The task that runs does this now, and could not give way for it: it lets go of a lock, say.
    #[inline]
    pub(crate) fn touch(&self, name: &'static str, access: Access, at: Option<&'static Location<'static>>) {
        if attended() {
            self.touch_attended(name, access, at);
        }
    }

    #[inline(never)]
    fn touch_attended(&self, name: &'static str, access: Access, at: Option<&'static Location<'static>>) {
        attending(|engine| engine.performed(self, &Cow::Borrowed(name), access, None, at));
    }

    /// The task that runs holds this from now on.
    #[inline]
    pub(crate) fn acquired(&self, name: &'static str, at: Option<&'static Location<'static>>) {
        recording(|engine| engine.acquired(self, name, at));
    }

    /// Whoever held this lets go of it; an operation of its own.
    #[inline]
    pub(crate) fn released(&self, name: &'static str) {
        attending(|engine| engine.released(self, name));
    }

    /// Whoever held this does so no more, and gives nothing back: no operation.
    #[inline]
    pub(crate) fn forgotten(&self) {
        recording(|engine| engine.forgotten(self));
    }
}

/// One operation on its way from being announced to being done; part of the future that does it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Announcement {
    /// [`FRESH`], [`BEGUN`], [`UNHEARD`], [`DONE`], or the number of the step in which the task gave way.
    state: u64,
    /// The operation's number, once the task has given way.
    index: u32,
    /// Whether the operation is a scheduling point for sources that do not want operations, too.
    always: bool,
}

/// After so many operations without a wait a task goes back to the loop, as tokio's tasks do after 128: a loop that always
/// finds something to do would else never end its step.
const OPERATIONS_MAX: u32 = 1_024;

const FRESH: u64 = 0;
const BEGUN: u64 = u64::MAX - 2;
/// Done, and nobody wanted to know.
const UNHEARD: u64 = u64::MAX - 1;
const DONE: u64 = u64::MAX;

/// What is to become of an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Begun {
    /// In a run whose source of decisions does not want to know: it may be done.
    Unheard,
    /// The same outside of a run.
    Outside,
    /// It is to be announced: see [`Announcement::poll`].
    Heard,
}

impl Announcement {
    /// Begins the operation, unless it has begun.
    #[inline]
    pub(crate) fn begin(&mut self) -> Begun {
        if self.state != FRESH {
            return Begun::Heard;
        }
        match context::driving(Engine::count_operation) {
            Some(true) => {
                self.state = BEGUN;
                Begun::Heard
            }
            Some(false) => {
                self.state = UNHEARD;
                Begun::Unheard
            }
            None => {
                self.state = DONE;
                Begun::Outside
            }
        }
    }

    /// Begins the operation, unless it has begun; whether nobody in the run wants to know of it, so that it may be done.
    #[inline]
    pub(crate) fn is_unheard(&mut self) -> bool {
        match self.state {
            UNHEARD => true,
            FRESH => matches!(self.begin(), Begun::Unheard),
            _ => false,
        }
    }

    /// Ready when the operation may be done, which is to be right after. Afterwards it stays ready.
    #[inline]
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        resource: &ResourceId,
        name: &'static str,
        access: Access,
        at: &'static Location<'static>,
    ) -> Poll<()> {
        if self.is_done() {
            return Poll::Ready(());
        }
        if self.state == FRESH && context::driving(Engine::count_operation) != Some(true) {
            self.state = DONE;
            return Poll::Ready(());
        }
        self.attended(cx, resource, &Cow::Borrowed(name), access, at)
    }

    /// The same for an operation that is a scheduling point under every strategy.
    #[inline]
    #[expect(clippy::ptr_arg, reason = "its clone borrows what it does")]
    pub(crate) fn poll_always(
        &mut self,
        cx: &mut Context<'_>,
        resource: &ResourceId,
        name: &Cow<'static, str>,
        access: Access,
        at: &'static Location<'static>,
    ) -> Poll<()> {
        if self.is_done() {
            return Poll::Ready(());
        }
        self.always = true;
        self.attended(cx, resource, name, access, at)
    }

    /// The operation is done without having been announced: it could not have given way.
    #[inline]
    pub(crate) fn skip(&mut self) {
        self.state = DONE;
    }

    /// The next poll is of another operation.
    #[inline]
    pub(crate) fn restart(&mut self) {
        self.state = FRESH;
    }

    /// Whether the operation has been done.
    #[inline]
    pub(crate) fn is_done(self) -> bool {
        self.state >= UNHEARD
    }

    /// Whether the operation has not begun.
    #[inline]
    pub(crate) fn is_fresh(self) -> bool {
        self.state == FRESH
    }

    // One argument each: put into one struct they would be read wide just after they were written narrow.
    #[inline(never)]
    #[expect(clippy::ptr_arg, reason = "its clone borrows what it does")]
    fn attended(
        &mut self,
        cx: &mut Context<'_>,
        resource: &ResourceId,
        name: &Cow<'static, str>,
        access: Access,
        at: &'static Location<'static>,
    ) -> Poll<()> {
        let waker = cx.waker();
        let next = context::driving(|engine| {
            if self.always && self.state == FRESH {
                engine.count_operation();
            }
            let next = engine.announce(self, waker, resource, name, access, at);
            if next != DONE {
                // As its waker would do, without a call: most often the loop itself polls.
                if TaskRef::of_waker(waker).is_some_and(|task| engine.is_polled(task.number())) {
                    engine.step.woken.set(true);
                } else {
                    waker.wake_by_ref();
                }
            }
            next
        });
        self.state = next.unwrap_or(DONE);
        if self.state == DONE { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Calls `tell` where anyone wants to know of operations.
#[inline]
fn attending(tell: impl FnOnce(&Engine)) {
    context::driving(|engine| {
        if engine.attends.get() {
            tell(engine);
        }
    });
}

/// Calls `tell` where the run is recorded: no source wants to know who holds what.
#[inline]
fn recording(tell: impl FnOnce(&Engine)) {
    context::driving(|engine| {
        if engine.records {
            tell(engine);
        }
    });
}

/// Whether anyone wants to know of operations.
#[inline]
pub(crate) fn attended() -> bool {
    context::driving(|engine| engine.attends.get()) == Some(true)
}

/// Whether the step under way has given way for an operation, so that its task does nothing else now; who polls with
/// `waker` is polled again when it goes on.
#[inline]
pub(crate) fn stands_back(waker: &Waker) -> bool {
    let gave_way = context::driving(|engine| engine.step.gave_way.get()) == Some(true);
    if gave_way {
        wake_foreign(waker);
    }
    gave_way
}

/// Wakes whoever polls on its own account: the loop's own tasks have been woken by what gave way.
#[cold]
fn wake_foreign(waker: &Waker) {
    if !TaskRef::is_of_loop(waker) {
        waker.wake_by_ref();
    }
}

impl Engine {
    /// Numbers an operation; whether anyone wants to know of it, or it may have to stand back.
    #[inline]
    fn count_operation(&self) -> bool {
        self.step.operations.set(self.step.operations.get().wrapping_add(1));
        self.attends.get() || self.step.gave_way.get() || self.has_done_enough()
    }

    /// Whether the resumption has done so many operations that it is time for others.
    #[inline]
    fn has_done_enough(&self) -> bool {
        self.step.operations.get() > OPERATIONS_MAX
    }

    /// What becomes of an announcement: its next state.
    #[inline]
    #[expect(clippy::ptr_arg, reason = "its clone borrows what it does")]
    fn announce(
        &self,
        announcement: &mut Announcement,
        waker: &Waker,
        resource: &ResourceId,
        name: &Cow<'static, str>,
        access: Access,
        at: &'static Location<'static>,
    ) -> u64 {
        if matches!(announcement.state, FRESH | BEGUN) {
            // Whoever polls several futures on one task, as `FuturesUnordered` does, polls on after one has given way. The
            // others stand back until that is done, each to be announced in its turn: done in one step, nothing could
            // come between them.
            if (self.step.gave_way.get() || self.has_done_enough()) && !is_deaf_foreign(waker) {
                self.step.operations.set(self.step.operations.get() - 1);
                return FRESH;
            }
            announcement.index = self.step.operations.get() - 1;
            // Who listens only to record asks for no one to give way.
            if (announcement.always || self.wants_operations)
                && self.is_polling()
                && let Some(step) = self.gives_way(announcement.index, waker, resource, access)
            {
                return step;
            }
        } else if self.core.borrow().steps() == announcement.state {
            // Polled again in the same step, by a future that polls others on its own account.
            return announcement.state;
        }
        if self.attends.get() {
            self.performed_here(resource, name, access, Some(announcement.index), Some(at));
        }
        DONE
    }

    /// Whether the task gives way, and the number of the step in which it does.
    #[inline]
    fn gives_way(&self, index: u32, waker: &Waker, resource: &ResourceId, access: Access) -> Option<u64> {
        // Asked first: a source that lets a task give way counts on it.
        if is_deaf_foreign(waker) {
            return None;
        }
        let mut core = self.core.borrow_mut();
        let core = &mut *core;
        let current = self.current.get();
        let slot = core.table.at(current);
        if slot.state != State::Running {
            // A destructor polls, of a task that does not run.
            return None;
        }
        // The count already includes the resumption under way.
        let (task, resume) = (slot.key, slot.resumes - 1);
        let key = DecisionKey { domain: Domain::Operation, task, resume, index };
        let operation = Operation { resource: resource.key(), access };
        if !core.source.gives_way(key, operation) {
            return None;
        }
        self.step.gave_way.set(true);
        core.note_giving_way(current, self.step.woken.get(), index, operation);
        if let Some(recorder) = &mut core.recorder {
            recorder.gives_way(key);
        }
        Some(core.steps())
    }

    /// The task that runs does this to the end of a task, another's or its own: looks whether it has come, or brings it
    /// about.
    #[inline]
    pub(crate) fn touch_end(&self, task: TaskRef, access: Access, at: Option<&'static Location<'static>>) {
        if self.attends.get() {
            self.touch_end_attended(task, access, at);
        }
    }

    #[inline(never)]
    fn touch_end_attended(&self, task: TaskRef, access: Access, at: Option<&'static Location<'static>>) {
        let mut core = self.core.borrow_mut();
        let Some(slot) = core.table.get(task.slot(), task.generation()) else { return };
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
        core.source.performed(core.table.at(current).key, operation);
        if let Some(recorder) = &mut core.recorder {
            Self::record_performed(recorder, operation, name, resource, index, at);
        }
    }

    /// Apart, so that it costs nothing where nothing is recorded.
    #[cold]
    #[inline(never)]
    #[expect(clippy::ptr_arg, reason = "its clone borrows what it does")]
    fn record_performed(
        recorder: &mut Recorder,
        operation: Operation,
        name: &Cow<'static, str>,
        resource: &ResourceId,
        index: Option<u32>,
        at: Option<&'static Location<'static>>,
    ) {
        recorder.performed(operation, name.clone(), resource.made, index, at);
    }

    #[inline(never)]
    fn acquired(&self, resource: &ResourceId, name: &'static str, at: Option<&'static Location<'static>>) {
        let mut core = self.core.borrow_mut();
        if let Some(recorder) = &mut core.recorder {
            recorder.acquired(resource.key(), name, resource.made, at);
        }
    }

    #[inline(never)]
    fn released(&self, resource: &ResourceId, name: &'static str) {
        self.performed(resource, &Cow::Borrowed(name), Access::Release, None, None);
        if self.records {
            self.forgotten(resource);
        }
    }

    #[inline(never)]
    fn forgotten(&self, resource: &ResourceId) {
        let mut core = self.core.borrow_mut();
        if let Some(recorder) = &mut core.recorder {
            recorder.released(resource.key());
        }
    }
}

impl Core {
    /// The number of the next thing that the task in this slot makes.
    #[inline]
    fn number_resource(&mut self, slot: u32) -> u64 {
        if slot == NO_SLOT {
            return 0;
        }
        let place = self.table.at(slot);
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
