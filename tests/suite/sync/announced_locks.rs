//! Operations that locks announce: each once, directly before it is done, and every release before waiting tasks wake.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use timeloop::spawn;
use timeloop::sync::{
    Barrier, Mutex, MutexGuard, OnceCell, OwnedMutexGuard, OwnedRwLockWriteGuard, RwLock, RwLockReadGuard,
    RwLockWriteGuard, Semaphore, SetOnce,
};
use timeloop::task::{block_in_place, yield_now};
use timeloop_sim::{Access, TaskKey};

use super::operations::{Event, events, operations};

/// Returns the result of one poll of a future.
async fn polled<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

#[test]
fn a_mutex() {
    let taken = "acquire? acquire release";
    assert_eq!(operations(async || drop(Mutex::new(1).lock().await)), taken);
    assert_eq!(operations(async || drop(Arc::new(Mutex::new(1)).lock_owned().await)), taken);
    let at_once = "acquire release";
    assert_eq!(operations(async || drop(Mutex::new(1).try_lock())), at_once);
    assert_eq!(operations(async || drop(Arc::new(Mutex::new(1)).try_lock_owned())), at_once);
    assert_eq!(
        operations(async || block_in_place(|| {
            let lock = Mutex::new(1);
            drop(lock.blocking_lock());
        })),
        "acquire? acquire release"
    );
    assert_eq!(
        operations(async || block_in_place(|| {
            let lock = Arc::new(Mutex::new(1));
            drop(lock.blocking_lock_owned());
        })),
        "acquire? acquire release"
    );
    let in_vain = operations(async || {
        let lock = Mutex::new(1);
        let held = lock.try_lock();
        assert!(lock.try_lock().is_err());
        drop(held);
    });
    assert_eq!(in_vain, "acquire acquire release");
    let looked_at = operations(async || {
        let mut lock = Mutex::from(1);
        *lock.get_mut() = 2;
        assert_eq!(format!("{lock:?}"), "Mutex { data: 2 }");
        lock.into_inner()
    });
    assert_eq!(looked_at, "");
}

#[test]
fn a_mapped_guard_releases_once() {
    let mapped = operations(async || {
        let lock = Arc::new(Mutex::new((1, (2, 3))));
        let inner = MutexGuard::map(lock.try_lock().unwrap(), |value| &mut value.1);
        drop(timeloop::sync::MappedMutexGuard::map(inner, |value| &mut value.0));
        let none = MutexGuard::try_map(lock.try_lock().unwrap(), |_| None::<&mut u8>);
        drop(none.unwrap_err());
        let owned = OwnedMutexGuard::map(Arc::clone(&lock).try_lock_owned().unwrap(), |value| &mut value.1);
        drop(timeloop::sync::OwnedMappedMutexGuard::try_map(owned, |value| Some(&mut value.0)));
    });
    assert_eq!(mapped, "acquire release acquire release acquire release");
}

#[test]
fn a_lock_that_readers_share() {
    let reads = "read? read release";
    assert_eq!(operations(async || drop(RwLock::new(1).read().await)), reads);
    assert_eq!(operations(async || drop(Arc::new(RwLock::new(1)).read_owned().await)), reads);
    let writes = "acquire? acquire release";
    assert_eq!(operations(async || drop(RwLock::new(1).write().await)), writes);
    assert_eq!(operations(async || drop(Arc::new(RwLock::new(1)).write_owned().await)), writes);
    let (reads, writes) = ("read release", "acquire release");
    assert_eq!(operations(async || drop(RwLock::new(1).try_read())), reads);
    assert_eq!(
        operations(async || block_in_place(|| {
            let lock = RwLock::new(1);
            drop(lock.blocking_read());
        })),
        "read? read release"
    );
    assert_eq!(operations(async || drop(Arc::new(RwLock::new(1)).try_read_owned())), reads);
    assert_eq!(operations(async || drop(RwLock::new(1).try_write())), writes);
    assert_eq!(
        operations(async || block_in_place(|| {
            let lock = RwLock::new(1);
            drop(lock.blocking_write());
        })),
        "acquire? acquire release"
    );
    assert_eq!(operations(async || drop(Arc::new(RwLock::new(1)).try_write_owned())), writes);
    let looked_at = operations(async || {
        let mut lock = RwLock::from(1);
        *lock.get_mut() = 2;
        assert_eq!(format!("{lock:?}"), "RwLock { data: 2 }");
        lock.into_inner()
    });
    assert_eq!(looked_at, "");
}

