//! What locks and semaphores are made of: tokio's own semaphore, which announces what is done to it.
//!
//! # Invariants
//! - tokio decides who waits, who is next and what a cancelled wait leaves behind.
//! - A wait that is dropped in the queue is recorded before others move up.
//! - Permits that are given back are recorded before those who wait for them wake.

use std::future::Future;
use std::marker::PhantomData;
use std::mem;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use timeloop_sim::Access;
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit, TryAcquireError};

use super::blocking::{at_once, block_on};
use crate::engine::announce::{Action, Attempt, ResourceId};

/// A way to take permits.
pub(super) trait Way {
    /// What reports call the thing that has the permits.
    const NAME: &'static str;
    const ACCESS: Access;
}

/// Permits to be taken.
pub(super) struct Permits {
    pub(super) id: ResourceId,
    pub(super) inner: Semaphore,
}

impl Permits {
    #[track_caller]
    pub(super) const fn new(id: ResourceId, permits: usize) -> Self {
        Self { id, inner: Semaphore::const_new(permits) }
    }

    /// Describes taking permits.
    #[inline(always)]
    fn taking<W: Way>(&self, at: &'static Location<'static>) -> Action<'_> {
        Action { id: &self.id, name: W::NAME, access: W::ACCESS, at }
    }

    /// Waits for `n` permits; then returns what `then` makes of that.
    #[inline]
    pub(super) fn take<W: Way, T>(
        &self,
        n: u32,
        at: &'static Location<'static>,
        then: impl Fn(Result<(), AcquireError>) -> T,
    ) -> impl Future<Output = T> {
        let waiting = self.inner.acquire_many(n);
        let (attempt, queued) = (Attempt::default(), false);
        Taking { waiting, attempt, permits: self, at, n, queued, then, way: PhantomData::<fn() -> W> }
    }

    /// Takes `n` permits, if there are as many and nobody waits for them.
    #[inline]
    pub(super) fn try_take<W: Way>(
        &self,
        n: u32,
        at: &'static Location<'static>,
    ) -> Result<(), TryAcquireError> {
        self.taking::<W>(at).touch();
        self.inner.try_acquire_many(n)?.forget();
        self.id.acquired(W::NAME, Some(at));
        Ok(())
    }

    /// Takes `n` permits without waiting; outside of a run the thread may have to wait.
    ///
    /// # Panics
    /// In a run, if there are not as many; in these words: what waits for what, and what to write instead. Outside, in one
    /// of tokio's runtimes.
    #[track_caller]
    pub(super) fn take_blocking<W: Way>(
        &self,
        n: u32,
        at: &'static Location<'static>,
        words: [&str; 3],
    ) -> Result<(), AcquireError> {
        let taking = || self.inner.acquire_many(n);
        match at_once(taking, self.taking::<W>(at), words) {
            Some(taken) => taken?.forget(),
            None => block_on(taking())?.forget(),
        }
        self.id.acquired(W::NAME, Some(at));
        Ok(())
    }

    /// Gives `n` permits back that somebody holds.
    #[inline]
    pub(super) fn give_back<W: Way>(&self, n: usize) {
        self.id.released(W::NAME);
        self.inner.add_permits(n);
    }
}

pin_project! {
    /// A wait for permits.
    // Written by hand, and to be awaited where it was made: what an async block would keep, and a move of it, cost more
    // than all the rest.
    struct Taking<'a, W: Way, F, T> {
        #[pin]
        waiting: F,
        attempt: Attempt,
        permits: &'a Permits,
        at: &'static Location<'static>,
        n: u32,
        // Whether it stands in the queue.
        queued: bool,
        then: T,
        way: PhantomData<fn() -> W>,
    }

    impl<W: Way, F, T> PinnedDrop for Taking<'_, W, F, T> {
        fn drop(this: Pin<&mut Self>) {
            if this.queued {
                this.permits.id.touch(W::NAME, Access::Release, None);
            }
        }
    }
}

impl<'a, W, F, T, R> Future for Taking<'a, W, F, T>
where
    W: Way,
    F: Future<Output = Result<SemaphorePermit<'a>, AcquireError>>,
    T: Fn(Result<(), AcquireError>) -> R,
{
    type Output = R;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let this = self.project();
        let permits: &'a Permits = this.permits;
        let at = *this.at;
        let taken = 'taken: {
            if !*this.queued {
                ready!(this.attempt.announce(cx, permits.taking::<W>(at)));
                // What is free need not be waited for. To look first is cheaper than to try in vain.
                if !this.attempt.is_outside()
                    && permits.inner.available_permits() >= *this.n as usize
                    && let Ok(taken) = permits.inner.try_acquire_many(*this.n)
                {
                    break 'taken Ok(taken);
                }
                *this.queued = true;
            }
            let taken = ready!(this.waiting.poll(cx));
            *this.queued = false;
            taken
        };
        Poll::Ready((this.then)(taken.map(|taken| {
            mem::forget(taken);
            if !this.attempt.is_unrecorded() {
                permits.id.acquired(W::NAME, Some(at));
            }
        })))
    }
}
