//! Channels, locks and signals between tasks: the whole of `tokio::sync`, at the same paths.
//!
//! The primitives are the real ones of the crate `tokio` (its feature `sync` alone, which brings no runtime), wrapped to
//! announce what is done to them. So their semantics, fairness, error types and cancellation safety are tokio's own:
//! what a test proves about them here holds in production. They never draw randomness, read a clock or start a thread,
//! so their part of a run is determined by the order in which tasks reach them, and that order is the seed's. A `Mutex` and
//! an `RwLock` are made of tokio's semaphore here, as they are in tokio.
//!
//! # What they announce
//!
//! A task announces before it locks, acquires, sends or receives, and a strategy that wants to know (all but `random` and
//! `fifo`) may preempt it there and run other tasks first, even where the lock is free or the channel has capacity.
//! Synchronous calls (`try_lock`, an unbounded `send`, `notify_one`, dropping a guard) are not preemption points. They are
//! recorded too, before those who wait for them wake. A wait that is dropped in the queue of a lock counts as a release:
//! it may let others pass. To look at a primitive through `&mut` or `Debug` is no operation, and outside of a run nothing
//! is.
//!
//! | access | of a lock | of a channel or signal |
//! |---|---|---|
//! | acquire | `lock`, `acquire`, `RwLock::write`, `get_or_init` where it makes the value; their `try_` forms | |
//! | send | | `send`, `reserve`, `Permit::send`, `notify_one`, `notify_waiters` |
//! | receive | | `recv`, awaiting a `oneshot::Receiver`, `notified().await` |
//! | read | `RwLock::read`, `available_permits`, `get` of a cell, `SetOnce::wait` | `closed`, `changed`, `wait_for`, `borrow`, `is_closed`, `len`, making a `Notified` |
//! | write | `Semaphore::close`, `set` of a cell | `close`, `subscribe`, dropping a receiver or the last sender, `Barrier::wait` |
//! | release | dropping a guard or permit, `add_permits` | dropping a permit that was not used, or a future that stood in a line |
//!
//! A task that waited announces nothing when it goes on, but the outcome is recorded. How many senders a channel has is a
//! resource of its own, so that to clone or drop one, unless it is the last, is no operation on the channel. The end of a
//! task is a resource too: awaiting it reads, aborting it and ending it write.
//!
//! # What differs from tokio, and why
//!
//! Two of them are timeloop's own, with tokio's signatures and semantics but for one thing, the order of wakes:
//!
//! | here | in tokio | so here |
//! |---|---|---|
//! | [`watch`] | receivers wait in one of eight queues, picked by a thread-local random generator where any crate in the build enables tokio's feature `rt` or `macros`, in turn where none does | they are woken in the order in which they began to wait |
//! | [`Barrier`] | is made of a `watch` channel | the same |
//!
//! With tokio's, one seed would be another run in each process, and adding a dependency would change what every seed
//! means. Any order that tokio may take is still explored: a woken task is merely ready, and the strategy decides
//! which ready task runs.
//!
//! A run has one thread, which brings one limit: the methods that block the calling thread (`blocking_lock`,
//! `blocking_send`, `blocking_recv` and the like) work where they need not wait; where they would have to, the task that
//! would end their wait can't run, so they panic and name the method to await instead. Outside of a run they block, as
//! tokio's do. `mpsc::Sender::send_timeout`, which tokio has with its clock alone, waits in the run's own time.
//!
//! # Deadlocks
//!
//! When every task waits and no timer is set, the run ends as a deadlock, and the failure names each task that waits,
//! where it was spawned, the line of your code that waits (`lock().await`, `recv().await`, …) and since when. The line
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

// A name defined here goes before the same name of the glob.
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
