//! Channels, locks and signals between tasks: all of `tokio::sync`, at the same paths.
//!
//! The primitives are those of the `tokio` crate (its feature `sync` alone, which includes no runtime), wrapped to
//! announce their operations. Semantics, fairness, error types and cancel safety are tokio's own, so what a test shows
//! about them holds in production. They draw no random numbers, read no clock and start no thread: their part of a run
//! depends only on the order in which tasks reach them, which the seed decides. `Mutex` and `RwLock` are built on
//! tokio's semaphore, as they are in tokio.
//!
//! # Announced operations
//!
//! A task announces an operation before it locks, acquires, sends or receives. A strategy that uses announcements (all
//! but `random` and `fifo`) may preempt the task there and run other tasks first, even if the lock is free or the
//! channel has capacity. Synchronous calls (`try_lock`, an unbounded `send`, `notify_one`, dropping a guard) are not
//! preemption points, but they are recorded, before the waiting tasks are woken. Dropping a wait that is queued for a
//! lock counts as a release, since it may let other tasks pass. Access through `&mut` or `Debug` is not an operation,
//! and nothing is announced outside a run.
//!
//! | access | of a lock | of a channel or signal |
//! |---|---|---|
//! | acquire | `lock`, `acquire`, `RwLock::write`, `get_or_init` where it makes the value; their `try_` forms | |
//! | send | | `send`, `reserve`, `Permit::send`, `notify_one`, `notify_waiters` |
//! | receive | | `recv`, awaiting a `oneshot::Receiver`, `notified().await` |
//! | read | `RwLock::read`, `available_permits`, `get` of a cell, `SetOnce::wait` | `closed`, `changed`, `wait_for`, `borrow`, `is_closed`, `len`, making a `Notified` |
//! | write | `Semaphore::close`, `set` of a cell | `close`, `subscribe`, dropping a receiver or the last sender, `Barrier::wait` |
//! | release | dropping a guard or permit, `add_permits` | dropping an unused permit, or a queued future |
//!
//! A task that waited announces nothing when it continues, but the outcome is recorded. A channel's number of senders
//! is a separate resource: cloning or dropping a sender is not an operation on the channel, unless it is the last
//! sender. The end of a task is a resource too: awaiting the task reads it, and aborting or ending the task writes it.
//!
//! # Differences from tokio
//!
//! Two types are timeloop's own. They have tokio's signatures and semantics, except for the order in which tasks wake:
//!
//! | type | in tokio | here |
//! |---|---|---|
//! | [`watch`] | receivers wait in one of eight queues: picked by a thread-local random generator if any crate in the build enables tokio's feature `rt` or `macros`, otherwise in turn | receivers wake in the order in which they began to wait |
//! | [`Barrier`] | is built on a `watch` channel | the same |
//!
//! With tokio's versions, one seed would give different runs in different processes, and adding a dependency would
//! change the run of every seed. Every order that tokio can produce is still explored: waking only makes a task ready,
//! and the strategy decides which ready task runs next.
//!
//! A run has one thread. Methods that block the calling thread (`blocking_lock`, `blocking_send`, `blocking_recv` and
//! the like) therefore work only if they need not wait. Otherwise they panic and name the method to await instead,
//! because the task that would end the wait cannot run. Outside a run they block, as tokio's do.
//! `mpsc::Sender::send_timeout`, which tokio offers only with its own clock, uses the run's virtual time.
//!
//! # Deadlocks
//!
//! If every task waits and no timer is set, the run ends as a deadlock. The failure lists each waiting task, where it
//! was spawned, the line of your code that waits (`lock().await`, `recv().await`, …) and since when. Finding that line
//! needs debug information, which test builds have.
//!
//! ```
//! use std::rc::Rc;
//! use timeloop::sync::Mutex;
//!
//! let failure = timeloop::run(1, || async {
//!     let lock = Rc::new(Mutex::new(()));
//!     let guard = lock.lock().await;
//!     let other = timeloop::spawn({
//!         let lock = Rc::clone(&lock);
//!         async move { drop(lock.lock().await) }
//!     });
//!     other.await.unwrap(); // still holding `guard`
//!     drop(guard);
//! })
//! .unwrap_err();
//! assert_eq!(failure.kind.name(), "deadlock");
//! assert_eq!(failure.blocked.len(), 2);
//! ```

mod barrier;
mod blocking;
pub mod broadcast;
mod cell;
mod channel;
mod lock;
pub mod mpsc;
mod mutex;
mod notify;
mod once_cell;
pub mod oneshot;
mod permits;
mod rwlock;
mod semaphore;
mod set_once;
mod tokio_guard;
pub mod watch;

/// The futures of [`Notify`].
pub mod futures {
    pub use super::notify::{Notified, OwnedNotified};
}

// Names defined here take precedence over the same names in the glob import.
pub use tokio::sync::*;

pub use barrier::{Barrier, BarrierWaitResult};
pub use mutex::{MappedMutexGuard, Mutex, MutexGuard, OwnedMappedMutexGuard, OwnedMutexGuard};
pub use notify::Notify;
pub use once_cell::OnceCell;
pub use rwlock::{
    OwnedRwLockMappedWriteGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock, RwLockMappedWriteGuard,
    RwLockReadGuard, RwLockWriteGuard,
};
pub use semaphore::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
pub use set_once::SetOnce;
pub(crate) use tokio_guard::inside_tokio;
