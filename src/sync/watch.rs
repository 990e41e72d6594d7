//! A channel that keeps only the last value sent: tokio's `watch`, except for the order in which tasks wake.
//!
//! Each [`Receiver`] knows which version of the value it has seen last. [`changed`](Receiver::changed) waits for an
//! unseen version, [`borrow_and_update`](Receiver::borrow_and_update) reads the value and marks it as seen, and
//! [`borrow`](Receiver::borrow) reads it without marking. The initial value counts as seen. A value that is overwritten
//! before a receiver looks is lost to that receiver.
//!
//! Receivers wake in the order in which they began to wait, and so do senders that wait for the channel to
//! [close](Sender::closed). In tokio that order depends on a thread-local random generator (see [`sync`](super)). All
//! else is as in tokio, and a test compares the two over random sequences of operations.
//!
//! ```
//! use timeloop::sync::watch;
//!
//! let seen = timeloop::run(1, || async {
//!     let (tx, mut rx) = watch::channel("starting");
//!     timeloop::spawn(async move {
//!         tx.send("ready").unwrap();
//!     });
//!     rx.changed().await.unwrap();
//!     let state = *rx.borrow_and_update();
//!     (state, rx.changed().await.is_err()) // the sender is gone
//! });
//! assert_eq!(seen.unwrap(), ("ready", true));
//! ```

use std::fmt;
use std::mem;
use std::ops::Deref;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError};

use timeloop_sim::{Access, ResourceKind};
use tokio::sync::Notify;

use super::channel::{Half, Handles};
use crate::engine::CameOut;
use crate::engine::announce::{self, Action, ResourceId};

/// Error types: tokio's own.
pub mod error {
    pub use tokio::sync::watch::error::{RecvError, SendError};
}

use error::{RecvError, SendError};

const NAME: &str = "watch channel";

/// The part of a channel that is its value.
const VALUE: u64 = 3;

/// The borrows of a channel's value by tasks of runs, for reading or for changing it.
struct Borrows {
    id: ResourceId,
    count: AtomicUsize,
}

/// A borrow of the value while user code runs.
struct Borrow<'a> {
    /// `None` outside of runs.
    of: Option<&'a Borrows>,
}

impl<'a> Borrow<'a> {
    #[inline]
    fn begin(of: &'a Borrows, at: &'static Location<'static>) -> Self {
        if !of.id.acquired_part(VALUE, "value of a watch channel", at) {
            return Self { of: None };
        }
        of.count.fetch_add(1, Ordering::Relaxed);
        Self { of: Some(of) }
    }
}

impl Drop for Borrow<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(of) = self.of {
            of.count.fetch_sub(1, Ordering::Relaxed);
            of.id.forgotten_part(VALUE);
        }
    }
}

/// The state shared by both halves.
struct Shared<T> {
    id: ResourceId,
    value: RwLock<T>,
    borrows: Borrows,
    /// How many times the value has changed. Changes only under the value's write lock.
    version: AtomicUsize,
    /// Set when the last sender is dropped.
    closed: AtomicBool,
    senders: AtomicUsize,
    receivers: AtomicUsize,
    /// Signals that the value has changed, or that the last sender was dropped.
    changed: Notify,
    /// Signals that the last receiver was dropped.
    abandoned: Notify,
}

impl<T> Shared<T> {
    // Other users never see the value's lock poisoned: as in tokio, a panic in a closure only reaches its caller.

    #[inline]
    fn read(&self, at: &'static Location<'static>) -> (RwLockReadGuard<'_, T>, Borrow<'_>) {
        let value = self.value.try_read().unwrap_or_else(|error| match error {
            TryLockError::Poisoned(value) => value.into_inner(),
            TryLockError::WouldBlock => {
                self.will_block(Access::Read, at);
                self.value.read().unwrap_or_else(PoisonError::into_inner)
            }
        });
        (value, Borrow::begin(&self.borrows, at))
    }

