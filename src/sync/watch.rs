//! A channel that keeps only the last value sent: tokio's `watch`, but for the order in which it wakes.
//!
//! Each [`Receiver`] knows which version of the value it has seen last: [`changed`](Receiver::changed) waits for one it
//! has not, [`borrow_and_update`](Receiver::borrow_and_update) reads the value and marks it as seen,
//! [`borrow`](Receiver::borrow) reads without marking. The value that the channel is made with counts as seen. A value
//! that was overwritten before a receiver looked is gone.
//!
//! Receivers are woken in the order in which they began to wait, and so are senders that wait for the
//! channel to [close](Sender::closed). In tokio that order depends on a thread-local random generator (see
//! [`sync`](super)); all else is as in tokio, and a test compares the two over random sequences of operations.
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
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use timeloop_sim::Access;
use tokio::sync::Notify;

use super::channel::{Half, Handles};
use crate::engine::announce::{Action, ResourceId};

/// Error types: tokio's own.
pub mod error {
    pub use tokio::sync::watch::error::{RecvError, SendError};
}

use error::{RecvError, SendError};

const NAME: &str = "watch channel";

/// What both halves share.
struct Shared<T> {
    id: ResourceId,
    value: RwLock<T>,
    /// How many times the value has changed. Moves only under the value's write lock.
    version: AtomicUsize,
    /// Set when the last sender is gone.
    closed: AtomicBool,
    senders: AtomicUsize,
    receivers: AtomicUsize,
    /// The value has changed, or the last sender is gone.
    changed: Notify,
    /// The last receiver is gone.
    abandoned: Notify,
}

impl<T> Shared<T> {
    // The value's lock is never left poisoned for others: as in tokio, a panic in a closure passes to its caller alone.

    fn read(&self) -> RwLockReadGuard<'_, T> {
        self.value.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.value.write().unwrap_or_else(PoisonError::into_inner)
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

    /// Waits for a version other than `seen`, and marks it as seen; fails when there will be none.
    async fn changed(&self, seen: &mut usize) -> Result<(), RecvError> {
        loop {
            // Made before looking, so that no change falls between the two.
            let changed = self.changed.notified();
            // Read in this order: once closed, the version stands.
            let closed = self.closed();
            let version = self.version();
            if *seen != version {
                *seen = version;
                return Ok(());
            }
            if closed {
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
            // The channel may be open again when the task runs: hence the loop.
            abandoned.await;
        }
    }
}

/// tokio's error has no public constructor: a closed channel of tokio's gives one, once.
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

/// Makes a channel whose first value is `init`, which counts as seen.
#[track_caller]
pub fn channel<T>(init: T) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared {
        id: ResourceId::new(),
        value: RwLock::new(init),
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
    /// Makes the sending half alone; [`subscribe`](Self::subscribe) makes receivers.
    #[track_caller]
    pub fn new(init: T) -> Self {
        channel(init).0
    }

    /// Sends a value; gives it back, and changes nothing, when there is no receiver.
    #[track_caller]
    pub fn send(&self, mut value: T) -> Result<(), SendError<T>> {
        self.shared.touch(Access::Send);
        if self.shared.receivers() == 0 {
            return Err(SendError(value));
        }
        self.replace(&mut value);
        Ok(())
    }

    /// Changes the value in place and tells all receivers, whether or not there are any.
    ///
    /// # Panics
    /// When `modify` panics; then no receiver is told, and what it had changed by then stays changed.
    #[track_caller]
    pub fn send_modify<F>(&self, modify: F)
    where
        F: FnOnce(&mut T),
    {
        self.shared.touch(Access::Send);
        self.modify(|value| {
            modify(value);
            true
        });
    }

    /// Changes the value in place, and tells all receivers if `modify` says that it did. Returns what it said.
    ///
    /// # Panics
    /// When `modify` panics; then no receiver is told, and what it had changed by then stays changed.
    #[track_caller]
    pub fn send_if_modified<F>(&self, modify: F) -> bool
    where
        F: FnOnce(&mut T) -> bool,
    {
        self.shared.touch(Access::Send);
        self.modify(modify)
    }

    fn modify(&self, modify: impl FnOnce(&mut T) -> bool) -> bool {
        let mut value = self.shared.write();
        if !modify(&mut value) {
            return false;
        }
        // While the lock is held, so that a receiver that holds it too knows which version it reads.
        self.shared.version.fetch_add(1, Ordering::Release);
        drop(value);
        self.shared.changed.notify_waiters();
        true
    }

    /// Sends a value, whether or not there are receivers, and returns the one before.
    #[track_caller]
    pub fn send_replace(&self, mut value: T) -> T {
        self.shared.touch(Access::Send);
        self.replace(&mut value);
        value
    }

    fn replace(&self, value: &mut T) {
        self.modify(|current| {
            mem::swap(current, value);
            true
        });
    }

    /// Reads the value.
    ///
    /// The value is locked until the [`Ref`] is dropped: a send meanwhile blocks the thread, for ever if it is the thread
    /// that holds the `Ref`. So never hold one across an `.await`.
    #[track_caller]
    pub fn borrow(&self) -> Ref<'_, T> {
        self.shared.touch(Access::Read);
        Ref { value: self.shared.read(), has_changed: false }
    }

    /// Whether all receivers are gone.
    #[track_caller]
    pub fn is_closed(&self) -> bool {
        self.shared.touch(Access::Read);
        self.shared.receivers() == 0
    }

