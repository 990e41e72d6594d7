//! Locks and channels that a node shares with the test: a crash releases them.

use std::sync::Arc;

use timeloop::sync::{Barrier, Mutex, Notify, OnceCell, RwLock, Semaphore, broadcast, mpsc, oneshot, watch};
use timeloop::task::yield_now;
use timeloop::time::{Duration, sleep, timeout};
use timeloop::world::{Node, World};
use timeloop::{Explorer, spawn};

use super::{bare, under_seeds};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn guards_are_released() {
    under_seeds(|| async {
        let node = bare("db-1");
        let (mutex, lock) = (Arc::new(Mutex::new(0)), Arc::new(RwLock::new(0)));
        let permits = Arc::new(Semaphore::new(2));
        let task = {
            let (mutex, lock, permits) = (Arc::clone(&mutex), Arc::clone(&lock), Arc::clone(&permits));
            node.spawn(async move {
                let mut number = mutex.lock().await;
                let _write = lock.write().await;
                let _permits = permits.acquire_many(2).await.unwrap();
                *number += 1;
                std::future::pending::<()>().await;
            })
        };
        sleep(SECOND).await;
        assert!(mutex.try_lock().is_err());
        node.crash();
        assert_eq!(*mutex.try_lock().expect("the lock is free"), 1);
        drop(lock.write().await);
        assert_eq!(permits.available_permits(), 2);
        assert!(task.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn the_next_waiter_gets_the_lock() {
    under_seeds(|| async {
        let (one, other) = (bare("one"), bare("other"));
        let mutex = Arc::new(Mutex::new(()));
        let guard = Arc::clone(&mutex).lock_owned().await;
        // The waiters are queued before the test's own task. They crash before or just after the lock is handed to them.
        let wait = |node: &Node| {
            let mutex = Arc::clone(&mutex);
            node.spawn(async move { drop(mutex.lock().await) })
        };
        let gone = [wait(&one), wait(&one), wait(&other)];
        sleep(SECOND).await;
        let mine = spawn({
            let mutex = Arc::clone(&mutex);
            async move { drop(mutex.lock().await) }
        });
        sleep(SECOND).await;
        one.crash();
        drop(guard);
        other.crash();
        timeout(SECOND, mine).await.expect("the lock is handed on").unwrap();
        for task in gone {
            _ = task.await;
        }
    });
}

#[test]
fn channels_close_and_keep_sent_messages() {
    under_seeds(|| async {
        let node = bare("db-1");
        let (send, mut receive) = mpsc::channel(10);
        let (back, mut gone) = mpsc::channel::<u32>(1);
        let (once, answer) = oneshot::channel::<u32>();
        let (state, mut seen) = watch::channel(0);
        let (all, mut each) = broadcast::channel(4);
        node.spawn(async move {
            let _held = (once, gone.recv().await);
            _ = gone.recv().await;
        });
        node.spawn(async move {
            for number in 0..3 {
                send.send(number).await.unwrap();
            }
            state.send(7).unwrap();
            all.send(8).unwrap();
            std::future::pending::<()>().await;
            drop((send, state, all));
        });
        sleep(SECOND).await;
        node.crash();
        for number in 0..3 {
            assert_eq!(receive.recv().await, Some(number));
        }
        assert_eq!(receive.recv().await, None);
        assert!(back.is_closed() && back.send(1).await.is_err());
        assert!(answer.await.is_err());
        assert_eq!(*seen.borrow_and_update(), 7);
        assert!(seen.changed().await.is_err());
        assert_eq!(each.recv().await.unwrap(), 8);
        assert!(each.recv().await.is_err());
    });
}

#[test]
fn unfinished_initialization_is_retried() {
    under_seeds(|| async {
        let node = bare("db-1");
        let cell = Arc::new(OnceCell::new());
        let notify = Arc::new(Notify::new());
        let (theirs, notified) = (Arc::clone(&cell), Arc::clone(&notify));
        node.spawn(async move {
            theirs
                .get_or_init(|| async {
                    sleep(SECOND * 10).await;
                    1
                })
                .await;
        });
        node.spawn(async move { notified.notified().await });
        sleep(SECOND).await;
        let mine = spawn({
            let notify = Arc::clone(&notify);
            async move { notify.notified().await }
        });
        sleep(SECOND).await;
        // The notification is for the node's task, which crashes first. So the next waiter gets it.
        notify.notify_one();
        node.crash();
        timeout(SECOND, mine).await.expect("the notification is handed on").unwrap();
        assert_eq!(*cell.get_or_init(|| async { 2 }).await, 2);
    });
}

#[test]
fn a_barrier_waits_for_the_remaining_tasks() {
    under_seeds(|| async {
        let node = bare("db-1");
        let barrier = Arc::new(Barrier::new(2));
        let theirs = Arc::clone(&barrier);
        node.spawn(async move { _ = theirs.wait().await });
        sleep(SECOND).await;
        node.restart();
        let theirs = Arc::clone(&barrier);
        let task = node.spawn(async move { _ = theirs.wait().await });
        timeout(SECOND, barrier.wait()).await.expect("the barrier counts the tasks that have arrived");
        _ = timeout(SECOND, task).await;
    });
}

/// With every strategy, with preemption before operations.
#[test]
fn shared_locks_survive_a_crash_at_any_step() {
    let exploration = Explorer::new("world::at_any_moment").runs(500).without_regressions().run(|| async {
        let mutex = Arc::new(Mutex::new(0));
        let (send, mut receive) = mpsc::channel(1);
        let (theirs, sends) = (Arc::clone(&mutex), send.clone());
        let node = World::current().node("db-1").start(move || {
            let (mutex, send) = (Arc::clone(&theirs), sends.clone());
            async move {
                for _ in 0..3 {
                    let mut number = mutex.lock().await;
                    *number += 1;
                    send.send(*number).await.unwrap();
                    drop(number);
                    yield_now().await;
                }
            }
        });
        drop(send);
        let other = node.clone();
        let crash = spawn(async move {
            yield_now().await;
            other.restart();
            yield_now().await;
            other.crash();
        });
        let mut last = 0;
        while let Ok(Some(number)) = timeout(SECOND, receive.recv()).await {
            assert!(number > last);
            last = number;
        }
        crash.await.unwrap();
        let number = timeout(SECOND, mutex.lock()).await.expect("the lock is free");
        assert!(*number >= last && !node.is_up());
        timeloop::task::unconstrained(async {}).await;
    });
    assert!(exploration.found.is_none(), "{}", exploration.report());
}