/// The first release admits readers, the second everyone.
#[test]
fn a_writer_that_becomes_a_reader_releases_twice() {
    let downgraded = "acquire release release";
    assert_eq!(operations(async || drop(RwLock::new(1).try_write().unwrap().downgrade())), downgraded);
    let mapped = operations(async || {
        let lock = RwLock::new((1, 2));
        let guard = RwLockWriteGuard::downgrade_map(lock.try_write().unwrap(), |value| &value.0);
        drop(RwLockReadGuard::map(guard, |value| value));
    });
    assert_eq!(mapped, downgraded);
    let owned = operations(async || {
        let guard = Arc::new(RwLock::new((1, 2))).try_write_owned().unwrap();
        let Err(guard) = OwnedRwLockWriteGuard::try_downgrade_map(guard, |_| None::<&u8>) else {
            panic!("there is no such part")
        };
        drop(guard.downgrade());
    });
    assert_eq!(owned, downgraded);
    let not_downgraded =
        operations(async || drop(RwLockWriteGuard::into_mapped(RwLock::new(1).try_write().unwrap())));
    assert_eq!(not_downgraded, "acquire release");
}

#[test]
fn a_semaphore() {
    let taken = "acquire? acquire release";
    assert_eq!(operations(async || drop(Semaphore::new(1).acquire().await)), taken);
    assert_eq!(operations(async || drop(Semaphore::new(2).acquire_many(2).await)), taken);
    assert_eq!(operations(async || drop(Arc::new(Semaphore::new(1)).acquire_owned().await)), taken);
    assert_eq!(operations(async || drop(Arc::new(Semaphore::new(2)).acquire_many_owned(2).await)), taken);
    let at_once = "acquire release";
    assert_eq!(operations(async || drop(Semaphore::new(1).try_acquire())), at_once);
    assert_eq!(operations(async || drop(Semaphore::new(2).try_acquire_many(2))), at_once);
    assert_eq!(
        operations(async || block_in_place(|| {
            let lock = Semaphore::new(1);
            drop(lock.blocking_acquire());
        })),
        "acquire? acquire release"
    );
    assert_eq!(
        operations(async || block_in_place(|| {
            let lock = Semaphore::new(2);
            drop(lock.blocking_acquire_many(2));
        })),
        "acquire? acquire release"
    );
    assert_eq!(operations(async || drop(Arc::new(Semaphore::new(1)).try_acquire_owned())), at_once);
    assert_eq!(
        operations(async || block_in_place(|| {
            let lock = Arc::new(Semaphore::new(1));
            drop(lock.blocking_acquire_owned());
        })),
        "acquire? acquire release"
    );
    assert_eq!(operations(async || Semaphore::new(1).available_permits()), "read");
    assert_eq!(operations(async || Semaphore::new(1).is_closed()), "read");
    assert_eq!(operations(async || Semaphore::new(1).add_permits(1)), "release");
    assert_eq!(operations(async || Semaphore::new(1).forget_permits(1)), "acquire");
    let closed = operations(async || {
        let semaphore = Semaphore::new(1);
        semaphore.close();
        assert!(semaphore.acquire().await.is_err());
        assert!(semaphore.try_acquire().is_err());
        assert!(block_in_place(|| semaphore.blocking_acquire().is_err()));
    });
    assert_eq!(closed, "write acquire? acquire acquire acquire? acquire");
}

/// All permits are returned by one release. Forgotten permits never are.
#[test]
fn permits_that_are_split_merged_or_forgotten() {
    let changed = operations(async || {
        let semaphore = Arc::new(Semaphore::new(3));
        let mut all = semaphore.try_acquire_many(3).unwrap();
        let one = all.split(1).unwrap();
        all.split(1).unwrap().forget();
        all.merge(one);
        assert_eq!(all.num_permits(), 2);
        drop(all);
        let mut owned = Arc::clone(&semaphore).try_acquire_owned().unwrap();
        drop(owned.split(1));
        drop(owned);
    });
    assert_eq!(changed, "acquire release acquire release release");
}

#[test]
fn a_cell_that_is_set_once() {
    let made = operations(async || {
        let cell = OnceCell::new();
        assert_eq!(cell.get_or_init(async || 1).await, &1);
        assert_eq!(cell.get_or_init(async || 2).await, &1);
    });
    assert_eq!(made, "acquire? acquire release read? read", "a cell that is set is only read");
    let failed = operations(async || {
        let cell = OnceCell::<u8>::new();
        cell.get_or_try_init(async || Err(())).await.unwrap_err();
        cell.get_or_try_init(async || Ok::<_, ()>(1)).await.unwrap();
    });
    assert_eq!(failed, "acquire? acquire release acquire? acquire release");
    let set = operations(async || {
        let mut cell = OnceCell::const_new();
        assert!(!cell.initialized());
        cell.set(1).unwrap();
        assert_eq!(cell.get(), Some(&1));
        assert_eq!(format!("{cell:?}"), "OnceCell { value: Some(1) }");
        assert_eq!(cell.get_mut(), Some(&mut 1));
        assert_eq!((cell.take(), cell.into_inner()), (Some(1), None));
    });
    assert_eq!(set, "read write read");
    let set = operations(async || {
        let cell = SetOnce::new();
        assert!(!cell.initialized());
        cell.set(1).unwrap();
        assert_eq!((cell.get(), cell.wait().await), (Some(&1), &1));
        assert_eq!(format!("{cell:?}"), "SetOnce { value: Some(1) }");
        cell.into_inner()
    });
    assert_eq!(set, "read write read read? read");
}

