//! The mutex: fair, handed over, never poisoned, and cancel safe.

use std::rc::Rc;
use std::sync::Arc;

use timeloop::spawn;
use timeloop::sync::{Mutex, MutexGuard, OwnedMutexGuard};
use timeloop::task::yield_now;

use super::{Log, any_order, baseline, settle, spawn_and_wait};

#[test]
fn it_is_granted_in_the_order_of_asking() {
    let order = baseline(async {
        let (lock, log) = (Rc::new(Mutex::new(())), Log::default());
        let guard = lock.lock().await;
        let mut tasks = Vec::new();
        for number in 0..5 {
            let (lock, log) = (Rc::clone(&lock), log.clone());
            tasks.push(
                spawn_and_wait(async move {
                    let _guard = lock.lock().await;
                    log.push(number);
                    yield_now().await;
                })
                .await,
            );
        }
        drop(guard);
        for task in tasks {
            task.await.unwrap();
        }
        log.take()
    });
    assert_eq!(order, [0, 1, 2, 3, 4]);
}

#[test]
fn a_released_lock_belongs_to_the_next_in_line_before_that_has_run() {
    baseline(async {
        let lock = Rc::new(Mutex::new(()));
        let guard = lock.lock().await;
        let waiting = spawn_and_wait({
            let lock = Rc::clone(&lock);
            async move { drop(lock.lock().await) }
        })
        .await;
        drop(guard);
        assert_eq!(lock.try_lock().unwrap_err().to_string(), "operation would block");
        waiting.await.unwrap();
        assert!(lock.try_lock().is_ok());
    });
}

#[test]
fn a_cancelled_wait_does_not_block_the_queue() {
    // Given up while queued, and given up after the lock was handed over but before the task has run.
    for handed_over in [false, true] {
        baseline(async move {
            let lock = Rc::new(Mutex::new(()));
            let guard = lock.lock().await;
            let waiting = |lock: &Rc<Mutex<()>>| {
                let lock = Rc::clone(lock);
                spawn_and_wait(async move { drop(lock.lock().await) })
            };
            let first = waiting(&lock).await;
            let second = waiting(&lock).await;
            if handed_over {
                drop(guard);
                first.abort();
            } else {
                first.abort();
                settle().await;
                drop(guard);
            }
            second.await.unwrap();
            assert!(first.await.unwrap_err().is_cancelled());
            assert!(lock.try_lock().is_ok());
        });
    }
}

#[test]
fn a_panic_releases_it_and_leaves_no_poison() {
    baseline(async {
        let lock = Rc::new(Mutex::new(1));
        let panicking = spawn({
            let lock = Rc::clone(&lock);
            async move {
                *lock.lock().await = 2;
                let _guard = lock.lock().await;
                std::panic::resume_unwind(Box::new("while locked"));
            }
        });
        assert!(panicking.await.unwrap_err().is_panic());
        assert_eq!(*lock.lock().await, 2);
    });
}

/// Reads, yields, writes: with the lock no addition is lost, without it some are.
#[test]
fn it_excludes_under_every_schedule() {
    async fn sum(locked: bool) -> u32 {
        let (lock, value) = (Rc::new(Mutex::new(())), Rc::new(std::cell::Cell::new(0)));
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                let (lock, value) = (Rc::clone(&lock), Rc::clone(&value));
                spawn(async move {
                    let guard = if locked { Some(lock.lock().await) } else { None };
                    let read = value.get();
                    yield_now().await;
                    value.set(read + 1);
                    drop(guard);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        value.get()
    }
    assert!(any_order(|| sum(true)).into_iter().all(|sum| sum == 3));
    assert!(any_order(|| sum(false)).into_iter().any(|sum| sum < 3));
}

#[test]
fn owned_and_mapped_guards_hold_it_too() {
    baseline(async {
        let lock = Arc::new(Mutex::new((1, 2)));
        let owned = Arc::clone(&lock).lock_owned().await;
        assert!(lock.try_lock().is_err());
        let mut second = OwnedMutexGuard::map(owned, |pair| &mut pair.1);
        *second = 20;
        assert!(lock.try_lock().is_err());
        drop(second);
        let mut first = MutexGuard::map(lock.lock().await, |pair| &mut pair.0);
        *first = 10;
        assert!(Arc::clone(&lock).try_lock_owned().is_err());
        drop(first);
        assert_eq!(*lock.lock().await, (10, 20));
        assert_eq!(Arc::into_inner(lock).unwrap().into_inner(), (10, 20));
    });
}
