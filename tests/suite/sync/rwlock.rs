//! The read-write lock: many readers or one writer, in the order of asking.

use std::rc::Rc;
use std::sync::Arc;

use timeloop::sync::{OwnedRwLockWriteGuard, RwLock, RwLockWriteGuard};
use timeloop::task::yield_now;

use super::{Log, any_order, baseline, settle, spawn_and_wait};

#[test]
fn readers_share_and_writers_do_not() {
    baseline(async {
        let lock = RwLock::new(1);
        let (first, second) = (lock.read().await, lock.read().await);
        assert_eq!(*first + *second, 2);
        assert!(lock.try_write().is_err());
        drop((first, second));
        let mut writer = lock.write().await;
        *writer = 5;
        assert!(lock.try_read().is_err());
        assert!(lock.try_write().is_err());
        assert_eq!(*RwLockWriteGuard::downgrade(writer), 5);
        assert_eq!(lock.into_inner(), 5);
    });
}

/// A waiting writer is not overtaken by readers that come after it.
#[test]
fn it_is_granted_in_the_order_of_asking() {
    let order = baseline(async {
        let (lock, log) = (Rc::new(RwLock::new(())), Log::default());
        let first = lock.read().await;
        let mut tasks = Vec::new();
        for name in ["writer 1", "reader 1", "reader 2", "writer 2", "reader 3"] {
            let (lock, log) = (Rc::clone(&lock), log.clone());
            let task = spawn_and_wait(async move {
                if name.starts_with("writer") {
                    let _guard = lock.write().await;
                    log.push(format!("{name} in"));
                    yield_now().await;
                    log.push(format!("{name} out"));
                } else {
                    let _guard = lock.read().await;
                    log.push(format!("{name} in"));
                    yield_now().await;
                    log.push(format!("{name} out"));
                }
            });
            tasks.push(task.await);
        }
        assert!(lock.try_read().is_err(), "behind the writer");
        assert_eq!(log.take(), Vec::<String>::new());
        drop(first);
        for task in tasks {
            task.await.unwrap();
        }
        log.take()
    });
    let expected = [
        ["writer 1 in", "writer 1 out"].as_slice(),
        &["reader 1 in", "reader 2 in", "reader 1 out", "reader 2 out"],
        &["writer 2 in", "writer 2 out"],
        &["reader 3 in", "reader 3 out"],
    ];
    assert_eq!(order, expected.concat());
}

#[test]
fn a_cancelled_writer_admits_the_readers_behind_it() {
    baseline(async {
        let lock = Rc::new(RwLock::new(()));
        let guard = lock.read().await;
        let writer = spawn_and_wait({
            let lock = Rc::clone(&lock);
            async move { drop(lock.write().await) }
        })
        .await;
        let reader = spawn_and_wait({
            let lock = Rc::clone(&lock);
            async move { drop(lock.read().await) }
        })
        .await;
        assert!(!reader.is_finished());
        writer.abort();
        settle().await;
        assert!(reader.is_finished());
        drop(guard);
    });
}

#[test]
fn no_schedule_lets_a_reader_see_half_of_a_write() {
    let looks = any_order(|| async {
        let pair = Arc::new(RwLock::new((0, 0)));
        let writers: Vec<_> = (1..3)
            .map(|value| {
                let pair = Arc::clone(&pair);
                timeloop::spawn(async move {
                    let mut pair: OwnedRwLockWriteGuard<_> = pair.write_owned().await;
                    pair.0 = value;
                    yield_now().await;
                    pair.1 = value;
                })
            })
            .collect();
        let reader = timeloop::spawn(async move {
            let pair = pair.read_owned().await;
            yield_now().await;
            assert_eq!(pair.0, pair.1);
            pair.0
        });
        for writer in writers {
            writer.await.unwrap();
        }
        reader.await.unwrap()
    });
    assert!((0..3).all(|value| looks.contains(&value)), "over the seeds, all orders are seen");
}

#[test]
fn at_most_so_many_readers() {
    let lock = RwLock::with_max_readers((), 2);
    let (_first, _second) = (lock.try_read().unwrap(), lock.try_read().unwrap());
    assert!(lock.try_read().is_err());
}
