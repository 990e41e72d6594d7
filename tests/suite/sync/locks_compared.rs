//! The locks compared with tokio's, over random sequences of operations: the result of each operation, the order of
//! wakes, and the `Debug` output of every future and guard.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Wake;

use proptest::prelude::*;

/// An operation. Indices are taken modulo the number of items.
#[derive(Clone, Copy, Debug)]
enum Operation {
    /// Starts to wait for a lock, by one of its methods.
    Ask(usize, u32),
    /// Tries to take it.
    Try(usize, u32),
    Poll(usize),
    GiveUp(usize),
    Release(usize),
    /// Uses a guard, by one of its methods.
    Change(usize, usize),
    /// Uses the lock itself.
    Touch(usize, u32),
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let (way, index) = (0..8_usize, 0..64_usize);
    let operation = prop_oneof![
        4 => (way.clone(), 0..4_u32).prop_map(|(way, many)| Operation::Ask(way, many)),
        2 => (way.clone(), 0..4_u32).prop_map(|(way, many)| Operation::Try(way, many)),
        6 => index.clone().prop_map(Operation::Poll),
        1 => index.clone().prop_map(Operation::GiveUp),
        3 => index.clone().prop_map(Operation::Release),
        2 => (way.clone(), index).prop_map(|(way, index)| Operation::Change(way, index)),
        2 => (way, 0..4_u32).prop_map(|(way, many)| Operation::Touch(way, many)),
    ];
    prop::collection::vec(operation, 0..60)
}

/// The futures that were woken, in order.
#[derive(Debug, Default)]
struct Wakes(Mutex<Vec<usize>>);

struct Waker {
    number: usize,
    wakes: Arc<Wakes>,
    count: AtomicUsize,
}

impl Wake for Waker {
    fn wake(self: Arc<Self>) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.wakes.0.lock().unwrap().push(self.number);
    }
}

/// Removes and returns the list's item at the index.
fn take<T>(list: &mut Vec<T>, index: usize) -> Option<T> {
    if list.is_empty() { None } else { Some(list.remove(index % list.len())) }
}

/// Compiles an interpreter of operations for the lock of one crate. Returns the observations after each operation.
///
/// `ask`, `try` and `touch` get the lock, the method and a number; `change` gets a guard and the method.
macro_rules! interpreter {
    ($module:ident, $sync:path, $($arms:tt)*) => {
        mod $module {
            use std::pin::Pin;
            use std::sync::Arc;
            use std::task::{Context, Poll};

            use $sync as sync;

            use super::{Operation, Waker, Wakes, take};

            $($arms)*

            type Asking<'a> = Pin<Box<dyn Future<Output = Result<Guard<'a>, String>> + Send + 'a>>;

            pub(super) fn seen(operations: &[Operation]) -> Vec<String> {
                let mut lock = make();
                let seen = over(&lock, operations);
                let left = finish(&mut lock);
                seen.into_iter().chain([format!("{left} {lock:?}")]).collect()
            }

            fn over(lock: &Arc<Lock>, operations: &[Operation]) -> Vec<String> {
                let wakes = Arc::new(Wakes::default());
                let mut asking: Vec<(Asking<'_>, Arc<Waker>)> = Vec::new();
                let mut guards: Vec<Guard<'_>> = Vec::new();
                let mut asked = 0;
                let mut all = Vec::new();
                for operation in operations {
                    let seen = match *operation {
                        Operation::Ask(way, many) => {
                            let (number, wakes, count) = (asked, Arc::clone(&wakes), Default::default());
                            asked += 1;
                            asking.push((ask(lock, way, many), Arc::new(Waker { number, wakes, count })));
                            String::new()
                        }
                        Operation::Try(way, many) => match attempt(lock, way, many) {
                            Ok(guard) => {
                                let seen = format!("{guard:?}");
                                guards.push(guard);
                                seen
                            }
                            Err(error) => error,
                        },
                        Operation::Poll(index) if !asking.is_empty() => {
                            let index = index % asking.len();
                            let (future, waker) = &mut asking[index];
                            let waker = Arc::clone(waker).into();
                            match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                                Poll::Pending => "pending".to_owned(),
                                Poll::Ready(ready) => {
                                    drop(asking.remove(index));
                                    let seen = format!("{ready:?}");
                                    guards.extend(ready);
                                    seen
                                }
                            }
                        }
                        Operation::Poll(_) => continue,
                        Operation::GiveUp(index) => {
                            drop(take(&mut asking, index));
                            String::new()
                        }
                        Operation::Release(index) => {
                            let _ = take(&mut guards, index);
                            String::new()
                        }
                        Operation::Change(way, index) => {
                            let changed = take(&mut guards, index).map(|guard| change(guard, way));
                            let seen = format!("{changed:?}");
                            guards.extend(changed.into_iter().flatten());
                            seen
                        }
                        Operation::Touch(way, many) => touch(lock, way, many),
                    };
                    let wakes = wakes.0.lock().unwrap().clone();
                    all.push(format!("{operation:?}: {seen}; {lock:?}; wakes {wakes:?}"));
                }
                all
            }
        }
    };
}

