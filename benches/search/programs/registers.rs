//! Programs that share variables without any lock.
//!
//! # Invariants
//! - They have as many tasks, variables and accesses as the originals (SCTBench's `reorder_*_bad` and
//!   `bluetooth_driver_bad`). Each access is a scheduling point.

use std::rc::Rc;

use timeloop::spawn;

use super::shared::{Ended, Shared, join};

struct Pair {
    a: Shared<i32>,
    b: Shared<i32>,
}

/// `tasks - 1` tasks set `a`, then `b`; one task expects both or neither. It reads again for each part of its
/// condition, as the original does: first for neither, then for both.
pub(super) async fn reorder(tasks: usize) -> Ended {
    let pair = Rc::new(Pair { a: Shared::new("a", 0), b: Shared::new("b", 0) });
    let mut all = Vec::with_capacity(tasks);
    for _ in 1..tasks {
        let pair = Rc::clone(&pair);
        all.push(spawn(async move {
            pair.a.set(1).await;
            pair.b.set(-1).await;
        }));
    }
    all.push(spawn(async move {
        let neither = pair.a.get().await == 0 && pair.b.get().await == 0;
        assert!(neither || (pair.a.get().await == 1 && pair.b.get().await == -1));
    }));
    join(all).await
}

struct Driver {
    /// The number of active uses, plus one for the driver itself.
    pending: Shared<i32>,
    stopping: Shared<bool>,
    idle: Shared<bool>,
    stopped: Shared<bool>,
}

impl Driver {
    async fn count_out(&self) {
        let left = self.pending.update(|pending| {
            *pending -= 1;
            *pending
        });
        if left.await == 0 {
            self.idle.set(true).await;
        }
    }
}

/// A worker uses a driver that is being stopped: it checks the stopping flag, and then increments the number of uses.
pub(super) async fn bluetooth() -> Ended {
    let driver = Rc::new(Driver {
        pending: Shared::new("pending", 1),
        stopping: Shared::new("stopping", false),
        idle: Shared::new("idle", false),
        stopped: Shared::new("stopped", false),
    });
    let stopper = Rc::clone(&driver);
    let stop = spawn(async move {
        stopper.stopping.set(true).await;
        stopper.count_out().await;
        if stopper.idle.get().await {
            stopper.stopped.set(true).await;
        }
    });
    let work = spawn(async move {
        if !driver.stopping.get().await {
            driver.pending.update(|pending| *pending += 1).await;
            assert!(!driver.stopped.get().await);
        }
        driver.count_out().await;
    });
    join(vec![work, stop]).await
}
