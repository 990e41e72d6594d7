//! Queue, lock, event, condition, semaphore and barrier.

use std::cell::Cell;
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

use timeloop::spawn;
use timeloop::sync::{Barrier, Mutex, Notify, Semaphore, mpsc, watch};
use timeloop::task::{JoinSet, yield_now};
use timeloop::time::{Duration, Instant, sleep, timeout};

use super::{SECOND, always, every_seed};
use crate::support::Log;

/// `Queue(maxsize=2)`: `put` waits for capacity, `get` for an item; the order is kept.
#[test]
fn queue() {
    always(|| async {
        let start = Instant::now();
        let (queue, mut items) = mpsc::channel(2);
        let producer = spawn(async move {
            for number in 0..5 {
                queue.send(number).await.unwrap();
            }
            start.elapsed()
        });
        sleep(10 * SECOND).await;
        assert_eq!(items.len(), 2, "the queue is full");
        let mut taken = Vec::new();
        while let Some(number) = items.recv().await {
            taken.push(number);
            sleep(SECOND).await;
        }
        assert_eq!(taken, [0, 1, 2, 3, 4]);
        assert!(producer.await.unwrap() >= 10 * SECOND, "the producer waits for capacity");
    });
}

/// `put_nowait` and `get_nowait`: `QueueFull` and `QueueEmpty`.
#[test]
fn queue_without_waiting() {
    always(|| async {
        let (queue, mut items) = mpsc::channel(1);
        assert_eq!(items.try_recv(), Err(mpsc::error::TryRecvError::Empty));
        queue.try_send(1).unwrap();
        assert!(matches!(queue.try_send(2), Err(mpsc::error::TrySendError::Full(2))));
        assert_eq!(items.try_recv(), Ok(1));
        // `shutdown`.
        drop(queue);
        assert_eq!(items.recv().await, None);
    });
}

/// Several consumers share the receiver. Each item is taken once, by any of them over many seeds.
#[test]
fn queue_with_several_consumers() {
    let who: BTreeSet<Vec<u32>> = every_seed(|| async {
        let (queue, items) = mpsc::unbounded_channel();
        let items = Rc::new(Mutex::new(items));
        let log = Log::new();
        let mut consumers = JoinSet::new();
        for consumer in 0..2 {
            let (items, log) = (Rc::clone(&items), log.clone());
            consumers.spawn(async move {
                loop {
                    let item = items.lock().await.recv().await;
                    let Some(item) = item else { break };
                    log.push((item, consumer));
                    yield_now().await;
                }
            });
        }
        for item in 0..3 {
            queue.send(item).unwrap();
        }
        drop(queue);
        consumers.join_all().await;
        let mut taken = log.take();
        taken.sort_unstable();
        assert_eq!(taken.iter().map(|(item, _)| *item).collect::<Vec<_>>(), [0, 1, 2]);
        taken.into_iter().map(|(_, consumer)| consumer).collect()
    })
    .into_iter()
    .collect();
    assert!(who.len() > 2, "{who:?}");
}

/// `Queue.join` and `task_done`: joining the queue means joining the worker tasks.
#[test]
fn queue_join() {
    always(|| async {
        let start = Instant::now();
        let (queue, mut items) = mpsc::unbounded_channel();
        let worker = spawn(async move {
            let mut done = 0;
            while let Some(seconds) = items.recv().await {
                sleep(seconds * SECOND).await;
                done += 1;
            }
            done
        });
        (1..=3_u32).for_each(|seconds| queue.send(seconds).unwrap());
        drop(queue);
        assert_eq!((worker.await.unwrap(), start.elapsed()), (3, 6 * SECOND));
    });
}

/// Without the lock some seeds lose an update; with it none does.
#[test]
fn lock() {
    let without: BTreeSet<u32> = every_seed(|| async {
        let counter = Rc::new(Cell::new(0));
        let mut tasks = JoinSet::new();
        for _ in 0..3 {
            let counter = Rc::clone(&counter);
            tasks.spawn(async move {
                let read = counter.get();
                yield_now().await;
                counter.set(read + 1);
            });
        }
        tasks.join_all().await;
        counter.get()
    })
    .into_iter()
    .collect();
    assert_eq!(without, [1, 2, 3].into());

    let with = always(|| async {
        let counter = Rc::new(Mutex::new(0));
        let mut tasks = JoinSet::new();
        for _ in 0..3 {
            let counter = Rc::clone(&counter);
            tasks.spawn(async move {
                let mut counter = counter.lock().await;
                let read = *counter;
                yield_now().await;
                *counter = read + 1;
            });
        }
        tasks.join_all().await;
        *counter.lock().await
    });
    assert_eq!(with, 3);
}

