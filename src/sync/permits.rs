//! The base of locks and semaphores: tokio's semaphore, announcing its operations.
//!
//! # Invariants
//! - tokio decides which task waits, which is next, and what a cancelled wait leaves behind.
//! - Dropping a queued wait is recorded before other tasks move up.
//! - Returning permits is recorded before the waiting tasks wake.

use std::future::Future;
use std::marker::PhantomData;
use std::mem;
use std::panic::Location;
use std::pin::Pin;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use timeloop_sim::Access;
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit, TryAcquireError};

use super::blocking::{block_on, wait};
use crate::engine::announce::{Action, Attempt, ResourceId, restore_budget};
use crate::engine::{CameOut, Fact};

/// A kind of acquisition: how reports name it, and what access it announces.
pub(super) trait AcquireKind {
    /// The name in reports of the lock or semaphore.
    const NAME: &'static str;
    const ACCESS: Access;
}

/// A semaphore's permits.
pub(super) struct Permits {
    pub(super) id: ResourceId,
    pub(super) inner: Semaphore,
    /// How many permits exist, held or not. For reports.
    exist: AtomicUsize,
}

impl Permits {
    #[track_caller]
    pub(super) const fn new(id: ResourceId, permits: usize) -> Self {
        Self { id, inner: Semaphore::const_new(permits), exist: AtomicUsize::new(permits) }
    }

    /// Describes acquiring permits.
    #[inline(always)]
    fn taking<W: AcquireKind>(&self, at: &'static Location<'static>) -> Action<'_> {
        Action { id: &self.id, name: W::NAME, access: W::ACCESS, at }
    }

    /// Waits for `n` permits, then returns `then(result)`.
    #[inline]
    pub(super) fn take<W: AcquireKind, T>(
        &self,
        n: u32,
        at: &'static Location<'static>,
        then: impl Fn(Result<(), AcquireError>) -> T,
    ) -> impl Future<Output = T> {
        let waiting = self.inner.acquire_many(n);
        let (attempt, queued) = (Attempt::default(), false);
        Taking { waiting, attempt, permits: self, at, n, queued, then, mode: PhantomData::<fn() -> W> }
    }

    /// Takes `n` permits if there are enough and no task waits for them.
    #[inline]
    pub(super) fn try_take<W: AcquireKind>(
        &self,
        n: u32,
        at: &'static Location<'static>,
    ) -> Result<(), TryAcquireError> {
        self.taking::<W>(at).touch();
        match self.inner.try_acquire_many(n) {
            Ok(taken) => taken.forget(),
            Err(error) => {
                self.id.came_out(match error {
                    TryAcquireError::Closed => CameOut::Closed,
                    TryAcquireError::NoPermits => CameOut::Failed,
                });
                return Err(error);
            }
        }
        self.id.acquired(W::NAME, n as usize, Some(at));
        Ok(())
    }

    /// Takes `n` permits from synchronous code. Outside a run, blocks the thread until there are enough.
    ///
    /// # Panics
    /// In a task that may not block. `words` gives the method, what it waits for, and what to await instead.
    /// Outside a run, if called within a tokio runtime.
    #[track_caller]
    pub(super) fn take_blocking<W: AcquireKind>(
        &self,
        n: u32,
        at: &'static Location<'static>,
        words: [&str; 3],
    ) -> Result<(), AcquireError> {
        let taking = || self.inner.acquire_many(n);
        match wait(taking, self.taking::<W>(at), words) {
            Some(taken) => taken?.forget(),
            None => block_on(taking())?.forget(),
        }
        self.id.acquired(W::NAME, n as usize, Some(at));
        Ok(())
    }

    /// Returns `n` held permits.
    #[inline]
    pub(super) fn release<W: AcquireKind>(&self, n: usize) {
        self.id.released(W::NAME, n);
        self.inner.add_permits(n);
    }

    /// Records a request that waits in the semaphore's queue, for as long as its future is in this place.
    #[cold]
    fn join_queue(&self, future: *const (), n: u32, at: &'static Location<'static>) {
        self.id.learn(|| Fact::Exist(self.exist.load(Ordering::Relaxed)));
        self.id.requested(future, n as usize, at);
    }

    /// Records that a request in the semaphore's queue was served, or that the semaphore is closed.
    #[cold]
    fn end_request(&self, future: *const (), is_closed: bool) {
        self.id.served(future);
        if is_closed {
            self.id.came_out(CameOut::Closed);
        }
    }

    /// Gives up a request that waits in the semaphore's queue.
    #[cold]
    fn leave_queue<W: AcquireKind>(&self, future: *const ()) {
        self.id.touch(W::NAME, Access::Release, None);
        self.id.served(future);
    }

    /// Counts `n` more permits, or fewer.
    pub(super) fn change_existing(&self, change: impl FnOnce(usize) -> usize) {
        let exist = change(self.exist.load(Ordering::Relaxed));
        self.exist.store(exist, Ordering::Relaxed);
        self.id.learn(|| Fact::Exist(exist));
    }
}

pin_project! {
    /// A wait for permits.
    // Written by hand and awaited where it is created: the state that an async block would keep and move dominated the
    // cost.
    struct Taking<'a, W: AcquireKind, F, T> {
        #[pin]
        waiting: F,
        attempt: Attempt,
        permits: &'a Permits,
        at: &'static Location<'static>,
        n: u32,
        // Whether it is in the semaphore's queue.
        queued: bool,
        then: T,
        mode: PhantomData<fn() -> W>,
    }

    impl<W: AcquireKind, F, T> PinnedDrop for Taking<'_, W, F, T> {
        fn drop(this: Pin<&mut Self>) {
            if this.queued {
                let future = ptr::from_ref(&this.queued).cast();
                this.permits.leave_queue::<W>(future);
            }
        }
    }
}

impl<'a, W, F, T, R> Future for Taking<'a, W, F, T>
where
    W: AcquireKind,
    F: Future<Output = Result<SemaphorePermit<'a>, AcquireError>>,
    T: Fn(Result<(), AcquireError>) -> R,
{
    type Output = R;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let this = self.project();
        let permits: &'a Permits = this.permits;
        let at = *this.at;
        let was_queued = *this.queued;
        // While it is pinned, the address identifies the request.
        let future = ptr::from_ref::<bool>(this.queued).cast();
        let taken = 'taken: {
            if !*this.queued {
                ready!(this.attempt.announce(cx, permits.taking::<W>(at)));
                // Free permits need no wait. Checking first is cheaper than a failed attempt.
                if !this.attempt.is_outside()
                    && permits.inner.available_permits() >= *this.n as usize
                    && let Ok(taken) = permits.inner.try_acquire_many(*this.n)
                {
                    break 'taken Ok(taken);
                }
                *this.queued = true;
                if this.attempt.is_recordable() {
                    permits.join_queue(future, *this.n, at);
                }
            }
            let Poll::Ready(taken) = this.waiting.poll(cx) else {
                if !was_queued {
                    restore_budget();
                }
                return Poll::Pending;
            };
            *this.queued = false;
            if this.attempt.is_recordable() {
                permits.end_request(future, taken.is_err());
            }
            taken
        };
        Poll::Ready((this.then)(taken.map(|taken| {
            mem::forget(taken);
            if this.attempt.is_recordable() {
                permits.id.acquired(W::NAME, *this.n as usize, Some(at));
            }
        })))
    }
}
