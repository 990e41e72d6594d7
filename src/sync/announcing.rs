//! What the primitives of this room have in common: announcing an operation, withdrawing from a queue, and holding.
//!
//! Always true: an operation is announced right before it is done, in the same poll; whoever gave way and is dropped
//! leaves nothing behind, and whoever waited in a queue and is dropped says so before others move up; what was taken is
//! announced as released before those who wait for it hear of it.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use timeloop_sim::Access;

use crate::engine::announce::{Announcement, ResourceId};

/// An announcement as a future of its own, to be awaited right before the operation: that follows in the same poll.
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub(super) struct Announcing {
    announcement: Announcement,
    id: ResourceId,
    name: &'static str,
    access: Access,
    at: &'static Location<'static>,
}

impl Announcing {
    #[inline]
    pub(super) fn new(
        id: ResourceId,
        name: &'static str,
        access: Access,
        at: &'static Location<'static>,
    ) -> Self {
        Self { announcement: Announcement::default(), id, name, access, at }
    }
}

impl Future for Announcing {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { ref mut announcement, ref id, name, access, at } = *self;
        announcement.poll(cx, id, name, access, at)
    }
}

pin_project! {
    /// A future that waits in a queue, where its place keeps others from what they wait for. To leave the queue before
    /// its end is an operation, for it lets them pass.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub(super) struct Queued<F> {
        #[pin]
        inner: F,
        id: ResourceId,
        name: &'static str,
        waits: bool,
    }

    impl<F> PinnedDrop for Queued<F> {
        fn drop(this: Pin<&mut Self>) {
            if this.waits {
                this.id.touch(this.name, Access::Release, None);
            }
        }
    }
}

impl<F: Future> Queued<F> {
    #[inline]
    pub(super) fn new(id: ResourceId, name: &'static str, inner: F) -> Self {
        Self { inner, id, name, waits: false }
    }
}

impl<F: Future> Future for Queued<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        // So it stays if the future panics.
        *this.waits = true;
        let poll = this.inner.poll(cx);
        *this.waits = poll.is_pending();
        poll
    }
}

/// Says that the task that made it holds something, until it is dropped. To be dropped before what gives it back.
#[derive(Debug)]
pub(super) struct Held {
    id: ResourceId,
    name: &'static str,
}

impl Held {
    #[inline]
    pub(super) fn new(id: ResourceId, name: &'static str, at: Option<&'static Location<'static>>) -> Self {
        id.acquired(name, at);
        Self { id, name }
    }

    /// Part of it is given back, and the rest is still held: an operation.
    #[inline]
    pub(super) fn shrinks(&self) {
        self.id.touch(self.name, Access::Release, None);
    }

    /// It is not held any more, which nobody can notice.
    #[inline]
    pub(super) fn forget(self) {
        self.id.forgotten();
        std::mem::forget(self);
    }
}

impl Drop for Held {
    #[inline]
    fn drop(&mut self) {
        self.id.released(self.name);
    }
}

/// Whether a run is under way on this thread, so that to block it would be to wait for ever.
pub(super) fn inside_run() -> bool {
    crate::engine::context::running()
}

/// A method that blocks the thread has nothing to return yet, and inside of a run nobody could give it anything.
///
/// `thing` says what it waits for, `instead` what to write.
#[cold]
#[track_caller]
pub(super) fn would_wait(method: &str, thing: &str, instead: &str) -> ! {
    panic!("`{method}` would wait for {thing}, and no other task can run meanwhile; use `{instead}`")
}