    /// Locks the value for a change. While user code runs, the caller must [`Borrow`] it.
    #[inline]
    fn write(&self, at: &'static Location<'static>) -> RwLockWriteGuard<'_, T> {
        self.value.try_write().unwrap_or_else(|error| match error {
            TryLockError::Poisoned(value) => value.into_inner(),
            TryLockError::WouldBlock => {
                self.will_block(Access::Send, at);
                self.value.write().unwrap_or_else(PoisonError::into_inner)
            }
        })
    }

    /// Fails the run if the value is borrowed by a task of the run: no other task can run while the thread is blocked.
    #[cold]
    fn will_block(&self, access: Access, at: &'static Location<'static>) {
        if self.borrows.count.load(Ordering::Relaxed) > 0 {
            announce::blocks_thread(&self.id, &self.id.part(VALUE), NAME, access, at);
        }
    }

    #[track_caller]
    fn touch(&self, access: Access) {
        self.id.action(NAME, access).touch();
    }

    fn handles(&self, half: Half) -> Handles {
        let name = match half {
            Half::Sending => "senders of a watch channel",
            Half::Receiving => "receivers of a watch channel",
        };
        Handles { id: self.id, channel: NAME, name, half }
    }

    fn version(&self) -> usize {
        self.version.load(Ordering::Acquire)
    }

    fn closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn receivers(&self) -> usize {
        self.receivers.load(Ordering::Acquire)
    }

    /// Waits for a version other than `seen`, and marks it as seen. Fails if there will be none.
    async fn changed(&self, seen: &mut usize) -> Result<(), RecvError> {
        loop {
            // Created before the check, so that no change goes unnoticed between the two.
            let changed = self.changed.notified();
            // Read in this order: once the channel is closed, the version is final.
            let closed = self.closed();
            let version = self.version();
            if *seen != version {
                *seen = version;
                return Ok(());
            }
            if closed {
                self.id.came_out(CameOut::Closed);
                return Err(no_sender());
            }
            changed.await;
        }
    }

    /// Waits until there is no receiver.
    async fn abandoned(&self) {
        while self.receivers() > 0 {
            let abandoned = self.abandoned.notified();
            if self.receivers() == 0 {
                return;
            }
            // The channel may be open again by the time the task runs, hence the loop.
            abandoned.await;
        }
    }
}

/// Returns tokio's error, which has no public constructor. A closed tokio channel provides it, once.
fn no_sender() -> RecvError {
    static ERROR: OnceLock<RecvError> = OnceLock::new();
    ERROR
        .get_or_init(|| {
            let (sender, receiver) = tokio::sync::watch::channel(());
            drop(sender);
            receiver.has_changed().expect_err("the channel is closed")
        })
        .clone()
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("value", &self.value)
            .field("version", &self.version())
            .field("is_closed", &self.closed())
            .field("receivers", &self.receivers())
            .finish_non_exhaustive()
    }
}

/// Creates a channel with the initial value `init`, which counts as seen.
#[track_caller]
pub fn channel<T>(init: T) -> (Sender<T>, Receiver<T>) {
    let id = ResourceId::new_of(ResourceKind::Watch);
    let shared = Arc::new(Shared {
        id,
        value: RwLock::new(init),
        borrows: Borrows { id, count: AtomicUsize::new(0) },
        version: AtomicUsize::new(0),
        closed: AtomicBool::new(false),
        senders: AtomicUsize::new(1),
        receivers: AtomicUsize::new(1),
        changed: Notify::new(),
        abandoned: Notify::new(),
    });
    (Sender { shared: Arc::clone(&shared) }, Receiver { shared, seen: 0 })
}

