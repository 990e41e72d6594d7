//! The semaphore.
//!
//! # Invariants
//! The permits are tokio's own; those of a guard are given back after that was recorded.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::panic::Location;
use std::ptr;
use std::sync::Arc;

use timeloop_sim::Access;
use tokio::sync::{AcquireError, Semaphore as Tokios, TryAcquireError};

use super::permits::{Permits, Way};
use crate::engine::announce::ResourceId;

/// The way to take a semaphore's permits.
struct Acquiring;

impl Way for Acquiring {
    const NAME: &'static str = "semaphore";
    const ACCESS: Access = Access::Acquire;
}

/// A number of permits, of which tasks take some and give them back: tokio's own, which announces what is done to it.
///
/// Tasks get permits in the order in which they ask for them: one that asks for many is not passed by those that ask
/// for few.
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
    /// The most permits that a semaphore can have.
    pub const MAX_PERMITS: usize = Tokios::MAX_PERMITS;

    /// A semaphore with this many permits.
    ///
    /// # Panics
    /// If that is more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    #[track_caller]
    pub fn new(permits: usize) -> Self {
        Self { permits: Permits::new(ResourceId::new(), permits) }
    }

    /// The same at compile time, for a `static`.
    ///
    /// # Panics
    /// As [`new`](Self::new) does.
    #[track_caller]
    pub const fn const_new(permits: usize) -> Self {
        Self { permits: Permits::new(ResourceId::const_new(), permits) }
    }

    /// How many permits there are to be taken now.
    #[track_caller]
    pub fn available_permits(&self) -> usize {
        self.permits.id.action(Acquiring::NAME, Access::Read).touch();
        self.permits.inner.available_permits()
    }

    /// Adds `n` permits, for those that wait first.
    ///
    /// # Panics
    /// If there are more than [`MAX_PERMITS`](Self::MAX_PERMITS) then.
    #[inline]
    #[track_caller]
    pub fn add_permits(&self, n: usize) {
        self.permits.id.action(Acquiring::NAME, Access::Release).touch();
        self.permits.inner.add_permits(n);
    }

    /// Takes up to `n` permits away for good; returns how many there were to be taken.
    #[track_caller]
    pub fn forget_permits(&self, n: usize) -> usize {
        self.permits.id.action(Acquiring::NAME, Access::Acquire).touch();
        self.permits.inner.forget_permits(n)
    }

    /// Waits for a permit; fails when the semaphore is closed.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a wait that is dropped loses its place in the queue, and nothing else.
    #[inline]
    #[track_caller]
    pub fn acquire(&self) -> impl Future<Output = Result<SemaphorePermit<'_>, AcquireError>> {
        self.acquire_many(1)
    }

    /// Waits for `n` permits, which it gets all at once; fails when the semaphore is closed.
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

    /// Takes a permit, if there is one and nobody waits for it.
    #[inline]
    #[track_caller]
    pub fn try_acquire(&self) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// Takes `n` permits, if there are as many and nobody waits for them.
    #[inline]
    #[track_caller]
    pub fn try_acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.permits.try_take::<Acquiring>(n, Location::caller())?;
        Ok(SemaphorePermit(Taken::new(self, n as usize)))
    }

    /// Takes a permit without waiting; outside of a run the thread may have to wait.
    ///
    /// # Panics
    /// In a run, if there is none to be taken. Outside, in one of tokio's runtimes.
    #[track_caller]
    pub fn blocking_acquire(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.take_blocking(1, "blocking_acquire", "acquire().await")?;
        Ok(SemaphorePermit(Taken::new(self, 1)))
    }

    /// Takes `n` permits without waiting; outside of a run the thread may have to wait.
    ///
    /// # Panics
    /// In a run, if there are not as many to be taken. Outside, in one of tokio's runtimes.
    #[track_caller]
    pub fn blocking_acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.take_blocking(n, "blocking_acquire_many", "acquire_many(…).await")?;
        Ok(SemaphorePermit(Taken::new(self, n as usize)))
    }

    /// As [`acquire`](Self::acquire), with a permit that keeps the semaphore alive.
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

    /// As [`acquire_many`](Self::acquire_many), with a permit that keeps the semaphore alive.
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

    /// As [`try_acquire`](Self::try_acquire), with a permit that keeps the semaphore alive.
    #[track_caller]
    pub fn try_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.try_acquire_many_owned(1)
    }

    /// As [`try_acquire_many`](Self::try_acquire_many), with a permit that keeps the semaphore alive.
    #[track_caller]
    pub fn try_acquire_many_owned(self: Arc<Self>, n: u32) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.permits.try_take::<Acquiring>(n, Location::caller())?;
        Ok(OwnedSemaphorePermit(Taken::new(self, n as usize)))
    }

    /// As [`blocking_acquire`](Self::blocking_acquire), with a permit that keeps the semaphore alive.
    ///
    /// # Panics
    /// As `blocking_acquire` does.
    #[track_caller]
    pub fn blocking_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.take_blocking(1, "blocking_acquire_owned", "acquire_owned().await")?;
        Ok(OwnedSemaphorePermit(Taken::new(self, 1)))
    }

    /// As [`blocking_acquire_many`](Self::blocking_acquire_many), with a permit that keeps the semaphore alive.
    ///
    /// # Panics
    /// As `blocking_acquire_many` does.
    #[track_caller]
    pub fn blocking_acquire_many_owned(
        self: Arc<Self>,
        n: u32,
    ) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.take_blocking(n, "blocking_acquire_many_owned", "acquire_many_owned(…).await")?;
        Ok(OwnedSemaphorePermit(Taken::new(self, n as usize)))
    }

    /// Closes it: whoever waits, or asks from now on, gets an error instead of permits.
    #[track_caller]
    pub fn close(&self) {
        self.permits.id.action(Acquiring::NAME, Access::Write).touch();
        self.permits.inner.close();
    }

    /// Whether it is closed.
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