#[test]
fn lock_is_released_when_its_holder_is_cancelled() {
    always(|| async {
        let lock = Rc::new(Mutex::new(()));
        let held = Rc::clone(&lock);
        let holder = spawn(async move {
            let _guard = held.lock().await;
            std::future::pending::<()>().await;
        });
        sleep(SECOND).await;
        assert!(lock.try_lock().is_err());
        holder.abort();
        drop(timeout(SECOND, lock.lock()).await.unwrap());
    });
}

/// `Event`: a `watch` of a `bool`. `set` wakes all, and later waiters don't wait; `clear` makes them wait again.
#[test]
fn event() {
    always(|| async {
        let (event, waiting) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for _ in 0..3 {
            let mut waiting = waiting.clone();
            tasks.spawn(async move {
                waiting.wait_for(|set| *set).await.unwrap();
                Instant::now()
            });
        }
        let start = Instant::now();
        sleep(SECOND).await;
        event.send_replace(true);
        let woken = tasks.join_all().await;
        assert_eq!(woken, [start + SECOND; 3]);
        let mut late = waiting;
        late.wait_for(|set| *set).await.unwrap();
        event.send_replace(false);
        assert!(!*late.borrow());
        assert!(timeout(SECOND, late.wait_for(|set| *set)).await.is_err());
    });
}

/// `Condition`: a lock, and a `Notify` that is awaited without it. `notified` counts from its creation, so no
/// notification is lost between unlocking and waiting.
#[test]
fn condition() {
    #[derive(Default)]
    struct Condition {
        items: Mutex<VecDeque<u32>>,
        changed: Notify,
    }

    impl Condition {
        /// `async with cond: await cond.wait_for(lambda: items); return items.pop()`.
        async fn take(&self) -> u32 {
            loop {
                let changed = self.changed.notified();
                if let Some(item) = self.items.lock().await.pop_front() {
                    return item;
                }
                changed.await;
            }
        }

        /// `async with cond: items.append(item); cond.notify_all()`.
        async fn put(&self, item: u32) {
            self.items.lock().await.push_back(item);
            self.changed.notify_waiters();
        }
    }

    always(|| async {
        let condition = Rc::new(Condition::default());
        let mut takers = JoinSet::new();
        for _ in 0..3 {
            let condition = Rc::clone(&condition);
            takers.spawn(async move { condition.take().await });
        }
        for item in 0..3 {
            condition.put(item).await;
            yield_now().await;
        }
        let mut taken = takers.join_all().await;
        taken.sort_unstable();
        assert_eq!(taken, [0, 1, 2]);
    });
}

/// `notify(1)`: one waiter, in order of waiting.
#[test]
fn condition_notify_one() {
    always(|| async {
        let (notify, log) = (Rc::new(Notify::new()), Log::new());
        for number in 0..3 {
            let (notify, log) = (Rc::clone(&notify), log.clone());
            spawn(async move {
                sleep(number * SECOND).await;
                notify.notified().await;
                log.push(number);
            });
        }
        sleep(10 * SECOND).await;
        for woken in 1..=3 {
            notify.notify_one();
            sleep(SECOND).await;
            assert_eq!(log.take(), [woken - 1]);
        }
    });
}

#[test]
fn semaphore() {
    always(|| async {
        let start = Instant::now();
        let semaphore = Rc::new(Semaphore::new(2));
        let inside = Rc::new(Cell::new(0));
        let mut tasks = JoinSet::new();
        for _ in 0..6 {
            let (semaphore, inside) = (Rc::clone(&semaphore), Rc::clone(&inside));
            tasks.spawn(async move {
                let _permit = semaphore.acquire().await.unwrap();
                inside.set(inside.get() + 1);
                assert!(inside.get() <= 2);
                sleep(SECOND).await;
                inside.set(inside.get() - 1);
            });
        }
        tasks.join_all().await;
        assert_eq!((start.elapsed(), semaphore.available_permits()), (3 * SECOND, 2));
        // `locked()`.
        let all = semaphore.try_acquire_many(2).unwrap();
        assert!(semaphore.try_acquire().is_err());
        drop(all);
    });
}

#[test]
fn barrier() {
    always(|| async {
        let start = Instant::now();
        let barrier = Rc::new(Barrier::new(3));
        let mut tasks = JoinSet::new();
        for seconds in 1..=3 {
            let barrier = Rc::clone(&barrier);
            tasks.spawn(async move {
                sleep(Duration::from_secs(seconds)).await;
                let leads = barrier.wait().await.is_leader();
                (leads, Instant::now())
            });
        }
        let passed = tasks.join_all().await;
        assert!(passed.iter().all(|(_, instant)| *instant == start + 3 * SECOND), "all wait for the last");
        assert_eq!(passed.iter().filter(|(leads, _)| *leads).count(), 1);
    });
}
