//! The primitives of `timeloop::sync`: the behaviour that code relies on, in timeloop's own loop.
//!
//! Tests that assert an order use the baseline schedule. Tests that must not depend on the order try many seeds.

mod announced_channels;
mod announced_locks;
mod barrier;
mod beside_tokio;
mod blocking_locks;
mod broadcast;
mod deadlock;
mod locks_compared;
mod mpsc;
mod mutex;
mod nested;
mod notify;
mod once;
mod oneshot;
mod operations;
mod rwlock;
mod semaphore;
mod watch;

use std::cell::RefCell;
use std::rc::Rc;

use timeloop::task::{JoinHandle, yield_now};

/// Runs `main` once, in FIFO order.
fn baseline<F: Future>(main: F) -> F::Output {
    let mut builder = timeloop::runtime::Builder::new_current_thread();
    builder.enable_all().strategy(timeloop::StrategySpec::Fifo).build().unwrap().block_on(main)
}

/// Runs `main` under many seeds, with tasks in any order. Returns all outputs.
fn any_order<F: Future>(main: impl Fn() -> F) -> Vec<F::Output> {
    (0..200)
        .map(|seed| match timeloop::run(seed, &main) {
            Ok(output) => output,
            Err(failure) => panic!("seed {seed}: {failure}"),
        })
        .collect()
}

/// Spawns a task and lets it run until it waits. Under the baseline schedule, tasks spawned like this wait in order.
async fn spawn_and_wait<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let task = timeloop::spawn(future);
    settle().await;
    task
}

/// Lets every ready task run until it waits.
async fn settle() {
    // Enough for the chains of wakes in these tests.
    for _ in 0..10 {
        yield_now().await;
    }
}

/// A log of what tasks did, in order.
#[derive(Clone, Debug, Default)]
struct Log<T>(Rc<RefCell<Vec<T>>>);

impl<T> Log<T> {
    fn push(&self, entry: T) {
        self.0.borrow_mut().push(entry);
    }

    /// Returns the entries since the last call.
    fn take(&self) -> Vec<T> {
        self.0.take()
    }
}

fn assert_send_sync<T: Send + Sync>() {}

/// The names of `tokio::sync`, at the same paths. This needs only to compile.
#[expect(unused_imports, reason = "that they exist is the test")]
mod surface {
    use timeloop::sync::broadcast::error::{RecvError, SendError, TryRecvError};
    use timeloop::sync::futures::{Notified, OwnedNotified};
    use timeloop::sync::mpsc::error::{SendError as _, TryRecvError as _, TrySendError};
    use timeloop::sync::mpsc::{
        OwnedPermit, Permit, PermitIterator, UnboundedReceiver, UnboundedSender, WeakSender,
        WeakUnboundedSender,
    };
    use timeloop::sync::oneshot::error::{RecvError as _, TryRecvError as _};
    use timeloop::sync::watch::error::{RecvError as _, SendError as _};
    use timeloop::sync::watch::{Receiver, Ref, Sender, channel};
    use timeloop::sync::{
        AcquireError, Barrier, BarrierWaitResult, MappedMutexGuard, Mutex, MutexGuard, Notify, OnceCell,
        OwnedMappedMutexGuard, OwnedMutexGuard, OwnedRwLockMappedWriteGuard, OwnedRwLockReadGuard,
        OwnedRwLockWriteGuard, OwnedSemaphorePermit, RwLock, RwLockMappedWriteGuard, RwLockReadGuard,
        RwLockWriteGuard, Semaphore, SemaphorePermit, SetError, SetOnce, SetOnceError, TryAcquireError,
        TryLockError,
    };
}

/// Types that need no change are tokio's own, so that values can be passed to code that uses either crate.
#[test]
fn other_types_are_tokios_own() {
    let lock = timeloop::sync::Mutex::new(7);
    let _held = lock.try_lock().unwrap();
    let _: tokio::sync::TryLockError = lock.try_lock().unwrap_err();
    let (tx, rx) = timeloop::sync::mpsc::channel(1);
    drop(rx);
    let _: tokio::sync::mpsc::error::TrySendError<u8> = tx.try_send(1).unwrap_err();
    let (tx, rx) = timeloop::sync::watch::channel(0);
    drop(tx);
    let _: tokio::sync::watch::error::RecvError = rx.has_changed().unwrap_err();
}
