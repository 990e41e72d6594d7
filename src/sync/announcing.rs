//! What the primitives of this room have in common: announcing an operation, withdrawing from a queue, and holding.
//!
//! Always true: an operation is announced right before it is done, in the same poll; whoever gave way and is dropped
//! leaves nothing behind, and whoever waited in a queue and is dropped says so before others move up; what was taken is
//! announced as released before those who wait for it hear of it.

use std::future::Future;
use std::marker::PhantomData;
use std::mem;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use timeloop_sim::Access;

use crate::engine::announce::{Announcement, ResourceId};

/// An announcement as a future of its own, to be awaited right before the operation: that follows in the same poll.
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub(super) struct Announcing<'a> {
    announcement: Announcement,
    id: &'a ResourceId,
    name: &'static str,
    access: Access,
    at: &'static Location<'static>,
}

impl<'a> Announcing<'a> {
    #[inline]
    pub(super) fn new(
        id: &'a ResourceId,
        name: &'static str,
        access: Access,
        at: &'static Location<'static>,
    ) -> Self {
        Self { announcement: Announcement::default(), id, name, access, at }
    }
}

impl Future for Announcing<'_> {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { ref mut announcement, id, name, access, at } = *self;
        announcement.poll(cx, id, name, access, at)
    }
}

/// A place in a queue, which keeps others from what they wait for. To leave it before its turn has come, when this is
/// dropped, is an operation, for it lets them pass. To be dropped before the future that waits.
#[derive(Debug)]
pub(super) struct Queued<'a> {
    id: &'a ResourceId,
    name: &'static str,
}

impl<'a> Queued<'a> {
    #[inline]
    pub(super) fn new(id: &'a ResourceId, name: &'static str) -> Self {
        Self { id, name }
    }

    /// Its turn has come.
    #[inline]
    pub(super) fn leave(self) {
        mem::forget(self);
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.id.touch(self.name, Access::Release, None);
    }
}

/// In an async block: announces an access, awaits the future that waits in a queue for it, and gives what that gives.
// Not a function, and nothing is passed by value: futures that are moved about cost more than all the rest.
macro_rules! queue {
    ($id:expr, $name:expr, $access:expr, $at:expr, $waiting:expr) => {{
        let id = $id;
        $crate::sync::announcing::Announcing::new(id, $name, $access, $at).await;
        let waiting = std::pin::pin!($waiting);
        let queued = $crate::sync::announcing::Queued::new(id, $name);
        let taken = waiting.await;
        queued.leave();
        taken
    }};
}
pub(super) use queue;

/// What reports call a thing that can be held, by the type of what holds it.
pub(super) trait Named {
    const NAME: &'static str;
}

/// Says that the task that made it holds something, until it is dropped. To be dropped before what gives it back, `L`.
///
/// No larger than need be: guards are moved about, and every move costs.
pub(super) struct Held<'a, L: Named> {
    id: &'a ResourceId,
    holds: PhantomData<fn() -> L>,
}

impl<'a, L: Named> Held<'a, L> {
    #[inline]
    pub(super) fn new(id: &'a ResourceId, at: &'static Location<'static>) -> Self {
        id.acquired(L::NAME, Some(at));
        Self { id, holds: PhantomData }
    }

    /// It is not held any more, which nobody can notice.
    #[inline]
    pub(super) fn forget(self) {
        self.id.forgotten();
        mem::forget(self);
    }
}

impl<L: Named> Drop for Held<'_, L> {
    #[inline]
    fn drop(&mut self) {
        self.id.released(L::NAME);
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
