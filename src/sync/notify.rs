//! [`Notify`]: tokio's signal, announcing its operations.
//!
//! # Invariants
//! tokio decides which task waits and which is woken. `notify_waiters` reaches a [`Notified`] from its creation on; the
//! other methods reach it once it was polled or enabled.

use std::borrow::Borrow;
use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use timeloop_sim::{Access, ResourceKind};
use tokio::sync::{Notify as TokioNotify, futures as upstream};

use crate::engine::announce::{Action, Attempt, ResourceId};

const NAME: &str = "notify";

/// Wakes one waiting task, or all of them. A signal to one task is kept until a task waits for it.
///
/// ```
/// use std::rc::Rc;
/// use timeloop::sync::Notify;
///
/// timeloop::run(1, || async {
///     let notify = Rc::new(Notify::new());
///     timeloop::spawn({
///         let notify = Rc::clone(&notify);
///         async move { notify.notify_one() }
///     });
///     notify.notified().await;
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
pub struct Notify {
    /// Created on first use: a wait may share it, and sharing needs an allocation, which a `static` cannot make.
    inner: OnceLock<Arc<TokioNotify>>,
    id: ResourceId,
}

impl Notify {
    /// Creates a `Notify` without a stored signal.
    #[track_caller]
    pub fn new() -> Self {
        Self { inner: OnceLock::new(), id: ResourceId::new_of(ResourceKind::Signal) }
    }

    /// Creates a `Notify` at compile time, for a `static`. Two that are created at the same place count as one
    /// resource.
    #[must_use]
    #[track_caller]
    pub const fn const_new() -> Self {
        Self { inner: OnceLock::new(), id: ResourceId::const_new() }
    }

    #[inline]
    fn inner(&self) -> &Arc<TokioNotify> {
        self.inner.get_or_init(Arc::default)
    }

    /// Begins a wait. Recorded as a read, because each later `notify_waiters` counts for this wait.
    #[inline]
    #[track_caller]
    fn waiting<I: Borrow<ResourceId>>(&self, id: I) -> Waiting<I> {
        self.id.action(NAME, Access::Read).touch();
        Waiting { id, at: Location::caller(), attempt: Attempt::default(), is_done: false }
    }

    /// Waits for a signal.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up its place in the queue. A signal that it has already received passes to the next
    /// waiter.
    #[inline]
    #[track_caller]
    pub fn notified(&self) -> Notified<'_> {
        let waiting = self.waiting(&self.id);
        Notified { inner: self.inner().notified(), waiting }
    }

    /// Waits as [`notified`](Self::notified) does, with a future that keeps the `Notify` alive.
    #[track_caller]
    pub fn notified_owned(self: Arc<Self>) -> OwnedNotified {
        let waiting = self.waiting(self.id);
        OwnedNotified { inner: Arc::clone(self.inner()).notified_owned(), waiting }
    }

    /// Wakes the task that has waited longest. If no task waits, stores the signal for the next wait; at most one is
    /// stored.
    #[inline]
    #[track_caller]
    pub fn notify_one(&self) {
        self.id.action(NAME, Access::Send).touch();
        self.inner().notify_one();
    }

    /// Signals as [`notify_one`](Self::notify_one) does, but wakes the task that began to wait last.
    #[track_caller]
    pub fn notify_last(&self) {
        self.id.action(NAME, Access::Send).touch();
        self.inner().notify_last();
    }

    /// Wakes all waiting tasks, including those whose [`Notified`] was created but not yet polled. Stores no signal.
    #[track_caller]
    pub fn notify_waiters(&self) {
        self.id.action(NAME, Access::Send).touch();
        self.inner().notify_waiters();
    }
}

impl Default for Notify {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner().fmt(f)
    }
}

/// The announced operation of a wait.
#[derive(Debug)]
struct Waiting<I> {
    id: I,
    at: &'static Location<'static>,
    attempt: Attempt,
    is_done: bool,
}

impl<I: Borrow<ResourceId>> Waiting<I> {
    #[inline]
    fn poll(&mut self, cx: &mut Context<'_>, attempt: impl FnOnce(&mut Context<'_>) -> Poll<()>) -> Poll<()> {
        if self.is_done {
            return attempt(cx);
        }
        let action = Action { id: self.id.borrow(), name: NAME, access: Access::Receive, at: self.at };
        let polled = self.attempt.poll(cx, action, attempt);
        self.is_done = polled.is_ready();
        polled
    }

    fn enable(&mut self, attempt: impl FnOnce() -> bool) -> bool {
        if self.is_done {
            return attempt();
        }
        let action = Action { id: self.id.borrow(), name: NAME, access: Access::Receive, at: self.at };
        self.is_done = self.attempt.try_now(action, attempt);
        self.is_done
    }

    /// Records that the wait is given up.
    #[inline]
    fn leave(&self) {
        if self.attempt.is_tried() && !self.is_done {
            self.id.borrow().touch(NAME, Access::Release, Some(self.at));
        }
    }
}

pin_project! {
    /// The future of [`Notify::notified`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Notified<'a> {
        #[pin]
        inner: upstream::Notified<'a>,
        waiting: Waiting<&'a ResourceId>,
    }

    impl PinnedDrop for Notified<'_> {
        fn drop(this: Pin<&mut Self>) {
            this.waiting.leave();
        }
    }
}

impl Notified<'_> {
    /// Begins to wait without polling. Returns whether the signal has already been received.
    pub fn enable(self: Pin<&mut Self>) -> bool {
        let this = self.project();
        this.waiting.enable(|| this.inner.enable())
    }
}

impl Future for Notified<'_> {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        this.waiting.poll(cx, |cx| this.inner.poll(cx))
    }
}

pin_project! {
    /// The future of [`Notify::notified_owned`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct OwnedNotified {
        #[pin]
        inner: upstream::OwnedNotified,
        waiting: Waiting<ResourceId>,
    }

    impl PinnedDrop for OwnedNotified {
        fn drop(this: Pin<&mut Self>) {
            this.waiting.leave();
        }
    }
}

impl OwnedNotified {
    /// Begins to wait without polling. Returns whether the signal has already been received.
    pub fn enable(self: Pin<&mut Self>) -> bool {
        let this = self.project();
        this.waiting.enable(|| this.inner.enable())
    }
}

impl Future for OwnedNotified {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        this.waiting.poll(cx, |cx| this.inner.poll(cx))
    }
}
