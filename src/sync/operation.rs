//! One operation on a channel, from its announcement to its end, for whatever keeps it between polls.
//!
//! Always true: an operation is announced once, when it is first tried, and may give way then; each try after that is
//! told of, as what it turned out to be, and can't give way any more.

use std::future::poll_fn;
use std::marker::PhantomPinned;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use timeloop_sim::Access;

use super::{announcing, blocking};
use crate::engine::announce::{self, Announcement, ResourceId};

/// What an operation is. Made where it is needed, so that futures keep no more of it than the place.
#[derive(Clone, Copy, Debug)]
pub(super) struct What<'a> {
    pub(super) id: &'a ResourceId,
    pub(super) name: &'static str,
    pub(super) access: Access,
    pub(super) at: &'static Location<'static>,
}

impl<'a> What<'a> {
    /// Tells that this is done now.
    #[inline]
    pub(super) fn touch(self) {
        self.id.touch(self.name, self.access, Some(self.at));
    }

    /// Announces this, then awaits the future that does it.
    #[inline]
    pub(super) fn before<F: Future>(self, inner: F) -> Trying<'a, F> {
        Trying { inner, what: self, operation: Operation::default(), queues: false }
    }

    /// The same for a future that waits in a queue, where its place keeps others from what they wait for: to leave the
    /// queue before its end is an operation too.
    #[inline]
    pub(super) fn before_queueing<F: Future>(self, inner: F) -> Trying<'a, F> {
        Trying { inner, what: self, operation: Operation::default(), queues: true }
    }
}

/// Where an operation stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Operation(Announcement);

impl Operation {
    /// Tries the operation, once it has been announced.
    #[inline]
    pub(super) fn poll<R>(
        &mut self,
        cx: &mut Context<'_>,
        what: What<'_>,
        attempt: impl FnOnce(&mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        if self.0.is_unheard() {
            return attempt(cx);
        }
        // Piece by piece: as a whole it would be put together where nobody hears, too.
        let What { id, name, access, at } = what;
        self.poll_heard(cx, attempt, id, name, access, at)
    }

    // Apart, so that it costs nothing where nobody hears.
    #[inline(never)]
    fn poll_heard<R>(
        &mut self,
        cx: &mut Context<'_>,
        attempt: impl FnOnce(&mut Context<'_>) -> Poll<R>,
        id: &ResourceId,
        name: &'static str,
        access: Access,
        at: &'static Location<'static>,
    ) -> Poll<R> {
        let what = What { id, name, access, at };
        if !self.is_tried() {
            ready!(self.0.poll(cx, what.id, what.name, what.access, what.at));
            return attempt(cx);
        }
        let polled = attempt(cx);
        retried(what, polled.is_ready());
        polled
    }

    /// As `poll`, for one operation after the other: the next try after one that has succeeded is of another.
    #[inline]
    pub(super) fn poll_each<R>(
        &mut self,
        cx: &mut Context<'_>,
        what: What<'_>,
        attempt: impl FnOnce(&mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        let polled = self.poll(cx, what, attempt);
        if polled.is_ready() {
            self.restart();
        }
        polled
    }

    /// Tries the operation where nobody could be told to come back.
    #[inline]
    pub(super) fn attempt(&mut self, what: What<'_>, attempt: impl FnOnce() -> bool) -> bool {
        if !self.is_tried() {
            self.0.skip();
            what.touch();
            return attempt();
        }
        let done = attempt();
        retried(what, done);
        done
    }

    /// The next try is of another operation.
    #[inline]
    pub(super) fn restart(&mut self) {
        self.0.restart();
    }

    /// Whether it has not begun.
    #[inline]
    pub(super) fn is_fresh(self) -> bool {
        self.0.is_fresh()
    }

    /// Whether it has been tried, so that it waits unless it is done.
    #[inline]
    pub(super) fn is_tried(self) -> bool {
        self.0.is_done()
    }
}

/// Whoever tries again in vain has looked all the same: it might have found what it waits for.
#[inline]
fn retried(what: What<'_>, done: bool) {
    if announce::attended() {
        let access = if done { what.access } else { Access::Read };
        What { access, ..what }.touch();
    }
}

pin_project! {
    /// A future that does an operation, announced.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub(super) struct Trying<'a, F> {
        #[pin]
        inner: F,
        what: What<'a>,
        operation: Operation,
        queues: bool,
    }

    impl<F> PinnedDrop for Trying<'_, F> {
        fn drop(this: Pin<&mut Self>) {
            if this.queues && this.operation.is_tried() {
                this.what.id.touch(this.what.name, Access::Release, None);
            }
        }
    }
}

impl<F: Future> Future for Trying<'_, F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let polled = this.operation.poll(cx, *this.what, |cx| this.inner.poll(cx));
        if polled.is_ready() {
            *this.queues = false;
        }
        polled
    }
}

/// The future of one operation, which `attempt` tries.
#[inline]
pub(super) fn until_done<R>(
    mut attempt: impl FnMut(&mut Operation, &mut Context<'_>) -> Poll<R>,
) -> impl Future<Output = R> {
    let mut operation = Operation::default();
    // An async function of tokio's is not `Unpin` either.
    let pinned = PhantomPinned;
    poll_fn(move |cx| {
        let _ = &pinned;
        attempt(&mut operation, cx)
    })
}

/// What a method that blocks the thread does inside of a run: all that it can do without waiting.
///
/// `None` outside of a run, where it may block.
///
/// # Panics
/// When it would have to wait.
#[track_caller]
pub(super) fn at_once<F: Future>(
    future: impl FnOnce() -> F,
    what: What<'_>,
    [method, thing, instead]: [&str; 3],
) -> Option<F::Output> {
    if !announcing::inside_run() {
        return None;
    }
    what.touch();
    // Not `unwrap_or_else`: in a closure the panic would name a line of this file.
    match blocking::at_once(future()) {
        None => announcing::would_wait(method, thing, instead),
        output => output,
    }
}
