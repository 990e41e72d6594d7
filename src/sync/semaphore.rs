//! The semaphore and its permits.
//!
//! # Invariants
//! The permits are tokio's own. Those of a guard are returned after the return was recorded.

use std::fmt;
use std::future::Future;
use std::mem;
use std::ops::Deref;
use std::panic::Location;
use std::ptr;
use std::sync::Arc;

use timeloop_sim::Access;
use tokio::sync::{AcquireError, Semaphore as TokioSemaphore, TryAcquireError};

use super::permits::{AcquireKind, Permits};
use crate::engine::Fact;
use crate::engine::announce::ResourceId;

/// Acquires a semaphore's permits.
struct Acquiring;

impl AcquireKind for Acquiring {
    const NAME: &'static str = "semaphore";
    const ACCESS: Access = Access::Acquire;
}

/// A counting semaphore: tokio's, announcing its operations.
///
/// Tasks acquire permits in the order in which they ask for them. Requests for few permits do not overtake a request
/// for many.
///
/// ```
/// use std::rc::Rc;
/// use std::time::Duration;
/// use timeloop::sync::Semaphore;
/// use timeloop::time::{Instant, sleep};
///
/// let elapsed = timeloop::run(1, || async {
///     let start = Instant::now();
///     let two_at_a_time = Rc::new(Semaphore::new(2));
///     let tasks: Vec<_> = (0..6)
///         .map(|_| {
///             let two_at_a_time = Rc::clone(&two_at_a_time);
///             timeloop::spawn(async move {
///                 let _permit = two_at_a_time.acquire().await.unwrap();
///                 sleep(Duration::from_secs(1)).await;
///             })
///         })
///         .collect();
///     for task in tasks {
///         task.await.unwrap();
///     }
///     start.elapsed()
/// });
/// assert_eq!(elapsed.unwrap(), Duration::from_secs(3));
/// ```
pub struct Semaphore {
    permits: Permits,
}

impl Semaphore {
    /// The maximum number of permits that a semaphore can have.
    pub const MAX_PERMITS: usize = TokioSemaphore::MAX_PERMITS;

    /// Creates a semaphore with `permits` permits.
    ///
    /// # Panics
    /// If `permits` is more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    #[track_caller]
    pub fn new(permits: usize) -> Self {
        Self { permits: Permits::new(ResourceId::new(), permits) }
    }

    /// Creates a semaphore at compile time, for a `static`.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    #[track_caller]
    pub const fn const_new(permits: usize) -> Self {
        Self { permits: Permits::new(ResourceId::const_new(), permits) }
    }

    /// Returns the number of permits that are available now.
    #[track_caller]
    pub fn available_permits(&self) -> usize {
        self.permits.id.action(Acquiring::NAME, Access::Read).touch();
        self.permits.inner.available_permits()
    }

    /// Adds `n` permits. Waiting tasks receive them first.
    ///
    /// # Panics
    /// If the semaphore would have more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    #[inline]
    #[track_caller]
    pub fn add_permits(&self, n: usize) {
        self.permits.id.action(Acquiring::NAME, Access::Release).touch();
        self.permits.change_existing(|exist| exist.saturating_add(n));
        self.permits.inner.add_permits(n);
    }

    /// Removes up to `n` available permits for good. Returns how many it removed.
    #[track_caller]
    pub fn forget_permits(&self, n: usize) -> usize {
        self.permits.id.action(Acquiring::NAME, Access::Acquire).touch();
        let forgotten = self.permits.inner.forget_permits(n);
        self.permits.change_existing(|exist| exist.saturating_sub(forgotten));
        forgotten
    }