#[test]
fn a_barrier() {
    let alone = async || {
        Barrier::new(1).wait().await;
    };
    assert_eq!(operations(alone), "write? write");
}

/// The task that continues first after a preemption is served first, whichever asked first.
#[test]
fn a_lock_is_taken_in_the_order_in_which_tasks_continue() {
    let served = operations(async || {
        let lock = Mutex::new(());
        let (mut one, mut other) = (pin!(lock.lock()), pin!(lock.lock()));
        assert!(polled(one.as_mut()).await.is_pending(), "preempted");
        assert!(polled(other.as_mut()).await.is_pending(), "not polled");
        yield_now().await;
        assert!(polled(other.as_mut()).await.is_pending(), "preempted in its turn");
        yield_now().await;
        let Poll::Ready(held) = polled(other.as_mut()).await else { panic!("the other went on first") };
        assert!(polled(one.as_mut()).await.is_pending(), "is in the queue");
        drop(held);
        drop(one.await);
    });
    assert_eq!(served, "acquire? acquire? acquire acquire release release");
}

#[test]
fn dropping_a_preempted_wait_leaves_nothing_behind() {
    let given_up = operations(async || {
        let lock = Mutex::new(());
        assert!(polled(pin!(lock.lock())).await.is_pending());
        yield_now().await;
        assert!(lock.try_lock().is_ok());
    });
    assert_eq!(given_up, "acquire? acquire release", "only performed operations are recorded");
}

/// Leaving the queue lets other tasks pass, so they must be woken.
#[test]
fn dropping_a_queued_wait_is_a_release() {
    let given_up = operations(async || {
        let lock = RwLock::new(());
        let reader = lock.try_read().unwrap();
        {
            let mut writer = pin!(lock.write());
            assert!(polled(writer.as_mut()).await.is_pending(), "preempted");
            yield_now().await;
            assert!(polled(writer.as_mut()).await.is_pending(), "is in the queue");
            assert!(lock.try_read().is_err(), "which holds up readers");
        }
        assert!(lock.try_read().is_ok());
        drop(reader);
    });
    assert_eq!(given_up, "read acquire? acquire read release read release release");
    let never_made = operations(async || {
        let cell = OnceCell::<u8>::new();
        {
            let mut making = pin!(cell.get_or_init(std::future::pending));
            assert!(polled(making.as_mut()).await.is_pending());
            yield_now().await;
            assert!(polled(making.as_mut()).await.is_pending());
            assert!(cell.set(1).is_err());
        }
        cell.set(1).unwrap();
    });
    assert_eq!(never_made, "acquire? acquire write release write");
}

#[test]
fn a_release_is_recorded_before_waiters_wake() {
    type Sent = Box<dyn FnOnce()>;
    type Waits = std::pin::Pin<Box<dyn Future<Output = ()>>>;
    let releases: [fn() -> (Sent, Waits); 4] = [
        || {
            let lock = Arc::new(Mutex::new(()));
            let held = Arc::clone(&lock).try_lock_owned();
            (Box::new(|| drop(held)), Box::pin(async move { drop(lock.lock().await) }))
        },
        || {
            let lock = Arc::new(RwLock::new(()));
            let held = Arc::clone(&lock).try_read_owned();
            (Box::new(|| drop(held)), Box::pin(async move { drop(lock.write().await) }))
        },
        || {
            let lock = Arc::new(RwLock::new(()));
            let held = Arc::clone(&lock).try_write_owned().unwrap();
            (Box::new(|| drop(held.downgrade())), Box::pin(async move { drop(lock.read().await) }))
        },
        || {
            let semaphore = Arc::new(Semaphore::new(1));
            let held = Arc::clone(&semaphore).try_acquire_owned();
            (Box::new(|| drop(held)), Box::pin(async move { drop(semaphore.acquire().await) }))
        },
    ];
    for release in releases {
        let events = events(|| async move {
            let (release, waits) = release();
            let waiting = spawn(waits);
            for _ in 0..5 {
                yield_now().await;
            }
            release();
            waiting.await.unwrap();
        });
        let is_release = |(_, event): &(TaskKey, Event)| matches!(event, Event::Performed(operation) if operation.access == Access::Release);
        let root = events[0];
        let first_release = events.iter().position(is_release).unwrap();
        let woken = events.iter().rposition(|event| event.1 == Event::Ready && *event != root).unwrap();
        assert!(first_release < woken, "{events:?}");
    }
}
