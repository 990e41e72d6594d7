//! futures-locks 0.7.1, the newest, not fixed yet (no report found): cancelled readers are counted.
//!
//! When a writer releases the lock, every reader in line is counted as a holder, those included that were
//! cancelled in the meantime. They are never removed again, and the next writer waits for ever. It
//! shows when a reader times out while it queues behind the writer.

use std::time::Duration;

use futures_locks_0_7::RwLock;
use timeloop::time::{sleep, timeout};

/// Readers are queued and cancelled while a writer holds the lock; then another writer comes.
pub(crate) async fn scenario() {
    let lock = RwLock::new(0);

    let writer = timeloop::spawn({
        let lock = lock.clone();
        async move {
            let mut value = lock.write().await;
            sleep(Duration::from_millis(1)).await;
            *value += 1;
        }
    });
    let reader = timeloop::spawn({
        let lock = lock.clone();
        async move {
            let _in_time = timeout(Duration::from_millis(1), lock.read()).await;
        }
    });

    writer.await.unwrap();
    reader.await.unwrap();
    *lock.write().await += 1;
}