    /// Acquires a permit, waiting while there is none. Fails if the semaphore is closed.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future only gives up its place in the queue.
    #[inline]
    #[track_caller]
    pub fn acquire(&self) -> impl Future<Output = Result<SemaphorePermit<'_>, AcquireError>> {
        self.acquire_many(1)
    }

    /// Acquires `n` permits at once, waiting until there are enough. Fails if the semaphore is closed.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, as [`acquire`](Self::acquire) is.
    #[inline]
    #[track_caller]
    pub fn acquire_many(&self, n: u32) -> impl Future<Output = Result<SemaphorePermit<'_>, AcquireError>> {
        let at = Location::caller();
        let permit =
            move |taken: Result<(), _>| taken.map(|()| SemaphorePermit(Taken::new(self, n as usize)));
        self.permits.take::<Acquiring, _>(n, at, permit)
    }

    /// Acquires a permit if there is one and no task waits for it.
    #[inline]
    #[track_caller]
    pub fn try_acquire(&self) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// Acquires `n` permits if there are enough and no task waits for them.
    #[inline]
    #[track_caller]
    pub fn try_acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.permits.try_take::<Acquiring>(n, Location::caller())?;
        Ok(SemaphorePermit(Taken::new(self, n as usize)))
    }

    /// Acquires a permit from synchronous code. Outside a run, blocks the thread until there is one.
    ///
    /// # Panics
    /// In a task, unless it is in `spawn_blocking` or `block_in_place`. Outside a run, if called within a tokio runtime.
    #[track_caller]
    pub fn blocking_acquire(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.take_blocking(1, "blocking_acquire", "acquire().await")?;
        Ok(SemaphorePermit(Taken::new(self, 1)))
    }

    /// Acquires `n` permits from synchronous code. Outside a run, blocks the thread until there are enough.
    ///
    /// # Panics
    /// In a task, unless it is in `spawn_blocking` or `block_in_place`. Outside a run, if called within a tokio runtime.
    #[track_caller]
    pub fn blocking_acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.take_blocking(n, "blocking_acquire_many", "acquire_many(…).await")?;
        Ok(SemaphorePermit(Taken::new(self, n as usize)))
    }

    /// Acquires as [`acquire`](Self::acquire) does, and returns a permit that keeps the semaphore alive.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, as `acquire` is.
    #[track_caller]
    pub fn acquire_owned(
        self: Arc<Self>,
    ) -> impl Future<Output = Result<OwnedSemaphorePermit, AcquireError>> {
        self.acquire_many_owned(1)
    }

    /// Acquires as [`acquire_many`](Self::acquire_many) does, and returns a permit that keeps the semaphore alive.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, as `acquire_many` is.
    #[track_caller]
    pub fn acquire_many_owned(
        self: Arc<Self>,
        n: u32,
    ) -> impl Future<Output = Result<OwnedSemaphorePermit, AcquireError>> {
        let at = Location::caller();
        async move {
            self.permits.take::<Acquiring, _>(n, at, |taken| taken).await?;
            Ok(OwnedSemaphorePermit(Taken::new(self, n as usize)))
        }
    }

    /// Acquires as [`try_acquire`](Self::try_acquire) does, and returns a permit that keeps the semaphore alive.
    #[track_caller]
    pub fn try_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.try_acquire_many_owned(1)
    }

    /// Acquires as [`try_acquire_many`](Self::try_acquire_many) does, and returns a permit that keeps the semaphore
    /// alive.
    #[track_caller]
    pub fn try_acquire_many_owned(self: Arc<Self>, n: u32) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.permits.try_take::<Acquiring>(n, Location::caller())?;
        Ok(OwnedSemaphorePermit(Taken::new(self, n as usize)))
    }

    /// Acquires as [`blocking_acquire`](Self::blocking_acquire) does, and returns a permit that keeps the semaphore
    /// alive.
    ///
    /// # Panics
    /// As `blocking_acquire`.
    #[track_caller]
    pub fn blocking_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.take_blocking(1, "blocking_acquire_owned", "acquire_owned().await")?;
        Ok(OwnedSemaphorePermit(Taken::new(self, 1)))
    }

    /// Acquires as [`blocking_acquire_many`](Self::blocking_acquire_many) does, and returns a permit that keeps the
    /// semaphore alive.
    ///
    /// # Panics
    /// As `blocking_acquire_many`.
    #[track_caller]
    pub fn blocking_acquire_many_owned(
        self: Arc<Self>,
        n: u32,
    ) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.take_blocking(n, "blocking_acquire_many_owned", "acquire_many_owned(…).await")?;
        Ok(OwnedSemaphorePermit(Taken::new(self, n as usize)))
    }

    /// Closes the semaphore: waiting and later requests fail.
    #[track_caller]
    pub fn close(&self) {
        self.permits.id.action(Acquiring::NAME, Access::Write).touch();
        self.permits.id.learn(|| Fact::Closed);
        self.permits.inner.close();
    }

    /// Returns whether the semaphore is closed.
    #[track_caller]
    pub fn is_closed(&self) -> bool {
        self.permits.id.action(Acquiring::NAME, Access::Read).touch();
        self.permits.inner.is_closed()
    }

    #[track_caller]
    fn take_blocking(&self, n: u32, method: &str, instead: &str) -> Result<(), AcquireError> {
        let thing = if n == 1 { "a permit that is taken" } else { "permits that are taken" };
        self.permits.take_blocking::<Acquiring>(n, Location::caller(), [method, thing, instead])
    }
}

