//! mea 0.2.1, fixed in 0.3.2 (mea#39): a cancelled `acquire` loses permits, or invents some.
//!
//! An `acquire` of several permits takes those that are free and queues for the rest. Cancelled there, it
//! must give back what it took; it gives back what it was still waiting for. It shows when the cancellation
//! finds it half way.

use std::rc::Rc;

use mea_acquire::semaphore::Semaphore;
use timeloop::task::yield_now;

/// `acquire(3)` is cancelled half way, while another task holds two of three permits.
pub(crate) async fn scenario() {
    let semaphore = Rc::new(Semaphore::new(3));

    let holder = timeloop::spawn({
        let semaphore = semaphore.clone();
        async move {
            let _permit = semaphore.acquire(2).await;
            yield_now().await;
        }
    });
    let greedy = timeloop::spawn({
        let semaphore = semaphore.clone();
        async move {
            let _permit = semaphore.acquire(3).await;
        }
    });

    for _ in 0..3 {
        yield_now().await;
    }
    greedy.abort();
    let _finished_or_cancelled = greedy.await;
    holder.await.unwrap();
    assert_eq!(semaphore.available_permits(), 3, "all permits were given back");
}