/// The sending half of a [`channel`].
#[derive(Debug)]
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Creates a sender without a receiver. [`subscribe`](Self::subscribe) creates receivers.
    #[track_caller]
    pub fn new(init: T) -> Self {
        channel(init).0
    }

    /// Sends a value. If there is no receiver, returns it and changes nothing.
    #[track_caller]
    pub fn send(&self, mut value: T) -> Result<(), SendError<T>> {
        self.shared.touch(Access::Send);
        if self.shared.receivers() == 0 {
            return Err(SendError(value));
        }
        self.replace(Location::caller(), &mut value);
        Ok(())
    }

    /// Changes the value in place and notifies all receivers. Works without receivers too.
    ///
    /// # Panics
    /// If `modify` panics. Then no receiver is notified, but changes made before the panic remain.
    #[track_caller]
    pub fn send_modify<F>(&self, modify: F)
    where
        F: FnOnce(&mut T),
    {
        self.shared.touch(Access::Send);
        self.modify(Location::caller(), |value| {
            modify(value);
            true
        });
    }

    /// Changes the value in place, and notifies all receivers if `modify` returns `true`. Returns what `modify`
    /// returns.
    ///
    /// # Panics
    /// If `modify` panics. Then no receiver is notified, but changes made before the panic remain.
    #[track_caller]
    pub fn send_if_modified<F>(&self, modify: F) -> bool
    where
        F: FnOnce(&mut T) -> bool,
    {
        self.shared.touch(Access::Send);
        self.modify(Location::caller(), modify)
    }

    fn modify(&self, at: &'static Location<'static>, modify: impl FnOnce(&mut T) -> bool) -> bool {
        let mut value = self.shared.write(at);
        let borrow = Borrow::begin(&self.shared.borrows, at);
        if !modify(&mut value) {
            return false;
        }
        drop(borrow);
        self.publish(value);
        true
    }

    /// Makes a change of the value visible, and notifies all receivers.
    #[inline]
    fn publish(&self, value: RwLockWriteGuard<'_, T>) {
        // Under the lock, so that a receiver that reads the value knows its version.
        self.shared.version.fetch_add(1, Ordering::Release);
        drop(value);
        self.shared.changed.notify_waiters();
    }

    /// Sends a value, with or without receivers, and returns the previous value.
    #[track_caller]
    pub fn send_replace(&self, mut value: T) -> T {
        self.shared.touch(Access::Send);
        self.replace(Location::caller(), &mut value);
        value
    }

    fn replace(&self, at: &'static Location<'static>, value: &mut T) {
        let mut current = self.shared.write(at);
        mem::swap(&mut *current, value);
        self.publish(current);
    }

    /// Borrows the value.
    ///
    /// The value is locked until the [`Ref`] is dropped. A send blocks the thread meanwhile, for ever if the same
    /// thread holds the `Ref`. Do not hold a `Ref` across an `.await`.
    #[inline]
    #[track_caller]
    pub fn borrow(&self) -> Ref<'_, T> {
        self.shared.touch(Access::Read);
        let (value, borrow) = self.shared.read(Location::caller());
        Ref { value, has_changed: false, borrow }
    }

    /// Returns whether all receivers were dropped.
    #[track_caller]
    pub fn is_closed(&self) -> bool {
        self.shared.touch(Access::Read);
        self.shared.receivers() == 0
    }

    /// Waits until all receivers are dropped. A moment without receivers between two polls may go unnoticed.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    #[track_caller]
    pub fn closed(&self) -> impl Future<Output = ()> {
        self.shared.id.action(NAME, Access::Read).before(self.shared.abandoned())
    }

    /// Creates a receiver, for which the current value counts as seen. Reopens the channel if all receivers were
    /// dropped.
    #[track_caller]
    pub fn subscribe(&self) -> Receiver<T> {
        self.shared.touch(Access::Write);
        self.shared.handles(Half::Receiving).record_new();
        let shared = Arc::clone(&self.shared);
        shared.receivers.fetch_add(1, Ordering::Relaxed);
        let seen = shared.version();
        Receiver { shared, seen }
    }

    /// Returns the number of receivers.
    #[track_caller]
    pub fn receiver_count(&self) -> usize {
        self.shared.handles(Half::Receiving).record_count();
        self.shared.receivers()
    }

    /// Returns the number of senders.
    #[track_caller]
    pub fn sender_count(&self) -> usize {
        self.shared.handles(Half::Sending).record_count();
        self.shared.senders.load(Ordering::Relaxed)
    }

    /// Returns whether both senders belong to the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.handles(Half::Sending).record_new();
        self.shared.senders.fetch_add(1, Ordering::Relaxed);
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T: Default> Default for Sender<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let senders = &self.shared.senders;
        self.shared.handles(Half::Sending).record_drop(|| senders.load(Ordering::Relaxed) == 1);
        if self.shared.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.closed.store(true, Ordering::Release);
            self.shared.changed.notify_waiters();
        }
    }
}

/// The receiving half of a [`channel`].
#[derive(Debug)]
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    /// The version seen last, or an older number that marks the current version as unseen.
    seen: usize,
}

