//! mea 0.1.4, fixed in 0.1.5 (mea#28): more permits are out than exist.
//!
//! A `try_acquire` that fails builds its permit all the same and drops it at once, and the drop "gives
//! back" a permit that was never taken. It takes four users within the time that two hold their permits:
//! two who succeed, one who fails, and one more who gets the permit that was invented.

use std::cell::Cell;
use std::rc::Rc;

use mea_try_acquire::semaphore::Semaphore;
use timeloop::task::yield_now;

/// Four users who come one after the other, and two permits.
pub(crate) async fn scenario() {
    let semaphore = Rc::new(Semaphore::new(2));
    let in_use = Rc::new(Cell::new(0));

    let mut users = Vec::new();
    for user in 0..4 {
        let (semaphore, in_use) = (semaphore.clone(), in_use.clone());
        users.push(timeloop::spawn(async move {
            for _ in 0..2 * user {
                yield_now().await;
            }
            if let Some(_permit) = semaphore.try_acquire(1) {
                in_use.set(in_use.get() + 1);
                assert!(in_use.get() <= 2, "{} permits are out, of 2", in_use.get());
                yield_now().await;
                in_use.set(in_use.get() - 1);
            }
        }));
    }
    for user in users {
        user.await.unwrap();
    }
}
