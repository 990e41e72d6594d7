//! What locks and semaphores are made of: tokio's own semaphore, which announces what is done to it.
//!
//! Always true: who waits, who is next and what a cancelled wait leaves behind is tokio's own doing; whoever waits in the
//! queue and is dropped says so before others move up.

use std::future::Future;
use std::marker::PhantomData;
use std::mem;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use timeloop_sim::Access;
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit, TryAcquireError};

use super::announcing::{inside_run, would_wait};
use super::blocking::{at_once, block_on};
use crate::engine::announce::{Announcement, Begun, ResourceId};

/// What it is to take permits.
pub(super) trait Way {
    /// What reports call what they are taken of.
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

    /// Waits for `n` permits; then gives what `then` makes of that.
    #[inline]
    pub(super) fn take<W: Way, T>(
        &self,
        n: u32,
        at: &'static Location<'static>,
        then: impl Fn(Result<(), AcquireError>) -> T,
    ) -> impl Future<Output = T> {
        let waiting = self.inner.acquire_many(n);
        let (announcement, queued) = (Announcement::default(), false);
        Taking { waiting, announcement, permits: self, at, n, queued, then, way: PhantomData::<fn() -> W> }
    }

    /// Takes `n` permits, if there are as many and nobody waits for them.
    #[inline]
    pub(super) fn try_take<W: Way>(
        &self,
        n: u32,
        at: &'static Location<'static>,
    ) -> Result<(), TryAcquireError> {
        self.id.touch(W::NAME, W::ACCESS, Some(at));
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
        [method, thing, instead]: [&str; 3],
    ) -> Result<(), AcquireError> {
        let taking = self.inner.acquire_many(n);
        if inside_run() {
            self.id.touch(W::NAME, W::ACCESS, Some(at));
            // Not `unwrap_or_else`: in a closure the panic would name a line of this file.
            match at_once(taking) {
                Some(taken) => taken?.forget(),
                None => would_wait(method, thing, instead),
            }
        } else {
            block_on(taking)?.forget();
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
    // Made by hand, and to be awaited where it was made: what an async block would keep, and a move of it, cost more than
    // all the rest.
    struct Taking<'a, W: Way, F, T> {
        #[pin]
        waiting: F,
        announcement: Announcement,
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
                let begun = this.announcement.begin();
                if let Begun::Heard = begun {
                    ready!(this.announcement.poll(cx, &permits.id, W::NAME, W::ACCESS, at));
                }
                // What is free need not be waited for. To look first is cheaper than to try in vain.
                if !matches!(begun, Begun::Outside)
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
            permits.id.acquired(W::NAME, Some(at));
        })))
    }
}