    /// Waits until all receivers are gone. One that comes and goes between two polls may go unnoticed.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    #[track_caller]
    pub fn closed(&self) -> impl Future<Output = ()> {
        self.shared.id.action(NAME, Access::Read).before(self.shared.abandoned())
    }

    /// Makes a receiver, to which the present value counts as seen. Opens the channel again if all were gone.
    #[track_caller]
    pub fn subscribe(&self) -> Receiver<T> {
        self.shared.touch(Access::Write);
        self.shared.handles(Half::Receiving).come();
        let shared = Arc::clone(&self.shared);
        shared.receivers.fetch_add(1, Ordering::Relaxed);
        let seen = shared.version();
        Receiver { shared, seen }
    }

    /// How many receivers there are.
    #[track_caller]
    pub fn receiver_count(&self) -> usize {
        self.shared.handles(Half::Receiving).count();
        self.shared.receivers()
    }

    /// How many senders there are.
    #[track_caller]
    pub fn sender_count(&self) -> usize {
        self.shared.handles(Half::Sending).count();
        self.shared.senders.load(Ordering::Relaxed)
    }

    /// Whether both belong to one channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.handles(Half::Sending).come();
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
        self.shared.handles(Half::Sending).go(|| senders.load(Ordering::Relaxed) == 1);
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
    /// The version seen last, or another that is no more.
    seen: usize,
}

impl<T> Receiver<T> {
    /// Reads the value without marking it as seen.
    ///
    /// The value is locked until the [`Ref`] is dropped: see [`Sender::borrow`].
    #[track_caller]
    pub fn borrow(&self) -> Ref<'_, T> {
        self.shared.touch(Access::Read);
        let value = self.shared.read();
        let has_changed = self.seen != self.shared.version();
        Ref { value, has_changed }
    }

    /// Reads the value and marks it as seen.
    ///
    /// The value is locked until the [`Ref`] is dropped: see [`Sender::borrow`].
    #[track_caller]
    pub fn borrow_and_update(&mut self) -> Ref<'_, T> {
        self.shared.touch(Access::Read);
        let value = self.shared.read();
        let version = self.shared.version();
        let has_changed = mem::replace(&mut self.seen, version) != version;
        Ref { value, has_changed }
    }

    /// Whether the value has not been seen; fails, whatever was seen, when all senders are gone.
    #[track_caller]
    pub fn has_changed(&self) -> Result<bool, RecvError> {
        self.shared.touch(Access::Read);
        if self.shared.closed() { Err(no_sender()) } else { Ok(self.seen != self.shared.version()) }
    }

    /// Whether all senders are gone.
    #[track_caller]
    pub fn is_closed(&self) -> bool {
        self.shared.touch(Access::Read);
        self.shared.closed()
    }

    /// Marks the value as not seen.
    pub fn mark_changed(&mut self) {
        // Backwards, so that no version to come is taken for seen.
        self.seen = self.seen.wrapping_sub(1);
    }

    /// Marks the value as seen.
    #[track_caller]
    pub fn mark_unchanged(&mut self) {
        self.shared.touch(Access::Read);
        self.seen = self.shared.version();
    }

    /// Waits for a value that has not been seen, and marks it as seen; returns at once when there is one. Fails when all
    /// senders are gone and the last value has been seen.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: unless it has returned, nothing has been marked.
    #[track_caller]
    pub fn changed(&mut self) -> impl Future<Output = Result<(), RecvError>> {
        self.shared.id.action(NAME, Access::Read).before(self.shared.changed(&mut self.seen))
    }

    /// Waits for a value that `f` accepts, beginning with the present one, and marks what it looked at as seen. Fails when
    /// all senders are gone and the last value is not accepted.
    ///
    /// The value is locked until the [`Ref`] is dropped: see [`Sender::borrow`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a value that `f` accepts later is still there to be found by the next call.
    ///
    /// # Panics
    /// When `f` panics.
    #[track_caller]
    pub fn wait_for(
        &mut self,
        f: impl FnMut(&T) -> bool,
    ) -> impl Future<Output = Result<Ref<'_, T>, RecvError>> {
        let at = Location::caller();
        async move {
            let id = self.shared.id;
            Action { id: &id, name: NAME, access: Access::Read, at }.before(self.accepted(f)).await
        }
    }

    async fn accepted(&mut self, mut f: impl FnMut(&T) -> bool) -> Result<Ref<'_, T>, RecvError> {
        let mut closed = false;
        loop {
            {
                let value = self.shared.read();
                let version = self.shared.version();
                let has_changed = mem::replace(&mut self.seen, version) != version;
                // When closed, the value has been shown to `f` already, unless it is a new one.
                if (!closed || has_changed) && f(&value) {
                    return Ok(Ref { value, has_changed });
                }
            }
            if closed {
                return Err(no_sender());
            }
            closed = self.shared.changed(&mut self.seen).await.is_err();
        }
    }

    /// Whether both belong to one channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

/// The clone has seen what the original has.
impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.shared.handles(Half::Receiving).come();
        self.shared.receivers.fetch_add(1, Ordering::Relaxed);
        Self { shared: Arc::clone(&self.shared), seen: self.seen }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.shared.handles(Half::Receiving).go(|| self.shared.receivers() == 1);
        if self.shared.receivers.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.abandoned.notify_waiters();
        }
    }
}

/// A look at the value, which stays locked until this is dropped.
#[derive(Debug)]
pub struct Ref<'a, T> {
    value: RwLockReadGuard<'a, T>,
    has_changed: bool,
}

impl<T> Ref<'_, T> {
    /// Whether the value had not been seen by the [`Receiver`] that this comes from; never so from a [`Sender`].
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
