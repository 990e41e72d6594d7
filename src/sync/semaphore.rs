//! The semaphore.
//!
//! Always true: the permits are tokio's own; those of a guard are given back after that was announced.
#![expect(unsafe_code, reason = "a permit that keeps its semaphore alive")]

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::ptr;
use std::sync::Arc;

use timeloop_sim::Access;
use tokio::sync::{AcquireError, Semaphore as Permits, SemaphorePermit as Taken, TryAcquireError};

use super::announcing::{Held, Named, inside_run, queue, would_wait};
use super::blocking::{at_once, block_on};
use super::guard::Unborrow;
use crate::engine::announce::ResourceId;

/// What reports call it.
const NAME: &str = <Taken<'static> as Named>::NAME;

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
    id: ResourceId,
    permits: Permits,
}

impl Semaphore {
    /// The most permits that a semaphore can have.
    pub const MAX_PERMITS: usize = Permits::MAX_PERMITS;

    /// A semaphore with this many permits.
    ///
    /// # Panics
    /// If that is more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    #[track_caller]
    pub fn new(permits: usize) -> Self {
        Self { id: ResourceId::new(), permits: Permits::new(permits) }
    }

    /// The same at compile time, for a `static`.
    ///
    /// # Panics
    /// As [`new`](Self::new) does.
    #[track_caller]
    pub const fn const_new(permits: usize) -> Self {
        Self { id: ResourceId::const_new(), permits: Permits::const_new(permits) }
    }

    /// How many permits there are to be taken now.
    #[track_caller]
    pub fn available_permits(&self) -> usize {
        self.id.touch(NAME, Access::Read, Some(Location::caller()));
        self.permits.available_permits()
    }

    /// Adds `n` permits, for those that wait first.
    ///
    /// # Panics
    /// If there are more than [`MAX_PERMITS`](Self::MAX_PERMITS) then.
    #[track_caller]
    pub fn add_permits(&self, n: usize) {
        self.id.touch(NAME, Access::Release, Some(Location::caller()));
        self.permits.add_permits(n);
    }

    /// Takes up to `n` permits away for good; returns how many there were to be taken.
    #[track_caller]
    pub fn forget_permits(&self, n: usize) -> usize {
        self.id.touch(NAME, Access::Acquire, Some(Location::caller()));
        self.permits.forget_permits(n)
    }

    /// Waits for a permit; fails when the semaphore is closed.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a wait that is dropped loses its place in the queue, and nothing else.
    #[track_caller]
    pub fn acquire(&self) -> impl Future<Output = Result<SemaphorePermit<'_>, AcquireError>> {
        self.acquire_many(1)
    }

    /// Waits for `n` permits, which it gets all at once; fails when the semaphore is closed.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, as [`acquire`](Self::acquire) is.
    #[track_caller]
    pub fn acquire_many(&self, n: u32) -> impl Future<Output = Result<SemaphorePermit<'_>, AcquireError>> {
        let at = Location::caller();
        async move {
            let taken = queue!(&self.id, NAME, Access::Acquire, at, self.permits.acquire_many(n))?;
            Ok(self.permit(taken, at))
        }
    }

    /// Takes a permit, if there is one and nobody waits for it.
    #[track_caller]
    pub fn try_acquire(&self) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// Takes `n` permits, if there are as many and nobody waits for them.
    #[track_caller]
    pub fn try_acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        let at = Location::caller();
        let taken = self.try_take(n, at)?;
        Ok(self.permit(taken, at))
    }

    /// Takes a permit without waiting; outside of a run the thread may have to wait.
    ///
    /// # Panics
    /// In a run, if there is none to be taken. Outside, in one of tokio's runtimes.
    #[track_caller]
    pub fn blocking_acquire(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        let at = Location::caller();
        let taken = self.take_blocking(1, "blocking_acquire", "acquire().await", at)?;
        Ok(self.permit(taken, at))
    }

    /// Takes `n` permits without waiting; outside of a run the thread may have to wait.
    ///
    /// # Panics
    /// In a run, if there are not as many to be taken. Outside, in one of tokio's runtimes.
    #[track_caller]
    pub fn blocking_acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, AcquireError> {
        let at = Location::caller();
        let taken = self.take_blocking(n, "blocking_acquire_many", "acquire_many(…).await", at)?;
        Ok(self.permit(taken, at))
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
            let taken = queue!(&self.id, NAME, Access::Acquire, at, self.permits.acquire_many(n))?;
            // SAFETY: the permit owns the semaphore.
            let taken = unsafe { taken.unborrow() };
            Ok(self.owned_permit(taken, at))
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
        let at = Location::caller();
        // SAFETY: the permit owns the semaphore.
        let taken = unsafe { self.try_take(n, at)?.unborrow() };
        Ok(self.owned_permit(taken, at))
    }

    /// As [`blocking_acquire`](Self::blocking_acquire), with a permit that keeps the semaphore alive.
    ///
    /// # Panics
    /// As `blocking_acquire` does.
    #[track_caller]
    pub fn blocking_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, AcquireError> {
        let at = Location::caller();
        let taken = self.take_blocking(1, "blocking_acquire_owned", "acquire_owned().await", at)?;
        // SAFETY: the permit owns the semaphore.
        let taken = unsafe { taken.unborrow() };
        Ok(self.owned_permit(taken, at))
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
        let at = Location::caller();
        let taken =
            self.take_blocking(n, "blocking_acquire_many_owned", "acquire_many_owned(…).await", at)?;
        // SAFETY: the permit owns the semaphore.
        let taken = unsafe { taken.unborrow() };
        Ok(self.owned_permit(taken, at))
    }

    /// Closes it: whoever waits, or asks from now on, gets an error instead of permits.
    #[track_caller]
    pub fn close(&self) {
        self.id.touch(NAME, Access::Write, Some(Location::caller()));
        self.permits.close();
    }

    /// Whether it is closed.
    #[track_caller]
    pub fn is_closed(&self) -> bool {
        self.id.touch(NAME, Access::Read, Some(Location::caller()));
        self.permits.is_closed()
    }

    #[inline]
    fn try_take(&self, n: u32, at: &'static Location<'static>) -> Result<Taken<'_>, TryAcquireError> {
        self.id.touch(NAME, Access::Acquire, Some(at));
        self.permits.try_acquire_many(n)
    }

    #[track_caller]
    fn take_blocking(
        &self,
        n: u32,
        method: &str,
        instead: &str,
        at: &'static Location<'static>,
    ) -> Result<Taken<'_>, AcquireError> {
        let taking = self.permits.acquire_many(n);
        if !inside_run() {
            return block_on(taking);
        }
        self.id.touch(NAME, Access::Acquire, Some(at));
        let thing = if n == 1 { "a permit that is taken" } else { "permits that are taken" };
        at_once(taking).unwrap_or_else(|| would_wait(method, thing, instead))
    }

    #[inline]
    fn permit<'a>(&'a self, taken: Taken<'a>, at: &'static Location<'static>) -> SemaphorePermit<'a> {
        SemaphorePermit { held: Held::new(&self.id, at), taken, semaphore: self }
    }

    #[inline]
    fn owned_permit(
        self: Arc<Self>,
        taken: Taken<'static>,
        at: &'static Location<'static>,
    ) -> OwnedSemaphorePermit {
        // SAFETY: the permit owns the semaphore.
        let id: &'static ResourceId = unsafe { &*ptr::from_ref(&self.id) };
        OwnedSemaphorePermit { held: Held::new(id, at), taken, semaphore: self }
    }
}

