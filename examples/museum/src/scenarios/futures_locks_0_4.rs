//! futures-locks 0.4.0, fixed in 0.5.0 (futures-locks#24): a panic in the task that releases the lock.
//!
//! Releasing hands the lock to the first task in line through a oneshot channel, and unwraps the result. If
//! that task gave up in the meantime its end of the channel is gone, and the task that did nothing but
//! release its lock panics. It shows when the cancellation comes while the writer is queued.

use futures_locks_0_4::RwLock;
use futures_util::compat::Future01CompatExt;
use timeloop::task::yield_now;

/// Three lockers, one of which is cancelled in the queue.
pub(crate) async fn scenario() {
    let lock = RwLock::new(0);

    let mut lockers = Vec::new();
    for _ in 0..3 {
        let lock = lock.clone();
        lockers.push(timeloop::spawn(async move {
            let mut value = lock.write().compat().await.expect("a lock cannot fail");
            *value += 1;
            yield_now().await;
        }));
    }
    let impatient = lockers.pop().expect("three were spawned");

    for _ in 0..6 {
        yield_now().await;
    }
    impatient.abort();
    for locker in lockers {
        locker.await.unwrap();
    }
}