impl<T> Receiver<T> {
    /// Borrows the value without marking it as seen.
    ///
    /// The value is locked until the [`Ref`] is dropped: see [`Sender::borrow`].
    #[inline]
    #[track_caller]
    pub fn borrow(&self) -> Ref<'_, T> {
        self.shared.touch(Access::Read);
        let (value, borrow) = self.shared.read(Location::caller());
        let has_changed = self.seen != self.shared.version();
        Ref { value, has_changed, borrow }
    }

    /// Borrows the value and marks it as seen.
    ///
    /// The value is locked until the [`Ref`] is dropped: see [`Sender::borrow`].
    #[inline]
    #[track_caller]
    pub fn borrow_and_update(&mut self) -> Ref<'_, T> {
        self.shared.touch(Access::Read);
        let (value, borrow) = self.shared.read(Location::caller());
        let version = self.shared.version();
        let has_changed = mem::replace(&mut self.seen, version) != version;
        Ref { value, has_changed, borrow }
    }

    /// Returns whether there is an unseen value. Fails if all senders were dropped, even if there is one.
    #[track_caller]
    pub fn has_changed(&self) -> Result<bool, RecvError> {
        self.shared.touch(Access::Read);
        if self.shared.closed() { Err(no_sender()) } else { Ok(self.seen != self.shared.version()) }
    }

    /// Returns whether all senders were dropped.
    #[track_caller]
    pub fn is_closed(&self) -> bool {
        self.shared.touch(Access::Read);
        self.shared.closed()
    }

    /// Marks the value as unseen.
    pub fn mark_changed(&mut self) {
        // Backwards, so that no later version counts as seen.
        self.seen = self.seen.wrapping_sub(1);
    }

    /// Marks the value as seen.
    #[track_caller]
    pub fn mark_unchanged(&mut self) {
        self.shared.touch(Access::Read);
        self.seen = self.shared.version();
    }

    /// Waits for an unseen value, and marks it as seen. Returns at once if there is one. Fails if all senders were
    /// dropped and the last value was seen.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if the future is dropped before it returns, no value is marked as seen.
    #[track_caller]
    pub fn changed(&mut self) -> impl Future<Output = Result<(), RecvError>> {
        self.shared.id.action(NAME, Access::Read).before(self.shared.changed(&mut self.seen))
    }

    /// Waits for a value that `f` accepts, starting with the current one, and marks each value passed to `f` as seen.
    /// Fails if all senders were dropped and `f` does not accept the last value.
    ///
    /// The value is locked until the [`Ref`] is dropped: see [`Sender::borrow`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if `f` would accept a later value, the next call still finds it.
    ///
    /// # Panics
    /// If `f` panics.
    #[track_caller]
    pub fn wait_for(
        &mut self,
        f: impl FnMut(&T) -> bool,
    ) -> impl Future<Output = Result<Ref<'_, T>, RecvError>> {
        let at = Location::caller();
        async move {
            let id = self.shared.id;
            Action { id: &id, name: NAME, access: Access::Read, at }.before(self.accepted(at, f)).await
        }
    }

    async fn accepted(
        &mut self,
        at: &'static Location<'static>,
        mut f: impl FnMut(&T) -> bool,
    ) -> Result<Ref<'_, T>, RecvError> {
        let mut closed = false;
        loop {
            {
                let (value, borrow) = self.shared.read(at);
                let version = self.shared.version();
                let has_changed = mem::replace(&mut self.seen, version) != version;
                // Once closed, `f` has already seen the value, unless it is a new one.
                if (!closed || has_changed) && f(&value) {
                    return Ok(Ref { value, has_changed, borrow });
                }
            }
            if closed {
                return Err(no_sender());
            }
            closed = self.shared.changed(&mut self.seen).await.is_err();
        }
    }

    /// Returns whether both receivers belong to the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

/// The clone has seen the same version as the original.
impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.shared.handles(Half::Receiving).record_new();
        self.shared.receivers.fetch_add(1, Ordering::Relaxed);
        Self { shared: Arc::clone(&self.shared), seen: self.seen }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.shared.handles(Half::Receiving).record_drop(|| self.shared.receivers() == 1);
        if self.shared.receivers.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.abandoned.notify_waiters();
        }
    }
}

/// A borrowed value, which stays locked until this is dropped.
pub struct Ref<'a, T> {
    value: RwLockReadGuard<'a, T>,
    has_changed: bool,
    #[expect(dead_code, reason = "ends the borrow when it is dropped")]
    borrow: Borrow<'a>,
}

impl<T: fmt::Debug> fmt::Debug for Ref<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { value, has_changed, .. } = self;
        f.debug_struct("Ref").field("value", value).field("has_changed", has_changed).finish()
    }
}

impl<T> Ref<'_, T> {
    /// Returns whether the [`Receiver`] had not seen the value yet. Always `false` for a [`Sender`].
    pub fn has_changed(&self) -> bool {
        self.has_changed
    }
}

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