/// To look at it this way is no operation.
impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.permits.fmt(f)
    }
}

/// Holds permits of a [`Semaphore`], and gives them back when it is dropped.
// The order of the fields is the order in which they are dropped.
#[must_use]
#[clippy::has_significant_drop]
pub struct SemaphorePermit<'a> {
    held: Held<'a, Taken<'a>>,
    taken: Taken<'a>,
    semaphore: &'a Semaphore,
}

impl SemaphorePermit<'_> {
    /// Never gives the permits back. Nobody can notice, which makes it no operation.
    pub fn forget(self) {
        self.held.forget();
        self.taken.forget();
    }

    /// Adds another's permits to these.
    ///
    /// # Panics
    /// If they belong to another semaphore.
    #[track_caller]
    pub fn merge(&mut self, other: Self) {
        let Self { held, taken, semaphore: _ } = other;
        self.taken.merge(taken);
        held.forget();
    }

    /// Splits `n` permits off, if there are as many.
    #[track_caller]
    pub fn split(&mut self, n: usize) -> Option<Self> {
        let taken = self.taken.split(n)?;
        Some(self.semaphore.permit(taken, Location::caller()))
    }

    /// The semaphore that they belong to.
    pub fn semaphore(&self) -> &Semaphore {
        self.semaphore
    }

    /// How many they are.
    pub fn num_permits(&self) -> usize {
        self.taken.num_permits()
    }
}

impl fmt::Debug for SemaphorePermit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.taken.fmt(f)
    }
}

/// Holds permits of a [`Semaphore`], which it keeps alive, and gives them back when it is dropped.
// The order of the fields is the order in which they are dropped.
#[must_use]
#[clippy::has_significant_drop]
pub struct OwnedSemaphorePermit {
    held: Held<'static, Taken<'static>>,
    taken: Taken<'static>,
    semaphore: Arc<Semaphore>,
}

impl OwnedSemaphorePermit {
    /// Never gives the permits back. Nobody can notice, which makes it no operation.
    pub fn forget(self) {
        self.held.forget();
        self.taken.forget();
    }

    /// Adds another's permits to these.
    ///
    /// # Panics
    /// If they belong to another semaphore.
    #[track_caller]
    pub fn merge(&mut self, other: Self) {
        // The other's semaphore stays until its permits are given back or taken over.
        let Self { held, taken, semaphore: _semaphore } = other;
        self.taken.merge(taken);
        held.forget();
    }

    /// Splits `n` permits off, if there are as many.
    #[track_caller]
    pub fn split(&mut self, n: usize) -> Option<Self> {
        let taken = self.taken.split(n)?;
        Some(Arc::clone(&self.semaphore).owned_permit(taken, Location::caller()))
    }

    /// The semaphore that they belong to.
    pub fn semaphore(&self) -> &Arc<Semaphore> {
        &self.semaphore
    }

    /// How many they are.
    pub fn num_permits(&self) -> usize {
        self.taken.num_permits()
    }
}

impl fmt::Debug for OwnedSemaphorePermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (semaphore, permits) = (&self.semaphore, self.num_permits());
        f.debug_struct("OwnedSemaphorePermit").field("sem", semaphore).field("permits", &permits).finish()
    }
}