macro_rules! mutexes {
    ($($module:ident $sync:path;)*) => {$(interpreter! { $module, $sync,
        type Lock = sync::Mutex<(u32, [u32; 3])>;

        #[derive(Debug)]
        enum Guard<'a> {
            Whole(sync::MutexGuard<'a, (u32, [u32; 3])>),
            Owned(sync::OwnedMutexGuard<(u32, [u32; 3])>),
            Part(sync::MappedMutexGuard<'a, [u32]>),
            OwnedPart(sync::OwnedMappedMutexGuard<(u32, [u32; 3]), [u32]>),
            One(sync::MappedMutexGuard<'a, u32>),
            OwnedOne(sync::OwnedMappedMutexGuard<(u32, [u32; 3]), u32>),
        }

        fn make() -> Arc<Lock> {
            Arc::new(sync::Mutex::new((0, [1, 2, 3])))
        }

        fn finish(lock: &mut Arc<Lock>) -> String {
            let lock = Arc::get_mut(lock).expect("no guard is left");
            lock.get_mut().0 += 1;
            format!("{:?}", std::mem::take(lock).into_inner())
        }

        fn ask(lock: &Arc<Lock>, way: usize, _many: u32) -> Asking<'_> {
            if way % 2 == 0 {
                Box::pin(async { Ok(Guard::Whole(lock.lock().await)) })
            } else {
                let lock = Arc::clone(lock);
                Box::pin(async { Ok(Guard::Owned(lock.lock_owned().await)) })
            }
        }

        fn attempt(lock: &Arc<Lock>, way: usize, _many: u32) -> Result<Guard<'_>, String> {
            if way % 2 == 0 {
                lock.try_lock().map(Guard::Whole).map_err(|error| format!("{error:?} {error}"))
            } else {
                let tried = Arc::clone(lock).try_lock_owned();
                tried.map(Guard::Owned).map_err(|error| format!("{error:?} {error}"))
            }
        }

        fn touch(_lock: &Arc<Lock>, _way: usize, _many: u32) -> String {
            String::new()
        }

        fn change(guard: Guard<'_>, way: usize) -> Vec<Guard<'_>> {
            vec![match guard {
                Guard::Whole(mut guard) if way < 2 => {
                    guard.0 += 1;
                    assert_eq!(format!("{:?}", sync::MutexGuard::mutex(&guard)), "Mutex { data: <locked> }");
                    Guard::Whole(guard)
                }
                Guard::Whole(guard) if way < 4 => {
                    match sync::MutexGuard::try_map(guard, |all| (all.0 > 1).then_some(&mut all.0)) {
                        Ok(part) => Guard::One(part),
                        Err(guard) => Guard::Whole(guard),
                    }
                }
                Guard::Whole(guard) => Guard::Part(sync::MutexGuard::map(guard, |all| &mut all.1[..])),
                Guard::Owned(mut guard) if way < 2 => {
                    guard.0 += 1;
                    assert!(sync::OwnedMutexGuard::mutex(&guard).try_lock().is_err());
                    Guard::Owned(guard)
                }
                Guard::Owned(guard) if way < 4 => {
                    match sync::OwnedMutexGuard::try_map(guard, |all| (all.0 > 1).then_some(&mut all.0)) {
                        Ok(part) => Guard::OwnedOne(part),
                        Err(guard) => Guard::Owned(guard),
                    }
                }
                Guard::Owned(guard) => {
                    Guard::OwnedPart(sync::OwnedMutexGuard::map(guard, |all| &mut all.1[..]))
                }
                Guard::Part(part) if way < 4 => {
                    Guard::One(sync::MappedMutexGuard::map(part, |all| &mut all[way % 3]))
                }
                Guard::Part(part) => match sync::MappedMutexGuard::try_map(part, |all| all.get_mut(way - 2)) {
                    Ok(part) => Guard::One(part),
                    Err(part) => Guard::Part(part),
                },
                Guard::OwnedPart(part) if way < 4 => {
                    Guard::OwnedOne(sync::OwnedMappedMutexGuard::map(part, |all| &mut all[way % 3]))
                }
                Guard::OwnedPart(part) => {
                    match sync::OwnedMappedMutexGuard::try_map(part, |all| all.get_mut(way - 2)) {
                        Ok(part) => Guard::OwnedOne(part),
                        Err(part) => Guard::OwnedPart(part),
                    }
                }
                Guard::One(mut part) => {
                    *part += 10;
                    assert_eq!(part.to_string(), (*part).to_string());
                    Guard::One(part)
                }
                Guard::OwnedOne(mut part) => {
                    *part += 100;
                    assert_eq!(part.to_string(), (*part).to_string());
                    Guard::OwnedOne(part)
                }
            }]
        }
    })*};
}

mutexes! {
    our_mutex timeloop::sync;
    tokios_mutex tokio::sync;
}

macro_rules! rwlocks {
    ($($module:ident $sync:path;)*) => {$(interpreter! { $module, $sync,
        type Value = (u32, [u32; 3]);
        type Lock = sync::RwLock<Value>;

        #[derive(Debug)]
        enum Guard<'a> {
            Read(sync::RwLockReadGuard<'a, Value>),
            ReadPart(sync::RwLockReadGuard<'a, u32>),
            OwnedRead(sync::OwnedRwLockReadGuard<Value>),
            OwnedReadPart(sync::OwnedRwLockReadGuard<Value, u32>),
            Write(sync::RwLockWriteGuard<'a, Value>),
            WritePart(sync::RwLockMappedWriteGuard<'a, u32>),
            OwnedWrite(sync::OwnedRwLockWriteGuard<Value>),
            OwnedWritePart(sync::OwnedRwLockMappedWriteGuard<Value, u32>),
        }

        fn make() -> Arc<Lock> {
            Arc::new(sync::RwLock::with_max_readers((0, [1, 2, 3]), 3))
        }

        fn finish(lock: &mut Arc<Lock>) -> String {
            let lock = Arc::get_mut(lock).expect("no guard is left");
            lock.get_mut().0 += 1;
            format!("{:?}", std::mem::take(lock).into_inner())
        }

        fn ask(lock: &Arc<Lock>, way: usize, _many: u32) -> Asking<'_> {
            let owned = Arc::clone(lock);
            match way % 4 {
                0 => Box::pin(async { Ok(Guard::Read(lock.read().await)) }),
                1 => Box::pin(async { Ok(Guard::OwnedRead(owned.read_owned().await)) }),
                2 => Box::pin(async { Ok(Guard::Write(lock.write().await)) }),
                _ => Box::pin(async { Ok(Guard::OwnedWrite(owned.write_owned().await)) }),
            }
        }

        fn attempt(lock: &Arc<Lock>, way: usize, _many: u32) -> Result<Guard<'_>, String> {
            let owned = Arc::clone(lock);
            let tried = match way % 4 {
                0 => lock.try_read().map(Guard::Read),
                1 => owned.try_read_owned().map(Guard::OwnedRead),
                2 => lock.try_write().map(Guard::Write),
                _ => owned.try_write_owned().map(Guard::OwnedWrite),
            };
            tried.map_err(|error| format!("{error:?} {error}"))
        }

        fn touch(_lock: &Arc<Lock>, _way: usize, _many: u32) -> String {
            String::new()
        }

        fn change(guard: Guard<'_>, way: usize) -> Vec<Guard<'_>> {
            let some = way % 2 == 0;
            vec![match guard {
                Guard::Read(guard) if way < 3 => {
                    Guard::ReadPart(sync::RwLockReadGuard::map(guard, |all| &all.1[way]))
                }
                Guard::Read(guard) => {
                    match sync::RwLockReadGuard::try_map(guard, |all| some.then_some(&all.0)) {
                        Ok(part) => Guard::ReadPart(part),
                        Err(guard) => Guard::Read(guard),
                    }
                }
                Guard::ReadPart(part) => Guard::ReadPart(sync::RwLockReadGuard::map(part, |one| one)),
                Guard::OwnedRead(guard) if way < 3 => {
                    Guard::OwnedReadPart(sync::OwnedRwLockReadGuard::map(guard, |all| &all.1[way]))
                }
                Guard::OwnedRead(guard) => {
                    assert!(sync::OwnedRwLockReadGuard::rwlock(&guard).try_write().is_err());
                    match sync::OwnedRwLockReadGuard::try_map(guard, |all| some.then_some(&all.0)) {
                        Ok(part) => Guard::OwnedReadPart(part),
                        Err(guard) => Guard::OwnedRead(guard),
                    }
                }
                Guard::OwnedReadPart(part) => {
                    Guard::OwnedReadPart(sync::OwnedRwLockReadGuard::map(part, |one| one))
                }
                Guard::Write(mut guard) => match way {
                    0 => {
                        guard.0 += 1;
                        Guard::Write(guard)
                    }
                    1 => Guard::Read(guard.downgrade()),
                    2 | 3 => Guard::ReadPart(sync::RwLockWriteGuard::downgrade_map(guard, |all| &all.1[0])),
                    4 | 5 => {
                        match sync::RwLockWriteGuard::try_downgrade_map(guard, |all| some.then_some(&all.0)) {
                            Ok(part) => Guard::ReadPart(part),
                            Err(guard) => Guard::Write(guard),
                        }
                    }
                    6 => {
                        let mapped = sync::RwLockWriteGuard::into_mapped(guard);
                        Guard::WritePart(sync::RwLockMappedWriteGuard::map(mapped, |all| &mut all.0))
                    }
                    _ => match sync::RwLockWriteGuard::try_map(guard, |all| all.1.get_mut(all.0 as usize)) {
                        Ok(part) => Guard::WritePart(part),
                        Err(guard) => Guard::Write(guard),
                    },
                },
                Guard::WritePart(mut part) => {
                    *part += 10;
                    assert_eq!(part.to_string(), (*part).to_string());
                    match sync::RwLockMappedWriteGuard::try_map(part, |one| some.then_some(one)) {
                        Ok(part) | Err(part) => Guard::WritePart(part),
                    }
                }
                Guard::OwnedWrite(mut guard) => match way {
                    0 => {
                        guard.0 += 1;
                        assert!(sync::OwnedRwLockWriteGuard::rwlock(&guard).try_read().is_err());
                        Guard::OwnedWrite(guard)
                    }
                    1 => Guard::OwnedRead(guard.downgrade()),
                    2 | 3 => {
                        let part = sync::OwnedRwLockWriteGuard::downgrade_map(guard, |all| &all.1[0]);
                        Guard::OwnedReadPart(part)
                    }
                    4 | 5 => {
                        match sync::OwnedRwLockWriteGuard::try_downgrade_map(guard, |all| some.then_some(&all.0)) {
                            Ok(part) => Guard::OwnedReadPart(part),
                            Err(guard) => Guard::OwnedWrite(guard),
                        }
                    }
                    6 => {
                        let mapped = sync::OwnedRwLockWriteGuard::into_mapped(guard);
                        let part = sync::OwnedRwLockMappedWriteGuard::map(mapped, |all| &mut all.0);
                        assert!(sync::OwnedRwLockMappedWriteGuard::rwlock(&part).try_read().is_err());
                        Guard::OwnedWritePart(part)
                    }
                    _ => {
                        match sync::OwnedRwLockWriteGuard::try_map(guard, |all| all.1.get_mut(all.0 as usize)) {
                            Ok(part) => Guard::OwnedWritePart(part),
                            Err(guard) => Guard::OwnedWrite(guard),
                        }
                    }
                },
                Guard::OwnedWritePart(mut part) => {
                    *part += 10;
                    assert_eq!(part.to_string(), (*part).to_string());
                    match sync::OwnedRwLockMappedWriteGuard::try_map(part, |one| some.then_some(one)) {
                        Ok(part) | Err(part) => Guard::OwnedWritePart(part),
                    }
                }
            }]
        }
    })*};
}

rwlocks! {
    our_rwlock timeloop::sync;
    tokios_rwlock tokio::sync;
}

macro_rules! semaphores {
    ($($module:ident $sync:path;)*) => {$(interpreter! { $module, $sync,
        type Lock = sync::Semaphore;

        #[derive(Debug)]
        enum Guard<'a> {
            Permits(sync::SemaphorePermit<'a>),
            Owned(sync::OwnedSemaphorePermit),
        }

        fn make() -> Arc<Lock> {
            Arc::new(sync::Semaphore::new(3))
        }

        fn finish(lock: &mut Arc<Lock>) -> String {
            assert_eq!(Arc::strong_count(lock), 1, "no permit is left");
            lock.close();
            lock.available_permits().to_string()
        }

        fn ask(lock: &Arc<Lock>, way: usize, many: u32) -> Asking<'_> {
            let owned = Arc::clone(lock);
            match way % 4 {
                0 => Box::pin(async { stringify_error(lock.acquire().await.map(Guard::Permits)) }),
                1 => Box::pin(async move { stringify_error(lock.acquire_many(many).await.map(Guard::Permits)) }),
                2 => Box::pin(async { stringify_error(owned.acquire_owned().await.map(Guard::Owned)) }),
                _ => Box::pin(async move { stringify_error(owned.acquire_many_owned(many).await.map(Guard::Owned)) }),
            }
        }

        fn stringify_error<T, E: std::fmt::Debug + std::fmt::Display>(result: Result<T, E>) -> Result<T, String> {
            result.map_err(|error| format!("{error:?} {error}"))
        }

        fn attempt(lock: &Arc<Lock>, way: usize, many: u32) -> Result<Guard<'_>, String> {
            let owned = Arc::clone(lock);
            stringify_error(match way % 4 {
                0 => lock.try_acquire().map(Guard::Permits),
                1 => lock.try_acquire_many(many).map(Guard::Permits),
                2 => owned.try_acquire_owned().map(Guard::Owned),
                _ => owned.try_acquire_many_owned(many).map(Guard::Owned),
            })
        }

        fn touch(lock: &Arc<Lock>, way: usize, many: u32) -> String {
            match way {
                0 => lock.add_permits(many as usize),
                1 => return lock.forget_permits(many as usize).to_string(),
                2 if many == 0 => lock.close(),
                3 => return lock.is_closed().to_string(),
                _ => {}
            }
            lock.available_permits().to_string()
        }

        fn change(guard: Guard<'_>, way: usize) -> Vec<Guard<'_>> {
            match guard {
                Guard::Permits(permits) if way == 0 => {
                    permits.forget();
                    vec![]
                }
                Guard::Permits(mut permits) => match permits.split(way - 1) {
                    Some(split) if way % 2 == 0 => {
                        permits.merge(split);
                        vec![Guard::Permits(permits)]
                    }
                    Some(split) => {
                        assert_eq!(split.num_permits(), way - 1);
                        assert_eq!(split.semaphore().is_closed(), permits.semaphore().is_closed());
                        vec![Guard::Permits(permits), Guard::Permits(split)]
                    }
                    None => vec![Guard::Permits(permits)],
                },
                Guard::Owned(permits) if way == 0 => {
                    permits.forget();
                    vec![]
                }
                Guard::Owned(mut permits) => match permits.split(way - 1) {
                    Some(split) if way % 2 == 0 => {
                        permits.merge(split);
                        vec![Guard::Owned(permits)]
                    }
                    Some(split) => {
                        assert_eq!(split.num_permits(), way - 1);
                        assert!(Arc::ptr_eq(split.semaphore(), permits.semaphore()));
                        vec![Guard::Owned(permits), Guard::Owned(split)]
                    }
                    None => vec![Guard::Owned(permits)],
                },
            }
        }
    })*};
}

semaphores! {
    our_semaphore timeloop::sync;
    tokios_semaphore tokio::sync;
}

macro_rules! once_cells {
    ($($module:ident $sync:path;)*) => {$(interpreter! { $module, $sync,
        #[derive(Debug)]
        struct Lock(sync::OnceCell<u32>, sync::SetOnce<u32>);

        #[derive(Debug)]
        struct Guard<'a>(#[expect(dead_code, reason = "shown")] &'a u32);

        fn make() -> Arc<Lock> {
            Arc::new(Lock(sync::OnceCell::new(), sync::SetOnce::new()))
        }

        fn finish(lock: &mut Arc<Lock>) -> String {
            let lock = Arc::get_mut(lock).expect("no future is left");
            let clones = (lock.0.clone(), lock.1.clone());
            let (was, taken) = (format!("{:?}", lock.0.get_mut()), lock.0.take());
            let apart = (clones.0 == lock.0, clones.0.into_inner(), clones.1.into_inner());
            format!("{was} {taken:?} {apart:?}")
        }

        fn ask(lock: &Arc<Lock>, way: usize, many: u32) -> Asking<'_> {
            let mut waits = way % 2 == 0;
            // A value that is ready at once, or after another poll.
            let value = std::future::poll_fn(move |cx| {
                if std::mem::take(&mut waits) {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(many)
            });
            match way / 2 {
                0 => Box::pin(async { Ok(Guard(lock.0.get_or_init(|| value).await)) }),
                1 => Box::pin(async move {
                    let value = async { if many == 0 { Err("none".to_owned()) } else { Ok(value.await) } };
                    lock.0.get_or_try_init(|| value).await.map(Guard)
                }),
                2 => Box::pin(async {
                    lock.0.get_or_try_init(|| async { value.await; Err("failed".to_owned()) }).await.map(Guard)
                }),
                _ => Box::pin(async { Ok(Guard(lock.1.wait().await)) }),
            }
        }

        fn attempt(lock: &Arc<Lock>, way: usize, _many: u32) -> Result<Guard<'_>, String> {
            let got = if way % 2 == 0 { lock.0.get() } else { lock.1.get() };
            got.map(Guard).ok_or_else(|| format!("{} {}", lock.0.initialized(), lock.1.initialized()))
        }

        fn touch(lock: &Arc<Lock>, way: usize, many: u32) -> String {
            if way % 2 == 0 {
                let set = lock.0.set(many);
                format!("{set:?} {:?}", set.as_ref().map_err(ToString::to_string))
            } else {
                let set = lock.1.set(many);
                format!("{set:?} {:?}", set.as_ref().map_err(ToString::to_string))
            }
        }

        fn change(guard: Guard<'_>, _way: usize) -> Vec<Guard<'_>> {
            vec![guard]
        }
    })*};
}

once_cells! {
    our_once_cell timeloop::sync;
    tokios_once_cell tokio::sync;
}

/// Outside a run, and inside one.
fn both(seen: fn(&[Operation]) -> Vec<String>, operations: &[Operation]) -> [Vec<String>; 2] {
    [seen(operations), timeloop::run(0, async || seen(operations)).unwrap()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutex(operations in operations()) {
        let theirs = tokios_mutex::seen(&operations);
        prop_assert_eq!(both(our_mutex::seen, &operations), [theirs.clone(), theirs]);
    }

    #[test]
    fn rwlock(operations in operations()) {
        let theirs = tokios_rwlock::seen(&operations);
        prop_assert_eq!(both(our_rwlock::seen, &operations), [theirs.clone(), theirs]);
    }

    #[test]
    fn semaphore(operations in operations()) {
        let theirs = tokios_semaphore::seen(&operations);
        prop_assert_eq!(both(our_semaphore::seen, &operations), [theirs.clone(), theirs]);
    }

    #[test]
    fn once_cell_and_set_once(operations in operations()) {
        let theirs = tokios_once_cell::seen(&operations);
        prop_assert_eq!(both(our_once_cell::seen, &operations), [theirs.clone(), theirs]);
    }
}
