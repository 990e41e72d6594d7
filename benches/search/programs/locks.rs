//! Programs with locking mistakes: the wrong lock, two locks where one is needed, or the wrong order.
//!
//! # Invariants
//! - They have as many tasks, locks and accesses as the originals (SCTBench's `twostage_bad`, `wronglock_bad`,
//!   `token_ring_bad`, `deadlock01_bad`, `lazy01_bad`). Each access and each acquisition of a lock is a scheduling
//!   point.

use std::rc::Rc;

use timeloop::spawn;
use timeloop::sync::Mutex;

use super::shared::{Ended, Shared, join};

struct Stages {
    first: Mutex<()>,
    second: Mutex<()>,
    data1: Shared<i32>,
    data2: Shared<i32>,
}

/// Writers set one value under its lock and then the other under its own; readers expect both.
pub(super) async fn twostage(writers: usize, readers: usize) -> Ended {
    let stages = Rc::new(Stages {
        first: Mutex::new(()),
        second: Mutex::new(()),
        data1: Shared::new("data1", 0),
        data2: Shared::new("data2", 0),
    });
    let mut all = Vec::with_capacity(writers + readers);
    for _ in 0..writers {
        let stages = Rc::clone(&stages);
        all.push(spawn(async move {
            let first = stages.first.lock().await;
            stages.data1.set(1).await;
            drop(first);
            let _second = stages.second.lock().await;
            let data1 = stages.data1.get().await;
            stages.data2.set(data1 + 1).await;
        }));
    }
    for _ in 0..readers {
        let stages = Rc::clone(&stages);
        all.push(spawn(async move {
            let first = stages.first.lock().await;
            if stages.data1.get().await == 0 {
                return;
            }
            let data1 = stages.data1.get().await;
            drop(first);
            let second = stages.second.lock().await;
            let data2 = stages.data2.get().await;
            drop(second);
            assert_eq!(data2, data1 + 1);
        }));
    }
    join(all).await
}

struct WrongLock {
    right: Mutex<()>,
    wrong: Mutex<()>,
    data: Shared<i32>,
}

/// One task increments a counter under one lock; `others` increment it under another lock.
pub(super) async fn wronglock(others: usize) -> Ended {
    let shared =
        Rc::new(WrongLock { right: Mutex::new(()), wrong: Mutex::new(()), data: Shared::new("data", 0) });
    let mut all = Vec::with_capacity(others + 1);
    let first = Rc::clone(&shared);
    all.push(spawn(async move {
        let _right = first.right.lock().await;
        let before = first.data.get().await;
        let data = first.data.get().await;
        first.data.set(data + 1).await;
        assert_eq!(first.data.get().await, before + 1);
    }));
    for _ in 0..others {
        let shared = Rc::clone(&shared);
        all.push(spawn(async move {
            let _wrong = shared.wrong.lock().await;
            let data = shared.data.get().await;
            shared.data.set(data + 1).await;
        }));
    }
    join(all).await
}

struct Ring {
    lock: Mutex<()>,
    x: [Shared<i32>; 3],
    done: [Shared<bool>; 3],
}

/// Three tasks pass a value on, each under the lock; a fourth expects all values to be equal after all have run.
pub(super) async fn token_ring() -> Ended {
    let ring = Rc::new(Ring {
        lock: Mutex::new(()),
        x: [Shared::new("x1", 1), Shared::new("x2", 2), Shared::new("x3", 1)],
        done: [Shared::new("done1", false), Shared::new("done2", false), Shared::new("done3", false)],
    });
    let mut all = Vec::with_capacity(4);
    for (to, from, step) in [(0, 2, 1), (1, 0, 0), (2, 1, 0)] {
        let ring = Rc::clone(&ring);
        all.push(spawn(async move {
            let _lock = ring.lock.lock().await;
            let value = ring.x[from].get().await;
            ring.x[to].set((value + step) % 4).await;
            ring.done[to].set(true).await;
        }));
    }
    all.push(spawn(async move {
        let _lock = ring.lock.lock().await;
        for done in &ring.done {
            if !done.get().await {
                return;
            }
        }
        assert_eq!(ring.x[0].get().await, ring.x[1].get().await);
        assert_eq!(ring.x[1].get().await, ring.x[2].get().await);
    }));
    join(all).await
}

struct TwoLocks {
    a: Mutex<()>,
    b: Mutex<()>,
    counter: Shared<i32>,
}

/// Two tasks acquire the same two locks in opposite order.
pub(super) async fn deadlock() -> Ended {
    let shared =
        Rc::new(TwoLocks { a: Mutex::new(()), b: Mutex::new(()), counter: Shared::new("counter", 1) });
    let other = Rc::clone(&shared);
    let up = spawn(async move {
        let _a = shared.a.lock().await;
        let _b = shared.b.lock().await;
        let counter = shared.counter.get().await;
        shared.counter.set(counter + 1).await;
    });
    let down = spawn(async move {
        let _b = other.b.lock().await;
        let _a = other.a.lock().await;
        let counter = other.counter.get().await;
        other.counter.set(counter - 1).await;
    });
    join(vec![up, down]).await
}

struct Lazy {
    lock: Mutex<()>,
    data: Shared<i32>,
}

impl Lazy {
    async fn add(&self, summand: i32) {
        let _lock = self.lock.lock().await;
        let data = self.data.get().await;
        self.data.set(data + summand).await;
    }
}

/// Two tasks add under a lock, and a third fails if both have run before it.
pub(super) async fn lazy() -> Ended {
    let shared = Rc::new(Lazy { lock: Mutex::new(()), data: Shared::new("data", 0) });
    let [third, second, first] = [(); 3].map(|()| Rc::clone(&shared));
    let first = spawn(async move { first.add(1).await });
    let second = spawn(async move { second.add(2).await });
    let third = spawn(async move {
        let _lock = third.lock.lock().await;
        assert!(third.data.get().await < 3);
    });
    join(vec![first, second, third]).await
}
