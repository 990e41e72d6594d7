//! tokio 0.2.3, fixed in 0.2.4 (tokio#1898): a cancelled `Mutex::lock` keeps the lock.
//!
//! A `lock` that was granted its permit and is dropped before it is resumed never releases it; the mutex
//! stays locked by nobody. Time-outs that fire at the instant when the lock is released do it.

use std::rc::Rc;
use std::time::Duration;

use timeloop::time::{sleep, timeout};
use tokio_0_2::sync::Mutex;

/// Four tasks lock under virtual time-outs; then the root locks.
pub(crate) async fn scenario() {
    let mutex = Rc::new(Mutex::new(0));

    let mut tasks = Vec::new();
    for _ in 0..4 {
        let mutex = mutex.clone();
        tasks.push(timeloop::spawn(async move {
            let work = async {
                let mut value = mutex.lock().await;
                sleep(Duration::from_millis(1)).await;
                *value += 1;
            };
            let _in_time = timeout(Duration::from_millis(2), work).await;
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    *mutex.lock().await += 1;
}