/// Formatting is not recorded as an operation.
impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.permits.inner.fmt(f)
    }
}

/// Acquired permits, and the semaphore that they belong to. Dropping this returns the permits.
struct Taken<O: Deref<Target = Semaphore>> {
    semaphore: O,
    permits: usize,
}

/// A value of `permits` that marks permits that are never returned.
const FORGOTTEN: usize = usize::MAX;

impl<O: Deref<Target = Semaphore>> Taken<O> {
    #[inline]
    fn new(semaphore: O, permits: usize) -> Self {
        Self { semaphore, permits }
    }

    /// Removes the permits for good. Other tasks cannot observe this.
    fn forget(mut self) {
        let permits = mem::replace(&mut self.permits, FORGOTTEN);
        self.semaphore.permits.id.forgotten(permits);
        self.semaphore.permits.change_existing(|exist| exist.saturating_sub(permits));
    }

    #[track_caller]
    fn merge(&mut self, mut other: Self) {
        let is_same = ptr::eq(&*self.semaphore, &*other.semaphore);
        assert!(is_same, "merging permits from different semaphore instances");
        self.permits = self.permits.checked_add(other.permits).expect("number of permits overflowed");
        other.permits = FORGOTTEN;
    }

    fn split(&mut self, n: usize) -> Option<Self>
    where
        O: Clone,
    {
        self.permits = self.permits.checked_sub(n)?;
        Some(Self::new(self.semaphore.clone(), n))
    }
}

impl<O: Deref<Target = Semaphore>> Drop for Taken<O> {
    #[inline]
    fn drop(&mut self) {
        if self.permits != FORGOTTEN {
            self.semaphore.permits.release::<Acquiring>(self.permits);
        }
    }
}

/// Defines tokio's permit type `$Permit` over an owner of type `$owner`. Its method `semaphore` returns `&$semaphore`.
macro_rules! permit {
    ($(#[$attribute:meta])* $Permit:ident $(<$lifetime:lifetime>)?, $owner:ty, $semaphore:ty) => {
        $(#[$attribute])*
        #[must_use]
        #[clippy::has_significant_drop]
        pub struct $Permit$(<$lifetime>)?(Taken<$owner>);

        impl$(<$lifetime>)? $Permit$(<$lifetime>)? {
            /// Drops the permit without returning it to the semaphore. Other tasks cannot observe this, so it is not an
            /// operation.
            pub fn forget(self) {
                self.0.forget();
            }

            /// Adds the permits of `other` to these.
            ///
            /// # Panics
            /// If they belong to different semaphores.
            #[track_caller]
            pub fn merge(&mut self, other: Self) {
                self.0.merge(other.0);
            }

            /// Splits `n` permits off, or returns `None` if there are fewer.
            pub fn split(&mut self, n: usize) -> Option<Self> {
                self.0.split(n).map(Self)
            }

            /// Returns the semaphore that the permits belong to.
            pub fn semaphore(&self) -> &$semaphore {
                &self.0.semaphore
            }

            /// Returns the number of permits.
            pub fn num_permits(&self) -> usize {
                self.0.permits
            }
        }

        impl$(<$lifetime>)? fmt::Debug for $Permit$(<$lifetime>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let (semaphore, permits) = (self.semaphore(), self.num_permits());
                f.debug_struct(stringify!($Permit)).field("sem", semaphore).field("permits", &permits).finish()
            }
        }
    };
}

permit! {
    /// Holds permits of a [`Semaphore`], and returns them when dropped.
    SemaphorePermit<'a>, &'a Semaphore, Semaphore
}

permit! {
    /// Holds permits of a [`Semaphore`], keeps it alive, and returns the permits when dropped.
    OwnedSemaphorePermit, Arc<Semaphore>, Arc<Semaphore>
}
