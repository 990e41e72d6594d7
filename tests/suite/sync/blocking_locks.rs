//! Blocking methods of locks: inside a run they work where code may block, and outside as in tokio.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use timeloop::sync::{Mutex, RwLock, Semaphore};

use super::baseline;
use crate::support::panic_text;

#[test]
fn free_locks_are_acquired() {
    let acquire = || {
        let (mutex, rwlock) = (Arc::new(Mutex::new(1)), RwLock::new(2));
        let semaphore = Arc::new(Semaphore::new(2));
        *mutex.blocking_lock() += 1;
        assert_eq!(*Arc::clone(&mutex).blocking_lock_owned(), 2);
        *rwlock.blocking_write() += 1;
        let (one, other) = (rwlock.blocking_read(), rwlock.blocking_read());
        assert_eq!((*one, *other), (3, 3));
        let permit = semaphore.blocking_acquire().unwrap();
        let owned = Arc::clone(&semaphore).blocking_acquire_owned().unwrap();
        drop((permit, owned));
        assert_eq!(semaphore.blocking_acquire_many(2).unwrap().num_permits(), 2);
        assert_eq!(Arc::clone(&semaphore).blocking_acquire_many_owned(2).unwrap().num_permits(), 2);
        semaphore.close();
        assert_eq!(semaphore.blocking_acquire().unwrap_err().to_string(), "semaphore closed");
    };
    baseline(async move { timeloop::task::spawn_blocking(acquire).await.unwrap() });
}

struct Locks {
    mutex: Arc<Mutex<()>>,
    rwlock: RwLock<()>,
    semaphore: Arc<Semaphore>,
}

/// Returns the line at which a run fails in which a task calls `blocked`.
fn reported_line(blocked: fn(&Locks)) -> u32 {
    let failure = timeloop::run(1, || async move {
        let locks = Locks {
            mutex: Arc::new(Mutex::new(())),
            rwlock: RwLock::new(()),
            semaphore: Arc::new(Semaphore::new(1)),
        };
        let _held = (locks.mutex.lock().await, locks.rwlock.write().await, locks.semaphore.acquire().await);
        blocked(&locks);
    });
    let site = failure.unwrap_err().site.expect("a panic has a place");
    assert!(site.file.ends_with("blocking_locks.rs"), "{site}");
    site.line
}

#[test]
fn the_panic_inside_a_run_names_the_callers_line() {
    type Blocked = fn(&Locks);
    let cases: [(u32, Blocked); 8] = [
        (line!(), |locks| drop(locks.mutex.blocking_lock())),
        (line!(), |locks| drop(Arc::clone(&locks.mutex).blocking_lock_owned())),
        (line!(), |locks| drop(locks.rwlock.blocking_read())),
        (line!(), |locks| drop(locks.rwlock.blocking_write())),
        (line!(), |locks| drop(locks.semaphore.blocking_acquire())),
        (line!(), |locks| drop(locks.semaphore.blocking_acquire_many(2))),
        (line!(), |locks| drop(Arc::clone(&locks.semaphore).blocking_acquire_owned())),
        (line!(), |locks| drop(Arc::clone(&locks.semaphore).blocking_acquire_many_owned(2))),
    ];
    for (line, blocked) in cases {
        assert_eq!(reported_line(blocked), line);
    }
}

/// Real threads, which no run has.
#[test]
fn outside_of_a_run_the_thread_waits() {
    let (mutex, semaphore) = (Arc::new(Mutex::new(0)), Arc::new(Semaphore::new(0)));
    let released = AtomicBool::new(false);
    let held = mutex.blocking_lock();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            drop(semaphore.blocking_acquire_many(2).unwrap());
            *Arc::clone(&mutex).blocking_lock_owned() += 1;
            assert!(released.load(Ordering::SeqCst));
        });
        // Long enough for a thread that does not wait to finish.
        thread::sleep(Duration::from_millis(20));
        semaphore.add_permits(2);
        thread::sleep(Duration::from_millis(20));
        released.store(true, Ordering::SeqCst);
        drop(held);
        waiting.join().unwrap();
    });
    assert_eq!(*mutex.blocking_lock(), 1);
}

#[test]
fn inside_tokios_runtime_they_panic_like_tokios() {
    let texts = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        [
            panic_text(|| drop(tokio::sync::Mutex::new(()).blocking_lock())),
            panic_text(|| drop(Mutex::new(()).blocking_lock())),
            panic_text(|| drop(RwLock::new(()).blocking_read())),
            panic_text(|| drop(RwLock::new(()).blocking_write())),
            panic_text(|| drop(Semaphore::new(1).blocking_acquire())),
        ]
    });
    assert!(texts[0].contains("Cannot block the current thread"), "{}", texts[0]);
    for text in &texts[1..] {
        assert_eq!(text, &texts[0]);
    }
}
