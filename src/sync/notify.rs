//! The signal: tokio's own, which announces what is done to it.
//!
//! # Invariants
//! tokio decides who waits and who is woken: `notify_waiters` reaches a [`Notified`] from when it was made, the other
//! methods from when it was first polled or enabled.

use std::borrow::Borrow;
use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use timeloop_sim::Access;
use tokio::sync::{Notify as Tokios, futures as tokios};

use crate::engine::announce::{Action, Attempt, ResourceId};

const NAME: &str = "notify";

/// Wakes tasks: one, which may come later, or all that wait.
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
    /// Made when it is first used: a wait may share it, and sharing takes an allocation, which a `static` can't make.
    inner: OnceLock<Arc<Tokios>>,
    id: ResourceId,
}

impl Notify {
    /// A signal that nobody has given.
    #[track_caller]
    pub fn new() -> Self {
        Self { inner: OnceLock::new(), id: ResourceId::new() }
    }

    /// A signal for a `static`. Two that are made at the same place count as one resource.
    #[must_use]
    #[track_caller]
    pub const fn const_new() -> Self {
        Self { inner: OnceLock::new(), id: ResourceId::const_new() }
    }

    #[inline]
    fn inner(&self) -> &Arc<Tokios> {
        self.inner.get_or_init(Arc::default)
    }

    /// A wait begins. Whatever is signalled to all from now on counts for it, so that is to look at the signal.
    #[inline]
    #[track_caller]
    fn waiting<I: Borrow<ResourceId>>(&self, id: I) -> Waiting<I> {
        self.id.action(NAME, Access::Read).touch();
        Waiting { id, at: Location::caller(), attempt: Attempt::default(), is_done: false }
    }

    /// Waits for the signal.
    ///
    /// # Cancel safety
    ///
    /// Who gives up loses its place in the line; a signal that it has been given passes on to the next.
    #[inline]
    #[track_caller]
    pub fn notified(&self) -> Notified<'_> {
        let waiting = self.waiting(&self.id);
        Notified { inner: self.inner().notified(), waiting }
    }

    /// [`notified`](Self::notified) for a future that has the signal in it.
    #[track_caller]
    pub fn notified_owned(self: Arc<Self>) -> OwnedNotified {
        let waiting = self.waiting(self.id);
        OwnedNotified { inner: Arc::clone(self.inner()).notified_owned(), waiting }
    }

    /// Wakes who has waited longest; where nobody waits, the next one need not. At most one signal is kept.
    #[inline]
    #[track_caller]
    pub fn notify_one(&self) {
        self.id.action(NAME, Access::Send).touch();
        self.inner().notify_one();
    }

    /// As [`notify_one`](Self::notify_one), but wakes who began to wait last.
    #[track_caller]
    pub fn notify_last(&self) {
        self.id.action(NAME, Access::Send).touch();
        self.inner().notify_last();
    }

    /// Wakes all that wait, those included that have been made and not been polled. No signal is kept.
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

/// What a wait has announced.
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

    /// A wait that is given up.
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
        inner: tokios::Notified<'a>,
        waiting: Waiting<&'a ResourceId>,
    }

    impl PinnedDrop for Notified<'_> {
        #[inline]
        fn drop(this: Pin<&mut Self>) {
            this.waiting.leave();
        }
    }
}

impl Notified<'_> {
    /// Begins to wait without being polled; whether the signal is there already.
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
        inner: tokios::OwnedNotified,
        waiting: Waiting<ResourceId>,
    }

    impl PinnedDrop for OwnedNotified {
        #[inline]
        fn drop(this: Pin<&mut Self>) {
            this.waiting.leave();
        }
    }
}

impl OwnedNotified {
    /// Begins to wait without being polled; whether the signal is there already.
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