/// Not an operation.
impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.permits.inner.fmt(f)
    }
}

/// Permits that have been taken of the semaphore that this borrows or keeps alive; gives them back when it is dropped.
struct Taken<O: Deref<Target = Semaphore>> {
    semaphore: O,
    permits: usize,
}

/// In place of a number of permits: they are never given back.
const FORGOTTEN: usize = usize::MAX;

impl<O: Deref<Target = Semaphore>> Taken<O> {
    #[inline]
    fn new(semaphore: O, permits: usize) -> Self {
        Self { semaphore, permits }
    }

    /// They are not held any more, which nobody can notice.
    fn forget(mut self) {
        self.semaphore.permits.id.forgotten();
        self.permits = FORGOTTEN;
    }

    #[track_caller]
    fn merge(&mut self, other: Self) {
        let is_same = ptr::eq(&*self.semaphore, &*other.semaphore);
        assert!(is_same, "merging permits from different semaphore instances");
        self.permits = self.permits.checked_add(other.permits).expect("number of permits overflowed");
        other.forget();
    }

    #[track_caller]
    fn split(&mut self, n: usize) -> Option<Self>
    where
        O: Clone,
    {
        self.permits = self.permits.checked_sub(n)?;
        self.semaphore.permits.id.acquired(Acquiring::NAME, Some(Location::caller()));
        Some(Self::new(self.semaphore.clone(), n))
    }
}

impl<O: Deref<Target = Semaphore>> Drop for Taken<O> {
    #[inline]
    fn drop(&mut self) {
        if self.permits != FORGOTTEN {
            self.semaphore.permits.give_back::<Acquiring>(self.permits);
        }
    }
}

/// Defines a guard of permits: tokio's `$Permit`, over an owner of the type `$owner` that it returns as `$semaphore`.
macro_rules! permit {
    ($(#[$attribute:meta])* $Permit:ident $(<$lifetime:lifetime>)?, $owner:ty, $semaphore:ty) => {
        $(#[$attribute])*
        #[must_use]
        #[clippy::has_significant_drop]
        pub struct $Permit$(<$lifetime>)?(Taken<$owner>);

        impl$(<$lifetime>)? $Permit$(<$lifetime>)? {
            /// Never gives the permits back. Nobody can notice, which makes it no operation.
            pub fn forget(self) {
                self.0.forget();
            }

            /// Adds another's permits to these.
            ///
            /// # Panics
            /// If they belong to another semaphore.
            #[track_caller]
            pub fn merge(&mut self, other: Self) {
                self.0.merge(other.0);
            }

            /// Splits `n` permits off, if there are as many.
            #[track_caller]
            pub fn split(&mut self, n: usize) -> Option<Self> {
                self.0.split(n).map(Self)
            }

            /// Returns the semaphore that they belong to.
            pub fn semaphore(&self) -> &$semaphore {
                &self.0.semaphore
            }

            /// Returns how many they are.
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
    /// Holds permits of a [`Semaphore`], and gives them back when it is dropped.
    SemaphorePermit<'a>, &'a Semaphore, Semaphore
}

permit! {
    /// Holds permits of a [`Semaphore`], which it keeps alive, and gives them back when it is dropped.
    OwnedSemaphorePermit, Arc<Semaphore>, Arc<Semaphore>
}
